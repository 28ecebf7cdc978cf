"""One example request for each operation that a vendor calls, in a function of its name."""

from uuid import uuid4

from tests.fakes.vendor_messages import (
    VendorMessage,
    of_agechecker,
    of_brevo,
    of_card,
    of_kintsugi,
    of_selery,
    of_teller,
)
from tests.operations.requests import Request
from tests.operations.scene import Scene


def hear_card(scene: Scene) -> Request:
    return _signed(scene, of_card(uuid4()))


def hear_agechecker(scene: Scene) -> Request:
    return _signed(scene, of_agechecker("b7hQx2"))


def hear_selery(scene: Scene) -> Request:
    return _signed(scene, of_selery(uuid4()))


def hear_kintsugi(scene: Scene) -> Request:
    return _signed(scene, of_kintsugi(uuid4()))


def hear_teller(scene: Scene) -> Request:
    return _signed(scene, of_teller("enr_1"))


def hear_brevo(scene: Scene) -> Request:
    return _signed(scene, of_brevo("ada@example.com", "delivered"))


def _signed(scene: Scene, message: VendorMessage) -> Request:
    return Request(scene.client(), message.path, message.body, headers=message.headers)
