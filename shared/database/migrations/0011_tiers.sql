-- Tiers that people set, that purchases of a downline earn, and that end with a quarter; scans per minute, hour and day.

-- What an admin has set for the quarter is a floor: whoever writes `tier` keeps it at or above.
ALTER TABLE member_quarters
    ADD COLUMN override_tier tier CHECK (override_tier <> 'standard'),
    ADD COLUMN closed_at timestamptz,  -- when tier_rollover told the member that the quarter's tier has ended
    ADD CHECK (override_tier IS NULL OR tier >= override_tier);
CREATE INDEX member_quarters_open ON member_quarters (quarter, member_id)
    WHERE closed_at IS NULL AND tier <> 'standard';

-- earned: by scans or the downline's tins. override, override_removed: by an admin, with the tier that holds from
-- then on. ended: with the quarter, with the tier that is left.
ALTER TABLE tier_history
    ADD COLUMN entry_id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN kind text NOT NULL DEFAULT 'earned'
               CHECK (kind IN ('earned', 'override', 'override_removed', 'ended')),
    ADD COLUMN downline_tins bigint,
    ADD COLUMN set_by uuid REFERENCES members (id),
    ADD CHECK ((kind IN ('override', 'override_removed')) = (set_by IS NOT NULL)),
    ADD CHECK (kind <> 'override' OR reason IS NOT NULL);
CREATE INDEX tier_history_newest ON tier_history (member_id, achieved_at DESC, entry_id DESC);
CREATE UNIQUE INDEX tier_history_ended ON tier_history (member_id, quarter) WHERE kind = 'ended';

-- Why a member's permanent tier is what it is: members.permanent_tier is the better of both.
-- The tins may sink (refunds), what they have earned does not.
CREATE TABLE permanent_tiers (
    member_id     uuid PRIMARY KEY REFERENCES members (id),
    downline_tins bigint NOT NULL DEFAULT 0,
    earned_tier   tier NOT NULL,
    override_tier tier CHECK (override_tier <> 'standard')
);

-- Tins bought by somebody whom the affiliate has referred; negative for a refund. Each source counts once.
CREATE TABLE downline_entries (
    source_id    text PRIMARY KEY,
    affiliate_id uuid NOT NULL REFERENCES members (id),
    buyer_id     uuid NOT NULL REFERENCES members (id),
    tins         integer NOT NULL CHECK (tins <> 0),
    counted_at   timestamptz NOT NULL
);
CREATE INDEX downline_entries_affiliate ON downline_entries (affiliate_id, counted_at);
SELECT make_append_only('downline_entries');

INSERT INTO settings (name, value, description) VALUES
    ('permanent_tier_thresholds', '{"standard": 0, "vip": 210, "high_roller": 2100, "whale": 21000}',
     'Tins bought by the downline (paid, net of refunds, lifetime) that earn each tier for good.');

-- How many scans, and how long they took, by scanned_at. Written by scan_rollup alone.
CREATE TABLE scan_rollups (
    period        text NOT NULL CHECK (period IN ('minute', 'hour', 'day')),
    starts_at     timestamptz NOT NULL,
    scans         bigint NOT NULL CHECK (scans > 0),
    processing_ms bigint NOT NULL CHECK (processing_ms >= 0),
    histogram     jsonb NOT NULL,  -- scans by bucket of processing_ms (shared/histogram.py)
    peak_scans    bigint NOT NULL CHECK (peak_scans BETWEEN 1 AND scans),
    peak_at       timestamptz NOT NULL,  -- the first of the minutes that had so many
    PRIMARY KEY (period, starts_at)
);

-- The scans up to this number are rolled up; there were no others at `as_of`.
CREATE TABLE scan_rollup_position (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_number bigint NOT NULL CHECK (last_number >= 0),
    newest_at   timestamptz,
    as_of       timestamptz NOT NULL
);
INSERT INTO scan_rollup_position (last_number, as_of) VALUES (0, '2026-01-01Z');
