"""HTTP for admins: batches of codes, their export, the manufacturer's answer (docs/product.md, "Codes on tins")."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID, uuid4

from flask import Request, Response

from functions.admin_codes import rules, store
from functions.admin_codes.models import (
    BatchAct,
    BatchFilter,
    BatchOrder,
    CodeBatch,
    CodeEvent,
    CodeExport,
    CodeFileImport,
    CodeImport,
    CodeImportUpload,
    CodeList,
    CodeQuery,
    CodesChanged,
    ExportFile,
    ExportOrder,
    FoundCode,
    HoneyTrial,
    NewImport,
    RefusedCode,
    RefusedLine,
    StoredImport,
)
from shared import events
from shared.api import Api
from shared.auth import Admin, Role
from shared.codes import changes as code_changes
from shared.codes import codes
from shared.codes import files as code_files
from shared.codes.changes import CodeChange
from shared.codes.codes import CodeFilesConfig
from shared.codes.files import FILE_BYTES_MAX, REFUSED_SHOWN_MAX, NotReadable, UnusableLine
from shared.config import read
from shared.db import Tx
from shared.events import ChangeCodeBatch, FillCodeBatch, ImportCodes
from shared.ports import files
from shared.values.fields import Listing, Page
from shared.values.goods import ProductUnknown
from shared.values.problems import NotFound
from shared.values.states import BatchStatus
from shared.web import audit, paging
from shared.web.audit import Action
from shared.web.http import Client, Upload
from shared.web.paging import Position

LINK_LIFE = timedelta(minutes=15)
UPLOAD_LIFE = timedelta(hours=6)  # to begin the upload; one that has begun may take longer
UPLOAD_BYTES_MAX = 10 * 1024 * 1024
VERBS = {"invalidated": "invalidate", "reused": "reuse"}
Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_codes")


def admin_codes(request: Request) -> Response:
    return api.handle(request)


@api.post("/v1/admin/qr/generate", status=202, problems=(ProductUnknown,))
def generate(tx: Tx, admin: Operations, body: BatchOrder, client: Client, now: datetime) -> CodeBatch:
    """Order a batch; its codes are generated in the background."""
    if not store.product_exists(tx, body.product_sku):
        raise ProductUnknown
    new = store.NewBatch(id=uuid4(), created_by=admin.id, **body.model_dump())
    store.insert_batch(tx, new, now)
    events.enqueue(tx, now, FillCodeBatch(batch_id=new.id, chunk=0), name=f"fill-{new.id}-0")
    audit.record(tx, admin, client, Action("code_batch.order", "code_batch", new.id, body.model_dump()), now)
    return _shown(_found(tx, new.id))


@api.get("/v1/admin/qr/batches")
def list_batches(tx: Tx, admin: Operations, page: BatchFilter) -> Listing[CodeBatch]:
    """List batches, newest first."""
    rows = store.batches(tx, page.status, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.created_at, row.id))
    return Listing[CodeBatch](items=[_shown(row) for row in shown], next_cursor=cursor)


@api.get("/v1/admin/qr/batches/{batch_id}")
def get_batch(tx: Tx, admin: Operations, batch_id: UUID) -> CodeBatch:
    """Return one batch with its progress."""
    return _shown(_found(tx, batch_id))


def link(file: ExportFile) -> CodeExport:
    """Sign the download link, outside the transaction."""
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
    """Return a link to the batch's CSV file, the only place where its codes can be read."""
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
    """Mark the codes of a CSV file (column `code`) as manufactured, so that they can be scanned. Harmless twice."""
    listed = _listed(upload.data)
    macs = {code: codes.mac(code) for _, code in listed.codes}
    outcome = code_changes.manufacture(tx, macs.values(), admin.id, now)
    refused = [
        *listed.refused,
        *(UnusableLine(line, why) for line, code in listed.codes if (why := outcome.refused.get(macs[code]))),
    ]
    counts = {"manufactured": outcome.manufactured, "refused": len(refused)}
    audit.record(tx, admin, client, Action("codes.import", "codes", "", counts), now)
    shown = sorted(refused, key=lambda line: line.line)[:REFUSED_SHOWN_MAX]
    return CodeImport(
        manufactured=outcome.manufactured,
        refused_count=len(refused),
        refused=[RefusedLine(line=line.line, reason=line.reason) for line in shown],
    )


