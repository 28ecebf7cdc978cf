"""While a foreign transaction may have paid a payout, nobody approves it, it gets no nonce, and it holds up nobody."""

import io
from collections.abc import Callable
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.payout_recover import main as payout_recover
from shared import clock, db, settings
from shared.auth import Role
from shared.payouts import explanations, machine
from shared.payouts.explanations import Explained, ExplainedBefore
from shared.payouts.recovery import NoEvidence
from tests import factories
from tests.client import FunctionClient
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows, rule_of
from tests.fakes.restore import backup, restore
from tests.fakes.treasury_admins import TreasuryAdmin, foreign_nonce, treasury_admin
from tests.fakes.treasury_rows import held_for_review

pytest_plugins = ["tests.fakes.treasury_plugin"]

OTHER = "0x" + "Cd" * 20


@pytest.fixture
def people(client: Callable[..., FunctionClient], payout_driver: PayoutDriver) -> list[TreasuryAdmin]:
    assert payout_driver
    return [treasury_admin(client) for _ in range(3)]


def explain(nonce: tuple[str, int], payout: UUID | None, person: UUID) -> Explained:
    return db.atomically(lambda tx: explanations.explain(tx, *nonce, payout, person, "seen", clock.now()))


def held_in_doubt(payout_driver: PayoutDriver) -> tuple[UUID, tuple[str, int]]:
    """A payout of the terms that a foreign transaction has paid; people have resumed too early, by SQL say."""
    nonce = foreign_nonce(RECIPIENT, AMOUNT)
    resume()
    payout = payout_driver.request()
    payout_driver.send(payout)
    assert (payout_driver.state(payout), payout_driver.row(payout).hold_reason) == ("HELD", "review")
    return payout, nonce


def resume() -> None:
    assert db.atomically(lambda tx: machine.resume(tx, "member", clock.now()))


def test_it_is_not_approved_before_the_foreign_transaction_is_explained(
    payout_driver: PayoutDriver, people: list[TreasuryAdmin]
) -> None:
    payout, nonce = held_in_doubt(payout_driver)
    first, second, _ = people

    refused = first.approve_payout(payout)

    assert (refused.status, refused.problem) == (409, "payout-in-doubt")
    assert refused.body["title"].startswith("Somebody else's transaction may have paid this already")
    for person in (first, second):
        assert person.explain(nonce, None).status == 200
    assert [person.approve_payout(payout).status for person in (first, second)] == [200, 200]
    resume()
    payout_driver.send(payout)
    assert payout_driver.state(payout) == "IN_FLIGHT"


def test_one_in_doubt_among_many_is_named_and_the_others_are_approved(
    payout_driver: PayoutDriver, people: list[TreasuryAdmin], rows: PayoutRows
) -> None:
    other = held_for_review(rows, 2, recipient_address=OTHER)
    doubted, _ = held_in_doubt(payout_driver)
    person = people[0]

    body = {"totp": person.code(), "note": "read back by mail", "payout_ids": [str(doubted), str(other)]}
    answer = person.client.post("/v1/admin/treasury/payouts/approve", body)

    assert answer.status == 200
    assert [(it["outcome"], it["approvals_given"]) for it in answer.body["items"]] == [("in_doubt", 0), ("approved", 1)]


def test_the_schema_takes_no_approval_no_release_and_no_nonce_for_it(
    payout_driver: PayoutDriver, rows: PayoutRows
) -> None:
    before = [factories.member(role=Role.TREASURY).id for _ in range(2)]
    approved = rows.payout("HELD", requested_by=factories.member().id)
    rows.sign_off(approved, *before)
    reserved = rows.payout("RESERVED")
    foreign_nonce(RECIPIENT, AMOUNT)
    held = rows.payout("HELD")

    assert payout_driver
    assert rule_of(lambda: rows.sign_off(held, before[0])) == "R8_unexplained"
    assert rule_of(lambda: rows.move(approved, "APPROVED")) == "R8_unexplained"
    assert rule_of(lambda: rows.allocate(reserved)) == "R8_unexplained"


def test_what_was_approved_before_the_doubt_came_up_is_not_released(
    payout_driver: PayoutDriver, rows: PayoutRows
) -> None:
    payout = rows.payout("HELD")
    rows.run("UPDATE payouts SET state = 'HELD', approvals_needed = 2, state_at = :now WHERE id = :id", id=payout)
    rows.sign_off(payout, *(factories.member(role=Role.TREASURY).id for _ in range(2)))
    foreign_nonce(RECIPIENT, AMOUNT)

    with pytest.raises(machine.MayBePaidAlready):
        db.atomically(lambda tx: machine.release(tx, payout, clock.now()))

    assert payout_driver.state(payout) == "HELD"


