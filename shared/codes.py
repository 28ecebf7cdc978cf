"""Codes on tins: twelve symbols that cannot be mistaken, stored only as a keyed hash.

The plain code exists in the manufacturer's export and on the tin. HMAC-SHA256 under a secret key, cut to sixteen
bytes, stands for it everywhere else: a copy of the database cannot be spent.
"""

import hmac
import secrets
from collections.abc import Iterator
from functools import lru_cache

from shared.config import Config, read

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # A-Z and 2-9 without O and I: 32 symbols
LENGTH = 12
GROUP = 4
MAC_BYTES = 16
_SYMBOLS = frozenset(ALPHABET)
_SYMBOL_OF_BYTE = ALPHABET.encode() * (256 // len(ALPHABET))  # 256 is a multiple of 32: every symbol is as likely
_CODES_AT_ONCE = 1000


class CodesConfig(Config):
    """The secret that codes are hashed with, in hex; at least 32 bytes."""

    code_mac_key: str


class CodeFilesConfig(Config):
    """The bucket that exports lie in."""

    codes_bucket: str


def generate(count: int, *, check_symbol: bool = False) -> Iterator[str]:
    """`count` random codes; with `check_symbol` the last symbol depends on the others and the key."""
    for start in range(0, count, _CODES_AT_ONCE):
        length = LENGTH * min(_CODES_AT_ONCE, count - start)
        symbols = secrets.token_bytes(length).translate(_SYMBOL_OF_BYTE).decode("ascii")
        for at in range(0, length, LENGTH):
            if check_symbol:
                first = symbols[at : at + LENGTH - 1]
                yield first + check(first)
            else:
                yield symbols[at : at + LENGTH]


def normalized(text: str) -> str | None:
    """The twelve symbols of a code as people type it (lower case, with or without hyphens or spaces), or None."""
    symbols = text.upper().replace("-", "").replace(" ", "")
    is_code = text.isascii() and len(symbols) == LENGTH and _SYMBOLS.issuperset(symbols)
    return symbols if is_code else None


def displayed(code: str) -> str:
    """XXXX-XXXX-XXXX."""
    return f"{code[:GROUP]}-{code[GROUP : 2 * GROUP]}-{code[2 * GROUP :]}"


def mac(code: str) -> bytes:
    """What the database knows of a normalized code."""
    return _digest(b"code\x00" + code.encode("ascii"))[:MAC_BYTES]


def check(first: str) -> str:
    """The check symbol that follows eleven others; one random typo in 32 slips through, a guess gains nothing."""
    return ALPHABET[_digest(b"check\x00" + first.encode("ascii"))[0] & 31]


def _digest(message: bytes) -> bytes:
    keyed = _keyed(read(CodesConfig).code_mac_key).copy()
    keyed.update(message)
    return keyed.digest()


@lru_cache(maxsize=1)
def _keyed(key: str) -> hmac.HMAC:
    """Hashing the key is half of the work on something as short as a code: done once, copied for each."""
    return hmac.new(bytes.fromhex(key), digestmod="sha256")