def upload_link(made: NewImport) -> CodeImportUpload:
    """Sign the upload link, outside the transaction."""
    url, headers = files.signed_upload(
        read(CodeFilesConfig).codes_bucket,
        made.object_name,
        signed_at=made.expires_at - UPLOAD_LIFE,
        expires_in=UPLOAD_LIFE,
        content_type="text/csv",
        bytes_max=FILE_BYTES_MAX,
    )
    return CodeImportUpload(id=made.id, upload_url=url, upload_headers=headers, expires_at=made.expires_at)


@api.post("/v1/admin/qr/imports", status=201, after=upload_link)
def create_import(tx: Tx, admin: Operations, client: Client, now: datetime) -> NewImport:
    """Create an import for a file too large for a request body: upload it to the link, then start the import."""
    made = NewImport(id=uuid4(), object_name=f"imports/{uuid4()}.csv", expires_at=now + UPLOAD_LIFE)
    store.insert_import(tx, made.id, made.object_name, admin.id, now)
    audit.record(tx, admin, client, Action("code_import.create", "code_import", made.id, {}), now)
    return made


def report_link(found: StoredImport) -> CodeFileImport:
    """Sign the link to the report, outside the transaction."""
    url = None
    if found.report_object:
        url = files.signed_url(
            read(CodeFilesConfig).codes_bucket,
            found.report_object,
            signed_at=found.shown_at,
            expires_in=LINK_LIFE,
            filename=f"blakjaks_refused_{found.created_at:%Y%m%d_%H%M%S}.csv",
        )
    return CodeFileImport(report_url=url, **found.model_dump(exclude={"report_object", "shown_at"}))


@api.post("/v1/admin/qr/imports/{import_id}/start", status=202, after=report_link)
def start_import(tx: Tx, admin: Operations, import_id: UUID, client: Client, now: datetime) -> StoredImport:
    """Start an import whose file is uploaded; it runs in the background. Harmless twice."""
    if store.start_import(tx, import_id, admin.id, now):
        events.enqueue(tx, now, ImportCodes(import_id=import_id, chunk=0), name=f"import-{import_id}-check")
        audit.record(tx, admin, client, Action("code_import.start", "code_import", import_id, {}), now)
    return _import(tx, import_id, now)


@api.get("/v1/admin/qr/imports/{import_id}", after=report_link)
def get_import(tx: Tx, admin: Operations, import_id: UUID, now: datetime) -> StoredImport:
    """Return one import with its progress and its refused lines."""
    return _import(tx, import_id, now)


@api.post("/v1/admin/qr/invalidate")
def invalidate_codes(tx: Tx, admin: Operations, body: CodeList, client: Client, now: datetime) -> CodesChanged:
    """Invalidate listed codes that are not used yet, so that they cannot be scanned any more."""
    return _change_listed(tx, admin, body, client, "invalidated", change=store.invalidate, now=now)


@api.post("/v1/admin/qr/reuse")
def reuse_codes(tx: Tx, admin: Operations, body: CodeList, client: Client, now: datetime) -> CodesChanged:
    """Return listed invalidated codes to the state of new ones, which have to be manufactured again."""
    return _change_listed(tx, admin, body, client, "reused", change=store.reuse, now=now)


