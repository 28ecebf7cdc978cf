"""`make soak MINUTES=60`: `make run` left up under a small load, with its memory and its disk measured each minute.

Starts a stack of its own as a person does, with a temporary folder of its own, so that whatever it leaves anywhere is
seen. Each minute a new member signs up, proves the address, links a wallet, is paid the guarantee on the chain, scans
twenty codes and reads what apps read. The figures go into .local/bench/soak.json.

Flat means, with the first quarter as the time to warm up, that the median of the last quarter is at most a tenth and
8 MiB above the median of the second: for the memory of each part (the pages of each process, shared ones in their
shares: PSS), and for the disk but for the database and the logs. What keeps things on purpose may grow with them: the
database by 16 KiB a request on disk, the chain node by 24 KiB a block in memory. A log may have twice what it is cut
at. Exit 1 when something is not flat.
"""

import argparse
import base64
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emulators import main_job, people, running
from emulators.bench import processes
from emulators.client import Client
from emulators.people import Person
from emulators.process import wait_until
from emulators.run import BLOCK_SECONDS_UP
from emulators.watch import LOG_BYTES_MAX
from shared import clock
from shared.credentials import totp

FOLDER = running.LOCAL / "soak"
FIGURES = running.LOCAL / "bench" / "soak.json"
UP_SECONDS_MAX = 180.0
DOWN_SECONDS_MAX = 30.0
MINUTE_SECONDS = 60.0
SCANS_A_MINUTE = 20
READS = ("/v1/users/me", "/v1/users/me/comps", "/v1/scans/recent", "/v1/notifications", "/v1/insights/live")
GROWTH_MAX = 1.10
SPARE_BYTES = 8 * 1024 * 1024
BLOCK_BYTES_MAX = 24 * 1024  # bytes that the chain node keeps of a block, in memory
ROWS_BYTES_MAX = 16 * 1024  # bytes that a request may leave in the database
SIGN_IN_TRIES = 40  # a code of an authenticator app is good once, and the next one comes within 30 s
SIGN_IN_PAUSE_SECONDS = 2.0
LOGS = 4
OK = 200
MIB = 1024 * 1024
PARTS = {"anvil": "chain", "postgres": "postgres", "emulators.serve": "functions", "java": "Google's emulators"}


@dataclass(frozen=True)
class Mails:
    """The page of the mail stand-in."""

    url: str


@dataclass(frozen=True)
class Place:
    """The addresses of the stack that was started."""

    url: str
    mail: Mails


@dataclass
class Minute:
    """Bytes at the end of one minute; `requests` are those made in it, `failures` those that were not answered."""

    number: int
    memory: dict[str, int]
    disk: dict[str, int]
    requests: int = 0
    failures: list[str] = field(default_factory=list)


class Load:
    """A thread that makes the requests of each minute."""

    def __init__(self, place: Place, codes: list[str]) -> None:
        self._place = place
        self._codes = codes
        self._joined = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self.requests = 0
        self.failures: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            try:
                self._minute()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a figure of the minute
                self.failures.append(f"{type(error).__name__}: {error}")
            self._stopping.wait(max(0.0, started + MINUTE_SECONDS - time.monotonic()))

    def _minute(self) -> None:
        """Send the requests of one new member, who has a network of their own."""
        self._joined += 1
        source = f"127.{10 + self._joined // 250}.{self._joined % 250}.1"
        letters = "".join(chr(ord("a") + int(digit)) for digit in str(self._joined))
        member = people.join(self._place, f"Soak {letters}", source=source)
        people.link_wallet(member)
        member.client.must("POST", "/v1/realtime/token")
        member.client.must("POST", "/v1/users/me/exports")
        self.requests += 8
        for number in range(SCANS_A_MINUTE):
            if self._stopping.wait((MINUTE_SECONDS - 10) / SCANS_A_MINUTE):
                break
            member.client.must("POST", "/v1/scans/submit", {"code": self._codes.pop()})
            member.client.must("GET", READS[number % len(READS)])
            self.requests += 2
        member.client.close()


