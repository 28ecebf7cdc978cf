"""Pools are shown as every node tells them and as the books have them; a pause is at once, resuming needs a code."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pg8000.dbapi import Connection

from functions.admin_treasury import store
from functions.treasury_snapshot import main as snapshot
from shared import clock, db
from shared.auth import Role
from shared.payouts import queue
from shared.values.money import Usdt
from tests.client import FunctionClient
from tests.fakes.nodes import GAS_PRICE_WEI, FakeNodes
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.payout_rows import AMOUNT, PayoutRows
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin

pytest_plugins = ["tests.fakes.treasury_plugin"]

PATH = "/v1/admin/treasury/pools"


@pytest.fixture
def admin(client: Callable[..., FunctionClient], two_nodes: FakeNodes) -> TreasuryAdmin:
    assert two_nodes
    return treasury_admin(client)


def pool(admin: TreasuryAdmin, name: str = "member") -> dict[str, Any]:
    found: dict[str, Any] = {it["pool"]: it for it in admin.client.get(PATH).body["items"]}[name]
    return found


def test_a_pool_is_shown_with_its_block_its_books_its_limits_and_how_long_it_lasts(
    admin: TreasuryAdmin, payout_driver: PayoutDriver, two_nodes: FakeNodes, rows: PayoutRows
) -> None:
    paid = payout_driver.request()
    payout_driver.send(paid)
    payout_driver.finalize(paid)
    out = payout_driver.request()
    payout_driver.send(out)
    rows.payout("HELD")
    two_nodes.chain.mine(3)

    shown = pool(admin)

    block = two_nodes.port.finalized()
    chain = shown["chain"]
    assert (chain["block_number"], chain["block_hash"], chain["fault"]) == (block.number, block.hash, None)
    assert (chain["balance"], [node["balance"] for node in chain["nodes"]]) == (490, [490, 490])
    assert (shown["ledger"]["in_flight"], shown["ledger"]["paid"]) == (5, 5)
    assert sorted((it["status"], it["payouts"], it["amount"]) for it in shown["open"]) == [
        ("on_hold", 1, 5),
        ("processing", 1, 5),
    ]
    limits = shown["limits"]
    assert (limits["single"], limits["day"], limits["hour"]) == (10_000, 50_000, 500_000)
    assert (limits["used_day"], limits["used_hour"]) == (10, 10)
    gas = int(chain["gas_wei"]) // (GAS_PRICE_WEI * 120_000)
    assert shown["forecast"] == {
        "average_payout": 5, "gas_price_wei": str(GAS_PRICE_WEI), "by_usdt": 97, "by_gas": gas,
        "daily_outflow": 0, "days_left": None, "top_up_due": None,
    }  # fmt: skip
    assert shown["alert"]["level"] == "ok"  # the hour has not looked yet


def test_what_is_used_of_a_pools_limits_is_what_that_pool_has_sent(
    admin: TreasuryAdmin, payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout_driver.send(payout_driver.request())
    for table, time, amount in (("treasury_days", "day", 7), ("treasury_minutes", "minute", 8)):
        also = f"SELECT 'affiliate', {time}, {amount} FROM {table}"
        sql.execute_simple(f"INSERT INTO {table} (treasury, {time}, amount) {also}")

    used = {name: pool(admin, name)["limits"] for name in ("member", "affiliate", "wholesale", "shop")}

    assert {name: (it["used_day"], it["used_hour"]) for name, it in used.items()} == {
        "member": (5, 5), "affiliate": (0.000007, 0.000008), "wholesale": (0, 0),
        "shop": (0, 0),
    }  # fmt: skip


def test_the_hour_of_the_page_begins_where_the_policys_begins(sql: Connection) -> None:
    """Both count the minute in which the last hour begins in full."""
    now = clock.now()
    begins = (now - timedelta(hours=1)).replace(second=0, microsecond=0)
    for minute, amount in ((begins, 8), (begins - timedelta(minutes=1), 16)):
        sql.execute_unnamed("INSERT INTO treasury_minutes VALUES ('member', $1, $2)", (minute, amount * 1_000_000))

    counted = db.atomically(queue.reserved_last_hour, "member", now)
    shown = db.atomically(store.limits, "member", now)

    assert (counted.alone, shown.used_hour) == (Usdt.of(8), Usdt.of(8))


def test_what_each_node_says_is_shown_also_when_they_do_not_agree(admin: TreasuryAdmin, two_nodes: FakeNodes) -> None:
    two_nodes.other.richer = 7
    shown = pool(admin)["chain"]
    assert (shown["balance"], [node["balance"] for node in shown["nodes"]]) == (None, [500, 500.000007])
    assert shown["fault"] == "the nodes do not say the same"

    two_nodes.other.silent = True
    shown = pool(admin)["chain"]
    assert (shown["balance"], shown["block_number"]) == (None, None)
    assert [(node["balance"], node["fault"]) for node in shown["nodes"]] == [(500, None), (None, "it is switched off")]


def test_the_level_tells_what_is_low_and_what_is_critical(admin: TreasuryAdmin, payout_driver: PayoutDriver) -> None:
    assert pool(admin)["alert"]["level"] == "ok"
    snapshot.take(clock.now())
    shown = pool(admin)["alert"]
    assert (shown["level"], shown["usdt_low_since"] is None, shown["gas_low_since"]) == ("low", False, None)

    big = payout_driver.request(485_000_000)  # leaves 15 USDT, of which one payout of 485 is none
    payout_driver.send(big)
    payout_driver.finalize(big)
    assert pool(admin)["alert"]["level"] == "critical"


def test_thresholds_are_changed_and_the_next_crossing_is_told(admin: TreasuryAdmin, sql: Connection) -> None:
    path = f"{PATH}/member/alerts"
    answer = admin.client.put(path, {"usdt": 499.5, "gas_wei": "1000000000000000000"})

    assert (answer.status, answer.body["usdt_threshold"], answer.body["gas_wei_threshold"]) == (
        200, 499.5, "1000000000000000000",
    )  # fmt: skip
    snapshot.take(clock.now())
    low = sql.execute_simple("SELECT treasury FROM treasury_alerts WHERE crossed_at IS NOT NULL ORDER BY 1").rows
    assert [name for (name,) in low] == ["affiliate", "wholesale"]
    for bad in ({"usdt": 499.5, "gas_wei": "-1"}, {"usdt": -0.01, "gas_wei": "1"}, {"usdt": 1}):
        assert admin.client.put(path, bad).problem == "not-valid"
    assert admin.client.put(f"{PATH}/operating/alerts", {"usdt": 1, "gas_wei": "1"}).problem == "not-found"


def test_a_pause_is_at_once_and_stops_the_next_signature(
    admin: TreasuryAdmin, payout_driver: PayoutDriver, sql: Connection
) -> None:
    payout = payout_driver.request()
    for why in ("nobody knows transfer 7", "again"):
        answer = admin.client.post(f"{PATH}/member/pause", {"reason": why})
        assert (answer.status, answer.body["pause_reason"]) == (200, "nobody knows transfer 7")
    payout_driver.try_to_send(payout)

    assert payout_driver.chain.sent == []
    assert pool(admin)["pause_reason"] == "nobody knows transfer 7"
    assert pool(admin, "affiliate")["paused_at"] is None
    assert sql.execute_simple("SELECT action FROM audit_logs").rows == [["treasury.pause"]]


def test_resuming_needs_a_code_a_reason_and_a_pause(admin: TreasuryAdmin, sql: Connection) -> None:
    path = f"{PATH}/member/resume"
    assert admin.client.post(path, {"reason": "all found", "totp": admin.code()}).problem == "pool-not-paused"
    admin.client.post(f"{PATH}/member/pause", {"reason": "looking"})
    assert admin.client.post(path, {"reason": "all found", "totp": "000000"}).problem == "second-factor-wrong"
    assert admin.client.post(path, {"reason": "", "totp": admin.code()}).problem == "not-valid"
    assert pool(admin)["paused_at"] is not None

    answer = admin.client.post(path, {"reason": "all found", "totp": admin.code()})

    assert (answer.status, answer.body["paused_at"]) == (200, None)
    changes = sql.execute_simple("SELECT changes FROM audit_logs WHERE action = 'treasury.resume'").rows
    assert changes == [[{"reason": "all found", "paused_because": "looking"}]]


def test_only_treasury_admins_look(client: Callable[..., FunctionClient], two_nodes: FakeNodes) -> None:
    for role in (Role.SUPPORT, Role.OPERATIONS):
        other = treasury_admin(client, role)
        assert other.client.get(PATH).problem == "not-allowed"
        assert other.send().problem == "not-allowed"
        assert other.client.post(f"{PATH}/member/pause", {"reason": "because"}).problem == "not-allowed"
    assert two_nodes.questions == []  # no node is troubled for them


def test_payments_of_every_treasury_come_from_its_own_key(
    payout_driver: PayoutDriver, two_nodes: FakeNodes, sql: Connection
) -> None:
    signers: dict[str, str] = dict(sql.execute_simple("SELECT treasury, address FROM signers").rows)
    paid: list[UUID] = []
    for name, address in signers.items():
        two_nodes.chain.mint(address, AMOUNT)
        two_nodes.chain.mine(3)
        paid.append(payout_driver.request(treasury=name))
        payout_driver.send(paid[-1])
        payout_driver.finalize(paid[-1])

    assert [it.sender for it in two_nodes.chain.transfers()] == [address.lower() for address in signers.values()]
    assert dict(sql.execute_simple(
        "SELECT account, sum(balance) FROM ledger_balances WHERE account LIKE 'paid:%' GROUP BY 1").rows
    ) == {f"paid:{name}": AMOUNT for name in signers}  # fmt: skip


def flowed_out(sql: Connection, days_ago: int, usdt: int, key: str = "member") -> None:
    day = (clock.now() - timedelta(days=days_ago)).date()
    sql.execute_unnamed(
        "INSERT INTO metric_days (day, metric, key, value, as_of) VALUES ($1, 'treasury_outflow', $2, $3, now())",
        (day, key, usdt),
    )


def test_a_top_up_is_due_when_the_usdt_lasts_fewer_days_than_the_setting_says(
    admin: TreasuryAdmin, sql: Connection
) -> None:
    fresh = pool(admin)["forecast"]
    assert (fresh["daily_outflow"], fresh["days_left"], fresh["top_up_due"]) == (0, None, None)
    for days_ago, usdt in ((0, 10**6), (1, 620), (28, 500), (29, 10**6)):  # today is not over, and 29 days are too long
        flowed_out(sql, days_ago, usdt)
    flowed_out(sql, 1, 10**6, "shop")

    due = pool(admin)["forecast"]

    assert (due["daily_outflow"], due["days_left"], due["top_up_due"]) == (40, 12, True)
    assert pool(admin, "shop")["forecast"]["top_up_due"] is None
    sql.execute_simple("UPDATE settings SET value = '12' WHERE name = 'top_up_days'")
    assert pool(admin)["forecast"]["top_up_due"] is False


def test_how_long_it_lasts_is_not_known_while_the_nodes_differ(
    admin: TreasuryAdmin, two_nodes: FakeNodes, sql: Connection
) -> None:
    flowed_out(sql, 1, 28)
    two_nodes.other.richer = 1
    assert [pool(admin)["forecast"][it] for it in ("daily_outflow", "days_left", "top_up_due")] == [1, None, None]
