"""A line with a trace is one that Error Reporting groups: its type, its service, and traces as Python draws them."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from shared import log

HEADER = "Traceback (most recent call last):"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.logger().handlers[0].formatter)
    log.logger().addHandler(handler)
    yield stream
    log.logger().removeHandler(handler)


def fail(failure: Exception) -> None:
    raise failure


def test_a_failure_is_reported_with_its_trace_for_the_revision_that_runs(
    output: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K_SERVICE", "payout-send")
    monkeypatch.setenv("K_REVISION", "payout-send-00042-abc")
    try:
        int("seven")
    except ValueError:
        log.error("job failed, it will be tried again", payout="7")

    line = json.loads(output.getvalue())
    assert line["@type"] == "type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent"
    assert line["serviceContext"] == {"service": "payout-send", "version": "payout-send-00042-abc"}
    assert (line["severity"], line["message"], line["payout"]) == ("ERROR", "job failed, it will be tried again", "7")
    trace = line["stack_trace"].splitlines()
    assert (trace[0], trace[-1]) == (HEADER, "ValueError: invalid literal for int() with base 10: 'seven'")
    assert trace[1].startswith('  File "')


def test_what_failed_together_is_told_as_traces_and_not_as_a_tree(output: io.StringIO) -> None:
    """Also when the group is the cause of another failure."""
    last = RuntimeError("the sweep has failed")
    last.__cause__ = ExceptionGroup("parts", [KeyError("one"), ExceptionGroup("inner", [ValueError("two")])])
    try:
        fail(ExceptionGroup("all of it", [last, last.__cause__]))
    except ExceptionGroup:
        log.error("job failed, it will be tried again")

    trace = json.loads(output.getvalue())["stack_trace"]
    assert trace.startswith(HEADER)
    assert "| " not in trace
    assert "+-" not in trace
    for told in ("KeyError: 'one'", "ValueError: two", "RuntimeError: the sweep has failed"):
        assert told in trace


def test_what_is_no_failure_of_the_code_is_not_reported(output: io.StringIO) -> None:
    log.error("the treasury is paused", treasury="member")
    assert json.loads(output.getvalue()).keys() == {"time", "severity", "message", "treasury"}
