"""A local Oobit: issues widget tokens as its API does, or one of its refusals when a test asks for it.

Speaks `POST /v1/widget/auth/create-token` with the header x-api-key (https://docs.oobit.com/docs/create-token): 200
`{"success", "message", "token", "expiresAt"}`, errors 401, 403, 429 and 500 as `{"error", "message"}`.

Its page names a rate limit (429) without a figure, and no limit of sizes.

Differs from Oobit: one API key, no rate limit but the faults that a test asks for, and the token is no JWT that a
widget would accept.
"""

import collections
import enum
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from emulators.http_server import Handler, HttpServer

PATH = "/v1/widget/auth/create-token"
TOKEN_LIFE = timedelta(minutes=60)
ADDRESS = "0x" + "0b17" * 10  # gets what cards spend
TIMEOUT_SECONDS = 120.0  # longer than any client of ours waits


class Fault(enum.Enum):
    """The faults that can replace a successful call."""

    UNAUTHORIZED = ("401", "Unauthorized", "Invalid API key")
    FORBIDDEN = ("403", "Forbidden", "Provider not authorized")
    TOO_MANY_REQUESTS = ("429", "Rate limit exceeded", "Too many requests. Please try again later.")
    INTERNAL_ERROR = ("500", "Internal server error", "An unexpected error occurred")
    NO_SUCCESS = ("a 200 that says success: false",)
    NONSENSE = ("a 200 that is no JSON",)
    TIMEOUT = ("no answer",)
    DROPPED = ("the connection ends without an answer",)


@dataclass
class OobitStandIn:
    """The server. `tokens` are those that it has issued, first to last."""

    api_key: str = "local"
    tokens: list[str] = field(default_factory=list, repr=False)
    _faults: collections.deque[Fault] = field(default_factory=collections.deque, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    _server: HttpServer | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The value for OOBIT_URL."""
        if self._server is None:
            raise RuntimeError("the Oobit stand-in is not running")
        return self._server.url

    def start(self) -> None:
        self._stopping.clear()
        self._server = HttpServer(type("BoundOobitHandler", (_OobitHandler,), {"stand_in": self}))
        self._server.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._server is not None:
            self._server.stop()
            self._server = None

    def clear(self) -> None:
        """Forget the tokens and the faults."""
        with self._lock:
            self.tokens.clear()
            self._faults.clear()

    def fail_next(self, count: int, fault: Fault) -> None:
        """Ask for a fault of the next `count` calls, after those that earlier calls are for."""
        with self._lock:
            self._faults.extend([fault] * count)

    def next_fault(self) -> Fault | None:
        with self._lock:
            return self._faults.popleft() if self._faults else None

    def wait_for_nothing(self) -> None:
        """Wait longer than any client does, or until the stop."""
        self._stopping.wait(TIMEOUT_SECONDS)

    def make_token(self) -> str:
        token = f"local-widget-token-{secrets.token_urlsafe(16)}"
        with self._lock:
            self.tokens.append(token)
        return token


class _OobitHandler(Handler):
    stand_in: OobitStandIn

    def do_POST(self) -> None:  # noqa: N802 - the name is the base class's
        if self.target_path != PATH:
            self.answer_json(HTTPStatus.NOT_FOUND, {"error": "Not found", "message": "There is no such route"})
            return
        fault = self.stand_in.next_fault()
        if self.headers.get("x-api-key") != self.stand_in.api_key:
            fault = Fault.UNAUTHORIZED
        if fault is None:
            self._give_token()
        elif fault in (Fault.TIMEOUT, Fault.DROPPED):
            self.close_connection = True
            if fault is Fault.TIMEOUT:
                self.stand_in.wait_for_nothing()
        elif fault is Fault.NONSENSE:
            self.answer(HTTPStatus.OK, b"<html>Oops</html>", "text/html")
        elif fault is Fault.NO_SUCCESS:
            self.answer_json(HTTPStatus.OK, {"success": False, "message": "Token not created"})
        else:
            status, error, message = fault.value
            headers = {"retry-after": "7"} if fault is Fault.TOO_MANY_REQUESTS else {}
            self.answer_json(int(status), {"error": error, "message": message}, headers)

    def _give_token(self) -> None:
        expires_at = (datetime.now(UTC) + TOKEN_LIFE).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.answer_json(
            HTTPStatus.OK,
            {
                "success": True,
                "message": "Token created successfully",
                "token": self.stand_in.make_token(),
                "expiresAt": expires_at,
            },
        )
