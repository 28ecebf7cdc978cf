"""What people do, through the machine's own functions: approve, cancel, let go, end quarantines, explain, rotate; and
members, who link a wallet.
"""

from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from shared import comps, db, payout_recovery, payouts
from shared.comps import CompPaid, PaymentUnderWay
from shared.db import Tx
from shared.payout_recovery import NoEvidence
from shared.payouts import CANCELLABLE, PayoutState, Promise
from tests.fault.simulation.violated import Violated

if TYPE_CHECKING:
    from tests.fault.simulation.world import World

APPROVERS = (UUID(int=1, version=4), UUID(int=2, version=4))
REQUESTER = UUID(int=3, version=4)
WINNERS = tuple(UUID(int=place, version=4) for place in range(11, 15))
REFUSED = (payouts.NotWaiting, payouts.OwnPayout, payouts.ApprovedBefore, CompPaid, PaymentUnderWay)


def act(world: "World", what: str, source: str, who: str) -> None:
    """One request of somebody, in the worker that serves it."""
    if what != "cancel_comp" and source not in world.payouts():
        return  # it is not on their screen yet
    acts = {"approve": _approve, "cancel": _cancel, "cancel_comp": _cancel_comp}
    try:
        db.atomically(lambda tx: acts[what](tx, world, source, who))
    except REFUSED as refusal:
        world.note(who, f"is refused: {type(refusal).__name__}")


def _approve(tx: Tx, world: "World", source: str, who: str) -> None:
    """As functions/admin_treasury does it."""
    payout = payouts.load(tx, world.payouts()[source][0])
    assert payout
    agreed = payouts.approve(tx, payout.id, UUID(who), {}, world.now())
    if payout.state is not PayoutState.HELD or UUID(who) == payout.requested_by:
        raise Violated(f"F32: {who} could approve {source}, which is {payout.state}")
    if agreed.given >= agreed.needed:
        payouts.release(tx, payout.id, world.now())


def _cancel(tx: Tx, world: "World", source: str, _: str) -> None:
    payout = payouts.load(tx, world.payouts()[source][0])
    assert payout
    if payout.state in CANCELLABLE:
        payouts.cancel(tx, payout, world.now())


def _cancel_comp(tx: Tx, world: "World", source: str, _: str) -> None:
    comps.cancel(tx, UUID(source), "by mistake", world.now())


def link(world: "World", promise: Promise) -> None:
    """A member links a wallet: what waited for one is asked for, unless it was cancelled."""
    member, address = promise.member_id, promise.recipient_address
    assert member

    def work(tx: Tx) -> None:
        tx.run("UPDATE members SET wallet_address = :address WHERE id = :id", address=address, id=member)
        comps.pay_pending(tx, member, address, world.now())

    db.atomically(work)
    if promise.source_id not in world.payouts():
        world.refused.add(promise.source_id)  # invariants.check knows whether it was right


def work(world: "World") -> None:
    """Once a minute, when the faults are over: whatever waits for people."""
    explain(world)
    for source, (identity, state, reason) in sorted(world.payouts().items()):
        if state == "QUARANTINED":
            _agree(world, identity)
            world.note("operator", f"has the quarantine of {source} ended")  # payout_recover does it
        elif state == "HELD" and reason in world.plan.released and source not in world.kept_held:
            _agree(world, identity)
            world.note("operator", f"lets {source} go, which was held: {reason}")
            db.atomically(lambda tx, it=identity: payouts.release(tx, it, world.now()))  # type: ignore[misc]
    if world.plan.resumed:
        resume(world)


def explain(world: "World") -> None:
    """Foreign nonces that are nobody's: the payment of a payout with the same terms, or none of ours."""
    rows = world.database.rows(
        "SELECT s.signer, s.nonce, lower(f.recipient_address), f.amount FROM payout_slots s "
        "LEFT JOIN foreign_transfers f USING (signer, nonce) WHERE s.state = 'FOREIGN' AND s.payout_id IS NULL"
    )
    known = {it.promise.recipient_address.lower(): it.source for it in world.wanted}
    for signer, nonce, recipient, _ in rows:
        identity, state, _ = world.payouts().get(known.get(recipient, ""), (None, "", None))
        if recipient in known and identity is None:
            continue  # it will be asked for again: until then nobody knows
        if identity and state not in ("HELD", "REQUESTED", "APPROVED", "RESERVED"):
            continue
        if identity and state == "HELD":
            _agree(world, identity)
        world.note("operator", f"explains nonce {nonce} as the payment of {known.get(recipient, 'nobody')}")
        try:
            db.atomically(
                partial(
                    payout_recovery.explain,
                    signer=str(signer),
                    nonce=int(nonce),
                    payout_id=identity,
                    approvers=APPROVERS,
                    now=world.now(),
                )
            )
        except (NoEvidence, payouts.NotWaiting) as refusal:
            world.note("operator", f"is refused: {refusal}")


def resume(world: "World") -> None:
    """Treasuries that nothing speaks against any more."""
    for (treasury,) in world.database.rows(
        "SELECT name FROM treasuries t WHERE paused_at IS NOT NULL AND NOT EXISTS (SELECT FROM signers s "
        "WHERE s.treasury = t.name AND rebuild_asked_at IS NOT NULL) AND NOT EXISTS (SELECT FROM payouts p "
        "WHERE p.treasury = t.name AND state = 'QUARANTINED') AND NOT EXISTS (SELECT FROM payout_slots o "
        "JOIN signers k ON k.address = o.signer WHERE k.treasury = t.name AND o.state = 'FOREIGN')"
    ):
        world.resume(treasury)


def _agree(world: "World", payout: UUID) -> None:
    for approver in APPROVERS:
        try:
            db.atomically(lambda tx, it=approver: payouts.approve(tx, payout, it, {}, world.now()))  # type: ignore[misc]
        except payouts.ApprovedBefore:
            continue


def rotate(world: "World", treasury: str) -> None:
    """The next key is the active one; the older one drains."""
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
