"""Checks before anything is asked of the cloud: the environment is complete, the tools exist, somebody is logged in."""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from terraform.functions import NotDeployable

_VARIABLE = re.compile(r'^variable "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_DEFAULT = re.compile(r"^  default\s*=", re.MULTILINE)
_GIVEN = re.compile(r'^(\w+)\s*=\s*(?:"([^"]*)")?', re.MULTILINE)


class CommandFailed(Exception):
    """Raised when a command ended with another code than 0; the message is its last line."""


@dataclass(frozen=True)
class Environment:
    """One tfvars file, and the commands that run for it."""

    name: str
    root: Path
    project: str
    variables: Mapping[str, str]

    @property
    def var_file(self) -> str:
        """The argument that names the file for terraform, which runs in its own folder."""
        return f"-var-file=environments/{self.name}.tfvars"

    def terraform(self, *arguments: str, said: str | None = None) -> str:
        """Run terraform. Returns what `output` and `console` print; the rest is shown. Raises CommandFailed."""
        command = ["terraform", f"-chdir={self.root / 'terraform'}", *arguments]
        # A fresh token each time, because a token lives for an hour.
        login = {"GOOGLE_OAUTH_ACCESS_TOKEN": access_token(self.variables)}
        return run(command, {**self.variables, **login}, shown=arguments[0] not in ("output", "console"), said=said)

    def gcloud(self, *arguments: str) -> str:
        """Run gcloud and return its output. Raises CommandFailed."""
        return run(["gcloud", *arguments, f"--project={self.project}"], self.variables)


def environment(name: str | None, root: Path, variables: Mapping[str, str]) -> Environment:
    """The environment with that name. Raises NotDeployable when there is none, or it is not complete."""
    known = sorted(path.stem for path in (root / "terraform" / "environments").glob("*.tfvars"))
    if not name:
        raise NotDeployable(f"ENV is missing (there are: {', '.join(known)}): make plan ENV=dev.")
    where = f"terraform/environments/{name}.tfvars"
    if name not in known:
        raise NotDeployable(f"{where} is missing (there are: {', '.join(known)}).")
    given = dict(_GIVEN.findall((root / where).read_text(encoding="utf-8")))
    missing = [variable for variable in required(root) if variable not in given]
    if missing:
        raise NotDeployable(f"{where} does not set {', '.join(missing)}.")
    return Environment(name, root, given["project"], variables)


def required(root: Path) -> list[str]:
    """The names of Terraform's variables without a default."""
    text = (root / "terraform" / "variables.tf").read_text(encoding="utf-8")
    return [name for name, body in _VARIABLE.findall(text) if not _DEFAULT.search(body)]


def require_login(variables: Mapping[str, str]) -> None:
    """Check that both tools are installed and somebody is logged in to gcloud. Raises NotDeployable."""
    for tool in ("terraform", "gcloud"):
        if shutil.which(tool, path=variables.get("PATH")) is None:
            raise NotDeployable(f"{tool} is not installed, or not on the PATH.")
    if not run(["gcloud", "auth", "list", "--filter=status:ACTIVE", "--format=value(account)"], variables).strip():
        raise NotDeployable("gcloud is not logged in: gcloud auth login.")


def access_token(variables: Mapping[str, str]) -> str:
    """Gcloud's access token, used for terraform too, so that one login is enough. Raises NotDeployable."""
    try:
        return run(["gcloud", "auth", "print-access-token"], variables).strip()
    except CommandFailed as fault:
        raise NotDeployable(f"gcloud's login is no longer good ({fault}): gcloud auth login.") from None


def run(command: Sequence[str], variables: Mapping[str, str], *, shown: bool = False, said: str | None = None) -> str:
    """Run a command. Its output is shown to a person if `shown`, else returned. Raises CommandFailed."""
    done = subprocess.run(
        command,
        env=dict(variables),
        input=said,
        stdout=None if shown else subprocess.PIPE,
        stderr=None if shown else subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        told = (done.stderr or "").strip().splitlines()
        raise CommandFailed(told[-1] if told else f"{command[0]} ended with {done.returncode}")
    return done.stdout or ""
