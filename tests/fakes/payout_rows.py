"""The payout machine's rows in plain SQL, without our own code, for tests of the schema itself."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from pg8000.native import Connection, DatabaseError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AMOUNT = 5_000_000
RECIPIENT = "0x" + "Ab" * 20
FEE = 100 * 10**9
TIP = 32 * 10**9

_numbers = itertools.count(1)


def new_hash() -> str:
    """An unused transaction hash."""
    return f"0x{next(_numbers):064x}"


@contextmanager
def signed_in(user: str, password: str) -> Iterator["Login"]:
    """A connection of its own to the test's database."""
    connection = Connection(
        user,
        host=os.environ["DATABASE_HOST"],
        port=int(os.environ["DATABASE_PORT"]),
        database=os.environ["DATABASE_NAME"],
        password=password,
        ssl_context=False,
    )
    try:
        connection.run("SET timezone = 'UTC'")
        connection.run("SET lock_timeout = '5s'")
        yield Login(connection)
    finally:
        connection.close()


@contextmanager
def functions_login() -> Iterator["Login"]:
    """A session of the login of all functions together, with their rights and blakjaks_app's, not the owner's."""
    with signed_in(os.environ["DATABASE_USER"], os.environ["DATABASE_PASSWORD"]) as login:
        yield login


@contextmanager
def owner_login() -> Iterator["Login"]:
    """A login as the schema's owner, who is bound by triggers and constraints, but not by rights."""
    with signed_in(os.environ["OWNER_USER"], os.environ["OWNER_PASSWORD"]) as login:
        yield login


def rule_of(step: Callable[[], object]) -> str:
    """The rule (else the SQLSTATE) by which `step` is refused, at once or at its commit; "" when it is not refused."""
    try:
        step()
    except DatabaseError as error:
        details: dict[str, str] = error.args[0]
        return details.get("n") or details["C"]
    return ""


@dataclass
class Login:
    """Runs statements as they are; each commits by itself unless a transaction is open."""

    connection: Connection

    def run(self, sql: str, **values: object) -> list[list[Any]]:
        rows: list[list[Any]] | None = self.connection.run(sql, **values)
        return rows or []

    def value(self, sql: str, **values: object) -> Any:
        """The first column of the first row."""
        return self.run(sql, **values)[0][0]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.run("BEGIN")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK")
            raise
        self.run("COMMIT")


