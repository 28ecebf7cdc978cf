"""Everything about a member as a file that only they can fetch, for a week."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from pg8000.dbapi import Connection

from emulators import cloud
from functions.member_export import store
from shared import clock
from shared.ports import files
from shared.ports.files import FileMissing
from tests import factories
from tests.client import FunctionClient
from tests.factories import Somebody
from tests.fakes.profile_client import ProfileClient, fetched

pytest_plugins = ["tests.fakes.profile_plugin"]

Client = Callable[..., FunctionClient]

EXPORTS = "/v1/users/me/exports"
ACCESS = (
    "INSERT INTO second_factors (member_id, sealed_secret, created_at) VALUES ($1, 'secret', now())",
    "INSERT INTO backup_codes (member_id, code_mac, created_at) VALUES ($1, 'secret', now())",
    "INSERT INTO known_devices SELECT CAST('secret' || n AS bytea), $1, now(), now() FROM generate_series(1, 3) AS n",
    "INSERT INTO wallet_balances VALUES ($1, '0x' || repeat('5', 40), 7000000, 1, now())",
)


def exported(profile_client: ProfileClient) -> dict[str, Any]:
    made = profile_client.member.post(EXPORTS)
    assert (made.status, made.body["status"], made.body["download_url"]) == (202, "making", None)
    profile_client.run_tasks(times=2)
    found = profile_client.member.get(f"{EXPORTS}/{made.body['id']}").body
    assert found["status"] == "ready"
    data, headers = fetched(found["download_url"])
    assert "attachment" in headers["content-disposition"]
    read: dict[str, Any] = json.loads(data)
    return read


def test_it_has_what_there_is_and_no_secret(
    profile_client: ProfileClient, somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PAGE_ROWS", 2)
    for code in factories.manufactured_codes(5):
        assert profile_client.member.post("/v1/scans/submit", {"code": code, "device_id": "pixel-9"}).status == 201
    token = "dQw4w9WgXcQ:APA91bHun4MxP5egoKMwt2KZFBaFUH"
    profile_client.member.post("/v1/users/me/devices", {"platform": "android", "token": token})
    profile_client.change(email="new@example.com")
    profile_client.member.put("/v1/affiliate/referral-link", {"code": "ada-link"})
    for query in ACCESS:
        profile_client.sql.execute_unnamed(query, (somebody.id,))
    read = exported(profile_client)
    assert read["account"][0]["email"] == somebody.email
    assert [scan["number"] for scan in read["scans"]] == [1, 2, 3, 4, 5]
    assert {scan["device_id"] for scan in read["scans"]} == {"pixel-9"}
    assert read["totals"][0]["scans"] == 5
    assert read["email_changes"][0]["new_email"] == "new@example.com"
    assert {mail["template"] for mail in read["mails"]} == {"verify_new_email", "email_change_asked"}
    assert len(read["devices"]) == len(read["sessions"]) == 1
    assert [code["code"] for code in read["referral_codes"]] == ["ada-link"]
    assert [set(row) for row in read["known_devices"]] == [{"created_at", "last_used_at"}] * 3
    assert [set(row) for row in read["second_factor"]] == [{"created_at", "enabled_at"}]
    assert [row["balance"] for row in read["wallet_balance"]] == [7_000_000]
    text = json.dumps(read)
    for secret in ("argon2", token, "password", b"secret".hex(), "code_mac", "flags"):
        assert secret not in text, secret


def test_it_has_nothing_of_anybody_else(client: Client, profile_client: ProfileClient) -> None:
    other = factories.member()
    (code,) = factories.manufactured_codes(1)
    client(other.token).post("/v1/scans/submit", {"code": code})
    read = exported(profile_client)
    assert str(other.id) not in json.dumps(read)
    assert read["scans"] == []


def test_the_member_is_told_in_the_app_and_by_mail_once(profile_client: ProfileClient, somebody: Somebody) -> None:
    exported(profile_client)
    assert [note["title"] for note in profile_client.member.get("/v1/notifications").body["items"]] == [
        "Your data is ready"
    ]
    assert [to for to, _ in profile_client.mailed("export_ready")] == [somebody.email]


def test_within_a_day_it_is_the_same_one(profile_client: ProfileClient, sql: Connection) -> None:
    first = profile_client.member.post(EXPORTS).body
    assert profile_client.member.post(EXPORTS).body["id"] == first["id"]
    profile_client.run_tasks()
    again = profile_client.member.post(EXPORTS).body
    assert (again["id"], again["status"]) == (first["id"], "ready")
    sql.execute_simple("UPDATE data_exports SET asked_at = asked_at - interval '25 hours'")
    assert profile_client.member.post(EXPORTS).body["id"] != first["id"]


def test_nobody_else_finds_it_and_without_its_signature_it_cannot_be_fetched(
    client: Client, profile_client: ProfileClient
) -> None:
    exported(profile_client)
    made = profile_client.member.post(EXPORTS).body
    stranger = client(factories.member().token).get(f"{EXPORTS}/{made['id']}")
    assert (stranger.status, stranger.problem) == (404, "not-found")
    with pytest.raises(HTTPError) as refused:
        fetched(made["download_url"].partition("?")[0])
    refused.value.close()
    assert refused.value.code == 403


def test_after_a_week_the_file_is_gone(
    profile_client: ProfileClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported(profile_client)
    name = profile_client.one("SELECT object_name FROM data_exports")
    assert profile_client.invoker.schedule("member_export", "forget") == 204
    assert files.stored(cloud.DOCUMENTS_BUCKET, name)
    monkeypatch.setenv(clock.CLOCK_FILE, str(tmp_path / "clock"))
    (tmp_path / "clock").write_text(str(timedelta(days=7, minutes=1).total_seconds()))
    assert [profile_client.invoker.schedule("member_export", "forget") for _ in range(2)] == [204, 204]
    with pytest.raises(FileMissing):
        files.stored(cloud.DOCUMENTS_BUCKET, name)
    assert profile_client.one("SELECT status FROM data_exports") == "expired"
