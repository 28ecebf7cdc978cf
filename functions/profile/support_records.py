"""Members whom Intercom is told of, their sanctions in the chat, and appeals of these, as rows."""

from datetime import datetime
from uuid import UUID

from functions.profile.models import Sanction
from shared.db import Tx
from shared.web.paging import Position


def email(tx: Tx, member_id: UUID) -> str:
    """The e-mail address of the member."""
    return tx.scalar(str, "SELECT email FROM members WHERE id = :member_id", member_id=member_id)


def begin(tx: Tx, member_id: UUID, now: datetime) -> bool:
    """Have Intercom told of the member from now on; False if it is so already."""
    return bool(
        tx.run(
            """
            INSERT INTO support_contacts (member_id, begun_at, look_at, waits_since)
            VALUES (:member_id, :now, :now, :now) ON CONFLICT (member_id) DO NOTHING
            """,
            member_id=member_id,
            now=now,
        )
    )


def note_change(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Note that Intercom is to be told something of the member."""
    tx.run(
        """
        INSERT INTO support_contacts AS known (member_id, begun_at, look_at, waits_since)
        VALUES (:member_id, :now, :now, :now)
        ON CONFLICT (member_id) DO UPDATE
        SET revision = known.revision + 1, look_at = EXCLUDED.look_at,
            waits_since = coalesce(known.waits_since, EXCLUDED.waits_since)
        """,
        member_id=member_id,
        now=now,
    )


def kind(tx: Tx, member_id: UUID, sanction_id: UUID) -> str | None:
    """The kind of a sanction of the member's; None if there is none, or it is somebody else's."""
    return tx.scalar_or_none(
        str,
        "SELECT kind FROM social_sanctions WHERE id = :sanction_id AND member_id = :member_id",
        sanction_id=sanction_id,
        member_id=member_id,
    )


def insert_appeal(tx: Tx, member_id: UUID, sanction_id: UUID, message: str, now: datetime) -> bool:
    """Store an appeal; False if the sanction was appealed before."""
    return bool(
        tx.run(
            """
            INSERT INTO support_appeals (sanction_id, member_id, message, made_at)
            VALUES (:sanction_id, :member_id, :message, :now) ON CONFLICT (sanction_id) DO NOTHING
            """,
            sanction_id=sanction_id,
            member_id=member_id,
            message=message,
            now=now,
        )
    )


def sanctions(tx: Tx, member_id: UUID, after: Position | None, limit: int) -> list[Sanction]:
    """The member's sanctions after a position, newest first, at most `limit`."""
    return tx.all(
        Sanction,
        """
        SELECT s.id, s.kind, s.until, s.reason, s.given_at, a.made_at AS appealed_at
        FROM social_sanctions s LEFT JOIN support_appeals a ON a.sanction_id = s.id
        WHERE s.member_id = :member_id AND s.kind <> 'lift'
          AND (CAST(:at AS timestamptz) IS NULL OR (s.given_at, s.id) < (:at, CAST(:id AS uuid)))
        ORDER BY s.given_at DESC, s.id DESC LIMIT :limit
        """,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )
