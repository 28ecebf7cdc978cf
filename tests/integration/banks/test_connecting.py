"""Owners connect, reconnect and disconnect the company's banks; whatever is wrong with it changes nothing."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.exceptions import InvalidTag
from pg8000.dbapi import Connection

from emulators.bank import BankAccount, BankStandIn
from emulators.vendor import Fault
from shared import db
from shared.auth import Role
from shared.banks import enrollments
from shared.credentials import vault
from shared.ports import sessions, vendors
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes.bank_client import PATH, BankOwner, bank_owner, mails
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

PROOFS = ("idempotency_keys", "second_factors", "attempt_counters", "bank_nonces")  # what a refused request may leave


def tasks(sql: Connection) -> list[tuple[str, int]]:
    """The tasks of banks that are queued: enrollment and attempt."""
    found = sql.execute_simple("SELECT body FROM outbox WHERE destination = 'bank-sync' ORDER BY id").rows
    return [(body["enrollment_id"], body["attempt"]) for (body,) in found]


def refused(answer: Answer, problem: str, status: int = 409) -> None:
    assert (answer.status, answer.problem) == (status, problem), answer


def test_an_owner_connects_a_bank_and_names_its_accounts(owner: BankOwner, bank: BankStandIn, sql: Connection) -> None:
    enrollment = bank.enroll()

    answer = owner.send(owner.connection(enrollment))

    assert answer.status == 201, answer
    assert answer.body["state"] == "active"
    assert (answer.body["institution"], answer.body["enrollment_id"]) == ("Security Credit Union", enrollment.id)
    named = {each["name"]: (each["last_four"], each["ledger"]) for each in answer.body["accounts"]}
    assert named == {"operating": ("7890", None), "reserve": ("1234", None), "comp_pool": ("5555", None)}
    assert tasks(sql) == [(answer.body["id"], 1)]
    assert mails(sql) == ["Security Credit Union is connected"]
    ((action, changes),) = sql.execute_simple("SELECT action, changes FROM audit_logs").rows
    assert action == "bank.connect"
    assert changes["accounts"] == {"operating": "7890", "reserve": "1234", "comp_pool": "5555"}
    assert owner.banks() == [answer.body]


def test_the_token_is_nowhere_but_sealed(owner: BankOwner, bank: BankStandIn, sql: Connection) -> None:
    enrollment = bank.enroll()
    owner.connect(enrollment)
    (token,) = enrollment.tokens
    everything = str(rows_of_all_tables(sql))
    assert token not in everything
    assert token.encode().hex() not in everything


def test_without_names_the_accounts_are_listed_and_the_nonce_is_still_good(owner: BankOwner, bank: BankStandIn) -> None:
    body = owner.connection(bank.enroll())

    listed = owner.send({**body, "accounts": []})

    refused(listed, "bank-accounts-not-named")
    assert [each["last_four"] for each in listed.body["accounts"]] == ["7890", "1234", "5555"]
    assert owner.send({**body, "totp": owner.admin.code()}).status == 201


@pytest.mark.parametrize(
    "accounts",
    [
        lambda _: [{"account_id": "acc_unknown", "name": "operating"}],
        lambda ids: [{"account_id": ids[0], "name": "operating"}, {"account_id": ids[0], "name": "reserve"}],
        lambda ids: [{"account_id": ids[0], "name": "operating"}, {"account_id": ids[1], "name": "operating"}],
    ],
)
def test_accounts_are_named_once_and_by_ids_of_the_list(
    owner: BankOwner, bank: BankStandIn, sql: Connection, accounts: Callable[[list[str]], Any]
) -> None:
    enrollment = bank.enroll()
    body = owner.connection(enrollment)
    before = rows_of_all_tables(sql, without=PROOFS)
    refused(owner.send({**body, "accounts": accounts(list(enrollment.accounts))}), "bank-accounts-not-named")
    assert rows_of_all_tables(sql, without=PROOFS) == before


def test_a_nonce_is_good_once_for_whom_it_was_made_and_for_an_hour(
    owner: BankOwner, bank: BankStandIn, client: Client, sql: Connection
) -> None:
    first = bank.enroll(BankAccount("acc_1", "0001"))
    nonce = owner.nonce()
    assert owner.send(owner.connection(first, nonce=nonce)).status == 201
    second = bank.enroll(BankAccount("acc_2", "0002"))
    named = [{"account_id": "acc_2", "name": "reserve"}]
    refused(owner.send(owner.connection(second, nonce=nonce, accounts=named)), "bank-nonce-spent")
    refused(owner.send(owner.connection(second, nonce=str(uuid4()), accounts=named)), "bank-nonce-spent")
    other = bank_owner(client, bank)
    refused(owner.send(owner.connection(second, nonce=other.nonce(), accounts=named)), "bank-nonce-spent")
    old = owner.nonce()
    sql.execute_simple("UPDATE bank_nonces SET expires_at = now() WHERE spent_at IS NULL")
    refused(owner.send(owner.connection(second, nonce=old, accounts=named)), "bank-nonce-spent")


SPOILED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "a nonce that was not signed": lambda body: {**body, "nonce": str(uuid4())},
    "a token that was not signed": lambda body: {**body, "access_token": "token_of_somebody"},
    "an enrollment that was not signed": lambda body: {**body, "enrollment_id": "enr_other"},
    "another signature": lambda body: {**body, "signatures": ["A" * 86 + "=="]},
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_what_teller_connect_has_not_signed_is_refused(
    owner: BankOwner, bank: BankStandIn, sql: Connection, spoiled: str
) -> None:
    body = SPOILED[spoiled](owner.connection(bank.enroll()))
    before = rows_of_all_tables(sql, without=PROOFS)
    refused(owner.send(body), "bank-proof-not-valid")
    assert rows_of_all_tables(sql, without=PROOFS) == before


def test_a_token_that_opens_nothing_is_refused(owner: BankOwner, bank: BankStandIn) -> None:
    enrollment = bank.enroll()
    body = owner.connection(enrollment)
    bank.disconnect(enrollment)
    refused(owner.send(body), "bank-proof-not-valid")
    enrollment.disconnected = None
    enrollment.tokens.clear()
    refused(owner.send({**body, "totp": owner.admin.code()}), "bank-proof-not-valid")


def test_while_teller_does_not_answer_nothing_is_done_and_the_same_may_come_again(
    owner: BankOwner, bank: BankStandIn, sql: Connection
) -> None:
    body = owner.connection(bank.enroll())
    before = rows_of_all_tables(sql, without=("attempt_counters", "second_factors"))
    for fault in (Fault.UNANSWERED, Fault.INTERNAL_ERROR, Fault.TOO_MANY_REQUESTS, Fault.NONSENSE):
        bank.fail_next(1, fault)
        answer = owner.admin.client.post(f"{PATH}/connect", body, **{"Idempotency-Key": "patient"})
        refused(answer, "bank-service-unavailable")
        assert answer.headers["Retry-After"] == ("7" if fault is Fault.TOO_MANY_REQUESTS else "30")
        assert rows_of_all_tables(sql, without=("attempt_counters", "second_factors")) == before
    assert owner.admin.client.post(f"{PATH}/connect", body, **{"Idempotency-Key": "patient"}).status == 201


def test_a_slow_answer_is_none(owner: BankOwner, bank: BankStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendors, "ANSWER_SECONDS_MAX", 0.3)
    body = owner.connection(bank.enroll())
    bank.slow_seconds = 1.0
    refused(owner.send(body), "bank-service-unavailable")


@pytest.mark.parametrize("fault", ["missing", "ended", "no certificate", "of another key"])
def test_with_a_bad_certificate_nothing_is_done(
    owner: BankOwner, bank: BankStandIn, sql: Connection, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    body = owner.connection(bank.enroll())
    before = rows_of_all_tables(sql, without=PROOFS)
    other = bank.authority.client(days=-1 if fault == "ended" else 1)
    shown = {"missing": "", "ended": other.certificate, "no certificate": "x", "of another key": other.certificate}
    monkeypatch.setenv("TELLER_CERTIFICATE", shown[fault])
    sessions.close()
    answer = owner.send(body)
    refused(answer, "bank-service-unavailable")
    assert answer.headers["Retry-After"] == "300"
    assert rows_of_all_tables(sql, without=PROOFS) == before


def test_the_same_account_is_connected_once(owner: BankOwner, bank: BankStandIn, sql: Connection) -> None:
    """By Teller's id, and by bank, last four digits and currency, as another sign-in gives other ids."""
    first = bank.enroll(BankAccount("acc_1", "7890"))
    bank_id = owner.connect(first)
    same = bank.enroll(BankAccount("acc_2", "7890"))
    before = rows_of_all_tables(sql, without=PROOFS)

    for again in (first, same):
        body = owner.connection(again)
        body["accounts"][0]["name"] = "reserve"
        answer = owner.send(body)
        refused(answer, "bank-account-already-connected")
        assert answer.body["bank_id"] == str(bank_id)
    assert rows_of_all_tables(sql, without=PROOFS) == before


