"""Ethereum transactions as bytes: the unsigned one for a wallet to sign, and the signed one that comes back.

Only EIP-1559 is read: 0x02 and the RLP of chain id, nonce, tip, fee, gas, to, value, data and access list, followed by
y, r and s once it is signed (https://eips.ethereum.org/EIPS/eip-1559). No node is asked.
"""

from dataclasses import dataclass
from typing import Any

EIP_1559 = 2
LEGACY_FIRST = 0xC0  # a transaction without a type begins with an RLP list
UNSIGNED_FIELDS = 9
SIGNED_FIELDS = 12
ADDRESS_BYTES = 20
SECP256K1_ORDER_HALF = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class TransactionNotReadable(Exception):
    """Raised when the bytes are no signed transaction, or no node would accept the signature."""


class OtherType(TransactionNotReadable):
    """Raised for a transaction of another type; `type` is 0 for one without a type."""

    def __init__(self, type_: int) -> None:
        super().__init__(f"type {type_}")
        self.type = type_


@dataclass(frozen=True)
class Transaction:
    """Everything that is signed. `to` is checksummed, and None when the transaction creates a contract."""

    chain_id: int
    nonce: int
    priority_fee_per_gas_wei_max: int
    fee_per_gas_wei_max: int
    gas_limit: int
    to: str | None
    value_wei: int
    data: bytes
    access_list: Any  # as RLP has it: only whether it is empty matters to us

    @property
    def serialised(self) -> bytes:
        """The bytes that are hashed and signed; wallets and hardware signers take this."""
        import rlp

        to = bytes.fromhex(self.to[2:]) if self.to else b""
        numbers = (self.chain_id, self.nonce, self.priority_fee_per_gas_wei_max, self.fee_per_gas_wei_max)
        fields = [*numbers, self.gas_limit, to, self.value_wei, self.data, self.access_list]
        return bytes([EIP_1559]) + bytes(rlp.encode(fields))

    @property
    def signing_hash(self) -> bytes:
        """The 32 bytes that are signed."""
        return _keccak(self.serialised)


@dataclass(frozen=True)
class SignedTransaction:
    """A transaction, its hash, and the checksummed address whose key signed it."""

    transaction: Transaction
    hash: str
    signer: str


def read_signed(raw: bytes) -> SignedTransaction:
    """Read a signed transaction. Raises TransactionNotReadable, and OtherType for one that is not EIP-1559."""
    fields = _fields(raw)
    transaction = _transaction(fields)
    y_parity, r, s = (_number(field) for field in fields[UNSIGNED_FIELDS:])
    if s > SECP256K1_ORDER_HALF:
        raise TransactionNotReadable("s is in the upper half of the order (EIP-2)")
    return SignedTransaction(
        transaction=transaction,
        hash="0x" + _keccak(raw).hex(),
        signer=_signer(transaction.signing_hash, y_parity, r, s),
    )


def _fields(raw: bytes) -> list[Any]:
    import rlp
    from rlp.exceptions import RLPException

    type_ = raw[0] if raw else LEGACY_FIRST
    if type_ != EIP_1559:
        raise OtherType(0 if type_ >= LEGACY_FIRST else type_)
    try:
        found = rlp.decode(raw[1:])
    except (RLPException, TypeError, ValueError, RecursionError) as error:
        raise TransactionNotReadable(type(error).__name__) from None
    if not isinstance(found, list) or len(found) != SIGNED_FIELDS:
        raise TransactionNotReadable("not twelve fields")
    return found


def _transaction(fields: list[Any]) -> Transaction:
    chain_id, nonce, tip, fee, gas, to, value, data, access_list = fields[:UNSIGNED_FIELDS]
    if not isinstance(to, bytes) or len(to) not in (0, ADDRESS_BYTES) or not isinstance(data, bytes):
        raise TransactionNotReadable("to or data is malformed")
    if not isinstance(access_list, list):
        raise TransactionNotReadable("the access list is no list")
    return Transaction(
        chain_id=_number(chain_id),
        nonce=_number(nonce),
        priority_fee_per_gas_wei_max=_number(tip),
        fee_per_gas_wei_max=_number(fee),
        gas_limit=_number(gas),
        to=_checksummed(to) if to else None,
        value_wei=_number(value),
        data=data,
        access_list=access_list,
    )


def _number(field: Any) -> int:
    """The integer of an RLP field. Raises TransactionNotReadable for leading zeros or more than 32 bytes."""
    if not isinstance(field, bytes) or field[:1] == b"\x00" or len(field) > 32:  # noqa: PLR2004 - a word
        raise TransactionNotReadable("a number is malformed")
    return int.from_bytes(field, "big")


def _signer(digest: bytes, y_parity: int, r: int, s: int) -> str:
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError

    try:
        found = Signature(vrs=(y_parity, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError, ValueError, TypeError) as error:
        raise TransactionNotReadable("no key has made this signature") from error
    return str(found.to_checksum_address())


def _keccak(data: bytes) -> bytes:
    from eth_utils.crypto import keccak

    return keccak(data)


def _checksummed(address: bytes) -> str:
    from eth_utils.address import to_checksum_address

    return str(to_checksum_address(address))
