"""A stranger who knows an address cannot stop its owner from proving it, from a new password, or from signing in.

One attacker has one network. Many have as many networks as they like, and the limits that all of them share.
"""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pg8000.dbapi import Connection

from functions.auth import rules
from shared import clock
from shared.credentials import mailed_codes
from shared.values.retry_after import HOUR
from shared.web.quotas import DAY
from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.fakes.cheap_hashes import allow_many_waiting, use_cheap_hashes
from tests.operations.scene import PASSWORD, Scene

Client = Callable[..., FunctionClient]

MINE, THEIRS = "m" * 43, "t" * 43
NEW = "Another-Sesame-9!"
RESET, RESEND = "/v1/auth/reset-password", "/v1/auth/verify-email/resend"
STRANGER = "198.51.100.66"


@pytest.fixture
def scene(client: Client, sql: Connection, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """How hard a hash is, is not what is tried here."""
    use_cheap_hashes(monkeypatch)
    allow_many_waiting(monkeypatch)
    return Scene(client, sql)


def ask(scene: Scene, path: str, email: str, ticket: str | None = None, address: str = "203.0.113.7") -> Answer:
    return scene.client(address=address).post(path, {"email": email} | ({"ticket": ticket} if ticket else {}))


def confirm(scene: Scene, email: str, code: str, ticket: str | None = None, password: str = NEW) -> Answer:
    body = {"email": email, "code": code, "password": password, "ticket": ticket}
    return scene.client().post("/v1/auth/reset-password/confirm", body)


def verify(scene: Scene, email: str, code: str, ticket: str | None = None) -> Answer:
    return scene.client().post("/v1/auth/verify-email", {"email": email, "code": code, "ticket": ticket})


def sign_in(scene: Scene, email: str, password: str, token: str | None = None, address: str = "203.0.113.7") -> Answer:
    body = {"email": email, "password": password, "device": {"kind": "desktop", "token": token}}
    return scene.client(address=address).post("/v1/auth/login", body)


def burn(right: str, attempt: Callable[[str], Answer]) -> None:
    """Wrong guesses, more than any code bears."""
    for number in range(1, mailed_codes.ATTEMPTS_MAX + 2):
        assert attempt(f"{(int(right) + number) % 10**6:06d}").status == 422


@pytest.mark.parametrize("theirs", [None, THEIRS], ids=["without a ticket", "with one of their own"])
def test_guesses_of_strangers_do_not_use_up_a_code_that_resets(scene: Scene, theirs: str | None) -> None:
    email = scene.verified()
    assert ask(scene, RESET, email, MINE).status == 202
    code = scene.mailed_code(email)
    burn(code, lambda guess: confirm(scene, email, guess, theirs))
    assert confirm(scene, email, code, MINE).status == 204
    assert sign_in(scene, email, NEW).status == 200


@pytest.mark.parametrize("theirs", [None, THEIRS], ids=["without a ticket", "with one of their own"])
def test_guesses_of_strangers_do_not_use_up_a_code_that_proves(scene: Scene, theirs: str | None) -> None:
    code = signed_up(scene, ticket=MINE)
    burn(code, lambda guess: verify(scene, EMAIL, guess, theirs))
    assert verify(scene, EMAIL, code, MINE).status == 200


def test_own_guesses_use_the_code_up(scene: Scene) -> None:
    email = scene.verified()
    ask(scene, RESET, email, MINE)
    code = scene.mailed_code(email)
    burn(code, lambda guess: confirm(scene, email, guess, MINE))
    assert confirm(scene, email, code, MINE).problem == "password-reset-not-valid"


def test_a_code_is_good_with_its_own_ticket_only(scene: Scene) -> None:
    email = scene.verified()
    ask(scene, RESET, email, MINE)
    code = scene.mailed_code(email)
    assert confirm(scene, email, code).problem == confirm(scene, email, code, THEIRS).problem
    assert confirm(scene, email, code).problem == "password-reset-not-valid"
    assert confirm(scene, email, code, MINE).status == 204


def test_what_strangers_ask_for_does_not_replace_it_and_goes_when_it_has_done_its_work(scene: Scene) -> None:
    email = scene.verified()
    ask(scene, RESET, email, MINE)
    mine = scene.mailed_code(email)
    theirs = []
    for ticket in (THEIRS, None):
        assert ask(scene, RESET, email, ticket, STRANGER).status == 202
        theirs.append(scene.mailed_code(email))
    assert confirm(scene, email, mine, MINE).status == 204
    for ticket, code in zip((THEIRS, None), theirs, strict=True):
        assert confirm(scene, email, code, ticket, "A-Third-Sesame-9!").problem == "password-reset-not-valid"


@pytest.mark.parametrize("path", [RESET, RESEND])
def test_one_network_uses_up_its_own_requests_and_nobody_elses(path: str, scene: Scene, tmp_path: Path) -> None:
    """Three in an hour, six on a day."""
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    for hour in range(3):
        with moved_clock(tmp_path, midnight - clock.now() + hour * HOUR + timedelta(minutes=1)):
            asked = [ask(scene, path, "ada@example.com", THEIRS, STRANGER) for _ in range(20)]
            mailed = 3 if hour < 2 else 0
            assert [answer.status for answer in asked] == [202] * mailed + [429] * (20 - mailed)
            assert ask(scene, path, "ada@example.com", MINE).status == 202
            assert int(asked[mailed].headers["Retry-After"]) > (21 * 3600 if hour == 2 else 3000)
    with moved_clock(tmp_path, midnight - clock.now() + DAY):
        assert ask(scene, path, "ada@example.com", THEIRS, STRANGER).status == 202


@pytest.mark.parametrize("path", [RESET, RESEND])
def test_many_networks_share_twelve_an_hour(path: str, scene: Scene) -> None:
    asked = [ask(scene, path, "ada@example.com", None, f"198.51.100.{number}") for number in range(14)]
    assert Counter(answer.status for answer in asked) == {202: rules.ADDRESS_MAILED_CODES_MAX, 429: 2}
    assert ask(scene, path, "eve@example.com").status == 202


@pytest.mark.parametrize("path", [RESET, RESEND])
def test_many_networks_share_twenty_four_a_day_so_many_times_five_guesses_there_are(
    path: str, scene: Scene, tmp_path: Path
) -> None:
    """A chance of 120 in a million a day; before, it was 360."""
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    statuses = Counter[int]()
    for hour in range(3):
        with moved_clock(tmp_path, midnight - clock.now() + hour * HOUR + timedelta(minutes=1)):
            statuses.update(
                ask(scene, path, "ada@example.com", None, f"198.51.{100 + hour}.{number}").status
                for number in range(rules.ADDRESS_MAILED_CODES_MAX)
            )
    assert statuses == {202: rules.ADDRESS_MAILED_CODES_DAY_MAX, 429: rules.ADDRESS_MAILED_CODES_MAX}


def test_a_device_that_has_signed_in_is_mailed_whatever_strangers_do(scene: Scene) -> None:
    email = scene.verified()
    device = sign_in(scene, email, PASSWORD).body["device_token"]
    for number in range(20):
        ask(scene, RESET, email, None, f"198.51.100.{number}")
    scene.sql.execute_simple("UPDATE attempt_counters SET attempts = 10000")  # of its network too
    assert ask(scene, RESET, email, MINE).status == 429
    assert ask(scene, RESET, email, device).status == 202
    code = scene.mailed_code(email)
    assert confirm(scene, email, code, device).status == 204


def test_a_known_device_is_mailed_as_often_as_anybody(scene: Scene) -> None:
    email, other = scene.verified(), scene.verified()
    device = sign_in(scene, email, PASSWORD).body["device_token"]
    assert [ask(scene, RESET, email, device).status for _ in range(4)] == [202, 202, 202, 429]
    for number in range(20):
        ask(scene, RESET, other, None, f"198.51.100.{number}")
    assert ask(scene, RESET, other, device).status == 429, "it is another account's"


def test_whoever_has_brought_a_code_back_signs_in_whatever_strangers_have_guessed(scene: Scene) -> None:
    """The whole way in, on a device that the account has never seen, while everybody guesses the password."""
    email = scene.verified()
    sign_in(scene, email, "Wrong-Guess-88!")
    scene.sql.execute_simple("UPDATE attempt_counters SET attempts = 10000")
    assert sign_in(scene, email, PASSWORD, MINE).problem == "sign-in-refused"
    ask(scene, RESET, email, MINE)
    assert confirm(scene, email, scene.mailed_code(email), MINE).status == 204
    assert sign_in(scene, email, NEW).problem == "sign-in-refused"
    assert sign_in(scene, email, NEW, MINE).status == 200


def test_a_device_that_has_proved_the_address_is_known_at_once(scene: Scene) -> None:
    code = signed_up(scene, ticket=MINE)
    verify(scene, EMAIL, code, MINE)
    sign_in(scene, EMAIL, "Wrong-Guess-88!")
    scene.sql.execute_simple("UPDATE attempt_counters SET attempts = 10000")
    assert sign_in(scene, EMAIL, PASSWORD, THEIRS).problem == "sign-in-refused"
    assert sign_in(scene, EMAIL, PASSWORD, MINE).status == 200


@pytest.mark.parametrize("ticket", ["short", "x" * 31, "x" * 201, "with a blank in the middle of it all", "ü" * 40])
def test_a_ticket_is_long_enough_to_be_a_secret(ticket: str, scene: Scene) -> None:
    answer = ask(scene, RESET, "ada@example.com", ticket)
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, "/ticket")


