"""Receives contents for the embedded Cloud Storage: in one piece, as multipart/related, or resumable piece by piece."""

import email
import json
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from emulators.storage.objects import Conditions, Content, ObjectStore, Spool, StorageRefusal, StoredObject, invalid

UPLOADS_MAX = 1000  # the oldest is forgotten, as the service forgets one after a week
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
BOUNDARY = re.compile(r'boundary="?([^";]+)"?')
MULTIPART_PIECES = 4  # what comes before the parts (nothing), the two parts, and the closing dashes
HASH = re.compile(r"(crc32c|md5)=([A-Za-z0-9+/=]+)")


class Upload:
    """One resumable upload: what has arrived, and the object once it is whole."""

    def __init__(
        self, store: ObjectStore, bucket: str, name: str, attributes: Mapping[str, Any], conditions: Conditions
    ) -> None:
        self._store = store
        self._place = (bucket, name)
        self._attributes = attributes
        self._conditions = conditions
        self._spool: Spool = store.spool()
        self._lock = threading.Lock()
        self._outcome: StoredObject | StorageRefusal | None = None

    @property
    def size(self) -> int:
        return self._spool.size

    def receive(self, headers: Mapping[str, str], pieces: Iterable[bytes]) -> StoredObject | None:
        """Take one request; returns the object if this request or an earlier one completed it, else None.

        A request says where its bytes belong (`bytes 0-99/*`), how long the whole is (`bytes 0-99/200`), or only asks
        how much has arrived (`bytes */200`). One whose bytes belong elsewhere is not taken; the answer tells the size.
        """
        with self._lock:
            if self._outcome is None and self._take(headers.get("content-range", ""), pieces) == self.size:
                self._outcome = self._finish(headers)
            if isinstance(self._outcome, StorageRefusal):
                raise self._outcome
            return self._outcome

    def discard(self) -> None:
        with self._lock:
            if self._outcome is None:
                self._spool.discard()

    def _finish(self, headers: Mapping[str, str]) -> StoredObject | StorageRefusal:
        content = self._spool.finish()
        try:
            _check_hashes(content, {**self._attributes, **_sent_hashes(headers)})
            return self._store.put(*self._place, content, self._attributes, self._conditions)
        except StorageRefusal as refusal:
            return refusal

    def _take(self, content_range: str, pieces: Iterable[bytes]) -> int | None:
        """Write the pieces that follow what is here; returns the length of the whole if the request tells it."""
        if not content_range:
            self._write(pieces)
            return self.size
        found = CONTENT_RANGE.fullmatch(content_range)
        if found is None:
            raise invalid("This is no Content-Range.")
        first, _, total = found.groups()
        if first is not None and int(first) == self.size:
            self._write(pieces)
        else:
            for _ in pieces:
                pass  # the body is read so that the connection stays usable
        return int(total) if total != "*" else None

    def _write(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self._spool.write(piece)


class Uploads:
    """The uploads under way, by id."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._under_way: OrderedDict[str, Upload] = OrderedDict()

    def begin(self, bucket: str, name: str, attributes: Mapping[str, Any], conditions: Conditions) -> str:
        self._store.check_can_put(bucket, name, conditions)
        upload_id = secrets.token_urlsafe(24)
        with self._lock:
            self._under_way[upload_id] = Upload(self._store, bucket, name, attributes, conditions)
            forgotten = self._under_way.popitem(last=False)[1] if len(self._under_way) > UPLOADS_MAX else None
        if forgotten is not None:
            forgotten.discard()
        return upload_id

    def find(self, upload_id: str) -> Upload:
        found = self._under_way.get(upload_id)
        if found is None:
            raise StorageRefusal(HTTPStatus.NOT_FOUND, "notFound", "NoSuchUpload", "No such upload.")
        return found

    def cancel(self, upload_id: str) -> None:
        upload = self.find(upload_id)
        with self._lock:
            self._under_way.pop(upload_id, None)
        upload.discard()

    def discard_all(self) -> None:
        with self._lock:
            for upload in self._under_way.values():
                upload.discard()
            self._under_way.clear()

    def store_whole(
        self,
        bucket: str,
        name: str,
        attributes: Mapping[str, Any],
        pieces: Iterable[bytes],
        conditions: Conditions,
    ) -> StoredObject:
        self._store.check_can_put(bucket, name, conditions)
        spool = self._store.spool()
        try:
            for piece in pieces:
                spool.write(piece)
        except OSError:
            spool.discard()
            raise
        content = spool.finish()
        _check_hashes(content, attributes)
        return self._store.put(bucket, name, content, attributes, conditions)


def multipart_parts(content_type: str, body: bytes) -> tuple[dict[str, Any], str, bytes]:
    """The metadata, the content's type and the content of a multipart/related upload."""
    found = BOUNDARY.search(content_type)
    pieces = f"\r\n{body.decode('latin-1')}".split(f"\r\n--{found[1]}") if found else []
    if len(pieces) != MULTIPART_PIECES:
        raise invalid("A multipart upload has two parts.")
    (_, metadata), (head, content) = (piece.split("\r\n\r\n", 1) for piece in pieces[1:3])
    media_type = email.message_from_string(head.strip()).get_content_type()
    return json.loads(metadata.encode("latin-1")), media_type, content.encode("latin-1")


def _sent_hashes(headers: Mapping[str, str]) -> dict[str, str]:
    names = {"crc32c": "crc32c", "md5": "md5Hash"}
    return {names[kind]: value for kind, value in HASH.findall(headers.get("x-goog-hash", ""))}


def _check_hashes(content: Content, told: Mapping[str, Any]) -> None:
    for field, ours in (("crc32c", content.crc32c), ("md5Hash", content.md5)):
        if told.get(field) not in (None, ours):
            content.path.unlink()
            raise invalid(f"Provided {field} {told[field]!r} doesn't match calculated {ours!r}.")
