"""A deployment goes through its steps in order, stops at the first that fails, and goes on from there."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from terraform import checks, deploy, edge, stage, traffic
from terraform.functions import ROOT
from tests.contract.checkout import copy_checkout
from tests.fakes.cloud_tools import CloudTools

VARIABLES = """
variable "project" {
  type = string
}

variable "domain" {
  type = string
}

variable "regions" {
  type    = list(string)
  default = ["us-central1"]
}
"""
TFVARS = 'project = "blakjaks-test"\ndomain  = "test.example"\n'
BALANCER = "34.120.0.1"
INVOKER = "invoker@blakjaks-test.iam.gserviceaccount.com"


@dataclass
class Migrate(HTTPServer):
    """The deployed functions: migrate notes what it was called with, the edge says whom it takes the caller for."""

    status: int = 204
    called: list[tuple[str, str]] = field(default_factory=list)
    takes_deployer_for: str = "203.0.114.9"
    past_the_edge: int = 403
    asked_with: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Receive)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Receive(BaseHTTPRequestHandler):
    server: Migrate

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.called.append((body["schedule"], self.headers["Authorization"]))
        self.send_response(self.server.status)
        self.end_headers()

    def do_GET(self) -> None:
        """The API through the edge; below /gateway the gateway's own name."""
        told = json.dumps({"address": self.server.takes_deployer_for}).encode()
        self.server.asked_with.append(str(self.headers["X-Client-Address"]))
        self.send_response(200 if not self.path.startswith("/gateway") else self.server.past_the_edge)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *_: object) -> None:
        """Swallow the line: these tests read no output."""


@dataclass
class World:
    """A checkout, the tools, and what is deployed."""

    root: Path
    tools: CloudTools
    migrate: Migrate
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)

    def deploy(self, *arguments: str, act: str = "deploy", name: str = "dev") -> str | None:
        """The sentence it ends with; None when all is done."""
        self.tools.answer(
            {**self.answers, **{key: said for key, said in self.defaults().items() if key not in self.answers}}
        )
        variables = {"PATH": self.tools.path, "HOME": str(self.root)}
        said = None
        try:
            deploy.main([act, *([name] if name else []), *arguments, "--root", str(self.root)], variables)
        except SystemExit as ended:
            said = str(ended.code)
        assert said is None or "\n" not in said
        return said

    def defaults(self) -> dict[str, tuple[int, str]]:
        outputs = {
            "migrate_url": self.migrate.url,
            "invoker_service_account": INVOKER,
            "api_url": self.migrate.url,
            "gateway_url": f"{self.migrate.url}/gateway",
            "edge_address": {"api.test.example": BALANCER},
            "node": {"name": "polygon-us-central1-b", "zone": "us-central1-b"},
        }
        return {
            "gcloud auth list": (0, "somebody@example.com\n"),
            "print-access-token": (0, "ya29.access\n"),
            "print-identity-token": (0, "identity\n"),
            "terraform console": (0, '"us-central1"\n'),
            "terraform output": (0, json.dumps({name: {"value": value} for name, value in outputs.items()})),
            "compute ssh": (0, '{"address": "34.1.2.3"}\n\n' * 2),
            "services list": (0, "[]"),
            "functions list": (0, "[]"),
            "logging read": (0, "[]"),
        }

    def deployed(self, *services: tuple[str, str, str]) -> None:
        """(service, the revision that answers, the newest one) of what is there."""
        listed = [
            {
                "metadata": {"name": name, "labels": {traffic.LOCATION: "us-central1"}},
                "status": {"latestReadyRevisionName": newest, "traffic": [{"revisionName": answering, "percent": 100}]},
            }
            for name, answering, newest in services
        ]
        self.answers["services list"] = (0, json.dumps(listed))

    def calls(self, words: str) -> list[str]:
        return [call for call in self.tools.calls if all(word in call for word in words.split())]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    root = tmp_path / "checkout"
    (root / "terraform" / "environments").mkdir(parents=True)
    (root / "terraform" / "variables.tf").write_text(VARIABLES)
    for name in ("dev", "prod"):
        (root / "terraform" / "environments" / f"{name}.tfvars").write_text(TFVARS)
    (root / ".local" / "build").mkdir(parents=True)
    entries = {
        name: {"service": name.replace("_", "-"), "object": f"functions/{name}/new.zip"}
        for name in ("scans", "payout_send")
    }
    (root / ".local" / "build" / stage.MANIFEST).write_text(json.dumps({"functions": entries}))
    monkeypatch.setattr(traffic, "LOOK_SECONDS", 1)
    monkeypatch.setattr(traffic, "WATCH_SECONDS", 1)
    server = Migrate()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield World(root, CloudTools(tmp_path / "tools"), server)
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_steps_come_in_their_order(world: World) -> None:
    copy_checkout(world.root)
    assert world.deploy() is None
    applies = world.calls("terraform apply")
    assert 'module.function["us-central1/migrate"]' in applies[0]
    assert "-target=module.function -var=canary=[]" in applies[1]
    assert "-target" not in applies[2]
    assert len(applies) == 3
    assert [schedule for schedule, _ in world.migrate.called] == ["apply", "nodes", "contract"]
    assert (world.root / ".local" / "build" / "objects" / "functions" / "scans").is_dir()


