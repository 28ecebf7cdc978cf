"""Operations on payouts for treasury admins: list them, show one with its history, and approve those on hold."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from functions.admin_treasury import rules, store
from functions.admin_treasury.common import Pool, Treasurer, api
from functions.admin_treasury.store import ApprovalMade, AuditedAction, PayoutEvent, PolicyRun
from shared.auth import Admin
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.payouts import machine
from shared.values.fields import Body, Listing, Money, Page, Reason, Reply, Shape, SixDigits
from shared.values.problems import NotFound, Problem
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position

Status = Literal["pending", "processing", "on_hold", "paid", "cancelled"]

APPROVAL_PROBLEMS: tuple[type[Problem], ...] = (
    rules.ApprovalOfOwnRequest,
    rules.ApprovedBefore,
    rules.PayoutCancelled,
    rules.PayoutInDoubt,
    rules.PayoutNotHeld,
    *SECOND_FACTOR,
)
BULK_MAX = 100
OUTCOMES: dict[type[Problem], str] = {
    NotFound: "not_found",
    rules.ApprovalOfOwnRequest: "own",
    rules.ApprovedBefore: "approved_before",
    rules.PayoutCancelled: "cancelled",
    rules.PayoutInDoubt: "in_doubt",
    rules.PayoutNotHeld: "not_held",
}


class TreasuryPayoutFilter(Page):
    """A page of the payouts that match every given filter."""

    pool: Pool | None = None
    status: Status | None = None
    source_kind: Annotated[str, Shape(r"^[a-z_]{1,40}$", "small letters and underscores")] | None = None
    hold_reason: Literal["limit", "funds", "gas", "blocked", "paused", "review", "reverted", "suspended"] | None = None


class PayoutApproval(Body):
    """A code of the approver's own authenticator app, and a note about what they have checked, which is kept."""

    totp: SixDigits
    note: Reason


def _different(payout_ids: list[UUID]) -> list[UUID]:
    if len(set(payout_ids)) != len(payout_ids):
        raise ValueError("must name each payout once")
    return payout_ids


class BulkPayoutApproval(PayoutApproval):
    """One code and one note for several payouts."""

    payout_ids: Annotated[
        list[Annotated[UUID, Field(strict=False)]],
        Field(min_length=1, max_length=BULK_MAX),
        AfterValidator(_different),
    ]


class ApprovalOutcome(Reply):
    """The outcome for one of several payouts: `approved` if more people are needed, `released`, or why nothing was
    done.
    """

    payout_id: UUID
    outcome: Literal["approved", "released", "own", "approved_before", "cancelled", "in_doubt", "not_held", "not_found"]
    state: str | None
    hold_reason: str | None
    approvals_given: int | None
    approvals_needed: int | None


class BulkApproval(Reply):
    """The outcomes in the order of the request."""

    items: list[ApprovalOutcome]


class TransferTerms(Reply):
    """A manual transfer: who asked for it and why, and who cancelled it and why."""

    reason: str
    requested_by: UUID
    requested_by_username: str
    cancelled_by_username: str | None
    cancelled_at: datetime | None
    cancel_reason: str | None


class TreasuryPayout(Reply):
    """A payout in a list. `status` is for people, `state` is the payout machine's; only manual transfers have
    `transfer`.
    """

    id: UUID
    pool: str
    source_kind: str
    source_id: str
    member_id: UUID | None
    to_address: str
    amount: Money
    status: str
    state: str
    hold_reason: str | None
    approvals_given: int
    approvals_needed: int
    requested_at: datetime
    state_at: datetime
    paid_at: datetime | None
    transaction_hash: str | None
    transfer: TransferTerms | None


class TreasuryPayoutDetail(TreasuryPayout):
    """A payout with its whole history, oldest first. `compared_on` is the day on which the chain was found to agree."""

    policy_runs: list[PolicyRun]
    approvals: list[ApprovalMade]
    events: list[PayoutEvent]
    actions: list[AuditedAction]
    block_number: int | None
    compared_on: date | None


@api.get("/v1/admin/treasury/payouts")
def list_treasury_payouts(tx: Tx, admin: Treasurer, page: TreasuryPayoutFilter) -> Listing[TreasuryPayout]:
    """List payouts, newest first; `status=on_hold` lists those that wait for people."""
    return listing(tx, page, page.source_kind)


@api.get("/v1/admin/treasury/payouts/{payout_id}")
def get_treasury_payout(tx: Tx, admin: Treasurer, payout_id: UUID) -> TreasuryPayoutDetail:
    """Return one payout with its whole history."""
    return detail(tx, payout_id)


@api.post("/v1/admin/treasury/payouts/{payout_id}/approve", problems=APPROVAL_PROBLEMS)
def approve_payout(
    tx: Tx, admin: Treasurer, payout_id: UUID, body: PayoutApproval, client: Client, now: datetime
) -> TreasuryPayoutDetail:
    """Approve a payout on hold; it continues with the last approval needed.

    A quarantine ends by its evidence, once two people have approved.
    """
    totp.spend(tx, admin.id, body.totp, now)
    return approve(tx, admin, payout_id, body.note, client, now=now)


