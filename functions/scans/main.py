"""HTTP: scan a code, look back on scans (plan section "Scanning")."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID, uuid4

from flask import Request, Response
from pydantic import Field, StringConstraints

from functions.scans import rules, store
from functions.scans.rules import Decision
from functions.scans.store import Claimed, Counted, Scan
from shared import codes, comps, notifications, paging, settings, tiers
from shared.api import Api
from shared.auth import Member
from shared.comps import Award, ScanReference
from shared.db import Tx
from shared.fields import Body, Listing, Moment, Money, Page, Reply
from shared.http import Client
from shared.notifications import Note
from shared.paging import Position
from shared.prizes import CompType
from shared.problems import Problem
from shared.settings import Settings
from shared.tiers import Tier, TierProgress

VELOCITY_WINDOW = timedelta(hours=1)
RETRY_AFTER = {"Retry-After": "60"}
TIER_NAMES = {Tier.STANDARD: "Standard", Tier.VIP: "VIP", Tier.HIGH_ROLLER: "High Roller", Tier.WHALE: "Whale"}
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


class CompEarned(Reply):
    """What was won. `wallet_balance` is the USDT that comps have brought into the member's wallet so far."""

    comp_id: UUID
    amount: Money
    type: Literal["crypto", "trip", "casino"]
    lifetime_comps: Money
    wallet_balance: Money
    gold_chips: int


class MilestoneHit(Reply):
    """The prize that this number stands for, and why it was or was not won."""

    scan_number: int
    prize: CompType
    awarded: bool
    reason: str


class ScanReceipt(Reply):
    """The plan's rich scan response, with the scan's place in the public count."""

    success: bool
    scan_id: UUID
    scan_number: int
    member_id: str
    product_name: str
    usdt_earned: Money
    tier_multiplier: Decimal
    tier_progress: TierProgress
    comp_earned: CompEarned | None
    milestone_hit: MilestoneHit | None


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
def submit(tx: Tx, member: Member, body: ScanSubmission, client: Client, now: datetime) -> ScanReceipt | Problem:
    """Spend a code: it takes the next number of the global count, which decides what it wins."""
    configured = settings.load(tx)
    code = codes.normalized(body.code)
    mac = codes.mac(code) if code else NO_CODE
    subjects = _subjects(member, body, client)
    claimed = store.claim(tx, mac, member.id, subjects, configured.guesses_per_hour_max, now)
    if claimed is None:
        return _refusal(tx, member, mac, subjects, configured, now)
    quarter = tiers.quarter_of(now)
    counted = store.count(tx, member.id, quarter, now - VELOCITY_WINDOW, now)
    if counted.last_hour > configured.scans_per_hour_max:
        raise rules.TooManyScans(headers=RETRY_AFTER)
    tier = _tier(tx, member, counted, configured, now)
    numbered = store.next_number(tx, now)
    decisions = rules.decide(numbered.candidates(), tier, numbered.unlock())
    scan = Scan(
        id=uuid4(),
        number=numbered.number,
        member_id=member.id,
        code_mac=mac,
        product_sku=claimed.product_sku,
        scanned_at=now,
        method=body.method,
        latitude=body.location.latitude if body.location else None,
        longitude=body.location.longitude if body.location else None,
        device_time=body.timestamp,
        device_id=body.device_id,
        ip_address=client.ip_address,
        tier=tier,
        quarter=quarter,
        quarter_scans=counted.quarter_scans,
        usdt_earned=rules.usdt_won(decisions),
    )
    store.insert_scan(tx, scan)
    won = _award(tx, scan, decisions, numbered.tins_per_month)
    return _receipt(member, scan, claimed, configured, decisions, won, counted)


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


def _subjects(member: Member, body: ScanSubmission, client: Client) -> list[str]:
    """Who is held to account for wrong codes."""
    subjects = [f"code:member:{member.id}"]
    if body.device_id:
        subjects.append(f"code:device:{body.device_id}")
    if client.ip_address:
        subjects.append(f"code:network:{client.ip_address}")
    return sorted(subjects)


