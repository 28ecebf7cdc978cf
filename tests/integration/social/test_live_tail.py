"""The live tail: pages for listeners show what the database says, whoever writes them, late, twice or side by side."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import jwt
import pytest
from google.cloud.firestore import Client as Copies

from emulators.contract import ROOT
from emulators.firestore import Firestore
from functions.member_erase import store as erasing
from functions.social_publish import documents, publishing, rules, store
from shared import clock, db
from shared.members import listeners as rights
from shared.ports import firestore
from shared.values.tiers import Tier, quarter_ends_at, quarter_of
from tests.fakes.chat import Chat, Chatter, text
from tests.fakes.chat_desk import desk
from tests.fakes.chat_listeners import ChatListeners, body, shown
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform

pytest_plugins = ["tests.contract.firestore_plugin", "tests.fakes.chat_plugin"]

DONE = 204


@pytest.fixture
def firestore_host(embedded_firestore_server: Firestore) -> str:
    """The embedded Firestore alone: what the port does is tried on Google's too, by its own tests."""
    return embedded_firestore_server.host


@pytest.fixture
def tail(listeners: Copies, platform: Platform) -> ChatListeners:
    return ChatListeners(listeners, FunctionInvoker(platform.invoker_token))


def publish_now(tail: ChatListeners, chat: Chat, channel: UUID) -> None:
    """Publish without waiting for the pace."""
    chat.sql.execute_unnamed("UPDATE social_tails SET due_at = NULL WHERE channel_id = $1", (channel,))
    assert tail.publish(channel) == DONE


def texts(tail: ChatListeners, channel: UUID, shift: str = "open") -> str:
    """All that the pages of a shift say."""
    return str([body(page) for page in tail.pages(channel, shift)])


def unwritten(channel: UUID) -> list[store.PageRow]:
    """The rows that a worker reads to write the channel's pages."""
    return db.atomically(store.unwritten, channel, clock.now() - rules.PAGE_LIFE, 20, rules.PAGE_ENTRIES_MAX)


def agree(tail: ChatListeners, reader: Chatter, channel: UUID) -> None:
    """A listener who has read all pages knows the channel as a reader of the API does."""
    known = tail.known(channel)
    told = {message["number"]: shown(message) for message in reader.page(channel, "?limit=100").body["messages"]}
    assert {number: shown(message) for number, message in known.items()} == told


def test_a_message_its_edit_its_reactions_and_its_removal_reach_listeners(chat: Chat, tail: ChatListeners) -> None:
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    first = ada.posted(general, "hello", media={"type": "gif", "id": "abcDEF123"})
    publish_now(tail, chat, general)
    (message,) = tail.known(general).values()
    posted = {name: value for name, value in first.items() if name != "channel_id"}
    assert {**message, "posted_at": 0} == {**posted, "posted_at": 0}

    second = eve.posted(general, text(1), reply_to=1)
    ada.edit(first["id"], "goodbye")
    eve.react(first["id"])
    ada.react(first["id"])
    publish_now(tail, chat, general)
    agree(tail, ada, general)
    assert tail.known(general)[1]["text"] == "goodbye"
    assert tail.known(general)[1]["reactions"][0]["count"] == 2

    eve.remove(second["id"])
    publish_now(tail, chat, general)
    agree(tail, ada, general)
    assert [(page["first"], page["last"], page["sequence"]) for page in tail.pages(general)] == [
        (1, 1, 5),  # written again as of position 5, because the message was edited there
        (2, 5, 6),
        (6, 6, 6),
    ]


def test_what_was_edited_or_removed_leaves_the_earlier_pages_too(chat: Chat, tail: ChatListeners) -> None:
    ada, general = chat.member(), chat.channel()
    secret, slip = ada.posted(general, "a secret word"), ada.posted(general, "a slip here")
    publish_now(tail, chat, general)
    ada.remove(secret["id"])
    ada.edit(slip["id"], "a better word")
    publish_now(tail, chat, general)
    assert "secret" not in texts(tail, general)
    assert "slip" not in texts(tail, general)
    assert texts(tail, general).count("a better word") == 2


