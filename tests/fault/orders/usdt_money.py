"""The rules about USDT that hold once a schedule has ended: what came, what went back, and what is left of it."""

from collections import Counter
from collections.abc import Iterator

from tests.fault.orders.treasury import Treasury
from tests.fault.orders.world import World

DEPOSITS = """
    SELECT d.transaction_hash, d.log_index, came.amount, p.order_id, d.outcome,
           back.state IS NOT NULL AND back.state <> 'CANCELLED'
    FROM usdt_deposits d JOIN chain_transfers came USING (transaction_hash, log_index, direction)
    LEFT JOIN payments p ON p.id = d.payment_id
    LEFT JOIN payouts back ON back.id = d.transfer_id
"""
OWED = """
    SELECT owed.kind, owed.id, owed.order_id, owed.refund_to, owed.amount, owed.paid, p.state
    FROM (SELECT 'return' AS kind, r.id, r.amount, r.paid_at IS NOT NULL AS paid, q.refund_to, p.order_id
          FROM usdt_returns r JOIN usdt_requests q USING (payment_id) JOIN payments p ON p.id = q.payment_id
          UNION ALL
          SELECT 'refund', o.id, o.amount, o.status = 'succeeded', q.refund_to, p.order_id
          FROM payment_operations o JOIN usdt_requests q USING (payment_id) JOIN payments p ON p.id = q.payment_id
          WHERE o.kind = 'refund') owed
    LEFT JOIN payouts p ON p.source_kind = 'refund' AND p.source_id = CAST(owed.id AS text)
"""
MANUAL = """
    SELECT recipient_address, amount FROM payouts JOIN manual_transfers ON payout_id = payouts.id WHERE state = 'PAID'
"""


def broken(world: World, treasury: Treasury) -> Iterator[str]:
    """Every rule about USDT that the world breaks, in words."""
    yield from _deposits(world, treasury)
    yield from _requests(world)
    yield from _sent(world, treasury)
    yield from _books(world, treasury)


def kept(world: World, treasury: Treasury) -> Counter[str]:
    """The USDT that has come for each order on the chain, less what went back and the excess that was kept."""
    came = {(it.transaction_hash, it.log_index): it.amount_micro for it in treasury.nodes.deposits}
    found: Counter[str] = Counter()
    for transfer, index, _, order, _, _ in world.database.rows(DEPOSITS):
        if order:
            found[str(order)] += came.get((transfer, index), 0)
    for _, _, order, _, amount, paid, _ in world.database.rows(OWED):
        found[str(order)] -= amount if paid else 0
    for order, excess in world.database.rows(
        "SELECT order_id, excess FROM usdt_requests JOIN payments ON payments.id = payment_id"
    ):
        found[str(order)] -= excess
    return found


def owed(world: World) -> int:
    """The returns that were not paid."""
    return sum(amount for kind, _, _, _, amount, paid, _ in world.database.rows(OWED) if kind == "return" and not paid)


def _deposits(world: World, treasury: Treasury) -> Iterator[str]:
    """Each transfer to the shop is one deposit: an order's, or sent back by people, or free; never two of these."""
    came = {(it.transaction_hash, it.log_index): it.amount_micro for it in treasury.nodes.deposits}
    found: Counter[tuple[str, int]] = Counter()
    for transfer, index, amount, order, outcome, goes_back in world.database.rows(DEPOSITS):
        found[transfer, index] += 1
        if came.get((transfer, index)) != amount:
            yield f"deposit {transfer} of {amount} is {came.get((transfer, index))} on the chain"
        if order and goes_back:
            yield f"deposit {transfer} is of order {order}, and people send it back"
        if order and not outcome:
            yield f"deposit {transfer} of order {order} is not booked"
    yield from (f"transfer {it[0]} is {found[it]} deposits" for it in came if found[it] != 1)


def _requests(world: World) -> Iterator[str]:
    """Everything that was received is charged, kept as a small excess, or goes back, and nothing more."""
    for payment, received, charged, excess, returned, counted, back in world.database.rows(
        "SELECT q.payment_id, received, charged, excess, returned, "
        "(SELECT coalesce(sum(amount), 0) FROM usdt_deposits d JOIN chain_transfers "
        "USING (transaction_hash, log_index, direction) WHERE d.payment_id = q.payment_id AND booked_at IS NOT NULL), "
        "(SELECT coalesce(sum(amount), 0) FROM usdt_returns r WHERE r.payment_id = q.payment_id) FROM usdt_requests q"
    ):
        if received != counted or returned != back or received != charged + excess + returned:
            yield f"of {payment} came {received}: charged {charged}, kept {excess}, {returned} goes back"


def _sent(world: World, treasury: Treasury) -> Iterator[str]:
    """Each refund, each return and each transfer of people has left once, to its wallet; nothing else has left."""
    gone = Counter((it.recipient, it.amount_micro) for it in treasury.chain.transfers())
    wanted: Counter[tuple[str, int]] = Counter()
    for kind, identity, _, wallet, amount, paid, state in world.database.rows(OWED):
        wanted[wallet.lower(), amount] += 1 if paid else 0
        if not paid:
            yield f"{kind} {identity} of {amount} is not paid, its payout is {state}"
    for wallet, amount in world.database.rows(MANUAL):
        wanted[wallet.lower(), amount] += 1
    for payment in gone | wanted:
        if gone[payment] != wanted[payment]:
            yield f"{payment[1]} has gone to {payment[0]} {gone[payment]} times instead of {wanted[payment]}"


def _books(world: World, treasury: Treasury) -> Iterator[str]:
    """The ledger has of the treasury what the chain has, nothing between, and the excess that was kept."""
    balances = Counter(
        dict(world.database.rows("SELECT account, sum(balance)::bigint FROM ledger_balances GROUP BY account"))
    )
    on_chain = treasury.chain.balance(treasury.address, len(treasury.chain.blocks) - 1)
    if balances["treasury:shop"] + balances["in_flight:shop"] != on_chain:
        yield f"treasury:shop is {balances['treasury:shop']}, the chain has {on_chain}"
    if balances["takings:usdt"]:
        yield f"{balances['takings:usdt']} is left on takings:usdt"
    ((excess,),) = world.database.rows("SELECT coalesce(sum(excess), 0)::bigint FROM usdt_requests")
    if balances["excess:shop"] != -excess:
        yield f"excess:shop is {balances['excess:shop']}, {excess} was kept"
