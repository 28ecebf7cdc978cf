"""The rules that must hold when a schedule is over, read from the chain first and the rows second."""

from collections import defaultdict
from typing import Any

from tests.fault.simulation.violated import Violated
from tests.fault.simulation.world import World

FEE_STEP = (9, 8)  # a replacement pays an eighth more, on both fees


def unfinished(world: World) -> list[str]:
    """Payouts that must still move although nobody pauses their treasury, or another reason to continue."""
    asked = len(world.database.rows("SELECT FROM payouts"))
    if asked + len(world.refused) < len(world.wanted):
        return ["not asked for yet"]
    if world.database.rows("SELECT FROM signers WHERE status = 'draining'"):
        return ["a key drains"]
    if world.healed and _waits(world):
        return ["people are still at work, or a hold should end"]
    rows = world.database.rows(
        "SELECT source_id FROM payouts p JOIN treasuries t ON t.name = p.treasury "
        "WHERE state IN ('REQUESTED', 'APPROVED', 'RESERVED', 'IN_FLIGHT') "
        "AND (t.paused_at IS NULL OR state = 'IN_FLIGHT' AND EXISTS (SELECT FROM payout_slots s "
        "WHERE s.payout_id = p.id AND s.state = 'MINED'))"
    )
    return [source for (source,) in rows]


def _waits(world: World) -> bool:
    """True while a payout waits for people whom this schedule has."""
    if world.plan.resumed and world.database.rows(
        "SELECT FROM treasuries WHERE paused_at IS NOT NULL UNION ALL SELECT FROM payouts WHERE state = 'QUARANTINED' "
        "UNION ALL SELECT FROM signers WHERE rebuild_asked_at IS NOT NULL "
        "UNION ALL SELECT FROM payout_slots WHERE state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN')"
    ):
        return True
    return any(
        state == "HELD" and reason in world.plan.released | world.plan.ends_alone and source not in world.kept_held
        for source, (_, state, reason) in world.payouts().items()
    )


def check(world: World) -> None:
    """Raises Violated with the first rule that does not hold."""
    for treasury in list(world.frozen):
        world.check_frozen(treasury)
    for member in list(world.barred):
        world.check_barred(member)
    if world.stopped:
        raise Violated(world.stopped[0])
    _each_paid_once(world)
    _started(world)
    _explained(world)
    _ledger(world)
    _slots(world)
    _attempts(world)
    _agreed(world)
    _comps(world)


def _each_paid_once(world: World) -> None:
    """Chain transfers equal paid payouts, in recipient and micro-USDT, and there are no others."""
    ours = {key.address for key in world.keys.by_name.values()}
    moved: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for _, tx, sender, recipient, amount in world.network.transfers():
        if sender in ours and amount and tx.hash not in world.stolen:
            moved[recipient].append((amount, tx.hash))
    foreign = world.stolen_to
    rows = world.database.rows(
        "SELECT source_id, lower(recipient_address), amount, state::text, transaction_hash FROM payouts"
    )
    for source, recipient, amount, state, paid_hash in rows:
        found = moved.pop(recipient, [])
        if len(found) > 1:
            raise Violated(f"paid twice: {source} has {len(found)} transfers")
        if found and state != "PAID" and not (state == "QUARANTINED" or _is_paused(world, source)):
            raise Violated(f"paid and not called so: {source} is {state}")
        if state == "PAID" and found != [(int(amount), paid_hash)]:
            raise Violated(f"called paid and not so on the chain: {source}, {found}")
    for recipient, found in moved.items():
        if recipient not in foreign:
            raise Violated(f"a transfer that nobody has promised: {found} to {recipient}")


def _started(world: World) -> None:
    """No payout waits longer for its nonce than the schedule allows."""
    if not world.plan.starts_within:
        return
    if late := world.database.rows(
        "SELECT source_id, min(allocated_at) - requested_at FROM payouts p JOIN payout_slots s ON s.payout_id = p.id "
        f"GROUP BY p.id HAVING min(allocated_at) - requested_at > interval '{world.plan.starts_within} seconds'"
    ):
        raise Violated(f"waited too long for a nonce: {late}")


