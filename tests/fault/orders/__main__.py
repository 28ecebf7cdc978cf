"""`make order-faults`: plays schedules of the order machine and reports what they left; 1 if a rule was broken."""

import argparse
import json
import os
import sys
import time
from collections import Counter

from emulators.bootstrap import LOCAL
from tests.fault.orders import pool
from tests.fault.orders.schedule import STEPS, Played

FIGURES = LOCAL / "bench" / "order_faults.json"
NEWS_SECONDS = 30.0


def main() -> int:
    """Play the schedules that the command line asks for; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make order-faults")
    parser.add_argument("--schedules", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=STEPS, help="of each half of a schedule (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    began = told = time.monotonic()
    total: Counter[str] = Counter()
    broken: list[Played] = []
    for played in pool.played(range(asked.seed, asked.seed + asked.schedules), asked.steps, asked.processes):
        total.update(schedules=1, orders=played.orders, kills=played.kills, violations=bool(played.broken))
        total.update({f"ended {state}": count for state, count in played.states.items()})
        if played.broken:
            broken.append(played)
            sys.stdout.write(f"VIOLATION seed {played.seed}: {'; '.join(played.broken)}\n")
        if time.monotonic() - told > NEWS_SECONDS:
            told = time.monotonic()
            sys.stderr.write(f"… {total['schedules']} of {asked.schedules}, {total['violations']} violations\n")
    seconds = time.monotonic() - began
    found = {
        "seed": asked.seed,
        "steps": asked.steps,
        **total,
        "seconds": round(seconds, 1),
        "processes": asked.processes,
    }
    sys.stdout.write("".join(f"{name:20} {value}\n" for name, value in found.items()))
    FIGURES.parent.mkdir(parents=True, exist_ok=True)
    FIGURES.write_text(json.dumps(found | {"broken": [[one.seed, *one.broken] for one in broken]}, indent=1) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
