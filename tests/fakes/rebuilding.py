"""Restores a database from a backup and rebuilds its nonces from the chain."""

from uuid import UUID

from pg8000.dbapi import Connection

from functions.payout_recover import main as payout_recover
from shared import clock
from tests.fakes.payout_desk import Desk
from tests.fakes.restore import backup, restore

ROUNDS = 4


def rebuild(desk: Desk) -> None:
    """Run the rebuild, as its schedule does each minute, ROUNDS times, while the chain goes on."""
    for _ in range(ROUNDS):
        payout_recover.advance(clock.now())
        desk.chain.mine(12)
        desk.sweep()


def pay_one_of_two_alike(desk: Desk, sql: Connection) -> tuple[UUID, UUID]:
    """Restore a database that had two payouts of the same terms, one of which was paid after the backup.

    The chain shows the payment, but not which of the two it was for. Return both.
    """
    first, second = desk.request(), desk.request()
    backup(sql)
    desk.send(first)
    desk.bury(first)
    restore(sql)
    desk.send(second)
    rebuild(desk)
    return first, second
