"""How large a file may be, and how the lines of a chunk are counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.codes.files import FILE_BYTES_MAX, REFUSED_SHOWN_MAX, Listed, NotReadable, Place, UnusableLine

LINES_MAX = 10_000_000


@dataclass(frozen=True)
class Chunk:
    """The counts of a chunk, in which each line with content is counted once; `end` is where the next chunk begins."""

    manufactured: int
    unchanged: int
    refused: Sequence[UnusableLine]
    end: Place


def require_size(size_bytes: int) -> None:
    """Raises NotReadable if the file is too large."""
    if size_bytes > FILE_BYTES_MAX:
        raise NotReadable(f"It is larger than {FILE_BYTES_MAX} bytes.", 0)


def require_line(line: int) -> None:
    """Raises NotReadable if the file has too many lines."""
    if line > LINES_MAX:
        raise NotReadable(f"It has more than {LINES_MAX} lines.", line)


def chunk(lines: Sequence[tuple[int, bytes]], listed: Listed, manufactured: int, refused: Mapping[bytes, str]) -> Chunk:
    """Count a chunk: `lines` are the listed codes, hashed; `refused` says why some of them cannot be manufactured."""
    unfit = [UnusableLine(line, refused[mac]) for line, mac in lines if mac in refused]
    return Chunk(
        manufactured=manufactured,
        unchanged=len(lines) - len(unfit) - manufactured,
        refused=sorted([*listed.refused, *unfit], key=lambda line: line.line),
        end=listed.end,
    )


def shown(refused: Sequence[UnusableLine], shown_already: int) -> Sequence[UnusableLine]:
    """The refused lines of a chunk that are shown without opening the report."""
    return refused[: max(0, REFUSED_SHOWN_MAX - shown_already)]


def report_lines(refused: Sequence[UnusableLine]) -> str:
    """The lines of the report as CSV: line numbers and our own reasons, nothing of the uploaded text."""
    return "".join(f"{line.line},{line.reason}\r\n" for line in refused)
