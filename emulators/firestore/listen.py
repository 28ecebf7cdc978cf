"""One Listen stream: its targets, and consistent snapshots of them as fast as the client reads them.

The names of changed documents are noted at each commit, and the documents are read when the client can take them. A
slow client skips versions, delays nobody, and costs at most CHANGED_NAMES_MAX names. A snapshot ends with a NO_CHANGE
without targets and with a time. Protocol:
https://cloud.google.com/firestore/docs/reference/rpc/google.firestore.v1#listenresponse
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import count

from emulators.firestore.access import Access, Caller
from emulators.firestore.messages import Code, Message, Refused, TargetChangeType, invalid
from emulators.firestore.store import Store
from emulators.firestore.targets import Target, target_changed, target_of

CHANGED_NAMES_MAX = 10_000  # above this, all results are compared instead
TARGETS_MAX = 1_000
UNREAD_REQUESTS_MAX = 1_000


class ListenStream:
    def __init__(self, store: Store, access: Access, caller: Caller) -> None:
        self._store = store
        self._access = access
        self._caller = caller
        self._targets: dict[int, Target] = {}
        self._asked: dict[int, Message] = {}  # the request of each target, to check the rules again
        self._requests: list[Message] = []
        self._names: dict[str, None] = {}  # changed since the last snapshot, in order
        self._lost_count = False
        self._once: list[int] = []  # targets to end with the next snapshot
        self._ended = False
        self._refusal: Refused | None = None
        self._work = asyncio.Event()

    async def responses(self, requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
        """Serve until the client ends its side, goes away, or sends something that must be refused."""
        reading = asyncio.create_task(self._read(requests))
        self._store.watch(self)
        try:
            while not self._ended:
                await self._work.wait()
                self._work.clear()
                for response in self._snapshot():
                    yield response
                if self._refusal is not None:
                    raise self._refusal
        finally:
            self._store.unwatch(self)
            reading.cancel()

    def changed(self, names: Iterable[str]) -> None:
        """Note the names of changed documents; called with every commit."""
        self._names.update(dict.fromkeys(names))
        if len(self._names) > CHANGED_NAMES_MAX:
            self._names.clear()
            self._lost_count = True
        self._work.set()

    async def _read(self, requests: AsyncIterator[Message]) -> None:
        async for request in requests:
            if len(self._requests) >= UNREAD_REQUESTS_MAX:
                self._refusal = Refused(Code.RESOURCE_EXHAUSTED, "The stream asks faster than it reads.")
                break
            self._requests.append(request)
            self._work.set()
        self._ended = self._refusal is None
        self._work.set()

    def _snapshot(self) -> list[Message]:
        """All changes since the last snapshot, as one consistent step; made at once, sent as the client takes it."""
        read_time = self._store.now()
        requests, self._requests = self._requests, []
        responses = [*self._updates(read_time)]
        try:
            for request in requests:
                responses.extend(self._answer(request, read_time))
        except Refused as refusal:
            self._refusal = refusal
        if any(_moves(response) for response in responses):
            responses.append(target_changed(TargetChangeType.NO_CHANGE, [], read_time))
        responses.extend(self._end_once())
        return responses

    def _updates(self, read_time: int) -> Iterator[Message]:
        names, self._names = self._names, {}
        lost_count, self._lost_count = self._lost_count, False
        if lost_count or names:
            yield from self._end_forbidden()
        for target in self._targets.values():
            if lost_count:
                yield from target.begin(self._store.tree, read_time)
            elif names:
                yield from target.update(names, self._store.tree, read_time)

    def _answer(self, request: Message, read_time: int) -> Iterator[Message]:
        match request.WhichOneof("target_change"):
            case "add_target":
                yield from self._add(request.add_target, request.database, read_time)
            case "remove_target":
                if self._forget(request.remove_target):
                    yield target_changed(TargetChangeType.REMOVE, [request.remove_target])
            case _:
                raise invalid("A ListenRequest adds or removes a target.")

    def _add(self, wanted: Message, database: str, read_time: int) -> Iterator[Message]:
        target_id = self._checked_id(wanted.target_id)
        yield target_changed(TargetChangeType.ADD, [target_id])
        try:
            target = target_of(wanted, target_id, database)
            self._access.check_target(self._caller, wanted, self._store.tree)
        except Refused as refusal:
            yield target_changed(TargetChangeType.REMOVE, [target_id], cause=refusal)
            return
        if wanted.WhichOneof("resume_type") is not None:
            yield target_changed(TargetChangeType.RESET, [target_id], read_time)
        yield from target.begin(self._store.tree, read_time)
        yield target_changed(TargetChangeType.CURRENT, [target_id], read_time)
        self._targets[target_id] = target
        self._asked[target_id] = wanted
        if wanted.once:
            self._once.append(target_id)

    def _checked_id(self, wanted: int) -> int:
        if wanted < 0:
            raise invalid("A target id must not be negative.")
        if wanted in self._targets:
            raise invalid(f"Target id {wanted} is already active on this stream.")
        if len(self._targets) >= TARGETS_MAX:
            raise Refused(Code.RESOURCE_EXHAUSTED, f"A stream has {TARGETS_MAX} targets at most.")
        return wanted or next(number for number in count(1) if number not in self._targets)

    def _end_once(self) -> Iterator[Message]:
        ended, self._once = self._once, []
        for target_id in ended:
            if self._forget(target_id):
                yield target_changed(TargetChangeType.REMOVE, [target_id])

    def _end_forbidden(self) -> Iterator[Message]:
        """End targets that the rules no longer allow, judged at the time of the stream's opening;
        done at every change.
        """
        for target_id, wanted in list(self._asked.items()):
            try:
                self._access.check_target(self._caller, wanted, self._store.tree)
            except Refused as refusal:
                self._forget(target_id)
                yield target_changed(TargetChangeType.REMOVE, [target_id], cause=refusal)

    def _forget(self, target_id: int) -> bool:
        self._asked.pop(target_id, None)
        return self._targets.pop(target_id, None) is not None


def _moves(response: Message) -> bool:
    """True when the response changes what the client knows of documents; adding or removing a target does not."""
    is_about_target = response.WhichOneof("response_type") == "target_change"
    return not is_about_target or bool(response.target_change.target_change_type == TargetChangeType.CURRENT)