def _refusal(tx: Tx, member: Member, mac: bytes, subjects: list[str], configured: Settings, now: datetime) -> Problem:
    """One answer for every kind of wrong code, except to the member who scanned it before; guesses are counted."""
    if store.wrong_codes(tx, subjects, now) >= configured.guesses_per_hour_max:
        raise rules.TooManyWrongCodes(headers=RETRY_AFTER)
    if scan_id := store.own_earlier_scan(tx, mac, member.id):
        return rules.CodeAlreadyYours(scan_id=str(scan_id))
    store.count_wrong_code(tx, subjects, now)
    return rules.CodeNotValid()


def _award(tx: Tx, scan: Scan, decisions: Sequence[Decision], tins_per_month: int) -> dict[CompType, UUID]:
    """Give what was won and record every milestone; the comps' ids by type."""
    won: dict[CompType, UUID] = {}
    for decision in decisions:
        rule = decision.rule
        if decision.awarded:
            given = Award(
                member_id=scan.member_id,
                type=rule.type,
                amount=rule.amount,
                source_kind="milestone",
                source_id=f"{scan.number}:{rule.type}",
                reason={
                    "interval": rule.interval,
                    "tier": scan.tier.value,
                    "tier_needed": rule.tier.value,
                    "tins_per_month": tins_per_month,
                    "unlock_volume": rule.unlock_volume,
                    "unlocked_by_admin": rule.unlocked_by_admin,
                },
                scan=ScanReference(scan.id, scan.scanned_at, scan.number),
            )
            comp_id = comps.award(tx, given, scan.scanned_at)
            assert comp_id, "a scan number is taken once"
            won[rule.type] = comp_id
        store.insert_milestone(tx, scan, decision, tins_per_month, won.get(rule.type))
    return won


def _tier(tx: Tx, member: Member, counted: Counted, configured: Settings, now: datetime) -> Tier:
    """The effective tier after this scan; a rise is recorded, and told when it makes a difference."""
    earned = tiers.quarter_tier(counted.quarter_scans, configured.tier_thresholds)
    tier = tiers.effective(earned, member.permanent_tier)
    if earned is not counted.quarter_tier:
        quarter = tiers.quarter_of(now)
        store.raise_tier(tx, member.id, quarter, counted.quarter_scans, earned, now)
        if tier is not tiers.effective(counted.quarter_tier, member.permanent_tier):
            title = f"You are {TIER_NAMES[tier]} now"
            data = {"tier": tier.value, "quarter": quarter}
            key = f"tier:{quarter}:{tier}"
            notifications.notify(
                tx, Note(member.id, "system", title, "Enjoy it until the quarter ends.", data, key), now
            )
    return tier


def _receipt(
    member: Member,
    scan: Scan,
    claimed: Claimed,
    configured: Settings,
    decisions: Sequence[Decision],
    won: dict[CompType, UUID],
    counted: Counted,
) -> ScanReceipt:
    shown = rules.main_decision(decisions)
    progress = tiers.progress(scan.quarter_scans, scan.tier, scan.quarter, configured.tier_thresholds)
    return ScanReceipt(
        success=True,
        scan_id=scan.id,
        scan_number=scan.number,
        member_id=tiers.member_id(member.number, scan.tier),
        product_name=claimed.product_name,
        usdt_earned=scan.usdt_earned,
        tier_multiplier=configured.tier_multipliers[scan.tier],
        tier_progress=progress,
        comp_earned=_earned(shown, won, scan, counted),
        milestone_hit=_milestone(shown, scan),
    )


def _earned(shown: Decision | None, won: dict[CompType, UUID], scan: Scan, counted: Counted) -> CompEarned | None:
    if shown is None or not shown.awarded:
        return None
    kind: Literal["crypto", "trip", "casino"] = "crypto"
    if shown.rule.type is CompType.TRIP:
        kind = "trip"
    elif shown.rule.type is CompType.CASINO:
        kind = "casino"
    return CompEarned(
        comp_id=won[shown.rule.type],
        amount=shown.rule.amount,
        type=kind,
        lifetime_comps=counted.lifetime_comps + scan.usdt_earned,
        wallet_balance=counted.comps_paid,
        gold_chips=counted.gold_chips,
    )


def _milestone(shown: Decision | None, scan: Scan) -> MilestoneHit | None:
    if shown is None:
        return None
    return MilestoneHit(scan_number=scan.number, prize=shown.rule.type, awarded=shown.awarded, reason=shown.reason)
