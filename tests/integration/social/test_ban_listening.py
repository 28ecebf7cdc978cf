"""A ban ends listening: the embedded Firestore has our rules, and no later page reaches an open listener."""

from collections.abc import Callable, Iterator

import pytest

from emulators.contract import ROOT
from emulators.firestore import Firestore
from shared.ports import firestore
from tests.client import FunctionClient
from tests.fakes.chat import Chat, Chatter, text
from tests.fakes.chat_desk import ChatDesk, desk
from tests.fakes.firestore_app import AppClient
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform, environment

pytest_plugins = ["tests.fakes.chat_plugin"]

DONE = 204


@pytest.fixture(autouse=True)
def copies(platform: Platform, database: str) -> Iterator[Firestore]:
    assert database
    server = Firestore(ROOT / "terraform" / "firestore.rules", platform.identity.key_set)
    server.start()
    firestore.close()
    with environment({"FIRESTORE_EMULATOR_HOST": server.host}):
        yield server
    firestore.close()
    server.stop()


@pytest.fixture
def admin(client: Callable[..., FunctionClient]) -> ChatDesk:
    return desk(client)


def listener(who: Chatter, platform: Platform, host: str) -> AppClient:
    app = AppClient(host, platform.identity)
    app.sign_in(str(who.client.post("/v1/realtime/token").body["firebase_token"]))
    return app


def test_after_a_ban_no_page_reaches_the_listener_and_after_a_timeout_each_does(
    chat: Chat, admin: ChatDesk, platform: Platform, copies: Firestore
) -> None:
    invoker, room = FunctionInvoker(platform.invoker_token), chat.channel("whale-room")
    speaker, banned, calmed = chat.member(), chat.member(), chat.member()
    document, pages = f"channels/{room}", f"channels/{room}/shifts"

    def publish(said: str) -> None:
        speaker.posted(room, said)
        chat.sql.execute_simple("UPDATE social_tails SET due_at = NULL")
        assert invoker.event("social_publish", "channel-changed", {"channel_id": str(room)}) == DONE

    publish(text(1))
    theirs, other = (listener(who, platform, copies.host) for who in (banned, calmed))
    assert all(app.reads(f"{pages}/1/pages/1") for app in (theirs, other))
    with theirs.listening(document) as heard:
        assert heard.next_version()
        assert admin.post(f"users/{banned.somebody.id}/ban", {"reason": "threats"}).status == 200
        assert admin.post(f"users/{calmed.somebody.id}/timeout", {"hours": 1, "reason": "calm down"}).status == 200
        revoked = {"member_id": str(banned.somebody.id)}
        assert invoker.event("feed_project", "listener-revoked", revoked) == DONE
        publish(text(2))
        assert heard.next_version() is None  # it is told that it lacks permission
    assert not theirs.reads(f"{pages}/2/pages/2")
    assert other.reads(f"{pages}/2/pages/2")
    # What was written under the shift that the banned member may still listen to is nothing new.
    old = firestore._client().collection(f"{pages}/1/pages").get()
    assert [page.get("last") for page in old] == [1]
    assert not listener(banned, platform, copies.host).reads(document)  # a new token says so, too
