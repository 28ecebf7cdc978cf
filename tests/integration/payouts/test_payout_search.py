"""The transaction that used a nonce is found, step by step, by answers of a node that keeps no old accounts."""

from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.payout_recover import main as payout_recover
from shared import clock, config, db
from shared.payouts import search, slots
from shared.ports.polygon.chain import STATES_KEPT, Found
from shared.ports.polygon.failures import ChainUnreachable
from tests.fakes.chain import Included, Sighting
from tests.fakes.crashes import killed_after
from tests.fakes.payout_desk import Desk
from tests.fakes.payout_rows import RECIPIENT, Rows
from tests.fakes.restore import backup, restore

pytest_plugins = ["tests.fakes.payout_plugin"]

LONG_AGO = STATES_KEPT + 300
OTHER = "0x" + "Cd" * 20
STEPS_MAX = 400


def used(desk: Desk, signer: str, nonce: int, amount_micro: int = 7, *, succeeded: bool = True) -> str:
    """Somebody else uses the key's next nonce in a block of its own; of nothing when the amount is 0."""
    desk.chain.mine()
    token = desk.chain.token if amount_micro else signer.lower()
    recipient = OTHER.lower() if amount_micro else signer.lower()
    made = Sighting(f"0x{nonce + 1:064x}", 137, signer.lower(), nonce, token, recipient, amount_micro, 1, 1, 60_000)
    desk.chain.blocks[-1].included.append(Included(made, succeeded))
    return made.hash


def steps(desk: Desk, signer: str, nonce: int) -> list[Found | None]:
    """Until it is found, or for long."""
    taken: list[Found | None] = []
    while len(taken) < STEPS_MAX and not (taken and taken[-1]):
        taken.append(search.find(signer, desk.chain.token, nonce, desk.chain))
    return taken


def test_a_rebuild_after_the_accounts_are_forgotten_ends_and_pays_nobody_twice(desk: Desk, sql: Connection) -> None:
    first, second = desk.request(), desk.request(recipient=OTHER)
    backup(sql)
    desk.send(first)
    desk.bury(first)
    desk.chain.mine(LONG_AGO)
    restore(sql)
    desk.send(second)
    for _ in range(12):
        payout_recover.advance(clock.now())
        desk.chain.mine(12)
        desk.sweep()

    assert sql.execute_simple("SELECT count(*) FROM signers WHERE rebuild_asked_at IS NOT NULL").rows == [[0]]
    assert desk.state(first) == "PAID"
    assert [moved.recipient for moved in desk.chain.transfers()] == [RECIPIENT.lower()]


@pytest.mark.parametrize(
    ("amount", "succeeded"), [(7, True), (7, False), (0, True)], ids=["paid", "reverted", "nothing"]
)
def test_it_is_found_long_ago_whatever_it_did(desk: Desk, rows: Rows, amount: int, *, succeeded: bool) -> None:
    hashes = [used(desk, rows.signer(), 0)]
    desk.chain.mine(40)
    hashes.append(used(desk, rows.signer(), 1, amount, succeeded=succeeded))
    desk.chain.mine(40)
    hashes.append(used(desk, rows.signer(), 2))
    desk.chain.mine(LONG_AGO)

    found = steps(desk, rows.signer(), 1)[-1]

    assert found
    assert (found.hash, found.receipt.succeeded) == (hashes[1], succeeded)
    assert len(found.receipt.moved) == int(amount > 0 and succeeded)


def test_what_was_met_on_the_way_is_known_without_another_search(desk: Desk, rows: Rows) -> None:
    hashes = [used(desk, rows.signer(), nonce) for nonce in range(3)]
    desk.chain.mine(LONG_AGO)
    assert steps(desk, rows.signer(), 0)[-1]
    desk.chain.questions.clear()

    founds = [search.find(rows.signer(), desk.chain.token, nonce, desk.chain) for nonce in range(3)]

    assert [found and found.hash for found in founds] == hashes
    assert desk.chain.questions == []


