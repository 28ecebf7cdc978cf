"""The transaction that a withdrawal is, and whether what came back signed is just that."""

from functions.wallet.rules import (
    SignedByAnotherKey,
    SignedForAnotherChain,
    SignedTransactionDiffers,
    SignedTransactionNotReadable,
)
from shared.ports import eip1559
from shared.ports.eip1559 import OtherType, SignedTransaction, Transaction, TransactionNotReadable
from shared.ports.transactions import transfer_data
from shared.withdrawals import Withdrawal


def unsigned(withdrawal: Withdrawal) -> Transaction:
    """What is to be signed."""
    return Transaction(
        chain_id=withdrawal.chain_id,
        nonce=withdrawal.nonce,
        priority_fee_per_gas_wei_max=withdrawal.priority_fee_per_gas_wei_max,
        fee_per_gas_wei_max=withdrawal.fee_per_gas_wei_max,
        gas_limit=withdrawal.gas_limit,
        to=withdrawal.token_address,
        value_wei=0,
        data=transfer_data(withdrawal.to_address, withdrawal.amount.micro),
        access_list=[],
    )


def checked(withdrawal: Withdrawal, raw: bytes) -> SignedTransaction:
    """What was signed, when it is what was prepared and the wallet's own key has signed it.

    Raises SignedTransactionNotReadable, SignedForAnotherChain, SignedTransactionDiffers, SignedByAnotherKey.
    """
    try:
        signed = eip1559.read_signed(raw)
    except OtherType:
        raise SignedTransactionDiffers(fields=["type"]) from None
    except TransactionNotReadable:
        raise SignedTransactionNotReadable from None
    prepared = unsigned(withdrawal)
    if signed.transaction.chain_id != prepared.chain_id:
        raise SignedForAnotherChain
    if differing := _differing(prepared, signed.transaction):
        raise SignedTransactionDiffers(fields=differing)
    if signed.signer.lower() != withdrawal.from_address.lower():
        raise SignedByAnotherKey
    return signed


def _differing(prepared: Transaction, signed: Transaction) -> list[str]:
    """Names of fields; that a token's address is written in small letters makes no difference."""
    wanted, given = vars(prepared), vars(signed)
    names = [name for name in wanted if name != "to" and wanted[name] != given[name]]
    same_contract = (signed.to or "").lower() == (prepared.to or "").lower()
    return names if same_contract else ["to", *names]
