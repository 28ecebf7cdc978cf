"""Security notices that this function sends to the owners of accounts (shared/members/security_notices.py)."""

import hashlib
from datetime import datetime
from uuid import UUID, uuid4

from functions.auth import device_names, records, store
from functions.auth.models import Device
from functions.auth.store import Credentials
from shared.db import Tx
from shared.members import security_notices
from shared.members.security_notices import Owner, SecurityChange
from shared.web.http import Client


def tell(tx: Tx, change: SecurityChange, account: Credentials, now: datetime) -> None:
    """Notify the account's owner of a change whose texts have no parameters."""
    owner = Owner(account.id, account.email, account.full_name)
    security_notices.tell(tx, change, owner, f"{change.value.replace('_', '-')}:{uuid4()}", now)


def tell_of(tx: Tx, change: SecurityChange, member_id: UUID, now: datetime) -> None:
    """Notify a member, given by id, of a change whose texts have no parameters."""
    account = store.credentials_of(tx, member_id)
    assert account, "a member with a session exists"
    tell(tx, change, account, now)


def tell_of_device(tx: Tx, account: Credentials, device: Device, client: Client, now: datetime) -> None:
    """Notify the owner of a sign-in on an unknown device: once a day for each device and network, and never for the
    account's first sign-in. `account` is as it was before the sign-in.
    """
    if account.last_login_at is None or records.is_known_device(tx, device.token, account.email, now):
        return
    name = device.name or device_names.of_user_agent(client.user_agent)
    seen = hashlib.sha256(f"{account.id} {now:%Y-%m-%d} {name} {client.coarse_network}".encode()).hexdigest()
    security_notices.tell(
        tx,
        SecurityChange.NEW_DEVICE,
        Owner(account.id, account.email, account.full_name),
        f"new-device:{seen}",
        now,
        device=name,
        network=client.coarse_network,
        at=now,
    )
