"""Every answer says that nobody may keep it, that it is of the type it names, and what browsers may do with it."""

import json
from collections.abc import Callable, Iterator

import pytest
from werkzeug.test import TestResponse

from emulators import contract
from emulators.contract import Operation
from shared.auth import Role
from shared.web.http import SAFE_HEADERS
from tests import factories, openapi
from tests.client import FunctionClient, answer_of, app
from tests.operations.access import operations_for
from tests.operations.examples import example_of, media_of, path_of

Client = Callable[..., FunctionClient]

OURS, FOREIGN = "https://blakjaks.com", "https://evil.example"
FOR_EVERYBODY = {"jwks": "public, max-age=300", "get_live": "public, max-age=1",
                 "get_public_insights": "public, max-age=30", "list_awards": "public, max-age=5"}  # fmt: skip
QUERIES = {"suggest_usernames": "?full_name=Ada"}
CHANGING = {"suggest_usernames": {"Content-Length"}, "get_live": {"Content-Length"}}  # by chance, and by the clock
FORWARDED = {"follow_referral"}  # a link that others append parameters to (fbclid, utm_source)


def ask(
    client: FunctionClient, operation: Operation, method: str = "", query: str = "", **headers: str
) -> TestResponse:
    path = path_of(operation) + (query or QUERIES.get(operation.operation_id, ""))
    body = json.dumps(example_of(operation) or {}).encode()
    given = {**media_of(operation), **{name.replace("_", "-"): value for name, value in headers.items()}}
    return client.raw(operation.function, method or operation.method, path, body, given)


def answers(client: Client) -> Iterator[tuple[str, TestResponse]]:
    """A success or a refusal by each operation, refusals that come before any operation, and a bug's."""
    owner = client(factories.member(role=Role.OWNER).token)
    for operation in contract.operations():
        yield operation.operation_id, ask(owner, operation, Origin=OURS)
        yield f"{operation.operation_id} by nobody", ask(client(), operation, Origin=OURS)
        yield f"PROPFIND {operation.template}", ask(client(), operation, "PROPFIND", Origin=OURS)
        yield f"OPTIONS {operation.template}", ask(client(), operation, "OPTIONS", Origin=OURS)
    for function, said in contract.functions().items():
        if said.gateway:
            for path in ("/nothing", "/robots.txt", "/favicon.ico"):
                yield f"{function} {path}", owner.raw(function, "GET", path, headers={"Origin": OURS})
            direct = app(function).test_client().get("/v1/users/me", headers={"Origin": OURS})
            yield f"{function} around the gateway", direct


def test_every_answer_has_the_headers_that_keep_it_safe(client: Client) -> None:
    wrong, tried = [], 0
    for name, response in answers(client):
        wanted = dict(SAFE_HEADERS)
        if response.status_code < 300:
            wanted["Cache-Control"] = FOR_EVERYBODY.get(name.removesuffix(" by nobody"), "no-store")
        given = {header: response.headers.getlist(header) for header in wanted}
        if given != {header: [value] for header, value in wanted.items()}:
            wrong.append(f"{name}: {response.status_code} {given}")
        tried += 1
    assert not wrong, "\n".join(wrong)
    assert tried > 500


def test_every_answer_says_that_it_depends_on_who_asks_and_our_pages_may_read_it(client: Client) -> None:
    wrong = [
        f"{name}: {dict(response.headers)}"
        for name, response in answers(client)
        if (response.headers.getlist("Vary"), response.headers.get("Access-Control-Allow-Origin")) != (["Origin"], OURS)
    ]
    assert not wrong, "\n".join(wrong)


def test_other_pages_may_not_read_it_and_it_depends_on_who_asks_all_the_same(client: Client) -> None:
    somebody = client(factories.member(role=Role.OWNER).token)
    for operation in contract.operations():
        for headers in ({"Origin": FOREIGN}, {}):
            response = ask(somebody, operation, **headers)
            assert response.headers.getlist("Vary") == ["Origin"], operation.operation_id
            assert not [name for name, _ in response.headers.items() if name.startswith("Access-Control")]


def test_what_can_be_got_can_be_asked_for_its_headers_alone(client: Client) -> None:
    """RFC 9110, section 9.3.2: the same headers, no content."""
    owner, tried = client(factories.member(role=Role.OWNER).token), 0
    for operation in contract.operations():
        if operation.method != "GET":
            continue
        got, head = ask(owner, operation), ask(owner, operation, "HEAD")
        assert (head.status_code, head.data) == (got.status_code, b""), operation.operation_id
        same = {"Content-Type", "Content-Length", "ETag", "Cache-Control"} - CHANGING.get(operation.operation_id, set())
        assert {name: head.headers.get(name) for name in same} == {name: got.headers.get(name) for name in same}
        tried += 1
    assert tried >= 40


def test_what_can_only_be_posted_cannot_be_asked_for_its_headers(client: Client) -> None:
    owner = client(factories.member(role=Role.OWNER).token)
    gets = {operation.template for operation in contract.operations() if operation.method == "GET"}
    for operation in contract.operations():
        if operation.template not in gets and not any(
            found.method == "GET" and found.matches(path_of(operation)) for found in contract.operations()
        ):
            response = ask(owner, operation, "HEAD")
            assert (response.status_code, "HEAD" in response.headers["Allow"]) == (405, False), operation.template


def test_a_query_parameter_that_an_operation_does_not_know_is_named(client: Client) -> None:
    owner = client(factories.member(role=Role.OWNER).token)
    for operation, rule in operations_for():
        if operation.operation_id in FORWARDED or rule.by == "vendor":  # of a vendor's only the message is looked at
            continue
        query = QUERIES.get(operation.operation_id, "?") + "&lmit=5&a%2Fb=1"
        answer = answer_of(ask(owner, operation, query=query))
        assert (answer.status, answer.problem) == (422, "not-valid"), operation.operation_id
        named = {"field": "/lmit", "message": "is not known here"}
        assert named in answer.body["errors"], operation.operation_id
        assert "/a~1b" in {error["field"] for error in answer.body["errors"]}


def test_a_link_that_others_have_appended_to_is_followed_all_the_same(client: Client) -> None:
    link = client(factories.member().token).get("/v1/affiliate/referral-link").body
    for query in ("", "?fbclid=1&utm_source=x"):
        answer = client().get(f"/r/{link['code']}{query}")
        assert (answer.status, "Location" in answer.headers) == (302, True)


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "GZIP", "gzip, identity", "x"])
def test_a_body_in_another_coding_is_refused_by_all_that_take_one(coding: str, client: Client) -> None:
    owner, tried = client(factories.member(role=Role.OWNER).token), 0
    for operation, rule in operations_for():
        said = contract.document()["paths"][operation.template][operation.method.lower()]
        if "requestBody" in said and rule.by != "vendor":
            response = ask(owner, operation, Content_Encoding=coding)
            answer = answer_of(response)
            openapi.check(operation.method, path_of(operation), answer.status, answer.headers, answer.body)
            assert (answer.status, answer.problem) == (415, "content-type-not-supported"), operation.operation_id
            assert answer.headers["Accept-Encoding"] == "identity"
            tried += 1
    assert tried >= 50


def test_a_body_that_says_that_it_has_no_coding_is_taken(client: Client) -> None:
    body = json.dumps({"email": "ada@example.com", "code": "000000"}).encode()
    headers = {"Content-Type": "application/json", "Content-Encoding": "identity"}
    assert client().send("POST", "/v1/auth/verify-email", body, headers).problem == "verification-code-not-valid"