def test_nothing_in_the_database_says_a_ticket(scene: Scene) -> None:
    signed_up(scene, ticket=MINE)
    rows = str(scene.sql.execute_simple("SELECT m::text FROM members AS m UNION ALL SELECT c::text FROM email_codes c"))
    assert MINE not in rows
    assert MINE.encode().hex() not in rows
    (kept,) = {bytes(row[0]) for row in scene.sql.execute_simple("SELECT sign_up_ticket FROM members").rows}
    assert kept == mailed_codes.ticket_mark(MINE)


# Sign-ups with an address that is not proved.

EMAIL = "ada@example.com"


def sign_up(scene: Scene, address: str = "203.0.113.7", **changes: object) -> Answer:
    body = {"email": EMAIL, "password": PASSWORD, "full_name": "Ada Lovelace", "date_of_birth": "1990-12-10", **changes}
    return scene.client(address=address).post("/v1/auth/signup", body)


def signed_up(scene: Scene, address: str = "203.0.113.7", **changes: object) -> str:
    """The code that was mailed."""
    answer = sign_up(scene, address, **changes)
    assert answer.status == 201, answer.body
    return scene.mailed_code(EMAIL)


def active(scene: Scene) -> list[list[object]]:
    rows: list[list[object]] = scene.sql.execute_simple(
        "SELECT username, full_name FROM members WHERE status = 'active' AND email = 'ada@example.com' ORDER BY number"
    ).rows
    return rows


