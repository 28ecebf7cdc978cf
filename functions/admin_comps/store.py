"""The rules of comps with their history, and comps as admins see them, as rows."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from functions.admin_comps.rules import AwardsToday, Milestone, Terms, Winner
from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.money import Usdt
from shared.values.prizes import CompType
from shared.values.tiers import Tier
from shared.web.paging import Position


class CompRule(Reply):
    """A prize's rule. The guarantee has a number of comps per member instead of an interval.

    `holds_from` is the scan number from which the latest revision holds, if that number is still to come.
    """

    type: CompType
    interval: int | None
    tier: Tier
    amount: Money
    unlock_volume: int
    awards_per_member: int | None
    enabled: bool
    unlocked_by_admin: bool
    revision: int
    updated_at: datetime
    holds_from: int | None

    @property
    def terms(self) -> Terms:
        """The terms of this revision."""
        return Terms(**{name: getattr(self, name) for name in Terms.__dataclass_fields__})


@dataclass(frozen=True)
class Change:
    """A change of a rule: by whom, when, from what to what, and why."""

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
    """Conditions for comps; None means no condition."""

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
    """The fields of a comp that only its detail shows."""

    reason: dict[str, Any]
    cancel_reason: str | None
    wallet_address: str | None


class CompPayout(Reply):
    """The state of the comp's payout; `hold_reason` says what it waits for."""

    id: UUID
    state: str
    hold_reason: str | None
    recipient_address: str
    requested_at: datetime
    state_at: datetime


class CompMatch(Reply):
    """The affiliate's match of the comp: `amount` is 21 % of `value`, or the amount that was promised."""

    id: UUID
    affiliate_id: UUID
    affiliate_username: str
    value: Money
    amount: Money
    status: str


def rules(tx: Tx) -> list[CompRule]:
    """All rules, each with the scan number from which it holds."""
    return tx.all(
        CompRule,
        """
        SELECT type, interval, tier, amount, unlock_volume, awards_per_member, enabled, unlocked_by_admin, revision,
               updated_at, prize_holds_from(type) AS holds_from
        FROM comp_rules ORDER BY type
        """,
    )


def ruling(tx: Tx, kind: CompType) -> CompRule:
    """The rule that was changed in this transaction, with the number from which it holds. Call it last: from here until
    the commit every scan waits.
    """
    tx.run_later("SET CONSTRAINTS award_terms_changed IMMEDIATE")
    return next(rule for rule in rules(tx) if rule.type is kind)


def lock_rules(tx: Tx) -> dict[CompType, CompRule]:
    """All rules, locked, so that a change is checked against the others as they are. Scans read them without
    waiting.
    """
    rows = tx.all(
        CompRule,
        """
        SELECT type, interval, tier, amount, unlock_volume, awards_per_member, enabled, unlocked_by_admin, revision,
               updated_at, CAST(NULL AS bigint) AS holds_from
        FROM comp_rules ORDER BY type FOR NO KEY UPDATE
        """,
    )
    return {row.type: row for row in rows}


def change_rule(tx: Tx, kind: CompType, terms: Terms, now: datetime) -> CompRule:
    """Store the terms as the rule's next revision, and return it."""
    return tx.one(
        CompRule,
        """
        UPDATE comp_rules
        SET interval = :interval, tier = :tier, amount = :amount, unlock_volume = :unlock_volume,
            awards_per_member = :awards_per_member, enabled = :enabled, unlocked_by_admin = :unlocked_by_admin,
            revision = revision + 1, updated_at = :now
        WHERE type = :type
        RETURNING type, interval, tier, amount, unlock_volume, awards_per_member, enabled, unlocked_by_admin,
                  revision, updated_at, CAST(NULL AS bigint) AS holds_from
        """,
        **vars(terms),
        type=kind,
        now=now,
    )


def insert_change(tx: Tx, before: CompRule, after: CompRule, admin_id: UUID, reason: str, now: datetime) -> None:
    """Insert a line into the rule's history."""
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


