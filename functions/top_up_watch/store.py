"""Top-ups that are on their way, and what the chains say of them, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt
from shared.values.stargate import SendTerms
from shared.values.states import TopUpState


@dataclass(frozen=True)
class TopUp:
    """A top-up whose transaction somebody has told. Amounts are None until its block is final."""

    id: UUID
    treasury: str
    state: TopUpState
    to_address: str
    source_chain_id: int
    source_contract: str
    source_address: str
    source_eid: int
    home_eid: int
    home_contract: str
    amount: Usdt
    minimum: Usdt
    source_hash: str
    sent_at: datetime
    guid: str | None
    spent: Usdt | None
    source_final_at: datetime | None
    read_to: int
    arrival_hash: str | None
    late_at: datetime | None

    @property
    def terms(self) -> SendTerms:
        return SendTerms(self.home_eid, self.to_address, self.amount.micro, self.minimum.micro)


@dataclass(frozen=True)
class Landed:
    """A transfer to a treasury's key that no top-up has been tied to."""

    transaction_hash: str
    log_index: int
    amount: Usdt


def on_the_way(tx: Tx, limit: int) -> list[TopUp]:
    """Top-ups that are sent and have not arrived, the longest under way first."""
    return tx.all(
        TopUp,
        """
        SELECT id, treasury, state, to_address, source_chain_id, source_contract, source_address, source_eid, home_eid,
               home_contract, amount, minimum, source_hash, sent_at, guid, spent, source_final_at, read_to,
               arrival_hash, late_at
        FROM top_ups WHERE state IN ('sent', 'bridging') ORDER BY sent_at, id LIMIT :limit
        """,
        limit=limit,
    )


def lately_arrived(tx: Tx, since: datetime, limit: int) -> list[TopUp]:
    """Top-ups that have arrived since then and are not known to have come twice."""
    return tx.all(
        TopUp,
        """
        SELECT id, treasury, state, to_address, source_chain_id, source_contract, source_address, source_eid, home_eid,
               home_contract, amount, minimum, source_hash, sent_at, guid, spent, source_final_at, read_to,
               arrival_hash, late_at
        FROM top_ups WHERE state = 'arrived' AND arrived_at > :since AND twice_at IS NULL
        ORDER BY arrived_at, id LIMIT :limit
        """,
        since=since,
        limit=limit,
    )


def end_source(tx: Tx, asked: TopUp, state: TopUpState, fault: str | None, now: datetime) -> bool:
    """Note that its transaction is final and sends nothing; False if another hash was told, or a run was faster."""
    return (
        tx.run(
            """
            UPDATE top_ups SET state = :state, state_at = :now, fault = :fault
            WHERE id = :id AND state = 'sent' AND source_hash = :hash
            """,
            id=asked.id,
            hash=asked.source_hash,
            state=state.value,
            fault=fault,
            now=now,
        )
        > 0
    )


def leave(tx: Tx, asked: TopUp, guid: str, spent: Usdt, promised: Usdt, now: datetime) -> bool:
    """Note that its transaction is final, and what it sent; False if another hash was told, or a run was faster."""
    return (
        tx.run(
            """
            UPDATE top_ups SET state = 'bridging', state_at = :now, guid = :guid, spent = :spent, bridged = :promised,
                               source_final_at = :now, late_at = NULL
            WHERE id = :id AND state = 'sent' AND source_hash = :hash
            """,
            id=asked.id,
            hash=asked.source_hash,
            guid=guid,
            spent=spent.micro,
            promised=promised.micro,
            now=now,
        )
        > 0
    )


def landed(tx: Tx, asked: TopUp, transaction_hash: str) -> list[Landed]:
    """The transfers of a transaction to the top-up's treasury that are nobody's yet, in order."""
    return tx.all(
        Landed,
        """
        SELECT came.transaction_hash, came.log_index, came.amount FROM chain_transfers came
        WHERE came.transaction_hash = :hash AND came.direction = 'in' AND came.treasury = :treasury
          AND lower(came.signer) = lower(:to_address)
          AND NOT EXISTS (SELECT FROM top_ups other WHERE other.arrival_hash = came.transaction_hash
                          AND other.arrival_index = came.log_index AND other.direction = came.direction)
        ORDER BY came.log_index
        """,
        hash=transaction_hash,
        treasury=asked.treasury,
        to_address=asked.to_address,
    )


def arrive(tx: Tx, asked: TopUp, by: Landed, now: datetime) -> None:
    """Note what has arrived, and by which transfer. Its loss is in the ledger by then."""
    tx.run(
        """
        UPDATE top_ups SET state = 'arrived', state_at = :now, arrived_at = :now, received = :received,
                           arrival_hash = :hash, arrival_index = :index
        WHERE id = :id
        """,
        id=asked.id,
        hash=by.transaction_hash,
        index=by.log_index,
        received=by.amount.micro,
        now=now,
    )


def lock(tx: Tx, top_up_id: UUID) -> TopUp:
    """The top-up, locked until the commit."""
    return tx.one(
        TopUp,
        """
        SELECT id, treasury, state, to_address, source_chain_id, source_contract, source_address, source_eid, home_eid,
               home_contract, amount, minimum, source_hash, sent_at, guid, spent, source_final_at, read_to,
               arrival_hash, late_at
        FROM top_ups WHERE id = :id FOR NO KEY UPDATE
        """,
        id=top_up_id,
    )


def read_to(tx: Tx, asked: TopUp, block_number: int) -> None:
    """Note up to which block its arrival was looked for."""
    tx.run("UPDATE top_ups SET read_to = :block WHERE id = :id AND read_to < :block", id=asked.id, block=block_number)


def tell_late(tx: Tx, asked: TopUp, now: datetime) -> bool:
    """Note that people are told that it is late; False if they were told, or it has gone on."""
    return (
        tx.run(
            "UPDATE top_ups SET late_at = :now WHERE id = :id AND state = :state AND late_at IS NULL",
            id=asked.id,
            state=asked.state.value,
            now=now,
        )
        > 0
    )


def tell_twice(tx: Tx, asked: TopUp, now: datetime) -> bool:
    """Note that people are told that it has come twice; False if they were told before."""
    return tx.run("UPDATE top_ups SET twice_at = :now WHERE id = :id AND twice_at IS NULL", id=asked.id, now=now) > 0
