"""Does the embedded Cloud Tasks keep queues and tasks, and refuse, as the real service does?"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.tasks_v2 import Queue, Task

from emulators.identity import Identity
from emulators.tasks import queue as tasks_queue
from tests.contract.tasks_world import LOCATION, QUICK, Clock, World, new_queue_name, running

ELSEWHERE = "http://127.0.0.1:9/nobody-listens"  # for tasks that are never dispatched


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with running(Identity(), Clock()) as world:
        yield world


@pytest.fixture
def paused(world: World) -> str:
    """A queue that keeps what it is given."""
    return world.client.pause_queue(name=world.queue()).name


# Queues


def test_a_queue_is_created_with_the_services_defaults(world: World) -> None:
    queue = world.client.get_queue(name=world.queue())
    limits, retry = queue.rate_limits, queue.retry_config
    assert queue.state == Queue.State.RUNNING
    assert (limits.max_dispatches_per_second, limits.max_burst_size, limits.max_concurrent_dispatches) == (
        500,
        100,
        1000,
    )
    assert (retry.max_attempts, retry.max_doublings) == (100, 16)
    assert (retry.min_backoff, retry.max_backoff) == (timedelta(seconds=0.1), timedelta(hours=1))


def test_a_queue_is_created_once(world: World) -> None:
    name = world.queue()
    with pytest.raises(exceptions.AlreadyExists, match="Queue already exists"):
        world.client.create_queue(parent=LOCATION, queue=Queue(name=name))


@pytest.mark.parametrize("queue_id", ["under_score", "a/b", "x" * 101, ""])
def test_a_queue_needs_a_proper_name(world: World, queue_id: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="Queue name must be formatted"):
        world.client.create_queue(parent=LOCATION, queue=Queue(name=f"{LOCATION}/queues/{queue_id}"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate_limits": {"max_dispatches_per_second": -1}}, "maxDispatchesPerSecond cannot be negative"),
        (
            {"rate_limits": {"max_dispatches_per_second": 501}},
            "maxDispatchesPerSecond must be less than or equal to 500",
        ),
        ({"rate_limits": {"max_concurrent_dispatches": -1}}, "maxConcurrentDispatches cannot be negative"),
        ({"rate_limits": {"max_concurrent_dispatches": 5001}}, "maxConcurrentDispatches must be less than or equal to"),
        ({"retry_config": {"max_attempts": -2}}, "maxAttempts must be greater or equal to -1"),
        ({"retry_config": {"max_doublings": -1}}, "maxDoublings cannot be negative"),
        ({"retry_config": {"min_backoff": {"seconds": -1}}}, "minBackoff cannot be negative"),
        ({"retry_config": {"min_backoff": {"seconds": 2}, "max_backoff": {"seconds": 1}}}, "minBackoff must be less"),
    ],
)
def test_a_queue_outside_the_services_limits_is_refused(world: World, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=message):
        world.queue(**settings)


def test_an_unknown_queue_is_not_found(world: World) -> None:
    with pytest.raises(exceptions.NotFound, match="Queue does not exist"):
        world.client.get_queue(name=new_queue_name())


def test_queues_are_listed_page_by_page(world: World) -> None:
    mine = {world.queue() for _ in range(3)}
    pages = list(world.client.list_queues({"parent": LOCATION, "page_size": 2}).pages)
    assert mine <= {queue.name for page in pages for queue in page.queues}
    assert max(len(page.queues) for page in pages) == 2


def test_a_masked_update_changes_nothing_else(world: World) -> None:
    name = world.queue(retry_config={"max_attempts": 7})
    changed = {"name": name, "rate_limits": {"max_dispatches_per_second": 1.5}, "retry_config": {"max_attempts": 9}}
    mask = {"paths": ["rate_limits.max_dispatches_per_second"]}
    queue = world.client.update_queue({"queue": changed, "update_mask": mask})
    assert (queue.rate_limits.max_dispatches_per_second, queue.rate_limits.max_burst_size) == (1.5, 10)
    assert queue.retry_config.max_attempts == 7


def test_updating_an_unknown_queue_creates_it(world: World) -> None:
    name = new_queue_name()
    world.client.update_queue(queue=Queue(name=name))
    assert world.client.get_queue(name=name).state == Queue.State.RUNNING


def test_the_state_of_a_queue_is_not_updated_but_set(world: World) -> None:
    queue = {"name": world.queue(), "state": Queue.State.PAUSED}
    with pytest.raises(exceptions.InvalidArgument):
        world.client.update_queue({"queue": queue, "update_mask": {"paths": ["state"]}})


def test_a_deleted_queue_is_gone(world: World) -> None:
    name = world.queue()
    world.client.delete_queue(name=name)
    with pytest.raises(exceptions.NotFound):
        world.client.pause_queue(name=name)


def test_purging_removes_every_task_and_keeps_their_names_taken(world: World, paused: str) -> None:
    for name in ("one", "two"):
        world.create(paused, ELSEWHERE, name)
    queue = world.client.purge_queue(name=paused)
    assert queue.purge_time == world.clock.now()
    assert list(world.client.list_tasks(parent=paused)) == []
    with pytest.raises(exceptions.AlreadyExists):
        world.create(paused, ELSEWHERE, "one")


# Tasks


def test_a_created_task_is_shown_with_what_the_service_adds(world: World, paused: str) -> None:
    request = {"url": ELSEWHERE, "headers": {"content-type": "application/json"}, "body": b"{}"}
    task = world.create(paused, ELSEWHERE, http_request=request)
    assert task.name.startswith(f"{paused}/tasks/")
    assert task.schedule_time == task.create_time == world.clock.now()
    assert task.dispatch_deadline == timedelta(minutes=10)
    assert dict(task.http_request.headers) == {"content-type": "application/json", "User-Agent": "Google-Cloud-Tasks"}


def test_a_body_is_shown_in_the_full_view_only(world: World, paused: str) -> None:
    name = world.create(paused, ELSEWHERE, http_request={"url": ELSEWHERE, "body": b"secret"}).name
    basic = world.client.get_task(name=name)
    full = world.client.get_task({"name": name, "response_view": Task.View.FULL})
    assert (basic.view, basic.http_request.body) == (Task.View.BASIC, b"")
    assert (full.view, full.http_request.body) == (Task.View.FULL, b"secret")


def test_tasks_are_listed_page_by_page(world: World, paused: str) -> None:
    mine = {world.create(paused, ELSEWHERE).name for _ in range(3)}
    pages = list(world.client.list_tasks({"parent": paused, "page_size": 2}).pages)
    assert [len(page.tasks) for page in pages] == [2, 1]
    assert {task.name for page in pages for task in page.tasks} == mine


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"http_request": {"url": ""}}, "HttpRequest.url is required"),
        ({"http_request": {"url": "127.0.0.1/x"}}, "HttpTarget.url must start with 'http://' or 'https://'"),
        ({"http_request": {"url": "ftp://127.0.0.1/x"}}, "HttpTarget.url must start with 'http://' or 'https://'"),
        ({"http_request": {"url": ELSEWHERE + "x" * 2083}}, "longer than 2083"),
        ({"http_request": {"url": ELSEWHERE, "http_method": "GET", "body": b"x"}}, "POST, PUT and PATCH"),
        ({"http_request": {"url": ELSEWHERE, "body": b"x" * 1024 * 1024}}, "Task size too large"),
        ({"dispatch_deadline": {"seconds": 14}}, "dispatchDeadline"),
        ({"dispatch_deadline": {"seconds": 1801}}, "dispatchDeadline"),
        ({"schedule_time": Clock().time + timedelta(days=30, seconds=1)}, "30 days"),
        ({"name": f"{LOCATION}/queues/other/tasks/x"}, "must be the same as the queue name in the named task"),
    ],
)
def test_a_task_outside_the_services_limits_is_refused(
    world: World, paused: str, task: dict[str, Any], message: str
) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=message):
        world.create(paused, ELSEWHERE, **task)


@pytest.mark.parametrize("task_id", ["not a valid id", "x" * 501, "a.b"])
def test_a_task_needs_a_proper_name(world: World, paused: str, task_id: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="can contain only letters"):
        world.create(paused, ELSEWHERE, task_id)


def test_a_task_needs_its_queue(world: World) -> None:
    with pytest.raises(exceptions.NotFound, match="Queue does not exist"):
        world.create(new_queue_name(), ELSEWHERE)


def test_what_is_not_embedded_is_refused_and_not_ignored(world: World, paused: str) -> None:
    with pytest.raises(exceptions.MethodNotImplemented):
        world.client.create_task({"parent": paused, "task": {"app_engine_http_request": {"relative_uri": "/x"}}})


def test_an_unknown_task_is_not_found(world: World, paused: str) -> None:
    with pytest.raises(exceptions.NotFound, match="Requested entity was not found"):
        world.client.get_task(name=f"{paused}/tasks/never-seen")


def test_a_deleted_task_was_there_recently(world: World, paused: str) -> None:
    name = world.create(paused, ELSEWHERE, "deleted").name
    world.client.delete_task(name=name)
    with pytest.raises(exceptions.NotFound, match="a task with this name existed recently"):
        world.client.get_task(name=name)


# Names


def test_a_name_is_taken_while_its_task_waits(world: World, paused: str) -> None:
    world.create(paused, ELSEWHERE, "conf-0xabc-1")
    with pytest.raises(exceptions.AlreadyExists, match="Requested entity already exists"):
        world.create(paused, ELSEWHERE, "conf-0xabc-1")


def test_a_name_is_free_a_day_after_its_task(world: World, paused: str) -> None:
    name = world.create(paused, ELSEWHERE, "daily").name
    world.client.delete_task(name=name)
    world.move(hours=23, minutes=59)
    with pytest.raises(exceptions.AlreadyExists):
        world.create(paused, ELSEWHERE, "daily")
    world.move(minutes=1)
    assert world.create(paused, ELSEWHERE, "daily").name == name


def test_queues_do_not_share_names(world: World, paused: str) -> None:
    other = world.client.pause_queue(name=world.queue(retry_config=QUICK)).name
    world.create(paused, ELSEWHERE, "twin")
    assert world.create(other, ELSEWHERE, "twin").name == f"{other}/tasks/twin"


def test_no_more_names_are_kept_than_the_bound(world: World, paused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks_queue, "NAMES_KEPT_MAX", 2)
    for name in ("first", "second", "third"):
        world.client.delete_task(name=world.create(paused, ELSEWHERE, name).name)
    assert world.create(paused, ELSEWHERE, "first")
    with pytest.raises(exceptions.AlreadyExists):
        world.create(paused, ELSEWHERE, "second")
