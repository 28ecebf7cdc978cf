"""The local API gateway: routes by openapi.yaml, checks access tokens, and calls functions under its own account.

It also plays the load balancer before the gateway: it names the client's address, with the edge's key
(shared/web/edge.py), and appends the client's address and its own to `X-Forwarded-For`; what a caller says
about either is replaced. As the load balancer does on the host of the web site, it sends what is not below /v1/ to the
pages, without a token. As API Gateway does, it replaces `Authorization` by its own OIDC token, passes the caller's
header on as `X-Forwarded-Authorization` and the token's payload as `X-Apigateway-Api-Userinfo`, lets OPTIONS pass, and
validates nothing else. Its own refusals are `{"code", "message"}` in ESPv2's words, without `Allow` and without
anything for browsers; the load balancer (terraform/edge.tf), which adds the same headers to every answer that passes
it, makes them readable for our web pages.

One path is here alone, and is passed on as it comes: it moves the stack's clock (emulators/clock_server.py).
"""

import base64
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

import jwt
from jwt.algorithms import RSAAlgorithm

from emulators import clock_server
from emulators.contract import Operation, TokenRules
from shared import clock
from shared.config import service_name
from shared.values.api_keys import KEY_PREFIX
from shared.web import edge
from shared.web import http as answers

REQUEST_BYTES_MAX = 32 * 1024 * 1024  # API Gateway's own limit
KEYS_SECONDS = 300.0  # how long the gateway keeps a key set
KEYS_RETRY_SECONDS = 1.0
BACKEND_SECONDS_MAX = 300.0
CLOCK_SKEW_SECONDS = 60.0  # Envoy's, for expired tokens
PIECE_BYTES = 64 * 1024
API, ADMINS = "/v1/", "/v1/admin/"
BALANCER_ADDRESS = "192.0.2.1"  # the load balancer's own entry, of a documentation network (RFC 5737)
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length"})

EDGE_HEADERS = {name: value for name, value in answers.SAFE_HEADERS.items() if name != "Cache-Control"}

Mint = Callable[[str, str], str]


class Refused(Exception):
    """Raised when the gateway answers a request itself, without calling a function."""

    def __init__(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


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
        edge_key: str,
        site: Backend | None = None,
        test_clock: Backend | None = None,
    ) -> None:
        """`token_for(function)` returns the OIDC token for calling a function; `edge_key` is the edge's key; `site`
        has the pages of the web site; `test_clock` moves the stack's clock.
        """
        self._operations = list(operations)
        self._rules = rules
        self._backends = backends
        self._keys = keys
        self._token_for = token_for
        self._edge_key = edge_key
        self._test_clock = test_clock
        self._site = site

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._site and self._is_page(environ["PATH_INFO"]):
            self._pass_the_edge(environ)
            return self._site(environ, start_response)
        start_response = _with_edge_headers(environ, start_response)
        if self._test_clock and environ["PATH_INFO"] == clock_server.PATH:
            return self._test_clock(environ, start_response)
        try:
            operation = self._route(environ)
            self._prepare(environ, operation)
        except Refused as refused:
            return refuse(refused, environ, start_response)
        return self._backends[operation.function](environ, start_response)

    def _is_page(self, path: str) -> bool:
        return not path.startswith(API) and not any(operation.matches(path) for operation in self._operations)

    def _route(self, environ: WSGIEnvironment) -> Operation:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        found = [operation for operation in self._operations if operation.matches(path)]
        if not found:
            raise Refused(HTTPStatus.NOT_FOUND, "The current request is not defined by this API.")
        if method == "OPTIONS":
            return found[0]
        for operation in found:
            # For HEAD terraform/modules/contract adds the operation.
            if operation.method == ("GET" if method == "HEAD" else method):
                return operation
        message = f'The current request is matched to the defined url template "{found[0].template}" but its http '
        message += "method is not allowed"
        raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, message)

    def _prepare(self, environ: WSGIEnvironment, operation: Operation) -> None:
        if int(environ.get("CONTENT_LENGTH") or 0) > REQUEST_BYTES_MAX:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Payload Too Large")
        for name in (*HOP_BY_HOP, "x-apigateway-api-userinfo"):
            environ.pop(_variable(name), None)
        caller = environ.pop("HTTP_AUTHORIZATION", None)
        if caller is not None:
            environ["HTTP_X_FORWARDED_AUTHORIZATION"] = caller
        if operation.secured and environ["REQUEST_METHOD"] != "OPTIONS" and not _is_admins_key(operation, caller):
            payload = json.dumps(self._verified(caller)).encode()
            environ["HTTP_X_APIGATEWAY_API_USERINFO"] = base64.urlsafe_b64encode(payload).decode().rstrip("=")
        environ["HTTP_AUTHORIZATION"] = f"Bearer {self._token_for(operation.function)}"
        self._pass_the_edge(environ)

    def _pass_the_edge(self, environ: WSGIEnvironment) -> None:
        address = environ["REMOTE_ADDR"]
        hops = (environ.get("HTTP_X_FORWARDED_FOR"), address, BALANCER_ADDRESS)
        environ["HTTP_X_FORWARDED_FOR"] = ", ".join(hop for hop in hops if hop)
        environ[_variable(edge.ADDRESS_HEADER)] = address
        environ[_variable(edge.KEY_HEADER)] = self._edge_key

    def _verified(self, header: str | None) -> dict[str, Any]:
        token = self._token_in(header or "")
        try:
            key = self._keys.get(str(jwt.get_unverified_header(token).get("kid")))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=list(self._rules.audiences),
                issuer=self._rules.issuer,
                options={"require": ["iss", "sub", "aud", "iat", "exp"], "verify_exp": False, "verify_iat": False},
            )
            is_over = float(claims["exp"]) + CLOCK_SKEW_SECONDS < clock.now().timestamp()
        except (jwt.PyJWTError, KeyError, ValueError, TypeError):
            raise _unauthorized("Jwt verification fails", ', error="invalid_token"') from None
        if is_over:
            raise _unauthorized("Jwt is expired", ', error="invalid_token"')
        return claims

    def _token_in(self, header: str) -> str:
        """The token after one of the prefixes that the contract names; prefixes are case-sensitive, as in Envoy."""
        for prefix in self._rules.prefixes:
            if header.startswith(prefix):
                return header.removeprefix(prefix)
        raise _unauthorized("Jwt is missing", "")


