"""Reading requests and writing answers, without a database: addresses, queries, bodies, problems, CORS, routes."""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import pytest
from flask import Flask, Request
from pydantic import Field, ValidationError
from werkzeug.test import EnvironBuilder

from shared import config
from shared.api import Api
from shared.auth import Anyone
from shared.values.contacts import EmailAddress
from shared.values.fields import Body, Listing, Page, Query, Reply
from shared.values.problems import BodyNotReadable, BodyTooLarge, ContentTypeNotSupported, NotValid, Problem
from shared.web import edge, http, paging
from shared.web.in_transaction import Route

SECRET = "s3cr3t-value"


class Inner(Body):
    count: Annotated[int, Field(ge=0)]


class Given(Body):
    email: EmailAddress
    inner: Inner | None = None
    many: Annotated[list[Inner], Field(default_factory=list)]


class Choice(Query):
    name: str | None = None


class NoMoreTea(Problem):
    status, title = 418, "The pot is empty."


class OAuth2TokenExpired(Problem):
    status, title = 401, "x"


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("ALLOWED_ORIGINS", raising=False)
    config.read.cache_clear()
    yield
    config.read.cache_clear()


def request(**given: object) -> Request:
    return Request(EnvironBuilder(**given).get_environ())  # type: ignore[arg-type] # whatever a test needs


def chunked(body: io.IOBase) -> Request:
    """A request whose server says where its body ends."""
    return Request(EnvironBuilder().get_environ() | {"wsgi.input": body, "wsgi.input_terminated": True})


def errors(fault: pytest.ExceptionInfo[NotValid]) -> list[str]:
    found = fault.value.members["errors"]
    assert isinstance(found, list)
    return [error["field"] for error in found]


def test_a_user_agent_is_kept_within_bounds() -> None:
    assert (
        len(edge.client_of(request(headers={"User-Agent": "x" * 5_000, "X-Client-Address": "203.0.113.7"})).user_agent)
        == edge.USER_AGENT_MAX
    )


def test_a_body_is_read_up_to_its_bound() -> None:
    assert http.read_body(request(data=b"12345"), 5) == b"12345"
    with pytest.raises(BodyTooLarge):
        http.read_body(request(data=b"123456"), 5)


def test_a_body_without_a_length_is_bounded_too() -> None:
    with pytest.raises(BodyTooLarge):
        http.read_body(chunked(io.BytesIO(b"123456")), 5)
    assert http.read_body(chunked(io.BytesIO(b"12345")), 5) == b"12345"


def test_a_body_that_breaks_off_is_not_readable() -> None:
    class Broken(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _: object) -> int:
            raise ConnectionResetError

    with pytest.raises(BodyNotReadable):
        http.read_body(chunked(Broken()), 5)


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/json+x", "application/x-json"])
def test_another_content_type_is_refused(content_type: str | None) -> None:
    with pytest.raises(ContentTypeNotSupported):
        http.require_content_type(request(content_type=content_type), "application/json")


def test_every_wrong_field_is_named_by_its_pointer() -> None:
    raw = json.dumps({"email": 1, "inner": {"count": -1, "a/b~c": 1}, "many": [{"count": 1}, {"count": "2"}], "x": 1})
    with pytest.raises(NotValid) as fault:
        http.parse_body(raw.encode(), Given)
    assert set(errors(fault)) == {"/email", "/inner/count", "/inner/a~1b~0c", "/many/1/count", "/x"}


def test_what_was_sent_is_not_repeated() -> None:
    raw = json.dumps({"email": SECRET, "inner": {"count": SECRET}, "many": SECRET})
    with pytest.raises(NotValid) as fault:
        http.parse_body(raw.encode(), Given)
    assert SECRET not in json.dumps(fault.value.document())


@pytest.mark.parametrize("model", [Given, Choice, Inner, Page])
def test_an_error_of_a_model_does_not_show_what_it_was_given(model: type[Body | Query]) -> None:
    """A trace of it may end in the log."""
    with pytest.raises(ValidationError) as fault:
        model.model_validate({"email": SECRET, "unknown": SECRET, "count": SECRET, "limit": SECRET})
    assert SECRET not in str(fault.value)


def test_an_error_of_a_reply_does_not_show_it_either() -> None:
    class Answer(Reply):
        number: int

    with pytest.raises(ValidationError) as fault:
        Answer.model_validate({"number": SECRET})
    assert SECRET not in str(fault.value)


def test_an_address_is_folded_before_it_is_judged() -> None:
    assert http.parse_body(b'{"email": "  Ada@Example.COM "}', Given).email == "ada@example.com"


@pytest.mark.parametrize("query", ["name=a&name=b", "other=1", "name=%00", "name=a&NAME=b", "limit=1"])
def test_a_query_is_read_strictly(query: str) -> None:
    with pytest.raises(NotValid):
        http.parse_query(request(query_string=query), Choice)


