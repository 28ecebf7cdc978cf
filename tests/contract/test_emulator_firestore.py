"""Does the embedded Firestore read and write documents as Google's does?"""

from datetime import UTC, datetime, timedelta

import pytest
from google.api_core import exceptions
from google.cloud.firestore import DELETE_FIELD, Client, GeoPoint

from tests.contract.firestore_world import call, fill, ids, root

pytest_plugins = ["tests.contract.firestore_plugin"]

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_a_document_never_written_does_not_exist(firestore: Client) -> None:
    assert not firestore.document("members/nobody").get().exists


def test_getting_a_document_that_does_not_exist_by_name_is_refused(firestore: Client) -> None:
    with pytest.raises(exceptions.NotFound):
        call(firestore, "get_document", name=f"{root(firestore)}/members/nobody")


def test_every_kind_of_value_comes_back_as_it_was_stored(firestore: Client) -> None:
    fields = {
        "null": None,
        "boolean": True,
        "integer": -(2**63),
        "double": 1.5,
        "infinity": float("-inf"),
        "timestamp": datetime(2026, 11, 29, 1, 2, 3, 456789, tzinfo=UTC),
        "string": "Ünïcode ✓",
        "bytes": b"\x00\xff",
        "place": GeoPoint(48.1, 11.6),
        "array": [1, "two", {"three": [3]}],
        "map": {"nested": {"deeper": 1}, "empty": {}},
    }
    firestore.document("values/all").set(fields)
    assert firestore.document("values/all").get().to_dict() == fields


def test_a_reference_comes_back_as_the_document_it_names(firestore: Client) -> None:
    friend = firestore.document("members/friend")
    firestore.document("members/me").set({"friend": friend})
    assert firestore.document("members/me").get().get("friend") == friend


def test_a_timestamp_is_kept_to_the_microsecond(firestore: Client) -> None:
    name = f"{root(firestore)}/values/time"
    update = {"name": name, "fields": {"at": {"timestamp_value": {"seconds": 5, "nanos": 123_456_789}}}}
    call(firestore, "commit", database=firestore._database_string, writes=[{"update": update}])
    found = call(firestore, "get_document", name=name)
    assert found._pb.fields["at"].timestamp_value.nanos == 123_456_000


