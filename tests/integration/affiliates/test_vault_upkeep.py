"""The vault in time: members are warned before chips expire, and what stays for a month earns its bonus, each once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from pg8000.dbapi import Connection

from functions.affiliate_vault import bonus_store, rules
from tests import factories
from tests.factories import Somebody
from tests.fakes.crashes import Crash, crash, killed_after
from tests.fakes.vault_rows import LIFE, MONDAY, Vaults

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
END = MONDAY + LIFE  # of what is vaulted on that Monday, a 23rd of November
JANUARY, FEBRUARY = (datetime(2027, month, 1, 0, 7, tzinfo=UTC) for month in (1, 2))


@pytest.fixture
def vaults(sql: Connection) -> Iterator[Vaults]:
    made = Vaults(sql)
    made.begin()
    yield made
    for (affiliate,) in made.rows("SELECT affiliate_id FROM chip_vaults"):
        where = dict(made.where_chips_are(affiliate))
        assert where.pop("in") == sum(where.values())


def vaulted(vaults: Vaults, chips: int, at: datetime = MONDAY, somebody: Somebody | None = None) -> Somebody:
    """A member with so many vaulted chips."""
    who = somebody or factories.member()
    vaults.scan(who, chips, at)
    assert vaults.vault(who, chips, at) == ""
    return who


def through(vaults: Vaults, until: datetime) -> None:
    """Have all weeks be opened that end before."""
    vaults.run(until)


def bonuses(vaults: Vaults, who: Somebody) -> list[int]:
    return [chips for kind, chips in vaults.moved(who) if kind == "bonus"]


# ------------------------------------------------------------------------------------------------------------ warnings
def test_a_member_is_told_thirty_and_seven_days_before_in_one_note_for_all(vaults: Vaults) -> None:
    somebody = vaulted(vaults, 3)
    vaulted(vaults, 4, MONDAY + HOUR, somebody)
    vaulted(vaults, 5, MONDAY + 2 * DAY, somebody)
    told = {
        END - 30 * DAY - timedelta(hours=9): [],
        END - 30 * DAY: [7],
        END - 28 * DAY: [7, 5],
        END - 7 * DAY - timedelta(hours=9): [7, 5],
        END - 7 * DAY: [7, 5, 7],
        END - 5 * DAY: [7, 5, 7, 5],
        END - HOUR: [7, 5, 7, 5],
    }
    for moment, expected in told.items():
        for minutes in (0, 5):
            vaults.keep(moment + timedelta(minutes=minutes))
        assert [chips for chips, _ in vaults.notes(somebody)] == expected


def test_a_job_that_was_down_for_a_month_tells_once(vaults: Vaults) -> None:
    somebody = vaulted(vaults, 3)
    for moment in (END - 3 * DAY, END - 2 * DAY):
        vaults.keep(moment)
    assert [chips for chips, _ in vaults.notes(somebody)] == [3]


def test_nobody_is_told_of_what_has_gone(vaults: Vaults, sql: Connection) -> None:
    withdrew, partly, closed, late = (vaulted(vaults, 3) for _ in range(4))
    assert vaults.withdraw(withdrew, 3) == vaults.withdraw(partly, 1) == ""
    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (closed.id,))
    vaults.keep(END - 30 * DAY)
    assert [vaults.notes(who) for who in (withdrew, closed)] == [[], []]
    assert [[chips for chips, _ in vaults.notes(who)] for who in (partly, late)] == [[2], [3]]
    vaults.keep(END)
    assert len(vaults.notes(late)) == 1


def test_runs_beside_each_other_and_killed_ones_tell_once(vaults: Vaults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PORTION", 2)
    people = [vaulted(vaults, 1) for _ in range(7)]
    for transactions in range(1, 5):
        with killed_after(transactions):
            vaults.keep(END - 30 * DAY)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: vaults.keep(END - 30 * DAY + HOUR), range(4)))
    assert [len(vaults.notes(who)) for who in people] == [1] * 7


def test_the_note_says_how_many_and_until_when(vaults: Vaults) -> None:
    somebody = vaulted(vaults, 1_500)
    vaults.keep(END - 30 * DAY)
    ((title, body),) = vaults.rows("SELECT title, body FROM notifications WHERE member_id = $1", somebody.id)
    assert title == "Vaulted chips that expire soon: 1,500"
    assert body.startswith("They are good until November 23, 2027")


# -------------------------------------------------------------------------------------------------------------- bonus
def test_the_bonus_is_a_fifth_of_the_lowest_balance_of_the_whole_month(vaults: Vaults) -> None:
    early = datetime(2026, 11, 30, 12, tzinfo=UTC)
    through(vaults, early)
    whole, dipped, late, nine, empty = (vaulted(vaults, chips, early) for chips in (13, 25, 4, 9, 5))
    december = datetime(2026, 12, 10, tzinfo=UTC)
    through(vaults, december)
    assert vaults.withdraw(dipped, 14, december) == ""
    vaulted(vaults, 20, december + HOUR, dipped)
    vaulted(vaults, 50, december, late)
    assert vaults.withdraw(empty, 5, december) == ""
    through(vaults, JANUARY)
    vaults.keep(JANUARY)
    assert [bonuses(vaults, who) for who in (whole, dipped, late, nine, empty)] == [[2], [2], [], [1], []]
    assert vaults.shown(nine, JANUARY).vaulted == 9


def test_vaulting_for_a_day_earns_nothing_and_a_bonus_no_bonus(vaults: Vaults) -> None:
    early = datetime(2026, 11, 30, 12, tzinfo=UTC)
    through(vaults, early)
    whole, short = vaulted(vaults, 5, early), factories.member()
    vaulted(vaults, 50, datetime(2026, 12, 1, 0, 0, 0, 1, tzinfo=UTC), short)
    for month in (JANUARY, FEBRUARY):
        through(vaults, month)
        vaults.keep(month)
    assert (bonuses(vaults, whole), bonuses(vaults, short)) == ([1, 1], [10])


def test_a_lot_of_the_first_moment_of_a_month_is_there_all_the_month(vaults: Vaults) -> None:
    first = datetime(2026, 12, 1, tzinfo=UTC)
    through(vaults, first)
    somebody = vaulted(vaults, 5, first)
    through(vaults, JANUARY)
    vaults.keep(JANUARY)
    assert bonuses(vaults, somebody) == [1]


def test_a_job_that_was_down_gives_each_month_once(vaults: Vaults) -> None:
    somebody = vaulted(vaults, 10)
    for month in (datetime(2027, 4, 1, 0, 7, tzinfo=UTC), datetime(2027, 4, 1, 1, 7, tzinfo=UTC)):
        through(vaults, month)
        vaults.keep(month)
    assert bonuses(vaults, somebody) == [2] * 4  # December to March: in November they were not there all the month
    sources = vaults.rows("SELECT left(source, 7) FROM chip_moves WHERE kind = 'bonus' ORDER BY id")
    assert [source for (source,) in sources] == ["2026-12", "2027-01", "2027-02", "2027-03"]


def test_chips_that_expire_in_a_month_earn_nothing_there_even_if_the_job_comes_late(vaults: Vaults) -> None:
    somebody = vaulted(vaults, 10)
    late = datetime(2028, 1, 1, 0, 7, tzinfo=UTC)
    through(vaults, late)
    vaults.keep(late)
    assert len(bonuses(vaults, somebody)) == 11  # December to October; the lot ends in November
    assert vaults.vault_moves(somebody)[-1] == ("expire", 10, END)


def test_while_a_week_is_being_closed_the_bonus_waits(vaults: Vaults) -> None:
    """The 1st of August 2027 is a Sunday."""
    somebody = vaulted(vaults, 10)
    sunday = datetime(2027, 8, 1, 0, 6, tzinfo=UTC)
    through(vaults, sunday - DAY)
    vaults.keep(sunday - DAY)
    given = len(bonuses(vaults, somebody))
    vaults.keep(sunday)
    assert len(bonuses(vaults, somebody)) == given
    through(vaults, sunday + timedelta(minutes=1))
    vaults.keep(sunday + HOUR)
    assert len(bonuses(vaults, somebody)) == given + 1


def test_a_month_ends_five_minutes_later_for_the_bonus(vaults: Vaults) -> None:
    somebody = vaulted(vaults, 10)
    through(vaults, JANUARY)
    vaults.keep(JANUARY - timedelta(minutes=2, microseconds=1))
    assert bonuses(vaults, somebody) == []
    vaults.keep(JANUARY - timedelta(minutes=2))
    assert bonuses(vaults, somebody) == [2]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["open_month", "give_portion", "note_portion"])
def test_a_job_that_dies_anywhere_gives_each_bonus_once(
    name: str, after: bool, vaults: Vaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "PORTION", 2)
    people = [vaulted(vaults, 10) for _ in range(5)]
    through(vaults, FEBRUARY)
    for at in (1, 2, 3):
        with crash(bonus_store, name, at=at, after=after) as died:
            try:
                vaults.keep(FEBRUARY)
            except Crash:
                assert died()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: vaults.keep(FEBRUARY), range(4)))
    assert [bonuses(vaults, who) for who in people] == [[2, 2]] * 5
    assert vaults.rows("SELECT count(*) FROM vault_months WHERE finished_at IS NULL") == [(0,)]


def test_an_account_that_was_closed_earns_nothing(vaults: Vaults, sql: Connection) -> None:
    gone, here = vaulted(vaults, 10), vaulted(vaults, 10)
    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (gone.id,))
    through(vaults, JANUARY)
    vaults.keep(JANUARY)
    assert (bonuses(vaults, gone), bonuses(vaults, here)) == ([], [2])


def test_expiry_takes_portions_and_goes_on_after_a_death(vaults: Vaults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "PORTION", 2)
    people = [vaulted(vaults, 3) for _ in range(5)]
    with killed_after(2):  # the first transaction asks whether the program is open
        vaults.keep(END)
    assert sum(left for who in people for _, _, left in vaults.lots(who)) == 9
    through(vaults, END)
    vaults.keep(END)
    assert [kind for who in people for kind, _, _ in vaults.vault_moves(who)] == ["vault", "expire"] * 5
