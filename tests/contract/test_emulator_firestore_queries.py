"""Does the embedded Firestore answer queries as Google's does?"""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.firestore import And, Client, CollectionReference, FieldFilter, GeoPoint, Or, Query
from google.cloud.firestore_v1.vector import Vector

from tests.contract.firestore_world import call, fill, ids, root

pytest_plugins = ["tests.contract.firestore_plugin"]

DESCENDING = Query.DESCENDING
MEMBERS: dict[str, dict[str, Any]] = {
    "a": {"n": 1, "tier": "gold", "tags": [1, 2], "deep": {"n": 1}},
    "b": {"n": 2, "tier": "silver", "tags": [2, 3]},
    "c": {"n": 3.0, "tier": "gold", "tags": []},
    "d": {"n": None, "tier": "lost"},
    "e": {"n": math.nan},
    "f": {"tier": "gold"},
    "g": {"n": "text"},
    "h": {"n": [1]},
    "i": {"n": 2, "tier": "gold"},
}


@pytest.fixture
def members(firestore: Client) -> CollectionReference:
    fill(firestore, "members", MEMBERS)
    return firestore.collection("members")


def where(field: str, operator: str, value: Any) -> FieldFilter:
    return FieldFilter(field, operator, value)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (where("n", "==", 2), "bi"),
        (where("n", "==", 3), "c"),
        (where("n", "<", 3), "abi"),
        (where("n", "<=", 3), "abic"),
        (where("n", ">", 1), "bic"),
        (where("n", ">=", 2), "bic"),
        (where("n", ">", "a"), "g"),
        (where("n", ">", [0]), "h"),
        (where("n", "!=", 2), "eacgh"),
        (where("n", "in", [1, 3, "text"]), "acg"),
        (where("n", "in", [None]), ""),
        (where("n", "in", [math.nan]), ""),
        (where("n", "not-in", [1, 2]), "ecgh"),
        (where("n", "not-in", [None]), ""),
        (where("n", "not-in", [math.nan, 1]), "ebicgh"),
        (where("n", "==", None), "d"),
        (where("n", "!=", None), "eabicgh"),
        (where("n", "==", math.nan), "e"),
        (where("n", "!=", math.nan), "abicgh"),
        (where("n", "==", [1]), "h"),
        (where("deep.n", "==", 1), "a"),
        (where("deep", "==", {"n": 1}), "a"),
        (where("tags", "array_contains", 2), "ab"),
        (where("tags", "array_contains_any", [1, 3]), "ab"),
        (where("nothing", "==", 1), ""),
        (And([where("tier", "==", "gold"), where("n", ">", 1)]), "ic"),
        (And([where("n", ">", 0), where("tier", ">", "a")]), "aibc"),
        (And([where("n", ">", 1), where("n", "<", 3)]), "bi"),
        (Or([where("n", "==", 1), where("tier", "==", "silver")]), "ab"),
        (Or([where("n", ">", 1), where("tier", "==", "gold")]), "abic"),
        (And([where("tier", "==", "gold"), Or([where("n", "==", 1), where("n", "==", 2)])]), "ai"),
        (Or([where("tier", "in", ["lost", "silver"]), where("tags", "array_contains", 1)]), "abd"),
    ],
)
def test_a_filter_finds_these_in_this_order(members: CollectionReference, condition: Any, expected: str) -> None:
    assert "".join(ids(members.where(filter=condition).stream())) == expected


@pytest.mark.parametrize(
    ("operator", "names", "expected"),
    [
        ("==", "a", "a"),
        (">", "g", "hi"),
        ("<=", "b", "ab"),
        ("!=", "a", "bcdefghi"),
        ("in", "caz", "ac"),
        ("not-in", "abc", "defghi"),
    ],
)
def test_documents_are_found_by_name(members: CollectionReference, operator: str, names: str, expected: str) -> None:
    named = [members.document(name) for name in names]
    operand = named if operator in {"in", "not-in"} else named[0]
    assert "".join(ids(members.where(filter=where("__name__", operator, operand)).stream())) == expected


