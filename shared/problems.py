"""Problems: what a caller can act on, said once as a class and rendered as RFC 9457 by `api`."""

import re
from collections.abc import Mapping
from typing import ClassVar

CONTENT_TYPE = "application/problem+json"


class Problem(Exception):
    """Raise it and nothing has happened; return it from a handler and what the handler wrote stays.

    A `kept` one is raised by something that counts what it refuses: the count stays, with all else written before.

    Subclasses stand beside the rule that raises them, named as sentences (`CodeAlreadyClaimed`), with a status
    and a title. The type URI is made of the class name: `/problems/code-already-claimed`.
    """

    status: ClassVar[int]
    title: ClassVar[str]
    passing: ClassVar[bool] = False  # nothing is kept of the request: it may come again under its Idempotency-Key
    kept: ClassVar[bool] = False  # raised by a handler, it is taken as if it had been returned

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
        """`CodeAlreadyClaimed` is `code-already-claimed`."""
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
    """The body is not the JSON (or CSV) that the content type promises."""

    status, title = 400, "The request body cannot be read."


class TokenMissing(Problem):
    """No bearer token where one is needed."""

    status, title = 401, "Sign in first."


class TokenNotValid(Problem):
    """Expired, foreign, malformed, or of an ended session."""

    status, title = 401, "This token is not valid."


class NotAllowed(Problem):
    """Signed in, but not as somebody who may do this."""

    status, title = 403, "You may not do this."


class SecondFactorRequired(Problem):
    """Admins prove a second factor at sign-in, or set one up in this session."""

    status, title = 403, "Set up two-factor authentication, or sign in with it, to do this."


class NotThroughTheGateway(Problem):
    """A function was called around the gateway, the push subscription, the scheduler or the queue."""

    status, title = 403, "Call the public address instead."


class NotFound(Problem):
    """No such path, or no such thing under it that the caller may see."""

    status, title = 404, "There is nothing here."


class MethodNotAllowed(Problem):
    """The path exists, but not with this method; `Allow` lists those it has."""

    status, title = 405, "This path does not take that method."


class IdempotencyKeyReused(Problem):
    """The key came before with another request."""

    status, title = 409, "This Idempotency-Key was used for another request."


class PreconditionFailed(Problem):
    """`If-Match` names another version than the one there is."""

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
    """Say with `If-Match` which version the change is made to: the `ETag` that came with it."""

    status, title = 428, "Send the ETag of the version that you have read as If-Match."


class TooManyRequests(Problem):
    """Wait `Retry-After` seconds."""

    status, title, passing = 429, "Too many requests.", True


class InternalError(Problem):
    """A bug; it has been logged."""

    status, title = 500, "Something went wrong on our side."


class Overloaded(Problem):
    """No capacity at this moment, nothing was done; wait `Retry-After` seconds."""

    status, title = 503, "The service is busy."
