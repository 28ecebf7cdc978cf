"""Is everything that is due played once and in order, whatever interrupts it?"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from emulators import contract
from emulators.advancing import TASK_STEPS_MAX, Advance, Progress, Stopped
from emulators.identity import Identity
from emulators.process import wait_until
from emulators.scheduler import Entry, Scheduler
from tests.contract.pubsub_endpoint import Endpoint, Received
from tests.contract.tasks_world import Clock, World, running

BEGIN = datetime(2026, 12, 31, 12, tzinfo=UTC)  # a Thursday
CRONS = {
    "sunday": "5 0 * * 0",
    "guarantee": "10 0 * * *",
    "seal": "30 4 * * *",
    "close": "10 * * * *",
    "review": "*/5 * * * *",
    "sweep": "* * * * *",
}
RARE = ("sunday", "guarantee", "seal")
SECONDS_MAX = 30.0


@dataclass
class Played:
    """The calls that arrived, each with the clock's time, and whether the clock was marked as advancing then."""

    clock: Clock
    advance: Advance
    scheduler: Scheduler
    tasks: World
    url: str = ""
    calls: list[tuple[datetime, str]] = field(default_factory=list)
    answers: dict[str, int] = field(default_factory=dict)
    marked: bool = False
    marks: list[bool] = field(default_factory=list)
    mined: int = 0
    settle: Callable[[], None] = lambda: None

    def called(self, *names: str) -> list[tuple[datetime, str]]:
        return [call for call in self.calls if call[1] in names]

    def to(self, moment: datetime, seconds_max: float = SECONDS_MAX) -> Progress:
        return self.advance.go_on(moment, seconds_max)


@contextmanager
def playing(crons: dict[str, str]) -> Iterator[Played]:
    """A scheduler and task queues whose clock stands still unless it is moved, and an endpoint for all calls. The call
    that the scheduler makes at its start has come, and is not among them.
    """
    clock, identity = Clock(BEGIN), Identity()
    with running(identity, clock) as tasks, Endpoint() as endpoint:
        entries = [Entry(name, cron, f"{endpoint.url}/a-job", "audience") for name, cron in crons.items()]
        scheduler = Scheduler(entries, lambda _: "token", clock.now)

        def move(moment: datetime) -> None:
            assert moment >= clock.time
            clock.time, made.marked = moment, True
            tasks.service.wake()

        def settle(seconds_max: float) -> None:
            tasks.service.settle(seconds_max)
            made.settle()

        def mine() -> None:
            made.mined += 1

        def rest() -> None:
            made.marked = False

        advance = Advance(scheduler, clock.now, move, rest, settle, tasks.service.next_due, mine)
        made = Played(clock, advance, scheduler, tasks, endpoint.url)

        def answer(request: Received) -> int:
            name = request.json.get("schedule", "task") if request.body else "task"
            made.calls.append((clock.time, name))
            made.marks.append(made.marked)
            return made.answers.get(name, 204)

        endpoint.answer = answer
        scheduler.start()
        endpoint.wait_for(1)
        wait_until(lambda: bool(made.calls), "the first call", SECONDS_MAX)
        made.calls.clear()
        made.marks.clear()
        try:
            yield made
        finally:
            scheduler.stop()


@pytest.fixture
def played() -> Iterator[Played]:
    with playing(CRONS) as world:
        yield world


def days(number: int) -> list[datetime]:
    midnight = datetime(2027, 1, 1, tzinfo=UTC)
    return [midnight + timedelta(days=day) for day in range(number)]


def test_what_is_due_once_a_day_at_most_is_called_at_its_moment_once_and_in_order(played: Played) -> None:
    made = played.to(datetime(2027, 1, 11, tzinfo=UTC))

    wanted = [(day + timedelta(minutes=10), "guarantee") for day in days(10)]
    wanted += [(day + timedelta(hours=4, minutes=30), "seal") for day in days(10)]
    wanted += [(datetime(2027, 1, day, 0, 5, tzinfo=UTC), "sunday") for day in (3, 10)]
    assert played.called(*RARE) == sorted(wanted)
    assert (made.is_there, made.now, made.failures) == (True, datetime(2027, 1, 11, tzinfo=UTC), [])
    assert (made.steps, made.calls) == (23, len(played.calls))


def test_what_is_due_more_often_is_called_once_a_step_and_before_what_is_due_then(played: Played) -> None:
    made = played.to(datetime(2027, 1, 2, tzinfo=UTC))

    assert made.steps == 3
    steps = [datetime(2027, 1, 1, 0, 10, tzinfo=UTC), datetime(2027, 1, 1, 4, 30, tzinfo=UTC), made.now]
    for name in ("close", "review", "sweep"):
        assert played.called(name) == [(step, name) for step in steps]
    assert played.calls[3] == (steps[0], "guarantee")
    assert {name for _, name in played.calls[:3]} == {"close", "review", "sweep"}


