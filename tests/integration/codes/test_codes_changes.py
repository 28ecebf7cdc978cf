"""Codes are invalidated, reused and recalled, one by one or by the batch; each tells what happened to it."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError

from shared import db
from shared.auth import Role
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.code_desk import CodeDesk, random_codes
from tests.fakes.crashes import crash
from tests.platform import Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

TWO_CHUNKS = 50_010
CRASHES_MAX = 20


@pytest.fixture
def operator() -> Somebody:
    return factories.member(role=Role.OPERATIONS)


@pytest.fixture
def desk(operator: Somebody, client: Client, platform: Platform, sql: Connection) -> CodeDesk:
    return CodeDesk(client(operator.token), platform, sql)


@pytest.fixture
def member(client: Client) -> FunctionClient:
    return client(factories.member().token)


def scanned(member: FunctionClient, code: str) -> str:
    """Empty when it was, the problem otherwise."""
    return member.post("/v1/scans/submit", {"code": code}).problem


def test_invalidated_codes_cannot_be_scanned_and_used_ones_stay_used(desk: CodeDesk, member: FunctionClient) -> None:
    batch, made = desk.made(quantity=4)
    desk.manufactured(made[:3])
    assert scanned(member, made[0]) == ""

    answer = desk.list_act([*made[:3], made[2].lower().replace("-", ""), "hello", *random_codes(1)], "invalidate")

    assert answer == {
        "changed": 2,
        "refused": [
            {"position": 1, "reason": "the code is scanned"},
            {"position": 5, "reason": "not a code"},
            {"position": 6, "reason": "unknown code"},
        ],
    }
    assert desk.states() == {"scanned": 1, "invalidated": 2, "generated": 1}
    assert scanned(member, made[1]) == "code-not-valid"
    assert desk.batch(batch)["codes_invalidated"] == 2


def test_a_reused_code_is_as_new_and_can_be_manufactured_and_scanned(desk: CodeDesk, member: FunctionClient) -> None:
    batch, made = desk.made(quantity=3)
    desk.manufactured(made[:2])
    desk.list_act(made, "invalidate")

    assert desk.list_act(made[:1], "reuse") == {"changed": 1, "refused": []}

    assert scanned(member, made[0]) == "code-not-valid"
    shown = desk.batch(batch)
    assert (shown["codes_manufactured"], shown["codes_invalidated"]) == (1, 2)
    desk.manufactured(made[:1])
    assert scanned(member, made[0]) == ""
    kinds = ["generated", "manufactured", "invalidated", "reused", "manufactured", "scanned"]
    assert desk.kinds(made[0]) == kinds


def test_only_invalidated_codes_are_reused(desk: CodeDesk, member: FunctionClient) -> None:
    _, made = desk.made(quantity=3)
    desk.manufactured(made[:2])
    assert scanned(member, made[0]) == ""
    assert desk.list_act(made, "reuse") == {
        "changed": 0,
        "refused": [
            {"position": 1, "reason": "the code is scanned"},
            {"position": 2, "reason": "the code is manufactured"},
            {"position": 3, "reason": "the code is generated"},
        ],
    }


def test_doing_it_again_changes_nothing(desk: CodeDesk) -> None:
    _, made = desk.made()
    desk.list_act(made, "invalidate")
    before = rows_of_all_tables(desk.sql, without=("audit_logs",))
    assert desk.list_act(made, "invalidate")["changed"] == 0
    assert rows_of_all_tables(desk.sql, without=("audit_logs",)) == before


def test_a_list_has_a_thousand_codes_at_most(desk: CodeDesk) -> None:
    listed = random_codes(1_001)
    body = {"codes": listed, "reason": "because"}
    assert desk.admin.post("/v1/admin/qr/invalidate", body).problem == "not-valid"
    assert len(desk.list_act(listed[:1_000], "invalidate")["refused"]) == 1_000


def test_a_batchs_unused_codes_are_invalidated_in_the_background(desk: CodeDesk, member: FunctionClient) -> None:
    batch, made = desk.made(quantity=TWO_CHUNKS)
    desk.manufactured(made[-5:])
    assert scanned(member, made[-1]) == ""

    ordered = desk.act(batch, "invalidate")
    assert (ordered.status, ordered.body["changing"]) == (202, "invalidated")
    assert desk.run_tasks() == 2

    assert desk.states() == {"invalidated": TWO_CHUNKS - 1, "scanned": 1}
    shown = desk.batch(batch)
    assert (shown["changing"], shown["codes_invalidated"]) == (None, TWO_CHUNKS - 1)
    assert scanned(member, made[-2]) == "code-not-valid"
    assert desk.act(batch, "reuse").status == 202
    desk.run_tasks(times=2, at_once=2)
    shown = desk.batch(batch)
    assert (shown["codes_invalidated"], shown["codes_manufactured"]) == (0, 1)
    assert desk.states() == {"generated": TWO_CHUNKS - 1, "scanned": 1}
    assert desk.sql.execute_simple("SELECT count(*) FROM code_changes WHERE batch_id IS NOT NULL").rows == [[2]]
    assert desk.sql.execute_simple("SELECT count(*) FROM code_change_codes").rows == [[0]]


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_killed_at_any_transaction_a_batchs_change_goes_on(after: bool, desk: CodeDesk) -> None:
    for number in range(1, CRASHES_MAX):
        batch, _ = desk.made()
        assert desk.act(batch, "invalidate").status == 202
        with crash(db, "atomically", at=number, after=after) as happened:
            desk.run_tasks(times=2)
            crashed = happened()
        shown = desk.batch(batch)
        assert (shown["changing"], shown["codes_invalidated"]) == (None, 5)
        if not crashed:
            break
    assert number > 1


def test_a_late_task_of_an_earlier_change_does_not_undo_a_later_one(desk: CodeDesk) -> None:
    batch, _ = desk.made()
    desk.act(batch, "invalidate")
    (late,) = desk.waiting()
    desk.run_tasks()
    desk.act(batch, "reuse")
    desk.run_tasks()
    assert desk.deliver(late) == 204
    assert desk.states() == {"generated": 5}


def test_a_batch_is_changed_by_one_order_at_a_time(desk: CodeDesk) -> None:
    batch, _ = desk.made()
    desk.act(batch, "invalidate")
    before = rows_of_all_tables(desk.sql)
    assert [desk.act(batch, act).problem for act in ("invalidate", "reuse")] == ["batch-busy", "batch-busy"]
    assert rows_of_all_tables(desk.sql) == before


def test_a_batch_that_is_being_made_or_recalled_is_not_changed(desk: CodeDesk) -> None:
    batch = desk.order()
    assert [desk.act(batch, act).problem for act in ("invalidate", "reuse", "recall")] == ["batch-not-ready"] * 3
    desk.run_tasks()
    assert desk.act(batch, "recall").status == 200
    assert [desk.act(batch, act).problem for act in ("invalidate", "reuse")] == ["batch-recalled"] * 2
    assert desk.admin.post(f"/v1/admin/qr/batches/{uuid4()}/recall", {"reason": "x"}).problem == "not-found"


def test_a_recall_is_one_row_and_stops_scans_for_ever(desk: CodeDesk, member: FunctionClient) -> None:
    batch, made = desk.made(quantity=1_000)
    desk.manufactured(made)
    assert scanned(member, made[0]) == ""
    desk.list_act(made[1:2], "invalidate")
    before = int(desk.sql.execute_simple("SELECT count(*) FROM code_changes").rows[0][0])

    assert desk.act(batch, "recall").body["status"] == "recalled"
    assert desk.act(batch, "recall").status == 200

    assert int(desk.sql.execute_simple("SELECT count(*) FROM code_changes").rows[0][0]) == before + 1
    assert scanned(member, made[2]) == "code-not-valid"
    assert desk.list_act(made[1:2], "reuse")["refused"] == [{"position": 1, "reason": "the batch is recalled"}]
    assert desk.states() == {"manufactured": 998, "scanned": 1, "invalidated": 1}
    assert desk.kinds(made[0]) == ["generated", "manufactured", "scanned"]
    assert desk.kinds(made[2]) == ["generated", "manufactured", "recalled"]


def test_a_code_tells_who_did_what_to_it_and_why(desk: CodeDesk, operator: Somebody, client: Client) -> None:
    batch, (code,) = desk.made(quantity=1)
    desk.imported(f"code\n{code}".encode())
    winner = factories.member()
    assert scanned(client(winner.token), code) == ""

    found = desk.found(code.lower())

    assert (found["status"], found["product_name"]) == ("scanned", "BlakJaks Mint Ice")
    assert found["batch"]["id"] == batch["id"]
    assert [(event["kind"], event["by"]) for event in found["history"]] == [
        ("generated", str(operator.id)),
        ("manufactured", str(operator.id)),
        ("scanned", str(winner.id)),
    ]
    desk.act(batch, "recall")
    _, (other,) = desk.made(quantity=1)
    desk.list_act([other], "invalidate")
    last = desk.found(other)["history"][-1]
    assert (last["kind"], last["by"], last["reason"]) == ("invalidated", str(operator.id), "because")


def test_a_change_of_the_batch_is_told_by_the_codes_it_changed_only(desk: CodeDesk, member: FunctionClient) -> None:
    batch, (used, own, rest) = desk.made(quantity=3)
    desk.manufactured([used])
    assert scanned(member, used) == ""
    desk.list_act([own], "invalidate")
    desk.act(batch, "invalidate")
    desk.run_tasks()
    desk.list_act([own], "reuse")
    assert desk.kinds(used) == ["generated", "manufactured", "scanned"]
    assert desk.kinds(own) == ["generated", "invalidated", "reused"]
    assert desk.kinds(rest) == ["generated", "invalidated"]


@pytest.mark.parametrize("code", ["", "hello", "AAAA-BBBB-CCC0", "ÄAAA-BBBB-CCCC", "AAAA-BBBB-CCCC"])
def test_what_is_no_code_is_not_found(code: str, desk: CodeDesk) -> None:
    answer = desk.admin.post("/v1/admin/qr/search", {"code": code})
    assert (answer.status, answer.problem) == (422, "code-unknown")


def test_history_is_never_changed(desk: CodeDesk) -> None:
    _, made = desk.made()
    desk.list_act(made, "invalidate")
    for statement in ("DELETE FROM code_changes", "UPDATE code_change_codes SET change_id = change_id"):
        with pytest.raises(DatabaseError, match="append_only"):
            desk.sql.execute_simple(statement)


def test_every_act_is_in_the_audit_log_without_a_code(desk: CodeDesk) -> None:
    batch, made = desk.made(honey=True)
    desk.list_act(made[:1], "invalidate")
    desk.list_act(made[:1], "reuse")
    for act in ("invalidate", "reuse"):
        desk.act(batch, act)
        desk.run_tasks()
    desk.found(made[0])
    desk.act(batch, "recall")
    desk.imported(f"code\n{made[0]}".encode())
    rows = desk.sql.execute_simple("SELECT action, CAST(changes AS text) FROM audit_logs ORDER BY id").rows
    assert [action for action, _ in rows] == [
        "code_batch.order",
        "code_batch.export",
        "codes.invalidate",
        "codes.reuse",
        "code_batch.invalidate",
        "code_batch.reuse",
        "code.search",
        "code_batch.recall",
        "code_import.create",
        "code_import.start",
    ]
    assert not any(made[0] in changes for _, changes in rows)


def test_honey_codes_look_like_others_and_cannot_be_scanned(desk: CodeDesk, member: FunctionClient) -> None:
    (honey, made), (plain, others) = desk.made(honey=True), desk.made()
    assert honey["honey"]
    assert not plain["honey"]
    assert {len(code) for code in made} == {len(code) for code in others}
    file = "\n".join(["code", *made]).encode()
    answer = desk.admin.send("POST", "/v1/admin/qr/import-feedback", file, {"Content-Type": "text/csv"})
    assert answer.body["manufactured"] == 0
    assert {line["reason"] for line in answer.body["refused"]} == {"unknown code"}
    assert scanned(member, made[0]) == "code-not-valid"
    assert desk.found(made[0])["batch"]["honey"]


def test_who_tried_a_honey_code_is_listed_newest_first_in_pages(desk: CodeDesk) -> None:
    batch, _ = desk.made(honey=True)
    somebody = factories.member()
    moments = [datetime(2026, 11, 22, 12, minute, tzinfo=UTC) for minute in (0, 5, 5, 9)]
    for number, moment in enumerate(moments):
        desk.sql.execute_unnamed(
            """
            INSERT INTO honey_trials (batch_id, member_id, device_id, ip_address, happened_at)
            VALUES ($1, $2, $3, '203.0.113.7', $4)
            """,
            (UUID(batch["id"]), somebody.id, f"device-{number}", moment),
        )
    first = desk.done(desk.admin.get("/v1/admin/qr/honey-trials?limit=3"), 200)
    rest = desk.done(desk.admin.get(f"/v1/admin/qr/honey-trials?limit=3&cursor={first['next_cursor']}"), 200)
    trials = [*first["items"], *rest["items"]]
    assert [trial["device_id"] for trial in trials] == ["device-3", "device-2", "device-1", "device-0"]
    assert rest["next_cursor"] is None
    assert trials[0] == {
        "batch_id": batch["id"],
        "batch_name": "November",
        "member_id": str(somebody.id),
        "username": somebody.email.partition("@")[0],
        "device_id": "device-3",
        "ip_address": "203.0.113.7",
        "happened_at": "2026-11-22T12:09:00Z",
    }