@pytest.mark.parametrize("ticket", [None, MINE], ids=["without a ticket", "with one"])
def test_signing_up_again_begins_anew(scene: Scene, ticket: str | None) -> None:
    friend = factories.member()
    first = signed_up(scene, username="stranger", referral_code=friend.email.partition("@")[0], phone="+17755550100",
                      ticket=ticket)  # fmt: skip
    second = signed_up(scene, password=NEW, username="ada_l", full_name="Ada L.", ticket=ticket)
    assert first == second or verify(scene, EMAIL, first, ticket).problem == "verification-code-not-valid"
    assert verify(scene, EMAIL, second, ticket).status == 200
    rows = scene.sql.execute_simple(
        "SELECT username, full_name, phone, referred_by_id FROM members WHERE email = 'ada@example.com'"
    ).rows
    assert rows == [["ada_l", "Ada L.", None, None]]
    assert sign_in(scene, EMAIL, PASSWORD).problem == "sign-in-refused"
    assert sign_in(scene, EMAIL, NEW).status == 200
    assert sign_up(scene, email="eve@example.com", username="stranger").status == 201, "the name is free again"


def test_nothing_of_an_earlier_sign_up_is_left(scene: Scene) -> None:
    signed_up(scene, full_name="Canary", username="canary", phone="+17755550199", city="Canaryville", language="pt")
    signed_up(scene)
    for table in ("members", "mails", "email_codes", "inboxes", "notifications", "former_usernames", "retired_names"):
        left = scene.sql.execute_simple(f"SELECT count(*) FROM {table} t WHERE t::text ~* 'canary|5550199'").rows
        assert left == [[0]], table
    assert scene.sql.execute_simple("SELECT count(*) FROM mails").rows == [[1]]
    assert scene.sql.execute_simple("SELECT count(*) FROM inboxes").rows == [[1]]
    assert scene.sql.execute_simple("SELECT status, referred_by_id FROM members ORDER BY number").rows == [
        ["deleted", None], ["active", None],
    ]  # fmt: skip


