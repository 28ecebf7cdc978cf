"""The second factor: codes of an authenticator app (RFC 6238: SHA-1, 30 seconds, six digits), each good once.

`spend` stands first in a handler, before anything is written: a wrong code is counted although it is refused.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared import vault
from shared.db import Tx
from shared.problems import Problem, TooManyRequests

STEP_SECONDS = 30
DIGITS = 6
WINDOW_STEPS = 1  # so many before and after the present one, for clocks that go wrong (RFC 6238, section 5.2)
FAILURES_MAX = 10  # in a clock hour: a guesser has a chance of 1 in 33,000
SECRET_BYTES = 20  # of the hash's length (RFC 4226, section 4)


class SecondFactorNotSetUp(Problem):
    """What is asked for needs a second factor, and the caller has none."""

    status, title = 403, "Set up two-factor authentication first."


class SecondFactorWrong(Problem):
    """Not the code of this moment. It is counted."""

    status, title = 403, "This is not the code of your authenticator app."
    kept = True


class SecondFactorUsed(Problem):
    """The code of this moment, or a later one, has been used."""

    status, title = 409, "This code has been used. Wait for the next one."


class SecondFactorLocked(TooManyRequests):
    """Too many wrong codes in this hour."""

    title = "Too many wrong codes. Try again later."


@dataclass(frozen=True)
class _Factor:
    sealed_secret: bytes
    failures: int


def code(secret: bytes, step: int) -> str:
    """HOTP of the step (RFC 4226, section 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_of(now: datetime) -> int:
    """Which step of 30 seconds it is."""
    return int(now.timestamp()) // STEP_SECONDS


def matching_step(secret: bytes, given: str, now: datetime) -> int | None:
    """The newest step around now whose code this is; every one is compared, whatever is found."""
    present = step_of(now)
    steps = range(present - WINDOW_STEPS, present + WINDOW_STEPS + 1)
    found = [step for step in steps if hmac.compare_digest(code(secret, step).encode(), given.encode())]
    return max(found, default=None)


def row_of(member_id: UUID) -> str:
    """What a member's sealed secret is bound to."""
    return f"second_factors:{member_id}"


def spend(tx: Tx, member_id: UUID, given: str, now: datetime) -> None:
    """Take the member's code of this moment, once. Raises SecondFactorNotSetUp, SecondFactorLocked,
    SecondFactorWrong or SecondFactorUsed.
    """
    found = _locked(tx, member_id, now)
    step = matching_step(vault.unseal(tx, found.sealed_secret, row_of(member_id)), given, now)
    if step is None:
        count_failure(tx, member_id, now)
        raise SecondFactorWrong
    if not _take(tx, member_id, step):
        raise SecondFactorUsed


def check_open(tx: Tx, member_id: UUID, now: datetime) -> None:
    """For proofs of other kinds that share the count. Raises SecondFactorNotSetUp, SecondFactorLocked."""
    _locked(tx, member_id, now)


def count_failure(tx: Tx, member_id: UUID, now: datetime) -> None:
    """One more wrong proof of the member's within the clock hour."""
    tx.run_later(
        """
        UPDATE second_factors
        SET failures = CASE WHEN failures_in = :hour THEN failures + 1 ELSE 1 END, failures_in = :hour
        WHERE member_id = :member_id
        """,
        member_id=member_id,
        hour=_hour(now),
    )


def _locked(tx: Tx, member_id: UUID, now: datetime) -> _Factor:
    """Of many guesses at once each is counted before the next is looked at."""
    found = tx.first(
        _Factor,
        """
        SELECT sealed_secret, CASE WHEN failures_in = :hour THEN failures ELSE 0 END AS failures
        FROM second_factors WHERE member_id = :member_id AND enabled_at IS NOT NULL FOR UPDATE
        """,
        member_id=member_id,
        hour=_hour(now),
    )
    if found is None:
        raise SecondFactorNotSetUp
    if found.failures >= FAILURES_MAX:
        wait = _hour(now) + timedelta(hours=1) - now
        raise SecondFactorLocked(headers={"Retry-After": str(int(wait.total_seconds()) + 1)})
    return found


def _take(tx: Tx, member_id: UUID, step: int) -> bool:
    """False when this step or a later one is spent already."""
    return bool(
        tx.run(
            """
            UPDATE second_factors SET last_step = :step
            WHERE member_id = :member_id AND enabled_at IS NOT NULL AND last_step < :step
            """,
            member_id=member_id,
            step=step,
        )
    )


def _hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)
