"""CPU time and memory of a process and its children, from Linux's /proc (proc(5), filesystems/proc.rst)."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PARENT, USER, CHILDREN_SYSTEM = 1, 11, 14  # fields of stat, counted from the state, which follows the name
KIB = 1024


@dataclass(frozen=True)
class _Process:
    parent: int
    cpu_seconds: float


def cpu_seconds(root: int) -> float:
    """User and system time of `root`, of all below it, and of those of them that have ended (ticks of 10 ms)."""
    known = _processes()
    return sum(known[pid].cpu_seconds for pid in _tree(root, known))


def memory_bytes(root: int) -> int:
    """What a container with just this tree in it would be charged: each one's own pages, and the shared ones once."""
    figures = [_memory(pid) for pid in _tree(root, _processes())]
    return sum(own for own, _ in figures) + max((shared for _, shared in figures), default=0)


def peak_bytes(root: int) -> int:
    """The highest that the largest process of the tree has ever had in memory."""
    return max(_peak(pid) for pid in _tree(root, _processes()))


def child_running(words: str) -> int:
    """The child of this process whose command line contains `words`."""
    found = [pid for pid, process in _processes().items() if process.parent == os.getpid() and words in _command(pid)]
    if len(found) != 1:
        raise LookupError(f"{len(found)} children of this process run {words}")
    return found[0]


def _processes() -> dict[int, _Process]:
    known: dict[int, _Process] = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        ticks = sum(int(value) for value in fields[USER : CHILDREN_SYSTEM + 1])
        known[int(entry.name)] = _Process(int(fields[PARENT]), ticks / TICKS_PER_SECOND)
    return known


def _tree(root: int, known: dict[int, _Process]) -> list[int]:
    found = [root] if root in known else []
    for pid in found:
        found.extend(child for child, process in known.items() if process.parent == pid)
    return found


def _memory(pid: int) -> tuple[int, int]:
    """Pages of its own, pages that others have too, in bytes."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return 0, 0
    figures = {name: int(value.split()[0]) * KIB for name, _, value in (line.partition(":") for line in lines)}
    own = figures["Private_Clean"] + figures["Private_Dirty"]
    return own, figures["Rss"] - own


def _peak(pid: int) -> int:
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * KIB
    return 0


def _command(pid: int) -> str:
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\x00", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
