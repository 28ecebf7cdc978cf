"""An account that is deleted: nobody can come back to it, and nothing of the person is left but what money needs."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from emulators import cloud
from functions.member_erase import old_store
from functions.member_erase import store as erasing
from functions.member_export import records
from shared import db
from shared.auth import Role
from shared.messages import notifications as telling
from shared.messages.notifications import Note
from shared.ports import files, firestore
from shared.ports.firestore import Document
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes import comp_records, pictures
from tests.fakes.member_rows import MANY, ONE, insert_rows
from tests.fakes.plain_rows import at, put, unchecked
from tests.fakes.profile_client import ProfileClient, fetched
from tests.fakes.wholesale_client import application
from tests.platform import Platform
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.profile_plugin"]
pytestmark = pytest.mark.usefixtures("listener_copies")

Client = Callable[..., FunctionClient]

DELETION = "/v1/users/me/deletion"
WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"
CANARY_BYTES = b"canary".hex()

# Whose rows of these are no more than a number without the account, or are not about a person; see KEPT for the rest.
NOT_EXPORTED = {
    "payout_approvals": "of admins", "code_batches": "of admins", "code_changes": "of admins",
    "bank_nonces": "of admins", "foreign_explanations": "of admins",
    "code_imports": "of admins", "comp_rule_changes": "of admins", "broadcasts": "of admins",
    "api_keys": "of admins", "campaigns": "of admins", "governance_votes": "of admins",
    "live_streams": "of admins", "mail_publications": "of admins", "mail_templates": "of admins",
    "mail_template_versions": "of admins",
    "top_ups": "of admins", "top_up_approvals": "of admins",
    "manual_transfers": "of admins", "manual_awards": "of admins", "stock_moves": "of admins",
    "bank_transfers": "of admins", "operation_resolutions": "of admins", "payment_findings": "of admins",
    "refund_requests": "of admins", "setting_changes": "of admins", "setting_wishes": "of admins",
    "critical_events": "of admins",
    "affiliate_week_decisions": "of admins", "report_exports": "of admins",
    "chip_vaults": "when the first of `vault_lots` came", "withheld_chips": "how fraud is found",
    "mark_secrets": "a secret", "member_wallets": "the wallets of `wallets`",
    "reconciliations": "of admins", "reconciliation_findings": "of admins",
    "codes": "a hash", "wallet_challenges": "questions that were answered",
    "wallet_tokens": "moments", "wallet_id_tokens": "hashes, and the wallets of `wallets`", "refresh_tokens": "hashes",
    "email_codes": "hashes", "backup_codes": "hashes", "pushes": "which device was told of which notification",
    "inboxes": "a count of notifications", "late_counts": "counts on their way to where they belong",
    "referral_changes": "tiers on their way to where they are shown",
    "affiliate_figures": "sums of other rows", "affiliate_figure_changes": "sums on their way to where they are shown",
    "activity": "the newest day of `scans` and `orders`, for a count",
    "referral_checks": "how fraud is found", "referral_reviews": "how fraud is found",
    "honey_trials": "how fraud is found", "code_retries": "how fraud is found",
    "flagged_scans": "how fraud is found", "guarantee_reviews": "how fraud is found",
    "social_sent": "which ids a client gave to `social_messages`",
    "support_contacts": "whether Intercom has what `account` says",
    "guarantee_claims": "hashes", "listener_revocations": "a moment", "erasures": "a moment",
}  # fmt: skip
SECTIONS = {
    "account": "members", "totals": "member_totals", "quarters": "member_quarters", "tiers": "tier_history",
    "guarantee": "guarantees", "wallets": "wallet_links", "chips": "affiliate_chips", "chip_balance": "chip_balances",
    "downline": "downline_entries", "second_factor": "second_factors", "wallet_balance": "wallet_balances",
    "locked_share": "locked_shares", "pictures": "avatars", "exports": "data_exports", "cart": "carts",
    "wholesale_account": "wholesale_accounts", "week_shares": "affiliate_week_shares",
}  # fmt: skip

# What they leave where a test would come only by way of an app, a chain or a vendor.
TRACES = (
    "INSERT INTO second_factors (member_id, sealed_secret, created_at) VALUES ($1, 'canary', now())",
    "INSERT INTO mark_secrets VALUES ($1, convert_to('canary' || repeat('x', 26), 'UTF8'))",
    "INSERT INTO backup_codes (member_id, code_mac, created_at) VALUES ($1, 'canary', now())",
    "INSERT INTO known_devices SELECT CAST('canary' || n AS bytea), $1, now(), now() FROM generate_series(1, 3) AS n",
    "UPDATE members SET oobit_card_id = 'canary', oobit_card_status = 'active' WHERE id = $1",
    "INSERT INTO wallet_balances VALUES ($1, '0x' || repeat('5', 40), 5550199, 1, now())",
)


def delete(profile_client: ProfileClient, **body: object) -> Answer:
    return profile_client.member.post(DELETION, {"username": profile_client.profile()["username"], **body})


def erased(profile_client: ProfileClient) -> None:
    """All tasks and all mails, then the last look."""
    profile_client.run_tasks(times=2)
    for (mail,) in profile_client.sql.execute_simple("SELECT id FROM mails WHERE status = 'queued'").rows:
        assert profile_client.invoker.event("email_send", "mail-queued", {"mail_id": str(mail)}) == 204
    last = profile_client.one(
        "SELECT DISTINCT body FROM outbox WHERE function = 'member_erase' AND deliver_at IS NOT NULL"
    )
    assert profile_client.invoker.task("member_erase", "member-erase", last) == 204
    profile_client.run_tasks()


def everything(profile_client: ProfileClient, somebody: Somebody) -> dict[str, Any]:
    """A member who has left traces everywhere."""
    for code in factories.manufactured_codes(3):
        answer = profile_client.member.post(
            "/v1/scans/submit",
            {"code": code, "device_id": "canary-device", "location": {"latitude": 48.85, "longitude": 2.29}},
        )
        assert answer.status == 201, answer.body
    shown = profile_client.uploaded()
    profile_client.change(full_name="Canary Lovelace", bio="canary-bio", phone="+17755550199", city="Canaryville")
    profile_client.change(email="canary@example.com")
    profile_client.member.post("/v1/users/me/devices", {"platform": "android", "token": "canary-token:APA91bHun4MxP5"})
    profile_client.member.put(
        "/v1/users/me/notification-preferences",
        {kind: {"push": True, "email": True} for kind in ("system", "social", "comp", "order")},
    )
    profile_client.member.post("/v1/wallet/challenge", {"address": WALLET}, **{"Idempotency-Key": "canary"})
    profile_client.member.post("/v1/users/me/exports")
    profile_client.member.put("/v1/affiliate/referral-link", {"code": "canary-link"})
    business = application(company_name="Canary LLC", contact_name="Canary", email="canary@canary.example.com")
    assert profile_client.member.post("/v1/wholesale/apply", business).status == 201
    for query in TRACES:
        profile_client.sql.execute_unnamed(query, (somebody.id,))
    note = Note(somebody.id, "social", "canary-title", "Hello", {}, "canary")
    db.atomically(lambda tx: telling.notify(tx, note, datetime.now(UTC)))
    profile_client.run_tasks()
    firestore.put_newer(
        [
            Document(f"inboxes/{somebody.id}", 1, {"unread_count": 1}),
            *(Document(f"members/{somebody.id}/notifications/n{n}", 1, {"title": "canary"}) for n in range(3)),
        ]
    )
    return shown


def rows_of(sql: Connection, *names: object) -> list[str]:
    """Every row of every table that has one of these in it."""
    tables = sql.execute_simple(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
    ).rows
    found = [
        f"{table}: {row}"
        for (table,) in tables
        for (row,) in sql.execute_simple(f"SELECT t::text FROM {table} AS t ORDER BY 1").rows
    ]
    return [row for row in found if any(str(name) in row for name in names)]


def test_nothing_of_anybody_else_is_touched(profile_client: ProfileClient, somebody: Somebody) -> None:
    """Somebody else has rows of every kind that is exported, and both have a session's tokens."""
    other = factories.member()
    everything(profile_client, somebody)
    with unchecked(profile_client.sql):
        for section in sorted(MANY | ONE):
            insert_rows(profile_client.sql, section, other)
        profile_client.sql.execute_unnamed(
            "UPDATE mails SET status = 'sent', finished_at = queued_at WHERE member_id = $1", (other.id,)
        )
        for whose in (somebody, other):
            put(profile_client.sql, "refresh_tokens", token_hash=whose.id.bytes, session_id=factories.session_of(whose),
                issued_at=at(0), expires_at=at(9))  # fmt: skip
    before = rows_of(profile_client.sql, other.id, factories.session_of(other))
    assert len(before) > len(MANY)

    assert delete(profile_client).status == 202
    erased(profile_client)

    assert rows_of(profile_client.sql, other.id, factories.session_of(other)) == before


