"""The port for banks and its stand-in understand each other, with real certificates: each error, exact amounts."""

import json
import ssl
import stat
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from emulators.bank import BankAccount, BankEnrollment, BankStandIn
from emulators.bank_certificates import Authority, Pair
from emulators.vendor import Fault
from emulators.vendors import Vendors
from shared.ports import sessions, teller, vendors
from shared.ports.teller import AccountClosed, Connected, EnrollmentDisconnected, TellerBalance, TokenRefused
from shared.ports.vendors import SignatureNotValid, VendorMisconfigured, VendorRefused, VendorSilent

pytest_plugins = ["tests.contract.vendor_plugin"]

NONCE = str(uuid4())


@pytest.fixture
def bank(shop_vendors: Vendors) -> BankStandIn:
    return shop_vendors.bank


@pytest.fixture
def enrollment(bank: BankStandIn) -> BankEnrollment:
    return bank.enroll()


@pytest.fixture
def token(bank: BankStandIn, enrollment: BankEnrollment) -> str:
    return str(bank.connect(NONCE, enrollment)["access_token"])


def first(enrollment: BankEnrollment) -> BankAccount:
    return next(iter(enrollment.accounts.values()))


def show(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> None:
    """Have the port show another certificate from now on."""
    monkeypatch.setenv("TELLER_CERTIFICATE", pair.certificate)
    monkeypatch.setenv("TELLER_PRIVATE_KEY", pair.private_key)


def handed(given: dict[str, Any], **other: Any) -> Connected:
    told = {**given, **other}
    return Connected(told["access_token"], told["user_id"], told["enrollment_id"], told["signatures"])


def test_the_accounts_of_an_enrollment_are_listed(enrollment: BankEnrollment, token: str) -> None:
    found = teller.accounts(token)
    assert [account.id for account in found] == list(enrollment.accounts)
    assert {account.enrollment_id for account in found} == {enrollment.id}
    assert (found[0].institution, found[0].last_four, found[0].currency) == ("Security Credit Union", "7890", "USD")


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("28575.02", Decimal("28575.02")),
        ("0", Decimal("0.00")),
        ("7.5", Decimal("7.50")),
        ("-104.10", Decimal("-104.10")),
        ("9999999999999999.99", Decimal("9999999999999999.99")),
        (None, None),
    ],
)
def test_an_amount_is_read_exactly(enrollment: BankEnrollment, token: str, told: object, read: Decimal | None) -> None:
    account = first(enrollment)
    account.ledger = account.available = told
    found = teller.balance(token, account.id)
    assert found == TellerBalance(read, read)
    assert read is None or str(found.ledger) == str(read)


@pytest.mark.parametrize(
    "told",
    ["1,000.00", "1e3", "NaN", "Infinity", "1.001", "", " 1", "+1", ".5", "1.", "\u0661", "12345678901234567", 1, 1.5,
     True, {}],
)  # fmt: skip
def test_an_amount_of_another_form_is_never_guessed(enrollment: BankEnrollment, token: str, told: object) -> None:
    account = first(enrollment)
    account.ledger = told
    with pytest.raises(VendorSilent):
        teller.balance(token, account.id)


def test_each_error_of_the_bank_has_a_name(bank: BankStandIn, enrollment: BankEnrollment, token: str) -> None:
    account = first(enrollment)
    with pytest.raises(TokenRefused, match="401"):
        teller.balance("", account.id)
    with pytest.raises(TokenRefused, match="403"):
        teller.balance("token_of_nobody", account.id)
    with pytest.raises(VendorRefused, match="not_found"):
        teller.balance(token, "acc_unknown")
    account.closed = True
    with pytest.raises(AccountClosed, match=r"account\.closed"):
        teller.balance(token, account.id)
    bank.disconnect(enrollment, "user_action.captcha_required")
    with pytest.raises(EnrollmentDisconnected, match=r"enrollment\.disconnected\.user_action\.captcha_required"):
        teller.balance(token, account.id)
    with pytest.raises(EnrollmentDisconnected):
        teller.accounts(token)


