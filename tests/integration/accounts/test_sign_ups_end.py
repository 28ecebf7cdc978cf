"""A sign-up whose address nobody proves goes after seven days, with all that hangs on it, and nothing else goes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from pg8000.dbapi import Connection

from functions.member_erase import main as member_erase
from functions.member_erase import old_store
from shared import clock
from shared.auth import Role
from shared.database.retention import PERIODS
from tests import factories
from tests.client import FunctionClient
from tests.clock import moved_clock
from tests.fakes import comp_records
from tests.fakes.invoker import FunctionInvoker
from tests.operations.scene import PASSWORD, Scene
from tests.platform import Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

WEEK = PERIODS["members"].kept
MINUTE = timedelta(minutes=1)


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


@pytest.fixture
def invoker(platform: Platform) -> FunctionInvoker:
    return FunctionInvoker(platform.invoker_token)


def statuses(scene: Scene) -> list[str]:
    return [status for (status,) in scene.sql.execute_simple("SELECT status FROM members ORDER BY number").rows]


def test_it_is_a_week() -> None:
    assert timedelta(days=7) == WEEK


def test_it_goes_when_its_week_is_over_and_not_before(scene: Scene, invoker: FunctionInvoker, tmp_path: Path) -> None:
    scene.signed_up()
    with moved_clock(tmp_path, WEEK - MINUTE):
        assert invoker.schedule("member_erase", "forget-old") == 204
        assert statuses(scene) == ["active"]
    with moved_clock(tmp_path, WEEK + MINUTE):
        for _ in range(2):
            assert invoker.schedule("member_erase", "forget-old") == 204
            assert statuses(scene) == ["deleted"]


def test_nothing_of_it_is_left(scene: Scene, invoker: FunctionInvoker, tmp_path: Path) -> None:
    body = {"email": "canary@example.com", "password": PASSWORD, "full_name": "Canary", "date_of_birth": "1990-12-10",
            "username": "canary", "city": "Canaryville", "phone": "+17755550199"}  # fmt: skip
    assert scene.client().post("/v1/auth/signup", body, **{"Idempotency-Key": "canary"}).status == 201
    with moved_clock(tmp_path, WEEK + MINUTE):
        assert invoker.schedule("member_erase", "forget-old") == 204
    tables = scene.sql.execute_simple(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
        "AND relnamespace = 'public'::regnamespace"
    ).rows
    left = {
        table: found
        for (table,) in tables
        for ((found,),) in [
            scene.sql.execute_simple(f"SELECT count(*) FROM {table} t WHERE t::text ~* 'canary|5550199'").rows
        ]
        if found
    }
    assert left == {}
    assert scene.sql.execute_simple("SELECT count(*) FROM idempotency_keys").rows == [[0]]
    assert scene.client().post("/v1/auth/signup", body).status == 201, "address and name are free"


def test_who_has_proved_the_address_stays(scene: Scene, invoker: FunctionInvoker, tmp_path: Path) -> None:
    factories.member(role=Role.OWNER), factories.member()
    email = scene.signed_up()
    body = {"email": email, "code": scene.mailed_code(email)}
    assert scene.client().post("/v1/auth/verify-email", body).status == 200
    before = rows_of_all_tables(scene.sql, without=("attempt_counters", "email_codes", "idempotency_keys"))
    with moved_clock(tmp_path, WEEK + MINUTE):
        invoker.schedule("member_erase", "forget-old")
    assert rows_of_all_tables(scene.sql, without=("attempt_counters", "email_codes", "idempotency_keys")) == before


def test_who_was_given_something_or_is_suspended_stays_and_keeps_nobody_else(
    scene: Scene, invoker: FunctionInvoker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_store, "ROWS_AT_ONCE", 1)
    emails = [scene.signed_up() for _ in range(3)]
    given, suspended = (
        scene.sql.execute_unnamed("SELECT id FROM members WHERE email = $1", (email,)).rows[0][0]
        for email in emails[:2]
    )
    comp_records.award_comp(factories.Somebody(given, emails[0], ""))
    scene.sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (suspended,))
    with moved_clock(tmp_path, WEEK + MINUTE):
        assert invoker.schedule("member_erase", "forget-old") == 204
    assert statuses(scene) == ["active", "suspended", "deleted"]


def test_runs_beside_each_other_and_beside_who_proves_the_address(scene: Scene) -> None:
    """At the last moment: the address is proved or the sign-up is gone, never half of each."""
    emails = [scene.signed_up() for _ in range(6)]
    codes = {email: scene.mailed_code(email) for email in emails}
    later = clock.now() + WEEK + MINUTE

    def prove(email: str) -> int:
        return scene.client().post("/v1/auth/verify-email", {"email": email, "code": codes[email]}).status

    with ThreadPoolExecutor(9) as threads:
        runs = [threads.submit(member_erase.forget_old, later) for _ in range(3)]
        proved = list(threads.map(prove, emails))
        for run in runs:
            run.result()
    rows = dict(scene.sql.execute_simple("SELECT email, status FROM members WHERE email_verified_at IS NOT NULL").rows)
    assert rows == {email: "active" for email, status in zip(emails, proved, strict=True) if status == 200}
    assert statuses(scene).count("deleted") == 6 - len(rows)


def test_a_message_to_everybody_is_not_for_sign_ups(scene: Scene, invoker: FunctionInvoker) -> None:
    scene.signed_up()
    admin = scene.member(Role.OPERATIONS)
    body = {"title": "Hello", "body": "there"}
    made = admin.post("/v1/admin/notifications/broadcast", body, **{"Idempotency-Key": "one"}).body["id"]
    assert invoker.task("broadcast_send", "broadcast-send", {"broadcast_id": made, "done_number": 0}) == 204
    told = scene.sql.execute_simple(
        "SELECT email_verified_at IS NOT NULL FROM notifications JOIN members ON members.id = member_id"
    ).rows
    assert told == [[True]]
