"""Reports as CSV files: whole or not there, without formulas, and gone when somebody who is named in them leaves."""

import csv
import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from emulators import cloud
from functions.admin_analytics import rules
from functions.member_erase import main as erasing
from functions.report_export import main, pages, store
from shared import clock, db
from shared.auth import Role
from shared.events import ExportReport
from shared.ports import files
from shared.ports.files import FileMissing
from shared.reports.storage import object_name
from tests import factories
from tests.client import Answer, FunctionClient, refusal
from tests.fakes.crashes import Crash, crash
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.plain_rows import put, unchecked
from tests.fakes.profile_client import fetched
from tests.fakes.sale_rows import refunded, sold
from tests.platform import Platform

Client = Callable[..., FunctionClient]

DAYS = {"from": "2026-11-01", "to": "2026-11-30"}
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HOSTILE = (
    '=HYPERLINK("http://example.com")',
    "+1",
    "-1",
    "@SUM(A1)",
    " =1",
    "\uff1d1",
    '"',
    'a","b',
    "a\r\nb",
    "O'Hara",
)


@dataclass
class Reports:
    """Admins who ask for reports, and the queue that has them made."""

    client: Client
    invoker: FunctionInvoker
    sql: Connection

    def __post_init__(self) -> None:
        self.admins = {
            role: self.client(factories.member(role=role).token) for role in (Role.OPERATIONS, Role.TREASURY)
        }

    def admin(self, name: str) -> FunctionClient:
        return self.admins[Role.TREASURY if name in ("audit-log", "affiliates") else Role.OPERATIONS]

    def ask(self, name: str, **body: object) -> Answer:
        answer = self.admin(name).post(f"/v1/admin/{name}/export", {"reason": "For the books", **body})
        assert answer.status == 202, answer.body
        assert (answer.body["state"], "download_url" in answer.body) == ("making", False)
        return answer

    def make(self, export_id: str) -> int:
        return self.invoker.task("report_export", "report-export", {"export_id": export_id})

    def state(self, name: str, export_id: str) -> dict[str, Any]:
        return dict(self.admin(name).get(f"/v1/admin/exports/{name}/{export_id}").body)

    def made(self, name: str, **body: object) -> tuple[dict[str, Any], list[dict[str, str]]]:
        """A report's state, and its rows."""
        export_id = self.ask(name, **body).body["id"]
        assert self.make(export_id) == 204
        state = self.state(name, export_id)
        return state, rows(state)


def rows(state: dict[str, Any]) -> list[dict[str, str]]:
    data, headers = fetched(state["download_url"])
    assert state["state"] == "ready"
    assert (len(data), hashlib.sha256(data).hexdigest()) == (state["bytes"], state["sha256"])
    assert data.startswith(b"\xef\xbb\xbf")
    assert "attachment" in headers["content-disposition"]
    found = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    assert len(found) == state["rows"]
    return found


@pytest.fixture
def reports(client: Client, platform: Platform, sql: Connection) -> Reports:
    return Reports(client, FunctionInvoker(platform.invoker_token), sql)


@pytest.fixture
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "ROWS_AT_ONCE", 2)


def stored(export_id: str, run_id: str) -> bool:
    try:
        files.stored(cloud.REPORTS_BUCKET, object_name(UUID(export_id), UUID(run_id)))
    except FileMissing:
        return False
    return True


def runs(sql: Connection, export_id: str) -> list[str]:
    found = sql.execute_unnamed("SELECT run_id FROM report_files WHERE export_id = $1 ORDER BY begun_at", (export_id,))
    return [str(run_id) for (run_id,) in found.rows]


@pytest.mark.usefixtures("_small_pages")
def test_members_come_back_as_they_are_and_no_name_is_a_formula(reports: Reports) -> None:
    people = [factories.member() for _ in HOSTILE]
    for person, name in zip(people, HOSTILE, strict=True):
        reports.sql.execute_unnamed("UPDATE members SET full_name = $1 WHERE id = $2", (name, person.id))
    gone = factories.member()
    reports.sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (gone.id,))

    _, found = reports.made("users")

    names = {row["id"]: row["full_name"] for row in found}
    for person, name in zip(people, HOSTILE, strict=True):
        is_formula = name.strip()[0] in "=+-@\uff1d"
        assert names[str(person.id)] == (f"'{name}" if is_formula else name)
    assert [int(row["number"]) for row in found] == sorted(int(row["number"]) for row in found)
    left = next(row for row in found if row["id"] == str(gone.id))
    assert (left["full_name"], left["email"], left["username"], left["status"]) == ("", "", "", "deleted")


