"""Tells an account's owner of every security change, in the app and by mail: somebody else may have made it.

Code that changes how somebody signs in, or where their money goes, calls `tell` in its transaction. The mail goes to
the address as it was before the change, and cannot be switched off.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.db import Tx
from shared.messages import mails, notifications, texts, wording
from shared.messages.mails import Letter


class SecurityChange(StrEnum):
    """A kind of security change. Its value is the code of its notice (messages/notices.py) and the name of its mail."""

    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a name
    EMAIL_CHANGE_ASKED = "email_change_asked"
    EMAIL_CHANGED = "email_changed"
    WALLET_LINKED = "wallet_linked"
    WALLET_REPLACED = "wallet_replaced"
    SECOND_FACTOR_ENABLED = "second_factor_enabled"
    SECOND_FACTOR_DISABLED = "second_factor_disabled"
    BACKUP_CODES_RENEWED = "backup_codes_renewed"
    NEW_DEVICE = "new_device"


@dataclass(frozen=True)
class Owner:
    """The owner of an account, with the address for the mail: `email` is the one before the change."""

    member_id: UUID
    email: str
    name: str


def tell(
    tx: Tx,
    change: SecurityChange,
    owner: Owner,
    key: str,
    now: datetime,
    *,
    also_to: str | None = None,
    **said: str | datetime,
) -> None:
    """Tell the owner, once per `key`. `said` fills the texts and is stored with the notification.

    The mail also goes to `also_to`, if given.
    """
    stored = {name: wording.stored(name, value) for name, value in said.items()}
    shown = {name: value for name, value in said.items() if name in texts.parameters(change)}
    data = {"security_change": change.value, **stored}
    notifications.notify(tx, notifications.note(owner.member_id, change.value, data, key, **shown), now)
    parameters = {"name": owner.name, **{name: str(value) for name, value in stored.items()}}
    for address, its_key in ((owner.email, key), *(((also_to, f"{key}:new"),) if also_to else ())):
        letter = Letter(address, owner.name, change.value, parameters, its_key, member_id=owner.member_id)
        mails.queue(tx, letter, now)
