"""Finds what can be broken in a statement: conditions, locks, orders, limits, conflicts, and what is computed.

A statement is read as tokens with the clause that each stands in, at its own depth of parentheses.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TOKEN = re.compile(
    r"(?P<comment>--[^\n]*)|(?P<text>'(?:[^']|'')*')|(?P<name>:\w+|\w[\w.]*)"
    r"|(?P<sign><>|<=|>=|!=|::|\|\||->>|->|@>|[-+*/%<>=(),;])|(?P<blank>\s+)|(?P<other>.)"
)
STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM)\b")
COMPARED = {"=": "<>", "<>": "=", "!=": "=", "<": "<=", "<=": "<", ">": ">=", ">=": ">"}
OPPOSITE = {"min": "max", "max": "min", "greatest": "least", "least": "greatest", "true": "false", "false": "true"}
CLAUSES = frozenset({
    "SELECT", "FROM", "WHERE", "ON", "HAVING", "SET", "VALUES", "GROUP", "ORDER", "LIMIT", "OFFSET", "RETURNING",
    "UNION", "WHEN", "THEN", "ELSE", "END", "FOR", "LEFT", "JOIN", "CROSS", "USING", "INTO", "WINDOW",
})  # fmt: skip
CONDITIONAL = frozenset({"WHERE", "ON", "HAVING", "WHEN"})


@dataclass(frozen=True)
class Token:
    """A word or sign, within `depth` parentheses; `clause` is the one that began last at that depth."""

    text: str
    start: int
    end: int
    depth: int
    clause: str

    @property
    def word(self) -> str:
        return self.text.upper()


@dataclass(frozen=True)
class Break:
    """A replacement in the statement's text."""

    kind: str
    start: int
    end: int
    new: str


def is_statement(text: str) -> bool:
    return bool(STATEMENT.search(text))


def tokens(text: str) -> list[Token]:
    """The statement's tokens, without blanks and comments."""
    found: list[Token] = []
    clauses = [""]
    for match in TOKEN.finditer(text):
        if match.lastgroup in ("comment", "blank"):
            continue
        word = match.group().upper()
        if word == ")" and len(clauses) > 1:
            clauses.pop()
        if word in CLAUSES and match.lastgroup == "name" and not (found and found[-1].word == "DISTINCT"):
            clauses[-1] = word  # IS DISTINCT FROM begins no clause
        found.append(Token(match.group(), match.start(), match.end(), len(clauses) - 1, clauses[-1]))
        if word == "(":
            clauses.append("(" if clauses[-1] not in CONDITIONAL else clauses[-1])
    return found


def breaks(text: str) -> Iterator[Break]:
    """Every single break of the statement."""
    read = tokens(text)
    for place, token in enumerate(read):
        yield from _signs(read, place, token)
        yield from _words(read, place, token)
        if token.word in ("AND", "OR") and token.clause in CONDITIONAL and not _of_between(read, place):
            yield from _conjunct(read, place)
        if token.word == "WHERE":
            yield from _where(read, place)
        if token.word == "FOR" and token.clause == "FOR":
            yield from _lock(read, place)
        if token.word == "ORDER" and _next(read, place, 1) == "BY":
            yield from _order(read, place)
        if token.word in ("LIMIT", "OFFSET"):
            end = _clause_end(read, place)
            yield Break("limit dropped", token.start, read[end - 1].end, "")
        if token.word == "ON" and _next(read, place, 1) == "CONFLICT":
            yield from _conflict(read, place)


def _next(read: Sequence[Token], place: int, ahead: int) -> str:
    return read[place + ahead].word if place + ahead < len(read) else ""


def _signs(read: Sequence[Token], place: int, token: Token) -> Iterator[Break]:
    if token.text in COMPARED and token.clause not in ("SET", "VALUES", "LIMIT", "(", "") and place:
        yield Break("comparison", token.start, token.end, COMPARED[token.text])
    removes_key = _next(read, place, 1).startswith("'")  # a minus that removes a key of JSON
    if token.text in "+-" and place and not removes_key and re.search(r"[\w)]$", read[place - 1].text):
        yield Break("sum", token.start, token.end, "-" if token.text == "+" else "+")


def _words(read: Sequence[Token], place: int, token: Token) -> Iterator[Break]:
    if token.text in OPPOSITE and (token.text in ("true", "false") or _next(read, place, 1) == "("):
        yield Break("value", token.start, token.end, OPPOSITE[token.text])
    if token.word == "IS" and _next(read, place, 1) == "NULL":
        yield Break("null", token.start, token.end, "IS NOT")
    if token.word == "IS" and _next(read, place, 1) == "NOT" and _next(read, place, 2) == "NULL":
        yield Break("null", token.start, read[place + 1].end, "IS")
    if token.word == "NOT" and _next(read, place, 1) in ("EXISTS", "IN"):
        yield Break("negation", token.start, read[place + 1].start, "")
    if token.word == "DISTINCT" and read[place - 1].word in ("SELECT", "("):
        yield Break("distinct dropped", token.start, token.end, "")