def test_members_of_a_status_only(reports: Reports) -> None:
    suspended = factories.member()
    reports.sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (suspended.id,))
    _, found = reports.made("users", status="suspended")
    assert [row["id"] for row in found] == [str(suspended.id)]


@pytest.mark.usefixtures("_small_pages")
def test_orders_of_utc_days_with_both_ends_and_exact_amounts(reports: Reports) -> None:
    buyer = factories.member()
    for at in ("2026-10-31 23:59:59.999999Z", "2026-11-01 00:00Z", "2026-11-15 12:00Z", "2026-11-15 12:00Z",
               "2026-11-30 23:59:59.999999Z", "2026-12-01 00:00Z"):  # fmt: skip
        order = sold(reports.sql, datetime.fromisoformat(at), member_id=buyer.id, tins=3)
        refunded(reports.sql, order, NOON)

    _, found = reports.made("orders", **DAYS)

    assert [row["placed_at"] for row in found] == [
        "2026-11-01T00:00:00Z", "2026-11-15T12:00:00Z", "2026-11-15T12:00:00Z", "2026-11-30T23:59:59.999999Z",
    ]  # fmt: skip
    assert {(row["subtotal"], row["total_amount"], row["refunded_amount"]) for row in found} == {
        ("14.97", "20.37", "5.39")
    }
    assert found[0]["number"].startswith("SO-")
    _, cancelled = reports.made("orders", **DAYS, state="cancelled")
    assert cancelled == []


@pytest.mark.usefixtures("_small_pages")
def test_lines_of_the_audit_log_that_match_all_filters(reports: Reports) -> None:
    reports.made("users")
    today = f"{clock.now():%Y-%m-%d}"
    reports.made("analytics", metrics=["orders"], **DAYS)
    _, everything = reports.made("audit-log", **{"from": today, "to": today})
    assert [row["action"] for row in everything] == ["report.export"] * 3
    assert '"kind": "users"' in everything[0]["changes"]
    asked = {"from": today, "to": today, "action": "report.export", "resource_id": everything[1]["resource_id"]}
    _, one = reports.made("audit-log", **asked)
    assert [row["id"] for row in one] == [everything[1]["id"]]
    _, none = reports.made("audit-log", **{**asked, "actor": str(uuid4())})
    assert none == []


def test_affiliates_and_metrics_are_written_too(reports: Reports) -> None:
    affiliate = factories.member()
    with unchecked(reports.sql):
        put(reports.sql, "affiliate_figures", affiliate_id=affiliate.id, downline=3, chips=70, earned=1_500_000)
        put(reports.sql, "metric_days", day="2026-11-02", metric="revenue", key="retail", value=4.99, as_of=NOON)
    reports.sql.execute_unnamed("UPDATE figure_progress SET as_of = $1", (NOON,))

    _, (row,) = reports.made("affiliates")
    _, values = reports.made("analytics", metrics=["revenue"], interval="month", compare="previous", **DAYS)

    assert (row["id"], row["downline"], row["chips"], row["earned"]) == (str(affiliate.id), "3", "70", "1.50")
    assert [(it["period"], it["first_day"], it["is_complete"], it["key"], it["value"]) for it in values] == [
        ("asked", "2026-11-01", "false", "", "4.99"),
        ("asked", "2026-11-01", "false", "retail", "4.99"),
        ("compared", "2026-10-02", "true", "", "0.00"),
    ]


def test_a_report_of_nothing_has_its_header_alone(reports: Reports) -> None:
    state, found = reports.made("orders", **DAYS)
    assert (state["rows"], found) == (0, [])


def test_a_second_delivery_changes_nothing(reports: Reports) -> None:
    state, _ = reports.made("users")
    assert reports.make(state["id"]) == 204
    again = reports.state("users", state["id"])
    assert {**again, "download_url": 0, "link_expires_at": 0} == {**state, "download_url": 0, "link_expires_at": 0}
    assert len(runs(reports.sql, state["id"])) == 1


