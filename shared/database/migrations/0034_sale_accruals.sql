-- What a sale gives to the pools: 50, 5 and 5 % of its gross profit, taken back with what is refunded.

INSERT INTO ledger_accounts (name, description) VALUES
    ('profit:shop', 'Gross profit of the shop that the pools were given (negative), less what was taken back.');

-- Each row is what the pools have of an order in all, by its state of then; its journal is the difference to the row
-- before. All is whole cents, so that every share is whole micro-dollars.
CREATE TABLE sale_accruals (
    order_id     uuid NOT NULL REFERENCES orders (id),
    sequence     integer NOT NULL CHECK (sequence > 0),
    turnover     usd NOT NULL CHECK (turnover >= 0),  -- goods charged, less goods refunded
    tins         integer NOT NULL CHECK (tins >= 0),  -- less those that were refunded
    cost_per_tin usd NOT NULL CHECK (cost_per_tin >= 0),
    profit       usd NOT NULL,
    member       micro_usdt NOT NULL,
    affiliate    micro_usdt NOT NULL,
    wholesale    micro_usdt NOT NULL,
    accrued_at   timestamptz NOT NULL,
    PRIMARY KEY (order_id, sequence),
    CONSTRAINT sale_accruals_profit CHECK (profit = greatest(turnover - tins * cost_per_tin, 0)),
    CONSTRAINT sale_accruals_shares CHECK (member * 2 = profit AND affiliate * 20 = profit AND wholesale * 20 = profit)
);
SELECT make_append_only('sale_accruals');

-- Since when the pools have something else of the order than its state gives them. Triggers note it in the commit of the
-- capture or the refund, and let nobody remove it before the last row is what the state gives.
ALTER TABLE orders ADD COLUMN accrual_due_at timestamptz;
CREATE INDEX orders_accrual_due ON orders (accrual_due_at, id) WHERE accrual_due_at IS NOT NULL;
UPDATE orders SET accrual_due_at = payments.created_at
FROM payments WHERE payments.order_id = orders.id AND payments.state = 'captured';

-- What of an order counts for the pools; no row before its sale is booked. A refund counts from its record on. Refunds
-- name no tins: they take back all once they have taken back all of the goods.
CREATE FUNCTION order_accruable(sold uuid) RETURNS TABLE (turnover bigint, tins integer, cost_per_tin bigint)
LANGUAGE sql STABLE AS $$
    SELECT o.subtotal - given.goods, CASE WHEN given.goods = o.subtotal THEN 0 ELSE o.tins END, o.cost_per_tin::bigint
    FROM orders o
    CROSS JOIN LATERAL (SELECT coalesce(sum(r.goods), 0)::bigint AS goods FROM refunds r WHERE r.order_id = o.id) given
    WHERE o.id = sold AND ledger_has('sale:' || o.id, 'turnover:shop', -o.subtotal)
$$;

-- The last row is not what the order gives now; of an order without a booked sale no row is.
CREATE FUNCTION order_accrual_differs(sold uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT ROW(turnover, tins, cost_per_tin) FROM order_accruable(sold)) <>
                    (SELECT ROW(turnover::bigint, tins, cost_per_tin::bigint) FROM sale_accruals
                     WHERE order_id = sold ORDER BY sequence DESC LIMIT 1), true)
$$;

CREATE FUNCTION sale_accrual_due() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'refunds' THEN
        UPDATE orders SET accrual_due_at = coalesce(accrual_due_at, NEW.recorded_at) WHERE id = NEW.order_id;
    ELSE
        UPDATE orders SET accrual_due_at = coalesce(accrual_due_at, NEW.answered_at)
        WHERE id = (SELECT order_id FROM payments WHERE id = NEW.payment_id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER sale_accrual_due AFTER UPDATE OF status ON payment_operations
    FOR EACH ROW WHEN (NEW.kind = 'capture' AND NEW.status = 'succeeded' AND OLD.status <> 'succeeded')
    EXECUTE FUNCTION sale_accrual_due();
CREATE TRIGGER sale_accrual_due AFTER INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION sale_accrual_due();

CREATE FUNCTION sale_accrual_done() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF order_accrual_differs(NEW.id) THEN
        PERFORM refuse('accrual_due', format('the pools have something else of order %s than it gives', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER sale_accrual_done BEFORE UPDATE OF accrual_due_at ON orders
    FOR EACH ROW WHEN (OLD.accrual_due_at IS NOT NULL AND NEW.accrual_due_at IS NULL)
    EXECUTE FUNCTION sale_accrual_done();

-- At the commit a row follows the one before, is what the order gives, and its journal is the difference of the two.
CREATE FUNCTION sale_accrual_posted() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before sale_accruals%ROWTYPE;
    journal text := format('accrual:%s:%s', NEW.order_id, NEW.sequence);
    expected jsonb;
    posted jsonb;
BEGIN
    SELECT * INTO before FROM sale_accruals WHERE order_id = NEW.order_id AND sequence = NEW.sequence - 1;
    IF NEW.sequence > 1 AND before.order_id IS NULL THEN
        PERFORM refuse('accrual_sequence', format('%s has no predecessor', journal));
    END IF;
    IF order_accrual_differs(NEW.order_id) THEN
        PERFORM refuse('accrual_state', format('%s is not what the order gives', journal));
    END IF;
    SELECT jsonb_object_agg(account, amount) INTO expected
    FROM (VALUES ('pool:member', NEW.member - coalesce(before.member, 0)),
                 ('pool:affiliate', NEW.affiliate - coalesce(before.affiliate, 0)),
                 ('pool:wholesale', NEW.wholesale - coalesce(before.wholesale, 0)),
                 ('profit:shop', coalesce(before.member + before.affiliate + before.wholesale, 0)
                                 - NEW.member - NEW.affiliate - NEW.wholesale)) AS line (account, amount)
    WHERE amount <> 0;
    SELECT jsonb_object_agg(account, amount) INTO posted
    FROM ledger_journals JOIN ledger_postings ON journal_id = ledger_journals.id WHERE ref = journal;
    IF expected IS DISTINCT FROM posted THEN
        PERFORM refuse('accrual_posted', format('%s is not in the ledger as the difference of two rows', journal));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER sale_accrual_posted AFTER INSERT ON sale_accruals DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION sale_accrual_posted();

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_accruals') THEN
        CREATE ROLE blakjaks_accruals NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_accruals;
GRANT SELECT ON sale_accruals TO blakjaks_read;
GRANT SELECT (accrual_due_at) ON orders TO blakjaks_read;

-- accruals: the pools get what a sale gives them.
GRANT INSERT ON sale_accruals, ledger_journals, ledger_postings TO blakjaks_accruals;
GRANT UPDATE (accrual_due_at) ON orders TO blakjaks_accruals;
