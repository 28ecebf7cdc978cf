"""schemathesis on openapi.yaml, through the gateway into the running functions: no input makes them fail.

Every operation is tried with what its schema allows and forbids, as an admin, as a member and as nobody. Whatever
happens is promised: status, content type, shape; what the schema forbids is refused, what it allows is never called
malformed. Half of the allowed bodies get one real value (a code that can be scanned, a refresh token that is good):
only with those does the rest of the body reach the work that is done with it.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response
from schemathesis.schemas import BaseSchema

from emulators import cloud, contract
from emulators.contract import Operation
from emulators.gateway import Gateway, KeySet
from shared import auth, db
from shared.auth import Role
from shared.messages import notifications, unsubscribing
from shared.messages.notifications import Note
from tests import factories, openapi
from tests.client import FunctionClient, app
from tests.factories import Somebody
from tests.fakes import campaign_desk as desk
from tests.fakes import comp_records, order_rows, wallet_driver
from tests.fakes.chain import FakeChain
from tests.fakes.cheap_hashes import use_cheap_hashes
from tests.fakes.order_client import ADDRESS, SERVED, serve
from tests.fakes.shop_client import MINT
from tests.fakes.wallet_driver import RECIPIENT, new_wallet
from tests.fakes.wallets import chain_of_port
from tests.operations.scene import PASSWORD, Scene
from tests.platform import Platform

pytest_plugins = ["tests.fakes.wallet_plugin"]

EXAMPLES = 10
REFERENCE = re.compile(r'"\$ref": "#/components/(\w+)/([^"/]+)"')
REFUSALS = [400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428, 429]
BUSINESS = ["2xx", 401, 403, 404, 409, 412, 422, 428, 429]  # what may become of a request that the schema allows

CONFIG = {
    "generation": {"max-examples": EXAMPLES, "deterministic": True, "mode": "all", "allow-x00": False},
    "analysis": {"constants": {"enabled": False}},  # it would read this module again for each operation
    "phases": {
        "examples": {"enabled": True},
        "coverage": {"enabled": True, "unexpected-methods": ["DELETE", "PATCH", "TRACE"]},
        "fuzzing": {"enabled": True},
        "stateful": {"enabled": False},
    },
    "checks": {
        "negative_data_rejection": {"expected-statuses": REFUSALS},
        "positive_data_acceptance": {"expected-statuses": BUSINESS},
        "not_a_server_error": {"expected-statuses": ["2xx", "4xx"]},
        "unsupported_method": {"enabled": False},  # it wants Allow, which API Gateway's 405 does not have
    },
}

Api = Case[Any]
bounded = settings(deadline=None, derandomize=True, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))


class Door:
    """The gateway of the test that is running: schemathesis wants its application before there is one."""

    gateway: WSGIApplication | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        assert self.gateway
        environ.setdefault("REMOTE_ADDR", "203.0.113.7")
        return self.gateway(environ, start_response)


door = Door()


def schema_of(document: Mapping[str, Any]) -> BaseSchema:
    """The schema of a document whose requests go through the door."""
    made = schemathesis.openapi.from_dict(dict(document), config=SchemathesisConfig.from_dict(CONFIG))
    made.app = door
    return made


def document_of(operation: Operation) -> Mapping[str, Any]:
    """The contract with only the operation's path and what that refers to. schemathesis copies the document for each
    test; copies of the whole one take gigabytes.
    """
    whole = contract.document()
    path = whole["paths"][operation.template]
    components: dict[str, dict[str, Any]] = {"securitySchemes": whole["components"]["securitySchemes"]}
    unread = [path]
    while unread:
        for kind, name in REFERENCE.findall(json.dumps(unread.pop())):
            if name not in components.setdefault(kind, {}):
                components[kind][name] = whole["components"][kind][name]
                unread.append(components[kind][name])
    return {**whole, "paths": {operation.template: path}, "components": components}


@dataclass
class Visit:
    """The callers, and the real values that exist for each operation."""

    admin: Somebody
    member: Somebody
    scene: Scene
    _count: "itertools.count[int]" = field(default_factory=itertools.count)

    def prepare(self, case: Api) -> None:
        """A fresh key for most requests, for with one key for all only the first would be looked at; real values."""
        number = next(self._count)
        if not (case.meta and case.meta.generation.mode.is_positive):
            return
        if number % 5 and "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = f"key-{number}"
        make = self.real().get(case.operation.definition.raw["operationId"])
        for name, value in (make(number) if make and number % 2 else {}).items():
            if name in (case.path_parameters or {}):
                case.path_parameters[name] = value
            elif isinstance(case.body, dict):
                case.body[name] = value

    def real(self) -> Mapping[str, Callable[[int], dict[str, Any]]]:
        return {
            "signup": lambda number: {
                "email": f"m{number}@example.com", "date_of_birth": str(date(1990, 1, 1)), "password": PASSWORD,
                "username": f"m{number}", "country": "US", "phone": f"775555{number % 10_000:04d}",
            },
            "login": lambda _: {"email": self.scene.verified(), "password": PASSWORD},
            "verify_email": lambda _: self.verification(),
            "resend_verification": lambda _: {"email": self.scene.signed_up()},
            "request_password_reset": lambda _: {"email": self.scene.verified()},
            "confirm_password_reset": lambda _: dict(zip(("email", "code"), self.scene.reset_code(), strict=True)),
            "refresh": lambda _: {"refresh_token": self.scene.signed_in()["refresh_token"]},
            "submit": lambda _: {"code": factories.manufactured_codes(1, admin=self.admin)[0]},
            "generate": lambda _: {"product_sku": "MINTICE-6"},
            "export": lambda _: {"batch_id": str(self.scene.exportable_batch())},
            "award_comp": lambda _: {"member_id": str(self.member.id), "totp": None},
            "suspend_member": lambda _: {"member_id": str(factories.member().id)},
            "cancel_comp": lambda _: {"comp_id": str(comp_records.award_comp(self.member))},
            "decide_flagged_scan": lambda _: {"scan_id": str(factories.flagged_scan())},
            "choose_trip": lambda _: {"comp_id": str(factories.trip(self.member)), "destination": "hawaii"},
            "get_trip": lambda _: {"comp_id": str(factories.trip(self.member))},
            "contact_winner": lambda _: {"comp_id": str(factories.trip(self.member, chosen=True))},
            "mail_chip": lambda _: {"comp_id": str(factories.trip(self.member, chosen=True))},
            "get_comp": lambda _: {"comp_id": str(comp_records.award_comp(self.member))},
            "get_member_tier": lambda _: {"member_id": str(self.member.id)},
            "override_tier": lambda _: {"member_id": str(self.member.id)},
            "remove_quarter_override": lambda _: {"member_id": str(self.member.id)},
            "remove_permanent_override": lambda _: {"member_id": str(self.member.id)},
            "invalidate_codes": lambda _: self.listed("manufactured"),
            "reuse_codes": lambda _: self.listed("invalidated"),
            "invalidate_batch": lambda _: {"batch_id": str(self.scene.exportable_batch())},
            "reuse_batch": lambda _: {"batch_id": str(self.scene.exportable_batch())},
            "recall_batch": lambda _: {"batch_id": str(self.scene.exportable_batch())},
            "start_import": lambda _: {"import_id": self.waiting_import()},
            "get_import": lambda _: {"import_id": self.waiting_import()},
            "search_code": lambda _: {"code": factories.manufactured_codes(1, admin=self.admin)[0]},
            "change_profile": lambda number: {
                "username": f"name_{number}", "country": "FR", "phone": f"06 12 34 {number % 100:02d} 78",
            },
            "remove_device": lambda number: {"device_id": self.device(number)},
            "get_export": lambda _: {"export_id": self.export()},
            "get_broadcast": lambda number: {"broadcast_id": self.broadcast(number)},
            "add_mail_version": lambda _: {"template_id": desk.template(self.as_admin())},
            "list_mail_versions": lambda _: {"template_id": desk.template(self.as_admin())},
            "get_mail_version": lambda _: {"version_id": desk.version(self.as_admin())},
            "preview_mail": lambda _: {"version_id": desk.version(self.as_admin())},
            "publish_mail_version": lambda _: {"version_id": desk.version(self.as_admin())},
            "withdraw_mail_version": lambda _: {"version_id": desk.version(self.as_admin())},
            "send_test_mail": lambda _: {"version_id": desk.version(self.as_admin())},
            "create_campaign": lambda _: {"version_id": desk.version(self.as_admin())},
            "start_campaign": lambda _: {"campaign_id": desk.campaign(self.as_admin())},
            "pause_campaign": lambda _: {"campaign_id": desk.started(self.as_admin())},
            "cancel_campaign": lambda _: {"campaign_id": desk.campaign(self.as_admin())},
            "unsubscribe": lambda _: {"token": unsubscribing.link(self.member.id).rpartition("/")[2]},
            "withdraw": lambda _: {"to_address": RECIPIENT},
            "get_withdrawal": lambda number: {"withdrawal_id": self.withdrawal(number)["id"]},
            "cancel_withdrawal": lambda number: {"withdrawal_id": self.withdrawal(number)["id"]},
            "broadcast_withdrawal": self.signed_withdrawal,
            "follow_sent_withdrawal": self.sent_withdrawal,
            "estimate_tax": lambda _: {"shipping_address": self.filled_cart()},
            "create_order": lambda _: {"shipping_address": self.filled_cart()},
            "get_order": lambda _: {"order_id": str(self.order())},
            "cancel_order": lambda _: {"order_id": str(self.order())},
            "pay_order": lambda _: {"order_id": str(self.declined_order())},
            "get_receipt": lambda _: {"order_id": str(self.paid_order())},
            "read_one": lambda number: {"notification_id": str(self.notification(number))},
        }  # fmt: skip

    def withdrawal(self, number: int) -> dict[str, Any]:
        """A new one, prepared from a wallet that has just become the admin's."""
        wallet = new_wallet()
        self.scene.sql.execute_unnamed(
            "UPDATE members SET wallet_address = $1 WHERE id = $2", (wallet.address, self.admin.id)
        )
        body, key = {"to_address": RECIPIENT, "amount": 25}, {"Idempotency-Key": f"prepare-{number}"}
        made = self.scene.client(self.admin.token).post("/v1/wallet/withdraw", body, **key).body
        return {**made, "signed_transaction": wallet_driver.sign(made["transaction"], wallet)}

    def signed_withdrawal(self, number: int) -> dict[str, Any]:
        made = self.withdrawal(number)
        return {"withdrawal_id": made["id"], "signed_transaction": made["signed_transaction"]}

    def sent_withdrawal(self, number: int) -> dict[str, Any]:
        made = self.withdrawal(number)
        return {
            "withdrawal_id": made["id"],
            "transaction_hash": wallet_driver.send(chain_of_port(), made["signed_transaction"]),
        }

    def filled_cart(self) -> dict[str, Any]:
        """The address for an order of what is in the cart."""
        serve(self.scene.sql, *SERVED)
        self.scene.client(self.admin.token).post("/v1/cart/add", {"sku": MINT, "quantity": 1})
        return dict(ADDRESS)

    def order(self) -> UUID:
        order_rows.counted(1_000)
        return order_rows.placed(self.admin, {MINT: 1})

    def declined_order(self) -> UUID:
        made = self.order()
        order_rows.taken_further(self.admin, made)
        order_rows.declined(made)
        return made

    def paid_order(self) -> UUID:
        made = self.order()
        order_rows.paid(self.admin, made)
        return made

    def waiting_import(self) -> str:
        return str(self.scene.client(self.admin.token).post("/v1/admin/qr/imports").body["id"])

    def listed(self, status: str) -> dict[str, list[str]]:
        return {"codes": factories.manufactured_codes(2, admin=self.admin, status=status)}

    def verification(self) -> dict[str, str]:
        email = self.scene.signed_up()
        return {"email": email, "code": self.scene.mailed_code(email)}

    def device(self, number: int) -> str:
        client = self.scene.client(self.admin.token)
        body = {"platform": "ios", "token": f"{number:064x}"}
        return str(client.post("/v1/users/me/devices", body).body["id"])

    def export(self) -> str:
        return str(self.scene.client(self.admin.token).post("/v1/users/me/exports").body["id"])

    def as_admin(self) -> FunctionClient:
        return self.scene.client(self.admin.token)

    def broadcast(self, number: int) -> str:
        client, body = self.scene.client(self.admin.token), {"title": "News", "body": "Good ones."}
        key = {"Idempotency-Key": f"broadcast-{number}"}
        return str(client.post("/v1/admin/notifications/broadcast", body, **key).body["id"])

    def notification(self, number: int) -> UUID:
        note = Note(self.admin.id, "system", "Hello", "there", {}, f"note-{number}")
        return db.atomically(lambda tx: notifications.notify(tx, note, datetime.now(UTC))) or uuid4()


