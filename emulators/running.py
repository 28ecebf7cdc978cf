"""How commands at a terminal find the database and the nodes: by the environment, else the stack that runs here."""

import json
import os
import sys

from emulators.run import STATE
from emulators.stack import Options


def adopt_environment() -> None:
    """Exit 2 when there is neither. What the environment says counts; production's settings are given in it."""
    if "DATABASE_INSTANCE" in os.environ or "DATABASE_NAME" in os.environ:
        return
    path = Options.from_environment().folder / STATE
    try:
        os.environ.update(json.loads(path.read_text())["settings"])
    except FileNotFoundError:
        print("no stack is running here (make run), and no DATABASE_INSTANCE or DATABASE_NAME is set", file=sys.stderr)
        sys.exit(2)
