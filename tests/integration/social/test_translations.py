"""Translations of messages: made once for everybody, for those who may read the message, and gone with it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest

from emulators.chat_vendor import Spoil, Spoilt
from emulators.translation import TranslationStandIn
from emulators.vendor import Fault
from emulators.vendors import Vendors
from functions.member_erase import store as erasing
from functions.social import rules, translating
from shared import db
from shared.values.tiers import Tier
from tests.client import Answer
from tests.fakes.chat import MESSAGES, Chat, Chatter, text

pytest_plugins = ["tests.contract.vendor_plugin", "tests.fakes.chat_plugin"]

SILENT = (Fault.UNANSWERED, Fault.DONE_UNANSWERED, Fault.TIMEOUT, Fault.TOO_MANY_REQUESTS, Fault.INTERNAL_ERROR)


@pytest.fixture
def service(shop_vendors: Vendors) -> Iterator[TranslationStandIn]:
    translating.desk.rest(0)
    yield shop_vendors.translation
    translating.desk.rest(0)


def translate(who: Chatter, message: str, language: str = "es") -> Answer:
    return who.client.post(f"{MESSAGES}/{message}/translate", {"language": language})


def said(who: Chatter, message: str, language: str = "es") -> str:
    """The translation that the member gets."""
    answer = translate(who, message, language)
    assert answer.status == 200, answer.body
    return str(answer.body["text"])


def stored(chat: Chat) -> list[list[object]]:
    found = chat.sql.execute_simple("SELECT revision, language, text FROM social_translations ORDER BY language").rows
    return [list(row) for row in found]


def test_it_is_made_once_for_all_readers_with_its_names_and_links(chat: Chat, service: TranslationStandIn) -> None:
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    message = ada.posted(general, "Look, @eve: https://blakjaks.com/awards now", language="en")["id"]
    assert [said(who, message) for who in (ada, eve, ada)] == ["[es] Look, @eve: https://blakjaks.com/awards now"] * 3
    assert [asked["contents"] for asked in service.asked] == [["Look, \u27e60\u27e7: \u27e61\u27e7 now"]]
    assert (service.asked[0]["sourceLanguageCode"], service.asked[0]["targetLanguageCode"]) == ("en", "es")
    assert said(eve, message, "pt").startswith("[pt]")
    assert len(service.asked) == 2


def test_what_needs_none_costs_nothing(chat: Chat, service: TranslationStandIn) -> None:
    ada, general = chat.member(), chat.channel()
    for words, language in (("hola", "es"), ("\U0001f600 17!", None), ("@eve https://blakjaks.com", "en")):
        message = ada.posted(general, words, language=language)["id"]
        assert said(ada, message) == words
    assert said(ada, ada.posted(general, "", media={"type": "gif", "id": "abcDEF123"})["id"]) == ""
    assert (service.asked, stored(chat)) == ([], [])
    assert said(ada, ada.posted(general, "bonjour", language="fr")["id"]) == "[es] bonjour"
    assert "sourceLanguageCode" not in service.asked[0]  # the service finds out languages that are not ours


def test_who_may_not_read_a_message_gets_no_translation_of_it(chat: Chat, service: TranslationStandIn) -> None:
    whale, general = chat.member(), chat.channel()
    message = whale.posted(chat.channel("whale-room"), text(1))["id"]
    assert said(whale, message)  # it is there, for those who may
    for tier in (Tier.STANDARD, Tier.VIP, Tier.HIGH_ROLLER):
        assert translate(chat.member(tier), message).problem == "not-found", tier
    banned = chat.member()
    chat.stand(banned, "banned_at", "now()")
    assert translate(banned, message).problem == "banned-from-chat"
    removed = whale.posted(general, text(2))["id"]
    assert said(whale, removed)
    whale.remove(removed)
    assert [translate(whale, each).problem for each in (removed, str(uuid4()), "17")] == ["not-found"] * 3
    chat.sql.execute_simple("UPDATE social_heads SET first_number = number + 1")
    assert translate(whale, message).problem == "not-found"
    assert translate(whale, message, "fr").problem == "not-valid"
    assert len(service.asked) == 2


@pytest.mark.parametrize("act", ["edit", "remove", "erase"])
def test_it_goes_with_what_it_translates(chat: Chat, service: TranslationStandIn, act: str) -> None:
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    message = ada.posted(general, text(1))["id"]
    assert said(eve, message) == f"[es] {text(1)}"
    if act == "edit":
        assert ada.edit(message, text(2)).status == 200
    elif act == "remove":
        assert ada.remove(message).status == 204
    else:
        with db.acting_for("member_erase"):
            assert db.atomically(erasing.erase, "social_messages", ada.somebody.id, 100) == 1
    assert stored(chat) == []
    if act == "edit":
        assert said(eve, message) == f"[es] {text(2)}"
        assert stored(chat) == [[2, "es", f"[es] {text(2)}"]]
    assert len(service.asked) == 1 + (act == "edit")


@pytest.mark.parametrize("act", ["edit", "remove", "ban"])
def test_what_changes_while_the_service_answers_is_neither_told_nor_stored(
    chat: Chat, service: TranslationStandIn, act: str
) -> None:
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    message = ada.posted(general, text(1))["id"]

    def change(_: dict[str, object]) -> None:
        if act == "edit":
            assert ada.edit(message, text(2)).status == 200
        elif act == "remove":
            assert ada.remove(message).status == 204
        else:
            chat.stand(eve, "banned_at", "now()")

    service.spoil_next(change)
    refused = {"edit": "translation-not-ready", "remove": "not-found", "ban": "banned-from-chat"}
    assert translate(eve, message).problem == refused[act]
    assert [row for row in stored(chat) if row[2]] == []
    if act == "edit":
        assert said(eve, message) == f"[es] {text(2)}"


def test_many_readers_at_once_ask_once(chat: Chat, service: TranslationStandIn) -> None:
    readers, general = [chat.member() for _ in range(8)], chat.channel()
    message = readers[0].posted(general, text(1))["id"]
    with ThreadPoolExecutor(len(readers)) as pool:
        answers = list(pool.map(lambda reader: translate(reader, message), readers))
    assert {answer.body.get("text") for answer in answers if answer.status == 200} == {f"[es] {text(1)}"}
    assert {answer.problem for answer in answers if answer.status != 200} <= {"translation-not-ready"}
    assert len(service.asked) == 1
    assert {said(reader, message) for reader in readers} == {f"[es] {text(1)}"}


def test_messages_of_one_language_are_asked_about_together(chat: Chat, service: TranslationStandIn) -> None:
    ada, general = chat.member(), chat.channel()
    messages = [ada.posted(general, text(number))["id"] for number in range(rules.TRANSLATIONS_AT_ONCE)]
    with ThreadPoolExecutor(len(messages)) as pool:
        service.spoil_next(lambda _: time.sleep(0.3))  # what comes meanwhile is asked about together
        made = list(pool.map(lambda message: said(ada, message), messages))
    assert made == [f"[es] {text(number)}" for number in range(len(messages))]
    assert len(service.asked) < len(messages)


@pytest.mark.usefixtures("impatient")
def test_while_the_service_fails_nothing_is_translated_but_what_is_there(
    chat: Chat, service: TranslationStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.ports.translation.TRANSLATION_SECONDS_MAX", 0.3)
    ada, general = chat.member(), chat.channel()
    there, message = (ada.posted(general, text(number))["id"] for number in range(2))
    assert said(ada, there)
    spoils: list[Fault | Spoil] = [*SILENT, Fault.UNAUTHORIZED, Spoilt.FEWER, Spoilt.CUT_OFF]
    for fault in spoils:
        if isinstance(fault, Fault):
            service.fail_next(1, fault)
        else:
            service.spoil_next(fault)
        answer = translate(ada, message)
        assert (answer.status, answer.problem) == (503, "translation-unavailable"), fault
        assert 1 <= int(answer.headers["Retry-After"]) <= rules.REST_SECONDS_MAX
        asked = len(service.asked)
        assert translate(ada, message).problem == "translation-unavailable"  # the service rests
        assert said(ada, there)
        assert (len(service.asked), len(stored(chat))) == (asked, 1)
        translating.desk.rest(0)
    (state,) = chat.sql.execute_simple("SELECT error FROM integration_states WHERE service = 'translation'").rows
    assert state[0]
    assert said(ada, message) == f"[es] {text(1)}"


def test_what_the_service_refuses_harms_no_other_message(chat: Chat, service: TranslationStandIn) -> None:
    ada, general = chat.member(), chat.channel()
    first, second = (ada.posted(general, text(number))["id"] for number in range(2))
    service.fail_next(1, Fault.REFUSED)
    assert translate(ada, first).problem == "not-translatable"
    assert [said(ada, message) for message in (second, first)] == [f"[es] {text(1)}", f"[es] {text(0)}"]


def test_the_days_budget_ends_it_and_a_refusal_costs_nothing(
    chat: Chat, service: TranslationStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "CODE_POINTS_PER_DAY", 20)
    ada, general = chat.member(), chat.channel()
    long, short = ada.posted(general, "so many words, so little room")["id"], ada.posted(general, "few words")["id"]
    assert translate(ada, long).problem == "translation-unavailable"
    assert stored(chat) == []
    assert said(ada, short) == "[es] few words"
    assert translate(ada, short, "pt").status == 200
    assert translate(ada, ada.posted(general, "some words")["id"]).problem == "translation-unavailable"
    assert len(service.asked) == 2


def test_a_member_does_not_use_up_everybodys_budget(
    chat: Chat, service: TranslationStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "CODE_POINTS_OF_MEMBER_PER_DAY", 20)
    monkeypatch.setattr(rules, "CODE_POINTS_PER_DAY", 40)
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    one, two, three = (ada.posted(general, f"twenty letters, {word}")["id"] for word in ("one.", "two.", "six."))
    assert said(ada, one)
    refused = translate(ada, two)
    assert (refused.status, refused.problem) == (429, "too-many-translations")
    assert 0 < int(refused.headers["Retry-After"]) <= 24 * 3600
    assert said(ada, one)  # what is there costs nothing
    assert [said(eve, two), said(ada, two)] == ["[es] twenty letters, two."] * 2
    assert translate(chat.member(), three).problem == "translation-unavailable"  # what ada was refused cost nobody
    assert len(service.asked) == 2


@pytest.mark.parametrize("act", ["remove", "ban"])
def test_nothing_is_told_again_under_its_key(chat: Chat, service: TranslationStandIn, act: str) -> None:
    ada, eve, general = chat.member(), chat.member(), chat.channel()
    path = f"{MESSAGES}/{ada.posted(general, text(1))['id']}/translate"
    wish, key = {"language": "es"}, {"Idempotency-Key": "once"}
    assert [eve.client.post(path, wish, **key).body["text"] for _ in range(2)] == [f"[es] {text(1)}"] * 2
    assert chat.sql.execute_simple("SELECT count(*) FROM idempotency_keys WHERE reply IS NOT NULL").rows == [[0]]
    if act == "remove":
        assert ada.remove(path.split("/")[4]).status == 204
    else:
        chat.stand(eve, "banned_at", "now()")
    refused = eve.client.post(path, wish, **key)
    assert refused.problem == {"remove": "not-found", "ban": "banned-from-chat"}[act]
    assert len(service.asked) == 1


def test_posting_goes_on_while_the_service_is_slow(chat: Chat, service: TranslationStandIn) -> None:
    """No more requests than there are places wait for the service; others are told to come again."""
    ada, general = chat.member(), chat.channel()
    message = ada.posted(general, text(1))["id"]
    places = [translating.desk.place() for _ in range(rules.TRANSLATIONS_AT_ONCE)]
    for place in places:
        place.__enter__()
    try:
        assert translate(ada, message).problem == "translation-unavailable"
        assert service.asked == []
    finally:
        for place in places:
            place.__exit__(None, None, None)
    assert said(ada, message)


def test_a_claim_whose_worker_died_passes_to_the_next(chat: Chat, service: TranslationStandIn) -> None:
    ada, general = chat.member(), chat.channel()
    message = ada.posted(general, text(1))["id"]
    insert = "INSERT INTO social_translations VALUES ($1, 1, 'es', NULL, now() + interval '15 seconds')"
    chat.sql.execute_unnamed(insert, (UUID(message),))
    assert translate(ada, message).problem == "translation-not-ready"
    chat.sql.execute_simple("UPDATE social_translations SET claimed_until = now() - interval '1 second'")
    assert said(ada, message) == f"[es] {text(1)}"
    assert len(service.asked) == 1
