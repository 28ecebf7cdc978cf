"""The rules of comps with their history, and comps as admins see them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from functions.admin_comps.rules import Milestone, Terms, Winner
from shared.db import Tx
from shared.money import Usdt
from shared.paging import Position
from shared.prizes import CompType
from shared.tiers import Tier


@dataclass(frozen=True)
class Rule:
    """A prize's rule in its latest revision."""

    type: CompType
    interval: int | None
    tier: Tier
    amount: Usdt
    unlock_volume: int
    awards_per_member: int | None
    enabled: bool
    unlocked_by_admin: bool
    revision: int
    updated_at: datetime

    @property
    def terms(self) -> Terms:
        """What it says."""
        return Terms(**{name: getattr(self, name) for name in Terms.__dataclass_fields__})


@dataclass(frozen=True)
class Change:
    """Who changed a rule, when, from what to what, and why."""

    id: UUID
    type: CompType
    revision: int
    admin_id: UUID
    admin_username: str
    before_terms: dict[str, Any]
    after_terms: dict[str, Any]
    reason: str
    changed_at: datetime


@dataclass(frozen=True)
class Filter:
    """Which comps; None leaves a question open."""

    status: str | None
    type: CompType | None
    member_id: UUID | None
    awarded_from: datetime | None
    awarded_to: datetime | None


@dataclass(frozen=True)
class Comp:
    """A comp and its winner."""

    id: UUID
    type: CompType
    amount: Usdt
    status: str
    source_kind: str
    source_id: str
    scan_id: UUID | None
    scan_number: int | None
    awarded_at: datetime
    paid_at: datetime | None
    cancelled_at: datetime | None
    transaction_hash: str | None
    winner_id: UUID
    winner_number: int
    winner_username: str
    permanent_tier: Tier
    quarter_tier: Tier


@dataclass(frozen=True)
class Background:
    """What only the detail shows."""

    reason: dict[str, Any]
    cancel_reason: str | None
    wallet_address: str | None


@dataclass(frozen=True)
class Payout:
    """How far the payment is."""

    id: UUID
    state: str
    hold_reason: str | None
    recipient_address: str
    requested_at: datetime
    state_at: datetime


@dataclass(frozen=True)
class Match:
    """What the comp brings the affiliate."""

    id: UUID
    affiliate_id: UUID
    affiliate_username: str
    value: Usdt
    amount: Usdt
    status: str


def rules(tx: Tx) -> list[Rule]:
    """All of them."""
    return tx.all(
        Rule,
        """
        SELECT type, interval, tier, amount, unlock_volume, awards_per_member, enabled, unlocked_by_admin, revision,
               updated_at
        FROM comp_rules ORDER BY type
        """,
    )


def lock_rules(tx: Tx) -> dict[CompType, Rule]:
    """All of them, locked: a change is judged beside the others as they are. Scans read them without waiting."""
    rows = tx.all(
        Rule,
        """
        SELECT type, interval, tier, amount, unlock_volume, awards_per_member, enabled, unlocked_by_admin, revision,
               updated_at
        FROM comp_rules ORDER BY type FOR NO KEY UPDATE
        """,
    )
    return {row.type: row for row in rows}


def change_rule(tx: Tx, kind: CompType, terms: Terms, now: datetime) -> Rule:
    """The next revision."""
    return tx.one(
        Rule,
        """
        UPDATE comp_rules
        SET interval = :interval, tier = :tier, amount = :amount, unlock_volume = :unlock_volume,
            awards_per_member = :awards_per_member, enabled = :enabled, unlocked_by_admin = :unlocked_by_admin,
            revision = revision + 1, updated_at = :now
        WHERE type = :type
        RETURNING type, interval, tier, amount, unlock_volume, awards_per_member, enabled, unlocked_by_admin,
                  revision, updated_at
        """,
        **vars(terms),
        type=kind,
        now=now,
    )


def insert_change(tx: Tx, before: Rule, after: Rule, admin_id: UUID, reason: str, now: datetime) -> None:
    """A line of the rule's history."""
    tx.run_later(
        """
        INSERT INTO comp_rule_changes (id, type, revision, changed_by, before_terms, after_terms, reason, changed_at)
        VALUES (:id, :type, :revision, :admin_id, :before, :after, :reason, :now)
        """,
        id=uuid4(),
        type=after.type,
        revision=after.revision,
        admin_id=admin_id,
        before=before.terms.recorded(),
        after=after.terms.recorded(),
        reason=reason,
        now=now,
    )


