"""Translates messages for their readers (docs/social.md, "Translations").

The vendor is asked outside of any transaction: for messages of one language together, each once per revision, and by so
few requests at a time that posting goes on while the vendor is slow. What it says is stored under the message's lock,
and only if the message still says what was translated.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from functions.social import message_store, reading, rules, translation_store
from functions.social.message_store import Message
from functions.social.models import TranslationWish
from shared import auth, db, log
from shared.auth import Claims, Member
from shared.db import Tx
from shared.figures import integrations
from shared.ports import translation
from shared.ports.translation import Language
from shared.ports.vendors import VendorFailure, VendorMisconfigured, VendorRefused, VendorSilent
from shared.social import text as texts
from shared.social import tokens
from shared.social.tokens import Marked
from shared.values import retry_after
from shared.values.problems import NotFound
from shared.web import quotas
from shared.web.group_commit import GroupCommitter
from shared.web.quotas import Limit, Quota

FUNCTION = "social"


@dataclass(frozen=True)
class Translated:
    """A revision of a message in another language; `is_new` says that it is not stored."""

    revision: int
    text: str
    is_new: bool


class Desk:
    """Lets requests wait for the vendor: a few of a process at a time, and none while the vendor rests."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(rules.TRANSLATIONS_AT_ONCE)
        self._rests_until = 0.0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place until the end of the block. Raises TranslationUnavailable when there is none."""
        left = self._rests_until - time.monotonic()
        if left > 0:
            raise rules.unavailable(left)
        if not self._places.acquire(blocking=False):
            raise rules.unavailable(rules.TRANSLATION_SECONDS)
        try:
            yield
        finally:
            self._places.release()

    def rest(self, seconds: float) -> None:
        """Ask for nothing for so long."""
        self._rests_until = time.monotonic() + seconds


desk = Desk()


def _ask(source: Language | None, target: Language, marked: Sequence[str]) -> list[str]:
    return [said for batch in translation.batches(marked) for said in translation.translate(batch, source, target)]


GROUPS = {
    (source, target): GroupCommitter[str, str](
        partial(_ask, source, target),
        size_max=rules.TRANSLATIONS_AT_ONCE,
        shared=(VendorSilent, VendorMisconfigured),
    )
    for source in (None, *Language)
    for target in Language
}


def limit(claims: Claims) -> Limit:
    """Limit how many translations a member asks for."""
    return Limit([Quota(f"translations of {claims.member_id}", rules.TRANSLATIONS_PER_MINUTE, retry_after.MINUTE)],
                 rules.TooManyTranslations)  # fmt: skip


def prepared(claims: Claims, message_id: UUID, body: TranslationWish, now: datetime) -> Translated:
    """The translation: the one that is there, else the vendor's. Raises BannedFromChat, NotFound, TranslationNotReady,
    TooManyTranslations, TranslationUnavailable, NotTranslatable.
    """
    language = Language(body.language)
    message = db.atomically(_readable, claims, message_id, now)
    marked = tokens.mark(message.text)
    if message.language == language or not marked.has_words:
        return Translated(message.revision, message.text, is_new=False)
    known = db.atomically(translation_store.known, message.id, message.revision, language)
    if known is not None:
        return Translated(message.revision, known, is_new=False)
    with desk.place():
        db.atomically(_claim, claims.member_id, message, language, len(marked.text), now)
        return Translated(message.revision, _asked(message, marked, language), is_new=True)


def keep(tx: Tx, member: Member, message_id: UUID, language: Language, said: Translated, now: datetime) -> None:
    """Store a translation, if it is new. Raises BannedFromChat; NotFound if the member may not read the message (any
    more), TranslationNotReady if it was edited meanwhile.
    """
    if said.is_new and message_store.locked(tx, message_id) is None:
        raise NotFound
    message = reading.message(tx, member, message_id)
    if message.revision != said.revision:
        raise rules.not_ready()
    if said.is_new:
        translation_store.keep(tx, message.id, message.revision, language, said.text, now=now)


def _readable(tx: Tx, claims: Claims, message_id: UUID, now: datetime) -> Message:
    return reading.message(tx, auth.member(tx, claims, now), message_id)


def _claim(tx: Tx, member_id: UUID, message: Message, language: Language, code_points: int, now: datetime) -> None:
    """Claim the translation, and count it against the member's and then against everybody's budget of the day. Raises
    TranslationNotReady if somebody asks for it already, TooManyTranslations and TranslationUnavailable when one is used
    up.
    """
    if not translation_store.claim(tx, message.id, message.revision, language, now + rules.CLAIM_LIFE, now=now):
        raise rules.not_ready()
    own = Quota(f"translated code points of {member_id}", rules.CODE_POINTS_OF_MEMBER_PER_DAY, quotas.DAY)
    quotas.spend_within(tx, Limit([own], rules.TooManyTranslations), now, by=code_points)
    budget = Quota("translated code points", rules.CODE_POINTS_PER_DAY, quotas.DAY)
    if quotas.used_up([budget], quotas.count(tx, [budget], now, by=code_points)):
        log.warning("the day's budget for translations is used up")
        raise rules.unavailable(rules.BUDGET_SECONDS)


def _asked(message: Message, marked: Marked, language: Language) -> str:
    """The vendor's translation. Raises TranslationUnavailable, NotTranslatable; the claim is given back."""
    source = Language(message.language) if message.language in set(Language) else None
    try:
        said = GROUPS[source, language].do(marked.text)
        return _sound(said, marked)
    except VendorFailure as failure:
        db.atomically(translation_store.release, message.id, message.revision, language)
        if isinstance(failure, VendorRefused):
            raise rules.NotTranslatable from None
        if isinstance(failure, VendorMisconfigured):
            log.error("messages cannot be translated", reason=str(failure))
        else:
            log.warning("messages are not translated now", reason=str(failure))
        asked = failure.retry_after_seconds if isinstance(failure, VendorSilent) else retry_after.MISCONFIGURED_SECONDS
        rest = min(asked, rules.REST_SECONDS_MAX)
        desk.rest(rest)
        raise rules.unavailable(rest) from None
    finally:
        integrations.store(FUNCTION)


def _sound(said: str, marked: Marked) -> str:
    """The translation with names and links, cleaned as what members write. Raises VendorRefused for what is none."""
    text = texts.clean(tokens.restore(said, marked.parts))
    if not text or len(text) > rules.TRANSLATION_MAX:
        raise VendorRefused("no translation")
    return text
