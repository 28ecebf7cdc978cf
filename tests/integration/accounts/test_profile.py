"""The own profile: everybody changes the version that they have read, and a new e-mail address has to be proved."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pg8000.dbapi import Connection

from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.profile_client import ProfileClient
from tests.platform import Platform
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.profile_plugin"]

Client = Callable[..., FunctionClient]

CONFIRM = "/v1/users/me/email/confirm"


def test_a_change_is_shown_with_a_new_version(profile_client: ProfileClient) -> None:
    before = profile_client.profile()
    answer = profile_client.change(full_name="Ada King", username="ada_king", bio="Mint.", language="es", city="Reno")
    assert answer.status == 200
    assert answer.headers["ETag"] == f'"{before["revision"] + 1}"'
    expected = {"full_name": "Ada King", "username": "ada_king", "bio": "Mint.", "language": "es", "city": "Reno"}
    assert answer.body == profile_client.profile() == before | expected | {"revision": before["revision"] + 1}
    assert profile_client.member.get("/v1/users/me").body["username"] == "ada_king"


def test_what_is_left_out_stays_and_null_takes_it_away(profile_client: ProfileClient) -> None:
    profile_client.change(bio="Mint.", phone="+17755550100", language="pt")
    assert profile_client.change(full_name="Ada").body["bio"] == "Mint."
    cleared = profile_client.change(bio=None, phone=None).body
    assert (cleared["bio"], cleared["phone"], cleared["language"]) == (None, None, "pt")


def test_without_the_version_that_was_read_nothing_is_changed(profile_client: ProfileClient, sql: Connection) -> None:
    body = {"username": "ada", "full_name": "Ada", "email": profile_client.profile()["email"]}
    before = rows_of_all_tables(sql)
    missing = profile_client.put(body, None)
    assert (missing.status, missing.problem) == (428, "precondition-required")
    for tag in ('"0"', '"2"', 'W/"1"', "1", "", '""', '"1', '"x", "y"', "\x7f", '"' + "9" * 5000 + '"'):
        stale = profile_client.put(body, tag)
        assert (stale.status, stale.problem) == (412, "precondition-failed"), tag
    assert rows_of_all_tables(sql) == before


def test_one_of_several_versions_or_any_may_be_named(profile_client: ProfileClient) -> None:
    body = {"username": "ada_k", "full_name": "Ada", "email": profile_client.profile()["email"]}
    assert profile_client.put(body, '"7", "1"').status == 200
    assert profile_client.put(body, "*").status == 200


def test_of_many_who_change_the_same_version_at_once_one_does(profile_client: ProfileClient) -> None:
    body = {"username": "ada_k", "email": profile_client.profile()["email"]}
    with ThreadPoolExecutor(16) as threads:
        answers = list(
            threads.map(lambda number: profile_client.put({**body, "full_name": f"Ada {number}"}, '"1"'), range(16))
        )
    assert sorted(answer.status for answer in answers) == [200] + [412] * 15
    (changed,) = [answer for answer in answers if answer.status == 200]
    assert profile_client.profile()["full_name"] == changed.body["full_name"]


def test_the_same_key_with_another_version_is_another_request(profile_client: ProfileClient) -> None:
    body = {"username": "ada_k", "full_name": "Ada", "email": profile_client.profile()["email"]}
    key = {"Idempotency-Key": "k1"}
    assert profile_client.put(body, '"1"', **key).status == 200
    assert profile_client.put(body, '"1"', **key).headers["ETag"] == '"2"'
    assert profile_client.put(body, '"2"', **key).problem == "idempotency-key-reused"


def test_a_name_that_somebody_has_is_taken_in_whatever_capitals(
    client: Client, platform: Platform, sql: Connection, profile_client: ProfileClient
) -> None:
    other = ProfileClient(client(factories.member().token), platform, sql)
    assert other.change(username="Grace_H").status == 200
    before = rows_of_all_tables(sql)
    answer = profile_client.change(username="gRACE_h", bio="not kept")
    assert (answer.status, answer.problem) == (409, "username-taken")
    assert rows_of_all_tables(sql) == before
    assert other.change(username="GRACE_H").status == 200


def test_a_new_address_holds_once_it_is_proved(profile_client: ProfileClient, somebody: Somebody) -> None:
    asked = profile_client.change(email="New@Example.com")
    assert (asked.body["email"], asked.body["pending_email"]) == (somebody.email, "new@example.com")
    ((to, said),) = profile_client.mailed("verify_new_email")
    assert to == "new@example.com"
    assert profile_client.mailed("email_change_asked") == [
        (somebody.email, {"name": "Test Member", "email": "new@example.com"})
    ]
    confirmed = profile_client.member.post(CONFIRM, {"code": said["code"]})
    assert confirmed.status == 200
    assert (confirmed.body["email"], confirmed.body["pending_email"]) == ("new@example.com", None)
    assert profile_client.mailed("email_changed")[0][0] == somebody.email
    again = profile_client.member.post(CONFIRM, {"code": said["code"]})
    assert (again.status, again.problem) == (422, "verification-code-not-valid")


def test_the_address_that_waits_may_be_sent_again_without_another_code(profile_client: ProfileClient) -> None:
    profile_client.change(email="new@example.com")
    profile_client.change(email="new@example.com", bio="Mint.")
    assert len(profile_client.mailed("verify_new_email")) == 1
    profile_client.change(email="newer@example.com")
    assert profile_client.profile()["pending_email"] == "newer@example.com"
    assert [to for to, _ in profile_client.mailed("verify_new_email")] == ["new@example.com", "newer@example.com"]


def test_a_code_is_guessed_five_times_and_not_more(profile_client: ProfileClient) -> None:
    profile_client.change(email="new@example.com")
    ((_, said),) = profile_client.mailed("verify_new_email")
    wrong = f"{(int(said['code']) + 1) % 10**6:06d}"
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: profile_client.member.post(CONFIRM, {"code": wrong}), range(20)))
    assert {answer.problem for answer in answers} == {"verification-code-not-valid"}
    assert profile_client.one("SELECT attempts FROM email_changes") == 5
    assert profile_client.member.post(CONFIRM, {"code": said["code"]}).problem == "verification-code-not-valid"


def test_a_code_is_good_for_fifteen_minutes(profile_client: ProfileClient, sql: Connection) -> None:
    profile_client.change(email="new@example.com")
    ((_, said),) = profile_client.mailed("verify_new_email")
    sql.execute_simple("UPDATE email_changes SET expires_at = now() - interval '1 second'")
    assert profile_client.profile()["pending_email"] is None
    assert profile_client.member.post(CONFIRM, {"code": said["code"]}).problem == "verification-code-not-valid"


def test_somebody_elses_address_cannot_be_taken(profile_client: ProfileClient, sql: Connection) -> None:
    other = factories.member()
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    answer = profile_client.change(email=other.email.upper())
    assert (answer.status, answer.problem) == (409, "email-already-registered")
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before
    profile_client.change(email="wanted@example.com")
    sql.execute_unnamed("UPDATE members SET email = 'Wanted@example.com' WHERE id = $1", (other.id,))
    ((_, said),) = profile_client.mailed("verify_new_email")
    late = profile_client.member.post(CONFIRM, {"code": said["code"]})
    assert (late.status, late.problem) == (409, "email-already-registered")


def test_whoever_signed_in_long_ago_signs_in_again_before_the_address_changes(
    profile_client: ProfileClient, sql: Connection
) -> None:
    sql.execute_simple("UPDATE sessions SET created_at = now() - interval '11 minutes'")
    before = rows_of_all_tables(sql, without=("attempt_counters",))
    refused = profile_client.change(email="new@example.com")
    assert (refused.status, refused.problem) == (403, "sign-in-again")
    assert rows_of_all_tables(sql, without=("attempt_counters",)) == before
    assert profile_client.change(bio="Everything else may be changed.").status == 200


def test_an_address_is_changed_five_times_an_hour(profile_client: ProfileClient) -> None:
    answers = [profile_client.change(email=f"new{number}@example.com") for number in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert answers[-1].problem == "too-many-email-changes"
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 3601
    assert profile_client.profile()["pending_email"] == "new4@example.com"


def test_preferences_are_wanted_until_somebody_says_otherwise(profile_client: ProfileClient) -> None:
    path = "/v1/users/me/notification-preferences"
    everything = {kind: {"push": True, "email": True} for kind in ("system", "social", "comp", "order", "marketing")}
    assert profile_client.member.get(path).body == everything
    wanted = everything | {"comp": {"push": False, "email": True}, "order": {"push": True, "email": False}}
    assert profile_client.member.put(path, wanted).body == wanted
    assert profile_client.member.get(path).body == wanted


def test_an_app_that_knows_nothing_of_campaigns_does_not_switch_them_on_again(profile_client: ProfileClient) -> None:
    path = "/v1/users/me/notification-preferences"
    known = {kind: {"push": True, "email": True} for kind in ("system", "social", "comp", "order")}
    unsubscribed = known | {"marketing": {"push": True, "email": False}}
    assert profile_client.member.put(path, unsubscribed).body == unsubscribed
    assert profile_client.member.put(path, known).body == unsubscribed
