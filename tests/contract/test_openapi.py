"""openapi.yaml and the code say the same, in both directions."""

import json
from datetime import datetime
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from emulators import contract
from shared.api import MUTATING
from shared.auth import MemberSuspended
from shared.values import problems
from shared.values.fields import Body, Reply
from shared.values.problems import Problem
from shared.web.http import CSV, HTML
from shared.web.in_transaction import Route
from tests import openapi
from tests.contract.routes import all_problems, apis, routes

ALWAYS = frozenset({500, 503})


def said_of(route: Route) -> dict[str, Any]:
    said: dict[str, Any] = contract.document()["paths"][route.template][route.method.lower()]
    return said


every_route = pytest.mark.parametrize("route", [route for _, route in routes()], ids=lambda route: route.name)


def test_every_operation_is_a_route_of_the_function_it_names_and_the_reverse() -> None:
    promised = {
        (operation.function, operation.method, operation.template, operation.operation_id)
        for operation in contract.operations()
    }
    built = {(name, route.method, route.template, route.contract.handler.__name__) for name, route in routes()}
    assert promised == built


def test_operation_ids_are_unique_and_backends_are_functions_behind_the_gateway() -> None:
    ids = [operation.operation_id for operation in contract.operations()]
    assert len(ids) == len(set(ids))
    backends = contract.document()["x-google-api-management"]["backends"]
    assert set(backends) == set(apis())


@every_route
def test_a_route_is_secured_exactly_when_its_signature_names_a_member(route: Route) -> None:
    (operation,) = [
        found for found in contract.operations() if (found.method, found.template) == (route.method, route.template)
    ]
    assert operation.secured == route.contract.takes_token


@every_route
def test_the_statuses_promised_are_those_that_can_happen(route: Route) -> None:
    promised = {int(status) for status in said_of(route)["responses"]}
    assert promised == possible_statuses(route)


@every_route
def test_the_problems_named_are_those_the_handler_declares(route: Route) -> None:
    assert said_of(route).get("x-problems", []) == sorted(problem.slug() for problem in route.problems)


@every_route
def test_mutating_routes_take_an_idempotency_key_and_some_insist_on_it(route: Route) -> None:
    parameters = {parameter.get("$ref", "").rsplit("/", 1)[-1] for parameter in said_of(route).get("parameters", [])}
    wanted = "RequiredIdempotencyKey" if route.key_required else "IdempotencyKey"
    takes_key = route.method in MUTATING and not is_vendors(route)
    assert parameters - {"", "IfMatch", "DryRun"} == ({wanted} if takes_key else set())


@every_route
def test_a_route_that_changes_a_version_asks_for_it(route: Route) -> None:
    parameters = {parameter.get("$ref", "").rsplit("/", 1)[-1] for parameter in said_of(route).get("parameters", [])}
    assert ("IfMatch" in parameters) == (route.contract.match_name is not None)


@every_route
def test_a_route_that_can_be_tried_says_so(route: Route) -> None:
    said = said_of(route)
    parameters = {parameter.get("$ref", "").rsplit("/", 1)[-1] for parameter in said.get("parameters", [])}
    headers = openapi.resolved(said["responses"][str(route.status)]).get("headers", {})
    assert ("DryRun" in parameters, "Dry-Run" in headers) == (route.dry_run, route.dry_run)


@every_route
def test_path_and_query_parameters_are_the_same(route: Route) -> None:
    parameters = [openapi.resolved(parameter) for parameter in said_of(route).get("parameters", [])]
    names = {place: {p["name"] for p in parameters if p["in"] == place} for place in ("path", "query")}
    assert names["path"] == set(route.contract.path)
    assert names["query"] == set(sent_fields(route.contract.query) if route.contract.query else ())


@every_route
def test_a_body_has_the_same_fields_in_both(route: Route) -> None:
    body = route.contract.body
    if body is None:
        assert ("requestBody" in said_of(route)) == (route.contract.upload_name is not None or is_vendors(route))
        return
    schema = said_of(route)["requestBody"]["content"]["application/json"]["schema"]
    assert schema["$ref"] == f"#/components/schemas/{body.__name__}"
    compare(body, openapi.resolved(schema))


@every_route
def test_a_reply_has_the_same_fields_in_both(route: Route) -> None:
    reply = final_reply(route)
    success = openapi.resolved(said_of(route)["responses"][str(route.status)])
    if reply is None:
        kinds = [CSV] if route.contract.is_file else [HTML] if route.contract.is_page else []
        assert list(success.get("content", {})) == [kind.partition(";")[0] for kind in kinds]
        return
    compare(reply, openapi.resolved(success["content"]["application/json"]["schema"]))


