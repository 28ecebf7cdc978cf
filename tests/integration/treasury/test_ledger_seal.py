"""The ledger is sealed each day; whoever changes a line afterwards, as the superuser even, is found."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from pg8000.dbapi import Connection

from functions.ledger_seal import main as ledger_seal
from shared import db
from shared.auth import Role
from shared.ledger import journals as ledger
from shared.ledger import seals as ledger_seals
from shared.values.money import Usdt
from tests import factories
from tests.fakes.payout_rows import NOW, Login, rule_of

pytest_plugins = ["tests.fakes.payout_plugin"]


def post(number: int) -> None:
    db.atomically(lambda tx: ledger.move(tx, f"j-{number}", "pool:member", "owed:member", Usdt(number + 1), NOW))


def seals(sql: Connection) -> list[list[object]]:
    return [
        list(row) for row in sql.execute_simple("SELECT number, journals, postings FROM ledger_seals ORDER BY 1").rows
    ]


@pytest.fixture
def sealed(sql: Connection) -> Connection:
    """Three days of journals under three seals, and one journal since."""
    for day in range(3):
        for number in range(4):
            post(10 * day + number)
        ledger_seal.daily(NOW + timedelta(days=day))
    post(99)
    sql.execute_simple("SET session_replication_role = replica")  # no trigger stops whoever may do this
    return sql


def test_each_seal_closes_what_has_come_since_the_last(sealed: Connection) -> None:
    assert seals(sealed) == [[1, 4, 8], [2, 4, 8], [3, 4, 8]]
    assert ledger_seal.check() == []


def test_a_day_without_journals_has_no_seal(sql: Connection) -> None:
    post(1)
    for day in range(3):
        ledger_seal.daily(NOW + timedelta(days=day))

    assert seals(sql) == [[1, 1, 2]]


def test_a_journal_that_commits_late_is_in_the_next_seal(sql: Connection) -> None:
    with db.transaction() as tx:
        ledger.move(tx, "late", "pool:member", "owed:member", Usdt(1), NOW)
        post(1)  # commits first, with the higher id
        ledger_seal.daily(NOW)
    post(2)
    ledger_seal.daily(NOW + timedelta(days=1))

    assert sum(journals for _, journals, _ in seals(sql)) == 3  # type: ignore[misc]
    assert ledger_seal.check() == []


TAMPERING = [
    ("UPDATE ledger_postings SET amount = amount * 2 WHERE journal_id = 6", "seal 2 is broken: a journal in it"),
    ("UPDATE ledger_journals SET ref = 'other' WHERE id = 6", "seal 2 is broken: a journal in it"),
    ("UPDATE ledger_journals SET posted_at = posted_at + interval '1 s' WHERE id = 6", "seal 2 is broken"),
    (
        "DELETE FROM ledger_postings WHERE journal_id = 6; DELETE FROM ledger_journals WHERE id = 6",
        "seal 2 is broken: it closed 4 journals with 8 lines, there are 3 with 6",
    ),
    (
        "UPDATE ledger_journals SET written_by = (SELECT written_by FROM ledger_journals WHERE id = 1) WHERE id = 6",
        "seal 1 is broken",
    ),
    ("DELETE FROM ledger_seals WHERE number = 2", "seal 3 is broken: the seal before it is gone"),
    ("UPDATE ledger_seals SET journals = 5 WHERE number = 2", "seal 2 is broken: its digest"),
    ("UPDATE ledger_seals SET balances = sha256('x') WHERE number = 2", "seal 2 is broken: its digest"),
    ("UPDATE ledger_seal_balances SET balance = balance * 2 WHERE number = 2", "seal 2 is broken: its balances"),
    ("DELETE FROM ledger_seal_balances WHERE number = 2", "seal 2 is broken: its balances"),
]


def test_tampering_is_found(sealed: Connection) -> None:
    tables = ("ledger_postings", "ledger_journals", "ledger_seals", "ledger_seal_balances")
    for table in tables:
        sealed.execute_simple(f"CREATE TABLE {table}_before AS TABLE {table}")
    for tampering, told in TAMPERING:
        sealed.execute_simple(tampering)

        faults = ledger_seal.check()

        assert any(fault.startswith(told) for fault in faults), (tampering, faults)
        for table in tables:
            sealed.execute_simple(f"DELETE FROM {table}")
            kept = f"SELECT * FROM {table}_before"
            sealed.execute_simple(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE {kept}")
        assert ledger_seal.check() == []


def test_both_lines_changed_alike_and_the_balances_too_are_still_found(sealed: Connection) -> None:
    sealed.execute_simple("UPDATE ledger_postings SET amount = amount * 3 WHERE journal_id = 6")
    sealed.execute_simple("TRUNCATE ledger_balances")
    sealed.execute_simple(
        "INSERT INTO ledger_balances SELECT account, 0, sum(amount) FROM ledger_postings GROUP BY account"
    )

    assert ledger_seal.check() == ["seal 2 is broken: a journal in it was changed"]


def test_a_balance_that_is_not_the_sum_of_its_postings_is_named(sealed: Connection) -> None:
    sealed.execute_simple(
        "UPDATE ledger_balances SET balance = balance + 1 WHERE account = 'owed:member' AND shard = 1"
    )

    (fault,) = ledger_seal.check(NOW)

    assert fault.startswith("owed:member is kept as 0.000")


def test_a_journal_that_does_not_sum_to_zero_is_named(sealed: Connection) -> None:
    sealed.execute_simple("UPDATE ledger_postings SET amount = 7 WHERE account = 'owed:member' AND journal_id = 13")

    assert any("journal 13 (j-99) sums to" in fault for fault in ledger_seal.check(NOW))


def test_what_does_not_hold_is_not_sealed_but_stops_every_treasury_and_wakes_people(sealed: Connection) -> None:
    factories.member(role=Role.OWNER)
    sealed.execute_simple("UPDATE ledger_postings SET amount = amount * 2 WHERE journal_id = 6")

    for _ in range(2):
        ledger_seal.daily(NOW + timedelta(days=3))

    assert seals(sealed)[-1][0] == 3
    assert sealed.execute_simple("SELECT count(*) FROM treasuries WHERE paused_at IS NULL").rows == [[0]]
    assert sealed.execute_simple("SELECT count(*) FROM mails").rows == [[1]]


def test_seals_are_never_changed_or_removed(sql: Connection, owner: Login, app: Login) -> None:
    post(1)
    ledger_seal.daily(NOW)

    changes: list[Callable[[], object]] = [
        lambda: owner.run("UPDATE ledger_seals SET journals = 2"),
        lambda: owner.run("DELETE FROM ledger_seals"),
    ]
    assert [rule_of(change) for change in changes] == ["append_only", "append_only"]
    assert rule_of(lambda: app.run("UPDATE ledger_seals SET journals = 2")) == "42501"
    assert len(seals(sql)) == 1


def test_the_chain_starts_from_one_known_digest() -> None:
    post(1)
    ledger_seal.daily(NOW)
    (first,) = db.atomically(lambda tx: ledger_seals.after(tx, 0, 2))

    assert ledger_seals.chained(ledger_seals.GENESIS, first) == first.digest


def test_a_daily_check_adds_up_what_has_come_since_the_last_seal_and_the_full_one_everything(
    sealed: Connection,
) -> None:
    newest = db.atomically(ledger_seals.newest)
    assert newest
    assert db.atomically(lambda tx: ledger_seals.differences(tx, newest)) == []
    sealed.execute_simple("UPDATE ledger_postings SET amount = amount * 2 WHERE journal_id = 1")  # long sealed

    assert db.atomically(lambda tx: ledger_seals.differences(tx, newest)) == []
    assert len(db.atomically(ledger_seals.differences)) == 2


def test_seals_from_before_balances_were_kept_hold_and_the_next_one_keeps_them(sealed: Connection) -> None:
    before = ledger_seals.GENESIS
    for seal in db.atomically(lambda tx: ledger_seals.after(tx, 0, 9)):
        before = ledger_seals.chained(before, replace(seal, balances=None))
        sealed.execute_simple(
            f"UPDATE ledger_seals SET balances = NULL, digest = '\\x{before.hex()}' WHERE number = {seal.number};"
            f"DELETE FROM ledger_seal_balances WHERE number = {seal.number}"
        )
    assert ledger_seal.check() == ledger_seal.check(NOW) == []

    ledger_seal.daily(NOW + timedelta(days=3))

    assert seals(sealed)[-1][0] == 4
    kept = "SELECT number, balance FROM ledger_seal_balances WHERE account = 'owed:member'"
    assert sealed.execute_simple(kept).rows == [[4, db.atomically(lambda tx: ledger.balance(tx, "owed:member")).micro]]
    assert ledger_seal.check() == ledger_seal.check(NOW) == []


def test_what_was_tampered_with_long_ago_is_found_within_so_many_days_as_it_takes_to_come_round(
    sealed: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_seal, "SEALS_VERIFIED", 1)
    monkeypatch.setattr(ledger_seal, "SEALS_AGAIN", 1)
    sealed.execute_simple("UPDATE ledger_journals SET ref = 'other' WHERE id = 1")

    found = [bool(ledger_seal.check(NOW + timedelta(days=day))) for day in range(2)]

    assert sorted(found) == [False, True]
