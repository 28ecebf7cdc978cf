"""One example request for each operation on webhooks and API keys, in a function of its name."""

from uuid import UUID, uuid4

from shared import clock
from shared.auth import Role
from tests import factories
from tests.client import FunctionClient
from tests.fakes import hook_rows
from tests.fakes.hook_rows import URL
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.fakes.wholesale_rows import wholesale_account
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene

ADMIN, ACCOUNT, KEYS = "/v1/admin/webhooks", "/v1/wholesale/webhooks", "/v1/admin/api-keys"
WANTED = {"url": URL, "events": ["order.confirmed"]}
CHANGED = {"events": ["order.shipped"], "is_enabled": False}


def create_webhook(scene: Scene) -> Request:
    owner = _owner(scene)
    body = {**WANTED, "totp": owner.code()}
    return as_json(owner.client, ADMIN, body, {**body, "events": ["order.shipped"]})


def change_webhook(scene: Scene) -> Request:
    owner = _owner(scene)
    body = {**CHANGED, "totp": owner.code()}
    return as_json(owner.client, f"{ADMIN}/{hook_rows.endpoint(None)}", body, {**body, "is_enabled": True})


def delete_webhook(scene: Scene) -> Request:
    owner = _owner(scene).client
    return Request(owner, f"{ADMIN}/{hook_rows.endpoint(None)}")


def renew_webhook_secret(scene: Scene) -> Request:
    owner = _owner(scene)
    return as_json(owner.client, f"{ADMIN}/{hook_rows.endpoint(None)}/secret", {"totp": owner.code()})


def resend_webhook(scene: Scene) -> Request:
    return Request(_owner(scene).client, _resend(ADMIN, hook_rows.endpoint(None)))


def create_account_webhook(scene: Scene) -> Request:
    client, _ = _account(scene)
    return as_json(client, ACCOUNT, WANTED, {**WANTED, "events": ["order.shipped"]})


def change_account_webhook(scene: Scene) -> Request:
    client, account = _account(scene)
    return as_json(client, f"{ACCOUNT}/{hook_rows.endpoint(account)}", CHANGED, {**CHANGED, "is_enabled": True})


def delete_account_webhook(scene: Scene) -> Request:
    client, account = _account(scene)
    return Request(client, f"{ACCOUNT}/{hook_rows.endpoint(account)}")


def renew_account_webhook_secret(scene: Scene) -> Request:
    client, account = _account(scene)
    return Request(client, f"{ACCOUNT}/{hook_rows.endpoint(account)}/secret")


def resend_account_webhook(scene: Scene) -> Request:
    client, account = _account(scene)
    return Request(client, _resend(ACCOUNT, hook_rows.endpoint(account)))


def create_api_key(scene: Scene) -> Request:
    owner = _owner(scene)
    body = {"name": "Nightly figures", "operations": ["get_health"], "totp": owner.code()}
    return as_json(owner.client, KEYS, body, {**body, "name": "Weekly figures"})


def revoke_api_key(scene: Scene) -> Request:
    owner = _owner(scene)
    return Request(owner.client, f"{KEYS}/{hook_rows.api_key(owner.somebody, clock.now(), 0)}")


def _owner(scene: Scene) -> TreasuryAdmin:
    return treasury_admin(scene.client, Role.OWNER)


def _account(scene: Scene) -> tuple[FunctionClient, UUID]:
    who = factories.member()
    return scene.client(who.token), wholesale_account("approved", member=who)


def _resend(path: str, endpoint_id: UUID) -> str:
    return f"{path}/{endpoint_id}/deliveries/{hook_rows.delivery(endpoint_id, clock.now(), uuid4())}/resend"
