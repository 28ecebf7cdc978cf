"""The same key and body give the same answer, and the work is done once. Every mutation is tried."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from eth_account import Account
from pg8000.dbapi import Connection

from emulators import contract
from emulators.process import wait_until
from shared.api import MUTATING
from tests import factories
from tests.client import FunctionClient, answer_of
from tests.clock import moved_clock
from tests.fakes.chain import FakeChain
from tests.fakes.nodes import FakeNodes
from tests.operations.auth import signup
from tests.operations.codes import (
    export,
)
from tests.operations.examples import operation_named
from tests.operations.mutating import EXAMPLE_REQUESTS, NOT_REPEATABLE
from tests.operations.requests import KEY, Request, as_json, replayed_parts
from tests.operations.scans import submit
from tests.operations.scene import Scene
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_plugin", "tests.fakes.treasury_plugin"]

Client = Callable[..., FunctionClient]


@pytest.fixture
def scene(client: Client, sql: Connection, funded_chain: FakeChain, two_nodes: FakeNodes) -> Scene:
    assert funded_chain
    assert two_nodes
    return Scene(client, sql)


def test_every_mutation_of_the_contract_is_tried_here() -> None:
    mutating = {operation.operation_id for operation in contract.operations() if operation.method in MUTATING}
    assert {prepared.__name__ for prepared in EXAMPLE_REQUESTS} == mutating - NOT_REPEATABLE


@pytest.mark.parametrize("prepared", EXAMPLE_REQUESTS, ids=lambda prepared: prepared.__name__)
def test_a_repeated_request_gets_the_same_answer_and_does_nothing(
    prepared: Callable[[Scene], Request], scene: Scene
) -> None:
    operation, request = operation_named(prepared.__name__), prepared(scene)
    first = request.send(operation, KEY)
    assert first.status_code < 300, first.data
    before = rows_of_all_tables(scene.sql)
    if prepared is export:  # a link that is signed anew in the same second is the same
        moment = int(time.time())
        wait_until(lambda: int(time.time()) > moment, "the next second", 2.0)

    again = request.send(operation, KEY)

    assert replayed_parts(again) == replayed_parts(first)
    assert rows_of_all_tables(scene.sql) == before


def test_the_key_of_one_request_does_not_serve_another(scene: Scene) -> None:
    wrong: list[str] = []
    for prepared in EXAMPLE_REQUESTS:
        operation, request = operation_named(prepared.__name__), prepared(scene)
        if request.other is None or not operation.secured:
            continue  # nothing in it could differ; or it is for anyone (test_idempotency_strangers.py)
        request.send(operation, KEY)
        before = rows_of_all_tables(scene.sql)
        refused = answer_of(request.other.send(operation, KEY))
        if (refused.status, refused.problem) != (409, "idempotency-key-reused") or rows_of_all_tables(
            scene.sql
        ) != before:
            wrong.append(f"{prepared.__name__}: {refused.status} {refused.body}")
    assert not wrong, "\n".join(wrong)


def test_a_refusal_is_repeated_as_well(scene: Scene) -> None:
    """Also when the reason for it has passed: whoever wants another answer takes another key."""
    codes_ = factories.manufactured_codes(1, status="generated")
    request = as_json(scene.member(), "/v1/scans/submit", {"code": codes_[0]})
    operation = operation_named("submit")
    refused = request.send(operation, KEY)
    assert refused.status_code == 422
    scene.sql.execute_simple("UPDATE codes SET status = 'manufactured', manufactured_at = now()")

    assert replayed_parts(request.send(operation, KEY)) == replayed_parts(refused)
    assert request.send(operation, f"{KEY}-2").status_code == 201


def test_a_refusal_that_undoes_its_work_is_repeated_as_well(scene: Scene) -> None:
    request = signup(scene)
    operation = operation_named("signup")
    assert request.send(operation, "first").status_code == 201
    scene.sql.execute_simple("UPDATE members SET email_verified_at = now()")
    refused = request.send(operation, KEY)
    assert answer_of(refused).problem == "email-already-registered"
    scene.sql.execute_simple("UPDATE members SET email = 'moved@example.com'")

    assert replayed_parts(request.send(operation, KEY)) == replayed_parts(refused)
    assert scene.sql.execute_simple("SELECT count(*) FROM members").rows == [[1]]


@pytest.mark.parametrize("limit", ["scans_per_hour_max", "guesses_per_hour_max"])
def test_a_request_that_had_to_wait_may_come_again_under_its_key(scene: Scene, limit: str) -> None:
    member = factories.member()
    scene.sql.execute_unnamed("UPDATE settings SET value = '2' WHERE name = $1", (limit,))
    made = factories.manufactured_codes(3)
    tries = made[:2] if limit == "scans_per_hour_max" else ["AAAA-AAAA-AAAA"] * 2
    for code in tries:
        scene.client(member.token).post("/v1/scans/submit", {"code": code})
    request = as_json(scene.client(member.token), "/v1/scans/submit", {"code": made[2]})
    refused = request.send(operation_named("submit"), KEY)
    assert refused.status_code == 429
    assert refused.headers["Retry-After"]

    scene.sql.execute_simple("UPDATE attempt_counters SET hour = hour - interval '2 hours'")
    scene.sql.execute_simple("UPDATE member_totals SET recent_scans = '{}'")

    assert request.send(operation_named("submit"), KEY).status_code == 201


def test_an_answer_is_the_same_as_long_as_it_is_kept(scene: Scene, tmp_path: Path) -> None:
    request, operation = signup(scene), operation_named("signup")
    first = request.send(operation, KEY)
    with moved_clock(tmp_path, timedelta(days=3650)):
        assert replayed_parts(request.send(operation, KEY)) == replayed_parts(first)


def test_a_body_that_was_not_valid_does_not_use_up_its_key(scene: Scene) -> None:
    operation, right = operation_named("signup"), signup(scene)
    for wrong in (b"", b"{", b'{"email": 1}'):
        assert Request(right.client, right.path, wrong).send(operation, KEY).status_code in (400, 422)
    assert right.send(operation, KEY).status_code == 201


def test_members_do_not_share_their_keys(scene: Scene) -> None:
    made = factories.manufactured_codes(2)
    for code in made:
        request = as_json(scene.member(), "/v1/scans/submit", {"code": code})
        assert request.send(operation_named("submit"), KEY).status_code == 201


def test_one_key_does_not_serve_two_operations(scene: Scene) -> None:
    member = scene.member()
    first = Request(member, "/v1/notifications/read-all").send(operation_named("read_all"), KEY)
    second = answer_of(Request(member, "/v1/realtime/token").send(operation_named("create_token"), KEY))
    assert first.status_code == 200
    assert (second.status, second.problem) == (409, "idempotency-key-reused")


def test_without_a_key_every_request_is_new(scene: Scene) -> None:
    member = scene.member()
    address = {"address": Account.create().address}
    identities = {member.post("/v1/wallet/challenge", address).body["challenge_id"] for _ in range(3)}
    assert len(identities) == 3
    assert scene.sql.execute_simple("SELECT count(*) FROM idempotency_keys").rows == [[0]]


def test_a_repeated_sign_out_is_told_that_its_session_has_ended(scene: Scene) -> None:
    request, operation = Request(scene.member(), "/v1/auth/logout"), operation_named("logout")
    assert request.send(operation, KEY).status_code == 204
    again = answer_of(request.send(operation, KEY))
    assert (again.status, again.problem) == (401, "token-not-valid")


def test_a_request_that_failed_for_a_bug_may_be_repeated_under_its_key(scene: Scene) -> None:
    request, operation = submit(scene), operation_named("submit")
    scene.sql.execute_simple("ALTER TABLE scans ADD CONSTRAINT broken CHECK (false) NOT VALID")
    before = rows_of_all_tables(scene.sql)
    assert request.send(operation, KEY).status_code == 500
    assert rows_of_all_tables(scene.sql) == before
    scene.sql.execute_simple("ALTER TABLE scans DROP CONSTRAINT broken")
    assert request.send(operation, KEY).status_code == 201
