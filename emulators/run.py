"""`make run` and `make demo`: start the stack, play the main job, stay up or end."""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from emulators import main_job, running
from emulators.main_job import Played
from emulators.people import Person
from emulators.process import Child, NotReady, PartEnded
from emulators.stack import Options, Stack
from emulators.token_file import TokenFile

FAILED = 1
BLOCK_SECONDS_UP = 2  # Polygon's own pace, used once the main job has been played
NOT_TOLD = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "PYTHONUNBUFFERED")  # other commands have their own values


class Ended:
    """Why the stack ends: somebody asked, or a part ended by itself. The main thread is interrupted in both cases.

    A part that has ended is not started anew: what the chain and the database kept went with them, and a function that
    ends by itself is a fault that a fresh process would hide. Workers that gunicorn replaces by itself do not count.
    """

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.part_ended = threading.Event()
        # Set by the stack, so that nobody waits for answers that will not come.
        self.break_off: Callable[[], None] = lambda: None

    def ask(self) -> None:
        """The signal handler: ends what the main thread does."""
        self.asked.set()
        self.break_off()
        raise KeyboardInterrupt

    def tell(self, child: Child) -> None:
        """Report a part that ended by itself; called once per part."""
        self.part_ended.set()
        say(f"\n{datetime.now(UTC):%H:%M:%S UTC}  {PartEnded(child)}", sys.stderr)
        say("The stack ends with it, for what that part kept is gone: make run starts a fresh one.", sys.stderr)
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Run the stack; Ctrl-C or SIGTERM stops everything that was started here, and nothing else.

    Exits with 1 when a part ended by itself, 2 when a setting or another stack forbids the start.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="play the main job and exit")
    once = parser.parse_args().once
    ended = Ended()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.ask())
    stack = Stack(Options.from_environment(), ended.tell)
    own = logging.FileHandler(stack.log("stack"), delay=True)  # the log of the parts that live in this process
    logging.basicConfig(level=logging.INFO, handlers=[own], format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    ended.break_off = stack.break_off
    try:
        _run(stack, ended, once=once)
    except KeyboardInterrupt:
        pass
    except Exception:
        if not ended.part_ended.is_set():  # otherwise the fault was reported already, and this only follows from it
            raise
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave anything running
        stack.stop()
    sys.exit(FAILED if ended.part_ended.is_set() else 0)


def _run(stack: Stack, ended: Ended, *, once: bool) -> None:
    started = time.monotonic()
    try:
        stack.start()
    except (PartEnded, NotReady) as failure:
        ended.part_ended.set()
        say(f"the stack did not come up: {failure}", sys.stderr)
        return
    say(f"{time.monotonic() - started:6.1f} s  the stack is up")
    played = main_job.play(stack, say)
    say(f"{time.monotonic() - started:6.1f} s  in all\n")
    if once:
        return
    stack.chain.mine_every(BLOCK_SECONDS_UP)
    stack.kinds["Polygon"] += f", and each {BLOCK_SECONDS_UP} s from now on"
    token = TokenFile(stack.options.folder / running.TOKEN, played.members[0], stack.now, say)
    token.start()
    try:
        _remember(stack, played)
        _introduce(stack, played)
        ended.asked.wait()
    finally:
        token.stop()


def _remember(stack: Stack, played: Played) -> None:
    """Write down how other commands reach this stack."""
    known = {name: value for name, value in stack.environment.items() if name not in NOT_TOLD}
    admin = played.admin
    running.remember(
        stack.options.folder,
        {"gateway": stack.url, "router": stack.function_url(""), "identity": stack.identity.url, "mail": stack.mail.url,
         "secret": stack.secret, "clock": str(stack.clock.file), "settings": known,
         "admin": {"email": admin.email, "password": admin.password, "totp_secret": admin.totp_secret}},
    )  # fmt: skip


def _introduce(stack: Stack, played: Played) -> None:
    """Print what a newcomer needs next."""
    if stack.gateway_port != stack.options.gateway_port:
        say(f"Port {stack.options.gateway_port} is taken by another program, hence another one.")
    say(f"BlakJaks is up at {stack.url} (Ctrl-C stops it)\n")
    say(f"Web site: {stack.url}/ (live figures), {stack.url}/awards, {stack.url}/gallery (its parts in each state)\n")
    say("Accounts:")
    for person in [played.admin, *played.members[:3]]:
        say(f"  {person.email:28} {person.password:24} {_role(person, played)}")
    say(f"  The admin's authenticator app: {played.admin.totp_secret}")
    say("\nScan a code (the file's token is kept fresh):")
    say(f"  curl -s {stack.url}/v1/scans/submit -H 'Content-Type: application/json' \\")
    token = _relative(stack.options.folder / running.TOKEN)
    say(f'    -H "Authorization: Bearer $(cat {token})" -d \'{{"code": "{played.spare_codes[0]}"}}\'')
    say(f"\nMails: {stack.mail.url}")
    say(f"Logs:  {_relative(stack.log('functions').parent)}/")
    say("Parts:")
    for name, kind in sorted(stack.kinds.items()):
        say(f"  {name + ':':15} {kind}")


def say(line: str, to: TextIO | None = None) -> None:
    """Print and flush, so that a reader of a pipe sees it at once."""
    print(line, file=to or sys.stdout, flush=True)


def _role(person: Person, played: Played) -> str:
    return "admin (operations)" if person is played.admin else f"member {person.member_id}"


def _relative(path: Path) -> str:
    return os.path.relpath(path)


if __name__ == "__main__":
    main()
