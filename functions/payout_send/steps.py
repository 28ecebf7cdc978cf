"""From REQUESTED to IN_FLIGHT, many payouts at once: the policy, the money set aside, the nonce."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.payout_send import rules, store
from shared import clock, db, log, payout_fees, payout_queue, payout_slots, payouts
from shared.db import Tx
from shared.money import Usdt
from shared.payout_signing import Key
from shared.payout_slots import Signer
from shared.payout_terms import ZERO_ADDRESS
from shared.payouts import ROTATION, HoldReason, Payout, PayoutState, Treasury
from shared.ports.chain import Chain
from shared.ports.transactions import Price
from shared.settings import PayoutLimits, PayoutSettings

LAG_SECONDS_MAX = 60  # of the finalized block, before the treasury becomes careful


@dataclass(frozen=True)
class Shift:
    """A worker's time at a key: what it holds, and what it knows."""

    signer: Signer
    treasury: Treasury
    nodes: Chain
    bounds: PayoutSettings
    limits: PayoutLimits

    @property
    def key(self) -> Key:
        return Key(self.signer, self.treasury, self.nodes)

    @property
    def fee_wei_max(self) -> int:
        return self.bounds.fee_gwei_max * payout_fees.GWEI

    def blocked(self, recipients: Sequence[str]) -> frozenset[str]:
        """In lower case."""
        if not recipients:
            return frozenset()
        asked = sorted({recipient.lower() for recipient in recipients})
        return self.nodes.blocked(self.treasury.token_address, asked)


@dataclass(frozen=True)
class Purse:
    """What a treasury has: USDT at the finalized block, transactions that its gas still pays for, the chain's pace."""

    amount: Usdt
    set_aside: Usdt
    affordable: int
    lag_seconds: int


Step = Callable[[Tx, Sequence[Payout]], str]


def decide(shift: Shift, chosen: Sequence[Payout]) -> None:
    """Run the policy over the new ones, and over those that only their cause held; record what it saw."""
    judged = [it for it in chosen if it.state in (PayoutState.REQUESTED, PayoutState.HELD)]
    if not judged:
        return
    blocked = shift.blocked([payout.recipient_address for payout in judged])

    def step(tx: Tx, group: Sequence[Payout]) -> str:
        ids = [payout.id for payout in group]
        locked = payouts.load_all(tx, ids, PayoutState.REQUESTED, PayoutState.HELD)
        treasury = payouts.treasury_of(tx, shift.treasury.name)
        now = clock.now()
        seen = _Seen(
            treasury.paused_at is not None,
            blocked,
            store.ours(tx, [payout.recipient_address for payout in locked]) | {ZERO_ADDRESS},
            payout_queue.agreed_by_people(tx, ids),
            payout_queue.may_be_paid_already(tx, ids),
        )
        today = payout_queue.let_go_today(tx, treasury.name, now)
        for payout in locked:
            if payout.state is PayoutState.HELD and payouts.approvals(tx, payout.id).needed:
                continue
            if _judge(tx, shift, payout, seen, today, now):
                today += payout.amount
        return ""

    _each(shift, judged, step)


@dataclass(frozen=True)
class _Seen:
    paused: bool
    blocked: frozenset[str]
    strange: frozenset[str]
    agreed: frozenset[UUID]
    doubtful: frozenset[UUID]


def _judge(tx: Tx, shift: Shift, payout: Payout, seen: _Seen, today: Usdt, now: datetime) -> bool:
    """Record the verdict on one; True when it may go on."""
    recipient = payout.recipient_address.lower()
    inputs = rules.Inputs(
        amount=payout.amount,
        recipient_address=payout.recipient_address,
        recipient_is_strange=recipient in seen.strange and payout.source_kind != ROTATION,
        may_be_paid_already=payout.id in seen.doubtful,
        paused=seen.paused,
        blocked=recipient in seen.blocked,
        agreed_by_people=payout.id in seen.agreed or payout.source_kind == ROTATION,
        let_go_today=today,
        single_amount_max=shift.limits.single,
        day_amount_max=shift.limits.day,
    )
    verdict = rules.judge(inputs)
    if verdict.hold == payout.hold_reason and payout.state is PayoutState.HELD:
        return False
    if verdict.hold:
        log.warning("a payout is held", payout_id=payout.id, treasury=payout.treasury, reason=verdict.hold)
    payouts.decide(
        tx,
        payout,
        policy_version=rules.POLICY_VERSION,
        inputs=inputs.recorded(),
        hold=HoldReason(verdict.hold) if verdict.hold else None,
        approvals_needed=verdict.approvals_needed,
        now=now,
    )
    return verdict.hold is None


def reserve(shift: Shift, chosen: Sequence[Payout]) -> str:
    """Set the money aside, first requested first, as far as it goes; why it went no further, if time may help."""
    if shift.treasury.paused_at or not any(it.state is not PayoutState.RESERVED for it in chosen):
        return ""
    price = payout_fees.offer(shift.nodes.fees(), shift.fee_wei_max)
    if price is None:
        return "the base fee is above what we pay"
    purse = _purse(shift, price)

    def step(tx: Tx, group: Sequence[Payout]) -> str:
        locked = payouts.load_all(tx, [payout.id for payout in group], PayoutState.APPROVED)
        treasury = payouts.treasury_of(tx, shift.treasury.name)
        return "" if treasury.paused_at or not locked else _set_aside(tx, shift, locked, purse)

    return _each(shift, chosen, step)


