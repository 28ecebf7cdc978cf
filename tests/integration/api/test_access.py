"""Every operation of the contract, tried by each caller who may not call it, and by one who may.

The expectations are in tests/access.yaml, not in the code that they are about. An operation without a line fails.
"""

import importlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from emulators import contract
from emulators.contract import Operation
from shared import db
from shared.auth import Role
from shared.messages import notifications
from shared.messages.notifications import Note
from shared.values.tiers import Tier, quarter_of
from tests import factories
from tests.client import FunctionClient
from tests.fakes import hook_rows, list_rows, order_rows, pictures, wallet_driver, wholesale_order_rows
from tests.fakes.chain import FakeChain
from tests.fakes.cheap_hashes import use_cheap_hashes
from tests.fakes.votes import propose
from tests.fakes.wallet_driver import WalletDriver, new_wallet
from tests.fakes.wallets import FakeWallets
from tests.fakes.wholesale_rows import wholesale_account
from tests.operations.access import OwnedResource, access_rules, admin_roles, operations_for, send_example
from tests.rows import WRITTEN_BY_REFUSALS, rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_plugin"]

Client = Callable[..., FunctionClient]

REFUSALS = frozenset({"token-missing", "token-not-valid", "not-allowed", "member-suspended", "second-factor-required"})


def _notification(owner: WalletDriver) -> OwnedResource:
    note = Note(owner.member.id, "system", "Hello", "there", {}, "access")
    made = db.atomically(lambda tx: notifications.notify(tx, note, datetime.now(UTC)))
    assert made
    return OwnedResource(made)


def _trip(owner: WalletDriver) -> OwnedResource:
    return OwnedResource(factories.trip(owner.member))


def _device(owner: WalletDriver) -> OwnedResource:
    return OwnedResource(
        UUID(owner.client.post("/v1/users/me/devices", {"platform": "ios", "token": "ab" * 32}).body["id"])
    )


def _session(owner: WalletDriver) -> OwnedResource:
    return OwnedResource(factories.session(owner.member, "mobile"))


def _export(owner: WalletDriver) -> OwnedResource:
    return OwnedResource(UUID(owner.client.post("/v1/users/me/exports").body["id"]))


def _withdrawal(owner: WalletDriver) -> OwnedResource:
    """Signed, and sent by the wallet as well."""
    made = owner.prepared()
    signed = wallet_driver.sign(made["transaction"], owner.wallet)
    sent = wallet_driver.send(owner.chain, signed)
    return OwnedResource(UUID(made["id"]), {"signed_transaction": signed, "transaction_hash": sent})


def _order(owner: WalletDriver) -> OwnedResource:
    order_rows.counted(100)
    return OwnedResource(order_rows.placed(owner.member))


def _declined_order(owner: WalletDriver) -> OwnedResource:
    made = _order(owner)
    order_rows.taken_further(owner.member, made.id)
    order_rows.declined(made.id)
    return made


def _paid_order(owner: WalletDriver) -> OwnedResource:
    made = _order(owner)
    order_rows.paid(owner.member, made.id)
    return made


def _affiliate_payout(owner: WalletDriver) -> OwnedResource:
    return OwnedResource(UUID(list_rows.affiliate_payout(owner.member, datetime.now(UTC), 0)))


def _wholesale_order(owner: WalletDriver) -> OwnedResource:
    order_rows.counted(1000)
    return OwnedResource(wholesale_order_rows.awaited(owner.member))


def _declined_wholesale_order(owner: WalletDriver) -> OwnedResource:
    order_rows.counted(1000)
    return OwnedResource(wholesale_order_rows.declined(owner.member))


def _proposal_of(owner: WalletDriver) -> OwnedResource:
    factories.quarter(owner.member, Tier.WHALE, 40, quarter_of(datetime.now(UTC)))
    return OwnedResource(UUID(propose(owner.client)["id"]))


