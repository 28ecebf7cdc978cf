"""What admins send and see."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from functions.admin_codes import rules
from shared.fields import Body, Page, Reply, Text

TypedCode = Annotated[str, StringConstraints(max_length=64)]


class BatchOrder(Body):
    """A batch to be generated. Codes of a honey batch look like others and can never be scanned: who tries one has
    a list that should be in nobody's hands.
    """

    name: Text
    product_sku: Text
    quantity: Annotated[int, Field(ge=1, le=rules.CODES_PER_REQUEST_MAX)]
    manufacturer_name: Text | None = None
    notes: Annotated[str, StringConstraints(max_length=2000)] | None = None
    check_symbol: bool = False
    honey: bool = False


class CodeBatch(Reply):
    """`percent` tells how far the generation is, `changing` what is being done to all its codes at the moment."""

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


class NewImport(Reply):
    """What the database knows; the link is made after the commit."""

    id: UUID
    object_name: str
    expires_at: datetime


class CodeImportUpload(Reply):
    """Where a large file is to be PUT, once, with these headers, before `expires_at`; then start the import."""

    id: UUID
    upload_url: str
    upload_headers: dict[str, str]
    expires_at: datetime


class StoredImport(Reply):
    """What the database knows; the link is made after the commit."""

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
    """How far an import is: waiting for its file, checking, importing, imported, or refused because of `fault`.

    Each line with something in it is manufactured, unchanged (it had been before) or refused. The first thousand
    refused lines are listed, all are in the file behind `report_url` once the import has ended.
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
    """Why it is done to the batch."""

    reason: Text


class CodeList(Body):
    """Codes as they are printed or typed, and why it is done to them."""

    codes: Annotated[list[TypedCode], Field(min_length=1, max_length=rules.LISTED_CODES_MAX)]
    reason: Text


class RefusedCode(Reply):
    """A code that was left as it is; `position` is its place in the list, counted from 1."""

    position: int
    reason: str


class CodesChanged(Reply):
    """How many codes were changed, and which were not."""

    changed: int
    refused: list[RefusedCode]


class CodeQuery(Body):
    """The code that is looked for: here, because addresses end up in logs."""

    code: TypedCode


class CodeEvent(Reply):
    """Something that happened to the code: by a member when it was scanned, by an admin otherwise."""

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
    """Somebody tried a code that is on no tin."""

    batch_id: UUID
    batch_name: str
    member_id: UUID
    username: str
    device_id: str | None
    ip_address: str | None
    happened_at: datetime
