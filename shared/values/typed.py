"""Parsers for typed and pasted text: codes, names and addresses, brought into the spelling that is stored.

Keyboards, messages and spreadsheets change what is typed: letters become full-width, digits those of another script, a
hyphen becomes another dash, and white space and invisible characters are added. `plain` undoes all of that. A parser
raises ValueError with a sentence for the person when the text cannot be valid: the request is then refused before
anything is looked up or counted as a guess.
"""

import re
import unicodedata

TYPED_MAX = 64  # characters of something that is typed from sight
PASTED_MAX = 200  # characters of something that is pasted
DIGITS = 6
DASHES = frozenset(
    # Unicode classes them as letters, signs or bullets; keyboards produce them for a dash
    "\u02d7\u2043\u2212\u2500\u30fc"
)
# They choose how the character before them looks.
SELECTORS = frozenset(chr(number) for number in range(0xFE00, 0xFE10))
WEI_DIGITS_MAX = 30
STATES = frozenset(
    {
        "AK", "AL", "AR", "AS", "AZ", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "GU", "HI",
        "IA", "ID", "IL", "IN", "KS", "KY", "LA", "MA", "MD", "ME", "MI", "MN", "MO", "MP",
        "MS", "MT", "NC", "ND", "NE", "NH", "NJ", "NM", "NV", "NY", "OH", "OK", "OR", "PA",
        "PR", "RI", "SC", "SD", "TN", "TX", "UT", "VA", "VI", "VT", "WA", "WI", "WV", "WY",
    }
)  # fmt: skip
STATE_CODE = re.compile(r"[A-Z]{2}")
ZIP = re.compile(r"[0-9]{5}(-[0-9]{4})?")
USERNAME = re.compile(r"[A-Za-z0-9_]{3,30}")
REFERRAL_CODE = re.compile(r"[A-Za-z0-9_-]{3,30}")  # a username or a custom code
CUSTOM_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")
CUSTOM_CODE_LENGTHS = range(3, 31)
PARCEL_NUMBER = re.compile(r"[A-Z0-9]{6,40}")
BACKUP_CODE = re.compile(r"[a-z2-7]{10}")
MEMBER_ID = re.compile(r"(BJ-)?[0-9]{1,18}(-(ST|VIP|HR|WH))?")
EVM_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
TRANSACTION_HASH = re.compile(r"0x[0-9a-f]{64}")


def plain(text: str) -> str:
    """The text in NFKC, with ASCII digits, `-` for every dash, and without characters that only format."""
    if text.isascii():
        return text
    return "".join(_plain(character) for character in unicodedata.normalize("NFKC", text))


def compact(text: str) -> str:
    """`plain` without any white space, for text that never contains any."""
    return "".join(plain(text).split())


def line(text: str) -> str:
    """`plain` on one line: white space at the ends is removed, white space within becomes one blank."""
    return " ".join(plain(text).split())


def written(text: str) -> str:
    """`line` of a text that is not blank. Raises ValueError."""
    found = line(text)
    if not found:
        raise ValueError("must not be blank")
    return found


def cell(text: str) -> str:
    """A spreadsheet's cell without the marks that make it text: `="K7QM"` and `'K7QM` are K7QM."""
    bare = text.strip()
    if bare.startswith('="') and bare.endswith('"') and len(bare) > len('="'):
        return bare[2:-1].replace('""', '"')
    return bare.removeprefix("'")


def parcel_number(text: str) -> str:
    """A carrier's number of a parcel, in capital letters without blanks and dashes. Raises ValueError."""
    number = compact(text).replace("-", "").upper()
    if not PARCEL_NUMBER.fullmatch(number):
        raise ValueError("must be the carrier's number: 6 to 40 letters and digits")
    return number


def six_digits(text: str) -> str:
    """A code of an authenticator app, or one that was mailed. Raises ValueError."""
    digits = compact(text).replace("-", "")
    if len(digits) != DIGITS or not _is_number(digits):
        raise ValueError("must be six digits")
    return digits


