"""Goods that an account wants, as an order that may be: prices, where they go, and whether they are taxed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.wholesale import order_rules, order_store, rules
from functions.wholesale.common import BusinessAddress
from functions.wholesale.order_models import WholesaleItem, WholesaleOrderRequest, WholesaleQuestion
from functions.wholesale.order_store import Buyer
from shared import db, settings
from shared.auth import Claims
from shared.db import Tx
from shared.orders import sums, tax_quotes
from shared.orders.addresses import DeliveryAddress
from shared.orders.refusals import DestinationNotServed
from shared.orders.sums import Sums, Wanted
from shared.orders.tax_quotes import Inquiry, Question, Quote
from shared.values.goods import ProductNotOnSale, ProductUnknown
from shared.values.money import ZERO, Usdt
from shared.values.problems import Problem
from shared.web import quotas
from shared.web.quotas import Limit


@dataclass(frozen=True)
class Draft:
    """Goods in the order of SKUs, with the names of the products. The certificate frees them from tax."""

    buyer: Buyer
    wanted: Sequence[Wanted]
    names: Mapping[str, str]
    address: DeliveryAddress
    certificate_id: UUID | None

    @property
    def tins(self) -> int:
        """The number of tins in all."""
        return sum(line.quantity for line in self.wanted)

    @property
    def question(self) -> Question:
        """The question that a tax quote for this draft answers."""
        return Question(self.wanted, ZERO, self.address)


@dataclass(frozen=True)
class Taxed:
    """The tax of a draft by SKU, and the quote that says it; None for what is free of tax."""

    taxes: Mapping[str, Usdt]
    quote: Quote | None

    def sums(self, draft: Draft) -> Sums:
        """The sums of the draft. There is no shipping that could be taxed."""
        return sums.add_up(draft.wanted, ZERO, self.taxes, ZERO)


def limit_estimates(claims: Claims) -> Limit:
    """Limit how often a member has the tax service asked."""
    return tax_quotes.limit(claims.member_id)


def for_estimate(claims: Claims, body: WholesaleQuestion, now: datetime) -> Inquiry:
    """Have a quote for the goods, unless they are free of tax. Raises TaxUnavailable."""
    return _have_quote(claims, body.items, body.delivery_address, now, counted=True)


def for_order(claims: Claims, body: WholesaleOrderRequest, now: datetime) -> Inquiry:
    """Have a quote for the goods; mostly one is there already. Raises TaxUnavailable, TooManyEstimates."""
    return _have_quote(claims, body.items, body.delivery_address, now, counted=False)


def read(tx: Tx, member_id: UUID, items: Sequence[WholesaleItem], to: BusinessAddress | None, now: datetime) -> Draft:
    """The draft of what is wanted, at the price of now.

    Raises AccountNotApproved, NotValid, ProductUnknown, ProductNotOnSale, DestinationNotServed.
    """
    known = settings.load(tx)
    buyer = order_store.buyer(tx, member_id)
    rules.check_may_order(buyer.status if buyer else None)
    assert buyer, "without an account there is no status that may order"
    order_rules.check_items([(item.sku, item.quantity) for item in items], known.wholesale)
    names = _names(tx, [item.sku for item in items])
    address = _delivery(buyer, to)
    if address.state not in known.shop.destinations:
        raise DestinationNotServed(state=address.state)
    return Draft(
        buyer=buyer,
        wanted=[Wanted(item.sku, item.quantity, known.wholesale.price) for item in sorted(items, key=_sku)],
        names=names,
        address=address,
        certificate_id=order_store.certificate(tx, buyer.account_id, address.state, now.date()),
    )


def taxed(tx: Tx, draft: Draft, inquiry: Inquiry, now: datetime) -> Taxed:
    """The draft's tax. Raises QuoteStale, and why the tax service gave no quote."""
    if draft.certificate_id:
        return Taxed({line.sku: ZERO for line in draft.wanted}, None)
    quote = tax_quotes.found(tx, draft.buyer.member_id, draft.question.basis, inquiry, now)
    return Taxed(quote.taxes, quote)


def _have_quote(
    claims: Claims, items: Sequence[WholesaleItem], to: BusinessAddress | None, now: datetime, *, counted: bool
) -> Inquiry:
    question = db.atomically(_unanswered, claims.member_id, items, to, now)
    if question is None:
        return Inquiry()
    if not counted:
        quotas.spend(limit_estimates(claims), now)
    return tax_quotes.ask(claims.member_id, question, "/delivery_address", now)


def _unanswered(
    tx: Tx, member_id: UUID, items: Sequence[WholesaleItem], to: BusinessAddress | None, now: datetime
) -> Question | None:
    """The question for the tax service; None when there is a quote, no tax, or nothing that can be ordered."""
    try:
        draft = read(tx, member_id, items, to, now)
    except Problem:
        return None  # the transaction that follows refuses it
    if draft.certificate_id or tax_quotes.find(tx, member_id, draft.question.basis, now):
        return None
    return draft.question


def _names(tx: Tx, skus: Sequence[str]) -> dict[str, str]:
    """The names of products. Raises ProductUnknown, ProductNotOnSale."""
    offers = {offer.sku: offer for offer in order_store.offers(tx, skus)}
    if len(offers) < len(skus):
        raise ProductUnknown
    if off_sale := sorted(sku for sku, offer in offers.items() if not offer.on_sale):
        raise ProductNotOnSale(skus=off_sale)
    return {sku: offer.name for sku, offer in offers.items()}


def _delivery(buyer: Buyer, to: BusinessAddress | None) -> DeliveryAddress:
    """Where the goods go, in the business's name."""
    given = to or BusinessAddress.model_validate(buyer.business_address)
    return DeliveryAddress(
        recipient=buyer.company_name,
        line1=given.address_line1,
        line2=given.address_line2 or "",
        city=given.city,
        state=given.state,
        zip=given.zip_code,
    )


def _sku(item: WholesaleItem) -> str:
    return item.sku
