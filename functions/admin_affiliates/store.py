"""Weeks and earnings of affiliates as admins see them."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Money, Reply
from shared.values.money import Usdt


class AffiliateWeek(Reply):
    """A week in a list. `digest` is of the published shares, `payment_digest` of what would be paid to whom."""

    week_on: date
    state: str
    outcome: str | None
    held: bool
    first_number: int
    last_number: int
    pool: Money
    chips: int | None
    affiliates: int | None
    recipients: int | None
    proposed: Money | None
    approvals_given: int
    approvals_needed: int | None
    digest: str | None
    payment_digest: str | None
    opened_at: datetime
    ready_at: datetime | None
    approved_at: datetime | None
    completed_at: datetime | None


class WeekDecision(Reply):
    """A decision about the week as it is now, or about an earlier count of it (`is_current` false)."""

    admin_id: UUID
    username: str
    verdict: str
    reason: str
    decided_at: datetime
    is_current: bool


class WeekRecipient(Reply):
    """One of whom the week pays most."""

    affiliate_id: UUID
    username: str
    amount: Money


class LeftOut(Reply):
    """Affiliates who are owed something and not paid by the week, and why."""

    reason: str
    affiliates: int
    amount: Money


@dataclass(frozen=True)
class Ready:
    """A week that waits for people."""

    ready_at: datetime
    payment_digest: str
    held: bool


@dataclass(frozen=True)
class Preview:
    """The figures that the present week would divide if it ended now."""

    affiliates: int
    chips: int
    overflow: int


def weeks(tx: Tx, before: date | None, limit: int) -> list[AffiliateWeek]:
    """Weeks before a day, newest first."""
    return tx.all(
        AffiliateWeek,
        """
        SELECT week_on, state, outcome, week_is_held(w) AS held, first_number, last_number, pool, chips, affiliates,
               recipients, proposed, week_approvals_given(w) AS approvals_given, approvals AS approvals_needed,
               encode(digest, 'hex') AS digest, encode(payment_digest, 'hex') AS payment_digest, opened_at, ready_at,
               approved_at, completed_at
        FROM affiliate_weeks w WHERE CAST(:before AS date) IS NULL OR week_on < :before
        ORDER BY week_on DESC LIMIT :limit
        """,
        before=before,
        limit=limit,
    )


def decisions(tx: Tx, week_on: date) -> list[WeekDecision]:
    """The decisions about a week, oldest first."""
    return tx.all(
        WeekDecision,
        """
        SELECT d.admin_id, m.username, d.verdict, d.reason, d.decided_at,
               coalesce(d.ready_at = w.ready_at, false) AS is_current
        FROM affiliate_week_decisions d JOIN members m ON m.id = d.admin_id JOIN affiliate_weeks w USING (week_on)
        WHERE d.week_on = :week_on ORDER BY d.id LIMIT 200
        """,
        week_on=week_on,
    )


def largest(tx: Tx, week_on: date, limit: int) -> list[WeekRecipient]:
    """Whom the week pays most, largest first."""
    return tx.all(
        WeekRecipient,
        """
        SELECT p.affiliate_id, m.username, p.amount FROM affiliate_payouts p JOIN members m ON m.id = p.affiliate_id
        WHERE p.week_on = :week_on AND p.state <> 'cancelled' ORDER BY p.amount DESC, p.affiliate_id LIMIT :limit
        """,
        week_on=week_on,
        limit=limit,
    )


def left_out(tx: Tx, week_on: date) -> list[LeftOut]:
    """Affiliates with a share of the week that no payout would pay, by reason."""
    return tx.all(
        LeftOut,
        """
        SELECT reason, CAST(count(*) AS integer) AS affiliates, CAST(sum(share) AS bigint) AS amount FROM (
            SELECT s.share, CASE WHEN m.status = 'suspended' THEN 'suspended'
                                 WHEN m.wallet_address IS NULL THEN 'no_wallet'
                                 WHEN m.wallet_rests_until > w.ready_at THEN 'wallet_rests'
                                 ELSE 'below_minimum' END AS reason
            FROM affiliate_week_shares s JOIN members m ON m.id = s.affiliate_id JOIN affiliate_weeks w USING (week_on)
            WHERE s.week_on = :week_on AND s.share > 0 AND NOT s.given_up AND s.settled_at IS NULL
              AND NOT EXISTS (SELECT FROM affiliate_payout_lines l WHERE l.share_week = s.week_on
                              AND l.affiliate_id = s.affiliate_id AND l.released_at IS NULL)) found
        GROUP BY reason ORDER BY reason
        """,
        week_on=week_on,
    )


def free_balance(tx: Tx) -> Usdt:
    """The USDT of the treasury of affiliates that is not set aside for payouts."""
    return tx.scalar(
        Usdt,
        """
        SELECT CAST(coalesce(sum(balance), 0) AS bigint) AS balance FROM ledger_balances
        WHERE account = 'treasury:affiliate'
        """,
    )


def ready(tx: Tx, week_on: date) -> Ready | None:
    """The week, if it waits for people."""
    return tx.first(
        Ready,
        """
        SELECT ready_at, encode(payment_digest, 'hex') AS payment_digest, week_is_held(w) AS held
        FROM affiliate_weeks w WHERE week_on = :week_on AND state = 'ready'
        """,
        week_on=week_on,
    )


def decide(tx: Tx, week_on: date, ready: Ready, *, admin_id: UUID, verdict: str, reason: str, now: datetime) -> None:
    """Record a decision about the week as it was shown. Raises ConstraintViolated: week_decision when it has changed
    since, affiliate_week_decisions_once for a second approval.
    """
    tx.run(
        """
        INSERT INTO affiliate_week_decisions (week_on, ready_at, admin_id, verdict, payment_digest, reason, decided_at)
        VALUES (:week_on, :ready_at, :admin_id, :verdict, decode(:payment_digest, 'hex'), :reason, :now)
        """,
        week_on=week_on,
        ready_at=ready.ready_at,
        admin_id=admin_id,
        verdict=verdict,
        payment_digest=ready.payment_digest,
        reason=reason,
        now=now,
    )


def has_approved(tx: Tx, week_on: date, ready: Ready, admin_id: UUID) -> bool:
    """True if the admin has approved this version of the week."""
    return tx.scalar(
        bool,
        """
        SELECT EXISTS (SELECT FROM affiliate_week_decisions WHERE week_on = :week_on AND ready_at = :ready_at
                       AND admin_id = :admin_id AND verdict = 'approve') AS found
        """,
        week_on=week_on,
        ready_at=ready.ready_at,
        admin_id=admin_id,
    )


def preview(tx: Tx, week_on: date, first: int, chips_max: int) -> Preview:
    """Count the chips of the week that ends on a Sunday, from a number on."""
    return tx.one(
        Preview,
        """
        SELECT CAST(count(*) AS integer) AS affiliates, CAST(coalesce(sum(chips - over), 0) AS bigint) AS chips,
               CAST(coalesce(sum(over), 0) AS bigint) AS overflow
        FROM (SELECT chips, greatest(chips - week_cap(:week_on, CAST(:chips_max AS integer)), 0) AS over
              FROM (SELECT scan_chips + brought - put_away AS chips
                    FROM week_chips(:week_on, :first, 9223372036854775807)) every) counted
        """,
        week_on=week_on,
        first=first,
        chips_max=chips_max,
    )
