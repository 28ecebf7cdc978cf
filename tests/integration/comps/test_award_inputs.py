"""An award is decided by its number alone: by numbered revisions, read under the counter's lock."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

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
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.locks import held, until_waiting
from tests.platform import Platform

Client = Callable[..., FunctionClient]
COUNTER = "SELECT FROM scan_counter FOR UPDATE"
CHEAPER = "UPDATE comp_rules SET amount = 50000000 WHERE type = 'crypto_100'"
DEARER = "UPDATE comp_rules SET amount = 150000000 WHERE type = 'crypto_100'"
THRESHOLDS = "UPDATE settings SET value = jsonb_set(value, '{vip}', to_jsonb(CAST(:vip AS int))) WHERE name = :name"


def scan(client: Client, somebody: Somebody) -> dict[str, Any]:
    (code,) = factories.manufactured_codes(1)
    answer = client(somebody.token).post("/v1/scans/submit", {"code": code})
    assert answer.status == 201, answer.body
    return dict(answer.body)


def change(statement: str) -> None:
    db.atomically(lambda tx: tx.run(statement))


def set_vip(scans: int) -> None:
    db.atomically(lambda tx: tx.run(THRESHOLDS, vip=scans, name="tier_thresholds"))


def revisions(sql: Connection) -> list[list[Any]]:
    """The first number of each revision and the amount of the most frequent prize."""
    query = "SELECT revision, from_number, body -> 'prizes' -> 'crypto_100' -> 'amount' FROM award_inputs ORDER BY 1"
    return [[revision, first, amount // 10**6] for revision, first, amount in sql.execute_simple(query).rows]


@contextmanager
def behind_the_counter(platform: Platform, sql: Connection, *acts: Callable[[], Any]) -> Iterator[list[Future[Any]]]:
    """The acts wait for the counter, one behind the other; they go on after the block."""
    with ThreadPoolExecutor(len(acts)) as threads:
        with held(platform, COUNTER):
            futures = []
            for number, act in enumerate(acts, 1):
                futures.append(threads.submit(act))
                until_waiting(sql, number)
            yield futures
        for future in futures:
            future.result()


def test_a_scan_that_waits_behind_a_change_is_ruled_by_it(client: Client, sql: Connection, platform: Platform) -> None:
    vip = factories.member(permanent_tier=Tier.VIP)
    factories.set_scan_counter(499)

    with behind_the_counter(platform, sql, lambda: change(DEARER), lambda: scan(client, vip)) as (_, scanned):
        pass

    assert scanned.result()["usdt_earned"] == 150
    assert revisions(sql)[-1] == [2, 500, 150]


def test_a_change_that_waits_behind_a_scan_begins_with_the_next_number(
    client: Client, sql: Connection, platform: Platform
) -> None:
    vip = factories.member(permanent_tier=Tier.VIP)
    factories.set_scan_counter(499)

    with behind_the_counter(platform, sql, lambda: scan(client, vip), lambda: change(DEARER)) as (scanned, _):
        pass

    assert scanned.result()["usdt_earned"] == 100
    assert revisions(sql)[-1] == [2, 501, 150]


def test_the_volume_of_a_refresh_that_was_waited_behind_unlocks(
    client: Client, sql: Connection, platform: Platform
) -> None:
    whale = factories.member(permanent_tier=Tier.WHALE)
    factories.set_scan_counter(7_499)
    sold = "UPDATE sales_volume SET tins_per_month = 2500"

    with behind_the_counter(platform, sql, lambda: change(sold), lambda: scan(client, whale)) as (_, scanned):
        pass

    assert scanned.result()["usdt_earned"] == 1_000


def test_thresholds_come_from_no_cache(client: Client) -> None:
    somebody = factories.member()
    factories.set_scan_counter(498)
    scan(client, somebody)  # whatever a process remembers, it remembers now
    set_vip(2)

    receipt = scan(client, somebody)

    assert (receipt["tier_progress"]["current_tier"], receipt["usdt_earned"]) == ("vip", 100)


def test_thresholds_changed_while_a_scan_waits_rule_it(client: Client, sql: Connection, platform: Platform) -> None:
    somebody = factories.member()
    factories.set_scan_counter(499)

    with behind_the_counter(platform, sql, lambda: set_vip(1), lambda: scan(client, somebody)) as (_, scanned):
        pass

    assert (scanned.result()["tier_progress"]["current_tier"], scanned.result()["usdt_earned"]) == ("vip", 100)
    assert sql.execute_simple("SELECT scans, tier FROM member_quarters").rows == [[1, "vip"]]


def test_a_permanent_tier_set_while_a_scan_waits_for_its_member_counts(
    client: Client, sql: Connection, platform: Platform
) -> None:
    somebody, admin = factories.member(), factories.member(role=Role.OPERATIONS)
    factories.set_scan_counter(499)
    body = {"scope": "permanent", "tier": "vip", "reason": "a founder"}
    path = f"/v1/admin/members/{somebody.id}/tier"

    def override() -> int:
        return client(admin.token).put(path, body).status

    with ThreadPoolExecutor(2) as threads:
        with held(platform, f"SELECT FROM member_totals WHERE member_id = '{somebody.id}' FOR UPDATE"):
            overridden = threads.submit(override)
            until_waiting(sql, 1)
            scanned = threads.submit(scan, client, somebody)  # who calls has been read: a standard member
            until_waiting(sql, 2)
        assert overridden.result() == 200

    assert (scanned.result()["tier_progress"]["current_tier"], scanned.result()["usdt_earned"]) == ("vip", 100)


def test_an_override_that_is_removed_during_a_scan_does_not_come_back(
    client: Client, sql: Connection, platform: Platform
) -> None:
    somebody, admin = factories.member(), factories.member(role=Role.OPERATIONS)
    payout_driver, path = client(admin.token), f"/v1/admin/members/{somebody.id}/tier"
    assert payout_driver.put(path, {"scope": "quarter", "tier": "whale", "reason": "a test"}).status == 200

    with ThreadPoolExecutor(2) as threads:
        with held(platform, COUNTER):
            scanned = threads.submit(scan, client, somebody)
            until_waiting(sql, 1)  # it has seen the whale
            removed = threads.submit(lambda: payout_driver.delete(f"{path}/quarter").body["quarter_tier"])
            until_waiting(sql, 2)
        assert scanned.result()["tier_progress"]["current_tier"] == "whale"
        assert removed.result() == "standard"

    assert sql.execute_simple("SELECT tier, override_tier FROM member_quarters").rows == [["standard", None]]
    assert scan(client, somebody)["tier_progress"]["current_tier"] == "standard"


def test_terms_that_get_worse_begin_after_the_notice_and_better_ones_at_once(client: Client, sql: Connection) -> None:
    vip = factories.member(permanent_tier=Tier.VIP)
    factories.set_scan_counter(700)
    change(CHEAPER)
    assert revisions(sql)[1:] == [[2, 1_201, 50]]

    factories.set_scan_counter(999)
    assert scan(client, vip)["usdt_earned"] == 100
    factories.set_scan_counter(1_499)
    assert scan(client, vip)["usdt_earned"] == 50
    change(DEARER)
    factories.set_scan_counter(1_999)
    assert scan(client, vip)["usdt_earned"] == 150


def test_a_fact_that_changes_during_the_notice_leaves_the_notice_as_it_is(sql: Connection) -> None:
    factories.set_scan_counter(700)
    change(CHEAPER)
    factories.set_scan_counter(900)
    change("UPDATE sales_volume SET tins_per_month = 2500")

    assert revisions(sql)[1:] == [[2, 1_201, 50], [3, 901, 100], [4, 1_201, 50]]
    volumes = "SELECT body -> 'tins_per_month' FROM award_inputs ORDER BY revision"
    assert sql.execute_simple(volumes).rows == [[0], [0], [2_500], [2_500]]


def test_what_is_worse_than_what_is_coming_waits_for_its_own_notice(sql: Connection) -> None:
    factories.set_scan_counter(700)
    change(CHEAPER)
    factories.set_scan_counter(900)
    change("UPDATE comp_rules SET amount = 40000000 WHERE type = 'crypto_100'")
    assert revisions(sql)[2:] == [[3, 1_401, 40]]

    change("UPDATE comp_rules SET amount = 70000000 WHERE type = 'crypto_100'")
    assert revisions(sql)[3:] == [[4, 1_201, 70]]


def test_a_change_that_is_taken_back_during_the_notice_never_begins(sql: Connection) -> None:
    factories.set_scan_counter(700)
    change(CHEAPER)
    change("UPDATE comp_rules SET amount = 100000000 WHERE type = 'crypto_100'")
    assert revisions(sql)[1:] == [[2, 1_201, 50], [3, 1_201, 100]]


@pytest.mark.parametrize(
    "worse",
    [
        "UPDATE comp_rules SET enabled = false WHERE type = 'crypto_1k'",
        "UPDATE comp_rules SET \"interval\" = 8000 WHERE type = 'crypto_1k'",
        "UPDATE comp_rules SET tier = 'whale' WHERE type = 'crypto_1k'",
        "UPDATE comp_rules SET unlock_volume = 2501 WHERE type = 'crypto_1k'",
        "UPDATE settings SET value = '20' WHERE name = 'match_percent'",
        "UPDATE settings SET value = jsonb_set(value, '{whale}', '31') WHERE name = 'tier_thresholds'",
        "DELETE FROM comp_rules WHERE type = 'crypto_1k'",
    ],
)
def test_every_way_to_make_terms_worse_has_its_notice(sql: Connection, worse: str) -> None:
    factories.set_scan_counter(700)
    sql.execute_simple(worse)
    assert sql.execute_simple("SELECT from_number FROM award_inputs WHERE revision > 1").rows == [[1_201]]


@pytest.mark.parametrize(
    "better",
    [
        "UPDATE comp_rules SET \"interval\" = 2500 WHERE type = 'crypto_1k'",
        "UPDATE comp_rules SET tier = 'vip' WHERE type = 'crypto_1k'",
        "UPDATE comp_rules SET unlock_volume = 2400 WHERE type = 'crypto_1k'",
        "UPDATE comp_rules SET unlocked_by_admin = true WHERE type = 'crypto_1k'",
        "UPDATE settings SET value = '22' WHERE name = 'match_percent'",
        "UPDATE sales_volume SET tins_per_month = 1",
    ],
)
def test_what_gets_better_and_the_volume_begin_with_the_next_number(sql: Connection, better: str) -> None:
    factories.set_scan_counter(700)
    sql.execute_simple(better)
    assert sql.execute_simple("SELECT from_number FROM award_inputs WHERE revision > 1").rows == [[701]]


def test_what_changes_nothing_writes_no_revision(sql: Connection) -> None:
    change("UPDATE comp_rules SET updated_at = updated_at + interval '1 second'")
    change("UPDATE sales_volume SET as_of = as_of + interval '1 second'")
    assert len(revisions(sql)) == 1


def test_nobody_changes_a_revision_or_writes_one_for_a_number_that_was_given(sql: Connection) -> None:
    factories.set_scan_counter(700)
    for statement in (
        "UPDATE award_inputs SET from_number = 2",
        "DELETE FROM award_inputs",
        "INSERT INTO award_inputs (revision, from_number, body) VALUES (2, 701, '{}')",
    ):
        with pytest.raises(Exception, match="permission denied"):
            change(statement)
    with pytest.raises(Exception, match="award_inputs_past"):
        sql.execute_simple("INSERT INTO award_inputs (revision, from_number, body) VALUES (2, 700, '{}')")
    assert len(revisions(sql)) == 1


def test_of_changes_at_the_same_moment_none_is_lost(sql: Connection) -> None:
    kinds = ("crypto_100", "crypto_1k", "crypto_10k", "casino")
    ready = threading.Barrier(len(kinds))

    def raise_amount(kind: str) -> None:
        with db.transaction() as tx:
            tx.run("UPDATE comp_rules SET amount = amount + 1000000 WHERE type = CAST(:kind AS comp_type)", kind=kind)
            ready.wait()

    with ThreadPoolExecutor(len(kinds)) as threads:
        list(threads.map(raise_amount, kinds))

    ((body,),) = sql.execute_simple("SELECT body FROM award_inputs ORDER BY revision DESC LIMIT 1").rows
    assert [body["prizes"][kind]["amount"] // 10**6 for kind in kinds] == [101, 1_001, 10_001, 1_001]
    assert [revision for revision, *_ in revisions(sql)] == [1, 2, 3, 4, 5]


def test_the_match_of_a_scan_is_that_of_its_number(client: Client, sql: Connection) -> None:
    affiliate = factories.member()
    winner = factories.member(permanent_tier=Tier.VIP, referred_by=affiliate)
    factories.set_scan_counter(499)
    change("UPDATE settings SET value = '30' WHERE name = 'match_percent'")
    scan(client, winner)

    assert sql.execute_simple("SELECT value, amount FROM affiliate_earnings").rows == [[100_000_000, 30_000_000]]
    stored = "SELECT reason ->> 'inputs_revision', reason ->> 'match_percent' FROM comps"
    assert sql.execute_simple(stored).rows == [["2", "30"]]


@pytest.fixture
def taken(sql: Connection) -> UUID:
    """The only place for a trip of this month is taken, by this comp; the next number stands for another."""
    sql.execute_simple("UPDATE sales_volume SET tins_per_month = 500000")
    winner = factories.member()
    given = Award(winner.id, CompType.TRIP, ZERO, "manual", "a test", {})
    comp_id = db.atomically(lambda tx: awards.award(tx, given, datetime.now(UTC)))
    assert comp_id
    factories.set_scan_counter(499_999)
    return comp_id


def cancel(comp_id: UUID) -> bool:
    return db.atomically(lambda tx: awards.cancel(tx, comp_id, "a test", datetime.now(UTC)))


def trip(sql: Connection) -> bool:
    """Whether number 500,000 won the trip."""
    return bool(sql.execute_simple("SELECT awarded FROM milestones WHERE type = 'trip'").rows[0][0])


def test_a_trip_that_people_gave_uses_up_a_place(client: Client, sql: Connection, taken: UUID) -> None:
    scan(client, factories.member(permanent_tier=Tier.WHALE))
    assert not trip(sql)
    assert sql.execute_simple("SELECT comp_id, from_number, freed_number FROM trip_places").rows == [[taken, 1, None]]


def test_a_place_that_is_freed_before_the_number_is_there_for_it(
    client: Client, sql: Connection, taken: UUID, platform: Platform
) -> None:
    whale = factories.member(permanent_tier=Tier.WHALE)
    with behind_the_counter(platform, sql, lambda: cancel(taken), lambda: scan(client, whale)):
        pass
    assert trip(sql)
    assert sql.execute_simple("SELECT from_number, freed_number FROM trip_places ORDER BY 1").rows == [
        [1, 500_000],
        [500_001, None],
    ]


def test_a_place_that_is_freed_behind_the_number_comes_too_late(
    client: Client, sql: Connection, taken: UUID, platform: Platform
) -> None:
    whale = factories.member(permanent_tier=Tier.WHALE)
    with behind_the_counter(platform, sql, lambda: scan(client, whale), lambda: cancel(taken)):
        pass
    assert not trip(sql)
    assert sql.execute_simple("SELECT from_number, freed_number FROM trip_places").rows == [[1, 500_001]]
