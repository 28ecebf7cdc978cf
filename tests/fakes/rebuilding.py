"""Restores a database from a backup and rebuilds its nonces from the chain."""

from uuid import UUID

from pg8000.dbapi import Connection

from functions.payout_recover import main as payout_recover
from shared import clock
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.restore import backup, restore

ROUNDS = 4


def rebuild(payout_driver: PayoutDriver) -> None:
    """Run the rebuild, as its schedule does each minute, ROUNDS times, while the chain goes on."""
    for _ in range(ROUNDS):
        payout_recover.advance(clock.now())
        payout_driver.chain.mine(12)
        payout_driver.sweep()


def pay_one_of_two_alike(payout_driver: PayoutDriver, sql: Connection) -> tuple[UUID, UUID]:
    """Restore a database that had two payouts of the same terms, one of which was paid after the backup.

    The chain shows the payment, but not which of the two it was for. Return both.
    """
    first, second = payout_driver.request(), payout_driver.request()
    backup(sql)
    payout_driver.send(first)
    payout_driver.finalize(first)
    restore(sql)
    payout_driver.send(second)
    rebuild(payout_driver)
    return first, second