SILENT = [fault for fault in Fault if fault not in (Fault.UNAUTHORIZED, Fault.FORBIDDEN, Fault.REFUSED)]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", SILENT, ids=lambda fault: fault.name)
def test_without_the_banks_word_nothing_is_known(
    bank: BankStandIn, enrollment: BankEnrollment, token: str, fault: Fault
) -> None:
    bank.fail_next(1, fault)
    with pytest.raises(VendorSilent) as silent:
        teller.balance(token, first(enrollment).id)
    assert silent.value.retry_after_seconds == (7 if fault is Fault.TOO_MANY_REQUESTS else 30)


@pytest.mark.usefixtures("impatient")
def test_a_slow_answer_is_none(bank: BankStandIn, enrollment: BankEnrollment, token: str) -> None:
    bank.slow_seconds = 1.0
    with pytest.raises(VendorSilent, match="Timeout"):
        teller.balance(token, first(enrollment).id)


def test_an_answer_about_another_account_is_not_taken(enrollment: BankEnrollment, token: str) -> None:
    account = first(enrollment)
    enrollment.accounts["acc_other"] = account
    with pytest.raises(VendorSilent, match="another account"):
        teller.balance(token, "acc_other")


def test_the_end_is_told_once_and_is_harmless_twice(enrollment: BankEnrollment, token: str) -> None:
    accounts = list(enrollment.accounts)
    teller.end(token)
    teller.end(token)
    assert sorted(enrollment.ended) == sorted(accounts)
    assert enrollment.tokens == set()


def test_an_end_that_was_done_and_not_answered_is_an_end(
    bank: BankStandIn, enrollment: BankEnrollment, token: str
) -> None:
    accounts = len(enrollment.accounts)
    bank.fail_next(1, Fault.DONE_UNANSWERED, after=accounts)  # the list and all accounts but one went well
    with pytest.raises(VendorSilent):
        teller.end(token)
    assert len(enrollment.ended) == accounts
    teller.end(token)
    assert len(enrollment.ended) == accounts


def test_an_end_of_a_disconnected_enrollment_is_one(bank: BankStandIn, enrollment: BankEnrollment, token: str) -> None:
    bank.disconnect(enrollment)
    teller.end(token)
    assert enrollment.ended == []


# Certificates.


def test_without_our_certificate_the_bank_tells_nothing(bank: BankStandIn, token: str, tmp_path: Path) -> None:
    """As the service itself says it, to whoever comes without one."""
    authority = tmp_path / "authority.pem"
    authority.write_text(bank.authority.certificate)
    answer = requests.get(f"{bank.url}/accounts", auth=(token, ""), verify=str(authority), timeout=5)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "missing_certificate")


