"""Google Vision's SafeSearch: whether a picture may be shown to everybody.

VISION_URL (https://vision.googleapis.com unless given); to a loopback address no credentials are sent.
https://cloud.google.com/vision/docs/reference/rest/v1/images/annotate
"""

import base64
import os
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import requests

URL_DEFAULT = "https://vision.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-vision"
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 15.0
KINDS = ("adult", "violence", "racy")
BAD = frozenset({"LIKELY", "VERY_LIKELY"})


class VisionFailure(Exception):
    """What this port raises; never with a picture in it."""


class VisionUnavailable(VisionFailure):
    """A passing failure: ask again."""


class PictureRefused(VisionFailure):
    """The service cannot judge this picture, and never will."""


def objections(picture: bytes) -> list[str]:
    """The kinds of content that the picture likely shows and nobody should see; none for a harmless one."""
    import requests
    from google.auth.exceptions import GoogleAuthError

    base = os.environ.get("VISION_URL", URL_DEFAULT)
    content = base64.b64encode(picture).decode()
    asked = {"requests": [{"image": {"content": content}, "features": [{"type": "SAFE_SEARCH_DETECTION"}]}]}
    try:
        answer = _session(os.getpid(), base).post(
            f"{base}/v1/images:annotate",
            json=asked,
            timeout=(CONNECT_SECONDS_MAX, ANSWER_SECONDS_MAX),
            allow_redirects=False,
        )
    except (requests.RequestException, GoogleAuthError) as error:
        raise VisionUnavailable(type(error).__name__) from error
    if answer.status_code != HTTPStatus.OK:
        raise VisionUnavailable(
            str(answer.status_code)
        )  # also when it is our fault: a person mends it, then it goes on
    return _objections(answer.content)


def _objections(content: bytes) -> list[str]:
    import json

    try:
        (response,) = json.loads(content)["responses"]
        if "error" in response:
            raise PictureRefused(str(response["error"].get("code", "")))
        found: dict[str, Any] = response["safeSearchAnnotation"]
        return [kind for kind in KINDS if found[kind] in BAD]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise VisionUnavailable("the answer is none") from error


@cache
def _session(process_id: int, base: str) -> "requests.Session":
    """One per process, for a connection must not be shared across a fork."""
    del process_id
    import requests

    if urlsplit(base).hostname in LOOPBACK:
        session = requests.Session()
        session.trust_env = False  # no proxy, no credentials
        return session
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    credentials, _ = google.auth.default(scopes=[SCOPE])
    return AuthorizedSession(credentials)  # type: ignore[no-untyped-call]  # google-auth leaves it untyped