def _is_paused(world: World, source: str) -> bool:
    return bool(
        world.database.rows(
            f"SELECT FROM payouts p JOIN treasuries t ON t.name = p.treasury WHERE source_id = '{source}' "
            "AND paused_at IS NOT NULL"
        )
    )


def _explained(world: World) -> None:
    """An unpaid payout is held for a reason of this schedule, or its treasury is paused for one."""
    plan = world.plan
    paused = {name for (name,) in world.database.rows("SELECT name FROM treasuries WHERE paused_at IS NOT NULL")}
    if paused and not plan.may_pause:
        raise Violated(f"nothing has happened that pauses {sorted(paused)}")
    treasury = {it.source: it.promise.treasury for it in world.wanted}
    for source, (_, state, reason) in sorted(world.payouts().items()):
        if (
            state == "PAID"
            or (state == "HELD" and reason in plan.may_hold)
            or (state == "CANCELLED" and plan.may_cancel)
        ):
            continue
        if treasury[source] in paused:
            continue
        raise Violated(f"{source} is {state} {reason or ''}, and nothing explains it")


def _ledger(world: World) -> None:
    rows = world.database.rows
    if wrong := rows("SELECT journal_id FROM ledger_postings GROUP BY journal_id HAVING sum(amount) <> 0"):
        raise Violated(f"I12: journals {wrong} do not balance")
    balances = {
        account: int(total) for account, total in rows("SELECT account, sum(amount) FROM ledger_postings GROUP BY 1")
    }
    kept = {
        account: int(total) for account, total in rows("SELECT account, sum(balance) FROM ledger_balances GROUP BY 1")
    }
    if {k: v for k, v in balances.items() if v} != {k: v for k, v in kept.items() if v}:
        raise Violated(f"the balances kept are not those of the postings: {kept} and {balances}")
    expected: defaultdict[str, int] = defaultdict(int)
    for treasury, state, amount, reserved in rows(
        "SELECT treasury, state::text, amount, payout_reserved(payouts) FROM payouts "
        "WHERE NOT (source_kind = 'rotation' AND state = 'PAID')"  # money handed to the next key stays the treasury's
    ):
        if state == "PAID":
            expected[f"paid:{treasury}"] += int(amount)
            expected[f"treasury:{treasury}"] -= int(amount)
        elif state in ("RESERVED", "IN_FLIGHT", "QUARANTINED") or reserved:
            expected[f"in_flight:{treasury}"] += int(amount)
            expected[f"treasury:{treasury}"] -= int(amount)
    have = {
        name: total
        for name, total in balances.items()
        if name.split(":")[0] in ("paid", "in_flight", "treasury") and total
    }
    if have != {name: total for name, total in expected.items() if total}:
        raise Violated(f"the ledger is not what the states say: {have} and {dict(expected)}")


def _slots(world: World) -> None:
    """Nonces are contiguous from 0, with one open slot per payout and one that pays it."""
    for address, following, count, highest in world.database.rows(
        "SELECT address, next_nonce, count(s.nonce), coalesce(max(s.nonce), -1) "
        "FROM signers LEFT JOIN payout_slots s ON s.signer = address GROUP BY 1, 2"
    ):
        if int(count) != int(following) or int(highest) != int(following) - 1:
            raise Violated(f"I5: {address} has {count} slots up to {highest}, its next nonce is {following}")
        used = world.network.head.state.nonces.get(str(address).lower(), 0)
        if used > int(following) and not world.plan.may_pause:
            raise Violated(f"the chain has {used} nonces of {address}, the tables {following}")
    if twice := world.database.rows(
        "SELECT payout_id FROM payout_slots WHERE state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN') "
        "AND payout_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1"
    ):
        raise Violated(f"I6: {twice} have two open slots")


