-- Orders that are paid in USDT on Polygon: what was asked of the buyer, what came, and what goes back. 1 USDT = 1 USD.

INSERT INTO ledger_accounts (name, description) VALUES
    ('takings:usdt', 'Charged to orders that are paid in USDT, less what came for them: negative is not charged yet.'),
    ('excess:shop', 'USDT beyond what orders cost, too little to be paid back (negative).'),
    ('settled:shop', 'Refunds and returns that have left the shop treasury (negative).');

INSERT INTO settings (name, value, description) VALUES
    ('shop_usdt_minutes', '120', 'How many minutes a buyer has for paying an order in USDT.');

-- `block_time` is that of the last block that was read; `head` is the newest block that every node had then.
ALTER TABLE chain_scans ADD COLUMN block_time timestamptz, ADD COLUMN head bigint;

ALTER TABLE payments
    ADD CONSTRAINT payments_usdt CHECK (provider = 'card' OR (token IS NULL AND action_url IS NULL));

-- A capture and a refund in USDT are asked of nobody: deposits prove the one, a paid payout the other.
ALTER TABLE payment_operations
    DROP CONSTRAINT payment_operations_evidence_check,
    ADD CONSTRAINT payment_operations_evidence_check
        CHECK (evidence IN ('reply', 'lookup', 'person', 'never_sent', 'bank', 'chain', 'payout')),
    DROP CONSTRAINT payment_operations_sent,
    ADD CONSTRAINT payment_operations_sent CHECK (status NOT IN ('sent', 'succeeded') OR sent_at IS NOT NULL
                                                  OR coalesce(evidence IN ('chain', 'payout', 'person'), false)),
    DROP CONSTRAINT payment_operations_looked_after,
    ADD CONSTRAINT payment_operations_looked_after CHECK (look_at IS NULL OR status IN ('recorded', 'sent'));

-- ------------------------------------------------------------------------------------------------------------ requests
-- What a buyer is asked to send: to the address, exactly the amount, whose last four digits (`tail`) tell open requests
-- apart. When all tails are taken a request has none: it is paid by a transfer that we prepare, known by its hash.
-- `refund_to` is the member's wallet at that time. Only transfers in blocks after `after_block` count. What has come is
-- charged to the order, booked as excess, or sent back.
CREATE TABLE usdt_requests (
    payment_id    uuid PRIMARY KEY REFERENCES payments (id),
    address       evm_address NOT NULL REFERENCES signers (address),
    chain_id      bigint NOT NULL,
    token_address evm_address NOT NULL,
    tail          integer CHECK (tail BETWEEN 1 AND 9999),
    amount        micro_usdt NOT NULL CHECK (amount > 0),
    refund_to     evm_address NOT NULL,
    after_block   bigint NOT NULL,
    opened_at     timestamptz NOT NULL,
    closed_at     timestamptz,                                             -- later deposits do not count any more
    seen          micro_usdt NOT NULL DEFAULT 0 CHECK (seen >= 0),         -- in blocks that are not final
    received      micro_usdt NOT NULL DEFAULT 0,
    charged       micro_usdt NOT NULL DEFAULT 0 CHECK (charged >= 0),
    excess        micro_usdt NOT NULL DEFAULT 0 CHECK (excess >= 0),
    returned      micro_usdt NOT NULL DEFAULT 0 CHECK (returned >= 0),
    CONSTRAINT usdt_requests_tail CHECK (amount % 10000 = coalesce(tail, 0)),
    CONSTRAINT usdt_requests_adds_up CHECK (charged + excess + returned <= received)
);
CREATE UNIQUE INDEX usdt_requests_tail_open ON usdt_requests (tail) WHERE closed_at IS NULL;
CREATE INDEX usdt_requests_tail_closed ON usdt_requests (tail, closed_at);
CREATE INDEX usdt_requests_amount ON usdt_requests (amount, opened_at);
CREATE INDEX usdt_requests_wallet ON usdt_requests (lower(refund_to)) WHERE closed_at IS NULL;
CREATE INDEX usdt_requests_address ON usdt_requests (address);
CREATE INDEX usdt_requests_open ON usdt_requests (opened_at) WHERE closed_at IS NULL;

