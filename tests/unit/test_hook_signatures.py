"""Webhooks are signed as Standard Webhooks asks, and tried for five days with pauses that grow."""

import base64
import hmac
from datetime import UTC, datetime, timedelta

import pytest

from shared.values import hooks

# The vector of the specification's libraries (standard-webhooks, libraries/python/tests and others).
SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
MESSAGE = "msg_p5jXN8AQM9LWM0D4loKWxJek"
SENT_AT = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_signature_is_that_of_the_specification() -> None:
    assert hooks.signature(SECRET, MESSAGE, SENT_AT, BODY) == SIGNATURE


def test_a_secret_is_shown_as_the_specification_writes_it() -> None:
    assert hooks.secret_shown(SECRET) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_with_two_secrets_a_message_has_a_signature_of_each() -> None:
    now = datetime.fromtimestamp(SENT_AT, UTC)
    older = b"o" * hooks.HOOK_SECRET_BYTES

    headers = hooks.headers([SECRET, older], MESSAGE, now, BODY)

    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (MESSAGE, str(SENT_AT))
    first, second = headers["webhook-signature"].split(" ")
    assert first == SIGNATURE
    expected = hmac.digest(older, f"{MESSAGE}.{SENT_AT}.".encode() + BODY, "sha256")
    assert second == "v1," + base64.b64encode(expected).decode()


@pytest.mark.parametrize("changed", [(b"x" * 32, MESSAGE, SENT_AT, BODY), (SECRET, "msg_2", SENT_AT, BODY),
                                     (SECRET, MESSAGE, SENT_AT + 1, BODY), (SECRET, MESSAGE, SENT_AT, BODY + b" ")],
                         ids=["secret", "id", "time", "body"])  # fmt: skip
def test_a_signature_holds_for_one_secret_id_time_and_body(changed: tuple[bytes, str, int, bytes]) -> None:
    assert hooks.signature(*changed) != SIGNATURE


def test_pauses_grow_and_are_five_days_together() -> None:
    pauses = [hooks.pause_after(tries) for tries in range(1, hooks.TRIES_MAX)]
    assert all(pauses)
    given = [pause for pause in pauses if pause]
    assert given == sorted(set(given))
    assert sum(given, timedelta()) == hooks.GIVEN_UP_AFTER
    assert hooks.pause_after(hooks.TRIES_MAX) is None
