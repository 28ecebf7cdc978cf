"""A manual transfer leaves when two others have agreed with their second factors, and is told with its whole story."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from tests import factories
from tests.client import FunctionClient
from tests.fakes.nodes import FakeNodes
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows, rule_of
from tests.fakes.treasury_admins import EXCHANGE, TreasuryAdmin, treasury_admin

pytest_plugins = ["tests.fakes.treasury_plugin"]

MANY = 64
TABLES = ("payouts", "manual_transfers", "payout_approvals", "payout_policy_runs", "payout_events", "audit_logs",
          "mails", "ledger_journals", "outbox")  # fmt: skip


@pytest.fixture
def people(client: Callable[..., FunctionClient], two_nodes: FakeNodes) -> list[TreasuryAdmin]:
    """One who asks, and two others."""
    assert two_nodes
    return [treasury_admin(client) for _ in range(3)]


def counts(sql: Connection) -> list[int]:
    """The rows of every table that a transfer touches."""
    return [sql.execute_simple(f"SELECT count(*) FROM {table}").rows[0][0] for table in TABLES]


def test_it_is_paid_when_two_others_have_approved(people: list[TreasuryAdmin], payout_driver: PayoutDriver) -> None:
    asks, second, third = people
    made = asks.send()
    assert (made.status, made.body["status"], made.body["hold_reason"]) == (201, "on_hold", "review")
    transfer = made.body["id"]
    payout_driver.send(UUID(transfer))
    assert payout_driver.chain.transfers() == []

    first = second.approve(transfer)
    assert (first.body["approvals_given"], first.body["status"]) == (1, "on_hold")
    last = third.approve(transfer)
    assert (last.status, last.body["state"]) == (200, "APPROVED")
    payout_driver.send(UUID(transfer))
    payout_driver.finalize(UUID(transfer))

    (moved,) = payout_driver.chain.transfers()
    assert (moved.recipient, moved.amount_micro) == (EXCHANGE.lower(), 25_500_000)
    told = asks.client.get(f"/v1/admin/treasury/transfers/{transfer}").body
    assert (told["status"], told["transaction_hash"], told["amount"]) == ("paid", moved.hash, 25.5)
    assert told["policy_runs"][0]["decision"] == "hold"
    assert [it["approver_id"] for it in told["approvals"]] == [str(second.somebody.id), str(third.somebody.id)]
    assert [it["action"] for it in told["actions"]] == ["transfer.request", "payout.approve", "payout.approve"]
    assert told["events"][-1]["detail"]["to"] == "PAID"
    assert told["transfer"]["reason"] == "to the exchange"


def test_all_who_may_approve_are_told_by_mail(people: list[TreasuryAdmin], sql: Connection) -> None:
    asks, *others = people
    asks.send()

    subjects = sql.execute_simple("SELECT to_email, parameters ->> 'subject' FROM mails").rows
    assert {email for email, _ in subjects} >= {it.somebody.email for it in others}
    assert all("asks for 25.50 USDT from the member treasury" in subject for _, subject in subjects)


def test_the_same_key_is_one_transfer(people: list[TreasuryAdmin], sql: Connection) -> None:
    asks = people[0]
    code = asks.code()
    answers = [asks.send(key="one", totp=code) for _ in range(3)]

    assert {answer.body["id"] for answer in answers} == {answers[0].body["id"]}
    assert counts(sql)[:2] == [1, 1]


def test_bad_terms_are_refused_each_by_its_name_and_leave_no_row(people: list[TreasuryAdmin], sql: Connection) -> None:
    token = sql.execute_simple("SELECT token_address FROM treasuries").rows[0][0]
    bad: list[tuple[dict[str, object], str]] = [
        ({"amount": 0}, "transfer-amount-not-positive"),
        ({"amount": -5}, "transfer-amount-not-positive"),
        ({"amount": 500.000001}, "transfer-above-balance"),
        ({"amount": 0.0000001}, "not-valid"),
        ({"amount": 2**63}, "not-valid"),
        ({"to_address": EXCHANGE[:-1] + "8"}, "transfer-address-mistyped"),
        ({"to_address": EXCHANGE.lower()}, "transfer-address-mistyped"),
        ({"to_address": "0x" + "0" * 40}, "transfer-to-nobody"),
        ({"to_address": token}, "transfer-to-token"),
        ({"to_address": address(sql, "member")}, "transfer-to-treasury"),
        ({"to_address": address(sql, "affiliate")}, "transfer-to-treasury"),
        ({"totp": "12345"}, "not-valid"),
        ({"pool": "operating"}, "not-valid"),
    ]
    before = counts(sql)

    answers = [people[0].send(**given) for given, _ in bad]

    assert [answer.problem for answer in answers] == [problem for _, problem in bad]
    assert answers[2].body["free"] == 500
    assert counts(sql) == before


def test_what_is_promised_to_others_is_not_sent_again(people: list[TreasuryAdmin], rows: PayoutRows) -> None:
    rows.payout("RESERVED")

    assert people[0].send(amount=500 - AMOUNT / 1e6 + 0.01).problem == "transfer-above-balance"
    assert people[0].send(amount=500 - AMOUNT / 1e6).status == 201


def test_a_chain_that_cannot_be_read_promises_nothing(
    people: list[TreasuryAdmin], two_nodes: FakeNodes, sql: Connection
) -> None:
    two_nodes.other.silent = True
    before = counts(sql)

    assert people[0].send().problem == "chain-not-readable"
    assert counts(sql) == before


def test_a_second_factor_is_needed_right_and_new(
    people: list[TreasuryAdmin], client: Callable[..., FunctionClient], sql: Connection
) -> None:
    asks = people[0]
    before = counts(sql)
    without = TreasuryAdmin(somebody := factories.member(role=Role.TREASURY), b"", client(somebody.token))
    assert without.send(totp="123456").problem == "second-factor-not-set-up"
    assert asks.send(totp="000000").problem == "second-factor-wrong"
    assert counts(sql) == before

    code = asks.code()
    assert asks.send(totp=code).status == 201
    assert asks.send(totp=code).problem == "second-factor-used"


def test_only_treasury_admins_and_owners_ask_and_approve(
    people: list[TreasuryAdmin], client: Callable[..., FunctionClient]
) -> None:
    transfer = people[0].send().body["id"]
    for role in (Role.SUPPORT, Role.OPERATIONS):
        other = treasury_admin(client, role)
        assert (other.send().problem, other.approve(transfer).problem) == ("not-allowed", "not-allowed")
    assert treasury_admin(client, Role.OWNER).approve(transfer).status == 200


def test_approvals_are_refused_by_the_requester_twice_after_cancel_and_with_a_used_code(
    people: list[TreasuryAdmin], sql: Connection
) -> None:
    asks, second, third = people
    transfer, other = (asks.send().body["id"] for _ in range(2))
    assert asks.approve(transfer).problem == "approval-of-own-request"

    code = second.code()
    assert second.approve(transfer, code).status == 200
    assert second.approve(other, code).problem == "second-factor-used"
    assert second.approve(transfer).problem == "approved-before"
    assert sql.execute_simple("SELECT count(*) FROM payout_approvals").rows == [[1]]

    assert asks.cancel(transfer).body["status"] == "cancelled"
    assert third.approve(transfer).problem == "payout-cancelled"
    assert sql.execute_simple("SELECT count(*) FROM payout_approvals").rows == [[1]]


def test_what_is_not_held_is_not_approved(
    people: list[TreasuryAdmin], rows: PayoutRows, client: Callable[..., FunctionClient]
) -> None:
    for state in ("REQUESTED", "APPROVED", "PAID"):
        path = f"/v1/admin/treasury/payouts/{rows.payout(state)}/approve"
        approver = treasury_admin(client)
        answer = approver.client.post(path, {"totp": approver.code(), "note": "looked at it"})
        assert (answer.problem, answer.body["state"]) == ("payout-not-held", state)
    assert people[1].approve(str(rows.payout("HELD"))).problem == "not-found"  # no manual transfer


def test_cancelling_is_harmless_twice_and_too_late_once_it_is_signed(
    people: list[TreasuryAdmin], payout_driver: PayoutDriver, sql: Connection
) -> None:
    asks, second, third = people
    transfer = asks.send().body["id"]
    assert [third.cancel(transfer).status for _ in range(2)] == [200, 200]
    told = asks.client.get(f"/v1/admin/treasury/transfers/{transfer}").body["transfer"]
    assert told["cancelled_by_username"] == third.somebody.email.partition("@")[0]
    assert sql.execute_simple("SELECT count(*) FROM audit_logs WHERE action = 'transfer.cancel'").rows == [[1]]

    other = asks.send().body["id"]
    second.approve(other)
    third.approve(other)
    payout_driver.send(UUID(other))
    answer = asks.cancel(other)
    assert (answer.problem, answer.body["state"]) == ("transfer-under-way", "IN_FLIGHT")


def test_of_64_who_approve_at_once_two_are_counted(
    people: list[TreasuryAdmin], client: Callable[..., FunctionClient], sql: Connection
) -> None:
    transfer = people[0].send().body["id"]
    crowd = [treasury_admin(client) for _ in range(MANY)]

    with ThreadPoolExecutor(MANY) as threads:
        answers = list(threads.map(lambda it: it.approve(transfer), crowd))

    assert sorted(answer.problem for answer in answers) == ["", ""] + ["payout-not-held"] * (MANY - 2)
    assert sql.execute_simple("SELECT count(*) FROM payout_approvals").rows == [[2]]
    released = "SELECT count(*) FROM payout_events WHERE detail ->> 'to' = 'APPROVED'"
    assert sql.execute_simple(released).rows == [[1]]


def test_of_64_times_that_one_person_approves_at_once_one_is_counted(
    people: list[TreasuryAdmin], sql: Connection
) -> None:
    transfer = people[0].send().body["id"]
    codes = [people[1].code(ahead) for ahead in range(2)]

    with ThreadPoolExecutor(MANY) as threads:
        answers = list(threads.map(lambda n: people[1].approve(transfer, codes[n % 2]), range(MANY)))

    assert sum(answer.status == 200 for answer in answers) == 1
    assert {answer.problem for answer in answers} <= {"", "approved-before", "second-factor-used"}
    assert sql.execute_simple("SELECT count(*), count(DISTINCT payout_id) FROM payout_approvals").rows == [[1, 1]]


def test_the_schema_lets_no_manual_transfer_pass_without_two_people(rows: PayoutRows) -> None:
    somebody = factories.member(role=Role.TREASURY).id
    assert rule_of(lambda: rows.payout(source_kind="manual")) == "payouts_manual_requester"
    payout = manual(rows, somebody)

    assert rule_of(lambda: rows.approve(payout)) == "manual_approvals"
    assert rule_of(lambda: rows.hold(payout)) == "manual_approvals"


def test_transfers_are_listed_newest_first_page_by_page(people: list[TreasuryAdmin]) -> None:
    asks = people[0]
    made = [asks.send(amount=number).body["id"] for number in (1, 2, 3)]
    people[1].cancel(made[1])

    first = asks.client.get("/v1/admin/treasury/transfers?limit=2").body
    rest = asks.client.get(f"/v1/admin/treasury/transfers?limit=2&cursor={first['next_cursor']}").body

    assert [it["id"] for it in first["items"] + rest["items"]] == made[::-1]
    cancelled = asks.client.get("/v1/admin/treasury/transfers?status=cancelled&pool=member").body["items"]
    assert [it["id"] for it in cancelled] == [made[1]]
    assert asks.client.get("/v1/admin/treasury/transfers?pool=affiliate").body["items"] == []


def test_what_waits_for_people_is_listed_with_its_reason_and_released(
    people: list[TreasuryAdmin], rows: PayoutRows, client: Callable[..., FunctionClient]
) -> None:
    held = rows.payout(recipient_address=RECIPIENT)
    rows.run(
        """
        UPDATE payouts SET state = 'HELD', hold_reason = 'review', approvals_needed = 1, state_at = :now
        WHERE id = :payout
        """,
        payout=held,
    )
    rows.payout("PAID")

    (listed,) = people[0].client.get("/v1/admin/treasury/payouts?status=on_hold&hold_reason=review").body["items"]
    assert (listed["id"], listed["hold_reason"], listed["transfer"]) == (str(held), "review", None)
    approver = treasury_admin(client)
    answer = approver.client.post(
        f"/v1/admin/treasury/payouts/{held}/approve", {"totp": approver.code(), "note": "it is fine"}
    )
    assert (answer.status, answer.body["state"]) == (200, "APPROVED")
    assert approver.client.get("/v1/admin/treasury/payouts?status=on_hold").body["items"] == []


def address(sql: Connection, pool: str) -> str:
    found: str = sql.execute_simple(f"SELECT address FROM signers WHERE treasury = '{pool}'").rows[0][0]
    return found


def manual(rows: PayoutRows, somebody: UUID) -> UUID:
    payout = UUID(int=somebody.int ^ 1)
    rows.run(
        """
        INSERT INTO payouts (id, treasury, scope, idempotency_key, body_hash, source_kind, source_id,
                             recipient_address, amount, requested_by, requested_at, state_at)
        VALUES (:id, 'member', 'manual', 'x', '\\x01', 'manual', 'x', :recipient, :amount, :somebody, :now, :now)
        """,
        id=payout,
        recipient=RECIPIENT,
        amount=AMOUNT,
        somebody=somebody,
    )
    return payout
