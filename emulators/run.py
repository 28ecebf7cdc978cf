"""`make run` and `make demo`: start the stack, play the main job, stay up or end."""

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from emulators import main_job
from emulators.main_job import Played
from emulators.people import Person
from emulators.stack import Options, Stack

STATE = "stack.json"  # for `make tick`, `make payouts` and `make ledger-check`
SETTINGS = ("DATABASE_HOST", "DATABASE_PORT", "DATABASE_NAME", "DATABASE_USER", "DATABASE_PASSWORD", "RPC_URLS",
            "CLOCK_FILE")  # fmt: skip


def main() -> None:
    """Ctrl-C or SIGTERM stops everything that was started here, and nothing else."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="play the main job and exit")
    once = parser.parse_args().once
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _interrupt(ended))
    started = time.monotonic()
    stack = Stack(Options.from_environment())
    try:
        stack.start()
        print(f"{time.monotonic() - started:6.1f} s  the stack is up", flush=True)
        _remember(stack)
        played = main_job.play(stack, lambda line: print(line, flush=True))
        print(f"{time.monotonic() - started:6.1f} s  in all\n")
        if not once:
            _introduce(stack, played)
            ended.wait()
    except KeyboardInterrupt:
        pass
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave anything behind
        stack.stop()


def _interrupt(ended: threading.Event) -> None:
    ended.set()
    raise KeyboardInterrupt


def _remember(stack: Stack) -> None:
    """How other commands reach this stack; readable by nobody else."""
    path = stack.options.folder / STATE
    path.touch(mode=0o600)
    path.write_text(
        json.dumps({"router": stack.function_url(""), "identity": stack.identity.url, "secret": stack.secret,
                    "clock": str(stack.clock_file),
                    "settings": {name: stack.environment[name] for name in SETTINGS}})
    )  # fmt: skip


def _introduce(stack: Stack, played: Played) -> None:
    """What a newcomer needs next."""
    token = stack.options.folder / "token"
    token.touch(mode=0o600)
    token.write_text(played.members[0].client.token or "")
    print(f"BlakJaks is up at {stack.url} (Ctrl-C stops it)\n")
    print("Accounts:")
    for person in [played.admin, *played.members[:3]]:
        print(f"  {person.email:28} {person.password:24} {_role(person, played)}")
    print(f"  The admin's authenticator app: {played.admin.totp_secret}")
    print("\nScan a code:")
    print(f"  curl -s {stack.url}/v1/scans/submit -H 'Content-Type: application/json' \\")
    print(f'    -H "Authorization: Bearer $(cat {_relative(token)})" -d \'{{"code": "{played.spare_codes[0]}"}}\'')
    print(f"\nMails: {stack.mail.url}")
    print(f"Logs:  {_relative(stack.log('functions').parent)}/")
    print("Parts:")
    for name, kind in sorted(stack.kinds.items()):
        print(f"  {name + ':':15} {kind}")
    sys.stdout.flush()


def _role(person: Person, played: Played) -> str:
    return "admin (operations)" if person is played.admin else f"member {person.member_id}"


def _relative(path: Path) -> str:
    return os.path.relpath(path)


if __name__ == "__main__":
    main()
