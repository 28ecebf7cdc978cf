"""Killed at any point and started again, the payout machine pays once: on the chain, in the rows, in what is told."""

import base64
import json
import os
import signal
from uuid import UUID

import pytest

from tests.fault.conftest import PRIZE, TREASURY, ForkedWorkers, World
from tests.fault.payments import kill_while_sending

SENDING = (
    "C1 asked for, before the policy",
    "C2 approved, before it is reserved",
    "C3 reserved, before its nonce",
    "C4 nonce taken, before it is signed",
    "C5 signed, before it is stored",
    "C5 stored, before the commit",
    "C6 stored, before it is sent",
    "C7 sent, before its event",
    "C12 committed, before the answer",
)
CONFIRMING = (
    "C8 receipt read, before MINED",
    "C8 MINED, before the commit",
    "C11 FINAL, before the ledger",
    "C11 PAID, before the comp",
    "C11 the comp, before the commit",
    "C12 committed, before the answer",
)
DEEP = 12


def kill_while_confirming(world: World, forked_workers: ForkedWorkers, point: str) -> None:
    body = {"signer": world.signer}
    assert forked_workers.deliver(point, "payout_confirm", "payout-confirm", body)["ended"] == -signal.SIGKILL


def assert_paid_exactly_once(world: World, payout: UUID) -> None:
    assert world.state(payout) == "PAID"
    terms = world.rows("SELECT recipient_address, amount, transaction_hash FROM payouts")
    moved = world.transfers()
    assert [[sent.recipient.lower(), sent.amount_micro, sent.transaction_hash] for sent in moved] == [
        [address.lower(), amount, transaction_hash] for address, amount, transaction_hash in terms
    ]
    assert world.chain.balance_of(world.signer) == (TREASURY - PRIZE).micro
    assert_rows_agree(world)
    assert_everybody_was_told_once(world)


def assert_rows_agree(world: World) -> None:
    """Slots, ledger, comp and wallet history."""
    assert world.rows("SELECT nonce, state FROM payout_slots") == [[0, "FINAL_PAY"]]
    assert world.rows("SELECT next_nonce FROM signers WHERE treasury = 'member'") == [[1]]
    assert world.rows("SELECT count(*) FROM payout_attempts") == [[1]]
    balances = "SELECT account, sum(balance)::bigint FROM ledger_balances GROUP BY account ORDER BY account"
    assert dict(map(tuple, world.rows(balances))) == {
        "in_flight:member": 0,
        "owed:member": 0,
        "paid:member": PRIZE.micro,
        "pool:member": -PRIZE.micro,
        "settled:member": PRIZE.micro,
        "treasury:member": -PRIZE.micro,
    }
    assert world.rows("SELECT status FROM comps") == [["paid"]]
    assert world.rows("SELECT type, amount FROM wallet_transactions") == [["comp_deposit", PRIZE.micro]]
    assert world.rows("SELECT comps_paid FROM member_totals WHERE comps_paid > 0") == [[PRIZE.micro]]


def assert_everybody_was_told_once(world: World) -> None:
    """The notices of the award and of the payment: in the app and in the feed; of the payment by mail as well."""
    assert world.rows("SELECT count(*) FROM notifications WHERE dedupe_key LIKE 'comp-awarded:%'") == [[1]]
    assert world.rows("SELECT count(*) FROM notifications WHERE dedupe_key LIKE 'comp-paid:%'") == [[1]]
    assert world.rows("SELECT unread FROM inboxes") == [[2]]
    assert world.rows("SELECT kind FROM feed_items ORDER BY id") == [["comp_awarded"], ["comp_paid"]]
    assert world.rows("SELECT template, status FROM mails") == [["comp_paid", "sent"]]
    assert len(world.platform.mail.mails(world.winners[0].email)) == 1


@pytest.mark.parametrize("point", SENDING)
def test_killed_while_sending_it_is_paid_once(world: World, forked_workers: ForkedWorkers, point: str) -> None:
    payout = world.win()
    kill_while_sending(forked_workers, point, payout)

    world.outbox.deliver_until(world.all_paid)

    assert_paid_exactly_once(world, payout)


