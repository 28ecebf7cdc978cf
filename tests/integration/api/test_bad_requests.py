"""Wrong paths, methods, queries and headers at a function's own port: each gets its problem and changes nothing."""

import base64
import itertools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, unquote, urlencode
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from emulators import contract
from emulators.contract import Operation
from shared.api import MUTATING
from shared.auth import Role
from tests import factories, openapi
from tests.client import FunctionClient, answer_of, refusal
from tests.operations.access import operations_for
from tests.operations.examples import example_of, media_of, path_of
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

JSON = {"Content-Type": "application/json"}
FORM = "application/x-www-form-urlencoded"
WRONG_NUMBERS = ("", "0", "-1", "101", "1.5", "1e1", "0x10", "ten", "%20", "+", "9" * 5_000, "%EF%BC%95", "1,2", "null",
                 "1_0", "5.0", "%2B5")  # fmt: skip
WRONG_TEXTS = ("", "c4n4ry", "%00", "%FF", "%C3%28", "%F0%9F%92%A5", "..%2F..", "'%20OR%201=1--", "=" * 150, "a" * 201,
               "a" * 100_000)  # fmt: skip
WRONG_QUERIES = ("limit=5&limit=6", "cursor=a&limit=5&cursor=a", "unknown=1", "Limit=5", "limit[]=5", "%00=1", "%FF=1",
                 "=", "limit", "; DROP TABLE", "&".join(f"a{number}=1" for number in range(2_000)))  # fmt: skip
WRONG_IDS = ("1", "me", "%00", "%FF", "7c6b5a49-3827-4615-9403", "7c6b5a49-3827-4615-9403-f2e1d0c9b8a7%00",
             "%0A", "..", "%2e%2e", "'", "a" * 5_000, "-", "null")  # fmt: skip
# They may say anything, or are any number: test_username_suggestions.py, test_referrals.py, test_public_awards.py.
NAMES = ("full_name", "code", "number", "emoji")
HEART = "%E2%9D%A4%EF%B8%8F"
# What is wrong elsewhere and may be asked here, with the answer: ids of things of all kinds (a setting has a name),
# a username, how a name begins (text that is not UTF-8 stays as it was escaped), a member's number above 100, places in
# a channel.
RIGHT: dict[tuple[str, str], tuple[int, tuple[str, ...]]] = {
    ("list_audit_log", "resource_id"): (200, ("c4n4ry", "..%2F..")),
    ("list_users", "username"): (200, ("c4n4ry",)),
    ("list_users", "q"): (200, ("c4n4ry", "%FF", "%C3%28", "..%2F..", "'%20OR%201=1--")),
    ("preview_mail", "member_number"): (404, ("101",)),
    ("list_messages", "before"): (404, ("101",)),
    ("list_messages", "around"): (404, ("101",)),
    ("list_changes", "since"): (404, ("0", "101")),
    ("list_receipts", "limit"): (404, ("101",)),
}
WRONG_KEYS = ("", " ", "two words", "é", "x" * 256, "\x7f", "tab\there", "\x80\xff")
HARMLESS_HEADERS: dict[str, str] = {
    "Idempotency-Key": "~!@#$%^&*()_+" * 19,
    "User-Agent": "x" * 8_000,
    "X-Forwarded-For": "198.51.100.1, " * 500 + "203.0.113.7",
    "Origin": "https://evil.example\x0b",
    "Cookie": "session=" + "a" * 8_000,
    "Accept": "application/xml;q=1.0, */*;q=0",
    "Accept-Encoding": "br;q=1.0, gzip;q=0.8, *;q=0.1",
    "Accept-Language": "xx-" + "y" * 500,
    "If-None-Match": "*",
    "If-Modified-Since": "never",
    "Range": "bytes=0-0,-1",
    "traceparent": "00-" + "z" * 200 + "-1-1",
    "X-Cloud-Trace-Context": "\x7f" * 200,
    "X-HTTP-Method-Override": "DELETE",
    "X-Forwarded-Host": "evil.example",
    "X-Original-URL": "/v1/admin/qr/batches",
    "Forwarded": 'for="[::1]"; host=evil.example',
    "Date": "yesterday",
}
ADDRESSES = ("fe80::1%eth0", "::ffff:203.0.113.7", "203.0.113.7:443", "unknown", "_hidden", "", ",", "203.0.113.7,",
             "999.1.1.1", "é", "' OR 1=1", "x" * 5_000)  # fmt: skip
