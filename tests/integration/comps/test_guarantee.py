"""New members get ten comps of $5 in their first year: the first with the verified address, then one a month."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.guarantee_grant import main
from shared import db
from shared.ledger import journals
from shared.values import months
from shared.values.money import Usdt
from tests import factories
from tests.client import FunctionClient
from tests.clock import moved_clock
from tests.fakes.crashes import killed_after
from tests.fakes.invoker import FunctionInvoker
from tests.operations.scene import Scene
from tests.platform import Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

AMOUNT = Usdt.of(5)
ENDED_UP_IN = ("guarantees", "comps", "member_totals", "ledger_balances", "notifications", "inboxes")


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def newcomers(sql: Connection, verified_on: date, count: int = 1) -> list[UUID]:
    """Members who have verified their addresses that day, and were given nothing yet."""
    made = [factories.member().id for _ in range(count)]
    sql.execute_unnamed(
        "INSERT INTO guarantees (member_id, verified_on, next_on) SELECT unnest(CAST($1 AS uuid[])), $2, $2",
        (made, verified_on),
    )
    return made


def numbers(sql: Connection, member: UUID) -> list[int]:
    """The member's comps of the guarantee, in the order in which they came."""
    found = sql.execute_unnamed(
        "SELECT CAST(reason ->> 'number' AS integer) FROM comps WHERE member_id = $1 AND source_kind = 'guarantee' "
        "AND type = 'new_member_guarantee' AND amount = 5000000 "
        "ORDER BY awarded_at, CAST(reason ->> 'number' AS integer)",
        (member,),
    )
    return [number for (number,) in found.rows]


def outcome(sql: Connection) -> list[list[object]]:
    """The comps of each member, their sum, and the ledger's lines of them; no ids or times."""
    rows: list[list[object]] = sql.execute_simple(
        """
        SELECT g.member_id::text, g.given, g.next_on, t.lifetime_comps,
               array_agg(c.source_id ORDER BY c.source_id), i.unread
        FROM guarantees g JOIN member_totals t USING (member_id) JOIN inboxes i USING (member_id)
        LEFT JOIN comps c USING (member_id)
        GROUP BY g.member_id, g.given, g.next_on, t.lifetime_comps, i.unread ORDER BY 1
        """
    ).rows
    ((owed,),) = sql.execute_simple(
        "SELECT coalesce(sum(amount), 0) FROM ledger_postings WHERE account = 'owed:member'"
    ).rows
    return [*rows, [int(owed)]]


def test_a_verified_address_brings_the_first_comp_at_once(client: Client, sql: Connection) -> None:
    scene = Scene(client, sql)
    email = scene.signed_up()
    ((member,),) = sql.execute_unnamed("SELECT id FROM members WHERE email = $1", (email,)).rows
    assert numbers(sql, member) == []

    assert client().post("/v1/auth/verify-email", {"email": email, "code": scene.mailed_code(email)}).status == 200

    assert numbers(sql, member) == [1]
    today = datetime.now(UTC).date()
    assert sql.execute_simple("SELECT verified_on, given, next_on FROM guarantees").rows == [
        [today, 1, months.after(today, 1)]
    ]
    assert sql.execute_simple("SELECT title, body FROM notifications").rows == [
        ["You won $5!", "It is paid to your wallet as soon as one is linked."]
    ]
    assert sql.execute_simple("SELECT lifetime_comps FROM member_totals").rows == [[AMOUNT.micro]]
    assert db.atomically(lambda tx: journals.balance(tx, "owed:member")) == AMOUNT


def test_an_address_that_is_verified_again_brings_nothing_more(client: Client, sql: Connection) -> None:
    scene = Scene(client, sql)
    email = scene.signed_up()
    proof = {"email": email, "code": scene.mailed_code(email)}
    client().post("/v1/auth/verify-email", proof)
    sql.execute_simple("UPDATE email_codes SET used_at = NULL")
    sql.execute_simple("UPDATE members SET email_verified_at = NULL")
    aside = ("email_codes", "members", "attempt_counters")  # each try is counted
    before = rows_of_all_tables(sql, without=aside)

    assert client().post("/v1/auth/verify-email", proof).status == 200

    assert rows_of_all_tables(sql, without=aside) == before


def test_a_wrong_code_brings_nothing(client: Client, sql: Connection) -> None:
    scene = Scene(client, sql)
    email = scene.signed_up()
    wrong = f"{(int(scene.mailed_code(email)) + 1) % 1_000_000:06d}"

    assert client().post("/v1/auth/verify-email", {"email": email, "code": wrong}).status == 422

    assert sql.execute_simple("SELECT (SELECT count(*) FROM guarantees), (SELECT count(*) FROM comps)").rows == [[0, 0]]


def test_a_job_that_runs_every_day_gives_ten_comps_each_on_its_day(sql: Connection) -> None:
    verified_on = date(2027, 1, 31)
    (member,) = newcomers(sql, verified_on)

    for passed in range(370):
        main.grant(noon(verified_on + timedelta(days=passed)))

    assert numbers(sql, member) == list(range(1, 11))
    given_on = sql.execute_simple("SELECT CAST(awarded_at AS date) FROM comps ORDER BY awarded_at").rows
    assert [day for (day,) in given_on] == [months.after(verified_on, month) for month in range(10)]
    assert [str(day) for (day,) in given_on[:4]] == ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"]
    assert sql.execute_simple("SELECT given, next_on FROM guarantees").rows == [[10, None]]
    assert sql.execute_simple("SELECT lifetime_comps FROM member_totals WHERE lifetime_comps > 0").rows == [
        [50_000_000]
    ]


