"""The end of a vote: its outcome, its announcement, the list of receipts, and what listeners see."""

import hashlib
import io
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event, Thread
from uuid import UUID

import pytest
from google.cloud.firestore import Client as Copies

from emulators.firestore import Firestore
from functions.feed_project import voting
from functions.governance import store as casting
from functions.governance_close import store, tending
from shared import clock, db
from shared.db import Tx
from shared.values.tiers import Tier
from terraform.operations import vote_recount
from tests.client import refusal
from tests.fakes.locks import held, until_waiting
from tests.fakes.votes import DESK, VOTES, Votes, release, write
from tests.logs import log_lines
from tests.platform import Platform

pytest_plugins = ["tests.contract.firestore_plugin", "tests.fakes.votes_plugin", "tests.fakes.log_plugin"]

DONE, COME_AGAIN = 204, 503


@pytest.fixture
def firestore_host(embedded_firestore_server: Firestore) -> str:
    """The embedded Firestore alone: what the port does is tried on Google's too, by its own tests."""
    return embedded_firestore_server.host


def test_a_vote_closes_by_its_task_with_a_winner_and_is_announced(votes: Votes) -> None:
    people = [votes.voter() for _ in range(4)]
    vote = votes.opened(seconds=3600, quorum_percent=75)
    task = votes.sql.execute_simple("SELECT deliver_at FROM outbox WHERE task_name LIKE 'vote-close-%'").rows
    (ends_at,) = votes.sql.execute_simple("SELECT closes_at FROM governance_votes").rows[0]
    assert task == [[ends_at + timedelta(seconds=5)]]
    for person, option in zip(people[:3], (2, 2, 1), strict=True):
        assert person.cast(vote, option).status == 200
    assert votes.tend(vote) == COME_AGAIN
    votes.end(vote, timedelta(seconds=5))
    assert [votes.tend(vote) for _ in range(2)] == [DONE] * 2
    seen = people[0].see(vote)
    assert (seen["status"], seen["closed_early_at"]) == ("closed", None)
    assert seen["outcome"] == {
        "totals": [{"option": 1, "ballots": 1}, {"option": 2, "ballots": 2}, {"option": 3, "ballots": 0}],
        "ballots": 3,
        "electors": 4,
        "turnout": 0.75,
        "quorum_met": True,
        "winner": 2,
        "tie": [],
    }
    (announced,) = votes.said("announcements")
    assert "“Peach” has won with 2 of 3 ballots." in announced
    assert votes.said("governance")[1:] == [announced]
    assert "open until" in votes.said("governance")[0]


def test_a_vote_that_no_task_closes_is_closed_by_the_sweep(votes: Votes) -> None:
    ada, admin = votes.voter(), votes.admin()
    waiting = write(admin, seconds=30 * 86_400)["id"]
    assert release(admin, waiting).status == 200
    assert votes.sweep() == DONE  # it opens, too
    assert ada.see(waiting)["status"] == "active"
    assert votes.sql.execute_simple("SELECT 1 FROM outbox WHERE task_name LIKE 'vote-close-%'").rows == []
    votes.end(waiting)
    assert votes.sweep() == DONE
    assert ada.see(waiting)["status"] == "active"
    votes.end(waiting, timedelta(seconds=5))
    assert [votes.sweep() for _ in range(2)] == [DONE] * 2
    assert ada.see(waiting)["status"] == "closed"
    assert len(votes.said("announcements")) == 1


def test_an_admin_closes_early_at_once_and_twice_is_harmless(votes: Votes) -> None:
    ada, eve, admin = votes.voter(), votes.voter(), votes.admin()
    vote = votes.opened()
    assert ada.cast(vote).status == 200
    for _ in range(2):
        answer = admin.post(f"{DESK}/{vote}/close", {"reason": "We know enough"})
        assert (answer.status, answer.body["status"]) == (200, "closing")
    assert refusal(eve.cast(vote)) == (409, "vote-not-open")
    assert refusal(eve.client.get(f"{VOTES}/{vote}/ballots")) == (409, "ballots-not-published")
    assert votes.tend(vote) == DONE
    assert admin.post(f"{DESK}/{vote}/close", {"reason": "We know enough"}).body["status"] == "closed"
    seen = admin.get(f"{DESK}/{vote}").body
    assert seen["closed_early_at"] is not None
    assert [(entry["act"], entry["reason"]) for entry in seen["diary"]] == [
        ("vote.create", None),
        ("vote.open", None),
        ("vote.close", "We know enough"),
    ]
    assert "It was closed before its time." in votes.said("announcements")[0]


