"""After all that is done with codes, none of them stands anywhere but in the export: not in the database, no log."""

import io
import json
from collections.abc import Callable, Iterator

import pytest
from pg8000.dbapi import Connection
from pg8000.native import identifier

from shared.auth import Role
from tests import factories
from tests.client import FunctionClient
from tests.fakes.code_admin import CodeAdmin
from tests.platform import Platform

pytest_plugins = ["tests.fakes.log_plugin"]

Client = Callable[..., FunctionClient]

READABLE = ("text", "bytea", "jsonb", "json", "character varying", "ARRAY", "USER-DEFINED", "inet")


@pytest.fixture
def code_admin(client: Client, platform: Platform, sql: Connection) -> CodeAdmin:
    return CodeAdmin(client(factories.member(role=Role.OPERATIONS).token), platform, sql)


def values(sql: Connection) -> Iterator[tuple[str, str]]:
    """Every value of every column that could hold a text, as text; bytes in hex."""
    columns = sql.execute_unnamed(
        """
        SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = 'public' AND data_type = ANY(CAST($1 AS text[]))
        """,
        (list(READABLE),),
    ).rows
    for table, column in columns:
        name = f"{table}.{column}"
        rows = sql.execute_simple(
            f"SELECT CAST({identifier(column)} AS text) FROM {identifier(table)} WHERE {identifier(column)} IS NOT NULL"
        ).rows
        yield from ((name, str(value)) for (value,) in rows)


def spellings(code: str) -> list[str]:
    """As somebody would find it: with or without hyphens, in any case, as bytes in hex."""
    plain = [code, code.replace("-", "")]
    both = [*plain, *(spelled.lower() for spelled in plain)]
    return [*both, *(spelled.encode().hex() for spelled in both)]


def do_everything(code_admin: CodeAdmin, client: Client) -> list[str]:
    """Whatever the platform can do with a code, successful and not, with and without a key for repeating it."""
    _, made = code_admin.made(quantity=8, check_symbol=True)
    _, honey = code_admin.made(quantity=1, honey=True)
    member = client(factories.member().token)
    code_admin.manufactured(made[:3])
    code_admin.imported("\n".join(["code", *made[3:6], *honey, "AAAA-BBBB-CCCC"]).encode())
    code_admin.imported(f'code,note\n{made[6]},"{made[7]}"\n"{made[7]}'.encode())
    for number, code in enumerate([*made, *made, *honey, made[0].lower().replace("-", "")]):
        member.post("/v1/scans/submit", {"code": code, "device_id": "d"}, **{"Idempotency-Key": f"scan-{number}"})
    for code in (*made, *honey):
        code_admin.found(code)
        code_admin.admin.post("/v1/admin/qr/search", {"code": code}, **{"Idempotency-Key": f"search-{code[:2]}"})
    for act in ("invalidate", "reuse"):
        body = {"codes": made, "reason": "because"}
        code_admin.admin.post(f"/v1/admin/qr/{act}", body, **{"Idempotency-Key": act})
    return [*made, *honey]


def test_no_table_no_message_and_no_log_holds_a_code(
    code_admin: CodeAdmin, client: Client, sql: Connection, log_output: io.StringIO
) -> None:
    made = do_everything(code_admin, client)
    searched = list(values(sql))
    assert {name for name, _ in searched} >= {
        "codes.mac",
        "outbox.body",
        "audit_logs.changes",
        "idempotency_keys.reply",
    }
    log = log_output.getvalue()
    assert {json.loads(line).get("operation") for line in log.splitlines() if line.startswith("{")} >= {
        "submit", "search_code", "invalidate_codes", "reuse_codes", "import_feedback", "get_import",
    }  # fmt: skip
    for code in made:
        for spelled in spellings(code):
            assert [name for name, value in searched if spelled in value] == [], "in the database"
            assert spelled not in log


def test_the_search_would_find_a_code(sql: Connection) -> None:
    """The measure of the test above."""
    (code,) = factories.manufactured_codes(1)
    sql.execute_unnamed("UPDATE code_batches SET notes = $1", (f"x{code.lower()}x",))
    sql.execute_unnamed("UPDATE codes SET mac = $1", (b"xx" + code.encode(),))
    found = {name for name, value in values(sql) for spelled in spellings(code) if spelled in value}
    assert found == {"code_batches.notes", "codes.mac"}
