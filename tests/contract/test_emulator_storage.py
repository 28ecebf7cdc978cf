"""Does the embedded Cloud Storage serve the official client, and our port, as the service does?"""

import base64
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
import requests
from google.api_core import exceptions
from google.cloud.storage import Client

from emulators.storage import Storage
from shared.ports import files as port

MIB = 1024 * 1024
MEMORY_MIB_MAX = 40  # a 100 MiB file in chunks of 8 MiB, which the client holds up to three times
ACCOUNT = "files@local.iam.gserviceaccount.com"


class Clock:
    """The emulator's time, which tests move."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    server = Storage(clock.now)
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.host)
    monkeypatch.setenv("FILES_SERVICE_ACCOUNT", ACCOUNT)
    server.create_bucket("documents")
    yield server
    server.stop()


@pytest.fixture
def client(storage: Storage) -> Iterator[Any]:
    assert storage.host
    made = Client()
    yield made
    made.close()


@pytest.fixture
def bucket(client: Any) -> Any:
    return client.bucket("documents")


def stored(name: str) -> bytes:
    return b"".join(port.read("documents", name))


def write(name: str, content: bytes, **more: Any) -> None:
    port.write("documents", name, [content], "text/plain", **more)


# The official client


def test_a_bucket_is_made_found_and_deleted_when_empty(client: Any) -> None:
    made = client.create_bucket("avatars")
    assert {found.name for found in client.list_buckets()} == {"avatars", "documents"}
    made.blob("a").upload_from_string(b"x")
    with pytest.raises(exceptions.Conflict):
        made.delete()
    made.blob("a").delete()
    made.delete()
    assert not made.exists()


def test_a_multipart_upload_keeps_every_byte(bucket: Any) -> None:
    content = bytes(range(256)) * 64 + b"\r\n--boundary\r\n\r\n\n\r"
    bucket.blob("folder/ä b.bin").upload_from_string(content, content_type="image/png")
    assert bucket.blob("folder/ä b.bin").download_as_bytes() == content


def test_a_resumable_upload_arrives_piece_by_piece(bucket: Any) -> None:
    content = os.urandom(3 * 256 * 1024 + 17)
    with bucket.blob("large").open("wb", chunk_size=256 * 1024) as upload:
        upload.write(content)
    assert bucket.blob("large").download_as_bytes() == content


def test_an_upload_whose_checksum_differs_is_refused(storage: Storage, bucket: Any) -> None:
    wrong = base64.b64encode(google_crc32c.value(b"other").to_bytes(4, "big")).decode()
    body = f'--b\r\nContent-Type: application/json\r\n\r\n{{"name": "a", "crc32c": "{wrong}"}}\r\n'
    body += "--b\r\nContent-Type: text/plain\r\n\r\nthis\r\n--b--"
    answer = requests.post(
        f"{storage.host}/upload/storage/v1/b/documents/o?uploadType=multipart",
        body,
        headers={"content-type": "multipart/related; boundary=b"},
        timeout=10,
    )
    assert answer.status_code == 400
    assert not bucket.blob("a").exists()


def test_metadata_comes_back_and_changes(bucket: Any) -> None:
    blob = bucket.blob("a")
    blob.cache_control = "public, max-age=60"
    blob.metadata = {"member": "7"}
    blob.upload_from_string("x", content_type="text/csv")
    found = bucket.get_blob("a")
    assert (found.content_type, found.cache_control, found.metadata) == (
        "text/csv",
        "public, max-age=60",
        {"member": "7"},
    )
    found.cache_control = "no-store"
    found.patch()
    again = bucket.get_blob("a")
    assert (again.cache_control, again.content_type) == ("no-store", "text/csv")
    assert (again.generation, again.metageneration) == (found.generation, 2)


def test_a_range_of_a_file_is_read(bucket: Any) -> None:
    bucket.blob("a").upload_from_string(b"0123456789")
    assert bucket.blob("a").download_as_bytes(start=3, end=5) == b"345"
    assert bucket.blob("a").download_as_bytes(start=8) == b"89"
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        bucket.blob("a").download_as_bytes(start=10)


def test_files_are_listed_by_prefix_folder_and_page(client: Any, bucket: Any) -> None:
    for name in ("a/1", "a/2", "a/b/3", "c", "d/"):
        bucket.blob(name).upload_from_string(b"")
    assert [each.name for each in client.list_blobs("documents", prefix="a/")] == ["a/1", "a/2", "a/b/3"]
    level = client.list_blobs("documents", delimiter="/", page_size=1)
    assert [each.name for each in level] == ["c"]
    assert level.prefixes == {"a/", "d/"}


def test_a_new_generation_replaces_the_old(bucket: Any) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"first")
    first = blob.generation
    blob.upload_from_string(b"second")
    assert blob.generation > first
    assert bucket.get_blob("a", generation=first) is None


def test_a_write_or_delete_for_another_generation_is_refused(bucket: Any) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string(b"first")
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a").upload_from_string(b"x", if_generation_match=blob.generation - 1)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("a").delete(if_generation_match=blob.generation - 1)
    bucket.blob("a").upload_from_string(b"second", if_generation_match=blob.generation)
    assert bucket.blob("a").download_as_bytes() == b"second"


def test_compose_demands_the_generation_of_a_source(bucket: Any) -> None:
    bucket.blob("a").upload_from_string(b"a")
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("joined").compose([bucket.blob("a")], if_source_generation_match=[1])


def test_compose_takes_32_sources_and_counts_them(bucket: Any) -> None:
    bucket.blob("a").upload_from_string(b"a")
    joined = bucket.blob("joined")
    joined.compose([bucket.blob("a")] * 32)
    assert (joined.component_count, joined.md5_hash) == (32, None)
    with pytest.raises(exceptions.BadRequest):
        bucket.blob("joined").compose([bucket.blob("a")] * 33)


def test_an_upload_that_is_given_up_leaves_nothing(bucket: Any) -> None:
    upload = bucket.blob("half").open("wb", chunk_size=256 * 1024)
    upload.write(bytes(256 * 1024))
    upload.terminate()
    assert not bucket.blob("half").exists()


def test_what_is_not_emulated_says_so(bucket: Any) -> None:
    bucket.blob("a").upload_from_string(b"a")
    with pytest.raises(exceptions.MethodNotImplemented):
        bucket.copy_blob(bucket.blob("a"), bucket, "b", retry=None)


def test_a_public_bucket_is_read_by_plain_address_and_a_private_one_is_not(storage: Storage) -> None:
    storage.create_bucket("avatars", public=True)
    port.write("avatars", "7.png", [b"png"], "image/png", cache_control="public, max-age=3600")
    write("passport", b"secret")
    answer = requests.get(f"{storage.host}/avatars/7.png", timeout=10)
    assert (answer.status_code, answer.content) == (200, b"png")
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("image/png", "public, max-age=3600")
    refused = requests.get(f"{storage.host}/documents/passport", timeout=10)
    assert (refused.status_code, b"secret" in refused.content) == (403, False)


# The port: writing and reading


def test_what_is_written_is_read(storage: Storage) -> None:
    assert storage.host
    port.write("documents", "a/b.txt", [b"one ", b"", b"two"], "text/plain")
    assert stored("a/b.txt") == b"one two"


def test_an_empty_file_is_a_file(bucket: Any) -> None:
    port.write("documents", "empty", [], "text/plain")
    assert stored("empty") == b""
    assert bucket.get_blob("empty").content_type == "text/plain"


def test_content_type_and_cache_control_are_kept(bucket: Any) -> None:
    port.write("documents", "a", [b"x"], "text/csv", cache_control="no-store")
    found = bucket.get_blob("a")
    assert (found.content_type, found.cache_control) == ("text/csv", "no-store")


def test_if_absent_never_replaces(storage: Storage) -> None:
    assert storage.host
    write("a", b"first", if_absent=True)
    with pytest.raises(port.FileExists):
        write("a", b"second", if_absent=True)
    assert stored("a") == b"first"


def test_of_many_writers_if_absent_lets_one_through(storage: Storage) -> None:
    assert storage.host
    outcomes: list[str] = []

    def attempt(content: bytes) -> None:
        try:
            write("a", content, if_absent=True)
            outcomes.append(content.decode())
        except port.FileExists:
            pass

    threads = [threading.Thread(target=attempt, args=(b"%d" % number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [stored("a").decode()]


def test_a_source_that_fails_half_way_writes_nothing(storage: Storage) -> None:
    assert storage.host

    def failing() -> Iterator[bytes]:
        yield bytes(port.CHUNK_BYTES + 1)
        raise KeyError("the source")

    with pytest.raises(KeyError):
        port.write("documents", "half", failing(), "text/plain")
    with pytest.raises(port.FileMissing):
        stored("half")


def test_a_refused_write_is_not_made_up_for_when_the_way_is_free(storage: Storage) -> None:
    assert storage.host
    write("a", b"first")
    with pytest.raises(port.FileExists):
        write("a", b"second", if_absent=True)
    port.delete("documents", "a")
    gc.collect()
    with pytest.raises(port.FileMissing):
        stored("a")


@pytest.mark.parametrize("bucket_name", ["documents", "no-such-bucket"])
def test_reading_what_is_not_there_is_a_missing_file(storage: Storage, bucket_name: str) -> None:
    assert storage.host
    with pytest.raises(port.FileMissing):
        list(port.read(bucket_name, "absent"))


def test_a_file_replaced_while_it_is_read_is_not_read_on(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert storage.host
    monkeypatch.setattr(port, "CHUNK_BYTES", 256 * 1024)
    write("a", bytes(3 * 256 * 1024))
    reading = port.read("documents", "a")
    next(reading)
    write("a", b"other")
    with pytest.raises(port.FileMissing):
        next(reading)


def test_deleting_twice_is_fine(storage: Storage) -> None:
    assert storage.host
    write("a", b"x")
    port.delete("documents", "a")
    port.delete("documents", "a")
    with pytest.raises(port.FileMissing):
        stored("a")


@pytest.mark.parametrize("count", [1, 32, 33, 100])
def test_any_number_of_parts_is_joined_in_order(client: Any, bucket: Any, count: int) -> None:
    parts = [f"part-{number}" for number in range(count)]
    for number, part in enumerate(parts):
        port.write("documents", part, [b"%d," % number], "text/csv")
    port.compose("documents", "joined", parts)
    assert stored("joined") == b"".join(b"%d," % number for number in range(count))
    assert bucket.get_blob("joined").content_type == "text/csv"
    assert {each.name for each in client.list_blobs("documents")} == {*parts, "joined"}


def test_joining_with_a_part_missing_makes_no_file(storage: Storage) -> None:
    assert storage.host
    write("a", b"x")
    with pytest.raises(port.FileMissing):
        port.compose("documents", "joined", ["a", "absent"])
    with pytest.raises(port.FileMissing):
        stored("joined")


MEASURING = """
import resource
from shared.ports import files
files.write("documents", "warm", [b"x"], "text/plain")
list(files.read("documents", "warm"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
files.write("documents", "large", (bytes(1 << 20) for _ in range(100)), "application/octet-stream")
assert sum(len(chunk) for chunk in files.read("documents", "large")) == 100 << 20
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_hundred_mebibytes_stream_through_flat_memory(storage: Storage) -> None:
    assert storage.host
    done = subprocess.run([sys.executable, "-c", MEASURING], capture_output=True, text=True, check=True)
    grown = int(done.stdout) * (1 if sys.platform == "darwin" else 1024)
    assert grown < MEMORY_MIB_MAX * MIB


def test_the_port_loads_no_vendor_package_before_it_is_used() -> None:
    vendors = {"google.cloud.storage", "google.auth", "google.api_core", "google_crc32c", "requests"}
    script = f"import sys, shared.ports.files; print(sorted(sys.modules.keys() & {vendors!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


FORKING = """
import os, sys
from shared.ports import files
files.write("documents", "before", [b"x"], "text/plain")
child = os.fork()
files.write("documents", "child" if child == 0 else "parent", [b"x"], "text/plain")
if child == 0:
    os._exit(0)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_parent_and_child_of_a_fork_both_write(client: Any) -> None:
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert {each.name for each in client.list_blobs("documents")} == {"before", "child", "parent"}


def test_a_service_that_is_gone_is_unavailable(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "REPEAT_SECONDS_MAX", 0.1)
    write("a", b"x")
    storage.stop()
    with pytest.raises(port.FilesUnavailable):
        stored("a")


# Signed addresses


def signed(name: str, **options: Any) -> str:
    given: dict[str, Any] = {"signed_at": datetime.now(UTC), "expires_in": timedelta(minutes=5), "filename": None}
    given |= options
    return port.signed_url("documents", name, **given)


def test_a_signed_address_downloads_the_file_as_an_attachment(storage: Storage) -> None:
    assert storage.host
    write("reports/ä.csv", b"1;2")
    answer = requests.get(signed("reports/ä.csv", filename='May "ä".csv'), timeout=10)
    assert (answer.status_code, answer.content) == (200, b"1;2")
    disposition = answer.headers["content-disposition"]
    assert disposition == "attachment; filename=\"May ___.csv\"; filename*=UTF-8''May%20%22%C3%A4%22.csv"


def test_a_signed_address_without_a_name_is_an_attachment_still(storage: Storage) -> None:
    assert storage.host
    write("a", b"x")
    assert requests.get(signed("a"), timeout=10).headers["content-disposition"] == "attachment"


def test_a_signed_address_expires(storage: Storage, clock: Clock) -> None:
    assert storage.host
    write("a", b"x")
    url = signed("a", expires_in=timedelta(minutes=5))
    clock.ahead = timedelta(minutes=4)
    assert requests.get(url, timeout=10).status_code == 200
    clock.ahead = timedelta(minutes=6)
    answer = requests.get(url, timeout=10)
    assert (answer.status_code, "ExpiredToken" in answer.text) == (400, True)


@pytest.mark.parametrize(
    ("old", "new"),
    [("/documents/a?", "/documents/b?"), ("X-Goog-Expires=300", "X-Goog-Expires=600"), ("attachment", "inline")],
)
def test_a_changed_signed_address_is_refused(storage: Storage, old: str, new: str) -> None:
    assert storage.host
    write("a", b"x")
    write("b", b"secret")
    url = signed("a")
    assert old in url
    answer = requests.get(url.replace(old, new), timeout=10)
    assert (answer.status_code, "SignatureDoesNotMatch" in answer.text) == (403, True)


def test_a_signed_get_does_not_write(storage: Storage) -> None:
    assert storage.host
    write("a", b"x")
    assert requests.put(signed("a"), b"changed", timeout=10).status_code == 403
    assert stored("a") == b"x"


def test_a_signed_put_writes_with_the_headers_it_was_signed_for(bucket: Any) -> None:
    url = bucket.blob("upload").generate_signed_url(
        version="v4",
        method="PUT",
        expiration=timedelta(minutes=5),
        content_type="image/png",
        api_access_endpoint=os.environ["STORAGE_EMULATOR_HOST"],
        credentials=port._signing_credentials_of(os.getpid(), os.environ["STORAGE_EMULATOR_HOST"], ACCOUNT),
    )
    assert requests.put(url, b"<html>", headers={"content-type": "text/html"}, timeout=10).status_code == 403
    assert requests.put(url, b"png", headers={"content-type": "image/png"}, timeout=10).status_code == 200
    assert bucket.get_blob("upload").content_type == "image/png"


def upload(name: str, body: bytes, changed: Mapping[str, str] | None = None) -> tuple[int, str]:
    """PUT to a signed address as whoever was given it; status and text of the answer."""
    url, headers = port.signed_upload(
        "documents",
        name,
        signed_at=datetime.now(UTC),
        expires_in=timedelta(minutes=5),
        content_type="text/csv",
        bytes_max=10,
    )
    answer = requests.put(url, body, headers=headers | dict(changed or {}), timeout=10)
    return answer.status_code, answer.text


def test_a_signed_upload_takes_one_file_of_the_length_it_was_signed_for(storage: Storage) -> None:
    assert storage.host
    assert upload("a", b"")[0] == 400
    status, said = upload("a", b"x" * 11)
    assert (status, "EntityTooLarge" in said) == (400, True)
    assert upload("a", b"x" * 10)[0] == 200
    assert upload("a", b"other")[0] == 412
    assert stored("a") == b"x" * 10


@pytest.mark.parametrize(
    "changed",
    [{"x-goog-content-length-range": "1,99"}, {"x-goog-if-generation-match": "1"}, {"Content-Type": "text/html"}],
)
def test_a_signed_upload_is_refused_with_other_headers(changed: dict[str, str], storage: Storage) -> None:
    assert storage.host
    assert upload("a", b"x", changed)[0] == 403


def test_one_version_is_read_from_any_byte_on_in_pieces(storage: Storage) -> None:
    assert storage.host
    write("a", b"0123456789")
    version = port.stored("documents", "a")
    assert version.size_bytes == 10
    assert list(port.read_from("documents", "a", version, 3, 4)) == [b"3456", b"789"]
    assert list(port.read_from("documents", "a", version, 10, 4)) == []


def test_a_version_that_was_replaced_is_not_read(storage: Storage) -> None:
    assert storage.host
    write("a", b"0123456789")
    reading = port.read_from("documents", "a", port.stored("documents", "a"), 0, 4)
    assert next(reading) == b"0123"
    write("a", b"9876543210")
    with pytest.raises(port.FileMissing):
        next(reading)


def test_an_absent_file_has_no_version(storage: Storage) -> None:
    assert storage.host
    with pytest.raises(port.FileMissing):
        port.stored("documents", "absent")


def test_an_address_that_would_live_longer_than_seven_days_is_refused(storage: Storage) -> None:
    assert storage.host
    with pytest.raises(ValueError, match="7 days"):
        signed("a", expires_in=timedelta(days=8))


# The server


def test_nothing_is_left_after_stop_even_with_a_client_that_stays(storage: Storage) -> None:
    write("a", b"x")
    folder = storage._folder
    assert folder is not None
    with requests.Session() as staying:
        assert staying.get(storage.host, timeout=10).ok
        storage.stop()
        assert not Path(folder.name).exists()
