"""Queries of payout_send: facts about a group of payouts, addresses of the platform, and times of signing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.db import Tx

POSTPONED_FOR = timedelta(minutes=5)


def ours(tx: Tx, addresses: Sequence[str]) -> frozenset[str]:
    """The subset of the addresses that are a treasury's key or a token's contract, in lower case."""
    return frozenset(
        tx.column(
            str,
            """
        SELECT lower(address) AS address FROM signers
        WHERE lower(address) = ANY(CAST(:addresses AS text[]))
        UNION SELECT lower(token_address) FROM treasuries
        WHERE lower(token_address) = ANY(CAST(:addresses AS text[]))
        """,
            addresses=[address.lower() for address in addresses],
        )
    )


def last_signed_at(tx: Tx, signer: str, nonce: int) -> datetime:
    """When the newest attempt of this slot was signed. Raises AssertionError if the slot has none."""
    return tx.scalar(
        datetime,
        """
        SELECT signed_at FROM payout_attempts WHERE signer = :signer AND nonce = :nonce
        ORDER BY position DESC LIMIT 1
        """,
        signer=signer,
        nonce=nonce,
    )


def postpone(tx: Tx, payout_id: UUID, now: datetime) -> None:
    """Postpone a payout whose worker failed by POSTPONED_FOR, so that the payouts behind it do not wait for it."""
    tx.run("UPDATE payouts SET postponed_until = :until WHERE id = :id", id=payout_id, until=now + POSTPONED_FOR)


def set_aside(tx: Tx, payout_ids: Sequence[UUID]) -> frozenset[UUID]:
    """The payouts whose money is set aside already: they were held after their reservation."""
    return frozenset(
        tx.column(
            UUID,
            "SELECT id FROM payouts WHERE id = ANY(CAST(:ids AS uuid[])) AND payout_reserved(payouts)",
            ids=list(payout_ids),
        )
    )


@dataclass(frozen=True)
class _Agreed:
    id: UUID
    people: int


def people_agreed(tx: Tx, payout_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many people have approved each payout. They are not asked again for the same approval.

    Two approvals also end a hold that needs no approval; one does not.
    """
    rows = tx.all(
        _Agreed,
        """
        SELECT id, greatest(people_agreed, CASE WHEN found.given >= 2 THEN found.given ELSE 0 END) AS people
        FROM payouts CROSS JOIN LATERAL (
            SELECT CASE WHEN state = 'HELD' THEN approvals_that_count(payouts) ELSE 0 END AS given) AS found
        WHERE id = ANY(CAST(:ids AS uuid[]))
        """,
        ids=list(payout_ids),
    )
    return {row.id: row.people for row in rows}


def suspended(tx: Tx, payout_ids: Sequence[UUID]) -> frozenset[UUID]:
    """The payouts whose member, or the member whose wallet they go to, is suspended now."""
    return frozenset(
        tx.column(
            UUID,
            "SELECT id FROM payouts WHERE id = ANY(CAST(:ids AS uuid[])) AND pays_suspended(payouts)",
            ids=list(payout_ids),
        )
    )


def agreed_in_week(tx: Tx, payout_ids: Sequence[UUID]) -> frozenset[UUID]:
    """The payouts to which people have agreed with their week of affiliates; not those of who has agreed themselves."""
    return frozenset(
        tx.column(
            UUID,
            "SELECT id FROM payouts WHERE id = ANY(CAST(:ids AS uuid[])) AND agreed_in_week(payouts)",
            ids=list(payout_ids),
        )
    )


def approved_own_week(tx: Tx, payout_ids: Sequence[UUID]) -> frozenset[UUID]:
    """The payouts of a week of affiliates to people who have approved that week."""
    return frozenset(
        tx.column(
            UUID,
            "SELECT id FROM payouts WHERE id = ANY(CAST(:ids AS uuid[])) AND approved_own_week(payouts)",
            ids=list(payout_ids),
        )
    )


def need_second_person(tx: Tx, payout_ids: Sequence[UUID]) -> frozenset[UUID]:
    """The payouts of comps that an admin awarded and may not award alone."""
    return frozenset(
        tx.column(
            UUID,
            "SELECT id FROM payouts WHERE id = ANY(CAST(:ids AS uuid[])) AND needs_second_person(payouts)",
            ids=list(payout_ids),
        )
    )


def disputed(tx: Tx, payout_ids: Sequence[UUID]) -> frozenset[UUID]:
    """The payouts of awards to members one of whose payments is disputed, or was taken back by a bank."""
    return frozenset(
        tx.column(
            UUID,
            "SELECT id FROM payouts WHERE id = ANY(CAST(:ids AS uuid[])) AND pays_disputed(payouts)",
            ids=list(payout_ids),
        )
    )


def may_be_paid_already(tx: Tx, payout_ids: Sequence[UUID]) -> frozenset[UUID]:
    """The payouts whose terms match those of a foreign transaction that has not been explained."""
    return frozenset(
        tx.column(
            UUID,
            "SELECT id FROM payouts WHERE id = ANY(CAST(:ids AS uuid[])) AND may_be_paid_already(payouts)",
            ids=list(payout_ids),
        )
    )


@dataclass(frozen=True)
class _Turn:
    requested_at: datetime
    id: UUID


def first_in_want(tx: Tx, treasury: str) -> tuple[datetime, UUID] | None:
    """Request time and id of the first payout that is held for lack of funds; no later payout overtakes it."""
    first = tx.first(
        _Turn,
        """
        SELECT requested_at, id FROM payouts
        WHERE treasury = :treasury AND state = 'HELD' AND approvals_needed = 0 AND hold_reason = 'funds'
        ORDER BY requested_at, id LIMIT 1
        """,
        treasury=treasury,
    )
    return (first.requested_at, first.id) if first else None