def test_killed_at_every_point_of_sending_in_turn_it_is_paid_once(world: World, forked_workers: ForkedWorkers) -> None:
    world.sql.execute_simple("UPDATE settings SET value = '3600' WHERE name = 'payout_stuck_seconds'")  # no replacement
    payout = world.win()
    for point in SENDING:
        kill_while_sending(forked_workers, point, payout)
        world.outbox.pass_time()

    world.outbox.deliver_until(world.all_paid)

    assert_paid_exactly_once(world, payout)


def send_and_bury(world: World) -> None:
    """Sent, mined and deep; nobody has looked yet."""
    world.invoker.task("payout_send", "payout-send-member", world.outbox.waiting_for("payout_send").body)
    world.chain.mine(DEEP)


@pytest.mark.parametrize("point", CONFIRMING)
def test_killed_while_confirming_it_is_paid_once(world: World, forked_workers: ForkedWorkers, point: str) -> None:
    payout = world.win()
    send_and_bury(world)
    kill_while_confirming(world, forked_workers, point)

    world.outbox.deliver_until(world.all_paid)

    assert_paid_exactly_once(world, payout)


def test_killed_while_the_end_is_written_nothing_of_it_stays(world: World, forked_workers: ForkedWorkers) -> None:
    payout = world.win()
    send_and_bury(world)

    for point in ("C11 FINAL, before the ledger", "C11 PAID, before the comp", "C11 the comp, before the commit"):
        kill_while_confirming(world, forked_workers, point)
        assert world.state(payout) == "IN_FLIGHT", point
        assert world.rows("SELECT count(*) FROM ledger_journals WHERE ref LIKE 'paid:%'") == [[0]], point
        assert world.rows("SELECT status FROM comps") == [["pending"]], point


def test_killed_before_anything_was_recorded_the_sweep_finds_it(world: World, forked_workers: ForkedWorkers) -> None:
    """Its task is gone: acknowledged, or lost with the queue."""
    payout = world.win()
    kill_while_sending(forked_workers, "C4 nonce taken, before it is signed", payout)
    world.rows("UPDATE outbox SET published_at = now() WHERE kind = 'task' RETURNING id")
    world.outbox.pass_time(180)

    assert world.invoker.schedule("payout_confirm", "sweep") == 204
    world.outbox.deliver_until(world.all_paid)

    assert_paid_exactly_once(world, payout)


def test_a_worker_that_slept_through_its_lease_stores_nothing(world: World, forked_workers: ForkedWorkers) -> None:
    payout = world.win()
    body = {"payout_id": str(payout), "treasury": "member"}
    asleep = forked_workers.deliver("asleep before it stores", "payout_send", "payout-send-member", body)
    assert asleep["ended"] == 0
    world.outbox.pass_time()
    world.outbox.deliver_until(world.all_paid)

    wake(asleep["pid"])

    assert forked_workers.watch(asleep["pid"])["ended"] == 5
    assert_paid_exactly_once(world, payout)


def test_a_worker_that_slept_before_it_sent_sends_the_same_again(world: World, forked_workers: ForkedWorkers) -> None:
    payout = world.win()
    body = {"payout_id": str(payout), "treasury": "member"}
    asleep = forked_workers.deliver("asleep before it sends", "payout_send", "payout-send-member", body)
    world.outbox.pass_time()
    world.outbox.deliver_until(world.all_paid)

    wake(asleep["pid"])

    assert forked_workers.watch(asleep["pid"])["ended"] == 2
    assert_paid_exactly_once(world, payout)


def wake(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


def test_a_sender_killed_after_the_provider_took_the_mail_sends_no_second(
    world: World, forked_workers: ForkedWorkers
) -> None:
    payout = world.win()
    send_and_bury(world)
    world.invoker.task("payout_confirm", "payout-confirm", {"signer": world.signer})
    ((mail,),) = world.rows("SELECT id FROM mails")
    message = {"attributes": {"topic": "mail-queued"}, "messageId": "1", "data": encoded({"mail_id": str(mail)})}

    ended = forked_workers.deliver("mailed, before it is noted", "email_send", "", {"message": message})
    assert ended["ended"] == -signal.SIGKILL
    world.outbox.deliver_until(world.all_paid)

    assert_paid_exactly_once(world, payout)


def encoded(body: dict[str, str]) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()
