"""Families of faults outside our code: workers, queues, nodes, chain, keys, database, clocks."""

import random
from functools import partial

from tests.fault.simulation import events, people
from tests.fault.simulation.chain import GWEI
from tests.fault.simulation.family import family, moments, some
from tests.fault.simulation.plan import Plan
from tests.fault.simulation.violated import Violated
from tests.fault.simulation.world import TOKEN, World

KILLED_AT = {
    "kms.sign": 0.1,
    "kms.signed": 0.2,
    "send": 0.1,
    "send answered": 0.1,
    "TransactionReceipt answered": 0.05,
    "committed": 0.03,
}
DAY_SECONDS = 86_400.0
MICRO_MAX = 2**63 - 1


@family("none")
def calm(chance: random.Random) -> Plan:
    """The run has no faults."""
    return some(chance)


@family("F1 F2 F3 C1-C13")
def killed(chance: random.Random) -> Plan:
    """Workers get kill -9 anywhere, more often at the critical points."""
    return some(chance, kill=chance.choice((0.005, 0.02)), kill_at=dict(KILLED_AT))


@family("F5 F6")
def deliveries(chance: random.Random) -> Plan:
    """Tasks come twice, late, in another order, unacknowledged, and all of them once more days later."""
    return some(chance, twice=0.5, late=0.4, unacknowledged=0.3, replayed=True, other_keys=0.5)


@family("F7")
def racing(chance: random.Random) -> Plan:
    """Several workers work at one treasury, and some wake up after their lease."""
    return some(chance, workers=4, twice=0.7, pause=0.08, sleep=0.015, treasuries=1)


@family("F8 F9 F10")
def timeouts(chance: random.Random) -> Plan:
    """Nodes do not answer, whether they have taken a transaction or not."""
    return some(chance, rpc_lost=0.03, rpc_lost_after=0.5, rpc_hang_up=0.02)


@family("F11 F15")
def answers(chance: random.Random) -> Plan:
    """Nodes answer with null, HTML, nothing, half an answer, or -32603."""
    return some(
        chance,
        null=0.3,
        rpc_page=0.02,
        rpc_garbage=0.02,
        rpc_half=0.02,
        rpc_wrapped=0.02,
        rpc_wrapped_after=0.4,
        unacknowledged=0.1,
    )


@family("F12 F13")
def nonces(chance: random.Random) -> Plan:
    """Nodes refuse untruly: nonce too low, too high, already known, underpriced, no gas."""
    return some(chance, send_lie=0.6, kill_at={"send answered": 0.1}, twice=0.2)


@family("F14 F27")
def fees(chance: random.Random) -> Plan:
    """The base fee spikes, pools evict, and blocks pass without our transactions."""
    plan = some(chance, evict=0.03, heal_at=400.0)
    plan.begin.append(gossip_badly)
    for moment in moments(chance, 120.0, 3):
        gwei = chance.choice((30, 100, 300, 900))
        plan.events.append((moment, f"the base fee is {gwei} gwei", partial(base_fee, gwei=gwei)))
    return plan


def base_fee(world: World, gwei: int) -> None:
    world.network.base_fee = gwei * GWEI


def gossip_badly(world: World) -> None:
    world.network.include = 0.15
    world.network.gossip = 0.6
    world.network.older = 0.4


@family("F16")
def reorganised(chance: random.Random) -> Plan:
    """Reorganisations of 1, 3 and 10 blocks: dropped, given back, in another order, or with an older signature."""
    plan = some(chance, reorganise=0.12, twice=0.2)
    plan.begin.append(lambda world: slow_finality(world, 12))
    return plan


def slow_finality(world: World, blocks: int) -> None:
    world.network.final_behind = blocks


@family("F16 F17")
def reorganised_deep(chance: random.Random) -> Plan:
    """Finality stalls for minutes, which one node does not notice; then 157 blocks are replaced."""
    mode = chance.choice(("dropped", "pool", "older"))
    plan = some(chance, heal_at=480.0, workers=2)
    ahead = chance.randrange(2)
    plan.events = [
        (1.0, "finality stalls", lambda world: finality(world, works=False)),
        (2.0, f"node{ahead + 1} calls its head final", lambda world: head_is_final(world, ahead)),
        (340.0, "157 blocks are others", lambda world: reorganise(world, 157, mode)),
        (chance.uniform(350.0, 430.0), "finality works", lambda world: finality(world, works=True)),
    ]
    return plan


def head_is_final(world: World, node: int) -> None:
    world.nodes[node].view.final_ahead = True


def finality(world: World, *, works: bool) -> None:
    world.network.finality = works


def reorganise(world: World, depth: int, mode: str) -> None:
    done = world.network.reorganise(depth, mode)
    world.note("chain", f"{done} blocks are others now: {mode}")