def test_an_act_on_a_message_that_is_hidden_shows_nothing_of_it(chat: Chat, tail: ChatListeners) -> None:
    """A pin outlives its message, which is hidden after 90 days: whoever takes it down tells nothing of that."""
    admin, ada, general = desk(chat.make), chat.member(), chat.channel()
    old = ada.posted(general, "an old word")["id"]
    assert admin.post(f"messages/{old}/pin", {"until": None}).status == 200
    publish_now(tail, chat, general)
    ada.posted(general, text(1))
    chat.sql.execute_simple("UPDATE social_heads SET first_number = 2 WHERE number = 2")
    assert admin.delete(f"messages/{old}/pin").status == DONE
    publish_now(tail, chat, general)
    page = tail.pages(general)[-1]
    assert [change["position"] for change in body(page)] == [3]
    assert page["skipped"] == [{"from": 4, "to": 4}]
    assert ada.changes(general, 3) == {"reset": False, "position": 4, "has_more": False, "changes": []}


def test_after_a_restore_listeners_are_told_what_is_there(chat: Chat, tail: ChatListeners) -> None:
    """The statements of docs/social.md are run: Firestore still has documents with higher numbers."""
    ada, general = chat.member(), chat.channel()
    ada.posted(general, "from before")
    chat.sql.execute_simple("UPDATE social_channels SET pins_revision = 7, name = 'Before'")
    publish_now(tail, chat, general)
    assert tail.document(general)["pins_revision"] == 7
    chat.sql.execute_simple("UPDATE social_channels SET pins_revision = 3, name = 'Restored'")
    chat.sql.execute_simple("UPDATE social_tails SET shown = 0")
    section = (ROOT / "docs" / "social.md").read_text().partition("**After a restore**")[2].partition("\n\n")[0]
    assert section.count("UPDATE") == 4
    for statement in section.split("`")[1].split(";"):
        chat.sql.execute_simple(statement)
    ada.posted(general, "from after")
    publish_now(tail, chat, general)
    document = tail.document(general)
    assert (document["name"], document["pins_revision"]) == ("Restored", 1_000_003)
    assert tail.known(general)[2]["text"] == "from after"


def test_an_erased_members_texts_leave_the_pages(chat: Chat, tail: ChatListeners) -> None:
    leaving, other, general = chat.member(), chat.member(), chat.channel()
    for number, author in enumerate((leaving, other, leaving)):
        author.posted(general, f"secret {text(number)}")
    publish_now(tail, chat, general)
    with db.acting_for("member_erase"):
        assert db.atomically(erasing.erase, "social_messages", leaving.somebody.id, 100) == 2
        assert db.atomically(erasing.erase, "social_messages", leaving.somebody.id, 100) == 0

    assert tail.sweep() == DONE
    assert texts(tail, general).count("secret") == 1
    agree(tail, other, general)
    assert [change["kind"] for change in other.changes(general, 3)["changes"]] == ["removed", "removed"]


@pytest.mark.parametrize("is_written", [False, True], ids=["recorded", "written, and not noted"])
def test_what_a_worker_that_died_has_left_is_done_by_the_sweep(
    chat: Chat, tail: ChatListeners, is_written: bool
) -> None:
    ada, general = chat.member(), chat.channel()
    ada.posted(general, "hello")
    with db.acting_for("social_publish"):
        db.atomically(publishing.make_page, general, clock.now())
        if is_written:
            firestore.put_newer(documents.pages(general, unwritten(general)))
    assert len(tail.pages(general)) == is_written
    assert tail.sweep() == DONE
    agree(tail, ada, general)
    assert unwritten(general) == []


