"""Problems that a caller can act on: each is a class, and `api` renders it as RFC 9457."""

import re
from collections.abc import Mapping
from typing import ClassVar

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """Base class of all problems. If it is raised, nothing of the request is kept; if returned, all writes are.

    A `kept` problem is raised by code that counts what it refuses: the count and all earlier writes are kept.

    Subclasses stand beside the rule that raises them, named as sentences (`CodeAlreadyClaimed`), with a status and a
    title. The type URI is made of the class name: `/problems/code-already-claimed`.
    """

    status: ClassVar[int]
    title: ClassVar[str]
    passing: ClassVar[bool] = False  # nothing of the request is kept: it may come again under its Idempotency-Key
    kept: ClassVar[bool] = False  # raised by a handler, it is treated as if the handler had returned it

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **members: object,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members

    @classmethod
    def slug(cls) -> str:
        """The class name in kebab case: `CodeAlreadyClaimed` is `code-already-claimed`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()

    def document(self) -> dict[str, object]:
        """The problem document (RFC 9457, section 3)."""
        document: dict[str, object] = {
            "type": f"/problems/{self.slug()}",
            "title": self.title,
            "status": self.status,
        }
        if self.detail:
            document["detail"] = self.detail
        return document | self.members


class BodyNotReadable(Problem):
    """The body is not the JSON (or CSV) that its content type declares."""

    status, title = 400, "The request body cannot be read."


class TokenMissing(Problem):
    """The operation needs a bearer token, and there is none."""

    status, title = 401, "Sign in first."


class TokenNotValid(Problem):
    """The token is expired, foreign, malformed, or of an ended session."""

    status, title = 401, "This token is not valid."


class NotAllowed(Problem):
    """The caller is signed in, but may not do this."""

    status, title = 403, "You may not do this."


class SecondFactorRequired(Problem):
    """The admin must prove a second factor (at sign-in or later, every eight hours), or set one up in this session."""

    status, title = 403, "Prove your second factor, or set one up, to do this."


class NotThroughTheGateway(Problem):
    """A function was called past the edge or the gateway, or not by the push subscription, the scheduler, the queue."""

    status, title = 403, "Call the public address instead."


class NotFound(Problem):
    """There is no such path, or no such thing under it that the caller may see."""

    status, title = 404, "There is nothing here."


class MethodNotAllowed(Problem):
    """The path exists, but not with this method; `Allow` lists those it has."""

    status, title = 405, "This path does not take that method."


class IdempotencyKeyReused(Problem):
    """The key came before with another request."""

    status, title = 409, "This Idempotency-Key was used for another request."


class PreconditionFailed(Problem):
    """`If-Match` names another version than the present one."""

    status, title = 412, "Somebody has changed this meanwhile; read it again."


class BodyTooLarge(Problem):
    """The body is longer than this operation takes."""

    status, title = 413, "The request body is too large."


class ContentTypeNotSupported(Problem):
    """The operation takes another content type."""

    status, title = 415, "This content type is not supported here."


class NotValid(Problem):
    """Some fields are wrong; `errors` names each: `[{"field": "/code", "message": "…"}]`."""

    status, title = 422, "Some fields are not valid."


class PreconditionRequired(Problem):
    """The request must name, with `If-Match`, the version that it changes: the `ETag` that came with it."""

    status, title = 428, "Send the ETag of the version that you have read as If-Match."


class TooManyRequests(Problem):
    """There were too many tries; the client waits `Retry-After` seconds."""

    status, title, passing = 429, "Too many requests.", True


class InternalError(Problem):
    """The request met a bug, which has been logged."""

    status, title = 500, "Something went wrong on our side."


class Overloaded(Problem):
    """The service has no capacity now and has done nothing; the client waits `Retry-After` seconds."""

    status, title, passing = 503, "The service is busy.", True
