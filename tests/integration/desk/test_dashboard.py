"""Admins see first what waits for people: each queue with its number, its oldest thing, and where it is listed."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pg8000.dbapi import Connection

from emulators import contract
from functions.admin_desk.dashboard import FIGURES, PATHS, QUICK_ACTIONS
from functions.admin_desk.queue_store import QUEUES
from shared.auth import Role
from shared.figures.names import Name
from tests import factories
from tests.client import FunctionClient
from tests.factories import NOW
from tests.fakes import card_lists, desk_list_rows, list_rows, mail_list_rows, shop_list_rows, usdt_rows
from tests.fakes.bank_rows import bank
from tests.fakes.plain_rows import put, unchecked
from tests.fakes.week_rows import manual_earning

pytest_plugins = ["tests.fakes.treasury_plugin"]

Client = Callable[..., FunctionClient]
EARLIER = NOW - timedelta(hours=1)


def by_number(make: Callable[..., object], waits: int, done: int) -> Callable[[Connection], None]:
    """Makes two things that wait, the older one last, and one that is done."""

    def both(sql: Connection) -> None:
        assert sql
        owner = factories.member(role=Role.OPERATIONS)
        for at, number in ((NOW, waits), (EARLIER, waits + 6), (EARLIER - timedelta(hours=1), done)):
            make(owner, at, number)

    return both


def payment_findings(sql: Connection) -> None:
    assert sql
    card_lists.payment_finding(NOW)
    card_lists.payment_finding(EARLIER)
    card_lists.payment_finding(EARLIER - timedelta(hours=1), is_resolved=True)


def deposits(sql: Connection) -> None:
    assert sql
    usdt_rows.deposit(NOW)
    usdt_rows.deposit(EARLIER, block=2)


def weeks(sql: Connection) -> None:
    drop_checks(sql, "affiliate_weeks")
    for number, (at, state) in enumerate(((NOW, "ready"), (EARLIER, "ready"), (EARLIER, "opened"))):
        week_on = list_rows.affiliate_week(factories.member(), at, number)
        with unchecked(sql):
            sql.execute_unnamed(
                "UPDATE affiliate_weeks SET state = $1, ready_at = $2 WHERE week_on = $3::text::date",
                (state, at, week_on),
            )


def drop_checks(sql: Connection, table: str) -> None:
    """A week or a campaign in the middle of its life needs a history that matters to nobody here."""
    names = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = $1::text::regclass"
    for (name,) in sql.execute_unnamed(names, (table,)).rows:
        sql.execute_simple(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


def trips(sql: Connection) -> None:
    for at in (NOW, EARLIER):
        trip = factories.trip(factories.member(), chosen=True)
        with unchecked(sql):
            sql.execute_unnamed("UPDATE trips SET chosen_at = $1 WHERE comp_id = $2", (at, trip))


def flagged_scans(sql: Connection) -> None:
    for at in (NOW, EARLIER):
        scan = factories.flagged_scan()
        sql.execute_unnamed("UPDATE flagged_scans SET flagged_at = $1 WHERE scan_id = $2", (at, scan))


def affiliate_awards(sql: Connection) -> None:
    with unchecked(sql):
        for at in (NOW, EARLIER):
            sql.execute_unnamed("UPDATE affiliate_earnings SET earned_at = $1 WHERE id = $2", (at, manual_earning(sql)))


def foreign_nonces(sql: Connection) -> None:
    with unchecked(sql):
        for number, at in enumerate((NOW, EARLIER)):
            put(sql, "payout_slots", signer=f"0x{'ab' * 20}", nonce=number, state="FOREIGN", allocated_at=at,
                state_at=at)  # fmt: skip


def campaigns(sql: Connection) -> None:
    drop_checks(sql, "campaigns")
    for number, (at, state) in enumerate(((NOW, "paused"), (EARLIER, "paused"), (EARLIER, "draft"))):
        made = mail_list_rows.campaign(factories.member(role=Role.OPERATIONS), at, number)
        with unchecked(sql):
            sql.execute_unnamed(
                "UPDATE campaigns SET state = $1, pause_reason = CASE $1 WHEN 'paused' THEN 'late' END WHERE id = $2",
                (state, made),
            )


def banks(sql: Connection) -> None:
    for at, state in ((NOW, "needs_reauth"), (EARLIER, "needs_reauth"), (EARLIER, "active")):
        bank(sql, at, state)


def wholesale_applications(sql: Connection) -> None:
    with unchecked(sql):
        for at in (NOW, EARLIER):
            made = list_rows.wholesale(factories.member(), at, 0)
            sql.execute_unnamed("UPDATE wholesale_accounts SET applied_at = $1 WHERE id = $2", (at, made))


FILLED: Mapping[str, Callable[[Connection], None]] = {
    "payouts": by_number(partial(list_rows.payout, "test"), 0, 1),
    "foreign_nonces": foreign_nonces,
    "flagged_scans": flagged_scans,
    "guarantee_reviews": by_number(list_rows.guarantee_review, 0, 1),
    "referral_reviews": by_number(list_rows.referral_review, 0, 1),
    "comps": by_number(list_rows.comp, 2, 1),
    "affiliate_awards": affiliate_awards,
    "trips": trips,
    "weeks": weeks,
    "findings": by_number(list_rows.finding, 0, 1),
    "critical_events": by_number(desk_list_rows.critical_event, 1, 0),
    "payment_findings": payment_findings,
    "refunds": by_number(shop_list_rows.refund_request, 0, 1),
    "deposits": deposits,
    "campaigns": campaigns,
    "banks": banks,
    "wholesale_applications": wholesale_applications,
}


def shown(client: Client) -> dict[str, Any]:
    answer = client(factories.member(role=Role.OPERATIONS).token).get("/v1/admin/dashboard")
    assert answer.status == 200, answer.body
    return dict(answer.body)


def queue(body: dict[str, Any], name: str) -> tuple[int, str | None]:
    (found,) = [each for each in body["queues"] if each["name"] == name]
    return found["count"], found["oldest_at"]


@pytest.mark.parametrize("name", FILLED)
@pytest.mark.usefixtures("two_nodes")
def test_a_queue_tells_how_many_wait_and_since_when(name: str, client: Client, sql: Connection) -> None:
    assert queue(shown(client), name) == (0, None)
    FILLED[name](sql)
    count, oldest_at = queue(shown(client), name)
    assert count == 2
    assert oldest_at
    assert datetime.fromisoformat(oldest_at) == EARLIER


def test_every_queue_is_tried_and_has_a_statement_and_a_path() -> None:
    assert set(FILLED) == set(QUEUES) == set(PATHS)


def test_paths_are_those_of_the_contract() -> None:
    known = {(operation.method, operation.template) for operation in contract.operations()}
    assert {("GET", path.partition("?")[0]) for path in PATHS.values()} <= known
    for path in QUICK_ACTIONS.values():
        assert ("GET" if "?" in path else "POST", path.partition("?")[0]) in known, path


def test_it_has_what_the_plan_lists_by_name(client: Client) -> None:
    """Feature 14: users, active ones, scans, revenue, orders, affiliates, payouts, and what admins do most often."""
    body = shown(client)
    listed = {"members", "active_members", "scans_today", "scans_this_week", "revenue", "orders_under_way",
              "affiliates_active", "payout_pipeline"}  # fmt: skip
    assert listed <= {figure["name"] for figure in body["figures"]}
    actions = {action["name"]: action["path"] for action in body["quick_actions"]}
    assert actions["order_codes"] == "/v1/admin/qr/generate"
    assert actions["start_live_event"] == "/v1/admin/streaming/events?status=scheduled"
    assert actions["approve_wholesale_account"] == "/v1/admin/wholesale/applications?status=pending"


def test_figures_come_with_their_age_and_with_why_they_have_no_value(client: Client, sql: Connection) -> None:
    sql.execute_unnamed("INSERT INTO figures VALUES ($1, '42', NULL, now(), 60)", (Name.MEMBERS.value,))
    sql.execute_unnamed(
        "INSERT INTO figures VALUES ($1, '7', NULL, now() - interval '2 minutes', 60)", (Name.SCANS_TODAY.value,)
    )
    found = {figure["name"]: figure for figure in shown(client)["figures"]}
    assert set(found) == {name.value for name in FIGURES}
    assert (found["members"]["value"], found["members"]["is_stale"]) == (42, False)
    assert (found["scans_today"]["value"], found["scans_today"]["is_stale"]) == (7, True)
    missing = found["tins_this_month"]
    assert (missing["value"], missing["as_of"], missing["is_stale"]) == (None, None, True)
    assert missing["reason"]
