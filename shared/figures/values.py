"""The values of figures: whoever writes one makes it of these models, and whoever shows it reads it by them."""

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from shared.values.fields import Money, Reply
from shared.values.tiers import Tier


class AmountCount(Reply):
    """How many there are, and their sum in USDT."""

    count: int
    amount: Money


class ScanPace(Reply):
    """The scans of the last full minute and of the last sixty, today's best minute, and the processing times of the
    last hour.
    """

    per_minute: int
    per_hour: int
    peak_per_minute: int
    peak_at: datetime | None
    processing_ms_average: int | None
    processing_ms_p95: int | None


class PoolBooks(Reply):
    """A pool in the books: what sales have given it, what was promised and not paid (`owed`), what was paid, and what
    is promised to nobody (`free`, below zero if refunds took more than was left). Matches are owed and paid, too, but
    they do not come out of the pool. `utilization_percent` is the share of `accrued` that is not free any more.
    """

    treasury: str
    accrued: Money
    owed: Money
    paid: Money
    free: Money
    utilization_percent: Decimal | None


class PayoutPipeline(Reply):
    """Payouts on their way, those that wait for a person or for money (`held`), and the age of the oldest of all."""

    queued: int
    held: int
    oldest_seconds: int | None


class OnChainBalance(Reply):
    """The USDT of a treasury on the chain, all its keys together, and the block at which it was read; `address` is the
    key that pays.
    """

    treasury: str
    address: str
    explorer_url: str
    balance: Money
    block_number: int


class BankBalance(Reply):
    """An account at a bank, in its own currency: what its books say and what of it is at hand; null is what the bank
    does not tell. While `state` is `needs_reauth` it gets no newer than `synced_at`.
    """

    name: str
    institution: str
    last_four: str
    ledger: Decimal | None
    available: Decimal | None
    currency: str
    state: Literal["active", "needs_reauth"]
    synced_at: datetime


class ReconciliationStatus(Reply):
    """The newest comparison of books and chain; `difference` is chain less books over all treasuries, null until it is
    known. The badge tolerates `tolerance`.
    """

    last_run_at: datetime
    badge: Literal["balanced", "discrepancy", "pending"]
    difference: Money | None
    tolerance: Money


class Sunset(Reply):
    """Whether members who sign up now become affiliates, and how near the closing volume is."""

    state: Literal["open", "sunset"]
    percent: Decimal
    checked_at: datetime | None


class PoolWeek(Reply):
    """A week whose pool was divided; the digest is of its published shares."""

    week_on: date
    amount: Money
    affiliates: int
    digest: str


class WeeklyPool(Reply):
    """The newest week that people have approved, and what the present one would divide."""

    last: PoolWeek | None
    accruing: Money


class CompCount(Reply):
    """Comps of a type: those that were won less those that were cancelled, and those that were paid."""

    type: str
    awarded: int
    amount: Money
    paid: int
    paid_amount: Money


class LedgerShare(Reply):
    """The comps of a type that were paid; `percent` is of the sum of all types, null while nothing was paid."""

    type: str
    count: int
    amount: Money
    percent: Decimal | None


class BudgetMonth(Reply):
    """The sum that sales gave the member pool in a UTC month, and what the pool promised to members."""

    month: str
    accrued: Money
    spent: Money


class CompBudgetHealth(BudgetMonth):
    """The present month, what it would come to at its pace, and the twelve months up to it. `utilization_percent` and
    `status` are null while sales have given nothing.
    """

    utilization_percent: Decimal | None
    status: Literal["on_track", "warning", "over_budget"] | None
    projected_spent: Money
    months: list[BudgetMonth]


class PayoutSuccess(Reply):
    """How many of the payouts to members that ended in the last 30 days were paid, and how long these took on average
    from their nonce to their end.
    """

    success_percent: Decimal | None
    average_confirmation_seconds: int | None


class VaultRules(Reply):
    """How many vaulted chips earn a bonus chip in a month, for how many days a chip is vaulted, and above how many in a
    week chips are vaulted by themselves.
    """

    chips_per_bonus: int
    life_days: int
    chips_per_week_max: int


class VaultEconomy(Reply):
    """The chips that were vaulted, that vaulted ones earned, and that expired, over all years."""

    vaulted: int
    bonus: int
    expired: int
    rules: VaultRules


class WholesaleFigures(Reply):
    """The wholesale program: active accounts, the chips of their tins, and the comps that they were given."""

    active_accounts: int
    chips_issued: int
    comps_awarded: int
    comps_amount: Money


class Revenue(Reply):
    """The sums of the orders that were paid this UTC day, week (from Sunday) and month: goods and shipping, without the
    sales tax; what was refunded of them is not taken off.
    """

    today: Money
    this_week: Money
    this_month: Money


class OrdersUnderWay(Reply):
    """How many orders wait for the age check or the payment (`unpaid`), are paid and not with the warehouse yet
    (`pending`), are with the warehouse (`fulfilled`), and are with a carrier (`shipped`).
    """

    unpaid: int
    pending: int
    fulfilled: int
    shipped: int


class SparklineDay(Reply):
    """A treasury's hourly balances of a UTC day: the last, the lowest and the highest one."""

    day: date
    closing: Money
    lowest: Money
    highest: Money


class Sparkline(Reply):
    """The last 90 days of a treasury, oldest first, without those of which nothing is known."""

    treasury: str
    days: list[SparklineDay]


class TierShare(Reply):
    """How many members have the tier now; `percent` is of all members, null while there are none."""

    tier: Tier
    members: int
    percent: Decimal | None


class PermanentTierFloor(Reply):
    """How many tins of the downline earn the tier for good, and how many members have it."""

    tier: Tier
    tins: int
    holders: int
