"""An open cart as an order that may be: what is wanted at which price, where it would go, and its quoted tax."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from functions.orders import rules
from functions.orders.models import ShippingAddress
from shared import settings
from shared.db import Tx
from shared.orders import carts, sums
from shared.orders.addresses import DeliveryAddress
from shared.orders.carts import Cart, Item
from shared.orders.refusals import DestinationNotServed
from shared.orders.sums import Sums, Wanted
from shared.orders.tax_quotes import Question, Quote
from shared.values import cart_sums
from shared.values.money import Usdt
from shared.values.settings import ShopSettings


@dataclass(frozen=True)
class Draft:
    """A cart with what is in it: by SKU, the `names` of products, and how many tins are `left`. `question` is what
    its tax quote must answer.
    """

    cart: Cart
    wanted: Sequence[Wanted]
    names: Mapping[str, str]
    left: Mapping[str, int]
    off_sale: Sequence[str]
    shipping: Usdt
    address: DeliveryAddress
    is_served: bool

    @property
    def question(self) -> Question:
        """The question that a quote for this draft answers."""
        return Question(self.wanted, self.shipping, self.address)

    @property
    def tins(self) -> int:
        """How many tins are wanted."""
        return sum(line.quantity for line in self.wanted)

    @property
    def can_be_ordered(self) -> bool:
        """True if `check` finds nothing."""
        return self.is_served and bool(self.wanted) and not self.off_sale

    def check(self) -> None:
        """Raises CartEmpty, ProductNotOnSale, DestinationNotServed."""
        rules.check_on_sale(self.off_sale)
        if not self.wanted:
            raise rules.CartEmpty
        if not self.is_served:
            raise DestinationNotServed(state=self.address.state)

    def sums(self, quote: Quote) -> Sums:
        """The sums with a quote's taxes."""
        return sums.add_up(self.wanted, self.shipping, quote.taxes, quote.shipping)


def read(tx: Tx, cart: Cart, to: ShippingAddress) -> Draft:
    """The draft of a cart, at the prices of now."""
    return made(cart, carts.items(tx, [cart.id]), settings.load(tx).shop, to)


def made(cart: Cart, items: Sequence[Item], terms: ShopSettings, to: ShippingAddress) -> Draft:
    """The draft of a cart with these items. Its address has no recipient yet: prices and limits do not ask for one."""
    return Draft(
        cart=cart,
        wanted=[Wanted(item.sku, item.quantity, item.line.price) for item in items if item.on_sale],
        names={item.sku: item.name for item in items},
        left={item.sku: item.sellable for item in items},
        off_sale=[item.sku for item in items if not item.on_sale],
        shipping=cart_sums.totals([item.line for item in items], terms.shipping, terms.free_shipping_from).shipping,
        address=DeliveryAddress(
            recipient="", line1=to.line1, line2=to.line2 or "", city=to.city, state=to.state, zip=to.zip
        ),
        is_served=to.state in terms.destinations,
    )
