"""Who may do what: every operation of the contract, tried by everybody who is not meant, and by who is.

The expectations are in tests/access.yaml, not in the code that they are about. An operation without a line fails.
"""

import importlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from pg8000.dbapi import Connection

from emulators import contract
from emulators.contract import Operation
from functions.auth import passwords
from shared import db, notifications
from shared.auth import Anyone, Role
from shared.notifications import Note
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes import wallet_desk
from tests.fakes.chain import FakeChain
from tests.fakes.wallet_desk import WalletDesk, new_wallet
from tests.fakes.wallets import FakeWallets
from tests.integration.test_bad_bodies import example_of, path_of, world

pytest_plugins = ["tests.fakes.wallet_plugin"]

Client = Callable[..., FunctionClient]

TABLE = Path(__file__).resolve().parent.parent / "access.yaml"
REFUSALS = frozenset({"token-missing", "token-not-valid", "not-allowed", "member-suspended", "second-factor-required"})
COUNTED = ("attempt_counters", "idempotency_keys")


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    by: str
    owner: str | None = None
    public: bool = False


@dataclass(frozen=True)
class Thing:
    """What belongs to one member, and what its operations must be told to work on it."""

    id: UUID
    said: Mapping[str, object] = field(default_factory=dict)


def _notification(owner: WalletDesk) -> Thing:
    note = Note(owner.member.id, "system", "Hello", "there", {}, "access")
    made = db.atomically(lambda tx: notifications.notify(tx, note, datetime.now(UTC)))
    assert made
    return Thing(made)


def _trip(owner: WalletDesk) -> Thing:
    return Thing(factories.trip(owner.member))


def _device(owner: WalletDesk) -> Thing:
    return Thing(UUID(owner.client.post("/v1/users/me/devices", {"platform": "ios", "token": "ab" * 32}).body["id"]))


def _export(owner: WalletDesk) -> Thing:
    return Thing(UUID(owner.client.post("/v1/users/me/exports").body["id"]))


def _withdrawal(owner: WalletDesk) -> Thing:
    made = owner.prepared()
    return Thing(UUID(made["id"]), {"signed_transaction": wallet_desk.sign(made["transaction"], owner.wallet)})


OWNED: Mapping[str, Callable[[WalletDesk], Thing]] = {
    "notification": _notification,
    "trip": _trip,
    "device": _device,
    "export": _export,
    "withdrawal": _withdrawal,
}


@cache
def table() -> dict[str, Row]:
    return {name: Row(**said) for name, said in yaml.safe_load(TABLE.read_text()).items()}


def rows(*by: str) -> Iterator[tuple[Operation, Row]]:
    """The operations that these may call."""
    for operation in contract.operations():
        row = table().get(operation.operation_id)
        if row and (not by or row.by in by):
            yield operation, row


def ask(client: FunctionClient, operation: Operation, thing: Thing | None = None) -> Answer:
    """The contract's example, about that thing if there is one; or something that is no file."""
    said = contract.document()["paths"][operation.template][operation.method.lower()]
    media = next(iter(said.get("requestBody", {"content": {}})["content"]), "application/json")
    example = {
        name: thing.said.get(name, value) if thing else value for name, value in (example_of(operation) or {}).items()
    }
    body = json.dumps(example).encode() if media == "application/json" else b"x"
    headers = {"Content-Type": media, "Idempotency-Key": "access", "If-Match": '"1"'}
    path = re.sub(r"{\w+}", str(thing.id), operation.template) if thing else path_of(operation)
    return client.send(operation.method, path, body, headers)


def admins() -> list[str]:
    return [role.value for role in Role]


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MEMORY_KIB", 64)
    monkeypatch.setattr(passwords, "PASSES", 1)


def test_every_operation_has_a_line_and_every_line_an_operation() -> None:
    wanted = {operation.operation_id: _proposal(operation) for operation in contract.operations()}
    missing = [line for name, line in wanted.items() if name not in table()]
    assert not missing, "decide, and add to tests/access.yaml:\n" + "\n".join(missing)
    assert set(table()) == set(wanted)


def test_the_table_says_whose_the_things_are_that_members_name() -> None:
    for operation, row in rows("member"):
        if "{" in operation.template:
            assert row.public or row.owner in OWNED, f"{operation.operation_id}: say its owner, or that it is public"
    assert {row.by for row in table().values()} <= {"anyone", "member", *admins()}


