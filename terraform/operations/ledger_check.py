"""`make ledger-check`: balances recomputed from the postings, every journal's sum, every seal.

It speaks to the stack that is running here; with DATABASE_… in the environment, to that database.
"""

import argparse
import sys

from emulators import running, terminal
from functions.ledger_seal import main as ledger_seal
from shared import db
from shared.ledger import seals


def main() -> None:
    """Print what does not hold, or how much does. Exits with 0 when all holds, 1 when not, 2 if it cannot be asked."""
    argparse.ArgumentParser(description=__doc__, prog="make ledger-check").parse_args()
    running.adopt_environment(*running.DATABASE)
    try:
        with terminal.answering():
            faults = ledger_seal.check()
            newest = db.atomically(seals.newest)
            total = db.atomically(seals.totals)
    finally:
        db.close()
    print(f"{total.journals} journals, {total.postings} postings, {total.accounts} accounts")
    print(f"sealed up to seal {newest.number}, digest {newest.digest.hex()}" if newest else "nothing is sealed yet")
    for fault in faults:
        print(f"WRONG  {fault}")
    if faults:
        sys.exit(1)
    print("every balance is the sum of its postings, every journal sums to zero, every seal holds")


if __name__ == "__main__":
    main()
