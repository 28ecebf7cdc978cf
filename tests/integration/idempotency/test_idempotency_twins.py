"""One of several requests that come at the same moment under one key does the work; all get its answer."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pg8000.dbapi import Connection

from functions.auth import passwords
from functions.auth.passwords import Room
from tests import factories
from tests.client import Client, answer_of
from tests.operations.auth import signup
from tests.operations.examples import operation_named
from tests.operations.requests import KEY, Request, replayed_parts
from tests.operations.scans import submit
from tests.operations.scene import Scene
from tests.operations.wallet import challenge

TWINS = 8


@pytest.fixture
def scene(client: Client, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """All twins come from one address: the share of the hashing that a network has is not what is tried here."""
    monkeypatch.setattr(passwords, "STRANGERS", Room(2, waiting=TWINS, share=TWINS))
    return Scene(client, sql)


@pytest.mark.parametrize(
    ("prepared", "counted"),
    [
        (signup, "SELECT count(*) FROM members"),
        (challenge, "SELECT count(*) FROM wallet_challenges"),
        (submit, "SELECT value FROM scan_counter"),
    ],
    ids=["signup", "challenge", "submit"],
)
def test_twins_get_one_answer_and_the_work_is_done_once(
    prepared: Callable[[Scene], Request], counted: str, scene: Scene
) -> None:
    request, operation = prepared(scene), operation_named(prepared.__name__)
    before = int(scene.sql.execute_simple(counted).rows[0][0])
    with ThreadPoolExecutor(TWINS) as threads:
        answers = list(threads.map(lambda _: replayed_parts(request.send(operation, KEY)), range(TWINS)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 201
    assert int(scene.sql.execute_simple(counted).rows[0][0]) == before + 1


def test_of_different_requests_under_one_key_one_is_served_and_the_others_are_told(scene: Scene) -> None:
    member, operation = scene.member(), operation_named("submit")
    made = factories.manufactured_codes(TWINS)
    requests = [Request(member, "/v1/scans/submit", json.dumps({"code": code}).encode()) for code in made]
    with ThreadPoolExecutor(TWINS) as threads:
        answers = list(threads.map(lambda request: answer_of(request.send(operation, KEY)), requests))
    assert Counter(answer.problem or answer.status for answer in answers) == {
        201: 1,
        "idempotency-key-reused": TWINS - 1,
    }
    assert scene.sql.execute_simple("SELECT value FROM scan_counter").rows == [[1]]


def test_twins_that_are_refused_are_counted_once(scene: Scene) -> None:
    member, operation = scene.member(), operation_named("submit")
    request = Request(member, "/v1/scans/submit", b'{"code": "AAAA-AAAA-AAAA"}')
    with ThreadPoolExecutor(TWINS) as threads:
        answers = set(threads.map(lambda _: replayed_parts(request.send(operation, KEY)), range(TWINS)))
    assert len(answers) == 1
    attempts = scene.sql.execute_simple("SELECT DISTINCT attempts FROM attempt_counters").rows
    assert attempts == [[1]]
