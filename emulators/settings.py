"""The settings of `make run`, read strictly: a value that is not allowed is refused with one sentence."""

import os
from collections.abc import Iterable
from typing import Literal, NoReturn

from emulators.running import refuse

Choice = Literal["official", "embedded", "auto"]
Source = Literal["any", "machine", "embedded"]

CHOICES: tuple[Choice, ...] = ("official", "embedded", "auto")
DATABASES: dict[str, Source] = {"machine": "machine", "embedded": "embedded", "auto": "any"}
SERVICES = ("FIRESTORE", "PUBSUB", "POSTGRES")
SWITCH = {"": False, "0": False, "1": True}
GATEWAY_PORT = 8080
PORT_MAX = 65_535


def emulator(service: str) -> Choice:
    """The choice of EMULATOR_<service>, else of EMULATOR, else auto."""
    name = _asked_by(service)
    asked = os.environ.get(name) or "auto"
    if asked not in CHOICES:
        _refuse(name, asked, CHOICES)
    return asked


def database() -> Source:
    """The Postgres that EMULATOR_POSTGRES names; of EMULATOR only "embedded" counts, since Google has none."""
    if not os.environ.get("EMULATOR_POSTGRES"):
        return "embedded" if emulator("POSTGRES") == "embedded" else "any"
    asked = os.environ["EMULATOR_POSTGRES"]
    if asked not in DATABASES:
        _refuse("EMULATOR_POSTGRES", asked, DATABASES)
    return DATABASES[asked]


def isolated() -> bool:
    """True for ISOLATED=1: a process per function."""
    asked = os.environ.get("ISOLATED", "")
    if asked not in SWITCH:
        _refuse("ISOLATED", asked, ("0", "1"))
    return SWITCH[asked]


def gateway_port() -> tuple[int, bool]:
    """The port, and whether it must be this one: GATEWAY_PORT, or 8080 unless that is taken."""
    asked = os.environ.get("GATEWAY_PORT")
    if not asked:
        return GATEWAY_PORT, False
    if not (asked.isascii() and asked.isdigit() and 0 < int(asked) <= PORT_MAX):
        _refuse("GATEWAY_PORT", asked, (f"a number from 1 to {PORT_MAX}",))
    return int(asked), True


def refuse_unknown() -> None:
    """Refuse an EMULATOR_… for something without an emulator: it is a slip, since it would do nothing."""
    known = {f"EMULATOR_{service}" for service in SERVICES}
    for name in sorted(os.environ):
        if name.startswith("EMULATOR_") and name not in known:
            refuse(f"there is no setting {name}: these are known: EMULATOR, {', '.join(sorted(known))}")


def _asked_by(service: str) -> str:
    own = f"EMULATOR_{service}"
    return own if os.environ.get(own) else "EMULATOR"


def _refuse(name: str, asked: str, allowed: Iterable[str]) -> NoReturn:
    refuse(f"{name} is {asked!r}; allowed is {' or '.join(allowed)}")
