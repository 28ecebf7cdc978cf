"""A week of any size is proposed and asked for in portions, each of which costs the same and may be the last one of a
process that dies.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from pg8000.dbapi import Connection

from emulators.process import wait_until
from functions.affiliate_week import payout_store, proposal_store, recount_store, share_store, week_store
from functions.profile import closing
from shared import db, settings
from shared.affiliates import payouts
from shared.auth import Role
from shared.database.session import Session
from shared.db import Tx
from shared.values.money import Usdt
from tests import factories
from tests.factories import Somebody
from tests.fakes.crashes import Crash, crash
from tests.fakes.lock_waits import run_blocked
from tests.fakes.week_rows import AFTER, CUT, SUNDAY, WEEK, Weeks, wallet

HUNDRED = Usdt.of(100)
MINUTE = timedelta(minutes=1)
SMALL = 2  # affiliates of a portion, where a test needs many portions
KEPT = "week_on, digest, recipients, proposed, approvals"


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


@pytest.fixture
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for store in (proposal_store, payout_store):
        monkeypatch.setattr(store, "PORTION", SMALL)


def in_order(count: int) -> list[Somebody]:
    """Members with a wallet each, in the order in which portions take them."""
    return sorted((factories.member(wallet=wallet()) for _ in range(count)), key=lambda somebody: somebody.id)


def counted(weeks: Weeks, *people: Somebody) -> None:
    """A week whose pool of a hundred these people share, and which proposes nothing yet."""
    for person in people:
        weeks.scan(person)
    weeks.fill(HUNDRED)
    assert db.atomically(week_store.open_next, AFTER)
    step(share_store.count)


def step(does: Callable[..., bool], now: datetime = AFTER) -> bool:
    def work(tx: Tx) -> bool:
        week = week_store.lock(tx, SUNDAY)
        assert week
        return does(tx, week, now)

    return db.atomically(work)


def agreed(weeks: Weeks) -> None:
    weeks.agree(factories.member(role=Role.TREASURY))


def asked_for(weeks: Weeks) -> Sequence[Any]:
    """The members whose payouts the machine has, and their amounts."""
    return weeks.rows("SELECT member_id, amount FROM payouts WHERE source_kind = 'affiliate_payout' ORDER BY 1, 2")


def kept(weeks: Weeks) -> Any:
    (row,) = weeks.rows(f"SELECT {KEPT} FROM affiliate_weeks WHERE week_on = $1", SUNDAY)
    return row


@pytest.mark.usefixtures("_small")
def test_a_portion_is_noted_with_what_it_proposes(weeks: Weeks) -> None:
    people = in_order(5)
    counted(weeks, *people)
    seen = []
    for _ in range(3):
        step(proposal_store.propose)
        seen.append((len(weeks.payouts()), weeks.week()["done_affiliate"], weeks.week()["state"]))
    assert seen == [(n, str(people[n - 1].id), "counted") for n in (2, 4, 5)]
    step(proposal_store.propose)
    assert (weeks.week()["state"], weeks.week()["done_affiliate"], weeks.week()["recipients"]) == ("ready", None, 5)


def test_the_size_of_portions_changes_nothing_that_people_agree_to(
    weeks: Weeks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week that is rejected is counted and proposed anew: in one portion or six it is the same."""
    people = in_order(6)
    weeks.earn(people[3], Usdt.of(50))
    counted(weeks, *people)
    digests: list[object] = []
    for size in (100, 1, 4, 6):
        monkeypatch.setattr(proposal_store, "PORTION", size)
        weeks.run(AFTER + len(digests) * MINUTE)
        assert weeks.week()["state"] == "ready"
        digests.append((weeks.week()["payment_digest"], kept(weeks)))
        weeks.agree(factories.member(role=Role.TREASURY), verdict="reject")
    assert len(set(digests)) == 1


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", ["execute", "commit"])
def test_a_week_that_dies_at_any_statement_ends_as_one_that_lives(weeks: Weeks, name: str, after: bool) -> None:
    """Killed before or after each statement and commit, between portions and inside them: the same digests, and one
    payout for each.
    """
    people = in_order(5)
    weeks.earn(people[0], Usdt.of(50))
    counted(weeks, *people)
    shares = weeks.shares()
    deaths = dying(weeks, name, after)
    assert weeks.week()["state"] == "ready"
    assert deaths > 3
    assert digests(weeks) == counted_anew(weeks)
    agreed(weeks)
    deaths = dying(weeks, name, after)
    assert weeks.week()["state"] == "told"
    assert deaths > 3
    owed = {who: share for who, (_, _, share) in shares.items()}
    owed[people[0].id] += 10_500_000
    assert dict(asked_for(weeks)) == owed
    assert len(asked_for(weeks)) == len(people)
    assert weeks.rows("SELECT sum(amount) FROM affiliate_payout_lines") == [(sum(owed.values()),)]
    assert len(weeks.rows("SELECT 1 FROM notifications WHERE code = 'week_shared'")) == len(people)


