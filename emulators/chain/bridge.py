"""A stand-in for Stargate V2 between two local chains: a contract on each (contracts/TestStargate.sol), and messages
that are delivered by hand, so that they can be short, late, doubled, lost or somebody else's.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from emulators.chain.node import ChainNode

ARTIFACT = Path(__file__).resolve().parent / "artifacts" / "TestStargate.json"
SOURCE_CHAIN_ID = 1
SOURCE_EID = 30101
HOME_EID = 30109
RESERVE_MICRO = 10**13  # of the contract on the treasuries' chain, which it pays from
GAS = 500_000


@dataclass(frozen=True)
class BridgeStandIn:
    """Both ends. Each node has its test USDT already."""

    source: ChainNode
    home: ChainNode
    source_contract: str
    home_contract: str

    @classmethod
    def between(cls, source: ChainNode, home: ChainNode) -> "BridgeStandIn":
        """Deploy both contracts; the one at home gets what it will pay."""
        ends = [_deploy(node, eid) for node, eid in ((source, SOURCE_EID), (home, HOME_EID))]
        home.mint(ends[1], RESERVE_MICRO)
        return cls(source, home, *ends)

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which the port finds it."""
        return {
            "STARGATE_RPC_URLS": self.source.url,
            "STARGATE_CHAIN_ID": str(self.source.chain_id),
            "STARGATE_EID": str(SOURCE_EID),
            "STARGATE_CONTRACT": self.source_contract,
            "STARGATE_USDT": self.source.usdt,
            "STARGATE_HOME_EID": str(HOME_EID),
            "STARGATE_HOME_CONTRACT": self.home_contract,
        }

    def charge(self, fee_millionths: int, native_fee_wei: int = 10**14, limit_micro: int = 10**13) -> None:
        """Change what bridging costs, and how much is taken at once."""
        words = (fee_millionths, native_fee_wei, limit_micro)
        self.source.owner_sends(self.source_contract, _call("set(uint256,uint256,uint256)", *words))

    def deliver(self, guid: str, to: str, micro: int, source_eid: int = SOURCE_EID) -> None:
        """Deliver a message at home with so much money, in a block of its own."""
        words = (int(guid, 16), source_eid, int(to, 16), micro)
        self.home.owner_sends(self.home_contract, _call("deliver(bytes32,uint32,address,uint256)", *words))

    def sign_and_send(self, wallet: LocalAccount, transaction: dict[str, Any]) -> str:
        """Send an unsigned transaction of the API's from a wallet on the source chain; returns its hash."""
        signed = wallet.sign_transaction(
            {
                "to": transaction["to_address"],
                "data": transaction["data"],
                "value": int(transaction["value_wei"]),
                "nonce": int(self.source.rpc("eth_getTransactionCount", [wallet.address, "pending"]), 16),
                "gas": GAS,
                "gasPrice": 2 * int(self.source.rpc("eth_gasPrice"), 16),
                "chainId": transaction["chain_id"],
            }
        )
        return str(self.source.rpc("eth_sendRawTransaction", [signed.raw_transaction.to_0x_hex()]))


def artifact() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(ARTIFACT.read_text())
    return loaded


def _deploy(node: ChainNode, eid: int) -> str:
    return node.deploy(f"{artifact()['bytecode']}{int(node.usdt, 16):064x}{eid:064x}")


def _call(signature: str, *words: int) -> str:
    return f"0x{artifact()['methodIdentifiers'][signature]}{''.join(f'{word:064x}' for word in words)}"
