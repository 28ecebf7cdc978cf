"""The pages of figures: overview, treasury, systems, comps, partners, and what is shown of them to everybody."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from functions.insights import rules, store
from functions.insights.board import Board, Making
from functions.insights.rules import PrizeFigures, TierEligibility
from functions.insights.store import FeedLine
from shared.comps import award_inputs, trip_places
from shared.comps.award_inputs import Inputs
from shared.db import Tx
from shared.figures import kept, names
from shared.figures.milestones import MilestoneProgress, by_interval, milestone
from shared.figures.names import Name
from shared.figures.values import (
    AmountCount,
    BankBalance,
    CompBudgetHealth,
    CompCount,
    LedgerShare,
    OnChainBalance,
    PayoutPipeline,
    PayoutSuccess,
    PermanentTierFloor,
    PoolBooks,
    ReconciliationStatus,
    ScanPace,
    Sparkline,
    Sunset,
    TierShare,
    VaultEconomy,
    WeeklyPool,
    WholesaleFigures,
)
from shared.values.fields import Money, Reply
from shared.values.money import ZERO
from shared.values.prizes import CompType, is_unlocked
from shared.values.tiers import Tier

FEED_LINES, PUBLIC_FEED_LINES = 20, 10
PARTNERS = ("affiliate", "wholesale")


class TripProgress(Reply):
    """The next scan number that can win a trip, and how much of the way to it the count has gone."""

    next_number: int
    remaining: int
    percent: Decimal


class TripFigures(Reply):
    """Members who can win a trip, the trips of this UTC month and of all, and how near the next one is; `reserve` is
    what is held for them.
    """

    eligible_members: int | None
    awarded_this_month: int
    awarded: int | None
    progress: TripProgress | None
    reserve: Money | None


class OverviewFigures(Board):
    """The count, sales, members and payouts at a glance, and what has just happened."""

    global_scan_count: int | None
    scans_today: int | None
    scans_this_month: int | None
    tins_this_month: int | None
    tins_per_month: int | None
    active_members: int | None
    members: int | None
    growth_percent: Decimal | None
    payouts_last_24h: AmountCount | None
    milestone_progress: list[MilestoneProgress] | None
    live_feed: list[FeedLine]


class TreasuryFigures(Board):
    """The treasuries on the chain and in the books, bank accounts, what was paid, and the last comparison."""

    on_chain_balances: list[OnChainBalance] | None
    pools: list[PoolBooks] | None
    bank_balances: list[BankBalance] | None
    sparklines: list[Sparkline] | None
    payout_ledger: list[LedgerShare] | None
    reconciliation_status: ReconciliationStatus | None


class SystemsFigures(Board):
    """How the platform does: budget, payouts, scans, tiers, the vault, and how often it was up."""

    comp_budget_health: CompBudgetHealth | None
    payout_pipeline: PayoutPipeline | None
    payout_success: PayoutSuccess | None
    payouts_last_24h: AmountCount | None
    scan_velocity: ScanPace | None
    reconciliation_status: ReconciliationStatus | None
    tier_distribution: list[TierShare] | None
    uptime_percent_30d: Decimal | None
    probe_ms_average: int | None
    vault: VaultEconomy | None


class CompsFigures(Board):
    """The prizes, how near they are, trips, the guarantee of new members, and the vault."""

    prizes: list[PrizeFigures] | None
    milestone_progress: list[MilestoneProgress] | None
    trips: TripFigures
    guarantee: AmountCount | None
    tier_eligibility: list[TierEligibility] | None
    vault: VaultEconomy | None


class PartnersFigures(Board):
    """Affiliates and their pool, the wholesale program, and the treasuries of both."""

    affiliates_active: int | None
    chips_issued: int | None
    sunset: Sunset | None
    weekly_pool: WeeklyPool | None
    match_paid: AmountCount | None
    permanent_tiers: list[PermanentTierFloor] | None
    wholesale: WholesaleFigures | None
    treasuries: list[OnChainBalance] | None
    pools: list[PoolBooks] | None
    feed: list[FeedLine]


class PublicFigures(Board):
    """The figures that everybody may see without an account; members see all of them, too."""

    global_scan_count: int | None
    tins_this_month: int | None
    tins_per_month: int | None
    comps_paid: AmountCount | None
    on_chain_balances: list[OnChainBalance] | None
    reconciliation_status: ReconciliationStatus | None
    milestone_progress: list[MilestoneProgress] | None
    sunset: Sunset | None
    live_feed: list[FeedLine]


@dataclass(frozen=True)
class Live:
    """The count (None while it is being compared), the terms of the next number, and this month's trips."""

    scans: int | None
    inputs: Inputs
    trips_this_month: int


