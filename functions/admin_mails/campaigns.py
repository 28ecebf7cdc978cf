"""Campaigns: a version for a segment, approved by a second person, started, paused, resumed and cancelled."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import Field, StringConstraints

from functions.admin_mails import campaign_store as store
from functions.admin_mails import rules
from functions.admin_mails.campaign_store import Campaign, Held
from functions.admin_mails.common import Operations, api
from shared import events, settings
from shared.db import ConstraintViolated, Tx
from shared.events import SendCampaign
from shared.messages import segments, suppressions
from shared.messages.segments import NUMBER_MAX, Segment
from shared.payouts import interests
from shared.values.campaigns import RECIPIENTS_ALONE_MAX
from shared.values.contacts import EmailAddress
from shared.values.fields import LINE, Body, Listing, Moment, Page, Reason, Reply
from shared.values.problems import NotFound, NotValid
from shared.values.states import CampaignState
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client
from shared.web.paging import Position

DRAFT, APPROVED = CampaignState.DRAFT, CampaignState.APPROVED
SENDING, PAUSED = CampaignState.SENDING, CampaignState.PAUSED
OPEN = (DRAFT, APPROVED, SENDING, PAUSED)


class SegmentCount(Reply):
    """How many members belong to a segment now, how many of these have unsubscribed, and whether a campaign to the
    others needs a second person's approval. Suppressed addresses are found when the campaign is sent.
    """

    members: int
    unsubscribed: int
    needs_approval: bool


class NewCampaign(Body):
    """A version for a segment. A draft is never changed: what is approved is what is sent."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]
    version_id: UUID
    segment: Segment


class CampaignStart(Body):
    """When the campaign begins, at most 29 days ahead; at once without a time."""

    starts_at: Moment | None = None


class CampaignResumption(Body):
    """The number of the member after whom the campaign goes on, if not after the last one that it has reached: members
    in between get nothing. It is needed after a restore, when mails may have been sent that the database knows nothing
    of.
    """

    after_number: Annotated[int, Field(ge=0, le=NUMBER_MAX)] | None = None


class SuppressionLift(Body):
    """An address to which mails may be sent again, and why."""

    email: EmailAddress
    reason: Reason


class SuppressionLifted(Reply):
    """How many suppressions of the address there were."""

    lifted: int


@api.post("/v1/admin/mails/segments/count")
def count_segment(tx: Tx, admin: Operations, body: Segment, now: datetime) -> SegmentCount:
    """Count the members of a segment. Nothing is changed."""
    found = segments.count(tx, body.document(), now)
    needs_approval = found.members - found.unsubscribed > RECIPIENTS_ALONE_MAX
    return SegmentCount(members=found.members, unsubscribed=found.unsubscribed, needs_approval=needs_approval)


@api.post("/v1/admin/mails/campaigns", status=201, problems=(rules.MailNotMarketing, rules.MailVersionUnknown))
def create_campaign(tx: Tx, admin: Operations, body: NewCampaign, client: Client, now: datetime) -> Campaign:
    """Make a draft of a campaign."""
    identity, segment = uuid4(), body.segment.document()
    if store.replaces_a_mail(tx, body.version_id):
        raise rules.MailNotMarketing
    try:
        store.insert(tx, identity, body.name, body.version_id, segment, admin_id=admin.id, now=now)
    except ConstraintViolated as violated:
        if violated.constraint != "campaigns_version_id_fkey":
            raise
        raise rules.MailVersionUnknown from None
    changes = {"name": body.name, "version_id": str(body.version_id), "segment": segment}
    audit.record(tx, admin, client, Action("campaign.create", "campaign", identity, changes), now)
    return _found(tx, identity)


