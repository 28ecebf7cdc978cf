"""Job: follow top-ups of the treasuries on both chains (docs/treasury.md, "Top-ups").

On the source chain a transaction counts once its block is final, and only if it is exactly what was agreed. Here what
it sent counts once Stargate has logged its arrival under the same guid, in a final block, beside a transfer of the
treasury's token to its key: that transfer is booked as all money that comes in, and the loss on the way beside it.
Every step is one commit that asks what is still so. So a run may die, come twice, or meet another one.
"""

from datetime import datetime

from flask import Request, Response

from functions.top_up_watch import rules, store
from functions.top_up_watch.rules import Agreed, Call, Judgement, Sent
from functions.top_up_watch.store import TopUp
from shared import clock, db, log
from shared.config import read
from shared.db import Tx
from shared.job import Job
from shared.ledger import journals
from shared.payouts import transfer_logs, treasuries
from shared.payouts.transfer_logs import ScanConfig
from shared.payouts.treasuries import Key, TreasuryNotice
from shared.ports import stargate
from shared.ports.polygon import nodes
from shared.ports.polygon.failures import ChainFailure, TooMuch
from shared.ports.polygon.nodes import Nodes
from shared.ports.stargate import Arrival, Bridge
from shared.sweep import Sweep
from shared.values.finality import NO_BLOCK
from shared.values.money import Usdt
from shared.values.states import TopUpState

FOLLOWED_MAX = 100  # in one run, of each kind
QUESTIONS_EACH_MAX = 100  # to the nodes, for one key or top-up in one run; the next one goes on
REMEDY = "docs/treasury.md, Top-ups, says what to look at. GET /v1/admin/treasury/top-ups/{} has all that is known."

job = Job("top_up_watch")


def top_up_watch(request: Request) -> Response:
    return job.handle(request)


@job.schedule("sweep")
def sweep(now: datetime) -> None:
    """Take each top-up that is under way as far as both chains let it go now; without any, ask nobody."""
    under_way = db.atomically(store.on_the_way, FOLLOWED_MAX)
    arrived = db.atomically(store.lately_arrived, now - rules.LOOKED_AFTER, FOLLOWED_MAX)
    with Sweep() as parts:
        bridge = stargate.connect()
        if bridge is not None:
            sent = [it for it in under_way if it.state is TopUpState.SENT]
            parts.each(sent, lambda it: _look_at_source(it, bridge), lambda it: it.id)
        followed = [it for it in db.atomically(store.on_the_way, FOLLOWED_MAX) if it.state is TopUpState.BRIDGING]
        if followed or arrived:
            parts.part(lambda: _look_here([*followed, *arrived], parts), "the treasuries' chain")
        parts.each(db.atomically(store.on_the_way, FOLLOWED_MAX), _look_at_clock, lambda it: it.id)


def _look_at_source(asked: TopUp, bridge: Bridge) -> None:
    """Judge its transaction once that is final. Without an answer of the source chain it is looked at again later."""
    try:
        found = bridge.final(asked.source_chain_id, asked.source_hash)
        if found is None:
            return
        logged = stargate.departures(found, asked.source_contract)
    except ChainFailure as failure:
        log.warning("the source chain cannot be read", reason=f"{type(failure).__name__}: {failure}")
        return
    promised = {it.guid: Usdt(it.promised_micro) for it in logged}
    judged = rules.judge(
        Agreed(asked.terms, asked.source_contract, asked.source_address),
        Call(found.sender, found.to, found.data, succeeded=found.succeeded),
        [Sent(it.guid, it.home_eid, it.sender, it.spent_micro) for it in logged],
    )
    db.atomically(lambda tx: _leave(tx, asked, judged, promised, clock.now()))


def _leave(tx: Tx, asked: TopUp, judged: Judgement, promised: dict[str, Usdt], now: datetime) -> None:
    """Record what its transaction was; people hear of one that is not what was agreed."""
    if judged.sent is not None:
        store.leave(tx, asked, judged.sent.guid, Usdt(judged.sent.spent_micro), promised[judged.sent.guid], now=now)
        return
    if store.end_source(tx, asked, judged.state, judged.fault, now):
        log.error("a top-up was not sent as agreed", top_up_id=asked.id, state=judged.state.value, fault=judged.fault)
        what = judged.fault.replace("_", " ") if judged.fault else "it was reverted"
        _tell(tx, asked, "was not sent as agreed", f"Its transaction {asked.source_hash}: {what}.", now)


def _look_here(followed: list[TopUp], parts: Sweep) -> None:
    """Look for arrivals, one top-up after the other. Without an answer of our nodes it is done later."""
    try:
        home, keys = nodes.connect(), db.atomically(treasuries.keys)
        home.require(keys[0].chain_id)
        final = home.final().number
    except ChainFailure as failure:
        log.warning("the chain cannot be read for top-ups", reason=f"{type(failure).__name__}: {failure}")
        return
    key_of = {key.address.lower(): key for key in keys}
    if final != NO_BLOCK:
        parts.each(
            followed, lambda it: _look_for_arrival(it, key_of[it.to_address.lower()], home, final), lambda it: it.id
        )


