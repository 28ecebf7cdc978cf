"""The filter language of Pub/Sub subscriptions: https://cloud.google.com/pubsub/docs/subscription-message-filter."""

import re
from collections.abc import Callable, Mapping

Matches = Callable[[Mapping[str, str]], bool]

BYTES_MAX = 256
TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z0-9_][A-Za-z0-9_-]*)|(?P<sign>!=|[().,:=-]))"""
)
ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-7]{3})|(.))", re.DOTALL)
OPERATORS = ("AND", "OR")


class FilterInvalid(ValueError):
    """Raised when an expression is not of the filter language; the message says where."""


def parse(expression: str) -> Matches:
    """A test of a message's attributes; the empty expression lets every message pass."""
    if len(expression.encode()) > BYTES_MAX:
        raise FilterInvalid(f"the filter is longer than {BYTES_MAX} bytes")
    if not expression.strip():
        return lambda attributes: True  # noqa: ARG005 - nothing is asked of them
    parser = _Parser(expression)
    matches = parser.expression()
    if parser.ahead:
        raise parser.error("the end")
    return matches


class _Parser:
    """Recursive descent with one token ahead; each method consumes what it names."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self.ahead = ""
        self._advance()

    def error(self, expected: str) -> FilterInvalid:
        return FilterInvalid(f"expected {expected} at {self.ahead or 'the end'!r} in {self._text!r}")

    def expression(self) -> Matches:
        """Terms joined by AND or by OR; mixing the two needs parentheses."""
        terms = [self._term()]
        operator = self.ahead
        while self.ahead in OPERATORS:
            if self.ahead != operator:
                raise self.error("parentheses between AND and OR")
            self._advance()
            terms.append(self._term())
        if operator == "OR":
            return lambda attributes: any(term(attributes) for term in terms)
        return lambda attributes: all(term(attributes) for term in terms)

    def _term(self) -> Matches:
        if self.ahead in ("NOT", "-"):
            self._advance()
            denied = self._term()
            return lambda attributes: not denied(attributes)
        if self.ahead == "(":
            self._advance()
            inner = self.expression()
            self._expect(")")
            return inner
        if self.ahead == "hasPrefix":
            return self._has_prefix()
        return self._comparison()

    def _has_prefix(self) -> Matches:
        for sign in ("hasPrefix", "(", "attributes", "."):
            self._expect(sign)
        key = self._key()
        self._expect(",")
        prefix = self._string()
        self._expect(")")
        return lambda attributes: key in attributes and attributes[key].startswith(prefix)

    def _comparison(self) -> Matches:
        self._expect("attributes")
        if self.ahead == ":":
            self._advance()
            present = self._key()
            return lambda attributes: present in attributes
        self._expect(".")
        key = self._key()
        operator = self.ahead
        if operator not in ("=", "!="):
            raise self.error("= or !=")
        self._advance()
        value = self._string()
        if operator == "=":
            return lambda attributes: attributes.get(key) == value
        return lambda attributes: attributes.get(key) != value

    def _key(self) -> str:
        if not self.ahead.startswith('"') and not re.match(r"\w", self.ahead):
            raise self.error("an attribute's key")
        return self._take()

    def _string(self) -> str:
        if not self.ahead.startswith('"'):
            raise self.error("a value in double quotes")
        return self._take()

    def _expect(self, token: str) -> None:
        if self.ahead != token:
            raise self.error(repr(token))
        self._advance()

    def _take(self) -> str:
        value = ESCAPE.sub(_unescaped, self.ahead[1:-1]) if self.ahead.startswith('"') else self.ahead
        self._advance()
        return value

    def _advance(self) -> None:
        found = TOKEN.match(self._text, self._position)
        rest = self._text[self._position :].strip()
        if found is None and rest:
            raise FilterInvalid(f"{rest!r} is not understood in {self._text!r}")
        self._position = found.end() if found else len(self._text)
        self.ahead = found[0].strip() if found else ""


def _unescaped(escape: re.Match[str]) -> str:
    unicode, hexadecimal, octal, character = escape.groups()
    if character is not None:
        return {"n": "\n", "t": "\t", "r": "\r"}.get(character, character)
    return chr(int(octal, 8) if octal else int(unicode or hexadecimal, 16))