@api.get("/v1/admin/mails/campaigns")
def list_campaigns(tx: Tx, admin: Operations, page: Page) -> Listing[Campaign]:
    """List campaigns, newest first."""
    rows = store.page(tx, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[Campaign](items=list(shown), next_cursor=cursor)


@api.get("/v1/admin/mails/campaigns/{campaign_id}")
def get_campaign(tx: Tx, admin: Operations, campaign_id: UUID) -> Campaign:
    """Return one campaign with its progress."""
    return _found(tx, campaign_id)


@api.post(
    "/v1/admin/mails/campaigns/{campaign_id}/approve",
    problems=(rules.CampaignStateWrong, rules.OwnCampaign, rules.PostalAddressMissing),
)
def approve_campaign(tx: Tx, admin: Operations, campaign_id: UUID, client: Client, now: datetime) -> Campaign:
    """Approve somebody else's campaign: a draft, or one that waits for an approval."""
    held = _held(tx, campaign_id)
    if interests.is_same_person(tx, admin.id, held.created_by):
        raise rules.OwnCampaign
    if held.is_approved or not (held.state is DRAFT or held.pause_reason == "approval"):
        raise _wrong(held)
    _require_address(tx)
    store.approve(tx, campaign_id, admin.id, now)
    return _changed(tx, admin, held, "approve", {}, client=client, now=now)


@api.post(
    "/v1/admin/mails/campaigns/{campaign_id}/start",
    problems=(rules.CampaignNeedsApproval, rules.CampaignStateWrong, rules.PostalAddressMissing),
)
def start_campaign(
    tx: Tx, admin: Operations, campaign_id: UUID, body: CampaignStart, client: Client, now: datetime
) -> Campaign:
    """Start a campaign, now or later; one to more than a thousand members must be approved."""
    held = _held(tx, campaign_id, (DRAFT, APPROVED))
    starts_at = body.starts_at or now
    if not rules.may_start_at(starts_at, now):
        raise NotValid(errors=[{"field": "/starts_at", "message": "must be within the next 29 days"}])
    most = RECIPIENTS_ALONE_MAX + 1
    if not held.is_approved and segments.count_up_to(tx, held.segment, most, now) == most:
        raise rules.CampaignNeedsApproval
    _require_address(tx)
    store.start(tx, campaign_id, starts_at, now)
    first = SendCampaign(campaign_id=campaign_id, done_number=0)
    later = body.starts_at if body.starts_at and body.starts_at > now else None
    events.enqueue(tx, now, first, name=f"campaign-{campaign_id}-0", deliver_at=later)
    return _changed(tx, admin, held, "start", {"starts_at": starts_at.isoformat()}, client=client, now=now)


@api.post("/v1/admin/mails/campaigns/{campaign_id}/pause", problems=(rules.CampaignStateWrong,))
def pause_campaign(tx: Tx, admin: Operations, campaign_id: UUID, client: Client, now: datetime) -> Campaign:
    """Pause a campaign: no more mails are queued. Those that are queued are sent."""
    held = _held(tx, campaign_id, (SENDING,))
    store.pause(tx, campaign_id, now)
    return _changed(tx, admin, held, "pause", {}, client=client, now=now)


@api.post(
    "/v1/admin/mails/campaigns/{campaign_id}/resume",
    problems=(rules.CampaignNeedsApproval, rules.CampaignRestored, rules.CampaignStateWrong),
)
def resume_campaign(
    tx: Tx, admin: Operations, campaign_id: UUID, body: CampaignResumption, client: Client, now: datetime
) -> Campaign:
    """Resume a paused campaign after the last member that it has reached, or after a later one."""
    held = _held(tx, campaign_id, (PAUSED,))
    if held.pause_reason == "approval" and not held.is_approved:
        raise rules.CampaignNeedsApproval
    if body.after_number is None and not held.is_of_this_database:
        raise rules.CampaignRestored
    after = held.done_number if body.after_number is None else body.after_number
    if not held.done_number <= after < (held.last_number or 0):
        message = "must be at least done_number, and less than last_number"
        raise NotValid(errors=[{"field": "/after_number", "message": message}])
    store.resume(tx, campaign_id, after, now)
    events.enqueue(tx, now, SendCampaign(campaign_id=campaign_id, done_number=after))
    changes = {"why_paused": held.pause_reason, "done_number": held.done_number, "after_number": after}
    return _changed(tx, admin, held, "resume", changes, client=client, now=now)


@api.post("/v1/admin/mails/campaigns/{campaign_id}/cancel", problems=(rules.CampaignStateWrong,))
def cancel_campaign(tx: Tx, admin: Operations, campaign_id: UUID, client: Client, now: datetime) -> Campaign:
    """End a campaign for good. Mails that are not sent yet are not sent."""
    held = _held(tx, campaign_id, OPEN)
    store.cancel(tx, campaign_id, now)
    return _changed(tx, admin, held, "cancel", {}, client=client, now=now)


@api.post("/v1/admin/mails/suppressions/lift")
def lift_mail_suppression(
    tx: Tx, admin: Operations, body: SuppressionLift, client: Client, now: datetime
) -> SuppressionLifted:
    """Send to an address again that had bounced or complained. Whoever has unsubscribed stays unsubscribed."""
    lifted = suppressions.lift(tx, body.email)
    if lifted:
        fingerprint = suppressions.name_of(body.email)
        action = Action("mail_suppression.lift", "mail_suppression", fingerprint, {"reason": body.reason})
        audit.record(tx, admin, client, action, now)
    return SuppressionLifted(lifted=lifted)


def _held(tx: Tx, campaign_id: UUID, states: Collection[CampaignState] = tuple(CampaignState)) -> Held:
    """The campaign, locked. Raises NotFound, and CampaignStateWrong unless its state is one of these."""
    held = store.lock(tx, campaign_id)
    if held is None:
        raise NotFound
    if held.state not in states:
        raise _wrong(held)
    return held


def _require_address(tx: Tx) -> None:
    """Raises PostalAddressMissing until owners have set the address; they cannot take it back."""
    if not settings.load(tx).postal_address:
        raise rules.PostalAddressMissing


def _wrong(held: Held) -> rules.CampaignStateWrong:
    return rules.CampaignStateWrong(state=held.state.value)


def _changed(
    tx: Tx, admin: Operations, held: Held, act: str, changes: Mapping[str, object], *, client: Client, now: datetime
) -> Campaign:
    """Audit what was done, and return the campaign."""
    told = {"before": held.state.value, **changes}
    audit.record(tx, admin, client, Action(f"campaign.{act}", "campaign", held.id, told), now)
    return _found(tx, held.id)


def _found(tx: Tx, campaign_id: UUID) -> Campaign:
    """The campaign. Raises NotFound."""
    found = store.find(tx, campaign_id)
    if found is None:
        raise NotFound
    return found
