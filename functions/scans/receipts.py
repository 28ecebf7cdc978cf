"""The reply to a scan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from functions.scans import rules
from functions.scans.records import Scan
from functions.scans.rules import Decision
from shared.auth import Member
from shared.values import tiers
from shared.values.fields import Money, Reply
from shared.values.money import Usdt
from shared.values.prizes import CompType
from shared.values.tiers import Thresholds, Tier, TierProgress


class CompEarned(Reply):
    """The comp that was won. `wallet_balance` is the USDT that comps have paid to the member so far."""

    comp_id: UUID
    amount: Money
    type: Literal["crypto", "trip", "casino"]
    lifetime_comps: Money
    wallet_balance: Money
    gold_chips: int


class MilestoneHit(Reply):
    """The prize that this scan number can win, and why it was or was not won: in English, and as a text's code and
    parameters.
    """

    scan_number: int
    prize: CompType
    awarded: bool
    reason: str
    code: str
    params: dict[str, Any]


class ScanReceipt(Reply):
    """The comp that a scan has won, the way to the next tier, and the scan's place in the public count."""

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
    """The member's totals before this scan."""

    lifetime_comps: Usdt
    comps_paid: Usdt
    gold_chips: int


@dataclass(frozen=True)
class Shown:
    """The scan's product, and the rules of the tiers: scans needed and multipliers."""

    product_name: str
    multipliers: Mapping[Tier, Decimal]
    thresholds: Thresholds


def receipt(
    member: Member,
    scan: Scan,
    shown: Shown,
    decisions: Sequence[Decision],
    won: Mapping[CompType, UUID],
    purse: Purse,
) -> ScanReceipt:
    """Build the reply to one scan."""
    main = rules.main_decision(decisions)
    return ScanReceipt(
        success=True,
        scan_id=scan.id,
        scan_number=scan.number,
        member_id=tiers.member_id(member.number, scan.tier),
        product_name=shown.product_name,
        usdt_earned=scan.usdt_earned,
        tier_multiplier=shown.multipliers[scan.tier],
        tier_progress=tiers.progress(scan.quarter_scans, scan.tier, scan.quarter, shown.thresholds),
        comp_earned=_earned(main, won, scan, purse),
        milestone_hit=_milestone(main, scan),
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
    return MilestoneHit(
        scan_number=scan.number,
        prize=shown.rule.type,
        awarded=shown.awarded,
        reason=shown.why.text,
        code=shown.why.code,
        params=dict(shown.why.params),
    )
