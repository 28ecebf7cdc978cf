"""`make dead-letters ARGS="…"`: what no receiver could handle, and how it is delivered once more.

  list    how many wait, by receiver and topic; nothing is changed
  again   publish each to its topic again, then take it out of the dead letters

Mend the receiver first: what it cannot handle comes back here. Receivers read the rows, not the message, so that a
delivery too many does no harm. It speaks to the stack that is running here; with GOOGLE_CLOUD_PROJECT and a database in
the environment, to those. A copy for Firestore or a push that was missed is made good only this way; mails that wait
are asked for again by email_send as well.
"""

import argparse
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence

import grpc
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError
from google.pubsub_v1 import ReceivedMessage, SubscriberClient

from emulators import running, terminal
from shared.ports import pubsub
from shared.ports.dead_letters import RECEIVER, SUBSCRIPTION

PROJECT = "GOOGLE_CLOUD_PROJECT"  # the setting that says whose dead letters are meant
AT_ONCE = 100
ROUNDS_MAX = 1_000
PULL_SECONDS_MAX = 10.0
HELD_SECONDS = 600


def main() -> None:
    """Print what was found or done; exits with 2 when the service cannot be asked."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        prog="make dead-letters",
        usage="make dead-letters ARGS=list|again",
    )
    parser.add_argument("what", choices=["list", "again"])
    asked = parser.parse_args()
    running.adopt_environment(PROJECT)
    try:
        with terminal.answering():
            print("\n".join(again() if asked.what == "again" else listed()))
    except (GoogleAPICallError, GoogleAuthError) as fault:
        running.refuse(f"Pub/Sub cannot be asked: {fault}")


def listed() -> list[str]:
    """One line per receiver and topic. The messages are given back at the end, so that none is seen twice."""
    client, seen = _client(), []
    for some in _pulled(client):
        seen += some
    for start in range(0, len(seen), AT_ONCE):
        ids = [it.ack_id for it in seen[start : start + AT_ONCE]]
        client.modify_ack_deadline({"subscription": _path(), "ack_ids": ids, "ack_deadline_seconds": 0})
    return _told(seen, "wait") or ["there are no dead letters"]


def again() -> list[str]:
    """Publish each message again and then acknowledge it: if the process dies in between, it is published twice."""
    client, done = _client(), []
    for some in _pulled(client):
        for received in some:
            topic = received.message.attributes["topic"]
            kept = {
                name: value for name, value in received.message.attributes.items() if name in ("topic", "outbox_id")
            }
            pubsub.publish(topic, [pubsub.Message(received.message.data, kept)])
        client.acknowledge({"subscription": _path(), "ack_ids": [it.ack_id for it in some]})
        done += some
    return _told(done, "are delivered again") or ["there are no dead letters"]


def _told(found: Sequence[ReceivedMessage], what: str) -> list[str]:
    numbers = Counter((it.message.attributes.get(RECEIVER, "?"), it.message.attributes["topic"]) for it in found)
    return [f"{number:>6} of {topic} for {receiver} {what}" for (receiver, topic), number in sorted(numbers.items())]


def _pulled(client: SubscriberClient) -> Iterator[list[ReceivedMessage]]:
    """Some messages at a time until none is left; each belongs to this caller for HELD_SECONDS."""
    for _ in range(ROUNDS_MAX):
        # This flag is deprecated for receiving, but it is the only way to look without waiting.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            request = {"subscription": _path(), "max_messages": AT_ONCE, "return_immediately": True}
            some = list(client.pull(request, timeout=PULL_SECONDS_MAX).received_messages)
        if not some:
            return
        ids = [it.ack_id for it in some]
        client.modify_ack_deadline({"subscription": _path(), "ack_ids": ids, "ack_deadline_seconds": HELD_SECONDS})
        yield some


def _path() -> str:
    return f"projects/{os.environ[PROJECT]}/subscriptions/{SUBSCRIPTION}"


def _client() -> SubscriberClient:
    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not emulator:
        return SubscriberClient()
    transport = SubscriberClient.get_transport_class("grpc")
    return SubscriberClient(transport=transport(channel=grpc.insecure_channel(emulator)))


if __name__ == "__main__":
    main()
