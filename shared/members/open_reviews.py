"""Open reviews of a member, by their kinds: what people have to decide before it goes on."""

from enum import StrEnum
from uuid import UUID

from shared.db import Tx


class OpenReview(StrEnum):
    """A review of a member that is open: of an earning, of a guarantee that they claim, of a referral of theirs, or of
    their own scans.
    """

    EARNINGS = "earnings"
    GUARANTEE = "guarantee"
    REFERRALS = "referrals"
    SCANS = "scans"


def of_member(tx: Tx, member_id: UUID) -> list[OpenReview]:
    """The kinds of a member's open reviews, in the order of their names."""
    return tx.column(
        OpenReview,
        """
        SELECT kind FROM (VALUES
            ('earnings', EXISTS (SELECT FROM affiliate_earnings
                                 WHERE affiliate_id = :member_id AND status = 'in_review')),
            ('guarantee', EXISTS (SELECT FROM guarantee_reviews
                                  WHERE member_id = :member_id AND status = 'waiting')),
            ('referrals', EXISTS (SELECT FROM referral_reviews
                                  WHERE affiliate_id = :member_id AND status = 'open')),
            ('scans', EXISTS (SELECT FROM flagged_scans WHERE member_id = :member_id AND status = 'open'))
        ) AS review (kind, is_open) WHERE is_open ORDER BY kind
        """,
        member_id=member_id,
    )
