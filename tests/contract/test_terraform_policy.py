"""The configuration of the cloud keeps every rule of the policy, and each rule catches what breaks it."""

from pathlib import Path

import pytest

from emulators import contract
from emulators.gateway import EDGE_HEADERS
from functions.pages.site import PAGE_HEADERS
from shared import clock
from shared.web import http
from terraform import hcl, policy

SAMPLES = Path(__file__).parent / "terraform_samples"
BAD = sorted(path for path in SAMPLES.glob("*.tf") if path.name != "good.tf")


def test_our_configuration_keeps_every_rule() -> None:
    assert policy.findings(hcl.ours()) == []


def test_the_rules_had_something_to_look_at() -> None:
    found = hcl.ours()
    for kind in (
        *("google_cloudfunctions2_function", "google_storage_bucket", "google_kms_crypto_key"),
        *("google_pubsub_subscription", "google_sql_database_instance", "google_compute_instance"),
        *("google_compute_firewall", "google_project_iam_member", "google_compute_backend_service"),
    ):
        assert found.of(kind), kind
    assert set(found.values["buckets"]) >= {"avatars", "hls", "documents", "templates", "codes", "uploads"}


def test_a_good_configuration_is_taken() -> None:
    assert policy.findings(hcl.read(SAMPLES / "good.tf")) == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_configuration_is_caught_and_nothing_else_is_said(path: Path) -> None:
    """Its first line is the finding."""
    wanted = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    assert policy.findings(hcl.read(path)) == [wanted]


def test_every_rule_has_a_bad_sample() -> None:
    shown = {path.read_text(encoding="utf-8").partition(":")[0].removeprefix("# ") for path in BAD}
    assert shown == {rule.__name__ for rule in policy.RULES}


def test_nothing_that_is_deployed_can_move_the_clock() -> None:
    """The operation is the local gateway's alone, and no function is given a file that moves its time."""
    assert not [path for path in contract.document()["paths"] if "clock" in path]
    assert not [name for name in contract.functions() if "clock" in name]
    texts = [
        path for pattern in ("*.tf", "*.tfvars", "*.yaml") for path in (contract.ROOT / "terraform").rglob(pattern)
    ]
    texts += (contract.ROOT / "functions").glob("*/function.yaml")
    assert len(texts) > 60
    assert not [path for path in texts if clock.CLOCK_FILE in path.read_text(encoding="utf-8")]
    code = [path for folder in ("functions", "shared") for path in (contract.ROOT / folder).rglob("*.py")]
    assert not [path for path in code if "import emulators" in (text := path.read_text()) or "from emulators" in text]


def test_functions_get_no_broad_role_on_the_project() -> None:
    granted = {
        role
        for function in contract.functions().values()
        for role in function.roles
        if role.split(".")[0] not in policy.SCOPED_FAMILIES
    }
    assert {role for role in granted if policy.is_broad(role)} == set()
    assert set(policy.REASONED_ROLES) <= granted  # an exception that nobody needs goes away


@pytest.mark.parametrize("role", ["owner", "roles/editor", "viewer", "pubsub.admin", "resourcemanager.projectIamAdmin"])
def test_a_broad_role_is_known_when_it_is_seen(role: str) -> None:
    assert policy.is_broad(role)


def test_the_edge_tells_the_clients_address_and_shows_its_key() -> None:
    """Headers of which the load balancer itself knows the values; the policy sets them at every entrance."""
    address, key = hcl.ours().values["edge_headers"]
    assert address == "X-Client-Address:{client_ip_address}"
    assert key.startswith("X-Edge-Key:${")
    assert "google_secret_manager_secret_version.edge_keys" in key


def test_every_answer_that_passes_the_edge_has_the_headers_of_functions_own_answers() -> None:
    """Also those of API Gateway, which has neither safe headers nor CORS."""
    ours = hcl.ours()
    assert dict(line.split(":", 1) for line in ours.values["safe_headers"]) == EDGE_HEADERS
    doors = ours.of("google_compute_backend_service", "google_compute_backend_bucket")
    assert len(doors) >= 3
    of_pages = [door for door in doors if door.address.endswith(".site")]
    assert [door.body["custom_response_headers"] for door in of_pages] == ["${local.site_headers}"]
    assert {door.body["custom_response_headers"] for door in doors if door not in of_pages} == {"${local.safe_headers}"}
    of_site = dict(line.split(":", 1) for line in ours.values["site_headers"])
    assert of_site.items() <= PAGE_HEADERS.items()
    assert of_site.keys() == EDGE_HEADERS.keys()
    (edge,) = ours.of("google_compute_url_map")
    (cors,) = edge.inner("default_route_action")["cors_policy"]
    allowed = http.cors("https://blakjaks.com")
    assert cors["expose_headers"] == allowed["Access-Control-Expose-Headers"].split(", ")
    assert cors["allow_credentials"] is True
    assert cors["allow_origins"] == "${local.origins}"
    methods = {operation.method for operation in contract.operations()}
    assert set(cors["allow_methods"]) == methods | {"HEAD"}
    assert cors["allow_headers"] == http.ALLOWED_HEADERS.split(", ")
    assert cors["max_age"] == http.PREFLIGHT_SECONDS
