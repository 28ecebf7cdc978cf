"""Google Cloud Translation: messages between English, Spanish and Portuguese.

TRANSLATION_URL (https://translation.googleapis.com unless given), GOOGLE_CLOUD_PROJECT; to a loopback address no
credentials are sent. The role is roles/cloudtranslate.user.
https://cloud.google.com/translate/docs/reference/rest/v3/projects.locations/translateText

What must not be translated travels as tokens (shared/social/tokens.py). Nothing is changed there: after a failure the
same texts may be asked about again, which costs again.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from shared.ports import google_sessions, outcomes, vendors
from shared.ports.vendors import KEYS_WRONG, VendorFailure, VendorMisconfigured, VendorRefused, VendorSilent

if TYPE_CHECKING:
    import requests

URL_DEFAULT = "https://translation.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-translation"
TRANSLATION_SECONDS_MAX = 5.0
TEXTS_MAX = 100  # in one request; the service takes 1,024
CODE_POINTS_MAX = 30_000  # of all texts of a request, as the service recommends
GROWTH_MAX = 10  # a translation that is so many times as long is none
GROWTH_FROM = 100


class Language(StrEnum):
    """The languages of the product."""

    ENGLISH = "en"
    SPANISH = "es"
    PORTUGUESE = "pt"


def batches(texts: Sequence[str]) -> list[list[str]]:
    """The texts in their order, in batches that a request may hold; a text above CODE_POINTS_MAX is alone in one."""
    found: list[list[str]] = []
    length = 0
    for text in texts:
        if not found or len(found[-1]) == TEXTS_MAX or length + len(text) > CODE_POINTS_MAX:
            found.append([])
            length = 0
        found[-1].append(text)
        length += len(text)
    return found


def translate(texts: Sequence[str], source: Language | None, target: Language) -> list[str]:
    """The translation of each text, in order. Without a source the service finds out the language of each.

    At most one batch. Raises VendorSilent when nothing is known (no answer in five seconds, 5xx, 429, an answer that
    is not sound), VendorRefused, VendorMisconfigured.
    """
    assert len(batches(texts)) <= 1, "the caller asks in batches"
    if not texts or source is target:
        return list(texts)
    asked: dict[str, object] = {
        "contents": list(texts),
        "mimeType": "text/plain",  # text/html would make entities of signs
        "targetLanguageCode": target.value,
    }
    if source is not None:
        asked["sourceLanguageCode"] = source.value
    with outcomes.asking("translation", VendorFailure, (VendorRefused,)):
        return _translated(asked, texts)


def _translated(asked: Mapping[str, object], texts: Sequence[str]) -> list[str]:
    body = _accepted(_ask(asked))
    try:
        translations = vendors.one_for_each(body["translations"], texts)
        return [_text(each["translatedText"], text) for each, text in zip(translations, texts, strict=True)]
    except (KeyError, TypeError, ValueError) as error:
        raise vendors.misunderstood(error) from None


def _ask(asked: Mapping[str, object]) -> vendors.RawAnswer:
    from google.auth.exceptions import GoogleAuthError

    base = os.environ.get("TRANSLATION_URL", URL_DEFAULT)
    path = f"/v3/projects/{os.environ['GOOGLE_CLOUD_PROJECT']}/locations/global:translateText"
    try:
        return vendors.send("POST", base + path, {}, asked, session_for=_session, seconds_max=TRANSLATION_SECONDS_MAX)
    except GoogleAuthError as error:
        raise VendorSilent(type(error).__name__) from None


def _session(url: str) -> "AbstractContextManager[requests.Session]":
    return google_sessions.authorized(url, SCOPE)


def _accepted(answer: vendors.RawAnswer) -> Mapping[str, Any]:
    """The answer's body. Raises VendorMisconfigured, VendorRefused for Google's own refusal, VendorSilent else."""
    if answer.status in KEYS_WRONG:
        raise VendorMisconfigured(str(answer.status))
    body = vendors.json_object(answer.content, str(answer.status))
    if answer.status == HTTPStatus.OK:
        return body
    error = body.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("status"), str):
        raise VendorSilent(str(answer.status))
    raise VendorRefused(vendors.slug(error["status"]))


def _text(said: object, asked: str) -> str:
    """A translation. Raises TypeError, ValueError for what is no text, for nothing, and for far too much."""
    if not isinstance(said, str):
        raise TypeError("no text")
    if not said.strip() and asked.strip():
        raise ValueError("no translation")
    if len(said) > max(GROWTH_FROM, GROWTH_MAX * len(asked)):
        raise ValueError("far too long")
    return said
