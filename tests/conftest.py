"""What holds for every suite: no network but loopback, and tests that share a server share a worker."""

import gc
import socket
import warnings
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.platform import client, database, platform, sql

__all__ = ["client", "database", "platform", "sql"]  # fixtures for whoever asks


def pytest_collection_finish() -> None:
    """What was imported stays: the collections below need not look at it."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, None, None]:
    """A socket that a test leaves to the garbage collector is not the fault of whichever test comes next."""
    yield
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
        gc.collect()


class NetworkUsed(Exception):
    """A test tried to leave the machine."""


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(("127.", "::1")):
            self.close()  # whoever catches this does not expect it, and leaves the socket to the garbage collector
            raise NetworkUsed(str(address))
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign, assignment]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]


class _SharingServers(LoadScopeScheduling):  # type: ignore[misc] # xdist's base is untyped
    """A worker takes a whole file; of the end-to-end tests, all that run against one way of starting the stack."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        return test[test.index("[") :] if file.startswith("tests/e2e/") and "[" in test else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """The grouping marks of xdist have no effect with this pytest."""
    return _SharingServers(config, log)
