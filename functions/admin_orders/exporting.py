"""The operation that exports what has left for a state in a month: who was sent how many tins, and where to."""

import hashlib
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, StringConstraints

from functions.admin_orders import export_records, rules
from functions.admin_orders.common import Operations, api
from functions.admin_orders.export_records import SentLine
from shared.db import Tx
from shared.orders import addresses
from shared.orders.states import number_of
from shared.values import csv_fields, months, typed
from shared.values.fields import Body, Month, Reason
from shared.values.problems import NotValid
from shared.web import audit, quotas
from shared.web.audit import Action
from shared.web.http import Client, CsvFile
from shared.web.quotas import Limit, Quota

HEADER = "parcel_id,sent_on,order_number,recipient,line1,line2,city,state,zip,sku,tins,carrier\r\n"
PARCELS_AT_ONCE = 500
State = Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(typed.us_state)]


class SentExport(Body):
    """A month (UTC) and a state; `after` is the parcel of the last line of the part before. Why somebody has to see the
    addresses is kept in the audit log.
    """

    month: Month
    state: State
    after: UUID | None = None
    reason: Reason


@api.post("/v1/admin/order-exports", problems=(rules.TooManyExports,), secret_reply=True)
def export_sent(tx: Tx, admin: Operations, body: SentExport, client: Client, now: datetime) -> CsvFile:
    """Return a part of what has left in the month for the state, a line for each product of a parcel, empty after the
    last one. An address that was removed is empty; state and ZIP code stay.
    """
    if body.after is not None and not export_records.has_parcel(tx, body.after):
        raise NotValid(errors=[{"field": "/after", "message": "must be the parcel of a line"}])
    read = Quota(f"exports of what was sent:{admin.id}", rules.EXPORTS_PER_HOUR)
    quotas.spend_within(tx, Limit([read], rules.TooManyExports), now)
    first = datetime(body.month.year, body.month.month, 1, tzinfo=UTC)
    end = datetime.combine(months.after(body.month, 1), datetime.min.time(), tzinfo=UTC)
    found = export_records.sent(tx, body.state, first, end, after=body.after, limit=PARCELS_AT_ONCE)
    changes = body.model_dump(mode="json") | {"lines": len(found)}
    audit.record(tx, admin, client, Action("order.export", "state", body.state, changes), now)
    text = "".join(["" if body.after else HEADER, *(_line(tx, row) for row in found)])
    return CsvFile(text, version=hashlib.sha256(text.encode()).hexdigest())


def _line(tx: Tx, row: SentLine) -> str:
    """A product of a parcel as a line of CSV; texts of people are no formulas of a spreadsheet."""
    to = addresses.unseal(tx, row.order_id, row.address) if row.address else None
    people = (to.recipient, to.line1, to.line2, to.city) if to else ("", "", "", "")
    return csv_fields.line(
        (
            row.parcel_id,
            row.shipped_at.astimezone(UTC).date(),
            number_of(row.kind, row.number, row.placed_at),
            *people,
            row.ship_state,
            row.ship_zip,
            row.sku,
            row.tins,
            row.carrier,
        )
    )
