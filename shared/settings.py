"""The settings that admins may tune: the table `settings`, cached for a few seconds."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from shared.db import Tx
from shared.values.money import Usdt
from shared.values.prizes import Destination
from shared.values.settings import (
    AffiliateSettings,
    OrderLimits,
    PayoutLimits,
    PayoutSettings,
    Settings,
    ShopSettings,
    WholesaleSettings,
)
from shared.values.tiers import Thresholds, Tier

FRESH_SECONDS = 5.0


@dataclass(frozen=True)
class _Setting:
    name: str
    value: object


def load(tx: Tx) -> Settings:
    """The settings, at most FRESH_SECONDS old."""
    now = time.monotonic()
    with _cache.lock:
        if _cache.settings and now - _cache.read_at < FRESH_SECONDS:
            return _cache.settings
    made = _made({row.name: row.value for row in tx.all(_Setting, "SELECT name, value FROM settings")})
    with _cache.lock:
        _cache.settings, _cache.read_at = made, now
    return made


def forget() -> None:
    """Empty the cache, so that the next call reads the table."""
    with _cache.lock:
        _cache.settings = None


class _SettingsCache:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.settings: Settings | None = None
        self.read_at = 0.0


_cache = _SettingsCache()


def _made(values: Mapping[str, object]) -> Settings:
    return Settings(
        permanent_tier_thresholds=_thresholds(values["permanent_tier_thresholds"]),
        tier_multipliers=_by_tier(values["tier_multipliers"]),
        scans_per_hour_max=int(str(values["scans_per_hour_max"])),
        guesses_per_hour_max=int(str(values["guesses_per_hour_max"])),
        trip_destinations=_destinations(values["trip_destinations"]),
        concierge_email=str(values["concierge_email"]),
        postal_address=str(values["postal_address"]),
        payouts=_payouts(values),
        shop=_shop(values),
        wholesale=_wholesale(values),
        affiliates=_affiliates(values["affiliate_week"], values["affiliate_sunset"]),
    )


def _payouts(values: Mapping[str, object]) -> PayoutSettings:
    limits = values["payout_limits"]
    assert isinstance(limits, dict)
    return PayoutSettings(
        limits={
            treasury: PayoutLimits(*(Usdt.of(str(given[name])) for name in ("single", "day", "hour")))
            for treasury, given in limits.items()
        },
        fee_gwei_max=int(str(values["payout_fee_gwei_max"])),
        stuck_seconds=int(str(values["payout_stuck_seconds"])),
        stalled_amount_max=Usdt.of(str(values["payout_stalled_usdt_max"])),
        in_flight_max=int(str(values["payout_in_flight_max"])),
        reverts_max=int(str(values["payout_reverts_max"])),
    )


def _shop(values: Mapping[str, object]) -> ShopSettings:
    shipping, limits, destinations = (values[f"shop_{name}"] for name in ("shipping", "limits", "destinations"))
    assert isinstance(shipping, dict)
    assert isinstance(limits, dict)
    assert isinstance(destinations, dict)
    return ShopSettings(
        shipping=Usdt.of(str(shipping["cost"])),
        free_shipping_from=Usdt.of(str(shipping["free_from"])),
        low_below=int(str(values["stock_low"])),
        cost_per_tin=Usdt.of(str(values["shop_cost_per_tin"])),
        limits=OrderLimits(*(int(str(limits[name])) for name in ("unpaid", "tins", "tins_in_30_days"))),
        usdt_life=timedelta(minutes=int(str(values["shop_usdt_minutes"]))),
        age_valid=timedelta(hours=int(str(values["shop_age_valid_hours"]))),
        tins_settle=timedelta(days=int(str(values["tins_settle_days"]))),
        destinations=frozenset(str(state) for state in destinations),
    )


def _wholesale(values: Mapping[str, object]) -> WholesaleSettings:
    terms, orders, details = (values[name] for name in ("wholesale_terms", "wholesale_orders", "invoice_details"))
    assert isinstance(terms, dict)
    assert isinstance(orders, dict)
    assert isinstance(details, dict)
    return WholesaleSettings(
        price=Usdt.of(str(terms["price"])),
        tins_min=int(terms["tins_min"]),
        tins_step=int(terms["tins_step"]),
        invoice_life=timedelta(days=int(orders["invoice_days"])),
        unpaid_max=Usdt.of(str(orders["unpaid_max"])),
        comp_max=Usdt.of(str(values["wholesale_comp_max"])),
        invoice_sender=[str(line) for line in details["sender"]],
        invoice_bank=[str(line) for line in details["bank"]],
    )


def _affiliates(week: object, sunset: object) -> AffiliateSettings:
    assert isinstance(week, dict)
    assert isinstance(sunset, dict)
    return AffiliateSettings(
        chips_max=int(week["chips_max"]),
        payout_min=Usdt.of(str(week["payout_min"])),
        automatic=week["approval"] == "automatic",
        sunset_volume=int(sunset["volume"]),
        sunset_days=int(sunset["days"]),
        award_alone_max=Usdt.of(str(week["award_alone_max"])),
    )


def _thresholds(value: object) -> Thresholds:
    return {tier: int(number) for tier, number in _by_tier(value).items()}


def _by_tier(value: object) -> dict[Tier, Decimal]:
    assert isinstance(value, dict)
    return {Tier(tier): Decimal(str(number)) for tier, number in value.items()}


def _destinations(value: object) -> tuple[Destination, ...]:
    assert isinstance(value, list)
    return tuple(Destination(given["key"], given["title"], Usdt.of(str(given["value"]))) for given in value)
