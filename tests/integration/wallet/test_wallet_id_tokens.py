"""The wallet that the provider has made is linked by its ID token: once, by its member, and never on a lie's word."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from eth_account import Account
from pg8000.dbapi import Connection

from emulators.vendor import Fault
from emulators.wallet_provider import Lie, WalletProviderStandIn, with_keys
from shared.credentials import totp
from shared.ports import kms
from shared.values.money import Usdt
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes.comp_records import award_guarantee
from tests.operations.wallet_links import link_wallet
from tests.rows import rows_of_all_tables

pytest_plugins = ["tests.fakes.wallet_provider_plugin"]

Client = Callable[..., FunctionClient]

PATH = "/v1/wallet/link"


@pytest.fixture
def somebody(database: str) -> Somebody:
    assert database
    return factories.member()


def connected(provider: WalletProviderStandIn, mine: FunctionClient) -> str:
    """The ID token that the member's app gets."""
    return provider.connect(mine.post("/v1/wallet/token").body["token"])


def linked(mine: FunctionClient, id_token: str, **more: str) -> Answer:
    return mine.post(PATH, {"id_token": id_token, **more})


def test_from_sign_up_a_member_has_a_wallet_and_what_waited_is_paid_to_it(
    client: Client, sql: Connection, provider: WalletProviderStandIn, somebody: Somebody
) -> None:
    award_guarantee(somebody, 0, Usdt(5_000_000))
    mine = client(somebody.token)
    done = linked(mine, connected(provider, mine))
    address = provider.wallet_of(str(somebody.id)).address

    assert (done.status, done.body) == (
        200, {"wallet_address": address, "comps_requested": 1, "comps_rest_until": None},
    )  # fmt: skip
    assert sql.execute_simple("SELECT recipient_address, amount FROM payouts").rows == [[address, 5_000_000]]
    assert sql.execute_simple("SELECT address, method FROM wallet_links").rows == [[address, "id_token"]]
    assert sql.execute_simple("SELECT member_id, address FROM wallet_id_tokens").rows == [[somebody.id, address]]
    told = "SELECT template, parameters ->> 'wallet_address' FROM mails WHERE template LIKE 'wallet%'"
    assert sql.execute_simple(told).rows == [["wallet_linked", address]]


def test_a_token_links_once(
    client: Client, sql: Connection, provider: WalletProviderStandIn, somebody: Somebody
) -> None:
    mine = client(somebody.token)
    token = connected(provider, mine)
    assert linked(mine, token).status == 200
    before = rows_of_all_tables(sql)
    again = linked(mine, token)
    assert (again.status, again.problem) == (409, "wallet-token-used")
    assert rows_of_all_tables(sql) == before
    assert linked(mine, connected(provider, mine)).status == 200


def test_the_same_request_again_has_the_same_answer(
    client: Client, sql: Connection, provider: WalletProviderStandIn, somebody: Somebody
) -> None:
    mine = client(somebody.token)
    body, key = {"id_token": connected(provider, mine)}, {"Idempotency-Key": "link"}
    first, again = mine.post(PATH, body, **key), mine.post(PATH, body, **key)
    assert (first.status, first.body) == (again.status, again.body)
    assert sql.execute_simple("SELECT count(*) FROM wallet_links").rows == [[1]]


def test_one_token_many_times_at_once_links_once(
    client: Client, sql: Connection, provider: WalletProviderStandIn, somebody: Somebody
) -> None:
    mine = client(somebody.token)
    token = connected(provider, mine)
    with ThreadPoolExecutor(8) as threads:
        outcomes = Counter(threads.map(lambda _: linked(mine, token).problem, range(8)))
    assert outcomes == {"": 1, "wallet-token-used": 7}
    assert sql.execute_simple("SELECT count(*) FROM wallet_links").rows == [[1]]


def test_somebody_elses_token_is_as_good_as_none(
    client: Client, sql: Connection, provider: WalletProviderStandIn, somebody: Somebody
) -> None:
    mine, thief = client(somebody.token), client(factories.member().token)
    token = connected(provider, mine)
    before = rows_of_all_tables(sql)
    stolen = linked(thief, token)
    assert (stolen.status, stolen.problem) == (422, "wallet-token-not-valid")
    assert rows_of_all_tables(sql) == before
    assert linked(mine, token).status == 200


TOLD = {
    Lie.UNSIGNED: "wallet-token-not-valid",
    Lie.SIGNED_WITH_PUBLIC_KEY: "wallet-token-not-valid",
    Lie.UNKNOWN_KEY: "wallet-token-not-valid",
    Lie.OTHER_PROJECT: "wallet-token-not-valid",
    Lie.OLD: "wallet-token-too-old",
    Lie.OTHER_CURVE: "wallet-key-missing",
}


def test_a_lie_links_nothing_and_is_told_apart(
    client: Client, sql: Connection, provider: WalletProviderStandIn, somebody: Somebody
) -> None:
    mine = client(somebody.token)
    tokens = {lie: provider.id_token(str(somebody.id), lie) for lie in TOLD}
    before = rows_of_all_tables(sql)
    for lie, problem in TOLD.items():
        refused = linked(mine, tokens[lie])
        assert (refused.status, refused.problem) == (422, problem), lie
    assert rows_of_all_tables(sql) == before