def _purse(shift: Shift, price: Price) -> Purse:
    """What is set aside is read before the balance: what becomes PAID in between is still counted as set aside."""
    signer = shift.signer
    before = db.atomically(lambda tx: payout_queue.committed(tx, signer.treasury)).set_aside
    amount = Usdt(shift.nodes.token_balance(shift.treasury.token_address, signer.address))
    gas_wei = shift.nodes.gas_balance(signer.address)
    open_nonces = db.atomically(lambda tx: payout_slots.count_open(tx, signer.address))
    affordable = payout_fees.affordable(gas_wei, price, open_nonces)
    return Purse(amount, before, affordable, shift.nodes.heads().lag_seconds)


def _set_aside(tx: Tx, shift: Shift, group: Sequence[Payout], purse: Purse) -> str:
    now = clock.now()
    treasury = shift.treasury.name
    already = payout_queue.set_aside(tx, [payout.id for payout in group])
    committed = payout_queue.committed(tx, treasury)
    aside = max(purse.set_aside, committed.set_aside)
    hour = payout_queue.let_go_in_an_hour(tx, treasury, now)
    in_want = payout_queue.first_in_want(tx, treasury)
    for position, payout in enumerate(group):
        turn = (payout.requested_at, payout.id)
        if payout.id in already:
            payouts.reserve(tx, payout, now, set_aside=True)
            continue
        free = purse.amount if payout.source_kind == ROTATION else purse.amount - aside
        if purse.lag_seconds > LAG_SECONDS_MAX and aside + payout.amount > shift.bounds.stalled_amount_max:
            log.error("finality stands still", treasury=treasury, lag_seconds=purse.lag_seconds)
            return "the finalized block stands still and enough is on its way"
        if hour + payout.amount > shift.limits.hour and payout.source_kind != ROTATION:
            _stop(tx, payout, now)
            return ""
        if position >= purse.affordable:
            log.error("the treasury has no gas", treasury=treasury, payout_id=payout.id)
            payouts.hold_back(tx, payout, HoldReason.GAS, now)
        elif free < payout.amount <= free + committed.leaving:
            return "what is leaving the treasury may be missing from its balance already"
        elif free < payout.amount or (in_want and in_want < turn):
            log.error("the treasury cannot pay", treasury=treasury, payout_id=payout.id)
            payouts.hold_back(tx, payout, HoldReason.FUNDS, now)
            in_want = min(in_want or turn, turn)
        else:
            payouts.reserve(tx, payout, now, set_aside=False)
            aside, hour = aside + payout.amount, hour + payout.amount
    return ""


def _stop(tx: Tx, payout: Payout, now: datetime) -> None:
    """More than an hour may let go: nobody is paid until somebody has looked."""
    reason = "more would leave within an hour than the limit allows"
    payouts.pause(tx, payout.treasury, reason, now)
    log.error("the treasury is paused", treasury=payout.treasury, reason=reason, payout_id=payout.id)
    payouts.hold_back(tx, payout, HoldReason.LIMIT, now)


def allocate(shift: Shift, chosen: Sequence[Payout]) -> str:
    """Give payouts the signer's next nonces; none under a pause: a nonce that is not signed holds up all later ones.

    Who is blocked from here on costs a transaction that reverts, or a no-op.
    """
    ids = [payout.id for payout in chosen]
    waiting = db.atomically(lambda tx: payouts.load_all(tx, ids, PayoutState.RESERVED))
    if not waiting:
        return ""
    blocked = shift.blocked([payout.recipient_address for payout in waiting])

    def step(tx: Tx, group: Sequence[Payout]) -> str:
        locked = payouts.load_all(tx, [payout.id for payout in group], PayoutState.RESERVED)
        room = _room(tx, shift)
        if payouts.treasury_of(tx, shift.treasury.name).paused_at:
            return ""
        if not payout_slots.is_still(tx, shift.signer):
            return "the key makes way for the next one"
        for payout in locked:
            if payout.recipient_address.lower() in blocked:
                log.warning("a payout is held", payout_id=payout.id, treasury=payout.treasury, reason="blocked")
                payouts.hold_back(tx, payout, HoldReason.BLOCKED, clock.now())
            elif room:
                payouts.allocate_slot(tx, payout, shift.signer, clock.now())
                room -= 1
            else:
                return "as many nonces are open as may be"
        return ""

    return _each(shift, waiting, step)


def _room(tx: Tx, shift: Shift) -> int:
    """How many more nonces may be open."""
    return max(0, shift.bounds.in_flight_max - payout_slots.count_open(tx, shift.signer.address))


def _each(shift: Shift, group: Sequence[Payout], step: Step) -> str:
    """All in one transaction; if the database refuses that, one by one, and whoever is to blame steps aside.

    A worker that was overtaken is to blame itself: its refusal rises.
    """
    try:
        return db.atomically(lambda tx: step(tx, group))
    except db.Refused as refused:
        if refused.constraint.startswith(OURS) or not db.atomically(lambda tx: payout_slots.holds(tx, shift.signer)):
            raise
        if len(group) == 1:
            log.error("a payout cannot go on", payout_id=group[0].id, rule=refused.constraint, reason=str(refused))
            db.atomically(lambda tx: payout_queue.step_aside(tx, group[0].id, clock.now()))
            return ""
    reasons = [_each(shift, [payout], step) for payout in group]
    return next(filter(None, reasons), "")


OURS = ("R6_", "R7_", "R8_")  # rules of the key and the treasury, not of a payout