def _chat_image(owner: WalletDriver) -> OwnedResource:
    body, headers = pictures.form(pictures.picture(size=(8, 8)))
    return OwnedResource(UUID(owner.client.send("POST", "/v1/social/images", body, headers).body["id"]))


def _webhook(owner: WalletDriver) -> OwnedResource:
    """An endpoint, and a message to it that has the same id."""
    made = hook_rows.endpoint(wholesale_order_rows.account_of(owner.member))
    return OwnedResource(hook_rows.delivery(made, datetime.now(UTC), made))


OWNED: Mapping[str, Callable[[WalletDriver], OwnedResource]] = {
    "notification": _notification,
    "trip": _trip,
    "device": _device,
    "session": _session,
    "export": _export,
    "withdrawal": _withdrawal,
    "order": _order,
    "declined_order": _declined_order,
    "paid_order": _paid_order,
    "affiliate_payout": _affiliate_payout,
    "wholesale_order": _wholesale_order,
    "declined_wholesale_order": _declined_wholesale_order,
    "webhook": _webhook,
    "proposal": _proposal_of,
    "chat_image": _chat_image,
}


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_cheap_hashes(monkeypatch)


def test_every_operation_has_a_line_and_every_line_an_operation() -> None:
    wanted = {operation.operation_id: _proposal(operation) for operation in contract.operations()}
    missing = [line for name, line in wanted.items() if name not in access_rules()]
    assert not missing, "decide, and add to tests/access.yaml:\n" + "\n".join(missing)
    assert set(access_rules()) == set(wanted)


def test_the_table_says_whose_the_things_are_that_members_name() -> None:
    for operation, row in operations_for("member"):
        if "{" in operation.template:
            assert row.public or row.owner in OWNED, f"{operation.operation_id}: say its owner, or that it is public"
    assert {row.by for row in access_rules().values()} <= {"anyone", "member", "vendor", *admin_roles()}


def test_nobody_is_told_to_sign_in_and_nothing_happens(client: Client, sql: Connection) -> None:
    before, wrong = rows_of_all_tables(sql), []
    for operation, row in operations_for("member", *admin_roles()):
        answer = send_example(client(), operation)
        if (answer.status, answer.problem) != (401, "token-missing"):
            wrong.append(f"{operation.operation_id} ({row.by}): {answer.status} {answer.body}")
    assert not wrong, "\n".join(wrong)
    assert rows_of_all_tables(sql) == before


@pytest.mark.usefixtures("database")
def test_anyone_needs_no_token_and_a_bad_one_is_no_hindrance(client: Client) -> None:
    for operation, _ in operations_for("anyone"):
        for who in (client(), client("no.token.atall")):
            assert send_example(who, operation).problem not in REFUSALS - {"token-not-valid"}, operation.operation_id


def test_vendors_are_known_by_their_signature_whoever_else_calls(client: Client, sql: Connection) -> None:
    people = [client(), client("no.token.atall"), client(factories.member(role=Role.OWNER).token)]
    before, tried = rows_of_all_tables(sql), 0
    for operation, _ in operations_for("vendor"):
        for who in people:
            answer, tried = send_example(who, operation), tried + 1
            assert (answer.status, answer.problem) == (401, "signature-not-valid"), operation.operation_id
    assert tried == len(people) * len(list(operations_for("vendor"))) > 0
    assert rows_of_all_tables(sql) == before


def test_the_suspended_and_the_deleted_may_do_nothing_that_takes_a_token(client: Client, sql: Connection) -> None:
    people = [factories.member(), *(factories.member(role=role) for role in Role)]
    factories.member(role=Role.OWNER)  # an owner who may act is always left
    for status in ("suspended", "deleted"):
        ids = [somebody.id for somebody in people]
        sql.execute_unnamed("UPDATE members SET status = $1 WHERE id = ANY($2)", (status, ids))
        before = rows_of_all_tables(sql)
        for operation, _ in operations_for("member", *admin_roles()):
            for somebody in people:
                answer = send_example(client(somebody.token), operation)
                assert (answer.status, answer.problem) == (403, "member-suspended"), operation.operation_id
        assert rows_of_all_tables(sql) == before


