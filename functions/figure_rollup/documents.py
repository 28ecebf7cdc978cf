"""The Firestore documents of figures that listeners see change. `firestore.rules` lets members read them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from shared.figures.kept import Kept
from shared.figures.names import Name
from shared.ports.firestore import Document

POOLS_PATH, FIGURES_PATH, BANK_PATH = "counters/pools", "counters/figures", "counters/bank"
IN_BANK = (Name.BANK_BALANCES,)
IN_POOLS = (Name.POOLS, Name.PAYOUT_PIPELINE)
IN_FIGURES = (
    *(Name.SCANS_TODAY, Name.SCANS_THIS_MONTH, Name.TINS_THIS_MONTH, Name.TINS_PER_MONTH, Name.ACTIVE_MEMBERS),
    *(Name.MEMBERS, Name.GROWTH_PERCENT, Name.PAYOUTS_LAST_24H, Name.COMP_BUDGET_HEALTH, Name.PAYOUT_SUCCESS),
    *(Name.RECONCILIATION_STATUS, Name.TIER_DISTRIBUTION, Name.VAULT, Name.ON_CHAIN_BALANCES),
)


def document(path: str, figures: Mapping[str, Kept], now: datetime) -> Document:
    """The figures by name, numbers with decimals as text; beside them the moments of which they are true, and why one
    has no value. Of two versions the later one counts.
    """
    return Document(
        path=path,
        sequence=int(now.timestamp() * 1_000_000),
        fields={
            **{name: _stored(kept.value) for name, kept in figures.items()},
            "as_of": {name: kept.as_of for name, kept in figures.items()},
            "reasons": {name: kept.reason for name, kept in figures.items() if kept.reason},
        },
    )


def values(figures: Mapping[str, Kept]) -> dict[str, object]:
    """The values without their moments: a document is written again when one of them has changed."""
    return {name: (kept.value, kept.reason) for name, kept in figures.items()}


def _stored(value: object) -> object:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list):
        return [_stored(item) for item in value]
    if isinstance(value, dict):
        return {name: _stored(item) for name, item in value.items()}
    return value
