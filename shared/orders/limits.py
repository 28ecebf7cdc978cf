"""How many orders a member or an account may place within an hour, and how many cards may be declined. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.orders.refusals import TooManyDeclines, TooManyOrders
from shared.values.retry_after import HOUR, hour_of, until

ORDERS_PER_HOUR = 10
DECLINES_PER_ORDER = 3
DECLINES_PER_DAY = 10


def check_pace(placed: Sequence[datetime], now: datetime) -> None:
    """Raises TooManyOrders; `placed` are the buyer's orders of the last hour, oldest first. Orders are counted, not
    tries, so that whoever repeats a request is told which order it became.
    """
    if len(placed) >= ORDERS_PER_HOUR:
        raise TooManyOrders(headers=until(placed[-ORDERS_PER_HOUR] + HOUR, now))


def day_of(now: datetime) -> datetime:
    """The start of the day (UTC), from which declined cards count."""
    return hour_of(now) - timedelta(hours=now.hour)


def check_declines(declines: int, now: datetime) -> None:
    """Raises TooManyDeclines when so many declined cards fill the day."""
    if declines >= DECLINES_PER_DAY:
        raise TooManyDeclines(headers=until(day_of(now) + timedelta(days=1), now))
