"""Every table is cleared after a period or kept for a stated reason, and the job that clears may run at any time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from emulators.contract import ROOT, functions
from functions.auth import rules as auth_rules
from functions.member_erase import main as member_erase
from functions.member_erase import old_store
from functions.partition_maintain import store as month_store
from shared import db
from shared.database.retention import FOR_EVER, HOURLY, MONTHS, PERIODS
from tests import factories
from tests.client import FunctionClient
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.plain_rows import put, unchecked
from tests.platform import Platform

NOW = datetime.fromisoformat("2026-11-29T12:41:00+00:00")
DOCUMENT = ROOT / "docs" / "retention.md"
SECOND = timedelta(seconds=1)
MEMBER = UUID(int=7)
TABLES = """
    SELECT relname FROM pg_class
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace
"""


def row(name: str, at: datetime) -> dict[str, object]:
    """A row whose time is counted from that moment."""
    identity = uuid4()
    return {
        "attempt_counters": {"subject": str(identity), "hour": at, "attempts": 1},
        "avatars": {"id": identity, "member_id": MEMBER, "status": "replaced", "object_name": str(identity),
                    "content_type": "image/png", "uploaded_at": at, "finished_at": at, "removed_at": at},
        "bank_nonces": {"id": identity, "admin_id": MEMBER, "expires_at": at},
        "carts": {"id": identity, "member_id": identity, "created_at": at, "changed_at": at},
        "data_exports": {"id": identity, "member_id": MEMBER, "status": "expired", "object_name": "x", "asked_at": at,
                         "ready_at": at, "expires_at": at},
        "email_changes": {"member_id": identity, "id": identity, "new_email": "x", "code_mac": b"x", "asked_at": at,
                          "expires_at": at},
        "email_codes": {"id": identity, "member_id": identity, "purpose": "reset", "code_mac": b"x", "created_at": at,
                        "expires_at": at},
        "hook_deliveries": {"id": identity, "endpoint_id": identity, "kind": "x", "subject": str(identity),
                            "body": "{}", "state": "delivered", "created_at": at, "done_at": at},
        "hook_secrets": {"id": identity, "endpoint_id": identity, "sealed": b"x", "created_at": at, "ends_at": at},
        "idempotency_keys": {"scope": str(MEMBER), "key_hash": identity.bytes, "request_hash": b"x", "created_at": at},
        "idempotency_keys_of_anyone": {"scope": "POST /v1/auth/signup x", "key_hash": identity.bytes,
                                       "request_hash": b"x", "created_at": at},
        "job_faults": {"job": "x", "delivery_id": str(identity), "body": "x", "reason": "x", "happened_at": at},
        "known_devices": {"token_hash": identity.bytes, "member_id": MEMBER, "created_at": at, "last_used_at": at},
        "mails": {"id": identity, "dedupe_key": str(identity), "to_email": "x", "to_name": "x", "template": "x",
                  "parameters": {}, "status": "sent", "queued_at": at, "finished_at": at},
        "orders": {"id": identity, "member_id": MEMBER, "cart_id": identity, "state": "delivered", "state_at": at,
                   "placed_at": at, "expires_at": at, "confirmed_at": at, "tins": 1, "subtotal": 10_000,
                   "shipping_cost": 0, "shipping_tax": 0, "tax_amount": 0, "total_amount": 10_000, "cost_per_tin": 0,
                   "tax_quote_id": identity, "tax_breakdown": [], "address": b"x", "ship_state": "NY",
                   "ship_zip": "10001", "doorstep": b"x" * 32},
        "pushes": {"notification_id": identity, "device_id": identity, "status": "sent", "claimed_until": at,
                   "finished_at": at},
        "refresh_tokens": {"token_hash": identity.bytes, "session_id": identity, "issued_at": at, "expires_at": at},
        "report_exports": {"id": identity, "kind": "users", "filters": {}, "reason": "x", "asked_by": MEMBER,
                           "asked_at": at, "state": "expired", "read_from": at, "read_until": at, "rows": 1,
                           "bytes": 1, "sha256": b"x" * 32, "expires_at": at},
        "second_factors": {"member_id": identity, "sealed_secret": b"x", "created_at": at},
        "sessions": {"id": identity, "member_id": MEMBER, "device_kind": "mobile", "created_at": at,
                     "last_used_at": at, "ended_at": at, "end_reason": "signed out"},
        "social_cases": {"id": identity, "message_id": identity, "revision": 1, "channel_id": identity, "number": 1,
                         "member_id": MEMBER, "text": "x", "outcome": "flagged", "opened_at": at},
        "social_entries": {"channel_id": identity, "position": 1, "kind": "message", "number": 1,
                           "message_id": identity, "happened_at": at},
        "social_images": {"id": identity, "member_id": MEMBER, "status": "removed", "content_type": "image/png",
                          "uploaded_at": at, "finished_at": at, "removed_at": at},
        "social_pages": {"channel_id": identity, "first": 1, "last": 1, "shift": "open", "made_at": at, "wanted": 1},
        "social_sent": {"member_id": MEMBER, "client_id": identity, "request_hash": b"x" * 32, "message_id": identity,
                        "sent_at": at},
        "social_translations": {"message_id": identity, "revision": 1, "language": "es", "text": "x",
                                "claimed_until": at},
        "support_events": {"id": identity, "member_id": MEMBER, "name": "suspended", "happened_at": at},
        "tax_quotes": {"id": identity, "member_id": MEMBER, "basis": b"x" * 32, "tax": 0, "shipping": 0, "lines": {},
                       "breakdown": {}, "quoted_at": at - SECOND, "expires_at": at},
        "wallet_challenges": {"id": identity, "member_id": MEMBER, "address": "0x" + "5" * 40, "message": "x",
                              "created_at": at, "expires_at": at},
        "wallet_id_tokens": {"mark": identity.bytes * 2, "member_id": MEMBER, "address": "0x" + "5" * 40,
                             "used_at": at},
        "wallet_tokens": {"id": identity, "member_id": MEMBER, "session_id": identity, "issued_at": at},
        "watch_minutes": {"minute": _minute(at, identity), "is_up": True, "probe_ms": 1},
        "webhook_deliveries": {"source": "card", "event_id": str(identity), "subject": "x", "received_at": at},
        "wholesale_accounts": {"id": identity, "member_id": identity, "status": "rejected", "created_at": at,
                               "applied_at": at, "decided_by": MEMBER, "decided_at": at, "reason": "x"},
    }[name]  # fmt: skip


def _minute(at: datetime, identity: UUID) -> datetime:
    """The minute of that moment. The time is the whole key: what is too old already is older still by some minutes."""
    is_over = at < NOW - PERIODS["watch_minutes"].kept
    return at.replace(second=0, microsecond=0) - timedelta(minutes=identity.int % 10_000_000 if is_over else 0)


# Rows as old as those above, which stay all the same.
UNFINISHED: dict[str, dict[str, object]] = {
    "avatars": {"status": "live", "removed_at": None},
    "carts": {"status": "ordered", "ordered_at": NOW},
    "data_exports": {"status": "ready"},
    "hook_deliveries": {"state": "pending", "done_at": None, "next_at": NOW},
    "hook_secrets": {"ends_at": None},
    "mails": {"status": "queued", "finished_at": None},
    "orders": {"state": "shipped"},
    "report_exports": {"state": "ready", "run_id": MEMBER},
    "social_images": {"status": "live", "removed_at": None},
    "second_factors": {"enabled_at": NOW},
    "sessions": {"ended_at": NOW},
    "wholesale_accounts": {"status": "approved"},
}


def table_of(name: str) -> str:
    return PERIODS[name].table


def fill(sql: Connection, name: str, at: datetime, **changes: object) -> None:
    with unchecked(sql):
        put(sql, table_of(name), **(row(name, at) | changes))


# Of these a part of the row goes.
EMPTIED = {"orders": "address IS NOT NULL"}


def left(sql: Connection, name: str) -> int:
    """How many rows stay, or stay whole."""
    statement = f"SELECT count(*) FROM {table_of(name)} WHERE {EMPTIED.get(name, 'true')}"
    return int(sql.execute_simple(statement).rows[0][0])


def test_every_table_has_a_period_or_a_reason_to_stay(sql: Connection) -> None:
    """A new table fails here until somebody has decided."""
    cleared = {period.table for period in PERIODS.values()}
    assert cleared | FOR_EVER.keys() == {name for (name,) in sql.execute_simple(TABLES).rows}
    partly = {period.table for period in PERIODS.values() if period.only}
    assert cleared & FOR_EVER.keys() <= partly, "some of its rows go and some stay: `only` says which go"
    assert all(len(reason) > 10 for reason in FOR_EVER.values())


def test_every_period_has_a_job_that_keeps_it() -> None:
    hourly = {name for name, period in PERIODS.items() if period.job == HOURLY}
    assert hourly == old_store.PURGES.keys() | {"members"}  # test_sign_ups_end.py
    for name, period in PERIODS.items():
        function, schedule = period.job.split(": ")
        assert schedule in {found.name for found in functions()[function].schedules}, name
        code = "\n".join(path.read_text() for path in (ROOT / "functions" / function).glob("*.py"))
        assert name in old_store.PURGES or period.job == MONTHS or f'PERIODS["{name}"]' in code, name
    assert {name for name, period in PERIODS.items() if period.job == MONTHS} == month_store.DROPS.keys()
    for name, statement in old_store.PURGES.items():
        begins = ["UPDATE", table_of(name), "SET"] if name in EMPTIED else ["DELETE", "FROM", table_of(name)]
        assert statement.split()[:3] == begins


def test_a_device_is_known_as_long_as_it_is_kept() -> None:
    assert PERIODS["known_devices"].kept == auth_rules.DEVICE_KNOWN_FOR
    assert PERIODS["sessions"].kept > timedelta(days=366), "devices are compared for the guarantee's year"
    assert PERIODS["refresh_tokens"].kept > auth_rules.LOST_RESPONSE


def words(period: timedelta) -> str:
    hours = period // timedelta(hours=1)
    number, unit = (hours // 24, "day") if hours % 24 == 0 else (hours, "hour")
    return f"{number} {unit}{'' if number == 1 else 's'}"


def test_the_page_says_what_the_list_says() -> None:
    told = [
        f"| `{period.table}`{f', {period.only}' if period.only else ''} | {words(period.kept)} | `{period.since}` | "
        f"{period.reason} | {period.job} |".replace("`ended_at, or last_used_at`", "`ended_at`, or `last_used_at`")
        for period in PERIODS.values()
    ]
    shown = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| `")]
    assert shown == told


@pytest.mark.parametrize("name", old_store.PURGES)
def test_rows_go_when_their_time_is_over_and_not_before(name: str, sql: Connection) -> None:
    before = NOW - PERIODS[name].kept
    for moment in (before - timedelta(days=800), before - SECOND, before + SECOND, NOW):
        fill(sql, name, moment)

    for _ in range(2):  # again, and nothing happens
        member_erase.forget_old(NOW)

        assert left(sql, name) == 2


@pytest.mark.parametrize("name", UNFINISHED)
def test_what_is_not_finished_stays(name: str, sql: Connection) -> None:
    fill(sql, name, NOW - PERIODS[name].kept - SECOND, **UNFINISHED[name])
    member_erase.forget_old(NOW)
    assert left(sql, name) == 1


def test_a_session_that_was_never_ended_goes_when_it_was_used_last_so_long_ago(sql: Connection) -> None:
    before = NOW - PERIODS["sessions"].kept
    for used in (before - SECOND, before + SECOND):
        fill(sql, "sessions", before - timedelta(days=9), id=uuid4(), member_id=uuid4(), last_used_at=used,
             ended_at=None, end_reason=None)  # fmt: skip
    member_erase.forget_old(NOW)
    assert sql.execute_simple("SELECT last_used_at FROM sessions").rows == [[before + SECOND]]


def test_a_session_goes_after_its_refresh_tokens(sql: Connection) -> None:
    session = uuid4()
    fill(sql, "sessions", NOW - PERIODS["sessions"].kept - SECOND, id=session)
    fill(sql, "refresh_tokens", NOW, session_id=session)
    member_erase.forget_old(NOW)
    assert left(sql, "sessions") == 1
    member_erase.forget_old(NOW + timedelta(days=2))
    assert (left(sql, "sessions"), left(sql, "refresh_tokens")) == (0, 0)


def test_what_is_in_a_cart_goes_with_it_and_a_cart_that_was_touched_stays(
    platform: Platform, client: Callable[..., FunctionClient], sql: Connection
) -> None:
    old, new = (client(factories.member().token) for _ in range(2))
    for somebody in (old, new):
        assert somebody.post("/v1/cart/add", {"sku": "COFFEE-3", "quantity": 2}).status == 200
    gone = old.get("/v1/cart").body["id"]
    sql.execute_unnamed("UPDATE carts SET changed_at = now() - interval '366 days' WHERE id = $1", (gone,))
    assert FunctionInvoker(platform.invoker_token).schedule("member_erase", "forget-old") == 204
    assert old.get("/v1/cart").body["items"] == []
    assert [item["quantity"] for item in new.get("/v1/cart").body["items"]] == [2]
    assert sql.execute_simple("SELECT count(*) FROM cart_items").rows == [[1]]


def test_members_keep_their_answers_longer_than_strangers(sql: Connection) -> None:
    moment = NOW - timedelta(days=2)
    fill(sql, "idempotency_keys", moment)
    fill(sql, "idempotency_keys_of_anyone", moment)
    member_erase.forget_old(NOW)
    assert sql.execute_simple("SELECT scope FROM idempotency_keys").rows == [[str(MEMBER)]]


def test_it_goes_batch_by_batch(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_store, "ROWS_AT_ONCE", 2)
    for _ in range(7):
        fill(sql, "email_codes", NOW - timedelta(days=9))
    assert db.atomically(old_store.purge, "email_codes", before=NOW, limit=2) == 2
    member_erase.forget_old(NOW)
    assert left(sql, "email_codes") == 0


def test_a_run_that_takes_long_leaves_the_rest_to_the_next(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is killed does."""
    monkeypatch.setattr(old_store, "ROWS_AT_ONCE", 2)
    monkeypatch.setattr(member_erase, "TABLE_SECONDS_MAX", 0.0)
    for _ in range(5):
        fill(sql, "email_codes", NOW - timedelta(days=9))
    for rows in (3, 1, 0, 0):
        member_erase.forget_old(NOW)
        assert left(sql, "email_codes") == rows


