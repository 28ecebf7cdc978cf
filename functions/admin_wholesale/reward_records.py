"""Chips and milestones of wholesale accounts, and the comps that people award them, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.money import Usdt


class AwardedWholesaleComp(Reply):
    """A comp that somebody has awarded; `payout_state` is how far its payment is."""

    id: UUID
    milestone_id: UUID | None
    amount: Money
    reason: str
    awarded_by: UUID
    awarded_at: datetime
    payout_state: str
    transaction_hash: str | None


class ReachedMilestone(Reply):
    """A number of chips that an account has reached; a comp for it is of `value` at most. `comp_id` is null until one
    is awarded.
    """

    id: UUID
    chips: int
    value: Money
    reached_at: datetime
    comp_id: UUID | None


@dataclass(frozen=True)
class Wallet:
    """The wallet of an account's member."""

    address: str | None
    rests_until: datetime | None


@dataclass(frozen=True)
class NewComp:
    """A comp to be awarded."""

    id: UUID
    account_id: UUID
    milestone_id: UUID | None
    amount: Usdt
    reason: str
    awarded_by: UUID


def chips(tx: Tx, account_id: UUID) -> int:
    """The chips that the account has now."""
    return tx.scalar(
        int,
        """
        SELECT CAST(coalesce(sum(chips), 0) AS integer) AS chips FROM wholesale_chips WHERE account_id = :account_id
        """,
        account_id=account_id,
    )


def milestones(tx: Tx, account_id: UUID) -> list[ReachedMilestone]:
    """The milestones that the account has reached, the lowest first."""
    return tx.all(
        ReachedMilestone,
        """
        SELECT m.id, m.chips, m.value, m.reached_at, comp.id AS comp_id
        FROM wholesale_milestones m LEFT JOIN wholesale_comps comp ON comp.milestone_id = m.id
        WHERE m.account_id = :account_id ORDER BY m.chips
        """,
        account_id=account_id,
    )


def comps(tx: Tx, account_id: UUID) -> list[AwardedWholesaleComp]:
    """The comps that the account was awarded, newest first."""
    return tx.all(
        AwardedWholesaleComp,
        """
        SELECT comp.id, comp.milestone_id, comp.amount, comp.reason, comp.awarded_by, comp.awarded_at,
               CAST(payouts.state AS text) AS payout_state, payouts.transaction_hash
        FROM wholesale_comps comp
        JOIN payouts ON source_kind = 'wholesale_comp' AND source_id = CAST(comp.id AS text)
        WHERE comp.account_id = :account_id ORDER BY comp.awarded_at DESC, comp.id DESC
        """,
        account_id=account_id,
    )


def wallet(tx: Tx, member_id: UUID) -> Wallet:
    """The member's linked wallet."""
    return tx.one(
        Wallet,
        "SELECT wallet_address AS address, wallet_rests_until AS rests_until FROM members WHERE id = :id",
        id=member_id,
    )


def insert_comp(tx: Tx, comp: NewComp, now: datetime) -> None:
    """Record a comp. Raises ConstraintViolated: wholesale_comps_milestone_id_key when somebody was first,
    wholesale_comp_account when the account may not be awarded any, wholesale_comp_value when it is too much.
    """
    tx.run(
        """
        INSERT INTO wholesale_comps (id, account_id, milestone_id, amount, reason, awarded_by, awarded_at)
        VALUES (:id, :account_id, :milestone_id, :amount, :reason, :awarded_by, :now)
        """,
        **vars(comp),
        now=now,
    )
