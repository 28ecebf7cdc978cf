"""HTTP functions: routing, callers, parsing, idempotency, the transaction, problems. One `Api` per function.

A request is one transaction. `before` is for slow work that must not hold it (hashing a password, reading the
chain), `after` for what may only be done once it has committed (signing a token); both are named at the route.
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, get_type_hints
from uuid import UUID

from flask import Request, Response, current_app, has_app_context

from shared import auth, clock, db, events, idempotency, log
from shared.auth import Anyone, Claims, Member
from shared.db import CommitUnknown, PoolExhausted, Tx
from shared.fields import Reply
from shared.http import (
    Upload,
    client_of,
    cors,
    discard_body,
    encode,
    parse_body,
    parse_query,
    preflight,
    problem_response,
    read_body,
    require_content_type,
)
from shared.idempotency import Answer, IdempotencyKey
from shared.problems import (
    CONTENT_TYPE,
    InternalError,
    MethodNotAllowed,
    NotFound,
    NotValid,
    Overloaded,
    Problem,
    TooManyRequests,
)
from shared.signatures import Contract, Handler, UnclearSignature, contract_of, helper_of

BODY_BYTES_MAX = 64 * 1024
MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
RETRY_AFTER_SECONDS = "1"


@dataclass(frozen=True)
class Route:
    """An operation of this function and everything that is known about it at import."""

    method: str
    template: str
    status: int
    contract: Contract
    before: Contract | None
    after: Callable[[Any], Reply] | None
    problems: tuple[type[Problem], ...]
    secret_reply: bool
    upload_type: str
    body_bytes_max: int
    reply_headers: Mapping[str, str]

    @property
    def name(self) -> str:
        """As people say it: POST /v1/scans/submit."""
        return f"{self.method} {self.template}"

    def match(self, path: str) -> dict[str, str] | None:
        """The values of the path's parameters; None when this is not the path."""
        wanted, given = self.template.split("/"), path.split("/")
        if len(wanted) != len(given):
            return None
        values: dict[str, str] = {}
        for part, value in zip(wanted, given, strict=True):
            if part.startswith("{") and value:
                values[part[1:-1]] = value
            elif part != value:
                return None
        return values


@dataclass(frozen=True)
class _Call:
    """A request that has been read."""

    route: Route
    claims: Claims | None
    raw: bytes
    values: Mapping[str, object]
    key: IdempotencyKey | None
    now: datetime


