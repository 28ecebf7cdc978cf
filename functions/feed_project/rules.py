"""How far a restored database's count must continue above the published number. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

MARGIN_MIN = 200
# A publisher that dies is replaced once its lease has ended and the schedule runs, after 65 seconds; it publishes each
# second, or every 15 seconds during events (docs/capacity.md).
MARGIN_MINUTES = 2


@dataclass(frozen=True)
class Published:
    """The last published count, and the most scans in a minute of that day."""

    total: int
    peak_per_minute: int


def published(document: Mapping[str, object] | None) -> Published | None:
    """The values of the counter's document; None if there is none, or it has other fields."""
    if document is None:
        return None
    total, velocity = document.get("total"), document.get("velocity")
    if not isinstance(total, int) or not isinstance(velocity, Mapping):
        return None
    peak = velocity.get("peak_per_minute")
    return Published(total, peak if isinstance(peak, int) else 0)


def margin(peaks_per_minute: list[int]) -> int:
    """How many numbers may have been given after the last published one: as many as the busiest minutes had."""
    return max(MARGIN_MIN, MARGIN_MINUTES * max(peaks_per_minute, default=0))


def is_behind(found: Published, value: int, margin_numbers: int) -> bool:
    """Whether our count is further above the published one than the margin allows. Then the publisher had not kept up,
    and the published count tells nothing about later numbers.
    """
    return value > found.total + margin_numbers
