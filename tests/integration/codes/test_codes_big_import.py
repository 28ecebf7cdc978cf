"""A large file of manufactured codes: uploaded, checked as a whole, imported in chunks, each line accounted for."""

import csv
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from emulators import cloud
from functions.codes_import import main
from shared import db
from shared.auth import Role
from shared.ports import files
from tests import factories
from tests.client import FunctionClient
from tests.fakes.code_admin import CodeAdmin, Json, count_manufactured, random_codes, reset_codes
from tests.fakes.crashes import crash
from tests.fakes.feedback_files import SPELLINGS, UNREADABLE
from tests.platform import Platform
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

SEVERAL_CHUNKS = 110_000
LONG = 200_000
CRASHES_MAX = 40
NO_CSV = "It is not CSV: quotation marks do not match, or a field is too long."
IMPORT_TABLES = ("audit_logs", "code_imports", "code_import_chunks", "outbox")


@pytest.fixture
def code_admin(client: Client, platform: Platform, sql: Connection) -> CodeAdmin:
    return CodeAdmin(client(factories.member(role=Role.OPERATIONS).token), platform, sql)


def outcome(found: Json) -> tuple[object, ...]:
    return found["status"], found["manufactured"], found["unchanged"], found["refused_count"]


def file_of(made: list[str]) -> bytes:
    return "\n".join(["code", *made]).encode()


def test_a_file_is_uploaded_started_and_imported(code_admin: CodeAdmin, client: Client) -> None:
    batch, made = code_admin.made()
    upload = code_admin.uploaded(file_of(made))
    assert code_admin.progress(upload)["status"] == "waiting"

    started = code_admin.done(code_admin.admin.post(f"/v1/admin/qr/imports/{upload['id']}/start"), 202)
    assert (started["status"], started["percent"], started["finished_at"]) == ("checking", 0, None)
    code_admin.run_tasks()

    done = code_admin.progress(upload)
    assert (*outcome(done), done["percent"], done["report_url"]) == ("imported", 5, 0, 0, 100, None)
    assert done["finished_at"]
    assert code_admin.batch(batch)["codes_manufactured"] == 5
    assert client(factories.member().token).post("/v1/scans/submit", {"code": made[0]}).status == 201


def test_it_is_read_as_people_and_programs_write_it(code_admin: CodeAdmin, sql: Connection) -> None:
    made = factories.manufactured_codes(3, status="generated")
    for name, spelled in SPELLINGS.items():
        done = code_admin.imported(spelled(made).encode())
        assert (done["status"], done["manufactured"], done["refused_count"]) == ("imported", 3, 0), name
        assert count_manufactured(sql) == 3, name
        reset_codes(sql)


