"""The link that ends campaigns, bounces and complaints: asked just before the provider, and never for other mails."""

import json
import os
from uuid import uuid4

import pytest

from shared import config, db
from shared.messages import mails, suppressions, unsubscribing
from shared.messages.mails import Letter
from shared.values.ids import NIL
from tests import factories
from tests.client import FunctionClient, refusal
from tests.factories import NOW, Somebody
from tests.fakes import campaign_desk as desk
from tests.fakes.campaign_desk import BASE
from tests.fakes.campaign_plugin import CampaignDesk
from tests.fakes.vendor_messages import of_brevo, shown_by_brevo
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.campaign_plugin"]

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ONE_CLICK = b"List-Unsubscribe=One-Click"


def path_of(link: str) -> str:
    return "/v1/" + link.partition("/v1/")[2]


def queue_code(somebody: Somebody) -> None:
    """Queue a mail that has to arrive: a code."""
    letter = Letter(somebody.email, "Ann", "verify_email", {"name": "Ann", "code": "123456"}, str(uuid4()), somebody.id)
    db.atomically(lambda tx: mails.queue(tx, letter, NOW))


def wants(campaign_desk: CampaignDesk, somebody: Somebody) -> bool:
    """True if the member still wants campaigns, as the settings say."""
    answer = campaign_desk.client(somebody.token).get("/v1/users/me/notification-preferences")
    return bool(answer.body["marketing"]["email"])


def test_the_link_of_a_mail_ends_campaigns_with_one_click_and_leaves_other_mails_alone(
    campaign_desk: CampaignDesk,
) -> None:
    somebody = factories.member()
    made = desk.started(campaign_desk.admin, {"numbers": [campaign_desk.number(somebody)]})
    campaign_desk.jobs.run_tasks()
    campaign_desk.deliver_mails()
    (mail,) = campaign_desk.platform.mail.mails(somebody.email)
    link = mail.headers["List-Unsubscribe"].strip("<>")
    assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link in mail.html
    assert link in mail.text

    for _ in range(2):
        answer = campaign_desk.client().send("POST", path_of(link), ONE_CLICK, FORM)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert wants(campaign_desk, somebody) is False

    again = desk.started(campaign_desk.admin, {"numbers": [campaign_desk.number(somebody)]})
    queue_code(somebody)
    campaign_desk.jobs.run_tasks()
    campaign_desk.deliver_mails()
    assert campaign_desk.platform.mail.mails(somebody.email)[0].subject == "Your BlakJaks code"
    assert campaign_desk.got()[somebody.email] == 2
    found = campaign_desk.admin.get(f"{BASE}/campaigns/{again}").body
    assert (found["state"], found["queued"], found["skipped_unsubscribed"]) == ("done", 0, 1)
    assert made != again


def test_looking_at_the_link_shows_a_page_and_changes_nothing(campaign_desk: CampaignDesk) -> None:
    somebody = factories.member()
    campaign_desk.sql.execute_unnamed("UPDATE members SET language = 'es' WHERE id = $1", (somebody.id,))
    before = rows_of_all_tables(campaign_desk.sql)

    answer = campaign_desk.client().get(path_of(unsubscribing.link(somebody.id)))

    assert (answer.status, '<form method="post">' in answer.body) == (200, True)
    assert "Cancelar la suscripción" in answer.body
    assert "form-action 'self'" in answer.headers["Content-Security-Policy"]
    assert rows_of_all_tables(campaign_desk.sql) == before


