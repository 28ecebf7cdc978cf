"""`make bench-codes`: how long it takes to generate, export and import batches of codes, beside a floor of each.

This is a benchmark, not a test. The platform runs as in production, a process per function, with a durable Postgres. An
admin orders a batch, exports it, uploads the codes as a manufacturer would, and imports them; the figures include the
gateway, the outbox, the queue and storage. The floors are measured in the same run on the same server: one COPY of as
many random hashes into a copy of the table, with its indexes and without its foreign key; one UPDATE of all its rows.
Memory is the highest that any process of the function has had (VmHWM). Sizes are measured one after the other, so
memory is flat if the figure is the same for all.

Written to .local/bench/codes.json:
  machine   as in bench.json
  sizes     per size: codes, generate and import (seconds, per_second, floor_seconds, ratio, peak_mib), file_mib
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_bytes
from tempfile import TemporaryDirectory
from typing import IO, Any
from urllib.request import Request, urlopen
from uuid import UUID, uuid4

from emulators import contract
from emulators.bench import processes, report, world
from emulators.bench.world import FOLDER, PRODUCT, World
from emulators.client import Client

RESULT = FOLDER / "codes.json"
SIZES = (100_000, 1_000_000)
SECONDS_MAX = 1800.0
LOOK_SECONDS = 0.2
MIB = 1024 * 1024
FLOOR_TABLE = "CREATE TABLE bench_floor (LIKE codes INCLUDING ALL)"
FLOOR_COPY = "COPY bench_floor (mac, batch_id, chunk) FROM STDIN"
FLOOR_UPDATE = "UPDATE bench_floor SET status = 'manufactured', manufactured_at = now()"


class TooSlow(Exception):
    """Raised when a step takes longer than anybody would wait."""


class Refused(Exception):
    """Raised when the platform did something else than what is measured."""


def main() -> None:
    """Measure each size. Everything that was started is stopped at the end."""
    parser = argparse.ArgumentParser(prog="python -m emulators.bench.codes")
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, help="codes of each batch, ascending")
    sizes = parser.parse_args().sizes
    if not sys.platform.startswith("linux"):
        sys.exit("the benchmark reads memory from Linux's /proc")
    with world.started(isolated=True) as stack, TemporaryDirectory(prefix="bench-", dir=FOLDER) as folder:
        machine = report.machine(stack.postgres.version)
        print(f"{machine['cores']} cores, load average {machine['load_average']}, Python {machine['python']}, "
              f"{machine['postgres']}", flush=True)  # fmt: skip
        bench = _Bench(World(stack, 1), Path(folder))
        measured = [bench.measure(size) for size in sizes]
    RESULT.write_text(json.dumps({"machine": machine, "sizes": measured}, indent=1) + "\n")
    print(f"\n{report.codes_table(measured)}\nload average at the end {report.load_average()}")
    print(f"All figures: {RESULT.relative_to(contract.ROOT)}")


class _Bench:
    """The admin's client at the gateway, and the folder for the files between the steps."""

    def __init__(self, made: World, folder: Path) -> None:
        self._world = made
        self._folder = folder
        self._admin = Client(made.stack.url, made.admin.token)

    def measure(self, size: int) -> dict[str, Any]:
        """Measure a batch of that size from the order to the import, and its floors."""
        print(f"{size:,} codes: making them", flush=True)
        batch, generated = self._generate(size)
        print(f"{size:,} codes: {generated:.1f} s; importing them", flush=True)
        file = self._manufacturers_file(batch, size)
        imported = self._import(file, size)
        print(f"{size:,} codes: {imported:.1f} s; floors", flush=True)
        copied, updated = self._floors(size)
        found = {
            "codes": size,
            "file_mib": round(file.stat().st_size / MIB, 1),
            "generate": _figures(size, generated, copied, "codes_generate"),
            "import": _figures(size, imported, updated, "codes_import"),
        }
        file.unlink()
        return found

    def _generate(self, size: int) -> tuple[UUID, float]:
        order = {"name": f"Bench {size}", "product_sku": PRODUCT, "quantity": size}
        with _timed() as seconds:
            batch = self._admin.must("POST", "/v1/admin/qr/generate", order)["id"]
            self._wait("SELECT status FROM code_batches WHERE id = $1", batch, "generated")
        return UUID(batch), seconds()

    def _manufacturers_file(self, batch: UUID, size: int) -> Path:
        """A file with only the codes of the export, one per line."""
        url = self._admin.must("POST", "/v1/admin/qr/export", {"batch_id": str(batch)})["download_url"]
        path, lines = self._folder / "codes.csv", 0
        with urlopen(url, timeout=SECONDS_MAX) as export, path.open("wb") as file:  # noqa: S310 - the emulator
            for lines, line in enumerate(export):  # noqa: B007 - counted from 0: without the header
                file.write(line.partition(b",")[0].rstrip() + b"\n")
        if lines != size:
            raise Refused(f"the export has {lines} codes")
        return path

    def _import(self, file: Path, size: int) -> float:
        made = self._admin.must("POST", "/v1/admin/qr/imports")
        headers = {**made["upload_headers"], "Content-Length": str(file.stat().st_size)}
        with file.open("rb") as body:
            put = Request(made["upload_url"], body, headers, method="PUT")  # noqa: S310 - the emulator
            urlopen(put, timeout=SECONDS_MAX).close()  # noqa: S310
        with _timed() as seconds:
            self._admin.must("POST", f"/v1/admin/qr/imports/{made['id']}/start")
            self._wait("SELECT status FROM code_imports WHERE id = $1", made["id"], "imported")
        done = self._admin.must("GET", f"/v1/admin/qr/imports/{made['id']}")
        if done["manufactured"] != size:
            raise Refused(f"{done['manufactured']} codes were imported")
        return seconds()

    def _wait(self, query: str, identity: str, wanted: str) -> None:
        deadline = time.monotonic() + SECONDS_MAX
        with self._world.sql() as connection:
            while (status := connection.execute_unnamed(query, (identity,)).rows[0][0]) != wanted:
                if status == "refused" or time.monotonic() > deadline:
                    raise TooSlow(f"{identity} is {status}")
                time.sleep(LOOK_SECONDS)

    def _floors(self, size: int) -> tuple[float, float]:
        """The seconds of one COPY and of one UPDATE, each with its commit."""
        with self._rows(size) as rows, self._world.sql() as connection:
            connection.execute_simple(FLOOR_TABLE)
            with _timed() as copied:
                connection.execute_unnamed(FLOOR_COPY, stream=rows)
            with _timed() as updated:
                connection.execute_simple(FLOOR_UPDATE)
            connection.execute_simple("DROP TABLE bench_floor")
        return copied(), updated()

    @contextmanager
    def _rows(self, size: int) -> Iterator[IO[bytes]]:
        path, tail = self._folder / "floor.txt", f"\t{uuid4()}\t0\n".encode()
        with path.open("wb") as file:
            for _ in range(size):
                file.write(b"\\\\x" + token_bytes(16).hex().encode() + tail)
        with path.open("rb") as file:
            yield file
        path.unlink()


@contextmanager
def _timed() -> Iterator[Callable[[], float]]:
    """Gives a function that returns the seconds that the block took, once it has ended."""
    started = time.perf_counter()
    ended: list[float] = []
    yield lambda: ended[0] - started
    ended.append(time.perf_counter())


def _figures(size: int, seconds: float, floor: float, function: str) -> dict[str, float]:
    peak = processes.peak_bytes(processes.child_running(f"--target {function} "))
    return {
        "seconds": seconds,
        "per_second": size / seconds,
        "floor_seconds": floor,
        "ratio": seconds / floor,
        "peak_mib": peak / MIB,
    }


if __name__ == "__main__":
    main()
