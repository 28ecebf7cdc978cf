"""Calculates what the planned loads need and cost: `make capacity` prints it, `--write` puts it into docs/capacity.md.

Loads and assumptions are in loads.yaml, prices in prices.yaml, instances and connections in each function.yaml, and
the measured rate of scans in docs/benchmarks.md. A test keeps the page equal to what this prints.
"""

import argparse
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from terraform.functions import ROOT, Function, functions

PAGE = ROOT / "docs" / "capacity.md"
MARKS = ("<!-- make capacity: begin -->\n", "<!-- make capacity: end -->\n")
MONTH_SECONDS = 730 * 3600
MONTH_HOURS = 730
GIB = 2**30
TIB = 2**40
GIB_OF = {"256Mi": 0.25, "512Mi": 0.5, "1Gi": 1.0, "2Gi": 2.0, "4Gi": 4.0}
MEASURED = re.compile(r"^\| 10,000,000 \| own door \| (\d+) \|", re.MULTILINE)
COUNTER_SECONDS = (1, 5, 15, 60)
LISTENERS = (1_000, 25_000, 250_000)
BIGGEST_SHOWN = 6


@dataclass(frozen=True)
class Given:
    """Everything that the figures are calculated from."""

    functions: Mapping[str, Function]
    says: Mapping[str, Any]  # the content of loads.yaml
    dollars: Mapping[str, float]
    scans_per_second: int  # of one instance, as measured

    @property
    def budget(self) -> int:
        """The number of connections that all functions together may have."""
        database = self.says["database"]
        return int(database["connections_max"] - database["connections_kept_free"])

    @property
    def connections_at_most(self) -> dict[str, int]:
        """The connections of each function if it ran as many instances as it may."""
        return {name: found.instances.max * found.connections_max for name, found in self.functions.items()}


@dataclass(frozen=True)
class Month:
    """The figures of one load in a month."""

    name: str
    scans: float
    members: float
    payouts: float
    calls: Mapping[str, float]  # by function
    peak: Mapping[str, float]  # calls per second, by function
    instances: Mapping[str, int]
    connections: int
    reads: float
    writes: float
    messages: float
    tasks: float
    chain_signatures: float
    token_signatures: float