def test_months_that_were_missed_are_caught_up(sql: Connection) -> None:
    (member,) = newcomers(sql, date(2027, 1, 15))

    main.grant(noon(date(2027, 5, 14)))
    assert numbers(sql, member) == [1, 2, 3, 4]
    main.grant(noon(date(2027, 5, 15)))
    assert numbers(sql, member) == [1, 2, 3, 4, 5]


def test_nothing_is_given_after_the_first_year(sql: Connection) -> None:
    last_day, over = newcomers(sql, date(2027, 1, 16))[0], newcomers(sql, date(2027, 1, 15))[0]

    main.grant(noon(date(2028, 1, 15)))
    main.grant(noon(date(2029, 1, 15)))

    assert numbers(sql, last_day) == list(range(1, 11))
    assert numbers(sql, over) == []
    assert sql.execute_simple("SELECT DISTINCT next_on FROM guarantees").rows == [[None]]


def test_a_run_that_is_late_or_early_changes_nothing(sql: Connection) -> None:
    newcomers(sql, date(2027, 1, 15), 3)
    main.grant(noon(date(2027, 4, 15)))
    before = rows_of_all_tables(sql)

    for day in (date(2027, 4, 15), date(2027, 2, 1), date(2026, 1, 1), date(2027, 5, 14)):
        main.grant(noon(day))

    assert rows_of_all_tables(sql) == before


def test_suspended_members_wait_and_are_caught_up_when_they_come_back_in_time(sql: Connection) -> None:
    (member,) = newcomers(sql, date(2027, 1, 15))
    main.grant(noon(date(2027, 1, 15)))
    sql.execute_simple("UPDATE members SET status = 'suspended'")

    main.grant(noon(date(2027, 4, 15)))
    assert numbers(sql, member) == [1]
    sql.execute_simple("UPDATE members SET status = 'active'")
    main.grant(noon(date(2027, 4, 16)))

    assert numbers(sql, member) == [1, 2, 3, 4]


def test_deleted_accounts_get_nothing_more(sql: Connection) -> None:
    (member,) = newcomers(sql, date(2027, 1, 15))
    main.grant(noon(date(2027, 1, 15)))
    sql.execute_simple("UPDATE members SET status = 'deleted'")

    main.grant(noon(date(2027, 4, 15)))

    assert numbers(sql, member) == [1]
    assert sql.execute_simple("SELECT next_on FROM guarantees").rows == [[None]]


def test_the_amount_and_the_number_are_settings(sql: Connection) -> None:
    newcomers(sql, date(2027, 1, 15))
    sql.execute_simple(
        "UPDATE comp_rules SET amount = 7500000, awards_per_member = 2 WHERE type = 'new_member_guarantee'"
    )

    main.grant(noon(date(2027, 12, 15)))

    assert sql.execute_simple("SELECT amount FROM comps").rows == [[7_500_000], [7_500_000]]


def test_runs_at_the_same_time_share_the_work(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "PAGE", 3)
    members = newcomers(sql, date(2027, 1, 31), 12)
    day = noon(date(2027, 4, 30))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: main.grant(day), range(16)))

    assert all(numbers(sql, member) == [1, 2, 3, 4] for member in members)
    assert sql.execute_simple("SELECT count(*) FROM comps").rows == [[48]]
    assert db.atomically(lambda tx: journals.balance(tx, "owed:member")) == AMOUNT * 48


def test_a_run_that_dies_anywhere_is_continued_by_the_next(sql: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of four, then its members one by one, and so on: each of these transactions is the last one once."""
    monkeypatch.setattr(main, "PAGE", 4)
    members = newcomers(sql, date(2027, 1, 31), 6)
    day = noon(date(2027, 3, 31))

    for transactions in range(12):
        with killed_after(transactions):
            main.grant(day)
    main.grant(day)

    assert all(numbers(sql, member) == [1, 2, 3] for member in members)
    once = outcome(sql)
    main.grant(day)
    assert outcome(sql) == once


def test_one_who_cannot_be_served_keeps_nobody_waiting_and_is_served_later(sql: Connection) -> None:
    broken, *others = newcomers(sql, date(2027, 1, 15), 3)
    sql.execute_unnamed("DELETE FROM inboxes WHERE member_id = $1", (broken,))
    sql.execute_simple("ALTER TABLE inboxes ADD CONSTRAINT broken CHECK (member_id IS DISTINCT FROM NULL) NOT VALID")
    sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (broken,))

    main.grant(noon(date(2027, 1, 15)))

    assert [numbers(sql, member) for member in (broken, *others)] == [[], [1], [1]]


def test_the_schedule_calls_it(platform: Platform, sql: Connection, tmp_path: Path) -> None:
    (member,) = newcomers(sql, datetime.now(UTC).date())

    assert FunctionInvoker(platform.invoker_token).schedule("guarantee_grant", "guarantee") == 204
    with moved_clock(tmp_path, timedelta(days=32)):
        assert FunctionInvoker(platform.invoker_token).schedule("guarantee_grant", "guarantee") == 204

    assert numbers(sql, member) == [1, 2]
