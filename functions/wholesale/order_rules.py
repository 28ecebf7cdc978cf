"""The rules of wholesale orders: how many tins, and how much unpaid. Pure."""

from collections.abc import Sequence
from datetime import timedelta

from shared.orders.refusals import LimitReached
from shared.values.money import Usdt
from shared.values.problems import NotValid, Problem
from shared.values.settings import WholesaleSettings

CARD_LIFE = timedelta(minutes=30)
LINES_MAX = 32  # as many products as there are


class OrderWithoutInvoice(Problem):
    """The order is paid by card: there is no invoice."""

    status, title = 409, "This order is not paid by invoice."


def check_items(items: Sequence[tuple[str, int]], terms: WholesaleSettings) -> None:
    """Raises NotValid when a product (SKU, tins) is named twice, or ordered in another number than accounts may."""
    errors = []
    for place, (sku, tins) in enumerate(items):
        if sku in {earlier for earlier, _ in items[:place]}:
            errors.append({"field": f"/items/{place}/sku", "message": "names a product for the second time"})
        if tins < terms.tins_min or tins % terms.tins_step:
            message = f"must be at least {terms.tins_min}, in steps of {terms.tins_step}"
            errors.append({"field": f"/items/{place}/quantity", "message": message})
    if errors:
        raise NotValid(errors=errors)


def check_unpaid(unpaid: Usdt, total: Usdt, terms: WholesaleSettings) -> None:
    """Raises LimitReached when the account's unpaid orders would cost too much together."""
    if unpaid + total > terms.unpaid_max:
        raise LimitReached(limit="unpaid_sum", maximum=terms.unpaid_max.decimal)
