"""Characters that look like Latin letters, read once from look_alikes.txt, which emulators/look_alikes.py writes.

The data are Unicode's confusables (UTS #39) as the package confusable-homoglyphs has them, cut down to what can stand
for a Latin letter, and letters that Unicode names as such: small capitals, turned letters, white letters on black
squares and discs, and regional indicators, of which flags are made.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("look_alikes.txt")


@cache
def latin() -> Mapping[str, str]:
    """For each look-alike, the small Latin letter or letters that it stands for."""
    found: dict[str, str] = {}
    for line in TABLE.read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            letters, *codes = line.split()
            found |= {chr(int(code, 16)): letters for code in codes}
    return found
