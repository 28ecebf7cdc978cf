"""Top-ups, their approvals, and what people say of them, as rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared import db
from shared.db import ConstraintViolated, Tx
from shared.payouts.treasuries import Key
from shared.ports.stargate import StargateConfig
from shared.values.fields import Reply
from shared.values.money import Usdt
from shared.values.stargate import SendTerms
from shared.values.states import TopUpState
from shared.web.paging import Position


@dataclass(frozen=True)
class TopUpRow:
    """A top-up. `approvals_given` counts the people who count at this moment."""

    id: UUID
    pool: str
    state: TopUpState
    amount: Usdt
    quoted: Usdt
    minimum: Usdt
    fee_wei: str
    source_chain_id: int
    source_contract: str
    source_token: str
    source_address: str
    home_eid: int
    to_address: str
    reason: str
    requested_by: UUID
    requested_by_username: str
    requested_at: datetime
    state_at: datetime
    approvals_given: int
    transactions: list[dict[str, object]]
    transaction_hash: str | None
    sent_at: datetime | None
    fault: str | None
    guid: str | None
    source_final_at: datetime | None
    arrival_hash: str | None
    received: Usdt | None
    arrived_at: datetime | None
    late_at: datetime | None
    twice_at: datetime | None

    @property
    def terms(self) -> SendTerms:
        return SendTerms(self.home_eid, self.to_address, self.amount.micro, self.minimum.micro)


@dataclass(frozen=True)
class Asked:
    """The request for a top-up, with what Stargate has said about it. Its arrival is looked for after `home_block`."""

    id: UUID
    key: Key
    route: StargateConfig
    source_address: str
    amount: Usdt
    quoted: Usdt
    minimum: Usdt
    fee_wei: int
    home_block: int
    reason: str


class TopUpApprovalMade(Reply):
    """An approval of a top-up: by whom, when, and the note about what they have checked."""

    approved_at: datetime
    approver_id: UUID
    approver_username: str
    note: str


@dataclass(frozen=True)
class DueTopUp:
    """How much a treasury has sent on average of the last 28 days, and below how many days a top-up is due."""

    daily_outflow: Usdt
    days_min: int


def insert(tx: Tx, asked: Asked, admin_id: UUID, now: datetime) -> None:
    """Record the request for a top-up."""
    tx.run(
        """
        INSERT INTO top_ups (id, treasury, to_address, source_chain_id, source_contract, source_token, source_address,
                             source_eid, home_eid, home_contract, amount, quoted, minimum, fee_wei, reason,
                             requested_by, requested_at, state, state_at, read_to)
        VALUES (:id, :treasury, :to_address, :chain_id, :contract, :token, :source_address, :source_eid, :home_eid,
                :home_contract, :amount, :quoted, :minimum, CAST(:fee_wei AS numeric), :reason, :admin_id, :now,
                'requested', :now, :home_block)
        """,
        id=asked.id,
        treasury=asked.key.treasury,
        to_address=asked.key.address,
        chain_id=asked.route.stargate_chain_id,
        contract=asked.route.stargate_contract,
        token=asked.route.stargate_usdt,
        source_address=asked.source_address,
        source_eid=asked.route.stargate_eid,
        home_eid=asked.route.stargate_home_eid,
        home_contract=asked.route.stargate_home_contract,
        amount=asked.amount.micro,
        quoted=asked.quoted.micro,
        minimum=asked.minimum.micro,
        fee_wei=str(asked.fee_wei),
        reason=asked.reason,
        admin_id=admin_id,
        now=now,
        home_block=asked.home_block,
    )


def top_ups(
    tx: Tx, pool: str | None, state: str | None, after: Position | None, limit: int, top_up_id: UUID | None = None
) -> list[TopUpRow]:
    """Top-ups after a position, newest first."""
    return tx.all(
        TopUpRow,
        """
        SELECT t.id, t.treasury AS pool, t.state, t.amount, t.quoted, t.minimum, CAST(t.fee_wei AS text) AS fee_wei,
               t.source_chain_id, t.source_contract, t.source_token, t.source_address, t.home_eid, t.to_address,
               t.reason, t.requested_by, asked.username AS requested_by_username, t.requested_at, t.state_at,
               top_up_approvals_that_count(t) AS approvals_given, t.transactions, t.source_hash AS transaction_hash,
               t.sent_at, t.fault, t.guid, t.source_final_at, t.arrival_hash, t.received, t.arrived_at, t.late_at,
               t.twice_at
        FROM top_ups t JOIN members asked ON asked.id = t.requested_by
        WHERE (CAST(:pool AS text) IS NULL OR t.treasury = :pool)
          AND (CAST(:state AS text) IS NULL OR t.state = :state)
          AND (CAST(:top_up_id AS uuid) IS NULL OR t.id = :top_up_id)
          AND (CAST(:at AS timestamptz) IS NULL OR (t.requested_at, t.id) < (:at, CAST(:id AS uuid)))
        ORDER BY t.requested_at DESC, t.id DESC LIMIT :limit
        """,
        pool=pool,
        state=state,
        top_up_id=top_up_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def top_up(tx: Tx, top_up_id: UUID) -> TopUpRow | None:
    """One top-up; None if there is none."""
    found = top_ups(tx, None, None, None, 1, top_up_id=top_up_id)
    return found[0] if found else None


def lock(tx: Tx, top_up_id: UUID) -> TopUpRow | None:
    """One top-up, locked until the commit; None if there is none."""
    tx.run("SELECT 1 FROM top_ups WHERE id = :id FOR NO KEY UPDATE", id=top_up_id)
    return top_up(tx, top_up_id)


def approvals(tx: Tx, top_up_id: UUID, limit: int) -> list[TopUpApprovalMade]:
    """The approvals of a top-up, oldest first."""
    return tx.all(
        TopUpApprovalMade,
        """
        SELECT a.approved_at, a.approver_id, m.username AS approver_username, a.note
        FROM top_up_approvals a JOIN members m ON m.id = a.approver_id
        WHERE a.top_up_id = :top_up_id ORDER BY a.id LIMIT :limit
        """,
        top_up_id=top_up_id,
        limit=limit,
    )


def is_own(tx: Tx, top_up_id: UUID, person: UUID) -> bool:
    """True if the person has asked for it, or gets unused fees back."""
    return tx.scalar(
        bool,
        """
        SELECT is_same_person(:person, requested_by) OR profits_from_wallet(:person, source_address) AS own
        FROM top_ups WHERE id = :id
        """,
        id=top_up_id,
        person=person,
    )


def approve(tx: Tx, top_up_id: UUID, person: UUID, note: str, now: datetime) -> bool:
    """Record an approval; False if this person has approved before."""
    return (
        tx.run(
            """
            INSERT INTO top_up_approvals (top_up_id, approver_id, note, approved_at)
            VALUES (:id, :person, :note, :now) ON CONFLICT DO NOTHING
            """,
            id=top_up_id,
            person=person,
            note=note,
            now=now,
        )
        > 0
    )


def prepare(tx: Tx, top_up_id: UUID, transactions: Sequence[dict[str, object]], fee_wei: int, now: datetime) -> None:
    """Keep the transactions that are handed out for signing."""
    tx.run(
        """
        UPDATE top_ups SET state = 'prepared', state_at = :now, fee_wei = CAST(:fee_wei AS numeric),
                           transactions = CAST(:transactions AS jsonb)
        WHERE id = :id
        """,
        id=top_up_id,
        transactions=json.dumps(transactions),
        fee_wei=str(fee_wei),
        now=now,
    )


def send(tx: Tx, top_up_id: UUID, transaction_hash: str, now: datetime) -> bool:
    """Note by which transaction it was sent; it is followed from now on. False if that is another top-up's."""
    try:
        with tx.savepoint():
            tx.run(
                """
                UPDATE top_ups SET state = 'sent', state_at = :now, source_hash = :hash, sent_at = :now, fault = NULL,
                                   late_at = NULL
                WHERE id = :id
                """,
                id=top_up_id,
                hash=transaction_hash,
                now=now,
            )
    except ConstraintViolated as failure:
        if db.rule_of(failure) != "top_ups_source_hash":
            raise
        return False
    return True


def cancel(tx: Tx, top_up_id: UUID, now: datetime) -> None:
    """Note that it is not to be sent any more."""
    tx.run("UPDATE top_ups SET state = 'cancelled', state_at = :now WHERE id = :id", id=top_up_id, now=now)


def due(tx: Tx, pool: str, today: datetime) -> DueTopUp:
    """The average outflow of the 28 days before today (UTC), and the setting `top_up_days`."""
    return tx.one(
        DueTopUp,
        """
        SELECT CAST(floor(coalesce(sum(value), 0) * 1000000 / 28) AS bigint) AS daily_outflow,
               (SELECT CAST(value #>> '{}' AS integer) FROM settings WHERE name = 'top_up_days') AS days_min
        FROM metric_days
        WHERE metric = 'treasury_outflow' AND key = :pool
          AND day >= CAST(:today AS date) - 28 AND day < CAST(:today AS date)
        """,
        pool=pool,
        today=today.date(),
    )
