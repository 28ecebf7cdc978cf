"""Job: write pages of what has happened in the chat's channels to Firestore, for those who listen (docs/social.md).

A page is recorded first and written then; it is written again when one of its messages changes. Runs may come twice,
late, side by side, or die: what is recorded and not written is found by the next one, at the latest by the sweep.
"""

import time
from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.social_publish import publishing, store
from shared import clock, db
from shared.job import Job
from shared.ports.firestore import FirestoreUnavailable
from shared.social.events import ChannelChanged
from shared.sweep import Sweep

PINS_AT_ONCE = 200

job = Job("social_publish")


def social_publish(request: Request) -> Response:
    return job.handle(request)


@job.on(ChannelChanged)
def publish(event: ChannelChanged, now: datetime) -> None:
    """Publish a channel as soon as its next page is due. If another delivery waits for that, it does it for this one
    too.
    """
    pause = db.atomically(publishing.pause, event.channel_id, now)
    if pause is None:
        return
    time.sleep(pause)
    publishing.publish(event.channel_id, clock.now())


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Take down the pins that are over, publish what others have left, and show listeners the present shift."""
    db.atomically(store.add_tails)
    db.atomically(publishing.current_shift, now)

    def publish_one(channel_id: UUID) -> None:
        publishing.publish(channel_id, now)

    def unpin(message_id: UUID) -> None:
        db.atomically(publishing.unpin, message_id, now)

    with Sweep(passing=FirestoreUnavailable) as parts:
        parts.each(db.atomically(store.expired_pins, now, PINS_AT_ONCE), unpin, str)
        parts.each(db.atomically(store.channels), publish_one, str)
