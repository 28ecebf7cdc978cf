"""The pools: their balances on the chain and in the books, how long they last; pause, resume, alerts."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from functions.admin_treasury import records, rules, store, top_up_records
from functions.admin_treasury.common import Treasurer, api
from functions.admin_treasury.store import PoolLimits, PoolState
from shared import db
from shared.credentials import totp as second_factor
from shared.credentials.totp import SECOND_FACTOR
from shared.db import Tx
from shared.ledger import journals
from shared.payouts import machine, recovery, treasuries
from shared.payouts.treasuries import CRITICAL_PAYOUTS, TREASURIES, Key
from shared.ports.polygon import nodes
from shared.ports.polygon.failures import ChainUnreachable
from shared.ports.polygon.nodes import BalancesAtBlock
from shared.ports.polygon.rpc import within
from shared.values import typed
from shared.values.fields import Body, Listing, Money, Reason, Reply, SixDigits
from shared.values.money import ZERO, Usdt
from shared.values.problems import NotFound, NotValid
from shared.values.states import SignerStatus
from shared.web import audit
from shared.web.audit import Action
from shared.web.http import Client

SHOP = "shop"  # buyers alone pay into it
Wei = Annotated[str, StringConstraints(max_length=typed.TYPED_MAX), AfterValidator(typed.wei)]


class PoolPause(Body):
    """The reason for the pause."""

    reason: Reason


class PoolResumption(Body):
    """The findings that allow the pool to sign again, and a code of the admin's authenticator app."""

    reason: Reason
    totp: SixDigits


class PoolThresholds(Body):
    """The balances below which people are alerted: in USDT, and in the chain's own coin in wei."""

    usdt: Money
    gas_wei: Wei


class NodeView(Reply):
    """The answer of one node; `fault` is why it gave none. Amounts are of all the pool's keys at the common block."""

    node: int
    latest: int | None
    finalized: int | None
    balance: Money | None
    gas_wei: str | None
    fault: str | None


class PoolOnChain(Reply):
    """The balances at a block that is final at every node. `balance` is null unless all nodes agree; `fault`
    tells why.
    """

    block_number: int | None
    block_hash: str | None
    balance: Money | None
    gas_wei: str | None
    fault: str | None
    nodes: list[NodeView]


class PoolLedger(Reply):
    """The books: `free` is promised to no payout, `in_flight` is set aside, `owed` is promised but not set aside."""

    free: Money
    in_flight: Money
    owed: Money
    paid: Money


class PoolCount(Reply):
    """The number and the sum of payouts of one status."""

    status: str
    payouts: int
    amount: Money


class PoolForecast(Reply):
    """How many payouts of the average amount the USDT covers, and how many the gas covers at the present price.

    `days_left` is how many days the USDT lasts by the average outflow of the last 28 days; `top_up_due` is whether
    these are fewer than the setting `top_up_days`. Both are null while the chain is not known or nothing flows out;
    nobody tops up the shop's treasury.
    """

    average_payout: Money | None
    gas_price_wei: str | None
    by_usdt: int | None
    by_gas: int | None
    daily_outflow: Money
    days_left: int | None
    top_up_due: bool | None


class PoolAlert(Reply):
    """The state of the alerts: `level` is ok, low (below a threshold) or critical (hardly any payout is covered)."""

    level: str
    usdt_threshold: Money
    gas_wei_threshold: str
    usdt_low_since: datetime | None
    gas_low_since: datetime | None


class TreasuryPool(Reply):
    """A treasury. `address` is the key that pays; a draining key is not shown, but its balance is counted."""

    pool: str
    address: str
    chain_id: int
    token_address: str
    paused_at: datetime | None
    pause_reason: str | None
    chain: PoolOnChain
    ledger: PoolLedger
    open: list[PoolCount]
    limits: PoolLimits
    forecast: PoolForecast
    alert: PoolAlert


class Chain:
    """The answers of the nodes, read before the transaction begins."""

    def __init__(self, look: BalancesAtBlock, gas_price_wei: int | None) -> None:
        self.look = look
        self.gas_price_wei = gas_price_wei


def ask_nodes() -> Chain:
    """Ask all nodes for the balances of all treasuries' keys. A node without an answer appears as such in the
    result.
    """
    keys = db.atomically(treasuries.keys)
    asked = nodes.connect()
    with within(rules.CHAIN_SECONDS_MAX):
        look = asked.look(keys[0].token_address, [key.address for key in keys])
        try:
            price = asked.gas_price_wei()
        except ChainUnreachable:
            price = None
    return Chain(look, price)


@api.get("/v1/admin/treasury/pools", before=ask_nodes)
def list_treasury_pools(tx: Tx, admin: Treasurer, chain: Chain, now: datetime) -> Listing[TreasuryPool]:
    """List all treasuries on one page."""
    keys = treasuries.keys(tx)
    shown = [_pool(tx, name, [key for key in keys if key.treasury == name], chain, now) for name in TREASURIES]
    return Listing[TreasuryPool](items=shown, next_cursor=None)


@api.post("/v1/admin/treasury/pools/{pool}/pause")
def pause_treasury(tx: Tx, admin: Treasurer, pool: str, body: PoolPause, client: Client, now: datetime) -> PoolState:
    """Pause a treasury: no new payment is signed from now on; sent transactions may still be mined. Harmless twice; the
    first reason stays.
    """
    if machine.pause(tx, _named(pool), body.reason, now):
        audit.record(tx, admin, client, Action("treasury.pause", "treasury", pool, {"reason": body.reason}), now)
    return store.pool_state(tx, pool)


