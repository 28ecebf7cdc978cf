"""With `Dry-Run: true` an operation answers as it would, and leaves no trace; where it cannot, it refuses."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from pg8000.dbapi import Connection
from werkzeug.test import TestResponse

from emulators import contract
from emulators.contract import Operation
from shared import events
from shared.api import MUTATING
from shared.auth import Role
from tests import factories, openapi
from tests.client import FunctionClient, answer_of
from tests.contract.routes import routes
from tests.fakes.chain import FakeChain
from tests.fakes.nodes import FakeNodes
from tests.fakes.treasury_admins import treasury_admin
from tests.operations import affiliates, comps, members
from tests.operations.access import operations_for
from tests.operations.examples import example_of, media_of, operation_named, path_of
from tests.operations.requests import KEY, Request, as_json
from tests.operations.scene import Scene
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_plugin", "tests.fakes.treasury_plugin"]

Client = Callable[..., FunctionClient]
Prepared = Callable[[Scene], Request]

DRY = {"Dry-Run": "true"}
CHANGED_BY_A_CALL = ("sessions",)  # when a session was used last


def refuse_guarantee(scene: Scene) -> Request:
    request = comps.decide_guarantee_review(scene)
    assert request.other
    return replace(request.other, client=request.client)


TRIED: dict[str, list[Prepared]] = {
    "approve_affiliate_week": [affiliates.approve_affiliate_week],
    "reject_affiliate_week": [affiliates.reject_affiliate_week],
    "hold_affiliate_week": [affiliates.hold_affiliate_week],
    "release_affiliate_week": [affiliates.release_affiliate_week],
    "vault_chips": [members.vault_chips],
    "withdraw_chips": [members.withdraw_chips],
    "decide_guarantee_review": [comps.decide_guarantee_review, refuse_guarantee],
    "award_comp": [comps.award_comp],
    "change_comp_rule": [comps.change_comp_rule],
    "revert_comp_rule": [comps.revert_comp_rule],
}
CASES = [(name, prepared) for name, each in TRIED.items() for prepared in each]


@pytest.fixture
def scene(client: Client, sql: Connection, funded_chain: FakeChain, two_nodes: FakeNodes) -> Scene:
    assert funded_chain
    assert two_nodes
    return Scene(client, sql)


def shape(value: object) -> object:
    """The answer without what each run makes anew: ids, and the moments at which something happened."""
    if isinstance(value, dict):
        return {
            name: shape(inner)
            for name, inner in value.items()
            if name not in ("id", "as_of") and not name.endswith("_at")
        }
    return [shape(inner) for inner in value] if isinstance(value, list) else value


def test_every_operation_that_can_be_tried_is_tried_here() -> None:
    assert set(TRIED) == {route.contract.handler.__name__ for _, route in routes() if route.dry_run}


@pytest.mark.parametrize(("name", "prepared"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_a_dry_run_says_what_the_real_one_does_and_keeps_nothing(name: str, prepared: Prepared, scene: Scene) -> None:
    operation, request = operation_named(name), prepared(scene)
    before = rows_of_all_tables(scene.sql, without=CHANGED_BY_A_CALL)

    tried = request.send(operation, KEY, **DRY)

    assert tried.status_code < 300, tried.data
    assert tried.headers["Dry-Run"] == "true"
    checked(operation, request, tried)
    assert rows_of_all_tables(scene.sql, without=CHANGED_BY_A_CALL) == before
    done = request.send(operation, KEY)
    assert "Dry-Run" not in done.headers
    assert done.status_code == tried.status_code
    assert shape(json.loads(done.data)) == shape(json.loads(tried.data))
    assert rows_of_all_tables(scene.sql, without=CHANGED_BY_A_CALL) != before


def checked(operation: Operation, request: Request, response: TestResponse) -> None:
    answer = answer_of(response)
    openapi.check(operation.method, request.path, answer.status, answer.headers, answer.body)


def test_nobody_is_woken_for_what_was_undone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    request = comps.award_comp(scene)
    woken: list[bool] = []
    monkeypatch.setattr("shared.ports.pubsub.publish", lambda *_: woken.append(True))

    assert request.send(operation_named("award_comp"), KEY, **DRY).status_code == 201
    assert events.wait_until_woken(5.0)
    assert woken == []

    assert request.send(operation_named("award_comp"), KEY).status_code == 201
    assert events.wait_until_woken(5.0)
    assert woken


def test_a_refusal_is_that_of_the_real_one_and_says_that_it_was_a_trial(scene: Scene) -> None:
    request = members.vault_chips(scene)
    too_many = as_json(request.client, request.path, {"chips": 5_000})

    tried = too_many.send(operation_named("vault_chips"), KEY, **DRY)
    real = too_many.send(operation_named("vault_chips"), KEY)

    assert answer_of(tried).problem == answer_of(real).problem == "chips-not-enough"
    assert (tried.status_code, tried.data) == (real.status_code, real.data)
    assert (tried.headers["Dry-Run"], real.headers.get("Dry-Run")) == ("true", None)


def test_a_wrong_code_is_counted_in_a_dry_run_too(scene: Scene) -> None:
    admin = treasury_admin(scene.client)
    body = json.loads(affiliates.hold_affiliate_week(scene).body) | {"totp": "000000"}
    wrong = as_json(admin.client, "/v1/admin/affiliates/payouts/approve", body)
    operation = operation_named("approve_affiliate_week")

    answers = [answer_of(wrong.send(operation, f"guess-{number}", **DRY)) for number in range(12)]

    assert [answer.problem for answer in answers] == ["second-factor-wrong"] * 10 + ["second-factor-locked"] * 2
    assert scene.sql.execute_simple("SELECT count(*) FROM affiliate_week_decisions").rows == [[0]]


def test_a_code_that_was_only_tried_is_still_good(scene: Scene) -> None:
    request, operation = affiliates.approve_affiliate_week(scene), operation_named("approve_affiliate_week")
    for _ in range(2):
        assert request.send(operation, KEY, **DRY).status_code == 200
    assert request.send(operation, KEY).status_code == 200


def test_an_award_is_tried_while_scans_are_being_counted(scene: Scene, sql: Connection) -> None:
    """The decision does not wait for the global count, which scans hold."""
    request = comps.award_comp(scene)
    sql.execute_simple("BEGIN")
    sql.execute_simple("SELECT * FROM scan_counter FOR UPDATE")
    try:
        assert request.send(operation_named("award_comp"), KEY, **DRY).status_code == 201
    finally:
        sql.execute_simple("ROLLBACK")


def test_what_the_schema_checks_at_the_commit_is_checked(scene: Scene) -> None:
    scene.sql.execute_simple(
        """
        CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'late'; END $$;
        CREATE CONSTRAINT TRIGGER late AFTER INSERT ON manual_awards DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION refuse_late();
        """
    )
    try:
        request = comps.award_comp(scene)
        assert request.send(operation_named("award_comp"), KEY).status_code == 500
        assert request.send(operation_named("award_comp"), KEY, **DRY).status_code == 500
    finally:
        scene.sql.execute_simple("DROP TRIGGER late ON manual_awards; DROP FUNCTION refuse_late")


@pytest.mark.parametrize("value", ["", "false", "True", "1", "yes"])
def test_anything_but_true_is_refused(value: str, scene: Scene) -> None:
    request = members.vault_chips(scene)
    before = rows_of_all_tables(scene.sql, without=CHANGED_BY_A_CALL)

    refused = answer_of(request.send(operation_named("vault_chips"), KEY, **{"Dry-Run": value}))

    assert (refused.status, refused.problem) == (422, "not-valid")
    assert refused.body["errors"] == [{"field": "Dry-Run", "message": "must be true"}]
    assert rows_of_all_tables(scene.sql, without=CHANGED_BY_A_CALL) == before


def test_where_a_dry_run_is_not_possible_nothing_is_done(client: Client, sql: Connection) -> None:
    """A route without a dry run refuses the header, and changes nothing."""
    possible = {route.contract.handler.__name__ for _, route in routes() if route.dry_run}
    vendors = {operation.operation_id for operation, rule in operations_for() if rule.by == "vendor"}
    member, tried = client(factories.member(role=Role.OWNER).token), 0
    before = rows_of_all_tables(sql, without=CHANGED_BY_A_CALL)
    for operation in contract.operations():
        if operation.method in MUTATING and operation.operation_id not in possible | vendors:
            body = json.dumps(example_of(operation) or {}).encode()
            headers = {**media_of(operation), "Idempotency-Key": KEY, "If-Match": '"1"', **DRY}
            answer = answer_of(member.raw(operation.function, operation.method, path_of(operation), body, headers))
            assert answer.problem == "not-valid", operation.operation_id
            assert {"field": "Dry-Run", "message": "is not possible here"} in answer.body["errors"]
            tried += 1
    assert tried > 100
    assert rows_of_all_tables(sql, without=CHANGED_BY_A_CALL) == before
