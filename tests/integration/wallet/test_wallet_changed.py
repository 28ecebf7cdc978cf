"""Another wallet takes a fresh proof of identity, is told to its owner, and gets no comps for a day."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from pg8000.dbapi import Connection

from functions.withdrawal_confirm import rested
from shared import clock
from shared.credentials import totp
from shared.values.money import Usdt
from tests import factories
from tests.client import Answer, FunctionClient
from tests.clock import moved_clock
from tests.factories import Somebody
from tests.fakes.comp_records import award_guarantee
from tests.fakes.wallet_driver import WalletDriver
from tests.operations.wallet_links import ask_for_challenge, link_wallet
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_plugin"]

Client = Callable[..., FunctionClient]
DAY = timedelta(hours=24)


def paid_to(sql: Connection) -> list[str]:
    rows = sql.execute_simple("SELECT recipient_address FROM payouts ORDER BY requested_at, id").rows
    return [str(address) for (address,) in rows]


def told(sql: Connection) -> list[list[Any]]:
    rows: list[list[Any]] = sql.execute_simple(
        "SELECT template, parameters ->> 'wallet_address' FROM mails ORDER BY queued_at"
    ).rows
    assert len(sql.execute_simple("SELECT FROM notifications WHERE type = 'system'").rows) == len(rows)
    return rows


@pytest.fixture
def somebody(database: str) -> Somebody:
    assert database
    return factories.member()


def test_an_old_session_links_nothing(client: Client, sql: Connection, somebody: Somebody) -> None:
    mine, first = client(somebody.token), Account.create()
    assert link_wallet(mine, first).status == 200
    sql.execute_simple("UPDATE sessions SET created_at = created_at - interval '11 minutes'")
    asked = ask_for_challenge(mine, other := Account.create())
    before = rows_of_all_tables(sql)

    answer = mine.post("/v1/wallet/link", {"challenge_id": asked.id, "signature": asked.signed(other)})
    assert (answer.status, answer.problem) == (403, "sign-in-again")
    assert rows_of_all_tables(sql) == before


def test_another_wallet_takes_a_code_of_whoever_has_an_app(client: Client, sql: Connection, somebody: Somebody) -> None:
    secret = factories.second_factor(somebody)
    mine, first, other = client(somebody.token), Account.create(), Account.create()
    assert link_wallet(mine, first).status == 200

    assert link_wallet(mine, other).problem == "second-factor-needed"
    code = totp.code(secret, totp.step_of(datetime.now(UTC)))
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert link_wallet(mine, other, wrong).problem == "second-factor-wrong"
    assert sql.execute_simple("SELECT failures FROM second_factors").rows == [[1]]
    assert sql.execute_simple("SELECT wallet_address FROM members").rows == [[first.address]]
    assert link_wallet(mine, other, code).status == 200
    assert link_wallet(mine, Account.create(), code).problem == "second-factor-used"


def test_its_owner_is_told_in_the_app_and_by_mail(client: Client, sql: Connection, somebody: Somebody) -> None:
    mine, first, other = client(somebody.token), Account.create(), Account.create()
    for wallet in (first, first, other):
        assert link_wallet(mine, wallet).status == 200

    assert told(sql) == [
        ["wallet_linked", first.address],
        ["wallet_replaced", other.address],
    ]
    assert sql.execute_simple("SELECT DISTINCT to_email FROM mails").rows == [[somebody.email]]


def test_comps_rest_a_day_before_they_go_to_it(
    client: Client, sql: Connection, somebody: Somebody, tmp_path: Path
) -> None:
    mine, first, other = client(somebody.token), Account.create(), Account.create()
    link_wallet(mine, first)
    award_guarantee(somebody, 1, Usdt.of(5))
    answer = link_wallet(mine, other).body
    award_guarantee(somebody, 2, Usdt.of(6))

    assert answer["comps_requested"] == 0
    left = datetime.fromisoformat(answer["comps_rest_until"]) - clock.now()
    assert timedelta(hours=23, minutes=59) < left <= DAY
    rested.pay(clock.now())
    assert paid_to(sql) == [first.address]
    assert link_wallet(mine, other).body["comps_requested"] == 0  # the same wallet once more hurries nothing
    with moved_clock(tmp_path, DAY + timedelta(seconds=1)):
        for _ in range(2):
            rested.pay(clock.now())
        award_guarantee(somebody, 3, Usdt.of(7))
    assert paid_to(sql) == [first.address, other.address, other.address]


def test_who_links_the_old_one_again_in_time_loses_nothing(
    client: Client, sql: Connection, somebody: Somebody, tmp_path: Path
) -> None:
    mine, own, thiefs = client(somebody.token), Account.create(), Account.create()
    link_wallet(mine, own)
    link_wallet(mine, thiefs)
    award_guarantee(somebody, 1, Usdt.of(100))
    assert link_wallet(mine, own).status == 200
    with moved_clock(tmp_path, DAY + timedelta(minutes=1)):
        rested.pay(clock.now())

    assert paid_to(sql) == [own.address]


def test_one_who_cannot_be_served_keeps_nobody_waiting(
    client: Client, sql: Connection, somebody: Somebody, tmp_path: Path
) -> None:
    other = factories.member()
    for each in (somebody, other):
        link_wallet(client(each.token), Account.create())
        link_wallet(client(each.token), Account.create())
        award_guarantee(each, 1, Usdt.of(5))
    sql.execute_simple("ALTER TABLE payouts ADD CONSTRAINT broken CHECK (member_id <> "
                       f"'{somebody.id}') NOT VALID")  # fmt: skip
    with moved_clock(tmp_path, DAY + timedelta(minutes=1)):
        with pytest.raises(ExceptionGroup):
            rested.pay(clock.now())
        assert len(paid_to(sql)) == 1
        sql.execute_simple("ALTER TABLE payouts DROP CONSTRAINT broken")
        rested.pay(clock.now())
    assert len(paid_to(sql)) == 2


def test_the_schema_lets_no_payout_go_to_a_wallet_that_rests(
    client: Client, sql: Connection, somebody: Somebody
) -> None:
    mine, first, other = client(somebody.token), Account.create(), Account.create()
    link_wallet(mine, first)
    award_guarantee(somebody, 1, Usdt.of(5))
    sql.execute_unnamed("UPDATE members SET wallet_address = $1, updated_at = now()", (other.address,))
    with pytest.raises(Exception, match="wallet_rests"):
        sql.execute_unnamed(
            "INSERT INTO payouts (id, treasury, member_id, scope, idempotency_key, body_hash, source_kind, source_id, "
            "recipient_address, amount, requested_at, state_at) SELECT gen_random_uuid(), treasury, member_id, scope, "
            "'x', body_hash, 'comp', 'x', $1, amount, requested_at, state_at FROM payouts",
            (other.address,),
        )


def test_the_wallet_says_until_when_comps_rest(wallet_driver: WalletDriver) -> None:
    assert wallet_driver.client.get("/v1/users/me/wallet").body["comps_rest_until"] is None
    link_wallet(wallet_driver.client, Account.create())
    assert wallet_driver.client.get("/v1/users/me/wallet").body["comps_rest_until"] is not None


def test_withdrawing_takes_a_code_of_whoever_has_an_app(wallet_driver: WalletDriver, sql: Connection) -> None:
    secret = factories.second_factor(wallet_driver.member)
    assert wallet_driver.ask().problem == "second-factor-needed"
    code = totp.code(secret, totp.step_of(datetime.now(UTC)))
    order = {"to_address": "0x8617E340B3D01FA5F11F306F4090FD50E238070D", "amount": 25}
    wrong = order | {"code": f"{(int(code) + 1) % 10**6:06d}"}
    assert (
        wallet_driver.client.post("/v1/wallet/withdraw", wrong, **{"Idempotency-Key": "a"}).problem
        == "second-factor-wrong"
    )
    assert sql.execute_simple("SELECT count(*) FROM withdrawals").rows == [[0]]
    assert sql.execute_simple("SELECT failures FROM second_factors").rows == [[1]]

    answer = wallet_driver.client.post("/v1/wallet/withdraw", order | {"code": code}, **{"Idempotency-Key": "b"})
    assert answer.status == 201


def test_another_email_address_takes_a_code_of_whoever_has_an_app(
    client: Client, sql: Connection, somebody: Somebody
) -> None:
    secret = factories.second_factor(somebody)
    mine = client(somebody.token)
    name = mine.get("/v1/users/me").body["username"]
    code = totp.code(secret, totp.step_of(datetime.now(UTC)))

    def change(revision: int, **said: object) -> Answer:
        body = {"username": name, "full_name": "Ada B", "email": "new@example.com", **said}
        headers = {"Content-Type": "application/json", "If-Match": f'"{revision}"'}
        return mine.send("PUT", "/v1/users/me/profile", json.dumps(body).encode(), headers)

    assert change(1).problem == "second-factor-needed"
    assert change(1, code=f"{(int(code) + 1) % 10**6:06d}").problem == "second-factor-wrong"
    assert sql.execute_simple("SELECT full_name FROM members").rows == [["Test Member"]]
    assert change(1, email=somebody.email).status == 200  # nothing but the name: no code is asked for
    assert change(2, code=code).body["pending_email"] == "new@example.com"
