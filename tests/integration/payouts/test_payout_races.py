"""One of many who do the same thing at the same moment does it; the others see that it is done."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

from pg8000.dbapi import Connection

from shared import db
from shared.payouts import machine, slots
from shared.payouts.machine import Payout, Promise, TermsDiffer
from shared.payouts.slots import Attempt, Signer, SignerBusy, Slot
from shared.values.money import Usdt
from tests.fakes.payout_rows import AMOUNT, FEE, NOW, RECIPIENT, TIP, PayoutRows, new_hash

pytest_plugins = ["tests.fakes.payout_plugin"]

CROWD = 64


def at_once(act: Callable[[int], str]) -> Counter[str]:
    """The results of CROWD threads that began together; a refusal counts under its rule."""
    ready = threading.Barrier(CROWD)

    def run(number: int) -> str:
        ready.wait(timeout=30)
        try:
            return act(number)
        except db.ConstraintViolated as refused:
            return refused.constraint

    with ThreadPoolExecutor(CROWD) as threads:
        return Counter(threads.map(run, range(CROWD)))


def promise(number: int, source: str) -> Promise:
    return Promise("member", "test", source, RECIPIENT, Usdt(AMOUNT), None, "test", f"key-{number}")


def test_64_requests_for_one_source_are_one_payout(sql: Connection) -> None:
    found = at_once(lambda number: str(db.atomically(lambda tx: machine.request(tx, promise(number, "same"), NOW))))

    assert list(found.values()) == [CROWD]
    assert sql.execute_simple("SELECT count(*) FROM payouts").rows == [[1]]
    assert sql.execute_simple("SELECT count(*) FROM outbox").rows == [[1]]


def test_64_sources_under_one_key_are_one_payout(sql: Connection) -> None:
    def ask(number: int) -> str:
        try:
            return str(db.atomically(lambda tx: machine.request(tx, promise(0, f"source-{number}"), NOW)))
        except TermsDiffer:
            return "differs"

    assert sorted(at_once(ask).values()) == [1, CROWD - 1]
    assert sql.execute_simple("SELECT count(*) FROM payouts").rows == [[1]]


def test_64_reservations_of_one_payout_set_its_money_aside_once(rows: PayoutRows, sql: Connection) -> None:
    payout = load(rows.payout("APPROVED"))

    at_once(lambda _: db.atomically(lambda tx: machine.reserve(tx, payout, NOW)) or "reserved")

    held = "SELECT sum(balance) FROM ledger_balances WHERE account = 'in_flight:member'"
    assert sql.execute_simple(held).rows == [[AMOUNT]]
    assert rows.state(payout.id) == "RESERVED"


def test_64_workers_who_want_a_slot_for_one_payout_get_one(rows: PayoutRows, sql: Connection) -> None:
    payout, signer = load(rows.payout("RESERVED")), take("member")

    def allocate(_: int) -> str:
        return str(db.atomically(lambda tx: machine.allocate_slot(tx, payout, signer, NOW)).nonce)

    outcomes = at_once(allocate)

    assert outcomes["0"] == 1
    assert outcomes.total() == CROWD
    assert sql.execute_simple("SELECT nonce FROM payout_slots").rows == [[0]]
    assert sql.execute_simple("SELECT next_nonce FROM signers WHERE treasury = 'member'").rows == [[1]]


def test_64_payouts_get_64_nonces_without_a_gap(rows: PayoutRows, sql: Connection) -> None:
    waiting = [load(rows.payout("RESERVED")) for _ in range(CROWD)]
    signer = take("member")

    def allocate(number: int) -> str:
        def slot(tx: db.Tx) -> str:
            slots.release_signer(tx, signer, NOW)  # a worker at a time: the signer's row is the queue
            return str(machine.allocate_slot(tx, waiting[number], signer, NOW).nonce)

        return db.atomically(slot)

    outcomes = at_once(allocate)

    assert outcomes == Counter(str(nonce) for nonce in range(CROWD))
    contiguous = "SELECT count(*), min(nonce), max(nonce), count(DISTINCT payout_id) FROM payout_slots"
    assert sql.execute_simple(contiguous).rows == [[CROWD, 0, CROWD - 1, CROWD]]


def test_of_64_first_signatures_for_one_slot_one_is_stored(rows: PayoutRows, sql: Connection) -> None:
    payout, signer = load(rows.payout("RESERVED")), take("member")
    slot = db.atomically(lambda tx: machine.allocate_slot(tx, payout, signer, NOW))

    def store(_: int) -> str:
        db.atomically(lambda tx: slots.store_attempt(tx, slot, signed(slot, signer), NOW))
        return "stored"

    outcomes = at_once(store)

    assert outcomes == Counter({"stored": 1, "I9_position": CROWD - 1})
    assert sql.execute_simple("SELECT count(*) FROM payout_attempts").rows == [[1]]


def test_of_64_who_see_the_end_one_pays(rows: PayoutRows, sql: Connection) -> None:
    payout = load(rows.payout("IN_FLIGHT"))
    rows.sign(payout.id)
    rows.mine(payout.id)

    def finish(_: int) -> str:
        def pay(tx: db.Tx) -> str:
            locked, slot = machine.load(tx, payout.id), slots.open_slot(tx, payout.id)
            return machine.finalize(tx, locked, slot, "PAY", NOW) if locked and slot else "nothing to do"

        return db.atomically(pay)

    assert at_once(finish) == Counter({"PAID": 1, "nothing to do": CROWD - 1})
    assert sql.execute_simple("SELECT count(*) FROM ledger_journals WHERE ref LIKE 'paid:%'").rows == [[1]]


def test_of_64_workers_one_has_the_treasury() -> None:
    def begin(_: int) -> str:
        try:
            return f"epoch {take('member').epoch}"
        except SignerBusy:
            return "busy"

    assert at_once(begin) == Counter({"epoch 1": 1, "busy": CROWD - 1})


def test_a_worker_that_died_is_waited_for_no_longer_than_its_lease() -> None:
    take("member")

    after = db.atomically(lambda tx: slots.take_signer(tx, "member", NOW + slots.LEASE))

    assert after.epoch == 2


def test_a_worker_whose_clock_is_a_day_ahead_does_not_stop_the_treasury_for_a_day() -> None:
    db.atomically(lambda tx: slots.take_signer(tx, "member", NOW + timedelta(days=1)))

    after = db.atomically(lambda tx: slots.take_signer(tx, "member", NOW + 2 * slots.LEASE))

    assert after.epoch == 2


def test_treasuries_do_not_wait_for_each_other() -> None:
    assert [take(name).treasury for name in ("member", "affiliate", "wholesale")] == [
        "member",
        "affiliate",
        "wholesale",
    ]


def take(treasury: str) -> Signer:
    return db.atomically(lambda tx: slots.take_signer(tx, treasury, NOW))


def load(identity: UUID) -> Payout:
    payout = db.atomically(lambda tx: machine.load(tx, identity))
    assert payout
    return payout


def signed(slot: Slot, signer: Signer) -> Attempt:
    return Attempt(
        hash=new_hash(),
        signer=slot.signer,
        nonce=slot.nonce,
        position=1,
        kind="PAY",
        recipient_address=RECIPIENT,
        amount=Usdt(AMOUNT),
        fee_per_gas_wei_max=FEE,
        priority_fee_per_gas_wei_max=TIP,
        gas_limit=120_000,
        raw=b"raw",
        epoch=signer.epoch,
    )
