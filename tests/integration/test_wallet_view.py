"""What the wallet holds, and what it has seen: from the chain when it answers, else what it said last."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from pg8000.dbapi import Connection

from shared import comps, db
from shared.comps import Award
from shared.money import Usdt
from shared.prizes import CompType
from tests import factories
from tests.fakes.wallet_desk import RECIPIENT, WalletDesk, new_wallet
from tests.integration.test_idempotency_replies import moved_clock
from tests.integration.test_withdrawal_prepare import refused
from tests.platform import USDT

pytest_plugins = ["tests.fakes.wallet_plugin"]


def view(desk: WalletDesk) -> dict[str, Any]:
    answer = desk.client.get("/v1/users/me/wallet")
    assert answer.status == 200, answer.body
    return dict(answer.body)


def win(desk: WalletDesk, amount: int, number: int) -> None:
    given = Award(desk.member.id, CompType.NEW_MEMBER_GUARANTEE, Usdt.of(amount), "guarantee", f"wallet:{number}", {})
    db.atomically(lambda tx: comps.award(tx, given, datetime.now(UTC)))


def test_the_balance_is_the_chains_with_the_block_that_it_was_read_at(desk: WalletDesk) -> None:
    shown = view(desk)

    assert (shown["balance"], shown["block_number"], shown["is_current"]) == (1000, 5, True)
    assert (shown["address"], shown["network"], shown["chain_id"], shown["token_address"]) == (
        desk.wallet.address, "polygon", 137, USDT,
    )  # fmt: skip
    assert shown["explorer_url"] == f"https://polygonscan.com/address/{desk.wallet.address}"


def test_what_is_won_and_not_paid_yet_is_pending(desk: WalletDesk, sql: Connection) -> None:
    for number, amount in enumerate((5, 100)):
        win(desk, amount, number)
    assert view(desk)["pending_comps"] == 105

    sql.execute_simple("UPDATE comps SET status = 'paid', paid_at = now() WHERE amount = 5000000")
    assert view(desk)["pending_comps"] == 100


def test_while_the_chain_is_silent_it_is_what_was_read_last(desk: WalletDesk, tmp_path: Path) -> None:
    desk.nodes.silent = True
    never = view(desk)
    assert (never["balance"], never["block_number"], never["as_of"], never["is_current"]) == (None, None, None, False)

    desk.nodes.silent = False
    read = view(desk)
    desk.nodes.silent = True
    with moved_clock(tmp_path, timedelta(minutes=5)):
        later = view(desk)
    assert later == read | {"is_current": False}


def test_what_another_wallet_held_is_not_shown_for_this_one(desk: WalletDesk, sql: Connection) -> None:
    view(desk)
    other = new_wallet().address
    sql.execute_unnamed("UPDATE members SET wallet_address = $1 WHERE id = $2", (other, desk.member.id))
    desk.nodes.silent = True

    assert view(desk)["balance"] is None


def test_looking_often_writes_seldom(desk: WalletDesk, sql: Connection, tmp_path: Path) -> None:
    view(desk)
    before = sql.execute_simple("SELECT xmin::text FROM wallet_balances").rows
    for _ in range(3):
        view(desk)
    assert sql.execute_simple("SELECT xmin::text FROM wallet_balances").rows == before
    desk.chain.mint(desk.wallet.address, 1)
    assert view(desk)["balance"] == 1000.000001
    with moved_clock(tmp_path, timedelta(minutes=2)):
        view(desk)
    assert sql.execute_simple("SELECT balance FROM wallet_balances WHERE as_of > now() + interval '1 minute'").rows == [
        [1_000_000_001]
    ]


def test_without_a_wallet_it_says_so_and_what_waits_for_one(desk: WalletDesk) -> None:
    desk.member = factories.member()
    desk.client.token = desk.member.token
    win(desk, 5, 1)
    answer = desk.client.get("/v1/users/me/wallet")

    assert refused(answer) == (409, "wallet-not-linked")
    assert answer.body["pending_comps"] == 5


def lived(desk: WalletDesk, sql: Connection, deposits: int) -> None:
    """Comps that came in, one withdrawal that is under way."""
    for number in range(deposits):
        win(desk, number + 1, number)
    sql.execute_unnamed(
        "INSERT INTO wallet_transactions (id, member_id, type, amount, transaction_hash, from_address, to_address, "
        "status, created_at, confirmed_at, comp_id) "
        "SELECT gen_random_uuid(), member_id, 'comp_deposit', amount, '0x' || repeat('ab', 32), $1, $2, 'confirmed', "
        "date_trunc('minute', now()), now(), id FROM comps",  # all in one moment: the id decides their order
        (RECIPIENT, desk.wallet.address),
    )
    desk.signed()


def pages(desk: WalletDesk, query: str) -> list[list[dict[str, Any]]]:
    found: list[list[dict[str, Any]]] = []
    cursor = ""
    while True:
        body = desk.client.get(f"/v1/transactions?{query}{cursor}").body
        found.append(body["items"])
        if body["next_cursor"] is None:
            return found
        cursor = f"&cursor={body['next_cursor']}"


def test_the_history_is_read_page_by_page_each_line_once(desk: WalletDesk, sql: Connection) -> None:
    lived(desk, sql, 7)
    read = pages(desk, "limit=3")

    assert [len(page) for page in read] == [3, 3, 2]
    ids = [line["id"] for page in read for line in page]
    assert len(set(ids)) == 8
    assert read == pages(desk, "limit=3&filter=all")


def test_deposits_and_withdrawals_can_be_asked_for_alone(desk: WalletDesk, sql: Connection) -> None:
    lived(desk, sql, 2)
    (deposits,) = pages(desk, "filter=deposits")
    (taken,) = pages(desk, "filter=withdrawals")

    assert {(line["type"], line["direction"], line["status"]) for line in deposits} == {
        ("comp_deposit", "in", "confirmed")
    }
    (line,) = taken
    assert (line["type"], line["direction"], line["status"], line["amount"]) == ("withdrawal", "out", "pending", 25)
    assert (line["from_address"], line["to_address"]) == (desk.wallet.address, RECIPIENT)
    assert line["explorer_url"] == f"https://polygonscan.com/tx/{line['transaction_hash']}"
    assert line["withdrawal_id"] is not None
    assert all(line["comp_id"] for line in deposits)


def test_an_unknown_filter_or_cursor_is_refused(desk: WalletDesk) -> None:
    for query in ("filter=spent", "cursor=nonsense", f"cursor={uuid4()}"):
        assert refused(desk.client.get(f"/v1/transactions?{query}")) == (422, "not-valid"), query


def test_withdrawals_are_listed_newest_first(desk: WalletDesk) -> None:
    made = []
    for amount in (1, 2, 3):
        made.append(desk.prepared(amount))
        desk.client.post(f"/v1/wallet/withdrawals/{made[-1]['id']}/cancel")
    first = desk.client.get("/v1/wallet/withdrawals?limit=2").body
    second = desk.client.get(f"/v1/wallet/withdrawals?limit=2&cursor={first['next_cursor']}").body

    assert [item["amount"] for item in first["items"] + second["items"]] == [3, 2, 1]
    assert second["next_cursor"] is None
