"""A sweep does every row, tells which have failed, and fails itself at its end."""

import pytest

from shared.sweep import Sweep


def refuse_odd(row: int) -> None:
    if row % 2:
        raise ValueError(row)


def test_one_that_fails_keeps_no_other_waiting() -> None:
    done: list[int] = []

    def work(row: int) -> None:
        refuse_odd(row)
        done.append(row)

    with pytest.raises(ExceptionGroup) as failed, Sweep() as sweep:
        sweep.each([1, 2, 3, 4], work, str)

    assert done == [2, 4]
    assert [str(it) for it in failed.value.exceptions] == ["1", "3"]


def test_a_part_says_whether_it_was_done() -> None:
    told: list[bool] = []

    def parts() -> None:
        with Sweep() as sweep:
            told.extend([sweep.part(lambda: refuse_odd(5), "five"), sweep.part(lambda: refuse_odd(6), "six")])

    with pytest.raises(ExceptionGroup):
        parts()

    assert told == [False, True]


def test_what_is_no_rows_own_ends_it_at_once() -> None:
    done: list[int] = []

    def work(row: int) -> None:
        done.append(row)
        raise TimeoutError

    with pytest.raises(TimeoutError), Sweep(passing=TimeoutError) as sweep:
        sweep.each([1, 2], work, str)

    assert done == [1]


def test_an_exception_between_its_parts_is_not_hidden_by_theirs() -> None:
    def parts() -> None:
        with Sweep() as sweep:
            sweep.each([1], refuse_odd, str)
            raise KeyError

    with pytest.raises(KeyError):
        parts()
