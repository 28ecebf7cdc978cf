"""Two requests of one key in a group: the second gets the first one's answer, and cannot spoil what was committed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from time import perf_counter
from typing import Any

import pytest

from shared import clock
from shared.api import Api
from shared.auth import Claims, Member
from shared.db import Tx
from shared.values.fields import Body, Reply
from shared.values.problems import Problem, TooManyRequests
from shared.web import together
from shared.web.http import Client
from shared.web.idempotency import Answer, IdempotencyKey
from shared.web.in_transaction import Call
from shared.web.signatures import Asked
from tests import factories

api = Api("twins")
groups: list[list[str]] = []


class Word(Body):
    word: str


class Heard(Reply):
    group: int


class Broken(Exception):
    """A fault of the handler's own."""


@api.post("/v1/twins")
def hear(tx: Tx, group: Sequence[Asked[Member, Word]], now: datetime) -> list[Heard | Problem]:
    del tx, now
    groups.append([asked.body.word for asked in group])
    if len(groups) > 1 and "later" in groups[0]:
        raise Broken
    return [TooManyRequests() if asked.body.word == "later" else Heard(group=len(groups)) for asked in group]


@pytest.fixture
def member() -> Claims:
    groups.clear()
    somebody = factories.member()
    return Claims(somebody.id, factories.session_of(somebody))


def call(member: Claims, word: str, key: str | None) -> Call:
    kept = IdempotencyKey(str(member.member_id), key, word.encode(), sealed=False) if key else None
    values: dict[str, Any] = {"body": Word(word=word), "client": Client("203.0.113.7", "tests")}
    return Call(api.routes[0], member, b"", values, kept, clock.now(), perf_counter())


def test_the_second_of_one_key_gets_the_answer_of_the_first(member: Claims) -> None:
    one, other = call(member, "hello", "key"), call(member, "alone", None)
    first, second, third = together._together([one, replace(one), other])
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert isinstance(third, Answer)
    assert (first.body, second.body) == (third.body, third.body)
    assert groups == [["hello", "alone"]]


def test_what_fails_for_the_second_leaves_the_others_their_answers(member: Claims) -> None:
    """The first of the key was told to come again, so the second is done anew, and fails."""
    one, other = call(member, "later", "key"), call(member, "alone", None)
    first, second, third = together._together([one, replace(one), other])
    assert isinstance(first, Answer)
    assert isinstance(third, Answer)
    assert (first.status, third.status) == (429, 200)
    assert isinstance(second, Broken)
    assert groups == [["later", "alone"], ["later"]]
