"""Breaks of how orders are paid, given back and booked, noticed by the schedules of `tests/fault/orders`."""

from tests.fault.simulation.edits import Edit, Mutant

SCHEDULES = "tests/fault/test_order_schedules.py"
PAYMENTS = "tests/integration/shop/test_order_payments.py"
MACHINE = "shared/orders/machine.py"
WATCH = "functions/payment_watch/main.py"
WATCH_RULES = "functions/payment_watch/rules.py"
BOOKS = "shared/orders/books.py"
FULFIL = "functions/order_fulfil/main.py"
FULFIL_RULES = "functions/order_fulfil/rules.py"
DISPATCH = "shared/orders/dispatch.py"
FULFILMENTS = "shared/orders/fulfilments.py"
PARCELS = "shared/orders/parcels.py"
SENDING = "tests/integration/shop/test_fulfilment.py"
BY_HAND = "tests/integration/shop/test_hand_shipments.py"
BY_HAND_LATER = "tests/integration/shop/test_hand_shipments_later.py"
SHIPPING = "functions/admin_orders/shipping.py"
HAND_SCHEMA = "shared/database/migrations/0055_hand_shipments.sql"
CANCELS = "tests/integration/shop/test_fulfilment_cancels.py"
DISPUTED = "tests/integration/shop/test_disputed_goods.py"
COUNTS = "tests/integration/shop/test_sales_count.py"
SHARES = "shared/orders/refund_shares.py"
REFUNDS = "shared/orders/refunds.py"
REFUNDING = "functions/admin_orders/refunding.py"
DECISIONS_SCHEMA = "shared/database/migrations/0039_order_decisions.sql"
DISPUTES_SCHEMA = "shared/database/migrations/0042_disputes.sql"
SHARE_TESTS = "tests/property/test_refund_shares.py"
REFUND_TESTS = "tests/integration/shop/test_refunds.py"
REFUND_RULE_TESTS = "tests/integration/shop/test_refund_rules.py"
RESOLUTION_TESTS = "tests/integration/shop/test_payment_resolutions.py"


def _mutant(name: str, path: str, old: str, new: str, tests: str = SCHEDULES) -> Mutant:
    return Mutant(f"order: {name}", (Edit(path, old, new),), tests=tests)


