"""The database hangs up on everybody again and again, in the middle of commits too: each payout is paid once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from emulators import cloud
from tests.fault.conftest import World

PAYOUTS = 5
PAUSE_SECONDS = 0.04
ROUNDS_UNDER_FIRE = 12
HANG_UP = """
    SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE usename = 'functions' AND datname = current_database()
    """


@contextmanager
def hanging_up(world: World, database: str) -> Iterator[list[int]]:
    """Every few milliseconds all of the functions' connections end; how many each time."""
    stopping, ended = threading.Event(), [0]

    def run() -> None:
        with cloud.superuser(world.platform.postgres, database) as connection:
            while not stopping.wait(PAUSE_SECONDS):
                ended.append(int(connection.execute_simple(HANG_UP).rows[0][0]))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield ended
    finally:
        stopping.set()
        thread.join()


def test_each_is_paid_once_though_connections_end_at_any_moment(world: World, database: str) -> None:
    for _ in range(PAYOUTS):
        world.win()

    with hanging_up(world, database) as ended:
        for _ in range(ROUNDS_UNDER_FIRE):
            world.outbox.deliver_all(threads=4)
            world.chain.mine(2)
            world.outbox.pass_time()
    world.outbox.deliver_until(world.all_paid)

    assert sum(ended) > ROUNDS_UNDER_FIRE
    assert any(answer.endswith("500") for answer in world.outbox.answers)
    assert len(world.transfers()) == PAYOUTS
    assert world.rows("SELECT count(*), max(nonce) + 1 FROM payout_slots") == [[PAYOUTS, PAYOUTS]]
    balances = "SELECT account, sum(balance)::bigint FROM ledger_balances GROUP BY account"
    lines = "SELECT account, sum(amount)::bigint FROM ledger_postings GROUP BY account"
    assert sorted(world.rows(balances)) == sorted(world.rows(lines))
    assert world.rows("SELECT count(*) FROM mails WHERE status = 'sent'") == [[PAYOUTS]]
    assert len(world.platform.mail.mails()) == PAYOUTS
    assert world.rows("SELECT count(*) FROM notifications") == [[2 * PAYOUTS]]
