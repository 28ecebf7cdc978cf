"""A histogram of milliseconds with fixed buckets, each a tenth wider than the one before.

Sums of histograms are exact, and a percentile is wrong by less than one bucket. The bounds are stored in no row: they
must never change.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping

LONGEST_MS = 600_000

Histogram = Mapping[int, int]  # counts by bucket


def _lower_bounds() -> tuple[int, ...]:
    bounds = [0]
    while bounds[-1] < LONGEST_MS:
        bounds.append(max(bounds[-1] + 1, -(-bounds[-1] * 11 // 10)))
    return tuple(bounds)


LOWER_BOUNDS = _lower_bounds()  # up to ten milliseconds, each has a bucket of its own


def bucket_of(milliseconds: int) -> int:
    """The bucket of a time in milliseconds; the last bucket has no upper bound."""
    return bisect_right(LOWER_BOUNDS, milliseconds) - 1


def upper_bound(bucket: int) -> int:
    """The longest time in the bucket, in milliseconds; for the last bucket, the shortest."""
    last = len(LOWER_BOUNDS) - 1
    return LOWER_BOUNDS[bucket + 1] - 1 if bucket < last else LOWER_BOUNDS[last]


def merged(histograms: Iterable[Histogram]) -> dict[int, int]:
    """One histogram with the counts of all of them."""
    total: Counter[int] = Counter()
    for histogram in histograms:
        total.update(histogram)
    return dict(total)


def percentile(histogram: Histogram, percent: int) -> int | None:
    """The time within which so many percent finished (nearest rank), in milliseconds; None for an empty histogram."""
    rank = -(-sum(histogram.values()) * percent // 100)
    for bucket in sorted(histogram):
        rank -= histogram[bucket]
        if rank <= 0:
            return upper_bound(bucket)
    return None
