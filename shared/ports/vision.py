"""Google Vision's SafeSearch: whether a picture may be shown to everybody.

VISION_URL (https://vision.googleapis.com unless given); to a loopback address no credentials are sent.
https://cloud.google.com/vision/docs/reference/rest/v1/images/annotate
"""

import base64
import os
from http import HTTPStatus
from typing import Any

from shared.ports import google_sessions
from shared.ports.outage import Outage

URL_DEFAULT = "https://vision.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/cloud-vision"
CONNECT_SECONDS_MAX = 5.0
ANSWER_SECONDS_MAX = 15.0
PICTURE_BYTES_MAX = 7_000_000  # a request takes 10 MB of JSON, and base64 makes four bytes out of three
KINDS = ("adult", "violence", "racy")
BAD = frozenset({"LIKELY", "VERY_LIKELY"})


class VisionFailure(Exception):
    """The base class of this port's exceptions; a message never contains a picture."""


class VisionUnavailable(VisionFailure, Outage):
    """Raised for a temporary failure: ask again later."""


class PictureRefused(VisionFailure):
    """Raised when the service cannot judge this picture and never will."""


def objections(picture: bytes) -> list[str]:
    """The kinds of unwanted content that the picture probably shows; an empty list for a harmless one.

    Raises PictureRefused, also for a picture of more than PICTURE_BYTES_MAX, and VisionUnavailable.
    """
    import requests
    from google.auth.exceptions import GoogleAuthError

    if len(picture) > PICTURE_BYTES_MAX:
        raise PictureRefused("too large")
    base = os.environ.get("VISION_URL", URL_DEFAULT)
    content = base64.b64encode(picture).decode()
    asked = {"requests": [{"image": {"content": content}, "features": [{"type": "SAFE_SEARCH_DETECTION"}]}]}
    try:
        with google_sessions.authorized(base, SCOPE) as session:
            answer = session.post(
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
        )  # also when it is our fault: it continues once a person has corrected it
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