class Api:
    """The operations of one HTTP function."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.routes: list[Route] = []
        if has_app_context():  # functions-framework imports us inside its app, whose own 404 would be a page of HTML
            current_app.register_error_handler(404, lambda _: problem_response(NotFound()))

    def get(self, template: str, **options: Any) -> Callable[[Handler], Handler]:
        """Register a handler for GET; see `_register` for the options."""
        return self._register("GET", template, **options)

    def post(self, template: str, **options: Any) -> Callable[[Handler], Handler]:
        """Register a handler for POST."""
        return self._register("POST", template, **options)

    def put(self, template: str, **options: Any) -> Callable[[Handler], Handler]:
        """Register a handler for PUT."""
        return self._register("PUT", template, **options)

    def delete(self, template: str, **options: Any) -> Callable[[Handler], Handler]:
        """Register a handler for DELETE."""
        return self._register("DELETE", template, **options)

    def handle(self, request: Request) -> Response:
        """Answer a request; whatever happens, as a proper response."""
        started = time.perf_counter()
        with log.bound(function=self.function, method=request.method, trace=_trace(request)):
            try:
                operation, response = self._answer(request)
            except Problem as problem:
                operation, response = "", problem_response(problem)
            except PoolExhausted:
                log.error("no database connection became free")
                operation, response = "", _overloaded("No capacity at this moment; nothing was done.")
            except CommitUnknown:
                log.error("the connection was lost while committing")
                operation, response = "", _overloaded("Repeat the request with the same Idempotency-Key.")
            except Exception:  # noqa: BLE001 - the last stand: logged once with its trace, shown to nobody
                log.error("unexpected error")
                operation, response = "", problem_response(InternalError())
            discard_body(request)
            response.headers.update(cors(request))
            log.info(
                "request",
                operation=operation,
                status=response.status_code,
                milliseconds=round((time.perf_counter() - started) * 1000, 1),
            )
        return response

    def _register(
        self,
        method: str,
        template: str,
        *,
        status: int = 200,
        before: Handler | None = None,
        after: Callable[[Any], Reply] | None = None,
        problems: tuple[type[Problem], ...] = (),
        secret_reply: bool = False,
        upload_type: str = "text/csv",
        body_bytes_max: int = BODY_BYTES_MAX,
        reply_headers: Mapping[str, str] | None = None,
    ) -> Callable[[Handler], Handler]:
        names = frozenset(re.findall(r"{(\w+)}", template))

        def register(handler: Handler) -> Handler:
            prepared = get_type_hints(before)["return"] if before else None
            contract = contract_of(handler, names, prepared)
            if after and not contract.reply:
                raise UnclearSignature(f"{handler.__qualname__} gives nothing to what comes after it")
            self.routes.append(
                Route(
                    method=method,
                    template=template,
                    status=status,
                    contract=contract,
                    before=helper_of(before, frozenset()) if before else None,
                    after=after,
                    problems=problems,
                    secret_reply=secret_reply,
                    upload_type=upload_type,
                    body_bytes_max=body_bytes_max,
                    reply_headers=reply_headers or {},
                )
            )
            return handler

        return register

    def _answer(self, request: Request) -> tuple[str, Response]:
        auth.require_gateway(request, self.function)
        matches = [(route, values) for route in self.routes if (values := route.match(request.path)) is not None]
        methods = [route.method for route, _ in matches]
        if not matches:
            raise NotFound
        if request.method == "OPTIONS":
            return "preflight", preflight(request, methods)
        if request.method not in methods:
            raise MethodNotAllowed(headers={"Allow": ", ".join(methods)})
        route, path = matches[methods.index(request.method)]
        name = route.contract.handler.__name__
        with log.bound(operation=name):
            call = _read(route, path, request)
            return name, _respond(call)


def _read(route: Route, path: Mapping[str, str], request: Request) -> _Call:
    """Everything the request says, validated. Raises the Problem of the first kind of fault."""
    now = clock.now()
    contract = route.contract
    claims = auth.claims(request, now) if contract.caller is not Anyone else None
    raw = b""
    values: dict[str, object] = {"now": now, "client": client_of(request), **_path_values(contract, path)}
    if contract.body or contract.upload_name:
        require_content_type(request, "application/json" if contract.body else route.upload_type)
        raw = read_body(request, route.body_bytes_max)
    if contract.body:
        values["body"] = parse_body(raw, contract.body)
    if contract.upload_name:
        values["upload"] = Upload(raw)
    if contract.query:
        values["query"] = parse_query(request, contract.query)
    return _Call(route, claims, raw, values, _key(route, request, claims, raw), now)


def _path_values(contract: Contract, path: Mapping[str, str]) -> dict[str, object]:
    """Path parameters as what the handler takes them for; an id that is none names nothing."""
    try:
        return {name: UUID(value) if contract.path[name] is UUID else value for name, value in path.items()}
    except ValueError:
        raise NotFound from None


def _key(route: Route, request: Request, claims: Claims | None, raw: bytes) -> IdempotencyKey | None:
    header = request.headers.get("Idempotency-Key")
    if route.method not in MUTATING:
        return None
    if header is None:
        if route.contract.key_name:
            raise NotValid(errors=[{"field": "Idempotency-Key", "message": "is required here"}])
        return None
    operation = f"{request.method} {request.full_path}"
    return IdempotencyKey(
        scope=str(claims.member_id) if claims else route.name,
        key=idempotency.check(header),
        request=operation.encode() + b"\x00" + raw,
        sealed=route.secret_reply,
    )


def _respond(call: _Call) -> Response:
    route = call.route
    if route.before:
        prepared = route.before.handler(**route.before.arguments(**call.values))
        call = replace(call, values={**call.values, "prepared": prepared})
    answer = db.atomically(lambda tx: _work(tx, call))
    events.publish_soon()
    succeeded = answer.status == route.status
    body = answer.body
    if succeeded and route.after:
        assert route.contract.reply, "checked when the route was registered"
        body = encode(route.after(route.contract.reply.model_validate_json(body or b"")))
    content_type = "application/json" if succeeded else CONTENT_TYPE
    response = Response(body or b"", answer.status, content_type=content_type if body else None)
    response.headers.update(answer.headers)
    return response


def _work(tx: Tx, call: _Call) -> Answer:
    """The whole request inside its transaction."""
    caller = _caller(tx, call)
    if call.key is None:
        return _outcome(call, _handle(tx, call, caller))
    if (earlier := idempotency.claim(tx, call.key, call.now)) is not None:
        return earlier
    try:
        with tx.savepoint():
            answer = _outcome(call, _handle(tx, call, caller))
    except TooManyRequests:
        raise  # the whole point of this refusal is that the same request may come again
    except Problem as problem:
        answer = _refusal(problem)
    idempotency.keep(tx, call.key, answer)
    return answer


def _caller(tx: Tx, call: _Call) -> Anyone | Member:
    if call.claims is None:
        return Anyone()
    found = auth.member(tx, call.claims, call.now)
    role = call.route.contract.role
    return auth.admin(found, role) if role else found


def _handle(tx: Tx, call: _Call, caller: Anyone | Member) -> object:
    contract = call.route.contract
    arguments = contract.arguments(**call.values, tx=tx, caller=caller, key=call.key)
    path = {name: call.values[name] for name in contract.path}
    return contract.handler(**arguments, **path)


def _outcome(call: _Call, result: object) -> Answer:
    """A returned Problem is a refusal whose traces stay (a counted failure, say); a raised one undoes everything."""
    if isinstance(result, Problem):
        return _refusal(result)
    return Answer(call.route.status, None if result is None else encode(result), call.route.reply_headers)


def _refusal(problem: Problem) -> Answer:
    return Answer(problem.status, encode(problem.document()), problem.headers)


def _overloaded(detail: str) -> Response:
    return problem_response(Overloaded(detail, headers={"Retry-After": RETRY_AFTER_SECONDS}))


def _trace(request: Request) -> str:
    """The id that ties this line to the load balancer's and the client's (W3C traceparent or Google's header)."""
    parent = request.headers.get("traceparent", "").split("-")
    if len(parent) == 4:  # noqa: PLR2004 - version, trace, span, flags
        return parent[1][:32]
    return request.headers.get("X-Cloud-Trace-Context", "").split("/")[0][:64]
