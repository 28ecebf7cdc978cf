"""The settings that admins may tune, as values; `shared/settings.py` reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from shared.values.money import Usdt
from shared.values.prizes import Destination
from shared.values.tiers import Thresholds, Tier


@dataclass(frozen=True)
class PayoutLimits:
    """One treasury's limits for a single payout, a UTC day and an hour; docs/payouts.md says what each one stops."""

    single: Usdt
    day: Usdt
    hour: Usdt


@dataclass(frozen=True)
class PayoutSettings:
    """The payout machine's limits, from the table `settings`; docs/payouts.md ("What bounds it") explains each."""

    limits: Mapping[str, PayoutLimits]
    fee_gwei_max: int
    stuck_seconds: int
    stalled_amount_max: Usdt
    in_flight_max: int
    reverts_max: int


@dataclass(frozen=True)
class OrderLimits:
    """The limits of unpaid orders per member, of tins per order, and of tins in 30 days per member and per door."""

    unpaid: int
    tins: int
    tins_in_30_days: int


@dataclass(frozen=True)
class ShopSettings:
    """The price of shipping, the sum of goods from which it is free, below how many tins a product is low; what a tin
    costs us, the limits of orders, how long a buyer may pay in USDT, how long an accepted age check serves, how long
    after they have left tins count for the referrer, and the states that are served.
    """

    shipping: Usdt
    free_shipping_from: Usdt
    low_below: int
    cost_per_tin: Usdt
    limits: OrderLimits
    usdt_life: timedelta
    age_valid: timedelta
    tins_settle: timedelta
    destinations: frozenset[str]


@dataclass(frozen=True)
class WholesaleSettings:
    """The price of a tin for accounts of the wholesale program, how many tins of a product they order at least, and in
    which steps; for how long an invoice may be paid, and how much an account's unpaid orders may cost together; of how
    much a comp may be that is for no milestone; and the lines of invoices that say who sends them and to which bank
    account they are paid.
    """

    price: Usdt
    tins_min: int
    tins_step: int
    invoice_life: timedelta
    unpaid_max: Usdt
    comp_max: Usdt
    invoice_sender: Sequence[str]
    invoice_bank: Sequence[str]


@dataclass(frozen=True)
class AffiliateSettings:
    """How many chips of an affiliate count in a week, the least that is paid, whether a week below the day limit is
    approved by itself, and the most that one admin gives by hand alone. The program closes when `sunset_volume` tins a
    month are reached on `sunset_days` in a row.
    """

    chips_max: int
    payout_min: Usdt
    automatic: bool
    sunset_volume: int
    sunset_days: int
    award_alone_max: Usdt


@dataclass(frozen=True)
class Settings:
    """All settings, with their types."""

    permanent_tier_thresholds: Thresholds
    tier_multipliers: Mapping[Tier, Decimal]
    scans_per_hour_max: int
    guesses_per_hour_max: int
    trip_destinations: Sequence[Destination]
    concierge_email: str
    postal_address: str  # empty until owners have set it
    payouts: PayoutSettings
    shop: ShopSettings
    wholesale: WholesaleSettings
    affiliates: AffiliateSettings
