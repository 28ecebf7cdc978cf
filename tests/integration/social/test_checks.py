"""Checks of the chat's texts: what is removed, what people get to see, and a service that fails in every way."""

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest

from emulators.chat_vendor import Spoil, Spoilt
from emulators.vendor import Fault
from emulators.vendors import Vendors
from functions.social_check import checking, store
from shared import clock, db
from shared.values.tiers import Tier
from tests.fakes.chat import Chat, Chatter, text
from tests.fakes.invoker import FunctionInvoker
from tests.logs import log_lines
from tests.platform import Platform

pytest_plugins = ["tests.contract.vendor_plugin", "tests.fakes.chat_plugin", "tests.fakes.log_plugin"]

BAD, BORDERLINE = "you there hate=0.95", "you there hate=0.6"
DONE = 204
SILENT = (
    Fault.UNANSWERED,
    Fault.DONE_UNANSWERED,
    Fault.TIMEOUT,
    Fault.TOO_MANY_REQUESTS,
    Fault.NONSENSE,
    Fault.INTERNAL_ERROR,
)


@pytest.fixture
def invoker(platform: Platform, shop_vendors: Vendors) -> FunctionInvoker:
    assert shop_vendors
    return FunctionInvoker(platform.invoker_token)


def check(invoker: FunctionInvoker, channel: UUID) -> int:
    """Deliver that something has happened in the channel."""
    return invoker.event("social_check", "channel-changed", {"channel_id": str(channel)})


def rest_is_over(chat: Chat) -> None:
    chat.sql.execute_simple("UPDATE leases SET held_until = '2020-01-01Z' WHERE name = 'social-check'")


def cases(chat: Chat) -> list[list[Any]]:
    found = chat.sql.execute_simple(
        "SELECT outcome, severity, text, revision FROM social_cases ORDER BY opened_at"
    ).rows
    return [list(row) for row in found]


def strikes(who: Chatter) -> int:
    return int(who.client.get("/v1/social/standing").body["strikes"])


def notices(who: Chatter) -> list[str]:
    return [item["code"] for item in who.client.get("/v1/notifications").body["items"]]


def removed(reader: Chatter, channel: UUID) -> list[bool]:
    """For each message, oldest first, whether it is removed."""
    return [message["removed"] for message in reversed(reader.page(channel).body["messages"])]


def test_a_message_that_nobody_should_read_is_removed_and_its_author_is_struck_and_told(
    chat: Chat, invoker: FunctionInvoker
) -> None:
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    ada.posted(general, text(1))
    bad = ada.posted(general, BAD)
    assert removed(eve, general) == [False, False]  # it is shown until it is checked
    assert check(invoker, general) == DONE
    assert removed(eve, general) == [False, True]
    assert cases(chat) == [["removed", 0.95, BAD, 1]]
    assert (strikes(ada), strikes(eve)) == (1, 0)
    assert (notices(ada), notices(eve)) == (["message_removed"], [])
    (told,) = eve.changes(general, 2)["changes"]
    assert (told["kind"], told["message"]["id"]) == ("removed", bad["id"])
    scores = chat.sql.execute_simple("SELECT scores FROM social_cases").rows[0][0]
    assert (scores["hate"], scores["violence"]) == (0.95, 0.0001)


def test_a_borderline_message_stays_and_people_look_at_it(chat: Chat, invoker: FunctionInvoker) -> None:
    ada, general = chat.member(), chat.channel()
    ada.posted(general, BORDERLINE)
    assert check(invoker, general) == DONE
    assert removed(ada, general) == [False]
    assert cases(chat) == [["flagged", 0.6, BORDERLINE, 1]]
    assert (strikes(ada), notices(ada)) == (0, [])


def test_each_text_is_asked_about_once_and_an_edited_one_again(
    chat: Chat, invoker: FunctionInvoker, shop_vendors: Vendors
) -> None:
    ada, general = chat.member(), chat.channel()
    message = ada.posted(general, text(1))["id"]
    ada.posted(general, "", media={"type": "gif", "id": "abcDEF123"})
    assert [check(invoker, general) for _ in range(2)] == [DONE] * 2
    assert ada.edit(message, BAD).status == 200
    ada.react(message)
    assert [check(invoker, general) for _ in range(2)] == [DONE] * 2
    assert [asked["input"] for asked in shop_vendors.moderation.asked] == [[text(1)], [BAD]]
    assert cases(chat) == [["removed", 0.95, BAD, 2]]


