"""Reads a handler's signature as its contract: who may call, what they send, whether it writes.

`def submit(tx: Tx, member: Member, key: IdempotencyKey, body: Submission, now: datetime) -> Receipt` says all of that;
importing a handler that names no caller fails. A handler that takes many requests at once looks like `def submit(tx:
Tx, group: Sequence[Asked[Member, Submission]]) -> list[Receipt | Problem]`. With slow work before it, it takes
`Sequence[AskedPrepared[Member, Submission, Hash]]` and returns NotPrepared for the requests that need that work. The
values of its path, which must be ids, come with each request.

A vendor's message is `def hear(tx: Tx, vendor: Vendor, notice: Notice, now: datetime) -> Heard`, and what is before it
`def verified(message: RawRequest) -> Notice`: the handler gets what was verified, and nothing else of the message.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import UnionType
from typing import Annotated, Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from shared.auth import Admin, Anyone, Claims, Member, Role, Vendor
from shared.db import Tx
from shared.values.fields import Body, Query, Reply
from shared.web.http import Client, CsvFile, HtmlPage, IfMatch, RawRequest, Upload
from shared.web.idempotency import IdempotencyKey

Handler = Callable[..., Any]
Caller = TypeVar("Caller", bound=Member)
Sent = TypeVar("Sent", bound=Body)
Ready = TypeVar("Ready")

AnyCaller = Anyone | Vendor | Member
OF_A_VENDOR = frozenset({"caller", "tx", "prepared", "now"})  # what a handler may have that hears a vendor
BEFORE_A_VENDOR = frozenset({"raw", "now"})  # and what is before it


class UnclearSignature(TypeError):
    """Raised for a parameter that nothing can supply, or when there is no caller or more than one."""


@dataclass(frozen=True)
class Asked(Generic[Caller, Sent]):
    """One request of a group. `since` is when it arrived, by time.perf_counter, and `at` by the clock, which is None
    for one that was made without a request; `path` has the ids in its path.
    """

    caller: Caller
    body: Sent
    client: Client
    since: float
    path: Mapping[str, UUID] = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True)
class AskedPrepared(Asked[Caller, Sent], Generic[Caller, Sent, Ready]):
    """One request of a group with what its `before` helper returned; None as long as nobody has asked for that."""

    prepared: Ready | None = None


class NotPrepared(Exception):
    """Returned by a handler of a group for a request that needs its `before` helper. Nothing of the request is kept;
    it comes again with what the helper has returned.
    """


@dataclass(frozen=True)
class Contract:
    """The parameters of a handler's signature. Each `…_name` is a parameter's name, or None without such a one."""

    handler: Handler
    caller: type[AnyCaller]
    caller_name: str | None
    role: Role | None
    tx_name: str | None
    key_name: str | None
    body_name: str | None
    body: type[Body] | None
    upload_name: str | None
    query_name: str | None
    query: type[Query] | None
    client_name: str | None
    match_name: str | None
    claims_name: str | None
    now_name: str | None
    path: Mapping[str, type]
    prepared_name: str | None
    group_name: str | None
    raw_name: str | None
    reply: type[Reply] | None
    is_file: bool  # it replies with lines of text
    is_page: bool  # it replies with a page for people

    @property
    def takes_token(self) -> bool:
        """True if the caller is a member, who shows an access token."""
        return issubclass(self.caller, Member)

    @property
    def is_vendors(self) -> bool:
        """True if the caller is a vendor, who signs what they send."""
        return issubclass(self.caller, Vendor)

    def arguments(self, **given: object) -> dict[str, object]:
        """The keyword arguments of a call, from values that are named by what they are (`tx`, `body`, `now`, …)."""
        wanted = {
            "caller": self.caller_name,
            "tx": self.tx_name,
            "key": self.key_name,
            "body": self.body_name,
            "upload": self.upload_name,
            "query": self.query_name,
            "client": self.client_name,
            "match": self.match_name,
            "now": self.now_name,
            "prepared": self.prepared_name,
            "claims": self.claims_name,
            "group": self.group_name,
            "raw": self.raw_name,
        }
        return {name: given[kind] for kind, name in wanted.items() if name is not None}


def contract_of(handler: Handler, path_names: frozenset[str], prepared: object = None) -> Contract:
    """The contract of a handler. `prepared` is the type that its `before` helper returns. Raises UnclearSignature."""
    found = _parameters(handler, path_names, prepared)
    if "claims" in found.names:
        raise UnclearSignature(f"{handler.__qualname__} runs in the transaction: it names its caller, not claims")
    if found.is_group and found.names.keys() - {"tx", "group", "now"}:
        raise UnclearSignature(f"{handler.__qualname__} takes a group: callers and bodies come with each of it")
    if not ("caller" in found.names or found.is_group):
        raise UnclearSignature(f"{handler.__qualname__} names no caller: Anyone, Vendor, Member or Admin")
    if "raw" in found.names:
        raise UnclearSignature(f"{handler.__qualname__} gets what was verified, not the message as it came")
    if missing := path_names - found.path.keys():
        raise UnclearSignature(f"{handler.__qualname__} takes no {', '.join(sorted(missing))} from its path")
    contract = found.contract(handler)
    if contract.is_vendors and (contract.path or found.names.keys() - OF_A_VENDOR):
        raise UnclearSignature(f"{handler.__qualname__} hears a vendor: it takes nothing that was not verified")
    return contract


def helper_of(handler: Handler, path_names: frozenset[str]) -> Contract:
    """The contract of a helper that runs before the transaction, without a transaction and a caller.

    It may take the claims of the caller's token, and values of the path. A caller who may not call is refused before it
    runs; they may still lose the right before the transaction, which checks again. Raises UnclearSignature.
    """
    found = _parameters(handler, path_names, None)
    if {"caller", "tx", "key", "group"} & found.names.keys():
        raise UnclearSignature(f"{handler.__qualname__} runs before the transaction and knows no caller")
    if "raw" in found.names and (found.path or found.names.keys() - BEFORE_A_VENDOR):
        raise UnclearSignature(f"{handler.__qualname__} verifies a message: it looks at nothing else of the request")
    return found.contract(handler)


def check_helpers(contract: Contract, limit: Contract | None, before: Contract | None) -> None:
    """Check that the helpers fit their handler: claims come with a token, a vendor's message is verified, and nothing
    is counted before a group.

    Raises UnclearSignature.
    """
    name = contract.handler.__qualname__
    if not contract.takes_token and any(found and found.claims_name for found in (limit, before)):
        raise UnclearSignature(f"{name} takes no token: there are no claims before it")
    if limit and contract.group_name:
        raise UnclearSignature(f"{name} takes a group: it counts by itself")
    if limit and limit.raw_name:
        raise UnclearSignature(f"{name} counts a message that nobody has verified")
    if not contract.is_vendors:
        if before and before.raw_name:
            raise UnclearSignature(f"{name} hears no vendor: nothing before it takes the message as it came")
        return
    if before is None or before.raw_name is None or contract.prepared_name is None:
        raise UnclearSignature(f"{name} hears a vendor: what is before it takes a RawRequest and returns what it gets")


class _Found:
    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.types: dict[str, Any] = {}
        self.path: dict[str, type] = {}
        self.reply: type[Reply] | None = None
        self.is_file = False
        self.is_page = False

    @property
    def is_group(self) -> bool:
        return "group" in self.names

    def contract(self, handler: Handler) -> Contract:
        caller, role = _caller(self.types.get("caller", Anyone))
        return Contract(
            handler=handler,
            caller=caller,
            caller_name=self.names.get("caller"),
            role=role,
            tx_name=self.names.get("tx"),
            key_name=self.names.get("key"),
            body_name=self.names.get("body"),
            body=self.types.get("body"),
            upload_name=self.names.get("upload"),
            query_name=self.names.get("query"),
            query=self.types.get("query"),
            client_name=self.names.get("client"),
            match_name=self.names.get("match"),
            claims_name=self.names.get("claims"),
            now_name=self.names.get("now"),
            path=self.path,
            prepared_name=self.names.get("prepared"),
            group_name=self.names.get("group"),
            raw_name=self.names.get("raw"),
            reply=self.reply,
            is_file=self.is_file,
            is_page=self.is_page,
        )


def _parameters(handler: Handler, path_names: frozenset[str], prepared: object) -> _Found:
    hints = get_type_hints(handler, include_extras=True)
    found = _Found()
    found.reply = _reply(hints.get("return"))
    found.is_file = hints.get("return") is CsvFile
    found.is_page = hints.get("return") is HtmlPage
    for name in inspect.signature(handler).parameters:
        hint = hints[name]
        if name in path_names and hint in (UUID, str):
            found.path[name] = hint
            continue
        kind = "prepared" if prepared is not None and hint == prepared else _kind(hint)
        if kind is None or kind in found.names:
            raise UnclearSignature(f"{handler.__qualname__}: nothing supplies {name}: {hint}")
        found.names[kind] = name
        if kind == "group":
            found.types["caller"], found.types["body"], *ready = get_args(get_args(hint)[0])
            if ready != ([] if prepared is None else [prepared]):
                raise UnclearSignature(f"{handler.__qualname__} takes what its helper returns with each request")
        found.types[kind] = hint
    if found.is_group:
        found.path = dict.fromkeys(path_names, UUID)
    return found


def _kind(hint: Any) -> str | None:
    simple = {
        Tx: "tx",
        IdempotencyKey: "key",
        Upload: "upload",
        Client: "client",
        IfMatch: "match",
        RawRequest: "raw",
        Claims: "claims",
        datetime: "now",
    }
    if hint in simple:
        return simple[hint]
    if get_origin(hint) is Sequence:
        return "group" if get_origin(get_args(hint)[0]) in (Asked, AskedPrepared) else None
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if not isinstance(plain, type):
        return None
    if issubclass(plain, AnyCaller):
        return "caller"
    if issubclass(plain, Body):
        return "body"
    return "query" if issubclass(plain, Query) else None


def _caller(hint: Any) -> tuple[type[AnyCaller], Role | None]:
    if get_origin(hint) is not Annotated:
        if hint is Admin:
            raise UnclearSignature("say which admin: Annotated[Admin, Role.OPERATIONS]")
        return hint, None
    caller, role = get_args(hint)
    if caller is not Admin or not isinstance(role, Role):
        raise UnclearSignature(f"{hint} is no caller")
    return caller, role


def _reply(hint: Any) -> type[Reply] | None:
    """The model of a successful reply; everything else that a handler returns is a refusal."""
    if get_origin(hint) is list:
        return _reply(get_args(hint)[0])
    for candidate in get_args(hint) if isinstance(hint, UnionType) else (hint,):
        plain = get_origin(candidate) or candidate
        if isinstance(plain, type) and issubclass(plain, Reply):
            return cast("type[Reply]", candidate)
    return None
