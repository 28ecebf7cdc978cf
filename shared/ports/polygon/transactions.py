"""The two kinds of transaction that a key signs: a transfer of the token, and a no-op that uses up a nonce."""

from dataclasses import dataclass
from typing import Any, Self

from shared.values.gas import GAS_LIMIT_NOOP, GAS_LIMIT_TRANSFER, Price

TRANSFER_SELECTOR = bytes.fromhex("a9059cbb")  # transfer(address,uint256)


@dataclass(frozen=True)
class Unsigned:
    """An EIP-1559 transaction that moves none of the chain's own coin."""

    chain_id: int
    nonce: int
    to: str
    data: bytes
    gas_limit: int
    price: Price

    @classmethod
    def transfer(cls, chain_id: int, nonce: int, token: str, recipient: str, amount_micro: int, price: Price) -> Self:
        """A transaction that moves an amount of the token to the recipient."""
        return cls(chain_id, nonce, token, transfer_data(recipient, amount_micro), GAS_LIMIT_TRANSFER, price=price)

    @classmethod
    def noop(cls, chain_id: int, nonce: int, address: str, price: Price) -> Self:
        """A transaction that sends nothing to the sender itself."""
        return cls(chain_id, nonce, address, b"", GAS_LIMIT_NOOP, price=price)

    @property
    def signing_hash(self) -> bytes:
        """The 32 bytes that the key signs."""
        return bytes(_typed(self._fields()).hash())

    def signed(self, r: int, s: int, y_parity: int) -> "Signed":
        """The transaction with its signature, ready to send."""
        from eth_utils.crypto import keccak

        raw = bytes(_typed(self._fields() | {"v": y_parity, "r": r, "s": s}).encode())
        return Signed("0x" + keccak(raw).hex(), raw)

    def _fields(self) -> dict[str, Any]:
        """The transaction's fields under the names of EIP-2718 type 2."""
        from eth_utils.address import to_checksum_address

        return {
            "type": 2,
            "chainId": self.chain_id,
            "nonce": self.nonce,
            "to": to_checksum_address(self.to),
            "value": 0,
            "data": self.data,
            "gas": self.gas_limit,
            "maxFeePerGas": self.price.fee_per_gas_wei_max,
            "maxPriorityFeePerGas": self.price.priority_fee_per_gas_wei_max,
            "accessList": (),
        }


@dataclass(frozen=True)
class Signed:
    """The bytes of a signed transaction, as nodes take them, and their hash."""

    hash: str
    raw: bytes


def transfer_data(recipient: str, amount_micro: int) -> bytes:
    """The call data of the token's transfer function."""
    return TRANSFER_SELECTOR + bytes.fromhex(recipient[2:]).rjust(32, b"\x00") + amount_micro.to_bytes(32, "big")


def _typed(fields: dict[str, Any]) -> Any:
    from eth_account.typed_transactions.typed_transaction import TypedTransaction

    return TypedTransaction.from_dict(fields)
