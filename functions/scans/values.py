"""Values of a group of scans: codes, what members have scanned before, and what the group adds to their counts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.values.money import Usdt
from shared.values.tiers import Tier


@dataclass(frozen=True)
class Code:
    """A code that exists. `spendable`: manufactured, and of a batch that is neither recalled nor honey."""

    mac: bytes
    batch_id: UUID
    product_sku: str
    product_name: str
    spendable: bool
    honey: bool
    scanned_by: UUID | None


@dataclass(frozen=True)
class MemberScans:
    """A member before the scans of a group: scans of the last hour and minute, of the quarter, the last place.

    `moments` are the times of the last hour's scans, oldest first, as microseconds since 1970 separated by blanks. They
    are parsed only to tell a member who has scanned too often when to retry: parsing thousands of timestamps for each
    group would cost more than all other work.
    """

    member_id: UUID
    referred_by_id: UUID | None
    last_hour: int
    last_minute: int
    moments: str
    lifetime_comps: Usdt
    comps_paid: Usdt
    gold_chips: int
    quarter_scans: int
    quarter_tier: Tier
    permanent_tier: Tier
    located_at: datetime | None
    latitude: float | None
    longitude: float | None
    tried_honey: bool


@dataclass(frozen=True)
class Tally:
    """The counts that a group adds to a member: the number of scans, and the last place if any scan had one."""

    member_id: UUID
    scans: int
    latitude: float | None
    longitude: float | None
