"""firestore.rules on Google's own rules engine: for every kind of document who may read it, and that nobody may write.

The emulator takes tokens without a signature, made here as Firebase makes them of our custom tokens: the claims that
functions/realtime puts in, beside the user's id and when they signed in.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import UUID

import pytest

from emulators.firestore import OfficialFirestore, find_official
from functions.feed_project import documents
from functions.realtime import main as realtime
from shared import config
from shared.ports import firestore as port
from shared.ports import identity
from shared.ports.firestore import Document
from shared.tiers import Tier

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "rules"
ADA = "6f0d3c1e-52a1-4c8e-9d8c-2f7a0c1b9e10"
EVE = "0d9f8c2e-6c1b-4a53-9f4e-0a7f3b6d5c21"
TAKEN_BACK = "3f9c2b1a-7d5e-4f60-8a1b-0c9d8e7f6a5b"

OWN_NOTIFICATION = f"members/{ADA}/notifications/n1"
OWN_INBOX = f"inboxes/{ADA}"
DOCUMENTS: Mapping[str, dict[str, object]] = {
    OWN_NOTIFICATION: {"title": "Hello"},
    OWN_INBOX: {"unread_count": 1},
    f"members/{TAKEN_BACK}/notifications/n1": {"title": "Hello"},
    f"inboxes/{TAKEN_BACK}": {"unread_count": 1},
    "feed/1": {"text": "Someone won $100!"},
    "counters/scans": {"total": 500},
    "channels/lounge": {"access": {tier.value: "full" for tier in Tier}},
    "channels/lounge/messages/m1": {"text": "Hi"},
    "channels/news": {"access": {tier.value: "view" for tier in Tier}},
    "channels/news/messages/m1": {"text": "Hi"},
    "channels/whales": {"access": {"standard": "hidden", "vip": "hidden", "high_roller": "view", "whale": "full"}},
    "channels/whales/messages/m1": {"text": "Hi"},
    "channels/unsaid": {"access": {}},
    "channels/unsaid/messages/m1": {"text": "Hi"},
    "secrets/s1": {"of": "nobody"},
    f"members/{ADA}": {"of": "nobody"},
    f"members/{ADA}/drafts/d1": {"of": "nobody"},
}


@dataclass(frozen=True)
class Listener:
    """Whoever asks; `token` is None for nobody."""

    host: str
    token: str | None

    def status(self, method: str, path: str, body: object = None) -> int:
        address = f"http://{self.host}/v1/projects/{PROJECT}/databases/(default)/documents{path}"
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        data = json.dumps(body).encode() if body is not None else None
        asked = Request(address, data, headers, method=method)
        try:
            with urlopen(asked, timeout=10) as answer:  # noqa: S310
                return int(answer.status)
        except HTTPError as refusal:
            with refusal:
                return refusal.code

    def may_get(self, path: str) -> bool:
        return self._allowed(self.status("GET", f"/{path}"))

    def may_list(self, collection: str) -> bool:
        return self._allowed(self.status("GET", f"/{collection}?pageSize=10"))

    def may_list_channels(self, tier: str, *wanted: str) -> bool:
        """Those to which a tier has such access."""
        field = {"fieldPath": f"access.{tier}"}
        values = {"arrayValue": {"values": [{"stringValue": value} for value in wanted]}}
        query = {"from": [{"collectionId": "channels"}], "where": {"fieldFilter": {
            "field": field, "op": "IN", "value": values,
        }}}  # fmt: skip
        return self._allowed(self.status("POST", ":runQuery", {"structuredQuery": query}))

    def may_write(self, path: str) -> bool:
        """Any of creating, changing and deleting."""
        parent, _, name = path.rpartition("/")
        fields = {"fields": {"hacked": {"booleanValue": True}}}
        return any(
            self._allowed(status)
            for status in (
                self.status("PATCH", f"/{path}", fields),
                self.status("POST", f"/{parent}?documentId={name}-new", fields),
                self.status("DELETE", f"/{path}"),
            )
        )

    @staticmethod
    def _allowed(status: int) -> bool:
        assert status in (200, 403), status
        return status == 200


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator with our rules, and a document of each kind, written as functions do."""
    installation = find_official()
    if installation is None:
        pytest.skip("the rules engine is in Google's Firestore emulator, which (or Java) is not installed here")
    log = tmp_path_factory.mktemp("rules") / "firestore.log"
    server = OfficialFirestore(installation, log, ROOT / "terraform" / "firestore.rules")
    server.start()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FIRESTORE_EMULATOR_HOST", server.host)
        environment.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
        port.close()
        revoked = documents.revocation_document(UUID(TAKEN_BACK), datetime.now(UTC))
        port.put_newer([*(Document(path, 1, fields) for path, fields in DOCUMENTS.items()), revoked])
        port.close()
    yield server.host
    server.stop()


def token(member: str, tier: Tier = Tier.STANDARD, age: timedelta = timedelta(minutes=1)) -> str:
    """The ID token that Firebase makes of our custom token, `age` after the sign-in."""
    signed: dict[str, Any] = {}

    def remember(_: str, claims: Mapping[str, object]) -> str:
        signed.update(claims)
        return "signed"

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FIREBASE_SERVICE_ACCOUNT", "firebase@blakjaks.iam.gserviceaccount.com")
        patched.setattr(identity, "sign_jwt", remember)
        config.read.cache_clear()
        realtime.sign(realtime.Listener(member_id=UUID(member), tier=tier, issued_at=datetime.now(UTC)))
        config.read.cache_clear()
    signed_in_at = int((datetime.now(UTC) - age).timestamp())
    claims = {
        "iss": f"https://securetoken.google.com/{PROJECT}", "aud": PROJECT, "sub": signed["uid"],
        "user_id": signed["uid"], "auth_time": signed_in_at, "iat": signed_in_at,
        "exp": int(datetime.now(UTC).timestamp()) + 3600, "firebase": {"sign_in_provider": "custom", "identities": {}},
        **signed["claims"],
    }  # fmt: skip
    return ".".join(_part(part) for part in ({"alg": "none", "typ": "JWT"}, claims)) + "."


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture
def ada(host: str) -> Listener:
    return Listener(host, token(ADA))


