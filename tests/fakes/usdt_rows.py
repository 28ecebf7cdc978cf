"""Deposits and requests of USDT as rows, without a chain that would tell of them."""

import itertools
from datetime import datetime
from uuid import UUID, uuid4

from shared import clock, db
from shared.db import Tx
from shared.ports.polygon import chain
from shared.values.money import Usdt
from tests.factories import Somebody
from tests.fakes import order_rows
from tests.fakes.chain import FakeChain
from tests.fakes.payout_rows import new_hash

AMOUNT = Usdt.of("19.50")
WALLET = "0x27B1FDB04752BBC536007A920D24ACB045561C26"
_tails = itertools.count(1)


def deposit(at: datetime | None = None, block: int = 1) -> UUID:
    """A deposit of AMOUNT that belongs to no order; returns its id."""
    identity, moment = uuid4(), at or clock.now()

    def insert(tx: Tx) -> None:
        transfer = new_hash()
        tx.run(
            """
            INSERT INTO chain_transfers (transaction_hash, log_index, direction, treasury, signer, counterparty, amount,
                                         block_number, seen_at)
            SELECT :hash, 1, 'in', 'shop', address, '0x' || repeat('c', 40), :amount, :block, :now
            FROM signers WHERE treasury = 'shop' AND status = 'active'
            """,
            hash=transfer,
            amount=AMOUNT,
            block=block,
            now=moment,
        )
        tx.run(
            """
            INSERT INTO usdt_deposits (id, transaction_hash, log_index, found_at) VALUES (:id, :hash, 1, :now)
            """,
            id=identity,
            hash=transfer,
            now=moment,
        )

    db.atomically(insert)
    return identity


def waiting(who: Somebody) -> UUID:
    """An order of the member's that waits for USDT; returns its id. There must be stock."""
    order_id, payment_id, tail = order_rows.placed(who), uuid4(), next(_tails)
    order_rows.declined(order_id)

    def ask(tx: Tx) -> None:
        tx.run(
            """
            INSERT INTO payments (id, order_id, provider, amount, created_at)
            SELECT :id, id, 'usdt', total_amount, :now FROM orders WHERE id = :order_id
            """,
            id=payment_id,
            order_id=order_id,
            now=clock.now(),
        )
        tx.run(
            """
            INSERT INTO usdt_requests (payment_id, address, chain_id, token_address, tail, amount, refund_to,
                                       after_block, opened_at)
            SELECT :id, s.address, t.chain_id, t.token_address, CAST(:tail AS integer),
                   o.total_amount + CAST(:tail AS integer), :wallet, 0, :now
            FROM signers s JOIN treasuries t ON t.name = s.treasury, orders o
            WHERE s.treasury = 'shop' AND s.status = 'active' AND o.id = :order_id
            """,
            id=payment_id,
            tail=tail,
            order_id=order_id,
            wallet=WALLET,
            now=clock.now(),
        )

    db.atomically(ask)
    return order_id


def fund(amount: Usdt = AMOUNT) -> None:
    """Give the shop's treasury an amount on the simulated chain."""
    ours = chain.connect()
    assert isinstance(ours, FakeChain)
    with db.transaction() as tx:
        ours.mint(tx.scalar(str, "SELECT address FROM signers WHERE treasury = 'shop'"), amount.micro)
