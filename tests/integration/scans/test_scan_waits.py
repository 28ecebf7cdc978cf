"""A scan that holds the global count waits for nobody: scans wait for keys, codes, totals and the count only."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from pg8000.dbapi import Connection

from shared import auth, db
from shared.messages import notifications
from shared.messages.notifications import Note
from shared.values.tiers import Tier
from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.factories import Somebody
from tests.fakes.locks import held, until_waiting
from tests.platform import Platform

Client = Callable[..., FunctionClient]
# What scans are ordered by. A member's quarter is changed only by who has the totals.
WAITED_FOR = {"codes", "member_totals", "member_quarters", "scan_counter", "idempotency_keys"}
WALLET = "0x52908400098527886E0F7030069857D2E4169EE7"
UNREAD = 1_000
TABLES = """
    SELECT quote_ident(relname) FROM pg_class
    WHERE relkind IN ('r', 'p') AND NOT relispartition AND relnamespace = 'public'::regnamespace ORDER BY 1
"""


@pytest.fixture
def family(sql: Connection) -> tuple[Somebody, Somebody]:
    """An affiliate and a member they referred, six scans in: the next one makes them VIP. Both have a wallet."""
    affiliate = factories.member(wallet="0x" + "5" * 40)
    member = factories.member(wallet=WALLET, referred_by=affiliate)
    factories.quarter(member, Tier.STANDARD, 6, _quarter(sql))
    return affiliate, member


def prepare(sql: Connection, member: Somebody, number: int) -> str:
    """The next scan takes the number and raises the tier; its code."""
    sql.execute_unnamed("UPDATE member_quarters SET scans = 6, tier = 'standard' WHERE member_id = $1", (member.id,))
    sql.execute_simple("UPDATE member_totals SET recent_scans = '{}'")
    (code,) = factories.manufactured_codes(1)
    factories.set_scan_counter(number - 1)
    return code


def win(client: Client, member: Somebody, code: str) -> None:
    """A scan that touches all that a scan may touch. One that waits is answered 500, as nobody lets go meanwhile."""
    answer = client(member.token).post("/v1/scans/submit", {"code": code})
    assert answer.status == 201, answer.body
    assert answer.body["usdt_earned"] == 100


def test_a_member_who_scans_too_often_is_told_when_the_oldest_of_those_scans_is_an_hour_old(
    client: Client, sql: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(auth, "CLOCK_SKEW_SECONDS", 3 * 3600)  # the access token outlives the hour
    sql.execute_simple("UPDATE settings SET value = '2' WHERE name = 'scans_per_hour_max'")
    mine, codes = client(factories.member().token), factories.manufactured_codes(5)

    def scan(code: str, minutes: float) -> Answer:
        with moved_clock(tmp_path, timedelta(minutes=minutes)):
            return mine.post("/v1/scans/submit", {"code": code})

    assert [scan(code, minutes).status for code, minutes in zip(codes, (0, 10), strict=False)] == [201, 201]
    told = scan(codes[2], 20)
    assert (told.status, told.problem) == (429, "too-many-scans")
    assert 39 * 60 < int(told.headers["Retry-After"]) <= 40 * 60 + 1
    assert scan(codes[2], 59.5).problem == "too-many-scans"
    assert scan(codes[2], 60.5).status == 201
    assert 9 * 60 < int(scan(codes[3], 60.5).headers["Retry-After"]) < 10 * 60


def test_a_winning_scan_waits_for_no_row_of_any_other_table(
    client: Client, sql: Connection, family: tuple[Somebody, Somebody], platform: Platform
) -> None:
    affiliate, member = family
    win(client, member, prepare(sql, member, 500))  # every row that the next ones touch is there
    tables = [name for (name,) in sql.execute_simple(TABLES).rows if name not in WAITED_FOR]
    assert {"members", "inboxes", "chip_balances", "ledger_balances", "treasuries", "award_inputs"} <= set(tables)

    for turn, table in enumerate(tables, 2):
        code = prepare(sql, member, 500 * turn)
        with held(platform, f"SELECT FROM {table} FOR NO KEY UPDATE"):  # what an UPDATE of every row would hold
            win(client, member, code)

    wins = len(tables) + 1
    counts = "SELECT unread FROM inbox_counts WHERE member_id = $1"
    made = "SELECT count(*) FROM notifications WHERE member_id = $1"
    for somebody in family:
        assert sql.execute_unnamed(counts, (somebody.id,)).rows == sql.execute_unnamed(made, (somebody.id,)).rows
    assert sql.execute_simple("SELECT affiliate_id, earned FROM chip_counts").rows == [[affiliate.id, wins]]
    assert client(affiliate.token).get("/v1/users/me/stats").body["gold_chips"] == wins
    owed = "SELECT sum(balance)::bigint FROM ledger_balances WHERE account = 'owed:member'"
    assert sql.execute_simple(owed).rows == [[wins * 100_000_000]]
    assert sql.execute_simple("SELECT count(*) FROM payouts").rows == [[wins]]


def test_what_came_late_is_added_by_the_next_one_who_has_the_row(
    client: Client, sql: Connection, family: tuple[Somebody, Somebody], platform: Platform
) -> None:
    _, member = family
    win(client, member, prepare(sql, member, 500))
    code = prepare(sql, member, 1_000)
    with held(platform, "SELECT FROM inboxes FOR UPDATE"), held(platform, "SELECT FROM chip_balances FOR UPDATE"):
        win(client, member, code)
    late = "SELECT kind, sum(change)::integer FROM late_counts GROUP BY kind ORDER BY kind"
    assert sql.execute_simple(late).rows == [["chips", 1], ["unread", 2]]
    revisions = "SELECT sum(revision)::integer FROM inbox_counts"
    before = sql.execute_simple(revisions).rows[0][0]

    win(client, member, prepare(sql, member, 1_500))

    assert sql.execute_simple(late).rows == []
    assert sql.execute_simple("SELECT earned FROM chip_balances").rows == [[3]]
    unread = "SELECT sum(unread)::integer, (SELECT count(*)::integer FROM notifications) FROM inboxes"
    ((counted, made),) = sql.execute_simple(unread).rows
    assert counted == made
    assert sql.execute_simple(revisions).rows[0][0] == before + 2  # two more notifications: a tier is told once


def test_reading_everything_holds_up_nobody(client: Client, sql: Connection, platform: Platform) -> None:
    affiliate, stranger = factories.member(), factories.member()
    winner = factories.member(permanent_tier=Tier.VIP, referred_by=affiliate)
    first, second = factories.manufactured_codes(2)
    sql.execute_simple("SET session_replication_role = replica")
    sql.execute_simple(f"""
        INSERT INTO notifications (id, member_id, type, title, body, dedupe_key, created_at)
        SELECT gen_random_uuid(), '{affiliate.id}', 'comp', 't', 'b', i::text, now() - i * interval '1 second'
        FROM generate_series(1, {UNREAD}) i;
        UPDATE inboxes SET unread = {UNREAD} WHERE member_id = '{affiliate.id}'""")
    sql.execute_simple("SET session_replication_role = origin")
    factories.set_scan_counter(499)
    query = "SELECT FROM notifications WHERE dedupe_key = '1' FOR UPDATE"
    with ThreadPoolExecutor(1) as threads:
        with held(platform, query):  # it cannot end before the scans have
            reading = threads.submit(lambda: client(affiliate.token).post("/v1/notifications/read-all", None).body)
            until_waiting(sql, 1)
            for somebody, code in ((winner, first), (stranger, second)):
                assert client(somebody.token).post("/v1/scans/submit", {"code": code}).status == 201
        assert reading.result() == {"unread_count": 1}  # the match, which came meanwhile
    assert client(affiliate.token).get("/v1/notifications/unread-count").body == {"unread_count": 1}


def test_counts_stay_exact_while_all_write_at_once(client: Client, sql: Connection) -> None:
    somebody = factories.member()
    me = client(somebody.token)
    stop = threading.Event()

    def tell(worker: int) -> None:
        for number in range(40):
            note = Note(somebody.id, "system", "t", "b", {}, f"{worker}:{number}")
            db.atomically(partial(notifications.notify, note=note, now=factories.NOW))

    def read() -> None:
        while not stop.is_set():
            assert me.post("/v1/notifications/read-all", None).status == 200

    with ThreadPoolExecutor(5) as threads:
        reading = threads.submit(read)
        for telling in [threads.submit(tell, worker) for worker in range(4)]:
            telling.result()
        stop.set()
        reading.result()

    unread = sql.execute_simple("SELECT count(*)::integer FROM notifications WHERE read_at IS NULL").rows[0][0]
    assert me.get("/v1/notifications/unread-count").body == {"unread_count": unread}
    assert me.post("/v1/notifications/read-all", None).body == {"unread_count": 0}


def _quarter(sql: Connection) -> str:
    return str(sql.execute_simple("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-\"Q\"Q')").rows[0][0])
