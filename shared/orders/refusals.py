"""Why an order of a member or of a wholesale account is refused."""

from shared.values.problems import Problem, TooManyRequests

AGAIN = {"Retry-After": "1"}


class StockShort(Problem):
    """Fewer tins than wanted are left; `items` names each product with what was wanted and what is left."""

    status, title = 409, "There are fewer left than you want."


class TotalChanged(Problem):
    """The order costs another sum than the member has seen: a price, shipping or the tax has changed meanwhile."""

    status, title = 409, "Your order costs another sum now."


class QuoteStale(Problem):
    """The cart has changed while its tax was asked for. Nothing was done: send the request again."""

    status, title, passing = 409, "Your cart has changed at this moment; try again.", True

    def __init__(self) -> None:
        super().__init__(headers=AGAIN)


class WalletRequired(Problem):
    """A payment in USDT needs a linked wallet, to which refunds go. A wallet that has taken another one's place cannot
    be used before `rests_until`, which is null when there is no wallet.
    """

    status, title = 409, "Link a wallet to pay in USDT: refunds go to it."


class UsdtNotAvailable(Problem):
    """The chain was not read yet, so that no block is known after which a transfer counts. Nothing was done."""

    status, title, passing = 409, "USDT cannot be taken at this moment; pay by card, or try again later.", True


class LimitReached(Problem):
    """The order goes beyond a limit, which `limit` names (unpaid, tins, tins_in_30_days, unpaid_sum) and `maximum`
    tells.
    """

    status, title = 409, "You cannot order so much now."


class DestinationNotServed(Problem):
    """The `state` of the address is not one that we ship to."""

    status, title = 409, "We do not ship to this state."


class TaxUnavailable(Problem):
    """The tax service does not answer, and no order is taken without its word. Nothing was done."""

    status, title, passing = 503, "The tax cannot be computed at this moment.", True


class TooManyEstimates(TooManyRequests):
    """The member has asked for the tax too often in this hour."""

    title = "You have asked for the tax very often; wait a little."


class TooManyOrders(TooManyRequests):
    """The member has placed too many orders within an hour."""

    title = "You have placed many orders; wait a little."


class TooManyDeclines(TooManyRequests):
    """The member's cards were declined too often today (UTC)."""

    title = "Your cards were declined too often today; try again tomorrow."


class OrderNotPayable(Problem):
    """The order waits for no other card: it is paid, under way, declined three times, expired or cancelled."""

    status, title = 409, "This order cannot be paid again."


class OrderNotCancellable(Problem):
    """The order is cancelled already, or it is too late for it."""

    status, title = 409, "This order cannot be cancelled."
