"""Structured logging: one JSON line per event, in the field names that Cloud Logging understands.

`time` is the machine's own, also where a test clock moves `now`, so that logs of several parts can be read together.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache

# JSON allows these characters unescaped, but a terminal or a list of lines would act on them.
OBEYED = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")

_context: ContextVar[dict[str, object]] = ContextVar("log_context", default={})  # noqa: B039 - never mutated


@cache
def logger() -> logging.Logger:
    """The product's only logger, which writes JSON lines to stdout; it is set up on first use."""
    made = logging.getLogger("blakjaks")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines())
    made.handlers = [handler]
    made.setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    made.propagate = False
    return made


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add fields to every line that this thread logs inside the block."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def info(event: str, **fields: object) -> None:
    """Log something worth knowing; `event` is a constant sentence, facts go into fields."""
    logger().info(event, extra={"fields": fields})


def warning(event: str, **fields: object) -> None:
    """Log something that a person should see in working hours."""
    logger().warning(event, extra={"fields": fields})


def error(event: str, **fields: object) -> None:
    """Log something that a person should see at once; inside an `except` block the traceback is added."""
    logger().error(event, extra={"fields": fields}, exc_info=sys.exc_info()[0] is not None)


def shortened(secret: str) -> str:
    """Enough of a code or a wallet to recognise it, not enough to use it: 0x12ab…9f."""
    return f"{secret[:6]}…{secret[-2:]}" if len(secret) > len("0x1234…56") else "…"


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "severity": record.levelname, "message": record.getMessage(), **_context.get(), **fields}
        if record.exc_info:
            line["stack_trace"] = self.formatException(record.exc_info)
        return OBEYED.sub(_escaped, json.dumps(line, default=str, ensure_ascii=False))


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
