"""Job: have the payment provider do what orders need, and find out what has become of it (docs/shop.md, "Payments").

An operation is committed as sent before the first byte goes out. A time-out, a 5xx or a missing answer decide nothing:
the operation is looked up under its id, which is the provider's key, until the provider says what it did.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import Request, Response

from functions.payment_watch import disputes, rules, store
from functions.payment_watch.rules import Move, Unknown
from functions.payment_watch.store import Operation
from shared import clock, db, log
from shared.db import Tx
from shared.events import AskPayment, LookAtDispute
from shared.job import Hopeless, Job
from shared.orders import books, card_tokens, machine, operations, rows, tasks, telling
from shared.orders.disputes import is_lost, is_open, is_overdrawn
from shared.orders.rows import Order
from shared.ports import card
from shared.ports.card import ActionNeeded, Answer, Declined, Done, Ended, Working
from shared.ports.vendors import VendorRefused, VendorSilent
from shared.sweep import Sweep
from shared.values.states import OperationStatus
from shared.values.vendor_times import ANSWER_EXPECTED_IN

SWEPT_MAX = 500

job = Job("payment_watch")


def payment_watch(request: Request) -> Response:
    return job.handle(request)


@dataclass(frozen=True)
class Step:
    """An operation with the next move. `token` is the card's, in the clear, for an authorization only."""

    move: Move
    operation: Operation
    token: str | None
    order_is_leaving: bool


@job.task(AskPayment)
def ask(task: AskPayment, now: datetime) -> None:
    """Ask the provider for one operation, or for what has become of it. Raises Hopeless for an unknown one."""
    step = db.atomically(lambda tx: _begin(tx, task.operation_id, clock.now()))
    if step.move is Move.SEND:
        _apply(step, _send(step), "reply")
    elif step.move is Move.FIND:
        _find(step)


@job.task(LookAtDispute)
def look_at_dispute(task: LookAtDispute, now: datetime) -> None:
    """Ask the provider what has become of a dispute. Raises Hopeless for one that it does not know."""
    disputes.look(task.reference)


@job.schedule("disputes")
def look_at_disputes(now: datetime) -> None:
    """Ask the provider for every dispute that has changed; messages about them may be lost."""
    disputes.look_at_all()


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Queue a task for every operation whose answer is missing, or whose task was lost."""
    with Sweep() as parts:
        parts.part(lambda: db.atomically(_ask_again, now), "operations without an answer")


def _ask_again(tx: Tx, now: datetime) -> None:
    for operation_id in store.due(tx, now, now + ANSWER_EXPECTED_IN, SWEPT_MAX):
        tasks.ask_soon(tx, operation_id, now)


def _begin(tx: Tx, operation_id: UUID, now: datetime) -> Step:
    """Decide the next move under the order's lock; what is to be sent is marked as sent."""
    order, operation = _locked(tx, operation_id)
    leaving = order.cancel_wanted_at is not None
    move = rules.move(operation.status, operation.kind, order_is_leaving=leaving)
    if move is Move.SEND and _is_postponed(tx, operation, now):
        move = Move.NOTHING
    if move is Move.NEVER:
        operations.never_send(tx, operation_id, now)
        machine.advance(tx, order.id, now)
    token = None
    if operation.kind == "authorize" and operation.token and move in (Move.SEND, Move.FIND):
        token = card_tokens.unseal(tx, operation.payment_id, operation.token)
    if move is Move.SEND:
        store.mark_sent(tx, operation_id, now, now + ANSWER_EXPECTED_IN)
    return Step(move, operation, token, leaving)


def _is_postponed(tx: Tx, operation: Operation, now: datetime) -> bool:
    """True for a refund of a disputed payment, by which the buyer might get the money twice; it is looked after again
    later. When the bank has got what the refund had promised, people are told.
    """
    if operation.kind != "refund":
        return False
    if not is_open(tx, operation.order_id):
        if not is_overdrawn(tx, operation.order_id):
            return False
        log.error(
            "a bank has taken what a refund had promised: people must decide",
            order_id=operation.order_id, operation_id=operation.id,
        )  # fmt: skip
    store.look_again(tx, operation.id, now + rules.LOST_PAUSE)
    return True


def _locked(tx: Tx, operation_id: UUID) -> tuple[Order, Operation]:
    order_id = store.order_of(tx, operation_id)
    order = rows.lock(tx, order_id) if order_id else None
    if order is None:
        raise Hopeless("there is no such operation")
    return order, store.operation(tx, operation_id)


