"""A member opens the messenger of support, and appeals a sanction of their own once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from pg8000.dbapi import Connection

from emulators.support import MESSENGER_SECRET
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes import support_rows
from tests.rows import rows_of_all_tables

Client = Callable[..., FunctionClient]

TOKEN, APPEALS = "/v1/support/token", "/v1/support/appeals"
COUNTED = ("attempt_counters",)


@pytest.fixture
def somebody(database: str) -> Somebody:
    assert database
    return factories.member()


@pytest.fixture
def mine(client: Client, somebody: Somebody) -> FunctionClient:
    return client(somebody.token)


def appeal(mine: FunctionClient, case: object, message: str = "It was a joke.", **headers: str) -> Answer:
    return mine.post(APPEALS, {"sanction_id": str(case), "message": message}, **headers)


def kept(sql: Connection) -> dict[str, str]:
    """Every row but the counts of tries."""
    return rows_of_all_tables(sql, without=COUNTED)


def test_a_token_is_the_members_and_short_and_makes_them_known_once(
    mine: FunctionClient, sql: Connection, somebody: Somebody
) -> None:
    before = datetime.now(UTC)
    done = mine.post(TOKEN)
    assert (done.status, done.headers["Cache-Control"]) == (201, "no-store")
    claims = jwt.decode(done.body["token"], MESSENGER_SECRET, algorithms=["HS256"])
    assert set(claims) == {"user_id", "email", "exp"}
    assert (claims["user_id"], claims["email"]) == (str(somebody.id), somebody.email)
    until = datetime.fromtimestamp(claims["exp"], UTC)
    assert before - timedelta(seconds=1) <= until - timedelta(minutes=5) <= datetime.now(UTC)
    assert datetime.fromisoformat(done.body["expires_at"]) == until
    assert mine.post(TOKEN).status == 201
    assert sql.execute_simple("SELECT member_id, revision, told FROM support_contacts").rows == [[somebody.id, 1, 0]]
    assert sql.execute_simple("SELECT count(*) FROM outbox WHERE function = 'support_sync'").rows == [[1]]


def test_an_appeal_is_stored_with_its_task_and_taken_once(
    mine: FunctionClient, sql: Connection, somebody: Somebody
) -> None:
    case = support_rows.case(somebody)
    done = appeal(mine, case, "It was\na joke.")
    assert (done.status, done.body["sanction_id"]) == (201, str(case))
    stored = "SELECT sanction_id, member_id, message, sent_at FROM support_appeals"
    assert sql.execute_simple(stored).rows == [[case, somebody.id, "It was\na joke.", None]]
    assert sql.execute_simple("SELECT body FROM outbox WHERE function = 'support_sync'").rows == [
        [{"member_id": str(somebody.id)}]
    ]
    (shown,) = mine.get("/v1/support/sanctions").body["items"]
    assert (shown["id"], shown["kind"], shown["appealed_at"] is None) == (str(case), "mute", False)
    before = kept(sql)
    assert appeal(mine, case, "Please.").problem == "sanction-appealed"
    assert kept(sql) == before


def test_what_is_not_the_members_or_takes_something_back_cannot_be_appealed(
    mine: FunctionClient, sql: Connection, somebody: Somebody
) -> None:
    others, lifted = support_rows.case(factories.member()), support_rows.case(somebody, "lift")
    before = kept(sql)
    assert [appeal(mine, case).problem for case in (others, somebody.id, lifted)] == [
        "sanction-unknown", "sanction-unknown", "sanction-not-appealable",
    ]  # fmt: skip
    assert mine.get("/v1/support/sanctions").body["items"] == []
    assert kept(sql) == before


def test_appeals_of_one_case_at_once_are_one(mine: FunctionClient, sql: Connection, somebody: Somebody) -> None:
    case = support_rows.case(somebody)
    with ThreadPoolExecutor(5) as threads:
        outcomes = Counter(threads.map(lambda _: appeal(mine, case).problem, range(5)))
    assert outcomes == {"": 1, "sanction-appealed": 4}
    assert sql.execute_simple("SELECT count(*) FROM support_appeals").rows == [[1]]


def test_the_same_request_again_has_the_same_answer(mine: FunctionClient, somebody: Somebody) -> None:
    case = support_rows.case(somebody)
    first, again = (appeal(mine, case, **{"Idempotency-Key": "appeal"}) for _ in range(2))
    assert (first.status, first.body) == (again.status, again.body)


def test_words_that_are_none_are_refused(mine: FunctionClient, sql: Connection, somebody: Somebody) -> None:
    case = support_rows.case(somebody)
    before = kept(sql)
    for message in ("", " \n ", "x" * 2001, None, 7):
        refused = mine.post(APPEALS, {"sanction_id": str(case), "message": message})
        assert (refused.status, refused.problem) == (422, "not-valid"), message
    assert kept(sql) == before


def test_while_support_is_not_set_up_everybody_is_told_so_and_nothing_is_written(
    mine: FunctionClient, sql: Connection, somebody: Somebody, monkeypatch: pytest.MonkeyPatch
) -> None:
    case, key = support_rows.case(somebody), {"Idempotency-Key": "later"}
    before = kept(sql)
    with monkeypatch.context() as without:
        without.setenv("INTERCOM_MESSENGER_SECRET", " ")
        for refused in (mine.post(TOKEN, **key), appeal(mine, case)):
            assert (refused.status, refused.problem) == (409, "support-unavailable")
            assert refused.headers["Retry-After"] == "300"
    assert kept(sql) == before
    assert mine.post(TOKEN, **key).status == 201
    monkeypatch.setenv("INTERCOM_MESSENGER_SECRET", " ")
    assert mine.post(TOKEN, **key).problem == "support-unavailable"  # the kept answer cannot be signed
