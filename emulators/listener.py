"""Listens to the platform's Firestore documents with the official client, as the apps do, and reports what arrives."""

import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import Client as FirestoreClient

from emulators.cloud import PROJECT
from emulators.people import Person
from emulators.stack import Stack

Watch = Any  # the client's own class is private


class Listener:
    """Listens from `__enter__` to `__exit__`."""

    def __init__(self, stack: Stack, tell: Callable[[str], None]) -> None:
        self._stack = stack
        self._tell = tell
        self._changed = threading.Condition()
        self._seen: dict[str, dict[str, Any]] = {}
        self._watches: list[Watch] = []

    def __enter__(self) -> Self:
        self._client = _client(self._stack.firestore_host)
        self._watch(self._client.document("counters/scans"), "counter")
        self._watch(self._client.collection("feed"), "feed")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for watch in self._watches:
            watch.unsubscribe()
        self._client.close()  # type: ignore[no-untyped-call] # the client leaves it untyped

    def follow(self, person: Person) -> None:
        """Listen to a member's own documents too."""
        self._watch(self._client.document(f"inboxes/{person.id}"), f"inbox of {person.name}")
        self._watch(self._client.collection(f"members/{person.id}/notifications"), f"notification for {person.name}")

    def wait_for(self, winner: Person, total: int, seconds_max: float) -> None:
        """Wait until the counter, the feed, and the winner's notification and unread count have all arrived."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._complete(winner, total), seconds_max):
                raise TimeoutError(f"documents are missing; these have arrived: {sorted(self._seen)}")

    def _complete(self, winner: Person, total: int) -> bool:
        counter = self._seen.get("counters/scans", {})
        inbox = self._seen.get(f"inboxes/{winner.id}", {})
        mine = [data for path, data in self._seen.items() if path.startswith(f"members/{winner.id}/notifications/")]
        won = any(data["title"].startswith("You won $100") for data in mine)
        paid = any("is in your wallet" in data["title"] for data in mine)
        feed = any(path.startswith("feed/") and data["kind"] == "comp_paid" for path, data in self._seen.items())
        return counter.get("total") == total and inbox.get("unread_count") == len(mine) and won and paid and feed

    def _watch(self, target: Any, what: str) -> None:
        def heard(documents: list[Any], _changes: list[Any], _read_time: object) -> None:
            with self._changed:
                for document in documents:
                    path, data = document.reference.path, document.to_dict()
                    if data is not None and self._seen.get(path) != data:
                        self._seen[path] = data
                        self._tell(f"          {what}: {_said(data)}")
                self._changed.notify_all()

        self._watches.append(target.on_snapshot(heard))


def _said(data: dict[str, Any]) -> str:
    """The few words that describe a document."""
    for name in ("title", "text"):
        if name in data:
            return str(data[name])
    return ", ".join(f"{name} {data[name]}" for name in ("total", "unread_count") if name in data)


def _client(host: str) -> FirestoreClient:
    """The official client; where the emulator is, it reads from the environment."""
    os.environ["FIRESTORE_EMULATOR_HOST"] = host
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call] # google-auth leaves it untyped
    return FirestoreClient(project=PROJECT, credentials=nobody)
