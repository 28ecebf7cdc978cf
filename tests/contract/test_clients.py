"""Other people's tools can use openapi.yaml: a linter finds nothing, and generators leave nothing out."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from emulators import bootstrap, contract
from tests.generated import PACKAGE, GeneratedClient, python_client

NODE = Path(__file__).parent / "node"
REASONS = {  # what the linter says against us and why it stays
    ("info-license", "#/info"): "nobody is given a licence to the API",
    ("operation-2xx-response", "#/paths/~1r~1{code}/get/responses"): "a link that leads elsewhere is a redirect",
    ("no-ambiguous-paths", "#/paths/~1v1~1admin~1comps~1{comp_id}~1approve"): "no comp has the id `retry`",
    ("no-ambiguous-paths", "#/paths/~1v1~1admin~1comps~1{comp_id}~1cancel"): "no comp has the id `retry`",
    ("no-ambiguous-paths", "#/paths/~1v1~1admin~1affiliates~1weeks~1{week_on}"): "no week ends on a day `preview`",
}


@pytest.fixture(scope="module")
def tools() -> Path:
    return bootstrap.contract_tools()


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GeneratedClient]:
    with python_client(tmp_path_factory.mktemp("python")) as made:
        yield made


def lint(tools: Path, document: Path) -> set[tuple[str, str]]:
    """Rule and JSON pointer of each finding, by the script and the modules beside it."""
    shutil.copy(NODE / "lint.cjs", tools)
    told = subprocess.run(
        [*bootstrap.node(), str(tools / "lint.cjs"), str(document)], capture_output=True, text=True, check=True
    )
    return {(found["rule"], found["at"]) for found in json.loads(told.stdout)}


def test_the_linter_finds_nothing_without_a_reason(tools: Path) -> None:
    assert lint(tools, contract.OPENAPI) == set(REASONS)


def test_the_linter_finds_what_is_wrong(tools: Path, tmp_path: Path) -> None:
    """A tag that is not defined, a second sentence in a summary, a parameter that is in no path, a broken example."""
    text = contract.OPENAPI.read_text()
    text = text.replace("tags: [scans]", "tags: [skans]", 1)
    text = text.replace("summary: Start a session", "summary: Start a session. It ends others", 1)
    text = text.replace("/v1/users/me/exports/{export_id}", "/v1/users/me/exports/{id}", 1)
    (tmp_path / "openapi.yaml").write_text(text)
    rules = {rule for rule, _ in lint(tools, tmp_path / "openapi.yaml")} - {rule for rule, _ in REASONS}
    assert rules == {"operation-tag-defined", "rule/summary-is-one-sentence", "path-parameters-defined"}


def test_a_python_client_is_generated_without_a_warning_and_with_every_operation(generated: GeneratedClient) -> None:
    assert "arning" not in generated.output, generated.output
    made = {path.stem for path in generated.folder.glob("api/*/*.py")} - {"__init__"}
    assert made == {operation.operation_id for operation in contract.operations()}
    models = import_module(f"{PACKAGE}.models")
    schemas = contract.document()["components"]["schemas"]
    wanted = {
        f"{name}Type0" if said.get("nullable") else name for name, said in schemas.items() if "properties" in said
    }
    assert wanted <= set(models.__all__)
    for path in generated.folder.glob("api/*/*.py"):
        import_module(f"{PACKAGE}.api.{path.parent.name}.{path.stem}")


def test_a_python_client_reads_both_kinds_of_refusal(generated: GeneratedClient) -> None:
    """A function's and the gateway's: one that knew only one of them would fail at the other."""
    import httpx

    module = import_module(f"{PACKAGE}.api.users.get_me")
    problem = {"type": "/problems/token-not-valid", "title": "This token is not valid.", "status": 401}
    for content, kind in ((problem, "Problem"), ({"message": "Jwt is expired", "code": 401}, "GatewayRefusal")):
        parsed = module._parse_response(client=generated.client("x"), response=httpx.Response(401, json=content))
        assert type(parsed).__name__ == kind


def test_a_typescript_client_compiles_and_refuses_what_the_contract_does_not_have(tools: Path, tmp_path: Path) -> None:
    for name in ("program.ts", "tsconfig.json"):
        shutil.copy(NODE / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(tools / "node_modules")
    modules = tools / "node_modules"
    generator = [str(modules / "openapi-typescript" / "bin" / "cli.js"), str(contract.OPENAPI)]
    for command in (
        [*generator, "--output", str(tmp_path / "openapi.d.ts")],
        [str(modules / "typescript" / "bin" / "tsc"), "--project", str(tmp_path)],
    ):
        done = subprocess.run([*bootstrap.node(), *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "arning" not in done.stdout + done.stderr
    types = (tmp_path / "openapi.d.ts").read_text()
    for operation in contract.operations():
        assert f'operations["{operation.operation_id}"]' in types
