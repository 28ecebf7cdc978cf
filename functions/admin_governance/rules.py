"""Refusals of admins who write votes, and what a draft must be (docs/votes.md)."""

from collections.abc import Sequence

from shared.social import text
from shared.values.problems import NotValid, Problem

SECONDS_MIN = 3_600
SECONDS_MAX = 30 * 86_400
SECONDS_DEFAULT = 7 * 86_400
OPTIONS_MIN = 2
OPTIONS_MAX = 20


class VoteIsFixed(Problem):
    """Only a draft can be changed, discarded or opened."""

    status, title = 409, "This vote is no draft any more: nothing of it changes."


def check_labels(labels: Sequence[str]) -> None:
    """Raises NotValid when two options look alike."""
    seen: dict[tuple[tuple[str, str], ...], int] = {}
    for position, label in enumerate(labels):
        looks = _looks(label)
        if looks in seen:
            message = f"looks like option {seen[looks] + 1}"
            raise NotValid(errors=[{"field": f"/options/{position}", "message": message}])
        seen[looks] = position


def _looks(label: str) -> tuple[tuple[str, str], ...]:
    """Return the label as a reader takes it, word by word. A skeleton leaves out digits and signs, which options may
    differ in: they stand beside it.
    """
    return tuple((text.skeleton(word), _signs(word)) for word in label.split())


def _signs(word: str) -> str:
    return "".join(sign for sign in word.casefold() if not sign.isalpha())