def given() -> Given:
    """The input read from the files of the repository."""
    prices = _yaml("prices.yaml")
    rate = MEASURED.search((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8"))
    assert rate, "docs/benchmarks.md has no row for scans at 10 million rows"
    dollars = {name: float(price["dollars"]) for name, price in prices.items()}
    return Given(functions(), _yaml("loads.yaml"), dollars, int(rate[1]))


def month(at: Given, load: Mapping[str, Any]) -> Month:
    """The figures of one load."""
    members_say, events = at.says["members"], at.says["events"]
    scans = load["tins"] * members_say["scans_per_tin"]
    members = load["tins"] / members_say["tins_per_member"]
    payouts = (
        scans * events["wins_per_scan"] * (1 + events["matches_per_win"]) + members * events["guarantee_per_member"]
    )
    joins = load["event_listeners"] * load["event_hours"] / 2  # an event lasts two hours
    calls = {
        name: scans * at.says["calls_per_scan"].get(name, 0) + joins * at.says["calls_per_listener"].get(name, 0)
        for name in at.functions
    }
    peak = {name: _peak(at, load, scans, name) for name in at.functions}
    instances = {name: _instances(at, function, peak[name]) for name, function in at.functions.items()}
    return Month(
        name=load["name"],
        scans=scans,
        members=members,
        payouts=payouts,
        calls=calls,
        peak=peak,
        instances=instances,
        connections=sum(count * at.functions[name].connections_max for name, count in instances.items()),
        reads=_reads(at, load, scans),
        writes=MONTH_SECONDS / events["counter_seconds"] + scans * events["feed_items_per_scan"] + 3 * payouts,
        messages=scans * events["messages_per_scan"] + 6 * payouts,
        tasks=payouts * events["tasks_per_payout"],
        chain_signatures=payouts,
        token_signatures=calls["auth"] + calls["realtime"],
    )


def bill(at: Given, of: Month) -> dict[str, float]:
    """Dollars per month, by what they are paid for."""
    price, bytes_, database, node = at.dollars, at.says["bytes"], at.says["database"], at.says["node"]
    calls = sum(of.calls.values())
    sql = database["vcpus"] * price["sql_vcpu_hour"] + database["gib"] * price["sql_gib_hour"]
    out = (calls * bytes_["answer"] + of.reads * bytes_["document"]) / GIB
    schedules = sum(len(function.schedules) for function in at.functions.values())
    return {
        "Cloud Run": _cloud_run(at, of),
        "API Gateway": calls / 1e6 * price["api_gateway_million_calls"],
        "Cloud SQL": database["copies"] * (sql * MONTH_HOURS + database["disk_gib"] * price["sql_ssd_gib_month"]),
        "Firestore": of.reads / 1e5 * price["firestore_100k_reads"] + of.writes / 1e5 * price["firestore_100k_writes"],
        "Pub/Sub, Tasks, Scheduler": of.messages * 2 * bytes_["message_min"] / TIB * price["pubsub_tib"]
        + of.tasks / 1e6 * price["tasks_million"]
        + schedules * price["scheduler_job_month"],
        "KMS": of.chain_signatures / 1e4 * price["kms_10k_hsm_ec_operations"]
        + of.token_signatures / 1e4 * price["kms_10k_software_operations"]
        + 3 * price["kms_hsm_ec_version_month"]
        + 2 * price["kms_software_version_month"],
        "Polygon nodes": node["vms"]
        * (MONTH_HOURS * price["node_vm_hour"] + node["disk_gib"] * price["pd_ssd_gib_month"]),
        "Logs": (calls + of.messages) * bytes_["log_per_call"] / GIB * price["logging_gib"],
        "Network, balancer, Armor": out * price["egress_gib"] + price["load_balancer_month"] + price["armor_month"],
    }


def page() -> str:
    """The tables of docs/capacity.md as text."""
    at = given()
    months = [month(at, load) for load in at.says["loads"]]
    return "\n".join([_needs(at, months), _costs(at, months), _connections(at), _counter(at), ""])


def _reads(at: Given, load: Mapping[str, Any], scans: float) -> float:
    """Firestore reads in a month: every document that is pushed to a listener counts as one."""
    events = at.says["events"]
    open_apps = scans * at.says["members"]["session_seconds"] / MONTH_SECONDS
    counted = open_apps * events["listeners_watch"] * MONTH_SECONDS / events["counter_seconds"]
    items = scans * events["feed_items_per_scan"] * open_apps
    seconds = load["event_hours"] * 3600
    joins = load["event_listeners"] * load["event_hours"] / 2
    event = load["event_listeners"] * seconds / events["event_counter_seconds"]
    return float(counted + items + event + (scans + joins) * events["documents_per_session"])


def _peak(at: Given, load: Mapping[str, Any], scans: float, name: str) -> float:
    usual = scans * at.says["calls_per_scan"].get(name, 0) / MONTH_SECONDS * at.says["members"]["peak_to_mean"]
    joining = load["event_listeners"] * at.says["calls_per_listener"].get(name, 0) / at.says["join_seconds"]
    return float(usual + joining)


def _instances(at: Given, function: Function, peak: float) -> int:
    """The instances that a function needs at its peak; a call costs as much as a scan unless loads.yaml says more."""
    scans_per_vcpu: float = at.scans_per_second / at.functions["scans"].cpu * at.says["use_of_instance"]
    calls_per_vcpu = scans_per_vcpu / float(at.says["scans_per_call"].get(function.name, 1))
    return max(function.instances.min, math.ceil(peak / (calls_per_vcpu * function.cpu)))


def _cloud_run(at: Given, of: Month) -> float:
    """Dollars for calls that never share an instance, for waiting instances, and for the counter, which never stops."""
    price, seconds = at.dollars, float(at.says["call_seconds"])

    def busy(function: Function) -> float:
        memory = GIB_OF[function.memory] * price["cloud_run_gib_second"]
        return function.cpu * price["cloud_run_vcpu_second"] + memory

    def idle(function: Function) -> float:
        memory = GIB_OF[function.memory] * price["cloud_run_idle_gib_second"]
        return function.cpu * price["cloud_run_idle_vcpu_second"] + memory

    called = sum(of.calls[name] * seconds * busy(function) for name, function in at.functions.items())
    pushed = (of.messages + of.tasks) * seconds * busy(at.functions["outbox_relay"])
    ticking = sum(len(function.schedules) * MONTH_SECONDS / 60 * busy(function) for function in at.functions.values())
    waiting = sum(function.instances.min * MONTH_SECONDS * idle(function) for function in at.functions.values())
    requests = (sum(of.calls.values()) + of.messages + of.tasks) / 1e6 * price["cloud_run_million_requests"]
    return called + pushed + ticking + waiting + requests + MONTH_SECONDS * busy(at.functions["feed_project"])


def _needs(at: Given, months: list[Month]) -> str:
    rows = {
        "scans in a month": [f"{of.scans:,.0f}" for of in months],
        "active members": [f"{of.members:,.0f}" for of in months],
        "payouts in a month": [f"{of.payouts:,.0f}" for of in months],
        "payouts in a minute, of 100 per treasury": [f"{of.payouts / MONTH_SECONDS * 60:.1f}" for of in months],
        "scans per second, at the peak": [f"{of.peak['scans']:,.1f}" for of in months],
        "calls per second, at the peak": [f"{sum(of.peak.values()):,.0f}" for of in months],
        "Cloud Run instances, at the peak": [f"{sum(of.instances.values()):,}" for of in months],
        "of these, `scans`": [f"{of.instances['scans']} of {at.functions['scans'].instances.max}" for of in months],
        "of these, nearest to its limit": [_fullest(at, of) for of in months],
        "Postgres connections, at the peak": [f"{of.connections:,} of {at.budget:,}" for of in months],
        "Firestore reads": [_millions(of.reads) for of in months],
        "Firestore writes": [_millions(of.writes) for of in months],
        "Pub/Sub messages": [_millions(of.messages) for of in months],
        "Cloud Tasks": [_millions(of.tasks) for of in months],
        "KMS signatures on the chain (HSM)": [_millions(of.chain_signatures) for of in months],
        "KMS signatures of tokens": [_millions(of.token_signatures) for of in months],
    }
    return _table("a month of", [of.name for of in months], rows)


def _costs(at: Given, months: list[Month]) -> str:
    bills = [bill(at, of) for of in months]
    rows = {line: [f"{dollars[line]:,.0f}" for dollars in bills] for line in bills[0]}
    rows["**together**"] = [f"**{sum(dollars.values()):,.0f}**" for dollars in bills]
    rows["cents per tin"] = [
        f"{sum(dollars.values()) / of.scans * 100:.2f}" for dollars, of in zip(bills, months, strict=True)
    ]
    return _table("dollars per month", [of.name for of in months], rows)


def _connections(at: Given) -> str:
    most = sorted(at.connections_at_most.items(), key=lambda entry: (-entry[1], entry[0]))
    rows = {
        f"`{name}`": [str(at.functions[name].instances.max), str(at.functions[name].connections_max), f"{count:,}"]
        for name, count in most[:BIGGEST_SHOWN]
    }
    others = sum(count for _, count in most[BIGGEST_SHOWN:])
    rows[f"the other {len(most) - BIGGEST_SHOWN}"] = ["", "", f"{others:,}"]
    rows["**together**"] = ["", "", f"**{sum(at.connections_at_most.values()):,}** of {at.budget:,}"]
    return _table("if all ran what they may", ["instances", "connections each", "connections"], rows)


def _counter(at: Given) -> str:
    read = at.dollars["firestore_100k_reads"] / 1e5
    rows = {
        f"every {seconds} s": [f"{listeners * 3600 / seconds * read:,.2f}" for listeners in LISTENERS]
        for seconds in COUNTER_SECONDS
    }
    return _table("the counter, dollars per hour", [f"{listeners:,} listeners" for listeners in LISTENERS], rows)


def _fullest(at: Given, of: Month) -> str:
    name = max(sorted(of.instances), key=lambda name: of.peak[name] and of.instances[name] / _limit(at, name))
    return f"`{name}` {of.instances[name]} of {_limit(at, name)}"


def _limit(at: Given, name: str) -> int:
    return at.functions[name].instances.max


def _millions(count: float) -> str:
    return f"{count / 1e6:,.2f} M"


def _table(corner: str, columns: list[str], rows: Mapping[str, list[str]]) -> str:
    lines = [f"| {corner} | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    return "\n".join([*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()), ""])


def _yaml(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((ROOT / "terraform" / name).read_text(encoding="utf-8"), yaml.CSafeLoader)
    return loaded


def main() -> None:
    """Print the tables; with `--write` also put them into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name} as well")
    asked, text = parser.parse_args(), page()
    if asked.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
        PAGE.write_text(before + MARKS[0] + text + MARKS[1] + rest.partition(MARKS[1])[2], encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
