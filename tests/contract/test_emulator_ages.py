"""The age check's port and its stand-in understand each other, and a reference is only as good as its metadata."""

import json
from dataclasses import replace
from datetime import date
from uuid import uuid4

import pytest
import requests

from emulators import ages as stand_ins
from emulators.vendor import Fault
from emulators.vendors import Vendors
from shared import clock
from shared.ports import age_notices, ages
from shared.ports.ages import Person
from shared.ports.vendors import SignatureNotValid, VendorMisconfigured, VendorRefused, VendorSilent

pytest_plugins = ["tests.contract.vendor_plugin"]

ADA = Person("Ada", "Accepted", "1 Main Street", "Austin", "TX", "73301", "US", date(1990, 1, 31), "ada@example.com")


def named(first: str, last: str) -> Person:
    return replace(ADA, first_name=first, last_name=last)


@pytest.mark.parametrize(
    ("first", "last", "status", "reason"),
    [
        ("Ada", "Accepted", "accepted", None),
        ("Ada", "Lovelace", "accepted", None),
        ("Ada", "Denied", "denied", "underage"),
        ("Ada", "Pending", "pending", None),
        ("Ada", "Photo", "pending", None),
        ("John", "Doe", "accepted", None),
        ("Jane", "Doe", "pending", None),
        ("Grace", "Doe", "denied", "not_created"),
    ],
)
@pytest.mark.usefixtures("shop_vendors")
def test_a_person_is_checked_and_the_check_is_found_again(
    first: str, last: str, status: str, reason: str | None
) -> None:
    check_id = uuid4()
    begun = ages.begin(check_id, named(first, last))
    assert (begun.status, begun.reason, begun.check_id) == (status, reason, check_id)
    found = ages.look(begun.reference)
    assert (found.status, found.reason, found.check_id) == (status, reason, check_id)


@pytest.mark.usefixtures("shop_vendors")
def test_two_refused_creations_have_two_references() -> None:
    young = replace(ADA, born_on=date(2025, 1, 1))
    first, second = (ages.begin(uuid4(), young) for _ in range(2))
    assert first.status == second.status == "denied"
    assert first.reference != second.reference


@pytest.mark.parametrize(("years", "status"), [(20, "denied"), (21, "accepted")])
@pytest.mark.usefixtures("shop_vendors")
def test_21_is_asked_for_whatever_the_site_is_set_to(years: int, status: str) -> None:
    today = clock.now().date()
    born = date(today.year - years, 1, 1)
    assert ages.begin(uuid4(), replace(ADA, born_on=born)).status == status


