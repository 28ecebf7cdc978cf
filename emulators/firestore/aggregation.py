"""Counts, sums and averages over a query's results.

Rules: https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1#aggregation
"""

import math
from collections.abc import Sequence

from emulators.firestore.filters import Path, key_at
from emulators.firestore.messages import AggregationResult, Message, Value, invalid
from emulators.firestore.names import field_path
from emulators.firestore.query import compiled
from emulators.firestore.store import View
from emulators.firestore.transforms import INTEGER_MAX, INTEGER_MIN
from emulators.firestore.tree import Record
from emulators.firestore.values import NAN_KEY, Rank

AGGREGATIONS_MAX = 5


def aggregated(parent: str, wanted: Message, view: View) -> Message:
    """The AggregationResult of a StructuredAggregationQuery.

    The query is also ordered by the summed or averaged fields, so that documents without them are not even counted.
    """
    aggregations = wanted.aggregations
    if not aggregations:
        raise invalid("Aggregations can not be empty.")
    if len(aggregations) > AGGREGATIONS_MAX:
        raise invalid(f"A maximum of {AGGREGATIONS_MAX} aggregations is allowed per query.")
    paths = [path for aggregation in aggregations if (path := _path(aggregation)) is not None]
    records = view.run(compiled(parent, wanted.structured_query, paths))
    result = AggregationResult()
    for alias, aggregation in zip(_aliases(aggregations), aggregations, strict=True):
        if alias in result.aggregate_fields:
            raise invalid(f"Aggregation aliases contain duplicate alias: {alias}.")
        result.aggregate_fields[alias].CopyFrom(_value(aggregation, records))
    return result


def _aliases(aggregations: Sequence[Message]) -> list[str]:
    unnamed = 0
    aliases = []
    for aggregation in aggregations:
        unnamed += not aggregation.alias
        aliases.append(aggregation.alias or f"field_{unnamed}")
    return aliases


def _path(aggregation: Message) -> Path | None:
    match aggregation.WhichOneof("operator"):
        case "sum":
            return field_path(aggregation.sum.field.field_path)
        case "avg":
            return field_path(aggregation.avg.field.field_path)
        case "count":
            return None
        case _:
            raise invalid("Operator field in Aggregation is not set.")


def _value(aggregation: Message, records: Sequence[Record]) -> Message:
    path = _path(aggregation)
    if path is None:
        count = aggregation.count
        return Value(integer_value=min(len(records), count.up_to.value) if count.HasField("up_to") else len(records))
    numbers = _numbers(path, records)
    if aggregation.WhichOneof("operator") == "sum":
        return _sum(numbers)
    return Value(double_value=float(_total(numbers)) / len(numbers)) if numbers else Value(null_value=0)


def _numbers(path: Path, records: Sequence[Record]) -> list[int | float]:
    keys = [key for record in records if (key := key_at(path)(record)) is not None and key[0] == Rank.NUMBER]
    numbers = [math.nan if key == NAN_KEY else key[2] for key in keys]
    return [number for number in numbers if isinstance(number, int | float)]


def _total(numbers: Sequence[int | float]) -> int | float:
    """The sum: exact for integers alone, whatever their size; otherwise as doubles add up."""
    if all(isinstance(number, int) for number in numbers):
        return sum(numbers)
    return sum(map(float, numbers))


def _sum(numbers: Sequence[int | float]) -> Message:
    total = _total(numbers)
    if isinstance(total, int) and INTEGER_MIN <= total <= INTEGER_MAX:
        return Value(integer_value=total)
    return Value(double_value=float(total))
