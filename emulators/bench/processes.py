"""CPU time and memory of a process and its children, from Linux's /proc (proc(5), filesystems/proc.rst)."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PARENT, USER, CHILDREN_SYSTEM = 1, 11, 14  # fields of stat, counted from the state, which follows the name
KIB = 1024
BLOCK_BYTES = 512  # the unit of st_blocks


@dataclass(frozen=True)
class _Process:
    parent: int
    cpu_seconds: float


def cpu_seconds(root: int) -> float:
    """User and system seconds of `root`, its descendants, and those of them that have ended (in ticks of 10 ms)."""
    known = _processes()
    return sum(known[pid].cpu_seconds for pid in _tree(root, known))


def memory_bytes(root: int) -> int:
    """The memory that a container with just this tree is charged: private pages of each process, shared pages once."""
    figures = [_memory(pid) for pid in _tree(root, _processes())]
    return sum(own for own, _ in figures) + max((shared for _, shared in figures), default=0)


def peak_bytes(root: int) -> int:
    """The peak memory of the tree's largest process."""
    return max(_peak(pid) for pid in _tree(root, _processes()))


def anonymous_bytes(pid: int) -> int:
    """The memory that a process has allocated itself, without its program's file; 0 when it has ended."""
    return _rollup(pid).get("Anonymous", 0)


def share_bytes(pid: int) -> int:
    """A process's own pages and its share of those that it has with others (PSS); 0 when it has ended."""
    try:
        return _rollup(pid)["Pss"]
    except KeyError:
        return 0


def tree_share_bytes(root: int) -> int:
    """The sum of `share_bytes` over `root` and every process below it."""
    return sum(map(share_bytes, _tree(root, _processes())))


def nameless_bytes(root: int) -> int:
    """Disk space of deleted files that processes of the tree still hold open."""
    found: dict[tuple[int, int], int] = {}
    for pid in _tree(root, _processes()):
        for entry in (PROC / str(pid) / "fd").glob("*"):
            try:
                file = entry.stat()
            except OSError:
                continue  # the file has just been closed
            if stat.S_ISREG(file.st_mode) and file.st_nlink == 0:
                found[file.st_dev, file.st_ino] = file.st_blocks * BLOCK_BYTES
    return sum(found.values())


def children(pid: int) -> list[int]:
    """The process ids of the running children of `pid`."""
    return [child for child, process in _processes().items() if process.parent == pid]


def child_running(words: str) -> int:
    """The child of this process whose command line contains `words`."""
    found = [pid for pid, process in _processes().items() if process.parent == os.getpid() and words in command(pid)]
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
            continue  # the process has just ended
        ticks = sum(int(value) for value in fields[USER : CHILDREN_SYSTEM + 1])
        known[int(entry.name)] = _Process(int(fields[PARENT]), ticks / TICKS_PER_SECOND)
    return known


def _tree(root: int, known: dict[int, _Process]) -> list[int]:
    found = [root] if root in known else []
    for pid in found:
        found.extend(child for child, process in known.items() if process.parent == pid)
    return found


def _rollup(pid: int) -> dict[str, int]:
    """A process's memory by kind, in bytes; empty when the process has ended."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {name: int(value.split()[0]) * KIB for name, _, value in (line.partition(":") for line in lines)}


def _memory(pid: int) -> tuple[int, int]:
    """The bytes of pages of its own, and of pages that others have too."""
    figures = _rollup(pid)
    if not figures:
        return 0, 0
    own = figures["Private_Clean"] + figures["Private_Dirty"]
    return own, figures["Rss"] - own


def _peak(pid: int) -> int:
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * KIB
    return 0


def command(pid: int) -> str:
    """A process's command line; empty when the process has ended."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\x00", b" ").decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
