"""The embedded Cloud Tasks, which the official client reaches at CLOUD_TASKS_EMULATOR_HOST.

Differs from the real service:
- State is in memory and starts empty. The name of a finished task stays taken for 24 hours of the clock, for the last
  100,000 of a queue. A deleted queue's name is free at once.
- Missing, and refused where asked for: App Engine tasks, OAuth tokens, queue-level targets, filters of lists; batches,
  buffered tasks, locations and IAM are not served.
- A queue dispatches as fast as its limits allow: it neither ramps up slowly nor slows down after errors, and the
  Retry-After of an answer is ignored. At most 64 requests of a queue are under way whatever it allows.
- The burst size is 10 to 100 by the rate, as queues made with gcloud show it. Redirects count as failures.
- An endpoint that refused the connection is reported as 503 on the next attempt; the real value is not on record.
- Due times and retries follow the clock given, deadlines real time, and rates whichever of them went further.
- In a queue's settings a 0 means "not set", so zero doublings cannot be chosen.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from emulators.grpc_server import GrpcServer
from emulators.tasks.dispatch import Dispatcher, Faults, Mint
from emulators.tasks.service import TasksService

__all__ = ["CloudTasks", "Faults"]


class CloudTasks:
    """One service, from `start` to `stop`."""

    def __init__(self, mint: Mint, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`mint(service_account, audience)` makes the OIDC token of a task; `now` returns the time, aware."""
        self._dispatcher = Dispatcher(mint, now)
        self._server = GrpcServer("tasks", TasksService(self._dispatcher).services())
        self._host = ""

    @property
    def host(self) -> str:
        """The value for CLOUD_TASKS_EMULATOR_HOST."""
        return self._host

    @property
    def faults(self) -> Faults:
        """The faults from now on; assign `Faults(…)` or change its fields."""
        return self._dispatcher.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self._dispatcher.lock:
            self._dispatcher.faults = faults

    def start(self, port: int = 0) -> None:
        self._dispatcher.start()
        self._host = self._server.start(port)

    def stop(self) -> None:
        """Break off what is under way; returns within a bound, whatever clients and endpoints do."""
        self._dispatcher.stop()
        self._server.stop()

    def wake(self) -> None:
        """Look for due tasks now, because the clock has been moved."""
        self._dispatcher.wake()

    def drain(self, seconds_max: float) -> None:
        """Wait until no task is under way, due, or waiting to be tried again; raises TimeoutError otherwise.

        Tasks scheduled for later and paused queues are not waited for.
        """
        self._dispatcher.drain(seconds_max)

    def settle(self, seconds_max: float) -> None:
        """Wait until no task is under way or due; raises TimeoutError otherwise.

        Tasks that wait to be tried again are not waited for, nor are those scheduled for later and paused queues.
        """
        self._dispatcher.settle(seconds_max)

    def next_due(self) -> datetime | None:
        """The earliest time for which a task is scheduled that has not been tried and is not due; None without one."""
        return self._dispatcher.next_due()
