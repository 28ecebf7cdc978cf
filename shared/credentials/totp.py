"""The second factor: codes of an authenticator app (RFC 6238: SHA-1, 30 seconds, six digits), each good once.

Call `spend` first in a handler, before anything is written: a wrong code is counted although the request is refused.
"""

import hmac
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.credentials import vault
from shared.db import Tx
from shared.values import retry_after
from shared.values.problems import Problem, TooManyRequests

STEP_SECONDS = 30
DIGITS = 6
# How many steps before and after the present one are accepted, for clocks that are wrong (RFC 6238, section 5.2).
WINDOW_STEPS = 1
FAILURES_MAX = 10  # per clock hour: a guesser has a chance of 1 in 33,000
SECRET_BYTES = 20  # the hash's length (RFC 4226, section 4)


class SecondFactorNotSetUp(Problem):
    """The operation needs a second factor, and the caller has none."""

    status, title = 403, "Set up two-factor authentication first."


class SecondFactorNeeded(Problem):
    """A code is missing. This is told only to a caller who has proved the first factor."""

    status, title = 403, "Add a code of your authenticator app."


class SecondFactorWrong(Problem):
    """The code is not the present one. The failure is counted."""

    status, title = 403, "This is not the code of your authenticator app."
    kept = True


class SecondFactorUsed(Problem):
    """The present code, or a later one, has been used."""

    status, title = 409, "This code has been used. Wait for the next one."


class SecondFactorLocked(TooManyRequests):
    """There were too many wrong codes in this hour."""

    title = "Too many wrong codes. Try again later."


# What an operation of admins is refused with that asks for a code of their authenticator app.
SECOND_FACTOR: tuple[type[Problem], ...] = (
    SecondFactorLocked,
    SecondFactorNotSetUp,
    SecondFactorUsed,
    SecondFactorWrong,
)


@dataclass(frozen=True)
class _Factor:
    sealed_secret: bytes
    failures: int


def code(secret: bytes, step: int) -> str:
    """The code of a step (HOTP, RFC 4226, section 5.3)."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}d}"


def step_of(now: datetime) -> int:
    """The number of the 30-second step at a moment."""
    return int(now.timestamp()) // STEP_SECONDS


def matching_step(secret: bytes, given: str, now: datetime) -> int | None:
    """The newest step near `now` whose code this is, or None. Every code is compared, even after a match."""
    present = step_of(now)
    steps = range(present - WINDOW_STEPS, present + WINDOW_STEPS + 1)
    found = [step for step in steps if hmac.compare_digest(code(secret, step).encode(), given.encode())]
    return max(found, default=None)


def row_of(member_id: UUID) -> str:
    """The name of the row that a member's sealed secret is bound to."""
    return f"second_factors:{member_id}"


def spend(tx: Tx, member_id: UUID, given: str, now: datetime) -> None:
    """Use up the member's present code.

    Raises SecondFactorNotSetUp, SecondFactorLocked, SecondFactorWrong or SecondFactorUsed.
    """
    found = _locked(tx, member_id, now)
    step = matching_step(vault.unseal(tx, found.sealed_secret, row_of(member_id)), given, now)
    if step is None:
        count_failure(tx, member_id, now)
        raise SecondFactorWrong
    if not _take(tx, member_id, step):
        raise SecondFactorUsed


def spend_if_set_up(tx: Tx, member_id: UUID, given: str | None, now: datetime) -> None:
    """Use up a code of a member who has a second factor; without one, no code is needed. Call it first, as `spend`.

    Raises SecondFactorNeeded for no code, and what `spend` raises.
    """
    if not has_second_factor(tx, member_id):
        return
    if given is None:
        raise SecondFactorNeeded
    spend(tx, member_id, given, now)


def has_second_factor(tx: Tx, member_id: UUID) -> bool:
    """True if the member has an enabled authenticator app."""
    return bool(
        tx.run(
            "SELECT FROM second_factors WHERE member_id = :member_id AND enabled_at IS NOT NULL", member_id=member_id
        )
    )


def prove_new(tx: Tx, member_id: UUID, given: str, now: datetime) -> int:
    """The step whose code proves a new second factor that is not enabled yet; failures count as for an enabled one.

    Raises SecondFactorNotSetUp, SecondFactorLocked or SecondFactorWrong.
    """
    found = _locked(tx, member_id, now, enabled=False)
    step = matching_step(vault.unseal(tx, found.sealed_secret, row_of(member_id)), given, now)
    if step is None:
        count_failure(tx, member_id, now)
        raise SecondFactorWrong
    return step


def check_open(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Check that a proof may be tried; for proofs of other kinds that share the count of failures.

    Raises SecondFactorNotSetUp, SecondFactorLocked.
    """
    _locked(tx, member_id, now)


def count_failure(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Count one more wrong proof of the member within the clock hour."""
    tx.run_later(
        """
        UPDATE second_factors
        SET failures = CASE WHEN failures_in = :hour THEN failures + 1 ELSE 1 END, failures_in = :hour
        WHERE member_id = :member_id
        """,
        member_id=member_id,
        hour=retry_after.hour_of(now),
    )


def _locked(tx: Tx, member_id: UUID, now: datetime, *, enabled: bool = True) -> _Factor:
    """The member's factor, locked: of many guesses at once, each is counted before the next is checked."""
    found = tx.first(
        _Factor,
        """
        SELECT sealed_secret, CASE WHEN failures_in = :hour THEN failures ELSE 0 END AS failures
        FROM second_factors WHERE member_id = :member_id AND (enabled_at IS NOT NULL) = CAST(:enabled AS boolean)
        FOR UPDATE
        """,
        member_id=member_id,
        hour=retry_after.hour_of(now),
        enabled=enabled,
    )
    if found is None:
        raise SecondFactorNotSetUp
    if found.failures >= FAILURES_MAX:
        raise SecondFactorLocked(headers=retry_after.until_next_hour(now))
    return found


def _take(tx: Tx, member_id: UUID, step: int) -> bool:
    """Mark the step as used; False when it or a later one is used already."""
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
