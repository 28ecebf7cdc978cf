"""Measures what follows an order: from its birth to its confirmation at a steady rate, and the provider's webhooks."""

import http.client
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus

from emulators.bench import calls, load
from emulators.bench.calls import Call
from emulators.bench.load import Plan
from emulators.bench.shop_world import Shop
from emulators.bench.throughput import WrongAnswers
from emulators.stack import Stack

SENDERS = 32
ANSWER_SECONDS_MAX = 30.0
SETTLED_SECONDS_MAX = 600.0
LOOK_SECONDS = 0.25
ORDERS_PER_SECOND = 100
WEBHOOK_CLIENTS = 8
WEBHOOK_SECONDS_MAX = 180.0
COPIES = 10
SEED = 1


@dataclass(frozen=True)
class Confirmed:
    """Orders at a steady rate, and the milliseconds from their creation to their confirmation."""

    orders: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class End:
    """The end that deliveries have come to: orders by state, operations by kind and status, and the dollars of totals
    that were not captured. Confirmed orders count as such however far they have gone since.
    """

    states: Mapping[str, int]
    operations: Mapping[str, int]
    not_captured: float
    deliveries_kept: int


@dataclass(frozen=True)
class Delivered:
    """A run of deliveries, with the milliseconds until they were answered."""

    deliveries: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    end: End


class NotSettled(Exception):
    """Raised when orders have not come to their end in time."""


def confirmed(shop: Shop, port: int, headers: Mapping[str, str], rate: int, seconds: int) -> Confirmed:
    """Order at a steady rate and wait until all orders are confirmed. Raises WrongAnswers, NotSettled."""
    requests = [checkout.call(headers) for checkout in shop.checkouts(rate * seconds)]
    began = time.perf_counter()
    ids = _paced(port, requests, rate)
    per_second = len(ids) / (time.perf_counter() - began)
    _wait(lambda: _confirmed(shop, ids) == len(ids), "not all orders are confirmed")
    ((p50, p95, p99),) = shop.rows(
        """
        SELECT percentile_disc(ARRAY[0.5, 0.95, 0.99])
               WITHIN GROUP (ORDER BY extract(epoch FROM confirmed_at - placed_at) * 1000)
        FROM orders WHERE id = ANY(CAST($1 AS uuid[]))
        """,
        ids,
    )[0]
    return Confirmed(len(ids), round(per_second, 1), *(round(float(each), 1) for each in (p50, p95, p99)))


def delivered(
    shop: Shop, stack: Stack, port: int, headers: Mapping[str, str], webhooks: int, *, orders: int, shuffled: bool
) -> Delivered:
    """Authorize orders without an answer, and deliver the provider's webhooks about them to the port `webhooks`.

    In their order each is delivered once; shuffled, COPIES times. Nothing else wakes the orders: the sweep, which would
    look for answers that are missing, is put off. Raises WrongAnswers, NotSettled.
    """
    card = stack.vendors.card
    card.webhooks.lost = True  # none comes by itself
    told_before = len(card.webhooks.told())
    ids = _paced(port, [each.call(headers, card="silent-done") for each in shop.checkouts(orders)], ORDERS_PER_SECOND)

    def all_told() -> bool:
        _put_off(shop)
        return len(card.webhooks.told()) - told_before >= orders

    _wait(all_told, "not all cards are authorized")
    _put_off(shop)
    bodies = [body for body in card.webhooks.told()[told_before:] if json.loads(body)["type"] == "authorize.succeeded"]
    kept_before = _kept(shop)
    deliveries = [body for body in bodies for _ in range(COPIES if shuffled else 1)]
    if shuffled:
        random.Random(SEED).shuffle(deliveries)  # noqa: S311 - an order of deliveries is no secret
    own = calls.gateway_headers(stack, "webhooks")
    texts = [
        Call(
            "POST", "/v1/webhooks/payments/card", {**own, **_signature(card.webhooks.signed(body))}, body.decode()
        ).text
        for body in deliveries
    ]
    made = load.run(Plan(webhooks, WEBHOOK_CLIENTS, WEBHOOK_SECONDS_MAX, texts))
    if made.statuses != {"200": len(deliveries)}:
        raise WrongAnswers(f"webhooks answered {made.statuses}")
    _wait(lambda: _confirmed(shop, ids) == len(ids), "not all orders are confirmed")
    answers = sorted(made.milliseconds)
    p50, p95, p99 = (answers[len(answers) * percentile // 100] for percentile in (50, 95, 99))
    end = _end(shop, ids, _kept(shop) - kept_before)
    card.webhooks.lost = False
    return Delivered(len(deliveries), round(len(deliveries) / made.seconds, 1), p50, p95, p99, end)


def _paced(port: int, requests: Sequence[Call], rate: int) -> list[str]:
    """Send requests at a steady rate, whether those before are answered or not; returns the orders' ids."""
    began = time.perf_counter()

    def send(number: int) -> str:
        time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS_MAX)
        call, kind = requests[number], {"Content-Type": "application/json"}
        try:
            connection.request(call.method, call.target, call.body, {**call.headers, **kind})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != HTTPStatus.CREATED:
            raise WrongAnswers(f"an order was answered {answer.status}: {body[:300]!r}")
        return str(json.loads(body)["id"])

    with ThreadPoolExecutor(SENDERS) as threads:
        return list(threads.map(send, range(len(requests))))


def _wait(is_done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + SETTLED_SECONDS_MAX
    while not is_done():
        if time.monotonic() > deadline:
            raise NotSettled(otherwise)
        time.sleep(LOOK_SECONDS)


def _put_off(shop: Shop) -> None:
    """Put off looking for the answers that are missing."""
    shop.rows(
        """
        UPDATE payment_operations SET look_at = now() + interval '1 hour'
        WHERE kind = 'authorize' AND status = 'sent' RETURNING 1
        """
    )


def _confirmed(shop: Shop, ids: Sequence[str]) -> int:
    """How many of the orders were confirmed; some have left the warehouse since."""
    query = "SELECT count(*) FROM orders WHERE id = ANY(CAST($1 AS uuid[])) AND confirmed_at IS NOT NULL"
    return int(shop.rows(query, list(ids))[0][0])


def _kept(shop: Shop) -> int:
    """How many messages about authorizations are kept."""
    query = """
        SELECT count(*) FROM webhook_deliveries JOIN payment_operations ON CAST(id AS text) = subject
        WHERE kind = 'authorize'
        """
    return int(shop.rows(query)[0][0])


def _end(shop: Shop, ids: Sequence[str], kept: int) -> End:
    orders = shop.rows(
        """
        SELECT CASE WHEN confirmed_at IS NULL THEN CAST(state AS text) ELSE 'confirmed' END, total_amount
        FROM orders WHERE id = ANY(CAST($1 AS uuid[]))
        """,
        list(ids),
    )
    operations = shop.rows(
        """
        SELECT kind || ' ' || operation.status, operation.amount
        FROM payment_operations operation JOIN payments ON payments.id = payment_id
        WHERE order_id = ANY(CAST($1 AS uuid[]))
        """,
        list(ids),
    )
    captured = sum(amount for name, amount in operations if name == "capture succeeded")
    return End(
        states=dict(Counter(state for state, _ in orders)),
        operations=dict(Counter(name for name, _ in operations)),
        not_captured=(sum(total for _, total in orders) - captured) / 1_000_000,
        deliveries_kept=kept,
    )


def _signature(headers: Mapping[str, str]) -> dict[str, str]:
    """The signature among a webhook's headers; `Call` has the content type of its own."""
    return {name: value for name, value in headers.items() if name.lower() != "content-type"}