@family("F17")
def finality_wrong(chance: random.Random) -> Plan:
    """The finalized tag is at the head, goes back, stands still and jumps, while up to nine blocks change."""
    plan = some(chance, reorganise=0.15, depths=(1, 3, 6, 9), heal_at=200.0)
    plan.begin.append(lambda world: slow_finality(world, 10))
    plan.begin.append(lambda world: tags(world, ahead=True))
    for moment in moments(chance, 120.0, 3):
        back = chance.choice((0, 5, 40))
        plan.events.append((moment, f"the tag is {back} behind", partial(tags, ahead=not back, lag=back)))
    return plan


def tags(world: World, *, ahead: bool, lag: int = 0) -> None:
    for node in world.nodes:
        node.view.final_ahead, node.view.final_lag = ahead, lag


@family("F16 F18")
def stale_receipts(chance: random.Random) -> Plan:
    """Both nodes still give receipts of blocks that are gone."""
    plan = some(chance, reorganise=0.25, depths=(1, 3), modes=("dropped", "older"))
    plan.begin.append(lambda world: slow_finality(world, 6))
    plan.begin.append(stale)
    return plan


def stale(world: World) -> None:
    for node in world.nodes:
        node.view.stale_receipts = True
        node.view.final_ahead = True


@family("F18")
def lagging(chance: random.Random) -> Plan:
    """One node is behind, by a little or a lot, or its finalized tag is."""
    plan = some(chance, reorganise=0.05, depths=(1, 3))
    plan.begin.append(lambda world: slow_finality(world, 6))
    for moment in [0.0, *moments(chance, 150.0, 3)]:
        node, lag, final = chance.randrange(2), chance.choice((0, 2, 15, 60)), chance.choice((0, 0, 30))
        plan.events.append((moment, f"node{node + 1} is {lag} behind", partial(lags, node=node, lag=lag, final=final)))
    return plan


def lags(world: World, node: int, lag: int, final: int) -> None:
    world.nodes[node].view.lag, world.nodes[node].view.final_lag = lag, final


@family("F19")
def disagreement(chance: random.Random) -> Plan:
    """One node is on blocks of its own and calls them final."""
    plan = some(chance, heal_at=300.0)
    start = chance.uniform(2.0, 30.0)
    node, depth = chance.randrange(2), chance.choice((1, 3, 10))
    plan.begin.append(lambda world: slow_finality(world, 12))
    plan.begin.append(lambda world: slowly(world, chance.choice((0.05, 0.5))))
    plan.events = [
        (start, f"node{node + 1} forks", lambda world: events.fork(world, world.nodes[node], depth)),
        (start + chance.uniform(20.0, 200.0), "it joins", lambda world: events.join(world, world.nodes[node])),
    ]
    return plan


def slowly(world: World, include: float) -> None:
    world.network.include = include


@family("F20")
def wrong_chain(chance: random.Random) -> Plan:
    """A node is on another chain for a while."""
    plan = some(chance)
    first, second = moments(chance, 60.0, 2)
    node = chance.randrange(2)
    plan.events = [
        (chance.choice((0.0, first)), "another chain", lambda world: another_chain(world, node, 80_002)),
        (second + 30.0, "the right chain", lambda world: another_chain(world, node, 137)),
    ]
    return plan


def another_chain(world: World, node: int, chain_id: int) -> None:
    world.nodes[node].view.chain_id, world.nodes[node].view.elsewhere_since = chain_id, world.seconds


@family("F21")
def keys(chance: random.Random) -> Plan:
    """KMS has time-outs, quota, an outage, another key, damage, a disabled key; never the same bytes twice."""
    plan = some(
        chance,
        kms_timeout=0.15,
        kms_quota=0.1,
        kms_outage=0.1,
        kms_wrong_key=0.15,
        kms_damaged=0.1,
        kill_at={"kms": 0.1},
    )
    if chance.random() < 0.3:
        plan.events = [(1.0, "the keys are disabled", disable_keys)]
    return plan


def disable_keys(world: World) -> None:
    for key in world.keys.by_name.values():
        key.disabled = True


@family("F22")
def databases(chance: random.Random) -> Plan:
    """Commits are lost, done but unknown, not serializable, deadlocked; the disk is full."""
    return some(
        chance, commit_lost=0.04, commit_unknown=0.06, serialization=0.04, deadlock=0.03, disk_full=0.01, twice=0.2
    )


@family("F24")
def funds(chance: random.Random) -> Plan:
    """There is too little USDT, until somebody tops it up."""
    plan = some(chance, ends_alone=frozenset({"funds"}), kill=0.003)
    plan.begin.append(lambda world: events.leave_usdt(world, chance.choice((0, 10_000_000, 30_000_000))))
    plan.repairs.append(lambda world: events.leave_usdt(world, 10**12))
    return plan


