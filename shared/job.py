"""Background functions: the envelope, the verified caller, and one of three outcomes: done, again, or never.

A Pub/Sub push, a Cloud Tasks task and a Scheduler call all arrive as a POST. 204 acknowledges. A `Hopeless` fault is
recorded in `job_faults` and acknowledged, because trying again would change nothing. Every other fault is temporary: it
answers 500 (503 when it only has to wait), is delivered again later, and ends in the dead letters, which wake a person.
"""

import base64
import binascii
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from flask import Request, Response
from pydantic import ValidationError
from werkzeug.datastructures import Headers

from shared import auth, clock, db, events, log
from shared.db import Tx
from shared.events import Event, Task
from shared.figures import integrations
from shared.values import encoding
from shared.values.problems import InternalError, MethodNotAllowed, Overloaded, Problem
from shared.web.http import discard_body, problem_response, read_body

ENVELOPE_BYTES_MAX = 10 * 1024 * 1024  # what Pub/Sub and Cloud Tasks carry at most
FAULT_BODY_MAX = 10_000

EventModel = TypeVar("EventModel", bound=Event)
TaskModel = TypeVar("TaskModel", bound=Task)
EventHandler = Callable[[EventModel, datetime], None]
TaskHandler = Callable[[TaskModel, datetime], None]
ScheduleHandler = Callable[[datetime], None]


class Hopeless(Exception):
    """Raised when a delivery can never succeed; the message says why."""


class ComeAgain(Exception):
    """Raised when a delivery should come again later: another worker is busy with it, or it is too early."""


@dataclass(frozen=True)
class Delivery:
    """One delivery: `kind` is the topic, the queue or the name of the schedule."""

    id: str
    kind: str
    payload: bytes
    attempt: int


