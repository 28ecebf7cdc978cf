"""Job: check pictures and images for the chat, store them, show them, and remove what is no longer shown.

The row keeps both renditions until they are stored, so that every step can be repeated. Of several pictures of one
member the latest one wins, in whatever order their tasks arrive.
"""

from datetime import datetime
from uuid import UUID

from flask import Request, Response

from functions.avatar_publish import image_store, store
from functions.avatar_publish.store import Waiting
from shared import clock, db, events, log
from shared.config import read
from shared.db import Tx
from shared.events import PublishAvatar, RemoveAvatar
from shared.job import ComeAgain, Job
from shared.members import avatars
from shared.messages import notifications
from shared.ports import files, vision
from shared.social import images
from shared.social.events import PublishChatImage
from shared.sweep import Sweep

IMAGES_AT_ONCE = 200

job = Job("avatar_publish")


def avatar_publish(request: Request) -> Response:
    return job.handle(request)


@job.task(PublishAvatar)
def publish(task: PublishAvatar, now: datetime) -> None:
    """Publish one picture, unless it is objectionable. Harmless twice."""
    found = db.atomically(store.waiting, task.avatar_id)
    if found is None:
        return
    if objections := _objections(found.large):
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


@job.task(PublishChatImage)
def publish_image(task: PublishChatImage, now: datetime) -> None:
    """Publish one image for the chat, unless it is objectionable. Harmless twice."""
    found = db.atomically(image_store.waiting, task.image_id)
    if found is None:
        return
    if objections := _objections(found.content):
        log.info("an image was refused", image_id=found.id, objections=",".join(objections))
        db.atomically(lambda tx: image_store.refuse(tx, found.id, clock.now()))
        return
    bucket, name = read(avatars.AvatarsConfig).avatars_bucket, images.object_name(found.id)
    files.write(bucket, name, [found.content], found.content_type, cache_control=images.CACHE_CONTROL)
    is_shown = db.atomically(lambda tx: image_store.show(tx, found.id, clock.now()))
    if not is_shown and not db.atomically(image_store.is_live, found.id):  # unless another delivery was faster
        files.delete(bucket, name)  # its member has left meanwhile, or its message was removed


@job.schedule("images")
def remove_images(now: datetime) -> None:
    """Delete images from the storage whose messages were removed, that are too old, or that nobody has posted."""
    db.atomically(image_store.retire_unused, now - images.UNUSED_LIFE, IMAGES_AT_ONCE)
    db.atomically(image_store.retire_old, now - images.LIFE, IMAGES_AT_ONCE)
    with Sweep() as parts:
        parts.each(db.atomically(image_store.leaving, IMAGES_AT_ONCE), _remove_image, str)


def _remove_image(image_id: UUID) -> None:
    files.delete(read(avatars.AvatarsConfig).avatars_bucket, images.object_name(image_id))
    db.atomically(image_store.mark_removed, image_id, clock.now())


def _objections(picture: bytes) -> list[str]:
    """The reasons why nobody should see it; empty if everybody may. Raises ComeAgain."""
    try:
        return list(vision.objections(picture))
    except vision.PictureRefused as error:
        return [str(error)]
    except vision.VisionUnavailable as error:
        raise ComeAgain("nobody can look at pictures now") from error


def _store(found: Waiting) -> None:
    """Store both sizes before the address is published, so that the address never leads to nothing."""
    bucket = read(avatars.AvatarsConfig).avatars_bucket
    for name, data in ((found.object_name, found.large), (avatars.small_name(found.object_name), found.small)):
        files.write(bucket, name, [data], found.content_type, cache_control=avatars.CACHE_CONTROL)


def _show(tx: Tx, found: Waiting, now: datetime) -> None:
    """Show the picture instead of the earlier one, unless another delivery of its task has shown it. It is removed if a
    newer one was sent or the member is gone.
    """
    store.lock_member(tx, found.member_id)
    if found.id in store.shown(tx, found.member_id):
        return
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
