"""Job: each minute, log a line about the tables, one about the chain, one per node and treasury (docs/cloud.md).

It stores and tells the critical events, too (docs/alerts.md).

terraform/metrics.yaml makes metrics and alerts from these lines: their messages and fields are a contract. A figure
that cannot be read is not logged; a missing figure raises an alert, too.
"""

import time
from dataclasses import dataclass
from datetime import datetime

from flask import Request, Response

from functions.platform_watch import critical_events, rules, store
from shared import clock, db, log
from shared.db import Tx
from shared.job import Job
from shared.ports.polygon import chain
from shared.ports.polygon.chain import Chain
from shared.ports.polygon.failures import ChainUnreachable
from shared.sweep import Sweep

job = Job("platform_watch")


def platform_watch(request: Request) -> Response:
    return job.handle(request)


@dataclass(frozen=True)
class Seen:
    """The state of the tables at one moment."""

    waiting: store.Waiting
    payouts: store.Open
    treasuries: list[store.Pays]
    access_key: datetime | None


@job.schedule("watch")
def watch(now: datetime) -> None:
    """Log the tables first, because the chain may answer late or not at all, then what is critical, as long as that
    takes. Then keep how the minute was.
    """
    started = time.perf_counter()
    seen = db.atomically(_look, now)
    probe_ms = round((time.perf_counter() - started) * 1000)
    log.info(
        "the platform was watched",
        outbox_rows=seen.waiting.rows,
        outbox_age_seconds=rules.age_seconds(seen.waiting.since, now),
        oldest_payout_seconds=rules.age_seconds(seen.payouts.since, now),
        held_payouts=seen.payouts.held,
        paused_treasuries=sum(treasury.paused for treasury in seen.treasuries),
        access_key_days_left=rules.days_left(seen.access_key, now),
    )
    with Sweep() as sweep:
        sweep.part(lambda: critical_events.watch(now), "critical events")
        sweep.part(lambda: _watch_nodes(seen, now, probe_ms), "the chain")


def _watch_nodes(seen: Seen, now: datetime, probe_ms: int) -> None:
    """Log what the nodes tell alike of the chain and the treasuries, and keep whether they have answered."""
    has_answered = _watch_chain(chain.connect(), seen.treasuries)
    db.atomically(lambda tx: store.keep_minute(tx, now, is_up=has_answered, probe_ms=probe_ms))


def _look(tx: Tx, now: datetime) -> Seen:
    return Seen(store.waiting(tx, now), store.open_payouts(tx), store.treasuries(tx), store.newest_access_key(tx))


def _watch_chain(nodes: Chain, treasuries: list[store.Pays]) -> bool:
    """Log the chain and each treasury; False if the chain does not answer. Once it does not, it is not asked again in
    this run; any other failure concerns one treasury only.
    """
    try:
        times = nodes.block_times()
        now = clock.now()
        log.info(
            "the chain was watched",
            head_age_seconds=rules.age_seconds(times.latest, now),
            finalized_age_seconds=rules.age_seconds(times.finalized, now),
        )
        with Sweep(passing=ChainUnreachable) as sweep:
            sweep.each(treasuries, lambda treasury: _watch_treasury(nodes, treasury), lambda treasury: treasury.name)
    except ChainUnreachable as error:
        log.warning("the chain cannot be watched", reason=str(error))
        return False
    return True


def _watch_treasury(nodes: Chain, treasury: store.Pays) -> None:
    log.info(
        "a treasury was watched",
        treasury=treasury.name,
        usdt=rules.whole_usdt(nodes.token_balance(treasury.token_address, treasury.address)),
        gas_milli=rules.milli_coins(nodes.gas_balance(treasury.address)),
    )
