"""`make clean`: remove `.local/`, unless a stack runs in it. Standard library only: nothing may be installed."""

import shutil
from pathlib import Path

from emulators.running import LOCAL, LOCK, holder, refuse


def clean(local: Path) -> None:
    """Remove the folder; exits if a stack, or a test's database, would lose its files."""
    for lock in [*local.glob(f"*/{LOCK}"), *local.glob(f"*/*/{LOCK}")]:
        if by := holder(lock.parent):
            refuse(f"{lock.parent.relative_to(local.parent)} is in use by {by}: stop it first")
    shutil.rmtree(local, ignore_errors=True)


if __name__ == "__main__":
    clean(LOCAL)
