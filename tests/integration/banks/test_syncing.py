"""Balances are read every six hours; each error of the bank leads to its state, and no state is a trap."""

import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml
from pg8000.dbapi import Connection

from emulators.bank import BankAccount, BankEnrollment, BankStandIn
from emulators.vendor import Fault
from functions.platform_watch import critical_events
from shared import clock
from shared.auth import Role
from shared.ports import dead_letters, sessions, teller
from shared.ports.polygon import condition
from shared.ports.teller import TellerBalance
from terraform import hcl
from tests import factories
from tests.client import FunctionClient
from tests.fakes.bank_client import BankOwner, balances, mails, sync
from tests.fakes.crashes import Crash, crash
from tests.fakes.invoker import FunctionInvoker
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.clock_plugin", "tests.fakes.log_plugin"]

Client = Callable[..., FunctionClient]

DAY = 24 * 3600.0
METRICS = yaml.safe_load((Path(hcl.HERE) / "metrics.yaml").read_text())
BALANCES = [("comp_pool", "28575.02", "28500.00"), ("operating", "28575.02", "28500.00"),
            ("reserve", "28575.02", "28500.00")]  # fmt: skip
REAUTH = "Security Credit Union wants its owner to sign in again"
CONNECTED = "Security Credit Union is connected"


@pytest.fixture
def bank_id(owner: BankOwner, enrollment: BankEnrollment, sql: Connection) -> UUID:
    """A bank that is connected, and whose mail and task are not counted here."""
    made = owner.connect(enrollment)
    sql.execute_simple("DELETE FROM mails; DELETE FROM outbox")
    return made


def state(sql: Connection) -> tuple[str, int, str | None]:
    ((found, refusals, error),) = sql.execute_simple("SELECT state, refusals, last_error FROM teller_enrollments").rows
    return str(found), int(refusals), error


def tasks(sql: Connection) -> list[tuple[int, int | None]]:
    """The tasks of banks: the attempt, and how many seconds after now it comes, None for at once."""
    rows = sql.execute_simple(
        "SELECT body, CAST(extract(epoch FROM deliver_at - created_at) AS integer) FROM outbox"
        " WHERE destination = 'bank-sync' ORDER BY id"
    ).rows
    return [(body["attempt"], seconds) for body, seconds in rows]


def lines(output: io.StringIO, message: str) -> list[dict[str, Any]]:
    """The lines of the product's own log with this message."""
    found = [json.loads(line) for line in output.getvalue().splitlines() if line.startswith("{")]
    return [line for line in found if line["message"] == message]


def test_the_balances_of_all_accounts_are_kept(
    bank_id: UUID, owner: BankOwner, jobs: FunctionInvoker, sql: Connection
) -> None:
    assert sync(jobs, bank_id) == 204
    assert sorted(balances(sql)) == BALANCES
    (shown,) = owner.banks()
    assert shown["last_synced_at"] is not None
    assert {(each["name"], each["ledger"], each["available"]) for each in shown["accounts"]} == {
        (name, float(str(ledger)), float(str(available))) for name, ledger, available in BALANCES
    }
    assert state(sql) == ("active", 0, None)
    assert mails(sql) == []
    assert tasks(sql) == []


def test_what_the_bank_does_not_tell_stays_null(
    bank_id: UUID, enrollment: BankEnrollment, jobs: FunctionInvoker, sql: Connection
) -> None:
    for account in enrollment.accounts.values():
        account.available = None
        account.ledger = "-12.5"
    assert sync(jobs, bank_id) == 204
    assert balances(sql)[0] == ("comp_pool", "-12.50", None)


def test_the_schedule_tries_every_bank_once(bank_id: UUID, jobs: FunctionInvoker, sql: Connection) -> None:
    for _ in range(2):
        assert jobs.schedule("teller_sync", "balances") == 204
    names = sql.execute_simple("SELECT DISTINCT task_name FROM outbox WHERE destination = 'bank-sync'").rows
    assert len(names) == 1
    assert str(bank_id) in names[0][0]


