"""Members vault chips of this week's scans and withdraw them again; each is good for 365 days, to the second."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection, DatabaseError

from functions.affiliate_vault import store
from shared import db
from shared.auth import Role
from shared.values.money import Usdt
from tests import factories
from tests.client import FunctionClient
from tests.fakes.locks import held
from tests.fakes.vault_rows import LIFE, MONDAY, Vaults
from tests.fakes.week_rows import AFTER, CUT, SUNDAY, WEEK
from tests.platform import Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
HUNDRED = Usdt.of(100)
TIMES = "vaulted_at, expires_at"
MOVE = "INSERT INTO vault_moves (affiliate_id, lot_id, kind, chips, happened_at) SELECT affiliate_id, id,"
LOT = "INSERT INTO vault_lots SELECT gen_random_uuid(), affiliate_id,"


@pytest.fixture
def vaults(sql: Connection) -> Vaults:
    return Vaults(sql)


def agreed(vaults: Vaults, now_in_weeks: int = 1) -> None:
    """The week with this number after SUNDAY's is counted and approved."""
    week_on = SUNDAY + now_in_weeks * WEEK
    vaults.run(AFTER + now_in_weeks * WEEK)
    vaults.agree(factories.member(role=Role.TREASURY), week_on=week_on)
    vaults.run(AFTER + now_in_weeks * WEEK + timedelta(minutes=1))


def test_vaulted_chips_leave_the_week_and_come_back_when_they_are_withdrawn(vaults: Vaults) -> None:
    somebody, other = factories.member(), factories.member()
    vaults.begin()
    vaults.scan(somebody, 10, MONDAY)
    vaults.scan(other, 10, MONDAY)
    assert vaults.vault(somebody, 6, MONDAY) == ""
    assert vaults.lots(somebody) == [("manual", 6, 6)]
    assert vaults.withdraw(somebody, 2, MONDAY + DAY) == ""
    shown = vaults.shown(somebody, MONDAY + DAY)
    assert (shown.active, shown.vaultable, shown.vaulted, shown.room) == (6, 4, 4, 994)
    assert shown.next_expiry_at == MONDAY + LIFE
    vaults.fill(HUNDRED, MONDAY)
    vaults.run(AFTER + WEEK)
    assert {chips for chips, _, _ in vaults.shares(SUNDAY + WEEK).values()} == {6, 10}


def test_only_chips_of_this_weeks_scans_are_vaulted_each_once(vaults: Vaults) -> None:
    somebody = factories.member()
    vaults.scan(somebody, 5)
    vaults.fill(HUNDRED)
    vaults.begin()
    assert vaults.vault(somebody, 1) == "chips-not-enough 0"
    number, *_ = vaults.scan(somebody, 4, MONDAY)
    vaults.flag(number)
    assert vaults.vault(somebody, 4) == "chips-not-enough 3"
    assert vaults.vault(somebody, 3) == ""
    assert vaults.withdraw(somebody, 3) == ""
    assert vaults.vault(somebody, 1) == "chips-not-enough 0"
    assert vaults.shown(somebody).active == 3


def test_a_doubted_scan_waits_and_may_be_vaulted_once_it_is_cleared(vaults: Vaults) -> None:
    somebody = factories.member()
    vaults.begin()
    (number,) = vaults.scan(somebody, 1, MONDAY)
    vaults.flag(number)
    assert (vaults.shown(somebody).waiting, vaults.shown(somebody).active) == (1, 0)
    vaults.judge(number, "cleared")
    assert (vaults.shown(somebody).waiting, vaults.shown(somebody).active) == (0, 1)
    assert vaults.vault(somebody, 1) == ""


def test_a_vaulted_chip_whose_scan_is_doubted_later_returns_to_its_week_and_waits(vaults: Vaults) -> None:
    """Without it, what was put away would be more than there is, and nobody's week could be counted."""
    somebody, other = factories.member(), factories.member()
    vaults.begin()
    doubted, *_ = vaults.scan(somebody, 3, MONDAY)
    vaults.scan(other, 1, MONDAY)
    assert vaults.vault(somebody, 3, MONDAY) == ""
    vaults.flag(doubted)
    assert (vaults.shown(somebody).active, vaults.shown(somebody).waiting) == (0, 1)
    vaults.fill(HUNDRED, MONDAY)
    agreed(vaults)
    assert vaults.shares(SUNDAY + WEEK) == {other.id: (1, 0, HUNDRED.micro), somebody.id: (0, 0, 0)}
    assert vaults.lots(somebody) == [("manual", 3, 2)]
    assert vaults.vault_moves(somebody)[-1] == ("return", 1, CUT + WEEK)
    vaults.judge(doubted, "cleared")
    vaults.run(AFTER + WEEK + DAY)
    assert (vaults.shown(somebody, AFTER + WEEK + DAY).active, vaults.shown(somebody).waiting) == (1, 0)


