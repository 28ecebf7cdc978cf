"""Every operation of an admin that changes something says so in the audit log, in the same transaction.

The operations are read out of the contract, and each is sent as its example: one that changes rows and records nothing
fails here, and so the build.
"""

from collections.abc import Callable

import jwt
import pytest
from pg8000.dbapi import Connection

from tests.client import Client
from tests.fakes.chain import FakeChain
from tests.fakes.nodes import FakeNodes
from tests.operations.access import admin_roles, operations_for
from tests.operations.examples import operation_named
from tests.operations.mutating import EXAMPLE_REQUESTS
from tests.operations.requests import KEY, Request
from tests.operations.scene import Scene
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_plugin", "tests.fakes.treasury_plugin"]

# What a request leaves behind whatever it does: its answer, its proofs, its guesses, and what is sent to others.
BESIDE = ("idempotency_keys", "second_factors", "attempt_counters", "bank_nonces", "outbox", "audit_logs")
OF_ADMINS = {operation.operation_id for operation, _ in operations_for(*admin_roles())}
TRIED = [example for example in EXAMPLE_REQUESTS if example.__name__ in OF_ADMINS]


@pytest.fixture
def scene(client: Client, sql: Connection, funded_chain: FakeChain, two_nodes: FakeNodes) -> Scene:
    assert funded_chain
    assert two_nodes
    return Scene(client, sql)


def lines(sql: Connection) -> int:
    """How many lines the audit log has."""
    ((number,),) = sql.execute_simple("SELECT count(*) FROM audit_logs").rows
    return int(number)


def lines_of(sql: Connection, request: Request) -> int:
    """How many lines the audit log has of whoever sends the request."""
    assert request.client.token
    session = jwt.decode(request.client.token, options={"verify_signature": False})["sid"]
    found = "SELECT count(*) FROM audit_logs JOIN sessions ON member_id = actor_id WHERE sessions.id = $1"
    ((number,),) = sql.execute_unnamed(found, (session,)).rows
    return int(number)


def outcome(example: Callable[[Scene], Request], scene: Scene) -> tuple[bool, int, int]:
    """Send the example: whether it has changed rows, how many lines it has written, and how many of the caller's."""
    request = example(scene)
    before, known, own = rows_of_all_tables(scene.sql, without=BESIDE), lines(scene.sql), lines_of(scene.sql, request)
    answer = request.send(operation_named(example.__name__), KEY)
    assert answer.status_code < 300, answer.data
    has_changed = rows_of_all_tables(scene.sql, without=BESIDE) != before
    return has_changed, lines(scene.sql) - known, lines_of(scene.sql, request) - own


def test_there_are_operations_of_admins_to_be_tried() -> None:
    assert len(TRIED) >= 60


@pytest.mark.parametrize("example", TRIED, ids=lambda example: example.__name__)
def test_what_an_admin_changes_is_in_the_audit_log(example: Callable[[Scene], Request], scene: Scene) -> None:
    has_changed, written, of_caller = outcome(example, scene)
    assert written or not has_changed, "it changes rows and records nothing: call audit.record"
    assert written == of_caller, "the lines name somebody else than who has called"


def test_a_handler_that_records_nothing_is_found(scene: Scene) -> None:
    """The check itself: when the line of a suspension is lost, the suspension changes rows and records nothing."""
    example = next(each for each in TRIED if each.__name__ == "suspend_member")
    scene.sql.execute_simple("CREATE RULE nothing AS ON INSERT TO audit_logs DO INSTEAD NOTHING")
    assert outcome(example, scene) == (True, 0, 0)
