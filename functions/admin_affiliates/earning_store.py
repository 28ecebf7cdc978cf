"""Earnings and chips that admins give by hand, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.money import Usdt
from shared.values.states import EarningStatus, MemberStatus


class AffiliateEarning(Reply):
    """An earning of an affiliate; a reversal is below zero."""

    id: UUID
    affiliate_id: UUID
    kind: str
    amount: Money
    status: str
    reverses_id: UUID | None
    earned_at: datetime
    paid_at: datetime | None
    cancelled_at: datetime | None


@dataclass(frozen=True)
class Award:
    """An award by hand."""

    affiliate_id: UUID
    awarded_by: UUID
    amount: Usdt
    status: EarningStatus


def earning(tx: Tx, earning_id: UUID) -> AffiliateEarning | None:
    """The earning, if there is one."""
    return tx.first(
        AffiliateEarning,
        """
        SELECT id, affiliate_id, kind, amount, status, reverses_id, earned_at, paid_at, cancelled_at
        FROM affiliate_earnings WHERE id = :id
        """,
        id=earning_id,
    )


def insert_award(tx: Tx, identity: UUID, award: Award, *, reason: str, now: datetime) -> None:
    """Insert an award. The schema refuses one that needs a second person and is not in review."""
    tx.run(
        """
        INSERT INTO affiliate_earnings (id, affiliate_id, kind, amount, status, awarded_by, reason, earned_at)
        VALUES (:id, :affiliate_id, 'manual', :amount, :status, :awarded_by, :reason, :now)
        """,
        id=identity,
        **vars(award),
        reason=reason,
        now=now,
    )


def lock_award(tx: Tx, earning_id: UUID) -> Award | None:
    """The award, locked; None if there is none."""
    return tx.first(
        Award,
        """
        SELECT affiliate_id, awarded_by, amount, status FROM affiliate_earnings
        WHERE id = :id AND kind = 'manual' FOR NO KEY UPDATE
        """,
        id=earning_id,
    )


def agree(tx: Tx, earning_id: UUID, admin_id: UUID) -> None:
    """Note who has agreed to an award: it is owed from now on."""
    tx.run(
        "UPDATE affiliate_earnings SET status = 'pending', agreed_by = :admin_id WHERE id = :id",
        id=earning_id,
        admin_id=admin_id,
    )


def grant_chips(tx: Tx, identity: UUID, affiliate_id: UUID, chips: int, now: datetime) -> str:
    """Give chips that count in the present week; returns its Sunday. Raises ConstraintViolated (week_closing)."""
    return tx.scalar(
        str,
        """
        INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
        VALUES (:affiliate_id, chip_week(:now), 'grant', :chips, :source, :now)
        RETURNING CAST(week_on AS text)
        """,
        affiliate_id=affiliate_id,
        chips=chips,
        source=str(identity),
        now=now,
    )


def member_status(tx: Tx, member_id: UUID) -> MemberStatus | None:
    """The status of a member's account; None if there is no such member."""
    return tx.scalar_or_none(MemberStatus, "SELECT status FROM members WHERE id = :id", id=member_id)
