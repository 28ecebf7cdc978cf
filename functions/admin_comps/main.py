"""HTTP for admins: the rules of comps, and comps one by one (plan sections "Comp Award System", "Comp Management").

All of it is for the operations role. Whoever awards does not decide about the money alone: the payout policy, its
limits and the treasury's approvals stand between an award and its payment.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Request, Response
from pydantic import AfterValidator, Field, StringConstraints

from functions.admin_comps import rules, store
from functions.admin_comps.rules import AMOUNT_MAX, AMOUNT_MIN, INTERVAL_MAX, INTERVAL_MIN, Milestone, Terms
from shared import audit, comps, paging, payouts, tiers
from shared.api import Api
from shared.audit import Action
from shared.auth import Admin, Role
from shared.comps import Award
from shared.db import Tx
from shared.fields import Body, Listing, Moment, Money, Page, Reply
from shared.http import Client
from shared.idempotency import IdempotencyKey
from shared.money import ZERO, Usdt
from shared.paging import Position
from shared.prizes import CompType
from shared.problems import NotFound, NotValid
from shared.tiers import Tier

Operations = Annotated[Admin, Role.OPERATIONS]
Reason = Annotated[str, StringConstraints(min_length=3, max_length=500, strip_whitespace=True)]

api = Api("admin_comps")


def admin_comps(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


def _from(least: Usdt) -> AfterValidator:
    def check(amount: Usdt) -> Usdt:
        if not least <= amount <= AMOUNT_MAX:
            raise ValueError(f"must be from {least} to {AMOUNT_MAX}")
        return amount

    return AfterValidator(check)


class CompRuleEdit(Body):
    """The rule as it shall be. `revision` is the one that was read: of two edits of it one is refused."""

    revision: Annotated[int, Field(ge=1, le=2**31)]
    interval: Annotated[int, Field(ge=INTERVAL_MIN, le=INTERVAL_MAX)] | None
    tier: Tier
    amount: Annotated[Money, _from(ZERO)]
    unlock_volume: Annotated[int, Field(ge=0, le=rules.VOLUME_MAX)]
    awards_per_member: Annotated[int, Field(ge=1, le=rules.AWARDS_PER_MEMBER_MAX)] | None = None
    enabled: bool
    unlocked_by_admin: bool
    reason: Reason


class CompRule(Reply):
    """A prize's rule. The guarantee has no interval, but a number of comps per member."""

    type: CompType
    interval: int | None
    tier: Tier
    amount: Money
    unlock_volume: int
    awards_per_member: int | None
    enabled: bool
    unlocked_by_admin: bool
    revision: int
    updated_at: datetime


class CompRuleTerms(Reply):
    """What a rule said or says."""

    interval: int | None
    tier: Tier
    amount: Money
    unlock_volume: int
    awards_per_member: int | None
    enabled: bool
    unlocked_by_admin: bool


class CompRuleChange(Reply):
    """Who changed a rule, when, from what to what, and why; `revision` is the one that it made."""

    id: UUID
    revision: int
    admin_id: UUID
    admin_username: str
    before: CompRuleTerms
    after: CompRuleTerms
    reason: str
    changed_at: datetime


class CompFilter(Page):
    """A page of the comps that fit all that is given; awarded from (with) to (without) these times."""

    status: Literal["pending", "in_review", "paid", "cancelled"] | None = None
    type: CompType | None = None
    member_id: UUID | None = None
    awarded_from: Moment | None = None
    awarded_to: Moment | None = None


class CompWinner(Reply):
    """`member_id` is what members are called by."""

    id: UUID
    member_id: str
    username: str


class AdminComp(Reply):
    """A comp in a list."""

    id: UUID
    type: CompType
    amount: Money
    status: str
    member: CompWinner
    source_kind: str
    scan_number: int | None
    awarded_at: datetime
    paid_at: datetime | None
    cancelled_at: datetime | None
    transaction_hash: str | None


class CompPayout(Reply):
    """How far the payment is; `hold_reason` tells what it waits for."""

    id: UUID
    state: str
    hold_reason: str | None
    recipient_address: str
    requested_at: datetime
    state_at: datetime


class CompMatch(Reply):
    """What the comp brings the affiliate: `amount` is 21 % of `value`."""

    id: UUID
    affiliate_id: UUID
    affiliate_username: str
    value: Money
    amount: Money
    status: str


class PrizeDecision(Reply):
    """What became of one prize of the scan's number."""

    type: CompType
    awarded: bool
    reason: str


