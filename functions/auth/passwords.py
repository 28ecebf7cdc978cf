"""Argon2id, a bounded number at a time and behind everything else, so that sign-ins never starve other requests.

Few threads of low priority do the hashing; few requests may wait for one. Who finds the waiting room full is told to
come again at once, and the instance's other threads stay free for requests that hash nothing.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from shared.problems import Overloaded

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MEMORY_KIB = 64 * 1024
PASSES = 3
LANES = 4
AT_ONCE_MAX = 2  # each takes 64 MiB and some 100 ms of processor time
WAITING_MAX = 8  # half of an instance's threads
NICENESS = 10  # of a thread, on Linux; a hash makes its lanes as threads that inherit it
RETRY_AFTER_SECONDS = "1"

T = TypeVar("T")

_room = threading.BoundedSemaphore(AT_ONCE_MAX + WAITING_MAX)


@dataclass(frozen=True)
class PasswordHash:
    """In the PHC string format."""

    text: str


def hashed(password: str) -> PasswordHash:
    """A salted hash (RFC 9106, the second recommended option with more lanes). Raises Overloaded."""
    return PasswordHash(_in_turn(lambda: _hasher().hash(password)))


def matches(password: str, stored: str | None) -> bool:
    """Takes equally long when there is nothing stored: whoever asks does not learn whether an account exists.

    Raises Overloaded.
    """
    return _in_turn(lambda: _verified(password, stored or _NOBODY)) and stored is not None


_NOBODY = (  # the hash of a random password that nobody has, with the parameters above
    "$argon2id$v=19$m=65536,t=3,p=4$1N0G6MLVOQheLmETFVqt7Q$ZD5k0V3otl1uckXWd5KCYnC3hl74CInX+LFFWHvpPKM"
)


def _verified(password: str, stored: str) -> bool:
    """What is no hash (of an account that was erased, say) matches nothing, and takes as long."""
    from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

    try:
        return _hasher().verify(stored, password)
    except VerifyMismatchError:
        return False
    except (InvalidHashError, VerificationError):
        _hasher().hash(password)
        return False


def _in_turn(work: Callable[[], T]) -> T:
    with _place():
        return _workers().submit(work).result()


@contextmanager
def _place() -> Iterator[None]:
    if not _room.acquire(blocking=False):
        raise Overloaded("Too many sign-ins at this moment.", headers={"Retry-After": RETRY_AFTER_SECONDS})
    try:
        yield
    finally:
        _room.release()


@cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(AT_ONCE_MAX, thread_name_prefix="argon2", initializer=_give_way)


def _give_way() -> None:
    with suppress(OSError, AttributeError):  # where threads have no priority of their own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