def test_a_treasurys_key_is_no_members_wallet(
    client: Client, sql: Connection, provider: WalletProviderStandIn, somebody: Somebody
) -> None:
    ((version,),) = sql.execute_simple("SELECT kms_version FROM signers LIMIT 1").rows
    key = load_pem_public_key(kms.public_key_pem(str(version)).encode())
    compressed = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint).hex()
    wallets = with_keys({}, {"public_key": compressed})["wallets"]
    before = rows_of_all_tables(sql)
    refused = linked(client(somebody.token), provider.id_token(str(somebody.id), wallets=wallets))
    assert (refused.status, refused.problem) == (422, "wallet-address-not-valid")
    assert rows_of_all_tables(sql) == before


def test_a_wallet_that_is_linked_elsewhere_stays_there(
    client: Client, sql: Connection, provider: WalletProviderStandIn, somebody: Somebody
) -> None:
    other, mine = client(factories.member().token), client(somebody.token)
    assert link_wallet(other, provider.wallet_of(str(somebody.id))).status == 200
    token = connected(provider, mine)
    before = rows_of_all_tables(sql)
    refused = linked(mine, token)
    assert (refused.status, refused.problem) == (409, "wallet-linked-elsewhere")
    assert rows_of_all_tables(sql) == before


def test_a_code_that_is_missing_or_wrong_does_not_use_the_token(
    client: Client, sql: Connection, provider: WalletProviderStandIn, somebody: Somebody
) -> None:
    secret, mine = factories.second_factor(somebody), client(somebody.token)
    assert link_wallet(mine, Account.create()).status == 200
    token, code = connected(provider, mine), totp.code(secret, totp.step_of(datetime.now(UTC)))
    assert linked(mine, token).problem == "second-factor-needed"
    assert linked(mine, token, code=f"{(int(code) + 1) % 10**6:06d}").problem == "second-factor-wrong"
    assert sql.execute_simple("SELECT count(*) FROM wallet_id_tokens").rows == [[0]]
    done = linked(mine, token, code=code)
    assert (done.status, done.body["comps_rest_until"] is not None) == (200, True)


def test_an_old_session_links_nothing(
    client: Client, sql: Connection, provider: WalletProviderStandIn, somebody: Somebody
) -> None:
    mine = client(somebody.token)
    token = connected(provider, mine)
    sql.execute_simple("UPDATE sessions SET created_at = created_at - interval '11 minutes'")
    before = rows_of_all_tables(sql)
    assert linked(mine, token).problem == "sign-in-again"
    assert rows_of_all_tables(sql) == before


def test_while_the_provider_is_down_a_challenge_links_and_the_token_may_come_again(
    client: Client,
    sql: Connection,
    provider: WalletProviderStandIn,
    somebody: Somebody,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.ports.wallet_provider.FAILURE_SECONDS", 0.0)
    mine, other = client(somebody.token), client(factories.member().token)
    body, key = {"id_token": connected(provider, mine)}, {"Idempotency-Key": "link"}
    before = rows_of_all_tables(sql)
    for fault, wait in ((Fault.INTERNAL_ERROR, "30"), (Fault.TOO_MANY_REQUESTS, "7"), (Fault.NONSENSE, "30")):
        provider.fail_next(1, fault)
        refused = mine.post(PATH, body, **key)
        assert (refused.status, refused.problem) == (409, "wallet-provider-unavailable"), fault
        assert refused.headers["Retry-After"] == wait
    assert rows_of_all_tables(sql) == before
    provider.fail_next(1, Fault.INTERNAL_ERROR)
    assert link_wallet(other, Account.create()).status == 200
    provider.mend()
    assert mine.post(PATH, body, **key).status == 200


def test_without_our_project_everybody_is_told_to_wait(
    client: Client, provider: WalletProviderStandIn, somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = provider.id_token(str(somebody.id))
    monkeypatch.delenv("WALLET_PROVIDER_CLIENT_ID")
    refused = linked(client(somebody.token), token)
    assert (refused.problem, refused.headers["Retry-After"]) == ("wallet-provider-unavailable", "300")


def test_the_providers_keys_may_change_between_two_members(
    client: Client, provider: WalletProviderStandIn, somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.ports.wallet_provider.UNKNOWN_KEY_SECONDS", 0.0)
    mine, other = client(somebody.token), client(factories.member().token)
    assert linked(mine, connected(provider, mine)).status == 200
    provider.rotate(drop=True)
    assert linked(other, connected(provider, other)).status == 200


def test_one_proof_is_needed_and_no_more(client: Client, provider: WalletProviderStandIn, somebody: Somebody) -> None:
    mine = client(somebody.token)
    token = provider.id_token(str(somebody.id))
    half: dict[str, object] = {"challenge_id": "0b5c6a3e-5c6e-4d0a-8a53-0d1f6a1b2c3d"}
    whole = half | {"signature": "0x" + "a1" * 65}
    bodies: list[dict[str, object]] = [
        {}, half, {"signature": "0x" + "a1" * 65}, whole | {"id_token": token}, half | {"id_token": token},
        {"id_token": None}, whole | {"signature": None}, {"id_token": "a.b"}, {"id_token": "x" * 9000}, {"id_token": 7},
    ]  # fmt: skip
    for body in bodies:
        refused = mine.post(PATH, body)
        assert (refused.status, refused.problem) == (422, "not-valid"), body
