"""A tax id is readable nowhere but in the answer to an admin who asks for it: not in the database, not in the logs."""

import io
import json

import pytest
from cryptography.exceptions import InvalidTag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pg8000.dbapi import Connection

from functions.member_erase import store as erasing
from shared import db
from shared.credentials import vault
from shared.values.wholesale import row_of
from tests import factories
from tests.client import Client, refusal
from tests.fakes.wholesale_client import WholesaleClient, application, wholesale_client
from tests.fakes.wholesale_rows import wholesale_account

pytest_plugins = ["tests.fakes.wholesale_plugin", "tests.fakes.log_plugin"]

MANY = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TAX_IDS = st.from_regex(r"[1-9][0-9]{8}", fullmatch=True).filter(lambda digits: len(set(digits)) > 3)
NAMES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


def everything(sql: Connection) -> str:
    """All rows of all tables as text; bytes appear as hexadecimal digits."""
    return "\n".join(
        str(text) for (name,) in sql.execute_simple(NAMES).rows
        for (text,) in sql.execute_simple(f"SELECT t::text FROM {name} AS t").rows
    )  # fmt: skip


@MANY
@given(digits=TAX_IDS)
def test_a_tax_id_is_in_no_row_no_stored_answer_and_no_log_line(
    client: Client, database: str, sql: Connection, log_output: io.StringIO, digits: str
) -> None:
    assert database
    desk, written = wholesale_client(client, sql), f"{digits[:2]}-{digits[2:]}"
    body, key = application(tax_id=written), {"Idempotency-Key": f"apply-{desk.somebody.id}"}
    first = desk.member.post("/v1/wholesale/apply", body, **key)
    assert first.status == 201
    assert desk.member.post("/v1/wholesale/apply", body, **key).body == first.body
    assert desk.apply(tax_id=written).status == 409
    assert desk.apply(tax_id=f"{written}0").status == 422
    account = desk.account_id()
    for _ in range(2):
        assert desk.tax_id(account, **{"Idempotency-Key": f"look-{account}"}).body == {"tax_id": written}
    assert desk.decide(account).status == 200
    stored, logged = everything(sql), log_output.getvalue()
    assert str(account) in stored
    assert "show_wholesale_tax_id" in logged
    for form in (digits, written, digits.encode().hex(), written.encode().hex()):
        assert form not in stored
        assert form not in logged
    for shown in (desk.account(), desk.shown(account), desk.admin.get("/v1/admin/wholesale/applications").body):
        assert digits[-4:] in json.dumps(shown)
        assert digits[:5] not in json.dumps(shown).replace(str(account), "")


def test_a_sealed_tax_id_is_of_no_use_in_another_row(desk: WholesaleClient, sql: Connection) -> None:
    one, other = wholesale_account(), wholesale_account(tax_id="987654321")
    sealed = dict(sql.execute_simple("SELECT id, tax_id FROM wholesale_accounts").rows)
    assert db.atomically(vault.unseal, bytes(sealed[one]), row_of(one)) == b"123456789"
    with pytest.raises(InvalidTag):
        db.atomically(vault.unseal, bytes(sealed[one]), row_of(other))
    assert desk.tax_id(other).body == {"tax_id": "98-7654321"}


def test_the_same_tax_id_is_sealed_differently_each_time(sql: Connection) -> None:
    for _ in range(2):
        wholesale_account()
    assert sql.execute_simple("SELECT count(DISTINCT tax_id) FROM wholesale_accounts").rows == [[2]]


def test_with_the_members_account_goes_what_names_the_business(
    desk: WholesaleClient, sql: Connection, client: Client
) -> None:
    account, kept = desk.applied(), wholesale_account("approved")
    desk.decide(account)
    said = desk.shown(account)
    ((sealed,),) = sql.execute_unnamed("SELECT tax_id FROM wholesale_accounts WHERE id = $1", (account,)).rows
    body = {"username": desk.member.get("/v1/users/me/profile").body["username"]}
    assert desk.member.post("/v1/users/me/deletion", body).status == 202
    with db.acting_for("member_erase"):
        for table in ("idempotency_keys", "wholesale_accounts"):
            db.atomically(erasing.erase, table, desk.somebody.id, erasing.ROWS_AT_ONCE)
        assert db.atomically(erasing.erase, "wholesale_accounts", desk.somebody.id, erasing.ROWS_AT_ONCE) == 0
    stored = everything(sql)
    for text in (said["email"], bytes(sealed).hex()):
        assert text not in stored
    shown = desk.shown(account)
    emptied = {name for name in said if shown[name] is None and said[name] is not None}
    assert emptied == {"company_name", "contact_name", "email", "phone", "business_address", "tax_id_last4"}
    for name in ("id", "number", "member_id", "status", "decided_by", "decided_at", "reason", "applied_at"):
        assert shown[name] == said[name]
    assert refusal(desk.tax_id(account)) == (409, "tax-id-erased")
    listed = desk.admin.get("/v1/admin/wholesale/applications").body["items"]
    assert [item["id"] for item in listed] == [str(kept)]
    other = client(factories.member().token)
    assert other.post("/v1/wholesale/apply", application(email=said["email"])).status == 201
