"""The SQL of a page in docs/, statement by statement, so that a test can run what people are told to type."""

import re

from emulators.contract import ROOT
from shared import db


def statements(page: str) -> list[str]:
    """Every statement of the page's SQL blocks, without comments; `page` is a file's name in docs/."""
    blocks = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    bare = re.sub(r"--.*", "", "\n".join(blocks))
    return [statement.strip() for statement in bare.split(";") if statement.strip()]


def run(statement: str, **known: object) -> None:
    """Run a statement with those of the known values that it names."""
    given = {name: value for name, value in known.items() if f":{name}" in statement}
    db.atomically(lambda tx: tx.run(statement, **given))
