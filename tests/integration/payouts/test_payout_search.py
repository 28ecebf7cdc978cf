"""The transaction that used a nonce is found, step by step, by answers of a node that keeps no old accounts."""

from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from functions.payout_recover import main as payout_recover
from shared import clock, config, db
from shared.payouts import search, search_rows, slots
from shared.payouts.search_rows import Neighbours
from shared.ports.polygon.chain import STATES_KEPT, Found
from shared.ports.polygon.failures import ChainUnreachable
from tests.fakes.chain import Included, SignedTransfer
from tests.fakes.crashes import killed_after
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import RECIPIENT, PayoutRows
from tests.fakes.plain_rows import OTHER_SIGNER, SIGNER, put, slot, unchecked
from tests.fakes.restore import backup, restore

pytest_plugins = ["tests.fakes.payout_plugin"]

LONG_AGO = STATES_KEPT + 300
OTHER = "0x" + "Cd" * 20
STEPS_MAX = 400


def used(payout_driver: PayoutDriver, signer: str, nonce: int, amount_micro: int = 7, *, succeeded: bool = True) -> str:
    """Somebody else uses the key's next nonce in a block of its own; of nothing when the amount is 0."""
    payout_driver.chain.mine()
    token = payout_driver.chain.token if amount_micro else signer.lower()
    recipient = OTHER.lower() if amount_micro else signer.lower()
    made = SignedTransfer(
        f"0x{nonce + 1:064x}", 137, signer.lower(), nonce, token, recipient, amount_micro, 1, 1, 60_000
    )
    payout_driver.chain.blocks[-1].included.append(Included(made, succeeded))
    return made.hash


def steps(payout_driver: PayoutDriver, signer: str, nonce: int) -> list[Found | None]:
    """Until it is found, or for long."""
    taken: list[Found | None] = []
    while len(taken) < STEPS_MAX and not (taken and taken[-1]):
        taken.append(search.find(signer, payout_driver.chain.token, nonce, payout_driver.chain))
    return taken


def test_a_rebuild_after_the_accounts_are_forgotten_ends_and_pays_nobody_twice(
    payout_driver: PayoutDriver, sql: Connection
) -> None:
    first, second = payout_driver.request(), payout_driver.request(recipient=OTHER)
    backup(sql)
    payout_driver.send(first)
    payout_driver.finalize(first)
    payout_driver.chain.mine(LONG_AGO)
    restore(sql)
    payout_driver.send(second)
    for _ in range(12):
        payout_recover.advance(clock.now())
        payout_driver.chain.mine(12)
        payout_driver.sweep()

    assert sql.execute_simple("SELECT count(*) FROM signers WHERE rebuild_asked_at IS NOT NULL").rows == [[0]]
    assert payout_driver.state(first) == "PAID"
    assert [moved.recipient for moved in payout_driver.chain.transfers()] == [RECIPIENT.lower()]


@pytest.mark.parametrize(
    ("amount", "succeeded"), [(7, True), (7, False), (0, True)], ids=["paid", "reverted", "nothing"]
)
def test_it_is_found_long_ago_whatever_it_did(
    payout_driver: PayoutDriver, rows: PayoutRows, amount: int, *, succeeded: bool
) -> None:
    hashes = [used(payout_driver, rows.signer(), 0)]
    payout_driver.chain.mine(40)
    hashes.append(used(payout_driver, rows.signer(), 1, amount, succeeded=succeeded))
    payout_driver.chain.mine(40)
    hashes.append(used(payout_driver, rows.signer(), 2))
    payout_driver.chain.mine(LONG_AGO)

    found = steps(payout_driver, rows.signer(), 1)[-1]

    assert found
    assert (found.hash, found.receipt.succeeded) == (hashes[1], succeeded)
    assert len(found.receipt.moved) == int(amount > 0 and succeeded)


def test_what_was_met_on_the_way_is_known_without_another_search(payout_driver: PayoutDriver, rows: PayoutRows) -> None:
    hashes = [used(payout_driver, rows.signer(), nonce) for nonce in range(3)]
    payout_driver.chain.mine(LONG_AGO)
    assert steps(payout_driver, rows.signer(), 0)[-1]
    payout_driver.chain.questions.clear()

    founds = [search.find(rows.signer(), payout_driver.chain.token, nonce, payout_driver.chain) for nonce in range(3)]

    assert [found and found.hash for found in founds] == hashes
    assert payout_driver.chain.questions == []


