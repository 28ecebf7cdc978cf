"""Moves calls between revisions of a service: a new one gets a tenth of the calls, then all of them, or none again.

Nothing is remembered here: what is deployed and which revision gets traffic is read from Google Cloud each time, so
that every step can be repeated, from any machine.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from terraform import edge
from terraform.environment import CommandFailed, Environment

CANARY_PERCENT = 10
WATCH_SECONDS = 300
LOOK_SECONDS = 30
LOCATION = "cloud.googleapis.com/location"


class CanaryFailed(Exception):
    """Raised when a new revision logged an error, or sees no client addresses; the old ones have all calls again."""


@dataclass(frozen=True)
class Service:
    """One service in one region; `answering` is the revision that gets most of its calls."""

    region: str
    name: str
    answering: str
    newest: str

    @property
    def split(self) -> bool:
        """True while the newest revision does not get all calls."""
        return self.answering != self.newest


def services(environment: Environment) -> list[Service]:
    """All services that have had a ready revision."""
    listed = json.loads(environment.gcloud("run", "services", "list", "--format=json"))
    return [_service(item) for item in listed if item["status"].get("latestReadyRevisionName")]


def changed(environment: Environment, objects: Mapping[str, str]) -> set[str]:
    """The services that run another object than the wanted one in any region; `objects` is by service."""
    listed = json.loads(environment.gcloud("functions", "list", "--v2", "--format=json"))
    deployed = [
        (item["name"].rpartition("/")[2], item["buildConfig"]["source"]["storageSource"]["object"]) for item in listed
    ]
    return {name for name, object_ in deployed if name in objects and objects[name] != object_}


def pin(environment: Environment, wanted: Sequence[Service]) -> None:
    """Keep all calls at the revision that answers now, whatever is deployed beside it."""
    for service in wanted:
        _move(environment, service, f"--to-revisions={service.answering}=100")


def canary(environment: Environment, sleep: Callable[[float], None] = time.sleep) -> list[Service]:
    """Give every new revision a tenth of the calls, and watch. Raises CanaryFailed after moving all calls back."""
    split = [service for service in services(environment) if service.split]
    for service in split:
        share = f"{service.newest}={CANARY_PERCENT},{service.answering}={100 - CANARY_PERCENT}"
        _move(environment, service, f"--to-revisions={share}")
    if split:
        _check_edge(environment, split)
    for _ in range(WATCH_SECONDS // LOOK_SECONDS if split else 0):
        sleep(LOOK_SECONDS)
        if found := _errors(environment, split):
            pin(environment, split)
            raise CanaryFailed(f"{found} has written an error; all calls go to the old revisions again")
    return split


def _check_edge(environment: Environment, split: Sequence[Service]) -> None:
    try:
        edge.check(environment)
    except (edge.EdgeBlind, CommandFailed) as fault:
        pin(environment, split)
        raise CanaryFailed(f"{fault}; all calls go to the old revisions again") from None


def promote(environment: Environment) -> list[Service]:
    """Give the newest revisions all calls."""
    split = [service for service in services(environment) if service.split]
    for service in split:
        _move(environment, service, "--to-latest")
    return split


def roll_back(environment: Environment, names: Collection[str]) -> list[Service]:
    """Give all calls to the old revisions: of the canary when no name is given, else to the ones before the newest."""
    found = services(environment)
    back = (
        [before for service in found if service.name in names and (before := _before(environment, service))]
        if names
        else [service for service in found if service.split]
    )
    pin(environment, back)
    return back


def _before(environment: Environment, service: Service) -> Service | None:
    """The service with the revision before its newest one as `answering`; None when there is none."""
    listed = environment.gcloud(
        "run", "revisions", "list", f"--service={service.name}", f"--region={service.region}",
        "--sort-by=~metadata.creationTimestamp", "--limit=2", "--format=value(metadata.name)",
    ).split()  # fmt: skip
    return Service(service.region, service.name, listed[1], service.newest) if len(listed) > 1 else None


def _service(item: Mapping[str, dict[str, object]]) -> Service:
    shares = item["status"].get("traffic") or []
    newest = str(item["status"]["latestReadyRevisionName"])
    assert isinstance(shares, list)
    most = max(shares, key=lambda share: share.get("percent", 0), default={"revisionName": newest})
    labels = item["metadata"]["labels"]
    assert isinstance(labels, dict)
    return Service(str(labels[LOCATION]), str(item["metadata"]["name"]), str(most["revisionName"]), newest)


def _move(environment: Environment, service: Service, where: str) -> None:
    environment.gcloud("run", "services", "update-traffic", service.name, f"--region={service.region}", where)


def _errors(environment: Environment, split: Sequence[Service]) -> str | None:
    """The first new revision that has logged an error since the canary began; None if there is none."""
    revisions = " OR ".join(f'"{service.newest}"' for service in split)
    wanted = f'resource.type="cloud_run_revision" severity>=ERROR resource.labels.revision_name=({revisions})'
    listed = json.loads(
        environment.gcloud("logging", "read", wanted, "--limit=1", f"--freshness={WATCH_SECONDS}s", "--format=json")
    )
    return str(listed[0]["resource"]["labels"]["revision_name"]) if listed else None
