"""Promises many payouts at once, with the rules of `machine.request`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from shared import events
from shared.db import Tx
from shared.events import SendPayout
from shared.payouts import terms
from shared.payouts.reads import promised_before
from shared.payouts.states import Promise


def request_many(tx: Tx, promises: Sequence[Promise], now: datetime) -> list[UUID]:
    """Promise payouts and have them sent; returns their ids in this order. What was promised before stays as it is.

    Raises TermsDiffer when a source was promised with other terms, and BadTerms: then none is promised.
    """
    for promise in promises:
        terms.check_amount(promise.amount)
    terms.check_recipients(tx, [promise.recipient_address for promise in promises])
    identities = [uuid4() for _ in promises]
    inserted = _insert(tx, identities, promises, now)
    asked = list(zip(identities, promises, strict=True))
    new = [SendPayout(payout_id=it, treasury=promise.treasury) for it, promise in asked if it in inserted]
    events.enqueue_many(tx, now, new)
    return [it if it in inserted else promised_before(tx, promise) for it, promise in asked]


def _insert(tx: Tx, identities: Sequence[UUID], promises: Sequence[Promise], now: datetime) -> frozenset[UUID]:
    return frozenset(
        tx.column(
            UUID,
            """
            INSERT INTO payouts (id, treasury, member_id, scope, idempotency_key, body_hash, source_kind, source_id,
                                 recipient_address, amount, requested_by, requested_at, state_at)
            SELECT id, treasury, member_id, scope, idempotency_key, body_hash, source_kind, source_id,
                   recipient_address, amount, requested_by, :now, :now
            FROM unnest(CAST(:ids AS uuid[]), CAST(:treasuries AS text[]), CAST(:members AS uuid[]),
                        CAST(:scopes AS text[]), CAST(:keys AS text[]), CAST(:hashes AS bytea[]),
                        CAST(:kinds AS text[]), CAST(:sources AS text[]), CAST(:recipients AS text[]),
                        CAST(:amounts AS bigint[]), CAST(:requesters AS uuid[]))
                AS promised (id, treasury, member_id, scope, idempotency_key, body_hash, source_kind, source_id,
                             recipient_address, amount, requested_by)
            ON CONFLICT DO NOTHING RETURNING id
            """,
            ids=identities,
            treasuries=[promise.treasury for promise in promises],
            members=[promise.member_id for promise in promises],
            scopes=[promise.scope for promise in promises],
            keys=[promise.idempotency_key for promise in promises],
            hashes=[promise.body_hash for promise in promises],
            kinds=[promise.source_kind for promise in promises],
            sources=[promise.source_id for promise in promises],
            recipients=[promise.recipient_address for promise in promises],
            amounts=[promise.amount.micro for promise in promises],
            requesters=[promise.requested_by for promise in promises],
            now=now,
        )
    )
