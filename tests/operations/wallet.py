"""One example request for each operation on wallets, withdrawals and cards, in a function of its name."""

from typing import Any
from uuid import uuid4

from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from tests import factories
from tests.client import FunctionClient
from tests.fakes import order_rows, usdt_rows, wallet_driver
from tests.fakes.wallet_driver import RECIPIENT, new_wallet
from tests.fakes.wallets import chain_of_port
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def create_wallet_token(scene: Scene) -> Request:
    return Request(scene.member(), "/v1/wallet/token")


def challenge(scene: Scene) -> Request:
    wallets = [{"address": Account.create().address} for _ in range(2)]
    return as_json(scene.member(), "/v1/wallet/challenge", *wallets)


def link(scene: Scene) -> Request:
    member, wallet = scene.member(), Account.create()
    asked = member.post("/v1/wallet/challenge", {"address": wallet.address}).body
    signature = wallet.sign_message(encode_defunct(text=asked["message"])).signature.to_0x_hex()
    body = {"challenge_id": asked["challenge_id"], "signature": signature}
    return as_json(member, "/v1/wallet/link", body, body | {"challenge_id": str(uuid4())})


def withdraw(scene: Scene) -> Request:
    member = scene.client(factories.member(wallet=new_wallet().address).token)
    body = {"to_address": RECIPIENT, "amount": 25}
    return as_json(member, "/v1/wallet/withdraw", body, body | {"amount": 26})


def prepare_order_payment(scene: Scene) -> Request:
    order_rows.counted(10_000)
    who = factories.member(wallet=new_wallet().address)
    body = {"order_id": str(usdt_rows.waiting(who))}
    return as_json(scene.client(who.token), "/v1/wallet/order-payments", body, {"order_id": str(uuid4())})


def prepared_withdrawal(scene: Scene, wallet: LocalAccount) -> tuple[FunctionClient, dict[str, Any]]:
    member = scene.client(factories.member(wallet=wallet.address).token)
    body = {"to_address": RECIPIENT, "amount": 25}
    return member, member.post("/v1/wallet/withdraw", body, **{"Idempotency-Key": "prepare"}).body


def broadcast_withdrawal(scene: Scene) -> Request:
    wallet = new_wallet()
    member, made = prepared_withdrawal(scene, wallet)
    body = {"signed_transaction": wallet_driver.sign(made["transaction"], wallet)}
    path = f"/v1/wallet/withdrawals/{made['id']}/broadcast"
    return as_json(member, path, body, {"signed_transaction": "0x02"})


def follow_sent_withdrawal(scene: Scene) -> Request:
    wallet = new_wallet()
    member, made = prepared_withdrawal(scene, wallet)
    body = {"transaction_hash": wallet_driver.send(chain_of_port(), wallet_driver.sign(made["transaction"], wallet))}
    path = f"/v1/wallet/withdrawals/{made['id']}/sent"
    return as_json(member, path, body, {"transaction_hash": f"0x{'7' * 64}"})


def cancel_withdrawal(scene: Scene) -> Request:
    member, made = prepared_withdrawal(scene, new_wallet())
    other = Request(member, f"/v1/wallet/withdrawals/{uuid4()}/cancel")
    return Request(member, f"/v1/wallet/withdrawals/{made['id']}/cancel", other=other)


def create_oobit_token(scene: Scene) -> Request:
    return Request(scene.member(), "/v1/oobit/create-token")


def put_oobit_card(scene: Scene) -> Request:
    body = {"card_id": "card_5f2d", "status": "active"}
    return as_json(scene.member(), "/v1/oobit/card", body, body | {"status": "closed"})
