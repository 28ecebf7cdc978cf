"""Parses the subset of Firestore's rules language that our rules use, and refuses everything else.

Language: https://firebase.google.com/docs/rules/rules-language. Supported are `match` with wildcards of one segment,
functions with `let`, `allow` for reading, and the expressions below. An unknown word is an error when the rules are
loaded: a rule that was read in another way than the service reads it would prove nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

READS = {"read": ("get", "list"), "get": ("get",), "list": ("list",)}
TYPES = frozenset({"bool", "int", "float", "number", "string", "list", "map", "timestamp", "duration"})
GIVEN = frozenset({"request", "resource"})
BUILT_IN = {"get": 1, "exists": 1}  # with the number of arguments of each
METHODS = {"get": 2}  # methods of maps
NAMESPACES = {"timestamp": {"value": 1}, "duration": {"value": 2}}
LEVELS: Sequence[frozenset[str]] = (
    frozenset({"||"}),
    frozenset({"&&"}),
    frozenset({"==", "!="}),
    frozenset({"<", "<=", ">", ">=", "in", "is"}),
    frozenset({"+", "-"}),
    frozenset({"*"}),
)  # the loosest first

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<text>'(?:[^'\\\n]|\\['"\\])*'|"(?:[^"\\\n]|\\['"\\])*")
    |(?P<name>[A-Za-z_][A-Za-z_0-9]*)
    |(?P<sign>\$\(|&&|\|\||==|!=|<=|>=|[-+*/<>!?:;,.=(){}\[\]])""",
    re.VERBOSE | re.DOTALL,
)


class RulesNotUnderstood(Exception):
    """Raised when the rules use something that this stand-in does not know, although Google's emulator does."""


@dataclass(frozen=True)
class Literal:
    value: object


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class ListOf:
    elements: tuple["Expression", ...]


@dataclass(frozen=True)
class PathOf:
    """A path; its segments are literal texts, or expressions that give one."""

    segments: tuple["Expression", ...]


@dataclass(frozen=True)
class Member:
    of: "Expression"
    name: "Expression"


@dataclass(frozen=True)
class Call:
    """A call: `name` alone for functions, `timestamp.value` for those of a namespace, `.get` for the map `of`."""

    name: str
    arguments: tuple["Expression", ...]
    of: "Expression | None" = None


@dataclass(frozen=True)
class Unary:
    sign: str
    operand: "Expression"


@dataclass(frozen=True)
class Binary:
    sign: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True)
class IsA:
    operand: "Expression"
    type: str


@dataclass(frozen=True)
class Either:
    condition: "Expression"
    then: "Expression"
    otherwise: "Expression"


Expression = Literal | Name | ListOf | PathOf | Member | Call | Unary | Binary | IsA | Either


@dataclass(frozen=True)
class Function:
    name: str
    parameters: tuple[str, ...]
    lets: tuple[tuple[str, Expression], ...]
    result: Expression


@dataclass(frozen=True)
class Allow:
    methods: frozenset[str]
    condition: Expression


@dataclass
class Match:
    """A `match` block. `pattern` holds segments; those in braces are wildcards."""

    pattern: tuple[str, ...]
    functions: dict[str, Function] = field(default_factory=dict)
    allows: list[Allow] = field(default_factory=list)
    matches: list["Match"] = field(default_factory=list)


