"""Each deliberate break of a rule can still be made: `make mutants` then shows that it is caught."""

import pytest

from tests.fault.simulation.edits import Edit, Mutant
from tests.fault.simulation.mutants import DoesNotApply, edited
from tests.fault.simulation.mutations import MUTANTS

MUTANTS_MIN = 20


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_changes_one_place_and_is_still_a_program(mutant: Mutant) -> None:
    for edit in mutant.edits:
        text = edited(edit)

        if edit.path.endswith(".py"):
            compile(text, edit.path, "exec")


def test_there_are_enough_and_each_is_hunted() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= MUTANTS_MIN
    assert all(bool(mutant.families) != bool(mutant.tests) for mutant in MUTANTS)


def test_a_break_of_what_is_not_there_is_refused() -> None:
    with pytest.raises(DoesNotApply):
        edited(Edit("shared/payouts/machine.py", "no such line\n", ""))