def test_a_run_beside_another_one_waits_until_that_lets_go(reports: Reports) -> None:
    export_id = reports.ask("users").body["id"]
    now = clock.now()
    db.atomically(store.begin, UUID(export_id), uuid4(), now, now + main.HELD)
    assert reports.make(export_id) == 503
    reports.sql.execute_unnamed("UPDATE report_exports SET held_until = $1", (now,))
    assert reports.make(export_id) == 204
    assert reports.state("users", export_id)["state"] == "ready"


@pytest.mark.usefixtures("_small_pages")
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_run_that_is_killed_leaves_nothing_to_see_and_the_next_one_makes_it_whole(
    reports: Reports, at: int, after: bool
) -> None:
    for _ in range(3):
        factories.member()
    export_id = reports.ask("users").body["id"]
    task = ExportReport(export_id=UUID(export_id))
    with crash(db, "atomically", at=at, after=after) as has_died:
        with suppress(Crash):
            main.make(task, clock.now())
        assert has_died()
    state = reports.state("users", export_id)
    assert state["state"] == "making" or rows(state)
    reports.sql.execute_unnamed("UPDATE report_exports SET held_until = $1 WHERE state = 'making'", (NOON,))

    assert reports.make(export_id) == 204

    assert len(rows(reports.state("users", export_id))) == 5


def test_a_run_that_was_overtaken_shows_nothing_and_deletes_its_file(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_id = reports.ask("users").body["id"]
    finish = store.finish

    def overtaken(*arguments: Any, **named: Any) -> bool:
        reports.sql.execute_unnamed("UPDATE report_exports SET run_id = $1", (uuid4(),))
        return finish(*arguments, **named)

    monkeypatch.setattr(store, "finish", overtaken)
    assert reports.make(export_id) == 503
    (run_id,) = runs(reports.sql, export_id)
    assert not stored(export_id, run_id)
    assert reports.state("users", export_id)["state"] == "making"


@pytest.mark.usefixtures("_small_pages")
def test_a_report_with_too_many_rows_fails_and_says_so(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "ROWS_MAX", 1)
    export_id = reports.ask("users").body["id"]
    main.make(ExportReport(export_id=UUID(export_id)), clock.now())
    state = reports.state("users", export_id)
    assert (state["state"], state["download_url"], state["rows"]) == ("failed", None, None)
    assert "ask for fewer" in state["fault"]
    assert not stored(export_id, runs(reports.sql, export_id)[0])


def test_a_report_that_is_not_made_in_time_fails(reports: Reports) -> None:
    export_id = reports.ask("users").body["id"]
    main.forget(clock.now() + main.MADE_WITHIN - timedelta(minutes=1))
    assert reports.state("users", export_id)["state"] == "making"
    main.forget(clock.now() + main.MADE_WITHIN + timedelta(minutes=1))
    assert reports.state("users", export_id)["state"] == "failed"
    assert reports.make(export_id) == 204
    assert reports.state("users", export_id)["state"] == "failed"


def test_a_file_is_there_for_a_week(reports: Reports) -> None:
    state, _ = reports.made("users")
    (run_id,) = runs(reports.sql, state["id"])
    ready_at = clock.now()
    main.forget(ready_at + main.FILE_LIFE - timedelta(minutes=1))
    assert stored(state["id"], run_id)
    main.forget(ready_at + main.FILE_LIFE + timedelta(minutes=1))
    assert not stored(state["id"], run_id)
    assert reports.state("users", state["id"])["state"] == "expired"
    assert (reports.state("users", state["id"])["download_url"], runs(reports.sql, state["id"])) == (None, [])


def close(reports: Reports, asked_at: datetime) -> UUID:
    """An account that a member has closed at that time."""
    member = factories.member()
    reports.sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (member.id,))
    reports.sql.execute_unnamed("INSERT INTO erasures (member_id, asked_at) VALUES ($1, $2)", (member.id, asked_at))
    return member.id


@pytest.mark.parametrize("name", ["users", "orders", "affiliates"])
def test_an_erasure_deletes_older_files_that_may_name_the_member(reports: Reports, name: str) -> None:
    state, _ = reports.made(name, **(DAYS if name == "orders" else {}))
    (run_id,) = runs(reports.sql, state["id"])

    erasing._drop_reports(close(reports, clock.now()))

    assert not stored(state["id"], run_id)
    assert reports.state(name, state["id"])["state"] == "expired"


