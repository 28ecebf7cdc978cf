"""All four ports of the shop make the same of the same failures, and believe no notice that its vendor did not sign."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from emulators.http_server import Handler, HttpServer
from emulators.process import free_port, wait_until
from emulators.vendor import DONE, Fault, VendorStandIn
from emulators.vendors import Vendors
from shared.ports import age_notices, ages, card, card_notices, tax, tax_notices, vendors, warehouse, warehouse_notices
from shared.ports.outage import Outage
from shared.ports.vendors import (
    Address,
    SignatureNotValid,
    VendorMisconfigured,
    VendorRefused,
    VendorSilent,
)
from shared.values.money import Usdt

pytest_plugins = ["tests.contract.vendor_plugin"]

HOME = Address("1 Main Street", "", "Austin", "TX", "73301")
BUYER = ages.Person("Ada", "Accepted", "1 Main Street", "Austin", "TX", "73301", "US", date(1990, 1, 31))


@dataclass(frozen=True)
class Vendor:
    """A vendor: something to ask of it, and how often that was really done."""

    name: str
    ask: Callable[[UUID], object]
    done: Callable[[Vendors], int]
    notice: Callable[[dict[str, str], bytes], object]
    secret: str

    def stand_in(self, all_of_them: Vendors) -> VendorStandIn:
        found: VendorStandIn = getattr(all_of_them, self.name)
        return found


VENDORS = [
    Vendor(
        "card",
        lambda key: card.authorize(key, Usdt.of("7.98"), "ok"),
        lambda world: len(world.card.operations()),
        card_notices.notice,
        "CARD_WEBHOOK_SECRET",
    ),
    Vendor(
        "ages",
        lambda key: ages.begin(key, BUYER),
        lambda world: len(world.ages.checks()),
        age_notices.notice,
        "AGECHECKER_SECRET",
    ),
    Vendor(
        "tax",
        lambda key: tax.estimate(key, [tax.TaxLine("MINTICE-3", 1, Usdt.of("4.99"))], Usdt.of("2.99"), HOME),
        lambda world: world.tax.estimates,
        tax_notices.notice,
        "KINTSUGI_WEBHOOK_SECRET",
    ),
    Vendor(
        "warehouse",
        lambda key: warehouse.submit(key, warehouse.Parcelled("Ada", HOME, {"MINTICE-3": 2})),
        lambda world: len(world.warehouse.orders()),
        warehouse_notices.notice,
        "SELERY_WEBHOOK_SECRET",
    ),
]
each_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
TIMED = [vendor for vendor in VENDORS if vendor.name != "ages"]
each_timed_vendor = pytest.mark.parametrize("vendor", TIMED, ids=lambda vendor: vendor.name)
SILENT = [fault for fault in Fault if fault not in (Fault.UNAUTHORIZED, Fault.FORBIDDEN, Fault.REFUSED)]


@each_vendor
@pytest.mark.parametrize("fault", SILENT, ids=lambda fault: fault.name)
@pytest.mark.usefixtures("impatient")
def test_without_the_vendors_word_nothing_is_known(shop_vendors: Vendors, vendor: Vendor, fault: Fault) -> None:
    stand_in = vendor.stand_in(shop_vendors)
    stand_in.later_seconds = 0.05
    stand_in.fail_next(1, fault)
    with pytest.raises(VendorSilent) as silent:
        vendor.ask(uuid4())
    assert isinstance(silent.value, Outage)
    assert silent.value.retry_after_seconds == (7 if fault is Fault.TOO_MANY_REQUESTS else 30)
    if fault in DONE:
        wait_until(lambda: vendor.done(shop_vendors) == 1, "what was asked", 5.0)
    else:
        assert vendor.done(shop_vendors) == 0
    vendor.ask(uuid4())  # the next call is answered again


@each_vendor
@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.FORBIDDEN], ids=lambda fault: fault.name)
def test_a_wrong_key_needs_a_person(shop_vendors: Vendors, vendor: Vendor, fault: Fault) -> None:
    vendor.stand_in(shop_vendors).fail_next(1, fault)
    with pytest.raises(VendorMisconfigured):
        vendor.ask(uuid4())
    assert vendor.done(shop_vendors) == 0


@pytest.mark.parametrize("name", ["CARD_API_KEY", "AGECHECKER_KEY", "KINTSUGI_API_KEY", "SELERY_API_KEY"])
def test_a_key_that_the_vendor_does_not_know_needs_a_person(
    shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "stolen")
    (vendor,) = (vendor for vendor in VENDORS if name in vendor.stand_in(shop_vendors).settings)
    with pytest.raises(VendorMisconfigured):
        vendor.ask(uuid4())
    assert vendor.done(shop_vendors) == 0


@each_vendor
def test_a_refusal_in_the_vendors_own_words_is_one(shop_vendors: Vendors, vendor: Vendor) -> None:
    vendor.stand_in(shop_vendors).fail_next(1, Fault.REFUSED)
    with pytest.raises(VendorRefused) as refused:
        vendor.ask(uuid4())
    assert refused.value.reason == ("invalid" if vendor.name == "tax" else "refused")
    assert vendor.done(shop_vendors) == 0


@each_vendor
def test_where_nobody_listens_nothing_is_known(
    shop_vendors: Vendors, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = vendor.stand_in(shop_vendors)
    (name,) = (name for name in stand_in.settings if name.endswith("_URL"))
    monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with pytest.raises(VendorSilent):
        vendor.ask(uuid4())


# An answer that somebody else gives


class _Endless(Handler):
    """Answers with what the test put into `status` and `content`, or without an end."""

    status, content, pieces, pause, asked = HTTPStatus.OK, b"{}", 0, 0.0, 0

    def do_GET(self) -> None:  # noqa: N802 - the name is the base class's
        self.do_POST()

    def do_POST(self) -> None:  # noqa: N802 - the name is the base class's
        self.body()
        type(self).asked += 1
        if not self.pieces:
            moved = {"location": "/elsewhere"} if self.status == HTTPStatus.FOUND else {}
            self.answer(self.status, self.content, "application/json", moved)
            return
        self.send_head(self.status, 1 << 40, "application/json")
        try:
            for _ in range(self.pieces):
                self.wfile.write(b" " * (1 if self.pause else 1 << 20))
                self.wfile.flush()
                time.sleep(self.pause)
        except OSError:
            self.close_connection = True


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[_Endless]]:
    handler = type("BoundEndless", (_Endless,), {})
    server = HttpServer(handler)
    server.start()
    for name in ("CARD_URL", "AGECHECKER_URL", "KINTSUGI_URL", "SELERY_URL"):
        monkeypatch.setenv(name, server.url)
    yield handler
    server.stop()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b'{"status": "succeeded"}',
        b'{"status": ["succeeded"], "external_id": 1, "uuid": 7}',
        b'{"key": "\\u0000", "uuid": "\\u0000", "external_id": "\\u0000"}',
        b'{"uuid": "../v1/latest", "status": "accepted"}',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"error": {}}',
        b'{"error": "no"}',
    ],
)
@each_vendor
@pytest.mark.usefixtures("shop_vendors")
def test_an_answer_of_another_shape_is_nobodys_word(vendor: Vendor, content: bytes, somebody: type[_Endless]) -> None:
    for status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST, HTTPStatus.FOUND):
        somebody.status, somebody.content = status, content
        with pytest.raises(VendorSilent):
            vendor.ask(uuid4())


@each_vendor
@pytest.mark.usefixtures("shop_vendors")
def test_an_answer_without_an_end_is_broken_off(vendor: Vendor, somebody: type[_Endless]) -> None:
    somebody.pieces = 10_000
    began = time.monotonic()
    with pytest.raises(VendorSilent, match="does not end"):
        vendor.ask(uuid4())
    assert time.monotonic() - began < vendors.WHOLE_ANSWER_SECONDS_MAX


@each_vendor
@pytest.mark.usefixtures("shop_vendors")
def test_an_answer_that_drips_is_broken_off(
    vendor: Vendor, somebody: type[_Endless], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendors, "WHOLE_ANSWER_SECONDS_MAX", 0.3)
    somebody.pieces, somebody.pause = 100, 0.05
    with pytest.raises(VendorSilent, match="does not end"):
        vendor.ask(uuid4())


@each_vendor
@pytest.mark.usefixtures("shop_vendors")
def test_nobody_sends_us_elsewhere(vendor: Vendor, somebody: type[_Endless]) -> None:
    somebody.status = HTTPStatus.FOUND
    with pytest.raises(VendorSilent):
        vendor.ask(uuid4())
    assert somebody.asked == 1


FINDERS: list[Callable[[UUID], object]] = [card.find, tax.find, warehouse.find]


@pytest.mark.parametrize("find", FINDERS, ids=["card", "tax", "warehouse"])
@pytest.mark.parametrize("content", [b'{"message": "no Route matched"}', b"{}", b"<html>"])
@pytest.mark.usefixtures("shop_vendors")
def test_a_gateways_not_found_is_not_the_vendors(
    find: Callable[[UUID], object], content: bytes, somebody: type[_Endless]
) -> None:
    somebody.status, somebody.content = HTTPStatus.NOT_FOUND, content
    with pytest.raises(VendorSilent):
        find(uuid4())


@pytest.mark.parametrize(
    ("name", "find"), [("CARD_URL", card.find), ("SELERY_URL", warehouse.find)], ids=["card", "warehouse"]
)
def test_a_wrong_address_at_the_vendor_is_no_missing_operation(
    shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch, name: str, find: Callable[[UUID], object]
) -> None:
    monkeypatch.setenv(name, f"{shop_vendors.settings[name]}/v1/old")
    with pytest.raises(VendorRefused, match="no_such_route"):
        find(uuid4())


def test_a_netrc_does_not_replace_our_key(
    shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert isinstance(card.authorize(uuid4(), Usdt.of("7.98"), "ok"), card.Done)
    assert len(shop_vendors.card.operations()) == 1


def test_an_answer_about_another_key_is_not_taken(shop_vendors: Vendors, somebody: type[_Endless]) -> None:
    assert shop_vendors
    told = {"id": "auth_1", "key": str(uuid4()), "kind": "authorize", "status": "succeeded", "amount": 798}
    somebody.content = json.dumps(told).encode()
    with pytest.raises(VendorSilent):
        card.authorize(uuid4(), Usdt.of("7.98"), "ok")
    with pytest.raises(VendorSilent):  # nor one about another kind
        card.capture(UUID(str(told["key"])), "auth_1", Usdt.of("7.98"))
    assert card.authorize(UUID(str(told["key"])), Usdt.of("7.98"), "ok") == card.Done("auth_1", Usdt.of("7.98"))


# Notices


@each_vendor
def test_a_notice_of_the_vendor_is_read(shop_vendors: Vendors, vendor: Vendor) -> None:
    webhooks = vendor.stand_in(shop_vendors).webhooks
    body = b'{"uuid": "a-reference", "id": "evt_1", "type": "a.b", "data": {}}'
    told = vendor.notice(webhooks.signed(body), body)
    assert told == "a-reference" or getattr(told, "event_id", "") == "evt_1"


@each_vendor
def test_a_notice_of_somebody_else_is_not(shop_vendors: Vendors, vendor: Vendor) -> None:
    webhooks = vendor.stand_in(shop_vendors).webhooks
    body = b'{"uuid": "a-reference", "id": "evt_1"}'
    headers = webhooks.signed(body)
    with pytest.raises(SignatureNotValid):
        vendor.notice(headers, body + b" ")
    with pytest.raises(SignatureNotValid):
        vendor.notice({}, body)
    name = next(name for name in headers if "ignature" in name)
    for bad in (
        "",
        "t=,v1=",
        "t=1",
        "v1=00",
        "AAAA",
        "\xe9",
        "t=1,t=2,v1=00",
        "x" * 5000,
        f"t={'9' * 50},v1=00",
        "====",
    ):
        with pytest.raises(SignatureNotValid):
            vendor.notice({name: bad}, body)


@each_timed_vendor
def test_a_notice_has_one_time(shop_vendors: Vendors, vendor: Vendor) -> None:
    headers = vendor.stand_in(shop_vendors).webhooks.signed(b"{}")
    (name,) = (name for name in headers if "ignature" in name)
    assert vendor.notice({name: f"{headers[name]},v1=00,v0=1"}, b"{}")
    for twice in (f"{headers[name]},t=1", f"t=1,{headers[name]}"):
        with pytest.raises(SignatureNotValid):
            vendor.notice({name: twice}, b"{}")


@each_vendor
def test_the_case_of_a_headers_name_does_not_count(shop_vendors: Vendors, vendor: Vendor) -> None:
    body = b'{"uuid": "a-reference"}'
    headers = vendor.stand_in(shop_vendors).webhooks.signed(body)
    assert vendor.notice({name.lower(): value for name, value in headers.items()}, body)


@each_timed_vendor
@pytest.mark.parametrize(("seconds", "taken"), [(-301, False), (-290, True), (290, True), (310, False)])
def test_a_notice_is_good_for_five_minutes(
    shop_vendors: Vendors, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, seconds: int, taken: bool
) -> None:
    body = b"{}"
    headers = vendor.stand_in(shop_vendors).webhooks.signed(body)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)
    if taken:
        assert vendor.notice(headers, body)
    else:
        with pytest.raises(SignatureNotValid):
            vendor.notice(headers, body)


@each_vendor
def test_a_secret_is_rotated_with_two_at_a_time(
    shop_vendors: Vendors, vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"uuid": "a-reference"}'
    headers = vendor.stand_in(shop_vendors).webhooks.signed(body)
    present = shop_vendors.settings[vendor.secret]
    monkeypatch.setenv(vendor.secret, f"next-one, {present}")
    assert vendor.notice(headers, body)
    monkeypatch.setenv(vendor.secret, "next-one")
    with pytest.raises(SignatureNotValid):
        vendor.notice(headers, body)


@each_vendor
def test_an_empty_secret_signs_nothing(shop_vendors: Vendors, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"uuid": "a-reference"}'
    headers = vendor.stand_in(shop_vendors).webhooks.signed(body)
    monkeypatch.setenv(vendor.secret, " , ")
    with pytest.raises(VendorMisconfigured):
        vendor.notice(headers, body)


@each_timed_vendor
@pytest.mark.parametrize("body", [b"", b"no JSON", b"[]", b'{"id": 7}', b'{"id": "\\u0000"}', b'{"data": {"key": 1}}'])
def test_a_signed_notice_that_says_nothing_is_still_a_notice(
    shop_vendors: Vendors, vendor: Vendor, body: bytes
) -> None:
    webhooks = vendor.stand_in(shop_vendors).webhooks
    first, second = (vendor.notice(webhooks.signed(body), body) for _ in range(2))
    assert first == second
    assert getattr(first, "event_id", "").startswith("sha256:")


# Values


@pytest.mark.parametrize("amount", ["-0.01", "0.005", "4.999999"])
def test_an_amount_that_is_not_in_cents_is_never_sent(shop_vendors: Vendors, amount: str) -> None:
    with pytest.raises(ValueError, match=r"cents|nothing"):
        card.authorize(uuid4(), Usdt.of(amount), "ok")
    assert shop_vendors.card.operations() == []


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://bank.example/3ds?x=1", True),
        ("http://127.0.0.1:8080/3ds", True),
        ("http://bank.example/3ds", False),
        ("javascript:alert(1)", False),
        ("https://bank.example/a b", False),
        ("https:///3ds", False),
        ("", False),
        (None, False),
    ],
)
def test_a_page_is_https_or_on_this_machine(url: str | None, good: bool) -> None:
    if good:
        assert vendors.page_url(url) == url
    else:
        with pytest.raises(ValueError, match="no address"):
            vendors.page_url(url)


def test_a_person_gets_into_no_log() -> None:
    parcel = warehouse.Parcelled("Ada Lovelace", HOME, {"A-1": 1})
    assert "Ada" not in repr(BUYER) + repr(parcel)
    assert "Main" not in repr(BUYER) + repr(parcel) + repr(HOME)
