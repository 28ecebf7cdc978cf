"""The inputs of an award besides its number and its member: numbered revisions that are never changed.

Number n is ruled by the highest revision whose `from_number` is not above n. The schema (`keep_award_inputs`) writes a
revision whenever comp_rules, sales_volume or a setting among the inputs changes: it takes effect from the next number,
or `rules_notice` numbers later where terms get worse.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.db import Tx
from shared.scans.counter import Count
from shared.values.money import Usdt
from shared.values.prizes import CompType, Rule
from shared.values.tiers import Thresholds, Tier


@dataclass(frozen=True)
class Inputs:
    """A revision of the inputs. `prizes` are those that can be won."""

    revision: int
    from_number: int
    prizes: Sequence[Rule]
    tier_thresholds: Thresholds
    match_percent: int
    tins_per_month: int


@dataclass(frozen=True)
class _WrittenInputs:
    revision: int
    from_number: int
    body: Mapping[str, Any]


@dataclass(frozen=True)
class _Counted:
    value: int
    compared: bool
    revision: int
    from_number: int
    body: Mapping[str, Any]


def ruling(revisions: Sequence[Inputs], number: int) -> Inputs | None:
    """The revision that rules a number, from revisions in ascending order; None when all of them begin later."""
    return next((inputs for inputs in reversed(revisions) if inputs.from_number <= number), None)


def from_number(tx: Tx, number: int, revision: int, lineage: str) -> Sequence[Inputs]:
    """The revisions that rule a number and those after it.

    The caller holds the counter's lock and has read `revision` and `lineage` from its row. The table is read only when
    these are not those of the cache, or when no cached revision rules the number.
    """
    with _cache.lock:
        if _cache.key == (lineage, revision) and ruling(_cache.revisions, number):
            return _cache.revisions
    found = _read(tx, number)
    with _cache.lock:
        _cache.key, _cache.revisions = (lineage, revision), found
    return found


def in_force(tx: Tx) -> Inputs:
    """The revision that rules the next number as things stand. For display only: awarding needs the counter's lock."""
    return counted(tx)[1]


def counted(tx: Tx) -> tuple[Count, Inputs]:
    """The count as it stands, and the revision that rules the next number. For display only."""
    row = tx.one(
        _Counted,
        """
        SELECT c.value, c.lineage = database_lineage() AS compared, a.revision, a.from_number, a.body
        FROM scan_counter c, award_inputs a
        WHERE a.from_number <= c.value + 1 ORDER BY a.revision DESC LIMIT 1
        """,
    )
    return Count(row.value, row.compared), _made(_WrittenInputs(row.revision, row.from_number, row.body))


def forget() -> None:
    """Empty the cache, so that the next call reads the table."""
    with _cache.lock:
        _cache.key, _cache.revisions = None, ()


class _InputsCache:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.key: tuple[str, int] | None = None
        self.revisions: Sequence[Inputs] = ()


_cache = _InputsCache()


def _read(tx: Tx, number: int) -> Sequence[Inputs]:
    rows = tx.all(
        _WrittenInputs,
        """
        SELECT revision, from_number, body FROM award_inputs
        WHERE revision >= (SELECT revision FROM award_inputs WHERE from_number <= :number
                           ORDER BY revision DESC LIMIT 1)
        ORDER BY revision
        """,
        number=number,
    )
    return [_made(row) for row in rows]


def _made(row: _WrittenInputs) -> Inputs:
    return Inputs(
        revision=row.revision,
        from_number=row.from_number,
        prizes=tuple(_rule(name, terms) for name, terms in row.body["prizes"].items() if terms["enabled"]),
        tier_thresholds={Tier(tier): int(scans) for tier, scans in row.body["tier_thresholds"].items()},
        match_percent=int(row.body["match_percent"]),
        tins_per_month=int(row.body["tins_per_month"]),
    )


def _rule(name: str, terms: Mapping[str, Any]) -> Rule:
    return Rule(
        type=CompType(name),
        interval=int(terms["interval"]),
        tier=Tier(terms["tier"]),
        amount=Usdt(int(terms["amount"])),
        unlock_volume=int(terms["unlock_volume"]),
        unlocked_by_admin=bool(terms["unlocked_by_admin"]),
    )
