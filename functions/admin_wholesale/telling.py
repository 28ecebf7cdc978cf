"""Tells a member what was decided about their wholesale account: once in the app, and once by mail."""

from datetime import datetime

from functions.admin_wholesale import store
from functions.admin_wholesale.rules import Verb
from functions.admin_wholesale.store import AdminWholesaleAccount
from shared.db import Tx
from shared.messages import mails, notifications, wording
from shared.messages.mails import Letter
from shared.values.encoding import moment
from shared.values.states import MemberStatus
from shared.values.wholesale import AGAIN_AFTER

# The code of the notice, which is the name of the mail too.
CODES: dict[Verb, str] = {
    "approve": "wholesale_approved",
    "reject": "wholesale_rejected",
    "suspend": "wholesale_suspended",
    "activate": "wholesale_activated",
}


def tell(tx: Tx, verb: Verb, account: AdminWholesaleAccount, now: datetime) -> None:
    """Tell the member of a decision of `now`; a member who has closed their account hears nothing any more.

    The mail goes to the address of the member's account, which is proved, and not to the business's, which is not.
    """
    if account.member_status == MemberStatus.DELETED:
        return
    code, key = CODES[verb], f"wholesale:{account.id}:{verb}:{moment(now)}"
    said: dict[str, object] = {"at": now + AGAIN_AFTER} if verb == "reject" else {"number": account.number}
    data = {"wholesale_account_id": str(account.id), "number": account.number}
    notifications.notify(tx, notifications.note(account.member_id, code, data, key, **said), now)
    to = store.addressee(tx, account.member_id)
    parameters = {"name": to.full_name, **{name: str(wording.stored(name, value)) for name, value in said.items()}}
    mails.queue(tx, Letter(to.email, to.full_name, code, parameters, key, member_id=account.member_id), now)
