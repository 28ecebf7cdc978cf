"""Books and chain are compared payout by payout; what differs is named, pauses the treasury and wakes people."""

from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from functions.reconciliation import main as reconciliation
from functions.reconciliation import store
from shared import clock, db
from shared.auth import Role
from shared.ports import kms
from tests import factories
from tests.fakes.chain import Included
from tests.fakes.key_rotation import new_key_version, pass_minutes, rotate
from tests.fakes.nodes import STATES_KEPT, FakeNodes
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, PayoutRows
from tests.fakes.plain_rows import SIGNER, at, payout, put, slot, unchecked
from tests.platform import Platform

pytest_plugins = ["tests.fakes.treasury_plugin"]


def reconcile() -> None:
    reconciliation.daily(clock.now())


def outcome(sql: Connection) -> tuple[str, str]:
    status, badge = sql.execute_simple(
        "SELECT status, badge FROM reconciliations ORDER BY requested_at DESC, id LIMIT 1"
    ).rows[0]
    return status, badge


def member(sql: Connection, columns: str) -> list[object]:
    rows = sql.execute_simple(f"SELECT {columns} FROM reconciliation_treasuries WHERE treasury = 'member'").rows
    return list(rows[0])


def findings(sql: Connection) -> list[list[object]]:
    return [
        list(row)
        for row in sql.execute_simple(
            "SELECT kind, expected, found, resolved_at IS NULL FROM reconciliation_findings ORDER BY found_at, kind"
        ).rows
    ]


def is_paused(sql: Connection) -> list[object]:
    return [name for (name,) in sql.execute_simple("SELECT name FROM treasuries WHERE paused_at IS NOT NULL").rows]


def paid(payout_driver: PayoutDriver, two_nodes: FakeNodes) -> object:
    payout = payout_driver.request()
    payout_driver.send(payout)
    payout_driver.finalize(payout)
    two_nodes.finish()
    return payout


def test_every_paid_payout_has_its_transfer_to_the_last_digit(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection
) -> None:
    payouts = {paid(payout_driver, two_nodes) for _ in range(3)}

    reconcile()

    assert outcome(sql) == ("balanced", "balanced")
    assert member(sql, "payouts_matched, amount_matched, payouts_waiting, difference") == [3, 3 * AMOUNT, 0, 0]
    matched = sql.execute_simple("SELECT payout_id FROM chain_transfers WHERE payout_id IS NOT NULL").rows
    assert {payout for (payout,) in matched} == payouts
    assert findings(sql) == []
    assert is_paused(sql) == []


def test_running_twice_leaves_the_same_rows(payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection) -> None:
    paid(payout_driver, two_nodes)
    two_nodes.steal(desk_signer(sql), 7)
    two_nodes.finish()
    tables = ("reconciliations", "reconciliation_treasuries", "reconciliation_findings", "chain_transfers",
              "ledger_journals", "mails", "reconciliation_marks")  # fmt: skip

    reconcile()
    first = [sql.execute_simple(f"SELECT * FROM {table} ORDER BY 1, 2").rows for table in tables]
    reconcile()

    assert [sql.execute_simple(f"SELECT * FROM {table} ORDER BY 1, 2").rows for table in tables] == first


def test_money_that_came_is_in_the_books(two_nodes: FakeNodes, sql: Connection) -> None:
    two_nodes.pay_in(desk_signer(sql), 123_456_789)
    two_nodes.finish()

    reconcile()

    assert outcome(sql) == ("balanced", "balanced")
    assert member(sql, "chain_balance, book_balance") == [100 * AMOUNT + 123_456_789] * 2


def test_an_unknown_transfer_is_named_pauses_the_treasury_and_wakes_its_admins_once(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection
) -> None:
    woken = factories.member(role=Role.TREASURY)
    factories.member(role=Role.SUPPORT)
    paid(payout_driver, two_nodes)
    stolen = two_nodes.steal(desk_signer(sql), 2_000_000)
    two_nodes.finish()

    reconcile()

    assert findings(sql) == [["unknown_transfer", 0, 2_000_000, True]]
    assert sql.execute_simple("SELECT transaction_hash FROM reconciliation_findings").rows == [[stolen]]
    assert outcome(sql) == ("discrepancy", "balanced")  # two dollars: the published badge bears ten
    assert is_paused(sql) == ["member"]
    mails = sql.execute_simple("SELECT to_email, template FROM mails").rows
    assert mails == [[woken.email, "treasury_notice"]]


def test_more_than_ten_dollars_show_in_the_badge(two_nodes: FakeNodes, sql: Connection) -> None:
    two_nodes.steal(desk_signer(sql), 10_000_001)
    two_nodes.finish()

    reconcile()

    assert outcome(sql) == ("discrepancy", "discrepancy")


