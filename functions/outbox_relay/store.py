"""Deletes published rows of the outbox."""

from datetime import datetime

from shared.db import Tx


def purge(tx: Tx, before: datetime, limit: int) -> int:
    """Delete rows that were published before a moment; returns how many."""
    return tx.run(
        """
        DELETE FROM outbox WHERE id IN (
            SELECT id FROM outbox WHERE published_at < :before ORDER BY published_at LIMIT :limit
        )
        """,
        before=before,
        limit=limit,
    )
