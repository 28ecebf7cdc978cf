"""The blocks that a mail is made of. Text is text: nothing in it is HTML, and `{name}` is a variable.

A block has the fields of its type and no others. Columns hold blocks that are no columns themselves, so that blocks are
never more than two levels deep.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from shared.messages.wording import Language
from shared.values.fields import LINE, LINES, Body, Shape

BLOCKS_MAX = 60
COLUMN_BLOCKS_MAX = 10
SPANS_MAX = 50
VARIABLE = r"\{[a-z_]{1,40}\}"
HTTPS = r"^https://[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[A-Za-z0-9._~:/?#@!$&()*+,;=%-]{0,1500})?$"

LeafType = Literal["heading", "text", "button", "image", "box", "divider", "spacer"]
MailKind = Literal["marketing", "transactional"]
BlockType = Literal["heading", "text", "button", "image", "box", "divider", "spacer", "columns"]


def _without_other_braces(text: str) -> str:
    """The text. Raises ValueError for a brace that belongs to no variable; `variables.py` checks their names."""
    if set(re.sub(VARIABLE, "", text)) & set("{}"):
        raise ValueError("must have no braces but those of variables, as in {name}")
    return text


Link = Annotated[str, Shape(HTTPS, "an https address")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=200), LINE, AfterValidator(_without_other_braces)]
Lines = Annotated[str, StringConstraints(min_length=1, max_length=4_000), LINES, AfterValidator(_without_other_braces)]


class Span(Body):
    """A piece of text in one style. A blank is put between two spans, unless the second begins with a mark such as a
    full stop.
    """

    text: Lines
    bold: bool = False
    italic: bool = False
    link: Link | None = None


Spans = Annotated[list[Span], Field(min_length=1, max_length=SPANS_MAX)]


@dataclass(frozen=True)
class _Fields:
    """The fields that blocks of a type must have, and those that they may have."""

    needed: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()


FIELDS: Mapping[str, _Fields] = {
    "heading": _Fields(frozenset({"text"})),
    "text": _Fields(frozenset({"spans"})),
    "button": _Fields(frozenset({"text", "link"})),
    "image": _Fields(frozenset({"image", "text"}), frozenset({"link"})),
    "box": _Fields(frozenset({"spans"})),
    "divider": _Fields(),
    "spacer": _Fields(frozenset({"height"})),
    "columns": _Fields(frozenset({"left", "right"})),
}


class AnyBlock(Body):
    """The fields of blocks. `text` is a heading, the label of a button, or what an image shows; `spans` the text of a
    paragraph or a box; `height` the pixels of a spacer.
    """

    type: str
    text: Line | None = None
    spans: Spans | None = None
    link: Link | None = None
    image: Link | None = None
    height: Annotated[int, Field(ge=4, le=64)] | None = None

    @model_validator(mode="after")
    def _has_its_fields(self) -> Self:
        """Refuse fields of other types, and a block without its own."""
        given = {name for name in self.model_fields_set if getattr(self, name) is not None} - {"type"}
        its = FIELDS[self.type]
        if not its.needed <= given <= its.needed | its.allowed:
            raise ValueError(f"must have the fields of its type: {_listed(its)}")
        return self


class Leaf(AnyBlock):
    """A block that is no columns."""

    type: LeafType


Column = Annotated[list[Leaf], Field(min_length=1, max_length=COLUMN_BLOCKS_MAX)]


class Block(AnyBlock):
    """A block of a mail; `columns` have a `left` and a `right` one."""

    type: BlockType
    left: Column | None = None
    right: Column | None = None


class MailContent(Body):
    """A version of a mail. `preheader` is what inboxes show beside the subject. Neither may have what members type."""

    subject: Line
    preheader: Line
    blocks: Annotated[list[Block], Field(min_length=1, max_length=BLOCKS_MAX)]


class NewMailTemplate(Body):
    """A template's name among admins, the language in which it is written, and what it is for: campaigns (`marketing`),
    or replacing the mail of the code with this `key` (`transactional`).
    """

    name: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]
    language: Language
    kind: MailKind = "marketing"
    key: Annotated[str, Shape(r"^[a-z_]{1,60}$", "the key of a mail")] | None = None


def _listed(its: _Fields) -> str:
    allowed = [f"{name} if wanted" for name in sorted(its.allowed)]
    return ", ".join(["type", *sorted(its.needed), *allowed])
