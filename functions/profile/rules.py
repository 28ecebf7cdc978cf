"""Limits and problems of changes to a profile, of pictures, devices and exports, of support, and of the deletion of an
account.
"""

import re
from datetime import timedelta

from shared.values.problems import Problem, TooManyRequests

EMAIL_CHANGES_PER_HOUR = 5
UPLOADS_PER_HOUR = 5
RENAMES_MAX = 3  # within RENAMES_WITHIN, because each former name is kept for ever
RENAMES_WITHIN = timedelta(days=30)
PICTURES_TRIED_PER_HOUR = 30  # in a clock hour, including the refused ones
EXPORT_LIFE = timedelta(days=7)
EXPORT_PAUSE = timedelta(days=1)
LINK_LIFE = timedelta(minutes=15)
SUPPORT_TOKENS_PER_HOUR = 60
APPEALS_PER_HOUR = 5
LIFT = "lift"  # the kind of a case that takes a sanction back
IOS_TOKEN = re.compile(r"([0-9a-fA-F]{2}){32,100}")


class PictureNotSupported(Problem):
    """The file's first bytes are those of neither JPEG nor PNG, whatever its name says."""

    status, title = 422, "Only JPEG and PNG pictures are taken."


class PictureTooLarge(Problem):
    """The picture has too many pixels, though its file is small."""

    status, title = 422, "This picture has too many pixels."


class PictureNotReadable(Problem):
    """The file is truncated, damaged or empty."""

    status, title = 422, "This picture cannot be read."


class TooManyPictures(TooManyRequests):
    """The member has uploaded five pictures in sixty minutes, or tried thirty."""

    title = "You have changed your picture very often; wait a little."


class TooManyImages(TooManyRequests):
    """The member has uploaded five images for the chat in sixty minutes, or tried thirty."""

    title = "You have sent many images; wait a little."


class TooManyRenames(TooManyRequests):
    """The member was renamed three times in thirty days; others should be able to follow a member from name to name."""

    title = "You have changed your username often; wait a little."


class TooManyEmailChanges(TooManyRequests):
    """The member has tried too many new addresses; each try mails a code to an address that may be somebody else's."""

    title = "You have changed your e-mail address very often; wait a little."


class NotThisAccount(Problem):
    """The username in the request is not the caller's; it guards against deleting the wrong account."""

    status, title = 422, "This is not the username of this account."


class AccountCannotBeDeleted(Problem):
    """Something prevents the deletion; `obstacles` lists it: `[{"kind": "payouts", "count": 1}]`."""

    status, title = 409, "This account cannot be deleted yet."


def is_device_token(platform: str, token: str) -> bool:
    """Whether the text may be a device token: those of iOS are hexadecimal; for Android no form is promised."""
    return platform != "ios" or IOS_TOKEN.fullmatch(token) is not None


class SupportUnavailable(Problem):
    """The messenger of support is not set up. Nothing was done; the request may come again after `Retry-After`."""

    status, title, passing = 409, "Support cannot be reached here at this moment; write a mail.", True


class TooManySupportTokens(TooManyRequests):
    """The member has opened the messenger sixty times in a clock hour."""

    title = "You have opened support very often; wait a little."


class TooManyAppeals(TooManyRequests):
    """The member has tried five appeals in a clock hour."""

    title = "You have appealed very often; wait a little."


class SanctionUnknown(Problem):
    """The member has no sanction with this id."""

    status, title = 404, "There is no such case of yours."


class SanctionAppealed(Problem):
    """A sanction can be appealed once; its conversation in the messenger goes on."""

    status, title = 409, "You have appealed this before; go on in its conversation."


class SanctionNotAppealable(Problem):
    """The case took a sanction back; there is nothing to appeal."""

    status, title = 409, "This case took a sanction back; there is nothing to appeal."
