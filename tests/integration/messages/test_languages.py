"""Members are told in their language, and clients get what they need to say it themselves."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.feed_project import documents
from functions.feed_project import store as projected
from shared import db
from shared.comps import awards
from shared.comps.awards import Award
from shared.messages import mails
from shared.messages.mails import Letter
from shared.values.money import Usdt
from shared.values.prizes import CompType
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform

Client = Callable[..., FunctionClient]

TITLES = {"en": "You won $1,000.50!", "es": "¡Ganaste $1,000.50!", "pt": "Você ganhou US$\u00a01.000,50!"}
BODIES = {
    "en": "It is paid to your wallet as soon as one is linked.",
    "es": "Se paga en tu billetera en cuanto haya una vinculada.",
    "pt": "É pago na sua carteira assim que houver uma vinculada.",
}
WALLET, HASH = "0x" + "ab" * 20, "0x" + "cd" * 32
PARAMS = {"amount": "1000.50"}


@pytest.fixture
def invoker(platform: Platform) -> Iterator[FunctionInvoker]:
    platform.mail.clear()
    yield FunctionInvoker(platform.invoker_token)
    platform.mail.clear()


def speaking(sql: Connection, language: str) -> Somebody:
    somebody = factories.member()
    sql.execute_unnamed("UPDATE members SET language = $1 WHERE id = $2", (language, somebody.id))
    return somebody


def win(somebody: Somebody, amount: str = "1000.50", kind: CompType = CompType.MANUAL) -> UUID:
    given = Award(somebody.id, kind, Usdt.of(amount), "manual", str(somebody.id), {})
    made = db.atomically(lambda tx: awards.award(tx, given, datetime.now(UTC)))
    assert made
    return made


@pytest.mark.parametrize("language", TITLES)
def test_a_notification_is_shown_in_the_members_language_with_its_code(
    language: str, client: Client, sql: Connection
) -> None:
    somebody = speaking(sql, language)
    win(somebody)
    mine = client(somebody.token)
    (note,) = mine.get("/v1/notifications").body["items"]
    assert (note["title"], note["body"]) == (TITLES[language], BODIES[language])
    assert (note["code"], note["params"]) == ("comp_won", PARAMS)
    assert mine.put(f"/v1/notifications/{note['id']}/read").body == note | {"read": True}


@pytest.mark.parametrize("language", TITLES)
def test_listeners_see_the_same(language: str, sql: Connection) -> None:
    win(speaking(sql, language))
    ((note_id,),) = sql.execute_simple("SELECT id FROM notifications").rows
    row = db.atomically(lambda tx: projected.notification(tx, note_id))
    assert row
    fields = documents.notification_document(row).fields
    assert (fields["title"], fields["body"]) == (TITLES[language], BODIES[language])
    assert (fields["code"], fields["params"]) == ("comp_won", PARAMS)


def test_a_line_of_the_feed_is_english_and_has_its_code(sql: Connection) -> None:
    win(speaking(sql, "pt"))
    win(speaking(sql, "es"), "0", CompType.TRIP)
    lines = []
    for (item_id,) in sql.execute_simple("SELECT id FROM feed_items ORDER BY id").rows:
        item = db.atomically(partial(projected.feed_item, item_id=item_id))
        lines.append(documents.feed_document(item).fields)
    assert [(line["text"], line["code"], line["params"]) for line in lines] == [
        ("Someone won $1,000.50!", "someone_won", PARAMS),
        ("Someone won a trip!", "someone_won_prize", {"prize": "trip"}),
    ]


def test_a_notification_of_an_earlier_release_is_shown_as_it_was_stored(client: Client, sql: Connection) -> None:
    somebody = speaking(sql, "es")
    win(somebody)
    sql.execute_simple("UPDATE notifications SET code = NULL, params = '{}', title = 'You won!'")
    (note,) = client(somebody.token).get("/v1/notifications").body["items"]
    assert (note["title"], note["code"], note["params"]) == ("You won!", None, {})


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("en", "$1,000.50 USDT is in your wallet"),
        ("es", "$1,000.50 USDT ya están en tu billetera"),
        ("pt", "US$\u00a01.000,50 USDT já estão na sua carteira"),
    ],
)
def test_a_mail_is_written_in_the_members_language(
    language: str, subject: str, platform: Platform, invoker: FunctionInvoker, sql: Connection
) -> None:
    somebody = speaking(sql, language)
    comp_id = win(somebody)
    db.atomically(lambda tx: awards.mark_paid(tx, comp_id, WALLET, WALLET, HASH, datetime.now(UTC)))
    ((mail_id,),) = sql.execute_simple("SELECT id FROM mails").rows
    assert invoker.event("email_send", "mail-queued", {"mail_id": str(mail_id)}, message_id="m") == 204
    (sent,) = platform.mail.mails(somebody.email)
    assert sent.subject.replace("\u00a0", " ") == subject.replace("\u00a0", " ")
    assert f'<html lang="{language}">' in sent.html


def test_the_language_is_that_of_the_moment_when_the_mail_was_queued(sql: Connection) -> None:
    """An account that is closed has none any more."""
    somebody = speaking(sql, "pt")
    letter = Letter(somebody.email, "Ada", "account_deleted", {"name": "Ada"}, "gone", somebody.id)
    db.atomically(lambda tx: mails.queue(tx, letter, datetime.now(UTC)))
    sql.execute_simple("UPDATE members SET language = 'en'")
    stranger = Letter("somebody@example.com", "Concierge", "trip_chosen", {}, "stranger")
    db.atomically(lambda tx: mails.queue(tx, stranger, datetime.now(UTC)))
    assert sql.execute_simple("SELECT language FROM mails ORDER BY dedupe_key").rows == [["pt"], ["en"]]


def test_a_scan_says_why_a_prize_was_not_won_as_a_code(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    (code,) = factories.manufactured_codes(1)
    factories.set_scan_counter(499)
    hit = client(somebody.token).post("/v1/scans/submit", {"code": code}).body["milestone_hit"]
    assert (hit["awarded"], hit["reason"]) == (False, "needs tier VIP")
    assert (hit["code"], hit["params"]) == ("tier_needed", {"tier": "vip"})
    assert sql.execute_simple("SELECT code, params FROM milestones").rows == [["tier_needed", {"tier": "vip"}]]
