"""Do the embedded Firestore's listeners hear what Google's hear?"""

from typing import Any

from google.cloud.firestore import Client, FieldFilter, Query

from emulators.firestore import Firestore
from emulators.process import wait_until
from tests.contract.firestore_world import HEAR_SECONDS_MAX, Listener, Stream, fill, target_changes, told

pytest_plugins = ["tests.contract.firestore_plugin"]

NO_OPERATOR = {"field_filter": {"field": {"field_path": "n"}, "op": 0, "value": {"integer_value": 1}}}


def test_a_listener_first_hears_what_is_there(firestore: Client) -> None:
    fill(firestore, "rooms", {"a": {"n": 1}, "b": {"n": 2}})
    with Listener(firestore.collection("rooms")) as listener:
        first = listener.wait(1)
    assert first.documents == {"a": {"n": 1}, "b": {"n": 2}}
    assert first.changes == [("ADDED", "a"), ("ADDED", "b")]


def test_a_listener_hears_that_nothing_is_there(firestore: Client) -> None:
    with Listener(firestore.collection("rooms")) as listener:
        assert listener.wait(1).documents == {}


def test_a_listener_hears_what_is_added_changed_and_removed(firestore: Client) -> None:
    room = firestore.document("rooms/a")
    with Listener(firestore.collection("rooms")) as listener:
        listener.wait(1)
        room.set({"n": 1})
        assert listener.wait(2).changes == [("ADDED", "a")]
        room.update({"n": 2})
        assert listener.wait(3).changes == [("MODIFIED", "a")]
        assert listener.wait(3).documents == {"a": {"n": 2}}
        room.delete()
        assert listener.wait(4).changes == [("REMOVED", "a")]
        assert listener.wait(4).documents == {}


def test_a_batch_is_heard_as_one_snapshot(firestore: Client) -> None:
    fill(firestore, "rooms", {"a": {"n": 1}, "b": {"n": 2}})
    with Listener(firestore.collection("rooms")) as listener:
        listener.wait(1)
        batch = firestore.batch()
        batch.delete(firestore.document("rooms/a"))
        batch.update(firestore.document("rooms/b"), {"n": 3})
        batch.set(firestore.document("rooms/c"), {"n": 4})
        batch.commit()
        assert listener.wait(2).changes == [("REMOVED", "a"), ("ADDED", "c"), ("MODIFIED", "b")]


def test_a_write_that_changes_nothing_is_not_heard(firestore: Client) -> None:
    fill(firestore, "rooms", {"a": {"n": 1}})
    with Listener(firestore.collection("rooms")) as listener:
        listener.wait(1)
        firestore.document("rooms/a").set({"n": 1})
        firestore.document("rooms/b").set({"n": 2})
        assert listener.wait(2).changes == [("ADDED", "b")]


def test_other_collections_are_not_heard(firestore: Client) -> None:
    with Listener(firestore.collection("rooms")) as listener:
        listener.wait(1)
        firestore.document("members/m").set({})
        firestore.document("rooms/a/messages/m").set({})
        firestore.document("rooms/a").set({})
        assert listener.wait(2).changes == [("ADDED", "a")]


def test_a_document_that_no_longer_matches_is_removed(firestore: Client) -> None:
    fill(firestore, "rooms", {"a": {"open": True}, "b": {"open": False}})
    with Listener(firestore.collection("rooms").where(filter=FieldFilter("open", "==", True))) as listener:
        assert list(listener.wait(1).documents) == ["a"]
        firestore.document("rooms/a").update({"open": False})
        assert listener.wait(2).changes == [("REMOVED", "a")]
        firestore.document("rooms/b").update({"open": True})
        assert listener.wait(3).changes == [("ADDED", "b")]


def test_a_document_listener_hears_its_whole_life(firestore: Client) -> None:
    room = firestore.document("rooms/a")
    with Listener(room) as listener:
        assert listener.wait(1).documents == {}
        room.set({"n": 1})
        assert listener.wait(2).documents == {"a": {"n": 1}}
        room.update({"n": 2})
        assert listener.wait(3).documents == {"a": {"n": 2}}
        room.delete()
        assert listener.wait(4).documents == {}
        room.set({"n": 3})
        assert listener.wait(5).documents == {"a": {"n": 3}}


def test_a_removal_pulls_the_next_document_into_the_limit(firestore: Client) -> None:
    fill(firestore, "rooms", {name: {"n": number} for number, name in enumerate("abcd")})
    with Listener(firestore.collection("rooms").order_by("n").limit(2)) as listener:
        assert list(listener.wait(1).documents) == ["a", "b"]
        firestore.document("rooms/a").delete()
        assert list(listener.wait(2).documents) == ["b", "c"]
        assert sorted(listener.wait(2).changes) == [("ADDED", "c"), ("REMOVED", "a")]


