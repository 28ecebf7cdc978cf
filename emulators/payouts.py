"""`make payouts ARGS="…"`: what an operator asks about payouts, answered in a few lines; pause and resume.

  where ID        where a payout is and why (ID: its own, its comp's, or a transaction's hash)
  stuck           what does not move, the longest standing first, and what each waits for
  next            what would be sent next from each treasury, if a task came now (nothing is sent)
  pause T "why"   sign nothing more for treasury T, at once
  resume T "why"  sign again

It speaks to the stack that is running here; with DATABASE_… (and RPC_URLS) in the environment, to those.
"""

import argparse
import getpass
import os
import sys
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from emulators import running
from shared import clock, db, payout_answers, payouts, treasuries
from shared.config import ConfigMissing
from shared.db import Tx
from shared.money import ZERO, Usdt
from shared.payout_answers import Coming, Standing, Stuck, Told, Whereabouts
from shared.payouts import PayoutState
from shared.ports import nodes
from shared.treasuries import TREASURIES

MOVES_WITHIN = timedelta(minutes=2)  # what has not moved for longer is stuck
NEXT_SHOWN = 10
HELD = {
    "review": "{missing} more approvals by others than who asked (admin: treasury payouts, on_hold)",
    "limit": "{missing} more approvals; or, if none, the treasury's resumption when the hour has room",
    "blocked": "the token's issuer to unblock the recipient; then it goes on by itself",
    "paused": "the treasury to be resumed; then it goes on by itself",
    "funds": "USDT on the treasury's address; then it goes on by itself",
    "gas": "POL on the treasury's address; then it goes on by itself",
    "reverted": "{missing} more approval: read the transaction, then approve it to be sent again, or cancel it",
}

ENDS = {
    "PAID": "it is final: nothing waits",
    "CANCELLED": "it was cancelled: nothing will be sent",
    "QUARANTINED": "nobody knows who was paid with its nonce: two people approve, then its evidence decides",
}


