"""Requests and replies of the function `admin_codes`."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from functions.admin_codes import rules
from shared.values import typed
from shared.values.fields import LINES, Body, Page, Reply, Sku, Text

TypedCode = Annotated[str, StringConstraints(max_length=typed.TYPED_MAX)]


class BatchOrder(Body):
    """A batch to be generated. Codes of a honey batch look like others but can never be scanned: whoever tries one has
    a list of codes that should be secret.
    """

    name: Text
    product_sku: Sku
    quantity: Annotated[int, Field(ge=1, le=rules.CODES_PER_REQUEST_MAX)]
    manufacturer_name: Text | None = None
    notes: Annotated[str, StringConstraints(max_length=2000), LINES] | None = None
    check_symbol: bool = False
    honey: bool = False


class CodeBatch(Reply):
    """A batch. `percent` is the progress of its generation; `changing` is the change that is being made to all its
    codes.
    """

    id: UUID
    name: str
    product_sku: str
    quantity: int
    check_symbol: bool
    honey: bool
    manufacturer_name: str | None
    notes: str | None
    status: str
    percent: int
    changing: str | None
    codes_manufactured: int
    codes_invalidated: int
    created_at: datetime
    generated_at: datetime | None
    exported_at: datetime | None


class BatchFilter(Page):
    """A page of batches, of one status if given."""

    status: Literal["generating", "generated", "recalled"] | None = None


class ExportOrder(Body):
    """The batch whose codes are to be exported."""

    batch_id: UUID


class ExportFile(Reply):
    """The export as the database knows it; the link is signed after the commit."""

    object_name: str
    filename: str
    expires_at: datetime


class CodeExport(Reply):
    """A download link that works until `expires_at`, without signing in: keep it secret."""

    download_url: str
    filename: str
    expires_at: datetime


class RefusedLine(Reply):
    """A line of the file that changed nothing; lines are counted from 1, the header included."""

    line: int
    reason: str


class CodeImport(Reply):
    """How many codes became manufactured. All refused lines are counted, at most a thousand are listed."""

    manufactured: int
    refused_count: int
    refused: list[RefusedLine]


class NewImport(Reply):
    """The new import as the database knows it; the link is signed after the commit."""

    id: UUID
    object_name: str
    expires_at: datetime


class CodeImportUpload(Reply):
    """The link to which a large file is PUT once, with these headers, before `expires_at`; then start the import."""

    id: UUID
    upload_url: str
    upload_headers: dict[str, str]
    expires_at: datetime


class StoredImport(Reply):
    """An import as the database knows it; the link to its report is signed after the commit."""

    id: UUID
    status: str
    percent: int
    manufactured: int
    unchanged: int
    refused_count: int
    refused: list[RefusedLine]
    fault: str | None
    fault_line: int | None
    report_object: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    shown_at: datetime


class CodeFileImport(Reply):
    """The state of an import: waiting for its file, checking, importing, imported, or refused because of `fault`.

    Each line with content is counted as manufactured, unchanged (it was manufactured before) or refused. The first
    thousand refused lines are listed; all of them are in the file behind `report_url` once the import has ended.
    """

    id: UUID
    status: Literal["waiting", "checking", "importing", "imported", "refused"]
    percent: int
    manufactured: int
    unchanged: int
    refused_count: int
    refused: list[RefusedLine]
    fault: str | None
    fault_line: int | None
    report_url: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class BatchAct(Body):
    """The reason for a change of the whole batch."""

    reason: Text


class CodeList(Body):
    """Codes as they are printed or typed, and the reason for the change."""

    codes: Annotated[list[TypedCode], Field(min_length=1, max_length=rules.LISTED_CODES_MAX)]
    reason: Text


class RefusedCode(Reply):
    """A code that was not changed; `position` is its place in the list, counted from 1."""

    position: int
    reason: str


class CodesChanged(Reply):
    """The number of codes that were changed, and the codes that were not."""

    changed: int
    refused: list[RefusedCode]


class CodeQuery(Body):
    """The code to search for. It is in the body, because addresses end up in logs."""

    code: TypedCode


class CodeEvent(Reply):
    """An event of a code's history, caused by the member who scanned it or else by an admin."""

    kind: Literal["generated", "manufactured", "scanned", "invalidated", "reused", "recalled"]
    at: datetime
    by: UUID | None
    reason: str | None


class FoundCode(Reply):
    """A code's status, its batch and product, and what happened to it, oldest first."""

    status: str
    product_name: str
    batch: CodeBatch
    history: list[CodeEvent]


class HoneyTrial(Reply):
    """A member's try to scan a code that is printed on no tin."""

    batch_id: UUID
    batch_name: str
    member_id: UUID
    username: str
    device_id: str | None
    ip_address: str | None
    happened_at: datetime
