"""HTTP functions: routing, callers, parsing, idempotency, the transaction, problems. One `Api` per function.

A request is one transaction (shared/work.py), or shares one with others of its kind that came at the same time.
`before` is for slow work that must not hold it (hashing a password, reading the chain), `after` for what may only be
done once it has committed (signing a token); both are named at the route.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, get_type_hints
from uuid import UUID

from flask import Request, Response, current_app, has_app_context

from shared import auth, clock, db, events, idempotency, log, work
from shared.auth import Anyone, Claims
from shared.db import CommitUnknown, PoolExhausted
from shared.fields import Reply
from shared.gathering import Gatherer, LeaderLost
from shared.http import (
    Upload,
    client_of,
    cors,
    discard_body,
    encode,
    if_match,
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
)
from shared.signatures import Contract, Handler, UnclearSignature, contract_of, helper_of
from shared.work import Call, Route

BODY_BYTES_MAX = 64 * 1024
MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
RETRY_AFTER_SECONDS = "1"
GROUP_MAX = 256


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
                operation, response = self._answer(request, started)
            except Problem as problem:
                operation, response = "", problem_response(problem)
            except PoolExhausted:
                log.error("no database connection became free")
                operation, response = "", _overloaded("No capacity at this moment; nothing was done.")
            except (CommitUnknown, LeaderLost):
                log.error("the connection or the thread was lost while committing")
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
            helper = helper_of(before, frozenset()) if before else None
            if helper and helper.claims_name and contract.caller is Anyone:
                raise UnclearSignature(f"{handler.__qualname__} is for anyone: there are no claims before it")
            if after and not contract.reply:
                raise UnclearSignature(f"{handler.__qualname__} gives nothing to what comes after it")
            self.routes.append(
                Route(
                    method=method,
                    template=template,
                    status=status,
                    contract=contract,
                    before=helper,
                    after=after,
                    problems=problems,
                    secret_reply=secret_reply,
                    upload_type=upload_type,
                    body_bytes_max=body_bytes_max,
                    reply_headers=reply_headers or {},
                    together=_gatherer() if contract.group_name else None,
                )
            )
            return handler

        return register

    def _answer(self, request: Request, since: float) -> tuple[str, Response]:
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
            with route.together.coming() if route.together else nullcontext():
                call = _read(route, path, request, since)
            return name, _respond(call)


def _read(route: Route, path: Mapping[str, str], request: Request, since: float) -> Call:
    """Everything the request says, validated. Raises the Problem of the first kind of fault."""
    now = clock.now()
    contract = route.contract
    claims = auth.claims(request, now) if contract.caller is not Anyone else None
    raw = b""
    values: dict[str, object] = {
        "now": now,
        "client": client_of(request),
        **_path_values(contract, path),
    }
    if contract.body or contract.upload_name:
        require_content_type(request, "application/json" if contract.body else route.upload_type)
        raw = read_body(request, route.body_bytes_max)
    if contract.body:
        values["body"] = parse_body(raw, contract.body)
    if contract.upload_name:
        values["upload"] = Upload(raw, request.mimetype_params.get("boundary", ""))
    if contract.query:
        values["query"] = parse_query(request, contract.query)
    key = _key(route, request, claims, _asked(values.get("upload"), raw))
    if contract.match_name:
        values["match"] = if_match(request)
    return Call(route, claims, raw, values, key, now, since)


def _asked(upload: object, raw: bytes) -> bytes:
    """The body as it is the same when it is sent again: a form gets another boundary each time."""
    boundary = upload.boundary if isinstance(upload, Upload) else ""
    return raw.replace(boundary.encode(), b"") if boundary else raw


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
    version = request.headers.get("If-Match", "") if route.contract.match_name else ""
    operation = f"{request.method} {request.full_path}{version}"
    return IdempotencyKey(
        scope=str(claims.member_id) if claims else route.name,
        key=idempotency.check(header),
        request=operation.encode() + b"\x00" + raw,
        sealed=route.secret_reply,
    )


def _gatherer() -> Gatherer[Call, Answer]:
    return Gatherer(_together, size_max=GROUP_MAX, shared=db.OUTAGES)


def _together(calls: Sequence[Call]) -> list[Answer | BaseException]:
    """One transaction for all; a second request of one key comes after the first, in a transaction of its own."""
    seen: set[tuple[str, bytes]] = set()
    first: list[int] = []
    later: list[int] = []
    for position, call in enumerate(calls):
        name = (call.key.scope, call.key.key_hash) if call.key else None
        (later if name in seen else first).append(position)
        if name:
            seen.add(name)
    done = dict(zip(first, db.atomically(lambda tx: work.answers(tx, [calls[p] for p in first])), strict=True))
    if later:
        done |= dict(zip(later, _afterwards([calls[p] for p in later]), strict=True))
    return [done[position] for position in range(len(calls))]


def _afterwards(calls: Sequence[Call]) -> Sequence[Answer | BaseException]:
    """What fails here must not undo in anybody's eyes what has been committed before."""
    try:
        return _together(calls)
    except Exception as error:  # noqa: BLE001 - raised to those whom it concerns
        return [error] * len(calls)


def _respond(call: Call) -> Response:
    route = call.route
    if route.before:
        if call.claims:  # whoever may not ask causes no slow work
            db.atomically(lambda tx: work.admit(tx, call))
        prepared = route.before.handler(**route.before.arguments(**call.values, claims=call.claims))
        call = replace(call, values={**call.values, "prepared": prepared})
    answer = route.together.do(call) if route.together else db.atomically(lambda tx: work.answer(tx, call))
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


def _overloaded(detail: str) -> Response:
    return problem_response(Overloaded(detail, headers={"Retry-After": RETRY_AFTER_SECONDS}))


def _trace(request: Request) -> str:
    """The id that ties this line to the load balancer's and the client's (W3C traceparent or Google's header)."""
    parent = request.headers.get("traceparent", "").split("-")
    if len(parent) == 4:  # noqa: PLR2004 - version, trace, span, flags
        return parent[1][:32]
    return request.headers.get("X-Cloud-Trace-Context", "").split("/")[0][:64]
