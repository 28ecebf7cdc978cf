"""A handler's signature is its contract; one that leaves anything open does not import."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import pytest

from shared.api import Api
from shared.auth import Admin, Anyone, Claims, Member, Role, Vendor
from shared.db import Tx
from shared.values.fields import Body, Page, Query, Reply
from shared.values.problems import Problem
from shared.web.http import Client, IfMatch, RawRequest, Upload
from shared.web.idempotency import IdempotencyKey
from shared.web.signatures import Handler, UnclearSignature, contract_of, helper_of


class Order(Body):
    name: str


class Receipt(Reply):
    id: UUID


class Hash:
    """The value that a helper makes before the transaction."""


def everything(
    tx: Tx, member: Member, key: IdempotencyKey, body: Order, page: Page, client: Client, order_id: UUID, now: datetime
) -> Receipt | Problem:
    raise NotImplementedError  # a stub: its signature alone is read


def for_admins(admin: Annotated[Admin, Role.TREASURY], file: Upload) -> None: ...


def for_anyone(caller: Anyone) -> Receipt:
    raise NotImplementedError  # a stub: its signature alone is read


def test_each_parameter_is_known_by_its_type() -> None:
    contract = contract_of(everything, frozenset({"order_id"}))
    assert (contract.caller, contract.caller_name, contract.role) == (Member, "member", None)
    assert (contract.tx_name, contract.key_name, contract.client_name, contract.now_name) == (
        "tx",
        "key",
        "client",
        "now",
    )
    assert (contract.body_name, contract.body) == ("body", Order)
    assert (contract.query_name, contract.query) == ("page", Page)
    assert contract.path == {"order_id": UUID}
    assert contract.reply is Receipt


def test_an_admin_says_which() -> None:
    contract = contract_of(for_admins, frozenset())
    assert (contract.caller, contract.role) == (Admin, Role.TREASURY)
    assert contract.upload_name == "file"
    assert contract.reply is None


def test_arguments_are_given_by_what_they_are() -> None:
    contract = contract_of(for_admins, frozenset())
    assert contract.arguments(caller="somebody", upload=b"x", tx="unused", now="unused") == {
        "admin": "somebody",
        "file": b"x",
    }


def no_caller(tx: Tx, body: Order) -> None: ...
def any_admin(admin: Admin) -> None: ...
def admin_by_name(admin: Annotated[Admin, "treasury"]) -> None: ...
def member_with_a_role(member: Annotated[Member, Role.OWNER]) -> None: ...
def two_callers(member: Member, admin: Annotated[Admin, Role.OWNER]) -> None: ...
def two_bodies(member: Member, body: Order, other: Order) -> None: ...
def a_stranger(member: Member, thing: bytes) -> None: ...
def no_type(member: Member, thing) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001 - that is the point
def a_text_that_is_no_path(member: Member, name: str) -> None: ...
def an_optional_body(member: Member, body: Order | None) -> None: ...
def a_reply_as_body(member: Member, body: Receipt) -> None: ...


@pytest.mark.parametrize(
    "handler",
    [
        no_caller, any_admin, admin_by_name, member_with_a_role, two_callers, two_bodies, a_stranger,
        a_text_that_is_no_path, an_optional_body, a_reply_as_body,
    ],
    ids=lambda handler: handler.__name__,
)  # fmt: skip
def test_a_signature_that_leaves_something_open_is_refused(handler: Handler) -> None:
    with pytest.raises(UnclearSignature):
        contract_of(handler, frozenset())


def test_a_parameter_without_a_type_is_refused() -> None:
    with pytest.raises((UnclearSignature, KeyError)):
        contract_of(no_type, frozenset())


def test_every_name_of_the_path_is_taken() -> None:
    with pytest.raises(UnclearSignature, match="order_id"):
        contract_of(for_anyone, frozenset({"order_id"}))


def test_what_runs_before_the_transaction_knows_neither_caller_nor_transaction() -> None:
    def fine(body: Order, now: datetime) -> Hash:
        raise NotImplementedError  # a stub: its signature alone is read

    def with_caller(member: Member) -> None: ...

    def with_transaction(tx: Tx) -> None: ...

    assert helper_of(fine, frozenset()).body is Order
    wrong: list[Callable[..., Any]] = [with_caller, with_transaction]
    for helper in wrong:
        with pytest.raises(UnclearSignature):
            helper_of(helper, frozenset())


def test_what_runs_before_the_transaction_may_know_what_the_path_names() -> None:
    def looks(order_id: UUID, now: datetime) -> Hash:
        raise NotImplementedError  # a stub: its signature alone is read

    assert helper_of(looks, frozenset({"order_id", "line_id"})).path == {"order_id": UUID}
    with pytest.raises(UnclearSignature, match="order_id"):
        helper_of(looks, frozenset())


def test_what_runs_before_the_transaction_may_know_who_claims_to_call() -> None:
    def looks(claims: Claims) -> Hash:
        raise NotImplementedError  # a stub: its signature alone is read

    def looked(member: Member, seen: Hash) -> Receipt:
        raise NotImplementedError  # a stub: its signature alone is read

    def looked_by_anyone(caller: Anyone, seen: Hash) -> Receipt:
        raise NotImplementedError  # a stub: its signature alone is read

    def claiming(member: Member, claims: Claims) -> None:
        """Claims say who called, not that their session lives: a handler names its caller instead."""

    assert helper_of(looks, frozenset()).arguments(claims="hers") == {"claims": "hers"}
    api = Api("tests")
    api.get("/v1/x", before=looks)(looked)
    with pytest.raises(UnclearSignature):
        api.get("/v1/y", before=looks)(looked_by_anyone)
    with pytest.raises(UnclearSignature, match="names its caller"):
        api.get("/v1/z")(claiming)
    assert len(api.routes) == 1


class Notice:
    """A vendor's message, once its signature was checked."""


