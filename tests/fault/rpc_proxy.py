"""A node's front door that misbehaves: JSON-RPC passed on to a real node, with faults by method.

What it can do wrong is what public gateways have done: hang up before or after passing a request on, answer with a
page, with nothing, with half an answer, with another error's number, with null, or from the state of some time ago.
"""

import http.client
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from emulators.http_server import Handler, HttpServer

NODE_SECONDS_MAX = 10.0


class Fault(Enum):
    """What happens to a call."""

    LOST_BEFORE = auto()  # the connection ends, the node has not heard of it
    LOST_AFTER = auto()  # the node has done it, the connection ends
    PAGE_502 = auto()
    EMPTY = auto()
    CUT_OFF = auto()
    NO_OBJECT = auto()  # JSON, but no answer
    WRAPPED = auto()  # the node has done it; the proxy tells of an internal error
    NULL = auto()  # no such thing


BEFORE_THE_NODE = frozenset({Fault.LOST_BEFORE, Fault.PAGE_502, Fault.EMPTY, Fault.NULL})
BODIES: dict[Fault, Callable[[bytes], bytes]] = {
    Fault.PAGE_502: lambda _: b"<html><h1>502 Bad Gateway</h1></html>",
    Fault.EMPTY: lambda _: b"",
    Fault.CUT_OFF: lambda answer: answer[: len(answer) // 2],
    Fault.NO_OBJECT: lambda _: b"null",
    Fault.WRAPPED: lambda _: b'{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"Internal error"}}',
    Fault.NULL: lambda _: b'{"jsonrpc":"2.0","id":1,"result":null}',
}


@dataclass
class RpcProxy:
    """`faults[method]` are those of the next calls of a method; `always[method]` holds until it is taken away.

    `altered[method]` changes the node's result before it is passed on.
    """

    node_url: str
    faults: defaultdict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    always: dict[str, Fault] = field(default_factory=dict)
    altered: dict[str, Callable[[Any], Any]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    _server: HttpServer | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        assert self._server
        return self._server.url

    def start(self) -> None:
        self._server = HttpServer(type("BoundProxyHandler", (_ProxyHandler,), {"proxy": self}))
        self._server.start()

    def stop(self) -> None:
        assert self._server
        self._server.stop()

    def fault_of(self, method: str) -> Fault | None:
        self.calls.append(method)
        if self.faults[method]:
            return self.faults[method].pop(0)
        return self.always.get(method)

    def ask(self, body: bytes) -> bytes:
        """The node's own answer."""
        connection = http.client.HTTPConnection(urlsplit(self.node_url).netloc, timeout=NODE_SECONDS_MAX)
        try:
            connection.request("POST", "/", body, {"content-type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()


class _ProxyHandler(Handler):
    proxy: RpcProxy

    def do_POST(self) -> None:  # noqa: N802 - the name is the base class's
        body = self.body()
        method = str(json.loads(body)["method"])
        fault = self.proxy.fault_of(method)
        answer = b"" if fault in BEFORE_THE_NODE else self._altered(method, self.proxy.ask(body))
        if fault in (Fault.LOST_BEFORE, Fault.LOST_AFTER):
            self.close_connection = True
            return
        status = HTTPStatus.BAD_GATEWAY if fault is Fault.PAGE_502 else HTTPStatus.OK
        self.answer(status, BODIES[fault](answer) if fault else answer, "application/json")

    def _altered(self, method: str, answer: bytes) -> bytes:
        alter = self.proxy.altered.get(method)
        if alter is None:
            return answer
        told = json.loads(answer)
        return json.dumps(told | {"result": alter(told.get("result"))}).encode()
