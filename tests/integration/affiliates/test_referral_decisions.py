"""While people look at a referral, its chips and matches wait; what they decide is done once, and the past stays."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.affiliate_week import recount_store
from shared import clock, db
from shared.auth import Role
from shared.comps import awards
from shared.values.money import Usdt
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes.comp_records import award_for
from tests.fakes.ring_rows import Rings
from tests.fakes.vault_rows import MONDAY, Vaults
from tests.fakes.week_rows import AFTER, CUT, SUNDAY, WEEK, wallet
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

REVIEWS = "/v1/admin/affiliates/reviews"
HOUR = timedelta(hours=1)
PROOFS = ("idempotency_keys", "second_factors", "attempt_counters")


@pytest.fixture
def rings(sql: Connection) -> Iterator[Rings]:
    made = Rings(sql)
    yield made
    for (week_on,) in made.rows("SELECT week_on FROM affiliate_weeks WHERE outcome = 'shared' AND digest IS NOT NULL"):
        assert db.atomically(recount_store.differences, week_on) == []
    for (affiliate,) in made.rows("SELECT DISTINCT affiliate_id FROM affiliate_chips"):
        where = dict(Vaults(sql).where_chips_are(affiliate))
        assert where.pop("in") == sum(where.values()), where


def pair() -> tuple[Somebody, Somebody]:
    """An affiliate, and a member whom they have referred."""
    affiliate = factories.member()
    return affiliate, factories.member(referred_by=affiliate)


def decide(client: Client, review: UUID, verdict: str, admin: Somebody | None = None) -> Answer:
    who = admin or factories.member(role=Role.TREASURY)
    return client(who.token).post(f"{REVIEWS}/{review}/decide", {"verdict": verdict, "note": "Two brothers"})


def chips(client: Client, affiliate: Somebody) -> tuple[int, int]:
    """The active and the waiting chips, as the affiliate sees them."""
    shown = client(affiliate.token).get("/v1/affiliate/chips").body
    return shown["active"], shown["waiting"]


# --------------------------------------------------------------------------------------------------------------- chips
def test_chips_wait_for_the_review_and_count_in_the_week_that_runs_when_it_is_cleared(
    rings: Rings, client: Client
) -> None:
    affiliate, referred = pair()
    rings.fill(Usdt.of(10))
    rings.scan(affiliate, 3, by=referred)
    rings.scan(affiliate, 2, by=factories.member(referred_by=affiliate))
    review = rings.review(referred)
    assert chips(client, affiliate) == (2, 3)
    rings.run()
    assert rings.shares() == {affiliate.id: (2, 0, 10_000_000)}
    assert chips(client, affiliate) == (0, 3)
    rings.agree(factories.member(role=Role.TREASURY))
    rings.run()
    assert decide(client, review, "cleared").status == 200
    rings.run()
    rings.run()
    assert chips(client, affiliate) == (3, 0)
    rings.fill(Usdt.of(5), CUT + HOUR)
    rings.run(AFTER + WEEK)
    assert rings.shares(SUNDAY + WEEK) == {affiliate.id: (3, 0, 5_000_000)}


def test_chips_of_a_confirmed_referral_never_count(rings: Rings, client: Client) -> None:
    affiliate, referred = pair()
    rings.fill(Usdt.of(10))
    rings.scan(affiliate, 2)
    rings.scan(affiliate, 3, by=referred)
    review = rings.review(referred)
    rings.run()
    rings.agree(factories.member(role=Role.TREASURY))
    rings.run()
    assert decide(client, review, "confirmed").status == 200
    rings.scan(affiliate, 4, CUT + HOUR, by=referred)
    rings.run()
    assert chips(client, affiliate) == (0, 0)
    assert rings.rows("SELECT scan_number, counts FROM withheld_chips WHERE counts IS NOT FALSE") == []
    rings.scan(affiliate, 1, CUT + HOUR)
    rings.fill(Usdt.of(5), CUT + HOUR)
    rings.run(AFTER + WEEK)
    assert rings.shares(SUNDAY + WEEK) == {affiliate.id: (1, 0, 5_000_000)}


def test_weeks_that_were_counted_before_stay(rings: Rings, client: Client) -> None:
    affiliate, referred = pair()
    rings.fill(Usdt.of(10))
    rings.scan(affiliate, 3, by=referred)
    rings.run()
    review = rings.review(referred)
    decide(client, review, "confirmed")
    rings.agree(factories.member(role=Role.TREASURY))
    rings.run()
    assert rings.shares() == {affiliate.id: (3, 0, 10_000_000)}
    assert rings.rows("SELECT state <> 'ready' FROM affiliate_weeks") == [(True,)]


def test_a_week_that_people_reject_leaves_out_what_is_doubted_by_then(rings: Rings) -> None:
    affiliate, referred = pair()
    rings.fill(Usdt.of(10))
    rings.scan(affiliate, 3, by=referred)
    rings.scan(affiliate, 1)
    rings.run()
    rings.review(referred)
    rings.agree(factories.member(role=Role.TREASURY), verdict="reject")
    rings.run()
    assert rings.shares() == {affiliate.id: (1, 0, 10_000_000)}


def test_a_chip_whose_scan_is_doubted_too_waits_for_both_decisions(rings: Rings, client: Client) -> None:
    affiliate, referred = pair()
    rings.fill(Usdt.of(10))
    first, second, _ = rings.scan(affiliate, 3, by=referred)
    review = rings.review(referred)
    rings.flag(first)
    rings.flag(second)
    rings.run()
    rings.judge(first, "cleared")
    rings.run()
    assert chips(client, affiliate) == (0, 3)
    decide(client, review, "cleared")
    rings.run()
    assert chips(client, affiliate) == (2, 1)
    rings.judge(second, "confirmed")
    rings.run()
    assert chips(client, affiliate) == (2, 0)


def test_chips_that_were_vaulted_before_come_back_and_wait(rings: Rings, sql: Connection) -> None:
    vaults = Vaults(sql)
    vaults.begin()
    affiliate, referred = pair()
    rings.scan(affiliate, 5, MONDAY, by=referred)
    assert vaults.vault(affiliate, 4, MONDAY) == ""
    rings.review(referred)
    rings.fill(Usdt.of(5), MONDAY)
    rings.run(AFTER + WEEK)
    assert vaults.lots(affiliate) == [("manual", 4, 0)]
    assert vaults.where_chips_are(affiliate.id)["postponed"] == 5


# ------------------------------------------------------------------------------------------------------------- matches
def test_matches_wait_for_the_review_and_are_released_when_it_is_cleared(rings: Rings, client: Client) -> None:
    affiliate, referred = pair()
    rings.earn(affiliate, Usdt.of(100), by=referred)
    review = rings.review(referred)
    rings.earn(affiliate, Usdt.of(200), by=referred)
    by_hand = rings.earn(affiliate, Usdt.of(300), by=referred)
    needs_two = "INSERT INTO manual_awards VALUES ($1, $2, 300, false, now()) RETURNING 1"
    rings.rows(needs_two, by_hand, factories.member().id)
    assert rings.matches(affiliate) == ["pending", "in_review", "in_review"]
    rings.look()
    assert rings.matches(affiliate) == ["in_review"] * 3
    rings.fill(Usdt.of(10))
    rings.scan(affiliate)
    rings.rows("UPDATE members SET wallet_address = $1 WHERE id = $2 RETURNING 1", wallet(), affiliate.id)
    rings.run()
    assert rings.payouts() == [(affiliate.id, "proposed", 10_000_000)]
    decide(client, review, "cleared")
    rings.look()
    rings.look()
    assert rings.matches(affiliate) == ["pending"] * 3
    assert told(rings, affiliate) == ["match_earned"] * 3
    # A comp that two people must award is nothing that the feed tells.
    said = rings.rows("SELECT text FROM feed_items WHERE kind = 'match_earned' ORDER BY id")
    assert said == [("An affiliate earned a match of $21!",), ("An affiliate earned a match of $42!",)]
    assert rings.balances()["owed:affiliate"] == 126_000_000


def test_matches_of_a_confirmed_referral_are_cancelled_with_the_books_right(rings: Rings, client: Client) -> None:
    affiliate, referred = pair()
    rings.earn(affiliate, Usdt.of(100), by=referred)
    review = rings.review(referred)
    rings.earn(affiliate, Usdt.of(200), by=referred)
    rings.look()
    decide(client, review, "confirmed")
    rings.earn(affiliate, Usdt.of(300), by=referred)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: rings.look(), range(2)))
    rings.look()
    assert rings.matches(affiliate) == ["cancelled", "cancelled"]
    assert rings.balances() == {}
    assert told(rings, affiliate) == ["match_earned", "match_cancelled"], "of the other one they never knew"
    assert rings.rows("SELECT referred_by_id FROM members WHERE id = $1", referred.id) == [(affiliate.id,)]


def test_a_match_that_a_payout_may_pay_stays(rings: Rings, client: Client) -> None:
    affiliate, referred = pair()
    rings.rows("UPDATE members SET wallet_address = $1 WHERE id = $2 RETURNING 1", wallet(), affiliate.id)
    rings.fill(Usdt.of(10))
    rings.scan(affiliate)
    rings.earn(affiliate, Usdt.of(100), by=referred)
    rings.run()
    review = rings.review(referred)
    rings.look()
    decide(client, review, "confirmed")
    rings.look()
    assert rings.matches(affiliate) == ["pending"]
    assert rings.payouts() == [(affiliate.id, "proposed", 31_000_000)]


def test_a_match_waits_for_its_comp_and_for_its_referral(rings: Rings, client: Client) -> None:
    affiliate, referred = pair()
    review = rings.review(referred)
    given = [award_for(referred, Usdt.of(100), source=str(n), in_review=True) for n in range(2)]
    first, second = (db.atomically(awards.award, each, clock.now()) for each in given)
    assert first is not None
    assert second is not None
    db.atomically(awards.release, first, clock.now())
    assert rings.matches(affiliate) == ["in_review", "in_review"]
    decide(client, review, "cleared")
    rings.look()
    assert sorted(rings.matches(affiliate)) == ["in_review", "pending"]
    db.atomically(awards.release, second, clock.now())
    assert rings.matches(affiliate) == ["pending", "pending"]


def test_the_schema_lets_no_match_wait_without_a_review(rings: Rings) -> None:
    affiliate, referred = pair()
    rings.earn(affiliate, Usdt.of(100), by=referred)
    with pytest.raises(Exception, match="earning_transition"):
        rings.rows("UPDATE affiliate_earnings SET status = 'in_review' RETURNING 1")


# ----------------------------------------------------------------------------------------------------------- decisions
def test_admins_see_why_and_decide_once(rings: Rings, client: Client) -> None:
    affiliate, referred = pair()
    review = rings.review(referred)
    treasurer = factories.member(role=Role.TREASURY)
    (shown,) = client(treasurer.token).get(f"{REVIEWS}?status=open").body["items"]
    assert (shown["id"], shown["affiliate_id"], shown["referred_id"]) == (
        str(review), str(affiliate.id), str(referred.id),
    )  # fmt: skip
    assert shown["signals"] == [{"kind": "device", "member_id": str(affiliate.id), "points": 60}]
    assert decide(client, review, "cleared", treasurer).body["status"] == "cleared"
    again = decide(client, review, "cleared")
    assert (again.status, again.body["decided_by"]) == (200, str(treasurer.id))
    refused = decide(client, review, "confirmed")
    assert (refused.status, refused.problem, refused.body["verdict"]) == (409, "referral-review-decided", "cleared")
    audited = rings.rows("SELECT action, actor_id FROM audit_logs WHERE resource_id = $1", str(review))
    assert audited == [("referral.decide", treasurer.id)]
    with pytest.raises(Exception, match="referral_review_decided"):
        rings.rows("UPDATE referral_reviews SET status = 'confirmed' RETURNING 1")


def test_of_two_who_decide_at_once_one_decides(rings: Rings, client: Client) -> None:
    _, referred = pair()
    review = rings.review(referred)
    admins = [factories.member(role=Role.TREASURY) for _ in range(2)]
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda it: decide(client, review, it[0], it[1]),
                                   zip(("cleared", "confirmed"), admins, strict=True)))  # fmt: skip
    assert sorted(answer.status for answer in answers) == [200, 409]


@pytest.mark.parametrize("concerned", ["affiliate", "referred", "of_the_ring", "who_referred_the_affiliate"])
def test_nobody_decides_whom_it_concerns(concerned: str, rings: Rings, client: Client, sql: Connection) -> None:
    above = factories.member()
    affiliate = factories.member(referred_by=above)
    people = {"affiliate": affiliate, "referred": factories.member(referred_by=affiliate),
              "of_the_ring": factories.member(), "who_referred_the_affiliate": above}  # fmt: skip
    rings.sign_in(affiliate, people["referred"], device="3f1f6b8e-9a44-4a51-8d7e-b0b6c7e3a111")
    rings.look()
    sql.execute_unnamed(
        "UPDATE referral_reviews SET signals = signals || jsonb_build_array(jsonb_build_object("
        "'kind', 'ring', 'member_id', CAST($1 AS text), 'points', 60))",
        (str(people["of_the_ring"].id),),
    )
    ((review,),) = rings.rows("SELECT id FROM referral_reviews")
    admin = factories.member(role=Role.TREASURY)
    for address in (wallet(), "0x" + "7" * 40, wallet()):
        rings.rows("UPDATE members SET wallet_address = $1 WHERE id = $2 RETURNING 1", address, people[concerned].id)
    rings.rows(
        "INSERT INTO member_wallets (member_id, address, since) VALUES ($1, $2, now()) RETURNING 1",
        admin.id, "0x" + "7" * 40,
    )  # fmt: skip
    before = rows_of_all_tables(sql, without=PROOFS)
    assert decide(client, review, "cleared", admin).problem == "own-interest"
    assert rows_of_all_tables(sql, without=PROOFS) == before


def test_the_affiliate_is_told_nothing_of_signals(rings: Rings, client: Client) -> None:
    affiliate, referred = pair()
    rings.sign_in(affiliate, referred, device="3f1f6b8e-9a44-4a51-8d7e-b0b6c7e3a111")
    rings.look()
    decide(client, rings.rows("SELECT id FROM referral_reviews")[0][0], "confirmed")
    rings.look()
    assert (told(rings, affiliate), told(rings, referred)) == ([], [])
    shown: list[Any] = [client(affiliate.token).get(f"/v1/affiliate/{path}").body for path in ("referrals", "stats")]
    assert not any(word in str(shown) for word in ("signal", "device", "confirmed"))


def told(rings: Rings, who: Somebody) -> list[str]:
    """The codes of what somebody was told of matches, oldest first."""
    rows = rings.rows(
        "SELECT code FROM notifications WHERE member_id = $1 AND code LIKE 'match%' ORDER BY created_at", who.id
    )
    return [code for (code,) in rows]
