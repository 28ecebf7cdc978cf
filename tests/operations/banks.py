"""One example request for each operation on accounts at banks, in a function of its name."""

import json
import os
import ssl
from typing import Any
from urllib import request

from shared.auth import Role
from shared.ports import teller
from tests.fakes.bank_client import NAMES, PATH
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def create_bank_nonce(scene: Scene) -> Request:
    return Request(_owner(scene).client, f"{PATH}/nonces")


def connect_bank(scene: Scene) -> Request:
    owner = _owner(scene)
    body = _connection(owner, "operating")
    return as_json(owner.client, f"{PATH}/connect", body, {**body, "accounts": []})


def reconnect_bank(scene: Scene) -> Request:
    owner = _owner(scene)
    bank = _connected(owner, "reserve")
    bodies = [_signed_in(owner, bank["enrollment_id"]) for _ in range(2)]
    return as_json(owner.client, f"{PATH}/{bank['id']}/reconnect", *bodies)


def disconnect_bank(scene: Scene) -> Request:
    owner = _owner(scene)
    return Request(owner.client, f"{PATH}/{_connected(owner, 'comp_pool')['id']}")


def _owner(scene: Scene) -> TreasuryAdmin:
    return treasury_admin(scene.client, Role.OWNER)


def _connected(owner: TreasuryAdmin, name: str) -> dict[str, Any]:
    answer = owner.client.post(f"{PATH}/connect", _connection(owner, name))
    assert answer.status == 201, answer
    return dict(answer.body)


def _connection(owner: TreasuryAdmin, name: str) -> dict[str, Any]:
    """The body that connects a new enrollment, one account of which gets the name."""
    body = _signed_in(owner)
    account = teller.accounts(body["access_token"])[NAMES.index(name)]
    return {**body, "accounts": [{"account_id": account.id, "name": name}]}


def _signed_in(owner: TreasuryAdmin, enrollment_id: str | None = None) -> dict[str, Any]:
    """Return what the stand-in's Teller Connect hands over, with a code of the owner's app."""
    nonce = owner.client.post(f"{PATH}/nonces").body["nonce"]
    asked = json.dumps({"nonce": nonce, "enrollment_id": enrollment_id}).encode()
    trusted = ssl.create_default_context(cadata=os.environ["TELLER_AUTHORITY"])
    with request.urlopen(f"{os.environ['TELLER_URL']}/connect", asked, context=trusted) as answer:  # noqa: S310 - ours
        return {**json.load(answer), "totp": owner.code()}
