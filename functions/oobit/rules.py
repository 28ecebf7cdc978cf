"""How often a member may open the widget, and what is said when Oobit does not answer."""

from datetime import datetime, timedelta

from shared.problems import Problem, TooManyRequests

TOKENS_PER_HOUR_MAX = 20
HOUR = timedelta(hours=1)


class TooManyCardTokens(TooManyRequests):
    """A token lives for an hour: nobody needs as many."""

    title = "You have opened the card very often; wait a little."


class CardServiceUnavailable(Problem):
    """Nothing was done; wait `Retry-After` seconds and send the same again."""

    status, title, passing = 409, "The card service cannot be reached at this moment.", True


def hour_of(now: datetime) -> datetime:
    """The clock hour that tokens are counted in."""
    return now.replace(minute=0, second=0, microsecond=0)


def too_many(now: datetime) -> TooManyCardTokens:
    """With the seconds until the next clock hour."""
    seconds = int((hour_of(now) + HOUR - now).total_seconds()) + 1
    return TooManyCardTokens(headers={"Retry-After": str(seconds)})
