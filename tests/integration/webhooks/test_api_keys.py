"""Scripts read a few figures with API keys: what they were made for, for 90 days, until somebody revokes them."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from emulators import contract
from shared import clock, config
from shared.api import MUTATING
from shared.auth import Role
from shared.values import api_keys
from shared.values.api_keys import READABLE
from tests import factories, openapi
from tests.client import Answer, FunctionClient, app, edge_headers
from tests.fakes.treasury_admins import TreasuryAdmin
from tests.operations.access import operations_for, send_example
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.clock_plugin", "tests.fakes.log_plugin"]

Client = Callable[..., FunctionClient]
Advance = Callable[[float], None]

KEYS = "/v1/admin/api-keys"
READ = {
    "get_analytics": "/v1/admin/analytics?metrics=orders&from=2026-11-01&to=2026-11-02",
    "get_dashboard": "/v1/admin/dashboard",
    "get_health": "/v1/admin/health",
    "list_admin_products": "/v1/admin/products",
    "list_integrations": "/v1/admin/integrations",
    "list_stock": "/v1/admin/stock",
    "list_treasury_pools": "/v1/admin/treasury/pools",
}
OF_PEOPLE = {"member_id", "user_id", "email", "username", "full_name", "phone", "date_of_birth", "ip_address", "city",
             "address_line1", "street", "wallet_address", "recipient_address", "to_address", "tax_id"}  # fmt: skip


def made(owner: TreasuryAdmin, *operations: str) -> Answer:
    body = {"name": "Nightly figures", "operations": list(operations), "totp": owner.code()}
    return owner.client.post(KEYS, body, **{"Idempotency-Key": str(uuid4())})


def fields(schema: dict[str, object]) -> set[str]:
    """The names of all fields of a schema, however deep."""
    found = openapi.resolved(schema)
    names = set(found.get("properties", {}))
    for inner in (*found.get("properties", {}).values(), found.get("items"), found.get("additionalProperties")):
        if isinstance(inner, dict):
            names |= fields(inner)
    return names


def test_what_keys_can_read_changes_nothing_and_says_nothing_of_people() -> None:
    known = {operation.operation_id: operation for operation in contract.operations()}
    assert set(READ) == READABLE
    for name, operation in known.items():
        said = contract.document()["paths"][operation.template][operation.method.lower()]
        assert said.get("x-api-key", False) == (name in READABLE), name
        if name in READABLE:
            assert operation.method == "GET"
            content = said["responses"]["200"]["content"]["application/json"]
            assert fields(content["schema"]) & OF_PEOPLE == set(), name


def test_a_key_is_shown_once_and_its_hash_is_kept(
    owner: TreasuryAdmin, client: Client, sql: Connection, log_output: StringIO
) -> None:
    answer = made(owner, "get_health")
    assert answer.status == 201, answer
    secret = answer.body["secret"]
    assert client(secret).get(READ["get_health"]).status == 200

    (listed,) = owner.client.get(KEYS).body["items"]
    assert listed["last_used_at"] is not None
    assert {**listed, "last_used_at": None} == answer.body["api_key"]
    assert secret not in str(rows_of_all_tables(sql))
    assert secret not in log_output.getvalue()
    assert "an API key reads" in log_output.getvalue()
    ((action, changes),) = sql.execute_simple("SELECT action, changes FROM audit_logs").rows
    assert (action, changes["operations"]) == ("api_key.create", ["get_health"])


@pytest.mark.parametrize("name", sorted(READABLE))
def test_a_key_reads_what_it_was_made_for_and_nothing_else(name: str, owner: TreasuryAdmin, client: Client) -> None:
    script = client(made(owner, name).body["secret"])
    for other, path in READ.items():
        answer = script.get(path)
        expected = (200, "") if other == name else (403, "not-allowed")
        assert (answer.status, answer.problem) == expected, other


def test_a_key_opens_no_operation_of_members_and_changes_nothing(
    owner: TreasuryAdmin, client: Client, sql: Connection
) -> None:
    script = client(made(owner, *READABLE).body["secret"])
    before = rows_of_all_tables(sql, without=("api_keys",))
    tried = 0
    for operation, _ in operations_for("member", "support", "operations", "treasury", "owner"):
        if operation.operation_id not in READABLE:
            answer, tried = send_example(script, operation), tried + 1
            assert (answer.status, answer.problem) == (403, "not-allowed"), operation.operation_id
    assert tried > len(MUTATING)
    assert rows_of_all_tables(sql, without=("api_keys",)) == before


@pytest.mark.parametrize("operations", [[], ["get_health"] * 2, ["list_users"], ["create_api_key"], ["GET /v1"]])
def test_a_key_is_made_for_operations_of_the_list_each_once(operations: list[str], owner: TreasuryAdmin) -> None:
    assert made(owner, *operations).status == 422


def test_a_key_ends_after_90_days(owner: TreasuryAdmin, client: Client, advance_clock: Advance) -> None:
    script = client(made(owner, "get_health").body["secret"])
    advance_clock(api_keys.KEY_LIFE.total_seconds() - 60)
    assert script.get(READ["get_health"]).status == 200
    advance_clock(61)
    assert script.get(READ["get_health"]).problem == "token-not-valid"


def test_a_revoked_key_opens_nothing_and_can_be_revoked_twice(
    owner: TreasuryAdmin, client: Client, sql: Connection
) -> None:
    answer = made(owner, "get_health")
    path = f"{KEYS}/{answer.body['api_key']['id']}"
    first, second = owner.client.delete(path), owner.client.delete(path)
    assert first.status == 200
    assert second.body == first.body
    assert client(answer.body["secret"]).get(READ["get_health"]).problem == "token-not-valid"
    assert owner.client.delete(f"{KEYS}/{uuid4()}").status == 404
    audited = sql.execute_simple("SELECT action FROM audit_logs ORDER BY id").rows
    assert audited == [["api_key.create"], ["api_key.revoke"]]


@pytest.mark.parametrize("end", ["status = 'suspended'", "role = 'operations'", "role = NULL"])
def test_a_key_ends_with_the_rights_of_its_maker(
    end: str, owner: TreasuryAdmin, client: Client, sql: Connection
) -> None:
    factories.member(role=Role.OWNER)  # an owner who may act is always left
    script = client(made(owner, "get_health").body["secret"])
    sql.execute_unnamed(f"UPDATE members SET {end} WHERE id = $1", (owner.somebody.id,))
    assert script.get(READ["get_health"]).problem == "not-allowed"


def test_the_load_balancer_leaves_a_key_where_it_is(owner: TreasuryAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The paths of admins pass no API Gateway: nobody before the function looks at the key."""
    secret = made(owner, "get_health").body["secret"]
    monkeypatch.setenv("FRONT", "load_balancer")
    config.read.cache_clear()
    headers = {**edge_headers("203.0.113.7"), "Authorization": f"Bearer {secret}"}
    assert app("admin_desk").test_client().get(READ["get_health"], headers=headers).status_code == 200


@pytest.mark.parametrize("token", ["bjk_", "bjk_guess", "bjk_" + "A" * 43])
def test_a_guess_is_no_key(token: str, client: Client, sql: Connection) -> None:
    assert sql
    assert client(token).get(READ["get_health"]).problem == "token-not-valid"


def test_twenty_keys_are_enough(owner: TreasuryAdmin, sql: Connection) -> None:
    now = clock.now()
    for _ in range(api_keys.API_KEYS_MAX):
        sql.execute_unnamed(
            "INSERT INTO api_keys (id, hash, name, operations, made_by, made_at, expires_at)"
            " VALUES (gen_random_uuid(), decode(md5(random()::text) || md5(random()::text), 'hex'), 'x',"
            " '{get_health}', $1, $2, $3)",
            (owner.somebody.id, now, now + timedelta(days=1)),
        )
    assert made(owner, "get_health").problem == "too-many-api-keys"