def overview(tx: Tx, now: datetime) -> OverviewFigures:
    """The figures at a glance."""
    named = (
        *(Name.SCANS_TODAY, Name.SCANS_THIS_MONTH, Name.TINS_THIS_MONTH, Name.TINS_PER_MONTH, Name.ACTIVE_MEMBERS),
        *(Name.MEMBERS, Name.GROWTH_PERCENT, Name.PAYOUTS_LAST_24H),
    )
    making, live = Making(kept.find(tx, named), now), _live(tx, now)
    fields = {
        "global_scan_count": making.live("global_scan_count", live.scans, names.COMPARING),
        **{name.value: making.show(name, int) for name in named[:6]},
        "growth_percent": making.show(Name.GROWTH_PERCENT, Decimal),
        "payouts_last_24h": making.show(Name.PAYOUTS_LAST_24H, AmountCount),
        "milestone_progress": _milestones(making, live),
        "live_feed": making.live("live_feed", store.newest_lines(tx, FEED_LINES)),
    }
    return OverviewFigures(**fields, **making.known())


def treasury(tx: Tx, now: datetime) -> TreasuryFigures:
    """The figures of the money: on the chain, in the books, and at the bank."""
    named = (
        *(Name.ON_CHAIN_BALANCES, Name.POOLS, Name.BANK_BALANCES, Name.SPARKLINES, Name.PAYOUT_LEDGER),
        Name.RECONCILIATION_STATUS,
    )
    making = Making(kept.find(tx, named), now)
    fields = {
        "on_chain_balances": making.show(Name.ON_CHAIN_BALANCES, list[OnChainBalance]),
        "pools": making.show(Name.POOLS, list[PoolBooks]),
        "bank_balances": making.show(Name.BANK_BALANCES, list[BankBalance]),
        "sparklines": making.show(Name.SPARKLINES, list[Sparkline]),
        "payout_ledger": making.show(Name.PAYOUT_LEDGER, list[LedgerShare]),
        "reconciliation_status": making.show(Name.RECONCILIATION_STATUS, ReconciliationStatus),
    }
    return TreasuryFigures(**fields, **making.known())


def systems(tx: Tx, now: datetime) -> SystemsFigures:
    """The figures of how the platform does."""
    named = (
        *(Name.COMP_BUDGET_HEALTH, Name.PAYOUT_PIPELINE, Name.PAYOUT_SUCCESS, Name.PAYOUTS_LAST_24H),
        *(Name.SCAN_VELOCITY, Name.RECONCILIATION_STATUS, Name.TIER_DISTRIBUTION, Name.UPTIME_PERCENT_30D),
        *(Name.PROBE_MS_AVERAGE, Name.VAULT),
    )
    making = Making(kept.find(tx, named), now)
    fields = {
        "comp_budget_health": making.show(Name.COMP_BUDGET_HEALTH, CompBudgetHealth),
        "payout_pipeline": making.show(Name.PAYOUT_PIPELINE, PayoutPipeline),
        "payout_success": making.show(Name.PAYOUT_SUCCESS, PayoutSuccess),
        "payouts_last_24h": making.show(Name.PAYOUTS_LAST_24H, AmountCount),
        "scan_velocity": making.show(Name.SCAN_VELOCITY, ScanPace),
        "reconciliation_status": making.show(Name.RECONCILIATION_STATUS, ReconciliationStatus),
        "tier_distribution": making.show(Name.TIER_DISTRIBUTION, list[TierShare]),
        "uptime_percent_30d": making.show(Name.UPTIME_PERCENT_30D, Decimal),
        "probe_ms_average": making.show(Name.PROBE_MS_AVERAGE, int),
        "vault": making.show(Name.VAULT, VaultEconomy),
    }
    return SystemsFigures(**fields, **making.known())


def comps(tx: Tx, now: datetime) -> CompsFigures:
    """The figures of the prizes and of who wins them."""
    named = (Name.COMPS, Name.TIER_DISTRIBUTION, Name.TRIP_RESERVE, Name.VAULT)
    making, live = Making(kept.find(tx, named), now), _live(tx, now)
    milestones = _milestones(making, live)
    fields = {
        "prizes": _prizes(making, live),
        "milestone_progress": milestones,
        "trips": making.live("trips", _trips(making, live, milestones)),
        "guarantee": _paid(making, "guarantee", lambda count: count.type == CompType.NEW_MEMBER_GUARANTEE),
        "tier_eligibility": making.live("tier_eligibility", rules.eligibility(by_interval(live.inputs.prizes))),
        "vault": making.show(Name.VAULT, VaultEconomy),
    }
    return CompsFigures(**fields, **making.known())


