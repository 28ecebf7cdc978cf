"""Raw transactions as a node reads them, and the hexadecimal of JSON-RPC."""

from dataclasses import dataclass
from functools import lru_cache

import rlp
from eth_keys.datatypes import Signature
from eth_utils.crypto import keccak

TYPE_2 = b"\x02"
UNSIGNED_FIELDS = 9
TRANSFER_SELECTOR = bytes.fromhex("a9059cbb")
TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
WORD = 32


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed EIP-1559 transaction; addresses in lower case."""

    hash: str
    raw: bytes
    chain_id: int
    sender: str
    nonce: int
    tip: int
    fee: int
    gas: int
    to: str
    value: int
    data: bytes
    s: int

    @property
    def key(self) -> tuple[str, int]:
        """Sender and nonce: of all transactions with one key, the chain can have only one."""
        return self.sender, self.nonce

    @property
    def transfer(self) -> tuple[str, int] | None:
        """Recipient and amount if it moves the token, else None."""
        if self.data[:4] != TRANSFER_SELECTOR or len(self.data) != 4 + 2 * WORD:
            return None
        return "0x" + self.data[16:36].hex(), int.from_bytes(self.data[36:], "big")


@lru_cache(4096)
def read(raw: bytes) -> Signed:
    """A raw transaction, parsed; the sender is recovered from its signature."""
    assert raw[:1] == TYPE_2, "treasuries sign transactions of type 2 only"
    fields = rlp.decode(raw[1:])
    chain_id, nonce, tip, fee, gas, to, value, data, _, parity, r, s = fields
    digest = keccak(TYPE_2 + rlp.encode(fields[:UNSIGNED_FIELDS]))
    signature = Signature(vrs=(number(parity), number(r), number(s)))
    sender = signature.recover_public_key_from_msg_hash(digest).to_address()
    return Signed(
        hash="0x" + keccak(raw).hex(),
        raw=raw,
        chain_id=number(chain_id),
        sender=sender,
        nonce=number(nonce),
        tip=number(tip),
        fee=number(fee),
        gas=number(gas),
        to="0x" + to.hex(),
        value=number(value),
        data=data,
        s=number(s),
    )


def number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def padded(address: str) -> str:
    """An address as a word of 32 bytes."""
    return "0x" + address[2:].lower().rjust(2 * WORD, "0")