def test_a_payout_without_its_transfer_is_named(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection
) -> None:
    payout = paid(payout_driver, two_nodes)
    for block in payout_driver.chain.blocks:
        block.included.clear()

    reconcile()

    assert findings(sql) == [["missing_transfer", AMOUNT, 0, True]]
    assert sql.execute_simple("SELECT payout_id FROM reconciliation_findings").rows == [[payout]]
    assert is_paused(sql) == ["member"]


@pytest.mark.parametrize(
    ("change", "kind", "found"),
    [
        ({"amount_micro": AMOUNT - 1}, "amount_differs", AMOUNT - 1),
        ({"recipient": "0x" + "dd" * 20}, "recipient_differs", AMOUNT),
    ],
)
def test_a_transfer_that_is_not_what_was_promised_is_named(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection, change: dict[str, object], kind: str, found: int
) -> None:
    paid(payout_driver, two_nodes)
    for block in payout_driver.chain.blocks:
        block.included[:] = [Included(replace(it.transfer, **change), it.succeeded) for it in block.included]  # type: ignore[arg-type]

    reconcile()

    assert findings(sql) == [[kind, AMOUNT, found, True]]
    assert is_paused(sql) == ["member"]


def test_a_balance_that_no_transfer_explains_is_a_finding(two_nodes: FakeNodes, sql: Connection) -> None:
    two_nodes.one.richer = two_nodes.other.richer = 5

    reconcile()

    kinds = [(kind, is_open) for kind, _, _, is_open in findings(sql)]
    assert set(kinds) == {("balance_differs", True)}
    assert outcome(sql) == ("discrepancy", "balanced")
    assert is_paused(sql) == ["affiliate", "member", "shop", "wholesale"]


