"""Proposes what a week pays, and promises it once people have agreed to exactly that."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.affiliate_week.week_store import WEEK, Week
from shared import log, settings
from shared.affiliates import payouts, published
from shared.affiliates.pool import POOL
from shared.db import Tx
from shared.ledger import journals
from shared.values.ids import NIL
from shared.values.money import Usdt

DIGESTED = 20_000  # payouts that are read at once
ALONE_MAX = Usdt.of(50_000)  # what one person, or nobody, may approve


@dataclass(frozen=True)
class _Proposed:
    recipients: int
    amount: Usdt


@dataclass(frozen=True)
class _Decided:
    given: int
    rejected: bool
    held: bool


def propose(tx: Tx, week: Week, now: datetime) -> bool:
    """Take the week from COUNTED to READY: whom it would pay what, and the digest that people agree to.

    Paid are affiliates with a wallet that may be paid, whose shares and earnings sum to the least amount or more.
    """
    payouts.lock_choice(tx)
    _insert_payouts(tx, week, now)
    found = tx.one(
        _Proposed,
        """
        SELECT CAST(count(*) AS integer) AS recipients, CAST(coalesce(sum(amount), 0) AS bigint) AS amount
        FROM affiliate_payouts WHERE week_on = :week_on
        """,
        week_on=week.week_on,
    )
    shares = digest(published.header(week), published.share_lines(tx, week))
    rules = settings.load(tx)
    is_small = found.amount <= min(rules.payouts.limits[payouts.TREASURY].day, ALONE_MAX)
    approvals = (0 if rules.affiliates.automatic else 1) if is_small else 2
    tx.run(
        """
        UPDATE affiliate_weeks SET state = 'ready', recipients = :recipients, proposed = :amount, digest = :shares,
               payment_digest = :payments, approvals = :approvals, ready_at = :now
        WHERE week_on = :week_on
        """,
        week_on=week.week_on,
        recipients=found.recipients,
        amount=found.amount,
        shares=shares,
        payments=digest(shares.hex() + "\n", _payout_lines(tx, week)),
        approvals=approvals,
        now=now,
    )
    if approvals:
        log.warning("a week waits for people", week_on=week.week_on, recipients=found.recipients, amount=found.amount)
    return True


def settle(tx: Tx, week: Week, now: datetime) -> bool:
    """Take the week from READY to APPROVED when enough people have agreed and nobody holds it, or back to OPENED
    when one has rejected it.

    With the approval its shares are promised, and what was beyond the most that counts is vaulted. Shares of those who
    have closed their account go back to the pool.
    """
    decided = tx.one(
        _Decided,
        """
        SELECT week_approvals_given(affiliate_weeks) AS given, week_is_rejected(affiliate_weeks) AS rejected,
               week_is_held(affiliate_weeks) AS held
        FROM affiliate_weeks WHERE week_on = :week_on
        """,
        week_on=week.week_on,
    )
    if decided.rejected:
        _count_anew(tx, week)
        return True
    if decided.held or week.approvals is None or decided.given < week.approvals:
        return False
    _withdraw_of_closed(tx, week, now)
    given_up = _give_up(tx, week, now)
    lines = {WEEK: -week.pool, f"owed:{payouts.TREASURY}": week.pool - given_up, POOL: given_up}
    journals.post(tx, f"week:{week.week_on}", lines, now)
    _vault_overflow(tx, week)
    tx.run(
        "UPDATE affiliate_weeks SET state = 'approved', approved_at = :now WHERE week_on = :week_on",
        week_on=week.week_on,
        now=now,
    )
    return True


def _payout_lines(tx: Tx, week: Week) -> Iterator[str]:
    """The lines `affiliate,address,amount,parts` of what a week would pay, in the order of the affiliates."""

    def piece(after: str) -> str | None:
        return tx.scalar_or_none(
            str,
            """
            SELECT string_agg(affiliate_id || ',' || address || ',' || amount || ',' || parts || chr(10), ''
                              ORDER BY affiliate_id) AS text
            FROM (SELECT p.affiliate_id, p.address, p.amount,
                         (SELECT string_agg(coalesce(CAST(l.share_week AS text), CAST(l.earning_id AS text)) || ':'
                                            || l.amount, ';' ORDER BY l.share_week, l.earning_id)
                          FROM affiliate_payout_lines l WHERE l.payout_id = p.id) AS parts
                  FROM affiliate_payouts p
                  WHERE p.week_on = :week_on AND p.state = 'proposed' AND p.affiliate_id > CAST(:after AS uuid)
                  ORDER BY p.affiliate_id LIMIT :limit) piece
            """,
            week_on=week.week_on,
            after=after,
            limit=DIGESTED,
        )

    return _pieces(piece, str(NIL))


def _pieces(piece_after: Callable[[str], str | None], after: str) -> Iterator[str]:
    """The pieces of a text; each begins after the first field of the last line of the one before."""
    while piece := piece_after(after):
        yield piece
        after = published.first_of_last(piece)


def digest(first: str, pieces: Iterator[str]) -> bytes:
    """SHA-256 of a text in pieces."""
    made = hashlib.sha256(first.encode())
    for piece in pieces:
        made.update(piece.encode())
    return made.digest()


def _insert_payouts(tx: Tx, week: Week, now: datetime) -> None:
    """Propose a payout to each affiliate who may be paid now, with all that is owed and in no other payout."""
    tx.run(
        """
        WITH parts AS MATERIALIZED (
            SELECT s.affiliate_id, s.week_on AS share_week, CAST(NULL AS uuid) AS earning_id, s.share AS amount
            FROM affiliate_week_shares s JOIN affiliate_weeks w USING (week_on)
            WHERE s.share > 0 AND s.settled_at IS NULL AND (w.approved_at IS NOT NULL OR w.week_on = :week_on)
              AND NOT EXISTS (SELECT FROM affiliate_payout_lines l WHERE l.share_week = s.week_on
                              AND l.affiliate_id = s.affiliate_id AND l.released_at IS NULL)
            UNION ALL
            SELECT e.affiliate_id, NULL, e.id, e.amount FROM affiliate_earnings e
            WHERE e.status = 'pending'
              AND NOT EXISTS (SELECT FROM affiliate_payout_lines l WHERE l.earning_id = e.id AND l.released_at IS NULL)
        ), made AS (
            INSERT INTO affiliate_payouts (id, affiliate_id, week_on, address, amount, made_at, state_at)
            SELECT gen_random_uuid(), m.id, :week_on, m.wallet_address, sum(parts.amount), :now, :now
            FROM parts JOIN members m ON m.id = parts.affiliate_id WHERE affiliate_is_payable(m, :now)
            GROUP BY m.id HAVING sum(parts.amount) >= greatest(CAST(:least AS bigint), 1)
            RETURNING id, affiliate_id
        )
        INSERT INTO affiliate_payout_lines (payout_id, affiliate_id, share_week, earning_id, amount)
        SELECT made.id, made.affiliate_id, share_week, earning_id, amount FROM made JOIN parts USING (affiliate_id)
        """,
        week_on=week.week_on,
        least=week.payout_min,
        now=now,
    )


def _count_anew(tx: Tx, week: Week) -> None:
    """Undo what was counted and proposed; range and pool stay."""
    tx.run(
        """
        UPDATE affiliate_weeks SET state = 'opened', outcome = NULL, chips = NULL, affiliates = NULL, recipients = NULL,
               proposed = NULL, digest = NULL, payment_digest = NULL, approvals = NULL, ready_at = NULL
        WHERE week_on = :week_on
        """,
        week_on=week.week_on,
    )
    tx.run(
        """
        DELETE FROM affiliate_payout_lines
        WHERE payout_id IN (SELECT id FROM affiliate_payouts WHERE week_on = :week_on)
        """,
        week_on=week.week_on,
    )
    tx.run("DELETE FROM affiliate_payouts WHERE week_on = :week_on", week_on=week.week_on)
    tx.run("DELETE FROM affiliate_week_shares WHERE week_on = :week_on", week_on=week.week_on)


def _withdraw_of_closed(tx: Tx, week: Week, now: datetime) -> None:
    """Cancel what is proposed to members who have closed their account: a closing that runs beside the proposal does
    not see it.
    """
    withdrawn = tx.column(
        UUID,
        """
        UPDATE affiliate_payouts p SET state = 'cancelled', state_at = :now FROM members m
        WHERE p.week_on = :week_on AND p.state = 'proposed' AND m.id = p.affiliate_id AND m.status = 'deleted'
        RETURNING p.id
        """,
        week_on=week.week_on,
        now=now,
    )
    payouts.release_lines(tx, withdrawn, now)


def _give_up(tx: Tx, week: Week, now: datetime) -> Usdt:
    """Give up the shares of members who have closed their account since the count; returns their sum."""
    return tx.scalar(
        Usdt,
        """
        WITH given AS (
            UPDATE affiliate_week_shares s SET settled_at = :now, given_up = true FROM members m
            WHERE s.week_on = :week_on AND m.id = s.affiliate_id AND m.status = 'deleted' AND s.settled_at IS NULL
            RETURNING s.share
        )
        SELECT CAST(coalesce(sum(share), 0) AS bigint) AS amount FROM given
        """,
        week_on=week.week_on,
        now=now,
    )


def _vault_overflow(tx: Tx, week: Week) -> None:
    """Vault the chips beyond the most that count, from the moment at which the week ended."""
    tx.run(
        """
        INSERT INTO vault_lots (id, affiliate_id, kind, week_on, chips, left_chips, vaulted_at, expires_at)
        SELECT gen_random_uuid(), affiliate_id, 'overflow', week_on, overflow, overflow,
               CAST(week_on AS timestamp) AT TIME ZONE 'UTC',
               CAST(week_on AS timestamp) AT TIME ZONE 'UTC' + interval '365 days'
        FROM affiliate_week_shares WHERE week_on = :week_on AND overflow > 0
        """,
        week_on=week.week_on,
    )
