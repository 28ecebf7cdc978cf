"""Rules of ballots: winners, ties and quorums; which ballots are taken; which options look alike."""

from datetime import UTC, datetime, timedelta

import pytest

from functions.admin_governance import rules as drafts
from functions.governance import rules as casting
from functions.governance.rules import Booth
from functions.governance_close import rules, texts
from shared.social.votes import TIER_MIN, VoteNotOpen
from shared.values.problems import NotFound, NotValid
from shared.values.states import VoteStatus

ENDS_AT = datetime(2026, 12, 24, 12, 0, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
OPEN = Booth(VoteStatus.ACTIVE, ENDS_AT, [1, 2, 3])


@pytest.mark.parametrize(
    ("counted", "electors", "quorum", "met", "winner", "tie"),
    [
        ({1: 3, 2: 2, 3: 0}, 10, 50, True, 1, []),
        ({1: 3, 2: 1, 3: 0}, 10, 50, False, None, []),
        ({1: 2, 2: 2, 3: 1}, 10, 0, True, None, [1, 2]),
        ({1: 2, 2: 2, 3: 0}, 10, 50, False, None, [1, 2]),
        ({1: 0, 2: 0, 3: 0}, 10, 0, True, None, []),
        ({1: 0, 2: 0, 3: 0}, 0, 100, True, None, []),
        ({1: 0, 2: 1, 3: 0}, 1, 100, True, 2, []),
        ({1: 333, 2: 0, 3: 0}, 1000, 34, False, None, []),
        ({1: 340, 2: 0, 3: 0}, 1000, 34, True, 1, []),
    ],
)
def test_the_outcome_of_ballots(
    counted: dict[int, int], electors: int, quorum: int, met: bool, winner: int | None, tie: list[int]
) -> None:
    found = rules.outcome(counted, electors, quorum)
    assert (found.quorum_met, found.winner, found.tie) == (met, winner, tie)
    assert {total.option: total.ballots for total in found.totals} == counted
    assert found.ballots == sum(counted.values())
    assert 0 <= found.turnout <= 1


def test_a_ballot_is_in_time_until_the_last_millisecond() -> None:
    assert casting.too_late(OPEN, ENDS_AT - MILLISECOND) is None
    assert isinstance(casting.too_late(OPEN, ENDS_AT), VoteNotOpen)
    for status in (VoteStatus.CLOSING, VoteStatus.CLOSED):
        ended = Booth(status, ENDS_AT, [1])
        assert isinstance(casting.too_late(ended, ENDS_AT - MILLISECOND), VoteNotOpen)


def test_whose_ballot_is_taken() -> None:
    assert casting.refusal(OPEN, 3, is_elector=True) is None
    assert isinstance(casting.refusal(OPEN, 4, is_elector=True), NotValid)
    assert isinstance(casting.refusal(OPEN, 4, is_elector=False), casting.NotAnElector)
    for unknown in (None, Booth(VoteStatus.DRAFT, None, [1]), Booth(VoteStatus.OPENING, None, [1])):
        assert isinstance(casting.refusal(unknown, 1, is_elector=False), NotFound)


def test_a_vote_is_closed_five_seconds_after_its_end_or_when_an_admin_has_ended_it() -> None:
    assert not rules.may_close(VoteStatus.ACTIVE, ENDS_AT, ENDS_AT + 5_000 * MILLISECOND - MILLISECOND)
    assert rules.may_close(VoteStatus.ACTIVE, ENDS_AT, ENDS_AT + 5_000 * MILLISECOND)
    assert rules.may_close(VoteStatus.CLOSING, ENDS_AT, ENDS_AT - timedelta(days=1))
    for other in (VoteStatus.DRAFT, VoteStatus.OPENING, VoteStatus.CLOSED, VoteStatus.DISCARDED):
        assert not rules.may_close(other, None, ENDS_AT)


@pytest.mark.parametrize(
    "labels", [["Mango", "mango"], ["Mango", "M\u0430ngo"], ["Mango", "Peach", "\uff2dango"], ["Mango", "M\u00e1ngo"]]
)
def test_options_that_look_alike_are_refused(labels: list[str]) -> None:
    with pytest.raises(NotValid):
        drafts.check_labels(labels)


@pytest.mark.parametrize(
    "labels",
    [
        ["3 mg", "6 mg", "12 mg"],
        ["+", "-"],
        ["Yes", "No"],
        ["10 %", "100 %"],
        ["1 1/2 tins", "11/2 tins"],
        ["6mg", "12mg"],
    ],
)
def test_options_that_differ_in_figures_or_signs_are_taken(labels: list[str]) -> None:
    drafts.check_labels(labels)


def test_a_type_says_which_tier_votes() -> None:
    assert {kind: tier.value for kind, tier in TIER_MIN.items()} == {
        "flavor": "vip",
        "loyalty": "high_roller",
        "corporate": "whale",
    }


def test_channels_are_told_in_three_languages() -> None:
    labels = {1: "Mango {x}", 2: "Peach"}
    won = texts.closed("A {title}", rules.outcome({1: 2, 2: 1}, 4, 0), labels, early=True).splitlines()
    assert len(won) == len(texts.opened("A {title}", ENDS_AT).splitlines()) == 3
    assert won[0] == (
        "The vote “A {title}” is closed. “Mango {x}” has won with 2 of 3 ballots. It was closed before its time."
    )
    tied = texts.closed("A", rules.outcome({1: 2, 2: 2}, 4, 0), labels, early=False)
    few = texts.closed("A", rules.outcome({1: 2, 2: 2}, 400, 50), labels, early=False)
    nobody = texts.closed("A", rules.outcome({1: 0, 2: 0}, 4, 0), labels, early=False)
    for said, why in ((tied, "Several options share"), (few, "Too few"), (nobody, "Nobody has voted")):
        assert why in said
        assert len(said.splitlines()) == 3
    longest = texts.closed("t" * 200, rules.outcome({1: 2, 2: 1}, 4, 0), {1: "l" * 100, 2: "x"}, early=True)
    assert len(longest) <= 2_000
