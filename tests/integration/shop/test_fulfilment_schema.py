"""The schema keeps the rules of fulfilments and parcels, whoever writes."""

import pytest
from pg8000.dbapi import Connection, DatabaseError

from tests import factories
from tests.fakes import order_rows
from tests.fakes.shop_client import MINT

PARCEL = """
    INSERT INTO parcels (id, fulfilment_id, carrier, tracking_number, shipped_at, recorded_at, news_at)
    SELECT '00000000-0000-4000-8000-000000000001', id, 'USPS', '94001', now(), now(), now() FROM fulfilments;
    INSERT INTO parcel_lines SELECT id, 'MINTICE-6', 3 FROM parcels;
"""
LEFT = """
    INSERT INTO stock_moves (sku, kind, quantity, order_id, parcel_id, moved_at, recorded_at)
    SELECT 'MINTICE-6', 'ship', 3, order_id, parcels.id, shipped_at, now()
    FROM parcels JOIN fulfilments ON fulfilments.id = fulfilment_id;
"""
SENT = "UPDATE fulfilments SET status = 'sent', sent_at = now();"
SHIPPED = SENT + "UPDATE fulfilments SET status = 'shipped', answered_at = now(), evidence = 'reply';" + PARCEL + LEFT
REFUSED_BY_WAREHOUSE = SENT + (
    "UPDATE fulfilments SET status = 'refused', answered_at = now(), evidence = 'reply', look_at = NULL;"
)
BY_HAND = (
    REFUSED_BY_WAREHOUSE
    + """
    INSERT INTO fulfilments (id, order_id, by_hand, status, evidence, recorded_at, sent_at, answered_at, look_at)
    SELECT '00000000-0000-4000-8000-000000000002', id, true, 'packed', 'person', now(), now(), now(), now() FROM orders;
    INSERT INTO fulfilment_lines SELECT '00000000-0000-4000-8000-000000000002', 'MINTICE-6', 3;
"""
)
SENT_BY_HAND = """
    INSERT INTO parcels (id, fulfilment_id, carrier, tracking_number, shipped_at, recorded_at, news_at, sent_by, reason)
    SELECT '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002', 'UPS', '1Z1234', now(),
           now(), now(), id, 'They have none' FROM members WHERE role = 'operations' LIMIT 1;
    INSERT INTO parcel_lines SELECT id, 'MINTICE-6', 3 FROM parcels;
"""
MOVED = "UPDATE orders SET state = '{}', state_at = now();"
REFUSED = {
    "another fulfilment beside one that may be sent": (
        (
            "INSERT INTO fulfilments (id, order_id, recorded_at, look_at) "
            "SELECT gen_random_uuid(), id, now(), now() FROM orders"
        ),
        "fulfilments_live",
    ),
    "a fulfilment that was sent at its birth": (
        (
            "UPDATE fulfilments SET status = 'cancelled', evidence = 'never_sent', answered_at = now(), look_at = NULL;"
            "INSERT INTO fulfilments (id, order_id, status, sent_at, recorded_at, look_at) "
            "SELECT gen_random_uuid(), id, 'sent', now(), now(), now() FROM orders"
        ),
        "fulfilment_born",
    ),
    "a fulfilment of an order that is to be cancelled": (
        (
            "UPDATE fulfilments SET status = 'cancelled', evidence = 'never_sent', answered_at = now(), look_at = NULL;"
            "UPDATE orders SET cancel_wanted_at = now(), cancel_reason = 'member';"
            "INSERT INTO fulfilments (id, order_id, recorded_at, look_at) "
            "SELECT gen_random_uuid(), id, now(), now() FROM orders"
        ),
        "fulfilment_paid",
    ),
    "a fulfilment of less than the order waits for": (
        (
            "UPDATE fulfilments SET status = 'cancelled', evidence = 'never_sent', answered_at = now(), look_at = NULL;"
            "INSERT INTO fulfilments (id, order_id, recorded_at, look_at) "
            "SELECT gen_random_uuid(), id, now(), now() FROM orders"
        ),
        "fulfilment_whole",
    ),
    "another moment of sending": (SENT + "UPDATE fulfilments SET sent_at = now() + interval '1 s'", "fulfilment_terms"),
    "a wish to cancel that is taken back": (
        "UPDATE fulfilments SET cancel_wanted_at = now(); UPDATE fulfilments SET cancel_wanted_at = NULL",
        "fulfilment_terms",
    ),
    "a fulfilment that ended without the warehouse": (
        "UPDATE fulfilments SET status = 'shipped', sent_at = now(), answered_at = now(), evidence = 'reply'",
        "fulfilment_transition",
    ),
    "a fulfilment that comes back": (
        SENT + "UPDATE fulfilments SET status = 'refused', answered_at = now(), evidence = 'reply';"
        "UPDATE fulfilments SET status = 'accepted'",
        "fulfilment_transition",
    ),
    "a parcel that another fulfilment has": (PARCEL + PARCEL.replace("000001", "000002"), "parcels_carrier"),
    "a parcel of tins that have not left": (SENT + PARCEL, "parcel_left"),
    "tins that leave twice": (SHIPPED + LEFT, "stock_moves_shipped"),
    "another number of a parcel": (SHIPPED + "UPDATE parcels SET tracking_number = '94002'", "parcel_fixed"),
    "a parcel that goes back": (
        SHIPPED + "UPDATE parcels SET status = 'delivered'; UPDATE parcels SET status = 'in_transit'",
        "parcel_forward",
    ),
    "an order that is shipped before its tins": (MOVED.format("shipped"), "order_shipped"),
    "an order that is delivered before its parcels": (SHIPPED + MOVED.format("delivered"), "order_delivered"),
    "an order that takes a step back": (
        SHIPPED + MOVED.format("shipped") + MOVED.format("fulfilled"),
        "order_transition",
    ),
    "a shipped order that is cancelled": (
        SHIPPED + MOVED.format("shipped") + MOVED.format("cancelled"),
        "order_transition",
    ),
    "a wish that is refused before anything has left": (
        "UPDATE orders SET cancel_wanted_at = now(), cancel_reason = 'member', cancel_refused_at = now()",
        "order_cancel_refused",
    ),
    "a fulfilment by hand while the warehouse may send it": (
        BY_HAND.removeprefix(REFUSED_BY_WAREHOUSE),
        "fulfilments_live",
    ),
    "a fulfilment by hand of which nothing has left": (BY_HAND, "fulfilment_whole"),
    "a fulfilment that people take from the warehouse": (
        (
            "UPDATE fulfilments SET by_hand = true, status = 'cancelled', sent_at = now(), answered_at = now(), "
            "evidence = 'person'"
        ),
        "fulfilment_terms",
    ),
    "a fulfilment of the warehouse that a person has ended": (
        SENT + "UPDATE fulfilments SET status = 'shipped', answered_at = now(), evidence = 'person'",
        "fulfilments_by_hand",
    ),
    "a fulfilment by hand that the warehouse refuses": (
        BY_HAND + "UPDATE fulfilments SET status = 'refused', look_at = NULL WHERE by_hand",
        "fulfilments_by_hand",
    ),
    "a parcel of the warehouse in a fulfilment by hand": (
        BY_HAND + PARCEL.replace("FROM fulfilments;", "FROM fulfilments WHERE by_hand;"),
        "parcel_by_hand",
    ),
    "a parcel by hand in a fulfilment of the warehouse": (
        SENT + SENT_BY_HAND.replace("'00000000-0000-4000-8000-000000000002'", "(SELECT id FROM fulfilments)"),
        "parcel_by_hand",
    ),
    "a parcel by hand of an order that is to be cancelled": (
        BY_HAND + "UPDATE orders SET cancel_wanted_at = now(), cancel_reason = 'member';" + SENT_BY_HAND,
        "parcel_awaited",
    ),
    "a parcel by hand of an order that has left": (
        BY_HAND + "UPDATE fulfilments SET status = 'shipped', look_at = NULL WHERE by_hand;" + SENT_BY_HAND,
        "parcel_awaited",
    ),
    "a parcel that its buyer has sent": (
        BY_HAND + SENT_BY_HAND.replace("role = 'operations'", "id = (SELECT member_id FROM orders)"),
        "own_interest",
    ),
    "another sender of a parcel": (BY_HAND + SENT_BY_HAND + "UPDATE parcels SET reason = 'No'", "parcel_fixed"),
}


