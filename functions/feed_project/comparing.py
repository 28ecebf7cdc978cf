"""After a restore, compares the scan count with the count that listeners were shown, before it goes on
(docs/disaster.md).
"""

from datetime import datetime, timedelta

from functions.feed_project import documents, rules, store
from functions.feed_project.rules import Published
from shared import db, log
from shared.db import Tx
from shared.ports import firestore
from shared.scans import counter

PEAK_DAYS = timedelta(days=7)


def compare(now: datetime) -> bool:
    """Let the count go on above every published number and the margin above it; harmless twice.

    Returns False if it cannot: then people must say which number was reached.
    """
    found = rules.published(firestore.find(documents.COUNTER_PATH))
    if found is None:
        log.error("the count cannot be compared", reason="nothing is published")
        return False
    return db.atomically(_go_on, found, now)


def _go_on(tx: Tx, found: Published, now: datetime) -> bool:
    before = counter.read(tx)
    if before.compared:
        return True
    margin = rules.margin([found.peak_per_minute, *store.peaks_per_minute(tx, now - PEAK_DAYS)])
    if rules.is_behind(found, before.value, margin):
        log.error("the count cannot be compared", reason="too old is what was published", published=found.total)
        return False
    value = store.let_count_go_on(tx, found.total, margin, documents.COUNTER_PATH, now)
    log.warning("the count was compared", before=before.value, published=found.total, value=value)
    return True
