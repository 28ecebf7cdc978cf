"""`make bench-shop`: orders per second, the way to their confirmation, the provider's webhooks, and races.

A stack of its own with a durable Postgres is started; clients, functions, Postgres and stand-ins share the cores. Each
part says what it measures:

- orders: 32 clients order at the own door of `functions/orders` (as Cloud Run would run it) with a thousand and with a
  million old orders in the tables, in turns with pgbench, which writes the same rows one order after the other
  (shop_floor.py). Carts hold two products and have a quote. What the orders cause is not done meanwhile.
- races: 64 members order the last tin at once, and one cart is ordered 64 times at once.
- confirmed: orders come at 5, 10, 20 and 50 a second, and the jobs take them to their confirmation with the test
  provider. Ages are checked already. The time is from `placed_at` to `confirmed_at`. What follows a confirmation (the
  warehouse, mails, notices, pools, taxes) is done meanwhile, by the same cores.
- webhooks: 1,000 authorizations get no answer; the provider's webhooks about them are delivered in their order, and
  those about another 1,000 ten times each and shuffled. Both must come to the same end.

At last stock, provider and payments must say the same. `--quick` takes fewer of everything, `--only confirmed` measures
one part. Members get new tokens before the long parts, for a token lives fifteen minutes. Written to
.local/bench/shop.json: machine; orders, an entry per number of old orders with own_door, floor and ratio; flat (the
lowest rate over the highest); races; confirmed; webhooks (ordered, shuffled, same_end); aims.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

from emulators import cloud, contract
from emulators.bench import calls, door, load, processes, report, shop_flow, world
from emulators.bench.load import Load, Plan
from emulators.bench.shop_floor import OrderFloor
from emulators.bench.shop_world import RARE, Checkout, Shop
from emulators.bench.throughput import WrongAnswers
from emulators.bench.world import FOLDER, World
from emulators.pubsub import PubSub
from shared import clock

RESULT = FOLDER / "shop.json"
CLIENTS = 32
RATE_MAX = 800  # orders per second for which carts are prepared; a faster function is stopped earlier
WARM_ORDERS = 200
AT_ONCE = 64
RACE_SECONDS_MAX = 20
PERCENTILES = (50, 95, 99)
PARTS = ("orders", "races", "webhooks", "confirmed")
AIMS = {"own_door_per_second": 300, "floor_ratio_max": 3, "confirmed_p95_ms": 2_000, "webhook_p95_ms": 100,
        "race_p99_ms": 1_000}  # fmt: skip


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    old_orders: Sequence[int]
    seconds: int
    rounds: int
    races: int
    rates: Sequence[int]
    rate_seconds: int
    webhooks: int

    @property
    def members(self) -> int:
        """The members who are needed; each has one cart at a time."""
        return max(self.seconds * RATE_MAX, sum(self.rates) * self.rate_seconds + 2 * self.webhooks, WARM_ORDERS) + 2


FULL = Effort((1_000, 1_000_000), seconds=4, rounds=3, races=5, rates=(5, 10, 20, 50), rate_seconds=20, webhooks=1_000)
QUICK = Effort((1_000, 20_000), seconds=2, rounds=1, races=1, rates=(10,), rate_seconds=5, webhooks=50)


def main() -> None:
    """Run the benchmark, print its figures and write them."""
    parser = argparse.ArgumentParser(prog="python -m emulators.bench.shop")
    parser.add_argument("--quick", action="store_true", help="fewer of everything")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="these parts; the file keeps the others"
    )
    asked = parser.parse_args()
    before = json.loads(RESULT.read_text()) if asked.only != PARTS and RESULT.exists() else {}
    result = before | _measured(QUICK if asked.quick else FULL, asked.only, _teller())
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\nAll figures: {RESULT.relative_to(contract.ROOT)}")


def _measured(effort: Effort, parts: Sequence[str], tell: Callable[[str], None]) -> dict[str, Any]:
    with ExitStack() as stop:
        stack = stop.enter_context(world.started())
        machine = report.machine(stack.postgres.version)
        tell(f"the stack is up, {effort.members} members sign in")
        made = World(stack, effort.members)
        shop = Shop(made)
        bench = _Bench(made, shop, stop)
        tell("warming up")
        bench.order(shop.checkouts(WARM_ORDERS), CLIENTS)
        shop.clear()
        found: dict[str, Any] = {}

        def keep(name: str, figures: Any) -> None:
            """Print the figures of a part at once: a later part that fails takes nothing away."""
            found[name] = figures
            print(f"{name}: {json.dumps(figures)}", flush=True)

        if "orders" in parts:
            orders = [bench.orders(size, effort, tell) for size in effort.old_orders]
            keep("orders", orders)
            rates = [entry["own_door"]["per_second"] for entry in orders]
            keep("flat", round(min(rates) / max(rates), 3))
        if "races" in parts:
            keep("races", bench.races(effort.races, tell))
        bench.quiet.child.kill()
        shop.check_ages()
        stack.vendors.card.clear()
        forgotten = _captured(shop)  # a sweep may have had some paid, which the provider knows no more
        if "webhooks" in parts:
            made.sign_in_again()
            keep("webhooks", bench.webhooks(effort, tell))
        if "confirmed" in parts:
            made.sign_in_again()
            found["confirmed"] = list(bench.confirmed(effort, tell))
        keep("checks", _checks(made, shop, forgotten))
        machine["load_average_end"] = report.load_average()
    return {"machine": machine, "options": asdict(effort), **found, "aims": AIMS}


class _Bench:
    """The doors of the functions. At the one that is `quiet`, nobody is told of the tasks that orders leave behind."""

    def __init__(self, made: World, shop: Shop, stop: ExitStack) -> None:
        self._world, self._shop = made, shop
        silent = PubSub(made.stack.identity.mint)
        silent.start()
        stop.callback(silent.stop)
        cloud.make_topics(silent.host)
        functions = contract.functions()
        orders = door.target(functions["orders"])
        unheard = replace(orders, settings={**orders.settings, "PUBSUB_EMULATOR_HOST": silent.host})
        self.quiet, self._heard, self._webhooks = (
            stop.enter_context(door.opened(made.stack, target))
            for target in (unheard, orders, door.target(functions["webhooks"]))
        )
        for opened in (self.quiet, self._heard, self._webhooks):
            opened.wait()
        self._headers = calls.gateway_headers(made.stack, "orders")
        self._database = processes.child_running("postgres -D")

    def order(self, checkouts: Sequence[Checkout], clients: int, seconds: float = 30) -> Load:
        """Have clients place these orders at the quiet door."""
        texts = [checkout.call(self._headers).text for checkout in checkouts]
        return load.run(Plan(self.quiet.port, clients, seconds, texts))

    def orders(self, size: int, effort: Effort, tell: Callable[[str], None]) -> dict[str, Any]:
        """Orders per second with so many old orders in the tables, and the floor beside them."""
        tell(f"writing old orders up to {size:,}")
        self._shop.fill(size)
        floor = OrderFloor(self._world, effort.seconds * effort.rounds)
        own, below = [], []
        for turn in range(effort.rounds):
            tell(f"{size:,} old orders, round {turn + 1} of {effort.rounds}")
            own.append(self._own_door(effort.seconds))
            ran = floor.run(CLIENTS, effort.seconds, self._database)
            cpu = {"database_cpu_ms": 1000 * ran.database_cpu_seconds / len(ran.milliseconds)}
            below.append((len(ran.milliseconds) / effort.seconds, ran.milliseconds, cpu))
            self._shop.clear()
        ratios = [under[0] / rate[0] for rate, under in zip(own, below, strict=True)]
        return {"old_orders": size, "own_door": _figures(own), "floor": _figures(below),
                "ratio": round(median(ratios), 2), "ratio_max": round(max(ratios), 2)}  # fmt: skip

    def races(self, count: int, tell: Callable[[str], None]) -> dict[str, Any]:
        """The last tin and the same cart, each ordered by AT_ONCE clients at once."""
        last: list[float] = []
        same: list[float] = []
        for turn in range(count):
            tell(f"races, {turn + 1} of {count}")
            self._shop.leave(1)
            last += self._race(self._shop.checkouts(AT_ONCE, RARE))
            same += self._race(self._shop.checkouts(1) * AT_ONCE)
            self._shop.clear()
        return {"last_tin": _percentiles(last), "same_cart": _percentiles(same), "orders_each": 1, "at_once": AT_ONCE}

    def confirmed(self, effort: Effort, tell: Callable[[str], None]) -> Iterator[dict[str, Any]]:
        """From creation to confirmation at steady rates, one after the other, each when the last orders are done."""
        for rate in effort.rates:
            tell(f"{rate} orders a second for {effort.rate_seconds} s, to their confirmation")
            found = shop_flow.confirmed(self._shop, self._heard.port, self._headers, rate, effort.rate_seconds)
            print(f"confirmed: {json.dumps(asdict(found))}", flush=True)
            yield {"rate": rate, **asdict(found)}

    def webhooks(self, effort: Effort, tell: Callable[[str], None]) -> dict[str, Any]:
        """The provider's webhooks in their order, and shuffled with doubles."""
        runs = {}
        for name in ("ordered", "shuffled"):
            tell(f"webhooks about {effort.webhooks} payments, {name}")
            runs[name] = shop_flow.delivered(
                self._shop,
                self._world.stack,
                self._heard.port,
                self._headers,
                self._webhooks.port,
                orders=effort.webhooks,
                shuffled=name == "shuffled",
            )
        return {
            **{name: asdict(run) for name, run in runs.items()},
            "same_end": runs["ordered"].end == runs["shuffled"].end,
        }

    def _own_door(self, seconds: int) -> tuple[float, list[float], Mapping[str, float]]:
        """The rate, the milliseconds, and CPU per order."""
        checkouts = self._shop.checkouts(seconds * RATE_MAX)
        server, database = self.quiet.child.process.pid, self._database
        before, database_before = processes.cpu_seconds(server), processes.cpu_seconds(database)
        made = self.order(checkouts, CLIENTS, seconds)
        if set(made.statuses) != {"201"}:
            raise WrongAnswers(f"orders were answered {made.statuses}; see {self.quiet.child.log.parent}")
        count = len(made.milliseconds)
        cpu = {
            "function_cpu_ms": 1000 * (processes.cpu_seconds(server) - before) / count,
            "database_cpu_ms": 1000 * (processes.cpu_seconds(database) - database_before) / count,
            "load_cpu_ms": 1000 * made.cpu_seconds / count,
        }
        return count / made.seconds, made.milliseconds, cpu

    def _race(self, checkouts: Sequence[Checkout]) -> list[float]:
        made = self.order(checkouts, AT_ONCE, RACE_SECONDS_MAX)
        if made.statuses != {"201": 1, "409": AT_ONCE - 1}:
            raise WrongAnswers(f"a race was answered {made.statuses}")
        return made.milliseconds


