"""A member's standing: the quarter's tier and the permanent one, what they rest on, and what the next one needs."""

from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx
from shared.values import tiers
from shared.values.tiers import Tier


@dataclass(frozen=True)
class Standing:
    """A member's tiers. `*_override` is what an admin has set; a quarter without scans counts as zero scans."""

    id: UUID
    number: int
    username: str
    quarter_scans: int
    quarter_tier: Tier
    quarter_override: Tier | None
    permanent_tier: Tier
    permanent_earned: Tier
    permanent_override: Tier | None
    downline_tins: int

    @property
    def tier(self) -> Tier:
        """The better of the member's two tiers."""
        return tiers.effective(self.quarter_tier, self.permanent_tier)

    @property
    def member_id(self) -> str:
        """The displayed member id, with the suffix of the effective tier."""
        return tiers.member_id(self.number, self.tier)


def find(tx: Tx, member_id: UUID, quarter: str) -> Standing | None:
    """The member's standing in a quarter; None when there is no such member."""
    return tx.first(
        Standing,
        """
        SELECT m.id, m.number, m.username, coalesce(q.scans, 0) AS quarter_scans,
               coalesce(q.tier, 'standard') AS quarter_tier, q.override_tier AS quarter_override, m.permanent_tier,
               coalesce(p.earned_tier, m.permanent_tier) AS permanent_earned, p.override_tier AS permanent_override,
               coalesce(p.downline_tins, 0) AS downline_tins
        FROM members m
        LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = :quarter
        LEFT JOIN permanent_tiers p ON p.member_id = m.id
        WHERE m.id = :member_id
        """,
        member_id=member_id,
        quarter=quarter,
    )
