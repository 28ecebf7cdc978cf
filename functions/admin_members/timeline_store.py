"""A member's timeline: one statement for each kind of entry, each by an index of the member's own rows.

Each statement gives the newest entries before a moment and an id; the timeline merges them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import LiteralString
from uuid import UUID

from functions.admin_members.models import TimelineEntry, TimelineKind
from shared.db import Tx
from shared.web.paging import FIGURE_MAX, Position

NOW_AND_LATER = Position(datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))  # every entry comes after it

# Rows that have a number get it as their id; it is smaller than every random id, also in the order of SQL.
TIMELINE: Mapping[str, LiteralString] = {
    "scan": """
        SELECT 'scan' AS kind, id, scanned_at AS happened_at, product_sku AS what,
               CASE WHEN cardinality(flags) > 0 THEN 'flagged' END AS state, CAST(usdt_earned AS bigint) AS amount,
               CAST(NULL AS bigint) AS quantity, CAST(number AS text) AS reference
        FROM scans WHERE member_id = :member_id AND (scanned_at, id) < (:at, CAST(:id AS uuid))
        ORDER BY scanned_at DESC, id DESC LIMIT :limit
        """,
    "comp": """
        SELECT 'comp' AS kind, id, awarded_at AS happened_at, CAST(type AS text) AS what, status AS state,
               CAST(amount AS bigint) AS amount, CAST(NULL AS bigint) AS quantity, transaction_hash AS reference
        FROM comps WHERE member_id = :member_id AND (awarded_at, id) < (:at, CAST(:id AS uuid))
        ORDER BY awarded_at DESC, id DESC LIMIT :limit
        """,
    "payout": """
        SELECT 'payout' AS kind, id, requested_at AS happened_at, source_kind AS what, CAST(state AS text) AS state,
               CAST(amount AS bigint) AS amount, CAST(NULL AS bigint) AS quantity, transaction_hash AS reference
        FROM payouts WHERE member_id = :member_id AND (requested_at, id) < (:at, CAST(:id AS uuid))
        ORDER BY requested_at DESC, id DESC LIMIT :limit
        """,
    "withdrawal": """
        SELECT 'withdrawal' AS kind, id, prepared_at AS happened_at, 'USDT' AS what, CAST(state AS text) AS state,
               CAST(amount AS bigint) AS amount, CAST(NULL AS bigint) AS quantity, transaction_hash AS reference
        FROM withdrawals WHERE member_id = :member_id AND (prepared_at, id) < (:at, CAST(:id AS uuid))
        ORDER BY prepared_at DESC, id DESC LIMIT :limit
        """,
    "order": """
        SELECT 'order' AS kind, id, placed_at AS happened_at, kind AS what, CAST(state AS text) AS state,
               CAST(total_amount AS bigint) AS amount, CAST(tins AS bigint) AS quantity,
               CAST(number AS text) AS reference
        FROM orders WHERE member_id = :member_id AND (placed_at, id) < (:at, CAST(:id AS uuid))
        ORDER BY placed_at DESC, id DESC LIMIT :limit
        """,
    "chips": """
        SELECT 'chips' AS kind, CAST(lpad(to_hex(id), 32, '0') AS uuid) AS id, moved_at AS happened_at, kind AS what,
               CAST(NULL AS text) AS state, CAST(NULL AS bigint) AS amount, CAST(chips AS bigint) AS quantity,
               source AS reference
        FROM chip_moves WHERE affiliate_id = :member_id AND (moved_at, id) < (:at, CAST(:number AS bigint))
        ORDER BY moved_at DESC, chip_moves.id DESC LIMIT :limit
        """,
    "tier": """
        SELECT 'tier' AS kind, entry_id AS id, achieved_at AS happened_at, CAST(tier AS text) AS what, kind AS state,
               CAST(NULL AS bigint) AS amount, CAST(scan_count AS bigint) AS quantity, quarter AS reference
        FROM tier_history WHERE member_id = :member_id AND (achieved_at, entry_id) < (:at, CAST(:id AS uuid))
        ORDER BY achieved_at DESC, entry_id DESC LIMIT :limit
        """,
    "message": """
        SELECT 'message' AS kind, id, created_at AS happened_at, type AS what,
               CASE WHEN read_at IS NULL THEN 'unread' ELSE 'read' END AS state, CAST(NULL AS bigint) AS amount,
               CAST(NULL AS bigint) AS quantity, title AS reference
        FROM notifications WHERE member_id = :member_id AND (created_at, id) < (:at, CAST(:id AS uuid))
        ORDER BY created_at DESC, id DESC LIMIT :limit
        """,
    # Of the chat without its text. The member's own messages are found first: they are few, and have no order by time.
    "chat": """
        WITH own AS MATERIALIZED (
            SELECT id, posted_at, channel_id, number, removed_by FROM social_messages WHERE member_id = :member_id)
        SELECT 'chat' AS kind, own.id, own.posted_at AS happened_at, c.slug AS what, own.removed_by AS state,
               CAST(NULL AS bigint) AS amount, CAST(NULL AS bigint) AS quantity, CAST(own.number AS text) AS reference
        FROM own JOIN social_channels c ON c.id = own.channel_id
        WHERE (own.posted_at, own.id) < (:at, CAST(:id AS uuid))
        ORDER BY own.posted_at DESC, own.id DESC LIMIT :limit
        """,
    # That a ballot was cast, and not for what. Its moment is that of the opening: with the moment of the ballot, a
    # reader of the open totals would know for what.
    "vote": """
        SELECT 'vote' AS kind, v.id, v.opened_at AS happened_at, v.type AS what, CAST(NULL AS text) AS state,
               CAST(NULL AS bigint) AS amount, CAST(NULL AS bigint) AS quantity, v.title AS reference
        FROM governance_ballots b JOIN governance_votes v ON v.id = b.vote_id
        WHERE b.member_id = :member_id AND (v.opened_at, v.id) < (:at, CAST(:id AS uuid))
        ORDER BY v.opened_at DESC, v.id DESC LIMIT :limit
        """,
    "mail": """
        SELECT 'mail' AS kind, id, queued_at AS happened_at, template AS what, status AS state,
               CAST(NULL AS bigint) AS amount, CAST(NULL AS bigint) AS quantity, CAST(NULL AS text) AS reference
        FROM mails WHERE member_id = :member_id AND (queued_at, id) < (:at, CAST(:id AS uuid))
        ORDER BY queued_at DESC, id DESC LIMIT :limit
        """,
    "audit": """
        SELECT 'audit' AS kind, CAST(lpad(to_hex(line.id), 32, '0') AS uuid) AS id, line.created_at AS happened_at,
               line.action AS what, CAST(NULL AS text) AS state, CAST(NULL AS bigint) AS amount,
               CAST(NULL AS bigint) AS quantity, m.username AS reference
        FROM audit_logs line LEFT JOIN members m ON m.id = line.actor_id
        WHERE line.resource_type = 'member' AND line.resource_id = CAST(:member_id AS text)
          AND line.action <> 'member.viewed' AND (line.created_at, line.id) < (:at, CAST(:number AS bigint))
        ORDER BY line.created_at DESC, line.id DESC LIMIT :limit
        """,
}


def entries(
    tx: Tx, member_id: UUID, kinds: Sequence[TimelineKind], after: Position | None, limit: int
) -> list[TimelineEntry]:
    """At most `limit` entries of these kinds after a position, newest first."""
    begin = after or NOW_AND_LATER
    found = [entry for kind in kinds for entry in _of_kind(tx, kind, member_id, begin, limit)]
    return sorted(found, key=TimelineEntry.order, reverse=True)[:limit]


def _of_kind(tx: Tx, kind: TimelineKind, member_id: UUID, begin: Position, limit: int) -> list[TimelineEntry]:
    has_number = kind in (TimelineKind.CHIPS, TimelineKind.AUDIT)
    key: dict[str, object] = {"number": min(begin.id.int, FIGURE_MAX)} if has_number else {"id": begin.id}
    owner = str(member_id) if kind is TimelineKind.AUDIT else member_id
    return tx.all(TimelineEntry, TIMELINE[kind.value], member_id=owner, at=begin.at, limit=limit, **key)
