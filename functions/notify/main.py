"""Job: tell a member's devices about a new notification. Each device is claimed before it is told, and told once.

After a crash between telling and noting, it is told again under the same push id, which the device does not show twice.
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
from shared.ports import push

DEVICES_MAX = 10
CLAIM_LIFE = timedelta(seconds=90)  # longer than a delivery may take (function.yaml: timeout_seconds)
TELLING_SECONDS_MAX = 20.0  # no further device is begun after that: one may take 40

job = Job("notify")


def notify(request: Request) -> Response:
    """The function's door."""
    return job.handle(request)


@job.on(NotificationMade)
def tell(event: NotificationMade, now: datetime) -> None:
    """Tell each device once; come again for those that could not be told now."""
    began = time.monotonic()
    found = db.atomically(lambda tx: store.notification(tx, event.notification_id))
    if found is None or not rules.is_news(wanted=found.wanted, read=found.read, made_at=found.created_at, now=now):
        return
    left = 0
    for waiting in db.atomically(lambda tx: store.waiting(tx, found, DEVICES_MAX)):
        in_time = time.monotonic() - began <= TELLING_SECONDS_MAX
        if not (in_time and _tell_one(found, waiting.device_id, now)):
            left += 1
    if left:
        raise ComeAgain(f"{left} devices are still to be told")


def _tell_one(found: Notification, device_id: UUID, now: datetime) -> bool:
    """False when this device has to be tried again, by this job or by whoever is at it just now."""
    device = db.atomically(lambda tx: store.claim(tx, found, device_id, now, now + CLAIM_LIFE))
    if device is None:
        return False
    with log.bound(notification_id=found.id, device_id=device.id, platform=device.platform):
        try:
            push.send(device.platform, _push(found, device))
        except push.Unregistered as error:
            log.info("a device is gone", reason=str(error))
            db.atomically(lambda tx: _forget(tx, found, device))
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
    message = rules.message(found.id, found.type, found.title, found.body, found.data)
    identity = rules.push_id(found.id, device.id)
    return push.Push(device.token, message.title, message.body, message.data, identity)


def _forget(tx: Tx, found: Notification, device: Device) -> None:
    if not store.forget(tx, device):
        store.finish(tx, found.id, device.id, "refused", clock.now())


def _finish(found: Notification, device: Device, status: str) -> None:
    db.atomically(lambda tx: store.finish(tx, found.id, device.id, status, clock.now()))


def _release(found: Notification, device: Device, retry_after: timedelta | None) -> None:
    until = rules.free_again_at(clock.now(), retry_after)
    db.atomically(lambda tx: store.release(tx, found.id, device.id, until))
