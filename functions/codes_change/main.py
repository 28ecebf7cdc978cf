"""Task: make the change that an admin has ordered for a batch's codes, one chunk per task.

The chunk's codes, the batch's counts, the progress of the walk and the order for the next chunk are one transaction. A
task whose chunk is not the next one does nothing.
"""

from datetime import datetime

from flask import Request, Response

from functions.codes_change import store
from shared import db, events
from shared.db import Tx
from shared.events import ChangeCodeBatch
from shared.job import Hopeless, Job

job = Job("codes_change")


def codes_change(request: Request) -> Response:
    return job.handle(request)


@job.task(ChangeCodeBatch)
def change(task: ChangeCodeBatch, now: datetime) -> None:
    """Change one chunk. Harmless twice, and late."""
    db.atomically(_change, task, now)


def _change(tx: Tx, task: ChangeCodeBatch, now: datetime) -> None:
    walk = store.lock_walk(tx, task.change_id)
    if walk is None:
        raise Hopeless("there is no such change")
    if walk.chunks_done != task.chunk or walk.finished_at:
        return
    if walk.kind == "invalidated":
        changed = store.invalidate(tx, walk.batch_id, task.chunk)
        store.count(tx, walk.batch_id, invalidated=changed.codes, manufactured=0)
    else:
        changed = store.reuse(tx, walk.batch_id, task.chunk)
        store.count(tx, walk.batch_id, invalidated=-changed.codes, manufactured=-changed.were_manufactured)
    store.advance(tx, task.change_id, changed.codes, now)
    if task.chunk + 1 < walk.chunks:
        following = ChangeCodeBatch(change_id=task.change_id, chunk=task.chunk + 1)
        events.enqueue(tx, now, following, name=f"change-{following.change_id}-{following.chunk}")
