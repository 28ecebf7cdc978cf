"""The bonuses of months as rows."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from functions.affiliate_vault import rules
from shared.db import Tx
from shared.values.ids import NIL
from shared.values.programs import CHIPS_FOR_ONE


@dataclass(frozen=True)
class Month:
    """A month whose bonus is being given, and how far that is."""

    month: date
    done_affiliate: UUID | None


def lock(tx: Tx, now: datetime) -> None:
    """Let no other run give bonuses before the commit, and have the present week wait for them. Raises
    ConstraintViolated (`week_closing`) between a week's end and its opening.
    """
    tx.run("SELECT chip_week(:now)", now=now)
    tx.run("LOCK TABLE vault_months IN SHARE ROW EXCLUSIVE MODE")


def open_one(tx: Tx) -> Month | None:
    """The month whose bonus is being given."""
    return tx.first(Month, "SELECT month, done_affiliate FROM vault_months WHERE finished_at IS NULL")


def open_month(tx: Tx, now: datetime) -> bool:
    """Begin with the month after the last one, or that of the first vault, if it has ended."""
    return bool(
        tx.run(
            """
            INSERT INTO vault_months (month)
            SELECT month FROM (
                SELECT coalesce((SELECT CAST(max(month) + interval '1 month' AS date) FROM vault_months),
                                (SELECT CAST(date_trunc('month', min(opened_at) AT TIME ZONE 'UTC') AS date)
                                 FROM chip_vaults WHERE NOT EXISTS (SELECT FROM vault_months))) AS month
            ) following
            WHERE CAST(month + interval '1 month' AS timestamp) AT TIME ZONE 'UTC' <= :settled
            """,
            settled=now - rules.SETTLED_AFTER,
        )
    )


def has_unrecorded_ends(tx: Tx, month: date) -> bool:
    """Whether chips have expired in that month, or before, that still lie in their lots."""
    return tx.scalar(
        bool,
        """
        SELECT EXISTS (SELECT FROM vault_lots WHERE left_chips > 0
                       AND expires_at < CAST(CAST(:month AS date) + interval '1 month' AS timestamp) AT TIME ZONE 'UTC')
               AS is_so
        """,
        month=month,
    )


def give_portion(tx: Tx, month: Month, now: datetime) -> UUID | None:
    """Give the bonus to the next affiliates, but to no closed account; returns the last of them, None without any."""
    return tx.scalar_or_none(
        UUID,
        """
        WITH portion AS MATERIALIZED (
            SELECT affiliate_id FROM chip_vaults WHERE affiliate_id > CAST(:after AS uuid)
            ORDER BY affiliate_id LIMIT :limit
        ), earned AS (
            SELECT affiliate_id,
                   CAST(div(lowest_vaulted(affiliate_id, CAST(CAST(:month AS date) AS timestamp) AT TIME ZONE 'UTC',
                        CAST(CAST(:month AS date) + interval '1 month' AS timestamp) AT TIME ZONE 'UTC'),
                            :chips_for_one) AS integer) AS chips
            FROM portion JOIN members ON members.id = affiliate_id AND members.status <> 'deleted'
        ), given AS (
            INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
            SELECT affiliate_id, chip_week(:now), 'bonus', chips,
                   to_char(CAST(:month AS date), 'YYYY-MM') || ':' || CAST(affiliate_id AS text), :now
            FROM earned WHERE chips > 0
        )
        SELECT affiliate_id FROM portion ORDER BY affiliate_id DESC LIMIT 1
        """,
        after=month.done_affiliate or NIL,
        month=month.month,
        limit=rules.PORTION,
        chips_for_one=CHIPS_FOR_ONE,
        now=now,
    )


def note_portion(tx: Tx, month: Month, last: UUID | None, now: datetime) -> None:
    """Note the last affiliate of a portion; None finishes the month."""
    tx.run(
        """
        UPDATE vault_months SET done_affiliate = coalesce(:last, done_affiliate),
               finished_at = CASE WHEN CAST(:last AS uuid) IS NULL THEN CAST(:now AS timestamptz) END
        WHERE month = :month
        """,
        month=month.month,
        last=last,
        now=now,
    )
