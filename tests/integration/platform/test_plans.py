"""No statement reads a whole table that grows: the plan of each, as Postgres makes it for ten million rows."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pg8000.dbapi import Connection
from pg8000.native import to_statement

from emulators.bench import shop_world
from tests import statements
from tests.fakes import planner_statistics
from tests.statements import Statement

MUCH = 100_000  # rows; a scan that may meet more reads a table that grows
COST_MAX = 25_000.0  # what Postgres reckons for reading a quarter of ten million rows; small bounded reads cost less
SWEPT = tuple(
    f"functions.{job}."
    for job in ("order_advance", "payment_watch", "order_fulfil", "sale_accrue", "deposit_watch", "tax_report")
)
OLD_ORDERS = 20_000
UNDER_WAY = 400
ROWS_READ_MAX = 20  # of all tables and indexes together, per order under way
RUSH = f"""
    UPDATE orders SET state = 'payment_processing', cancel_wanted_at = NULL, cancel_reason = NULL
    WHERE id IN (SELECT CAST(md5('order' || n) AS uuid) FROM generate_series(1, {UNDER_WAY}) AS n)
    """
PAYING = """
    UPDATE payments SET state = CASE WHEN order_id::text < '8' THEN 'captured' ELSE 'authorized' END
    FROM orders WHERE orders.id = order_id AND orders.state = 'payment_processing'
    """
CAPTURED = """
    UPDATE payment_operations SET kind = 'capture', status = 'succeeded', sent_at = now(), evidence = 'reply',
                                  reference = payment_id::text
    FROM payments WHERE payments.id = payment_id AND payments.state = 'captured'
    """
PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")

# Statements that may read more, and why.
ACCEPTED: Mapping[str, str] = {
    "functions.affiliate_week.proposal_store._count_anew": "a week that people reject is taken back whole",
    "functions.admin_settings.effect_store._tiers": "an owner asks, now and then; it counts the quarter's members",
    "functions.admin_affiliates.store.preview": "people ask for it, now and then; it counts the whole week",
    "functions.affiliate_week.recount_store._shares": "make week-recount counts a week again; no schedule does",
    "functions.affiliate_sunset.store.lock_shares": "the program closes once, with the chips of everybody's life",
    "functions.affiliate_week.share_store._carry_on": "a week without a pool carries all its chips on, once",
    "functions.affiliate_week.share_store._insert_shares": "a week divides its pool among all, once",
    "functions.figure_rollup.counts_store.tier_counts": "each ten minutes, every member once",
    "functions.governance_close.store.make_electors": "a vote is opened once, with a look at every member",
    "functions.order_advance.store.unasked_payments": "each payment under way is looked up by its keys",
    "functions.order_advance.store.unconfirmed": "each order under way is looked up by its keys",
    "functions.referral_refresh.match_store.cleared": "matches in review: few, and people look at each",
    "functions.support_sync.store.count_not_forgotten": "each member who waits for Intercom is looked up by their key",
    "functions.support_sync.store.count_waiting": "members who wait for Intercom: few, as long as it answers",
    "shared.messages.segments.count": "people ask for it before a campaign; it reads every member once",
    "shared.messages.segments.count_up_to": "people start a campaign; it ends at the thousand and first recipient",
    "shared.ledger.seals.totals": "make ledger-check adds everything up; no schedule does",
}


def test_no_statement_reads_the_whole_of_a_table_that_grows(much: Connection) -> None:
    faults = {statement.where: why for statement in statements.of_product() if (why := fault(much, statement))}

    assert {where: why for where, why in faults.items() if where not in ACCEPTED} == {}
    assert set(faults) == set(ACCEPTED)  # whoever mends one takes it off the list


def test_what_is_read_without_an_index_is_noticed(much: Connection) -> None:
    by_recipient = "SELECT id FROM payouts WHERE lower(recipient_address) = lower(:recipient)"
    oldest = "SELECT id FROM payouts WHERE body_hash = :hash ORDER BY requested_at, id LIMIT :limit"
    whole = "SELECT account, sum(amount) FROM ledger_postings GROUP BY account"
    waiting = """
        SELECT id FROM payouts WHERE treasury = :treasury AND state IN ('REQUESTED', 'APPROVED', 'RESERVED')
        ORDER BY requested_at, id LIMIT :limit
        """

    assert all(fault(much, Statement("here", text)) for text in (by_recipient, oldest, whole))
    assert fault(much, Statement("here", waiting)) == ""
    much.execute_simple("DROP INDEX payouts_waiting, payouts_open, payouts_unfinished")
    assert fault(much, Statement("here", waiting))


def test_a_list_of_states_that_hides_an_index_is_noticed(much: Connection) -> None:
    """As a function with settings of its own would: its list no longer takes its place in the plan."""
    payable = "SELECT id FROM payouts WHERE treasury = :treasury AND payout_is_payable(state)"
    waiting = Statement("here", f"{payable} ORDER BY requested_at, id LIMIT :limit")
    assert fault(much, waiting) == ""
    much.execute_simple("ALTER FUNCTION payout_is_payable SET search_path = public")
    assert fault(much, waiting)


def test_the_work_of_a_sweep_grows_with_the_orders_under_way_and_not_with_their_square(rush: Connection) -> None:
    """A rush after a quiet night, whose statistics know of no order that is under way."""
    swept = [each for each in statements.of_product() if each.where.startswith(SWEPT) and "LIMIT :limit" in each.text]
    assert len(swept) >= 15

    read = {each.where: rows_read(plan(rush, each, {}, "ANALYZE, ")) for each in swept}

    assert {where: rows for where, rows in read.items() if rows > ROWS_READ_MAX * UNDER_WAY} == {}


FILTERS: Mapping[str, str] = {
    "payment": "'failed'",
    "state": "'payment_processing'",
    "number": "42",
    "email": "'x7@example.com'",
}


@pytest.mark.parametrize("name", FILTERS)
def test_one_filter_of_the_orders_alone_finds_them_by_an_index(much: Connection, name: str) -> None:
    """Also when hardly any order has what is looked for."""
    given = dict.fromkeys(("payment", "state", "from", "to", "number", "email", "at", "id"), "NULL")
    asked = "orders_paid" if name == "payment" else "orders"
    (listed,) = (
        each
        for each in statements.of_product()
        if each.where == f"functions.admin_orders.records.{asked}" and "FROM" in each.text
    )
    assert fault(much, listed, given | {name: FILTERS[name]}) == ""


@pytest.mark.parametrize("name", ["email", "username", "wallet", "number", "begins", "at"])
def test_one_filter_of_the_members_alone_finds_them_by_an_index(much: Connection, name: str) -> None:
    given = dict.fromkeys(("email", "username", "wallet", "number", "begins", "at", "id"), "NULL")
    asked = {"at": {"at": "now()", "id": "md5('7')::uuid"}, "number": {"number": "42"}, "begins": {"begins": "'few%'"}}
    (listed,) = (
        each
        for each in statements.of_product()
        if each.where == "functions.admin_members.user_store.members" and "FROM" in each.text
    )
    assert fault(much, listed, given | asked.get(name, {name: "'x7'"})) == ""


AUDIT_FILTERS: Mapping[str, Mapping[str, str]] = {
    "actor": {"actor": "md5('7')::uuid"},
    "action": {"action": "'x7'"},
    "resource_type": {"resource_type": "'x7'", "resource_id": "'x7'"},
    "resource_id": {"resource_id": "'x7'"},
    "recorded_from": {"recorded_from": "now() - interval '1 day'"},
    "recorded_to": {"recorded_to": "now()"},
    "at": {"at": "now()", "id": "7"},
}


@pytest.mark.parametrize("name", AUDIT_FILTERS)
def test_one_filter_of_the_audit_log_alone_finds_lines_by_an_index(much: Connection, name: str) -> None:
    names = ("actor", "action", "resource_type", "resource_id", "recorded_from", "recorded_to", "at", "id")
    given = dict.fromkeys(names, "NULL")
    (listed,) = (
        each
        for each in statements.of_product()
        if each.where == "functions.admin_desk.audit_store.lines" and "FROM" in each.text
    )
    assert fault(much, listed, {**given, **AUDIT_FILTERS[name]}) == ""


def fault(sql: Connection, statement: Statement, given: Mapping[str, str] | None = None) -> str:
    """The fault of the statement's plan; "" when it has none. Parameters that are not given have usual values."""
    if statement.text.split()[0] not in PLANNED:
        return ""
    made = plan(sql, statement, given or {})
    whole = [it for it in _nodes(made, under_limit=False) if it]
    if whole:
        return f"reads all of {', '.join(sorted(set(whole)))}"
    cost = made["Total Cost"]
    return f"costs {cost:,.0f}" if cost > COST_MAX else ""


