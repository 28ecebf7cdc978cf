"""`make payouts ARGS="…"`: what an operator asks about payouts, answered in a few lines; pause and resume.

  where ID        where a payout is and why (ID: its own, its comp's, or a transaction's hash)
  stuck           what does not move, the longest standing first, and what each waits for
  next            what would be sent next from each treasury, if a task came now (nothing is sent)
  pause T "why"   sign nothing more for treasury T, at once
  resume T "why"  sign again; refused while something is in quarantine, unexplained or being rebuilt
  foreign         nonces that somebody else has used and people have to explain, with what they moved
  explain KEY NONCE PAYOUT|none USERNAME CODE "why"
                  say what such a nonce was: a payout's payment or none of ours; the second person who says it, each by
                  the code of their own authenticator app, makes it true

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

from emulators import running, terminal
from shared import clock, db
from shared.config import ConfigMissing
from shared.credentials import totp
from shared.db import Tx
from shared.payouts import answers, explanations, machine, recovery, treasuries
from shared.payouts.answers import DiaryEntry, NextPayout, StuckPayout, TreasuryStatus, Whereabouts
from shared.payouts.explanations import ExplainedBefore, Foreign
from shared.payouts.machine import NotWaiting, OwnPayout, PayoutState
from shared.payouts.recovery import NoEvidence
from shared.payouts.treasuries import TREASURIES
from shared.ports.polygon import nodes
from shared.ports.polygon.failures import ChainFailure
from shared.values.money import ZERO, Usdt
from shared.values.problems import Problem

MOVES_WITHIN = timedelta(minutes=2)  # a payout that has not moved for longer is stuck
NEXT_SHOWN = 10
FOREIGN_SHOWN = 50
EXPLAIN_WORDS_MIN = 6  # a key, a nonce, a payout or none, a username, a code, and the reason
HELD = {
    "review": "{missing} more approvals by others than who asked or profits (admin: treasury payouts, on_hold)",
    "limit": "the next UTC day, an hour with room, or the treasury's resumption; or for two people to let it go now",
    "blocked": "the token's issuer to unblock the recipient; then it goes on by itself",
    "paused": "the treasury to be resumed; then it goes on by itself",
    "funds": "USDT on the treasury's address; then it goes on by itself",
    "gas": "POL on the treasury's address; then it goes on by itself",
    "suspended": "its member to be activated (admin: members, activate); then it goes on by itself",
    "reverted": "{missing} more approval: read the transaction, then approve it to be sent again, or cancel it",
}

ENDS = {
    "PAID": "it is final: nothing waits",
    "CANCELLED": "it was cancelled: nothing will be sent",
    "QUARANTINED": "nobody knows who was paid with its nonce: two people approve, then its evidence decides",
}


def main() -> None:
    """Answer on the terminal; exits with 0 when answered, 1 when there is no such thing, 2 if it cannot be asked."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        prog="make payouts",
        usage="make payouts ARGS='question …'",
    )
    parser.add_argument("question", choices=["where", "stuck", "next", "pause", "resume", "foreign", "explain"])
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    running.adopt_environment(*running.DATABASE)
    try:
        with terminal.answering():
            print("\n".join(answer(asked.question, asked.words, clock.now())))
    except LookupError as nothing:
        print(nothing.args[0], file=sys.stderr)
        sys.exit(1)
    finally:
        db.close()


def answer(question: str, words: list[str], now: datetime) -> list[str]:
    """The answer's lines. Raises LookupError, which says what does not exist."""
    if question == "stuck":
        unread = _unread()
        return db.atomically(_stuck, unread, now)
    if question == "next":
        return _next(now)
    if question == "foreign":
        return db.atomically(_foreign, now)
    if question == "explain":
        return _explain(words, now)
    if question == "where":
        return [line for identity in _named(_word(words, "an id")) for line in _where(identity, _unread(), now)]
    treasury, why = _word(words, "a treasury"), " ".join(words[1:])
    if treasury not in TREASURIES:
        raise LookupError(f"there is no treasury {treasury}: {', '.join(TREASURIES)}")
    if not why:
        raise LookupError(f"say why: make payouts ARGS='{question} {treasury} \"why\"'")
    return db.atomically(_switch, question, treasury, why, now)


def _named(text: str) -> list[UUID]:
    """The payouts that a text stands for. Raises LookupError."""
    found: list[UUID] = []
    with suppress(ValueError):
        identity = UUID(text)
        found = db.atomically(answers.of_id, identity)
    if not found:
        found = db.atomically(answers.of_transaction, text.lower())
    if not found:
        raise LookupError(f"there is no payout {text}: give its id, its comp's id, or a transaction's hash")
    return found