def test_a_week_that_is_counted_anew_takes_doubted_chips_from_the_present_one_if_the_vault_is_empty(
    vaults: Vaults,
) -> None:
    somebody, other = factories.member(), factories.member()
    vaults.begin()
    doubted, *_ = vaults.scan(somebody, 3, MONDAY)
    vaults.scan(other, 1, MONDAY)
    assert vaults.vault(somebody, 3, MONDAY) == ""
    vaults.fill(HUNDRED, MONDAY)
    vaults.run(AFTER + WEEK)
    later = AFTER + WEEK + DAY
    assert vaults.withdraw(somebody, 3, later) == ""
    vaults.flag(doubted)
    vaults.agree(factories.member(role=Role.TREASURY), week_on=SUNDAY + WEEK, verdict="reject")
    vaults.run(later)
    assert vaults.week(SUNDAY + WEEK)["state"] == "ready"
    assert vaults.shares(SUNDAY + WEEK)[somebody.id] == (0, 0, 0)
    where = dict(vaults.where_chips_are(somebody.id))
    assert where == {
        "in": 3, "counted": 0, "active": 2, "vaulted": 0, "expired": 0, "postponed": 1, "refused": 0,
    }  # fmt: skip


def test_those_that_expire_first_are_withdrawn_first(vaults: Vaults) -> None:
    somebody = factories.member()
    vaults.begin()
    vaults.scan(somebody, 9, MONDAY)
    for day, chips in enumerate((2, 3, 4)):
        assert vaults.vault(somebody, chips, MONDAY + day * DAY) == ""
    assert vaults.withdraw(somebody, 4, MONDAY + 3 * DAY) == ""
    assert vaults.lots(somebody) == [("manual", 2, 0), ("manual", 3, 1), ("manual", 4, 4)]
    assert vaults.withdraw(somebody, 6, MONDAY + 3 * DAY) == "chips-not-enough 5"


def test_no_more_are_withdrawn_than_count_in_the_week(vaults: Vaults) -> None:
    somebody = factories.member()
    vaults.begin(chips_max=5)
    vaults.scan(somebody, 7, MONDAY)
    assert vaults.vault(somebody, 5) == ""
    assert vaults.withdraw(somebody, 4) == "week-cap-reached 3"
    assert vaults.withdraw(somebody, 3) == ""
    assert vaults.withdraw(somebody, 1) == "week-cap-reached 0"


def test_overflow_is_vaulted_from_the_end_of_its_week_and_recorded_once(vaults: Vaults) -> None:
    somebody = factories.member()
    vaults.begin(chips_max=3)
    vaults.scan(somebody, 5, MONDAY)
    vaults.fill(HUNDRED, MONDAY)
    agreed(vaults)
    assert vaults.lots(somebody) == [("overflow", 2, 2)]
    assert vaults.vault_moves(somebody) == [("overflow", 2, CUT + WEEK)]
    assert vaults.withdraw(somebody, 2, AFTER + WEEK + DAY) == ""


def test_a_chip_is_good_until_its_end_whether_the_job_has_run_or_not(vaults: Vaults) -> None:
    somebody = factories.member()
    vaults.begin()
    vaults.scan(somebody, 2, MONDAY)
    assert vaults.vault(somebody, 2, MONDAY) == ""
    end = MONDAY + LIFE
    vaults.run(end)
    vaults.keep(end - TICK)
    assert vaults.lots(somebody) == [("manual", 2, 2)]
    assert vaults.shown(somebody, end - TICK).vaulted == 2
    assert vaults.shown(somebody, end).vaulted == 0
    assert vaults.shown(somebody, end).lots == []
    assert vaults.withdraw(somebody, 1, end) == "chips-not-enough 0"
    assert vaults.withdraw(somebody, 1, end - TICK) == ""
    for _ in range(2):
        vaults.keep(end)
    assert vaults.lots(somebody) == [("manual", 2, 0)]
    assert vaults.vault_moves(somebody)[-1] == ("expire", 1, end)


def test_no_chips_move_between_the_end_of_a_week_and_its_opening(vaults: Vaults) -> None:
    somebody = factories.member()
    vaults.begin()
    vaults.scan(somebody, 3, MONDAY)
    assert vaults.vault(somebody, 1, MONDAY) == ""
    closing = CUT + WEEK + timedelta(minutes=1)
    assert vaults.vault(somebody, 1, closing) == "affiliate-week-closing"
    assert vaults.withdraw(somebody, 1, closing) == "affiliate-week-closing"
    shown = vaults.shown(somebody, closing)
    assert (shown.moves_open, shown.active, shown.week_on) == (False, 2, SUNDAY + WEEK)
    vaults.run(AFTER + WEEK)
    shown = vaults.shown(somebody, AFTER + WEEK)
    assert (shown.moves_open, shown.active, shown.week_on) == (True, 2, SUNDAY + 2 * WEEK)  # carried: no pool
    assert vaults.withdraw(somebody, 1, AFTER + WEEK) == ""


