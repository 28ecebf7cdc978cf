"""A proxy before a node that misbehaves: it passes JSON-RPC on to a real node, with faults by method.

Its faults are those of public gateways: they hang up before or after passing a request on, answer with an HTML page,
with nothing, with half an answer, with another error code, with null, or from the state of some time ago.
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
    """The faults of a call."""

    LOST_BEFORE = auto()  # the connection ends, and the node has not seen the call
    LOST_AFTER = auto()  # the node has done it, and the connection ends
    PAGE_502 = auto()
    EMPTY = auto()
    CUT_OFF = auto()
    NO_OBJECT = auto()  # JSON, but no answer
    WRAPPED = auto()  # the node has done it, but the proxy reports an internal error
    NULL = auto()  # as for something that does not exist


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
    """The proxy. `faults[method]` are for the next calls of a method; `always[method]` stays until it is removed.

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
        asked = json.loads(body)
        methods = [str(call["method"]) for call in (asked if isinstance(asked, list) else [asked])]
        faults = [fault for method in methods if (fault := self.proxy.fault_of(method))]
        fault = faults[0] if faults else None
        answer = b"" if fault in BEFORE_THE_NODE else self._altered(methods, self.proxy.ask(body))
        if fault in (Fault.LOST_BEFORE, Fault.LOST_AFTER):
            self.close_connection = True
            return
        status = HTTPStatus.BAD_GATEWAY if fault is Fault.PAGE_502 else HTTPStatus.OK
        self.answer(status, self._broken(fault, asked, answer) if fault else answer, "application/json")

    def _broken(self, fault: Fault, asked: object, answer: bytes) -> bytes:
        """The answer with the fault; one that is itself JSON-RPC is repeated for each call of a batch."""
        made = BODIES[fault](answer)
        if fault in (Fault.WRAPPED, Fault.NULL) and isinstance(asked, list):
            return json.dumps([json.loads(made) | {"id": call["id"]} for call in asked]).encode()
        return made

    def _altered(self, methods: list[str], answer: bytes) -> bytes:
        if not self.proxy.altered.keys() & methods:
            return answer
        told = json.loads(answer)
        answers = told if isinstance(told, list) else [told]
        for method, it in zip(methods, sorted(answers, key=lambda it: int(it["id"])), strict=True):
            if alter := self.proxy.altered.get(method):
                it["result"] = alter(it.get("result"))
        return json.dumps(told).encode()
