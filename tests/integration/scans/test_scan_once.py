"""One code is one scan, whoever comes at the same moment."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pg8000.dbapi import Connection

from tests import factories
from tests.client import FunctionClient

Client = Callable[..., FunctionClient]


def test_of_200_who_claim_one_code_at_once_one_gets_it(client: Client, sql: Connection) -> None:
    (code,) = factories.manufactured_codes(1)
    members = [factories.member() for _ in range(20)]

    def claim(number: int) -> str:
        member = members[number % len(members)]
        answer = client(member.token, address=f"203.0.113.{number}").post("/v1/scans/submit", {"code": code})
        return answer.problem or str(answer.status)

    with ThreadPoolExecutor(32) as threads:
        outcomes = Counter(threads.map(claim, range(200)))

    assert outcomes.pop("201") == 1
    assert sum(outcomes.values()) == 199
    assert set(outcomes) <= {"code-not-valid", "code-already-yours"}
    assert sql.execute_simple("SELECT count(*), max(number) FROM scans").rows == [[1, 1]]
    assert sql.execute_simple("SELECT value FROM scan_counter").rows == [[1]]


def test_the_member_who_scanned_a_code_is_told_so_and_nobody_else(client: Client) -> None:
    (code,) = factories.manufactured_codes(1)
    first, second = factories.member(), factories.member()
    receipt = client(first.token).post("/v1/scans/submit", {"code": code})

    again = client(first.token).post("/v1/scans/submit", {"code": code})
    stranger = client(second.token).post("/v1/scans/submit", {"code": code})

    assert (again.status, again.problem) == (409, "code-already-yours")
    assert again.body["scan_id"] == receipt.body["scan_id"]
    assert (stranger.status, stranger.problem) == (422, "code-not-valid")


def test_used_and_unknown_codes_get_one_and_the_same_answer_and_what_is_no_code_another(client: Client) -> None:
    used, waiting = factories.manufactured_codes(1), factories.manufactured_codes(1, status="generated")
    client(factories.member().token).post("/v1/scans/submit", {"code": used[0]})
    member = client(factories.member().token)

    answers = [member.post("/v1/scans/submit", {"code": code}) for code in (used[0], waiting[0], "AAAA-AAAA-AAAA")]
    malformed = [member.post("/v1/scans/submit", {"code": code}) for code in ("hello", "", "AAAA-AAAA-AAA0", "💥" * 12)]

    assert len({(answer.status, str(answer.body)) for answer in answers}) == 1
    assert answers[0].problem == "code-not-valid"
    assert len({(answer.status, str(answer.body)) for answer in malformed}) == 1
    assert malformed[0].problem == "not-valid"


def test_a_code_may_be_typed_in_small_letters_without_hyphens(client: Client) -> None:
    (code,) = factories.manufactured_codes(1)

    answer = client(factories.member().token).post(
        "/v1/scans/submit", {"code": f" {code.replace('-', '').lower()}", "method": "manual"}
    )

    assert answer.status == 201