def test_a_scan_of_the_next_week_is_not_vaulted_in_this_one(vaults: Vaults) -> None:
    """A request that began just before Sunday meets scans of after it."""
    somebody = factories.member()
    vaults.begin()
    vaults.scan(somebody, 1, CUT + WEEK - TICK)
    vaults.scan(somebody, 1, CUT + WEEK)
    assert vaults.vault(somebody, 2, CUT + WEEK - TICK) == "chips-not-enough 1"


def test_a_thousand_at_once_vault_a_chip_once(vaults: Vaults) -> None:
    somebody = factories.member()
    vaults.begin()
    vaults.scan(somebody, 10, MONDAY)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: vaults.vault(somebody, 2), range(500)))
    assert answers.count("") == 5
    assert set(answers) == {"", "chips-not-enough 0"}
    assert vaults.shown(somebody).vaulted == 10
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: vaults.withdraw(somebody, 5), range(500)))
    assert sorted(answers, reverse=True)[-2:] == ["", ""]
    assert answers.count("") == 2
    assert vaults.shown(somebody).active == 10


def test_a_vault_beside_the_opening_of_a_week_is_of_one_week(vaults: Vaults) -> None:
    """Each chip is counted by a week or vaulted, whichever came first."""
    people = [factories.member() for _ in range(12)]
    vaults.begin()
    for person in people:
        vaults.scan(person, 4, MONDAY)
    vaults.fill(HUNDRED, MONDAY)
    before = CUT + WEEK - TICK
    with ThreadPoolExecutor(8) as threads:
        moves = [threads.submit(vaults.vault, person, 3, before) for person in people]
        week = threads.submit(vaults.run, AFTER + WEEK)
        outcomes = [move.result() for move in moves]
        week.result()
    vaults.run(AFTER + WEEK)
    counted = vaults.shares(SUNDAY + WEEK)
    for person, outcome in zip(people, outcomes, strict=True):
        vaulted = sum(left for _, _, left in vaults.lots(person))
        assert vaulted == (0 if outcome else 3)
        assert counted[person.id][0] + vaulted == 4
        assert sum(vaults.where_chips_are(person.id).values()) == 2 * 4


def test_a_withdrawal_beside_the_expiry_has_the_chips_or_not(vaults: Vaults) -> None:
    people = [factories.member() for _ in range(10)]
    vaults.begin()
    for person in people:
        vaults.scan(person, 3, MONDAY)
        assert vaults.vault(person, 3, MONDAY) == ""
    end = MONDAY + LIFE
    vaults.run(end)
    with ThreadPoolExecutor(8) as threads:
        moves = [threads.submit(vaults.withdraw, person, 3, end - TICK) for person in people]
        threads.submit(vaults.keep, end).result()
        outcomes = [move.result() for move in moves]
    vaults.keep(end)
    for person, outcome in zip(people, outcomes, strict=True):
        kinds = [kind for kind, _, _ in vaults.vault_moves(person)]
        assert kinds == ["vault", "expire" if outcome else "withdraw"]
        assert vaults.lots(person) == [("manual", 3, 0)]


def test_a_lot_that_somebody_holds_expires_in_the_next_run(vaults: Vaults, platform: Platform) -> None:
    somebody = factories.member()
    vaults.begin()
    vaults.scan(somebody, 3, MONDAY)
    assert vaults.vault(somebody, 3, MONDAY) == ""
    with held(platform, "SELECT 1 FROM vault_lots FOR UPDATE"):
        assert not db.atomically(store.expire, MONDAY + LIFE)
    assert db.atomically(store.expire, MONDAY + LIFE)


