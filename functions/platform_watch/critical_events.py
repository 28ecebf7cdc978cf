"""Finds critical events each minute, stores them, and logs a line for each one that lasts (docs/alerts.md).

The alerts are made of these lines: an incident of Cloud Monitoring opens with the first of them and closes when no more
come, so that people hear of it once.
"""

from datetime import datetime

from functions.platform_watch import rules, store
from shared import db, log
from shared.db import Tx
from shared.figures import critical
from shared.figures.critical import OpenEvent
from shared.ports import dead_letters
from shared.ports.dead_letters import DeadLettersUnread
from shared.ports.polygon import condition
from shared.values.incidents import Cause, CriticalKind, NodeCondition


def watch(now: datetime) -> None:
    """Look at nodes and dead letters, store what began and what ended, and then tell what lasts."""
    nodes = condition.look(condition.connect())
    _log_nodes(nodes, now)
    kinds, found = rules.TABLE_KINDS | rules.NODE_KINDS, rules.of_nodes(nodes, now)
    try:
        found += _dead_letters(now)
        kinds |= {CriticalKind.DEAD_LETTERS}
    except DeadLettersUnread as fault:
        log.warning("the dead letters cannot be looked at", reason=str(fault))

    def settle(tx: Tx) -> list[OpenEvent]:
        critical.settle(tx, kinds, [*store.causes(tx), *found], now, rules.unseen(nodes))
        return critical.open_events(tx)

    for event in db.atomically(settle):
        log.error(
            "a critical event lasts",
            cause=event.kind,
            subject=event.subject,
            detail=event.detail,
            runbook=event.runbook,
            seconds=rules.age_seconds(event.begun_at, now),
        )


def _log_nodes(nodes: list[NodeCondition], now: datetime) -> None:
    """Log a line for each node; what it does not tell is null, and counts in no metric."""
    for node in nodes:
        log.info(
            "a node was watched",
            node=node.name,
            height=node.height,
            blocks_behind=rules.blocks_behind(node, nodes),
            head_age_seconds=rules.age_seconds(node.head_at, now) if node.head_at else None,
            finalized_age_seconds=rules.age_seconds(node.finalized_at, now) if node.finalized_at else None,
            peers=node.peers,
            syncing=None if node.is_syncing is None else int(node.is_syncing),
            fault=node.fault,
        )


def _dead_letters(now: datetime) -> list[Cause]:
    """The one cause that dead letters are, if there are any. Raises DeadLettersUnread."""
    waiting = dead_letters.look()
    if not waiting.number:
        return []
    detail = f"{waiting.number} or more messages that these could not handle: {', '.join(waiting.receivers)}."
    return [Cause(CriticalKind.DEAD_LETTERS, dead_letters.SUBSCRIPTION, detail, waiting.since or now)]
