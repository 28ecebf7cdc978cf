"""Job: deliver webhooks (docs/webhooks.md).

An event becomes a delivery for each endpoint that has chosen it, once. A try is recorded and committed before it is
made. Whatever comes of it, the next one is a task of ours, at a time that the delivery's row says: nothing that a
receiver does makes a task fail. A delivery may arrive twice, under the same `webhook-id`, when we die between sending
and recording.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from uuid import UUID, uuid4

from flask import Request, Response

from functions.hook_send import contents, store, telling
from functions.hook_send.store import Delivery
from shared import clock, db, log
from shared.credentials import vault
from shared.db import Tx
from shared.events import HookEvent, SendHook
from shared.job import Hopeless, Job
from shared.messages import hooks as endpoints
from shared.ports import receivers
from shared.ports.receivers import Answered
from shared.values import encoding, hooks
from shared.values.hooks import HookKind
from shared.values.states import HookDeliveryState, HookState

SWEPT_MAX = 500
LOST_AFTER = timedelta(minutes=10)  # a task that was due so long ago does not come any more

job = Job("hook_send")


def hook_send(request: Request) -> Response:
    return job.handle(request)


@dataclass(frozen=True)
class Step:
    """A try that is recorded, with what is to be sent."""

    delivery: Delivery
    number: int
    secrets: list[bytes] = field(repr=False)
    started_at: datetime


@job.on(HookEvent)
def spread(event: HookEvent, now: datetime) -> None:
    """Make a delivery for each endpoint that has chosen the event. Harmless twice. Raises Hopeless."""
    db.atomically(_spread, event, now)


@job.task(SendHook)
def send(task: SendHook, now: datetime) -> None:
    """Make one try of a delivery, unless it was made before."""
    step = db.atomically(lambda tx: _begin(tx, task, clock.now()))
    if step is None:
        return
    body = step.delivery.body.encode()
    identity = hooks.message_id(step.delivery.id)
    answered = receivers.deliver(step.delivery.url, hooks.headers(step.secrets, identity, step.started_at, body), body)
    db.atomically(lambda tx: _record(tx, step, answered, clock.now()))


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Queue a task for each delivery whose task was lost, as after a restore of the database."""
    if found := db.atomically(_ask_again, now):
        log.warning("deliveries of webhooks are tried again", number=found)


def _spread(tx: Tx, event: HookEvent, now: datetime) -> None:
    kind = HookKind(event.kind)
    content = contents.of(tx, kind, event.subject)
    if content is None:
        raise Hopeless("there is nothing that this event is about")
    body = encoding.dump({"type": kind.value, "timestamp": event.happened_at, "data": content.data}).decode()
    for endpoint in store.choosing(tx, kind, content.account_id):
        if not endpoint.is_told:
            continue
        identity = uuid4()
        if store.insert(tx, identity, endpoint.id, kind, event.subject, body=body, now=now):
            endpoints.send_soon(tx, identity, 1, now)


def _begin(tx: Tx, task: SendHook, now: datetime) -> Step | None:
    """Record the try and open the secrets; None if it was made before, or there is nothing to send any more."""
    found = store.lock(tx, task.delivery_id)
    if found is None or found.state is not HookDeliveryState.PENDING or found.tries + 1 != task.number:
        return None
    made = found.tries - found.tries_before
    if not found.endpoint.is_told or made >= hooks.TRIES_MAX:
        store.end(tx, found.id, HookDeliveryState.FAILED, now)
        _judge(tx, found, now)
        return None
    store.begin(tx, found.id, task.number, now, now + (hooks.pause_after(made + 1) or LOST_AFTER))
    opened = [
        vault.unseal(tx, secret.sealed, endpoints.secret_row(secret.id))
        for secret in store.secrets(tx, found.endpoint_id, now)
    ]
    return Step(found, task.number, opened, now)


def _record(tx: Tx, step: Step, answered: Answered, now: datetime) -> None:
    """Record the outcome, and what follows of it: an end, or the next try."""
    log.info(
        "webhook tried",
        delivery_id=step.delivery.id, number=step.number, status=answered.status, fault=answered.fault,
    )  # fmt: skip
    found = store.lock(tx, step.delivery.id)
    if found is None:
        return  # its endpoint was deleted meanwhile
    store.record(tx, found.id, step.number, answered.status, answered.fault, now=now)
    if answered.is_taken:
        store.succeed(tx, found.endpoint_id)
    else:
        store.fail(tx, found.endpoint_id, step.started_at)
    if found.state is not HookDeliveryState.PENDING or found.tries != step.number:
        return  # a later try was begun meanwhile, and decides
    if answered.is_taken:
        store.end(tx, found.id, HookDeliveryState.DELIVERED, now)
        return
    if answered.status == HTTPStatus.GONE:
        store.end(tx, found.id, HookDeliveryState.FAILED, now)
        _disable(tx, found, HookState.GONE, now)
        return
    pause = hooks.pause_after(found.tries - found.tries_before)
    if pause is None:
        store.end(tx, found.id, HookDeliveryState.FAILED, now)
    else:
        again = step.started_at + pause
        endpoints.send_soon(tx, found.id, step.number + 1, now, deliver_at=max(again, now))
    _judge(tx, found, now)


def _judge(tx: Tx, delivery: Delivery, now: datetime) -> None:
    """Disable an endpoint that has taken nothing for five days."""
    since = store.failing_since(tx, delivery.endpoint_id)
    if since is not None and now - since >= hooks.GIVEN_UP_AFTER:
        _disable(tx, delivery, HookState.FAILING, now)


def _disable(tx: Tx, delivery: Delivery, state: HookState, now: datetime) -> None:
    if store.disable(tx, delivery.endpoint_id, state, now):
        log.warning("a webhook endpoint is disabled", endpoint_id=delivery.endpoint_id, state=state)
        telling.of_disabled(tx, store.owner(tx, delivery.endpoint_id), delivery.endpoint_id, state, now)


def _ask_again(tx: Tx, now: datetime) -> int:
    lost: list[tuple[UUID, int]] = [(each.id, each.tries + 1) for each in store.lost(tx, now - LOST_AFTER, SWEPT_MAX)]
    for delivery_id, number in lost:
        store.look_later(tx, delivery_id, now)
        endpoints.send_again(tx, delivery_id, number, now)
    return len(lost)
