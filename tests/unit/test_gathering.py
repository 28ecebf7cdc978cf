"""Group commit without a database: who shares a group, and what one does to the others."""

import ctypes
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.web import group_commit
from shared.web.group_commit import GroupCommitter, LeaderLost

WAIT_SECONDS_MAX = 10.0


class Outage(Exception):
    """A failure that concerns the whole group."""


class Bad(Exception):
    """A failure that concerns one member of the group."""


class Worker:
    """Doubles numbers; holds the first group until it is let go, so that others come meanwhile."""

    def __init__(self, double: Callable[[int], int | BaseException] = lambda item: item * 2) -> None:
        self.groups: list[list[int]] = []
        self.started, self.go_on = threading.Event(), threading.Event()
        self._double = double

    def work(self, items: Sequence[int]) -> list[int | BaseException]:
        self.groups.append(list(items))
        if len(self.groups) == 1:
            self.started.set()
            assert self.go_on.wait(WAIT_SECONDS_MAX)
        return [self._double(item) for item in items]


def gatherer(worker: Worker, size_max: int = 100) -> GroupCommitter[int, int]:
    return GroupCommitter(worker.work, size_max=size_max, shared=(Outage,))


def outcomes(made: GroupCommitter[int, int], worker: Worker, others: Sequence[int]) -> list[object]:
    """The results of item 0, which comes first, and of the others, which come while 0 is worked for."""

    def do(item: int) -> object:
        try:
            return made.do(item)
        except BaseException as error:  # noqa: BLE001 - what is raised is what is looked at
            return error

    with ThreadPoolExecutor(len(others) + 1) as threads:
        first = threads.submit(do, 0)
        assert worker.started.wait(WAIT_SECONDS_MAX)
        rest = [threads.submit(do, item) for item in others]
        until(lambda: len(made._waiting) == len(others))
        worker.go_on.set()
        return [first.result(), *(future.result() for future in rest)]


def until(true: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + WAIT_SECONDS_MAX
    while not true():
        assert time.monotonic() < ends_at
        time.sleep(0.001)


def test_who_comes_alone_is_worked_for_alone_and_at_once() -> None:
    worker = Worker()
    worker.go_on.set()
    assert gatherer(worker).do(4) == 8
    assert worker.groups == [[4]]


def test_those_who_come_while_a_group_is_at_work_are_the_next_one() -> None:
    worker = Worker()
    made = gatherer(worker)
    assert outcomes(made, worker, [1, 2, 3]) == [0, 2, 4, 6]
    assert [sorted(group) for group in worker.groups] == [[0], [1, 2, 3]]


def test_no_group_is_larger_than_allowed() -> None:
    worker = Worker()
    assert outcomes(gatherer(worker, size_max=2), worker, [1, 2, 3, 4, 5]) == [0, 2, 4, 6, 8, 10]
    assert [len(group) for group in worker.groups] == [1, 2, 2, 1]


def test_a_leader_waits_a_moment_for_those_who_are_known_to_be_coming() -> None:
    worker = Worker()
    worker.go_on.set()
    made = gatherer(worker)
    is_coming, bring = threading.Event(), threading.Event()

    def prepare_and_do() -> int:
        with made.coming():
            is_coming.set()
            assert bring.wait(WAIT_SECONDS_MAX)
        return made.do(2)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as threads:
        patch.setattr(group_commit, "GATHER_SECONDS", WAIT_SECONDS_MAX)
        second = threads.submit(prepare_and_do)
        assert is_coming.wait(WAIT_SECONDS_MAX)
        first = threads.submit(made.do, 1)
        until(lambda: made._leader is not None)
        bring.set()
        assert (first.result(), second.result()) == (2, 4)


def test_a_leader_does_not_wait_long_for_those_who_are_coming() -> None:
    worker = Worker()
    worker.go_on.set()
    made = gatherer(worker)
    with made.coming():
        assert made.do(1) == 2


def test_an_outcome_that_is_an_exception_is_raised_to_its_own_caller_only() -> None:
    worker = Worker(lambda item: Bad() if item == 2 else item * 2)
    found = outcomes(gatherer(worker), worker, [1, 2, 3])
    assert isinstance(found.pop(2), Bad)
    assert found == [0, 2, 6]
    assert len(worker.groups) == 2


def test_a_group_that_fails_is_worked_for_one_by_one() -> None:
    def double(item: int) -> int:
        if item == 2:
            raise Bad
        return item * 2

    worker = Worker(double)
    found = outcomes(gatherer(worker), worker, [1, 2, 3])
    assert isinstance(found.pop(2), Bad)
    assert found == [0, 2, 6]
    assert sorted(len(group) for group in worker.groups) == [1, 1, 1, 1, 3]


def test_what_concerns_everybody_is_told_to_everybody_and_not_tried_again() -> None:
    def double(item: int) -> int:
        if item:
            raise Outage
        return item

    worker = Worker(double)
    found = outcomes(gatherer(worker), worker, [1, 2, 3])
    assert [type(outcome) for outcome in found] == [int, Outage, Outage, Outage]
    assert len(worker.groups) == 2


def test_a_leader_that_is_killed_takes_nobody_along() -> None:
    """Its own group learns that nobody knows; those who waited meanwhile are worked for by one of them."""
    at_work, go_on = threading.Event(), threading.Event()

    def work(items: Sequence[int]) -> list[int | BaseException]:
        if 0 in items:
            at_work.set()
            while not go_on.is_set():  # in short steps: an exception from outside arrives between two of them
                time.sleep(0.001)
        return [item * 2 for item in items]

    made: GroupCommitter[int, int] = GroupCommitter(work, size_max=100, shared=())
    seen: dict[int, object] = {}

    def do(item: int) -> None:
        try:
            seen[item] = made.do(item)
        except BaseException as error:  # noqa: BLE001 - as above
            seen[item] = type(error)

    with made.coming():  # so that 0 and 1 share a group
        leader = threading.Thread(target=do, args=(0,))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(group_commit, "GATHER_SECONDS", 0.2)
            leader.start()
            until(lambda: made._leader is leader)
            follower = threading.Thread(target=do, args=(1,))
            follower.start()
            assert at_work.wait(WAIT_SECONDS_MAX)
    later = [threading.Thread(target=do, args=(item,)) for item in (2, 3)]
    for thread in later:
        thread.start()
    until(lambda: len(made._waiting) == 2)

    kill(leader)
    for thread in (leader, follower, *later):
        thread.join(WAIT_SECONDS_MAX)
    go_on.set()

    assert seen == {0: SystemExit, 1: LeaderLost, 2: 4, 3: 6}
    assert made.do(5) == 10


def kill(thread: threading.Thread) -> None:
    assert thread.ident
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)) == 1


