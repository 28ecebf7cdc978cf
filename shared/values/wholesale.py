"""The wholesale program as values: when somebody may apply again, and to what a tax id is bound. Pure."""

from datetime import datetime, timedelta
from uuid import UUID

from shared.values.states import WholesaleStatus

AGAIN_AFTER = timedelta(days=30)  # as the schema's trigger has it


def may_apply_at(status: str, decided_at: datetime | None) -> datetime | None:
    """When a rejected member may apply again; None for an account that was not rejected."""
    return decided_at + AGAIN_AFTER if decided_at and status == WholesaleStatus.REJECTED else None


def row_of(account_id: UUID) -> str:
    """The name of the row that an account's sealed tax id is bound to."""
    return f"wholesale_accounts:{account_id}"
