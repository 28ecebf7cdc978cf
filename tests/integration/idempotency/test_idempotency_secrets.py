"""A stored answer that holds a secret cannot be read out of the database, nor can what was sent with it.

Which answers hold one is read out of openapi.yaml: each text of an answer that is kept under an Idempotency-Key either
bears a name of PUBLIC, or is a secret and is looked for in the whole database.
"""

import json
from base64 import b32decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from emulators import contract
from shared.api import MUTATING
from shared.auth import Role
from tests import factories, openapi
from tests.client import Client, answer_of
from tests.fakes.chain import FakeChain
from tests.fakes.nodes import FakeNodes
from tests.operations.banks import connect_bank, reconnect_bank
from tests.operations.examples import operation_named
from tests.operations.messages import create_token
from tests.operations.mutating import EXAMPLE_REQUESTS, NOT_REPEATABLE
from tests.operations.requests import KEY, Request, as_json
from tests.operations.scene import PASSWORD, Scene

pytest_plugins = ["tests.fakes.wallet_plugin", "tests.fakes.treasury_plugin"]

# Texts that whoever reads the database may read: facts of the account, names, reasons, what the chain shows to all,
# what admins write in mails and to whom, what a setting means, what members say in the chat, and what we are told of a
# bank. Teller's id of an enrollment opens nothing: only the token does, which no answer holds.
PUBLIC = frozenset({
    "access_list", "action", "action_url", "address_line1", "address_line2", "affiliate_username", "amount",
    "approver_username", "badge", "bio", "body", "cancel_reason", "cancelled_by_username", "card_id", "changes",
    "changing", "city", "code", "counterparty", "country", "custom_codes", "data", "decision", "destination", "detail",
    "details", "device_id", "email", "evidence", "explanation", "explorer_url", "fault", "filename", "flags", "flavor",
    "from_address", "full_name", "gas_wei_threshold", "hold_reason", "inputs", "ip_address", "key", "kind", "language",
    "level", "manufacturer_name", "member_id", "message", "method", "name", "network", "note", "notes", "order_number",
    "params", "pause_reason", "payout_state", "pending_email", "phone", "picture", "platform", "pool", "product_name",
    "product_sku", "referred_username", "runbook",
    "quarter", "quarter_label", "reason", "recipient", "recipient_address", "requested_by_username", "resolution",
    "serialised", "signer", "signing_hash", "sku", "small_url", "source_id", "source_kind", "state", "status", "title",
    "to", "to_address", "token_address", "token_type", "tracking_number", "transaction_hash", "type", "upload_headers",
    "url", "username", "wallet_address", "zip", "zip_code",
    "bank_reference", "company_name", "contact_name", "number", "tax_id_last4",
    "address", "carrier", "decision_note", "digest", "outcome", "payment_digest", "provider", "ref", "reference",
    "host_name", "overlay", "playback_id", "starts", "time_zone",
    "refund_to", "sender", "ship_state", "ship_zip", "tins", "verdict", "week_on", "what",
    "currency", "description", "enrollment_id", "institution", "last_error", "last_four", "preheader",
    "referred_by_username", "segment", "subject", "to_email", "unit", "variables",
    "avatar_url", "by_username", "category", "emoji", "given_by_username", "icon", "id", "media_id", "media_type",
    "removed_by", "slug", "text",
    "message_id", "operations",
    "label", "receipt",  # of votes: all receipts are published at the close
    "arrival_hash", "fee_wei", "guid", "purpose", "source_address", "source_contract", "source_token", "value_wei",
})  # fmt: skip
NOT_THERE_AT_ONCE = {"create_export", "start_import"}  # the link comes with the file, which a job makes
Secrets = Mapping[str, set[str]]


@pytest.fixture
def scene(client: Client, sql: Connection, funded_chain: FakeChain, two_nodes: FakeNodes) -> Scene:
    assert funded_chain
    assert two_nodes
    return Scene(client, sql)


