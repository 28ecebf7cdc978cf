"""The embedded Firestore's evaluator of security rules means what Google's does, and refuses what it does not know."""

import base64
import json
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.firestore import Client
from google.cloud.firestore_v1 import types
from google.cloud.firestore_v1.services.firestore import FirestoreClient
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcTransport

from emulators.firestore import Firestore, OfficialFirestore, find_official
from emulators.firestore.rules import Asked, Resource, Rules, RulesNotUnderstood
from emulators.identity import Identity
from tests.contract.firestore_world import new_client

PROJECT = "evaluated"
DATABASE = f"projects/{PROJECT}/databases/(default)"
CLAIMS: Mapping[str, object] = {"tier": "vip", "level": 3, "share": 0.5, "tags": ["a", "b"], "is_new": True}
FIELDS: Mapping[str, object] = {
    "name": "Ada", "count": 3, "rate": 0.5, "open": True, "none": None, "at": datetime(2026, 11, 22, tzinfo=UTC),
    "tags": ["a", "b"], "access": {"vip": "full", "standard": "hidden"},
}  # fmt: skip

# Each is the condition of a rule for the document FIELDS, read by somebody with CLAIMS.
ALLOWED = (
    "true",
    "resource.data.name == 'Ada'",
    'resource.data["name"] == "Ada"',
    "resource.data.count == 3.0",
    "resource.data.count != '3'",
    "!(resource.data.open == 1)",
    "resource.data.none == null",
    "resource.data.count * 2 + 1 - 4 == 3",
    "-resource.data.count == -3",
    "resource.data.name + '!' == 'Ada!'",
    "resource.data.count >= 3 && resource.data.count <= 3 && !(resource.data.count > 3) && !(resource.data.count < 3)",
    "'Ada' < 'Bob'",
    "resource.data.at < request.time",
    "resource.data.at == timestamp.value(1795305600000)",
    "resource.data.at + duration.value(1, 'h') > resource.data.at",
    "request.time - resource.data.at > duration.value(-1, 's') || true",
    "timestamp.value(request.auth.token.level * 1000) < request.time",
    "'a' in resource.data.tags && !('c' in resource.data.tags)",
    "'vip' in resource.data.access && !('whale' in resource.data.access)",
    "request.auth.token.tier in ['vip', 'whale']",
    "resource.data.access.get(request.auth.token.tier, 'hidden') == 'full'",
    "resource.data.access.get('whale', 'hidden') == 'hidden'",
    "resource.data.access.vip == 'full' && resource.data.access['standard'] == 'hidden'",
    "resource.data.name is string && resource.data.count is int && resource.data.count is number",
    "resource.data.rate is float && resource.data.open is bool && resource.data.at is timestamp",
    "resource.data.tags is list && resource.data.access is map && !(resource.data.name is int)",
    "request.auth != null && request.auth.uid == 'ada'",
    "request.auth.token.is_new",
    "request.auth.token.share == 0.5",
    "resource.data.count > 2 ? resource.data.open : false",
    "resource.data.count > 9 ? false : true",
    # An error is outweighed by a side that decides.
    "resource.data.missing == 1 || true",
    "true || resource.data.missing == 1",
    "!(false && resource.data.missing == 1)",
    "!(resource.data.missing == 1 && false)",
    "get(/databases/$(database)/documents/nowhere/a).data.x == 1 || true",
    "exists(/databases/$(database)/documents/others/a)",
    "!exists(/databases/$(database)/documents/others/b)",
    "get(/databases/$(database)/documents/others/a).data.owner == request.auth.uid",
    "get(/databases/$(database)/documents/others/$(resource.data.tags[0])).data.owner == 'ada'",
    "isVip() && isNamed('Ada')",
    "longer(2)",
    "thing == 'a'",
)
DENIED = (
    "resource.data.tags[2] == 'c'",
    "resource.data.tags['a'] == 'a'",
    "false",
    "null == false",
    "resource.data.count",
    "'true'",
    "resource.data.missing == null",
    "resource.data.missing != 1",
    "!resource.data.missing",
    "!resource.data.count == 1",
    "resource.data.name > 1",
    "resource.data.name + 1 == 'Ada1'",
    "resource.data.none.anything == null",
    "resource.data.name.anything == null",
    "'a' in resource.data.name",
    "resource.data.missing.get('a', 'b') == 'b'",
    "resource.data.missing == 1 || false",
    "true && resource.data.missing == 1",
    "resource.data.missing == 1 ? true : true",
    "get(/databases/$(database)/documents/nowhere/a).data.x == 1",
    "timestamp.value(resource.data.name) < request.time",
    "request.auth.token.absent == 'x'",
    "isNamed('Eve')",
    "longer(3)",
)
CASES = [*((text, True) for text in ALLOWED), *((text, False) for text in DENIED)]
FUNCTIONS = """
    function isVip() { return request.auth.token.tier == 'vip'; }
    function isNamed(name) { return resource.data.name == name; }
    function longer(count) {
      let doubled = count * 2;
      let more = doubled - count;
      return resource.data.count > more;
    }
"""
LISTED = "match /listed/{thing} { allow list: if resource.data.access.vip in ['full', 'view']; }"
NAMED = "match /named/{thing} { allow list: if thing != 'a'; allow get: if thing != 'b'; }"
KEPT = "match /kept/{thing} { allow read: if !exists(/databases/$(database)/documents/taken/$(request.auth.uid)); }"