def terms_of(tx: Tx, kind: CompType, revision: int) -> dict[str, Any] | None:
    """The terms that a revision of the rule had, as they were recorded; None if there was no such revision, or if it is
    the only one.
    """
    return tx.scalar_or_none(
        dict,
        """
        SELECT CASE c.revision WHEN :revision THEN after_terms ELSE before_terms END AS terms
        FROM comp_rule_changes c WHERE c.type = :type AND c.revision IN (:revision, :revision + 1)
        ORDER BY c.revision LIMIT 1
        """,
        type=kind,
        revision=revision,
    )


def changes(tx: Tx, kind: CompType, after: Position | None, limit: int) -> list[Change]:
    """Changes of a rule after a position, newest first."""
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
    """Comps after a position, newest first. The query is planned anew each time, to use the index of the given
    filters.
    """
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
    """The recorded inputs of the award, the reason of a cancellation, and the winner's wallet."""
    return tx.one(
        Background,
        """
        SELECT c.reason, c.cancel_reason, m.wallet_address
        FROM comps c JOIN members m ON m.id = c.member_id WHERE c.id = :id
        """,
        id=comp_id,
    )


def payout(tx: Tx, comp_id: UUID) -> CompPayout | None:
    """The comp's payout, if there is one."""
    return tx.first(
        CompPayout,
        """
        SELECT id, state, hold_reason, recipient_address, requested_at, state_at
        FROM payouts WHERE source_kind = 'comp' AND source_id = :source_id
        """,
        source_id=str(comp_id),
    )


def match(tx: Tx, comp_id: UUID) -> CompMatch | None:
    """The comp's match, if an affiliate earned one."""
    return tx.first(
        CompMatch,
        """
        SELECT e.id, e.affiliate_id, m.username AS affiliate_username, e.value, e.amount, e.status
        FROM affiliate_earnings e JOIN members m ON m.id = e.affiliate_id WHERE e.comp_id = :comp_id
        """,
        comp_id=comp_id,
    )


def milestones(tx: Tx, scan_number: int | None) -> list[Milestone]:
    """The decisions about every prize for that scan number."""
    return tx.all(
        Milestone,
        "SELECT type, awarded, reason, code, params FROM milestones WHERE scan_number = :scan_number ORDER BY type",
        scan_number=scan_number,
    )


def winner(tx: Tx, member_id: UUID) -> Winner | None:
    """The member, locked so that nobody suspends them before this transaction ends."""
    return tx.first(Winner, "SELECT id, status FROM members WHERE id = :id FOR SHARE", id=member_id)


def awards_today(tx: Tx, admin_id: UUID, now: datetime) -> AwardsToday:
    """The sum that the admin has awarded alone today, and the limits. Awards of one admin cannot run at once, because
    each has spent a code of their app.
    """
    return tx.one(
        AwardsToday,
        """
        SELECT CAST((SELECT coalesce(sum(made.value), 0) FROM manual_awards made
                     WHERE awarded_by = :admin_id AND alone AND awarded_at >= :midnight) AS bigint) AS amount,
               CAST(CAST(value ->> 'single' AS numeric) * 1000000 AS bigint) AS single_amount_max,
               CAST(CAST(value ->> 'day' AS numeric) * 1000000 AS bigint) AS day_amount_max
        FROM settings WHERE name = 'manual_award_limits'
        """,
        admin_id=admin_id,
        midnight=now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0),
    )


@dataclass(frozen=True)
class ByHand:
    """The admin who awarded a comp, and whether they may still award."""

    awarded_by: UUID
    may_award: bool


def by_hand(tx: Tx, comp_id: UUID) -> ByHand | None:
    """The admin who awarded the comp by hand; None if it was not awarded by hand."""
    return tx.first(
        ByHand,
        """
        SELECT awarded_by,
               admin.status = 'active' AND coalesce(admin.role IN ('operations', 'owner'), false) AS may_award
        FROM manual_awards JOIN members admin ON admin.id = awarded_by WHERE comp_id = :comp_id
        """,
        comp_id=comp_id,
    )


def scans_between(tx: Tx, since: datetime, until: datetime) -> int:
    """The scans of the UTC days from one midnight to another, whose day is not among them."""
    return tx.scalar(
        int,
        """
        SELECT CAST(coalesce(sum(scans), 0) AS bigint) AS scans FROM scan_rollups
        WHERE period = 'day' AND starts_at >= :since AND starts_at < :until
        """,
        since=since,
        until=until,
    )