def test_values_of_all_types_have_one_order(firestore: Client) -> None:
    ascending = [
        None, False, True, math.nan, -math.inf, -1.5, 0, 1, 2**53, 2**53 + 1, math.inf,
        datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        "", "A", "a", "ab", "ä", "\uffee", "😀", b"", b"\x00", b"a",
        firestore.document("a/b"), firestore.document("a/b/c/d"), firestore.document("b/a"),
        GeoPoint(-1, 2), GeoPoint(0, 1), GeoPoint(0, 2),
        [], [1], [1, "a"], [2], Vector([9.0]), Vector([1.0, 2.0]), Vector([1.0, 3.0]),
        {}, {"a": 1}, {"a": 1, "b": 0}, {"a": 2}, {"b": 0},
    ]  # fmt: skip
    fill(firestore, "values", {f"{999 - place}": {"v": value, "place": place} for place, value in enumerate(ascending)})
    values = firestore.collection("values")
    in_order = list(range(len(ascending)))
    assert [found.get("place") for found in values.order_by("v").stream()] == in_order
    assert [found.get("place") for found in values.order_by("v", direction=DESCENDING).stream()] == in_order[::-1]


def test_documents_come_in_the_order_of_their_names_bytes(firestore: Client) -> None:
    names = ["10", "9", "B", "a", "ab", "z z", "é", "\uffee", "😀"]
    fill(firestore, "names", {name: {} for name in reversed(names)})
    assert ids(firestore.collection("names").stream()) == names


def test_equal_values_are_ordered_by_name_in_the_last_direction(members: CollectionReference) -> None:
    assert ids(members.order_by("tier").stream()) == list("acfidb")
    assert ids(members.order_by("tier", direction=DESCENDING).stream()) == list("bdifca")
    assert ids(members.order_by("tier").order_by("n", direction=DESCENDING).stream()) == list("ciadb")


def test_documents_without_the_field_are_not_in_its_order(members: CollectionReference) -> None:
    assert "f" not in ids(members.order_by("n").stream())
    assert ids(members.order_by("deep.n").stream()) == ["a"]


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [("start_at", "bicgh"), ("start_after", "cgh"), ("end_at", "deabi"), ("end_before", "dea")],
)
def test_a_cursor_cuts_the_results_at_a_value(members: CollectionReference, cursor: str, expected: str) -> None:
    query = getattr(members.order_by("n"), cursor)({"n": 2})
    assert "".join(ids(query.stream())) == expected


@pytest.mark.parametrize(
    ("cursor", "expected"),
    [("start_at", "bicgh"), ("start_after", "icgh"), ("end_at", "deab"), ("end_before", "dea")],
)
def test_a_cursor_cuts_the_results_at_a_document(members: CollectionReference, cursor: str, expected: str) -> None:
    query = getattr(members.order_by("n"), cursor)(members.document("b").get())
    assert "".join(ids(query.stream())) == expected


def test_cursors_follow_a_descending_order(members: CollectionReference) -> None:
    query = members.order_by("n", direction=DESCENDING)
    assert ids(query.start_after(members.document("i").get()).stream()) == list("baed")
    assert ids(query.start_at({"n": 3}).end_before({"n": 1}).stream()) == list("cib")


def test_a_cursor_may_name_fewer_values_than_the_order(members: CollectionReference) -> None:
    query = members.order_by("tier").order_by("n")
    assert ids(query.start_at({"tier": "gold", "n": 2}).end_at({"tier": "gold"}).stream()) == list("ic")


def test_pages_follow_each_other_without_gap(members: CollectionReference) -> None:
    query, seen = members.order_by("n").limit(3), []
    while page := list(query.stream()):
        seen += ids(page)
        query = members.order_by("n").limit(3).start_after(page[-1])
    assert seen == list("deabicgh")


def test_a_limit_and_an_offset_cut_the_results(members: CollectionReference) -> None:
    assert ids(members.order_by("n").limit(2).stream()) == list("de")
    assert ids(members.order_by("n").offset(2).limit(2).stream()) == list("ab")
    assert ids(members.limit(0).stream()) == []


