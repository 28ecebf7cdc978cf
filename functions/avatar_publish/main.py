"""Tasks: check a picture, store both sizes, show it, and remove the earlier one from the storage.

The row keeps both renditions until they are stored, so that every step can be repeated. Of several pictures of one
member the latest one wins, in whatever order their tasks arrive.
"""

from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.avatar_publish import store
from functions.avatar_publish.store import Waiting
from shared import clock, db, events, log
from shared.config import read
from shared.db import Tx
from shared.events import PublishAvatar, RemoveAvatar
from shared.job import ComeAgain, Job
from shared.members import avatars
from shared.messages import notifications
from shared.ports import files, vision

job = Job("avatar_publish")


def avatar_publish(request: Request) -> Response:
    return job.handle(request)


@job.task(PublishAvatar)
def publish(task: PublishAvatar, now: datetime) -> None:
    """Publish one picture, unless it is objectionable. Harmless twice."""
    found = db.atomically(store.waiting, task.avatar_id)
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
    """Delete both sizes of a picture. Files may be gone already; so may the row, if its member was erased after the
    files.
    """
    object_name = db.atomically(store.retired, task.avatar_id)
    if object_name is None:
        return
    bucket = read(avatars.AvatarsConfig).avatars_bucket
    for name in (object_name, avatars.small_name(object_name)):
        files.delete(bucket, name)
    db.atomically(lambda tx: store.mark_removed(tx, task.avatar_id, clock.now()))


def _store(found: Waiting) -> None:
    """Store both sizes before the address is published, so that the address never leads to nothing."""
    bucket = read(avatars.AvatarsConfig).avatars_bucket
    for name, data in ((found.object_name, found.large), (avatars.small_name(found.object_name), found.small)):
        files.write(bucket, name, [data], found.content_type, cache_control=avatars.CACHE_CONTROL)


def _show(tx: Tx, found: Waiting, now: datetime) -> None:
    """Show the picture instead of the earlier one. It is removed if a newer one was sent or the member is gone."""
    store.lock_member(tx, found.member_id)
    if not store.is_wanted(tx, found.id):
        _retire(tx, found.id, now)
        return
    for earlier in store.shown(tx, found.member_id):
        _retire(tx, earlier, now)
    store.show(tx, found.id, found.member_id, avatars.url(found.object_name), now)


def _retire(tx: Tx, avatar_id: UUID, now: datetime) -> None:
    store.retire(tx, avatar_id, now)
    events.enqueue(tx, now, RemoveAvatar(avatar_id=avatar_id), name=f"avatar-{avatar_id}-remove-published")


def _refuse(tx: Tx, found: Waiting, now: datetime) -> None:
    if store.refuse(tx, found.id, now):
        data = {"avatar_id": str(found.id)}
        note = notifications.note(found.member_id, "picture_refused", data, f"avatar-refused:{found.id}")
        notifications.notify(tx, note, now)
