"""`make faults`: plays schedules and reports the results; exits with 1 when a rule was broken."""

import argparse
import os
import sys

from tests.fault.simulation import run
from tests.fault.simulation.families import named
from tests.fault.simulation.schedule import play


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--schedules", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family", default="", help="names, separated by commas; all when none is given")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--digest", action="store_true", help="print the digest of each trace instead of the table")
    asked = parser.parse_args()
    processes = min(asked.processes, asked.schedules)
    if asked.digest:
        for name, family in named(asked.family).items():
            with run.stage("simulation") as opened:
                run.tell([play(name, asked.seed, family.make, opened).digest])
        return 0
    figures = run.many(asked.schedules, asked.seed, named(asked.family), processes)
    if asked.schedules == 1:
        run.tell(figures.broken[0].lines if figures.broken else ["no rule was broken"])
    run.tell(run.report(figures))
    run.write(figures, asked.seed)
    return 1 if figures.broken else 0


if __name__ == "__main__":
    sys.exit(main())