def test_a_bank_that_wants_its_owner_is_told_of_once_and_each_week(
    bank_id: UUID, enrollment: BankEnrollment, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection,
    advance_clock: Callable[[float], None], log_output: io.StringIO,
) -> None:  # fmt: skip
    assert sync(jobs, bank_id) == 204
    kept = balances(sql)
    bank.disconnect(enrollment)
    for _ in range(3):
        assert sync(jobs, bank_id) == 204
    assert state(sql) == ("needs_reauth", 0, "enrollment.disconnected.user_action.mfa_required")
    assert mails(sql) == [REAUTH]
    assert balances(sql) == kept
    assert len(lines(log_output, "a bank wants its owner again")) == 3
    for day in range(1, 15):
        advance_clock(DAY)
        assert sync(jobs, bank_id) == 204
        assert mails(sql) == [REAUTH] * (1 + day // 7), day


def test_it_goes_on_by_itself_when_the_bank_tells_again(
    bank_id: UUID, enrollment: BankEnrollment, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection
) -> None:
    bank.disconnect(enrollment)
    assert sync(jobs, bank_id) == 204
    enrollment.disconnected = None
    assert sync(jobs, bank_id) == 204
    assert state(sql) == ("active", 0, None)
    assert mails(sql) == [REAUTH, CONNECTED]
    assert sorted(balances(sql)) == BALANCES


def test_treasury_admins_and_owners_are_told_and_nobody_else(
    bank_id: UUID, owner: BankOwner, enrollment: BankEnrollment, bank: BankStandIn, jobs: FunctionInvoker,
    sql: Connection,
) -> None:  # fmt: skip
    treasurer = factories.member(role=Role.TREASURY)
    for role in (Role.OPERATIONS, Role.SUPPORT, None):
        factories.member(role=role)
    bank.disconnect(enrollment)
    assert sync(jobs, bank_id) == 204
    told = {email for (email,) in sql.execute_simple("SELECT to_email FROM mails").rows}
    assert told == {treasurer.email, owner.admin.somebody.email}


@pytest.mark.parametrize("fault", [Fault.UNAUTHORIZED, Fault.FORBIDDEN], ids=lambda fault: fault.name)
def test_a_token_that_is_refused_twice_in_a_row_needs_its_owner(
    bank_id: UUID, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection, fault: Fault
) -> None:
    bank.fail_next(1, fault)
    assert sync(jobs, bank_id) == 204
    assert state(sql)[:2] == ("active", 1)
    assert tasks(sql) == [(2, 30)]
    assert mails(sql) == []
    bank.fail_next(1, fault)
    assert sync(jobs, bank_id, 2) == 204
    assert state(sql)[:2] == ("needs_reauth", 2)
    assert tasks(sql) == [(2, 30)]
    assert mails(sql) == [REAUTH]


def test_a_token_that_is_refused_once_is_not(
    bank_id: UUID, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection
) -> None:
    for _ in range(3):
        bank.fail_next(1, Fault.FORBIDDEN)
        assert sync(jobs, bank_id) == 204
        assert sync(jobs, bank_id) == 204
    assert state(sql) == ("active", 0, None)
    assert mails(sql) == []


SILENT = [Fault.UNANSWERED, Fault.NONSENSE, Fault.FOREIGN_NOT_FOUND, Fault.INTERNAL_ERROR, Fault.TOO_MANY_REQUESTS]


@pytest.mark.parametrize("was", ["active", "needs_reauth"])
@pytest.mark.parametrize("fault", SILENT, ids=lambda fault: fault.name)
def test_silence_changes_no_state_and_is_tried_again(
    bank_id: UUID, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection, fault: Fault, was: str
) -> None:
    sql.execute_unnamed("UPDATE teller_enrollments SET state = $1", (was,))
    bank.fail_next(1, fault)
    assert sync(jobs, bank_id, 3) == 204
    assert state(sql)[0] == was
    assert state(sql)[2]
    assert balances(sql) == []
    assert mails(sql) == []
    assert tasks(sql) == [(4, 120)]


def test_what_was_told_before_the_silence_is_kept(
    bank_id: UUID, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection
) -> None:
    bank.fail_next(1, Fault.INTERNAL_ERROR, after=2)
    assert sync(jobs, bank_id) == 204
    assert [name for name, _, _ in balances(sql)] == ["comp_pool", "operating"]


def test_it_is_left_alone_for_as_long_as_the_bank_asks_and_not_for_ever(
    bank_id: UUID, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection
) -> None:
    bank.fail_next(9, Fault.TOO_MANY_REQUESTS)
    for attempt in range(1, 9):
        assert sync(jobs, bank_id, attempt) == 204
    assert tasks(sql) == [(2, 30), (3, 60), (4, 120), (5, 240), (6, 480), (7, 960), (8, 1920)]


@pytest.mark.parametrize("certificate", ["", "nonsense"])
def test_without_a_certificate_nothing_changes_and_a_person_is_woken(
    bank_id: UUID, jobs: FunctionInvoker, sql: Connection, monkeypatch: pytest.MonkeyPatch, certificate: str,
    log_output: io.StringIO,
) -> None:  # fmt: skip
    monkeypatch.setenv("TELLER_CERTIFICATE", certificate)
    sessions.close()
    assert sync(jobs, bank_id) == 204
    assert state(sql)[:2] == ("active", 0)
    assert (balances(sql), mails(sql), tasks(sql)) == ([], [], [])
    assert len(lines(log_output, "Teller cannot be asked")) == 1
    assert jobs.schedule("teller_sync", "balances") == 204
    assert len(lines(log_output, "Teller cannot be asked")) == 2


def test_a_certificate_near_its_end_is_told_of_once_a_week(
    bank_id: UUID, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection, monkeypatch: pytest.MonkeyPatch,
    advance_clock: Callable[[float], None], log_output: io.StringIO,
) -> None:  # fmt: skip
    assert bank_id
    monkeypatch.setenv("TELLER_CERTIFICATE", bank.authority.client(days=31).certificate)
    assert jobs.schedule("teller_sync", "balances") == 204
    assert mails(sql) == []
    ending = bank.authority.client(days=29)
    monkeypatch.setenv("TELLER_CERTIFICATE", ending.certificate)
    for _ in range(2):
        assert jobs.schedule("teller_sync", "balances") == 204
    assert len(mails(sql)) == 1
    assert mails(sql)[0].startswith("The certificate for Teller ends on 20")
    advance_clock(7 * DAY)
    assert jobs.schedule("teller_sync", "balances") == 204
    assert len(mails(sql)) == 2
    assert [line["days"] for line in lines(log_output, "the certificate for Teller is good")] == [30, 28, 28, 28]


def test_a_certificate_near_its_end_is_one_critical_event_until_it_is_renewed(
    bank_id: UUID, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection, monkeypatch: pytest.MonkeyPatch,
    log_output: io.StringIO,
) -> None:  # fmt: skip
    assert bank_id
    monkeypatch.setattr(condition, "connect", list)
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS_MAX", 0.2)
    found = "SELECT kind, subject, ended_at IS NOT NULL FROM critical_events"
    monkeypatch.setenv("TELLER_CERTIFICATE", bank.authority.client(days=29).certificate)
    for _ in range(2):
        assert jobs.schedule("teller_sync", "balances") == 204
    assert sql.execute_simple(found).rows == [["certificate", "teller", False]]
    critical_events.watch(clock.now())
    (line,) = lines(log_output, "a critical event lasts")
    (metric,) = [it for it in METRICS if it.get("where") == {"cause": line["cause"]}]
    assert (metric["name"], metric["message"], line["subject"]) == ("critical_certificate", line["message"], "teller")
    monkeypatch.setenv("TELLER_CERTIFICATE", "nonsense")  # whose end nobody knows
    assert jobs.schedule("teller_sync", "balances") == 204
    assert sql.execute_simple(found).rows == [["certificate", "teller", False]]
    monkeypatch.setenv("TELLER_CERTIFICATE", bank.authority.client(days=90).certificate)
    assert jobs.schedule("teller_sync", "balances") == 204
    assert sql.execute_simple(found).rows == [["certificate", "teller", True]]


def test_without_a_bank_no_certificate_is_needed(
    jobs: FunctionInvoker, sql: Connection, monkeypatch: pytest.MonkeyPatch, log_output: io.StringIO
) -> None:
    assert sql
    monkeypatch.delenv("TELLER_CERTIFICATE")
    assert jobs.schedule("teller_sync", "balances") == 204
    assert lines(log_output, "Teller cannot be asked") == []


def test_an_account_that_its_bank_has_closed_is_read_no_more(
    bank_id: UUID, owner: BankOwner, enrollment: BankEnrollment, bank: BankStandIn, jobs: FunctionInvoker,
    sql: Connection,
) -> None:  # fmt: skip
    next(iter(enrollment.accounts.values())).closed = True
    for _ in range(2):
        assert sync(jobs, bank_id) == 204
    assert mails(sql) == ["Security Credit Union has closed the account that ends in 7890"]
    assert [name for name, _, _ in balances(sql)] == ["comp_pool", "reserve"] * 2
    assert state(sql)[0] == "active"
    (shown,) = owner.banks()
    assert [bool(each["closed_at"]) for each in shown["accounts"]] == [False, True, False]
    new = bank.enroll(BankAccount("acc_new", "7891"))
    assert owner.send(owner.connection(new)).status == 201  # its name is free


def test_with_every_account_closed_the_bank_is_still_tried(
    bank_id: UUID, enrollment: BankEnrollment, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection
) -> None:
    for account in enrollment.accounts.values():
        account.closed = True
    assert sync(jobs, bank_id) == 204
    assert len(mails(sql)) == 3
    bank.disconnect(enrollment)
    assert sync(jobs, bank_id) == 204
    assert state(sql)[0] == "needs_reauth"


def test_a_disconnected_bank_is_told_of_its_end_and_its_token_is_forgotten(
    bank_id: UUID, owner: BankOwner, enrollment: BankEnrollment, bank: BankStandIn, jobs: FunctionInvoker,
    sql: Connection,
) -> None:  # fmt: skip
    accounts = list(enrollment.accounts)
    owner.disconnect(bank_id)
    sql.execute_simple("DELETE FROM outbox")
    bank.fail_next(1, Fault.DONE_UNANSWERED, after=3)
    assert sync(jobs, bank_id) == 204
    assert tasks(sql) == [(2, 30)]
    assert state(sql)[0] == "disconnected"
    assert sync(jobs, bank_id, 2) == 204
    assert sorted(enrollment.ended) == sorted(accounts)
    assert sql.execute_simple("SELECT sealed_token, is_live FROM teller_enrollments").rows == [[None, False]]
    before = rows_of_all_tables(sql)
    assert sync(jobs, bank_id) == 204
    assert rows_of_all_tables(sql) == before


def test_an_unknown_enrollment_is_hopeless(jobs: FunctionInvoker, sql: Connection) -> None:
    assert sync(jobs, uuid4()) == 204
    assert sql.execute_simple("SELECT reason FROM job_faults").rows == [["there is no such enrollment"]]


@contextmanager
def while_asked(act: Callable[[], object]) -> Iterator[list[int]]:
    """Act once while the bank's first answer is on its way; yields a list that has an item once that has happened."""
    ask, acted = teller.balance, list[int]()

    def asked(token: str, account_id: str) -> TellerBalance:
        try:
            return ask(token, account_id)
        finally:
            if not acted:
                acted.append(1)
                with ThreadPoolExecutor(1) as thread:  # it has the rights of its own function
                    thread.submit(act).result()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(teller, "balance", asked)
        yield acted


def test_a_try_from_before_a_reconnection_decides_nothing(
    bank_id: UUID, owner: BankOwner, enrollment: BankEnrollment, bank: BankStandIn, jobs: FunctionInvoker,
    sql: Connection,
) -> None:  # fmt: skip
    bank.disconnect(enrollment)
    with while_asked(lambda: owner.reconnect(bank_id, enrollment)) as acted:
        assert sync(jobs, bank_id) == 204
    assert acted
    assert state(sql) == ("active", 0, None)
    assert mails(sql) == []


def test_a_try_from_before_a_disconnection_decides_nothing(
    bank_id: UUID, owner: BankOwner, jobs: FunctionInvoker, sql: Connection
) -> None:
    with while_asked(lambda: owner.disconnect(bank_id)) as acted:
        assert sync(jobs, bank_id) == 204
    assert acted
    assert state(sql)[0] == "disconnected"
    assert balances(sql) == []


def test_of_two_tries_at_once_the_newer_one_decides(
    bank_id: UUID, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection
) -> None:
    bank.fail_next(1, Fault.FORBIDDEN)
    with while_asked(lambda: sync(jobs, bank_id)) as acted:
        assert sync(jobs, bank_id) == 204
    assert acted
    assert state(sql) == ("active", 0, None)
    assert sorted(balances(sql)) == BALANCES


def test_of_many_tries_at_once_each_change_is_told_once(
    bank_id: UUID, enrollment: BankEnrollment, bank: BankStandIn, jobs: FunctionInvoker, sql: Connection
) -> None:
    bank.disconnect(enrollment)
    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(lambda _: sync(jobs, bank_id), range(6))) == [204] * 6
    assert state(sql)[0] == "needs_reauth"
    assert mails(sql) == [REAUTH]


