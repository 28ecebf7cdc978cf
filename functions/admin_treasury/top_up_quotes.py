"""Asks Stargate about a top-up before the transaction, so that no transaction waits for a node."""

from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from functions.admin_treasury import rules, top_up_records
from functions.admin_treasury.top_up_records import TopUpRow
from shared import db, log
from shared.payouts import treasuries
from shared.payouts.treasuries import Key
from shared.ports import stargate
from shared.ports.polygon import nodes
from shared.ports.polygon.failures import ChainFailure, NodeRefused
from shared.ports.polygon.rpc import within
from shared.ports.stargate import Bridge
from shared.values import stargate as calls
from shared.values.fields import Body, EvmAddress, Money, Reason, SixDigits
from shared.values.finality import NO_BLOCK
from shared.values.money import ZERO, Usdt
from shared.values.states import SignerStatus, TopUpState

ToppedUp = Literal["member", "affiliate", "wholesale"]  # buyers alone pay into the shop
QUOTE_PROBLEMS = (rules.ChainNotReadable, rules.TopUpNotQuoted, rules.TopUpsNotConfigured)
CHANGING = (TopUpState.REQUESTED, TopUpState.PREPARED)


class TopUpOrder(Body):
    """The amount that leaves the wallet on the source chain, that wallet (in the capitals of EIP-55), the reason, and a
    code of the requester's own app.
    """

    pool: ToppedUp
    amount: Money
    source_address: EvmAddress
    reason: Reason
    totp: SixDigits


class TopUpPreparation(Body):
    """The top-up, and a code of the admin's own app."""

    top_up_id: Annotated[UUID, Field(strict=False)]
    totp: SixDigits


@dataclass(frozen=True)
class Quoted:
    """The treasury's key, what Stargate says, and the newest final block of the treasuries' chain."""

    bridge: Bridge
    key: Key
    received: Usdt
    fee_wei: int
    home_block: int


@dataclass(frozen=True)
class Anew:
    """Stargate's answers of this moment about a top-up; `quoted` is None if none waits for transactions."""

    quoted: Usdt | None
    fee_wei: int
    allowance: Usdt


def read_quote(body: TopUpOrder) -> Quoted:
    """Ask Stargate about the order. Raises QUOTE_PROBLEMS and TransferAmountNotPositive."""
    if body.amount <= ZERO:
        raise rules.TransferAmountNotPositive
    bridge = _bridge()
    key = next(
        it for it in db.atomically(treasuries.keys) if it.treasury == body.pool and it.status == SignerStatus.ACTIVE
    )
    try:
        with within(rules.BRIDGE_SECONDS_MAX):
            home = nodes.connect()
            home.require(key.chain_id)
            stargate.require_token(home, bridge.route.stargate_home_contract, key.token_address)
            final = home.final()
            told = bridge.quote(key.address, body.amount.micro)
    except NodeRefused:
        raise rules.TopUpNotQuoted from None
    except ChainFailure as failure:
        raise _unreadable(failure) from None
    if final.number == NO_BLOCK:
        raise rules.ChainNotReadable
    if not told.least_micro <= body.amount.micro <= told.most_micro or told.received_micro <= 0:
        raise rules.TopUpNotQuoted(least=Usdt(told.least_micro).decimal, most=Usdt(told.most_micro).decimal)
    return Quoted(bridge, key, Usdt(told.received_micro), calls.fee_of(told.fee_wei), max(final.number, NO_BLOCK))


def read_anew(body: TopUpPreparation) -> Anew:
    """Ask Stargate about a top-up again, because its fee changes. Raises QUOTE_PROBLEMS."""
    bridge = _bridge()
    found = db.atomically(top_up_records.top_up, body.top_up_id)
    if found is None or found.state not in CHANGING:
        return Anew(None, 0, ZERO)
    if not _is_of(found, bridge):
        raise rules.TopUpsNotConfigured
    try:
        with within(rules.BRIDGE_SECONDS_MAX):
            told = bridge.quote(found.to_address, found.amount.micro)
            held = bridge.allowance(found.source_address)
    except NodeRefused:
        raise rules.TopUpNotQuoted from None
    except ChainFailure as failure:
        raise _unreadable(failure) from None
    return Anew(Usdt(told.received_micro), calls.fee_of(told.fee_wei), Usdt(min(held, found.amount.micro)))


def _bridge() -> Bridge:
    bridge = stargate.connect()
    if bridge is None:
        raise rules.TopUpsNotConfigured
    return bridge


def _unreadable(failure: ChainFailure) -> rules.ChainNotReadable:
    log.warning("the source chain cannot be read", reason=f"{type(failure).__name__}: {failure}")
    return rules.ChainNotReadable()


def _is_of(found: TopUpRow, bridge: Bridge) -> bool:
    """True if the top-up was asked for on the chain and contract that are configured now."""
    route = bridge.route
    asked = (found.source_chain_id, found.source_contract, found.source_token, found.home_eid)
    return asked == (route.stargate_chain_id, route.stargate_contract, route.stargate_usdt, route.stargate_home_eid)
