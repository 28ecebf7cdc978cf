"""Codes on tins: twelve unambiguous symbols, stored only as a keyed hash.

The plain code exists in the manufacturer's export and on the tin. Everywhere else it is represented by HMAC-SHA256
under a secret key, cut to sixteen bytes: a copy of the database does not contain usable codes.
"""

import hmac
import secrets
from collections.abc import Iterator
from functools import lru_cache

from shared.config import Config, read
from shared.values import typed

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # A-Z and 2-9 without O and I: 32 symbols
LENGTH = 12
GROUP = 4
MAC_BYTES = 16
_SYMBOLS = frozenset(ALPHABET)
# 256 is a multiple of 32, so every symbol is equally likely
_SYMBOL_OF_BYTE = ALPHABET.encode() * (256 // len(ALPHABET))
_CODES_AT_ONCE = 1000


class CodesConfig(Config):
    """The secret key that codes are hashed with, in hexadecimal; at least 32 bytes."""

    code_mac_key: str


class CodeFilesConfig(Config):
    """The bucket in which exports of codes are stored."""

    codes_bucket: str


def generate(count: int, *, check_symbol: bool = False) -> Iterator[str]:
    """Generate `count` random codes; with `check_symbol` the last symbol depends on the others and the key."""
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
    """The twelve symbols of a typed code (in any capitals, with or without dashes or blanks); None if it is not one."""
    symbols = typed.compact(text).replace("-", "")
    is_code = len(symbols) == LENGTH and symbols.isascii() and _SYMBOLS.issuperset(symbols.upper())
    return symbols.upper() if is_code else None


def of_tin(text: str) -> str:
    """The twelve symbols of a well-formed code. Raises ValueError."""
    symbols = normalized(text)
    if symbols is None:
        raise ValueError("must be the twelve letters and digits of a tin; I, O, 0 and 1 are not among them")
    return symbols


def displayed(code: str) -> str:
    """The code in the form XXXX-XXXX-XXXX."""
    return f"{code[:GROUP]}-{code[GROUP : 2 * GROUP]}-{code[2 * GROUP :]}"


def mac(code: str) -> bytes:
    """The keyed hash under which the database stores a normalized code."""
    return _digest(b"code\x00" + code.encode("ascii"))[:MAC_BYTES]


def check(first: str) -> str:
    """The check symbol for eleven symbols. One random typo in 32 is not detected; guessing gains nothing."""
    return ALPHABET[_digest(b"check\x00" + first.encode("ascii"))[0] & 31]


def _digest(message: bytes) -> bytes:
    keyed = _keyed(read(CodesConfig).code_mac_key).copy()
    keyed.update(message)
    return keyed.digest()


@lru_cache(maxsize=1)
def _keyed(key: str) -> hmac.HMAC:
    """The HMAC after hashing the key, which is half the work for a short code: made once, copied for each code."""
    return hmac.new(bytes.fromhex(key), digestmod="sha256")
