"""The process that serves the gateway and, unless each has a process of its own, all functions.

`python -m emulators.serve`, started by the stack with everything it needs in the environment. Two addresses: the
gateway for clients, and the router where the task queues, push subscriptions and the scheduler reach functions.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.request import urlopen
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from gunicorn.app.base import BaseApplication

from emulators import contract
from emulators.gateway import Backend, Gateway, KeySet, Remote, Router
from emulators.identity import minted
from shared.config import read, service_name
from shared.web.edge import EdgeConfig

FETCH_SECONDS_MAX = 5.0
TOKEN_SECONDS = 600.0  # much less than the hour that a token lives


class Switch:
    """One server with two listening ports: the port of a connection decides which application it reaches."""

    def __init__(self, gateway_port: int, gateway: Gateway, router: Router) -> None:
        self._gateway_port = str(gateway_port)
        self._gateway = gateway
        self._router = router

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        target = self._gateway if environ["SERVER_PORT"] == self._gateway_port else self._router
        return target(environ, start_response)


class Server(BaseApplication):  # type: ignore[misc] # gunicorn is untyped
    """gunicorn as functions-framework configures it, with the threads of all functions together."""

    def __init__(self, app: WSGIApplication, sockets: list[int], threads: int) -> None:
        """`sockets` are the file descriptors of inherited sockets."""
        self._app = app
        self._options = {
            "bind": [f"fd://{number}" for number in sockets],
            "workers": 1,
            "worker_class": "gthread",
            "threads": threads,
            "timeout": 0,
            "keepalive": 75,
            "limit_request_line": 0,
            "loglevel": "error",
            "graceful_timeout": 2,
            "control_socket_disable": True,  # it would lie in the home folder, one for all stacks
        }
        super().__init__()

    def load_config(self) -> None:
        """Read our own options only, neither a file nor the command line."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> WSGIApplication:
        """The WSGI application to serve."""
        return self._app


def main() -> None:
    """Serve until the process is told to end."""
    sockets = [int(os.environ[name]) for name in ("GATEWAY_SOCKET", "ROUTER_SOCKET")]
    gateway_port = _port(sockets[0])
    remote: dict[str, str] = json.loads(os.environ.get("FUNCTION_ADDRESSES", "{}"))
    backends = _remote(remote) if remote else _local()
    public = {name: backends[name] for name, function in contract.functions().items() if function.gateway}
    keys = KeySet(lambda: _fetch(f"http://127.0.0.1:{gateway_port}/.well-known/jwks.json")["keys"])
    (site,) = (name for name, function in contract.functions().items() if function.site)
    gateway = Gateway(
        contract.operations(),
        contract.token_rules(),
        public,
        keys,
        _gateway_tokens(),
        edge_key=_edge_key(),
        site=backends[site],
        test_clock=Remote(clock) if (clock := os.environ.get("TEST_CLOCK_URL")) else None,
    )
    app = Switch(gateway_port, gateway, Router(backends))
    Server(app, sockets, int(os.environ["THREADS"])).run()


def _port(number: int) -> int:
    """The port on which an inherited socket listens."""
    with socket.socket(fileno=os.dup(number)) as inherited:
        port: int = inherited.getsockname()[1]
        return port


def _local() -> Mapping[str, Backend]:
    """Every function as functions-framework makes it, in this process."""
    return {name: _app(name) for name in contract.functions()}


def _app(name: str) -> Backend:
    from functions_framework import create_app

    made: Backend = create_app(name, str(contract.FUNCTIONS / name / "main.py"))  # type: ignore[no-untyped-call]
    return made


def _remote(addresses: Mapping[str, str]) -> Mapping[str, Backend]:
    return {name: Remote(url) for name, url in addresses.items()}


def _edge_key() -> str:
    """The first of the edge's keys, which is the one that it shows."""
    keys: str = read(EdgeConfig).edge_keys
    return keys.partition(",")[0]


def _gateway_tokens() -> Callable[[str], str]:
    """The gateway's own OIDC tokens, from the identity stand-in as from a metadata server."""
    account, template = os.environ["GATEWAY_SERVICE_ACCOUNT"], os.environ["OIDC_AUDIENCE"]
    known: dict[str, tuple[float, str]] = {}
    lock = threading.Lock()

    def token_for(function: str) -> str:
        audience = template.format(service=service_name(function))
        with lock:
            made_at, token = known.get(audience, (float("-inf"), ""))
            if time.monotonic() - made_at > TOKEN_SECONDS:
                token = minted(os.environ["IDENTITY_URL"], os.environ["IDENTITY_SECRET"], account, audience)
                known[audience] = (time.monotonic(), token)
            return token

    return token_for


def _fetch(url: str) -> Any:
    with urlopen(url, timeout=FETCH_SECONDS_MAX) as answer:  # noqa: S310 - our own gateway
        return json.loads(answer.read())


if __name__ == "__main__":
    main()
