"""A top-up is followed on both chains: booked once when it has arrived, and people hear of whatever else happens."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.top_up_watch import main as top_up_watch
from functions.top_up_watch import rules, store
from shared import clock, db
from shared.ports import stargate
from tests.client import FunctionClient
from tests.fakes.bridge import FakeSource, deliver
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.nodes import FakeNodes
from tests.fakes.top_up_driver import AMOUNT, MICRO, QUOTED, TopUpDriver, cancel, follow, prepared
from tests.platform import Platform

pytest_plugins = ["tests.fakes.treasury_plugin"]

STRANGER = "0x" + "cd" * 20
SENT, ARRIVING = AMOUNT * MICRO, QUOTED * MICRO


@pytest.fixture
def top_ups(
    client: Callable[..., FunctionClient],
    source: FakeSource,
    two_nodes: FakeNodes,
    platform: Platform,
    sql: Connection,
    advance_clock: Callable[[float], None],
) -> TopUpDriver:
    two_nodes.finish()
    return TopUpDriver(client, source, two_nodes, FunctionInvoker(platform.invoker_token), sql, advance_clock)


def test_what_has_arrived_is_booked_once_with_what_was_lost_on_the_way(top_ups: TopUpDriver) -> None:
    admin, top_up, guid = top_ups.bridging()
    held = top_ups.balance("treasury:member")

    hash_ = top_ups.deliver(guid)
    assert [top_ups.sweep() for _ in range(2)] == [204, 204]

    seen = top_ups.seen(admin, top_up)
    assert (seen["state"], seen["received"], seen["arrival_hash"], seen["late_at"]) == ("arrived", QUOTED, hash_, None)
    # The first reading of the key books what it had before, too.
    booked = (
        f"SELECT amount FROM ledger_postings JOIN ledger_journals ON id = journal_id WHERE ref LIKE 'in:{hash_}:%' "
    )
    assert top_ups.one(booked + "AND account = 'treasury:member'") == ARRIVING
    assert top_ups.balance("treasury:member") >= held + ARRIVING
    assert top_ups.balance("bridge_fees:member") == SENT - ARRIVING
    assert top_ups.one("SELECT count(*) FROM ledger_journals WHERE ref LIKE 'top-up:%'") == 1
    assert top_ups.mails("A top-up") == 0


def test_runs_beside_each_other_book_it_once(top_ups: TopUpDriver) -> None:
    _, _, guid = top_ups.bridging()
    deliver(top_ups.home, guid, top_ups.key(), ARRIVING)
    top_ups.home.finish()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: top_up_watch.sweep(clock.now()), range(4)))
    assert top_ups.one("SELECT state FROM top_ups") == "arrived"
    assert top_ups.balance("bridge_fees:member") == SENT - ARRIVING


def test_more_than_was_sent_is_booked_too(top_ups: TopUpDriver) -> None:
    _, _, guid = top_ups.bridging()
    top_ups.deliver(guid, SENT + 5)
    assert top_ups.one("SELECT state FROM top_ups") == "arrived"
    assert top_ups.balance("bridge_fees:member") == -5


def test_nothing_counts_before_its_block_is_final(top_ups: TopUpDriver) -> None:
    admin, top_up, sending = top_ups.sent()
    guid = top_ups.source.logged(sending, SENT, ARRIVING)
    top_ups.sweep()
    assert top_ups.seen(admin, top_up)["state"] == "sent"
    sending.block, top_ups.source.fork = None, 1  # a reorganisation takes it out of the chain again
    top_ups.source.finish()
    top_ups.sweep()
    assert top_ups.seen(admin, top_up)["state"] == "sent"
    again = top_ups.source.send(
        {"from_address": sending.sender, "to_address": sending.to, "data": sending.data}, logs=sending.logs
    )
    assert follow(admin, top_up, again.hash).status == 200
    top_ups.source.finish()
    top_ups.sweep()
    assert top_ups.seen(admin, top_up)["guid"] == guid


def test_an_arrival_that_is_not_final_waits(top_ups: TopUpDriver) -> None:
    _, _, guid = top_ups.bridging()
    deliver(top_ups.home, guid, top_ups.key(), ARRIVING)
    top_ups.sweep()
    assert top_ups.one("SELECT state FROM top_ups") == "bridging"
    top_ups.home.finish()
    top_ups.sweep()
    assert top_ups.one("SELECT state FROM top_ups") == "arrived"


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any], str, str | None]] = {
    "reverted": ({"succeeded": False}, {}, "reverted", None),
    "somebody else's wallet": ({"sender": STRANGER}, {}, "refused", "another_sender"),
    "another contract": ({"to": STRANGER}, {}, "refused", "another_contract"),
    "another call": ({"data": "0x095ea7b3"}, {}, "refused", "another_call"),
    "to another chain": ({}, {"home_eid": 30184}, "refused", "nothing_sent"),
    "another token's contract": ({}, {"contract": STRANGER}, "refused", "nothing_sent"),
    "another amount": ({}, {"spent": SENT - 1}, "refused", "another_amount"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_transaction_that_is_not_what_was_agreed_is_told_to_people(case: str, top_ups: TopUpDriver) -> None:
    done, logged, state, fault = WRONG[case]
    admin, top_up, sending = top_ups.sent(**done)
    top_ups.source.logged(sending, logged.pop("spent", SENT), ARRIVING, **logged)
    top_ups.source.finish()
    assert top_ups.sweep() == 204
    seen = top_ups.seen(admin, top_up)
    assert (seen["state"], seen["fault"], seen["guid"]) == (state, fault, None)
    assert top_ups.mails("was not sent as agreed") > 0
    assert cancel(admin, top_up).status == 200


def test_the_transaction_of_somebody_elses_top_up_is_refused(top_ups: TopUpDriver) -> None:
    admin, other = prepared(top_ups.client)
    sending = top_ups.source.send(other["transactions"][-1])
    top_ups.source.logged(sending, SENT, ARRIVING)
    top_ups.source.quoted = 998_000_000  # another quote, so that another minimum is agreed
    _, own = prepared(top_ups.client)
    follow(admin, own["id"], sending.hash)
    top_ups.source.finish()
    top_ups.sweep()
    assert top_ups.seen(admin, own["id"])["fault"] == "another_call"
    assert follow(admin, other["id"], sending.hash).status == 200  # it is free for the one that it is of
    top_ups.sweep()
    assert top_ups.seen(admin, other["id"])["state"] == "bridging"


def test_what_comes_short_is_booked_and_told(top_ups: TopUpDriver) -> None:
    _, _, guid = top_ups.bridging()
    top_ups.deliver(guid, 900 * MICRO)
    assert top_ups.one("SELECT state FROM top_ups") == "arrived"
    assert top_ups.balance("bridge_fees:member") == 100 * MICRO
    assert top_ups.mails("came short") > 0


def test_what_comes_twice_is_told_once_and_counts_once_for_the_top_up(top_ups: TopUpDriver) -> None:
    admin, top_up, guid = top_ups.bridging()
    first = top_ups.deliver(guid)
    top_ups.deliver(guid)
    assert top_ups.sweep() == 204
    seen = top_ups.seen(admin, top_up)
    assert (seen["arrival_hash"], seen["twice_at"] is not None) == (first, True)
    assert top_ups.balance("bridge_fees:member") == SENT - ARRIVING
    booked = "SELECT count(*) FROM ledger_journals JOIN ledger_postings ON journal_id = id WHERE ref LIKE 'in:%' "
    assert top_ups.one(booked + f"AND account = 'treasury:member' AND amount = {ARRIVING}") == 2
    assert top_ups.mails("has come twice") == top_ups.one("SELECT count(*) FROM members WHERE role = 'treasury'")


ELSEWHERE: dict[str, dict[str, Any]] = {
    "to somebody else": {"to": STRANGER},
    "from another chain": {"source_eid": 30184},
    "without its money": {"moved": 1},
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_what_does_not_reach_the_treasury_is_late(case: str, top_ups: TopUpDriver) -> None:
    _, _, guid = top_ups.bridging()
    top_ups.deliver(guid, **ELSEWHERE[case])
    top_ups.advance_clock(rules.ARRIVES_WITHIN.total_seconds() + 1)
    assert [top_ups.sweep() for _ in range(2)] == [204, 204]
    assert top_ups.one("SELECT state FROM top_ups WHERE late_at IS NOT NULL") == "bridging"
    assert top_ups.mails("is late") == top_ups.one("SELECT count(*) FROM members WHERE role = 'treasury'")
    if case != "without its money":
        top_ups.deliver(guid)
        assert top_ups.one("SELECT state FROM top_ups") == "arrived"  # late, and then it comes


def test_a_transaction_that_is_on_no_chain_of_ours_is_late(top_ups: TopUpDriver) -> None:
    admin, body = prepared(top_ups.client)
    follow(admin, body["id"], "0x" + "5c" * 32)
    top_ups.sweep()
    assert top_ups.mails("is late") == 0
    top_ups.advance_clock(rules.FINAL_WITHIN.total_seconds() + 1)
    top_ups.sweep()
    assert top_ups.mails("is late") > 0


@pytest.mark.parametrize("fault", ["silent", "lying"])
def test_a_source_node_that_fails_or_lies_decides_nothing(fault: str, top_ups: TopUpDriver) -> None:
    admin, top_up, sending = top_ups.sent()
    top_ups.source.logged(sending, SENT, ARRIVING)
    top_ups.source.finish()
    setattr(top_ups.source.other, fault, True)
    assert top_ups.sweep() == 204
    assert top_ups.seen(admin, top_up)["state"] == "sent"
    setattr(top_ups.source.other, fault, False)
    top_ups.sweep()
    assert top_ups.seen(admin, top_up)["state"] == "bridging"


@pytest.mark.parametrize("fault", ["silent", "strays"])
def test_a_node_of_ours_that_fails_or_lies_decides_nothing(fault: str, top_ups: TopUpDriver) -> None:
    _, _, guid = top_ups.bridging()
    setattr(top_ups.home.other, fault, True)
    top_ups.deliver(guid)
    assert top_ups.one("SELECT state FROM top_ups") == "bridging"
    setattr(top_ups.home.other, fault, False)
    top_ups.sweep()
    assert top_ups.one("SELECT state FROM top_ups") == "arrived"


def test_a_run_that_dies_before_it_ties_the_transfer_is_made_good(
    top_ups: TopUpDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, guid = top_ups.bridging()

    def dies(*_: object) -> None:
        raise ConnectionError("killed")

    deliver(top_ups.home, guid, top_ups.key(), ARRIVING)
    top_ups.home.finish()
    with monkeypatch.context() as patched:
        patched.setattr(store, "arrive", dies)
        assert top_ups.sweep() >= 500
    assert (top_ups.one("SELECT state FROM top_ups"), top_ups.balance("bridge_fees:member")) == ("bridging", 0)
    assert top_ups.sweep() == 204
    assert top_ups.balance("bridge_fees:member") == SENT - ARRIVING


def test_the_ledger_comes_first(top_ups: TopUpDriver) -> None:
    _, _, guid = top_ups.bridging()
    top_ups.home.finish()
    arrival = top_ups.home.pay_in(top_ups.key(), ARRIVING)
    top_ups.home.finish()
    assert top_ups.sweep() == 204, guid
    index = top_ups.one(f"SELECT log_index FROM chain_transfers WHERE transaction_hash = '{arrival}'")
    with pytest.raises(Exception, match="is not in the ledger"):
        db.atomically(
            lambda tx: tx.run(
                "UPDATE top_ups SET state = 'arrived', arrived_at = :now, received = :micro, arrival_hash = :hash, "
                "arrival_index = :index",
                now=clock.now(),
                micro=ARRIVING,
                hash=arrival,
                index=index,
            )
        )


def test_without_a_source_chain_what_is_under_way_still_arrives(
    top_ups: TopUpDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, guid = top_ups.bridging()
    monkeypatch.setattr(stargate, "connect", lambda: None)
    top_ups.deliver(guid)
    assert top_ups.one("SELECT state FROM top_ups") == "arrived"


def test_with_nothing_under_way_nobody_is_asked(top_ups: TopUpDriver) -> None:
    top_ups.home.questions.clear()
    assert top_ups.sweep() == 204
    assert top_ups.home.questions == []
