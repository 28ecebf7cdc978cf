"""Orders under load while the thread that leads a group dies: each cart is one order, and no tin is promised twice."""

import ctypes
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from shared.web.group_commit import GroupCommitter
from tests.client import Client, app
from tests.fakes.order_client import OrderClient, order_client
from tests.fakes.shop_client import MINT

pytest_plugins = ["tests.fakes.order_plugin"]

CLIENTS = 12
BUYERS = 72
KILLS = 3
KILL_SECONDS_MAX = 2.0
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.02


@pytest.fixture
def buyers(client: Client, buyer: OrderClient) -> list[tuple[OrderClient, float, str]]:
    """Members with a tin in the cart, the total, and the door."""
    found = []
    for number, each in enumerate([buyer, *(order_client(client) for _ in range(BUYERS - 1))]):
        each.add(MINT, 1)
        door = f"{number} Main Street"
        found.append((each, each.total(line1=door), door))
    return found


def killer() -> Callable[[], int]:
    """A function that ends the thread which leads a group, once there is one; it returns how many it has ended."""
    app("orders")
    gc.unfreeze()  # an earlier file may have imported the function (tests/conftest.py)
    gatherers = [made for made in gc.get_objects() if isinstance(made, GroupCommitter)]

    def kill() -> int:
        ends_at = time.monotonic() + KILL_SECONDS_MAX
        while time.monotonic() < ends_at:
            for leader in [made._leader for made in gatherers if made._group]:
                if leader and leader.ident:
                    thread, death = ctypes.c_ulong(leader.ident), ctypes.py_object(SystemExit)
                    return int(ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, death))
        return 0

    return kill


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_thread_that_leads_a_group_dies_under_load(
    buyers: list[tuple[OrderClient, float, str]], sql: Connection
) -> None:
    """Clients repeat a request with its key until they have an answer."""
    kill, again, answered = killer(), [], threading.Semaphore(0)

    def order(buyer: tuple[OrderClient, float, str]) -> str:
        who, total, door = buyer
        key, ends_at = str(uuid4()), time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < ends_at:
            try:
                answer = who.create(total, key=key, line1=door)
            except SystemExit:
                again.append(door)
                continue
            if answer.status < 500:
                assert answer.status == 201, answer.body
                answered.release()
                return str(answer.body["id"])
            again.append(door)
            time.sleep(PAUSE_SECONDS)
        raise TimeoutError(door)

    with ThreadPoolExecutor(CLIENTS) as threads:
        ordering = [threads.submit(order, buyer) for buyer in buyers]
        killed = 0
        for _ in range(KILLS):
            for _ in range(BUYERS // (KILLS + 2)):
                answered.acquire(timeout=PATIENCE_SECONDS)
            killed += kill()
        seen = [each.result() for each in ordering]

    assert killed > 0
    assert len(again) >= killed
    assert sorted(seen) == sorted(str(order_id) for (order_id,) in sql.execute_simple("SELECT id FROM orders").rows)
    assert len(set(seen)) == BUYERS
    assert sql.execute_simple(f"SELECT promised FROM stock WHERE sku = '{MINT}'").rows == [[BUYERS]]
    assert sql.execute_simple("SELECT count(*) FROM payments").rows == [[BUYERS]]
