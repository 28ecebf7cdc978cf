"""A batch of codes from its order to the first scan: made in the background, exported, imported, only then spent."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from shared.codes import codes
from tests import factories
from tests.client import Answer, FunctionClient
from tests.platform import Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]
Json = dict[str, Any]

TASKS_MAX = 10
CHUNK = 50_000
COLUMNS = ["code", "batch_id", "batch_name", "generated_at"]


@dataclass(frozen=True)
class Factory:
    """An admin with the rights, and whoever runs the tasks that are waiting."""

    admin: FunctionClient
    platform: Platform
    sql: Connection

    def order(self, **changes: object) -> Json:
        body = {"name": "November", "product_sku": "MINTICE-6", "quantity": 5} | changes
        answer = self.admin.post("/v1/admin/qr/generate", body)
        assert answer.status == 202
        batch: Json = answer.body
        return batch

    def run_tasks(self, *, times: int = 1) -> int:
        """Deliver every waiting task, as Cloud Tasks would; how many there were."""
        function_client = FunctionClient(self.platform.invoker_token)
        for done in range(TASKS_MAX):
            waiting = self.sql.execute_simple(
                "SELECT id, body, task_name FROM outbox WHERE function = 'codes_generate' AND published_at IS NULL"
            ).rows
            if not waiting:
                return done
            for identity, body, name in waiting:
                headers = {"X-CloudTasks-TaskName": str(name), "X-CloudTasks-QueueName": "codes-generate"}
                for _ in range(times):
                    given = function_client.raw("codes_generate", "POST", "/", json.dumps(body).encode(), headers)
                    assert given.status_code == 204
                self.sql.execute_unnamed("UPDATE outbox SET published_at = now() WHERE id = $1", (identity,))
        raise AssertionError(f"more than {TASKS_MAX} tasks")

    def batch(self, batch: Json) -> Json:
        found: Json = self.admin.get(f"/v1/admin/qr/batches/{batch['id']}").body
        return found

    def export(self, batch: Json) -> Json:
        answer = self.admin.post("/v1/admin/qr/export", {"batch_id": batch["id"]})
        assert answer.status == 200
        link: Json = answer.body
        return link

    def exported(self, batch: Json) -> str:
        """The file as whoever has the link gets it."""
        with urlopen(self.export(batch)["download_url"], timeout=10) as file:  # noqa: S310 - the storage emulator
            text: str = file.read().decode()
            return text

    def bring(self, file: str) -> Answer:
        return self.admin.send("POST", "/v1/admin/qr/import-feedback", file.encode(), {"Content-Type": "text/csv"})


@pytest.fixture
def factory(client: Client, platform: Platform, sql: Connection) -> Factory:
    return Factory(client(factories.member(role=Role.OPERATIONS).token), platform, sql)


def codes_of(file: str) -> list[str]:
    return [row[0] for row in csv.reader(file.splitlines())][1:]


def test_codes_can_be_scanned_only_after_they_were_imported(factory: Factory, client: Client) -> None:
    member = client(factories.member().token)
    batch = factory.order()
    factory.run_tasks()
    file = factory.exported(batch)
    code = codes_of(file)[0]
    early = member.post("/v1/scans/submit", {"code": code})
    assert (early.status, early.problem) == (422, "code-not-valid")

    assert factory.bring(file).body == {"manufactured": 5, "refused_count": 0, "refused": []}

    assert member.post("/v1/scans/submit", {"code": code}).status == 201
    assert factory.batch(batch)["codes_manufactured"] == 5


def test_an_order_is_only_noted_and_its_codes_are_made_by_a_task(factory: Factory) -> None:
    batch = factory.order(manufacturer_name="Tins & Co", notes="soon", check_symbol=True)
    assert (batch["status"], batch["percent"], batch["generated_at"]) == ("generating", 0, None)
    assert factory.sql.execute_simple("SELECT count(*) FROM codes").rows == [[0]]

    assert factory.run_tasks() == 2  # the chunk, and finding that nothing is left

    made = factory.batch(batch)
    assert (made["status"], made["percent"], made["codes_manufactured"]) == ("generated", 100, 0)
    assert made["generated_at"]
    assert factory.sql.execute_simple("SELECT count(*), min(status), max(status) FROM codes").rows == [
        [5, "generated", "generated"]
    ]


def test_a_task_that_is_delivered_twice_makes_nothing_twice(factory: Factory) -> None:
    batch = factory.order(quantity=20)
    factory.run_tasks(times=2)
    assert factory.sql.execute_simple("SELECT count(*) FROM codes").rows == [[20]]
    assert len(set(codes_of(factory.exported(batch)))) == 20


def test_the_export_holds_every_code_once_and_nothing_but_codes_that_are_stored(factory: Factory) -> None:
    batch = factory.order(name='Nov, "Mint"', quantity=50, check_symbol=True)
    factory.run_tasks()
    file = factory.exported(batch)
    rows = list(csv.reader(file.splitlines()))
    assert file.endswith("\r\n")
    assert rows[0] == COLUMNS
    assert {row[1] for row in rows[1:]} == {batch["id"]}
    assert {row[2] for row in rows[1:]} == {'Nov, "Mint"'}
    plain = [codes.normalized(row[0]) or "" for row in rows[1:]]
    assert len(set(plain)) == 50
    assert all(codes.check(code[:-1]) == code[-1] for code in plain)
    stored = {bytes(mac) for (mac,) in factory.sql.execute_simple("SELECT mac FROM codes").rows}
    assert {codes.mac(code) for code in plain} == stored


def test_a_batch_of_several_chunks_is_one_file(factory: Factory) -> None:
    batch = factory.order(quantity=CHUNK + 1)
    assert factory.run_tasks() == 3
    made = codes_of(factory.exported(batch))
    assert len(set(made)) == CHUNK + 1
    assert factory.sql.execute_simple("SELECT count(*) FROM codes").rows == [[CHUNK + 1]]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\uff1d"])
def test_a_name_is_no_formula_in_a_spreadsheet(start: str, factory: Factory) -> None:
    batch = factory.order(name=f"{start}HYPERLINK(1)")
    factory.run_tasks()
    rows = list(csv.reader(factory.exported(batch).splitlines()))
    assert rows[1][2] == f"'{start}HYPERLINK(1)"


def test_a_batch_that_is_still_being_made_cannot_be_exported(factory: Factory) -> None:
    batch = factory.order()
    before = rows_of_all_tables(factory.sql)
    answer = factory.admin.post("/v1/admin/qr/export", {"batch_id": batch["id"]})
    assert (answer.status, answer.problem) == (409, "batch-not-ready")
    assert rows_of_all_tables(factory.sql) == before


def test_a_batch_that_does_not_exist_is_told_as_the_contract_says(factory: Factory) -> None:
    answer = factory.admin.post("/v1/admin/qr/export", {"batch_id": str(uuid4())})
    assert answer.status in (404, 422)
    assert factory.admin.get(f"/v1/admin/qr/batches/{uuid4()}").problem == "not-found"


def test_the_file_is_named_after_the_moment_and_the_export_is_noted(factory: Factory) -> None:
    batch = factory.order()
    factory.run_tasks()
    assert factory.batch(batch)["exported_at"] is None
    link = factory.export(batch)
    assert re.fullmatch(r"blakjaks_codes_\d{8}_\d{6}\.csv", link["filename"])
    with urlopen(link["download_url"], timeout=10) as file:  # noqa: S310 - the storage emulator
        assert link["filename"] in file.headers["Content-Disposition"]
        assert file.headers["Content-Type"] == "text/csv"
    assert factory.batch(batch)["exported_at"]


def test_the_link_is_worth_nothing_when_it_is_changed(factory: Factory) -> None:
    batch, other = factory.order(), factory.order()
    factory.run_tasks()
    link = factory.export(batch)
    for changed in (
        link["download_url"].replace(batch["id"], other["id"]),
        link["download_url"].replace("X-Goog-Expires=900", "X-Goog-Expires=90000"),
        link["download_url"].partition("?")[0],
    ):
        with pytest.raises(HTTPError) as refused, urlopen(changed, timeout=10):  # noqa: S310 - the storage emulator
            pass
        assert refused.value.code in (400, 401, 403)
        refused.value.close()


def test_an_unknown_product_is_no_batch(factory: Factory) -> None:
    before = rows_of_all_tables(factory.sql)
    for sku in ("NOTHING-6", "mintice-6", "MINTICE-6' --", "💥"):
        answer = factory.admin.post("/v1/admin/qr/generate", {"name": "x", "product_sku": sku, "quantity": 1})
        assert (answer.status, answer.problem) == (404, "product-unknown"), sku
    assert rows_of_all_tables(factory.sql) == before


def test_what_an_admin_did_is_in_the_audit_log(factory: Factory) -> None:
    batch = factory.order()
    factory.run_tasks()
    file = factory.exported(batch)
    factory.bring(file)
    rows = factory.sql.execute_simple("SELECT action, resource_id, host(ip_address) FROM audit_logs ORDER BY id").rows
    assert [action for action, _, _ in rows] == ["code_batch.order", "code_batch.export", "codes.import"]
    assert rows[0][1] == rows[1][1] == batch["id"]
    assert {address for _, _, address in rows} == {"203.0.113.7"}
    recorded = str(factory.sql.execute_simple("SELECT changes FROM audit_logs").rows)
    assert not any(code in recorded for code in codes_of(file))


def test_batches_are_listed_newest_first_in_pages_and_by_status(factory: Factory) -> None:
    first = factory.order(name="one")
    factory.run_tasks()
    later = [factory.order(name=name) for name in ("two", "three", "four")]
    expected = [batch["id"] for batch in reversed([first, *later])]
    seen: list[str] = []
    cursor = ""
    for _ in range(4):
        page = factory.admin.get(f"/v1/admin/qr/batches?limit=3{cursor}").body
        seen += [batch["id"] for batch in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == expected
    assert [b["id"] for b in factory.admin.get("/v1/admin/qr/batches?status=generated").body["items"]] == [first["id"]]


def test_codes_of_a_recalled_batch_are_not_valid_any_more(factory: Factory, client: Client) -> None:
    batch = factory.order()
    factory.run_tasks()
    file = factory.exported(batch)
    factory.bring(file)
    assert factory.admin.post(f"/v1/admin/qr/batches/{batch['id']}/recall", {"reason": "torn"}).status == 200
    answer = client(factories.member().token).post("/v1/scans/submit", {"code": codes_of(file)[0]})
    assert (answer.status, answer.problem) == (422, "code-not-valid")