@pytest.fixture
def paid(sql: Connection) -> Connection:
    """A paid order of three tins, whose fulfilment nobody has sent."""
    order_rows.counted(10, MINT)
    buyer = factories.member()
    order_rows.paid(buyer, order_rows.placed(buyer, {MINT: 3}))
    return sql


def refusal(sql: Connection, statements: str) -> str:
    """The rule that refuses the statements in one transaction, or nothing."""
    try:
        sql.execute_simple(f"BEGIN; {statements}; COMMIT")
    except DatabaseError as refused:
        sql.execute_simple("ROLLBACK")
        return str(refused.args[0].get("n", refused))
    return ""


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused(paid: Connection, what: str) -> None:
    statements, rule = REFUSED[what]
    assert refusal(paid, statements).startswith(rule)


def test_a_parcel_on_its_way_is_taken(paid: Connection) -> None:
    """The statements that REFUSED begins with are allowed by themselves."""
    assert refusal(paid, SHIPPED + MOVED.format("shipped")) == ""
    assert paid.execute_simple("SELECT on_hand, promised FROM stock WHERE sku = 'MINTICE-6'").rows == [[7, 0]]
    assert refusal(paid, "UPDATE parcels SET status = 'returned';" + MOVED.format("delivered")) == ""


def test_whoever_ships_by_hand_needs_no_word_of_the_warehouse(paid: Connection) -> None:
    """The statements that REFUSED begins with are allowed by themselves."""
    ended = "UPDATE fulfilments SET status = 'shipped', look_at = NULL WHERE by_hand;"
    assert refusal(paid, BY_HAND + SENT_BY_HAND + LEFT + ended + MOVED.format("shipped")) == ""


def test_no_order_is_confirmed_without_a_fulfilment(sql: Connection) -> None:
    order_rows.counted(10, MINT)
    buyer = factories.member()
    order_id = order_rows.placed(buyer, {MINT: 3})
    order_rows.taken_further(buyer, order_id)
    order_rows.captured(order_id)
    confirm = "UPDATE orders SET state = 'confirmed', state_at = now(), confirmed_at = now()"
    assert refusal(sql, confirm) == "order_fulfilment"
