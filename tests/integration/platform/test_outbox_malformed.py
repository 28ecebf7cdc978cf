"""A delivery that can never succeed is recorded once and acknowledged: it wakes a person, not the queue."""

import base64
import json

from pg8000.dbapi import Connection

from emulators import contract
from tests.fakes.invoker import FunctionInvoker
from tests.platform import Platform

JOBS = [name for name, function in contract.functions().items() if function.topics or function.queues]


def pushed(payload: bytes, topic: str = "mail-queued", **other: object) -> bytes:
    """A push; `other` are fields of the message with other values."""
    message = {"attributes": {"topic": topic}, "messageId": "1", "data": base64.b64encode(payload).decode()}
    return json.dumps({"message": {**message, **other}}).encode()


MALFORMED = {
    "nothing": b"",
    "no JSON": b"<html>502</html>",
    "cut off": pushed(b"{}")[:-7],
    "no object": b"[1, 2]",
    "no message": b"{}",
    "no topic": json.dumps({"message": {"messageId": "1", "data": ""}}).encode(),
    "attributes of another kind": pushed(b"{}", attributes=["topic"]),
    "no base64": pushed(b"", data="***"),
    "data of another kind": pushed(b"", data=7),
    "an attempt of another kind": pushed(b"{}")[:-1] + b', "deliveryAttempt": "many"}',
    "no such topic": pushed(b"{}", topic="no-such-topic"),
    "a topic with a NUL": pushed(b"{}", topic="a\x00b"),
    "a topic with half a surrogate": pushed(b"{}", topic="\ud800"),
    "an empty event": pushed(b""),
    "another event": pushed(b'{"something": "else"}'),
    "too much": pushed(b'{"mail_id": "b9f6c7a0-0000-4000-8000-000000000000", "and": 1}'),
    "no id": pushed(b'{"mail_id": "1 OR 1=1"}'),
    "not UTF-8": b'{"message": "\xff\xfe"}',
    "nested deeply": b"[" * 100_000,
    "no such schedule": b'{"schedule": "no-such-schedule"}',
}


def test_every_malformed_envelope_is_recorded_once_and_acknowledged(platform: Platform, sql: Connection) -> None:
    invoker = FunctionInvoker(platform.invoker_token)

    answers = {name: [invoker.deliver("email_send", body) for _ in range(3)] for name, body in MALFORMED.items()}

    assert {name: answer for name, answer in answers.items() if answer != [204] * 3} == {}
    assert sql.execute_simple("SELECT count(*) FROM job_faults").rows == [[len(MALFORMED)]]


def test_a_malformed_task_is_recorded_once_under_its_name(platform: Platform, sql: Connection) -> None:
    invoker = FunctionInvoker(platform.invoker_token)

    for body in ({}, {"payout_id": "nobody's"}, {"payout_id": 7, "treasury": "member"}):
        assert invoker.task("payout_send", "payout-send-member", body, name="t1") == 204
    assert invoker.task("payout_send", "payout-confirm", {}, name="t2") == 204  # of another function

    rows = sql.execute_simple("SELECT job, delivery_id FROM job_faults ORDER BY id").rows
    assert rows == [["payout_send", "t1"], ["payout_send", "t2"]]


def test_nobody_but_the_invoker_delivers_anything(platform: Platform, sql: Connection) -> None:
    strangers = FunctionInvoker(platform.gateway_token)

    assert {strangers.deliver(name, pushed(b"{}")) for name in JOBS} == {403}
    assert sql.execute_simple("SELECT count(*) FROM job_faults").rows == [[0]]
