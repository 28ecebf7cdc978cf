"""Access control: functions may do everything, clients may read what the security rules allow.

Functions authenticate as "owner", as the official client does with every emulator; the service knows them by their
accounts. Every other caller has an ID token of Firebase in `authorization`, or none.
"""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt

from emulators.firestore.messages import Code, CompositeOperator, FieldOperator, Message, Refused
from emulators.firestore.names import check_document, field_path
from emulators.firestore.rules import Asked, Promised, Resource, Rules, Unknown
from emulators.firestore.tree import Tree

OWNER = "Bearer owner"
ISSUER = "https://securetoken.google.com/"
ALTERNATIVES_MAX = 30  # alternatives of one query, as many as Firestore takes
UNDER_PROJECT = 2  # segments: rules see the path after projects/{project}

Metadata = Sequence[tuple[str, str | bytes]]
KeySet = Mapping[str, Any]


@dataclass(frozen=True)
class Caller:
    """A caller. `token` holds the claims of an ID token, None without one; `is_owner` passes all rules."""

    is_owner: bool
    token: Mapping[str, Any] | None
    since: datetime  # the request's time, at which rules judge a listener


class Access:
    """Checks requests against the rules; without rules every caller may do everything. `keys` (JWKS) verify ID tokens.

    Without keys no ID token is accepted.
    """

    def __init__(self, rules: str | None = None, keys: KeySet | None = None) -> None:
        self._rules = Rules(rules) if rules is not None else None
        self._keys = jwt.PyJWKSet.from_dict(dict(keys)) if keys is not None else None

    def caller(self, metadata: Metadata, now: datetime) -> Caller:
        """The caller of a request; refuses an invalid token."""
        header = next((str(value) for name, value in metadata if name == "authorization"), None)
        if self._rules is None or header == OWNER:
            return Caller(is_owner=True, token=None, since=now)
        token = self._verified(header.removeprefix("Bearer "), now) if header is not None else None
        return Caller(is_owner=False, token=token, since=now)

    def check(self, caller: Caller, method: str, request: Message, tree: Tree) -> None:
        """Refuse what the rules do not allow. Clients may only read; every other method is refused."""
        if caller.is_owner:
            return
        if method not in _READ or not all(self._allow(caller, each, tree) for each in _READ[method](request)):
            raise denied()

    def check_target(self, caller: Caller, target: Message, tree: Tree) -> None:
        """Check a listener's target as `check` does a request."""
        if caller.is_owner:
            return
        if target.WhichOneof("target_type") == "documents":
            wanted = [_Read("get", name) for name in target.documents.documents]
        else:
            wanted = list(_query(target.query))
        if not all(self._allow(caller, each, tree) for each in wanted):
            raise denied()

    def _allow(self, caller: Caller, wanted: "_Read", tree: Tree) -> bool:
        assert self._rules is not None
        if not wanted.is_understood:
            return False
        project = wanted.name.split("/")[1]

        def find(path: str) -> Mapping[str, Any] | None:
            record = tree.get(f"projects/{project}{path}")
            return _plain_fields(record.document.fields) if record is not None else None

        path: list[str | Unknown] = [*wanted.name.split("/")[UNDER_PROJECT:]]
        if wanted.method == "list":
            path.append(Unknown())
            resources: list[Resource | None] = [Resource(promised) for promised in wanted.promises]
        else:
            fields = find("/" + "/".join(wanted.name.split("/")[UNDER_PROJECT:]))
            resources = [Resource(fields) if fields is not None else None]
        auth = {"uid": caller.token["sub"], "token": caller.token} if caller.token is not None else None
        return self._rules.allow(Asked(wanted.method, tuple(path), resources, auth, caller.since, find))

    def _verified(self, token: str, now: datetime) -> Mapping[str, Any]:
        """The claims of a valid ID token, by the rules of firebase.google.com/docs/auth/admin/verify-id-tokens."""
        try:
            key_id = jwt.get_unverified_header(token)["kid"]
            project = jwt.decode(token, options={"verify_signature": False})["aud"]
            assert self._keys is not None
            found: dict[str, Any] = jwt.decode(
                token,
                self._keys[key_id],
                algorithms=["RS256"],
                audience=project,
                issuer=f"{ISSUER}{project}",
                options={
                    "require": ["exp", "iat", "aud", "iss", "sub", "auth_time"],
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
        except (jwt.PyJWTError, KeyError, AssertionError):
            raise Refused(Code.UNAUTHENTICATED, "The ID token is not valid.") from None
        if found["exp"] <= now.timestamp():
            raise Refused(Code.UNAUTHENTICATED, "The ID token has expired.")
        return found


def now() -> datetime:
    """The time at which a request is judged."""
    return datetime.fromtimestamp(time.time(), tz=UTC)


def denied() -> Refused:
    """A refusal in the words of the service."""
    return Refused(Code.PERMISSION_DENIED, "Missing or insufficient permissions.")


@dataclass(frozen=True)
class _Read:
    """One document, or a collection (by its full name) with what its documents are promised to be."""

    method: str
    name: str
    promises: Sequence[Promised] = (Promised(),)
    is_understood: bool = True


def _get(request: Message) -> Iterator[_Read]:
    yield _Read("get", check_document(request.name))


def _batch_get(request: Message) -> Iterator[_Read]:
    for name in request.documents:
        yield _Read("get", check_document(name))


def _list(request: Message) -> Iterator[_Read]:
    yield _Read("list", f"{request.parent}/{request.collection_id}", is_understood=bool(request.collection_id))


def _query(request: Message) -> Iterator[_Read]:
    """The read of a query. Queries of collection groups need rules that are not known here: they are denied."""
    structured = request.structured_query
    selector = structured.from_[0] if structured.from_ else None
    understood = selector is not None and bool(selector.collection_id) and not selector.all_descendants
    name = f"{request.parent}/{selector.collection_id if selector is not None else ''}"
    yield _Read("list", name, _promises(structured.where), understood)


def _aggregation(request: Message) -> Iterator[_Read]:
    inner = request.structured_aggregation_query.structured_query
    yield from _query(_Aggregated(request.parent, inner))


@dataclass(frozen=True)
class _Aggregated:
    parent: str
    structured_query: Message


_READ: Mapping[str, Callable[[Message], Iterator[_Read]]] = {
    "GetDocument": _get,
    "BatchGetDocuments": _batch_get,
    "ListDocuments": _list,
    "RunQuery": _query,
    "RunAggregationQuery": _aggregation,
}


def _promises(where: Message) -> list[Promised]:
    """The field values that the filters guarantee in every result: one Promised for each alternative of an `in`."""
    choices = dict(_choices(where))
    if math.prod(len(values) for values in choices.values()) > ALTERNATIVES_MAX:
        return [Promised()]
    return [_nested(dict(zip(choices, values, strict=True))) for values in itertools.product(*choices.values())]


def _choices(where: Message) -> Iterator[tuple[tuple[str, ...], list[Any]]]:
    """Each field that a filter restricts to some values, with these values."""
    match where.WhichOneof("filter_type"):
        case "composite_filter" if where.composite_filter.op == CompositeOperator.AND:
            for part in where.composite_filter.filters:
                yield from _choices(part)
        case "field_filter" if where.field_filter.op == FieldOperator.EQUAL:
            yield field_path(where.field_filter.field.field_path), [_plain(where.field_filter.value)]
        case "field_filter" if where.field_filter.op == FieldOperator.IN:
            values = where.field_filter.value.array_value.values
            yield field_path(where.field_filter.field.field_path), [_plain(value) for value in values]
        case _:
            return


def _nested(values: Mapping[tuple[str, ...], Any]) -> Promised:
    promised = Promised()
    for path, value in values.items():
        inner = promised
        for name in path[:-1]:
            inner = inner.setdefault(name, Promised())
        inner[path[-1]] = value
    return promised


def _plain_fields(fields: Mapping[str, Message]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in fields.items()}


def _plain(value: Message) -> Any:
    """A Firestore value as a Python value for the rules. Other kinds are passed on, and every operator refuses them."""
    kind = value.WhichOneof("value_type")
    match kind:
        case "null_value":
            return None
        case "timestamp_value":
            return value.timestamp_value.ToDatetime(tzinfo=UTC)
        case "array_value":
            return [_plain(element) for element in value.array_value.values]
        case "map_value":
            return _plain_fields(value.map_value.fields)
        case "boolean_value" | "integer_value" | "double_value" | "string_value":
            return getattr(value, kind)
        case _:
            return value
