"""Admin functions stand behind the load balancer: it adds no token of its own and leaves the caller's where it is."""

from collections.abc import Callable

import pytest

from shared import config
from shared.auth import Role
from tests import factories
from tests.client import Answer, answer_of, app, edge_headers
from tests.platform import Platform

PATH = "/v1/admin/scans/flagged"


@pytest.fixture
def ask(database: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """As the load balancer hands it on: with the client's address and the edge's key."""
    assert database
    monkeypatch.setenv("FRONT", "load_balancer")
    config.read.cache_clear()

    def asked(**headers: str) -> Answer:
        given = {**edge_headers("203.0.113.7"), **{k.replace("_", "-"): v for k, v in headers.items()}}
        return answer_of(app("admin_scans").test_client().get(PATH, headers=given))

    return asked


def test_an_admin_is_known_by_the_token_in_authorization(ask: Callable[..., Answer]) -> None:
    admin = factories.member(role=Role.OPERATIONS)
    assert ask(Authorization=f"Bearer {admin.token}").status == 200


def test_a_member_without_a_role_is_refused(ask: Callable[..., Answer]) -> None:
    assert ask(Authorization=f"Bearer {factories.member().token}").status == 403


def test_nobody_is_refused_and_the_header_of_the_gateway_is_nobody(ask: Callable[..., Answer]) -> None:
    admin = factories.member(role=Role.OPERATIONS)
    assert ask().problem == "token-missing"
    assert ask(X_Forwarded_Authorization=f"Bearer {admin.token}").problem == "token-missing"


def test_the_gateways_own_token_opens_nothing(ask: Callable[..., Answer], platform: Platform) -> None:
    assert ask(Authorization=f"Bearer {platform.gateway_token('admin_scans')}").problem == "token-not-valid"
    assert ask(Authorization=f"Bearer {platform.invoker_token('admin_scans')}").problem == "token-not-valid"


def test_behind_the_gateway_an_admins_token_alone_opens_nothing(database: str) -> None:
    assert database
    admin = factories.member(role=Role.OPERATIONS)
    headers = {"Authorization": f"Bearer {admin.token}", **edge_headers("203.0.113.7")}
    assert app("admin_scans").test_client().get(PATH, headers=headers).status_code == 403
