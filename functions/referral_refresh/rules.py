"""When a referral is looked at by people: what says that referrer and referred are one person, or of a ring. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.values.same_person import SAME_DEVICE, SAME_MAILBOX, SAME_WALLET, SCORE_MAX

REVIEW_AT = 60  # points of 100: from them on people look at the referral
SIGNALS_MAX = 20  # of one review


class SignalKind(StrEnum):
    """The kind of a signal: what two accounts share, or how referrals run between two with one device or wallet.

    `ring`: they lead from one to the other over further accounts. `sibling`: the same member has referred both.
    """

    ADDRESS = "address"
    WALLET = "wallet"
    DEVICE = "device"
    DOORSTEP = "doorstep"
    NETWORK = "network"
    RING = "ring"
    SIBLING = "sibling"


# Households and carriers share networks, and households a doorstep: both together do not reach REVIEW_AT. Nor does one
# other account on the same device that the same member has referred; two do.
POINTS: Mapping[SignalKind, int] = {
    SignalKind.ADDRESS: SAME_MAILBOX,
    SignalKind.WALLET: SAME_WALLET,
    SignalKind.DEVICE: SAME_DEVICE,
    SignalKind.RING: SAME_DEVICE,
    SignalKind.SIBLING: 30,
    SignalKind.DOORSTEP: 30,
    SignalKind.NETWORK: 20,
}


@dataclass(frozen=True, order=True)
class ReferralSignal:
    """Evidence about a referral; `member_id` is the account with which the referred member, or another account of the
    ring, has something in common.
    """

    kind: SignalKind
    member_id: UUID

    @property
    def points(self) -> int:
        """How sure it makes that it is one person or a ring, in points of 100."""
        return POINTS[self.kind]


@dataclass(frozen=True)
class Link:
    """Two accounts with the same device or wallet (`kind`), between which referrals run.

    `path` has the members whose referrals lead from `lowest`, the first of them, up to `highest`. With `is_sibling`
    both were referred by the same member, and `path` has both.
    """

    kind: SignalKind
    lowest: UUID
    highest: UUID
    path: Sequence[UUID]
    is_sibling: bool


def signals(links: Collection[Link]) -> dict[UUID, set[ReferralSignal]]:
    """The signals that links give about referrals, by the referred member."""
    found: dict[UUID, set[ReferralSignal]] = {}
    siblings = {member_id for link in links if link.is_sibling for member_id in link.path}
    for link in links:
        if link.is_sibling:
            continue
        for referred in link.path:
            kind = link.kind if len(link.path) == 1 else SignalKind.RING
            other = link.highest if referred == link.lowest else link.lowest
            found.setdefault(referred, set()).add(ReferralSignal(kind, other))
    for referred in siblings:
        others = {ReferralSignal(SignalKind.SIBLING, other) for other in siblings - {referred}}
        found.setdefault(referred, set()).update(others)
    return found


def score(found: Collection[ReferralSignal]) -> int:
    """How sure it is, in points of 100, that referrer and referred are one person, or of a ring."""
    return min(SCORE_MAX, sum(signal.points for signal in found))


def strongest(found: Collection[ReferralSignal]) -> list[ReferralSignal]:
    """The signals that a review names: those with the most points first, at most SIGNALS_MAX."""
    return sorted(found, key=lambda signal: (-signal.points, signal))[:SIGNALS_MAX]