def test_an_erasure_leaves_newer_files_and_those_that_name_no_member(reports: Reports) -> None:
    newer, _ = reports.made("users")
    other, _ = reports.made("analytics", metrics=["orders"], **DAYS)
    erasing._drop_reports(close(reports, clock.now() - timedelta(minutes=2)))
    assert reports.state("users", newer["id"])["state"] == "ready"
    erasing._drop_reports(close(reports, clock.now()))
    assert reports.state("analytics", other["id"])["state"] == "ready"


@pytest.mark.usefixtures("_small_pages")
def test_an_erasure_has_a_report_under_way_made_anew(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    export_id = reports.ask("users").body["id"]
    page = pages.page
    erased: list[bool] = []

    def erased_meanwhile(*arguments: Any) -> Any:
        found = page(*arguments)
        if not erased:
            erased.append(True)
            at = clock.now()
            reports.sql.execute_unnamed("INSERT INTO erasures (member_id, asked_at) VALUES ($1, $2)", (gone.id, at))
        return found

    gone = factories.member()
    monkeypatch.setattr(pages, "page", erased_meanwhile)
    hold = store.hold

    def held(*arguments: Any) -> bool:
        if erased:
            erasing._drop_reports(gone.id)
        return hold(*arguments)

    monkeypatch.setattr(store, "hold", held)
    assert reports.make(export_id) == 503
    monkeypatch.undo()
    reports.sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (gone.id,))

    assert reports.make(export_id) == 204

    found = rows(reports.state("users", export_id))
    assert [row["email"] for row in found if row["id"] == str(gone.id)] == [""]
    assert [stored(export_id, run_id) for run_id in runs(reports.sql, export_id)] == [False, True]


def test_who_asks_and_why_is_audited(reports: Reports) -> None:
    reports.ask("orders", **DAYS, state="delivered")
    ((action, kind, changes),) = reports.sql.execute_simple(
        "SELECT action, resource_type, changes FROM audit_logs"
    ).rows
    assert (action, kind) == ("report.export", "report")
    assert changes == {
        "kind": "orders", "filters": {**DAYS, "state": "delivered"}, "reason": "For the books",
    }  # fmt: skip


def test_a_report_is_shown_to_whoever_has_asked_for_it(reports: Reports) -> None:
    export_id = reports.ask("users").body["id"]
    other = reports.client(factories.member(role=Role.OPERATIONS).token)
    assert refusal(other.get(f"/v1/admin/exports/users/{export_id}")) == (404, "not-found")
    assert refusal(reports.admin("orders").get(f"/v1/admin/exports/orders/{export_id}")) == (404, "not-found")


def test_so_many_reports_an_hour(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "REPORTS_PER_HOUR", 1)
    reports.ask("users")
    asked = reports.admin("users").post("/v1/admin/users/export", {"reason": "For the books"})
    assert refusal(asked) == (429, "too-many-reports")


@pytest.mark.parametrize(
    ("name", "field", "body"),
    [
        ("orders", "/to", {"from": "2026-11-02", "to": "2026-11-01"}),
        ("orders", "/from", {"from": "1926-01-01", "to": "2026-11-01"}),
        ("orders", "/from", {"from": 20261101, "to": "2026-11-01"}),
        ("orders", "/state", {**DAYS, "state": "lost"}),
        ("audit-log", "/action", {**DAYS, "action": "x' OR 1=1"}),
        ("audit-log", "/actor", {**DAYS, "actor": "me"}),
        ("analytics", "/metrics/0", {**DAYS, "metrics": ["profit"]}),
        ("analytics", "/metrics", {**DAYS, "metrics": []}),
        ("analytics", "/to", {"from": "2020-01-01", "to": "2026-01-01", "metrics": ["orders"]}),
        ("users", "/columns", {"columns": ["password_hash"]}),
        ("affiliates", "/reason", {"reason": "x"}),
    ],
)
def test_what_is_no_report_is_refused_and_not_noted(
    reports: Reports, name: str, field: str, body: dict[str, object]
) -> None:
    answer = reports.admin(name).post(f"/v1/admin/{name}/export", {"reason": "For the books", **body})
    assert (answer.status, answer.body["errors"][0]["field"]) == (422, field)
    assert reports.sql.execute_simple("SELECT count(*) FROM report_exports").rows == [[0]]
