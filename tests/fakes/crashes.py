"""A process that dies between two transactions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from shared import db
from shared.db import Tx

T = TypeVar("T")


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


@contextmanager
def killed_after(transactions: int) -> Iterator[None]:
    """What is done inside ends after so many transactions, or sooner by itself."""
    atomically = db.atomically
    left = transactions

    def counted(work: Callable[[Tx], T]) -> T:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        return atomically(work)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(db, "atomically", counted)
        try:
            yield
        except Killed:
            return
