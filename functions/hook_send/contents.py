"""The content of webhooks: ids, numbers and states, read from the rows; nothing about a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.hook_send import content_records
from shared.db import Tx
from shared.orders.states import number_of
from shared.values.hooks import OF_ORDERS, HookKind


@dataclass(frozen=True)
class Content:
    """The `data` of a message, and the wholesale account that may hear of it beside the owners, if there is one."""

    data: Mapping[str, object]
    account_id: UUID | None


def of(tx: Tx, kind: HookKind, subject: str) -> Content | None:
    """The content of a message about this event; None if nothing is known of its subject."""
    if kind in OF_ORDERS:
        return _of_order(tx, kind, UUID(subject))
    if kind is HookKind.PAYOUT_CONFIRMED:
        return _of_payout(tx, UUID(subject))
    treasury, _, at = subject.partition("@")
    return _of_snapshot(tx, treasury, datetime.fromisoformat(at))


def _of_order(tx: Tx, kind: HookKind, order_id: UUID) -> Content | None:
    found = content_records.order(tx, order_id)
    if found is None:
        return None
    data = {
        "order_id": order_id,
        "order_number": number_of(found.kind, found.number, found.placed_at),
        "order_kind": found.kind,
        "state": kind.value.removeprefix("order."),
    }
    return Content(data, found.account_id)


def _of_payout(tx: Tx, payout_id: UUID) -> Content | None:
    treasury = content_records.treasury_of_payout(tx, payout_id)
    return Content({"payout_id": payout_id, "treasury": treasury}, None) if treasury else None


def _of_snapshot(tx: Tx, treasury: str, at: datetime) -> Content | None:
    balance = content_records.balance(tx, treasury, at)
    if balance is None:
        return None
    return Content({"treasury": treasury, "at": at, "balance": balance.decimal}, None)
