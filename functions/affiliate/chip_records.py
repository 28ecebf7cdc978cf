"""The history of a member's chips: one list out of the tables that have its parts."""

from datetime import UTC, datetime
from uuid import UUID

from functions.affiliate.models import ChipEntry
from shared.db import Tx
from shared.web.paging import Position

NEWEST = Position(datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))


def history(tx: Tx, member_id: UUID, after: Position, limit: int) -> list[ChipEntry]:
    """Entries after a position, newest first. Their ids begin with 0 (a day's scans), 1 (a move of the vault), 2
    (another move) or 3 (a week), so that no two are the same. Of the scans only those of the shown days are read.
    """
    return tx.all(
        ChipEntry,
        """
        WITH RECURSIVE days (day) AS (
            SELECT (SELECT date_trunc('day', earned_at, 'UTC') FROM affiliate_chips
                    WHERE affiliate_id = :member_id AND earned_at < CASE
                        WHEN CAST(:id AS uuid) < '10000000-0000-0000-0000-000000000000' THEN CAST(:at AS timestamptz)
                        ELSE date_trunc('day', CAST(:at AS timestamptz), 'UTC') + interval '1 day' END
                    ORDER BY earned_at DESC LIMIT 1)
            UNION ALL
            SELECT (SELECT date_trunc('day', earned_at, 'UTC') FROM affiliate_chips
                    WHERE affiliate_id = :member_id AND earned_at < days.day ORDER BY earned_at DESC LIMIT 1)
            FROM days WHERE day IS NOT NULL
        )
        SELECT id, kind, chips, at, week_on, expires_at FROM (
            (SELECT CAST(lpad(to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD'), 32, '0') AS uuid) AS id,
                    'earn' AS kind,
                    (SELECT CAST(sum(chips) AS bigint) FROM affiliate_chips
                     WHERE affiliate_id = :member_id AND earned_at >= day AND earned_at < day + interval '1 day')
                    AS chips,
                    day AS at, CAST(NULL AS date) AS week_on, CAST(NULL AS timestamptz) AS expires_at
             FROM days WHERE day IS NOT NULL LIMIT :limit)
            UNION ALL
            (SELECT CAST('1' || lpad(to_hex(m.id), 31, '0') AS uuid), m.kind, m.chips, happened_at, NULL, expires_at
             FROM vault_moves m JOIN vault_lots ON vault_lots.id = lot_id
             WHERE m.affiliate_id = :member_id AND happened_at <= :at
               AND (happened_at, CAST('1' || lpad(to_hex(m.id), 31, '0') AS uuid)) < (:at, CAST(:id AS uuid))
             ORDER BY happened_at DESC, m.id DESC LIMIT :limit)
            UNION ALL
            (SELECT CAST('2' || lpad(to_hex(id), 31, '0') AS uuid), kind, chips, moved_at, week_on, NULL
             FROM chip_moves
             WHERE affiliate_id = :member_id AND kind IN ('bonus', 'grant', 'cleared', 'carried') AND moved_at <= :at
               AND (moved_at, CAST('2' || lpad(to_hex(id), 31, '0') AS uuid)) < (:at, CAST(:id AS uuid))
             ORDER BY moved_at DESC, id DESC LIMIT :limit)
            UNION ALL
            (SELECT ended.id, 'count', s.chips, ended.at, week_on, NULL
             FROM affiliate_week_shares s JOIN affiliate_weeks USING (week_on),
                  LATERAL (SELECT CAST('3' || lpad(to_char(week_on, 'YYYYMMDD'), 31, '0') AS uuid) AS id,
                                  CAST(week_on AS timestamp) AT TIME ZONE 'UTC' AS at) ended
             WHERE affiliate_id = :member_id AND s.chips > 0 AND approved_at IS NOT NULL
               AND week_on <= CAST(least(CAST(:at AS timestamptz), '9999-12-31') AT TIME ZONE 'UTC' AS date)
               AND (ended.at, ended.id) < (:at, CAST(:id AS uuid))
             ORDER BY week_on DESC LIMIT :limit)
        ) entries
        ORDER BY at DESC, id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at,
        id=after.id,
        limit=limit,
    )