def _attempts(world: World) -> None:
    """Each attempt has its payout's terms, and each replacement pays an eighth more than the highest before."""
    last: dict[tuple[str, int], tuple[int, int]] = {}
    over, under = FEE_STEP
    rows: list[list[Any]] = world.database.rows(
        "SELECT a.signer, a.nonce, a.kind, fee_per_gas_wei_max, priority_fee_per_gas_wei_max, a.recipient_address, "
        "a.amount, p.recipient_address, p.amount, a.hash FROM payout_attempts a "
        "JOIN payout_slots s USING (signer, nonce) LEFT JOIN payouts p ON p.id = s.payout_id "
        "WHERE a.origin = 'signed' ORDER BY 1, 2, a.position"
    )
    for signer, nonce, kind, fee, tip, recipient, amount, meant, promised, hash_ in rows:
        before = last.get((signer, nonce))
        if before and (int(fee) * under < before[0] * over or int(tip) * under < before[1] * over):
            raise Violated(f"R3: {hash_[:10]} replaces nonce {nonce} and does not pay an eighth more")
        last[signer, nonce] = max(int(fee), before[0] if before else 0), max(int(tip), before[1] if before else 0)
        if kind == "PAY" and (recipient.lower(), int(amount)) != (meant.lower(), int(promised)):
            raise Violated(f"I8: {hash_[:10]} is not its payout")
        sent = world.broadcast.get(hash_)
        if sent and kind == "PAY" and sent.transfer != (recipient.lower(), int(amount)):
            raise Violated(f"I8: the bytes of {hash_[:10]} are not its row")


def _agreed(world: World) -> None:
    """A payout above the machine's own limit left only after two people approved, neither of whom had requested it."""
    if alone := world.database.rows(
        "SELECT source_id FROM payouts p WHERE source_kind <> 'rotation' AND state NOT IN ('REQUESTED', 'HELD', "
        "'CANCELLED') AND amount > (SELECT (value -> treasury ->> 'single')::bigint * 1000000 FROM settings "
        "WHERE name = 'payout_limits') AND 2 > (SELECT count(DISTINCT approver_id) FROM payout_approvals a "
        "WHERE a.payout_id = p.id AND approver_id IS DISTINCT FROM requested_by)"
    ):
        raise Violated(f"F32: {alone} left without two people")


def _comps(world: World) -> None:
    """A comp agrees with its payout; its member was told once, and the totals are the sums."""
    if unlike := world.database.rows(
        "SELECT c.id, c.status, p.state FROM comps c LEFT JOIN payouts p ON p.source_id = c.id::text "
        "WHERE (c.status = 'paid') <> (p.state IS NOT DISTINCT FROM 'PAID') "
        "OR (c.status = 'cancelled') <> (coalesce(p.state, 'CANCELLED') = 'CANCELLED') "
        "OR (c.status = 'paid' AND c.transaction_hash <> p.transaction_hash) "
        "OR (c.status = 'paid' AND 1 <> (SELECT count(*) FROM wallet_transactions w WHERE w.comp_id = c.id)) "
        "OR 1 <> (SELECT count(*) FROM notifications n WHERE n.dedupe_key = 'comp-awarded:' || c.id)"
    ):
        raise Violated(f"comps are not what their payouts are: {unlike}")
    if wrong := world.database.rows(
        "SELECT member_id FROM member_totals t WHERE lifetime_comps <> (SELECT coalesce(sum(amount), 0) FROM comps c "
        "WHERE c.member_id = t.member_id AND status <> 'cancelled') OR comps_paid <> (SELECT coalesce(sum(amount), 0) "
        "FROM comps c WHERE c.member_id = t.member_id AND status = 'paid')"
    ):
        raise Violated(f"the totals of {wrong} are not the sums of their comps")