@pytest.fixture
def eve(host: str) -> Listener:
    return Listener(host, token(EVE))


@pytest.fixture
def nobody(host: str) -> Listener:
    return Listener(host, None)


def test_notifications_are_their_members(ada: Listener, eve: Listener, nobody: Listener) -> None:
    notifications = OWN_NOTIFICATION.rpartition("/")[0]
    assert ada.may_get(OWN_NOTIFICATION)
    assert ada.may_list(notifications)
    for other in (eve, nobody):
        assert not other.may_get(OWN_NOTIFICATION)
        assert not other.may_list(notifications)


def test_the_unread_count_is_its_members_and_nobody_lists_them(ada: Listener, eve: Listener, nobody: Listener) -> None:
    assert ada.may_get(OWN_INBOX)
    assert not ada.may_list("inboxes")
    assert not eve.may_get(OWN_INBOX)
    assert not nobody.may_get(OWN_INBOX)


def test_the_feed_is_for_whoever_is_signed_in(ada: Listener, nobody: Listener) -> None:
    assert ada.may_get("feed/1")
    assert ada.may_list("feed")
    assert not nobody.may_get("feed/1")
    assert not nobody.may_list("feed")


def test_the_counter_is_for_everybody_and_is_not_listed(ada: Listener, nobody: Listener) -> None:
    for listener in (ada, nobody):
        assert listener.may_get("counters/scans")
        assert not listener.may_list("counters")


@pytest.mark.parametrize("tier", list(Tier))
def test_a_channel_is_read_by_the_tiers_that_it_names(host: str, tier: Tier) -> None:
    listener = Listener(host, token(EVE, tier))
    for channel, allowed in {
        "lounge": True, "news": True, "whales": tier.at_least(Tier.HIGH_ROLLER), "unsaid": False, "missing": False,
    }.items():  # fmt: skip
        assert listener.may_list(f"channels/{channel}/messages") == allowed, channel
        if channel != "missing":
            assert listener.may_get(f"channels/{channel}") == allowed, channel
            assert listener.may_get(f"channels/{channel}/messages/m1") == allowed, channel
    assert not listener.may_list("channels")
    assert listener.may_list_channels(tier.value, "full", "view")
    assert not listener.may_list_channels(tier.value, "full", "view", "hidden")


def test_channels_are_for_nobody_who_is_not_signed_in(nobody: Listener) -> None:
    for channel in ("lounge", "news", "whales"):
        assert not nobody.may_get(f"channels/{channel}")
        assert not nobody.may_list(f"channels/{channel}/messages")


def test_a_tier_that_is_none_reads_no_channel(host: str) -> None:
    for tier in ("", "owner", "access", None, ["whale"]):
        assert not Listener(host, _with(token(EVE), tier=tier)).may_get("channels/lounge"), tier


def test_a_sign_in_is_believed_for_an_hour(host: str) -> None:
    assert Listener(host, token(ADA, age=timedelta(minutes=58))).may_get(OWN_INBOX)
    old = Listener(host, token(ADA, age=timedelta(minutes=61)))
    assert not old.may_get(OWN_INBOX)
    assert not old.may_get(OWN_NOTIFICATION)
    assert not old.may_get("feed/1")
    assert not old.may_get("channels/lounge")


def test_a_token_of_before_the_revocation_is_not_believed(host: str) -> None:
    before = Listener(host, token(TAKEN_BACK, Tier.WHALE, age=timedelta(minutes=5)))
    after = Listener(host, token(TAKEN_BACK, age=-timedelta(seconds=30)))
    for path in (f"inboxes/{TAKEN_BACK}", f"members/{TAKEN_BACK}/notifications/n1", "feed/1", "channels/lounge"):
        assert not before.may_get(path), path
        assert after.may_get(path), path
    assert before.may_get("counters/scans")


def test_a_token_that_is_not_made_of_ours_is_not_believed(host: str) -> None:
    for claims in ({"member_id": EVE}, {"member_id": None}):
        assert not Listener(host, _with(token(ADA), **claims)).may_get(OWN_INBOX)
        assert not Listener(host, _with(token(ADA), **claims)).may_get("feed/1")


def test_what_no_rule_names_is_nobodys(ada: Listener, nobody: Listener) -> None:
    paths = (
        "secrets/s1",
        f"members/{ADA}",
        f"members/{ADA}/drafts/d1",
        f"revocations/{TAKEN_BACK}",
        f"revocations/{ADA}",
    )
    for listener in (ada, nobody):
        for path in paths:
            assert not listener.may_get(path), path
            assert not listener.may_list(path.rpartition("/")[0]), path


@pytest.mark.parametrize("path", [*DOCUMENTS, f"revocations/{ADA}", f"members/{ADA}/notifications/new"])
def test_nobody_writes(host: str, path: str) -> None:
    for listener in (Listener(host, token(ADA, Tier.WHALE)), Listener(host, None)):
        assert not listener.may_write(path)


def _with(made: str, **claims: object) -> str:
    """The same token with other claims."""
    header, content, _ = made.split(".")
    return f"{header}.{_part(json.loads(base64.urlsafe_b64decode(content + '==')) | claims)}."
