"""What the member sees of a scan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from functions.scans import rules
from functions.scans.records import Scan
from functions.scans.rules import Decision
from shared import tiers
from shared.auth import Member
from shared.fields import Money, Reply
from shared.money import Usdt
from shared.prizes import CompType
from shared.settings import Settings
from shared.tiers import TierProgress


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


@dataclass(frozen=True)
class Purse:
    """What the member had before this scan."""

    lifetime_comps: Usdt
    comps_paid: Usdt
    gold_chips: int


def receipt(
    member: Member,
    scan: Scan,
    product_name: str,
    settings: Settings,
    decisions: Sequence[Decision],
    won: Mapping[CompType, UUID],
    purse: Purse,
) -> ScanReceipt:
    """The whole answer."""
    shown = rules.main_decision(decisions)
    return ScanReceipt(
        success=True,
        scan_id=scan.id,
        scan_number=scan.number,
        member_id=tiers.member_id(member.number, scan.tier),
        product_name=product_name,
        usdt_earned=scan.usdt_earned,
        tier_multiplier=settings.tier_multipliers[scan.tier],
        tier_progress=tiers.progress(scan.quarter_scans, scan.tier, scan.quarter, settings.tier_thresholds),
        comp_earned=_earned(shown, won, scan, purse),
        milestone_hit=_milestone(shown, scan),
    )


def _earned(shown: Decision | None, won: Mapping[CompType, UUID], scan: Scan, purse: Purse) -> CompEarned | None:
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
        lifetime_comps=purse.lifetime_comps + scan.usdt_earned,
        wallet_balance=purse.comps_paid,
        gold_chips=purse.gold_chips,
    )


def _milestone(shown: Decision | None, scan: Scan) -> MilestoneHit | None:
    if shown is None:
        return None
    return MilestoneHit(scan_number=scan.number, prize=shown.rule.type, awarded=shown.awarded, reason=shown.reason)
