-- What a scan is judged by and leaves behind beside its row: the last place, flags for people, chips, time taken.

ALTER TABLE scans
    ADD COLUMN processing_ms integer NOT NULL DEFAULT 0 CHECK (processing_ms >= 0);  -- from the request to its commit

-- Where the member last scanned with a position, to notice impossible travel.
ALTER TABLE member_totals
    ADD COLUMN located_at timestamptz,
    ADD COLUMN latitude double precision,
    ADD COLUMN longitude double precision,
    ADD CHECK ((located_at IS NULL) = (latitude IS NULL)),
    ADD CHECK ((located_at IS NULL) = (longitude IS NULL)),
    DROP COLUMN gold_chips;  -- now in chip_balances

-- Codes that are on no tin: whoever tries one has a list that should be in nobody's hands.
ALTER TABLE code_batches
    ADD COLUMN honey boolean NOT NULL DEFAULT false;

CREATE TABLE honey_trials (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    batch_id    uuid NOT NULL REFERENCES code_batches (id),
    member_id   uuid NOT NULL REFERENCES members (id),
    device_id   text,
    ip_address  inet,
    happened_at timestamptz NOT NULL
);
CREATE INDEX honey_trials_member ON honey_trials (member_id, happened_at);
SELECT make_append_only('honey_trials');

-- A used code that somebody else tries again: two tins with one code, or a copied list.
CREATE TABLE code_retries (
    code_mac    bytea NOT NULL REFERENCES codes (mac),
    member_id   uuid NOT NULL REFERENCES members (id),
    device_id   text NOT NULL DEFAULT '',
    happened_at timestamptz NOT NULL,
    PRIMARY KEY (code_mac, member_id, device_id)
);

-- Scans that people should look at. A flagged scan keeps its number; what it won waits for the decision.
CREATE TABLE flagged_scans (
    scan_id     uuid PRIMARY KEY,
    scanned_at  timestamptz NOT NULL,
    scan_number bigint NOT NULL UNIQUE,
    member_id   uuid NOT NULL REFERENCES members (id),
    flags       text[] NOT NULL CHECK (cardinality(flags) > 0),
    details     jsonb NOT NULL DEFAULT '{}',
    flagged_at  timestamptz NOT NULL,
    status      text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'cleared', 'confirmed')),
    decided_at  timestamptz,
    decided_by  uuid REFERENCES members (id),
    note        text,
    FOREIGN KEY (scanned_at, scan_id) REFERENCES scans (scanned_at, id),
    CHECK ((status = 'open') = (decided_at IS NULL)),
    CHECK ((status = 'open') = (decided_by IS NULL))
);
CREATE INDEX flagged_scans_open ON flagged_scans (flagged_at, scan_id) WHERE status = 'open';
CREATE INDEX flagged_scans_status ON flagged_scans (status, flagged_at DESC, scan_id);

-- Chips: one per scan of a referred member, for the affiliate who referred them. Only the weekly batch spends them.
CREATE TABLE affiliate_chips (
    id           uuid PRIMARY KEY,
    affiliate_id uuid NOT NULL REFERENCES members (id),
    kind         text NOT NULL CHECK (kind IN ('referral_scan', 'vault_bonus', 'manual_grant')),
    chips        integer NOT NULL CHECK (chips > 0),
    scan_number  bigint UNIQUE,
    earned_at    timestamptz NOT NULL,
    CHECK ((kind = 'referral_scan') = (scan_number IS NOT NULL))
);
CREATE INDEX affiliate_chips_affiliate ON affiliate_chips (affiliate_id, earned_at);

-- Their sum. A row of its own, because scans change it after they have taken the counter, and nothing that waits
-- for the counter may hold it.
CREATE TABLE chip_balances (
    affiliate_id uuid PRIMARY KEY REFERENCES members (id),
    earned       bigint NOT NULL CHECK (earned >= 0)
) WITH (fillfactor = 70);
