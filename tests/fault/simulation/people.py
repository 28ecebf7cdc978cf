"""Acts of people, through the machine's own functions: approve, cancel, release, end quarantines, explain, rotate.

Members link wallets.
"""

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from shared import db
from shared.comps import awards, totals
from shared.comps.awards import CompPaid, PaymentUnderWay
from shared.db import Tx
from shared.payouts import explanations, machine, recovery
from shared.payouts.machine import CANCELLABLE, PayoutState, Promise
from shared.payouts.recovery import NoEvidence
from tests.fault.simulation.violated import Violated

if TYPE_CHECKING:
    from tests.fault.simulation.world import World

APPROVERS = (UUID(int=1, version=4), UUID(int=2, version=4))
REQUESTER = UUID(int=3, version=4)
SETTLED = (  # treasuries that may sign again
    "SELECT name FROM treasuries t WHERE paused_at IS NOT NULL AND NOT EXISTS (SELECT FROM signers s "
    "WHERE s.treasury = t.name AND rebuild_asked_at IS NOT NULL) AND NOT EXISTS (SELECT FROM payouts p "
    "WHERE p.treasury = t.name AND state = 'QUARANTINED') AND NOT EXISTS (SELECT FROM payout_slots o "
    "JOIN signers k ON k.address = o.signer WHERE k.treasury = t.name AND o.state = 'FOREIGN')"
)
WINNERS = tuple(UUID(int=place, version=4) for place in range(11, 15))
REFUSED = (machine.NotWaiting, machine.OwnPayout, machine.ApprovedBefore, CompPaid, PaymentUnderWay)


def act(world: "World", what: str, source: str, who: str) -> None:
    """One request of a person, in the worker that serves it."""
    if what != "cancel_comp" and source not in world.payouts():
        return  # it is not on their screen yet
    acts = {"approve": _approve, "cancel": _cancel, "cancel_comp": _cancel_comp}
    try:
        db.atomically(lambda tx: acts[what](tx, world, source, who))
    except REFUSED as refusal:
        world.note(who, f"is refused: {type(refusal).__name__}")


def _approve(tx: Tx, world: "World", source: str, who: str) -> None:
    """Approve as functions/admin_treasury does."""
    payout = machine.load(tx, world.payouts()[source][0])
    assert payout
    agreed = machine.approve(tx, payout.id, UUID(who), {}, world.now())
    if payout.state is not PayoutState.HELD or UUID(who) == payout.requested_by:
        raise Violated(f"F32: {who} could approve {source}, which is {payout.state}")
    if agreed.given >= agreed.needed:
        machine.release(tx, payout.id, world.now())


def _cancel(tx: Tx, world: "World", source: str, _: str) -> None:
    payout = machine.load(tx, world.payouts()[source][0])
    assert payout
    if payout.state in CANCELLABLE:
        machine.cancel(tx, payout, world.now())


def _cancel_comp(tx: Tx, world: "World", source: str, _: str) -> None:
    awards.cancel(tx, UUID(source), "by mistake", world.now())


def link(world: "World", promise: Promise) -> None:
    """A member links a wallet: the payouts that waited for one are requested, unless they were cancelled."""
    member, address = promise.member_id, promise.recipient_address
    assert member

    def work(tx: Tx) -> None:
        totals.lock(tx, member)
        tx.run("UPDATE members SET wallet_address = :address WHERE id = :id", address=address, id=member)
        awards.pay_pending(tx, member, address, world.now())

    db.atomically(work)
    if promise.source_id not in world.payouts():
        world.refused.add(promise.source_id)  # invariants.check knows whether that was right


def work(world: "World") -> None:
    """Do, once a minute after the faults, everything that waits for people."""
    explain(world)
    for source, (identity, state, reason) in sorted(world.payouts().items()):
        if state == "QUARANTINED":
            _agree(world, identity)
            world.note("operator", f"has the quarantine of {source} ended")  # payout_recover ends it
        elif state == "HELD" and reason in world.plan.released and source not in world.kept_held:
            _agree(world, identity)
            world.note("operator", f"lets {source} go, which was held: {reason}")
            with suppress(machine.MayBePaidAlready, machine.TooFewApprovals):
                db.atomically(machine.release, identity, world.now())
    if world.plan.resumed:
        resume(world)


