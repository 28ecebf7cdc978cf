"""One streaming pull of the embedded Pub/Sub: messages are sent as they come, acknowledgements are read meanwhile."""

import threading
from collections.abc import Iterable, Iterator
from math import inf

import grpc
from google.pubsub_v1 import types

from emulators.grpc_server import Context, Raw, Refusal
from emulators.pubsub import limits
from emulators.pubsub.backlog import Allowance, Lease
from emulators.pubsub.broker import Broker, Demand, Subscription

STREAM_BATCH_MAX = 100


class Stream:
    """A stream; it ends when the client ends it, or the subscription is deleted."""

    def __init__(self, broker: Broker, subscription: Subscription, first: Raw) -> None:
        seconds = first.stream_ack_deadline_seconds
        limits.check_range("stream_ack_deadline_seconds", seconds, limits.ACK_DEADLINE_SECONDS)
        allowance = Allowance(_limit(first.max_outstanding_messages), _limit(first.max_outstanding_bytes))
        self._demand = Demand(STREAM_BATCH_MAX, seconds, allowance)
        self._broker = broker
        self._subscription = subscription
        self._open = True
        self._refusal: Refusal | None = None
        self._heed(first)

    def responses(self, requests: Iterator[Raw], context: Context) -> Iterator[Raw]:
        """Send messages, while a thread of its own reads the requests that follow the first."""
        context.add_callback(self._close)
        threading.Thread(target=self._read, args=(requests,), name="pubsub-stream", daemon=True).start()
        config = self._subscription.config
        while leases := self._broker.wait_and_take(
            self._subscription, self._demand, inf, lambda: self._open and context.is_active()
        ):
            yield types.StreamingPullResponse.pb()(
                received_messages=received(self._subscription, leases),
                subscription_properties={"message_ordering_enabled": config.enable_message_ordering},
            )
        if self._refusal is not None:
            raise self._refusal
        self._broker.subscription(config.name)  # refuses when it has been deleted

    def _read(self, requests: Iterator[Raw]) -> None:
        try:
            for request in requests:
                self._heed(request)
        except Refusal as refusal:
            self._refusal = refusal
        except grpc.RpcError:
            pass  # the client has gone
        self._close()

    def _heed(self, request: Raw) -> None:
        """Handle one request of the client's stream; an empty one is a heartbeat."""
        self._broker.settle(self._subscription, request.ack_ids, acknowledged=True)
        if len(request.modify_deadline_ack_ids) != len(request.modify_deadline_seconds):
            raise limits.invalid("modify_deadline_ack_ids and modify_deadline_seconds differ in length")
        changes = zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True)
        change_deadlines(self._broker, self._subscription, changes)
        self._demand.lease_seconds = request.stream_ack_deadline_seconds or self._demand.lease_seconds

    def _close(self) -> None:
        self._open = False
        self._broker.notify(self._subscription)


def change_deadlines(broker: Broker, subscription: Subscription, changes: Iterable[tuple[str, int]]) -> None:
    """Set the seconds that each delivery may still take, by ack id; 0 gives the message back."""
    for ack_id, seconds in changes:
        limits.check_range("ack_deadline_seconds", seconds, limits.EXTENSION_SECONDS)
        if seconds:
            broker.extend(subscription, ack_id, seconds)
        else:
            broker.settle(subscription, [ack_id], acknowledged=False)


def received(subscription: Subscription, leases: list[Lease]) -> list[Raw]:
    """Deliveries as the caller sees them; attempts are counted only for a dead letter policy."""
    counted = subscription.config.HasField("dead_letter_policy")
    message = types.ReceivedMessage.pb()
    return [
        message(
            ack_id=lease.ack_id,
            message=lease.entry.message,
            delivery_attempt=lease.entry.attempts if counted else 0,
        )
        for lease in leases
    ]


def _limit(value: int) -> float:
    return value if value > 0 else inf