def test_a_form_in_parts_unsubscribes_too(campaign_desk: CampaignDesk) -> None:
    """RFC 8058 names multipart/form-data first."""
    somebody = factories.member()
    body = b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = campaign_desk.client().send("POST", path_of(unsubscribing.link(somebody.id)), body, headers)
    assert answer.status == 200
    assert wants(campaign_desk, somebody) is False


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"", FORM, (422, "not-valid")),
        (b"List-Unsubscribe=Yes", FORM, (422, "not-valid")),
        (ONE_CLICK + b"&x=1", FORM, (422, "not-valid")),
        (ONE_CLICK + b"&" + ONE_CLICK, FORM, (400, "body-not-readable")),
        (
            b'{"List-Unsubscribe": "One-Click"}',
            {"Content-Type": "application/json"},
            (415, "content-type-not-supported"),
        ),
        (b"x" * 5_000, FORM, (413, "body-too-large")),
        (b"nothing", {"Content-Type": "multipart/form-data; boundary=x"}, (400, "body-not-readable")),
    ],
)
def test_another_body_is_refused_and_changes_nothing(
    campaign_desk: CampaignDesk, body: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    path = path_of(unsubscribing.link(factories.member().id))
    before = rows_of_all_tables(campaign_desk.sql)
    assert refusal(campaign_desk.client().send("POST", path, body, headers)) == expected
    assert rows_of_all_tables(campaign_desk.sql) == before


def test_a_link_that_we_did_not_make_leads_nowhere(campaign_desk: CampaignDesk) -> None:
    one, other = factories.member(), factories.member()
    good = path_of(unsubscribing.link(one.id))
    bad = [
        good[:-1] + ("A" if good[-1] != "A" else "B"),
        good.replace(one.id.hex, other.id.hex),
        good.replace("/1.", "/2."),
        good.rpartition("/")[0] + "/x",
        path_of(unsubscribing.link(NIL)),
    ]
    before = rows_of_all_tables(campaign_desk.sql)
    for path in bad:
        assert refusal(campaign_desk.client().get(path)) == (404, "not-found"), path
        assert refusal(campaign_desk.client().send("POST", path, ONE_CLICK, FORM)) == (404, "not-found"), path
    assert rows_of_all_tables(campaign_desk.sql) == before


def test_a_link_of_the_key_before_is_good_while_that_is_known(
    campaign_desk: CampaignDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    somebody = factories.member()
    old = path_of(unsubscribing.link(somebody.id))
    config.read.cache_clear()
    monkeypatch.setenv("UNSUBSCRIBE_KEYS", f"2:{'ab' * 32},{os.environ['UNSUBSCRIBE_KEYS']}")
    assert path_of(unsubscribing.link(somebody.id)).startswith("/v1/mails/unsubscribe/2.")
    assert campaign_desk.client().get(old).status == 200
    config.read.cache_clear()
    monkeypatch.setenv("UNSUBSCRIBE_KEYS", f"2:{'ab' * 32}")
    assert campaign_desk.client().get(old).status == 404
    config.read.cache_clear()


def test_whoever_unsubscribes_or_is_suspended_after_the_mail_was_queued_gets_none(campaign_desk: CampaignDesk) -> None:
    gone, suspended, bounced, wanting = (factories.member() for _ in range(4))
    numbers = [campaign_desk.number(each) for each in (gone, suspended, bounced, wanting)]
    desk.started(campaign_desk.admin, {"numbers": numbers})
    campaign_desk.jobs.run_tasks()
    campaign_desk.client().send("POST", path_of(unsubscribing.link(gone.id)), ONE_CLICK, FORM)
    campaign_desk.sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (suspended.id,))
    of_brevo(bounced.email, "hard_bounce").send(campaign_desk.client())

    campaign_desk.deliver_mails()

    assert campaign_desk.got() == {wanting.email: 1}
    rows = campaign_desk.sql.execute_simple("SELECT status, count(*) FROM mails GROUP BY 1 ORDER BY 1").rows
    assert rows == [["sent", 1], ["suppressed", 3]]


@pytest.mark.parametrize(
    ("event", "code_comes", "campaign_comes"),
    [
        ("hard_bounce", False, False),
        ("invalid_email", False, False),
        ("spam", True, False),
        ("unsubscribed", True, False),
        ("soft_bounce", True, True),
        ("delivered", True, True),
    ],
)
def test_what_the_provider_tells_of_an_address_decides_what_is_sent_to_it(
    campaign_desk: CampaignDesk, event: str, *, code_comes: bool, campaign_comes: bool
) -> None:
    somebody = factories.member()
    for _ in range(2):
        assert of_brevo(somebody.email, event).send(campaign_desk.client()).status == 200

    queue_code(somebody)
    desk.started(campaign_desk.admin, {"numbers": [campaign_desk.number(somebody)]})
    campaign_desk.jobs.run_tasks()
    campaign_desk.deliver_mails()

    subjects = {mail.subject for mail in campaign_desk.platform.mail.mails(somebody.email)}
    assert subjects == ({"Your BlakJaks code"} if code_comes else set()) | (
        {"News for Standard"} if campaign_comes else set()
    )


def test_a_suppression_keeps_no_address_and_people_can_lift_it(campaign_desk: CampaignDesk) -> None:
    somebody = factories.member()
    of_brevo(somebody.email, "hard_bounce").send(campaign_desk.client())
    ((kept,),) = campaign_desk.sql.execute_simple("SELECT mail_suppressions::text FROM mail_suppressions").rows
    assert somebody.email not in kept

    body = {"email": somebody.email, "reason": "The mailbox is empty again"}
    assert campaign_desk.admin.post(f"{BASE}/suppressions/lift", body).body == {"lifted": 1}
    assert campaign_desk.admin.post(f"{BASE}/suppressions/lift", body).body == {"lifted": 0}
    queue_code(somebody)
    campaign_desk.deliver_mails()
    assert campaign_desk.got() == {somebody.email: 1}
    logged = campaign_desk.sql.execute_simple("SELECT audit_logs::text FROM audit_logs").rows
    assert len([line for (line,) in logged if "mail_suppression.lift" in line]) == 1
    assert not [line for (line,) in logged if somebody.email in line]


def told(email: object, event: object = "hard_bounce") -> bytes:
    return json.dumps({"event": event, "email": email}).encode()


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", told(None), told(7), told("no address"), told("a@" + "b" * 300), told("a@b.c", {"x": 1})],
    ids=repr,
)
def test_a_message_that_is_not_understood_is_kept_and_suppresses_nobody(
    campaign_desk: CampaignDesk, body: bytes
) -> None:
    assert shown_by_brevo(body).send(campaign_desk.client()).status == 200
    assert campaign_desk.sql.execute_simple("SELECT count(*) FROM mail_suppressions").rows == [[0]]


