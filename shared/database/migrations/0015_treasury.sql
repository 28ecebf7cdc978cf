-- Manual transfers and their approvals, balance alerts, the chain's Transfer logs and what they were compared with,
-- daily balances, the ledger's seal.

-- A transfer that a treasury admin asked for. The payout is the promise and the money's way; this is the person's side.
CREATE TABLE manual_transfers (
    payout_id     uuid PRIMARY KEY REFERENCES payouts (id),
    reason        text NOT NULL,
    requested_by  uuid NOT NULL REFERENCES members (id),
    requested_at  timestamptz NOT NULL,
    cancelled_by  uuid REFERENCES members (id),
    cancelled_at  timestamptz,
    cancel_reason text,
    CHECK ((cancelled_at IS NULL) = (cancelled_by IS NULL) AND (cancelled_at IS NULL) = (cancel_reason IS NULL))
);
CREATE INDEX manual_transfers_newest ON manual_transfers (requested_at, payout_id);
ALTER TABLE payouts ADD CONSTRAINT payouts_manual_requester CHECK (source_kind <> 'manual' OR requested_by IS NOT NULL);
CREATE INDEX payouts_paid ON payouts (treasury, paid_at) WHERE state = 'PAID';
CREATE INDEX payouts_listed ON payouts (requested_at, id);
CREATE INDEX payouts_manual ON payouts (requested_at, id) WHERE source_kind = 'manual';
CREATE INDEX payout_slots_block ON payout_slots (block_number) WHERE state = 'FINAL_PAY';
CREATE INDEX audit_logs_resource ON audit_logs (resource_type, resource_id, id);