def test_members_and_admins_of_other_roles_may_do_nothing_of_an_admins(client: Client, sql: Connection) -> None:
    people = {None: factories.member()} | {role: factories.member(role=role) for role in Role}
    before, wrong, tried = rows_of_all_tables(sql), [], 0
    for operation, row in operations_for(*admin_roles()):
        for role, somebody in people.items():
            if role in (Role(row.by), Role.OWNER):
                continue
            answer, tried = send_example(client(somebody.token), operation), tried + 1
            if (answer.status, answer.problem) != (403, "not-allowed"):
                wrong.append(f"{operation.operation_id} as {role or 'member'}: {answer.status} {answer.body}")
    assert not wrong, "\n".join(wrong)
    assert tried >= 3 * len(list(operations_for(*admin_roles()))) > 0
    assert rows_of_all_tables(sql) == before


def test_admins_who_have_not_proved_a_second_factor_may_do_nothing_of_an_admins(
    client: Client, sql: Connection
) -> None:
    people = {role: factories.member(role=role) for role in Role}
    for proved_at in ("NULL", "now() - interval '8 hours'"):
        sql.execute_simple(f"UPDATE sessions SET totp_at = {proved_at}")
        before = rows_of_all_tables(sql)
        for operation, row in operations_for(*admin_roles()):
            for role in {Role(row.by), Role.OWNER}:
                answer = send_example(client(people[role].token), operation)
                assert (answer.status, answer.problem) == (403, "second-factor-required"), operation.operation_id
        assert rows_of_all_tables(sql) == before


@pytest.mark.usefixtures("funded_chain")
def test_who_is_meant_is_let_in(client: Client) -> None:
    wrong = []
    for operation, row in operations_for("member", *admin_roles()):
        roles = {None, *Role} if row.by == "member" else {Role(row.by), Role.OWNER}
        for role in roles:
            answer = send_example(client(factories.member(role=role).token), operation)
            if answer.problem in REFUSALS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                wrong.append(f"{operation.operation_id} as {role or 'member'}: {answer.status} {answer.body}")
    assert not wrong, "\n".join(wrong)


def test_what_belongs_to_one_member_is_not_there_for_others_admins_included(
    client: Client, sql: Connection, funded_chain: FakeChain
) -> None:
    tried = set()
    for operation, row in operations_for("member"):
        if row.owner is None:
            continue
        wallet = new_wallet()
        somebody = factories.member(wallet=wallet.address)
        owner = WalletDriver(funded_chain, FakeWallets(funded_chain), somebody, wallet, client(somebody.token))
        thing = OWNED[row.owner](owner)
        strangers = [factories.member(), factories.member(role=Role.OWNER)]
        if operation.template.startswith("/v1/wholesale/webhooks/"):  # of an account, which has to be approved
            for stranger in strangers:
                wholesale_account("approved", member=stranger)
        before = rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS)
        for stranger in strangers:
            answer = send_example(client(stranger.token), operation, thing)
            assert (answer.status, answer.problem) == (404, "not-found"), operation.operation_id
        assert rows_of_all_tables(sql, without=WRITTEN_BY_REFUSALS) == before
        assert send_example(owner.client, operation, thing).status < 400, operation.operation_id
        tried.add(row.owner)
    assert tried == set(OWNED)


def _proposal(operation: Operation) -> str:
    """The line that the signature suggests; whoever adds it has to judge it."""
    routes: list[Any] = importlib.import_module(f"functions.{operation.function}.main").api.routes
    (found,) = [route for route in routes if route.contract.handler.__name__ == operation.operation_id]
    by = found.contract.role or found.contract.caller.__name__.lower()
    owner = ", owner: TO BE SAID" if by == "member" and "{" in operation.template else ""
    return f"{operation.operation_id}: {{by: {by}{owner}}}"
