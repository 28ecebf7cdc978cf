"""Top-ups: USDT that people send to a treasury from another chain, by Stargate (docs/treasury.md, "Top-ups").

One treasury admin asks with their second factor, two others approve the terms with theirs, then the transactions are
handed out. We hold no key of the other chain: a person signs and sends them there, and says the transaction's hash.
top_up_watch follows it from there.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID, uuid4

from pydantic import AfterValidator, StringConstraints

from functions.admin_treasury import rules, top_up_records
from functions.admin_treasury.common import Treasurer, api
from functions.admin_treasury.top_up_quotes import (
    CHANGING,
    QUOTE_PROBLEMS,
    Anew,
    Quoted,
    ToppedUp,
    TopUpOrder,
    TopUpPreparation,
    read_anew,
    read_quote,
)
from functions.admin_treasury.top_up_records import Asked, TopUpApprovalMade, TopUpRow
from shared.auth import Admin
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.payouts import treasuries
from shared.payouts.treasuries import TreasuryNotice
from shared.ports.polygon import ethereum
from shared.values import stargate as calls
from shared.values import typed
from shared.values.fields import Body, Listing, Money, Page, Reason, Reply, SixDigits
from shared.values.money import Usdt
from shared.values.problems import NotFound, NotValid
from shared.values.states import TopUpState
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey
from shared.web.paging import Position

State = Literal["requested", "prepared", "sent", "bridging", "arrived", "reverted", "refused", "cancelled"]
Hash = Annotated[str, StringConstraints(max_length=typed.PASTED_MAX), AfterValidator(typed.transaction_hash)]
APPROVALS_NEEDED = 2
APPROVALS_SHOWN_MAX = 100
CANCELLABLE = (TopUpState.REQUESTED, TopUpState.PREPARED, TopUpState.REVERTED, TopUpState.REFUSED)
SENDABLE = (TopUpState.PREPARED, TopUpState.SENT, TopUpState.REVERTED, TopUpState.REFUSED)


class TopUpApproval(Body):
    """A code of the approver's own app, and a note about what they have checked, which is kept."""

    totp: SixDigits
    note: Reason


class TopUpSent(Body):
    """The hash of the transaction that sends it, on the source chain, and a code of the admin's own app."""

    transaction_hash: Hash
    totp: SixDigits


class TopUpCancellation(Body):
    """The reason for the cancellation."""

    reason: Reason


class TopUpFilter(Page):
    """A page of the top-ups that match every given filter."""

    pool: ToppedUp | None = None
    state: State | None = None


class TopUpTransaction(Reply):
    """A transaction for a person's wallet to sign; they are sent in the order of the list, each after the one before
    is mined.
    """

    purpose: str
    chain_id: int
    from_address: str
    to_address: str
    value_wei: str
    data: str


class TopUp(Reply):
    """A top-up. `quoted` is what Stargate said would arrive, `minimum` what must; `fee_wei` is paid in the source
    chain's coin. `late_at` and `twice_at` say when people were told that it is late, or has come a second time.
    """

    id: UUID
    pool: str
    state: str
    amount: Money
    quoted: Money
    minimum: Money
    fee_wei: str
    source_chain_id: int
    source_contract: str
    source_token: str
    source_address: str
    to_address: str
    reason: str
    requested_by: UUID
    requested_by_username: str
    requested_at: datetime
    state_at: datetime
    approvals_given: int
    approvals_needed: int
    transaction_hash: str | None
    sent_at: datetime | None
    fault: str | None
    guid: str | None
    source_final_at: datetime | None
    arrival_hash: str | None
    received: Money | None
    arrived_at: datetime | None
    late_at: datetime | None
    twice_at: datetime | None


class TopUpDetail(TopUp):
    """A top-up with its approvals, oldest first, and the transactions that were handed out last."""

    approvals: list[TopUpApprovalMade]
    transactions: list[TopUpTransaction]


