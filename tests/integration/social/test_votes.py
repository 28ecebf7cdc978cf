"""Votes: what members and admins are answered, whose ballots count, and that each counts once."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from functions.governance import casting
from functions.governance.models import BallotDraft, VoteBallot
from functions.member_erase import store as erasing
from shared import clock, db
from shared.auth import Member
from shared.values.tiers import Tier, quarter_of
from shared.web.http import Client
from shared.web.signatures import Asked
from tests import factories
from tests.client import FunctionClient, refusal
from tests.fakes.votes import (
    DESK,
    DRAFT,
    PROPOSAL,
    PROPOSAL_DESK,
    PROPOSALS,
    VOTES,
    Voter,
    Votes,
    propose,
    release,
    write,
)

pytest_plugins = ["tests.fakes.votes_plugin"]

PROPOSAL_DRAFT = {**DRAFT, "description": PROPOSAL["body"], "options": ["Yes", "No"]}
MILLISECOND = timedelta(milliseconds=1)
TIERS = (Tier.STANDARD, Tier.VIP, Tier.HIGH_ROLLER, Tier.WHALE)


def change(admin: FunctionClient, vote: str, body: object, revision: int) -> tuple[int, str]:
    headers = {"Content-Type": "application/json", "If-Match": f'"{revision}"'}
    return refusal(admin.send("PUT", f"{DESK}/{vote}", json.dumps(body).encode(), headers))


def ballots(votes: Votes, vote: str) -> list[list[Any]]:
    found = votes.sql.execute_unnamed(
        "SELECT option, count(*) FROM governance_ballots WHERE vote_id = $1 GROUP BY option ORDER BY option", (vote,)
    ).rows
    return [list(row) for row in found]


def cast_at(voter: Voter, vote: str, at: datetime, option: int = 1) -> Any:
    """Cast a ballot whose request arrived at this moment."""
    caller = Member(**_member(voter))
    asked = Asked(caller, BallotDraft(option=option), Client("203.0.113.7", "tests"), 0.0, {"vote_id": UUID(vote)}, at)
    with db.acting_for("governance"):
        return db.atomically(casting.cast, [asked], clock.now())[0]


def _member(voter: Voter) -> dict[str, Any]:
    names = Member.__dataclass_fields__
    given = {"id": voter.somebody.id, "permanent_tier": Tier.WHALE, "quarter_tier": Tier.STANDARD}
    return {name: given.get(name) for name in names}


@pytest.mark.parametrize(("kind", "lowest"), [("flavor", 1), ("loyalty", 2), ("corporate", 3)])
def test_electors_are_those_of_the_tier_at_the_opening(votes: Votes, kind: str, lowest: int) -> None:
    people = [votes.voter(tier) for tier in TIERS]
    earned, fallen, suspended, gone = (votes.voter(Tier.STANDARD) for _ in range(4))
    factories.quarter(earned.somebody, Tier.WHALE, 40, quarter_of(clock.now()))
    factories.quarter(fallen.somebody, Tier.WHALE, 40, "2025-Q1")
    for person, status in ((suspended, "suspended"), (gone, "deleted")):
        factories.quarter(person.somebody, Tier.WHALE, 40, quarter_of(clock.now()))
        votes.sql.execute_unnamed("UPDATE members SET status = $1 WHERE id = $2", (status, person.somebody.id))
    vote = votes.opened(type=kind)
    late = votes.voter(Tier.WHALE)
    assert votes.electors(vote) == {person.somebody.id for person in [*people[lowest:], earned]}
    for person in (*people[:lowest], fallen, late):
        assert refusal(person.cast(vote)) == (403, "not-an-elector")
        assert person.see(vote)["is_elector"] is False
    # who falls later stays an elector
    votes.sql.execute_unnamed(
        "UPDATE member_quarters SET tier = 'standard' WHERE member_id = $1", (earned.somebody.id,)
    )
    assert earned.cast(vote).status == 200
    assert people[3].see(vote)["electors"] == len(TIERS) - lowest + 1


def test_a_ballot_gets_a_receipt_and_the_same_again_the_same(votes: Votes) -> None:
    ada, eve = votes.voter(), votes.voter()
    vote = votes.opened()
    first = ada.cast(vote, 2)
    assert first.status == 200
    assert len(first.body["receipt"]) == 32
    assert ada.cast(vote, 2).body == first.body == ada.see(vote)["ballot"]
    other = ada.cast(vote, 1)
    assert refusal(other) == (409, "ballot-already-cast")
    assert other.body["option"] == 2
    assert eve.cast(vote, 2).body["receipt"] != first.body["receipt"]
    assert [option["ballots"] for option in eve.see(vote)["options"]] == [0, 2, 0]
    assert ballots(votes, vote) == [[2, 2]]


def test_what_is_no_option_or_no_vote_is_refused(votes: Votes) -> None:
    ada, admin = votes.voter(), votes.admin()
    vote = votes.opened(admin)
    assert refusal(ada.cast(vote, 4)) == (422, "not-valid")
    for wrong in (0, 21, "1", None, 1.5, True):
        assert ada.client.put(f"{VOTES}/{vote}/ballot", {"option": wrong}).status == 422
    draft = write(admin)["id"]
    waiting = write(admin)["id"]
    discarded = write(admin)["id"]
    assert release(admin, waiting).status == 200
    assert admin.post(f"{DESK}/{discarded}/discard").status == 200
    for unknown in (str(uuid4()), draft, waiting, discarded):
        assert refusal(ada.cast(unknown)) == (404, "not-found")
        assert refusal(ada.client.get(f"{VOTES}/{unknown}")) == (404, "not-found")
        assert refusal(ada.client.get(f"{VOTES}/{unknown}/ballots")) == (404, "not-found")
    assert [each["id"] for each in ada.client.get(VOTES).body["items"]] == [vote]
    assert ballots(votes, vote) == []


def test_ballots_at_the_last_millisecond_and_at_the_close(votes: Votes) -> None:
    ada, eve, zoe = votes.voter(), votes.voter(), votes.voter()
    vote = votes.opened(seconds=3600)
    ends_at = datetime.fromisoformat(ada.see(vote)["closes_at"])
    assert isinstance(cast_at(ada, vote, ends_at - MILLISECOND), VoteBallot)
    assert type(cast_at(eve, vote, ends_at)).__name__ == "VoteNotOpen"
    ends_at = votes.end(vote)
    assert refusal(zoe.cast(vote)) == (409, "vote-not-open")
    assert votes.tend(vote) == 503  # another ballot may still be on its way
    assert ada.cast(vote).status == 200  # theirs was cast: the same receipt
    assert isinstance(cast_at(eve, vote, ends_at - MILLISECOND), VoteBallot)
    ends_at = votes.end(vote, timedelta(seconds=5))
    assert votes.tend(vote) == 204
    assert type(cast_at(zoe, vote, ends_at - MILLISECOND)).__name__ == "VoteNotOpen"
    assert refusal(zoe.cast(vote)) == (409, "vote-not-open")
    assert ada.cast(vote).status == 200
    assert ada.see(vote)["outcome"]["totals"][0] == {"option": 1, "ballots": 2}


def test_the_schema_takes_no_ballot_but_in_time_and_changes_none(votes: Votes) -> None:
    ada, eve = votes.voter(), votes.voter()
    vote = votes.opened()
    stranger = votes.voter()
    assert ada.cast(vote).status == 200
    insert = (
        "INSERT INTO governance_ballots SELECT id, '{}', {}, sha256(random()::text::bytea), closes_at {} "
        "FROM governance_votes WHERE id = '{}'"
    )
    for who, option, when in ((eve, 1, ""), (eve, 9, "- interval '1 ms'"), (stranger, 1, "- interval '1 ms'")):
        with pytest.raises(Exception, match=r"vote_not_open|governance_ballots"):
            votes.sql.execute_simple(insert.format(who.somebody.id, option, when, vote))
    votes.sql.execute_simple(insert.format(eve.somebody.id, 1, "- interval '1 ms'", vote))
    for statement in (
        "UPDATE governance_ballots SET option = 2",
        "DELETE FROM governance_ballots",
        "DELETE FROM governance_electors",
        f"INSERT INTO governance_electors VALUES ('{vote}', '{stranger.somebody.id}')",
        "UPDATE governance_votes SET title = 'x'",
        "UPDATE governance_votes SET closes_at = closes_at + interval '1 day', seconds = seconds + 86400",
        "UPDATE governance_votes SET quorum_percent = 99",
        "UPDATE governance_votes SET electors = 1",
        "UPDATE governance_votes SET status = 'draft'",
        "DELETE FROM governance_votes",
        "UPDATE governance_options SET label = 'x'",
        "UPDATE governance_options SET ballots = 0",
        "DELETE FROM governance_options",
        f"INSERT INTO governance_options VALUES ('{vote}', 9, 'x')",
    ):
        with pytest.raises(Exception, match=r"append_only|vote_fixed|vote_status"):
            votes.sql.execute_simple(statement)


def test_sixty_four_parallel_ballots_of_a_member_are_one(votes: Votes) -> None:
    ada = votes.voter()
    vote = votes.opened()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: ada.cast(vote, number % 2 + 1), range(64)))
    taken = {answer.body["receipt"] for answer in answers if answer.status == 200}
    assert len(taken) == 1
    assert {refusal(answer) for answer in answers if answer.status != 200} == {(409, "ballot-already-cast")}
    assert len(ballots(votes, vote)) == 1
    assert sum(option["ballots"] for option in ada.see(vote)["options"]) == 1


def test_ballots_of_one_group_are_answered_as_if_each_had_come_alone(votes: Votes) -> None:
    people, stranger = [votes.voter() for _ in range(4)], votes.voter(Tier.STANDARD)
    first, second = votes.opened(), votes.opened()
    asked = [
        *((people[0], first, 1), (stranger, first, 1), (people[0], first, 2), (people[0], first, 1)),
        *((people[1], second, 2), (people[1], first, 3), (people[2], first, 4), (people[3], str(uuid4()), 1)),
    ]
    group = [
        Asked(Member(**_member(who)), BallotDraft(option=option), Client("203.0.113.7", "t"), 0.0, {"vote_id": UUID(v)})
        for who, v, option in asked
    ]
    with db.acting_for("governance"):
        answers = db.atomically(casting.cast, group, clock.now())
    told = [answer.option if isinstance(answer, VoteBallot) else answer.slug() for answer in answers]
    assert told == [1, "not-an-elector", "ballot-already-cast", 1, 2, 3, "not-valid", "not-found"]
    assert ballots(votes, first) == [[1, 1], [3, 1]]


def test_groups_of_the_same_members_in_opposite_orders_wait_for_each_other_in_turn(votes: Votes) -> None:
    people = [votes.voter() for _ in range(8)]
    places = [votes.opened() for _ in range(2)]
    asked = [(person, vote) for vote in places for person in people]

    def cast_all(number: int) -> int:
        group = [
            Asked(Member(**_member(who)), BallotDraft(option=1), Client("203.0.113.7", "t"), 0.0, {"vote_id": UUID(v)})
            for who, v in (asked if number % 2 else asked[::-1])
        ]
        with db.acting_for("governance"):
            return sum(isinstance(each, VoteBallot) for each in db.atomically(casting.cast, group, clock.now()))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(cast_all, range(8))) == [len(asked)] * 8
    assert [ballots(votes, vote) for vote in places] == [[[1, len(people)]]] * 2


def test_a_draft_is_changed_by_its_version_and_nothing_changes_once_it_is_opened(votes: Votes) -> None:
    admin = votes.admin()
    vote = write(admin)
    assert (vote["revision"], vote["seconds"], vote["tier_min"], vote["status"]) == (1, 604800, "vip", "draft")
    changed = {**DRAFT, "type": "corporate", "options": ["Yes", "No"]}
    assert change(admin, vote["id"], changed, 2) == (412, "precondition-failed")
    assert change(admin, vote["id"], changed, 1) == (200, "")
    assert refusal(release(admin, vote["id"], 1)) == (412, "precondition-failed")
    assert release(admin, vote["id"], 2).status == 200
    assert release(admin, vote["id"], 2).status == 200  # twice is harmless
    assert votes.tend(vote["id"]) == 204
    seen = admin.get(f"{DESK}/{vote['id']}").body
    assert [option["label"] for option in seen["options"]] == ["Yes", "No"]
    assert (seen["tier_min"], seen["status"]) == ("whale", "active")
    for revision in (2, seen["revision"]):
        assert change(admin, vote["id"], DRAFT, revision) == (409, "vote-is-fixed")
    assert refusal(admin.post(f"{DESK}/{vote['id']}/discard")) == (409, "vote-is-fixed")
    assert [entry["act"] for entry in seen["diary"]] == ["vote.create", "vote.change", "vote.open"]


def test_a_discarded_draft_is_never_opened(votes: Votes) -> None:
    admin = votes.admin()
    vote = write(admin)["id"]
    for _ in range(2):
        assert admin.post(f"{DESK}/{vote}/discard").status == 200
    assert refusal(release(admin, vote, 2)) == (409, "vote-is-fixed")
    assert refusal(admin.post(f"{DESK}/{vote}/close", {"reason": "why not"})) == (409, "vote-not-open")
    assert votes.tend(vote) == 204
    assert admin.get(f"{DESK}/{vote}").body["status"] == "discarded"


def test_drafts_that_are_not_valid_are_refused(votes: Votes) -> None:
    admin = votes.admin()
    wrong: list[dict[str, object]] = [
        {"options": ["Mango", "mango"]},
        {"options": ["Mango"]},
        {"options": [f"Option {number}" for number in range(21)]},
        {"options": ["Mango", " "]},
        {"options": ["Mango", "x" * 101]},
        {"type": "other"},
        {"title": ""},
        {"title": "x" * 201},
        {"description": "x" * 5001},
        {"seconds": 3599},
        {"seconds": 2592001},
        {"quorum_percent": 101},
        {"tier_min": "standard"},
    ]
    vote = write(admin)["id"]
    for fault in wrong:
        assert refusal(admin.post(DESK, {**DRAFT, **fault})) == (422, "not-valid"), fault
        assert change(admin, vote, {**DRAFT, **fault}, 1) == (422, "not-valid"), fault
    assert [each["revision"] for each in admin.get(DESK).body["items"]] == [1]


def test_lists_have_pages_and_states(votes: Votes) -> None:
    ada, admin = votes.voter(), votes.admin()
    opened = [votes.opened(admin, title=f"Vote {number}") for number in range(3)]
    write(admin)
    votes.closed(opened[0])
    page = ada.client.get(f"{VOTES}?limit=2").body
    rest = ada.client.get(f"{VOTES}?limit=2&cursor={page['next_cursor']}").body
    assert [vote["id"] for vote in [*page["items"], *rest["items"]]] == opened[::-1]
    assert [vote["id"] for vote in ada.client.get(f"{VOTES}?status=closed").body["items"]] == opened[:1]
    assert len(admin.get(DESK).body["items"]) == 4
    assert [vote["status"] for vote in admin.get(f"{DESK}?status=draft").body["items"]] == ["draft"]


def test_whales_propose_and_three_may_be_open(votes: Votes) -> None:
    whale, other = votes.voter(), votes.voter()
    assert refusal(votes.voter(Tier.HIGH_ROLLER).client.post(PROPOSALS, PROPOSAL)) == (403, "proposals-are-for-whales")
    assert refusal(whale.client.post(PROPOSALS, {**PROPOSAL, "body": "fuck"})) == (422, "proposal-not-allowed")
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: whale.client.post(PROPOSALS, PROPOSAL), range(8)))
    assert sorted(answer.status for answer in answers) == [201] * 3 + [409] * 5
    assert {answer.problem for answer in answers} == {"", "too-many-proposals"}
    mine = whale.client.get(PROPOSALS).body["items"]
    assert (len(mine), other.client.get(PROPOSALS).body["items"]) == (3, [])
    path = f"{PROPOSALS}/{mine[0]['id']}/withdraw"
    assert refusal(other.client.post(path)) == (404, "not-found")
    assert [whale.client.post(path).body["status"] for _ in range(2)] == ["withdrawn"] * 2
    assert whale.client.post(PROPOSALS, PROPOSAL).status == 201


def test_a_proposal_becomes_a_draft_that_only_an_admin_opens(votes: Votes) -> None:
    whale, admin = votes.voter(), votes.admin()
    proposed, declined, withdrawn = (propose(whale.client) for _ in range(3))
    assert whale.client.post(f"{PROPOSALS}/{withdrawn['id']}/withdraw").status == 200
    accepted = admin.post(f"{PROPOSAL_DESK}/{proposed['id']}/accept", {"options": ["Yes", "No"], "note": "A good idea"})
    assert accepted.status == 201
    draft = accepted.body
    assert (draft["title"], draft["status"], draft["proposal_id"]) == (PROPOSAL["title"], "draft", proposed["id"])
    refused = admin.post(f"{PROPOSAL_DESK}/{declined['id']}/decline", {"note": "Not this year"})
    assert (refused.status, refused.body["status"]) == (200, "declined")
    for decided in (proposed, declined, withdrawn):
        for act, body in (("accept", {"options": ["Yes", "No"]}), ("decline", {"note": "Not this year"})):
            assert refusal(admin.post(f"{PROPOSAL_DESK}/{decided['id']}/{act}", body)) == (409, "proposal-decided")
    assert refusal(whale.client.post(f"{PROPOSALS}/{declined['id']}/withdraw")) == (409, "proposal-decided")
    mine = {each["id"]: each for each in whale.client.get(PROPOSALS).body["items"]}
    assert (mine[proposed["id"]]["vote_id"], mine[proposed["id"]]["note"]) == (None, "A good idea")
    assert mine[declined["id"]]["note"] == "Not this year"
    told = {item["code"] for item in whale.client.get("/v1/notifications").body["items"]}
    assert told == {"proposal_accepted", "proposal_declined"}
    assert release(admin, draft["id"]).status == 200
    assert votes.tend(draft["id"]) == 204
    assert whale.client.get(PROPOSALS).body["items"][-1]["vote_id"] == draft["id"]
    assert [each["status"] for each in admin.get(f"{PROPOSAL_DESK}?status=declined").body["items"]] == ["declined"]


def test_a_proposals_words_go_with_its_authors_account_unless_it_was_opened(votes: Votes) -> None:
    whale, admin = votes.voter(), votes.admin()
    made = [propose(whale.client, title=f"A mango tin {number}")["id"] for number in range(3)]
    options = {"options": ["Yes", "No"]}
    draft, thrown_away, opened = (admin.post(f"{PROPOSAL_DESK}/{each}/accept", options).body["id"] for each in made)
    own = write(admin, title="Ours")["id"]
    assert change(admin, draft, {**PROPOSAL_DRAFT, "title": "Mango"}, 1) == (200, "")
    assert admin.post(f"{DESK}/{thrown_away}/discard").status == 200
    assert release(admin, opened).status == 200
    assert votes.tend(opened) == 204
    with db.acting_for("member_erase"):
        for table in ("governance_proposals", "governance_votes") * 2:
            db.atomically(erasing.erase, table, whale.somebody.id, 500)
    left = {each: admin.get(f"{DESK}/{each}").body for each in (draft, thrown_away, opened, own)}
    assert [(each["title"], each["description"], each["status"]) for each in left.values()] == [
        ("", "", "discarded"),
        ("", "", "discarded"),
        ("A mango tin 2", PROPOSAL["body"], "active"),
        ("Ours", DRAFT["description"], "draft"),
    ]
    audited = "SELECT count(*) FROM audit_logs WHERE resource_id <> $1 AND CAST(changes AS text) ILIKE '%mango%'"
    assert votes.sql.execute_unnamed(audited, (own,)).rows == [[0]]
    with pytest.raises(Exception, match="vote_fixed"):
        votes.sql.execute_unnamed("UPDATE governance_votes SET title = 'x' WHERE id = $1", (draft,))


@pytest.mark.parametrize("act", ["accept", "decline"])
def test_a_proposal_is_decided_once(votes: Votes, act: str) -> None:
    whale, admins = votes.voter(), [votes.admin() for _ in range(2)]
    path = f"{PROPOSAL_DESK}/{propose(whale.client)['id']}/{act}"
    body = {"options": ["Yes", "No"]} if act == "accept" else {"note": "Not this year"}
    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(answer.status for answer in pool.map(lambda n: admins[n % 2].post(path, body), range(4)))
    assert statuses == [201 if act == "accept" else 200, 409, 409, 409]
    assert len(admins[0].get(DESK).body["items"]) == (1 if act == "accept" else 0)
