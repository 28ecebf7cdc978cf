"""The transaction of a withdrawal, and the comparison of the signed one with it."""

from functions.wallet.rules import (
    SignedByAnotherKey,
    SignedForAnotherChain,
    SignedTransactionDiffers,
    SignedTransactionNotReadable,
)
from shared.ports.polygon import eip1559
from shared.ports.polygon.eip1559 import OtherType, SignedTransaction, Transaction, TransactionNotReadable
from shared.ports.polygon.transactions import transfer_data
from shared.ports.polygon.wallets import SentTransaction
from shared.withdrawals import Withdrawal


def unsigned(withdrawal: Withdrawal) -> Transaction:
    """The transaction that the wallet is to sign."""
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
    """The signed transaction, if it is the prepared one and signed by the wallet's own key.

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


def check_sent(withdrawal: Withdrawal, sent: SentTransaction) -> None:
    """Check that the transaction sent by the wallet is the prepared one, except for its type and its gas fees, which
    the wallet may have chosen.

    Raises SignedForAnotherChain, SignedTransactionDiffers, SignedByAnotherKey.
    """
    prepared = unsigned(withdrawal)
    if sent.chain_id != prepared.chain_id:
        raise SignedForAnotherChain
    differs = {
        "to": sent.to != withdrawal.token_address.lower(),
        "nonce": sent.nonce != prepared.nonce,
        "value_wei": sent.value_wei != prepared.value_wei,
        "data": sent.data != prepared.data,
    }
    if fields := [name for name, is_other in differs.items() if is_other]:
        raise SignedTransactionDiffers(fields=fields)
    if sent.sender != withdrawal.from_address.lower():
        raise SignedByAnotherKey


def _differing(prepared: Transaction, signed: Transaction) -> list[str]:
    """The names of the differing fields; the capitals of the token's address do not count."""
    wanted, given = vars(prepared), vars(signed)
    names = [name for name in wanted if name != "to" and wanted[name] != given[name]]
    same_contract = (signed.to or "").lower() == (prepared.to or "").lower()
    return names if same_contract else ["to", *names]
