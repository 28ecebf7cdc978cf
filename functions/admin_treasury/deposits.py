"""Deposits that belong to no order: people assign them to one that waits, or have them sent back (docs/shop.md)."""

from datetime import datetime
from uuid import UUID

from functions.admin_treasury import deposit_records, payments, rules, transfers
from functions.admin_treasury.common import Treasurer, api
from functions.admin_treasury.deposit_records import Deposit
from functions.admin_treasury.payments import TreasuryPayoutDetail
from functions.admin_treasury.transfers import TRANSFER_PROBLEMS, OnChain, TreasuryTransfer, read_chain
from shared.db import Tx
from shared.orders import tasks
from shared.payouts import interests
from shared.values.fields import Body, EvmAddress, Listing, Page, Reason, SixDigits
from shared.values.problems import NotFound
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position


class DepositAssignment(Body):
    """The order that the deposit is for, and how that is known."""

    order_id: UUID
    reason: Reason


class DepositReturn(Body):
    """The recipient (in the capitals of EIP-55), how its owner is known, and a code of the admin's own app."""

    to_address: EvmAddress
    reason: Reason
    totp: SixDigits


@api.get("/v1/admin/deposits")
def list_deposits(tx: Tx, admin: Treasurer, page: Page) -> Listing[Deposit]:
    """List the deposits that belong to no order and are not on their way back, newest first."""
    rows = deposit_records.unmatched(tx, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.found_at, row.id))
    return Listing[Deposit](items=list(shown), next_cursor=cursor)


@api.post(
    "/v1/admin/deposits/{deposit_id}/assign",
    problems=(interests.OwnInterest, rules.DepositUsed, rules.OrderAwaitsNothing),
)
def assign_deposit(
    tx: Tx, admin: Treasurer, deposit_id: UUID, body: DepositAssignment, client: Client, now: datetime
) -> Deposit:
    """Assign a deposit to an order that waits for its payment in USDT; it counts within a minute."""
    if deposit_records.deposit(tx, deposit_id) is None:
        raise NotFound
    waiting = deposit_records.waiting(tx, body.order_id)
    if waiting is None:
        raise rules.OrderAwaitsNothing
    interests.require_none_in_member(tx, admin.id, waiting.member_id)
    if not deposit_records.assign(tx, deposit_id, waiting.payment_id):
        raise rules.DepositUsed
    tasks.watch_deposits(tx, now)
    changes = {"order_id": str(body.order_id), "reason": body.reason}
    audit.record(tx, admin, client, Action("deposit.assign", "deposit", deposit_id, changes), now)
    return _shown(tx, deposit_id)


@api.post(
    "/v1/admin/deposits/{deposit_id}/return",
    status=201,
    before=read_chain,
    problems=(*TRANSFER_PROBLEMS, rules.DepositUsed),
)
def return_deposit(
    tx: Tx,
    admin: Treasurer,
    key: IdempotencyKey,
    deposit_id: UUID,
    body: DepositReturn,
    on_chain: OnChain,
    client: Client,
    now: datetime,
) -> TreasuryPayoutDetail:
    """Ask for a transfer that sends a deposit back. It goes the way of every manual transfer: two others approve."""
    found = deposit_records.deposit(tx, deposit_id)
    if found is None:
        raise NotFound
    if not deposit_records.is_free(tx, deposit_id):
        raise rules.DepositUsed
    wanted = TreasuryTransfer(
        pool="shop", to_address=body.to_address, amount=found.amount, reason=body.reason, totp=body.totp
    )
    transfer_id = transfers.ask(tx, admin, key, wanted, on_chain, client=client, now=now)
    if not deposit_records.send_back(tx, deposit_id, transfer_id):
        raise rules.DepositUsed
    changes = {"transfer_id": str(transfer_id), "to": body.to_address, "reason": body.reason}
    audit.record(tx, admin, client, Action("deposit.return", "deposit", deposit_id, changes), now)
    return payments.detail(tx, transfer_id)


def _shown(tx: Tx, deposit_id: UUID) -> Deposit:
    found = deposit_records.deposit(tx, deposit_id)
    assert found, "deposits are never deleted"
    return found
