"""Tables as years of use would leave them, for the planner: a sample of rows, and statistics that say ten million.

The planner uses the rows per page in pg_class, the shares that ANALYZE has found in the sample, and the number of
pages. So every growing table gets some thousand rows, nearly all of them finished, is analysed, and then claims to have
ROWS. It is used for plans only: no statement is run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pg8000.dbapi import Connection

SAMPLE = 2_000
ROWS = 10_000_000
UNFINISHED_EVERY = 500  # one row of so many is not finished

# Tables that stay small, however large the platform grows.
BOUNDED = frozenset(
    {
        *("settings", "products", "leases", "treasuries", "treasury_alerts", "signers", "signing_keys", "data_keys"),
        *("ledger_accounts", "ledger_balances", "scan_counter", "scan_rollup_position", "sales_volume", "comp_rules"),
        *("payout_transitions", "slot_transitions", "withdrawal_transitions", "schema_migrations", "hold_windows"),
        *("reconciliation_marks", "chain_scans", "stock", "stock_alerts", "order_transitions"),
        *("card_balance", "teller_enrollments", "teller_connections"),
        *("affiliate_program", "referral_progress", "sunset_notices", "figures", "figure_progress", "job_runs"),
        *("integration_states", "watch_minutes", "social_channels", "social_departures", "social_heads"),
        *(
            "social_shifts",
            "social_tails",
            "live_stream_strays",
            "live_stream_presence",
            "hook_endpoints",
            "hook_secrets",
            "api_keys",
        ),
    }
)
# Tables that grow by what people do at a screen: thousands of rows, not millions.
SMALL_TABLES = frozenset(
    {
        *(
            "award_inputs",
            "code_batches",
            "code_batch_walks",
            "code_changes",
            "code_imports",
            "comp_rule_changes",
            "setting_changes",
            "setting_wishes",
            "broadcasts",
            "campaigns",
            "live_streams",
            "live_stream_inputs",
            "live_stream_reminders",
            "mail_publications",
            "mail_templates",
            "mail_template_versions",
        ),
        *("top_ups", "top_up_approvals"),
        *("governance_votes", "governance_options", "governance_proposals"),
        *("manual_transfers", "reconciliations", "reconciliation_treasuries", "reconciliation_findings"),
        *("ledger_seals", "ledger_seal_balances", "treasury_days", "treasury_snapshot_days", "tins_sold_daily"),
        *(
            "stock_moves",
            "wholesale_accounts",
            "wholesale_comps",
            "card_days",
            "card_deposits",
            "disputes",
            "payment_findings",
        ),
        *("critical_events", "report_exports", "report_files", "social_pins"),
        *("affiliate_weeks", "affiliate_week_decisions", "affiliate_figure_weeks", "vault_months", "active_days"),
    }
)
SMALL_TABLE_ROWS = 10_000
# The final value that nearly all rows of a table have.
FINISHED: Mapping[str, str] = {
    "payouts.state": "PAID",
    "payout_slots.state": "FINAL_PAY",
    "carts.status": "ordered",
    "hook_deliveries.state": "delivered",
    "orders.state": "delivered",
    "governance_votes.status": "closed",
    "payments.state": "captured",
    "payment_operations.status": "succeeded",
    "payment_operations.kind": "capture",
    "payment_operations.evidence": "reply",
    "age_checks.status": "accepted",
    "tax_reports.status": "done",
    "comps.status": "paid",
    "comps.type": "crypto_100",
    "mails.status": "sent",
    "campaigns.state": "done",
    "live_streams.status": "ended",
    "pushes.status": "sent",
    "codes.status": "scanned",
    "withdrawals.state": "confirmed",
    "wholesale_accounts.status": "active",
    "wallet_transactions.status": "confirmed",
    "members.status": "active",
    "outbox.kind": "event",
    "code_batches.status": "generated",
    "flagged_scans.status": "cleared",
    "referral_reviews.status": "cleared",
    "social_images.status": "removed",
    "reconciliations.status": "balanced",
    "scan_rollups.period": "minute",
    "notifications.type": "system",
    "payout_attempts.kind": "PAY",
    "payout_attempts.origin": "signed",
    "payout_policy_runs.decision": "approve",
    "chain_transfers.direction": "out",
    "affiliate_chips.status": "active",
    "affiliate_weeks.state": "completed",
    "affiliate_payouts.state": "paid",
    "vault_lots.left_chips": "0",
    "payouts.source_kind": "comp",
    "payouts.approvals_needed": "0",
}
TREASURIES = "(ARRAY['member', 'affiliate', 'wholesale'])[1 + i % 3]"


@dataclass(frozen=True)
class Column:
    """A column to be filled. `alone` is true when its value alone must distinguish a row from all others."""

    table: str
    name: str
    type: str
    nullable: bool
    alone: bool
    choices: str  # the labels of an enum, or of the table's CHECK, as an SQL array; empty when there are none


def fill_tables(sql: Connection) -> None:
    """Fill and analyse all tables, and make the planner believe that they are large."""
    sql.execute_simple("SET session_replication_role = replica")
    columns: dict[str, list[Column]] = {}
    for column in _columns(sql):
        columns.setdefault(column.table, []).append(column)
    for table, checks in _checks(sql):
        sql.execute_simple(f"ALTER TABLE {table} {checks}")
    for table, its in columns.items():
        names = ", ".join(column.name for column in its)
        values = ", ".join(_value(column) for column in its)
        sql.execute_simple(
            f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE "
            f"SELECT {values} FROM generate_series(1, {SAMPLE}) AS i ON CONFLICT DO NOTHING"
        )
    sql.execute_simple("ANALYZE")
    for table in columns:
        _scale_statistics(sql, table)


def _scale_statistics(sql: Connection, table: str) -> None:
    """Scale the statistics of a table with its partitions, and of their indexes in proportion."""
    itself = f"SELECT '{table}'::regclass::oid"
    parts = f"({itself} UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = '{table}'::regclass)"
    ((rows,),) = sql.execute_simple(f"SELECT sum(reltuples) FROM pg_class WHERE oid IN {parts} AND relkind = 'r'").rows
    assert rows > 0, f"{table} has no sample"
    wanted = SMALL_TABLE_ROWS if table in SMALL_TABLES else ROWS
    of_it = f"(oid IN {parts} OR oid IN (SELECT indexrelid FROM pg_index WHERE indrelid IN {parts}))"
    sql.execute_simple(
        f"UPDATE pg_class SET reltuples = reltuples * {wanted / float(rows)} WHERE reltuples > 0 AND {of_it}"
    )


def _columns(sql: Connection) -> Iterator[Column]:
    rows = sql.execute_simple(
        """
        SELECT c.relname, a.attname, format_type(a.atttypid, NULL), NOT a.attnotnull,
               EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1
                                                AND i.indkey[0] = a.attnum),
               coalesce((SELECT array_agg(enumlabel::text ORDER BY enumsortorder)::text FROM pg_enum
                         WHERE enumtypid = a.atttypid),
                        (SELECT array_agg(label[1])::text FROM pg_constraint k,
                                regexp_matches(pg_get_constraintdef(k.oid), '''([^'']+)''::text', 'g') AS label
                         WHERE k.conrelid = c.oid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]
                           AND pg_get_constraintdef(k.oid) LIKE '%ANY (ARRAY%'), '')
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND a.attgenerated = ''
        ORDER BY c.relname, a.attnum
        """
    ).rows
    return (Column(*row) for row in rows if row[0] not in BOUNDED)


def _checks(sql: Connection) -> list[tuple[str, str]]:
    """The CHECKs to drop, by table: the rows are not real, and the planner does not need what a CHECK demands."""
    rows = sql.execute_simple(
        """
        SELECT conrelid::regclass::text, string_agg(format('DROP CONSTRAINT %I', conname), ', ')
        FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0 AND conislocal AND coninhcount = 0
          AND connamespace = 'public'::regnamespace GROUP BY 1
        """
    ).rows
    return [(str(table), str(checks)) for table, checks in rows]


def _value(column: Column) -> str:
    """An SQL expression of i: rows are spread over a year, the newest last, and ids over fewer owners than rows."""
    finished = FINISHED.get(f"{column.table}.{column.name}")
    is_open = f"i % {UNFINISHED_EVERY} = 0"
    choices = f"CAST('{column.choices}' AS text[])"
    choice = f"({choices})[1 + i / {UNFINISHED_EVERY} % cardinality({choices})]"
    if finished is not None:
        other = choice if column.choices else f"'{finished}'"
        return f"CAST(CASE WHEN {is_open} THEN {other} ELSE '{finished}' END AS {column.type})"
    if column.name == "treasury":
        return TREASURIES
    if column.choices and column.nullable:
        return f"CAST(CASE WHEN {is_open} THEN {choice} END AS {column.type})"
    if column.choices:
        choice = choice.replace(f"i / {UNFINISHED_EVERY}", "i")
        return f"CAST({choice} AS {column.type})"
    value = f"CAST({_of_type(column, 'i' if column.alone else f'(i % {SAMPLE // 7})')} AS {column.type})"
    return f"CASE WHEN {is_open} THEN NULL ELSE {value} END" if column.nullable else value


def _of_type(column: Column, owner: str) -> str:
    moment = f"now() - ({SAMPLE} - i) * interval '2 hours'"
    by_type = {
        "uuid": f"CAST(md5({owner}::text) AS uuid)",
        "text": "'x' || i",
        "evm_address": f"'0x' || lpad(to_hex({owner}), 40, '0')",
        "evm_hash": "'0x' || lpad(to_hex(i), 64, '0')",
        "timestamp with time zone": moment,
        "timestamp without time zone": moment,
        "date": f"CAST({moment} AS date)",
        "bytea": "sha256(convert_to(i::text, 'UTF8'))",
        "boolean": "false",
        "jsonb": "'{}'",
        "inet": "CAST('10.0.0.0' AS inet) + i",
        "xid8": "CAST(i::text AS xid8)",
        "smallint": "i",
        "usd": "i * 10000",
        "real": "i",
        "double precision": "i",
    }
    if column.type.endswith("[]"):
        return f"CAST('{{}}' AS {column.type})"
    return by_type.get(column.type, f"CAST(i AS {column.type})")
