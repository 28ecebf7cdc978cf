"""How often a member may open the widget, and the problem when Oobit does not answer."""

from shared.values.problems import Problem, TooManyRequests

TOKENS_PER_HOUR_MAX = 20


class TooManyCardTokens(TooManyRequests):
    """The member has opened the widget too often: a token lives for an hour."""

    title = "You have opened the card very often; wait a little."


class CardServiceUnavailable(Problem):
    """Oobit cannot be reached. Nothing was done; wait `Retry-After` seconds and send the request again."""

    status, title, passing = 409, "The card service cannot be reached at this moment.", True
