"""What following a key needs to know beside its slots."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared import settings
from shared.db import Tx


@dataclass(frozen=True)
class _Treasury:
    treasury: str


def treasury_of(tx: Tx, signer: str) -> str:
    """Whose key it is."""
    return tx.one(_Treasury, "SELECT treasury FROM signers WHERE address = :signer", signer=signer).treasury


@dataclass(frozen=True)
class _Found:
    found: bool


def any_disputed(tx: Tx, signer: str, nonces: Sequence[int]) -> bool:
    """True when the nodes disagreed about one of them before."""
    return tx.one(
        _Found,
        """
        SELECT EXISTS (SELECT FROM payout_slots WHERE signer = :signer AND nonce = ANY(CAST(:nonces AS bigint[]))
                                                  AND disagreed_since IS NOT NULL) AS found
        """,
        signer=signer,
        nonces=list(nonces),
    ).found


def is_stuck(tx: Tx, signer: str, nonce: int, now: datetime) -> bool:
    """Signed, and not mined for longer than the settings allow."""
    since = now - timedelta(seconds=settings.load(tx).payouts.stuck_seconds)
    return tx.one(
        _Found,
        """
        SELECT coalesce(max(signed_at) <= :since, false) AS found FROM payout_attempts
        WHERE signer = :signer AND nonce = :nonce
        """,
        signer=signer,
        nonce=nonce,
        since=since,
    ).found


@dataclass(frozen=True)
class Place:
    """A treasury that holds payouts for a cause which may be gone."""

    treasury: str
    signer: str
    token_address: str
    paused: bool


def places(tx: Tx) -> list[Place]:
    """Each with the key that it pays from."""
    return tx.all(
        Place,
        """
        SELECT t.name AS treasury, s.address AS signer, t.token_address, t.paused_at IS NOT NULL AS paused
        FROM treasuries t JOIN signers s ON s.treasury = t.name AND s.status = 'active'
        WHERE EXISTS (SELECT FROM payouts p
                      WHERE p.treasury = t.name AND p.state = 'HELD' AND p.approvals_needed = 0)
        ORDER BY t.name
        """,
    )


@dataclass(frozen=True)
class Key:
    """A key's address."""

    address: str


def watched(tx: Tx) -> list[Key]:
    """Keys that pay, or have still to drain, and are not being rebuilt already."""
    return tx.all(
        Key, "SELECT address FROM signers WHERE status <> 'retired' AND rebuild_asked_at IS NULL ORDER BY address"
    )
