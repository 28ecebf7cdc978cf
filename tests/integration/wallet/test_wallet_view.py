"""The wallet shows its balance and its transactions: from the chain when it answers, else what it said last."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from pg8000.dbapi import Connection

from shared import db
from shared.comps import awards
from shared.comps.awards import Award
from shared.values.money import Usdt
from shared.values.prizes import CompType
from tests import factories
from tests.client import refusal
from tests.clock import moved_clock
from tests.fakes.wallet_driver import RECIPIENT, WalletDriver, new_wallet
from tests.platform import USDT

pytest_plugins = ["tests.fakes.wallet_plugin"]


def view(wallet_driver: WalletDriver) -> dict[str, Any]:
    answer = wallet_driver.client.get("/v1/users/me/wallet")
    assert answer.status == 200, answer.body
    return dict(answer.body)


def win(wallet_driver: WalletDriver, amount: int, number: int) -> None:
    given = Award(
        wallet_driver.member.id, CompType.NEW_MEMBER_GUARANTEE, Usdt.of(amount), "guarantee", f"wallet:{number}", {}
    )
    db.atomically(lambda tx: awards.award(tx, given, datetime.now(UTC)))


def test_the_balance_is_the_chains_with_the_block_that_it_was_read_at(wallet_driver: WalletDriver) -> None:
    shown = view(wallet_driver)

    assert (shown["balance"], shown["block_number"], shown["is_current"]) == (1000, 5, True)
    assert (shown["address"], shown["network"], shown["chain_id"], shown["token_address"]) == (
        wallet_driver.wallet.address, "polygon", 137, USDT,
    )  # fmt: skip
    assert shown["explorer_url"] == f"https://polygonscan.com/address/{wallet_driver.wallet.address}"


def test_what_is_won_and_not_paid_yet_is_pending(wallet_driver: WalletDriver, sql: Connection) -> None:
    for number, amount in enumerate((5, 100)):
        win(wallet_driver, amount, number)
    assert view(wallet_driver)["pending_comps"] == 105

    sql.execute_simple("UPDATE comps SET status = 'paid', paid_at = now() WHERE amount = 5000000")
    assert view(wallet_driver)["pending_comps"] == 100


def test_while_the_chain_is_silent_it_is_what_was_read_last(wallet_driver: WalletDriver, tmp_path: Path) -> None:
    wallet_driver.nodes.silent = True
    never = view(wallet_driver)
    assert (never["balance"], never["block_number"], never["as_of"], never["is_current"]) == (None, None, None, False)

    wallet_driver.nodes.silent = False
    read = view(wallet_driver)
    wallet_driver.nodes.silent = True
    with moved_clock(tmp_path, timedelta(minutes=5)):
        later = view(wallet_driver)
    assert later == read | {"is_current": False}


def test_what_another_wallet_held_is_not_shown_for_this_one(wallet_driver: WalletDriver, sql: Connection) -> None:
    view(wallet_driver)
    other = new_wallet().address
    sql.execute_unnamed("UPDATE members SET wallet_address = $1 WHERE id = $2", (other, wallet_driver.member.id))
    wallet_driver.nodes.silent = True

    assert view(wallet_driver)["balance"] is None


def test_looking_often_writes_seldom(wallet_driver: WalletDriver, sql: Connection, tmp_path: Path) -> None:
    view(wallet_driver)
    before = sql.execute_simple("SELECT xmin::text FROM wallet_balances").rows
    for _ in range(3):
        view(wallet_driver)
    assert sql.execute_simple("SELECT xmin::text FROM wallet_balances").rows == before
    wallet_driver.chain.mint(wallet_driver.wallet.address, 1)
    assert view(wallet_driver)["balance"] == 1000.000001
    with moved_clock(tmp_path, timedelta(minutes=2)):
        view(wallet_driver)
    assert sql.execute_simple("SELECT balance FROM wallet_balances WHERE as_of > now() + interval '1 minute'").rows == [
        [1_000_000_001]
    ]


def test_without_a_wallet_it_says_so_and_what_waits_for_one(wallet_driver: WalletDriver) -> None:
    wallet_driver.member = factories.member()
    wallet_driver.client.token = wallet_driver.member.token
    win(wallet_driver, 5, 1)
    answer = wallet_driver.client.get("/v1/users/me/wallet")

    assert refusal(answer) == (409, "wallet-not-linked")
    assert answer.body["pending_comps"] == 5


def lived(wallet_driver: WalletDriver, sql: Connection, deposits: int) -> None:
    """Comps that came in, one withdrawal that is under way."""
    for number in range(deposits):
        win(wallet_driver, number + 1, number)
    sql.execute_unnamed(
        "INSERT INTO wallet_transactions (id, member_id, type, amount, transaction_hash, from_address, to_address, "
        "status, created_at, confirmed_at, comp_id) "
        "SELECT gen_random_uuid(), member_id, 'comp_deposit', amount, '0x' || repeat('ab', 32), $1, $2, 'confirmed', "
        "date_trunc('minute', now()), now(), id FROM comps",  # all in one moment: the id decides their order
        (RECIPIENT, wallet_driver.wallet.address),
    )
    wallet_driver.signed()


def pages(wallet_driver: WalletDriver, query: str) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    cursor = ""
    while True:
        body = wallet_driver.client.get(f"/v1/transactions?{query}{cursor}").body
        found.append(body["items"])
        if body["next_cursor"] is None:
            return found
        cursor = f"&cursor={body['next_cursor']}"


def test_the_history_is_read_page_by_page_each_line_once(wallet_driver: WalletDriver, sql: Connection) -> None:
    lived(wallet_driver, sql, 7)
    read = pages(wallet_driver, "limit=3")

    assert [len(page) for page in read] == [3, 3, 2]
    ids = [line["id"] for page in read for line in page]
    assert len(set(ids)) == 8
    assert read == pages(wallet_driver, "limit=3&filter=all")


def test_deposits_and_withdrawals_can_be_asked_for_alone(wallet_driver: WalletDriver, sql: Connection) -> None:
    lived(wallet_driver, sql, 2)
    (deposits,) = pages(wallet_driver, "filter=deposits")
    (taken,) = pages(wallet_driver, "filter=withdrawals")

    assert {(line["type"], line["direction"], line["status"]) for line in deposits} == {
        ("comp_deposit", "in", "confirmed")
    }
    (line,) = taken
    assert (line["type"], line["direction"], line["status"], line["amount"]) == ("withdrawal", "out", "pending", 25)
    assert (line["from_address"], line["to_address"]) == (wallet_driver.wallet.address, RECIPIENT)
    assert line["explorer_url"] == f"https://polygonscan.com/tx/{line['transaction_hash']}"
    assert line["withdrawal_id"] is not None
    assert all(line["comp_id"] for line in deposits)


def test_an_unknown_filter_or_cursor_is_refused(wallet_driver: WalletDriver) -> None:
    for query in ("filter=spent", "cursor=nonsense", f"cursor={uuid4()}"):
        assert refusal(wallet_driver.client.get(f"/v1/transactions?{query}")) == (422, "not-valid"), query


def test_withdrawals_are_listed_newest_first(wallet_driver: WalletDriver) -> None:
    made = []
    for amount in (1, 2, 3):
        made.append(wallet_driver.prepared(amount))
        wallet_driver.client.post(f"/v1/wallet/withdrawals/{made[-1]['id']}/cancel")
    first = wallet_driver.client.get("/v1/wallet/withdrawals?limit=2").body
    second = wallet_driver.client.get(f"/v1/wallet/withdrawals?limit=2&cursor={first['next_cursor']}").body

    assert [item["amount"] for item in first["items"] + second["items"]] == [3, 2, 1]
    assert second["next_cursor"] is None