def test_migrate_is_called_as_the_invoker_after_its_function_and_before_all_others(world: World) -> None:
    world.deploy("--from", "expand")
    assert world.migrate.called[0] == ("apply", "Bearer identity")
    calls = world.tools.calls
    token = next(number for number, call in enumerate(calls) if "print-identity-token" in call)
    assert f"--impersonate-service-account={INVOKER}" in calls[token]
    assert f"--audiences={world.migrate.url}" in calls[token]
    before = [call for call in calls[:token] if "terraform" in call and "apply" in call]
    assert len(before) == 1
    assert "migrate" in before[0]


def test_a_step_that_fails_is_named_and_nothing_follows(world: World) -> None:
    world.migrate.status = 500
    said = world.deploy("--from", "migrate")
    assert said == (
        "migrate failed (migrate answered 500, its log says why): make deploy ENV=dev FROM=migrate goes on there."
    )
    assert world.calls("terraform apply") == []


def test_it_goes_on_from_the_step_it_is_told(world: World) -> None:
    assert world.deploy("--from", "gateway") is None
    assert len(world.calls("terraform apply")) == 1
    assert [schedule for schedule, _ in world.migrate.called] == ["contract"]


def test_what_terraform_says_last_is_in_the_sentence(world: World) -> None:
    world.answers["terraform console"] = (1, "Some context\nError: Unsupported attribute\n")
    assert "expand failed (Error: Unsupported attribute)" in (world.deploy("--from", "expand") or "")


def test_changed_functions_are_pinned_to_what_answers_before_their_new_revision_comes(world: World) -> None:
    world.deployed(("scans", "scans-1", "scans-1"), ("payout-send", "payout-send-1", "payout-send-1"))
    listed = [
        {
            "name": f"projects/p/locations/us-central1/functions/{name}",
            "buildConfig": {"source": {"storageSource": {"object": object_}}},
        }
        for name, object_ in (("scans", "functions/scans/new.zip"), ("payout-send", "functions/payout_send/old.zip"))
    ]
    world.answers["functions list"] = (0, json.dumps(listed))
    world.deploy("--from", "functions")
    (pinned,) = world.calls("update-traffic")
    assert "payout-send --region=us-central1 --to-revisions=payout-send-1=100" in pinned
    assert '-var=canary=["payout_send"]' in world.calls("terraform apply -target=module.function")[0]
    assert world.tools.calls.index(pinned) < world.tools.calls.index(world.calls("terraform apply")[0])


def test_a_new_revision_gets_a_tenth_then_all(world: World) -> None:
    world.deployed(("scans", "scans-1", "scans-2"), ("wallet", "wallet-7", "wallet-7"))
    assert world.deploy("--from", "canary") is None
    moved = [call.partition("update-traffic ")[2].split(" --project")[0] for call in world.calls("update-traffic")]
    assert moved == [
        "scans --region=us-central1 --to-revisions=scans-2=10,scans-1=90",
        "scans --region=us-central1 --to-latest",
    ]


def test_a_new_revision_that_writes_an_error_gets_nothing_any_more(world: World) -> None:
    world.deployed(("scans", "scans-1", "scans-2"))
    found = [{"resource": {"labels": {"revision_name": "scans-2"}}}]
    world.answers["logging read"] = (0, json.dumps(found))
    said = world.deploy("--from", "canary")
    assert said is not None
    assert "canary failed (scans-2 has written an error; all calls go to the old revisions again)" in said
    assert "scans --region=us-central1 --to-revisions=scans-1=100" in world.calls("update-traffic")[-1]
    assert 'revision_name=("scans-2")' in world.calls("logging read")[0]
    assert world.calls("terraform apply") == []


def test_a_canary_is_asked_from_two_addresses_whom_it_takes_them_for(world: World) -> None:
    world.deployed(("auth", "auth-1", "auth-2"))
    assert world.deploy("--from", "canary") is None
    (node,) = world.calls("compute ssh")
    assert "polygon-us-central1-b --zone=us-central1-b --tunnel-through-iap" in node
    assert f"curl -fsS {world.migrate.url}/v1/auth/client-address" in node
    assert world.migrate.asked_with == [edge.FORGED] * edge.PROBES + ["None"]