MUTANTS = (
    _mutant("asked before it is marked as sent", WATCH,
            "        store.mark_sent(tx, operation_id, now, now + ANSWER_EXPECTED_IN)\n",
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
            "        refunds.refund_rest(tx, order, payment, RefundReason.CANCELLED, now)\n", ""),
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
    _mutant("a pool gets more than its share", "shared/values/programs.py",
            "POOL_PERCENT = 5 ", "POOL_PERCENT = 6 "),
    _mutant("a denied age is paid for", MACHINE,
            "    elif check and check.status == AgeCheckStatus.DENIED and check.recorded_at >= order.placed_at:\n",
            "    elif check and check.status == AgeCheckStatus.DENIED and check.recorded_at < order.placed_at:\n",
            "tests/integration/shop/test_order_machine.py"),
    _mutant("money goes back before the warehouse has answered", MACHINE,
            "    if not fulfilments.withdraw(tx, order.id, now):\n        return\n",
            "    fulfilments.withdraw(tx, order.id, now)\n", CANCELS),
    _mutant("a warehouse that does not answer has refused", FULFIL,
            "reason=str(silent))\n        return None\n",
            'reason=str(silent))\n        return Answer(Told(FulfilmentStatus.REFUSED, None, "s"), [], "reply")\n'),
    _mutant("what the warehouse never got is not sent again", FULFIL_RULES,
            "    return now - sent_at >= UNKNOWN_AFTER\n", "    return False\n"),
    _mutant("an old answer takes a step back", FULFIL_RULES,
            "    if before in FULFILMENT_ENDS:\n        return False\n", "", CANCELS),
    _mutant("a parcel goes back", PARCELS,
            "    return _JOURNEY.index(told) > _JOURNEY.index(before)\n", "    return told is not before\n", SENDING),
    _mutant("tins beyond the order are taken for its own", FULFIL_RULES,
            "min(tins, open_tins.get(sku, 0))", "tins", SENDING),
    _mutant("a cancelled order gets a parcel", FULFIL,
            "{} if found.status in rules.SENT_NO_MORE else ", "", CANCELS),
    _mutant("a wish that came too late is not answered", DISPATCH,
            "        telling.not_cancelled(tx, order, now)\n", "", CANCELS),
    _mutant("what does not come is not paid back", DISPATCH,
            "        _refund_rest(tx, order, lines, now)\n", "        pass\n", SENDING),
    _mutant("what a dispute has stopped is never sent", DISPATCH,
            "        fulfilments.record(tx, order.id, now)\n", "        pass\n", DISPUTED),
    _mutant("what the warehouse gives up by itself is sent again", DISPATCH,
            "last.was_stopped_by_us and left", "last.status is FulfilmentStatus.CANCELLED and left", DISPUTED),
    _mutant("what does not come stays promised", DISPATCH,
            "given_up=order_id if release else None", "given_up=None", SENDING),
    _mutant("a fulfilment that nobody has sent is asked about", FULFILMENTS,
            "    if found.status is FulfilmentStatus.RECORDED:\n", "    if False:\n", CANCELS),
    _mutant("parcels are lost while the warehouse is silent", "functions/order_fulfil/store.py",
            "          AND (SELECT by_hand OR answered_at >= :heard_since FROM fulfilments WHERE id = fulfilment_id)\n",
            "          AND CAST(:heard_since AS timestamptz) IS NOT NULL\n", SENDING),
    _mutant("what the warehouse may still send is sent by hand", FULFILMENTS,
            "        return self.is_off or (self.by_hand and self.status is FulfilmentStatus.PACKED)\n",
            "        return True\n", BY_HAND),
    _mutant("the warehouse is asked for what people send", FULFIL,
            "        _look_at_hand_shipment(tx, found, now)\n        return None\n",
            "        _look_at_hand_shipment(tx, found, now)\n", BY_HAND_LATER),
    _mutant("the rest of what people send is never given up", FULFIL_RULES,
            "    return now - begun_at >= REST_AWAITED\n", "    return False\n", BY_HAND_LATER),
    _mutant("a disputed order is sent by hand", SHIPPING,
            "    disputes.refuse_disputed(tx, order.id)\n", "", BY_HAND),
    _mutant("an order is sent by hand while its refund waits", SHIPPING,
            "    if store.refund_waits(tx, order.id):\n        raise rules.RefundUndecided\n", "", BY_HAND),
    _mutant("what was paid back whole is sent by hand", SHIPPING,
            "    if refunds.charge(tx, order.id).left == ZERO:\n        raise rules.OrderNotShippable\n", "", BY_HAND),
    _mutant("more tins than are left leave by hand", "functions/admin_orders/rules.py",
            "        elif tins > left[sku]:\n", "        elif False:\n", BY_HAND),
    _mutant("a parcel by hand is told to nobody", SHIPPING,
            "    telling.shipped(tx, order, parcel_id, now)\n", "", BY_HAND),
    _mutant("what people have sent goes on as if it was not", SHIPPING,
            "    telling.shipped(tx, order, parcel_id, now)\n    dispatch.go_out(tx, order, now)\n",
            "    telling.shipped(tx, order, parcel_id, now)\n", BY_HAND),
    _mutant("people say what became of the warehouse's parcels", SHIPPING,
            "    if not parcel.by_hand:\n        raise rules.ParcelNotByHand\n", "", BY_HAND),
    _mutant("a dispute gives up what people have begun to send", "functions/payment_watch/disputes.py",
            "last is None or last.by_hand or last.status", "last is None or last.status", BY_HAND_LATER),
    _mutant("what was given to the warehouse again is for people", HAND_SCHEMA,
            "    IF sent.status <> 'packed' OR order_is_disputed(sent.order_id)\n",
            "    IF order_is_disputed(sent.order_id)\n", "tests/integration/shop/test_fulfilment_schema.py"),
    _mutant("a parcel is told to nobody", FULFIL,
            "                telling.shipped(tx, order, parcel_id, now)\n", ""),
    _mutant("tins that were given back stay sold", "functions/sales_count/main.py",
            "        sales.record(tx, change.day, SOURCES[order.kind], change.difference)\n",
            "        sales.record(tx, change.day, SOURCES[order.kind], max(change.difference, 0))\n", COUNTS),
    _mutant("tins count for the referrer at once", "functions/sales_count/main.py",
            "    before = now - db.atomically(lambda tx: settings.load(tx).shop.tins_settle)\n",
            "    before = now\n", COUNTS),
    _mutant("a tin takes more than its share", SHARES,
            "    return dollars(whole.micro * gone // quantity // MICRO_PER_CENT)\n",
            "    return dollars(-(-whole.micro * gone // quantity // MICRO_PER_CENT))\n", SHARE_TESTS),
    _mutant("tins give back what an amount gave before", SHARES,
            "    goods = _cumulative(line.goods - line.lowered_goods, gone, line.quantity) - line.tins_goods\n",
            "    goods = _cumulative(line.goods, gone, line.quantity) - line.tins_goods\n", SHARE_TESTS),
    _mutant("an amount may be more than is left", SHARES,
            "    if not ZERO < amount <= charge.left:\n", "    if not ZERO < amount:\n", SHARE_TESTS),
    _mutant("a rest names tins that were refunded", SHARES,
            "        RefundedLine(line.sku, line.quantity - line.tins_back, line.goods_left, line.tax_left)\n",
            "        RefundedLine(line.sku, line.quantity, line.goods_left, line.tax_left)\n", SHARE_TESTS),
    _mutant("a refund is not mailed", REFUNDS, "    telling.refunded(tx, order, identity, share, now)\n", ""),
    _mutant("an admin refunds any sum alone", DECISIONS_SCHEMA,
            "    NEW.needs_approval := NEW.amount > (limits ->> 'single')::numeric * 1000000\n",
            "    NEW.needs_approval := false\n", REFUND_TESTS),
    _mutant("the sixth refund of a day does not wait", DECISIONS_SCHEMA,
            ">= (limits ->> 'day')::numeric;\n", "> (limits ->> 'day')::numeric;\n", REFUND_TESTS),
    _mutant("who asks for a refund approves it", REFUNDING,
            "    if interests.is_same_person(tx, admin.id, asked.requested_by):\n", "    if False:\n", REFUND_TESTS),
    _mutant("a refund is approved that would be another now", REFUNDING,
            "    if share.amount != asked.amount:\n", "    if False:\n", REFUND_TESTS),
    _mutant("tins are refunded that have not been sent", REFUNDING,
            "    if any(line.tins > sent[line.sku] for line in share.lines):\n", "    if False:\n", REFUND_TESTS),
    _mutant("nobody needs to ask for a refund", DECISIONS_SCHEMA,
            "    IF NOT EXISTS (SELECT FROM refund_requests WHERE id = NEW.id AND status = 'recorded') THEN\n",
            "    IF false THEN\n", REFUND_RULE_TESTS),
    _mutant("one person says what became of a payment", DECISIONS_SCHEMA,
            " AND NOT is_same_person(one.person_id, other.person_id)\n", "\n", RESOLUTION_TESTS),
    _mutant("two people may say different things", DECISIONS_SCHEMA,
            " AND other.reference IS NOT DISTINCT FROM named\n", "\n", RESOLUTION_TESTS),
    _mutant("people decide while the provider may still tell", DISPUTES_SCHEMA,
            "asked.sent_at <= at - interval '23 hours' AND ", "", RESOLUTION_TESTS),
    _mutant("a refund that was paid elsewhere stays owed", "functions/admin_orders/resolving.py",
            "            books.book_paid_elsewhere(tx, order_id, found.id, found.amount, now)\n", "            pass\n",
        RESOLUTION_TESTS,
    ),
)  # fmt: skip
