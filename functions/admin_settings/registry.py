"""The settings that owners may change: the type of each with its bounds, its unit, and who has to agree. Pure.

A value that does not fit its type is refused before it is compared with anything; rules between the parts of a value
stand in the type's own validator.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from shared.values import fault_texts
from shared.values.contacts import EmailAddress
from shared.values.fields import LINES, Body, Money, Text
from shared.values.money import Usdt
from shared.values.problems import NotValid

MULTIPLIER_MAX = 10
PER_HOUR_MAX = 10_000
USDT_MAX = 1_000_000


def _number(value: object) -> object:
    """Read a decimal that is written as a text, as some stored values are."""
    is_decimal = isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", value)
    return Decimal(str(value)) if is_decimal else value


def _between(least: int, most: int) -> AfterValidator:
    """The check of an amount that it is from `least` to `most`."""

    def check(value: Usdt) -> Usdt:
        if not Usdt.of(least) <= value <= Usdt.of(most):
            raise ValueError(f"must be from {least} to {most}")
        return value

    return AfterValidator(check)


Decimals = Annotated[Money, BeforeValidator(_number)]
Amount = Annotated[Decimals, _between(0, USDT_MAX)]
Positive = Annotated[Decimals, _between(1, USDT_MAX)]
# It begins empty, and is never emptied again: campaigns that have begun go on with it.
PostalAddress = Annotated[str, StringConstraints(min_length=10, max_length=300), LINES]
Multiplier = Annotated[float, Field(ge=1, le=MULTIPLIER_MAX)]


class TierThresholds(Body):
    """From how many scans of a quarter, or tins of a downline, each tier is held; they rise."""

    standard: Literal[0]
    vip: Annotated[int, Field(ge=1, le=10**9)]
    high_roller: Annotated[int, Field(ge=1, le=10**9)]
    whale: Annotated[int, Field(ge=1, le=10**9)]

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if not self.vip < self.high_roller < self.whale:
            raise ValueError("must rise from tier to tier")
        return self


class TierMultipliers(Body):
    """By how much each tier's scans count; a better tier never counts less."""

    standard: Multiplier
    vip: Multiplier
    high_roller: Multiplier
    whale: Multiplier

    @model_validator(mode="after")
    def _rise(self) -> Self:
        if not self.standard <= self.vip <= self.high_roller <= self.whale:
            raise ValueError("must not fall from tier to tier")
        return self


class TreasuryLimits(Body):
    """The largest single payout, and what a treasury pays in a day; and what people let go in an hour. In USDT."""

    single: Positive
    day: Positive
    hour: Positive

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.single > self.day:
            raise ValueError("must not have a single limit above that of the day")
        return self


class PayoutLimitsOfAll(Body):
    """The limits of each treasury."""

    member: TreasuryLimits
    affiliate: TreasuryLimits
    wholesale: TreasuryLimits
    shop: TreasuryLimits


class LimitsOfOne(Body):
    """The most that one admin gives alone at once, and in a day, in USDT."""

    single: Amount
    day: Amount

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.single > self.day:
            raise ValueError("must not have a single limit above that of the day")
        return self


class RefundLimits(Body):
    """How much one admin may refund alone at once, in USD, and how many refunds in a day."""

    single: Amount
    day: Annotated[int, Field(ge=0, le=1000)]


class Shipping(Body):
    """The price of shipping, and the sum of goods from which it is free, in USD."""

    cost: Annotated[Decimals, _between(0, 100)]
    free_from: Annotated[Decimals, _between(0, 10_000)]


class OrderLimitsOfMembers(Body):
    """Unpaid orders of a member, tins of an order, and tins in 30 days."""

    unpaid: Annotated[int, Field(ge=1, le=100)]
    tins: Annotated[int, Field(ge=1, le=10_000)]
    tins_in_30_days: Annotated[int, Field(ge=1, le=100_000)]

    @model_validator(mode="after")
    def _fit(self) -> Self:
        if self.tins > self.tins_in_30_days:
            raise ValueError("must not allow more tins in an order than in 30 days")
        return self


class WholesaleTerms(Body):
    """The price of a tin in USD, how many tins of a product are ordered at least, and in which steps."""

    price: Annotated[Decimals, _between(1, 100)]
    tins_min: Annotated[int, Field(ge=1, le=100_000)]
    tins_step: Annotated[int, Field(ge=1, le=100_000)]


class WholesaleOrders(Body):
    """For how many days an invoice may be paid, and how much an account's unpaid orders cost at most, in USD."""

    invoice_days: Annotated[int, Field(ge=1, le=90)]
    unpaid_max: Amount