@pytest.mark.parametrize(
    ("deployer", "node", "says"),
    [
        (BALANCER, BALANCER, f"functions take {BALANCER} for a client"),
        ("34.1.2.3", "34.1.2.3", "two clients are told apart by nothing: both are 34.1.2.3"),
        ("203.0.114.9", "10.0.0.7", "functions take 10.0.0.7 for a client"),
        (edge.FORGED, "34.1.2.3", "functions believe the address that a client writes into a header"),
    ],
)
def test_a_canary_that_does_not_know_its_clients_is_taken_back(
    deployer: str, node: str, says: str, world: World
) -> None:
    world.deployed(("auth", "auth-1", "auth-2"))
    world.migrate.takes_deployer_for = deployer
    world.answers["compute ssh"] = (0, json.dumps({"address": node}) + "\n")
    said = world.deploy("--from", "canary")
    assert said is not None
    assert f"canary failed ({says}; all calls go to the old revisions again)" in said
    assert "auth --region=us-central1 --to-revisions=auth-1=100" in world.calls("update-traffic")[-1]


def test_a_canary_that_answers_past_the_edge_is_taken_back(world: World) -> None:
    world.deployed(("auth", "auth-1", "auth-2"))
    world.migrate.past_the_edge = 200
    said = world.deploy("--from", "canary")
    assert said is not None
    assert "canary failed (the gateway answers under its own name, past the edge; all calls" in said


def test_an_edge_that_cannot_be_asked_stops_the_canary(world: World) -> None:
    world.deployed(("auth", "auth-1", "auth-2"))
    world.answers["compute ssh"] = (1, "ssh: no route\n")
    said = world.deploy("--from", "canary")
    assert said is not None
    assert "canary failed (ssh: no route; all calls go to the old revisions again)" in said


def test_rolling_back_during_a_canary_needs_no_names(world: World) -> None:
    world.deployed(("scans", "scans-1", "scans-2"), ("wallet", "wallet-7", "wallet-7"))
    assert world.deploy(act="rollback") is None
    (moved,) = world.calls("update-traffic")
    assert "scans --region=us-central1 --to-revisions=scans-1=100" in moved


def test_rolling_back_after_it_takes_the_revision_before_the_newest(world: World) -> None:
    world.deployed(("payout-send", "payout-send-9", "payout-send-9"))
    world.answers["revisions list --service=payout-send"] = (0, "payout-send-9\npayout-send-8\n")
    assert world.deploy("payout_send", act="rollback") is None
    assert "--to-revisions=payout-send-8=100" in world.calls("update-traffic")[0]


def test_rolling_back_nothing_is_said(world: World) -> None:
    world.deployed(("scans", "scans-1", "scans-1"))
    assert world.deploy(act="rollback") == "No canary is under way; say which: make rollback ENV=dev FUNCTIONS=scans."


def test_a_plan_builds_and_changes_nothing(world: World) -> None:
    copy_checkout(world.root)
    assert world.deploy(act="plan") is None
    assert world.calls("terraform plan -var-file=environments/dev.tfvars")
    assert [*world.calls("apply"), *world.calls("update-traffic"), *world.migrate.called] == []


def test_a_plan_names_the_environment(world: World) -> None:
    assert world.deploy(act="plan", name="") == "ENV is missing (there are: dev, prod): make plan ENV=dev."


def test_an_environment_that_there_is_not(world: World) -> None:
    said = world.deploy(act="plan", name="staging")
    assert said == "terraform/environments/staging.tfvars is missing (there are: dev, prod)."


def test_a_plan_without_the_required_variables(world: World) -> None:
    (world.root / "terraform" / "environments" / "dev.tfvars").write_text('regions = ["us-east1"]\n')
    assert world.deploy(act="plan") == "terraform/environments/dev.tfvars does not set project, domain."
    assert world.tools.calls == []


@pytest.mark.parametrize("tool", ["terraform", "gcloud"])
def test_a_tool_that_is_not_installed(world: World, tool: str) -> None:
    world.tools.remove(tool)
    assert world.deploy(act="plan") == f"{tool} is not installed, or not on the PATH."


def test_nobody_is_logged_in(world: World) -> None:
    world.answers["gcloud auth list"] = (0, "")
    assert world.deploy() == "gcloud is not logged in: gcloud auth login."


def test_a_login_that_has_expired(world: World) -> None:
    world.answers["print-access-token"] = (1, "ERROR: Reauthentication required.\n")
    said = world.deploy("--from", "gateway")
    assert said == "gcloud's login is no longer good (ERROR: Reauthentication required.): gcloud auth login."


def test_migrations_are_sealed_before_production_sees_them(world: World) -> None:
    copy_checkout(world.root)
    loose = checks.migrations(world.root)
    said = world.deploy(name="prod")
    assert said == f"{', '.join(loose)} would be applied and is not sealed: make seal, and commit it."
    assert world.calls("terraform apply") == []


def test_a_bad_tree_is_not_deployed(world: World) -> None:
    copy_checkout(world.root)
    (world.root / "functions" / "wallet" / "main.py").unlink()
    assert world.deploy() == "functions/wallet/main.py is missing."
    assert world.calls("terraform apply") == []


def test_the_steps_in_the_runbook_are_the_steps() -> None:
    text = (ROOT / "docs" / "deploy.md").read_text()
    told = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| `")]
    assert [name.strip("`") for name in told][: len(deploy.STEPS)] == list(deploy.STEPS)
