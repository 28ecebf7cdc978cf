"""Job: give new members the comps of their guarantee that are due (docs/product.md, "New member guarantee").

Members are found page by page and served in a transaction each, so that nobody's scan waits for a page of strangers.
A run that dies is continued by the next one; two at once share the work.
"""

from datetime import UTC, datetime
from functools import partial

from flask import Request, Response

from functions.guarantee_grant import store
from functions.guarantee_grant.store import Due
from shared import db, log
from shared.comps import guarantees
from shared.job import Job

PAGE = 500
PAGES_MAX = 1_000

job = Job("guarantee_grant")


def guarantee_grant(request: Request) -> Response:
    return job.handle(request)


class MembersFailed(Exception):
    """The guarantee failed for some members; the others got their comp."""


@job.schedule("guarantee")
def grant(now: datetime) -> None:
    """Give every member the comps that are due. A failure does not delay the other members; MembersFailed is raised at
    the end.
    """
    today = now.astimezone(UTC).date()
    last, given, failed = None, 0, 0
    for _ in range(PAGES_MAX):
        page = db.atomically(partial(store.due, today=today, after=last, limit=PAGE))
        if not page:
            break
        for due in page:
            comps = _granted(due, now)
            given, failed = given + (comps or 0), failed + (comps is None)
        last = page[-1]
    log.info("guarantees", given=given, failed=failed)
    if failed:
        raise MembersFailed(failed)


def _granted(due: Due, now: datetime) -> int | None:
    """The number of comps the member was given; None if it failed."""
    try:
        return db.atomically(partial(guarantees.grant, member_id=due.member_id, now=now))
    except Exception:  # noqa: BLE001 - one member's trouble must not cost the others their comp; the run fails at its end
        log.error("a member's guarantee was not granted", member_id=due.member_id)
        return None
