"""A member applies for one wholesale account, in a shape that people can judge, and again 30 days after a rejection."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.wholesale import rules
from shared import clock
from tests import factories
from tests.client import Client, refusal
from tests.fakes.plain_rows import unchecked
from tests.fakes.wholesale_client import WholesaleClient, application
from tests.fakes.wholesale_rows import wholesale_account
from tests.rows import WRITTEN_BY_REFUSALS, rows_of_all_tables

pytest_plugins = ["tests.fakes.wholesale_plugin"]

RIGHT_TO_LEFT = "\u202e"
NO_TAX_IDS = (
    "", " ", "12345678", "1234567890", "123-45-6789", "12-345678A", "00-1234567", "12--3456789", "12 34-56789",
    "EIN 12-3456789", "1" * 65, "12-3456789' --", 123456789, True, None, ["12-3456789"],
)  # fmt: skip
NO_STATES = ("", "N", "Nevada", "XX", "ZZ", "N V A", 5, None)
NO_ZIP_CODES = ("", "8950", "895011", "89501-", "89501-12345", "SW1A 1AA", 89501, None)
NO_EMAILS = ("", "orders", "orders@", "orders@localhost", "a b@example.com", "x" * 250 + "@example.com", 5, None)
NO_PHONES = ("", "12", "+1 775 555", "call me", 17755550100)
ADDRESS: dict[str, Any] = {"address_line1": "1 Main St", "city": "Reno", "state": "NV", "zip_code": "89501"}


def unchanged(sql: Connection) -> dict[str, str]:
    return rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)


def rejected_before(sql: Connection, account: UUID, waited: timedelta) -> None:
    """Have the rejection be so old."""
    with unchecked(sql):
        sql.execute_unnamed(
            "UPDATE wholesale_accounts SET decided_at = $1 WHERE id = $2", (clock.now() - waited, account)
        )


def test_an_application_waits_for_a_decision(desk: WholesaleClient) -> None:
    said = application()
    answer = desk.member.post("/v1/wholesale/apply", said)
    assert answer.status == 201
    shown = answer.body
    assert shown["number"].startswith("WP-20")
    assert shown == {
        "number": shown["number"], "status": "pending", "company_name": "Lovelace Tobacco LLC",
        "contact_name": "Ada Lovelace", "email": said["email"], "phone": "+17755550100",
        "business_address": {"address_line1": "12 Commerce Way", "address_line2": None, "city": "Reno", "state": "NV",
                             "zip_code": "89501-1234"},
        "tax_id_last4": "6789", "applied_at": shown["applied_at"], "decided_at": None, "may_apply_at": None,
        "activated_at": None, "totals": {"orders": 0, "tins": 0, "spent": 0, "chips": 0},
        "milestones": shown["milestones"], "comps": [],
    }  # fmt: skip
    assert {step["reached_at"] for step in shown["milestones"]} == {None}
    assert desk.account() == shown


def test_the_number_has_the_year_and_four_digits_or_more(sql: Connection) -> None:
    first = wholesale_account()
    sql.execute_simple("SELECT setval(pg_get_serial_sequence('wholesale_accounts', 'serial'), 12344)")
    later = wholesale_account()
    numbers = dict(sql.execute_simple("SELECT id, number FROM wholesale_accounts").rows)
    assert numbers[first] == f"WP-{factories.NOW.year}-0001"
    assert numbers[later] == f"WP-{factories.NOW.year}-12345"


def test_without_an_application_there_is_no_account(desk: WholesaleClient) -> None:
    assert refusal(desk.member.get("/v1/wholesale/account")) == (404, "not-applied-for")


def test_nobody_sees_the_account_of_another_member(desk: WholesaleClient, client: Client) -> None:
    desk.applied()
    other = client(factories.member().token)
    assert refusal(other.get("/v1/wholesale/account")) == (404, "not-applied-for")


def test_an_application_is_sent_once(desk: WholesaleClient, sql: Connection) -> None:
    desk.applied()
    before = unchanged(sql)
    answer = desk.apply(company_name="Another LLC")
    assert refusal(answer) == (409, "wholesale-applied-before")
    assert answer.body["account_status"] == "pending"
    assert unchanged(sql) == before


@pytest.mark.parametrize("statuses", [("approved",), ("approved", "active"), ("approved", "suspended")])
def test_a_member_who_was_approved_applies_no_more(
    desk: WholesaleClient, sql: Connection, statuses: tuple[str, ...]
) -> None:
    wholesale_account(*statuses, member=desk.somebody)
    before = unchanged(sql)
    answer = desk.apply()
    assert (refusal(answer), answer.body["account_status"]) == ((409, "wholesale-applied-before"), statuses[-1])
    assert unchanged(sql) == before


def test_an_email_address_has_one_account_whatever_its_capitals(
    desk: WholesaleClient, client: Client, sql: Connection
) -> None:
    said = application(email="Orders@Business.example.com")
    assert desk.member.post("/v1/wholesale/apply", said).body["email"] == "orders@business.example.com"
    other = client(factories.member().token)
    before = unchanged(sql)
    for spelled in ("orders@business.example.com", "ORDERS@BUSINESS.EXAMPLE.COM"):
        answer = other.post("/v1/wholesale/apply", application(email=spelled))
        assert refusal(answer) == (409, "business-email-taken")
    assert unchanged(sql) == before


def test_who_was_rejected_applies_again_after_thirty_days_and_not_before(
    desk: WholesaleClient, sql: Connection
) -> None:
    account = desk.applied()
    number = desk.account()["number"]
    assert desk.decide(account, "reject").status == 200
    for waited in (timedelta(0), timedelta(days=29, hours=23, minutes=59)):
        rejected_before(sql, account, waited)
        rejected, before = desk.account(), unchanged(sql)
        answer = desk.apply()
        assert refusal(answer) == (409, "application-too-soon")
        assert answer.body["may_apply_at"] == rejected["may_apply_at"] > rejected["decided_at"]
        assert unchanged(sql) == before
    rejected_before(sql, account, timedelta(days=30))
    answer = desk.apply(company_name="A Better LLC", tax_id="98-7654321")
    assert answer.status == 201
    shown = desk.account()
    assert (shown["status"], shown["number"], shown["company_name"]) == ("pending", number, "A Better LLC")
    assert (shown["tax_id_last4"], shown["decided_at"], shown["may_apply_at"]) == ("4321", None, None)
    assert desk.tax_id(account).body == {"tax_id": "98-7654321"}
    assert desk.shown(account)["reason"] is None
    assert desk.decide(account).status == 200
    assert [code for code, _ in desk.told()] == ["wholesale_rejected", "wholesale_approved"]


def test_who_applies_again_takes_nobodys_address(desk: WholesaleClient, client: Client, sql: Connection) -> None:
    account = desk.applied()
    desk.decide(account, "reject")
    taken = application()
    assert client(factories.member().token).post("/v1/wholesale/apply", taken).status == 201
    rejected_before(sql, account, timedelta(days=31))
    assert refusal(desk.apply(email=taken["email"])) == (409, "business-email-taken")
    assert desk.account()["status"] == "rejected"


@pytest.mark.parametrize("spelled", ["12-3456789", "123456789", " 12\u20113456789\u200b", "\uff11\uff12-3456789"])
def test_a_tax_id_is_read_however_it_is_typed(desk: WholesaleClient, spelled: str) -> None:
    assert desk.apply(tax_id=spelled).body["tax_id_last4"] == "6789"
    assert desk.tax_id(desk.account_id()).body == {"tax_id": "12-3456789"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("tax_id", value) for value in NO_TAX_IDS),
        *(("email", value) for value in NO_EMAILS),
        *(("phone", value) for value in NO_PHONES),
        *((name, value) for name in ("company_name", "contact_name")
          for value in ("", " ", "x" * 256, f"Safe{RIGHT_TO_LEFT}CLL", "two\nlines", "nul\x00", 5, None)),
        ("business_address", None), ("business_address", "12 Commerce Way"), ("business_address", []),
    ],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_application_is_refused_and_changes_nothing(
    desk: WholesaleClient, sql: Connection, field: str, value: object
) -> None:
    before = unchanged(sql)
    answer = desk.apply(**{field: value})
    assert answer.status in (400, 422), answer.body
    if answer.status == 422:
        assert [error["field"] for error in answer.body["errors"]] == [f"/{field}"]
    assert unchanged(sql) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("state", value) for value in NO_STATES),
        *(("zip_code", value) for value in NO_ZIP_CODES),
        ("address_line1", "x" * 10_000), ("address_line1", f"1 Main{RIGHT_TO_LEFT} St"), ("address_line1", None),
        ("address_line2", ""), ("city", "x" * 101), ("city", "\u2066Reno\u2069"), ("country", "US"),
    ],
    ids=ascii,
)  # fmt: skip
def test_what_is_no_address_is_refused_and_changes_nothing(
    desk: WholesaleClient, sql: Connection, field: str, value: object
) -> None:
    before = unchanged(sql)
    answer = desk.apply(business_address=ADDRESS | {field: value})
    assert refusal(answer) == (422, "not-valid")
    assert [error["field"] for error in answer.body["errors"]] == [f"/business_address/{field}"]
    assert unchanged(sql) == before


def test_all_fields_are_said_and_no_others(desk: WholesaleClient, sql: Connection) -> None:
    whole, before = application(), unchanged(sql)
    optional = {"phone"}
    bodies = [{**whole, "status": "approved"}, {**whole, "member_id": str(desk.somebody.id)}, {**whole, "chips": 5},
              *({key: whole[key] for key in whole if key != left} for left in whole.keys() - optional)]  # fmt: skip
    for body in bodies:
        assert refusal(desk.member.post("/v1/wholesale/apply", body)) == (422, "not-valid")
    assert unchanged(sql) == before
    assert desk.member.post("/v1/wholesale/apply", {key: whole[key] for key in whole.keys() - optional}).status == 201
    assert desk.account()["phone"] is None


def test_a_member_tries_to_apply_so_often_within_an_hour(desk: WholesaleClient, sql: Connection) -> None:
    desk.applied()
    answers = [desk.apply() for _ in range(rules.APPLICATIONS_PER_HOUR)]
    assert [answer.status for answer in answers] == [409] * (rules.APPLICATIONS_PER_HOUR - 1) + [429]
    assert refusal(answers[-1]) == (429, "too-many-applications")
    assert sql.execute_simple("SELECT count(*) FROM wholesale_accounts").rows == [[1]]


def test_a_suspended_member_neither_applies_nor_looks(desk: WholesaleClient, sql: Connection) -> None:
    desk.applied()
    sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (desk.somebody.id,))
    for answer in (desk.apply(), *map(desk.member.get, ("/v1/wholesale/account", "/v1/wholesale/products"))):
        assert refusal(answer) == (403, "member-suspended")
