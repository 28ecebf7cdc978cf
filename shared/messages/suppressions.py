"""Addresses to which the platform sends nothing, or no campaigns: they have bounced, or their owners have complained.

An address is stored as its keyed fingerprint (shared/credentials/fingerprints.py): when an account is erased, nothing
else is left of it, and the address is still not written to.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.credentials import fingerprints
from shared.db import Tx
from shared.values.mail_addresses import SuppressionReason, SuppressionScope


def suppress(tx: Tx, email: str, scope: SuppressionScope, reason: SuppressionReason, now: datetime) -> bool:
    """Send nothing of this scope to the address any more; False if that is so already."""
    return bool(
        tx.run(
            """
            INSERT INTO mail_suppressions (address_hash, scope, reason, suppressed_at)
            VALUES (:address_hash, :scope, :reason, :now) ON CONFLICT DO NOTHING
            """,
            address_hash=fingerprints.of_mailbox(email),
            scope=scope,
            reason=reason,
            now=now,
        )
    )


def suppressed(tx: Tx, emails: Sequence[str], *, is_campaign: bool) -> frozenset[str]:
    """Find those addresses to which a mail may not be sent: a mail of a campaign, or any other one."""
    by_hash: Mapping[bytes, list[str]] = _by_hash(emails)
    found = tx.column(
        bytes,
        """
        SELECT DISTINCT address_hash FROM mail_suppressions
        WHERE address_hash = ANY(CAST(:hashes AS bytea[])) AND (scope = 'all' OR :is_campaign)
        """,
        hashes=list(by_hash),
        is_campaign=is_campaign,
    )
    return frozenset(email for made in found for email in by_hash[made])


def lift(tx: Tx, email: str) -> int:
    """Send to the address again; returns how many suppressions there were."""
    return tx.run(
        "DELETE FROM mail_suppressions WHERE address_hash = :address_hash", address_hash=fingerprints.of_mailbox(email)
    )


def name_of(email: str) -> str:
    """The name of the address in records that may not have the address itself: its fingerprint."""
    return fingerprints.of_mailbox(email).hex()


def _by_hash(emails: Sequence[str]) -> dict[bytes, list[str]]:
    found: dict[bytes, list[str]] = {}
    for email in emails:
        found.setdefault(fingerprints.of_mailbox(email), []).append(email)
    return found
