"""The metrics and alerts are about lines that the code really writes: same message, same fields, same function."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from emulators import contract
from shared.values.incidents import RUNBOOKS, CriticalKind
from terraform import hcl

METRICS: list[dict[str, Any]] = yaml.safe_load((Path(hcl.HERE) / "metrics.yaml").read_text())
ALERT_KEYS = {"above", "below", "seconds", "hold", "silence", "urgent", "lasting", "runbook", "do"}
STANDS_FOR = {"usdt", "gas"}  # minimums of an environment
BOUND = {
    "function",
    "method",
    "trace",
    "job",
    "delivery",
    "kind",
    "attempt",
    "operation",
    "member",
    "network",
}  # by log.bound

each_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: str(metric["name"]))


@dataclass(frozen=True)
class Line:
    """A call of log.info, log.warning or log.error."""

    message: str
    fields: frozenset[str]
    path: Path


def lines() -> Iterator[Line]:
    for path in [*contract.FUNCTIONS.rglob("*.py"), *(contract.ROOT / "shared").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            named = isinstance(node.func.value, ast.Name) and node.func.value.id == "log"
            if named and node.func.attr in ("info", "warning", "error") and isinstance(node.args[0], ast.Constant):
                fields = frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
                yield Line(str(node.args[0].value), fields, path)


LINES = list(lines())


def written_by(metric: dict[str, Any]) -> list[Line]:
    """The lines with its message in the function's folder, or anywhere."""
    folder = contract.ROOT if metric["function"] == "any" else contract.FUNCTIONS / metric["function"]
    return [line for line in LINES if line.message == metric["message"] and line.path.is_relative_to(folder)]


@each_metric
def test_the_code_writes_the_line_with_the_fields(metric: dict[str, Any]) -> None:
    found = written_by(metric)
    assert found, f"nothing in {metric['function']} writes “{metric['message']}”"
    wanted = {*metric.get("labels", []), *([metric["field"]] if "field" in metric else []), *metric.get("where", {})}
    for line in found:
        assert wanted <= line.fields | BOUND


@each_metric
def test_an_alert_says_when_and_what_to_do(metric: dict[str, Any]) -> None:
    assert set(metric) <= {"name", "function", "message", "where", "field", "labels", "alert"}
    alert = metric.get("alert")
    if alert is None:
        return
    assert set(alert) <= ALERT_KEYS
    assert ("above" in alert) != ("below" in alert)
    assert isinstance(alert.get("above", alert.get("below")), int) or alert["below"] in STANDS_FOR
    assert isinstance(alert["urgent"], bool)
    assert len(alert["do"]) >= 10


def test_orders_that_wait_for_a_quote_are_not_told_by_reports_that_wait() -> None:
    """What an alert says that people do is right for each place that writes its line."""
    (silent,) = [metric for metric in METRICS if metric["name"] == "tax_silent"]
    assert {line.path.stem for line in written_by(silent)} == {"tax_quotes"}


def test_names_are_unique_and_every_message_is_a_whole_sentence_of_the_code() -> None:
    names = [metric["name"] for metric in METRICS]
    assert len(names) == len(set(names))
    assert all('"' not in metric["message"] for metric in METRICS)


def test_every_error_that_the_code_logs_is_counted() -> None:
    """`log.error` is for what somebody should look at now: without a metric nobody would."""
    counted = {metric["message"] for metric in METRICS}
    errors = {
        node.args[0].value
        for path in [*contract.FUNCTIONS.rglob("*.py"), *(contract.ROOT / "shared").rglob("*.py")]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "error"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "log"
        and isinstance(node.args[0], ast.Constant)
    }
    assert errors - counted == set()


def test_every_trace_of_an_attack_is_counted_and_has_an_alert() -> None:
    traces = {line.message for line in lines() if line.path.name == "attacks.py"}
    assert traces
    assert traces - {metric["message"] for metric in METRICS if "alert" in metric} == set()


def test_what_wakes_a_person_is_there() -> None:
    """The list of the issue: each by a line of ours, or by what Google measures (monitoring.tf)."""
    ours = {metric["name"] for metric in METRICS if "alert" in metric}
    assert ours >= {
        "oldest_payout_seconds", "payouts_neglected", "outbox_age_seconds", "treasury_usdt", "treasury_gas_milli",
        "access_key_days_left",
    }  # fmt: skip
    assert critical_alerts().keys() == {kind.value for kind in CriticalKind} - {CriticalKind.DEAD_LETTERS}
    googles = set(hcl.ours().values["google_alerts"])
    assert googles >= {"dead_letters", "p95", "subscription_age"}
    policies = {block.name for block in hcl.ours().of("google_monitoring_alert_policy")}
    assert policies >= {"line", "google", "error_rate", "outside", "budget"}


def critical_alerts() -> dict[str, dict[str, Any]]:
    """The alerts of the kinds of critical events."""
    return {metric["where"]["cause"]: metric for metric in METRICS if "where" in metric and "alert" in metric}


def test_each_kind_of_critical_event_is_one_incident_for_each_subject() -> None:
    """Its alert lasts as long as the lines come, and no alert is made of other lines about the same cause."""
    for kind, metric in critical_alerts().items():
        alert = metric["alert"]
        assert (metric["name"], metric["labels"]) == (f"critical_{kind}", ["subject"])
        assert alert["urgent"] is alert["lasting"] is True
        assert alert["hold"] >= 60, "Monitoring judges missing lines only of conditions that are held"
        assert alert["runbook"] == RUNBOOKS[CriticalKind(kind)]
    twice = {"the treasury is paused", "a payout is in quarantine", "a nonce was used by somebody else",
             "reconciliation found a discrepancy", "the chain was watched", "finality stands still"}  # fmt: skip
    assert twice <= {metric["message"] for metric in METRICS}
    assert not [metric["name"] for metric in METRICS if metric["message"] in twice and "alert" in metric]


def test_a_job_that_fails_each_minute_wakes_somebody_and_one_that_fails_once_a_day_is_told() -> None:
    """As Monitoring adds the lines up: more than `above` within `seconds`. A schedule's failure is repeated once."""
    alerts = [metric["alert"] for metric in METRICS if metric["message"] == "job failed, it will be tried again"]

    def woken(failures: int, within: int, *, urgent: bool) -> bool:
        return any(
            alert["urgent"] is urgent and alert["seconds"] >= within and failures > alert["above"] for alert in alerts
        )

    assert woken(failures=10, within=600, urgent=True)
    assert not woken(failures=2, within=600, urgent=True)
    assert woken(failures=2, within=86_400, urgent=False)


def test_the_promises_are_kept_count_of() -> None:
    goals = {block.name: block.body["goal"] for block in hcl.ours().of("google_monitoring_slo")}
    assert goals == {"availability": 0.999, "latency": 0.95}
