"""`make bench-votes`: ballots per second, and opening and closing votes of very many, beside hello world.

functions/governance is asked at its own port for ballots, each of another member or in another vote, by 1 to 64 clients
as fast as the answers come, in turns with a hello-world function; each ballot is a row, and one more of its option.
Then a vote is opened for half a million electors, and one with a hundred thousand ballots is closed, by the code of
functions/governance_close, in transactions of their own. Server, Postgres (fsync on) and load maker share the cores.
`--quick` takes a tenth of the members, and one short round.

Written to .local/bench/votes.json: machine; ballots and hello, each by clients with per_second, p50_ms, p95_ms; opening
and closing, each with rows and seconds.
"""

import argparse
import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from emulators import contract
from emulators.bench import calls, door, load, report, world
from emulators.bench.calls import Call
from emulators.bench.door import Door
from emulators.bench.load import Load, Plan
from emulators.bench.throughput import WrongAnswers
from emulators.bench.world import FOLDER, World

RESULT = FOLDER / "votes.json"
CLIENTS = (1, 8, 64)
MEMBERS = 1_000
SECONDS = 8.0
QUICK_SECONDS = 2.0
BALLOTS_PER_SECOND_MAX = 2_500  # so many requests are prepared for a second
ELECTORS = 500_000
CAST = 100_000
TENTH = 10
VOTE = """
    INSERT INTO governance_votes (id, type, tier_min, title, description, seconds, quorum_percent, status, created_by,
                                  created_at)
    VALUES ($1, 'flavor', 'vip', 'The next flavor', 'Which one?', 604800, 0, 'draft', $2, $3)
    """
OPTIONS = """
    INSERT INTO governance_options (vote_id, option, label) SELECT $1, n, 'Flavor ' || n FROM generate_series(1, 4) AS n
    """
RELEASE = "UPDATE governance_votes SET status = 'opening' WHERE id = $1"
FILL = """
    INSERT INTO members (id, email, email_verified_at, password_hash, username, full_name, date_of_birth, state,
                         permanent_tier, created_at, updated_at)
    SELECT gen_random_uuid(), 'elector' || n || '@example.com', $2, 'none', 'elector' || n, 'Bench', '1990-06-15', 'NV',
           'vip', $2, $2
    FROM generate_series(1, CAST($1 AS integer)) AS n
    """
CAST_ALL = """
    INSERT INTO governance_ballots (vote_id, member_id, option, receipt, cast_at)
    SELECT vote_id, member_id, 1 + abs(hashtext(member_id::text)) % 4, uuid_send(gen_random_uuid()), $3
    FROM governance_electors WHERE vote_id = $1 LIMIT CAST($2 AS integer)
    """
COUNTED = """
    UPDATE governance_options o SET ballots = (SELECT count(*) FROM governance_ballots b
                                               WHERE b.vote_id = o.vote_id AND b.option = o.option)
    WHERE vote_id = $1
    """
COUNT_ELECTORS = "SELECT count(*) FROM governance_electors WHERE vote_id = $1"
COUNT_BALLOTS = "SELECT count(*) FROM governance_ballots WHERE vote_id = $1"
END = "UPDATE governance_votes SET status = 'closing', closed_early_at = $2 WHERE id = $1"


