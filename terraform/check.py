"""`make terraform-test`: everything that needs Terraform and its providers, in a copy of the configuration.

Format, init, validate, `terraform test` (plans asserted function by function), the plan of each environment against
checkov. Providers come from wherever `terraform init` gets them; where none can be had, TF_STUB names a stand-in
(`$TF_STUB install FOLDER` prints the settings it needs). What could not be done is said and is a failure.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from emulators import bootstrap
from terraform.hcl import HERE

ROOT = HERE.parent
ENVIRONMENTS = ("dev", "prod")
COPIED = ("*.tf", "*.yaml", "*.rules", "modules", "node", "environments", "tests")
ONLY_WITH_PROVIDERS = "validate, test, plan and checkov"


class CheckFailed(Exception):
    """Raised when a check fails; the message is printed at the end."""


def main() -> int:
    """Run all checks; returns the exit code, 0 when all is well."""
    if shutil.which("terraform") is None:
        print("terraform is not installed: nothing of this could be checked.")
        return 1
    with tempfile.TemporaryDirectory(prefix="terraform-") as folder:
        try:
            return _check(Path(folder))
        except CheckFailed as failure:
            print(f"FAILED: {failure}")
            return 1


def _check(folder: Path) -> int:
    _say("format")
    _run(["fmt", "-check", "-recursive", str(HERE)], HERE, dict(os.environ))
    work = _copy(folder)
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1", **_stand_in(folder)}
    _say("init")
    if subprocess.run(
        ["terraform", "init", "-input=false", "-no-color"], cwd=work, env=environment, capture_output=True, check=False
    ).returncode:
        told = (
            "the stand-in that TF_STUB names did not work" if "TF_STUB" in os.environ else "TF_STUB names no stand-in"
        )
        raise CheckFailed(f"no provider could be had and {told}: {ONLY_WITH_PROVIDERS} were not done.")
    _say("validate")
    _run(["validate", "-no-color"], work, environment)
    _say("a plan without its variables")
    _is_refused_without(("project", "domain", "admin_networks", "alert_channels"), work, environment)
    _say("test: plans, function by function")
    _run(["test", "-no-color", "-var-file=environments/prod.tfvars"], work, environment)
    for name in ENVIRONMENTS:
        _say(f"plan {name}, and checkov")
        _against_checkov(_plan(work, name, environment), name)
    return 0


def _copy(folder: Path) -> Path:
    """Copy the configuration with what it reads, and add a fresh state and a build that was never made."""
    work = folder / "terraform"
    work.mkdir()
    for pattern in COPIED:
        for path in HERE.glob(pattern):
            (shutil.copytree if path.is_dir() else shutil.copy)(path, work / path.name)
    (work / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    shutil.copy(ROOT / "openapi.yaml", folder / "openapi.yaml")
    built = {}
    for path in sorted((ROOT / "functions").glob("*/function.yaml")):
        name = path.parent.name
        (folder / "functions" / name).mkdir(parents=True)
        shutil.copy(path, folder / "functions" / name / path.name)
        built[name] = {"object": f"functions/{name}/{'0' * 64}.zip"}
        zipped = folder / ".local" / "build" / "objects" / str(built[name]["object"])
        zipped.parent.mkdir(parents=True)
        zipped.write_bytes(b"")
    (folder / ".local" / "build" / "functions.json").write_text(json.dumps({"functions": built}))
    return work


def _stand_in(folder: Path) -> Mapping[str, str]:
    """The settings of the stand-in providers; empty when TF_STUB is not set."""
    tool = os.environ.get("TF_STUB")
    if not tool:
        return {}
    bootstrap.ensure_pin("terraform")
    print(f"with the stand-in providers of TF_STUB ({Path(tool).name}): names and types are checked, nothing is asked")
    told = subprocess.run(
        [sys.executable, tool, "install", str(folder / "stub")], capture_output=True, text=True, check=True
    )
    return dict(word.split("=", 1) for word in told.stdout.split() if "=" in word)


def _is_refused_without(variables: Sequence[str], work: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["terraform", "plan", "-input=false", "-no-color"],
        cwd=work, env=dict(environment), capture_output=True, text=True, check=False,
    )  # fmt: skip
    named = set(re.findall(r'The root module input variable "(\w+)" is not set', done.stderr))
    if done.returncode == 0 or named != set(variables):
        raise CheckFailed(f"a plan without variables names {sorted(named)} as missing, not {sorted(variables)}.")


def _plan(work: Path, name: str, environment: Mapping[str, str]) -> Path:
    plan = work / f"{name}.plan"
    _run(
        ["plan", "-input=false", "-no-color", f"-var-file=environments/{name}.tfvars", f"-out={plan}"],
        work,
        environment,
    )
    shown = _run(["show", "-json", str(plan)], work, environment)
    (work / f"{name}.json").write_text(shown)
    return work / f"{name}.json"


def _against_checkov(plan: Path, name: str) -> None:
    """Compare checkov's findings with checkov.yaml: each finding needs a reason, and each reason needs a finding."""
    command = [
        str(_checkov()),
        "-f",
        str(plan),
        "--framework",
        "terraform_plan",
        "--skip-download",
        "--quiet",
        "-o",
        "json",
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report: dict[str, Any] = json.loads(told.stdout)
        failed = [(found["check_id"], found["resource"]) for found in report["results"]["failed_checks"]]
    except (ValueError, KeyError, TypeError):
        raise CheckFailed(f"checkov did not work: {told.stderr[-500:]}") from None
    unreasoned, unneeded = compare(failed, yaml.safe_load((HERE / "checkov.yaml").read_text()))
    for check, resource in unreasoned:
        print(f"  {check} {resource}")
    if unreasoned:
        raise CheckFailed(
            f"checkov says {len(unreasoned)} things against {name} that terraform/checkov.yaml does not know."
        )
    if unneeded and name == "prod":
        raise CheckFailed(f"terraform/checkov.yaml has reasons that nothing needs: {', '.join(unneeded)}")
    print(f"  {report['summary']['passed']} passed, {len(failed)} failed for a reason, {name}")


def compare(
    failed: Sequence[tuple[str, str]], reasons: Sequence[Mapping[str, Any]]
) -> tuple[list[tuple[str, str]], list[str]]:
    """The findings without a reason, and the reasons without a finding."""
    patterns: defaultdict[str, list[str]] = defaultdict(list)
    for reason in reasons:
        patterns[reason["check"]] += reason["resources"]
    unreasoned = [
        (check, resource)
        for check, resource in failed
        if not any(re.fullmatch(pattern, resource) for pattern in patterns[check])
    ]
    found = {check for check, _ in failed}
    return unreasoned, [reason["check"] for reason in reasons if reason["check"] not in found]


def _checkov() -> Path:
    """The checkov program, in an environment of its own because it pins versions that differ from ours."""
    return bootstrap.tool("checkov")


def _run(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["terraform", *arguments], cwd=folder, env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(done.stdout[-10_000:], done.stderr[-10_000:])
        raise CheckFailed(f"terraform {arguments[0]}")
    return done.stdout


def _say(step: str) -> None:
    print(f"-- {step}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
