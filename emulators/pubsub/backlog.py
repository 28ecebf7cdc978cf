"""The unacknowledged messages of one Pub/Sub subscription: which may be delivered next, and who holds which."""

import heapq
import itertools
import math
from collections import deque
from dataclasses import dataclass

from emulators.grpc_server import Raw


@dataclass(slots=True, eq=False)
class Entry:
    """A message on its way to one subscription."""

    message: Raw  # google.pubsub.v1.PubsubMessage, shared by all subscriptions
    not_before: float  # monotonic seconds
    attempts: int = 0  # deliveries begun


@dataclass(slots=True, eq=False)
class Allowance:
    """How much more one consumer may hold at a time; a stream's flow control."""

    messages: float = math.inf
    bytes: float = math.inf


@dataclass(slots=True, eq=False)
class Lease:
    """One delivery under way: it ends when it is acknowledged, given back, or at the deadline."""

    ack_id: str
    entry: Entry
    deadline: float  # monotonic seconds
    allowance: Allowance


class Backlog:
    """Messages in order of arrival; of each ordering key only the oldest is ever deliverable.

    It takes the time as an argument and does not lock: its owner does.
    """

    def __init__(self, subscription: str, *, ordered: bool) -> None:
        self._subscription = subscription
        self._ordered = ordered
        self._ready: deque[Entry] = deque()
        self._waiting: list[tuple[float, int, Entry]] = []  # a heap by the time from which they may be delivered
        self._keys: dict[str, deque[Entry]] = {}
        self._leases: dict[str, Lease] = {}
        self._serial = itertools.count(1)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, message: Raw, not_before: float = 0.0) -> None:
        entry = Entry(message, not_before)
        self._size += 1
        if self._ordered and message.ordering_key:
            row = self._keys.setdefault(message.ordering_key, deque())
            row.append(entry)
            if len(row) > 1:
                return
        self._schedule(entry)

    def lease(self, now: float, seconds: float, allowance: Allowance) -> Lease | None:
        """Lease the next deliverable message, which counts as one more attempt; None when there is none."""
        self.ripen(now)
        if not self._ready:
            return None
        entry = self._ready.popleft()
        entry.attempts += 1
        allowance.messages -= 1
        allowance.bytes -= entry.message.ByteSize()
        lease = Lease(f"{self._subscription}:{next(self._serial)}", entry, now + seconds, allowance)
        self._leases[lease.ack_id] = lease
        return lease

    def release(self, ack_id: str) -> Entry | None:
        """End a delivery; its entry must then be finished or retried. None if it had ended before."""
        lease = self._leases.pop(ack_id, None)
        if lease is None:
            return None
        lease.allowance.messages += 1
        lease.allowance.bytes += lease.entry.message.ByteSize()
        return lease.entry

    def extend(self, ack_id: str, deadline: float) -> None:
        if lease := self._leases.get(ack_id):
            lease.deadline = deadline

    def finish(self, entry: Entry) -> None:
        """Forget the entry; the next one of its ordering key becomes deliverable."""
        self._size -= 1
        if self._ordered and entry.message.ordering_key:
            row = self._keys[entry.message.ordering_key]
            row.popleft()
            if row:
                self._schedule(row[0])
            else:
                del self._keys[entry.message.ordering_key]

    def retry(self, entry: Entry, not_before: float) -> None:
        """Deliver it again later; the others of its ordering key keep waiting behind it."""
        entry.not_before = not_before
        self._schedule(entry)

    def ripen(self, now: float) -> None:
        """Make the entries deliverable that have waited long enough."""
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])

    def expired(self, now: float) -> list[str]:
        return [lease.ack_id for lease in self._leases.values() if lease.deadline <= now]

    def next_event(self) -> float:
        """The time, in monotonic seconds, when the next entry becomes deliverable or the next deadline passes."""
        waiting = self._waiting[0][0] if self._waiting else math.inf
        return min(waiting, min((lease.deadline for lease in self._leases.values()), default=math.inf))

    def _schedule(self, entry: Entry) -> None:
        if entry.not_before:
            heapq.heappush(self._waiting, (entry.not_before, next(self._serial), entry))
        else:
            self._ready.append(entry)
