"""Tells whoever an endpoint belongs to that nothing is sent to it any more."""

from datetime import datetime
from uuid import UUID

from functions.hook_send.store import Owner
from shared.db import Tx
from shared.messages import notifications
from shared.payouts import treasuries
from shared.payouts.treasuries import TreasuryNotice
from shared.values.states import HookState

WHY = {
    HookState.FAILING: "It has taken nothing for five days.",
    HookState.GONE: "It has answered 410, which asks us to send nothing any more.",
}


def of_disabled(tx: Tx, owner: Owner, endpoint_id: UUID, state: HookState, now: datetime) -> None:
    """Tell a wholesale account's member in the app, or treasury admins and owners by mail."""
    key = f"hook-disabled:{endpoint_id}:{now.isoformat()}"
    if owner.member_id is not None:
        data = {"webhook_endpoint_id": str(endpoint_id)}
        note = notifications.note(owner.member_id, "wholesale_webhook_disabled", data, key, host=owner.host)
        notifications.notify(tx, note, now)
        return
    notice = TreasuryNotice(
        subject=f"Webhooks to {owner.host} are switched off",
        what=WHY[state],
        remedy=f"Mend the receiver, then an owner enables it: PUT /v1/admin/webhooks/{endpoint_id}, and sends again.",
        dedupe_key=key,
    )
    treasuries.tell_admins(tx, notice, now)
