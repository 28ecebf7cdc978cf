"""The bounds of prices and counts. Pure."""

from datetime import datetime

from shared.values.goods import PRICE_CENTS_MAX, cents
from shared.values.money import Usdt
from shared.values.problems import NotValid, Problem

COUNT_MAX = 10_000_000  # tins


class StockCountOld(Problem):
    """The product was counted at the same time or later; `counted_at` says when."""

    status, title = 409, "This product was counted later than that."


def price(amount: Usdt) -> Usdt:
    """The amount, when it can be a price. Raises ValueError."""
    if not 1 <= cents(amount) <= PRICE_CENTS_MAX:
        raise ValueError(f"must be from 0.01 to {PRICE_CENTS_MAX // 100}")
    return amount


def check_moment(as_of: datetime, now: datetime) -> None:
    """Check when a count was taken. Raises NotValid for a time to come, which would outdate every count until then."""
    if as_of > now:
        raise NotValid(errors=[{"field": "/as_of", "message": "must not be in the future"}])
