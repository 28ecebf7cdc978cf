"""Breaks of how payouts are sent, signed, stored and swept."""

from tests.fault.simulation.edits import (
    CONFIRM,
    CONFIRM_STORE,
    FEES,
    JOB,
    KMS,
    LEDGER_SCHEMA,
    PAYOUT_SCHEMA,
    PAYOUTS,
    QUEUE,
    REVERTS,
    SEND,
    SIGNING,
    SLOT_SCHEMA,
    SLOTS,
    STEPS,
    STORED,
    SWEEP,
    Edit,
    Mutant,
)


def _after_sending(outcome: str, what: str) -> Edit:
    """A break: run the statement `what` when a node's answer is `outcome`; `{payout}` in it stands for the payout."""
    old = """            detail = {"outcome": answer.outcome.value, "message": answer.message}
            slots.note_event(tx, slot, "sent", detail, clock.now(), attempt_hash=attempt.hash)
"""
    loaded = "machine.load_all(tx, [slot.payout_id])[0]"
    new = f"""{old}            if answer.outcome.value == "{outcome}" and slot.payout_id:
                {what.format(payout=loaded)}
"""
    return Edit(STORED, old, new)


MUTANTS = (
    Mutant(
        "sent before it is stored",
        (
            Edit(
                STORED,
                "    kept = _keep(key, made, failures)\n",
                "    key.nodes.send([attempt.raw for _, attempt in made])\n    kept = _keep(key, made, failures)\n",
            ),
        ),
        "calm",
    ),
    Mutant(
        "no answer means failed",
        (
            _after_sending(
                "unknown",
                "machine.hold_back(tx, {payout}, machine.HoldReason.REVERTED, clock.now())",
            ),
        ),
        "timeouts",
    ),
    Mutant(
        "nonce too low releases the nonce",
        (_after_sending("nonce_too_low", 'machine.finalize(tx, {payout}, slot, "NOOP", clock.now())'),),
        "nonces,reorganised",
    ),
    Mutant(
        "fees rise by a twentieth",
        (Edit(FEES, "RAISE_NUMERATOR, RAISE_DENOMINATOR = 9, 8", "RAISE_NUMERATOR, RAISE_DENOMINATOR = 21, 20"),),
        "fees",
    ),
    Mutant(
        "the tip does not rise",
        (
            Edit(
                FEES,
                "_raised(last.priority_fee_per_gas_wei_max)",
                "last.priority_fee_per_gas_wei_max",
            ),
        ),
        "fees",
    ),
    Mutant(
        "what was given up is paid under its nonce",
        (Edit(SIGNING, "    gone = slot.given_up_for or any(", "    gone = False and any("),),
        tests="tests/integration/payouts/test_payout_replaced.py",
    ),
    Mutant(
        "the epoch is not compared",
        (Edit(SLOT_SCHEMA, "IF NEW.origin = 'signed' AND NEW.epoch <> signer.epoch THEN", "IF false THEN"),),
        tests="tests/integration/payouts/test_payout_attempts.py",
    ),
    Mutant(
        "a pause stops no signature",
        (
            Edit(SIGNING, "    if not slots or shift.treasury.paused_at:\n", "    if not slots:\n"),
            Edit(
                SLOT_SCHEMA,
                "    IF NEW.kind = 'PAY' AND NEW.origin = 'signed' AND treasury.paused_at IS NOT NULL\n",
                "    IF false AND treasury.paused_at IS NOT NULL\n",
            ),
        ),
        "pauses",
    ),
    Mutant(
        "the nonce is that of the chain",
        (
            Edit(
                PAYOUTS,
                "        SELECT address, next_nonce, :payout_id, :now, :now FROM signers\n",
                "        SELECT address,\n"
                "               (SELECT count(*) FROM payout_slots WHERE signer = address AND state = 'FINAL_PAY'),\n"
                "               :payout_id, :now, :now FROM signers\n",
            ),
        ),
        "calm",
    ),
    Mutant(
        "the journal has a commit of its own",
        (
            Edit(
                PAYOUTS,
                '    journals.post(tx, f"paid:{payout.id}", _paid_lines(payout), now)\n',
                "    from shared import db\n\n"
                '    db.atomically(lambda it: journals.post(it, f"paid:{payout.id}", _paid_lines(payout), now))\n',
            ),
        ),
        "killed",
    ),
    Mutant(
        "what is in flight is not counted",
        (Edit(STEPS, "else purse.amount - aside\n", "else purse.amount\n"),),
        "funds",
    ),
    Mutant(
        "the chain's number is not asked",
        (Edit(SEND, "    nodes.require(shift.treasury.chain_id)\n", ""),),
        "wrong_chain",
    ),
    Mutant(
        "any key's signature will do",
        (
            Edit(
                KMS,
                "if _signer(digest, r, s, y_parity).lower() == address.lower():",
                "if _signer(digest, r, s, y_parity):",
            ),
        ),
        "keys",
    ),
    Mutant(
        "s is taken as it comes",
        (Edit(KMS, "s = min(high_or_low_s, SECP256K1_ORDER - high_or_low_s)", "s = high_or_low_s"),),
        "calm",
    ),
    Mutant(
        "a hold never ends by itself",
        (Edit(CONFIRM, '        sweep.part(lambda: release.sweep(now), "holds")\n', ""),),
        "funds",
    ),
    Mutant("a key at rest is not watched", (Edit(CONFIRM, '        sweep.part(_watch, "keys")\n', ""),), "foreign"),
    Mutant(
        "what nobody can read comes again for ever",
        (Edit(JOB, '            raise Hopeless(f"not a {', '            raise ComeAgain(f"not a {'),),
        "poison",
    ),
    Mutant(
        "one source may have two payouts",
        (
            Edit(
                PAYOUT_SCHEMA,
                "    UNIQUE (source_kind, source_id),                                               -- I2\n",
                "",
            ),
        ),
        "deliveries",
    ),
    Mutant(
        "a payout may have two open nonces",
        (
            Edit(
                SLOT_SCHEMA,
                "CREATE UNIQUE INDEX payout_slots_one_open ON payout_slots (payout_id)\n",
                "CREATE INDEX payout_slots_one_open ON payout_slots (payout_id)\n",
            ),
        ),
        tests="tests/integration/payouts/test_payout_slots.py",
    ),
    Mutant(
        "a payout may be paid twice",
        (Edit(SLOT_SCHEMA, "CREATE UNIQUE INDEX payout_slots_one_paid", "CREATE INDEX payout_slots_one_paid"),),
        tests="tests/integration/payouts/test_payout_slots.py",
    ),
    Mutant(
        "a journal need not sum to zero",
        (Edit(LEDGER_SCHEMA, "    IF total <> 0 OR lines < 2 THEN\n", "    IF lines < 2 THEN\n"),),
        tests="tests/integration/treasury/test_ledger_journals.py",
    ),
    Mutant(
        "the schema takes a raise of a twentieth",
        (
            Edit(
                SLOT_SCHEMA,
                "NEW.fee_per_gas_wei_max * 8 < last.fee_per_gas_wei_max * 9\n",
                "NEW.fee_per_gas_wei_max * 20 < last.fee_per_gas_wei_max * 21\n",
            ),
        ),
        tests="tests/integration/payouts/test_payout_attempts.py",
    ),
    Mutant(
        "what comes into doubt is not given up",
        (
            Edit(SIGNING, "    reasons |= dict.fromkeys(doubtful, DOUBTFUL)\n", ""),
            Edit(
                STORED, "    if plan.payout is None:\n        failures.append", "    if plan:\n        failures.append"
            ),
        ),
        "poisoned",
    ),
    Mutant(
        "what cannot be signed jams its key",
        (Edit(STORED, "if refused.constraint in RULES_OF_THE_KEY:", "if refused:"),),
        tests="tests/integration/payouts/test_payout_doubt.py",
    ),
    Mutant(
        "a given-up payment is sent again",
        (Edit(SLOTS, ' and not (slot.given_up_for and self.kind == "PAY")', ""),),
        tests="tests/integration/payouts/test_payout_judged.py",
    ),
    Mutant(
        "one row's exception stops the others",
        (Edit(SWEEP, "            self._failures.append(failure)\n", "            raise\n"),),
        tests="tests/integration/payouts/test_payout_judged.py",
    ),
    Mutant(
        "nobody asks whether the token moves", (Edit(SEND, "    shift = _stop_if_halted(shift)\n", ""),), "token_halts"
    ),
    Mutant(
        "a treasury goes on after any number of reverts",
        (Edit(REVERTS, "    if store.reverted_in_a_row(", "    if False and store.reverted_in_a_row("),),
        "reverts_in_a_row",
    ),
    Mutant(
        "reverts before a payment count as well",
        (Edit(CONFIRM_STORE, "count(*) FILTER (WHERE NOT succeeded) = :number", "count(*) = :number"),),
        tests="tests/integration/payouts/test_payout_stops.py",
    ),
    Mutant(
        "a treasury that is worked at loses its lost tasks",
        (
            Edit(
                CONFIRM_STORE,
                "        WHERE treasuries.paused_at IS NULL AND next.state_at <= :before\n",
                "        WHERE treasuries.paused_at IS NULL AND next.state_at <= :before AND NOT EXISTS (\n"
                "              SELECT FROM signers WHERE treasury = treasuries.name AND held_until > :before)\n",
            ),
        ),
        "lost_tasks",
    ),
    Mutant(
        "one window for all reasons",
        (Edit(CONFIRM_STORE, "AND approvals_needed = 0 AND hold_reason = reason\n", "AND approvals_needed = 0\n"),),
        tests="tests/integration/payouts/test_payout_sweep.py",
    ),
    Mutant(
        "a window never moves",
        (Edit(CONFIRM_STORE, "        if len(window) == limit and", "        if False and"),),
        tests="tests/integration/payouts/test_payout_sweep.py",
    ),
    Mutant(
        "the minute in which the hour begins is free",
        (Edit(QUEUE, "minute >= date_trunc(", "minute > date_trunc("),),
        tests="tests/integration/payouts/test_payout_stops.py",
    ),
)
