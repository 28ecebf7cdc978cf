"""Figures that were worked out, and how they are kept: an older one never replaces a newer one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx
from shared.figures.names import FRESH_SECONDS, Name
from shared.values import encoding
from shared.values.fields import Reply

YEARS_KEPT = 2
HOUR_METRICS = (Name.ACTIVE_MEMBERS, Name.MEMBERS, Name.SCANS_TODAY, Name.TINS_PER_MONTH, Name.AFFILIATES_ACTIVE)


@dataclass(frozen=True)
class Figure:
    """A figure as of a moment: its value (a model, a list of them, or a number), or the reason why there is none."""

    name: Name
    value: object | None
    as_of: datetime
    reason: str | None = None

    @property
    def text(self) -> str | None:
        """The value as JSON with exact numbers."""
        return None if self.value is None else encoding.dump(_plain(self.value)).decode()


def keep(tx: Tx, figures: Sequence[Figure]) -> None:
    """Keep the figures, in the order of their names: two runs never wait for each other in turn."""
    ordered = sorted(figures, key=lambda figure: figure.name)
    tx.run(
        """
        INSERT INTO figures AS kept (name, value, reason, as_of, fresh_seconds)
        SELECT row.name, CAST(row.value AS jsonb), row.reason, row.as_of, row.fresh_seconds
        FROM unnest(CAST(:names AS text[]), CAST(:texts AS text[]), CAST(:reasons AS text[]),
                    CAST(:moments AS timestamptz[]), CAST(:fresh AS integer[]))
             AS row (name, value, reason, as_of, fresh_seconds)
        ORDER BY row.name
        ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, reason = EXCLUDED.reason, as_of = EXCLUDED.as_of,
                                         fresh_seconds = EXCLUDED.fresh_seconds
        WHERE kept.as_of <= EXCLUDED.as_of
        """,
        names=[figure.name.value for figure in ordered],
        texts=[figure.text for figure in ordered],
        reasons=[figure.reason for figure in ordered],
        moments=[figure.as_of for figure in ordered],
        fresh=[FRESH_SECONDS[figure.name] for figure in ordered],
    )


def keep_for_years(tx: Tx, now: datetime) -> None:
    """Keep the numbers among the figures once an hour, as they were at its beginning or at the first run in it."""
    tx.run(
        """
        INSERT INTO transparency_metrics (at, metric, value)
        SELECT date_trunc('hour', CAST(:now AS timestamptz)), name, CAST(value AS numeric) FROM figures
        WHERE name = ANY(CAST(:names AS text[])) AND value IS NOT NULL
        ON CONFLICT DO NOTHING
        """,
        now=now,
        names=[name.value for name in HOUR_METRICS],
    )


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.model_dump() if isinstance(value, Reply) else value
