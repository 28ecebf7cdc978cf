-- Comps: what members win, by which rule and why.

CREATE TYPE comp_type AS ENUM ('crypto_100', 'crypto_1k', 'crypto_10k', 'trip', 'casino', 'new_member_guarantee');

-- The prizes of the global count. Volume is tins per month on average (plan section "Comp Unlocking").
CREATE TABLE comp_rules (
    type          comp_type PRIMARY KEY,
    interval      bigint CHECK (interval > 0),
    tier          tier NOT NULL,
    amount        micro_usdt NOT NULL CHECK (amount >= 0),
    unlock_volume bigint NOT NULL CHECK (unlock_volume >= 0),
    unlocked_by_admin boolean NOT NULL DEFAULT false,
    enabled       boolean NOT NULL DEFAULT true,
    updated_at    timestamptz NOT NULL
);
INSERT INTO comp_rules (type, interval, tier, amount, unlock_volume, updated_at) VALUES
    ('crypto_100', 500, 'vip', 100000000, 0, '2026-01-01Z'),
    ('crypto_1k', 7500, 'high_roller', 1000000000, 2500, '2026-01-01Z'),
    ('crypto_10k', 125000, 'whale', 10000000000, 50000, '2026-01-01Z'),
    ('casino', 25000, 'whale', 1000000000, 10000, '2026-01-01Z'),
    ('trip', 500000, 'whale', 0, 500000, '2026-01-01Z');

-- Tins sold in the trailing 91 days, divided by three: the unlock state is an input of every award.
CREATE TABLE sales_volume (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    tins_per_month bigint NOT NULL CHECK (tins_per_month >= 0),
    as_of          timestamptz NOT NULL
);
INSERT INTO sales_volume (tins_per_month, as_of) VALUES (0, '2026-01-01Z');

CREATE TABLE comps (
    id               uuid PRIMARY KEY,
    member_id        uuid NOT NULL REFERENCES members (id),
    type             comp_type NOT NULL,
    amount           micro_usdt NOT NULL CHECK (amount >= 0),
    status           text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'in_review', 'paid', 'cancelled')),
    source_kind      text NOT NULL CHECK (source_kind IN ('milestone', 'guarantee', 'manual')),
    source_id        text NOT NULL,
    scan_id          uuid,
    scanned_at       timestamptz,
    scan_number      bigint,
    reason           jsonb NOT NULL,
    awarded_at       timestamptz NOT NULL,
    paid_at          timestamptz,
    transaction_hash evm_hash,
    notes            text,
    UNIQUE (source_kind, source_id),
    FOREIGN KEY (scanned_at, scan_id) REFERENCES scans (scanned_at, id),
    CHECK ((source_kind = 'milestone') = (scan_number IS NOT NULL)),
    CHECK ((status = 'paid') = (paid_at IS NOT NULL))
);
CREATE INDEX comps_member ON comps (member_id, awarded_at DESC, id);
CREATE INDEX comps_awarded ON comps (awarded_at DESC, id);
CREATE INDEX comps_pending ON comps (member_id) WHERE status = 'pending';

-- Every prize whose interval divides a scan number: awarded, or not and why. Once each.
CREATE TABLE milestones (
    scan_number    bigint NOT NULL,
    type           comp_type NOT NULL,
    member_id      uuid NOT NULL REFERENCES members (id),
    tier           tier NOT NULL,
    tins_per_month bigint NOT NULL,
    awarded        boolean NOT NULL,
    reason         text NOT NULL,
    comp_id        uuid REFERENCES comps (id),
    reached_at     timestamptz NOT NULL,
    PRIMARY KEY (scan_number, type),
    CHECK (awarded = (comp_id IS NOT NULL))
);
SELECT make_append_only('milestones');

-- What moved in or out of a member's wallet, as the member sees it.
CREATE TABLE wallet_transactions (
    id               uuid PRIMARY KEY,
    member_id        uuid NOT NULL REFERENCES members (id),
    type             text NOT NULL CHECK (type IN ('comp_deposit', 'withdrawal', 'oobit_spend', 'external_deposit')),
    amount           micro_usdt NOT NULL CHECK (amount > 0),
    transaction_hash evm_hash,
    from_address     evm_address,
    to_address       evm_address,
    status           text NOT NULL CHECK (status IN ('pending', 'confirmed', 'failed')),
    created_at       timestamptz NOT NULL,
    confirmed_at     timestamptz,
    comp_id          uuid REFERENCES comps (id)
);
CREATE INDEX wallet_transactions_member ON wallet_transactions (member_id, created_at DESC, id);
CREATE UNIQUE INDEX wallet_transactions_comp ON wallet_transactions (comp_id) WHERE comp_id IS NOT NULL;