class InvoiceDetails(Body):
    """The lines of invoices that say who sends them, and to which bank account they are paid."""

    sender: Annotated[list[Text], Field(min_length=1, max_length=10)]
    bank: Annotated[list[Text], Field(max_length=10)]


class AffiliateWeek(Body):
    """How many chips of an affiliate count in a week, the least that is paid, whether a week below the day limit is
    approved by itself, and the most that one admin gives by hand alone. Amounts are USDT.
    """

    chips_max: Annotated[int, Field(ge=1, le=1_000_000)]
    payout_min: Annotated[Decimals, _between(0, 1000)]
    approval: Literal["manual", "automatic"]
    award_alone_max: Annotated[Decimals, _between(0, 10_000)]


class AffiliateSunset(Body):
    """The tins of a month at which the affiliate program closes, reached on so many days in a row."""

    volume: Annotated[int, Field(ge=1, le=10**9)]
    days: Annotated[int, Field(ge=1, le=30)]


@dataclass(frozen=True)
class Setting:
    """The type and unit of a setting; `needs_two` if a second owner has to agree, because it bounds what is paid."""

    kind: Any
    unit: str
    needs_two: bool = False


def _whole(least: int, most: int) -> Any:
    return Annotated[int, Field(ge=least, le=most)]


REGISTRY: Mapping[str, Setting] = {
    "tier_thresholds": Setting(TierThresholds, "scans in a quarter"),
    "permanent_tier_thresholds": Setting(TierThresholds, "tins of the downline"),
    "tier_multipliers": Setting(TierMultipliers, "factor"),
    "scans_per_hour_max": Setting(_whole(1, PER_HOUR_MAX), "scans of a member in an hour"),
    "guesses_per_hour_max": Setting(_whole(1, PER_HOUR_MAX), "codes that are none, of a member in an hour"),
    "concierge_email": Setting(EmailAddress, "e-mail address"),
    "postal_address": Setting(PostalAddress, "lines of an address"),
    "payout_limits": Setting(PayoutLimitsOfAll, "USDT", needs_two=True),
    "payout_fee_gwei_max": Setting(_whole(1, 100_000), "gwei", needs_two=True),
    "payout_stuck_seconds": Setting(_whole(10, 3600), "seconds"),
    "payout_stalled_usdt_max": Setting(_whole(0, USDT_MAX), "USDT", needs_two=True),
    "payout_in_flight_max": Setting(_whole(1, 1024), "nonces"),
    "payout_reverts_max": Setting(_whole(1, 100), "payments"),
    "top_up_days": Setting(_whole(0, 365), "days"),
    "manual_award_limits": Setting(LimitsOfOne, "USDT", needs_two=True),
    "refund_limits": Setting(RefundLimits, "USD", needs_two=True),
    "match_percent": Setting(_whole(0, 100), "percent of a comp", needs_two=True),
    "rules_notice": Setting(_whole(0, 1_000_000), "scan numbers"),
    "stock_low": Setting(_whole(0, 1_000_000), "tins"),
    "shop_shipping": Setting(Shipping, "USD"),
    "shop_cost_per_tin": Setting(Annotated[Decimals, _between(0, 100)], "USD"),
    "shop_limits": Setting(OrderLimitsOfMembers, "orders and tins"),
    "shop_age_valid_hours": Setting(_whole(1, 720), "hours"),
    "shop_usdt_minutes": Setting(_whole(15, 1440), "minutes"),
    "tins_settle_days": Setting(_whole(1, 365), "days"),
    "wholesale_terms": Setting(WholesaleTerms, "USD and tins"),
    "wholesale_orders": Setting(WholesaleOrders, "days and USD"),
    "wholesale_comp_max": Setting(_whole(0, USDT_MAX), "USDT", needs_two=True),
    "invoice_details": Setting(InvoiceDetails, "lines"),
    "affiliate_week": Setting(AffiliateWeek, "chips and USDT", needs_two=True),
    "affiliate_sunset": Setting(AffiliateSunset, "tins in a month"),
}


def read(name: str, value: object) -> object:
    """The value as it is stored: a text in its normalized form, anything else as it was given. Raises NotValid with
    every fault under `/value`.
    """
    try:
        found = TypeAdapter(REGISTRY[name].kind).validate_python(value, strict=True)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise NotValid(
            errors=[
                {"field": "/".join(["/value", *map(str, fault["loc"])]), "message": fault_texts.message(fault)}
                for fault in faults
            ]
        ) from None
    return found if isinstance(found, str) else value
