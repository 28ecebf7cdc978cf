"""Translations of messages, as rows: those that are there, and those that somebody is asking for."""

from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.ports.translation import Language


def known(tx: Tx, message_id: UUID, revision: int, language: Language) -> str | None:
    """The translation of this revision; None if there is none yet."""
    return tx.scalar_or_none(
        str,
        """
        SELECT text FROM social_translations
        WHERE message_id = :message_id AND revision = :revision AND language = :language AND text IS NOT NULL
        """,
        message_id=message_id,
        revision=revision,
        language=language.value,
    )


def claim(tx: Tx, message_id: UUID, revision: int, language: Language, until: datetime, now: datetime) -> bool:
    """Claim the translation, so that nobody else asks for it until then; False if somebody has it, or it is there."""
    return bool(
        tx.run(
            """
            INSERT INTO social_translations AS known (message_id, revision, language, claimed_until)
            VALUES (:message_id, :revision, :language, :until)
            ON CONFLICT (message_id, revision, language) DO UPDATE SET claimed_until = EXCLUDED.claimed_until
            WHERE known.text IS NULL AND known.claimed_until <= :now
            """,
            message_id=message_id,
            revision=revision,
            language=language.value,
            until=until,
            now=now,
        )
    )


def release(tx: Tx, message_id: UUID, revision: int, language: Language) -> None:
    """Give a claim back: nothing came of it."""
    tx.run(
        """
        DELETE FROM social_translations
        WHERE message_id = :message_id AND revision = :revision AND language = :language AND text IS NULL
        """,
        message_id=message_id,
        revision=revision,
        language=language.value,
    )


def keep(tx: Tx, message_id: UUID, revision: int, language: Language, text: str, now: datetime) -> None:
    """Store a translation. The message is locked, and has this revision; the first translation stays."""
    tx.run(
        """
        INSERT INTO social_translations AS known (message_id, revision, language, text, claimed_until)
        VALUES (:message_id, :revision, :language, :text, :now)
        ON CONFLICT (message_id, revision, language) DO UPDATE SET text = EXCLUDED.text WHERE known.text IS NULL
        """,
        message_id=message_id,
        revision=revision,
        language=language.value,
        text=text,
        now=now,
    )
