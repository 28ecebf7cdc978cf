"""Group commit: items that arrive while one group is being processed form the next group.

There is no thread of its own. A caller who finds no leader becomes the leader: it waits a moment for callers who have
announced themselves, takes all items, processes them, and hands the lead to the first caller who arrived meanwhile. So
nothing runs between requests (Cloud Run gives no CPU then), a single caller waits for nobody, and waiting callers
notice if their leader dies.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Work = Callable[[Sequence[Item]], Sequence[Outcome | BaseException]]
Told = Callable[[Sequence[Outcome]], None]

GATHER_SECONDS = 0.005  # how long a leader waits at most for announced callers
LOOK_SECONDS = 1.0  # how often waiting callers check whether their leader is alive
PATIENCE_SECONDS = 60.0  # no group takes so long: statements and locks have limits far below


class LeaderLost(Exception):
    """Raised when the thread that worked for the group ended without a result: the work may be done or not."""


class _Entry(Generic[Item, Outcome]):
    def __init__(self, item: Item) -> None:
        self.item = item
        self.thread = threading.current_thread()
        self.woken = threading.Event()
        self.outcome: Outcome | BaseException | None = None

    def settle(self, outcome: Outcome | BaseException) -> None:
        if self.outcome is None:
            self.outcome = outcome
            self.woken.set()


class GroupCommitter(Generic[Item, Outcome]):
    """Calls `work` with one group after another; `work` returns an outcome or an exception for each item.

    If `work` raises instead, each item is processed alone, so that no item can harm its neighbours. Exceptions of the
    `shared` types concern all items and are not tried again.

    `told` is called by each leader with the outcomes of its group, once they are done. The next leader works meanwhile,
    and the group's other callers have their outcomes already. What it raises is raised to nobody but the leader.
    """

    def __init__(
        self,
        work: Work[Item, Outcome],
        *,
        size_max: int,
        shared: tuple[type[BaseException], ...],
        told: Told[Outcome] | None = None,
    ) -> None:
        self._work = work
        self._told = told
        self._size_max = size_max
        self._shared = shared
        self._lock = threading.Lock()
        self._waiting: list[_Entry[Item, Outcome]] = []
        self._group: list[_Entry[Item, Outcome]] = []
        self._leader: threading.Thread | None = None
        self._led_since = 0.0
        self._coming = 0
        self._all_here = threading.Condition(self._lock)

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Announces a caller who prepares an item in this block and will then call `do`, unless the block raises."""
        with self._lock:
            self._coming += 1
        try:
            yield
        finally:
            with self._lock:
                self._coming -= 1
                if not self._coming:
                    self._all_here.notify()

    def do(self, item: Item) -> Outcome:
        """Have an item processed in a group; returns its outcome or raises its exception, or LeaderLost if unknown."""
        entry: _Entry[Item, Outcome] = _Entry(item)
        with self._lock:
            self._waiting.append(entry)
            if self._leader is None:
                self._appoint(entry)
        try:
            while entry.outcome is None and self._leader is not entry.thread:
                if entry.woken.wait(LOOK_SECONDS):
                    entry.woken.clear()
                else:
                    self._look_after_the_leader()
            if entry.outcome is None:
                self._lead()
        finally:
            if entry.outcome is None:
                self._leave(entry)
        if isinstance(entry.outcome, BaseException):
            raise entry.outcome
        assert entry.outcome is not None, "a leader is in its own group"
        return entry.outcome

    def _appoint(self, entry: _Entry[Item, Outcome] | None) -> None:
        self._leader = entry.thread if entry else None
        self._led_since = time.monotonic()
        if entry:
            entry.woken.set()

    def _lead(self) -> None:
        with self._lock:
            self._all_here.wait_for(lambda: not self._coming, GATHER_SECONDS)
            group = self._group = self._waiting[: self._size_max]
            del self._waiting[: self._size_max]
        try:
            for entry, outcome in zip(group, self._outcomes(group), strict=True):
                entry.settle(outcome)
        finally:
            self._step_down(threading.current_thread())
        if self._told and (done := [e.outcome for e in group if not isinstance(e.outcome, BaseException | None)]):
            self._told(done)

    def _outcomes(self, group: Sequence[_Entry[Item, Outcome]]) -> Sequence[Outcome | BaseException]:
        items = [entry.item for entry in group]
        try:
            return self._work(items)
        except self._shared as error:
            return [error] * len(items)
        except Exception as error:  # noqa: BLE001 - whatever it was, it was one of them: each is told its own
            return [self._alone(item) for item in items] if len(items) > 1 else [error]

    def _alone(self, item: Item) -> Outcome | BaseException:
        try:
            return self._work([item])[0]
        except Exception as error:  # noqa: BLE001 - raised to its own caller
            return error

    def _leave(self, entry: _Entry[Item, Outcome]) -> None:
        """Called when the caller's thread ends: removes the entry from the queue and gives up leadership."""
        with self._lock:
            if entry in self._waiting:
                self._waiting.remove(entry)
        self._step_down(entry.thread)

    def _step_down(self, leader: threading.Thread | None) -> None:
        """End a leader's turn: its unfinished entries get LeaderLost, and the first waiting caller leads next."""
        with self._lock:
            if self._leader is not leader:
                return  # the waiting callers have replaced this leader already
            group, self._group = self._group, []
            self._appoint(self._waiting[0] if self._waiting else None)
        for entry in group:
            entry.settle(LeaderLost())

    def _look_after_the_leader(self) -> None:
        leader = self._leader
        if leader and (not leader.is_alive() or time.monotonic() - self._led_since > PATIENCE_SECONDS):
            self._step_down(leader)
