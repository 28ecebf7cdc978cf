"""A request inside its transaction: its caller, an earlier answer, the handler, and the answer to keep.

It runs alone or in a group: a handler that takes `Sequence[Asked[Member, ThatBody]]` is given many requests at once and
returns a reply, a Problem or NotPrepared for each, in order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared import auth, clock, events
from shared.auth import Anyone, Claims, Member, Vendor
from shared.db import Tx
from shared.values.fields import Reply, Versioned
from shared.values.problems import Problem
from shared.web import idempotency, keys
from shared.web.group_commit import GroupCommitter
from shared.web.http import CSV, HTML, PAGE_POLICY, CsvFile, HtmlPage, Redirect, encode, entity_tag
from shared.web.idempotency import Answer, IdempotencyKey
from shared.web.keys import KeyClaims
from shared.web.signatures import AnyCaller, Asked, AskedPrepared, Contract, NotPrepared


@dataclass(frozen=True)
class Route:
    """An operation of a function and everything that is known about it at import."""

    method: str
    template: str
    status: int
    contract: Contract
    limit: Contract | None
    before: Contract | None
    after: Callable[[Any], Reply] | None
    announce: Callable[[Sequence[Any]], None] | None
    problems: tuple[type[Problem], ...]
    secret_reply: bool
    upload_types: tuple[str, ...]
    body_bytes_max: int
    reply_headers: Mapping[str, str]
    key_required: bool
    keeps_answer: bool  # under an Idempotency-Key
    tagged: bool  # its reply has an ETag
    dry_run: bool  # it can be tried without being done
    any_query: bool  # links to which others append parameters (fbclid, utm_source) are followed all the same
    together: "GroupCommitter[Call, Answer] | None"

    @property
    def name(self) -> str:
        """The operation's name: POST /v1/scans/submit."""
        return f"{self.method} {self.template}"

    @property
    def knows_first(self) -> bool:
        """True if the caller is checked before the request is read: for an admin's operation, or an upload."""
        return self.contract.role is not None or self.contract.upload_name is not None

    def match(self, path: str) -> dict[str, str] | None:
        """The values of the path's parameters; None when the path is another one."""
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
class Call:
    """A request that has been read. `since` is when it arrived, by time.perf_counter. `is_dry` says that the client
    only wants to know the answer.
    """

    route: Route
    claims: Claims | None
    raw: bytes
    values: Mapping[str, Any]
    key: IdempotencyKey | None
    now: datetime
    since: float
    is_dry: bool = False


class _Undo(Exception):
    """Raised to undo what a dry run has done."""


DRY = {"Dry-Run": "true"}


def answer(tx: Tx, call: Call) -> Answer:
    """Handle one request. Raises what undoes all of it: a Problem of which nothing is kept, or a fault."""
    caller = _caller(tx, call)
    if call.is_dry:
        return _tried(tx, call, caller)
    if call.key is None:
        return _outcome(call, _handle(tx, call, caller))
    if (earlier := idempotency.claim(tx, call.key, call.now)) is not None:
        return earlier
    try:
        with tx.savepoint():
            given = _outcome(call, _handle(tx, call, caller))
    except Problem as problem:
        if problem.passing:
            raise  # nothing is kept, so that the same request may come again
        given = _refusal(problem)
    idempotency.keep(tx, call.key, given)
    return given


def _tried(tx: Tx, call: Call, caller: AnyCaller) -> Answer:
    """The answer that the request would get, with the header `Dry-Run`; what it did is undone.

    Deferred constraints are checked as at a commit. A refusal that counts something (a wrong code of an authenticator
    app) keeps its count: otherwise codes could be guessed by dry runs. An earlier answer under the same
    Idempotency-Key is not looked for, and none is kept.
    """
    given: Answer | None = None
    try:
        with tx.savepoint():
            result = _handle(tx, call, caller)
            given = _outcome(call, result)
            _undo_unless_counted(tx, result)
    except _Undo:
        pass
    except Problem as problem:
        if problem.passing:
            raise
        given = _refusal(problem)
    events.forget()
    assert given
    return replace(given, headers={**given.headers, **DRY})


def _undo_unless_counted(tx: Tx, result: object) -> None:
    """Raises _Undo, unless the result is a refusal whose count is kept."""
    if not isinstance(result, Problem):
        tx.check_deferred()
        raise _Undo