def _word(words: list[str], what: str) -> str:
    if not words:
        raise LookupError(f"{what} is missing; make payouts ARGS=--help")
    return words[0]


def _unread() -> str | None:
    """Why the chain cannot be read now; None while it can, or while no node is configured."""
    try:
        nodes.connect().finalized()
    except ChainFailure as fault:
        return f"{type(fault).__name__}: {fault}"
    except ConfigMissing:
        return None
    return None


def _where(identity: UUID, unread: str | None, now: datetime) -> list[str]:
    it, told = db.atomically(lambda tx: (answers.where(tx, identity), answers.story(tx, identity)))
    return [*_head(it, now), f"  why        {because(it, unread)}", *(_told(line) for line in told)]


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


def because(it: Whereabouts, unread: str | None = None) -> str:
    """One sentence that says what the payout waits for; `unread` says why the nodes cannot be asked."""
    if it.hold_reason:
        return _held(it, it.hold_reason)
    if it.state in ENDS:
        return ENDS[it.state]
    if it.treasury_paused_at:
        return f"the {it.treasury} treasury is paused: {it.pause_reason}"
    if unread:
        return f"the nodes cannot be asked, and nothing is signed or called paid until they answer: {unread}"
    if it.state == PayoutState.IN_FLIGHT:
        return _in_flight(it)
    return "it waits for its turn: payout_send takes the treasury's payouts in the order of asking"


def _held(it: Whereabouts, reason: str) -> str:
    if it.in_doubt:
        return "a foreign transaction may have paid it: two people explain that one first (foreign, explain)"
    missing = max(it.approvals_needed - it.approvals_given, 0)
    return "it waits for " + HELD[reason].format(missing=missing)


def _in_flight(it: Whereabouts) -> str:
    if it.slot_state == "MINED":
        return "its block is not final for every node yet; it will be paid or reverted by itself"
    if it.lowest_open_nonce is not None and it.nonce is not None and it.lowest_open_nonce < it.nonce:
        return f"nonce {it.lowest_open_nonce} of the same key must be mined first"
    if it.slot_state == "ALLOCATED":
        return "its nonce is taken and nothing is signed yet; the next task signs it"
    return "it is sent and not mined; after a while its fees are raised by itself"


def _told(line: DiaryEntry) -> str:
    facts = _facts(line)
    nonce = f" nonce {line.nonce}" if line.nonce is not None else ""
    shown = f" {line.attempt_hash}" if line.attempt_hash else ""
    return f"  {line.happened_at:%m-%d %H:%M:%S}  {line.kind}{nonce}{shown}{': ' + facts if facts else ''}"


def _facts(line: DiaryEntry) -> str:
    """The entry's details as text: a change of state as an arrow, then the rest."""
    rest = {
        name: value for name, value in line.detail.items() if name not in ("from", "to") and value not in (None, "")
    }
    change = f"{line.detail.get('from', 'new')} -> {line.detail['to']}" if "to" in line.detail else ""
    return ", ".join([*([change] if change else []), *(f"{name} {value}" for name, value in rest.items())])


def _stuck(tx: Tx, unread: str | None, now: datetime) -> list[str]:
    found = answers.stuck(tx, now - MOVES_WITHIN)
    paused = [it for it in answers.treasuries(tx) if it.paused_at]
    lines = [f"PAUSED  {it.name} {ago(it.paused_at, now)}: {it.pause_reason}" for it in paused if it.paused_at]
    lines += [f"PAUSED  {it.name} has {it.findings_open} findings to be resolved" for it in paused if it.findings_open]
    lines += [f"NODES   cannot be asked: {unread}"] if unread else []
    if not found:
        return [*lines, f"nothing is stuck: every open payout has moved within {MOVES_WITHIN.seconds // 60} minutes"]
    lines.append(f"{len(found)} payouts have not moved, {_sum(found)} USDT in all, the longest standing first:")
    return lines + [_stuck_line(tx, it, unread, now) for it in found]


def _stuck_line(tx: Tx, it: StuckPayout, unread: str | None, now: datetime) -> str:
    reason = because(answers.where(tx, it.id), unread)
    state = f"{it.state}{f'({it.hold_reason})' if it.hold_reason else ''}"
    return f"  {it.id}  {it.treasury:9} {it.amount!s:>14}  {state:18} {ago(it.state_at, now):>12}  {reason}"


def _next(now: datetime) -> list[str]:
    standing = db.atomically(answers.treasuries)
    live = _balances([it.address for it in standing])
    lines = []
    for it in standing:
        queue = db.atomically(partial(answers.next_payouts, treasury=it.name, now=now, limit=NEXT_SHOWN))
        balance, source = (live[it.address], "on the chain") if live else (it.snapshot_balance, _shot(it))
        lines += _queue(it, queue, balance, source)
    return lines


