"""A sign-up is refused by its age, name or password, and a refused one leaves nothing behind."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pg8000.dbapi import Connection

from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.operations.scene import PASSWORD
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

ADA: dict[str, Any] = {
    "email": "ada@example.com",
    "password": PASSWORD,
    "full_name": "Ada Lovelace",
    "date_of_birth": "1990-12-10",
}
NO_ADDRESSES = (
    "", "ada", "@example.com", "ada@", "ada@example", "ada@example.c", "ada@@example.com", "ada@example..com",
    "ada@.example.com", "ada@-example.com", "ada@example-.com", "ada@exa_mple.com", "ada lovelace@example.com",
    "ada@example.com\nBcc: eve@example.com", "ada@example.com\x7f", '"ada"@example.com', "ada@[127.0.0.1]",
    "Ada <ada@example.com>", "ada@example.com,eve@example.com", "ädä@example.com",
    "moi.@example.com", "a..b@example.com", ".ada@example.com", "ada@localhost", "ada@example.local",
    "ada@example.invalid", "ada@xn--a.com", f"{'a' * 65}@example.com", f"ada@{'a' * 64}.com", f"ada@{'a.' * 125}com",
)  # fmt: skip
WEAK: dict[str, list[str]] = {
    "Aa1!": ["at least 8 characters"],
    "lower-case-7!": ["an upper-case letter"],
    "Without-Digits!": ["a digit"],
    "NoSymbol777": ["a symbol"],
    "No Symbol 777": ["a symbol"],
    " ": ["at least 8 characters", "an upper-case letter", "a digit", "a symbol"],
    "aaaaaaaaaaaa": ["an upper-case letter", "a digit", "a symbol"],
}
COMMON = ("Password1!", "P@ssw0rd", "Passw0rd!", "Qwerty123!", "Welcome1!", "Admin123!")


def sign_up(client: Client, **changes: object) -> Answer:
    return client().post("/v1/auth/signup", ADA | changes)


def members(sql: Connection) -> list[list[object]]:
    rows: list[list[object]] = sql.execute_simple("SELECT username, email FROM members ORDER BY number").rows
    return rows


def test_a_sign_up_makes_a_member_an_inbox_totals_and_a_mail(client: Client, sql: Connection) -> None:
    answer = sign_up(client, email=" Ada@Example.COM ", username="ada_l")
    assert answer.status == 201
    assert answer.body["member_id"] == "BJ-0001-ST"
    assert (answer.body["email"], answer.body["username"]) == ("ada@example.com", "ada_l")
    for table in ("members", "inboxes", "member_totals", "mails", "email_codes"):
        assert sql.execute_simple(f"SELECT count(*) FROM {table}").rows == [[1]]
    assert sql.execute_simple("SELECT email_verified_at, role, status FROM members").rows == [[None, None, "active"]]


def test_on_the_very_day_somebody_is_old_enough_and_the_day_before_not(client: Client, tmp_path: Path) -> None:
    birthday = datetime(2027, 3, 14, 0, 0, 30, tzinfo=UTC)
    with moved_clock(tmp_path, birthday - datetime.now(UTC)):
        assert sign_up(client, date_of_birth="2006-03-14").status == 201
        too_young = sign_up(client, email="eve@example.com", date_of_birth="2006-03-15")
        assert (too_young.status, too_young.problem) == (422, "too-young")
    with moved_clock(tmp_path, birthday - timedelta(minutes=1) - datetime.now(UTC)):
        assert sign_up(client, email="kim@example.com", date_of_birth="2006-03-14").problem == "too-young"


def test_a_leap_day_child_comes_of_age_on_the_first_of_march(client: Client, tmp_path: Path) -> None:
    with moved_clock(tmp_path, datetime(2029, 2, 28, 23, 59, tzinfo=UTC) - datetime.now(UTC)):
        assert sign_up(client, date_of_birth="2008-02-29").problem == "too-young"
    with moved_clock(tmp_path, datetime(2029, 3, 1, 0, 1, tzinfo=UTC) - datetime.now(UTC)):
        assert sign_up(client, date_of_birth="2008-02-29").status == 201


def test_the_unborn_are_too_young(client: Client) -> None:
    for born in ("9999-12-31", "2100-02-28", str(datetime.now(UTC).date())):
        assert sign_up(client, date_of_birth=born).problem == "too-young"


def test_an_address_is_one_account_whatever_its_capitals(client: Client, sql: Connection) -> None:
    sign_up(client)
    sql.execute_simple("UPDATE members SET email_verified_at = now()")
    sql.execute_simple("DELETE FROM attempt_counters")
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    for email in ("ADA@EXAMPLE.COM", "Ada@Example.Com", "  ada@example.com  "):
        answer = sign_up(client, email=email, username="another")
        assert (answer.status, answer.problem) == (409, "email-already-registered"), email
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before


def test_a_username_is_one_members_whatever_its_capitals(client: Client, sql: Connection) -> None:
    sign_up(client, username="Ada_L")
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    answer = sign_up(client, email="eve@example.com", username="aDA_l")
    assert (answer.status, answer.problem) == (409, "username-taken")
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before


def test_who_sign_up_with_one_address_at_once_become_one_member(client: Client, sql: Connection) -> None:
    """The last one; as many as a network may."""
    emails = ["ada@example.com", "ADA@example.com", "Ada@Example.com", "adA@example.com"]
    with ThreadPoolExecutor(len(emails)) as threads:
        outcomes = Counter(threads.map(lambda email: sign_up(client, email=email).problem, emails))
    assert outcomes == {"": 3, "too-many-sign-ups": 1}
    assert sql.execute_simple("SELECT count(*) FROM members WHERE status = 'active'").rows == [[1]]
    assert sql.execute_simple("SELECT count(*) FROM mails").rows == [[1]]


def test_who_want_one_username_at_once_get_it_once(client: Client, sql: Connection) -> None:
    with ThreadPoolExecutor(4) as threads:
        outcomes = Counter(
            threads.map(lambda n: sign_up(client, email=f"m{n}@example.com", username="whale").problem, range(4))
        )
    assert outcomes == {"": 1, "username-taken": 3}
    assert len(members(sql)) == 1


def test_without_a_username_one_is_made_of_the_name(client: Client, sql: Connection) -> None:
    names = ["José Álvarez", "Łukasz O'Neill-Śmith", "李小龍", "A", "💥💥💥", "x" * 255]
    for number, name in enumerate(names):
        assert sign_up(client, email=f"m{number}@example.com", full_name=name).status == 201, name
    made = [str(username) for username, _ in members(sql)]
    assert made[0] == "josealvarez"
    assert made[1] == "lukaszoneillsmith"
    assert made[2] == "member"
    assert all(username.startswith("member") for username in made[3:5])
    assert made[5] == "x" * 24
    assert len({username.lower() for username in made}) == len(names)


def test_namesakes_get_digits(client: Client, sql: Connection) -> None:
    with ThreadPoolExecutor(4) as threads:
        statuses = set(threads.map(lambda n: sign_up(client, email=f"m{n}@example.com").status, range(4)))
    made = sorted(str(username) for username, _ in members(sql))
    assert statuses == {201}
    assert made[0] == "adalovelace"
    assert all(username.removeprefix("adalovelace").isdigit() for username in made[1:])


def test_a_referral_is_kept_whatever_its_capitals(client: Client, sql: Connection) -> None:
    friend = factories.member()
    username = friend.email.partition("@")[0]
    assert sign_up(client, referral_code=username.upper()).status == 201
    assert sql.execute_simple("SELECT referred_by_id FROM members WHERE email = 'ada@example.com'").rows == [
        [friend.id]
    ]


def test_an_unknown_or_suspended_friend_is_no_referral(client: Client, sql: Connection) -> None:
    friend = factories.member()
    sql.execute_simple("UPDATE members SET status = 'suspended'")
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    for code in ("nobody", friend.email.partition("@")[0], "no-body"):
        answer = sign_up(client, referral_code=code)
        assert (answer.status, answer.problem) == (422, "referral-code-unknown"), code
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before


def test_a_weak_password_is_told_everything_it_lacks(client: Client) -> None:
    for password, missing in WEAK.items():
        answer = sign_up(client, password=password)
        assert (answer.status, answer.problem) == (422, "password-too-weak"), password
        assert answer.body["missing"] == missing


def test_a_password_that_everybody_uses_is_refused(client: Client) -> None:
    """The rule refuses breached and common passwords as well (docs/product.md, "Passwords")."""
    for password in COMMON:
        answer = sign_up(client, password=password)
        assert (answer.status, answer.problem) == (422, "password-too-weak"), password


def test_a_long_password_of_any_letters_is_taken_and_works(client: Client, sql: Connection) -> None:
    password = "Ünï-Ä7! 長い" + "x" * 100
    assert sign_up(client, password=password).status == 201
    sql.execute_simple("UPDATE members SET email_verified_at = now()")
    answer = client().post("/v1/auth/login", {"email": ADA["email"], "password": password})
    cut = client().post("/v1/auth/login", {"email": ADA["email"], "password": password[:-1]})
    assert (answer.status, cut.status) == (200, 403)


def test_what_is_no_address_is_refused(client: Client, sql: Connection) -> None:
    before = rows_of_all_tables(sql)
    for email in NO_ADDRESSES:
        answer = sign_up(client, email=email)
        assert (answer.status, answer.problem) == (422, "not-valid"), email
        assert [error["field"] for error in answer.body["errors"]] == ["/email"]
    assert rows_of_all_tables(sql) == before


def test_an_address_of_any_country_is_taken_and_kept_as_it_is_delivered_to(client: Client, sql: Connection) -> None:
    given = {
        "ada@почта.рф": "ada@xn--80a1acny.xn--p1ai",
        "ada@xn--fiqs8s.xn--fiqs8s": "ada@xn--fiqs8s.xn--fiqs8s",
        "Ada@Bücher.example.com": "ada@xn--bcher-kva.example.com",
        "\u200bada.l+tin@example.museum\u00a0": "ada.l+tin@example.museum",
        "\uff41\uff44\uff41@example.photography": "ada@example.photography",
    }
    for number, (email, kept) in enumerate(given.items()):
        answer = sign_up(client, email=email, username=f"ada_{number}")
        assert (answer.status, answer.body.get("email")) == (201, kept), email
        sql.execute_unnamed("UPDATE members SET email_verified_at = created_at WHERE email = $1", (kept,))
        assert sign_up(client, email=kept, username="another").problem == "email-already-registered"
    assert [email for _, email in members(sql)] == list(given.values())


def test_who_signed_up_with_an_address_that_is_refused_now_signs_in_all_the_same(
    client: Client, sql: Connection
) -> None:
    sign_up(client)
    sql.execute_simple("UPDATE members SET email = 'ada..l.@example.com', email_verified_at = now()")
    answer = client().post("/v1/auth/login", {"email": "Ada..L.@example.com", "password": PASSWORD})
    assert answer.status == 200


def test_a_telephone_number_is_kept_in_its_international_form(client: Client, sql: Connection) -> None:
    given = {
        ("US", "(775) 555-0100"): "+17755550100",
        ("US", "\u202a+1\u00a0(775)\u00a0555\u20110100\u202c"): "+17755550100",
        ("US", "tel:+1-775-555-0100"): "+17755550100",
        ("FR", "06.12.34.56.78"): "+33612345678",
        ("FR", "00 33 6 12 34 56 78"): "+33612345678",
        ("US", "\uff0b33 6 12 34 56 78"): "+33612345678",
        ("EG", "\u0660\u0661\u0660\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667"): "+201001234567",
    }
    for number, (country, phone) in enumerate(given):
        answer = sign_up(client, email=f"m{number}@example.com", country=country, phone=phone)
        assert answer.status == 201, phone
    stored = sql.execute_simple("SELECT phone FROM members ORDER BY number").rows
    assert [phone for (phone,) in stored] == list(given.values())


def test_what_cannot_be_is_refused_in_words(client: Client, sql: Connection) -> None:
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    wrong: list[tuple[str, str]] = [
        ("phone", "-----"), ("phone", "call me"), ("phone", "+1 555 0100"), ("phone", "12345"), ("phone", ""),
        ("phone", "775 555 0100 ext. 5"), ("country", "ZZ"), ("country", "UK"), ("country", "us"),
        ("date_of_birth", "0001-01-01"), ("date_of_birth", "1850-06-15"), ("username", "ada lovelace"),
        ("referral_code", "'; --"), ("referral_code", ADA["email"]), ("zip_code", " \t"),
    ]  # fmt: skip
    for field, value in wrong:
        answer = sign_up(client, **{field: value})
        assert (answer.status, answer.problem) == (422, "not-valid"), (field, value)
        ((named, message),) = [(error["field"], error["message"]) for error in answer.body["errors"]]
        assert (named, message[:5]) == (f"/{field}", "must "), message
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before


def test_what_was_pasted_is_read(client: Client, sql: Connection) -> None:
    friend = factories.member()
    link = f"https://blakjaks.com/r/{friend.email.partition('@')[0]}\n"
    typed = {"username": "\uff21da_l\u200b ", "referral_code": link, "zip_code": "\u00a089501\u20131234 "}
    assert sign_up(client, **typed).status == 201
    rows = sql.execute_simple("SELECT username, referred_by_id, zip_code FROM members WHERE username = 'Ada_l'").rows
    assert rows == [["Ada_l", friend.id, "89501-1234"]]


def test_a_refused_sign_up_leaves_nothing_behind(client: Client, sql: Connection) -> None:
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    refusals: list[dict[str, object]] = [
        {"date_of_birth": "2020-01-01"}, {"password": "weak"}, {"referral_code": "nobody"}, {"email": "no address"},
        {"username": "x"}, {"country": "us"}, {"phone": "call me"}, {"full_name": "   "}, {"role": "owner"},
        {"email_verified_at": "2026-01-01T00:00:00Z"}, {"referred_by_id": "7c6b5a49-3827-4615-9403-f2e1d0c9b8a7"},
    ]  # fmt: skip
    for changes in refusals:
        assert sign_up(client, **changes).status == 422, changes
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before


def test_what_was_typed_is_stored_as_it_was_typed(client: Client, sql: Connection) -> None:
    typed = {"full_name": "Robert'); DROP TABLE members;-- <b>", "city": "'\"\\%_", "address_line1": "=1+1"}
    assert sign_up(client, **typed).status == 201
    stored = sql.execute_simple("SELECT full_name, city, address_line1 FROM members").rows
    assert stored == [list(typed.values())]
