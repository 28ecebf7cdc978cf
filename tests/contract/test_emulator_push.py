"""Do the push stand-ins answer as Apple and Google document it?"""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest
import requests

from emulators.process import wait_until
from emulators.push import APNS_KEY_ID, APNS_TEAM_ID, APNS_TOPIC, FCM_PROJECT_ID, PushStandIn
from emulators.push.box import MESSAGE_BYTES_MAX, PUSHES_MAX, Fault, TakenPush
from shared.ports import push as port
from tests.contract.push_world import ANDROID, IOS, other_key

pytest_plugins = ["tests.contract.push_plugin"]

PUSH_ID = UUID("0f1cbe8e-43c4-4c5f-9a41-7c1f6f3f2a55")
WON = port.Push(IOS, "You won $100!", "It is on its way", {"comp_id": "7"}, PUSH_ID)


@pytest.fixture
def apple(vendors: PushStandIn) -> Iterator[httpx.Client]:
    """One HTTP/2 connection, without the port."""
    with httpx.Client(http1=False, http2=True, base_url=vendors.apns_url, trust_env=False) as client:
        yield client


def provider_token(vendors: PushStandIn, **change: Any) -> str:
    """A good JWT but for what is changed: kid, iss, iat, key, algorithm."""
    made: dict[str, Any] = {
        "kid": APNS_KEY_ID,
        "iss": APNS_TEAM_ID,
        "iat": int(time.time()),
        "key": vendors.apns_key_pem,
    } | change
    claims = {name: made[name] for name in ("iss", "iat") if made[name] is not None}
    return jwt.encode(claims, made["key"], algorithm=made.get("algorithm", "ES256"), headers={"kid": made["kid"]})


def headers(vendors: PushStandIn, **change: str) -> dict[str, str]:
    given = {"authorization": f"bearer {provider_token(vendors)}", "apns-topic": APNS_TOPIC, "apns-push-type": "alert"}
    return given | {name.replace("_", "-"): value for name, value in change.items()}


def payload(**more: Any) -> bytes:
    return json.dumps({"aps": {"alert": {"title": "Hi", "body": "there"}}} | more).encode()


def message(**change: Any) -> dict[str, Any]:
    plain = {"token": ANDROID, "notification": {"title": "Hi", "body": "there"}, "data": {"a": "b"}}
    return {"message": plain | change}


def post_to_google(vendors: PushStandIn, body: Any, project: str = FCM_PROJECT_ID) -> requests.Response:
    return requests.post(f"{vendors.fcm_url}/v1/projects/{project}/messages:send", json=body, timeout=10)


# Apple's shapes


def test_apple_takes_a_push_over_http_2_and_gives_its_id_back(vendors: PushStandIn, apple: httpx.Client) -> None:
    answer = apple.post(f"/3/device/{IOS}", content=payload(k="v"), headers=headers(vendors, apns_id=str(PUSH_ID)))
    assert (answer.http_version, answer.status_code, answer.content) == ("HTTP/2", 200, b"")
    assert answer.headers["apns-id"] == str(PUSH_ID)
    (taken,) = vendors.pushes()
    assert (taken.token, taken.title, taken.body, taken.data) == (IOS, "Hi", "there", {"k": "v"})


def test_apple_makes_an_id_when_none_is_given(vendors: PushStandIn, apple: httpx.Client) -> None:
    answer = apple.post(f"/3/device/{IOS}", content=payload(), headers=headers(vendors))
    assert answer.headers["apns-id"] == vendors.pushes()[0].push_id


def test_apple_does_not_speak_http_1(vendors: PushStandIn) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.post(f"{vendors.apns_url}/3/device/{IOS}", data=payload(), timeout=10)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kid": "ANOTHERKEY"}, "InvalidProviderToken"),
        ({"iss": "ANOTHERONE"}, "InvalidProviderToken"),
        ({"iat": None}, "InvalidProviderToken"),
        ({"iat": 3600}, "InvalidProviderToken"),
        ({"key": other_key()}, "InvalidProviderToken"),
        ({"key": "a secret of thirty-two bytes or more", "algorithm": "HS256"}, "InvalidProviderToken"),
        ({"iat": -3700}, "ExpiredProviderToken"),
    ],
)
def test_apple_refuses_a_provider_token(
    vendors: PushStandIn, apple: httpx.Client, change: dict[str, Any], reason: str
) -> None:
    """`iat` is seconds from now."""
    if change.get("iat"):
        change = {**change, "iat": int(time.time()) + change["iat"]}
    given = headers(vendors, authorization=f"bearer {provider_token(vendors, **change)}")
    answer = apple.post(f"/3/device/{IOS}", content=payload(), headers=given)
    assert (answer.status_code, answer.json()) == (403, {"reason": reason})
    assert vendors.pushes() == []


