"""Everything that function.yaml asks of the cloud exists: targets of roles, and each setting that the code reads."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from emulators import contract
from shared.config import service_name
from terraform import hcl, imports, policy

ACCOUNT_NAME_MAX = 30
CONFIGURATION = hcl.ours()
FUNCTIONS = contract.functions()
TERRAFORM = Path(hcl.HERE)

each_function = pytest.mark.parametrize("name", sorted(FUNCTIONS))


def targets(family: str) -> set[str]:
    """The targets that a role of a family can be scoped to."""
    if family == "storage":
        return set(CONFIGURATION.values["buckets"])
    if family == "iam":
        return set(CONFIGURATION.values["named_accounts"])
    (rings,) = CONFIGURATION.of("google_kms_key_ring")
    return set(re.findall(r'"([a-z-]+)"', rings.body["for_each"]))


@each_function
def test_a_role_on_keys_files_or_accounts_says_on_which(name: str) -> None:
    function = FUNCTIONS[name]
    scoped = {role for role in function.roles if role.split(".")[0] in policy.SCOPED_FAMILIES}
    assert set(function.scopes) == scoped
    for role, names in function.scopes.items():
        assert names
        assert set(names) <= targets(role.split(".")[0])


@each_function
def test_its_names_fit(name: str) -> None:
    assert len(f"fn-{service_name(name)}") <= ACCOUNT_NAME_MAX
    for secret in FUNCTIONS[name].secrets.values():
        assert re.fullmatch(r"[a-z][a-z0-9-]+", secret)


def test_the_family_list_is_the_same_in_both() -> None:
    assert tuple(CONFIGURATION.values["scoped_families"]) == policy.SCOPED_FAMILIES


def test_names_are_mapped_as_the_code_maps_them() -> None:
    assert 'replace(name, "_", "-")' in (TERRAFORM / "modules" / "catalog" / "main.tf").read_text()
    assert service_name("payout_send") == "payout-send"


@each_function
def test_whoever_logs_in_to_the_database_may_connect_to_it(name: str) -> None:
    roles = set(FUNCTIONS[name].roles)
    assert {"cloudsql.client", "cloudsql.instanceUser"} <= roles or "cloudsql.client" not in roles


@each_function
def test_every_setting_that_its_code_must_have_is_given(name: str) -> None:
    given = provided() | set(FUNCTIONS[name].secrets) | set(FUNCTIONS[name].environment)
    assert asked_by(name) - given == set()


def provided() -> set[str]:
    """The names in functions.tf, and THREADS, which every function has."""
    text = (TERRAFORM / "functions.tf").read_text()
    names = set(re.findall(r"^\s+([A-Z][A-Z0-9_]+)\s+=", text, re.MULTILINE)) | {"THREADS"}
    names |= {f"{bucket.upper()}_BUCKET" for bucket in CONFIGURATION.values["buckets"]}
    return names | {f"TREASURY_KEY_VERSION_{treasury.upper()}" for treasury in CONFIGURATION.values["treasuries"]}


@cache
def asked_by(name: str) -> frozenset[str]:
    return frozenset().union(*(required(path) for path in imports.closure(name).files if path.suffix == ".py"))


@cache
def required(path: Path) -> frozenset[str]:
    return frozenset(_required(path))


def _required(path: Path) -> Iterator[str]:
    """Fields of a Config that have no default, and variables that are read without one."""
    text = path.read_text()
    yield from re.findall(r'os\.environ\["([A-Z_]+)"\]', text)
    yield from re.findall(r'_required\("([A-Z_]+)"\)', text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name) and base.id == "Config" for base in node.bases
        ):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and field.value is None and isinstance(field.target, ast.Name):
                    yield field.target.id.upper()


def test_the_code_does_ask_for_settings() -> None:
    """Else the test above would look at nothing."""
    asked = frozenset().union(*map(asked_by, FUNCTIONS))
    assert asked >= {"CODE_MAC_KEY", "OIDC_AUDIENCE", "RPC_URLS", "CODES_BUCKET", "APNS_KEY", "TASKS_SERVICE_ACCOUNT"}


def test_there_are_fewer_than_twenty_variables_and_both_environments_give_those_without_a_default() -> None:
    text = (TERRAFORM / "variables.tf").read_text()
    blocks = dict(re.findall(r'^variable "(\w+)" {\n(.*?)^}', text, re.MULTILINE | re.DOTALL))
    needed = {name for name, body in blocks.items() if not re.search(r"^  default +=", body, re.MULTILINE)}
    assert 0 < len(blocks) < 20
    for environment in ("dev", "prod"):
        settings = (TERRAFORM / "environments" / f"{environment}.tfvars").read_text()
        given = set(re.findall(r"^(\w+) +=", settings, re.MULTILINE))
        assert needed <= given <= set(blocks)
