"""The floor of a scan: pgbench runs only the transaction that cannot be left out, on the same server and tables.

It claims a code, takes the next number and inserts the scan: five round trips of a client in C that does nothing else.
The ratio shows the cost of all else in a scan (the caller, idempotency, velocity, tiers, prizes, HTTP).
"""

import os
import resource
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pg8000.dbapi import Connection

from emulators import cloud
from emulators.bench import processes
from emulators.bench.world import PRODUCT, World
from emulators.postgres import find_binaries

RATE_MAX = 4000  # scans per second for which codes are prepared
SPARE_SECONDS_MAX = 30.0  # for starting and ending
CODE = "int8send({number}) || int8send(0)"  # the floor's codes are numbers, also of sixteen bytes
SCRIPT = f"""
BEGIN;
UPDATE codes SET status = 'scanned', scanned_at = now(),
       scanned_by = (SELECT id FROM members WHERE number = :client_id + 1)
WHERE mac = (SELECT {CODE.format(number="nextval('bench_codes')")}) AND status = 'manufactured' RETURNING mac;
UPDATE scan_counter SET value = value + 1 WHERE only_row RETURNING value \\gset
INSERT INTO scans (id, number, member_id, code_mac, product_sku, scanned_at, method, tier, quarter, quarter_scans)
VALUES (gen_random_uuid(), :value, (SELECT id FROM members WHERE number = :client_id + 1), int8send(:value),
        '{PRODUCT}', now(), 'qr', 'whale', '2026-Q1', 1);
COMMIT;
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class FloorRun:
    """One run of pgbench. The server's CPU includes accepting the connections, some milliseconds each."""

    milliseconds: list[float]
    cpu_seconds: float
    database_cpu_seconds: float


class Floor:
    """A pgbench of the server's own version, or of the pinned package if the machine's Postgres has none."""

    def __init__(self, world: World, seconds: int) -> None:
        """Prepare codes for all runs, which last `seconds` together."""
        self._world = world
        with world.sql() as connection:
            connection.execute_simple("CREATE SEQUENCE IF NOT EXISTS bench_codes")
            ((used,),) = connection.execute_simple(
                "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM bench_codes"
            ).rows
            connection.execute_unnamed(
                f"""
                INSERT INTO codes (mac, batch_id, status, manufactured_at)
                SELECT {CODE.format(number="n")}, (SELECT id FROM code_batches LIMIT 1), 'manufactured', now()
                FROM generate_series(CAST($1 AS bigint) + 1, CAST($1 AS bigint) + CAST($2 AS bigint)) AS n
                ON CONFLICT DO NOTHING
                """,  # noqa: S608 - a constant
                (used, seconds * RATE_MAX),
            )
            connection.execute_simple("ANALYZE")
            self._done = self._scanned(connection)

    def run(self, clients: int, seconds: int, database: int) -> FloorRun:
        """Run pgbench once; `database` is the server's process id. Raises RuntimeError if scans are
        missing afterwards.
        """
        made = pgbench(self._world, SCRIPT, clients, seconds, database)
        self._check(len(made.milliseconds))
        return made

    def _check(self, count: int) -> None:
        self._done += count
        with self._world.sql() as connection:
            scanned = self._scanned(connection)
        if scanned != self._done:
            raise RuntimeError(f"the floor counted {self._done} scans and made {scanned}")

    def _scanned(self, connection: Connection) -> int:
        query = "SELECT count(*) FROM codes WHERE status = 'scanned' AND substr(mac, 9) = int8send(0)"
        return int(connection.execute_simple(query).rows[0][0])


def pgbench(world: World, script: str, clients: int, seconds: int, database: int) -> FloorRun:
    """Run a script of pgbench; `database` is the server's process id. Raises RuntimeError if it fails."""
    access = world.stack.postgres.access
    environment = {"PATH": os.environ.get("PATH", os.defpath), "PGPASSWORD": access.password}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        file = Path(folder) / "script.sql"
        file.write_text(script)
        command = [str(_pgbench()), "--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=1",
                   f"--time={seconds}", f"--file={file}", "--log", f"--log-prefix={folder}/log",
                   f"--host={access.host}", f"--port={access.port}", f"--username={access.user}",
                   cloud.DATABASE]  # fmt: skip
        cpu, database_cpu = _children_seconds(), processes.cpu_seconds(database)
        done = subprocess.run(command, env=environment, capture_output=True, text=True,
                              timeout=seconds + SPARE_SECONDS_MAX, check=False)  # fmt: skip
        cpu, database_cpu = _children_seconds() - cpu, processes.cpu_seconds(database) - database_cpu
        if done.returncode:
            raise RuntimeError(f"pgbench failed:\n{done.stderr[-2000:]}")
        milliseconds = [
            int(line.split()[2]) / 1000 for log in Path(folder).glob("log.*") for line in log.read_text().splitlines()
        ]
    return FloorRun(milliseconds, cpu, database_cpu)


def _pgbench() -> Path:
    found = find_binaries("any") / "pgbench"
    return found if found.is_file() else find_binaries("embedded") / "pgbench"


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
