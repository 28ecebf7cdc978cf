"""Does the embedded Cloud Storage serve the official client as the service does?"""

import base64
import os
from pathlib import Path
from typing import Any

import google_crc32c
import pytest
import requests
from google.api_core import exceptions

from emulators.storage import Storage
from shared.ports import files as port
from tests.contract.storage_world import write

pytest_plugins = ["tests.contract.storage_plugin"]


def test_a_bucket_is_made_found_and_deleted_when_empty(storage_client: Any) -> None:
    made = storage_client.create_bucket("avatars")
    assert {found.name for found in storage_client.list_buckets()} == {"avatars", "documents"}
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


def test_files_are_listed_by_prefix_folder_and_page(storage_client: Any, bucket: Any) -> None:
    for name in ("a/1", "a/2", "a/b/3", "c", "d/"):
        bucket.blob(name).upload_from_string(b"")
    assert [each.name for each in storage_client.list_blobs("documents", prefix="a/")] == ["a/1", "a/2", "a/b/3"]
    level = storage_client.list_blobs("documents", delimiter="/", page_size=1)
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


def test_nothing_is_left_after_stop_even_with_a_client_that_stays(storage: Storage) -> None:
    write("a", b"x")
    folder = storage._folder
    assert folder is not None
    with requests.Session() as staying:
        assert staying.get(storage.host, timeout=10).ok
        storage.stop()
        assert not Path(folder.name).exists()


@pytest.mark.parametrize("name", [".", "..", ".well-known/acme-challenge/token", "a\nb", "a\rb", "x" * 1025])
def test_what_no_object_can_be_called_is_refused(bucket: Any, name: str) -> None:
    with pytest.raises(exceptions.BadRequest):
        bucket.blob(name).upload_from_string(b"x", retry=None)


def test_metadata_of_more_than_8_kib_are_refused(bucket: Any) -> None:
    blob = bucket.blob("a")
    blob.metadata = {"note": "x" * (8 * 1024 - 4)}
    blob.upload_from_string(b"x", retry=None)
    blob = bucket.blob("b")
    blob.metadata = {"note": "x" * (8 * 1024 - 3)}
    with pytest.raises(exceptions.BadRequest):
        blob.upload_from_string(b"x", retry=None)
