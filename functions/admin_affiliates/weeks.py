"""The weeks of affiliates: what each would pay, and what people decide about it."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from functions.admin_affiliates import rules, store
from functions.admin_affiliates.common import Treasurer, api
from functions.admin_affiliates.store import AffiliateWeek, LeftOut, WeekDecision, WeekRecipient
from shared import events, settings
from shared.affiliates import pool
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import ConstraintViolated, Tx
from shared.events import AdvanceWeek
from shared.values.fields import Body, Day, Listing, Money, Page, Reason, Reply, Shape, SixDigits
from shared.values.ids import NIL
from shared.values.money import ZERO
from shared.values.problems import NotFound
from shared.values.states import WeekState
from shared.values.weeks import named, next_sunday
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position

LARGEST = 20
REFUSED = {"week_decision": rules.WeekChanged, "affiliate_week_decisions_once": rules.WeekApprovedBefore}
PAYOUTS_PER_HOUR = 6_000  # what the queue of a treasury dispatches
Digest = Annotated[str, Shape(r"^[0-9a-f]{64}$", "64 hexadecimal digits")]


class WeekVerdict(Body):
    """A decision about what was shown: `digest` is the week's `payment_digest`."""

    week_on: Day
    digest: Digest
    reason: Reason


class WeekApproval(WeekVerdict):
    """An approval, with a code of the approver's own authenticator app."""

    totp: SixDigits


class AffiliateWeekDetail(AffiliateWeek):
    """A week with what an approver should know: whom it pays most, who is left out and why, what the treasury lacks,
    and for how many hours its payouts go out.
    """

    largest: list[WeekRecipient]
    left_out: list[LeftOut]
    decisions: list[WeekDecision]
    treasury_lacks: Money
    hours: float
    proposed_last_week: Money | None


class WeekPreview(Reply):
    """The figures of the present week, if it ended now: what it would divide, chips that count, chips to be vaulted."""

    week_on: date
    first_number: int
    pool: Money
    affiliates: int
    chips: int
    overflow: int
    as_of: datetime


@api.get("/v1/admin/affiliates/weeks")
def list_affiliate_weeks(tx: Tx, admin: Treasurer, page: Page) -> Listing[AffiliateWeek]:
    """List weeks, newest first."""
    after = paging.after(page.cursor)
    rows = store.weeks(tx, after.at.date() if after else None, page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(datetime.combine(row.week_on, time(), UTC), NIL))
    return Listing[AffiliateWeek](items=list(shown), next_cursor=cursor)


@api.get("/v1/admin/affiliates/weeks/preview")
def preview_affiliate_week(tx: Tx, admin: Treasurer, now: datetime) -> WeekPreview:
    """Count the present week as if it ended now. Nothing is changed."""
    newest = next(iter(store.weeks(tx, None, 1)), None)
    week_on = next_sunday(now)
    first = newest.last_number + 1 if newest else 1
    found = store.preview(tx, week_on, first, settings.load(tx).affiliates.chips_max)
    return WeekPreview(week_on=week_on, first_number=first, pool=pool.divisible(tx, now), **vars(found), as_of=now)


@api.get("/v1/admin/affiliates/weeks/{week_on}")
def get_affiliate_week(tx: Tx, admin: Treasurer, week_on: str) -> AffiliateWeekDetail:
    """Return the week that ended on a Sunday (YYYY-MM-DD), with everything that an approver should know."""
    return _detail(tx, named(week_on))


@api.post(
    "/v1/admin/affiliates/payouts/approve",
    dry_run=True,
    problems=(rules.WeekApprovedBefore, rules.WeekChanged, rules.WeekNotReady, *SECOND_FACTOR),
)
def approve_affiliate_week(
    tx: Tx, admin: Treasurer, body: WeekApproval, client: Client, now: datetime
) -> AffiliateWeekDetail:
    """Approve what the week would pay. With the last approval needed it is promised and paid."""
    totp.spend(tx, admin.id, body.totp, now)
    ready = _shown(tx, body)
    if store.has_approved(tx, body.week_on, ready, admin.id):
        raise rules.WeekApprovedBefore
    return _decided(tx, admin, body, ready, "approve", client=client, now=now)


