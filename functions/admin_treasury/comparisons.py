"""Operations on reconciliations and their findings: list, start, resolve."""

from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from functions.admin_treasury import records, rules, store
from functions.admin_treasury.common import Pool, Treasurer, api
from functions.admin_treasury.store import ComparedPool, Comparison, Finding
from shared import events
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.events import Reconcile
from shared.ledger import journals
from shared.payouts import interests
from shared.values.fields import Body, Listing, Page, Reason, SixDigits
from shared.values.problems import NotFound
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position


class FindingFilter(Page):
    """A page of the findings that match every given filter."""

    pool: Pool | None = None
    state: Literal["open", "resolved"] | None = None


class FindingResolution(Body):
    """The explanation of a finding, which is kept. The books are adjusted by the difference that the finding states."""

    explanation: Reason
    totp: SixDigits


class ComparisonDetail(Comparison):
    """A reconciliation with each of its treasuries."""

    pools: list[ComparedPool]


@api.post("/v1/admin/treasury/reconciliations", status=202)
def start_reconciliation(tx: Tx, admin: Treasurer, client: Client, now: datetime) -> ComparisonDetail:
    """Start a reconciliation now. It is pending until the job has run; read it again for the result."""
    identity = uuid4()
    records.insert_reconciliation(tx, identity, admin.id, now)
    events.enqueue(tx, now, Reconcile(reconciliation_id=identity), name=f"reconciliation-{identity}")
    audit.record(tx, admin, client, Action("reconciliation.start", "reconciliation", identity, {}), now)
    return _comparison(tx, identity)


@api.get("/v1/admin/treasury/reconciliations")
def list_reconciliations(tx: Tx, admin: Treasurer, page: Page) -> Listing[Comparison]:
    """List reconciliations, newest first."""
    rows = store.comparisons(tx, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.requested_at, row.id))
    return Listing[Comparison](items=list(shown), next_cursor=cursor)


@api.get("/v1/admin/treasury/reconciliations/{reconciliation_id}")
def get_reconciliation(tx: Tx, admin: Treasurer, reconciliation_id: UUID) -> ComparisonDetail:
    """Return one reconciliation with its treasuries."""
    return _comparison(tx, reconciliation_id)


@api.get("/v1/admin/treasury/findings")
def list_findings(tx: Tx, admin: Treasurer, page: FindingFilter) -> Listing[Finding]:
    """List findings, newest first."""
    is_open = None if page.state is None else page.state == "open"
    rows = store.findings(tx, page.pool, is_open, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.found_at, row.id))
    return Listing[Finding](items=list(shown), next_cursor=cursor)


@api.post(
    "/v1/admin/treasury/findings/{finding_id}/resolve",
    problems=(rules.FindingResolved, interests.OwnInterest, *SECOND_FACTOR),
)
def resolve_finding(
    tx: Tx, admin: Treasurer, finding_id: UUID, body: FindingResolution, client: Client, now: datetime
) -> Finding:
    """Explain a finding. A separate journal adjusts the books to the chain; the treasury stays paused."""
    totp.spend(tx, admin.id, body.totp, now)
    found = store.lock_finding(tx, finding_id)
    if found is None:
        raise NotFound
    if found.resolved_at:
        raise rules.FindingResolved
    if found.counterparty:
        interests.require_none_in_wallet(tx, admin.id, found.counterparty)
    if found.payout_id:
        interests.require_none_in_payout(tx, admin.id, found.payout_id)
    by = rules.adjustment(found.kind, found.expected, found.found)
    if by:
        lines = {f"treasury:{found.pool}": by, f"external:{found.pool}": -by}
        journals.post(tx, f"adjust:{finding_id}", lines, now)
    records.resolve_finding(tx, finding_id, admin.id, body.explanation, now)
    changes = {"explanation": body.explanation, "kind": found.kind, "books_changed_by": str(by)}
    audit.record(tx, admin, client, Action("finding.resolve", "finding", finding_id, changes), now)
    resolved = store.lock_finding(tx, finding_id)
    assert resolved, "findings are never deleted"
    return resolved


def _comparison(tx: Tx, identity: UUID) -> ComparisonDetail:
    row = store.comparison(tx, identity)
    if row is None:
        raise NotFound
    return ComparisonDetail(**vars(row), pools=store.compared_pools(tx, identity))