@family("F25")
def gas(chance: random.Random) -> Plan:
    """There is too little POL, until somebody tops it up."""
    plan = some(chance, ends_alone=frozenset({"gas"}))
    plan.begin.append(lambda world: events.leave_wei(world, chance.choice((0, 10**15, 12 * 10**15, 25 * 10**15))))
    plan.repairs.append(lambda world: events.leave_wei(world, 10**20))
    return plan


@family("F5 F30")
def lost_tasks(chance: random.Random) -> Plan:
    """Most tasks are lost while the treasury is always busy: no payout waits longer and longer."""
    plan = some(chance, payouts=chance.randint(18, 22), treasuries=1, workers=2, lost=0.6)
    plan.asked_within, plan.heal_at, plan.starts_within = 900.0, 1_000.0, 300.0
    return plan


@family("F23")
def restored(chance: random.Random) -> Plan:
    """The database is set back by minutes while chain and queues go on; what was lost is requested again."""
    plan = some(chance, released=frozenset({"review", "paused"}), resumed=True, treasuries=1, asked_within=60.0)
    plan.begin.append(lambda world: slowly(world, chance.choice((0.1, 0.9))))
    taken = chance.uniform(0.0, 40.0)
    plan.events = [
        (taken, "a backup is taken", events.back_up),
        (taken + chance.uniform(1.0, 90.0), "it is restored", events.restore),
    ]
    return plan


@family("F35")
def rotated(chance: random.Random) -> Plan:
    """Keys are rotated while nonces are open, and some workers die meanwhile."""
    plan = some(chance, treasuries=1, asked_within=60.0, kill=chance.choice((0.0, 0.004)), twice=0.2)
    plan.begin.append(lambda world: slowly(world, chance.choice((0.1, 0.9))))
    plan.events = [(chance.uniform(0.0, 50.0), "the key is rotated", lambda world: people.rotate(world, "member"))]
    return plan


@family("F29")
def clocks(chance: random.Random) -> Plan:
    """Every worker has its own time, up to a day early or late."""
    return some(chance, skew_seconds=chance.choice((40.0, DAY_SECONDS)), twice=0.3, patience_seconds=3 * DAY_SECONDS)


@family("F31")
def pauses(chance: random.Random) -> Plan:
    """People pause and resume at any moment."""
    plan = some(chance, ends_alone=frozenset({"paused"}), kill=0.002, pause=0.05)
    for place, moment in enumerate(moments(chance, 60.0, chance.choice((1, 2, 3)))):
        happen = events.resume_all if place % 2 else events.pause_all
        plan.events.append((moment, "people decide", happen))
    plan.repairs.append(events.resume_all)
    return plan


@family("F34 C13")
def relays(chance: random.Random) -> Plan:
    """The relay dies before, between and after what it publishes; queues refuse."""
    return some(chance, kill_at={"tasks.enqueue": 0.15, "tasks.enqueued": 0.15}, enqueue_fails=0.15, unacknowledged=0.2)


@family("F36 F37")
def edges(chance: random.Random) -> Plan:
    """Recipients are no wallets of people, and amounts are at the edges."""
    plan = some(chance, may_hold=frozenset({"review", "funds", "limit"}), payouts=2)
    plan.begin.append(odd_ones)
    plan.repairs.append(refused)
    return plan


def odd_ones(world: World) -> None:
    own = world.treasury_keys["affiliate"].checksummed
    for recipient, amount in (("0x" + "0" * 40, 5), (TOKEN, 7), (own, 9), ("", 0), ("", -5)):
        if world.chance.random() < 0.5:
            world.impossible.add(world.want("member", amount, recipient).source)
    for amount in (1, MICRO_MAX, 10_000_000_001):
        if world.chance.random() < 0.5:
            world.want("member", amount)


def refused(world: World) -> None:
    """Check that none of the impossible payouts has a row."""
    if rows := world.impossible & set(world.payouts()):
        raise Violated(f"F36: {rows} were promised")


@family("all of them")
def everything(chance: random.Random) -> Plan:
    """The run has a little of each fault at once."""
    plan = some(
        chance,
        workers=3,
        kill=0.004,
        kill_at={"kms.signed": 0.05, "send answered": 0.05},
        pause=0.03,
        sleep=0.004,
        twice=0.3,
        late=0.2,
        unacknowledged=0.1,
        enqueue_fails=0.05,
        commit_lost=0.01,
        commit_unknown=0.02,
        serialization=0.01,
        rpc_lost=0.01,
        rpc_lost_after=0.2,
        rpc_garbage=0.01,
        rpc_wrapped_after=0.1,
        null=0.1,
        send_lie=0.1,
        kms_timeout=0.05,
        kms_quota=0.05,
        reorganise=0.05,
        evict=0.01,
    )
    plan.begin.append(lambda world: slow_finality(world, 12))
    plan.events = [
        (moment, "a node lags", lambda world: lags(world, world.chance.randrange(2), 5, 0))
        for moment in moments(chance, 60.0, 2)
    ]
    return plan