def test_while_the_secret_is_rotated_the_first_one_is_shown(
    shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    present = shop_vendors.settings["AGECHECKER_SECRET"]
    monkeypatch.setenv("AGECHECKER_SECRET", f" {present} , next-one")
    assert ages.look(ages.begin(uuid4(), ADA).reference).status == "accepted"
    monkeypatch.setenv("AGECHECKER_SECRET", f"next-one,{present}")
    with pytest.raises(VendorMisconfigured):
        ages.begin(uuid4(), ADA)


def test_the_vendor_gets_what_it_needs(shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGECHECKER_CALLBACK_URL", "https://api.example/v1/webhooks/agechecker")
    check_id = uuid4()
    ages.begin(check_id, ADA)
    (check,) = shop_vendors.ages.checks()
    assert check.metadata == {"check_id": str(check_id)}
    assert check.callback_url == "https://api.example/v1/webhooks/agechecker"
    assert check.buyer == {
        "first_name": "Ada",
        "last_name": "Accepted",
        "address": "1 Main Street",
        "city": "Austin",
        "state": "TX",
        "zip": "73301",
        "country": "US",
        "dob_day": 31,
        "dob_month": 1,
        "dob_year": 1990,
        "email": "ada@example.com",
    }


@pytest.mark.parametrize("status", ["signature", "photo_id", "phone_validation", "sms_sent", "pending"])
def test_whatever_still_wants_something_is_pending(shop_vendors: Vendors, status: str) -> None:
    begun = ages.begin(uuid4(), named("Ada", "Pending"))
    shop_vendors.ages.decide(begun.reference, status)
    assert ages.look(begun.reference).status == "pending"


def test_a_status_that_is_new_to_us_decides_nothing(shop_vendors: Vendors) -> None:
    begun = ages.begin(uuid4(), named("Ada", "Pending"))
    shop_vendors.ages.decide(begun.reference, "accepted_with_remarks")
    with pytest.raises(VendorSilent):
        ages.look(begun.reference)


def test_a_person_sends_a_photo_and_a_denial_may_become_an_acceptance(shop_vendors: Vendors) -> None:
    begun = ages.begin(uuid4(), named("Ada", "Photo"))
    assert begun.url is not None
    assert "ID" in requests.get(begun.url, timeout=10).text
    requests.post(begun.url, data={"outcome": "deny"}, timeout=10)
    assert (ages.look(begun.reference).status, ages.look(begun.reference).reason) == ("denied", "fake_id")
    requests.post(begun.url, data={"outcome": "accept"}, timeout=10)
    assert (ages.look(begun.reference).status, ages.look(begun.reference).reason) == ("accepted", None)
    webhooks = shop_vendors.ages.webhooks
    assert [json.loads(body)["status"] for body in webhooks.told()] == ["denied", "accepted"]
    assert {age_notices.notice(webhooks.signed(body), body) for body in webhooks.told()} == {begun.reference}


@pytest.mark.usefixtures("shop_vendors")
def test_franks_photo_is_never_good() -> None:
    begun = ages.begin(uuid4(), named("Frank", "Doe"))
    assert begun.url is not None
    requests.post(begun.url, data={"outcome": "accept"}, timeout=10)
    assert ages.look(begun.reference).status == "denied"


def test_a_check_that_got_no_answer_is_begun_anew_and_both_are_ours(shop_vendors: Vendors) -> None:
    check_id = uuid4()
    shop_vendors.ages.fail_next(1, Fault.DONE_UNANSWERED)
    with pytest.raises(VendorSilent):
        ages.begin(check_id, ADA)
    again = ages.begin(check_id, ADA)
    former, _ = shop_vendors.ages.checks()
    assert former.uuid != again.reference
    assert ages.look(former.uuid).check_id == check_id


def test_a_check_that_somebody_else_began_has_no_id_of_ours(shop_vendors: Vendors) -> None:
    asked = {"key": stand_ins.KEY, "secret": stand_ins.SECRET, "data": _buyer()}
    for metadata in ({}, {"check_id": "7"}, {"check_id": str(uuid4()).upper()}, {"other": str(uuid4())}):
        made = shop_vendors.ages.create({**asked, "options": {"metadata": metadata}})
        assert made is not None
        found = ages.look(made.uuid)
        assert (found.status, found.check_id) == ("accepted", None)


def test_a_check_of_another_site_is_none_of_ours(shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = ages.begin(uuid4(), ADA)
    assert shop_vendors.ages.checks()
    monkeypatch.setenv("AGECHECKER_KEY", "our-other-site")
    with pytest.raises(VendorRefused, match="uuid_not_found"):
        ages.look(begun.reference)


@pytest.mark.parametrize(
    "reference", ["", "a" * 101, "../latest", "a/b", "a?b", "a b", "a\r\nX: y", "ünï", "a.b", "unknown", "%2e%2e"]
)
def test_a_made_up_reference_is_not_found(shop_vendors: Vendors, reference: str) -> None:
    ages.begin(uuid4(), ADA)
    with pytest.raises(VendorRefused, match="uuid_not_found"):
        ages.look(reference)
    assert len(shop_vendors.ages.checks()) == 1


@pytest.mark.parametrize(
    "change", [{"last_name": ""}, {"state": ""}, {"zip": ""}], ids=["no name", "no state", "no zip"]
)
def test_data_that_is_missing_is_refused(shop_vendors: Vendors, change: dict[str, str]) -> None:
    with pytest.raises(VendorRefused, match="invalid_data"):
        ages.begin(uuid4(), replace(ADA, **change))  # type: ignore[arg-type]  # every value is a text
    assert shop_vendors.ages.checks() == []


def test_a_notice_without_a_usable_reference_says_nothing(shop_vendors: Vendors) -> None:
    webhooks = shop_vendors.ages.webhooks
    for body in (b"{}", b"no json", b'{"uuid": "../x"}', b'{"uuid": 7}'):
        with pytest.raises(SignatureNotValid, match="no reference"):
            age_notices.notice(webhooks.signed(body), body)


def test_without_the_secret_the_vendor_tells_less(shop_vendors: Vendors) -> None:
    begun = ages.begin(uuid4(), ADA)
    plain = requests.get(f"{shop_vendors.ages.url}/v1/status/{begun.reference}", timeout=10).json()
    assert plain == {"status": "accepted"}


def test_the_vendor_refuses_bad_metadata_and_ages(shop_vendors: Vendors) -> None:
    url, asked = f"{shop_vendors.ages.url}/v1/create", {"key": stand_ins.KEY, "secret": stand_ins.SECRET}
    for options, code in (
        ({"metadata": {"a" * 26: "b"}}, "invalid_metadata"),
        ({"metadata": {"a": "b" * 251}}, "invalid_metadata"),
        ({"min_age": 17}, "invalid_min_age"),
    ):
        answer = requests.post(url, json={**asked, "data": _buyer(), "options": options}, timeout=10)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    answer = requests.post(url, json={**asked, "data": {**_buyer(), "dob_month": 13}}, timeout=10)
    assert answer.json()["error"]["code"] == "invalid_dob"


def _buyer() -> dict[str, object]:
    return {
        "first_name": "Eve",
        "last_name": "Else",
        "address": "2 Main Street",
        "city": "Austin",
        "state": "TX",
        "zip": "73301",
        "country": "US",
        "dob_day": 1,
        "dob_month": 1,
        "dob_year": 1980,
    }
