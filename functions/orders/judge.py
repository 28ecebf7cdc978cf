"""Decides which orders of a group are placed, one after another, as if each had come alone. It is given what was read
under lock, and reads nothing itself.

A cart that an earlier order of the group has taken is ordered already, and its tins are gone for the next one, as are
those that its door may have in 30 days; so the grouping never shows in an answer.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid4

from functions.orders import rules
from functions.orders.buyer_records import Buyer
from functions.orders.drafts import Draft
from functions.orders.models import OrderRequest
from functions.orders.rules import Bought
from shared.orders import limits, usdt_requests
from shared.orders import sums as order_sums
from shared.orders.choices import OrderPayment
from shared.orders.refusals import QuoteStale
from shared.orders.sums import Sums
from shared.orders.tax_quotes import Inquiry, Quote
from shared.values.problems import Problem
from shared.values.settings import ShopSettings
from shared.web.signatures import NotPrepared


@dataclass(frozen=True)
class Candidate:
    """A request for an order. `draft` is None if there is no such open cart; `ordered_as` is the order that it became.
    `quote` and `doorstep` are None as long as the draft has no quote, `inquiry` as long as nobody has asked for one.
    """

    buyer: Buyer
    body: OrderRequest
    inquiry: Inquiry | None
    draft: Draft | None
    ordered_as: UUID | None
    quote: Quote | None
    doorstep: bytes | None


@dataclass(frozen=True)
class Accepted:
    """An order that is to be placed; `refund_to` is the wallet of a buyer who pays in USDT."""

    id: UUID
    buyer: Buyer
    draft: Draft
    quote: Quote
    sums: Sums
    doorstep: bytes
    payment: OrderPayment
    refund_to: str | None
    expires_at: datetime


Verdict = Accepted | Problem | NotPrepared


@dataclass
class Group:
    """Decides about the orders of a group, and holds what the group has taken so far. `tins_of_doors` are those of 30
    days before it.
    """

    tins_of_doors: Mapping[bytes, int]
    terms: ShopSettings
    now: datetime
    _placed: dict[UUID, UUID] = field(default_factory=dict)
    _taken: Counter[str] = field(default_factory=Counter)
    _tins_of_doors: Counter[bytes] = field(default_factory=Counter)

    def judge(self, candidate: Candidate) -> Verdict:
        """Decide about the next order."""
        try:
            return self._accepted(candidate)
        except (Problem, NotPrepared) as refused:
            return refused

    def _accepted(self, candidate: Candidate) -> Accepted:
        """Raises the refusals of `rules`, and NotPrepared when the tax service has to be asked first."""
        refund_to = usdt_requests.refund_to(
            candidate.body.payment.provider, candidate.body.payment.token, candidate.buyer.wallet
        )
        draft = self._draft(candidate)
        quote, doorstep = _quoted(candidate, draft)
        limits.check_pace(candidate.buyer.placed, self.now)
        limits.check_declines(candidate.buyer.declines, self.now)
        of_door = self.tins_of_doors[doorstep] + self._tins_of_doors[doorstep]
        bought = Bought(candidate.buyer.unpaid, candidate.buyer.tins, of_door)
        rules.check_limits(bought, draft.tins, self.terms.limits)
        sums = draft.sums(quote)
        order_sums.check_total(candidate.body.expected_total, sums)
        order_sums.check_stock(draft.wanted, {sku: left - self._taken[sku] for sku, left in draft.left.items()})
        accepted = Accepted(
            id=uuid4(),
            buyer=candidate.buyer,
            draft=draft,
            quote=quote,
            sums=sums,
            doorstep=doorstep,
            payment=candidate.body.payment,
            refund_to=refund_to,
            expires_at=self.now + (self.terms.usdt_life if refund_to else rules.UNPAID_LIFE),
        )
        self._placed[draft.cart.id] = accepted.id
        self._taken.update({line.sku: line.quantity for line in draft.wanted})
        self._tins_of_doors[doorstep] += draft.tins
        return accepted

    def _draft(self, candidate: Candidate) -> Draft:
        """The draft of a cart that is open still. Raises CartAlreadyOrdered, CartEmpty."""
        draft = candidate.draft
        ordered_as = self._placed.get(draft.cart.id) if draft else candidate.ordered_as
        if ordered_as:
            raise rules.CartAlreadyOrdered(order_id=str(ordered_as))
        if draft is None:
            raise rules.CartEmpty
        return draft


def _quoted(candidate: Candidate, draft: Draft) -> tuple[Quote, bytes]:
    """The draft's quote and doorstep. Raises the refusal of a draft that cannot be ordered, NotPrepared, QuoteStale."""
    draft.check()
    if candidate.quote and candidate.doorstep:
        return candidate.quote, candidate.doorstep
    if candidate.inquiry is None:
        raise NotPrepared
    raise candidate.inquiry.refusal or QuoteStale()
