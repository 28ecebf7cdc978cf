"""Manual transfers: one treasury admin asks with their second factor, two others agree with theirs, then it is paid.

The payout machine pays it as any other payout, from HELD on: its policy, its pause and its finality are the same.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.admin_treasury import payments, records, rules
from functions.admin_treasury.common import SECOND_FACTOR, Pool, Reason, Totp, Treasurer, api
from functions.admin_treasury.payments import (
    APPROVAL_PROBLEMS,
    PayoutApproval,
    Status,
    TreasuryPayout,
    TreasuryPayoutDetail,
)
from shared import audit, db, ledger, payout_terms, payouts, totp, treasuries
from shared.audit import Action
from shared.auth import Admin
from shared.db import Tx
from shared.fields import Body, EvmAddress, Listing, Money, Page
from shared.http import Client
from shared.idempotency import IdempotencyKey
from shared.money import Usdt
from shared.payouts import CANCELLABLE, HoldReason, PayoutState, Promise
from shared.ports import ethereum, nodes
from shared.problems import NotFound
from shared.treasuries import Notice

SOURCE = "manual"
POLICY_VERSION = 1
TERMS = {
    payout_terms.NothingToPay: rules.TransferAmountNotPositive,
    payout_terms.PaysNobody: rules.TransferToNobody,
    payout_terms.PaysTheToken: rules.TransferToToken,
    payout_terms.PaysATreasury: rules.TransferToTreasury,
}


class TreasuryTransfer(Body):
    """What is to be sent, where to (in the capitals of EIP-55), why, and a code of the requester's own app."""

    pool: Pool
    to_address: EvmAddress
    amount: Money
    reason: Reason
    totp: Totp


class TransferCancellation(Body):
    """Why it is not sent after all."""

    reason: Reason


class TransferFilter(Page):
    """A page of manual transfers that fit all that is given."""

    pool: Pool | None = None
    status: Status | None = None


@dataclass(frozen=True)
class OnChain:
    """What the keys that pay have at the finalized block; None while the nodes do not agree."""

    balances: dict[str, Usdt] | None


def read_chain() -> OnChain:
    """Every treasury's, because the body is not read yet."""
    paying = {key.treasury: key for key in db.atomically(treasuries.keys) if key.status == "active"}
    token = next(iter(paying.values())).token_address
    look = nodes.connect().look(token, [key.address for key in paying.values()])
    if look.agreed is None:
        return OnChain(None)
    return OnChain({name: Usdt(look.agreed[key.address].usdt_micro) for name, key in paying.items()})


@api.post(
    "/v1/admin/treasury/send",
    status=201,
    before=read_chain,
    problems=(
        rules.ChainNotReadable,
        rules.TransferAboveBalance,
        rules.TransferAddressMistyped,
        rules.TransferAmountNotPositive,
        rules.TransferToTreasury,
        rules.TransferToNobody,
        rules.TransferToToken,
        *SECOND_FACTOR,
    ),
)
def send_from_treasury(
    tx: Tx,
    admin: Treasurer,
    key: IdempotencyKey,
    body: TreasuryTransfer,
    on_chain: OnChain,
    client: Client,
    now: datetime,
) -> TreasuryPayoutDetail:
    """Ask for a transfer. Nothing leaves before two other treasury admins have approved it."""
    totp.spend(tx, admin.id, body.totp, now)
    if ethereum.checksummed(body.to_address) != body.to_address:
        raise rules.TransferAddressMistyped
    payout_id = _promised(tx, admin, key, body, now)
    free = _free(tx, body.pool, on_chain)
    if body.amount > free:
        raise rules.TransferAboveBalance(free=free.decimal)
    inputs = {"amount": str(body.amount), "recipient_address": body.to_address, "free": str(free), "manual": True}
    payout = payouts.load(tx, payout_id)
    assert payout, "it was promised just now"
    needed = rules.APPROVALS_OF_A_TRANSFER
    payouts.decide(
        tx,
        payout,
        policy_version=POLICY_VERSION,
        inputs=inputs,
        hold=HoldReason.REVIEW,
        approvals_needed=needed,
        now=now,
    )
    records.insert_transfer(tx, payout_id, admin.id, body.reason, now)
    changes = {"pool": body.pool, "to": body.to_address, "amount": str(body.amount), "reason": body.reason}
    audit.record(tx, admin, client, Action("transfer.request", "payout", payout_id, changes), now)
    treasuries.tell_admins(tx, _asked(admin, body, payout_id), now)
    return payments.detail(tx, payout_id)


