"""Compiles a query's filters: which documents pass, and which combinations Firestore refuses.

Rules: https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1#fieldfilter
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emulators.firestore.messages import CompositeOperator, FieldOperator, Message, UnaryOperator, invalid
from emulators.firestore.names import NAME_FIELD, field_path
from emulators.firestore.tree import Record
from emulators.firestore.values import NAN_KEY, NULL_KEY, Key, Rank, field_at, order_key

IN_VALUES_MAX = 30
NOT_IN_VALUES_MAX = 10
DISJUNCTIONS_MAX = 30
NAME_PATH = (NAME_FIELD,)

Path = tuple[str, ...]
Test = Callable[[Key], bool]

INEQUALITIES = {
    FieldOperator.LESS_THAN,
    FieldOperator.LESS_THAN_OR_EQUAL,
    FieldOperator.GREATER_THAN,
    FieldOperator.GREATER_THAN_OR_EQUAL,
    FieldOperator.NOT_EQUAL,
    FieldOperator.NOT_IN,
}
NEGATIONS = {FieldOperator.NOT_EQUAL, FieldOperator.NOT_IN}
UNARY_NEGATIONS = {UnaryOperator.IS_NOT_NAN, UnaryOperator.IS_NOT_NULL}
CONTAINMENTS = {FieldOperator.ARRAY_CONTAINS, FieldOperator.ARRAY_CONTAINS_ANY}
VALUES_MAX = {
    FieldOperator.IN: IN_VALUES_MAX,
    FieldOperator.ARRAY_CONTAINS_ANY: IN_VALUES_MAX,
    FieldOperator.NOT_IN: NOT_IN_VALUES_MAX,
}


@dataclass(frozen=True)
class Condition:
    """A compiled filter, and the properties by which it may be combined with others."""

    passes: Callable[[Record], bool]
    fields: frozenset[Path] = frozenset()
    inequalities: frozenset[Path] = frozenset()  # the query is ordered by these fields even if it does not ask for that
    disjunctions: int = 1  # after normalization to an OR of ANDs
    containments: int = 0  # the most array-contains filters in one of those ANDs
    negations: int = 0
    has_not_in: bool = False
    has_or: bool = False  # IN and ARRAY_CONTAINS_ANY count as well


ALWAYS = Condition(lambda _record: True)


def condition(query_filter: Message) -> Condition:
    """Compile a query's whole filter; refuses what Firestore refuses."""
    compiled = _compile(query_filter)
    if compiled.disjunctions > DISJUNCTIONS_MAX:
        raise invalid(
            f"Too many disjunctions after normalization. Result had {compiled.disjunctions} disjunctions "
            f"which is more than the maximum of {DISJUNCTIONS_MAX}"
        )
    if compiled.containments > 1:
        raise invalid("A maximum of 1 'ARRAY_CONTAINS' filter is allowed per disjunction.")
    if compiled.has_not_in and compiled.has_or:
        raise invalid("'NOT_IN' cannot be used in the same query with 'IN', 'ARRAY_CONTAINS_ANY' or 'OR'.")
    if compiled.negations > 1:
        raise invalid("Only a single 'NOT_EQUAL', 'NOT_IN', 'IS_NOT_NAN', or 'IS_NOT_NULL' filter allowed per query.")
    return compiled


def key_at(path: Path) -> Callable[[Record], Key | None]:
    """A function that reads a field's order key from a record; it returns None when the document lacks the field."""
    if path == NAME_PATH:
        return lambda record: (Rank.REFERENCE, record.path)

    def read(record: Record) -> Key | None:
        value = field_at(record.document.fields, path)
        return None if value is None else order_key(value)

    return read


def _compile(query_filter: Message) -> Condition:
    match query_filter.WhichOneof("filter_type"):
        case "composite_filter":
            return _composite(query_filter.composite_filter)
        case "field_filter":
            return _field(query_filter.field_filter)
        case "unary_filter":
            return _unary(query_filter.unary_filter)
        case _:
            return ALWAYS


def _composite(composite: Message) -> Condition:
    parts = [_compile(part) for part in composite.filters]
    if composite.op == CompositeOperator.AND:
        return _all_of(parts)
    if composite.op == CompositeOperator.OR:
        return _any_of(parts)
    raise invalid("Unsupported CompositeFilter operator.")


def _all_of(parts: Sequence[Condition]) -> Condition:
    return _joined(
        parts,
        lambda record: all(part.passes(record) for part in parts),
        disjunctions=math.prod(part.disjunctions for part in parts),
        containments=sum(part.containments for part in parts),
    )


def _any_of(parts: Sequence[Condition]) -> Condition:
    return _joined(
        parts,
        lambda record: any(part.passes(record) for part in parts),
        disjunctions=sum(part.disjunctions for part in parts),
        containments=max((part.containments for part in parts), default=0),
        has_or=True,
    )


def _joined(
    parts: Sequence[Condition],
    passes: Callable[[Record], bool],
    disjunctions: int,
    containments: int,
    *,
    has_or: bool = False,
) -> Condition:
    return Condition(
        passes=passes,
        fields=frozenset[Path]().union(*(part.fields for part in parts)),
        inequalities=frozenset[Path]().union(*(part.inequalities for part in parts)),
        disjunctions=disjunctions,
        containments=containments,
        negations=sum(part.negations for part in parts),
        has_not_in=any(part.has_not_in for part in parts),
        has_or=has_or or any(part.has_or for part in parts),
    )


