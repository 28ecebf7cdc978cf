"""Payouts as treasury admins see them: where each is and why, its whole story, and the approval of what is held."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from functions.admin_treasury import rules, store
from functions.admin_treasury.common import SECOND_FACTOR, Pool, Reason, Totp, Treasurer, api
from shared import audit, paging, payouts, totp
from shared.audit import Action
from shared.auth import Admin
from shared.db import Tx
from shared.fields import Body, Listing, Money, Page, Reply
from shared.http import Client
from shared.paging import Position
from shared.problems import NotFound, Problem

Status = Literal["pending", "processing", "on_hold", "paid", "cancelled"]

APPROVAL_PROBLEMS: tuple[type[Problem], ...] = (
    rules.ApprovalOfOwnRequest,
    rules.ApprovedBefore,
    rules.PayoutCancelled,
    rules.PayoutNotHeld,
    *SECOND_FACTOR,
)


class TreasuryPayoutFilter(Page):
    """A page of the payouts that fit all that is given."""

    pool: Pool | None = None
    status: Status | None = None
    source_kind: Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")] | None = None
    hold_reason: Literal["limit", "funds", "gas", "blocked", "paused", "review", "reverted"] | None = None


class PayoutApproval(Body):
    """A code of the approver's own authenticator app, and what they have looked at, which is kept."""

    totp: Totp
    note: Reason


class TransferTerms(Reply):
    """Of a manual transfer: who asked for it and why, who took it back and why."""

    reason: str
    requested_by: UUID
    requested_by_username: str
    cancelled_by_username: str | None
    cancelled_at: datetime | None
    cancel_reason: str | None


class TreasuryPayout(Reply):
    """A payout in a list. `status` is for people, `state` is the machine's; `transfer` is of manual ones only."""

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


class PolicyRun(Reply):
    """What the policy looked at and decided."""

    decided_at: datetime
    policy_version: int
    decision: str
    reason: str | None
    inputs: dict[str, Any]


class ApprovalMade(Reply):
    """Who has agreed, to which of the payout's holds."""

    approved_at: datetime
    approver_id: UUID
    approver_username: str
    hold: int
    evidence: dict[str, Any]


class PayoutEvent(Reply):
    """A change of state, or a word with the chain."""

    happened_at: datetime
    kind: str
    nonce: int | None
    transaction_hash: str | None
    detail: dict[str, Any]


class AuditedAction(Reply):
    """What an admin did with it."""

    created_at: datetime
    actor_id: UUID | None
    action: str
    changes: dict[str, Any]


class TreasuryPayoutDetail(TreasuryPayout):
    """A payout with its whole story, oldest first. `compared_on` is when books and chain were found to agree."""

    policy_runs: list[PolicyRun]
    approvals: list[ApprovalMade]
    events: list[PayoutEvent]
    actions: list[AuditedAction]
    block_number: int | None
    compared_on: date | None


@api.get("/v1/admin/treasury/payouts")
def list_treasury_payouts(tx: Tx, admin: Treasurer, page: TreasuryPayoutFilter) -> Listing[TreasuryPayout]:
    """Newest first. What waits for people: status=on_hold."""
    return listing(tx, page, page.source_kind)


@api.get("/v1/admin/treasury/payouts/{payout_id}")
def get_treasury_payout(tx: Tx, admin: Treasurer, payout_id: UUID) -> TreasuryPayoutDetail:
    """One payout with all that is known of it."""
    return detail(tx, payout_id)


@api.post("/v1/admin/treasury/payouts/{payout_id}/approve", problems=APPROVAL_PROBLEMS)
def approve_payout(
    tx: Tx, admin: Treasurer, payout_id: UUID, body: PayoutApproval, client: Client, now: datetime
) -> TreasuryPayoutDetail:
    """Agree to a payout that is held; with the last approval that it needs it goes on.

    A quarantine ends by its evidence, once two people have agreed.
    """
    totp.spend(tx, admin.id, body.totp, now)
    return approve(tx, admin, payout_id, body.note, client, now)


def approve(tx: Tx, admin: Admin, payout_id: UUID, note: str, client: Client, now: datetime) -> TreasuryPayoutDetail:
    """The payout is locked by its first question: of many at once each is counted before the next."""
    payout = payouts.load(tx, payout_id)
    if payout is None:
        raise NotFound
    if payout.state is payouts.PayoutState.CANCELLED:
        raise rules.PayoutCancelled
    try:
        agreed = payouts.approve(tx, payout_id, admin.id, {"why": note}, now)
    except payouts.NotWaiting:
        raise rules.PayoutNotHeld(state=payout.state.value) from None
    except payouts.OwnPayout:
        raise rules.ApprovalOfOwnRequest from None
    except payouts.ApprovedBefore:
        raise rules.ApprovedBefore from None
    if agreed.given >= agreed.needed and payout.state is payouts.PayoutState.HELD:
        payouts.release(tx, payout_id, now)
    changes = {"note": note, "approvals": f"{agreed.given} of {agreed.needed}", "amount": str(payout.amount)}
    audit.record(tx, admin, client, Action("payout.approve", "payout", payout_id, changes), now)
    return detail(tx, payout_id)


def listing(tx: Tx, page: TreasuryPayoutFilter, source_kind: str | None) -> Listing[TreasuryPayout]:
    """A page of payouts."""
    wanted = store.Filter(rules.states_of(page.status), page.pool, source_kind, page.hold_reason)
    rows = store.payouts(tx, wanted, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.requested_at, row.id))
    return Listing[TreasuryPayout](items=[TreasuryPayout(**_shown(row)) for row in shown], next_cursor=cursor)


def detail(tx: Tx, payout_id: UUID) -> TreasuryPayoutDetail:
    """Raises NotFound."""
    row = store.payout(tx, payout_id)
    if row is None:
        raise NotFound
    end = store.end(tx, payout_id)
    return TreasuryPayoutDetail(
        **_shown(row),
        policy_runs=[PolicyRun(**vars(it)) for it in store.policy_runs(tx, payout_id)],
        approvals=[ApprovalMade(**vars(it)) for it in store.approvals(tx, payout_id)],
        events=[PayoutEvent(**vars(it)) for it in store.events(tx, payout_id)],
        actions=[AuditedAction(**vars(it)) for it in store.actions(tx, payout_id)],
        block_number=end.block_number,
        compared_on=end.compared_on,
    )


def _shown(row: store.Payout) -> dict[str, Any]:
    terms = TransferTerms.model_fields
    values = {name: value for name, value in vars(row).items() if name not in terms}
    transfer = TransferTerms(**{name: getattr(row, name) for name in terms}) if row.reason is not None else None
    return values | {"status": rules.status_of(row.state), "transfer": transfer}
