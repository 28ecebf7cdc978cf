"""Breaks of how orders are paid, given back and booked, noticed by the schedules of `tests/fault/orders`."""

from tests.fault.simulation.edits import Edit, Mutant

SCHEDULES = "tests/fault/test_order_schedules.py"
PAYMENTS = "tests/integration/shop/test_order_payments.py"
MACHINE = "shared/orders/machine.py"
WATCH = "functions/payment_watch/main.py"
WATCH_RULES = "functions/payment_watch/rules.py"
BOOKS = "shared/orders/books.py"


def _mutant(name: str, path: str, old: str, new: str, tests: str = SCHEDULES) -> Mutant:
    return Mutant(f"order: {name}", (Edit(path, old, new),), tests=tests)


MUTANTS = (
    _mutant("asked before it is marked as sent", WATCH,
            "        store.mark_sent(tx, operation_id, now, now + rules.ANSWER_EXPECTED_IN)\n",
            "        pass\n", PAYMENTS),
    _mutant("no answer is a decline", WATCH,
            "operation_id=asked.id, kind=asked.kind, reason=str(silent))\n        return None\n",
            'operation_id=asked.id, kind=asked.kind, reason=str(silent))\n        return Declined("silent")\n'),
    _mutant("a forgotten key is asked again", WATCH_RULES,
            "KEY_LIFE = timedelta(hours=23)", "KEY_LIFE = timedelta(days=999)", PAYMENTS),
    _mutant("a buyer who never came back is not given up", WATCH,
            "            answer = card.abandon(asked.id)\n", "            pass\n",
        PAYMENTS,
    ),
    _mutant("an answer is recorded twice", WATCH,
            "    if operation.status is not OperationStatus.SENT:\n        return  # another",
            "    if operation.status is OperationStatus.RECORDED:\n        return  # another",
        PAYMENTS,
    ),
    _mutant("another amount is believed", WATCH,
            "    if isinstance(answer, Done) and answer.amount != operation.amount:\n",
            "    if isinstance(answer, Done) and answer.amount == -1:\n", PAYMENTS),
    _mutant("an order leaves while an answer is out", MACHINE,
            "    if payment.open_operation is not None:\n        return False  # it was sent",
            "    if payment.open_operation == order.id:\n        return False  # it was sent"),
    _mutant("held money is not let go of", MACHINE,
            "    if payment.state is PaymentState.AUTHORIZED:\n        _void(tx, payment, now)\n        return False\n",
            "    if payment.state is PaymentState.AUTHORIZED:\n        return False\n"),
    _mutant("money that cannot be taken stays held", MACHINE,
            "            _void(tx, payment, now)\n        else:\n", "            pass\n        else:\n",
        "tests/integration/shop/test_order_machine.py",
    ),
    _mutant("taken money is not paid back", MACHINE,
            "        books.refund_all(tx, order, payment, now)\n", ""),
    _mutant("stock is not released", MACHINE,
            "    rows.release_stock(tx, order.id, now)\n", ""),
    _mutant("an order does not expire", MACHINE,
            "    if order.state in UNPAID and order.expires_at <= now and usdt.may_expire(tx, order.id):\n",
            "    if False:\n"),
    _mutant("a sale is not booked", BOOKS,
            "    journals.post(tx, ref, lines, now)\n    tasks.accrue_soon", "    tasks.accrue_soon"),
    _mutant("a paid refund stays owed", WATCH,
            "            books.book_refunded(tx, operation.id, operation.amount, now)\n", "            pass\n"),
    _mutant("the pools keep what was refunded", "functions/sale_accrue/main.py",
            "    if before is not None and before.sold == sold:\n", "    if before is not None:\n",
        "tests/integration/shop/test_accruals.py",
    ),
    _mutant("a pool gets more than its share", "functions/sale_accrue/rules.py",
            "AFFILIATE_PERCENT = 5\n", "AFFILIATE_PERCENT = 6\n"),
    _mutant("a denied age is paid for", MACHINE,
            "    elif check and check.status == AgeCheckStatus.DENIED and check.recorded_at >= order.placed_at:\n",
            "    elif check and check.status == AgeCheckStatus.DENIED and check.recorded_at < order.placed_at:\n",
            "tests/integration/shop/test_order_machine.py"),
)  # fmt: skip