@pytest.mark.parametrize("shown", ["Bearer wrong", "Bearer ", "Basic eDp4", ""])
def test_a_message_without_the_token_is_refused_and_changes_nothing(campaign_desk: CampaignDesk, shown: str) -> None:
    message = of_brevo("ada@example.com", "hard_bounce").with_headers(X_Forwarded_Authorization=shown)
    before = rows_of_all_tables(campaign_desk.sql)
    assert refusal(message.send(campaign_desk.client())) == (401, "signature-not-valid")
    assert rows_of_all_tables(campaign_desk.sql) == before


def test_the_stand_ins_own_webhooks_are_understood(campaign_desk: CampaignDesk) -> None:
    somebody = factories.member()
    queue_code(somebody)
    campaign_desk.deliver_mails()
    mail_stand_in = campaign_desk.platform.mail
    (mail,) = mail_stand_in.mails(somebody.email)
    mail_stand_in.report(mail, "hard_bounce")
    (body,) = mail_stand_in.webhooks.told()
    token = mail_stand_in.webhooks.signed(body)["authorization"]
    client: FunctionClient = campaign_desk.client()
    headers = {"Content-Type": "application/json", "X-Forwarded-Authorization": token}
    assert client.send("POST", "/v1/webhooks/brevo", body, headers).status == 200
    found = db.atomically(lambda tx: suppressions.suppressed(tx, [somebody.email], is_campaign=False))
    assert found == {somebody.email}
