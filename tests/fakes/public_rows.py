"""Rows that the web site shows: numbers that won and did not, lines of the feed, balances, a comparison."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from functions.feed_project import main as feed_project
from functions.figure_rollup import counts_store, main, quick_store, steady_store, totals_store
from shared import clock, db
from tests.factories import Somebody
from tests.fakes.list_rows import insert
from tests.fakes.plain_rows import put, unchecked

COUNT = 7_492
HASH = "0x" + "ab" * 32
TREASURIES = ("member", "affiliate", "wholesale")


def milestone(
    sql: Connection, number: int, *, won: bool, kind: str = "crypto_100", status: str = "paid"
) -> UUID | None:
    """A decision about a number; with the comp that it won."""
    at, comp = datetime.now(UTC) - timedelta(seconds=COUNT - number), uuid4() if won else None
    code, params = ("won", {}) if won else ("prize_locked", {"needed": 50_000})
    with unchecked(sql):
        if comp:
            paid = {"paid_at": at, "transaction_hash": HASH} if status == "paid" else {}
            cancelled = {"cancelled_at": at, "cancel_reason": "fraud"} if status == "cancelled" else {}
            put(
                sql, "comps", id=comp, member_id=uuid4(), type=kind, amount=100_000_000, source_kind="milestone",
                source_id=f"{number}-{kind}", scan_number=number, reason={}, awarded_at=at, status=status,
                **paid, **cancelled,
            )  # fmt: skip
        put(
            sql, "milestones", scan_number=number, type=kind, member_id=uuid4(), tier="vip", tins_per_month=12_000,
            awarded=won, reason="won" if won else "locked until 50,000 tins per month", code=code, params=params,
            comp_id=comp, reached_at=at,
        )  # fmt: skip
    return comp


def decision(owner: Somebody, at: datetime, number: int) -> str:
    """A decision about a number of the count; the numbers decide on the order."""
    at_number = 5_000 + 500 * number
    insert("milestones", scan_number=at_number, type="crypto_100", member_id=owner.id, tier="vip", tins_per_month=0,
           awarded=False, reason="needs VIP", code="tier_needed", params={"tier": "vip"}, reached_at=at)  # fmt: skip
    return f"{at_number}-crypto_100"


def feed_line(sql: Connection, code: str, kind: str = "comp_paid", **params: object) -> None:
    """A line of the feed."""
    put(sql, "feed_items", kind=kind, text=f"English: {code}", code=code, params=params, amount=None,
        dedupe_key=str(uuid4()), happened_at=datetime.now(UTC) - timedelta(minutes=3))  # fmt: skip


def balances(sql: Connection) -> None:
    """A balance of each treasury, read at the beginning of this hour."""
    at = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for number, treasury in enumerate(TREASURIES):
        put(sql, "treasury_snapshots", at=at, treasury=treasury, onchain_balance=1_234_567_500_000 + number,
            block_number=68_123_456)  # fmt: skip


def work_out() -> None:
    """Run the jobs that the web site's two documents come from, each once."""
    with db.acting_for("figure_rollup"):
        main.count_recent(datetime.now(UTC))
        main.work(totals_store.figures)
        main.work(counts_store.figures)
        main.work(quick_store.figures)
        main.work(steady_store.figures)
        main.publish_to_all(main.Shown())
    with db.acting_for("feed_project"):
        feed_project.tick_counter(clock.now())