def test_runs_at_the_same_time_do_not_hold_each_other_up(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_store, "ROWS_AT_ONCE", 3)
    for name in old_store.PURGES:
        for _ in range(20):
            fill(sql, name, NOW - PERIODS[name].kept - SECOND)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: member_erase.forget_old(NOW), range(4)))
    member_erase.forget_old(NOW)
    assert {name: left(sql, name) for name in old_store.PURGES} == dict.fromkeys(old_store.PURGES, 0)


@pytest.mark.parametrize("name", old_store.PURGES)
def test_a_row_that_somebody_holds_is_left_for_the_next_run(name: str, sql: Connection) -> None:
    for _ in range(2):
        fill(sql, name, NOW - PERIODS[name].kept - SECOND)
    sql.execute_simple("BEGIN")
    sql.execute_simple(f"SELECT 1 FROM {table_of(name)} LIMIT 1 FOR UPDATE")
    member_erase.forget_old(NOW)  # waits for nobody
    sql.execute_simple("COMMIT")
    assert left(sql, name) == 1
    member_erase.forget_old(NOW)
    assert left(sql, name) == 0


def test_the_trouble_of_one_table_does_not_keep_the_others_full(sql: Connection) -> None:
    for name in old_store.PURGES:
        fill(sql, name, NOW - PERIODS[name].kept - SECOND)
    sql.execute_simple(
        "CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'broken'; END $$;"
        "CREATE TRIGGER never BEFORE DELETE ON avatars FOR EACH ROW EXECUTE FUNCTION never()"
    )
    with pytest.raises(ExceptionGroup, match="the others were done"):
        member_erase.forget_old(NOW)
    assert {name for name in old_store.PURGES if left(sql, name)} == {"avatars"}


def test_it_runs_with_the_rights_of_its_own_login(platform: Platform, sql: Connection) -> None:
    """Called as the scheduler does; the statements above ran as whoever tests may."""
    for name in old_store.PURGES:
        fill(sql, name, NOW - timedelta(days=900))
    invoker = FunctionInvoker(platform.invoker_token)
    assert invoker.schedule("member_erase", "forget-old") == 204
    assert {name: left(sql, name) for name in old_store.PURGES} == dict.fromkeys(old_store.PURGES, 0)


def test_whoever_is_signed_in_stays_signed_in(client: Callable[..., FunctionClient], platform: Platform) -> None:
    somebody = factories.member()
    assert FunctionInvoker(platform.invoker_token).schedule("member_erase", "forget-old") == 204
    assert client(somebody.token).get("/v1/users/me").status == 200
