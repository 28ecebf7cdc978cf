"""Does `shared.ports.tasks` put a request into its queue once, for its time, with its token, and after a fork?"""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from google.cloud.tasks_v2 import HttpMethod, Task

from emulators.identity import Identity
from shared.ports import tasks
from tests.contract.pubsub_endpoint import Endpoint
from tests.contract.tasks_world import Clock, World, running

WORKER = "tasks@contract.iam.gserviceaccount.com"
URL = "https://payout-confirm.example/confirm"
ROOT = Path(__file__).parents[2]
CHILD_SECONDS_MAX = 30.0
ENQUEUE_AFTER_FORK = """
import os, sys
from shared.ports import tasks

child = os.fork()
if child == 0:
    tasks.enqueue(sys.argv[1], "https://payout-confirm.example", b"{}", name="from-the-child")
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.fixture(scope="module")
def still() -> Iterator[World]:
    with running(Identity(), Clock()) as world:
        yield world


@pytest.fixture
def world(still: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The world the port enqueues to."""
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", still.service.host)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "contract")
    monkeypatch.setenv("CLOUD_TASKS_LOCATION", "us-central1")
    monkeypatch.setenv("TASKS_SERVICE_ACCOUNT", WORKER)
    yield still
    tasks.close()


@pytest.fixture
def paused(world: World) -> str:
    """A queue that keeps what it is given."""
    return world.client.pause_queue(name=world.queue()).name


def short(name: str) -> str:
    return name.rpartition("/")[2]


def kept(world: World, queue: str) -> list[Task]:
    return list(world.client.list_tasks({"parent": queue, "response_view": Task.View.FULL}))


def test_it_enqueues_a_post_of_json(world: World, paused: str) -> None:
    assert tasks.enqueue(short(paused), URL, b'{"payout": 1}')
    [task] = kept(world, paused)
    request = task.http_request
    assert (request.http_method, request.url, request.body) == (HttpMethod.POST, URL, b'{"payout": 1}')
    assert request.headers["Content-Type"] == "application/json"


def test_it_arrives_with_a_token_for_its_audience(world: World) -> None:
    with Endpoint() as endpoint:
        assert tasks.enqueue(
            short(world.queue()), f"{endpoint.url}/confirm", b"{}", audience="https://audience.example"
        )
        [request] = endpoint.wait_for(1)
    token = request.headers["Authorization"].removeprefix("Bearer ")
    key = jwt.PyJWK(world.identity.key_set["keys"][0])
    assert jwt.decode(token, key, algorithms=["RS256"], audience="https://audience.example")["email"] == WORKER


def test_the_audience_is_the_url_unless_it_says_more(world: World, paused: str) -> None:
    tasks.enqueue(short(paused), URL, b"{}")
    [task] = kept(world, paused)
    token = task.http_request.oidc_token
    assert (token.service_account_email, token.audience) == (WORKER, URL)


def test_it_enqueues_a_name_once(world: World, paused: str) -> None:
    assert tasks.enqueue(short(paused), URL, b"first", name="conf-0xabc-1")
    assert not tasks.enqueue(short(paused), URL, b"second", name="conf-0xabc-1")
    assert [task.http_request.body for task in kept(world, paused)] == [b"first"]


def test_a_name_stays_taken_when_its_task_is_done(world: World) -> None:
    queue = world.queue()
    with Endpoint() as endpoint:
        assert tasks.enqueue(short(queue), endpoint.url, b"{}", name="done")
        world.drain()
        assert not tasks.enqueue(short(queue), endpoint.url, b"{}", name="done")


def test_it_enqueues_without_a_name_as_often_as_it_is_asked(world: World, paused: str) -> None:
    assert [tasks.enqueue(short(paused), URL, b"{}") for _ in range(2)] == [True, True]
    assert len(kept(world, paused)) == 2


def test_it_is_scheduled_for_its_time(world: World, paused: str) -> None:
    later = world.clock.now() + timedelta(days=29)
    tasks.enqueue(short(paused), URL, b"{}", schedule_time=later)
    [task] = kept(world, paused)
    assert task.schedule_time == later


@pytest.mark.usefixtures("world")
def test_a_missing_queue_is_a_named_failure() -> None:
    with pytest.raises(tasks.EnqueueFailed, match="Queue does not exist"):
        tasks.enqueue("no-such-queue", URL, b"{}")


def test_a_refused_task_is_a_named_failure(paused: str) -> None:
    with pytest.raises(tasks.EnqueueFailed, match="can contain only letters"):
        tasks.enqueue(short(paused), URL, b"{}", name="not a name")


def test_it_can_be_used_by_many_threads_at_once(world: World, paused: str) -> None:
    tasks.close()
    threads = [threading.Thread(target=tasks.enqueue, args=(short(paused), URL, b"{}")) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kept(world, paused)) == 16


def test_it_can_be_used_again_after_closing(paused: str) -> None:
    assert tasks.enqueue(short(paused), URL, b"{}")
    tasks.close()
    assert tasks.enqueue(short(paused), URL, b"{}")


def test_a_child_forked_after_the_import_enqueues(world: World, paused: str) -> None:
    command = [sys.executable, "-c", ENQUEUE_AFTER_FORK, short(paused)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, timeout=CHILD_SECONDS_MAX, check=False)
    assert done.returncode == 0
    assert [short(task.name) for task in kept(world, paused)] == ["from-the-child"]
