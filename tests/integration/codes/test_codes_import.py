"""The manufacturer's file: read as people write CSV, refused line by line, and harmless when it comes again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pg8000.dbapi import Connection

from shared.auth import Role
from shared.codes import codes
from tests import factories
from tests.client import Answer, FunctionClient
from tests.fakes.code_admin import count_manufactured, reset_codes
from tests.fakes.feedback_files import SPELLINGS, UNREADABLE
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

UPLOAD_BYTES_MAX = 10 * 1024 * 1024


@pytest.fixture
def admin(client: Client) -> FunctionClient:
    return client(factories.member(role=Role.OPERATIONS).token)


def bring(admin: FunctionClient, file: bytes | str) -> Answer:
    raw = file.encode() if isinstance(file, str) else file
    return admin.send("POST", "/v1/admin/qr/import-feedback", raw, {"Content-Type": "text/csv"})


def test_a_file_is_read_as_people_and_programs_write_it(admin: FunctionClient, sql: Connection) -> None:
    made = factories.manufactured_codes(3, status="generated")
    for name, spelled in SPELLINGS.items():
        answer = bring(admin, spelled(made))
        assert answer.body == {"manufactured": 3, "refused_count": 0, "refused": []}, name
        assert count_manufactured(sql) == 3, name
        reset_codes(sql)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_file_in_utf_16_is_read_too(admin: FunctionClient, sql: Connection, encoding: str) -> None:
    made = factories.manufactured_codes(3, status="generated")
    for name, spelled in SPELLINGS.items():
        answer = bring(admin, ("\ufeff" + spelled(made).removeprefix("\ufeff")).encode(encoding))
        assert answer.body == {"manufactured": 3, "refused_count": 0, "refused": []}, name
        assert count_manufactured(sql) == 3, name
        reset_codes(sql)


def test_what_is_no_csv_with_a_column_code_is_refused_whole(admin: FunctionClient, sql: Connection) -> None:
    before = rows_of_all_tables(sql)
    for name, file in UNREADABLE.items():
        answer = bring(admin, file)
        assert (answer.status, answer.problem) == (422, "file-not-readable"), name
        assert answer.body["detail"]
    assert rows_of_all_tables(sql) == before


def test_the_same_file_twice_changes_nothing(admin: FunctionClient, sql: Connection) -> None:
    made = factories.manufactured_codes(3, status="generated")
    file = "\n".join(["code", *made])
    assert bring(admin, file).body["manufactured"] == 3
    before = rows_of_all_tables(sql, without=("audit_logs",))
    again = bring(admin, file)
    assert again.body == {"manufactured": 0, "refused_count": 0, "refused": []}
    assert rows_of_all_tables(sql, without=("audit_logs",)) == before


def test_lines_that_change_nothing_are_named_with_their_reason(
    admin: FunctionClient, client: Client, sql: Connection
) -> None:
    generated, scanned, invalid = factories.manufactured_codes(3)
    assert client(factories.member().token).post("/v1/scans/submit", {"code": scanned}).status == 201
    for code, status in ((generated, "generated"), (invalid, "invalidated")):
        mac = codes.mac(codes.normalized(code) or "")
        sql.execute_unnamed("UPDATE codes SET status = $1 WHERE mac = $2", (status, mac))
    lines = ["code,note", scanned, "hello,x", ",x", "AAAA-BBBB-CCCC", generated, "AAAA-BBBB-CCC0", "", invalid]

    answer = bring(admin, "\r\n".join(lines))

    assert answer.body["refused"] == [
        {"line": 2, "reason": "the code is scanned"},
        {"line": 3, "reason": "not a code"},
        {"line": 4, "reason": "not a code"},
        {"line": 5, "reason": "unknown code"},
        {"line": 7, "reason": "not a code"},
        {"line": 9, "reason": "the code is invalidated"},
    ]
    assert (answer.body["manufactured"], answer.body["refused_count"]) == (1, 6)


def test_only_line_breaks_end_a_line(admin: FunctionClient) -> None:
    """Other characters that Unicode calls separators may stand in a note."""
    made = factories.manufactured_codes(5, status="generated")
    separators = ("\u2028", "\u0085", "\x0b", "\x0c", "\x1c")
    rows = [f"{code},one{separator}two" for code, separator in zip(made, separators, strict=True)]
    answer = bring(admin, "\n".join(["code,note", *rows, "hello,x"]))
    assert answer.body == {"manufactured": 5, "refused_count": 1, "refused": [{"line": 7, "reason": "not a code"}]}


def test_a_thousand_refused_lines_are_listed_and_all_are_counted(admin: FunctionClient) -> None:
    answer = bring(admin, "\n".join(["code", *["hello"] * 1_500]))
    assert answer.body["refused_count"] == 1_500
    assert [line["line"] for line in answer.body["refused"]] == list(range(2, 1_002))


def test_a_good_line_counts_though_others_are_bad(admin: FunctionClient, sql: Connection) -> None:
    (code,) = factories.manufactured_codes(1, status="generated")
    answer = bring(admin, f"code\nhello\n{code}\nAAAA-BBBB-CCCC")
    assert (answer.body["manufactured"], answer.body["refused_count"]) == (1, 2)
    assert count_manufactured(sql) == 1


def test_the_same_file_many_times_at_once_counts_once(admin: FunctionClient, sql: Connection) -> None:
    made = factories.manufactured_codes(200, status="generated")
    files = ["\n".join(["code", *made]), "\n".join(["code", *reversed(made)])] * 4
    with ThreadPoolExecutor(len(files)) as threads:
        answers = list(threads.map(lambda file: bring(admin, file), files))
    assert {answer.status for answer in answers} == {200}
    assert sum(answer.body["manufactured"] for answer in answers) == 200
    assert sum(answer.body["refused_count"] for answer in answers) == 0
    assert sql.execute_simple("SELECT codes_manufactured FROM code_batches").rows == [[200]]


def test_codes_of_several_batches_are_counted_with_their_own(admin: FunctionClient, sql: Connection) -> None:
    made = [*factories.manufactured_codes(2, status="generated"), *factories.manufactured_codes(3, status="generated")]
    assert bring(admin, "\n".join(["code", *made])).body["manufactured"] == 5
    counts = sql.execute_simple("SELECT codes_manufactured FROM code_batches ORDER BY quantity").rows
    assert counts == [[2], [3]]


def test_the_largest_file_is_taken_and_a_byte_more_is_not(admin: FunctionClient, sql: Connection) -> None:
    row = b"AAAA-BBBB-CCCC," + b"x" * 1_000 + b"\n"
    rows = (UPLOAD_BYTES_MAX - 10) // len(row)
    largest = b"code,note\n" + row * rows
    largest += b"\n" * (UPLOAD_BYTES_MAX - len(largest))
    taken, refused = bring(admin, largest), bring(admin, largest + b"\n")
    assert (taken.status, taken.body["refused_count"]) == (200, rows)
    assert (refused.status, refused.problem) == (413, "body-too-large")
    assert count_manufactured(sql) == 0
