"""Rollups of scans, for any scans in any batches, against counting them all at once; percentiles against the exact."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from functions.scan_rollup.rules import Key, Period, Rollup, Scan, added
from shared.scans import histogram

START = datetime(2026, 12, 31, 22, 57, tzinfo=UTC)  # the scans cross minutes, hours, a day and a year
milliseconds = st.one_of(st.integers(0, 30), st.integers(0, 5_000), st.integers(0, 2_000_000))
scans_made = st.lists(
    st.tuples(st.integers(0, 2 * 3_600), milliseconds).map(
        lambda made: Scan(0, START + timedelta(seconds=made[0], microseconds=made[1] % 1_000_000), made[1])
    ),
    max_size=60,
)
crowded = st.lists(
    st.tuples(st.integers(0, 3), milliseconds).map(
        lambda made: Scan(0, START + timedelta(minutes=made[0], seconds=59), made[1])
    ),
    max_size=30,
)
scan_lists = st.one_of(scans_made, crowded)
times = st.lists(milliseconds, min_size=1, max_size=200)


def in_batches(scans: Sequence[Scan], sizes: Sequence[int]) -> dict[Key, Rollup]:
    kept: dict[Key, Rollup] = {}
    start = 0
    for size in [*sizes, len(scans)]:
        batch = scans[start : start + size]
        start += size
        kept |= {(rollup.period, rollup.starts_at): rollup for rollup in added(kept, batch)}
    return kept


def oracle(scans: Sequence[Scan]) -> dict[Key, Rollup]:
    """Said once more, in the slow way."""
    by_minute = Counter(scan.scanned_at.strftime("%Y-%m-%dT%H:%M:00+00:00") for scan in scans)
    forms = {Period.MINUTE: "%Y-%m-%dT%H:%M:00+00:00", Period.HOUR: "%Y-%m-%dT%H:00:00+00:00",
             Period.DAY: "%Y-%m-%dT00:00:00+00:00"}  # fmt: skip
    groups: defaultdict[tuple[Period, str], list[Scan]] = defaultdict(list)
    for scan in scans:
        for period, form in forms.items():
            groups[period, scan.scanned_at.strftime(form)].append(scan)
    expected = {}
    for (period, start), members in groups.items():
        inside = {scan.scanned_at.strftime(forms[Period.MINUTE]) for scan in members}
        most = max(by_minute[minute] for minute in inside)
        first = min(minute for minute in inside if by_minute[minute] == most)
        starts_at = datetime.fromisoformat(start)
        expected[period, starts_at] = Rollup(
            period=period,
            starts_at=starts_at,
            scans=len(members),
            processing_ms=sum(scan.processing_ms for scan in members),
            histogram=dict(Counter(histogram.bucket_of(scan.processing_ms) for scan in members)),
            peak_scans=most,
            peak_at=datetime.fromisoformat(first),
        )
    return expected


@given(scan_lists, st.lists(st.integers(0, 20), max_size=20))
def test_any_batches_give_what_all_at_once_gives(scans: list[Scan], sizes: list[int]) -> None:
    assert in_batches(scans, sizes) == oracle(scans)


@given(scan_lists, st.integers(0, 1_000))
def test_the_order_does_not_matter(scans: list[Scan], seed: int) -> None:
    shuffled = random.Random(seed).sample(scans, len(scans))  # noqa: S311 - repeatable on purpose
    assert in_batches(shuffled, [7, 7, 7]) == in_batches(scans, [])


@given(times, st.sampled_from([1, 50, 90, 95, 99, 100]))
def test_a_percentile_is_in_the_bucket_of_the_exact_one(taken: list[int], percent: int) -> None:
    exact = sorted(taken)[-(-len(taken) * percent // 100) - 1]
    counted = Counter(histogram.bucket_of(time) for time in taken)

    found = histogram.percentile(counted, percent)

    assert found is not None
    assert histogram.bucket_of(found) == histogram.bucket_of(exact)
    if exact <= histogram.LONGEST_MS:
        assert exact <= found <= max(exact * 1.1, exact + 1)


@given(times, times)
def test_the_sum_of_two_histograms_is_the_histogram_of_all(some: list[int], others: list[int]) -> None:
    first, second, both = (Counter(map(histogram.bucket_of, taken)) for taken in (some, others, some + others))
    assert histogram.merged([first, second]) == both


@given(st.integers(0, 10_000_000))
def test_every_time_has_one_bucket_and_its_bounds_hold_it(time: int) -> None:
    bucket = histogram.bucket_of(time)
    assert histogram.LOWER_BOUNDS[bucket] <= time
    assert time <= histogram.upper_bound(bucket) or bucket == len(histogram.LOWER_BOUNDS) - 1


def test_of_nothing_there_is_no_percentile() -> None:
    assert histogram.percentile({}, 95) is None


def test_the_bounds_are_those_that_rollups_were_stored_with() -> None:
    """They are in no row: whoever changes them makes every stored histogram wrong."""
    assert len(histogram.LOWER_BOUNDS) == 123
    assert histogram.LOWER_BOUNDS[:14] == (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15)
    assert histogram.LOWER_BOUNDS[-2:] == (574_073, 631_481)