def main() -> None:
    """Exit 0 when answered, 1 when there is no such thing, 2 when nothing can be asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=["where", "stuck", "next", "pause", "resume"])
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    running.adopt_environment()
    try:
        print("\n".join(answer(asked.question, asked.words, clock.now())))
    except LookupError as nothing:
        print(nothing.args[0], file=sys.stderr)
        sys.exit(1)
    finally:
        db.close()


def answer(question: str, words: list[str], now: datetime) -> list[str]:
    """The lines. Raises LookupError, saying what there is not."""
    if question == "stuck":
        return db.atomically(lambda tx: _stuck(tx, now))
    if question == "next":
        return _next(now)
    if question == "where":
        return [line for identity in _named(_word(words, "an id")) for line in _where(identity, now)]
    treasury, why = _word(words, "a treasury"), " ".join(words[1:])
    if treasury not in TREASURIES:
        raise LookupError(f"there is no treasury {treasury}: {', '.join(TREASURIES)}")
    if not why:
        raise LookupError(f"say why: make payouts ARGS='{question} {treasury} \"why\"'")
    return db.atomically(lambda tx: _switch(tx, question, treasury, why, now))


def _named(text: str) -> list[UUID]:
    """The payouts that are meant. Raises LookupError."""
    found: list[UUID] = []
    with suppress(ValueError):
        identity = UUID(text)
        found = db.atomically(lambda tx: payout_answers.of_id(tx, identity))
    if not found:
        found = db.atomically(lambda tx: payout_answers.of_transaction(tx, text.lower()))
    if not found:
        raise LookupError(f"there is no payout {text}: give its id, its comp's id, or a transaction's hash")
    return found


def _word(words: list[str], what: str) -> str:
    if not words:
        raise LookupError(f"{what} is missing; make payouts ARGS=--help")
    return words[0]


def _where(identity: UUID, now: datetime) -> list[str]:
    it, told = db.atomically(lambda tx: (payout_answers.where(tx, identity), payout_answers.story(tx, identity)))
    return [*_head(it, now), f"  why        {because(it)}", *(_told(line) for line in told)]


def _head(it: Whereabouts, now: datetime) -> list[str]:
    lines = [
        f"{it.amount} USDT from {it.treasury} to {it.recipient_address}",
        f"  payout     {it.id} ({it.source_kind} {it.source_id})",
        f"  state      {it.state}{f' ({it.hold_reason})' if it.hold_reason else ''} {ago(it.state_at, now)}",
    ]
    if it.nonce is not None:
        signed = f", signed {it.attempts} times, last {it.last_hash}" if it.attempts else ", not signed"
        at = f" in block {it.block_number}" if it.block_number else ""
        lines.append(f"  nonce      {it.nonce} of {it.signer}: {it.slot_state}{at}{signed}")
    if it.transaction_hash:
        lines.append(f"  paid by    {it.transaction_hash}")
    return lines


def because(it: Whereabouts) -> str:
    """What it waits for, in one sentence."""
    if it.hold_reason:
        missing = max(it.approvals_needed - it.approvals_given, 0)
        return "it waits for " + HELD[it.hold_reason].format(missing=missing)
    if it.state in ENDS:
        return ENDS[it.state]
    if it.treasury_paused_at:
        return f"the {it.treasury} treasury is paused: {it.pause_reason}"
    if it.state == PayoutState.IN_FLIGHT:
        return _in_flight(it)
    return "it waits for its turn: payout_send takes the treasury's payouts in the order of asking"


def _in_flight(it: Whereabouts) -> str:
    if it.slot_state == "MINED":
        return "its block is not final for every node yet; it will be paid or reverted by itself"
    if it.lowest_open_nonce is not None and it.nonce is not None and it.lowest_open_nonce < it.nonce:
        return f"nonce {it.lowest_open_nonce} of the same key must be mined first"
    if it.slot_state == "ALLOCATED":
        return "its nonce is taken and nothing is signed yet; the next task signs it"
    return "it is sent and not mined; after a while its fees are raised by itself"


def _told(line: Told) -> str:
    facts = _facts(line)
    nonce = f" nonce {line.nonce}" if line.nonce is not None else ""
    shown = f" {line.attempt_hash}" if line.attempt_hash else ""
    return f"  {line.happened_at:%m-%d %H:%M:%S}  {line.kind}{nonce}{shown}{': ' + facts if facts else ''}"


def _facts(line: Told) -> str:
    """A change of state as an arrow, then the rest."""
    rest = {
        name: value for name, value in line.detail.items() if name not in ("from", "to") and value not in (None, "")
    }
    change = f"{line.detail.get('from', 'new')} -> {line.detail['to']}" if "to" in line.detail else ""
    return ", ".join([*([change] if change else []), *(f"{name} {value}" for name, value in rest.items())])


def _stuck(tx: Tx, now: datetime) -> list[str]:
    found = payout_answers.stuck(tx, now - MOVES_WITHIN)
    paused = [it for it in payout_answers.treasuries(tx) if it.paused_at]
    lines = [f"PAUSED  {it.name} {ago(it.paused_at, now)}: {it.pause_reason}" for it in paused if it.paused_at]
    lines += [f"PAUSED  {it.name} has {it.findings_open} findings to be resolved" for it in paused if it.findings_open]
    if not found:
        return [*lines, f"nothing is stuck: every open payout has moved within {MOVES_WITHIN.seconds // 60} minutes"]
    lines.append(f"{len(found)} payouts have not moved, {_sum(found)} USDT in all, the longest standing first:")
    return lines + [_stuck_line(tx, it, now) for it in found]


def _stuck_line(tx: Tx, it: Stuck, now: datetime) -> str:
    reason = because(payout_answers.where(tx, it.id))
    state = f"{it.state}{f'({it.hold_reason})' if it.hold_reason else ''}"
    return f"  {it.id}  {it.treasury:9} {it.amount!s:>14}  {state:18} {ago(it.state_at, now):>12}  {reason}"


def _next(now: datetime) -> list[str]:
    standing = db.atomically(payout_answers.treasuries)
    live = _balances([it.address for it in standing])
    lines = []
    for it in standing:
        queue = db.atomically(partial(payout_answers.coming, treasury=it.name, now=now, limit=NEXT_SHOWN))
        balance, source = (live[it.address], "on the chain") if live else (it.snapshot_balance, _shot(it))
        lines += _queue(it, queue, balance, source)
    return lines


def _shot(it: Standing) -> str:
    return f"at {it.snapshot_at:%m-%d %H:%M}" if it.snapshot_at else "never read"


def _queue(it: Standing, queue: list[Coming], balance: Usdt | None, source: str) -> list[str]:
    free = (balance or ZERO) - it.set_aside
    held = f"{balance if balance is not None else '?'} USDT {source}, {it.set_aside} set aside, {free} free"
    lines = [f"{it.name}: {held}, next nonce {it.next_nonce}"]
    if it.paused_at:
        lines.append(f"  nothing is signed: it is paused ({it.pause_reason})")
    if not queue:
        lines.append("  nothing waits")
    for coming in queue:
        if not coming.reserved:
            free -= coming.amount
        verdict = "would be sent" if coming.reserved or free >= ZERO else "would be HELD(funds)"
        if coming.state == PayoutState.REQUESTED:
            verdict += ", if the policy agrees"
        if it.paused_at:
            verdict = "would wait for the pause to end"
        lines.append(f"  {coming.id}  {coming.amount!s:>14} to {coming.recipient_address}  {coming.state:9}  {verdict}")
    return lines


def _balances(addresses: list[str]) -> dict[str, Usdt] | None:
    """As the nodes say now; None when they cannot be asked."""
    try:
        keys = [key for key in db.atomically(treasuries.keys) if key.address in addresses]
        look = nodes.connect().look(keys[0].token_address, addresses)
    except ConfigMissing:
        return None
    return {address: Usdt(it.usdt_micro) for address, it in look.agreed.items()} if look.agreed else None


def _switch(tx: Tx, question: str, treasury: str, why: str, now: datetime) -> list[str]:
    who = os.environ.get("SUDO_USER") or getpass.getuser()
    if question == "pause":
        changed = payouts.pause(tx, treasury, why, now)
        said = f"{treasury} is paused: nothing more is signed; what is out may still land"
    else:
        changed = payouts.resume(tx, treasury, now)
        said = f"{treasury} signs again; what the pause held back goes on within a minute"
    if not changed:
        return [f"{treasury} was {'paused before' if question == 'pause' else 'not paused'}: nothing is changed"]
    payout_answers.note(tx, f"treasury.{question}", treasury, who, why, now)
    return [said]


def ago(moment: datetime, now: datetime) -> str:
    """In one unit."""
    seconds = int((now - moment).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{max(seconds, 0)} s ago"


def _sum(found: list[Stuck]) -> Usdt:
    return sum((it.amount for it in found), ZERO)


if __name__ == "__main__":
    main()