class CompWhy(Reply):
    """Why it was awarded: the rule and the unlock state as they were, whatever the rule says today.

    `missed` are the higher prizes of the same number that were not won; `inputs` is everything that was recorded.
    """

    source_kind: str
    source_id: str
    scan_id: UUID | None
    scan_number: int | None
    interval: int | None
    tier: Tier | None
    tier_needed: Tier | None
    tins_per_month: int | None
    unlock_volume: int | None
    unlocked_by_admin: bool | None
    missed: list[PrizeDecision]
    decisions: list[PrizeDecision]
    inputs: dict[str, Any]


class AdminCompDetail(AdminComp):
    """A comp with its payment, its match, and why it was awarded."""

    cancel_reason: str | None
    wallet_address: str | None
    payout: CompPayout | None
    match: CompMatch | None
    why: CompWhy


class CompGrant(Body):
    """A comp to be awarded by hand: `amount` for a manual one, otherwise the prize's rule tells it."""

    member_id: UUID
    type: Literal["manual", "crypto_100", "crypto_1k", "crypto_10k", "casino", "trip"] = "manual"
    amount: Annotated[Money, _from(AMOUNT_MIN)] | None = None
    reason: Reason


class CompCancellation(Body):
    """Why the comp is taken back; kept, and not told to the member."""

    reason: Reason


class CompRetry(Reply):
    """`outcome`: sent_on from where it stood, looked_at because a signature may still pay it, or over."""

    comp_id: UUID
    payout_id: UUID
    state: str
    hold_reason: str | None
    outcome: Literal["sent_on", "looked_at", "over"]


@api.get("/v1/admin/comp-rules")
def list_comp_rules(tx: Tx, admin: Operations) -> Listing[CompRule]:
    """All of them on one page."""
    return Listing[CompRule](items=[CompRule(**vars(rule)) for rule in store.rules(tx)], next_cursor=None)


@api.put("/v1/admin/comp-rules/{comp_type}", problems=(rules.RuleChanged,))
def change_comp_rule(
    tx: Tx, admin: Operations, comp_type: str, body: CompRuleEdit, client: Client, now: datetime
) -> CompRule:
    """Change a rule for all later scans; what was awarded stays as it is."""
    held = store.lock_rules(tx)
    before = held.get(_prize(comp_type))
    if before is None:
        raise NotFound
    if before.revision != body.revision:
        raise rules.RuleChanged(revision=before.revision)
    terms = Terms(**{name: getattr(body, name) for name in Terms.__dataclass_fields__})
    if faults := rules.faults(before.type, terms, {rule.type: rule.terms for rule in held.values()}):
        raise NotValid(errors=faults)
    after = store.change_rule(tx, before.type, terms, now)
    store.insert_change(tx, before, after, admin.id, body.reason, now)
    changes = {"before": before.terms.recorded(), "after": terms.recorded(), "reason": body.reason}
    audit.record(tx, admin, client, Action("comp_rule.change", "comp_rule", after.type, changes), now)
    return CompRule(**vars(after))


@api.get("/v1/admin/comp-rules/{comp_type}/history")
def list_comp_rule_changes(tx: Tx, admin: Operations, comp_type: str, page: Page) -> Listing[CompRuleChange]:
    """Every change of a rule, newest first."""
    after = paging.after(page.cursor)
    rows = store.changes(tx, _prize(comp_type), after, page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda change: Position(change.changed_at, change.id))
    return Listing[CompRuleChange](items=[_change(change) for change in shown], next_cursor=cursor)


@api.get("/v1/admin/comps")
def search_comps(tx: Tx, admin: Operations, page: CompFilter, now: datetime) -> Listing[AdminComp]:
    """Newest first."""
    wanted = store.Filter(page.status, page.type, page.member_id, page.awarded_from, page.awarded_to)
    rows = store.comps(tx, wanted, tiers.quarter_of(now), paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda comp: Position(comp.awarded_at, comp.id))
    return Listing[AdminComp](items=[AdminComp(**_listed(comp)) for comp in shown], next_cursor=cursor)


@api.get("/v1/admin/comps/{comp_id}")
def get_comp(tx: Tx, admin: Operations, comp_id: UUID, now: datetime) -> AdminCompDetail:
    """One comp with all that is known of it."""
    return _detail(tx, comp_id, now)


@api.post(
    "/v1/admin/comps/award",
    status=201,
    problems=(rules.MemberUnknown, rules.MemberNotActive, rules.OwnInterest),
)
def award_comp(
    tx: Tx, admin: Operations, key: IdempotencyKey, body: CompGrant, client: Client, now: datetime
) -> AdminCompDetail:
    """Award a comp by hand; it is paid like any other, and counted like one."""
    kind = CompType(body.type)
    if faults := rules.award_faults(kind, body.amount):
        raise NotValid(errors=faults)
    winner = rules.check_winner(store.winner(tx, body.member_id), admin.id)
    prizes = {rule.type: rule.amount for rule in store.rules(tx)}
    amount = prizes[kind] if body.amount is None else body.amount
    given = Award(
        member_id=winner.id,
        type=kind,
        amount=amount,
        source_kind="manual",
        source_id=f"{admin.id}:{key.key_hash.hex()}",
        reason={"why": body.reason, "awarded_by": str(admin.id)},
    )
    comp_id = comps.award(tx, given, now)
    assert comp_id, "an Idempotency-Key is answered once"
    changes = {"member_id": str(winner.id), "type": kind.value, "amount": str(amount), "reason": body.reason}
    audit.record(tx, admin, client, Action("comp.award", "comp", comp_id, changes), now)
    return _detail(tx, comp_id, now)


