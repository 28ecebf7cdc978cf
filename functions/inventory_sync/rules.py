"""Decides when a product that has run low counts as recovered, and what people are told. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

REASON = "Counted by the warehouse."
MARGIN = 5  # a fifth more than the threshold, so that a few cancelled orders do not cause a second warning


@dataclass(frozen=True)
class Crossing:
    """A product that has just run low or short."""

    sku: str
    name: str
    sellable: int
    shortage: int


@dataclass(frozen=True)
class Notice:
    """A mail to people of operations."""

    subject: str
    what: str
    remedy: str


def enough(low_below: int) -> int:
    """How many tins must be there before the next shortfall is told again."""
    return low_below + -(-low_below // MARGIN)


def running_low(products: Sequence[Crossing], low_below: int) -> Notice:
    """The mail about products of which fewer tins than `low_below` can be sold."""
    return Notice(
        subject=f"{_products(len(products))} low in stock",
        what=f"Fewer than {low_below} tins can be sold of: "
        + ", ".join(f"{product.name} ({product.sku}): {product.sellable}" for product in products),
        remedy="Have some brought to the warehouse, or take the product off sale. GET /v1/admin/stock has all figures.",
    )


def missing(products: Sequence[Crossing]) -> Notice:
    """The mail about products of which more tins are promised to orders than were counted."""
    return Notice(
        subject=f"{_products(len(products))} promised beyond what was counted",
        what="Orders wait for more tins than are there: "
        + ", ".join(f"{product.name} ({product.sku}): {product.shortage} missing" for product in products),
        remedy="Have the warehouse count again. Nothing more of them is sold; their orders wait until tins come.",
    )


def _products(count: int) -> str:
    return "1 product is" if count == 1 else f"{count} products are"
