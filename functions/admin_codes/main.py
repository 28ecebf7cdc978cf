"""HTTP for admins: batches of codes, their export, the manufacturer's answer (plan section "QR Code Management")."""

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
from shared import audit, code_changes, code_files, codes, events, paging
from shared.api import Api
from shared.audit import Action
from shared.auth import Admin, Role
from shared.code_changes import Change
from shared.code_files import NotReadable, Refused
from shared.codes import CodeFilesConfig
from shared.config import read
from shared.db import Tx
from shared.events import ChangeCodeBatch, FillCodeBatch, ImportCodes
from shared.fields import Listing, Page
from shared.http import Client, Upload
from shared.paging import Position
from shared.ports import files
from shared.problems import NotFound

LINK_LIFE = timedelta(minutes=15)
UPLOAD_LIFE = timedelta(hours=6)  # to begin the upload; one that has begun may take longer
UPLOAD_BYTES_MAX = 10 * 1024 * 1024
FILE_BYTES_MAX = 1024 * 1024 * 1024  # of a file that goes to storage; codes_import takes no larger one
VERBS = {"invalidated": "invalidate", "reused": "reuse"}
Operations = Annotated[Admin, Role.OPERATIONS]

api = Api("admin_codes")


def admin_codes(request: Request) -> Response:
    """The function's door."""
    return api.handle(request)


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
    listed = _listed(upload.data)
    macs = {code: codes.mac(code) for _, code in listed.codes}
    outcome = code_changes.manufacture(tx, macs.values(), admin.id, now)
    refused = [
        *listed.refused,
        *(Refused(line, why) for line, code in listed.codes if (why := outcome.refused.get(macs[code]))),
    ]
    counts = {"manufactured": outcome.manufactured, "refused": len(refused)}
    audit.record(tx, admin, client, Action("codes.import", "codes", "", counts), now)
    shown = sorted(refused, key=lambda line: line.line)[: rules.REFUSED_SHOWN_MAX]
    return CodeImport(
        manufactured=outcome.manufactured,
        refused_count=len(refused),
        refused=[RefusedLine(line=line.line, reason=line.reason) for line in shown],
    )


def upload_link(made: NewImport) -> CodeImportUpload:
    """Sign the link, outside the transaction."""
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
    """Import a file that is too large to be a body: upload it to the link, then start the import."""
    made = NewImport(id=uuid4(), object_name=f"imports/{uuid4()}.csv", expires_at=now + UPLOAD_LIFE)
    store.insert_import(tx, made.id, made.object_name, admin.id, now)
    audit.record(tx, admin, client, Action("code_import.create", "code_import", made.id, {}), now)
    return made


def report_link(found: StoredImport) -> CodeFileImport:
    """Sign the report's link, outside the transaction."""
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
    """The file is uploaded: import it in the background. Harmless twice."""
    if store.start_import(tx, import_id, admin.id, now):
        events.enqueue(tx, now, ImportCodes(import_id=import_id, chunk=0), name=f"import-{import_id}-check")
        audit.record(tx, admin, client, Action("code_import.start", "code_import", import_id, {}), now)
    return _import(tx, import_id, now)


@api.get("/v1/admin/qr/imports/{import_id}", after=report_link)
def get_import(tx: Tx, admin: Operations, import_id: UUID, now: datetime) -> StoredImport:
    """One import, its progress, and the lines that changed nothing."""
    return _import(tx, import_id, now)


@api.post("/v1/admin/qr/invalidate")
def invalidate_codes(tx: Tx, admin: Operations, body: CodeList, client: Client, now: datetime) -> CodesChanged:
    """Codes that are not used yet cannot be scanned any more."""
    return _change_listed(tx, admin, body, client, "invalidated", store.invalidate, now)


@api.post("/v1/admin/qr/reuse")
def reuse_codes(tx: Tx, admin: Operations, body: CodeList, client: Client, now: datetime) -> CodesChanged:
    """Invalidated codes, which nobody has ever scanned, are as if they were new: to be manufactured again."""
    return _change_listed(tx, admin, body, client, "reused", store.reuse, now)


@api.post(
    "/v1/admin/qr/batches/{batch_id}/invalidate",
    status=202,
    problems=(rules.BatchNotReady, rules.BatchRecalled, rules.BatchBusy),
)
def invalidate_batch(
    tx: Tx, admin: Operations, batch_id: UUID, body: BatchAct, client: Client, now: datetime
) -> CodeBatch:
    """All codes of the batch that are not used yet; done in the background."""
    return _change_batch(tx, admin, client, Change(uuid4(), "invalidated", batch_id, body.reason, admin.id), now)


@api.post(
    "/v1/admin/qr/batches/{batch_id}/reuse",
    status=202,
    problems=(rules.BatchNotReady, rules.BatchRecalled, rules.BatchBusy),
)
def reuse_batch(tx: Tx, admin: Operations, batch_id: UUID, body: BatchAct, client: Client, now: datetime) -> CodeBatch:
    """All invalidated codes of the batch; done in the background."""
    return _change_batch(tx, admin, client, Change(uuid4(), "reused", batch_id, body.reason, admin.id), now)


@api.post("/v1/admin/qr/batches/{batch_id}/recall", problems=(rules.BatchNotReady,))
def recall_batch(tx: Tx, admin: Operations, batch_id: UUID, body: BatchAct, client: Client, now: datetime) -> CodeBatch:
    """From now on none of the batch's codes can be scanned, for ever; what was scanned stays. Harmless twice."""
    store.lock_batch(tx, batch_id)
    batch = _found(tx, batch_id)
    if batch.status == "generating":
        raise rules.BatchNotReady
    if batch.status != "recalled":
        store.recall(tx, batch_id)
        code_changes.record(tx, Change(uuid4(), "recalled", batch_id, body.reason, admin.id), now)
        audit.record(tx, admin, client, Action("code_batch.recall", "code_batch", batch_id, body.model_dump()), now)
    return _shown(_found(tx, batch_id))


@api.post("/v1/admin/qr/search", problems=(rules.CodeUnknown,))
def search_code(tx: Tx, admin: Operations, body: CodeQuery, client: Client, now: datetime) -> FoundCode:
    """What is known of a code. It is sent in the body, so that no log and no address holds it."""
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
    """Who tried a code of a honey batch, newest first."""
    rows = store.honey_trials(tx, paging.after(page.cursor), page.limit + 1)
    shown, cursor = paging.page(rows, page.limit, lambda row: Position(row.happened_at, UUID(int=row.id)))
    items = [HoneyTrial(**{name: value for name, value in vars(row).items() if name != "id"}) for row in shown]
    return Listing[HoneyTrial](items=items, next_cursor=cursor)


def _listed(data: bytes) -> code_files.Listed:
    try:
        found = code_files.records([data])
        column = code_files.column_of(next(found, None))
        return code_files.sort_out(found, column)
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
    """Change what can be changed, record it, and tell why the rest cannot."""
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
        made = Change(uuid4(), kind, None, body.reason, admin.id)
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


def _change_batch(tx: Tx, admin: Admin, client: Client, change: Change, now: datetime) -> CodeBatch:
    """Record the change and have codes_change make it, chunk by chunk."""
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
    """Everything that concerned the code, in any order."""
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
