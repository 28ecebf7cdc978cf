"""Challenges and the wallets they have proved."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class OpenChallenge:
    """A challenge that may still be answered."""

    id: UUID
    address: str
    message: str


@dataclass(frozen=True)
class _Found:
    found: bool


def insert_challenge(
    tx: Tx, *, challenge_id: UUID, member_id: UUID, address: str, message: str, now: datetime, until: datetime
) -> None:
    """A message to be signed."""
    tx.run_later(
        """
        INSERT INTO wallet_challenges (id, member_id, address, message, created_at, expires_at)
        VALUES (:id, :member_id, :address, :message, :now, :until)
        """,
        id=challenge_id,
        member_id=member_id,
        address=address,
        message=message,
        now=now,
        until=until,
    )


def open_challenge(tx: Tx, challenge_id: UUID, member_id: UUID, now: datetime) -> OpenChallenge | None:
    """The member's own live challenge, locked."""
    return tx.first(
        OpenChallenge,
        """
        SELECT id, address, message FROM wallet_challenges
        WHERE id = :id AND member_id = :member_id AND used_at IS NULL AND expires_at > :now
        FOR UPDATE
        """,
        id=challenge_id,
        member_id=member_id,
        now=now,
    )


def use_challenge(tx: Tx, challenge_id: UUID, now: datetime) -> None:
    """It has been answered."""
    tx.run_later("UPDATE wallet_challenges SET used_at = :now WHERE id = :id", id=challenge_id, now=now)


def is_platform_address(tx: Tx, address: str) -> bool:
    """True for the token contract and for every treasury key."""
    return tx.one(
        _Found,
        """
        SELECT EXISTS (SELECT FROM signers WHERE lower(address) = lower(:address))
            OR EXISTS (SELECT FROM treasuries WHERE lower(token_address) = lower(:address)) AS found
        """,
        address=address,
    ).found


def chain_id(tx: Tx) -> int:
    """The chain that comps are paid on."""
    return tx.one(_Chain, "SELECT chain_id FROM treasuries WHERE name = 'member'").chain_id


@dataclass(frozen=True)
class _Chain:
    chain_id: int


def set_wallet(tx: Tx, member_id: UUID, address: str, now: datetime) -> bool:
    """Make it the member's wallet; False when it is another member's."""
    taken = tx.one(
        _Found,
        """
        SELECT EXISTS (
            SELECT FROM members WHERE lower(wallet_address) = lower(:address) AND id <> :member_id
        ) AS found
        """,
        address=address,
        member_id=member_id,
    ).found
    if taken:
        return False
    tx.run(
        "UPDATE members SET wallet_address = :address, updated_at = :now WHERE id = :member_id",
        address=address,
        member_id=member_id,
        now=now,
    )
    tx.run(
        """
        INSERT INTO wallet_links (member_id, address, method, linked_at)
        VALUES (:member_id, :address, 'eip191', :now)
        """,
        member_id=member_id,
        address=address,
        now=now,
    )
    return True
