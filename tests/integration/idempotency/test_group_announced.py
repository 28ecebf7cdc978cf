"""A handler of a group gets the ids of each request's path, and what a group has done is announced after its commit."""

from collections.abc import Sequence
from datetime import datetime
from time import perf_counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared import api as shared_api
from shared import clock, db, log
from shared.api import Api
from shared.auth import Claims, Member
from shared.db import Tx
from shared.values.fields import Body, Reply
from shared.values.problems import NotFound, Problem
from shared.web.http import Client
from shared.web.idempotency import IdempotencyKey
from shared.web.in_transaction import Call
from shared.web.signatures import Asked, UnclearSignature
from tests import factories

api = Api("announced")
announced: list[list[str]] = []
BAD = "bad"


class Said(Body):
    word: str


class Heard(Reply):
    room: UUID
    word: str


def announce(replies: Sequence[Heard]) -> None:
    kept = db.atomically(lambda tx: tx.column(str, "SELECT subject FROM attempt_counters ORDER BY subject"))
    announced.append(kept)
    if any(reply.word == "loud" for reply in replies):
        raise RuntimeError("the listeners are away")


@api.post("/v1/rooms/{room_id}/words", announce=announce)
def say(tx: Tx, group: Sequence[Asked[Member, Said]], now: datetime) -> list[Heard | Problem]:
    for asked in group:
        tx.run(
            "INSERT INTO attempt_counters (subject, hour, attempts) VALUES (:subject, :now, 1)",
            subject=asked.body.word,
            now=now,
        )
    return [
        NotFound() if asked.body.word == BAD else Heard(room=asked.path["room_id"], word=asked.body.word)
        for asked in group
    ]


@pytest.fixture
def member(database: str) -> Claims:
    del database
    announced.clear()
    somebody = factories.member()
    return Claims(somebody.id, factories.session_of(somebody))


def call(member: Claims, room: UUID, word: str) -> Call:
    kept = IdempotencyKey(str(member.member_id), word, word.encode(), sealed=False)
    values: dict[str, Any] = {"body": Said(word=word), "client": Client("203.0.113.7", "tests"), "room_id": room}
    return Call(api.routes[0], member, b"", values, kept, clock.now(), perf_counter())


def test_each_request_comes_with_the_ids_of_its_path(member: Claims) -> None:
    room = uuid4()
    assert str(room).encode() in (shared_api._done(call(member, room, "hello")).body or b"")


def test_it_is_announced_once_it_is_committed(member: Claims) -> None:
    shared_api._done(call(member, uuid4(), "hello"))
    assert announced == [["hello"]]


def test_a_group_without_a_success_is_not_announced(member: Claims) -> None:
    assert shared_api._done(call(member, uuid4(), BAD)).status == 404
    assert announced == []


def test_a_request_succeeds_whose_announcement_fails_and_people_are_told(
    member: Claims, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(log, "error", lambda event, **_: told.append(event))

    assert shared_api._done(call(member, uuid4(), "loud")).status == 200
    assert (announced, told) == ([["loud"]], ["a group was not announced"])


def test_what_takes_no_group_has_nothing_to_announce() -> None:
    def alone(tx: Tx, member: Member, body: Said) -> Heard:
        del tx, member, body
        raise AssertionError("it is refused before anybody calls it")

    with pytest.raises(UnclearSignature):
        Api("x").post("/v1/x", announce=announce)(alone)
