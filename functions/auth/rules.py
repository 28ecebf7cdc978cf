"""Who may sign up, with which password, under which name."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from shared.accounts import EmailAlreadyRegistered, UsernameTaken, VerificationCodeNotValid
from shared.problems import Problem, TooManyRequests

__all__ = ["EmailAlreadyRegistered", "UsernameTaken", "VerificationCodeNotValid"]

AGE_MIN = 21
PASSWORD_LENGTH_MIN = 8
PASSWORD_LENGTH_MAX = 128
GUESSED_LENGTH_MAX = 72
GUESSES_MIN = 1_000_000
MAILED_CODES_MAX = 3  # per account and purpose in a clock hour
NETWORK_MAILED_CODES_MAX = 50
SIGN_UPS_MAX = 100  # per network in a clock hour
FAILED_SIGN_INS_MAX = 10  # per account and network in a clock hour, and of a known device
ACCOUNT_FAILURES_MAX = 50  # per account over all networks
NETWORK_FAILURES_MAX = 200  # per network over all accounts
REAUTHENTICATIONS_MAX = 10  # wrong passwords of somebody who is signed in
DEVICE_KNOWN_FOR = timedelta(days=90)  # since the last sign-in
SUGGESTIONS = 3
HOUR_SECONDS = 3600
ACCESS_TOKEN_LIFE = timedelta(minutes=15)
REFRESH_TOKEN_LIFE = timedelta(days=30)
LOST_RESPONSE = timedelta(seconds=60)  # so long a used refresh token may be repeated: its answer may have been lost
USERNAME_LENGTH_MAX = 24
REFERRAL_CODE = re.compile(r"[A-Za-z0-9_-]{3,30}")  # a username, or a custom code


class TooYoung(Problem):
    """The plan's market is 21+."""

    status, title = 422, "You must be 21 or older to join."


class PasswordTooWeak(Problem):
    """`missing` lists what the password lacks."""

    status, title = 422, "This password is too weak."


class ReferralCodeUnknown(Problem):
    """Nobody refers by this code."""

    status, title = 422, "This referral code is unknown."


class TooManyMailedCodes(TooManyRequests):
    """For this address, or from this network; told to everybody, whether there is an account or not."""

    title = "Too many codes were asked for. Try again later."


class TooManySignUps(TooManyRequests):
    """From this network."""

    title = "Too many accounts were made from this network. Try again later."


class PasswordResetNotValid(Problem):
    """Wrong, used, expired, tried too often, or for nobody: one answer for all."""

    status, title = 422, "This code does not reset a password."


class PasswordWrong(Problem):
    """Somebody who is signed in was asked for the password once more. Said too when it was wrong too often."""

    status, title = 403, "The password is wrong, or was wrong too often."


class SecondFactorNeeded(Problem):
    """Told only to somebody who knows the password."""

    status, title = 403, "Add a code of your authenticator app."


class SecondFactorAlreadySetUp(Problem):
    """Disable it first."""

    status, title = 409, "Two-factor authentication is set up already."


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


def sign_in_limits(email: str, network: str) -> dict[str, int]:
    """How often a sign-in may fail within the hour, by what is counted."""
    return {
        f"sign-in of {email} from {network}": FAILED_SIGN_INS_MAX,
        f"sign-in of {email}": ACCOUNT_FAILURES_MAX,
        f"sign-in from {network}": NETWORK_FAILURES_MAX,
    }


def mailed_code_limits(purpose: str, email: str, network: str) -> dict[str, int]:
    """How many codes may be asked for within the hour, by what is counted."""
    return {f"{purpose} of {email}": MAILED_CODES_MAX, f"{purpose} from {network}": NETWORK_MAILED_CODES_MAX}


def is_referral_code(text: str) -> bool:
    """Whether it could be somebody's."""
    return REFERRAL_CODE.fullmatch(text) is not None


def seconds_left_of_hour(now: datetime) -> int:
    """When counting begins anew."""
    return HOUR_SECONDS - now.minute * 60 - now.second


def username_base(full_name: str) -> str:
    """The name in plain letters and digits: "José Álvarez" suggests josealvarez."""
    plain = unicodedata.normalize("NFKD", full_name).encode("ascii", "ignore").decode().lower()
    letters = re.sub(r"[^a-z0-9]", "", plain)[:USERNAME_LENGTH_MAX]
    return letters if len(letters) >= 3 else "member"  # noqa: PLR2004 - the shortest username there is


def username_candidates(full_name: str, digits: Sequence[int]) -> list[str]:
    """Usernames to suggest, the plainest first; `digits` are random."""
    base = username_base(full_name)
    words = unicodedata.normalize("NFKD", full_name).encode("ascii", "ignore").decode().lower().split()
    joined = "_".join(plain for word in words if (plain := re.sub(r"[^a-z0-9]", "", word)))[:USERNAME_LENGTH_MAX]
    shown = [base, joined] if len(joined) >= 3 else [base]  # noqa: PLR2004 - the shortest username there is
    return list(dict.fromkeys([*shown, *(f"{base}{number}" for number in digits)]))
