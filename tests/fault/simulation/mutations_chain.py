"""Breaks of what is believed of the chain: finality, nodes, receipts, searches, rebuilds."""

from tests.fault.simulation.edits import (
    CHAIN,
    FINALITY,
    MACHINE_SCHEMA,
    OBSERVING,
    REBUILD,
    RECEIPTS,
    RECOVERY,
    RECOVERY_SCHEMA,
    RPC,
    SEARCH,
    STEPS,
    WATCH,
    Edit,
    Mutant,
)

MUTANTS = (
    Mutant(
        "a used nonce without a receipt is sent anew",
        (
            Edit(
                OBSERVING,
                "            store.mark_dropped(tx, slot, clock.now())\n",
                "            store.mark_dropped(tx, slot, clock.now())\n    "
                "        machine.finalize(tx, machine.load_all(tx, [slot.payout_id])[0], slot, 'NOOP', clock.now())\n",
            ),
        ),
        "reorganised",
    ),
    Mutant("two blocks are deep", (Edit(FINALITY, "DEPTH_BLOCKS_MIN = 10", "DEPTH_BLOCKS_MIN = 2"),), "finality_wrong"),
    Mutant(
        "the head is final",
        (Edit(CHAIN, 'the_block("latest"), the_block("finalized"))', 'the_block("latest"), the_block("latest"))'),),
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
        (Edit(OBSERVING, 'attempt.kind == "PAY" and receipt.succeeded and Moved(', "False and Moved("),),
        "reverts",
    ),
    Mutant(
        "only the last signature is looked for",
        (Edit(OBSERVING, "reversed(self.attempts[slot.nonce])", "self.attempts[slot.nonce][-1:]"),),
        "fees,everything",
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
                "    below = used + bounds.in_flight_max\n",
                "    below = final\n",
            ),
        ),
        tests="tests/integration/payouts/test_payout_rebuild.py",
    ),
    Mutant(
        "a foreign transaction is taken for ours",
        (Edit(RECOVERY, "return isinstance(moved, list) and wanted |", "return True or wanted |"),),
        tests="tests/integration/payouts/test_payout_foreign.py",
    ),
    Mutant(
        "nobody looks for foreign transactions",
        (Edit(OBSERVING, "    if view.final_nonces <= slot.nonce:\n", "    if True:\n"),),
        "foreign",
    ),
    Mutant(
        "nothing is followed while the finalized accounts are forgotten",
        (Edit(OBSERVING, "        return 0\n", "        raise\n"),),
        tests="tests/integration/payouts/test_payout_search.py",
    ),
    Mutant(
        "the balance is asked for at the finalized block alone",
        (Edit(CHAIN, "    if not isinstance(told, RpcError):\n", "    if True:\n"),),
        tests="tests/unit/test_chain_nodes.py",
    ),
    Mutant(
        "a search looks into logs alone",
        (
            Edit(
                SEARCH,
                "((rows.LOGS, by_logs), (rows.BLOCKS, by_blocks))",
                "((rows.LOGS, by_logs),)",
            ),
        ),
        "pruned",
    ),
    Mutant(
        "a search forgets how far it has come",
        (Edit(SEARCH, "_keep(search.with_read_to(reading, todo.first), uses)", "_keep(search, uses)"),),
        "pruned",
    ),
    Mutant(
        "a range that is refused is asked for again",
        (
            Edit(
                SEARCH,
                "        return _keep(search.with_at_once(reading, at_once // 2), [])\n",
                "        return search\n",
            ),
        ),
        "pruned",
    ),
    Mutant(
        "what nodes find by no hash is not ours",
        (
            Edit(
                OBSERVING,
                "        _each(replace(view, look=look), [slot], _there)\n        return True\n",
                "        return False\n",
            ),
        ),
        "pruned",
    ),
    Mutant(
        "a receipt of another transaction is taken",
        (Edit(RECEIPTS, "    if made.hash != wanted.lower():\n", "    if False:\n"),),
        tests="tests/unit/test_chain_nodes.py",
    ),
    Mutant(
        "an absurd seal is kept",
        (
            Edit(
                REBUILD,
                "    if sealed is not None and sealed <= used + bounds.in_flight_max + NONCES_APART_MAX:\n",
                "    if sealed is not None:\n",
            ),
        ),
        tests="tests/integration/payouts/test_payout_rebuild.py",
    ),
    Mutant(
        "a disagreement is never over",
        (
            Edit(
                OBSERVING,
                "    _dispute(view, slots, [slot for slot in absent if view.is_disputed(slot)])\n",
                "    if absent:\n        _dispute(view, absent, [slot for slot in absent if view.is_disputed(slot)])\n",
            ),
        ),
        tests="tests/integration/payouts/test_payout_foreign.py",
    ),
    Mutant(
        "one configured node decides alone",
        (Edit(RPC, "    if found < needed:\n", "    if False:\n"),),
        tests="tests/integration/payouts/test_nodes_configured.py",
    ),
    Mutant(
        "what may be paid already gets a nonce",
        (
            Edit(STEPS, "            elif payout.id in doubtful:\n", "            elif False:\n"),
            Edit(
                RECOVERY_SCHEMA,
                "WHERE id = NEW.payout_id AND may_be_paid_already(payouts)) THEN",
                "WHERE false) THEN",
            ),
        ),
        tests="tests/integration/payouts/test_payout_doubt.py",
    ),
    Mutant(
        "a treasury resumes while something is open",
        (
            Edit(
                RECOVERY,
                "if paused and (open_questions := questions(tx, treasury)):",
                "if open_questions := list[str]():",
            ),
        ),
        "misled",
    ),
    Mutant(
        "what was resumed too early is not paused again",
        (Edit(RECOVERY, "    if machine.pause(tx, treasury, reason, now):\n", "    if False:\n"),),
        tests="tests/integration/payouts/test_payout_judged.py",
    ),
    Mutant(
        "what moved otherwise is called reverted",
        (Edit(RECOVERY_SCHEMA, "NOT NEW.succeeded OR payout_is_judged(NEW.payout_id)", "true"),),
        tests="tests/integration/payouts/test_payout_judged.py",
    ),
    Mutant(
        "a key with a foreign nonce is never retired",
        (
            Edit(
                RECOVERY_SCHEMA,
                "OLD.address AND state IN ('ALLOCATED', 'LIVE', 'MINED')) THEN",
                "OLD.address AND state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN')) THEN",
            ),
        ),
        tests="tests/integration/payouts/test_payout_judged.py",
    ),
)
