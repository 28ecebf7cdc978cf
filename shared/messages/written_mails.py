"""Mails that admins have written: their variables, and how these are filled in for one recipient.

A variable is written `{name}`. Filling in is a replacement of known names and nothing else: there is no language of
templates, and what is put in is never looked at again. Preview, test mail, campaign, and a mail that is sent instead of
one of the code, all use `fill`. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from shared.messages import texts, wording
from shared.messages.wording import Language

# Only our own footer has these: the link that ends such mails, and the address of the sender.
UNSUBSCRIBE, POSTAL_ADDRESS = "unsubscribe_link", "postal_address"


@dataclass(frozen=True)
class Variable:
    """A variable: a value for previews, and what stands for an empty value. `is_typed`: members have typed the value,
    so that no subject may show it.
    """

    sample: str | int
    fallback: Mapping[Language, str]
    is_typed: bool = False


NOBODY: Mapping[Language, str] = {"en": "BlakJaks member", "es": "miembro de BlakJaks", "pt": "membro da BlakJaks"}
NOTHING_SAID: Mapping[Language, str] = {"en": "", "es": "", "pt": ""}
# The kind of a value follows from the name, as in all our texts (shared/messages/wording.py).
VARIABLES: Mapping[str, Variable] = {
    "name": Variable("Ada Lovelace", NOBODY, is_typed=True),
    "username": Variable("ada_l", NOBODY, is_typed=True),
    "tier": Variable("vip", NOTHING_SAID),
    "scans": Variable(12, NOTHING_SAID),
}
PLACE = re.compile(r"\{([a-z_]{1,40})\}")


@dataclass(frozen=True)
class WrittenMail:
    """A version of a template in its language, with its variables not filled in. `key` is that of the mail of the code
    that it replaces; None for campaigns.
    """

    subject: str
    html: str
    text: str
    language: Language
    key: str | None = None


@dataclass(frozen=True)
class FilledMail:
    """A mail for one recipient."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True)
class Footer:
    """The end that our code gives each mail of a campaign: the link that ends such mails for the recipient, and the
    sender's postal address in lines, empty until there is one.
    """

    unsubscribe_link: str
    postal_address: str


def fill(mail: WrittenMail, values: Mapping[str, str | int], footer: Footer) -> FilledMail:
    """The mail with a recipient's values, escaped in HTML. Values are in the form that `wording` stores. In a mail of a
    campaign one that is missing is replaced by the variable's fallback; a mail that replaces one of the code gets all
    of that one's values, and has no footer.
    """
    if mail.key is None:
        shown = {name: _shown(name, values.get(name, ""), mail.language) for name in VARIABLES}
        shown |= {UNSUBSCRIBE: footer.unsubscribe_link, POSTAL_ADDRESS: footer.postal_address}
    else:
        shown = {name: texts.written(name, value, mail.language) for name, value in values.items()}
    escaped = {name: escape(value) for name, value in shown.items()}
    if mail.key is None:
        escaped[POSTAL_ADDRESS] = escaped[POSTAL_ADDRESS].replace("\n", "<br />")
    return FilledMail(
        subject=_filled(mail.subject, shown), html=_filled(mail.html, escaped), text=_filled(mail.text, shown)
    )


def samples() -> dict[str, str | int]:
    """A value for each variable, for a preview without a recipient."""
    return {name: variable.sample for name, variable in VARIABLES.items()}


def _shown(name: str, value: str | int, language: Language) -> str:
    return wording.written(name, value, language).strip() or VARIABLES[name].fallback[language]


def _filled(text: str, shown: Mapping[str, str]) -> str:
    return PLACE.sub(lambda found: shown.get(found[1], found[0]), text)