@pytest.mark.parametrize("theirs", [None, THEIRS], ids=["without a ticket", "with one of their own"])
@pytest.mark.parametrize("who_is_first", ["owner", "stranger"])
def test_a_stranger_who_signs_the_address_up_changes_nothing_for_its_owner(
    who_is_first: str, theirs: str | None, scene: Scene
) -> None:
    friend = factories.member()
    code = ""
    for who in (who_is_first, "owner" if who_is_first == "stranger" else "stranger"):
        if who == "owner":
            code = signed_up(scene, ticket=MINE, username="ada_l")
        else:
            their_code = signed_up(scene, STRANGER, ticket=theirs, password=NEW, username="eve",
                                   referral_code=friend.email.partition("@")[0])  # fmt: skip
    assert len(active(scene)) == 2
    assert code == their_code or verify(scene, EMAIL, their_code, MINE).problem == "verification-code-not-valid"

    assert verify(scene, EMAIL, code, MINE).status == 200

    assert active(scene) == [["ada_l", "Ada Lovelace"]]
    assert scene.sql.execute_simple("SELECT count(referred_by_id) FROM members").rows == [[0]]
    assert sign_in(scene, EMAIL, PASSWORD).status == 200
    assert sign_in(scene, EMAIL, NEW).problem == "sign-in-refused"
    assert verify(scene, EMAIL, their_code, theirs).problem == "verification-code-not-valid"
    assert sign_up(scene, STRANGER, ticket=theirs).problem == "email-already-registered"


def test_a_code_that_is_asked_for_again_is_for_the_sign_up_of_its_ticket(scene: Scene) -> None:
    signed_up(scene, ticket=MINE)
    signed_up(scene, STRANGER, ticket=THEIRS)
    before = scene.sql.execute_simple("SELECT count(*) FROM mails").rows
    assert ask(scene, RESEND, EMAIL, "o" * 43).status == 202
    assert scene.sql.execute_simple("SELECT count(*) FROM mails").rows == before, "a ticket that nobody signed up with"
    ask(scene, RESEND, EMAIL, MINE)
    assert verify(scene, EMAIL, scene.mailed_code(EMAIL), MINE).status == 200
    assert ask(scene, RESEND, EMAIL, THEIRS, STRANGER).status == 202
    ((asked,),) = scene.sql.execute_simple("SELECT count(*) FROM mails WHERE to_email = 'ada@example.com'").rows
    assert asked == 2, "the owner's two"


def test_an_owner_who_waits_is_told_so_though_a_stranger_has_signed_up_later(scene: Scene) -> None:
    signed_up(scene, ticket=MINE)
    signed_up(scene, STRANGER, ticket=THEIRS, password=NEW)
    assert sign_in(scene, EMAIL, PASSWORD, MINE).problem == "email-not-verified"


def test_sign_ups_count_as_the_mails_that_they_cause(scene: Scene) -> None:
    assert [sign_up(scene, STRANGER).status for _ in range(2)] == [201, 201]
    assert [ask(scene, RESEND, EMAIL, None, STRANGER).status for _ in range(2)] == [202, 429]
    assert sign_up(scene, STRANGER).problem == "too-many-sign-ups"
    others = [sign_up(scene, f"198.51.100.{number}").status for number in range(12)]
    assert Counter(others) == {201: 9, 429: 3}
    assert ask(scene, RESEND, EMAIL, None, "192.0.2.1").status == 429


