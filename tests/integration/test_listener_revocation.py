"""What a realtime token says is taken back: the rules find it in Firestore, the newest moment wins."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from emulators.firestore import Firestore
from functions.feed_project.documents import REVOCATION_LIFE
from shared import db, listeners
from shared.auth import Role
from shared.ports import firestore
from shared.tiers import Tier
from tests import factories
from tests.client import FunctionClient
from tests.factories import NOW, Somebody
from tests.fakes.doors import Doors
from tests.platform import Platform, environment

Client = Callable[..., FunctionClient]


@pytest.fixture(autouse=True)
def _copies(database: str) -> Iterator[None]:
    assert database
    server = Firestore()
    server.start()
    with environment({"FIRESTORE_EMULATOR_HOST": server.host}):
        yield
    server.stop()


def revoke(somebody: Somebody, after: timedelta) -> None:
    db.atomically(lambda tx: listeners.revoke(tx, somebody.id, NOW + after))


def published(platform: Platform, somebody: Somebody) -> dict[str, object]:
    doors = Doors(platform.invoker_token)
    assert doors.event("feed_project", "listener-revoked", {"member_id": str(somebody.id)}) == 204
    return firestore._client().document(f"revocations/{somebody.id}").get().to_dict() or {}


def test_the_newest_moment_is_published_and_forgotten_when_no_token_can_be_older(platform: Platform) -> None:
    somebody = factories.member()
    for after in (timedelta(minutes=5), timedelta(), timedelta(minutes=3)):
        revoke(somebody, after)
    for _ in range(2):
        found = published(platform, somebody)
        assert found["before"] == NOW + timedelta(minutes=5)
        assert found["expires_at"] == NOW + timedelta(minutes=5) + REVOCATION_LIFE


def test_a_tier_that_is_taken_away_takes_the_token_with_it(platform: Platform, client: Client) -> None:
    somebody = factories.member()
    admin = client(factories.member(role=Role.OPERATIONS).token)
    path = f"/v1/admin/members/{somebody.id}/tier"
    assert admin.put(path, {"scope": "quarter", "tier": Tier.WHALE.value, "reason": "kind"}).status == 200
    assert admin.delete(f"{path}/quarter").status == 200
    assert published(platform, somebody)["before"]