@pytest.mark.parametrize("victim", [0, 1], ids=["the one who gathers", "one who waits"])
def test_who_is_killed_before_the_work_begins_is_missed_by_nobody(victim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "GATHER_SECONDS", 0.5)
    worker = Worker()
    worker.go_on.set()
    made = gatherer(worker)
    seen: dict[int, object] = {}

    def do(item: int) -> None:
        try:
            seen[item] = made.do(item)
        except BaseException as error:  # noqa: BLE001 - what is raised is what is looked at
            seen[item] = type(error)

    threads = [threading.Thread(target=do, args=(item,)) for item in range(3)]
    with made.coming():  # so that the first one waits for somebody
        for number, thread in enumerate(threads):
            thread.start()
            until(lambda number=number: len(made._waiting) == number + 1)  # type: ignore[misc]
        kill(threads[victim])
        for thread in threads:
            thread.join(WAIT_SECONDS_MAX)

    assert seen.pop(victim) is SystemExit
    assert seen == {item: item * 2 for item in range(3) if item != victim}
    assert made.do(7) == 14


def test_a_leader_that_vanished_without_a_word_is_replaced() -> None:
    """No `finally` of its own ran: those who wait notice."""
    worker = Worker()
    worker.go_on.set()
    made = gatherer(worker)
    gone = threading.Thread(target=lambda: None)
    gone.start()
    gone.join()
    made._leader = gone
    assert made.do(3) == 6


def test_a_leader_that_is_slow_and_alive_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waiting threads have looked at the leader many times by then, and none begins a second group beside it."""
    monkeypatch.setattr(group_commit, "LOOK_SECONDS", 0.01)
    worker = Worker()
    made = gatherer(worker)
    looked = threading.Semaphore(0)
    look = made._look_after_the_leader

    def look_and_count() -> None:
        look()
        looked.release()

    monkeypatch.setattr(made, "_look_after_the_leader", look_and_count)
    with ThreadPoolExecutor(2) as threads:
        slow = threads.submit(made.do, 1)
        assert worker.started.wait(WAIT_SECONDS_MAX)
        waiting = threads.submit(made.do, 2)
        for _ in range(5):
            assert looked.acquire(timeout=WAIT_SECONDS_MAX)
        assert worker.groups == [[1]]
        assert not waiting.done()
        worker.go_on.set()
        assert (slow.result(), waiting.result()) == (2, 4)
    assert worker.groups == [[1], [2]]


def test_a_leader_that_lives_and_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(group_commit, "PATIENCE_SECONDS", 0.2)
    worker = Worker()
    made = gatherer(worker)
    with ThreadPoolExecutor(2) as threads:
        stuck = threads.submit(made.do, 1)
        assert worker.started.wait(WAIT_SECONDS_MAX)
        began = time.monotonic()
        assert threads.submit(made.do, 2).result(WAIT_SECONDS_MAX) == 4
        assert time.monotonic() - began < WAIT_SECONDS_MAX
        worker.go_on.set()
        with pytest.raises(LeaderLost):
            stuck.result(WAIT_SECONDS_MAX)


def test_others_are_told_of_a_group_by_its_leader_while_the_next_one_works() -> None:
    worker, told, together = Worker(), list[list[int]](), threading.Barrier(2, timeout=WAIT_SECONDS_MAX)

    def tell(done: Sequence[int]) -> None:
        told.append(list(done))
        if len(told) == 1:
            together.wait()  # the next group is at work now

    def double(item: int) -> int:
        if item == 1:
            together.wait()
        return item * 2

    worker = Worker(double)
    made = GroupCommitter(worker.work, size_max=100, shared=(Outage,), told=tell)

    assert outcomes(made, worker, [1, 2]) == [0, 2, 4]
    assert sorted(told) == [[0], [2, 4]]


def test_of_what_failed_nobody_is_told() -> None:
    told: list[list[int]] = []
    worker = Worker(lambda item: Bad() if item == 2 else item * 2)
    made = GroupCommitter(worker.work, size_max=100, shared=(Outage,), told=lambda done: told.append(list(done)))

    outcomes(made, worker, [1, 2])

    assert told == [[0], [2]]
    with pytest.raises(Bad):
        made.do(2)
    assert told == [[0], [2]]
