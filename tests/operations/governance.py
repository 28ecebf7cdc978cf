"""One example request for each operation on votes and proposals, in a function of its name."""

from typing import Any

from functions.governance_close import tending
from shared import db
from shared.auth import Role
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.fakes.votes import DESK, DRAFT, PROPOSAL, PROPOSAL_DESK, PROPOSALS, VOTES, propose, release, write
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def whale(scene: Scene) -> FunctionClient:
    return scene.client(factories.member(permanent_tier=Tier.WHALE).token)


def vote(scene: Scene) -> str:
    """A vote that is open."""
    admin = scene.member(Role.OPERATIONS)
    made = write(admin)
    assert release(admin, made["id"]).status == 200
    with db.acting_for("governance_close"):
        assert db.atomically(tending.tend, made["id"])
    return str(made["id"])


def cast_ballot(scene: Scene) -> Request:
    voter = whale(scene)
    return as_json(voter, f"{VOTES}/{vote(scene)}/ballot", {"option": 1}, {"option": 2})


def create_proposal(scene: Scene) -> Request:
    return as_json(whale(scene), PROPOSALS, PROPOSAL, {**PROPOSAL, "title": "A peach tin"})


def withdraw_proposal(scene: Scene) -> Request:
    author = whale(scene)
    first, second = (f"{PROPOSALS}/{propose(author)['id']}/withdraw" for _ in range(2))
    return Request(author, first, other=Request(author, second))


def create_vote(scene: Scene) -> Request:
    return as_json(scene.member(Role.OPERATIONS), DESK, DRAFT, {**DRAFT, "title": "Another flavor"})


def change_vote(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    path = f"{DESK}/{write(admin)['id']}"
    asked, other = (as_json(admin, path, {**DRAFT, "title": title}) for title in ("One title", "Another title"))
    versioned = Request(admin, path, other.body, version='"1"')
    return Request(admin, path, asked.body, version='"1"', other=versioned)


def discard_vote(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    first, second = (f"{DESK}/{write(admin)['id']}/discard" for _ in range(2))
    return Request(admin, first, other=Request(admin, second))


def open_vote(scene: Scene) -> Request:
    admin = scene.member(Role.OPERATIONS)
    first, second = (f"{DESK}/{write(admin)['id']}/open" for _ in range(2))
    return Request(admin, first, version='"1"', other=Request(admin, second, version='"1"'))


def close_vote(scene: Scene) -> Request:
    body: dict[str, Any] = {"reason": "We know enough"}
    admin = scene.member(Role.OPERATIONS)
    return as_json(admin, f"{DESK}/{vote(scene)}/close", body, {"reason": "Another reason"})


def accept_proposal(scene: Scene) -> Request:
    path = f"{PROPOSAL_DESK}/{propose(whale(scene))['id']}/accept"
    body = {"options": ["Yes", "No"]}
    return as_json(scene.member(Role.OPERATIONS), path, body, {"options": ["Now", "Never"]})


def decline_proposal(scene: Scene) -> Request:
    path = f"{PROPOSAL_DESK}/{propose(whale(scene))['id']}/decline"
    return as_json(scene.member(Role.OPERATIONS), path, {"note": "Not this year"}, {"note": "Never"})
