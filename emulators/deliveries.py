"""HTTP deliveries as queueing services make them, and the daemon threads that make them."""

import contextlib
import http.client
import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from dataclasses import dataclass
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

REPLY_BYTES_MAX = 64 * 1024  # a reply counts by its status; no more of its body is read
IDLE_SECONDS_MAX = 1.0  # gunicorn closes a kept connection after 2 s, so stay clear of that moment
IDLE_CONNECTIONS_MAX = 16  # for each place
STOP_SECONDS_MAX = 5.0
TIMED_OUT = 504  # the status that Google's services report when the endpoint did not answer in time
UNREACHABLE = 503

logger = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Job = Callable[[], None]
Place = tuple[str, str]  # scheme and host:port


class Workers(futures.Executor):
    """Up to `threads_max` daemon threads, made when needed; unlike the library's pool, they end with the process."""

    def __init__(self, name: str, threads_max: int) -> None:
        self._name = name
        self._threads_max = threads_max
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._stopped = False

    def submit(
        self, fn: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> futures.Future[Result]:
        """Run it on an idle thread, else on a new one, else when the next thread is free."""
        future: futures.Future[Result] = futures.Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - the future carries it, as every executor's does
                future.set_exception(error)

        with self._lock:
            if self._stopped:
                raise RuntimeError(f"{self._name} has been stopped")
            self._jobs.put(job)
            if not self._idle.acquire(blocking=False) and len(self._threads) < self._threads_max:
                self._add_thread()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads after their present jobs; waits a bounded time, since a hanging job ends with the process."""
        del cancel_futures
        with self._lock:
            self._stopped = True
            for _ in self._threads:
                self._jobs.put(None)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for thread in self._threads if wait else ():
            thread.join(max(0.0, deadline - time.monotonic()))

    def _add_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
            self._idle.release()


class Pump:
    """A thread that takes a step when woken, and again at the time that the step asked for."""

    def __init__(self, name: str, step: Callable[[], float | None]) -> None:
        """`step` returns in how many seconds it wants to run again; None means only when woken."""
        self._step = step
        self._condition = threading.Condition()
        self._woken = False
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        with self._condition:
            self._woken = True
            self._condition.notify()

    def stop(self) -> None:
        with self._condition:
            self._stopped = True
            self._condition.notify()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS_MAX)

    def _run(self) -> None:
        pause: float | None = None
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._woken or self._stopped, pause)
                if self._stopped:
                    return
                self._woken = False
            pause = self._step()


@dataclass(frozen=True)
class Request:
    """One HTTP request to be delivered; `url` is absolute."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Deliveries:
    """Sends requests and keeps the connections for the next ones; `stop` breaks off those under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[Place, list[tuple[float, http.client.HTTPConnection]]] = {}
        self._busy: set[http.client.HTTPConnection] = set()
        self._stopped = False

    def send(self, request: Request, seconds_max: float) -> int:
        """Send a request; returns the reply's status, or `TIMED_OUT` or `UNREACHABLE` if there was none.

        Redirects are not followed. `seconds_max` bounds connecting, and then the wait for the reply.
        """
        parts = urlsplit(request.url)
        place = (parts.scheme, parts.netloc)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection: http.client.HTTPConnection | None = None
        try:
            connection = self._connection(place, seconds_max)
            connection.request(request.method, path, request.body, dict(request.headers))
            reply = connection.getresponse()
            reply.read(REPLY_BYTES_MAX)
        except (OSError, http.client.HTTPException) as error:
            logger.info("%s %s: %r", request.method, request.url, error)
            self._release(place, connection, keep=False)
            return TIMED_OUT if isinstance(error, TimeoutError) else UNREACHABLE
        self._release(place, connection, keep=reply.isclosed() and not reply.will_close)
        return reply.status

    def stop(self) -> None:
        """Break off all requests: callers that wait get UNREACHABLE at once, and so do later ones."""
        with self._lock:
            self._stopped = True
            for connection in self._busy:
                with contextlib.suppress(OSError):  # the other side may have been faster
                    connection.sock.shutdown(socket.SHUT_RDWR)
            idle = [connection for row in self._kept.values() for _, connection in row]
            self._kept.clear()
        for connection in idle:
            connection.close()

    def _connection(self, place: Place, seconds_max: float) -> http.client.HTTPConnection:
        connection = self._kept_connection(place)
        if connection is None or not _still_open(connection):
            scheme, address = place
            kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
            connection = kind(address, timeout=seconds_max)
            connection.connect()
        connection.sock.settimeout(seconds_max)
        with self._lock:
            if not self._stopped:
                self._busy.add(connection)
                return connection
        connection.close()
        raise ConnectionAbortedError("deliveries have been stopped")

    def _kept_connection(self, place: Place) -> http.client.HTTPConnection | None:
        """The connection used last, because the longer one is idle, the likelier the server is about to close it."""
        with self._lock:
            row = self._kept.get(place)
            if not row:
                return None
            since, connection = row.pop()
            if time.monotonic() - since < IDLE_SECONDS_MAX:
                return connection
            old = [connection, *(kept for _, kept in row)]
            row.clear()
        for connection in old:
            connection.close()
        return None

    def _release(self, place: Place, connection: http.client.HTTPConnection | None, *, keep: bool) -> None:
        if connection is None:
            return
        with self._lock:
            self._busy.discard(connection)
            row = self._kept.setdefault(place, [])
            if keep and not self._stopped and len(row) < IDLE_CONNECTIONS_MAX:
                row.append((time.monotonic(), connection))
                return
        connection.close()


def _still_open(connection: http.client.HTTPConnection) -> bool:
    """True if nothing can be read from an idle connection: neither bytes nor the end of the stream."""
    connection.sock.setblocking(False)
    try:
        connection.sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    connection.close()
    return False
