"""The tax port and its stand-in understand each other: quotes sum to the cent, and a transaction is reported once."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
import requests

from emulators.tax import RATES
from emulators.vendor import Fault
from emulators.vendors import Vendors
from shared.ports import tax, tax_notices
from shared.ports.tax import Jurisdiction, TaxedRefund, TaxedSale, TaxLine, TaxQuote
from shared.ports.vendors import Address, VendorRefused, VendorSilent
from shared.values.money import ZERO, Usdt

pytest_plugins = ["tests.contract.vendor_plugin"]

AUSTIN = Address("1 Main Street", "Unit 2", "Austin", "TX", "73301")
LINES = [TaxLine("MINTICE-3", 3, Usdt.of("14.97")), TaxLine("COFFEE-12", 1, Usdt.of("4.99"))]
SHIPPING = Usdt.of("2.99")
AT = datetime(2026, 11, 29, 12, tzinfo=UTC)


def quote(address: Address = AUSTIN, shipping: Usdt = SHIPPING) -> TaxQuote:
    return tax.estimate(uuid4(), LINES, shipping, address)


def total(amounts: list[Usdt]) -> Usdt:
    return sum(amounts, ZERO)


@pytest.mark.usefixtures("shop_vendors")
def test_a_quote_is_in_cents_and_sums() -> None:
    found = quote()
    # 22.95 at 8.25 % are 1.893375
    assert found.tax == Usdt.of("1.89")
    assert found.lines == {"MINTICE-3": Usdt.of("1.23"), "COFFEE-12": Usdt.of("0.41")}
    assert found.shipping_tax == Usdt.of("0.25")
    assert found.breakdown == [
        Jurisdiction("Texas", Decimal("0.0625"), Usdt.of("1.43")),
        Jurisdiction("Austin", Decimal("0.01"), Usdt.of("0.23")),
        Jurisdiction("Austin MTA", Decimal("0.01"), Usdt.of("0.23")),
    ]
    assert found.registered


@pytest.mark.parametrize("state", sorted(RATES))
@pytest.mark.parametrize("shipping", [ZERO, SHIPPING])
@pytest.mark.usefixtures("shop_vendors")
def test_lines_and_jurisdictions_sum_to_the_tax_in_every_state(state: str, shipping: Usdt) -> None:
    found = quote(replace(AUSTIN, state=state), shipping)
    assert total([*found.lines.values(), found.shipping_tax]) == found.tax
    assert total([each.amount for each in found.breakdown]) == found.tax
    assert found.lines.keys() == {"MINTICE-3", "COFFEE-12"}
    assert (found.tax == ZERO) == (state == "OR")
    assert shipping or not found.shipping_tax


@pytest.mark.usefixtures("shop_vendors")
def test_a_zero_where_we_are_not_registered_is_told_from_a_real_one() -> None:
    nowhere, oregon = quote(replace(AUSTIN, state="FL")), quote(replace(AUSTIN, state="OR"))
    assert (nowhere.tax, nowhere.registered) == (ZERO, False)
    assert (oregon.tax, oregon.registered) == (ZERO, True)
    assert nowhere.breakdown == oregon.breakdown == []


@pytest.mark.usefixtures("shop_vendors")
def test_jurisdictions_that_do_not_sum_get_another_line() -> None:
    found = quote(replace(AUSTIN, zip="00001"))
    assert [each.name for each in found.breakdown] == ["Austin", "Austin MTA", "other"]
    assert total([each.amount for each in found.breakdown]) == found.tax == Usdt.of("1.89")


@pytest.mark.usefixtures("shop_vendors")
def test_a_bad_address_is_refused_and_an_outage_is_never_zero() -> None:
    with pytest.raises(VendorRefused, match="invalid"):
        quote(replace(AUSTIN, zip="00000"))
    with pytest.raises(VendorSilent):
        quote(replace(AUSTIN, zip="00500"))


@pytest.mark.parametrize(
    ("change", "items"),
    [
        ({"total_tax_amount_calculated": "5.00"}, None),  # its items say 1.89
        ({"total_tax_amount_calculated": "-1"}, None),
        ({"total_tax_amount_calculated": "NaN"}, None),
        ({"total_tax_amount_calculated": None}, None),
        ({"total_tax_amount_calculated": True}, None),
        ({"total_tax_amount_calculated": "1e9"}, None),
        ({"total_tax_amount_calculated": "1e-99999"}, None),
        ({"external_id": "another"}, None),
        ({"has_active_registration": "false"}, None),
        ({}, []),
        ({}, [{"external_id": "COFFEE-12", "tax_amount": "1.89"}] * 2),
        ({}, [{"external_id": "COFFEE-12", "tax_amount": "many", "tax_items": []}]),
        ({}, [{"external_id": "COFFEE-12", "tax_amount": "1.89", "tax_items": [{}]}]),
    ],
)
def test_an_estimate_that_is_not_sound_is_not_believed(
    shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch, change: dict[str, object], items: list[object] | None
) -> None:
    quote_id = uuid4()
    sound = {
        "external_id": str(quote_id),
        "total_tax_amount_calculated": "1.89",
        "has_active_registration": True,
        "transaction_items": [{"external_id": "COFFEE-12", "tax_amount": "1.89", "tax_items": []}],
    }
    monkeypatch.setattr(shop_vendors.tax, "estimate", lambda _: sound)
    assert ask(quote_id).tax == Usdt.of("1.89")
    unsound = sound | change | ({} if items is None else {"transaction_items": items})
    monkeypatch.setattr(shop_vendors.tax, "estimate", lambda _: unsound)
    with pytest.raises(VendorSilent):
        ask(quote_id)


def ask(quote_id: UUID) -> TaxQuote:
    return tax.estimate(quote_id, [LINES[1]], ZERO, AUSTIN)


def test_numbers_may_come_as_numbers(shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    quote_id = uuid4()
    item = {
        "external_id": "COFFEE-12",
        "tax_amount": 0.41,
        "tax_items": [{"name": "Texas", "rate": 0.0825, "amount": 0.41}],
    }
    told = {
        "external_id": str(quote_id),
        "total_tax_amount_calculated": 0.41,
        "has_active_registration": True,
        "transaction_items": [item],
    }
    monkeypatch.setattr(shop_vendors.tax, "estimate", lambda _: told)
    assert ask(quote_id).breakdown == [Jurisdiction("Texas", Decimal("0.0825"), Usdt.of("0.41"))]


@pytest.mark.parametrize(("told", "tax_in_cents"), [("1.894", "1.89"), ("1.895", "1.90"), ("0.004", "0.00")])
def test_a_total_in_parts_of_a_cent_is_rounded(
    shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch, told: str, tax_in_cents: str
) -> None:
    quote_id = uuid4()
    estimate = {
        "external_id": str(quote_id),
        "total_tax_amount_calculated": told,
        "has_active_registration": True,
        "transaction_items": [{"external_id": "COFFEE-12", "tax_amount": told, "tax_items": []}],
    }
    monkeypatch.setattr(shop_vendors.tax, "estimate", lambda _: estimate)
    found = ask(quote_id)
    assert found.tax == found.lines["COFFEE-12"] == Usdt.of(tax_in_cents)


# Reports


def sale() -> TaxedSale:
    found = quote()
    return TaxedSale(AT, LINES, found.lines, SHIPPING, found.shipping_tax, AUSTIN)


def refund(of: UUID) -> TaxedRefund:
    return TaxedRefund(of, AT, [TaxLine("COFFEE-12", 1, Usdt.of("4.99"))], {"COFFEE-12": Usdt.of("0.41")}, ZERO, ZERO)


def test_a_sale_and_its_refund_are_reported_once(shop_vendors: Vendors) -> None:
    sold, back = uuid4(), uuid4()
    reference = tax.report(sold, sale())
    assert tax.report(sold, sale()) == reference == tax.find(sold)
    credit = tax.report(back, refund(sold))
    assert tax.report(back, refund(sold)) == credit
    first, second = shop_vendors.tax.transactions()
    assert (first.external_id, first.total_amount, first.tax) == (str(sold), Decimal("24.84"), Decimal("1.89"))
    assert (second.external_id, second.total_amount, second.tax) == (str(back), Decimal("-5.40"), Decimal("-0.41"))
    assert second.related_to == reference
    assert [item["amount"] for item in first.asked["transaction_items"]] == ["14.97", "4.99", "2.99"]
    assert [item["tax_amount_imported"] for item in first.asked["transaction_items"]] == ["1.23", "0.41", "0.25"]
    assert [item["amount"] for item in second.asked["transaction_items"]] == ["-4.99"]


def test_a_report_without_an_answer_is_not_made_twice(shop_vendors: Vendors) -> None:
    sold = uuid4()
    made = sale()
    shop_vendors.tax.fail_next(1, Fault.TOO_MANY_REQUESTS)
    with pytest.raises(VendorSilent):
        tax.report(sold, made)
    # the look-up is answered, and the report itself is done without an answer
    answered = shop_vendors.tax.next_fault
    faults = iter([None, Fault.DONE_UNANSWERED])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shop_vendors.tax, "next_fault", lambda: next(faults, None) or answered())
        with pytest.raises(VendorSilent):
            tax.report(sold, made)
    assert tax.report(sold, made) == tax.find(sold)
    assert len(shop_vendors.tax.transactions(sold)) == 1


def test_two_reports_at_once_are_one(shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    sold, made = uuid4(), sale()
    found, find = iter([None]), tax.find
    reference = tax.report(sold, made)
    monkeypatch.setattr(tax, "find", lambda each: next(found, find(each)))  # the first look came too early
    assert tax.report(sold, made) == reference
    assert len(shop_vendors.tax.transactions(sold)) == 1


def test_a_refund_of_what_was_never_reported_is_refused(shop_vendors: Vendors) -> None:
    with pytest.raises(VendorRefused, match="original_unknown"):
        tax.report(uuid4(), refund(uuid4()))
    assert shop_vendors.tax.transactions() == []


@pytest.mark.usefixtures("shop_vendors")
def test_no_more_is_credited_than_was_sold() -> None:
    sold = uuid4()
    tax.report(sold, sale())
    for _ in range(4):
        tax.report(uuid4(), refund(sold))
    with pytest.raises(VendorRefused, match="invalid"):
        tax.report(uuid4(), refund(sold))


@pytest.mark.usefixtures("shop_vendors")
def test_a_missing_route_is_no_missing_transaction(shop_vendors: Vendors) -> None:
    assert tax.find(uuid4()) is None
    shop_vendors.tax.fail_next(1, Fault.FOREIGN_NOT_FOUND)
    with pytest.raises(VendorSilent):
        tax.find(uuid4())


def test_what_is_reported_is_told_and_can_be_seen(shop_vendors: Vendors) -> None:
    sold = uuid4()
    tax.report(sold, sale())
    (body,) = shop_vendors.tax.webhooks.told()
    told = tax_notices.notice(shop_vendors.tax.webhooks.signed(body), body)
    assert (told.kind, told.transaction_id) == ("transaction.created", sold)
    (shown,) = requests.get(f"{shop_vendors.tax.url}/transactions", timeout=10).json()
    assert (shown["external_id"], shown["total_amount"]) == (str(sold), "24.84")
