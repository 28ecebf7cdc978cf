"""Rules for every suite: no network but loopback, and tests that share a server share a worker."""

import gc
import socket
import time
import warnings
from collections.abc import Generator, Iterator
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.platform import client, database, platform, sql

__all__ = ["client", "database", "platform", "sql"]  # fixtures for all tests

COLLECTION_SECONDS_MAX = 0.005

# An assertion in what tests share says what it compared, as one in a test does.
pytest.register_assert_rewrite("tests.fakes", "tests.fault", "tests.operations")


def pytest_collection_finish() -> None:
    """Freeze all imported objects, so that the collections below need not visit them."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None, item: pytest.Item) -> Generator[None, None, None]:
    """Collect garbage after each test: a socket left to the collector must not be blamed on the next test.

    After a file's last test, and as soon as a collection takes long, freeze what is left: modules that tests imported,
    what their functions cache, and the servers of the session. Without this each collection visits all of it, and takes
    longer with every test.
    """
    yield
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
        gc.collect()
    took = time.perf_counter() - began
    if nextitem is None or nextitem.path != item.path or took > COLLECTION_SECONDS_MAX:
        gc.freeze()


class NetworkUsed(Exception):
    """Raised when a test tries to leave the machine."""


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not str(address[0]).startswith(("127.", "::1")):
            self.close()  # code that catches this does not expect it, and leaves the socket to the garbage collector
            raise NetworkUsed(str(address))
        connect(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign, assignment]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]


class _SharingServers(LoadScopeScheduling):  # type: ignore[misc] # xdist's base is untyped
    """Gives a worker a whole file; of the end-to-end tests, all that run against one way of starting the stack."""

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        return test[test.index("[") :] if file.startswith("tests/e2e/") and "[" in test else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Schedule by file, because the grouping marks of xdist have no effect with this pytest."""
    return _SharingServers(config, log)
