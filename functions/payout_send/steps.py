"""Takes payouts from REQUESTED to IN_FLIGHT, many at once: the policy, the reservation, the nonce."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.payout_send import rules, store
from shared import clock, db, log
from shared.db import Tx
from shared.payouts import machine, policy, queue, slots
from shared.payouts.machine import ROTATION, HoldReason, Payout, PayoutState, Treasury
from shared.payouts.signing import RULES_OF_THE_PAYMENT, HeldKey
from shared.payouts.slots import Signer
from shared.ports.polygon.chain import Chain
from shared.values import finality, gas
from shared.values.gas import Price
from shared.values.money import Usdt
from shared.values.polygon import GWEI, ZERO_ADDRESS
from shared.values.settings import PayoutLimits, PayoutSettings


@dataclass(frozen=True)
class WorkerSession:
    """A worker's session with a key: what it has locked, and the settings that it has read."""

    signer: Signer
    treasury: Treasury
    nodes: Chain
    bounds: PayoutSettings
    limits: PayoutLimits

    @property
    def key(self) -> HeldKey:
        return HeldKey(self.signer, self.treasury, self.nodes)

    @property
    def fee_wei_max(self) -> int:
        return self.bounds.fee_gwei_max * GWEI

    def blocked(self, recipients: Sequence[str]) -> frozenset[str]:
        """The blocked ones of the recipients, in lower case."""
        if not recipients:
            return frozenset()
        asked = sorted({recipient.lower() for recipient in recipients})
        return self.nodes.blocked(self.treasury.token_address, asked)


@dataclass(frozen=True)
class Balance:
    """A treasury's balance: USDT at the finalized block, the amount set aside, how many transactions its gas pays for,
    and by how many seconds the finalized block is behind the head.
    """

    amount: Usdt
    set_aside: Usdt
    affordable: int
    lag_seconds: int


Step = Callable[[Tx, Sequence[Payout]], str]


def decide(shift: WorkerSession, chosen: Sequence[Payout]) -> None:
    """Run the policy over new payouts, and over those on hold without approvals; record its inputs."""
    judged = [it for it in chosen if it.state in (PayoutState.REQUESTED, PayoutState.HELD)]
    if not judged:
        return
    blocked = shift.blocked([payout.recipient_address for payout in judged])

    def step(tx: Tx, group: Sequence[Payout]) -> str:
        ids = [payout.id for payout in group]
        locked = machine.load_all(tx, ids, PayoutState.REQUESTED, PayoutState.HELD)
        treasury = machine.treasury_of(tx, shift.treasury.name)
        now = clock.now()
        seen = _Seen(
            treasury.paused_at is not None,
            blocked,
            store.ours(tx, [payout.recipient_address for payout in locked]) | {ZERO_ADDRESS},
            store.people_agreed(tx, ids),
            store.may_be_paid_already(tx, ids),
            suspended=store.suspended(tx, ids),
            awarded=store.need_second_person(tx, ids),
            disputed=store.disputed(tx, ids),
            in_week=store.agreed_in_week(tx, ids),
            own=store.approved_own_week(tx, ids),
        )
        today = queue.approved_today(tx, treasury.name, now)
        for payout in locked:
            if payout.state is PayoutState.HELD and machine.approvals(tx, payout.id).needed:
                continue
            if _judge(tx, shift, payout, seen, today, now=now) and not (
                seen.agreed.get(payout.id) or payout.id in seen.in_week
            ):
                today += payout.amount
        return ""

    _each(shift, judged, step)


@dataclass(frozen=True)
class _Seen:
    paused: bool
    blocked: frozenset[str]
    strange: frozenset[str]
    agreed: Mapping[UUID, int]
    doubtful: frozenset[UUID]
    suspended: frozenset[UUID]
    awarded: frozenset[UUID]
    disputed: frozenset[UUID]
    in_week: frozenset[UUID]
    own: frozenset[UUID]


