-- Codes, the one public count, and what a scan leaves behind.

CREATE TABLE products (
    sku         text PRIMARY KEY,
    name        text NOT NULL,
    flavor      text NOT NULL,
    strength_mg integer NOT NULL,
    price_cents integer NOT NULL CHECK (price_cents > 0)
);
INSERT INTO products (sku, name, flavor, strength_mg, price_cents)
SELECT upper(replace(flavor, ' ', '')) || '-' || strength, 'BlakJaks ' || flavor, flavor, strength, 499
FROM unnest(ARRAY['Spearmint', 'Wintergreen', 'Bubblegum', 'Blue Razz', 'Mint Ice', 'Citrus', 'Cinnamon', 'Coffee'])
         AS flavor,
     unnest(ARRAY[3, 6, 9, 12]) AS strength;

CREATE TABLE code_batches (
    id                uuid PRIMARY KEY,
    name              text NOT NULL,
    product_sku       text NOT NULL REFERENCES products (sku),
    quantity          integer NOT NULL CHECK (quantity BETWEEN 1 AND 5000000),
    check_symbol      boolean NOT NULL DEFAULT false,
    manufacturer_name text,
    notes             text,
    status            text NOT NULL DEFAULT 'generating' CHECK (status IN ('generating', 'generated', 'recalled')),
    codes_made        integer NOT NULL DEFAULT 0 CHECK (codes_made BETWEEN 0 AND quantity),
    codes_manufactured integer NOT NULL DEFAULT 0,
    export_object     text,
    created_by        uuid NOT NULL REFERENCES members (id),
    created_at        timestamptz NOT NULL,
    generated_at      timestamptz,
    exported_at       timestamptz,
    CHECK ((status = 'generating') = (generated_at IS NULL))
);
CREATE INDEX code_batches_created ON code_batches (created_at DESC, id);

-- A chunk of a batch: its codes are written to storage first and recorded together with this row.
CREATE TABLE code_batch_chunks (
    batch_id    uuid NOT NULL REFERENCES code_batches (id),
    chunk       integer NOT NULL,
    codes       integer NOT NULL CHECK (codes > 0),
    object_name text NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (batch_id, chunk)
);

-- A code is known only by its keyed hash: HMAC-SHA256 of the code, first 16 bytes.
CREATE TABLE codes (
    mac             bytea PRIMARY KEY CHECK (octet_length(mac) = 16),
    batch_id        uuid NOT NULL REFERENCES code_batches (id),
    status          text NOT NULL DEFAULT 'generated'
                    CHECK (status IN ('generated', 'manufactured', 'scanned', 'invalidated')),
    manufactured_at timestamptz,
    scanned_at      timestamptz,
    scanned_by      uuid REFERENCES members (id),
    CHECK (status <> 'manufactured' OR manufactured_at IS NOT NULL),
    CHECK ((status = 'scanned') = (scanned_by IS NOT NULL)),
    CHECK ((status = 'scanned') = (scanned_at IS NOT NULL))
);
CREATE INDEX codes_batch ON codes (batch_id);

-- The global scan counter: gap-free, because it is raised in the scan's own transaction and nowhere else.
CREATE TABLE scan_counter (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    value    bigint NOT NULL CHECK (value >= 0)
);
INSERT INTO scan_counter (value) VALUES (0);

CREATE TABLE scans (
    id            uuid NOT NULL,
    number        bigint NOT NULL CHECK (number > 0),
    member_id     uuid NOT NULL REFERENCES members (id),
    code_mac      bytea NOT NULL,
    product_sku   text NOT NULL,
    scanned_at    timestamptz NOT NULL,
    method        text NOT NULL CHECK (method IN ('qr', 'manual')),
    latitude      double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude     double precision CHECK (longitude BETWEEN -180 AND 180),
    device_time   timestamptz,
    device_id     text,
    ip_address    inet,
    tier          tier NOT NULL,
    quarter       text NOT NULL,
    quarter_scans integer NOT NULL CHECK (quarter_scans > 0),
    usdt_earned   micro_usdt NOT NULL DEFAULT 0,
    flags         text[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (scanned_at, id)
) PARTITION BY RANGE (scanned_at);
CREATE INDEX scans_member ON scans (member_id, scanned_at DESC);
CREATE INDEX scans_number ON scans (number);
SELECT ensure_month_partitions('scans', '2026-01-01', 36);

-- A member's scans in a quarter.
CREATE TABLE member_quarters (
    member_id uuid NOT NULL REFERENCES members (id),
    quarter   text NOT NULL CHECK (quarter ~ '^\d{4}-Q[1-4]$'),
    scans     integer NOT NULL CHECK (scans >= 0),
    tier      tier NOT NULL,
    PRIMARY KEY (member_id, quarter)
);

-- Every tier a member reached, one row per quarter and tier; a permanent one has no quarter.
CREATE TABLE tier_history (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id    uuid NOT NULL REFERENCES members (id),
    quarter      text,
    tier         tier NOT NULL,
    scan_count   integer NOT NULL,
    achieved_at  timestamptz NOT NULL,
    expires_at   timestamptz,
    is_permanent boolean NOT NULL DEFAULT false,
    reason       text,
    CHECK (is_permanent = (quarter IS NULL))
);
CREATE INDEX tier_history_member ON tier_history (member_id, quarter);

INSERT INTO settings (name, value, description) VALUES
    ('tier_thresholds', '{"standard": 0, "vip": 7, "high_roller": 15, "whale": 30}',
     'Scans in a UTC calendar quarter that earn each tier.'),
    ('tier_multipliers', '{"standard": 1.0, "vip": 1.0, "high_roller": 1.0, "whale": 1.0}',
     'Shown with each scan as tier_multiplier.'),
    ('scans_per_hour_max', '60', 'Scans per member in any sixty minutes.'),
    ('guesses_per_hour_max', '30', 'Codes that are none, per member in a clock hour, before scanning is refused.');

-- Figures for the dashboard, and hourly treasury balances.
CREATE TABLE transparency_metrics (
    at       timestamptz NOT NULL,
    metric   text NOT NULL,
    value    numeric(18, 6) NOT NULL,
    metadata jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (at, metric)
) PARTITION BY RANGE (at);
SELECT ensure_month_partitions('transparency_metrics', '2026-01-01', 36);

CREATE TABLE treasury_snapshots (
    at              timestamptz NOT NULL,
    treasury        text NOT NULL CHECK (treasury IN ('member', 'affiliate', 'wholesale')),
    onchain_balance micro_usdt NOT NULL,
    bank_balance    numeric(18, 2),
    block_number    bigint NOT NULL,
    metadata        jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (at, treasury)
) PARTITION BY RANGE (at);
SELECT ensure_month_partitions('treasury_snapshots', '2026-01-01', 36);
