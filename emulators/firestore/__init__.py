"""Firestore on a laptop: an embedded server for `google-cloud-firestore`, and the launcher of Google's emulator.

Both are reached by FIRESTORE_EMULATOR_HOST. The embedded one serves `google.firestore.v1.Firestore` over gRPC on the
message classes of the official client: documents, commits, transactions, queries, aggregations and listeners.
`tests/contract/test_emulator_firestore.py` asks the same of both.

The embedded one differs from the service:
- Security rules are checked if it is given some. It knows the part of their language that ours use, and refuses to
  start with anything else (`rules.py`). ID tokens are verified with the keys that it is given. Clients only read. An
  open listener is checked against the rules again at every change, as by Google's emulator; whether the service does
  that is not documented, so nothing may rely on it alone.
- gRPC only: no WebChannel, so browsers cannot listen, and no REST or HTTP endpoints.
- Not served: the Write stream, PartitionQuery, pipelines, find_nearest and query explain (all UNIMPLEMENTED).
- Every query runs without an index; the service refuses a query whose composite index does not exist. Only the limit
  of single-field index entries is checked, and equal alternatives of an OR each count towards the 30 that a query may
  have.
- TTL policies have no effect: `expires_at` is a field like any other. No quotas, no billing, no rate limits.
- Documents live in memory until `stop`. Any project and database exists as soon as it is written to.
- Reads in the past reach as far back as the last 10,000 changed documents, not one hour.
- A resumed listener is RESET and sent everything; there are no existence filters. A client that reads slower than
  documents change gets fewer snapshots, each consistent (so may clients of the service).
- A transaction's reads wait up to 0.25 s for older transactions at the same documents, then go on; the service lets
  them read at once and aborts more of them.
Google's emulator shares the absence of index, quota and TTL rules, and needs 2 s to abort a conflicting transaction.
"""

import asyncio
import contextlib
import http.client
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import grpc

from emulators.firestore.access import Access, KeySet
from emulators.firestore.rpc import handlers
from emulators.firestore.service import Service
from emulators.firestore.store import Store
from emulators.process import Child, free_port

NOTICE = (
    "Firestore is the embedded one: browsers cannot listen, only clients that speak gRPC; "
    "with Java and `gcloud components install cloud-firestore-emulator` Google's emulator is used instead."
)

START_SECONDS_MAX = 10.0
STOP_SECONDS_MAX = 2.0
STREAM_GRACE_SECONDS = 0.2
REQUEST_BYTES_MAX = 10 * 1024 * 1024
OFFICIAL_START_SECONDS_MAX = 60.0
OFFICIAL_ANSWER_SECONDS_MAX = 2.0
OFFICIAL_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
OFFICIAL_HEAP = "-Xmx512m"


class Firestore:
    """The embedded server. `host` ("127.0.0.1:port") is what FIRESTORE_EMULATOR_HOST takes."""

    def __init__(self, rules: Path | None = None, keys: KeySet | None = None) -> None:
        """Without `rules` every client may do everything; the functions' client may in any case.

        `keys` (JWKS) verify ID tokens. Raises RulesNotUnderstood.
        """
        self.host = ""
        self._access = Access(rules.read_text(encoding="utf-8") if rules is not None else None, keys)
        self._store = Store()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def listeners(self) -> int:
        """The number of open Listen streams."""
        return self._store.watchers

    def start(self) -> None:
        """Serve an empty database from a thread of its own."""
        assert self._thread is None, "started already"
        self._store = Store()
        started: Future[str] = Future()
        self._thread = threading.Thread(target=self._run, args=[started], name="firestore", daemon=True)
        self._thread.start()
        self.host = started.result(START_SECONDS_MAX)

    def stop(self) -> None:
        """Stop within STOP_SECONDS_MAX, whatever clients hold open; the documents are gone."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(STOP_SECONDS_MAX)
        self._thread = None

    def _run(self, started: "Future[str]") -> None:
        try:
            asyncio.run(self._serve(started))
        except Exception as error:
            if started.done():
                raise
            started.set_exception(error)

    async def _serve(self, started: "Future[str]") -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", REQUEST_BYTES_MAX)]
        server = grpc.aio.server(options=options)
        server.add_generic_rpc_handlers((handlers(Service(self._store, self._access)),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        started.set_result(f"127.0.0.1:{port}")
        await self._stopping.wait()
        await server.stop(STREAM_GRACE_SECONDS)


@dataclass(frozen=True)
class OfficialInstallation:
    """Google's emulator as found on this machine."""

    java: Path
    jar: Path

    @cached_property
    def version(self) -> str:
        """The emulator's version as it reports it, such as "1.19.9"."""
        command = [str(self.java), "-cp", str(self.jar), OFFICIAL_MAIN, "--version"]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=START_SECONDS_MAX)
        return said.stdout.split()[-1]


def find_official() -> OfficialInstallation | None:
    """Google's emulator from the gcloud SDK or the Firebase CLI; None unless Java is there to run it."""
    java = shutil.which("java")
    jar = next(_official_jars(), None) if java else None  # a machine without Java need not have a home folder either
    return OfficialInstallation(Path(java), jar) if java and jar else None


def _official_jars() -> Iterator[Path]:
    gcloud = shutil.which("gcloud")
    roots = [Path(gcloud).resolve().parent.parent] if gcloud else []
    for root in [*roots, Path.home() / "google-cloud-sdk"]:
        yield from root.glob("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
    cache = Path(os.environ.get("FIREBASE_EMULATORS_PATH") or Path.home() / ".cache" / "firebase" / "emulators")
    yield from sorted(cache.glob("cloud-firestore-emulator-v*.jar"), key=_numbers, reverse=True)


def _numbers(jar: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", jar.stem)]


class OfficialFirestore:
    """Google's emulator as a child process, with rules and browsers. `host` serves both."""

    def __init__(self, installation: OfficialInstallation, log: Path, rules: Path | None = None) -> None:
        """Without `rules` every client may do everything; the functions' client may in any case."""
        self.host = ""
        self.version = installation.version
        self._installation = installation
        self._log = log
        self._rules = rules
        self._child: Child | None = None

    def start(self) -> None:
        port = free_port()
        self._child = Child.start("firestore", self._command(port), self._log)
        self._child.wait_until_ready(lambda: _answers(port), OFFICIAL_START_SECONDS_MAX)
        self.host = f"127.0.0.1:{port}"

    def stop(self) -> None:
        if self._child is not None:
            self._child.stop()
            self._child = None

    def _command(self, port: int) -> list[str]:
        rules = [f"--rules={self._rules}"] if self._rules is not None else []
        program = [
            str(self._installation.java),
            OFFICIAL_HEAP,
            "-Duser.language=en",
            "-cp",
            str(self._installation.jar),
        ]
        return [*program, OFFICIAL_MAIN, "--host=127.0.0.1", f"--port={port}", *rules]


def _answers(port: int) -> bool:
    """True once the emulator's own page says Ok."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=OFFICIAL_ANSWER_SECONDS_MAX)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    finally:
        connection.close()
