"""Breaks of who is paid and who decides: approvals, suspensions, limits, comps, guarantees, withdrawals."""

from tests.fault.simulation.edits import (
    AWARDS,
    CLAIMS,
    COMPS,
    EXPLANATIONS,
    NONCE,
    OBSERVING,
    PAYOUTS,
    PEOPLE_SCHEMA,
    POLICY,
    RECOVERY_SCHEMA,
    RELEASE,
    RIGHTS_SCHEMA,
    SIGNING,
    STEPS,
    WITHDRAWAL,
    Edit,
    Mutant,
)

MUTANTS = (
    Mutant(
        "whoever asked for it may approve it",
        (Edit(PAYOUTS, "if interests.profits_from_payout(tx, approver_id, payout_id):", "if approver_id is None:"),),
        "approvals",
    ),
    Mutant(
        "a suspended member is paid",
        (
            Edit(
                RIGHTS_SCHEMA,
                "    SELECT EXISTS (SELECT FROM members WHERE id = payout.member_id AND status = 'suspended')\n",
                "    SELECT false\n",
            ),
        ),
        "suspended",
    ),
    Mutant(
        "who was suspended since the nonce was taken is signed for",
        (Edit(SIGNING, "    reasons |= dict.fromkeys(suspended, SUSPENDED)\n", ""),),
        tests="tests/integration/accounts/test_suspension.py",
    ),
    Mutant(
        "a suspension is not looked at when a nonce is given",
        (
            Edit(
                STEPS,
                "            if payout.id in suspended or payout.recipient_address.lower() in blocked:\n",
                "            if payout.recipient_address.lower() in blocked:\n",
            ),
        ),
        "suspended",
    ),
    Mutant(
        "what a suspension held is not sent on by the sweep",
        (
            Edit(
                RELEASE,
                "frozenset({HoldReason.PAUSED, HoldReason.REVIEW, HoldReason.SUSPENDED})",
                "frozenset({HoldReason.PAUSED, HoldReason.REVIEW})",
            ),
        ),
        tests="tests/integration/accounts/test_suspension.py",
    ),
    Mutant(
        "an approval counts whatever became of its approver",
        (
            Edit(
                RIGHTS_SCHEMA,
                "      AND approver.status = 'active' AND approver.role IN ('treasury', 'owner')\n",
                "",
            ),
        ),
        tests="tests/integration/payouts/test_approval_rights.py",
    ),
    Mutant(
        "a wallet that was theirs is nothing to them",
        (
            Edit(
                RIGHTS_SCHEMA,
                "    SELECT EXISTS (SELECT FROM member_wallets WHERE member_id = person AND address = lower(wallet))\n",
                "    SELECT EXISTS (SELECT FROM members WHERE id = person AND lower(wallet_address) = lower(wallet))\n",
            ),
        ),
        tests="tests/integration/payouts/test_approval_rights.py",
    ),
    Mutant(
        "what people let go uses up the day",
        (
            Edit(
                RIGHTS_SCHEMA,
                "    IF NEW.people_agreed > 0 THEN\n        NEW.counted_on",
                "    IF false THEN\n        NEW.counted_on",
            ),
        ),
        tests="tests/integration/payouts/test_agreed_apart.py",
    ),
    Mutant(
        "what people let go pauses everybody",
        (Edit(STEPS, "by_people = agreed.get(payout.id, 0) > 0", "by_people = False"),),
        tests="tests/integration/payouts/test_agreed_apart.py",
    ),
    Mutant(
        "the day's limit holds until people let go",
        (
            Edit(
                POLICY,
                "(is_over_day, Verdict(HoldReason.LIMIT)),",
                "(is_over_day, Verdict(HoldReason.LIMIT, TWO_PEOPLE)),",
            ),
        ),
        tests="tests/integration/payouts/test_agreed_apart.py",
    ),
    Mutant(
        "an admin awards alone without a code",
        (Edit(AWARDS, "    return proved and within and", "    return within and"),),
        tests="tests/integration/comps/test_award_limits.py",
    ),
    Mutant(
        "the policy asks for no second person of an award",
        (Edit(POLICY, "needs_person = inputs.needs_second_person or", "needs_person ="),),
        tests="tests/integration/comps/test_award_limits.py",
    ),
    Mutant(
        "who disputes a payment is paid what they win",
        (Edit(POLICY, "inputs.needs_second_person or inputs.disputed", "inputs.needs_second_person"),),
        tests="tests/integration/shop/test_disputed_awards.py",
    ),
    Mutant(
        "a comp is not told that it is paid",
        (Edit(OBSERVING, "if state is PayoutState.PAID and payout.source_kind in MARK_PAID:", "if False:"),),
        "members_comps",
    ),
    Mutant(
        "the schema pays to a wallet that rests",
        (Edit(PEOPLE_SCHEMA, "AND wallet_rests_until > NEW.requested_at)", "AND false)"),),
        tests="tests/integration/wallet/test_wallet_changed.py",
    ),
    Mutant(
        "comps of another wallet do not rest",
        (
            Edit(
                PEOPLE_SCHEMA,
                "    NEW.wallet_rests_until := NEW.updated_at + interval '24 hours';\n",
                "    NEW.wallet_rests_until := NULL;\n",
            ),
        ),
        tests="tests/integration/wallet/test_wallet_changed.py",
    ),
    Mutant(
        "the schema pays a withheld guarantee",
        (
            Edit(
                PEOPLE_SCHEMA,
                "WHERE comps.id = NEW.source_id::uuid AND comps.source_kind = 'guarantee')",
                "WHERE false)",
            ),
        ),
        tests="tests/integration/comps/test_guarantee_once.py",
    ),
    Mutant(
        "linking a wallet pays a withheld guarantee",
        (
            Edit(
                COMPS,
                "WHERE review.member_id = comps.member_id AND review.status <> 'granted'))",
                "WHERE review.member_id = comps.member_id AND false))",
            ),
        ),
        tests="tests/integration/comps/test_guarantee_once.py",
    ),
    Mutant(
        "who has had a guarantee makes room for the next one",
        (Edit(CLAIMS, "    if _has_had(tx, holder):\n", "    if False:\n"),),
        tests="tests/integration/comps/test_guarantee_once.py",
    ),
    Mutant(
        "any transaction of the nonce is the withdrawal",
        (
            Edit(
                WITHDRAWAL,
                "    if receipt.succeeded and _wanted(found) not in receipt.moved:\n",
                "    if receipt.succeeded and not found.amount:\n",
            ),
        ),
        tests="tests/integration/wallet/test_withdrawal_sped_up.py",
    ),
    Mutant(
        "a later transfer of the wallet is the withdrawal",
        (
            Edit(
                NONCE,
                "for use in uses if use.nonce == withdrawal.nonce)",
                "for use in uses if use.nonce >= withdrawal.nonce)",
            ),
        ),
        tests="tests/integration/wallet/test_withdrawal_sped_up.py",
    ),
    Mutant(
        "what may be paid already may be approved",
        (
            Edit(PAYOUTS, "if payout.state is PayoutState.HELD and is_in_doubt(tx, payout_id):", "if False:"),
            Edit(RECOVERY_SCHEMA, "AND state = 'HELD' AND payout_in_doubt(payouts)) THEN", "AND false) THEN"),
        ),
        "misled",
    ),
    Mutant(
        "one person explains alone",
        (Edit(EXPLANATIONS, "    if len(people) >= TWO_PEOPLE:\n", "    if people:\n"),),
        tests="tests/integration/payouts/test_payout_doubt.py",
    ),
    Mutant(
        "an explanation needs no evidence",
        (
            Edit(
                EXPLANATIONS,
                "    if not (same_treasury and recovery.has_paid(",
                "    if not (proof or same_treasury and (",
            ),
        ),
        tests="tests/integration/payouts/test_payout_doubt.py",
    ),
)
