"""Images for the chat, as rows."""

from datetime import datetime
from uuid import UUID

from functions.profile.images import Rendition
from shared.db import Tx


def uploads_since(tx: Tx, member_id: UUID, since: datetime) -> list[datetime]:
    """The member's uploads since then, oldest first."""
    return tx.column(
        datetime,
        """
        SELECT uploaded_at FROM social_images WHERE member_id = :member_id AND uploaded_at > :since
        ORDER BY uploaded_at
        """,
        member_id=member_id,
        since=since,
    )


def insert(tx: Tx, image_id: UUID, member_id: UUID, image: Rendition, now: datetime) -> None:
    """Insert an image that waits to be checked."""
    tx.run(
        """
        INSERT INTO social_images (id, member_id, content_type, content, uploaded_at)
        VALUES (:id, :member_id, :content_type, :content, :now)
        """,
        id=image_id,
        member_id=member_id,
        content_type=image.content_type,
        content=image.content,
        now=now,
    )


def status(tx: Tx, member_id: UUID, image_id: UUID) -> str | None:
    """The status of an image of the member's; None if there is none with this id."""
    return tx.scalar_or_none(
        str,
        "SELECT status FROM social_images WHERE id = :id AND member_id = :member_id",
        id=image_id,
        member_id=member_id,
    )
