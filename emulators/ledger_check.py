"""`make ledger-check`: balances recomputed from the postings, every journal's sum, every seal. Exit 1 if one fails."""

import sys

from emulators import running
from functions.ledger_seal import main as ledger_seal
from shared import db, ledger_seals


def main() -> None:
    """Say what does not hold, or how much does."""
    running.adopt_environment()
    try:
        faults = ledger_seal.check(None)
        newest = db.atomically(ledger_seals.newest)
        total = db.atomically(ledger_seals.totals)
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