def six_digits_or_backup_code(text: str) -> str:
    """Six digits, or the ten symbols of a backup code in small letters. Raises ValueError."""
    symbols = compact(text).replace("-", "").lower()
    if (len(symbols) == DIGITS and _is_number(symbols)) or BACKUP_CODE.fullmatch(symbols):
        return symbols
    raise ValueError("must be six digits, or a backup code: ten letters and digits, without 0, 1, 8 and 9")


def username(text: str) -> str:
    """A username as it is displayed, in its capitals. White space within is not removed: a name is chosen with care.

    Raises ValueError.
    """
    name = line(text)
    if not USERNAME.fullmatch(name):
        raise ValueError("must be 3 to 30 letters from A to Z, digits and underscores")
    return name


def member_id(text: str) -> str:
    """A member id such as BJ-0042-VIP in capital letters, also without its suffix or prefix. Raises ValueError."""
    found = compact(text).upper()
    if not MEMBER_ID.fullmatch(found):
        raise ValueError("must be a member id such as BJ-0042-VIP")
    return found


def referral_code(text: str) -> str:
    """A member's username or custom code, also from a pasted referral link. Raises ValueError."""
    code = compact(text).rpartition("/r/")[2]
    if not REFERRAL_CODE.fullmatch(code):
        raise ValueError("must be a member's username or referral code")
    return code


def custom_code(text: str) -> str:
    """A referral code that a member chooses, in small letters. Raises ValueError."""
    code = line(text).lower()
    if not CUSTOM_CODE.fullmatch(code) or len(code) not in CUSTOM_CODE_LENGTHS:
        raise ValueError(
            "must be two or more words of letters from a to z and digits, with hyphens between, 3 to 30 long"
        )
    return code


def state_code(text: str) -> str:
    """A state by its two capital letters. Raises ValueError."""
    code = compact(text).upper()
    if not STATE_CODE.fullmatch(code):
        raise ValueError("must be a state by its two letters")
    return code


def us_state(text: str) -> str:
    """A state or territory of the United States by its two capital letters. Raises ValueError."""
    found = compact(text).upper()
    if found not in STATES:
        raise ValueError("must be a state or territory of the United States by its two letters")
    return found


def zip_code(text: str) -> str:
    """A ZIP code: five digits, or nine with a hyphen. Raises ValueError."""
    code = compact(text)
    if not ZIP.fullmatch(code):
        raise ValueError("must be the five digits of a ZIP code, or nine with a hyphen")
    return code


def evm_address(text: str) -> str:
    """A Polygon address, in its capitals (EIP-55). Raises ValueError."""
    address = _hexadecimal(text)
    if not EVM_ADDRESS.fullmatch(address):
        raise ValueError("must be 0x and the 40 digits and letters from a to f of an address")
    return address


def transaction_hash(text: str) -> str:
    """The hash of a transaction, in small letters. Raises ValueError."""
    found = _hexadecimal(text).lower()
    if not TRANSACTION_HASH.fullmatch(found):
        raise ValueError("must be 0x and the 64 digits and letters from a to f of a transaction's hash")
    return found


def wei(text: str) -> str:
    """A number of wei in digits; commas, blanks or underscores between groups are removed. Raises ValueError."""
    digits = compact(text).replace(",", "").replace("_", "")
    if not _is_number(digits) or len(digits) > WEI_DIGITS_MAX:
        raise ValueError(f"must be a whole number of at most {WEI_DIGITS_MAX} digits")
    return digits


def password(text: str) -> str:
    """The password in the form that is hashed: NFC, with plain blanks (RFC 8265, OpaqueString); else unchanged."""
    blanks = "".join(" " if unicodedata.category(character) == "Zs" else character for character in text)
    return unicodedata.normalize("NFC", blanks)


def _hexadecimal(text: str) -> str:
    symbols = compact(text)
    return f"0x{symbols[2:]}" if symbols[:2] == "0X" else symbols


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _plain(character: str) -> str:
    if character.isascii():
        return character
    category = unicodedata.category(character)
    if category == "Cf" or character in SELECTORS:
        return ""
    if category == "Pd" or character in DASHES:
        return "-"
    return str(unicodedata.decimal(character)) if category == "Nd" else character
