"""Kills the function that sends a payment, and asserts that the payment was made once."""

import signal
from uuid import UUID

from tests.fault.conftest import PRIZE, TREASURY, ForkedWorkers, World


def kill_while_sending(forked_workers: ForkedWorkers, point: str, payout: UUID) -> None:
    """Deliver the payout's task to a process that is killed at this point."""
    body = {"payout_id": str(payout), "treasury": "member"}
    assert forked_workers.deliver(point, "payout_send", "payout-send-member", body)["ended"] == -signal.SIGKILL


def assert_paid_once(world: World, payout: UUID) -> None:
    """The chain has one transfer of the payout's terms, and the payout's row names its transaction."""
    ((recipient, amount, transaction_hash),) = world.rows(
        f"SELECT recipient_address, amount, transaction_hash FROM payouts WHERE id = '{payout}' AND state = 'PAID'"
    )
    moved = world.transfers()
    assert [(it.recipient.lower(), it.amount_micro, it.transaction_hash) for it in moved] == [
        (recipient.lower(), amount, transaction_hash)
    ]
    assert world.chain.balance_of(world.signer) == (TREASURY - PRIZE).micro
    assert world.rows("SELECT sum(balance)::bigint FROM ledger_balances WHERE account = 'paid:member'") == [
        [PRIZE.micro]
    ]
