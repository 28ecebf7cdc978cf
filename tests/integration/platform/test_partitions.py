"""Months of partitioned tables are made ahead, also after rows have come that no month took."""

from datetime import UTC, date, datetime

import pytest
from pg8000.dbapi import Connection, DatabaseError

from functions.partition_maintain import main as partition_maintain
from functions.partition_maintain import store
from shared import db, log
from shared.database.retention import FOR_EVER, MONTHS, PERIODS
from tests import factories
from tests.fakes.payout_rows import Login

pytest_plugins = ["tests.fakes.payout_plugin"]

TABLES = ("scans", "transparency_metrics", "treasury_snapshots")
LATE = datetime(2029, 1, 15, 3, 40, tzinfo=UTC)


def months(sql: Connection, table: str) -> list[str]:
    rows = sql.execute_simple(
        f"SELECT right(inhrelid::regclass::text, 7) FROM pg_inherits WHERE inhparent = '{table}'::regclass "
        "AND inhrelid::regclass::text !~ '_other$' ORDER BY 1"
    ).rows
    return [month for (month,) in rows]


def where(sql: Connection, table: str) -> set[str]:
    return {name for (name,) in sql.execute_simple(f"SELECT tableoid::regclass::text FROM {table}").rows}


def test_every_partitioned_table_has_half_a_year_ahead(sql: Connection) -> None:
    partition_maintain.make_months(LATE)

    assert {months(sql, table)[-1] for table in TABLES} == {"2029_07"}
    partition_maintain.make_months(LATE)  # again, and nothing happens


def test_a_partitioned_table_that_is_new_gets_its_months_too(sql: Connection, owner: Login) -> None:
    owner.run("CREATE TABLE visits (at timestamptz PRIMARY KEY) PARTITION BY RANGE (at)")
    owner.run("CREATE TABLE visits_other PARTITION OF visits DEFAULT")
    partition_maintain.make_months(LATE)

    assert months(sql, "visits") == [f"2029_0{month}" for month in range(1, 8)]


def test_rows_that_no_month_took_are_moved_into_theirs(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    sql.execute_simple("INSERT INTO transparency_metrics (at, metric, value) VALUES ('2029-01-14Z', 'x', 1)")
    sql.execute_simple("INSERT INTO transparency_metrics (at, metric, value) VALUES ('2031-05-31T23:59Z', 'x', 2)")
    assert where(sql, "transparency_metrics") == {"transparency_metrics_other"}

    told: list[str] = []
    monkeypatch.setattr(log, "error", lambda event, **_: told.append(event))

    partition_maintain.make_months(LATE)

    assert where(sql, "transparency_metrics") == {"transparency_metrics_2029_01", "transparency_metrics_2031_05"}
    assert told == ["rows lie in a default partition"]


def test_scans_that_comps_refer_to_are_moved_and_referred_to_as_before(sql: Connection) -> None:
    member = factories.member().id
    scan = "11111111-1111-1111-1111-111111111111"
    sql.execute_simple(
        f"""
        INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, tier, quarter,
                           quarter_scans)
        VALUES ('{scan}', 1, '{member}', '\\x01', 'X', '2029-02-03Z', 'qr', 'standard', '2029-Q1', 1);
        INSERT INTO flagged_scans (scan_id, scanned_at, scan_number, member_id, flags, flagged_at)
        VALUES ('{scan}', '2029-02-03Z', 1, '{member}', '{{x}}', now())
        """
    )
    partition_maintain.make_months(LATE)

    assert where(sql, "scans") == {"scans_2029_02"}
    unchecked = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated AND conparentid = 0"
    assert sql.execute_simple(unchecked).rows == [[0]]
    with pytest.raises(DatabaseError, match="flagged_scans"):
        sql.execute_simple("DELETE FROM scans")
    with pytest.raises(DatabaseError, match="scans"):
        sql.execute_simple("UPDATE flagged_scans SET scanned_at = '2029-02-04Z'")


def test_a_month_that_was_made_late_is_as_the_others(sql: Connection) -> None:
    for table in TABLES:
        db.atomically(store.ensure_months, table, date(2028, 12, 1), 1)
    sql.execute_simple("INSERT INTO transparency_metrics (at, metric, value) VALUES ('2029-01-14Z', 'x', 1)")
    partition_maintain.make_months(LATE)
    like = """
        SELECT (SELECT count(*) FROM pg_index WHERE indrelid = '{0}'::regclass),
               (SELECT count(*) FROM pg_constraint WHERE conrelid = '{0}'::regclass),
               (SELECT relowner::regrole::text || relacl::text FROM pg_class WHERE oid = '{0}'::regclass)
        """

    for table in TABLES:
        late, early = (sql.execute_simple(like.format(f"{table}_{month}")).rows for month in ("2029_01", "2028_12"))
        assert late == early


def test_months_are_dropped_when_their_last_row_is_as_old_as_its_period(sql: Connection) -> None:
    """Months of scans are kept: the public count rests on them."""
    for table in TABLES:
        db.atomically(store.ensure_months, table, date(2026, 1, 1), 36)

    for _ in range(2):
        with db.acting_for("partition_maintain"):
            partition_maintain.make_months(LATE)

        assert months(sql, "treasury_snapshots")[0] == "2028_10"  # 90 days before are 17 October
        assert months(sql, "transparency_metrics")[0] == "2027_01"  # 731 days before are 15 January
        assert months(sql, "scans")[0] == "2026_01"


def test_of_each_partitioned_table_it_is_decided_what_becomes_of_its_months(sql: Connection) -> None:
    """A new table fails here until its months have a period and are dropped, or stay for a reason."""
    del sql
    for table in db.atomically(store.partitioned):
        if table in store.DROPS:
            assert PERIODS[table].job == MONTHS, table
        else:
            assert table in FOR_EVER, table


def test_the_trouble_of_one_table_does_not_cost_the_others_their_months(sql: Connection) -> None:
    sql.execute_simple("CREATE TABLE odd (at timestamptz NOT NULL) PARTITION BY LIST (at)")
    with pytest.raises(ExceptionGroup) as failed:
        partition_maintain.make_months(LATE)

    assert len(failed.value.exceptions) == 1
    assert {months(sql, table)[-1] for table in TABLES} == {"2029_07"}
