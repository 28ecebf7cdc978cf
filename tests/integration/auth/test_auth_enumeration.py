"""Neither an answer nor the time that it takes shows whether an account exists.

Processor time of this process is compared, in pairs that take turns: a busy machine slows both alike. Two kinds of
request are told apart when a rank test says so and their medians differ by more than a margin, twice in a row: what
the machine does beside the test comes and goes, a difference between the requests stays. That the yardstick can tell a
request without a hash from one with it is tried as well.
"""

import math
import time
from collections.abc import Callable
from statistics import NormalDist, median

import pytest
from pg8000.dbapi import Connection

from tests import factories
from tests.client import Answer, FunctionClient
from tests.operations.scene import PASSWORD, Scene

Client = Callable[..., FunctionClient]
Ask = Callable[[int], Answer]

MARGIN = 0.2
CHANCE = 0.01
WRONG = "Wrong-Guess-88!"


@pytest.fixture
def scene(client: Client, sql: Connection) -> Scene:
    return Scene(client, sql)


def seconds(ask: Ask, number: int) -> float:
    started = time.process_time()
    ask(number)
    return time.process_time() - started


def in_turns(first: Ask, second: Ask, numbers: range) -> tuple[list[float], list[float]]:
    """The first number is asked beforehand, for what is only done once."""
    first(numbers[0]), second(numbers[0])
    times: tuple[list[float], list[float]] = ([], [])
    for number in numbers[1:]:
        for position in (0, 1) if number % 2 else (1, 0):
            times[position].append(seconds((first, second)[position], number))
    return times


def chance_of_no_difference(first: list[float], second: list[float]) -> float:
    """The Mann-Whitney test with its normal approximation; times have no ties to speak of."""
    wins = sum((a > b) + 0.5 * (a == b) for a in first for b in second)
    n, m = len(first), len(second)
    score = (wins - n * m / 2) / math.sqrt(n * m * (n + m + 1) / 12)
    return 2 * (1 - NormalDist().cdf(abs(score)))


def are_told_apart(first: Ask, second: Ask, pairs: int) -> bool:
    """Ask the pairs, and as many others if those were told apart. The requests are numbered from 0 to 2 * pairs + 1."""
    return all(_differ(first, second, range(start, start + pairs + 1)) for start in (0, pairs + 1))


def _differ(first: Ask, second: Ask, numbers: range) -> bool:
    times = in_turns(first, second, numbers)
    differ = abs(median(times[0]) / median(times[1]) - 1) > MARGIN
    return differ and chance_of_no_difference(*times) < CHANCE


def sign_in(scene: Scene, email: str, number: int) -> Answer:
    """From another network each time: it is not the lock that is measured."""
    client = scene.client(address=f"198.51.{number // 200}.{number % 200}")
    return client.post("/v1/auth/login", {"email": email, "password": WRONG})


def test_signing_in_takes_nobody_as_long_as_a_member(scene: Scene) -> None:
    email = scene.verified()
    fresh = factories.password_hash(PASSWORD)  # as production makes them; others may have made cheap ones
    scene.sql.execute_unnamed("UPDATE members SET password_hash = $1 WHERE email = $2", (fresh, email))
    assert not are_told_apart(
        lambda number: sign_in(scene, email, number), lambda number: sign_in(scene, "nobody@example.com", number), 12
    )


def test_asking_for_a_new_password_takes_nobody_as_long_as_a_member(scene: Scene) -> None:
    members = [scene.verified() for _ in range(62)]

    def ask(email: str, number: int) -> Answer:
        client = scene.client(address=f"198.51.100.{number}")
        return client.post("/v1/auth/reset-password", {"email": email})

    assert not are_told_apart(
        lambda number: ask(members[number], number), lambda number: ask(f"nobody{number}@example.com", number), 30
    )


def test_the_yardstick_tells_a_comparison_from_none(scene: Scene) -> None:
    assert are_told_apart(
        lambda number: sign_in(scene, "nobody@example.com", number),
        lambda _: scene.client().post("/v1/auth/login", {"email": "nobody@example.com", "password": ""}),
        8,
    )


def test_all_that_a_stranger_can_ask_is_answered_alike(scene: Scene) -> None:
    email, waiting = scene.verified(), scene.signed_up()
    for path, more in {
        "/v1/auth/login": {"password": WRONG},
        "/v1/auth/reset-password": {},
        "/v1/auth/reset-password/confirm": {"code": "000000", "password": PASSWORD},
        "/v1/auth/verify-email": {"code": "000000"},
        "/v1/auth/verify-email/resend": {},
    }.items():
        answers = [
            scene.client().post(path, {"email": asked, **more}) for asked in (email, waiting, "nobody@example.com")
        ]
        told = {
            (answer.status, str(answer.body), *sorted(set(answer.headers.items()) - {("Date", "")}))
            for answer in answers
        }
        assert len(told) == 1, path
