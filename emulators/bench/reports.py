"""`make bench-reports`: a report of ten thousand and of a million members, beside a bare COPY of the same rows.

Each report is made by functions/report_export in a process of its own, with a durable Postgres and the storage's
emulator; the names of members begin like formulas. Memory is the highest that the process has had: it is flat if the
figure is the same for all sizes. The floor is one COPY of the same columns to a reader that drops them.

Written to .local/bench/reports.json: machine; sizes, each with rows, file_mib, seconds and per_second (of the
run alone, without its imports), cpu_seconds and peak_mib (of the process with its imports), floor_seconds, ratio.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from emulators import cloud, contract
from emulators.bench import report
from emulators.bench.world import FOLDER
from emulators.postgres import Postgres
from emulators.storage import Storage
from shared import db
from shared.database import migrate
from shared.db import DatabaseConfig

RESULT = FOLDER / "reports.json"
SIZES = (10_000, 1_000_000)
MIB = 1024 * 1024
KIB_PER_MIB = 1024
FILL = """
    INSERT INTO members (id, email, email_verified_at, password_hash, username, full_name, date_of_birth, state,
                         created_at, updated_at)
    SELECT gen_random_uuid(), 'bench' || n || '@example.com', $3, 'none', 'bench' || n, '=Bench "' || n || '", Ltd.',
           '1990-06-15', 'NV', $3, $3
    FROM generate_series(CAST($1 AS integer), CAST($2 AS integer)) AS n
    """
# They would make the filling slow, and the report reads none of them.
UNUSED_INDEXES = (
    "DROP INDEX members_by_email, members_email, members_sign_up, members_unproved, members_username, members_wallet"
)
FLOOR = """
    COPY (SELECT number, id, username, full_name, email, email_verified_at IS NOT NULL, status, permanent_tier,
                 permanent_tier, state, country, language, wallet_address, created_at, last_login_at
          FROM members ORDER BY number) TO STDOUT (FORMAT csv)
    """


class Refused(Exception):
    """Raised when a report did not come out as it must."""


class _Nothing:
    """A file that drops what is written to it."""

    def write(self, data: bytes) -> int:
        return len(data)


def main() -> None:
    """Measure each size. Everything that was started is stopped at the end."""
    parser = argparse.ArgumentParser(prog="python -m emulators.bench.reports")
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, help="rows of each report, ascending")
    parser.add_argument("--run", type=UUID, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        _run(chosen.run)
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stop:
        postgres, storage = Postgres(log=FOLDER / "postgres.log"), Storage()
        for part in (postgres, storage):
            part.start()
            stop.callback(part.stop)
        machine = report.machine(postgres.version)
        environment = _prepared(postgres, storage)
        sizes = []
        with cloud.superuser(postgres, cloud.DATABASE) as connection:
            connection.execute_simple(UNUSED_INDEXES)
            for size in chosen.sizes:
                sizes.append(_measured(connection, environment, size))
                print(sizes[-1], flush=True)
        machine["load_average_end"] = report.load_average()
    RESULT.write_text(json.dumps({"machine": machine, "sizes": sizes}, indent=1) + "\n")
    print(f"All figures: {RESULT.relative_to(contract.ROOT)}")


def _prepared(postgres: Postgres, storage: Storage) -> Mapping[str, str]:
    """The environment of a function, with a migrated database and the buckets."""
    logins = cloud.Logins()
    cloud.make_database(postgres, logins)
    settings = {
        **cloud.account_settings("http://127.0.0.1:1", "{service}"),
        **cloud.database_settings(postgres, logins),
        **cloud.make_buckets(storage),
    }
    owner = DatabaseConfig(
        database_host=postgres.access.host,
        database_port=postgres.access.port,
        database_user=settings["OWNER_USER"],
        database_password=settings["OWNER_PASSWORD"],
        database_name=cloud.DATABASE,
    )
    with closing(db.connect(owner)) as connection:
        migrate.apply(connection, migrate.load(), datetime.now(UTC), contract=True)
    return {**os.environ, **settings}


def _measured(connection: Connection, environment: Mapping[str, str], size: int) -> dict[str, Any]:
    """Add members until there are so many, have a report of them made, and copy the same rows."""
    ((there,),) = connection.execute_simple("SELECT count(*) FROM members").rows
    connection.execute_simple("SET session_replication_role = replica")  # references are right by construction
    connection.execute_unnamed(FILL, (there + 1, size, datetime.now(UTC)))
    connection.execute_simple("SET session_replication_role = origin")
    connection.execute_simple("VACUUM ANALYZE members")
    identity, asked_by = uuid4(), connection.execute_simple("SELECT id FROM members LIMIT 1").rows[0][0]
    connection.execute_unnamed(
        "INSERT INTO report_exports (id, kind, filters, reason, asked_by, asked_at) "
        "VALUES ($1, 'users', '{}', 'bench', $2, $3)",
        (identity, asked_by, datetime.now(UTC)),
    )
    command = [sys.executable, "-m", "emulators.bench.reports", "--run", str(identity)]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    run = json.loads(told.stdout.splitlines()[-1])
    ((state, rows, size_bytes),) = connection.execute_unnamed(
        "SELECT state, rows, bytes FROM report_exports WHERE id = $1", (identity,)
    ).rows
    if (state, rows) != ("ready", size):
        raise Refused(f"the report is {state} with {rows} rows")
    began = time.perf_counter()
    connection.execute_unnamed(FLOOR, stream=_Nothing())
    floor = time.perf_counter() - began
    return {
        "rows": rows,
        "file_mib": round(size_bytes / MIB, 1),
        "seconds": round(run["seconds"], 1),
        "per_second": round(rows / run["seconds"]),
        "cpu_seconds": round(run["cpu_seconds"], 1),
        "peak_mib": round(run["peak_mib"], 1),
        "floor_seconds": round(floor, 2),
        "ratio": round(run["seconds"] / floor, 1),
    }


def _run(identity: UUID) -> None:
    """Make the report as the job does, and print what it took as JSON."""
    from functions.report_export import main as job
    from shared import clock, db
    from shared.events import ExportReport

    began = time.perf_counter()
    with db.acting_for("report_export"):
        job.make(ExportReport(export_id=identity), clock.now())
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / KIB_PER_MIB,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
