"""HTTP for admins: the queue of flagged scans (docs/product.md, "Flagged scans").

A scan that was cleared gives what it won; one that was confirmed as fraud loses it, as far as it is not paid.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from flask import Request, Response
from pydantic import AfterValidator, Field

from functions.admin_scans import rules, store
from functions.admin_scans.rules import BULK_MAX, Decision, Flagged
from shared.api import Api
from shared.auth import Admin, Role
from shared.comps import awards
from shared.db import Tx
from shared.values import tiers
from shared.values.fields import Body, Listing, Money, Page, Reason, Reply
from shared.values.problems import NotFound
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position

Operations = Annotated[Admin, Role.OPERATIONS]
Flag = Literal["impossible_travel", "burst", "guessing", "honey_code", "many_devices"]

api = Api("admin_scans")


def admin_scans(request: Request) -> Response:
    return api.handle(request)


class FlaggedFilter(Page):
    """A page of the flagged scans that match every given filter."""

    status: Literal["open", "cleared", "confirmed"] | None = None
    flag: Flag | None = None
    member_id: UUID | None = None


class ScanDecision(Body):
    """A decision: `clear` for a legitimate scan, `confirm` for fraud. The note is kept and not told to the member."""

    decision: Decision
    note: Reason


def _different(scans: list[UUID]) -> list[UUID]:
    if len(set(scans)) != len(scans):
        raise ValueError("must name each scan once")
    return scans


class BulkScanDecision(ScanDecision):
    """One decision about several scans."""

    scan_ids: Annotated[list[Annotated[UUID, Field(strict=False)]], Field(min_length=1, max_length=BULK_MAX),
                        AfterValidator(_different)]  # fmt: skip


class FlaggedComp(Reply):
    """A comp that a flagged scan won."""

    id: UUID
    type: str
    amount: Money
    status: str


class FlaggedScan(Reply):
    """A scan and the reasons for its flags; `details` holds the figures behind each flag."""

    scan_id: UUID
    scan_number: int
    scanned_at: datetime
    member_uuid: UUID
    member_id: str
    username: str
    product_name: str
    method: str
    latitude: float | None
    longitude: float | None
    device_id: str | None
    ip_address: str | None
    flags: list[str]
    details: dict[str, Any]
    status: str
    flagged_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    note: str | None
    usdt_earned: Money
    comps: list[FlaggedComp]


class DecisionOutcome(Reply):
    """The scan's status now, or why nothing was done: not_flagged, decided_otherwise, about_you."""

    scan_id: UUID
    outcome: Literal["cleared", "confirmed", "not_flagged", "decided_otherwise", "about_you"]


class BulkOutcome(Reply):
    """The outcomes in the order of the request."""

    items: list[DecisionOutcome]


@api.get("/v1/admin/scans/flagged")
def list_flagged_scans(tx: Tx, admin: Operations, page: FlaggedFilter, now: datetime) -> Listing[FlaggedScan]:
    """List flagged scans, newest first."""
    wanted = store.Filter(page.status, page.flag, page.member_id)
    rows = store.flagged(tx, wanted, tiers.quarter_of(now), paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.flagged_at, row.scan_id))
    return Listing[FlaggedScan](items=_shown(tx, shown), next_cursor=cursor)


@api.post("/v1/admin/scans/flagged/{scan_id}/decide", problems=(rules.ScanDecided, rules.OwnScan))
def decide_flagged_scan(
    tx: Tx, admin: Operations, scan_id: UUID, body: ScanDecision, client: Client, now: datetime
) -> FlaggedScan:
    """Clear or confirm one scan; repeating the same decision is harmless."""
    found = store.lock(tx, [scan_id], admin.id)
    if not found:
        raise NotFound
    _decide(tx, admin, client, found[0], body, now=now)
    only = store.Filter(status=None, flag=None, member_id=None, scan_id=scan_id)
    (shown,) = _shown(tx, store.flagged(tx, only, tiers.quarter_of(now), after=None, limit=1))
    return shown


@api.post("/v1/admin/scans/flagged/decide")
def decide_flagged_scans(
    tx: Tx, admin: Operations, body: BulkScanDecision, client: Client, now: datetime
) -> BulkOutcome:
    """Make the same decision about many scans; those that cannot be decided so are skipped and named."""
    outcomes: dict[UUID, str] = {}
    for found in rules.ordered(store.lock(tx, body.scan_ids, admin.id)):
        try:
            _decide(tx, admin, client, found, body, now=now)
            outcomes[found.scan_id] = rules.STATUS[body.decision]
        except rules.ScanDecided:
            outcomes[found.scan_id] = "decided_otherwise"
        except rules.OwnScan:
            outcomes[found.scan_id] = "about_you"
    return BulkOutcome(
        items=[
            DecisionOutcome.model_validate({"scan_id": scan_id, "outcome": outcomes.get(scan_id, "not_flagged")})
            for scan_id in body.scan_ids
        ]
    )


def _decide(tx: Tx, admin: Admin, client: Client, found: Flagged, body: ScanDecision, now: datetime) -> None:
    if not rules.check(found, body.decision):
        return
    for comp in store.comps(tx, [found.scan_id]).get(found.scan_id, []):
        if body.decision == "clear":
            awards.release(tx, comp.id, now)
        else:
            _take_back(tx, comp.id, body.note, now)
    store.decide(tx, found.scan_id, rules.STATUS[body.decision], admin.id, body.note, now=now)
    changes = {"decision": body.decision, "note": body.note}
    audit.record(tx, admin, client, Action("flagged_scan.decide", "scan", found.scan_id, changes), now)


def _take_back(tx: Tx, comp_id: UUID, note: str, now: datetime) -> None:
    """Cancel a comp, unless it is paid or a payment may be on its way; the comp's status shows the result."""
    try:
        with tx.savepoint():
            awards.cancel(tx, comp_id, note, now)
    except (awards.CompPaid, awards.PaymentUnderWay):
        return


def _shown(tx: Tx, rows: Sequence[store.Row]) -> list[FlaggedScan]:
    won = store.comps(tx, [row.scan_id for row in rows])
    return [
        FlaggedScan(
            **{name: value for name, value in vars(row).items() if name in FlaggedScan.model_fields},
            member_id=tiers.member_id(row.member_number, tiers.effective(row.quarter_tier, row.permanent_tier)),
            comps=[
                FlaggedComp(id=comp.id, type=comp.type, amount=comp.amount, status=comp.status)
                for comp in won.get(row.scan_id, [])
            ],
        )
        for row in rows
    ]
