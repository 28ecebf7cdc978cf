"""Names that members cannot take, because they lead or led to another member (`accounts` has BlakJaks' own names).

A former username leads to its member for ever. For a deleted account only keyed fingerprints of its names are kept.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.credentials import fingerprints
from shared.db import Tx


def held(tx: Tx, names: Sequence[str], by_others_than: UUID | None = None) -> set[str]:
    """The names, in small letters, that lead to another member as a former name, or belonged to a deleted account."""
    lower = [name.lower() for name in names]
    former = tx.column(
        str,
        """
        SELECT name FROM former_usernames
        WHERE name = ANY(CAST(:names AS text[])) AND (CAST(:member_id AS uuid) IS NULL OR member_id <> :member_id)
        """,
        names=lower,
        member_id=by_others_than,
    )
    marks = {fingerprints.of_name(name): name for name in lower}
    retired = tx.column(
        bytes,
        "SELECT fingerprint FROM retired_names WHERE fingerprint = ANY(CAST(:marks AS bytea[]))",
        marks=list(marks),
    )
    return set(former) | {marks[mark] for mark in retired}


def retire(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Make the names of a deleted account unavailable for ever: its username, former ones and referral codes."""
    names = tx.column(
        str,
        """
        SELECT lower(username) AS name FROM members WHERE id = :member_id
        UNION SELECT name FROM former_usernames WHERE member_id = :member_id
        UNION SELECT code FROM referral_codes WHERE member_id = :member_id
        """,
        member_id=member_id,
    )
    tx.run(
        """
        INSERT INTO retired_names (fingerprint, retired_at)
        SELECT mark, :now FROM unnest(CAST(:marks AS bytea[])) AS mark
        ON CONFLICT (fingerprint) DO NOTHING
        """,
        marks=[fingerprints.of_name(name) for name in names],
        now=now,
    )
