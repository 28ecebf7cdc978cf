"""Plays the chat: a message of one member reaches the app of another one who listens."""

import time
from dataclasses import dataclass
from uuid import uuid4

from emulators import scheduler
from emulators.chat_listener import ChatListener
from emulators.people import Person
from emulators.stack import Stack

CHANNEL = "high-roller-lounge"  # not for every tier: its listeners are let in by their tier
TEXT = "Seven in a row. Your turn!"
LISTEN_SECONDS_MAX = 30.0


@dataclass(frozen=True)
class Heard:
    """The message as the listener got it, and how long after it was sent."""

    channel: str
    text: str
    author: str
    seconds: float


def talk(stack: Stack, author: Person, reader: Person) -> Heard:
    """Post a message, and wait until it is at the reader's listener."""
    scheduler.call(stack.function_url("social_publish"), "sweep", stack.token("social_publish"))
    channels = reader.client.must("GET", "/v1/social/channels")["channels"]
    channel = next(each for each in channels if each["slug"] == CHANNEL)
    with listening(stack, reader, channel["id"], channel["position"]) as listener:
        began = time.monotonic()
        body = {"client_id": str(uuid4()), "text": TEXT}
        posted = author.client.must("POST", f"/v1/social/channels/{channel['id']}/messages", body)
        heard = listener.wait_for(posted["id"])
        return Heard(channel["name"], heard["text"], heard["author"]["username"], time.monotonic() - began)


def listening(stack: Stack, person: Person, channel_id: str, position: int) -> ChatListener:
    """A listener to the channel, signed in to Firebase by the person's realtime token."""
    token = person.client.must("POST", "/v1/realtime/token")["firebase_token"]
    signed_in = stack.identity.firebase.exchange(token)
    return ChatListener(stack.firestore_host, signed_in["idToken"], channel_id, position, LISTEN_SECONDS_MAX)
