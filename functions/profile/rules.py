"""What members may change about themselves, how often, and what keeps an account from being deleted."""

import re
from datetime import datetime, timedelta

from shared.problems import NotAllowed, Problem, TooManyRequests

RECENT_SIGN_IN = timedelta(minutes=10)
EMAIL_CHANGES_PER_HOUR = 5
UPLOADS_PER_HOUR = 5
DEVICES_MAX = 10
EXPORT_LIFE = timedelta(days=7)
EXPORT_PAUSE = timedelta(days=1)
LINK_LIFE = timedelta(minutes=15)
IOS_TOKEN = re.compile(r"([0-9a-fA-F]{2}){32,100}")


class SignInAgain(NotAllowed):
    """Whoever takes an account over or ends it has signed in within the last ten minutes."""

    title = "Sign in again first."


class PictureNotSupported(Problem):
    """By its first bytes, whatever it is called."""

    status, title = 422, "Only JPEG and PNG pictures are taken."


class PictureTooLarge(Problem):
    """Small as a file, and not as a picture."""

    status, title = 422, "This picture has too many pixels."


class PictureNotReadable(Problem):
    """Broken off, damaged or empty."""

    status, title = 422, "This picture cannot be read."


class TooManyPictures(TooManyRequests):
    """Five in any sixty minutes."""

    title = "You have changed your picture very often; wait a little."


class TooManyEmailChanges(TooManyRequests):
    """Each of them mails a code to an address that may be anybody's."""

    title = "You have changed your e-mail address very often; wait a little."


class NotThisAccount(Problem):
    """Who deletes an account says its username, so that nothing is deleted by a slip."""

    status, title = 422, "This is not the username of this account."


class AccountCannotBeDeleted(Problem):
    """`obstacles` says what is in the way: `[{"kind": "payouts", "count": 1}]`."""

    status, title = 409, "This account cannot be deleted yet."


def check_recent(signed_in_at: datetime, now: datetime) -> None:
    """Raises SignInAgain. A refreshed token does not count: its session began earlier."""
    if now - signed_in_at > RECENT_SIGN_IN:
        raise SignInAgain


def is_device_token(platform: str, token: str) -> bool:
    """Apple's are hexadecimal; of Google's nothing is promised."""
    return platform != "ios" or IOS_TOKEN.fullmatch(token) is not None


def seconds_until(moment: datetime, now: datetime) -> str:
    """For Retry-After."""
    return str(max(1, int((moment - now).total_seconds()) + 1))
