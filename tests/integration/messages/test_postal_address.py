"""Each mail that admins write ends with the sender's postal address, and no campaign goes out without one."""

from tests.client import refusal
from tests.fakes import campaign_desk as desk
from tests.fakes.campaign_desk import ADDRESS, BASE
from tests.fakes.campaign_plugin import CampaignDesk
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.campaign_plugin"]

IN_HTML = "BlakJaks LLC<br />1 Main Street &lt;Suite 5&gt;<br />Austin, TX 78701"


def draft(campaign_desk: CampaignDesk) -> str:
    """A draft of a campaign, made while there is no address."""
    body = {"name": "News", "version_id": desk.version(campaign_desk.admin), "segment": {}}
    return str(campaign_desk.admin.post(f"{BASE}/campaigns", body).body["id"])


def test_every_written_mail_ends_with_the_address_and_it_is_escaped(campaign_desk: CampaignDesk) -> None:
    admin = campaign_desk.admin
    version = desk.version(admin)
    desk.set_postal_address()
    assert admin.post(f"{BASE}/versions/{version}/test").status == 202
    made = admin.post(f"{BASE}/campaigns", {"name": "News", "version_id": version, "segment": {}}).body["id"]
    desk.act(admin, made, "start")
    campaign_desk.jobs.run_tasks()
    campaign_desk.deliver_mails()

    test, campaign = campaign_desk.platform.mail.mails()
    shown = admin.get(f"{BASE}/versions/{version}/preview").body
    for html, text in ((test.html, test.text), (campaign.html, campaign.text), (shown["html"], shown["text"])):
        assert text.endswith(f"\n\n{ADDRESS}")
        assert html.count(IN_HTML) == 1
        assert html.index(IN_HTML) > html.index("/v1/mails/unsubscribe/")


def test_a_mail_shows_the_address_of_the_moment_when_it_is_sent(campaign_desk: CampaignDesk) -> None:
    desk.started(campaign_desk.admin)
    campaign_desk.jobs.run_tasks()
    desk.set_postal_address("BlakJaks LLC\n2 Other Street\nReno, NV 89501")
    campaign_desk.deliver_mails()
    (mail,) = campaign_desk.platform.mail.mails()
    assert mail.text.endswith("2 Other Street\nReno, NV 89501")
    assert "1 Main Street" not in mail.html


def test_no_campaign_is_approved_or_started_without_an_address(campaign_desk: CampaignDesk) -> None:
    made = draft(campaign_desk)
    other = campaign_desk.other_admin()
    before = rows_of_all_tables(campaign_desk.sql)

    assert refusal(other.post(f"{BASE}/campaigns/{made}/approve")) == (409, "postal-address-missing")
    assert refusal(campaign_desk.admin.post(f"{BASE}/campaigns/{made}/start", {})) == (409, "postal-address-missing")
    assert rows_of_all_tables(campaign_desk.sql) == before

    desk.set_postal_address()
    assert desk.act(other, made, "approve")["state"] == "approved"
    assert desk.act(campaign_desk.admin, made, "start")["state"] == "sending"


def test_without_an_address_a_preview_and_a_test_mail_end_with_the_link(campaign_desk: CampaignDesk) -> None:
    admin, version = campaign_desk.admin, desk.version(campaign_desk.admin)
    assert admin.post(f"{BASE}/versions/{version}/test").status == 202
    campaign_desk.deliver_mails()
    (mail,) = campaign_desk.platform.mail.mails()
    for text in (mail.text, admin.get(f"{BASE}/versions/{version}/preview").body["text"]):
        assert "/v1/mails/unsubscribe/" in text.rstrip().splitlines()[-1]
        assert "{" not in text


def test_a_version_cannot_name_the_address_itself(campaign_desk: CampaignDesk) -> None:
    body = {**desk.CONTENT, "blocks": [{"type": "heading", "text": "{postal_address}"}]}
    path = f"{BASE}/templates/{desk.template(campaign_desk.admin)}/versions"
    assert refusal(campaign_desk.admin.post(path, body)) == (422, "not-valid")
