"""No network keeps sign-in shut for others: a network has a share of the hashing, known devices a room of their own."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from functions.auth import passwords, rules
from functions.auth.passwords import Room
from shared.values.problems import Overloaded
from tests.client import Answer, FunctionClient
from tests.operations.scene import PASSWORD, Scene

Client = Callable[..., FunctionClient]

CONNECTIONS = 16
ATTACKER = "198.51.100.66"
WRONG = "Wrong-Guess-88!"


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


def sign_in(scene: Scene, email: str, password: str, address: str, token: str | None = None) -> Answer:
    device = {"kind": "desktop"} | ({"token": token} if token else {})
    body = {"email": email, "password": password, "device": device}
    return scene.client(address=address).post("/v1/auth/login", body)


@contextmanager
def sixteen_connections_of_one_address(scene: Scene) -> Iterator[Counter[int]]:
    """They guess at addresses that nobody has, as fast as they are answered."""
    stopped, statuses = threading.Event(), Counter[int]()

    def guess(_: int) -> None:
        while not stopped.is_set():
            statuses[sign_in(scene, f"{uuid4().hex}@example.com", WRONG, ATTACKER).status] += 1

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        done = threads.map(guess, range(CONNECTIONS))
        try:
            time.sleep(0.5)
            yield statuses
        finally:
            stopped.set()
            list(done)


def test_sixteen_connections_of_one_address_keep_sign_in_open_for_others(scene: Scene) -> None:
    email = scene.verified()
    known = sign_in(scene, email, PASSWORD, "192.0.2.1").body["device_token"]
    with sixteen_connections_of_one_address(scene) as statuses:
        strangers = [sign_in(scene, email, PASSWORD, f"203.0.113.{number}").status for number in range(8)]
        devices = [sign_in(scene, email, PASSWORD, ATTACKER, known).status for _ in range(4)]
    assert (strangers, devices) == ([200] * 8, [200] * 4)
    assert set(statuses) <= {403, 503}


def test_after_too_many_failures_nothing_is_hashed(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    email = scene.verified()
    for _ in range(rules.FAILED_SIGN_INS_MAX):
        sign_in(scene, email, WRONG, ATTACKER)
    monkeypatch.setattr(passwords, "STRANGERS", Room(1, waiting=-1, share=1))  # whoever hashes is told to come again
    assert sign_in(scene, email, PASSWORD, ATTACKER).problem == "sign-in-refused"
    assert sign_in(scene, email, PASSWORD, "192.0.2.1").problem == "overloaded"


def test_a_wrong_code_hashes_no_new_password(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    email, code = scene.reset_code()
    full = Room(1, waiting=-1, share=1)
    for room in ("STRANGERS", "KNOWN"):
        monkeypatch.setattr(passwords, room, full)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    for asked, given, problem in (
        (email, wrong, "password-reset-not-valid"),
        ("nobody@example.com", code, "password-reset-not-valid"),
        (email, code, "overloaded"),
    ):
        body = {"email": asked, "code": given, "password": "Another-Sesame-9!"}
        assert scene.client().post("/v1/auth/reset-password/confirm", body).problem == problem


def test_a_room_has_places_and_nobody_more_than_a_share() -> None:
    room, go = Room(1, waiting=3, share=2), threading.Event()
    with ThreadPoolExecutor(4) as threads:
        inside = [threads.submit(room.run, go.wait, who) for who in ("a", "a", "b")]
        while room._taken.total() < len(inside):
            time.sleep(0.001)
        with pytest.raises(Overloaded):
            room.run(bool, "a")
        inside.append(threads.submit(room.run, go.wait, "c"))
        while room._taken.total() < len(inside):
            time.sleep(0.001)
        with pytest.raises(Overloaded) as full:
            room.run(bool, "d")
        go.set()
        assert all(each.result() for each in inside)
    assert full.value.headers["Retry-After"] == "1"
    assert room.run(lambda: "done", "a") == "done"
    assert room._taken == Counter()
