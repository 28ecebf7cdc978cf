"""`make week-recount ARGS="2026-11-22"`: counts a week of affiliates again from the facts; --list prints its shares.

The list is what anybody can check: its SHA-256 is the week's digest, and its shares are the pool divided by the chips.
It speaks to the stack that is running here; with DATABASE_… in the environment, to that database.
"""

import argparse
import sys
from datetime import date

from emulators import running, terminal
from functions.affiliate_week import recount_store
from functions.affiliate_week.recount_store import WeekUnknown
from shared import db


def main() -> None:
    """Print what differs, or that nothing does. Exits with 0 when all holds, 1 when not, 2 if it cannot be asked."""
    parser = argparse.ArgumentParser(description=__doc__, prog="make week-recount")
    parser.add_argument("week_on", type=date.fromisoformat, help="the Sunday on which the week ended, YYYY-MM-DD")
    parser.add_argument("--list", action="store_true", help="print the shares instead: mark,chips,share in micro-USDT")
    asked = parser.parse_args()
    running.adopt_environment(*running.DATABASE)
    try:
        with terminal.answering(), db.transaction() as tx:
            week = recount_store.read(tx, asked.week_on)
            if asked.list:
                for piece in recount_store.published(tx, week):
                    sys.stdout.write(piece)
                return
            found = recount_store.differences(tx, asked.week_on)
    except WeekUnknown as unknown:
        sys.exit(f"{unknown}")
    finally:
        db.close()
    for line in found:
        print(f"WRONG  {line}")
    if found:
        sys.exit(1)
    print(f"scans {week.first_number} to {week.last_number}, {week.pool} USDT for {week.chips} chips:")
    print("every chip, share and mark is what the facts give, and the digest is that of the list")


if __name__ == "__main__":
    main()
