"""Device tokens: each belongs to one member, the one who registered it last."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from pg8000.dbapi import Connection

from tests import factories
from tests.client import FunctionClient
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

DEVICES = "/v1/users/me/devices"
ANDROID = {"platform": "android", "token": "dQw4w9WgXcQ:APA91bHun4MxP5egoKMwt2KZFBaFUH-1RYqx"}


def listed(member: FunctionClient) -> list[str]:
    return [device["id"] for device in member.get(DEVICES).body["items"]]


def test_a_device_is_registered_once_however_often_the_app_says_so(client: Client) -> None:
    member = client(factories.member().token)
    first = member.post(DEVICES, ANDROID)
    again = member.post(DEVICES, ANDROID)
    assert (first.status, again.status) == (201, 201)
    assert first.body["id"] == again.body["id"]
    assert "token" not in member.get(DEVICES).body["items"][0]
    assert listed(member) == [first.body["id"]]


def test_who_signs_in_on_somebodys_device_takes_its_token_over(client: Client) -> None:
    before, after = client(factories.member().token), client(factories.member().token)
    before.post(DEVICES, ANDROID)
    made = after.post(DEVICES, ANDROID).body
    assert listed(before) == []
    assert listed(after) == [made["id"]]


def test_a_token_is_one_members_whoever_registers_it_at_once(client: Client, sql: Connection) -> None:
    people = [client(factories.member().token) for _ in range(8)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda number: people[number % 8].post(DEVICES, ANDROID).status, range(32)))
    assert set(answers) == {201}
    assert sql.execute_simple("SELECT count(*) FROM devices").rows == [[1]]


def test_the_eleventh_device_takes_the_place_of_the_first(client: Client) -> None:
    member = client(factories.member().token)
    made = [member.post(DEVICES, {"platform": "ios", "token": uuid4().hex * 2}).body["id"] for _ in range(11)]
    assert set(listed(member)) == set(made[1:])


def test_only_the_own_devices_are_removed(client: Client, sql: Connection) -> None:
    owner, stranger = client(factories.member().token), client(factories.member().token)
    made = owner.post(DEVICES, ANDROID).body["id"]
    before = rows_of_all_tables(sql)
    for identity in (made, uuid4()):
        answer = stranger.delete(f"{DEVICES}/{identity}")
        assert (answer.status, answer.problem) == (404, "not-found")
    assert rows_of_all_tables(sql) == before
    assert owner.delete(f"{DEVICES}/{made}").status == 204
    assert owner.delete(f"{DEVICES}/{made}").status == 404
    assert listed(owner) == []


def test_apple_tokens_are_hexadecimal(client: Client, sql: Connection) -> None:
    member = client(factories.member().token)
    before = rows_of_all_tables(sql)
    for token in (ANDROID["token"], "abcd" * 15, "f" * 65, "f" * 300):
        answer = member.post(DEVICES, {"platform": "ios", "token": token})
        assert (answer.status, answer.problem) == (422, "not-valid"), token
        assert [error["field"] for error in answer.body["errors"]] == ["/token"]
    assert rows_of_all_tables(sql) == before
