"""A new member is credited to the code that was typed, or to the link that was followed within thirty days."""

from collections.abc import Callable
from uuid import UUID

import pytest
from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError

from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

PASSWORD = "Sesame-Open-77!"
LINK = "/v1/affiliate/referral-link"


def name_of(somebody: Somebody) -> str:
    return somebody.email.partition("@")[0]


def sign_up(client: Client, cookie: str | None = None, **more: object) -> Answer:
    body = {"email": "ada@example.com", "password": PASSWORD, "full_name": "Ada", "date_of_birth": "1990-12-10", **more}
    visitor = client()
    visitor.headers |= {"Cookie": cookie} if cookie else {}
    return visitor.post("/v1/auth/signup", body)


def referrer(sql: Connection) -> UUID | None:
    ((found,),) = sql.execute_simple("SELECT referred_by_id FROM members WHERE email = 'ada@example.com'").rows
    return found  # type: ignore[no-any-return]


def follow(client: Client, code: str) -> Answer:
    return client().get(f"/r/{code}")


def cookie_of(answer: Answer) -> str:
    return answer.headers["Set-Cookie"].partition(";")[0]


@pytest.mark.usefixtures("database")
def test_a_link_leads_to_the_sign_up_page_and_is_remembered_for_thirty_days(client: Client) -> None:
    name = name_of(factories.member())
    answer = follow(client, name)
    assert (answer.status, answer.headers["Location"]) == (302, f"https://blakjaks.com/join?ref={name}")
    assert answer.headers["Set-Cookie"].split("; ") == [
        f"blakjaks_referral={name}", "Max-Age=2592000", "Domain=blakjaks.com", "Path=/", "Secure", "HttpOnly",
        "SameSite=Lax",
    ]  # fmt: skip
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("code", ["nobody", "no-body", "_" * 30, "null"])
def test_a_link_of_nobodys_leads_there_too_and_is_not_remembered(code: str, client: Client) -> None:
    answer = follow(client, code)
    assert (answer.status, answer.headers["Location"]) == (302, "https://blakjaks.com/join")
    assert "Set-Cookie" not in answer.headers


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    "code", ["x" * 5000, "%22%3E%3Cscript%3E", "%00", "%FF", "..", "https:evil.example", "ab", "a%20b"]
)
def test_what_cannot_be_a_code_is_not_found(code: str, client: Client) -> None:
    assert follow(client, code).problem == "not-found"


def test_the_friend_whose_link_was_followed_has_the_credit(client: Client, sql: Connection) -> None:
    friend = factories.member()
    assert sign_up(client, cookie_of(follow(client, name_of(friend)))).status == 201
    assert referrer(sql) == friend.id


def test_a_code_that_was_typed_counts_more_than_a_link(client: Client, sql: Connection) -> None:
    linked, typed = factories.member(), factories.member()
    sign_up(client, cookie_of(follow(client, name_of(linked))), referral_code=name_of(typed))
    assert referrer(sql) == typed.id


def test_a_link_whose_owner_is_gone_does_not_keep_anybody_from_signing_up(client: Client, sql: Connection) -> None:
    cookie = cookie_of(follow(client, name_of(factories.member())))
    sql.execute_simple("UPDATE members SET status = 'suspended'")
    assert sign_up(client, cookie).status == 201
    assert referrer(sql) is None


def test_what_somebody_writes_into_the_cookie_is_just_a_code(client: Client, sql: Connection) -> None:
    for number, cookie in enumerate(
        ("blakjaks_referral=", "blakjaks_referral=' OR 1=1 --", "blakjaks_referral=" + "x" * 900)
    ):
        assert sign_up(client, cookie, email=f"m{number}@example.com").status == 201
    assert sql.execute_simple("SELECT count(referred_by_id) FROM members").rows == [[0]]


def test_nobody_refers_themselves(client: Client, sql: Connection) -> None:
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    answer = sign_up(client, username="ada_l", referral_code="ada_l")
    assert (answer.status, answer.problem) == (422, "referral-code-unknown")
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before


def test_who_referred_whom_never_changes_so_that_there_are_no_loops(sql: Connection) -> None:
    first = factories.member()
    second = factories.member(referred_by=first)
    for member, friend in ((first, second), (second, second)):
        with pytest.raises(DatabaseError, match=r"referral_is_fixed|check constraint"):
            sql.execute_unnamed("UPDATE members SET referred_by_id = $1 WHERE id = $2", (friend.id, member.id))


def test_a_member_is_shown_the_link_with_the_username(client: Client, sql: Connection) -> None:
    friend = factories.member()
    name = name_of(friend)
    assert client(friend.token).get(LINK).body == {
        "code": name,
        "url": f"https://blakjaks.com/r/{name}",
        "username": name,
        "custom_codes": [],
    }
    assert sql.execute_simple("SELECT count(*) FROM referral_codes").rows == [[0]]


def test_a_custom_code_works_beside_the_username_and_in_whatever_capitals(client: Client, sql: Connection) -> None:
    friend = factories.member()
    answer = client(friend.token).put(LINK, {"code": "save-with-ada"})
    assert (answer.status, answer.body["url"]) == (200, "https://blakjaks.com/r/save-with-ada")
    assert follow(client, name_of(friend)).headers["Set-Cookie"]
    sign_up(client, cookie_of(follow(client, "Save-With-Ada")))
    assert referrer(sql) == friend.id


@pytest.mark.usefixtures("database")
def test_a_code_is_the_members_for_ever(client: Client) -> None:
    first, second = (client(factories.member().token) for _ in range(2))
    first.put(LINK, {"code": "old-code"})
    assert first.put(LINK, {"code": "new-code"}).body["custom_codes"] == ["new-code", "old-code"]
    assert second.put(LINK, {"code": "old-code"}).problem == "referral-code-taken"
    assert first.put(LINK, {"code": "old-code"}).body["code"] == "old-code"
    assert "Set-Cookie" in follow(client, "new-code").headers


@pytest.mark.usefixtures("database")
def test_a_member_has_ten_codes_at_most(client: Client) -> None:
    friend = client(factories.member().token)
    statuses = [friend.put(LINK, {"code": f"code-{number}"}).status for number in range(11)]
    assert statuses == [200] * 10 + [409]
    assert friend.put(LINK, {"code": "code-3"}).body["code"] == "code-3"


@pytest.mark.usefixtures("database")
def test_no_custom_code_can_be_mistaken_for_a_username(client: Client) -> None:
    friend = client(factories.member().token)
    for code in ("", "a", "-", "ada", "ada_l", "-ada", "ada-", "a--b", "a-" + "b" * 30, "a-" + "b" * 198, "ada-\u0142",
                 "\u0430da-l", "a b", "a b-c"):  # fmt: skip
        assert friend.put(LINK, {"code": code}).problem == "not-valid", code
