"""Admins start and stop streams, see and change their keys, and put a text over the picture."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from pydantic import StringConstraints

from functions.admin_streaming import input_store, rules
from functions.admin_streaming.common import Operations, api, done, locked
from functions.admin_streaming.models import AdminStream
from shared import events
from shared.credentials import totp, vault
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.ports import live_stream
from shared.ports.vendors import VendorFailure
from shared.social.events import ControlStream
from shared.social.live_names import channel_name, row_of
from shared.values.fields import LINE, Body, Reply, SixDigits
from shared.values.ids import NIL
from shared.values.problems import Overloaded
from shared.values.states import StreamStatus
from shared.web.http import Client, IfMatch

UNDER_WAY = (StreamStatus.PREPARING, StreamStatus.READY, StreamStatus.LIVE)
BUSY_SECONDS = "5"


class StreamOperation(Reply):
    """A start: the same one however often it is asked for. The stream's status says how far it is."""

    operation_id: UUID
    stream: AdminStream


class StreamKeyRequest(Body):
    """A code of the admin's authenticator app."""

    totp: SixDigits


class StreamKey(Reply):
    """Where the host's encoder sends its picture: the server's address, and the stream key, which is a secret."""

    address: str
    stream_key: str


class StreamOverlay(Body):
    """A text over the picture; null takes it away."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=280), LINE] | None


@dataclass(frozen=True)
class Answering:
    """Says that Live Stream answers."""


def answering() -> Answering:
    """Ask Live Stream for anything. Raises Overloaded if it does not answer: then nothing is begun."""
    try:
        live_stream.get_channel(channel_name(NIL, 1))
    except VendorFailure:
        raise Overloaded("Live Stream does not answer.", headers={"Retry-After": BUSY_SECONDS}) from None
    return Answering()


@api.post("/v1/admin/streaming/events/{stream_id}/start", before=answering, problems=(rules.StreamNotScheduled,))
def start_stream(
    tx: Tx, admin: Operations, stream_id: UUID, service: Answering, client: Client, now: datetime
) -> StreamOperation:
    """Have a stream prepared; it is live once the host's picture comes. Twice, it is the same operation."""
    before = locked(tx, stream_id)
    known = input_store.find(tx, stream_id)
    if known and before.status in UNDER_WAY:
        return StreamOperation(operation_id=known.start_id, stream=before)
    rules.check_scheduled(before.status)
    start_id = uuid4()
    input_store.begin(tx, stream_id, start_id, now)
    events.enqueue(tx, now, ControlStream(stream_id=stream_id))
    started = done(tx, admin, stream_id, "start", {"operation_id": str(start_id)}, client=client, now=now)
    return StreamOperation(operation_id=start_id, stream=started)


@api.post("/v1/admin/streaming/events/{stream_id}/stop", problems=(rules.StreamNotLive,))
def stop_stream(tx: Tx, admin: Operations, stream_id: UUID, client: Client, now: datetime) -> AdminStream:
    """End a live stream. Harmless twice."""
    before = locked(tx, stream_id)
    if before.status in (StreamStatus.ENDING, StreamStatus.ENDED):
        return before
    if before.status is not StreamStatus.LIVE:
        raise rules.StreamNotLive(state=before.status.value)
    input_store.end(tx, stream_id, now)
    events.enqueue(tx, now, ControlStream(stream_id=stream_id))
    return done(tx, admin, stream_id, "stop", {}, client=client, now=now)


@api.post(
    "/v1/admin/streaming/events/{stream_id}/key",
    problems=(rules.StreamKeyNotReady, *SECOND_FACTOR),
    secret_reply=True,
)
def show_stream_key(
    tx: Tx, admin: Operations, stream_id: UUID, body: StreamKeyRequest, client: Client, now: datetime
) -> StreamKey:
    """Show where the host sends the picture, and the key. Who looks is in the audit log."""
    totp.spend(tx, admin.id, body.totp, now)
    before = locked(tx, stream_id)
    known = input_store.find(tx, stream_id)
    if known is None or known.sealed_key is None or before.status not in UNDER_WAY:
        raise rules.StreamKeyNotReady
    assert known.address, "the schema says so of each key"
    key = vault.unseal(tx, known.sealed_key, row_of(stream_id)).decode()
    done(tx, admin, stream_id, "key", {}, client=client, now=now)
    return StreamKey(address=known.address, stream_key=key)


@api.post(
    "/v1/admin/streaming/events/{stream_id}/key/renew",
    problems=(rules.StreamKeyInUse, rules.StreamKeyNotReady, *SECOND_FACTOR),
)
def renew_stream_key(
    tx: Tx, admin: Operations, stream_id: UUID, body: StreamKeyRequest, client: Client, now: datetime
) -> AdminStream:
    """Take the key back, and prepare the stream with another one."""
    totp.spend(tx, admin.id, body.totp, now)
    before = locked(tx, stream_id)
    if before.status in (StreamStatus.LIVE, StreamStatus.ENDING):
        raise rules.StreamKeyInUse
    known = input_store.find(tx, stream_id)
    if known is None or known.sealed_key is None or before.status not in UNDER_WAY:
        raise rules.StreamKeyNotReady
    input_store.rotate(tx, stream_id, now)
    events.enqueue(tx, now, ControlStream(stream_id=stream_id))
    return done(tx, admin, stream_id, "renew_key", {}, client=client, now=now)


@api.put("/v1/admin/streaming/events/{stream_id}/overlay", problems=(rules.StreamOver,))
def set_stream_overlay(
    tx: Tx, admin: Operations, stream_id: UUID, body: StreamOverlay, version: IfMatch, client: Client, now: datetime
) -> AdminStream:
    """Show a text over the picture, or take it away."""
    before = locked(tx, stream_id, version)
    rules.check_not_over(before.status)
    input_store.overlay(tx, stream_id, body.text)
    changes = {"before": before.overlay, "after": body.text}
    return done(tx, admin, stream_id, "overlay", changes, client=client, now=now)