def test_while_firestore_does_not_answer_nothing_is_lost(
    chat: Chat, tail: ChatListeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, general = chat.member(), chat.channel()
    ada.posted(general, "hello")
    monkeypatch.setattr(firestore, "ATTEMPTS_MAX", 1)
    with monkeypatch.context() as unreachable:
        unreachable.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
        firestore.close()
        assert tail.publish(general) == 500
        firestore.close()
    ada.posted(general, "again")
    publish_now(tail, chat, general)
    agree(tail, ada, general)


def test_a_late_writer_does_not_bring_back_what_was_removed(chat: Chat, tail: ChatListeners) -> None:
    ada, general = chat.member(), chat.channel()
    secret = ada.posted(general, "a secret word")
    with db.acting_for("social_publish"):
        db.atomically(publishing.make_page, general, clock.now())
        read = unwritten(general)
    ada.remove(secret["id"])
    publish_now(tail, chat, general)
    assert firestore.put_newer(documents.pages(general, read)) == 0  # the late one
    assert "secret" not in texts(tail, general)


def test_publishers_side_by_side_end_at_the_state_of_the_database(chat: Chat, tail: ChatListeners) -> None:
    members, general = [chat.member() for _ in range(3)], chat.channel()

    def talk(member: Chatter) -> None:
        for number in range(6):
            message = member.posted(general, text(number))["id"]
            member.react(message)
            if number % 3:
                member.edit(message, text(number + 50))
            else:
                member.remove(message)

    with ThreadPoolExecutor(6) as pool:
        talking = [pool.submit(talk, member) for member in members]
        publishing_ = [pool.submit(tail.sweep) for _ in range(12)]
        assert [done.result() for done in talking] == [None] * 3
        assert {done.result() for done in publishing_} == {DONE}
    assert tail.sweep() == DONE
    agree(tail, members[0], general)
    pages = tail.pages(general)
    assert [page["first"] for page in pages] == [1, *(page["last"] + 1 for page in pages[:-1])]
    assert sum(len(body(page)) for page in pages) == pages[-1]["last"] == 3 * 6 * 3


def test_a_page_shows_the_newest_sixty_and_names_what_it_skips(chat: Chat, tail: ChatListeners) -> None:
    members, general = [chat.member() for _ in range(4)], chat.channel()
    for number in range(64):
        members[number % 4].posted(general, text(number))
    publish_now(tail, chat, general)
    (page,) = tail.pages(general)
    assert (page["first"], page["last"], page["skipped"]) == (1, 64, [{"from": 1, "to": 4}])
    assert [change["position"] for change in body(page)] == list(range(5, 65))
    assert page["deflated"]


def leave(who: Chatter) -> None:
    db.atomically(lambda tx: rights.revoke(tx, who.somebody.id, clock.now()))


def test_after_somebody_has_left_a_restricted_channel_goes_on_under_another_shift(
    chat: Chat, tail: ChatListeners
) -> None:
    ada, eve, room = chat.member(), chat.member(), chat.channel("whale-room")
    message = ada.posted(room, "before")
    publish_now(tail, chat, room)
    assert tail.document(room)["shift"] == "1"
    leave(eve)
    ada.posted(room, "after")
    ada.edit(message["id"], "edited later")
    publish_now(tail, chat, room)

    assert tail.document(room)["shift"] == "2"
    assert [change["message"]["text"] for change in tail.changes(room, "2")] == ["after", "edited later"]
    (old,) = tail.pages(room, "1")
    assert (body(old), old["skipped"]) == ([], [{"from": 1, "to": 1}])  # whoever still listens there sees it emptied
    assert tail.document(chat.channel()) == {}  # a channel for everybody has no shifts
    publish_now(tail, chat, chat.channel())
    assert tail.document(chat.channel())["shift"] == "open"


def test_who_could_never_see_a_restricted_channel_ends_no_shift(chat: Chat, tail: ChatListeners) -> None:
    ada, room = chat.member(), chat.channel("whale-room")
    leave(chat.member(Tier.STANDARD))
    ada.posted(room, "hello")
    publish_now(tail, chat, room)
    assert tail.document(room)["shift"] == "1"


def test_a_shift_ends_with_the_quarter(chat: Chat, tail: ChatListeners) -> None:
    room = chat.channel("whale-room")
    assert tail.sweep() == DONE
    assert tail.document(room)["shift"] == "1"
    ends_at = quarter_ends_at(quarter_of(clock.now()))
    with db.acting_for("social_publish"):
        for moment, shift in ((ends_at - timedelta(seconds=1), 1), (ends_at, 2), (ends_at, 2)):
            assert db.atomically(publishing.current_shift, moment) == shift
    assert tail.sweep() == DONE
    assert tail.document(room)["shift"] == "2"


def test_who_is_banned_gets_a_token_that_says_so(chat: Chat) -> None:
    ada = chat.member()
    said = []
    for column in ("timeout_until", "banned_at"):
        chat.stand(ada, column, "now() + interval '1 hour'")
        token = ada.client.post("/v1/realtime/token").body["firebase_token"]
        said.append(jwt.decode(token, options={"verify_signature": False})["claims"]["may_chat"])
    assert said == [True, False]


def test_one_delivery_waits_for_the_next_page_and_publishes_for_the_others(chat: Chat, tail: ChatListeners) -> None:
    ada, general = chat.member(), chat.channel()
    chat.sql.execute_simple("UPDATE social_channels SET pace_ms = 5000")
    ada.posted(general, "hello")
    publish_now(tail, chat, general)
    ada.posted(general, "again")
    with db.acting_for("social_publish"):
        now = clock.now()
        pauses = [db.atomically(publishing.pause, general, now) for _ in range(3)]
    assert pauses[0]
    assert 0 < pauses[0] <= 5
    assert pauses[1:] == [None, None]
    assert tail.publish(general) == DONE  # one of the others: it leaves the page to the first
    assert len(tail.pages(general)) == 1
