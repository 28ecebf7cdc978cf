"""Each hour has one snapshot per treasury; a balance that falls below its threshold is told once."""

from datetime import UTC, datetime, timedelta

import pytest
from pg8000.dbapi import Connection

from functions.partition_maintain import main as partition_maintain
from functions.treasury_snapshot import main as snapshot
from shared.auth import Role
from shared.job import ComeAgain
from tests import factories
from tests.fakes.nodes import FakeNodes
from tests.fakes.payout_rows import AMOUNT

pytest_plugins = ["tests.fakes.treasury_plugin"]

NOW = datetime(2026, 11, 29, 7, 41, tzinfo=UTC)
RICH = 1_000_000_000_000


@pytest.fixture(autouse=True)
def all_rich(two_nodes: FakeNodes, sql: Connection) -> None:
    for address in signers(sql).values():
        two_nodes.chain.mint(address, RICH)
    two_nodes.finish()


def signers(sql: Connection) -> dict[str, str]:
    return dict(sql.execute_simple("SELECT treasury, address FROM signers").rows)


def mails(sql: Connection) -> list[str]:
    return [subject for (subject,) in sql.execute_simple(
        "SELECT parameters ->> 'subject' FROM mails ORDER BY queued_at").rows]  # fmt: skip


def test_each_treasury_has_one_snapshot_an_hour_however_often_it_runs(two_nodes: FakeNodes, sql: Connection) -> None:
    for _ in range(3):
        snapshot.take(NOW)

    rows = sql.execute_simple(
        "SELECT treasury, at, onchain_balance, bank_balance, block_number, metadata ? 'block_hash' "
        "FROM treasury_snapshots ORDER BY treasury"
    ).rows
    hour, block = NOW.replace(minute=0), two_nodes.port.finalized().number
    assert [list(row) for row in rows] == [
        ["affiliate", hour, RICH, None, block, True],
        ["member", hour, RICH + 100 * AMOUNT, None, block, True],
        ["shop", hour, RICH, None, block, True],
        ["wholesale", hour, RICH, None, block, True],
    ]


def test_a_day_keeps_its_lowest_its_highest_and_its_last(two_nodes: FakeNodes, sql: Connection) -> None:
    member = signers(sql)["member"]
    for hours, change in ((0, 0), (1, -500), (2, 800), (-3, 0)):  # the last one is late
        two_nodes.chain.mint(member, change)
        snapshot.take(NOW + timedelta(hours=hours))

    base = RICH + 100 * AMOUNT
    assert sql.execute_simple(
        "SELECT lowest, highest, closing FROM treasury_snapshot_days WHERE treasury = 'member'"
    ).rows == [[base - 500, base + 300, base + 300]]


@pytest.mark.parametrize("fault", ["silent", "richer"])
def test_nothing_is_written_that_not_every_node_says(two_nodes: FakeNodes, sql: Connection, fault: str) -> None:
    setattr(two_nodes.other, fault, 1)

    with pytest.raises(ComeAgain):
        snapshot.take(NOW)

    assert sql.execute_simple("SELECT count(*) FROM treasury_snapshots").rows == [[0]]


def test_a_crossing_is_told_once_and_again_after_it_was_above(two_nodes: FakeNodes, sql: Connection) -> None:
    factories.member(role=Role.TREASURY)
    affiliate = signers(sql)["affiliate"]
    hours = iter(range(100))

    def after(change: int) -> list[str]:
        two_nodes.chain.mint(affiliate, change)
        snapshot.take(NOW + timedelta(hours=next(hours)))
        return mails(sql)

    low = "The affiliate treasury is low: 9,999.999999 USDT"
    assert after(10_000_000_000 - RICH) == []  # the threshold itself is enough
    assert after(-1) == [low]
    assert after(0) == [low]
    assert after(1) == [low]
    assert after(-1) == [low, low]


def test_low_gas_is_told_too(two_nodes: FakeNodes, sql: Connection) -> None:
    factories.member(role=Role.OWNER)
    two_nodes.chain.gas[signers(sql)["wholesale"].lower()] = 10**18

    snapshot.take(NOW)

    assert mails(sql) == ["The wholesale treasury is low: 1.000 POL"]


def test_old_months_are_dropped_and_their_days_stay(sql: Connection) -> None:
    old = NOW - timedelta(days=150)
    snapshot.take(old)
    snapshot.take(NOW)
    partition_maintain.make_months(NOW)

    assert sql.execute_simple("SELECT DISTINCT at FROM treasury_snapshots").rows == [[NOW.replace(minute=0)]]
    assert sql.execute_simple("SELECT to_regclass('treasury_snapshots_2026_07')").rows == [[None]]
    assert sql.execute_simple("SELECT count(*) FROM treasury_snapshot_days").rows == [[8]]
    assert sql.execute_simple("SELECT count(*) FROM treasury_snapshots_2026_08").rows == [[0]]  # 90 days are kept
