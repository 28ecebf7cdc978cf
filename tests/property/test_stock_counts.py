"""Stock after any sequence of counts, beside what promises there are: against a model, and never below nothing."""

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pg8000.dbapi import Connection, DatabaseError

from shared.auth import Role
from tests import factories

START = datetime(2026, 1, 2, tzinfo=UTC)
SKUS = ("COFFEE-3", "COFFEE-6")
counts = st.lists(st.tuples(st.sampled_from(SKUS), st.integers(0, 9), st.integers(-2, 50)), max_size=12)
promises = st.tuples(st.integers(0, 40), st.integers(0, 40))


def counted(sql: Connection, admin: str, sku: str, hour: int, quantity: int) -> str:
    """Record a count in a savepoint; returns the rule that refused it, or nothing."""
    sql.execute_simple("SAVEPOINT one")
    try:
        sql.execute_unnamed(
            """
            INSERT INTO stock_moves (sku, kind, quantity, moved_at, recorded_at, counted_by, reason)
            VALUES ($1, 'count', $2, $3, $4, $5, 'test')
            """,
            (sku, quantity, START + timedelta(hours=hour), START + timedelta(days=9), admin),
        )
    except DatabaseError as refused:
        sql.execute_simple("ROLLBACK TO SAVEPOINT one")
        return str(refused.args[0]["n"])
    return ""


def test_any_sequence_of_counts_ends_with_the_newest_that_was_taken(sql: Connection) -> None:
    admin = str(factories.member(role=Role.OPERATIONS).id)

    @given(counts, promises)
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def check(sequence: list[tuple[str, int, int]], promised: tuple[int, int]) -> None:
        model = dict.fromkeys(SKUS, (-1, 0))  # the hour of the last count, and what it found
        sql.execute_simple("BEGIN")
        try:
            for sku, tins in zip(SKUS, promised, strict=True):
                sql.execute_unnamed("UPDATE stock SET promised = $1 WHERE sku = $2", (tins, sku))
            for sku, hour, quantity in sequence:
                rule = counted(sql, admin, sku, hour, quantity)
                if quantity < 0:
                    assert rule == "stock_moves_quantity_check"
                elif hour <= model[sku][0]:
                    assert rule == "stock_count_old"
                else:
                    assert rule == ""
                    model[sku] = (hour, quantity)
                for name, tins in zip(SKUS, promised, strict=True):
                    held = sql.execute_unnamed(
                        "SELECT on_hand, promised, sellable, shortage FROM stock WHERE sku = $1", (name,)
                    ).rows
                    on_hand = model[name][1]
                    assert held == [[on_hand, tins, max(on_hand - tins, 0), max(tins - on_hand, 0)]]
                    assert min(held[0]) >= 0
        finally:
            sql.execute_simple("ROLLBACK")

    check()
