"""firestore.rules on the embedded Firestore's evaluator and, where it is installed, on Google's own rules engine: for
every kind of document who may read it, and that nobody may write.

Tokens are made here as Firebase makes them of our custom tokens: the claims that functions/realtime puts in, beside the
user's id and when they signed in. The embedded Firestore verifies their signature; Google's emulator takes them
without.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

from emulators.firestore import Firestore, OfficialFirestore, find_official
from emulators.identity import Identity
from functions.feed_project import documents
from functions.realtime import main as realtime
from shared import config
from shared.ports import firestore as port
from shared.ports import identity as identity_port
from shared.ports.firestore import Document
from shared.values.tiers import Tier

ROOT = Path(__file__).resolve().parents[2]
PROJECT = "rules"
DATABASE = f"projects/{PROJECT}/databases/(default)"
ROOT_NAME = f"{DATABASE}/documents"
RULES = ROOT / "terraform" / "firestore.rules"
ADA = "6f0d3c1e-52a1-4c8e-9d8c-2f7a0c1b9e10"
EVE = "0d9f8c2e-6c1b-4a53-9f4e-0a7f3b6d5c21"
TAKEN_BACK = "3f9c2b1a-7d5e-4f60-8a1b-0c9d8e7f6a5b"

OWN_NOTIFICATION = f"members/{ADA}/notifications/n1"
OWN_INBOX = f"inboxes/{ADA}"
WHALES = {"standard": "hidden", "vip": "hidden", "high_roller": "view", "whale": "full"}
DOCUMENTS: Mapping[str, dict[str, object]] = {
    OWN_NOTIFICATION: {"title": "Hello"},
    OWN_INBOX: {"unread_count": 1},
    f"members/{TAKEN_BACK}/notifications/n1": {"title": "Hello"},
    f"inboxes/{TAKEN_BACK}": {"unread_count": 1},
    "feed/1": {"text": "Someone won $100!"},
    "votes/flavor": {"status": "active", "ballots": 3},
    "counters/scans": {"total": 500},
    "counters/pools": {"pools": []},
    "counters/figures": {"members": 7},
    "counters/bank": {"bank_balances": []},
    "channels/lounge": {"access": {tier.value: "full" for tier in Tier}, "shift": "open"},
    "channels/lounge/shifts/open/pages/1": {"body": "[]"},
    "channels/news": {"access": {tier.value: "view" for tier in Tier}, "shift": "3"},
    "channels/news/shifts/3/pages/1": {"body": "[]"},
    "channels/whales": {"access": WHALES, "shift": "3"},
    "channels/whales/shifts/2/pages/1": {"body": "[]"},
    "channels/whales/shifts/3/pages/1": {"body": "[]"},
    "channels/unsaid": {"access": {}, "shift": "3"},
    "channels/unsaid/shifts/3/pages/1": {"body": "[]"},
    "secrets/s1": {"of": "nobody"},
    "pages/live": {"of": "nobody"},
    f"members/{ADA}": {"of": "nobody"},
    f"members/{ADA}/drafts/d1": {"of": "nobody"},
}


@dataclass(frozen=True)
class Engine:
    """A Firestore with our rules. `encoded` makes a token of claims that it takes."""

    host: str
    encoded: Callable[[Mapping[str, object]], str]


@dataclass(frozen=True)
class Listener:
    """A client that asks as apps do; `token` is None when nobody is signed in."""

    host: str
    token: str | None

    def may_get(self, path: str) -> bool:
        return self._allowed("get_document", name=f"{ROOT_NAME}/{path}")

    def may_list(self, collection: str) -> bool:
        above, _, name = collection.rpartition("/")
        parent = f"{ROOT_NAME}/{above}".rstrip("/")
        return self._allowed("list_documents", parent=parent, collection_id=name, page_size=10)

    def may_list_channels(self, tier: str, *wanted: str) -> bool:
        """The channels to which a tier has such access."""
        values = {"array_value": {"values": [{"string_value": value} for value in wanted]}}
        where = {"field_filter": {"field": {"field_path": f"access.{tier}"}, "op": "IN", "value": values}}
        query = {"from_": [{"collection_id": "channels"}], "where": where}
        return self._allowed("run_query", parent=ROOT_NAME, structured_query=query)

    def may_write(self, path: str) -> bool:
        """Any of creating, changing and deleting."""
        above, _, name = path.rpartition("/")
        parent, _, collection = f"{ROOT_NAME}/{above}".rpartition("/")
        fields = {"hacked": {"boolean_value": True}}
        document = {"name": f"{ROOT_NAME}/{path}", "fields": fields}
        return any(
            (
                self._allowed("update_document", document=document),
                self._allowed("create_document", parent=parent, collection_id=collection,
                              document_id=f"{name}-new", document={"fields": fields}),
                self._allowed("delete_document", name=f"{ROOT_NAME}/{path}"),
                self._allowed("commit", database=DATABASE, writes=[{"delete": f"{ROOT_NAME}/{path}"}]),
            )
        )  # fmt: skip

    def _allowed(self, method: str, **request: object) -> bool:
        metadata = [("authorization", f"Bearer {self.token}")] if self.token else []
        with grpc.insecure_channel(self.host) as channel:
            client = FirestoreClient(transport=FirestoreGrpcTransport(channel=channel))
            try:
                answer = getattr(client, method)(request=request, metadata=metadata, retry=None, timeout=10)
                if method == "run_query":
                    list(answer)
            except exceptions.PermissionDenied:
                return False
        return True


@pytest.fixture(scope="module", params=["embedded", "official"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Each with our rules, and a document of each kind, written as functions do."""
    server: Firestore | OfficialFirestore
    if request.param == "embedded":
        identity = Identity()
        server, encoded = Firestore(RULES, identity.key_set), identity.sign
    else:
        installation = find_official()
        if installation is None:
            pytest.skip("Google's Firestore emulator (or Java) is not installed here")
        log = tmp_path_factory.mktemp("rules") / "firestore.log"
        server, encoded = OfficialFirestore(installation, log, RULES), unsigned
    server.start()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("FIRESTORE_EMULATOR_HOST", server.host)
        environment.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
        port.close()
        revoked = documents.revocation_document(UUID(TAKEN_BACK), datetime.now(UTC))
        port.put_newer([*(Document(path, 1, fields) for path, fields in DOCUMENTS.items()), revoked])
        port.close()
    yield Engine(server.host, encoded)
    server.stop()


