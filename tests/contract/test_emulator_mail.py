"""Does the mail stand-in answer as Brevo documents it, and our port make of the answers what callers need?"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from emulators.mail import IDEMPOTENCY_SECONDS, MAILS_MAX, Fault, MailStandIn
from shared.ports import mail as port

WELCOME = port.Mail(
    to_email="ada@example.com",
    to_name="Ada",
    subject="Welcome",
    html="<p>Hello <a href='https://example.com/verify'>Ada</a></p>",
    text="Hello Ada",
    idempotency_key="outbox 7",
)
KEY = "0f1cbe8e-43c4-4c5f-9a41-7c1f6f3f2a55"


class Clock:
    """The seconds the stand-in counts, which tests move."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def brevo(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailStandIn]:
    server = MailStandIn(api_key="the key", clock=clock.now)
    server.start()
    monkeypatch.setenv("BREVO_URL", server.url)
    monkeypatch.setenv("BREVO_API_KEY", "the key")
    monkeypatch.delenv("MAIL_FROM", raising=False)
    yield server
    server.stop()


def post(brevo: MailStandIn, body: Any, api_key: str = "the key") -> requests.Response:
    return requests.post(f"{brevo.url}/v3/smtp/email", json=body, headers={"api-key": api_key}, timeout=10)


def wanted(**more: Any) -> dict[str, Any]:
    plain = {"sender": {"email": "support@blakjaks.com"}, "to": [{"email": "ada@example.com"}], "subject": "Hi"}
    return plain | {"htmlContent": "<p>Hi</p>"} | more


# Brevo's shapes


def test_a_mail_is_taken_with_its_message_id(brevo: MailStandIn) -> None:
    answer = post(brevo, wanted())
    assert answer.status_code == 201
    assert answer.json() == {"messageId": brevo.mails()[0].message_id}


def test_a_template_needs_no_content_of_its_own(brevo: MailStandIn) -> None:
    body = {
        "sender": {"email": "a@b.io"},
        "to": [{"email": "ada@example.com"}],
        "templateId": 2,
        "params": {"CODE": "7"},
    }
    assert post(brevo, body).status_code == 201
    assert (brevo.mails()[0].template_id, brevo.mails()[0].params) == (2, {"CODE": "7"})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sender": None}, "missing_parameter"),
        ({"to": []}, "missing_parameter"),
        ({"subject": ""}, "missing_parameter"),
        ({"htmlContent": ""}, "missing_parameter"),
        ({"to": [{"email": "nowhere"}]}, "invalid_parameter"),
        ({"to": [{"email": "ada@почта.рф"}]}, "invalid_parameter"),
        ({"headers": {"idempotencyKey": "no uuid"}}, "invalid_parameter"),
    ],
)
def test_a_faulty_mail_is_refused_by_code(brevo: MailStandIn, change: dict[str, Any], code: str) -> None:
    answer = post(brevo, wanted(**change))
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.json()["message"]
    assert brevo.mails() == []


def test_a_wrong_key_is_unauthorized(brevo: MailStandIn) -> None:
    answer = post(brevo, wanted(), api_key="guess")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


def test_what_is_no_json_object_is_a_bad_request(brevo: MailStandIn) -> None:
    assert post(brevo, ["a list"]).status_code == 400


def test_a_key_is_taken_once_within_its_time(brevo: MailStandIn, clock: Clock) -> None:
    body = wanted(headers={"idempotencyKey": KEY})
    assert post(brevo, body).status_code == 201
    clock.seconds = IDEMPOTENCY_SECONDS - 1
    again = post(brevo, body)
    assert (again.status_code, again.json()["code"]) == (400, "duplicate_parameter")
    assert len(brevo.mails()) == 1


def test_a_key_is_taken_again_after_its_time(brevo: MailStandIn, clock: Clock) -> None:
    body = wanted(headers={"idempotencyKey": KEY})
    post(brevo, body)
    clock.seconds = IDEMPOTENCY_SECONDS + 1
    assert post(brevo, body).status_code == 201


# What tests and people see


