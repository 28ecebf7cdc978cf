"""Job: each hour, record the treasuries' balances on the chain; alert treasury admins when one is low.

There is one snapshot per hour and treasury, however often the job runs: nodes that do not answer now may do so in ten
minutes. A crossed threshold is told once, and again only after the balance was above it (docs/treasury.md says what to
do then).
"""

from collections import defaultdict
from datetime import datetime

from flask import Request, Response

from functions.treasury_snapshot import rules, store
from functions.treasury_snapshot.rules import Held
from functions.treasury_snapshot.store import Crossing, Snapshot
from shared import db, log
from shared.db import Tx
from shared.job import ComeAgain, Job
from shared.messages import hook_events
from shared.payouts import treasuries
from shared.payouts.treasuries import Key, TreasuryNotice
from shared.ports.polygon import nodes
from shared.ports.polygon.nodes import Block
from shared.sweep import Sweep
from shared.values.hooks import HookKind

job = Job("treasury_snapshot")


def treasury_snapshot(request: Request) -> Response:
    return job.handle(request)


@job.schedule("hourly")
def take(now: datetime) -> None:
    """Ask every node, and store the balances on which all agree."""
    known = db.atomically(treasuries.keys)
    block, held = _read(known)
    with Sweep() as kept:
        kept.each(held, lambda name: db.atomically(_keep, name, block, held[name], now), str)


def _read(known: list[Key]) -> tuple[Block, dict[str, Held]]:
    """The balances of all treasuries at one block. Raises ComeAgain while the nodes do not agree."""
    addresses: defaultdict[str, list[str]] = defaultdict(list)
    for key in known:
        addresses[key.treasury].append(key.address)
    look = nodes.connect().look(known[0].token_address, [key.address for key in known])
    if look.block is None or look.agreed is None:
        log.warning("the treasuries' balances cannot be read", reason=look.fault)
        raise ComeAgain("the treasuries' balances cannot be read")
    usdt = {address: holding.usdt_micro for address, holding in look.agreed.items()}
    gas = {address: holding.gas_wei for address, holding in look.agreed.items()}
    return look.block, rules.together(addresses, usdt, gas)


def _keep(tx: Tx, treasury: str, block: Block, has: Held, now: datetime) -> None:
    metadata: dict[str, object] = {"block_hash": block.hash, "gas_wei": str(has.gas_wei)}
    hour = rules.hour_of(now)
    if store.insert(tx, Snapshot(hour, treasury, has.usdt, block.number, metadata)):
        hook_events.tell(tx, HookKind.TREASURY_SNAPSHOT, f"{treasury}@{hour.isoformat()}", now)
    for kind, value in (("usdt", has.usdt.micro), ("gas", has.gas_wei)):
        if crossing := store.cross(tx, treasury, kind, value, now):
            _wake(tx, crossing, value, now)
        elif store.recover(tx, treasury, kind, value):
            log.info("a treasury balance is above its threshold again", treasury=treasury, kind=kind)


def _wake(tx: Tx, crossing: Crossing, value: int, now: datetime) -> None:
    has, least = rules.in_words(crossing.kind, value), rules.in_words(crossing.kind, crossing.threshold)
    log.error("a treasury balance is low", treasury=crossing.treasury, kind=crossing.kind, has=has, threshold=least)
    notice = TreasuryNotice(
        subject=f"The {crossing.treasury} treasury is low: {has}",
        what=f"The {crossing.treasury} treasury has {has} on the chain, which is less than {least}.",
        remedy="Send it some, then look at GET /v1/admin/treasury/pools: how many payouts it covers stands there.",
        dedupe_key=f"treasury-low:{crossing.treasury}:{crossing.kind}:{now.isoformat()}",
    )
    treasuries.tell_admins(tx, notice, now)
