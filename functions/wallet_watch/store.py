"""How far the token's transfers are read, and those that members see, as rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from functions.wallet_watch.shown import Kind, Shown
from shared.db import Tx
from shared.ports.polygon.nodes import Block
from shared.values.money import Usdt


@dataclass(frozen=True)
class Cursor:
    """The newest block that was read, and its hash."""

    scanned_to: int
    block_hash: str


@dataclass(frozen=True)
class Kept:
    """A movement that is new in a member's history."""

    id: UUID
    member_id: UUID
    type: Kind
    amount: Usdt
    transaction_hash: str


def begin(tx: Tx, token: str, block: Block, now: datetime) -> Cursor:
    """The position of the token. What happened before the first call is not read: begin at `block`."""
    tx.run(
        """
        INSERT INTO wallet_scans (token_address, scanned_to, block_hash, scanned_at)
        VALUES (:token, :number, :hash, :now) ON CONFLICT DO NOTHING
        """,
        token=token.lower(),
        number=block.number,
        hash=block.hash,
        now=now,
    )
    return tx.one(
        Cursor, "SELECT scanned_to, block_hash FROM wallet_scans WHERE token_address = :token", token=token.lower()
    )


def advance(tx: Tx, token: str, before: int, block: Block, now: datetime) -> bool:
    """Move the position forward; False if another run has read these blocks meanwhile."""
    return bool(
        tx.run(
            """
            UPDATE wallet_scans SET scanned_to = :number, block_hash = :hash, scanned_at = :now
            WHERE token_address = :token AND scanned_to = :before
            """,
            token=token.lower(),
            before=before,
            number=block.number,
            hash=block.hash,
            now=now,
        )
    )


def wallets(tx: Tx, addresses: Collection[str]) -> set[str]:
    """Find those of the addresses that are linked wallets, in lower case."""
    return set(
        tx.column(
            str,
            """
            SELECT lower(wallet_address::text) AS address FROM members
            WHERE wallet_address IS NOT NULL AND lower(wallet_address::text) = ANY(CAST(:addresses AS text[]))
            """,
            addresses=sorted(addresses),
        )
    )


def treasury_addresses(tx: Tx) -> frozenset[str]:
    """Every key that a treasury has or had, in lower case."""
    return frozenset(tx.column(str, "SELECT lower(address) AS address FROM signers"))


def keep(tx: Tx, shown: Sequence[Shown], made_at: Mapping[int, datetime], now: datetime) -> list[Kept]:
    """Add transfers to the histories of those who had linked the wallet by then; returns what was not there yet.

    What was sent as a withdrawal is in the history as that one. While a withdrawal is open, its wallet may have sent it
    under another hash.
    """
    return tx.all(
        Kept,
        """
        INSERT INTO wallet_transactions (id, member_id, type, amount, transaction_hash, log_index, from_address,
                                         to_address, status, created_at, confirmed_at, block_number)
        SELECT given.id, members.id, kind, given.amount, hash, index, sender, recipient, 'confirmed', made_at, :now,
               block
        FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:wallets AS text[]), CAST(:hashes AS text[]),
                    CAST(:indexes AS int[]), CAST(:senders AS text[]), CAST(:recipients AS text[]),
                    CAST(:amounts AS bigint[]), CAST(:blocks AS bigint[]), CAST(:times AS timestamptz[]))
             AS given (id, kind, wallet, hash, index, sender, recipient, amount, block, made_at)
        JOIN members ON lower(members.wallet_address::text) = given.wallet
        JOIN member_wallets linked
            ON linked.member_id = members.id AND linked.address = given.wallet AND linked.since <= given.made_at
        WHERE NOT (kind = 'oobit_spend' AND EXISTS (
            SELECT FROM withdrawals sent WHERE sent.member_id = members.id
            AND (sent.transaction_hash = given.hash OR sent.outcome_hash = given.hash
                 OR withdrawal_is_open(sent.state) AND sent.amount = given.amount
                    AND lower(sent.to_address::text) = given.recipient)))
        ON CONFLICT (transaction_hash, log_index, type) WHERE log_index IS NOT NULL DO NOTHING
        RETURNING id, member_id, type, amount, transaction_hash
        """,
        now=now,
        ids=[uuid4() for _ in shown],
        kinds=[it.kind for it in shown],
        wallets=[it.wallet for it in shown],
        hashes=[it.moved.transaction_hash for it in shown],
        indexes=[it.moved.log_index for it in shown],
        senders=[it.moved.sender for it in shown],
        recipients=[it.moved.recipient for it in shown],
        amounts=[it.moved.amount_micro for it in shown],
        blocks=[it.moved.block_number for it in shown],
        times=[made_at[it.moved.block_number] for it in shown],
    )
