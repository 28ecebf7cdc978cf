"""A port that a server is about to listen on is given to nobody else, in this process or in another one."""

import random
import subprocess
import sys

from emulators.process import CLAIMS_MAX, PORTS, free_port

SAME_DICE = "import random; from emulators.process import free_port; random.seed(7); print(free_port())"


def test_a_port_is_given_once() -> None:
    before = random.getstate()
    try:
        random.seed(7)
        mine = free_port()
        random.seed(7)
        next_one = free_port()
        other = int(subprocess.run([sys.executable, "-c", SAME_DICE], check=True, capture_output=True).stdout)
    finally:
        random.setstate(before)
    assert len({mine, next_one, other}) == 3
    assert all(PORTS[0] <= port < PORTS[1] for port in (mine, next_one, other))


def test_a_claim_ends_when_many_newer_ones_were_made() -> None:
    """A long run of tests keeps no more sockets open than these."""
    before = random.getstate()
    try:
        random.seed(8)
        first = free_port()
        for _ in range(CLAIMS_MAX):
            free_port()
        random.seed(8)
        assert free_port() == first
    finally:
        random.setstate(before)
