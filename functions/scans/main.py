"""HTTP: scan a code, look back on scans (plan section "Scanning").

Scans that arrive together are done together, in one transaction; each gets the answer that it would have got alone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from flask import Request, Response
from pydantic import Field, StringConstraints

from functions.scans import records, refusals, rules, store
from functions.scans.judge import Accepted, Attempt, Judge
from functions.scans.receipts import ScanReceipt
from functions.scans.register import Round
from shared import codes, paging, settings, tiers
from shared.api import Api
from shared.auth import Member
from shared.db import Tx
from shared.fields import Body, Listing, Moment, Money, Page, Reply
from shared.paging import Position
from shared.problems import Problem
from shared.signatures import Asked
from shared.tiers import Tier

NO_CODE = bytes(codes.MAC_BYTES)  # the mac of a malformed code: looked for, and never found

api = Api("scans")


def scans(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class Location(Body):
    """Degrees, WGS 84."""

    latitude: Annotated[float, Field(ge=-90, le=90)]
    longitude: Annotated[float, Field(ge=-180, le=180)]


class ScanSubmission(Body):
    """A scanned or typed code. `timestamp` is the device's own time, kept beside ours."""

    code: Annotated[str, StringConstraints(max_length=64)]
    method: Literal["qr", "manual"] = "qr"
    timestamp: Moment | None = None
    location: Location | None = None
    device_id: Annotated[str, StringConstraints(min_length=1, max_length=255)] | None = None


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
    problems=(rules.CodeNotValid, rules.CodeAlreadyYours, rules.TooManyScans, rules.TooManyWrongCodes),
)
def submit(tx: Tx, group: Sequence[Asked[Member, ScanSubmission]], now: datetime) -> list[ScanReceipt | Problem]:
    """Spend codes: each takes the next number of the global count, which decides what it wins."""
    configured, quarter = settings.load(tx), tiers.quarter_of(now)
    attempts = [_attempt(asked) for asked in group]
    macs, members = {attempt.mac for attempt in attempts}, {attempt.member_id for attempt in attempts}
    store.lock(tx, macs, members)
    judge = Judge(
        codes=store.codes(tx, macs),
        standings=store.standings(tx, members, quarter, now),
        wrong_before=store.wrong_codes(tx, {subject for attempt in attempts for subject in attempt.subjects}, now),
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


def _attempt(asked: Asked[Member, ScanSubmission]) -> Attempt:
    """What the judge needs to know. Who is held to account for a wrong code: member, device and network."""
    body, member_id = asked.body, asked.caller.id
    code = codes.normalized(body.code)
    subjects = [f"code:member:{member_id}"]
    if body.device_id:
        subjects.append(f"code:device:{body.device_id}")
    if asked.client.ip_address:
        subjects.append(f"code:network:{asked.client.ip_address}")
    return Attempt(
        member_id=member_id,
        permanent_tier=asked.caller.permanent_tier,
        mac=codes.mac(code) if code else NO_CODE,
        method=body.method,
        device_id=body.device_id,
        device_time=body.timestamp,
        ip_address=asked.client.ip_address,
        latitude=body.location.latitude if body.location else None,
        longitude=body.location.longitude if body.location else None,
        subjects=tuple(subjects),
    )
