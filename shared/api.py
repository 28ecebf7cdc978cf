"""HTTP functions: routing, callers, parsing, idempotency, the transaction, problems. One `Api` per function.

A request is one transaction (shared/web/in_transaction.py), or shares one with requests of its kind that came at the
same time. A route names its helpers. `limit` says what is counted of a request before anything else is done
(shared/web/quotas.py). `before` does slow work that must not hold the transaction (hashing a password, reading the
chain), and checks the signature of a vendor's message. `after` does what is allowed only after the commit (signing a
token). A request that was answered before runs neither `limit` nor `before`. In a group `before` runs only for the
requests for which the handler returns NotPrepared; they join a later group. `announce` tells others at once what a
group has done: the request that led the group calls it after the commit, while the next group is at work.

A route with `dry_run` takes the header `Dry-Run: true`: the answer is what it would be, and nothing of it is done.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Any, get_type_hints
from uuid import UUID

from flask import Request, Response, current_app, has_app_context
from flask import request as current_request

from shared import auth, clock, db, events, log
from shared.auth import Claims
from shared.db import CommitUnknown, PoolExhausted
from shared.ports.outage import Outage
from shared.values import encoding
from shared.values.fields import Query, Reply
from shared.values.problems import (
    CONTENT_TYPE,
    InternalError,
    MethodNotAllowed,
    NotFound,
    NotThroughTheGateway,
    NotValid,
    Overloaded,
    Problem,
)
from shared.web import attacks, edge, idempotency, in_transaction, keys, quotas, together
from shared.web.group_commit import LeaderLost
from shared.web.http import (
    Client,
    RawRequest,
    Upload,
    allowed,
    asks_dry_run,
    discard_body,
    dress,
    encode,
    if_match,
    parse_body,
    parse_query,
    preflight,
    problem_response,
    read_body,
    require_content_type,
    with_etag,
)
from shared.web.idempotency import Answer, IdempotencyKey
from shared.web.in_transaction import Call, Route
from shared.web.quotas import Limit
from shared.web.signatures import (
    Contract,
    Handler,
    NotPrepared,
    UnclearSignature,
    check_helpers,
    contract_of,
    helper_of,
)

BODY_BYTES_MAX = 64 * 1024
MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
BUSY_SECONDS = "1"
OUTAGE_SECONDS = "5"


class Api:
    """The operations of one HTTP function."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.routes: list[Route] = []
        if has_app_context():  # functions-framework imports us inside its app, whose own 404 would be an HTML page
            current_app.register_error_handler(404, nothing_there)

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
        """Answer a request; every failure becomes a proper response too."""
        started = time.perf_counter()
        bound = log.bound(function=self.function, method=request.method, trace=_trace(request))
        with bound, db.acting_for(self.function):
            try:
                operation, response = self._answer(request, started)
            except Problem as problem:
                operation, response = "", problem_response(problem)
                if isinstance(problem, NotThroughTheGateway):
                    attacks.note(problem.slug())
            except Exception as error:  # noqa: BLE001 - the last stand: logged once with its trace, shown to nobody
                operation, response = "", problem_response(_problem_of(error))
            discard_body(request)
            dress(request, response)
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
        limit: Handler | None = None,
        before: Handler | None = None,
        after: Callable[[Any], Reply] | None = None,
        announce: Callable[[Sequence[Any]], None] | None = None,
        problems: tuple[type[Problem], ...] = (),
        secret_reply: bool = False,
        upload_types: tuple[str, ...] = ("application/octet-stream", "text/csv"),
        body_bytes_max: int = BODY_BYTES_MAX,
        reply_headers: Mapping[str, str] | None = None,
        key_required: bool = False,
        keeps_answer: bool = True,
        any_query: bool = False,
        tagged: bool = False,
        dry_run: bool = False,
    ) -> Callable[[Handler], Handler]:
        """Register a handler; `limit`, `before`, `after` and `announce` are explained at the top of this module.

        `problems` are the handler's own refusals. A `secret_reply` is kept encrypted under its Idempotency-Key. A
        handler that takes a key requires one; that of a group says so by `key_required`. A route
        without `keeps_answer` does its work again under the same key, and asks again who may be told.
        `any_query` takes unknown query parameters, as a vendor's operation does. A `tagged` reply has a weak ETag made
        of its body, so that a client that has it already is answered 304. A `dry_run` can be asked for where the
        transaction is all that happens. Raises UnclearSignature.
        """
        names = frozenset(re.findall(r"{(\w+)}", template))

        def register(handler: Handler) -> Handler:
            prepared = get_type_hints(before)["return"] if before else None
            contract = contract_of(handler, names, prepared)
            limiter = helper_of(limit, names) if limit else None
            helper = helper_of(before, names) if before else None
            check_helpers(contract, limiter, helper)
            if dry_run and (limit or before or after or contract.group_name or not contract.takes_token):
                raise UnclearSignature(f"{handler.__qualname__} is more than a member's transaction: it has no dry run")
            if after and not contract.reply:
                raise UnclearSignature(f"{handler.__qualname__} gives nothing to what comes after it")
            if announce and not (contract.reply and contract.group_name):
                raise UnclearSignature(f"{handler.__qualname__} takes no group: there is nothing to announce together")
            self.routes.append(
                Route(
                    method=method,
                    template=template,
                    status=status,
                    contract=contract,
                    limit=limiter,
                    before=helper,
                    after=after,
                    announce=announce,
                    problems=problems,
                    secret_reply=secret_reply,
                    upload_types=upload_types,
                    body_bytes_max=body_bytes_max,
                    reply_headers=reply_headers or {},
                    key_required=key_required or contract.key_name is not None,
                    keeps_answer=keeps_answer,
                    any_query=any_query or contract.is_vendors,
                    tagged=tagged,
                    dry_run=dry_run,
                    together=together.gatherer(contract, status, announce) if contract.group_name else None,
                )
            )
            return handler

        return register

    def matching(self, path: str) -> list[tuple[Route, dict[str, str]]]:
        """The routes of a path with the values of its parameters. One that names a segment precedes one that takes
        any, whichever was registered first, as at the gateway.
        """
        found = [(route, values) for route in self.routes if (values := route.match(path)) is not None]
        return sorted(found, key=lambda match: len(match[1]))

    def _answer(self, request: Request, since: float) -> tuple[str, Response]:
        edge.require(request)
        auth.require_gateway(request, self.function)
        matches = self.matching(request.path)
        methods = [route.method for route, _ in matches]
        if not matches:
            raise NotFound
        if request.method == "OPTIONS":
            return "preflight", preflight(request, methods)
        method = "GET" if request.method == "HEAD" else request.method  # the server leaves the body out
        if method not in methods:
            raise MethodNotAllowed(headers={"Allow": allowed(methods)})
        route, path = matches[methods.index(method)]
        name = route.contract.handler.__name__
        with log.bound(operation=name):
            with route.together.coming() if route.together else nullcontext():
                call = _read(route, path, request, since)
            with log.bound(network=_network(call), member=call.claims.member_id if call.claims else None):
                response = _noted(call)
                if route.contract.is_file:
                    response.make_conditional(request)  # 304 for a client that has it (RFC 9110, section 13.1.2)
                elif route.tagged and response.status_code == route.status:
                    return name, with_etag(request, response)
                return name, response


