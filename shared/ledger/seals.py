"""Seals the ledger with a chain of digests over closed journals, so that tampering shows; checks that sums hold.

A seal covers the journals whose transactions had all ended at its horizon and had not at the horizon before. That set
can no longer grow. Whoever changes, adds or removes a line of it later, with whatever rights, breaks the seal's digest;
whoever recomputes that digest too breaks the next one, and the last digest stands in the log.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.db import Tx
from shared.values.money import Usdt

JOURNALS_PER_DIGEST = 20_000
SEALS_PER_QUERY = 100
ADVISORY_LOCK = 7_500_125_001  # any constant: all processes that seal must use the same one
GENESIS = hashlib.sha256(b"blakjaks ledger").digest()


@dataclass(frozen=True)
class Seal:
    """One seal. Horizons are transaction ids.

    `content` is the digest of the seal's journals, `balances` the digest of every account's balance at the horizon
    (None in old seals, which did not keep it), `digest` the digest of the chain up to here.
    """

    number: int
    horizon: int
    journals: int
    postings: int
    content: bytes
    balances: bytes | None
    digest: bytes


@dataclass(frozen=True)
class Broken:
    """A seal that no longer fits its journals or the seal before it; `what` says why."""

    number: int
    what: str


@dataclass(frozen=True)
class Difference:
    """An account whose stored balance is not the sum of its postings."""

    account: str
    kept: Usdt
    recomputed: Usdt


@dataclass(frozen=True)
class Unbalanced:
    """A journal whose lines do not sum to zero, or that has fewer than two lines."""

    journal_id: int
    ref: str
    total: Usdt


@dataclass(frozen=True)
class _Chunk:
    journals: int
    postings: int
    last_id: int | None
    digest: bytes | None


@dataclass(frozen=True)
class Content:
    """The number of journals and postings in a range of transaction ids, and their digest."""

    journals: int
    postings: int
    digest: bytes


def seal(tx: Tx, now: datetime) -> Seal | None:
    """Seal the journals closed since the last seal; None if there are none. Of two calls at once, one seals."""
    tx.run("SELECT pg_advisory_xact_lock(:lock)", lock=ADVISORY_LOCK)
    last = newest(tx)
    horizon = tx.scalar(int, "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS horizon")
    since = last.horizon if last else 0
    assert horizon >= since, "transaction ids have gone back: this is not the database that was sealed"
    found = content(tx, since, horizon)
    if not found.journals:
        return None
    number = last.number + 1 if last else 1
    balances = balances_at(tx, last, horizon)
    made = Seal(number, horizon, found.journals, found.postings, found.digest, balances=digest_of(balances), digest=b"")
    made = replace(made, digest=chained(last.digest if last else GENESIS, made))
    _insert(tx, made, now)
    _keep_balances(tx, number, balances)
    return made


def _insert(tx: Tx, made: Seal, now: datetime) -> None:
    tx.run(
        """
        INSERT INTO ledger_seals (number, horizon, journals, postings, content, balances, digest, sealed_at)
        VALUES (:number, CAST(CAST(:horizon AS text) AS xid8), :journals, :postings, :content, :balances, :digest, :now)
        """,
        **vars(made) | {"horizon": str(made.horizon)},
        now=now,
    )


def chained(before: bytes, it: Seal) -> bytes:
    """The digest that ties a seal to the digest of the one before."""
    numbers = f"{it.number}:{it.horizon}:{it.journals}:{it.postings}:".encode()
    return hashlib.sha256(before + numbers + it.content + (it.balances or b"")).digest()


def newest(tx: Tx) -> Seal | None:
    """The newest seal; None if there is none."""
    return tx.first(
        Seal,
        """
        SELECT number, CAST(CAST(horizon AS text) AS bigint) AS horizon, journals, postings, content, balances, digest
        FROM ledger_seals ORDER BY number DESC LIMIT 1
        """,
    )


def after(tx: Tx, number: int, limit: int) -> list[Seal]:
    """At most `limit` seals that follow a number, in order."""
    return tx.all(
        Seal,
        """
        SELECT number, CAST(CAST(horizon AS text) AS bigint) AS horizon, journals, postings, content, balances,
               digest
        FROM ledger_seals WHERE number > :number ORDER BY number LIMIT :limit
        """,
        number=number,
        limit=limit,
    )


def content(tx: Tx, since: int, horizon: int) -> Content:
    """The journals of transactions from `since` to before `horizon`, digested in the order of their ids."""
    digest, journals, postings, last_id = hashlib.sha256(), 0, 0, 0
    while True:
        chunk = tx.one(
            _Chunk,
            """
            WITH closed AS MATERIALIZED (  -- else the ids before the range may be read too
                SELECT id, ref, posted_at FROM ledger_journals
                WHERE written_by >= CAST(CAST(:since AS text) AS xid8)
                  AND written_by < CAST(CAST(:horizon AS text) AS xid8) AND id > :last_id
            )
            SELECT count(*) AS journals, CAST(coalesce(sum(lines), 0) AS bigint) AS postings, max(id) AS last_id,
                   sha256(string_agg(line, CAST('' AS bytea) ORDER BY id)) AS digest
            FROM (
                SELECT j.id, count(p.journal_id) AS lines,
                       sha256(convert_to(CAST(json_build_array(
                           j.id, j.ref, CAST(extract(epoch FROM j.posted_at) AS text),
                           json_agg(json_build_array(p.account, p.amount) ORDER BY p.account)) AS text),
                           'UTF8')) AS line
                FROM (SELECT id, ref, posted_at FROM closed ORDER BY id LIMIT :limit) AS j
                LEFT JOIN ledger_postings p ON p.journal_id = j.id
                GROUP BY j.id, j.ref, j.posted_at
            ) AS lines
            """,
            since=str(since),
            horizon=str(horizon),
            last_id=last_id,
            limit=JOURNALS_PER_DIGEST,
        )
        journals += chunk.journals
        postings += chunk.postings
        digest.update(chunk.digest or b"")
        if chunk.journals < JOURNALS_PER_DIGEST:
            return Content(journals, postings, digest.digest())
        last_id = chunk.last_id or 0


def first_broken(tx: Tx, after_number: int, limit: int | None = None) -> Broken | None:
    """The first broken seal after a number, among the next `limit` (None: among all that follow); None if all hold."""
    before = _numbered(tx, after_number)
    if after_number and before is None:
        return Broken(after_number, "it is gone")
    left = limit
    while seals := after(tx, before.number if before else 0, min(SEALS_PER_QUERY, left or SEALS_PER_QUERY)):
        for it in seals:
            if what := _fault(tx, before, it):
                return Broken(it.number, what)
            before = it
        left = left - len(seals) if left is not None else None
        if left == 0:
            break
    return None


def _numbered(tx: Tx, number: int) -> Seal | None:
    found = after(tx, number - 1, 1)
    return found[0] if found and found[0].number == number else None


def _fault(tx: Tx, before: Seal | None, it: Seal) -> str | None:
    if it.number != (before.number if before else 0) + 1:
        return "the seal before it is gone"
    if chained(before.digest if before else GENESIS, it) != it.digest:
        return "its digest does not follow from the one before"
    found = content(tx, before.horizon if before else 0, it.horizon)
    if (found.journals, found.postings) != (it.journals, it.postings):
        closed = f"it closed {it.journals} journals with {it.postings} lines"
        return f"{closed}, there are {found.journals} with {found.postings}"
    if found.digest != it.content:
        return "a journal in it was changed"
    if it.balances is None:
        return None
    kept = digest_of(kept_balances(tx, it.number))
    return (
        None if kept == it.balances == digest_of(balances_at(tx, before, it.horizon)) else "its balances were changed"
    )


def differences(tx: Tx, since: Seal | None = None) -> list[Difference]:
    """The accounts whose stored balance is not the sum of their postings.

    With a seal that keeps balances, only the postings since that seal are summed and added to its balances, so that the
    time it takes depends only on what was posted since.
    """
    kept_since = since if since and since.balances else None
    return tx.all(
        Difference,
        """
        WITH kept AS (
            SELECT account, CAST(sum(balance) AS bigint) AS balance FROM ledger_balances GROUP BY account
        ), moved AS (
            SELECT p.account, p.amount FROM ledger_journals j JOIN ledger_postings p ON p.journal_id = j.id
            WHERE j.written_by >= CAST(CAST(:horizon AS text) AS xid8)
            UNION ALL SELECT account, balance FROM ledger_seal_balances WHERE number = :number
        ), sums AS (
            SELECT account, CAST(sum(amount) AS bigint) AS balance FROM moved GROUP BY account
        )
        SELECT account, coalesce(kept.balance, 0) AS kept, coalesce(sums.balance, 0) AS recomputed
        FROM kept FULL JOIN sums USING (account)
        WHERE coalesce(kept.balance, 0) <> coalesce(sums.balance, 0) ORDER BY account
        """,
        horizon=str(kept_since.horizon if kept_since else 0),
        number=kept_since.number if kept_since else 0,
    )


def unbalanced(tx: Tx, limit: int, since: Seal | None = None) -> list[Unbalanced]:
    """Journals that do not sum to zero; with a seal, only those that it has not closed."""
    return tx.all(
        Unbalanced,
        """
        WITH open AS MATERIALIZED (  -- else the ids before the range may be read too
            SELECT id, ref FROM ledger_journals WHERE written_by >= CAST(CAST(:horizon AS text) AS xid8)
        )
        SELECT j.id AS journal_id, j.ref, CAST(coalesce(sum(p.amount), 0) AS bigint) AS total
        FROM open j LEFT JOIN ledger_postings p ON p.journal_id = j.id
        GROUP BY j.id, j.ref HAVING coalesce(sum(p.amount), 0) <> 0 OR count(p.account) < 2 ORDER BY j.id LIMIT :limit
        """,
        horizon=str(since.horizon if since else 0),
        limit=limit,
    )


@dataclass(frozen=True)
class AccountBalance:
    """An account and its balance at some horizon."""

    account: str
    balance: Usdt


def balances_at(tx: Tx, last: Seal | None, horizon: int) -> list[AccountBalance]:
    """The balance of every account before a horizon: the balances that `last` keeps, plus the postings since."""
    kept = last if last and last.balances else None
    return tx.all(
        AccountBalance,
        """
        SELECT account, CAST(sum(amount) AS bigint) AS balance FROM (
            SELECT p.account, p.amount FROM ledger_journals j JOIN ledger_postings p ON p.journal_id = j.id
            WHERE j.written_by >= CAST(CAST(:since AS text) AS xid8)
              AND j.written_by < CAST(CAST(:horizon AS text) AS xid8)
            UNION ALL SELECT account, balance FROM ledger_seal_balances WHERE number = :number
        ) AS moved
        GROUP BY account ORDER BY account
        """,
        since=str(kept.horizon if kept else 0),
        horizon=str(horizon),
        number=kept.number if kept else 0,
    )


def kept_balances(tx: Tx, number: int) -> list[AccountBalance]:
    """The balances that were stored with a seal."""
    return tx.all(
        AccountBalance,
        "SELECT account, balance FROM ledger_seal_balances WHERE number = :number ORDER BY account",
        number=number,
    )


def digest_of(balances: Sequence[AccountBalance]) -> bytes:
    """SHA-256 of the accounts and their micro-USDT, in the order of their names."""
    return hashlib.sha256(json.dumps([[it.account, it.balance.micro] for it in balances]).encode()).digest()


def _keep_balances(tx: Tx, number: int, balances: Sequence[AccountBalance]) -> None:
    tx.run(
        """
        INSERT INTO ledger_seal_balances (number, account, balance)
        SELECT :number, account, balance
        FROM unnest(CAST(:accounts AS text[]), CAST(:balances AS bigint[])) AS given (account, balance)
        """,
        number=number,
        accounts=[it.account for it in balances],
        balances=[it.balance.micro for it in balances],
    )


@dataclass(frozen=True)
class Totals:
    """The number of journals, postings and accounts."""

    journals: int
    postings: int
    accounts: int


def totals(tx: Tx) -> Totals:
    """The ledger's size, counted row by row."""
    return tx.one(
        Totals,
        """
        SELECT (SELECT count(*) FROM ledger_journals) AS journals, (SELECT count(*) FROM ledger_postings) AS postings,
               (SELECT count(DISTINCT account) FROM ledger_balances) AS accounts
        """,
    )