def test_a_name_is_of_one_account(owner: BankOwner, bank: BankStandIn) -> None:
    owner.connect(bank.enroll(BankAccount("acc_1", "0001")))
    answer = owner.send(owner.connection(bank.enroll(BankAccount("acc_2", "0002"))))
    refused(answer, "bank-name-taken")
    assert answer.body["name"] == "operating"


def test_of_many_at_once_one_connects(owner: BankOwner, bank: BankStandIn, client: Client, sql: Connection) -> None:
    owners = [owner, *(bank_owner(client, bank) for _ in range(3))]
    enrollment = bank.enroll()
    bodies = [each.connection(enrollment) for each in owners]
    with ThreadPoolExecutor(len(owners)) as threads:
        answers = list(threads.map(lambda pair: pair[0].send(pair[1]), zip(owners, bodies, strict=True)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409]
    assert len(sql.execute_simple("SELECT FROM teller_enrollments").rows) == 1
    assert len(sql.execute_simple("SELECT FROM teller_connections").rows) == 3


def test_reconnecting_keeps_ids_and_history(owner: BankOwner, bank: BankStandIn, sql: Connection) -> None:
    enrollment = bank.enroll()
    bank_id = owner.connect(enrollment)
    before = sql.execute_simple("SELECT id, teller_account_id, name FROM teller_connections ORDER BY id").rows
    sql.execute_simple("UPDATE teller_enrollments SET state = 'needs_reauth', refusals = 2, last_error = 'x'")

    answer = owner.reconnect(bank_id, enrollment)

    assert answer.status == 200, answer
    assert (answer.body["id"], answer.body["state"], answer.body["last_error"]) == (str(bank_id), "active", None)
    assert answer.body["reconnected_at"] == answer.body["state_at"]
    assert sql.execute_simple("SELECT id, teller_account_id, name FROM teller_connections ORDER BY id").rows == before
    assert mails(sql) == ["Security Credit Union is connected"] * 2
    assert len(tasks(sql)) == 2


def test_a_reconnection_without_need_tells_nobody(owner: BankOwner, bank: BankStandIn, sql: Connection) -> None:
    enrollment = bank.enroll()
    bank_id = owner.connect(enrollment)
    assert owner.reconnect(bank_id, enrollment).status == 200
    assert mails(sql) == ["Security Credit Union is connected"]


def test_only_the_same_enrollment_reconnects(owner: BankOwner, bank: BankStandIn, sql: Connection) -> None:
    bank_id = owner.connect()
    before = rows_of_all_tables(sql, without=PROOFS)
    refused(owner.reconnect(bank_id, bank.enroll()), "bank-enrollment-differs")
    refused(owner.reconnect(uuid4(), bank.enroll()), "not-found", 404)
    assert rows_of_all_tables(sql, without=PROOFS) == before


def test_a_disconnected_bank_is_gone_for_good_and_may_be_connected_anew(
    owner: BankOwner, bank: BankStandIn, sql: Connection
) -> None:
    enrollment = bank.enroll()
    bank_id = owner.connect(enrollment)

    answer = owner.disconnect(bank_id)
    again = owner.disconnect(bank_id)

    assert (answer.status, answer.body["state"]) == (200, "disconnected")
    assert all(account["closed_at"] for account in answer.body["accounts"])
    assert (again.status, again.body) == (200, answer.body)
    assert mails(sql) == ["Security Credit Union is connected", "Security Credit Union is disconnected"]
    assert len(tasks(sql)) == 2
    refused(owner.reconnect(bank_id, enrollment), "bank-disconnected")
    refused(owner.disconnect(uuid4()), "not-found", 404)
    refused(owner.send(owner.connection(enrollment)), "bank-account-already-connected")  # its bank does not know yet
    assert owner.send(owner.connection(bank.enroll())).status == 201


def test_of_many_disconnections_at_once_one_does_it(owner: BankOwner, sql: Connection) -> None:
    bank_id = owner.connect()
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: owner.disconnect(bank_id), range(6)))
    assert {answer.status for answer in answers} == {200}
    done = sql.execute_simple("SELECT FROM audit_logs WHERE action = 'bank.disconnect'").rows
    assert len(done) == 1
    assert len(tasks(sql)) == 2


