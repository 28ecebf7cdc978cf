"""The ledger's seal: a chain of digests over closed journals, and the sums that must hold. Tampering shows.

A seal covers the journals whose transactions had all ended at its horizon and had not at the one before. Nothing can
come to that set any more, so whoever changes, adds or removes a line of it later, with whatever rights, breaks the
seal's digest; whoever recomputes that too breaks the next, and the last one stands in the log.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx
from shared.money import Usdt

JOURNALS_PER_DIGEST = 20_000
SEALS_PER_QUERY = 100
ADVISORY_LOCK = 7_500_125_001  # any constant: two who seal must name the same
GENESIS = hashlib.sha256(b"blakjaks ledger").digest()


@dataclass(frozen=True)
class Seal:
    """`content` is of the journals alone, `digest` of the chain up to here. Horizons are transaction ids."""

    number: int
    horizon: int
    journals: int
    postings: int
    content: bytes
    digest: bytes


@dataclass(frozen=True)
class Broken:
    """A seal that does not fit the journals any more, or its predecessor."""

    number: int
    what: str


@dataclass(frozen=True)
class Difference:
    """An account whose kept balance is not the sum of its postings."""

    account: str
    kept: Usdt
    recomputed: Usdt


@dataclass(frozen=True)
class Unbalanced:
    """A journal that does not sum to zero, or has fewer than two lines."""

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
class _Horizon:
    horizon: int


@dataclass(frozen=True)
class Content:
    """What is in a range of transactions."""

    journals: int
    postings: int
    digest: bytes


def seal(tx: Tx, now: datetime) -> Seal | None:
    """Close what has come since the last seal; None when nothing has. Two at once make one."""
    tx.run("SELECT pg_advisory_xact_lock(:lock)", lock=ADVISORY_LOCK)
    last = newest(tx)
    horizon = tx.one(
        _Horizon, "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint) AS horizon"
    ).horizon
    since = last.horizon if last else 0
    assert horizon >= since, "transaction ids have gone back: this is not the database that was sealed"
    found = content(tx, since, horizon)
    if not found.journals:
        return None
    number = last.number + 1 if last else 1
    made = Seal(number, horizon, found.journals, found.postings, found.digest, b"")
    digest = chained(last.digest if last else GENESIS, made)
    tx.run(
        """
        INSERT INTO ledger_seals (number, horizon, journals, postings, content, digest, sealed_at)
        VALUES (:number, CAST(CAST(:horizon AS text) AS xid8), :journals, :postings, :content, :digest, :now)
        """,
        number=number,
        horizon=str(horizon),
        journals=found.journals,
        postings=found.postings,
        content=found.digest,
        digest=digest,
        now=now,
    )
    return Seal(number, horizon, found.journals, found.postings, found.digest, digest)


def chained(before: bytes, it: Seal) -> bytes:
    """The digest that ties a seal to the one before."""
    numbers = f"{it.number}:{it.horizon}:{it.journals}:{it.postings}:".encode()
    return hashlib.sha256(before + numbers + it.content).digest()


def newest(tx: Tx, position: int = 0) -> Seal | None:
    """The last one, or one so many before it."""
    return tx.first(
        Seal,
        """
        SELECT number, CAST(CAST(horizon AS text) AS bigint) AS horizon, journals, postings, content, digest
        FROM ledger_seals ORDER BY number DESC OFFSET :position LIMIT 1
        """,
        position=position,
    )


def after(tx: Tx, number: int, limit: int) -> list[Seal]:
    """The seals that follow one, in order."""
    return tx.all(
        Seal,
        """
        SELECT number, CAST(CAST(horizon AS text) AS bigint) AS horizon, journals, postings, content, digest
        FROM ledger_seals WHERE number > :number ORDER BY number LIMIT :limit
        """,
        number=number,
        limit=limit,
    )


def content(tx: Tx, since: int, horizon: int) -> Content:
    """The journals of transactions from `since` to before `horizon`, digested in order of their ids."""
    digest, journals, postings, last_id = hashlib.sha256(), 0, 0, 0
    while True:
        chunk = tx.one(
            _Chunk,
            """
            SELECT count(*) AS journals, CAST(coalesce(sum(lines), 0) AS bigint) AS postings, max(id) AS last_id,
                   sha256(string_agg(line, CAST('' AS bytea) ORDER BY id)) AS digest
            FROM (
                SELECT j.id, count(p.journal_id) AS lines,
                       sha256(convert_to(CAST(json_build_array(
                           j.id, j.ref, CAST(extract(epoch FROM j.posted_at) AS text),
                           json_agg(json_build_array(p.account, p.amount) ORDER BY p.account)) AS text),
                           'UTF8')) AS line
                FROM (
                    SELECT id, ref, posted_at FROM ledger_journals
                    WHERE written_by >= CAST(CAST(:since AS text) AS xid8)
                      AND written_by < CAST(CAST(:horizon AS text) AS xid8) AND id > :last_id
                    ORDER BY id LIMIT :limit
                ) j LEFT JOIN ledger_postings p ON p.journal_id = j.id
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


def first_broken(tx: Tx, last: int | None) -> Broken | None:
    """The first seal that does not hold, of the last so many (None: of all)."""
    before = newest(tx, last) if last is not None else None
    while seals := after(tx, before.number if before else 0, SEALS_PER_QUERY):
        for it in seals:
            if what := _fault(tx, before, it):
                return Broken(it.number, what)
            before = it
    return None


def _fault(tx: Tx, before: Seal | None, it: Seal) -> str | None:
    if it.number != (before.number if before else 0) + 1:
        return "the seal before it is gone"
    if chained(before.digest if before else GENESIS, it) != it.digest:
        return "its digest does not follow from the one before"
    found = content(tx, before.horizon if before else 0, it.horizon)
    if (found.journals, found.postings) != (it.journals, it.postings):
        closed = f"it closed {it.journals} journals with {it.postings} lines"
        return f"{closed}, there are {found.journals} with {found.postings}"
    return None if found.digest == it.content else "a journal in it was changed"


def differences(tx: Tx) -> list[Difference]:
    """Every balance recomputed from all postings and compared with what is kept: the accounts that differ."""
    return tx.all(
        Difference,
        """
        SELECT account, coalesce(kept.balance, 0) AS kept, coalesce(sums.balance, 0) AS recomputed
        FROM (SELECT account, CAST(sum(balance) AS bigint) AS balance FROM ledger_balances GROUP BY account) AS kept
        FULL JOIN (SELECT account, CAST(sum(amount) AS bigint) AS balance FROM ledger_postings GROUP BY account) AS sums
             USING (account)
        WHERE coalesce(kept.balance, 0) <> coalesce(sums.balance, 0) ORDER BY account
        """,
    )


def unbalanced(tx: Tx, limit: int) -> list[Unbalanced]:
    """Journals that do not sum to zero."""
    return tx.all(
        Unbalanced,
        """
        SELECT j.id AS journal_id, j.ref, CAST(coalesce(sum(p.amount), 0) AS bigint) AS total
        FROM ledger_journals j LEFT JOIN ledger_postings p ON p.journal_id = j.id
        GROUP BY j.id, j.ref HAVING coalesce(sum(p.amount), 0) <> 0 OR count(p.account) < 2 ORDER BY j.id LIMIT :limit
        """,
        limit=limit,
    )


@dataclass(frozen=True)
class Totals:
    """How much there is."""

    journals: int
    postings: int
    accounts: int


def totals(tx: Tx) -> Totals:
    """Counted one by one."""
    return tx.one(
        Totals,
        """
        SELECT (SELECT count(*) FROM ledger_journals) AS journals, (SELECT count(*) FROM ledger_postings) AS postings,
               (SELECT count(DISTINCT account) FROM ledger_balances) AS accounts
        """,
    )