def unsigned(claims: Mapping[str, object]) -> str:
    """As Google's emulator takes them."""
    return ".".join(_part(part) for part in ({"alg": "none", "typ": "JWT"}, claims)) + "."


def token(
    engine: Engine,
    member: str,
    tier: Tier = Tier.STANDARD,
    *,
    age: timedelta = timedelta(minutes=1),
    quarter_left: timedelta = timedelta(days=1),
    after: Tier = Tier.STANDARD,
    may_chat: bool = True,
    forged: Mapping[str, object] | None = None,
) -> str:
    """The ID token that Firebase makes now of our custom token, which was issued `age` ago."""
    signed: dict[str, Any] = {}

    def remember(_: str, claims: Mapping[str, object]) -> str:
        signed.update(claims)
        return "signed"

    now = datetime.now(UTC)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FIREBASE_SERVICE_ACCOUNT", "firebase@blakjaks.iam.gserviceaccount.com")
        patched.setattr(identity_port, "sign_jwt", remember)
        config.read.cache_clear()
        realtime.sign(
            realtime.Listener(
                member_id=UUID(member),
                tier=tier,
                issued_at=now - age,
                tier_ends_at=now + quarter_left,
                tier_after=after,
                may_chat=may_chat,
            )
        )
        config.read.cache_clear()
    exchanged_at = int(now.timestamp())
    claims = {
        "iss": f"https://securetoken.google.com/{PROJECT}", "aud": PROJECT, "sub": signed["uid"],
        "user_id": signed["uid"], "auth_time": exchanged_at, "iat": exchanged_at, "exp": exchanged_at + 3600,
        "firebase": {"sign_in_provider": "custom", "identities": {}}, **signed["claims"], **(forged or {}),
    }  # fmt: skip
    return engine.encoded(claims)


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture
def ada(engine: Engine) -> Listener:
    return Listener(engine.host, token(engine, ADA))


@pytest.fixture
def eve(engine: Engine) -> Listener:
    return Listener(engine.host, token(engine, EVE))


@pytest.fixture
def nobody(engine: Engine) -> Listener:
    return Listener(engine.host, None)


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


def test_a_vote_is_for_whoever_is_signed_in_and_votes_are_not_listed(ada: Listener, nobody: Listener) -> None:
    assert ada.may_get("votes/flavor")
    assert not ada.may_list("votes")
    assert not nobody.may_get("votes/flavor")


def test_the_counter_is_for_everybody_and_is_not_listed(ada: Listener, nobody: Listener) -> None:
    for listener in (ada, nobody):
        assert listener.may_get("counters/scans")
        assert not listener.may_list("counters")


def test_other_figures_are_for_whoever_is_signed_in(ada: Listener, nobody: Listener) -> None:
    for path in ("counters/pools", "counters/figures", "counters/bank"):
        assert ada.may_get(path)
        assert not nobody.may_get(path)


@pytest.mark.parametrize("tier", list(Tier))
def test_a_channel_is_read_by_the_tiers_that_it_names(engine: Engine, tier: Tier) -> None:
    listener = Listener(engine.host, token(engine, EVE, tier))
    for channel, allowed in {
        "lounge": True, "news": True, "whales": tier.at_least(Tier.HIGH_ROLLER), "unsaid": False, "missing": False,
    }.items():  # fmt: skip
        pages = f"channels/{channel}/shifts/3/pages"
        assert listener.may_list(pages) == (allowed and channel != "lounge"), channel
        if channel not in ("missing", "lounge"):
            assert listener.may_get(f"channels/{channel}") == allowed, channel
            assert listener.may_get(f"{pages}/1") == allowed, channel
    assert not listener.may_list("channels")
    assert listener.may_list_channels(tier.value, "full", "view")
    assert not listener.may_list_channels(tier.value, "full", "view", "hidden")


