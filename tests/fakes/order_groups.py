"""Orders that arrive together and share one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from functions.orders import checkout
from functions.orders.birth_records import Born
from functions.orders.models import OrderRequest, ShippingAddress
from shared import db
from shared.auth import Member
from shared.orders.choices import OrderPayment
from shared.orders.tax_quotes import Inquiry
from shared.values.money import Usdt
from shared.values.problems import Problem
from shared.values.tiers import Tier
from shared.web.http import Client
from shared.web.signatures import AskedPrepared, NotPrepared
from tests.factories import Somebody
from tests.fakes.order_client import ADDRESS

Asked = AskedPrepared[Member, OrderRequest, Inquiry]


@dataclass(frozen=True)
class Wish:
    """A member's request to order the open cart for a sum; `cart_id` and parts of the address may be given. With
    `has_asked` the tax service was asked before, as far as that was needed; with `in_usdt` no card pays.
    """

    who: Somebody
    total: float
    cart_id: UUID | None = None
    address: Mapping[str, str] | None = None
    has_asked: bool = True
    in_usdt: bool = False


def order_together(wishes: Sequence[Wish]) -> list[Born | Problem | NotPrepared]:
    """Order in one transaction; returns what each is answered."""
    group = [_asked(wish) for wish in wishes]
    return db.atomically(lambda tx: checkout.place(tx, group, datetime.now(UTC)))


def _asked(wish: Wish) -> Asked:
    body = OrderRequest(
        shipping_address=ShippingAddress(**{**ADDRESS, **(wish.address or {})}),
        payment=OrderPayment(provider="usdt") if wish.in_usdt else OrderPayment(provider="card", token="ok"),
        expected_total=Usdt.of(f"{wish.total:.2f}"),
        cart_id=wish.cart_id,
    )
    inquiry = Inquiry() if wish.has_asked else None
    return AskedPrepared(_member(wish.who), body, Client("203.0.113.7", "tests"), 0.0, prepared=inquiry)


def _member(who: Somebody) -> Member:
    return Member(
        id=who.id,
        number=1,
        username="x",
        status="active",
        role=None,
        permanent_tier=Tier.STANDARD,
        quarter_tier=Tier.STANDARD,
        session_id=uuid4(),
    )
