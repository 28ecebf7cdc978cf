"""Operations on card payments: disputes, and what the comparison with the provider's list has found."""

from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from functions.admin_treasury import card_records, rules
from functions.admin_treasury.card_records import DisputeView, PaymentFinding
from functions.admin_treasury.common import Treasurer, api
from shared import events
from shared.db import Tx
from shared.events import ReconcilePayments
from shared.payouts import interests
from shared.values.fields import Body, Day, Listing, Page, Reason, Reply
from shared.values.problems import NotFound
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position


class DisputeFilter(Page):
    """A page of the disputes in the given state, if one is given."""

    state: Literal["inquiry", "open", "won", "lost"] | None = None


class PaymentFindingFilter(Page):
    """A page of the findings that are open, or resolved, if one is given."""

    state: Literal["open", "resolved"] | None = None


class PaymentFindingResolution(Body):
    """The explanation of a finding, which is kept. No books are changed."""

    explanation: Reason


class PaymentComparison(Body):
    """The day, in UTC, whose list of the card provider is read again. It must be over."""

    day: Day


class PaymentComparisonStarted(Reply):
    """Confirms that the list of the day will be read; the field is the day."""

    day: date


@api.get("/v1/admin/disputes")
def list_disputes(tx: Tx, admin: Treasurer, page: DisputeFilter) -> Listing[DisputeView]:
    """List disputes of card payments, newest first, with the date until which evidence is taken."""
    found = card_records.disputes(tx, page.state, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(found, page.limit, lambda row: Position(row.opened_at, row.id))
    return Listing[DisputeView](items=list(shown), next_cursor=cursor)


@api.get("/v1/admin/treasury/payment-findings")
def list_payment_findings(tx: Tx, admin: Treasurer, page: PaymentFindingFilter) -> Listing[PaymentFinding]:
    """List what differs between payments and the card provider's list, newest first."""
    is_open = None if page.state is None else page.state == "open"
    found = card_records.findings(tx, is_open, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(found, page.limit, lambda row: Position(row.found_at, row.id))
    return Listing[PaymentFinding](items=list(shown), next_cursor=cursor)


@api.post(
    "/v1/admin/treasury/payment-findings/{finding_id}/resolve",
    problems=(rules.FindingResolved, interests.OwnInterest),
)
def resolve_payment_finding(
    tx: Tx, admin: Treasurer, finding_id: UUID, body: PaymentFindingResolution, client: Client, now: datetime
) -> PaymentFinding:
    """Explain a finding, which is not named again. No books are changed."""
    found = card_records.lock_finding(tx, finding_id)
    if found is None:
        raise NotFound
    if found.resolved_at:
        raise rules.FindingResolved
    buyer = card_records.buyer(tx, finding_id)
    if buyer is not None:
        interests.require_none_in_member(tx, admin.id, buyer)
    card_records.resolve(tx, finding_id, admin.id, body.explanation, now)
    changes = {"explanation": body.explanation, "kind": found.kind, "ref": found.ref}
    audit.record(tx, admin, client, Action("payment_finding.resolve", "payment_finding", finding_id, changes), now)
    resolved = card_records.lock_finding(tx, finding_id)
    assert resolved, "findings are never deleted"
    return resolved


@api.post("/v1/admin/treasury/payment-comparisons", status=202, problems=(rules.DayNotOver,))
def compare_payments(
    tx: Tx, admin: Treasurer, body: PaymentComparison, client: Client, now: datetime
) -> PaymentComparisonStarted:
    """Have the card provider's list of a day read again, and payments compared with it."""
    if not now.date() - timedelta(days=rules.COMPARED_DAYS_MAX) <= body.day < now.date():
        raise rules.DayNotOver
    events.enqueue(tx, now, ReconcilePayments(day=body.day))
    day = body.day.isoformat()
    audit.record(tx, admin, client, Action("payments.compare", "card_day", day, {}), now)
    return PaymentComparisonStarted(day=body.day)