@pytest.mark.parametrize("fault", SILENT, ids=lambda fault: fault.name)
@pytest.mark.usefixtures("impatient")
def test_while_the_service_fails_messages_are_shown_and_wait(
    chat: Chat, invoker: FunctionInvoker, shop_vendors: Vendors, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.ports.moderation.SECONDS_MAX", 0.3)
    ada, general = chat.member(), chat.channel()
    ada.posted(general, BAD)
    shop_vendors.moderation.fail_next(1, fault)
    assert check(invoker, general) == DONE
    asked = len(shop_vendors.moderation.asked)
    assert (removed(ada, general), cases(chat)) == ([False], [])
    assert check(invoker, general) == DONE  # the service rests: it is not asked for each message
    assert len(shop_vendors.moderation.asked) == asked
    rest_is_over(chat)
    assert [check(invoker, general) for _ in range(2)] == [DONE] * 2
    assert removed(ada, general) == [True]
    assert (len(cases(chat)), strikes(ada), len(notices(ada))) == (1, 1, 1)


@pytest.mark.parametrize(
    "spoil",
    [Spoilt.FEWER, Spoilt.CUT_OFF, lambda answer: answer["results"][0]["category_scores"].update(hate=7)],
    ids=["fewer", "cut off", "a score of 7"],
)
def test_an_answer_that_is_not_sound_decides_nothing(
    chat: Chat, invoker: FunctionInvoker, shop_vendors: Vendors, spoil: Spoil
) -> None:
    ada, general = chat.member(), chat.channel()
    for said in (BAD, BORDERLINE):
        ada.posted(general, said)
    shop_vendors.moderation.spoil_next(spoil)
    assert check(invoker, general) == DONE
    assert (removed(ada, general), cases(chat)) == ([False, False], [])
    rest_is_over(chat)
    assert check(invoker, general) == DONE
    assert [case[0] for case in sorted(cases(chat))] == ["flagged", "removed"]


def test_what_the_service_refuses_to_judge_people_look_at(
    chat: Chat, invoker: FunctionInvoker, shop_vendors: Vendors
) -> None:
    ada, general = chat.member(), chat.channel()
    for said in (text(1), BAD):
        ada.posted(general, said)
    shop_vendors.moderation.fail_next(2, Fault.REFUSED)  # both together, and the first one alone
    assert check(invoker, general) == DONE
    assert sorted(case[:3] for case in cases(chat)) == [["flagged", None, text(1)], ["removed", 0.95, BAD]]
    assert removed(ada, general) == [False, True]


def test_deliveries_side_by_side_remove_and_strike_once(chat: Chat, invoker: FunctionInvoker) -> None:
    authors, general = [chat.member() for _ in range(4)], chat.channel()
    for author in authors:
        author.posted(general, BAD)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: check(invoker, general), range(8))) == {DONE}
    assert removed(authors[0], general) == [True] * 4
    assert [(strikes(author), notices(author)) for author in authors] == [(1, ["message_removed"])] * 4
    assert len(cases(chat)) == 4


@pytest.mark.parametrize("act", ["edit", "remove", "check"])
def test_scores_of_a_text_that_has_changed_since_decide_nothing(chat: Chat, invoker: FunctionInvoker, act: str) -> None:
    ada, general = chat.member(), chat.channel()
    message = ada.posted(general, BAD)["id"]
    with db.acting_for("social_check"):
        (asked,) = db.atomically(store.waiting, clock.now() - checking.LEASE_LIFE, None, 10)
        if act == "edit":
            assert ada.edit(message, text(1)).status == 200
        elif act == "remove":
            assert ada.remove(message).status == 204
        else:
            assert check(invoker, general) == DONE
        before = cases(chat), strikes(ada), ada.changes(general, 1)["position"]
        db.atomically(checking.record, asked, {"hate": 0.99}, clock.now())
    assert (cases(chat), strikes(ada), ada.changes(general, 1)["position"]) == before