def test_an_admin_who_closes_after_the_end_has_not_closed_early(votes: Votes) -> None:
    admin, vote = votes.admin(), votes.opened(seconds=3600)
    with pytest.raises(Exception, match="governance_votes_early"):
        votes.sql.execute_simple("UPDATE governance_votes SET status = 'closing', closed_early_at = closes_at")
    ends_at = votes.end(vote)
    answer = admin.post(f"{DESK}/{vote}/close", {"reason": "We know enough"})
    assert (answer.status, answer.body["status"], answer.body["closed_early_at"]) == (200, "active", None)
    late = "SELECT deliver_at FROM outbox WHERE task_name LIKE 'vote-close-late-%'"
    assert votes.sql.execute_simple(late).rows == [[ends_at + timedelta(seconds=5)]]
    votes.end(vote, timedelta(seconds=5))
    assert votes.tend(vote) == DONE
    assert "before its time" not in votes.said("announcements")[0]


def test_an_early_close_gets_its_turn_while_ballots_keep_coming(votes: Votes) -> None:
    admin, vote, over = votes.admin(), votes.opened(), Event()

    def take_ballots(tx: Tx) -> None:
        casting.lock(tx, {UUID(vote)})
        tx.run("SELECT pg_sleep(0.05)")

    def keep_casting(number: int) -> None:
        time.sleep(number * 0.02)  # so that one always holds the vote
        with db.acting_for("governance"):
            while not over.is_set():
                db.atomically(take_ballots)

    with ThreadPoolExecutor(3) as pool:
        casters = [pool.submit(keep_casting, number) for number in range(3)]
        time.sleep(0.1)
        began = time.monotonic()
        try:
            answer = admin.post(f"{DESK}/{vote}/close", {"reason": "We know enough"})
        finally:
            over.set()
    assert [caster.result() for caster in casters] == [None] * 3
    assert (answer.status, time.monotonic() - began < 2) == (200, True)


def test_a_run_that_has_waited_opens_at_the_moment_of_its_turn_and_no_other_waits_for_it(
    votes: Votes, platform: Platform
) -> None:
    admin = votes.admin()
    vote = write(admin)["id"]
    assert release(admin, vote).status == 200
    with held(platform, f"SELECT 1 FROM governance_votes WHERE id = '{vote}' FOR UPDATE"):
        first = Thread(target=votes.tend, args=[vote])
        first.start()
        until_waiting(votes.sql, 1)
        assert (votes.sweep(), votes.tend(vote)) == (DONE, COME_AGAIN)
        its_turn = clock.now()
    first.join(30)
    opened_at = admin.get(f"{DESK}/{vote}").body["opened_at"]
    assert datetime.fromisoformat(opened_at) >= its_turn.replace(microsecond=0)


def test_people_are_told_of_a_vote_that_nobody_may_vote_in(votes: Votes, log_output: io.StringIO) -> None:
    vote = votes.opened()
    assert [line["vote_id"] for line in log_lines(log_output) if "nobody may vote" in line["message"]] == [vote]
    votes.closed(vote)
    assert "Nobody has voted" in votes.said("announcements")[0]


@pytest.mark.parametrize(
    ("options", "quorum", "said"), [((1, 2), 0, "there is no winner"), ((1, 1), 90, "Too few members have voted")]
)
def test_a_tie_and_too_few_ballots_have_no_winner(
    votes: Votes, options: tuple[int, int], quorum: int, said: str
) -> None:
    people = [votes.voter() for _ in range(3)]
    vote = votes.opened(quorum_percent=quorum)
    for person, option in zip(people, options, strict=False):
        assert person.cast(vote, option).status == 200
    outcome = votes.closed(vote)["outcome"]
    assert (outcome["winner"], outcome["tie"]) == (None, [1, 2] if not quorum else [])
    assert said in votes.said("announcements")[0]


def test_everybody_recounts_the_published_receipts_and_finds_their_own(
    votes: Votes, capsys: pytest.CaptureFixture[str]
) -> None:
    people, outsider = [votes.voter() for _ in range(7)], votes.voter(Tier.STANDARD)
    vote = votes.opened()
    receipts = {
        person.cast(vote, number % 3 + 1).body["receipt"]: number % 3 + 1 for number, person in enumerate(people)
    }
    outcome = votes.closed(vote)["outcome"]
    published, cursor = [], ""
    while True:
        page = outsider.client.get(f"{VOTES}/{vote}/ballots?limit=3{cursor}").body
        published += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = f"&after={page['next_cursor']}"
    assert {each["receipt"]: each["option"] for each in published} == receipts
    assert [each["receipt"] for each in published] == sorted(receipts)
    counted = Counter(each["option"] for each in published)
    assert [{"option": option, "ballots": counted[option]} for option in (1, 2, 3)] == outcome["totals"]

    assert vote_recount.faults(vote) == []
    vote_recount.show(vote)
    assert "every ballot is counted" in capsys.readouterr().out


