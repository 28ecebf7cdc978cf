"""`make bench-scans`: scans per second with 10 thousand, 1 million and 10 million scans and codes in the tables.

For each size, 32 clients call functions/scans at its own port (functions-framework with gunicorn, the threads of
function.yaml, requests as Cloud Run passes them on) and through the local gateway, in turns with pgbench on the same
tables, one transaction per scan (floor.py). Then the set-based call is measured alone: a group of GROUP scans from
`submit` to the commit, by one caller, without HTTP. Server, Postgres (fsync and synchronous_commit on) and load maker
share the cores. `--quick` takes the first two sizes and one short round.

The server itself writes the rows that are there before (as COPY does, without the text); their codes are spread over
the whole index as hashes are. Each scan of the run is a real one: new codes, members with live sessions.

Written to .local/bench/scans.json: machine; sizes, each with rows, targets (as in bench.json) and group (scans, groups,
per_second, milliseconds per group); curve (each figure's lowest rate over its highest); aims.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any
from uuid import UUID

from emulators import contract
from emulators.bench import report, throughput, world
from emulators.bench.throughput import GATEWAY, OWN_DOOR, Effort
from emulators.bench.world import FOLDER, SCANS_PER_MEMBER_MAX, World
from functions.scans import main as scans
from functions.scans.receipts import ScanReceipt
from shared import db
from shared.auth import Member
from shared.database.session import Session
from shared.values.tiers import Tier
from shared.web.http import Client
from shared.web.signatures import Asked

RESULT = FOLDER / "scans.json"
SIZES = (10_000, 1_000_000, 10_000_000)
CLIENTS = 32
GROUP = 256
GROUPS = 24
PIECE = 500_000  # rows written at once
SETTLE_SECONDS = 15.0  # for the disk, which continues to write what was loaded
AIMS = {"own_door_per_second": 1_000, "own_door_p99_ms": 100, "group_per_second": 10_000, "fall_max": 0.2}
FILL_CODES = """
    INSERT INTO codes (mac, batch_id, status, manufactured_at, scanned_at, scanned_by)
    SELECT decode(md5('bench' || n), 'hex'), (SELECT id FROM code_batches LIMIT 1), 'scanned', $3, $3,
           members[1 + n % cardinality(members)]
    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) AS n,
         (SELECT array_agg(id) AS members FROM members) AS m
    """
FILL_SCANS = """
    INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, tier, quarter, quarter_scans)
    SELECT gen_random_uuid(), n, members[1 + n % cardinality(members)], decode(md5('bench' || n), 'hex'), 'MINTICE-6',
           CAST($3 AS timestamptz) - interval '90 days' * (1 - n / 1e7), 'qr', 'whale', '2026-Q3', 1
    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) AS n,
         (SELECT array_agg(id) AS members FROM members) AS m
    """


@dataclass(frozen=True)
class Groups:
    """The set-based call alone: medians of the groups, some of which meet a checkpoint."""

    scans: int
    groups: int
    per_second: float
    milliseconds: float
    milliseconds_max: float
    waiting_milliseconds: float  # time for Postgres; the rest is Python before, between and after


def main() -> None:
    """Run the benchmark: for each size, fill the tables up to it and measure."""
    parser = argparse.ArgumentParser(prog="python -m emulators.bench.scans")
    parser.add_argument("--quick", action="store_true", help="smaller tables and one short round")
    quick = parser.parse_args().quick
    sizes = SIZES[:2] if quick else SIZES
    effort = Effort((CLIENTS,), seconds=2 if quick else 4, rounds=1 if quick else 3)
    result = _measure(sizes, effort, _teller())
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nAll figures: {RESULT.relative_to(contract.ROOT)}")


def _measure(sizes: Sequence[int], effort: Effort, tell: Callable[[str], None]) -> dict[str, Any]:
    members = len(sizes) * (effort.scans_max + GROUP * (GROUPS + 1)) // SCANS_PER_MEMBER_MAX + 2
    with world.started() as stack:
        machine = report.machine(stack.postgres.version)
        tell(f"the stack is up, {members} members sign in")
        made = World(stack, members)
        found: list[dict[str, Any]] = []
        filled = 0
        for size in sizes:
            filled = _fill(made, filled, size, tell)
            runs = report.scans(throughput.measure(made, effort, tell, first_number=size))
            groups = _groups(made)
            print(f"\n{size:,} scans and codes in the tables\n{report.scan_table(runs)}")
            print(f"set-based call alone, {GROUP} scans each: {groups.per_second:,.0f} scans/s, "
                  f"{groups.milliseconds:.1f} ms, "
                  f"{groups.waiting_milliseconds:.1f} of them for Postgres\n", flush=True)  # fmt: skip
            found.append({"rows": size, "targets": runs, "group": asdict(groups)})
        machine["load_average_end"] = report.load_average()
    curve = _curve(found)
    print("lowest over highest rate of the sizes: " + ", ".join(f"{name} {share:.2f}" for name, share in curve.items()))
    return {"machine": machine, "options": asdict(effort), "sizes": found, "curve": curve, "aims": AIMS}


def _fill(made: World, filled: int, size: int, tell: Callable[[str], None]) -> int:
    """Write the missing rows; then statistics and a checkpoint, so that the run does not pay for them."""
    now = datetime.now(UTC)
    with made.sql() as connection:
        connection.execute_simple("SET session_replication_role = replica")  # references are right by construction
        for start in range(filled + 1, size + 1, PIECE):
            end = min(start + PIECE - 1, size)
            for statement in (FILL_CODES, FILL_SCANS):
                connection.execute_unnamed(statement, (start, end, now))
            tell(f"{end:,} scans and codes are in the tables")
        # Otherwise scan_rollup would be busy counting them.
        position = "UPDATE scan_rollup_position SET last_number = $1"
        connection.execute_unnamed(position, (size,))
        connection.execute_simple("VACUUM ANALYZE codes")
        connection.execute_simple("VACUUM ANALYZE scans")
        connection.execute_simple("CHECKPOINT")
    time.sleep(SETTLE_SECONDS)
    return size


def _groups(made: World) -> Groups:
    """Time `submit` and the commit, group after group; the first one, which prepares the statements, does not count."""
    callers = {member.token: _caller(made, member.id) for member in made.members}
    asked = [
        Asked(callers[token], scans.ScanSubmission(code=code), Client("203.0.113.7", "bench"), time.perf_counter())
        for token, code in made.scans(GROUP * (GROUPS + 1))
    ]
    now = datetime.now(UTC)
    seconds: list[float] = []
    waited: list[float] = []
    waits: list[float] = []
    settle = Session.settle

    def timed(session: Session) -> None:
        began = time.perf_counter()
        settle(session)
        waited.append(time.perf_counter() - began)

    with ExitStack() as stop:
        stop.callback(db.close)
        stop.callback(setattr, Session, "settle", settle)
        Session.settle = timed  # type: ignore[method-assign,assignment]
        for start in range(0, len(asked), GROUP):
            waited.clear()
            group = asked[start : start + GROUP]
            began = time.perf_counter()
            answers = db.atomically(partial(scans.submit, group=group, now=now))
            seconds.append(time.perf_counter() - began)
            waits.append(sum(waited))
            if not all(isinstance(answer, ScanReceipt) for answer in answers):
                raise throughput.WrongAnswers("a scan of a group was refused")
    counted = seconds[1:]
    return Groups(
        scans=GROUP,
        groups=len(counted),
        per_second=GROUP / median(counted),
        milliseconds=1000 * median(counted),
        milliseconds_max=1000 * max(counted),
        waiting_milliseconds=1000 * median(waits[1:]),
    )


def _caller(made: World, member_id: UUID) -> Member:
    return Member(
        id=member_id,
        number=1,
        username="bench",
        status="active",
        role=None,
        permanent_tier=Tier.STANDARD,
        quarter_tier=Tier.WHALE,
        session_id=made.admin.id,
    )


def _curve(found: Sequence[dict[str, Any]]) -> dict[str, float]:
    """How far each rate falls from its best size to its worst."""
    rates: dict[str, list[float]] = {"group": [size["group"]["per_second"] for size in found]}
    for target in (OWN_DOOR, GATEWAY):
        rates[target] = [
            entry["per_second"] for size in found for entry in size["targets"] if entry["target"] == target
        ]
    return {name: round(min(values) / max(values), 3) for name, values in rates.items()}


def _teller() -> Callable[[str], None]:
    started = time.monotonic()
    return lambda line: print(f"{time.monotonic() - started:6.1f} s  {line}", flush=True)


if __name__ == "__main__":
    main()
