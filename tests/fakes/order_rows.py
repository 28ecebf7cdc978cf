"""Orders as rows, without the long way through the API: stock that was counted, a cart, an order that a member placed.

They are what a checkout writes, and pass every rule of the schema; `placed` leaves an order as pending as a checkout
does, without the task that takes it further.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from shared import clock, db
from shared.auth import Role
from shared.credentials import fingerprints
from shared.db import Tx
from shared.ledger import journals
from shared.orders import addresses, card_tokens, fulfilments, usdt_requests
from shared.orders.addresses import DeliveryAddress
from shared.values.money import Usdt
from tests import factories
from tests.factories import Somebody
from tests.fakes.shop_client import COFFEE, MINT

HOME = DeliveryAddress("Test Member", "12 Main Street", "Apartment 4", "New York", "NY", "10001")
UNPAID_LIFE = timedelta(minutes=30)
PRICE = Usdt.of("4.99")
SHIPPING = Usdt.of("2.99")
SHIPPING_TAX = Usdt.of("0.19")
TAX_PER_TIN = Usdt.of("0.31")
COST_PER_TIN = Usdt.of("2.00")


@dataclass(frozen=True)
class Charged:
    """The sums that an order has cost."""

    subtotal: Usdt
    shipping_cost: Usdt
    tax_amount: Usdt
    total_amount: Usdt


def counted(quantity: int, *skus: str, at: datetime | None = None) -> None:
    """Count the stock of products (of MINT and COFFEE unless others are named)."""
    admin = factories.member(role=Role.OPERATIONS)
    moment = at or clock.now()

    def count(tx: Tx) -> None:
        for sku in skus or (MINT, COFFEE):
            tx.run(
                """
                INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, counted_by, reason)
                VALUES (:sku, 'count', :quantity, :now, :now, :admin, 'A count')
                """,
                sku=sku,
                quantity=quantity,
                now=moment,
                admin=admin.id,
            )

    db.atomically(count)


def cart(who: Somebody, tins: Mapping[str, int] | None = None) -> UUID:
    """Put tins into a new open cart of the member's, at the prices of now; returns its id."""
    made = uuid4()
    db.atomically(lambda tx: _fill(tx, made, who.id, tins or {MINT: 3}))
    return made


def placed(
    who: Somebody,
    tins: Mapping[str, int] | None = None,
    *,
    card: str = "ok",
    usdt: str = "",
    address: DeliveryAddress = HOME,
    at: datetime | None = None,
    cost: Usdt = COST_PER_TIN,
) -> UUID:
    """Place an order of the member's, at PRICE a tin, with SHIPPING and taxes; returns its id. There must be stock. It
    is paid by card, or in USDT with the wallet `usdt` for what goes back.
    """
    order_id, moment, wanted = uuid4(), at or datetime.now(UTC), dict(tins or {MINT: 3})

    def place(tx: Tx) -> None:
        _place(tx, order_id, who.id, wanted, address=address, cost=cost, now=moment)
        if usdt:
            usdt_requests.insert(tx, {order_id: usdt}, moment)
        else:
            _pay(tx, order_id, card, moment)

    db.atomically(place)
    return order_id


def payment(order_id: UUID, card: str = "ok", at: datetime | None = None) -> UUID:
    """One more payment of an order, as after a decline; returns its id."""
    moment = at or datetime.now(UTC)
    return db.atomically(lambda tx: _pay(tx, order_id, card, moment))


def ended(order_id: UUID, reason: str = "expired") -> None:
    """End an order for which nothing was charged: its payment failed unsent, its tins are released."""
    db.atomically(lambda tx: _end(tx, order_id, reason, clock.now()))


def declined(order_id: UUID, at: datetime | None = None) -> None:
    """Have the card of the order's pending payment declined."""
    moment = at or clock.now()
    db.atomically(lambda tx: _fail(tx, order_id, "reply", moment))


def taken_further(who: Somebody, order_id: UUID) -> None:
    """Take a pending order to where its card is asked, with an age check that was accepted."""
    db.atomically(lambda tx: _accept(tx, who.id, order_id, clock.now()))


def paid(who: Somebody, order_id: UUID) -> UUID:
    """Take a pending order to where it is paid and its sale is booked; returns the id of its payment."""
    taken_further(who, order_id)
    return db.atomically(lambda tx: _capture(tx, order_id, clock.now()))


def captured(order_id: UUID) -> UUID:
    """Have an order that was taken further paid, and book its sale, without confirming it; returns its payment's id."""
    return db.atomically(lambda tx: _capture(tx, order_id, clock.now(), is_confirmed=False))


def refunded(order_id: UUID, payment_id: UUID, *, is_done: bool) -> None:
    """Record that the whole of a paid order is paid back; with `is_done` the provider has done it."""
    db.atomically(lambda tx: _refund(tx, order_id, payment_id, is_done=is_done, now=clock.now()))


