"""How amounts, numbers, times and names are written in each language that members can choose.

English and Spanish are written as in the United States, where members live, Portuguese as in Brazil (CLDR en-US, es-US,
pt-BR): 1,234.50 in the first two, 1.234,50 in the third. Months have names, hours go from 0 to 23, times are UTC. Names
of tiers are not translated. Babel would do the same with ten megabytes of tables at each cold start.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, get_args

from shared.values.encoding import moment
from shared.values.money import NotAnAmount, Usdt
from shared.values.prizes import CompType
from shared.values.tiers import Tier

Language = Literal["en", "es", "pt"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT: Language = "en"

QUARTER = re.compile(r"\d{4}-Q[1-4]")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")  # as shared.values.encoding.moment writes it


class Kind(StrEnum):
    """The kind of a text's parameter.

    Amounts are stored and sent as text with exact decimals, times as ISO 8601 with Z, quarters as 2026-Q4, tiers and
    prizes by their keys, numbers as they are.
    """

    TEXT = "text"
    MONEY = "money"
    NUMBER = "number"
    TIER = "tier"
    QUARTER = "quarter"
    PRIZE = "prize"
    COMPS = "comps"  # a prize as a kind of comps: $1K, trip
    MOMENT = "moment"
    PACKAGE = "package"  # the casino package, by the amount of its free play


# Kinds by the parameter's name, which means the same in every text. Any other parameter is text shown unchanged.
KINDS: Mapping[str, Kind] = {
    "amount": Kind.MONEY,
    "value": Kind.MONEY,
    "total": Kind.MONEY,
    "shipping": Kind.MONEY,
    "tax": Kind.MONEY,
    "tins": Kind.NUMBER,
    "needed": Kind.NUMBER,
    "scans": Kind.NUMBER,
    "chips": Kind.NUMBER,
    "minutes": Kind.NUMBER,
    "tier": Kind.TIER,
    "left": Kind.TIER,
    "quarter": Kind.QUARTER,
    "prize": Kind.PRIZE,
    "comps": Kind.COMPS,
    "at": Kind.MOMENT,
    "package": Kind.PACKAGE,
}
TYPES: Mapping[Kind, type] = {
    Kind.TEXT: str,
    Kind.MONEY: Usdt,
    Kind.NUMBER: int,
    Kind.TIER: Tier,
    Kind.QUARTER: str,
    Kind.PRIZE: CompType,
    Kind.COMPS: CompType,
    Kind.MOMENT: datetime,
    Kind.PACKAGE: Usdt,
}
MONTHS: Mapping[Language, tuple[str, ...]] = {
    "en": ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December"),
    "es": ("enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre",
           "noviembre", "diciembre"),
    "pt": ("janeiro", "fevereiro", "março", "abril", "maio", "junho", "julho", "agosto", "setembro", "outubro",
           "novembro", "dezembro"),
}  # fmt: skip
QUARTERS: Mapping[Language, str] = {
    "en": "Q{quarter} {year}",
    "es": "el trimestre {quarter} de {year}",
    "pt": "o trimestre {quarter} de {year}",
}
PRIZES: Mapping[CompType, Mapping[Language, str]] = {
    CompType.CRYPTO_100: {"en": "$100", "es": "$100", "pt": "US$\u00a0100"},
    CompType.CRYPTO_1K: {"en": "$1,000", "es": "$1,000", "pt": "US$\u00a01.000"},
    CompType.CRYPTO_10K: {"en": "$10,000", "es": "$10,000", "pt": "US$\u00a010.000"},
    CompType.TRIP: {"en": "a trip", "es": "un viaje", "pt": "uma viagem"},
    CompType.CASINO: {"en": "a casino package", "es": "un paquete de casino", "pt": "um pacote de cassino"},
    CompType.NEW_MEMBER_GUARANTEE: {
        "en": "a welcome comp", "es": "un premio de bienvenida", "pt": "um prêmio de boas-vindas",
    },
    CompType.MANUAL: {"en": "a comp", "es": "un premio", "pt": "um prêmio"},
}  # fmt: skip


COMPS: Mapping[CompType, Mapping[Language, str]] = {
    CompType.CRYPTO_100: {"en": "$100", "es": "de $100", "pt": "de US$\u00a0100"},
    CompType.CRYPTO_1K: {"en": "$1K", "es": "de $1,000", "pt": "de US$\u00a01.000"},
    CompType.CRYPTO_10K: {"en": "$10K", "es": "de $10,000", "pt": "de US$\u00a010.000"},
    CompType.CASINO: {"en": "casino", "es": "de casino", "pt": "de cassino"},
    CompType.TRIP: {"en": "trip", "es": "de viaje", "pt": "de viagem"},
}


class NotThisKind(TypeError):
    """Raised when the value of a parameter is not of the kind that its name stands for."""


def language(text: str) -> Language:
    """The language stored for a member; English if it is one that we do not support."""
    return text if text in LANGUAGES else DEFAULT


def kind(name: str) -> Kind:
    """The kind of the parameter with this name."""
    return KINDS.get(name, Kind.TEXT)


def stored(name: str, value: object) -> str | int:
    """The value in its stored form; a time may be in that form already. Raises NotThisKind."""
    expected = kind(name)
    fits = isinstance(value, TYPES[expected]) and not isinstance(value, bool)
    if expected is Kind.MOMENT and isinstance(value, str):
        fits = bool(MOMENT.fullmatch(value))
    if not fits or (expected is Kind.QUARTER and not QUARTER.fullmatch(str(value))):
        raise NotThisKind(f"{name} is {type(value).__name__}, not {expected}")
    if isinstance(value, datetime):
        return moment(value)
    return value if isinstance(value, int) else str(value)


def written(name: str, value: str | int, into: Language) -> str:
    """A stored value as people read it. A value that is not of its kind (from an older release) is shown unchanged."""
    writer = WRITERS.get(kind(name))
    return writer(value, into) if writer else str(value)


def money(amount: Usdt, into: Language) -> str:
    """An amount in dollars: $1,000 and $4.50, in Portuguese US$ 1.000 and US$ 4,50."""
    text = _separated(f"{amount.decimal:,f}".removesuffix(".00"), into)
    return f"US$\u00a0{text}" if into == "pt" else f"${text}"


def _separated(text: str, into: Language) -> str:
    return text.translate(str.maketrans(",.", ".,")) if into == "pt" else text


def _money(value: str | int, into: Language) -> str:
    try:
        return money(Usdt.of(str(value)), into)
    except NotAnAmount:
        return str(value)


def _number(value: str | int, into: Language) -> str:
    return _separated(f"{value:,}", into) if isinstance(value, int) else value


def _tier(value: str | int, into: Language) -> str:
    del into
    return Tier(value).label if value in set(Tier) else str(value)


def _prize(value: str | int, into: Language) -> str:
    return PRIZES[CompType(value)][into] if value in set(CompType) else str(value)


def _comps(value: str | int, into: Language) -> str:
    named = COMPS.get(CompType(value)) if value in set(CompType) else None
    return named[into] if named else str(value)


def _quarter(value: str | int, into: Language) -> str:
    if not QUARTER.fullmatch(str(value)):
        return str(value)
    year, quarter = str(value).split("-Q")
    return QUARTERS[into].format(quarter=quarter, year=year)


def _moment(value: str | int, into: Language) -> str:
    try:
        at = datetime.fromisoformat(str(value)).astimezone(UTC)
    except ValueError:
        return str(value)
    month = MONTHS[into][at.month - 1]
    day = f"{month} {at.day}, {at.year}" if into == "en" else f"{at.day} de {month} de {at.year}"
    return f"{day}, {at:%H:%M} UTC"


WRITERS: Mapping[Kind, Callable[[str | int, Language], str]] = {
    Kind.MONEY: _money,
    Kind.NUMBER: _number,
    Kind.TIER: _tier,
    Kind.PRIZE: _prize,
    Kind.COMPS: _comps,
    Kind.QUARTER: _quarter,
    Kind.MOMENT: _moment,
}
