"""A key whose answer is forgotten: what moved money or told everybody is not done a second time under it."""

from collections.abc import Callable

import pytest
from pg8000.dbapi import Connection

from tests.client import Client, answer_of
from tests.fakes.chain import FakeChain
from tests.fakes.nodes import FakeNodes
from tests.operations.comps import award_comp
from tests.operations.examples import operation_named
from tests.operations.messages import broadcast
from tests.operations.requests import KEY, Request
from tests.operations.scene import Scene
from tests.operations.treasury import send_from_treasury
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_plugin", "tests.fakes.treasury_plugin"]

FOR_EVER = [award_comp, broadcast, send_from_treasury]
Prepared = Callable[[Scene], Request]


@pytest.fixture
def scene(client: Client, sql: Connection, funded_chain: FakeChain, two_nodes: FakeNodes) -> Scene:
    assert funded_chain
    assert two_nodes
    return Scene(client, sql)


@pytest.mark.parametrize("other", [False, True], ids=["the same request", "another one"])
@pytest.mark.parametrize("prepared", FOR_EVER, ids=lambda prepared: prepared.__name__)
def test_it_is_refused_and_nothing_is_done(prepared: Prepared, other: bool, scene: Scene) -> None:
    operation, request = operation_named(prepared.__name__), prepared(scene)
    assert request.send(operation, KEY).status_code < 300
    scene.sql.execute_simple("DELETE FROM idempotency_keys")
    scene.sql.execute_simple("UPDATE second_factors SET last_step = 0")  # it is another code by then
    before = rows_of_all_tables(scene.sql, without=("idempotency_keys", "second_factors"))
    again = request.other if other else request
    assert again

    for _ in range(2):
        refused = answer_of(again.send(operation, KEY))

        assert (refused.status, refused.problem) == (409, "idempotency-key-reused")
        assert rows_of_all_tables(scene.sql, without=("idempotency_keys", "second_factors")) == before
