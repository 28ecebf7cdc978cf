"""One example request for each operation on support, in a function of its name."""

from tests import factories
from tests.fakes import support_rows
from tests.operations.requests import Request, as_json
from tests.operations.scene import Scene


def create_support_token(scene: Scene) -> Request:
    return Request(scene.member(), "/v1/support/token")


def appeal_sanction(scene: Scene) -> Request:
    who = factories.member()
    first, second = (support_rows.case(who) for _ in range(2))
    body = {"sanction_id": str(first), "message": "It was a joke."}
    return as_json(scene.client(who.token), "/v1/support/appeals", body, body | {"sanction_id": str(second)})