class KeySet:
    """The JWKS of access tokens, fetched when needed and kept as long as API Gateway keeps it."""

    def __init__(self, fetch: Callable[[], list[dict[str, Any]]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._keys: dict[str, Any] = {}
        self._fetched_at = float("-inf")

    def get(self, key_id: str) -> Any:
        """The key with this id. Raises KeyError for an id that was not published."""
        with self._lock:
            age = time.monotonic() - self._fetched_at
            if age > KEYS_SECONDS or (key_id not in self._keys and age > KEYS_RETRY_SECONDS):
                self._keys = {jwk["kid"]: RSAAlgorithm.from_jwk(jwk) for jwk in self._fetch()}
                self._fetched_at = time.monotonic()
            return self._keys[key_id]


class Router:
    """The functions by name below one address, `/payout-send/…`, where queues and subscriptions reach them."""

    def __init__(self, backends: Mapping[str, Backend]) -> None:
        self._backends = {service_name(function): backend for function, backend in backends.items()}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        service, slash, rest = environ["PATH_INFO"].lstrip("/").partition("/")
        if service not in self._backends:
            return refuse(Refused(HTTPStatus.NOT_FOUND, "Not Found"), environ, start_response)
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
            return refuse(Refused(HTTPStatus.BAD_REQUEST, "Bad Request"), environ, start_response)
        query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
        try:
            answer = self._ask(environ["REQUEST_METHOD"], _raw_path(environ) + query, body, _headers(environ))
            content = answer.read()
        except (OSError, http.client.HTTPException):
            message = "upstream connect error or disconnect/reset before headers"
            return refuse(Refused(HTTPStatus.SERVICE_UNAVAILABLE, message), environ, start_response)
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
        length = str(len(content))
        if environ["REQUEST_METHOD"] == "HEAD":
            length = answer.getheader("Content-Length", length)
        start_response(f"{answer.status} {answer.reason}", [*headers, ("Content-Length", length)])
        return [content]

    def _ask(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> http.client.HTTPResponse:
        """Ask on the kept connection, or on a new one if the server has closed it meanwhile."""
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


def refuse(refused: Refused, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """A complete response as ESPv2 writes it."""
    body = json.dumps({"message": refused.message, "code": refused.status}, separators=(",", ":")).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *refused.headers.items()]
    start_response(f"{refused.status.value} {refused.status.phrase}", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _is_admins_key(operation: Operation, caller: str | None) -> bool:
    """True for an API key on a path of admins, which passes no API gateway: the load balancer leads to the function."""
    return operation.template.startswith(ADMINS) and (caller or "").startswith(f"Bearer {KEY_PREFIX}")


def _unauthorized(message: str, error: str) -> Refused:
    return Refused(HTTPStatus.UNAUTHORIZED, message, {"WWW-Authenticate": f'Bearer realm="https://api"{error}'})


def _with_edge_headers(environ: WSGIEnvironment, start_response: StartResponse) -> StartResponse:
    """Add the headers that the load balancer sets on every answer, in place of others (terraform/edge.tf)."""
    for_browsers = {
        name: value for name, value in answers.cors(environ.get("HTTP_ORIGIN", "")).items() if name != "Vary"
    }
    added = EDGE_HEADERS | for_browsers
    replaced = {name.lower() for name in added}

    def start(status: str, headers: list[tuple[str, str]], *fault: Any) -> Callable[[bytes], object]:
        kept = [(name, value) for name, value in headers if name.lower() not in replaced]
        return start_response(status, [*kept, *added.items()], *fault)

    return start


def _variable(header: str) -> str:
    """The name of a header in WSGI's environment (PEP 3333)."""
    return f"HTTP_{header.upper().replace('-', '_')}"


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