@api.post(
    "/v1/admin/treasury/pools/{pool}/resume",
    problems=(rules.FindingsOpen, rules.PoolNotPaused, rules.QuestionsOpen, *SECOND_FACTOR),
)
def resume_treasury(
    tx: Tx, admin: Treasurer, pool: str, body: PoolResumption, client: Client, now: datetime
) -> PoolState:
    """Resume a paused treasury; the next sweep takes up the payouts that the pause held."""
    second_factor.spend(tx, admin.id, body.totp, now)
    paused = store.pool_state(tx, _named(pool))
    if findings := store.findings_open(tx, pool):
        raise rules.FindingsOpen(findings=findings)
    try:
        resumed = recovery.resume(tx, pool, now)
    except recovery.QuestionsOpen as refusal:
        raise rules.QuestionsOpen(questions=refusal.questions) from None
    if not resumed:
        raise rules.PoolNotPaused
    changes = {"reason": body.reason, "paused_because": paused.pause_reason}
    audit.record(tx, admin, client, Action("treasury.resume", "treasury", pool, changes), now)
    return store.pool_state(tx, pool)


@api.put("/v1/admin/treasury/pools/{pool}/alerts")
def set_treasury_alerts(
    tx: Tx, admin: Treasurer, pool: str, body: PoolThresholds, client: Client, now: datetime
) -> PoolAlert:
    """Change the thresholds; a balance below the new one raises an alert at the next full hour."""
    before = store.alerts(tx, _named(pool))
    if body.usdt < ZERO:
        raise NotValid(errors=[{"field": "/usdt", "message": "must not be negative"}])
    records.set_threshold(tx, pool, "usdt", body.usdt.micro)
    records.set_threshold(tx, pool, "gas", int(body.gas_wei))
    changes = {
        "before": {kind: str(it.threshold) for kind, it in before.items()},
        "after": body.model_dump(mode="json"),
    }
    audit.record(tx, admin, client, Action("treasury.alerts", "treasury", pool, changes), now)
    return _alert(tx, pool, None)


def _named(pool: str) -> str:
    if pool not in TREASURIES:
        raise NotFound
    return pool


def _pool(tx: Tx, name: str, own: list[Key], chain: Chain, now: datetime) -> TreasuryPool:
    (active,) = [key for key in own if key.status == SignerStatus.ACTIVE]
    state = store.pool_state(tx, name)
    on_chain = _on_chain(own, chain.look)
    in_flight = journals.balance(tx, f"in_flight:{name}")
    average = treasuries.average_payout(tx, name)
    free = (on_chain.balance or ZERO) - in_flight
    gas_wei = int(on_chain.gas_wei or 0)
    forecast = treasuries.forecast(free, average, gas_wei, chain.gas_price_wei)
    known = on_chain.balance is not None
    due = top_up_records.due(tx, name, now)
    days_left = rules.days_left(free, due.daily_outflow) if known else None
    return TreasuryPool(
        pool=name,
        address=active.address,
        chain_id=active.chain_id,
        token_address=active.token_address,
        paused_at=state.paused_at,
        pause_reason=state.pause_reason,
        chain=on_chain,
        ledger=PoolLedger(
            free=journals.balance(tx, f"treasury:{name}"),
            in_flight=in_flight,
            owed=journals.balance(tx, f"owed:{name}"),
            paid=journals.balance(tx, f"paid:{name}"),
        ),
        open=[_counted(it) for it in store.open_payouts(tx, name)],
        limits=store.limits(tx, name, now),
        forecast=PoolForecast(
            average_payout=average,
            gas_price_wei=str(chain.gas_price_wei) if chain.gas_price_wei else None,
            by_usdt=forecast.by_usdt if known else None,
            by_gas=forecast.by_gas if known else None,
            daily_outflow=due.daily_outflow,
            days_left=days_left,
            top_up_due=None if days_left is None or name == SHOP else days_left < due.days_min,
        ),
        alert=_alert(tx, name, forecast.payouts if known else None),
    )


def _counted(it: store.Count) -> PoolCount:
    return PoolCount(status=rules.status_of(it.state), payouts=it.payouts, amount=it.amount)


def _on_chain(own: list[Key], look: BalancesAtBlock) -> PoolOnChain:
    addresses = [key.address for key in own]
    agreed = look.agreed
    return PoolOnChain(
        block_number=look.block.number if look.block else None,
        block_hash=look.block.hash if look.block else None,
        balance=Usdt(sum(agreed[it].usdt_micro for it in addresses)) if agreed else None,
        gas_wei=str(sum(agreed[it].gas_wei for it in addresses)) if agreed else None,
        fault=look.fault,
        nodes=[
            NodeView(
                node=view.number,
                latest=view.latest,
                finalized=view.finalized,
                balance=Usdt(sum(view.holdings[it].usdt_micro for it in addresses)) if view.holdings else None,
                gas_wei=str(sum(view.holdings[it].gas_wei for it in addresses)) if view.holdings else None,
                fault=view.fault,
            )
            for view in look.views
        ],
    )


def _alert(tx: Tx, pool: str, payouts_covered: int | None) -> PoolAlert:
    alerts = store.alerts(tx, pool)
    usdt, gas = alerts["usdt"], alerts["gas"]
    below = bool(usdt.crossed_at or gas.crossed_at)
    return PoolAlert(
        level=rules.alert_level(below=below, payouts=payouts_covered, critical=CRITICAL_PAYOUTS),
        usdt_threshold=Usdt(usdt.threshold),
        gas_wei_threshold=str(gas.threshold),
        usdt_low_since=usdt.crossed_at,
        gas_low_since=gas.crossed_at,
    )
