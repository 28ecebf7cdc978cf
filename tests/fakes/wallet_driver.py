"""A member with a wallet of their own, and the functions that withdraw from it, on a chain that the test controls."""

import itertools
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from eth_account import Account
from eth_account.signers.local import LocalAccount

from functions.withdrawal_confirm import main as withdrawal_confirm
from shared import clock, db, withdrawals
from shared.withdrawals import Withdrawal
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes.chain import FakeChain
from tests.fakes.wallets import FakeWallets

RECIPIENT = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"
FUNDS = 1_000_000_000  # micro-USDT in the wallet
ROUNDS_MAX = 20
BLOCKS_TO_FINAL = 10

_keys = itertools.count(1)


@dataclass
class WalletDriver:
    """Prepares, signs, hands in and follows withdrawals, as app and queues would."""

    chain: FakeChain
    nodes: FakeWallets
    member: Somebody
    wallet: LocalAccount
    client: FunctionClient

    def ask(self, amount: object = 25, to: str = RECIPIENT, key: str = "") -> Answer:
        """POST /v1/wallet/withdraw, with an Idempotency-Key of its own unless one is given."""
        body = {"to_address": to, "amount": amount}
        return self.client.post("/v1/wallet/withdraw", body, **{"Idempotency-Key": key or f"ask-{next(_keys)}"})

    def prepared(self, amount: object = 25) -> dict[str, Any]:
        answer = self.ask(amount)
        assert answer.status == 201, answer.body
        return dict(answer.body)

    def hand_in(self, withdrawal: dict[str, Any], raw: str, key: str = "") -> Answer:
        headers = {"Idempotency-Key": key or f"hand-in-{next(_keys)}"}
        path = f"/v1/wallet/withdrawals/{withdrawal['id']}/broadcast"
        return self.client.post(path, {"signed_transaction": raw}, **headers)

    def report(self, withdrawal: dict[str, Any], transaction_hash: str, key: str = "") -> Answer:
        """Report, as the app does, the hash of what the wallet has sent by itself."""
        headers = {"Idempotency-Key": key or f"report-{next(_keys)}"}
        path = f"/v1/wallet/withdrawals/{withdrawal['id']}/sent"
        return self.client.post(path, {"transaction_hash": transaction_hash}, **headers)

    def signed(self, amount: object = 25) -> UUID:
        """A withdrawal that is prepared, signed and handed in, but not sent yet."""
        withdrawal = self.prepared(amount)
        answer = self.hand_in(withdrawal, sign(withdrawal["transaction"], self.wallet))
        assert answer.status == 202, answer.body
        return UUID(withdrawal["id"])

    def get(self, withdrawal: UUID) -> dict[str, Any]:
        return dict(self.client.get(f"/v1/wallet/withdrawals/{withdrawal}").body)

    def status(self, withdrawal: UUID) -> str:
        return str(self.get(withdrawal)["status"])

    def confirm(self, withdrawal: UUID) -> bool:
        """Run one task of withdrawal_confirm; True when no other is needed."""
        return withdrawal_confirm.observe(withdrawal, self.chain)

    def finalize(self, withdrawal: UUID) -> None:
        """Mine until everything in the chain is final, and confirm."""
        self.chain.mine(BLOCKS_TO_FINAL + 1)
        for _ in range(ROUNDS_MAX):
            if self.confirm(withdrawal):
                return
        raise AssertionError(f"withdrawal {withdrawal} does not become final")

    def row(self, withdrawal: UUID) -> Withdrawal:
        found = db.atomically(lambda tx: withdrawals.load(tx, withdrawal))
        assert found
        return found

    def sweep(self) -> None:
        withdrawal_confirm.sweep(clock.now())

    def spend_elsewhere(self, nonce: int, amount_micro: int = 1, fee_factor: int = 2) -> None:
        """Use the wallet from another app: a transfer with any nonce goes into the pool."""
        row_token = self.chain.token
        data = f"0xa9059cbb{int(RECIPIENT, 16) + 1:064x}{amount_micro:064x}"
        fields: dict[str, Any] = {
            "type": 2, "chainId": self.chain.chain_id, "nonce": nonce, "to": checksummed(row_token), "value": 0,
            "data": data, "gas": 120_000, "maxFeePerGas": fee_factor * 10**11, "maxPriorityFeePerGas": 10**11,
        }  # fmt: skip
        self.chain.send([bytes(self.wallet.sign_transaction(fields).raw_transaction)])


def fields_of(transaction: dict[str, Any]) -> dict[str, Any]:
    """The prepared transaction in the form that a client's library takes."""
    return {
        "type": transaction["type"],
        "chainId": transaction["chain_id"],
        "nonce": transaction["nonce"],
        "to": transaction["to"],
        "value": transaction["value"],
        "data": transaction["data"],
        "gas": transaction["gas_limit"],
        "maxFeePerGas": transaction["max_fee_per_gas"],
        "maxPriorityFeePerGas": transaction["max_priority_fee_per_gas"],
        "accessList": transaction["access_list"],
    }


def sign(transaction: dict[str, Any], wallet: LocalAccount, **changed: object) -> str:
    """The signed transaction in hexadecimal; a changed field of None is left out."""
    fields = {name: value for name, value in (fields_of(transaction) | changed).items() if value is not None}
    return str(wallet.sign_transaction(fields).raw_transaction.to_0x_hex())


def send(chain: FakeChain, raw: str) -> str:
    """Send a transaction as a wallet does by itself; returns its hash."""
    from eth_utils.crypto import keccak

    chain.send([bytes.fromhex(raw[2:])])
    return "0x" + keccak(bytes.fromhex(raw[2:])).hex()


def checksummed(address: str) -> str:
    from eth_utils.address import to_checksum_address

    return str(to_checksum_address(address))


def new_wallet() -> LocalAccount:
    made: LocalAccount = Account.create()
    return made