def main() -> None:
    """Run the benchmark. Everything that was started is stopped at the end."""
    parser = argparse.ArgumentParser(prog="python -m emulators.bench.votes")
    parser.add_argument("--quick", action="store_true", help="a tenth of the members, and one short round")
    quick = parser.parse_args().quick
    share, seconds = (TENTH, QUICK_SECONDS) if quick else (1, SECONDS)
    with world.started() as stack, ExitStack() as stop:
        machine = report.machine(stack.postgres.version)
        made = World(stack, MEMBERS)
        served = [door.target(contract.functions()["governance"]), door.HELLO]
        doors = [stop.enter_context(door.opened(stack, target)) for target in served]
        for opened in doors:
            opened.wait()
        found: dict[str, Any] = {"ballots": {}, "hello": {}}
        for clients in CLIENTS:
            found["ballots"][clients] = _ballots(made, doors[0], clients, seconds)
            found["hello"][clients] = _hello(doors[1], clients, seconds)
            print(clients, "clients:", found["ballots"][clients], "hello world:", found["hello"][clients], flush=True)
        vote = _many(made, ELECTORS // share)
        found["opening"] = _tended(made, vote, COUNT_ELECTORS)
        _cast(made, vote, CAST // share)
        found["closing"] = _tended(made, vote, COUNT_BALLOTS)
        print("opening:", found["opening"], "closing:", found["closing"], flush=True)
        machine["load_average_end"] = report.load_average()
    RESULT.write_text(json.dumps({"machine": machine, **found}, indent=1) + "\n")
    print(f"\nAll figures: {RESULT.relative_to(contract.ROOT)}")


def _ballots(made: World, governance: Door, clients: int, seconds: float) -> Mapping[str, float]:
    """Ballots of all members in as many votes as are needed, each once. Raises WrongAnswers for any other answer."""
    votes = [_opened(made) for _ in range(1 + round(BALLOTS_PER_SECOND_MAX * seconds) // (len(made.members) - 1))]
    headers = calls.gateway_headers(made.stack, "governance")
    requests = [
        Call(
            "PUT",
            f"/v1/governance/votes/{vote}/ballot",
            {"X-Forwarded-Authorization": f"Bearer {member.token}", **headers},
            json.dumps({"option": 1 + number % 4}),
        ).text
        for vote in votes
        for number, member in enumerate(made.members[1:])
    ]
    return _figures(load.run(Plan(governance.port, clients, seconds, requests)))


def _hello(hello: Door, clients: int, seconds: float) -> Mapping[str, float]:
    return _figures(load.run(Plan(hello.port, clients, seconds, [Call("GET", "/").text], again=True)))


def _figures(done: Load) -> Mapping[str, float]:
    if set(done.statuses) != {"200"}:
        raise WrongAnswers(f"answered {done.statuses}")
    answers = sorted(done.milliseconds)
    return {
        "per_second": round(len(answers) / done.seconds, 1),
        "p50_ms": answers[len(answers) // 2],
        "p95_ms": answers[len(answers) * 95 // 100],
    }


def _opened(made: World) -> UUID:
    """A vote that is open for all members of the world."""
    vote = _released(made)
    _tend(vote)
    return vote


def _released(made: World) -> UUID:
    vote = uuid4()
    with made.sql() as connection:
        connection.execute_unnamed(VOTE, (vote, made.admin.id, datetime.now(UTC)))
        connection.execute_unnamed(OPTIONS, (vote,))
        connection.execute_unnamed(RELEASE, (vote,))
    return vote


def _many(made: World, electors: int) -> UUID:
    """A vote that is to be opened for so many more members."""
    with made.sql() as connection:
        connection.execute_simple("SET session_replication_role = replica")  # references are right by construction
        connection.execute_unnamed(FILL, (electors, datetime.now(UTC)))
        connection.execute_simple("VACUUM ANALYZE members")
        connection.execute_simple("CHECKPOINT")
    return _released(made)


def _cast(made: World, vote: UUID, ballots: int) -> None:
    """Give the vote so many ballots, and end it."""
    now = datetime.now(UTC)
    with made.sql() as connection:
        connection.execute_simple("SET session_replication_role = replica")
        connection.execute_unnamed(CAST_ALL, (vote, ballots, now))
        connection.execute_unnamed(COUNTED, (vote,))
        connection.execute_unnamed(END, (vote, now))
        connection.execute_simple("VACUUM ANALYZE governance_ballots")
        connection.execute_simple("CHECKPOINT")


def _tended(made: World, vote: UUID, counted: str) -> Mapping[str, float]:
    """Open or close the vote, and take the time."""
    began = time.perf_counter()
    _tend(vote)
    seconds = time.perf_counter() - began
    with made.sql() as connection:
        ((rows,),) = connection.execute_unnamed(counted, (vote,)).rows
    return {"rows": rows, "seconds": round(seconds, 2)}


def _tend(vote: UUID) -> None:
    from functions.governance_close import tending
    from shared import db

    with db.acting_for("governance_close"):
        db.atomically(tending.tend, vote)


if __name__ == "__main__":
    main()
