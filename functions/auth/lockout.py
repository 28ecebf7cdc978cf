"""Guessing passwords: how often, from where, and on which devices.

Failures are counted per account and network, per account, and per network. Devices that the account has signed in on
are counted by themselves: other people's failures do not lock them out, and theirs lock nobody else out.
"""

from datetime import datetime

from functions.auth import records, rules, tokens
from functions.auth.models import Device
from shared.db import Tx
from shared.http import Client


def admits(tx: Tx, email: str, device: Device, client: Client, *, right: bool, now: datetime) -> bool:
    """Count a failure, and tell whether the attempt may succeed. A stranger's failure takes the same statements."""
    look = records.attempts if right else records.count_attempts
    if device.token:
        token_hash = tokens.secret_hash(device.token)
        subject = f"sign-in on device {token_hash.hex()}"
        if (
            records.is_known_device(tx, token_hash, email, now - rules.DEVICE_KNOWN_FOR)
            and look(tx, [subject], now)[subject] < rules.FAILED_SIGN_INS_MAX
        ):
            return right
    limits = rules.sign_in_limits(email, client.network)
    counts = look(tx, list(limits), now)
    return right and all(counts[subject] < limit for subject, limit in limits.items())
