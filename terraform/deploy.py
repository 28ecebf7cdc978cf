"""From the tree to the cloud, step by step: `make plan ENV=dev`, `make deploy ENV=dev`, `make rollback ENV=dev`.

Each step can be repeated, and nothing is remembered between them but what the cloud itself knows: after a failure the
same command goes on from where it stopped, or `FROM=step` leaves out what is known to be done. docs/deploy.md says
what breaks when a step dies.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from shared.config import service_name
from terraform import checks, stage, traffic
from terraform.environment import CommandFailed, Environment, environment, require_login
from terraform.functions import ROOT, NotDeployable
from terraform.traffic import CanaryFailed

MIGRATE_SECONDS_MAX = 900.0  # functions/migrate/function.yaml: timeout_seconds


class StepFailed(Exception):
    """Raised when a step fails; the message says why."""


def build(at: Environment) -> None:
    """Stage and zip. Migrations must be sealed before they are applied to what cannot be made anew."""
    built = stage.build(at.root, at.root / ".local" / "build")
    sys.stdout.write(stage.table(built) + "\n")
    if at.name != "dev" and (loose := checks.migrations(at.root)):
        raise NotDeployable(f"{', '.join(loose)} would be applied and is not sealed: make seal, and commit it.")


def expand(at: Environment) -> None:
    """Bring `migrate` and what it needs up to date, and with it the zips of all: nothing else changes yet."""
    region = json.loads(at.terraform("console", at.var_file, said="local.region"))
    _apply(at, f'-target=module.function["{region}/migrate"]')


def migrate(at: Environment) -> None:
    """Expand the schema: every migration up to the first that takes something away."""
    _call_migrate(at, "apply")


def nodes(at: Environment) -> None:
    """Each node must answer all that the functions ask; FROM=functions goes on without."""
    _call_migrate(at, "nodes")


def functions(at: Environment) -> None:
    """New revisions beside the old ones, which go on answering."""
    entries = json.loads((at.root / ".local" / "build" / stage.MANIFEST).read_text(encoding="utf-8"))["functions"]
    objects = {entry["service"]: entry["object"] for entry in entries.values()}
    there = traffic.services(at)
    waiting = {service.name for service in there if service.split} | traffic.changed(at, objects)
    traffic.pin(at, [service for service in there if service.name in waiting])
    names = sorted(name for name in entries if service_name(name) in waiting)
    _apply(at, "-target=module.function", f"-var=canary={json.dumps(names)}")


def canary(at: Environment) -> None:
    """A tenth of the calls to the new revisions, for five minutes without an error."""
    _say(traffic.canary(at, time.sleep), "has had a tenth of the calls")


def promote(at: Environment) -> None:
    """All calls to the new revisions."""
    _say(traffic.promote(at), "has all calls")


def gateway(at: Environment) -> None:
    """Everything else: the gateway's new contract, topics, queues, schedules, alerts."""
    _apply(at)


def contract(at: Environment) -> None:
    """Contract the schema: the migrations that take away what no function uses any more."""
    _call_migrate(at, "contract")


STEPS: Mapping[str, Callable[[Environment], None]] = {
    step.__name__: step for step in (build, expand, migrate, nodes, functions, canary, promote, gateway, contract)
}


def deploy(at: Environment, first: str) -> None:
    """Run all steps from `first` on. Raises StepFailed, which names the step that failed."""
    _init(at)
    for name in list(STEPS)[list(STEPS).index(first) :]:
        sys.stdout.write(f"== {name}: {(STEPS[name].__doc__ or '').splitlines()[0]}\n")
        sys.stdout.flush()
        try:
            STEPS[name](at)
        except (CommandFailed, CanaryFailed) as fault:
            raise StepFailed(f"{name} failed ({fault}): make deploy ENV={at.name} FROM={name} goes on there.") from None


def plan(at: Environment) -> None:
    """Show what all steps together would change."""
    build(at)
    _init(at)
    at.terraform("plan", "-input=false", at.var_file)


def roll_back(at: Environment, names: Sequence[str]) -> None:
    """Give all calls back to the old revisions."""
    back = traffic.roll_back(at, {service_name(name) for name in names})
    if not back:
        raise NotDeployable(f"No canary is under way; say which: make rollback ENV={at.name} FUNCTIONS=scans.")
    sys.stdout.write("".join(f"{service.answering} has all calls\n" for service in back))


def _init(at: Environment) -> None:
    backend = [f"-backend-config=bucket={at.project}-terraform", "-backend-config=prefix=blakjaks"]
    at.terraform("init", "-input=false", "-reconfigure", *backend)


def _apply(at: Environment, *arguments: str) -> None:
    at.terraform("apply", "-input=false", "-auto-approve", "-lock-timeout=5m", at.var_file, *arguments)


def _call_migrate(at: Environment, schedule: str) -> None:
    """Call migrate as the invoker, and wait for its answer. Raises CommandFailed unless it is done."""
    outputs = json.loads(at.terraform("output", "-json"))
    url, account = (outputs[name]["value"] for name in ("migrate_url", "invoker_service_account"))
    token = at.gcloud(
        "auth", "print-identity-token", "--include-email",
        f"--impersonate-service-account={account}", f"--audiences={url}",
    ).strip()  # fmt: skip
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = Request(url, json.dumps({"schedule": schedule}).encode(), headers)  # noqa: S310 - our own function
    try:
        with urlopen(request, timeout=MIGRATE_SECONDS_MAX) as answer:  # noqa: S310
            status = answer.status
    except HTTPError as refused:
        status = refused.code
    except (URLError, TimeoutError) as fault:
        raise CommandFailed(f"migrate cannot be reached: {fault}") from None
    if status != HTTPStatus.NO_CONTENT:
        raise CommandFailed(f"migrate answered {status}, its log says why")


def _say(services: list[traffic.Service], what: str) -> None:
    sys.stdout.write("".join(f"{service.newest} {what}\n" for service in services) or "no service has a new revision\n")


def main(arguments: list[str] | None = None, variables: Mapping[str, str] = os.environ) -> None:
    """Run the command; exits with code 1 and one sentence when something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=["plan", "deploy", "rollback"])
    parser.add_argument("environment", nargs="?", help="a file of terraform/environments/")
    parser.add_argument("functions", nargs="*", help="rollback: which, when no canary is under way")
    parser.add_argument("--from", dest="first", choices=list(STEPS), default="build", help="the step to begin with")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout")
    asked = parser.parse_args(arguments)
    try:
        at = environment(asked.environment, asked.root, variables)
        require_login(variables)
        if asked.act == "plan":
            plan(at)
        elif asked.act == "deploy":
            deploy(at, asked.first)
        else:
            roll_back(at, asked.functions)
    except (NotDeployable, StepFailed, CommandFailed) as fault:
        sys.exit(str(fault))


if __name__ == "__main__":
    main()
