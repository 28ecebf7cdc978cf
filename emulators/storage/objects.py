"""The embedded Cloud Storage's store: buckets, objects with their generations, and contents as files."""

import base64
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import quote

import google_crc32c

# https://cloud.google.com/storage/quotas#objects and https://cloud.google.com/storage/docs/objects#naming
NAME_BYTES_MAX = 1024
METADATA_BYTES_MAX = 8 * 1024  # names and values of an object's own metadata together
NAMES_RESERVED = frozenset({".", ".."})
PREFIX_RESERVED = ".well-known/acme-challenge/"
COMPOSE_SOURCES_MAX = 32
COPY_BYTES = 1024 * 1024
CRC32C_BYTES = 4
SETTABLE = ("contentType", "cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "metadata")


class StorageRefusal(Exception):
    """Raised to answer with an error. `reason` is the JSON API's, `code` the XML API's name of the same thing."""

    def __init__(self, status: int, reason: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.code = code


def invalid(message: str) -> StorageRefusal:
    return StorageRefusal(HTTPStatus.BAD_REQUEST, "invalid", "InvalidArgument", message)


def no_such_object(bucket: str, name: str) -> StorageRefusal:
    return StorageRefusal(HTTPStatus.NOT_FOUND, "notFound", "NoSuchKey", f"No such object: {bucket}/{name}")


def not_emulated(what: str) -> StorageRefusal:
    return StorageRefusal(HTTPStatus.NOT_IMPLEMENTED, "notImplemented", "NotImplemented", f"{what} is not emulated.")


@dataclass(frozen=True)
class Conditions:
    """The preconditions of a call; generation 0 stands for "there is no live object"."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        def number(name: str) -> int | None:
            value = str(query.get(name, ""))
            return int(value) if value.isdecimal() else None

        return cls(
            number("ifGenerationMatch"),
            number("ifGenerationNotMatch"),
            number("ifMetagenerationMatch"),
            number("ifMetagenerationNotMatch"),
        )

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> Self:
        """The preconditions in the headers of the XML API."""
        known = {"x-goog-if-generation-match": "ifGenerationMatch",
                 "x-goog-if-metageneration-match": "ifMetagenerationMatch"}  # fmt: skip
        return cls.from_query({known[name.lower()]: value for name, value in headers.items() if name.lower() in known})

    def check(self, live: "StoredObject | None", status_when_unchanged: int = HTTPStatus.PRECONDITION_FAILED) -> None:
        """Refuse with 412; for a failed "not match" of a read the caller passes 304."""
        generation = live.generation if live else 0
        metageneration = live.metageneration if live else 0
        if self.generation_match not in (None, generation) or self.metageneration_match not in (None, metageneration):
            raise _condition_not_met(HTTPStatus.PRECONDITION_FAILED)
        if self.generation_not_match == generation or (live and self.metageneration_not_match == metageneration):
            raise _condition_not_met(status_when_unchanged)


@dataclass(frozen=True)
class Content:
    """A finished file and its checksums as the API writes them (base64). A composed one has no MD5."""

    path: Path
    size: int
    crc32c: str
    md5: str | None


@dataclass(frozen=True)
class StoredObject:
    """One live object of a bucket."""

    bucket: str
    name: str
    generation: int
    metageneration: int
    content: Content
    attributes: Mapping[str, Any]  # those of SETTABLE
    component_count: int | None
    created: datetime
    updated: datetime

    def resource(self, url: str) -> dict[str, Any]:
        """The object as in https://cloud.google.com/storage/docs/json_api/v1/objects#resource ."""
        optional = {"md5Hash": self.content.md5, "componentCount": self.component_count}
        return {
            "kind": "storage#object",
            "storageClass": "STANDARD",
            "bucket": self.bucket,
            "name": self.name,
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "etag": self.etag,
            "size": str(self.content.size),
            "crc32c": self.content.crc32c,
            "timeCreated": _written(self.created),
            "updated": _written(self.updated),
            "mediaLink": f"{url}/download/storage/v1/b/{self.bucket}/o/{quote(self.name, '')}"
            f"?generation={self.generation}&alt=media",
            **{name: value for name, value in optional.items() if value is not None},
            **self.attributes,
        }

    @property
    def etag(self) -> str:
        return base64.b64encode(f"{self.generation}/{self.metageneration}".encode()).decode()


@dataclass(frozen=True)
class Bucket:
    """A bucket. If it is `public`, anybody may read its objects by their plain URL."""

    name: str
    public: bool
    created: datetime

    def resource(self) -> dict[str, Any]:
        return {
            "kind": "storage#bucket",
            "id": self.name,
            "name": self.name,
            "metageneration": "1",
            "location": "US",
            "storageClass": "STANDARD",
            "timeCreated": _written(self.created),
        }


class Spool:
    """A file being received, with its checksums so far."""

    def __init__(self, folder: Path) -> None:
        descriptor, name = tempfile.mkstemp(dir=folder)
        self._path = Path(name)
        self._file = os.fdopen(descriptor, "wb")
        self._crc32c = 0
        self._md5 = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._crc32c = google_crc32c.extend(self._crc32c, piece)
        self._md5.update(piece)
        self.size += len(piece)

    def finish(self) -> Content:
        self._file.close()
        digests = (self._crc32c.to_bytes(CRC32C_BYTES, "big"), self._md5.digest())
        return Content(self._path, self.size, *(base64.b64encode(digest).decode() for digest in digests))

    def discard(self) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)


class ObjectStore:
    """Thread-safe: an object changes in one step, and a reader keeps the file that it opened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}
        self._objects: dict[tuple[str, str], StoredObject] = {}
        self._generation = 0

    def create_bucket(self, name: str, *, public: bool) -> Bucket:
        with self._lock:
            if name in self._buckets:
                raise StorageRefusal(HTTPStatus.CONFLICT, "conflict", "BucketAlreadyOwnedByYou", f"{name} exists.")
            self._buckets[name] = Bucket(name, public, datetime.now(UTC))
            return self._buckets[name]

    def bucket(self, name: str) -> Bucket:
        if name not in self._buckets:
            message = "The specified bucket does not exist."
            raise StorageRefusal(HTTPStatus.NOT_FOUND, "notFound", "NoSuchBucket", message)
        return self._buckets[name]

    def buckets(self) -> list[Bucket]:
        return [self._buckets[name] for name in sorted(self._buckets)]

    def delete_bucket(self, name: str) -> None:
        with self._lock:
            self.bucket(name)
            if any(bucket == name for bucket, _ in self._objects):
                raise StorageRefusal(HTTPStatus.CONFLICT, "conflict", "BucketNotEmpty", "The bucket is not empty.")
            del self._buckets[name]

    def spool(self) -> Spool:
        return Spool(self._folder)

    def put(self, bucket: str, name: str, content: Content, attributes: Mapping[str, Any], conditions: Conditions,
            component_count: int | None = None) -> StoredObject:  # fmt: skip
        """Make `content` the live object in one step; if it is refused, its file is removed."""
        with self._lock:
            try:
                self.check_can_put(bucket, name, conditions)
                _check_metadata(attributes)
            except StorageRefusal:
                content.path.unlink()
                raise
            old = self._objects.get((bucket, name))
            self._generation = max(self._generation + 1, time.time_ns() // 1000)
            now = datetime.now(UTC)
            known = {key: value for key, value in attributes.items() if key in SETTABLE}
            new = StoredObject(bucket, name, self._generation, 1, content, known, component_count, now, now)
            self._objects[bucket, name] = new
        if old is not None:
            old.content.path.unlink()
        return new

    def check_can_put(self, bucket: str, name: str, conditions: Conditions) -> None:
        self.bucket(bucket)
        if not name or len(name.encode()) > NAME_BYTES_MAX or "\n" in name or "\r" in name:
            raise invalid("This is no name of an object.")
        if name in NAMES_RESERVED or name.startswith(PREFIX_RESERVED):
            raise invalid("This name of an object is reserved.")
        conditions.check(self._objects.get((bucket, name)))

    def get(self, bucket: str, name: str, generation: str = "") -> StoredObject:
        self.bucket(bucket)
        found = self._objects.get((bucket, name))
        if found is None or generation not in ("", str(found.generation)):
            raise no_such_object(bucket, name)
        return found

    def open(self, bucket: str, name: str, generation: str = "") -> tuple[StoredObject, IO[bytes]]:
        with self._lock:  # the object must not be replaced between finding it and opening its file
            found = self.get(bucket, name, generation)
            return found, found.content.path.open("rb")

    def objects(self, bucket: str, prefix: str) -> list[StoredObject]:
        """The objects of a bucket with a prefix, by name."""
        self.bucket(bucket)
        with self._lock:
            found = [each for each in self._objects.values() if each.bucket == bucket and each.name.startswith(prefix)]
        return sorted(found, key=lambda each: each.name)

    def change(self, bucket: str, name: str, attributes: Mapping[str, Any], conditions: Conditions) -> StoredObject:
        """Set attributes, or unset those given as None."""
        with self._lock:
            old = self.get(bucket, name)
            conditions.check(old)
            merged = {**old.attributes, **{key: value for key, value in attributes.items() if key in SETTABLE}}
            kept = {key: value for key, value in merged.items() if value is not None}
            metageneration = old.metageneration + 1
            new = replace(old, attributes=kept, metageneration=metageneration, updated=datetime.now(UTC))
            self._objects[bucket, name] = new
            return new

    def delete(self, bucket: str, name: str, generation: str, conditions: Conditions) -> None:
        with self._lock:
            found = self.get(bucket, name, generation)
            conditions.check(found)
            del self._objects[bucket, name]
        found.content.path.unlink()

    def compose(
        self,
        bucket: str,
        name: str,
        sources: Sequence[tuple[str, str, Conditions]],
        attributes: Mapping[str, Any],
        conditions: Conditions,
    ) -> StoredObject:
        """Join 1 to 32 objects of the bucket, each given as (name, generation or "", its conditions)."""
        if not 1 <= len(sources) <= COMPOSE_SOURCES_MAX:
            raise invalid(f"The number of source components must be between 1 and {COMPOSE_SOURCES_MAX}.")
        self.check_can_put(bucket, name, conditions)
        components = 0
        with ExitStack() as opened:
            files: list[IO[bytes]] = []
            for source, generation, source_conditions in sources:
                found, file = self.open(bucket, source, generation)
                files.append(opened.enter_context(file))
                source_conditions.check(found)
                components += found.component_count or 1
            spool = self.spool()
            for piece in _pieces(files):
                spool.write(piece)
        content = replace(spool.finish(), md5=None)
        return self.put(bucket, name, content, attributes, conditions, components)


def _pieces(files: Iterable[IO[bytes]]) -> Iterator[bytes]:
    for file in files:
        while piece := file.read(COPY_BYTES):
            yield piece


def _condition_not_met(status: int) -> StorageRefusal:
    message = "At least one of the pre-conditions you specified did not hold."
    return StorageRefusal(status, "conditionNotMet", "PreconditionFailed", message)


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _check_metadata(attributes: Mapping[str, Any]) -> None:
    own = attributes.get("metadata") or {}
    if sum(len(str(text).encode()) for pair in own.items() for text in pair) > METADATA_BYTES_MAX:
        raise invalid(f"The metadata of the object exceeds the maximum size of {METADATA_BYTES_MAX} bytes.")
