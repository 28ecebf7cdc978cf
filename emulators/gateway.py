"""The API gateway on a laptop: routes by openapi.yaml, checks access tokens, and speaks to functions as itself.

As API Gateway does, it replaces `Authorization` by its own OIDC token, hands the caller's header on as
`X-Forwarded-Authorization` and the token's payload as `X-Apigateway-Api-Userinfo`, lets OPTIONS pass, and validates
nothing else. Differs: its own refusals are problem documents too (the real ones are `{"code", "message"}`).
"""

import base64
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

import jwt
from jwt.algorithms import RSAAlgorithm

from emulators.contract import Operation, TokenRules
from shared import encoding
from shared.config import service_name
from shared.problems import (
    CONTENT_TYPE,
    BodyNotReadable,
    BodyTooLarge,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    Problem,
    TokenMissing,
    TokenNotValid,
)

REQUEST_BYTES_MAX = 32 * 1024 * 1024  # API Gateway's own limit
KEYS_SECONDS = 300.0  # so long the gateway keeps a key set
KEYS_RETRY_SECONDS = 1.0
BACKEND_SECONDS_MAX = 300.0
PIECE_BYTES = 64 * 1024
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"})

Mint = Callable[[str, str], str]


class Backend(Protocol):
    """A function, in this process or behind a port."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]: ...


class Gateway:
    """A WSGI application in front of the HTTP functions."""

    def __init__(
        self,
        operations: Iterable[Operation],
        rules: TokenRules,
        backends: Mapping[str, Backend],
        keys: "KeySet",
        token_for: Callable[[str], str],
    ) -> None:
        """`token_for(function)` is the OIDC token with which the gateway calls a function."""
        self._operations = list(operations)
        self._rules = rules
        self._backends = backends
        self._keys = keys
        self._token_for = token_for

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            operation = self._route(environ)
            self._prepare(environ, operation)
        except Problem as problem:
            return refuse(problem, start_response)
        return self._backends[operation.function](environ, start_response)

    def _route(self, environ: WSGIEnvironment) -> Operation:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        found = [operation for operation in self._operations if operation.matches(path)]
        if not found:
            raise NotFound
        if method == "OPTIONS":
            return found[0]
        for operation in found:
            if operation.method == method:
                return operation
        raise MethodNotAllowed(headers={"Allow": ", ".join(operation.method for operation in found)})

    def _prepare(self, environ: WSGIEnvironment, operation: Operation) -> None:
        if int(environ.get("CONTENT_LENGTH") or 0) > REQUEST_BYTES_MAX:
            raise BodyTooLarge(f"At most {REQUEST_BYTES_MAX} bytes pass the gateway.")
        for name in (*HOP_BY_HOP, "x-apigateway-api-userinfo"):
            environ.pop(f"HTTP_{name.upper().replace('-', '_')}", None)
        caller = environ.pop("HTTP_AUTHORIZATION", None)
        if caller is not None:
            environ["HTTP_X_FORWARDED_AUTHORIZATION"] = caller
        if operation.secured and environ["REQUEST_METHOD"] != "OPTIONS":
            payload = json.dumps(self._verified(caller)).encode()
            environ["HTTP_X_APIGATEWAY_API_USERINFO"] = base64.urlsafe_b64encode(payload).decode().rstrip("=")
        environ["HTTP_AUTHORIZATION"] = f"Bearer {self._token_for(operation.function)}"
        earlier = environ.get("HTTP_X_FORWARDED_FOR")
        address = environ["REMOTE_ADDR"]
        environ["HTTP_X_FORWARDED_FOR"] = f"{earlier}, {address}" if earlier else address

    def _verified(self, header: str | None) -> dict[str, Any]:
        if not header:
            raise TokenMissing(headers={"WWW-Authenticate": "Bearer"})
        scheme, _, token = header.partition(" ")
        try:
            key = self._keys.get(str(jwt.get_unverified_header(token).get("kid")))
            claims: dict[str, Any] = jwt.decode(
                token if scheme == "Bearer" else "",
                key,
                algorithms=["RS256"],
                audience=list(self._rules.audiences),
                issuer=self._rules.issuer,
                options={"require": ["iss", "sub", "aud", "iat", "exp"], "verify_exp": False, "verify_iat": False},
            )
        except (jwt.PyJWTError, KeyError):
            raise TokenNotValid(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from None
        return claims


class KeySet:
    """The JWKS of access tokens, fetched when needed and kept as long as API Gateway keeps it."""

    def __init__(self, fetch: Callable[[], list[dict[str, Any]]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")

    def get(self, key_id: str) -> Any:
        """Raises KeyError for an id that nobody has published."""
        with self._lock:
            age = time.monotonic() - self._fetched_at
            if age > KEYS_SECONDS or (key_id not in self._keys and age > KEYS_RETRY_SECONDS):
                self._keys = {jwk["kid"]: RSAAlgorithm.from_jwk(jwk) for jwk in self._fetch()}
                self._fetched_at = time.monotonic()
            return self._keys[key_id]


class Router:
    """The functions by name below one address, `/payout-send/…`: where queues and subscriptions reach them."""

    def __init__(self, backends: Mapping[str, Backend]) -> None:
        self._backends = {service_name(function): backend for function, backend in backends.items()}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        service, slash, rest = environ["PATH_INFO"].lstrip("/").partition("/")
        if service not in self._backends:
            return refuse(NotFound(), start_response)
        environ["SCRIPT_NAME"] = f"/{service}"
        environ["PATH_INFO"] = slash + rest or "/"
        return self._backends[service](environ, start_response)


class Remote:
    """A function behind a port of its own; each thread keeps a connection."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self._local = threading.local()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            body = b"".join(iter(lambda: environ["wsgi.input"].read(PIECE_BYTES), b""))
        except Exception:  # noqa: BLE001 - every server has exceptions of its own for a body that it cannot read
            return refuse(BodyNotReadable("The body breaks off."), start_response)
        query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
        try:
            answer = self._ask(environ["REQUEST_METHOD"], _raw_path(environ) + query, body, _headers(environ))
            content = answer.read()
        except (OSError, http.client.HTTPException):
            return refuse(Overloaded("The function behind this address does not answer."), start_response)
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        start_response(f"{answer.status} {answer.reason}", [*headers, ("Content-Length", str(len(content)))])
        return [content]

    def _ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> http.client.HTTPResponse:
        """On the kept connection, or on a new one when the server has closed it meanwhile."""
        kept: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if kept is not None:
            try:
                kept.request(method, target, body, headers)
                return kept.getresponse()
            except (OSError, http.client.HTTPException):
                kept.close()
        self._local.connection = http.client.HTTPConnection(self._address, timeout=BACKEND_SECONDS_MAX)
        self._local.connection.request(method, target, body, headers)
        response: http.client.HTTPResponse = self._local.connection.getresponse()
        return response


def refuse(problem: Problem, start_response: StartResponse) -> Iterable[bytes]:
    """The problem as a whole response."""
    body = encoding.dump(problem.document())
    phrase = http.client.responses.get(problem.status, "")
    headers = [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body))), *problem.headers.items()]
    start_response(f"{problem.status} {phrase}", headers)
    return [body]


def _raw_path(environ: WSGIEnvironment) -> str:
    """The path as it was sent, still percent-encoded."""
    raw = str(environ.get("RAW_URI", environ["PATH_INFO"]))
    path = raw.partition("?")[0]
    return path.removeprefix(str(environ.get("SCRIPT_NAME", ""))) or "/"


def _headers(environ: WSGIEnvironment) -> dict[str, str]:
    given = {name[5:].replace("_", "-").title(): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        given["Content-Type"] = environ["CONTENT_TYPE"]
    return {name: value for name, value in given.items() if name.lower() not in HOP_BY_HOP}
