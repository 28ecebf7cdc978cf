"""Pushes the messages of Pub/Sub push subscriptions: https://cloud.google.com/pubsub/docs/push."""

import base64
import json
import logging
from collections.abc import Callable

from emulators.deliveries import Deliveries, Request, Workers
from emulators.pubsub.backlog import Lease
from emulators.pubsub.broker import Broker, Demand, Subscription

PUSHES_OUTSTANDING_MAX = 10  # per subscription; the real service starts low and adapts
PUSH_THREADS_MAX = 400
NEVER_EXPIRES = float("inf")  # the request's own time limit ends a push
ACKNOWLEDGING = frozenset({102, 200, 201, 202, 204})
NEXT = Demand(count=1, lease_seconds=NEVER_EXPIRES)

logger = logging.getLogger(__name__)

Mint = Callable[[str, str], str]  # service account and audience to an OIDC token


class Pusher:
    """Keeps up to `PUSHES_OUTSTANDING_MAX` requests under way for each subscription that has messages."""

    def __init__(self, mint: Mint) -> None:
        self.broker = Broker(self._feed)
        self._mint = mint
        self._deliveries = Deliveries()
        self._workers = Workers("pubsub-push", PUSH_THREADS_MAX)
        self._stopped = False

    def stop(self) -> None:
        """Stop pushing; requests under way are broken off."""
        with self.broker.lock:
            self._stopped = True
        self._deliveries.stop()
        self._workers.shutdown()

    def _feed(self, subscription: Subscription) -> None:
        """Start pushes for a subscription; called with the broker's lock held."""
        while subscription.pushing < PUSHES_OUTSTANDING_MAX and (lease := self._next(subscription)):
            subscription.pushing += 1
            self._workers.submit(self._push_on, subscription, lease)

    def _push_on(self, subscription: Subscription, lease: Lease) -> None:
        """Push the message and then whatever has become deliverable meanwhile."""
        following: Lease | None = lease
        while following:
            try:
                acknowledged = self._push(subscription, following)
            except Exception:  # whatever it is, the message must be delivered again and the thread must continue
                logger.exception("a push for %s failed", subscription.config.name)
                acknowledged = False
            with self.broker.lock:
                subscription.pushing -= 1
                self.broker.settle(subscription, [following.ack_id], acknowledged=acknowledged)
                following = self._next(subscription) if subscription.pushing < PUSHES_OUTSTANDING_MAX else None
                subscription.pushing += following is not None

    def _next(self, subscription: Subscription) -> Lease | None:
        if self._stopped or subscription.deleted or not subscription.endpoint:
            return None
        leases = self.broker.take(subscription, NEXT)
        return leases[0] if leases else None

    def _push(self, subscription: Subscription, lease: Lease) -> bool:
        config = subscription.config
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "CloudPubSub-Google"}
        if email := config.push_config.oidc_token.service_account_email:
            audience = config.push_config.oidc_token.audience or subscription.endpoint
            headers["Authorization"] = f"Bearer {self._mint(email, audience)}"
        request = Request("POST", subscription.endpoint, headers, envelope(subscription, lease))
        status = self._deliveries.send(request, config.ack_deadline_seconds)
        return status in ACKNOWLEDGING


def envelope(subscription: Subscription, lease: Lease) -> bytes:
    """The wrapped form of a message, without empty fields; `deliveryAttempt` stands beside it, not in it."""
    source = lease.entry.message
    published = source.publish_time.ToJsonString()
    message = {
        "data": base64.b64encode(source.data).decode(),
        "attributes": dict(source.attributes),
        "messageId": source.message_id,
        "message_id": source.message_id,
        "publishTime": published,
        "publish_time": published,
        "orderingKey": source.ordering_key,
    }
    body: dict[str, object] = {
        "message": {name: value for name, value in message.items() if value},
        "subscription": subscription.config.name,
    }
    if subscription.config.HasField("dead_letter_policy"):
        body["deliveryAttempt"] = lease.entry.attempts
    return json.dumps(body).encode()
