"""Owners and wholesale accounts choose where they are told of what; nobody sees or changes what is another's."""

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.messages import hooks as endpoints
from shared.ports import receivers
from shared.values import hooks
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes import hook_rows
from tests.fakes.hook_driver import HookDriver
from tests.fakes.hook_receiver import HookReceiver
from tests.fakes.hook_rows import URL
from tests.fakes.treasury_admins import TreasuryAdmin
from tests.fakes.wholesale_rows import wholesale_account
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.hook_receiver", "tests.fakes.clock_plugin"]

Client = Callable[..., FunctionClient]
Advance = Callable[[float], None]

ADMIN, ACCOUNT = "/v1/admin/webhooks", "/v1/wholesale/webhooks"
WANTED = {"url": URL, "events": ["order.confirmed", "order.shipped"]}
EVENTS = {"events": ["order.shipped"]}


def posted(client: FunctionClient, path: str, body: dict[str, Any] | None = None) -> Answer:
    return client.post(path, body, **{"Idempotency-Key": str(uuid4())})


def refused(answer: Answer, problem: str, status: int) -> None:
    assert (answer.status, answer.problem) == (status, problem), answer


@pytest.fixture
def buyer(client: Client, sql: Connection) -> FunctionClient:
    """A member with an approved account."""
    assert sql
    who = factories.member()
    wholesale_account("approved", member=who)
    return client(who.token)


def test_an_owner_adds_an_endpoint_whose_secret_is_shown_once_and_kept_sealed(
    owner: TreasuryAdmin, sql: Connection
) -> None:
    answer = posted(owner.client, ADMIN, {**WANTED, "totp": owner.code()})

    assert answer.status == 201, answer
    secret = answer.body["secret"]
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == hooks.HOOK_SECRET_BYTES
    listed = owner.client.get(ADMIN)
    assert listed.body["items"] == [answer.body["endpoint"]]
    assert secret not in str(listed.body)
    stored = str(rows_of_all_tables(sql))
    assert secret not in stored
    assert base64.b64decode(secret.removeprefix("whsec_")).hex() not in stored
    ((action, changes),) = sql.execute_simple("SELECT action, changes FROM audit_logs").rows
    assert (action, changes) == ("webhook.create", {"events": WANTED["events"]})


def test_without_a_code_of_the_app_nothing_is_added(owner: TreasuryAdmin, sql: Connection) -> None:
    wrong = f"{(int(owner.code()) + 1) % 1_000_000:06}"
    refused(posted(owner.client, ADMIN, {**WANTED, "totp": wrong}), "second-factor-wrong", 403)
    assert sql.execute_simple("SELECT FROM hook_endpoints").rows == []


@pytest.mark.parametrize(("url", "reason"), [("https://10.0.0.1/", "form"), ("https://db.test/", "not_public")])
def test_an_address_that_nothing_may_be_sent_to_is_refused_at_once(
    url: str, reason: str, owner: TreasuryAdmin, buyer: FunctionClient, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receivers, "places_of", lambda _: [receivers.HostAddress("10.20.0.3")])
    answers = [
        posted(owner.client, ADMIN, {**WANTED, "url": url, "totp": owner.code()}),
        posted(buyer, ACCOUNT, {**WANTED, "url": url}),
    ]
    for answer in answers:
        refused(answer, "webhook-address-refused", 409)
        assert answer.body["reason"] == reason
    assert sql.execute_simple("SELECT FROM hook_endpoints").rows == []


@pytest.mark.parametrize("events", [[], ["order.confirmed"] * 2, ["order.lost"], ["payout.confirmed"]])
def test_an_account_chooses_events_of_orders_each_once(events: list[str], buyer: FunctionClient) -> None:
    refused(posted(buyer, ACCOUNT, {"url": URL, "events": events}), "not-valid", 422)


def test_five_endpoints_are_enough_also_when_many_are_added_at_once(owner: TreasuryAdmin, sql: Connection) -> None:
    def add(_: int) -> str:
        try:
            db.atomically(endpoints.create, None, URL, [hooks.HookKind.ORDER_SHIPPED], clock.now())
        except endpoints.TooManyWebhooks:
            return "refused"
        return "added"

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(add, range(8))) == ["added"] * 5 + ["refused"] * 3
    refused(posted(owner.client, ADMIN, {**WANTED, "totp": owner.code()}), "too-many-webhooks", 409)
    ((number,),) = sql.execute_simple("SELECT count(*) FROM hook_endpoints").rows
    assert number == hooks.ENDPOINTS_MAX


@pytest.mark.parametrize("statuses", [(), ("rejected",), ("approved", "suspended")])
def test_only_approved_accounts_have_webhooks(statuses: tuple[str, ...], client: Client, sql: Connection) -> None:
    assert sql
    who = factories.member()
    wholesale_account(*statuses, member=who)
    for answer in (posted(client(who.token), ACCOUNT, WANTED), client(who.token).get(ACCOUNT)):
        refused(answer, "account-not-approved", 409)


def test_a_new_address_and_a_new_secret_take_a_fresh_sign_in(client: Client, sql: Connection) -> None:
    who = factories.member()
    made = hook_rows.endpoint(wholesale_account("approved", member=who))
    sql.execute_unnamed(
        "UPDATE sessions SET created_at = created_at - interval '1 hour' WHERE member_id = $1", (who.id,)
    )
    for path, body in ((ACCOUNT, WANTED), (f"{ACCOUNT}/{made}/secret", None)):
        refused(posted(client(who.token), path, body), "sign-in-again", 403)