@api.post(
    "/v1/admin/affiliates/payouts/reject",
    dry_run=True,
    problems=(rules.WeekChanged, rules.WeekNotReady),
)
def reject_affiliate_week(
    tx: Tx, admin: Treasurer, body: WeekVerdict, client: Client, now: datetime
) -> AffiliateWeekDetail:
    """Have the week counted anew, with the same scans and pool; its approvals count no more."""
    return _decided(tx, admin, body, _shown(tx, body), "reject", client=client, now=now)


@api.post(
    "/v1/admin/affiliates/payouts/hold",
    dry_run=True,
    problems=(rules.WeekChanged, rules.WeekNotReady),
)
def hold_affiliate_week(
    tx: Tx, admin: Treasurer, body: WeekVerdict, client: Client, now: datetime
) -> AffiliateWeekDetail:
    """Hold the week: it is not promised, whoever approves it, before somebody releases it."""
    return _decided(tx, admin, body, _shown(tx, body), "hold", client=client, now=now)


@api.post(
    "/v1/admin/affiliates/payouts/release",
    dry_run=True,
    problems=(rules.WeekChanged, rules.WeekNotHeld, rules.WeekNotReady),
)
def release_affiliate_week(
    tx: Tx, admin: Treasurer, body: WeekVerdict, client: Client, now: datetime
) -> AffiliateWeekDetail:
    """End a week's hold; approvals that were given meanwhile count."""
    ready = _shown(tx, body)
    if not ready.held:
        raise rules.WeekNotHeld
    return _decided(tx, admin, body, ready, "release", client=client, now=now)


def _shown(tx: Tx, body: WeekVerdict) -> store.Ready:
    """The week, if it is what the admin was shown. Raises WeekNotReady, WeekChanged."""
    ready = store.ready(tx, body.week_on)
    if ready is None:
        raise rules.WeekNotReady
    if ready.payment_digest != body.digest:
        raise rules.WeekChanged
    return ready


def _decided(
    tx: Tx, admin: Treasurer, body: WeekVerdict, ready: store.Ready, verdict: str, *, client: Client, now: datetime
) -> AffiliateWeekDetail:
    try:
        store.decide(tx, body.week_on, ready, admin_id=admin.id, verdict=verdict, reason=body.reason, now=now)
    except ConstraintViolated as refused:
        raise REFUSED[refused.constraint] from None
    changes = {"digest": body.digest, "reason": body.reason}
    action = Action(f"affiliate_week.{verdict}", "affiliate_week", str(body.week_on), changes)
    audit.record(tx, admin, client, action, now)
    events.enqueue(tx, now, AdvanceWeek())
    return _detail(tx, body.week_on)


def _detail(tx: Tx, week_on: date) -> AffiliateWeekDetail:
    """The week in full. Raises NotFound."""
    if week_on == date.max:
        raise NotFound
    found = store.weeks(tx, week_on + timedelta(days=1), 2)
    if not found or found[0].week_on != week_on:
        raise NotFound
    week, before = found[0], found[1] if len(found) > 1 else None
    lacks = (week.proposed or ZERO) - store.free_balance(tx)
    is_open = week.state in (WeekState.READY, WeekState.APPROVED)
    return AffiliateWeekDetail(
        **week.model_dump(),
        largest=store.largest(tx, week_on, LARGEST),
        left_out=store.left_out(tx, week_on),
        decisions=store.decisions(tx, week_on),
        treasury_lacks=lacks if is_open and lacks > ZERO else ZERO,
        hours=round((week.recipients or 0) / PAYOUTS_PER_HOUR, 2),
        proposed_last_week=before.proposed if before else None,
    )
