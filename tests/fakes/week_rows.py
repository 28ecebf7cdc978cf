"""Weeks of affiliates for tests: chips, pools, wallets, and the job that divides and pays."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from functions.affiliate_week import main
from functions.affiliate_week.week_store import SETTLING_TIME
from shared import clock, db
from shared.comps import awards
from shared.db import Tx
from shared.ledger import journals
from shared.values.money import Usdt
from shared.values.weeks import last_sunday
from tests import factories
from tests.factories import Somebody
from tests.fakes.comp_records import award_for
from tests.fakes.plain_rows import put

SUNDAY = date(2026, 11, 22)
CUT = datetime.combine(SUNDAY, time(), UTC)
AFTER = CUT + timedelta(minutes=5)
WEEK = timedelta(days=7)


def wallet() -> str:
    """An address that nobody has."""
    return "0x" + uuid4().hex + "ab" * 4


def manual_earning(sql: Connection) -> UUID:
    """An award that waits, outside of foreign keys (`plain_rows.unchecked`)."""
    made = uuid4()
    put(sql, "affiliate_earnings", id=made, affiliate_id=uuid4(), kind="manual", amount=1, status="in_review",
        earned_at=AFTER, awarded_by=uuid4(), reason="x")  # fmt: skip
    return made


def newest_ended(now: datetime) -> tuple[date, datetime]:
    """The Sunday on which the newest week has ended, and a moment shortly before its end."""
    week_on = last_sunday(now - SETTLING_TIME)
    return week_on, datetime.combine(week_on, time(), UTC) - timedelta(hours=1)


@dataclass(frozen=True)
class Weeks:
    """Reads and moves weeks."""

    sql: Connection

    def rows(self, query: str, *values: object) -> list[Any]:
        return [tuple(row) for row in self.sql.execute_unnamed(query, values).rows or []]

    def fill(self, amount: Usdt, at: datetime = CUT - timedelta(hours=1)) -> None:
        """Give the pool of affiliates so much."""
        db.atomically(journals.move, str(uuid4()), "profit:shop", "pool:affiliate", amount, at)

    def scan(
        self,
        affiliate: Somebody,
        times: int = 1,
        at: datetime = CUT - timedelta(hours=2),
        by: Somebody | None = None,
    ) -> list[int]:
        """Have somebody scan so often whom the affiliate has referred (`by`, if given); returns the numbers."""
        numbers = self.rows(
            """
            INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, tier, quarter,
                               quarter_scans, processing_ms)
            SELECT gen_random_uuid(), (SELECT coalesce(max(number), 0) FROM scans) + n, $1, '', 'X', $2, 'qr',
                   'standard', '2026-Q4', 1, 1
            FROM generate_series(1, $3::integer) n RETURNING number
            """,
            (by or affiliate).id,
            at,
            times,
        )
        found = sorted(number for (number,) in numbers)
        self.rows(
            """
            WITH chips AS (
                INSERT INTO affiliate_chips (id, affiliate_id, kind, chips, scan_number, earned_at)
                SELECT gen_random_uuid(), $1, 'referral_scan', 1, n, $2 FROM unnest($3::bigint[]) n RETURNING id
            )
            INSERT INTO chip_balances AS kept (affiliate_id, earned) SELECT $1, count(*) FROM chips
            ON CONFLICT (affiliate_id) DO UPDATE SET earned = kept.earned + excluded.earned RETURNING 1
            """,
            affiliate.id,
            at,
            found,
        )
        return found

    def flag(self, number: int) -> None:
        """Have a scan doubted, as fraud checks do."""
        self.rows(
            """
            INSERT INTO flagged_scans (scan_id, scanned_at, scan_number, member_id, flags, flagged_at)
            SELECT id, scanned_at, number, member_id, ARRAY['travel'], scanned_at FROM scans WHERE number = $1
            RETURNING 1
            """,
            number,
        )

    def judge(self, number: int, status: str) -> None:
        """Decide about a doubted scan: cleared or confirmed."""
        self.rows(
            """
            UPDATE flagged_scans SET status = $2, decided_at = now(), decided_by = $3 WHERE scan_number = $1 RETURNING 1
            """,
            number,
            status,
            factories.member().id,
        )

    def run(self, now: datetime = AFTER) -> None:
        """Run the job as its schedule does."""
        main.go_on(now)

    def agree(self, *people: Somebody, week_on: date = SUNDAY, verdict: str = "approve") -> None:
        """Have people decide about what the week shows."""
        for person in people:
            self.rows(
                """
                INSERT INTO affiliate_week_decisions (week_on, ready_at, admin_id, verdict, payment_digest, reason,
                                                      decided_at)
                SELECT week_on, ready_at, $2, $3, payment_digest, 'Looked at.', now() FROM affiliate_weeks
                WHERE week_on = $1 RETURNING 1
                """,
                week_on,
                person.id,
                verdict,
            )

    def week(self, week_on: date = SUNDAY) -> Mapping[str, Any]:
        """The week's row as JSON."""
        (found,) = self.rows("SELECT to_jsonb(w) FROM affiliate_weeks w WHERE week_on = $1", week_on)
        row: Mapping[str, Any] = found[0]
        return row

    def shares(self, week_on: date = SUNDAY) -> dict[UUID, tuple[int, int, int]]:
        """Chips that count, overflow and share in micro-USDT of each affiliate."""
        rows = self.rows(
            "SELECT affiliate_id, chips, overflow, share FROM affiliate_week_shares WHERE week_on = $1", week_on
        )
        return {row[0]: row[1:] for row in rows}

    def balances(self) -> dict[str, int]:
        """The accounts of affiliates that are not zero, in micro-USDT."""
        rows = self.rows(
            """
            SELECT account, CAST(sum(balance) AS bigint) FROM ledger_balances
            WHERE split_part(account, ':', 2) = 'affiliate'
              AND split_part(account, ':', 1) IN ('pool', 'week', 'owed', 'settled', 'match')
            GROUP BY account HAVING sum(balance) <> 0
            """
        )
        return dict(rows)

    def payouts(self) -> list[tuple[UUID, str, int]]:
        """Affiliate, state and amount of each payout of affiliates."""
        return self.rows("SELECT affiliate_id, state, amount FROM affiliate_payouts ORDER BY made_at, amount")

    def money_payouts(self) -> list[UUID]:
        """The payouts of the machine that pay affiliates."""
        return [row[0] for row in self.rows("SELECT id FROM payouts WHERE source_kind = 'affiliate_payout'")]

    def earn(self, affiliate: Somebody, amount: Usdt, by: Somebody | None = None) -> UUID:
        """Give the affiliate the match of a comp that a member whom they referred has won (`by`, if given); returns
        the comp's id.
        """
        winner = by or factories.member(referred_by=affiliate)

        def work(tx: Tx) -> UUID:
            given = award_for(winner, amount, source=str(uuid4()))
            made = awards.award(tx, given, clock.now())
            assert made
            return made

        return db.atomically(work)
