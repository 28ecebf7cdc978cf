"""Members report messages and each other: one open case, and what it keeps."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

from functions.member_erase import store as erasing
from shared import db
from shared.values.tiers import Tier
from tests.client import Answer, refusal
from tests.fakes.chat import MESSAGES, Chat, Chatter, text

pytest_plugins = ["tests.fakes.chat_plugin"]

MEMBERS = "/v1/social/members"


def report(who: Chatter, message: str, reason: str = "spam", note: str | None = None) -> Answer:
    return who.client.post(f"{MESSAGES}/{message}/report", {"reason": reason, "note": note})


def report_member(who: Chatter, member: UUID, reason: str = "spam") -> Answer:
    return who.client.post(f"{MEMBERS}/{member}/report", {"reason": reason})


def cases(chat: Chat) -> list[list[object]]:
    return [list(row) for row in chat.sql.execute_simple(
        "SELECT text, reports, urgency, copies, outcome FROM social_cases ORDER BY opened_at").rows]  # fmt: skip


def test_all_reports_of_a_message_are_one_case_with_the_texts_as_they_were_reported(chat: Chat) -> None:
    author, general = chat.member(), chat.channel()
    message = author.posted(general, "buy this")["id"]
    ada, eve, bob = (chat.member(Tier.STANDARD) for _ in range(3))
    first = report(ada, message)
    again = report(ada, message, "hate")
    assert (first.status, first.body["state"], again.body) == (200, "open", first.body)
    author.edit(message, "buy that")
    assert report(eve, message, "scam", "look").body == first.body
    assert report(bob, message).body == first.body
    assert cases(chat) == [["buy this", 3, 740, [{"revision": 2, "text": "buy that"}], None]]
    said = chat.sql.execute_simple("SELECT reason, note FROM social_reports ORDER BY reported_at").rows
    assert [list(row) for row in said] == [["spam", None], ["scam", "look"], ["spam", None]]


def test_all_texts_of_a_case_go_with_their_author(chat: Chat) -> None:
    author, general = chat.member(), chat.channel()
    message = author.posted(general, "", media={"type": "gif", "id": "abcDEF123"})["id"]
    report(chat.member(), message)
    author.edit(message, "a secret")
    report(chat.member(), message)
    with db.acting_for("member_erase"):
        assert db.atomically(erasing.erase, "social_cases", author.somebody.id, 100) == 1
        assert db.atomically(erasing.erase, "social_cases", author.somebody.id, 100) == 0
    assert cases(chat) == [["", 2, 320, [], None]]


def test_reporters_side_by_side_open_one_case(chat: Chat) -> None:
    author, general = chat.member(), chat.channel()
    message = author.posted(general, text(1))["id"]
    reporters = [chat.member() for _ in range(6)]
    with ThreadPoolExecutor(12) as pool:
        of_message = pool.map(lambda who: report(who, message).body["case_id"], reporters)
        of_member = pool.map(lambda who: report_member(who, author.somebody.id).body["case_id"], reporters)
        assert [len(set(found)) for found in (of_message, of_member)] == [1, 1]
    assert [case[1] for case in cases(chat)] == [6, 6]


def test_a_decided_case_is_not_opened_again_but_for_another_text(chat: Chat) -> None:
    author, general, ada, eve = chat.member(), chat.channel(), chat.member(), chat.member()
    message = author.posted(general, "one")["id"]
    first = report(ada, message).body["case_id"]
    report_member(ada, author.somebody.id)
    chat.sql.execute_simple("UPDATE social_cases SET decision = 'keep', decision_reason = 'x', decided_at = now()")
    for who in (ada, eve):
        assert report(who, message).body == {"case_id": first, "state": "decided"}
    author.edit(message, "two")
    assert report(ada, message).body["case_id"] != first
    assert report_member(ada, author.somebody.id).body["state"] == "open"
    assert [case[0] for case in cases(chat)] == ["one", author.name, "two", author.name]


def test_whoever_has_reported_a_message_that_is_removed_since_learns_that_it_is_decided(chat: Chat) -> None:
    author, general, ada, eve = chat.member(), chat.channel(), chat.member(), chat.member()
    message = author.posted(general, "one")["id"]
    case = report(ada, message).body["case_id"]
    chat.sql.execute_simple("UPDATE social_cases SET decision = 'remove', decision_reason = 'x', decided_at = now()")
    author.remove(message)
    assert report(ada, message).body == {"case_id": case, "state": "decided"}
    assert refusal(report(eve, message)) == (404, "not-found")


def test_what_nobody_may_report_is_refused(chat: Chat) -> None:
    author, general, ada = chat.member(), chat.channel(), chat.member(Tier.STANDARD)
    message = author.posted(general, "one")["id"]
    secret = author.posted(chat.channel("whale-room"), "two")["id"]
    removed = author.posted(general, "three")["id"]
    author.remove(removed)
    assert refusal(report(author, message)) == (422, "nothing-to-report")
    assert refusal(report_member(author, author.somebody.id)) == (422, "nothing-to-report")
    for hidden in (secret, removed, str(uuid4())):
        assert refusal(report(ada, hidden)) == (404, "not-found")
    assert refusal(report_member(ada, uuid4())) == (404, "not-found")
    assert refusal(report(ada, message, "boredom")) == (422, "not-valid")
    chat.stand(ada, "banned_at", "now()")
    assert refusal(report(ada, message)) == (403, "banned-from-chat")
    assert refusal(report_member(ada, author.somebody.id)) == (403, "banned-from-chat")
    assert cases(chat) == []


def test_ten_reports_an_hour_and_no_more(chat: Chat) -> None:
    author, general, ada = chat.member(), chat.channel(), chat.member()
    messages = [author.posted(general, text(number))["id"] for number in range(11)]
    answers = [report(ada, message) for message in messages]
    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert refusal(answers[-1]) == (429, "too-many-chat-reports")
    assert answers[-1].headers["Retry-After"]


def test_who_may_not_write_may_still_report(chat: Chat) -> None:
    author, general, ada = chat.member(), chat.channel(), chat.member()
    message = author.posted(general, "one")["id"]
    chat.stand(ada, "timeout_until", "now() + interval '1 hour'")
    assert report(ada, message).status == 200
