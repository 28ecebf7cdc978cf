"""Lets the functions run on Google's Pub/Sub emulator: pulls from it and pushes as the real service does.

The emulator's own pushes carry no OIDC token, which functions insist on, and no delivery attempt.
"""

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.cloud.pubsub_v1 import SubscriberClient
from google.cloud.pubsub_v1.subscriber.futures import StreamingPullFuture
from google.cloud.pubsub_v1.subscriber.message import Message

from emulators.deliveries import Deliveries, Request
from emulators.pubsub.official import OfficialPubSub

ACKNOWLEDGED = frozenset({102, 200, 201, 202, 204})  # cloud.google.com/pubsub/docs/push
PUSH_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 5.0

Mint = Callable[[str, str], str]


class BridgedPubSub:
    """Google's emulator, whose messages are pushed to the functions from here."""

    def __init__(self, jar: Path, log: Path, mint: Mint) -> None:
        self._emulator = OfficialPubSub(jar, log)
        self._mint = mint
        self._deliveries = Deliveries()
        self._streams: list[StreamingPullFuture] = []
        self.version = self._emulator.version

    @property
    def host(self) -> str:
        """The value for PUBSUB_EMULATOR_HOST."""
        return self._emulator.host

    def start(self) -> None:
        """Start it, and set the environment variable by which the official client finds the emulator."""
        self._emulator.start()
        os.environ["PUBSUB_EMULATOR_HOST"] = self.host

    def stop(self) -> None:
        for stream in self._streams:
            stream.cancel()
        self._deliveries.stop()
        self._emulator.stop()

    def bridge(self, subscription: str, url: str, account: str) -> None:
        """Send a pull subscription's messages to `url`, as a push subscription with an OIDC token would."""

        def deliver(message: Message) -> None:
            request = Request("POST", url, _headers(self._mint(account, url)), _envelope(subscription, message))
            if self._deliveries.send(request, PUSH_SECONDS_MAX) in ACKNOWLEDGED:
                message.ack()
            else:
                message.nack()

        self._streams.append(SubscriberClient().subscribe(subscription, deliver))


def _headers(token: str) -> dict[str, str]:
    return {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}


def _envelope(subscription: str, message: Message) -> bytes:
    wrapped: dict[str, Any] = {
        "message": {
            "data": base64.b64encode(message.data).decode(),
            "attributes": dict(message.attributes),
            "messageId": message.message_id,
            "publishTime": message.publish_time.isoformat(),
        },
        "subscription": subscription,
    }
    return json.dumps(wrapped).encode()
