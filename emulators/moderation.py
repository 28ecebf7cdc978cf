"""A local OpenAI moderation: `POST /v1/moderations` with `Authorization: Bearer`, in the shape of its API.

It reads no text but what stands in it as `category=score`: "hello hate=0.97" is hate with 0.97, all else is 0.0001.
`flagged` is true from 0.5 on. Errors are {"error": {"message", "type", "param", "code"}}.
https://platform.openai.com/docs/api-reference/moderations

Differs from OpenAI: one key and one model, texts alone, no limits of rate; a body has at most 10 MB.
"""

import re
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from emulators.chat_vendor import ChatVendorHandler, ChatVendorStandIn
from emulators.vendor import Answered, VendorError
from shared.ports.moderation import CATEGORIES, MODEL

API_KEY = "local-openai-key"
SCORE = re.compile(r"([a-z/-]+)=(0?\.[0-9]+|[01])(?![0-9])")
LOW, FLAGGED_FROM = 0.0001, 0.5


class ModerationStandIn(ChatVendorStandIn):
    """The service; `settings` is how the port finds it."""

    def __init__(self) -> None:
        super().__init__("moderation")

    @property
    def settings(self) -> dict[str, str]:
        return {"OPENAI_URL": self.url, "OPENAI_API_KEY": API_KEY}

    def judge(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request. Raises VendorError."""
        given = asked.get("input")
        texts = [given] if isinstance(given, str) else given
        if asked.get("model") != MODEL:
            raise VendorError(HTTPStatus.NOT_FOUND, "model_not_found")
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise VendorError(HTTPStatus.BAD_REQUEST, "invalid_input")
        self.record(asked)
        return {
            "id": f"modr-{secrets.token_hex(12)}",
            "model": "omni-moderation-2024-09-26",
            "results": [_result(text) for text in texts],
        }


class _ModerationHandler(ChatVendorHandler):
    results = "results"
    stand_in: ModerationStandIn

    def authorised(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {API_KEY}"

    def error_body(self, status: int, code: str) -> Mapping[str, Any]:
        kind = "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        return {"error": {"message": code.replace("_", " "), "type": kind, "param": None, "code": code}}

    def done(self, asked: Mapping[str, Any]) -> Answered:
        if (self.command, self.target_path) != ("POST", "/v1/moderations"):
            raise VendorError(HTTPStatus.NOT_FOUND, "unknown_url")
        return HTTPStatus.OK, self.stand_in.judge(asked)


ModerationStandIn.handler = _ModerationHandler


def _result(text: str) -> dict[str, Any]:
    told = {name: float(score) for name, score in SCORE.findall(text) if name in CATEGORIES}
    scores = dict.fromkeys(sorted(CATEGORIES), LOW) | told
    return {
        "flagged": any(score >= FLAGGED_FROM for score in scores.values()),
        "categories": {name: score >= FLAGGED_FROM for name, score in scores.items()},
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in scores},
    }
