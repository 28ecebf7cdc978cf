"""Job: push a new notification to the member's devices. Each device is claimed first, and gets the notification once.

After a crash between sending and recording it, the push is sent again under the same push id, which a device does not
show twice.
"""

import time
from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.notify import rules, store
from functions.notify.store import Device, Notification
from shared import clock, db, log
from shared.db import Tx
from shared.events import NotificationMade
from shared.job import ComeAgain, Job
from shared.messages import texts, wording
from shared.messages.texts import Words
from shared.ports import push
from shared.sweep import Sweep
from shared.values.device_ids import DEVICES_MAX

CLAIM_LIFE = timedelta(seconds=90)  # longer than a delivery may take (function.yaml: timeout_seconds)
TELLING_SECONDS_MAX = 20.0  # after this, no further device is begun: one push may take 40 seconds

job = Job("notify")


def notify(request: Request) -> Response:
    return job.handle(request)


@job.on(NotificationMade)
def tell(event: NotificationMade, now: datetime) -> None:
    """Push to each device once. Raises ComeAgain if some devices could not be reached now."""
    found = db.atomically(store.notification, event.notification_id)
    if found is None or not rules.is_news(wanted=found.wanted, read=found.read, made_at=found.created_at, now=now):
        return
    if left := _tell_each(found, now):
        raise ComeAgain(f"{left} devices are still to be told")


def _tell_each(found: Notification, now: datetime) -> int:
    """Push to each device, one device's failure leaving the others alone; returns how many are left."""
    began, told = time.monotonic(), list[UUID]()
    waiting = db.atomically(store.waiting, found, now, DEVICES_MAX)

    def tell_one(device_id: UUID) -> None:
        if time.monotonic() - began <= TELLING_SECONDS_MAX and _tell_one(found, device_id, now):
            told.append(device_id)

    with Sweep() as sweep:
        sweep.each(waiting, tell_one, str)
    return len(waiting) - len(told)


def _tell_one(found: Notification, device_id: UUID, now: datetime) -> bool:
    """Push to one device; False if this device has to be tried again, or another worker is pushing to it."""
    device = db.atomically(store.claim, found, device_id, now, now + CLAIM_LIFE)
    if device is None:
        return False
    with log.bound(notification_id=found.id, device_id=device.id, platform=device.platform):
        try:
            push.send(device.platform, _push(found, device))
        except push.Unregistered as error:
            log.info("a device is gone", reason=str(error))
            db.atomically(_forget, found, device)
        except push.PushRefused as error:
            log.warning("a push was refused", reason=str(error))
            _finish(found, device, "refused")
        except push.PushDelayed as error:
            log.info("a push has to wait", reason=str(error))
            _release(found, device, error.retry_after)
            return False
        except push.PushMisconfigured as error:
            log.error("pushes cannot be sent", reason=str(error))
            _release(found, device, None)
            return False
        else:
            _finish(found, device, "sent")
    return True


def _push(found: Notification, device: Device) -> push.Push:
    told = rules.Told(found.id, found.type, found.code, found.params, found.data)
    words = texts.notice(found.code, found.params, wording.language(found.language)) or Words(found.title, found.body)
    message = rules.message(told, words)
    identity = rules.push_id(found.id, device.id)
    return push.Push(device.token, message.title, message.body, message.data, identity)


def _forget(tx: Tx, found: Notification, device: Device) -> None:
    if not store.forget(tx, device):
        store.finish(tx, found.id, device.id, "refused", clock.now())


def _finish(found: Notification, device: Device, status: str) -> None:
    db.atomically(lambda tx: store.finish(tx, found.id, device.id, status, clock.now()))


def _release(found: Notification, device: Device, retry_after: timedelta | None) -> None:
    until = rules.free_again_at(clock.now(), retry_after)
    db.atomically(store.release, found.id, device.id, until)
