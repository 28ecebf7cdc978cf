"""`make recount VOTE=ID`: the ballots of a vote counted from their rows, and its electors compared with their seal.

It speaks to the stack that is running here; with DATABASE_… in the environment, to that database.
"""

import argparse
import sys
from uuid import UUID

from emulators import running, terminal
from functions.governance_close import rules, store, tending
from functions.governance_close.store import Roll, Total, Vote
from shared import db
from shared.db import Tx


def faults(vote_id: UUID | str) -> list[str]:
    """Recount a vote; returns a sentence for each flaw. Raises LookupError if it was never opened."""
    vote, totals, roll = _read(vote_id)
    found = [
        f"option {total.option}: {total.ballots} was added up, and {total.rows} ballots are there"
        for total in totals
        if total.rows != total.ballots
    ]
    if (roll.electors, roll.digest) != (vote.electors, vote.digest):
        found.append("electors and content are not those that were sealed at the opening")
    if vote.outcome is not None and not found:
        counted = rules.outcome({total.option: total.rows for total in totals}, roll.electors, vote.quorum_percent)
        if counted.model_dump(mode="json") != vote.outcome:
            found.append("the published outcome is another one than the ballots give")
    return found


def show(vote_id: UUID | str) -> None:
    """Print how many ballots each option has, and that they hold."""
    vote, totals, roll = _read(vote_id)
    print(f"{vote.title}: {vote.status.value}, {roll.electors} electors, digest {roll.digest.hex()}")
    for total, label in zip(totals, vote.labels, strict=True):
        print(f"{total.rows:>10}  {label}")
    wrong = faults(vote_id)
    for fault in wrong:
        print(f"WRONG  {fault}")
    if not wrong:
        print("every ballot is counted, and the electors are those of the opening")


def main() -> None:
    """Print what is counted. Exits with 0 when all holds, 1 when not, 2 if it cannot be asked."""
    parser = argparse.ArgumentParser(description=__doc__, prog="make recount")
    parser.add_argument("vote", type=UUID, help="the vote's id")
    asked = parser.parse_args()
    running.adopt_environment(*running.DATABASE)
    try:
        with terminal.answering():
            show(asked.vote)
            if faults(asked.vote):
                sys.exit(1)
    finally:
        db.close()


def _read(vote_id: UUID | str) -> tuple[Vote, list[Total], Roll]:
    return db.atomically(_rows, UUID(str(vote_id)))


def _rows(tx: Tx, vote_id: UUID) -> tuple[Vote, list[Total], Roll]:
    vote = store.find(tx, vote_id)
    if vote is None or vote.opened_at is None:
        raise LookupError(f"no vote {vote_id} was opened")
    return vote, store.totals(tx, vote_id), store.roll(tx, vote_id, tending.content_of(vote))


if __name__ == "__main__":
    main()
