"""Kintsugi: sales tax of an order, and the report of what was sold and given back, from which it files.

KINTSUGI_URL (https://api.trykintsugi.com unless given), KINTSUGI_API_KEY, KINTSUGI_ORGANIZATION. Reference:
https://docs.trykintsugi.com (tax/estimate, transactions, credit_notes). The products, SHIPPING among them, are entered
there once by hand.

An estimate is zero where we are not registered: `registered` says which kind of zero it is.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from http import HTTPStatus
from typing import Any
from uuid import UUID

from shared.ports import outcomes, vendors
from shared.ports.vendors import Address, VendorFailure, VendorRefused, VendorReply, VendorSilent
from shared.values import encoding, free_text, goods
from shared.values.money import ZERO, Usdt

URL_DEFAULT = "https://api.trykintsugi.com"
SHIPPING = "SHIPPING"
OTHER = "other"
NAME_LENGTH_MAX = 100
AMOUNT_MAX = Decimal(1_000_000)
CENT = Decimal("0.01")
DECIMALS_MAX = 30
REFUSALS: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.CONFLICT: "conflict",
    HTTPStatus.UNPROCESSABLE_ENTITY: "invalid",
}
ORIGINAL_UNKNOWN = "original_unknown"


@dataclass(frozen=True)
class TaxLine:
    """A line of an order: so many tins of a product for this amount together. Each sku stands once."""

    sku: str
    quantity: int
    amount: Usdt


@dataclass(frozen=True)
class Jurisdiction:
    """The part of the tax that a state, county, city or district takes; `rate` 0.0625 is 6.25 %."""

    name: str
    rate: Decimal
    amount: Usdt


@dataclass(frozen=True)
class TaxQuote:
    """The tax in whole cents; `lines` (by sku) and `shipping_tax` sum to `tax`, and so does `breakdown`."""

    tax: Usdt
    lines: dict[str, Usdt]
    shipping_tax: Usdt
    breakdown: list[Jurisdiction]
    registered: bool


@dataclass(frozen=True)
class TaxedSale:
    """A confirmed order with the taxes that were charged, by sku."""

    at: datetime
    lines: Sequence[TaxLine]
    taxes: Mapping[str, Usdt]
    shipping: Usdt
    shipping_tax: Usdt
    address: Address


@dataclass(frozen=True)
class TaxedRefund:
    """A refund of a part of the sale that was reported as `of`; its amounts are positive."""

    of: UUID
    at: datetime
    lines: Sequence[TaxLine]
    taxes: Mapping[str, Usdt]
    shipping: Usdt
    shipping_tax: Usdt


def estimate(quote_id: UUID, lines: Sequence[TaxLine], shipping: Usdt, address: Address) -> TaxQuote:
    """Ask for the tax of an order. Raises VendorSilent, VendorRefused (the address, say), VendorMisconfigured."""
    now = encoding.moment(datetime.now(UTC))
    asked = {
        "external_id": str(quote_id),
        "date": now,
        "currency": "USD",
        "transaction_items": _items(lines, shipping, now),
        "addresses": [_address(address)],
    }
    body = _accepted(_ask("POST", "/v1/tax/estimate", asked))
    try:
        if body["external_id"] != str(quote_id):
            raise VendorSilent("the answer is about another quote")
        return _quote(body, [line.sku for line in lines] + ([SHIPPING] if shipping else []))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise vendors.misunderstood(error) from None


def report(transaction_id: UUID, transaction: TaxedSale | TaxedRefund) -> str:
    """Report a sale or a refund once, however often it is called with this id; returns the vendor's reference.

    Raises VendorRefused("original_unknown") for a refund whose sale was never reported, VendorSilent,
    VendorMisconfigured.
    """
    known = find(transaction_id)
    if known is not None:
        return known
    path, asked = "/v1/transactions", _transaction(transaction_id, transaction)
    if isinstance(transaction, TaxedRefund):
        original = find(transaction.of)
        if original is None:
            raise VendorRefused(ORIGINAL_UNKNOWN)
        path = f"/v1/transactions/{original}/credit_notes"
    reply = _ask("POST", path, asked)
    if reply.status == HTTPStatus.CONFLICT:
        found = find(transaction_id)
        if found is None:
            raise VendorSilent("a conflict with a transaction that cannot be found")
        return found
    return _transaction_reference(_accepted(reply), transaction_id)


def find(transaction_id: UUID) -> str | None:
    """The vendor's reference of what was reported under this id; None when nothing was.

    Raises VendorSilent, VendorRefused, VendorMisconfigured.
    """
    reply = _ask("GET", f"/v1/transactions/external/{transaction_id}")
    if reply.status == HTTPStatus.NOT_FOUND and "detail" in reply.body:
        return None
    return _transaction_reference(_accepted(reply), transaction_id)


def _ask(method: str, path: str, body: object = None) -> VendorReply:
    headers = {
        "x-api-key": os.environ["KINTSUGI_API_KEY"],
        "x-organization-id": os.environ["KINTSUGI_ORGANIZATION"],
    }
    with outcomes.asking("kintsugi", VendorFailure):
        return vendors.ask(method, os.environ.get("KINTSUGI_URL", URL_DEFAULT) + path, headers, body)


def _accepted(reply: VendorReply) -> Mapping[str, Any]:
    """The answer's body. Raises VendorRefused for a refusal in Kintsugi's shape, VendorSilent for another."""
    if reply.ok:
        return reply.body
    reason = REFUSALS.get(reply.status) if "detail" in reply.body else None
    if reason is None:
        raise VendorSilent(str(reply.status))
    raise VendorRefused(reason)


def _items(lines: Sequence[TaxLine], shipping: Usdt, date: str, sign: int = 1) -> list[dict[str, object]]:
    sold = [(line.sku, line.quantity, line.amount) for line in lines]
    carried = [(SHIPPING, 1, shipping)] if shipping else []
    return [
        {
            "external_id": sku,
            "date": date,
            "external_product_id": sku,
            "quantity": str(quantity),
            "amount": f"{amount.decimal * sign:f}",
        }
        for sku, quantity, amount in sold + carried
    ]


def _address(address: Address) -> dict[str, str]:
    return {
        "type": "SHIP_TO",
        "street_1": address.street,
        "street_2": address.unit,
        "city": address.city,
        "state": address.state,
        "postal_code": address.zip,
        "country": address.country,
    }


def _transaction(transaction_id: UUID, transaction: TaxedSale | TaxedRefund) -> dict[str, object]:
    is_sale = isinstance(transaction, TaxedSale)
    sign, at = 1 if is_sale else -1, encoding.moment(transaction.at)
    taxes = {**transaction.taxes, SHIPPING: transaction.shipping_tax}
    items = _items(transaction.lines, transaction.shipping, at, sign)
    for item in items:
        item["tax_amount_imported"] = f"{taxes.get(str(item['external_id']), ZERO).decimal * sign:f}"
    tax = sum(transaction.taxes.values(), transaction.shipping_tax)
    total = sum((line.amount for line in transaction.lines), transaction.shipping) + tax
    return {
        "external_id": str(transaction_id),
        "date": at,
        "currency": "USD",
        "source": "API",
        "status": "COMMITTED",
        "type": "SALE" if is_sale else "PARTIAL_CREDIT_NOTE",  # it finds out itself when a refund is the whole
        "total_amount": f"{total.decimal * sign:f}",
        "total_tax_amount_imported": f"{tax.decimal * sign:f}",
        "transaction_items": items,
        "addresses": [_address(transaction.address)] if isinstance(transaction, TaxedSale) else [],
    }


def _transaction_reference(body: Mapping[str, Any], transaction_id: UUID) -> str:
    """The vendor's reference, which becomes a part of addresses. Raises VendorSilent."""
    try:
        if body["external_id"] != str(transaction_id) or not str(body["id"]).replace("_", "").isalnum():
            raise VendorSilent("the answer is about another transaction")
        return vendors.identifier(body["id"])
    except (KeyError, ValueError) as error:
        raise vendors.misunderstood(error) from None


