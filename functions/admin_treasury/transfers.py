"""Manual transfers: one treasury admin asks with their second factor, two others approve with theirs, then it is paid.

The payout machine pays it like any other payout, from HELD on: the same policy, pause and finality apply.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.admin_treasury import payments, records, rules
from functions.admin_treasury.common import Pool, Treasurer, api
from functions.admin_treasury.payments import (
    APPROVAL_PROBLEMS,
    PayoutApproval,
    Status,
    TreasuryPayout,
    TreasuryPayoutDetail,
)
from shared import db
from shared.auth import Admin
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.ledger import journals
from shared.payouts import interests, machine, policy, terms, treasuries
from shared.payouts.machine import CANCELLABLE, HoldReason, Payout, PayoutState, Promise
from shared.payouts.treasuries import TreasuryNotice
from shared.ports.polygon import ethereum, nodes
from shared.ports.polygon.rpc import within
from shared.values.fields import Body, EvmAddress, Listing, Money, Page, Reason, SixDigits
from shared.values.money import Usdt
from shared.values.problems import IdempotencyKeyReused, NotFound, Problem
from shared.values.states import SignerStatus
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey

SOURCE = "manual"
TRANSFER_PROBLEMS: tuple[type[Problem], ...] = (
    rules.ChainNotReadable,
    rules.TransferAboveBalance,
    rules.TransferAddressMistyped,
    rules.TransferAmountNotPositive,
    rules.TransferToTreasury,
    rules.TransferToNobody,
    rules.TransferToToken,
    interests.OwnInterest,
    *SECOND_FACTOR,
)
TERMS = {
    terms.NothingToPay: rules.TransferAmountNotPositive,
    terms.PaysNobody: rules.TransferToNobody,
    terms.PaysTheToken: rules.TransferToToken,
    terms.PaysATreasury: rules.TransferToTreasury,
}


class TreasuryTransfer(Body):
    """The amount, the recipient (in the capitals of EIP-55), the reason, and a code of the requester's own app."""

    pool: Pool
    to_address: EvmAddress
    amount: Money
    reason: Reason
    totp: SixDigits


class TransferCancellation(Body):
    """The reason for the cancellation."""

    reason: Reason


class TransferFilter(Page):
    """A page of the manual transfers that match every given filter."""

    pool: Pool | None = None
    status: Status | None = None


@dataclass(frozen=True)
class OnChain:
    """The balances of the paying keys at the finalized block, by treasury; None if the nodes do not agree."""

    balances: dict[str, Usdt] | None


def read_chain() -> OnChain:
    """Read the balances of every treasury, because the body with the pool is not parsed yet."""
    paying = {key.treasury: key for key in db.atomically(treasuries.keys) if key.status == SignerStatus.ACTIVE}
    token = next(iter(paying.values())).token_address
    with within(rules.CHAIN_SECONDS_MAX):
        look = nodes.connect().look(token, [key.address for key in paying.values()])
    if look.agreed is None:
        return OnChain(None)
    return OnChain({name: Usdt(look.agreed[key.address].usdt_micro) for name, key in paying.items()})


@api.post("/v1/admin/treasury/send", status=201, before=read_chain, problems=TRANSFER_PROBLEMS)
def send_from_treasury(
    tx: Tx,
    admin: Treasurer,
    key: IdempotencyKey,
    body: TreasuryTransfer,
    on_chain: OnChain,
    client: Client,
    now: datetime,
) -> TreasuryPayoutDetail:
    """Ask for a transfer. Nothing is sent before two other treasury admins have approved it."""
    return payments.detail(tx, ask(tx, admin, key, body, on_chain, client=client, now=now))


def ask(
    tx: Tx, admin: Admin, key: IdempotencyKey, body: TreasuryTransfer, on_chain: OnChain, *, client: Client,
    now: datetime,
) -> UUID:  # fmt: skip
    """Record a transfer that waits for two others, and tell them; returns its id. Raises TRANSFER_PROBLEMS."""
    totp.spend(tx, admin.id, body.totp, now)
    if ethereum.checksummed(body.to_address) != body.to_address:
        raise rules.TransferAddressMistyped
    interests.require_none_in_wallet(tx, admin.id, body.to_address)
    payout = _promised(tx, admin, key, body, now)
    free = _free(tx, body.pool, on_chain)
    if body.amount > free:
        raise rules.TransferAboveBalance(free=free.decimal)
    inputs = {"amount": str(body.amount), "recipient_address": body.to_address, "free": str(free), "manual": True}
    machine.decide(
        tx,
        payout,
        policy_version=policy.VERSION,
        inputs=inputs,
        hold=HoldReason.REVIEW,
        approvals_needed=policy.TWO_PEOPLE,
        now=now,
    )
    records.insert_transfer(tx, payout.id, admin.id, body.reason, now)
    changes = {"pool": body.pool, "to": body.to_address, "amount": str(body.amount), "reason": body.reason}
    audit.record(tx, admin, client, Action("transfer.request", "payout", payout.id, changes), now)
    treasuries.tell_admins(tx, _asked(admin, body, payout.id), now)
    return payout.id


