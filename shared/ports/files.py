"""Cloud Storage: files written and read as streams, joined, deleted, and handed out by signed URLs.

STORAGE_EMULATOR_HOST ("http://host:port") chooses an emulator. Memory stays at one chunk however large a file is. A
deadline that passes leaves no half-written file: an object appears when its last byte has arrived, or not at all. Each
call raises FilesUnavailable for what may pass by itself.
"""

import os
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.ports.outage import Outage

if TYPE_CHECKING:
    from google.cloud.storage import Blob, Client
    from google.oauth2.service_account import Credentials

CHUNK_BYTES = 8 * 1024 * 1024  # a multiple of 256 KiB, as resumable uploads demand
CRC32C_BYTES = 4
CALL_SECONDS_MAX = 60.0
REPEAT_SECONDS_MAX = 60.0
COMPOSE_MAX = 32
SIGNED_URL_MAX = timedelta(days=7)
SIGN_SECONDS_MAX = 10.0
SIGN_SCOPE = "https://www.googleapis.com/auth/iam"
CLOUD_IAM = "https://iamcredentials.googleapis.com"
CLOUD_STORAGE = "https://storage.googleapis.com"
UNQUOTED = b"/~"  # characters of an object's name that a signed URL leaves unquoted


class FilesFailure(Exception):
    """The base class of this port's exceptions."""


class FileMissing(FilesFailure):
    """Raised when there is no such file, or it was replaced while it was read."""


class FileExists(FilesFailure):
    """Raised by `if_absent` when the file exists. It may come from an earlier attempt of the same caller."""


class FileDamaged(FilesFailure):
    """Raised when what was read or stored is not what was sent."""


class FilesUnavailable(FilesFailure, Outage):
    """Raised for a temporary failure: the same call may succeed later."""


@dataclass(frozen=True)
class Stored:
    """One version of a file."""

    generation: int
    size_bytes: int


def write(
    bucket: str,
    name: str,
    chunks: Iterable[bytes],
    content_type: str,
    *,
    cache_control: str | None = None,
    if_absent: bool = False,
) -> None:
    """Write the chunks to the file, replacing it; with `if_absent`, raise FileExists instead of replacing.

    If `chunks` raises, nothing is written.
    """
    blob = _blob(bucket, name)
    blob.cache_control = cache_control
    blob.chunk_size = CHUNK_BYTES
    condition = {"if_generation_match": 0} if if_absent else {}
    # `blob.open("wb")` is not used: after a failure its writer uploads once more when it is garbage collected.
    with _named_failures(bucket, name):
        blob.upload_from_file(
            _Stream(chunks), content_type=content_type, retry=_repeat(), timeout=CALL_SECONDS_MAX, **condition
        )


def read(bucket: str, name: str) -> Iterator[bytes]:
    """The contents in chunks, all of one version of the file. Raises FileMissing, also when it is replaced meanwhile,
    and FileDamaged at the end, when the checksum is not the stored one.
    """
    import google_crc32c

    blob = _blob(bucket, name)
    options = {"retry": _repeat(), "timeout": CALL_SECONDS_MAX}
    with _named_failures(bucket, name, when_another_version=FileMissing):
        blob.reload(**options)
        stored, checksum = blob.crc32c, 0
        options |= {"if_generation_match": blob.generation, "checksum": None}  # a part has no checksum of its own
        for start in range(0, blob.size, CHUNK_BYTES):
            chunk = blob.download_as_bytes(start=start, end=start + CHUNK_BYTES - 1, **options)
            checksum = google_crc32c.extend(checksum, chunk)
            yield chunk
    if stored != b64encode(checksum.to_bytes(CRC32C_BYTES, "big")).decode():
        raise FileDamaged(f"{bucket}/{name}: the checksum of what was read is not the stored one")


def stored(bucket: str, name: str) -> Stored:
    """The file's present version. Raises FileMissing."""
    blob = _blob(bucket, name)
    with _named_failures(bucket, name):
        blob.reload(retry=_repeat(), timeout=CALL_SECONDS_MAX)
    return Stored(blob.generation, blob.size)


