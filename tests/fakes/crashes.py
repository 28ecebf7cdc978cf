"""A process that dies between two of its steps: a step's call raises instead of being made, or after it was made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from shared import db


class Crash(BaseException):
    """Raised instead of a death. No handler catches it on the way, so that nothing that follows is done."""


@contextmanager
def crash(owner: object, name: str, *, at: int, after: bool) -> Iterator[Callable[[], bool]]:
    """Die at the `at`th call of a function, before its work or right after it; yields whether that has happened."""
    calls = 0
    original = getattr(owner, name)

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at and not after:
            raise Crash
        answer = original(*arguments, **named)
        if calls == at:
            raise Crash
        return answer

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(owner, name, dying)
        yield lambda: calls >= at


@contextmanager
def killed_after(transactions: int) -> Iterator[None]:
    """End the block after so many transactions, unless it ends sooner by itself."""
    with crash(db, "atomically", at=transactions + 1, after=False):
        try:
            yield
        except Crash:
            return
