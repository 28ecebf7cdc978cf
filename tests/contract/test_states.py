"""The states that code compares are those that the schema allows, and a list of states is written once, with a name."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum

import pytest

from emulators.contract import ROOT
from shared.values import states
from tests import statements

STATES = [each for each in vars(states).values() if isinstance(each, type) and issubclass(each, StrEnum)][1:]
SCHEMA = (ROOT / "shared" / "database" / "schema.sql").read_text()
LIST = re.compile(r"\bstate\s+(?:NOT\s+)?IN\s+\(([^()]*)\)")
NAMED = re.compile(
    r"FUNCTION (\w+)\(state (\w+)\)\s+RETURNS boolean\s+LANGUAGE sql\s+IMMUTABLE PARALLEL SAFE\s+AS \$function\$"
    r"\s+SELECT state (NOT )?IN \(([^()]*)\)\s+\$function\$"
)
# Lists that the schema has for a rule of its own; no query asks for them.
RULES = {
    "MINED FINAL_PAY FINAL_REVERTED FINAL_NOOP": "slots with a block",
    "ALLOCATED FOREIGN": "slots that may get or lose their payout",
    "APPROVED RESERVED": "payouts that are counted against the limits",
    "HELD CANCELLED": "how a payout of an admin may begin",
    "RESERVED IN_FLIGHT CANCELLED": "payouts that nobody approves",
    "prepared cancelled expired": "withdrawals without a transaction",
    "cancelled expired": "withdrawals that were given up before they were signed",
    "mined confirmed reverted": "withdrawals with a block",
    "confirmed reverted": "withdrawals that end in the block that they have",
    "confirmed reverted replaced": "withdrawals with an outcome",
    "signed mined lapsed": "withdrawals that are followed",
}


def texts(listed: str) -> frozenset[str]:
    return frozenset(re.findall(r"'(\w+)'", listed))


ENUMS: Mapping[str, frozenset[str]] = {
    name: texts(listed) for name, listed in re.findall(r"CREATE TYPE (\w+) AS ENUM \(([^)]*)\)", SCHEMA)
}
# The states for which each function of the schema is true.
LISTS: Mapping[str, frozenset[str]] = {
    name: ENUMS[kind] - texts(listed) if negated else texts(listed)
    for name, kind, negated, listed in NAMED.findall(SCHEMA)
}


@pytest.mark.parametrize("enum", STATES, ids=lambda enum: enum.__name__)
def test_an_enum_of_states_is_the_list_of_the_schema(enum: type[StrEnum]) -> None:
    named = re.search(r"`(\w+)\.(\w+)`", enum.__doc__ or "")
    assert named
    table, column = named.groups()
    listed = re.search(rf"CONSTRAINT {table}_{column}_check CHECK \({column} IN \(([^)]*)\)", SCHEMA)
    assert listed
    assert sorted(enum) == sorted(re.findall(r"'(\w+)'", listed.group(1)))


def lists(sql: str) -> Iterator[frozenset[str]]:
    """The lists that a statement compares the state of a payout, slot or withdrawal with."""
    machines = [ENUMS[name] for name in ("payout_state", "slot_state", "withdrawal_state")]
    found = map(texts, LIST.findall(sql))
    return (listed for listed in found if any(listed <= machine for machine in machines))


def named(listed: frozenset[str]) -> list[str]:
    """The functions that have this list, or all states but those of the list."""
    return [
        name for name, its in LISTS.items() if listed in (its, *(all_ - its for all_ in ENUMS.values() if its <= all_))
    ]


def test_a_query_names_its_list_of_states() -> None:
    written = {
        f"{statement.where}: {' '.join(sorted(listed))} is {' or '.join(named(listed))}"
        for statement in statements.of_product()
        for listed in lists(statement.text)
        if named(listed)
    }
    assert written == set()


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT 1 FROM payouts p WHERE p.state NOT IN ('PAID',\n 'CANCELLED')", ["payout_is_unfinished"]),
        ("SELECT 1 FROM payouts WHERE state IN ('RESERVED', 'REQUESTED', 'APPROVED')", ["payout_is_payable"]),
        ("UPDATE payout_slots SET a = 1 WHERE b AND state IN ('ALLOCATED', 'LIVE')", ["nonce_is_unmined"]),
        ("SELECT 1 FROM payout_slots WHERE state NOT IN ('FINAL_PAY', 'FINAL_NOOP', 'FINAL_REVERTED')",
         ["slot_is_final", "slot_is_open"]),
        ("SELECT 1 FROM payout_slots WHERE state IN ('LIVE', 'MINED')", []),
    ],
)  # fmt: skip
def test_a_list_that_has_a_name_is_found(sql: str, names: list[str]) -> None:
    (listed,) = lists(sql)
    assert sorted(named(listed)) == names


def test_the_schema_has_the_lists_with_names_and_those_of_its_rules() -> None:
    """An index or trigger with the list of before fails here, once a state was added to the list with the name."""
    rules = {frozenset(rule.split()) for rule in RULES}
    found = set(lists(SCHEMA))
    assert {" ".join(sorted(listed)) for listed in found - rules if not named(listed)} == set()
    assert rules <= found
    assert not any(map(named, rules))


def test_each_state_of_a_payout_is_payable_or_in_flight_or_stopped_or_at_its_end() -> None:
    payable, stopped, ends = LISTS["payout_is_payable"], LISTS["payout_is_stopped"], {"PAID", "CANCELLED"}
    assert sorted([*payable, "IN_FLIGHT", *stopped, *ends]) == sorted(ENUMS["payout_state"])
    assert LISTS["payout_is_under_way"] == payable | {"IN_FLIGHT"}
    assert LISTS["payout_is_unfinished"] == LISTS["payout_is_under_way"] | stopped


def test_each_state_of_a_slot_is_open_or_final() -> None:
    assert sorted([*LISTS["slot_is_open"], *LISTS["slot_is_final"]]) == sorted(ENUMS["slot_state"])
    assert LISTS["nonce_is_unmined"] < LISTS["nonce_is_open"] < LISTS["slot_is_open"]
