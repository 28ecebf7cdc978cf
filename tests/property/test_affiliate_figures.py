"""After any history the figures of all affiliates are what a slow count of the facts says: each change counted once."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from pg8000.dbapi import Connection

from functions.referral_refresh import main
from shared import clock, db, settings
from shared.database.session import Session
from shared.values.money import Usdt
from tests import factories
from tests.fakes.crashes import Crash, crash
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import PayoutRows
from tests.fault import weeks
from tests.fault.weeks import WeekSchedule

pytest_plugins = ["tests.fakes.payout_plugin"]

STEPS = 90
STATEMENTS_MAX = 25  # of one run, before it dies
WRONG = """
    WITH facts AS (
        SELECT m.id AS affiliate_id,
               (SELECT count(*) FROM referrals r WHERE r.affiliate_id = m.id) AS downline,
               (SELECT count(*) FROM affiliate_chips c WHERE c.affiliate_id = m.id) AS chips,
               (SELECT coalesce(sum(amount), 0) FROM affiliate_earnings e
                WHERE e.affiliate_id = m.id AND e.status NOT IN ('in_review', 'cancelled'))
               + (SELECT coalesce(sum(share), 0) FROM affiliate_week_shares s JOIN affiliate_weeks w USING (week_on)
                  WHERE s.affiliate_id = m.id AND w.approved_at IS NOT NULL AND NOT s.given_up) AS earned
        FROM members m
    )
    SELECT facts.affiliate_id, to_jsonb(facts), to_jsonb(kept)
    FROM facts LEFT JOIN affiliate_figures kept USING (affiliate_id)
    WHERE (facts.downline, facts.chips, facts.earned)
          IS DISTINCT FROM (coalesce(kept.downline, 0), coalesce(kept.chips, 0), coalesce(kept.earned, 0))
"""


class _History(WeekSchedule):
    """A schedule of weeks in which people also sign up, and the job that keeps the figures dies anywhere."""

    def join(self) -> None:
        """Somebody signs up by an affiliate's link."""
        factories.member(referred_by=self._one())

    def lose(self) -> None:
        """People take the credit for somebody from an affiliate."""
        self.weeks.rows(
            """
            UPDATE members SET referred_by_id = NULL
            WHERE id = (SELECT referred_id FROM referrals ORDER BY md5(CAST(referred_id AS text)) LIMIT 1) RETURNING id
            """
        )

    def review(self) -> None:
        """An award waits for a second person, or one that does is agreed to or cancelled."""
        waiting = self.weeks.rows(
            "SELECT id FROM affiliate_earnings WHERE status = 'in_review' AND kind = 'manual' ORDER BY id"
        )
        if waiting and self.random.random() < 0.7:
            self.weeks.rows(
                """
                UPDATE affiliate_earnings SET status = $2, agreed_by = $3,
                       cancelled_at = CASE WHEN $2 = 'cancelled' THEN CAST($4 AS timestamptz) END
                WHERE id = $1 RETURNING id
                """,
                self.random.choice(waiting)[0],
                self.random.choice(("pending", "cancelled")),
                factories.member().id,
                self.time,
            )
            return
        self.weeks.rows(
            """
            INSERT INTO affiliate_earnings (id, affiliate_id, kind, amount, status, awarded_by, reason, earned_at)
            VALUES (gen_random_uuid(), $1, 'manual', 2000000000, 'in_review', $2, 'For Reno.', $3) RETURNING id
            """,
            self._one().id,
            factories.member().id,
            self.time,
        )

    def follow(self) -> None:
        """The job runs: whole, until it dies, late, or three times at once."""
        chance = self.random.random()
        if chance < 0.3:
            with ThreadPoolExecutor(3) as threads:
                list(threads.map(refresh, [self.time] * 3))
        elif chance < 0.7:
            at, after = self.random.randint(1, STATEMENTS_MAX), self.random.random() < 0.5
            with crash(Session, self.random.choice(("execute", "commit")), at=at, after=after):
                try:
                    refresh(self.time)
                except Crash:
                    self.done["job killed"] += 1
        else:
            refresh(self.time)


ACTIONS: Sequence[tuple[Callable[[_History], None], int]] = (
    *weeks.ACTIONS,
    (WeekSchedule.leave, 3),
    (WeekSchedule.decide, 10),
    (_History.join, 12),
    (_History.lose, 3),
    (_History.review, 6),
    (_History.follow, 30),
)


def refresh(now: datetime) -> None:
    with db.acting_for("referral_refresh"):
        main.refresh(now)


@pytest.mark.parametrize("seed", range(4))
def test_the_figures_are_what_a_slow_count_of_the_facts_says(
    seed: int, sql: Connection, payout_driver: PayoutDriver, rows: PayoutRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    for treasury in ("affiliate", "member"):
        payout_driver.chain.mint(rows.signer(treasury), Usdt.of(1_000_000).micro)
    settings.forget()
    monkeypatch.setattr(main, "AT_ONCE", 3)
    history = _History(sql, payout_driver, random.Random(seed))  # noqa: S311 - the same seed plays the same history
    monkeypatch.setattr(clock, "now", history.now)
    actions, weights = zip(*ACTIONS, strict=True)
    for _ in range(STEPS):
        history.pass_time(history.random.choice(weeks.PAUSES))
        history.random.choices(actions, weights)[0](history)
    for _ in range(3):  # a run takes one approved week to its end
        refresh(history.time)
    assert history.weeks.rows(WRONG) == []
    assert history.weeks.rows("SELECT id FROM affiliate_figure_changes") == []
    history.settle()
    for _ in range(10):
        refresh(history.time)
    assert history.weeks.rows(WRONG) == []
    assert history.weeks.rows("SELECT week_on FROM affiliate_figure_weeks") == []
