"""Posting: numbers without a gap, each client id once, and an answer to whatever is wrong."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from shared.values.tiers import Tier
from tests.client import refusal
from tests.clock import moved_clock
from tests.fakes.chat import CHANNELS, Chat, text
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.chat_plugin"]


def test_messages_take_the_numbers_of_their_channel_one_after_the_other(chat: Chat) -> None:
    first, second = chat.member(), chat.member()
    general, crypto = chat.channel(), chat.channel("crypto")

    assert [first.posted(general, text(n))["number"] for n in range(2)] == [1, 2]
    assert second.posted(crypto, "elsewhere")["number"] == 1
    assert second.posted(general, "three")["number"] == 3


def test_it_is_answered_as_others_will_see_it(chat: Chat) -> None:
    author, reader, general = chat.member(Tier.VIP), chat.member(), chat.channel()

    posted = author.posted(general, " Cafe\u0301 ", language="es", media={"type": "gif", "id": "abcDEF123"})

    assert posted["text"] == "Caf\u00e9"
    assert posted["media"]["url"] == "https://media.giphy.com/media/abcDEF123/giphy.gif"
    assert posted["author"]["member_id"] == str(author.somebody.id)
    assert (posted["author"]["tier"], posted["language"], posted["revision"]) == ("vip", "es", 1)
    assert reader.page(general).body["messages"] == [posted]


def test_of_64_at_once_with_one_client_id_one_is_posted_and_all_are_answered_with_it(chat: Chat) -> None:
    author, general, client_id = chat.member(), chat.channel(), uuid4()

    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda _: author.post(general, "once", client_id), range(64)))

    assert {(answer.status, answer.body["id"]) for answer in answers} == {(201, answers[0].body["id"])}
    assert chat.messages() == 1


def test_a_client_id_is_its_members_own_and_stands_for_one_message(chat: Chat) -> None:
    author, other, general, client_id = chat.member(), chat.member(), chat.channel(), uuid4()
    author.posted(general, "one", client_id=client_id)

    assert refusal(author.post(general, "two", client_id)) == (409, "client-id-reused")
    assert refusal(author.post(chat.channel("crypto"), "one", client_id)) == (409, "client-id-reused")
    assert other.post(general, "one", client_id).body["number"] == 2


def test_of_64_at_once_in_slow_mode_one_is_posted(chat: Chat) -> None:
    chat.sql.execute_simple("UPDATE social_channels SET slow_seconds = 30 WHERE slug = 'general'")
    author, general = chat.member(), chat.channel()

    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda n: author.post(general, text(n)), range(64)))

    assert sorted(answer.status for answer in answers) == [201] + [429] * 63
    assert chat.messages() == 1


def test_who_is_too_early_is_told_when_to_come_again_and_may_with_the_same_ids(chat: Chat, tmp_path: Path) -> None:
    author, general, client_id = chat.member(Tier.STANDARD), chat.channel(), uuid4()
    author.posted(general, "one")
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    body = f'{{"client_id": "{client_id}", "text": "two"}}'.encode()
    path = f"{CHANNELS}/{general}/messages"

    early = author.client.send("POST", path, body, headers)
    assert refusal(early) == (429, "posting-too-fast")
    assert int(early.headers["Retry-After"]) in (1, 2, 3)
    assert early.body["retry_at"]

    with moved_clock(tmp_path, timedelta(seconds=5)):
        assert author.client.send("POST", path, body, headers).status == 201


def test_five_like_messages_mute_for_an_hour_wherever_they_are_posted(chat: Chat) -> None:
    author, places = chat.member(), [chat.channel(slug) for slug in ("general", "crypto", "scans", "comps")]
    for channel in places:
        author.posted(channel, "Buy now")

    fifth = author.post(places[0], "buy NOW")
    sixth = author.post(places[0], "something else")

    assert refusal(fifth) == refusal(sixth) == (403, "muted")
    assert 3_590 < int(sixth.headers["Retry-After"]) <= 3_601
    assert chat.messages() == 4
    assert chat.sql.execute_simple("SELECT kind, reason FROM social_sanctions").rows == [["mute", "five like messages"]]
    assert author.client.get("/v1/social/standing").body["muted_until"] == fifth.body["until"].replace("+00:00", "Z")
    chat.stand(author, "muted_until", "now() - interval '1 second'")
    author.posted(places[0], "sorry")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": ""}, "/text"),
        ({"text": " \u00a0\n"}, "/text"),
        ({"text": "x" * 2_001}, "/text"),
        ({"text": "x", "media": {"type": "gif", "id": "../secret"}}, "/media/id"),
        ({"text": "x", "media": {"type": "film", "id": "abcdef"}}, "/media/type"),
        ({"text": "x", "media": {"type": "image", "id": "abcdef"}}, "/media/id"),
        ({"text": "x", "reply_to": 99}, "/reply_to"),
        ({"text": "x", "language": "Deutsch"}, "/language"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_posted(chat: Chat, body: dict[str, object], field: str) -> None:
    author, general = chat.member(), chat.channel()

    answer = author.client.post(f"{CHANNELS}/{general}/messages", {"client_id": str(uuid4()), **body})

    assert refusal(answer) == (422, "not-valid")
    assert [error["field"] for error in answer.body["errors"]] == [field]
    assert chat.messages() == 0


def test_2000_code_points_are_not_too_many_and_a_picture_needs_no_text(chat: Chat) -> None:
    author, general = chat.member(), chat.channel()

    assert len(author.posted(general, "\U0001f600" * 2_000)["text"]) == 2_000
    assert author.posted(general, "", media={"type": "emote", "id": "01F6MQ33FG000FFJ97ZB8MWV52"})["text"] == ""


def test_a_reply_names_a_message_of_the_channel_that_is_there(chat: Chat) -> None:
    author, general, crypto = chat.member(), chat.channel(), chat.channel("crypto")
    first = author.posted(general, "one")

    assert author.posted(general, "two", reply_to=first["number"])["reply_to"] == first["number"]
    assert refusal(author.post(crypto, "three", reply_to=first["number"])) == (422, "not-valid")
    author.remove(first["id"])
    assert refusal(author.post(general, "four", reply_to=first["number"])) == (422, "not-valid")


def test_a_mention_is_stored_by_the_member_and_shown_under_todays_name(chat: Chat) -> None:
    author, named, general = chat.member(), chat.member(), chat.channel()
    chat.sql.execute_unnamed("UPDATE members SET username = 'Ada_L' WHERE id = $1", (named.somebody.id,))

    posted = author.posted(general, "\U0001f600 hi @ada_l, mail me@ada_l.com, @nobody_here")
    assert posted["mentions"] == [{"member_id": str(named.somebody.id), "username": "Ada_L", "start": 5, "length": 6}]

    chat.sql.execute_unnamed("UPDATE members SET username = 'Ada_Byron' WHERE id = $1", (named.somebody.id,))
    assert named.page(general).body["messages"][0]["mentions"][0]["username"] == "Ada_Byron"


def test_at_most_five_members_are_mentioned(chat: Chat) -> None:
    author, general = chat.member(), chat.channel()
    for number in range(6):
        who = chat.member()
        chat.sql.execute_unnamed("UPDATE members SET username = $1 WHERE id = $2", (f"name_{number}", who.somebody.id))

    posted = author.posted(general, " ".join(f"@name_{number}" for number in [*range(6), 0]))

    assert [mention["username"] for mention in posted["mentions"]] == [f"name_{n}" for n in (0, 1, 2, 3, 4, 0)]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("banned_at", "now()", (403, "banned-from-chat")),
        ("timeout_until", "now() + interval '1 hour'", (403, "timed-out")),
        ("muted_until", "now() + interval '1 hour'", (403, "muted")),
    ],
)
def test_who_may_not_write_is_told_so(chat: Chat, column: str, value: str, expected: tuple[int, str]) -> None:
    author, general = chat.member(), chat.channel()
    message = author.posted(general, "before")["id"]
    chat.stand(author, column, value)
    before = rows_of_all_tables(chat.sql)

    answers = [author.post(general, "after"), author.edit(message, "changed"), author.react(message)]

    assert {refusal(answer) for answer in answers} == {expected}
    assert all(("Retry-After" in answer.headers) == (column != "banned_at") for answer in answers)
    assert rows_of_all_tables(chat.sql) == before


def test_an_unknown_or_archived_channel_is_not_there(chat: Chat) -> None:
    author, general = chat.member(), chat.channel()
    chat.sql.execute_simple("UPDATE social_channels SET archived_at = now() WHERE slug = 'crypto'")

    for channel in (chat.channel("crypto"), UUID(int=0), general.int):
        answers = [author.page(channel), author.post(channel, "x")]  # type: ignore[arg-type] # an id that is none
        assert {refusal(answer) for answer in answers} == {(404, "not-found")}