def test_a_sign_up_that_is_refused_mails_nothing_and_counts_as_no_mail(scene: Scene) -> None:
    for _ in range(4):
        assert sign_up(scene, password="weak").problem == "password-too-weak"
        assert sign_up(scene, username="admin").problem == "name-reserved"
        assert sign_up(scene, referral_code="nobody").problem == "referral-code-unknown"
    assert [sign_up(scene).status for _ in range(4)] == [201, 201, 201, 429]
    assert len(active(scene)) == 1


def test_a_sign_up_keeps_no_member_from_moving_to_the_address(scene: Scene) -> None:
    code = signed_up(scene, STRANGER)
    member = scene.member()
    before = member.get("/v1/users/me/profile")
    change = {"username": before.body["username"], "full_name": "Ada", "email": EMAIL}
    headers = {"Content-Type": "application/json", "If-Match": before.headers["ETag"]}
    changed = member.send("PUT", "/v1/users/me/profile", json.dumps(change).encode(), headers)
    assert changed.status == 200, changed.body
    assert member.post("/v1/users/me/email/confirm", {"code": scene.mailed_code(EMAIL)}).body["email"] == EMAIL
    assert verify(scene, EMAIL, code).problem == "verification-code-not-valid"
    assert scene.sql.execute_simple("SELECT count(*) FROM members WHERE email_verified_at IS NOT NULL").rows == [[1]]


def test_a_sign_up_refers_nobody(scene: Scene) -> None:
    signed_up(scene, username="ada_l")
    answer = sign_up(scene, email="eve@example.com", referral_code="ada_l")
    assert answer.problem == "referral-code-unknown"
    assert scene.client().get("/r/ada_l").headers["Location"] == "https://blakjaks.com/join"


def test_no_password_is_reset_before_the_address_is_proved(scene: Scene) -> None:
    """It would be the password of whoever signed up last."""
    signed_up(scene)
    before = scene.sql.execute_simple("SELECT count(*) FROM mails").rows
    assert ask(scene, RESET, EMAIL).status == 202
    assert scene.sql.execute_simple("SELECT count(*) FROM mails").rows == before


def test_a_sign_up_that_is_refused_leaves_the_earlier_one(scene: Scene) -> None:
    factories.member()
    code = signed_up(scene, username="ada_l")
    taken = scene.sql.execute_simple("SELECT username FROM members WHERE email_verified_at IS NOT NULL").rows[0][0]
    for changes in ({"username": taken}, {"referral_code": "nobody"}):
        assert sign_up(scene, "192.0.2.1", **changes).status in (409, 422)
    assert verify(scene, EMAIL, code).status == 200


def test_one_who_is_suspended_does_not_begin_anew(scene: Scene) -> None:
    signed_up(scene)
    scene.sql.execute_simple("UPDATE members SET status = 'suspended'")
    assert sign_up(scene).problem == "email-already-registered"
    assert scene.sql.execute_simple("SELECT status FROM members").rows == [["suspended"]]


def test_who_sign_up_at_once_with_one_address_leave_one_sign_up(scene: Scene) -> None:
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda number: sign_up(scene, f"198.51.100.{number}"), range(12)))
    assert Counter(answer.status for answer in answers) == {201: 12}
    assert len(active(scene)) == 1
    assert verify(scene, EMAIL, scene.mailed_code(EMAIL)).status == 200


def test_of_those_who_prove_one_address_at_once_one_does(scene: Scene) -> None:
    tickets = [letter * 43 for letter in "abcdefgh"]
    codes = [signed_up(scene, f"198.51.100.{number}", ticket=ticket) for number, ticket in enumerate(tickets)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda pair: verify(scene, EMAIL, *pair), zip(codes, tickets, strict=True)))
    assert Counter(answer.problem for answer in answers) == {"": 1, "verification-code-not-valid": 7}
    assert len(active(scene)) == 1
    assert scene.sql.execute_simple("SELECT count(*) FROM guarantees").rows == [[1]]
