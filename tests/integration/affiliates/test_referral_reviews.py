"""Referrals in which both members seem to be one person, or a ring, are found once, and people look at them."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from pg8000.dbapi import Connection

from shared import clock
from shared.database.session import Session
from tests import factories
from tests.factories import Somebody
from tests.fakes.crashes import Crash, crash
from tests.fakes.ring_rows import Rings
from tests.logs import log_lines

pytest_plugins = ["tests.fakes.log_plugin"]

PHONE, TABLET = "3f1f6b8e-9a44-4a51-8d7e-b0b6c7e3a111", "3f1f6b8e-9a44-4a51-8d7e-b0b6c7e3a222"
HOME = "203.0.113.7"
WALLET = "0x" + "7" * 40


@pytest.fixture
def rings(sql: Connection) -> Rings:
    return Rings(sql)


def pair() -> tuple[Somebody, Somebody]:
    """An affiliate, and a member whom they have referred."""
    affiliate = factories.member()
    return affiliate, factories.member(referred_by=affiliate)


def line(length: int) -> list[Somebody]:
    """Members each of whom has referred the next one."""
    made = [factories.member()]
    while len(made) < length:
        made.append(factories.member(referred_by=made[-1]))
    return made


# ------------------------------------------------------------------------------------------------------------- signals
def test_a_device_that_both_use_is_looked_at(rings: Rings) -> None:
    affiliate, referred = pair()
    rings.sign_in(affiliate, referred, device=PHONE)
    rings.look()
    assert rings.signals(referred) == [("device", affiliate.id)]
    assert rings.rows("SELECT affiliate_id, score, status FROM referral_reviews") == [(affiliate.id, 60, "open")]


def test_a_wallet_that_both_have_had_is_looked_at(rings: Rings) -> None:
    affiliate, referred = pair()
    rings.link(referred, affiliate, wallet=WALLET)
    rings.look()
    assert rings.signals(referred) == [("wallet", affiliate.id)]


def test_one_mailbox_under_two_addresses_is_looked_at(rings: Rings, sql: Connection) -> None:
    affiliate, referred = pair()
    for person, address in ((affiliate, "a.da@gmail.com"), (referred, "ada+2@googlemail.com")):
        sql.execute_unnamed("UPDATE members SET email = $1 WHERE id = $2", (address, person.id))
    rings.look()
    assert rings.signals(referred) == [("address", affiliate.id)]


def test_one_network_is_named_beside_another_signal(rings: Rings) -> None:
    affiliate, referred = pair()
    rings.sign_in(affiliate, device=PHONE, address="2001:db8:0:7::1")
    rings.sign_in(referred, device=PHONE, address="2001:db8:0:7:ffff::2")
    rings.look()
    assert rings.signals(referred) == [("device", affiliate.id), ("network", affiliate.id)]
    assert rings.rows("SELECT score FROM referral_reviews") == [(80,)]


def test_a_household_with_one_network_and_one_doorstep_is_not_looked_at(rings: Rings) -> None:
    affiliate, referred = pair()
    rings.sign_in(affiliate, device=PHONE, address=HOME)
    rings.sign_in(referred, device=TABLET, address=HOME)
    rings.order(affiliate, referred, doorstep=b"d" * 32)
    rings.look()
    assert rings.statuses() == []
    rings.sign_in(referred, device=PHONE)
    rings.look()
    found = [("device", affiliate.id), ("doorstep", affiliate.id), ("network", affiliate.id)]
    assert rings.signals(referred) == found


def test_strangers_on_one_device_are_not_looked_at(rings: Rings) -> None:
    (affiliate, _), (other, _) = pair(), pair()
    rings.sign_in(affiliate, other, factories.member(), device=PHONE)
    rings.look()
    assert rings.statuses() == []


def test_a_ring_of_three_is_found_over_the_account_between(rings: Rings) -> None:
    first, second, third = line(3)
    rings.sign_in(third, first, device=PHONE)
    rings.look()
    assert rings.found(second, third) == [[("ring", third.id)], [("ring", first.id)]]


def test_a_ring_is_found_from_whichever_account_is_new(rings: Rings) -> None:
    first, *_, last = line(6)
    rings.link(first, wallet=WALLET)
    rings.look()
    rings.link(last, wallet=WALLET)
    rings.look()
    assert rings.statuses() == ["open"] * 5
    longer = line(7)
    rings.sign_in(longer[-1], longer[0], device=PHONE)
    rings.look()
    assert len(rings.statuses()) == 5, "nobody follows a line for ever"


def test_three_accounts_of_one_device_with_one_referrer_are_looked_at(rings: Rings) -> None:
    affiliate = factories.member()
    first, second, third = (factories.member(referred_by=affiliate) for _ in range(3))
    rings.sign_in(first, second, device=PHONE)
    rings.look()
    assert rings.statuses() == [], "two friends may have one phone"
    rings.sign_in(third, device=PHONE)
    rings.look()
    assert rings.signals(first) == sorted([("sibling", second.id), ("sibling", third.id)])
    assert rings.statuses() == ["open"] * 3


# --------------------------------------------------------------------------------------------------------------- once
def test_a_pair_is_found_once(rings: Rings) -> None:
    affiliate, referred = pair()
    rings.sign_in(affiliate, referred, device=PHONE)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: rings.look(), range(2)))
    rings.look()
    rings.sign_in(referred, device=PHONE)
    assert rings.rows("SELECT count(*) FROM referral_checks") == [(0,)], "the device is not new"
    rings.link(referred, wallet=WALLET)
    rings.look()
    assert rings.statuses() == ["open"]


def test_two_runs_that_find_one_pair_from_its_two_sides_open_one_review(rings: Rings) -> None:
    people = [pair() for _ in range(8)]
    for affiliate, referred in people:
        rings.sign_in(affiliate, referred, device=str(affiliate.id))
    rings.rows("INSERT INTO referral_checks (member_id) SELECT id FROM members RETURNING 1")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(3) as threads:
        patch.setattr("functions.referral_refresh.reviews.CHECKED_AT_ONCE", 1)
        list(threads.map(lambda _: rings.look(), range(3)))
    assert rings.statuses() == ["open"] * 8


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 9))
def test_a_run_that_dies_loses_nobody_and_finds_nobody_twice(rings: Rings, at: int, after: bool) -> None:
    affiliate, referred = pair()
    rings.sign_in(affiliate, referred, device=PHONE)
    with crash(Session, "execute", at=at, after=after), pytest.raises(Crash):
        rings.look()
    while rings.rows("SELECT FROM referral_checks"):  # until the database has noticed that it died
        rings.look()
    assert rings.signals(referred) == [("device", affiliate.id)]
    assert rings.statuses() == ["open"]


def test_new_signals_are_added_to_a_review_that_is_open_and_to_no_other(rings: Rings) -> None:
    affiliate, referred = pair()
    rings.sign_in(affiliate, referred, device=PHONE)
    rings.look()
    rings.link(affiliate, referred, wallet=WALLET)
    rings.look()
    assert rings.signals(referred) == [("wallet", affiliate.id), ("device", affiliate.id)]
    rings.decide("confirmed")
    rings.sign_in(affiliate, referred, address=HOME, device=TABLET)
    rings.look()
    assert rings.rows("SELECT status, jsonb_array_length(signals) FROM referral_reviews") == [("confirmed", 2)]


def test_a_cleared_pair_is_looked_at_again_for_something_new_only(rings: Rings) -> None:
    affiliate, referred = pair()
    rings.sign_in(affiliate, referred, device=PHONE)
    rings.look()
    rings.decide("cleared")
    rings.sign_in(affiliate, referred, device=TABLET, address=HOME)
    rings.look()
    assert rings.statuses() == ["cleared"], "people know that the two share devices"
    rings.link(affiliate, referred, wallet=WALLET)
    rings.look()
    assert rings.statuses() == ["cleared", "open"]
    assert rings.signals(referred) == [("wallet", affiliate.id), ("network", affiliate.id)]


def test_only_members_with_referrals_are_looked_at(rings: Rings) -> None:
    affiliate, referred = pair()
    rings.look()
    rings.sign_in(factories.member(), affiliate, referred, device=PHONE)
    queued = rings.rows("SELECT member_id FROM referral_checks ORDER BY id")
    assert queued == [(affiliate.id,), (referred.id,)]


def test_a_referral_that_was_taken_away_is_not_looked_at(rings: Rings, sql: Connection) -> None:
    affiliate, referred = pair()
    rings.sign_in(affiliate, referred, device=PHONE)
    sql.execute_unnamed("UPDATE members SET referred_by_id = NULL WHERE id = $1", (referred.id,))
    rings.look()
    assert rings.statuses() == []


def test_people_are_called_when_something_was_found(rings: Rings, log_output: io.StringIO) -> None:
    affiliate, referred = pair()
    rings.sign_in(affiliate, referred, device=PHONE)
    rings.look()
    rings.look()
    told = [line for line in log_lines(log_output) if line["message"] == "referrals wait for people"]
    assert [(line["number"], line["found"]) for line in told] == [(1, 1)]


def test_a_device_of_a_thousand_accounts_costs_no_more_than_its_bound(rings: Rings) -> None:
    """A client that gives every device one id must not hold up the job; whoever is new is compared with their line."""
    affiliate = factories.member()
    rings.rows(
        """
        WITH one AS (SELECT * FROM members WHERE id = $1), made AS (
            INSERT INTO members (email, email_verified_at, password_hash, username, full_name, date_of_birth,
                                 created_at, updated_at)
            SELECT 'x' || n || '@example.com', now(), 'x', 'xx' || n, 'X', date_of_birth, now(), now()
            FROM one, generate_series(1, 1000) n RETURNING id)
        INSERT INTO sessions (id, member_id, device_kind, device_id, created_at, last_used_at)
        SELECT gen_random_uuid(), id, 'mobile', $2, now(), now() FROM made RETURNING 1
        """,
        affiliate.id,
        PHONE,
    )
    rings.sign_in(affiliate, device=PHONE)
    referred = factories.member(referred_by=affiliate)
    rings.sign_in(referred, device=PHONE)
    rings.look(clock.now())
    assert rings.signals(referred) == [("device", affiliate.id)]
