"""Slow work before a group is done for those requests alone that need it, and never twice for one answer."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any

import pytest

from shared import api as shared_api
from shared import clock, db
from shared.api import Api
from shared.auth import Claims, Member
from shared.db import Tx
from shared.values.fields import Body, Reply
from shared.values.problems import Overloaded, Problem
from shared.web.http import Client
from shared.web.idempotency import Answer, IdempotencyKey
from shared.web.in_transaction import Call
from shared.web.signatures import AskedPrepared, NotPrepared, UnclearSignature
from tests import factories

api = Api("prepared")
looked: list[str] = []


class Word(Body):
    word: str


class Heard(Reply):
    word: str
    meaning: str | None


@dataclass(frozen=True)
class Meaning:
    text: str


def look_up(body: Word) -> Meaning:
    looked.append(body.word)
    if body.word == "down":
        raise Overloaded
    return Meaning(body.word.upper())


@api.post("/v1/words", before=look_up)
def hear(
    tx: Tx, group: Sequence[AskedPrepared[Member, Word, Meaning]], now: datetime
) -> list[Heard | Problem | NotPrepared]:
    del tx, now
    return [_heard(asked) for asked in group]


def _heard(asked: AskedPrepared[Member, Word, Meaning]) -> Heard | NotPrepared:
    if asked.body.word == "known":
        return Heard(word="known", meaning=None)
    return Heard(word=asked.body.word, meaning=asked.prepared.text) if asked.prepared else NotPrepared()


@pytest.fixture
def member() -> Claims:
    looked.clear()
    somebody = factories.member()
    return Claims(somebody.id, factories.session_of(somebody))


def call(member: Claims, word: str, key: str) -> Call:
    kept = IdempotencyKey(str(member.member_id), key, word.encode(), sealed=False)
    values: dict[str, Any] = {"body": Word(word=word), "client": Client("203.0.113.7", "tests")}
    return Call(api.routes[0], member, b"", values, kept, clock.now(), perf_counter())


def test_it_is_done_for_those_who_need_it(member: Claims) -> None:
    calls = [call(member, word, word) for word in ("known", "new", "other")]
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(shared_api._done, calls))
    assert sorted(looked) == ["new", "other"]
    assert [answer.body for answer in answers] == [
        b'{"word":"known","meaning":null}',
        b'{"word":"new","meaning":"NEW"}',
        b'{"word":"other","meaning":"OTHER"}',
    ]


def test_who_was_answered_before_causes_none(member: Claims) -> None:
    first, again = (shared_api._done(call(member, "new", "key")) for _ in range(2))
    assert first == again
    assert looked == ["new"]


def test_what_fails_before_leaves_nothing_under_the_key(member: Claims) -> None:
    for _ in range(2):
        with pytest.raises(Overloaded):
            shared_api._done(call(member, "down", "key"))
    assert looked == ["down", "down"]
    assert db.atomically(lambda tx: tx.scalar(int, "SELECT count(*) FROM idempotency_keys")) == 0


def test_a_stranger_causes_none(member: Claims) -> None:
    stranger = Claims(member.session_id, member.member_id)
    with pytest.raises(Problem):
        shared_api._done(call(stranger, "new", "key"))
    assert looked == []


def test_both_name_the_same_work() -> None:
    def takes_none(tx: Tx, group: Sequence[AskedPrepared[Member, Word, int]]) -> list[Heard]:
        raise NotImplementedError  # a stub: its signature alone is read

    def counted(claims: Claims) -> Any:
        raise NotImplementedError  # a stub: its signature alone is read

    with pytest.raises(UnclearSignature, match="with each request"):
        api.post("/v1/others", before=look_up)(takes_none)
    with pytest.raises(UnclearSignature, match="counts by itself"):
        api.post("/v1/words", before=look_up, limit=counted)(hear)


def test_the_answer_is_kept(member: Claims) -> None:
    answer = shared_api._done(call(member, "new", "key"))
    assert isinstance(answer, Answer)
    assert shared_api._done(call(member, "new", "key")) == answer