@api.get("/v1/admin/treasury/transfers")
def list_treasury_transfers(tx: Tx, admin: Treasurer, page: TransferFilter) -> Listing[TreasuryPayout]:
    """List manual transfers, newest first."""
    wanted = payments.TreasuryPayoutFilter(limit=page.limit, cursor=page.cursor, pool=page.pool, status=page.status)
    return payments.listing(tx, wanted, SOURCE)


@api.get("/v1/admin/treasury/transfers/{transfer_id}")
def get_treasury_transfer(tx: Tx, admin: Treasurer, transfer_id: UUID) -> TreasuryPayoutDetail:
    """Return one transfer with its whole history: who asked, who approved, what the chain answered."""
    return _transfer(tx, transfer_id)


@api.post("/v1/admin/treasury/transfers/{transfer_id}/approve", problems=APPROVAL_PROBLEMS)
def approve_treasury_transfer(
    tx: Tx, admin: Treasurer, transfer_id: UUID, body: PayoutApproval, client: Client, now: datetime
) -> TreasuryPayoutDetail:
    """Approve a transfer that somebody else asked for; it continues with the second approval."""
    totp.spend(tx, admin.id, body.totp, now)
    _transfer(tx, transfer_id)
    return payments.approve(tx, admin, transfer_id, body.note, client, now=now)


@api.post("/v1/admin/treasury/transfers/{transfer_id}/cancel", problems=(rules.TransferUnderWay,))
def cancel_treasury_transfer(
    tx: Tx, admin: Treasurer, transfer_id: UUID, body: TransferCancellation, client: Client, now: datetime
) -> TreasuryPayoutDetail:
    """Reject a transfer, or take it back, as long as nothing is signed. Harmless twice."""
    payout = machine.load(tx, transfer_id)
    if payout is None or payout.source_kind != SOURCE:
        raise NotFound
    if payout.state is not PayoutState.CANCELLED:
        if payout.state not in CANCELLABLE:
            raise rules.TransferUnderWay(state=payout.state.value)
        machine.cancel(tx, payout, now)
        records.cancel_transfer(tx, transfer_id, admin.id, body.reason, now)
        audit.record(tx, admin, client, Action("transfer.cancel", "payout", transfer_id, {"reason": body.reason}), now)
    return payments.detail(tx, transfer_id)


def _promised(tx: Tx, admin: Admin, key: IdempotencyKey, body: TreasuryTransfer, now: datetime) -> Payout:
    """Request the payout, or find the one that this admin requested under this key.

    Raises the problem of terms that cannot be paid (TERMS), and IdempotencyKeyReused if that one has other terms or is
    not REQUESTED any more: the key's answer was deleted then (shared/database/retention.py).
    """
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
        payout = machine.load(tx, machine.request(tx, promise, now))
    except terms.BadTerms as fault:
        raise TERMS[type(fault)] from None
    except machine.TermsDiffer:
        raise IdempotencyKeyReused from None
    assert payout, "payouts are never deleted"
    if payout.state is not PayoutState.REQUESTED:
        raise IdempotencyKeyReused
    return payout


def _free(tx: Tx, pool: str, on_chain: OnChain) -> Usdt:
    """The treasury's balance on the chain, less what is set aside for other payouts. Raises ChainNotReadable."""
    if on_chain.balances is None:
        raise rules.ChainNotReadable
    return on_chain.balances[pool] - journals.balance(tx, f"in_flight:{pool}")


def _transfer(tx: Tx, transfer_id: UUID) -> TreasuryPayoutDetail:
    found = payments.detail(tx, transfer_id)
    if found.transfer is None:
        raise NotFound
    return found


def _asked(admin: Admin, body: TreasuryTransfer, transfer_id: UUID) -> TreasuryNotice:
    amount = f"{body.amount.decimal:,f} USDT"
    return TreasuryNotice(
        subject=f"{admin.username} asks for {amount} from the {body.pool} treasury",
        what=f"{amount} are to go to {body.to_address}, because: {body.reason}",
        remedy=f"Two others approve or one cancels transfer {transfer_id}. If nobody knows of it, cancel it and pause.",
        dedupe_key=f"transfer-requested:{transfer_id}",
    )
