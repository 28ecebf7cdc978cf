"""Counts and shipping notices may come in any order: what lies there in the end is the same."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pg8000.dbapi import Connection, DatabaseError

from shared.auth import Role
from tests import factories
from tests.fakes import order_rows
from tests.fakes.shop_client import MINT

START = datetime(2026, 1, 2, tzinfo=UTC)
TOLD = START + timedelta(days=9)
PROMISED = 60
counts = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 90)), max_size=5, unique_by=lambda told: told[0])
parcels = st.lists(st.tuples(st.integers(0, 41), st.integers(1, 12)), max_size=5)


def count(sql: Connection, admin: str, hour: int, tins: int) -> bool:
    """Record a count in a savepoint; False if a later one is known."""
    sql.execute_simple("SAVEPOINT one")
    try:
        sql.execute_unnamed(
            """
            INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, counted_by, reason)
            VALUES ($1, 'count', $2, $3, $4, $5, 'test')
            """,
            (MINT, tins, START + timedelta(hours=hour), TOLD, admin),
        )
    except DatabaseError as refused:
        assert refused.args[0]["n"] == "stock_count_old"  # noqa: PT017 - the savepoint is left first
        sql.execute_simple("ROLLBACK TO SAVEPOINT one")
        return False
    return True


def ship(sql: Connection, order_id: UUID, hour: int, tins: int) -> None:
    """Record a parcel of the order's fulfilment, with tins that leave the stock."""
    parcel = uuid4()
    sql.execute_unnamed(
        """
        INSERT INTO parcels (id, fulfilment_id, carrier, tracking_number, shipped_at, recorded_at, news_at)
        SELECT CAST($1 AS uuid), id, 'USPS', CAST(CAST($1 AS uuid) AS text), $3, $4, $4
        FROM fulfilments WHERE order_id = $2
        """,
        (parcel, order_id, START + timedelta(hours=hour), TOLD),
    )
    sql.execute_unnamed("INSERT INTO parcel_lines VALUES ($1, $2, $3)", (parcel, MINT, tins))
    sql.execute_unnamed(
        """
        INSERT INTO stock_moves (sku, kind, quantity, order_id, parcel_id, moved_at, recorded_at)
        VALUES ($1, 'ship', $2, $3, $4, $5, $6)
        """,
        (MINT, tins, order_id, parcel, START + timedelta(hours=hour), TOLD),
    )


def test_in_any_order_the_newest_count_less_what_left_after_it_lies_there(sql: Connection) -> None:
    admin = str(factories.member(role=Role.OPERATIONS).id)
    order_rows.counted(PROMISED, MINT, at=START - timedelta(hours=1))
    buyer = factories.member()
    order_id = order_rows.placed(buyer, {MINT: PROMISED}, at=START)
    order_rows.paid(buyer, order_id)

    @given(counts, parcels, st.randoms(use_true_random=False))
    @settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
    def check(counted: list[tuple[int, int]], shipped: list[tuple[int, int]], chance: Random) -> None:
        told = [("count", *each) for each in counted] + [("ship", *each) for each in shipped]
        chance.shuffle(told)
        newest, found = max(counted, default=(-1, PROMISED))
        sql.execute_simple("BEGIN")
        try:
            known = -1
            for kind, hour, tins in told:
                if kind == "ship":
                    ship(sql, order_id, hour, tins)
                else:
                    assert count(sql, admin, hour, tins) == (hour > known)
                    known = max(known, hour)
            sql.execute_simple("SET CONSTRAINTS ALL IMMEDIATE")
            left = sum(tins for hour, tins in shipped if hour > newest)
            gone = sum(tins for _, tins in shipped)
            assert sql.execute_unnamed("SELECT on_hand, promised FROM stock WHERE sku = $1", (MINT,)).rows == [
                [max(found - left, 0), PROMISED - gone]
            ]
            assert sql.execute_unnamed("SELECT shipped FROM order_items WHERE order_id = $1", (order_id,)).rows == [
                [gone]
            ]
        finally:
            sql.execute_simple("ROLLBACK")

    check()


def test_no_more_tins_are_shipped_than_are_promised_and_not_released(sql: Connection) -> None:
    order_rows.counted(10, MINT)
    buyer = factories.member()
    order_id = order_rows.placed(buyer, {MINT: 3})
    order_rows.paid(buyer, order_id)
    refused = ""
    sql.execute_simple("BEGIN")
    sql.execute_unnamed(
        """
        INSERT INTO stock_moves (sku, kind, quantity, order_id, moved_at, recorded_at)
        VALUES ($1, 'release', 2, $2, now(), now())
        """,
        (MINT, order_id),
    )
    try:
        ship(sql, order_id, 0, 2)
    except DatabaseError as error:
        refused = str(error.args[0]["n"])
    sql.execute_simple("ROLLBACK")
    assert refused == "order_items_once"
