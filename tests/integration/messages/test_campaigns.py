"""A campaign reaches each of its members once: killed, delivered twice, paused, late, restored from a backup."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from functions.campaign_send import main as campaign_send
from functions.campaign_send import store
from shared import clock
from shared.values import campaigns as bounds
from tests import documents, factories
from tests.client import refusal
from tests.fakes import campaign_desk as desk
from tests.fakes.campaign_desk import BASE
from tests.fakes.campaign_plugin import CampaignDesk
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.campaign_plugin"]

LOST = "UPDATE campaigns SET lineage = 'the lost database'; UPDATE mails SET lineage = 'the lost database'"


def people(count: int) -> list[str]:
    """The addresses of new members."""
    return [factories.member().email for _ in range(count)]


def test_everybody_of_the_segment_gets_one_mail_however_often_it_is_delivered(campaign_desk: CampaignDesk) -> None:
    wanted = people(7)
    made = desk.started(campaign_desk.admin)

    assert campaign_desk.jobs.run_tasks(times=2) == 3
    assert campaign_desk.deliver_mails(times=3) == {204}

    assert set(campaign_desk.got().values()) == {1}
    assert campaign_desk.got().keys() >= set(wanted)
    found = campaign_desk.admin.get(f"{BASE}/campaigns/{made}").body
    assert (found["state"], found["queued"], found["progress"]) == ("done", 8, 1.0)


def test_whoever_is_killed_in_between_leaves_nothing_and_is_followed(
    campaign_desk: CampaignDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(7)
    made = desk.started(campaign_desk.admin)
    ((_, function, queue, body),) = campaign_desk.jobs.waiting()

    def dies(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    before = rows_of_all_tables(campaign_desk.sql)
    with monkeypatch.context() as patched:
        patched.setattr(store, "advance", dies)
        assert campaign_desk.jobs.invoker.task(function, queue, body) == 500
    assert rows_of_all_tables(campaign_desk.sql) == before
    campaign_desk.jobs.run_tasks()
    campaign_desk.deliver_mails()
    assert campaign_desk.state_of(made) == ("done", None)
    assert sorted(campaign_desk.got().values()) == [1] * 8


def test_a_paused_one_reaches_nobody_until_it_is_resumed_and_goes_on_where_it_was(campaign_desk: CampaignDesk) -> None:
    people(7)
    made = desk.started(campaign_desk.admin)
    ((identity, function, queue, body),) = campaign_desk.jobs.waiting()
    campaign_desk.sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
    assert campaign_desk.jobs.invoker.task(function, queue, body) == 204
    desk.act(campaign_desk.admin, made, "pause")

    campaign_desk.jobs.run_tasks()
    assert campaign_desk.admin.get(f"{BASE}/campaigns/{made}").body["queued"] == 3
    assert desk.act(campaign_desk.admin, made, "resume")["done_number"] == 3
    campaign_desk.jobs.run_tasks(times=2)
    campaign_desk.deliver_mails()

    assert campaign_desk.state_of(made) == ("done", None)
    assert sorted(campaign_desk.got().values()) == [1] * 8


def test_restored_from_a_backup_it_waits_for_a_person_and_nobody_gets_it_twice(campaign_desk: CampaignDesk) -> None:
    wanted = people(8)
    sql = campaign_desk.sql
    made = desk.started(campaign_desk.admin)
    ((identity, function, queue, body),) = campaign_desk.jobs.waiting()
    sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
    assert campaign_desk.jobs.invoker.task(function, queue, body) == 204
    tables = ("campaigns", "mails", "outbox")
    sql.execute_simple("; ".join(f"CREATE TABLE backup_of_{table} AS TABLE {table}" for table in tables))
    ((identity, function, queue, body),) = campaign_desk.jobs.waiting()
    sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
    assert campaign_desk.jobs.invoker.task(function, queue, body) == 204
    campaign_desk.deliver_mails()
    sent = campaign_desk.got()
    assert len(sent) == 6

    sql.execute_simple("SET session_replication_role = replica")
    for table in tables:
        sql.execute_simple(f"DELETE FROM {table}; INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE backup_of_{table}")
        sql.execute_simple(f"DROP TABLE backup_of_{table}")
    sql.execute_simple(LOST)
    sql.execute_simple("SET session_replication_role = origin")

    campaign_desk.jobs.run_tasks()
    assert campaign_desk.deliver_mails() == {204}
    assert campaign_desk.state_of(made) == ("paused", "restored")
    assert campaign_desk.got() == sent
    assert sql.execute_simple("SELECT DISTINCT status FROM mails").rows == [["unclear"]]
    answer = campaign_desk.admin.post(f"{BASE}/campaigns/{made}/resume", {})
    assert refusal(answer) == (409, "campaign-restored")

    desk.act(campaign_desk.admin, made, "resume", {"after_number": 6})
    campaign_desk.jobs.run_tasks()
    campaign_desk.deliver_mails()
    assert campaign_desk.state_of(made) == ("done", None)
    assert sorted(campaign_desk.got().values()) == [1] * 9
    assert campaign_desk.got().keys() >= set(wanted)


def test_a_lost_task_is_ordered_again(campaign_desk: CampaignDesk) -> None:
    people(4)
    made = desk.started(campaign_desk.admin)
    campaign_desk.sql.execute_simple("DELETE FROM outbox")

    campaign_send.sweep(clock.now() + timedelta(minutes=9))
    assert campaign_desk.jobs.waiting() == []
    campaign_send.sweep(clock.now() + timedelta(minutes=11))
    campaign_send.sweep(clock.now() + timedelta(minutes=12))
    assert len(campaign_desk.jobs.waiting()) == 1
    campaign_desk.jobs.run_tasks()
    assert campaign_desk.state_of(made) == ("done", None)


def test_one_that_starts_more_than_a_day_late_waits_for_a_person(
    campaign_desk: CampaignDesk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = desk.started(campaign_desk.admin)
    monkeypatch.setenv("CLOCK_FILE", str(tmp_path / "clock"))
    ((_, function, queue, body),) = campaign_desk.jobs.waiting()
    (tmp_path / "clock").write_text(str(timedelta(days=1, minutes=1).total_seconds()))

    assert campaign_desk.jobs.invoker.task(function, queue, body) == 204
    (tmp_path / "clock").write_text("0")

    assert campaign_desk.state_of(made) == ("paused", "late")
    desk.act(campaign_desk.admin, made, "resume")
    campaign_desk.jobs.run_tasks()
    assert campaign_desk.state_of(made) == ("done", None)


def test_one_that_starts_later_is_not_sent_before(campaign_desk: CampaignDesk) -> None:
    made = desk.campaign(campaign_desk.admin)
    at = (clock.now() + timedelta(hours=2)).isoformat()
    desk.act(campaign_desk.admin, made, "start", {"starts_at": at})
    task = {"campaign_id": made, "done_number": 0}

    assert campaign_desk.jobs.invoker.task("campaign_send", "campaign-send", task) == 503
    assert campaign_desk.admin.get(f"{BASE}/campaigns/{made}").body["queued"] == 0
    ((due,),) = campaign_desk.sql.execute_simple("SELECT deliver_at FROM outbox WHERE kind = 'task'").rows
    assert due.isoformat() == at


def test_above_the_bound_a_second_person_approves(campaign_desk: CampaignDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    people(4)
    for module in ("functions.admin_mails.campaigns", "functions.campaign_send.rules"):
        monkeypatch.setattr(f"{module}.RECIPIENTS_ALONE_MAX", 4)
    admin, other = campaign_desk.admin, campaign_desk.other_admin()
    made = desk.campaign(admin)

    assert refusal(admin.post(f"{BASE}/campaigns/{made}/start", {})) == (409, "campaign-needs-approval")
    assert refusal(admin.post(f"{BASE}/campaigns/{made}/approve")) == (403, "own-campaign")
    assert desk.act(other, made, "approve")["state"] == "approved"
    desk.act(admin, made, "start")
    campaign_desk.jobs.run_tasks()
    assert campaign_desk.state_of(made) == ("done", None)


def test_a_segment_that_has_grown_beyond_the_bound_since_waits_for_a_second_person(
    campaign_desk: CampaignDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    people(6)
    monkeypatch.setattr("functions.campaign_send.rules.RECIPIENTS_ALONE_MAX", 4)
    admin, made = campaign_desk.admin, desk.started(campaign_desk.admin)

    campaign_desk.jobs.run_tasks()
    assert campaign_desk.state_of(made) == ("paused", "approval")
    assert admin.get(f"{BASE}/campaigns/{made}").body["queued"] == 3
    assert refusal(admin.post(f"{BASE}/campaigns/{made}/resume", {})) == (409, "campaign-needs-approval")
    desk.act(campaign_desk.other_admin(), made, "approve")
    desk.act(admin, made, "resume")
    campaign_desk.jobs.run_tasks()
    assert campaign_desk.state_of(made) == ("done", None)


def test_the_schema_keeps_the_bound_that_the_code_has(campaign_desk: CampaignDesk) -> None:
    ((check,),) = campaign_desk.sql.execute_simple(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'campaigns_approval'"
    ).rows
    assert f"queued <= {bounds.RECIPIENTS_ALONE_MAX}" in check


@pytest.mark.parametrize("verb", ["approve", "start", "pause", "resume", "cancel"])
def test_what_a_state_does_not_allow_is_refused_and_changes_nothing(campaign_desk: CampaignDesk, verb: str) -> None:
    made = desk.campaign(campaign_desk.admin)
    desk.act(campaign_desk.admin, made, "cancel")
    other = campaign_desk.other_admin()
    before = rows_of_all_tables(campaign_desk.sql)

    assert refusal(other.post(f"{BASE}/campaigns/{made}/{verb}", {})) == (409, "campaign-state-wrong")
    assert rows_of_all_tables(campaign_desk.sql) == before


def test_mails_of_a_cancelled_one_that_are_not_sent_yet_are_not_sent(campaign_desk: CampaignDesk) -> None:
    people(4)
    made = desk.started(campaign_desk.admin)
    ((identity, function, queue, body),) = campaign_desk.jobs.waiting()
    campaign_desk.sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
    assert campaign_desk.jobs.invoker.task(function, queue, body) == 204

    desk.act(campaign_desk.admin, made, "cancel")
    campaign_desk.jobs.run_tasks()
    campaign_desk.deliver_mails()

    assert campaign_desk.got() == {}
    assert campaign_desk.sql.execute_simple("SELECT status, count(*) FROM mails GROUP BY 1").rows == [["suppressed", 3]]


def test_who_did_what_is_on_record(campaign_desk: CampaignDesk) -> None:
    made = desk.campaign(campaign_desk.admin)
    desk.act(campaign_desk.other_admin(), made, "approve")
    for verb in ("start", "pause", "resume", "cancel"):
        desk.act(campaign_desk.admin, made, verb)
    rows = campaign_desk.sql.execute_unnamed(
        "SELECT action FROM audit_logs WHERE resource_id = $1 ORDER BY id", (made,)
    ).rows
    acts = [f"campaign.{verb}" for verb in ("create", "approve", "start", "pause", "resume", "cancel")]
    assert [action for (action,) in rows] == acts


def test_the_statements_of_the_page_run(campaign_desk: CampaignDesk) -> None:
    made = desk.started(campaign_desk.admin)
    statements = documents.statements("mails.md")
    assert len(statements) == 3
    for statement in statements:
        documents.run(statement, campaign_id=UUID(made), email="ada@example.com")
