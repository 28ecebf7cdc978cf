"""Six digits that are mailed to prove an address; only their keyed hash is stored."""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

from shared.config import Config, read

LIFE = timedelta(minutes=15)
ATTEMPTS_MAX = 5


class MailedCodesConfig(Config):
    """The secret that mailed codes are hashed with, in hex."""

    mailed_code_key: str


@dataclass(frozen=True)
class MailedCode:
    """A new code; `mac` is what may be stored of it."""

    id: UUID
    digits: str = field(repr=False)
    mac: bytes


def new() -> MailedCode:
    """A code that nobody can foresee."""
    identity, digits = uuid4(), f"{secrets.randbelow(10**6):06d}"
    return MailedCode(identity, digits, _mac(identity, digits))


def matches(identity: UUID, mac: bytes, digits: str) -> bool:
    """Whether these are the digits that were mailed under this id."""
    return hmac.compare_digest(mac, _mac(identity, digits))


def _mac(identity: UUID, digits: str) -> bytes:
    key = bytes.fromhex(read(MailedCodesConfig).mailed_code_key)
    return hmac.digest(key, f"{identity}:{digits}".encode(), "sha256")