def test_the_last_results_come_in_order(members: CollectionReference) -> None:
    assert ids(members.order_by("n").limit_to_last(2).get()) == list("gh")


def test_a_projection_shows_only_its_fields(members: CollectionReference) -> None:
    first = next(iter(members.select(["n", "deep.n", "nothing"]).stream()))
    assert first.to_dict() == {"n": 1, "deep": {"n": 1}}


def test_an_empty_projection_shows_only_names(members: CollectionReference) -> None:
    found = list(members.select(()).limit(2).stream())
    assert [(document.id, document.to_dict()) for document in found] == [("a", {}), ("b", {})]


def test_a_collection_is_its_own_documents_alone(firestore: Client, members: CollectionReference) -> None:
    firestore.document("members/a/members/deep").set({"n": 2})
    assert ids(members.where(filter=where("n", "==", 2)).stream()) == list("bi")


def test_a_collection_group_is_all_collections_of_that_name(firestore: Client) -> None:
    for path in ("rooms/x/messages/1", "rooms/y/messages/2", "messages/3", "rooms/x/notes/4", "messages/3/messages/5"):
        firestore.document(path).set({"n": int(path[-1])})
    group = firestore.collection_group("messages")
    assert ids(group.stream()) == ["3", "5", "1", "2"]
    assert ids(group.where(filter=where("n", ">", 1)).stream()) == ["2", "3", "5"]


def test_a_group_can_be_cut_by_full_names(firestore: Client) -> None:
    for path in ("rooms/x/messages/1", "rooms/y/messages/2", "rooms/z/messages/3"):
        firestore.document(path).set({})
    group = firestore.collection_group("messages")
    behind = where("__name__", ">", firestore.document("rooms/x/messages/1"))
    assert ids(group.where(filter=behind).stream()) == ["2", "3"]


REFUSED = [
    where("n", "in", []),
    where("n", "in", list(range(31))),
    where("n", "not-in", list(range(11))),
    where("tags", "array_contains_any", []),
    where("__name__", "==", "a"),
    And([where("n", "!=", 1), where("n", "not-in", [2])]),
    And([where("n", "!=", 1), where("tier", "!=", "gold")]),
    And([where("n", "in", [1]), where("tier", "not-in", ["gold"])]),
    And([where("tags", "array_contains", 1), where("tags", "array_contains", 2)]),
    And([where("tags", "array_contains", 1), where("tags", "array_contains_any", [2])]),
    Or([where("n", "not-in", [1]), where("tier", "==", "gold")]),
    Or([where("n", "==", number) for number in range(31)]),
    And([where("n", "in", list(range(6))), where("tier", "in", list("abcdef"))]),
]  # fmt: skip


@pytest.mark.parametrize("condition", REFUSED)
def test_a_filter_beyond_the_rules_is_refused(members: CollectionReference, condition: Any) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        list(members.where(filter=condition).stream())


@pytest.mark.parametrize(
    "query",
    [
        {"limit": -1},
        {"offset": -1},
        {"order_by": [{"field": {"field_path": "n"}}, {"field": {"field_path": "n"}}]},
        {"order_by": [{"field": {"field_path": "__name__"}}, {"field": {"field_path": "n"}}]},
        {"order_by": [{"field": {"field_path": "n"}}], "start_at": {"values": [{"integer_value": 1}] * 2}},
        {"order_by": [{"field": {"field_path": "__name__"}}], "start_at": {"values": [{"integer_value": 1}]}},
        {"where": {"field_filter": {"field": {"field_path": "n"}, "op": 0, "value": {"integer_value": 1}}}},
        {"where": {"field_filter": {"field": {"field_path": "n"}, "op": 5}}},
        {"where": {"field_filter": {"field": {"field_path": "a..b"}, "op": 5, "value": {"integer_value": 1}}}},
        {"where": {"unary_filter": {"op": 3}}},
        {"from_": [{"collection_id": "members"}, {"collection_id": "rooms"}]},
        {"from_": [{"collection_id": "members/a/rooms"}]},
    ],
)
def test_a_query_beyond_the_rules_is_refused(firestore: Client, query: dict[str, Any]) -> None:
    structured = {"from_": [{"collection_id": "members"}], **query}
    with pytest.raises(exceptions.InvalidArgument):
        list(call(firestore, "run_query", parent=root(firestore), structured_query=structured))


