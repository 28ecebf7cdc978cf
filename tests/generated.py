"""A Python client generated from openapi.yaml alone, as a stranger would do it."""

import importlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from emulators import contract

PACKAGE = "stranger"
BUSY_MAX = 30  # how often a request is sent again because the platform is busy


@dataclass(frozen=True)
class GeneratedClient:
    """The generated package, and the generator's output."""

    folder: Path
    output: str
    clients: list[Any] = field(default_factory=list)

    def model(self, schema: str, /, **values: Any) -> Any:
        """An object of the class for `components/schemas/<schema>`."""
        return getattr(importlib.import_module(f"{PACKAGE}.models"), schema)(**values)

    def file(self, content: Any) -> Any:
        return importlib.import_module(f"{PACKAGE}.types").File(payload=content)

    def client(self, url: str, token: str = "") -> Any:
        kinds = importlib.import_module(f"{PACKAGE}.client")
        made = kinds.AuthenticatedClient(base_url=url, token=token) if token else kinds.Client(base_url=url)
        self.clients.append(made)
        return made

    def call(self, operation_id: str, client: Any, **asked: Any) -> Any:
        """The parsed success of an operation. The request is sent again while the platform says that it is busy."""
        (operation,) = [found for found in contract.operations() if found.operation_id == operation_id]
        (tag,) = contract.document()["paths"][operation.template][operation.method.lower()]["tags"]
        module = importlib.import_module(f"{PACKAGE}.api.{tag}.{operation_id}")
        for _ in range(BUSY_MAX):
            answer = module.sync_detailed(client=client, **asked)
            if answer.status_code != HTTPStatus.SERVICE_UNAVAILABLE:
                break
            time.sleep(float(answer.headers.get("Retry-After", "1")))
        assert answer.status_code < HTTPStatus.MULTIPLE_CHOICES, f"{operation_id}: {answer}"
        return answer.parsed


@contextmanager
def python_client(folder: Path) -> Iterator[GeneratedClient]:
    """A client generated into `folder`, importable inside the block. Raises when the generator leaves anything out."""
    settings = folder / "settings.yaml"
    settings.write_text("post_hooks: []\n")  # its formatting does not matter
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(contract.OPENAPI), "--meta", "none",
         "--output-path", str(folder / PACKAGE), "--config", str(settings), "--fail-on-warning"],
        capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    made = GeneratedClient(folder / PACKAGE, done.stdout + done.stderr)
    try:
        yield made
    finally:
        for client in made.clients:
            client.get_httpx_client().close()
        sys.path.remove(str(folder))
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