@api.post("/v1/admin/comps/{comp_id}/cancel", problems=(comps.CompPaid, comps.PaymentUnderWay))
def cancel_comp(
    tx: Tx,
    admin: Operations,
    key: IdempotencyKey,
    comp_id: UUID,
    body: CompCancellation,
    client: Client,
    now: datetime,
) -> AdminCompDetail:
    """Take back a comp that is not paid, together with its match. Harmless twice."""
    if comps.cancel(tx, comp_id, body.reason, now):
        audit.record(tx, admin, client, Action("comp.cancel", "comp", comp_id, {"reason": body.reason}), now)
    return _detail(tx, comp_id, now)


@api.post("/v1/admin/comps/retry/{comp_id}", problems=(rules.CompNotRequested, rules.RetryNotAllowed))
def retry_comp(tx: Tx, admin: Operations, comp_id: UUID, client: Client, now: datetime) -> CompRetry:
    """Have a payment looked at now. Whatever may still pay is followed, and nothing is paid beside it."""
    if store.comp(tx, comp_id, tiers.quarter_of(now)) is None:
        raise NotFound
    before = store.payout(tx, comp_id)
    if before is None:
        raise rules.CompNotRequested
    try:
        outcome = payouts.retry(tx, before.id, now)
    except (payouts.TooFewApprovals, payouts.NotWaiting):
        raise rules.RetryNotAllowed(state=before.state, hold_reason=before.hold_reason) from None
    audit.record(tx, admin, client, Action("comp.retry", "comp", comp_id, {"outcome": outcome.value}), now)
    after = store.payout(tx, comp_id)
    assert after, "payouts are never deleted"
    return CompRetry(
        comp_id=comp_id, payout_id=after.id, state=after.state, hold_reason=after.hold_reason, outcome=outcome.value
    )


def _prize(name: str) -> CompType:
    kind = rules.prize(name)
    if kind is None:
        raise NotFound
    return kind


def _change(row: store.Change) -> CompRuleChange:
    return CompRuleChange(
        id=row.id,
        revision=row.revision,
        admin_id=row.admin_id,
        admin_username=row.admin_username,
        before=_terms(row.before_terms),
        after=_terms(row.after_terms),
        reason=row.reason,
        changed_at=row.changed_at,
    )


def _terms(recorded: dict[str, Any]) -> CompRuleTerms:
    return CompRuleTerms(**recorded | {"amount": Usdt.of(recorded["amount"])})


def _listed(comp: store.Comp) -> dict[str, Any]:
    tier = tiers.effective(comp.quarter_tier, comp.permanent_tier)
    member = CompWinner(
        id=comp.winner_id, member_id=tiers.member_id(comp.winner_number, tier), username=comp.winner_username
    )
    shown = {name: value for name, value in vars(comp).items() if name in AdminComp.model_fields}
    return shown | {"member": member}


def _detail(tx: Tx, comp_id: UUID, now: datetime) -> AdminCompDetail:
    comp = store.comp(tx, comp_id, tiers.quarter_of(now))
    if comp is None:
        raise NotFound
    known = store.background(tx, comp_id)
    payout, match = store.payout(tx, comp_id), store.match(tx, comp_id)
    return AdminCompDetail(
        **_listed(comp),
        cancel_reason=known.cancel_reason,
        wallet_address=known.wallet_address,
        payout=CompPayout(**vars(payout)) if payout else None,
        match=CompMatch(**vars(match)) if match else None,
        why=_why(comp, known.reason, store.milestones(tx, comp.scan_number)),
    )


def _why(comp: store.Comp, inputs: dict[str, Any], milestones: list[Milestone]) -> CompWhy:
    recorded = ("interval", "tier", "tier_needed", "tins_per_month", "unlock_volume", "unlocked_by_admin")
    return CompWhy(
        source_kind=comp.source_kind,
        source_id=comp.source_id,
        scan_id=comp.scan_id,
        scan_number=comp.scan_number,
        **{name: inputs.get(name) for name in recorded},
        missed=[PrizeDecision(**vars(found)) for found in rules.missed_above(comp.type, milestones)],
        decisions=[PrizeDecision(**vars(found)) for found in milestones],
        inputs=inputs,
    )