WELL_FORMED = ("fe80::1%eth0", "::ffff:203.0.113.7")


def said(operation: Operation) -> dict[str, Any]:
    """The part of the contract about the operation."""
    found: dict[str, Any] = contract.document()["paths"][operation.template][operation.method.lower()]
    return found


def parameters(operation: Operation, place: str) -> Iterator[dict[str, Any]]:
    resolved = (openapi.resolved(parameter) for parameter in said(operation).get("parameters", []))
    return (parameter for parameter in resolved if parameter["in"] == place)


def headers_of(operation: Operation) -> dict[str, str]:
    """The headers of a request with a JSON body, and some version where the operation wants one (If-Match)."""
    wants = {parameter["name"] for parameter in parameters(operation, "header")}
    return JSON | ({"If-Match": '"1"'} if "If-Match" in wants else {})


def content_of(operation: Operation) -> tuple[bytes, dict[str, str]]:
    """A body that the operation takes, with the headers of the request: the contract's example, as a form or JSON."""
    media, headers = media_of(operation), headers_of(operation)
    if media["Content-Type"] != FORM:
        return json.dumps(example_of(operation) or {}).encode(), headers
    schema = openapi.resolved(said(operation)["requestBody"]["content"][FORM]["schema"])
    return urlencode(schema["example"]).encode(), headers | media


def required_query(operation: Operation) -> str:
    """A query with a value for each parameter that the operation wants: the first that is listed, 1, or an id."""
    wanted = {
        parameter["name"]: "1" if schema.get("type") == "integer" else schema.get("enum", [str(uuid4())])[0]
        for parameter in parameters(operation, "query")
        if parameter.get("required")
        for schema in [openapi.resolved(parameter["schema"])]
    }
    return f"?{urlencode(wanted)}" if wanted else ""


def methods_of(function: str, path: str) -> set[str]:
    """The methods that a function has at the path. Another may have more, which it does not know: what is asked of
    /v1/admin/users/export is done by one function, and another reads /v1/admin/users/{user_id}.
    """
    return {found.method for found in contract.operations() if found.function == function and found.matches(path)}


def with_query() -> list[Operation]:
    return [found for found in contract.operations() if list(parameters(found, "query"))]


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_wrong_query_parameter_is_named_and_nothing_is_read(client: Client) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    wrong: list[str] = []
    right = 0
    for operation in with_query():
        for parameter in parameters(operation, "query"):
            if parameter["name"] in NAMES:
                continue
            values = WRONG_NUMBERS if openapi.resolved(parameter["schema"])["type"] == "integer" else WRONG_TEXTS
            taken, texts = RIGHT.get((operation.operation_id, parameter["name"]), (200, ()))
            for value in values:
                path = f"{path_of(operation)}?{parameter['name']}={value}"
                answer = somebody.send(operation.method, path, *content_of(operation))
                is_as_told = answer.status == taken if value in texts else refusal(answer) == (422, "not-valid")
                if not is_as_told:
                    wrong.append(f"{operation.operation_id}, {parameter['name']}={value[:40]}: {answer.status}")
                right += value in texts
    assert not wrong, "\n".join(wrong)
    assert len(with_query()) >= 4
    assert right == sum(len(texts) for _, texts in RIGHT.values()), "every exception is still of use"


def test_a_parameter_that_is_unknown_or_comes_twice_is_refused(client: Client) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    for operation in with_query():
        for query in WRONG_QUERIES:
            answer = somebody.send(operation.method, f"{path_of(operation)}?{query}", *content_of(operation))
            assert (answer.status, answer.problem) == (422, "not-valid"), f"{operation.operation_id}?{query[:40]}"
            assert len(answer.body["errors"]) <= 50


