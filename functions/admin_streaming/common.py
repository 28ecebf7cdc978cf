"""The Api, the role, and what all operations on streams share."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from functions.admin_streaming import store
from functions.admin_streaming.models import AdminStream
from shared.api import Api
from shared.auth import Admin, Role
from shared.db import Tx
from shared.values.problems import NotFound
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client, IfMatch

Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_streaming")


def locked(tx: Tx, stream_id: UUID, version: IfMatch | None = None) -> AdminStream:
    """The stream, locked. Raises NotFound; PreconditionFailed if it is not of this version."""
    row = store.lock(tx, stream_id)
    if row is None:
        raise NotFound
    if version:
        version.check(row.revision)
    return row


def done(
    tx: Tx, admin: Operations, stream_id: UUID, act: str, told: Mapping[str, object], *, client: Client, now: datetime
) -> AdminStream:
    """Audit what was done, and return the stream."""
    audit.record(tx, admin, client, Action(f"stream.{act}", "stream", stream_id, told), now)
    return found(tx, stream_id)


def found(tx: Tx, stream_id: UUID) -> AdminStream:
    """The stream. Raises NotFound."""
    row = store.find(tx, stream_id)
    if row is None:
        raise NotFound
    return row
