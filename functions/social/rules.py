"""Refusals of the chat, and its limits (docs/social.md)."""

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

from shared.values import retry_after
from shared.values.problems import Problem, TooManyRequests

TEXT_MAX = 2_000  # code points
EDITABLE = timedelta(minutes=15)
REACTION_KINDS_MAX = 20  # different emoji under one message
MENTIONS_MAX = 5  # members who are named in one message
ENTRIES_KEPT = timedelta(hours=48)  # shared/database/retention.py deletes older ones
TRANSLATIONS_PER_MINUTE = 60  # of a member
TRANSLATIONS_AT_ONCE = 8  # of a process: the others of its threads post
TRANSLATION_MAX = 20_000  # code points
TRANSLATION_SECONDS = 1  # after so long the same question finds what somebody else has asked for
CODE_POINTS_PER_DAY = 5_000_000  # of all members together: $100 at $20 per million
CODE_POINTS_OF_MEMBER_PER_DAY = 100_000  # so that no member uses up what all have together
BUDGET_SECONDS = 3600
CLAIM_LIFE = timedelta(seconds=15)  # longer than the vendor is waited for
REST_SECONDS_MAX = 30  # for which the vendor is left alone after it has failed

REPORTS_PER_HOUR = 10
BLOCKS_MAX = 1_000  # of a member
# How urgent the first report of a reason makes a case, in thousandths; each further report of it adds some.
SEVERITY: Mapping[str, int] = {
    "violence": 900,
    "hate": 800,
    "sexual": 800,
    "scam": 700,
    "privacy": 700,
    "harassment": 600,
    "other": 400,
    "spam": 300,
}


class ChannelIsReadOnly(Problem):
    """Members of this tier may read the channel, and not write in it."""

    status, title = 403, "You may only read this channel."


class TimedOut(Problem):
    """People have stopped the member from writing until a time, which is told as `until`."""

    status, title, passing = 403, "You may not write for a while.", True


class Muted(Problem):
    """The member has repeated one text, or people have muted them, until a time, which is told as `until`."""

    status, title, passing = 403, "You are muted; you may not write for a while.", True


class PostingTooFast(TooManyRequests):
    """The member's cooldown is not over; `retry_at` says when it is."""

    title = "You write very fast; wait a little."


class MessageNotAllowed(Problem):
    """The text has something that nobody may write here; what it is, is not told."""

    status, title = 422, "This message cannot be posted."


class ClientIdReused(Problem):
    """The client gave this id to another message before."""

    status, title = 409, "This client id was used for another message."


class NotYourMessage(Problem):
    """Only its author may change a message."""

    status, title = 403, "This message is not yours."


class TooLateToEdit(Problem):
    """A message can be edited for fifteen minutes."""

    status, title = 409, "This message cannot be edited any more."


class TooManyReactions(Problem):
    """The message has twenty different reactions; more of these can be given, but no other."""

    status, title = 409, "This message has too many different reactions."


class NothingToReport(Problem):
    """A message of the member's own, or of the platform, or the member themselves."""

    status, title = 422, "This is not for you to report."


class CannotBlockYourself(Problem):
    """The member has tried to block themselves."""

    status, title = 422, "You cannot block yourself."


class TooManyBlocks(Problem):
    """The member has blocked a thousand others."""

    status, title = 409, "You have blocked too many members."


class TooManyChatReports(TooManyRequests):
    """The member has reported ten times in a clock hour."""

    title = "You have reported very often; wait a little."


class TranslationNotReady(Problem):
    """Somebody else has asked for this translation, or the message was edited meanwhile."""

    status, title, passing = 409, "This translation is being made; ask again in a second.", True


class TranslationUnavailable(Problem):
    """The service that translates does not answer, or has done enough for today. Nothing was done."""

    status, title, passing = 503, "Nothing can be translated at this moment.", True


class NotTranslatable(Problem):
    """The service that translates knows no translation of this text."""

    status, title = 422, "This message cannot be translated."


class TooManyTranslations(TooManyRequests):
    """The member has asked for sixty translations within a minute, or for 100,000 new code points on a day."""

    title = "You have asked for many translations; wait a little."


def not_ready() -> TranslationNotReady:
    """The refusal of a translation that will be there soon."""
    return TranslationNotReady(headers={"Retry-After": str(TRANSLATION_SECONDS)})


def unavailable(seconds: float) -> TranslationUnavailable:
    """The refusal while nothing is translated."""
    return TranslationUnavailable(headers={"Retry-After": str(max(1, math.ceil(seconds)))})


def muted(until: datetime, now: datetime) -> Muted:
    """The refusal of a member who is muted."""
    return Muted(headers=retry_after.until(until, now), until=until.isoformat())


def timed_out(until: datetime, now: datetime) -> TimedOut:
    """The refusal of a member who was timed out."""
    return TimedOut(headers=retry_after.until(until, now), until=until.isoformat())


def too_fast(retry_at: datetime, now: datetime) -> PostingTooFast:
    """The refusal of a member who writes before their cooldown is over."""
    return PostingTooFast(headers=retry_after.until(retry_at, now), retry_at=retry_at.isoformat())
