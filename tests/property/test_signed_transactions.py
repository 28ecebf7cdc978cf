"""A signed transaction is read as what it is, and with any one bit of it changed never as the same by the same key."""

from typing import Any

from eth_account import Account
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.ports.polygon.eip1559 import Transaction, TransactionNotReadable, read_signed
from shared.ports.polygon.transactions import transfer_data
from tests.fakes.wallet_driver import checksummed

WALLET = Account.from_key(b"\x07" * 32)

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: checksummed("0x" + raw.hex()))
numbers = st.integers(min_value=0, max_value=2**64 - 1)
transactions = st.builds(
    Transaction,
    chain_id=st.integers(min_value=1, max_value=2**32),
    nonce=numbers,
    priority_fee_per_gas_wei_max=numbers,
    fee_per_gas_wei_max=numbers,
    gas_limit=numbers,
    to=addresses,
    value_wei=numbers,
    data=st.builds(transfer_data, addresses, st.integers(min_value=0, max_value=2**63 - 1)) | st.binary(max_size=100),
    access_list=st.just([]),
)


def signed(transaction: Transaction) -> bytes:
    """By eth_account, which is not ours."""
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": transaction.chain_id,
        "nonce": transaction.nonce,
        "to": transaction.to,
        "value": transaction.value_wei,
        "data": transaction.data,
        "gas": transaction.gas_limit,
        "maxFeePerGas": transaction.fee_per_gas_wei_max,
        "maxPriorityFeePerGas": transaction.priority_fee_per_gas_wei_max,
        "accessList": [],
    }
    return bytes(WALLET.sign_transaction(fields).raw_transaction)


@given(transactions)
@settings(deadline=None, max_examples=50)
def test_what_a_wallet_signs_is_read_as_it_was_prepared(transaction: Transaction) -> None:
    found = read_signed(signed(transaction))

    assert found.transaction == transaction
    assert found.signer == WALLET.address


@given(transactions, st.data())
@settings(deadline=None, max_examples=100)
def test_with_one_bit_changed_it_is_another_ones_or_another_thing(
    transaction: Transaction, data: st.DataObject
) -> None:
    raw = signed(transaction)
    bit = data.draw(st.integers(min_value=0, max_value=8 * len(raw) - 1))
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    try:
        found = read_signed(bytes(changed))
    except TransactionNotReadable:
        return

    assert (found.transaction, found.signer) != (transaction, WALLET.address)


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=200)
def test_any_other_bytes_are_no_signed_transaction_or_somebodys(raw: bytes) -> None:
    assume(raw)
    try:
        found = read_signed(b"\x02" + raw)
    except TransactionNotReadable:
        return

    assert found.signer.startswith("0x")