def test_nobody_is_told_to_sign_in_and_nothing_happens(client: Client, sql: Connection) -> None:
    before, wrong = world(sql), []
    for operation, row in rows("member", *admins()):
        answer = ask(client(), operation)
        if (answer.status, answer.problem) != (401, "token-missing"):
            wrong.append(f"{operation.operation_id} ({row.by}): {answer.status} {answer.body}")
    assert not wrong, "\n".join(wrong)
    assert world(sql) == before


@pytest.mark.usefixtures("database")
def test_anyone_needs_no_token_and_a_bad_one_is_no_hindrance(client: Client) -> None:
    for operation, _ in rows("anyone"):
        for who in (client(), client("no.token.atall")):
            assert ask(who, operation).problem not in REFUSALS - {"token-not-valid"}, operation.operation_id


def test_the_suspended_and_the_deleted_may_do_nothing_that_takes_a_token(client: Client, sql: Connection) -> None:
    people = [factories.member(), *(factories.member(role=role) for role in Role)]
    for status in ("suspended", "deleted"):
        sql.execute_unnamed("UPDATE members SET status = $1", (status,))
        before = world(sql)
        for operation, _ in rows("member", *admins()):
            for somebody in people:
                answer = ask(client(somebody.token), operation)
                assert (answer.status, answer.problem) == (403, "member-suspended"), operation.operation_id
        assert world(sql) == before


def test_members_and_admins_of_other_roles_may_do_nothing_of_an_admins(client: Client, sql: Connection) -> None:
    people = {None: factories.member()} | {role: factories.member(role=role) for role in Role}
    before, wrong, tried = world(sql), [], 0
    for operation, row in rows(*admins()):
        for role, somebody in people.items():
            if role in (Role(row.by), Role.OWNER):
                continue
            answer, tried = ask(client(somebody.token), operation), tried + 1
            if (answer.status, answer.problem) != (403, "not-allowed"):
                wrong.append(f"{operation.operation_id} as {role or 'member'}: {answer.status} {answer.body}")
    assert not wrong, "\n".join(wrong)
    assert tried >= 3 * len(list(rows(*admins()))) > 0
    assert world(sql) == before


def test_admins_who_have_not_proved_a_second_factor_may_do_nothing_of_an_admins(
    client: Client, sql: Connection
) -> None:
    people = {role: factories.member(role=role) for role in Role}
    sql.execute_simple("UPDATE sessions SET totp_at = NULL")
    before = world(sql)
    for operation, row in rows(*admins()):
        for role in {Role(row.by), Role.OWNER}:
            answer = ask(client(people[role].token), operation)
            assert (answer.status, answer.problem) == (403, "second-factor-required"), operation.operation_id
    assert world(sql) == before


@pytest.mark.usefixtures("rich_chain")
def test_who_is_meant_is_let_in(client: Client) -> None:
    wrong = []
    for operation, row in rows("member", *admins()):
        roles = {None, *Role} if row.by == "member" else {Role(row.by), Role.OWNER}
        for role in roles:
            answer = ask(client(factories.member(role=role).token), operation)
            if answer.problem in REFUSALS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                wrong.append(f"{operation.operation_id} as {role or 'member'}: {answer.status} {answer.body}")
    assert not wrong, "\n".join(wrong)


def test_what_belongs_to_one_member_is_not_there_for_others_admins_included(
    client: Client, sql: Connection, rich_chain: FakeChain
) -> None:
    tried = set()
    for operation, row in rows("member"):
        if row.owner is None:
            continue
        wallet = new_wallet()
        somebody = factories.member(wallet=wallet.address)
        owner = WalletDesk(rich_chain, FakeWallets(rich_chain), somebody, wallet, client(somebody.token))
        thing = OWNED[row.owner](owner)
        strangers = [factories.member(), factories.member(role=Role.OWNER)]
        before = world(sql, without=COUNTED)
        for stranger in strangers:
            answer = ask(client(stranger.token), operation, thing)
            assert (answer.status, answer.problem) == (404, "not-found"), operation.operation_id
        assert world(sql, without=COUNTED) == before
        assert ask(owner.client, operation, thing).status < 400, operation.operation_id
        tried.add(row.owner)
    assert tried == set(OWNED)


def _proposal(operation: Operation) -> str:
    """What the signature says, to be judged by whoever adds the line."""
    routes: list[Any] = importlib.import_module(f"functions.{operation.function}.main").api.routes
    (found,) = [route for route in routes if route.contract.handler.__name__ == operation.operation_id]
    by = "anyone" if found.contract.caller is Anyone else found.contract.role or "member"
    owner = ", owner: TO BE SAID" if by == "member" and "{" in operation.template else ""
    return f"{operation.operation_id}: {{by: {by}{owner}}}"