def test_pages_of_a_shift_that_is_over_are_for_nobody(engine: Engine) -> None:
    whale = Listener(engine.host, token(engine, EVE, Tier.WHALE))
    assert whale.may_list("channels/whales/shifts/3/pages")
    assert not whale.may_list("channels/whales/shifts/2/pages")
    assert not whale.may_get("channels/whales/shifts/2/pages/1")


def test_pages_of_a_channel_for_everybody_are_read_without_a_look_at_a_document(ada: Listener, engine: Engine) -> None:
    """By the token alone: a revocation, which is a document, ends nobody's listening there before the hour is over."""
    assert ada.may_list("channels/lounge/shifts/open/pages")
    assert ada.may_get("channels/lounge/shifts/open/pages/1")
    before = Listener(engine.host, token(engine, TAKEN_BACK, age=timedelta(minutes=5)))
    assert before.may_list("channels/lounge/shifts/open/pages")
    old = Listener(engine.host, token(engine, ADA, age=timedelta(minutes=61)))
    assert not old.may_list("channels/lounge/shifts/open/pages")


def test_who_was_banned_reads_no_channel_and_no_page(engine: Engine) -> None:
    banned = Listener(engine.host, token(engine, EVE, Tier.WHALE, may_chat=False))
    assert banned.may_get("feed/1")
    for path in ("channels/lounge", "channels/whales", "channels/lounge/shifts/open/pages/1"):
        assert not banned.may_get(path), path
    assert not banned.may_list("channels/whales/shifts/3/pages")


def test_channels_are_for_nobody_who_is_not_signed_in(nobody: Listener) -> None:
    for channel, shift in (("lounge", "open"), ("news", "3"), ("whales", "3")):
        assert not nobody.may_get(f"channels/{channel}")
        assert not nobody.may_list(f"channels/{channel}/shifts/{shift}/pages")


def test_a_tier_that_is_none_reads_no_channel(engine: Engine) -> None:
    for tier in ("", "owner", "access", None, ["whale"]):
        assert not Listener(engine.host, token(engine, EVE, forged={"tier": tier})).may_get("channels/lounge"), tier


def test_a_tier_is_believed_until_its_quarter_ends(engine: Engine) -> None:
    for left, after, allowed in (
        (timedelta(minutes=1), Tier.STANDARD, True),
        (-timedelta(seconds=1), Tier.STANDARD, False),
        (-timedelta(seconds=1), Tier.HIGH_ROLLER, True),
    ):
        made = token(engine, EVE, Tier.WHALE, quarter_left=left, after=after)
        assert Listener(engine.host, made).may_get("channels/whales") == allowed, (left, after)


def test_a_token_is_believed_for_an_hour_from_its_issue_on(engine: Engine) -> None:
    """However late it was exchanged, and however new the ID token is."""
    assert Listener(engine.host, token(engine, ADA, age=timedelta(minutes=59))).may_get(OWN_INBOX)
    old = Listener(engine.host, token(engine, ADA, age=timedelta(minutes=61)))
    for path in (OWN_INBOX, OWN_NOTIFICATION, "feed/1", "channels/lounge"):
        assert not old.may_get(path), path


def test_a_token_that_was_issued_before_the_revocation_is_not_believed_however_late_it_is_exchanged(
    engine: Engine,
) -> None:
    before = Listener(engine.host, token(engine, TAKEN_BACK, Tier.WHALE, age=timedelta(minutes=5)))
    after = Listener(engine.host, token(engine, TAKEN_BACK, age=-timedelta(seconds=30)))
    for path in (f"inboxes/{TAKEN_BACK}", f"members/{TAKEN_BACK}/notifications/n1", "feed/1", "channels/lounge"):
        assert not before.may_get(path), path
        assert after.may_get(path), path
    assert before.may_get("counters/scans")


def test_a_token_that_is_not_made_of_ours_is_not_believed(engine: Engine) -> None:
    moment = int(datetime.now(UTC).timestamp())
    for claims in ({"member_id": EVE}, {"member_id": None}, {"issued_ms": None}, {"issued_ms": str(moment * 1000)}):
        stranger = Listener(engine.host, token(engine, ADA, forged=claims))
        assert not stranger.may_get(OWN_INBOX), claims
        assert not stranger.may_get("feed/1"), claims


def test_what_no_rule_names_is_nobodys(ada: Listener, nobody: Listener) -> None:
    paths = (
        "secrets/s1",
        "pages/live",
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
def test_nobody_writes(engine: Engine, path: str) -> None:
    for listener in (Listener(engine.host, token(engine, ADA, Tier.WHALE)), Listener(engine.host, None)):
        assert not listener.may_write(path)
