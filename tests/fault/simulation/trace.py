"""The events of a schedule, line by line: the same seed writes the same lines."""

import hashlib
from dataclasses import dataclass, field


@dataclass
class Trace:
    """Lines in the order of the events; `seconds` are those of the simulated world."""

    lines: list[str] = field(default_factory=list)

    def note(self, seconds: float, who: str, what: str) -> None:
        self.lines.append(f"{seconds:9.2f}  {who:<12} {what}")

    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.lines).encode()).hexdigest()
