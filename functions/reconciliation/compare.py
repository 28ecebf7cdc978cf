"""Compares one treasury's rows with the Transfer logs that were read, as of a block. A new discrepancy pauses it."""

from datetime import datetime
from uuid import UUID

from functions.reconciliation import records, rules, store
from functions.reconciliation.records import ChainBalance, Finding
from functions.reconciliation.rules import Kind, Outgoing, Result, Sides
from shared import clock, db, log
from shared.db import Tx
from shared.payouts import machine, treasuries
from shared.payouts.treasuries import TreasuryNotice
from shared.values.money import ZERO

BATCHES_MAX = 5_000


def treasury(run_id: UUID, has: ChainBalance, block_number: int) -> Result:
    """Match payouts with logs in batches, then examine the rest in one transaction."""
    for _ in range(BATCHES_MAX):
        if db.atomically(_match, has.treasury, block_number) < store.MATCHED_MAX:
            break
    return db.atomically(_judge, run_id, has, block_number)


def _match(tx: Tx, name: str, block_number: int) -> int:
    store.lock_treasury(tx, name)
    return store.match(tx, name, block_number)


def _judge(tx: Tx, run_id: UUID, has: ChainBalance, block_number: int) -> Result:
    now = clock.now()
    store.lock_treasury(tx, has.treasury)
    records.close_explained(tx, has.treasury, now)
    new = [it for it in _left_over(tx, has.treasury, block_number) if records.insert(tx, run_id, has.treasury, it, now)]
    store.settle(tx, has.treasury, block_number, now)
    books = store.books(tx, has.treasury, block_number)
    reason = f"{books.payouts_waiting} transfers are not paid payouts yet" if books.payouts_waiting else None
    effects = [rules.effect_of(it.kind, it.expected, it.found) for it in records.open_findings(tx, has.treasury)]
    sides = Sides(has.balance, books.balance, sum(effects, ZERO))
    new += _balance(tx, run_id, has, sides, now)
    findings = len(records.open_findings(tx, has.treasury))
    result = rules.result_of(sides, findings_open=findings, reason=reason)
    records.save_treasury(
        tx, run_id, has.treasury, result, reason, books=books, difference=sides.difference, findings=findings
    )
    if new:
        _alarm(tx, run_id, has.treasury, new, now)
    return result


def _left_over(tx: Tx, name: str, block_number: int) -> list[Finding]:
    """The findings of what is left over. Transfers without a payout come first: one that paid a different amount names
    its payout, which then is not missing.
    """
    found = [
        finding for out in store.unexplained(tx, name, block_number) if (finding := _finding(out, rules.kind_of(out)))
    ]
    named = {finding.payout_id for finding in found}
    missing = [
        Finding(
            kind=Kind.MISSING_TRANSFER,
            ref=str(it.payout_id),
            expected=it.amount,
            found=ZERO,
            payout_id=it.payout_id,
            transaction_hash=it.transaction_hash,
            counterparty=it.recipient_address,
        )
        for it in store.missing(tx, name, block_number)
        if it.payout_id not in named
    ]
    return found + missing


def _finding(out: Outgoing, kind: Kind | None) -> Finding | None:
    if kind is None:
        return None
    paid = out.payout_amount if out.payout_paid else None
    if out.internal:
        paid = out.amount  # it has not left the treasury
    return Finding(
        kind=kind,
        ref=out.ref,
        expected=paid or ZERO,
        found=out.amount,
        payout_id=out.payout_id if out.payout_paid else None,
        transaction_hash=out.transaction_hash,
        counterparty=out.counterparty,
    )


def _balance(tx: Tx, run_id: UUID, has: ChainBalance, sides: Sides, now: datetime) -> list[Finding]:
    """A finding for the difference that no transfer explains; closes earlier ones with another amount."""
    ref = str(sides.unexplained.micro)
    records.close_balance(tx, has.treasury, ref, now)
    finding = Finding(Kind.BALANCE_DIFFERS, ref, expected=sides.chain - sides.unexplained, found=sides.chain)
    if sides.unexplained and records.insert(tx, run_id, has.treasury, finding, now):
        return [finding]
    return []


def _alarm(tx: Tx, run_id: UUID, name: str, new: list[Finding], now: datetime) -> None:
    """Pause the treasury until people have looked at the findings, and notify the treasury admins."""
    first = new[0]
    what = f"{first.kind.value.replace('_', ' ')}: {first.found} on the chain, {first.expected} in the books"
    machine.pause(tx, name, f"reconciliation: {what}", now)
    log.error(
        "reconciliation found a discrepancy", treasury=name, reconciliation_id=run_id, findings=len(new), what=what
    )
    notice = TreasuryNotice(
        subject=f"The {name} treasury is paused: the books and the chain differ",
        what=f"{len(new)} new findings in the {name} treasury; the first is {what} ({first.ref}).",
        remedy="Look at GET /v1/admin/treasury/findings, find out why, resolve each, then resume the treasury.",
        dedupe_key=f"discrepancy:{run_id}:{name}:{now.isoformat()}",
    )
    treasuries.tell_admins(tx, notice, now)
