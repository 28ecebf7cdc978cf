"""Operations for anyone: two strangers who happen to choose the same Idempotency-Key know nothing of each other.

Nobody is signed in, so a caller is who sends the same key and the same request again, from whichever network.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from pg8000.dbapi import Connection

from shared.api import MUTATING
from tests.client import Client, answer_of
from tests.operations.access import operations_for
from tests.operations.auth import request_password_reset
from tests.operations.examples import operation_named
from tests.operations.mails import unsubscribe
from tests.operations.mutating import EXAMPLE_REQUESTS
from tests.operations.requests import KEY, Request, as_json, replayed_parts
from tests.operations.scene import PASSWORD, Scene
from tests.rows import rows_of_all_tables

# Every operation for anyone, and what a stranger is told who sends its `other` under the key of the example request.
TOLD = {
    "signup": 201, "verify_email": 422, "resend_verification": 202, "login": 403, "refresh": 401,
    "request_password_reset": 202, "confirm_password_reset": 422, "count_referral_click": 204,
    "unsubscribe": 200,
}  # fmt: skip
FOR_ANYONE = [prepared for prepared in EXAMPLE_REQUESTS if prepared.__name__ in TOLD]


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


def elsewhere(scene: Scene, request: Request) -> Request:
    """The same request from another network."""
    return replace(request, client=scene.client(address="198.51.100.20"))


def test_every_operation_for_anyone_is_tried_here() -> None:
    for_anyone = {found.operation_id for found, _ in operations_for("anyone") if found.method in MUTATING}
    assert for_anyone == TOLD.keys() == {prepared.__name__ for prepared in FOR_ANYONE}


@pytest.mark.parametrize("prepared", FOR_ANYONE, ids=lambda prepared: prepared.__name__)
def test_a_stranger_with_the_same_key_is_answered_as_if_it_were_new(
    prepared: Callable[[Scene], Request], scene: Scene
) -> None:
    operation, mine = operation_named(prepared.__name__), prepared(scene)
    assert mine.other
    first = mine.send(operation, KEY)
    assert first.status_code < 300

    theirs = answer_of(elsewhere(scene, mine.other).send(operation, KEY))

    assert theirs.status == TOLD[prepared.__name__], theirs.body
    assert replayed_parts(mine.send(operation, KEY)) == replayed_parts(first)


@pytest.mark.parametrize("prepared", FOR_ANYONE, ids=lambda prepared: prepared.__name__)
def test_a_retry_from_another_network_gets_the_first_answer(prepared: Callable[[Scene], Request], scene: Scene) -> None:
    operation, request = operation_named(prepared.__name__), prepared(scene)
    first = request.send(operation, KEY)
    assert first.status_code < 300, first.data
    before = rows_of_all_tables(scene.sql)

    again = elsewhere(scene, request).send(operation, KEY)

    assert replayed_parts(again) == replayed_parts(first)
    assert rows_of_all_tables(scene.sql) == before


def test_two_strangers_sign_up_under_one_key_and_each_gets_their_own_account(scene: Scene) -> None:
    operation = operation_named("signup")
    body = {"password": PASSWORD, "full_name": "Ada", "date_of_birth": "1990-12-10"}
    requests = [
        as_json(scene.client(address=address), "/v1/auth/signup", body | {"email": email})
        for address, email in (("198.51.100.7", "ada@example.com"), ("198.51.100.8", "eve@example.com"))
    ]

    answers = [answer_of(request.send(operation, KEY)) for request in requests]
    again = [answer_of(request.send(operation, KEY)) for request in requests]

    assert [answer.status for answer in answers] == [201, 201]
    assert [answer.body["email"] for answer in answers] == ["ada@example.com", "eve@example.com"]
    assert [answer.body for answer in again] == [answer.body for answer in answers]
    assert scene.sql.execute_simple("SELECT count(*) FROM members").rows == [[2]]


def test_two_strangers_follow_their_links_under_one_key_and_campaigns_end_for_both(scene: Scene) -> None:
    """Their requests have the same body, and their answers are the same page: only the path tells them apart."""
    operation, request = operation_named("unsubscribe"), unsubscribe(scene)
    assert request.other
    for sent in (request, elsewhere(scene, request.other)):
        assert sent.send(operation, KEY).status_code == 200
    ended = "SELECT count(*) FROM notification_preferences WHERE type = 'marketing' AND NOT email"
    assert scene.sql.execute_simple(ended).rows == [[2]]


def test_what_is_kept_of_an_answer_says_nothing_of_a_person(scene: Scene) -> None:
    """The row does not lead to the member, so that no erasure could find it: it is sealed instead."""
    person = {"email": "grace@example.com", "full_name": "Grace", "date_of_birth": "1990-12-10"}
    request = as_json(scene.client(), "/v1/auth/signup", person | {"password": PASSWORD})
    answer = answer_of(request.send(operation_named("signup"), KEY))
    ((row,),) = scene.sql.execute_simple("SELECT to_jsonb(k)::text FROM idempotency_keys AS k").rows
    assert answer.body["username"] == "grace"  # it has letters that are no hexadecimal digits, unlike "ada"
    for said in (answer.body["email"], answer.body["username"], answer.body["id"], KEY):
        assert said not in row
        assert said.encode().hex() not in row


def test_the_hash_of_a_request_is_not_made_of_the_request_alone(scene: Scene) -> None:
    """A reader of the table who knows an address cannot look up whether a code was asked for it."""
    request, operation = request_password_reset(scene), operation_named("request_password_reset")
    for key in ("one", "two"):
        request.send(operation, key)
    rows = scene.sql.execute_simple("SELECT scope, request_hash FROM idempotency_keys").rows
    assert len({scope for scope, _ in rows}) == len({bytes(found) for _, found in rows}) == 2
