"""Job: have the texts of the chat checked after they were posted, and remove what nobody should read (docs/social.md).

A message waits until its present revision is checked; it is shown meanwhile. Nothing but the row says that it waits, so
that deliveries may come twice, late, side by side, or never: the next one, or the sweep, finds it.
"""

from datetime import datetime

from flask import Request, Response

from functions.social_check import checking, rules, store
from shared import clock, db, log
from shared.job import Job
from shared.social.events import ChannelChanged

job = Job("social_check")


def social_check(request: Request) -> Response:
    return job.handle(request)


@job.on(ChannelChanged)
def check_new(event: ChannelChanged, now: datetime) -> None:
    """Check what waits, in whatever channel."""
    checking.check()


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Check what waits, and tell people if something has waited for too long."""
    checking.check()
    late = db.atomically(store.count_late, clock.now() - rules.CAUGHT_UP, clock.now() - rules.LATE)
    if late:
        log.error("messages of the chat wait for their check", number=late)
