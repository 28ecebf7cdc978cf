"""The program of affiliates closes at a volume, once; its shares are locked, and those who came before go on."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError

from functions.affiliate_sunset import main, rules
from functions.affiliate_week import recount_store
from shared import clock, db, settings
from shared.affiliates import links
from shared.auth import Role
from shared.comps import awards
from shared.values.money import Usdt
from shared.values.programs import Program, ProgramState
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes.comp_records import award_for
from tests.fakes.plain_rows import put, unchecked
from tests.fakes.treasury_admins import treasury_admin
from tests.fakes.vault_rows import Vaults
from tests.fakes.week_rows import SUNDAY, WEEK, Weeks

Client = Callable[..., FunctionClient]

CLOSING = 10_000_000
DAY = timedelta(days=1)
MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)  # in the week that ends on the Sunday after SUNDAY
OPERATIONS_OF_AFFILIATES = (
    "/v1/affiliate/referral-link", "/v1/affiliate/stats", "/v1/affiliate/referrals", "/v1/affiliate/payouts",
    f"/v1/affiliate/weeks/{SUNDAY}",
)  # fmt: skip


@pytest.fixture
def weeks(sql: Connection) -> Weeks:
    return Weeks(sql)


def judge(sql: Connection, volume: int, now: datetime, age: timedelta = timedelta()) -> None:
    """Run the job at a time, with a volume that is so old."""
    sql.execute_unnamed("UPDATE sales_volume SET tins_per_month = $1, as_of = $2", (volume, now - age))
    main.judge(now)


def close(sql: Connection, now: datetime = MONDAY) -> None:
    """Reach the volume on three days in a row; the program closes at `now`."""
    for days in (2, 1, 0):
        judge(sql, CLOSING, now - days * DAY)
    assert state(sql) == "sunset"


def state(sql: Connection) -> str:
    return str(sql.execute_simple("SELECT state FROM affiliate_program").rows[0][0])


def steps(sql: Connection) -> list[tuple[int, int]]:
    return [tuple(row) for row in sql.execute_simple("SELECT step, volume FROM sunset_notices ORDER BY step").rows]


def told(sql: Connection) -> list[tuple[str, str]]:
    """The notices and mails about steps: the code or template, and the percentage."""
    rows = sql.execute_simple(
        """
        SELECT 'notice', params ->> 'percent' FROM notifications WHERE code = 'sunset_step'
        UNION ALL SELECT 'mail', parameters ->> 'percent' FROM mails WHERE template = 'sunset_step' ORDER BY 2, 1
        """
    ).rows
    return [tuple(row) for row in rows]


def late_member(sql: Connection) -> Somebody:
    """A member who signed up at the moment at which the program closed."""
    somebody = factories.member()
    sql.execute_unnamed(
        "UPDATE members SET created_at = (SELECT sunset_at FROM affiliate_program) WHERE id = $1", (somebody.id,)
    )
    return somebody


def early_member(sql: Connection) -> Somebody:
    somebody = factories.member()
    sql.execute_unnamed("UPDATE members SET created_at = $1 WHERE id = $2", (MONDAY - 30 * DAY, somebody.id))
    return somebody


@pytest.mark.parametrize(
    ("volume", "step"),
    [(0, 0), (499_999, 0), (500_000, 1), (9_499_999, 18), (9_500_000, 19), (9_999_999, 19), (CLOSING, 20),
     (11 * CLOSING // 10, 22)],
)  # fmt: skip
def test_a_step_is_a_twentieth_of_the_volume(volume: int, step: int) -> None:
    assert rules.step(volume, CLOSING) == step


def test_each_step_is_told_once_to_each_owner_and_treasury_admin(sql: Connection) -> None:
    for role in (Role.OWNER, Role.TREASURY, Role.SUPPORT, Role.OPERATIONS, None):
        factories.member(role=role)
    suspended = factories.member(role=Role.TREASURY)
    sql.execute_unnamed("UPDATE members SET status = 'suspended' WHERE id = $1", (suspended.id,))
    judge(sql, 600_000, MONDAY)
    assert told(sql) == [("mail", "5"), ("mail", "5"), ("notice", "5"), ("notice", "5")]
    for volume in (700_000, 100_000, 999_999, 600_000):
        judge(sql, volume, MONDAY)
    assert (len(told(sql)), steps(sql)) == (4, [(1, 600_000)])
    judge(sql, 1_500_000, MONDAY)
    assert steps(sql) == [(1, 600_000), (2, 1_500_000), (3, 1_500_000)]
    assert len(told(sql)) == 12


def test_two_runs_at_once_tell_a_step_once(sql: Connection) -> None:
    factories.member(role=Role.OWNER)
    sql.execute_unnamed("UPDATE sales_volume SET tins_per_month = 600000, as_of = $1", (MONDAY,))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(main.judge, [MONDAY] * 4))
    assert told(sql) == [("mail", "5"), ("notice", "5")]


def test_a_volume_older_than_an_hour_is_not_judged(sql: Connection) -> None:
    judge(sql, CLOSING, MONDAY, timedelta(hours=1, seconds=1))
    assert steps(sql) == []
    assert sql.execute_simple("SELECT checked_at FROM affiliate_program").rows == [[None]]
    judge(sql, 500_000, MONDAY, timedelta(hours=1))
    assert steps(sql) == [(1, 500_000)]


def test_the_program_closes_on_the_third_day_in_a_row(sql: Connection) -> None:
    for days in (0, 0.3, 1):
        judge(sql, CLOSING, MONDAY + days * DAY)
        assert state(sql) == "open"
    judge(sql, CLOSING, MONDAY + 2 * DAY)
    assert state(sql) == "sunset"
    assert sql.execute_simple("SELECT sunset_at FROM affiliate_program").rows == [[MONDAY + 2 * DAY]]


@pytest.mark.parametrize("broken", ["below", "no look"])
def test_a_day_below_or_without_a_look_begins_the_days_anew(broken: str, sql: Connection) -> None:
    judge(sql, CLOSING, MONDAY)
    judge(sql, CLOSING, MONDAY + DAY)
    if broken == "below":
        judge(sql, CLOSING - 1, MONDAY + DAY)
    later = MONDAY + (2 if broken == "below" else 3) * DAY
    for days in (0, 1):
        judge(sql, CLOSING, later + days * DAY)
        assert state(sql) == "open"
    judge(sql, CLOSING, later + 2 * DAY)
    assert state(sql) == "sunset"


def test_days_are_those_of_utc() -> None:
    before = Program(ProgramState.OPEN, 20, datetime(2027, 2, 28, tzinfo=UTC).date(), 2, None, None)
    after = rules.days(before, 20, datetime(2027, 3, 1, tzinfo=UTC).date())
    assert (after.full_days, after.full_on and after.full_on.isoformat()) == (3, "2027-03-01")


def test_the_days_are_a_setting(sql: Connection) -> None:
    sql.execute_simple("UPDATE settings SET value = '{\"volume\": 100, \"days\": 1}' WHERE name = 'affiliate_sunset'")
    settings.forget()
    judge(sql, 100, MONDAY)
    assert state(sql) == "sunset"


def test_it_closes_once_and_stays_closed(sql: Connection, weeks: Weeks) -> None:
    factories.member(role=Role.OWNER)
    weeks.scan(factories.member(), 3)
    close(sql)
    weeks.scan(factories.member(), 5)
    for now in (MONDAY + DAY, MONDAY + 9 * DAY):
        judge(sql, CLOSING, now)
        judge(sql, 0, now)
    assert sql.execute_simple("SELECT weights, sunset_at FROM affiliate_program").rows == [[3, MONDAY]]
    assert sql.execute_simple("SELECT count(*) FROM mails WHERE template = 'program_closed'").rows == [[1]]
    assert sql.execute_simple("SELECT count(*) FROM notifications WHERE code = 'program_closed'").rows == [[1]]


def test_locked_shares_are_the_chips_of_a_life(sql: Connection, weeks: Weeks) -> None:
    """Earned and given, also in the vault; not those of refused scans, nor those that have expired."""
    plain, doubted, given, vaulted, gone = (factories.member() for _ in range(5))
    weeks.scan(plain, 4)
    numbers = weeks.scan(doubted, 4)
    for number, verdict in zip(numbers, ("confirmed", "cleared", None), strict=False):
        weeks.flag(number)
        if verdict:
            weeks.judge(number, verdict)
    weeks.scan(given, 1)
    weeks.scan(vaulted, 5)
    weeks.scan(gone, 5)
    moves = {"bonus": 2, "grant": 3, "withdraw": 100, "vault": 100, "cleared": 100, "carried": 9}
    with unchecked(sql):
        for kind, chips in moves.items():
            put(sql, "chip_moves", affiliate_id=given.id, week_on=SUNDAY + WEEK, kind=kind, chips=chips, source=kind,
                moved_at=MONDAY)  # fmt: skip
        for left, expires in ((2, MONDAY), (3, MONDAY + timedelta(seconds=1))):
            put(sql, "vault_lots", id=uuid4(), affiliate_id=vaulted.id, kind="manual", week_on=SUNDAY - 52 * WEEK,
                chips=3, left_chips=left, vaulted_at=expires - 365 * DAY, expires_at=expires)  # fmt: skip
        put(sql, "vault_moves", affiliate_id=vaulted.id, lot_id=uuid4(), kind="expire", chips=1, happened_at=MONDAY)
    sql.execute_unnamed("UPDATE members SET status = 'deleted' WHERE id = $1", (gone.id,))
    close(sql)
    locked = {row[0]: row[1] for row in sql.execute_simple("SELECT affiliate_id, weight FROM locked_shares").rows}
    assert locked == {plain.id: 4, doubted.id: 3, given.id: 6, vaulted.id: 2}
    assert sql.execute_simple("SELECT weights FROM affiliate_program").rows == [[15]]


def test_the_vault_closes_with_the_program(sql: Connection) -> None:
    vaults, somebody = Vaults(sql), factories.member()
    vaults.begin()
    vaults.scan(somebody, 3, MONDAY)
    assert vaults.vault(somebody, 1, MONDAY) == ""
    close(sql)
    assert vaults.vault(somebody, 1, MONDAY) == "chips-locked"
    assert vaults.withdraw(somebody, 1, MONDAY) == "chips-locked"
    assert not vaults.shown(somebody, MONDAY).moves_open
    vaults.keep(MONDAY + 366 * DAY)
    assert vaults.lots(somebody) == [("manual", 1, 1)]
    assert vaults.notes(somebody) == []


def test_it_closes_without_any_affiliate(sql: Connection) -> None:
    close(sql)
    assert sql.execute_simple("SELECT weights FROM affiliate_program").rows == [[0]]


def test_the_week_in_which_it_happens_is_shared_by_chips_and_later_ones_by_locked_shares(
    sql: Connection, weeks: Weeks
) -> None:
    sql.execute_simple("UPDATE settings SET value = value || '{\"chips_max\": 2}' WHERE name = 'affiliate_week'")
    settings.forget()
    old, new = factories.member(), factories.member()
    hour = timedelta(hours=1)
    weeks.scan(old, 3, MONDAY - hour)
    weeks.run(MONDAY)
    close(sql)
    weeks.scan(new, 1, MONDAY + hour)
    in_which, after = SUNDAY + WEEK, SUNDAY + 2 * WEEK
    weeks.fill(Usdt.of(90), MONDAY)
    at = datetime.combine(in_which, datetime.min.time(), UTC) + hour
    weeks.run(at)
    assert {who: row[0] for who, row in weeks.shares(in_which).items()} == {old.id: 2, new.id: 1}
    weeks.scan(new, 50, at)
    weeks.fill(Usdt.of(90), at)
    weeks.run(at + WEEK)
    assert weeks.shares(after) == {old.id: (3, 0, 90_000_000)}
    assert weeks.week(after)["chips"] == 3
    assert db.atomically(recount_store.differences, after) == []
    weeks.agree(factories.member(role=Role.TREASURY), week_on=after)
    weeks.run(at + WEEK)
    assert weeks.week(after)["state"] in {"told", "completed"}
    assert sql.execute_unnamed("SELECT count(*) FROM vault_lots WHERE week_on = $1", (after,)).rows == [[0]]


def test_a_locked_week_without_a_pool_carries_no_chips(sql: Connection, weeks: Weeks) -> None:
    weeks.scan(factories.member(), 3, MONDAY - timedelta(hours=1))
    weeks.run(MONDAY)
    close(sql)
    weeks.run(MONDAY + 2 * WEEK)
    carried = sql.execute_simple("SELECT week_on, chips FROM chip_moves WHERE kind = 'carried'").rows
    assert len(carried) == 1, "those of the week in which it closed"
    assert weeks.week(SUNDAY + 2 * WEEK)["outcome"] == "no_pool"


@pytest.mark.parametrize(("seconds", "is_locked"), [(-1, True), (0, False), (1, False)])
def test_a_week_is_locked_if_it_began_after_the_close(seconds: int, is_locked: bool, sql: Connection) -> None:
    begins = datetime.combine(SUNDAY, datetime.min.time(), UTC)
    close(sql, begins + timedelta(seconds=seconds))
    ((found,),) = sql.execute_unnamed("SELECT week_is_locked($1)", (SUNDAY + WEEK,)).rows
    assert found is is_locked


def test_whoever_signs_up_later_is_no_affiliate(client: Client, sql: Connection) -> None:
    early = early_member(sql)
    close(sql)
    late = late_member(sql)
    for path in OPERATIONS_OF_AFFILIATES:
        assert client(late.token).get(path).problem == "affiliate-program-closed", path
        assert client(early.token).get(path).problem in {"", "not-found"}, path
    link = "/v1/affiliate/referral-link"
    assert client(late.token).put(link, {"code": "late-code"}).problem == "affiliate-program-closed"
    assert client(early.token).put(link, {"code": "early-code"}).status == 200
    shown = [client(member.token).get("/v1/affiliate/program").body for member in (early, late)]
    assert [(it["state"], it["is_affiliate"], it["chips_max"]) for it in shown] == [
        ("sunset", True, None), ("sunset", False, None),
    ]  # fmt: skip


def test_sign_ups_beside_the_close_are_affiliates_by_their_moment(client: Client, sql: Connection) -> None:
    with ThreadPoolExecutor(8) as threads:
        signing_up = [threads.submit(factories.member) for _ in range(32)]
        close(sql, clock.now())
        people = [done.result() for done in signing_up]
    people += [early_member(sql), late_member(sql)]
    rows = sql.execute_simple("SELECT id, created_at < (SELECT sunset_at FROM affiliate_program) FROM members").rows
    joined_before = dict(rows)
    for person in people:
        shown = client(person.token).get("/v1/affiliate/program").body
        assert shown["is_affiliate"] is joined_before[person.id]
        assert db.atomically(links.referrer, person.email.partition("@")[0]) == (
            person.id if joined_before[person.id] else None
        )
    assert {joined_before[person.id] for person in people} == {True, False}


def test_nothing_is_given_to_whoever_is_no_affiliate_and_no_chips_are_given_any_more(
    client: Client, sql: Connection
) -> None:
    early, admin = early_member(sql), treasury_admin(client)
    close(sql)
    late = late_member(sql)

    def award(member: Somebody) -> Answer:
        body = {"amount": 5, "reason": "For the launch", "totp": admin.code()}
        return admin.client.post(f"/v1/admin/affiliates/{member.id}/award", body)

    assert (award(late).status, award(late).problem) == (409, "member-not-affiliate")
    assert award(early).status == 201
    for member, problem in ((late, "member-not-affiliate"), (early, "chips-locked")):
        path = f"/v1/admin/affiliates/{member.id}/chips"
        given = admin.client.post(path, {"chips": 1, "reason": "Lost in an outage"})
        assert (given.status, given.problem) == (409, problem)
    assert sql.execute_simple("SELECT count(*) FROM chip_moves").rows == [[0]]
    assert sql.execute_simple("SELECT affiliate_id FROM affiliate_earnings").rows == [[early.id]]


def test_a_code_of_somebody_who_is_no_affiliate_leads_nowhere(sql: Connection) -> None:
    early = early_member(sql)
    close(sql)
    late = late_member(sql)
    assert db.atomically(links.referrer, early.email.partition("@")[0]) == early.id
    assert db.atomically(links.referrer, late.email.partition("@")[0]) is None


def test_affiliates_go_on_earning_matches(sql: Connection) -> None:
    affiliate = early_member(sql)
    close(sql)
    friend = factories.member(referred_by=affiliate)
    comp = db.atomically(awards.award, award_for(friend, Usdt.of(100), source="later"), clock.now())
    earned = sql.execute_unnamed("SELECT affiliate_id, amount FROM affiliate_earnings WHERE comp_id = $1", (comp,)).rows
    assert earned == [[affiliate.id, 21_000_000]]


def test_an_open_program_shows_its_terms(client: Client, sql: Connection) -> None:
    judge(sql, 5_250_000, MONDAY)
    shown = client(factories.member().token).get("/v1/affiliate/program").body
    assert {name: shown[name] for name in shown if name not in {"volume_as_of", "next_week_on"}} == {
        "state": "open", "is_affiliate": True, "volume": 5_250_000, "closing_volume": CLOSING, "closing_days": 3,
        "step": 10, "steps": 20, "sunset_at": None, "match_percent": 21, "pool_percent": 5, "chips_max": 1_000,
        "payout_min": 1,
    }  # fmt: skip


REFUSED = {
    "reopened": ("program_closed", "UPDATE affiliate_program SET state = 'open', sunset_at = NULL, weights = NULL"),
    "closed at another time": ("program_closed", "UPDATE affiliate_program SET sunset_at = now()"),
    "shares locked later": (
        "program_closed",
        "INSERT INTO locked_shares SELECT id, 1 FROM members WHERE id NOT IN (SELECT affiliate_id FROM locked_shares)",
    ),
    "a locked share changed": ("append_only", "UPDATE locked_shares SET weight = 9"),
    "a step forgotten": ("append_only", "DELETE FROM sunset_notices"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_closed_program_cannot_be_changed(what: str, sql: Connection, weeks: Weeks) -> None:
    weeks.scan(factories.member())
    factories.member()
    close(sql)
    rule, statement = REFUSED[what]
    with pytest.raises(DatabaseError, match=rule):
        sql.execute_simple(statement)


CLOSE = """
    UPDATE affiliate_program
    SET state = 'sunset', sunset_at = now(), weights = {weights}, full_days = {days}, full_on = current_date
"""


@pytest.mark.parametrize(
    ("days", "weights", "reached"), [(2, 0, CLOSING), (3, 1, CLOSING), (3, 0, CLOSING - 1)],
    ids=["too few days", "another sum of shares", "the last step not told"],
)  # fmt: skip
def test_the_schema_closes_it_only_when_the_volume_was_reached(
    days: int, weights: int, reached: int, sql: Connection
) -> None:
    judge(sql, reached, MONDAY)
    with pytest.raises(DatabaseError, match="program_sunset"):
        sql.execute_simple(CLOSE.format(weights=weights, days=days))
