"""A line of the log says when, so that a log on a laptop can be read beside another."""

import io
import json
import logging
from datetime import UTC, datetime, timedelta

from shared import log


def test_a_line_says_when_it_was_written() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.logger().handlers[0].formatter)
    log.logger().addHandler(handler)
    before = datetime.now(UTC)
    try:
        log.info("something happened", fact=1)
    finally:
        log.logger().removeHandler(handler)

    line = json.loads(stream.getvalue())
    written = datetime.fromisoformat(line.pop("time"))
    assert before - timedelta(milliseconds=1) <= written <= datetime.now(UTC)
    assert line == {"severity": "INFO", "message": "something happened", "fact": 1}
