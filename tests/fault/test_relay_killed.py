"""A relay that is killed between publishing and marking makes others publish again, and nobody notices."""

import signal
from collections.abc import Iterator

import pytest

from functions.outbox_relay.main import CLAIM_LIFE
from tests.fakes import message_broker
from tests.fakes.message_broker import MessageBroker
from tests.fault.conftest import ForkedWorkers, World


@pytest.fixture
def broker(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[MessageBroker]:
    with message_broker.opened(world.platform.identity, monkeypatch) as opened:
        yield opened


def test_what_was_published_and_not_marked_is_published_again(
    world: World, broker: MessageBroker, forked_workers: ForkedWorkers
) -> None:
    world.win()
    rows = [identity for (identity,) in world.rows("SELECT id FROM outbox ORDER BY id")]

    ended = forked_workers.deliver("C13 published, before it is marked", "outbox_relay", "", {"schedule": "sweep"})
    assert ended["ended"] == -signal.SIGKILL
    assert world.rows("SELECT id FROM outbox WHERE published_at IS NOT NULL") == []
    published = [message.outbox_id for message in broker.messages()]
    world.outbox.pass_time(CLAIM_LIFE.total_seconds() + 1)
    assert world.invoker.schedule("outbox_relay", "sweep") == 204

    assert world.rows("SELECT id FROM outbox WHERE published_at IS NULL") == []
    again = [message.outbox_id for message in broker.messages() if message.outbox_id]
    assert sorted(set(again)) == sorted(set(published) - {0})
    queued = [task.outbox_id for task in broker.queued()]
    assert len(queued) == len(set(queued)) == 1  # its name made it one
    assert set(again) | set(queued) == set(rows)


def test_while_a_dead_relay_holds_its_claims_another_takes_what_is_new(
    world: World, broker: MessageBroker, forked_workers: ForkedWorkers
) -> None:
    world.win()
    forked_workers.deliver("C13 published, before it is marked", "outbox_relay", "", {"schedule": "sweep"})
    claimed = {identity for (identity,) in world.rows("SELECT id FROM outbox")}
    world.win()

    assert world.invoker.schedule("outbox_relay", "sweep") == 204

    marked = {identity for (identity,) in world.rows("SELECT id FROM outbox WHERE published_at IS NOT NULL")}
    assert marked
    assert marked.isdisjoint(claimed)
    assert len(broker.queued()) == 2