@api.post(
    "/v1/admin/treasury/top-ups",
    status=201,
    before=read_quote,
    problems=(*QUOTE_PROBLEMS, rules.TransferAddressMistyped, rules.TransferAmountNotPositive, *SECOND_FACTOR),
)
def ask_top_up(
    tx: Tx, admin: Treasurer, key: IdempotencyKey, body: TopUpOrder, quoted: Quoted, client: Client, now: datetime
) -> TopUpDetail:
    """Ask for a top-up by the terms that Stargate quotes now. Nothing is handed out before two others have approved."""
    totp.spend(tx, admin.id, body.totp, now)
    if ethereum.checksummed(body.source_address) != body.source_address:
        raise rules.TransferAddressMistyped
    asked = Asked(
        id=uuid4(),
        key=quoted.key,
        route=quoted.bridge.route,
        source_address=body.source_address,
        amount=body.amount,
        quoted=quoted.received,
        minimum=Usdt(calls.minimum_of(quoted.received.micro)),
        fee_wei=quoted.fee_wei,
        home_block=quoted.home_block,
        reason=body.reason,
    )
    top_up_records.insert(tx, asked, admin.id, now)
    changes = {"pool": body.pool, "from": body.source_address, "amount": str(body.amount), "reason": body.reason}
    audit.record(tx, admin, client, Action("top_up.request", "top_up", asked.id, changes), now)
    treasuries.tell_admins(tx, _notice(admin, body, asked), now)
    return _detail(tx, asked.id)


@api.get("/v1/admin/treasury/top-ups")
def list_top_ups(tx: Tx, admin: Treasurer, page: TopUpFilter) -> Listing[TopUp]:
    """List top-ups, newest first."""
    rows = top_up_records.top_ups(tx, page.pool, page.state, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.requested_at, row.id))
    return Listing[TopUp](items=[TopUp(**_shown(row)) for row in shown], next_cursor=cursor)


@api.get("/v1/admin/treasury/top-ups/{top_up_id}")
def get_top_up(tx: Tx, admin: Treasurer, top_up_id: UUID) -> TopUpDetail:
    """Return one top-up with its approvals and transactions."""
    return _detail(tx, top_up_id)


@api.post(
    "/v1/admin/treasury/top-ups/{top_up_id}/approve",
    problems=(rules.ApprovalOfOwnRequest, rules.ApprovedBefore, rules.TopUpNotWaiting, *SECOND_FACTOR),
)
def approve_top_up(
    tx: Tx, admin: Treasurer, top_up_id: UUID, body: TopUpApproval, client: Client, now: datetime
) -> TopUpDetail:
    """Approve a top-up that somebody else asked for; with the second approval its transactions can be prepared."""
    totp.spend(tx, admin.id, body.totp, now)
    _locked(tx, top_up_id, (TopUpState.REQUESTED,))
    if top_up_records.is_own(tx, top_up_id, admin.id):
        raise rules.ApprovalOfOwnRequest
    if not top_up_records.approve(tx, top_up_id, admin.id, body.note, now):
        raise rules.ApprovedBefore
    audit.record(tx, admin, client, Action("top_up.approve", "top_up", top_up_id, {"note": body.note}), now)
    return _detail(tx, top_up_id)


@api.post(
    "/v1/admin/treasury/top-up-preparations",
    before=read_anew,
    problems=(
        *QUOTE_PROBLEMS,
        rules.TopUpBelowMinimum,
        rules.TopUpNotApproved,
        rules.TopUpNotWaiting,
        *SECOND_FACTOR,
    ),
)
def prepare_top_up(
    tx: Tx, admin: Treasurer, body: TopUpPreparation, anew: Anew, client: Client, now: datetime
) -> TopUpDetail:
    """Hand out the transactions of a top-up that two others have approved, with the fee of this moment. It may be asked
    for again until one of them is sent.
    """
    totp.spend(tx, admin.id, body.totp, now)
    try:
        found = _locked(tx, body.top_up_id, CHANGING)
    except NotFound:
        raise NotValid(errors=[{"field": "/top_up_id", "message": "there is no such top-up"}]) from None
    if found.approvals_given < APPROVALS_NEEDED:
        raise rules.TopUpNotApproved(given=found.approvals_given, needed=APPROVALS_NEEDED)
    if anew.quoted is None:
        raise rules.TopUpNotWaiting(state=found.state.value)
    if anew.quoted < found.minimum:
        raise rules.TopUpBelowMinimum(quoted=anew.quoted.decimal, minimum=found.minimum.decimal)
    transactions = [it.model_dump(mode="json") for it in _unsigned(found, anew)]
    top_up_records.prepare(tx, found.id, transactions, anew.fee_wei, now)
    changes = {"quoted": str(anew.quoted), "fee_wei": str(anew.fee_wei)}
    audit.record(tx, admin, client, Action("top_up.prepare", "top_up", found.id, changes), now)
    return _detail(tx, found.id)