def test_each_chunk_is_read_as_the_whole_file_is_written(
    code_admin: CodeAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form is found out once, at the beginning of the file; later chunks begin far behind it."""
    monkeypatch.setattr(main, "CHUNK_RECORDS", 2)
    made = factories.manufactured_codes(7, status="generated")
    lines = ["sep=;", "a,b;code", *(f'x,\U0001f600;="{code}"' for code in made), "x,y;hello"]
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        done = code_admin.imported(("\ufeff" + "\r\n".join(lines)).encode(encoding))
        assert (done["status"], done["percent"], done["refused"]) == (
            "imported", 100, [{"line": 10, "reason": "not a code"}],
        ), encoding  # fmt: skip
        assert done["manufactured"] + done["unchanged"] == 7
    assert code_admin.states() == {"manufactured": 7}


def test_what_cannot_be_read_is_refused_whole_with_a_reason(code_admin: CodeAdmin, sql: Connection) -> None:
    made = factories.manufactured_codes(2, status="generated")
    before = rows_of_all_tables(sql, without=(*IMPORT_TABLES, "idempotency_keys"))
    for name, file in UNREADABLE.items():
        if not file:
            continue  # the storage takes no empty file
        done = code_admin.imported(file)
        assert (done["status"], done["manufactured"], done["refused_count"]) == ("refused", 0, 0), name
        assert done["fault"], name
        assert done["fault_line"] >= 1, name
    assert rows_of_all_tables(sql, without=(*IMPORT_TABLES, "idempotency_keys")) == before
    assert code_admin.states() == {"generated": len(made)}


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (b"\xff\xfe", "It is not text in UTF-8, nor in UTF-16 with a byte order mark."),
        (b'"AAAA"BBBB', NO_CSV),
        (b"x" * 2_000_000, "A record is longer than 1048576 bytes."),
        (b'"open', NO_CSV),
        (b",".join([b'"a\n"'] * 300_000), "A record is longer than 1048576 bytes."),
    ],
    ids=["not UTF-8", "text after a quote", "an endless field", "an open quote", "an endless record"],
)
def test_a_fault_far_down_the_file_changes_nothing_either(bad: bytes, fault: str, code_admin: CodeAdmin) -> None:
    made = factories.manufactured_codes(3, status="generated")
    done = code_admin.imported(b"\n".join([file_of(made), bad]))
    assert (done["status"], done["fault"]) == ("refused", fault)
    assert done["fault_line"] >= 5
    assert code_admin.states() == {"generated": 3}


def test_a_spreadsheets_formula_is_a_refused_line_and_is_not_repeated(code_admin: CodeAdmin) -> None:
    (code,) = factories.manufactured_codes(1, status="generated")
    done = code_admin.imported(f"code\n=cmd|' /C calc'!A0\n{code}\n@SUM(1)\n".encode())
    assert outcome(done) == ("imported", 1, 0, 2)
    assert code_admin.download(done["report_url"]) == b"line,reason\r\n2,not a code\r\n4,not a code\r\n"


def test_every_refused_line_is_in_the_report_and_the_first_thousand_in_the_answer(code_admin: CodeAdmin) -> None:
    made = factories.manufactured_codes(2, status="generated")
    lines = [*["hello"] * 60_000, made[0], *random_codes(100), "", made[1]]
    done = code_admin.imported(file_of(lines))
    assert outcome(done) == ("imported", 2, 0, 60_100)
    assert [line["line"] for line in done["refused"]] == list(range(2, 1_002))
    rows = list(csv.reader(code_admin.download(done["report_url"]).decode().splitlines()))
    expected = [[str(line), "not a code"] for line in range(2, 60_002)]
    expected += [[str(line), "unknown code"] for line in range(60_003, 60_103)]
    assert rows == [["line", "reason"], *expected]


def test_the_same_file_twice_changes_nothing(code_admin: CodeAdmin, sql: Connection) -> None:
    file = file_of([*factories.manufactured_codes(3, status="generated"), "hello"])
    assert outcome(code_admin.imported(file)) == ("imported", 3, 0, 1)
    before = rows_of_all_tables(sql, without=IMPORT_TABLES)
    assert outcome(code_admin.imported(file)) == ("imported", 0, 3, 1)
    assert rows_of_all_tables(sql, without=IMPORT_TABLES) == before


def test_two_imports_of_the_same_file_at_once_count_each_code_once(code_admin: CodeAdmin) -> None:
    batch, made = code_admin.made(quantity=2_000)
    imports = [code_admin.started(file_of(some)) for some in (made, made[::-1])]
    while waiting := code_admin.waiting():
        with ThreadPoolExecutor(4) as threads:
            assert set(threads.map(code_admin.deliver, waiting)) == {204}
        for task in waiting:
            code_admin.published(task)
    done = [code_admin.progress(made) for made in imports]
    assert [one["status"] for one in done] == ["imported", "imported"]
    assert sum(one["manufactured"] for one in done) == sum(one["unchanged"] for one in done) == 2_000
    assert code_admin.batch(batch)["codes_manufactured"] == 2_000


def test_tasks_that_come_twice_and_at_once_import_each_chunk_once(code_admin: CodeAdmin) -> None:
    batch, made = code_admin.made(quantity=SEVERAL_CHUNKS)
    upload = code_admin.started(file_of([*made, "hello"]))
    assert code_admin.run_tasks(times=2, at_once=2) == 5  # the check, three chunks, the end
    done = code_admin.progress(upload)
    assert outcome(done) == ("imported", SEVERAL_CHUNKS, 0, 1)
    assert code_admin.batch(batch)["codes_manufactured"] == SEVERAL_CHUNKS
    assert code_admin.states() == {"manufactured": SEVERAL_CHUNKS}


@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_killed_at_any_transaction_it_goes_on_where_it_stopped(after: bool, code_admin: CodeAdmin) -> None:
    for number in range(1, CRASHES_MAX):
        batch, made = code_admin.made()
        upload = code_admin.started(file_of([*made, "hello", made[0]]))
        with crash(db, "atomically", at=number, after=after) as happened:
            code_admin.run_tasks()
            crashed = happened()
        assert outcome(code_admin.progress(upload)) == ("imported", 5, 1, 1), number
        assert code_admin.batch(batch)["codes_manufactured"] == 5
        if not crashed:
            break
    assert number > 5


@pytest.mark.parametrize("call", ["stored", "read_from", "write", "delete"])
@pytest.mark.parametrize("after", [False, True], ids=["before it", "after it"])
def test_killed_at_any_call_of_the_storage_it_goes_on_where_it_stopped(
    after: bool, call: str, code_admin: CodeAdmin
) -> None:
    _, made = code_admin.made()
    upload = code_admin.started(file_of([*made, "hello"]))
    with crash(files, call, at=1, after=after) as happened:
        code_admin.run_tasks()
        assert happened()
    done = code_admin.progress(upload)
    assert outcome(done) == ("imported", 5, 0, 1)
    assert code_admin.download(done["report_url"]) == b"line,reason\r\n7,not a code\r\n"


def test_the_codes_do_not_stay_in_storage(code_admin: CodeAdmin, sql: Connection) -> None:
    _, made = code_admin.made()
    code_admin.imported(file_of(made))
    name = sql.execute_simple("SELECT object_name FROM code_imports").rows[0][0]
    with pytest.raises(files.FileMissing):
        files.stored(cloud.CODES_BUCKET, name)


def test_an_import_without_a_file_is_refused(code_admin: CodeAdmin) -> None:
    made = code_admin.done(code_admin.admin.post("/v1/admin/qr/imports"), 201)
    assert code_admin.admin.post(f"/v1/admin/qr/imports/{made['id']}/start").status == 202
    code_admin.run_tasks()
    done = code_admin.progress(made)
    assert (done["status"], done["fault"]) == ("refused", "No file was uploaded, or it is gone.")


def test_starting_twice_is_starting_once(code_admin: CodeAdmin) -> None:
    made = code_admin.started(file_of(factories.manufactured_codes(1, status="generated")))
    assert code_admin.admin.post(f"/v1/admin/qr/imports/{made['id']}/start").status == 202
    assert len(code_admin.waiting()) == 1
    code_admin.run_tasks()
    again = code_admin.admin.post(f"/v1/admin/qr/imports/{made['id']}/start")
    assert (again.status, again.body["status"]) == (202, "imported")
    assert code_admin.waiting() == []


def test_there_is_no_import_of_another_id(code_admin: CodeAdmin) -> None:
    assert code_admin.admin.get(f"/v1/admin/qr/imports/{uuid4()}").problem == "not-found"
    assert code_admin.admin.post(f"/v1/admin/qr/imports/{uuid4()}/start").problem == "not-found"


def put(made: Json, body: bytes, **headers: str) -> int:
    asked = Request(made["upload_url"], body, made["upload_headers"] | headers, method="PUT")  # noqa: S310 - emulator
    try:
        with urlopen(asked, timeout=10) as answer:  # noqa: S310 - emulator
            return int(answer.status)
    except HTTPError as refused:
        refused.close()
        return refused.code


def test_the_link_takes_one_file_that_is_not_empty_and_nothing_but_what_it_was_made_for(code_admin: CodeAdmin) -> None:
    made = code_admin.done(code_admin.admin.post("/v1/admin/qr/imports"), 201)
    assert put(made, b"") == 400
    assert put(made, b"code\n", **{"x-goog-content-length-range": "1,9999999999"}) == 403
    assert put(made, b"code\n", **{"x-goog-if-generation-match": "1"}) == 403
    assert put(made, b"code\n", **{"Content-Type": "text/html"}) == 403
    assert put(made, b"code\n") == 200
    assert put(made, b"code\nAAAA-BBBB-CCCC\n") == 412


def test_honey_codes_and_those_of_a_recalled_batch_are_not_manufactured(code_admin: CodeAdmin) -> None:
    _, honey = code_admin.made(honey=True, quantity=1)
    recalled, gone = code_admin.made(quantity=1)
    assert code_admin.act(recalled, "recall").status == 200
    done = code_admin.imported(file_of([*honey, *gone]))
    assert done["refused"] == [
        {"line": 2, "reason": "unknown code"},
        {"line": 3, "reason": "the batch is recalled"},
    ]
    assert code_admin.states() == {"generated": 2}


def test_two_hundred_thousand_lines_take_the_memory_of_one_chunk(code_admin: CodeAdmin) -> None:
    """The file, its answers from the database and its report go by in pieces."""
    peaks: list[int] = []
    for lines in (LONG // 4, LONG):
        upload = code_admin.started(file_of(random_codes(lines)))
        tracemalloc.start()
        try:
            code_admin.run_tasks()
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert outcome(code_admin.progress(upload)) == ("imported", 0, 0, lines)
    assert peaks[1] < 1.3 * peaks[0]
