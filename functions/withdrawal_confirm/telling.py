"""Notifies a member of the end of a withdrawal, in the app and by mail."""

from datetime import datetime

from functions.withdrawal_confirm import store
from shared.db import Tx
from shared.messages import mails, notifications
from shared.messages.mails import Letter
from shared.values.polygon import address_page, transaction_page
from shared.withdrawals import State, Withdrawal

# The notice and the mail about the same event share the code.
CODES = {
    State.CONFIRMED: "withdrawal_confirmed",
    State.REVERTED: "withdrawal_reverted",
    State.REPLACED: "withdrawal_replaced",
    State.LAPSED: "withdrawal_lapsed",
}


def tell(tx: Tx, ended: Withdrawal, state: State, transaction_hash: str | None, now: datetime) -> None:
    """Notify the member, once for each state, unless the account was deleted meanwhile. `transaction_hash` is the one
    to look up; without one the mail links to the wallet instead.
    """
    owner = store.owner(tx, ended.member_id)
    if owner is None:
        return
    key = f"withdrawal-{state}:{ended.id}"
    data = {"withdrawal_id": str(ended.id), "status": state.value, "transaction_hash": transaction_hash}
    notifications.notify(tx, notifications.note(ended.member_id, CODES[state], data, key, amount=ended.amount), now)
    parameters = {
        "name": owner.full_name,
        "amount": str(ended.amount),
        "to_address": ended.to_address,
        "link": _link(ended, transaction_hash),
    }
    mails.queue(tx, Letter(owner.email, owner.full_name, CODES[state], parameters, key, member_id=ended.member_id), now)


def _link(ended: Withdrawal, transaction_hash: str | None) -> str:
    """The page on Polygonscan: the transaction, or the wallet if none is known."""
    return transaction_page(transaction_hash) if transaction_hash else address_page(ended.from_address)
