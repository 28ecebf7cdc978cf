"""Does the embedded Firestore transform fields, and refuse writes, as Google's does?"""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.firestore import (
    SERVER_TIMESTAMP,
    ArrayRemove,
    ArrayUnion,
    Client,
    GeoPoint,
    Increment,
    Maximum,
    Minimum,
)

from tests.contract.firestore_world import call, root

pytest_plugins = ["tests.contract.firestore_plugin"]

INTEGER_MAX = 2**63 - 1
ABSENT = object()


@pytest.mark.parametrize(
    ("stored", "change", "expected"),
    [
        (ABSENT, Increment(3), 3),
        (4, Increment(3), 7),
        (4, Increment(3.5), 7.5),
        (4.5, Increment(3), 7.5),
        ("text", Increment(3), 3),
        (INTEGER_MAX, Increment(3), INTEGER_MAX),
        (-INTEGER_MAX, Increment(-3), -(2**63)),
        (ABSENT, Maximum(3), 3),
        (4, Maximum(3), 4),
        (4, Maximum(4.0), 4),
        (3.0, Maximum(4), 4),
        ("text", Maximum(3), 3),
        (ABSENT, Minimum(3), 3),
        (4, Minimum(3.5), 3.5),
        (3, Minimum(3.0), 3),
        (ABSENT, ArrayUnion([2, 3, 3.0]), [2, 3]),
        ([1, 2, 2.0], ArrayUnion([2, 4]), [1, 2, 2.0, 4]),
        ("text", ArrayUnion([{"a": 1}]), [{"a": 1}]),
        ([1, 2, 2.0, None, "x"], ArrayRemove([2.0, None]), [1, "x"]),
        (ABSENT, ArrayRemove([2]), []),
        ("text", ArrayRemove([2]), []),
    ],
)
def test_a_transform_makes_of_the_stored_value(firestore: Client, stored: Any, change: Any, expected: Any) -> None:
    document = firestore.document("counters/c")
    document.set({} if stored is ABSENT else {"value": stored})
    document.update({"value": change})
    found = document.get().get("value")
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("stored", "change"), [(3.0, Maximum(math.nan)), (3.0, Minimum(math.nan)), (math.nan, Minimum(2))]
)
def test_not_a_number_wins_over_every_number(firestore: Client, stored: float, change: Any) -> None:
    document = firestore.document("counters/c")
    document.set({"value": stored})
    document.update({"value": change})
    assert math.isnan(document.get().get("value"))


def test_zero_keeps_its_sign_when_zero_is_the_maximum(firestore: Client) -> None:
    document = firestore.document("counters/c")
    document.set({"value": -0.0})
    document.update({"value": Maximum(0)})
    assert math.copysign(1, document.get().get("value")) == -1


def test_the_server_time_is_one_for_all_writes_of_a_batch(firestore: Client) -> None:
    before = datetime.now(UTC)
    batch = firestore.batch()
    batch.set(firestore.document("times/a"), {"at": SERVER_TIMESTAMP})
    batch.set(firestore.document("times/b"), {"deep": {"at": SERVER_TIMESTAMP}})
    batch.commit()
    at = firestore.document("times/a").get().get("at")
    assert firestore.document("times/b").get().get("deep.at") == at
    assert abs((at - before).total_seconds()) < 5
    assert at.microsecond % 1000 == 0


def test_the_client_is_told_what_a_transform_made(firestore: Client) -> None:
    firestore.document("counters/c").set({"value": 4})
    result = firestore.document("counters/c").update({"value": Increment(3), "seen": ArrayUnion([1])})
    told = {value._pb.WhichOneof("value_type"): value.integer_value for value in result.transform_results}
    assert told == {"integer_value": 7, "null_value": 0}


def test_a_transform_of_a_nested_field_makes_its_maps(firestore: Client) -> None:
    firestore.document("counters/c").set({"deep": {"kept": 1}})
    firestore.document("counters/c").update({"deep.er.value": Increment(1)})
    assert firestore.document("counters/c").get().to_dict() == {"deep": {"kept": 1, "er": {"value": 1}}}


def test_transforms_are_applied_after_the_fields_are_set(firestore: Client) -> None:
    firestore.document("counters/c").set({"gone": 1})
    firestore.document("counters/c").set({"kept": 1, "value": Increment(2)})
    assert firestore.document("counters/c").get().to_dict() == {"kept": 1, "value": 2}


def test_a_transform_of_a_document_that_must_exist_is_refused(firestore: Client) -> None:
    with pytest.raises(exceptions.NotFound):
        firestore.document("counters/nobody").update({"value": Increment(1)})


@pytest.mark.parametrize(
    "transform",
    [
        {"increment": {"string_value": "1"}},
        {"maximum": {"null_value": 0}},
        {"set_to_server_value": 0},
        {"append_missing_elements": {"values": [{}]}},
    ],
)
def test_a_transform_of_the_wrong_kind_is_refused(firestore: Client, transform: dict[str, Any]) -> None:
    changes = [{"field_path": "value", **transform}]
    write = {"transform": {"document": f"{root(firestore)}/counters/c", "field_transforms": changes}}
    with pytest.raises(exceptions.InvalidArgument):
        call(firestore, "commit", database=firestore._database_string, writes=[write])
    assert not firestore.document("counters/c").get().exists


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"array_value": {"values": [{"array_value": {}}]}}, id="an array in an array"),
        pytest.param({"map_value": {"fields": {"__reserved__": {"null_value": 0}}}}, id="a reserved name"),
        pytest.param({"map_value": {"fields": {"": {"boolean_value": True}}}}, id="an empty name"),
        pytest.param({"geo_point_value": {"latitude": 91}}, id="a place beyond the pole"),
        pytest.param({"reference_value": "members/m"}, id="a reference without a database"),
        pytest.param({"string_value": "x" * 1_048_577}, id="more than a document holds"),
        pytest.param({"array_value": {"values": [{"null_value": None}] * 40_000}}, id="more than its indexes hold"),
    ],
)
def test_what_cannot_be_stored_is_refused(firestore: Client, value: dict[str, Any]) -> None:
    update = {"name": f"{root(firestore)}/members/m", "fields": {"value": value}}
    with pytest.raises(exceptions.InvalidArgument):
        call(firestore, "commit", database=firestore._database_string, writes=[{"update": update}])


@pytest.mark.parametrize(
    "path",
    [
        "members",
        "members//m",
        "members/.",
        "members/..",
        "__members__/m",
        "members/__m__",
        f"members/{'m' * 1501}",
        "/".join(["m"] * 202),
    ],
)
def test_what_no_document_can_be_called_is_refused(firestore: Client, path: str) -> None:
    update = {"name": f"{root(firestore)}/{path}"}
    with pytest.raises(exceptions.InvalidArgument):
        call(firestore, "commit", database=firestore._database_string, writes=[{"update": update}])


@pytest.mark.parametrize("path", ["a..b", "a-b", "", "`a", "__a__", "1a"])
def test_what_no_field_path_can_be_is_refused(firestore: Client, path: str) -> None:
    update = {"name": f"{root(firestore)}/members/m"}
    with pytest.raises(exceptions.InvalidArgument):
        call(firestore, "update_document", document=update, update_mask={"field_paths": [path]})


def test_a_write_that_says_nothing_is_refused(firestore: Client) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        call(firestore, "commit", database=firestore._database_string, writes=[{}])


def test_the_largest_document_is_stored(firestore: Client) -> None:
    firestore.document("members/m").set({"value": "x" * 1_048_000, "place": GeoPoint(90, 180)})
    assert len(firestore.document("members/m").get().get("value")) == 1_048_000