def _quote(body: Mapping[str, Any], wanted: Sequence[str]) -> TaxQuote:
    """The quote in an answer. Raises ValueError when an item is missing, or the items do not sum to the total."""
    items = {each["external_id"]: each for each in body["transaction_items"]}
    if sorted(items) != sorted(wanted) or len(items) != len(body["transaction_items"]):
        raise ValueError("the answer has other items")
    told = _amount(body["total_tax_amount_calculated"])
    tax = told.quantize(CENT, ROUND_HALF_UP)
    exact = [_amount(items[sku]["tax_amount"]) for sku in wanted]
    if abs(sum(exact) - told) > CENT * max(len(exact), 1):
        raise ValueError("the items do not sum to the total")
    taxes = dict(zip(wanted, in_cents(tax, exact), strict=True))
    shares: dict[tuple[str, Decimal], Decimal] = {}
    for part in (part for sku in wanted for part in items[sku].get("tax_items") or []):
        name = free_text.shortened(free_text.shown(str(part["name"])), NAME_LENGTH_MAX) or OTHER
        key = (name, _amount(part.get("rate") or 0))
        shares[key] = shares.get(key, Decimal(0)) + _amount(part.get("amount") or 0)
    shipping_tax, registered = taxes.pop(SHIPPING, ZERO), body["has_active_registration"]
    if not isinstance(registered, bool):
        raise TypeError("neither registered nor not")
    return TaxQuote(Usdt.of(tax), taxes, shipping_tax, breakdown(tax, shares), registered)


def in_cents(total: Decimal, parts: Sequence[Decimal]) -> list[Usdt]:
    """Share a total of whole cents as the parts stand to each other, by largest remainder: the shares sum to it.

    Raises ValueError when there is a total and nothing to share it by.
    """
    count = int(total / CENT)
    if not count:
        return [ZERO] * len(parts)
    scale = Decimal(10) ** max(0, *(-int(part.as_tuple().exponent) for part in parts))
    shares = Usdt(count).allocate([int(part * scale) for part in parts])
    return [goods.dollars(share.micro) for share in shares]


def breakdown(tax: Decimal, shares: Mapping[tuple[str, Decimal], Decimal]) -> list[Jurisdiction]:
    """The tax by jurisdiction (name and rate). Those that do not sum to the tax get a line "other" for the rest.

    When they are more than the tax, they are not believed: all of it is "other".
    """
    parts, told = dict(shares), sum(shares.values(), Decimal(0))
    if told - tax > CENT:
        parts = {(OTHER, Decimal(0)): tax}
    elif tax - told > CENT:
        parts[OTHER, Decimal(0)] = parts.get((OTHER, Decimal(0)), Decimal(0)) + tax - told
    parts = {key: part for key, part in parts.items() if part} or ({(OTHER, Decimal(0)): tax} if tax else {})
    amounts = in_cents(tax, list(parts.values()))
    return [Jurisdiction(name, rate, amount) for ((name, rate), _), amount in zip(parts.items(), amounts, strict=True)]


def _amount(said: object) -> Decimal:
    """A number or a text of one, between zero and a million. Raises TypeError, ValueError, ArithmeticError."""
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        raise TypeError("no number")
    amount = Decimal(repr(said) if isinstance(said, float) else said)
    if not amount.is_finite() or not 0 <= amount < AMOUNT_MAX or -int(amount.as_tuple().exponent) > DECIMALS_MAX:
        raise ValueError("no amount")
    return amount
