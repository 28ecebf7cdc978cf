"""Tax quotes: the tax service's answers for goods, prices, shipping and one address, each good for half an hour.

They are asked before the transaction that needs one, and kept at once: the transaction only looks for its quote. When
the service says nothing, that is never a tax of zero.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from shared import db, log
from shared.db import Tx
from shared.orders import sums
from shared.orders.addresses import DeliveryAddress
from shared.orders.refusals import QuoteStale, TaxUnavailable, TooManyEstimates
from shared.orders.sums import Wanted
from shared.ports import tax
from shared.ports.tax import TaxLine, TaxQuote
from shared.ports.vendors import Address, VendorMisconfigured, VendorRefused, VendorSilent
from shared.values import encoding
from shared.values.money import Usdt
from shared.values.problems import NotValid, Problem
from shared.web.quotas import Limit, Quota

QUOTE_LIFE = timedelta(minutes=30)
ESTIMATES_PER_HOUR = 60
ADDRESS_REFUSED = "invalid"
RETRY_SECONDS = 30


@dataclass(frozen=True)
class Question:
    """The goods, their shipping and the address for which the tax is asked."""

    wanted: Sequence[Wanted]
    shipping: Usdt
    address: DeliveryAddress

    @property
    def basis(self) -> bytes:
        """The hash of everything that a quote for this stands for."""
        return sums.basis(self.wanted, self.shipping, self.address.place)


@dataclass(frozen=True)
class Inquiry:
    """The outcome of having a quote: `refusal` is why the service gives none for the address."""

    refusal: Problem | None = None


@dataclass(frozen=True)
class Quote:
    """A tax quote of a member's; `lines` are micro-dollars by SKU, `shipping` is the part of the tax that is for
    shipping.
    """

    id: UUID
    member_id: UUID
    basis: bytes
    tax: Usdt
    shipping: Usdt
    lines: Mapping[str, int]
    breakdown: Sequence[Mapping[str, str | int]]
    expires_at: datetime

    @property
    def taxes(self) -> dict[str, Usdt]:
        """The tax of each product."""
        return {sku: Usdt(micro) for sku, micro in self.lines.items()}


def limit(member_id: UUID) -> Limit:
    """Limit how often a member has the service asked."""
    return Limit([Quota(f"tax:{member_id}", ESTIMATES_PER_HOUR)], TooManyEstimates)


def find(tx: Tx, member_id: UUID, basis: bytes, now: datetime) -> Quote | None:
    """The newest unexpired quote of the member's for a basis."""
    return find_many(tx, [(member_id, basis)], now).get((member_id, basis))


def find_many(tx: Tx, wanted: Collection[tuple[UUID, bytes]], now: datetime) -> dict[tuple[UUID, bytes], Quote]:
    """The newest unexpired quotes by member and basis, of those that have one."""
    if not wanted:
        return {}
    rows = tx.all(
        Quote,
        """
        SELECT DISTINCT ON (member_id, basis) id, member_id, basis, tax, shipping, lines, breakdown, expires_at
        FROM tax_quotes
        WHERE (member_id, basis) IN (SELECT * FROM unnest(CAST(:members AS uuid[]), CAST(:bases AS bytea[])))
          AND expires_at > :now
        ORDER BY member_id, basis, expires_at DESC, id
        """,
        members=[member_id for member_id, _ in wanted],
        bases=[basis for _, basis in wanted],
        now=now,
    )
    return {(row.member_id, row.basis): row for row in rows}


def found(tx: Tx, member_id: UUID, basis: bytes, inquiry: Inquiry, now: datetime) -> Quote:
    """The quote that was asked before the transaction. Raises why the service gave none, else QuoteStale."""
    quote = find(tx, member_id, basis, now)
    if quote is None:
        raise inquiry.refusal or QuoteStale()
    return quote


def ask(member_id: UUID, question: Question, address_field: str, now: datetime) -> Inquiry:
    """Have the service answer, and keep its quote. An address that it does not know is refused under `address_field`,
    the JSON pointer of the field in which the caller's request names an address. Raises TaxUnavailable.
    """
    quote_id = uuid4()
    try:
        answer = _asked(quote_id, question)
    except VendorRefused as refused:
        if refused.reason != ADDRESS_REFUSED:
            log.error("the tax service refuses our question", reason=refused.reason)
            raise _unavailable(RETRY_SECONDS) from None
        message = "the tax service does not know this address"
        return Inquiry(refusal=NotValid(errors=[{"field": address_field, "message": message}]))
    if not answer.registered:
        log.warning("the state is served without a registration for its tax", state=question.address.state)
    db.atomically(lambda tx: keep(tx, quote_id, member_id, question, found=answer, now=now))
    return Inquiry()


def _asked(quote_id: UUID, question: Question) -> TaxQuote:
    """The service's answer. Raises TaxUnavailable, VendorRefused."""
    lines = [TaxLine(line.sku, line.quantity, line.amount) for line in question.wanted]
    to = question.address
    try:
        return tax.estimate(quote_id, lines, question.shipping, Address(to.line1, to.line2, to.city, to.state, to.zip))
    except VendorSilent as silence:
        log.warning("the tax service does not answer", reason=str(silence))
        raise _unavailable(silence.retry_after_seconds) from None
    except VendorMisconfigured as wrong:
        log.error("the tax service does not take our key", reason=str(wrong))
        raise _unavailable(RETRY_SECONDS) from None


def keep(tx: Tx, quote_id: UUID, member_id: UUID, question: Question, *, found: TaxQuote, now: datetime) -> None:
    """Keep the answer of the tax service."""
    tx.run(
        """
        INSERT INTO tax_quotes (id, member_id, basis, tax, shipping, lines, breakdown, quoted_at, expires_at)
        VALUES (:id, :member_id, :basis, :tax, :shipping, CAST(:lines AS jsonb), CAST(:breakdown AS jsonb), :now,
                :expires_at)
        """,
        id=quote_id,
        member_id=member_id,
        basis=question.basis,
        tax=found.tax,
        shipping=found.shipping_tax,
        lines=encoding.dump({sku: tax.micro for sku, tax in found.lines.items()}).decode(),
        breakdown=encoding.dump(
            [{"name": part.name, "rate": f"{part.rate:f}", "amount": part.amount.micro} for part in found.breakdown]
        ).decode(),
        now=now,
        expires_at=now + QUOTE_LIFE,
    )


def _unavailable(seconds: int) -> TaxUnavailable:
    return TaxUnavailable(headers={"Retry-After": str(seconds)})