@api.post(
    "/v1/admin/qr/batches/{batch_id}/invalidate",
    status=202,
    problems=(rules.BatchNotReady, rules.BatchRecalled, rules.BatchBusy),
)
def invalidate_batch(
    tx: Tx, admin: Operations, batch_id: UUID, body: BatchAct, client: Client, now: datetime
) -> CodeBatch:
    """Invalidate all codes of the batch that are not used yet, in the background."""
    return _change_batch(tx, admin, client, CodeChange(uuid4(), "invalidated", batch_id, body.reason, admin.id), now)


@api.post(
    "/v1/admin/qr/batches/{batch_id}/reuse",
    status=202,
    problems=(rules.BatchNotReady, rules.BatchRecalled, rules.BatchBusy),
)
def reuse_batch(tx: Tx, admin: Operations, batch_id: UUID, body: BatchAct, client: Client, now: datetime) -> CodeBatch:
    """Return all invalidated codes of the batch to the state of new ones, in the background."""
    return _change_batch(tx, admin, client, CodeChange(uuid4(), "reused", batch_id, body.reason, admin.id), now)


@api.post("/v1/admin/qr/batches/{batch_id}/recall", problems=(rules.BatchNotReady,))
def recall_batch(tx: Tx, admin: Operations, batch_id: UUID, body: BatchAct, client: Client, now: datetime) -> CodeBatch:
    """Recall the batch: none of its codes can ever be scanned again; earlier scans stay valid. Harmless twice."""
    store.lock_batch(tx, batch_id)
    batch = _found(tx, batch_id)
    if batch.status == BatchStatus.GENERATING:
        raise rules.BatchNotReady
    if batch.status != BatchStatus.RECALLED:
        store.recall(tx, batch_id)
        code_changes.record(tx, CodeChange(uuid4(), "recalled", batch_id, body.reason, admin.id), now)
        audit.record(tx, admin, client, Action("code_batch.recall", "code_batch", batch_id, body.model_dump()), now)
    return _shown(_found(tx, batch_id))


@api.post("/v1/admin/qr/search", problems=(rules.CodeUnknown,))
def search_code(tx: Tx, admin: Operations, body: CodeQuery, client: Client, now: datetime) -> FoundCode:
    """Return a code's status and history. The code is sent in the body, so that it appears in no log and no address."""
    symbols = codes.normalized(body.code)
    if symbols is None:
        raise rules.CodeUnknown("Twelve of A-Z and 2-9 make a code; O and I are not among them.")
    mac = codes.mac(symbols)
    code = store.code(tx, mac)
    if code is None:
        raise rules.CodeUnknown
    audit.record(tx, admin, client, Action("code.search", "code_batch", code.batch_id, {}), now)
    return FoundCode(
        status=code.status,
        product_name=code.product_name,
        batch=_shown(_found(tx, code.batch_id)),
        history=[CodeEvent(**vars(event)) for event in rules.history(_events(tx, mac, code))],
    )


@api.get("/v1/admin/qr/honey-trials")
def list_honey_trials(tx: Tx, admin: Operations, page: Page) -> Listing[HoneyTrial]:
    """List tries to scan a code of a honey batch, newest first."""
    rows = store.honey_trials(tx, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.happened_at, UUID(int=row.id)))
    items = [HoneyTrial(**{name: value for name, value in vars(row).items() if name != "id"}) for row in shown]
    return Listing[HoneyTrial](items=items, next_cursor=cursor)


def _listed(data: bytes) -> code_files.Listed:
    try:
        file = code_files.opened([data])
        return code_files.sort_out(file.records, file.column)
    except NotReadable as fault:
        raise rules.FileNotReadable(f"Line {fault.line}: {fault.reason}") from None


