"""The new member guarantee, for any day of verification and any sequence of runs: ten comps, each once, in a year."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.comps.guarantees import step
from shared.values import months

PROMISED = 10
days = st.dates(date(2024, 1, 1), date(2032, 12, 31))
counts = st.integers(0, 30)
statuses = st.sampled_from(["active", "active", "active", "suspended", "deleted"])
runs = st.lists(st.tuples(st.integers(-40, 500), statuses), max_size=40)


class Member:
    """A row of `guarantees` and the comps that its member was given, each with its day."""

    def __init__(self, verified_on: date) -> None:
        self.verified_on = verified_on
        self.next_on: date | None = verified_on
        self.comps: list[tuple[int, date]] = []

    def run(self, today: date, status: str = "active", promised: int = PROMISED) -> None:
        if self.next_on is None or self.next_on > today:
            return
        todo = step(self.verified_on, len(self.comps), promised, status, today)
        self.comps += [(number, today) for number in todo.numbers]
        self.next_on = todo.next_on


@given(days, counts)
def test_a_month_later_is_the_next_month_and_the_same_day_or_its_last(day: date, count: int) -> None:
    later = months.after(day, count)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == count
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


@given(days)
def test_a_job_that_runs_every_day_gives_one_comp_a_month_on_its_day(verified_on: date) -> None:
    member = Member(verified_on)
    for passed in range(400):
        member.run(verified_on + timedelta(days=passed))
    assert member.comps == [(month + 1, months.after(verified_on, month)) for month in range(PROMISED)]


@given(days, runs)
def test_whatever_runs_and_whenever_nobody_gets_more_or_earlier_or_after_the_year(
    verified_on: date, runs: list[tuple[int, str]]
) -> None:
    member = Member(verified_on)
    for passed, status in runs:
        member.run(verified_on + timedelta(days=passed), status)
    assert [number for number, _ in member.comps] == list(range(1, len(member.comps) + 1))
    assert len(member.comps) <= PROMISED
    for number, on in member.comps:
        assert months.after(verified_on, number - 1) <= on < months.after(verified_on, 12)


@given(days, runs, st.integers(0, 60))
def test_one_run_late_in_the_year_catches_up_all_ten(verified_on: date, runs: list[tuple[int, str]], late: int) -> None:
    member = Member(verified_on)
    within = [(passed, status) for passed, status in runs if passed < 270 and status != "deleted"]
    for passed, status in within:
        member.run(verified_on + timedelta(days=passed), status)
    member.run(min(months.after(verified_on, 9) + timedelta(days=late), months.after(verified_on, 12) - timedelta(1)))
    assert [number for number, _ in member.comps] == list(range(1, PROMISED + 1))
    assert member.next_on is None


@given(days, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 40)), max_size=30))
def test_an_admin_who_changes_the_number_takes_nothing_back_and_gives_twelve_at_most(
    verified_on: date, runs: list[tuple[int, int]]
) -> None:
    member = Member(verified_on)
    for passed, promised in sorted(runs):
        member.run(verified_on + timedelta(days=passed), promised=promised)
    assert [number for number, _ in member.comps] == list(range(1, len(member.comps) + 1))
    assert len(member.comps) <= 12