def answers(tx: Tx, calls: Sequence[Call]) -> list[Answer | BaseException]:
    """Handle requests of one operation together, no two with the same key; returns for each an answer, the Problem of
    a caller who may not call, or NotPrepared. The key of a passing Problem is free again.
    """
    now = clock.now()
    tx.plan_once()
    found: dict[int, Answer | BaseException] = {}
    callers: dict[int, Member] = {}
    for position, caller in enumerate(auth.members(tx, [call.claims for call in calls if call.claims], now)):
        if isinstance(caller, Problem):
            found[position] = caller
        else:
            callers[position] = caller
    keys = {position: key for position in callers if (key := calls[position].key)}
    found |= idempotency.claim_all(tx, keys, now)
    todo = {position: calls[position] for position in callers if position not in found}
    results = _handle_all(tx, todo, callers, now)
    kept: dict[IdempotencyKey, Answer] = {}
    for position, result in results.items():
        if isinstance(result, NotPrepared):
            found[position] = result
            continue
        found[position] = given = _outcome(calls[position], result)
        if position in keys and not (isinstance(result, Problem) and result.passing):
            kept[keys[position]] = given
    idempotency.keep_all(tx, kept)
    idempotency.forget_all(tx, [keys[p] for p in results if p in keys and keys[p] not in kept])
    return [found[position] for position in range(len(calls))]


def _handle_all(tx: Tx, calls: Mapping[int, Call], callers: Mapping[int, Member], now: datetime) -> dict[int, object]:
    """The handler's results, by the calls' positions."""
    if not calls:
        return {}
    contract = next(iter(calls.values())).route.contract
    group = [_asked(callers[position], call) for position, call in calls.items()]
    results = contract.handler(**contract.arguments(tx=tx, group=group, now=now))
    return dict(zip(calls, results, strict=True))


def _asked(caller: Member, call: Call) -> Asked[Member, Any]:
    body, client = call.values["body"], call.values["client"]
    path = {name: call.values[name] for name in call.route.contract.path}
    if call.route.before is None:
        return Asked(caller, body, client, call.since, path, at=call.now)
    return AskedPrepared(caller, body, client, call.since, path, at=call.now, prepared=call.values.get("prepared"))


def admit(tx: Tx, call: Call) -> Answer | None:
    """The answer to the same request, if there was one. Raises the Problem of a caller who may not call this."""
    _caller(tx, call)
    return idempotency.earlier(tx, call.key) if call.key else None


def caller_of(tx: Tx, contract: Contract, claims: Claims, now: datetime) -> Member:
    """The member who is calling. Raises the Problem of a member who may not call this."""
    if isinstance(claims, KeyClaims):
        return keys.admin(tx, claims, contract.handler.__name__, now)
    found = auth.member(tx, claims, now)
    return auth.admin(found, contract.role, now) if contract.role else found


def _caller(tx: Tx, call: Call) -> AnyCaller:
    contract = call.route.contract
    if call.claims:
        return caller_of(tx, contract, call.claims, call.now)
    return Vendor() if contract.is_vendors else Anyone()


def _handle(tx: Tx, call: Call, caller: AnyCaller) -> object:
    contract = call.route.contract
    arguments = contract.arguments(**call.values, tx=tx, caller=caller, key=call.key)
    path = {name: call.values[name] for name in contract.path}
    try:
        return contract.handler(**arguments, **path)
    except Problem as problem:
        if problem.kept:
            return problem
        raise


def _outcome(call: Call, result: object) -> Answer:
    """The answer for a handler's result. A returned Problem keeps what was written (a counted failure, say)."""
    if isinstance(result, Problem):
        return _refusal(result)
    version = {"ETag": entity_tag(result.revision)} if isinstance(result, Versioned) else {}
    headers = {**call.route.reply_headers, **version}
    if isinstance(result, CsvFile):
        headers |= {"Content-Type": CSV, "ETag": entity_tag(result.version)}
        return Answer(call.route.status, result.text.encode(), headers)
    if isinstance(result, HtmlPage):
        headers |= {"Content-Type": HTML, "Content-Security-Policy": PAGE_POLICY}
        return Answer(call.route.status, result.html.encode(), headers)
    if isinstance(result, Redirect):
        return Answer(call.route.status, None, {**headers, "Location": result.location, **result.headers})
    return Answer(call.route.status, None if result is None else encode(result), headers)


def _refusal(problem: Problem) -> Answer:
    return Answer(problem.status, encode(problem.document()), problem.headers)
