"""Looks at what no receiver could handle: the messages in Pub/Sub's dead letters, which are given back at once."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from shared.ports.outage import Outage

if TYPE_CHECKING:
    from google.pubsub_v1 import SubscriberClient

SUBSCRIPTION = "dead-letters"
RECEIVER = "CloudPubSubDeadLetterSourceSubscription"  # cloud.google.com/pubsub/docs/handling-failures
LOOKED_AT_MAX = 100
WAIT_SECONDS_MAX = 4.0  # Pub/Sub may answer "nothing" too early to whoever does not wait
GIVE_BACK_SECONDS_MAX = 5.0


class DeadLettersUnread(Outage):
    """Raised when Pub/Sub does not say what waits in the dead letters."""


@dataclass(frozen=True)
class DeadLetters:
    """How many messages were seen (LOOKED_AT_MAX at most), which receivers failed, and since when the oldest waits."""

    number: int
    receivers: list[str]
    since: datetime | None


def look() -> DeadLetters:
    """The dead letters that wait now. Each is given back, so that an operator finds it. Raises DeadLettersUnread."""
    from google.api_core.exceptions import DeadlineExceeded, GoogleAPICallError
    from google.auth.exceptions import GoogleAuthError

    try:
        with _client() as client:
            path = f"projects/{os.environ['GOOGLE_CLOUD_PROJECT']}/subscriptions/{SUBSCRIPTION}"
            request = {"subscription": path, "max_messages": LOOKED_AT_MAX}
            try:
                found = list(client.pull(request, timeout=WAIT_SECONDS_MAX, retry=None).received_messages)
            except DeadlineExceeded:
                found = []
            if found:
                back = {"subscription": path, "ack_ids": [it.ack_id for it in found], "ack_deadline_seconds": 0}
                client.modify_ack_deadline(back, timeout=GIVE_BACK_SECONDS_MAX)
    except (GoogleAPICallError, GoogleAuthError, KeyError) as fault:
        raise DeadLettersUnread(f"{type(fault).__name__}: {fault}") from None
    receivers = sorted({it.message.attributes.get(RECEIVER, "?") for it in found})
    return DeadLetters(len(found), receivers, min((it.message.publish_time for it in found), default=None))


@contextmanager
def _client() -> "Iterator[SubscriberClient]":
    """A client of its own for one look, so that a connection that was broken meanwhile harms no other look."""
    from google.pubsub_v1 import SubscriberClient

    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not emulator:
        with SubscriberClient() as client:
            yield client
        return
    import grpc

    with grpc.insecure_channel(emulator) as channel:
        yield SubscriberClient(transport=SubscriberClient.get_transport_class("grpc")(channel=channel))
