"""The spend card's widget is opened with a token of Oobit's; what goes wrong there is told as something to wait for."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from pg8000.dbapi import Connection

from emulators.oobit import Fault, OobitStandIn
from functions.oobit import rules
from shared.ports import oobit as port
from shared.ports.oobit import OobitMisconfigured, OobitUnavailable
from tests import factories
from tests.client import FunctionClient
from tests.fakes.pages import web_page
from tests.platform import Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

PATH = "/v1/oobit/create-token"


@pytest.fixture
def vendor(platform: Platform) -> Iterator[OobitStandIn]:
    platform.oobit.clear()
    yield platform.oobit
    platform.oobit.clear()


def test_a_member_gets_the_token_that_oobit_made(client: Client, vendor: OobitStandIn) -> None:
    answer = client(factories.member().token).post(PATH)

    assert answer.status == 201
    assert [answer.body["token"]] == vendor.tokens
    assert answer.body["expires_at"].endswith("Z")


def test_repeated_under_one_key_it_is_the_same_token_and_nowhere_in_the_clear(
    client: Client, vendor: OobitStandIn, sql: Connection
) -> None:
    member = client(factories.member().token)
    first = member.post(PATH, **{"Idempotency-Key": "card"})
    again = member.post(PATH, **{"Idempotency-Key": "card"})

    assert again.body == first.body
    (reply,) = sql.execute_simple("SELECT reply FROM idempotency_keys").rows[0]
    assert vendor.tokens[0].encode() not in bytes(reply)


FAULTS = {
    Fault.UNAUTHORIZED: "300",
    Fault.FORBIDDEN: "300",
    Fault.TOO_MANY_REQUESTS: "7",
    Fault.INTERNAL_ERROR: "30",
    Fault.NO_SUCCESS: "30",
    Fault.NONSENSE: "30",
    Fault.DROPPED: "30",
}


def test_whatever_fails_at_oobit_may_be_tried_again_under_the_same_key(
    client: Client, vendor: OobitStandIn, sql: Connection
) -> None:
    member = client(factories.member().token)
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    for fault, retry_after in FAULTS.items():
        vendor.fail_next(1, fault)
        answer = member.post(PATH, **{"Idempotency-Key": "card"})
        assert (answer.status, answer.problem) == (409, "card-service-unavailable"), fault
        assert answer.headers["Retry-After"] == retry_after, fault
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before

    assert member.post(PATH, **{"Idempotency-Key": "card"}).status == 201


TOLD: dict[str, object] = {"success": True, "token": "t0ken", "expiresAt": "2026-11-29T13:00:00+01:00"}
NO_TOKENS: list[dict[str, object]] = [
    {"token": ""},
    {"token": None},
    {"token": 7},
    {"success": False},
    {"success": "true"},
    {"expiresAt": "2026-11-29T13:00:00"},
    {"expiresAt": "soon"},
    {"expiresAt": None},
]


def test_an_answer_without_a_token_that_can_be_shown_is_one_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with web_page(200, json.dumps(TOLD).encode()) as url:
        monkeypatch.setenv("OOBIT_URL", url)
        assert port.create_token() == port.WidgetToken("t0ken", datetime(2026, 11, 29, 12, tzinfo=UTC))
    for change in NO_TOKENS:
        with web_page(200, json.dumps(TOLD | change).encode()) as url:
            monkeypatch.setenv("OOBIT_URL", url)
            with pytest.raises(OobitUnavailable):
                port.create_token()


def test_nobody_waits_for_oobit_for_long(vendor: OobitStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    assert port.CONNECT_SECONDS_MAX + port.ANSWER_SECONDS_MAX <= 10
    monkeypatch.setattr(port, "ANSWER_SECONDS_MAX", 0.1)
    vendor.fail_next(1, Fault.TIMEOUT)
    with pytest.raises(OobitUnavailable, match="Timeout"):
        port.create_token()


def test_with_a_wrong_key_nothing_of_it_is_told(vendor: OobitStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OOBIT_API_KEY", "s3cr3t")
    with pytest.raises(OobitMisconfigured) as told:
        port.create_token()
    assert "s3cr3t" not in str(told.value)
    assert vendor.tokens == []


def test_who_opens_it_too_often_has_to_wait(
    client: Client, vendor: OobitStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "TOKENS_PER_HOUR_MAX", 2)
    member, other = client(factories.member().token), client(factories.member().token)
    assert [member.post(PATH).status for _ in range(2)] == [201, 201]
    refused = member.post(PATH)

    assert (refused.status, refused.problem) == (429, "too-many-card-tokens")
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert other.post(PATH).status == 201
    assert len(vendor.tokens) == 3


def test_for_a_suspended_member_oobit_is_not_asked(client: Client, vendor: OobitStandIn, sql: Connection) -> None:
    somebody = factories.member()
    sql.execute_simple("UPDATE members SET status = 'suspended'")

    assert client(somebody.token).post(PATH).problem == "member-suspended"
    assert vendor.tokens == []


def test_the_card_is_as_the_app_told_last(client: Client) -> None:
    member = client(factories.member().token)
    assert member.get("/v1/oobit/card").body == {"card_id": None, "status": None}
    for status in ("pending", "active"):
        assert member.put("/v1/oobit/card", {"card_id": "card_5f2d", "status": status}).status == 200

    assert member.get("/v1/oobit/card").body == {"card_id": "card_5f2d", "status": "active"}
