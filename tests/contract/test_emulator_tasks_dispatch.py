"""Does the embedded Cloud Tasks dispatch in time, at the queue's pace, and again until it succeeds or may no more?"""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from google.api_core import exceptions
from google.cloud.tasks_v2 import Task

from emulators.identity import Identity
from emulators.tasks import Faults
from emulators.tasks import service as tasks_service
from tests.contract.pubsub_endpoint import HANG_UP, Endpoint, Received, in_turn
from tests.contract.tasks_world import QUICK, WAIT_SECONDS_MAX, Clock, World, running

WORKER = "tasks@contract.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def identity() -> Identity:
    return Identity()


@pytest.fixture(scope="module")
def running_world(identity: Identity) -> Iterator[World]:
    with running(identity) as world:
        yield world


@pytest.fixture
def world(running_world: World) -> Iterator[World]:
    """Queues that run in real time."""
    running_world.service.faults = Faults()
    yield running_world
    running_world.service.faults = Faults()


@pytest.fixture
def still(identity: Identity) -> Iterator[World]:
    """Where time stands still unless it is moved."""
    with running(identity, Clock()) as world:
        yield world


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as endpoint:
        yield endpoint


def claims_of(request: Received, identity: Identity, audience: str) -> dict[str, object]:
    token = request.headers["Authorization"].removeprefix("Bearer ")
    claims: dict[str, object] = jwt.decode(
        token, jwt.PyJWK(identity.key_set["keys"][0]), algorithms=["RS256"], audience=audience
    )
    return claims


def answered(count: int) -> Callable[[Task], bool]:
    return lambda task: task.response_count == count


# The request


def test_a_task_is_the_request_it_describes(world: World, endpoint: Endpoint) -> None:
    request = {"headers": {"Content-Type": "application/json", "X-Trace": "7"}, "body": b'{"payout": 1}'}
    world.create(
        world.queue(), "", http_request={"url": f"{endpoint.url}/confirm?n=1", "http_method": "PUT", **request}
    )
    [received] = endpoint.wait_for(1)
    assert (received.method, received.path, received.body) == ("PUT", "/confirm?n=1", b'{"payout": 1}')
    assert (received.headers["Content-Type"], received.headers["X-Trace"]) == ("application/json", "7")


def test_a_request_says_which_task_it_is(world: World, endpoint: Endpoint) -> None:
    queue = world.queue()
    task = world.create(queue, endpoint.url, "conf-1")
    [request] = endpoint.wait_for(1)
    assert request.headers["User-Agent"] == "Google-Cloud-Tasks"
    assert request.headers["X-CloudTasks-QueueName"] == queue.rpartition("/")[2]
    assert request.headers["X-CloudTasks-TaskName"] == "conf-1"
    assert float(request.headers["X-CloudTasks-TaskETA"]) == pytest.approx(task.schedule_time.timestamp(), abs=1e-5)


def test_headers_that_are_the_services_own_cannot_be_set(world: World, endpoint: Endpoint) -> None:
    headers = {"user-agent": "mine", "content-length": "1", "Host": "elsewhere", "X-CloudTasks-TaskName": "forged"}
    world.create(world.queue(), "", "real", http_request={"url": endpoint.url, "headers": headers, "body": b"body"})
    [request] = endpoint.wait_for(1)
    assert request.body == b"body"
    assert request.headers.get_all("User-Agent") == ["Google-Cloud-Tasks"]
    assert request.headers.get_all("X-CloudTasks-TaskName") == ["real"]
    assert request.headers["Host"] == endpoint.url.removeprefix("http://")


@pytest.mark.parametrize("audience", ["https://payout-confirm.example", ""])
def test_a_request_carries_a_token_of_its_service_account(world: World, endpoint: Endpoint, audience: str) -> None:
    token = {"service_account_email": WORKER, "audience": audience}
    world.create(world.queue(), "", http_request={"url": f"{endpoint.url}/x", "oidc_token": token})
    [request] = endpoint.wait_for(1)
    assert claims_of(request, world.identity, audience or f"{endpoint.url}/x")["email"] == WORKER