def service(*matches: str, functions: str = "") -> str:
    inner = "\n".join(matches)
    return f"""
        rules_version = '2';
        service cloud.firestore {{
          match /databases/{{database}}/documents {{
            {functions}
            {inner}
          }}
        }}
    """


RULES = service(
    *(f"match /case{number}/{{thing}} {{ allow get: if {text}; }}" for number, (text, _) in enumerate(CASES)),
    LISTED,
    NAMED,
    KEPT,
    functions=FUNCTIONS,
)


@dataclass(frozen=True)
class Engine:
    """A Firestore with RULES; `token` makes what somebody with these claims shows."""

    client: Client
    host: str
    token: Callable[[Mapping[str, object]], str]

    def api(self) -> FirestoreClient:
        return FirestoreClient(transport=FirestoreGrpcTransport(channel=grpc.insecure_channel(self.host)))

    def allows(self, method: str, shown: str | None, **request: object) -> bool:
        metadata = [("authorization", f"Bearer {shown}")] if shown else []
        try:
            answer = getattr(self.api(), method)(request=request, metadata=metadata, retry=None, timeout=10)
            if method == "run_query":
                list(answer)
        except exceptions.PermissionDenied:
            return False
        return True

    def lists(self, collection: str, where: Mapping[str, object] | None = None) -> bool:
        query = {"from_": [{"collection_id": collection}], **({"where": where} if where else {})}
        return self.allows("run_query", self.token(CLAIMS), parent=f"{DATABASE}/documents", structured_query=query)


