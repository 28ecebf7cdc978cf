"""Opens and closes votes: each in one transaction, so that whoever dies on the way has done nothing.

The vote is locked first; nobody casts a ballot and no admin decides meanwhile. The heads of the chat's channels come
last. The time is asked for under the lock: what a run has waited for was done before.
"""

from datetime import datetime
from uuid import UUID

from functions.governance_close import announcement_store, rules, store, texts
from functions.governance_close.store import Vote
from shared import clock, events, log
from shared.db import Tx
from shared.social import vote_locks, votes
from shared.social.events import TendVote, VoteChanged
from shared.values.states import VoteStatus
from shared.values.tiers import quarter_of

GOVERNANCE, ANNOUNCEMENTS = "governance", "announcements"


def tend(tx: Tx, vote_id: UUID) -> bool:
    """Do what the time has come for, if anything; False if the vote is open and its end has not come, or if another run
    is at it: opening may take minutes, and nobody waits for that.

    Harmless twice, and late.
    """
    if not vote_locks.take_turn(tx, vote_id):
        return False
    vote = store.lock(tx, vote_id)
    if vote is None:
        return True
    now = clock.now()
    if vote.status is VoteStatus.OPENING:
        _open(tx, vote, now)
    elif rules.may_close(vote.status, vote.closes_at, now):
        _close(tx, vote, now)
    else:
        return vote.status is not VoteStatus.ACTIVE
    return True


def content_of(vote: Vote) -> bytes:
    """The question and its options, as the digest has them."""
    return votes.content(
        vote.id,
        vote.type,
        vote.title,
        vote.description,
        vote.labels,
        seconds=vote.seconds,
        quorum_percent=vote.quorum_percent,
    )


def _open(tx: Tx, vote: Vote, now: datetime) -> None:
    roll = store.make_electors(tx, vote, quarter_of(now), content_of(vote))
    store.activate(tx, vote, roll, now)
    opened = store.find(tx, vote.id)
    assert opened
    assert opened.closes_at, "it has just been opened"
    ends_at = opened.closes_at + votes.GRACE
    if ends_at - now <= rules.TASK_AHEAD_MAX:
        events.enqueue(tx, now, TendVote(vote_id=vote.id), name=f"vote-close-{vote.id}", deliver_at=ends_at)
    events.emit(tx, now, VoteChanged(vote_id=vote.id))
    announcement_store.announce(tx, [GOVERNANCE], texts.opened(vote.title, opened.closes_at), now)
    log.info("a vote was opened", vote_id=vote.id, electors=roll.electors)
    if not roll.electors:
        log.warning("a vote was opened that nobody may vote in", vote_id=vote.id)


def _close(tx: Tx, vote: Vote, now: datetime) -> None:
    """Count the rows, and publish what they say. Where the sums say something else, nothing is published, and people
    are told each time that somebody looks.
    """
    totals = store.totals(tx, vote.id)
    if any(total.rows != total.ballots for total in totals):
        differing = [total.option for total in totals if total.rows != total.ballots]
        log.error("the ballots of a vote are not what was added up", vote_id=vote.id, options=differing)
        store.end_ballots(tx, vote.id)
        return
    assert vote.electors is not None, "it was opened"
    outcome = rules.outcome({total.option: total.rows for total in totals}, vote.electors, vote.quorum_percent)
    store.close(tx, vote.id, outcome, now)
    events.emit(tx, now, VoteChanged(vote_id=vote.id))
    labels = dict(enumerate(vote.labels, start=1))
    said = texts.closed(vote.title, outcome, labels, early=vote.closed_early_at is not None)
    announcement_store.announce(tx, [ANNOUNCEMENTS, GOVERNANCE], said, now)
    log.info("a vote was closed", vote_id=vote.id, ballots=outcome.ballots, winner=outcome.winner)
