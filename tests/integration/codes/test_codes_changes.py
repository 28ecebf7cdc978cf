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
from tests.fakes.code_admin import CodeAdmin, random_codes
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
def code_admin(operator: Somebody, client: Client, platform: Platform, sql: Connection) -> CodeAdmin:
    return CodeAdmin(client(operator.token), platform, sql)


@pytest.fixture
def member(client: Client) -> FunctionClient:
    return client(factories.member().token)


def scanned(member: FunctionClient, code: str) -> str:
    """Empty when it was, the problem otherwise."""
    return member.post("/v1/scans/submit", {"code": code}).problem


def test_invalidated_codes_cannot_be_scanned_and_used_ones_stay_used(
    code_admin: CodeAdmin, member: FunctionClient
) -> None:
    batch, made = code_admin.made(quantity=4)
    code_admin.manufactured(made[:3])
    assert scanned(member, made[0]) == ""

    answer = code_admin.list_act([*made[:3], made[2].lower().replace("-", ""), "hello", *random_codes(1)], "invalidate")

    assert answer == {
        "changed": 2,
        "refused": [
            {"position": 1, "reason": "the code is scanned"},
            {"position": 5, "reason": "not a code"},
            {"position": 6, "reason": "unknown code"},
        ],
    }
    assert code_admin.states() == {"scanned": 1, "invalidated": 2, "generated": 1}
    assert scanned(member, made[1]) == "code-not-valid"
    assert code_admin.batch(batch)["codes_invalidated"] == 2


def test_a_reused_code_is_as_new_and_can_be_manufactured_and_scanned(
    code_admin: CodeAdmin, member: FunctionClient
) -> None:
    batch, made = code_admin.made(quantity=3)
    code_admin.manufactured(made[:2])
    code_admin.list_act(made, "invalidate")

    assert code_admin.list_act(made[:1], "reuse") == {"changed": 1, "refused": []}

    assert scanned(member, made[0]) == "code-not-valid"
    shown = code_admin.batch(batch)
    assert (shown["codes_manufactured"], shown["codes_invalidated"]) == (1, 2)
    code_admin.manufactured(made[:1])
    assert scanned(member, made[0]) == ""
    kinds = ["generated", "manufactured", "invalidated", "reused", "manufactured", "scanned"]
    assert code_admin.kinds(made[0]) == kinds


def test_only_invalidated_codes_are_reused(code_admin: CodeAdmin, member: FunctionClient) -> None:
    _, made = code_admin.made(quantity=3)
    code_admin.manufactured(made[:2])
    assert scanned(member, made[0]) == ""
    assert code_admin.list_act(made, "reuse") == {
        "changed": 0,
        "refused": [
            {"position": 1, "reason": "the code is scanned"},
            {"position": 2, "reason": "the code is manufactured"},
            {"position": 3, "reason": "the code is generated"},
        ],
    }


def test_doing_it_again_changes_nothing(code_admin: CodeAdmin) -> None:
    _, made = code_admin.made()
    code_admin.list_act(made, "invalidate")
    before = rows_of_all_tables(code_admin.sql, without=("audit_logs",))
    assert code_admin.list_act(made, "invalidate")["changed"] == 0
    assert rows_of_all_tables(code_admin.sql, without=("audit_logs",)) == before


def test_a_list_has_a_thousand_codes_at_most(code_admin: CodeAdmin) -> None:
    listed = random_codes(1_001)
    body = {"codes": listed, "reason": "because"}
    assert code_admin.admin.post("/v1/admin/qr/invalidate", body).problem == "not-valid"
    assert len(code_admin.list_act(listed[:1_000], "invalidate")["refused"]) == 1_000


