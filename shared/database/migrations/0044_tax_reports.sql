-- Each sale and each refund is reported to the tax service once, by the id of the order or refund.

CREATE TABLE tax_reports (
    id          uuid PRIMARY KEY,                    -- ours; the service takes each once
    order_id    uuid NOT NULL REFERENCES orders (id),
    refund_id   uuid REFERENCES refunds (id),        -- none: the sale
    status      text NOT NULL DEFAULT 'recorded' CHECK (status IN ('recorded', 'sent', 'done')),
    recorded_at timestamptz NOT NULL,
    sent_at     timestamptz,                         -- for the first time
    look_at     timestamptz,                         -- when it is tried next
    done_at     timestamptz,
    reference   text,                                -- the service's name for it
    refusal     text,                                -- why the service did not take it, the last time
    CONSTRAINT tax_reports_id CHECK (id = coalesce(refund_id, order_id)),
    CONSTRAINT tax_reports_sent CHECK (status = 'recorded' OR sent_at IS NOT NULL),
    CONSTRAINT tax_reports_done CHECK (CASE status WHEN 'done' THEN num_nulls(done_at, reference) = 0
                                                   ELSE num_nonnulls(done_at, reference) = 0 END),
    CONSTRAINT tax_reports_looked_after CHECK ((look_at IS NULL) = (status = 'done'))
);
CREATE INDEX tax_reports_order ON tax_reports (order_id);
CREATE INDEX tax_reports_refund ON tax_reports (refund_id) WHERE refund_id IS NOT NULL;
CREATE INDEX tax_reports_due ON tax_reports (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX tax_reports_open ON tax_reports (recorded_at) WHERE status <> 'done';
CREATE TRIGGER never_deleted BEFORE DELETE ON tax_reports FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON tax_reports EXECUTE FUNCTION payout_never_deleted();

CREATE FUNCTION tax_report_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.id, NEW.order_id, NEW.refund_id, NEW.recorded_at)
       IS DISTINCT FROM (OLD.id, OLD.order_id, OLD.refund_id, OLD.recorded_at)
       OR (OLD.status, NEW.status) NOT IN
          (('recorded', 'recorded'), ('recorded', 'sent'), ('sent', 'sent'), ('sent', 'done')) THEN
        PERFORM refuse('tax_report_transition', format('tax report %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tax_report_changed BEFORE UPDATE ON tax_reports FOR EACH ROW EXECUTE FUNCTION tax_report_changed();

-- What was sold is reported from the capture on, a refund from its record on.
CREATE FUNCTION tax_report_due() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'refunds' THEN
        INSERT INTO tax_reports (id, order_id, refund_id, recorded_at, look_at)
        VALUES (NEW.id, NEW.order_id, NEW.id, NEW.recorded_at, NEW.recorded_at);
    ELSE
        INSERT INTO tax_reports (id, order_id, recorded_at, look_at)
        SELECT order_id, order_id, NEW.answered_at, NEW.answered_at FROM payments WHERE id = NEW.payment_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tax_report_due AFTER UPDATE OF status ON payment_operations
    FOR EACH ROW WHEN (NEW.kind = 'capture' AND NEW.status = 'succeeded' AND OLD.status <> 'succeeded')
    EXECUTE FUNCTION tax_report_due();
CREATE TRIGGER tax_report_due AFTER INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION tax_report_due();

INSERT INTO tax_reports (id, order_id, recorded_at, look_at)
SELECT order_id, order_id, created_at, created_at FROM payments WHERE state = 'captured';
INSERT INTO tax_reports (id, order_id, refund_id, recorded_at, look_at)
SELECT id, order_id, id, recorded_at, recorded_at FROM refunds;

ALTER TABLE webhook_deliveries
    DROP CONSTRAINT webhook_deliveries_source_check,
    ADD CONSTRAINT webhook_deliveries_source_check CHECK (source IN ('card', 'agechecker', 'selery', 'kintsugi'));

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_taxes') THEN
        CREATE ROLE blakjaks_taxes NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_taxes;
GRANT SELECT ON tax_reports TO blakjaks_read;

-- taxes: sales and refunds are reported to the tax service, with the address to which was sent.
GRANT SELECT (address) ON orders TO blakjaks_taxes;
GRANT SELECT ON data_keys TO blakjaks_taxes;
GRANT UPDATE (status, sent_at, look_at, done_at, reference, refusal) ON tax_reports TO blakjaks_taxes;
