"""Keyed fingerprints of what tells people apart, stored where the thing itself may not be kept (docs/accounts.md).

A fingerprint is an HMAC: without the key, addresses or wallets cannot be tested against it, and it cannot be reversed.
"""

import hmac
from enum import StrEnum

from shared.config import Config, read
from shared.values import mailboxes


class FingerprintKind(StrEnum):
    """The kind of thing that a fingerprint was made of; fingerprints of different kinds are never equal."""

    ADDRESS = "address"
    WALLET = "wallet"
    DEVICE = "device"
    NAME = "name"
    DOORSTEP = "doorstep"


class FingerprintsConfig(Config):
    """The secret key of all fingerprints, in hexadecimal. With another key, nobody is recognised any more."""

    fingerprint_key: str


def of_mailbox(email: str) -> bytes:
    """The fingerprint of a mailbox: the same for all addresses that are delivered to it."""
    return _of(FingerprintKind.ADDRESS, mailboxes.plain(email))


def of_wallet(address: str) -> bytes:
    """The fingerprint of a wallet's address, whatever its capitals."""
    return _of(FingerprintKind.WALLET, address.lower())


def of_device(device_id: str) -> bytes:
    """The fingerprint of the id that an app has given its device."""
    return _of(FingerprintKind.DEVICE, device_id)


def of_name(name: str) -> bytes:
    """The fingerprint of a username or referral code, whatever its capitals."""
    return _of(FingerprintKind.NAME, name.lower())


def of_doorstep(doorstep: str) -> bytes:
    """The fingerprint of a door (`DeliveryAddress.doorstep`), by which an order's tins are limited."""
    return _of(FingerprintKind.DOORSTEP, doorstep)


def _of(kind: FingerprintKind, value: str) -> bytes:
    key = bytes.fromhex(read(FingerprintsConfig).fingerprint_key)
    return hmac.digest(key, f"{kind.value}:{value}".encode(), "sha256")
