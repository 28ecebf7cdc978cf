"""The card provider's list as rows, matched with operations and disputes, and the two balances."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from functions.payment_reconciliation.rules import Sides, Unmatched
from shared.db import Tx
from shared.ports.card import Deposit, Settled
from shared.values.money import Usdt

BOOKINGS_MATCHED_MAX = 2_000  # in one transaction
FINDINGS_MAX = 500  # new findings of one kind in one run; the next run names the rest


@dataclass(frozen=True)
class Day:
    """How far the list of a day was read; `cursor` is None at its beginning."""

    day: date
    cursor: str | None


@dataclass(frozen=True)
class Kept:
    """A booking or deposit with its amount, less its fee."""

    reference: str
    amount: Usdt


@dataclass(frozen=True)
class Missing:
    """An operation that the provider has not booked, with its amount."""

    operation_id: UUID
    amount: Usdt


@dataclass(frozen=True)
class Differing:
    """A dispute for which we have another amount as withdrawn than the list."""

    reference: str
    withdrawn: Usdt
    booked: Usdt


def begin(tx: Tx, day: date, now: datetime) -> None:
    """Note that the day is to be read."""
    tx.run("INSERT INTO card_days (day, begun_at) VALUES (:day, :now) ON CONFLICT DO NOTHING", day=day, now=now)


def begin_until(tx: Tx, last: date, now: datetime) -> None:
    """Note that every day up to `last` is to be read, from the oldest one that we know of."""
    tx.run(
        """
        INSERT INTO card_days (day, begun_at)
        SELECT CAST(day AS date), :now
        FROM generate_series(coalesce((SELECT min(day) FROM card_days), CAST(:last AS date)), CAST(:last AS date),
                             interval '1 day') AS days (day)
        ON CONFLICT DO NOTHING
        """,
        last=last,
        now=now,
    )


def unread(tx: Tx) -> list[date]:
    """The days whose list was not read to its end, oldest first."""
    return tx.column(date, "SELECT day FROM card_days WHERE read_at IS NULL ORDER BY day")


def compared_until(tx: Tx) -> date | None:
    """The day before which every list was read to its end: what was done before it must be booked."""
    return tx.scalar_or_none(
        date,
        """
        SELECT coalesce((SELECT min(day) FROM card_days WHERE read_at IS NULL), (SELECT max(day) FROM card_days)) AS day
        """,
    )


def day(tx: Tx, day: date) -> Day:
    """How far the day was read. The day is noted already."""
    return tx.one(Day, "SELECT day, cursor FROM card_days WHERE day = :day", day=day)


def advance(tx: Tx, before: Day, cursor: str | None, now: datetime) -> bool:
    """Note the next page, or that the day is read; False if another run was faster."""
    return (
        tx.run(
            """
            UPDATE card_days
            SET cursor = :cursor,
                read_at = CASE WHEN CAST(:cursor AS text) IS NULL THEN CAST(:now AS timestamptz) ELSE read_at END
            WHERE day = :day AND cursor IS NOT DISTINCT FROM :before
            """,
            day=before.day,
            before=before.cursor,
            cursor=cursor,
            now=now,
        )
        > 0
    )


def restart(tx: Tx, at: Day) -> None:
    """Have the day read from its beginning, unless another run has gone on."""
    tx.run("UPDATE card_days SET cursor = NULL WHERE day = :day AND cursor = :cursor", day=at.day, cursor=at.cursor)


def lock(tx: Tx) -> None:
    """Lock the balance, so that one page is kept, or one comparison made, at a time."""
    tx.run("SELECT 1 FROM card_balance FOR UPDATE")


def keep(tx: Tx, day: date, booked: Sequence[Settled], now: datetime) -> list[str]:
    """Keep the bookings that are new; returns their references."""
    return tx.column(
        str,
        """
        INSERT INTO card_bookings (reference, kind, key, dispute, amount, fee, booked_on, seen_at)
        SELECT reference, kind, key, dispute, amount, fee, :day, :now
        FROM unnest(CAST(:references AS text[]), CAST(:kinds AS text[]), CAST(:keys AS uuid[]),
                    CAST(:disputes AS text[]), CAST(:amounts AS bigint[]), CAST(:fees AS bigint[]))
             AS given (reference, kind, key, dispute, amount, fee)
        ON CONFLICT DO NOTHING RETURNING reference
        """,
        day=day,
        now=now,
        references=[it.reference for it in booked],
        kinds=[it.kind for it in booked],
        keys=[it.key for it in booked],
        disputes=[it.dispute for it in booked],
        amounts=[it.amount.micro for it in booked],
        fees=[it.fee.micro for it in booked],
    )


def keep_deposits(tx: Tx, deposits: Sequence[Deposit], now: datetime) -> list[str]:
    """Keep the deposits that are new; returns their references."""
    return tx.column(
        str,
        """
        INSERT INTO card_deposits (reference, amount, deposited_at, seen_at)
        SELECT reference, amount, deposited_at, :now
        FROM unnest(CAST(:references AS text[]), CAST(:amounts AS bigint[]), CAST(:times AS timestamptz[]))
             AS given (reference, amount, deposited_at)
        ON CONFLICT DO NOTHING RETURNING reference
        """,
        now=now,
        references=[it.reference for it in deposits],
        amounts=[it.amount.micro for it in deposits],
        times=[it.at for it in deposits],
    )


def net_amounts(tx: Tx, references: Sequence[str]) -> list[Kept]:
    """The bookings and deposits of these references, as they were kept."""
    return tx.all(
        Kept,
        """
        SELECT reference, amount - fee AS amount FROM card_bookings
        WHERE reference = ANY(CAST(:references AS text[]))
        UNION ALL
        SELECT reference, amount FROM card_deposits WHERE reference = ANY(CAST(:references AS text[]))
        """,
        references=list(references),
    )


def match(tx: Tx) -> int:
    """Match bookings with operations that are the same in all, and with disputes; returns how many were matched."""
    operations = tx.run(
        """
        WITH pairs AS (
            SELECT b.reference, o.id FROM card_bookings b
            JOIN payment_operations o ON o.id = b.key
            WHERE b.operation_id IS NULL AND b.dispute_id IS NULL AND o.kind = b.kind AND o.status = 'succeeded'
              AND o.reference = b.reference AND o.amount = b.amount
            ORDER BY b.seen_at, b.reference LIMIT :limit
        )
        UPDATE card_bookings SET operation_id = pairs.id FROM pairs WHERE card_bookings.reference = pairs.reference
        """,
        limit=BOOKINGS_MATCHED_MAX,
    )
    return operations + tx.run(
        """
        WITH pairs AS (
            SELECT b.reference, d.id FROM card_bookings b JOIN disputes d ON d.reference = b.dispute
            WHERE b.operation_id IS NULL AND b.dispute_id IS NULL ORDER BY b.seen_at, b.reference LIMIT :limit
        )
        UPDATE card_bookings SET dispute_id = pairs.id FROM pairs WHERE card_bookings.reference = pairs.reference
        """,
        limit=BOOKINGS_MATCHED_MAX,
    )


def unmatched(tx: Tx, disputes_before: datetime) -> list[Unmatched]:
    """Bookings without an operation or dispute of ours that are in no finding, oldest first. Those of disputes count
    when they were seen before that time: the dispute may still be asked for.
    """
    return tx.all(
        Unmatched,
        """
        SELECT b.reference, b.amount, o.id AS operation_id, o.status,
               coalesce(o.kind = b.kind AND o.reference = b.reference, false) AS is_same, o.amount AS operation_amount
        FROM card_bookings b LEFT JOIN payment_operations o ON o.id = b.key AND b.dispute IS NULL
        WHERE b.operation_id IS NULL AND b.dispute_id IS NULL AND (b.dispute IS NULL OR b.seen_at < :disputes_before)
          AND NOT EXISTS (SELECT FROM payment_findings f
                          WHERE f.ref = b.reference AND f.kind IN ('unknown_booking', 'amount_differs'))
        ORDER BY b.seen_at, b.reference LIMIT :limit
        """,
        disputes_before=disputes_before,
        limit=FINDINGS_MAX,
    )


def missing(tx: Tx, before: datetime) -> list[Missing]:
    """Captures and refunds that were answered before that time, and that no booking has the key of."""
    return tx.all(
        Missing,
        """
        SELECT o.id AS operation_id, o.amount FROM payment_operations o JOIN payments p ON p.id = o.payment_id
        WHERE o.booked_at IS NULL AND o.status = 'succeeded' AND o.kind IN ('capture', 'refund')
          AND o.answered_at < :before AND p.provider = 'card'
          AND NOT (o.evidence = 'person' AND refund_is_paid_elsewhere(o.id, o.amount))
          AND NOT EXISTS (SELECT FROM card_bookings b WHERE b.key = o.id AND b.reference = o.reference)
          AND NOT EXISTS (SELECT FROM payment_findings f WHERE f.kind = 'missing_booking' AND f.operation_id = o.id)
        ORDER BY o.answered_at, o.id LIMIT :limit
        """,
        before=before,
        limit=FINDINGS_MAX,
    )


def differing_disputes(tx: Tx, before: datetime) -> list[Differing]:
    """Disputes whose withdrawn amount is not the list's, though neither has changed since that time. Those are left out
    of which an open finding says so, or the same difference was explained by a person.
    """
    return tx.all(
        Differing,
        """
        SELECT d.reference, d.withdrawn, d.booked FROM disputes d
        WHERE d.withdrawn <> d.booked
          AND NOT EXISTS (SELECT FROM dispute_movements m WHERE m.dispute_id = d.id AND m.moved_at >= :before)
          AND NOT EXISTS (SELECT FROM card_bookings b WHERE b.dispute_id = d.id AND b.seen_at >= :before)
          AND NOT EXISTS (SELECT FROM payment_findings f
                          WHERE f.kind = 'dispute_differs' AND f.ref = d.reference
                            AND (f.resolved_at IS NULL
                                 OR f.resolved_by IS NOT NULL AND f.found - f.expected = d.booked - d.withdrawn))
        ORDER BY d.id LIMIT :limit
        """,
        before=before,
        limit=FINDINGS_MAX,
    )


def sides(tx: Tx) -> Sides:
    """The two balances and what is known of their difference, in one statement, so that all is of one moment."""
    return tx.one(
        Sides,
        """
        SELECT CAST((SELECT coalesce(sum(balance), 0) FROM ledger_balances WHERE account = 'takings:card') AS bigint)
                   AS books,
               (SELECT owed FROM card_balance) AS owed,
               CAST((SELECT coalesce(sum(card_booking_effect(o.kind, o.amount)), 0)
                     FROM payment_operations o JOIN payments p ON p.id = o.payment_id
                     WHERE o.booked_at IS NULL AND o.status = 'succeeded' AND o.kind IN ('capture', 'refund')
                       AND p.provider = 'card'
                       AND NOT (o.evidence = 'person' AND refund_is_paid_elsewhere(o.id, o.amount))) AS bigint)
                   AS unbooked,
               CAST((SELECT coalesce(sum(card_booking_effect(kind, amount)), 0) FROM card_bookings
                     WHERE operation_id IS NULL AND dispute_id IS NULL) AS bigint) AS unmatched,
               CAST((SELECT coalesce(sum(withdrawn - booked), 0) FROM disputes WHERE withdrawn <> booked) AS bigint)
                   AS disputed
        """,
    )