def test_a_scan_by_descending_name_is_refused(members: CollectionReference) -> None:
    with pytest.raises(exceptions.FailedPrecondition):
        list(members.order_by("__name__", direction=DESCENDING).stream())


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (where("tier", "==", "gold"), {"count": 3, "sum": 6.0, "average": 2.0}),
        (where("tier", "==", "lost"), {"count": 1, "sum": 0, "average": None}),
        (where("tier", "==", "nobody"), {"count": 0, "sum": 0, "average": None}),
        (where("n", "==", 2), {"count": 2, "sum": 4, "average": 2.0}),
    ],
)
def test_aggregations_cover_the_documents_with_the_field(
    firestore: Client, members: CollectionReference, condition: FieldFilter, expected: dict[str, Any]
) -> None:
    aggregations = [
        {"alias": "count", "count": {}},
        {"alias": "sum", "sum": {"field": {"field_path": "n"}}},
        {"alias": "average", "avg": {"field": {"field_path": "n"}}},
    ]
    assert aggregated(firestore, members.where(filter=condition), aggregations) == expected


def test_a_count_alone_covers_all_results(members: CollectionReference) -> None:
    everybody: Any = members
    assert everybody.count(alias="all").get()[0][0].value == len(MEMBERS)
    assert everybody.where(filter=where("tier", "==", "gold")).count().get()[0][0].value == 4


def test_a_count_may_stop_early(firestore: Client, members: CollectionReference) -> None:
    assert aggregated(firestore, members, [{"alias": "some", "count": {"up_to": 2}}]) == {"some": 2}


def test_aggregations_respect_the_limit(firestore: Client, members: CollectionReference) -> None:
    aggregations = [{"alias": "count", "count": {}}, {"alias": "sum", "sum": {"field": {"field_path": "n"}}}]
    query = members.where(filter=where("tier", "==", "gold")).limit(2)
    assert aggregated(firestore, query, aggregations) == {"count": 2, "sum": 3}


def test_a_sum_of_integers_too_large_is_a_double(firestore: Client) -> None:
    fill(firestore, "sums", {"a": {"n": 2**63 - 1}, "b": {"n": 2**63 - 1}})
    [[total]] = firestore.collection("sums").sum("n").get()
    assert isinstance(total.value, float)
    assert total.value == pytest.approx(2.0**64)


def test_a_sum_with_not_a_number_is_none(members: CollectionReference) -> None:
    assert math.isnan(members.sum("n").get()[0][0].value)


def test_aggregations_without_a_name_are_numbered(firestore: Client, members: CollectionReference) -> None:
    found = aggregated(firestore, members, [{"count": {}}, {"alias": "named", "count": {}}, {"count": {"up_to": 1}}])
    assert found == {"field_1": 9, "named": 9, "field_2": 1}


@pytest.mark.parametrize("aggregations", [[], [{"alias": "a", "count": {}}] * 2, [{"alias": "a"}]])
def test_an_aggregation_beyond_the_rules_is_refused(firestore: Client, aggregations: list[dict[str, Any]]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        aggregated(firestore, firestore.collection("members"), aggregations)


def aggregated(firestore: Client, query: Any, aggregations: list[dict[str, Any]]) -> dict[str, Any]:
    """One answer for several aggregations, by their names."""
    wanted = {"structured_query": query._to_protobuf() if isinstance(query, Query) else query._query()._to_protobuf()}
    request = {**wanted, "aggregations": aggregations}
    [answer] = call(firestore, "run_aggregation_query", parent=root(firestore), structured_aggregation_query=request)
    fields = answer.result._pb.aggregate_fields
    kinds = {name: value.WhichOneof("value_type") for name, value in fields.items()}
    return {name: None if kind == "null_value" else getattr(fields[name], kind) for name, kind in kinds.items()}
