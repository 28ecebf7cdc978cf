"""A local Google Cloud Translation: `POST /v3/projects/<project>/locations/global:translateText`, texts alone.

It translates no word: the translation of "hello" to Spanish is "[es] hello", so that a person sees what went through
it. Errors are Google's, {"error": {"code", "message", "status"}}.
https://cloud.google.com/translate/docs/reference/rest/v3/projects.locations/translateText

Differs from Google: no credentials (they are not sent to this machine), no glossaries and models; a language that is
not given is taken for English. Its limits hold: 1,024 texts, 30,720 code points together.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from emulators.chat_vendor import ChatVendorHandler, ChatVendorStandIn
from emulators.vendor import Answered, VendorError
from shared.ports.translation import Language

PATH_BEGIN, PATH_END = "/v3/projects/", "/locations/global:translateText"
TEXTS_MAX, CODE_POINTS_MAX = 1024, 30_720
STATUSES = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.UNPROCESSABLE_ENTITY: "FAILED_PRECONDITION",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
}
LANGUAGES = frozenset(language.value for language in Language)


class TranslationStandIn(ChatVendorStandIn):
    """The server; `settings` is how the port finds it."""

    def __init__(self) -> None:
        super().__init__("translation")

    @property
    def settings(self) -> dict[str, str]:
        return {"TRANSLATION_URL": self.url}

    def translate(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a request. Raises VendorError."""
        texts, source, target = (asked.get(name) for name in ("contents", "sourceLanguageCode", "targetLanguageCode"))
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise VendorError(HTTPStatus.BAD_REQUEST, "contents")
        if len(texts) > TEXTS_MAX or sum(map(len, texts)) > CODE_POINTS_MAX:
            raise VendorError(HTTPStatus.BAD_REQUEST, "contents are too long")
        if target not in LANGUAGES or source not in {None, *LANGUAGES}:
            raise VendorError(HTTPStatus.BAD_REQUEST, "language")
        self.record(asked)
        detected = {} if source else {"detectedLanguageCode": Language.ENGLISH.value}
        return {"translations": [{"translatedText": f"[{target}] {text}", **detected} for text in texts]}


class _TranslationHandler(ChatVendorHandler):
    results = "translations"
    stand_in: TranslationStandIn

    def is_for_operators(self) -> bool:
        return not self.target_path.startswith("/v3/")

    def authorised(self) -> bool:
        return True

    def error_body(self, status: int, code: str) -> Mapping[str, Any]:
        said = STATUSES.get(HTTPStatus(status), "INTERNAL")
        return {"error": {"code": status, "message": code, "status": said}}

    def done(self, asked: Mapping[str, Any]) -> Answered:
        is_call = self.target_path.startswith(PATH_BEGIN) and self.target_path.endswith(PATH_END)
        if self.command != "POST" or not is_call:
            raise VendorError(HTTPStatus.NOT_FOUND, "no such method")
        return HTTPStatus.OK, self.stand_in.translate(asked)


TranslationStandIn.handler = _TranslationHandler
