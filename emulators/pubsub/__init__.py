"""The embedded Pub/Sub broker, which the official clients reach through PUBSUB_EMULATOR_HOST.

Differs from the real service:
- State is in memory and starts empty; messages are not expired, a backlog holds at most 200,000 of them.
- Missing, and refused where asked for: schemas, snapshots and seek, detaching, exactly-once delivery, unwrapped pushes,
  message transforms, ingestion, customer keys, export to BigQuery, Bigtable or Cloud Storage. IAM is not checked.
- What is best effort there is exact here: a backoff, the fifth attempt and the acknowledgement deadline.
- Pushes: at most 10 at a time for a subscription, plain http allowed, redirects not followed; without a retry policy a
  failed push is repeated after 0.1 s doubling to 60 s, counted per message and not per subscription.
- Ordering: one message of a key is delivered at a time, for pull subscriptions too, instead of several.
"""

from emulators.grpc_server import GrpcServer
from emulators.pubsub.broker import Faults
from emulators.pubsub.push import Mint, Pusher
from emulators.pubsub.service import PubSubService

__all__ = ["Faults", "PubSub"]


class PubSub:
    """One broker, from `start` to `stop`."""

    def __init__(self, mint: Mint) -> None:
        """`mint(service_account, audience)` makes the OIDC token of a push, as `Identity.mint` does."""
        self._pusher = Pusher(mint)
        self._broker = self._pusher.broker
        self._server = GrpcServer("pubsub", PubSubService(self._broker).services())
        self._host = ""

    @property
    def host(self) -> str:
        """The value for PUBSUB_EMULATOR_HOST."""
        return self._host

    @property
    def faults(self) -> Faults:
        """The faults from now on; assign `Faults(…)` or change its fields."""
        return self._broker.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        with self._broker.lock:
            self._broker.faults = faults

    def start(self, port: int = 0) -> None:
        self._broker.start()
        self._host = self._server.start(port)

    def stop(self) -> None:
        """Break off what is under way; returns within a bound, whatever clients and endpoints do."""
        self._pusher.stop()
        self._server.stop()
        self._broker.stop()

    def drain(self, seconds_max: float) -> None:
        """Wait until every push subscription has delivered or given up on all its messages, else raise TimeoutError.

        Messages in pull subscriptions are not waited for, since the broker does not decide whether they are pulled.
        """
        self._broker.drain(seconds_max)
