"""Editing, removing and reacting: by whom, how long, and what others see of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shared import db
from shared.messages import notifications
from shared.messages.notifications import Note
from shared.social import heads
from shared.values.tiers import Tier
from tests.client import refusal
from tests.clock import moved_clock
from tests.fakes.chat import MESSAGES, Chat, text
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.chat_plugin"]


def test_an_edit_is_a_new_revision_of_the_text_and_of_whom_it_names(chat: Chat) -> None:
    author, general = chat.member(), chat.channel()
    message = author.posted(general, "teh")

    edited = author.edit(message["id"], "the")

    assert (edited.status, edited.headers["ETag"]) == (200, '"2"')
    assert (edited.body["text"], edited.body["revision"], edited.body["number"]) == ("the", 2, 1)
    assert author.page(general).body["messages"] == [edited.body]
    assert refusal(author.edit(message["id"], "again")) == (412, "precondition-failed")
    assert refusal(author.client.put(f"{MESSAGES}/{message['id']}", {"text": "x"})) == (428, "precondition-required")


def test_an_edit_is_its_authors_for_fifteen_minutes_and_as_slow_as_posting(chat: Chat, tmp_path: Path) -> None:
    author, other, general = chat.member(Tier.STANDARD), chat.member(), chat.channel()
    message = author.posted(general, "one")["id"]

    assert refusal(other.edit(message, "mine")) == (403, "not-your-message")
    assert refusal(author.edit(message, "two")) == (429, "posting-too-fast")
    with moved_clock(tmp_path, timedelta(minutes=14)):
        assert refusal(author.edit(message, "")) == (422, "not-valid")
        assert author.edit(message, "two").status == 200
    with moved_clock(tmp_path, timedelta(minutes=15, seconds=1)):
        assert refusal(author.edit(message, "three", 2)) == (409, "too-late-to-edit")


def test_too_early_an_edit_leaves_its_strike(chat: Chat) -> None:
    author, general = chat.member(Tier.STANDARD), chat.channel()
    message = author.posted(general, "one")["id"]

    author.edit(message, "two")

    assert author.client.get("/v1/social/standing").body["strikes"] == 1


def test_a_removed_message_keeps_its_number_and_nothing_else(chat: Chat) -> None:
    author, other, general = chat.member(), chat.member(), chat.channel()
    message = author.posted(general, "regrets", media={"type": "gif", "id": "abcDEF123"})["id"]
    other.react(message)

    assert refusal(other.remove(message)) == (403, "not-your-message")
    assert [author.remove(message).status, author.remove(message).status] == [204, 204]

    (shown,) = other.page(general).body["messages"]
    assert (shown["number"], shown["removed"], shown["text"]) == (1, True, "")
    assert (shown["author"], shown["media"], shown["reactions"], shown["mentions"]) == (None, None, [], [])
    assert refusal(other.react(message)) == refusal(author.edit(message, "x", 2)) == (404, "not-found")


def test_what_members_were_told_of_a_message_is_taken_back_with_it(chat: Chat) -> None:
    author, named, general = chat.member(), chat.member(), chat.channel()
    message = author.posted(general, "hello")
    key = heads.notification_key(message["id"])
    note = Note(named.somebody.id, "social", "You were named", "hello", {}, key)
    db.atomically(notifications.notify, note, datetime.now(UTC))

    author.remove(message["id"])

    assert named.client.get("/v1/notifications").body["items"] == []
    assert named.client.get("/v1/notifications/unread-count").body == {"unread_count": 0}


def test_of_64_reactions_of_one_member_at_once_one_counts(chat: Chat) -> None:
    author, general = chat.member(), chat.channel()
    message = author.posted(general, "hello")["id"]

    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda _: author.react(message), range(64)))

    expected = {"reactions": [{"emoji": "\u2764\ufe0f", "count": 1, "mine": True}]}
    assert all((answer.status, answer.body) == (200, expected) for answer in answers)
    kinds = chat.sql.execute_simple("SELECT kind, count(*) FROM social_entries GROUP BY kind ORDER BY kind").rows
    assert kinds == [["message", 1], ["reactions", 1]]


def test_reactions_are_counted_by_member_and_taken_back(chat: Chat) -> None:
    author, others, general = chat.member(), [chat.member() for _ in range(3)], chat.channel()
    message = author.posted(general, "hello")["id"]
    for other in others:
        other.react(message)
    others[0].react(message, "%F0%9F%98%80")

    gone = author.client.delete(f"{MESSAGES}/{message}/reactions/%E2%9D%A4%EF%B8%8F")
    taken = others[0].client.delete(f"{MESSAGES}/{message}/reactions/%E2%9D%A4%EF%B8%8F")

    assert [each["count"] for each in gone.body["reactions"]] == [3, 1]
    assert taken.body["reactions"] == [
        {"emoji": "\u2764\ufe0f", "count": 2, "mine": False},
        {"emoji": "\U0001f600", "count": 1, "mine": True},
    ]


def test_the_21st_kind_of_reaction_is_refused_and_those_that_are_there_go_on(chat: Chat) -> None:
    author, other, general = chat.member(), chat.member(), chat.channel()
    message = author.posted(general, "hello")["id"]
    for number in range(20):
        assert author.react(message, chr(0x1F600 + number)).status == 200

    assert refusal(other.react(message, chr(0x1F600 + 20))) == (409, "too-many-reactions")
    assert other.react(message, chr(0x1F600)).body["reactions"][0]["count"] == 2


def test_a_reaction_is_a_single_emoji(chat: Chat) -> None:
    author, general = chat.member(), chat.channel()
    message = author.posted(general, "hello")["id"]
    before = rows_of_all_tables(chat.sql)

    for wrong in ("x", "1", "%F0%9F%98%80%F0%9F%98%80", "%20", "hello"):
        assert refusal(author.react(message, wrong)) == (422, "not-valid"), wrong
    assert rows_of_all_tables(chat.sql) == before


def test_acts_take_positions_without_a_gap_whoever_acts_at_the_same_time(chat: Chat) -> None:
    members, general = [chat.member() for _ in range(8)], chat.channel()

    def act(who: int) -> None:
        for number in range(6):
            message = members[who].posted(general, text(100 * who + number))["id"]
            members[who - 1].react(message)
            if number % 3 == 0:
                members[who].edit(message, text(1000 + 100 * who + number))
            if number % 3 == 1:
                members[who].remove(message)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(act, range(8)))

    positions = chat.sql.execute_simple("SELECT position FROM social_entries ORDER BY position").rows
    numbers = chat.sql.execute_simple("SELECT number FROM social_messages ORDER BY number").rows
    (head,) = chat.sql.execute_simple("SELECT number, position FROM social_heads WHERE number > 0").rows
    assert [position for (position,) in positions] == list(range(1, head[1] + 1))
    assert [number for (number,) in numbers] == list(range(1, 49)) == list(range(1, head[0] + 1))
    assert head[1] == 48 + 48 + 16 + 16
