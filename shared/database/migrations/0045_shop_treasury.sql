-- A fourth treasury, `shop`: buyers pay into it with USDT, and refunds of such orders leave it.

ALTER TABLE treasuries
    DROP CONSTRAINT treasuries_name_check,
    ADD CONSTRAINT treasuries_name_check CHECK (name IN ('member', 'affiliate', 'wholesale', 'shop'));
ALTER TABLE treasury_snapshots
    DROP CONSTRAINT treasury_snapshots_treasury_check,
    ADD CONSTRAINT treasury_snapshots_treasury_check CHECK (treasury IN ('member', 'affiliate', 'wholesale', 'shop'));
ALTER TABLE treasury_alerts
    DROP CONSTRAINT treasury_alerts_treasury_check,
    ADD CONSTRAINT treasury_alerts_treasury_check CHECK (treasury IN ('member', 'affiliate', 'wholesale', 'shop'));
ALTER TABLE treasury_snapshot_days
    DROP CONSTRAINT treasury_snapshot_days_treasury_check,
    ADD CONSTRAINT treasury_snapshot_days_treasury_check
        CHECK (treasury IN ('member', 'affiliate', 'wholesale', 'shop'));

-- It promises no comps: it has neither a pool nor what is owed from one.
INSERT INTO ledger_accounts (name, description) VALUES
    ('external:shop', 'Outside world that pays USDT into the shop treasury (negative), less what was booked as takings.'),
    ('treasury:shop', 'USDT of the shop treasury that is not promised to a payout.'),
    ('in_flight:shop', 'USDT of the shop treasury reserved for payouts that are not final.'),
    ('paid:shop', 'USDT that left the shop treasury in final payouts.');

-- Buyers fill it, and only refunds leave it: a balance of nothing is no reason to wake anybody.
INSERT INTO treasury_alerts (treasury, kind, threshold) VALUES ('shop', 'usdt', 0), ('shop', 'gas', 5 * 10 ^ 18);

UPDATE settings SET value = value || '{"shop": {"single": 10000, "day": 50000, "hour": 500000}}'
WHERE name = 'payout_limits';
