"""Owners change settings: by version and reason, within bounds, with what would change, history and a way back."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.admin_settings.registry import REGISTRY
from shared import db, settings
from shared.auth import Role
from shared.values.tiers import Tier
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

SETTINGS = "/v1/admin/settings"
COUNTED = ("second_factors", "attempt_counters", "idempotency_keys")
THRESHOLDS = {"standard": 0, "vip": 7, "high_roller": 15, "whale": 30}


@dataclass(frozen=True)
class SettingsDesk:
    """An owner with an app, and the requests about settings that they send."""

    owner: TreasuryAdmin
    sql: Connection

    def put(self, name: str, value: object, version: int | None = 1, query: str = "", **other: Any) -> Answer:
        body = {"value": value, "reason": "it was too low", "totp": self.owner.code()} | other
        return self._send(version, lambda: self.owner.client.put(f"{SETTINGS}/{name}{query}", body))

    def revert(self, name: str, revision: int, version: int) -> Answer:
        body = {"revision": revision, "reason": "it was a mistake", "totp": self.owner.code()}
        return self._send(version, lambda: self.owner.client.post(f"{SETTINGS}/{name}/revert", body))

    def _send(self, version: int | None, send: Callable[[], Answer]) -> Answer:
        self.owner.client.headers.pop("If-Match", None)
        if version is not None:
            self.owner.client.headers["If-Match"] = f'"{version}"'
        answer = send()
        self.owner.client.headers.pop("If-Match", None)
        return answer

    def history(self, name: str) -> list[dict[str, Any]]:
        return list(self.owner.client.get(f"{SETTINGS}/{name}/history").body["items"])

    def value(self, name: str) -> Any:
        ((value,),) = self.sql.execute_unnamed("SELECT value FROM settings WHERE name = $1", (name,)).rows
        return value


@pytest.fixture
def desk(client: Client, sql: Connection) -> SettingsDesk:
    return SettingsDesk(treasury_admin(client, Role.OWNER), sql)


@pytest.fixture
def second(client: Client, desk: SettingsDesk) -> SettingsDesk:
    return SettingsDesk(treasury_admin(client, Role.OWNER), desk.sql)


def test_a_change_is_in_force_in_the_history_and_in_the_audit_log(desk: SettingsDesk) -> None:
    answer = desk.put("scans_per_hour_max", 90)
    assert (answer.status, answer.body["value"], answer.body["revision"]) == (200, 90, 2)
    assert answer.headers["ETag"] == '"2"'
    assert db.atomically(settings.load).scans_per_hour_max == 90
    (change,) = desk.history("scans_per_hour_max")
    assert (change["before"], change["after"], change["revision"], change["reason"]) == (60, 90, 2, "it was too low")
    assert change["changed_by"] == str(desk.owner.somebody.id)
    lines = desk.sql.execute_simple("SELECT action, resource_id, changes FROM audit_logs").rows
    assert lines == [["setting.change", "scans_per_hour_max", {"before": 60, "after": 90, "reason": "it was too low"}]]


def test_every_setting_is_listed_with_a_value_that_fits_its_type(desk: SettingsDesk) -> None:
    items = desk.owner.client.get(SETTINGS).body["items"]
    assert {item["name"] for item in items} == set(REGISTRY)
    assert {item["name"] for item in items if item["value"] == ""} == UNSET
    wrong = []
    for item in items:
        if item["name"] in UNSET:
            continue
        answer = desk.put(item["name"], item["value"], query="?dry_run=true")
        if answer.status != 200:
            wrong.append(f"{item['name']}: {answer.body}")
    assert not wrong, "\n".join(wrong)


UNSET = {"postal_address"}  # it begins empty: nobody but the owners knows it
ELSEWHERE = {"shop_destinations", "trip_destinations", "wholesale_milestones"}  # lists that no owner's form has yet


def test_a_setting_is_in_the_registry_or_said_to_be_changed_elsewhere(desk: SettingsDesk) -> None:
    names = {name for (name,) in desk.sql.execute_simple("SELECT name FROM settings").rows}
    assert names - ELSEWHERE == set(REGISTRY)


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("scans_per_hour_max", 0, "/value"),
        ("scans_per_hour_max", 10_001, "/value"),
        ("scans_per_hour_max", "60", "/value"),
        ("scans_per_hour_max", 60.5, "/value"),
        ("scans_per_hour_max", True, "/value"),
        ("scans_per_hour_max", None, "/value"),
        ("scans_per_hour_max", {"value": 60}, "/value"),
        ("concierge_email", "nobody", "/value"),
        ("postal_address", "", "/value"),
        ("postal_address", "1 Main St", "/value"),
        ("postal_address", "x" * 301, "/value"),
        ("postal_address", "1 Main Street\u202e, Austin", "/value"),
        ("postal_address", ["1 Main Street, Austin"], "/value"),
        ("tier_thresholds", THRESHOLDS | {"vip": 0}, "/value/vip"),
        ("tier_thresholds", THRESHOLDS | {"standard": 1}, "/value/standard"),
        ("tier_thresholds", THRESHOLDS | {"vip": 15}, "/value"),
        ("tier_thresholds", THRESHOLDS | {"whale": 14}, "/value"),
        ("tier_thresholds", THRESHOLDS | {"king": 99}, "/value/king"),
        ("tier_thresholds", {"standard": 0, "vip": 7}, "/value/high_roller"),
        ("shop_limits", {"unpaid": 2, "tins": 601, "tins_in_30_days": 600}, "/value"),
        ("shop_shipping", {"cost": -1, "free_from": 50}, "/value/cost"),
        ("shop_shipping", {"cost": 2.9999999, "free_from": 50}, "/value/cost"),
        ("manual_award_limits", {"single": 1001, "day": 1000}, "/value"),
        ("affiliate_week", {"chips_max": 1000, "payout_min": 1, "approval": "never", "award_alone_max": 1000},
         "/value/approval"),
    ],
)  # fmt: skip
def test_out_of_bounds_of_another_type_and_against_each_other_are_refused(
    desk: SettingsDesk, name: str, value: object, field: str
) -> None:
    before = rows_of_all_tables(desk.sql, without=COUNTED)
    answer = desk.put(name, value)
    assert (answer.status, answer.problem) == (422, "not-valid")
    assert field in [error["field"] for error in answer.body["errors"]]
    assert rows_of_all_tables(desk.sql, without=COUNTED) == before


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_text_is_stored_in_its_normalized_form(desk: SettingsDesk, end: str) -> None:
    answer = desk.put("postal_address", end.join(["  BlakJaks LLC ", "1 Main Street", ""]))
    assert (answer.status, answer.body["value"]) == (200, "BlakJaks LLC\n1 Main Street")
    assert db.atomically(settings.load).postal_address == "BlakJaks LLC\n1 Main Street"
    assert desk.put("postal_address", "", version=2).problem == "not-valid"


def test_the_version_that_was_read_is_asked_for(desk: SettingsDesk) -> None:
    assert desk.put("stock_low", 90, version=None).problem == "precondition-required"
    assert desk.put("stock_low", 90).status == 200
    assert desk.put("stock_low", 80).problem == "precondition-failed"
    assert desk.value("stock_low") == 90


def test_of_two_changes_at_once_one_is_refused(desk: SettingsDesk, second: SettingsDesk) -> None:
    with ThreadPoolExecutor() as pool:
        changes = [pool.submit(who.put, "stock_low", value) for who, value in ((desk, 90), (second, 80))]
        answers = [change.result() for change in changes]
    assert sorted(answer.status for answer in answers) == [200, 412]
    assert len(desk.history("stock_low")) == 1


def test_there_is_no_setting_of_another_name(desk: SettingsDesk) -> None:
    assert desk.put("no_such_thing", 1).problem == "not-found"
    assert desk.owner.client.get(f"{SETTINGS}/no_such_thing/history").problem == "not-found"


def test_a_wrong_code_changes_nothing(desk: SettingsDesk) -> None:
    assert desk.put("stock_low", 90, totp=desk.owner.code(ahead=5)).problem == "second-factor-wrong"
    assert desk.value("stock_low") == 100


def test_the_value_that_it_has_is_no_change(desk: SettingsDesk) -> None:
    before = rows_of_all_tables(desk.sql, without=COUNTED)
    assert desk.put("stock_low", 100).body["revision"] == 1
    assert rows_of_all_tables(desk.sql, without=COUNTED) == before


def test_a_dry_run_says_what_would_change_and_changes_nothing(desk: SettingsDesk) -> None:
    quarter = desk.sql.execute_simple("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-\"Q\"Q')").rows[0][0]
    for scans, tier in ((7, Tier.VIP), (8, Tier.VIP), (20, Tier.HIGH_ROLLER), (40, Tier.WHALE)):
        factories.quarter(factories.member(), tier, scans, str(quarter))
    before = rows_of_all_tables(desk.sql, without=COUNTED)
    answer = desk.put("tier_thresholds", THRESHOLDS | {"vip": 8, "high_roller": 25}, query="?dry_run=true")
    assert (answer.body["is_dry_run"], answer.body["value"], answer.body["revision"]) == (True, THRESHOLDS, 1)
    assert answer.body["effects"] == [
        {"what": "members from high_roller to vip", "count": 1},
        {"what": "members from vip to standard", "count": 1},
    ]
    assert rows_of_all_tables(desk.sql, without=COUNTED) == before


def test_thresholds_that_get_harder_wait_for_the_notice(desk: SettingsDesk) -> None:
    """They are award inputs: a change makes a revision of the public terms (shared/comps/award_inputs.py)."""
    revisions = "SELECT count(*) FROM award_inputs"
    before = desk.sql.execute_simple(revisions).rows
    assert desk.put("tier_thresholds", THRESHOLDS | {"vip": 9}).status == 200
    assert desk.sql.execute_simple(revisions).rows > before


def test_what_bounds_payments_changes_when_a_second_owner_says_the_same(
    desk: SettingsDesk, second: SettingsDesk
) -> None:
    limits = {"single": 300, "day": 1000}
    first = desk.put("manual_award_limits", limits)
    assert (first.body["revision"], first.body["value"]["single"]) == (1, 250)
    assert [wish["value"] for wish in first.body["wishes"]] == [limits]
    assert desk.put("manual_award_limits", limits).body["revision"] == 1
    assert second.put("manual_award_limits", limits | {"single": 400}).body["revision"] == 1

    agreed = second.put("manual_award_limits", limits)

    assert (agreed.body["revision"], agreed.body["value"], agreed.body["wishes"]) == (2, limits, [])
    (change,) = desk.history("manual_award_limits")
    assert change["changed_by"] == str(desk.owner.somebody.id)
    assert change["approved_by"] == str(second.owner.somebody.id)


def test_a_wish_of_yesterday_and_of_somebody_who_is_no_owner_any_more_does_not_count(
    desk: SettingsDesk, second: SettingsDesk
) -> None:
    limits = {"single": 300, "day": 1000}
    desk.put("manual_award_limits", limits)
    desk.sql.execute_simple("UPDATE setting_wishes SET wished_at = wished_at - interval '25 hours'")
    assert second.put("manual_award_limits", limits).body["revision"] == 1
    desk.sql.execute_unnamed("UPDATE members SET role = NULL WHERE id = $1", (second.owner.somebody.id,))
    assert desk.put("manual_award_limits", limits).body["revision"] == 1


def test_an_earlier_value_comes_back_as_a_new_revision(desk: SettingsDesk) -> None:
    desk.put("stock_low", 90)
    desk.put("stock_low", 80, version=2)
    assert desk.revert("stock_low", 2, version=3).body["value"] == 90
    assert desk.revert("stock_low", 1, version=4).body["value"] == 100
    assert [change["after"] for change in desk.history("stock_low")] == [100, 90, 80, 90]
    assert desk.revert("stock_low", 77, version=5).problem == "not-found"
    assert desk.revert("stock_low", 1, version=4).problem == "precondition-failed"


def test_a_history_is_never_changed(desk: SettingsDesk) -> None:
    desk.put("stock_low", 90)
    with pytest.raises(Exception, match="append_only"):
        desk.sql.execute_simple("UPDATE setting_changes SET reason = 'another'")
