"""Reads requests and writes responses: bodies, queries, problems, the client's address, CORS."""

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BytesIO
from typing import TypeVar

from flask import Request, Response
from pydantic import BaseModel, ValidationError

from shared.config import Config, read
from shared.values import encoding, fault_texts
from shared.values.fields import Body, Query
from shared.values.problems import (
    CONTENT_TYPE,
    BodyNotReadable,
    BodyTooLarge,
    ContentTypeNotSupported,
    NotValid,
    PreconditionFailed,
    PreconditionRequired,
    Problem,
)

BodyModel = TypeVar("BodyModel", bound=Body)
QueryModel = TypeVar("QueryModel", bound=Query)

ERRORS_MAX = 50
IPV6_NETWORK_BITS = 64
LOGGED_IPV4_BITS = 24
LOGGED_IPV6_BITS = 48
CSV = "text/csv; charset=utf-8"
HTML = "text/html; charset=utf-8"
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PLAIN = "identity"  # no content coding (RFC 9110, section 8.4.1)
ALLOWED_HEADERS = "Authorization, Content-Type, Dry-Run, Idempotency-Key, If-Match"
PREFLIGHT_SECONDS = 600
NOT_MODIFIED = 304
PIECE_BYTES = 64 * 1024
SAFE_HEADERS = {
    "Cache-Control": "no-store",  # a response is for the caller alone unless it says otherwise
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=63072000; includeSubDomains",
    "X-Content-Type-Options": "nosniff",
}
DISCARDED_BYTES_MAX = 32 * 1024 * 1024  # what API Gateway and Cloud Run let through


class HttpConfig(Config):
    """The origins whose web pages may read our responses."""

    allowed_origins: str = "https://blakjaks.com,https://admin.blakjaks.com"


@dataclass(frozen=True)
class Client:
    """Where a request came from, as the edge says (shared/web/edge.py)."""

    ip_address: str
    user_agent: str
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def network(self) -> str:
        """The network of one household or attacker: an IPv4 address, or the /64 of an IPv6 address."""
        address = ipaddress.ip_address(self.ip_address)
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.IPv6Network((address, IPV6_NETWORK_BITS), strict=False))
        return str(address)

    @property
    def coarse_network(self) -> str:
        """The network for log lines: the /24 of an IPv4 address, the /48 of an IPv6 one; no log line has an address."""
        address = ipaddress.ip_address(self.ip_address)
        bits = LOGGED_IPV6_BITS if isinstance(address, ipaddress.IPv6Address) else LOGGED_IPV4_BITS
        return str(ipaddress.ip_network((self.ip_address, bits), strict=False))


@dataclass(frozen=True)
class Redirect:
    """The result of a handler that redirects the client to `location`."""

    location: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CsvFile:
    """The result of a handler that answers with lines of text; `version` names them, as their ETag."""

    text: str
    version: str


@dataclass(frozen=True)
class HtmlPage:
    """The result of a handler that shows people a page. It may send forms to us, and loads nothing from anywhere."""

    html: str


@dataclass(frozen=True)
class Upload:
    """A complete file sent as the body; `boundary` separates the parts of a form and is empty for anything else."""

    data: bytes
    boundary: str = ""


@dataclass(frozen=True)
class RawRequest:
    """A vendor's message as it came, before its signature is checked: the body may be anything, of any type."""

    headers: Mapping[str, str] = field(repr=False)
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class IfMatch:
    """The versions that a change may apply to (RFC 9110, section 13.1.1): entity tags, or "*" for any."""

    tags: frozenset[str]

    def check(self, revision: int) -> None:
        """Raises PreconditionFailed when this version is not among them. A weak tag never matches."""
        if not self.tags & {"*", entity_tag(revision)}:
            raise PreconditionFailed


def read_body(request: Request, bytes_max: int) -> bytes:
    """The raw body. Raises BodyTooLarge without reading more than necessary, BodyNotReadable when it breaks off."""
    too_large = BodyTooLarge(f"At most {bytes_max} bytes are taken here.")
    if (request.content_length or 0) > bytes_max:
        raise too_large
    try:
        raw = request.stream.read(bytes_max + 1)
    except Exception:  # noqa: BLE001 - every server has exceptions of its own, and they quote what was sent
        raise BodyNotReadable("The body breaks off.") from None
    if len(raw) > bytes_max:
        raise too_large
    return raw


def discard_body(request: Request) -> None:
    """Read and drop the rest of the body: a client that is still sending may otherwise lose the answer.

    functions-framework would keep the whole body in memory.
    """
    with suppress(Exception):  # a body that breaks off does not matter here
        for _ in range(0, DISCARDED_BYTES_MAX, PIECE_BYTES):
            if not request.stream.read(PIECE_BYTES):
                break
    request.stream = BytesIO()


def entity_tag(revision: int | str) -> str:
    """The ETag of a version."""
    return f'"{revision}"'


