"""Webhooks arrive as the shop's vendors send them: signed, several times, in another order, late, again, or never."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import date
from http import HTTPStatus
from uuid import uuid4

import pytest

from emulators import webhooks as sending
from emulators.http_server import Handler, HttpServer
from emulators.process import wait_until
from emulators.vendors import Vendors
from shared.ports import age_notices, ages, card, card_notices, warehouse_notices
from shared.values.money import Usdt

pytest_plugins = ["tests.contract.vendor_plugin"]

ADA = ages.Person("Ada", "Pending", "1 Main Street", "Austin", "TX", "73301", "US", date(1990, 1, 31))


class Inbox:
    """The platform's end: keeps what arrives, and answers as the test wants."""

    def __init__(self) -> None:
        self.status = HTTPStatus.OK
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        self.lock = threading.Lock()

    def ids(self) -> list[str]:
        with self.lock:
            return [json.loads(body)["id"] for _, _, _, body in self.got]


class _InboxHandler(Handler):
    inbox: Inbox

    def _take(self) -> None:
        body = self.body()
        with self.inbox.lock:
            self.inbox.got.append((self.command, self.target_path, dict(self.headers.items()), body))
        self.answer(self.inbox.status)

    def do_POST(self) -> None:  # noqa: N802 - the name is the base class's
        self._take()

    def do_PUT(self) -> None:  # noqa: N802 - the name is the base class's
        self._take()


@pytest.fixture
def inbox(shop_vendors: Vendors) -> Iterator[Inbox]:
    made = Inbox()
    server = HttpServer(type("BoundInbox", (_InboxHandler,), {"inbox": made}))
    server.start()
    shop_vendors.tell(server.url)
    yield made
    server.stop()


def arrived(inbox: Inbox, count: int) -> Callable[[], bool]:
    return lambda: len(inbox.got) >= count


def test_each_vendor_tells_its_own_address_in_its_own_way(shop_vendors: Vendors, inbox: Inbox) -> None:
    key = uuid4()
    card.authorize(key, Usdt.of("1.00"), "ok")
    shop_vendors.warehouse.set_counts({"A": 1})
    shop_vendors.tax.webhooks.tell({"id": "evt_tax"})
    shop_vendors.ages.webhooks.tell({"id": "x", "uuid": "a-reference"})
    wait_until(arrived(inbox, 4), "the webhooks", 10.0)
    by_path = {path: (method, headers, body) for method, path, headers, body in inbox.got}
    assert {path: method for path, (method, _, _) in by_path.items()} == {
        "/v1/webhooks/payments/card": "POST",
        "/v1/webhooks/agechecker": "PUT",
        "/v1/webhooks/kintsugi": "POST",
        "/v1/webhooks/selery": "POST",
    }
    _, headers, body = by_path["/v1/webhooks/payments/card"]
    assert card_notices.notice(headers, body).key == key
    _, headers, body = by_path["/v1/webhooks/agechecker"]
    assert age_notices.notice(headers, body) == "a-reference"
    _, headers, body = by_path["/v1/webhooks/selery"]
    assert warehouse_notices.notice(headers, body).fulfilment_id is None


def test_each_comes_three_times_and_in_another_order(shop_vendors: Vendors, inbox: Inbox) -> None:
    webhooks = shop_vendors.card.webhooks
    webhooks.times, webhooks.shuffled = 3, True
    sent = [str(number) for number in range(20)]
    for each in sent:
        webhooks.tell({"id": each})
    wait_until(arrived(inbox, 60), "the webhooks", 10.0)
    assert sorted(inbox.ids()) == sorted(sent * 3)
    first_seen = list(dict.fromkeys(inbox.ids()))
    assert first_seen != sent
    assert [json.loads(body)["id"] for body in webhooks.told()] == sent


def test_one_may_be_late(shop_vendors: Vendors, inbox: Inbox) -> None:
    webhooks = shop_vendors.card.webhooks
    webhooks.late_seconds = 0.5
    webhooks.tell({"id": "late"})
    webhooks.late_seconds = 0.0
    webhooks.tell({"id": "early"})
    wait_until(arrived(inbox, 2), "the webhooks", 10.0)
    assert inbox.ids() == ["early", "late"]


def test_one_may_be_lost(shop_vendors: Vendors, inbox: Inbox) -> None:
    webhooks = shop_vendors.card.webhooks
    webhooks.lost = True
    webhooks.tell({"id": "lost"})
    webhooks.lost = False
    webhooks.tell({"id": "sent"})
    wait_until(arrived(inbox, 1), "the webhook", 10.0)
    assert inbox.ids() == ["sent"]
    assert len(webhooks.told()) == 2


def test_what_nobody_takes_comes_again_and_not_for_ever(
    shop_vendors: Vendors, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "AGAIN_SECONDS", 0.02)
    webhooks, inbox.status = shop_vendors.card.webhooks, HTTPStatus.SERVICE_UNAVAILABLE
    webhooks.tell({"id": "unwanted"})
    wait_until(arrived(inbox, sending.ATTEMPTS_MAX), "the attempts", 10.0)
    inbox.status = HTTPStatus.OK
    webhooks.tell({"id": "wanted"})
    wait_until(lambda: "wanted" in inbox.ids(), "the next one", 10.0)
    assert inbox.ids() == ["unwanted"] * sending.ATTEMPTS_MAX + ["wanted"]


def test_without_an_address_nothing_is_sent_and_all_is_kept(shop_vendors: Vendors) -> None:
    card.authorize(uuid4(), Usdt.of("1.00"), "ok")
    (body,) = shop_vendors.card.webhooks.told()
    assert card_notices.notice(shop_vendors.card.webhooks.signed(body), body).kind == "authorize.succeeded"
    shop_vendors.clear()
    assert shop_vendors.card.webhooks.told() == []
    assert shop_vendors.card.operations() == []


def test_a_check_calls_back_where_its_request_said(
    shop_vendors: Vendors, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = str(shop_vendors.ages.webhooks.url)
    shop_vendors.ages.webhooks.url = None
    monkeypatch.setenv("AGECHECKER_CALLBACK_URL", url.replace("agechecker", "elsewhere"))
    shop_vendors.ages.decide(ages.begin(uuid4(), ADA).reference, "accepted")
    wait_until(arrived(inbox, 1), "the callback", 10.0)
    assert [(method, path) for method, path, _, _ in inbox.got] == [("PUT", "/v1/webhooks/elsewhere")]
