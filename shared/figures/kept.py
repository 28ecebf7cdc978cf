"""Figures as they are kept: a value or the reason why there is none, and the moment of which it is true."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import simplejson

from shared.db import Tx
from shared.figures.names import Name


@dataclass(frozen=True)
class Kept:
    """A figure. Numbers of `value` are exact: int or Decimal."""

    value: object | None
    reason: str | None
    as_of: datetime
    fresh_seconds: int

    def is_stale(self, now: datetime) -> bool:
        """True if the figure is older than it may be."""
        return now - self.as_of > timedelta(seconds=self.fresh_seconds)


@dataclass(frozen=True)
class _KeptRow:
    name: str
    value: str | None
    reason: str | None
    as_of: datetime
    fresh_seconds: int


def find(tx: Tx, names: Iterable[Name]) -> Mapping[str, Kept]:
    """The figures of these names that were counted at least once."""
    rows = tx.all(
        _KeptRow,
        """
        SELECT name, CAST(value AS text) AS value, reason, as_of, fresh_seconds FROM figures
        WHERE name = ANY(CAST(:names AS text[]))
        """,
        names=[name.value for name in names],
    )
    return {row.name: Kept(_parsed(row.value), row.reason, row.as_of, row.fresh_seconds) for row in rows}


def _parsed(text: str | None) -> object | None:
    value: object = None if text is None else simplejson.loads(text, use_decimal=True)
    return value