def changes(tx: Tx, kind: CompType, after: Position | None, limit: int) -> list[Change]:
    """Newest first."""
    return tx.all(
        Change,
        """
        SELECT c.id, c.type, c.revision, c.changed_by AS admin_id, m.username AS admin_username, c.before_terms,
               c.after_terms, c.reason, c.changed_at
        FROM comp_rule_changes c JOIN members m ON m.id = c.changed_by
        WHERE c.type = :type
          AND (CAST(:at AS timestamptz) IS NULL OR (c.changed_at, c.id) < (:at, CAST(:id AS uuid)))
        ORDER BY c.changed_at DESC, c.id DESC LIMIT :limit
        """,
        type=kind,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def comps(tx: Tx, wanted: Filter, quarter: str, after: Position | None, limit: int) -> list[Comp]:
    """Newest first. Planned anew for each set of filters, so that the index of the one that is given is used."""
    tx.run_later("SET LOCAL plan_cache_mode = force_custom_plan")
    return tx.all(
        Comp,
        """
        SELECT c.id, c.type, c.amount, c.status, c.source_kind, c.source_id, c.scan_id, c.scan_number, c.awarded_at,
               c.paid_at, c.cancelled_at, c.transaction_hash, m.id AS winner_id, m.number AS winner_number,
               m.username AS winner_username, m.permanent_tier, coalesce(q.tier, 'standard') AS quarter_tier
        FROM comps c
        JOIN members m ON m.id = c.member_id
        LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        WHERE (CAST(:status AS text) IS NULL OR c.status = :status)
          AND (CAST(:type AS comp_type) IS NULL OR c.type = CAST(:type AS comp_type))
          AND (CAST(:member_id AS uuid) IS NULL OR c.member_id = :member_id)
          AND (CAST(:from AS timestamptz) IS NULL OR c.awarded_at >= :from)
          AND (CAST(:to AS timestamptz) IS NULL OR c.awarded_at < :to)
          AND (CAST(:at AS timestamptz) IS NULL OR (c.awarded_at, c.id) < (:at, CAST(:id AS uuid)))
        ORDER BY c.awarded_at DESC, c.id DESC LIMIT :limit
        """,
        status=wanted.status,
        type=wanted.type,
        member_id=wanted.member_id,
        **{"from": wanted.awarded_from, "to": wanted.awarded_to},
        quarter=quarter,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def comp(tx: Tx, comp_id: UUID, quarter: str) -> Comp | None:
    """One comp."""
    return tx.first(
        Comp,
        """
        SELECT c.id, c.type, c.amount, c.status, c.source_kind, c.source_id, c.scan_id, c.scan_number, c.awarded_at,
               c.paid_at, c.cancelled_at, c.transaction_hash, m.id AS winner_id, m.number AS winner_number,
               m.username AS winner_username, m.permanent_tier, coalesce(q.tier, 'standard') AS quarter_tier
        FROM comps c
        JOIN members m ON m.id = c.member_id
        LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        WHERE c.id = :id
        """,
        id=comp_id,
        quarter=quarter,
    )


def background(tx: Tx, comp_id: UUID) -> Background:
    """The inputs of its rule, why it was cancelled, and where it would be paid."""
    return tx.one(
        Background,
        """
        SELECT c.reason, c.cancel_reason, m.wallet_address
        FROM comps c JOIN members m ON m.id = c.member_id WHERE c.id = :id
        """,
        id=comp_id,
    )


def payout(tx: Tx, comp_id: UUID) -> Payout | None:
    """The promise to pay it, if there is one."""
    return tx.first(
        Payout,
        """
        SELECT id, state, hold_reason, recipient_address, requested_at, state_at
        FROM payouts WHERE source_kind = 'comp' AND source_id = :source_id
        """,
        source_id=str(comp_id),
    )


def match(tx: Tx, comp_id: UUID) -> Match | None:
    """Its match, if somebody earned one."""
    return tx.first(
        Match,
        """
        SELECT e.id, e.affiliate_id, m.username AS affiliate_username, e.value, e.amount, e.status
        FROM affiliate_earnings e JOIN members m ON m.id = e.affiliate_id WHERE e.comp_id = :comp_id
        """,
        comp_id=comp_id,
    )


def milestones(tx: Tx, scan_number: int | None) -> list[Milestone]:
    """Every prize of that number."""
    return tx.all(
        Milestone,
        "SELECT type, awarded, reason FROM milestones WHERE scan_number = :scan_number ORDER BY type",
        scan_number=scan_number,
    )


def winner(tx: Tx, member_id: UUID) -> Winner | None:
    """The member, who is not suspended before this transaction ends."""
    return tx.first(Winner, "SELECT id, status, referred_by_id FROM members WHERE id = :id FOR SHARE", id=member_id)
