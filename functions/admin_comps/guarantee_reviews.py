"""Reviews of members who seem to have had the guarantee before under another account: their score, and the decision."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from functions.admin_comps import review_store
from functions.admin_comps.common import Operations, api
from functions.admin_comps.review_store import Review
from shared.comps import awards, guarantees
from shared.db import Tx
from shared.messages import notifications
from shared.payouts import interests
from shared.values.fields import Body, Listing, Page, Reason, Reply
from shared.values.problems import NotFound, Problem
from shared.values.states import ReviewStatus
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position

STATUS = {"grant": "granted", "refuse": "refused"}
SAME_PERSON_FOR_SURE = frozenset({"address", "wallet"})


class GuaranteeReviewDecided(Problem):
    """Another decision was made before; `decision` says which."""

    status, title = 409, "Somebody has decided otherwise."


class GuaranteeReviewFilter(Page):
    """A page of reviews, of one status if given."""

    status: Literal["waiting", "granted", "refused"] | None = None


class GuaranteeReviewDecision(Body):
    """The decision: `grant` awards the missed comps, `refuse` cancels those that are not paid. The note is internal."""

    decision: Literal["grant", "refuse"]
    note: Reason


class GuaranteeSignal(Reply):
    """Evidence that another member, who has had the guarantee, has the same mailbox (address), wallet or device;
    `points` of 100.
    """

    kind: Literal["address", "wallet", "device"]
    member_id: UUID
    points: int


class GuaranteeReview(Reply):
    """The review of a guarantee that is or was withheld. `score`, of 100, says how likely a second guarantee is."""

    id: UUID
    member_id: UUID
    username: str
    score: int
    signals: list[GuaranteeSignal]
    status: Literal["waiting", "granted", "refused"]
    asked_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    note: str | None


@api.get("/v1/admin/guarantees/reviews")
def list_guarantee_reviews(tx: Tx, admin: Operations, page: GuaranteeReviewFilter) -> Listing[GuaranteeReview]:
    """List reviews, newest first."""
    rows = review_store.reviews(tx, page.status, None, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.asked_at, row.id))
    return Listing[GuaranteeReview](items=[_shown(row) for row in shown], next_cursor=cursor)


@api.post(
    "/v1/admin/guarantees/reviews/{review_id}/decide",
    dry_run=True,
    problems=(GuaranteeReviewDecided, interests.OwnInterest),
)
def decide_guarantee_review(
    tx: Tx, admin: Operations, review_id: UUID, body: GuaranteeReviewDecision, client: Client, now: datetime
) -> GuaranteeReview:
    """Grant or refuse the guarantee; repeating the same decision is harmless."""
    found, wanted = _locked(tx, review_id), STATUS[body.decision]
    if found.status not in (ReviewStatus.WAITING, wanted):
        raise GuaranteeReviewDecided(decision=found.status)
    for concerned in (found.member_id, *(UUID(said["member_id"]) for said in found.signals)):
        interests.require_none_in_member(tx, admin.id, concerned)
    if found.status == ReviewStatus.WAITING:
        review_store.decide(tx, found.id, wanted, admin.id, body.note, now=now)
        done = _grant(tx, found, now) if wanted == "granted" else _refuse(tx, found, body.note, now)
        changes = {"status": wanted, "note": body.note, "score": found.score, "member_id": str(found.member_id)}
        audit.record(tx, admin, client, Action("guarantee.decide", "guarantee_review", review_id, changes | done), now)
    return _shown(_locked(tx, review_id))


def _grant(tx: Tx, found: Review, now: datetime) -> dict[str, object]:
    """Award the comps that were missed and pay those that waited; returns the counts for the audit log."""
    given = guarantees.resume(tx, found.member_id, now)
    paid = awards.pay_waiting(tx, found.member_id, now)
    _tell(tx, found, "guarantee_granted", now)
    return {"comps_given": given, "comps_requested": paid}


def _refuse(tx: Tx, found: Review, note: str, now: datetime) -> dict[str, object]:
    """Cancel the unpaid comps. If members have referred themselves, the referral ends, too."""
    unpaid = review_store.unpaid(tx, found.member_id)
    for comp_id in unpaid:
        awards.cancel(tx, comp_id, note, now)
    same = {said["member_id"] for said in found.signals if said["kind"] in SAME_PERSON_FOR_SURE}
    is_own_referral = str(found.referred_by_id) in same
    if is_own_referral:
        review_store.end_referral(tx, found.member_id, now)
    _tell(tx, found, "guarantee_refused", now)
    return {"comps_cancelled": len(unpaid), "referral_ended": is_own_referral}


def _tell(tx: Tx, found: Review, code: str, now: datetime) -> None:
    data = {"review_id": str(found.id)}
    note = notifications.note(found.member_id, code, data, f"guarantee-decided:{found.id}")
    notifications.notify(tx, note, now)


def _locked(tx: Tx, review_id: UUID) -> Review:
    """Lock the review and return it. Raises NotFound."""
    review_store.lock(tx, review_id)
    found = review_store.reviews(tx, None, review_id, None, 1)
    if not found:
        raise NotFound
    return found[0]


def _shown(row: Review) -> GuaranteeReview:
    known = {name: value for name, value in vars(row).items() if name not in ("referred_by_id", "signals")}
    signals = [
        GuaranteeSignal(kind=said["kind"], member_id=UUID(said["member_id"]), points=said["points"])
        for said in row.signals
    ]
    return GuaranteeReview(**known, signals=signals)