@pytest.mark.parametrize("name", ["TELLER_CERTIFICATE", "TELLER_PRIVATE_KEY"])
@pytest.mark.parametrize(
    "value", [None, "", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_a_missing_or_broken_certificate_needs_a_person(
    token: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    sessions.close()
    with pytest.raises(VendorMisconfigured):
        teller.accounts(token)


def test_a_certificate_that_has_ended_is_not_shown(
    bank: BankStandIn, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(monkeypatch, bank.authority.client(days=-1))
    with pytest.raises(VendorMisconfigured, match="has ended"):
        teller.accounts(token)


def test_a_certificate_of_another_authority_is_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    show(monkeypatch, Authority().client())
    with pytest.raises((VendorMisconfigured, VendorSilent)):
        teller.accounts(token)


def test_a_key_of_another_certificate_does_not_fit(
    bank: BankStandIn, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELLER_PRIVATE_KEY", bank.authority.client().private_key)
    sessions.close()
    with pytest.raises(VendorMisconfigured, match="do not fit"):
        teller.accounts(token)


def test_a_server_of_another_authority_is_not_asked(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TELLER_AUTHORITY", Authority().certificate)
    sessions.close()
    with pytest.raises(VendorMisconfigured, match="no secure connection"):
        teller.accounts(token)


def test_the_authority_of_a_stand_in_counts_on_this_machine_only(
    bank: BankStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(
        ssl.SSLContext, "load_verify_locations", lambda *_, cadata=None, **__: loaded.append(str(cadata))
    )
    teller._context("https://api.teller.io/accounts")
    assert bank.authority.certificate not in loaded
    teller._context(bank.url)
    assert bank.authority.certificate in loaded


def test_the_private_key_lies_in_no_file_afterwards(
    token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    load = ssl.SSLContext.load_cert_chain

    def loading(self: ssl.SSLContext, name: str) -> None:
        seen.append(stat.S_IMODE(Path(name).stat().st_mode))
        load(self, name)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", loading)
    sessions.close()
    assert teller.accounts(token)
    assert seen == [0o600]
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_our_certificate_is_known(bank: BankStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    show(monkeypatch, bank.authority.client(days=29))
    assert timedelta(days=28) < teller.certificate_ends_at() - datetime.now(UTC) <= timedelta(days=29)


# What Teller Connect hands over.


def test_what_teller_connect_has_signed_is_taken(bank: BankStandIn, enrollment: BankEnrollment) -> None:
    given = bank.connect(NONCE, enrollment)
    teller.check_connected(NONCE, handed(given))
    teller.check_connected(NONCE, handed(given, signatures=["A" * 86 + "==", *given["signatures"]]))


CHANGES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "another token": lambda _: {"access_token": "token_of_somebody"},
    "another user": lambda _: {"user_id": "usr_other"},
    "another enrollment": lambda _: {"enrollment_id": "enr_other"},
    "no signature": lambda _: {"signatures": []},
    "no base64": lambda _: {"signatures": ["%"]},
    "a signature of nothing": lambda _: {"signatures": ["A" * 86 + "=="]},
    "too many": lambda given: {"signatures": ["A" * 86 + "=="] * 5 + given["signatures"]},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_it_has_not_signed_is_not(bank: BankStandIn, enrollment: BankEnrollment, change: str) -> None:
    given = bank.connect(NONCE, enrollment)
    with pytest.raises(SignatureNotValid):
        teller.check_connected(NONCE, handed(given, **CHANGES[change](given)))


def test_another_nonce_or_environment_is_not_what_it_has_signed(
    bank: BankStandIn, enrollment: BankEnrollment, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = bank.connect(NONCE, enrollment)
    with pytest.raises(SignatureNotValid):
        teller.check_connected(str(uuid4()), handed(given))
    monkeypatch.setenv("TELLER_ENVIRONMENT", "production")
    with pytest.raises(SignatureNotValid):
        teller.check_connected(NONCE, handed(given))


@pytest.mark.parametrize("key", ["", "nonsense", "AAAA"])
def test_a_wrong_signing_key_needs_a_person(
    bank: BankStandIn, enrollment: BankEnrollment, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("TELLER_SIGNING_KEY", key)
    with pytest.raises(VendorMisconfigured):
        teller.check_connected(NONCE, handed(bank.connect(NONCE, enrollment)))


def test_teller_connect_needs_no_certificate(bank: BankStandIn, tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text(bank.authority.certificate)

    def connect(**asked: str) -> requests.Response:
        return requests.post(f"{bank.url}/connect", json=asked, verify=str(authority), timeout=5)

    given = connect(nonce=NONCE).json()
    teller.check_connected(NONCE, handed(given))
    again = connect(nonce=NONCE, enrollment_id=given["enrollment_id"]).json()
    assert again["enrollment_id"] == given["enrollment_id"]
    assert connect(nonce=NONCE, enrollment_id="enr_unknown").status_code == 404


def test_no_failure_tells_a_token(bank: BankStandIn, enrollment: BankEnrollment, token: str) -> None:
    bank.disconnect(enrollment)
    for given in (token, "token_of_nobody"):
        with pytest.raises(vendors.VendorFailure) as failure:
            teller.accounts(given)
        assert given not in repr(failure.value)
    assert token not in repr(handed(json.loads(json.dumps(bank.connect(NONCE, enrollment)))).user_id)
