"""Transfers that nobody has taken for a deposit are found without a look at all those that came before."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pg8000.dbapi import Connection

from functions.deposit_watch import store
from shared import db

FORMER = 3_000
NEWEST = FORMER + 2
INSERT = """
    INSERT INTO chain_transfers (transaction_hash, log_index, direction, treasury, signer, counterparty, amount,
                                 block_number, seen_at)
    SELECT '0x' || encode(sha256(i::text::bytea), 'hex'), 1, 'in', 'shop', address, {sender}, 7, i, now()
    FROM generate_series({first}, {last}) AS numbers (i), signers WHERE treasury = 'shop' AND status = 'active'
"""
TAKE = """
    INSERT INTO usdt_deposits (id, transaction_hash, log_index, found_at)
    SELECT gen_random_uuid(), transaction_hash, log_index, now() FROM chain_transfers
"""


def insert(sql: Connection, first: int, last: int, sender: str = "'0x' || repeat('c', 40)") -> None:
    sql.execute_simple(INSERT.format(first=first, last=last, sender=sender))


def arrivals() -> list[int]:
    """The blocks of what is found."""
    return [came.block_number for came in db.atomically(store.arrivals, NEWEST, 100)]


def nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes(child)


def read_by(sql: Connection, statement: str) -> int:
    """The most rows that a step of the statement has read."""
    ((made,),) = sql.execute_simple(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}").rows
    plan = (json.loads(made) if isinstance(made, str) else made)[0]["Plan"]
    return max(
        int(each["Actual Loops"] * (each["Actual Rows"] + each.get("Rows Removed by Filter", 0)))
        for each in nodes(plan)
    )


def test_former_deposits_are_not_read_again(sql: Connection) -> None:
    insert(sql, 1, FORMER)
    sql.execute_simple(TAKE)
    insert(sql, FORMER + 1, NEWEST)
    sql.execute_simple("ANALYZE chain_transfers, usdt_deposits, signers")
    assert arrivals() == [FORMER + 1, NEWEST]
    where = f"awaits_deposit AND block_number <= {NEWEST}"
    looked_for = f"SELECT * FROM chain_transfers WHERE {where} ORDER BY block_number, log_index LIMIT 100"
    assert read_by(sql, looked_for) == 2


def test_what_a_key_of_ours_has_sent_is_no_arrival(sql: Connection) -> None:
    insert(sql, 1, 1, "lower(address)")
    insert(sql, 2, 2)
    assert arrivals() == [2]
