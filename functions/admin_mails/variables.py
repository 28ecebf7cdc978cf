"""The variables that the texts of a version may have, and those that it must have, by its template's use. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from functions.admin_mails.blocks import VARIABLE, MailContent
from shared.messages import built_in_mails
from shared.messages.written_mails import VARIABLES
from shared.values.problems import NotValid

OUTSIDE = ("/subject", "/preheader")  # what is shown before the mail is opened


@dataclass(frozen=True)
class Allowed:
    """The variables that a version may have, those that its subject and preheader may have, and those that it must
    show.
    """

    variables: frozenset[str]
    outside: frozenset[str]
    required: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Said:
    """A text of a version. `is_shown` is false for what stands for an image, which many mail programs leave out."""

    path: str
    text: str
    is_shown: bool

    @property
    def variables(self) -> frozenset[str]:
        return frozenset(name[1:-1] for name in re.findall(VARIABLE, self.text))


def allowed(key: str | None) -> Allowed:
    """The variables of versions that replace the mail of this key, or of versions for campaigns."""
    mail = built_in_mails.replaceable(key) if key else None
    if mail:
        return Allowed(mail.variables, mail.outside, mail.required)
    typed = {name for name, variable in VARIABLES.items() if variable.is_typed}
    return Allowed(frozenset(VARIABLES), frozenset(VARIABLES) - typed)


def check(content: MailContent, may: Allowed) -> list[str]:
    """Return the variables of a version, sorted. Raises NotValid with every text that has a variable that it may not
    have, and with the variables that no block shows and that one must.
    """
    said = list(_texts(content.model_dump(mode="json", exclude_none=True), ""))
    faults = [
        {"field": each.path, "message": _message(wanted)}
        for each in said
        for wanted in [may.outside if each.path in OUTSIDE else may.variables]
        if not each.variables <= wanted
    ]
    shown = [each.variables for each in said if each.is_shown and each.path not in OUTSIDE]
    if missing := sorted(may.required - frozenset().union(*shown)):
        faults.append({"field": "/blocks", "message": f"must show {_listed(missing)}: the mail is for them"})
    if faults:
        raise NotValid(errors=faults)
    return sorted(frozenset().union(*(each.variables for each in said)))


def _message(wanted: frozenset[str]) -> str:
    return f"must have no other variables than {_listed(sorted(wanted))}" if wanted else "must have no variables"


def _listed(names: list[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in names)


def _texts(value: object, path: str, *, is_shown: bool = True) -> Iterator[_Said]:
    """Every text of a version with its place in the body."""
    if isinstance(value, str):
        yield _Said(path, value, is_shown)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _texts(each, f"{path}/{number}", is_shown=is_shown)
    elif isinstance(value, dict):
        inside = is_shown and value.get("type") != "image"
        for name, each in value.items():
            yield from _texts(each, f"{path}/{name}", is_shown=inside)
