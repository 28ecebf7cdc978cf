"""Does our port write, read, join and delete files of the embedded Cloud Storage, and in flat memory?"""

import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from emulators.storage import Storage
from shared.ports import files as port
from tests.contract.storage_world import stored, write

pytest_plugins = ["tests.contract.storage_plugin"]

MIB = 1024 * 1024
MEMORY_MIB_MAX = 40  # a 100 MiB file in chunks of 8 MiB, which the client holds up to three times


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


def test_a_file_is_read_in_chunks_each_byte_once(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert storage.host
    size = 256 * 1024
    monkeypatch.setattr(port, "CHUNK_BYTES", size)
    for length in (0, 1, size - 1, size, size + 1, 2 * size, 2 * size + size // 2):
        content = bytes(number * 7 % 251 for number in range(length))
        write("a", content)
        chunks = list(port.read("documents", "a"))
        assert b"".join(chunks) == content
        assert [len(chunk) for chunk in chunks] == [*[size] * (length // size), *[length % size] * bool(length % size)]


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
def test_any_number_of_parts_is_joined_in_order(storage_client: Any, bucket: Any, count: int) -> None:
    parts = [f"part-{number}" for number in range(count)]
    for number, part in enumerate(parts):
        port.write("documents", part, [b"%d," % number], "text/csv")
    port.compose("documents", "joined", parts)
    assert stored("joined") == b"".join(b"%d," % number for number in range(count))
    assert bucket.get_blob("joined").content_type == "text/csv"
    assert {each.name for each in storage_client.list_blobs("documents")} == {*parts, "joined"}


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


def test_parent_and_child_of_a_fork_both_write(storage_client: Any) -> None:
    done = subprocess.run([sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert {each.name for each in storage_client.list_blobs("documents")} == {"before", "child", "parent"}


def test_a_service_that_is_gone_is_unavailable(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(port, "REPEAT_SECONDS_MAX", 0.1)
    write("a", b"x")
    storage.stop()
    with pytest.raises(port.FilesUnavailable):
        stored("a")


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
