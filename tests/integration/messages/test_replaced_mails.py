"""A version that an admin has written replaces a mail of the code by its key, and nothing of that mail is lost."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any
from uuid import uuid4

import pytest

from functions.email_send.templates import render
from shared import db
from shared.messages import mails
from shared.messages.built_in_mails import SOURCES
from shared.messages.mails import Letter
from tests import factories
from tests.client import refusal
from tests.factories import NOW
from tests.fakes import campaign_desk as desk
from tests.fakes.campaign_desk import BASE, CODE_CONTENT
from tests.fakes.campaign_plugin import CampaignDesk
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.campaign_plugin"]

VALUES = {"name": "<b>Ann</b>", "code": "246810"}
NOWHERE = "3f9c2b1a-7d5e-4f60-8a1b-0c9d8e7f6a5b"


def mailed(campaign_desk: CampaignDesk, key: str = "verify_email", language: str = "en", **values: str) -> Any:
    """The mail of this key that a new member with this language gets."""
    somebody = factories.member()
    campaign_desk.sql.execute_unnamed("UPDATE members SET language = $1 WHERE id = $2", (language, somebody.id))
    letter = Letter(somebody.email, "Ann", key, values or VALUES, str(uuid4()), somebody.id)
    db.atomically(lambda tx: mails.queue(tx, letter, NOW))
    assert campaign_desk.deliver_mails() == {204}
    (mail,) = campaign_desk.platform.mail.mails(somebody.email)
    return mail


def published(campaign_desk: CampaignDesk, *args: Any, **other: Any) -> str:
    """A version that replaces a mail, written by one admin and published by another; its id."""
    version = desk.replacement(campaign_desk.admin, *args, **other)
    desk.publish(campaign_desk.other_admin(), version)
    return version


def built_in(language: Any = "en") -> str:
    return render("verify_email", VALUES, language).text


def content(*texts: str, **other: object) -> dict[str, Any]:
    blocks = [{"type": "text", "spans": [{"text": text}]} for text in texts]
    return {**CODE_CONTENT, **({"blocks": blocks} if texts else {}), **other}


def test_a_published_version_is_sent_instead_of_the_mail_of_the_code(campaign_desk: CampaignDesk) -> None:
    assert mailed(campaign_desk).text == built_in()
    version = desk.replacement(campaign_desk.admin)
    assert mailed(campaign_desk).text == built_in()  # written, and not published

    made = desk.publish(campaign_desk.other_admin(), version)

    assert (made["key"], made["language"], made["version_id"], made["withdrawn_at"]) == (
        "verify_email", "en", version, None,
    )  # fmt: skip
    mail = mailed(campaign_desk)
    assert mail.subject == "Welcome to BlakJaks"
    assert mail.text == f"Good to see you, <b>Ann</b>\n\n246810\n\n--\n{SOURCES['verify_email'].why[0]}"
    assert ("<b>Ann</b>" in mail.html, "&lt;b&gt;Ann&lt;/b&gt;" in mail.html, "246810" in mail.html) == (
        False, True, True,
    )  # fmt: skip
    assert "unsubscribe" not in mail.html + mail.text + str(mail.headers).lower()
    assert campaign_desk.sql.execute_simple("SELECT DISTINCT status, parameters = '{}' FROM mails").rows == [
        ["sent", True]
    ]


def test_each_language_is_replaced_by_itself(campaign_desk: CampaignDesk) -> None:
    published(campaign_desk, language="es")
    assert mailed(campaign_desk, language="es").subject == "Welcome to BlakJaks"
    assert mailed(campaign_desk, language="pt").text == built_in("pt")
    assert mailed(campaign_desk).text == built_in()


def test_a_later_version_follows_and_withdrawing_it_brings_back_the_mail_of_the_code(
    campaign_desk: CampaignDesk,
) -> None:
    first, other = published(campaign_desk), campaign_desk.other_admin()
    template = campaign_desk.admin.get(f"{BASE}/versions/{first}").body["template_id"]
    later = content("Your code: {code}", subject="Later")
    second = campaign_desk.admin.post(f"{BASE}/templates/{template}/versions", later).body["id"]
    assert mailed(campaign_desk).subject == "Welcome to BlakJaks"
    desk.publish(other, second)
    assert mailed(campaign_desk).subject == "Later"
    assert campaign_desk.admin.get(f"{BASE}/templates/{template}").body["published_version_id"] == second
    assert refusal(other.post(f"{BASE}/versions/{first}/withdraw")) == (409, "mail-version-not-published")

    answer = campaign_desk.admin.post(f"{BASE}/versions/{second}/withdraw")  # its author may: nothing new is sent

    assert (answer.status, bool(answer.body["withdrawn_at"])) == (200, True)
    assert mailed(campaign_desk).text == built_in()
    assert campaign_desk.admin.get(f"{BASE}/templates/{template}").body["published_version_id"] is None
    assert refusal(other.post(f"{BASE}/versions/{second}/withdraw")) == (409, "mail-version-not-published")
    desk.publish(other, first)
    assert mailed(campaign_desk).subject == "Welcome to BlakJaks"


def test_publishing_and_withdrawing_are_audited_and_once_more_changes_nothing(campaign_desk: CampaignDesk) -> None:
    version, other = desk.replacement(campaign_desk.admin), campaign_desk.other_admin()
    made = desk.publish(other, version)
    before = rows_of_all_tables(campaign_desk.sql)
    assert desk.publish(other, version) == made
    assert rows_of_all_tables(campaign_desk.sql) == before

    assert other.post(f"{BASE}/versions/{version}/withdraw").status == 200
    lines = campaign_desk.sql.execute_simple(
        "SELECT action, resource_id, changes ->> 'key' FROM audit_logs WHERE action LIKE 'mail_version.%' ORDER BY id"
    ).rows
    assert lines == [[f"mail_version.{act}", version, "verify_email"] for act in ("publish", "withdraw")]


WRONG: Mapping[str, tuple[dict[str, Any], str]] = {
    "without the code": (content("Hello {name}"), "/blocks"),
    "the code in the subject only": (content("Hello", subject="{code}"), "/subject"),
    "the code beside an image only": (
        {**CODE_CONTENT, "blocks": [{"type": "image", "image": "https://blakjaks.com/a.png", "text": "{code}"}]},
        "/blocks",
    ),
    "the code in the preheader": (content("{code}", preheader="{code}"), "/preheader"),
    "the name in the subject": (content("{code}", subject="Hi {name}"), "/subject"),
    "a variable of another mail": (content("{code} {amount}"), "/blocks/0/spans/0/text"),
    "a variable of campaigns": (content("{code} {tier}"), "/blocks/0/spans/0/text"),
    "a variable of our footer": (content("{code} {unsubscribe_link}"), "/blocks/0/spans/0/text"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_version_with_other_variables_or_without_the_code_is_refused(campaign_desk: CampaignDesk, name: str) -> None:
    body, field = WRONG[name]
    template = desk.key_template(campaign_desk.admin)
    before = rows_of_all_tables(campaign_desk.sql)
    answer = campaign_desk.admin.post(f"{BASE}/templates/{template}/versions", body)
    assert refusal(answer) == (422, "not-valid")
    assert field in [error["field"] for error in answer.body["errors"]]
    assert rows_of_all_tables(campaign_desk.sql) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "transactional"}, "/key"),
        ({"kind": "transactional", "key": "no_such_mail"}, "/key"),
        ({"kind": "transactional", "key": "written"}, "/key"),
        ({"kind": "marketing", "key": "verify_email"}, "/key"),
        ({"key": "verify_email"}, "/key"),
        ({"kind": "secret", "key": "verify_email"}, "/kind"),
        ({"kind": "transactional", "key": "treasury_notice", "language": "pt"}, "/language"),
    ],
    ids=str,
)
def test_a_template_for_no_mail_or_for_the_wrong_one_is_refused(
    campaign_desk: CampaignDesk, body: Mapping[str, str], field: str
) -> None:
    before = rows_of_all_tables(campaign_desk.sql)
    answer = campaign_desk.admin.post(f"{BASE}/templates", {"name": "x", "language": "en", **body})
    assert refusal(answer) == (422, "not-valid")
    assert field in [error["field"] for error in answer.body["errors"]]
    assert rows_of_all_tables(campaign_desk.sql) == before


def test_a_mail_has_one_template_in_a_language(campaign_desk: CampaignDesk) -> None:
    first = desk.key_template(campaign_desk.admin)
    before = rows_of_all_tables(campaign_desk.sql)
    body = {"name": "x", "language": "en", "kind": "transactional", "key": "verify_email"}
    answer = campaign_desk.admin.post(f"{BASE}/templates", body)
    assert (refusal(answer), answer.body["template_id"]) == ((409, "mail-template-exists"), first)
    assert rows_of_all_tables(campaign_desk.sql) == before


def test_what_must_not_be_published_is_refused_and_changes_nothing(campaign_desk: CampaignDesk) -> None:
    admin, other = campaign_desk.admin, campaign_desk.other_admin()
    campaign, own = desk.version(admin), desk.replacement(admin)
    before = rows_of_all_tables(campaign_desk.sql)
    assert refusal(other.post(f"{BASE}/versions/{campaign}/publish")) == (409, "mail-not-transactional")
    assert refusal(admin.post(f"{BASE}/versions/{own}/publish")) == (403, "own-mail-version")
    assert refusal(other.post(f"{BASE}/versions/{own}/withdraw")) == (409, "mail-version-not-published")
    for act in ("publish", "withdraw"):
        assert refusal(other.post(f"{BASE}/versions/{NOWHERE}/{act}")) == (404, "not-found")
    body = {"name": "x", "version_id": own, "segment": {}}
    assert refusal(admin.post(f"{BASE}/campaigns", body)) == (409, "mail-not-marketing")
    assert rows_of_all_tables(campaign_desk.sql) == before


def test_a_version_that_does_not_fit_the_release_any_more_is_left_aside(campaign_desk: CampaignDesk) -> None:
    """As after a release in which the mail has a variable that the version does not know."""
    version, sql = published(campaign_desk), campaign_desk.sql
    sql.execute_simple("SET session_replication_role = replica")
    sql.execute_simple("UPDATE mail_template_versions SET variables = '{name}'")
    sql.execute_simple("SET session_replication_role = origin")

    assert mailed(campaign_desk).text == built_in()
    answer = campaign_desk.other_admin().post(f"{BASE}/versions/{version}/publish")
    assert refusal(answer) == (409, "mail-variables-wrong")


def test_values_are_written_as_the_language_writes_them(campaign_desk: CampaignDesk) -> None:
    words = content("{amount}: {transaction_hash}", subject="{amount}!")
    published(campaign_desk, "comp_paid", "pt", content=words)
    mail = mailed(campaign_desk, "comp_paid", "pt", name="Ann", amount="1234.50", transaction_hash="0xab")
    assert mail.subject == "US$ 1.234,50!"  # headers have plain blanks
    assert "US$\u00a01.234,50: 0xab" in mail.text


def test_a_preview_on_a_locked_screen_does_not_show_the_code(campaign_desk: CampaignDesk) -> None:
    published(campaign_desk, content=content("{code}"))
    body = mailed(campaign_desk).html.partition("<body")[2].partition(">")[2]
    text = unescape(re.sub(r"<[^>]+>", "", body))
    assert text.strip().startswith("Your code is inside")
    assert text.index("246810") > 300


def test_a_preview_and_a_test_mail_have_samples_and_the_name_of_whom_they_are_for(campaign_desk: CampaignDesk) -> None:
    admin, version = campaign_desk.admin, desk.replacement(campaign_desk.admin)
    sample = admin.get(f"{BASE}/versions/{version}/preview").body
    assert "Good to see you, Ada Lovelace\n\n135246" in sample["text"]
    somebody = factories.member()
    campaign_desk.sql.execute_unnamed("UPDATE members SET full_name = 'Grace Hopper' WHERE id = $1", (somebody.id,))
    number = campaign_desk.number(somebody)
    shown = admin.get(f"{BASE}/versions/{version}/preview?member_number={number}").body
    assert "Good to see you, Grace Hopper\n\n135246" in shown["text"]

    assert admin.post(f"{BASE}/versions/{version}/test").status == 202
    campaign_desk.deliver_mails()
    (mail,) = campaign_desk.platform.mail.mails()
    assert (mail.subject, "135246" in mail.text) == ("Welcome to BlakJaks", True)
    assert "List-Unsubscribe" not in mail.headers


def test_the_mails_of_the_code_are_listed_with_what_replaces_them(campaign_desk: CampaignDesk) -> None:
    version = published(campaign_desk)
    items = {each["key"]: each for each in campaign_desk.admin.get(f"{BASE}/built-in").body["items"]}
    assert list(items) == sorted(SOURCES)
    listed = items["verify_email"]
    assert (listed["variables"], listed["required"], listed["outside"]) == (["code", "name"], ["code"], [])
    assert [(each["language"], each["version_id"]) for each in listed["replaced_by"]] == [("en", version)]
    assert items["treasury_notice"]["languages"] == ["en"]
    assert not any(each["replaced_by"] for key, each in items.items() if key != "verify_email")
