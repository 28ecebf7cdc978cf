"""Structured logging: one JSON line per event, in the field names Cloud Logging understands."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

_context: ContextVar[dict[str, object]] = ContextVar("log_context", default={})  # noqa: B039 - never mutated


@cache
def logger() -> logging.Logger:
    """The product's one logger, writing JSON lines to stdout; set up on first use."""
    made = logging.getLogger("blakjaks")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonLines())
    made.handlers = [handler]
    made.setLevel(os.environ.get("LOG_LEVEL", "INFO"))
    made.propagate = False
    return made


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add fields to every line logged inside the block (by this thread)."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def info(event: str, **fields: object) -> None:
    """Something worth knowing happened; `event` is a constant sentence, facts go into fields."""
    logger().info(event, extra={"fields": fields})


def warning(event: str, **fields: object) -> None:
    """Somebody should look at this in working hours."""
    logger().warning(event, extra={"fields": fields})


def error(event: str, **fields: object) -> None:
    """Somebody should look at this now; inside an `except` block the trace is added."""
    logger().error(event, extra={"fields": fields}, exc_info=sys.exc_info()[0] is not None)


def shortened(secret: str) -> str:
    """Enough of a code or a wallet to recognise it, not enough to use it: 0x12ab…9f."""
    return f"{secret[:6]}…{secret[-2:]}" if len(secret) > len("0x1234…56") else "…"


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        line = {"severity": record.levelname, "message": record.getMessage(), **_context.get(), **fields}
        if record.exc_info:
            line["stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)
