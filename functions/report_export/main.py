"""Task: write a report that an admin has asked for into a CSV file, page by page; memory stays at one page.

Each run writes a file of its own, which is shown when it is whole. A run holds the report while it makes it, so that a
second one waits; a run that was killed lets go within minutes, and the next one begins anew. When an account is erased,
reports that name members are made anew (functions/member_erase). A schedule deletes the files after a week.
"""

import hashlib
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from flask import Request, Response

from functions.report_export import pages, store
from functions.report_export.pages import PageOfLines
from functions.report_export.store import BegunFile, Contents, Report
from shared import clock, db, log
from shared.config import read
from shared.db import Tx
from shared.events import ExportReport
from shared.job import ComeAgain, Hopeless, Job
from shared.ports import files
from shared.reports.filters import ROWS
from shared.reports.storage import ReportsConfig, object_name
from shared.sweep import Sweep
from shared.values import csv_fields
from shared.values.fields import Body
from shared.values.states import ReportState
from shared.web.http import CSV

FILE_LIFE = timedelta(days=7)
HELD = timedelta(minutes=3)  # a page takes a second, and the storage may make a run wait for two minutes
RUN_MAX = timedelta(hours=1)  # a run that began before that is over: the platform has ended it
MADE_WITHIN = timedelta(hours=6)
UNUSED_FILES_MAX = 500
ROWS_MAX = 5_000_000
RUN_SECONDS_MAX = 840.0  # less than the function's timeout

job = Job("report_export")


def report_export(request: Request) -> Response:
    return job.handle(request)


class TooLarge(Exception):
    """Raised when a report has too many rows, or takes too long; the message tells the admin what to do."""


class LostHold(Exception):
    """Raised when the report is another run's by now, or is to be made anew."""


class Writer:
    """A run that makes the file: its content in pieces, and what was in them."""

    def __init__(self, export_id: UUID, run_id: UUID, report: Report) -> None:
        self._export_id, self._run_id, self._report = export_id, run_id, report
        self._filters: Body = ROWS[report.kind].model_validate_json(report.filters_text)
        self._sum = hashlib.sha256()
        self._ends_at = time.monotonic() + RUN_SECONDS_MAX
        self._rows = self._bytes = 0

    @property
    def contents(self) -> Contents:
        """The rows, size and SHA-256 of what was written."""
        return Contents(self._rows, self._bytes, self._sum.digest())

    def pieces(self) -> Iterator[bytes]:
        """The file, in pieces of a page. Raises TooLarge, LostHold."""
        yield self._noted(csv_fields.BYTE_ORDER_MARK + csv_fields.line(pages.columns(self._report.kind)))
        after = None
        while True:
            found = db.atomically(self._page, after, clock.now())
            self._rows += len(found.lines)
            if self._rows > ROWS_MAX:
                raise TooLarge(f"There are more than {ROWS_MAX:,} rows: ask for fewer.")
            if time.monotonic() > self._ends_at:
                raise TooLarge("There are too many rows to read them in time: ask for fewer.")
            yield self._noted("".join(map(csv_fields.line, found.lines)))
            after = found.after
            if after is None:
                return

    def _page(self, tx: Tx, after: object, now: datetime) -> PageOfLines:
        if not store.hold(tx, self._export_id, self._run_id, now + HELD):
            raise LostHold
        return pages.page(tx, self._report.kind, self._filters, after, now)

    def _noted(self, text: str) -> bytes:
        raw = text.encode()
        self._sum.update(raw)
        self._bytes += len(raw)
        return raw


@job.task(ExportReport)
def make(task: ExportReport, now: datetime) -> None:
    """Write the file and show it. Harmless twice, and beside another run."""
    run_id = uuid4()
    report = db.atomically(store.begin, task.export_id, run_id, now, now + HELD)
    if report is None:
        raise Hopeless("there is no such report")
    if report.state != ReportState.MAKING:
        return
    if report.run_id != run_id:
        raise ComeAgain("another run makes it")
    writer = Writer(task.export_id, run_id, report)
    try:
        files.write(read(ReportsConfig).reports_bucket, object_name(task.export_id, run_id), writer.pieces(), CSV)
    except TooLarge as fault:
        db.atomically(store.fail, task.export_id, str(fault), clock.now())
        return
    except LostHold:
        raise ComeAgain("it is to be made anew") from None
    _show(task.export_id, run_id, writer.contents)


@job.schedule("forget")
def forget(now: datetime) -> None:
    """Give up what was not made in time, and delete files that are not shown; the next run continues."""
    given_up = db.atomically(store.fail_old, now - MADE_WITHIN, "It could not be made in time: ask again.", now)
    if given_up:
        log.error("reports were not made in time", reports=given_up)
    db.atomically(store.expire, now)
    bucket = read(ReportsConfig).reports_bucket

    def forget_one(file: BegunFile) -> None:
        files.delete(bucket, object_name(file.export_id, file.run_id))
        db.atomically(store.forget_file, file.run_id)

    with Sweep() as unused:
        unused.each(
            db.atomically(store.unused_files, now - RUN_MAX, UNUSED_FILES_MAX), forget_one, lambda it: it.run_id
        )


def _show(export_id: UUID, run_id: UUID, contents: Contents) -> None:
    """Show the whole file. Raises ComeAgain if the report is to be made anew: then this file is deleted."""
    now = clock.now()
    if not db.atomically(lambda tx: store.finish(tx, export_id, run_id, contents, now, until=now + FILE_LIFE)):
        files.delete(read(ReportsConfig).reports_bucket, object_name(export_id, run_id))
        raise ComeAgain("it is to be made anew")
