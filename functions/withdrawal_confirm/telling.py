"""What a member is told about the end of a withdrawal: in the app and by mail."""

from datetime import datetime

from functions.withdrawal_confirm import store
from shared import mails, notifications
from shared.db import Tx
from shared.mails import Letter
from shared.notifications import Note
from shared.withdrawals import State, Withdrawal

TITLES = {
    State.CONFIRMED: "Your withdrawal of {amount} USDT is complete",
    State.REVERTED: "Your withdrawal of {amount} USDT did not go through",
    State.REPLACED: "Your withdrawal of {amount} USDT was replaced",
    State.LAPSED: "Your withdrawal of {amount} USDT has not gone through yet",
}
BODIES = {
    State.CONFIRMED: "The payment is final.",
    State.REVERTED: "USDT refused the transfer; the money is still in your wallet.",
    State.REPLACED: "Your wallet has sent another transaction in its place.",
    State.LAPSED: "We do not send it any more. You can prepare another one, which takes its place.",
}


def tell(tx: Tx, ended: Withdrawal, state: State, now: datetime) -> None:
    """Once for each state; nobody when the account has been closed meanwhile."""
    owner = store.owner(tx, ended.member_id)
    if owner is None:
        return
    amount = f"${ended.amount.decimal:,f}"
    title, body = TITLES[state].format(amount=amount), BODIES[state]
    key = f"withdrawal-{state}:{ended.id}"
    data = {"withdrawal_id": str(ended.id), "status": state.value, "transaction_hash": ended.transaction_hash}
    notifications.notify(tx, Note(ended.member_id, "comp", title, body, data, key), now)
    parameters = {
        "name": owner.full_name,
        "headline": title,
        "body": body,
        "to_address": ended.to_address,
        "transaction_hash": ended.transaction_hash or "",
    }
    letter = Letter(owner.email, owner.full_name, "withdrawal_ended", parameters, key, ended.member_id)
    mails.queue(tx, letter, now)
