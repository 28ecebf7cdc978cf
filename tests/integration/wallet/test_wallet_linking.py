"""Linking a wallet: only with its own key's signature over a live challenge of one's own, and one member per wallet."""

import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from uuid import uuid4

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import PrivateKey
from pg8000.dbapi import Connection

from shared.ports.kms import SECP256K1_ORDER
from shared.values.money import Usdt
from tests import factories
from tests.client import FunctionClient
from tests.clock import moved_clock
from tests.fakes.comp_records import award_guarantee
from tests.fakes.week_rows import Weeks
from tests.operations.wallet_links import Challenge, answer_challenge, ask_for_challenge
from tests.platform import USDT
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

LIFE = timedelta(minutes=10)
ZERO = "00" * 32


def linked(sql: Connection) -> list[str]:
    rows = sql.execute_simple("SELECT wallet_address FROM members WHERE wallet_address IS NOT NULL").rows
    return [str(address) for (address,) in rows]


@pytest.fixture
def wallet() -> LocalAccount:
    made: LocalAccount = Account.create()
    return made


def test_the_key_that_signs_the_challenge_has_its_wallet_linked(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    member = client(factories.member().token)
    asked = ask_for_challenge(member, wallet)
    done = answer_challenge(member, asked, asked.signed(wallet))
    assert (done.status, done.body) == (
        200, {"wallet_address": wallet.address, "comps_requested": 0, "comps_rest_until": None},
    )  # fmt: skip
    assert linked(sql) == [wallet.address]
    assert sql.execute_simple("SELECT address, method FROM wallet_links").rows == [[wallet.address, "eip191"]]
    assert member.get("/v1/users/me").body["wallet_address"] == wallet.address


def test_the_message_says_what_is_signed_and_for_how_long(client: Client, wallet: LocalAccount) -> None:
    """ERC-4361: domain, address, chain, nonce, times; and whose account it is."""
    member = client(factories.member().token)
    made = member.post("/v1/wallet/challenge", {"address": wallet.address.lower()}).body
    lines = made["message"].splitlines()
    assert lines[0] == "blakjaks.com wants you to sign in with your Ethereum account:"
    assert lines[1] == wallet.address
    assert "member BJ-0001-ST" in lines[3]
    assert {"URI: https://blakjaks.com", "Version: 1", "Chain ID: 137"} <= set(lines)
    assert f"Expiration Time: {made['expires_at']}" in lines
    assert re.search(r"^Nonce: [0-9a-f]{32}$", made["message"], re.MULTILINE)
    assert ask_for_challenge(member, wallet).message != made["message"]


def test_another_keys_signature_links_nothing(client: Client, sql: Connection, wallet: LocalAccount) -> None:
    member = client(factories.member().token)
    asked, other = ask_for_challenge(member, wallet), ask_for_challenge(member, wallet)
    stranger: LocalAccount = Account.create()
    before = rows_of_all_tables(sql)
    signatures = {
        "by another key": asked.signed(stranger),
        "over another challenge": other.signed(wallet),
        "over the message with a space": Challenge("", f"{asked.message} ").signed(wallet),
        "over the bare text": PrivateKey(wallet.key).sign_msg(asked.message.encode()).to_hex(),
        "as typed data": Account.sign_message(
            encode_typed_data({"name": "x"}, {"M": [{"name": "m", "type": "string"}]}, {"m": asked.message}), wallet.key
        ).signature.to_0x_hex(),
    }
    for name, signature in signatures.items():
        refused = answer_challenge(member, asked, signature)
        assert (refused.status, refused.problem) == (422, "wallet-signature-not-valid"), name
    assert rows_of_all_tables(sql) == before


def test_a_malformed_signature_is_refused_whatever_its_numbers(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    member = client(factories.member().token)
    asked = ask_for_challenge(member, wallet)
    right = asked.signed(wallet).removeprefix("0x")
    r, s = right[:64], right[64:128]
    order, above = f"{SECP256K1_ORDER:064x}", f"{SECP256K1_ORDER + 1:064x}"
    numbers = [ZERO, order, above, "ff" * 32, f"{1:064x}", f"{SECP256K1_ORDER - 1:064x}", f"{5:064x}"]
    cases = [f"{left}{right_}{v}" for left in numbers for right_ in numbers for v in ("00", "01", "1b", "1c")]
    cases += [f"{number}{s}1b" for number in numbers] + [f"{r}{number}1c" for number in numbers]
    cases += [f"{r}{s}{v:02x}" for v in (2, 3, 4, 26, 29, 30, 34)]
    before = rows_of_all_tables(sql)
    for case in cases:
        refused = answer_challenge(member, asked, f"0x{case}")
        assert (refused.status, refused.problem) == (422, "wallet-signature-not-valid"), case
    assert rows_of_all_tables(sql) == before


def test_a_challenge_is_answered_once(client: Client, sql: Connection, wallet: LocalAccount) -> None:
    member = client(factories.member().token)
    asked = ask_for_challenge(member, wallet)
    assert answer_challenge(member, asked, asked.signed(wallet)).status == 200
    before = rows_of_all_tables(sql)
    again = answer_challenge(member, asked, asked.signed(wallet))
    assert (again.status, again.problem) == (422, "wallet-challenge-not-valid")
    assert rows_of_all_tables(sql) == before


def test_a_challenge_expires(client: Client, sql: Connection, wallet: LocalAccount, tmp_path: Path) -> None:
    member = client(factories.member().token)
    asked = ask_for_challenge(member, wallet)
    with moved_clock(tmp_path, LIFE + timedelta(seconds=1)):
        refused = answer_challenge(member, asked, asked.signed(wallet))
    assert (refused.status, refused.problem) == (422, "wallet-challenge-not-valid")
    assert linked(sql) == []
    with moved_clock(tmp_path, LIFE - timedelta(seconds=20)):
        assert answer_challenge(member, asked, asked.signed(wallet)).status == 200


def test_somebody_elses_challenge_is_as_good_as_none(client: Client, sql: Connection, wallet: LocalAccount) -> None:
    owner, thief = client(factories.member().token), client(factories.member().token)
    asked = ask_for_challenge(owner, wallet)
    stolen = answer_challenge(thief, asked, asked.signed(wallet))
    unknown = answer_challenge(thief, Challenge(str(uuid4()), asked.message), asked.signed(wallet))
    assert (stolen.status, str(stolen.body)) == (unknown.status, str(unknown.body))
    assert stolen.problem == "wallet-challenge-not-valid"
    assert linked(sql) == []


def test_a_wallet_belongs_to_one_member_whatever_its_capitals(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    first, second = client(factories.member().token), client(factories.member().token)
    mine = ask_for_challenge(first, wallet)
    answer_challenge(first, mine, mine.signed(wallet))
    sql.execute_simple("UPDATE members SET wallet_address = lower(wallet_address)")
    theirs = ask_for_challenge(second, wallet)
    before = rows_of_all_tables(sql)
    refused = answer_challenge(second, theirs, theirs.signed(wallet))
    assert (refused.status, refused.problem) == (409, "wallet-linked-elsewhere")
    assert rows_of_all_tables(sql) == before


def test_of_members_who_link_one_wallet_at_once_one_has_it(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    members = [client(factories.member().token) for _ in range(8)]
    asked = [ask_for_challenge(member, wallet) for member in members]
    together = Barrier(len(members))

    def link(position: int) -> str:
        signature = asked[position].signed(wallet)
        together.wait()
        done = members[position].post(
            "/v1/wallet/link",
            {"challenge_id": asked[position].id, "signature": signature},
            **({"Idempotency-Key": f"link-{position}"} if position % 2 else {}),
        )
        return done.problem

    with ThreadPoolExecutor(len(members)) as threads:
        outcomes = Counter(threads.map(link, range(len(members))))

    assert outcomes == {"": 1, "wallet-linked-elsewhere": len(members) - 1}
    assert linked(sql) == [wallet.address]
    assert sql.execute_simple("SELECT count(*) FROM wallet_links").rows == [[1]]
    assert sql.execute_simple("SELECT count(*) FROM wallet_challenges WHERE used_at IS NOT NULL").rows == [[1]]


def test_one_challenge_answered_many_times_at_once_links_once(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    member = client(factories.member().token)
    asked = ask_for_challenge(member, wallet)
    signature = asked.signed(wallet)
    with ThreadPoolExecutor(8) as threads:
        outcomes = Counter(threads.map(lambda _: answer_challenge(member, asked, signature).problem, range(8)))
    assert outcomes == {"": 1, "wallet-challenge-not-valid": 7}
    assert sql.execute_simple("SELECT count(*) FROM wallet_links").rows == [[1]]


def test_a_member_may_change_to_another_wallet(client: Client, sql: Connection, wallet: LocalAccount) -> None:
    member = client(factories.member().token)
    other: LocalAccount = Account.create()
    for chosen in (wallet, other, wallet):
        asked = ask_for_challenge(member, chosen)
        assert answer_challenge(member, asked, asked.signed(chosen)).body["wallet_address"] == chosen.address
    assert linked(sql) == [wallet.address]
    history = sql.execute_simple("SELECT address FROM wallet_links ORDER BY id").rows
    assert [address for (address,) in history] == [wallet.address, other.address, wallet.address]


def test_comps_that_waited_are_paid_once_the_wallet_is_linked(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    somebody, other = factories.member(), factories.member()
    for number, micro in enumerate((5_000_000, 100_000_000, 1)):
        award_guarantee(somebody, number, Usdt(micro))
    award_guarantee(somebody, 99, Usdt(0))  # a trip has no amount
    award_guarantee(other, 0, Usdt(7_000_000))
    member = client(somebody.token)
    asked = ask_for_challenge(member, wallet)

    done = answer_challenge(member, asked, asked.signed(wallet))

    assert done.body["comps_requested"] == 3
    payouts = sql.execute_simple("SELECT recipient_address, amount FROM payouts ORDER BY amount").rows
    assert payouts == [[wallet.address, 1], [wallet.address, 5_000_000], [wallet.address, 100_000_000]]

    again = ask_for_challenge(member, wallet)
    assert answer_challenge(member, again, again.signed(wallet)).body["comps_requested"] == 0
    assert sql.execute_simple("SELECT count(*) FROM payouts").rows == [[3]]


def test_what_an_affiliate_is_owed_is_paid_when_a_wallet_is_linked_and_not_when_it_is_linked_again(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    somebody, weeks = factories.member(), Weeks(sql)
    member = client(somebody.token)
    for _ in range(2):
        weeks.earn(somebody, Usdt.of(100))
        asked = ask_for_challenge(member, wallet)
        assert answer_challenge(member, asked, asked.signed(wallet)).status == 200
    assert weeks.payouts() == [(somebody.id, "requested", 21_000_000)]


def test_a_comp_that_is_won_while_the_wallet_is_being_linked_is_paid_once(
    client: Client, sql: Connection, wallet: LocalAccount
) -> None:
    somebody = factories.member()
    member = client(somebody.token)
    asked = ask_for_challenge(member, wallet)
    signature = asked.signed(wallet)
    together = Barrier(9)

    def act(number: int) -> None:
        together.wait()
        if number:
            award_guarantee(somebody, number, Usdt(1_000_000))
        else:
            assert answer_challenge(member, asked, signature).status == 200

    with ThreadPoolExecutor(9) as threads:
        list(threads.map(act, range(9)))
    found = sql.execute_simple("SELECT count(*), count(DISTINCT source_id) FROM payouts").rows
    assert found == [[8, 8]]


def test_addresses_that_are_none_of_a_members_are_refused(client: Client, sql: Connection) -> None:
    member = client(factories.member().token)
    treasury = str(sql.execute_simple("SELECT address FROM signers LIMIT 1").rows[0][0])
    before = rows_of_all_tables(sql)
    addresses = {
        "the zero address": "0x" + "0" * 40,
        "the token": USDT,
        "the token in small letters": USDT.lower(),
        "a treasury": treasury,
        "a treasury in small letters": treasury.lower(),
        "a wrong checksum": "0x52908400098527886E0F7030069857D2E4169Ee7",
    }
    for name, address in addresses.items():
        refused = member.post("/v1/wallet/challenge", {"address": address})
        assert (refused.status, refused.problem) == (422, "wallet-address-not-valid"), name
    assert rows_of_all_tables(sql) == before
