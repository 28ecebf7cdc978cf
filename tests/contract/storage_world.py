"""The clock and the files of the tests about storage."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shared.ports import files as port

ACCOUNT = "files@local.iam.gserviceaccount.com"
BUCKET = "documents"


class Clock:
    """The emulator's time, which tests move."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def stored(name: str) -> bytes:
    """Return the content of the file, read through the port."""
    return b"".join(port.read(BUCKET, name))


def write(name: str, content: bytes, **more: Any) -> None:
    """Write a file through the port."""
    port.write(BUCKET, name, [content], "text/plain", **more)