@pytest.mark.parametrize("role", [Role.TREASURY, Role.OPERATIONS, Role.SUPPORT])
def test_only_owners_connect(owner: BankOwner, bank: BankStandIn, client: Client, sql: Connection, role: Role) -> None:
    bank_id = owner.connect()
    body = owner.connection(bank.enroll())
    somebody = client(factories.member(role=role).token)
    before = rows_of_all_tables(sql)
    for answer in (
        somebody.post(f"{PATH}/connect", body),
        somebody.post(f"{PATH}/nonces"),
        somebody.post(f"{PATH}/{bank_id}/reconnect", {name: body[name] for name in body if name != "accounts"}),
        somebody.delete(f"{PATH}/{bank_id}"),
    ):
        refused(answer, "not-allowed", 403)
    assert somebody.get(PATH).status == (200 if role is Role.TREASURY else 403)
    assert rows_of_all_tables(sql) == before


def test_a_wrong_code_connects_nothing(owner: BankOwner, bank: BankStandIn, sql: Connection) -> None:
    body = owner.connection(bank.enroll(), totp="000000")
    refused(owner.send(body), "second-factor-wrong", 403)
    assert owner.banks() == []
    assert sql.execute_simple("SELECT spent_at FROM bank_nonces").rows == [[None]]


def test_a_token_that_was_moved_to_another_row_does_not_open(
    owner: BankOwner, bank: BankStandIn, sql: Connection
) -> None:
    first = owner.connect(bank.enroll(BankAccount("acc_1", "0001")))
    other = bank.enroll(BankAccount("acc_2", "0002"))
    body = owner.connection(other)
    body["accounts"][0]["name"] = "reserve"
    second = UUID(owner.send(body).body["id"])
    ((sealed,),) = sql.execute_unnamed("SELECT sealed_token FROM teller_enrollments WHERE id = $1", (first,)).rows

    def opened(row: UUID) -> bytes:
        return db.atomically(lambda tx: vault.unseal(tx, bytes(sealed), enrollments.row_of(row)))

    assert opened(first).decode() in bank.of_token(opened(first).decode()).tokens
    with pytest.raises(InvalidTag):
        opened(second)