REDIRECTING = {"follow_referral"}  # Schemathesis takes a redirect for a refusal; our own judge does not


@pytest.fixture
def visit(
    platform: Platform, database: str, funded_chain: FakeChain, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Visit]:
    """Hashing a password is made cheap: how hard it is to guess is not what is tried here."""
    assert funded_chain
    use_cheap_hashes(monkeypatch)
    public = {name: app(name) for name, function in contract.functions().items() if function.gateway}
    keys = KeySet(auth.published_keys)
    door.gateway = Gateway(
        contract.operations(), contract.token_rules(), public, keys, platform.gateway_token, platform.edge_key
    )
    with cloud.superuser(platform.postgres, database) as sql:
        scene = Scene(lambda token=None, **_: FunctionClient(platform.gateway_token, token), sql)
        admin = factories.member(role=Role.OWNER, wallet=new_wallet().address)
        yield Visit(admin, factories.member(), scene)
    door.gateway = None


def bearer(somebody: Somebody) -> dict[str, str]:
    return {"Authorization": f"Bearer {somebody.token}"}


def held_to_the_contract(case: Api, response: Response) -> None:
    """Our own judge beside theirs: it also knows which problem may come with which operation and status."""
    is_json = "json" in ",".join(response.headers.get("content-type", ()))
    body = (response.json() if is_json else response.text) if response.content else None
    headers = {name: ",".join(values) for name, values in response.headers.items()}
    if case.method.upper() != case.operation.method.upper():  # one that the path does not have
        if neighbour := taken_for(case):
            openapi.check(case.method, neighbour, response.status_code, headers, body)
            return
        told = response.json()["code"]
        assert (response.status_code, told) == (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.METHOD_NOT_ALLOWED)
        return
    openapi.check(case.method, case.operation.path, response.status_code, headers, body)


