"""Wholesale orders as rows, without the way through the API: what the function writes, with a certificate or a tax."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from functions.admin_treasury import invoice_records
from functions.wholesale import order_store
from functions.wholesale.order_store import NewOrder
from shared import clock, db
from shared.auth import Role
from shared.db import Tx
from shared.orders import addresses, card_tokens, machine, rows, standings
from shared.orders.addresses import DeliveryAddress
from shared.orders.states import CancelReason
from shared.orders.sums import Sums, Wanted
from shared.orders.tax_quotes import Quote
from shared.values.money import ZERO, Usdt
from shared.values.states import PaymentProvider
from tests import factories
from tests.factories import Somebody
from tests.fakes import order_rows
from tests.fakes.shop_client import MINT
from tests.fakes.wholesale_rows import wholesale_account

STORE = DeliveryAddress("Lovelace Tobacco LLC", "12 Commerce Way", "", "Reno", "NV", "89501")
PRICE = Usdt.of("2.10")
COST_PER_TIN = Usdt.of("2.00")
INVOICE_LIFE = timedelta(days=7)


def account_of(who: Somebody) -> UUID:
    """The id of the member's account, which is made and approved if there is none."""
    found = db.atomically(order_store.buyer, who.id)
    return found.account_id if found else wholesale_account("approved", member=who)


def placed(
    who: Somebody, account: UUID, tins: int = 100, at: datetime | None = None, *, card: str | None = None
) -> UUID:
    """A pending order of MINT by invoice, or by card, quoted without a tax; returns its id. There must be stock."""
    return db.atomically(lambda tx: _place(tx, who.id, account, tins, card, now=at or clock.now()))


def declined(who: Somebody) -> UUID:
    """The id of an order of the member's account whose card was declined."""
    order_id = placed(who, account_of(who), card="declined")
    db.atomically(rows.go_on_to_payment, order_id, None, clock.now(), rows.PAYING_LIFE)
    order_rows.declined(order_id)
    return order_id


def awaited(who: Somebody) -> UUID:
    """The id of an order of the member's account whose invoice waits for a transfer."""
    order_id = placed(who, account_of(who))
    db.atomically(machine.advance, order_id, clock.now())
    return order_id


def cancelled(order_id: UUID) -> None:
    """Have an order cancelled for which no money was sent."""

    def cancel(tx: Tx) -> None:
        rows.want_cancelled(tx, order_id, CancelReason.MEMBER, clock.now())
        machine.advance(tx, order_id, clock.now())

    db.atomically(cancel)


def refunding(who: Somebody) -> UUID:
    """The id of a refund that waits for a transfer: its order was paid by invoice, and people have cancelled it."""
    order_id, admin, now = awaited(who), factories.member(role=Role.TREASURY), clock.now()

    def cancel(tx: Tx) -> UUID:
        operation = rows.newest_payment(tx, order_id).open_operation
        assert operation
        reference = f"FT-{order_id.hex.upper()}"
        invoice_records.book(tx, operation, reference, admin_id=admin.id, reason="Paid", now=now)
        rows.want_cancelled(tx, order_id, CancelReason.PEOPLE, now)
        machine.advance(tx, order_id, now)
        return tx.scalar(UUID, "SELECT id FROM refunds WHERE order_id = :id", id=order_id)

    return db.atomically(cancel)


def _place(tx: Tx, member_id: UUID, account: UUID, tins: int, card: str | None, *, now: datetime) -> UUID:
    order_id, payment_id, due_at = uuid4(), uuid4(), now + INVOICE_LIFE
    order = NewOrder(
        id=order_id,
        account_id=account,
        member_id=member_id,
        tins=tins,
        sums=Sums(PRICE * tins, ZERO, ZERO, ZERO),
        cost_per_tin=COST_PER_TIN,
        quote=Quote(uuid4(), member_id, bytes(32), ZERO, ZERO, {MINT: 0}, [], due_at),
        certificate_id=None,
        address=addresses.seal(tx, order_id, STORE),
        state=STORE.state,
        zip=STORE.zip,
        placed_at=now,
        expires_at=due_at,
    )
    order_store.insert_order(tx, order)
    order_store.insert_items(tx, order_id, [Wanted(MINT, tins, PRICE)], {MINT: "BlakJaks Mint Ice"}, {MINT: ZERO})
    provider: PaymentProvider = PaymentProvider.CARD if card else PaymentProvider.INVOICE
    sealed = card_tokens.seal(tx, payment_id, card) if card else None
    standings.insert_payment(tx, payment_id, order_id, provider, sealed=sealed, now=now)
    if not card:
        order_store.insert_invoice(tx, payment_id, now, due_at)
    order_store.promise(tx, order_id, now)
    return order_id
