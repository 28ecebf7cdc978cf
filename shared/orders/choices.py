"""How a buyer chooses to pay."""

from typing import Annotated, Literal

from shared.values.fields import Body, Shape

CardToken = Annotated[str, Shape(r"^[!-~]{1,200}$", "a token of the card's provider")]


class OrderPayment(Body):
    """How the member pays: by a card, with the token that its provider gave the app, or in USDT, without a token."""

    provider: Literal["card", "usdt"]
    token: CardToken | None = None