def _field(field_filter: Message) -> Condition:
    path = field_path(field_filter.field.field_path)
    operator = field_filter.op
    if operator not in _TESTS:
        raise invalid("Unknown FieldFilter operator.")
    operand = order_key(field_filter.value)
    choices = _choices(operator, operand)
    if path == NAME_PATH:
        _check_names(operator, choices)
    return Condition(
        passes=_on(path, _TESTS[operator](operand)),
        fields=frozenset({path}),
        inequalities=frozenset({path} if operator in INEQUALITIES else ()),
        disjunctions=len(choices) if operator in {FieldOperator.IN, FieldOperator.ARRAY_CONTAINS_ANY} else 1,
        containments=int(operator in CONTAINMENTS),
        negations=int(operator in NEGATIONS),
        has_not_in=operator == FieldOperator.NOT_IN,
        has_or=operator in {FieldOperator.IN, FieldOperator.ARRAY_CONTAINS_ANY},
    )


def _choices(operator: int, operand: Key) -> Sequence[Key]:
    """The values that the field is compared with: the operand, or the elements of the array that it must be."""
    if operator not in VALUES_MAX:
        return [operand]
    label = FieldOperator(operator).name
    if operand[0] != Rank.ARRAY:
        raise invalid(f"'{label}' requires an ArrayValue.")
    elements = _elements(operand)
    if not elements:
        raise invalid(f"'{label}' requires an non-empty ArrayValue.")
    if len(elements) > VALUES_MAX[operator]:
        raise invalid(f"'{label}' supports up to {VALUES_MAX[operator]} comparison values.")
    return elements


def _elements(array: Key) -> tuple[Key, ...]:
    elements = array[1]
    assert isinstance(elements, tuple)
    return elements


def _check_names(operator: int, choices: Sequence[Key]) -> None:
    if operator in CONTAINMENTS:
        raise invalid("the name __key__ is reserved")
    if any(choice[0] != Rank.REFERENCE for choice in choices):
        raise invalid("__key__ filter value must be a Key")


def _on(path: Path, test: Test) -> Callable[[Record], bool]:
    read = key_at(path)

    def passes(record: Record) -> bool:
        key = read(record)
        return key is not None and test(key)

    return passes


def _is_comparable(key: Key) -> bool:
    """False for null and NaN, which only unary filters find: as operands they match nothing."""
    return key not in {NULL_KEY, NAN_KEY}


def _never(_key: Key) -> bool:
    return False


def _equal(operand: Key) -> Test:
    return (lambda key: key == operand) if _is_comparable(operand) else _never


def _not_equal(operand: Key) -> Test:
    return (lambda key: key not in (operand, NULL_KEY)) if _is_comparable(operand) else _never


def _compared(compare: Callable[[Key, Key], bool]) -> Callable[[Key], Test]:
    """A comparison that holds between values of one rank only, and never for NaN."""

    def made(operand: Key) -> Test:
        if not _is_comparable(operand):
            return _never
        return lambda key: key[0] == operand[0] and key != NAN_KEY and compare(key, operand)

    return made


def _in(operand: Key) -> Test:
    choices = {choice for choice in _elements(operand) if _is_comparable(choice)}
    return lambda key: key in choices


def _not_in(operand: Key) -> Test:
    if NULL_KEY in _elements(operand):
        return _never
    excluded = {NULL_KEY, *(choice for choice in _elements(operand) if _is_comparable(choice))}
    return lambda key: key not in excluded


def _array_contains(operand: Key) -> Test:
    return _array_contains_any((Rank.ARRAY, (operand,)))


def _array_contains_any(operand: Key) -> Test:
    choices = {choice for choice in _elements(operand) if _is_comparable(choice)}
    return lambda key: key[0] == Rank.ARRAY and not choices.isdisjoint(_elements(key))


_TESTS: dict[int, Callable[[Key], Test]] = {
    FieldOperator.LESS_THAN: _compared(lambda key, operand: key < operand),
    FieldOperator.LESS_THAN_OR_EQUAL: _compared(lambda key, operand: key <= operand),
    FieldOperator.GREATER_THAN: _compared(lambda key, operand: key > operand),
    FieldOperator.GREATER_THAN_OR_EQUAL: _compared(lambda key, operand: key >= operand),
    FieldOperator.EQUAL: _equal,
    FieldOperator.NOT_EQUAL: _not_equal,
    FieldOperator.ARRAY_CONTAINS: _array_contains,
    FieldOperator.IN: _in,
    FieldOperator.ARRAY_CONTAINS_ANY: _array_contains_any,
    FieldOperator.NOT_IN: _not_in,
}

_UNARY_TESTS: dict[int, Test] = {
    UnaryOperator.IS_NAN: lambda key: key == NAN_KEY,
    UnaryOperator.IS_NULL: lambda key: key == NULL_KEY,
    UnaryOperator.IS_NOT_NAN: lambda key: key not in (NAN_KEY, NULL_KEY),
    UnaryOperator.IS_NOT_NULL: lambda key: key != NULL_KEY,
}


def _unary(unary_filter: Message) -> Condition:
    if not unary_filter.HasField("field"):
        raise invalid("Unsupported UnaryFilter operand type (non-FIELD).")
    if unary_filter.op not in _UNARY_TESTS:
        raise invalid("Unknown UnaryFilter operator.")
    path = field_path(unary_filter.field.field_path)
    negates = unary_filter.op in UNARY_NEGATIONS
    return Condition(
        passes=_on(path, _UNARY_TESTS[unary_filter.op]),
        fields=frozenset({path}),
        inequalities=frozenset({path} if negates else ()),
        negations=int(negates),
    )