def with_etag(request: Request, response: Response) -> Response:
    """The response with a weak ETag made of its body; 304 without a body for a client that names it in
    `If-None-Match` (RFC 9110, section 13.1.2). Other conditions are about versions, and this has none.
    """
    response.add_etag(weak=True)
    if request.if_none_match.contains_weak(response.get_etag()[0] or ""):
        response.status_code = NOT_MODIFIED
        response.set_data(b"")
        response.headers.remove("Content-Type")
    return response


def if_match(request: Request) -> IfMatch:
    """The versions that `If-Match` names. Raises PreconditionRequired without that header."""
    header = request.headers.get("If-Match")
    if header is None:
        raise PreconditionRequired
    return IfMatch(frozenset(tag.strip() for tag in header.split(",")))


def asks_dry_run(request: Request, *, possible: bool) -> bool:
    """True if the client only wants to know the answer (`Dry-Run: true`).

    Raises NotValid for another value, and where it is not possible: nobody's trial becomes the real thing.
    """
    header = request.headers.get("Dry-Run")
    if header is None:
        return False
    if header != "true" or not possible:
        message = "must be true" if possible else "is not possible here"
        raise NotValid(errors=[{"field": "Dry-Run", "message": message}])
    return True


def require_content_type(request: Request, *wanted: str) -> None:
    """Check that the body has one of the `wanted` types (parameters such as charset are ignored) and no content coding.

    Raises ContentTypeNotSupported.
    """
    if request.mimetype not in wanted:
        raise ContentTypeNotSupported(f"Send {' or '.join(wanted)}.", headers={"Accept": ", ".join(wanted)})
    if request.headers.get("Content-Encoding", PLAIN).strip().lower() != PLAIN:
        raise ContentTypeNotSupported("Send the body without a Content-Encoding.", headers={"Accept-Encoding": PLAIN})


def parse_body(raw: bytes, model: type[BodyModel]) -> BodyModel:
    """The body as a model. Raises BodyNotReadable if it is not JSON, NotValid with every wrong field."""
    try:
        encoding.parse(raw)
    except encoding.NotJson as error:
        raise BodyNotReadable(f"The body is not JSON as we read it: {error}.") from None
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise _not_valid(error) from None


def parse_query(request: Request, model: type[QueryModel]) -> QueryModel:
    """The query as a model. Raises NotValid with every wrong parameter, also one that is given twice."""
    given: dict[str, str] = {}
    for name, values in request.args.lists():
        if len(values) > 1:
            raise NotValid(errors=[{"field": f"/{name}", "message": "is given more than once"}])
        given[name] = values[0]
    try:
        encoding.check_text(given)
        return model.model_validate_strings(given)
    except encoding.NotJson as error:
        raise NotValid(errors=[{"field": "", "message": str(error)}]) from None
    except ValidationError as error:
        raise _not_valid(error) from None


def json_response(status: int, value: object) -> Response:
    """A response with `value` as JSON; an empty response for None."""
    if value is None:
        return Response(status=status)
    return Response(encode(value), status, content_type="application/json")


def encode(value: object) -> bytes:
    """The JSON of a reply model, or of anything else that has a JSON form."""
    return encoding.dump(value.model_dump() if isinstance(value, BaseModel) else value)


def problem_response(problem: Problem) -> Response:
    """The problem as a response, as RFC 9457 describes it."""
    response = Response(encoding.dump(problem.document()), problem.status, content_type=CONTENT_TYPE)
    response.headers.update(problem.headers)
    return response


def dress(request: Request, response: Response) -> None:
    """Add the headers of every response: those that keep it private and safe, and CORS."""
    for name, value in SAFE_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.update(cors(request.headers.get("Origin", "")))


def cors(origin: str) -> Mapping[str, str]:
    """The headers that let our own web pages read the response; for other origins only `Vary`."""
    if origin not in read(HttpConfig).allowed_origins.split(","):
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",  # the cookie of a referral link comes with the sign-up
        "Access-Control-Expose-Headers": "Dry-Run, ETag, Location, Retry-After",
        "Vary": "Origin",
    }


def allowed(methods: list[str]) -> str:
    """The value of `Allow`; a path with GET also takes HEAD."""
    return ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])


def preflight(request: Request, methods: list[str]) -> Response:
    """Answer an OPTIONS request, which the gateway passes on to the function (Fetch standard, CORS protocol)."""
    headers = {"Allow": allowed(methods)}
    if "Access-Control-Allow-Origin" in cors(request.headers.get("Origin", "")):
        headers |= {
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": ALLOWED_HEADERS,
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }
    return Response(status=204, headers=headers)


def _not_valid(error: ValidationError) -> NotValid:
    """One error per fault, with the JSON pointer (RFC 6901) of its field; the sent value is never repeated."""
    faults = error.errors(include_url=False, include_input=False)[:ERRORS_MAX]
    return NotValid(
        errors=[
            {
                "field": "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in fault["loc"]),
                "message": fault_texts.message(fault),
            }
            for fault in faults
        ]
    )