-- No policy lets a manual transfer pass by itself: it is held for two people first, whatever its amount.
CREATE FUNCTION manual_transfer_judged() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state NOT IN ('HELD', 'CANCELLED') OR (NEW.state = 'HELD' AND NEW.approvals_needed < 2) THEN
        PERFORM refuse('manual_approvals', format('manual transfer %s waits for two people first', NEW.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER manual_transfer_judged BEFORE UPDATE ON payouts FOR EACH ROW
    WHEN (OLD.source_kind = 'manual' AND OLD.state = 'REQUESTED' AND NEW.state <> 'REQUESTED')
    EXECUTE FUNCTION manual_transfer_judged();

-- Below which balance people are woken; `crossed_at` is when it was found below, and is empty above: one crossing is
-- told once. Thresholds are micro-USDT of kind usdt and wei of kind gas.
CREATE TABLE treasury_alerts (
    treasury   text NOT NULL CHECK (treasury IN ('member', 'affiliate', 'wholesale')),
    kind       text NOT NULL CHECK (kind IN ('usdt', 'gas')),
    threshold  numeric(39) NOT NULL CHECK (threshold >= 0),
    crossed_at timestamptz,
    PRIMARY KEY (treasury, kind)
);
INSERT INTO treasury_alerts (treasury, kind, threshold)
SELECT treasury, kind, threshold
FROM unnest(ARRAY['member', 'affiliate', 'wholesale']) AS treasury,
     (VALUES ('usdt', 10000 * 10 ^ 6), ('gas', 5 * 10 ^ 18)) AS defaults (kind, threshold);

-- What the nodes told at each full hour stays for 90 days in treasury_snapshots; a day's extremes and end stay for ever.
CREATE TABLE treasury_snapshot_days (
    day        date NOT NULL,
    treasury   text NOT NULL CHECK (treasury IN ('member', 'affiliate', 'wholesale')),
    lowest     micro_usdt NOT NULL,
    highest    micro_usdt NOT NULL,
    closing    micro_usdt NOT NULL,
    closing_at timestamptz NOT NULL,
    PRIMARY KEY (day, treasury)
);

-- Drops the months of treasury_snapshots that ended before a time; how many. Only the schema's owner may drop.
CREATE FUNCTION drop_treasury_snapshots(before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    month   text;
    dropped integer := 0;
BEGIN
    FOR month IN
        SELECT inhrelid::regclass::text FROM pg_inherits
        WHERE inhparent = 'treasury_snapshots'::regclass AND inhrelid::regclass::text ~ '_\d{4}_\d\d$'
    LOOP
        IF to_date(right(month, 7), 'YYYY_MM') + interval '1 month' <= before THEN
            EXECUTE format('DROP TABLE %I', month);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END $$;

-- How far the Transfer logs of a treasury's key have been read; `block_hash` is of the last block.
CREATE TABLE chain_scans (
    signer     evm_address PRIMARY KEY REFERENCES signers (address),
    scanned_to bigint NOT NULL CHECK (scanned_to >= -1),
    block_hash evm_hash,
    scanned_at timestamptz NOT NULL
);

-- Every movement of USDT to or from a treasury's key, in finalized blocks, as all nodes told it. One that leaves is
-- explained by one payout, one payout by one that leaves.
CREATE TABLE chain_transfers (
    transaction_hash evm_hash NOT NULL,
    log_index        integer NOT NULL CHECK (log_index >= 0),
    direction        text NOT NULL CHECK (direction IN ('in', 'out')),
    treasury         text NOT NULL REFERENCES treasuries (name),
    signer           evm_address NOT NULL REFERENCES signers (address),
    counterparty     evm_address NOT NULL,
    amount           micro_usdt NOT NULL CHECK (amount > 0),
    block_number     bigint NOT NULL CHECK (block_number >= 0),
    seen_at          timestamptz NOT NULL,
    payout_id        uuid UNIQUE REFERENCES payouts (id),
    PRIMARY KEY (transaction_hash, log_index, direction),
    CHECK (payout_id IS NULL OR direction = 'out')
);
CREATE INDEX chain_transfers_block ON chain_transfers (treasury, block_number);
CREATE INDEX chain_transfers_unexplained ON chain_transfers (treasury, block_number)
    WHERE direction = 'out' AND payout_id IS NULL;

-- A comparison of the books with the chain as of one block that was final when it began. One a day by schedule, others
-- when asked for. It is looked at again until nothing is pending (`finished_at`).
CREATE TABLE reconciliations (
    id           uuid PRIMARY KEY,
    day          date UNIQUE,                            -- of the scheduled ones
    requested_by uuid REFERENCES members (id),           -- of the others
    requested_at timestamptz NOT NULL,
    block_number bigint,
    block_hash   evm_hash,
    finished_at  timestamptz,
    status       text NOT NULL DEFAULT 'pending' CHECK (status IN ('balanced', 'discrepancy', 'pending')),
    badge        text NOT NULL DEFAULT 'pending' CHECK (badge IN ('balanced', 'discrepancy', 'pending')),
    reason       text,                                   -- why the whole of it is pending
    CHECK ((day IS NULL) <> (requested_by IS NULL)),
    CHECK ((block_number IS NULL) = (block_hash IS NULL))
);
CREATE INDEX reconciliations_newest ON reconciliations (requested_at, id);

CREATE TABLE reconciliation_treasuries (
    reconciliation_id uuid NOT NULL REFERENCES reconciliations (id),
    treasury          text NOT NULL REFERENCES treasuries (name),
    chain_balance     micro_usdt NOT NULL,               -- of all its keys at the block
    status            text NOT NULL DEFAULT 'pending' CHECK (status IN ('balanced', 'discrepancy', 'pending')),
    badge             text NOT NULL DEFAULT 'pending' CHECK (badge IN ('balanced', 'discrepancy', 'pending')),
    reason            text,                              -- why it is pending
    payouts_matched   bigint,                            -- ever, each with its Transfer log
    amount_matched    micro_usdt,
    payouts_waiting   integer,                           -- their Transfer is in the chain, they are not yet paid
    findings_open     integer,
    book_balance      micro_usdt,
    difference        micro_usdt,                        -- chain less books
    PRIMARY KEY (reconciliation_id, treasury)
);

-- What does not agree, each named once for as long as it is open.
CREATE TABLE reconciliation_findings (
    id                uuid PRIMARY KEY,
    reconciliation_id uuid NOT NULL REFERENCES reconciliations (id),  -- that found it first
    treasury          text NOT NULL REFERENCES treasuries (name),
    kind              text NOT NULL CHECK (kind IN ('unknown_transfer', 'missing_transfer', 'amount_differs',
                                                    'recipient_differs', 'balance_differs')),
    ref               text NOT NULL,
    payout_id         uuid REFERENCES payouts (id),
    transaction_hash  evm_hash,
    counterparty      evm_address,
    expected          micro_usdt NOT NULL,
    found             micro_usdt NOT NULL,
    found_at          timestamptz NOT NULL,
    resolved_at       timestamptz,
    resolved_by       uuid REFERENCES members (id),      -- empty when the books caught up by themselves
    resolution        text,
    CHECK ((resolved_at IS NULL) = (resolution IS NULL))
);
CREATE UNIQUE INDEX reconciliation_findings_open ON reconciliation_findings (treasury, kind, ref)
    WHERE resolved_at IS NULL;
CREATE INDEX reconciliation_findings_payout ON reconciliation_findings (payout_id);
CREATE INDEX reconciliation_findings_transfer ON reconciliation_findings (ref);

-- How far a treasury's payouts were compared: each that was paid before `settled_until`; and how many of them agreed.
CREATE TABLE reconciliation_marks (
    treasury        text PRIMARY KEY REFERENCES treasuries (name),
    settled_until   timestamptz,
    payouts_matched bigint NOT NULL DEFAULT 0,
    amount_matched  micro_usdt NOT NULL DEFAULT 0
);

-- The chain of seals. A seal covers the journals whose transactions had ended at its horizon and not at the one before:
-- a closed set, to which nothing can come any more. `digest` is of the last digest, the numbers and the content.
CREATE TABLE ledger_seals (
    number    bigint PRIMARY KEY CHECK (number > 0),
    horizon   xid8 NOT NULL UNIQUE,
    journals  bigint NOT NULL CHECK (journals >= 0),
    postings  bigint NOT NULL CHECK (postings >= 0),
    content   bytea NOT NULL CHECK (length(content) = 32),
    digest    bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    sealed_at timestamptz NOT NULL
);
SELECT make_append_only('ledger_seals');
CREATE INDEX ledger_journals_written_by ON ledger_journals (written_by);
