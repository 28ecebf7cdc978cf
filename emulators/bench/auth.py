"""`make bench-auth`: how much sign-ins slow down other requests, and how reads do with many notifications.

This is a benchmark, not a test. Functions run at their own ports (functions-framework with gunicorn, the threads of
their function.yaml) and Postgres is durable. Server, database and load makers share the cores, unlike in the cloud.

Sign-ins: READERS clients read in a closed loop, first alone, then beside SIGNERS clients who sign in as fast as they
can, in turns. They read `/v1/users/me` (of another function than the one that hashes), the key set (of the very
function that hashes), and hello world as the floor of both: its loss is due to the machine's scheduler alone. The floor
of the sign-ins themselves is bare Argon2id with the same parameters and as many hashes at once.

Notifications: the same reads with 1 thousand and 1 million rows in the table, in turns with hello world.

Written to .local/bench/auth.json:
  machine   as in bench.json
  sign_ins  per_second, floor_per_second, ratio, p50_ms, p95_ms; reads: per target p50_ms and p95_ms alone and beside
            sign-ins, ratio (the median of the rounds' p95 ratios) and its range
  sizes     per size and target: per_second, p50_ms, p95_ms; curve: p95 at the larger size over that at the smaller
"""

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from emulators import contract
from emulators.bench import calls, door, load, report, world
from emulators.bench.calls import Call
from emulators.bench.door import Door
from emulators.bench.load import Load, Plan
from emulators.bench.world import FOLDER, World
from functions.auth import passwords

RESULT = FOLDER / "auth.json"
MEMBERS = 200
READERS = 4
SIGNERS = 4
SIZES = (1_000, 1_000_000)
PIECE = 100_000
SETTLE_SECONDS = 10.0
WARM_SECONDS = 2.0
PASSWORD = "Bench-Sesame-77!"  # noqa: S105 - of members who exist for a minute
ME, LIST, UNREAD, KEYS, HELLO = "users/me", "notifications", "unread count", "key set", "hello world"
AIM = 2.0  # times the p95 that reads have alone
FILL = """
    INSERT INTO notifications (id, member_id, type, title, body, data, dedupe_key, created_at, read_at)
    SELECT gen_random_uuid(), members[1 + n % cardinality(members)], 'system', 'Hello', 'there', '{}', 'bench-' || n,
           $3, CASE WHEN n % 10 > 0 THEN CAST($3 AS timestamptz) END
    FROM generate_series(CAST($1 AS bigint), CAST($2 AS bigint)) AS n,
         (SELECT array_agg(id ORDER BY id) AS members FROM members) AS m
    """


class WrongAnswers(Exception):
    """Raised when a target refused requests: the figures of refusals would be worthless."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: `rounds` turns of `seconds` for each target."""

    seconds: float
    rounds: int


