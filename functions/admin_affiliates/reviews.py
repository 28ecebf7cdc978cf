"""Referrals that seem to be of one person, or of a ring: why, and what people decide about them.

`referral_refresh` finds them, and does with matches and chips what was decided.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from functions.admin_affiliates import review_store
from functions.admin_affiliates.common import Treasurer, api
from functions.admin_affiliates.review_store import Review
from shared.db import Tx
from shared.payouts import interests
from shared.values.fields import Body, Listing, Page, Reason, Reply
from shared.values.problems import NotFound, Problem
from shared.values.states import ReferralReviewStatus
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position


class ReferralReviewDecided(Problem):
    """Another decision was made before; `verdict` says which."""

    status, title = 409, "Somebody has decided otherwise about this referral."


class ReferralReviewFilter(Page):
    """A page of reviews, of one status if given."""

    status: Literal["open", "cleared", "confirmed"] | None = None


class ReferralReviewDecision(Body):
    """The decision: `cleared` for two people, `confirmed` for one person or a ring. The note is internal."""

    verdict: Literal["cleared", "confirmed"]
    note: Reason


class ReferralSignal(Reply):
    """Evidence that the referred member, or another account of the ring, is the same person as `member_id`; `points` of
    100. A `ring` closes over further accounts; a `sibling` shares a device or a wallet and has the same referrer.
    """

    kind: Literal["address", "wallet", "device", "doorstep", "network", "ring", "sibling"]
    member_id: UUID
    points: int


class ReferralReview(Reply):
    """A referral that people look at, or have decided about. `score`, of 100, says how likely one person, or a ring, is
    behind both accounts.
    """

    id: UUID
    affiliate_id: UUID
    affiliate_username: str
    referred_id: UUID
    referred_username: str
    score: int
    signals: list[ReferralSignal]
    status: Literal["open", "cleared", "confirmed"]
    found_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    note: str | None


@api.get("/v1/admin/affiliates/reviews")
def list_referral_reviews(tx: Tx, admin: Treasurer, page: ReferralReviewFilter) -> Listing[ReferralReview]:
    """List reviews of referrals, newest first."""
    del admin
    rows = review_store.reviews(tx, page.status, None, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.found_at, row.id))
    return Listing[ReferralReview](items=[_shown(row) for row in shown], next_cursor=cursor)


@api.post("/v1/admin/affiliates/reviews/{review_id}/decide", problems=(ReferralReviewDecided, interests.OwnInterest))
def decide_referral_review(
    tx: Tx, admin: Treasurer, review_id: UUID, body: ReferralReviewDecision, client: Client, now: datetime
) -> ReferralReview:
    """Clear a referral or confirm it as fraud; repeating the same decision is harmless."""
    found = _locked(tx, review_id)
    if found.status not in (ReferralReviewStatus.OPEN, body.verdict):
        raise ReferralReviewDecided(verdict=found.status)
    for concerned in (found.referred_id, found.affiliate_id, *(UUID(said["member_id"]) for said in found.signals)):
        interests.require_none_in_member(tx, admin.id, concerned)
    if found.status is ReferralReviewStatus.OPEN:
        review_store.decide(tx, found.id, body.verdict, admin.id, body.note, now=now)
        changes = {"verdict": body.verdict, "note": body.note, "score": found.score}
        changes |= {"affiliate_id": str(found.affiliate_id), "referred_id": str(found.referred_id)}
        audit.record(tx, admin, client, Action("referral.decide", "referral_review", review_id, changes), now)
    return _shown(_locked(tx, review_id))


def _locked(tx: Tx, review_id: UUID) -> Review:
    """Lock the review and return it. Raises NotFound."""
    review_store.lock(tx, review_id)
    found = review_store.reviews(tx, None, review_id, None, 1)
    if not found:
        raise NotFound
    return found[0]


def _shown(row: Review) -> ReferralReview:
    return ReferralReview.model_validate(vars(row))