def _change_listed(
    tx: Tx,
    admin: Admin,
    body: CodeList,
    client: Client,
    kind: Literal["invalidated", "reused"],
    change: Callable[[Tx, Sequence[bytes]], list[store.Changed]],
    now: datetime,
) -> CodesChanged:
    """Change the listed codes that can be changed, record that, and return why the others cannot."""
    listed = [codes.normalized(code) for code in body.codes]
    macs = [codes.mac(code) if code else b"" for code in listed]
    changed = change(tx, sorted(set(macs) - {b""}))
    for batch_id, count in sorted(Counter(row.batch_id for row in changed).items()):
        undone = sum(row.batch_id == batch_id and row.was_manufactured for row in changed)
        if kind == "invalidated":
            store.count(tx, batch_id, invalidated=count, manufactured=0)
        else:
            store.count(tx, batch_id, invalidated=-count, manufactured=-undone)
    if changed:
        made = CodeChange(uuid4(), kind, None, body.reason, admin.id)
        code_changes.record(tx, made, now)
        store.insert_changed(tx, made.id, [row.mac for row in changed])
    counts = {"changed": len(changed), "reason": body.reason}
    audit.record(tx, admin, client, Action(f"codes.{VERBS[kind]}", "codes", "", counts), now)
    return CodesChanged(changed=len(changed), refused=_unchanged(tx, macs, {row.mac for row in changed}))


def _unchanged(tx: Tx, macs: Sequence[bytes], changed: set[bytes]) -> list[RefusedCode]:
    left = {mac for mac in macs if mac} - changed
    states: Mapping[bytes, store.State] = store.states(tx, sorted(left)) if left else {}
    return [
        RefusedCode(position=position, reason=rules.why_not(bool(mac), *_state(states.get(mac))))
        for position, mac in enumerate(macs, start=1)
        if mac not in changed
    ]


def _state(state: store.State | None) -> tuple[str, str]:
    return (state.status, state.batch_status) if state else ("", "")


def _change_batch(tx: Tx, admin: Admin, client: Client, change: CodeChange, now: datetime) -> CodeBatch:
    """Record the change and have codes_change make it, chunk by chunk. Raises BatchNotReady, BatchRecalled,
    BatchBusy.
    """
    assert change.batch_id
    store.lock_batch(tx, change.batch_id)
    rules.require_changeable(_found(tx, change.batch_id).status)
    code_changes.record(tx, change, now)
    if not store.start_walk(tx, change):
        raise rules.BatchBusy
    events.enqueue(tx, now, ChangeCodeBatch(change_id=change.id, chunk=0), name=f"change-{change.id}-0")
    name, changes = f"code_batch.{VERBS[change.kind]}", {"reason": change.reason}
    audit.record(tx, admin, client, Action(name, "code_batch", change.batch_id, changes), now)
    return _shown(_found(tx, change.batch_id))


def _events(tx: Tx, mac: bytes, code: store.Code) -> list[rules.Event]:
    """All recorded events of the code and of its batch, in no particular order."""
    manufactured = [at for at in (*(code.manufactured_before or ()), code.manufactured_at) if at]
    changes = store.changes(tx, mac, code.batch_id, manufactured)
    known = {change.at for change in changes if change.kind == "manufactured"}
    own = [
        rules.Event("generated", code.generated_at, code.generated_by, None),
        *(rules.Event("manufactured", at, None, None) for at in manufactured if at not in known),
    ]
    if code.scanned_at:
        own.append(rules.Event("scanned", code.scanned_at, code.scanned_by, None))
    return [*own, *(rules.Event(**vars(change)) for change in changes)]


def _found(tx: Tx, batch_id: UUID) -> store.Batch:
    found = store.batch(tx, batch_id)
    if found is None:
        raise NotFound
    return found


def _import(tx: Tx, import_id: UUID, now: datetime) -> StoredImport:
    found = store.code_import(tx, import_id)
    if found is None:
        raise NotFound
    known = vars(found) | {"refused": [RefusedLine(**line) for line in found.refused]}
    return StoredImport(shown_at=now, **known)


def _shown(batch: store.Batch) -> CodeBatch:
    known = {name: value for name, value in vars(batch).items() if name not in ("codes_made", "export_object")}
    return CodeBatch(percent=100 * batch.codes_made // batch.quantity, **known)
