"""The mails of the code by their keys, and what a version that an admin has written must have to replace one. Pure.

A replacement says whatever it likes with the values that the mail has. It must show each of them but the recipient's
name, so that no code, amount or address is lost. Its subject and preheader are read on locked screens: they show what
the subjects of the code may show.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from shared.messages.mail_sources import Source
from shared.messages.mail_sources_account import ACCOUNT
from shared.messages.mail_sources_prizes import PRIZES
from shared.messages.mail_sources_wholesale import WHOLESALE
from shared.messages.wording import DEFAULT, LANGUAGES, Language

SOURCES: Mapping[str, Source] = {**ACCOUNT, **PRIZES, **WHOLESALE}
SHOWN_OUTSIDE = frozenset({"amount", "destination", "order_number", "subject"})
GREETING = frozenset({"name"})
# Values for previews and test mails, in the form in which parameters are stored (shared/messages/wording.py).
SAMPLES: Mapping[str, str] = {
    "amount": "100.00",
    "at": "2026-11-29T13:05:00Z",
    "carrier": "USPS",
    "code": "135246",
    "destination": "Las Vegas",
    "device": "iPhone",
    "email": "ada@example.com",
    "link": "https://blakjaks.com/",
    "member_id": "BJ-0001-WH",
    "name": "Ada Lovelace",
    "number": "W-0001",
    "order_number": "BJ-1001",
    "package": "10000.00",
    "phone": "+1 512 555 0100",
    "comp_id": "3f9c2b1a-7d5e-4f60-8a1b-0c9d8e7f6a5b",
    "closed_at": "2026-11-29",
    "goods": "39.92",
    "items": "8 × Mint Ice 3 mg",
    "network": "203.0.113.0/24",
    "percent": "50",
    "remedy": "What people do about it",
    "shipping": "2.99",
    "subject": "A subject",
    "tax": "0.00",
    "to_address": "0x" + "7" * 40,
    "total": "42.91",
    "tracking_number": "9400100000000000000000",
    "value": "1000.00",
    "volume": "1,000,000",
    "what": "What has happened",
    "transaction_hash": "0x" + "ab" * 32,
    "wallet_address": "0x" + "7" * 40,
}


@dataclass(frozen=True)
class Replaceable:
    """The variables of a mail, those that a replacement must have, and those that its subject may have. `languages` are
    those in which the mail is sent.
    """

    variables: frozenset[str]
    required: frozenset[str]
    outside: frozenset[str]
    languages: tuple[Language, ...]
    is_secret: bool


def replaceable(key: str) -> Replaceable | None:
    """The terms for a replacement of the mail; None if no mail has this key."""
    source = SOURCES.get(key)
    if source is None:
        return None
    variables = source.parameters()
    return Replaceable(
        variables=variables,
        required=variables - GREETING,
        outside=variables & SHOWN_OUTSIDE,
        languages=(DEFAULT,) if source.is_english_only else LANGUAGES,
        is_secret=source.is_secret,
    )


def fits(key: str, variables: Collection[str]) -> bool:
    """True if a version with these variables can replace the mail as it is in this release."""
    mail = replaceable(key)
    return mail is not None and mail.required <= set(variables) <= mail.variables


def reason_for(key: str, language: Language) -> str:
    """Why the recipient gets this mail, as its last line says. Raises KeyError for a key that no mail has."""
    return SOURCES[key].why[LANGUAGES.index(language)]


def samples(key: str) -> dict[str, str]:
    """A value for each variable of the mail. Raises KeyError for a key that no mail has."""
    return {name: SAMPLES[name] for name in SOURCES[key].parameters()}
