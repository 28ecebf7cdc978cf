"""Oobit: the access token of the spend card's widget, valid for one hour.

OOBIT_URL (https://v2.prod-api-oobit.com unless given), OOBIT_API_KEY. The token is not tied to our member: the widget
asks for everything else itself. Reference: https://docs.oobit.com/docs/create-token
"""

import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from shared.ports.outage import Outage
from shared.values import retry_after

URL_DEFAULT = "https://v2.prod-api-oobit.com"
CONNECT_SECONDS_MAX = 3.0
ANSWER_SECONDS_MAX = 7.0


class OobitFailure(Exception):
    """The base class of this port's exceptions; a message never contains a token or the key."""


class OobitMisconfigured(OobitFailure):
    """Raised when our key is wrong or lacks rights: every call fails until a person corrects it."""


class OobitUnavailable(OobitFailure, Outage):
    """Raised for a temporary failure: too many calls, an outage, or an unreadable answer."""

    def __init__(self, reason: str, retry_after_seconds: int = retry_after.ASKED_SECONDS_DEFAULT) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class WidgetToken:
    """The token with which the widget is opened."""

    token: str = field(repr=False)
    expires_at: datetime


def create_token() -> WidgetToken:
    """Request a new token. Raises OobitMisconfigured, OobitUnavailable."""
    import requests

    try:
        answer = requests.post(
            f"{os.environ.get('OOBIT_URL', URL_DEFAULT)}/v1/widget/auth/create-token",
            headers={"x-api-key": os.environ["OOBIT_API_KEY"], "accept": "application/json"},
            timeout=(CONNECT_SECONDS_MAX, ANSWER_SECONDS_MAX),
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise OobitUnavailable(type(error).__name__) from error
    if answer.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise OobitMisconfigured(str(answer.status_code))
    if answer.status_code != HTTPStatus.OK:
        raise OobitUnavailable(str(answer.status_code), retry_after.asked(answer.headers.get("Retry-After", "")))
    return _token(answer.content)


def _token(content: bytes) -> WidgetToken:
    import json

    try:
        told: Any = json.loads(content)
        expires_at = datetime.fromisoformat(str(told["expiresAt"]))
        token = told["token"] if told["success"] is True else None
    except (ValueError, KeyError, TypeError) as error:
        raise OobitUnavailable(f"the answer is not understood: {type(error).__name__}") from None
    if not isinstance(token, str) or not token or expires_at.tzinfo is None:
        raise OobitUnavailable("the answer has no token")
    return WidgetToken(token, expires_at.astimezone(UTC))
