"""A function in a process of its own, which dies as a machine does."""

import http.client
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emulators.contract import FUNCTIONS
from emulators.process import Child, accepts_connections, free_port
from tests.client import edge_headers
from tests.factories import Somebody
from tests.platform import Platform

PATIENCE_SECONDS = 60.0


class FunctionServer:
    """functions-framework in production mode. A function that was killed starts again at the same port."""

    def __init__(self, function: str, log: Path, token: str, threads: int) -> None:
        self.port = free_port()
        self._function, self._log, self._token, self._threads = function, log, token, threads
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "functions_framework", "--target", self._function, "--source",
                   str(FUNCTIONS / self._function / "main.py"), "--host", "127.0.0.1",
                   "--port", str(self.port)]  # fmt: skip
        self._child = Child.start(self._function, command, self._log, {**os.environ, "THREADS": str(self._threads)})
        self._child.wait_until_ready(lambda: accepts_connections(self.port))

    def kill(self) -> None:
        self._child.kill()
        self._start()

    def stop(self) -> None:
        self._child.kill()

    def post(self, path: str, member: Somebody, body: object, key: str) -> tuple[int, Any]:
        """Send a POST; returns the status and the body. Raises OSError or HTTPException when the function dies."""
        return self.send("POST", path, member, body, key)

    def send(self, method: str, path: str, member: Somebody, body: object, key: str) -> tuple[int, Any]:
        """Send a request; returns status and body, if any. Raises OSError or HTTPException when the function dies."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {self._token}",
            "X-Forwarded-Authorization": f"Bearer {member.token}",
            "Idempotency-Key": key,
            **edge_headers("203.0.113.7"),
        }
        try:
            connection.request(method, path, json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()


@contextmanager
def opened(function: str, platform: Platform, folder: Path, threads: int) -> Iterator[FunctionServer]:
    """The function, until the block ends."""
    server = FunctionServer(function, folder / f"{function}.log", platform.gateway_token(function), threads)
    try:
        yield server
    finally:
        server.stop()