def test_electors_and_content_are_sealed_at_the_opening(votes: Votes) -> None:
    people = sorted((votes.voter().somebody.id for _ in range(5)), key=lambda each: each.bytes)
    vote = votes.opened()
    with db.acting_for("governance_close"):
        row = db.atomically(store.find, UUID(vote))
    assert row
    sealed = hashlib.sha256(tending.content_of(row) + b"".join(person.bytes for person in people)).digest()
    assert row.digest == sealed
    shown = votes.voter().see(vote)
    assert shown["digest"] == sealed.hex()
    names = ("id", "type", "title", "description", "seconds", "quorum_percent")
    said = {name: shown[name] for name in names} | {"options": [option["label"] for option in shown["options"]]}
    content = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    assert shown["content_digest"] == hashlib.sha256(content).hexdigest()


def test_sums_that_differ_are_not_published_and_people_are_told(votes: Votes, log_output: io.StringIO) -> None:
    people = [votes.voter() for _ in range(3)]
    vote = votes.opened()
    for person in people:
        assert person.cast(vote).status == 200
    votes.sql.execute_simple("UPDATE governance_options SET ballots = ballots + 1 WHERE option = 2")
    shown = votes.closed(vote)
    assert (shown["status"], shown["outcome"], votes.said("announcements")) == ("closing", None, [])
    assert votes.sweep() == DONE
    said = [line["options"] for line in log_lines(log_output) if "not what was added up" in line["message"]]
    assert said == [[2], [2]]
    assert vote_recount.faults(vote) == ["option 2: 1 was added up, and 0 ballots are there"]
    votes.sql.execute_simple("ALTER TABLE governance_options DISABLE TRIGGER governance_option_changed")
    votes.sql.execute_simple("UPDATE governance_options SET ballots = 0 WHERE option = 2")
    votes.sql.execute_simple("ALTER TABLE governance_options ENABLE TRIGGER governance_option_changed")
    assert votes.sweep() == DONE
    assert people[0].see(vote)["outcome"]["winner"] == 1


def test_tasks_and_sweeps_side_by_side_open_and_close_once(votes: Votes) -> None:
    ada, admin = votes.voter(), votes.admin()
    vote = write(admin, seconds=3600)["id"]
    assert release(admin, vote).status == 200
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(lambda n: votes.tend(vote) if n % 2 else votes.sweep(), range(6))) <= {DONE, COME_AGAIN}
    assert ada.cast(vote).status == 200
    votes.end(vote, timedelta(seconds=5))
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(lambda n: votes.tend(vote) if n % 2 else votes.sweep(), range(6))) <= {DONE, COME_AGAIN}
    assert (len(votes.said("governance")), len(votes.said("announcements"))) == (2, 1)
    assert ada.see(vote)["outcome"]["ballots"] == 1


def test_ballots_and_an_early_close_side_by_side_leave_what_is_counted(votes: Votes) -> None:
    people, admin = [votes.voter() for _ in range(24)], votes.admin()
    vote = votes.opened()

    def act(number: int) -> int:
        if number == 12:
            return admin.post(f"{DESK}/{vote}/close", {"reason": "We know enough"}).status
        return people[number].cast(vote, number % 3 + 1).status

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(act, range(24)))
    assert set(statuses) <= {200, 409}
    assert votes.tend(vote) == DONE
    taken = sum(status == 200 for status in statuses) - 1
    assert people[0].see(vote)["outcome"]["ballots"] == taken
    assert vote_recount.faults(vote) == []


def test_listeners_follow_totals_and_see_the_outcome(votes: Votes, listeners: Copies) -> None:
    people = [votes.voter() for _ in range(3)]
    vote = votes.opened()
    copy = listeners.document(f"votes/{vote}")

    def shown() -> tuple[str, int]:
        found = copy.get().to_dict() or {}
        return found["status"], found["ballots"]

    assert votes.invoker.event("feed_project", "vote-changed", {"vote_id": vote}) == DONE
    assert shown() == ("active", 0)
    for number, person in enumerate(people, start=1):
        assert person.cast(vote, 3).status == 200
        if number < 3:
            with db.acting_for("feed_project"):
                voting.follow(0.01)
            assert shown() == ("active", number)
    votes.closed(vote)
    assert votes.invoker.event("feed_project", "vote-changed", {"vote_id": vote}) == DONE
    with db.acting_for("feed_project"):
        voting.follow(10.0)  # nothing is open: it ends at once
    found = copy.get().to_dict() or {}
    assert (found["status"], found["ballots"], found["outcome"]["winner"]) == ("closed", 3, 3)
    assert found["totals"][2] == {"option": 3, "ballots": 3}