def test_every_example_of_a_schema_is_valid() -> None:
    examples = 0
    for name, schema in contract.document()["components"]["schemas"].items():
        if "example" in schema:
            openapi.validate(schema["example"], {"$ref": f"#/components/schemas/{name}"})
            examples += 1
    assert examples >= 20


@every_route
def test_the_example_of_a_body_is_one_that_the_function_takes(route: Route) -> None:
    if route.contract.body:
        schema = contract.document()["components"]["schemas"][route.contract.body.__name__]
        route.contract.body.model_validate_json(json.dumps(schema["example"]))


def test_every_problem_that_a_client_can_see_is_shown_and_none_that_does_not_exist() -> None:
    shown = {slug: example["value"] for slug, example in contract.document()["components"]["examples"].items()}
    declared = {problem.slug() for _, route in routes() for problem in route.problems}
    everywhere = {kind.slug() for kind in vars(problems).values() if isinstance(kind, type)
                  and issubclass(kind, Problem) and kind is not Problem}  # fmt: skip
    unseen = {problems.NotThroughTheGateway.slug(), problems.MethodNotAllowed.slug(), problems.TooManyRequests.slug()}
    assert set(shown) == (declared | everywhere | {MemberSuspended.slug()}) - unseen
    kinds = all_problems()
    for slug, value in shown.items():
        assert value == {"type": f"/problems/{slug}", "title": kinds[slug].title, "status": kinds[slug].status}


def test_it_is_what_api_gateway_takes() -> None:
    """docs.cloud.google.com/api-gateway: camelCase, a string per backend, whole segments, an audience each."""
    document = contract.document()
    assert document["openapi"].startswith("3.0.")
    for backend in document["x-google-api-management"]["backends"].values():
        assert set(backend) == {"address", "jwtAudience", "pathTranslation", "deadline"}
        assert backend["pathTranslation"] == "APPEND_PATH_TO_ADDRESS"
    for template in document["paths"]:
        for part in template.split("/"):
            assert "{" not in part or (part.startswith("{") and part.endswith("}"))
    scheme = document["components"]["securitySchemes"]["member"]["x-google-auth"]
    assert scheme["jwtLocations"] == [
        {"header": "Authorization", "valuePrefix": prefix} for prefix in ("Bearer ", "bearer ")
    ]


def is_vendors(route: Route) -> bool:
    """Return True if a vendor calls: it has no token and no Idempotency-Key, and its body is not described."""
    return route.contract.is_vendors


def possible_statuses(route: Route) -> set[int]:
    """The answers that a route can give, by its signature and the problems that it declares."""
    contract_ = route.contract
    statuses = {route.status, *ALWAYS, *(problem.status for problem in route.problems)}
    is_cached = (contract_.is_file and route.method == "GET") or route.tagged
    statuses |= {304} if is_cached else set()  # a client that has it
    if contract_.is_vendors:
        return statuses | {400, 413}  # a body that breaks off, or is too long: nothing else of it is read
    if not route.any_query:
        statuses.add(422)  # a parameter that the operation does not know
    if contract_.body or contract_.upload_name:
        statuses |= {413, 415}
    if contract_.body or "multipart/form-data" in route.upload_types:
        statuses.add(400)
    if contract_.match_name:
        statuses |= {412, 428}
    if contract_.takes_token:
        statuses |= {401, 403}
        if route.method in MUTATING:
            statuses.add(409)  # a key of somebody who is not signed in is never refused as another request's
    if contract_.path:
        statuses.add(404)
    if route.method in MUTATING:
        statuses.add(422)
    return statuses


def final_reply(route: Route) -> type[Reply] | None:
    """The reply that the client gets: that of `after`, where there is one."""
    if route.after is None:
        return route.contract.reply
    reply: type[Reply] = get_type_hints(route.after)["return"]
    return reply


def sent_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields of a model by the names that clients use: `from` is no name in Python."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def compare(model: type[Body | Reply], schema: dict[str, Any]) -> None:
    """Names, what is required, what may be null, enums and lengths."""
    assert schema["additionalProperties"] is False
    fields = sent_fields(model)
    assert set(schema["properties"]) == set(fields)
    required = {name for name, field in fields.items() if field.is_required()}
    assert set(schema.get("required", [])) == required, model
    for name, field in fields.items():
        property_ = openapi.resolved(schema["properties"][name])
        hint = field.annotation
        nullable = get_origin(hint) in (Union, UnionType) and type(None) in get_args(hint)
        assert property_.get("nullable", False) == nullable, f"{model.__name__}.{name}"
        plain = next((kind for kind in get_args(hint) if kind is not type(None)), hint) if nullable else hint
        if get_origin(plain) is Literal:
            assert [value for value in property_["enum"] if value is not None] == list(get_args(plain))
        if plain is datetime:
            assert property_["format"] == "date-time"
