"""Analytics needs of each day, week and month: each fact on its own day, each person once in each period."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from functions.figure_rollup import days_store, main
from shared import db
from shared.ledger import journals
from shared.values.money import Usdt
from tests import factories
from tests.fakes.plain_rows import put, unchecked
from tests.fakes.sale_rows import refunded, sold

LAST_OF_YEAR = datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _joined_long_ago(sql: Connection) -> None:
    factories.member()
    sql.execute_simple("UPDATE members SET created_at = '2025-12-01Z'")


def counted(sql: Connection, metric: str) -> dict[tuple[str, str], str]:
    rows = sql.execute_unnamed("SELECT day, key, value FROM metric_days WHERE metric = $1", (metric,)).rows
    return {(str(day), key): f"{value.normalize():f}" for day, key, value in rows}


def scanned(sql: Connection, member_id: UUID, at: datetime) -> None:
    with unchecked(sql):
        ((number,),) = sql.execute_simple("SELECT coalesce(max(number), 0) + 1 FROM scans").rows
        put(
            sql, "scans", id=uuid4(), number=number, member_id=member_id, code_mac=b"", product_sku="X", scanned_at=at,
            method="qr", tier="standard", quarter="2026-Q1", quarter_scans=1,
        )  # fmt: skip


def test_a_sale_and_its_refund_count_each_on_its_own_day(sql: Connection) -> None:
    order = sold(sql, LAST_OF_YEAR, tins=3)
    refunded(sql, order, NEW_YEAR)
    sold(sql, NEW_YEAR, kind="wholesale", account_id=uuid4(), cart_id=None, doorstep=None, shipping_cost=0,
         total_amount=5_390_000)  # fmt: skip

    main.count_recent(NEW_YEAR + timedelta(hours=1))

    assert counted(sql, "orders") == {("2025-12-31", "retail"): "1", ("2026-01-01", "wholesale"): "1"}
    assert counted(sql, "units") == {("2025-12-31", "retail"): "3", ("2026-01-01", "wholesale"): "1"}
    assert counted(sql, "revenue") == {("2025-12-31", "retail"): "19.97", ("2026-01-01", "wholesale"): "4.99"}
    assert counted(sql, "refunds_amount") == {("2026-01-01", "faulty"): "4.99"}
    assert counted(sql, "units_refunded") == {("2026-01-01", "faulty"): "1"}


def test_what_comes_into_a_treasury_and_leaves_it_is_counted_and_what_is_set_aside_is_not(sql: Connection) -> None:
    moves = [
        ("external:member", "treasury:member", 100_000_000),
        ("treasury:member", "in_flight:member", 30_000_000),
        ("in_flight:member", "paid:member", 20_000_000),
        ("in_flight:member", "treasury:member", 10_000_000),
        ("external:shop", "treasury:shop", 7),
    ]
    for source, target, amount in moves:
        db.atomically(journals.move, str(uuid4()), source, target, Usdt(amount), NEW_YEAR)

    main.count_recent(NEW_YEAR + timedelta(hours=1))

    assert counted(sql, "treasury_inflow") == {("2026-01-01", "member"): "100", ("2026-01-01", "shop"): "0.000007"}
    assert counted(sql, "treasury_outflow") == {("2026-01-01", "member"): "20"}


def test_what_affiliates_earn_counts_when_it_is_earned_and_what_is_refused_when_it_is(sql: Connection) -> None:
    with unchecked(sql):
        for status, more in (("pending", {}), ("cancelled", {"cancelled_at": NEW_YEAR})):
            put(
                sql, "affiliate_earnings", id=uuid4(), affiliate_id=uuid4(), referred_id=uuid4(), kind="prize_match",
                comp_id=uuid4(), value=100_000_000, amount=21_000_000, status=status, earned_at=LAST_OF_YEAR, **more,
            )  # fmt: skip

    main.count_recent(NEW_YEAR + timedelta(hours=1))

    assert counted(sql, "affiliate_earnings_amount") == {("2025-12-31", "prize_match"): "42"}
    assert counted(sql, "affiliate_earnings_cancelled_amount") == {("2026-01-01", "prize_match"): "21"}


def test_somebody_who_is_active_twice_is_one_in_each_period(sql: Connection) -> None:
    one, other = uuid4(), uuid4()
    scanned(sql, one, LAST_OF_YEAR)
    scanned(sql, one, NEW_YEAR)
    sold(sql, NEW_YEAR, member_id=other)
    sold(sql, NEW_YEAR, member_id=one)

    main.count_recent(NEW_YEAR + timedelta(hours=1))
    main.count_periods(NEW_YEAR + timedelta(hours=1))

    days = counted(sql, "active_members")
    assert (days["2025-12-31", ""], days["2026-01-01", ""]) == ("1", "2")
    assert counted(sql, "active_members_week")["2025-12-28", ""] == "2"  # Sunday to Saturday
    months = counted(sql, "active_members_month")
    assert (months["2025-12-01", ""], months["2026-01-01", ""]) == ("1", "2")


def said(sql: Connection, at: datetime, channel: str, count: int = 1) -> None:
    with unchecked(sql):
        sql.execute_unnamed(
            """
            INSERT INTO social_messages (posted_at, id, channel_id, number, member_id, tier, text)
            SELECT CAST($1 AS timestamptz), gen_random_uuid(), md5($2)::uuid, n, gen_random_uuid(), 'vip', 'x'
            FROM generate_series(1, CAST($3 AS integer)) AS n
            """,
            (at, channel, count),
        )


def test_messages_count_on_their_day_and_a_channel_once_in_each_period(sql: Connection) -> None:
    with unchecked(sql):
        for slug in ("lounge-of-test", "news-of-test"):
            sql.execute_unnamed(
                "INSERT INTO social_channels (id, slug, name, description, category, icon, kind, access_standard, "
                "access_vip, access_high_roller, access_whale, display_order) "
                "VALUES (md5($1)::uuid, $1, 'x', '', 'x', 'x', 'chat', 'full', 'full', 'full', 'full', 99)",
                (slug,),
            )
    said(sql, LAST_OF_YEAR, "lounge-of-test", 3)
    said(sql, NEW_YEAR, "lounge-of-test", 2)
    said(sql, NEW_YEAR + timedelta(seconds=1), "news-of-test")
    with unchecked(sql):
        sql.execute_simple("UPDATE social_messages SET removed_at = now(), removed_by = 'author', text = ''")

    main.count_recent(NEW_YEAR + timedelta(hours=1))

    messages = {("2025-12-31", "lounge-of-test"): "3", ("2026-01-01", "lounge-of-test"): "2",
                ("2026-01-01", "news-of-test"): "1"}  # fmt: skip
    assert counted(sql, "messages") == messages
    assert counted(sql, "active_channels") == {("2025-12-31", ""): "1", ("2026-01-01", ""): "2"}
    assert counted(sql, "active_channels_week") == {("2025-12-28", ""): "2"}
    assert counted(sql, "active_channels_month") == {("2025-12-01", ""): "1", ("2026-01-01", ""): "2"}

    with unchecked(sql):
        sql.execute_simple("DELETE FROM social_messages")
    db.atomically(days_store.count_anew, LAST_OF_YEAR.date(), NEW_YEAR + timedelta(days=90))
    assert counted(sql, "messages") == messages, "the messages are gone after 90 days, their count is not"


def test_weeks_and_months_of_a_standstill_are_counted_and_again_later_ones_only(sql: Connection) -> None:
    scanned(sql, uuid4(), NEW_YEAR - timedelta(days=20))
    main.count_periods(NEW_YEAR)
    assert counted(sql, "active_members_week")["2025-12-07", ""] == "1"
    scanned(sql, uuid4(), NEW_YEAR - timedelta(days=20))
    scanned(sql, uuid4(), NEW_YEAR)

    main.count_periods(NEW_YEAR + timedelta(hours=1))

    weeks = counted(sql, "active_members_week")
    assert (weeks["2025-12-07", ""], weeks["2025-12-28", ""]) == ("1", "1")


def test_runs_at_once_count_each_period_once(sql: Connection) -> None:
    scanned(sql, uuid4(), NEW_YEAR)
    with ThreadPoolExecutor(3) as threads:
        list(threads.map(main.count_periods, [NEW_YEAR + timedelta(hours=1)] * 3))
    assert counted(sql, "active_members_week")["2025-12-28", ""] == "1"
    assert counted(sql, "active_members_month") == {("2026-01-01", ""): "1"}


def test_a_day_that_is_counted_twice_comes_to_the_same(sql: Connection) -> None:
    refunded(sql, sold(sql, NEW_YEAR), NEW_YEAR)
    scanned(sql, uuid4(), NEW_YEAR)
    everything = "SELECT day, metric, key, value FROM metric_days ORDER BY 1, 2, 3"

    for run in (main.count_recent, main.count_periods):
        run(NEW_YEAR + timedelta(hours=1))
    before = sql.execute_simple(everything).rows
    for again in (main.count_recent, main.count_periods, main.count_anew):
        again(NEW_YEAR + timedelta(hours=2))

    assert sql.execute_simple(everything).rows == before
