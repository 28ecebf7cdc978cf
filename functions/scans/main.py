"""HTTP: scan a code, look back on scans (docs/product.md, "Scans and the count").

Scans that arrive together are done together, in one transaction; each gets the answer that it would have got alone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from flask import Request, Response
from pydantic import AfterValidator, StringConstraints

from functions.scans import fraud, records, refusals, rules, store
from functions.scans.judge import Accepted, Attempt, Group
from functions.scans.receipts import ScanReceipt
from functions.scans.register import Round
from shared import settings
from shared.api import Api
from shared.auth import Member
from shared.codes import codes
from shared.db import Tx
from shared.scans import counter
from shared.values import fields, tiers, typed
from shared.values.device_ids import DeviceId
from shared.values.fields import Body, Listing, Money, Page, Reply
from shared.values.problems import Problem
from shared.values.tiers import Tier
from shared.web import paging
from shared.web.paging import Position
from shared.web.signatures import Asked

api = Api("scans")


def scans(request: Request) -> Response:
    return api.handle(request)


class Location(Body):
    """Coordinates in degrees, WGS 84. Impossible coordinates are ignored."""

    latitude: float
    longitude: float


class ScanSubmission(Body):
    """A scanned or typed code. `timestamp` is the device's own time, stored if it is valid (RFC 3339); it decides
    nothing. Of `device_id` the first 255 characters are kept.
    """

    code: Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(codes.of_tin)]
    method: Literal["qr", "manual"] = "qr"
    timestamp: str | None = None
    location: Location | None = None
    device_id: DeviceId = None


class RecentScan(Reply):
    """One of the member's own scans."""

    id: UUID
    scan_number: int
    product_name: str
    scanned_at: datetime
    method: str
    tier: Tier
    usdt_earned: Money


@api.post(
    "/v1/scans/submit",
    status=201,
    problems=(
        rules.CodeNotValid,
        rules.CodeAlreadyYours,
        rules.TooManyScans,
        rules.TooManyWrongCodes,
        counter.CountIsBeingCompared,
    ),
)
def submit(tx: Tx, group: Sequence[Asked[Member, ScanSubmission]], now: datetime) -> list[ScanReceipt | Problem]:
    """Spend codes: each takes the next number of the global count, which decides what it wins."""
    with counter.compared(tx):
        return _submit(tx, group, now)


@api.get("/v1/scans/recent")
def list_recent(tx: Tx, member: Member, page: Page) -> Listing[RecentScan]:
    """The member's scans, newest first."""
    rows = store.recent(tx, member.id, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda scan: Position(scan.scanned_at, scan.id))
    items = [
        RecentScan(
            id=scan.id,
            scan_number=scan.number,
            product_name=scan.product_name,
            scanned_at=scan.scanned_at,
            method=scan.method,
            tier=scan.tier,
            usdt_earned=scan.usdt_earned,
        )
        for scan in shown
    ]
    return Listing[RecentScan](items=items, next_cursor=cursor)


def _submit(tx: Tx, group: Sequence[Asked[Member, ScanSubmission]], now: datetime) -> list[ScanReceipt | Problem]:
    configured, quarter = settings.load(tx), tiers.quarter_of(now)
    attempts = [_attempt(asked) for asked in group]
    macs, members = {attempt.mac for attempt in attempts}, {attempt.member_id for attempt in attempts}
    store.lock(tx, macs, members)
    judge = Group(
        codes=store.codes(tx, macs),
        standings=store.standings(tx, members, quarter, now),
        wrong_before=store.wrong_codes(tx, {a.subject for a in attempts} | {a.network_subject for a in attempts}, now),
        settings=configured,
        now=now,
    )
    verdicts = [judge.judge(attempt) for attempt in attempts]
    accepted = [
        (asked, verdict) for asked, verdict in zip(group, verdicts, strict=True) if isinstance(verdict, Accepted)
    ]
    if accepted:
        records.spend(tx, {mac: member_id for mac, (member_id, _) in judge.spent.items()}, now)
        records.add_up(tx, judge.tallies(), quarter, now - store.HOUR, now)
    problems = refusals.record(tx, attempts, verdicts, judge.wrong, now)
    made = iter(Round(tx, configured, quarter, now, judge.standings).register(accepted) if accepted else ())
    return [problems[position] if position in problems else next(made) for position in range(len(group))]


def _attempt(asked: Asked[Member, ScanSubmission]) -> Attempt:
    """The try as `judge.py` needs it.

    Guesses are not counted per device, because the device id is whatever the client sends, and could be another
    member's.
    """
    body, member_id = asked.body, asked.caller.id
    told = body.location
    place = told if told and fraud.is_on_earth(told.latitude, told.longitude) else None
    return Attempt(
        member_id=member_id,
        mac=codes.mac(body.code),
        method=body.method,
        device_id=body.device_id,
        device_time=fields.moment_or_none(body.timestamp),
        ip_address=asked.client.ip_address,
        latitude=place.latitude if place else None,
        longitude=place.longitude if place else None,
        subject=f"code:member:{member_id}",
        network_subject=f"code:network:{asked.client.network}",
    )