def test_people_are_told_of_messages_that_wait_for_longer_than_a_minute(
    chat: Chat, invoker: FunctionInvoker, shop_vendors: Vendors, log_output: io.StringIO
) -> None:
    ada, general = chat.member(Tier.WHALE), chat.channel()
    ada.posted(general, text(1))
    shop_vendors.moderation.fail_next(2, Fault.UNAUTHORIZED)
    assert invoker.schedule("social_check", "sweep") == DONE
    waiting = "messages of the chat wait for their check"
    said = [line["message"] for line in log_lines(log_output)]
    assert "the chat's texts cannot be checked" in said
    assert waiting not in said
    chat.sql.execute_simple("UPDATE social_messages SET posted_at = posted_at - interval '2 minutes'")
    assert invoker.schedule("social_check", "sweep") == DONE
    assert [line["number"] for line in log_lines(log_output) if line["message"] == waiting] == [1]


def test_a_reported_message_that_is_flagged_or_removed_stays_one_case(chat: Chat, invoker: FunctionInvoker) -> None:
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    for said in (BORDERLINE, BAD):
        message = ada.posted(general, said)["id"]
        assert eve.client.post(f"/v1/social/messages/{message}/report", {"reason": "spam"}).status == 200
    assert check(invoker, general) == DONE
    found = chat.sql.execute_simple("SELECT outcome, reports, urgency, decision FROM social_cases ORDER BY number").rows
    assert [list(row) for row in found] == [["flagged", 1, 600, None], ["removed", 1, 950, "remove"]]


def test_an_edit_that_is_flagged_again_adds_its_text_to_the_case(chat: Chat, invoker: FunctionInvoker) -> None:
    ada, general = chat.member(), chat.channel()
    message = ada.posted(general, BORDERLINE)["id"]
    assert check(invoker, general) == DONE
    ada.edit(message, f"and {BORDERLINE}")
    assert check(invoker, general) == DONE
    found = chat.sql.execute_simple("SELECT text, copies FROM social_cases").rows
    assert [list(row) for row in found] == [[BORDERLINE, [{"revision": 2, "text": f"and {BORDERLINE}"}]]]


def test_the_author_of_a_removed_message_may_appeal(chat: Chat, invoker: FunctionInvoker) -> None:
    ada, general = chat.member(), chat.channel()
    ada.posted(general, BAD)
    assert check(invoker, general) == DONE
    (notice,) = ada.client.get("/v1/notifications").body["items"]
    (sanction,) = ada.client.get("/v1/support/sanctions").body["items"]
    assert (sanction["id"], sanction["kind"], sanction["reason"]) == (
        notice["data"]["case_id"],
        "removal",
        "automatic check",
    )


def test_who_is_named_or_answered_is_told_once_after_the_check(chat: Chat, invoker: FunctionInvoker) -> None:
    ada, eve, bob, general = chat.member(), chat.member(), chat.member(), chat.channel()
    first = ada.posted(general, f"{text(1)} @{bob.name}")
    reply = eve.posted(general, f"{text(2)} @{ada.name} @{eve.name}", reply_to=1)
    assert notices(ada) == []
    assert [check(invoker, general) for _ in range(2)] == [DONE] * 2
    assert (notices(ada), notices(eve), notices(bob)) == (["chat_replied"], [], ["chat_mentioned"])
    assert eve.edit(reply["id"], f"{text(3)} @{bob.name} @{ada.name}").status == 200
    assert check(invoker, general) == DONE
    assert (notices(ada), notices(bob)) == (["chat_replied"], ["chat_mentioned"] * 2)
    ada.remove(first["id"])
    eve.remove(reply["id"])
    assert (notices(ada), notices(bob)) == ([], [])


def test_nobody_is_told_by_whom_they_have_blocked_or_of_what_they_may_not_see(
    chat: Chat, invoker: FunctionInvoker
) -> None:
    author, general, room = chat.member(), chat.channel(), chat.channel("whale-room")
    blocker, lower, banned, other = chat.member(), chat.member(Tier.HIGH_ROLLER), chat.member(), chat.member()
    blocker.client.put(f"/v1/social/blocks/{author.somebody.id}")
    chat.stand(banned, "banned_at", "now()")
    names = " ".join(f"@{who.name}" for who in (blocker, lower, banned, other))
    blocker.posted(general, text(1))
    author.posted(general, text(2), reply_to=1)
    author.posted(room, f"{text(3)} {names}")
    author.posted(room, f"{BAD} {names}")
    assert check(invoker, general) == DONE
    told = {who.name: notices(who) for who in (blocker, lower, banned, other)}
    assert [len(found) for found in told.values()] == [0, 0, 0, 1]
