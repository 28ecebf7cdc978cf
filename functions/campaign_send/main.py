"""Task: queue a campaign's mails for the next members, in the order of their numbers. Schedule: find lost tasks.

The mails, the campaign's progress and the order for the next task are one transaction. A task that does not begin where
the progress stands does nothing: killed anywhere, or delivered twice, it reaches everybody once. A campaign waits for a
person after a restore of the database, when it starts more than a day late, and when it would reach more members than
one person may decide about.
"""

from datetime import datetime, timedelta

from flask import Request, Response

from functions.campaign_send import rules, store
from functions.campaign_send.rules import Progress
from shared import db, events, log
from shared.db import Tx
from shared.events import SendCampaign
from shared.job import ComeAgain, Hopeless, Job
from shared.messages import campaign_mails, segments, suppressions
from shared.messages.campaign_mails import WrittenVersion
from shared.values.states import CampaignState

ASKED_AGAIN_AFTER = timedelta(minutes=10)
ASKED_AGAIN_MAX = 100  # per run

job = Job("campaign_send")


def campaign_send(request: Request) -> Response:
    return job.handle(request)


@job.task(SendCampaign)
def send(task: SendCampaign, now: datetime) -> None:
    """Queue mails for the next members. Harmless twice, and late."""
    db.atomically(_send, task, now)


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Order the tasks of campaigns anew whose tasks were lost, as after a restore of the database."""
    if asked := db.atomically(_ask_again, now):
        log.warning("campaigns are taken further again", number=asked)


def _send(tx: Tx, task: SendCampaign, now: datetime) -> None:
    campaign = store.lock(tx, task.campaign_id)
    if campaign is None:
        raise Hopeless("there is no such campaign")
    if campaign.state is not CampaignState.SENDING or campaign.done_number != task.done_number:
        return
    if now < campaign.starts_at:
        raise ComeAgain("the campaign starts later")
    until = min(campaign.done_number + store.NUMBERS_AT_ONCE, campaign.last_number)
    found = segments.window(tx, campaign.segment, campaign.done_number, until, now)
    wanting = [member for member in found if member.wants_mail]
    suppressed = suppressions.suppressed(tx, [member.email for member in wanting], is_campaign=True)
    recipients = [member for member in wanting if member.email not in suppressed]
    if reason := rules.pause_reason(_progress(campaign), len(recipients), now):
        store.pause(tx, campaign.id, reason, now)
        log.warning("a campaign waits for a person", campaign_id=campaign.id, reason=reason)
        return
    version = WrittenVersion(campaign.version_id, campaign.language, campaign.id)
    queued = campaign_mails.queue(tx, version, recipients, campaign.id, now)
    store.advance(
        tx,
        campaign.id,
        until,
        queued=queued,
        unsubscribed=len(found) - len(wanting),
        suppressed=len(wanting) - len(recipients),
        now=now,
    )
    if until < campaign.last_number:
        following = SendCampaign(campaign_id=campaign.id, done_number=until)
        events.enqueue(tx, now, following, name=f"campaign-{campaign.id}-{until}")


def _progress(campaign: store.Campaign) -> Progress:
    return Progress(
        campaign.starts_at,
        campaign.done_number,
        campaign.queued,
        is_approved=campaign.is_approved,
        is_of_this_database=campaign.is_of_this_database,
    )


def _ask_again(tx: Tx, now: datetime) -> int:
    asked = store.ask_again(tx, now, now - ASKED_AGAIN_AFTER, ASKED_AGAIN_MAX)
    events.enqueue_many(
        tx, now, [SendCampaign(campaign_id=campaign.id, done_number=campaign.done_number) for campaign in asked]
    )
    return len(asked)
