"""One guarantee per person, as far as can be known: the second one waits until a person has decided about it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from pg8000.dbapi import Connection

from functions.guarantee_grant import main as guarantee_grant
from shared import db
from shared.auth import Role
from shared.comps import guarantees
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.operations.wallet_links import answer_challenge, ask_for_challenge
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

REVIEWS = "/v1/admin/guarantees/reviews"


def verified(sql: Connection, email: str, **made: Any) -> Somebody:
    """Somebody new who has just proved an address."""
    somebody = factories.member(**made)
    sql.execute_unnamed("UPDATE members SET email = $1 WHERE id = $2", (email, somebody.id))
    db.atomically(lambda tx: guarantees.begin(tx, somebody.id, datetime.now(UTC)))
    return somebody


def comps(sql: Connection, somebody: Somebody) -> list[str]:
    """The states of what the guarantee has given."""
    found = sql.execute_unnamed(
        "SELECT status FROM comps WHERE member_id = $1 AND source_kind = 'guarantee' ORDER BY awarded_at, id",
        (somebody.id,),
    )
    return [status for (status,) in found.rows]


def link(client: Client, somebody: Somebody, wallet: LocalAccount) -> Answer:
    mine = client(somebody.token)
    asked = ask_for_challenge(mine, wallet)
    return answer_challenge(mine, asked, asked.signed(wallet))


def leave(client: Client, somebody: Somebody) -> None:
    mine = client(somebody.token)
    body = {"username": mine.get("/v1/users/me").body["username"], "forfeit": True}
    assert mine.post("/v1/users/me/deletion", body).status == 202


def reviews(client: Client, **page: str) -> list[dict[str, Any]]:
    query = "&".join(f"{name}={value}" for name, value in page.items())
    shown: list[dict[str, Any]] = (
        client(factories.member(role=Role.OPERATIONS).token).get(f"{REVIEWS}?{query}").body["items"]
    )
    return shown


def decide(client: Client, review: str, decision: str, admin: Somebody | None = None) -> Answer:
    who = admin or factories.member(role=Role.OPERATIONS)
    return client(who.token).post(f"{REVIEWS}/{review}/decide", {"decision": decision, "note": "looked at"})


@pytest.fixture
def wallet() -> LocalAccount:
    made: LocalAccount = Account.create()
    return made


def test_twenty_addresses_of_one_mailbox_bring_one_guarantee(client: Client, sql: Connection) -> None:
    made = [verified(sql, f"a.da+{number}@{domain}")
            for number in range(10) for domain in ("gmail.com", "googlemail.com")]  # fmt: skip

    assert [comps(sql, one) for one in made] == [["pending"], *([[]] * 19)]
    waiting = reviews(client, status="waiting", limit="100")
    assert {review["member_id"] for review in waiting} == {str(one.id) for one in made[1:]}
    assert {review["score"] for review in waiting} == {100}
    assert waiting[0]["signals"] == [{"kind": "address", "member_id": str(made[0].id), "points": 100}]
    titles = sql.execute_unnamed("SELECT title FROM notifications WHERE member_id = $1", (made[-1].id,)).rows
    assert titles == [["Your welcome comps are being checked"]]


def test_addresses_of_one_mailbox_verified_at_once_bring_one_guarantee(sql: Connection) -> None:
    people = [factories.member() for _ in range(8)]
    for number, somebody in enumerate(people):
        sql.execute_unnamed("UPDATE members SET email = $1 WHERE id = $2", (f"ada+{number}@example.com", somebody.id))
    together = Barrier(len(people))

    def verify(somebody: Somebody) -> None:
        together.wait()
        db.atomically(lambda tx: guarantees.begin(tx, somebody.id, datetime.now(UTC)))

    with ThreadPoolExecutor(len(people)) as threads:
        list(threads.map(verify, people))
    assert sorted(comps(sql, somebody) for somebody in people) == [[]] * 7 + [["pending"]]


def test_who_was_paid_leaves_and_comes_again_gets_nothing_by_itself(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    first = verified(sql, "ada@example.com")
    assert link(client, first, wallet).body["comps_requested"] == 1
    sql.execute_simple("UPDATE comps SET status = 'paid', paid_at = now()")
    sql.execute_simple("UPDATE payouts SET state = 'CANCELLED'")  # there is no chain here: it is out of the way
    leave(client, first)

    again = verified(sql, "ada@example.com")
    assert comps(sql, again) == []
    (review,) = reviews(client, status="waiting")
    assert (review["member_id"], review["score"]) == (str(again.id), 100)


def test_who_left_before_anything_was_paid_begins_anew(client: Client, sql: Connection, wallet: LocalAccount) -> None:
    first = verified(sql, "ada@example.com")
    leave(client, first)
    assert comps(sql, first) == ["cancelled"]

    again = verified(sql, "ada@example.com")
    assert comps(sql, again) == ["pending"]
    assert link(client, again, wallet).body["comps_requested"] == 1
    assert reviews(client) == []


def test_a_wallet_that_was_paid_a_guarantee_is_not_paid_a_second_one(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    first = verified(sql, "ada@example.com")
    assert link(client, first, wallet).body["comps_requested"] == 1
    sql.execute_unnamed("UPDATE members SET wallet_address = NULL WHERE id = $1", (first.id,))
    second = verified(sql, "somebody.else@example.org")

    assert link(client, second, wallet).body["comps_requested"] == 0
    assert comps(sql, second) == ["pending"]
    assert sql.execute_simple("SELECT count(*) FROM payouts").rows == [[1]]
    (review,) = reviews(client)
    assert [(it["kind"], it["member_id"]) for it in review["signals"]] == [("wallet", str(first.id))]
    guarantee_grant.grant(datetime.now(UTC) + timedelta(days=62))
    assert comps(sql, second) == ["pending"]


def test_a_device_that_had_one_is_a_signal_too_and_signals_add_up(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    first, second = verified(sql, "ada@example.com"), verified(sql, "bob@example.com")
    sql.execute_simple("UPDATE sessions SET device_id = 'phone-1'")
    assert link(client, first, wallet).body["comps_requested"] == 1
    assert link(client, second, Account.create()).body["comps_requested"] == 0
    (review,) = reviews(client)
    assert (review["score"], [it["kind"] for it in review["signals"]]) == (60, ["device"])

    sql.execute_unnamed("UPDATE members SET wallet_address = NULL WHERE id = $1", (first.id,))
    assert link(client, second, wallet).status == 200
    (review,) = reviews(client)
    assert (review["score"], [it["kind"] for it in review["signals"]]) == (100, ["device", "wallet"])


def test_an_address_that_was_changed_later_is_known_when_its_member_has_left(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    first = verified(sql, "ada@example.com")
    link(client, first, wallet)
    sql.execute_unnamed("UPDATE members SET email = 'real@example.com' WHERE id = $1", (first.id,))
    sql.execute_simple("UPDATE comps SET status = 'paid', paid_at = now()")
    sql.execute_simple("UPDATE payouts SET state = 'CANCELLED'")
    leave(client, first)

    assert comps(sql, verified(sql, "re+al@example.com")) == ["pending"]
    assert comps(sql, verified(sql, "real+again@example.com")) == []
    left = sql.execute_simple("SELECT string_agg(CAST(c AS text), ' ') FROM guarantee_claims c").rows[0][0]
    assert "example.com" not in left


def test_granted_it_is_caught_up_and_paid(client: Client, sql: Connection, wallet: LocalAccount) -> None:
    verified(sql, "ada@example.com")
    second = verified(sql, "ada+2@example.com")
    assert link(client, second, wallet).body["comps_requested"] == 0
    (review,) = reviews(client)
    sql.execute_simple("UPDATE guarantees SET verified_on = verified_on - 40")
    admin = factories.member(role=Role.OPERATIONS)
    done = decide(client, review["id"], "grant", admin)

    assert (done.status, done.body["status"], done.body["decided_by"]) == (200, "granted", str(admin.id))
    assert comps(sql, second) == ["pending", "pending"]
    assert sql.execute_simple("SELECT recipient_address FROM payouts").rows == [[wallet.address]] * 2
    assert sql.execute_simple("SELECT action, changes ->> 'status' FROM audit_logs").rows == [
        ["guarantee.decide", "granted"]
    ]
    guarantee_grant.grant(datetime.now(UTC) + timedelta(days=25))
    assert len(comps(sql, second)) == 3  # what was judged once is not asked again


def test_granted_for_its_address_it_is_withheld_for_a_wallet(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    first = verified(sql, "ada@example.com")
    link(client, first, wallet)
    second = verified(sql, "ada+2@example.com")
    (review,) = reviews(client)
    assert decide(client, review["id"], "grant").status == 200
    sql.execute_unnamed("UPDATE members SET wallet_address = NULL WHERE id = $1", (first.id,))

    assert link(client, second, wallet).body["comps_requested"] == 0
    (waiting,) = reviews(client, status="waiting")
    assert [it["kind"] for it in waiting["signals"]] == ["wallet"]


def test_refused_what_is_not_paid_is_taken_back_for_good(client: Client, sql: Connection, wallet: LocalAccount) -> None:
    first = verified(sql, "ada@example.com")
    link(client, first, wallet)
    sql.execute_unnamed("UPDATE members SET wallet_address = NULL WHERE id = $1", (first.id,))
    second = verified(sql, "bob@example.org", referred_by=first)
    link(client, second, wallet)
    (review,) = reviews(client)

    assert decide(client, review["id"], "refuse").body["status"] == "refused"
    assert comps(sql, second) == ["cancelled"]
    assert sql.execute_simple("SELECT status FROM affiliate_earnings").rows == [["cancelled"]]
    assert sql.execute_unnamed("SELECT referred_by_id FROM members WHERE id = $1", (second.id,)).rows == [[None]]
    guarantee_grant.grant(datetime.now(UTC) + timedelta(days=40))
    assert link(client, second, wallet).body["comps_requested"] == 0
    assert comps(sql, second) == ["cancelled"]


def test_it_is_decided_once_and_the_same_again_is_harmless(client: Client, sql: Connection) -> None:
    verified(sql, "ada@example.com")
    verified(sql, "ada+2@example.com")
    (review,) = reviews(client)
    admin = factories.member(role=Role.OPERATIONS)
    assert decide(client, review["id"], "refuse", admin).status == 200
    before = rows_of_all_tables(sql)

    assert decide(client, review["id"], "refuse", admin).status == 200
    answer = decide(client, review["id"], "grant", admin)
    assert (answer.status, answer.problem, answer.body["decision"]) == (
        409, "guarantee-review-decided", "refused",
    )  # fmt: skip
    assert rows_of_all_tables(sql) == before
    assert decide(client, str(UUID(int=7)), "grant", admin).status == 404
    with pytest.raises(Exception, match="guarantee_review_decided"):
        sql.execute_simple("UPDATE guarantee_reviews SET status = 'granted'")


def test_nobody_decides_about_themselves_or_whom_they_referred_or_were(client: Client, sql: Connection) -> None:
    first = verified(sql, "ada@example.com", role=Role.OPERATIONS)
    referrer = factories.member(role=Role.OPERATIONS)
    second = verified(sql, "ada+2@example.com", role=Role.OPERATIONS, referred_by=referrer)
    (review,) = reviews(client)
    before = rows_of_all_tables(sql, without=("members", "member_totals", "inboxes", "sessions"))
    for admin in (first, referrer, second):
        answer = decide(client, review["id"], "grant", admin)
        assert (answer.status, answer.problem) == (403, "own-interest")
    assert rows_of_all_tables(sql, without=("members", "member_totals", "inboxes", "sessions")) == before


def test_the_schema_pays_and_awards_nothing_of_a_withheld_guarantee(client: Client, sql: Connection) -> None:
    first = verified(sql, "ada@example.com")
    sql.execute_unnamed(
        "INSERT INTO guarantee_reviews (id, member_id, score, signals, asked_at) "
        "VALUES (gen_random_uuid(), $1, 60, '[{}]', now())",
        (first.id,),
    )
    with pytest.raises(Exception, match="guarantee_withheld"):
        sql.execute_unnamed(
            "INSERT INTO comps (id, member_id, type, amount, source_kind, source_id, reason, awarded_at) VALUES "
            "(gen_random_uuid(), $1, 'new_member_guarantee', 5, 'guarantee', 'x', '{}', now())",
            (first.id,),
        )
    with pytest.raises(Exception, match="guarantee_withheld"):
        sql.execute_unnamed(
            "INSERT INTO payouts (id, treasury, member_id, scope, idempotency_key, body_hash, source_kind, source_id, "
            "recipient_address, amount, requested_at, state_at) SELECT gen_random_uuid(), 'member', member_id, 'x', "
            "'x', sha256('x'), 'comp', CAST(id AS text), $1, amount, now(), now() FROM comps",
            (Account.create().address,),
        )
    assert reviews(client, status="refused") == []
