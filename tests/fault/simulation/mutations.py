"""The breaks: what is replaced where, and which schedules (or tests of the schema) must notice."""

from dataclasses import dataclass

LOOKING = "functions/payout_confirm/looking.py"
CONFIRM_RULES = "functions/payout_confirm/rules.py"
CONFIRM = "functions/payout_confirm/main.py"
SEND = "functions/payout_send/main.py"
SIGNING = "functions/payout_send/signing.py"
STEPS = "functions/payout_send/steps.py"
REBUILD = "functions/payout_recover/rebuild.py"
STORED = "shared/payout_signing.py"
WATCH = "shared/payout_watch.py"
PAYOUTS = "shared/payouts.py"
RECOVERY = "shared/payout_recovery.py"
FEES = "shared/payout_fees.py"
CHAIN = "shared/ports/chain.py"
KMS = "shared/ports/kms.py"
JOB = "shared/job.py"
LEDGER_SCHEMA = "shared/migrations/0004_ledger.sql"
PAYOUT_SCHEMA = "shared/migrations/0006_payouts.sql"
SLOT_SCHEMA = "shared/migrations/0007_payout_slots.sql"
MACHINE_SCHEMA = "shared/migrations/0014_payout_machine.sql"


@dataclass(frozen=True)
class Edit:
    """One replacement in one file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """`families` hunt it, or else `tests` (arguments of pytest)."""

    name: str
    edits: tuple[Edit, ...]
    families: str = ""
    tests: str = ""


def _after_sending(outcome: str, what: str) -> Edit:
    """Do something about a payout because of what a node said to its transaction."""
    old = """            detail = {"outcome": answer.outcome.value, "message": answer.message}
            payout_slots.note_event(tx, slot, "sent", detail, clock.now(), attempt.hash)
"""
    loaded = "payouts.load_all(tx, [slot.payout_id])[0]"
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
                "        db.atomically(keep)\n        send_stored(",
                "        key.nodes.send([attempt.raw for _, attempt in made])\n"
                "        db.atomically(keep)\n        send_stored(",
            ),
        ),
        "calm",
    ),
    Mutant(
        "no answer means failed",
        (
            _after_sending(
                "unknown",
                "payouts.hold_back(tx, {payout}, payouts.HoldReason.REVERTED, clock.now())",
            ),
        ),
        "timeouts",
    ),
    Mutant(
        "nonce too low releases the nonce",
        (_after_sending("nonce_too_low", 'payouts.finalize(tx, {payout}, slot, "NOOP", clock.now())'),),
        "nonces,reorganised",
    ),
    Mutant(
        "a used nonce without a receipt is sent anew",
        (
            Edit(
                LOOKING,
                "        payout_slots.see_dropped(tx, slot, clock.now())\n",
                "        payout_slots.see_dropped(tx, slot, clock.now())\n"
                "        payouts.finalize(tx, payouts.load_all(tx, [slot.payout_id])[0], slot, 'NOOP', clock.now())\n",
            ),
        ),
        "reorganised",
    ),
    Mutant("two blocks are deep", (Edit(CONFIRM_RULES, "DEPTH_MIN = 10", "DEPTH_MIN = 2"),), "finality_wrong"),
    Mutant(
        "the head is final",
        (
            Edit(
                CHAIN, '("eth_getBlockByNumber", ["finalized", False]),', '("eth_getBlockByNumber", ["latest", False]),'
            ),
        ),
        "reorganised_deep",
    ),
    Mutant(
        "one node is enough",
        (Edit(CHAIN, "        self._nodes = nodes\n", "        self._nodes = nodes[:1]\n"),),
        "disagreement,reorganised_deep",
    ),
    Mutant(
        "the quickest finalized tag counts",
        (Edit(CHAIN, "min(it.finalized for it in heads)", "max(it.finalized for it in heads)"),),
        "reorganised_deep",
    ),
    Mutant(
        "a receipt's block is not compared",
        (
            Edit(
                CHAIN,
                "    if any(it != first.block_hash and (it or come)",
                "    if any(False and (it or come)",
            ),
            Edit(CHAIN, "if None not in told and None not in hashes else", "if None not in told else"),
        ),
        "stale_receipts",
    ),
    Mutant(
        "a receipt's logs are not read",
        (Edit(LOOKING, "succeeded = succeeded and Moved(", "succeeded = succeeded or Moved("),),
        "reverts",
    ),
    Mutant(
        "only the last signature is looked for",
        (Edit(LOOKING, "reversed(self.attempts[slot.nonce])", "self.attempts[slot.nonce][-1:]"),),
        "fees,everything",
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
        "reverts",
    ),
    Mutant(
        "the epoch is not compared",
        (Edit(SLOT_SCHEMA, "IF NEW.origin = 'signed' AND NEW.epoch <> signer.epoch THEN", "IF false THEN"),),
        "racing",
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
                '    ledger.post(tx, f"paid:{payout.id}", _paid_lines(payout), now)\n',
                "    from shared import db\n\n"
                '    db.atomically(lambda other: ledger.post(other, f"paid:{payout.id}", _paid_lines(payout), now))\n',
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
        "a restore is not noticed",
        (
            Edit(WATCH, "    if same and used <= expected:\n", "    if used >= 0:\n"),
            Edit(
                MACHINE_SCHEMA,
                "    IF signer.lineage IS DISTINCT FROM database_lineage() THEN\n",
                "    IF false THEN\n",
            ),
        ),
        "restored",
    ),
    Mutant(
        "a rebuild burns nothing",
        (
            Edit(
                REBUILD,
                "key.signer.sealed_below or key.nodes.used_nonces(key.signer.address) + bounds.in_flight_max",
                "key.signer.sealed_below or final",
            ),
        ),
        tests="tests/integration/test_payout_rebuild.py",
    ),
    Mutant(
        "a foreign transaction is taken for ours",
        (Edit(RECOVERY, "return isinstance(moved, list) and wanted |", "return True or wanted |"),),
        "foreign",
    ),
    Mutant(
        "nobody looks for foreign transactions",
        (Edit(LOOKING, "    if view.final_nonces <= slot.nonce:\n", "    if True:\n"),),
        "foreign",
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
        (Edit(CONFIRM, "    release.sweep(now)\n", ""),),
        "funds",
    ),
    Mutant("a key at rest is not watched", (Edit(CONFIRM, "    _watch()\n", ""),), "foreign"),
    Mutant(
        "whoever asked for it may approve it",
        (Edit(PAYOUTS, "if approver_id in (payout.member_id, payout.requested_by):", "if approver_id is None:"),),
        "approvals",
    ),
    Mutant(
        "a comp is not told that it is paid",
        (Edit(LOOKING, 'if state is PayoutState.PAID and payout.source_kind == "comp":', "if False:"),),
        "members_comps",
    ),
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
        tests="tests/integration/test_payout_slots.py",
    ),
    Mutant(
        "a payout may be paid twice",
        (Edit(SLOT_SCHEMA, "CREATE UNIQUE INDEX payout_slots_one_paid", "CREATE INDEX payout_slots_one_paid"),),
        tests="tests/integration/test_payout_slots.py",
    ),
    Mutant(
        "a journal need not sum to zero",
        (Edit(LEDGER_SCHEMA, "    IF total <> 0 OR lines < 2 THEN\n", "    IF lines < 2 THEN\n"),),
        tests="tests/integration/test_ledger_journals.py",
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
        tests="tests/integration/test_payout_attempts.py",
    ),
)
