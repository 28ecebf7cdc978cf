"""The Firestore document that the public pages are made of (docs/pages.md). Nobody listens to it: functions/pages
reads it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from functions.figure_rollup.public_store import FeedLine, Shown
from shared.figures.kept import Kept
from shared.figures.milestones import MilestoneProgress
from shared.figures.names import Name
from shared.figures.values import CompCount, OnChainBalance, ReconciliationStatus
from shared.ports.firestore import Document
from shared.values.money import ZERO
from shared.values.prizes import Rule

PATH = "pages/live"

Value = TypeVar("Value")


def document(fields: Mapping[str, object], now: datetime) -> Document:
    """A version of the document; of two versions the later one counts."""
    return Document(path=PATH, sequence=int(now.timestamp() * 1_000_000), fields={**fields, "made_at": now})


def fields(shown: Shown) -> dict[str, object]:
    """The fields without the moment at which they were read. Amounts are USDT as text with exact decimals; a figure
    that is not known is None. `moments` has, by field, when it was true (`as_of`) and from when on it is old
    (`old_from`).
    """
    comps = _value(shown.figures, Name.COMPS, list[CompCount])
    balances = _value(shown.figures, Name.ON_CHAIN_BALANCES, list[OnChainBalance])
    status = _value(shown.figures, Name.RECONCILIATION_STATUS, ReconciliationStatus)
    return {
        "tins_this_month": _value(shown.figures, Name.TINS_THIS_MONTH, int),
        "tins_per_month": _value(shown.figures, Name.TINS_PER_MONTH, int),
        "comps_paid": None if comps is None else _paid(comps),
        "treasuries": None if balances is None else [_treasury(each) for each in balances],
        "reconciliation": None if status is None else _status(status),
        "milestones": [_milestone(rule, progress) for rule, progress in shown.milestones],
        "feed": [_line(line) for line in shown.feed],
        "moments": _moments(shown.figures),
    }


def _paid(comps: list[CompCount]) -> dict[str, object]:
    return {"count": sum(each.paid for each in comps), "amount": str(sum((each.paid_amount for each in comps), ZERO))}


def _treasury(found: OnChainBalance) -> dict[str, object]:
    return {
        "treasury": found.treasury,
        "address": found.address,
        "explorer_url": found.explorer_url,
        "balance": str(found.balance),
        "block_number": found.block_number,
    }


def _status(found: ReconciliationStatus) -> dict[str, object]:
    return {
        "badge": found.badge,
        "last_run_at": found.last_run_at,
        "difference": None if found.difference is None else str(found.difference),
        "tolerance": str(found.tolerance),
    }


def _milestone(rule: Rule, progress: MilestoneProgress) -> dict[str, object]:
    return {
        "prize": rule.type.value,
        "amount": str(rule.amount),
        "tier": rule.tier.value,
        "interval": rule.interval,
        "next_number": progress.next_number,
        "unlocked": progress.unlocked,
        "tins_per_month": progress.unlock.tins_per_month,
        "needed": progress.unlock.needed,
    }


def _line(line: FeedLine) -> dict[str, object]:
    return {
        "id": str(line.id),
        "kind": line.kind,
        "text": line.text,
        "code": line.code,
        "params": dict(line.params),
        "amount": None if line.amount is None else str(line.amount),
        "happened_at": line.happened_at,
    }


def _moments(figures: Mapping[str, Kept]) -> dict[str, object]:
    shown_as = {
        Name.COMPS: "comps_paid",
        Name.ON_CHAIN_BALANCES: "treasuries",
        Name.RECONCILIATION_STATUS: "reconciliation",
    }
    return {
        shown_as.get(Name(name), name): {
            "as_of": found.as_of,
            "old_from": found.as_of + timedelta(seconds=found.fresh_seconds),
        }
        for name, found in figures.items()
    }


def _value(figures: Mapping[str, Kept], name: Name, kind: type[Value]) -> Value | None:
    """The figure's value; None without one, or if a release before has kept it in another form."""
    found = figures.get(name)
    if found is None or found.value is None:
        return None
    try:
        value: Value = TypeAdapter(kind).validate_python(found.value)
    except ValidationError:
        return None
    return value
