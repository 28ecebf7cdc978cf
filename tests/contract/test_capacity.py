"""The page about capacity and cost is what the tree says, and the database has room for what function.yaml allows."""

import dataclasses
import re

import pytest
import yaml

from terraform import capacity
from terraform.functions import ROOT


def test_the_page_is_what_the_command_prints() -> None:
    page = capacity.PAGE.read_text()
    shown = page.partition(capacity.MARKS[0])[2].partition(capacity.MARKS[1])[0]
    assert shown == capacity.page(), "make capacity ARGS=--write"


def test_the_command_prints_the_tables(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["capacity"])
    capacity.main()
    assert capsys.readouterr().out == capacity.page()


def test_the_measured_rate_is_that_of_the_benchmarks() -> None:
    rate = capacity.given().scans_per_second
    assert f"| 10,000,000 | own door | {rate} |" in (ROOT / "docs" / "benchmarks.md").read_text()


def test_the_database_has_room_for_every_instance_that_may_run() -> None:
    at = capacity.given()
    most = sum(at.connections_at_most.values())
    assert most <= at.budget, "give a function DATABASE_CONNECTIONS, or fewer instances (docs/capacity.md)"


def test_no_load_needs_more_instances_than_function_yaml_allows() -> None:
    at = capacity.given()
    for load in at.says["loads"]:
        for name, count in capacity.month(at, load).instances.items():
            assert count <= at.functions[name].instances.max, name


def test_every_price_has_a_source_and_says_how_it_is_known() -> None:
    for name, price in yaml.safe_load((ROOT / "terraform" / "prices.yaml").read_text()).items():
        assert price["dollars"] > 0, name
        assert price["source"].startswith(("cloud.google.com/", "firebase.google.com/")), name
        assert re.fullmatch(r"remembered|read \d{4}-\d{2}", price["known"]), name


def test_every_price_is_used() -> None:
    at = capacity.given()
    load = capacity.month(at, at.says["loads"][-1])
    before = sum(capacity.bill(at, load).values())
    for name, dollars in at.dollars.items():
        dearer = dataclasses.replace(at, dollars={**at.dollars, name: dollars * 2})
        assert sum(capacity.bill(dearer, load).values()) > before, name


def test_calls_are_told_of_functions_that_exist() -> None:
    at = capacity.given()
    for told in ("calls_per_scan", "calls_per_listener", "scans_per_call"):
        assert set(at.says[told]) <= set(at.functions), told


def test_the_bill_of_ten_million_tins_by_hand() -> None:
    """100 million calls at 3 dollars a million; answers of 2 kB and documents of 500 bytes at 12 cents a GiB."""
    at = capacity.given()
    load = capacity.month(at, at.says["loads"][1])
    dollars = capacity.bill(at, load)
    assert dollars["API Gateway"] == pytest.approx(100 * 3)
    answers, documents = 100e6 * 2_000, load.reads * 500
    edge = at.dollars["load_balancer_month"] + at.dollars["armor_month"]
    assert dollars["Network, balancer, Armor"] == pytest.approx((answers + documents) / 2**30 * 0.12 + edge)
    assert dollars["Polygon nodes"] == pytest.approx(2 * (730 * 0.7769 + 8192 * 0.17))


def test_each_listener_of_a_document_costs_a_read_for_each_of_its_versions() -> None:
    """250,000 listeners of a document that is written each second: 250,000 reads a second, 540 dollars an hour."""
    assert "| every 1 s | 2.16 | 54.00 | 540.00 |" in capacity.page()
