"""Admins set a member's tier, for the quarter or for good, with a reason: a floor, told, recorded and removable."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared import db
from shared.auth import Role
from shared.db import ConstraintViolated
from shared.members import downline
from shared.values import tiers
from shared.values.tiers import Tier
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

REASON = "Codes of a damaged box"


@dataclass(frozen=True)
class TierAdmin:
    """An admin and the member whose tier is set."""

    admin: FunctionClient
    admin_id: object
    somebody: Somebody
    member: FunctionClient
    sql: Connection

    @property
    def path(self) -> str:
        return f"/v1/admin/members/{self.somebody.id}/tier"

    def override(self, scope: str, tier: str, reason: str = REASON) -> Answer:
        return self.admin.put(self.path, {"scope": scope, "tier": tier, "reason": reason})

    def remove(self, scope: str) -> Answer:
        return self.admin.delete(f"{self.path}/{scope}")

    def shown(self) -> dict[str, Any]:
        found: dict[str, Any] = self.member.get("/v1/users/me/tier").body
        return found

    def rows(self, statement: str) -> list[Any]:
        return list(self.sql.execute_simple(statement).rows)


@pytest.fixture
def tier_admin(client: Client, sql: Connection) -> TierAdmin:
    admin, somebody = factories.member(role=Role.OPERATIONS), factories.member()
    return TierAdmin(client(admin.token), admin.id, somebody, client(somebody.token), sql)


def this_quarter() -> str:
    return tiers.quarter_of(datetime.now(UTC))


def buy(tier_admin: TierAdmin, tins: int, source: str = "order:1") -> None:
    buyer = factories.member(referred_by=tier_admin.somebody)
    db.atomically(lambda tx: downline.add_tins(tx, buyer.id, tins, source, datetime.now(UTC)))


@pytest.mark.parametrize("tier", ["vip", "high_roller", "whale"])
def test_a_quarter_can_be_set_and_the_member_has_it_at_once(tier: str, tier_admin: TierAdmin) -> None:
    answer = tier_admin.override("quarter", tier)

    assert answer.status == 200
    assert (answer.body["tier"], answer.body["quarter_override"], answer.body["quarter_scans"]) == (tier, tier, 0)
    shown = tier_admin.shown()
    assert (shown["tier"], shown["quarter_tier"], shown["permanent_tier"]) == (tier, tier, "standard")
    assert shown["member_id"] == answer.body["member_id"] == tier_admin.member.get("/v1/users/me").body["member_id"]


def test_a_permanent_tier_can_be_set(tier_admin: TierAdmin) -> None:
    answer = tier_admin.override("permanent", "high_roller")

    assert (answer.body["permanent_tier"], answer.body["permanent_override"]) == ("high_roller", "high_roller")
    assert answer.body["permanent_earned"] == "standard"
    assert tier_admin.shown()["has_permanent_tier"] is True


def test_it_is_in_the_history_with_its_reason_and_in_the_audit_log(tier_admin: TierAdmin) -> None:
    tier_admin.override("quarter", "vip", "  too kind  ")
    tier_admin.override("permanent", "whale", "a founder")
    tier_admin.remove("permanent")

    history = tier_admin.admin.get(tier_admin.path).body["history"]
    assert [(line["kind"], line["tier"], line["is_permanent"], line["reason"]) for line in history] == [
        ("override_removed", "standard", True, None),
        ("override", "whale", True, "a founder"),
        ("override", "vip", False, "too kind"),
    ]
    assert {line["set_by"] for line in history} == {str(tier_admin.admin_id)}
    logged = tier_admin.rows(
        "SELECT action, resource_id, changes ->> 'reason', changes ->> 'tier' FROM audit_logs ORDER BY id"
    )
    assert logged == [
        ["member.tier_override", str(tier_admin.somebody.id), "too kind", "vip"],
        ["member.tier_override", str(tier_admin.somebody.id), "a founder", "whale"],
        ["member.tier_override_remove", str(tier_admin.somebody.id), None, "standard"],
    ]


def test_the_member_is_told_and_does_not_read_the_reason(tier_admin: TierAdmin) -> None:
    tier_admin.override("quarter", "whale")
    tier_admin.remove("quarter")

    notes = tier_admin.member.get("/v1/notifications").body["items"]
    assert [note["title"] for note in notes] == ["A tier that was set for you has ended", "Your tier was set to Whale"]
    assert [note["body"] for note in notes] == ["You are Standard now.", "It lasts until the quarter ends."]
    history = tier_admin.member.get("/v1/users/me/tier/history").body["items"]
    assert [line["kind"] for line in history] == ["override_removed", "override"]
    assert REASON not in str((notes, history))


def test_a_later_scan_never_lowers_it(tier_admin: TierAdmin) -> None:
    tier_admin.override("quarter", "high_roller")

    for code in factories.manufactured_codes(8):  # seven of them earn VIP
        receipt = tier_admin.member.post("/v1/scans/submit", {"code": code})
        assert (receipt.status, receipt.body["tier_progress"]["current_tier"]) == (201, "high_roller")

    assert tier_admin.shown()["quarter_tier"] == "high_roller"


def test_scans_still_earn_more(tier_admin: TierAdmin) -> None:
    tier_admin.override("quarter", "vip")
    for code in factories.manufactured_codes(15):
        tier_admin.member.post("/v1/scans/submit", {"code": code})

    assert tier_admin.shown()["quarter_tier"] == "high_roller"
    tier_admin.remove("quarter")
    assert tier_admin.shown()["quarter_tier"] == "high_roller"


def test_no_writer_can_put_the_tier_below_what_was_set(tier_admin: TierAdmin) -> None:
    tier_admin.override("quarter", "whale")

    with pytest.raises(ConstraintViolated):
        db.atomically(lambda tx: tx.run("UPDATE member_quarters SET tier = 'standard'"))


@pytest.mark.parametrize(("scope", "tier"), [("quarter", "vip"), ("quarter", "high_roller"), ("permanent", "vip")])
def test_what_was_earned_cannot_be_set_again_or_lowered(scope: str, tier: str, tier_admin: TierAdmin) -> None:
    factories.quarter(tier_admin.somebody, Tier.HIGH_ROLLER, 16, this_quarter())
    buy(tier_admin, 210)
    before = rows_of_all_tables(tier_admin.sql)

    answer = tier_admin.override(scope, tier)

    assert (answer.status, answer.problem) == (409, "tier-already-earned")
    assert rows_of_all_tables(tier_admin.sql) == before


def test_taking_it_back_leaves_what_was_earned(tier_admin: TierAdmin) -> None:
    factories.quarter(tier_admin.somebody, Tier.VIP, 9, this_quarter())
    buy(tier_admin, 2_100)
    tier_admin.override("quarter", "whale")
    tier_admin.override("permanent", "whale")

    assert tier_admin.remove("quarter").body["quarter_tier"] == "vip"
    assert tier_admin.remove("permanent").body["permanent_tier"] == "high_roller"
    shown = tier_admin.shown()
    assert (shown["tier"], shown["quarter_tier"], shown["permanent_tier"]) == ("high_roller", "vip", "high_roller")


def test_scans_made_meanwhile_count_when_it_is_taken_back(tier_admin: TierAdmin) -> None:
    tier_admin.override("quarter", "whale")
    tier_admin.rows("UPDATE member_quarters SET scans = 15 RETURNING tier")

    assert tier_admin.remove("quarter").body["quarter_tier"] == "high_roller"


def test_what_was_earned_under_lower_thresholds_is_not_lost_with_it(tier_admin: TierAdmin) -> None:
    for code in factories.manufactured_codes(7):
        tier_admin.member.post("/v1/scans/submit", {"code": code})
    tier_admin.rows(
        """UPDATE settings SET value = '{"standard": 0, "vip": 70, "high_roller": 150, "whale": 300}'
           WHERE name = 'tier_thresholds' RETURNING name"""
    )
    tier_admin.override("quarter", "whale")

    assert tier_admin.remove("quarter").body["quarter_tier"] == "vip"


def test_a_permanent_tier_earned_meanwhile_stays_when_it_is_taken_back(tier_admin: TierAdmin) -> None:
    tier_admin.override("permanent", "whale")
    buy(tier_admin, 210)
    assert tier_admin.shown()["permanent_tier"] == "whale"

    assert tier_admin.remove("permanent").body["permanent_tier"] == "vip"


def test_another_override_replaces_the_first(tier_admin: TierAdmin) -> None:
    tier_admin.override("quarter", "whale")

    assert tier_admin.override("quarter", "vip").body["quarter_tier"] == "vip"


@pytest.mark.parametrize("scope", ["quarter", "permanent"])
def test_what_was_not_set_cannot_be_taken_back(scope: str, tier_admin: TierAdmin) -> None:
    other = "permanent" if scope == "quarter" else "quarter"
    tier_admin.override(other, "vip")
    before = rows_of_all_tables(tier_admin.sql)

    assert tier_admin.remove(scope).problem == "not-found"
    assert rows_of_all_tables(tier_admin.sql) == before


def test_an_override_of_one_quarter_is_none_in_another(tier_admin: TierAdmin) -> None:
    factories.quarter(tier_admin.somebody, Tier.WHALE, 0, "2025-Q1")
    tier_admin.sql.execute_unnamed(
        """
        INSERT INTO tier_history (member_id, quarter, kind, tier, scan_count, achieved_at, reason, set_by)
        SELECT $1, '2025-Q1', 'override', 'whale', 0, now(), 'kind', id FROM members WHERE role = 'operations'
        """,
        (tier_admin.somebody.id,),
    )
    tier_admin.rows("UPDATE member_quarters SET override_tier = 'whale' RETURNING tier")

    assert tier_admin.shown()["tier"] == "standard"
    assert tier_admin.admin.get(tier_admin.path).body["quarter_override"] is None
    assert tier_admin.remove("quarter").problem == "not-found"


def test_what_was_earned_in_another_quarter_is_not_what_is_left_of_this_one(tier_admin: TierAdmin) -> None:
    other = factories.member()
    tier_admin.sql.execute_unnamed(
        """
        INSERT INTO tier_history (member_id, quarter, kind, tier, scan_count, achieved_at)
        VALUES ($1, '2025-Q1', 'earned', 'whale', 30, now()), ($2, $3, 'earned', 'whale', 30, now())
        """,
        (tier_admin.somebody.id, other.id, this_quarter()),
    )

    assert tier_admin.override("quarter", "vip").body["quarter_tier"] == "vip"
    assert tier_admin.remove("quarter").body["quarter_tier"] == "standard"


def test_members_and_other_admins_may_not(tier_admin: TierAdmin, client: Client) -> None:
    strangers = [
        tier_admin.member,
        *(client(factories.member(role=role).token) for role in (Role.SUPPORT, Role.TREASURY)),
    ]
    before = rows_of_all_tables(tier_admin.sql)
    for stranger in strangers:
        for answer in (
            stranger.get(tier_admin.path),
            stranger.put(tier_admin.path, {"scope": "permanent", "tier": "whale", "reason": "me"}),
            stranger.delete(f"{tier_admin.path}/permanent"),
        ):
            assert (answer.status, answer.problem) == (403, "not-allowed")
    assert rows_of_all_tables(tier_admin.sql) == before


def test_of_nobody_there_is_nothing_to_set(tier_admin: TierAdmin) -> None:
    path = f"/v1/admin/members/{uuid4()}/tier"
    before = rows_of_all_tables(tier_admin.sql)
    assert tier_admin.admin.get(path).problem == "not-found"
    assert tier_admin.admin.put(path, {"scope": "quarter", "tier": "vip", "reason": "x"}).problem == "not-found"
    assert tier_admin.admin.put(path, {"scope": "permanent", "tier": "vip", "reason": "x"}).problem == "not-found"
    assert tier_admin.admin.delete(f"{path}/quarter").problem == "not-found"
    assert rows_of_all_tables(tier_admin.sql) == before


@pytest.mark.parametrize("scope", ["Quarter", "PERMANENT", "both", "%00", "quarter ", "2026-Q4"])
def test_a_scope_that_is_none_names_nothing(scope: str, tier_admin: TierAdmin) -> None:
    tier_admin.override("quarter", "vip")
    before = rows_of_all_tables(tier_admin.sql)
    answer = tier_admin.admin.raw("admin_members", "DELETE", f"{tier_admin.path}/{scope}")
    assert answer.status_code == 404
    assert rows_of_all_tables(tier_admin.sql) == before


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_a_reason_is_needed(reason: str, tier_admin: TierAdmin) -> None:
    before = rows_of_all_tables(tier_admin.sql)
    assert tier_admin.override("quarter", "vip", reason).problem == "not-valid"
    assert rows_of_all_tables(tier_admin.sql) == before


def test_overrides_and_purchases_at_the_same_moment_both_count(tier_admin: TierAdmin) -> None:
    buyers = [factories.member(referred_by=tier_admin.somebody) for _ in range(8)]

    def act(number: int) -> None:
        if number % 8 == 0:
            assert tier_admin.override("permanent", "high_roller", f"{number}").status == 200
        else:
            buyer = buyers[number % 8]
            db.atomically(lambda tx: downline.add_tins(tx, buyer.id, 10, f"order:{number}", datetime.now(UTC)))

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(act, range(64)))

    found = tier_admin.admin.get(tier_admin.path).body
    assert (found["downline_tins"], found["permanent_earned"], found["permanent_tier"]) == (560, "vip", "high_roller")
    earned = tier_admin.rows("SELECT tier, downline_tins FROM tier_history WHERE kind = 'earned'")
    assert earned == [["vip", 210]]