def explain(world: "World") -> None:
    """Explain foreign nonces without a payout: as the payment of a payout with the same terms, or as none of ours."""
    rows = world.database.rows(
        "SELECT s.signer, s.nonce, k.treasury, lower(f.recipient_address) FROM payout_slots s "
        "JOIN signers k ON k.address = s.signer LEFT JOIN foreign_transfers f USING (signer, nonce) "
        "WHERE s.state = 'FOREIGN' AND s.payout_id IS NULL"
    )
    meant = {(it.promise.treasury, it.promise.recipient_address.lower()): it.source for it in world.wanted}
    for signer, nonce, treasury, recipient in rows:
        source = meant.get((treasury, recipient), "")
        identity, state, _ = world.payouts().get(source, (None, "", None))
        if source and identity is None:
            continue  # it will be requested again, and until then the answer is not known
        if identity and state not in ("HELD", "REQUESTED", "APPROVED", "RESERVED"):
            continue
        world.note("operator", f"explains nonce {nonce} as the payment of {source or 'nobody'}")
        for person in APPROVERS:
            explain_alone(world, str(signer), int(nonce), identity, person)


def explain_alone(world: "World", signer: str, nonce: int, payout_id: UUID | None, person: UUID) -> None:
    """Record one person's explanation of a foreign nonce."""
    say = partial(explanations.explain, signer=signer, nonce=nonce, payout_id=payout_id, person_id=person)
    try:
        db.atomically(partial(say, why="looked at the chain", now=world.now()))
    except (NoEvidence, machine.NotWaiting, explanations.ExplainedBefore) as refusal:
        world.note("operator", f"is refused: {refusal}")


def resume(world: "World") -> None:
    """Resume the treasuries that have no open question."""
    for (treasury,) in world.database.rows(SETTLED):
        world.resume(treasury)


def _agree(world: "World", payout: UUID) -> None:
    for approver in APPROVERS:
        try:
            db.atomically(machine.approve, payout, approver, {}, world.now())
        except (machine.ApprovedBefore, machine.MayBePaidAlready) as refusal:
            world.note("operator", f"is refused: {refusal}")


def mistake(world: "World", what: str) -> None:
    """Make a mistake: approve or resume something that one should not. It must be refused, or harmless."""
    person = world.chance.choice(APPROVERS)
    world.note("operator", f"by mistake: {what}")
    if what == "approve everything":
        for payout_id, state, _ in sorted(world.payouts().values()):
            if state in ("HELD", "QUARANTINED"):
                _approve_blindly(world, payout_id, state, person)
    elif what == "explain":
        _explain_blindly(world, person)
    elif what == "resume":
        _resume_blindly(world)
    else:  # not through the machine's functions, which refuse it
        world.database.run("UPDATE treasuries SET paused_at = NULL, pause_reason = NULL")


MISTAKES = ("approve everything", "explain", "resume", "resume by SQL")


def _approve_blindly(world: "World", payout_id: UUID, state: str, person: UUID) -> None:
    in_doubt = world.database.rows(f"SELECT FROM payouts WHERE id = '{payout_id}' AND payout_in_doubt(payouts)")
    try:
        db.atomically(lambda tx: machine.approve(tx, payout_id, person, {}, world.now()))
    except REFUSED:
        return
    if in_doubt and state == "HELD":
        raise Violated(f"R8: {payout_id} was approved and may be paid already")
    with suppress(machine.TooFewApprovals, *REFUSED):
        db.atomically(lambda tx: machine.release(tx, payout_id, world.now()))


def _explain_blindly(world: "World", person: UUID) -> None:
    """Explain each nonce as the payment of any payout: the evidence refuses all but the right one."""
    guesses = sorted(world.payouts().values())
    for signer, nonce in world.database.rows(
        "SELECT signer, nonce FROM payout_slots WHERE state = 'FOREIGN' AND payout_id IS NULL"
    ):
        guess = world.chance.choice(guesses)[0] if guesses else None
        explain_alone(world, str(signer), int(nonce), guess, person)


def _resume_blindly(world: "World") -> None:
    for (treasury,) in world.database.rows("SELECT name FROM treasuries WHERE paused_at IS NOT NULL ORDER BY 1"):
        is_settled = treasury in {name for (name,) in world.database.rows(SETTLED)}
        try:
            db.atomically(partial(recovery.resume, treasury=treasury, now=world.now()))
        except recovery.QuestionsOpen as refusal:
            world.note("operator", f"is refused: {refusal}")
            continue
        if not is_settled:
            raise Violated(f"{treasury} signs again while something is open")


def rotate(world: "World", treasury: str) -> None:
    """Make the next key the active one; the older one drains."""
    key = world.new_key(treasury, 2)
    world.network.fund(key.address, 0, 10**20)
    world.network.finalized = world.network.head.number
    world.note("operator", f"has {treasury} pay from {key.address[:8]} next")
    world.database.run(
        f"UPDATE signers SET status = 'draining' WHERE treasury = '{treasury}';"
        f"INSERT INTO signers (address, treasury, kms_version, created_at) "
        f"VALUES ('{key.checksummed}', '{treasury}', '{key.name}', '{world.now()}')"
    )
    world.treasury_keys[treasury] = key
