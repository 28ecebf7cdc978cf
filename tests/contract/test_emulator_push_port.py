"""Does the push port say what Apple and Google ask for, and make of their answers what callers need?"""

import base64
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from emulators.http_server import Handler, HttpServer
from emulators.process import free_port
from emulators.push import APNS_KEY_ID, PushStandIn
from emulators.push.box import MESSAGE_BYTES_MAX, Fault
from shared.ports import push as port
from tests.contract.push_world import ANDROID, IOS, Clock, other_key

pytest_plugins = ["tests.contract.push_plugin"]

ROOT = Path(__file__).resolve().parents[2]
PUSH_ID = UUID("0f1cbe8e-43c4-4c5f-9a41-7c1f6f3f2a55")
WON = port.Push(IOS, "You won $100!", "It is on its way · ünïcode", {"comp_id": "7"}, PUSH_ID)
DEVICES: list[tuple[port.Platform, str]] = [("ios", IOS), ("android", ANDROID)]
PASSING = [(Fault.TOO_MANY_REQUESTS, "429"), (Fault.INTERNAL_ERROR, "500"), (Fault.UNAVAILABLE, "503")]

each_platform = pytest.mark.parametrize(("platform", "token"), DEVICES, ids=["ios", "android"])


def test_the_port_sends_ios_what_it_was_given(vendors: PushStandIn) -> None:
    port.send("ios", WON)
    (taken,) = vendors.pushes()
    assert (taken.platform, taken.token) == ("ios", IOS)
    assert (taken.title, taken.body, taken.data) == (WON.title, WON.body, WON.data)
    assert taken.push_id == str(PUSH_ID)
    assert {name: taken.options[name] for name in ("apns-topic", "apns-push-type", "apns-priority")} == {
        "apns-topic": "com.blakjaks.app",
        "apns-push-type": "alert",
        "apns-priority": "10",
    }
    assert taken.options["apns-collapse-id"] == str(PUSH_ID)
    assert 0 <= time.time() + port.LIFE_SECONDS - int(taken.options["apns-expiration"]) < 10


def test_the_port_sends_android_what_it_was_given(vendors: PushStandIn) -> None:
    port.send("android", replace(WON, token=ANDROID))
    (taken,) = vendors.pushes()
    assert (taken.platform, taken.token) == ("android", ANDROID)
    assert (taken.title, taken.body, taken.data) == (WON.title, WON.body, WON.data)
    assert taken.push_id == str(PUSH_ID)
    assert taken.options == {"priority": "HIGH", "ttl": "86400s", "notification": {"tag": str(PUSH_ID)}}


def test_data_cannot_take_the_place_of_what_is_shown(vendors: PushStandIn) -> None:
    port.send("ios", replace(WON, data={"aps": "x"}))
    assert (vendors.pushes()[0].title, vendors.pushes()[0].data) == (WON.title, {})


def test_a_token_cannot_lead_elsewhere(vendors: PushStandIn) -> None:
    with pytest.raises(port.Unregistered, match="400 BadDeviceToken"):
        port.send("ios", replace(WON, token=f"{IOS}#rest"))
    assert vendors.pushes() == []


def test_the_provider_token_is_what_apple_asks_for(vendors: PushStandIn) -> None:
    port.send("ios", WON)
    (token,) = vendors.provider.seen
    assert jwt.get_unverified_header(token) == {"alg": "ES256", "kid": APNS_KEY_ID}
    assert set(jwt.decode(token, options={"verify_signature": False})) == {"iss", "iat"}
    assert len(base64.urlsafe_b64decode(token.rpartition(".")[2] + "==")) == 64


def test_one_connection_and_one_provider_token_serve_many_pushes(vendors: PushStandIn) -> None:
    for _ in range(20):
        port.send("ios", WON)
    assert len(vendors.pushes()) == 20
    assert (len(vendors.provider.connections), len(vendors.provider.seen)) == (1, 1)


