"""Changing how one is reached: what is new is judged, what stays is left alone, and a slip counts as no try."""

from collections.abc import Callable
from typing import Any

from pg8000.dbapi import Connection

from tests.client import FunctionClient
from tests.fakes.profile_client import ProfileClient
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.profile_plugin"]

Client = Callable[..., FunctionClient]

CONFIRM = "/v1/users/me/email/confirm"
DELETION = "/v1/users/me/deletion"
OLD_ADDRESS, OLD_PHONE = "ada..l.@example.com", "-----"


def test_a_number_is_one_of_the_country_that_is_given_or_was(profile_client: ProfileClient) -> None:
    assert profile_client.change(country="FR", phone="06 12 34 56 78").body["phone"] == "+33612345678"
    assert profile_client.change(phone="07\u00a056.34.56.78").body["phone"] == "+33756345678"
    assert profile_client.change(phone="+1 (775) 555\u20110100").body["phone"] == "+17755550100"
    assert profile_client.change(country="US", phone="775 555 0101").body["phone"] == "+17755550101"


def test_what_cannot_be_is_refused_in_words_and_changes_nothing(profile_client: ProfileClient, sql: Connection) -> None:
    before = rows_of_all_tables(sql)
    wrong: list[tuple[str, Any]] = [
        ("phone", "-----"), ("phone", "06 12 34 56 78"), ("phone", ""), ("country", "ZZ"),
        ("email", "moi.@example.com"), ("email", "a..b@example.com"), ("email", "ada@localhost"),
        ("username", "ada lovelace"),
    ]  # fmt: skip
    for field, value in wrong:
        answer = profile_client.change(**{field: value})
        assert (answer.status, answer.problem) == (422, "not-valid"), (field, value)
        assert [error["field"] for error in answer.body["errors"]] == [f"/{field}"]
        assert answer.body["errors"][0]["message"].startswith("must ")
    assert rows_of_all_tables(sql) == before


def test_what_was_taken_before_may_stay_while_the_rest_changes(profile_client: ProfileClient, sql: Connection) -> None:
    sql.execute_unnamed("UPDATE members SET email = $1, phone = $2, country = 'ZZ'", (OLD_ADDRESS, OLD_PHONE))
    answer = profile_client.change(full_name="Ada King", email=OLD_ADDRESS.upper(), phone=OLD_PHONE)
    assert answer.status == 200
    kept = {"full_name": "Ada King", "email": OLD_ADDRESS, "phone": OLD_PHONE, "country": "ZZ", "pending_email": None}
    assert kept.items() <= answer.body.items()
    assert profile_client.change(phone="12345").problem == "not-valid"
    assert profile_client.change(phone="+33612345678").body["phone"] == "+33612345678"


def test_an_address_of_another_script_is_mailed_to_as_it_is_delivered(profile_client: ProfileClient) -> None:
    assert (
        profile_client.change(email="Ада@почта.рф").problem == "not-valid"
    )  # few mail servers take such a name (RFC 6531)
    assert profile_client.change(email="ada@Почта.рф").body["pending_email"] == "ada@xn--80a1acny.xn--p1ai"
    ((to, said),) = profile_client.mailed("verify_new_email")
    assert to == "ada@xn--80a1acny.xn--p1ai"
    typed = f"\u00a0{said['code'][:3]}-{said['code'][3:]}\n"
    assert profile_client.member.post(CONFIRM, {"code": typed}).body["email"] == "ada@xn--80a1acny.xn--p1ai"


def test_the_name_that_confirms_a_deletion_is_read_as_it_is_typed(profile_client: ProfileClient) -> None:
    name = profile_client.profile()["username"]
    assert profile_client.member.post(DELETION, {"username": f"{name[:3]} {name[3:]}"}).problem == "not-valid"
    assert profile_client.member.post(DELETION, {"username": f"\u00a0{name}\u200b\n"}).status == 202
