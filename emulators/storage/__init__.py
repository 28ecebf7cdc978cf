"""Cloud Storage on a laptop: the parts of its JSON and XML APIs that files need, for the official client.

`host` is what STORAGE_EMULATOR_HOST takes. Contents lie in a temporary folder, so that large files cost no memory; a
stop removes them. PyPI's gcp-storage-emulator was tried first: it ignores preconditions and signatures, on which
"write only if absent" and private downloads rest.

Served: buckets; simple, multipart and resumable uploads; downloads with ranges; metadata; listing with prefix and
delimiter; compose; delete; generation and metageneration preconditions; checksums; V4 signed URLs for GET, HEAD and
PUT, with their signature and expiry checked, and what their headers demand of an upload's length and generation; and
IAM's signBlob, because only its key makes URLs that pass here.

Differs from the service:
- Nobody is authenticated on the JSON API or signBlob, and one throwaway key signs for every service account.
- A plain URL (no signature) reads from a bucket made with `public=True`, and is refused otherwise.
- Absent, and answered 501 where asked for: versioning, soft delete, copy and rewrite, retention, ACLs, CORS,
  lifecycle, notifications, gzip transcoding, resumable uploads through signed URLs.
- Everything is consistent at once, and there is no rate limit (the service takes about one write a second per name).
"""

import base64
import json
import re
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import escape

from emulators.http_server import READ_BYTES, Handler, HttpServer
from emulators.storage.objects import (
    Bucket,
    Conditions,
    ObjectStore,
    StorageRefusal,
    StoredObject,
    invalid,
    not_emulated,
)
from emulators.storage.signing import UrlSigner
from emulators.storage.uploads import Uploads, multipart_parts

PAGE_DEFAULT = 1000
JSON_BYTES_MAX = 1024 * 1024
MULTIPART_BYTES_MAX = 32 * 1024 * 1024  # the client sends more than 8 MiB as a resumable upload
RANGE = re.compile(r"bytes=(\d*)-(\d*)")
LENGTH_RANGE = re.compile(r"(\d+),(\d+)")
LISTING_KNOWN = {"prefix", "delimiter", "maxResults", "pageToken", "projection", "prettyPrint", "fields", "alt"}


