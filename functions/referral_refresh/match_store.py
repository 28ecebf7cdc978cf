"""Matches by members whose referral people look at, or have decided about, as rows."""

from uuid import UUID

from shared.db import Tx


def hold(tx: Tx, limit: int) -> int:
    """Have matches wait whose referral people look at, unless a payout may pay them; returns how many.

    The rows are locked first: what a payout takes up meanwhile is seen by the statement that changes them.
    """
    locked = tx.column(
        UUID,
        """
        SELECT e.id FROM affiliate_earnings e
        WHERE e.referred_id = ANY(ARRAY(SELECT referred_id FROM referral_reviews WHERE status = 'open'))
          AND e.kind = 'prize_match' AND e.status = 'pending'
          AND NOT EXISTS (SELECT FROM affiliate_payout_lines l WHERE l.earning_id = e.id AND l.released_at IS NULL)
          AND NOT EXISTS (SELECT FROM affiliate_earnings b WHERE b.reverses_id = e.id)
        LIMIT :limit FOR NO KEY UPDATE OF e SKIP LOCKED
        """,
        limit=limit,
    )
    return tx.run(
        """
        UPDATE affiliate_earnings e SET status = 'in_review'
        WHERE e.id = ANY(CAST(:ids AS uuid[])) AND e.status = 'pending'
          AND NOT EXISTS (SELECT FROM affiliate_payout_lines l WHERE l.earning_id = e.id AND l.released_at IS NULL)
          AND EXISTS (SELECT FROM referral_reviews r WHERE r.referred_id = e.referred_id AND r.status = 'open')
        """,
        ids=locked,
    )


def cleared(tx: Tx, limit: int) -> list[UUID]:
    """The comps of matches that wait although neither the comp nor the referral is in review any more."""
    return tx.column(
        UUID,
        """
        SELECT e.comp_id FROM affiliate_earnings e JOIN comps c ON c.id = e.comp_id
        WHERE e.kind = 'prize_match' AND e.status = 'in_review' AND c.status <> 'in_review'
          AND NOT EXISTS (SELECT FROM referral_reviews r WHERE r.referred_id = e.referred_id AND r.status <> 'cleared')
        ORDER BY e.referred_id LIMIT :limit
        """,
        limit=limit,
    )


def refused(tx: Tx, limit: int) -> list[UUID]:
    """The matches of referrals that people have confirmed as fraud, unless a payout has paid them or may pay them."""
    return tx.column(
        UUID,
        """
        SELECT e.id FROM affiliate_earnings e
        WHERE e.referred_id = ANY(ARRAY(SELECT referred_id FROM referral_reviews WHERE status = 'confirmed'))
          AND e.kind = 'prize_match' AND e.status IN ('pending', 'in_review')
          AND NOT EXISTS (SELECT FROM affiliate_payout_lines l WHERE l.earning_id = e.id AND l.released_at IS NULL)
          AND NOT EXISTS (SELECT FROM affiliate_earnings b WHERE b.reverses_id = e.id)
        LIMIT :limit
        """,
        limit=limit,
    )
