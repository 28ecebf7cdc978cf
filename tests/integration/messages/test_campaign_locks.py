"""A change of a campaign, a new version of a template, and its publication hold their row and no other one."""

from collections.abc import Callable
from uuid import UUID

import pytest

from functions.admin_mails import campaign_store, publication_store, template_store
from functions.campaign_send import store
from shared import db
from shared.db import Tx
from tests.fakes import campaign_desk as desk
from tests.fakes.campaign_plugin import CampaignDesk
from tests.fakes.locks import is_locked

pytest_plugins = ["tests.fakes.campaign_plugin"]


def locked(campaign_desk: CampaignDesk, table: str, take: Callable[[Tx, UUID], object], ids: list[str]) -> list[bool]:
    """Whether each row is locked while the first one is taken."""
    with db.transaction() as tx:
        take(tx, UUID(ids[0]))
        return [is_locked(campaign_desk.sql, table, f"id = '{identity}'") for identity in ids]


@pytest.mark.parametrize("take", [campaign_store.lock, store.lock], ids=["by people", "by the job"])
def test_a_campaign_is_held_by_whoever_takes_it_further(
    campaign_desk: CampaignDesk, take: Callable[[Tx, UUID], object]
) -> None:
    ids = [desk.started(campaign_desk.admin) for _ in range(2)]
    assert locked(campaign_desk, "campaigns", take, ids) == [True, False]


def test_a_template_is_held_by_whoever_adds_a_version_to_it(campaign_desk: CampaignDesk) -> None:
    ids = [desk.template(campaign_desk.admin) for _ in range(2)]
    assert locked(campaign_desk, "mail_templates", template_store.lock_template, ids) == [True, False]


def test_a_template_is_held_by_whoever_publishes_a_version_of_it(campaign_desk: CampaignDesk) -> None:
    versions = [desk.replacement(campaign_desk.admin, key) for key in ("verify_email", "reset_password")]
    with db.transaction() as tx:
        found = publication_store.lock(tx, UUID(versions[0]))
        assert found
        rows = campaign_desk.sql.execute_simple("SELECT id FROM mail_templates").rows
        held = [one for (one,) in rows if is_locked(campaign_desk.sql, "mail_templates", f"id = '{one}'")]
    assert held == [found.template_id]
