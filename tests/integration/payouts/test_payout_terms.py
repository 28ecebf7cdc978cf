"""Impossible terms are refused before a row exists, each for its own reason."""

from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock, db
from shared.payouts import machine
from shared.payouts.machine import Promise
from shared.payouts.terms import NothingToPay, PaysATreasury, PaysNobody, PaysTheToken
from shared.values.money import NotAnAmount, Usdt
from tests.fakes.payout_rows import RECIPIENT, PayoutRows

pytest_plugins = ["tests.fakes.payout_plugin"]


def promise(recipient: str, amount: Usdt) -> None:
    source = str(uuid4())
    made = Promise("member", "test", source, recipient, amount, None, "test", source)
    db.atomically(lambda tx: machine.request(tx, made, clock.now()))


@pytest.mark.parametrize("micro", [0, -1, -5_000_000])
def test_nothing_and_less_than_nothing_are_no_payouts(sql: Connection, micro: int) -> None:
    with pytest.raises(NothingToPay):
        promise(RECIPIENT, Usdt(micro))

    assert_no_row(sql)


@pytest.mark.parametrize("amount", ["0.0000001", "1.0000001", "9223372036854.775808", "1e30", "NaN"])
def test_what_is_no_amount_of_usdt_cannot_even_be_asked_for(sql: Connection, amount: str) -> None:
    with pytest.raises(NotAnAmount):
        promise(RECIPIENT, Usdt.of(amount))

    assert_no_row(sql)


def test_nobody_is_no_recipient(sql: Connection) -> None:
    with pytest.raises(PaysNobody):
        promise("0x" + "0" * 40, Usdt(1))

    assert_no_row(sql)


def test_the_token_is_no_recipient_however_it_is_spelled(rows: PayoutRows, sql: Connection) -> None:
    token: str = rows.login.value("SELECT token_address FROM treasuries WHERE name = 'member'")
    for spelled in (token, token.lower()):
        with pytest.raises(PaysTheToken):
            promise(spelled, Usdt(1))

    assert_no_row(sql)


@pytest.mark.parametrize("treasury", ["member", "affiliate", "wholesale"])
def test_no_treasury_pays_a_treasury(rows: PayoutRows, sql: Connection, treasury: str) -> None:
    with pytest.raises(PaysATreasury):
        promise(rows.signer(treasury), Usdt(1))

    assert_no_row(sql)


def test_the_smallest_and_the_largest_amount_are_taken(sql: Connection) -> None:
    promise(RECIPIENT, Usdt(1))
    promise(RECIPIENT, Usdt(2**63 - 1))

    assert sql.execute_simple("SELECT amount FROM payouts ORDER BY amount").rows == [[1], [2**63 - 1]]


def assert_no_row(sql: Connection) -> None:
    assert sql.execute_simple("SELECT (SELECT count(*) FROM payouts) + (SELECT count(*) FROM outbox)").rows == [[0]]
