"""Evaluates an expression of security rules for one request and one document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from emulators.firestore import rules_operators as operators
from emulators.firestore import rules_syntax as syntax
from emulators.firestore.rules_operators import Undecided, text, truth, whole
from emulators.firestore.rules_syntax import Expression, Function, RulesNotUnderstood

CALLS_MAX = 20  # functions called within each other (firebase.google.com/docs/firestore/security/rules-structure)
DOCUMENTS_MAX = 10  # documents that one decision may look up
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Find = Callable[[str], Mapping[str, Any] | None]  # a document's fields by "/databases/…"; None when there is none


class Unknown:
    """A document id that is not known when a list is checked; rules cannot decide by it."""


@dataclass(frozen=True)
class Resource:
    """A document as rules see it. For a list, `data` is Promised."""

    data: Mapping[str, Any]


@dataclass
class Scope:
    """The values of the names in an expression: request, resource, functions, wildcards and arguments."""

    request: Mapping[str, Any]
    resource: Resource | None
    find: Find
    functions: Mapping[str, Function]
    names: Mapping[str, Any]
    depth: int = 0
    looked_up: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)

    def value(self, node: Expression) -> Any:
        """The value of an expression. Raises Undecided, which denies, and RulesNotUnderstood."""
        return _VALUES[type(node)](node, self)


def _name(node: syntax.Name, scope: Scope) -> Any:
    if node.name in scope.names:
        value = scope.names[node.name]
        if isinstance(value, Unknown):
            raise Undecided(f"{node.name} is not known of a list")
        return value
    return scope.request if node.name == "request" else scope.resource  # names were checked when the rules were loaded


def _path(node: syntax.PathOf, scope: Scope) -> str:
    return "/" + "/".join(text(scope.value(segment)) for segment in node.segments)


def _member(node: syntax.Member, scope: Scope) -> Any:
    of, name = scope.value(node.of), scope.value(node.name)
    if isinstance(of, Resource):
        if name != "data":
            raise RulesNotUnderstood(f"of a document only its data are known, not {name}")
        return of.data
    if isinstance(of, list) and isinstance(name, int) and 0 <= name < len(of):
        return of[name]
    if not isinstance(of, Mapping) or name not in of:
        raise Undecided(f"{type(of).__name__} has no {name}")
    return of[name]


def _call(node: syntax.Call, scope: Scope) -> Any:
    arguments = [scope.value(argument) for argument in node.arguments]
    if node.of is not None:
        return operators.map_get(scope.value(node.of), *arguments)
    if node.name in _CALLS:
        return _CALLS[node.name](scope, *arguments)
    return _own(scope.functions[node.name], arguments, scope)


def _own(function: Function, arguments: Sequence[Any], scope: Scope) -> Any:
    """Call a function of the rules; it sees its arguments and the wildcards around it."""
    if scope.depth >= CALLS_MAX:
        raise Undecided("functions call each other too deeply")
    names = {**scope.names, **dict(zip(function.parameters, arguments, strict=True))}
    inner = replace(scope, names=names, depth=scope.depth + 1)
    for name, value in function.lets:
        names[name] = inner.value(value)
    return inner.value(function.result)


def _looked_up(scope: Scope, path: Any) -> Mapping[str, Any] | None:
    if text(path) not in scope.looked_up:
        if len(scope.looked_up) >= DOCUMENTS_MAX:
            raise Undecided(f"more than {DOCUMENTS_MAX} documents are looked up")
        scope.looked_up[path] = scope.find(path)
    return scope.looked_up[path]


def _get(scope: Scope, path: Any) -> Resource:
    found = _looked_up(scope, path)
    if found is None:
        raise Undecided(f"there is no document {path}")
    return Resource(found)


def _binary(node: syntax.Binary, scope: Scope) -> Any:
    """The value of a binary expression. A true side decides `||`, a false one `&&`, even if the other side fails."""
    if node.sign not in ("||", "&&"):
        return operators.binary(node.sign, scope.value(node.left), scope.value(node.right))
    decisive = node.sign == "||"
    try:
        first = truth(scope.value(node.left))
    except Undecided:
        if truth(scope.value(node.right)) is decisive:
            return decisive
        raise
    return first if first is decisive else truth(scope.value(node.right))


_CALLS: Mapping[str, Callable[..., Any]] = {
    "exists": lambda scope, path: _looked_up(scope, path) is not None,
    "get": _get,
    "timestamp.value": lambda _, milliseconds: EPOCH + timedelta(milliseconds=whole(milliseconds)),
    "duration.value": lambda _, count, unit: operators.duration(count, unit),
}
_VALUES: Mapping[type, Callable[[Any, Scope], Any]] = {
    syntax.Literal: lambda node, _: node.value,
    syntax.Name: _name,
    syntax.ListOf: lambda node, scope: [scope.value(element) for element in node.elements],
    syntax.PathOf: _path,
    syntax.Member: _member,
    syntax.Call: _call,
    syntax.Unary: lambda node, scope: operators.unary(node.sign, scope.value(node.operand)),
    syntax.Binary: _binary,
    syntax.IsA: lambda node, scope: operators.is_a(scope.value(node.operand), node.type),
    syntax.Either: lambda node, scope: scope.value(node.then if truth(scope.value(node.condition)) else node.otherwise),
}