def test_what_is_under_way_is_pending_and_looked_at_again(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    two_nodes.finish()

    reconcile()
    assert outcome(sql) == ("pending", "pending")
    assert member(sql, "payouts_waiting, difference, reason") == [1, 0, "1 transfers are not paid payouts yet"]
    tasks = "SELECT count(*) FROM outbox WHERE destination = 'reconciliation'"
    assert sql.execute_simple(tasks).rows == [[1]]

    payout_driver.finalize(payout)
    reconcile()
    assert outcome(sql) == ("balanced", "balanced")
    assert sql.execute_simple(tasks).rows == [[1]]
    assert is_paused(sql) == []


def test_it_is_given_up_after_hours_and_stays_pending(two_nodes: FakeNodes, sql: Connection) -> None:
    two_nodes.other.silent = True
    reconciliation.daily(clock.now() - timedelta(hours=3))

    assert outcome(sql) == ("pending", "pending")
    assert sql.execute_simple("SELECT finished_at IS NOT NULL FROM reconciliations").rows == [[True]]


def test_nodes_that_disagree_leave_it_pending(two_nodes: FakeNodes, sql: Connection) -> None:
    two_nodes.steal(desk_signer(sql), 50)
    two_nodes.finish()
    two_nodes.other.hides = {it.transaction_hash for it in two_nodes.movements()}

    reconcile()

    assert outcome(sql) == ("pending", "pending")
    assert findings(sql) == []
    two_nodes.other.hides = set()
    reconcile()
    assert findings(sql) == [["unknown_transfer", 0, 50, True]]


def test_a_silent_node_leaves_it_pending_and_a_lagging_one_delays_it(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection
) -> None:
    two_nodes.other.silent = True
    reconcile()
    assert outcome(sql) == ("pending", "pending")
    two_nodes.other.silent, two_nodes.other.behind = False, 3

    paid(payout_driver, two_nodes)
    two_nodes.other.behind = 25  # behind the block in which the payout was called final
    reconcile()
    assert outcome(sql) == ("pending", "pending")
    assert "lag" in str(sql.execute_simple("SELECT reason FROM reconciliations").rows[0][0])

    two_nodes.other.behind = 0
    reconcile()
    assert outcome(sql) == ("balanced", "balanced")


def test_a_finality_stall_leaves_it_pending_until_milestones_go_on(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection
) -> None:
    paid(payout_driver, two_nodes)
    payout_driver.chain.finalized = len(payout_driver.chain.blocks) - 1
    payout_driver.chain.mine(STATES_KEPT + 1)
    reconcile()
    assert outcome(sql) == ("pending", "pending")
    assert "missing trie node" in str(sql.execute_simple("SELECT reason FROM reconciliations").rows[0][0])
    assert is_paused(sql) == []

    payout_driver.chain.finalized = None
    reconcile()
    assert outcome(sql) == ("balanced", "balanced")


def test_a_log_that_was_not_asked_for_is_no_money(two_nodes: FakeNodes, sql: Connection) -> None:
    two_nodes.finish()
    two_nodes.other.strays = True
    reconcile()
    assert outcome(sql) == ("pending", "pending")

    two_nodes.other.strays = False
    reconcile()
    assert outcome(sql) == ("balanced", "balanced")


def test_it_goes_on_where_it_stopped_and_asks_for_less_when_refused(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection
) -> None:
    paid(payout_driver, two_nodes)
    two_nodes.blocks_per_answer_max = 4
    reconcile()
    assert outcome(sql) == ("balanced", "balanced")

    two_nodes.questions.clear()
    reconciliation.daily(clock.now() + timedelta(days=1))

    assert two_nodes.questions.count("eth_getLogs") == 0
    assert outcome(sql) == ("balanced", "balanced")


def test_the_logs_of_each_block_are_asked_for_once_in_each_direction(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection
) -> None:
    two_nodes.blocks_per_answer_max = 4
    for day in range(2):
        paid(payout_driver, two_nodes)
        reconciliation.daily(clock.now() + timedelta(days=day))

    blocks: defaultdict[str, list[int]] = defaultdict(list)
    for whose, told in two_nodes.other.told:
        blocks[whose].extend(told)
    keys = [address.lower() for (address,) in sql.execute_simple("SELECT address FROM signers").rows]
    last = two_nodes.port.finalized().number
    assert blocks == {f"{direction}{key}": list(range(last + 1)) for direction in ("", ">") for key in keys}


def test_a_payout_that_was_paid_above_the_runs_block_is_looked_for_by_the_next_run(sql: Connection) -> None:
    """However long the run has taken."""
    with unchecked(sql):
        put(sql, "reconciliation_marks", treasury="member")
        for nonce, (minute, block, change) in enumerate([
            (1, 9, {}), (2, 10, {}), (5, 12, {}), (4, 11, {}), (3, 11, {"treasury": "affiliate"}),
        ]):  # fmt: skip
            kept = {"state": "PAID", "paid_at": at(minute), "transaction_hash": f"0x{nonce:064x}"} | change
            slot(sql, nonce, "FINAL_PAY", SIGNER, payout(sql, 0, **kept), winning_hash=f"0x{nonce:064x}",
                 block_number=block, block_hash=f"0x{block:064x}", succeeded=True)  # fmt: skip

    marks = [settled(sql, block, minute) for block, minute in ((10, 9), (10, 3), (12, 9))]

    assert marks == [at(4), at(3), at(9)]


def settled(sql: Connection, block_number: int, minute: int) -> object:
    """The mark of a run of that block which ends at that minute."""
    db.atomically(lambda tx: store.settle(tx, "member", block_number, at(minute)))
    return sql.execute_simple("SELECT settled_until FROM reconciliation_marks WHERE treasury = 'member'").rows[0][0]


def test_money_that_goes_to_the_treasurys_next_key_has_left_nothing(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection, platform: Platform
) -> None:
    payout = paid(payout_driver, two_nodes)
    version = new_key_version(platform, f"next-{uuid4()}")
    rotate((kms.ethereum_address(version), version))
    pass_minutes(payout_driver)
    two_nodes.finish()

    reconcile()

    assert payout
    assert [it.amount_micro for it in payout_driver.chain.transfers()] == [AMOUNT, 99 * AMOUNT]
    assert findings(sql) == []
    assert outcome(sql) == ("balanced", "balanced")
    assert member(sql, "chain_balance, book_balance, payouts_matched") == [99 * AMOUNT, 99 * AMOUNT, 2]


def test_transfers_of_nothing_are_nobodys(two_nodes: FakeNodes, sql: Connection) -> None:
    two_nodes.steal(desk_signer(sql), 0)
    two_nodes.finish()

    reconcile()

    assert outcome(sql) == ("balanced", "balanced")


def test_an_old_finding_does_not_pause_again(two_nodes: FakeNodes, sql: Connection, rows: PayoutRows) -> None:
    two_nodes.steal(desk_signer(sql), 5)
    two_nodes.finish()
    reconcile()
    rows.unpause()

    reconciliation.daily(clock.now() + timedelta(days=1))

    assert outcome(sql)[0] == "discrepancy"
    assert is_paused(sql) == []
    assert len(findings(sql)) == 1


def test_what_was_unknown_and_is_ours_after_all_is_no_finding_any_more(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection
) -> None:
    """After a restore the payout is rebuilt from the chain, with the transaction that was unknown."""
    paid(payout_driver, two_nodes)
    sql.execute_simple("SET session_replication_role = replica")
    sql.execute_simple("CREATE TABLE kept AS SELECT * FROM payout_attempts")
    sql.execute_simple("DELETE FROM payout_attempts")
    reconcile()
    assert ["unknown_transfer", 0, AMOUNT, True] in findings(sql)

    sql.execute_simple("INSERT INTO payout_attempts SELECT * FROM kept")
    reconciliation.daily(clock.now() + timedelta(days=1))

    assert [is_open for *_, is_open in findings(sql)] == [False] * len(findings(sql))
    assert outcome(sql) == ("balanced", "balanced")


def desk_signer(sql: Connection) -> str:
    address: str = sql.execute_simple(
        "SELECT address FROM signers WHERE treasury = 'member' AND status = 'active'"
    ).rows[0][0]
    return address
