"""Deliveries come twice, ten times, at once, out of order and days later: one payout, one notification, one mail."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fault.conftest import World

COPIES = 10
THREADS = 8
DAYS = 50 * 60.0  # as far as a token's hour lets the test clock go; nothing in the outbox knows of more


def facts(world: World) -> dict[str, object]:
    """Everything that a delivery too many would change."""
    counts = {
        table: world.rows(f"SELECT count(*) FROM {table}")[0][0]
        for table in ("payouts", "payout_slots", "payout_attempts", "ledger_journals", "ledger_postings", "comps",
                      "notifications", "mails", "feed_items", "wallet_transactions", "payout_policy_runs", "job_faults")
    }  # fmt: skip
    return {
        **counts,
        "balances": world.rows("SELECT account, sum(balance)::bigint FROM ledger_balances GROUP BY 1 ORDER BY 1"),
        "unread": world.rows("SELECT unread FROM inboxes ORDER BY member_id"),
        "slots": world.rows("SELECT nonce, state, winning_hash FROM payout_slots ORDER BY nonce"),
        "moved": [(moved.recipient, moved.amount_micro) for moved in world.transfers()],
        "mailed": Counter(mail.to[0]["email"] for mail in world.platform.mail.mails()),
    }


def assert_one_of_everything(world: World, payouts: int) -> None:
    found = facts(world)
    assert [found[name] for name in ("payouts", "payout_slots", "payout_attempts", "comps", "mails")] == [payouts] * 5
    assert (found["notifications"], found["feed_items"]) == (2 * payouts, 2 * payouts)  # awarded and paid
    assert found["ledger_journals"] == 3 * payouts  # award, resv, paid
    assert found["mailed"] == Counter(winner.email for winner in world.winners)
    assert len(world.transfers()) == payouts
    assert found["job_faults"] == 0


@pytest.mark.parametrize("threads", [1, THREADS], ids=["one after the other", "at once"])
def test_everything_delivered_ten_times_is_done_once(world: World, threads: int) -> None:
    world.win()

    world.outbox.deliver_until(world.all_paid, copies=COPIES, threads=threads)

    assert_one_of_everything(world, 1)


def test_several_payouts_in_a_crowd_of_duplicates_are_each_paid_once(world: World) -> None:
    for _ in range(4):
        world.win()

    world.outbox.deliver_until(world.all_paid, copies=3, threads=THREADS)

    assert_one_of_everything(world, 4)


def test_what_is_delivered_again_long_after_changes_nothing(world: World) -> None:
    world.win()
    world.outbox.deliver_until(world.all_paid)
    before = facts(world)
    world.outbox.pass_time(DAYS)

    rows = world.outbox.all_rows() * 2
    world.outbox.chance.shuffle(rows)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(world.outbox.deliver, rows))
    world.invoker.schedule("payout_confirm", "sweep")
    world.outbox.deliver_until(world.all_paid)

    assert facts(world) == before


def test_what_comes_before_its_time_is_no_fault(world: World) -> None:
    """Confirmations of what is not sent, notifications of what is not told, tasks in backward order."""
    world.win()
    for _ in range(3):
        assert world.invoker.task("payout_confirm", "payout-confirm", {"signer": world.signer}) == 204
    for row in reversed(world.outbox.waiting()):
        world.outbox.deliver(row)

    world.outbox.deliver_until(world.all_paid)

    assert_one_of_everything(world, 1)


def test_two_workers_at_one_treasury_never_share_a_nonce(world: World) -> None:
    """Tasks of six payouts at once, each twice: whoever finds the treasury taken comes again."""
    for _ in range(6):
        world.win()

    world.outbox.deliver_until(world.all_paid, copies=2, threads=12)

    assert_one_of_everything(world, 6)
    assert world.rows("SELECT nonce FROM payout_slots ORDER BY nonce") == [[nonce] for nonce in range(6)]
    assert world.outbox.answers["payout-send-member 503"] > 0
    assert not [answer for answer in world.outbox.answers if answer.endswith("500")]


def test_two_who_confirm_at_once_finish_it_once(world: World) -> None:
    world.win()
    world.outbox.deliver_all()
    world.chain.mine(12)
    body = {"signer": world.signer}

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: world.invoker.task("payout_confirm", "payout-confirm", body), range(32)))
    world.outbox.deliver_until(world.all_paid)

    assert set(answers) == {204}
    assert_one_of_everything(world, 1)