def test_an_account_and_the_owners_know_nothing_of_each_others_endpoints(
    owner: TreasuryAdmin, buyer: FunctionClient, client: Client, sql: Connection
) -> None:
    theirs = hook_rows.endpoint(None)
    other = factories.member()
    others = hook_rows.endpoint(wholesale_account("approved", member=other))
    before = rows_of_all_tables(sql, without=("idempotency_keys", "second_factors"))
    for endpoint in (theirs, others):
        message = hook_rows.delivery(endpoint, clock.now())
        path = f"{ACCOUNT}/{endpoint}"
        answers = [
            buyer.put(path, {**EVENTS, "is_enabled": False}), buyer.delete(path), buyer.get(f"{path}/deliveries"),
            posted(buyer, f"{path}/secret"), posted(buyer, f"{path}/deliveries/{message}/resend"),
        ]  # fmt: skip
        assert [(answer.status, answer.problem) for answer in answers] == [(404, "not-found")] * 5
    refused(owner.client.get(f"{ADMIN}/{others}/deliveries"), "not-found", 404)
    assert buyer.get(ACCOUNT).body["items"] == []
    assert [item["id"] for item in client(other.token).get(ACCOUNT).body["items"]] == [str(others)]
    assert [item["id"] for item in owner.client.get(ADMIN).body["items"]] == [str(theirs)]
    sql.execute_simple("DELETE FROM hook_deliveries")
    assert rows_of_all_tables(sql, without=("idempotency_keys", "second_factors")) == before


def test_for_a_day_messages_are_signed_with_both_secrets(
    owner: TreasuryAdmin, driver: HookDriver, receiver: HookReceiver, sql: Connection, advance_clock: Advance
) -> None:
    made = hook_rows.endpoint(None)
    renewed = posted(owner.client, f"{ADMIN}/{made}/secret", {"totp": owner.code()})
    assert renewed.status == 200, renewed
    newest = base64.b64decode(renewed.body["secret"].removeprefix("whsec_"))
    until = renewed.body["endpoint"]["older_secret_until"]
    assert until is not None
    driver.tell(hooks.HookKind.TREASURY_SNAPSHOT, driver.snapshot())
    driver.play()
    advance_clock(hooks.SECRET_OVERLAP.total_seconds() + 60)
    driver.tell(hooks.HookKind.TREASURY_SNAPSHOT, driver.snapshot())
    driver.play()

    for taken, secrets in zip(receiver.taken, ([newest, hook_rows.SECRET], [newest]), strict=True):
        identity, sent_at = taken.headers["webhook-id"], int(taken.headers["webhook-timestamp"])
        expected = [hooks.signature(secret, identity, sent_at, taken.body) for secret in secrets]
        assert taken.headers["webhook-signature"].split(" ") == expected
    for _ in range(2):  # a third renewal leaves two
        posted(owner.client, f"{ADMIN}/{made}/secret", {"totp": owner.code()})
    ((number,),) = sql.execute_simple("SELECT count(*) FROM hook_secrets").rows
    assert number == 2


def test_a_message_is_sent_again_under_its_id_and_the_log_shows_all_tries(
    buyer: FunctionClient, driver: HookDriver, receiver: HookReceiver, sql: Connection
) -> None:
    ((account,),) = sql.execute_simple("SELECT id FROM wholesale_accounts").rows
    made = hook_rows.endpoint(account)
    message = hook_rows.delivery(made, clock.now() - timedelta(days=1))
    path = f"{ACCOUNT}/{made}/deliveries"

    again = posted(buyer, f"{path}/{message}/resend")
    assert (again.status, again.body["state"]) == (200, "pending")
    refused(posted(buyer, f"{path}/{message}/resend"), "webhook-still-tried", 409)
    driver.play()

    assert receiver.taken[0].headers["webhook-id"] == f"msg_{message}"
    (shown,) = buyer.get(path).body["items"]
    assert (shown["id"], shown["state"], shown["message_id"]) == (str(message), "delivered", f"msg_{message}")
    assert [(one["number"], one["status"], one["fault"]) for one in shown["tries"]] == [(1, 204, None), (2, 204, None)]


def test_an_endpoint_is_switched_off_and_on_and_only_an_enabled_one_is_sent_again(
    owner: TreasuryAdmin, sql: Connection
) -> None:
    made = hook_rows.endpoint(None)
    message = hook_rows.delivery(made, clock.now())
    sql.execute_unnamed("UPDATE hook_endpoints SET state = 'failing', failing_since = $1", (clock.now(),))
    path = f"{ADMIN}/{made}"

    refused(posted(owner.client, f"{path}/deliveries/{message}/resend"), "webhook-not-enabled", 409)
    on = owner.client.put(path, {**EVENTS, "is_enabled": True, "totp": owner.code()}).body
    assert (on["state"], on["failing_since"], on["events"]) == ("enabled", None, EVENTS["events"])
    assert posted(owner.client, f"{path}/deliveries/{message}/resend").status == 200
    off = owner.client.put(path, {**EVENTS, "is_enabled": False, "totp": owner.code()}).body
    assert off["state"] == "disabled"
    assert owner.client.delete(path).status == 204
    assert sql.execute_simple("SELECT FROM hook_deliveries").rows == []
    audited = [action for (action,) in sql.execute_simple("SELECT action FROM audit_logs ORDER BY id").rows]
    assert audited == ["webhook.change", "webhook.resend", "webhook.change", "webhook.delete"]


def test_of_two_who_delete_an_endpoint_one_finds_nothing(buyer: FunctionClient, sql: Connection) -> None:
    ((account,),) = sql.execute_simple("SELECT id FROM wholesale_accounts").rows
    made: UUID = hook_rows.endpoint(account)
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: buyer.delete(f"{ACCOUNT}/{made}").status, range(2)))
    assert sorted(answers) == [204, 404]