@api.post(
    "/v1/admin/treasury/top-ups/{top_up_id}/sent",
    problems=(rules.TopUpNotWaiting, rules.TransactionUsed, *SECOND_FACTOR),
)
def follow_top_up(
    tx: Tx, admin: Treasurer, top_up_id: UUID, body: TopUpSent, client: Client, now: datetime
) -> TopUpDetail:
    """Say by which transaction a top-up was sent. Another hash may be said until that transaction is final: the one
    that replaced it, or the right one.
    """
    totp.spend(tx, admin.id, body.totp, now)
    found = _locked(tx, top_up_id, SENDABLE)
    if not top_up_records.send(tx, top_up_id, body.transaction_hash, now):
        raise rules.TransactionUsed
    changes = {"transaction_hash": body.transaction_hash, "before": found.transaction_hash}
    audit.record(tx, admin, client, Action("top_up.sent", "top_up", top_up_id, changes), now)
    return _detail(tx, top_up_id)


@api.post("/v1/admin/treasury/top-ups/{top_up_id}/cancel", problems=(rules.TopUpNotWaiting,))
def cancel_top_up(
    tx: Tx, admin: Treasurer, top_up_id: UUID, body: TopUpCancellation, client: Client, now: datetime
) -> TopUpDetail:
    """Reject a top-up, or take it back, unless its transaction is followed. Harmless twice."""
    found = _locked(tx, top_up_id, (*CANCELLABLE, TopUpState.CANCELLED))
    if found.state is not TopUpState.CANCELLED:
        top_up_records.cancel(tx, top_up_id, now)
        audit.record(tx, admin, client, Action("top_up.cancel", "top_up", top_up_id, {"reason": body.reason}), now)
    return _detail(tx, top_up_id)


def _locked(tx: Tx, top_up_id: UUID, states: tuple[TopUpState, ...]) -> TopUpRow:
    """The top-up, locked. Raises NotFound, TopUpNotWaiting if it is in another state."""
    found = top_up_records.lock(tx, top_up_id)
    if found is None:
        raise NotFound
    if found.state not in states:
        raise rules.TopUpNotWaiting(state=found.state.value)
    return found


def _unsigned(found: TopUpRow, anew: Anew) -> list[TopUpTransaction]:
    """The transactions to sign. Ethereum's USDT takes no new allowance beside an old one: that is set to nothing
    first.
    """
    contract = found.source_contract
    steps = []
    if anew.allowance < found.amount:
        if anew.allowance:
            steps.append(("reset", found.source_token, 0, calls.approve(contract, 0)))
        steps.append(("approve", found.source_token, 0, calls.approve(contract, found.amount.micro)))
    send = calls.send(found.terms, anew.fee_wei, found.source_address)
    steps.append(("send", contract, anew.fee_wei, send))
    return [
        TopUpTransaction(
            purpose=purpose,
            chain_id=found.source_chain_id,
            from_address=found.source_address,
            to_address=to,
            value_wei=str(value),
            data=data,
        )
        for purpose, to, value, data in steps
    ]


def _shown(row: TopUpRow) -> dict[str, object]:
    kept = {name: getattr(row, name) for name in TopUp.model_fields if name not in ("state", "approvals_needed")}
    return kept | {"state": row.state.value, "approvals_needed": APPROVALS_NEEDED}


def _detail(tx: Tx, top_up_id: UUID) -> TopUpDetail:
    row = top_up_records.top_up(tx, top_up_id)
    if row is None:
        raise NotFound
    return TopUpDetail(
        **_shown(row),
        approvals=top_up_records.approvals(tx, top_up_id, APPROVALS_SHOWN_MAX),
        transactions=[TopUpTransaction.model_validate(it) for it in row.transactions],
    )


def _notice(admin: Admin, body: TopUpOrder, asked: Asked) -> TreasuryNotice:
    amount = f"{body.amount.decimal:,f} USDT"
    return TreasuryNotice(
        subject=f"{admin.username} asks to top up the {body.pool} treasury with {amount}",
        what=f"{amount} are to come from {body.source_address}, because: {body.reason}",
        remedy=f"Two others approve or one cancels top-up {asked.id}.",
        dedupe_key=f"top-up-requested:{asked.id}",
    )
