"""The figures by name, for how long each is fresh, and why one may have no value (docs/insights.md lists them)."""

from collections.abc import Mapping
from enum import StrEnum

MINUTE = 60
HOUR = 60 * MINUTE


class Name(StrEnum):
    """The names of `figures`."""

    SCANS_TODAY = "scans_today"
    SCANS_THIS_WEEK = "scans_this_week"
    SCANS_THIS_MONTH = "scans_this_month"
    SCAN_VELOCITY = "scan_velocity"
    POOLS = "pools"
    PAYOUT_PIPELINE = "payout_pipeline"

    TINS_THIS_MONTH = "tins_this_month"
    TINS_PER_MONTH = "tins_per_month"
    ACTIVE_MEMBERS = "active_members"
    PAYOUTS_LAST_24H = "payouts_last_24h"
    ON_CHAIN_BALANCES = "on_chain_balances"
    RECONCILIATION_STATUS = "reconciliation_status"
    SUNSET = "sunset"
    WEEKLY_POOL = "weekly_pool"
    BANK_BALANCES = "bank_balances"
    UPTIME_PERCENT_30D = "uptime_percent_30d"
    PROBE_MS_AVERAGE = "probe_ms_average"
    TRIP_RESERVE = "trip_reserve"

    GROWTH_PERCENT = "growth_percent"
    COMPS = "comps"
    PAYOUT_LEDGER = "payout_ledger"
    COMP_BUDGET_HEALTH = "comp_budget_health"
    PAYOUT_SUCCESS = "payout_success"
    VAULT = "vault"
    CHIPS_ISSUED = "chips_issued"
    MATCH_PAID = "match_paid"
    WHOLESALE = "wholesale"
    SPARKLINES = "sparklines"
    REVENUE = "revenue"

    MEMBERS = "members"
    TIER_DISTRIBUTION = "tier_distribution"
    PERMANENT_TIERS = "permanent_tiers"
    AFFILIATES_ACTIVE = "affiliates_active"
    ORDERS_UNDER_WAY = "orders_under_way"


FRESH_SECONDS: Mapping[Name, int] = {
    **dict.fromkeys((Name.SCANS_TODAY, Name.SCANS_THIS_WEEK, Name.SCANS_THIS_MONTH, Name.SCAN_VELOCITY), 10),
    **dict.fromkeys((Name.POOLS, Name.PAYOUT_PIPELINE), 10),
    **dict.fromkeys((Name.TINS_THIS_MONTH, Name.TINS_PER_MONTH, Name.SUNSET), 20 * MINUTE),
    **dict.fromkeys((Name.ACTIVE_MEMBERS, Name.PAYOUTS_LAST_24H), MINUTE),
    Name.ON_CHAIN_BALANCES: 2 * HOUR,
    Name.RECONCILIATION_STATUS: 25 * HOUR,
    Name.WEEKLY_POOL: 5 * MINUTE,
    Name.BANK_BALANCES: 7 * HOUR,
    Name.TRIP_RESERVE: 2 * MINUTE,
    **dict.fromkeys(
        (Name.GROWTH_PERCENT, Name.COMPS, Name.PAYOUT_LEDGER, Name.COMP_BUDGET_HEALTH, Name.PAYOUT_SUCCESS, Name.VAULT,
         Name.CHIPS_ISSUED, Name.MATCH_PAID, Name.WHOLESALE, Name.REVENUE),
        15 * MINUTE),
    Name.SPARKLINES: 2 * HOUR,
    **dict.fromkeys(
        (Name.MEMBERS, Name.TIER_DISTRIBUTION, Name.PERMANENT_TIERS, Name.AFFILIATES_ACTIVE, Name.UPTIME_PERCENT_30D,
         Name.PROBE_MS_AVERAGE, Name.ORDERS_UNDER_WAY),
        30 * MINUTE),
}  # fmt: skip

NOT_COUNTED = "It has not been counted yet."
NO_BASE = "There is nothing yet that it could be reckoned from."
NO_BANK = "No bank account is connected."
NO_RESERVE = "There is no account that holds money for trips."
COMPARING = "The count of scans is being compared with what was published."