def _judge(tx: Tx, shift: WorkerSession, payout: Payout, seen: _Seen, today: Usdt, now: datetime) -> bool:
    """Record the policy's decision about one payout, unless it stays held for the same reason; True if it may go on."""
    recipient = payout.recipient_address.lower()
    inputs = rules.Inputs(
        amount=payout.amount,
        recipient_address=payout.recipient_address,
        recipient_is_strange=recipient in seen.strange and payout.source_kind != ROTATION,
        may_be_paid_already=payout.id in seen.doubtful,
        paused=seen.paused,
        blocked=recipient in seen.blocked,
        suspended=payout.id in seen.suspended,
        people_agreed=policy.TWO_PEOPLE if payout.source_kind == ROTATION else seen.agreed.get(payout.id, 0),
        agreed_in_week=payout.id in seen.in_week,
        approved_own=payout.id in seen.own,
        needs_second_person=payout.id in seen.awarded,
        disputed=payout.id in seen.disputed,
        approved_today=today,
        single_amount_max=shift.limits.single,
        day_amount_max=shift.limits.day,
    )
    verdict = rules.judge(inputs)
    if verdict.hold == payout.hold_reason and payout.state is PayoutState.HELD:
        return False
    if verdict.hold:
        log.warning("a payout is held", payout_id=payout.id, treasury=payout.treasury, reason=verdict.hold)
    machine.decide(
        tx,
        payout,
        policy_version=policy.VERSION,
        inputs=inputs.recorded(),
        hold=verdict.hold,
        approvals_needed=verdict.approvals_needed,
        now=now,
    )
    return verdict.hold is None


def reserve(shift: WorkerSession, chosen: Sequence[Payout]) -> str:
    """Reserve the money, oldest request first; returns why it went no further, if time may help, else "".

    A payout for which USDT, gas or the hour's limit do not suffice is held; what goes over that limit without people
    pauses the treasury too. Does nothing while the treasury is paused.
    """
    if shift.treasury.paused_at or not any(it.state is not PayoutState.RESERVED for it in chosen):
        return ""
    price = gas.offer_within(shift.nodes.fees(), shift.fee_wei_max)
    if price is None:
        return "the base fee is above what we pay"
    purse = _balance(shift, price)

    def step(tx: Tx, group: Sequence[Payout]) -> str:
        locked = machine.load_all(tx, [payout.id for payout in group], PayoutState.APPROVED)
        treasury = machine.treasury_of(tx, shift.treasury.name)
        return "" if treasury.paused_at or not locked else _set_aside(tx, shift, locked, purse)

    return _each(shift, chosen, step)


def _balance(shift: WorkerSession, price: Price) -> Balance:
    """The treasury's balance. The reserved amount is read first, so that a payout that becomes PAID in between is still
    counted as reserved.
    """
    signer = shift.signer
    before = db.atomically(queue.committed, signer.treasury).set_aside
    amount = Usdt(shift.nodes.token_balance(shift.treasury.token_address, signer.address))
    gas_wei = shift.nodes.gas_balance(signer.address)
    open_nonces = db.atomically(slots.count_open, signer.address)
    affordable = gas.affordable(gas_wei, price, open_nonces)
    return Balance(amount, before, affordable, shift.nodes.heads().lag_seconds)


def _set_aside(tx: Tx, shift: WorkerSession, group: Sequence[Payout], purse: Balance) -> str:
    now = clock.now()
    treasury = shift.treasury.name
    already = store.set_aside(tx, [payout.id for payout in group])
    committed = queue.committed(tx, treasury)
    aside = max(purse.set_aside, committed.set_aside)
    hour = queue.reserved_last_hour(tx, treasury, now)
    agreed = store.people_agreed(tx, [payout.id for payout in group])
    in_want = store.first_in_want(tx, treasury)
    for position, payout in enumerate(group):
        turn = (payout.requested_at, payout.id)
        if payout.id in already:
            machine.reserve(tx, payout, now, set_aside=True)
            continue
        free = purse.amount if payout.source_kind == ROTATION else purse.amount - aside
        if finality.is_stalled(purse.lag_seconds) and payout.amount > shift.bounds.stalled_amount_max - aside:
            log.error("finality stands still", treasury=treasury, lag_seconds=purse.lag_seconds)
            return "the finalized block stands still and enough is on its way"
        by_people = agreed.get(payout.id, 0) > 0
        gone = hour.agreed if by_people else hour.alone
        if payout.amount > shift.limits.hour - gone and payout.source_kind != ROTATION:
            if not by_people:
                _stop(tx, payout, now)
                return ""
            log.error("people have let go more than an hour may", treasury=treasury, payout_id=payout.id)
            machine.hold_back(tx, payout, HoldReason.LIMIT, now)
            continue
        if position >= purse.affordable:
            log.error("the treasury has no gas", treasury=treasury, payout_id=payout.id)
            machine.hold_back(tx, payout, HoldReason.GAS, now)
        elif free < payout.amount <= free + committed.leaving:
            return "what is leaving the treasury may be missing from its balance already"
        elif free < payout.amount or (in_want and in_want < turn):
            log.error("the treasury cannot pay", treasury=treasury, payout_id=payout.id)
            machine.hold_back(tx, payout, HoldReason.FUNDS, now)
            in_want = min(in_want or turn, turn)
        else:
            machine.reserve(tx, payout, now, set_aside=False)
            aside, hour = aside + payout.amount, hour.plus(payout.amount, by_people=by_people)
    return ""


