"""A trip is won, chosen once, settled by the concierge and remembered with a chip; its match is that of its value."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from shared import db
from shared.auth import Role
from shared.comps import awards
from shared.comps.awards import Award
from shared.values.money import ZERO
from shared.values.prizes import CompType
from shared.values.tiers import Tier
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes import comp_records, list_rows
from tests.fakes.comp_records import award_trip
from tests.fakes.scan_groups import Step, member_of_rank, scan_together
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]
TRIPS = "/v1/comps/trips"
MONACO = {"destination": "monaco_f1"}


def choose(client: Client, who: Somebody, comp_id: UUID, body: object = MONACO) -> Answer:
    return client(who.token).post(f"{TRIPS}/{comp_id}/choose", body)


def rows(sql: Connection, query: str) -> list[list[Any]]:
    return list(sql.execute_simple(query).rows)


def test_the_500000th_scan_brings_a_trip_that_waits_to_be_chosen(client: Client, sql: Connection) -> None:
    whale, (code,) = factories.member(permanent_tier=Tier.WHALE), factories.manufactured_codes(1)
    factories.set_scan_counter(499_999)
    sql.execute_simple("UPDATE sales_volume SET tins_per_month = 500000")
    earned = client(whale.token).post("/v1/scans/submit", {"code": code}).body["comp_earned"]
    (trip,) = client(whale.token).get(TRIPS).body["items"]
    assert (earned["type"], earned["comp_id"]) == ("trip", trip["comp_id"])
    assert (trip["state"], trip["destination"], trip["scan_number"]) == ("to_be_chosen", None, 500_000)


THIS_MONTH = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
AN_INSTANT = timedelta(microseconds=1)


def scanned_trip(client: Client, sql: Connection, tins: int, *, number: int = 500_000) -> bool:
    """Whether a whale's scan with that number wins a trip, with so many tins sold a month."""
    whale, (code,) = factories.member(permanent_tier=Tier.WHALE), factories.manufactured_codes(1)
    factories.set_scan_counter(number - 1)
    sql.execute_simple("UPDATE comp_rules SET enabled = type = 'trip' WHERE interval IS NOT NULL")
    sql.execute_unnamed("UPDATE sales_volume SET tins_per_month = $1", (tins,))
    earned = client(whale.token).post("/v1/scans/submit", {"code": code}).body["comp_earned"]
    return bool(earned) and earned["type"] == "trip"


@pytest.mark.parametrize(("tins", "wins"), [(999_999, False), (1_000_000, True)])
def test_a_scan_wins_no_trip_beyond_what_the_months_sales_allow(
    tins: int, wins: bool, client: Client, sql: Connection
) -> None:
    list_rows.comp(factories.member(), THIS_MONTH, 0, kind="trip")
    assert scanned_trip(client, sql, tins) == wins
    assert scanned_trip(client, sql, tins, number=1_000_000) is False


def test_trips_of_earlier_months_and_cancelled_ones_and_other_prizes_do_not_count(
    client: Client, sql: Connection
) -> None:
    winner = factories.member()
    list_rows.comp(winner, THIS_MONTH - AN_INSTANT, 0, kind="trip")
    assert comp_records.cancel(UUID(list_rows.comp(winner, THIS_MONTH, 0, kind="trip")))
    list_rows.comp(winner, THIS_MONTH, 0, kind="casino")
    sql.execute_simple("UPDATE sales_volume SET tins_per_month = 5000000")
    shown = client(winner.token).get("/v1/comps/prizes").body["items"]
    assert [prize["trips_left"] for prize in shown if prize["type"] == "trip"] == [10]

    assert scanned_trip(client, sql, 500_000)
    assert not scanned_trip(client, sql, 500_000, number=1_000_000)


def test_of_the_winning_numbers_of_one_group_no_more_than_the_limit_give_a_trip(sql: Connection) -> None:
    sql.execute_simple("UPDATE comp_rules SET enabled = type = 'trip' WHERE interval IS NOT NULL")
    sql.execute_simple("UPDATE comp_rules SET interval = 1 WHERE type = 'trip'")
    sql.execute_simple("UPDATE sales_volume SET tins_per_month = 1000000")
    whales, codes = [member_of_rank(Tier.WHALE.rank) for _ in range(4)], factories.manufactured_codes(4)

    scan_together(whales, codes, [Step(number, number) for number in range(4)])

    won = rows(sql, "SELECT awarded, count(*) FROM milestones WHERE type = 'trip' GROUP BY awarded ORDER BY awarded")
    assert won == [[False, 2], [True, 2]]


