"""Security rules: decides whether a caller may read a document, or list documents.

They mean what they mean to Google: an error denies, but `||` and `&&` are decided by one side when that is enough,
whatever the other side is (github.com/firebase/firebase-tools/issues/2067). A list is allowed if every document that
the query could find is allowed: only what the filters promise is known of its documents, and a rule that asks for more
denies. Equality and `in`, joined by AND, promise something; other filters promise nothing here, which denies more than
the service does. Rules that are not completely understood are not loaded.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emulators.firestore import rules_syntax as syntax
from emulators.firestore.rules_evaluation import Find, Resource, Scope, Unknown
from emulators.firestore.rules_operators import Promised, Undecided
from emulators.firestore.rules_syntax import BUILT_IN, GIVEN, Expression, Function, Match, RulesNotUnderstood, parsed

__all__ = ["Asked", "Promised", "Resource", "Rules", "RulesNotUnderstood", "Unknown"]


@dataclass(frozen=True)
class Asked:
    """A request to read. `path` is the document's from "databases" on; for a list its last segment is Unknown.

    `resources` has the document (None if there is none), or one entry for each alternative that a list may find.
    """

    method: str  # get or list
    path: tuple[str | Unknown, ...]
    resources: Sequence[Resource | None]
    auth: Mapping[str, Any] | None
    time: datetime
    find: Find


class Rules:
    """A file of rules. Raises RulesNotUnderstood if it uses something that is not known here."""

    def __init__(self, text: str) -> None:
        self._service = parsed(text)
        _check(self._service, {}, frozenset())

    def allow(self, asked: Asked) -> bool:
        """True if some rule allows the request, for each of its resources. Raises RulesNotUnderstood."""
        return all(self._allow_one(asked, resource) for resource in asked.resources)

    def _allow_one(self, asked: Asked, resource: Resource | None) -> bool:
        return any(_holds(condition, scope) for condition, scope in _conditions(self._service, asked, resource))


def _conditions(service: Match, asked: Asked, resource: Resource | None) -> Iterator[tuple[Expression, Scope]]:
    """The condition and scope of each `allow` that matches the path and the method."""
    request = {"auth": asked.auth, "time": asked.time}
    todo = [(service, asked.path, dict[str, Any](), dict[str, Function]())]
    while todo:
        match, path, names, functions = todo.pop()
        bound = _bound(match.pattern, path)
        if bound is None:
            continue
        names, functions, path = names | bound, functions | match.functions, path[len(match.pattern) :]
        for allow in match.allows if not path else ():
            if asked.method in allow.methods:
                yield allow.condition, Scope(request, resource, asked.find, functions, names)
        todo.extend((inner, path, names, functions) for inner in match.matches)


def _bound(pattern: tuple[str, ...], path: tuple[str | Unknown, ...]) -> dict[str, Any] | None:
    """The wildcards' values if the path begins like the pattern, else None."""
    if len(pattern) > len(path):
        return None
    bound = {}
    for wanted, segment in zip(pattern, path, strict=False):
        if wanted.startswith("{"):
            bound[wanted[1:-1]] = segment
        elif wanted != segment:
            return None
    return bound


def _holds(condition: Expression, scope: Scope) -> bool:
    try:
        return scope.value(condition) is True
    except Undecided:
        return False


# Names and functions are checked once, when the rules are loaded.


def _check(match: Match, functions: Mapping[str, Function], names: frozenset[str]) -> None:
    names = names | {segment[1:-1] for segment in match.pattern if segment.startswith("{")}
    functions = {**functions, **match.functions}
    for function in match.functions.values():
        inner = names | set(function.parameters)
        for name, value in function.lets:
            _check_expression(value, functions, inner)
            inner |= {name}
        _check_expression(function.result, functions, inner)
    for allow in match.allows:
        _check_expression(allow.condition, functions, names)
    for below in match.matches:
        _check(below, functions, names)


def _check_expression(node: Expression, functions: Mapping[str, Function], names: frozenset[str]) -> None:
    match node:
        case syntax.Name(name) if name not in names | GIVEN:
            raise RulesNotUnderstood(f"the name {name} is not known")
        case syntax.Member(syntax.Name("request"), syntax.Literal(name)) if name not in ("auth", "time"):
            raise RulesNotUnderstood(f"of a request auth and time are known, not {name}")
        case syntax.Call(name, arguments, None) if "." not in name:
            wanted = BUILT_IN.get(name, len(functions[name].parameters) if name in functions else None)
            syntax.check_call(name, wanted, arguments)
        case _:
            pass
    for child in _children(node):
        _check_expression(child, functions, names)


def _children(node: Expression) -> Iterator[Expression]:
    for value in vars(node).values():
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Expression):
                yield each