@api.post("/v1/admin/treasury/payouts/approve", problems=SECOND_FACTOR)
def approve_payouts(tx: Tx, admin: Treasurer, body: BulkPayoutApproval, client: Client, now: datetime) -> BulkApproval:
    """Approve several payouts at once; each is checked as if it came alone, and those that cannot be approved are
    named.
    """
    totp.spend(tx, admin.id, body.totp, now)
    found: dict[UUID, ApprovalOutcome] = {}
    for payout_id in sorted(body.payout_ids):  # sorted: two admins who approve the same payouts lock them in one order
        try:
            with tx.savepoint():
                _agree(tx, admin, payout_id, body.note, client, now=now)
            outcome = "approved"
        except tuple(OUTCOMES) as refused:
            outcome = OUTCOMES[type(refused)]
        found[payout_id] = _outcome(tx, payout_id, outcome)
    return BulkApproval(items=[found[payout_id] for payout_id in body.payout_ids])


def approve(tx: Tx, admin: Admin, payout_id: UUID, note: str, client: Client, now: datetime) -> TreasuryPayoutDetail:
    """Approve one payout, as `_agree` does, and return it with its history."""
    _agree(tx, admin, payout_id, note, client, now=now)
    return detail(tx, payout_id)


def _outcome(tx: Tx, payout_id: UUID, outcome: str) -> ApprovalOutcome:
    row = store.payout(tx, payout_id)
    if row is None:
        return ApprovalOutcome(
            payout_id=payout_id, outcome="not_found", state=None, hold_reason=None, approvals_given=None,
            approvals_needed=None,
        )  # fmt: skip
    if outcome == "approved" and row.state not in rules.ON_HOLD:
        outcome = "released"
    return ApprovalOutcome(
        payout_id=payout_id,
        outcome=outcome,
        state=row.state,
        hold_reason=row.hold_reason,
        approvals_given=row.approvals_given,
        approvals_needed=row.approvals_needed,
    )


def _agree(tx: Tx, admin: Admin, payout_id: UUID, note: str, client: Client, now: datetime) -> None:
    """Approve one payout, and release it with the last approval needed. The payout is locked first, so that concurrent
    approvals are counted one after the other. Raises NotFound, or why it cannot be approved (APPROVAL_PROBLEMS).
    """
    payout = machine.load(tx, payout_id)
    if payout is None:
        raise NotFound
    if payout.state is machine.PayoutState.CANCELLED:
        raise rules.PayoutCancelled
    try:
        agreed = machine.approve(tx, payout_id, admin.id, {"why": note}, now)
        if agreed.given >= agreed.needed and payout.state is machine.PayoutState.HELD:
            machine.release(tx, payout_id, now)
    except machine.MayBePaidAlready:
        raise rules.PayoutInDoubt from None
    except machine.NotWaiting:
        raise rules.PayoutNotHeld(state=payout.state.value) from None
    except machine.OwnPayout:
        raise rules.ApprovalOfOwnRequest from None
    except machine.ApprovedBefore:
        raise rules.ApprovedBefore from None
    changes = {"note": note, "approvals": f"{agreed.given} of {agreed.needed}", "amount": str(payout.amount)}
    audit.record(tx, admin, client, Action("payout.approve", "payout", payout_id, changes), now)


def listing(tx: Tx, page: TreasuryPayoutFilter, source_kind: str | None) -> Listing[TreasuryPayout]:
    """List payouts that match the filter, newest first."""
    wanted = store.Filter(rules.states_of(page.status), page.pool, source_kind, page.hold_reason)
    rows = store.payouts(tx, wanted, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.requested_at, row.id))
    return Listing[TreasuryPayout](items=[TreasuryPayout(**_shown(row)) for row in shown], next_cursor=cursor)


def detail(tx: Tx, payout_id: UUID) -> TreasuryPayoutDetail:
    """Return one payout with its history. Raises NotFound."""
    row = store.payout(tx, payout_id)
    if row is None:
        raise NotFound
    end = store.end(tx, payout_id)
    return TreasuryPayoutDetail(
        **_shown(row),
        policy_runs=store.policy_runs(tx, payout_id),
        approvals=store.approvals(tx, payout_id),
        events=store.events(tx, payout_id),
        actions=store.actions(tx, payout_id),
        block_number=end.block_number,
        compared_on=end.compared_on,
    )


def _shown(row: store.Payout) -> dict[str, Any]:
    terms = TransferTerms.model_fields
    values = {name: value for name, value in vars(row).items() if name not in terms}
    transfer = TransferTerms(**{name: getattr(row, name) for name in terms}) if row.reason is not None else None
    return values | {"status": rules.status_of(row.state), "transfer": transfer}