def test_there_are_21_destinations_dearest_first(client: Client) -> None:
    items = client(factories.member().token).get(f"{TRIPS}/destinations").body["items"]
    values = [item["value"] for item in items]
    assert len(items) == len({item["key"] for item in items}) == 21
    assert (values[0], values[-1], values) == (160_000, 65_000, sorted(values, reverse=True))


def test_a_choice_tells_concierge_and_member_and_brings_the_match_of_its_value(client: Client, sql: Connection) -> None:
    affiliate = factories.member()
    winner = factories.member(referred_by=affiliate)
    comp_id = award_trip(winner)

    answer = choose(client, winner, comp_id)

    assert (answer.status, answer.body["state"], answer.body["destination"]["value"]) == (200, "chosen", 135_000)
    assert rows(sql, "SELECT value, amount FROM affiliate_earnings") == [[135_000_000_000, 28_350_000_000]]
    ((to, template, parameters),) = rows(sql, "SELECT to_email, template, parameters FROM mails")
    assert (to, template) == ("concierge@blakjaks.com", "trip_chosen")
    assert (parameters["destination"], parameters["value"]) == ("Monaco Formula 1 VIP", "135000.00")
    told = sql.execute_unnamed("SELECT title FROM notifications WHERE member_id = $1", (winner.id,)).rows
    assert ["Monaco Formula 1 VIP it is!"] in told


def test_the_same_choice_again_is_harmless_and_another_is_refused(client: Client, sql: Connection) -> None:
    winner = factories.member(referred_by=factories.member())
    comp_id = award_trip(winner)
    choose(client, winner, comp_id)
    before = rows_of_all_tables(sql)
    assert choose(client, winner, comp_id).status == 200
    other = choose(client, winner, comp_id, {"destination": "hawaii"})
    assert (other.status, other.problem, other.body["destination"]) == (409, "trip-chosen", "monaco_f1")
    assert rows_of_all_tables(sql) == before


def test_of_16_choices_at_once_one_holds(client: Client, sql: Connection) -> None:
    winner = factories.member(referred_by=factories.member())
    comp_id = award_trip(winner)
    keys = ["hawaii", "alaska", "aspen", "ritz_paris"]

    def one(number: int) -> str:
        answer = choose(client, winner, comp_id, {"destination": keys[number % 4]})
        return answer.problem or str(answer.body["destination"]["key"])

    with ThreadPoolExecutor(16) as threads:
        outcomes = Counter(threads.map(one, range(16)))

    assert outcomes.pop("trip-chosen") == 12
    ((chosen, times),) = outcomes.items()
    assert (times, chosen in keys) == (4, True)
    assert rows(sql, "SELECT destination FROM trips") == [[chosen]]
    assert rows(sql, "SELECT count(*) FROM affiliate_earnings") == [[1]]
    assert rows(sql, "SELECT count(*) FROM mails") == [[1]]


def test_a_trip_that_is_not_ones_own_or_none_is_not_found(client: Client, sql: Connection) -> None:
    winner, stranger = factories.member(), factories.member()
    comp_id = award_trip(winner)
    crypto = Award(winner.id, CompType.CRYPTO_100, ZERO, "manual", "x", {})
    other = db.atomically(lambda tx: awards.award(tx, crypto, datetime.now(UTC)))
    before = rows_of_all_tables(sql)
    for who, what in ((stranger, comp_id), (winner, other), (winner, uuid4())):
        assert what
        assert choose(client, who, what).problem == "not-found"
        assert client(who.token).get(f"{TRIPS}/{what}").problem == "not-found"
    assert client(stranger.token).get(TRIPS).body["items"] == []
    assert rows_of_all_tables(sql) == before


