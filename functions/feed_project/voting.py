"""Copies votes to listeners: when one is opened or closed, and once a second while ballots come in."""

import time
from datetime import timedelta
from uuid import UUID, uuid4

from functions.feed_project import documents, vote_store
from shared import clock, db, leases
from shared.ports import firestore

LEASE = "vote-totals"
TURN_LIFE = timedelta(seconds=5)
PERIOD_SECONDS = 1.0


def project(vote_id: UUID) -> None:
    """Copy one vote as it is."""
    vote = db.atomically(vote_store.find, vote_id)
    if vote:
        firestore.put_newer([documents.vote_document(vote)])


def follow(seconds: float) -> None:
    """Copy the votes that are open whenever their totals have changed, as the only run that does, until there is none
    or the time is over.
    """
    holder, ends_at = uuid4(), time.monotonic() + seconds
    shown: dict[str, int] = {}
    while time.monotonic() < ends_at:
        moment = clock.now()
        if not db.atomically(leases.take, LEASE, holder, moment, moment + TURN_LIFE):
            return
        votes = db.atomically(vote_store.going)
        made = [documents.vote_document(vote) for vote in votes]
        changed = [document for document in made if shown.get(document.path) != document.sequence]
        if changed:
            firestore.put_newer(changed)
            shown |= {document.path: document.sequence for document in changed}
        if not votes or clock.is_advancing():
            break
        time.sleep(max(0.0, min(PERIOD_SECONDS, ends_at - time.monotonic())))
    db.atomically(leases.release, LEASE, holder, clock.now())
