"""Somebody signs up, gets a wallet, scans and is paid: no key is made, shown or read on the way."""

import json
from urllib.request import Request, urlopen

from emulators import people
from emulators.main_job import Played
from emulators.process import wait_until
from emulators.stack import Stack
from tests.e2e.conftest import Visitors, in_each_mode

PAID_SECONDS_MAX = 90.0
CONNECT_SECONDS_MAX = 10.0
GUARANTEE_MICRO = 5_000_000


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


def paid(person: people.Person) -> list[str]:
    return [comp["status"] for comp in person.client.must("GET", "/v1/users/me/comps")["items"]]