def test_a_scan_waits_for_nobody_who_vaults(vaults: Vaults, platform: Platform) -> None:
    """Vaulting locks the member's row in `chip_vaults`, and neither the sum of chips nor that of scans."""
    somebody = factories.member()
    vaults.begin()
    vaults.scan(somebody, 3, MONDAY)
    with (
        held(platform, f"SELECT 1 FROM chip_balances WHERE affiliate_id = '{somebody.id}' FOR UPDATE"),
        held(platform, f"SELECT 1 FROM member_totals WHERE member_id = '{somebody.id}' FOR UPDATE"),
    ):
        assert vaults.vault(somebody, 2) == ""
        assert vaults.withdraw(somebody, 1) == ""
        vaults.keep(MONDAY + LIFE)
    assert vaults.lots(somebody) == [("manual", 2, 0)]


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("UPDATE vault_lots SET left_chips = 1", "vault_lot_left"),
        ("UPDATE vault_lots SET chips = 9, left_chips = 9", "vault_lot_left"),
        (f"UPDATE vault_lots SET ({TIMES}) = (vaulted_at + '1 day', expires_at + '1 day')", "vault_lot_left"),
        ("DELETE FROM vault_moves", "append_only"),
        (f"{MOVE} 'withdraw', 1, expires_at FROM vault_lots", "vault_move"),
        (f"{MOVE} 'withdraw', 4, vaulted_at FROM vault_lots", "vault_lots_left"),
        (f"{MOVE} 'expire', 1, expires_at FROM vault_lots", "vault_move"),
        (f"{MOVE} 'vault', 1, vaulted_at FROM vault_lots", "vault_moves_made"),
        (f"{LOT} kind, week_on, 2, 2, vaulted_at, expires_at FROM vault_lots", "vault_chips"),
        (f"{LOT} kind, week_on + 7, 1, 1, vaulted_at, expires_at FROM vault_lots", "chip_move_week"),
        (f"{LOT} 'overflow', week_on, 2, 1, vaulted_at, expires_at FROM vault_lots", "vault_lot_left"),
        ("INSERT INTO vault_months (month) VALUES ('2026-10-01'), ('2026-11-01')", "vault_month"),
    ],
)  # fmt: skip
def test_the_schema_lets_chips_appear_nowhere_and_vanish_nowhere(
    statement: str, rule: str, vaults: Vaults, sql: Connection
) -> None:
    somebody = factories.member()
    vaults.begin()
    vaults.scan(somebody, 4, MONDAY)
    assert vaults.vault(somebody, 3, MONDAY) == ""
    before = rows_of_all_tables(sql)
    with pytest.raises(DatabaseError) as refusal:
        sql.execute_simple(statement)
    assert rule in str(refusal.value.args[0])
    assert rows_of_all_tables(sql) == before


@pytest.mark.parametrize("verb", ["vault", "withdraw"])
@pytest.mark.parametrize("chips", [0, -1, 1.5, "2", 10**12, None, True, [1]])
def test_what_is_no_number_of_chips_is_refused(verb: str, chips: object, client: Client, sql: Connection) -> None:
    somebody = factories.member()
    before = rows_of_all_tables(sql)
    answer = client(somebody.token).post(
        f"/v1/affiliate/chips/{verb}", {"chips": chips}, **{"Idempotency-Key": str(uuid4())}
    )
    assert (answer.status, answer.problem) == (422, "not-valid")
    assert rows_of_all_tables(sql) == before


def test_through_the_api_a_repeated_request_vaults_once(client: Client, vaults: Vaults, sql: Connection) -> None:
    somebody = factories.member()
    now = sql.execute_simple("SELECT now()").rows[0][0]
    vaults.run(now)
    mine = client(somebody.token)
    path, key = "/v1/affiliate/chips/vault", {"Idempotency-Key": "one"}
    assert mine.post(path, {"chips": 2}, **key).body | {"as_of": ""} == {
        "type": "/problems/chips-not-enough", "title": "You have not so many chips there.", "status": 409,
        "available": 0, "as_of": "",
    }  # fmt: skip
    vaults.scan(somebody, 3, now)
    first, again = (mine.post(path, {"chips": 2}, **{"Idempotency-Key": "two"}) for _ in range(2))
    assert (first.status, first.body) == (again.status, again.body)
    assert (first.body["active"], first.body["vaulted"], first.body["vaultable"]) == (1, 2, 1)
    assert mine.post("/v1/affiliate/chips/withdraw", {"chips": 3}, **key).problem == "idempotency-key-reused"
    taken = mine.post("/v1/affiliate/chips/withdraw", {"chips": 1}, **{"Idempotency-Key": "three"})
    assert (taken.status, taken.body["vaulted"]) == (200, 1)
    assert mine.post(path, {"chips": 1}).status == 422
    assert mine.post(path, {"chips": 1, "lot": 1}, **{"Idempotency-Key": "four"}).status == 422
    shown = mine.get("/v1/affiliate/chips").body
    assert [shown["active"], shown["vaulted"], shown["waiting"], len(shown["lots"])] == [2, 1, 0, 1]
    entries = mine.get("/v1/affiliate/chips/history").body["items"]
    assert [(entry["kind"], entry["chips"]) for entry in entries] == [("withdraw", 1), ("vault", 2), ("earn", 3)]
