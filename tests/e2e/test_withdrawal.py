"""A member withdraws: asks, signs with the wallet's own key, hands in, and hears when it is final. On real parts."""

from uuid import uuid4

from eth_account import Account

from emulators import people
from emulators.process import wait_until
from emulators.stack import Stack
from tests import openapi
from tests.e2e.conftest import Visitors, in_each_mode
from tests.fakes.wallet_driver import sign

FUNDS = 100_000_000
GAS_WEI = 10**18
FINAL_SECONDS_MAX = 60.0


@in_each_mode
def test_what_a_member_signs_leaves_the_wallet_and_is_told_when_it_is_final(stack: Stack, visitors: Visitors) -> None:
    person = visitors.join("Wendy Withdraw")
    wallet = Account.create()
    people.link_wallet(person, wallet)
    stack.chain.mint(wallet.address, FUNDS)
    stack.chain.fund_gas(wallet.address, GAS_WEI)
    recipient = Account.create().address

    seen = person.client.must("GET", "/v1/users/me/wallet")
    assert (seen["address"], seen["balance"] >= 100, seen["is_current"]) == (wallet.address, True, True)
    made = person.client.must("POST", "/v1/wallet/withdraw", {"to_address": recipient, "amount": 25.25})
    path = f"/v1/wallet/withdrawals/{made['id']}"
    body = {"signed_transaction": sign(made["transaction"], wallet)}
    kept = person.client.must("POST", f"{path}/broadcast", body, key=str(uuid4()))
    wait_until(lambda: person.client.must("GET", path)["status"] == "confirmed", "the withdrawal", FINAL_SECONDS_MAX)

    assert stack.chain.balance_of(recipient) == 25_250_000
    (out,) = person.client.must("GET", "/v1/transactions?filter=withdrawals")["items"]
    assert (out["transaction_hash"], out["status"], out["amount"]) == (kept["transaction_hash"], "confirmed", 25.25)
    titles = [note["title"] for note in person.client.must("GET", "/v1/notifications?limit=100")["items"]]
    assert titles.count("Your withdrawal of $25.25 USDT is complete") == 1
    wait_until(lambda: mailed(stack, person.email) == 1, "the mail", FINAL_SECONDS_MAX)


@in_each_mode
def test_what_a_wallet_sends_by_itself_is_told_and_followed(stack: Stack, visitors: Visitors) -> None:
    person = visitors.join("Bree Browser")
    wallet = Account.create()
    people.link_wallet(person, wallet)
    stack.chain.mint(wallet.address, FUNDS)
    stack.chain.fund_gas(wallet.address, GAS_WEI)
    recipient = Account.create().address

    made = person.client.must("POST", "/v1/wallet/withdraw", {"to_address": recipient, "amount": 12.5})
    raised = {"maxFeePerGas": 2 * made["transaction"]["max_fee_per_gas"]}
    sent = stack.chain.rpc("eth_sendRawTransaction", [sign(made["transaction"], wallet, **raised)])
    path = f"/v1/wallet/withdrawals/{made['id']}"
    kept = person.client.must("POST", f"{path}/sent", {"transaction_hash": sent}, key=str(uuid4()))
    assert (kept["status"], kept["transaction_hash"]) == ("signed", sent)
    wait_until(lambda: person.client.must("GET", path)["status"] == "confirmed", "the withdrawal", FINAL_SECONDS_MAX)

    assert stack.chain.balance_of(recipient) == 12_500_000


def mailed(stack: Stack, email: str) -> int:
    subjects = [mail["subject"] for mail in people.mails_to(stack, email)]
    return subjects.count("Your withdrawal of $25.25 USDT is complete")


@in_each_mode
def test_the_spend_cards_token_comes_from_oobit(stack: Stack, visitors: Visitors) -> None:
    person = visitors.join("Carla Card")
    answer = person.client.post("/v1/oobit/create-token")
    openapi.check("POST", "/v1/oobit/create-token", answer.status, answer.headers, answer.body)

    assert answer.body["token"] in stack.oobit.tokens
