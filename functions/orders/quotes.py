"""Asks for the tax of the open cart before the transaction, which then only looks for the quote."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.orders import drafts
from functions.orders.drafts import Draft
from functions.orders.models import OrderRequest, ShippingAddress, TaxQuestion
from shared import db
from shared.auth import Claims
from shared.db import Tx
from shared.orders import carts, tax_quotes
from shared.orders.tax_quotes import Inquiry
from shared.web import quotas
from shared.web.quotas import Limit


@dataclass(frozen=True)
class _Open:
    """A draft that needs a quote, or None; `is_quoted` says that there is one."""

    draft: Draft | None
    is_quoted: bool


def limit_estimates(claims: Claims) -> Limit:
    """Limit how often a member has the service asked."""
    return tax_quotes.limit(claims.member_id)


def for_estimate(claims: Claims, body: TaxQuestion, now: datetime) -> Inquiry:
    """Have a quote for the open cart. Raises TaxUnavailable."""
    return _have_quote(claims, body.shipping_address, now, counted=True)


def for_order(claims: Claims, body: OrderRequest, now: datetime) -> Inquiry:
    """Have a quote for the open cart; mostly one is there already. Raises TaxUnavailable, TooManyEstimates."""
    return _have_quote(claims, body.shipping_address, now, counted=False)


def _have_quote(claims: Claims, to: ShippingAddress, now: datetime, *, counted: bool) -> Inquiry:
    found = db.atomically(_look, claims.member_id, to, now)
    if found.draft is None or found.is_quoted:
        return Inquiry()
    if not counted:
        quotas.spend(limit_estimates(claims), now)
    return tax_quotes.ask(claims.member_id, found.draft.question, "/shipping_address", now)


def _look(tx: Tx, member_id: UUID, to: ShippingAddress, now: datetime) -> _Open:
    """The draft of the open cart, if it can be ordered at all."""
    cart = carts.open_cart(tx, member_id)
    draft = drafts.read(tx, cart, to) if cart else None
    if draft is None or not draft.can_be_ordered:
        return _Open(None, is_quoted=False)
    return _Open(draft, is_quoted=tax_quotes.find(tx, member_id, draft.question.basis, now) is not None)