CREATE FUNCTION usdt_request_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.closed_at IS NOT NULL OR NEW.received + NEW.seen <> 0 OR NOT EXISTS
       (SELECT FROM payments WHERE id = NEW.payment_id AND provider = 'usdt' AND state = 'pending'
                               AND amount + coalesce(NEW.tail, 0) = NEW.amount) THEN
        PERFORM refuse('usdt_request_terms', format('request %s is not of its payment', NEW.payment_id));
    END IF;
    IF NEW.tail IS NOT NULL AND EXISTS (SELECT FROM usdt_requests WHERE amount = NEW.amount
                                           AND coalesce(closed_at, 'infinity') > NEW.opened_at - interval '180 days') THEN
        PERFORM refuse('usdt_tail', format('somebody was asked for %s lately', NEW.amount));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER usdt_request_born BEFORE INSERT ON usdt_requests FOR EACH ROW EXECUTE FUNCTION usdt_request_born();

CREATE FUNCTION usdt_request_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.payment_id, NEW.address, NEW.chain_id, NEW.token_address, NEW.tail, NEW.amount, NEW.refund_to,
        NEW.after_block, NEW.opened_at)
       IS DISTINCT FROM
       (OLD.payment_id, OLD.address, OLD.chain_id, OLD.token_address, OLD.tail, OLD.amount, OLD.refund_to,
        OLD.after_block, OLD.opened_at)
       OR (OLD.closed_at IS NOT NULL AND NEW.closed_at IS DISTINCT FROM OLD.closed_at) THEN
        PERFORM refuse('usdt_request_terms', format('request %s stays what it is', OLD.payment_id));
    END IF;
    IF NEW.excess > OLD.excess
       AND NOT ledger_has('excess:' || NEW.payment_id, 'excess:shop', OLD.excess - NEW.excess) THEN
        PERFORM refuse('usdt_booked', format('the excess of request %s is not in the ledger', NEW.payment_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER usdt_request_changed BEFORE UPDATE ON usdt_requests FOR EACH ROW EXECUTE FUNCTION usdt_request_changed();

-- At the commit a payment in USDT has its request. It fails only when nothing can come for it any more, and is captured
-- only out of what has come.
CREATE FUNCTION usdt_payment_asked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM usdt_requests WHERE payment_id = NEW.id) THEN
        PERFORM refuse('usdt_request_terms', format('payment %s asks for nothing', NEW.id));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER usdt_payment_asked AFTER INSERT ON payments DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.provider = 'usdt') EXECUTE FUNCTION usdt_payment_asked();