def _fill(tx: Tx, cart_id: UUID, member_id: UUID, tins: Mapping[str, int]) -> None:
    now = clock.now()
    tx.run(
        "INSERT INTO carts (id, member_id, created_at, changed_at) VALUES (:id, :member_id, :now, :now)",
        id=cart_id,
        member_id=member_id,
        now=now,
    )
    for sku, quantity in tins.items():
        tx.run(
            """
            INSERT INTO cart_items (id, cart_id, sku, quantity, price_cents, added_at)
            SELECT gen_random_uuid(), :cart_id, sku, :quantity, price_cents, :now FROM products WHERE sku = :sku
            """,
            cart_id=cart_id,
            sku=sku,
            quantity=quantity,
            now=now,
        )


def _place(
    tx: Tx,
    order_id: UUID,
    member_id: UUID,
    tins: Mapping[str, int],
    *,
    address: DeliveryAddress,
    cost: Usdt,
    now: datetime,
) -> None:
    cart_id, count = uuid4(), sum(tins.values())
    _fill(tx, cart_id, member_id, tins)
    tx.run("UPDATE carts SET status = 'ordered', ordered_at = :now WHERE id = :id", id=cart_id, now=now)
    tax = TAX_PER_TIN * count + SHIPPING_TAX
    tx.run(
        """
        INSERT INTO orders (id, member_id, cart_id, state_at, placed_at, expires_at, tins, subtotal, shipping_cost,
                            shipping_tax, tax_amount, total_amount, cost_per_tin, tax_quote_id, tax_breakdown, address,
                            ship_state, ship_zip, doorstep)
        VALUES (:id, :member_id, :cart_id, :now, :now, :expires_at, :tins, :subtotal, :shipping, :shipping_tax, :tax,
                :total, :cost, :quote_id, CAST(:breakdown AS jsonb), :address, :state, :zip, :doorstep)
        """,
        id=order_id,
        member_id=member_id,
        cart_id=cart_id,
        now=now,
        expires_at=now + UNPAID_LIFE,
        tins=count,
        subtotal=PRICE * count,
        shipping=SHIPPING,
        shipping_tax=SHIPPING_TAX,
        tax=tax,
        total=PRICE * count + SHIPPING + tax,
        cost=cost,
        quote_id=uuid4(),
        breakdown=json.dumps([{"name": "New York", "rate": "0.08875", "amount": tax.micro}]),
        address=addresses.seal(tx, order_id, address),
        state=address.state,
        zip=address.zip,
        doorstep=fingerprints.of_doorstep(address.doorstep),
    )
    for sku, quantity in tins.items():
        tx.run(
            """
            INSERT INTO order_items (order_id, sku, product_name, quantity, unit_price, line_total, tax)
            SELECT :order_id, sku, name, :quantity, :price, :line, :tax FROM products WHERE sku = :sku
            """,
            order_id=order_id,
            sku=sku,
            quantity=quantity,
            price=PRICE,
            line=PRICE * quantity,
            tax=TAX_PER_TIN * quantity,
        )
    tx.run(
        """
        INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, order_id)
        SELECT sku, 'promise', quantity, :now, :now, order_id FROM order_items WHERE order_id = :order_id
        """,
        order_id=order_id,
        now=now,
    )


def _pay(tx: Tx, order_id: UUID, card: str, now: datetime) -> UUID:
    payment_id = uuid4()
    tx.run(
        """
        INSERT INTO payments (id, order_id, provider, amount, token, created_at)
        SELECT :id, id, 'card', total_amount, :token, :now FROM orders WHERE id = :order_id
        """,
        id=payment_id,
        order_id=order_id,
        token=card_tokens.seal(tx, payment_id, card),
        now=now,
    )
    return payment_id


def _fail(tx: Tx, order_id: UUID, evidence: str, now: datetime) -> None:
    """Fail the pending payment; what was never sent has no moment at which it was."""
    operation_id = uuid4()
    tx.run(
        """
        INSERT INTO payment_operations (id, payment_id, kind, amount, recorded_at, look_at)
        SELECT :id, id, 'authorize', amount, :now, :now FROM payments WHERE order_id = :order_id AND state = 'pending'
        """,
        id=operation_id,
        order_id=order_id,
        now=now,
    )
    if evidence != "never_sent":
        tx.run("UPDATE payment_operations SET status = 'sent', sent_at = :now WHERE id = :id", id=operation_id, now=now)
    tx.run(
        """
        UPDATE payment_operations SET status = 'failed', look_at = NULL, answered_at = :now, evidence = :evidence
        WHERE id = :id
        """,
        id=operation_id,
        now=now,
        evidence=evidence,
    )


