"""The Api and what all operations on the wallet share."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from functions.wallet import rules, store
from shared.api import Api
from shared.credentials import totp
from shared.db import Tx

SECOND_FACTOR = (
    totp.SecondFactorLocked,
    totp.SecondFactorNeeded,
    totp.SecondFactorUsed,
    totp.SecondFactorWrong,
)

api = Api("wallet")


@dataclass(frozen=True)
class Account:
    """A member's linked wallet, and the chain and token of the treasuries."""

    address: str
    rests_until: datetime | None
    chain_id: int
    token_address: str


def account(tx: Tx, member_id: UUID) -> Account:
    """The member's linked wallet. Raises WalletNotLinked."""
    found = store.account(tx, member_id)
    assert found, "a member with a session exists"
    if found.wallet_address is None:
        raise rules.WalletNotLinked(pending_comps=store.pending_comps(tx, member_id).decimal)
    return Account(found.wallet_address, found.rests_until, found.chain_id, found.token_address)
