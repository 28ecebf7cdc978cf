"""Each comp of a referred member brings the affiliate 21 % of it, in the same transaction and once."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.comps import awards
from shared.values.money import ZERO, Usdt
from shared.values.prizes import CompType
from shared.values.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.comp_records import (
    HUNDRED,
    WALLET,
    CompRecords,
    award_comp,
    award_for,
    cancel,
    in_parallel,
    match,
    release,
)
from tests.fakes.payout_rows import Login, functions_login, rule_of
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

CROWD = 16


class Killed(Exception):
    """The process died here."""


@pytest.fixture
def comp_records(sql: Connection) -> CompRecords:
    return CompRecords(sql)


@pytest.fixture
def app() -> Iterator[Login]:
    with functions_login() as login:
        yield login


@pytest.fixture
def affiliate() -> Somebody:
    return factories.member()


@pytest.fixture
def referred(affiliate: Somebody) -> Somebody:
    return factories.member(referred_by=affiliate)


@pytest.mark.parametrize(
    ("kind", "usdt", "micro"),
    [
        (CompType.NEW_MEMBER_GUARANTEE, 5, 1_050_000),
        (CompType.CRYPTO_100, 100, 21_000_000),
        (CompType.CRYPTO_1K, 1_000, 210_000_000),
        (CompType.CASINO, 1_000, 210_000_000),
        (CompType.CRYPTO_10K, 10_000, 2_100_000_000),
        (CompType.MANUAL, 250, 52_500_000),
    ],
)
def test_every_kind_of_comp_is_matched_with_21_percent(
    kind: CompType, usdt: int, micro: int, referred: Somebody, affiliate: Somebody, comp_records: CompRecords
) -> None:
    comp = award_comp(referred, Usdt.of(usdt), kind=kind)

    assert comp_records.match(comp) == ("pending", micro)
    assert comp_records.rows("SELECT affiliate_id, referred_id, kind, value FROM affiliate_earnings") == [
        [affiliate.id, referred.id, "prize_match", usdt * 1_000_000]
    ]
    assert comp_records.notification_titles(affiliate) == [
        f"You earned ${Usdt(micro)}!".replace(".00!", "!").replace("2100", "2,100")
    ]
    comp_records.assert_consistent()


def test_a_match_is_rounded_down_to_the_micro_usdt(referred: Somebody, comp_records: CompRecords) -> None:
    assert comp_records.match(award_comp(referred, Usdt(1_000_009))) == ("pending", 210_001)
    assert comp_records.match(award_comp(referred, Usdt(4))) is None
    comp_records.assert_consistent()


def test_who_was_referred_by_nobody_brings_nothing(comp_records: CompRecords) -> None:
    assert comp_records.match(award_comp(factories.member())) is None
    comp_records.assert_consistent()


def test_a_deleted_affiliate_earns_nothing_and_a_suspended_one_goes_on(
    referred: Somebody, affiliate: Somebody, comp_records: CompRecords
) -> None:
    comp_records.rows("UPDATE members SET status = 'suspended' WHERE id = $1", affiliate.id)
    assert comp_records.match(award_comp(referred)) == ("pending", 21_000_000)
    comp_records.rows("UPDATE members SET status = 'deleted' WHERE id = $1", affiliate.id)
    assert comp_records.match(award_comp(referred)) is None


def test_a_match_of_a_comp_in_review_waits_with_it(
    referred: Somebody, affiliate: Somebody, comp_records: CompRecords
) -> None:
    comp = award_comp(referred, in_review=True)

    assert comp_records.match(comp) == ("in_review", 21_000_000)
    assert comp_records.notification_titles(affiliate) == []
    assert release(comp)
    assert comp_records.match(comp) == ("pending", 21_000_000)
    assert comp_records.notification_titles(affiliate) == ["You earned $21!"]
    comp_records.assert_consistent()


def test_a_source_that_is_awarded_again_is_not_matched_again(referred: Somebody, comp_records: CompRecords) -> None:
    award = award_for(referred, source="november")
    made = in_parallel(*[lambda: db.atomically(lambda tx: awards.award(tx, award, clock.now()))] * CROWD)

    assert len([comp for comp in made if comp]) == 1
    assert comp_records.rows("SELECT count(*) FROM affiliate_earnings") == [[1]]
    comp_records.assert_consistent()


def test_an_award_that_dies_before_its_commit_leaves_nothing_and_can_be_made_again(
    referred: Somebody, sql: Connection, comp_records: CompRecords
) -> None:
    award, before = award_for(referred, source="november"), rows_of_all_tables(sql)

    def dying(tx: db.Tx) -> None:
        awards.award(tx, award, clock.now())
        raise Killed

    with pytest.raises(Killed):
        db.atomically(dying)
    assert rows_of_all_tables(sql) == before
    comp = db.atomically(lambda tx: awards.award(tx, award, clock.now()))
    assert comp
    assert comp_records.match(comp) == ("pending", 21_000_000)
    comp_records.assert_consistent()


def test_a_trip_is_matched_when_its_value_is_known(
    referred: Somebody, affiliate: Somebody, comp_records: CompRecords
) -> None:
    trip = award_comp(referred, ZERO, kind=CompType.TRIP)
    assert comp_records.match(trip) is None

    assert match(trip, Usdt.of(160_000))

    assert comp_records.match(trip) == ("pending", 33_600_000_000)
    assert comp_records.notification_titles(affiliate) == ["You earned $33,600!"]
    comp_records.assert_consistent()


def test_a_trip_is_matched_once_with_its_first_value(referred: Somebody, comp_records: CompRecords) -> None:
    trip = award_comp(referred, ZERO, kind=CompType.TRIP)

    made = in_parallel(*[lambda: match(trip, Usdt.of(75_000))] * CROWD)

    assert len([identity for identity in made if identity]) == 1
    assert match(trip, Usdt.of(160_000)) is None
    assert comp_records.match(trip) == ("pending", 15_750_000_000)
    comp_records.assert_consistent()


def test_a_comp_that_was_matched_when_it_was_awarded_is_not_matched_again(
    referred: Somebody, comp_records: CompRecords
) -> None:
    comp = award_comp(referred)
    assert match(comp, Usdt.of(500)) is None
    assert comp_records.match(comp) == ("pending", 21_000_000)


def test_a_cancelled_trip_is_not_matched(referred: Somebody, comp_records: CompRecords) -> None:
    trip = award_comp(referred, ZERO, kind=CompType.TRIP)
    cancel(trip)
    assert match(trip, Usdt.of(75_000)) is None
    comp_records.assert_consistent()


def test_a_scan_does_not_wait_for_the_affiliates_totals(
    affiliate: Somebody, client: Client, app: Login, comp_records: CompRecords
) -> None:
    """A scan holds the global count, and another one that waits for the count may hold the totals."""
    winner = factories.member(referred_by=affiliate, permanent_tier=Tier.VIP, wallet=WALLET)
    (code,) = factories.manufactured_codes(1)
    factories.set_scan_counter(499)

    with app.transaction():
        app.run("SELECT FROM member_totals WHERE member_id = :id FOR UPDATE", id=affiliate.id)
        receipt = client(winner.token).post("/v1/scans/submit", {"code": code})

    assert receipt.body["usdt_earned"] == 100
    assert comp_records.match(UUID(receipt.body["comp_earned"]["comp_id"])) == ("pending", 21_000_000)
    comp_records.assert_consistent()


def test_nobody_changes_what_was_earned(referred: Somebody, app: Login) -> None:
    award_comp(referred, HUNDRED)

    def changed(sql: str) -> str:
        return rule_of(lambda: app.run(f"UPDATE affiliate_earnings SET {sql}"))

    assert changed("value = value * 2, amount = amount * 2") == "earning_terms"
    assert changed("affiliate_id = referred_id") == "earning_terms"
    assert changed("status = 'in_review'") == "earning_transition"
    assert changed("status = 'cancelled', cancelled_at = now()") == ""
    assert changed("status = 'pending', cancelled_at = NULL") == "earning_transition"