def texts(schema: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """The names of the fields that hold any text: no id, no time, none of a few words."""
    schema = openapi.resolved(dict(schema))
    if schema.get("properties"):
        for inner, described in schema["properties"].items():
            yield from texts(described, inner)
    elif schema.get("type") == "array":
        yield from texts(schema["items"], name)
    elif schema.get("type") == "object" or (not ({"enum", "format"} & set(schema)) and schema.get("type") == "string"):
        yield name


def secrets() -> Secrets:
    """By operation, the fields of its answer that hold a secret."""
    found: dict[str, set[str]] = {}
    for operation in contract.operations():
        said = contract.document()["paths"][operation.template][operation.method.lower()]
        for status, response in said["responses"].items():
            content = openapi.resolved(response).get("content", {}).get("application/json")
            if operation.method in MUTATING and status.startswith("2") and content:
                found.setdefault(operation.operation_id, set()).update(set(texts(content["schema"])) - PUBLIC)
    return {name: fields for name, fields in found.items() if fields}


def values(body: Any, names: set[str], name: str = "") -> Iterator[str]:
    """The texts of an answer under these names."""
    if isinstance(body, dict):
        for inner, value in body.items():
            yield from values(value, names, inner if inner in names else name)
    elif isinstance(body, list):
        for value in body:
            yield from values(value, names, name)
    elif isinstance(body, str) and name in names:
        yield body


def everything(sql: Connection) -> str:
    """All rows of all tables as text; bytes appear as hexadecimal digits."""
    names = sql.execute_simple(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ).rows
    return "\n".join(
        str(row[0]) for (name,) in names for row in sql.execute_simple(f"SELECT t::text FROM {name} AS t").rows
    )


def assert_unreadable(sql: Connection, *secrets: str) -> None:
    stored = everything(sql)
    assert "idempotency" not in stored  # the tables' rows, not their names
    assert len(stored) > 1000
    for secret in secrets:
        assert len(secret) >= 8
        assert secret not in stored
        assert secret.encode().hex() not in stored


@pytest.mark.parametrize("name", sorted(secrets()))
def test_no_secret_of_an_answer_is_in_the_database(name: str, scene: Scene) -> None:
    assert name not in NOT_REPEATABLE, "prepare it in test_idempotency_replies.py"
    (prepared,) = [prepared for prepared in EXAMPLE_REQUESTS if prepared.__name__ == name]

    answer = answer_of(prepared(scene).send(operation_named(name), KEY))

    assert answer.status < 300, answer.body
    found = list(values(answer.body, secrets()[name]))
    assert bool(found) != (name in NOT_THERE_AT_ONCE)
    kept = scene.sql.execute_simple("SELECT count(*) FROM idempotency_keys WHERE reply IS NOT NULL").rows
    assert kept[0][0] >= 1
    assert_unreadable(scene.sql, *found)


def test_the_secrets_are_those_that_we_know_of() -> None:
    """A new text in an answer is a secret, or its name belongs to PUBLIC: a person decides."""
    assert secrets() == {
        "login": {"access_token", "refresh_token", "device_token"},
        "refresh": {"access_token", "refresh_token"},
        "set_up_second_factor": {"secret", "uri", "qr_png"},
        "enable_second_factor": {"backup_codes"},
        "renew_backup_codes": {"backup_codes"},
        "create_token": {"firebase_token"},
        "create_oobit_token": {"token"},
        "show_stream_key": {"stream_key"},
        "create_wallet_token": {"token"},
        "create_webhook": {"secret"},
        "renew_webhook_secret": {"secret"},
        "create_account_webhook": {"secret"},
        "renew_account_webhook_secret": {"secret"},
        "create_api_key": {"secret"},
        "create_support_token": {"token"},
        "create_export": {"download_url"},
        "export": {"download_url"},
        "create_import": {"upload_url"},
        "start_import": {"report_url"},
        "create_order": {"line1", "line2"},
        "cancel_order": {"line1", "line2"},
        "pay_order": {"line1", "line2"},
        "show_wholesale_tax_id": {"tax_id"},
        "show_order_address": {"line1", "line2"},
    }


def test_the_key_of_an_authenticator_app_is_not_in_the_database_in_any_form(scene: Scene) -> None:
    somebody = scene.with_password()
    request = as_json(scene.client(somebody.token), "/v1/auth/2fa/setup", {"password": PASSWORD})
    secret = answer_of(request.send(operation_named("set_up_second_factor"), KEY)).body["secret"]
    assert b32decode(secret).hex() not in everything(scene.sql)


def test_tokens_and_passwords_are_not_in_the_database(scene: Scene) -> None:
    email = scene.verified()
    request = as_json(scene.client(), "/v1/auth/login", {"email": email, "password": PASSWORD})
    first = answer_of(request.send(operation_named("login"), KEY)).body
    swap = as_json(scene.client(), "/v1/auth/refresh", {"refresh_token": first["refresh_token"]})
    second = answer_of(swap.send(operation_named("refresh"), f"{KEY}-2")).body

    assert_unreadable(scene.sql, PASSWORD, KEY, first["refresh_token"], second["refresh_token"])
    for tokens in (first, second):
        for part in tokens["access_token"].split("."):
            assert_unreadable(scene.sql, part)


def test_the_link_to_exported_codes_is_not_in_the_database(scene: Scene) -> None:
    body = {"batch_id": str(scene.exportable_batch())}
    request = as_json(scene.member(Role.OPERATIONS), "/v1/admin/qr/export", body)
    url = answer_of(request.send(operation_named("export"), KEY)).body["download_url"]
    (signature,) = parse_qs(urlsplit(url).query)["X-Goog-Signature"]
    assert_unreadable(scene.sql, url, signature)


def test_the_realtime_token_is_not_in_the_database(scene: Scene) -> None:
    token = answer_of(create_token(scene).send(operation_named("create_token"), KEY)).body["firebase_token"]
    assert_unreadable(scene.sql, token, token.split(".")[2])


@pytest.mark.parametrize("prepared", [connect_bank, reconnect_bank], ids=lambda prepared: prepared.__name__)
def test_the_token_of_a_bank_is_not_in_the_database(prepared: Callable[[Scene], Request], scene: Scene) -> None:
    request = prepared(scene)
    answer = answer_of(request.send(operation_named(prepared.__name__), KEY))
    assert answer.status < 300, answer.body
    assert answer.body["enrollment_id"] in everything(scene.sql)
    assert_unreadable(scene.sql, json.loads(request.body)["access_token"])


def test_codes_are_not_in_the_database(scene: Scene) -> None:
    codes = factories.manufactured_codes(2)
    member = scene.member()
    for code in codes:
        request = as_json(member, "/v1/scans/submit", {"code": code})
        assert request.send(operation_named("submit"), str(uuid4())).status_code == 201
    assert_unreadable(scene.sql, *codes, *(code.replace("-", "") for code in codes))


def test_somebody_who_knows_the_key_but_not_the_password_learns_nothing(scene: Scene) -> None:
    """Not even that the key was used; and the guess counts as any other."""
    email = scene.verified()
    right = as_json(scene.client(), "/v1/auth/login", {"email": email, "password": PASSWORD})
    wrong = as_json(scene.client(), "/v1/auth/login", {"email": email, "password": "Guess-Work-99!"})
    assert right.send(operation_named("login"), KEY).status_code == 200
    scene.sql.execute_simple("DELETE FROM attempt_counters")
    stolen = answer_of(wrong.send(operation_named("login"), KEY))
    assert (stolen.status, stolen.problem) == (403, "sign-in-refused")
    assert scene.sql.execute_simple("SELECT DISTINCT attempts FROM attempt_counters").rows == [[1]]
