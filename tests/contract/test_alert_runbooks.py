"""Every alert policy says which section of the runbooks says what people do, and the section is there and about it."""

import re
from pathlib import Path
from typing import Any

import yaml

from emulators import contract
from shared.values.incidents import RUNBOOKS
from terraform import hcl

METRICS: list[dict[str, Any]] = yaml.safe_load((Path(hcl.HERE) / "metrics.yaml").read_text())
NAMED = re.compile(r"docs/[a-z-]+\.md#[a-z-]+")


def of_ours() -> dict[str, str]:
    """The runbook of each alert of metrics.yaml, by the alert's name."""
    return {metric["name"]: metric["alert"]["runbook"] for metric in METRICS if "alert" in metric}


def of_googles() -> dict[str, str]:
    """The runbook of each alert that monitoring.tf makes by itself."""
    found = {name: alert["runbook"] for name, alert in hcl.ours().values["google_alerts"].items()}
    for policy in hcl.ours().of("google_monitoring_alert_policy"):
        if policy.name == "outside":
            text = str(policy.body["for_each"])
            found |= dict(re.findall(r"(\w+)['\"]?\s*[:=]\s*\{[^{}]*(docs/[a-z-]+\.md#[a-z-]+)", text))
        elif policy.name in ("error_rate", "budget"):
            found[policy.name] = NAMED.findall(policy.inner("documentation")["content"])[0]
    return found


def section(runbook: str) -> str:
    """The text of a section, up to the next heading; empty when there is none of that name."""
    page, _, anchor = runbook.partition("#")
    parts = re.split(r"^#+ +(.*)$", (contract.ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE)
    for heading, text in zip(parts[1::2], parts[2::2], strict=True):
        if re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") == anchor:
            return text
    return ""


def is_about(name: str, runbook: str) -> bool:
    """Whether the section says what people do about the alert. Sections that have a row for each alert must have its
    row; in all others it is enough that they are there.
    """
    text = section(runbook)
    if name.startswith("critical_") or name == "dead_letters":
        return bool(text.strip()) and runbook in RUNBOOKS.values()
    if runbook.startswith("docs/alerts.md"):
        rows = ("`availability`", "`latency`") if name == "budget" else (f"`{name}`",)
        return all(row in text for row in rows)
    if runbook == "docs/payouts.md#alerts":
        return any(metric["message"] in text for metric in METRICS if metric["name"] == name)
    return bool(text.strip())


def test_every_alert_has_a_section_that_says_what_people_do() -> None:
    alerts = {**of_ours(), **of_googles()}
    assert len(alerts) > 100
    assert [(name, runbook) for name, runbook in alerts.items() if not is_about(name, runbook)] == []


def test_a_section_that_is_not_there_or_not_about_it_is_found() -> None:
    assert not is_about("payment_lost", "docs/shop.md#no-such-section")
    assert not is_about("jobs_failed", "docs/alerts.md#attacks")
    assert not is_about("payment_lost", "docs/payouts.md#alerts")


def test_every_policy_is_walked() -> None:
    """Each policy's text ends in its runbook: a policy of another name fails here."""
    policies = hcl.ours().of("google_monitoring_alert_policy")
    assert {policy.name for policy in policies} == {"line", "google", "outside", "error_rate", "budget"}
    assert {"api_down", "certificate_expiry", "error_rate", "budget", "dead_letters"} <= of_googles().keys()
    texts = {policy.name: policy.inner("documentation")["content"] for policy in policies}
    assert texts.pop("line") == "${each.value.alert.do}"
    assert all(NAMED.search(text) or "${each.value.runbook}" in text for text in texts.values())


def test_nobody_is_told_again_while_an_incident_is_open() -> None:
    for policy in hcl.ours().of("google_monitoring_alert_policy"):
        assert "notification_channel_strategy" not in policy.inner("alert_strategy")


def test_every_kind_of_critical_event_has_a_section() -> None:
    assert [runbook for runbook in RUNBOOKS.values() if not section(runbook).strip()] == []