def partners(tx: Tx, now: datetime) -> PartnersFigures:
    """The figures of affiliates and of the wholesale program."""
    named = (
        *(Name.AFFILIATES_ACTIVE, Name.CHIPS_ISSUED, Name.SUNSET, Name.WEEKLY_POOL, Name.MATCH_PAID),
        *(Name.PERMANENT_TIERS, Name.WHOLESALE, Name.ON_CHAIN_BALANCES, Name.POOLS),
    )
    making = Making(kept.find(tx, named), now)
    on_chain = making.show(Name.ON_CHAIN_BALANCES, list[OnChainBalance], "treasuries")
    pools = making.show(Name.POOLS, list[PoolBooks])
    fields = {
        "affiliates_active": making.show(Name.AFFILIATES_ACTIVE, int),
        "chips_issued": making.show(Name.CHIPS_ISSUED, int),
        "sunset": making.show(Name.SUNSET, Sunset),
        "weekly_pool": making.show(Name.WEEKLY_POOL, WeeklyPool),
        "match_paid": making.show(Name.MATCH_PAID, AmountCount),
        "permanent_tiers": making.show(Name.PERMANENT_TIERS, list[PermanentTierFloor]),
        "wholesale": making.show(Name.WHOLESALE, WholesaleFigures),
        "treasuries": None if on_chain is None else [one for one in on_chain if one.treasury in PARTNERS],
        "pools": None if pools is None else [one for one in pools if one.treasury in PARTNERS],
        "feed": making.live("feed", store.newest_of_partners(tx, FEED_LINES)),
    }
    return PartnersFigures(**fields, **making.known())


def public(tx: Tx, now: datetime) -> PublicFigures:
    """The figures that need no account."""
    named = (
        *(Name.TINS_THIS_MONTH, Name.TINS_PER_MONTH, Name.COMPS, Name.ON_CHAIN_BALANCES),
        *(Name.RECONCILIATION_STATUS, Name.SUNSET),
    )
    making, live = Making(kept.find(tx, named), now), _live(tx, now)
    fields = {
        "global_scan_count": making.live("global_scan_count", live.scans, names.COMPARING),
        "tins_this_month": making.show(Name.TINS_THIS_MONTH, int),
        "tins_per_month": making.show(Name.TINS_PER_MONTH, int),
        "comps_paid": _paid(making, "comps_paid", lambda _: True),
        "on_chain_balances": making.show(Name.ON_CHAIN_BALANCES, list[OnChainBalance]),
        "reconciliation_status": making.show(Name.RECONCILIATION_STATUS, ReconciliationStatus),
        "milestone_progress": _milestones(making, live),
        "sunset": making.show(Name.SUNSET, Sunset),
        "live_feed": making.live("live_feed", store.newest_lines(tx, PUBLIC_FEED_LINES)),
    }
    return PublicFigures(**fields, **making.known())


def _live(tx: Tx, now: datetime) -> Live:
    count, inputs = award_inputs.counted(tx)
    return Live(count.value if count.compared else None, inputs, trip_places.this_month(tx, now))


def _milestones(making: Making, live: Live) -> list[MilestoneProgress] | None:
    scans = live.scans
    found = (
        None
        if scans is None
        else [
            milestone(rule, scans, live.inputs.tins_per_month, live.trips_this_month)
            for rule in by_interval(live.inputs.prizes)
        ]
    )
    return making.live("milestone_progress", found, names.COMPARING)


def _prizes(making: Making, live: Live) -> list[PrizeFigures] | None:
    counted = making.show(Name.COMPS, list[CompCount], "prizes")
    if counted is None:
        return None
    by_type = {count.type: count for count in counted}
    return [
        PrizeFigures(
            type=rule.type,
            tier=rule.tier,
            interval=rule.interval,
            amount=rule.amount,
            unlocked=is_unlocked(rule, live.inputs.tins_per_month, live.trips_this_month),
            awarded=by_type[rule.type].awarded,
            paid_amount=by_type[rule.type].paid_amount,
        )
        for rule in by_interval(live.inputs.prizes)
    ]


def _trips(making: Making, live: Live, milestones: list[MilestoneProgress] | None) -> TripFigures:
    """The trips of this month are read for the request; all of them, and who can win one, are figures of their own."""
    counted = making.show(Name.COMPS, list[CompCount], "trips.awarded")
    distribution = making.show(Name.TIER_DISTRIBUTION, list[TierShare], "trips.eligible_members")
    making.show(Name.TRIP_RESERVE, int, "trips.reserve")
    rule = next((rule for rule in live.inputs.prizes if rule.type is CompType.TRIP), None)
    lowest = rule.tier if rule else Tier.WHALE
    return TripFigures(
        eligible_members=None
        if distribution is None
        else sum(share.members for share in distribution if share.tier.at_least(lowest)),
        awarded_this_month=live.trips_this_month,
        awarded=None if counted is None else next(c.awarded for c in counted if c.type == CompType.TRIP),
        progress=next(
            (
                TripProgress(next_number=one.next_number, remaining=one.remaining, percent=one.percent)
                for one in milestones or ()
                if one.prize is CompType.TRIP
            ),
            None,
        ),
        reserve=None,
    )


def _paid(making: Making, label: str, counts: Callable[[CompCount], bool]) -> AmountCount | None:
    """How many comps of some types were paid, and their sum."""
    found = making.show(Name.COMPS, list[CompCount], label)
    if found is None:
        return None
    chosen = [count for count in found if counts(count)]
    return AmountCount(
        count=sum(count.paid for count in chosen), amount=sum((count.paid_amount for count in chosen), ZERO)
    )