def test_mails_are_listed_newest_first_and_by_recipient(brevo: MailStandIn) -> None:
    for number, address in enumerate(("ada@example.com", "bob@example.com", "Ada@Example.com")):
        post(brevo, wanted(subject=f"mail {number}", to=[{"email": address}]))
    found = requests.get(f"{brevo.url}/mails", params={"to": "ada@example.com"}, timeout=10).json()
    assert [mail["subject"] for mail in found] == ["mail 2", "mail 0"]
    assert len(requests.get(f"{brevo.url}/mails", timeout=10).json()) == 3


def test_the_page_shows_each_mail_and_runs_nothing_in_it(brevo: MailStandIn) -> None:
    script = "<script>alert(1)</script>"
    post(brevo, wanted(subject=script, htmlContent=f"<p>Hello</p>{script}"))
    page = requests.get(brevo.url, timeout=10).text
    assert script not in page
    source = page.split('src="')[1].split('"')[0]
    body = requests.get(f"{brevo.url}{source}", timeout=10)
    assert "<p>Hello</p>" in body.text
    policy = body.headers["content-security-policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy


def test_the_memory_is_bounded(brevo: MailStandIn) -> None:
    for number in range(MAILS_MAX + 5):
        brevo.take(wanted(subject=str(number)))
    assert len(brevo.mails()) == MAILS_MAX
    assert brevo.mails()[-1].subject == "5"


def test_a_journal_gets_each_mail_as_a_line(tmp_path: Path) -> None:
    server = MailStandIn(journal=tmp_path / "mails.jsonl")
    server.take(wanted(subject="one"))
    server.take(wanted(subject="two"))
    lines = (tmp_path / "mails.jsonl").read_text().splitlines()
    assert [json.loads(line)["subject"] for line in lines] == ["one", "two"]


def test_forgotten_mails_and_keys_are_gone(brevo: MailStandIn) -> None:
    body = wanted(headers={"idempotencyKey": KEY})
    post(brevo, body)
    brevo.clear()
    assert brevo.mails() == []
    assert post(brevo, body).status_code == 201


# The port


def test_the_port_sends_what_it_was_given(brevo: MailStandIn) -> None:
    message_id = port.send(WELCOME)
    (mail,) = brevo.mails()
    assert mail.message_id == message_id
    assert mail.to == ({"email": "ada@example.com", "name": "Ada"},)
    assert (mail.subject, mail.html, mail.text) == (WELCOME.subject, WELCOME.html, WELCOME.text)
    assert mail.sender == {"name": "BlakJaks", "email": "support@blakjaks.com"}


def test_further_headers_are_sent_beside_the_key_and_refused_with_a_line_break(brevo: MailStandIn) -> None:
    link = {"List-Unsubscribe": "<https://api.blakjaks.com/x>"}
    port.send(replace(WELCOME, headers=link))
    assert set(brevo.mails()[0].headers) == {"List-Unsubscribe", "idempotencyKey"}
    with pytest.raises(port.MailRefused):
        port.send(
            replace(WELCOME, idempotency_key="other", headers={"List-Unsubscribe": "<x>\r\nBcc: eve@example.com"})
        )


def test_the_sender_can_be_chosen(brevo: MailStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_FROM", "hello@blakjaks.com")
    port.send(WELCOME)
    assert brevo.mails()[0].sender["email"] == "hello@blakjaks.com"


def test_the_same_occasion_is_one_mail_and_counts_as_sent(brevo: MailStandIn) -> None:
    port.send(WELCOME)
    assert port.send(WELCOME) == port.ALREADY_SENT
    assert len(brevo.mails()) == 1


def test_another_occasion_is_another_mail(brevo: MailStandIn) -> None:
    port.send(WELCOME)
    assert port.send(replace(WELCOME, idempotency_key="outbox 8")) != port.ALREADY_SENT
    assert len(brevo.mails()) == 2


def test_a_mail_taken_without_an_answer_is_not_sent_twice(brevo: MailStandIn) -> None:
    brevo.fail_next(1, Fault.DROPPED)
    with pytest.raises(port.MailDelayed):
        port.send(WELCOME)
    assert port.send(WELCOME) == port.ALREADY_SENT
    assert len(brevo.mails()) == 1


@pytest.mark.parametrize("fault", [Fault.INTERNAL_ERROR, Fault.TOO_MANY_REQUESTS])
def test_a_passing_failure_delays_and_the_next_attempt_sends(brevo: MailStandIn, fault: Fault) -> None:
    brevo.fail_next(1, fault)
    with pytest.raises(port.MailDelayed, match=fault.value):
        port.send(WELCOME)
    port.send(WELCOME)
    assert len(brevo.mails()) == 1


def test_a_server_that_does_not_answer_delays(brevo: MailStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "ANSWER_SECONDS_MAX", 0.2)
    brevo.fail_next(1, Fault.TIMEOUT)
    with pytest.raises(port.MailDelayed):
        port.send(WELCOME)
    assert brevo.mails() == []


def test_a_server_that_is_gone_delays(brevo: MailStandIn) -> None:
    brevo.stop()
    with pytest.raises(port.MailDelayed):
        port.send(WELCOME)


def test_a_bad_address_is_refused(brevo: MailStandIn) -> None:
    with pytest.raises(port.MailRefused, match="invalid_parameter"):
        port.send(replace(WELCOME, to_email="nowhere"))
    assert brevo.mails() == []


def test_a_failure_tells_neither_key_nor_body_nor_recipient(
    brevo: MailStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREVO_API_KEY", "stolen key")
    with pytest.raises(port.MailRefused) as refused:
        port.send(WELCOME)
    assert str(refused.value) == "401 unauthorized"
    assert "Hello" not in repr(WELCOME)
    assert brevo.mails() == []


def test_the_port_loads_no_vendor_package_before_it_is_used() -> None:
    script = "import sys, shared.ports.mail; print('requests' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_stopping_does_not_wait_for_a_client_that_does(brevo: MailStandIn) -> None:
    with requests.Session() as staying:
        assert staying.get(brevo.url, timeout=10).ok
        began = time.monotonic()
        brevo.stop()
        assert time.monotonic() - began < 2.0


# What Brevo refuses, and how our port keeps from it


@pytest.mark.parametrize("field", ["to", "sender"])
def test_a_name_of_more_than_seventy_characters_is_refused(brevo: MailStandIn, field: str) -> None:
    address = {"email": "ada@example.com", "name": "x" * 71}
    answer = post(brevo, wanted(**{field: address if field == "sender" else [address]}))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")
    assert "max 70 character" in answer.json()["message"]
    address["name"] = "x" * 70
    assert post(brevo, wanted(**{field: address if field == "sender" else [address]})).status_code == 201


def test_a_header_of_two_lines_and_a_hundred_recipients_are_refused(brevo: MailStandIn) -> None:
    for refused in (
        wanted(subject="Hi\r\nBcc: eve@example.com"),
        wanted(to=[{"email": "ada@example.com", "name": "Ada\nBcc: eve@example.com"}]),
        wanted(to=[{"email": f"m{number}@example.com"} for number in range(100)]),
    ):
        assert post(brevo, refused).json()["code"] == "invalid_parameter"
    assert brevo.mails() == []


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("Ada " * 25, {"name": ("Ada " * 17).strip()}),
        ("x" * 200, {}),
        ("Ada\r\nBcc: eve@example.com", {"name": "Ada Bcc: eve@example.com"}),
        ("Ada\u202e\u200bKing\x00", {"name": "Ada King"}),
        ("", {}),
    ],
)
def test_a_name_that_brevo_would_refuse_is_sent_as_far_as_it_goes(
    brevo: MailStandIn, name: str, sent: dict[str, str]
) -> None:
    port.send(replace(WELCOME, to_name=name, subject="Hi\r\nBcc: eve@example.com"))
    (mail,) = brevo.mails()
    assert mail.to == ({"email": "ada@example.com"} | sent,)
    assert mail.subject == "Hi Bcc: eve@example.com"