def _end(tx: Tx, order_id: UUID, reason: str, now: datetime) -> None:
    _fail(tx, order_id, "never_sent", now)
    tx.run(
        """
        INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, order_id)
        SELECT sku, 'release', quantity, :now, :now, order_id FROM order_items WHERE order_id = :order_id
        """,
        order_id=order_id,
        now=now,
    )
    tx.run(
        """
        UPDATE orders SET state = 'cancelled', state_at = :now, cancel_wanted_at = :now, cancel_reason = :reason
        WHERE id = :id
        """,
        id=order_id,
        now=now,
        reason=reason,
    )


def _accept(tx: Tx, member_id: UUID, order_id: UUID, now: datetime) -> None:
    check_id = uuid4()
    tx.run(
        """
        INSERT INTO age_checks (id, member_id, status, reference, recorded_at, decided_at, valid_until)
        VALUES (:id, :member_id, 'accepted', :reference, :now, :now, :until)
        """,
        id=check_id,
        member_id=member_id,
        reference=str(check_id),
        now=now,
        until=now + timedelta(hours=24),
    )
    tx.run(
        "UPDATE orders SET state = 'payment_processing', state_at = :now, age_check_id = :check WHERE id = :id",
        id=order_id,
        check=check_id,
        now=now,
    )


def _succeed(tx: Tx, payment_id: UUID, kind: str, now: datetime) -> None:
    operation_id = uuid4()
    tx.run(
        """
        INSERT INTO payment_operations (id, payment_id, kind, amount, recorded_at, look_at)
        SELECT :id, id, :kind, amount, :now, :now FROM payments WHERE id = :payment_id
        """,
        id=operation_id,
        payment_id=payment_id,
        kind=kind,
        now=now,
    )
    tx.run("UPDATE payment_operations SET status = 'sent', sent_at = :now WHERE id = :id", id=operation_id, now=now)
    _done(tx, operation_id, now)


def _done(tx: Tx, operation_id: UUID, now: datetime) -> None:
    tx.run(
        """
        UPDATE payment_operations SET status = 'succeeded', look_at = NULL, answered_at = :now, evidence = 'reply',
               reference = :reference
        WHERE id = :id
        """,
        id=operation_id,
        reference=f"ref-{operation_id}",
        now=now,
    )


def _capture(tx: Tx, order_id: UUID, now: datetime, *, is_confirmed: bool = True) -> UUID:
    payment_id = tx.scalar(
        UUID, "SELECT id FROM payments WHERE order_id = :order_id AND state = 'pending'", order_id=order_id
    )
    for kind in ("authorize", "capture"):
        _succeed(tx, payment_id, kind, now)
    _book(tx, f"sale:{order_id}", order_id, 1, "takings:card", now)
    if not is_confirmed:
        return payment_id
    fulfilments.record(tx, order_id, now)
    tx.run(
        "UPDATE orders SET state = 'confirmed', state_at = :now, confirmed_at = :now WHERE id = :id",
        id=order_id,
        now=now,
    )
    return payment_id


def _refund(tx: Tx, order_id: UUID, payment_id: UUID, *, is_done: bool, now: datetime) -> None:
    refund_id = uuid4()
    tx.run(
        """
        INSERT INTO payment_operations (id, payment_id, kind, amount, recorded_at, look_at)
        SELECT :id, id, 'refund', amount, :now, :now FROM payments WHERE id = :payment_id
        """,
        id=refund_id,
        payment_id=payment_id,
        now=now,
    )
    tx.run(
        """
        INSERT INTO refunds (id, order_id, tins, goods, shipping, shipping_tax, tax, amount, reason, recorded_at)
        SELECT :refund_id, id, tins, subtotal, shipping_cost, shipping_tax, tax_amount, total_amount, 'cancelled', :now
        FROM orders WHERE id = :id
        """,
        refund_id=refund_id,
        id=order_id,
        now=now,
    )
    tx.run(
        """
        INSERT INTO refund_lines (refund_id, sku, tins, goods, tax)
        SELECT :refund_id, sku, quantity, line_total, tax FROM order_items WHERE order_id = :id
        """,
        refund_id=refund_id,
        id=order_id,
    )
    _book(tx, f"refund:{refund_id}", order_id, -1, "owed:refunds", now)
    if is_done:
        tx.run("UPDATE payment_operations SET status = 'sent', sent_at = :now WHERE id = :id", id=refund_id, now=now)
        _done(tx, refund_id, now)


def _book(tx: Tx, ref: str, order_id: UUID, sign: int, against: str, now: datetime) -> None:
    sums = tx.one(
        Charged, "SELECT subtotal, shipping_cost, tax_amount, total_amount FROM orders WHERE id = :id", id=order_id
    )
    lines = {
        against: sums.total_amount * sign,
        "turnover:shop": sums.subtotal * -sign,
        "shipping:shop": sums.shipping_cost * -sign,
        "sales_tax:shop": sums.tax_amount * -sign,
    }
    journals.post(tx, ref, lines, now)
