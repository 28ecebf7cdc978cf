"""Does the Firestore port leave the newest version of each document, whoever writes, however often?"""

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from google.cloud.firestore import Client

from emulators.process import free_port
from shared.ports import firestore
from shared.ports.firestore import CHUNK_DOCUMENTS_MAX, DOCUMENTS_MAX, Document, FirestoreUnavailable, NotStorable
from tests.contract.firestore_world import ids, new_client

pytest_plugins = ["tests.contract.firestore_plugin"]

ROOT = Path(__file__).resolve().parents[3]
LATER = datetime(2027, 2, 27, tzinfo=UTC)
FORKED = """
import os, sys
from shared.ports import firestore
assert not {"google.cloud.firestore", "grpc"} & set(sys.modules), "imported too early"
child = os.fork()
firestore.put_newer([firestore.Document("members/child" if child == 0 else "members/parent", 1, {})])
if child == 0:
    os._exit(0)
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.fixture
def client(firestore_host: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """Looks at what the port has written; the port itself has a connection of its own."""
    with new_client(firestore_host) as client:
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_host)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", client.project)
        firestore.close()
        yield client
        firestore.close()


def test_a_new_document_is_stored_with_its_sequence_and_end(client: Client) -> None:
    assert firestore.put_newer([Document("members/m", 7, {"name": "Ada", "deep": {"list": [1, None]}}, LATER)]) == 1
    expected = {"name": "Ada", "deep": {"list": [1, None]}, "sequence": 7, "expires_at": LATER}
    assert client.document("members/m").get().to_dict() == expected


def test_a_newer_version_replaces_the_whole_document(client: Client) -> None:
    firestore.put_newer([Document("members/m", 1, {"name": "Ada", "odd.name": 1, "map": {"gone": 1}}, LATER)])
    assert firestore.put_newer([Document("members/m", 2, {"name": "Eva", "map": {"new": 1}, "a-b": 2})]) == 1
    expected = {"name": "Eva", "map": {"new": 1}, "a-b": 2, "sequence": 2}
    assert client.document("members/m").get().to_dict() == expected


@pytest.mark.parametrize("sequence", [1, 2])
def test_a_version_that_is_not_newer_is_not_written(client: Client, sequence: int) -> None:
    firestore.put_newer([Document("members/m", 2, {"name": "Eva"})])
    assert firestore.put_newer([Document("members/m", sequence, {"name": "Ada"})]) == 0
    assert client.document("members/m").get().get("name") == "Eva"


def test_only_the_newer_ones_among_many_are_written(client: Client) -> None:
    firestore.put_newer([Document("members/old", 1, {}), Document("members/same", 5, {})])
    batch = [Document(f"members/{name}", 5, {"seen": True}) for name in ("old", "same", "new")]
    assert firestore.put_newer(batch) == 2
    seen = {found.id: "seen" in (found.to_dict() or {}) for found in client.collection("members").stream()}
    assert seen == {"old": True, "same": False, "new": True}


def test_the_newest_of_one_path_counts(client: Client) -> None:
    versions = [Document("members/m", sequence, {"n": sequence}) for sequence in (2, 3, 1)]
    assert firestore.put_newer(versions) == 1
    assert client.document("members/m").get().to_dict() == {"n": 3, "sequence": 3}


def test_a_document_without_sequence_is_older(client: Client) -> None:
    client.document("members/m").set({"name": "by hand"})
    assert firestore.put_newer([Document("members/m", 1, {"name": "Ada"})]) == 1
    assert client.document("members/m").get().to_dict() == {"name": "Ada", "sequence": 1}


def test_nothing_to_write_is_nothing_written(client: Client) -> None:
    assert firestore.put_newer([]) == 0
    assert ids(client.collections()) == []


def test_more_than_a_commit_takes_is_written_in_chunks(client: Client) -> None:
    many = [Document(f"members/{number}", 1, {"n": number}) for number in range(CHUNK_DOCUMENTS_MAX * 2 + 1)]
    assert firestore.put_newer(many) == len(many)
    assert firestore.put_newer(many) == 0
    assert len(ids(client.collection("members").select(()).stream())) == len(many)


def test_large_documents_are_written_in_chunks(client: Client) -> None:
    large = [Document(f"members/{number}", 1, {"text": "x" * 900_000}) for number in range(15)]
    assert firestore.put_newer(large) == 15
    assert len(ids(client.collection("members").select(()).stream())) == 15


def test_racing_writers_leave_the_newest(client: Client) -> None:
    sequences = [number * 7 % 41 for number in range(1, 41)]  # all up to 40, out of order

    def put(sequence: int) -> int:
        return firestore.put_newer([Document(f"members/{name}", sequence, {"n": sequence}) for name in "abc"])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(put, sequences))
    newest = {"n": 40, "sequence": 40}
    assert [found.to_dict() for found in client.collection("members").stream()] == [newest] * 3


def test_deleting_again_is_no_fault(client: Client) -> None:
    firestore.put_newer([Document(f"members/{name}", 1, {}) for name in "abc"])
    firestore.delete(["members/a", "members/b", "members/a"])
    firestore.delete(["members/a", "members/nobody"])
    assert ids(client.collection("members").stream()) == ["c"]


@pytest.mark.parametrize("value", [Decimal("4.50"), LATER.replace(tzinfo=None), b"bytes", {"deep": [Decimal(1)]}])
def test_what_has_no_place_in_a_document_is_refused(client: Client, value: object) -> None:
    with pytest.raises(NotStorable, match=r"members/m\.value"):
        firestore.put_newer([Document("members/good", 1, {}), Document("members/m", 1, {"value": value})])
    assert not client.document("members/good").get().exists


def test_more_documents_than_a_call_takes_are_refused(client: Client) -> None:
    with pytest.raises(AssertionError):
        firestore.put_newer([Document("members/m", 1, {})] * (DOCUMENTS_MAX + 1))
    assert not client.document("members/m").get().exists


def test_an_absent_firestore_is_a_passing_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "nobody")
    firestore.close()
    began = time.monotonic()
    with pytest.raises(FirestoreUnavailable):
        firestore.put_newer([Document("members/m", 1, {})])
    firestore.close()
    assert time.monotonic() - began < 10


def test_a_process_that_imports_and_forks_writes_from_both(client: Client) -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], cwd=ROOT, timeout=20, check=False)
    assert done.returncode == 0
    assert ids(client.collection("members").stream()) == ["child", "parent"]


def test_the_database_is_chosen_by_the_environment(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_DATABASE", "other")
    firestore.close()
    firestore.put_newer([Document("members/m", 1, {})])
    assert not client.document("members/m").get().exists
