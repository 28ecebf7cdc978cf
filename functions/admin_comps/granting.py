"""Operations that award, approve, cancel and retry comps; an admin who would profit is refused.

An admin can award alone with a fresh code of their app and within two limits (`manual_award_limits`). Everything else
waits for a second person: for money a treasury admin approves the payout; a trip needs another operations admin.
"""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from functions.admin_comps import details, rules, store
from functions.admin_comps.common import Operations, amount_from, api
from functions.admin_comps.details import AdminCompDetail
from functions.admin_comps.rules import AMOUNT_MIN
from shared import settings
from shared.auth import Admin
from shared.comps import awards
from shared.comps.awards import Award, ByHand
from shared.credentials import totp
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.payouts import interests, machine
from shared.values import tiers
from shared.values.fields import Body, Money, Reason, Reply, SixDigits
from shared.values.prizes import CompType
from shared.values.problems import IdempotencyKeyReused, NotFound, NotValid
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey


class CompGrant(Body):
    """A comp to be awarded by hand: `amount` for a manual one; the amount of a prize is its rule's.

    `totp` is a code of the admin's own app. Without it the award waits for a second person, however small it is.
    """

    member_id: UUID
    type: Literal["manual", "crypto_100", "crypto_1k", "crypto_10k", "casino", "trip"] = "manual"
    amount: Annotated[Money, amount_from(AMOUNT_MIN)] | None = None
    reason: Reason
    totp: SixDigits | None = None


class CompApproval(Body):
    """A code of the second person's own app, and a note about what they have checked, which is kept."""

    totp: SixDigits
    note: Reason


class CompCancellation(Body):
    """The reason for the cancellation; it is kept, and not told to the member."""

    reason: Reason


class CompRetry(Reply):
    """The payout after a retry. `outcome` is sent_on if it continues, looked_at if a signature may still pay it, over
    if it has ended.
    """

    comp_id: UUID
    payout_id: UUID
    state: str
    hold_reason: str | None
    outcome: Literal["sent_on", "looked_at", "over"]


@api.post(
    "/v1/admin/comps/award",
    status=201,
    dry_run=True,
    problems=(rules.MemberUnknown, rules.MemberNotActive, interests.OwnInterest, *SECOND_FACTOR),
)
def award_comp(
    tx: Tx, admin: Operations, key: IdempotencyKey, body: CompGrant, client: Client, now: datetime
) -> AdminCompDetail:
    """Award a comp by hand. It is counted like any other comp, and paid like one if the admin may award so much
    alone.
    """
    if body.totp:
        totp.spend(tx, admin.id, body.totp, now)
    kind = CompType(body.type)
    if faults := rules.award_faults(kind, body.amount):
        raise NotValid(errors=faults)
    winner = store.winner(tx, body.member_id)
    if winner is None:
        raise rules.MemberUnknown
    interests.require_none_in_member(tx, admin.id, winner.id)
    rules.check_winner(winner)
    given = _given(tx, admin, key, kind, body, now=now)
    comp_id = awards.award(tx, given, now)
    if comp_id is None:
        raise IdempotencyKeyReused  # the key's answer is deleted (shared/database/retention.py), its comp is not
    by_hand = given.by_hand
    assert by_hand
    changes = {"member_id": str(winner.id), "type": kind.value, "amount": str(given.amount), "reason": body.reason}
    action = Action("comp.award", "comp", comp_id, changes | {"alone": by_hand.alone})
    audit.record(tx, admin, client, action, now)
    return details.detail(tx, comp_id, now)


@api.post(
    "/v1/admin/comps/{comp_id}/approve",
    problems=(
        rules.CompNotInReview,
        rules.CompNotByHand,
        rules.CompOfOwnAward,
        rules.CompWithoutAwarder,
        rules.MemberNotActive,
        interests.OwnInterest,
        *SECOND_FACTOR,
    ),
)
def approve_comp(
    tx: Tx, admin: Operations, comp_id: UUID, body: CompApproval, client: Client, now: datetime
) -> AdminCompDetail:
    """Approve, as the second person, a trip that another admin awarded by hand: its winner can now choose."""
    totp.spend(tx, admin.id, body.totp, now)
    comp = store.comp(tx, comp_id, tiers.quarter_of(now))
    if comp is None:
        raise NotFound
    _check_second_person(tx, admin, comp)
    if not awards.release(tx, comp_id, now):
        raise rules.CompNotInReview(comp_status=comp.status)
    audit.record(tx, admin, client, Action("comp.approve", "comp", comp_id, {"note": body.note}), now)
    return details.detail(tx, comp_id, now)