def test_a_batchs_unused_codes_are_invalidated_in_the_background(code_admin: CodeAdmin, member: FunctionClient) -> None:
    batch, made = code_admin.made(quantity=TWO_CHUNKS)
    code_admin.manufactured(made[-5:])
    assert scanned(member, made[-1]) == ""

    ordered = code_admin.act(batch, "invalidate")
    assert (ordered.status, ordered.body["changing"]) == (202, "invalidated")
    assert code_admin.run_tasks() == 2

    assert code_admin.states() == {"invalidated": TWO_CHUNKS - 1, "scanned": 1}
    shown = code_admin.batch(batch)
    assert (shown["changing"], shown["codes_invalidated"]) == (None, TWO_CHUNKS - 1)
    assert scanned(member, made[-2]) == "code-not-valid"
    assert code_admin.act(batch, "reuse").status == 202
    code_admin.run_tasks(times=2, at_once=2)
    shown = code_admin.batch(batch)
    assert (shown["codes_invalidated"], shown["codes_manufactured"]) == (0, 1)
    assert code_admin.states() == {"generated": TWO_CHUNKS - 1, "scanned": 1}
    assert code_admin.sql.execute_simple("SELECT count(*) FROM code_changes WHERE batch_id IS NOT NULL").rows == [[2]]
    assert code_admin.sql.execute_simple("SELECT count(*) FROM code_change_codes").rows == [[0]]


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_killed_at_any_transaction_a_batchs_change_goes_on(after: bool, code_admin: CodeAdmin) -> None:
    for number in range(1, CRASHES_MAX):
        batch, _ = code_admin.made()
        assert code_admin.act(batch, "invalidate").status == 202
        with crash(db, "atomically", at=number, after=after) as happened:
            code_admin.run_tasks(times=2)
            crashed = happened()
        shown = code_admin.batch(batch)
        assert (shown["changing"], shown["codes_invalidated"]) == (None, 5)
        if not crashed:
            break
    assert number > 1


def test_a_late_task_of_an_earlier_change_does_not_undo_a_later_one(code_admin: CodeAdmin) -> None:
    batch, _ = code_admin.made()
    code_admin.act(batch, "invalidate")
    (late,) = code_admin.waiting()
    code_admin.run_tasks()
    code_admin.act(batch, "reuse")
    code_admin.run_tasks()
    assert code_admin.deliver(late) == 204
    assert code_admin.states() == {"generated": 5}


def test_a_batch_is_changed_by_one_order_at_a_time(code_admin: CodeAdmin) -> None:
    batch, _ = code_admin.made()
    code_admin.act(batch, "invalidate")
    before = rows_of_all_tables(code_admin.sql)
    assert [code_admin.act(batch, act).problem for act in ("invalidate", "reuse")] == ["batch-busy", "batch-busy"]
    assert rows_of_all_tables(code_admin.sql) == before


def test_a_batch_that_is_being_made_or_recalled_is_not_changed(code_admin: CodeAdmin) -> None:
    batch = code_admin.order()
    assert [code_admin.act(batch, act).problem for act in ("invalidate", "reuse", "recall")] == ["batch-not-ready"] * 3
    code_admin.run_tasks()
    assert code_admin.act(batch, "recall").status == 200
    assert [code_admin.act(batch, act).problem for act in ("invalidate", "reuse")] == ["batch-recalled"] * 2
    assert code_admin.admin.post(f"/v1/admin/qr/batches/{uuid4()}/recall", {"reason": "x"}).problem == "not-found"


def test_a_recall_is_one_row_and_stops_scans_for_ever(code_admin: CodeAdmin, member: FunctionClient) -> None:
    batch, made = code_admin.made(quantity=1_000)
    code_admin.manufactured(made)
    assert scanned(member, made[0]) == ""
    code_admin.list_act(made[1:2], "invalidate")
    before = int(code_admin.sql.execute_simple("SELECT count(*) FROM code_changes").rows[0][0])

    assert code_admin.act(batch, "recall").body["status"] == "recalled"
    assert code_admin.act(batch, "recall").status == 200

    assert int(code_admin.sql.execute_simple("SELECT count(*) FROM code_changes").rows[0][0]) == before + 1
    assert scanned(member, made[2]) == "code-not-valid"
    assert code_admin.list_act(made[1:2], "reuse")["refused"] == [{"position": 1, "reason": "the batch is recalled"}]
    assert code_admin.states() == {"manufactured": 998, "scanned": 1, "invalidated": 1}
    assert code_admin.kinds(made[0]) == ["generated", "manufactured", "scanned"]
    assert code_admin.kinds(made[2]) == ["generated", "manufactured", "recalled"]


def test_a_code_tells_who_did_what_to_it_and_why(code_admin: CodeAdmin, operator: Somebody, client: Client) -> None:
    batch, (code,) = code_admin.made(quantity=1)
    code_admin.imported(f"code\n{code}".encode())
    winner = factories.member()
    assert scanned(client(winner.token), code) == ""

    found = code_admin.found(code.lower())

    assert (found["status"], found["product_name"]) == ("scanned", "BlakJaks Mint Ice")
    assert found["batch"]["id"] == batch["id"]
    assert [(event["kind"], event["by"]) for event in found["history"]] == [
        ("generated", str(operator.id)),
        ("manufactured", str(operator.id)),
        ("scanned", str(winner.id)),
    ]
    code_admin.act(batch, "recall")
    _, (other,) = code_admin.made(quantity=1)
    code_admin.list_act([other], "invalidate")
    last = code_admin.found(other)["history"][-1]
    assert (last["kind"], last["by"], last["reason"]) == ("invalidated", str(operator.id), "because")