def test_what_was_reserved_before_a_restore_gets_no_nonce_and_holds_up_nobody(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    sql.execute_simple("UPDATE settings SET value = '4' WHERE name = 'payout_in_flight_max'")
    settings.forget()
    alike = [payout_driver.request(), payout_driver.request()]
    for payout in alike:
        rows.approve(payout)
        rows.reserve(payout)
    backup(sql)
    payout_driver.send(alike[0])
    payout_driver.finalize(alike[0])
    restore(sql)
    payout_driver.send(alike[1])
    for _ in range(4):
        payout_recover.advance(clock.now())
        payout_driver.chain.mine(12)
        payout_driver.sweep()
    resume()
    stranger = payout_driver.request(recipient=OTHER)
    for _ in range(3):
        payout_driver.try_to_send(stranger)
        payout_driver.chain.mine(12)
        payout_driver.sweep()

    assert payout_driver.state(stranger) == "PAID"
    assert {(payout_driver.state(it), payout_driver.row(it).hold_reason) for it in alike} == {("HELD", "review")}


def test_a_nonce_whose_payout_comes_into_doubt_is_used_up_by_a_no_op_and_its_payout_held(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    """A transaction of another treasury's key has the same terms: this treasury is not paused, and must not jam."""
    doubtful = rows.payout("IN_FLIGHT")
    other_treasury_pays(sql)
    stranger = payout_driver.request(recipient=OTHER)
    for _ in range(4):
        payout_driver.try_to_send(stranger)
        payout_driver.chain.mine(12)
        for payout in payout_driver.sweep():
            payout_driver.try_to_send(payout)

    assert payout_driver.state(stranger) == "PAID"
    assert (payout_driver.state(doubtful), payout_driver.row(doubtful).hold_reason) == ("HELD", "review")
    assert [moved.recipient for moved in payout_driver.chain.transfers()] == [OTHER.lower()]
    slots = sql.execute_simple("SELECT nonce, state, given_up_for FROM payout_slots WHERE payout_id IS NOT NULL").rows
    assert slots == [[0, "FINAL_NOOP", "may be paid already"], [1, "FINAL_PAY", None]]


def other_treasury_pays(sql: Connection) -> None:
    """A foreign nonce of the affiliate treasury that has paid AMOUNT to RECIPIENT."""
    sql.execute_simple("UPDATE treasuries SET paused_at = now(), pause_reason = 'test' WHERE name = 'affiliate'")
    sql.execute_simple(
        "INSERT INTO payout_slots (signer, nonce, payout_id, state_at, allocated_at) "
        "SELECT address, next_nonce, NULL, now(), now() FROM signers WHERE treasury = 'affiliate'"
    )
    sql.execute_simple("UPDATE payout_slots SET state = 'FOREIGN', state_at = now() WHERE payout_id IS NULL")
    sql.execute_unnamed(
        "INSERT INTO foreign_transfers (signer, nonce, position, transaction_hash, token_address, recipient_address, "
        "amount, found_at) SELECT s.signer, s.nonce, 0, '0x' || repeat('ab', 32), t.token_address, $1, $2, now() "
        "FROM payout_slots s JOIN treasuries t ON t.name = 'affiliate' WHERE s.payout_id IS NULL",
        (RECIPIENT, AMOUNT),
    )


def test_a_payment_that_is_out_when_the_doubt_comes_up_is_replaced_by_a_no_op(
    payout_driver: PayoutDriver, sql: Connection, advance_clock: Callable[[float], None]
) -> None:
    payout = payout_driver.request()
    payout_driver.send(payout)
    other_treasury_pays(sql)
    advance_clock(61)
    payout_driver.send(payout)

    assert sql.execute_simple("SELECT kind FROM payout_attempts ORDER BY position").rows == [["PAY"], ["NOOP"]]


def test_a_payment_that_the_schema_refuses_is_given_up_and_the_others_are_signed(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection, logged: io.StringIO
) -> None:
    refused = rows.payout("IN_FLIGHT")
    refuse_signatures_for(sql, refused)
    stranger = payout_driver.request(recipient=OTHER)
    for _ in range(4):
        payout_driver.try_to_send(stranger)
        payout_driver.chain.mine(12)
        for payout in payout_driver.sweep():
            payout_driver.try_to_send(payout)

    assert payout_driver.state(stranger) == "PAID"
    assert (payout_driver.state(refused), payout_driver.row(refused).hold_reason) == ("HELD", "review")
    assert sql.execute_unnamed("SELECT approvals_needed FROM payouts WHERE id = $1", (refused,)).rows == [[2]]
    assert "a payment cannot be signed" in logged.getvalue()


def refuse_signatures_for(sql: Connection, payout: UUID) -> None:
    """As a rule of a later migration may."""
    sql.execute_simple(
        "CREATE FUNCTION refuses_one() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF EXISTS (SELECT FROM payout_slots WHERE signer = NEW.signer AND nonce = NEW.nonce "
        f"AND payout_id = '{payout}') THEN PERFORM refuse('test_rule', 'this one alone'); END IF; RETURN NEW; END $$"
    )
    sql.execute_simple(
        "CREATE TRIGGER refuses_one BEFORE INSERT ON payout_attempts FOR EACH ROW WHEN (NEW.kind = 'PAY') "
        "EXECUTE FUNCTION refuses_one()"
    )


def test_two_people_who_say_that_it_was_the_payment_make_it_paid(
    payout_driver: PayoutDriver, people: list[TreasuryAdmin]
) -> None:
    payout, nonce = held_in_doubt(payout_driver)
    first, second, third = people
    listed = first.client.get("/v1/admin/treasury/foreign-nonces").body["items"]
    assert [(it["signer"], it["nonce"], it["transfers"][0]["to_address"]) for it in listed] == [
        (*nonce, RECIPIENT.lower())
    ]

    said = first.explain(nonce, payout)
    again = first.explain(nonce, payout)
    other = second.explain(nonce, None)
    assert (said.status, said.body["approvals_given"], again.problem) == (200, 1, "nonce-explained-before")
    assert (other.body["approvals_given"], payout_driver.state(payout)) == (1, "HELD")
    settled = third.explain(nonce, payout)

    assert (settled.status, settled.body["approvals_given"], payout_driver.state(payout)) == (200, 2, "IN_FLIGHT")
    assert first.client.get("/v1/admin/treasury/foreign-nonces").body["items"] == []
    assert second.explain(nonce, None).problem == "nonce-not-in-question"


def test_every_explanation_is_audited_and_wants_a_fresh_code(
    payout_driver: PayoutDriver, people: list[TreasuryAdmin], sql: Connection
) -> None:
    payout, nonce = held_in_doubt(payout_driver)
    path = f"/v1/admin/treasury/foreign-nonces/{nonce[0]}/{nonce[1]}/explain"
    wrong = people[0].client.post(path, {"payout_id": str(payout), "explanation": "seen", "totp": "000000"})
    people[0].explain(nonce, payout, "the hash is in our log")

    assert wrong.problem == "second-factor-wrong"
    (row,) = sql.execute_simple(
        "SELECT actor_id, resource_id, changes FROM audit_logs WHERE action = 'nonce.explain'"
    ).rows
    assert row[:2] == [people[0].somebody.id, f"{nonce[0]} {nonce[1]}"]
    assert row[2] == {"payout_id": str(payout), "explanation": "the hash is in our log", "agreed": "1 of 2"}


def test_what_does_not_fit_is_refused(payout_driver: PayoutDriver, people: list[TreasuryAdmin]) -> None:
    payout, nonce = held_in_doubt(payout_driver)
    other, affiliates = payout_driver.request(recipient=OTHER), payout_driver.request(treasury="affiliate")
    admin = people[0]

    assert admin.explain(nonce, other).problem == "explanation-unfit"
    assert admin.explain(nonce, affiliates).problem == "explanation-unfit"
    assert admin.explain((nonce[0], 99), payout).status == 404
    assert admin.explain(("0x" + "1" * 40, nonce[1]), payout).status == 404
    assert admin.client.post(f"/v1/admin/treasury/foreign-nonces/{nonce[0]}/x/explain", {
        "payout_id": None, "explanation": "seen", "totp": admin.code()}).status == 404  # fmt: skip


def test_nobody_explains_their_own_payout_and_one_who_has_left_does_not_count(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    owner, left, stays, joins = (factories.member(role=Role.TREASURY).id for _ in range(4))
    nonce = foreign_nonce(RECIPIENT, AMOUNT)
    payout = payout_driver.request(requested_by=owner)

    with pytest.raises(machine.OwnPayout):
        explain(nonce, payout, owner)
    explain(nonce, payout, left)
    with pytest.raises(ExplainedBefore):
        explain(nonce, payout, left)
    sql.execute_unnamed("UPDATE members SET role = NULL WHERE id = $1", (left,))
    assert explain(nonce, payout, stays) == Explained(1, 2)
    assert explain(nonce, payout, joins) == Explained(2, 2)
    assert payout_driver.state(payout) == "IN_FLIGHT"


def test_the_schema_takes_no_explanation_of_what_is_no_question_or_of_another_treasurys_payout(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    nonce = foreign_nonce(RECIPIENT, AMOUNT)
    affiliates, person = payout_driver.request(treasury="affiliate"), factories.member(role=Role.TREASURY).id
    insert = (
        "INSERT INTO foreign_explanations (signer, nonce, person_id, payout_id, why, explained_at) "
        "VALUES (:signer, :nonce, :person, :payout, 'test', :now)"
    )
    given = {"signer": nonce[0], "nonce": nonce[1], "person": person}

    assert rule_of(lambda: rows.run(insert, **given, payout=affiliates)) == "explained"
    for who in (person, factories.member(role=Role.TREASURY).id):
        explain(nonce, None, who)
    assert rule_of(lambda: rows.run(insert, **given | {"person": factories.member().id}, payout=None)) == "explained"
    assert sql.execute_simple("SELECT state FROM payout_slots").rows == [["FINAL_NOOP"]]


def test_an_explanation_needs_the_evidence(payout_driver: PayoutDriver) -> None:
    nonce = foreign_nonce(RECIPIENT, AMOUNT + 1)
    payout = payout_driver.request()

    with pytest.raises(NoEvidence):
        explain(nonce, payout, factories.member(role=Role.TREASURY).id)
