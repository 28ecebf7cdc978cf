"""Argon2id, a bounded number at a time, so that sign-ins never starve the other requests of an instance."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MEMORY_KIB = 64 * 1024
PASSES = 3
LANES = 4
AT_ONCE_MAX = 2  # each takes 64 MiB and some 100 ms of processor time

_room = threading.BoundedSemaphore(AT_ONCE_MAX)


@dataclass(frozen=True)
class PasswordHash:
    """In the PHC string format."""

    text: str


def hashed(password: str) -> PasswordHash:
    """A salted hash (RFC 9106, the second recommended option with more lanes)."""
    with _room:
        return PasswordHash(_hasher().hash(password))


def matches(password: str, stored: str | None) -> bool:
    """Takes equally long when there is nothing stored: whoever asks does not learn whether an account exists."""
    from argon2.exceptions import VerifyMismatchError

    with _room:
        try:
            _hasher().verify(stored or _NOBODY, password)
        except VerifyMismatchError:
            return False
    return stored is not None


_NOBODY = (  # the hash of a random password that nobody has, with the parameters above
    "$argon2id$v=19$m=65536,t=3,p=4$1N0G6MLVOQheLmETFVqt7Q$ZD5k0V3otl1uckXWd5KCYnC3hl74CInX+LFFWHvpPKM"
)


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
