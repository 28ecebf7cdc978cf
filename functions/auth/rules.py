"""Checks a sign-up: the age, the password, the name."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import date, timedelta

from shared.members.accounts import EmailAlreadyRegistered, UsernameTaken, VerificationCodeNotValid, is_reserved
from shared.values.problems import Problem, TooManyRequests

__all__ = ["EmailAlreadyRegistered", "UsernameTaken", "VerificationCodeNotValid"]

AGE_MIN = 21
BORN_FROM = date(1900, 1, 1)  # no living person was born earlier
PASSWORD_LENGTH_MIN = 8
PASSWORD_LENGTH_MAX = 128
GUESSED_LENGTH_MAX = 72
GUESSES_MIN = 1_000_000
MAILED_CODES_MAX = 3  # per address, purpose and network (or known device) in a clock hour
MAILED_CODES_DAY_MAX = 6  # the same on a day
ADDRESS_MAILED_CODES_MAX = 12  # per address and purpose over all networks in a clock hour, known devices aside
ADDRESS_MAILED_CODES_DAY_MAX = 24  # the same on a day; each code allows five guesses
NETWORK_MAILED_CODES_MAX = 500
NETWORK_GUESSES_MAX = 300  # mailed codes handed in per network in a clock hour
SIGN_UPS_MAX = 100  # per network in a clock hour
FAILED_SIGN_INS_MAX = 10  # per account and network in a clock hour, and of a known device
ACCOUNT_FAILURES_MAX = 50  # per account over all networks
NETWORK_FAILURES_MAX = 2_000  # per network over all accounts; a carrier has thousands of members behind one address
REAUTHENTICATIONS_MAX = 10  # wrong passwords of a signed-in member in a clock hour
WALLET_TOKENS_PER_HOUR = 30
DEVICE_KNOWN_FOR = timedelta(days=90)  # since the last sign-in
SUGGESTIONS = 3
ACCESS_TOKEN_LIFE = timedelta(minutes=15)
REFRESH_TOKEN_LIFE = timedelta(days=30)  # of a member; the schema says how long sessions live
LOST_RESPONSE = timedelta(seconds=60)  # how long a used refresh token may be repeated: its answer may have been lost
USERNAME_LENGTH_MAX = 24
SPELLINGS = str.maketrans(
    {
        "ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "ß": "ss", "ẞ": "SS", "đ": "d", "Đ": "D", "þ": "th", "Þ": "Th",
        "ð": "d", "Ð": "D", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ħ": "h", "Ħ": "H", "\u0131": "i", "ŋ": "ng",
        "Ŋ": "Ng", "ŧ": "t", "Ŧ": "T",
    }
)  # fmt: skip


class TooYoung(Problem):
    """The member is younger than 21 (docs/product.md, "Accounts")."""

    status, title = 422, "You must be 21 or older to join."


class PasswordTooWeak(Problem):
    """The password is too weak; `missing` lists what it lacks."""

    status, title = 422, "This password is too weak."


class ReferralCodeUnknown(Problem):
    """No member refers by this code."""

    status, title = 422, "This referral code is unknown."


class TooManyMailedCodes(TooManyRequests):
    """Too many codes were asked for, for this address or from this network, whether the account exists or not."""

    title = "Too many codes were asked for. Try again later."


class TooManyGuesses(TooManyRequests):
    """Too many mailed codes were handed in from this network."""

    title = "Too many codes were handed in from this network. Try again later."


class TooManyWalletTokens(TooManyRequests):
    """The member has asked for too many tokens for the wallet provider; one is enough for a session of its SDK."""

    title = "You have opened your wallet very often; wait a little."


class TooManySignUps(TooManyRequests):
    """Too many accounts were made from this network, or too many sign-ups used this address."""

    title = "Too many accounts were made from this network or with this address. Try again later."


class PasswordResetNotValid(Problem):
    """The code is wrong, used, expired or tried too often, or the address has no account: one answer for all."""

    status, title = 422, "This code does not reset a password."


class PasswordWrong(Problem):
    """A signed-in member gave a wrong password, or has given too many wrong ones."""

    status, title = 403, "The password is wrong, or was wrong too often."


class SecondFactorAlreadySetUp(Problem):
    """Two-factor authentication is set up already, and must be disabled first."""

    status, title = 409, "Two-factor authentication is set up already."


class SignInRefused(Problem):
    """The account is unknown, the password wrong, or sign-in locked after too many failures: one answer for all."""

    status, title = 403, "E-mail address or password is wrong, or sign-in is locked for now."


class AdminsOnly(Problem):
    """A member without a role asked for an admin session; raised only after the password was right."""

    status, title = 403, "Only admins have sessions of this kind."


class EmailNotVerified(Problem):
    """The address is not verified; raised only after the password was right."""

    status, title = 403, "Verify your e-mail address first."


def check_age(born: date, today: date) -> None:
    """Raises TooYoung. Somebody born on 29 February reaches the age on 1 March."""
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    if today.year - born.year - (not had_birthday) < AGE_MIN:
        raise TooYoung


def birthday(born: date) -> date:
    """Return a birthday that a living person can have. Raises ValueError."""
    if born < BORN_FROM:
        raise ValueError(f"must be {BORN_FROM.year} or later")
    return born


def check_password(password: str, known: Sequence[str]) -> None:
    """Raises PasswordTooWeak naming all that is missing (docs/product.md, "Passwords").

    `known` is what a guesser knows of the member. What is guessed within a million tries is too common
    (zxcvbn estimates them, and tells little about what lies beyond its first characters).
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
    """The name in plain letters and digits: "José Álvarez" becomes josealvarez, "Łukasz Groß" lukaszgross. A reserved
    name, or one that is too short, becomes "member".
    """
    letters = re.sub(r"[^a-z0-9]", "", _plain(full_name))[:USERNAME_LENGTH_MAX]
    is_usable = len(letters) >= 3 and not is_reserved(letters)  # noqa: PLR2004 - the shortest username there is
    return letters if is_usable else "member"


def _plain(full_name: str) -> str:
    """The name in lower-case ASCII: accents are removed, letters outside ASCII are spelled as SPELLINGS has them."""
    spelled = full_name.translate(SPELLINGS)
    return unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode().lower()


def username_candidates(full_name: str, digits: Sequence[int]) -> list[str]:
    """Usernames to suggest, the plainest first; `digits` are random numbers to append."""
    base = username_base(full_name)
    words = _plain(full_name).split()
    joined = "_".join(plain for word in words if (plain := re.sub(r"[^a-z0-9]", "", word)))[:USERNAME_LENGTH_MAX]
    shown = [base, joined] if len(joined) >= 3 else [base]  # noqa: PLR2004 - the shortest username there is
    return list(dict.fromkeys([*shown, *(f"{base}{number}" for number in digits)]))