def test_set_replaces_the_whole_document(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.set({"name": "Ada", "tier": "gold"})
    member.set({"name": "Eva"})
    assert member.get().to_dict() == {"name": "Eva"}


def test_merging_keeps_what_is_not_mentioned(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.set({"name": "Ada", "counts": {"scans": 1}})
    member.set({"counts": {"wins": 2}}, merge=True)
    assert member.get().to_dict() == {"name": "Ada", "counts": {"scans": 1, "wins": 2}}


def test_an_update_reaches_into_maps_by_path(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.set({"counts": {"scans": 1, "wins": 2}})
    member.update({"counts.scans": 5, "counts.deep.er": 6})
    assert member.get().to_dict() == {"counts": {"scans": 5, "wins": 2, "deep": {"er": 6}}}


def test_an_update_deletes_fields_by_path(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.set({"counts": {"scans": 1, "wins": 2}, "name": "Ada"})
    member.update({"counts.scans": DELETE_FIELD, "name": DELETE_FIELD, "no.such": DELETE_FIELD})
    assert member.get().to_dict() == {"counts": {"wins": 2}}


def test_a_path_through_what_is_no_map_makes_it_one(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.set({"counts": 5})
    member.update({"counts.scans": 1})
    assert member.get().to_dict() == {"counts": {"scans": 1}}


def test_field_names_that_are_no_identifiers_stand_in_backticks(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.set({})
    member.update({"`we.ird`": 1, "`a-b`.c": 2})
    assert member.get(["`a-b`.c"]).to_dict() == {"a-b": {"c": 2}}
    assert member.get().get("`we.ird`") == 1


def test_a_mask_shows_only_the_fields_asked_for(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.set({"name": "Ada", "counts": {"scans": 1, "wins": 2}})
    assert member.get(["counts.wins", "nothing"]).to_dict() == {"counts": {"wins": 2}}


def test_a_write_that_changes_nothing_keeps_the_update_time(firestore: Client) -> None:
    member = firestore.document("members/m")
    first = member.set({"name": "Ada"})
    assert member.set({"name": "Ada"}).update_time == first.update_time


def test_a_change_moves_the_update_time_and_not_the_create_time(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.set({"name": "Ada"})
    before = member.get()
    member.set({"name": "Eva"})
    after = member.get()
    assert after.create_time == before.create_time
    assert after.update_time > before.update_time


def test_a_document_made_anew_has_a_new_create_time(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.set({})
    before = member.get()
    member.delete()
    member.set({})
    assert member.get().create_time > before.create_time


def test_creating_what_exists_is_refused(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.create({"name": "Ada"})
    with pytest.raises(exceptions.AlreadyExists):
        member.create({"name": "Eva"})
    assert member.get().to_dict() == {"name": "Ada"}


def test_updating_what_does_not_exist_is_refused(firestore: Client) -> None:
    with pytest.raises(exceptions.NotFound):
        firestore.document("members/nobody").update({"name": "Ada"})
    assert not firestore.document("members/nobody").get().exists


def test_an_update_of_the_version_read_is_done(firestore: Client) -> None:
    member = firestore.document("members/m")
    written = member.set({"name": "Ada"})
    member.update({"name": "Eva"}, option=firestore.write_option(last_update_time=written.update_time))
    assert member.get().get("name") == "Eva"


def test_an_update_of_an_older_version_is_refused(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.set({"name": "Ada"})
    with pytest.raises(exceptions.FailedPrecondition):
        member.update({"name": "Eva"}, option=firestore.write_option(last_update_time=LONG_AGO))


def test_deleting_an_older_version_is_refused(firestore: Client) -> None:
    member = firestore.document("members/m")
    member.set({"name": "Ada"})
    with pytest.raises(exceptions.FailedPrecondition):
        member.delete(option=firestore.write_option(last_update_time=LONG_AGO))
    assert member.get().exists


def test_deleting_what_does_not_exist_is_done(firestore: Client) -> None:
    firestore.document("members/nobody").delete()
    assert not firestore.document("members/nobody").get().exists


def test_deleting_what_must_exist_and_does_not_is_refused(firestore: Client) -> None:
    with pytest.raises(exceptions.NotFound):
        firestore.document("members/nobody").delete(option=firestore.write_option(exists=True))


def test_a_batch_is_done_as_a_whole_or_not_at_all(firestore: Client) -> None:
    batch = firestore.batch()
    batch.set(firestore.document("members/new"), {})
    batch.update(firestore.document("members/nobody"), {"name": "Ada"})
    with pytest.raises(exceptions.NotFound):
        batch.commit()
    assert not firestore.document("members/new").get().exists


def test_a_batch_writes_in_its_order(firestore: Client) -> None:
    member = firestore.document("members/m")
    batch = firestore.batch()
    batch.set(member, {"first": 1})
    batch.update(member, {"second": 2})
    batch.delete(member)
    batch.create(member, {"last": 3})
    batch.commit()
    assert member.get().to_dict() == {"last": 3}


def test_all_documents_of_a_batch_have_one_update_time(firestore: Client) -> None:
    fill(firestore, "members", {"a": {"n": 1}, "b": {"n": 2}})
    a, b = firestore.document("members/a").get(), firestore.document("members/b").get()
    assert a.update_time == b.update_time


def test_a_batch_cannot_create_the_same_document_twice(firestore: Client) -> None:
    batch = firestore.batch()
    batch.create(firestore.document("members/m"), {"n": 1})
    batch.create(firestore.document("members/m"), {"n": 2})
    with pytest.raises(exceptions.InvalidArgument):
        batch.commit()
    assert not firestore.document("members/m").get().exists


def test_a_document_asked_for_twice_comes_once(firestore: Client) -> None:
    fill(firestore, "members", {"a": {}})
    asked = [firestore.document(f"members/{name}") for name in ("a", "nobody", "a")]
    assert {found.id: found.exists for found in firestore.get_all(asked)} == {"a": True, "nobody": False}
    assert len(list(firestore.get_all(asked))) == 2


def test_batch_writes_stand_each_for_itself(firestore: Client) -> None:
    good = {"update": {"name": f"{root(firestore)}/members/good"}}
    bad = {"delete": f"{root(firestore)}/members/bad", "current_document": {"exists": True}}
    response = call(firestore, "batch_write", database=firestore._database_string, writes=[bad, good])
    assert [status.code for status in response.status] == [5, 0]
    assert firestore.document("members/good").get().exists


def test_batch_writes_name_each_document_once(firestore: Client) -> None:
    delete = {"delete": f"{root(firestore)}/members/m"}
    with pytest.raises(exceptions.InvalidArgument):
        call(firestore, "batch_write", database=firestore._database_string, writes=[delete, delete])


def test_a_document_created_without_id_gets_one(firestore: Client) -> None:
    created = call(firestore, "create_document", parent=root(firestore), collection_id="members", document={})
    assert len(created.name.rpartition("/")[2]) == 20
    assert len(list(firestore.collection("members").stream())) == 1


def test_an_update_by_name_makes_the_document(firestore: Client) -> None:
    name = f"{root(firestore)}/members/m"
    document = {"name": name, "fields": {"a": {"integer_value": 1}, "b": {"integer_value": 2}}}
    answer = call(firestore, "update_document", document=document, mask={"field_paths": ["b"]})
    assert list(answer.fields) == ["b"]
    assert firestore.document("members/m").get().to_dict() == {"a": 1, "b": 2}


def test_a_delete_by_name_ends_the_document(firestore: Client) -> None:
    fill(firestore, "members", {"m": {}})
    call(firestore, "delete_document", name=f"{root(firestore)}/members/m")
    assert not firestore.document("members/m").get().exists


def test_a_collection_lists_documents_that_only_have_documents_beneath(firestore: Client) -> None:
    fill(firestore, "rooms", {"b": {}})
    firestore.document("rooms/a/messages/m").set({})
    assert ids(firestore.collection("rooms").list_documents()) == ["a", "b"]
    assert ids(firestore.collection("rooms").stream()) == ["b"]


def test_a_collection_can_be_emptied_page_by_page(firestore: Client) -> None:
    fill(firestore, "rooms", {f"room-{number}": {} for number in range(7)})
    for document in firestore.collection("rooms").list_documents(page_size=3):
        document.delete()
    assert list(firestore.collection("rooms").stream()) == []


def test_documents_are_listed_in_the_order_asked_for(firestore: Client) -> None:
    fill(firestore, "rooms", {"a": {"n": 1}, "b": {"n": 3}, "c": {"n": 2}})
    pages = call(firestore, "list_documents", parent=root(firestore), collection_id="rooms", order_by="n desc")
    assert [document.name.rpartition("/")[2] for document in pages] == ["b", "c", "a"]


def test_collections_are_listed_where_any_document_lies_beneath(firestore: Client) -> None:
    firestore.document("rooms/a/messages/m").set({})
    firestore.document("members/m").set({})
    assert ids(firestore.collections()) == ["members", "rooms"]
    assert ids(firestore.document("rooms/a").collections()) == ["messages"]


def test_a_collection_is_deleted_with_all_beneath(firestore: Client) -> None:
    fill(firestore, "rooms", {"a": {}, "b": {}})
    firestore.document("rooms/a/messages/m").set({})
    firestore.recursive_delete(firestore.collection("rooms"))
    assert ids(firestore.collections()) == []


def test_the_past_can_be_read(firestore: Client) -> None:
    member = firestore.document("members/m")
    then = member.set({"n": 1}).update_time
    member.set({"n": 2})
    assert member.get(read_time=then).to_dict() == {"n": 1}
    assert [found.to_dict() for found in firestore.collection("members").stream(read_time=then)] == [{"n": 1}]


def test_the_future_cannot_be_read(firestore: Client) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        firestore.document("members/m").get(read_time=datetime.now(UTC) + timedelta(hours=1))
