"""Who may sign up, with which password, under which name."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, timedelta

from shared.accounts import EmailAlreadyRegistered, UsernameTaken, VerificationCodeNotValid
from shared.problems import Problem

__all__ = ["EmailAlreadyRegistered", "UsernameTaken", "VerificationCodeNotValid"]

AGE_MIN = 21
PASSWORD_LENGTH_MIN = 8
PASSWORD_LENGTH_MAX = 128
GUESSED_LENGTH_MAX = 72
GUESSES_MIN = 1_000_000
VERIFICATION_CODE_LIFE = timedelta(minutes=15)
VERIFICATION_ATTEMPTS_MAX = 5
FAILED_SIGN_INS_MAX = 10  # per account and network in a clock hour
ACCESS_TOKEN_LIFE = timedelta(minutes=15)
REFRESH_TOKEN_LIFE = timedelta(days=30)
LOST_RESPONSE = timedelta(seconds=60)  # so long a used refresh token may be repeated: its answer may have been lost
USERNAME_LENGTH_MAX = 24


class TooYoung(Problem):
    """The plan's market is 21+."""

    status, title = 422, "You must be 21 or older to join."


class PasswordTooWeak(Problem):
    """`missing` lists what the password lacks."""

    status, title = 422, "This password is too weak."


class ReferralCodeUnknown(Problem):
    """Nobody refers by this code."""

    status, title = 422, "This referral code is unknown."


class SignInRefused(Problem):
    """Unknown account, wrong password or too many failures: one answer for all."""

    status, title = 403, "E-mail address or password is wrong, or sign-in is locked for now."


class EmailNotVerified(Problem):
    """Told only to somebody who knows the password."""

    status, title = 403, "Verify your e-mail address first."


def check_age(born: date, today: date) -> None:
    """Raises TooYoung; somebody born on 29 February comes of age on 1 March."""
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    if today.year - born.year - (not had_birthday) < AGE_MIN:
        raise TooYoung


def check_password(password: str, known: Sequence[str]) -> None:
    """Raises PasswordTooWeak naming all that is missing (plan section "Validation").

    `known` is what a guesser knows of the member. What is guessed within a million tries is too common (rulings §6;
    zxcvbn estimates them, and tells little about what lies beyond its first characters).
    """
    wanted = {
        f"at least {PASSWORD_LENGTH_MIN} characters": len(password) >= PASSWORD_LENGTH_MIN,
        "an upper-case letter": any(character.isupper() for character in password),
        "a digit": any(character.isdigit() for character in password),
        "a symbol": any(not character.isalnum() and not character.isspace() for character in password),
    }
    missing = [what for what, present in wanted.items() if not present]
    if missing:
        raise PasswordTooWeak(missing=missing)
    from zxcvbn import zxcvbn

    if zxcvbn(password[:GUESSED_LENGTH_MAX], user_inputs=[*known, "blakjaks"])["guesses"] < GUESSES_MIN:
        raise PasswordTooWeak(missing=["something that nobody guesses"])


def username_base(full_name: str) -> str:
    """The name in plain letters and digits: "José Álvarez" suggests josealvarez."""
    plain = unicodedata.normalize("NFKD", full_name).encode("ascii", "ignore").decode().lower()
    letters = re.sub(r"[^a-z0-9]", "", plain)[:USERNAME_LENGTH_MAX]
    return letters if len(letters) >= 3 else "member"  # noqa: PLR2004 - the shortest username there is
