"""Buckets of times: each time is in one, and the last one has no end."""

import pytest

from shared.scans import histogram


@pytest.mark.parametrize("bucket", range(len(histogram.LOWER_BOUNDS) - 1))
def test_the_longest_time_of_a_bucket_is_in_it_and_the_next_one_is_not(bucket: int) -> None:
    longest = histogram.upper_bound(bucket)
    assert histogram.bucket_of(histogram.LOWER_BOUNDS[bucket]) == bucket
    assert histogram.bucket_of(longest) == bucket
    assert histogram.bucket_of(longest + 1) == bucket + 1


def test_of_the_last_bucket_the_shortest_time_is_told() -> None:
    last = len(histogram.LOWER_BOUNDS) - 1
    assert histogram.upper_bound(last) == histogram.LOWER_BOUNDS[last]
    assert histogram.bucket_of(10 * histogram.LOWER_BOUNDS[last]) == last


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (25, 1), (26, 2), (50, 2), (75, 2), (76, 3), (100, 3)])
def test_so_many_percent_took_at_most_that_long(percent: int, expected: int) -> None:
    counted = {histogram.bucket_of(milliseconds): count for milliseconds, count in ((1, 1), (2, 2), (3, 1))}
    assert histogram.percentile(counted, percent) == expected


def test_of_nothing_there_is_no_percentile() -> None:
    assert histogram.percentile({}, 95) is None
