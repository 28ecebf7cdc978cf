"""Reads the chain before the transaction, so that no transaction waits for a node."""

from dataclasses import dataclass

from functions.wallet import rules, store
from functions.wallet.models import OrderTransfer, SentWithdrawal, WithdrawalOrder
from functions.wallet.store import Account
from shared import db, log
from shared.auth import Claims
from shared.ports.polygon import wallets
from shared.ports.polygon.failures import ChainUnreachable
from shared.ports.polygon.wallets import Balance, Outlook, SentTransaction


@dataclass(frozen=True)
class Glance:
    """A wallet and its balance on the chain; None where the chain did not answer."""

    address: str | None
    balance: Balance | None


@dataclass(frozen=True)
class Ahead:
    """A wallet and the chain's state for a transfer from it; None where the chain did not answer."""

    address: str | None
    outlook: Outlook | None


def at_wallet(claims: Claims) -> Glance:
    """Read the balance of the caller's wallet."""
    account = db.atomically(store.account, claims.member_id)
    if account is None or account.wallet_address is None:
        return Glance(None, None)
    try:
        return Glance(account.wallet_address, wallets.connect().balance(account.token_address, account.wallet_address))
    except ChainUnreachable as silence:
        log.warning("the chain cannot be read", reason=str(silence))
        return Glance(account.wallet_address, None)


def at_transfer(claims: Claims, body: WithdrawalOrder) -> Ahead:
    """Read the balances, fees and blocks that decide whether a transfer from the caller's wallet can succeed."""
    return _ahead(db.atomically(store.account, claims.member_id), body.to_address)


def at_order(claims: Claims, body: OrderTransfer) -> Ahead:
    """Read the same for the transfer that an order of the caller's awaits."""
    asked = db.atomically(store.awaited, claims.member_id, body.order_id)
    return _ahead(db.atomically(store.account, claims.member_id), asked.address) if asked else Ahead(None, None)


def _ahead(account: Account | None, recipient: str) -> Ahead:
    if account is None or account.wallet_address is None:
        return Ahead(None, None)
    try:
        found = wallets.connect().outlook(account.token_address, account.wallet_address, recipient)
    except ChainUnreachable as silence:
        log.warning("the chain cannot be read", reason=str(silence))
        return Ahead(account.wallet_address, None)
    if found.chain_id != account.chain_id:
        log.error("the nodes are on another chain than the treasury", nodes=found.chain_id, treasury=account.chain_id)
        return Ahead(account.wallet_address, None)
    return Ahead(account.wallet_address, found)


def at_sent(body: SentWithdrawal) -> SentTransaction:
    """Read the transaction that a wallet has sent. Raises ChainUnavailable, TransactionNotSeen."""
    try:
        found = wallets.connect().sent(body.transaction_hash)
    except ChainUnreachable as silence:
        log.warning("the chain cannot be read", reason=str(silence))
        raise rules.ChainUnavailable from None
    if found is None:
        raise rules.TransactionNotSeen
    return found