def verified(message: RawRequest) -> Notice:
    raise NotImplementedError  # a stub: its signature alone is read


def hear(tx: Tx, vendor: Vendor, notice: Notice, now: datetime) -> Receipt:
    raise NotImplementedError  # a stub: its signature alone is read


def parsed(body: Order) -> Notice:
    raise NotImplementedError  # a stub: its signature alone is read


def verified_with_a_look_aside(message: RawRequest, page: Page) -> Notice:
    raise NotImplementedError  # a stub: its signature alone is read


def unread() -> Notice:
    raise NotImplementedError  # a stub: its signature alone is read


def believes_anybody(tx: Tx, vendor: Vendor, now: datetime) -> Receipt:
    raise NotImplementedError  # a stub: its signature alone is read


def hears_another_thing(vendor: Vendor, seen: Hash) -> Receipt:
    raise NotImplementedError  # a stub: its signature alone is read


def with_body(vendor: Vendor, notice: Notice, body: Order) -> None: ...
def with_upload(vendor: Vendor, notice: Notice, file: Upload) -> None: ...
def with_query(vendor: Vendor, notice: Notice, page: Page) -> None: ...
def with_key(vendor: Vendor, notice: Notice, key: IdempotencyKey) -> None: ...
def with_version(vendor: Vendor, notice: Notice, version: IfMatch) -> None: ...
def with_message(vendor: Vendor, notice: Notice, message: RawRequest) -> None: ...
def of_two(vendor: Vendor, member: Member, notice: Notice) -> None: ...
def hear_one_of(vendor: Vendor, notice: Notice, provider: str) -> None: ...
def for_member(member: Member, notice: Notice) -> None: ...


def test_a_vendor_is_heard_once_its_message_is_verified() -> None:
    api = Api("tests")
    api.post("/v1/heard", before=verified)(hear)
    (route,) = api.routes
    assert (route.contract.caller, route.contract.caller_name, route.contract.prepared_name) == (
        Vendor,
        "vendor",
        "notice",
    )
    assert (route.contract.is_vendors, route.contract.takes_token, route.any_query) == (True, False, True)
    assert route.before
    assert route.before.arguments(raw="message", body="unread", client="unread") == {"message": "message"}


@pytest.mark.parametrize(
    ("handler", "before"),
    [
        (hear, None), (hear, parsed), (hear, unread), (hear, verified_with_a_look_aside), (believes_anybody, None),
        (believes_anybody, verified), (hears_another_thing, verified), (with_body, verified), (with_upload, verified),
        (with_query, verified), (with_key, verified), (with_version, verified), (with_message, verified),
        (of_two, verified), (for_member, verified),
    ],
    ids=lambda given: given.__name__ if given else "nothing",
)  # fmt: skip
def test_a_vendor_is_not_heard_without_a_check_or_with_more_than_was_checked(
    handler: Handler, before: Handler | None
) -> None:
    api = Api("tests")
    with pytest.raises(UnclearSignature):
        api.post("/v1/heard", before=before)(handler)
    assert api.routes == []


def test_neither_a_path_nor_a_count_of_tries_is_made_of_what_is_not_verified() -> None:
    def counted(message: RawRequest) -> None: ...

    api = Api("tests")
    with pytest.raises(UnclearSignature):
        api.post("/v1/heard/{provider}", before=verified)(hear_one_of)
    with pytest.raises(UnclearSignature, match="nobody has verified"):
        api.post("/v1/heard", limit=counted, before=verified)(hear)
    assert api.routes == []


def test_a_route_that_leaves_something_open_is_not_registered() -> None:
    api = Api("tests")
    for register in (api.get("/v1/x"), api.post("/v1/{order_id}"), api.get("/v1/x", after=lambda reply: reply)):
        with pytest.raises(UnclearSignature):
            register(no_caller)
    with pytest.raises(UnclearSignature):
        api.post("/v1/x", after=lambda reply: reply)(for_admins)
    assert api.routes == []


def test_what_is_more_than_a_members_transaction_has_no_dry_run() -> None:
    def quick(tx: Tx, member: Member) -> None: ...
    def counted() -> None: ...
    def by_anyone(tx: Tx, caller: Anyone) -> None: ...

    api = Api("tests")
    api.post("/v1/x", dry_run=True)(quick)
    for helper in ("limit", "before", "after"):
        with pytest.raises(UnclearSignature, match="no dry run"):
            api.post("/v1/y", dry_run=True, **{helper: counted})(quick)
    with pytest.raises(UnclearSignature, match="no dry run"):
        api.post("/v1/y", dry_run=True)(by_anyone)
    assert [route.template for route in api.routes] == ["/v1/x"]


def test_a_query_is_no_body() -> None:
    class Filter(Query):
        name: str

    def listing(member: Member, chosen: Filter) -> None: ...

    contract = contract_of(listing, frozenset())
    assert (contract.query, contract.body) == (Filter, None)