def test_nobody_signs_in_to_it_any_more_and_its_tokens_are_worth_nothing(
    profile_client: ProfileClient, client: Client, somebody: Somebody
) -> None:
    answer = delete(profile_client)
    assert answer.status == 202
    for path in ("/v1/users/me", "/v1/users/me/profile", "/v1/notifications"):
        assert profile_client.member.get(path).problem == "token-not-valid"
    body = {"email": somebody.email, "password": "Sesame-Open-77!"}
    assert client().post("/v1/auth/login", body).problem == "sign-in-refused"
    assert profile_client.one("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 0
    assert profile_client.one("SELECT count(*) FROM listener_revocations") == 1


def test_nothing_of_the_person_is_left(
    profile_client: ProfileClient, somebody: Somebody, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "ROWS_AT_ONCE", 2)
    shown = everything(profile_client, somebody)
    assert delete(profile_client).status == 202
    erased(profile_client)
    tables = sql.execute_simple(
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition "
        "AND relnamespace = 'public'::regnamespace"
    ).rows
    left = {}
    for (table,) in tables:
        found = sql.execute_simple(
            f"SELECT count(*) FROM {table} AS row_ WHERE row_::text ~* "
            f"'canary|{CANARY_BYTES}|{somebody.email}|555 ?0199|48[.]85|203[.]0[.]113'"
        ).rows[0][0]
        if found:
            left[table] = found
    assert left == {}
    assert profile_client.one("SELECT finished_at IS NOT NULL FROM erasures") is True
    assert firestore._client().document(f"inboxes/{somebody.id}").get().exists is False
    assert list(firestore._client().collection(f"members/{somebody.id}/notifications").list_documents()) == []
    for url in (shown["url"], shown["small_url"]):
        with pytest.raises(Exception, match="404"):
            fetched(url)


def test_scans_and_sums_stay_under_a_pseudonym(
    profile_client: ProfileClient, somebody: Somebody, sql: Connection
) -> None:
    everything(profile_client, somebody)
    delete(profile_client)
    erased(profile_client)
    assert sql.execute_simple("SELECT number, member_id FROM scans ORDER BY number").rows == [
        [number, somebody.id] for number in (1, 2, 3)
    ]
    assert profile_client.one("SELECT scans FROM member_totals WHERE scans > 0") == 3
    ((username, full_name, status),) = sql.execute_simple(
        f"SELECT username, full_name, status FROM members WHERE id = '{somebody.id}'"
    ).rows
    assert username.startswith("deleted_")
    assert profile_client.one("SELECT count(*) FROM members WHERE oobit_card_status IS NOT NULL") == 0
    assert (full_name, status) == ("", "deleted")
    audit = sql.execute_simple("SELECT count(*) FROM ledger_postings").rows
    assert audit == [[0]]


def test_the_goodbye_is_mailed_to_the_address_that_was(
    profile_client: ProfileClient, somebody: Somebody, platform: Platform
) -> None:
    platform.mail.clear()
    delete(profile_client)
    erased(profile_client)
    (mail,) = platform.mail.mails()
    assert mail.to[0]["email"] == somebody.email
    assert "deleted" in mail.subject


def test_the_address_is_free_again_and_the_name_is_nobodys(
    profile_client: ProfileClient, client: Client, somebody: Somebody
) -> None:
    username = profile_client.profile()["username"]
    delete(profile_client)
    erased(profile_client)
    body = {
        "email": somebody.email, "password": "Sesame-Open-77!", "full_name": "Ada", "date_of_birth": "1990-12-10",
    }  # fmt: skip
    assert client().post("/v1/auth/signup", body | {"username": username}).problem == "username-taken"
    assert client().post("/v1/auth/signup", body).status == 201


def test_there_is_no_way_back(profile_client: ProfileClient, sql: Connection) -> None:
    delete(profile_client)
    with pytest.raises(Exception, match="member_deleted"):
        sql.execute_simple("UPDATE members SET status = 'active' WHERE status = 'deleted'")


def test_whoever_signed_in_long_ago_signs_in_again_first(profile_client: ProfileClient, sql: Connection) -> None:
    sql.execute_simple("UPDATE sessions SET created_at = now() - interval '11 minutes'")
    before = rows_of_all_tables(sql)
    answer = delete(profile_client)
    assert (answer.status, answer.problem) == (403, "sign-in-again")
    assert rows_of_all_tables(sql) == before


def test_another_name_is_not_meant(profile_client: ProfileClient, sql: Connection) -> None:
    before = rows_of_all_tables(sql)
    answer = profile_client.member.post(DELETION, {"username": "somebody_else"})
    assert (answer.status, answer.problem) == (422, "not-this-account")
    assert rows_of_all_tables(sql) == before


def test_a_payout_under_way_is_in_the_way(platform: Platform, client: Client, sql: Connection) -> None:
    winner = factories.member(wallet=WALLET)
    profile_client = ProfileClient(client(winner.token), platform, sql)
    comp_records.award_comp(winner)
    before = rows_of_all_tables(sql)
    check = profile_client.member.get(DELETION).body
    assert (check["possible"], [found["kind"] for found in check["obstacles"]]) == (False, ["payouts"])
    for forfeit in (False, True):
        answer = delete(profile_client, forfeit=forfeit)
        assert (answer.status, answer.problem) == (409, "account-cannot-be-deleted")
        assert answer.body["obstacles"] == [{"kind": "payouts", "count": 1, "forfeitable": False}]
    assert rows_of_all_tables(sql) == before


def test_what_waits_for_a_wallet_is_in_the_way_until_it_is_given_up(
    profile_client: ProfileClient, somebody: Somebody
) -> None:
    comp = comp_records.award_comp(somebody)
    check = profile_client.member.get(DELETION).body["obstacles"]
    assert [(found["kind"], found["count"], found["forfeitable"]) for found in check] == [("comps", 1, True)]
    assert check[0]["amount"] > 0
    assert delete(profile_client).problem == "account-cannot-be-deleted"
    assert delete(profile_client, forfeit=True).status == 202
    ((found, status, reason),) = profile_client.sql.execute_simple("SELECT id, status, cancel_reason FROM comps").rows
    assert found == comp
    assert (status, reason) == ("cancelled", "The account was deleted")
    assert profile_client.one("SELECT sum(amount) FROM ledger_postings WHERE account = 'owed:member'") == 0
    erased(profile_client)
    assert profile_client.one("SELECT count(*) FROM comps") == 1


def test_an_admin_hands_the_role_back_first(client: Client, platform: Platform, sql: Connection) -> None:
    profile_client = ProfileClient(client(factories.member(role=Role.SUPPORT).token), platform, sql)
    answer = delete(profile_client, forfeit=True)
    assert answer.body["obstacles"] == [{"kind": "role", "count": 1, "forfeitable": False}]


def test_a_task_for_somebody_who_did_not_ask_removes_nothing(profile_client: ProfileClient, somebody: Somebody) -> None:
    before = rows_of_all_tables(profile_client.sql, without=("job_faults",))
    body = {"member_id": str(somebody.id), "is_last_look": False}
    assert profile_client.invoker.task("member_erase", "member-erase", body) == 204
    assert rows_of_all_tables(profile_client.sql, without=("job_faults",)) == before
    assert profile_client.one("SELECT count(*) FROM job_faults") == 1


def test_every_table_about_members_is_erased_or_kept_and_exported_or_not_for_a_reason(sql: Connection) -> None:
    """A new table fails here until somebody has decided. Steps are statements: what they touch is read from them."""
    about = {
        table
        for (table,) in sql.execute_simple(
            "SELECT DISTINCT child.relname FROM pg_constraint c JOIN pg_class child ON child.oid = c.conrelid "
            "JOIN pg_class parent ON parent.oid = c.confrelid WHERE c.contype = 'f' AND NOT child.relispartition "
            "AND parent.relname IN ('members', 'sessions', 'notifications', 'devices')"
        ).rows
    } | {"members"}
    changed = {table: statement.split() for table, statement in erasing.STEPS.items()}
    emptied = {table for table, words in changed.items() if words[:3] == ["UPDATE", table, "SET"]}
    deleted = {table for table, words in changed.items() if words[:3] == ["DELETE", "FROM", table]}
    assert changed.keys() == emptied | deleted
    assert emptied <= erasing.KEPT.keys()
    assert (deleted & about) | erasing.KEPT.keys() == about
    assert not deleted & erasing.KEPT.keys()
    shown = {SECTIONS.get(name, name) for name in records.SECTIONS}
    assert shown & about | NOT_EXPORTED.keys() == about
    assert not shown & NOT_EXPORTED.keys()


def test_each_trace_of_a_scan_goes_also_where_it_is_the_only_one(sql: Connection, somebody: Somebody) -> None:
    traces = {"latitude": 48.85, "longitude": 2.29, "device_time": at(0), "device_id": "phone", "ip_address": "::1"}
    with unchecked(sql):
        for number, (column, value) in enumerate(traces.items(), 1):
            put(sql, "scans", id=uuid4(), number=number, member_id=somebody.id, code_mac=bytes([number]),
                product_sku="MINTICE-6", scanned_at=at(number), method="qr", tier="standard", quarter="2026-Q4",
                quarter_scans=number, **{column: value})  # fmt: skip

    assert db.atomically(lambda tx: erasing.erase(tx, "scans", somebody.id, 9)) == len(traces)
    assert sql.execute_simple(f"SELECT sum(num_nonnulls({', '.join(traces)})) FROM scans").rows == [[0]]


def test_a_cart_goes_with_its_account(profile_client: ProfileClient, client: Client) -> None:
    other = client(factories.member().token)
    for member in (profile_client.member, other):
        assert member.post("/v1/cart/add", {"sku": "COFFEE-3", "quantity": 2}).status == 200
    delete(profile_client)
    erased(profile_client)
    assert (
        profile_client.one("SELECT count(*) FROM carts") == profile_client.one("SELECT count(*) FROM cart_items") == 1
    )
    assert [item["quantity"] for item in other.get("/v1/cart").body["items"]] == [2]


def test_somebody_elses_traces_stay(
    profile_client: ProfileClient, client: Client, platform: Platform, sql: Connection
) -> None:
    other = ProfileClient(client(factories.member().token), platform, sql)
    other.change(bio="stays")
    (code,) = factories.manufactured_codes(1)
    other.member.post("/v1/scans/submit", {"code": code, "device_id": f"d-{uuid4()}"})
    shown = other.uploaded()
    before = other.profile()
    delete(profile_client)
    erased(profile_client)
    assert other.profile() == before
    assert fetched(shown["url"])[0]
    assert profile_client.one("SELECT count(*) FROM scans WHERE device_id IS NOT NULL") == 1
    assert cloud.AVATARS_BUCKET in shown["url"]


def test_counters_of_attempts_name_nobody_when_their_hour_is_over(
    profile_client: ProfileClient, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_store, "ROWS_AT_ONCE", 2)
    profile_client.member.post("/v1/scans/submit", {"code": "AAAA-AAAA-AAAA", "device_id": "canary-device"})
    profile_client.change(email="canary@example.com")
    counted = "SELECT count(*) FROM attempt_counters"
    before = profile_client.one(counted)
    assert before >= 3
    assert profile_client.invoker.schedule("member_erase", "forget-old") == 204
    assert profile_client.one(counted) == before
    sql.execute_simple("UPDATE attempt_counters SET hour = hour - interval '27 hours'")
    assert profile_client.invoker.schedule("member_erase", "forget-old") == 204
    assert profile_client.one(counted) == 0


def test_a_picture_and_a_file_that_are_written_while_the_account_goes_are_removed_in_the_end(
    profile_client: ProfileClient,
) -> None:
    """Both tasks have begun, and write when everything else is gone."""
    assert profile_client.upload(pictures.picture()).status == 202
    profile_client.member.post("/v1/users/me/exports")
    delete(profile_client)
    profile_client.run_tasks()
    names = [
        (bucket, name)
        for bucket, query in (
            (cloud.AVATARS_BUCKET, "SELECT object_name FROM avatars"),
            (cloud.DOCUMENTS_BUCKET, "SELECT object_name FROM data_exports"),
        )
        for (name,) in profile_client.sql.execute_simple(query).rows
    ]
    assert len(names) == 2
    for bucket, name in names:
        files.write(bucket, name, [b"late"], "text/plain")
    erased(profile_client)
    for bucket, name in names:
        with pytest.raises(files.FileMissing):
            files.stored(bucket, name)
    assert (
        profile_client.one("SELECT count(*) FROM avatars")
        == profile_client.one("SELECT count(*) FROM data_exports")
        == 0
    )