def test_a_query_may_hold_any_text() -> None:
    assert http.parse_query(request(query_string="name=%F0%9F%92%A5+%26"), Choice).name == "\U0001f4a5 &"


@pytest.mark.parametrize("limit", ["1_0", "5.0", "+5", " 5", "\uff15", "5e0", "0x5", "-0", ""])
def test_a_limit_is_written_in_digits(limit: str) -> None:
    with pytest.raises(NotValid) as fault:
        http.parse_query(request(query_string={"limit": limit}), Page)
    assert errors(fault) == ["/limit"]


def test_a_problem_is_written_as_rfc_9457_has_it() -> None:
    response = http.problem_response(NoMoreTea("Come back later.", headers={"Retry-After": "5"}, cups=0))
    assert (response.status_code, response.content_type) == (418, "application/problem+json")
    assert response.headers["Retry-After"] == "5"
    assert json.loads(response.data) == {
        "type": "/problems/no-more-tea",
        "title": "The pot is empty.",
        "status": 418,
        "detail": "Come back later.",
        "cups": 0,
    }


def test_a_slug_is_the_name_in_small_letters() -> None:
    assert OAuth2TokenExpired.slug() == "oauth2-token-expired"


def test_only_our_own_pages_may_read_an_answer() -> None:
    ours = http.cors("https://blakjaks.com")
    assert ours["Access-Control-Allow-Origin"] == "https://blakjaks.com"
    assert ours["Vary"] == "Origin"
    for origin in ("", "null", "https://blakjaks.com.evil.example", "http://blakjaks.com", "https://blakjaks.com:8443",
                   "https://BLAKJAKS.com", "*", "https://blakjaks.com,https://admin.blakjaks.com"):  # fmt: skip
        assert http.cors(origin) == {"Vary": "Origin"}, origin


def test_a_preflight_names_the_methods_and_headers_to_our_own_pages_only() -> None:
    ours = http.preflight(request(headers={"Origin": "https://admin.blakjaks.com"}), ["GET", "POST"])
    assert (ours.status_code, ours.headers["Access-Control-Allow-Methods"]) == (204, "GET, POST")
    other = http.preflight(request(headers={"Origin": "https://evil.example"}), ["GET", "POST"])
    assert (other.status_code, "Access-Control-Allow-Methods" in other.headers) == (204, False)


@pytest.fixture(scope="module")
def route() -> Route:
    api = Api("tests")

    def find(caller: Anyone, thing_id: UUID) -> None: ...

    api.get("/v1/things/{thing_id}/parts")(find)
    return api.routes[0]


def test_a_path_is_matched_segment_by_segment(route: Route) -> None:
    assert route.match("/v1/things/7/parts") == {"thing_id": "7"}
    others = ("", "/", "/v1/things/parts", "/v1/things//parts", "/v1/things/7/parts/", "/v1/things/7/8/parts")
    for other in (*others, "/V1/things/7/parts", "/v1/things/7/Parts", "//v1/things/7/parts", "v1/things/7/parts"):
        assert route.match(other) is None, other


def test_a_path_that_is_named_precedes_one_that_takes_any() -> None:
    api = Api("tests")

    def find(caller: Anyone, thing_id: UUID) -> None: ...

    def find_all(caller: Anyone) -> None: ...

    api.get("/v1/things/{thing_id}")(find)
    api.get("/v1/things/parts")(find_all)
    handlers = [route.contract.handler for route, _ in api.matching("/v1/things/parts")]
    assert handlers == [find_all, find]
    assert api.matching("/v1/things/7") == [(api.routes[0], {"thing_id": "7"})]


def test_a_cursor_goes_out_and_comes_back() -> None:
    position = paging.Position(datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC), UUID(int=7))
    rows, cursor = paging.page([position, position], 1, lambda row: row)
    assert rows == [position]
    assert paging.after(cursor) == position
    assert paging.after(None) is None
    assert paging.page([position], 1, lambda row: row) == ([position], None)


def test_a_cursor_of_a_rank_is_good_for_its_order() -> None:
    for figure in (0, 7, -7, 2**63 - 1):
        rank = paging.Rank("chips", figure, UUID(int=7))
        _, cursor = paging.page([rank, rank], 1, lambda row: row)
        assert paging.after_rank(cursor, "chips") == rank
        with pytest.raises(NotValid):
            paging.after_rank(cursor, "earnings")
    assert paging.after_rank(None, "chips") is None


def test_a_page_with_more_items_says_so() -> None:
    listing = Listing[str](items=["a"], next_cursor=None)
    assert listing.model_dump() == {"items": ["a"], "next_cursor": None}


def test_outside_a_request_nothing_of_flask_is_needed() -> None:
    with Flask("x").app_context():
        assert http.json_response(204, None).data == b""
