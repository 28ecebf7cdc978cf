"""The texts that the product shows members outside of mails: code → parameters → text per language.

The texts are in `notices` and `lines`, mails in `mail_sources_…`. Clients get the code and the parameters
beside the text, so that they can write it themselves.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from string import Template

from shared.messages import wording
from shared.messages.lines import LINES
from shared.messages.notices import NOTICES
from shared.messages.wording import DEFAULT, Kind, Language
from shared.values.money import NotAnAmount, Usdt

Params = Mapping[str, str | int]

ANNOUNCEMENT = "announcement"  # a text that admins write to all members: it has its own words


class TextUnknown(Exception):
    """Raised when no text has this code, or the text has other parameters."""


@dataclass(frozen=True)
class Words:
    """The title and body of a notice."""

    title: str
    body: str


@dataclass(frozen=True)
class Said:
    """A line's code with its parameters."""

    code: str
    params: Params

    @property
    def text(self) -> str:
        """The line in English, for what everybody reads."""
        return line(self.code, self.params)


def say(code: str, **values: object) -> Said:
    """A line with its parameters. Raises TextUnknown and NotThisKind, which are the caller's errors."""
    if code not in LINES:
        raise TextUnknown(code)
    return Said(code, checked(code, values))


def checked(code: str, values: Mapping[str, object]) -> Params:
    """The parameters of a text in their stored form. Raises TextUnknown, NotThisKind."""
    if values.keys() != parameters(code):
        raise TextUnknown(f"{code} takes {sorted(parameters(code))}, not {sorted(values)}")
    return {name: wording.stored(name, value) for name, value in values.items()}


def parameters(code: str) -> frozenset[str]:
    """The names of a text's parameters. Raises TextUnknown."""
    return frozenset(name for text in _texts(code, DEFAULT) for name in Template(text).get_identifiers())


def notice(code: str | None, params: Params, into: Language) -> Words | None:
    """A notice in a language; None if it has no text of its own, or comes from a release with other texts."""
    if code is None or code not in NOTICES or params.keys() != parameters(code):
        return None
    title, body = (_filled(text, params, into) for text in _texts(code, into))
    return Words(title, body)


def line(code: str, params: Params, into: Language = DEFAULT) -> str:
    """A line in a language. Raises TextUnknown."""
    (text,) = _texts(code, into)
    return _filled(text, params, into)


def casino_package(free_play: Usdt, into: Language = DEFAULT) -> tuple[str, ...]:
    """The contents of the casino package beside the comp's USDT (docs/product.md, "Casino package")."""
    parts = (
        say("casino_suite"),
        say("casino_free_play", amount=free_play),
        say("casino_dining", amount=Usdt.of(500)),
        say("casino_host"),
        say("casino_spa"),
        say("casino_airfare", amount=Usdt.of(1_000)),
    )
    return tuple(line(part.code, part.params, into) for part in parts)


def written(name: str, value: str | int, into: Language) -> str:
    """A parameter in the form that people read."""
    if wording.kind(name) is Kind.PACKAGE:
        with suppress(NotAnAmount):
            return "; ".join(casino_package(Usdt.of(value), into))
    return wording.written(name, value, into)


def _texts(code: str, into: Language) -> tuple[str, ...]:
    if code in NOTICES:
        both: tuple[str, str] = getattr(NOTICES[code], into)
        return both
    if code in LINES:
        return (getattr(LINES[code], into),)
    raise TextUnknown(code)


def _filled(text: str, params: Params, into: Language) -> str:
    return Template(text).substitute({name: written(name, value, into) for name, value in params.items()})