def digests(weeks: Weeks) -> list[Any]:
    return weeks.rows("SELECT digest, payment_digest FROM affiliate_weeks")


def counted_anew(weeks: Weeks) -> list[Any]:
    """The digests of the same week after people have rejected it and a run that lives has counted it."""
    weeks.agree(factories.member(role=Role.TREASURY), verdict="reject")
    weeks.run(AFTER + MINUTE)
    assert weeks.week()["state"] == "ready"
    return digests(weeks)


def dying(weeks: Weeks, name: str, after: bool) -> int:
    """Run the job until it ends by itself, and have each run die one call later than the one before it."""
    for at in range(1, 1_000):
        with crash(Session, name, at=at, after=after):
            try:
                weeks.run()
            except Crash:
                wait_until(lambda: not others_at_work(weeks), "the dead run's transaction is over")
                continue
        return at - 1
    raise AssertionError("the job never ended")


def others_at_work(weeks: Weeks) -> bool:
    """Whether a session is still in a transaction: a run leaves a week alone that another one has locked."""
    ((count,),) = weeks.rows(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
    )
    return bool(count)


@pytest.mark.usefixtures("_small")
def test_many_runs_at_once_share_the_portions(weeks: Weeks) -> None:
    people = in_order(9)
    counted(weeks, *people)
    for state in ("ready", "told"):
        with ThreadPoolExecutor(8) as threads:
            for done in [threads.submit(weeks.run) for _ in range(8)]:
                done.result()
        weeks.run()
        assert weeks.week()["state"] == state
        if state == "ready":
            agreed(weeks)
    assert [who for who, _ in asked_for(weeks)] == [person.id for person in people]


@pytest.mark.usefixtures("_small")
def test_accounts_that_close_between_portions_are_in_no_figure(weeks: Weeks) -> None:
    """One whose payout is proposed already, and one whose turn has not come."""
    people = in_order(6)
    counted(weeks, *people)
    step(proposal_store.propose)
    for gone in (people[1], people[4]):
        db.atomically(closing.close, gone.id, forfeit=True, now=AFTER)
    weeks.run()
    here = [people[n] for n in (0, 2, 3, 5)]
    share = weeks.shares()[here[0].id][2]
    assert kept(weeks)[2:4] == (4, sum(weeks.shares()[it.id][2] for it in here))
    agreed(weeks)
    weeks.run()
    assert [who for who, _ in asked_for(weeks)] == [it.id for it in here]
    assert abs(weeks.balances()["pool:affiliate"] - 2 * share) <= 2


@pytest.mark.usefixtures("_small")
def test_a_week_that_was_rejected_proposes_all_portions_anew(weeks: Weeks) -> None:
    people = in_order(5)
    counted(weeks, *people)
    weeks.run()
    before = weeks.rows("SELECT id FROM affiliate_payouts ORDER BY id")
    weeks.agree(factories.member(role=Role.TREASURY), verdict="reject")
    for does in (proposal_store.settle, share_store.count, proposal_store.propose):
        step(does, AFTER + MINUTE)
    assert [who for who, _, _ in weeks.payouts()] == [it.id for it in people[:SMALL]]
    weeks.run(AFTER + MINUTE)
    assert kept(weeks)[2:4] == (5, HUNDRED.micro)
    assert not set(before) & set(weeks.rows("SELECT id FROM affiliate_payouts"))


