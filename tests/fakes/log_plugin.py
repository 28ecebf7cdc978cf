"""Gives a test `log_output`: what the loggers write while it runs."""

import io
import logging
from collections.abc import Iterator

import pytest

from shared import log


@pytest.fixture
def log_output() -> Iterator[io.StringIO]:
    """Collects what all loggers write during the test: lines of JSON from the product, text from the libraries."""
    stream = io.StringIO()
    ours = logging.StreamHandler(stream)
    ours.setFormatter(log.logger().handlers[0].formatter)
    others = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    log.logger().addHandler(ours)
    root.addHandler(others)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(level)
    root.removeHandler(others)
    log.logger().removeHandler(ours)
