"""HTTP for admins: batches of codes, their export, the manufacturer's answer (plan section "QR Code Management")."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID, uuid4

from flask import Request, Response
from pydantic import Field, StringConstraints

from functions.admin_codes import rules, store
from shared import audit, codes, events, paging
from shared.api import Api
from shared.audit import Action
from shared.auth import Admin, Role
from shared.codes import CodeFilesConfig
from shared.config import read
from shared.db import Tx
from shared.events import FillCodeBatch
from shared.fields import Body, Listing, Page, Reply, Text
from shared.http import Client, Upload
from shared.paging import Position
from shared.ports import files
from shared.problems import NotFound

LINK_LIFE = timedelta(minutes=15)
UPLOAD_BYTES_MAX = 10 * 1024 * 1024
Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_codes")


def admin_codes(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


class BatchOrder(Body):
    """A batch to be generated."""

    name: Text
    product_sku: Text
    quantity: Annotated[int, Field(ge=1, le=rules.CODES_PER_REQUEST_MAX)]
    manufacturer_name: Text | None = None
    notes: Annotated[str, StringConstraints(max_length=2000)] | None = None
    check_symbol: bool = False


class CodeBatch(Reply):
    """`percent` tells how far the generation is."""

    id: UUID
    name: str
    product_sku: str
    quantity: int
    check_symbol: bool
    manufacturer_name: str | None
    notes: str | None
    status: str
    percent: int
    codes_manufactured: int
    created_at: datetime
    generated_at: datetime | None
    exported_at: datetime | None


class BatchFilter(Page):
    """A page, of one status if given."""

    status: Literal["generating", "generated", "recalled"] | None = None


class ExportOrder(Body):
    """The batch whose codes are wanted."""

    batch_id: UUID


class ExportFile(Reply):
    """What the database knows; the link is made after the commit."""

    object_name: str
    filename: str
    expires_at: datetime


class CodeExport(Reply):
    """A link that works until `expires_at`, without signing in: keep it secret."""

    download_url: str
    filename: str
    expires_at: datetime


class RefusedLine(Reply):
    """A line that changed nothing, counted from 1 with the header."""

    line: int
    reason: str


class CodeImport(Reply):
    """How many codes are manufactured now; at most a thousand refused lines are listed, all are counted."""

    manufactured: int
    refused_count: int
    refused: list[RefusedLine]


@api.post("/v1/admin/qr/generate", status=202, problems=(rules.ProductUnknown,))
def generate(tx: Tx, admin: Operations, body: BatchOrder, client: Client, now: datetime) -> CodeBatch:
    """Order a batch; its codes are made in the background."""
    if not store.product_exists(tx, body.product_sku):
        raise rules.ProductUnknown
    new = store.NewBatch(id=uuid4(), created_by=admin.id, **body.model_dump())
    store.insert_batch(tx, new, now)
    events.enqueue(tx, now, FillCodeBatch(batch_id=new.id, chunk=0), name=f"fill-{new.id}-0")
    audit.record(tx, admin, client, Action("code_batch.order", "code_batch", new.id, body.model_dump()), now)
    return _shown(_found(tx, new.id))


@api.get("/v1/admin/qr/batches")
def list_batches(tx: Tx, admin: Operations, page: BatchFilter) -> Listing[CodeBatch]:
    """Newest first."""
    rows = store.batches(tx, page.status, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[CodeBatch](items=[_shown(row) for row in shown], next_cursor=cursor)


@api.get("/v1/admin/qr/batches/{batch_id}")
def get_batch(tx: Tx, admin: Operations, batch_id: UUID) -> CodeBatch:
    """One batch and its progress."""
    return _shown(_found(tx, batch_id))


def link(file: ExportFile) -> CodeExport:
    """Sign the link, outside the transaction."""
    url = files.signed_url(
        read(CodeFilesConfig).codes_bucket,
        file.object_name,
        signed_at=file.expires_at - LINK_LIFE,
        expires_in=LINK_LIFE,
        filename=file.filename,
    )
    return CodeExport(download_url=url, filename=file.filename, expires_at=file.expires_at)


@api.post("/v1/admin/qr/export", after=link, secret_reply=True, problems=(rules.BatchUnknown, rules.BatchNotReady))
def export(tx: Tx, admin: Operations, body: ExportOrder, client: Client, now: datetime) -> ExportFile:
    """A link to the batch's CSV file: the only place where its codes can be read."""
    batch = store.batch(tx, body.batch_id)
    if batch is None:
        raise rules.BatchUnknown
    if batch.export_object is None or batch.generated_at is None:
        raise rules.BatchNotReady
    store.mark_exported(tx, batch.id, now)
    audit.record(tx, admin, client, Action("code_batch.export", "code_batch", batch.id, {}), now)
    filename = f"blakjaks_codes_{batch.generated_at:%Y%m%d_%H%M%S}.csv"
    return ExportFile(object_name=batch.export_object, filename=filename, expires_at=now + LINK_LIFE)


@api.post("/v1/admin/qr/import-feedback", body_bytes_max=UPLOAD_BYTES_MAX, problems=(rules.FileNotReadable,))
def import_feedback(tx: Tx, admin: Operations, upload: Upload, client: Client, now: datetime) -> CodeImport:
    """Codes of a CSV file (column `code`) are manufactured: from now on they can be scanned. Harmless twice."""
    listed = rules.read_codes(upload.data)
    lines = {codes.mac(code): line for line, code in listed.codes}
    marked = store.mark_manufactured(tx, list(lines), now)
    for batch_id, more in sorted(Counter(row.batch_id for row in marked).items()):
        store.count_manufactured(tx, batch_id, more)
    done = {row.mac for row in marked}
    left = [mac for mac in lines if mac not in done]
    states = store.states(tx, left)
    refused = [
        *listed.refused,
        *(rules.Refused(lines[mac], _why(states.get(mac))) for mac in left if states.get(mac) != "manufactured"),
    ]
    counts = {"manufactured": len(marked), "refused": len(refused)}
    audit.record(tx, admin, client, Action("codes.import", "codes", "", counts), now)
    shown = sorted(refused, key=lambda line: line.line)[: rules.REFUSED_SHOWN_MAX]
    return CodeImport(
        manufactured=len(marked),
        refused_count=len(refused),
        refused=[RefusedLine(line=line.line, reason=line.reason) for line in shown],
    )


def _why(status: str | None) -> str:
    return "unknown code" if status is None else f"the code is {status}"


def _found(tx: Tx, batch_id: UUID) -> store.Batch:
    found = store.batch(tx, batch_id)
    if found is None:
        raise NotFound
    return found


def _shown(batch: store.Batch) -> CodeBatch:
    known = {name: value for name, value in vars(batch).items() if name not in ("codes_made", "export_object")}
    return CodeBatch(percent=100 * batch.codes_made // batch.quantity, **known)