class Job:
    """The events, tasks and schedules that one background function handles."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.events: dict[str, tuple[type[Event], Callable[[Any, datetime], None]]] = {}
        self.tasks: dict[str, tuple[type[Task], Callable[[Any, datetime], None]]] = {}
        self.schedules: dict[str, ScheduleHandler] = {}

    def on(self, model: type[EventModel]) -> Callable[[EventHandler[EventModel]], EventHandler[EventModel]]:
        """Register the handler of an event: `def handler(event: ThatEvent, now: datetime) -> None`."""

        def register(handler: EventHandler[EventModel]) -> EventHandler[EventModel]:
            self.events[model.topic] = (model, handler)
            return handler

        return register

    def task(self, model: type[TaskModel]) -> Callable[[TaskHandler[TaskModel]], TaskHandler[TaskModel]]:
        """Register the handler of a task: `def handler(task: ThatTask, now: datetime) -> None`."""

        def register(handler: TaskHandler[TaskModel]) -> TaskHandler[TaskModel]:
            self.tasks[model.queue] = (model, handler)
            return handler

        return register

    def schedule(self, name: str) -> Callable[[ScheduleHandler], ScheduleHandler]:
        """Register the handler of a schedule in function.yaml: `def handler(now: datetime) -> None`."""

        def register(handler: ScheduleHandler) -> ScheduleHandler:
            self.schedules[name] = handler
            return handler

        return register

    def handle(self, request: Request) -> Response:
        """Handle one delivery: 204 when it is done or hopeless, 500 or 503 when it must come again; 403 to a caller who
        is not ours.
        """
        started = time.perf_counter()
        with log.bound(job=self.function), db.acting_for(self.function):
            try:
                outcome, response = self._deliver(request)
            except Problem as problem:
                outcome, response = problem.slug(), problem_response(problem)
            except ComeAgain as reason:
                outcome, response = f"come again: {reason}", problem_response(Overloaded(str(reason)))
            except Exception:  # noqa: BLE001 - the last stand: logged once with its trace; the caller tries again
                log.error("job failed, it will be tried again")
                outcome, response = "failed", problem_response(InternalError())
            finally:
                events.publish_soon()
                integrations.store(self.function)
            discard_body(request)
            log.info("job", outcome=outcome, milliseconds=round((time.perf_counter() - started) * 1000, 1))
        return response

    def _deliver(self, request: Request) -> tuple[str, Response]:
        auth.require_invoker(request, self.function)
        if request.method != "POST":
            raise MethodNotAllowed(headers={"Allow": "POST"})
        raw = read_body(request, ENVELOPE_BYTES_MAX)
        try:
            delivery = _opened(raw, request.headers)
            with log.bound(delivery=delivery.id, kind=delivery.kind, attempt=delivery.attempt):
                self._call(delivery)
        except Hopeless as fault:
            self._record(raw, request.headers, str(fault))
            return "hopeless", Response(status=204)
        return "done", Response(status=204)

    def _call(self, delivery: Delivery) -> None:
        now = clock.now()
        if delivery.kind in self.schedules:
            self._run(delivery.kind, now)
            return
        model, handler = self._receiver(delivery.kind)
        try:
            message = model.model_validate_json(delivery.payload)
        except ValidationError as error:
            raise Hopeless(f"not a {model.__name__}: {error.error_count()} faults") from None
        handler(message, now)

    def _run(self, schedule: str, now: datetime) -> None:
        """Call a schedule, and note that it has ended, or failed; one that only has to come again is neither."""
        started = time.perf_counter()
        try:
            self.schedules[schedule](now)
        except ComeAgain:
            raise
        except Exception:
            self._note(schedule, None)
            raise
        self._note(schedule, round((time.perf_counter() - started) * 1000))

    def _note(self, schedule: str, milliseconds: int | None) -> None:
        """Store when a run has ended and how long it took, or with None that it has failed. A run whose end cannot be
        stored has ended all the same.
        """
        now = clock.now()

        def upsert(tx: Tx) -> None:
            tx.run(
                """
                INSERT INTO job_runs AS known (job, schedule, ended_at, milliseconds, failed_at)
                VALUES (:job, :schedule, :ended_at, :milliseconds, :failed_at)
                ON CONFLICT (job, schedule) DO UPDATE
                SET ended_at = greatest(EXCLUDED.ended_at, known.ended_at),
                    milliseconds = coalesce(EXCLUDED.milliseconds, known.milliseconds),
                    failed_at = greatest(EXCLUDED.failed_at, known.failed_at)
                """,
                job=self.function,
                schedule=schedule,
                ended_at=None if milliseconds is None else now,
                milliseconds=milliseconds,
                failed_at=now if milliseconds is None else None,
            )

        try:
            db.atomically(upsert)
        except Exception as error:  # noqa: BLE001 - nothing that goes wrong here may have the run done again
            log.warning("the end of a run was not stored", reason=type(error).__name__)

    def _receiver(self, kind: str) -> tuple[type[Event] | type[Task], Callable[[Any, datetime], None]]:
        if kind in self.events:
            return self.events[kind]
        for queue, receiver in self.tasks.items():
            if kind == queue or kind.startswith(f"{queue}-"):
                return receiver
        raise Hopeless(f"{self.function} does not know what to do with {kind or 'this'}")

    def _record(self, raw: bytes, headers: Headers, reason: str) -> None:
        log.error("delivery is hopeless", reason=reason)
        body = raw[:FAULT_BODY_MAX].decode(errors="replace").replace("\x00", "")
        identity = _identity(raw, headers)
        now = clock.now()

        def insert(tx: Tx) -> None:
            tx.run(
                """
                INSERT INTO job_faults (job, delivery_id, body, reason, happened_at)
                VALUES (:job, :delivery_id, :body, :reason, :now) ON CONFLICT DO NOTHING
                """,
                job=self.function,
                delivery_id=identity,
                body=body,
                reason=reason,
                now=now,
            )

        db.atomically(insert)


def _opened(raw: bytes, headers: Headers) -> Delivery:
    """The delivery in a request. Raises Hopeless if it is none that Pub/Sub, Cloud Tasks or the Scheduler sends."""
    if "X-CloudTasks-TaskName" in headers:
        attempt = headers.get("X-CloudTasks-TaskRetryCount", "0")
        return Delivery(
            headers["X-CloudTasks-TaskName"],
            headers.get("X-CloudTasks-QueueName", ""),
            raw,
            int(attempt) + 1 if attempt.isdigit() else 1,
        )
    try:
        envelope = encoding.parse(raw)
    except encoding.NotJson as error:
        raise Hopeless(f"the envelope is not JSON: {error}") from None
    if not isinstance(envelope, dict):
        raise Hopeless("the envelope is not an object")
    if "schedule" in envelope:
        return Delivery("", str(envelope["schedule"]), b"", 1)
    return _pushed(envelope)


def _pushed(envelope: Mapping[str, Any]) -> Delivery:
    """The message in the wrapped body of a push subscription (cloud.google.com/pubsub/docs/push)."""
    try:
        message = envelope["message"]
        payload = base64.b64decode(message.get("data", ""), validate=True)
        topic = str(message["attributes"]["topic"])  # set by the publisher
        return Delivery(str(message["messageId"]), topic, payload, int(envelope.get("deliveryAttempt", 1)))
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error):
        raise Hopeless("not the envelope of a push subscription") from None


def _identity(raw: bytes, headers: Headers) -> str:
    return headers.get("X-CloudTasks-TaskName") or hashlib.sha256(raw).hexdigest()
