"""Cloud Tasks, Pub/Sub and the scheduler: deliveries at least once, in any order, sometimes much later."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from tests.fault.simulation.world import START, World

BACKOFF_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
TWICE_WITHIN_SECONDS = 300.0
POISON_WITHIN_SECONDS = 60.0
LATE_SECONDS = 90.0


@dataclass(frozen=True)
class Message:
    """A delivery to come. `kind` is a queue or a schedule's name; `asked` is the source of a payout to be requested."""

    name: str
    function: str
    kind: str
    body: bytes
    due: float
    attempt: int = 1


@dataclass
class Queues:
    """The waiting deliveries; `everything` has all that ever came."""

    world: World
    waiting: list[Message] = field(default_factory=list)
    everything: list[Message] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def enqueue(
        self,
        queue: str,
        url: str,
        body: bytes,
        *,
        name: str | None = None,
        schedule_time: datetime | None = None,
        audience: str | None = None,
    ) -> bool:
        """Enqueue a task, with the signature of the port."""
        from shared.ports.tasks import EnqueueFailed

        del audience
        world, plan = self.world, self.world.plan
        world.yield_point("tasks.enqueue", 0.01)
        if world.draw(plan.enqueue_fails, "the queue takes nothing"):
            raise EnqueueFailed("unavailable")
        if name in self.names:
            return False
        self.names.add(str(name))
        is_first = str(name).startswith("outbox-") and queue.startswith("payout-send")
        if is_first and world.draw(plan.lost, f"{name} is lost"):
            return True
        due = max(world.seconds, (schedule_time - START).total_seconds() if schedule_time else 0.0)
        message = Message(str(name), url, queue, body, due)
        if world.draw(plan.late, f"{name} comes late"):
            message = replace(message, due=due + world.chance.random() * LATE_SECONDS)
        self.put(message)
        if world.draw(plan.twice, f"{name} comes twice"):
            self.put(replace(message, due=message.due + world.chance.random() * TWICE_WITHIN_SECONDS))
        world.yield_point("tasks.enqueued", 0.0)
        return True

    def put(self, message: Message) -> None:
        self.waiting.append(message)
        self.everything.append(message)

    def again(self, message: Message) -> None:
        """Deliver a message again later, because it was not acknowledged."""
        wait = BACKOFF_SECONDS[min(message.attempt, len(BACKOFF_SECONDS)) - 1]
        due = self.world.seconds + wait * (0.5 + self.world.chance.random())
        self.waiting.append(replace(message, due=due, attempt=message.attempt + 1))

    def publish(self, topic: str, messages: list[object]) -> list[str]:
        """Accept messages for Pub/Sub's port: the payout machine has no receivers."""
        self.world.yield_point("pubsub.publish", 0.01)
        return [f"{topic}-{place}" for place in range(len(messages))]


def poisoned(world: World) -> Message:
    """A delivery that its job cannot use."""
    chance = world.chance
    strange, treasury = UUID(int=chance.getrandbits(128), version=4), chance.choice(("member", "wholesale", "nobody"))
    bodies = (
        b"", b"{}", b"\xff", b"[]", b"null", b'{"payout_id": 1, "treasury": null}', b"{" * 500,
        f'{{"payout_id": "{strange}", "treasury": "{treasury}"}}'.encode(),
        f'{{"signer": "0x{strange.hex}00000000"}}'.encode(),
        f'{{"signer": "{treasury}", "unknown": 1}}'.encode(),
    )  # fmt: skip
    function, kind = chance.choice(
        (("payout_send", "payout-send-member"), ("payout_confirm", "payout-confirm"), ("payout_recover", "nobody's"))
    )
    due = world.seconds + chance.random() * POISON_WITHIN_SECONDS
    return Message(f"poison-{strange}", function, kind, chance.choice(bodies), due)
