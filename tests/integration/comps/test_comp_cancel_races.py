"""Whatever happens to a comp at the same moment, it ends either cancelled or paid, and the books agree."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from emulators.process import wait_until
from shared import clock, db
from shared.comps import awards, totals
from shared.comps.awards import CompPaid, PaymentUnderWay
from shared.db import Tx
from shared.job import ComeAgain
from shared.values.money import Usdt
from tests import factories
from tests.fakes.comp_records import WALLET, CompRecords, award_comp, cancel, in_parallel, release
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import Login

pytest_plugins = ["tests.fakes.payout_plugin"]

FIVE = Usdt.of(5)
COMPS = 12
EARLY = ("blocked", "fees", "token_balance", "gas_balance")  # asked of the chain before money is set aside
LATE = ("send",)

# Waits for whoever has posted, also to a shard that was empty; changes nothing.
EVERY_SHARD = """
    BEGIN;
    SET LOCAL lock_timeout = '300ms';
    INSERT INTO ledger_balances AS kept (account, shard, balance)
    SELECT name, shard, 0 FROM ledger_accounts, generate_series(0, 15) AS shard
    ON CONFLICT (account, shard) DO UPDATE SET balance = kept.balance;
    ROLLBACK
"""


@pytest.fixture
def comp_records(sql: Connection) -> CompRecords:
    return CompRecords(sql)


def tried(comp: UUID) -> str:
    """The outcome of a cancellation."""
    try:
        return "cancelled" if cancel(comp) else "cancelled before"
    except (CompPaid, PaymentUnderWay) as refused:
        return type(refused).__name__


def sent(payout_driver: PayoutDriver, payout: UUID) -> str:
    while True:
        try:
            payout_driver.send(payout)
        except ComeAgain:
            continue
        return "sent"


def received(payout_driver: PayoutDriver) -> int:
    return payout_driver.chain.balance(WALLET, len(payout_driver.chain.blocks) - 1)


def settle(payout_driver: PayoutDriver, comp_records: CompRecords, made: list[UUID]) -> Counter[str]:
    """Bring everything to its end; how the comps ended."""
    payout_driver.chain.mine(1)
    for comp in made:
        if payout_driver.state(comp_records.payout(comp)) not in ("CANCELLED", "PAID"):
            sent(payout_driver, comp_records.payout(comp))
            payout_driver.finalize(comp_records.payout(comp))
    return Counter(comp_records.comp_status(comp) for comp in made)


def test_a_comp_cancelled_while_its_payout_is_sent_is_cancelled_or_paid(
    payout_driver: PayoutDriver, comp_records: CompRecords
) -> None:
    winner = factories.member(wallet=WALLET, referred_by=factories.member())
    made = [award_comp(winner, FIVE) for _ in range(COMPS)]

    for comp in made:
        payout = comp_records.payout(comp)
        in_parallel(lambda payout=payout: sent(payout_driver, payout), lambda comp=comp: tried(comp))  # type: ignore[misc]

    ends = settle(payout_driver, comp_records, made)
    assert set(ends) <= {"cancelled", "paid"}
    assert ends.total() == COMPS
    assert received(payout_driver) == ends["paid"] * FIVE.micro
    comp_records.assert_consistent()


@pytest.mark.parametrize("step", EARLY + LATE)
def test_a_comp_cancelled_at_each_step_of_its_payout_is_cancelled_or_refused(
    step: str, payout_driver: PayoutDriver, comp_records: CompRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """payout_send stands still before it asks the chain; meanwhile somebody cancels."""
    comp = award_comp(factories.member(wallet=WALLET, referred_by=factories.member()), FIVE)
    payout, asked = comp_records.payout(comp), getattr(payout_driver.chain, step)
    outcomes: list[str] = []

    def interrupted(*arguments: object) -> object:
        if not outcomes:
            outcomes.append(tried(comp))
        return asked(*arguments)

    monkeypatch.setattr(payout_driver.chain, step, interrupted)
    sent(payout_driver, payout)

    early = step in EARLY
    assert outcomes == ["cancelled" if early else "PaymentUnderWay"]
    assert settle(payout_driver, comp_records, [comp]) == Counter({"cancelled" if early else "paid": 1})
    assert received(payout_driver) == (0 if early else FIVE.micro)
    comp_records.assert_consistent()


def test_a_comp_cancelled_while_its_payment_becomes_final_stays_paid(
    payout_driver: PayoutDriver, comp_records: CompRecords
) -> None:
    winner = factories.member(wallet=WALLET, referred_by=factories.member())
    made = [award_comp(winner, FIVE) for _ in range(COMPS)]
    for comp in made:
        sent(payout_driver, comp_records.payout(comp))
    payout_driver.chain.mine(12)

    for comp in made:
        payout = comp_records.payout(comp)
        outcomes = in_parallel(lambda payout=payout: payout_driver.confirm(payout), lambda comp=comp: tried(comp))  # type: ignore[misc]
        assert outcomes[1] in ("CompPaid", "PaymentUnderWay")

    assert settle(payout_driver, comp_records, made) == Counter({"paid": COMPS})
    comp_records.assert_consistent()


def test_a_wallet_linked_while_its_comp_is_cancelled_pays_it_or_not(comp_records: CompRecords) -> None:
    """The schema would refuse a payout for a cancelled comp; the code does not even ask for one."""
    for _ in range(COMPS):
        winner = factories.member()
        comp = award_comp(winner, FIVE)
        outcome, requested = in_parallel(lambda: tried(comp), lambda: str(link(winner.id)))  # noqa: B023 - waited for
        assert outcome == "cancelled"
        assert requested in ("0", "1")
        assert comp_records.comp_status(comp) == "cancelled"
        states = comp_records.rows("SELECT state FROM payouts WHERE source_id = $1", str(comp))
        assert states == ([["CANCELLED"]] if requested == "1" else [])
    comp_records.assert_consistent()


def test_a_comp_released_and_cancelled_at_once_ends_cancelled(comp_records: CompRecords) -> None:
    winner = factories.member(wallet=WALLET, referred_by=factories.member())
    made = [award_comp(winner, FIVE, in_review=True) for _ in range(COMPS)]

    for comp in made:
        _, outcome = in_parallel(lambda comp=comp: str(release(comp)), lambda comp=comp: tried(comp))  # type: ignore[misc]
        assert outcome == "cancelled"

    assert Counter(comp_records.comp_status(comp) for comp in made) == Counter({"cancelled": COMPS})
    open_ = "SELECT count(*) FROM payouts WHERE state <> 'CANCELLED'"
    assert comp_records.rows(open_) == [[0]]
    comp_records.assert_consistent()


def test_a_comp_linked_and_released_at_once_is_paid_once(
    payout_driver: PayoutDriver, comp_records: CompRecords
) -> None:
    for _ in range(COMPS):
        winner = factories.member()
        comp = award_comp(winner, FIVE, in_review=True)
        in_parallel(lambda: str(release(comp)), lambda: str(link(winner.id)))  # noqa: B023 - waited for
        assert payout_driver.state(comp_records.payout(comp)) == "REQUESTED"
    comp_records.assert_consistent()


@pytest.mark.parametrize("act", ["cancel", "award", "pay"])
def test_whoever_waits_for_a_members_totals_holds_nothing_that_a_scan_wants(
    act: str, payout_driver: PayoutDriver, app: Login, comp_records: CompRecords
) -> None:
    """The member's own scan holds the totals while it waits for the global count; the count's holder posts an award."""
    winner = factories.member(wallet=WALLET)
    comp = award_comp(winner, FIVE)
    payout = comp_records.payout(comp)
    if act == "pay":
        sent(payout_driver, payout)
        payout_driver.chain.mine(12)
    acts = {
        "cancel": lambda: cancel(comp),
        "award": lambda: award_comp(winner),
        "pay": lambda: payout_driver.finalize(payout),
    }

    with ThreadPoolExecutor(1) as thread:
        with app.transaction():
            app.run("SELECT FROM member_totals WHERE member_id = :id FOR UPDATE", id=winner.id)
            done = thread.submit(acts[act])
            blocked = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            wait_until(lambda: bool(comp_records.rows(blocked)), f"{act} to wait", 5.0)
            comp_records.sql.execute_simple(EVERY_SHARD)
            assert comp_records.rows("SELECT 1 FROM inboxes FOR UPDATE NOWAIT")
            comp_records.rows("SELECT 1 FROM payouts FOR UPDATE NOWAIT")  # who waits for the totals has no payout yet
        done.result(timeout=30)
    comp_records.assert_consistent()


def link(member_id: UUID) -> int:
    """As functions/wallet does it: the totals and the member's row first, then what waited."""

    def work(tx: Tx) -> int:
        totals.lock(tx, member_id)
        tx.run(
            "UPDATE members SET wallet_address = :address WHERE id = :id", address=address_of(member_id), id=member_id
        )
        return awards.pay_pending(tx, member_id, address_of(member_id), clock.now())

    return db.atomically(work)


def address_of(member_id: UUID) -> str:
    return f"0x{member_id.hex}{'0' * 8}"