@pytest.fixture
def many_switches() -> Iterator[None]:
    """Threads take turns often enough to meet inside each other's work."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("many_switches")
def test_threads_do_not_get_into_each_others_way(vendors: PushStandIn) -> None:
    wanted = [replace(WON, token=f"{number:064x}", title=f"title {number}") for number in range(200)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda each: port.send("ios", each), wanted))
    assert {(each.token, each.title) for each in vendors.pushes()} == {(each.token, each.title) for each in wanted}
    assert len(vendors.pushes()) == 200
    assert (len(vendors.provider.connections) <= 8, len(vendors.provider.seen)) == (True, 1)


def test_a_provider_token_that_apple_finds_too_old_is_renewed_at_once(vendors: PushStandIn) -> None:
    port.send("ios", WON)
    vendors.provider.expire_seen()
    port.send("ios", WON)
    assert len(vendors.pushes()) == 2
    assert len(vendors.provider.seen) == 2


def test_a_provider_token_is_renewed_once_only(vendors: PushStandIn, clock: Clock) -> None:
    clock.ahead = 3700
    with pytest.raises(port.PushDelayed, match="403 ExpiredProviderToken"):
        port.send("ios", WON)
    assert vendors.pushes() == []


def test_a_provider_token_of_forty_minutes_is_replaced(vendors: PushStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "PROVIDER_TOKEN_SECONDS", 0)
    port.send("ios", WON)
    with pytest.raises(port.PushDelayed, match="429 TooManyProviderTokenUpdates"):
        port.send("ios", WON)
    vendors.provider.hang_up()
    port.send("ios", WON)
    assert len(vendors.provider.seen) >= 2


def test_after_it_is_closed_the_next_push_opens_a_new_connection(vendors: PushStandIn) -> None:
    for opened in (1, 2):
        for _ in range(2):
            port.send("ios", WON)
        assert len(vendors.provider.seen) == opened  # a provider token for each
        port.close()


def test_a_connection_closed_while_idle_costs_no_push(vendors: PushStandIn) -> None:
    port.send("ios", WON)
    vendors.provider.hang_up()
    port.send("ios", replace(WON, title="after"))
    assert [each.title for each in vendors.pushes()] == ["after", WON.title]


@each_platform
@pytest.mark.parametrize("happen", [PushStandIn.unregister, PushStandIn.disown])
def test_a_dead_token_is_unregistered(
    vendors: PushStandIn, platform: port.Platform, token: str, happen: Callable[[PushStandIn, str], None]
) -> None:
    happen(vendors, token)
    with pytest.raises(port.Unregistered):
        port.send(platform, replace(WON, token=token))


@each_platform
def test_a_malformed_token_is_unregistered(vendors: PushStandIn, platform: port.Platform, token: str) -> None:
    with pytest.raises(port.Unregistered):
        port.send(platform, replace(WON, token=f"!{token}"))
    assert vendors.pushes() == []


@each_platform
@pytest.mark.parametrize(("fault", "status"), PASSING)
def test_a_passing_failure_delays_and_the_next_attempt_sends(
    vendors: PushStandIn, platform: port.Platform, token: str, fault: Fault, status: str
) -> None:
    vendors.fail_next(1, fault, retry_after_seconds=17)
    with pytest.raises(port.PushDelayed, match=status) as delayed:
        port.send(platform, replace(WON, token=token))
    assert delayed.value.retry_after == timedelta(seconds=17)
    port.send(platform, replace(WON, token=token))
    assert len(vendors.pushes()) == 1


@each_platform
def test_a_vendor_that_does_not_answer_delays(
    vendors: PushStandIn, platform: port.Platform, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "ANSWER_SECONDS_MAX", 0.2)
    vendors.fail_next(1, Fault.TIMEOUT)
    with pytest.raises(port.PushDelayed) as delayed:
        port.send(platform, replace(WON, token=token))
    assert delayed.value.retry_after is None
    port.send(platform, replace(WON, token=token))
    assert len(vendors.pushes()) == 1


@each_platform
def test_a_push_taken_without_an_answer_is_recognised_when_it_comes_again(
    vendors: PushStandIn, platform: port.Platform, token: str
) -> None:
    vendors.fail_next(1, Fault.DROPPED)
    with pytest.raises(port.PushDelayed):
        port.send(platform, replace(WON, token=token))
    port.send(platform, replace(WON, token=token))
    assert [each.push_id for each in vendors.pushes()] == [str(PUSH_ID)] * 2


@each_platform
def test_a_vendor_that_is_gone_delays(vendors: PushStandIn, platform: port.Platform, token: str) -> None:
    port.send(platform, replace(WON, token=token))
    vendors.stop()
    with pytest.raises(port.PushDelayed):
        port.send(platform, replace(WON, token=token))


@each_platform
def test_a_push_that_is_too_large_is_refused(vendors: PushStandIn, platform: port.Platform, token: str) -> None:
    with pytest.raises(port.PushRefused):
        port.send(platform, replace(WON, token=token, body="x" * MESSAGE_BYTES_MAX))
    assert vendors.pushes() == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("APNS_KEY_ID", "", "APNS_KEY_ID is not set"),
        ("APNS_KEY_ID", "ANOTHERKEY", "403 InvalidProviderToken"),
        ("APNS_TEAM_ID", "ANOTHERONE", "403 InvalidProviderToken"),
        ("APNS_TOPIC", "com.example.other", "400 TopicDisallowed"),
        ("APNS_KEY", "no key", "APNS_KEY is not a P-256 private key in PEM"),
        ("APNS_KEY", other_key(), "403 InvalidProviderToken"),
    ],
)
def test_a_wrong_setting_for_apple_is_our_fault(
    vendors: PushStandIn, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(port.PushMisconfigured) as fault:
        port.send("ios", WON)
    assert str(fault.value) == told
    assert vendors.pushes() == []


@pytest.mark.parametrize(("value", "told"), [("", "FCM_PROJECT_ID is not set"), ("another", "403 PERMISSION_DENIED")])
def test_a_wrong_setting_for_google_is_our_fault(
    vendors: PushStandIn, monkeypatch: pytest.MonkeyPatch, value: str, told: str
) -> None:
    monkeypatch.setenv("FCM_PROJECT_ID", value)
    with pytest.raises(port.PushMisconfigured) as fault:
        port.send("android", replace(WON, token=ANDROID))
    assert str(fault.value) == told
    assert vendors.pushes() == []


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """All that is logged, at any level."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign] # shorter than a class
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield lines
    root.removeHandler(handler)
    root.setLevel(level)