def test_a_trip_that_waits_for_review_or_was_cancelled_cannot_be_chosen(client: Client, sql: Connection) -> None:
    winner = factories.member()
    waiting, cancelled = award_trip(winner, in_review=True), award_trip(winner)
    db.atomically(lambda tx: awards.cancel(tx, cancelled, "a mistake", datetime.now(UTC)))
    before = rows_of_all_tables(sql)
    for comp_id in (waiting, cancelled):
        answer = choose(client, winner, comp_id)
        assert (answer.status, answer.problem) == (409, "trip-not-ready")
    assert rows_of_all_tables(sql) == before


@pytest.mark.parametrize(
    "body", [{}, {"destination": ""}, {"destination": 7}, {"destination": "x" * 61}, [], MONACO | {"x": 1}]
)
def test_a_choice_that_is_none_changes_nothing(client: Client, sql: Connection, body: object) -> None:
    winner = factories.member()
    comp_id = award_trip(winner)
    before = rows_of_all_tables(sql)
    assert choose(client, winner, comp_id, body).problem == "not-valid"
    assert choose(client, winner, comp_id, {"destination": "moon"}).problem == "destination-unknown"
    assert rows_of_all_tables(sql) == before


def test_the_concierge_calls_and_then_mails_the_chip(client: Client, sql: Connection) -> None:
    winner, payout_driver = factories.member(), client(factories.member(role=Role.OPERATIONS).token)
    comp_id = award_trip(winner)
    path = f"/v1/admin/trips/{comp_id}"
    parcel = {"tracking_number": "1Z999AA10123456784"}
    for step in ("concierge-contacted", "chip-mailed"):  # before the choice
        answer = payout_driver.post(f"{path}/{step}", parcel if step == "chip-mailed" else None)
        assert (answer.status, answer.problem, answer.body["state"]) == (409, "trip-step-not-next", "to_be_chosen")
    choose(client, winner, comp_id)
    assert payout_driver.post(f"{path}/chip-mailed", parcel).problem == "trip-step-not-next"
    for _ in range(2):
        assert payout_driver.post(f"{path}/concierge-contacted").body["state"] == "concierge_contacted"
    for number in ("1Z999AA10123456784", "another"):
        answer = payout_driver.post(f"{path}/chip-mailed", {"tracking_number": number})
        assert (answer.body["state"], answer.body["tracking_number"]) == ("chip_mailed", "1Z999AA10123456784")
    assert payout_driver.post(f"{path}/concierge-contacted").body["state"] == "chip_mailed"
    actions = rows(sql, "SELECT action FROM audit_logs ORDER BY id")
    assert actions == [["trip.contact"], ["trip.chip"]]
    mine = client(winner.token).get(f"{TRIPS}/{comp_id}").body
    assert (mine["state"], mine["tracking_number"]) == ("chip_mailed", "1Z999AA10123456784")


def test_admins_see_trips_by_state_page_by_page(client: Client) -> None:
    payout_driver, winner = client(factories.member(role=Role.OPERATIONS).token), factories.member()
    made = [award_trip(winner) for _ in range(3)]
    choose(client, winner, made[0])
    chosen = payout_driver.get("/v1/admin/trips?state=chosen").body["items"]
    assert [(trip["comp_id"], trip["title"], trip["email"]) for trip in chosen] == [
        (str(made[0]), "Monaco Formula 1 VIP", winner.email)
    ]
    first = payout_driver.get("/v1/admin/trips?limit=2").body
    second = payout_driver.get(f"/v1/admin/trips?limit=2&cursor={first['next_cursor']}").body
    assert [trip["comp_id"] for trip in first["items"] + second["items"]] == [str(comp_id) for comp_id in made[::-1]]


@pytest.mark.parametrize(
    "body", [{}, {"tracking_number": "abc"}, {"tracking_number": "x" * 61}, {"tracking_number": 1}]
)
def test_a_parcel_without_a_number_is_none(client: Client, sql: Connection, body: object) -> None:
    payout_driver, winner = client(factories.member(role=Role.OPERATIONS).token), factories.member()
    comp_id = award_trip(winner)
    before = rows_of_all_tables(sql)
    assert payout_driver.post(f"/v1/admin/trips/{comp_id}/chip-mailed", body).problem == "not-valid"
    assert payout_driver.post(f"/v1/admin/trips/{uuid4()}/concierge-contacted").problem == "not-found"
    assert rows_of_all_tables(sql) == before