def parsed(text: str) -> Match:
    """The service's block, as a match with an empty pattern. Raises RulesNotUnderstood."""
    return _Parser(text).service()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise RulesNotUnderstood(f"unknown character {text[position]!r}")
            position = found.end()
            if found.lastgroup != "skip":
                self._tokens.append((str(found.lastgroup), found.group()))
        self._tokens.append(("end", "the end"))
        self._at = 0

    def service(self) -> Match:
        for word in ("rules_version", "="):
            self._expect(word)
        if self._take()[1] not in ("'2'", '"2"'):
            raise RulesNotUnderstood("only version 2 of the rules is known")
        for word in (";", "service", "cloud", ".", "firestore"):
            self._expect(word)
        whole = self._block(Match(()))
        self._expect("the end")
        return whole

    # Statements:

    def _block(self, match: Match) -> Match:
        self._expect("{")
        while not self._skip("}"):
            word = self._take()[1]
            if word == "match":
                match.matches.append(self._block(Match(self._pattern())))
            elif word == "function":
                function = self._function()
                match.functions[function.name] = function
            elif word == "allow":
                match.allows.append(self._allow())
            else:
                raise RulesNotUnderstood(f"{word!r} where a match, function or allow should be")
        return match

    def _pattern(self) -> tuple[str, ...]:
        segments = []
        while self._skip("/"):
            is_wildcard = self._skip("{")
            name = self._name()
            if is_wildcard:
                self._expect("}")
            segments.append(f"{{{name}}}" if is_wildcard else name)
        return tuple(segments)

    def _allow(self) -> Allow:
        methods = set[str]()
        while True:
            word = self._name()
            if word not in READS:
                raise RulesNotUnderstood(f"allow {word}: clients only read, rules for writing are not known")
            methods.update(READS[word])
            if not self._skip(","):
                break
        for word in (":", "if"):
            self._expect(word)
        condition = self._expression()
        self._expect(";")
        return Allow(frozenset(methods), condition)

    def _function(self) -> Function:
        name = self._name()
        self._expect("(")
        parameters = []
        while not self._skip(")"):
            parameters.append(self._name())
            if self._peek() != ")":
                self._expect(",")
        self._expect("{")
        lets = []
        while self._skip("let"):
            variable = self._name()
            self._expect("=")
            lets.append((variable, self._expression()))
            self._expect(";")
        self._expect("return")
        result = self._expression()
        for word in (";", "}"):
            self._expect(word)
        return Function(name, tuple(parameters), tuple(lets), result)

    # Expressions:

    def _expression(self) -> Expression:
        condition = self._binary(0)
        if not self._skip("?"):
            return condition
        then = self._expression()
        self._expect(":")
        return Either(condition, then, self._expression())

    def _binary(self, level: int) -> Expression:
        if level == len(LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._peek() in LEVELS[level]:
            sign = self._take()[1]
            left = IsA(left, self._type()) if sign == "is" else Binary(sign, left, self._binary(level + 1))
        return left

    def _type(self) -> str:
        name = self._name()
        if name not in TYPES:
            raise RulesNotUnderstood(f"the type {name} is not known")
        return name

    def _unary(self) -> Expression:
        if self._peek() in ("!", "-"):
            return Unary(self._take()[1], self._unary())
        found = self._primary()
        while self._peek() in (".", "["):
            if self._skip("["):
                found = Member(found, self._expression())
                self._expect("]")
                continue
            self._expect(".")
            name = self._name()
            found = self._method(found, name) if self._peek() == "(" else Member(found, Literal(name))
        return found

    def _method(self, of: Expression, name: str) -> Call:
        arguments = self._arguments()
        if isinstance(of, Name) and of.name in NAMESPACES:
            check_call(f"{of.name}.{name}", NAMESPACES[of.name].get(name), arguments)
            return Call(f"{of.name}.{name}", arguments)
        check_call(f".{name}", METHODS.get(name), arguments)
        return Call(f".{name}", arguments, of)

    def _primary(self) -> Expression:
        kind, text = self._take()
        match kind, text:
            case "number", _:
                found: Expression = Literal(float(text) if "." in text else int(text))
            case "text", _:
                found = Literal(re.sub(r"\\(.)", r"\1", text[1:-1]))
            case "name", "true" | "false" | "null":
                found = Literal({"true": True, "false": False, "null": None}[text])
            case "name", _:
                found = Call(text, self._arguments()) if self._peek() == "(" else Name(text)
            case _, "(":
                found = self._expression()
                self._expect(")")
            case _, "[":
                found = ListOf(self._until("]"))
            case _, "/":
                found = self._path()
            case _:
                raise RulesNotUnderstood(f"{text!r} where an expression should be")
        return found

    def _path(self) -> PathOf:
        segments = list[Expression]()
        while True:
            if self._skip("$("):
                segments.append(self._expression())
                self._expect(")")
            else:
                segments.append(Literal(self._name()))
            if not self._skip("/"):
                return PathOf(tuple(segments))

    def _arguments(self) -> tuple[Expression, ...]:
        self._expect("(")
        return self._until(")")

    def _until(self, end: str) -> tuple[Expression, ...]:
        found = list[Expression]()
        while not self._skip(end):
            found.append(self._expression())
            if self._peek() != end:
                self._expect(",")
        return tuple(found)

    # Tokens:

    def _peek(self) -> str:
        return self._tokens[self._at][1]

    def _take(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _skip(self, word: str) -> bool:
        if self._peek() != word:
            return False
        self._take()
        return True

    def _expect(self, word: str) -> None:
        found = self._take()[1]
        if found != word:
            raise RulesNotUnderstood(f"{found!r} where {word!r} should be")

    def _name(self) -> str:
        kind, text = self._take()
        if kind != "name":
            raise RulesNotUnderstood(f"{text!r} where a name should be")
        return text


def check_call(name: str, wanted: int | None, arguments: tuple[Expression, ...]) -> None:
    if wanted is None:
        raise RulesNotUnderstood(f"{name}() is not known")
    if len(arguments) != wanted:
        raise RulesNotUnderstood(f"{name}() takes {wanted} arguments")
