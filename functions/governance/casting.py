"""Casts the ballots of a group in one transaction: each is answered as if it had come alone.

Locks are taken in this order: votes, shared; ballots; options, sorted by vote. Nothing that others could hold up comes
after an option, because everybody who votes for it waits behind it.
"""

import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from functions.governance import rules, store
from functions.governance.models import BallotDraft, VoteBallot
from functions.governance.rules import Booth
from functions.governance.store import BallotRow
from shared.auth import Member
from shared.db import Tx
from shared.values.problems import Problem
from shared.web.signatures import Asked

RECEIPT_BYTES = 16

Cast = Asked[Member, BallotDraft]


def cast(tx: Tx, group: Sequence[Cast], now: datetime) -> list[VoteBallot | Problem]:
    """Cast the ballots of a group. A member who has cast theirs for the same option gets its receipt again."""
    wanted = [(asked.path["vote_id"], asked.caller.id) for asked in group]
    booths = {
        row.id: Booth(row.status, row.closes_at, row.options)
        for row in store.lock(tx, {vote for vote, _ in wanted}).values()
    }
    electors = store.electors(tx, wanted)
    known = store.cast_before(tx, wanted)
    refused: dict[int, Problem] = {}
    new: dict[tuple[UUID, UUID], BallotRow] = {}
    for position, (asked, pair) in enumerate(zip(group, wanted, strict=True)):
        booth = booths.get(pair[0])
        if problem := rules.refusal(booth, asked.body.option, is_elector=pair in electors):
            refused[position] = problem
        elif pair not in known and pair not in new:
            assert booth, "an unknown one was refused"
            arrived_at = asked.at or now
            if problem := rules.too_late(booth, arrived_at):
                refused[position] = problem
            else:
                new[pair] = BallotRow(*pair, asked.body.option, secrets.token_bytes(RECEIPT_BYTES), arrived_at)
    known |= _record(tx, new)
    return [
        refused.get(position) or _answer(known[pair], asked.body.option)
        for position, (asked, pair) in enumerate(zip(group, wanted, strict=True))
    ]


def _record(tx: Tx, new: dict[tuple[UUID, UUID], BallotRow]) -> dict[tuple[UUID, UUID], BallotRow]:
    """Insert ballots and count them. Where another request of the same member was faster, its ballot is returned."""
    if not new:
        return {}
    inserted = store.cast(tx, list(new.values()))
    counts = Counter((new[pair].vote_id, new[pair].option) for pair in inserted)
    overtaken = [pair for pair in new if pair not in inserted]
    found = store.cast_before(tx, overtaken) if overtaken else {}
    if counts:
        store.add(tx, [(vote, option, number) for (vote, option), number in sorted(counts.items())])
    return new | found


def _answer(ballot: BallotRow, option: int) -> VoteBallot | Problem:
    if ballot.option != option:
        return rules.BallotAlreadyCast(option=ballot.option)
    return VoteBallot(
        vote_id=ballot.vote_id, option=ballot.option, receipt=ballot.receipt.hex(), cast_at=ballot.cast_at
    )
