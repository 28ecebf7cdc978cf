"""People decide about cases: what becomes of the message and its author, who is told, and what the diary keeps."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.auth import Role
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient, refusal
from tests.fakes.chat import MESSAGES, Chat, Chatter, text
from tests.fakes.chat_desk import ChatDesk, desk

pytest_plugins = ["tests.fakes.chat_plugin"]

STANDING = "/v1/social/standing"


@pytest.fixture
def admin(client: Callable[..., FunctionClient]) -> ChatDesk:
    return desk(client)


def reported(chat: Chat, message: dict[str, Any], reason: str = "spam", by: Chatter | None = None) -> str:
    answer = (by or chat.member()).client.post(f"{MESSAGES}/{message['id']}/report", {"reason": reason})
    return str(answer.body["case_id"])


def notices(who: Chatter) -> list[tuple[str, dict[str, Any]]]:
    return [(item["code"], item["data"]) for item in who.client.get("/v1/notifications").body["items"]]


def sanctions(who: Chatter) -> list[dict[str, Any]]:
    return list(who.client.get("/v1/support/sanctions").body["items"])


def test_the_queue_has_the_most_urgent_first_and_what_is_decided_leaves_it(chat: Chat, admin: ChatDesk) -> None:
    author, general = chat.member(), chat.channel()
    calm, urgent, common = (author.posted(general, text(number)) for number in range(3))
    reported(chat, calm)
    first = reported(chat, urgent, "violence")
    for _ in range(3):
        reported(chat, common, "spam")
    assert [(case["urgency"], case["reports"], case["text"]) for case in admin.queue()] == [
        (900, 1, text(1)), (340, 3, text(2)), (300, 1, text(0)),
    ]  # fmt: skip
    assert admin.decide(first, "keep").status == 200
    assert [case["text"] for case in admin.queue()] == [text(2), text(0)]
    assert [case["id"] for case in admin.queue("?state=decided")] == [first]
    assert [case["text"] for case in admin.queue("")] == [text(1), text(2), text(0)]


def test_a_case_shows_the_texts_the_message_as_it_is_now_and_its_diary(chat: Chat, admin: ChatDesk) -> None:
    author, general, ada = chat.member(), chat.channel(), chat.member()
    message = author.posted(general, "buy this")
    case = reported(chat, message, "scam", ada)
    author.edit(message["id"], "buy that")
    reported(chat, message)
    author.edit(message["id"], "sorry", 2)
    author.remove(message["id"])
    found = admin.case(case)
    assert (found["case"]["text"], found["copies"]) == ("buy this", [{"revision": 2, "text": "buy that"}])
    assert (found["message"]["text"], found["message"]["removed_by"]) == ("sorry", "author")
    assert found["member"]["username"] == author.name
    assert [(line["kind"], line["text"]) for line in found["diary"]] == [
        ("opened", None), ("reported", "scam"), ("reported", "spam"),
    ]  # fmt: skip
    assert found["diary"][1]["by_username"] == ada.name
    assert refusal(admin.client.get(f"/v1/admin/social/cases/{uuid4()}")) == (404, "not-found")


def test_each_decision_does_what_it_says_and_tells_the_member(chat: Chat, admin: ChatDesk) -> None:
    general = chat.channel()
    for decision, hours, notice, column in (
        ("keep", None, None, None),
        ("remove", None, "message_removed", None),
        ("mute", 1, "chat_muted", "muted_until"),
        ("timeout", 168, "chat_timed_out", "timeout_until"),
        ("ban", None, "chat_banned", None),
    ):
        author = chat.member()
        message = author.posted(general, text(1))
        case = reported(chat, message)
        decided = admin.decide(case, decision, hours=hours)
        assert (decided.status, decided.headers["ETag"]) == (200, '"2"'), decision
        standing = author.client.get(STANDING).body
        assert standing["is_banned"] == (decision == "ban")
        assert [name for name in ("muted_until", "timeout_until") if standing[name]] == ([column] if column else [])
        assert (decided.body["message"]["removed_by"] == "moderator") == (decision != "keep")
        told = notices(author)
        assert [code for code, _ in told] == ([notice] if notice else [])
        if notice:
            (given,) = sanctions(author)
            assert told[0][1]["case_id"] == given["id"]
            assert (told[0][1]["reason"], given["reason"]) == ("the rules", "the rules")
            assert told[0][1].get("until") == (standing[column] if column else None) == given["until"]
        lines = [line["kind"] for line in decided.body["diary"]]
        assert lines[:3] == ["opened", "reported", "decided"]
        assert len(lines) == (4 if notice else 3)
    kinds = chat.sql.execute_simple("SELECT action, count(*) FROM audit_logs GROUP BY action").rows
    assert [list(row) for row in kinds] == [["chat_case.decide", 5]]


def test_a_decision_is_made_once_about_the_version_that_was_read(chat: Chat, admin: ChatDesk) -> None:
    author, general = chat.member(), chat.channel()
    case = reported(chat, author.posted(general, text(1)))
    assert refusal(admin.put(f"cases/{case}/decision", {"decision": "keep", "reason": "fine"}, None)) == (
        428, "precondition-required",
    )  # fmt: skip
    assert refusal(admin.decide(case, "keep", 7)) == (412, "precondition-failed")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: admin.decide(case, "timeout", hours=1).status, range(4)))
    assert sorted(answers) == [200, 412, 412, 412]
    assert refusal(admin.decide(case, "ban", 2)) == (409, "case-decided")
    assert len(sanctions(author)) == 1


def test_nobody_decides_about_a_text_that_was_reported_since(chat: Chat, admin: ChatDesk) -> None:
    author, general = chat.member(), chat.channel()
    message = author.posted(general, "buy this")
    case = reported(chat, message)
    reported(chat, message)
    assert admin.case(case)["revision"] == 1  # the same text
    author.edit(message["id"], "buy that")
    for _ in range(2):
        reported(chat, message)
    assert refusal(admin.decide(case, "keep")) == (412, "precondition-failed")
    found = admin.case(case)
    assert (found["revision"], [copy["text"] for copy in found["copies"]]) == (2, ["buy that"])
    assert admin.decide(case, "keep", 2).status == 200


def test_the_diary_ends_with_what_happened_last(chat: Chat, admin: ChatDesk) -> None:
    author, general = chat.member(), chat.channel()
    message = author.posted(general, "", media={"type": "gif", "id": "abcDEF123"})
    case = reported(chat, message)
    chat.sql.execute_unnamed(
        "INSERT INTO social_sanctions (id, member_id, kind, reason, given_at, case_id) "
        "SELECT gen_random_uuid(), $1, 'mute', n::text, now() + n * interval '1 second', $2 "
        "FROM generate_series(1, 200) AS n",
        (author.somebody.id, UUID(case)),
    )
    found = admin.case(case)
    assert [line["text"] for line in found["diary"]] == [str(number) for number in range(1, 201)]
    assert found["message"]["url"] == message["media"]["url"]


def test_a_decision_that_does_not_fit_its_case_changes_nothing(chat: Chat, admin: ChatDesk) -> None:
    author, general, ada = chat.member(), chat.channel(), chat.member()
    case = reported(chat, author.posted(general, text(1)))
    of_member = ada.client.post(f"/v1/social/members/{author.somebody.id}/report", {"reason": "hate"}).body["case_id"]
    for wrong, more in (("timeout", {}), ("mute", {"hours": 2}), ("ban", {"hours": 1}), ("scold", {})):
        assert refusal(admin.decide(case, wrong, **more)) == (422, "not-valid"), wrong
    assert refusal(admin.decide(of_member, "remove")) == (422, "not-valid")
    assert (len(admin.queue()), notices(author)) == (2, [])
    assert admin.decide(of_member, "ban").body["member"]["banned_at"]


def test_nobody_sanctions_an_admin_or_decides_about_themselves(
    chat: Chat, admin: ChatDesk, client: Callable[..., FunctionClient]
) -> None:
    other = factories.member(role=Role.OPERATIONS, permanent_tier=Tier.WHALE)
    author, general = Chatter(other, client(other.token)), chat.channel()
    case = reported(chat, author.posted(general, text(1)))
    for decision, more in (("ban", {}), ("timeout", {"hours": 1}), ("mute", {"hours": 1}), ("lift", {})):
        assert refusal(admin.decide(case, decision, **more)) == (403, "admin-not-sanctioned"), decision
    for path, body in (("timeout", {"hours": 1}), ("ban", {}), ("lift", {})):
        for target in (other.id, admin.somebody.id):
            answer = admin.post(f"users/{target}/{path}", {"reason": "the rules", **body})
            assert refusal(answer) == (403, "admin-not-sanctioned"), path
    own = reported(chat, Chatter(admin.somebody, admin.client).posted(general, text(2)))
    assert refusal(admin.decide(own, "keep")) == (403, "own-case")
    assert admin.decide(case, "remove").status == 200  # a message is no admin


def test_a_timeout_by_hand_stops_the_next_message_and_a_lift_lets_it_through(chat: Chat, admin: ChatDesk) -> None:
    author, general = chat.member(), chat.channel()
    author.posted(general, text(1))
    path = f"users/{author.somebody.id}"
    given = admin.post(f"{path}/timeout", {"hours": 24, "reason": "calm down"})
    assert (given.status, len(given.body["sanctions"])) == (200, 1)
    refused = author.post(general, text(2))
    assert (refusal(refused), refused.body["until"][:19]) == ((403, "timed-out"), given.body["timeout_until"][:19])
    assert author.page(general).status == 200  # and reads on
    for _ in range(2):
        assert admin.post(f"{path}/lift", {"reason": "an appeal"}).body["timeout_until"] is None
    author.posted(general, text(2))
    assert [code for code, _ in notices(author)] == ["chat_allowed", "chat_timed_out"]
    assert [item["kind"] for item in sanctions(author)] == ["timeout"]  # what may be appealed
    record = admin.client.get(f"/v1/admin/social/{path}").body
    assert [line["kind"] for line in record["sanctions"]] == ["lift", "timeout"]


def test_who_is_banned_by_hand_neither_writes_nor_reads_until_it_is_lifted(chat: Chat, admin: ChatDesk) -> None:
    author, general = chat.member(), chat.channel()
    path = f"users/{author.somebody.id}"
    for _ in range(2):
        assert admin.post(f"{path}/ban", {"reason": "threats"}).body["banned_at"]
    assert refusal(author.post(general, text(1))) == (403, "banned-from-chat")
    assert refusal(author.page(general)) == (403, "banned-from-chat")
    assert len(notices(author)) == 1
    assert admin.post(f"{path}/lift", {"reason": "an appeal"}).status == 200
    author.posted(general, text(1))
    assert refusal(admin.post(f"users/{uuid4()}/ban", {"reason": "threats"})) == (404, "not-found")


def test_the_case_that_a_member_is_told_of_may_be_appealed(chat: Chat, admin: ChatDesk) -> None:
    author, general = chat.member(), chat.channel()
    message = author.posted(general, text(1))
    removed = admin.delete(f"messages/{message['id']}?reason=spam")
    assert (removed.status, admin.delete(f"messages/{message['id']}?reason=hate").status) == (204, 204)
    ((code, data),) = notices(author)
    assert (code, data["reason"], data["message_id"]) == ("message_removed", "spam", message["id"])
    body = {"sanction_id": data["case_id"], "message": "It was a joke."}
    assert author.client.post("/v1/support/appeals", body).status == 201
    (told,) = author.changes(general, 1)["changes"]
    assert (told["kind"], told["message"]["removed"]) == ("removed", True)
    assert refusal(admin.delete(f"messages/{uuid4()}?reason=spam")) == (404, "not-found")
    assert refusal(admin.delete(f"messages/{message['id']}?reason=boredom")) == (422, "not-valid")


def test_a_removal_and_a_post_side_by_side_keep_the_order_of_the_channel(chat: Chat, admin: ChatDesk) -> None:
    author, other, general = chat.member(), chat.member(), chat.channel()
    messages = [author.posted(general, text(number)) for number in range(4)]
    cases_ = [reported(chat, message) for message in messages]

    def act(number: int) -> int:
        if number % 2:
            return other.post(general, text(number + 10)).status
        return admin.decide(cases_[number // 2], "remove").status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(act, range(8))) == {200, 201}
    told = other.changes(general, 0)["changes"]
    assert [change["position"] for change in told] == list(range(1, 13))
