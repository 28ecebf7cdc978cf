"""Many writers at once: every balance is the sum of its lines, no shard is hot, and nobody waits for long."""

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from pg8000.dbapi import Connection

from shared import db
from shared.ledger import journals
from shared.values.money import Usdt
from tests.fakes.payout_rows import NOW

SEED = 20261129
WRITERS = 32
JOURNALS = 640
ACCOUNTS = [f"{kind}:{name}" for kind in ("treasury", "in_flight", "paid", "pool") for name in ("member", "affiliate")]
PARALLEL_SECONDS_MAX = 20.0  # measured: about one; a storm of deadlocks waits a second for each


class Undone(Exception):
    """The writer changed its mind."""


def random_lines(chance: random.Random) -> dict[str, Usdt]:
    """Two to six accounts, amounts from a micro-USDT to a million USDT, summing to zero."""
    accounts = chance.sample(ACCOUNTS, chance.randint(2, 6))
    amounts = [chance.choice((1, -1)) * 10 ** chance.randint(0, 12) for _ in accounts[1:]]
    return dict(zip(accounts, [Usdt(-sum(amounts)), *map(Usdt, amounts)], strict=True))


def write_at_random(number: int) -> None:
    """One transaction with one journal; every fifth is undone. Nothing is tried twice: a deadlock fails the test."""
    lines = random_lines(random.Random(SEED + number))  # noqa: S311 - repeatable on purpose
    with suppress(Undone), db.transaction() as tx:
        journals.post(tx, f"{number}", lines, NOW)
        if number % 5 == 0:
            raise Undone


def write_as_the_functions_do(number: int) -> None:
    """One transaction with several journals of one kind: a scan with two prizes, a batch of payments."""
    treasury = ("member", "affiliate", "wholesale")[number % 3]
    kind = (("pool", "owed"), ("treasury", "in_flight"), ("in_flight", "paid"))[number // 3 % 3]
    with db.transaction() as tx:
        for position in range(3):
            source, target = (f"{account}:{treasury}" for account in kind)
            journals.move(tx, f"{number}-{position}", source, target, Usdt(number + 1), NOW)


def at_once(work: Callable[[int], None]) -> float:
    """Seconds that WRITERS needed for all of them."""
    started = time.monotonic()
    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(work, range(JOURNALS)))
    return time.monotonic() - started


def assert_balances_are_sums(sql: Connection) -> None:
    lines = "SELECT account, sum(amount) FROM ledger_postings GROUP BY account ORDER BY account"
    kept = "SELECT account, sum(balance) FROM ledger_balances GROUP BY account ORDER BY account"
    assert sql.execute_simple(kept).rows == sql.execute_simple(lines).rows
    assert sql.execute_simple("SELECT sum(amount) FROM ledger_postings").rows == [[0]]


def test_balances_are_what_random_parallel_journals_say(sql: Connection) -> None:
    seconds = at_once(write_at_random)

    assert_balances_are_sums(sql)
    assert sql.execute_simple("SELECT count(*) FROM ledger_journals").rows == [[JOURNALS * 4 // 5]]
    assert seconds < PARALLEL_SECONDS_MAX


def test_transactions_of_several_journals_do_not_lock_each_other_out(sql: Connection) -> None:
    seconds = at_once(write_as_the_functions_do)

    assert_balances_are_sums(sql)
    assert sql.execute_simple("SELECT count(*) FROM ledger_journals").rows == [[JOURNALS * 3]]
    assert seconds < PARALLEL_SECONDS_MAX


def test_the_balance_of_an_account_is_read_from_its_shards(sql: Connection) -> None:
    for number in range(40):
        db.atomically(journals.move, f"{number}", "pool:member", "owed:member", Usdt(number + 1), NOW)

    assert db.atomically(lambda tx: journals.balance(tx, "owed:member")) == Usdt(820)
    assert db.atomically(lambda tx: journals.balance(tx, "pool:member")) == Usdt(-820)
    assert db.atomically(lambda tx: journals.balance(tx, "settled:member")) == Usdt(0)
    shards = sql.execute_simple("SELECT count(*) FROM ledger_balances WHERE account = 'owed:member'").rows
    assert shards[0][0] > 8


def test_writers_of_one_account_do_not_wait_for_each_other() -> None:
    """A transaction that is open on one shard lets the others pass."""
    passed = 0
    with db.transaction() as tx:
        journals.move(tx, "open", "pool:member", "owed:member", Usdt(1), NOW)
        for number in range(8):
            with db.transaction() as other:
                other.run("SET LOCAL lock_timeout = '100ms'")
                journals.move(other, f"passes-{number}", "pool:member", "owed:member", Usdt(1), NOW)
            passed += 1

    assert passed == 8
    assert db.atomically(lambda tx: journals.balance(tx, "owed:member")) == Usdt(9)


def test_of_64_who_post_one_journal_one_does(sql: Connection) -> None:
    def post(_: int) -> str:
        try:
            db.atomically(lambda tx: journals.move(tx, "same", "pool:member", "owed:member", Usdt(7), NOW))
        except db.ConstraintViolated as refused:
            return refused.constraint
        return "posted"

    with ThreadPoolExecutor(64) as threads:
        outcomes = sorted(threads.map(post, range(64)))

    assert outcomes == ["ledger_journals_ref_key"] * 63 + ["posted"]
    assert db.atomically(lambda tx: journals.balance(tx, "owed:member")) == Usdt(7)
    assert sql.execute_simple("SELECT count(*) FROM ledger_postings").rows == [[2]]