def test_only_a_cursor_of_ours_is_taken(client: Client) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    made_up = [
        "2026-11-22T12:00:00+00:00", f"2026-11-22T12:00:00|{uuid4()}", f"yesterday|{uuid4()}", "2026-11-22T12:00:00Z|1",
        f"0001-01-01T00:00:00+14:00|{uuid4()}", f"9999-12-31T23:59:59-14:00|{uuid4()}", "|", f"|{uuid4()}", "\x00",
    ]  # fmt: skip
    for operation in with_query():
        if not any(parameter["name"] == "cursor" for parameter in parameters(operation, "query")):
            continue
        for text in made_up:
            answer = somebody.get(f"{path_of(operation)}?cursor={cursor(text)}")
            assert (answer.status, answer.problem) == (422, "not-valid"), f"{operation.operation_id}: {text}"
            assert [error["field"] for error in answer.body["errors"]] == ["/cursor"]


def test_an_id_in_a_path_that_is_none_names_nothing(client: Client, sql: Connection) -> None:
    """Three tables are left out: keys, counters of limits, and standings, which the chat makes to lock them."""
    somebody = client(factories.member(role=Role.OWNER).token)
    counted = ("idempotency_keys", "attempt_counters", "social_standings")
    before = rows_of_all_tables(sql, without=counted)
    asked = 0
    for operation in contract.operations():
        for parameter in parameters(operation, "path"):
            if parameter["name"] in NAMES:
                continue
            expected = {(404, "not-found")}
            if "second-factor-not-set-up" in said(operation).get("x-problems", []):
                expected.add((403, "second-factor-not-set-up"))  # before that, nobody learns what there is
            if "account-not-approved" in said(operation).get("x-problems", []):
                expected.add((409, "account-not-approved"))  # likewise
            if "transaction-not-seen" in said(operation).get("x-problems", []):
                expected.add((409, "chain-unavailable"))  # the nodes are asked before anything is looked for here
            if operation.operation_id == "unblock_member":
                expected.add((204, ""))  # nobody whom the member has blocked
            for value in (*WRONG_IDS, str(uuid4()), str(UUID(int=0))):
                path = operation.template.replace("{" + parameter["name"] + "}", value).replace("{emoji}", HEART)
                path += required_query(operation)
                body, headers = content_of(operation)
                headers |= {"Idempotency-Key": f"{asked}"}
                answer = answer_of(somebody.raw(operation.function, operation.method, path, body, headers))
                assert (answer.status, answer.problem) in expected, f"{operation.operation_id}: {value[:40]}"
                asked += 1
    assert asked >= 2 * len(WRONG_IDS)
    assert rows_of_all_tables(sql, without=counted) == before


def is_no_emoji(operation: Operation, path: str) -> bool:
    """True for a path of the operation whose end should be an emoji and is none."""
    pattern = re.sub(r"\{\w+\}", "[^/]+", operation.template)
    return operation.template.endswith("/{emoji}") and re.fullmatch(pattern, path) is not None and "\x00" not in path


def test_paths_that_only_resemble_an_operation_are_not_found(client: Client, sql: Connection) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    before = rows_of_all_tables(sql)
    for operation in contract.operations():
        path = path_of(operation)
        doubled, dotted = (re.sub("/([^/]+)$", rf"{between}\1", path) for between in ("//", "/./"))
        other_version = path.replace("/v1", "/v2").replace("/.well-known", "/.known")
        tails = [f"{path}{tail}" for tail in ("/", "/x", "%00", "%20", "%2F", ";x=1", ".json")]
        elsewhere = ("/", "/v1", "/.env", "/%2e%2e/etc/passwd", f"/x/..{path}")
        resembling = (*tails, *elsewhere, path.upper(), doubled, dotted, other_version)
        body, headers = content_of(operation)
        for other in resembling:
            answer = answer_of(somebody.raw(operation.function, operation.method, other, body, headers))
            methods = methods_of(operation.function, unquote(other))
            path_of_another = methods and operation.method not in methods  # /comps/award.json names a comp, to be read
            expected = (405, "method-not-allowed") if path_of_another else (404, "not-found")
            if is_no_emoji(operation, unquote(other)):
                expected = (422, "not-valid")
            assert (answer.status, answer.problem) == expected, f"{operation.operation_id}: {other}"
    assert rows_of_all_tables(sql) == before


