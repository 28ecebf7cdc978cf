"""Scans that people should look at: they keep their number, and what they win waits."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.scans import fraud
from functions.scans.fraud import Flag, FraudEvidence, Location
from shared.database.session import Session
from shared.values.tiers import Tier
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody

Client = Callable[..., FunctionClient]
NEW_YORK, LOS_ANGELES = {"latitude": 40.71, "longitude": -74.01}, {"latitude": 34.05, "longitude": -118.24}


def scan(client: Client, who: Somebody, code: str, address: str = "203.0.113.7", **more: object) -> Answer:
    return client(who.token, address=address).post("/v1/scans/submit", {"code": code, **more})


def flags(sql: Connection, answer: Answer) -> list[str]:
    found = sql.execute_unnamed(
        "SELECT flags FROM flagged_scans WHERE scan_id = $1 AND status = 'open'", (UUID(answer.body["scan_id"]),)
    ).rows
    return list(found[0][0]) if found else []


def test_who_scans_in_new_york_and_minutes_later_in_los_angeles_is_flagged(client: Client, sql: Connection) -> None:
    member, codes = factories.member(), factories.manufactured_codes(3)
    east = scan(client, member, codes[0], location=NEW_YORK)
    west = scan(client, member, codes[1], location=LOS_ANGELES)
    nowhere = scan(client, member, codes[2])
    assert [flags(sql, answer) for answer in (east, west, nowhere)] == [[], ["impossible_travel"], []]
    details = sql.execute_simple("SELECT details FROM flagged_scans").rows[0][0]
    assert 3_900 < details["impossible_travel"]["kilometres"] < 4_000
    assert sql.execute_simple("SELECT flags FROM scans ORDER BY number").rows == [[[]], [["impossible_travel"]], [[]]]


@pytest.mark.parametrize(
    ("kilometres_east", "minutes", "flagged"),
    [(90, 0, False), (110, 0, True), (110, 10, False), (900, 60, False), (1_100, 60, True), (1_100, 70, False)],
)
def test_travel_is_impossible_faster_than_an_airliner(kilometres_east: int, minutes: int, flagged: bool) -> None:
    at = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    degrees = kilometres_east / 111.195
    before, here = Location(at, 0.0, 179.5), Location(at + timedelta(minutes=minutes), 0.0, 179.5 + degrees)
    here = Location(
        here.at, 0.0, here.longitude - 360 if here.longitude > 180 else here.longitude
    )  # over the date line
    evidence = FraudEvidence(
        last_minute=1, wrong_codes=0, network_wrong_codes=0, tried_honey=False, before=before, here=here
    )
    assert (Flag.IMPOSSIBLE_TRAVEL in fraud.flags(evidence)) == flagged


def test_faster_than_hands_is_flagged(client: Client, sql: Connection) -> None:
    member, codes = factories.member(), factories.manufactured_codes(fraud.BURST_SCANS)
    answers = [scan(client, member, code) for code in codes]
    assert [flags(sql, answer) for answer in answers] == [[]] * (len(codes) - 1) + [["burst"]]


def test_a_hit_after_many_guesses_is_flagged(client: Client, sql: Connection) -> None:
    member, (code,) = factories.member(), factories.manufactured_codes(1)
    for _ in range(fraud.GUESSES_SUSPICIOUS):
        assert scan(client, member, "AAAA-AAAA-AAAA").problem == "code-not-valid"
    assert flags(sql, scan(client, member, code)) == ["guessing"]


def test_guesses_of_others_flag_neither_who_shares_their_network_nor_whose_device_they_name(
    client: Client, sql: Connection
) -> None:
    codes = factories.manufactured_codes(2)
    for _ in range(fraud.GUESSES_SUSPICIOUS):
        scan(client, factories.member(), "AAAA-AAAA-AAAA", device_id="phone", address="198.51.100.1")
    same_phone = scan(client, factories.member(), codes[0], device_id="phone", address="198.51.100.2")
    same_network = scan(client, factories.member(), codes[1], device_id="tablet", address="198.51.100.1")
    assert [flags(sql, answer) for answer in (same_phone, same_network)] == [[], []]


def test_a_network_that_guesses_without_end_is_flagged_and_not_refused(client: Client, sql: Connection) -> None:
    codes = factories.manufactured_codes(3)
    scan(client, factories.member(), "AAAA-AAAA-AAAA", address="2001:db8::1")
    sql.execute_unnamed(
        "UPDATE attempt_counters SET attempts = $1 WHERE subject = 'code:network:2001:db8::/64'",
        (fraud.NETWORK_GUESSES_SUSPICIOUS - 1,),
    )
    before = scan(client, factories.member(), codes[0], address="2001:db8::2")
    scan(client, factories.member(), "AAAA-AAAA-AAAA", address="2001:db8::ffff:3")
    same = scan(client, factories.member(), codes[1], address="2001:db8::4")
    other = scan(client, factories.member(), codes[2], address="2001:db8:0:1::1")
    assert [answer.status for answer in (before, same, other)] == [201, 201, 201]
    assert [flags(sql, answer) for answer in (before, same, other)] == [[], ["guessing"], []]


def test_who_has_tried_a_honey_code_is_flagged_and_it_looks_like_any_wrong_code(
    client: Client, sql: Connection
) -> None:
    member, (code,), (honey,) = factories.member(), factories.manufactured_codes(1), factories.manufactured_codes(1)
    batch_id = sql.execute_unnamed(
        "UPDATE code_batches SET honey = true WHERE id = (SELECT batch_id FROM codes WHERE mac = $1) RETURNING id",
        (factories.mac(honey),),
    ).rows[0][0]
    unknown = scan(client, member, "AAAA-AAAA-AAAA")
    tried = scan(client, member, honey, device_id="phone")
    assert (tried.status, tried.body) == (unknown.status, unknown.body)
    assert sql.execute_simple("SELECT batch_id, member_id, device_id FROM honey_trials").rows == [
        [batch_id, member.id, "phone"]
    ]
    assert flags(sql, scan(client, member, code)) == ["honey_code"]


def test_a_spent_code_that_many_others_try_flags_the_scan_that_spent_it(client: Client, sql: Connection) -> None:
    owner, (code,) = factories.member(), factories.manufactured_codes(1)
    receipt = scan(client, owner, code)
    found = []
    for number in range(fraud.RETRIES_SUSPICIOUS):
        stranger = factories.member()
        for _ in range(2):  # once each
            assert scan(client, stranger, code, device_id=f"phone {number}").problem == "code-not-valid"
        found.append(flags(sql, receipt))
    assert found == [[], [], ["many_devices"]]


def test_what_a_flagged_scan_wins_waits_for_review(client: Client, sql: Connection) -> None:
    whale = factories.member(permanent_tier=Tier.WHALE, wallet="0x" + "a1" * 20)
    codes = factories.manufactured_codes(2)
    factories.set_scan_counter(498)
    scan(client, whale, codes[0], location=NEW_YORK)
    winner = scan(client, whale, codes[1], location=LOS_ANGELES)
    assert (winner.body["scan_number"], winner.body["usdt_earned"]) == (500, 100)
    assert sql.execute_simple("SELECT status, reason->'flags' FROM comps").rows == [
        ["in_review", ["impossible_travel"]]
    ]
    assert sql.execute_simple("SELECT count(*) FROM payouts").rows == [[0]]


def test_the_same_statements_are_run_whatever_is_wrong_with_a_code(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that measures the time of an answer learns nothing about the code."""
    (used,), (invalid,) = factories.manufactured_codes(1), factories.manufactured_codes(1, status="invalidated")
    scan(client, factories.member(), used)
    member = factories.member()
    kinds = {"unknown": "AAAA-AAAA-AAAA", "used": used, "invalidated": invalid}
    scan(client, member, "BBBB-BBBB-BBBB")  # the first wrong code of a member
    run: list[str] = []
    write = Session._write

    def recorded(session: Session, text: str, parameters: Mapping[str, object]) -> object:
        run.append(text)
        return write(session, text, parameters)

    monkeypatch.setattr(Session, "_write", recorded)
    statements = {}
    for kind, code in kinds.items():
        assert scan(client, member, code).problem == "code-not-valid"
        statements[kind] = list(run)
        run.clear()
    assert statements["unknown"]
    assert statements["used"] == statements["unknown"]
    assert statements["invalidated"] == statements["unknown"]