def _figures(runs: Sequence[tuple[float, list[float], Mapping[str, float]]]) -> dict[str, Any]:
    rates = [rate for rate, _, _ in runs]
    cpu = {name: round(median(used[name] for _, _, used in runs), 2) for name in runs[0][2]}
    return {
        "per_second": round(median(rates), 1),
        "per_second_min": round(min(rates), 1),
        "per_second_max": round(max(rates), 1),
        **_percentiles([each for _, milliseconds, _ in runs for each in milliseconds]),
        **cpu,
    }


def _percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(milliseconds)
    return {f"p{percentile}_ms": ordered[len(ordered) * percentile // 100] for percentile in PERCENTILES}


def _captured(shop: Shop) -> int:
    """The micro-dollars of all payments that are captured."""
    ((captured,),) = shop.rows("SELECT coalesce(sum(amount), 0)::bigint FROM payments WHERE state = 'captured'")
    return int(captured)


def _checks(made: World, shop: Shop, forgotten: int) -> dict[str, Any]:
    """Stock, provider and payments say the same, but for what was captured before. Raises WrongAnswers."""
    differing = shop.rows(
        """
        SELECT sku FROM stock LEFT JOIN
            (SELECT sku, sum(promised - released - shipped) AS open FROM order_items GROUP BY sku) AS lines USING (sku)
        WHERE stock.promised <> coalesce(open, 0)
        """
    )
    captured = _captured(shop) - forgotten
    cents = made.stack.vendors.card.total("capture")
    if differing or captured != cents * 10_000:
        raise WrongAnswers(
            f"stock differs for {differing}; captured {captured} micro-dollars, the provider {cents} cents"
        )
    return {"captured": captured / 1_000_000, "stock_differs": 0, "at": clock.now().isoformat(timespec="seconds")}


def _teller() -> Callable[[str], None]:
    started = time.monotonic()
    return lambda line: print(f"{time.monotonic() - started:6.1f} s  {line}", flush=True)


if __name__ == "__main__":
    main()
