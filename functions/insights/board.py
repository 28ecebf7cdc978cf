"""A page of figures while it is put together: the values, and beside them the moment of each and what is old."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from shared.figures import names
from shared.figures.kept import Kept
from shared.figures.names import Name
from shared.values.fields import Reply

Value = TypeVar("Value")


class Board(Reply):
    """Figures, and beside them by field: the moment of which it is true (`as_of`), whether it is older than it should
    be (`stale`), and why it is null (`reasons`). A field of which no moment is known has not been counted yet.
    """

    as_of: dict[str, datetime]
    stale: list[str]
    reasons: dict[str, str]


@dataclass
class Making:
    """The figures that were read, and what is known of those that are shown."""

    kept: Mapping[str, Kept]
    now: datetime
    as_of: dict[str, datetime] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    def show(self, name: Name, kind: type[Value], shown_as: str | None = None) -> Value | None:
        """The figure's value; None if there is none. What a release before has kept in another form is not counted
        yet.
        """
        label, found = shown_as or name.value, self.kept.get(name)
        if found is None:
            self.reasons[label] = names.NOT_COUNTED
            return None
        self.as_of[label] = min(found.as_of, self.as_of.get(label, found.as_of))
        if found.is_stale(self.now) and label not in self.stale:
            self.stale.append(label)
        if found.value is None:
            self.reasons[label] = found.reason or names.NOT_COUNTED
            return None
        try:
            value: Value = _adapter(cast("Hashable", kind)).validate_python(found.value)
        except ValidationError:
            self.reasons[label] = names.NOT_COUNTED
            return None
        return value

    def live(self, label: str, value: Value | None, reason: str = names.NOT_COUNTED) -> Value | None:
        """A value that was read for this request."""
        self.as_of.setdefault(label, self.now)
        if value is None:
            self.reasons[label] = reason
        return value

    def known(self) -> dict[str, Any]:
        """The fields of `Board`."""
        return {"as_of": self.as_of, "stale": sorted(self.stale), "reasons": self.reasons}


@cache
def _adapter(kind: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", kind))