def nothing_there(_: Exception) -> Response:
    """Answer 404 for a path that functions-framework itself does not find."""
    response = problem_response(NotFound())
    dress(current_request, response)
    return response


def _read(route: Route, path: Mapping[str, str], request: Request, since: float) -> Call:
    """The request's content, validated. Raises the Problem of the first kind of fault.

    A caller who may not call learns nothing else. For an admin's operation and an upload, the caller is checked before
    anything is read; for the others, before the request's faults are reported (and again in the transaction).
    """
    now = clock.now()
    shown = keys.claims(request, route.contract.role, now) if route.contract.takes_token else None
    claims = shown or (auth.claims(request, now) if route.contract.takes_token else None)
    if claims is None:
        return _said(route, path, request, None, now, since=since)
    if route.knows_first:
        _may_call(route, request, claims, now)
        return _said(route, path, request, claims, now, since=since)
    try:
        return _said(route, path, request, claims, now, since=since)
    except Problem:
        _may_call(route, request, claims, now)
        raise


def _may_call(route: Route, request: Request, claims: Claims, now: datetime) -> None:
    """Check the caller in a transaction of its own. Raises the Problem of a caller who may not call this, and logs it
    if it is a trace of an attack (attacks.note).
    """
    with log.bound(network=edge.client_of(request).coarse_network, member=claims.member_id):
        try:
            db.atomically(in_transaction.caller_of, route.contract, claims, now)
        except Problem as problem:
            attacks.note(problem.slug())
            raise


def _said(
    route: Route, path: Mapping[str, str], request: Request, claims: Claims | None, now: datetime, since: float
) -> Call:
    contract = route.contract
    changes = route.method in MUTATING and not contract.is_vendors
    is_dry = changes and asks_dry_run(request, possible=route.dry_run)
    raw = b""
    values: dict[str, object] = {
        "now": now,
        "client": edge.client_of(request),
        **_path_values(contract, path),
    }
    if contract.body or contract.upload_name:
        require_content_type(request, *(("application/json",) if contract.body else route.upload_types))
        raw = read_body(request, route.body_bytes_max)
    if contract.body:
        values["body"] = parse_body(raw, contract.body)
    if contract.upload_name:
        values["upload"] = Upload(raw, request.mimetype_params.get("boundary", ""))
    if contract.is_vendors:
        values["raw"] = RawRequest(dict(request.headers), read_body(request, route.body_bytes_max))
    if not route.any_query:
        values["query"] = parse_query(request, contract.query or Query)
    key = _key(route, request, claims, _asked(values.get("upload"), raw))
    if contract.match_name:
        values["match"] = if_match(request)
    return Call(route, claims, raw, values, key, now=now, since=since, is_dry=is_dry)