def test_each_attempt_tells_of_those_before_it(world: World, endpoint: Endpoint) -> None:
    """The sequence was recorded from the real service."""
    endpoint.answer = in_turn(503, 404, 429, 500, 302, 200)
    world.create(world.queue(retry_config=QUICK), endpoint.url)
    names = ("TaskRetryCount", "TaskExecutionCount", "TaskPreviousResponse", "TaskRetryReason")
    told = [tuple(request.headers.get(f"X-CloudTasks-{name}") for name in names) for request in endpoint.wait_for(6)]
    assert told == [
        ("0", "0", None, None),
        ("1", "0", "503", ""),
        ("2", "1", "404", ""),
        ("3", "2", "429", ""),
        ("4", "2", "500", ""),
        ("5", "3", "302", ""),
    ]


# The answer


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_success_ends_the_task(world: World, endpoint: Endpoint, status: int) -> None:
    endpoint.answer = in_turn(status)
    task = world.create(world.queue(), endpoint.url)
    world.drain()
    assert len(endpoint.received) == 1
    with pytest.raises(exceptions.NotFound, match="either successfully completed or was deleted"):
        world.client.get_task(name=task.name)


@pytest.mark.parametrize("status", [302, 400, 429, 500, 503, HANG_UP])
def test_anything_else_is_tried_again(world: World, endpoint: Endpoint, status: int) -> None:
    endpoint.answer = in_turn(status, 200)
    world.create(world.queue(retry_config=QUICK), endpoint.url)
    world.drain()
    assert len(endpoint.received) == 2


def test_a_missed_deadline_is_tried_again(world: World, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks_service, "DEADLINE_SECONDS", (0.1, 1800.0))
    released = threading.Event()
    endpoint.answer = lambda _: 200 if len(endpoint.received) > 1 or released.wait(WAIT_SECONDS_MAX) else 500
    world.create(world.queue(retry_config=QUICK), endpoint.url, dispatch_deadline={"nanos": 200_000_000})
    second = endpoint.wait_for(2)[1]
    released.set()
    assert second.headers["X-CloudTasks-TaskPreviousResponse"] == "504"