def read_from(bucket: str, name: str, version: Stored, start: int, piece_bytes: int) -> Iterator[bytes]:
    """The contents of that version from byte `start` on, in pieces. Raises FileMissing when it was replaced."""
    blob = _blob(bucket, name)
    condition = {"if_generation_match": version.generation, "checksum": None}  # a part has no checksum of its own
    for first in range(start, version.size_bytes, piece_bytes):
        with _named_failures(bucket, name, when_another_version=FileMissing):
            piece: bytes = blob.download_as_bytes(
                start=first, end=first + piece_bytes - 1, retry=_repeat(), timeout=CALL_SECONDS_MAX, **condition
            )
        yield piece


def delete(bucket: str, name: str) -> None:
    """Delete the file; does nothing if there is none."""
    try:
        with _named_failures(bucket, name):
            _blob(bucket, name).delete(timeout=CALL_SECONDS_MAX, retry=_repeat())
    except FileMissing:
        return


def compose(bucket: str, name: str, parts: Sequence[str]) -> None:
    """Join files of the bucket in order, any number of them, without moving their bytes. The parts stay.

    A call joins at most 32, so longer lists grow step by step in files beside the target (`<name>.joining-1` …), which
    are deleted in the end. Each of them always has the same contents: repeating the call, even at the same time, is
    harmless, and `name` appears complete or not at all. It gets the content type of the first part. Raises FileMissing.
    """
    if not parts:
        raise ValueError("nothing to join")
    first = _blob(bucket, parts[0])
    with _named_failures(bucket, parts[0]):
        first.reload(timeout=CALL_SECONDS_MAX, retry=_repeat())
    left = list(parts)
    steps: list[str] = []
    while len(left) > COMPOSE_MAX:
        steps.append(f"{name}.joining-{len(steps) + 1}")
        _join(bucket, steps[-1], left[:COMPOSE_MAX], first.content_type)
        left = [steps[-1], *left[COMPOSE_MAX:]]
    _join(bucket, name, left, first.content_type)
    for step in steps:
        delete(bucket, step)


def signed_url(bucket: str, name: str, *, signed_at: datetime, expires_in: timedelta, filename: str | None) -> str:
    """A URL that downloads the file as an attachment, for anybody who has it, until it expires (7 days at most).

    Signed again for the same moment, it is the same URL. The service account FILES_SERVICE_ACCOUNT signs through IAM's
    signBlob: the function needs `iam.serviceAccounts.signBlob` on it, and it must be able to read the file.
    """
    asked = {"response_disposition": _attachment(filename)}
    return _signed(bucket, name, signed_at=signed_at, expires_in=expires_in, **asked)


def signed_upload(
    bucket: str, name: str, *, signed_at: datetime, expires_in: timedelta, content_type: str, bytes_max: int
) -> tuple[str, dict[str, str]]:
    """A URL that takes one PUT of the file, and the headers that must come with it.

    The storage refuses an empty or too large body, and a second upload: the first file stays.
    """
    headers = {
        "Content-Type": content_type,
        "x-goog-content-length-range": f"1,{bytes_max}",
        "x-goog-if-generation-match": "0",
    }
    return _signed(bucket, name, signed_at=signed_at, expires_in=expires_in, method="PUT", headers=headers), headers


def _signed(bucket: str, name: str, *, signed_at: datetime, expires_in: timedelta, **asked: Any) -> str:
    if not timedelta(0) < expires_in <= SIGNED_URL_MAX:
        raise ValueError(f"a signed address lives up to {SIGNED_URL_MAX}, not {expires_in}")
    from google.cloud.storage._signing import generate_signed_url_v4

    credentials = _signing_credentials_of(os.getpid(), _emulator(), os.environ["FILES_SERVICE_ACCOUNT"])
    with _named_failures(bucket, name):
        url: str = generate_signed_url_v4(
            credentials,
            f"/{bucket}/{quote(name, safe=UNQUOTED)}",
            expires_in,
            api_access_endpoint=_emulator() or CLOUD_STORAGE,
            # The blob's own method always uses the current time.
            _request_timestamp=f"{signed_at.astimezone(UTC):%Y%m%dT%H%M%SZ}",
            **asked,
        )
    return url