def test_a_worker_that_dies_is_made_good_by_the_next_delivery(
    bank_id: UUID, jobs: FunctionInvoker, sql: Connection
) -> None:
    with crash(teller, "balance", at=2, after=True) as died, pytest.raises(Crash):
        sync(jobs, bank_id)
    assert died()
    assert balances(sql) == []
    assert sync(jobs, bank_id) == 204
    assert sorted(balances(sql)) == BALANCES


def test_a_token_in_another_row_is_not_used(
    bank_id: UUID, jobs: FunctionInvoker, sql: Connection, bank: BankStandIn
) -> None:
    """The job fails for a sealed token that was moved to another row, and the bank is not asked."""
    other = uuid4()
    sql.execute_unnamed(
        "INSERT INTO teller_enrollments (id, teller_enrollment_id, institution, sealed_token, state, state_at,"
        " connected_at, told_at) SELECT $1, 'enr_other', institution, sealed_token, state, state_at, connected_at,"
        " told_at FROM teller_enrollments",
        (other,),
    )
    bank.fail_next(1, Fault.INTERNAL_ERROR)
    assert sync(jobs, other) == 500
    assert bank.next_fault() is Fault.INTERNAL_ERROR  # nobody has asked
    assert sync(jobs, bank_id) == 204


def test_nothing_is_logged_of_the_token(
    bank_id: UUID, enrollment: BankEnrollment, bank: BankStandIn, jobs: FunctionInvoker, log_output: io.StringIO
) -> None:
    (token,) = enrollment.tokens
    assert sync(jobs, bank_id) == 204
    bank.disconnect(enrollment)
    assert sync(jobs, bank_id) == 204
    bank.fail_next(1, Fault.FORBIDDEN)
    assert sync(jobs, bank_id) == 204
    assert token not in log_output.getvalue()


def test_no_transaction_is_open_while_the_bank_is_asked(bank_id: UUID, jobs: FunctionInvoker, sql: Connection) -> None:
    def look() -> None:
        ((found,),) = sql.execute_simple(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        ).rows
        idle.append(int(found))

    idle: list[int] = []
    with while_asked(look):
        assert sync(jobs, bank_id) == 204
    assert idle == [0]
