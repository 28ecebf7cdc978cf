"""Rows of the shop's lists, as plain SQL; `number` selects one of several kinds in turn."""

from datetime import datetime
from uuid import UUID, uuid4

from shared import db
from shared.auth import Role
from shared.db import Tx
from shared.orders import machine, operations, rows
from shared.orders.states import CancelReason
from tests import factories
from tests.factories import Somebody
from tests.fakes import card_lists, order_rows, wholesale_order_rows
from tests.fakes.list_rows import insert, run
from tests.fakes.shop_client import MINT


def order(owner: Somebody, at: datetime, number: int) -> str:
    order_rows.counted(10_000, MINT)
    return str(order_rows.placed(owner, {MINT: 1 + number}, at=at))


def admins_order(owner: Somebody, at: datetime, number: int) -> str:
    """An order that waits, or that came to nothing; the third one is wholesale."""
    if number == 2:
        return wholesale_order(owner, at, number)
    made = order(owner, at, number)
    if number % 2:
        order_rows.ended(UUID(made))
    return made


def refund_request(owner: Somebody, at: datetime, number: int) -> str:
    """A refund that the owner has asked for, and that waits or was rejected."""
    buyer, made = factories.member(), uuid4()
    order_id = order(buyer, at, number)
    insert(
        "refund_requests",
        id=made,
        order_id=order_id,
        kind="shipping",
        amount=2_990_000,
        reason="faulty",
        note="It was open",
        requested_by=(owner if number < 3 else factories.member(role=Role.OPERATIONS)).id,
        requested_at=at,
    )
    if number % 2:
        run(
            """
            UPDATE refund_requests SET status = 'rejected', decided_by = requested_by, decided_at = requested_at,
                   decision_note = 'It was not' WHERE id = :id
            """,
            id=made,
        )
    return str(made)


def wholesale_order(owner: Somebody, at: datetime, number: int) -> str:
    order_rows.counted(10_000, MINT)
    return str(wholesale_order_rows.placed(owner, wholesale_order_rows.account_of(owner), 100 * (1 + number), at=at))


def admins_wholesale_order(owner: Somebody, at: datetime, number: int) -> str:
    """An order of the owner's account, or of another one, that waits or came to nothing."""
    made = wholesale_order(owner if number % 3 else factories.member(), at, number)

    def end(tx: Tx) -> None:
        rows.want_cancelled(tx, UUID(made), CancelReason.PEOPLE, at)
        machine.advance(tx, UUID(made), at)

    if number % 2:
        db.atomically(end)
    return made


def wholesale_chips(owner: Somebody, at: datetime, number: int) -> str:
    made, order_id = uuid4(), UUID(wholesale_order(owner, at, number))
    account = wholesale_order_rows.account_of(owner)
    insert("wholesale_chips", id=made, account_id=account, order_id=order_id, chips=100, earned_at=at)
    return str(made)


def awaited_transfer(owner: Somebody, at: datetime, number: int) -> str:
    """A transfer that the invoice of a new order waits for."""
    order_id, made = UUID(wholesale_order(owner, at, number)), uuid4()

    def record(tx: Tx) -> None:
        payment = rows.newest_payment(tx, order_id)
        operations.record(tx, payment.id, "capture", payment.amount, at, operation_id=made, asked=False)

    db.atomically(record)
    return str(made)


def payment_finding(owner: Somebody, at: datetime, number: int) -> str:  # noqa: ARG001 - as all of them
    """A finding about a card payment; the second one is resolved."""
    return str(card_lists.payment_finding(at, is_resolved=number % 3 == 1))


def dispute(owner: Somebody, at: datetime, number: int) -> str:
    """A dispute of a paid order, in one state after the other."""
    order_rows.counted(100)
    made, order_id = uuid4(), order_rows.placed(owner, {MINT: 1})
    state = ("inquiry", "open", "won", "lost")[number % 4]
    insert(
        "disputes",
        id=made,
        payment_id=order_rows.paid(owner, order_id),
        reference=str(made),
        state=state,
        reason="fraudulent",
        amount=10_000,
        opened_at=at,
        noticed_at=at,
        looked_at=at,
        decided_at=at if state in ("won", "lost") else None,
    )
    return str(made)