def test_a_node_that_answers_for_few_blocks_is_asked_for_few(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    stolen = used(payout_driver, rows.signer(), 0, 0)
    payout_driver.chain.mine(LONG_AGO)
    payout_driver.chain.blocks_per_answer_max = 3

    taken = steps(payout_driver, rows.signer(), 0)

    assert taken[-1]
    assert taken[-1].hash == stolen
    assert len(taken) > 3  # each step asks a bounded number of questions, and the next one goes on
    blocks = len(payout_driver.chain.blocks)
    assert payout_driver.chain.questions.count("sent_in") < blocks
    assert sql.execute_simple("SELECT count(*) FROM nonce_searches").rows == [[0]]


def test_a_search_that_is_cut_off_goes_on_where_it_was(payout_driver: PayoutDriver, rows: PayoutRows) -> None:
    used(payout_driver, rows.signer(), 0, 0)
    payout_driver.chain.mine(LONG_AGO)
    payout_driver.chain.blocks_per_answer_max = 5
    found = None
    for transactions in range(1, 60):
        with killed_after(transactions):
            found = search.find(rows.signer(), payout_driver.chain.token, 0, payout_driver.chain)
        if found:
            break

    assert found
    assert payout_driver.chain.questions.count("sent_in") < len(payout_driver.chain.blocks)


def test_silence_is_asked_again_for_less(payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection) -> None:
    used(payout_driver, rows.signer(), 0)
    payout_driver.chain.mine(LONG_AGO)
    payout_driver.chain.unreachable = {"sent_by_logs"}
    with pytest.raises(ChainUnreachable):
        search.find(rows.signer(), payout_driver.chain.token, 0, payout_driver.chain)

    assert sql.execute_simple("SELECT logs_at_once < 10000, logs_read_to = top + 1 FROM nonce_searches").rows == [
        [True, True]
    ]
    payout_driver.chain.unreachable.clear()
    assert steps(payout_driver, rows.signer(), 0)[-1]


def test_a_node_that_has_told_a_wrong_block_of_a_neighbour_hides_nothing_for_good(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection
) -> None:
    stolen = used(payout_driver, rows.signer(), 0)
    payout_driver.chain.mine(LONG_AGO)
    sql.execute_simple(
        "INSERT INTO nonce_uses (signer, nonce, transaction_hash, block_number, seen_at) "
        f"VALUES ('{rows.signer()}', 1, '0x{'ab' * 32}', 2, now())"
    )

    taken = steps(payout_driver, rows.signer(), 0)

    assert taken[0] is None
    assert taken[-1]
    assert taken[-1].hash == stolen


def test_the_nearest_known_blocks_are_those_of_this_key_found_or_final(sql: Connection) -> None:
    mined = {1: "FINAL_PAY", 2: "FINAL_NOOP", 4: "MINED", 6: "MINED", 7: "FINAL_REVERTED", 8: "FINAL_PAY"}
    with unchecked(sql):
        for nonce, state in mined.items():
            mined_slot(sql, nonce, state, 10 * nonce)
        for nonce in (4, 6):
            mined_slot(sql, nonce, "FINAL_PAY", 50, OTHER_SIGNER)

        known = [neighbours()]
        for nonce, block in ((9, 90), (0, 0), (1, 10), (6, 60)):
            met(sql, SIGNER, nonce, block)
        met(sql, OTHER_SIGNER, 4, 45)
        met(sql, OTHER_SIGNER, 6, 55)
        known.append(neighbours())
        met(sql, SIGNER, 3, 30)
        met(sql, SIGNER, 5, 50)
        known.append(neighbours())

    assert known == [Neighbours(20, 70), Neighbours(20, 60), Neighbours(30, 60)]


def mined_slot(sql: Connection, nonce: int, state: str, block: int, signer: str = SIGNER) -> None:
    slot(sql, nonce, state, signer, uuid4(), winning_hash=f"0x{nonce:064x}", block_number=block,
         block_hash=f"0x{block:064x}", succeeded=True)  # fmt: skip


def neighbours() -> Neighbours:
    return db.atomically(lambda tx: search_rows.neighbours(tx, SIGNER, 5))


def met(sql: Connection, signer: str, nonce: int, block: int) -> None:
    """A search has met the nonce there."""
    put(sql, "nonce_uses", signer=signer, nonce=nonce, transaction_hash=f"0x{nonce:064x}", block_number=block,
        seen_at=clock.now())  # fmt: skip


def test_no_earlier_block_is_read_than_the_one_where_the_treasuries_begin(
    payout_driver: PayoutDriver, rows: PayoutRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILIATION_FIRST_BLOCK", "200")
    config.read.cache_clear()
    used(payout_driver, rows.signer(), 0, 0)
    payout_driver.chain.mine(LONG_AGO)

    assert search.find(rows.signer(), payout_driver.chain.token, 0, payout_driver.chain) is None
    assert len(payout_driver.chain.questions) < 40
    config.read.cache_clear()


def stall(payout_driver: PayoutDriver) -> None:
    """Milestones stop, until the accounts of the finalized block are forgotten."""
    payout_driver.chain.finalized = len(payout_driver.chain.blocks) - 1
    payout_driver.chain.mine(STATES_KEPT + 10)


def test_payouts_are_sent_and_followed_while_the_accounts_of_the_finalized_block_are_forgotten(
    payout_driver: PayoutDriver,
) -> None:
    stall(payout_driver)
    payout = payout_driver.request()

    payout_driver.send(payout)
    assert payout_driver.state(payout) == "IN_FLIGHT"
    payout_driver.chain.forget_pending()
    payout_driver.confirm(payout)
    assert payout_driver.chain.pool  # it was offered again
    payout_driver.chain.mine(12)
    payout_driver.confirm(payout)
    assert slot_state(payout) == "MINED"
    assert payout_driver.state(payout) == "IN_FLIGHT"

    payout_driver.chain.finalized = None
    payout_driver.finalize(payout)
    assert payout_driver.state(payout) == "PAID"


def slot_state(payout: UUID) -> str:
    slot = db.atomically(lambda tx: slots.open_slot(tx, payout))
    assert slot
    return slot.state.value


def test_money_that_came_lately_is_not_counted_while_finality_stands_still(
    payout_driver: PayoutDriver, rows: PayoutRows
) -> None:
    stall(payout_driver)
    before = payout_driver.chain.token_balance(payout_driver.chain.token, rows.signer())
    used(payout_driver, rows.signer(), 0, 5)

    assert payout_driver.chain.token_balance(payout_driver.chain.token, rows.signer()) == before - 5