CREATE FUNCTION usdt_payment_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.state = 'captured' THEN
        UPDATE usdt_requests SET charged = NEW.amount WHERE payment_id = NEW.id;
    ELSIF EXISTS (SELECT FROM usdt_requests WHERE payment_id = NEW.id AND closed_at IS NULL) THEN
        PERFORM refuse('usdt_request_open', format('payment %s may still be paid', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER usdt_payment_changed BEFORE UPDATE OF state ON payments
    FOR EACH ROW WHEN (NEW.provider = 'usdt' AND NEW.state <> OLD.state) EXECUTE FUNCTION usdt_payment_changed();

-- A transfer that we have prepared for a member's wallet may pay an order.
ALTER TABLE withdrawals ADD COLUMN payment_id uuid REFERENCES usdt_requests (payment_id);
CREATE INDEX withdrawals_payment ON withdrawals (payment_id) WHERE payment_id IS NOT NULL;

CREATE FUNCTION withdrawal_pays_order() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' OR NOT EXISTS (
        SELECT FROM usdt_requests asked JOIN payments ON payments.id = asked.payment_id
        JOIN orders ON orders.id = payments.order_id
        WHERE asked.payment_id = NEW.payment_id AND lower(asked.address) = lower(NEW.to_address)
          AND NEW.amount <= asked.amount AND orders.member_id = NEW.member_id) THEN
        PERFORM refuse('withdrawal_payment', format('withdrawal %s is not what an order of its member awaits', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER withdrawal_pays_order BEFORE INSERT ON withdrawals
    FOR EACH ROW WHEN (NEW.payment_id IS NOT NULL) EXECUTE FUNCTION withdrawal_pays_order();
CREATE TRIGGER withdrawal_payment_fixed BEFORE UPDATE ON withdrawals
    FOR EACH ROW WHEN (NEW.payment_id IS DISTINCT FROM OLD.payment_id) EXECUTE FUNCTION withdrawal_pays_order();

-- ------------------------------------------------------------------------------------------------------------ deposits
-- A transfer to the shop's keys, once: whose it is (nobody's, until people say so), and what became of it. One that was
-- `counted` is part of its request's `received`; one that was `returned` came too late or twice.
CREATE TABLE usdt_deposits (
    id               uuid NOT NULL UNIQUE,
    transaction_hash evm_hash NOT NULL,
    log_index        integer NOT NULL,
    direction        text NOT NULL DEFAULT 'in' CHECK (direction = 'in'),
    payment_id       uuid REFERENCES usdt_requests (payment_id),
    matched_by       text CHECK (matched_by IN ('hash', 'amount', 'sender', 'person')),
    transfer_id      uuid REFERENCES manual_transfers (payout_id),  -- by which people send back what is nobody's
    found_at         timestamptz NOT NULL,
    booked_at        timestamptz,
    outcome          text CHECK (outcome IN ('counted', 'returned')),
    PRIMARY KEY (transaction_hash, log_index),
    FOREIGN KEY (transaction_hash, log_index, direction)
        REFERENCES chain_transfers (transaction_hash, log_index, direction),
    CONSTRAINT usdt_deposits_matched CHECK ((payment_id IS NULL) = (matched_by IS NULL)),
    CONSTRAINT usdt_deposits_booked CHECK ((booked_at IS NULL) = (outcome IS NULL)
                                           AND (booked_at IS NULL OR payment_id IS NOT NULL))
);
CREATE INDEX usdt_deposits_payment ON usdt_deposits (payment_id);
CREATE INDEX usdt_deposits_transfer ON usdt_deposits (transfer_id);
CREATE INDEX usdt_deposits_unbooked ON usdt_deposits (found_at) WHERE payment_id IS NOT NULL AND booked_at IS NULL;
CREATE INDEX usdt_deposits_unmatched ON usdt_deposits (found_at, id) WHERE payment_id IS NULL;

-- Nobody's, and not on its way back: a transfer that people have cancelled leaves the deposit as it was.
CREATE FUNCTION usdt_deposit_is_free(deposit usdt_deposits) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT deposit.payment_id IS NULL AND NOT EXISTS
           (SELECT FROM payouts WHERE id = deposit.transfer_id AND state <> 'CANCELLED')
$$;

CREATE FUNCTION usdt_deposit_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    came bigint;
BEGIN
    IF (NEW.id, NEW.transaction_hash, NEW.log_index, NEW.found_at)
       IS DISTINCT FROM (OLD.id, OLD.transaction_hash, OLD.log_index, OLD.found_at)
       OR (OLD.payment_id IS NOT NULL AND NEW.payment_id IS DISTINCT FROM OLD.payment_id)
       OR (OLD.booked_at IS NOT NULL AND NEW.booked_at IS DISTINCT FROM OLD.booked_at) THEN
        PERFORM refuse('deposit_once', format('deposit %s is used once', OLD.id));
    END IF;
    IF (NEW.payment_id, NEW.transfer_id) IS DISTINCT FROM (OLD.payment_id, OLD.transfer_id)
       AND NOT usdt_deposit_is_free(OLD) THEN
        PERFORM refuse('deposit_once', format('deposit %s is somebody''s', OLD.id));
    END IF;
    IF NEW.booked_at IS NULL OR OLD.booked_at IS NOT NULL THEN
        RETURN NEW;
    END IF;
    SELECT amount INTO came FROM chain_transfers
    WHERE (transaction_hash, log_index, direction) = (NEW.transaction_hash, NEW.log_index, 'in');
    IF NOT ledger_has(format('deposit:%s:%s', NEW.transaction_hash, NEW.log_index), 'takings:usdt', -came) THEN
        PERFORM refuse('usdt_booked', format('deposit %s is not in the ledger', NEW.id));
    END IF;
    IF NEW.outcome = 'counted' AND EXISTS
       (SELECT FROM usdt_requests WHERE payment_id = NEW.payment_id AND closed_at IS NOT NULL) THEN
        PERFORM refuse('usdt_request_closed', format('deposit %s comes too late to count', NEW.id));
    END IF;
    UPDATE usdt_requests SET received = received + came WHERE payment_id = NEW.payment_id;
    RETURN NEW;
END $$;
CREATE TRIGGER usdt_deposit_changed BEFORE UPDATE ON usdt_deposits FOR EACH ROW EXECUTE FUNCTION usdt_deposit_changed();

-- ------------------------------------------------------------------------------------------------------------- returns
-- What goes back to the buyer though no order was charged for it: a debt from its record on. Its id is the source of
-- its payout, as a refund's id is of a refund's.
CREATE TABLE usdt_returns (
    id          uuid PRIMARY KEY,
    payment_id  uuid NOT NULL REFERENCES usdt_requests (payment_id),
    amount      micro_usdt NOT NULL CHECK (amount > 0),
    reason      text NOT NULL CHECK (reason IN ('excess', 'unused', 'late', 'duplicate')),
    recorded_at timestamptz NOT NULL,
    paid_at     timestamptz
);
CREATE INDEX usdt_returns_payment ON usdt_returns (payment_id);
CREATE INDEX usdt_returns_unpaid ON usdt_returns (recorded_at, id) WHERE paid_at IS NULL;
CREATE INDEX payment_operations_unpaid ON payment_operations (recorded_at, id)
    WHERE kind = 'refund' AND status = 'recorded';

CREATE FUNCTION usdt_return_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.paid_at IS NOT NULL OR NOT ledger_has('return:' || NEW.id, 'owed:refunds', -NEW.amount) THEN
        PERFORM refuse('usdt_booked', format('return %s is not in the ledger', NEW.id));
    END IF;
    UPDATE usdt_requests SET returned = returned + NEW.amount WHERE payment_id = NEW.payment_id;
    RETURN NEW;
END $$;
CREATE TRIGGER usdt_return_born BEFORE INSERT ON usdt_returns FOR EACH ROW EXECUTE FUNCTION usdt_return_born();

CREATE FUNCTION usdt_return_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.payment_id, NEW.amount, NEW.reason, NEW.recorded_at)
       IS DISTINCT FROM (OLD.id, OLD.payment_id, OLD.amount, OLD.reason, OLD.recorded_at)
       OR OLD.paid_at IS NOT NULL
       OR NOT EXISTS (SELECT FROM payouts WHERE source_kind = 'refund' AND source_id = NEW.id::text AND state = 'PAID')
       OR NOT ledger_has('returned:' || NEW.id, 'owed:refunds', NEW.amount) THEN
        PERFORM refuse('usdt_return_paid', format('return %s is paid once, by its payout', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER usdt_return_changed BEFORE UPDATE ON usdt_returns FOR EACH ROW EXECUTE FUNCTION usdt_return_changed();

-- A payout of source `refund` pays what is recorded, to where the buyer's request says, from the shop's treasury.
CREATE FUNCTION refund_payout_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.treasury <> 'shop' OR NOT EXISTS (
        SELECT FROM usdt_requests asked
        JOIN (SELECT id, payment_id, amount FROM usdt_returns
              UNION ALL SELECT id, payment_id, amount FROM payment_operations WHERE kind = 'refund') owed
            ON owed.payment_id = asked.payment_id
        WHERE owed.id::text = NEW.source_id AND owed.amount = NEW.amount
          AND lower(asked.refund_to) = lower(NEW.recipient_address)) THEN
        PERFORM refuse('refund_payout', format('payout %s is no refund that was recorded', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refund_payout_born BEFORE INSERT ON payouts
    FOR EACH ROW WHEN (NEW.source_kind = 'refund') EXECUTE FUNCTION refund_payout_born();

-- ---------------------------------------------------------------------------------------------------------- operations
-- As before, and: in USDT there are only captures, of what is pending, and refunds; nobody looks after them.
CREATE OR REPLACE FUNCTION payment_operation_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    payment payments%ROWTYPE;
BEGIN
    SELECT * INTO payment FROM payments WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    IF NEW.status <> 'recorded' OR (NEW.look_at IS NULL) <> (payment.provider <> 'card') THEN
        PERFORM refuse('operation_born', format('operation %s is born recorded', NEW.id));
    END IF;
    IF NEW.kind <> 'refund' AND NEW.amount <> payment.amount THEN
        PERFORM refuse('operation_amount', format('payment %s is of another amount', payment.id));
    END IF;
    IF payment.provider = 'usdt' AND NEW.kind NOT IN ('capture', 'refund') OR payment.state <> (CASE
        WHEN NEW.kind = 'refund' THEN 'captured'
        WHEN NEW.kind = 'authorize' OR (NEW.kind = 'capture' AND payment.provider <> 'card') THEN 'pending'
        ELSE 'authorized' END) THEN
        PERFORM refuse('operation_order', format('payment %s is %s: no %s', payment.id, payment.state, NEW.kind));
    END IF;
    IF NEW.kind = 'refund' THEN
        UPDATE payments SET refund_open = refund_open + NEW.amount WHERE id = payment.id;
    END IF;
    RETURN NEW;
END $$;

-- As before, and: in USDT nothing is sent to a provider. What has come proves a capture, a paid payout a refund; a
-- payment whose capture is given up has failed. A refund that the provider refuses, because the payment is disputed, was
-- not done: it is recorded again, and sent once the dispute is over.
CREATE OR REPLACE FUNCTION payment_operation_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    in_usdt boolean := EXISTS (SELECT FROM payments WHERE id = NEW.payment_id AND provider = 'usdt');
    is_postponed boolean := (OLD.status, NEW.status) = ('sent', 'recorded') AND NEW.kind = 'refund'
                            AND coalesce(NEW.reason = 'charge_disputed', false);
BEGIN
    IF (NEW.id, NEW.payment_id, NEW.kind, NEW.amount, NEW.recorded_at)
       IS DISTINCT FROM (OLD.id, OLD.payment_id, OLD.kind, OLD.amount, OLD.recorded_at)
       OR (OLD.sent_at IS NOT NULL AND NEW.sent_at IS DISTINCT FROM OLD.sent_at AND NOT is_postponed) THEN
        PERFORM refuse('operation_terms', format('the terms of operation %s are fixed', OLD.id));
    END IF;
    IF NEW.status = OLD.status OR is_postponed THEN
        RETURN NEW;
    END IF;
    IF (OLD.status, NEW.status) NOT IN
       (('recorded', 'sent'), ('recorded', 'failed'), ('sent', 'succeeded'), ('sent', 'failed'))
       AND NOT (OLD.status = 'failed' AND NEW.status = 'succeeded' AND OLD.sent_at IS NOT NULL
                AND NEW.kind IN ('void', 'refund') AND NEW.evidence = 'person')
       AND NOT ((OLD.status, NEW.status) = ('recorded', 'succeeded') AND NEW.kind = 'refund' AND NEW.evidence = 'person')
       AND NOT (in_usdt AND (OLD.status, NEW.status) = ('recorded', 'succeeded')) OR in_usdt AND NEW.status = 'sent' THEN
        PERFORM refuse('operation_transition', format('operation %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    IF NEW.evidence = 'person' AND NOT operation_is_resolved(NEW.id, NEW.status, NEW.reference) THEN
        PERFORM refuse('operation_second_person', format('two people have not said so of operation %s', OLD.id));
    END IF;
    IF NEW.status = 'succeeded' AND in_usdt <> coalesce(NEW.evidence = CASE NEW.kind WHEN 'capture' THEN 'chain'
                                                             ELSE 'payout' END, false)
       OR NEW.evidence = 'payout' AND NOT EXISTS
          (SELECT FROM payouts WHERE source_kind = 'refund' AND source_id = NEW.id::text
                                 AND state = CASE NEW.status WHEN 'succeeded' THEN 'PAID' ELSE 'CANCELLED' END::payout_state)
    THEN
        PERFORM refuse('operation_evidence', format('nothing proves that operation %s is done', OLD.id));
    END IF;
    IF NEW.status = 'succeeded' THEN
        UPDATE payments SET
            state = CASE NEW.kind WHEN 'authorize' THEN 'authorized' WHEN 'capture' THEN 'captured'
                                  WHEN 'void' THEN 'voided' ELSE state END,
            token = NULL,
            refund_open = refund_open
                - CASE WHEN NEW.kind = 'refund' AND OLD.status <> 'failed' THEN NEW.amount ELSE 0 END,
            refunded = refunded + CASE NEW.kind WHEN 'refund' THEN NEW.amount ELSE 0 END
        WHERE id = NEW.payment_id;
    ELSIF NEW.status = 'failed' AND NEW.kind = 'refund' THEN
        UPDATE payments SET refund_open = refund_open - NEW.amount WHERE id = NEW.payment_id;
    ELSIF NEW.status = 'failed' THEN
        UPDATE payments SET state = 'failed', token = NULL
        WHERE id = NEW.payment_id AND (NEW.kind = 'authorize' OR (NEW.kind = 'capture' AND provider <> 'card'));
    END IF;
    RETURN NEW;
END $$;

-- -------------------------------------------------------------------------------------------------------------- orders
-- Transfers to the shop's keys that nobody has taken for a deposit yet are marked, so that they are found without a look
-- at all that came before. Keys that pay each other are no deposits.
ALTER TABLE chain_transfers ADD COLUMN awaits_deposit boolean NOT NULL DEFAULT false;
CREATE INDEX chain_transfers_awaiting ON chain_transfers (block_number, log_index) WHERE awaits_deposit;

CREATE FUNCTION chain_transfer_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    NEW.awaits_deposit := NOT EXISTS (SELECT FROM signers own WHERE lower(own.address) = NEW.counterparty);
    RETURN NEW;
END $$;
CREATE TRIGGER chain_transfer_born BEFORE INSERT ON chain_transfers
    FOR EACH ROW WHEN (NEW.treasury = 'shop' AND NEW.direction = 'in') EXECUTE FUNCTION chain_transfer_born();

CREATE FUNCTION usdt_deposit_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE chain_transfers SET awaits_deposit = false
    WHERE (transaction_hash, log_index, direction) = (NEW.transaction_hash, NEW.log_index, 'in');
    RETURN NULL;
END $$;
CREATE TRIGGER usdt_deposit_born AFTER INSERT ON usdt_deposits FOR EACH ROW EXECUTE FUNCTION usdt_deposit_born();

-- Whether the order's end must wait for the chain: something may have come in time that is not read or booked yet, or
-- enough has come.
CREATE FUNCTION order_awaits_deposits(waiting uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM orders JOIN payments ON payments.order_id = orders.id
        JOIN usdt_requests asked ON asked.payment_id = payments.id AND asked.closed_at IS NULL
        WHERE orders.id = waiting AND (
            (orders.state = 'payment_processing' AND asked.received >= payments.amount)
            OR NOT EXISTS (SELECT FROM chain_scans
                           WHERE signer = asked.address AND block_time >= orders.expires_at)
            OR EXISTS (SELECT FROM usdt_deposits
                       WHERE usdt_deposits.payment_id = asked.payment_id AND booked_at IS NULL)
            OR EXISTS (SELECT FROM chain_transfers WHERE awaits_deposit AND block_number > asked.after_block)))
$$;

-- An order expires only once the chain was read to its end; it is cancelled once all that came for it has gone back.
CREATE FUNCTION order_usdt_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF OLD.cancel_reason IS NULL AND NEW.cancel_reason = 'expired' AND order_awaits_deposits(NEW.id) THEN
        PERFORM refuse('usdt_unread', format('order %s may have been paid in time', NEW.id));
    END IF;
    IF NEW.state = 'cancelled' AND OLD.state <> 'cancelled' AND EXISTS (
        SELECT FROM payments JOIN usdt_requests asked ON asked.payment_id = payments.id
        WHERE payments.order_id = NEW.id AND (
            asked.closed_at IS NULL
            OR EXISTS (SELECT FROM usdt_deposits
                       WHERE usdt_deposits.payment_id = asked.payment_id AND booked_at IS NULL)
            OR EXISTS (SELECT FROM usdt_returns WHERE usdt_returns.payment_id = asked.payment_id AND paid_at IS NULL)))
    THEN
        PERFORM refuse('usdt_kept', format('order %s holds USDT, or may', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER order_usdt_changed BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION order_usdt_changed();

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_deposits') THEN
        CREATE ROLE blakjaks_deposits NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_deposits;
GRANT SELECT ON usdt_requests, usdt_deposits, usdt_returns TO blakjaks_read;

-- checkout, wholesale: an order is to be paid in USDT.
GRANT INSERT ON usdt_requests TO blakjaks_checkout, blakjaks_wholesale;

-- orders: what came is charged, booked as excess or sent back.
GRANT INSERT ON usdt_returns TO blakjaks_orders;
GRANT UPDATE (closed_at, excess) ON usdt_requests TO blakjaks_orders;

-- deposits: the chain is read for what buyers send, and what is owed to them is promised as a payout.
GRANT INSERT ON chain_transfers, usdt_deposits, usdt_returns, payouts, ledger_journals, ledger_postings
    TO blakjaks_deposits;
GRANT INSERT, UPDATE ON chain_scans TO blakjaks_deposits;
GRANT UPDATE (payment_id, matched_by, booked_at, outcome) ON usdt_deposits TO blakjaks_deposits;
GRANT UPDATE (seen) ON usdt_requests TO blakjaks_deposits;
GRANT SELECT (transaction_hash, payment_id) ON withdrawals TO blakjaks_deposits;
GRANT UPDATE (paid_at) ON usdt_returns TO blakjaks_deposits;

-- approvals: people say whose a deposit is, or send it back.
GRANT UPDATE (payment_id, matched_by, transfer_id) ON usdt_deposits TO blakjaks_approvals;
