"""What the chain is asked before the transaction, so that no transaction waits for a node."""

from dataclasses import dataclass

from functions.wallet import store
from functions.wallet.models import WithdrawalOrder
from shared import db, log
from shared.auth import Claims
from shared.ports import wallets
from shared.ports.wallets import Balance, NodesSilent, Outlook


@dataclass(frozen=True)
class Glance:
    """What the chain said of a wallet before the transaction; None where it said nothing."""

    address: str | None
    balance: Balance | None


@dataclass(frozen=True)
class Ahead:
    """What the chain said of a transfer before the transaction; None where it said nothing."""

    address: str | None
    outlook: Outlook | None


def at_wallet(claims: Claims) -> Glance:
    """Read the balance of the caller's wallet."""
    account = db.atomically(lambda tx: store.account(tx, claims.member_id))
    if account is None or account.wallet_address is None:
        return Glance(None, None)
    try:
        return Glance(account.wallet_address, wallets.connect().balance(account.token_address, account.wallet_address))
    except NodesSilent as silence:
        log.warning("the chain cannot be read", reason=str(silence))
        return Glance(account.wallet_address, None)


def at_transfer(claims: Claims, body: WithdrawalOrder) -> Ahead:
    """Read what a transfer from the caller's wallet would meet."""
    account = db.atomically(lambda tx: store.account(tx, claims.member_id))
    if account is None or account.wallet_address is None:
        return Ahead(None, None)
    try:
        found = wallets.connect().outlook(account.token_address, account.wallet_address, body.to_address)
    except NodesSilent as silence:
        log.warning("the chain cannot be read", reason=str(silence))
        return Ahead(account.wallet_address, None)
    if found.chain_id != account.chain_id:
        log.error("the nodes are on another chain than the treasury", nodes=found.chain_id, treasury=account.chain_id)
        return Ahead(account.wallet_address, None)
    return Ahead(account.wallet_address, found)