def _shot(it: TreasuryStatus) -> str:
    return f"at {it.snapshot_at:%m-%d %H:%M}" if it.snapshot_at else "never read"


def _queue(it: TreasuryStatus, queue: list[NextPayout], balance: Usdt | None, source: str) -> list[str]:
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
    """The balances that the nodes report now, by address; None when they cannot be asked."""
    try:
        keys = [key for key in db.atomically(treasuries.keys) if key.address in addresses]
        look = nodes.connect().look(keys[0].token_address, addresses)
    except ConfigMissing:
        return None
    return {address: Usdt(it.usdt_micro) for address, it in look.agreed.items()} if look.agreed else None


def _switch(tx: Tx, question: str, treasury: str, why: str, now: datetime) -> list[str]:
    who = _who()
    if question == "pause":
        changed = machine.pause(tx, treasury, why, now)
        said = f"{treasury} is paused: nothing more is signed; what is out may still land"
    else:
        changed = _resume(tx, treasury, now)
        said = f"{treasury} signs again; what the pause held back goes on within a minute"
    if not changed:
        return [f"{treasury} was {'paused before' if question == 'pause' else 'not paused'}: nothing is changed"]
    answers.note(tx, f"treasury.{question}", treasury, who, why, now)
    return [said]


def _who() -> str:
    """The person at the terminal, or the number of an account that has no name here."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # the type depends on the version of Python
        return f"uid {os.getuid()}"


def _resume(tx: Tx, treasury: str, now: datetime) -> bool:
    """Resume a treasury; False when it was not paused. Raises LookupError, which says what is open."""
    findings = next(it.findings_open for it in answers.treasuries(tx) if it.name == treasury)
    if findings:
        raise LookupError(f"{treasury} does not resume: {findings} findings of the reconciliation are to be resolved")
    try:
        return recovery.resume(tx, treasury, now)
    except recovery.QuestionsOpen as refusal:
        raise LookupError("\n".join([f"{treasury} does not resume:", *refusal.questions])) from None


def _foreign(tx: Tx, now: datetime) -> list[str]:
    found = explanations.unexplained(tx, FOREIGN_SHOWN)
    lines = [line for it in found for line in _question(tx, it, now)]
    return lines or ["every nonce that somebody else has used is explained"]


def _question(tx: Tx, it: Foreign, now: datetime) -> list[str]:
    moved = [
        f"  moved {moved.amount} of token {moved.token_address} to {moved.recipient_address}"
        for moved in explanations.transfers(tx, it)
    ]
    said = [
        f"  {said.username} says: {f'it paid {said.payout_id}' if said.payout_id else 'none of ours'}; {said.why}"
        for said in explanations.said(tx, it)
    ]
    when = f"{ago(it.found_at, now)}, by {it.transaction_hash}"
    return [f"{it.treasury}: nonce {it.nonce} of {it.signer}, {when}", *moved, *said]


def _explain(words: list[str], now: datetime) -> list[str]:
    """Record an explanation; returns the answer's lines. Raises LookupError."""
    if len(words) < EXPLAIN_WORDS_MIN or not words[1].isdigit():
        raise LookupError("say: make payouts ARGS='explain KEY NONCE PAYOUT|none USERNAME CODE \"why\"'")
    signer, nonce, payout, username, code = words[:5]
    meant, why = None if payout == "none" else _named(payout)[0], " ".join(words[5:])
    person = db.atomically(answers.treasurer, username)
    if person is None:
        raise LookupError(f"{username} is no treasury admin")

    def say(tx: Tx) -> list[str]:
        try:
            totp.spend(tx, person, code, now)
        except totp.SecondFactorWrong as wrong:
            return [wrong.title]  # the wrong code is counted, because the transaction is not rolled back
        agreed = explanations.explain(tx, signer, int(nonce), meant, person, why, now)
        changes = {"payout_id": str(meant) if meant else None, "explanation": why, "by": "a terminal"}
        answers.note_explanation(tx, person, f"{signer} {nonce}", changes, now)
        if agreed.given >= agreed.needed:
            return ["it is explained; resume the treasury when nothing else is open"]
        return [f"{agreed.given} of {agreed.needed} people say so"]

    try:
        return db.atomically(say)
    except Problem as refusal:
        raise LookupError(refusal.title) from None
    except (NoEvidence, NotWaiting, OwnPayout, ExplainedBefore) as refusal:
        raise LookupError(str(refusal)) from None


def ago(moment: datetime, now: datetime) -> str:
    """The time since a moment, in a single unit."""
    seconds = int((now - moment).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{max(seconds, 0)} s ago"


def _sum(found: list[StuckPayout]) -> Usdt:
    return sum((it.amount for it in found), ZERO)


if __name__ == "__main__":
    main()