def test_in_portions_it_is_the_same(played: Played) -> None:
    to, portions = datetime(2027, 1, 8, tzinfo=UTC), 0
    while not played.to(to, 0).is_there:
        portions += 1
        assert not played.marked

    in_portions = sorted(played.calls)
    with playing(CRONS) as whole:
        whole.to(to)
    assert portions > 10
    assert in_portions == sorted(whole.calls)


def test_killed_anywhere_and_repeated_each_moment_is_called_once(played: Played) -> None:
    """Each step dies once, at another place: what was called before is not called again."""
    to, place = datetime(2027, 1, 5, tzinfo=UTC), 0
    dies_in: list[int] = []

    def die() -> None:
        if dies_in and not dies_in.pop():
            raise TimeoutError("killed")
        dies_in[:] = [left - 1 for left in dies_in]

    played.settle = die
    for place in range(40):
        dies_in[:] = [place % 4]
        try:
            if played.to(to, 0).is_there:
                break
        except TimeoutError:
            assert not played.marked
    played.settle = lambda: None
    played.to(to)

    assert place > 5
    for name in RARE:
        moments = [at for at, called in played.calls if called == name]
        assert len(moments) == len(set(moments)) == {"sunday": 1, "guarantee": 4, "seal": 4}[name]


def test_the_scheduler_itself_calls_nothing_meanwhile(played: Played) -> None:
    def slow() -> None:
        threading.Event().wait(0.15)  # several of them are longer than the scheduler waits before it looks

    played.settle = slow
    played.to(datetime(2027, 1, 2, tzinfo=UTC))

    assert len(played.called("seal", "guarantee")) == 2
    assert all(played.marks)


def test_a_call_that_fails_is_told_and_the_others_go_on(played: Played) -> None:
    played.answers["seal"] = 500

    made = played.to(datetime(2027, 1, 3, tzinfo=UTC))

    assert [(it.at.day, it.function, it.schedule, it.status) for it in made.failures] == [
        (1, "a_job", "seal", 500),
        (2, "a_job", "seal", 500),
    ]
    assert len(played.called("guarantee")) == 2


def test_a_scheduled_task_is_a_step_of_its_own_with_blocks_for_what_it_waits_for(played: Played) -> None:
    due = BEGIN + timedelta(hours=2, minutes=3)
    played.tasks.create(played.tasks.queue(), played.url, schedule_time=due)

    made = played.to(BEGIN + timedelta(hours=6))

    assert played.called("task") == [(due, "task")]
    assert (made.steps, played.mined) == (2, 1)


def test_a_task_that_always_makes_another_one_does_not_stop_the_clock(played: Played) -> None:
    queue = played.tasks.queue()

    def again() -> None:
        if played.tasks.service.next_due() is None:
            played.tasks.create(queue, played.url, schedule_time=played.clock.time + timedelta(seconds=1))

    played.settle = again
    made = played.to(BEGIN + timedelta(days=2))

    assert made.is_there
    assert TASK_STEPS_MAX < len(played.called("task")) <= (TASK_STEPS_MAX + 1) * 6


def test_what_does_not_end_is_told_and_the_clock_stands(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulators.advancing.SETTLE_SECONDS_MAX", 0.2)

    def stuck() -> None:
        if played.clock.time > BEGIN:
            raise TimeoutError("1 row of the outbox is not published")

    played.settle = stuck
    with pytest.raises(TimeoutError, match="1 row"):
        played.to(datetime(2027, 1, 3, tzinfo=UTC))

    assert (played.clock.time, played.marked) == (datetime(2027, 1, 1, 0, 10, tzinfo=UTC), False)
    assert played.called("guarantee") == []
    played.settle = lambda: None
    played.to(datetime(2027, 1, 3, tzinfo=UTC))
    assert len(played.called("seal")) == 2


def test_it_ends_with_the_stack(played: Played) -> None:
    def end() -> None:
        if played.calls:
            played.advance.stop()

    played.settle = end
    with pytest.raises(Stopped):
        played.to(datetime(2027, 3, 31, tzinfo=UTC))

    assert played.clock.time == datetime(2027, 1, 1, 0, 10, tzinfo=UTC)


def test_a_schedule_of_the_platform_is_rare_or_comes_several_times_a_day() -> None:
    """Which moments the clock stops at: a new schedule of a day is one of them."""
    rare = {
        f"{name} {it.name}"
        for name, function in contract.functions().items()
        for it in function.schedules
        if Entry(it.name, it.cron, "", "").is_rare
    }
    assert rare == {
        "affiliate_week sunday", "event_remind daily", "figure_rollup days-anew", "guarantee_grant guarantee",
        "ledger_seal daily",
        "partition_maintain make-months", "payment_reconciliation daily", "reconciliation daily", "sales_count settle",
    }  # fmt: skip
