"""Mails that admins write: their versions, previews and tests, and everything that is refused."""

import re
from collections.abc import Mapping
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest

from shared.auth import Role
from tests import factories
from tests.client import FunctionClient, refusal
from tests.fakes import campaign_desk as desk
from tests.fakes.campaign_desk import BASE, CONTENT
from tests.fakes.campaign_plugin import CampaignDesk
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.campaign_plugin"]

EVIL = "<script>alert(1)</script> & <img src=x onerror=alert(2)>"
TAGS = {"html", "head", "meta", "style", "title", "body", "div", "table", "tbody", "tr", "td", "a", "p", "br", "b", "i",
        "img"}  # fmt: skip


class Tags(HTMLParser):
    """Collects the tags and attributes of a mail."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def content(*blocks: Mapping[str, Any], **other: object) -> dict[str, Any]:
    return {**CONTENT, **({"blocks": list(blocks)} if blocks else {}), **other}


def preview(admin: FunctionClient, version: str, number: int | None = None) -> Mapping[str, str]:
    answer = admin.get(f"{BASE}/versions/{version}/preview" + (f"?member_number={number}" if number else ""))
    assert answer.status == 200, answer.body
    body: Mapping[str, str] = answer.body
    return body


def test_a_preview_has_the_values_of_its_member_or_samples(campaign_desk: CampaignDesk) -> None:
    admin, version = campaign_desk.admin, desk.version(campaign_desk.admin)
    somebody = factories.member()
    campaign_desk.sql.execute_unnamed("UPDATE members SET full_name = $1 WHERE id = $2", (EVIL, somebody.id))

    sample, made = preview(admin, version), preview(admin, version, campaign_desk.number(somebody))

    assert (sample["subject"], "Hello Ada Lovelace" in sample["html"]) == ("News for VIP", True)
    assert "You have scanned 12 tins." in sample["text"]
    assert (made["subject"], EVIL in made["text"], EVIL in made["html"]) == ("News for Standard", True, False)
    assert EVIL in unescape(re.sub(r"<[^>]*>", "", made["html"]))
    assert Tags(made["html"]).tags <= TAGS
    assert not {name for name in Tags(made["html"]).attributes if name.startswith("on")}


def test_a_preview_a_test_mail_and_a_campaign_are_the_same_mail(campaign_desk: CampaignDesk) -> None:
    admin, version = campaign_desk.admin, desk.version(campaign_desk.admin)
    desk.set_postal_address()
    assert admin.post(f"{BASE}/versions/{version}/test").status == 202
    made = admin.post(f"{BASE}/campaigns", {"name": "News", "version_id": version, "segment": {}}).body["id"]
    desk.act(admin, made, "start")
    campaign_desk.jobs.run_tasks()
    campaign_desk.deliver_mails()

    first, second = campaign_desk.platform.mail.mails()
    assert (first.subject, first.html, first.text, first.to) == (second.subject, second.html, second.text, second.to)
    ((number,),) = campaign_desk.sql.execute_simple("SELECT min(number) FROM members").rows
    shown = preview(admin, version, number)
    without_link = re.compile(r"/v1/mails/unsubscribe/[\w.-]+")
    assert without_link.sub("", shown["html"]) == without_link.sub("", first.html)
    assert without_link.sub("", shown["text"]) == without_link.sub("", first.text)
    assert admin.get(f"{BASE}/campaigns/{made}").body["queued"] == 1  # no campaign counts the test


def test_a_mail_loads_nothing_but_its_own_pictures(campaign_desk: CampaignDesk) -> None:
    made = desk.version(
        campaign_desk.admin,
        content(
            {"type": "image", "image": "https://media.blakjaks.com/a.png", "text": "A tin"},
            {"type": "columns", "left": [{"type": "divider"}], "right": [{"type": "box", "spans": [{"text": "x"}]}]},
            {"type": "spacer", "height": 8},
        ),
    )
    html = preview(campaign_desk.admin, made)["html"]
    assert re.findall(r'(?:src|href)="(https?://[^"]+)"', html)[0] == "https://media.blakjaks.com/a.png"
    assert "fonts.googleapis" not in html
    assert "@import" not in html


def test_spans_keep_their_blanks_and_styles(campaign_desk: CampaignDesk) -> None:
    spans = [{"text": "Hello"}, {"text": "there", "bold": True, "italic": True}, {"text": "!"}]
    made = preview(campaign_desk.admin, desk.version(campaign_desk.admin, content({"type": "text", "spans": spans})))
    assert "Hello <i><b>there</b></i>!" in made["html"]
    assert made["text"].startswith("Hello there!")


def test_a_name_that_is_missing_has_a_fallback_in_the_mails_language(campaign_desk: CampaignDesk) -> None:
    somebody = factories.member()
    campaign_desk.sql.execute_unnamed("UPDATE members SET full_name = ' ' WHERE id = $1", (somebody.id,))
    made = desk.version(campaign_desk.admin, language="es")
    assert "Hello miembro de BlakJaks" in preview(campaign_desk.admin, made, campaign_desk.number(somebody))["text"]


def test_versions_follow_each_other_and_stay_as_they_are(campaign_desk: CampaignDesk) -> None:
    admin = campaign_desk.admin
    template = desk.template(admin)
    path = f"{BASE}/templates/{template}/versions"
    first, second = (admin.post(path, content(subject=subject)).body for subject in ("One", "Two"))
    assert (first["version"], second["version"]) == (1, 2)
    assert admin.get(f"{BASE}/templates/{template}").body["version"] == 2
    kept = admin.get(f"{BASE}/versions/{first['id']}").body
    assert (kept["subject"], kept["blocks"]) == ("One", CONTENT["blocks"])


BAD: Mapping[str, tuple[dict[str, Any], str]] = {
    "a script as an address": (
        content({"type": "button", "text": "x", "link": "javascript:alert(1)"}), "/blocks/0/link",
    ),
    "an address that is not https": (
        content({"type": "image", "text": "x", "image": "http://blakjaks.com/a.png"}), "/blocks/0/image",
    ),
    "an address with a quotation mark": (
        content({"type": "button", "text": "x", "link": 'https://a.b/"onclick="x'}), "/blocks/0/link",
    ),
    "HTML as a block": (content({"type": "html", "text": "<script>"}), "/blocks/0/type"),
    "a field of another type": (content({"type": "divider", "text": "x"}), "/blocks/0"),
    "a block without its field": (content({"type": "heading"}), "/blocks/0"),
    "a variable that nobody knows": (content({"type": "heading", "text": "Hi {password_hash}"}), "/blocks/0/text"),
    "a template language": (content({"type": "heading", "text": "{{ 7 * 7 }}"}), "/blocks/0/text"),
    "our own variable": (content({"type": "heading", "text": "{unsubscribe_link}"}), "/blocks/0/text"),
    "a name in the subject": (content(subject="Hi {name}"), "/subject"),
    "a subject of two lines": (content(subject="Hi\nBcc: eve@example.com"), "/subject"),
    "a span with a character that nobody sees": (
        content({"type": "text", "spans": [{"text": "a\u202eb"}]}), "/blocks/0/spans/0/text",
    ),
    "a column with a character that nobody sees": (
        content({"type": "columns", "left": [{"type": "heading", "text": "a\u200bb"}], "right": [{"type": "divider"}]}),
        "/blocks/0/left/0/text",
    ),
    "columns in columns": (
        content({"type": "columns", "left": [{"type": "columns", "left": [], "right": []}], "right": [
            {"type": "divider"}]}), "/blocks/0/left/0/type",
    ),
    "too many blocks": (content(*[{"type": "divider"}] * 61), "/blocks"),
    "no block": ({**CONTENT, "blocks": []}, "/blocks"),
    "HTML beside the blocks": (content(html="<p>"), "/html"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_made_of_blocks_and_known_variables_is_refused(campaign_desk: CampaignDesk, name: str) -> None:
    body, field = BAD[name]
    template = desk.template(campaign_desk.admin)
    before = rows_of_all_tables(campaign_desk.sql)

    answer = campaign_desk.admin.post(f"{BASE}/templates/{template}/versions", body)

    assert refusal(answer) == (422, "not-valid")
    assert field in [error["field"] for error in answer.body["errors"]]
    assert rows_of_all_tables(campaign_desk.sql) == before


@pytest.mark.parametrize("levels", [40, 10_000])
def test_blocks_that_are_nested_without_end_are_refused(campaign_desk: CampaignDesk, levels: int) -> None:
    template = desk.template(campaign_desk.admin)
    inner = '{"type":"columns","left":[' * levels + '{"type":"divider"}' + "]}" * levels
    body = f'{{"subject":"x","preheader":"x","blocks":[{inner}]}}'.encode()
    before = rows_of_all_tables(campaign_desk.sql)

    answer = campaign_desk.admin.send(
        "POST", f"{BASE}/templates/{template}/versions", body, {"Content-Type": "application/json"}
    )

    assert answer.status in (400, 413)
    assert rows_of_all_tables(campaign_desk.sql) == before


def test_members_of_each_condition_are_found_and_no_others(campaign_desk: CampaignDesk) -> None:
    sql, (one, other) = campaign_desk.sql, (factories.member(), factories.member())
    sql.execute_unnamed(
        """
        UPDATE members SET permanent_tier = 'whale', state = 'NV', language = 'pt', created_at = '2020-01-01Z',
               wallet_address = '0x' || repeat('7', 40) WHERE id = $1
        """,
        (one.id,),
    )
    sql.execute_unnamed("INSERT INTO activity VALUES ($1, '2026-11-01')", (one.id,))
    conditions: list[dict[str, Any]] = [
        {"numbers": [campaign_desk.number(one)]},
        {"tiers": ["whale"]},
        {"permanent_tiers": ["high_roller", "whale"]},
        {"states": ["NV", "CA"]},
        {"languages": ["pt"]},
        {"joined_before": "2020-01-02T00:00:00Z"},
        {"joined_from": "2019-12-31T00:00:00Z", "joined_before": "2020-01-02T00:00:00Z"},
        {"active_from": "2026-11-01"},
        {"has_wallet": True},
        {"tiers": ["whale"], "states": ["NV"], "has_wallet": True, "scans_max": 0},
    ]
    for condition in conditions:
        answer = campaign_desk.admin.post(f"{BASE}/segments/count", condition)
        assert (answer.status, answer.body["members"]) == (200, 1), condition
    ones = {"numbers": [campaign_desk.number(one), campaign_desk.number(other)]}
    for others in ({"states": ["CA"]}, {"scans_min": 1}, {"downline_min": 1}, {"not_active_since": "2026-11-01"}):
        found = campaign_desk.admin.post(f"{BASE}/segments/count", {**ones, **others}).body["members"]
        assert found == (1 if "not_active_since" in others else 0), others


INJECTED = "NV'; DROP TABLE members; --"


@pytest.mark.parametrize(
    "segment",
    [
        {"states": [INJECTED]},
        {"languages": [INJECTED]},
        {"tiers": ["standard' OR '1'='1"]},
        {"numbers": ["1 OR 1=1"]},
        {"joined_from": "now()"},
        {"sql": "true"},
        {"scans_min": 3, "scans_max": 2},
        {"numbers": []},
        {"active_from": "1 day ago"},
    ],
    ids=str,
)
def test_a_segment_of_anything_else_is_refused_and_changes_nothing(
    campaign_desk: CampaignDesk, segment: Mapping[str, Any]
) -> None:
    version = desk.version(campaign_desk.admin)
    before = rows_of_all_tables(campaign_desk.sql)

    for path, body in (
        ("segments/count", segment),
        ("campaigns", {"name": "x", "version_id": version, "segment": segment}),
    ):
        assert refusal(campaign_desk.admin.post(f"{BASE}/{path}", body)) == (422, "not-valid")
    assert rows_of_all_tables(campaign_desk.sql) == before


def test_a_campaign_of_a_version_that_is_not_there_is_refused(campaign_desk: CampaignDesk) -> None:
    body = {"name": "x", "version_id": "3f9c2b1a-7d5e-4f60-8a1b-0c9d8e7f6a5b", "segment": {}}
    before = rows_of_all_tables(campaign_desk.sql)
    assert refusal(campaign_desk.admin.post(f"{BASE}/campaigns", body)) == (409, "mail-version-unknown")
    assert rows_of_all_tables(campaign_desk.sql) == before


def test_only_admins_of_operations_write_mails(campaign_desk: CampaignDesk) -> None:
    treasurer = campaign_desk.client(factories.member(role=Role.TREASURY).token)
    assert refusal(treasurer.get(f"{BASE}/templates")) == (403, "not-allowed")
