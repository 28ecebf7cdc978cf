"""Hashes passwords with Argon2id, a few at a time and at low priority, so that sign-ins never starve other requests.

A few low-priority threads do the hashing, and a few requests may wait for one. When no place is free the request is
refused and may be repeated, and the instance's other threads stay free for requests that hash nothing. Known devices
have a room of their own. In each room one network or account gets only some of the places, so that nobody can keep
others from signing in.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from shared.values import typed
from shared.values.problems import Overloaded

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MEMORY_KIB = 64 * 1024
PASSES = 3
LANES = 4
STRANGERS_AT_ONCE = 2  # each takes 64 MiB and some 100 ms of processor time
STRANGERS_WAITING = 8  # half of an instance's threads
STRANGERS_SHARE = 5  # of the ten places, the most that one network can occupy
KNOWN_AT_ONCE = 1
KNOWN_WAITING = 4
KNOWN_SHARE = 2
NICENESS = 10  # of a thread, on Linux; the threads that compute one hash inherit it
RETRY_AFTER_SECONDS = "1"

T = TypeVar("T")


@dataclass(frozen=True)
class PasswordHash:
    """A password's hash in the PHC string format."""

    text: str


class Room:
    """Runs a few hashes at once and lets a few wait. Each caller (`who`) gets at most a share of the places."""

    def __init__(self, at_once: int, waiting: int, share: int) -> None:
        self._places = at_once + waiting
        self._share = share
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()
        self._workers = ThreadPoolExecutor(at_once, thread_name_prefix="argon2", initializer=_give_way)

    def run(self, work: Callable[[], T], who: str) -> T:
        """Run `work` and return its result. Raises Overloaded when the room is full, or `who` has its share of it."""
        with self._place(who):
            return self._workers.submit(work).result()

    @contextmanager
    def _place(self, who: str) -> Iterator[None]:
        with self._lock:
            if self._taken.total() >= self._places or self._taken[who] >= self._share:
                raise Overloaded("Too many sign-ins at this moment.", headers={"Retry-After": RETRY_AFTER_SECONDS})
            self._taken[who] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[who] -= 1
                self._taken = +self._taken  # drop callers without a place


def _give_way() -> None:
    with suppress(OSError, AttributeError):  # where threads have no priority of their own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


STRANGERS = Room(STRANGERS_AT_ONCE, STRANGERS_WAITING, STRANGERS_SHARE)
KNOWN = Room(KNOWN_AT_ONCE, KNOWN_WAITING, KNOWN_SHARE)  # for known devices, and for members who are signed in


def hashed(password: str, room: Room, who: str) -> PasswordHash:
    """Return a salted hash of a password in the form of `typed.password` (RFC 9106, the second recommended option, but
    with more lanes). Raises Overloaded.
    """
    return PasswordHash(room.run(lambda: _hasher().hash(password), who))


@dataclass(frozen=True)
class Comparison:
    """Whether the password was right. `renewed` is a new hash if the stored one was made from another Unicode form."""

    right: bool
    renewed: PasswordHash | None = None


def compared(given: str, stored: str | None, room: Room, who: str) -> Comparison:
    """Compare the password in its current Unicode form, then as it was typed, which older hashes were made from.

    Takes equally long if nothing is stored, so that the caller does not learn whether an account exists. Raises
    Overloaded.
    """
    found = room.run(lambda: _compared(given, stored or _NOBODY), who)
    return found if stored is not None else Comparison(right=False)


def _compared(given: str, stored: str) -> Comparison:
    password = typed.password(given)
    if _verified(password, stored):
        return Comparison(right=True)
    if password == given or not _verified(given, stored):
        return Comparison(right=False)
    return Comparison(right=True, renewed=PasswordHash(_hasher().hash(password)))


_NOBODY = (  # the hash of a random password that no member has, with the parameters above
    "$argon2id$v=19$m=65536,t=3,p=4$1N0G6MLVOQheLmETFVqt7Q$ZD5k0V3otl1uckXWd5KCYnC3hl74CInX+LFFWHvpPKM"
)


def _verified(password: str, stored: str) -> bool:
    """Whether the password matches. A stored text that is no hash (of an erased account) never matches, and takes as
    long.
    """
    from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

    try:
        return _hasher().verify(stored, password)
    except VerifyMismatchError:
        return False
    except (InvalidHashError, VerificationError):
        _hasher().hash(password)
        return False


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
