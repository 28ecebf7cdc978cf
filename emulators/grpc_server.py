"""Shared by the gRPC emulators: a server made of plain functions, and refusals of requests."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import grpc

from emulators.deliveries import Workers

# Protobuf's generated classes carry no types, and proto-plus copies at each access: servers use the bare classes.
Raw: TypeAlias = Any
Context: TypeAlias = Any
Unary: TypeAlias = Callable[[Raw, Context], Raw]
Streaming: TypeAlias = Callable[[Iterator[Raw], Context], Iterable[Raw]]
Resource = TypeVar("Resource")

PAGE_MAX = 1000
CALLS_MAX = 128  # a waiting pull or an open stream takes one of them
GRACE_SECONDS = 0.2  # for clients without a call under way to disconnect cleanly
STOP_SECONDS_MAX = 2.0


class Refusal(Exception):
    """Raised to answer a client with this status instead of a response."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Method:
    """One RPC: the request class that it reads and the function that answers."""

    request: type[Any]
    answer: Unary


@dataclass(frozen=True)
class StreamMethod:
    """One RPC with a stream each way."""

    request: type[Any]
    answer: Streaming


class GrpcServer:
    """Serves the methods of one or more services on a loopback port, without TLS, as Google's emulators do."""

    def __init__(self, name: str, services: Mapping[str, Mapping[str, Method | StreamMethod]]) -> None:
        """`services` maps each service's full name to its methods by RPC name."""
        self._workers = Workers(name, CALLS_MAX)
        self._server = grpc.server(
            self._workers,
            handlers=[
                grpc.method_handlers_generic_handler(service, {rpc: _handler(m) for rpc, m in methods.items()})
                for service, methods in services.items()
            ],
            options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)],
        )

    def start(self, port: int = 0) -> str:
        """Listen on the given port, or on a free one; returns host:port."""
        bound: int = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()
        return f"127.0.0.1:{bound}"

    def stop(self) -> None:
        """Stop the server; calls that do not end in time are cancelled, so that it returns within a bound."""
        self._server.stop(GRACE_SECONDS).wait(STOP_SECONDS_MAX)
        self._workers.shutdown()


def page_of(resources: Mapping[str, Resource], prefix: str, request: Raw) -> tuple[list[Resource], str]:
    """One page of resources in the order of their names, and the token of the next page: the last name of this one."""
    size = min(request.page_size or PAGE_MAX, PAGE_MAX)
    names = sorted(name for name in resources if name.startswith(prefix) and name > request.page_token)
    page = names[:size]
    return [resources[name] for name in page], page[-1] if len(names) > size else ""


def copy_of(message: Raw) -> Raw:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _handler(method: Method | StreamMethod) -> Any:  # grpc has no type for it
    read = _bare(method.request).FromString
    if isinstance(method, Method):
        return grpc.unary_unary_rpc_method_handler(_refusing(method.answer), read, _write)
    return grpc.stream_stream_rpc_method_handler(_refusing_stream(method.answer), read, _write)


def _bare(request: type[Any]) -> Raw:
    return request.pb() if hasattr(request, "pb") else request


def _write(response: Raw) -> bytes:
    encoded: bytes = response.SerializeToString()
    return encoded


def _refusing(answer: Unary) -> Unary:
    def answer_or_abort(request: Raw, context: Context) -> Raw:
        try:
            return answer(request, context)
        except Refusal as refusal:
            context.abort(refusal.code, refusal.message)

    return answer_or_abort


def _refusing_stream(answer: Streaming) -> Streaming:
    def answer_or_abort(requests: Iterator[Raw], context: Context) -> Iterator[Raw]:
        try:
            yield from answer(requests, context)
        except Refusal as refusal:
            context.abort(refusal.code, refusal.message)

    return answer_or_abort