@each_platform
def test_nothing_secret_or_private_is_told(
    vendors: PushStandIn, platform: port.Platform, token: str, logged: list[str]
) -> None:
    vendors.fail_next(1, Fault.INTERNAL_ERROR)
    with pytest.raises(port.PushDelayed) as delayed:
        port.send(platform, replace(WON, token=token))
    port.send(platform, replace(WON, token=token))
    assert logged  # by httpcore or urllib3
    told = "\n".join([*logged, str(delayed.value), repr(replace(WON, token=token))])
    for secret in (token, WON.title, "comp_id", *vendors.provider.seen):
        assert secret not in told


def test_the_port_loads_no_vendor_package_before_it_is_used() -> None:
    script = "import sys, shared.ports.push; print({'httpx', 'requests', 'google.auth', 'jwt'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"


FORKED = """
import os, sys, uuid
from shared.ports import push
def tell(title):
    push.send("ios", push.Push("ab" * 32, title, "", {}, uuid.uuid4()))
    push.send("android", push.Push("t" * 40, title, "", {}, uuid.uuid4()))
tell("before")
child = os.fork()
tell("child" if child == 0 else "parent")
if child == 0:
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


def test_a_forked_child_has_connections_of_its_own(vendors: PushStandIn) -> None:
    subprocess.run([sys.executable, "-c", FORKED], check=True, cwd=ROOT, timeout=30)
    told = [(each.platform, each.title) for each in vendors.pushes()]
    assert sorted(told) == sorted(
        (platform, title) for platform in ("ios", "android") for title in ("before", "child", "parent")
    )


class Google(Handler):
    """Takes everything and remembers by whom; its token endpoint knows nobody."""

    bearers: list[str]

    def do_POST(self) -> None:  # noqa: N802 - the name is the base class's
        self.body()
        if self.target_path == "/token":
            self.answer_json(400, {"error": "invalid_grant"})
        else:
            self.bearers.append(self.headers["authorization"].removeprefix("Bearer "))
            self.answer_json(200, {"name": "projects/p/messages/1"})


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Google]]:
    """Reached by an address that the port does not take for loopback, so that it logs in."""
    bound = type("BoundGoogle", (Google,), {"bearers": []})
    server = HttpServer(bound)
    server.start()
    monkeypatch.setenv("FCM_URL", server.url.replace("127.0.0.1", "127.1"))
    monkeypatch.setenv("FCM_PROJECT_ID", "p")
    yield bound
    port.close()
    server.stop()


@pytest.fixture
def log_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Make a service account the default credentials."""

    def write(**change: str) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        account = {"type": "service_account", "client_email": "notify@p.iam.gserviceaccount.com", "private_key": pem}
        (tmp_path / "account.json").write_text(json.dumps(account | change))
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")

    return write


def test_google_is_shown_who_we_are(google: type[Google], log_in: Callable[..., None]) -> None:
    log_in(token_uri="http://127.0.0.1/unused", universe_domain="example.test")  # there, accounts sign for themselves
    for _ in range(2):
        port.send("android", replace(WON, token=ANDROID))
    claims = [jwt.decode(bearer, options={"verify_signature": False}) for bearer in google.bearers]
    assert [(each["iss"], each["scope"]) for each in claims] == [
        ("notify@p.iam.gserviceaccount.com", "https://www.googleapis.com/auth/firebase.messaging")
    ] * 2


def test_an_account_that_google_does_not_accept_is_our_fault(
    google: type[Google], log_in: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(token_uri=f"{os.environ['FCM_URL']}/token")
    with pytest.raises(port.PushMisconfigured, match="RefreshError"):
        port.send("android", replace(WON, token=ANDROID))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
    port.close()
    with pytest.raises(port.PushMisconfigured, match="DefaultCredentialsError"):
        port.send("android", replace(WON, token=ANDROID))
    assert google.bearers == []


def test_a_token_endpoint_out_of_reach_delays(google: type[Google], log_in: Callable[..., None]) -> None:
    log_in(token_uri=f"http://127.0.0.1:{free_port()}/token")
    with pytest.raises(port.PushDelayed):
        port.send("android", replace(WON, token=ANDROID))
    assert google.bearers == []