def test_another_method_is_refused_with_those_that_the_contract_has(client: Client, sql: Connection) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    before = rows_of_all_tables(sql)
    paths = itertools.groupby(sorted(contract.operations(), key=lambda found: found.template), lambda f: f.template)
    for _, found in paths:
        operations = list(found)
        path = path_of(operations[0])
        there_are = methods_of(operations[0].function, path)
        there_are |= {"HEAD"} if "GET" in there_are else set()
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "FOO"} - there_are:
            answer = answer_of(somebody.raw(operations[0].function, method, path, b"{}", JSON))
            assert (answer.status, answer.problem) == (405, "method-not-allowed"), f"{method} {operations[0].template}"
            assert set(answer.headers["Allow"].split(", ")) == there_are
    assert rows_of_all_tables(sql) == before


def test_an_operation_of_another_function_is_not_found_here(client: Client) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    for operation in contract.operations():
        elsewhere = "users" if operation.function != "users" else "wallet"
        answer = answer_of(somebody.raw(elsewhere, operation.method, path_of(operation), b"{}", JSON))
        assert (answer.status, answer.problem) == (404, "not-found"), operation.operation_id


def test_a_malformed_idempotency_key_is_refused_by_every_mutation(client: Client, sql: Connection) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    before = rows_of_all_tables(sql)
    for operation, rule in operations_for():
        if operation.method not in MUTATING or rule.by == "vendor":  # a vendor's message has a name of its own
            continue
        body = json.dumps(example_of(operation) or {}).encode()
        media = media_of(operation)
        for key in WRONG_KEYS:
            headers = {**media, "Idempotency-Key": key.encode().decode("latin-1")}
            answer = somebody.send(operation.method, path_of(operation) + required_query(operation), body, headers)
            assert (answer.status, answer.problem) == (422, "not-valid"), f"{operation.operation_id}: {key[:20]!r}"
            assert [error["field"] for error in answer.body["errors"]] == ["Idempotency-Key"]
    assert rows_of_all_tables(sql) == before


def test_headers_that_are_none_of_our_business_change_nothing(client: Client) -> None:
    somebody = client(factories.member().token)
    usual = somebody.get("/v1/users/me")
    for name, value in HARMLESS_HEADERS.items():
        answer = somebody.send("GET", "/v1/users/me", headers={name: value})
        assert (answer.status, answer.body) == (200, usual.body), name
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_no_header_of_an_answer_repeats_what_was_sent(client: Client) -> None:
    canary = "c4n4ry"
    somebody = client(factories.member().token)
    for path in ("/v1/users/me", f"/v1/{canary}", f"/v1/scans/recent?{canary}={canary}"):
        headers = dict.fromkeys(
            ("Origin", "User-Agent", "Referer", "traceparent", "Access-Control-Request-Method"), canary
        )
        response = somebody.raw("scans" if "scans" in path else "users", "GET", path, headers=headers)
        assert canary not in str(response.headers)


def test_a_request_without_an_address_from_the_edge_is_refused(client: Client, sql: Connection) -> None:
    member = factories.member()
    codes = factories.manufactured_codes(len(ADDRESSES))
    for address, code in zip(ADDRESSES, codes, strict=True):
        body, headers = json.dumps({"code": code}).encode(), {**JSON, "X-Client-Address": address}
        answer = answer_of(client(member.token).raw("scans", "POST", "/v1/scans/submit", body, headers))
        told = (201, "") if address in WELL_FORMED else (403, "not-through-the-gateway")
        assert (answer.status, answer.problem) == told, address[:40]
    stored = {str(address) for (address,) in sql.execute_simple("SELECT host(ip_address) FROM scans").rows}
    assert stored == {"fe80::1", "203.0.113.7"}


def test_a_very_long_query_is_refused(client: Client) -> None:
    somebody = client(factories.member().token)
    for path in ("/v1/users/me", "/v1/scans/recent"):
        refused = somebody.get(f"{path}?{quote('x' * 1_000_000)}")
        assert (refused.status, refused.problem) == (422, "not-valid")
