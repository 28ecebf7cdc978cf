"""The pinned requirements of a function: what it imports, what that needs in turn, and nothing else.

Versions and hashes are those of functions/constraints.txt. Dependencies are read from the installed packages, which
`make setup` keeps at these versions. Markers are evaluated for the machine that will run it, not for this one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution

from packaging.markers import Marker
from packaging.requirements import Requirement

from terraform.functions import NotDeployable

RUNTIME = "python311"  # the runtime of Cloud Run functions, whose version the suites use too
TARGET: Mapping[str, str] = {
    "implementation_name": "cpython",
    "implementation_version": "3.11.0",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": "3.11.0",
    "python_version": "3.11",
    "sys_platform": "linux",
}
_PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)(?: ; (?P<marker>.*?))? \\\n(?P<hashes>(?:    --hash=.*\n)+)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Pin:
    """One entry of constraints.txt."""

    name: str
    version: str
    text: str


def pins(constraints: str) -> dict[str, Pin]:
    """The pins whose markers hold on the machine that will run them, by name."""
    found = {}
    for match in _PIN.finditer(constraints):
        if match["marker"] is None or Marker(match["marker"]).evaluate(dict(TARGET)):
            text = f"{match['name']}=={match['version']} \\\n{match['hashes']}"
            found[match["name"]] = Pin(match["name"], match["version"], text)
    return found


def pinned(names: Iterable[str], known: Mapping[str, Pin]) -> str:
    """The text of a complete requirements.txt for these names, each with its extras. Raises NotDeployable."""
    needed = _closure(frozenset(names))
    for name in needed:
        if name not in known:
            raise NotDeployable(f"{name} is needed and not pinned in functions/constraints.txt: make lock.")
        if _installed(name).version != known[name].version:
            raise NotDeployable(f"{name} is installed in another version than it is pinned: make setup.")
    return "".join(known[name].text for name in sorted(needed))


@cache
def _closure(names: frozenset[str]) -> frozenset[str]:
    todo = [(wanted.name, extra) for wanted in map(Requirement, names) for extra in ("", *wanted.extras)]
    seen: set[tuple[str, str]] = set()
    while todo:
        name, extra = todo.pop()
        if (name, extra) not in seen:
            seen.add((name, extra))
            todo.extend(_needed_by(name, extra))
    return frozenset(name for name, _ in seen)


@cache
def _needed_by(name: str, extra: str) -> tuple[tuple[str, str], ...]:
    return tuple(
        (_canonical(wanted.name), also)
        for wanted in _installed(name).requires
        if wanted.marker is None or wanted.marker.evaluate({**TARGET, "extra": extra})
        for also in ("", *wanted.extras)
    )


@dataclass(frozen=True)
class _Installed:
    version: str
    requires: tuple[Requirement, ...]


@cache
def _installed(name: str) -> _Installed:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise NotDeployable(f"{name} is needed and not installed: make setup.") from None
    return _Installed(found.version, tuple(map(Requirement, found.requires or ())))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
