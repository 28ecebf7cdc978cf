"""Task: look at a picture, store both sizes, show it; and take the one before out of the storage.

The row decides: the renditions lie in it until they are stored, so that every step may be done again. Of several that
a member sends the last one wins, in whatever order their tasks come.
"""

from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.avatar_publish import store
from functions.avatar_publish.store import Waiting
from shared import avatars, clock, db, events, log, notifications
from shared.config import read
from shared.db import Tx
from shared.events import PublishAvatar, RemoveAvatar
from shared.job import ComeAgain, Job
from shared.notifications import Note
from shared.ports import files, vision

job = Job("avatar_publish")


def avatar_publish(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


@job.task(PublishAvatar)
def publish(task: PublishAvatar, now: datetime) -> None:
    """Show one picture, unless it must not be seen. Harmless twice."""
    found = db.atomically(lambda tx: store.waiting(tx, task.avatar_id))
    if found is None:
        return
    try:
        objections = vision.objections(found.large)
    except vision.PictureRefused as error:
        objections = [str(error)]
    except vision.VisionUnavailable as error:
        raise ComeAgain("nobody can look at pictures now") from error
    if objections:
        log.info("a picture was refused", avatar_id=found.id, objections=",".join(objections))
        db.atomically(lambda tx: _refuse(tx, found, clock.now()))
        return
    _store(found)
    db.atomically(lambda tx: _show(tx, found, clock.now()))


@job.task(RemoveAvatar)
def remove(task: RemoveAvatar, now: datetime) -> None:
    """Both sizes; absent is fine, and so is a row that went with its member: the files went first."""
    found = db.atomically(lambda tx: store.retired(tx, task.avatar_id))
    if found is None:
        return
    bucket = read(avatars.AvatarsConfig).avatars_bucket
    for name in (found.object_name, avatars.small_name(found.object_name)):
        files.delete(bucket, name)
    db.atomically(lambda tx: store.mark_removed(tx, task.avatar_id, clock.now()))


def _store(found: Waiting) -> None:
    """Before anybody is told the address: it is never seen without its picture."""
    bucket = read(avatars.AvatarsConfig).avatars_bucket
    for name, data in ((found.object_name, found.large), (avatars.small_name(found.object_name), found.small)):
        files.write(bucket, name, [data], found.content_type, cache_control=avatars.CACHE_CONTROL)


def _show(tx: Tx, found: Waiting, now: datetime) -> None:
    """In place of the one before, unless a newer one was sent or the member is gone: then it is removed itself."""
    store.lock_member(tx, found.member_id)
    if not store.is_wanted(tx, found.id):
        _retire(tx, found.id, now)
        return
    for earlier in store.shown(tx, found.member_id):
        _retire(tx, earlier.id, now)
    store.show(tx, found.id, found.member_id, avatars.url(found.object_name), now)


def _retire(tx: Tx, avatar_id: UUID, now: datetime) -> None:
    store.retire(tx, avatar_id, now)
    events.enqueue(tx, now, RemoveAvatar(avatar_id=avatar_id), name=f"avatar-{avatar_id}-remove-published")


def _refuse(tx: Tx, found: Waiting, now: datetime) -> None:
    if store.refuse(tx, found.id, now):
        body = "It shows something that not everybody should see. The picture you had before stays."
        note = Note(found.member_id, "system", "Your picture was refused", body, {"avatar_id": str(found.id)},
                    f"avatar-refused:{found.id}")  # fmt: skip
        notifications.notify(tx, note, now)