def test_apple_wants_a_provider_token(vendors: PushStandIn, apple: httpx.Client) -> None:
    answer = apple.post(f"/3/device/{IOS}", content=payload(), headers={"apns-topic": APNS_TOPIC})
    assert (answer.status_code, answer.json()) == (403, {"reason": "MissingProviderToken"})
    assert vendors.pushes() == []


def test_apple_refuses_a_second_provider_token_too_soon(vendors: PushStandIn, apple: httpx.Client) -> None:
    answers = [
        apple.post(
            f"/3/device/{IOS}",
            content=payload(),
            headers=headers(vendors, authorization=f"bearer {provider_token(vendors, iat=int(time.time()) - age)}"),
        )
        for age in (1500, 1000, 200)
    ]
    assert [answer.status_code for answer in answers] == [200, 429, 200]
    assert answers[1].json() == {"reason": "TooManyProviderTokenUpdates"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"apns_topic": ""}, "MissingTopic"),
        ({"apns_topic": "com.example.other"}, "TopicDisallowed"),
        ({"apns_push_type": "letter"}, "InvalidPushType"),
        ({"apns_id": "7"}, "BadMessageId"),
        ({"apns_priority": "11"}, "BadPriority"),
        ({"apns_expiration": "tomorrow"}, "BadExpirationDate"),
        ({"apns_collapse_id": "x" * 65}, "BadCollapseId"),
    ],
)
def test_apple_refuses_a_bad_header(
    vendors: PushStandIn, apple: httpx.Client, change: dict[str, str], reason: str
) -> None:
    answer = apple.post(f"/3/device/{IOS}", content=payload(), headers=headers(vendors, **change))
    assert (answer.status_code, answer.json()) == (400, {"reason": reason})
    assert vendors.pushes() == []


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", f"/3/device/{IOS}", 405, "MethodNotAllowed"),
        ("POST", f"/2/device/{IOS}", 404, "BadPath"),
        ("POST", "/3/device/", 400, "MissingDeviceToken"),
        ("POST", "/3/device/nonsense", 400, "BadDeviceToken"),
    ],
)
def test_apple_refuses_a_bad_target(
    vendors: PushStandIn, apple: httpx.Client, method: str, path: str, status: int, reason: str
) -> None:
    answer = apple.request(method, path, content=payload(), headers=headers(vendors))
    assert (answer.status_code, answer.json()) == (status, {"reason": reason})


def test_apple_takes_4096_bytes_and_no_more(vendors: PushStandIn, apple: httpx.Client) -> None:
    largest = payload(fill="x" * (MESSAGE_BYTES_MAX - len(payload(fill=""))))
    assert len(largest) == 4096
    given = headers(vendors)
    assert apple.post(f"/3/device/{IOS}", content=largest, headers=given).status_code == 200
    for too_large in (largest + b" ", largest * 50):
        answer = apple.post(f"/3/device/{IOS}", content=too_large, headers=given)
        assert (answer.status_code, answer.json()) == (413, {"reason": "PayloadTooLarge"})


@pytest.mark.parametrize("content", [b"", b"{}", b"no json"])
def test_apple_wants_a_payload(vendors: PushStandIn, apple: httpx.Client, content: bytes) -> None:
    answer = apple.post(f"/3/device/{IOS}", content=content, headers=headers(vendors))
    assert (answer.status_code, answer.json()) == (400, {"reason": "PayloadEmpty"})


def test_apple_says_since_when_a_device_is_gone(vendors: PushStandIn, apple: httpx.Client) -> None:
    before = int(time.time() * 1000)
    vendors.unregister(IOS)
    answer = apple.post(f"/3/device/{IOS}", content=payload(), headers=headers(vendors))
    assert (answer.status_code, answer.json()["reason"]) == (410, "Unregistered")
    assert before <= answer.json()["timestamp"] <= time.time() * 1000


def test_apple_knows_whose_token_it_is(vendors: PushStandIn, apple: httpx.Client) -> None:
    vendors.disown(IOS)
    answer = apple.post(f"/3/device/{IOS}", content=payload(), headers=headers(vendors))
    assert (answer.status_code, answer.json()) == (400, {"reason": "DeviceTokenNotForTopic"})


# Google's shapes


