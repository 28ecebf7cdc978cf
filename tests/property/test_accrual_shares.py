"""The pools have exactly their percentages of the profit, after any orders and refunds, and none of what came back."""

from collections.abc import Mapping
from decimal import Decimal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.sale_accrue import rules
from functions.sale_accrue.rules import NO_SHARES, Sold
from shared.values.goods import dollars
from shared.values.money import ZERO, Usdt
from tests.fakes import accrual_rows, order_rows

POOLS = {"pool:member": Decimal("0.50"), "pool:affiliate": Decimal("0.05"), "pool:wholesale": Decimal("0.05")}
sold = st.builds(
    Sold,
    turnover=st.integers(0, 1_000_000).map(dollars),
    tins=st.integers(0, 200),
    cost_per_tin=st.integers(0, 2_000).map(dollars),
)
# Tins, what a tin costs in cents, and how many tins are refunded at a time, as long as there are so many.
orders = st.tuples(st.integers(1, 5), st.integers(0, 800), st.lists(st.integers(1, 3), max_size=3), st.booleans())


def shares(profit: Decimal) -> dict[str, Decimal]:
    """The shares of a profit, in dollars, that are not zero."""
    return {pool: profit * share for pool, share in POOLS.items() if profit}


@given(sold)
def test_shares_are_exactly_their_percentages_of_the_profit(one: Sold) -> None:
    profit = max(one.turnover.decimal - one.cost_per_tin.decimal * one.tins, Decimal(0))
    lines = rules.difference(NO_SHARES, rules.shares(rules.profit(one)))

    assert {name: amount.decimal for name, amount in lines.items() if name in POOLS} == shares(profit)
    assert sum(lines.values(), ZERO) == ZERO


@given(st.lists(sold, min_size=1, max_size=6))
def test_the_differences_of_any_sequence_add_up_to_its_end(sequence: list[Sold]) -> None:
    had, summed = NO_SHARES, dict[str, Usdt]()
    for one in sequence:
        has = rules.shares(rules.profit(one))
        for account, amount in rules.difference(had, has).items():
            summed[account] = summed.get(account, ZERO) + amount
        had = has
    assert {name: amount for name, amount in summed.items() if amount} == rules.difference(NO_SHARES, had)


def grown(before: Mapping[str, Usdt]) -> dict[str, Decimal]:
    """The growth of the pools since then, in dollars."""
    now = accrual_rows.pools()
    more = {pool: now.get(pool, ZERO) - before.get(pool, ZERO) for pool in POOLS}
    return {pool: amount.decimal for pool, amount in more.items() if amount}


def test_any_orders_and_refunds_leave_the_pools_their_shares_and_whole_refunds_leave_nothing(database: str) -> None:
    assert database
    order_rows.counted(2_000)

    @given(st.lists(orders, min_size=1, max_size=3))
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def check(given_orders: list[tuple[int, int, list[int], bool]]) -> None:
        before, profit, made = accrual_rows.pools(), Decimal(0), []
        for tins, cost, refunds, is_late in given_orders:
            order = accrual_rows.paid(tins, dollars(cost))
            made.append(order)
            left = tins
            for count in refunds:
                if not is_late:
                    accrual_rows.accrue(order.id)
                if count <= left:
                    accrual_rows.give_back_tins(order, count)
                    left -= count
            accrual_rows.accrue(order.id)
            profit += max(order_rows.PRICE.decimal - Decimal(cost) / 100, Decimal(0)) * left
        assert grown(before) == shares(profit)

        for order in made:
            accrual_rows.give_back(order)
            accrual_rows.accrue(order.id)
        assert grown(before) == {}

    check()
