"""Stores the progress and results of nonce searches: tables nonce_searches and nonce_uses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

from shared.db import Tx
from shared.ports.polygon.chain import NonceUse


class Reading(Enum):
    """The two ways to read a block: the logs of its transfers, or all of its transactions."""

    LOGS = "logs"
    BLOCKS = "blocks"


LOGS, BLOCKS = Reading.LOGS, Reading.BLOCKS


@dataclass(frozen=True)
class Search:
    """The progress of a search: blocks from `…_read_to` up are read; one question asks for `…_at_once` blocks."""

    signer: str
    nonce: int
    top: int
    logs_read_to: int
    logs_at_once: int
    blocks_read_to: int
    blocks_at_once: int

    def read_to(self, reading: Reading) -> int:
        return self.logs_read_to if reading is LOGS else self.blocks_read_to

    def at_once(self, reading: Reading) -> int:
        return self.logs_at_once if reading is LOGS else self.blocks_at_once

    def with_read_to(self, reading: Reading, block: int) -> "Search":
        return replace(self, logs_read_to=block) if reading is LOGS else replace(self, blocks_read_to=block)

    def with_at_once(self, reading: Reading, blocks: int) -> "Search":
        return replace(self, logs_at_once=blocks) if reading is LOGS else replace(self, blocks_at_once=blocks)


@dataclass(frozen=True)
class Neighbours:
    """The finalized blocks of the nearest known nonces below and above one; None where none is known."""

    before: int | None
    after: int | None


def block_of(tx: Tx, signer: str, nonce: int) -> int | None:
    """The block that has the nonce's transaction, if an earlier search has found it; else None."""
    return tx.scalar_or_none(
        int,
        "SELECT block_number FROM nonce_uses WHERE signer = :signer AND nonce = :nonce",
        signer=signer,
        nonce=nonce,
    )


def neighbours(tx: Tx, signer: str, nonce: int) -> Neighbours:
    """The blocks of the nearest known nonces below and above, from searches and from our own final slots."""
    return tx.one(
        Neighbours,
        """
        SELECT greatest(
                 (SELECT block_number FROM nonce_uses WHERE signer = :signer AND nonce < :nonce
                  ORDER BY nonce DESC LIMIT 1),
                 (SELECT block_number FROM payout_slots WHERE signer = :signer AND nonce < :nonce
                    AND slot_is_final(state) AND block_number IS NOT NULL
                  ORDER BY nonce DESC LIMIT 1)) AS before,
               least(
                 (SELECT block_number FROM nonce_uses WHERE signer = :signer AND nonce > :nonce
                  ORDER BY nonce LIMIT 1),
                 (SELECT block_number FROM payout_slots WHERE signer = :signer AND nonce > :nonce
                    AND slot_is_final(state) AND block_number IS NOT NULL
                  ORDER BY nonce LIMIT 1)) AS after
        """,
        signer=signer,
        nonce=nonce,
    )


def search(tx: Tx, signer: str, nonce: int) -> Search | None:
    """A search that has begun; None if there is none."""
    return tx.first(
        Search,
        """
        SELECT signer, nonce, top, logs_read_to, logs_at_once, blocks_read_to, blocks_at_once
        FROM nonce_searches WHERE signer = :signer AND nonce = :nonce
        """,
        signer=signer,
        nonce=nonce,
    )


def begin(tx: Tx, made: Search, now: datetime) -> None:
    """Store a new search; does nothing if another worker has stored it first."""
    tx.run(
        """
        INSERT INTO nonce_searches (signer, nonce, top, logs_read_to, logs_at_once, blocks_read_to, blocks_at_once,
                                    begun_at)
        VALUES (:signer, :nonce, :top, :logs_read_to, :logs_at_once, :blocks_read_to, :blocks_at_once, :now)
        ON CONFLICT DO NOTHING
        """,
        **vars(made),
        now=now,
    )


def save(tx: Tx, search: Search) -> None:
    """Store the progress of a search; never moves it back behind another worker's progress."""
    tx.run(
        """
        UPDATE nonce_searches
        SET logs_read_to = least(logs_read_to, :logs_read_to), logs_at_once = :logs_at_once,
            blocks_read_to = least(blocks_read_to, :blocks_read_to), blocks_at_once = :blocks_at_once
        WHERE signer = :signer AND nonce = :nonce AND top = :top
        """,
        **vars(search),
    )


def insert_uses(tx: Tx, signer: str, uses: Sequence[NonceUse], now: datetime) -> None:
    """Store the nonce uses that were met, and end the searches for those nonces."""
    if not uses:
        return
    tx.run(
        """
        INSERT INTO nonce_uses (signer, nonce, transaction_hash, block_number, seen_at)
        SELECT :signer, nonce, hash, block, :now
        FROM unnest(CAST(:nonces AS bigint[]), CAST(:hashes AS text[]), CAST(:blocks AS bigint[]))
             AS met (nonce, hash, block)
        ON CONFLICT DO NOTHING
        """,
        signer=signer,
        nonces=[it.nonce for it in uses],
        hashes=[it.hash for it in uses],
        blocks=[it.block_number for it in uses],
        now=now,
    )
    tx.run(
        "DELETE FROM nonce_searches WHERE signer = :signer AND nonce = ANY(CAST(:nonces AS bigint[]))",
        signer=signer,
        nonces=[it.nonce for it in uses],
    )


def forget(tx: Tx, signer: str, nonce: int) -> None:
    """Delete what is known of a nonce because the nodes contradict it; the nonce is searched anew."""
    tx.run("DELETE FROM nonce_uses WHERE signer = :signer AND nonce = :nonce", signer=signer, nonce=nonce)


def forget_all(tx: Tx, signer: str) -> None:
    """Delete everything known of a key's nonces because some of it was wrong; all are searched anew."""
    tx.run("DELETE FROM nonce_uses WHERE signer = :signer", signer=signer)
    tx.run("DELETE FROM nonce_searches WHERE signer = :signer", signer=signer)