def _asked(upload: object, raw: bytes) -> bytes:
    """The body without a form's boundary, which differs each time the same form is sent."""
    boundary = upload.boundary if isinstance(upload, Upload) else ""
    return raw.replace(boundary.encode(), b"") if boundary else raw


def _path_values(contract: Contract, path: Mapping[str, str]) -> dict[str, object]:
    """The path's parameters in the types that the handler takes. Raises NotFound for an id that is not a UUID, and for
    text that cannot be stored.
    """
    try:
        encoding.check_text(path)
        return {name: UUID(value) if contract.path[name] is UUID else value for name, value in path.items()}
    except ValueError:
        raise NotFound from None


def _key(route: Route, request: Request, claims: Claims | None, raw: bytes) -> IdempotencyKey | None:
    header = request.headers.get("Idempotency-Key")
    if route.method not in MUTATING or route.contract.is_vendors:
        return None  # a vendor's message has a name of its own
    if header is None:
        if route.key_required:
            raise NotValid(errors=[{"field": "Idempotency-Key", "message": "is required here"}])
        return None
    idempotency.check(header)
    if not route.keeps_answer:
        return None
    version = request.headers.get("If-Match", "") if route.contract.match_name else ""
    operation = f"{request.method} {request.full_path}{version}"
    asked = operation.encode() + b"\x00" + raw
    if claims is None:
        return idempotency.of_anyone(route.name, header, asked)
    return IdempotencyKey(str(claims.member_id), header, asked, sealed=route.secret_reply)


def _done(call: Call) -> Answer:
    """Do one call. A caller who is refused, or was answered before, is not counted and causes no slow work."""
    route = call.route
    if route.together:
        try:
            return route.together.do(call)
        except NotPrepared:
            return route.together.do(_prepared(call))
    if route.limit or route.before:
        if (call.claims or call.key) and (earlier := db.atomically(in_transaction.admit, call)):
            return earlier
        call = _prepared(call)
    return db.atomically(in_transaction.answer, call)


def _prepared(call: Call) -> Call:
    """The call, counted, with the result of its slow work. If we are overloaded, the try is not counted."""
    route = call.route
    limit: Limit | None = _helped(route.limit, call) if route.limit else None
    if limit:
        quotas.spend(limit, call.now)
    try:
        return replace(call, values={**call.values, "prepared": _helped(route.before, call)}) if route.before else call
    except Overloaded:
        if counted := limit:
            db.atomically(quotas.give_back_in_turn, counted.groups, call.now)
        raise


def _helped(helper: Contract, call: Call) -> Any:
    path = {name: call.values[name] for name in helper.path}
    return helper.handler(**helper.arguments(**call.values, claims=call.claims), **path)


def _noted(call: Call) -> Response:
    """Respond to a call; a refusal that is a trace of an attack is logged (attacks.note)."""
    try:
        return _respond(call)
    except Problem as problem:
        attacks.note(problem.slug())
        raise


def _network(call: Call) -> str:
    client = call.values["client"]
    assert isinstance(client, Client)
    return client.coarse_network


def _respond(call: Call) -> Response:
    route = call.route
    answer = _done(call)
    events.publish_soon()
    succeeded = answer.status == route.status
    if not succeeded:
        attacks.note(json.loads(answer.body or b"{}").get("type", "").removeprefix("/problems/"))
    body = answer.body
    if succeeded and route.after:
        assert route.contract.reply, "checked when the route was registered"
        body = encode(route.after(route.contract.reply.model_validate_json(body or b"")))
    content_type = "application/json" if succeeded else CONTENT_TYPE
    response = Response(body or b"", answer.status, content_type=content_type if body else None)
    response.headers.update(answer.headers)
    return response


def _problem_of(error: Exception) -> Problem:
    """The Problem for a failure that has none of its own. Call it inside the `except` block, for the log."""
    if isinstance(error, PoolExhausted):
        log.error("no database connection became free")
        return _overloaded("No capacity at this moment; nothing was done.", BUSY_SECONDS)
    if isinstance(error, CommitUnknown | LeaderLost):
        log.error("the connection or the thread was lost while committing")
        return _overloaded("Repeat the request with the same Idempotency-Key.", BUSY_SECONDS)
    if db.is_outage(error) or isinstance(error, Outage):
        log.error("the database or a service does not answer", kind=type(error).__name__)
        return _overloaded("Something that we need does not answer; repeat the request later.", OUTAGE_SECONDS)
    log.error("unexpected error")
    return InternalError()


def _overloaded(detail: str, seconds: str) -> Problem:
    return Overloaded(detail, headers={"Retry-After": seconds})


def _trace(request: Request) -> str:
    """The trace id that ties this line to the load balancer's and the client's (W3C traceparent or Google's header)."""
    parent = request.headers.get("traceparent", "").split("-")
    if len(parent) == 4:  # noqa: PLR2004 - version, trace, span, flags
        return parent[1][:32]
    return request.headers.get("X-Cloud-Trace-Context", "").split("/")[0][:64]
