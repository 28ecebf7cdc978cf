"""The pool of affiliates is divided each week by chips, to the micro-USDT, whenever and however often the job runs."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from typing import cast

import pytest
from pg8000.dbapi import Connection

from functions.affiliate_week import marks, recount_store, share_store
from functions.affiliate_week.week_store import Week
from shared import db, settings
from shared.auth import Role
from shared.db import Tx
from shared.values.money import ZERO, Usdt
from tests import factories
from tests.factories import Somebody
from tests.fakes.lock_waits import run_blocked
from tests.fakes.week_rows import AFTER, CUT, SUNDAY, WEEK, Weeks, wallet

HUNDRED = Usdt.of(100)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


def treasurers(count: int = 1) -> list[Somebody]:
    return [factories.member(role=Role.TREASURY) for _ in range(count)]


def test_shares_sum_to_the_pool_and_what_is_left_goes_to_the_largest_remainders(weeks: Weeks) -> None:
    people = [factories.member() for _ in range(3)]
    for person, chips in zip(people, (1, 1, 1), strict=True):
        weeks.scan(person, chips)
    weeks.fill(HUNDRED)
    weeks.run()
    shares = weeks.shares()
    assert sorted(share for _, _, share in shares.values()) == [33_333_333, 33_333_333, 33_333_334]
    in_order = weeks.rows("SELECT share FROM affiliate_week_shares ORDER BY mark")
    assert [share for (share,) in in_order] == [it.micro for it in HUNDRED.allocate([1, 1, 1])]
    assert weeks.week()["state"] == "ready"
    assert weeks.balances() == {"week:affiliate": HUNDRED.micro}


def test_the_mark_of_a_share_is_what_its_owner_can_compute(weeks: Weeks) -> None:
    weeks.scan(factories.member())
    weeks.fill(HUNDRED)
    weeks.run()
    ((mark, secret),) = weeks.rows(
        "SELECT mark, secret FROM affiliate_week_shares JOIN mark_secrets ON member_id = affiliate_id"
    )
    assert marks.mark(cast("bytes", secret), f"week:{SUNDAY}") == mark


def test_a_week_is_a_range_of_numbers_that_begins_where_the_last_one_ended(weeks: Weeks) -> None:
    somebody = factories.member()
    weeks.fill(HUNDRED)
    before = weeks.scan(somebody, 3, CUT - MINUTE)
    after = weeks.scan(somebody, 2, CUT)
    weeks.run()
    assert (weeks.week()["first_number"], weeks.week()["last_number"]) == (1, before[-1])
    assert weeks.shares()[somebody.id][0] == len(before)
    weeks.fill(HUNDRED, AFTER)
    weeks.run(AFTER + WEEK)
    following = weeks.week(SUNDAY + WEEK)
    assert (following["first_number"], following["last_number"]) == (before[-1] + 1, after[-1])
    assert weeks.shares(SUNDAY + WEEK)[somebody.id][0] == len(after)


def test_nothing_is_opened_before_the_scans_of_the_week_are_there(weeks: Weeks) -> None:
    weeks.run(CUT + timedelta(minutes=4))
    assert weeks.rows("SELECT max(week_on) FROM affiliate_weeks") == [(SUNDAY - WEEK,)]
    weeks.run(AFTER)
    assert weeks.week()["state"] == "completed"


def test_a_week_that_is_opened_three_weeks_late_is_the_same(weeks: Weeks) -> None:
    """It divides what the pool held when it ended, and each missed week what came in it."""
    somebody, other = factories.member(), factories.member()
    weeks.run(AFTER - WEEK)
    for late in range(3):
        weeks.scan(somebody, 1 + late, CUT - MINUTE + late * WEEK)
        weeks.scan(other, 1, CUT - MINUTE + late * WEEK)
        weeks.fill(Usdt.of(10 + late), CUT - MINUTE + late * WEEK)
    weeks.run(AFTER + 2 * WEEK)
    assert [weeks.week(SUNDAY + late * WEEK)["pool"] for late in range(3)] == [10_000_000, 11_000_000, 12_000_000]
    assert [weeks.shares(SUNDAY + late * WEEK)[somebody.id][0] for late in range(3)] == [1, 2, 3]


def test_a_pool_without_chips_waits_for_the_next_week(weeks: Weeks) -> None:
    weeks.fill(HUNDRED)
    weeks.run()
    assert (weeks.week()["state"], weeks.week()["outcome"]) == ("completed", "no_chips")
    assert weeks.balances() == {"pool:affiliate": HUNDRED.micro}


@pytest.mark.parametrize("pool", [ZERO, Usdt.of(-5)], ids=["empty", "below zero"])
def test_chips_without_a_pool_count_in_the_next_week(weeks: Weeks, pool: Usdt) -> None:
    somebody = factories.member()
    weeks.scan(somebody, 4)
    if pool:
        weeks.fill(pool)
    weeks.run()
    assert (weeks.week()["state"], weeks.week()["outcome"], weeks.week()["pool"]) == ("completed", "no_pool", 0)
    weeks.scan(somebody, 1, AFTER)
    weeks.fill(HUNDRED, AFTER)
    weeks.run(AFTER + WEEK)
    assert weeks.shares(SUNDAY + WEEK) == {somebody.id: (5, 0, HUNDRED.micro + pool.micro)}


def test_chips_beyond_the_most_that_count_are_vaulted_with_the_approval(
    weeks: Weeks, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    del monkeypatch
    sql.execute_simple("UPDATE settings SET value = value || '{\"chips_max\": 3}' WHERE name = 'affiliate_week'")
    settings.forget()
    rich, poor = factories.member(), factories.member()
    weeks.scan(rich, 5)
    weeks.scan(poor, 1)
    weeks.fill(HUNDRED)
    weeks.run()
    assert weeks.shares() == {rich.id: (3, 2, 75_000_000), poor.id: (1, 0, 25_000_000)}
    assert weeks.rows("SELECT 1 FROM vault_lots") == []
    weeks.agree(*treasurers())
    weeks.run()
    assert weeks.rows("SELECT affiliate_id, kind, left_chips, vaulted_at, expires_at FROM vault_lots") == [
        (rich.id, "overflow", 2, CUT, CUT + timedelta(days=365))
    ]


def test_chips_of_doubted_scans_wait_and_count_once_people_have_cleared_them(weeks: Weeks) -> None:
    somebody, other = factories.member(), factories.member()
    good, open_one, cleared, fraud = weeks.scan(somebody, 4)
    weeks.scan(other)
    for number in (open_one, cleared, fraud):
        weeks.flag(number)
    weeks.judge(cleared, "cleared")
    weeks.judge(fraud, "confirmed")
    weeks.fill(HUNDRED)
    weeks.run()
    assert weeks.shares()[somebody.id][0] == len([good, cleared])
    weeks.agree(*treasurers())
    weeks.run()
    weeks.judge(open_one, "cleared")
    for _ in range(2):
        weeks.run(AFTER + timedelta(hours=1))
    assert weeks.rows("SELECT kind, chips, week_on FROM chip_moves") == [("cleared", 1, SUNDAY + WEEK)]
    weeks.fill(HUNDRED, AFTER)
    weeks.run(AFTER + WEEK)
    assert weeks.shares(SUNDAY + WEEK) == {somebody.id: (1, 0, HUNDRED.micro)}


def test_a_scan_that_is_doubted_while_its_week_is_counted_counts(weeks: Weeks, monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = factories.member()
    first, second = weeks.scan(somebody, 2)
    weeks.flag(first)
    weeks.fill(HUNDRED)
    counted = share_store._insert_shares

    def doubted_meanwhile(tx: Tx, week: Week) -> None:
        weeks.flag(second)
        counted(tx, week)

    monkeypatch.setattr(share_store, "_insert_shares", doubted_meanwhile)
    weeks.run()
    assert weeks.shares()[somebody.id][0] == 1
    assert weeks.rows("SELECT scan_number FROM withheld_chips") == [(first,)]
    assert db.atomically(recount_store.differences, SUNDAY) == []


def test_a_scan_that_is_doubted_later_changes_no_recount(weeks: Weeks) -> None:
    somebody = factories.member()
    first, second = weeks.scan(somebody, 2)
    weeks.fill(HUNDRED)
    weeks.run()
    for number in (first, second):
        weeks.flag(number)
    weeks.judge(first, "confirmed")
    assert weeks.shares()[somebody.id][0] == 2
    assert db.atomically(recount_store.differences, SUNDAY) == []


def test_a_run_waits_for_moves_of_chips_only_if_a_week_has_ended(weeks: Weeks, sql: Connection) -> None:
    weeks.run()

    def moved(tx: Tx) -> None:
        tx.scalar(date, "SELECT chip_week(:now) AS week_on", now=AFTER)

    with ThreadPoolExecutor(1) as threads:
        with db.transaction() as tx:
            moved(tx)
            threads.submit(weeks.run).result(10)
        assert weeks.rows("SELECT max(week_on) FROM affiliate_weeks") == [(SUNDAY,)]
    run_blocked(sql, moved, lambda: weeks.run(AFTER + WEEK), before_the_end=lambda _: None)
    assert weeks.rows("SELECT max(week_on) FROM affiliate_weeks") == [(SUNDAY + WEEK,)]


def test_no_chips_move_between_a_weeks_end_and_its_opening(weeks: Weeks) -> None:
    somebody = factories.member()
    doubted, _ = weeks.scan(somebody, 2)
    weeks.flag(doubted)
    weeks.fill(HUNDRED)
    weeks.run()
    weeks.agree(*treasurers())
    weeks.run()
    weeks.judge(doubted, "cleared")

    weeks.run(CUT + WEEK + 4 * MINUTE)
    assert weeks.rows("SELECT kind FROM chip_moves") == []

    weeks.run(CUT + WEEK + 5 * MINUTE)
    assert weeks.rows("SELECT kind, chips, week_on FROM chip_moves") == [("cleared", 1, SUNDAY + 2 * WEEK)]


def test_accounts_that_are_closed_have_no_share(weeks: Weeks, sql: Connection) -> None:
    gone, here = factories.member(), factories.member()
    weeks.scan(gone, 3)
    weeks.scan(here, 1)
    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (gone.id,))
    weeks.fill(HUNDRED)
    weeks.run()
    assert weeks.shares() == {here.id: (1, 0, HUNDRED.micro)}


def test_who_closes_the_account_before_the_approval_leaves_the_share_to_the_pool(weeks: Weeks, sql: Connection) -> None:
    gone, here = factories.member(), factories.member()
    weeks.scan(gone, 1)
    weeks.scan(here, 1)
    weeks.fill(HUNDRED)
    weeks.run()
    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (gone.id,))
    weeks.agree(*treasurers())
    weeks.run()
    half = HUNDRED.micro // 2
    assert weeks.balances() == {"pool:affiliate": half, "owed:affiliate": half}


def test_sixteen_runs_at_once_make_one_week(weeks: Weeks) -> None:
    for chips in (1, 2, 3):
        weeks.scan(factories.member(wallet=wallet()), chips)
    weeks.fill(HUNDRED)
    with ThreadPoolExecutor(16) as threads:
        for done in [threads.submit(weeks.run) for _ in range(16)]:
            done.result()
    weeks.run()
    once = weeks.week()
    assert (once["state"], once["recipients"], once["proposed"]) == ("ready", 3, HUNDRED.micro)
    weeks.agree(*treasurers())
    with ThreadPoolExecutor(16) as threads:
        for done in [threads.submit(weeks.run) for _ in range(16)]:
            done.result()
    weeks.run()
    assert len(weeks.money_payouts()) == 3
    assert weeks.week()["digest"] == once["digest"]
    assert weeks.balances() == {"owed:affiliate": HUNDRED.micro}


def test_a_rejected_week_is_counted_anew_with_the_same_range_and_pool(weeks: Weeks) -> None:
    somebody = factories.member(wallet=wallet())
    number, _ = weeks.scan(somebody, 2)
    weeks.flag(number)
    weeks.fill(HUNDRED)
    weeks.run()
    before = weeks.week()
    weeks.judge(number, "cleared")
    weeks.agree(*treasurers(), verdict="reject")
    weeks.run(AFTER + MINUTE)
    after = weeks.week()
    assert after["state"] == "ready"
    same = ("first_number", "last_number", "pool")
    assert [after[name] for name in same] == [before[name] for name in same]
    assert (before["chips"], after["chips"]) == (1, 2)
    assert after["payment_digest"] != before["payment_digest"]
    weeks.agree(*treasurers())
    weeks.run(AFTER + 2 * MINUTE)
    assert weeks.payouts() == [(somebody.id, "requested", HUNDRED.micro)]
