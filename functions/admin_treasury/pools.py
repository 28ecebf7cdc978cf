"""The pools: what each has on the chain and in the books, how long it lasts; pause, resume, alerts."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from functions.admin_treasury import records, rules, store
from functions.admin_treasury.common import SECOND_FACTOR, Reason, Totp, Treasurer, api
from shared import audit, db, ledger, payouts, treasuries
from shared import totp as second_factor
from shared.audit import Action
from shared.db import Tx
from shared.fields import Body, Listing, Money, Reply
from shared.http import Client
from shared.money import ZERO, Usdt
from shared.ports import nodes
from shared.ports.nodes import Look, NodeRefused, NodeSilent
from shared.problems import NotFound, NotValid
from shared.treasuries import CRITICAL_PAYOUTS, TREASURIES, Key

WEI = Annotated[str, Field(pattern=r"^[0-9]{1,30}$")]


class PoolPause(Body):
    """Why nothing more is to be signed."""

    reason: Reason


class PoolResumption(Body):
    """What was found out, and a code of the authenticator app."""

    reason: Reason
    totp: Totp


class PoolThresholds(Body):
    """Below which balances people are woken: USDT, and the chain's own coin in wei."""

    usdt: Money
    gas_wei: WEI


class NodeView(Reply):
    """What one node says; `fault` is why it says nothing. Amounts are of all the pool's keys at the common block."""

    node: int
    latest: int | None
    finalized: int | None
    balance: Money | None
    gas_wei: str | None
    fault: str | None


class PoolOnChain(Reply):
    """At a block that is final for every node. `balance` is null unless all nodes say the same; `fault` tells why."""

    block_number: int | None
    block_hash: str | None
    balance: Money | None
    gas_wei: str | None
    fault: str | None
    nodes: list[NodeView]


class PoolLedger(Reply):
    """The books: `free` is not promised to a payout, `in_flight` is set aside, `owed` is promised and not set aside."""

    free: Money
    in_flight: Money
    owed: Money
    paid: Money


class PoolCount(Reply):
    """Payouts of a status."""

    status: str
    payouts: int
    amount: Money


class PoolLimits(Reply):
    """What the policy lets go by itself, and how much of it is used: of this UTC day, and of the last sixty minutes."""

    single: Money
    day: Money
    hour: Money
    used_day: Money
    used_hour: Money


class PoolForecast(Reply):
    """How many payouts of the average amount the USDT covers, and how many the gas covers at the present price."""

    average_payout: Money | None
    gas_price_wei: str | None
    by_usdt: int | None
    by_gas: int | None


class PoolAlert(Reply):
    """`level` is ok, low (below a threshold) or critical (hardly any payout is covered)."""

    level: str
    usdt_threshold: Money
    gas_wei_threshold: str
    usdt_low_since: datetime | None
    gas_low_since: datetime | None


class TreasuryPool(Reply):
    """A treasury. `address` is the key that pays; a draining one is not named but counted."""

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


class PoolState(Reply):
    """Whether a treasury signs."""

    pool: str
    paused_at: datetime | None
    pause_reason: str | None


class Chain:
    """What the nodes say, read before the transaction begins."""

    def __init__(self, look: Look, gas_price_wei: int | None) -> None:
        self.look = look
        self.gas_price_wei = gas_price_wei


def ask_nodes() -> Chain:
    """All treasuries' keys at once. A node that does not answer is part of the answer."""
    keys = db.atomically(treasuries.keys)
    asked = nodes.connect()
    try:
        price = asked.gas_price_wei()
    except (NodeSilent, NodeRefused):
        price = None
    return Chain(asked.look(keys[0].token_address, [key.address for key in keys]), price)


@api.get("/v1/admin/treasury/pools", before=ask_nodes)
def list_treasury_pools(tx: Tx, admin: Treasurer, chain: Chain, now: datetime) -> Listing[TreasuryPool]:
    """All three on one page."""
    keys = treasuries.keys(tx)
    shown = [_pool(tx, name, [key for key in keys if key.treasury == name], chain, now) for name in TREASURIES]
    return Listing[TreasuryPool](items=shown, next_cursor=None)


@api.post("/v1/admin/treasury/pools/{pool}/pause")
def pause_treasury(tx: Tx, admin: Treasurer, pool: str, body: PoolPause, client: Client, now: datetime) -> PoolState:
    """At once: nothing more is signed. What is out may still land. Harmless twice; the first reason stays."""
    if payouts.pause(tx, _named(pool), body.reason, now):
        audit.record(tx, admin, client, Action("treasury.pause", "treasury", pool, {"reason": body.reason}), now)
    return PoolState(**vars(store.pool_state(tx, pool)))


@api.post("/v1/admin/treasury/pools/{pool}/resume", problems=(rules.FindingsOpen, rules.PoolNotPaused, *SECOND_FACTOR))
def resume_treasury(
    tx: Tx, admin: Treasurer, pool: str, body: PoolResumption, client: Client, now: datetime
) -> PoolState:
    """Sign again. What the pause held back is looked at by the next sweep."""
    second_factor.spend(tx, admin.id, body.totp, now)
    paused = store.pool_state(tx, _named(pool))
    if findings := store.findings_open(tx, pool):
        raise rules.FindingsOpen(findings=findings)
    if not payouts.resume(tx, pool, now):
        raise rules.PoolNotPaused
    changes = {"reason": body.reason, "paused_because": paused.pause_reason}
    audit.record(tx, admin, client, Action("treasury.resume", "treasury", pool, changes), now)
    return PoolState(**vars(store.pool_state(tx, pool)))


@api.put("/v1/admin/treasury/pools/{pool}/alerts")
def set_treasury_alerts(
    tx: Tx, admin: Treasurer, pool: str, body: PoolThresholds, client: Client, now: datetime
) -> PoolAlert:
    """Change the thresholds; a balance that is below the new one is told at the next full hour."""
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
    (active,) = [key for key in own if key.status == "active"]
    state = store.pool_state(tx, name)
    on_chain = _on_chain(own, chain.look)
    in_flight = ledger.balance(tx, f"in_flight:{name}")
    average = treasuries.average_payout(tx, name)
    free = (on_chain.balance or ZERO) - in_flight
    gas_wei = int(on_chain.gas_wei or 0)
    forecast = treasuries.forecast(free, average, gas_wei, chain.gas_price_wei)
    known = on_chain.balance is not None
    return TreasuryPool(
        pool=name,
        address=active.address,
        chain_id=active.chain_id,
        token_address=active.token_address,
        paused_at=state.paused_at,
        pause_reason=state.pause_reason,
        chain=on_chain,
        ledger=PoolLedger(
            free=ledger.balance(tx, f"treasury:{name}"),
            in_flight=in_flight,
            owed=ledger.balance(tx, f"owed:{name}"),
            paid=ledger.balance(tx, f"paid:{name}"),
        ),
        open=[_counted(it) for it in store.open_payouts(tx, name)],
        limits=PoolLimits(**vars(store.limits(tx, name, now))),
        forecast=PoolForecast(
            average_payout=average,
            gas_price_wei=str(chain.gas_price_wei) if chain.gas_price_wei else None,
            by_usdt=forecast.by_usdt if known else None,
            by_gas=forecast.by_gas if known else None,
        ),
        alert=_alert(tx, name, forecast.payouts if known else None),
    )


def _counted(it: store.Count) -> PoolCount:
    return PoolCount(status=rules.status_of(it.state), payouts=it.payouts, amount=it.amount)


def _on_chain(own: list[Key], look: Look) -> PoolOnChain:
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
