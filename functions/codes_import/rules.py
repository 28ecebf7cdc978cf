"""How large a file may be, and what became of the lines of a chunk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.code_files import Listed, NotReadable, Place, Refused

FILE_BYTES_MAX = 1024 * 1024 * 1024
LINES_MAX = 10_000_000
REFUSED_SHOWN_MAX = 1_000


@dataclass(frozen=True)
class Chunk:
    """Each line of a chunk that is not empty is in one of these; `end` is where the next chunk begins."""

    manufactured: int
    unchanged: int
    refused: Sequence[Refused]
    end: Place


def require_size(size_bytes: int) -> None:
    """Raises NotReadable."""
    if size_bytes > FILE_BYTES_MAX:
        raise NotReadable(f"It is larger than {FILE_BYTES_MAX} bytes.", 0)


def require_line(line: int) -> None:
    """Raises NotReadable."""
    if line > LINES_MAX:
        raise NotReadable(f"It has more than {LINES_MAX} lines.", line)


def chunk(lines: Sequence[tuple[int, bytes]], listed: Listed, manufactured: int, refused: Mapping[bytes, str]) -> Chunk:
    """`lines` are the listed codes, hashed; `refused` says why some of them could not be manufactured."""
    unfit = [Refused(line, refused[mac]) for line, mac in lines if mac in refused]
    return Chunk(
        manufactured=manufactured,
        unchanged=len(lines) - len(unfit) - manufactured,
        refused=sorted([*listed.refused, *unfit], key=lambda line: line.line),
        end=listed.end,
    )


def shown(refused: Sequence[Refused], shown_already: int) -> Sequence[Refused]:
    """Those of a chunk that are shown without opening the report."""
    return refused[: max(0, REFUSED_SHOWN_MAX - shown_already)]


def report_lines(refused: Sequence[Refused]) -> str:
    """As CSV: numbers and words of ours, nothing of what was sent."""
    return "".join(f"{line.line},{line.reason}\r\n" for line in refused)
