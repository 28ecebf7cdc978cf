"""A job over many rows, each on its own: one that fails is logged and does not stop the others."""

from collections.abc import Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from shared import log

Row = TypeVar("Row")


class Sweep:
    """Collects failures. At the end of the block they are raised together as an ExceptionGroup, so that the job fails,
    is tried again, and wakes a person if that does not help.

    Failures of type `passing` concern all parts (a node that does not answer, say): they end the sweep at once.
    """

    def __init__(self, passing: type[Exception] | tuple[type[Exception], ...] = ()) -> None:
        self._passing = passing
        self._failures: list[Exception] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, _: TracebackType | None
    ) -> None:
        if kind is None and self._failures:
            raise ExceptionGroup("parts of a job failed, the others were done", self._failures)

    def each(self, rows: Iterable[Row], work: Callable[[Row], object], name: Callable[[Row], object]) -> None:
        """Do the work for every row; `name` says in the log which one has failed."""
        for row in rows:
            self.part(partial(work, row), name(row))

    def part(self, work: Callable[[], object], name: object) -> bool:
        """Do one part of the job; False when it has failed."""
        try:
            work()
        except self._passing:
            raise
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is this part's alone; it rises at the end
            log.error("a part of a job failed", part=str(name), reason=str(failure))
            self._failures.append(failure)
            return False
        return True
