"""Decides what the scores of a text lead to. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

CAUGHT_UP = timedelta(hours=24)  # what has waited for longer is not asked about any more: it was read long ago
LATE = timedelta(minutes=1)  # people are told of what has waited for so long

REASON = "automatic check"  # of what a check has removed
UNJUDGED = 500  # thousandths: how urgent a text is that the service refuses to judge


class Outcome(StrEnum):
    """A removed message is read by nobody any more; a flagged one stays, and people look at it."""

    REMOVED = "removed"
    FLAGGED = "flagged"


@dataclass(frozen=True)
class Lines:
    """The score from which on a text is flagged, and that from which on it is removed."""

    flagged: float
    removed: float


USUAL = Lines(0.5, 0.9)
LINES: Mapping[str, Lines] = {
    "sexual/minors": Lines(0.1, 0.4),
    "hate/threatening": Lines(0.4, 0.8),
    "harassment/threatening": Lines(0.4, 0.8),
    "self-harm/instructions": Lines(0.4, 0.8),
    "self-harm/intent": Lines(0.3, 0.99),  # who says so needs somebody who looks, and no silence
    "violence": Lines(0.7, 0.98),
}


@dataclass(frozen=True)
class Verdict:
    """The outcome, and the highest score."""

    outcome: Outcome
    severity: float | None

    @property
    def urgency(self) -> int:
        """How soon people should look at it, in thousandths."""
        return UNJUDGED if self.severity is None else round(self.severity * 1000)


def verdict(scores: Mapping[str, float] | None) -> Verdict | None:
    """Decide about a text with these scores; None if it is fine. People judge what the service refuses to judge."""
    if scores is None:
        return Verdict(Outcome.FLAGGED, None)
    severity = max(scores.values())
    lines = {name: LINES.get(name, USUAL) for name in scores}
    if any(score >= lines[name].removed for name, score in scores.items()):
        return Verdict(Outcome.REMOVED, severity)
    if any(score >= lines[name].flagged for name, score in scores.items()):
        return Verdict(Outcome.FLAGGED, severity)
    return None
