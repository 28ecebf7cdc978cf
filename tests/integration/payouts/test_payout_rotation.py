"""A treasury's next key waits until the older one has finished what it began and handed its money over."""

import io
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared.job import ComeAgain
from shared.ports import kms
from tests.fakes.key_rotation import new_key_version, pass_minutes, rotate
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, RECIPIENT, PayoutRows, rule_of
from tests.platform import Platform

pytest_plugins = ["tests.fakes.payout_plugin"]


@pytest.fixture
def next_key(platform: Platform) -> tuple[str, str]:
    """The signer's address and its key's version."""
    version = new_key_version(platform, f"next-{uuid4()}")
    return kms.ethereum_address(version), version


def test_the_older_key_drains_hands_over_and_retires_and_the_next_one_pays(
    payout_driver: PayoutDriver, rows: PayoutRows, sql: Connection, next_key: tuple[str, str]
) -> None:
    old = rows.signer()
    out, waiting = payout_driver.request(), payout_driver.request()
    payout_driver.send(out)
    rotate(next_key)
    pass_minutes(payout_driver, out, waiting)

    assert (payout_driver.state(out), payout_driver.state(waiting)) == ("PAID", "PAID")
    moved = [(it.sender, it.recipient, it.amount_micro) for it in payout_driver.chain.transfers()]
    old, new = old.lower(), next_key[0].lower()
    assert moved == [
        (old, RECIPIENT.lower(), AMOUNT),
        (old, new, 99 * AMOUNT),
        (new, RECIPIENT.lower(), AMOUNT),
    ]
    assert sql.execute_simple("SELECT status FROM signers WHERE treasury = 'member' ORDER BY 1").rows == [
        ["active"],
        ["retired"],
    ]
    assert sql.execute_simple("SELECT sum(amount)::bigint FROM treasury_days").rows == [[2 * AMOUNT]]
    paid = "SELECT sum(balance)::bigint FROM ledger_balances WHERE account = 'paid:member'"
    assert sql.execute_simple(paid).rows == [[2 * AMOUNT]]  # what went to the next key has left nobody


def test_a_key_that_begins_to_drain_under_a_worker_takes_nothing_new_and_wakes_nobody(
    payout_driver: PayoutDriver, next_key: tuple[str, str], monkeypatch: pytest.MonkeyPatch, logged: io.StringIO
) -> None:
    waiting, asked = payout_driver.request(), payout_driver.chain.gas_balance

    def meanwhile(address: str) -> int:
        rotate(next_key)
        return asked(address)

    monkeypatch.setattr(payout_driver.chain, "gas_balance", meanwhile)
    with pytest.raises(ComeAgain, match="makes way"):
        payout_driver.send(waiting)
    assert payout_driver.state(waiting) == "RESERVED"
    assert '"ERROR"' not in logged.getvalue()

    pass_minutes(payout_driver, waiting)
    assert payout_driver.state(waiting) == "PAID"
    assert payout_driver.chain.transfers()[-1].sender == next_key[0].lower()


def test_until_it_has_drained_the_schema_gives_the_next_key_no_nonce(
    payout_driver: PayoutDriver, rows: PayoutRows, next_key: tuple[str, str]
) -> None:
    out = payout_driver.request()
    payout_driver.send(out)
    rotate(next_key)

    assert rule_of(lambda: rows.payout("IN_FLIGHT") and None) == "R6_draining"


def test_asking_twice_is_asking_once(payout_driver: PayoutDriver, sql: Connection, next_key: tuple[str, str]) -> None:
    assert payout_driver.chain
    rotate(next_key)
    rotate(next_key)

    assert sql.execute_simple("SELECT count(*) FROM signers WHERE treasury = 'member'").rows == [[2]]


def test_only_the_next_key_gets_the_money(
    payout_driver: PayoutDriver, rows: PayoutRows, next_key: tuple[str, str]
) -> None:
    assert payout_driver.chain
    assert rule_of(lambda: rows.payout(source_kind="rotation") and None) == "rotation"
    rotate(next_key)

    assert rule_of(lambda: rows.payout(source_kind="rotation") and None) == "rotation"
