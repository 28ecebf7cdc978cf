"""Payouts and treasuries as they stand, locked for whoever changes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx
from shared.payout_types import Payout, PayoutState, Treasury


def load(tx: Tx, payout_id: UUID) -> Payout | None:
    """A payout, locked until the transaction ends: whoever changes it does so alone."""
    return tx.first(
        Payout,
        """
        SELECT id, treasury, member_id, source_kind, source_id, recipient_address, amount, state, hold_reason,
               requested_by, requested_at
        FROM payouts WHERE id = :payout_id FOR UPDATE
        """,
        payout_id=payout_id,
    )


def load_all(tx: Tx, payout_ids: Sequence[UUID], *states: PayoutState) -> list[Payout]:
    """Those of the payouts that are in one of the states now, first requested first, locked as by `load`."""
    return tx.all(
        Payout,
        """
        SELECT id, treasury, member_id, source_kind, source_id, recipient_address, amount, state, hold_reason,
               requested_by, requested_at
        FROM payouts
        WHERE id = ANY(CAST(:ids AS uuid[])) AND state::text = ANY(CAST(:states AS text[]))
        ORDER BY requested_at, id FOR UPDATE
        """,
        ids=list(payout_ids),
        states=[state.value for state in states or PayoutState],
    )


def of_sources(tx: Tx, sources: Mapping[str, str]) -> list[Payout]:
    """The payouts of sources (id by kind), each locked as by `load`."""
    return tx.all(
        Payout,
        """
        SELECT id, treasury, member_id, source_kind, source_id, recipient_address, amount, state, hold_reason,
               requested_by, requested_at
        FROM payouts
        WHERE (source_kind, source_id) IN
              (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[])))
        ORDER BY id FOR UPDATE OF payouts
        """,
        kinds=list(sources.keys()),
        ids=list(sources.values()),
    )


def treasury_of(tx: Tx, name: str) -> Treasury:
    """A treasury, locked: reservations from one treasury follow each other, promises do not wait for them."""
    return tx.one(
        Treasury,
        """
        SELECT name, chain_id, token_address, paused_at, finish_live FROM treasuries WHERE name = :name
        FOR NO KEY UPDATE
        """,
        name=name,
    )


@dataclass(frozen=True)
class Approvals:
    """How many people have agreed to a payout's present hold, and how many must."""

    given: int
    needed: int


def approvals(tx: Tx, payout_id: UUID) -> Approvals:
    """Of the hold that the payout is in now."""
    return tx.one(
        Approvals,
        """
        SELECT (SELECT count(*) FROM payout_approvals WHERE payout_id = payouts.id AND hold = payouts.holds) AS given,
               greatest(approvals_needed, CASE state WHEN 'QUARANTINED' THEN 2 ELSE 0 END) AS needed
        FROM payouts WHERE id = :payout_id
        """,
        payout_id=payout_id,
    )