def test_an_addition_pushes_the_last_document_out_of_the_limit(firestore: Client) -> None:
    fill(firestore, "rooms", {"b": {"n": 2}, "c": {"n": 3}})
    with Listener(firestore.collection("rooms").order_by("n").limit(2)) as listener:
        listener.wait(1)
        firestore.document("rooms/a").set({"n": 1})
        assert list(listener.wait(2).documents) == ["a", "b"]
        assert sorted(listener.wait(2).changes) == [("ADDED", "a"), ("REMOVED", "c")]


def test_a_document_that_moves_behind_the_limit_makes_way(firestore: Client) -> None:
    fill(firestore, "rooms", {name: {"n": number} for number, name in enumerate("abc")})
    with Listener(firestore.collection("rooms").order_by("n").limit(2)) as listener:
        listener.wait(1)
        firestore.document("rooms/a").update({"n": 9})
        assert list(listener.wait(2).documents) == ["b", "c"]


def test_what_lies_behind_the_limit_is_not_heard(firestore: Client) -> None:
    fill(firestore, "rooms", {name: {"n": number} for number, name in enumerate("abc")})
    with Listener(firestore.collection("rooms").order_by("n").limit(2)) as listener:
        listener.wait(1)
        firestore.document("rooms/c").update({"n": 8})
        firestore.document("rooms/d").set({"n": 9})
        firestore.document("rooms/b").update({"seen": True})
        assert listener.wait(2).changes == [("MODIFIED", "b")]


def test_a_limit_not_yet_reached_fills_up(firestore: Client) -> None:
    with Listener(firestore.collection("rooms").order_by("n").limit(2)) as listener:
        listener.wait(1)
        firestore.document("rooms/b").set({"n": 2})
        firestore.document("rooms/a").set({"n": 1})
        listener.wait_for(lambda heard: list(heard[-1].documents) == ["a", "b"])
        firestore.document("rooms/b").delete()
        listener.wait_for(lambda heard: list(heard[-1].documents) == ["a"])


def test_an_offset_moves_the_window(firestore: Client) -> None:
    fill(firestore, "rooms", {name: {"n": number} for number, name in enumerate("bcd")})
    with Listener(firestore.collection("rooms").order_by("n").offset(1).limit(1)) as listener:
        assert list(listener.wait(1).documents) == ["c"]
        firestore.document("rooms/a").set({"n": -1})
        assert list(listener.wait(2).documents) == ["b"]


def test_documents_come_in_the_order_asked_for(firestore: Client) -> None:
    fill(firestore, "rooms", {"a": {"n": 3}, "b": {"n": 1}, "c": {"n": 2}})
    with Listener(firestore.collection("rooms").order_by("n")) as listener:
        assert list(listener.wait(1).documents) == ["b", "c", "a"]
        firestore.document("rooms/a").update({"n": 0})
        assert list(listener.wait(2).documents) == ["a", "b", "c"]


def test_the_client_gives_a_descending_listener_its_documents_ascending(firestore: Client) -> None:
    """A trap in google-cloud-firestore, not in the servers: a callback has to sort for itself."""
    fill(firestore, "rooms", {"a": {"n": 3}, "b": {"n": 1}, "c": {"n": 2}})
    with Listener(firestore.collection("rooms").order_by("n", direction=Query.DESCENDING).limit(2)) as listener:
        assert list(listener.wait(1).documents) == ["c", "a"]


def test_a_collection_group_is_heard(firestore: Client) -> None:
    with Listener(firestore.collection_group("messages")) as listener:
        listener.wait(1)
        firestore.document("rooms/a/messages/1").set({"n": 1})
        assert listener.wait(2).changes == [("ADDED", "1")]


def test_a_projection_is_heard_without_its_other_fields(firestore: Client) -> None:
    fill(firestore, "rooms", {"a": {"n": 1, "secret": 2}})
    with Listener(firestore.collection("rooms").select(["n"])) as listener:
        assert listener.wait(1).documents == {"a": {"n": 1}}


def test_a_snapshot_never_shows_half_a_batch(embedded_firestore: Client) -> None:
    """As the service promises. Google's own emulator does show half of one, now and then, on a busy machine."""
    fill(embedded_firestore, "pairs", {"a": {"n": 0}, "b": {"n": 0}})
    with Listener(embedded_firestore.collection("pairs")) as listener:
        for number in range(1, 30):
            fill(embedded_firestore, "pairs", {"a": {"n": number}, "b": {"n": number}})
        heard = listener.wait_for(lambda heard: heard[-1].documents["a"] == {"n": 29})
    assert all(snapshot.documents["a"] == snapshot.documents["b"] for snapshot in heard)


def test_many_listeners_hear_the_same(firestore: Client) -> None:
    listeners = [Listener(firestore.document("stats/live")) for _ in range(20)]
    for listener in listeners:
        listener.__enter__()
    for listener in listeners:
        listener.wait(1)
    firestore.document("stats/live").set({"total": 1})
    heard = [listener.wait(2).documents for listener in listeners]
    for listener in listeners:
        listener.__exit__(None, None, None)
    assert heard == [{"live": {"total": 1}}] * 20


