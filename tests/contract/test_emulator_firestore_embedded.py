"""Does the embedded Firestore start, stop and differ from the service as its description says?"""

import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.firestore import And, Client, FieldFilter
from google.cloud.firestore_v1 import types

from emulators.firestore import STOP_SECONDS_MAX, Firestore
from emulators.firestore.store import HISTORY_MAX
from emulators.firestore.transactions import TURN_SECONDS_MAX
from tests.contract.firestore_world import Listener, Stream, call, fill, ids, new_client, root

pytest_plugins = ["tests.contract.firestore_plugin"]

ROOT = Path(__file__).resolve().parents[2]
BATCH = 500
LEFT_ALONE = """
from emulators.firestore import Firestore
from google.cloud.firestore import Client
import os
server = Firestore()
server.start()
os.environ["FIRESTORE_EMULATOR_HOST"] = server.host
watch = Client(project="p").collection("rooms").on_snapshot(lambda *heard: None)
"""


@pytest.fixture
def own_server() -> Iterator[Firestore]:
    server = Firestore()
    server.start()
    yield server
    server.stop()


def test_it_stops_in_time_while_clients_listen_and_wait(own_server: Firestore) -> None:
    with new_client(own_server.host) as client, Stream(client) as stream:
        stream.add_query(2, "rooms")
        stream.snapshot()
        began = time.monotonic()
        own_server.stop()
        assert time.monotonic() - began < STOP_SECONDS_MAX
        with pytest.raises(grpc.RpcError):
            stream.snapshot()


def test_a_new_start_is_an_empty_database(own_server: Firestore) -> None:
    with new_client(own_server.host) as client:
        client.document("rooms/a").set({})
    own_server.stop()
    own_server.start()
    with new_client(own_server.host) as client:
        assert ids(client.collections()) == []


def test_stopping_what_does_not_run_is_harmless(own_server: Firestore) -> None:
    own_server.stop()
    own_server.stop()
    Firestore().stop()
    assert own_server.listeners == 0


def test_a_process_that_forgets_to_stop_it_still_ends() -> None:
    command = [sys.executable, "-c", LEFT_ALONE]
    done = subprocess.run(command, cwd=ROOT, timeout=20, check=False)
    assert done.returncode == 0


def test_nobody_is_authenticated(embedded_firestore: Client) -> None:
    fill(embedded_firestore, "rooms", {"a": {}})
    api = embedded_firestore._firestore_api
    assert api.get_document(request={"name": f"{root(embedded_firestore)}/rooms/a"}, metadata=()).name


def test_it_speaks_no_http_for_browsers(embedded_firestore_server: Firestore) -> None:
    connection = http.client.HTTPConnection(embedded_firestore_server.host, timeout=2)
    connection.request("GET", "/")
    with pytest.raises((http.client.HTTPException, OSError)):
        connection.getresponse()
    connection.close()


@pytest.mark.parametrize(
    ("method", "request_fields"),
    [
        ("run_query", {"explain_options": {"analyze": True}, "structured_query": {"from_": [{"collection_id": "a"}]}}),
        ("run_query", {"structured_query": {"from_": [{"collection_id": "a"}], "find_nearest": {"limit": 1}}}),
        ("partition_query", {"structured_query": {"from_": [{"collection_id": "a", "all_descendants": True}]}}),
    ],
)
def test_what_is_not_served_says_so(
    embedded_firestore: Client, method: str, request_fields: dict[str, dict[str, object]]
) -> None:
    with pytest.raises(exceptions.MethodNotImplemented):
        list(call(embedded_firestore, method, parent=root(embedded_firestore), **request_fields))


def test_the_write_stream_and_pipelines_say_they_are_not_served(embedded_firestore: Client) -> None:
    written = embedded_firestore._firestore_api._transport.write(iter([types.WriteRequest()]))
    with pytest.raises(grpc.RpcError, match="UNIMPLEMENTED"):
        list(written)
    with pytest.raises(exceptions.MethodNotImplemented):
        list(call(embedded_firestore, "execute_pipeline", database=embedded_firestore._database_string))


def test_a_younger_transaction_waits_a_moment_and_then_reads_on(embedded_firestore: Client) -> None:
    fill(embedded_firestore, "rooms", {"a": {"n": 1}})
    room = embedded_firestore.document("rooms/a")
    older, younger = embedded_firestore.transaction(), embedded_firestore.transaction()
    older._begin()
    younger._begin()
    room.get(transaction=older)
    began = time.monotonic()
    assert room.get(transaction=younger).get("n") == 1
    assert TURN_SECONDS_MAX <= time.monotonic() - began < TURN_SECONDS_MAX + 1
    younger._rollback()
    older._rollback()


def test_no_index_is_missed(embedded_firestore: Client) -> None:
    fill(embedded_firestore, "rooms", {"a": {"n": 1, "tier": "gold"}})
    both = And([FieldFilter("n", ">", 0), FieldFilter("tier", "==", "gold")])
    assert ids(embedded_firestore.collection("rooms").where(filter=both).stream()) == ["a"]


def test_expired_documents_stay(embedded_firestore: Client) -> None:
    embedded_firestore.document("rooms/a").set({"expires_at": datetime(2020, 1, 1, tzinfo=UTC)})
    assert embedded_firestore.document("rooms/a").get().exists


def test_the_past_reaches_back_a_number_of_changes(embedded_firestore: Client) -> None:
    then = embedded_firestore.document("rooms/a").set({"n": 1}).update_time
    embedded_firestore.document("rooms/a").set({"n": 2})
    for start in range(0, HISTORY_MAX, BATCH):
        fill(embedded_firestore, "fill", {f"{start + number}": {} for number in range(BATCH)})
    with pytest.raises(exceptions.FailedPrecondition):
        embedded_firestore.document("rooms/a").get(read_time=then)


def test_listed_pages_follow_any_order(embedded_firestore: Client) -> None:
    """Google's emulator fails at the second page."""
    fill(embedded_firestore, "rooms", {"a": {"n": 1}, "b": {"n": 3}, "c": {"n": 2}})
    request = {"parent": root(embedded_firestore), "collection_id": "rooms", "order_by": "n desc", "page_size": 2}
    pages = call(embedded_firestore, "list_documents", **request)
    assert [document.name.rpartition("/")[2] for document in pages] == ["b", "c", "a"]


def test_a_database_of_another_name_is_another_database(
    embedded_firestore_server: Firestore, embedded_firestore: Client
) -> None:
    with new_client(embedded_firestore_server.host, embedded_firestore.project, "other") as other:
        other.document("rooms/a").set({"n": 1})
        assert not embedded_firestore.document("rooms/a").get().exists
        with Listener(embedded_firestore.collection("rooms")) as listener:
            listener.wait(1)
            other.document("rooms/a").set({"n": 2})
            embedded_firestore.document("rooms/b").set({})
            assert listener.wait(2).changes == [("ADDED", "b")]


def test_a_name_of_more_than_6_kib_is_refused_as_by_the_service(embedded_firestore: Client) -> None:
    """Google's emulator takes it (https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields)."""
    update = {"name": f"{root(embedded_firestore)}/{'/'.join(['m' * 1400] * 6)}"}
    with pytest.raises(exceptions.InvalidArgument):
        call(embedded_firestore, "commit", database=embedded_firestore._database_string, writes=[{"update": update}])