def _stop(tx: Tx, payout: Payout, now: datetime) -> None:
    """The hourly limit is reached: pause the treasury until a person resumes it."""
    reason = "more would leave within an hour than the limit allows"
    machine.pause(tx, payout.treasury, reason, now)
    log.error("the treasury is paused", treasury=payout.treasury, reason=reason, payout_id=payout.id)
    machine.hold_back(tx, payout, HoldReason.LIMIT, now)


def allocate(shift: WorkerSession, chosen: Sequence[Payout]) -> str:
    """Give payouts the key's next nonces; none while the treasury is paused, because an unsigned nonce blocks all later
    ones.

    A recipient who is blocked after this costs a reverting transaction or a no-op; one who is suspended, a no-op. A
    payout that may be paid already gets no nonce and is held. Returns why it went no further, as `reserve` does.
    """
    ids = [payout.id for payout in chosen]
    waiting = db.atomically(machine.load_all, ids, PayoutState.RESERVED)
    if not waiting:
        return ""
    blocked = shift.blocked([payout.recipient_address for payout in waiting])

    def step(tx: Tx, group: Sequence[Payout]) -> str:
        locked = machine.load_all(tx, [payout.id for payout in group], PayoutState.RESERVED)
        suspended = store.suspended(tx, [payout.id for payout in locked])
        room = _room(tx, shift)
        doubtful = store.may_be_paid_already(tx, [payout.id for payout in locked])
        if machine.treasury_of(tx, shift.treasury.name).paused_at:
            return ""
        if not slots.is_still(tx, shift.signer):
            return "the key makes way for the next one"
        for payout in locked:
            reason = HoldReason.SUSPENDED if payout.id in suspended else HoldReason.BLOCKED
            if payout.id in suspended or payout.recipient_address.lower() in blocked:
                log.warning("a payout is held", payout_id=payout.id, treasury=payout.treasury, reason=reason)
                machine.hold_back(tx, payout, reason, clock.now())
            elif payout.id in doubtful:
                log.warning("a payout is held", payout_id=payout.id, treasury=payout.treasury, reason="review")
                needed = policy.TWO_PEOPLE
                machine.hold_back(tx, payout, HoldReason.REVIEW, clock.now(), approvals_needed=needed)
            elif room:
                machine.allocate_slot(tx, payout, shift.signer, clock.now())
                room -= 1
            else:
                return "as many nonces are open as may be"
        return ""

    return _each(shift, waiting, step)


def _room(tx: Tx, shift: WorkerSession) -> int:
    """How many more nonces may be open."""
    return max(0, shift.bounds.in_flight_max - slots.count_open(tx, shift.signer.address))


def _each(shift: WorkerSession, group: Sequence[Payout], step: Step) -> str:
    """Run the step for all payouts in one transaction; if that fails, one by one, and postpone the failing payout.

    An outage of the database is raised, and so is the failure of a worker that has lost its key, since no payout is at
    fault.
    """
    try:
        return db.atomically(step, group)
    except Exception as failure:
        if db.is_outage(failure) or _is_ours(shift, failure):
            raise
        if len(group) == 1:
            log.error("a payout cannot go on", payout_id=group[0].id, rule=db.rule_of(failure), reason=str(failure))
            db.atomically(lambda tx: store.postpone(tx, group[0].id, clock.now()))
            return ""
    reasons = [_each(shift, [payout], step) for payout in group]
    return next(filter(None, reasons), "")


def _is_ours(shift: WorkerSession, failure: Exception) -> bool:
    """Whether the key, the treasury or this worker is at fault, and no payout."""
    rule = db.rule_of(failure)
    if rule.startswith(OURS) and rule not in RULES_OF_THE_PAYMENT:
        return True
    return isinstance(failure, db.ConstraintViolated) and not db.atomically(slots.holds, shift.signer)


OURS = ("R6_", "R7_", "R8_")  # rules of the key and the treasury, without those of a single payment
