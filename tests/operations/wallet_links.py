"""Links a wallet to a member: asks for the challenge, signs it, sends the signature."""

from dataclasses import dataclass

from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from tests.client import Answer, FunctionClient


@dataclass(frozen=True)
class Challenge:
    """A challenge that has not been answered yet."""

    id: str
    message: str

    def signed(self, wallet: LocalAccount) -> str:
        signature: str = wallet.sign_message(encode_defunct(text=self.message)).signature.to_0x_hex()
        return signature


def ask_for_challenge(client: FunctionClient, wallet: LocalAccount) -> Challenge:
    answer = client.post("/v1/wallet/challenge", {"address": wallet.address})
    assert answer.status == 201
    return Challenge(answer.body["challenge_id"], answer.body["message"])


def answer_challenge(client: FunctionClient, asked: Challenge, signature: str) -> Answer:
    """Send the signature, whoever made it."""
    return client.post("/v1/wallet/link", {"challenge_id": asked.id, "signature": signature})


def link_wallet(mine: FunctionClient, wallet: LocalAccount, code: str | None = None) -> Answer:
    """Link the wallet with its own signature; `code` is of the authenticator app."""
    asked = ask_for_challenge(mine, wallet)
    body = {"challenge_id": asked.id, "signature": asked.signed(wallet)}
    return mine.post("/v1/wallet/link", body | ({"code": code} if code else {}))
