"""Queries that add rows up or look at the newest take those that are meant, among rows of others and older ones."""

from collections.abc import Callable, Iterator
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

import functions.wallet.store as wallet
from functions.reconciliation import store as reconciliation
from shared import db
from shared.db import Tx
from shared.payouts import answers, treasuries
from tests.factories import NOW
from tests.fakes.plain_rows import OTHER_SIGNER, SIGNER, at, payout, put, slot, unchecked, without_indexes

T = TypeVar("T")


@pytest.fixture(autouse=True)
def _nothing_is_checked(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    without_indexes(monkeypatch)
    with unchecked(sql):
        yield


def done(work: Callable[[Tx], T]) -> T:
    return db.atomically(work)


def paid(sql: Connection, minute: int, amount: int, **other: object) -> UUID:
    told = {"state": "PAID", "paid_at": at(minute), "transaction_hash": f"0x{uuid4().hex}{uuid4().hex}"}
    return payout(sql, 0, amount=amount, **(told | other))


def final(sql: Connection, nonce: int, block: int, signer: str = SIGNER, state: str = "FINAL_PAY") -> None:
    hash_ = f"0x{block:064x}"
    slot(sql, nonce, state, signer, uuid4(), winning_hash=hash_, block_number=block, block_hash=hash_, succeeded=True)


def signer(sql: Connection, address: str, treasury: str) -> None:
    put(sql, "signers", address=address, treasury=treasury, kms_version=address, status="draining", created_at=NOW)


def test_the_average_is_of_the_payouts_that_were_paid_last(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    assert done(lambda tx: treasuries.average_payout(tx, "member")) is None
    monkeypatch.setattr(treasuries, "AVERAGED_PAYOUTS", 2)
    for minute, amount in ((2, 100), (4, 30), (1, 1_000), (3, 15)):
        paid(sql, minute, amount)
    paid(sql, 9, 7_000, treasury="affiliate")
    payout(sql, 9, amount=9_000)
    average = done(lambda tx: treasuries.average_payout(tx, "member"))
    assert average
    assert average.micro == 22  # rounded down


def test_the_devices_of_a_member_are_those_of_the_newest_sessions(
    sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallet, "SESSIONS_LOOKED_AT", 3)
    somebody = uuid4()
    sessions = [(somebody, 3, "c"), (somebody, 1, "a"), (somebody, 5, "c"), (somebody, 4, "d"), (uuid4(), 9, "x"),
                (somebody, 8, None), (somebody, 2, "b")]  # fmt: skip
    for member_id, minute, device in sessions:
        put(sql, "sessions", id=uuid4(), member_id=member_id, device_kind="mobile", device_id=device,
            created_at=at(minute), last_used_at=NOW, ended_at=NOW, end_reason="signed out")  # fmt: skip
    assert sorted(done(lambda tx: wallet.device_ids(tx, somebody))) == ["c", "d"]


def test_each_treasury_is_told_its_own_open_findings(sql: Connection) -> None:
    resolved = {"resolved_at": NOW, "resolved_by": uuid4(), "resolution": "x"}
    for treasury, end in (("member", {}), ("member", {}), ("member", resolved), ("wholesale", {})):
        put(sql, "reconciliation_findings", id=uuid4(), reconciliation_id=uuid4(), treasury=treasury,
            kind="balance_differs", ref=str(uuid4()), expected=0, found=1, found_at=NOW, **end)  # fmt: skip
    assert {it.name: it.findings_open for it in done(answers.treasuries)} == {
        "affiliate": 0, "member": 2, "shop": 0, "wholesale": 1,
    }  # fmt: skip


def test_a_payout_above_the_block_is_seen_on_any_key(sql: Connection) -> None:
    """By the key's newest payment; what else a key did later does not count."""
    for address, treasury in ((SIGNER, "member"), (OTHER_SIGNER, "affiliate")):
        signer(sql, address, treasury)
    final(sql, 1, 80)
    final(sql, 2, 60)  # the nonces tell the order, whatever the blocks
    final(sql, 3, 90, state="FINAL_NOOP")
    final(sql, 1, 40, OTHER_SIGNER)
    final(sql, 5, 50, OTHER_SIGNER)
    final(sql, 9, 99, "0x" + "7" * 40)  # of a key that is not known
    found = {block: done(lambda tx: reconciliation.paid_above(tx, block)) for block in (45, 59, 60)}  # noqa: B023 - done at once
    assert found == {45: True, 59: True, 60: False}