def _send(step: Step) -> Answer | None:
    """The provider's answer; None if nothing is known. A refusal of the request is a decline, but a refund that is
    refused because the payment is disputed is recorded again, unless its dispute is lost already.
    """
    asked = step.operation
    try:
        return _asked(step)
    except VendorRefused as refused:
        is_final = asked.kind != "refund" or db.atomically(is_lost, asked.order_id)
        if is_final or refused.reason != card.CHARGE_DISPUTED:
            return Declined(refused.reason)
        log.warning("the payment is disputed: the refund waits", order_id=asked.order_id, operation_id=asked.id)
        db.atomically(store.postpone, asked.id, refused.reason, clock.now() + rules.LOST_PAUSE)
        return None
    except VendorSilent as silent:
        log.warning("the payment provider does not answer", operation_id=asked.id, kind=asked.kind, reason=str(silent))
        return None


def _asked(step: Step) -> Answer:
    """The provider's answer. Raises VendorRefused and VendorSilent."""
    asked = step.operation
    if asked.kind == "authorize":
        assert step.token, "a payment has its token until it is authorized"
        return card.authorize(asked.id, asked.amount, step.token)
    assert asked.of, "the provider has named what is taken, let go of or given back"
    if asked.kind == "capture":
        return card.capture(asked.id, asked.of, asked.amount)
    if asked.kind == "void":
        return card.void(asked.id, asked.of)
    return card.refund(asked.id, asked.of, asked.amount)


def _find(step: Step) -> None:
    """Look up what has become of an operation. An authorization that waits for its buyer ends with its order."""
    asked, now = step.operation, clock.now()
    try:
        answer = card.find(asked.id)
        if step.order_is_leaving and asked.kind == "authorize" and (answer is None or isinstance(answer, ActionNeeded)):
            answer = card.abandon(asked.id)
    except VendorSilent as silent:
        log.warning("the payment provider does not answer", operation_id=asked.id, kind=asked.kind, reason=str(silent))
        return
    if answer is not None:
        _apply(step, answer, "lookup")
        return
    assert asked.sent_at, "what was sent has a time"
    follows = rules.unknown(asked.sent_at, now)
    if follows is Unknown.REPEAT and not db.atomically(_is_postponed, asked, now):
        _apply(step, _send(step), "reply")
    elif follows is Unknown.PEOPLE:
        log.error(
            "a payment operation is lost: people must decide",
            order_id=asked.order_id, operation_id=asked.id, kind=asked.kind,
        )  # fmt: skip
        db.atomically(store.look_again, asked.id, now + rules.LOST_PAUSE)


def _apply(step: Step, answer: Answer | None, evidence: str) -> None:
    if answer is not None:
        db.atomically(lambda tx: _record(tx, step.operation.id, answer, evidence, clock.now()))


def _record(tx: Tx, operation_id: UUID, answer: Answer, evidence: str, now: datetime) -> None:
    """Record the provider's word, book what it means, and take the order further, in one commit."""
    order, operation = _locked(tx, operation_id)
    if operation.status is not OperationStatus.SENT:
        return  # another delivery of the task has recorded it
    pause = _recorded(tx, operation, answer, evidence, now)
    if isinstance(answer, Declined | Ended) and operation.kind == "authorize" and order.cancel_wanted_at is None:
        telling.declined(tx, order, operation.payment_id, now)
    if pause is not None:
        store.look_again(tx, operation_id, now + pause)
    machine.advance(tx, order.id, now)


def _recorded(tx: Tx, operation: Operation, answer: Answer, evidence: str, now: datetime) -> timedelta | None:
    """Record one answer; returns after how long to look again when it decides nothing yet."""
    if isinstance(answer, Working):
        return rules.UNDECIDED_PAUSE
    if isinstance(answer, ActionNeeded):
        store.tell_payment(tx, operation.payment_id, reason=None, action_url=answer.url)
        return ANSWER_EXPECTED_IN
    if isinstance(answer, Done) and answer.amount != operation.amount:
        log.error(
            "the payment provider names another amount",
            order_id=operation.order_id, operation_id=operation.id, amount=str(answer.amount),
        )  # fmt: skip
        return rules.LOST_PAUSE
    if isinstance(answer, Done):
        store.succeed(tx, operation.id, evidence, answer.reference, now)
        if operation.kind == "refund":
            books.book_refunded(tx, operation.id, operation.amount, now)
        if operation.kind == "authorize":
            store.tell_payment(tx, operation.payment_id, reason=None, action_url=None)
        return None
    reason = "ended" if isinstance(answer, Ended) else answer.reason
    store.fail(tx, operation.id, evidence, reason, now)
    if operation.kind == "authorize":
        store.tell_payment(tx, operation.payment_id, reason=reason, action_url=None)
    else:
        log.error(
            "the payment provider refuses",
            order_id=operation.order_id, operation_id=operation.id, kind=operation.kind, reason=reason,
        )  # fmt: skip
    return None
