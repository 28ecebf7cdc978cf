"""Members to be looked at, what they have in common with others, and reviews of referrals, as rows."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from functions.referral_refresh import rules
from functions.referral_refresh.rules import Link, ReferralSignal, SignalKind
from shared.db import Tx
from shared.values.states import ReferralReviewStatus

GENERATIONS = 5  # how far up a line of referrals is followed
SHARERS_MAX = 500  # of one device or wallet; whoever is not among them is compared with their own line


@dataclass(frozen=True)
class Pair:
    """A referral, and what its two members have in common beside devices and wallets."""

    referred_id: UUID
    affiliate_id: UUID
    email: str
    affiliate_email: str
    same_network: bool
    same_doorstep: bool


@dataclass(frozen=True)
class Review:
    """A review of a referral. A signal is `{"kind", "member_id", "points"}`."""

    id: UUID
    status: ReferralReviewStatus
    signals: list[dict[str, Any]]

    def found(self) -> set[ReferralSignal]:
        """The signals that it names."""
        return {ReferralSignal(SignalKind(said["kind"]), UUID(said["member_id"])) for said in self.signals}


def take_checks(tx: Tx, limit: int) -> list[UUID]:
    """Take members from the queue, those that wait longest first. What is not committed stays in it."""
    return tx.column(
        UUID,
        """
        WITH taken AS (
            DELETE FROM referral_checks WHERE id IN (
                SELECT id FROM referral_checks ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED)
            RETURNING member_id
        )
        SELECT DISTINCT member_id FROM taken ORDER BY member_id
        """,
        limit=limit,
    )


def links(tx: Tx, member_id: UUID) -> list[Link]:
    """The accounts that share a device or a wallet with the member, and are above or below them in a line of
    referrals, or were referred by the same member.

    The member's own line is compared as a whole; below it are searched SHARERS_MAX accounts of each device and wallet.
    """
    return tx.all(
        Link,
        """
        WITH RECURSIVE marks AS MATERIALIZED (
            SELECT DISTINCT 'device' AS kind, device_id AS mark
            FROM sessions WHERE member_id = :member_id AND device_id IS NOT NULL
            UNION ALL
            SELECT 'wallet', address FROM member_wallets WHERE member_id = :member_id
        ), own_line AS (
            SELECT affiliate_id AS above, ARRAY[referred_id] AS path FROM referrals WHERE referred_id = :member_id
            UNION ALL
            SELECT r.affiliate_id, path || r.referred_id FROM own_line JOIN referrals r ON r.referred_id = above
            WHERE cardinality(path) < :generations
        ), shared AS MATERIALIZED (
            SELECT DISTINCT kind, sharers.member_id
            FROM marks CROSS JOIN LATERAL (
                (SELECT DISTINCT s.member_id FROM sessions s
                 WHERE kind = 'device' AND s.device_id = mark AND s.member_id <> :member_id LIMIT :limit)
                UNION ALL
                (SELECT w.member_id FROM member_wallets w
                 WHERE kind = 'wallet' AND w.address = mark AND w.member_id <> :member_id LIMIT :limit)) sharers
            UNION
            SELECT kind, above FROM own_line CROSS JOIN marks
            WHERE (kind = 'device' AND EXISTS (SELECT FROM sessions s WHERE s.member_id = above AND s.device_id = mark))
               OR (kind = 'wallet' AND EXISTS (SELECT FROM member_wallets w
                                               WHERE w.member_id = above AND w.address = mark))
        ), their_lines AS (
            SELECT r.referred_id AS lowest, r.affiliate_id AS above, ARRAY[r.referred_id] AS path
            FROM (SELECT DISTINCT member_id FROM shared) sharers JOIN referrals r ON r.referred_id = sharers.member_id
            UNION ALL
            SELECT lowest, r.affiliate_id, path || r.referred_id
            FROM their_lines JOIN referrals r ON r.referred_id = above
            WHERE cardinality(path) < :generations
        )
        SELECT kind, CAST(:member_id AS uuid) AS lowest, above AS highest, path, false AS is_sibling
        FROM own_line JOIN shared ON shared.member_id = above
        UNION ALL
        SELECT kind, lowest, above, path, false
        FROM their_lines JOIN shared ON shared.member_id = lowest WHERE above = :member_id
        UNION ALL
        SELECT kind, CAST(:member_id AS uuid), theirs.referred_id, ARRAY[CAST(:member_id AS uuid), theirs.referred_id],
               true
        FROM referrals mine JOIN referrals theirs ON theirs.affiliate_id = mine.affiliate_id
        JOIN shared ON shared.member_id = theirs.referred_id
        WHERE mine.referred_id = :member_id
        """,
        member_id=member_id,
        generations=GENERATIONS,
        limit=SHARERS_MAX,
    )


def lock_referrals(tx: Tx, referred: Collection[UUID]) -> None:
    """Lock the referrals of these members: another run that looks at one of them waits."""
    tx.run(
        """
        SELECT FROM referrals WHERE referred_id = ANY(CAST(:referred AS uuid[])) ORDER BY referred_id
        FOR NO KEY UPDATE
        """,
        referred=list(referred),
    )


def pairs(tx: Tx, referred: Collection[UUID]) -> list[Pair]:
    """The referrals of these members: whether both have signed in from one network (an IPv4 address, or the /64 of an
    IPv6 one), and have ordered to one doorstep.
    """
    return tx.all(
        Pair,
        """
        SELECT r.referred_id, r.affiliate_id, m.email, a.email AS affiliate_email,
               EXISTS (SELECT network(set_masklen(ip_address, CASE family(ip_address) WHEN 4 THEN 32 ELSE 64 END))
                       FROM sessions WHERE member_id = r.referred_id AND ip_address IS NOT NULL
                       INTERSECT
                       SELECT network(set_masklen(ip_address, CASE family(ip_address) WHEN 4 THEN 32 ELSE 64 END))
                       FROM sessions WHERE member_id = r.affiliate_id AND ip_address IS NOT NULL) AS same_network,
               EXISTS (SELECT doorstep FROM orders WHERE member_id = r.referred_id AND doorstep IS NOT NULL
                       INTERSECT
                       SELECT doorstep FROM orders WHERE member_id = r.affiliate_id AND doorstep IS NOT NULL)
                   AS same_doorstep
        FROM referrals r JOIN members m ON m.id = r.referred_id JOIN members a ON a.id = r.affiliate_id
        WHERE r.referred_id = ANY(CAST(:referred AS uuid[])) AND 'deleted' NOT IN (m.status, a.status)
        ORDER BY r.referred_id
        """,
        referred=list(referred),
    )


def reviews(tx: Tx, referred_id: UUID) -> list[Review]:
    """The reviews of a referral."""
    return tx.all(
        Review,
        "SELECT id, status, signals FROM referral_reviews WHERE referred_id = :referred_id",
        referred_id=referred_id,
    )


def open_review(tx: Tx, pair: Pair, found: Collection[ReferralSignal], now: datetime) -> None:
    """Have people look at a referral."""
    tx.run(
        """
        INSERT INTO referral_reviews (id, referred_id, affiliate_id, score, signals, found_at)
        VALUES (:id, :referred_id, :affiliate_id, :score, CAST(:signals AS jsonb), :now)
        """,
        id=uuid4(),
        referred_id=pair.referred_id,
        affiliate_id=pair.affiliate_id,
        score=rules.score(found),
        signals=_recorded(rules.strongest(found)),
        now=now,
    )


def add_signals(tx: Tx, review_id: UUID, found: Collection[ReferralSignal]) -> None:
    """Set the signals of a review that is open; nothing is changed once people have decided."""
    tx.run(
        """
        UPDATE referral_reviews SET score = :score, signals = CAST(:signals AS jsonb)
        WHERE id = :id AND status = 'open'
        """,
        id=review_id,
        score=rules.score(found),
        signals=_recorded(rules.strongest(found)),
    )


def waiting(tx: Tx) -> int:
    """How many reviews are open."""
    return tx.scalar(int, "SELECT count(*) AS reviews FROM referral_reviews WHERE status = 'open'")


def _recorded(found: Sequence[ReferralSignal]) -> str:
    """The signals as a JSON array."""
    return json.dumps([{"kind": it.kind, "member_id": str(it.member_id), "points": it.points} for it in found])
