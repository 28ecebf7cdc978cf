"""In a job over treasuries or files one that fails keeps no other waiting; the job says so at its end."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from functions.ledger_seal import main as ledger_seal
from functions.member_export import main as member_export
from functions.reconciliation import main as reconciliation
from functions.treasury_snapshot import main as treasury_snapshot
from shared import clock
from tests import factories
from tests.fakes.nodes import FakeNodes

pytest_plugins = ["tests.fakes.treasury_plugin"]


def test_a_treasury_that_cannot_be_compared_is_pending_and_the_others_are_compared(
    two_nodes: FakeNodes, sql: Connection
) -> None:
    two_nodes.finish()
    sql.execute_simple(
        "ALTER TABLE reconciliation_treasuries ADD CONSTRAINT refuses_one "
        "CHECK (treasury <> 'affiliate' OR payouts_matched IS NULL)"
    )

    with pytest.raises(ExceptionGroup, match="the others were done"):
        reconciliation.daily(clock.now())

    compared = sql.execute_simple("SELECT treasury, payouts_matched FROM reconciliation_treasuries ORDER BY 1").rows
    assert compared == [["affiliate", None], ["member", 0], ["shop", 0], ["wholesale", 0]]
    assert sql.execute_simple("SELECT status, finished_at FROM reconciliations").rows[0][1] is None
    assert sql.execute_simple("SELECT count(*) FROM outbox WHERE function = 'reconciliation'").rows == [[1]]


def test_a_snapshot_that_cannot_be_kept_keeps_no_other_from_being_kept(two_nodes: FakeNodes, sql: Connection) -> None:
    assert two_nodes
    sql.execute_simple("ALTER TABLE treasury_snapshots ADD CONSTRAINT refuses_one CHECK (treasury <> 'affiliate')")

    with pytest.raises(ExceptionGroup):
        treasury_snapshot.take(clock.now())

    kept = sql.execute_simple("SELECT treasury FROM treasury_snapshots ORDER BY 1").rows
    assert kept == [["member"], ["shop"], ["wholesale"]]


def test_a_treasury_that_cannot_be_paused_keeps_no_other_from_being_paused(
    two_nodes: FakeNodes, sql: Connection
) -> None:
    assert two_nodes
    sql.execute_simple("INSERT INTO ledger_balances (account, shard, balance) VALUES ('treasury:member', 63, 1)")
    sql.execute_simple(
        "ALTER TABLE treasuries ADD CONSTRAINT refuses_one CHECK (name <> 'affiliate' OR paused_at IS NULL)"
    )

    with pytest.raises(ExceptionGroup):
        ledger_seal.daily(clock.now())

    paused = sql.execute_simple("SELECT name FROM treasuries WHERE paused_at IS NOT NULL ORDER BY 1").rows
    assert paused == [["member"], ["shop"], ["wholesale"]]


def test_a_file_that_cannot_be_forgotten_keeps_no_other_from_being_forgotten(
    sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket refuses one of them."""
    first, second = export(sql, "one"), export(sql, "two")

    def delete(bucket: str, name: str) -> None:
        assert bucket
        if name == "one":
            raise OSError("the bucket refuses it")

    monkeypatch.setenv("DOCUMENTS_BUCKET", "documents")
    monkeypatch.setattr("shared.ports.files.delete", delete)
    with pytest.raises(ExceptionGroup):
        member_export.forget(clock.now())

    left = sql.execute_simple("SELECT id FROM data_exports WHERE status = 'ready'").rows
    assert left == [[first]]
    assert second != first


def export(sql: Connection, name: str) -> UUID:
    """One whose time is over."""
    made, member, before = uuid4(), factories.member().id, clock.now() - timedelta(days=9)
    sql.execute_unnamed(
        "INSERT INTO data_exports (id, member_id, object_name, status, asked_at, ready_at, expires_at) "
        "VALUES ($1, $2, $3, 'ready', $4, $4, $4)",
        (made, member, name, before),
    )
    return made