@api.post("/v1/admin/comps/{comp_id}/cancel", problems=(awards.CompPaid, awards.PaymentUnderWay))
def cancel_comp(
    tx: Tx,
    admin: Operations,
    key: IdempotencyKey,
    comp_id: UUID,
    body: CompCancellation,
    client: Client,
    now: datetime,
) -> AdminCompDetail:
    """Cancel a comp that is not paid, together with its match. Harmless twice."""
    if awards.cancel(tx, comp_id, body.reason, now):
        audit.record(tx, admin, client, Action("comp.cancel", "comp", comp_id, {"reason": body.reason}), now)
    return details.detail(tx, comp_id, now)


@api.post(
    "/v1/admin/comps/retry/{comp_id}",
    problems=(rules.CompNotRequested, rules.RetryNotAllowed, interests.OwnInterest),
)
def retry_comp(tx: Tx, admin: Operations, comp_id: UUID, client: Client, now: datetime) -> CompRetry:
    """Process a payment again now. A transaction that may still pay is followed, never doubled."""
    comp = store.comp(tx, comp_id, tiers.quarter_of(now))
    if comp is None:
        raise NotFound
    interests.require_none_in_member(tx, admin.id, comp.winner_id)
    before = store.payout(tx, comp_id)
    if before is None:
        raise rules.CompNotRequested
    try:
        outcome = machine.retry(tx, before.id, now)
    except (machine.TooFewApprovals, machine.NotWaiting):
        raise rules.RetryNotAllowed(state=before.state, hold_reason=before.hold_reason) from None
    audit.record(tx, admin, client, Action("comp.retry", "comp", comp_id, {"outcome": outcome.value}), now)
    after = store.payout(tx, comp_id)
    assert after, "payouts are never deleted"
    return CompRetry(
        comp_id=comp_id, payout_id=after.id, state=after.state, hold_reason=after.hold_reason, outcome=outcome.value
    )


def _given(tx: Tx, admin: Admin, key: IdempotencyKey, kind: CompType, body: CompGrant, now: datetime) -> Award:
    """The award with its amount, and whether this admin may award so much alone."""
    prizes = {rule.type: rule.amount for rule in store.rules(tx)}
    amount = prizes[kind] if body.amount is None else body.amount
    destinations = settings.load(tx).trip_destinations
    value = max(trip.value for trip in destinations) if kind is CompType.TRIP else amount
    spent = store.awards_today(tx, admin.id, now)
    alone = rules.may_award_alone(kind, value, spent, proved=body.totp is not None)
    return Award(
        member_id=body.member_id,
        type=kind,
        amount=amount,
        source_kind="manual",
        source_id=f"{admin.id}:{key.key_hash.hex()}",
        reason={"why": body.reason, "awarded_by": str(admin.id)},
        needs_review=kind is CompType.TRIP,
        by_hand=ByHand(admin.id, value, alone),
    )


def _check_second_person(tx: Tx, admin: Admin, comp: store.Comp) -> None:
    """Check that the admin may approve this comp as the second person.

    Raises CompNotByHand, CompOfOwnAward, CompWithoutAwarder, OwnInterest, MemberNotActive.
    """
    by_hand = store.by_hand(tx, comp.id)
    if by_hand is None:
        raise rules.CompNotByHand
    if by_hand.awarded_by == admin.id:
        raise rules.CompOfOwnAward
    if not by_hand.may_award:
        raise rules.CompWithoutAwarder
    interests.require_none_in_member(tx, admin.id, comp.winner_id)
    winner = store.winner(tx, comp.winner_id)
    assert winner, "comps keep their winners"
    rules.check_winner(winner)
