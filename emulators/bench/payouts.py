"""`make bench-payouts`: whole payouts per second through one treasury, from request to final, beside a floor.

This is a benchmark, not a test. A backlog is requested first; then one process does payout_send's tasks and one
payout_confirm's, through their own handlers, with 100 payouts per task instead of the one that keeps the queue's pace.
Postgres is durable, keys are the KMS emulator's, the chain is anvil, and both configured endpoints are this one node:
every question is asked twice, as in production. Time runs until the last payout is PAID. Then the chain is checked:
each recipient has exactly their amount, nonces have no gap, and nothing is pending.

The floor is as many bare transfers of the same token, signed before the clock starts, sent to the same node in batches
of 100 and waited for until they are equally final.

The paced run is the whole stack with its queues: payouts are requested, and the signatures of payout_send are counted
per minute once the queue's burst is over.

Written to .local/bench/payouts.json:
  machine   as in bench.json
  backlogs  per size: payouts, seconds, per_second, floor_per_second, ratio, CPU per payout (workers_ms, postgres_ms,
            chain_ms, kms_ms), gaps, pending, chain_micro, ledger_micro
  paced     payouts signed in each whole minute
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from emulators import contract
from emulators.bench import processes, report
from emulators.bench.parts import FOLDER, TASK_SIZE, Parts, opened
from emulators.chain.node import ChainNode
from emulators.stack import Options, Stack

RESULT = FOLDER / "payouts.json"
SIZES = (1_000, 10_000)
QUICK = (200, 1_000)
TREASURIES = ("affiliate", "member")
BLOCK_SECONDS = 0.25
IN_FLIGHT_MAX = 600
GAS_WEI = 10**24
DEPTH = 10
SECONDS_MAX = 1800.0
LOOK_SECONDS = 0.25
PACED_MINUTES = 2
BURST_SECONDS = 15.0
AMOUNT_MICRO = 10_000
ASKED_TOGETHER = 500
LIFTED = '{"single": 1000000000, "day": 1000000000, "hour": 1000000000}'


class Wrong(Exception):
    """Raised when the payouts that were measured differ from what they should be."""


def main() -> None:
    """Run the benchmark. Everything it started is stopped at the end."""
    parser = argparse.ArgumentParser(prog="python -m emulators.bench.payouts")
    parser.add_argument("--quick", action="store_true", help="smaller backlogs, no paced run")
    parser.add_argument("--paced", action="store_true", help="the paced run alone")
    parser.add_argument("--work", choices=("send", "confirm"), help=argparse.SUPPRESS)
    parser.add_argument("--treasury", default="member", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        _work(chosen.work, chosen.treasury)
        return
    if chosen.paced:
        print(f"paced, payouts per minute: {_paced()}")
        return
    with opened(BLOCK_SECONDS) as parts:
        machine = report.machine(parts.postgres.version)
        print(f"{machine['cores']} cores, load average {machine['load_average']}, Python {machine['python']}, "
              f"{machine['postgres']}", flush=True)  # fmt: skip
        sizes = QUICK if chosen.quick else SIZES
        backlogs = [_measure(parts, size, name) for size, name in zip(sizes, TREASURIES, strict=True)]
    paced = [] if chosen.quick else _paced()
    RESULT.write_text(json.dumps({"machine": machine, "backlogs": backlogs, "paced": paced}, indent=1) + "\n")
    print(f"\n{_table(backlogs)}\npaced, payouts per minute: {paced}\nload average at the end {report.load_average()}")
    print(f"All figures: {RESULT.relative_to(contract.ROOT)}")


def _measure(parts: Parts, size: int, treasury: str) -> dict[str, Any]:
    """Measure one backlog, from the first task to the last PAID."""
    print(f"{size:,} payouts: asking for them", flush=True)
    ((signer,),) = parts.rows(f"SELECT address FROM signers WHERE treasury = '{treasury}'")  # noqa: S608
    parts.chain.fund_gas(signer, GAS_WEI)
    # Payouts that are leaving may be missing from the balance already.
    parts.chain.mint(signer, 2 * size * AMOUNT_MICRO)
    parts.rows(f"UPDATE settings SET value = jsonb_set(value, '{{{treasury}}}', '{LIFTED}') "  # noqa: S608
               "WHERE name = 'payout_limits' RETURNING 1")  # fmt: skip
    parts.rows(f"UPDATE settings SET value = '{IN_FLIGHT_MAX}' WHERE name = 'payout_in_flight_max' RETURNING 1")  # noqa: S608
    recipients = _ask(size, treasury)
    time.sleep(BLOCK_SECONDS * (DEPTH + 1))
    print(f"{size:,} payouts: paying them", flush=True)
    with _workers(treasury) as pids:
        started, cpu = time.perf_counter(), _cpu(pids)
        _wait(parts, treasury, size)
        seconds = time.perf_counter() - started
        used = [after - before for after, before in zip(_cpu(pids), cpu, strict=True)]
    found = _checked(parts, signer, treasury, recipients)
    print(f"{size:,} payouts: {seconds:.1f} s, {size / seconds:.1f}/s; the floor", flush=True)
    floor = size / _floor(parts.chain, size)
    return {
        "payouts": size,
        "seconds": seconds,
        "per_second": size / seconds,
        "floor_per_second": floor,
        "ratio": floor * seconds / size,
        **{
            f"{name}_ms": seconds_used / size * 1000
            for name, seconds_used in zip(("workers", "postgres", "chain", "kms"), used, strict=True)
        },
        **found,
    }


def _ask(size: int, treasury: str) -> dict[str, int]:
    """Promise the payouts; returns the amount for each recipient."""
    from shared import clock, db
    from shared.payouts import machine as payouts
    from shared.payouts.machine import Promise
    from shared.values.money import Usdt

    recipients = {f"0x{uuid4().hex}{number:08x}": AMOUNT_MICRO for number in range(size)}
    waiting = list(recipients)

    def ask(tx: db.Tx) -> None:
        for recipient in waiting[:ASKED_TOGETHER]:
            promise = Promise(treasury, "bench", recipient, recipient, Usdt(AMOUNT_MICRO), None, "bench", recipient)
            payouts.request(tx, promise, clock.now())

    while waiting:
        db.atomically(ask)
        del waiting[:ASKED_TOGETHER]
    return recipients


@contextmanager
def _workers(treasury: str) -> Iterator[list[int]]:
    """Start a process for each of the two functions, ready to begin."""
    command = [sys.executable, "-m", "emulators.bench.payouts", "--treasury", treasury, "--work"]
    with ExitStack() as stop:
        started = [
            stop.enter_context(subprocess.Popen([*command, work], stdin=subprocess.PIPE))
            for work in ("send", "confirm")
        ]
        for process in started:
            stop.callback(process.terminate)
        yield [process.pid for process in started]


def _work(work: str, treasury: str) -> None:
    """Run one task after the other until ended, like a queue with one dispatch at a time."""
    from functions.payout_confirm.observing import observe
    from functions.payout_send import main as payout_send
    from shared import clock, db
    from shared.events import SendPayout
    from shared.job import ComeAgain
    from shared.payouts import queue
    from shared.ports.polygon import chain

    of_treasury = "SELECT address FROM signers WHERE treasury = :treasury"
    signer = db.atomically(lambda tx: tx.scalar(str, of_treasury, treasury=treasury))
    while True:
        if work == "confirm":
            observe(signer, chain.connect())
            time.sleep(LOOK_SECONDS)
            continue
        first: list[UUID] = db.atomically(lambda tx: queue.waiting(tx, treasury, clock.now(), 1))
        if not first:
            time.sleep(LOOK_SECONDS)
            continue
        with suppress(ComeAgain):
            payout_send.send(SendPayout(payout_id=first[0], treasury=treasury), clock.now())
            continue
        time.sleep(LOOK_SECONDS)


def _cpu(pids: Sequence[int]) -> list[float]:
    """CPU seconds of the workers, of Postgres, of the chain, and of this process, in which the KMS emulator runs."""
    own = os.times()
    return [
        sum(map(processes.cpu_seconds, pids)),
        processes.cpu_seconds(processes.child_running("postgres -D")),
        processes.cpu_seconds(processes.child_running("anvil")),
        own.user + own.system,
    ]


def _wait(parts: Parts, treasury: str, size: int) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    query = f"SELECT count(*) FROM payouts WHERE treasury = '{treasury}' AND state = 'PAID'"  # noqa: S608
    while (paid := parts.rows(query)[0][0]) != size:
        if time.monotonic() > deadline:
            raise Wrong(f"{paid} of {size} are paid")
        time.sleep(LOOK_SECONDS)


def _checked(parts: Parts, signer: str, treasury: str, recipients: dict[str, int]) -> dict[str, int]:
    """Check the final state of the chain and of the rows; returns its figures."""
    moved = [it for it in parts.chain.transfers() if it.sender.lower() == signer.lower()]
    if sorted((it.recipient.lower(), it.amount_micro) for it in moved) != sorted(recipients.items()):
        raise Wrong("the chain has paid other than was owed")
    slots = f"SELECT max(nonce) + 1 - count(*), count(*) FILTER (WHERE state <> 'FINAL_PAY') FROM payout_slots WHERE signer = '{signer}'"  # noqa: S608, E501
    ((gaps, pending),) = parts.rows(slots)
    ((ledger,),) = parts.rows(f"SELECT sum(balance)::bigint FROM ledger_balances WHERE account = 'paid:{treasury}'")  # noqa: S608
    return {"gaps": gaps, "pending": pending, "chain_micro": sum(recipients.values()), "ledger_micro": ledger}


def _floor(chain: ChainNode, size: int) -> float:
    """The seconds of bare transfers, from the first byte sent to the finality of the last."""
    from eth_account import Account

    from shared.ports.polygon.by_web3 import KeptOpen
    from shared.ports.polygon.rpc import Node
    from shared.ports.polygon.transactions import Unsigned
    from shared.values.gas import Price

    account = Account.create()
    chain.fund_gas(account.address, GAS_WEI)
    chain.mint(account.address, size * AMOUNT_MICRO)
    raws = []
    for nonce in range(size):
        recipient, price = f"0x{uuid4().hex}{nonce:08x}", Price(10**12, 30 * 10**9)
        unsigned = Unsigned.transfer(137, nonce, chain.usdt, recipient, AMOUNT_MICRO, price)
        signature = Account.unsafe_sign_hash(unsigned.signing_hash, account.key)
        raws.append(unsigned.signed(signature.r, signature.s, signature.v - 27).raw)
    node, started = Node(chain.url, KeptOpen()), time.perf_counter()
    for first in range(0, size, TASK_SIZE):
        node.ask([("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws[first : first + TASK_SIZE]])
    while int(chain.rpc("eth_getTransactionCount", [account.address, "latest"]), 16) < size:
        time.sleep(LOOK_SECONDS / 5)
    last = chain.head()
    while chain.head() < last + DEPTH or chain.head("finalized") < last:
        time.sleep(LOOK_SECONDS / 5)
    return time.perf_counter() - started


def _paced() -> list[int]:
    """Run the stack with its queues; returns how many payouts are signed in each whole minute."""
    stack = Stack(Options(folder=FOLDER / "stack", gateway_port=0, firestore="embedded", block_seconds=1.0))
    stack.start()
    try:
        os.environ |= stack.environment
        parts = Parts(stack.postgres, stack.chain)
        from shared import config, db
        from shared.ports.polygon import chain

        db.close()
        config.read.cache_clear()
        chain.connect.cache_clear()
        _ask((PACED_MINUTES + 1) * 110, "member")
        time.sleep(BURST_SECONDS)
        begun = datetime.now(UTC)
        print(f"paced: counting for {PACED_MINUTES} minutes", flush=True)
        time.sleep(PACED_MINUTES * 60 + 1)
        edges = [(begun + timedelta(minutes=minute)).isoformat() for minute in range(PACED_MINUTES + 1)]
        return [
            parts.rows(
                f"SELECT count(*) FROM payout_attempts WHERE position = 1 AND signed_at >= '{start}' "  # noqa: S608
                f"AND signed_at < '{end}'"
            )[0][0]
            for start, end in itertools.pairwise(edges)
        ]
    finally:
        stack.stop()


def _table(backlogs: Sequence[dict[str, Any]]) -> str:
    lines = ["backlog  payouts/s  floor/s  floor is  CPU ms: workers  Postgres  chain   KMS  gaps  pending"]
    lines += [
        f"{it['payouts']:>7,}  {it['per_second']:>9.1f}  {it['floor_per_second']:>7.1f}  {it['ratio']:>6.1f} x  "
        f"{it['workers_ms']:>15.2f}  {it['postgres_ms']:>8.2f}  {it['chain_ms']:>5.2f}  {it['kms_ms']:>4.2f}  "
        f"{it['gaps']:>4}  {it['pending']:>7}"
        for it in backlogs
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