def _of_between(read: Sequence[Token], place: int) -> bool:
    """True if this AND belongs to a BETWEEN."""
    for token in reversed(read[:place]):
        if token.depth == read[place].depth and token.word in ("AND", "OR", "BETWEEN", *CLAUSES):
            return token.word == "BETWEEN"
    return False


def _condition_end(read: Sequence[Token], place: int) -> int:
    """The position after the condition that begins at `place`."""
    depth = read[place].depth if place < len(read) else 0
    for position in range(place, len(read)):
        token = read[position]
        if token.depth < depth or (
            token.text == ")" and token.depth == depth and _opened_before(read, place, position)
        ):
            return position
        if token.depth == depth and (
            (token.word in ("AND", "OR") and not _of_between(read, position))
            or (token.word in CLAUSES and token.word != "FROM" and position > place)
            or token.text == ";"
        ):
            return position
    return len(read)


def _opened_before(read: Sequence[Token], place: int, position: int) -> bool:
    """True if the parenthesis that closes at `position` was opened before `place`."""
    open_ = 0
    for token in read[place:position]:
        open_ += (token.text == "(") - (token.text == ")")
    return open_ == 0


def _conjunct(read: Sequence[Token], place: int) -> Iterator[Break]:
    """Drop the condition after an AND or OR; an OR also becomes an AND."""
    token = read[place]
    end = _condition_end(read, place + 1)
    if end > place + 1:
        yield Break("condition dropped", token.start, read[end - 1].end, "")
    if token.word == "OR":
        yield Break("or", token.start, token.end, "AND")


def _where(read: Sequence[Token], place: int) -> Iterator[Break]:
    end = _condition_end(read, place + 1)
    if end <= place + 1:
        return
    if end < len(read) and read[end].word == "AND" and read[end].depth == read[place].depth:
        yield Break("condition dropped", read[place + 1].start, read[end].end, "")
    elif end == len(read) or read[end].word != "OR":
        yield Break("condition dropped", read[place + 1].start, read[end - 1].end, "true")


def _lock(read: Sequence[Token], place: int) -> Iterator[Break]:
    words = ("FOR", "NO", "KEY", "UPDATE", "SHARE", "OF", "SKIP", "LOCKED", "NOWAIT")
    end = place
    while end < len(read) and (read[end].word in words or read[end - 1].word == "OF"):
        end += 1
    if end == place + 1:
        return  # substring(x FOR 3)
    yield Break("lock dropped", read[place].start, read[end - 1].end, "")
    if read[end - 1].word == "LOCKED":
        yield Break("lock waits", read[end - 2].start, read[end - 1].end, "")


def _clause_end(read: Sequence[Token], place: int) -> int:
    depth = read[place].depth
    for position in range(place + 1, len(read)):
        token = read[position]
        if token.depth < depth or (token.depth == depth and (token.word in CLAUSES or token.text == ";")):
            return position
        if token.text == ")" and token.depth == depth and _opened_before(read, place + 1, position):
            return position
    return len(read)


def _order(read: Sequence[Token], place: int) -> Iterator[Break]:
    end = _clause_end(read, place)
    yield Break("order dropped", read[place].start, read[end - 1].end, "")
    first, depth = read[place + 2], read[place].depth
    commas = [
        position for position in range(place + 2, end) if read[position].text == "," and read[position].depth == depth
    ]
    if commas:
        yield Break("order shortened", read[commas[-1]].start, read[end - 1].end, "")
    stop = commas[0] if commas else end
    if read[stop - 1].word == "DESC":
        yield Break("order turned", read[stop - 1].start, read[stop - 1].end, "ASC")
    elif first.start < read[stop - 1].end:
        yield Break("order turned", read[stop - 1].end, read[stop - 1].end, " DESC")


def _conflict(read: Sequence[Token], place: int) -> Iterator[Break]:
    depth = read[place].depth
    do = next((p for p in range(place, len(read)) if read[p].word == "DO" and read[p].depth == depth), None)
    if do is None:
        return
    end = do + 2
    while end < len(read) and read[end].depth >= depth and read[end].word not in ("RETURNING", ";"):
        if read[end].text == ")" and read[end].depth == depth and _opened_before(read, do, end):
            break
        end += 1
    if _next(read, do, 1) == "UPDATE":
        yield Break("conflict ignored", read[do + 1].start, read[end - 1].end, "NOTHING")
    else:
        yield Break("conflict refused", read[place].start, read[end - 1].end, "")
