-- Sweeps that see everything, stops after reverts in a row, indexes, months of partitions, cheaper seals.

INSERT INTO settings (name, value, description) VALUES
    ('payout_reverts_max', '5', 'So many payments of a key that revert one after the other pause its treasury.');

-- Where the next look at a treasury's payouts that are held for a reason begins: after this one. No row: at the first.
CREATE TABLE hold_windows (
    treasury     text NOT NULL REFERENCES treasuries (name),
    hold_reason  hold_reason NOT NULL,
    requested_at timestamptz NOT NULL,
    payout_id    uuid NOT NULL,
    PRIMARY KEY (treasury, hold_reason)
);
CREATE INDEX payouts_released_by_reason ON payouts (treasury, hold_reason, requested_at, id)
    WHERE state = 'HELD' AND approvals_needed = 0;
DROP INDEX payouts_released_alone;

-- What each account had come to when a seal was made: each day only what has come since is added up. `balances` is the
-- digest of these rows, and part of the seal's own digest; seals from before have none.
CREATE TABLE ledger_seal_balances (
    number  bigint NOT NULL REFERENCES ledger_seals (number),
    account text NOT NULL REFERENCES ledger_accounts (name),
    balance bigint NOT NULL,
    PRIMARY KEY (number, account)
);
CREATE INDEX ledger_seal_balances_account ON ledger_seal_balances (account);
SELECT make_append_only('ledger_seal_balances');
ALTER TABLE ledger_seals ADD balances bytea CHECK (length(balances) = 32);

-- Mails whose delivery ended in the dead letters are asked for again; `asked_again_at` is when that was done last.
ALTER TABLE mails ADD asked_again_at timestamptz;
CREATE INDEX mails_waiting ON mails ((coalesce(asked_again_at, queued_at))) WHERE status = 'queued';

-- What a schedule or a person asks for, where the whole of a growing table was read.
CREATE INDEX payouts_unfinished ON payouts (treasury, lower(recipient_address), amount)
    WHERE state NOT IN ('PAID', 'CANCELLED');
CREATE INDEX members_admins ON members (role) WHERE role IS NOT NULL;
CREATE INDEX comps_scan ON comps (scan_number) WHERE scan_number IS NOT NULL;
CREATE INDEX email_codes_member ON email_codes (member_id);
CREATE INDEX sessions_member ON sessions (member_id);

-- Foreign keys: without an index, removing or renaming one row of the other table reads all of this one.
CREATE INDEX affiliate_earnings_referred ON affiliate_earnings (referred_id);
CREATE INDEX broadcasts_creator ON broadcasts (created_by);
CREATE INDEX chain_transfers_signer ON chain_transfers (signer);
CREATE INDEX code_batches_creator ON code_batches (created_by);
CREATE INDEX code_batches_product ON code_batches (product_sku);
CREATE INDEX code_batch_walks_batch ON code_batch_walks (batch_id);
CREATE INDEX code_changes_actor ON code_changes (actor_id);
CREATE INDEX code_imports_creator ON code_imports (created_by);
CREATE INDEX code_imports_starter ON code_imports (started_by) WHERE started_by IS NOT NULL;
CREATE INDEX code_retries_member ON code_retries (member_id);
CREATE INDEX comp_rule_changes_author ON comp_rule_changes (changed_by);
CREATE INDEX downline_entries_buyer ON downline_entries (buyer_id);
CREATE INDEX flagged_scans_decider ON flagged_scans (decided_by) WHERE decided_by IS NOT NULL;
CREATE INDEX flagged_scans_member ON flagged_scans (member_id);
CREATE INDEX flagged_scans_scan ON flagged_scans (scanned_at, scan_id);
CREATE INDEX honey_trials_batch ON honey_trials (batch_id);
CREATE INDEX manual_transfers_canceller ON manual_transfers (cancelled_by) WHERE cancelled_by IS NOT NULL;
CREATE INDEX manual_transfers_requester ON manual_transfers (requested_by);
CREATE INDEX milestones_comp ON milestones (comp_id) WHERE comp_id IS NOT NULL;
CREATE INDEX milestones_member ON milestones (member_id);
CREATE INDEX payout_approvals_approver ON payout_approvals (approver_id);
CREATE INDEX payouts_requester ON payouts (requested_by) WHERE requested_by IS NOT NULL;
CREATE INDEX pushes_device ON pushes (device_id);
CREATE INDEX reconciliation_findings_reconciliation ON reconciliation_findings (reconciliation_id);
CREATE INDEX reconciliation_findings_resolver ON reconciliation_findings (resolved_by) WHERE resolved_by IS NOT NULL;
CREATE INDEX reconciliation_findings_treasury ON reconciliation_findings (treasury);
CREATE INDEX reconciliation_treasuries_treasury ON reconciliation_treasuries (treasury);
CREATE INDEX reconciliations_requester ON reconciliations (requested_by) WHERE requested_by IS NOT NULL;
CREATE INDEX tier_history_setter ON tier_history (set_by) WHERE set_by IS NOT NULL;
CREATE INDEX wallet_challenges_member ON wallet_challenges (member_id);