@pytest.mark.usefixtures("_small")
def test_what_is_earned_between_portions_is_paid_once(weeks: Weeks) -> None:
    """To whom nothing is proposed yet it is paid with the week, to the others with the next one."""
    people = in_order(4)
    counted(weeks, *people)
    step(proposal_store.propose)
    for person in (people[0], people[3]):
        weeks.earn(person, Usdt.of(50))
    weeks.run()
    agreed(weeks)
    weeks.run()
    quarter = HUNDRED.micro // 4
    amounts = [quarter, quarter, quarter, quarter + 10_500_000]
    assert asked_for(weeks) == [(it.id, amount) for it, amount in zip(people, amounts, strict=True)]
    weeks.fill(Usdt.of(4), AFTER)
    for person in people:
        weeks.scan(person, at=AFTER)
    weeks.run(AFTER + WEEK)
    assert weeks.week(SUNDAY + WEEK)["proposed"] == 4_000_000 + 10_500_000


@pytest.mark.usefixtures("_small")
def test_a_wallet_that_is_linked_between_portions_is_paid_what_was_promised_before(weeks: Weeks) -> None:
    """Its share of this week comes with the week, if its turn has not come, and what was owed at once: each once."""
    people = in_order(5)
    late = people[4]
    weeks.rows("UPDATE members SET wallet_address = NULL WHERE id = $1 RETURNING 1", late.id)
    weeks.earn(late, Usdt.of(50))
    counted(weeks, *people)
    step(proposal_store.propose)
    address = wallet()
    weeks.rows("UPDATE members SET wallet_address = $2 WHERE id = $1 RETURNING 1", late.id, address)
    assert db.atomically(payouts.pay_owed, late.id, address, AFTER)
    weeks.run()
    agreed(weeks)
    weeks.run()
    assert [amount for who, amount in asked_for(weeks) if who == late.id] == [10_500_000, HUNDRED.micro // 5]


@pytest.mark.usefixtures("_small")
def test_who_may_not_be_paid_is_left_out_of_a_portion_that_has_room(weeks: Weeks, sql: Connection) -> None:
    """The place of whoever is left out is not given to somebody at whom nobody has looked."""
    people = in_order(6)
    counted(weeks, *people)
    weeks.run()
    suspended = [people[n].id for n in (0, 2, 4)]
    sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = ANY($1)", (suspended,))
    agreed(weeks)
    weeks.run()
    assert [who for who, _ in asked_for(weeks)] == [people[n].id for n in (1, 3, 5)]
    assert sorted(who for who, state, _ in weeks.payouts() if state == "cancelled") == suspended


def test_two_runs_of_one_moment_ask_for_no_more_than_an_hours_part(
    weeks: Weeks, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payout_store, "PORTION", 3)
    sql.execute_simple(
        "UPDATE settings SET value = jsonb_set(value, '{affiliate,hour}', '\"50.00\"') WHERE name = 'payout_limits'"
    )
    settings.forget()
    counted(weeks, *in_order(10))
    weeks.run()
    agreed(weeks)
    for _ in range(3):
        weeks.run()
    assert len(asked_for(weeks)) == 4  # 80 % of 50 USDT
    weeks.run(AFTER + timedelta(hours=1, seconds=1))
    assert len(asked_for(weeks)) == 8


def test_chips_move_beside_a_step_of_the_newest_week(weeks: Weeks, sql: Connection) -> None:
    """Members vault and withdraw, however long a step takes; only the opening of a week waits for them."""
    counted(weeks, factories.member(wallet=wallet()))

    def moved(tx: Tx) -> object:
        return tx.scalar(str, "SELECT CAST(chip_week(:now) AS text) AS week_on", now=AFTER)

    with db.transaction() as tx:
        assert week_store.lock(tx, SUNDAY)
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(db.atomically, moved).result(10) == str(SUNDAY + WEEK)
    with db.transaction() as tx:
        moved(tx)
        assert week_store.lock(tx, SUNDAY)
    run_blocked(sql, moved, lambda: weeks.run(AFTER + WEEK), before_the_end=lambda _: None)


ROWS_READ = """
    SELECT CAST(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS bigint) AS read FROM pg_stat_xact_user_tables
"""
MEMBERS = """
    INSERT INTO members (id, email, email_verified_at, password_hash, username, full_name, date_of_birth,
                         wallet_address, created_at, updated_at)
    SELECT CAST(md5('many' || n) AS uuid), 'many' || n || '@example.com', now(), 'none', 'many' || n, 'Many',
           '1990-06-15', '0x' || lpad(to_hex(n), 40, '0'), now(), now()
    FROM generate_series(1, $1::integer) AS n RETURNING 1
"""
CHIPS = """
    INSERT INTO affiliate_chips (id, affiliate_id, kind, chips, scan_number, earned_at)
    SELECT gen_random_uuid(), CAST(md5('many' || n) AS uuid), 'referral_scan', 1, n, $2
    FROM generate_series(1, $1::integer) AS n RETURNING 1
"""


LAST_SCAN = """
    INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, tier, quarter, quarter_scans)
    VALUES (gen_random_uuid(), $1, $2, '', 'X', $3, 'qr', 'standard', '2026-Q4', 1) RETURNING 1
"""


def many_counted(weeks: Weeks, count: int, left_over: int = 0) -> None:
    """A week that many members share, and which proposes nothing yet: two USDT for each, and so much more."""
    weeks.sql.execute_simple("SET session_replication_role = replica")
    weeks.rows(MEMBERS, count)
    weeks.rows(CHIPS, count, CUT - MINUTE)
    weeks.sql.execute_simple("SET session_replication_role = origin; ANALYZE members")
    weeks.rows(LAST_SCAN, count, factories.member().id, CUT - MINUTE)
    weeks.fill(Usdt.of(2 * count) + Usdt(left_over))
    assert db.atomically(week_store.open_next, AFTER)
    step(share_store.count)


def rows_read(does: Callable[..., bool]) -> int:
    """The rows that a step reads, those of triggers and foreign keys included."""

    def work(tx: Tx) -> int:
        week = week_store.lock(tx, SUNDAY)
        assert week
        before = tx.scalar_or_none(int, ROWS_READ) or 0
        assert does(tx, week, AFTER)
        return tx.scalar(int, ROWS_READ) - before

    return db.atomically(work)


def test_each_portion_reads_as_many_rows_however_many_are_done(weeks: Weeks, monkeypatch: pytest.MonkeyPatch) -> None:
    portion, portions = 500, 12
    for store in (proposal_store, payout_store):
        monkeypatch.setattr(store, "PORTION", portion)
    many_counted(weeks, portion * portions)
    proposing = [rows_read(proposal_store.propose) for _ in range(portions)]
    step(proposal_store.propose)
    assert weeks.week()["state"] == "ready"
    weeks.agree(*(factories.member(role=Role.TREASURY) for _ in range(2)))
    step(proposal_store.settle)
    asking = [rows_read(payout_store.request_portion) for _ in range(portions)]
    step(payout_store.request_portion)
    assert weeks.week()["state"] == "requested"
    for read in (proposing, asking):
        assert max(read) < 2 * min(read), read  # plans may differ; with all that is done it would be twelve times


def test_the_lines_of_twenty_thousand_payouts_are_checked_in_one_statement(
    weeks: Weeks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the time that any statement may take; comparing each with each takes several times as long."""
    monkeypatch.setattr(proposal_store, "PORTION", 20_000)
    many_counted(weeks, 20_000, left_over=7_777)
    step(proposal_store.propose)
    assert weeks.rows("SELECT count(*), count(DISTINCT payout_id) FROM affiliate_payout_lines") == [(20_000, 20_000)]
    step(proposal_store.propose)
    weeks.sql.execute_simple("ANALYZE")  # as Postgres does by itself soon; tests have that off
    assert db.atomically(recount_store.differences, SUNDAY) == []


def test_a_failure_at_recipient_417_of_900_leaves_whole_portions(
    weeks: Weeks, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again with each run, and everybody else of the portions before is paid meanwhile."""
    monkeypatch.setattr(payout_store, "PORTION", 100)
    many_counted(weeks, 900)
    weeks.run()
    agreed(weeks)
    sql.execute_simple(
        """
        CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.member_id = (SELECT id FROM members WHERE wallet_address <> '' ORDER BY id OFFSET 416 LIMIT 1) THEN
                RAISE 'no room';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER fails BEFORE INSERT ON payouts FOR EACH ROW EXECUTE FUNCTION fails()
        """
    )
    for _ in range(2):
        with pytest.raises(ExceptionGroup) as failures:
            weeks.run()
        assert "no room" in str(failures.value.exceptions[0])
        assert len(asked_for(weeks)) == 400
    sql.execute_simple("DROP TRIGGER fails ON payouts")
    weeks.run()
    assert weeks.week()["state"] == "told"
    assert [amount for _, amount in asked_for(weeks)] == 900 * [2_000_000]
    assert len({who for who, _ in asked_for(weeks)}) == 900
    assert weeks.balances() == {"owed:affiliate": 1_800_000_000}
