"""Terraform reads function.yaml and openapi.yaml as we mean them. The modules need no provider, only the program."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator

from emulators import contract
from shared.config import service_name
from terraform import hcl

TERRAFORM = shutil.which("terraform")
HOST = "api.dev.example.com"
URLS = {name: f"https://{service_name(name)}-123.us-central1.run.app" for name in contract.functions()}

pytestmark = pytest.mark.skipif(TERRAFORM is None, reason="terraform is not installed: its modules are not run")


def outputs(place: Path, module: str, **variables: object) -> dict[str, Any]:
    """Applies a module that makes nothing; its outputs. What Terraform says against it is raised."""
    shutil.copy(Path(hcl.HERE) / "modules" / module / "main.tf", place / "main.tf")
    (place / "given.auto.tfvars.json").write_text(json.dumps(variables))
    run(place, "init", "-backend=false", "-input=false")
    run(place, "apply", "-auto-approve", "-input=false")
    return {name: output["value"] for name, output in json.loads(run(place, "output", "-json")).items()}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return outputs(tmp_path_factory.mktemp("catalog"), "catalog", folder=str(contract.FUNCTIONS))


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("contract")
    return outputs(folder, "contract", openapi=str(contract.OPENAPI), urls=URLS, host=HOST)


def run(folder: Path, *arguments: str) -> str:
    assert TERRAFORM
    done = subprocess.run(
        [TERRAFORM, f"-chdir={folder}", *arguments, *(["-no-color"] if arguments[0] != "output" else [])],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "CHECKPOINT_DISABLE": "1"},
    )
    assert done.returncode == 0, re.sub(r"\s+", " ", done.stderr.replace("│", " "))
    return done.stdout


def test_it_reads_every_function_as_we_do(catalog: dict[str, Any]) -> None:
    assert set(catalog["functions"]) == set(contract.functions())
    for name, function in contract.functions().items():
        read = catalog["functions"][name]
        assert read["service"] == service_name(name)
        assert read["admin"] == (name.startswith("admin_") and function.gateway)
        for field in ("description", "gateway", "site", "memory", "cpu", "concurrency", "timeout_seconds"):
            assert read[field] == getattr(function, field)
        for field in ("topics", "on_deploy", "roles"):
            assert read[field] == list(getattr(function, field))
        assert read["instances"] == dict(function.instances)
        assert read["secrets"] == dict(function.secrets)
        assert read["environment"] == dict(function.environment)
        assert read["scopes"] == {role: list(targets) for role, targets in function.scopes.items()}
        assert read["schedules"] == {schedule.name: schedule.cron for schedule in function.schedules}
        assert set(read["queues"]) == {queue.name for queue in function.queues}


def test_subscriptions_queues_and_schedules_are_those_of_the_local_stack(catalog: dict[str, Any]) -> None:
    functions = contract.functions().values()
    pairs = {(function.name, topic) for function in functions for topic in function.topics}
    assert {(each["function"], each["topic"]) for each in catalog["subscriptions"].values()} == pairs
    assert set(catalog["topics"]) == {topic for _, topic in pairs}
    paces = {queue.name: queue.dispatches_per_second_max for function in functions for queue in function.queues}
    assert {name: queue["dispatches_per_second_max"] for name, queue in catalog["queues"].items()} == paces
    assert paces["payout-send-member"] * 60 == pytest.approx(100, abs=0.01)  # payouts a minute
    jobs = {(function.name, schedule.name) for function in functions for schedule in function.schedules}
    assert {(each["function"], each["schedule"]) for each in catalog["schedules"].values()} == jobs
    grants = [
        *catalog["project_roles"].values(),
        *(g for family in catalog["scoped_roles"].values() for g in family.values()),
    ]
    assert {(each["function"], each["role"]) for each in grants} == {
        (function.name, role) for function in functions for role in function.roles
    }


def test_a_later_function_comes_along(tmp_path: Path) -> None:
    folder = functions_folder(tmp_path, later=LATER)
    found = outputs(tmp_path, "catalog", folder=str(folder))
    assert found["functions"]["later_one"]["service"] == "later-one"
    assert set(found["subscriptions"]) == {"later-one.outbox-filled"}
    assert set(found["schedules"]) == {"later-one-each"}
    assert found["queues"]["later-queue"]["concurrent_dispatches_max"] == 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"trigger": "http"}, "function.yaml has keys that nobody reads: later_one: trigger."),
        (
            {"roles": ["storage.objectUser"]},
            "must say in scopes on which key ring, bucket or account: later_one: storage",
        ),
        (
            {"scopes": {"cloudkms.viewer": ["envelope"]}},
            "a scope for a role that is not in roles: later_one: cloudkms.vie",
        ),
    ],
    ids=["unknown key", "role without a scope", "scope without its role"],
)
def test_a_function_yaml_that_is_wrong_stops_the_plan_with_a_sentence(
    tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    folder = functions_folder(tmp_path, later=LATER | change)
    with pytest.raises(AssertionError) as refused:
        outputs(tmp_path, "catalog", folder=str(folder))
    assert sentence in str(refused.value)


def test_a_name_that_does_not_fit_stops_the_plan(tmp_path: Path) -> None:
    folder = functions_folder(tmp_path, later=LATER)
    (folder / "later_one").rename(folder / ("x" * 28))
    with pytest.raises(AssertionError) as refused:
        outputs(tmp_path, "catalog", folder=str(folder))
    assert "at most 27: xxxx" in str(refused.value)


LATER: dict[str, Any] = {
    "description": "Comes later.",
    "gateway": False,
    "topics": ["outbox-filled"],
    "queues": [{"name": "later-queue", "dispatches_per_second_max": 1, "concurrent_dispatches_max": 3}],
    "schedules": [{"name": "each", "cron": "* * * * *"}],
    "memory": "512Mi",
    "cpu": 1,
    "concurrency": 1,
    "timeout_seconds": 60,
    "instances": {"min": 0, "max": 1},
    "roles": ["cloudsql.client"],
    "secrets": {},
}


def functions_folder(tmp_path: Path, later: dict[str, Any]) -> Path:
    folder = tmp_path / "functions"
    (folder / "later_one").mkdir(parents=True)
    (folder / "later_one" / "function.yaml").write_text(yaml.safe_dump(later))
    return folder


def test_the_gateway_is_given_the_contract_without_the_admins_and_with_addresses(gateway: dict[str, Any]) -> None:
    document, ours = json.loads(gateway["document"]), contract.document()
    admin = {operation.template for operation in contract.operations() if operation.function.startswith("admin_")}

    assert set(document["paths"]) == set(ours["paths"]) - admin
    assert {path: without_head(item) for path, item in document["paths"].items()} == {
        path: item for path, item in ours["paths"].items() if path not in admin
    }
    assert document["components"]["schemas"] == ours["components"]["schemas"]
    backends = document["x-google-api-management"]["backends"]
    named = {operation["x-google-backend"] for item in document["paths"].values() for operation in item.values()}
    assert set(backends) == named
    for name, backend in backends.items():
        assert backend == {
            "address": URLS[name],
            "jwtAudience": URLS[name],
            "pathTranslation": "APPEND_PATH_TO_ADDRESS",
            "deadline": 30.0,
        }


def without_head(item: dict[str, Any]) -> dict[str, Any]:
    return {method: said for method, said in item.items() if method != "head"}


def test_what_can_be_got_can_be_asked_for_its_headers_alone(gateway: dict[str, Any]) -> None:
    """API Gateway answers 405 to a HEAD that the document does not have."""
    for item in json.loads(gateway["document"])["paths"].values():
        assert ("head" in item) == ("get" in item)
        if "get" in item:
            assert item["head"] == {**item["get"], "operationId": f"{item['get']['operationId']}_head"}


def test_the_gateways_document_is_valid(gateway: dict[str, Any]) -> None:
    OpenAPIV30SpecValidator(json.loads(gateway["document"])).validate()


def test_the_gateways_document_is_one_that_api_gateway_takes(gateway: dict[str, Any]) -> None:
    """docs.cloud.google.com/api-gateway/docs/oasv3-extensions and openapi-limitations."""
    document = json.loads(gateway["document"])
    assert re.fullmatch(r"3\.0\.\d", document["openapi"])
    assert {"info", "paths"} <= set(document)
    assert "${" not in json.dumps(document)
    schemes = document["components"]["securitySchemes"]
    for scheme in schemes.values():
        rules = scheme["x-google-auth"]
        assert rules["issuer"] == f"https://{HOST}"
        assert rules["jwksUri"].startswith(f"https://{HOST}/")
        assert rules["audiences"]
        assert [place["valuePrefix"] for place in rules["jwtLocations"]] == ["Bearer ", "bearer "]
    assert [server["url"] for server in document["servers"]] == [f"https://{HOST}"]
    seen: set[str] = set()
    for path, item in document["paths"].items():
        assert all(re.fullmatch(r"[^{}]*|{[a-z_]+}", part) for part in path.split("/")), "whole segments only"
        for operation in item.values():
            assert operation["operationId"] not in seen
            seen.add(operation["operationId"])
            assert isinstance(operation["x-google-backend"], str)
            assert operation["responses"]
            assert {name for wish in operation.get("security", []) for name in wish} <= set(schemes)
    for reference in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        assert resolves(document, reference), reference


def resolves(document: dict[str, Any], reference: str) -> bool:
    """References lead inside the document, to something that is there."""
    place: Any = document
    for part in reference.removeprefix("#/").split("/"):
        place = place.get(part)
    return reference.startswith("#/") and place is not None


def test_admin_paths_are_routes_of_the_load_balancer_the_exact_ones_first(gateway: dict[str, Any]) -> None:
    routes = gateway["admin_routes"]
    ours = {op.template: op.function for op in contract.operations() if op.function.startswith("admin_")}
    assert {route["template"].replace("=*}", "}"): route["function"] for route in routes} == ours
    for template, function in ours.items():
        concrete = re.sub(r"{\w+}", "7d1c", template)
        first = next(
            route for route in routes if re.fullmatch(re.sub(r"{\w+=\*}", "[^/]+", route["template"]), concrete)
        )
        assert first["function"] == function


def test_an_operation_without_a_function_stops_the_plan(tmp_path: Path) -> None:
    text = contract.OPENAPI.read_text().replace("x-google-backend: scans", "x-google-backend: skans", 1)
    (tmp_path / "openapi.yaml").write_text(text)
    with pytest.raises(AssertionError, match=r"openapi\.yaml names functions that have no folder: skans"):
        outputs(tmp_path, "contract", openapi=str(tmp_path / "openapi.yaml"), urls=URLS, host=HOST)
