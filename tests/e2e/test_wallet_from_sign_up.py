"""Somebody signs up, gets a wallet, scans and is paid, and sees what others send: no key is made, shown or read."""

import json
from http import HTTPStatus
from urllib.request import Request, urlopen

from eth_account import Account

from emulators import people, scheduler
from emulators.main_job import Played
from emulators.process import wait_until
from emulators.stack import FINAL_BLOCKS, Stack
from tests.e2e.conftest import Visitors, in_each_mode

PAID_SECONDS_MAX = 90.0
CONNECT_SECONDS_MAX = 10.0
GUARANTEE_MICRO = 5_000_000
SENT_MICRO = 3_000_000


def connected(stack: Stack, token: str) -> str:
    """The ID token that the wallet provider gives the app."""
    request = Request(  # noqa: S310 - the stack's own
        f"{stack.vendors.wallets.url}/v1/connect",
        json.dumps({"token": token}).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=CONNECT_SECONDS_MAX) as answer:  # noqa: S310 - likewise
        return str(json.loads(answer.read())["id_token"])


@in_each_mode
def test_a_member_has_a_wallet_from_sign_up_and_is_paid_into_it(
    stack: Stack, played: Played, visitors: Visitors
) -> None:
    person = visitors.join("Nova Newcomer")
    token = person.client.must("POST", "/v1/wallet/token")["token"]
    body = {"id_token": connected(stack, token)}
    address = person.client.must("POST", "/v1/wallet/link", body)["wallet_address"]
    again = person.client.post("/v1/wallet/link", body)
    assert (again.status, again.body["type"]) == (409, "/problems/wallet-token-used")

    scanned = person.client.must("POST", "/v1/scans/submit", {"code": played.spare_codes.pop()})
    assert scanned["success"] is True
    wait_until(lambda: stack.chain.balance_of(address) >= GUARANTEE_MICRO, "the guarantee", PAID_SECONDS_MAX)
    wait_until(lambda: paid(person) == ["paid"], "the comp", PAID_SECONDS_MAX)
    view = person.client.must("GET", "/v1/users/me/wallet")
    assert (view["address"], view["balance"], view["pending_comps"]) == (address, 5, 0)

    watch(stack)  # it begins with the newest block of its first look
    stranger = Account.create()
    stack.chain.fund_gas(stranger.address, 10**18)
    stack.chain.mint(stranger.address, SENT_MICRO)
    stack.chain.send_usdt(stranger, address, SENT_MICRO)
    for _ in range(2):
        watch(stack)
    history = person.client.must("GET", "/v1/transactions")["items"]
    assert sorted((it["type"], it["amount"], it["status"]) for it in history) == [
        ("comp_deposit", 5, "confirmed"),
        ("external_deposit", 3, "confirmed"),
    ]
    told = [it["title"] for it in person.client.must("GET", "/v1/notifications")["items"]]
    assert told.count("$3 USDT came into your wallet") == 1


def watch(stack: Stack) -> None:
    """Make what is on the chain final, and have it looked at now instead of within a minute."""
    stack.chain.mine(FINAL_BLOCKS)
    url, token = stack.function_url("wallet_watch"), stack.token("wallet_watch")
    assert scheduler.call(url, "sweep", token) == HTTPStatus.NO_CONTENT


def paid(person: people.Person) -> list[str]:
    return [comp["status"] for comp in person.client.must("GET", "/v1/users/me/comps")["items"]]
