"""How many tins of a product a cart takes. Pure."""

from shared.values.problems import NotValid, Problem

QUANTITY_MAX = 99  # tins of one product in a cart


class NotInCart(Problem):
    """The member's cart has no such item."""

    status, title = 404, "This is not in your cart."


def together(held: int, added: int) -> int:
    """The quantity of a product when more is added to what a cart holds. Raises NotValid above QUANTITY_MAX."""
    if held + added > QUANTITY_MAX:
        message = f"the cart holds {held} of it, and takes {QUANTITY_MAX} at most"
        raise NotValid(errors=[{"field": "/quantity", "message": message}])
    return held + added
