"""Reading requests and writing responses: bodies, queries, problems, the client's address, CORS."""

import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from typing import TypeVar

from flask import Request, Response
from pydantic import BaseModel, ValidationError

from shared import encoding
from shared.config import Config, read
from shared.fields import Body, Query
from shared.problems import (
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
USER_AGENT_MAX = 500
COOKIE_MAX = 200
IPV6_NETWORK_BITS = 64
PREFLIGHT_SECONDS = 600
PIECE_BYTES = 64 * 1024
DISCARDED_BYTES_MAX = 32 * 1024 * 1024  # what API Gateway and Cloud Run let through


class HttpConfig(Config):
    """What stands in front of the functions."""

    trusted_proxies: int = 1  # how many of them append to X-Forwarded-For
    allowed_origins: str = "https://blakjaks.com,https://admin.blakjaks.com"


@dataclass(frozen=True)
class Client:
    """Where a request came from; `ip_address` is None when no proxy told."""

    ip_address: str | None
    user_agent: str
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def network(self) -> str:
        """What one household or attacker has of addresses: an IPv4 address, the /64 of an IPv6 one."""
        address = ipaddress.ip_address(self.ip_address) if self.ip_address else None
        if isinstance(address, ipaddress.IPv6Address):
            return str(ipaddress.IPv6Network((address, IPV6_NETWORK_BITS), strict=False))
        return str(address)


@dataclass(frozen=True)
class Redirect:
    """What a handler returns whose answer is somewhere else."""

    location: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Upload:
    """A file sent as the body, whole; `boundary` parts the parts of a form and is empty for anything else."""

    data: bytes
    boundary: str = ""


@dataclass(frozen=True)
class IfMatch:
    """The versions that a change may be made to (RFC 9110, section 13.1.1): entity tags, or any."""

    tags: frozenset[str]

    def check(self, revision: int) -> None:
        """Raises PreconditionFailed when that version is not among them. A weak tag is never a match."""
        if not self.tags & {"*", entity_tag(revision)}:
            raise PreconditionFailed


def client_of(request: Request) -> Client:
    """The address that the outermost trusted proxy saw: what a client writes into the header is ignored."""
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",")]
    position = read(HttpConfig).trusted_proxies
    candidate = hops[-position] if len(hops) >= position else ""
    return Client(
        _address(candidate),
        request.headers.get("User-Agent", "")[:USER_AGENT_MAX].replace("\x00", ""),
        {name: value for name, value in request.cookies.items() if len(value) <= COOKIE_MAX},
    )


@lru_cache(maxsize=1000)
def _address(text: str) -> str | None:
    """In its one form, without a scope; None for what is none."""
    try:
        return str(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return None


def read_body(request: Request, bytes_max: int) -> bytes:
    """The raw body. Raises BodyTooLarge without reading more than it must, BodyNotReadable when it breaks off."""
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
    """Whoever is still sending is heard out, else the answer may get lost; functions-framework would keep it all."""
    with suppress(Exception):  # a body that breaks off where nobody reads it does not matter
        for _ in range(0, DISCARDED_BYTES_MAX, PIECE_BYTES):
            if not request.stream.read(PIECE_BYTES):
                break
    request.stream = BytesIO()


def entity_tag(revision: int) -> str:
    """The ETag of a version."""
    return f'"{revision}"'


def if_match(request: Request) -> IfMatch:
    """Raises PreconditionRequired when there is none."""
    header = request.headers.get("If-Match")
    if header is None:
        raise PreconditionRequired
    return IfMatch(frozenset(tag.strip() for tag in header.split(",")))


def require_content_type(request: Request, wanted: str) -> None:
    """Raises ContentTypeNotSupported unless the body is declared as `wanted` (parameters such as charset aside)."""
    if request.mimetype != wanted:
        raise ContentTypeNotSupported(f"Send {wanted}.")


def parse_body(raw: bytes, model: type[BodyModel]) -> BodyModel:
    """Raises BodyNotReadable for what is not JSON, NotValid naming every wrong field."""
    try:
        encoding.parse(raw)
    except encoding.NotJson as error:
        raise BodyNotReadable(f"The body is not valid JSON: {error}.") from None
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise _not_valid(error) from None


def parse_query(request: Request, model: type[QueryModel]) -> QueryModel:
    """Raises NotValid naming every wrong parameter, also one that is given twice."""
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
    """`value` as JSON; an empty response for None."""
    if value is None:
        return Response(status=status)
    return Response(encode(value), status, content_type="application/json")


def encode(value: object) -> bytes:
    """A reply model, or anything that has a JSON form."""
    return encoding.dump(value.model_dump() if isinstance(value, BaseModel) else value)


def problem_response(problem: Problem) -> Response:
    """The problem as RFC 9457 has it."""
    response = Response(encoding.dump(problem.document()), problem.status, content_type=CONTENT_TYPE)
    response.headers.update(problem.headers)
    return response


def cors(request: Request) -> Mapping[str, str]:
    """The headers that let our own web pages read the answer; none for other origins."""
    origin = request.headers.get("Origin", "")
    if origin not in read(HttpConfig).allowed_origins.split(","):
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",  # the cookie of a referral link comes with the sign-up
        "Access-Control-Expose-Headers": "ETag, Location, Retry-After",
        "Vary": "Origin",
    }


def preflight(request: Request, methods: list[str]) -> Response:
    """The gateway lets OPTIONS pass to the function: this answers it (Fetch standard, CORS protocol)."""
    allowed = cors(request)
    headers = {"Allow": ", ".join(methods)}
    if allowed:
        headers |= {
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-Match",
            "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
        }
    return Response(status=204, headers=headers)


def _not_valid(error: ValidationError) -> NotValid:
    """Each fault with the JSON pointer (RFC 6901) of its field; what was sent is never repeated."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)[:ERRORS_MAX]
    return NotValid(
        errors=[
            {
                "field": "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in fault["loc"]),
                "message": fault["msg"].removeprefix("Value error, "),
            }
            for fault in faults
        ]
    )
