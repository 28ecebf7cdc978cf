"""The states that code compares are those that the schema allows."""

import re
from enum import StrEnum

import pytest

from emulators.contract import ROOT
from shared.values import states

STATES = [each for each in vars(states).values() if isinstance(each, type) and issubclass(each, StrEnum)][1:]


@pytest.mark.parametrize("enum", STATES, ids=lambda enum: enum.__name__)
def test_an_enum_of_states_is_the_list_of_the_schema(enum: type[StrEnum]) -> None:
    named = re.search(r"`(\w+)\.(\w+)`", enum.__doc__ or "")
    assert named
    table, column = named.groups()
    schema = (ROOT / "shared" / "database" / "schema.sql").read_text()
    listed = re.search(rf"CONSTRAINT {table}_{column}_check CHECK \({column} IN \(([^)]*)\)", schema)
    assert listed
    assert sorted(enum) == sorted(re.findall(r"'(\w+)'", listed.group(1)))