@dataclass
class PayoutRows:
    """Brings payouts into the state that a test needs, through every state on the way."""

    login: Login
    clock: Iterator[datetime] = field(default_factory=lambda: itertools.repeat(NOW))

    def run(self, sql: str, **values: object) -> list[list[Any]]:
        return self.login.run(sql, now=next(self.clock), **values)

    def signer(self, treasury: str = "member") -> str:
        address: str = self.login.value(
            "SELECT address FROM signers WHERE treasury = :treasury AND status = 'active'", treasury=treasury
        )
        return address

    def payout(self, state: str = "REQUESTED", **terms: object) -> UUID:
        """A payout of AMOUNT to RECIPIENT; `terms` are columns with other values."""
        identity = uuid4()
        given: dict[str, object] = {
            "source_kind": "test",
            "source_id": str(identity),
            "scope": "test",
            "idempotency_key": str(identity),
        }
        given |= {"treasury": "member", "recipient_address": RECIPIENT, "amount": AMOUNT}
        given |= {"member_id": None, "requested_by": None}
        self.run(
            """
            INSERT INTO payouts (id, treasury, member_id, scope, idempotency_key, body_hash, source_kind, source_id,
                                 recipient_address, amount, requested_by, requested_at, state_at)
            VALUES (:id, :treasury, :member_id, :scope, :idempotency_key, '\\x01', :source_kind, :source_id,
                    :recipient_address, :amount, :requested_by, :now, :now)
            """,
            id=identity,
            **(given | terms),
        )
        way = {
            "REQUESTED": (),
            "CANCELLED": (self.cancel,),
            "HELD": (self.hold,),
            "APPROVED": (self.approve,),
            "RESERVED": (self.approve, self.reserve),
            "IN_FLIGHT": (self.approve, self.reserve, self.allocate),
            "PAID": (self.approve, self.reserve, self.allocate, self.sign, self.mine, self.pay),
            "QUARANTINED": (self.approve, self.reserve, self.allocate, self.sign, self.quarantine),
        }
        for step in way[state]:
            step(identity)
        return identity

    def state(self, payout: UUID) -> str:
        state: str = self.login.value("SELECT state FROM payouts WHERE id = :payout", payout=payout)
        return state

    def slot(self, payout: UUID) -> tuple[str, int]:
        """The key and nonce of the payout's latest slot."""
        signer, nonce = self.login.run(
            "SELECT signer, nonce FROM payout_slots WHERE payout_id = :payout ORDER BY nonce DESC LIMIT 1",
            payout=payout,
        )[0]
        return signer, nonce

    def move(self, payout: UUID, state: str, reason: str | None = None) -> None:
        self.run(
            "UPDATE payouts SET state = :state, hold_reason = :reason, state_at = :now WHERE id = :payout",
            payout=payout,
            state=state,
            reason=reason,
        )

    def hold(self, payout: UUID) -> None:
        self.move(payout, "HELD", "review")

    def cancel(self, payout: UUID) -> None:
        self.move(payout, "CANCELLED")

    def approve(self, payout: UUID) -> None:
        """Approve a payout by the policy."""
        self.run(
            """
            INSERT INTO payout_policy_runs (payout_id, policy_version, inputs, decision, decided_at)
            VALUES (:payout, 1, '{}', 'approve', :now)
            """,
            payout=payout,
        )
        self.move(payout, "APPROVED")

    def sign_off(self, payout: UUID, *approvers: UUID) -> None:
        """Approve a payout by people."""
        for approver in approvers:
            self.run(
                "INSERT INTO payout_approvals (payout_id, approver_id, approved_at) VALUES (:payout, :approver, :now)",
                payout=payout,
                approver=approver,
            )

    def journal(self, ref: str, **lines: int) -> None:
        """Post a journal. Lines such as treasury=-5, in_flight=5 are the accounts of the member treasury."""
        with self.login.transaction():
            self.post(ref, **lines)

    def post(self, ref: str, **lines: int) -> None:
        """Post a journal in the open transaction."""
        self.run(
            """
            WITH journal AS (INSERT INTO ledger_journals (ref, posted_at) VALUES (:ref, :now) RETURNING id)
            INSERT INTO ledger_postings (journal_id, account, amount)
            SELECT id, account || ':member', amount
            FROM journal, unnest(CAST(:accounts AS text[]), CAST(:amounts AS bigint[])) AS line (account, amount)
            """,
            ref=ref,
            accounts=list(lines),
            amounts=list(lines.values()),
        )

    def reserve(self, payout: UUID) -> None:
        with self.login.transaction():
            self.post(f"resv:{payout}", treasury=-AMOUNT, in_flight=AMOUNT)
            self.move(payout, "RESERVED")

    def allocate(self, payout: UUID) -> None:
        with self.login.transaction():
            self.take_nonce(payout)
            self.move(payout, "IN_FLIGHT")

    def take_nonce(self, payout: UUID | None, signer: str | None = None) -> None:
        """Take the key's next nonce, in the open transaction."""
        self.run(
            """
            INSERT INTO payout_slots (signer, nonce, payout_id, state_at, allocated_at)
            SELECT address, next_nonce, CAST(:payout AS uuid), :now, :now FROM signers WHERE address = :signer
            """,
            payout=payout,
            signer=signer or self.signer(),
        )

    def sign(self, payout: UUID) -> None:
        with self.login.transaction():
            self.attempt(self.slot(payout))
            self.slot_to(self.slot(payout), "LIVE")

    def attempt(self, slot: tuple[str, int], **other: object) -> str:
        """Insert a slot's next attempt, with the usual terms and fees unless given; returns its hash."""
        given: dict[str, object] = {
            "hash": new_hash(),
            "position": self.login.value(
                "SELECT count(*) + 1 FROM payout_attempts WHERE signer = :signer AND nonce = :nonce",
                signer=slot[0],
                nonce=slot[1],
            ),
            "epoch": self.login.value("SELECT epoch FROM signers WHERE address = :signer", signer=slot[0]),
        }
        given |= {"kind": "PAY", "origin": "signed", "recipient": RECIPIENT, "amount": AMOUNT, "fee": FEE, "tip": TIP}
        if other.get("kind") == "NOOP":
            given |= {"recipient": slot[0], "amount": 0}
        given |= other
        self.run(
            """
            INSERT INTO payout_attempts (hash, signer, nonce, position, kind, origin, recipient_address, amount,
                                         fee_per_gas_wei_max, priority_fee_per_gas_wei_max, gas_limit, raw, epoch,
                                         signed_at)
            VALUES (:hash, :signer, :nonce, :position, :kind, :origin, :recipient, :amount, :fee, :tip, 120000,
                    '\\x02', :epoch, :now)
            """,
            signer=slot[0],
            nonce=slot[1],
            **given,
        )
        return str(given["hash"])

    def slot_to(self, slot: tuple[str, int], state: str, winner: str | None = None, *, succeeded: bool = True) -> None:
        """Move a slot to a state; `winner` is for MINED only: a final slot keeps it, all others have none."""
        mined, kept = state == "MINED", state.startswith("FINAL")
        block = f"0x{1000 + slot[1]:064x}"
        self.run(
            """
            UPDATE payout_slots SET state = :state, state_at = :now,
                   winning_hash = CASE WHEN :kept THEN winning_hash ELSE CAST(:winner AS text) END,
                   block_number = CASE WHEN :kept THEN block_number ELSE CAST(:number AS bigint) END,
                   block_hash = CASE WHEN :kept THEN block_hash ELSE CAST(:block AS text) END,
                   succeeded = CASE WHEN :kept THEN succeeded ELSE CAST(:succeeded AS boolean) END
            WHERE signer = :signer AND nonce = :nonce
            """,
            signer=slot[0],
            nonce=slot[1],
            state=state,
            kept=kept,
            winner=winner if mined else None,
            number=1000 + slot[1] if mined else None,
            block=block if mined else None,
            succeeded=succeeded if mined else None,
        )

    def last_hash(self, slot: tuple[str, int]) -> str:
        found: str = self.login.value(
            "SELECT hash FROM payout_attempts WHERE signer = :signer AND nonce = :nonce ORDER BY position DESC",
            signer=slot[0],
            nonce=slot[1],
        )
        return found

    def mine(self, payout: UUID) -> None:
        slot = self.slot(payout)
        self.slot_to(slot, "MINED", self.last_hash(slot))

    def pay(self, payout: UUID) -> None:
        """Set the slot to FINAL_PAY, post the journal and set the payout to PAID, in one commit."""
        slot = self.slot(payout)
        with self.login.transaction():
            self.slot_to(slot, "FINAL_PAY")
            self.post(f"paid:{payout}", in_flight=-AMOUNT, paid=AMOUNT)
            self.settle(payout, self.last_hash(slot))

    def settle(self, payout: UUID, transaction_hash: str) -> None:
        """Set the payout to PAID, in the open transaction."""
        self.run(
            """
            UPDATE payouts SET state = 'PAID', hold_reason = NULL, state_at = :now, paid_at = :now,
                   transaction_hash = :hash
            WHERE id = :payout
            """,
            payout=payout,
            hash=transaction_hash,
        )

    def pause(self) -> None:
        self.run("UPDATE treasuries SET paused_at = :now, pause_reason = 'test' WHERE name = 'member'")

    def unpause(self) -> None:
        self.login.run("UPDATE treasuries SET paused_at = NULL, pause_reason = NULL WHERE name = 'member'")

    def quarantine(self, payout: UUID) -> None:
        """Quarantine a payout whose nonce was used by somebody else."""
        with self.login.transaction():
            self.pause()
            self.slot_to(self.slot(payout), "FOREIGN")
            self.move(payout, "QUARANTINED")