@pytest.fixture(scope="module", params=["embedded", "official"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("rules")
    rules = folder / "firestore.rules"
    rules.write_text(RULES)
    server: Firestore | OfficialFirestore
    if request.param == "embedded":
        identity = Identity()
        server, sign = Firestore(rules, identity.key_set), identity.sign
    else:
        installation = find_official()
        if installation is None:
            pytest.skip("Google's Firestore emulator (or Java) is not installed here")
        server, sign = OfficialFirestore(installation, folder / "log", rules), unsigned
    server.start()
    with new_client(server.host, PROJECT) as client:
        batch = client.batch()
        for number in range(len(CASES)):
            batch.set(client.document(f"case{number}/a"), dict(FIELDS))
        batch.set(client.document("others/a"), {"owner": "ada"})
        batch.set(client.document("listed/a"), {"access": {"vip": "full"}})
        batch.set(client.document("kept/a"), {"text": "hello"})
        batch.commit()
        yield Engine(client, server.host, lambda claims: sign(id_token(claims)))
    server.stop()


def id_token(claims: Mapping[str, object], **other: object) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": f"https://securetoken.google.com/{PROJECT}", "aud": PROJECT, "sub": "ada", "user_id": "ada",
        "auth_time": now, "iat": now, "exp": now + 3600, "firebase": {"sign_in_provider": "custom", "identities": {}},
        **claims, **other,
    }  # fmt: skip


def unsigned(claims: Mapping[str, object]) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def test_every_expression_decides_as_it_is_said_to(engine: Engine) -> None:
    shown, api = engine.token(CLAIMS), engine.api()
    wrong = []
    for number, (text, allowed) in enumerate(CASES):
        request = {"name": f"{DATABASE}/documents/case{number}/a"}
        try:
            api.get_document(request, metadata=[("authorization", f"Bearer {shown}")], retry=None, timeout=10)
            decided = True
        except exceptions.PermissionDenied:
            decided = False
        if decided != allowed:
            wrong.append(text)
    assert wrong == []


def test_nobody_has_no_claims(engine: Engine) -> None:
    for number in (CASES.index(("request.auth.token.is_new", True)), CASES.index(("isVip() && isNamed('Ada')", True))):
        assert not engine.allows("get_document", None, name=f"{DATABASE}/documents/case{number}/a")


EQUAL_FULL = {"field_filter": {"field": {"field_path": "access.vip"}, "op": "EQUAL", "value": {"string_value": "full"}}}
EQUAL_HIDDEN = {"field_filter": {**EQUAL_FULL["field_filter"], "value": {"string_value": "hidden"}}}
OF_ANOTHER = {"field_filter": {**EQUAL_FULL["field_filter"], "field": {"field_path": "access.whale"}}}


def test_a_list_is_allowed_when_everything_that_it_may_find_is(engine: Engine) -> None:
    both = {"composite_filter": {"op": "AND", "filters": [EQUAL_FULL, OF_ANOTHER]}}
    for where, allowed in ((None, False), (EQUAL_FULL, True), (EQUAL_HIDDEN, False), (OF_ANOTHER, False), (both, True)):
        assert engine.lists("listed", where) == allowed, where


def test_the_ids_of_a_list_are_not_known(engine: Engine) -> None:
    assert not engine.lists("named")


def test_of_a_document_that_does_not_exist_its_name_is_known(engine: Engine) -> None:
    shown = engine.token(CLAIMS)
    assert not engine.allows("get_document", shown, name=f"{DATABASE}/documents/named/b")
    with pytest.raises(exceptions.NotFound):
        engine.allows("get_document", shown, name=f"{DATABASE}/documents/named/c")


def test_a_group_of_collections_is_nobodys(engine: Engine) -> None:
    query = {"from_": [{"collection_id": "kept", "all_descendants": True}]}
    shown = engine.token(CLAIMS)
    assert not engine.allows("run_query", shown, parent=f"{DATABASE}/documents", structured_query=query)


class Removed(Exception):
    """The target was taken away for want of permission."""


class ListenStream:
    """A Listen stream of a client; what its target was told, in short."""

    def __init__(self, engine: Engine, *documents: str, collection: str = "") -> None:
        self._requests: queue.SimpleQueue[types.ListenRequest | None] = queue.SimpleQueue()
        metadata = [("authorization", f"Bearer {engine.token(CLAIMS)}"), ("google-cloud-resource-prefix", DATABASE)]
        listen: Any = engine.api()._transport.listen  # the client leaves it half typed
        self._call = listen(iter(self._requests.get, None), metadata=metadata, timeout=10)
        target: dict[str, Any] = {"target_id": 2}
        if documents:
            target["documents"] = {"documents": [f"{DATABASE}/documents/{path}" for path in documents]}
        else:
            query = {"from_": [{"collection_id": collection}]}
            target["query"] = {"parent": f"{DATABASE}/documents", "structured_query": query}
        self._requests.put(types.ListenRequest(database=DATABASE, add_target=target))

    def until_current(self) -> list[str]:
        """The documents' texts that come before the target is up to date."""
        texts = []
        for message in self._call:
            if message.document_change.document.name:
                texts.append(message.document_change.document.fields["text"].string_value)
            if message.target_change.target_change_type == types.TargetChange.TargetChangeType.CURRENT:
                return texts
            self._refuse(message)
        raise AssertionError("the stream ended")

    def next_text(self) -> str:
        for message in self._call:
            self._refuse(message)
            if message.document_change.document.name:
                return str(message.document_change.document.fields["text"].string_value)
        raise AssertionError("the stream ended")

    def close(self) -> None:
        self._requests.put(None)
        self._call.cancel()

    @staticmethod
    def _refuse(message: Any) -> None:
        change = message.target_change
        if change.target_change_type == types.TargetChange.TargetChangeType.REMOVE:
            assert change.cause.code == grpc.StatusCode.PERMISSION_DENIED.value[0]
            raise Removed


@pytest.mark.parametrize("collection", ["", "kept"])
def test_an_open_listener_ends_with_the_first_change_after_what_it_rests_on_is_taken(
    engine: Engine, collection: str
) -> None:
    """Google's emulator does so; whether the service does is not documented."""
    engine.client.document("taken/ada").delete()
    engine.client.document("kept/a").set({"text": "hello"})
    stream = ListenStream(engine, *(() if collection else ("kept/a",)), collection=collection)
    assert stream.until_current() == ["hello"]
    engine.client.document("kept/a").set({"text": "more"})
    assert stream.next_text() == "more"

    engine.client.document("taken/ada").set({})
    engine.client.document("kept/a").set({"text": "secret"})
    with pytest.raises(Removed):
        stream.next_text()
    stream.close()

    with pytest.raises(Removed):
        ListenStream(engine, "kept/a").until_current()


UNKNOWN = (
    "resource.id == 'a'",
    "request.method == 'get'",
    "request.resource.data.a == 1",
    "request.query.limit < 5",
    "resource.data.keys().hasAny(['a'])",
    "resource.data.name.matches('A.*')",
    "resource.data.tags.hasOnly(['a'])",
    "resource.data.count % 2 == 1",
    "resource.data.count / 2 == 1",
    "getAfter(/databases/$(database)/documents/a/b).data.x == 1",
    "math.abs(resource.data.count) == 3",
    "duration.value(1, 'y') > duration.value(1, 's')",
    "resource.data.a is latlng",
    "isAnybody()",
    "isNamed()",
    "anything",
    "resource.data.tags[0:1] == ['a']",
)


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_it_does_not_know_it_refuses(text: str) -> None:
    """When the rules are loaded; or, when only then it can be known, when they are asked."""
    rules = service(f"match /things/{{thing}} {{ allow get: if {text}; }}", functions=FUNCTIONS)
    asked = Asked(
        method="get",
        path=("databases", "(default)", "documents", "things", "a"),
        resources=[Resource(dict(FIELDS) | {"a": 1})],
        auth={"uid": "ada", "token": CLAIMS},
        time=datetime.now(UTC),
        find=lambda _: None,
    )
    with pytest.raises(RulesNotUnderstood):
        Rules(rules).allow(asked)


@pytest.mark.parametrize(
    "rules",
    [
        "",
        "rules_version = '1'; service cloud.firestore {}",
        "rules_version = '2'; service firebase.storage {}",
        service("match /a/{b=**} { allow read: if true; }"),
        service("match /a/{b} { allow write: if true; }"),
        service("match /a/{b} { allow read, create: if true; }"),
        service("match /a/{b} { allow read; }"),
        service("match /a/{b} { allow read: if true }"),
        service("match /a/{b} { allow read: if 'unclosed; }"),
        service("match /a/{b} { deny read: if true; }"),
        service("match /a/{b} { allow read: if true; } }"),
        service("match /a/{b} { allow read: if a ~ b; }"),
    ],
)
def test_rules_of_another_kind_are_not_loaded(rules: str) -> None:
    with pytest.raises(RulesNotUnderstood):
        Rules(rules)


def test_a_token_that_firebase_did_not_make_is_refused(tmp_path: Path) -> None:
    """Google's emulator takes any; the service refuses them as this does."""
    rules = tmp_path / "firestore.rules"
    rules.write_text(service("match /open/{thing} { allow get: if true; }"))
    identity = Identity()
    server = Firestore(rules, identity.key_set)
    server.start()
    with new_client(server.host, PROJECT) as client:
        client.document("open/a").set({})
        made = Engine(client, server.host, lambda claims: identity.sign(id_token(claims)))
        past = int(time.time()) - 1
        forged = (
            Identity().sign(id_token(CLAIMS)),
            unsigned(id_token(CLAIMS)),
            identity.sign(id_token(CLAIMS, exp=past)),
            identity.sign(id_token(CLAIMS, iss="https://accounts.google.com")),
            identity.sign({name: value for name, value in id_token(CLAIMS).items() if name != "auth_time"}),
            "no.token.atall",
        )
        assert made.allows("get_document", made.token(CLAIMS), name=f"{DATABASE}/documents/open/a")
        for shown in forged:
            with pytest.raises(exceptions.Unauthenticated):
                made.allows("get_document", shown, name=f"{DATABASE}/documents/open/a")
    server.stop()