def test_a_node_that_answers_for_few_blocks_is_asked_for_few(desk: Desk, rows: Rows, sql: Connection) -> None:
    stolen = used(desk, rows.signer(), 0, 0)
    desk.chain.mine(LONG_AGO)
    desk.chain.blocks_per_answer_max = 3

    taken = steps(desk, rows.signer(), 0)

    assert taken[-1]
    assert taken[-1].hash == stolen
    assert len(taken) > 3  # each step asks a bounded number of questions, and the next one goes on
    blocks = len(desk.chain.blocks)
    assert desk.chain.questions.count("sent_in") < blocks
    assert sql.execute_simple("SELECT count(*) FROM nonce_searches").rows == [[0]]


def test_a_search_that_is_cut_off_goes_on_where_it_was(desk: Desk, rows: Rows) -> None:
    used(desk, rows.signer(), 0, 0)
    desk.chain.mine(LONG_AGO)
    desk.chain.blocks_per_answer_max = 5
    found = None
    for transactions in range(1, 60):
        with killed_after(transactions):
            found = search.find(rows.signer(), desk.chain.token, 0, desk.chain)
        if found:
            break

    assert found
    assert desk.chain.questions.count("sent_in") < len(desk.chain.blocks)


def test_silence_is_asked_again_for_less(desk: Desk, rows: Rows, sql: Connection) -> None:
    used(desk, rows.signer(), 0)
    desk.chain.mine(LONG_AGO)
    desk.chain.unreachable = {"sent_by_logs"}
    with pytest.raises(ChainUnreachable):
        search.find(rows.signer(), desk.chain.token, 0, desk.chain)

    assert sql.execute_simple("SELECT logs_at_once < 10000, logs_read_to = top + 1 FROM nonce_searches").rows == [
        [True, True]
    ]
    desk.chain.unreachable.clear()
    assert steps(desk, rows.signer(), 0)[-1]


def test_a_node_that_has_told_a_wrong_block_of_a_neighbour_hides_nothing_for_good(
    desk: Desk, rows: Rows, sql: Connection
) -> None:
    stolen = used(desk, rows.signer(), 0)
    desk.chain.mine(LONG_AGO)
    sql.execute_simple(
        "INSERT INTO nonce_uses (signer, nonce, transaction_hash, block_number, seen_at) "
        f"VALUES ('{rows.signer()}', 1, '0x{'ab' * 32}', 2, now())"
    )

    taken = steps(desk, rows.signer(), 0)

    assert taken[0] is None
    assert taken[-1]
    assert taken[-1].hash == stolen


def test_no_earlier_block_is_read_than_the_one_where_the_treasuries_begin(
    desk: Desk, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILIATION_FIRST_BLOCK", "200")
    config.read.cache_clear()
    used(desk, rows.signer(), 0, 0)
    desk.chain.mine(LONG_AGO)

    assert search.find(rows.signer(), desk.chain.token, 0, desk.chain) is None
    assert len(desk.chain.questions) < 40
    config.read.cache_clear()


def stall(desk: Desk) -> None:
    """Milestones stop, until the accounts of the finalized block are forgotten."""
    desk.chain.finalized = len(desk.chain.blocks) - 1
    desk.chain.mine(STATES_KEPT + 10)


def test_payouts_are_sent_and_followed_while_the_accounts_of_the_finalized_block_are_forgotten(desk: Desk) -> None:
    stall(desk)
    payout = desk.request()

    desk.send(payout)
    assert desk.state(payout) == "IN_FLIGHT"
    desk.chain.forget_pending()
    desk.look(payout)
    assert desk.chain.pool  # it was offered again
    desk.chain.mine(12)
    desk.look(payout)
    assert slot_state(payout) == "MINED"
    assert desk.state(payout) == "IN_FLIGHT"

    desk.chain.finalized = None
    desk.bury(payout)
    assert desk.state(payout) == "PAID"


def slot_state(payout: UUID) -> str:
    slot = db.atomically(lambda tx: slots.open_slot(tx, payout))
    assert slot
    return slot.state.value


def test_money_that_came_lately_is_not_counted_while_finality_stands_still(desk: Desk, rows: Rows) -> None:
    stall(desk)
    before = desk.chain.token_balance(desk.chain.token, rows.signer())
    used(desk, rows.signer(), 0, 5)

    assert desk.chain.token_balance(desk.chain.token, rows.signer()) == before - 5