def taken_for(case: Api) -> str | None:
    """The template of another path that has this method and takes this path's last part for an id: `/banks/nonces` is
    a bank to whoever deletes it.
    """
    for found in contract.operations():
        pattern = re.sub(r"{\w+}", "[^/{}]+", found.template)
        if found.method == case.method.upper() and re.fullmatch(pattern, case.operation.path):
            return found.template
    return None


def by_an_admin(operation: Operation) -> object:
    @schema_of(document_of(operation)).include(operation_id=operation.operation_id).parametrize()
    @bounded
    def test(case: Api, visit: Visit) -> None:
        visit.prepare(case)
        call = case.call if operation.operation_id in REDIRECTING else case.call_and_validate
        held_to_the_contract(case, call(headers=bearer(visit.admin)))

    return test


def by_others(operation: Operation) -> object:
    @schema_of(document_of(operation)).include(operation_id=operation.operation_id).parametrize()
    @settings(bounded, max_examples=3)
    def test(case: Api, visit: Visit) -> None:
        nobody = case.call()
        assert nobody.status_code in (401, 404, 405)
        assert nobody.json()["code"] == nobody.status_code  # the gateway's own words
        member = case.call_and_validate(headers=bearer(visit.member))
        held_to_the_contract(case, member)
        assert member.status_code >= HTTPStatus.BAD_REQUEST or not operation.function.startswith("admin_")

    return test


# A function per operation: this pytest gives all operations of one function one and the same id, and xdist would run
# only one of them.
for _operation in contract.operations():
    _name = _operation.operation_id
    globals()[f"test_whatever_an_admin_sends_to_{_name}_is_answered_as_promised"] = by_an_admin(_operation)
    if _operation.secured:
        globals()[f"test_whatever_members_and_strangers_send_to_{_name}_is_answered_as_promised"] = by_others(
            _operation
        )


def test_every_operation_is_tried() -> None:
    made = [name for name in globals() if name.startswith("test_whatever_an_admin_sends_to_")]
    found = list(schema_of(contract.document()).get_all_operations())
    assert len(made) == len(found) == len(contract.operations())
