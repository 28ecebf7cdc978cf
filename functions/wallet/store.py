"""Challenges, linked wallets, their balances, withdrawals and history, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt
from shared.web.paging import Position
from shared.withdrawals import Withdrawal

SESSIONS_LOOKED_AT = 20


@dataclass(frozen=True)
class OpenChallenge:
    """A challenge that may still be answered."""

    id: UUID
    address: str
    message: str


def insert_challenge(
    tx: Tx, *, challenge_id: UUID, member_id: UUID, address: str, message: str, now: datetime, until: datetime
) -> None:
    """Insert a challenge with the message to sign."""
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
    """The member's own open challenge, locked."""
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
    """Mark the challenge as used."""
    tx.run_later("UPDATE wallet_challenges SET used_at = :now WHERE id = :id", id=challenge_id, now=now)


def use_id_token(tx: Tx, mark: bytes, member_id: UUID, address: str, now: datetime) -> bool:
    """Mark the provider's token as used; False if it was used before. Of two that come at once, one waits here."""
    return bool(
        tx.run(
            """
            INSERT INTO wallet_id_tokens (mark, member_id, address, used_at)
            VALUES (:mark, :member_id, :address, :now) ON CONFLICT (mark) DO NOTHING
            """,
            mark=mark,
            member_id=member_id,
            address=address,
            now=now,
        )
    )


def is_platform_address(tx: Tx, address: str) -> bool:
    """Whether the address is a token's contract or a treasury's key."""
    return tx.scalar(
        bool,
        """
        SELECT EXISTS (SELECT FROM signers WHERE lower(address) = lower(:address))
            OR EXISTS (SELECT FROM treasuries WHERE lower(token_address) = lower(:address)) AS found
        """,
        address=address,
    )


def chain_id(tx: Tx) -> int:
    """The id of the chain on which comps are paid."""
    return tx.scalar(int, "SELECT chain_id FROM treasuries WHERE name = 'member'")


@dataclass(frozen=True)
class Owner:
    """The member's linked wallet, e-mail address and name."""

    wallet_address: str | None
    email: str
    full_name: str


@dataclass(frozen=True)
class Linked:
    """Until when comps wait before they go to the wallet; None if it has replaced no other one."""

    rests_until: datetime | None

    def resting_at(self, now: datetime) -> datetime | None:
        """The end of the rest, if it is still to come."""
        return self.rests_until if self.rests_until and self.rests_until > now else None


def owner(tx: Tx, member_id: UUID) -> Owner:
    """The member's wallet, address and name, not locked."""
    return tx.one(Owner, "SELECT wallet_address, email, full_name FROM members WHERE id = :id", id=member_id)


def device_ids(tx: Tx, member_id: UUID) -> list[str]:
    """The device ids of the newest sessions, as the apps sent them."""
    return tx.column(
        str,
        """
        SELECT DISTINCT device_id FROM (
            SELECT device_id FROM sessions WHERE member_id = :member_id AND device_id IS NOT NULL
            ORDER BY created_at DESC LIMIT :limit
        ) AS newest
        """,
        member_id=member_id,
        limit=SESSIONS_LOOKED_AT,
    )


def set_wallet(tx: Tx, member_id: UUID, address: str, method: str, now: datetime) -> Linked | None:
    """Make it the member's wallet; None if it is another member's. The schema says how long it rests.

    `method` is how it was proved: `eip191` by a signed challenge, `id_token` by a token of the wallet provider.
    """
    taken = tx.scalar(
        bool,
        """
        SELECT EXISTS (
            SELECT FROM members WHERE lower(wallet_address) = lower(:address) AND id <> :member_id
        ) AS found
        """,
        address=address,
        member_id=member_id,
    )
    if taken:
        return None
    linked = tx.one(
        Linked,
        """
        UPDATE members SET wallet_address = :address, updated_at = :now WHERE id = :member_id
        RETURNING wallet_rests_until AS rests_until
        """,
        address=address,
        member_id=member_id,
        now=now,
    )
    tx.run(
        """
        INSERT INTO wallet_links (member_id, address, method, linked_at)
        VALUES (:member_id, :address, :method, :now)
        """,
        member_id=member_id,
        address=address,
        method=method,
        now=now,
    )
    return linked


@dataclass(frozen=True)
class Account:
    """A member's wallet, and the token and the chain in which comps are paid."""

    wallet_address: str | None
    rests_until: datetime | None
    chain_id: int
    token_address: str


@dataclass(frozen=True)
class KnownBalance:
    """The balance of a wallet when the chain was read last."""

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


def account(tx: Tx, member_id: UUID) -> Account | None:
    """The member's wallet, not locked: if it is being replaced at this moment, the withdrawal is refused once it is
    signed.
    """
    return tx.first(
        Account,
        """
        SELECT m.wallet_address, m.wallet_rests_until AS rests_until, t.chain_id, t.token_address
        FROM members m, treasuries t
        WHERE m.id = :member_id AND t.name = 'member'
        """,
        member_id=member_id,
    )


def pending_comps(tx: Tx, member_id: UUID) -> Usdt:
    """The sum of the member's comps that are won and neither paid nor in review."""
    return tx.scalar(
        Usdt,
        """
        SELECT coalesce(sum(amount), 0) AS pending FROM comps WHERE member_id = :member_id AND status = 'pending'
        """,
        member_id=member_id,
    )


@dataclass(frozen=True)
class Awaited:
    """The USDT that an order awaits: to where, and how much of it has not come yet."""

    payment_id: UUID
    address: str
    missing: Usdt


def awaited(tx: Tx, member_id: UUID, order_id: UUID) -> Awaited | None:
    """The USDT that an order of the member's awaits; None if it awaits none, or is none of theirs."""
    return tx.first(
        Awaited,
        """
        SELECT asked.payment_id, asked.address, CAST(asked.amount - asked.received AS bigint) AS missing
        FROM orders JOIN payments ON payments.order_id = orders.id
        JOIN usdt_requests asked ON asked.payment_id = payments.id
        WHERE orders.id = :order_id AND orders.member_id = :member_id AND asked.closed_at IS NULL
          AND asked.received < asked.amount
        """,
        order_id=order_id,
        member_id=member_id,
    )


def is_treasury(tx: Tx, address: str) -> bool:
    """Whether the address is a key that a treasury has or had."""
    return tx.scalar(
        bool, "SELECT EXISTS (SELECT FROM signers WHERE lower(address) = lower(:address)) AS found", address=address
    )


def known_balance(tx: Tx, member_id: UUID, address: str) -> KnownBalance | None:
    """The last known balance of this wallet."""
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
    """Store the balance if it has changed, or if the stored one is older than `stale`, so that frequent reads cause few
    writes.
    """
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
    """The id of the wallet's open withdrawal, if there is one."""
    return tx.scalar_or_none(
        UUID,
        """
        SELECT id FROM withdrawals
        WHERE lower(from_address) = lower(:address) AND withdrawal_is_open(state)
        """,
        address=address,
    )


def withdrawals(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[Withdrawal]:
    """The member's withdrawals after a position, newest first."""
    return tx.all(
        Withdrawal,
        """
        SELECT id, member_id, from_address, to_address, amount, chain_id, token_address, nonce, gas_limit,
               fee_per_gas_wei_max, priority_fee_per_gas_wei_max, prepared_at, expires_at, state, state_at, raw,
               transaction_hash, signed_at, block_number, block_hash, succeeded, prepared_block, outcome_hash
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
    """The movements of the wallet after a position, newest first."""
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
