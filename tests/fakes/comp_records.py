"""Awards of comps for tests, and the records that must agree: comps, matches, totals, ledger and payouts."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier
from typing import Any, TypeVar
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from shared import clock, db
from shared.comps import awards
from shared.comps.awards import Award
from shared.values.money import ZERO, Usdt
from shared.values.prizes import CompType
from tests.factories import Somebody

T = TypeVar("T")

WALLET = "0x" + "Ab" * 20
HUNDRED = Usdt.of(100)

# The balance that each account must have, from the states of comps, matches and payouts.
EXPECTED_BALANCES = """
    SELECT 'owed:member', (SELECT sum(amount) FROM comps WHERE status IN ('in_review', 'pending'))
    UNION ALL SELECT 'settled:member', (SELECT sum(amount) FROM comps WHERE status = 'paid')
    UNION ALL SELECT 'pool:member', (SELECT -sum(amount) FROM comps WHERE status <> 'cancelled')
    UNION ALL SELECT 'owed:affiliate',
                     (SELECT sum(amount) FROM affiliate_earnings WHERE status IN ('in_review', 'pending'))
    UNION ALL SELECT 'match:affiliate', (SELECT -sum(amount) FROM affiliate_earnings WHERE status <> 'cancelled')
    UNION ALL SELECT 'in_flight:member',
                     (SELECT sum(amount) FROM payouts WHERE state IN ('RESERVED', 'IN_FLIGHT') AND treasury = 'member')
    UNION ALL SELECT 'paid:member', (SELECT sum(amount) FROM payouts WHERE state = 'PAID' AND treasury = 'member')
"""


@dataclass(frozen=True)
class CompRecords:
    """Reads everything that a comp moves."""

    sql: Connection

    def rows(self, query: str, *values: object) -> list[Any]:
        return list(self.sql.execute_unnamed(query, values).rows or [])

    def comp_status(self, comp_id: UUID) -> str:
        """The status of a comp."""
        return str(self.rows("SELECT status FROM comps WHERE id = $1", comp_id)[0][0])

    def match(self, comp_id: UUID) -> tuple[str, int] | None:
        """The status and amount of a comp's match; None if there is none."""
        found = self.rows("SELECT status, amount FROM affiliate_earnings WHERE comp_id = $1", comp_id)
        return (str(found[0][0]), int(found[0][1])) if found else None

    def payout(self, comp_id: UUID) -> UUID:
        """The id of the payout that pays the comp."""
        return UUID(str(self.rows("SELECT id FROM payouts WHERE source_id = $1", str(comp_id))[0][0]))

    def notification_titles(self, somebody: Somebody) -> list[str]:
        """The titles of a member's notifications, in order."""
        query = "SELECT title FROM notifications WHERE member_id = $1 ORDER BY created_at, dedupe_key"
        return [str(title) for (title,) in self.rows(query, somebody.id)]

    def assert_consistent(self) -> None:
        """Check that postings, balances, states and totals agree, and that every journal is balanced."""
        posted = dict(self.rows("SELECT account, sum(amount)::bigint FROM ledger_postings GROUP BY 1"))
        kept = dict(self.rows("SELECT account, sum(balance)::bigint FROM ledger_balances GROUP BY 1"))
        assert posted == kept
        assert sum(posted.values()) == 0
        for account, amount in self.rows(EXPECTED_BALANCES):
            assert posted.get(account, 0) == int(amount or 0), account
        assert not self.rows(
            """
            SELECT t.member_id FROM member_totals t
            WHERE lifetime_comps <> (SELECT coalesce(sum(amount), 0) FROM comps c
                                     WHERE c.member_id = t.member_id AND status <> 'cancelled')
               OR comps_paid <> (SELECT coalesce(sum(amount), 0) FROM comps c
                                 WHERE c.member_id = t.member_id AND status = 'paid')
            """
        )
        assert not self.rows(
            "SELECT i.member_id FROM inbox_counts i WHERE unread <> "
            "(SELECT count(*) FROM notifications n WHERE n.member_id = i.member_id AND read_at IS NULL)"
        )


def award_for(
    somebody: Somebody,
    amount: Usdt = HUNDRED,
    *,
    kind: CompType = CompType.MANUAL,
    source: str | None = None,
    in_review: bool = False,
) -> Award:
    """The award of a comp to a member."""
    source_kind = "guarantee" if kind is CompType.NEW_MEMBER_GUARANTEE else "manual"
    return Award(somebody.id, kind, amount, source_kind, source or str(uuid4()), {}, needs_review=in_review)


def award_comp(
    somebody: Somebody, amount: Usdt = HUNDRED, *, kind: CompType = CompType.MANUAL, in_review: bool = False
) -> UUID:
    """Award a comp; returns its id."""
    award = award_for(somebody, amount, kind=kind, in_review=in_review)
    made = db.atomically(lambda tx: awards.award(tx, award, clock.now()))
    assert made
    return made


def award_guarantee(somebody: Somebody, number: int, amount: Usdt) -> None:
    """Award one of the comps that a new member is guaranteed; `number` tells it from the others."""
    award = award_for(somebody, amount, kind=CompType.NEW_MEMBER_GUARANTEE, source=f"{somebody.id}:{number}")
    db.atomically(lambda tx: awards.award(tx, award, clock.now()))


def award_trip(winner: Somebody, *, in_review: bool = False) -> UUID:
    """Award a trip and return the comp's id."""
    return award_comp(winner, ZERO, kind=CompType.TRIP, in_review=in_review)


def cancel(comp_id: UUID) -> bool:
    return db.atomically(lambda tx: awards.cancel(tx, comp_id, "by mistake", clock.now()))


def release(comp_id: UUID) -> bool:
    return db.atomically(lambda tx: awards.release(tx, comp_id, clock.now()))


def match(comp_id: UUID, value: Usdt) -> UUID | None:
    return db.atomically(lambda tx: awards.match(tx, comp_id, value, clock.now()))


def in_parallel(*acts: Callable[[], T]) -> list[T]:
    """Run the acts in parallel, started at the same moment; returns their results."""
    ready = Barrier(len(acts))

    def run(act: Callable[[], T]) -> T:
        ready.wait(timeout=30)
        return act()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))
