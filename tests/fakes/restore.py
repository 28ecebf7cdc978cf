"""Sets a database back to an earlier moment while the chain goes on."""

from pg8000.dbapi import Connection

TABLES = (
    *("treasuries", "signers", "payouts", "payout_slots", "payout_attempts", "payout_events", "payout_policy_runs"),
    *("payout_approvals", "foreign_transfers", "treasury_days", "treasury_minutes"),
    *("ledger_journals", "ledger_postings", "ledger_balances", "outbox"),
)


def backup(sql: Connection) -> None:
    """Store a copy of the payout machine's tables; `sql` is the superuser's connection."""
    sql.execute_simple("DROP SCHEMA IF EXISTS backup CASCADE; CREATE SCHEMA backup")
    for table in TABLES:
        sql.execute_simple(f"CREATE TABLE backup.{table} AS TABLE {table}")


def restore(sql: Connection, *, elsewhere: bool = True) -> None:
    """Restore the copy. A restored database is on another server (`elsewhere`), which its functions notice."""
    sql.execute_simple(f"SET session_replication_role = replica; TRUNCATE {', '.join(TABLES)} CASCADE")
    for table in TABLES:
        sql.execute_simple(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM backup.{table}")
    if elsewhere:
        sql.execute_simple("UPDATE signers SET lineage = 'the lost database'")
    sql.execute_simple("SET session_replication_role = origin")