def test_targets_on_one_stream_reach_a_snapshot_together(firestore: Client) -> None:
    with Stream(firestore) as stream:
        stream.add_query(2, "rooms", order_by=[{"field": {"field_path": "n"}}])
        stream.snapshot()
        stream.add_documents(4, "rooms/a", "rooms/nobody")
        assert told(stream.snapshot(), 4) == {"a": False, "nobody": False}
        firestore.document("rooms/a").set({"n": 1})
        messages = stream.snapshot()
    assert told(messages, 2) == {"a": True}
    assert told(messages, 4)["a"] is True


def test_a_target_is_added_then_current_then_consistent(firestore: Client) -> None:
    with Stream(firestore) as stream:
        stream.add_query(2, "rooms")
        messages = stream.snapshot()
    assert target_changes(messages) == [("ADD", [2]), ("CURRENT", [2]), ("NO_CHANGE", [])]
    assert messages[-1].target_change.resume_token


def test_snapshots_have_rising_times(firestore: Client) -> None:
    with Stream(firestore) as stream:
        stream.add_query(2, "rooms")
        first = stream.snapshot()[-1].target_change.read_time
        written = firestore.document("rooms/a").set({})
        second = stream.snapshot()[-1].target_change.read_time
    assert first < written.update_time <= second


def test_a_removed_target_is_silent(firestore: Client) -> None:
    with Stream(firestore) as stream:
        stream.add_query(2, "rooms")
        stream.add_query(4, "members")
        stream.remove(2)
        wait_for_change(stream, ("REMOVE", [2]))
        firestore.document("rooms/a").set({})
        firestore.document("members/m").set({})
        assert told(stream.snapshot(), 2) == {}


def test_a_target_number_is_given_when_none_is_asked_for(firestore: Client) -> None:
    with Stream(firestore) as stream:
        stream.add_query(0, "rooms")
        assert target_changes(stream.snapshot())[0] == ("ADD", [1])


def test_a_target_beyond_the_rules_is_removed_with_its_cause(firestore: Client) -> None:
    with Stream(firestore) as stream:
        stream.add_query(2, "rooms", where=NO_OPERATOR)
        removed = wait_for_change(stream, ("REMOVE", [2]))
        assert removed.target_change.cause.code == 3
        stream.add_query(4, "rooms")
        assert ("CURRENT", [4]) in target_changes(stream.snapshot())


def test_a_resumed_target_forgets_what_was_deleted_meanwhile(firestore: Client) -> None:
    fill(firestore, "rooms", {"a": {}, "b": {}})
    with Stream(firestore) as stream:
        stream.add_query(2, "rooms")
        token = stream.snapshot()[-1].target_change.resume_token
    firestore.document("rooms/a").delete()
    with Stream(firestore) as stream:
        stream.add_query(2, "rooms", resume_token=token)
        messages = stream.snapshot()
    is_reset = ("RESET", [2]) in target_changes(messages)
    assert told(messages, 2) == ({"b": True} if is_reset else {"a": False})


def test_a_stream_ends_when_its_client_says_so(firestore: Client) -> None:
    with Stream(firestore) as stream:
        stream.add_query(2, "rooms")
        stream.snapshot()
        stream.end()
        assert list(stream) == []


def test_a_target_for_once_is_removed_when_consistent(embedded_firestore: Client) -> None:
    """Google's emulator leaves it."""
    with Stream(embedded_firestore) as stream:
        stream.add_query(2, "rooms", once=True)
        stream.snapshot()
        wait_for_change(stream, ("REMOVE", [2]))


def test_a_client_that_does_not_read_holds_up_nobody(embedded_firestore: Client) -> None:
    with Stream(embedded_firestore) as stream:
        stream.add_query(2, "rooms")
        stream.snapshot()
        for number in range(200):
            embedded_firestore.document("rooms/a").set({"n": number, "filler": "x" * 100_000})
        versions: list[int] = []
        while not versions or versions[-1] < 199:
            changes = [message.document_change for message in stream.snapshot() if "document_change" in message]
            versions += [change.document.fields["n"].integer_value for change in changes]
    assert versions == sorted(versions)
    assert len(versions) < 200


def test_a_listener_that_goes_is_forgotten(embedded_firestore_server: Firestore, embedded_firestore: Client) -> None:
    wait_until(lambda: embedded_firestore_server.listeners == 0, "the end of other tests' listeners", HEAR_SECONDS_MAX)
    with Listener(embedded_firestore.collection("rooms")) as listener:
        listener.wait(1)
        assert embedded_firestore_server.listeners == 1
    wait_until(lambda: embedded_firestore_server.listeners == 0, "the listener's end", HEAR_SECONDS_MAX)


def wait_for_change(stream: Stream, wanted: tuple[str, list[int]]) -> Any:
    """The message that says so, and all before it are read."""
    for message in stream:
        if wanted in target_changes([message]):
            return message
    raise AssertionError(f"the stream ended without {wanted}")