def _nodes(node: Mapping[str, Any], *, under_limit: bool) -> Iterator[str]:
    """The tables and indexes that a plan reads from one end to the other."""
    kind = node["Node Type"]
    if kind == "Seq Scan" and _rows.get(node["Relation Name"], 0) > MUCH:
        yield node["Relation Name"]
    if kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in node:
        stops = under_limit and "Filter" not in node
        if _rows.get(node["Index Name"], 0) > MUCH and not stops:
            yield node["Index Name"]
    children = node.get("Plans", ())
    for child in children:
        others = [other for other in children if other is not child]
        stops = not any(_may_drop(node, other) for other in others) and "Join Filter" not in node
        yield from _nodes(child, under_limit=(under_limit and stops) or kind == "Limit")


def _may_drop(join: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """True if a join drops rows because its other side has looked for something; a limit does not end the reading
    then.
    """
    return join.get("Join Type") in ("Inner", "Semi") and "Filter" in other


_rows: dict[str, float] = {}  # of every table and index, as the planner believes


@pytest.fixture
def much(sql: Connection) -> Connection:
    """Tables as after years; every plan is made for the very values."""
    planner_statistics.fill_tables(sql)
    sql.execute_simple("SET plan_cache_mode = force_custom_plan; SET jit = off; SET timezone = 'UTC'")
    _rows.clear()
    _rows.update(sql.execute_simple("SELECT relname, reltuples FROM pg_class").rows)
    return sql


@pytest.fixture
def rush(sql: Connection) -> Connection:
    """Many cancelled orders, analysed, and then some that are under way."""
    sql.execute_simple("SET session_replication_role = replica")
    for statement in shop_world.OLD:
        sql.execute_unnamed(statement, (1, OLD_ORDERS))
    sql.execute_simple("ANALYZE")
    for statement in (RUSH, PAYING, CAPTURED):
        sql.execute_simple(statement)
    return sql


class Values(Mapping[str, object]):
    """Says which parameters a statement has, in the order of their numbers."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __getitem__(self, name: str) -> object:
        self.names.append(name)
        return None

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return True


BY_NAME: Mapping[tuple[str, str], str] = {
    ("limit", "bigint"): "100",
    ("begins", "text"): "'x7%'",
    ("treasury", "text"): "'member'",
    ("before", "timestamp with time zone"): "now() - interval '5 minutes'",
    ("since", "timestamp with time zone"): "now() - interval '1 hour'",
    ("since", "text"): f"'{planner_statistics.SAMPLE - 1}'",  # a transaction of today
    ("after", "text"): "repeat('ab', 32)",  # a mark
    ("figures", "text[]"): "ARRAY['7', '8.5']",
    ("payment_digest", "text"): "repeat('ab', 32)",
    ("horizon", "text"): f"'{planner_statistics.SAMPLE - 1}'",
    ("block_number", "bigint"): f"{planner_statistics.SAMPLE - 1}",
}
ENUMS = frozenset(
    {"tier", "comp_type", "payout_state", "slot_state", "hold_reason", "withdrawal_state", "order_state", "admin_role"}
)
BY_TYPE: Mapping[str, str] = {
    "uuid": "md5('7')::uuid",
    "uuid[]": "ARRAY[md5('7')::uuid, md5('8')::uuid]",
    "timestamp with time zone": "now()",
    "timestamp without time zone": "localtimestamp",
    "date": "current_date",
    "date[]": "ARRAY[current_date, current_date - 1]",
    "boolean": "false",
    "bytea": "sha256('7')",
    "jsonb": "'{}'",
    "text": "'x7'",
    "text[]": "ARRAY['x7', 'x8']",
    "bigint[]": "ARRAY[7, 8]",
    "integer[]": "ARRAY[7, 8]",
    "timestamp with time zone[]": "ARRAY[now(), now()]",
    "smallint[]": "ARRAY[7, 8]::smallint[]",
    "jsonb[]": "ARRAY['{}'::jsonb]",
    "bytea[]": "ARRAY[sha256('7'), sha256('8')]",
    "evm_address": "'0x' || repeat('7', 40)",
    "evm_hash": "'0x' || repeat('7', 64)",
    "inet": "'10.0.0.7'",
    "usd": "10000",
    "boolean[]": "ARRAY[true, false]",
    "tier[]": "enum_range(CAST(NULL AS tier))",
    "social_access": "'full'",
}


def plan(sql: Connection, statement: Statement, said: Mapping[str, str], options: str = "") -> Mapping[str, Any]:
    """The plan, with values as they are asked for in production."""
    text, values_of = to_statement(statement.text)
    values = Values()
    values_of(values)
    sql.execute_simple("DEALLOCATE ALL")
    sql.execute_simple(f"PREPARE asked AS {text}")
    ((types,),) = sql.execute_simple("SELECT parameter_types::text[] FROM pg_prepared_statements").rows
    given = [said.get(name) or _value(name, kind) for name, kind in zip(values.names, types, strict=True)]
    execute = f"EXECUTE asked({', '.join(given)})" if given else "EXECUTE asked"
    ((made,),) = sql.execute_simple(f"EXPLAIN ({options}FORMAT JSON) {execute}").rows
    return (json.loads(made) if isinstance(made, str) else made)[0]["Plan"]  # type: ignore[no-any-return] # untyped JSON


def rows_read(node: Mapping[str, Any]) -> float:
    """The rows that a plan has read of tables and indexes, with those that it has dropped."""
    dropped = sum(rows for name, rows in node.items() if name.startswith("Rows Removed"))
    own = (node["Actual Rows"] + dropped) * node["Actual Loops"] if node["Node Type"].endswith("Scan") else 0
    return float(own) + sum(rows_read(child) for child in node.get("Plans", ()))


def _value(name: str, kind: str) -> str:
    if kind in ENUMS:
        return f"(enum_range(CAST(NULL AS {kind})))[1]"
    if kind.removesuffix("[]") in ENUMS:
        return f"enum_range(CAST(NULL AS {kind.removesuffix('[]')}))"
    return BY_NAME.get((name, kind)) or BY_TYPE.get(kind) or f"CAST('7' AS {kind})"