def test_google_takes_a_message_and_names_it(vendors: PushStandIn) -> None:
    answer = post_to_google(vendors, message())
    assert answer.status_code == 200
    assert answer.json()["name"].startswith(f"projects/{FCM_PROJECT_ID}/messages/")
    (taken,) = vendors.pushes()
    assert (taken.token, taken.title, taken.body, taken.data) == (ANDROID, "Hi", "there", {"a": "b"})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"data": {"from": "us"}}, "INVALID_ARGUMENT"),
        ({"data": {"google.key": "x"}}, "INVALID_ARGUMENT"),
        ({"data": {"fill": "x" * MESSAGE_BYTES_MAX}}, "INVALID_ARGUMENT"),
        ({"token": "nonsense"}, "INVALID_ARGUMENT"),
        ({"android": {"ttl": f"{29 * 24 * 3600}s"}}, "INVALID_ARGUMENT"),
    ],
)
def test_google_refuses_a_message(vendors: PushStandIn, change: dict[str, Any], code: str) -> None:
    answer = post_to_google(vendors, message(**change))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert error["details"] == [{"@type": port.FCM_ERROR, "errorCode": code}]
    assert vendors.pushes() == []


def test_google_names_the_field_that_is_no_text(vendors: PushStandIn) -> None:
    answer = post_to_google(vendors, message(data={"count": 7}))
    (detail,) = answer.json()["error"]["details"]
    assert (answer.status_code, detail["fieldViolations"][0]["field"]) == (400, "message.data[0].value")


def test_google_knows_one_project(vendors: PushStandIn) -> None:
    answer = post_to_google(vendors, message(), project="another")
    assert (answer.status_code, answer.json()["error"]["status"]) == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(
    ("happen", "status", "code"),
    [(PushStandIn.unregister, 404, "UNREGISTERED"), (PushStandIn.disown, 403, "SENDER_ID_MISMATCH")],
)
def test_google_refuses_a_dead_token(
    vendors: PushStandIn, happen: Callable[[PushStandIn, str], None], status: int, code: str
) -> None:
    happen(vendors, ANDROID)
    answer = post_to_google(vendors, message())
    assert answer.status_code == status
    assert answer.json()["error"]["details"] == [{"@type": port.FCM_ERROR, "errorCode": code}]
    assert vendors.pushes() == []


# What tests and people see


def test_pushes_are_listed_newest_first_and_by_device(vendors: PushStandIn) -> None:
    for title in ("one", "two"):
        port.send("ios", replace(WON, title=title))
    port.send("android", replace(WON, token=ANDROID, title="three"))
    everything = requests.get(f"{vendors.fcm_url}/pushes", timeout=10).json()
    assert [each["title"] for each in everything] == ["three", "two", "one"]
    found = requests.get(f"{vendors.fcm_url}/pushes", params={"token": IOS}, timeout=10).json()
    assert [(each["title"], each["platform"]) for each in found] == [("two", "ios"), ("one", "ios")]


def test_the_memory_is_bounded() -> None:
    box = PushStandIn()
    for number in range(PUSHES_MAX + 5):
        box.take(TakenPush("ios", IOS, str(number), "", {}, "", {}))
    assert len(box.pushes()) == PUSHES_MAX
    assert box.pushes()[-1].title == "5"


def test_a_fault_for_one_device_spares_the_others(vendors: PushStandIn) -> None:
    vendors.fail_next(1, Fault.INTERNAL_ERROR, token=ANDROID)
    port.send("ios", WON)
    with pytest.raises(port.PushDelayed):
        port.send("android", replace(WON, token=ANDROID))


def test_what_is_forgotten_is_gone(vendors: PushStandIn) -> None:
    port.send("ios", WON)
    vendors.unregister(IOS)
    vendors.fail_next(3, Fault.INTERNAL_ERROR)
    vendors.clear()
    assert vendors.pushes() == []
    port.send("ios", WON)
    assert len(vendors.pushes()) == 1


def test_stopping_does_not_wait_for_clients_that_do(vendors: PushStandIn) -> None:
    devices: list[tuple[port.Platform, str]] = [("ios", IOS), ("android", ANDROID)]
    vendors.fail_next(2, Fault.TIMEOUT)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(port.send, platform, replace(WON, token=token)) for platform, token in devices]
        wait_until(lambda: not vendors.faults_left, "both clients")
        began = time.monotonic()
        vendors.stop()
        assert time.monotonic() - began < 2.0
        assert [type(each.exception()) for each in waiting] == [port.PushDelayed] * 2