def test_a_change_of_the_batch_is_told_by_the_codes_it_changed_only(
    code_admin: CodeAdmin, member: FunctionClient
) -> None:
    batch, (used, own, rest) = code_admin.made(quantity=3)
    code_admin.manufactured([used])
    assert scanned(member, used) == ""
    code_admin.list_act([own], "invalidate")
    code_admin.act(batch, "invalidate")
    code_admin.run_tasks()
    code_admin.list_act([own], "reuse")
    assert code_admin.kinds(used) == ["generated", "manufactured", "scanned"]
    assert code_admin.kinds(own) == ["generated", "invalidated", "reused"]
    assert code_admin.kinds(rest) == ["generated", "invalidated"]


@pytest.mark.parametrize("code", ["", "hello", "AAAA-BBBB-CCC0", "ÄAAA-BBBB-CCCC", "AAAA-BBBB-CCCC"])
def test_what_is_no_code_is_not_found(code: str, code_admin: CodeAdmin) -> None:
    answer = code_admin.admin.post("/v1/admin/qr/search", {"code": code})
    assert (answer.status, answer.problem) == (422, "code-unknown")


def test_history_is_never_changed(code_admin: CodeAdmin) -> None:
    _, made = code_admin.made()
    code_admin.list_act(made, "invalidate")
    for statement in ("DELETE FROM code_changes", "UPDATE code_change_codes SET change_id = change_id"):
        with pytest.raises(DatabaseError, match="append_only"):
            code_admin.sql.execute_simple(statement)


def test_every_act_is_in_the_audit_log_without_a_code(code_admin: CodeAdmin) -> None:
    batch, made = code_admin.made(honey=True)
    code_admin.list_act(made[:1], "invalidate")
    code_admin.list_act(made[:1], "reuse")
    for act in ("invalidate", "reuse"):
        code_admin.act(batch, act)
        code_admin.run_tasks()
    code_admin.found(made[0])
    code_admin.act(batch, "recall")
    code_admin.imported(f"code\n{made[0]}".encode())
    rows = code_admin.sql.execute_simple("SELECT action, CAST(changes AS text) FROM audit_logs ORDER BY id").rows
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


def test_honey_codes_look_like_others_and_cannot_be_scanned(code_admin: CodeAdmin, member: FunctionClient) -> None:
    (honey, made), (plain, others) = code_admin.made(honey=True), code_admin.made()
    assert honey["honey"]
    assert not plain["honey"]
    assert {len(code) for code in made} == {len(code) for code in others}
    file = "\n".join(["code", *made]).encode()
    answer = code_admin.admin.send("POST", "/v1/admin/qr/import-feedback", file, {"Content-Type": "text/csv"})
    assert answer.body["manufactured"] == 0
    assert {line["reason"] for line in answer.body["refused"]} == {"unknown code"}
    assert scanned(member, made[0]) == "code-not-valid"
    assert code_admin.found(made[0])["batch"]["honey"]


def test_who_tried_a_honey_code_is_listed_newest_first_in_pages(code_admin: CodeAdmin) -> None:
    batch, _ = code_admin.made(honey=True)
    somebody = factories.member()
    moments = [datetime(2026, 11, 22, 12, minute, tzinfo=UTC) for minute in (0, 5, 5, 9)]
    for number, moment in enumerate(moments):
        code_admin.sql.execute_unnamed(
            """
            INSERT INTO honey_trials (batch_id, member_id, device_id, ip_address, happened_at)
            VALUES ($1, $2, $3, '203.0.113.7', $4)
            """,
            (UUID(batch["id"]), somebody.id, f"device-{number}", moment),
        )
    first = code_admin.done(code_admin.admin.get("/v1/admin/qr/honey-trials?limit=3"), 200)
    rest = code_admin.done(
        code_admin.admin.get(f"/v1/admin/qr/honey-trials?limit=3&cursor={first['next_cursor']}"), 200
    )
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
