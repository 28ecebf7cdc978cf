"""Proposes what a week pays, and promises it once people have agreed to exactly that."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.affiliate_week import week_store
from functions.affiliate_week.week_store import WEEK, WHOLE_WEEK_SECONDS, Week
from shared import log, settings
from shared.affiliates import payouts, published
from shared.affiliates.pool import POOL
from shared.db import Tx
from shared.ledger import journals
from shared.messages import feed, texts
from shared.values.ids import NIL
from shared.values.money import ZERO, Usdt

PORTION = 5_000  # affiliates to whom payouts are proposed in one transaction
DIGESTED = 20_000  # payouts that are read at once
ALONE_MAX = Usdt.of(50_000)  # what one person, or nobody, may approve


@dataclass(frozen=True)
class _Proposed:
    """Payouts that a week proposes: their lines, how many there are and their sum."""

    text: str
    recipients: int
    amount: Usdt


@dataclass(frozen=True)
class _Decided:
    given: int
    rejected: bool
    held: bool


def propose(tx: Tx, week: Week, now: datetime) -> bool:
    """Propose payouts to the next affiliates to whom something is owed; after the last ones the week is READY.

    Paid are affiliates with a wallet that may be paid, whose shares and earnings sum to the least amount or more.
    """
    tx.in_index_order()
    payouts.lock_choice(tx)
    last = _last_of_portion(tx, week)
    if last is None:
        _show(tx, week, now)
    else:
        _insert_payouts(tx, week, last, now)
        week_store.note_portion(tx, week, last)
    return True


def _show(tx: Tx, week: Week, now: datetime) -> None:
    """Take the week from COUNTED to READY: whom it would pay what, and the digest that people agree to.

    An account that is closed meanwhile is in all three figures or in none, since they are made of the same lines.
    """
    shares = digest(published.header(week), published.share_lines(tx, week))
    made = hashlib.sha256(f"{shares.hex()}\n".encode())
    recipients, amount = 0, ZERO
    for piece in _proposed(tx, week):
        made.update(piece.text.encode())
        recipients, amount = recipients + piece.recipients, amount + piece.amount
    rules = settings.load(tx)
    is_small = amount <= min(rules.payouts.limits[payouts.TREASURY].day, ALONE_MAX)
    approvals = (0 if rules.affiliates.automatic else 1) if is_small else 2
    tx.run(
        """
        UPDATE affiliate_weeks SET state = 'ready', recipients = :recipients, proposed = :amount, digest = :shares,
               payment_digest = :payments, approvals = :approvals, ready_at = :now, done_affiliate = NULL
        WHERE week_on = :week_on
        """,
        week_on=week.week_on,
        recipients=recipients,
        amount=amount,
        shares=shares,
        payments=made.digest(),
        approvals=approvals,
        now=now,
    )
    if approvals:
        log.warning("a week waits for people", week_on=week.week_on, recipients=recipients, amount=amount)


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
    tx.allow(WHOLE_WEEK_SECONDS)
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
    _publish(tx, week, week.pool - given_up, now)
    return True


def _publish(tx: Tx, week: Week, shared: Usdt, now: datetime) -> None:
    if shared:
        said = texts.say("affiliates_shared", amount=shared)
        feed.publish(tx, "week_shared", said, shared, f"week-shared:{week.week_on}", now=now)


def _proposed(tx: Tx, week: Week) -> Iterator[_Proposed]:
    """The payouts that a week proposes, many in each piece: lines `affiliate,address,amount,parts`, in the order of
    the affiliates.
    """
    after = str(NIL)
    while piece := _proposed_after(tx, week, after):
        yield piece
        after = published.first_of_last(piece.text)


def _proposed_after(tx: Tx, week: Week, after: str) -> _Proposed | None:
    return tx.first(
        _Proposed,
        """
        SELECT string_agg(affiliate_id || ',' || address || ',' || amount || ',' || parts || chr(10), ''
                          ORDER BY affiliate_id) AS text,
               CAST(count(*) AS integer) AS recipients, CAST(sum(amount) AS bigint) AS amount
        FROM (SELECT p.affiliate_id, p.address, p.amount,
                     (SELECT string_agg(coalesce(CAST(l.share_week AS text), CAST(l.earning_id AS text)) || ':'
                                        || l.amount, ';' ORDER BY l.share_week, l.earning_id)
                      FROM affiliate_payout_lines l WHERE l.payout_id = p.id) AS parts
              FROM affiliate_payouts p
              WHERE p.week_on = :week_on AND p.state = 'proposed' AND p.affiliate_id > CAST(:after AS uuid)
              ORDER BY p.affiliate_id LIMIT :limit) piece
        HAVING count(*) > 0
        """,
        week_on=week.week_on,
        after=after,
        limit=DIGESTED,
    )


def digest(first: str, pieces: Iterator[str]) -> bytes:
    """SHA-256 of a text in pieces."""
    made = hashlib.sha256(first.encode())
    for piece in pieces:
        made.update(piece.encode())
    return made.digest()


def _last_of_portion(tx: Tx, week: Week) -> UUID | None:
    """The last one of the next affiliates to whom something is owed; None after the last portion."""
    return tx.scalar_or_none(
        UUID,
        """
        SELECT affiliate_id FROM (
            SELECT affiliate_id FROM (
                (SELECT DISTINCT affiliate_id FROM affiliate_week_shares
                 WHERE share > 0 AND settled_at IS NULL AND affiliate_id > :after ORDER BY affiliate_id LIMIT :limit)
                UNION
                (SELECT DISTINCT affiliate_id FROM affiliate_earnings
                 WHERE status = 'pending' AND affiliate_id > :after ORDER BY affiliate_id LIMIT :limit)
            ) owed
            ORDER BY affiliate_id LIMIT :limit
        ) portion
        ORDER BY affiliate_id DESC LIMIT 1
        """,
        after=week.done_affiliate or NIL,
        limit=PORTION,
    )


def _insert_payouts(tx: Tx, week: Week, last: UUID, now: datetime) -> None:
    """Propose a payout to each affiliate of the portion who may be paid now, with all that is owed and in no other
    payout.

    While a week is proposed, Postgres knows nothing of the rows that it has written: it would join them by comparing
    each with each. So payouts and lines are made of one list and not joined, and the line that may pay a share or an
    earning already is asked for one by one (IS NULL), and not by NOT EXISTS, which is a join.
    """
    tx.run(
        """
        WITH parts AS (
            SELECT s.affiliate_id, s.week_on AS share_week, CAST(NULL AS uuid) AS earning_id, s.share AS amount
            FROM affiliate_week_shares s JOIN affiliate_weeks w USING (week_on)
            WHERE s.affiliate_id > :after AND s.affiliate_id <= :last
              AND s.share > 0 AND s.settled_at IS NULL AND (w.approved_at IS NOT NULL OR w.week_on = :week_on)
              AND (SELECT l.payout_id FROM affiliate_payout_lines l WHERE l.share_week = s.week_on
                   AND l.affiliate_id = s.affiliate_id AND l.released_at IS NULL) IS NULL
            UNION ALL
            SELECT e.affiliate_id, NULL, e.id, e.amount FROM affiliate_earnings e
            WHERE e.affiliate_id > :after AND e.affiliate_id <= :last AND e.status = 'pending'
              AND (SELECT l.payout_id FROM affiliate_payout_lines l
                   WHERE l.earning_id = e.id AND l.released_at IS NULL) IS NULL
        ), numbered AS (
            SELECT parts.*, m.wallet_address, gen_random_uuid() AS id
            FROM parts JOIN members m ON m.id = parts.affiliate_id WHERE affiliate_is_payable(m, :now)
        ), whole AS MATERIALIZED (
            SELECT numbered.*, first_value(id) OVER its AS payout_id, row_number() OVER its AS line,
                   sum(amount) OVER its AS total
            FROM numbered WINDOW its AS (PARTITION BY affiliate_id)
        ), made AS (
            INSERT INTO affiliate_payouts (id, affiliate_id, week_on, address, amount, made_at, state_at)
            SELECT payout_id, affiliate_id, :week_on, wallet_address, total, :now, :now
            FROM whole WHERE line = 1 AND total >= greatest(CAST(:least AS bigint), 1)
        )
        INSERT INTO affiliate_payout_lines (payout_id, affiliate_id, share_week, earning_id, amount)
        SELECT payout_id, affiliate_id, share_week, earning_id, amount
        FROM whole WHERE total >= greatest(CAST(:least AS bigint), 1)
        """,
        week_on=week.week_on,
        after=week.done_affiliate or NIL,
        last=last,
        least=week.payout_min,
        now=now,
    )


def _count_anew(tx: Tx, week: Week) -> None:
    """Undo what was counted and proposed; range and pool stay."""
    tx.allow(WHOLE_WEEK_SECONDS)
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