@api.get("/v1/admin/treasury/transfers")
def list_treasury_transfers(tx: Tx, admin: Treasurer, page: TransferFilter) -> Listing[TreasuryPayout]:
    """Newest first."""
    wanted = payments.TreasuryPayoutFilter(limit=page.limit, cursor=page.cursor, pool=page.pool, status=page.status)
    return payments.listing(tx, wanted, SOURCE)


@api.get("/v1/admin/treasury/transfers/{transfer_id}")
def get_treasury_transfer(tx: Tx, admin: Treasurer, transfer_id: UUID) -> TreasuryPayoutDetail:
    """One transfer with its whole story: who asked, who agreed, what the chain said."""
    return _transfer(tx, transfer_id)


@api.post("/v1/admin/treasury/transfers/{transfer_id}/approve", problems=APPROVAL_PROBLEMS)
def approve_treasury_transfer(
    tx: Tx, admin: Treasurer, transfer_id: UUID, body: PayoutApproval, client: Client, now: datetime
) -> TreasuryPayoutDetail:
    """Agree to somebody else's transfer; the second approval sends it on its way."""
    totp.spend(tx, admin.id, body.totp, now)
    _transfer(tx, transfer_id)
    return payments.approve(tx, admin, transfer_id, body.note, client, now)


@api.post("/v1/admin/treasury/transfers/{transfer_id}/cancel", problems=(rules.TransferUnderWay,))
def cancel_treasury_transfer(
    tx: Tx, admin: Treasurer, transfer_id: UUID, body: TransferCancellation, client: Client, now: datetime
) -> TreasuryPayoutDetail:
    """Reject it, or take it back, while nothing was signed. Harmless twice."""
    payout = payouts.load(tx, transfer_id)
    if payout is None or payout.source_kind != SOURCE:
        raise NotFound
    if payout.state is not PayoutState.CANCELLED:
        if payout.state not in CANCELLABLE:
            raise rules.TransferUnderWay(state=payout.state.value)
        payouts.cancel(tx, payout, now)
        records.cancel_transfer(tx, transfer_id, admin.id, body.reason, now)
        audit.record(tx, admin, client, Action("transfer.cancel", "payout", transfer_id, {"reason": body.reason}), now)
    return payments.detail(tx, transfer_id)


def _promised(tx: Tx, admin: Admin, key: IdempotencyKey, body: TreasuryTransfer, now: datetime) -> UUID:
    source = f"{admin.id}:{key.key_hash.hex()}"
    promise = Promise(
        treasury=body.pool,
        source_kind=SOURCE,
        source_id=source,
        recipient_address=body.to_address,
        amount=body.amount,
        member_id=None,
        scope=SOURCE,
        idempotency_key=source,
        requested_by=admin.id,
    )
    try:
        return payouts.request(tx, promise, now)
    except payout_terms.BadTerms as fault:
        raise TERMS[type(fault)] from None


def _free(tx: Tx, pool: str, on_chain: OnChain) -> Usdt:
    """On the chain, less what is set aside for others."""
    if on_chain.balances is None:
        raise rules.ChainNotReadable
    return on_chain.balances[pool] - ledger.balance(tx, f"in_flight:{pool}")


def _transfer(tx: Tx, transfer_id: UUID) -> TreasuryPayoutDetail:
    found = payments.detail(tx, transfer_id)
    if found.transfer is None:
        raise NotFound
    return found


def _asked(admin: Admin, body: TreasuryTransfer, transfer_id: UUID) -> Notice:
    amount = f"{body.amount.decimal:,f} USDT"
    return Notice(
        subject=f"{admin.username} asks for {amount} from the {body.pool} treasury",
        what=f"{amount} are to go to {body.to_address}, because: {body.reason}",
        remedy=f"Two others approve or one cancels transfer {transfer_id}. If nobody knows of it, cancel it and pause.",
        dedupe_key=f"transfer-requested:{transfer_id}",
    )
