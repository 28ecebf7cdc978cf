"""The operation that searches the audit log: who did what to which thing, when, from where and why."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from functions.admin_desk import audit_store
from functions.admin_desk.audit_store import Wanted
from functions.admin_desk.common import Treasurer, api
from shared.db import Tx
from shared.values.fields import Listing, Moment, Page, Reply, Shape
from shared.web import paging
from shared.web.paging import Position

ActionName = Annotated[str, Shape(r"^[a-z_]{1,40}\.[a-z_]{1,40}$", "an action such as member.suspend")]
ResourceType = Annotated[str, Shape(r"^[a-z_]{1,40}$", "a kind of thing such as member")]
ResourceId = Annotated[str, Shape(r"^[A-Za-z0-9_.:/-]{1,100}$", "the id of a thing")]


class AuditFilter(Page):
    """A page of the lines that match every given filter. `actor` is the admin's id; `recorded_from` is inclusive,
    `recorded_to` exclusive.
    """

    actor: UUID | None = None
    action: ActionName | None = None
    resource_type: ResourceType | None = None
    resource_id: ResourceId | None = None
    recorded_from: Moment | None = None
    recorded_to: Moment | None = None


class AuditLine(Reply):
    """A line of the audit log. `changes` has what the action says of itself: old and new values, reasons. What an
    operator's command did has no actor. `resource_name` is the username if the thing is a member.
    """

    id: str
    actor_id: UUID | None
    actor_username: str | None
    action: str
    resource_type: str
    resource_id: str
    resource_name: str | None
    changes: dict[str, Any]
    ip_address: str | None
    user_agent: str | None
    recorded_at: datetime


@api.get("/v1/admin/audit-log")
def list_audit_log(tx: Tx, admin: Treasurer, page: AuditFilter) -> Listing[AuditLine]:
    """List what admins did, newest first."""
    after = paging.after(page.cursor)
    if after is not None and after.id.int > paging.FIGURE_MAX:
        raise paging.not_ours()
    wanted = Wanted(
        actor=page.actor,
        action=page.action,
        resource_type=page.resource_type,
        resource_id=page.resource_id,
        recorded_from=page.recorded_from,
        recorded_to=page.recorded_to,
    )
    rows = audit_store.lines(tx, wanted, after, page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda line: Position(line.recorded_at, UUID(int=line.id)))
    return Listing[AuditLine](
        items=[AuditLine(**vars(line) | {"id": str(line.id)}) for line in shown], next_cursor=cursor
    )
