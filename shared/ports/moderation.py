"""OpenAI's moderation: how strongly texts show harassment, hate, violence and the like.

OPENAI_URL (https://api.openai.com unless given), OPENAI_API_KEY. `POST /v1/moderations` with {model, input: [texts]}
answers {id, model, results: [{flagged, categories, category_scores, category_applied_input_types}]}, a result for each
text in order. https://platform.openai.com/docs/api-reference/moderations

Nothing is changed there: after a failure the same texts may be asked about again. What a score leads to is the
caller's rule; the vendor's own `flagged` is not read.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.ports import outcomes, vendors
from shared.ports.vendors import KEYS_WRONG, VendorFailure, VendorMisconfigured, VendorRefused, VendorSilent
from shared.values import encoding

URL_DEFAULT = "https://api.openai.com"
MODEL = "omni-moderation-latest"
SECONDS_MAX = 5.0
TEXTS_MAX = 64  # in one request: 64 messages of 2,000 characters are half a megabyte of JSON at most
CATEGORIES = frozenset(
    {
        "harassment",
        "harassment/threatening",
        "hate",
        "hate/threatening",
        "illicit",
        "illicit/violent",
        "self-harm",
        "self-harm/instructions",
        "self-harm/intent",
        "sexual",
        "sexual/minors",
        "violence",
        "violence/graphic",
    }
)
CATEGORY = re.compile(r"[a-z]+(?:[-_/][a-z]+){0,4}")

Scores = Mapping[str, float]


def scores(texts: Sequence[str]) -> list[Scores]:
    """For each text, in order, a number from 0 to 1 per category: all of CATEGORIES, and others when they are new.

    At most TEXTS_MAX texts. Raises VendorSilent when nothing is known (no answer in five seconds, 5xx, 429, an answer
    that is not sound, such as a score above 1 or a result too few), VendorRefused, VendorMisconfigured.
    """
    assert len(texts) <= TEXTS_MAX, "the caller asks in batches"
    if not texts:
        return []
    with outcomes.asking("openai", VendorFailure, (VendorRefused,)):
        return _asked(texts)


def _asked(texts: Sequence[str]) -> list[Scores]:
    answer = vendors.send(
        "POST",
        f"{os.environ.get('OPENAI_URL', URL_DEFAULT)}/v1/moderations",
        {"authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
        {"model": MODEL, "input": list(texts)},
        seconds_max=SECONDS_MAX,
    )
    if answer.status in KEYS_WRONG:
        raise VendorMisconfigured(str(answer.status))
    body = _object(answer.content, answer.status)
    if not vendors.VendorReply(answer.status, body).ok:
        raise _refusal(answer.status, body)
    try:
        results = vendors.one_for_each(body["results"], texts)
        return [_scores(result["category_scores"]) for result in results]
    except (KeyError, TypeError, ValueError) as error:
        raise vendors.misunderstood(error) from None


def _object(content: bytes, status: int) -> dict[str, Any]:
    """The answer's JSON object. Raises VendorSilent.

    It is read less strictly than other vendors' answers, whose numbers are money: a score may have more digits than a
    double holds.
    """
    try:
        value = encoding.parse_estimates(content)
    except encoding.NotJson:
        raise VendorSilent(f"{status}, and no JSON") from None
    if not isinstance(value, dict):
        raise VendorSilent(f"{status}, and no JSON object")
    return value


def _refusal(status: int, body: Mapping[str, Any]) -> VendorRefused | VendorSilent:
    """The exception for an error: a refusal only in the vendor's own shape, {"error": {"type", "code", "message"}}."""
    error = body.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("type"), str):
        return VendorSilent(str(status))
    return VendorRefused(vendors.slug(error.get("code") or error["type"]))


def _scores(said: object) -> Scores:
    """The scores of a text. Raises ValueError, TypeError for what is no score, and for a category that is missing."""
    if not isinstance(said, dict):
        raise TypeError("no scores")
    missing = CATEGORIES - said.keys()
    if missing:
        raise ValueError("a category is missing")
    return {name: _score(value) for name, value in said.items() if CATEGORY.fullmatch(name)}


def _score(said: object) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise TypeError("no score")
    if not 0 <= said <= 1:  # nor is NaN
        raise ValueError("a score out of range")
    return float(said)
