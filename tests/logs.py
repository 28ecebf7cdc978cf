"""Reads what the product has logged."""

import io
import json
from typing import Any


def log_lines(output: io.StringIO) -> list[dict[str, Any]]:
    """Return the lines that the product has written, without those of the libraries."""
    return [json.loads(line) for line in output.getvalue().splitlines() if line.startswith("{")]