class Storage:
    """The server. `now` is the clock by which signed URLs expire."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._server: HttpServer | None = None
        self._store: ObjectStore | None = None
        self._uploads: Uploads | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def host(self) -> str:
        """The address with its scheme: "http://127.0.0.1:port"."""
        if self._server is None:
            raise RuntimeError("the storage emulator is not running")
        return self._server.url

    def start(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="storage-")
        store = ObjectStore(Path(self._folder.name))
        uploads = Uploads(store)
        bound = {"store": store, "signer": UrlSigner(), "uploads": uploads, "now": staticmethod(self._now)}
        self._store, self._uploads = store, uploads
        self._server = HttpServer(type("BoundStorageHandler", (_StorageHandler,), bound))
        self._server.start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None
        if self._uploads is not None:
            self._uploads.discard_all()
        if self._folder is not None:
            self._folder.cleanup()
        self._store = self._uploads = self._folder = None

    def create_bucket(self, name: str, *, public: bool = False) -> None:
        if self._store is None:
            raise RuntimeError("the storage emulator is not running")
        self._store.create_bucket(name, public=public)


class _StorageHandler(Handler):
    store: ObjectStore
    signer: UrlSigner
    uploads: Uploads
    now: Callable[[], datetime]

    def _serve(self) -> None:
        try:
            for method, pattern, serve in ROUTES:
                found = pattern.fullmatch(self.target_path)
                if found and method == self.command:
                    serve(self, *map(unquote, found.groups()))
                    return
            self._serve_by_plain_address()
        except StorageRefusal as refusal:
            self._refuse(refusal)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the base class's names

    # Buckets:

    def create_bucket(self) -> None:
        self.answer_json(HTTPStatus.OK, self.store.create_bucket(self._json()["name"], public=False).resource())

    def list_buckets(self) -> None:
        items = [bucket.resource() for bucket in self.store.buckets()]
        self.answer_json(HTTPStatus.OK, {"kind": "storage#buckets", "items": items})

    def get_bucket(self, bucket: str) -> None:
        self.answer_json(HTTPStatus.OK, self.store.bucket(bucket).resource())

    def delete_bucket(self, bucket: str) -> None:
        self.store.delete_bucket(bucket)
        self.answer(HTTPStatus.NO_CONTENT)

    # Objects:

    def list_objects(self, bucket: str) -> None:
        unknown = self.query.keys() - LISTING_KNOWN
        if unknown:
            raise not_emulated(f"Listing with {', '.join(sorted(unknown))}")
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter", "")
        after = base64.urlsafe_b64decode(self.query.get("pageToken", "")).decode()
        # An entry is an object, or the folder that stands for the objects below this level.
        entries: dict[str, StoredObject | None] = {}
        for found in self.store.objects(bucket, prefix):
            folder = _folder(found.name, prefix, delimiter)
            entries[folder or found.name] = None if folder else found
        wanted = sorted(entry for entry in entries if entry > after)
        page = wanted[: int(self.query.get("maxResults") or PAGE_DEFAULT)]
        answer: dict[str, Any] = {
            "kind": "storage#objects",
            "items": [self._resource(each) for each in map(entries.__getitem__, page) if each is not None],
            "prefixes": [entry for entry in page if entries[entry] is None],
        }
        if len(page) < len(wanted):
            answer["nextPageToken"] = base64.urlsafe_b64encode(page[-1].encode()).decode()
        self.answer_json(HTTPStatus.OK, answer)

    def get_object(self, bucket: str, name: str) -> None:
        if self.query.get("alt") == "media":
            self._download(bucket, name)
            return
        found = self.store.get(bucket, name, self.query.get("generation", ""))
        self._conditions().check(found, HTTPStatus.NOT_MODIFIED)
        self.answer_json(HTTPStatus.OK, self._resource(found))

    def patch_object(self, bucket: str, name: str) -> None:
        changed = self.store.change(bucket, name, self._json(), self._conditions())
        self.answer_json(HTTPStatus.OK, self._resource(changed))

    def delete_object(self, bucket: str, name: str) -> None:
        self.store.delete(bucket, name, self.query.get("generation", ""), self._conditions())
        self.answer(HTTPStatus.NO_CONTENT)

    def compose(self, bucket: str, name: str) -> None:
        wanted = self._json()
        if wanted.get("deleteSourceObjects"):
            raise not_emulated("deleteSourceObjects")
        sources = [
            (
                source["name"],
                str(source.get("generation") or ""),
                Conditions.from_query(source.get("objectPreconditions", {})),
            )
            for source in wanted.get("sourceObjects", [])
        ]
        made = self.store.compose(bucket, name, sources, wanted.get("destination", {}), self._conditions())
        self.answer_json(HTTPStatus.OK, self._resource(made))

    # Uploads:

    def upload(self, bucket: str) -> None:
        kind = self.query.get("uploadType")
        if kind == "resumable":
            self._begin_resumable(bucket)
        elif kind == "multipart":
            if self.body_left > MULTIPART_BYTES_MAX:
                raise StorageRefusal(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "uploadTooLarge", "EntityTooLarge", "Too large."
                )
            attributes, content_type, content = multipart_parts(self.headers["content-type"], self.body())
            self._store_whole(bucket, {"contentType": content_type, **attributes}, [content])
        else:
            content_type = self.headers.get("content-type", "application/octet-stream")
            self._store_whole(bucket, {"contentType": content_type}, self.body_pieces())

    def continue_upload(self, bucket: str) -> None:
        del bucket  # the upload remembers its bucket
        upload = self.uploads.find(self.query.get("upload_id", ""))
        headers = {name.lower(): value for name, value in self.headers.items()}
        made = upload.receive(headers, self.body_pieces())
        if made is not None:
            self.answer_json(HTTPStatus.OK, self._resource(made))
            return
        received = {"range": f"bytes=0-{upload.size - 1}"} if upload.size else {}
        self.answer(HTTPStatus.PERMANENT_REDIRECT, headers=received)

    def cancel_upload(self, bucket: str) -> None:
        del bucket
        self.uploads.cancel(self.query.get("upload_id", ""))
        self.answer(CLIENT_CLOSED_REQUEST)

    def _begin_resumable(self, bucket: str) -> None:
        attributes = {"contentType": self.headers.get("x-upload-content-type"), **self._json()}
        name = attributes.get("name") or self.query.get("name", "")
        upload_id = self.uploads.begin(bucket, name, attributes, self._conditions())
        location = f"{self._url()}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={upload_id}"
        self.answer(HTTPStatus.OK, headers={"location": location})

    def _store_whole(self, bucket: str, attributes: dict[str, Any], pieces: Any) -> None:
        name = attributes.get("name") or self.query.get("name", "")
        made = self.uploads.store_whole(bucket, name, attributes, pieces, self._conditions())
        self.answer_json(HTTPStatus.OK, self._resource(made))

    # Plain and signed URLs (the XML API), and signing them:

    def _serve_by_plain_address(self) -> None:
        bucket, _, name = unquote(self.target_path).lstrip("/").partition("/")
        if not bucket and self.command == "GET":
            self.answer(HTTPStatus.OK)
            return
        if self.command not in ("GET", "HEAD", "PUT") or not name or self.target_path.startswith(JSON_PATHS):
            raise not_emulated(f"{self.command} {self.target_path}")
        self._authorise(self.store.bucket(bucket))
        if self.command == "PUT":
            attributes = {"contentType": self.headers.get("content-type", "application/octet-stream")}
            _check_length(self.headers.get("x-goog-content-length-range", ""), self.body_left)
            conditions = Conditions.from_headers(dict(self.headers.items()))
            made = self.uploads.store_whole(bucket, name, attributes, self.body_pieces(), conditions)
            self.answer(HTTPStatus.OK, headers=_object_headers(made))
        else:
            self._download(bucket, name)

    def _authorise(self, bucket: Bucket) -> None:
        if "X-Goog-Signature" in self.query:
            self.signer.check(self.command, self.path, dict(self.headers.items()), self.now())
        elif not bucket.public or self.command == "PUT":
            raise StorageRefusal(HTTPStatus.FORBIDDEN, "forbidden", "AccessDenied", "Access denied.")

    def sign_blob(self, service_account: str) -> None:
        signature = self.signer.sign(base64.b64decode(self._json()["payload"]))
        self.answer_json(HTTPStatus.OK, {"keyId": service_account, "signedBlob": base64.b64encode(signature).decode()})

    # Helpers of the methods above:

    def _download(self, bucket: str, name: str) -> None:
        found, file = self.store.open(bucket, name, self.query.get("generation", ""))
        with file:
            self._conditions().check(found, HTTPStatus.NOT_MODIFIED)
            first, last, partial = _range(self.headers.get("range", ""), found.content.size)
            headers = {**_object_headers(found), **_overridden(self.query), "accept-ranges": "bytes"}
            if partial:
                headers["content-range"] = f"bytes {first}-{last}/{found.content.size}"
            left = last - first + 1
            self.send_head(HTTPStatus.PARTIAL_CONTENT if partial else HTTPStatus.OK, left, headers=headers)
            file.seek(first)
            while left > 0 and self.command != "HEAD":
                piece = file.read(min(READ_BYTES, left))
                self.wfile.write(piece)
                left -= len(piece)

    def _refuse(self, refusal: StorageRefusal) -> None:
        if refusal.status == HTTPStatus.NOT_MODIFIED:
            self.answer(refusal.status)
        elif self.target_path.startswith(JSON_PATHS):
            reason = {"message": str(refusal), "domain": "global", "reason": refusal.reason}
            error = {"code": int(refusal.status), "message": str(refusal), "errors": [reason]}
            self.answer_json(refusal.status, {"error": error})
        else:
            text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{refusal.code}</Code>"
            text += f"<Message>{escape(str(refusal))}</Message></Error>"
            self.answer(refusal.status, text.encode(), "application/xml; charset=UTF-8")

    def _json(self) -> dict[str, Any]:
        if self.body_left > JSON_BYTES_MAX:
            raise invalid("The body is too large.")
        body = self.body()
        value = json.loads(body) if body else {}
        if not isinstance(value, dict):
            raise invalid("The body must be an object.")
        return value

    def _conditions(self) -> Conditions:
        return Conditions.from_query(self.query)

    def _url(self) -> str:
        return f"http://{self.headers['host']}"

    def _resource(self, found: StoredObject) -> dict[str, Any]:
        return found.resource(self._url())


def _folder(name: str, prefix: str, delimiter: str) -> str:
    """The name up to the first delimiter after the prefix; empty when there is none."""
    at = name.find(delimiter, len(prefix)) if delimiter else -1
    return "" if at < 0 else name[: at + len(delimiter)]


def _range(header: str, size: int) -> tuple[int, int, bool]:
    """The first and last byte, and whether that is a part; a header of another form is ignored, as HTTP asks."""
    found = RANGE.fullmatch(header)
    if found is None or found.groups() == ("", ""):
        return 0, size - 1, False
    first, last = found.groups()
    if not first:
        return max(0, size - int(last)), size - 1, True
    if int(first) >= size:
        raise StorageRefusal(
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
            "requestedRangeNotSatisfiable",
            "InvalidRange",
            "Beyond the end.",
        )
    return int(first), min(int(last or size - 1), size - 1), True


def _check_length(header: str, length: int) -> None:
    """Check the bounds that a signed URL sets for an upload (storage/docs/xml-api/reference-headers)."""
    found = LENGTH_RANGE.fullmatch(header)
    if header and found is None:
        raise invalid("x-goog-content-length-range must be two numbers of bytes.")
    if found and length < int(found[1]):
        raise StorageRefusal(HTTPStatus.BAD_REQUEST, "invalid", "EntityTooSmall", "The upload is too small.")
    if found and length > int(found[2]):
        raise StorageRefusal(HTTPStatus.BAD_REQUEST, "invalid", "EntityTooLarge", "The upload is too large.")


def _object_headers(found: StoredObject) -> dict[str, str]:
    checksums = f"crc32c={found.content.crc32c}" + (f",md5={found.content.md5}" if found.content.md5 else "")
    attributes = found.attributes
    optional = {
        "cache-control": attributes.get("cacheControl"),
        "content-disposition": attributes.get("contentDisposition"),
        "content-encoding": attributes.get("contentEncoding"),
        "content-language": attributes.get("contentLanguage"),
    }
    return {
        "content-type": attributes.get("contentType") or "application/octet-stream",
        "etag": f'"{found.etag}"',
        "x-goog-generation": str(found.generation),
        "x-goog-metageneration": str(found.metageneration),
        "x-goog-stored-content-length": str(found.content.size),
        "x-goog-hash": checksums,
        **{name: value for name, value in optional.items() if value},
    }


def _overridden(query: dict[str, str]) -> dict[str, str]:
    """The headers of the answer that a signed URL may set."""
    asked = {"content-disposition": "response-content-disposition", "content-type": "response-content-type"}
    return {header: query[parameter] for header, parameter in asked.items() if parameter in query}


CLIENT_CLOSED_REQUEST = 499  # the service's answer to a cancelled upload
JSON_PATHS = ("/storage/v1/", "/upload/storage/v1/", "/download/storage/v1/", "/v1/")
BUCKETS = re.compile(r"/storage/v1/b")
BUCKET = re.compile(r"/storage/v1/b/([^/]+)")
OBJECTS = re.compile(r"/storage/v1/b/([^/]+)/o")
OBJECT = re.compile(r"(?:/download)?/storage/v1/b/([^/]+)/o/([^/]+)")
COMPOSE = re.compile(r"/storage/v1/b/([^/]+)/o/([^/]+)/compose")
UPLOAD = re.compile(r"/upload/storage/v1/b/([^/]+)/o")
SIGN_BLOB = re.compile(r"/v1/projects/-/serviceAccounts/([^/:]+):signBlob")
ROUTES: tuple[tuple[str, re.Pattern[str], Callable[..., None]], ...] = (
    ("POST", BUCKETS, _StorageHandler.create_bucket),
    ("GET", BUCKETS, _StorageHandler.list_buckets),
    ("GET", BUCKET, _StorageHandler.get_bucket),
    ("DELETE", BUCKET, _StorageHandler.delete_bucket),
    ("GET", OBJECTS, _StorageHandler.list_objects),
    ("GET", OBJECT, _StorageHandler.get_object),
    ("PATCH", OBJECT, _StorageHandler.patch_object),
    ("DELETE", OBJECT, _StorageHandler.delete_object),
    ("POST", COMPOSE, _StorageHandler.compose),
    ("POST", UPLOAD, _StorageHandler.upload),
    ("PUT", UPLOAD, _StorageHandler.continue_upload),
    ("DELETE", UPLOAD, _StorageHandler.cancel_upload),
    ("POST", SIGN_BLOB, _StorageHandler.sign_blob),
)
