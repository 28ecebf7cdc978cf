"""Wakes the outbox's relay when something was recorded (shared/events.py)."""

import threading

from shared import log

WAKE_PAUSE_SECONDS = 0.02  # commits within this time share a wake-up


class Waker:
    """One thread per process that sends wake-ups, so that no request waits for Pub/Sub or its import of 240 ms."""

    def __init__(self, topic: str) -> None:
        """`topic` gets the wake-ups."""
        self._topic = topic
        self._recorded = threading.local()
        self._wanted = threading.Event()
        self._resting = threading.Event()
        self._resting.set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def remember(self) -> None:
        """Note that this thread has recorded something."""
        self._recorded.yes = True

    def forget(self) -> None:
        """Note that whatever this thread has recorded was undone."""
        self._recorded.yes = False

    def wake(self) -> None:
        """Have a wake-up sent if this thread has recorded something; returns at once."""
        if not getattr(self._recorded, "yes", False):
            return
        self._recorded.yes = False
        with self._lock:
            self._resting.clear()
            self._wanted.set()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="outbox-waker", daemon=True)
                self._thread.start()

    def rest(self, seconds_max: float) -> bool:
        """Wait until no wake-up is being sent; False when one still is after `seconds_max`."""
        return self._resting.wait(seconds_max)

    def _run(self) -> None:
        from shared.ports import pubsub

        pause = threading.Event()
        while True:
            self._wanted.wait()
            pause.wait(WAKE_PAUSE_SECONDS)
            self._wanted.clear()
            try:
                pubsub.publish(self._topic, [pubsub.Message(b"{}", {"topic": self._topic})])
            except Exception:  # noqa: BLE001 - the relay's schedule is the safety net; a wake-up is only haste
                log.warning("the outbox relay could not be woken")
            with self._lock:
                if not self._wanted.is_set():
                    self._resting.set()