def test_a_failed_attempt_is_on_record(still: World, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(404)
    name = still.create(still.queue(), endpoint.url).name
    task = still.wait_until(name, answered(1))
    assert task.dispatch_count == 1
    assert task.first_attempt.dispatch_time == task.last_attempt.response_time == still.clock.now()
    assert task.last_attempt.response_status.message == "NOT_FOUND(5): HTTP status code 404"


# When


def test_a_task_waits_for_its_time(still: World, endpoint: Endpoint) -> None:
    queue = still.queue()
    still.create(queue, endpoint.url + "/later", schedule_time=still.clock.now() + timedelta(hours=1))
    still.create(queue, endpoint.url + "/now")
    still.move(minutes=59)
    still.drain()
    assert [request.path for request in endpoint.received] == ["/now"]
    still.move(minutes=1)
    assert endpoint.wait_for(2)[1].path == "/later"


def test_a_time_in_the_past_is_now(still: World, endpoint: Endpoint) -> None:
    task = still.create(still.queue(), endpoint.url, schedule_time=still.clock.now() - timedelta(hours=1))
    endpoint.wait_for(1)
    assert task.schedule_time == still.clock.now()


def test_tasks_go_out_by_their_times(still: World, endpoint: Endpoint) -> None:
    queue = still.queue(rate_limits={"max_concurrent_dispatches": 1})
    for minutes in (3, 1, 2):
        still.create(queue, f"{endpoint.url}/{minutes}", schedule_time=still.clock.now() + timedelta(minutes=minutes))
    still.move(minutes=5)
    assert [request.path for request in endpoint.wait_for(3)] == ["/1", "/2", "/3"]


def test_a_task_is_dropped_after_31_days(still: World, endpoint: Endpoint) -> None:
    queue = still.client.pause_queue(name=still.queue()).name
    name = still.create(queue, endpoint.url).name
    still.move(days=31)
    still.client.resume_queue(name=queue)
    still.drain()
    assert endpoint.received == []
    with pytest.raises(exceptions.NotFound):
        still.client.get_task(name=name)


# Again, and no more


def failed_attempts(world: World, endpoint: Endpoint, retry: dict[str, Any], count: int) -> list[float]:
    """The pauses, in seconds, that the service makes after so many failures."""
    endpoint.answer = in_turn(500)
    name = world.create(world.queue(retry_config=retry), endpoint.url).name
    pauses = []
    for attempt in range(1, count + 1):
        task = world.wait_until(name, answered(attempt))
        pauses.append((task.schedule_time - world.clock.now()).total_seconds())
        world.move(seconds=pauses[-1])
    return pauses


def test_the_pause_doubles_then_grows_evenly_then_stays(still: World, endpoint: Endpoint) -> None:
    """The example of the service's reference."""
    retry = {"min_backoff": {"seconds": 10}, "max_backoff": {"seconds": 300}, "max_doublings": 3}
    assert failed_attempts(still, endpoint, retry, 8) == [10, 20, 40, 80, 160, 240, 300, 300]


def test_a_task_has_its_own_retry_settings_if_it_says_so(still: World, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(500)
    retry = {"min_backoff": {"seconds": 7}, "max_backoff": {"seconds": 7}}
    name = still.create(still.queue(), endpoint.url, retry_config=retry).name
    task = still.wait_until(name, answered(1))
    assert task.schedule_time == still.clock.now() + timedelta(seconds=7)


def test_a_task_is_given_up_after_its_last_attempt(world: World, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(500)
    name = world.create(world.queue(retry_config={"max_attempts": 3, **QUICK}), endpoint.url).name
    world.drain()
    assert len(endpoint.received) == 3
    with pytest.raises(exceptions.NotFound):
        world.client.get_task(name=name)


def test_attempts_go_on_until_the_retry_duration_has_passed_too(still: World, endpoint: Endpoint) -> None:
    minute = {"seconds": 60}
    limits = {"max_attempts": 2, "max_retry_duration": {"seconds": 240}, "min_backoff": minute, "max_backoff": minute}
    failed_attempts(still, endpoint, limits, 4)
    still.drain()
    assert len(endpoint.received) == 5


def test_attempts_are_unlimited_when_asked_for(world: World, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(*[500] * 120, 200)
    world.create(world.queue(retry_config={"max_attempts": -1, **QUICK}), endpoint.url)
    assert len(endpoint.wait_for(121)) == 121


# How fast


def test_a_queue_keeps_its_rate_after_a_burst(world: World, endpoint: Endpoint) -> None:
    queue = world.queue(rate_limits={"max_dispatches_per_second": 20})
    for _ in range(30):
        world.create(queue, endpoint.url)
    times = [request.at for request in endpoint.wait_for(30)]
    assert times[-1] - times[0] == pytest.approx((30 - 20) / 20, abs=0.2)


def test_a_clock_that_is_put_ahead_gives_a_queue_the_dispatches_of_that_time(still: World, endpoint: Endpoint) -> None:
    """Else a quarter that is played in minutes waits in real time for each slow queue."""
    queue = still.queue(rate_limits={"max_dispatches_per_second": 0.001})
    for _ in range(10):  # the whole burst
        still.create(queue, endpoint.url)
    endpoint.wait_for(10)
    still.create(queue, endpoint.url)
    still.create(queue, endpoint.url)
    still.move(seconds=1_500)
    endpoint.wait_for(11)
    time.sleep(0.1)  # the one after it would have come by now
    assert len(endpoint.received) == 11


def test_a_queue_keeps_to_its_concurrency(world: World, endpoint: Endpoint) -> None:
    released = threading.Event()
    endpoint.answer = lambda _: 200 if released.wait(WAIT_SECONDS_MAX) else 500
    queue = world.queue(rate_limits={"max_concurrent_dispatches": 2})
    for _ in range(6):
        world.create(queue, endpoint.url)
    endpoint.wait_for(2)
    time.sleep(0.1)  # one too many would have come by now
    released.set()
    world.drain()
    assert (len(endpoint.received), endpoint.answering_most) == (6, 2)


def test_a_paused_queue_dispatches_when_it_is_resumed(world: World, endpoint: Endpoint) -> None:
    queue = world.client.pause_queue(name=world.queue()).name
    world.create(queue, endpoint.url)
    world.drain()
    assert endpoint.received == []
    world.client.resume_queue(name=queue)
    assert len(endpoint.wait_for(1)) == 1


def test_a_task_can_be_forced_to_run(world: World, endpoint: Endpoint) -> None:
    queue = world.client.pause_queue(name=world.queue()).name
    name = world.create(queue, endpoint.url).name
    assert world.client.run_task(name=name).dispatch_count == 1
    endpoint.wait_for(1)
    world.drain()
    with pytest.raises(exceptions.NotFound):
        world.client.run_task(name=name)


def test_a_purged_task_is_not_dispatched(still: World, endpoint: Endpoint) -> None:
    queue = still.queue()
    still.create(queue, endpoint.url, schedule_time=still.clock.now() + timedelta(minutes=1))
    still.client.purge_queue(name=queue)
    still.move(minutes=2)
    still.drain()
    assert endpoint.received == []


def test_a_task_reaches_its_endpoint_within_milliseconds(world: World, endpoint: Endpoint) -> None:
    queue = world.queue()
    taken = []
    for number in range(20):
        created_at = time.monotonic()
        world.create(queue, endpoint.url)
        taken.append(endpoint.wait_for(number + 1)[-1].at - created_at)
    assert statistics.median(taken) < 0.03


def test_idle_queues_take_no_processor_time(world: World, endpoint: Endpoint) -> None:
    world.create(world.queue(), endpoint.url)
    world.drain()
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.05


# Draining, stopping, faults


def test_draining_does_not_wait_for_what_is_scheduled_later(world: World, endpoint: Endpoint) -> None:
    world.create(world.queue(), endpoint.url, schedule_time=datetime.now(UTC) + timedelta(days=1))
    world.drain()
    assert endpoint.received == []


def test_draining_in_vain_says_what_is_left(still: World, endpoint: Endpoint) -> None:
    endpoint.answer = in_turn(500)
    task = still.create(still.queue(), endpoint.url)
    with pytest.raises(TimeoutError, match=task.name):
        still.service.drain(0.2)


def test_stopping_is_bounded_while_an_endpoint_hangs(identity: Identity) -> None:
    released = threading.Event()
    with Endpoint(answer=lambda _: 200 if released.wait(WAIT_SECONDS_MAX) else 500) as hanging:
        with running(identity) as world:
            world.create(world.queue(), hanging.url)
            hanging.wait_for(1)
            started = time.monotonic()
        assert time.monotonic() - started < 2
        released.set()


def test_every_dispatch_can_be_sent_several_times(world: World, endpoint: Endpoint) -> None:
    world.service.faults.deliveries = 3
    world.create(world.queue(), endpoint.url, "thrice")
    world.drain()
    assert [request.headers["X-CloudTasks-TaskName"] for request in endpoint.received] == ["thrice"] * 3


def test_every_dispatch_can_be_delayed(world: World, endpoint: Endpoint) -> None:
    world.service.faults.delay_seconds = 0.3
    created_at = time.monotonic()
    world.create(world.queue(), endpoint.url)
    [request] = endpoint.wait_for(1)
    assert 0.3 <= request.at - created_at < 0.6