class _Stream:
    """A file-like object from which the client reads chunks of any size."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""
        self._position = 0

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end: the client takes a short answer for the end."""
        gathered = bytearray(self._left)
        while len(gathered) < size and (chunk := next(self._chunks, None)) is not None:
            gathered += chunk
        self._left = bytes(gathered[size:])
        del gathered[size:]
        self._position += len(gathered)
        return bytes(gathered)

    def tell(self) -> int:
        return self._position


def _join(bucket: str, name: str, parts: Sequence[str], content_type: str | None) -> None:
    target = _blob(bucket, name)
    target.content_type = content_type
    with _named_failures(bucket, name):
        target.compose([_blob(bucket, part) for part in parts], timeout=CALL_SECONDS_MAX, retry=_repeat())


def _attachment(filename: str | None) -> str:
    """A Content-Disposition value (RFC 6266): an ASCII name for old clients, the real one in UTF-8."""
    if filename is None:
        return "attachment"
    plain = "".join(letter if letter.isascii() and letter.isprintable() and letter not in '"\\' else "_"
                    for letter in filename)  # fmt: skip
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


@contextmanager
def _named_failures(bucket: str, name: str, when_another_version: type[FilesFailure] = FileExists) -> Iterator[None]:
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import TransportError
    from google.cloud.storage.exceptions import DataCorruption
    from requests.exceptions import RequestException

    try:
        yield
    except GoogleAPICallError as error:
        named = _failure_of(int(error.code or 0), when_another_version)
        if named is None:
            raise
        raise named(f"{bucket}/{name}: {error}") from error
    except DataCorruption as error:
        raise FileDamaged(f"{bucket}/{name}") from error
    except (RetryError, RequestException, TransportError) as error:
        raise FilesUnavailable(f"{bucket}/{name}: {error}") from error


def _failure_of(status: int, when_another_version: type[FilesFailure]) -> type[FilesFailure] | None:
    if status == HTTPStatus.NOT_FOUND:
        return FileMissing
    if status == HTTPStatus.PRECONDITION_FAILED:
        return when_another_version
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return FilesUnavailable
    return None


def _repeat() -> Any:
    """A retry policy for every call of this port; the client's own default repeats only some of them."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return DEFAULT_RETRY.with_timeout(REPEAT_SECONDS_MAX)


def _blob(bucket: str, name: str) -> "Blob":
    return _client_of(os.getpid(), _emulator()).bucket(bucket).blob(name)


def _emulator() -> str:
    return os.environ.get("STORAGE_EMULATOR_HOST", "")


@lru_cache
def _client_of(process_id: int, emulator: str) -> "Client":
    """One client per process and emulator: connections do not survive a fork, and a child's process id differs."""
    from google.cloud.storage import Client

    del process_id, emulator  # the client reads the emulator's address from the environment itself
    return Client()


@lru_cache
def _signing_credentials_of(process_id: int, emulator: str, account: str) -> "Credentials":
    """Credentials whose signatures are made by IAM, or by the emulator, which answers the same call."""
    import google.auth
    from google.auth import iam
    from google.auth.credentials import AnonymousCredentials
    from google.auth.transport.requests import Request
    from google.oauth2.service_account import Credentials

    del process_id
    send = Request()
    # The package claims to be typed, but these constructors are not.
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    caller = nobody if emulator else google.auth.default(scopes=[SIGN_SCOPE])[0]

    def request(url: str, **options: Any) -> Any:
        here = url.replace(CLOUD_IAM, emulator) if emulator else url
        return send(here, timeout=SIGN_SECONDS_MAX, **options)

    signer = iam.Signer(request, caller, account)  # type: ignore[no-untyped-call]
    return Credentials(signer, account, token_uri="")  # type: ignore[no-untyped-call]