-- Makes one month of a partitioned table. It is filled before it is attached: rows of the month that lie in the default
-- partition already are moved, for as long as they are there the month cannot be attached. Keys that refer to such rows
-- are taken off and put back unchecked; validate_references checks them afterwards, without holding anybody up.
-- Attaching holds up nobody who writes to other months.
CREATE FUNCTION make_month_partition(target text, name text, starts timestamptz, ends timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    key text := (SELECT attname FROM pg_partitioned_table JOIN pg_attribute
                     ON attrelid = partrelid AND attnum = partattrs[0] WHERE partrelid = target::regclass);
    lies_there text := format('FROM %I WHERE %I >= %L AND %I < %L', target || '_other', key, starts, key, ends);
    stranded boolean;
    reference record;
    put_back text := '';
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', name, target);
    EXECUTE format('SELECT EXISTS (SELECT %s)', lies_there) INTO stranded;
    IF stranded THEN
        FOR reference IN
            SELECT conrelid::regclass AS child, conname, replace(pg_get_constraintdef(oid), ' NOT VALID', '') AS definition
            FROM pg_constraint WHERE confrelid = target::regclass AND contype = 'f' AND conparentid = 0
        LOOP
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', reference.child, reference.conname);
            put_back := put_back || format('ALTER TABLE %s ADD CONSTRAINT %I %s NOT VALID;', reference.child,
                                           reference.conname, reference.definition);
        END LOOP;
        EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', target || '_other');
        EXECUTE format('INSERT INTO %I SELECT * %s', name, lies_there);
        EXECUTE format('DELETE %s', lies_there);
    END IF;
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', target, name, starts, ends);
    EXECUTE put_back;
END $$;

-- As before, and: months whose rows lie in the default partition can be made too.
CREATE OR REPLACE FUNCTION ensure_month_partitions(target text, first_month date, months integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    month date := date_trunc('month', first_month);
    made integer := 0;
    name text;
BEGIN
    IF to_regclass(target || '_other') IS NULL THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', target || '_other', target);
    END IF;
    FOR step IN 0 .. months - 1 LOOP
        name := target || to_char(month + make_interval(months => step), '_YYYY_MM');
        IF to_regclass(name) IS NULL THEN
            PERFORM make_month_partition(target, name, month + make_interval(months => step),
                                         month + make_interval(months => step + 1));
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;

-- Months that rows in the default partition belong to, earliest first: nobody has made them in time.
CREATE FUNCTION stranded_months(target text) RETURNS SETOF date
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT DISTINCT date_trunc(''month'', %I)::date AS month FROM %I ORDER BY month',
        (SELECT attname FROM pg_partitioned_table JOIN pg_attribute
             ON attrelid = partrelid AND attnum = partattrs[0] WHERE partrelid = target::regclass),
        target || '_other');
END $$;

-- Checks the keys that make_month_partition has put back; how many.
CREATE FUNCTION validate_references(target text) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    reference record;
    validated integer := 0;
BEGIN
    FOR reference IN
        SELECT conrelid::regclass AS child, conname FROM pg_constraint
        WHERE confrelid = target::regclass AND contype = 'f' AND conparentid = 0 AND NOT convalidated
    LOOP
        EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT %I', reference.child, reference.conname);
        validated := validated + 1;
    END LOOP;
    RETURN validated;
END $$;