def main() -> None:
    """Run both measurements. Everything that was started is stopped at the end."""
    parser = argparse.ArgumentParser(prog="python -m emulators.bench.auth")
    parser.add_argument("--quick", action="store_true", help="one short round, a tenth of the rows")
    quick = parser.parse_args().quick
    effort = Effort(2, 1) if quick else Effort(5, 3)
    with world.started() as stack, ExitStack() as stop:
        machine = report.machine(stack.postgres.version)
        print(f"{machine['cores']} cores, load average {machine['load_average']}, {machine['postgres']}", flush=True)
        bench = _Bench(World(stack, MEMBERS), effort, stop)
        sign_ins = bench.sign_ins()
        print(_sign_in_table(sign_ins), flush=True)
        sizes = bench.sizes([SIZES[0], SIZES[1] // 10] if quick else SIZES)
        machine["load_average_end"] = report.load_average()
    RESULT.write_text(json.dumps({"machine": machine, "sign_ins": sign_ins, **sizes, "aim": AIM}, indent=1) + "\n")
    print(f"\n{_size_table(sizes)}\n\nAll figures: {RESULT.relative_to(contract.ROOT)}")


class _Bench:
    """The started functions, and the requests for each target."""

    def __init__(self, made: World, effort: Effort, stop: ExitStack) -> None:
        self._world = made
        self._effort = effort
        functions = contract.functions()
        served = [*(door.target(functions[name]) for name in ("users", "notifications", "auth")), door.HELLO]
        doors: list[Door] = [stop.enter_context(door.opened(made.stack, target)) for target in served]
        for opened in doors:
            opened.wait()
        users, notifications, auth, hello = (opened.port for opened in doors)
        self._hash = passwords.hashed(PASSWORD, passwords.STRANGERS, "tests").text
        with made.sql() as connection:
            connection.execute_unnamed("UPDATE members SET password_hash = $1", (self._hash,))
        self._auth = auth
        self._targets = {
            ME: (users, self._reads("users", "/v1/users/me")),
            LIST: (notifications, self._reads("notifications", "/v1/notifications")),
            UNREAD: (notifications, self._reads("notifications", "/v1/notifications/unread-count")),
            KEYS: (auth, self._reads("auth", "/.well-known/jwks.json")),
            HELLO: (hello, self._reads("auth", "/")),
        }
        for target in self._targets:
            self._read(target, WARM_SECONDS)
        self._sign_in(WARM_SECONDS)

    def sign_ins(self) -> dict[str, Any]:
        """Measure reads alone and beside sign-ins, and sign-ins beside bare hashing."""
        seconds, targets = self._effort.seconds, (ME, KEYS, HELLO)
        alone: dict[str, list[Load]] = {target: [] for target in targets}
        beside: dict[str, list[Load]] = {target: [] for target in targets}
        signed: list[Load] = []
        floors: list[float] = []
        for _ in range(self._effort.rounds):
            floors.append(self._floor())
            for target in targets:
                alone[target].append(self._read(target, seconds))
                with ThreadPoolExecutor(2) as threads:
                    signing = threads.submit(self._sign_in, seconds + 1)
                    time.sleep(0.5)
                    beside[target].append(self._read(target, seconds))
                    signed.append(signing.result())
        rate, floor = median(_per_second(run) for run in signed), median(floors)
        reads = {target: _compared(alone[target], beside[target]) for target in targets}
        return {
            "per_second": rate,
            "floor_per_second": floor,
            "ratio": floor / rate,
            **_latency(signed),
            "reads": reads,
        }

    def sizes(self, sizes: Sequence[int]) -> dict[str, Any]:
        """Measure the reads at each size, after filling the table up to it."""
        found: list[dict[str, Any]] = []
        filled = 0
        for size in sizes:
            filled = self._fill(filled, size)
            runs: dict[str, list[Load]] = {target: [] for target in (ME, LIST, UNREAD, HELLO)}
            for _ in range(self._effort.rounds):
                for target, measured in runs.items():
                    measured.append(self._read(target, self._effort.seconds))
            figures = {
                target: {"per_second": median(_per_second(run) for run in measured), **_latency(measured)}
                for target, measured in runs.items()
            }
            found.append({"rows": size, "targets": figures})
        first, last = found[0]["targets"], found[-1]["targets"]
        return {"sizes": found, "curve": {target: last[target]["p95_ms"] / first[target]["p95_ms"] for target in first}}

    def _reads(self, function: str, path: str) -> list[str]:
        headers = calls.gateway_headers(self._world.stack, function)
        tokens = [member.token for member in self._world.members[1:]]
        return [Call("GET", path, headers | {"X-Forwarded-Authorization": f"Bearer {token}"}).text for token in tokens]

    def _read(self, target: str, seconds: float) -> Load:
        port, requests = self._targets[target]
        return _fine(load.run(Plan(port, READERS, seconds, requests, again=True)), target)

    def _sign_in(self, seconds: float) -> Load:
        headers = calls.gateway_headers(self._world.stack, "auth")
        bodies = [{"email": f"bench{number}@example.com", "password": PASSWORD} for number in range(2, MEMBERS + 1)]
        requests = [Call("POST", "/v1/auth/login", headers, json.dumps(body)).text for body in bodies]
        return _fine(load.run(Plan(self._auth, SIGNERS, seconds, requests, again=True)), "sign-in")

    def _floor(self) -> float:
        """The rate of bare hashing in this process, in hashes per second."""
        ends_at = time.perf_counter() + self._effort.seconds

        def compare(_: int) -> int:
            done = 0
            while time.perf_counter() < ends_at:
                passwords.compared("x", self._hash, passwords.STRANGERS, "floor")
                done += 1
            return done

        with ThreadPoolExecutor(passwords.STRANGERS_AT_ONCE) as threads:
            return sum(threads.map(compare, range(passwords.STRANGERS_AT_ONCE))) / self._effort.seconds

    def _fill(self, filled: int, size: int) -> int:
        with self._world.sql() as connection:
            connection.execute_simple("SET session_replication_role = replica")  # references are right by construction
            for start in range(filled + 1, size + 1, PIECE):
                connection.execute_unnamed(FILL, (start, min(start + PIECE - 1, size), datetime.now(UTC)))
            connection.execute_simple("VACUUM ANALYZE notifications")
            connection.execute_simple("CHECKPOINT")
        print(f"{size:,} notifications are in the table", flush=True)
        time.sleep(SETTLE_SECONDS)
        return size


def _fine(made: Load, what: str) -> Load:
    if set(made.statuses) != {"200"}:
        raise WrongAnswers(f"{what} answered {made.statuses}")
    return made


def _compared(alone: Sequence[Load], beside: Sequence[Load]) -> dict[str, Any]:
    ratios = [
        _percentile(b.milliseconds, 95) / _percentile(a.milliseconds, 95) for a, b in zip(alone, beside, strict=True)
    ]
    return {
        "alone": _latency(alone),
        "beside": _latency(beside),
        "ratio": median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }


def _latency(runs: Sequence[Load]) -> dict[str, float]:
    answers = [milliseconds for run in runs for milliseconds in run.milliseconds]
    return {"p50_ms": _percentile(answers, 50), "p95_ms": _percentile(answers, 95)}


def _percentile(values: Sequence[float], percentile: int) -> float:
    return sorted(values)[len(values) * percentile // 100]


def _per_second(run: Load) -> float:
    return len(run.milliseconds) / run.seconds


def _sign_in_table(found: dict[str, Any]) -> str:
    rate = f"{found['per_second']:.1f} sign-ins/s, bare hashing {found['floor_per_second']:.1f}/s"
    latency = f"({found['ratio']:.1f} x), p50 {found['p50_ms']:.0f} ms, p95 {found['p95_ms']:.0f} ms"
    lines = [f"{rate} {latency}", f"{'':14} {'alone p50':>10} {'p95':>8} {'beside p50':>11} {'p95':>8} {'ratio':>6}"]
    for target, read in found["reads"].items():
        alone, beside = read["alone"], read["beside"]
        figures = f"{alone['p50_ms']:10.1f} {alone['p95_ms']:8.1f} {beside['p50_ms']:11.1f} {beside['p95_ms']:8.1f}"
        ratio = f"{read['ratio']:6.2f}  ({read['ratio_min']:.2f}..{read['ratio_max']:.2f})"
        lines.append(f"{target:14} {figures} {ratio}")
    return "\n".join(lines)


def _size_table(found: dict[str, Any]) -> str:
    lines = [f"{'rows':>10}  {'':14} {'per s':>8} {'p50 ms':>8} {'p95 ms':>8}"]
    for size in found["sizes"]:
        for target, read in size["targets"].items():
            figures = f"{read['per_second']:8.0f} {read['p50_ms']:8.1f} {read['p95_ms']:8.1f}"
            lines.append(f"{size['rows']:>10,}  {target:14} {figures}")
    said = ", ".join(f"{target} {ratio:.2f}" for target, ratio in found["curve"].items())
    return "\n".join([*lines, f"p95 with the most rows over that with the fewest: {said}"])


if __name__ == "__main__":
    main()