def main() -> None:
    """Run the soak test; exits with 0 when all is flat and answered, 1 when not, 2 when the stack did not start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=60, help="how long; at least 4")
    minutes_asked = max(4, parser.parse_args().minutes)
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        Path(temporary).chmod(0o755)  # Postgres runs as another user when this is root
        with _running(Path(temporary)) as (process, place, admin):
            load = Load(place, main_job.manufacture(admin, SCANS_A_MINUTE * (minutes_asked + 2)))
            load.start()
            measured = list(_measured(process.pid, Path(temporary), load, minutes_asked))
            load.stop()
        left = [str(path) for path in Path(temporary).rglob("*")]
    faults = [*verdict(measured), *(f"left in the temporary folder: {path}" for path in left)]
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps({"minutes": [asdict(it) for it in measured], "faults": faults}, indent=1))
    print("\n".join(faults) or "flat: memory of each part and the disk, by the rule that --help states", flush=True)
    sys.exit(1 if faults else 0)


@contextmanager
def _running(temporary: Path) -> Iterator[tuple["subprocess.Popen[bytes]", Place, Person]]:
    """Run `make run`; the block runs while it is up, then Ctrl-C ends it."""
    environment = {**os.environ, "STACK_FOLDER": str(FOLDER), "TMPDIR": str(temporary)}
    with (running.LOCAL / "soak.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "emulators.run"], env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: _is_up(process), "make run", UP_SECONDS_MAX)
        known = json.loads((FOLDER / running.STATE).read_text())
        yield process, Place(known["gateway"], Mails(known["mail"])), _admin(known)
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(DOWN_SECONDS_MAX)
        print(f"make run ended with {code}", flush=True)


def _is_up(process: "subprocess.Popen[bytes]") -> bool:
    if process.poll() is not None:
        running.refuse(f"make run did not come up; see {os.path.relpath(running.LOCAL / 'soak.log')}")
    return (FOLDER / running.STATE).exists()


def _admin(known: Mapping[str, Any]) -> Person:
    """The admin, signed in as soon as the authenticator app shows an unused code."""
    account = known["admin"]
    person = Person(account["email"], account["password"], "Olive Admin", Client(known["gateway"]))
    for _ in range(SIGN_IN_TRIES):
        code = totp.code(base64.b32decode(account["totp_secret"]), totp.step_of(clock.now()))
        body = {"email": person.email, "password": person.password, "code": code, "device": {"kind": "desktop"}}
        answer = person.client.post("/v1/auth/login", body)
        if answer.status == OK:
            person.client.token = answer.body["access_token"]
            return person
        time.sleep(SIGN_IN_PAUSE_SECONDS)
    raise TimeoutError(f"the admin cannot sign in: {answer.body}")


def _measured(pid: int, temporary: Path, load: Load, minutes: int) -> Iterator[Minute]:
    """The figures at the end of each minute, with what the load did in it."""
    started = time.monotonic()
    requests, failures = 0, 0
    for number in range(1, minutes + 1):
        time.sleep(max(0.0, started + number * MINUTE_SECONDS - time.monotonic()))
        minute = Minute(number, memory(pid), disk(pid, temporary))
        minute.requests, requests = load.requests - requests, load.requests
        minute.failures, failures = load.failures[failures:], len(load.failures)
        print(_line(minute), flush=True)
        yield minute


def _line(minute: Minute) -> str:
    figures = {**minute.memory, **{f"{name} on disk": size for name, size in minute.disk.items()}}
    told = ", ".join(f"{name} {size / MIB:.1f}" for name, size in figures.items())
    return f"{minute.number:3} min  {minute.requests:4} requests; MiB: {told} {'; '.join(minute.failures)}"


def memory(pid: int) -> dict[str, int]:
    """Bytes of the stack's own process and of each part with all below it."""
    found = {"stack": processes.share_bytes(pid)}
    for child in processes.children(pid):
        name = next((part for word, part in PARTS.items() if word in processes.command(child)), "others")
        found[name] = found.get(name, 0) + processes.tree_share_bytes(child)
    return found


def disk(pid: int, temporary: Path) -> dict[str, int]:
    """Bytes that files occupy: the database's, the logs', and all others, deleted but open ones among them."""
    homes = [*running.LOCAL.glob("postgres/postgres-*"), *temporary.glob("postgres-*")]
    database = sum(map(_occupied, homes))
    logs = _occupied(FOLDER / running.LOGS)
    rest = _occupied(temporary) + sum(map(_occupied, running.LOCAL.glob("postgres"))) + _occupied(FOLDER)
    return {"database": database, "logs": logs, "rest": rest - database - logs + processes.nameless_bytes(pid)}


def _occupied(folder: Path) -> int:
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(base) / name).lstat().st_blocks * 512
            except FileNotFoundError:
                continue  # it has just been removed
    return total


def _blocks(early: Sequence[Minute], late: Sequence[Minute]) -> float:
    """The number of blocks mined between the middles of the two quarters."""
    minutes = statistics.median(it.number for it in late) - statistics.median(it.number for it in early)
    return minutes * MINUTE_SECONDS / BLOCK_SECONDS_UP


def verdict(measured: Sequence[Minute]) -> list[str]:
    """One sentence for each failed request and each figure that is not flat; an empty list when all is well."""
    quarter = len(measured) // 4
    early, late = measured[quarter : 2 * quarter], measured[-quarter:]
    faults = [f"minute {it.number}: {failure}" for it in measured for failure in it.failures]
    for kind, names in (("memory", measured[-1].memory), ("disk", {"rest": 0})):
        for name in names:
            before, after = (statistics.median(getattr(it, kind).get(name, 0) for it in some) for some in (early, late))
            kept = BLOCK_BYTES_MAX * _blocks(early, late) if name == "chain" else 0
            if after > before * GROWTH_MAX + SPARE_BYTES + kept:
                faults.append(f"{kind} of {name} grew from {before / MIB:.1f} to {after / MIB:.1f} MiB")
    grown = late[-1].disk["database"] - early[0].disk["database"]
    requests = sum(it.requests for it in measured[quarter + 1 :])
    if grown > requests * ROWS_BYTES_MAX + SPARE_BYTES:
        faults.append(f"the database grew by {grown / MIB:.1f} MiB in {requests} requests")
    if measured[-1].disk["logs"] > LOGS * 2 * LOG_BYTES_MAX:
        faults.append(f"the logs have {measured[-1].disk['logs'] / MIB:.1f} MiB")
    return faults


if __name__ == "__main__":
    main()
