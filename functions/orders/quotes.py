"""Asks the tax service before the transaction, and keeps what it said: the transaction only looks for it.

No word of it is never a tax of zero: without a quote nothing is estimated or ordered.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from functions.orders import drafts, rules, store
from functions.orders.drafts import Draft
from functions.orders.models import OrderRequest, ShippingAddress, TaxQuestion
from shared import db, log
from shared.auth import Claims
from shared.db import Tx
from shared.orders import carts
from shared.orders.addresses import DeliveryAddress
from shared.ports import tax
from shared.ports.tax import TaxLine, TaxQuote
from shared.ports.vendors import Address, VendorMisconfigured, VendorRefused, VendorSilent
from shared.values.problems import NotValid, Problem
from shared.web import quotas
from shared.web.quotas import Limit, Quota

ADDRESS_REFUSED = "invalid"
RETRY_SECONDS = 30


@dataclass(frozen=True)
class Inquiry:
    """The outcome of asking the service: `refusal` is why it gives no quote for the address."""

    was_asked: bool
    refusal: Problem | None = None


@dataclass(frozen=True)
class _Open:
    """A draft that needs a quote, or None; `is_quoted` says that there is one."""

    draft: Draft | None
    is_quoted: bool


def limit_estimates(claims: Claims) -> Limit:
    """Limit how often a member has the service asked."""
    return Limit([Quota(f"tax:{claims.member_id}", rules.ESTIMATES_PER_HOUR)], rules.TooManyEstimates)


def for_estimate(claims: Claims, body: TaxQuestion, now: datetime) -> Inquiry:
    """Have a quote for the open cart. Raises TaxUnavailable."""
    return _have_quote(claims, body.shipping_address, now, counted=True)


def for_order(claims: Claims, body: OrderRequest, now: datetime) -> Inquiry:
    """Have a quote for the open cart; mostly one is there already. Raises TaxUnavailable, TooManyEstimates."""
    return _have_quote(claims, body.shipping_address, now, counted=False)


def _have_quote(claims: Claims, to: ShippingAddress, now: datetime, *, counted: bool) -> Inquiry:
    found = db.atomically(_look, claims.member_id, to, now)
    if found.draft is None or found.is_quoted:
        return Inquiry(was_asked=False)
    if not counted:
        quotas.spend(limit_estimates(claims), now)
    draft, quote_id = found.draft, uuid4()
    try:
        answer = _asked(quote_id, draft)
    except VendorRefused as refused:
        if refused.reason != ADDRESS_REFUSED:
            log.error("the tax service refuses our question", reason=refused.reason)
            raise _unavailable(RETRY_SECONDS) from None
        message = "the tax service does not know this address"
        return Inquiry(was_asked=True, refusal=NotValid(errors=[{"field": "/shipping_address", "message": message}]))
    if not answer.registered:
        log.warning("the state is served without a registration for its tax", state=draft.address.state)
    db.atomically(
        lambda tx: store.keep_quote(
            tx, quote_id, claims.member_id, draft.basis, found=answer, now=now, expires_at=now + rules.QUOTE_LIFE
        )
    )
    return Inquiry(was_asked=True)


def _look(tx: Tx, member_id: UUID, to: ShippingAddress, now: datetime) -> _Open:
    """The draft of the open cart, if it can be ordered at all."""
    cart = carts.open_cart(tx, member_id)
    draft = drafts.read(tx, cart, to) if cart else None
    if draft is None or not draft.can_be_ordered:
        return _Open(None, is_quoted=False)
    return _Open(draft, is_quoted=store.quote(tx, member_id, draft.basis, now) is not None)


def _asked(quote_id: UUID, draft: Draft) -> TaxQuote:
    """The service's answer. Raises TaxUnavailable, VendorRefused."""
    lines = [TaxLine(line.sku, line.quantity, line.amount) for line in draft.wanted]
    try:
        return tax.estimate(quote_id, lines, draft.shipping, _address(draft.address))
    except VendorSilent as silence:
        log.warning("the tax service does not answer", reason=str(silence))
        raise _unavailable(silence.retry_after_seconds) from None
    except VendorMisconfigured as wrong:
        log.error("the tax service does not take our key", reason=str(wrong))
        raise _unavailable(RETRY_SECONDS) from None


def _address(address: DeliveryAddress) -> Address:
    return Address(address.line1, address.line2, address.city, address.state, address.zip)


def _unavailable(seconds: int) -> rules.TaxUnavailable:
    return rules.TaxUnavailable(headers={"Retry-After": str(seconds)})