def _look_for_arrival(asked: TopUp, key: Key, home: Nodes, final: int) -> None:
    """Find its arrivals in blocks that were not read for them; the transfers to its treasury are stored first."""
    if transfer_logs.read_up_to(key, final, home, QUESTIONS_EACH_MAX) is not None:
        return  # its log line says why; transfers of these blocks may be unknown yet
    blocks, done = read(ScanConfig).reconciliation_blocks_per_question, asked.read_to
    assert asked.guid, "what is on its way has a name"
    for _ in range(QUESTIONS_EACH_MAX):
        if done >= final:
            return
        last = min(done + blocks, final)
        try:
            found = stargate.arrivals(home, asked.home_contract, asked.guid, done + 1, last)
        except TooMuch:
            blocks = max(1, blocks // 2)
            continue
        except ChainFailure as failure:
            log.warning("the chain cannot be read for top-ups", reason=f"{type(failure).__name__}: {failure}")
            return
        db.atomically(_arrive, asked, found, last, clock.now())
        done = last


def _arrive(tx: Tx, seen: TopUp, found: list[Arrival], last: int, now: datetime) -> None:
    """Record what has come by this message in some blocks, and that they are read. Arrivals elsewhere, or from
    elsewhere, are none.
    """
    asked = store.lock(tx, seen.id)
    if asked.read_to >= last:
        return  # another run has read these blocks
    own = [it for it in found if (it.recipient, it.source_eid) == (asked.to_address.lower(), asked.source_eid)]
    for came in own:
        if asked.state is TopUpState.BRIDGING:
            _book(tx, asked, came, now)
            asked = store.lock(tx, seen.id)
        elif store.tell_twice(tx, asked, now):
            log.error("a top-up has come twice", top_up_id=asked.id, hash=came.transaction_hash)
            what = f"Message {asked.guid} came a second time, in transaction {came.transaction_hash}."
            _tell(tx, asked, "has come twice", what, now)
    store.read_to(tx, asked, last)


def _book(tx: Tx, asked: TopUp, came: Arrival, now: datetime) -> None:
    """Tie the arrival to the transfer that it is, and book what was lost on the way. An arrival without a transfer of
    its amount of the treasury's token is none: the top-up will be late.
    """
    fitting = [it for it in store.landed(tx, asked, came.transaction_hash) if it.amount.micro == came.amount_micro]
    if not fitting:
        log.error("a top-up has come without its money", top_up_id=asked.id, hash=came.transaction_hash)
        return
    by = fitting[0]
    assert asked.spent is not None, "what is on its way was spent"
    lost = asked.spent - by.amount
    if lost:
        accounts = f"external:{asked.treasury}", f"bridge_fees:{asked.treasury}"
        journals.move(tx, f"top-up:{asked.id}", *accounts, lost, now=now)
    store.arrive(tx, asked, by, now)
    log.info("a top-up has arrived", top_up_id=asked.id, received=str(by.amount), lost=str(lost))
    if by.amount < asked.minimum:
        log.error("a top-up came short", top_up_id=asked.id, received=str(by.amount), minimum=str(asked.minimum))
        what = f"{by.amount} USDT came in transaction {by.transaction_hash}; at least {asked.minimum} were agreed."
        _tell(tx, asked, "came short", what, now)


def _look_at_clock(asked: TopUp) -> None:
    """Tell people once when its transaction is not final in time, and once when nothing arrives in time."""
    now = clock.now()
    if asked.late_at is None and rules.is_late(sent_at=asked.sent_at, source_final_at=asked.source_final_at, now=now):
        db.atomically(_tell_late, asked, now)


def _tell_late(tx: Tx, asked: TopUp, now: datetime) -> None:
    if store.tell_late(tx, asked, now):
        log.error("a top-up is late", top_up_id=asked.id, state=asked.state.value, guid=asked.guid)
        what = f"Its transaction {asked.source_hash} is not final, or is not on that chain."
        if asked.state is TopUpState.BRIDGING:
            what = f"Transaction {asked.source_hash} is final, and nothing has come by message {asked.guid}."
        _tell(tx, asked, "is late", what, now)


def _tell(tx: Tx, asked: TopUp, how: str, what: str, now: datetime) -> None:
    """Mail the treasury's admins."""
    notice = TreasuryNotice(
        subject=f"A top-up of the {asked.treasury} treasury with {asked.amount} USDT {how}",
        what=what,
        remedy=REMEDY.format(asked.id),
        dedupe_key=f"top-up:{asked.id}:{how}:{asked.source_hash}:{asked.state.value}",
    )
    treasuries.tell_admins(tx, notice, now)
