"""Reads payouts and treasuries and locks them for the transaction that changes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.db import Tx
from shared.payouts.states import Payout, PayoutState, Promise, TermsDiffer, Treasury


def load(tx: Tx, payout_id: UUID) -> Payout | None:
    """A payout, locked until the transaction ends; None if there is no such payout."""
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
    """The payouts that are in one of the states now (in any state if none is named), oldest request first, locked."""
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
    """The payouts of some sources (source id by kind), locked, ordered by id."""
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
    """A treasury, locked: reservations from one treasury run one after another; new promises do not wait for them."""
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
    """How many people have approved the payout's present hold and still may, and how many are needed."""

    given: int
    needed: int


def approvals(tx: Tx, payout_id: UUID) -> Approvals:
    """How many approvals the payout's present hold has, and how many it needs.

    Counted are those of people who are active treasury admins or owners now, do not profit, and did not request it.
    """
    return tx.one(
        Approvals,
        """
        SELECT approvals_that_count(payouts) AS given, approvals_required(payouts) AS needed
        FROM payouts WHERE id = :payout_id
        """,
        payout_id=payout_id,
    )


def is_in_doubt(tx: Tx, payout_id: UUID) -> bool:
    """True while an unexplained foreign transaction may have paid this payout."""
    return tx.scalar(
        bool, "SELECT payout_in_doubt(payouts) AS in_doubt FROM payouts WHERE id = :payout_id", payout_id=payout_id
    )


@dataclass(frozen=True)
class _Terms:
    id: UUID
    body_hash: bytes


def promised_before(tx: Tx, promise: Promise) -> UUID:
    """The payout that has the promise's source and its idempotency key. Raises TermsDiffer when either of them belongs
    to other terms.
    """
    earlier = tx.all(
        _Terms,
        """
        SELECT id, body_hash FROM payouts
        WHERE (source_kind = :source_kind AND source_id = :source_id)
           OR (scope = :scope AND idempotency_key = :idempotency_key)
        """,
        source_kind=promise.source_kind,
        source_id=promise.source_id,
        scope=promise.scope,
        idempotency_key=promise.idempotency_key,
    )
    if [found.body_hash for found in earlier] != [promise.body_hash]:
        raise TermsDiffer(f"{promise.source_kind} {promise.source_id} was promised with other terms")
    return earlier[0].id
