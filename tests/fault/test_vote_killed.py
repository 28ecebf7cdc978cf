"""The function that opens and closes votes dies before each of its statements: the next delivery finds what one that
lives would have left.
"""

import signal
from datetime import timedelta

from tests.fakes.votes import QUEUE, Votes, release, write
from tests.fault.conftest import ForkedWorkers
from tests.fault.forked_workers import STATEMENTS_MAX

pytest_plugins = ["tests.fakes.votes_plugin"]

DONE, COME_AGAIN = 204, 503
DIED = -signal.SIGKILL
LIVED = (2, 5)  # done; or it comes again, because the vote is open
AFTER_THE_COMMIT = "C12 committed, before the answer"


def die_on_the_way(workers: ForkedWorkers, vote: str) -> int:
    """Deliver a vote's task again and again, each time dying one statement later; returns how often it died. The last
    delivery lives.
    """
    for number in range(1, STATEMENTS_MAX + 1):
        ended = workers.deliver(f"before statement {number}", "governance_close", QUEUE, {"vote_id": vote})["ended"]
        if ended in LIVED:
            return number - 1
        assert ended == DIED
    raise AssertionError("it never got through")


def test_a_vote_is_opened_and_closed_once_wherever_the_function_dies(
    votes: Votes, forked_workers: ForkedWorkers
) -> None:
    people, admin = [votes.voter() for _ in range(3)], votes.admin()
    vote = write(admin, seconds=3600)["id"]
    assert release(admin, vote).status == 200
    assert die_on_the_way(forked_workers, vote) >= 5
    assert votes.electors(vote) == {person.somebody.id for person in people}
    assert len(votes.said("governance")) == 1
    for person, option in zip(people, (1, 1, 2), strict=True):
        assert person.cast(vote, option).status == 200
    votes.end(vote, timedelta(seconds=5))
    assert die_on_the_way(forked_workers, vote) >= 5
    assert votes.tend(vote) == DONE
    outcome = people[0].see(vote)["outcome"]
    assert (outcome["winner"], outcome["ballots"], outcome["electors"]) == (1, 3, 3)
    assert (len(votes.said("governance")), len(votes.said("announcements"))) == (2, 1)


def test_what_was_committed_before_the_answer_is_not_done_again(votes: Votes, forked_workers: ForkedWorkers) -> None:
    admin, ada = votes.admin(), votes.voter()
    vote = write(admin)["id"]
    assert release(admin, vote).status == 200
    assert forked_workers.deliver(AFTER_THE_COMMIT, "governance_close", QUEUE, {"vote_id": vote})["ended"] == DIED
    assert votes.tend(vote) == COME_AGAIN  # it is open
    assert ada.see(vote)["electors"] == 1
    assert len(votes.said("governance")) == 1
    votes.end(vote, timedelta(seconds=5))
    assert forked_workers.deliver(AFTER_THE_COMMIT, "governance_close", QUEUE, {"vote_id": vote})["ended"] == DIED
    assert votes.tend(vote) == DONE
    assert (len(votes.said("governance")), len(votes.said("announcements"))) == (2, 1)
