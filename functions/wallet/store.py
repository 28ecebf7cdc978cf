"""Challenges and the wallets they have proved; what the wallets hold and have seen."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.money import Usdt
from shared.paging import Position
from shared.withdrawals import Withdrawal


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


@dataclass(frozen=True)
class Account:
    """A member's wallet, and the token on the chain that comps are paid in."""

    wallet_address: str | None
    chain_id: int
    token_address: str


@dataclass(frozen=True)
class KnownBalance:
    """What a wallet held when the chain was last asked."""

    balance: Usdt
    block_number: int
    as_of: datetime


@dataclass(frozen=True)
class Movement:
    """A line of the wallet's history."""

    id: UUID
    type: str
    amount: Usdt
    status: str
    from_address: str | None
    to_address: str | None
    transaction_hash: str | None
    block_number: int | None
    created_at: datetime
    confirmed_at: datetime | None
    comp_id: UUID | None
    withdrawal_id: UUID | None


@dataclass(frozen=True)
class _Id:
    id: UUID


@dataclass(frozen=True)
class _Pending:
    pending: Usdt


def account(tx: Tx, member_id: UUID) -> Account | None:
    """Not locked: a withdrawal from a wallet that is being changed at this moment is refused when it comes signed."""
    return tx.first(
        Account,
        """
        SELECT m.wallet_address, t.chain_id, t.token_address FROM members m, treasuries t
        WHERE m.id = :member_id AND t.name = 'member'
        """,
        member_id=member_id,
    )


def pending_comps(tx: Tx, member_id: UUID) -> Usdt:
    """USDT that is won and neither paid nor waiting for a review."""
    return tx.one(
        _Pending,
        """
        SELECT coalesce(sum(amount), 0) AS pending FROM comps WHERE member_id = :member_id AND status = 'pending'
        """,
        member_id=member_id,
    ).pending


def is_treasury(tx: Tx, address: str) -> bool:
    """True for every key that a treasury has or had."""
    return tx.one(
        _Found, "SELECT EXISTS (SELECT FROM signers WHERE lower(address) = lower(:address)) AS found", address=address
    ).found


def known_balance(tx: Tx, member_id: UUID, address: str) -> KnownBalance | None:
    """Of this very wallet."""
    return tx.first(
        KnownBalance,
        """
        SELECT balance, block_number, as_of FROM wallet_balances
        WHERE member_id = :member_id AND lower(address) = lower(:address)
        """,
        member_id=member_id,
        address=address,
    )


def remember_balance(tx: Tx, member_id: UUID, address: str, known: KnownBalance, stale: datetime) -> None:
    """When it is new, or what we have is older than `stale`: looking often writes seldom."""
    tx.run(
        """
        INSERT INTO wallet_balances AS known (member_id, address, balance, block_number, as_of)
        VALUES (:member_id, :address, :balance, :block_number, :as_of)
        ON CONFLICT (member_id) DO UPDATE
        SET address = excluded.address, balance = excluded.balance, block_number = excluded.block_number,
            as_of = excluded.as_of
        WHERE (known.address, known.balance) <> (excluded.address, excluded.balance) OR known.as_of <= :stale
        """,
        member_id=member_id,
        address=address,
        **vars(known),
        stale=stale,
    )


def open_withdrawal(tx: Tx, address: str) -> UUID | None:
    """The one that is under way from a wallet."""
    found = tx.first(
        _Id,
        """
        SELECT id FROM withdrawals
        WHERE lower(from_address) = lower(:address) AND state IN ('prepared', 'signed', 'mined')
        """,
        address=address,
    )
    return found.id if found else None


def withdrawals(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[Withdrawal]:
    """Newest first, at most `limit`."""
    return tx.all(
        Withdrawal,
        """
        SELECT id, member_id, from_address, to_address, amount, chain_id, token_address, nonce, gas_limit,
               fee_per_gas_wei_max, priority_fee_per_gas_wei_max, prepared_at, expires_at, state, state_at, raw,
               transaction_hash, signed_at, block_number, block_hash, succeeded
        FROM withdrawals
        WHERE member_id = :member_id
          AND (CAST(:at AS timestamptz) IS NULL OR (prepared_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY prepared_at DESC, id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def history(tx: Tx, member_id: UUID, kinds: list[str], after: Position | None, limit: int) -> list[Movement]:
    """Newest first, at most `limit`."""
    return tx.all(
        Movement,
        """
        SELECT id, type, amount, status, from_address, to_address, transaction_hash, block_number, created_at,
               confirmed_at, comp_id, withdrawal_id
        FROM wallet_transactions
        WHERE member_id = :member_id AND type = ANY(CAST(:kinds AS text[]))
          AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid)))
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """,
        member_id=member_id,
        kinds=kinds,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )
