"""Structured logging: one JSON line per event, in the field names that Cloud Logging understands.

A line with a trace has the fields of Error Reporting too, which groups traces of one kind
(https://cloud.google.com/error-reporting/docs/formatting-error-messages).

`time` is the machine's own, also where a test clock moves `now`, so that logs of several parts can be read together.
"""

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache

# JSON allows these characters unescaped, but a terminal or a list of lines would act on them.
OBEYED = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")

REPORTED = "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"
TRACES_MAX = 10  # of the failures that were raised together

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
        if record.exc_info and record.exc_info[1]:
            line |= _reported(record.exc_info[1])
        return OBEYED.sub(_escaped, json.dumps(line, default=str, ensure_ascii=False))


def _reported(fault: BaseException) -> dict[str, object]:
    """The fields by which Error Reporting takes a line as an error of this version of a service. The message stays our
    own sentence: of several texts, Error Reporting reads the field `stack_trace`.
    """
    service = {"service": os.environ.get("K_SERVICE", "local"), "version": os.environ.get("K_REVISION", "local")}
    return {"@type": REPORTED, "serviceContext": service, "stack_trace": "\n\n".join(_traces(fault)[:TRACES_MAX])}


def _traces(fault: BaseException) -> list[str]:
    """The trace of a failure, then those of the failures that it holds together. Python draws a group as a tree, which
    Error Reporting does not know as a trace.
    """
    drawn = traceback.TracebackException.from_exception(fault)
    chain: list[traceback.TracebackException | None] = [drawn]
    while chain:
        if (link := chain.pop()) is not None:
            link.exceptions = None
            chain += [link.__cause__, link.__context__]
    found = ["".join(drawn.format()).rstrip()]
    for part in fault.exceptions if isinstance(fault, BaseExceptionGroup) else ():
        found += _traces(part)
    return found


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
