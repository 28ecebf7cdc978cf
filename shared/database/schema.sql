-- The schema after all migrations, for people to read. `make schema` writes this file, and a test compares it with what
-- the migrations make. Nothing runs it. To change the schema, add a migration to shared/database/migrations and write
-- this file anew.
--
-- The order is: types; tables, each with its indexes and triggers; views; functions; rights, role by role.
-- A table that says PARTITION BY has a partition for each month, made by ensure_month_partitions.

CREATE TYPE admin_role AS ENUM ('support', 'operations', 'treasury', 'owner');
CREATE TYPE comp_type AS ENUM ('crypto_100', 'crypto_1k', 'crypto_10k', 'trip', 'casino', 'new_member_guarantee',
    'manual');
CREATE TYPE hold_reason AS ENUM ('limit', 'funds', 'gas', 'blocked', 'paused', 'review', 'reverted', 'suspended');
CREATE TYPE order_state AS ENUM ('pending', 'age_verification', 'payment_processing', 'confirmed', 'fulfilled',
    'shipped', 'delivered', 'cancelled');
CREATE TYPE payout_state AS ENUM ('REQUESTED', 'HELD', 'APPROVED', 'RESERVED', 'IN_FLIGHT', 'PAID', 'QUARANTINED',
    'CANCELLED');
CREATE TYPE slot_state AS ENUM ('ALLOCATED', 'LIVE', 'MINED', 'FINAL_PAY', 'FINAL_REVERTED', 'FINAL_NOOP', 'FOREIGN');
CREATE TYPE social_access AS ENUM ('hidden', 'view', 'full');
CREATE TYPE tier AS ENUM ('standard', 'vip', 'high_roller', 'whale');
CREATE TYPE withdrawal_state AS ENUM ('prepared', 'signed', 'mined', 'lapsed', 'confirmed', 'reverted', 'replaced',
    'cancelled', 'expired');
CREATE DOMAIN evm_address AS text CHECK (VALUE ~ '^0x[0-9a-fA-F]{40}$');
CREATE DOMAIN evm_hash AS text CHECK (VALUE ~ '^0x[0-9a-f]{64}$');
CREATE DOMAIN micro_usdt AS bigint;
CREATE DOMAIN usd AS bigint CHECK ((VALUE % 10000::bigint) = 0);

CREATE TABLE active_days (
    last_day  date    NOT NULL,
    members   bigint  NOT NULL,
    CONSTRAINT active_days_pkey PRIMARY KEY (last_day),
    CONSTRAINT active_days_members_check CHECK (members >= 0)
);

CREATE TABLE activity (
    member_id  uuid  NOT NULL,
    last_day   date  NOT NULL,
    CONSTRAINT activity_pkey PRIMARY KEY (member_id),
    CONSTRAINT activity_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE TRIGGER activity_counts AFTER INSERT ON activity REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE
    FUNCTION activity_counts();
CREATE TRIGGER activity_moves AFTER UPDATE ON activity REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH
    STATEMENT EXECUTE FUNCTION activity_counts();

CREATE TABLE affiliate_chips (
    id            uuid         NOT NULL,
    affiliate_id  uuid         NOT NULL,
    kind          text         NOT NULL,
    chips         integer      NOT NULL,
    scan_number   bigint,
    earned_at     timestamptz  NOT NULL,
    CONSTRAINT affiliate_chips_pkey PRIMARY KEY (id),
    CONSTRAINT affiliate_chips_scan_number_key UNIQUE (scan_number),
    CONSTRAINT affiliate_chips_check CHECK ((kind = 'referral_scan') = (scan_number IS NOT NULL)),
    CONSTRAINT affiliate_chips_chips_check CHECK (chips > 0),
    CONSTRAINT affiliate_chips_kind_check CHECK (kind IN ('referral_scan', 'vault_bonus', 'manual_grant')),
    CONSTRAINT affiliate_chips_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id)
);
CREATE INDEX affiliate_chips_affiliate ON affiliate_chips (affiliate_id, earned_at DESC, id DESC);

CREATE TABLE affiliate_earnings (
    id            uuid         NOT NULL,
    affiliate_id  uuid         NOT NULL,
    referred_id   uuid,
    kind          text         NOT NULL,
    comp_id       uuid,
    value         micro_usdt,
    amount        micro_usdt   NOT NULL,
    status        text         NOT NULL,
    earned_at     timestamptz  NOT NULL,
    paid_at       timestamptz,
    cancelled_at  timestamptz,
    percent       integer      NOT NULL DEFAULT 21,
    reverses_id   uuid,
    awarded_by    uuid,
    agreed_by     uuid,
    reason        text,
    CONSTRAINT affiliate_earnings_pkey PRIMARY KEY (id),
    CONSTRAINT affiliate_earnings_comp_id_key UNIQUE (comp_id),
    CONSTRAINT affiliate_earnings_reverses_id_key UNIQUE (reverses_id),
    CONSTRAINT affiliate_earnings_amount_check CHECK (amount::bigint <> 0 AND (amount::bigint < 0) = (kind =
        'reversal')),
    CONSTRAINT affiliate_earnings_check CHECK (affiliate_id <> referred_id),
    CONSTRAINT affiliate_earnings_check1 CHECK ((kind = 'prize_match') = (comp_id IS NOT NULL)),
    CONSTRAINT affiliate_earnings_check3 CHECK ((status = 'paid') = (paid_at IS NOT NULL)),
    CONSTRAINT affiliate_earnings_check4 CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    CONSTRAINT affiliate_earnings_kind_check CHECK (kind IN ('prize_match', 'manual', 'reversal')),
    CONSTRAINT affiliate_earnings_manual CHECK ((kind = 'manual') = (awarded_by IS NOT NULL) AND (kind <> 'manual' OR
        reason IS NOT NULL)),
    CONSTRAINT affiliate_earnings_match CHECK ((kind = 'prize_match') = (value IS NOT NULL)),
    CONSTRAINT affiliate_earnings_percent_check CHECK (percent >= 1 AND percent <= 100),
    CONSTRAINT affiliate_earnings_rate CHECK (kind <> 'prize_match' OR amount::bigint = (value::bigint * percent /
        100)),
    CONSTRAINT affiliate_earnings_reason_check CHECK (length(reason) >= 1 AND length(reason) <= 2000),
    CONSTRAINT affiliate_earnings_referred CHECK (kind <> 'prize_match' OR referred_id IS NOT NULL),
    CONSTRAINT affiliate_earnings_reverses CHECK ((kind = 'reversal') = (reverses_id IS NOT NULL)),
    CONSTRAINT affiliate_earnings_status_check CHECK (status IN ('in_review', 'pending', 'paid', 'cancelled')),
    CONSTRAINT affiliate_earnings_value_check CHECK (value::bigint > 0),
    CONSTRAINT affiliate_earnings_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id),
    CONSTRAINT affiliate_earnings_agreed_by_fkey FOREIGN KEY (agreed_by) REFERENCES members(id),
    CONSTRAINT affiliate_earnings_awarded_by_fkey FOREIGN KEY (awarded_by) REFERENCES members(id),
    CONSTRAINT affiliate_earnings_comp_id_fkey FOREIGN KEY (comp_id) REFERENCES comps(id),
    CONSTRAINT affiliate_earnings_referred_id_fkey FOREIGN KEY (referred_id) REFERENCES members(id),
    CONSTRAINT affiliate_earnings_reverses_id_fkey FOREIGN KEY (reverses_id) REFERENCES affiliate_earnings(id)
);
CREATE INDEX affiliate_earnings_affiliate ON affiliate_earnings (affiliate_id, earned_at, id);
CREATE INDEX affiliate_earnings_agreed_by ON affiliate_earnings (agreed_by) WHERE agreed_by IS NOT NULL;
CREATE INDEX affiliate_earnings_awarded_by ON affiliate_earnings (awarded_by) WHERE awarded_by IS NOT NULL;
CREATE INDEX affiliate_earnings_cancelled ON affiliate_earnings (cancelled_at) WHERE status = 'cancelled';
CREATE INDEX affiliate_earnings_earned ON affiliate_earnings (earned_at);
CREATE INDEX affiliate_earnings_in_review ON affiliate_earnings (earned_at) WHERE status = 'in_review' AND kind =
    'manual';
CREATE INDEX affiliate_earnings_manual ON affiliate_earnings (affiliate_id, earned_at, id) WHERE kind = 'manual';
CREATE INDEX affiliate_earnings_match_in_review ON affiliate_earnings (referred_id) WHERE kind = 'prize_match' AND
    status = 'in_review';
CREATE INDEX affiliate_earnings_owed_match ON affiliate_earnings (referred_id) WHERE kind = 'prize_match' AND status =
    'pending';
CREATE INDEX affiliate_earnings_paid ON affiliate_earnings (paid_at) WHERE status = 'paid';
CREATE INDEX affiliate_earnings_pending ON affiliate_earnings (affiliate_id) WHERE status = 'pending';
CREATE INDEX affiliate_earnings_referred ON affiliate_earnings (referred_id);
CREATE TRIGGER affiliate_earning_changed BEFORE UPDATE ON affiliate_earnings FOR EACH ROW EXECUTE FUNCTION
    affiliate_earning_changed();
CREATE TRIGGER earning_by_hand BEFORE INSERT OR UPDATE OF status, agreed_by ON affiliate_earnings FOR EACH ROW WHEN
    (new.kind = 'manual' AND (new.status IN ('in_review', 'pending'))) EXECUTE FUNCTION earning_by_hand();
CREATE TRIGGER earning_counts AFTER INSERT ON affiliate_earnings FOR EACH ROW WHEN (new.status IN ('pending', 'paid'))
    EXECUTE FUNCTION earning_counts();
CREATE TRIGGER earning_counts_now AFTER UPDATE OF status ON affiliate_earnings FOR EACH ROW WHEN ((new.status IN
    ('pending', 'paid')) <> (old.status IN ('pending', 'paid'))) EXECUTE FUNCTION earning_counts();
CREATE TRIGGER earning_reverses BEFORE INSERT ON affiliate_earnings FOR EACH ROW WHEN (new.reverses_id IS NOT NULL)
    EXECUTE FUNCTION earning_reverses();

CREATE TABLE affiliate_figure_changes (
    id            bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    affiliate_id  uuid        NOT NULL,
    downline      integer     NOT NULL DEFAULT 0,
    earned        micro_usdt  NOT NULL DEFAULT 0,
    CONSTRAINT affiliate_figure_changes_pkey PRIMARY KEY (id),
    CONSTRAINT affiliate_figure_changes_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id)
);
CREATE INDEX affiliate_figure_changes_affiliate ON affiliate_figure_changes (affiliate_id);

CREATE TABLE affiliate_figure_weeks (
    week_on         date  NOT NULL,
    done_affiliate  uuid  NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    CONSTRAINT affiliate_figure_weeks_pkey PRIMARY KEY (week_on),
    CONSTRAINT affiliate_figure_weeks_week_on_fkey FOREIGN KEY (week_on) REFERENCES affiliate_weeks(week_on)
);

CREATE TABLE affiliate_figures (
    affiliate_id  uuid        NOT NULL,
    downline      integer     NOT NULL DEFAULT 0,
    chips         bigint      NOT NULL DEFAULT 0,
    earned        micro_usdt  NOT NULL DEFAULT 0,
    CONSTRAINT affiliate_figures_pkey PRIMARY KEY (affiliate_id),
    CONSTRAINT affiliate_figures_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id)
);
CREATE INDEX affiliate_figures_chips ON affiliate_figures (chips, affiliate_id);
CREATE INDEX affiliate_figures_downline ON affiliate_figures (downline, affiliate_id);
CREATE INDEX affiliate_figures_earned ON affiliate_figures (earned, affiliate_id);

CREATE TABLE affiliate_payout_lines (
    payout_id     uuid         NOT NULL,
    affiliate_id  uuid         NOT NULL,
    share_week    date,
    earning_id    uuid,
    amount        micro_usdt   NOT NULL,
    released_at   timestamptz,
    CONSTRAINT affiliate_payout_lines_amount_check CHECK (amount::bigint <> 0),
    CONSTRAINT affiliate_payout_lines_part CHECK ((share_week IS NULL) <> (earning_id IS NULL)),
    CONSTRAINT affiliate_payout_lines_earning_id_fkey FOREIGN KEY (earning_id) REFERENCES affiliate_earnings(id),
    CONSTRAINT affiliate_payout_lines_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES affiliate_payouts(id),
    CONSTRAINT affiliate_payout_lines_share_week_affiliate_id_fkey FOREIGN KEY (share_week, affiliate_id) REFERENCES
        affiliate_week_shares(week_on, affiliate_id)
);
CREATE UNIQUE INDEX affiliate_payout_lines_earning ON affiliate_payout_lines (earning_id) WHERE earning_id IS NOT NULL
    AND released_at IS NULL;
CREATE INDEX affiliate_payout_lines_earning_all ON affiliate_payout_lines (earning_id);
CREATE INDEX affiliate_payout_lines_payout ON affiliate_payout_lines (payout_id);
CREATE UNIQUE INDEX affiliate_payout_lines_share ON affiliate_payout_lines (affiliate_id, share_week) WHERE share_week
    IS NOT NULL AND released_at IS NULL;
CREATE INDEX affiliate_payout_lines_share_all ON affiliate_payout_lines (share_week, affiliate_id);
CREATE TRIGGER affiliate_line_changed BEFORE UPDATE ON affiliate_payout_lines FOR EACH ROW EXECUTE FUNCTION
    affiliate_line_changed();
CREATE TRIGGER affiliate_lines_fit AFTER INSERT ON affiliate_payout_lines REFERENCING NEW TABLE AS added FOR EACH
    STATEMENT EXECUTE FUNCTION affiliate_lines_fit();

CREATE TABLE affiliate_payouts (
    id            uuid         NOT NULL,
    affiliate_id  uuid         NOT NULL,
    week_on       date,
    address       text         NOT NULL,
    amount        micro_usdt   NOT NULL,
    state         text         NOT NULL DEFAULT 'proposed',
    payout_id     uuid,
    made_at       timestamptz  NOT NULL,
    state_at      timestamptz  NOT NULL,
    CONSTRAINT affiliate_payouts_pkey PRIMARY KEY (id),
    CONSTRAINT affiliate_payouts_payout_id_key UNIQUE (payout_id),
    CONSTRAINT affiliate_payouts_address_check CHECK (address ~ '^0x[0-9A-Fa-f]{40}$'),
    CONSTRAINT affiliate_payouts_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT affiliate_payouts_proposed CHECK (state <> 'proposed' OR payout_id IS NULL),
    CONSTRAINT affiliate_payouts_requested CHECK ((state NOT IN ('requested', 'paid')) OR payout_id IS NOT NULL),
    CONSTRAINT affiliate_payouts_state_check CHECK (state IN ('proposed', 'requested', 'paid', 'cancelled')),
    CONSTRAINT affiliate_payouts_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id),
    CONSTRAINT affiliate_payouts_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payouts(id),
    CONSTRAINT affiliate_payouts_week_on_fkey FOREIGN KEY (week_on) REFERENCES affiliate_weeks(week_on)
);
CREATE INDEX affiliate_payouts_affiliate ON affiliate_payouts (affiliate_id, made_at, id);
CREATE INDEX affiliate_payouts_of_week ON affiliate_payouts (week_on, affiliate_id);
CREATE INDEX affiliate_payouts_open ON affiliate_payouts (week_on, affiliate_id) WHERE state IN ('proposed',
    'requested');
CREATE UNIQUE INDEX affiliate_payouts_week ON affiliate_payouts (week_on, affiliate_id) WHERE state <> 'cancelled';
CREATE TRIGGER affiliate_payout_changed BEFORE UPDATE ON affiliate_payouts FOR EACH ROW EXECUTE FUNCTION
    affiliate_payout_changed();
CREATE TRIGGER affiliate_proposals_unmade AFTER DELETE ON affiliate_payouts REFERENCING OLD TABLE AS changed FOR EACH
    STATEMENT EXECUTE FUNCTION affiliate_proposals_unmade();

CREATE TABLE affiliate_program (
    only_row    boolean      NOT NULL DEFAULT true,
    state       text         NOT NULL DEFAULT 'open',
    step        integer      NOT NULL DEFAULT 0,
    full_on     date,
    full_days   integer      NOT NULL DEFAULT 0,
    checked_at  timestamptz,
    sunset_at   timestamptz,
    weights     bigint,
    CONSTRAINT affiliate_program_pkey PRIMARY KEY (only_row),
    CONSTRAINT affiliate_program_full CHECK ((full_on IS NULL) = (full_days = 0)),
    CONSTRAINT affiliate_program_full_days_check CHECK (full_days >= 0),
    CONSTRAINT affiliate_program_only_row_check CHECK (only_row),
    CONSTRAINT affiliate_program_state_check CHECK (state IN ('open', 'sunset')),
    CONSTRAINT affiliate_program_step_check CHECK (step >= 0),
    CONSTRAINT affiliate_program_sunset CHECK ((state = 'sunset') = (sunset_at IS NOT NULL) AND (state = 'sunset') =
        (weights IS NOT NULL))
);
CREATE TRIGGER affiliate_program_changed BEFORE UPDATE ON affiliate_program FOR EACH ROW EXECUTE FUNCTION
    affiliate_program_changed();

CREATE TABLE affiliate_week_decisions (
    id              bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    week_on         date         NOT NULL,
    ready_at        timestamptz  NOT NULL,
    admin_id        uuid         NOT NULL,
    verdict         text         NOT NULL,
    payment_digest  bytea        NOT NULL,
    reason          text         NOT NULL,
    decided_at      timestamptz  NOT NULL,
    CONSTRAINT affiliate_week_decisions_pkey PRIMARY KEY (id),
    CONSTRAINT affiliate_week_decisions_reason_check CHECK (length(reason) >= 1 AND length(reason) <= 2000),
    CONSTRAINT affiliate_week_decisions_verdict_check CHECK (verdict IN ('approve', 'reject', 'hold', 'release')),
    CONSTRAINT affiliate_week_decisions_admin_id_fkey FOREIGN KEY (admin_id) REFERENCES members(id),
    CONSTRAINT affiliate_week_decisions_week_on_fkey FOREIGN KEY (week_on) REFERENCES affiliate_weeks(week_on)
);
CREATE INDEX affiliate_week_decisions_admin ON affiliate_week_decisions (admin_id);
CREATE UNIQUE INDEX affiliate_week_decisions_once ON affiliate_week_decisions (week_on, ready_at, admin_id) WHERE
    verdict = 'approve';
CREATE INDEX affiliate_week_decisions_week ON affiliate_week_decisions (week_on, ready_at, id);
CREATE TRIGGER affiliate_week_decided BEFORE INSERT ON affiliate_week_decisions FOR EACH ROW EXECUTE FUNCTION
    affiliate_week_decided();
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON affiliate_week_decisions FOR EACH ROW EXECUTE FUNCTION
    append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON affiliate_week_decisions FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE affiliate_week_shares (
    week_on       date         NOT NULL,
    affiliate_id  uuid         NOT NULL,
    mark          bytea        NOT NULL,
    scan_chips    integer      NOT NULL,
    brought       integer      NOT NULL,
    put_away      integer      NOT NULL,
    chips         integer      NOT NULL,
    overflow      integer      NOT NULL,
    share         micro_usdt   NOT NULL,
    settled_at    timestamptz,
    given_up      boolean      NOT NULL DEFAULT false,
    CONSTRAINT affiliate_week_shares_pkey PRIMARY KEY (week_on, affiliate_id),
    CONSTRAINT affiliate_week_shares_mark UNIQUE (week_on, mark),
    CONSTRAINT affiliate_week_shares_brought_check CHECK (brought >= 0),
    CONSTRAINT affiliate_week_shares_chips CHECK ((chips + overflow) = (scan_chips + brought - put_away)),
    CONSTRAINT affiliate_week_shares_chips_check CHECK (chips >= 0),
    CONSTRAINT affiliate_week_shares_given_up CHECK (NOT given_up OR settled_at IS NOT NULL),
    CONSTRAINT affiliate_week_shares_mark_check CHECK (octet_length(mark) = 32),
    CONSTRAINT affiliate_week_shares_overflow_check CHECK (overflow >= 0),
    CONSTRAINT affiliate_week_shares_put_away_check CHECK (put_away >= 0),
    CONSTRAINT affiliate_week_shares_scan_chips_check CHECK (scan_chips >= 0),
    CONSTRAINT affiliate_week_shares_share_check CHECK (share::bigint >= 0),
    CONSTRAINT affiliate_week_shares_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id),
    CONSTRAINT affiliate_week_shares_week_on_fkey FOREIGN KEY (week_on) REFERENCES affiliate_weeks(week_on)
);
CREATE INDEX affiliate_week_shares_affiliate ON affiliate_week_shares (affiliate_id, week_on);
CREATE INDEX affiliate_week_shares_owed ON affiliate_week_shares (affiliate_id) WHERE share::bigint > 0 AND settled_at
    IS NULL;
CREATE TRIGGER affiliate_share_changed BEFORE UPDATE ON affiliate_week_shares FOR EACH ROW EXECUTE FUNCTION
    affiliate_share_changed();
CREATE TRIGGER affiliate_shares_made AFTER INSERT ON affiliate_week_shares REFERENCING NEW TABLE AS changed FOR EACH
    STATEMENT EXECUTE FUNCTION affiliate_shares_made();
CREATE TRIGGER affiliate_shares_unmade AFTER DELETE ON affiliate_week_shares REFERENCING OLD TABLE AS changed FOR EACH
    STATEMENT EXECUTE FUNCTION affiliate_shares_made();
CREATE TRIGGER share_given_up AFTER UPDATE OF given_up ON affiliate_week_shares FOR EACH ROW WHEN (new.given_up AND NOT
    old.given_up AND new.share::bigint > 0) EXECUTE FUNCTION share_given_up();

CREATE TABLE affiliate_weeks (
    week_on         date         NOT NULL,
    state           text         NOT NULL DEFAULT 'opened',
    outcome         text,
    first_number    bigint       NOT NULL,
    last_number     bigint       NOT NULL,
    pool            micro_usdt   NOT NULL,
    chips_max       integer      NOT NULL,
    payout_min      micro_usdt   NOT NULL,
    chips           bigint,
    affiliates      integer,
    recipients      integer,
    proposed        micro_usdt,
    approvals       smallint,
    digest          bytea,
    payment_digest  bytea,
    done_affiliate  uuid,
    paced_at        timestamptz,
    paced           micro_usdt,
    opened_at       timestamptz  NOT NULL,
    ready_at        timestamptz,
    approved_at     timestamptz,
    completed_at    timestamptz,
    CONSTRAINT affiliate_weeks_pkey PRIMARY KEY (week_on),
    CONSTRAINT affiliate_weeks_approved CHECK ((state IN ('opened', 'counted', 'ready')) OR outcome <> 'shared' OR
        approved_at IS NOT NULL),
    CONSTRAINT affiliate_weeks_chips_max_check CHECK (chips_max > 0),
    CONSTRAINT affiliate_weeks_completed CHECK ((state = 'completed') = (completed_at IS NOT NULL)),
    CONSTRAINT affiliate_weeks_counted CHECK (state = 'opened' OR ROW(chips, affiliates, outcome) IS NOT NULL),
    CONSTRAINT affiliate_weeks_digest_check CHECK (octet_length(digest) = 32),
    CONSTRAINT affiliate_weeks_nothing CHECK (outcome IS NULL OR outcome = 'shared' OR state = 'completed'),
    CONSTRAINT affiliate_weeks_outcome_check CHECK (outcome IN ('shared', 'no_pool', 'no_chips')),
    CONSTRAINT affiliate_weeks_payment_digest_check CHECK (octet_length(payment_digest) = 32),
    CONSTRAINT affiliate_weeks_payout_min_check CHECK (payout_min::bigint >= 0),
    CONSTRAINT affiliate_weeks_pool_check CHECK (pool::bigint >= 0),
    CONSTRAINT affiliate_weeks_range CHECK (last_number >= (first_number - 1)),
    CONSTRAINT affiliate_weeks_ready CHECK ((state IN ('opened', 'counted')) OR outcome <> 'shared' OR ROW(digest,
        payment_digest, recipients, proposed, approvals, ready_at) IS NOT NULL),
    CONSTRAINT affiliate_weeks_state_check CHECK (state IN ('opened', 'counted', 'ready', 'approved', 'requested',
        'told', 'completed')),
    CONSTRAINT affiliate_weeks_week_on_check CHECK (EXTRACT(isodow FROM week_on) = 7::numeric)
);
CREATE INDEX affiliate_weeks_open ON affiliate_weeks (week_on) WHERE state <> 'completed';
CREATE TRIGGER affiliate_week_born BEFORE INSERT ON affiliate_weeks FOR EACH ROW EXECUTE FUNCTION
    affiliate_week_born();
CREATE TRIGGER affiliate_week_changed BEFORE UPDATE ON affiliate_weeks FOR EACH ROW EXECUTE FUNCTION
    affiliate_week_changed();
CREATE TRIGGER affiliate_week_stays BEFORE DELETE ON affiliate_weeks FOR EACH ROW EXECUTE FUNCTION
    affiliate_week_stays();
CREATE TRIGGER week_counts AFTER UPDATE OF approved_at ON affiliate_weeks FOR EACH ROW WHEN (new.approved_at IS NOT
    NULL AND old.approved_at IS NULL) EXECUTE FUNCTION week_counts();

CREATE TABLE age_checks (
    id           uuid         NOT NULL,
    member_id    uuid         NOT NULL,
    status       text         NOT NULL DEFAULT 'pending',
    reference    text,
    url          text,
    reason       text,
    recorded_at  timestamptz  NOT NULL,
    looked_at    timestamptz,
    decided_at   timestamptz,
    valid_until  timestamptz,
    CONSTRAINT age_checks_pkey PRIMARY KEY (id),
    CONSTRAINT age_checks_reference_key UNIQUE (reference),
    CONSTRAINT age_checks_decided CHECK ((status = 'pending') = (decided_at IS NULL)),
    CONSTRAINT age_checks_known CHECK (status = 'pending' OR reference IS NOT NULL),
    CONSTRAINT age_checks_status_check CHECK (status IN ('pending', 'accepted', 'denied')),
    CONSTRAINT age_checks_valid CHECK ((status = 'accepted') = (valid_until IS NOT NULL)),
    CONSTRAINT age_checks_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX age_checks_decided ON age_checks (decided_at) WHERE decided_at IS NOT NULL;
CREATE INDEX age_checks_member ON age_checks (member_id, recorded_at);
CREATE UNIQUE INDEX age_checks_one_pending ON age_checks (member_id) WHERE status = 'pending';
CREATE TRIGGER age_check_changed BEFORE UPDATE ON age_checks FOR EACH ROW EXECUTE FUNCTION age_check_changed();

CREATE TABLE api_keys (
    id            uuid         NOT NULL,
    hash          bytea        NOT NULL,
    name          text         NOT NULL,
    operations    text[]       NOT NULL,
    made_by       uuid         NOT NULL,
    made_at       timestamptz  NOT NULL,
    expires_at    timestamptz  NOT NULL,
    revoked_by    uuid,
    revoked_at    timestamptz,
    last_used_at  timestamptz,
    CONSTRAINT api_keys_pkey PRIMARY KEY (id),
    CONSTRAINT api_keys_hash_key UNIQUE (hash),
    CONSTRAINT api_keys_hash_check CHECK (octet_length(hash) = 32),
    CONSTRAINT api_keys_life CHECK (expires_at > made_at AND expires_at <= (made_at + '90 days')),
    CONSTRAINT api_keys_name_check CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT api_keys_operations_check CHECK (cardinality(operations) >= 1 AND cardinality(operations) <= 50),
    CONSTRAINT api_keys_revoked CHECK ((revoked_by IS NULL) = (revoked_at IS NULL)),
    CONSTRAINT api_keys_made_by_fkey FOREIGN KEY (made_by) REFERENCES members(id),
    CONSTRAINT api_keys_revoked_by_fkey FOREIGN KEY (revoked_by) REFERENCES members(id)
);
CREATE INDEX api_keys_listed ON api_keys (made_at DESC, id DESC);
CREATE INDEX api_keys_made_by ON api_keys (made_by);
CREATE INDEX api_keys_revoked_by ON api_keys (revoked_by);

CREATE TABLE attempt_counters (
    subject   text         NOT NULL,
    hour      timestamptz  NOT NULL,
    attempts  integer      NOT NULL,
    CONSTRAINT attempt_counters_pkey PRIMARY KEY (subject, hour)
);
CREATE INDEX attempt_counters_hour ON attempt_counters (hour);

CREATE TABLE audit_logs (
    id             bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    actor_id       uuid,
    action         text         NOT NULL,
    resource_type  text         NOT NULL,
    resource_id    text         NOT NULL,
    changes        jsonb        NOT NULL DEFAULT '{}',
    ip_address     inet,
    user_agent     text,
    created_at     timestamptz  NOT NULL,
    CONSTRAINT audit_logs_pkey PRIMARY KEY (id)
);
CREATE INDEX audit_logs_newest ON audit_logs (created_at, id);
CREATE INDEX audit_logs_of ON audit_logs (resource_type, resource_id, created_at, id);
CREATE INDEX audit_logs_of_action ON audit_logs (action, created_at, id);
CREATE INDEX audit_logs_of_actor ON audit_logs (actor_id, created_at, id);
CREATE INDEX audit_logs_of_thing ON audit_logs (resource_id, created_at, id);
CREATE UNIQUE INDEX audit_logs_viewed ON audit_logs (actor_id, resource_id, date_trunc('hour', (created_at AT TIME ZONE
    'UTC'))) WHERE action = 'member.viewed';
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON audit_logs FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON audit_logs FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE avatars (
    id            uuid         NOT NULL,
    member_id     uuid         NOT NULL,
    status        text         NOT NULL DEFAULT 'waiting',
    object_name   text         NOT NULL,
    content_type  text         NOT NULL,
    large         bytea,
    small         bytea,
    uploaded_at   timestamptz  NOT NULL,
    finished_at   timestamptz,
    removed_at    timestamptz,
    CONSTRAINT avatars_pkey PRIMARY KEY (id),
    CONSTRAINT avatars_object_name_key UNIQUE (object_name),
    CONSTRAINT avatars_check CHECK ((status = 'waiting') = (finished_at IS NULL)),
    CONSTRAINT avatars_check1 CHECK ((status = 'waiting') = (large IS NOT NULL)),
    CONSTRAINT avatars_check2 CHECK ((status = 'waiting') = (small IS NOT NULL)),
    CONSTRAINT avatars_check3 CHECK (removed_at IS NULL OR (status IN ('refused', 'replaced'))),
    CONSTRAINT avatars_content_type_check CHECK (content_type IN ('image/jpeg', 'image/png')),
    CONSTRAINT avatars_large_check CHECK (octet_length(large) <= 2097152),
    CONSTRAINT avatars_small_check CHECK (octet_length(small) <= 2097152),
    CONSTRAINT avatars_status_check CHECK (status IN ('waiting', 'live', 'refused', 'replaced')),
    CONSTRAINT avatars_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE UNIQUE INDEX avatars_live ON avatars (member_id) WHERE status = 'live';
CREATE INDEX avatars_member ON avatars (member_id, uploaded_at DESC);
CREATE INDEX avatars_removed ON avatars (removed_at) WHERE removed_at IS NOT NULL;

CREATE TABLE award_inputs (
    revision     bigint       NOT NULL,
    from_number  bigint       NOT NULL,
    body         jsonb        NOT NULL,
    written_at   timestamptz  NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT award_inputs_pkey PRIMARY KEY (revision),
    CONSTRAINT award_inputs_from_number_check CHECK (from_number > 0),
    CONSTRAINT award_inputs_revision_check CHECK (revision > 0)
);
CREATE INDEX award_inputs_from ON award_inputs (from_number, revision);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON award_inputs FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON award_inputs FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER award_inputs_born BEFORE INSERT ON award_inputs FOR EACH ROW EXECUTE FUNCTION award_inputs_born();

CREATE TABLE backup_codes (
    member_id   uuid         NOT NULL,
    code_mac    bytea        NOT NULL,
    created_at  timestamptz  NOT NULL,
    used_at     timestamptz,
    CONSTRAINT backup_codes_pkey PRIMARY KEY (member_id, code_mac),
    CONSTRAINT backup_codes_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);

CREATE TABLE bank_balances (
    connection_id  uuid           NOT NULL,
    at             timestamptz    NOT NULL,
    ledger         numeric(18,2),
    available      numeric(18,2),
    CONSTRAINT bank_balances_pkey PRIMARY KEY (connection_id, at),
    CONSTRAINT bank_balances_connection_id_fkey FOREIGN KEY (connection_id) REFERENCES teller_connections(id)
);

CREATE TABLE bank_nonces (
    id          uuid         NOT NULL,
    admin_id    uuid         NOT NULL,
    expires_at  timestamptz  NOT NULL,
    spent_at    timestamptz,
    CONSTRAINT bank_nonces_pkey PRIMARY KEY (id),
    CONSTRAINT bank_nonces_admin_id_fkey FOREIGN KEY (admin_id) REFERENCES members(id)
);
CREATE INDEX bank_nonces_admin ON bank_nonces (admin_id);
CREATE INDEX bank_nonces_old ON bank_nonces (expires_at);

CREATE TABLE bank_transfers (
    operation_id  uuid         NOT NULL,
    reference     text         NOT NULL,
    booked_by     uuid         NOT NULL,
    reason        text         NOT NULL,
    booked_at     timestamptz  NOT NULL,
    CONSTRAINT bank_transfers_pkey PRIMARY KEY (operation_id),
    CONSTRAINT bank_transfers_reference_key UNIQUE (reference),
    CONSTRAINT bank_transfers_reason_check CHECK (length(reason) >= 1 AND length(reason) <= 500),
    CONSTRAINT bank_transfers_reference_check CHECK (reference ~ '^[A-Z0-9][A-Z0-9./-]{2,63}$'),
    CONSTRAINT bank_transfers_booked_by_fkey FOREIGN KEY (booked_by) REFERENCES members(id),
    CONSTRAINT bank_transfers_operation_id_fkey FOREIGN KEY (operation_id) REFERENCES payment_operations(id)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON bank_transfers FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON bank_transfers FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE TRIGGER bank_transfer_booked BEFORE INSERT ON bank_transfers FOR EACH ROW EXECUTE FUNCTION
    bank_transfer_booked();

CREATE TABLE broadcasts (
    id           uuid         NOT NULL,
    title        text         NOT NULL,
    body         text         NOT NULL,
    data         jsonb        NOT NULL,
    created_by   uuid         NOT NULL,
    created_at   timestamptz  NOT NULL,
    last_number  bigint       NOT NULL,
    done_number  bigint       NOT NULL DEFAULT 0,
    told         bigint       NOT NULL DEFAULT 0,
    finished_at  timestamptz,
    CONSTRAINT broadcasts_pkey PRIMARY KEY (id),
    CONSTRAINT broadcasts_check CHECK (done_number >= 0 AND done_number <= last_number),
    CONSTRAINT broadcasts_check1 CHECK ((done_number = last_number) = (finished_at IS NOT NULL)),
    CONSTRAINT broadcasts_last_number_check CHECK (last_number > 0),
    CONSTRAINT broadcasts_created_by_fkey FOREIGN KEY (created_by) REFERENCES members(id)
);
CREATE INDEX broadcasts_creator ON broadcasts (created_by);
CREATE INDEX broadcasts_newest ON broadcasts (created_at DESC, id DESC);

CREATE TABLE campaigns (
    id                    uuid         NOT NULL,
    name                  text         NOT NULL,
    version_id            uuid         NOT NULL,
    segment               jsonb        NOT NULL,
    state                 text         NOT NULL DEFAULT 'draft',
    state_at              timestamptz  NOT NULL,
    pause_reason          text,
    created_by            uuid         NOT NULL,
    created_at            timestamptz  NOT NULL,
    approved_by           uuid,
    approved_at           timestamptz,
    starts_at             timestamptz,
    asked_at              timestamptz,
    last_number           bigint,
    done_number           bigint       NOT NULL DEFAULT 0,
    queued                bigint       NOT NULL DEFAULT 0,
    skipped_unsubscribed  bigint       NOT NULL DEFAULT 0,
    skipped_suppressed    bigint       NOT NULL DEFAULT 0,
    lineage               text,
    CONSTRAINT campaigns_pkey PRIMARY KEY (id),
    CONSTRAINT campaigns_approval CHECK (queued <= 1000 OR approved_by IS NOT NULL),
    CONSTRAINT campaigns_approved CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CONSTRAINT campaigns_done CHECK (state <> 'done' OR done_number = last_number),
    CONSTRAINT campaigns_done_number CHECK (done_number >= 0 AND done_number <= COALESCE(last_number, 0::bigint)),
    CONSTRAINT campaigns_last_number_check CHECK (last_number > 0),
    CONSTRAINT campaigns_name_check CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT campaigns_pause_reason_check CHECK (pause_reason IN ('people', 'restored', 'late', 'approval')),
    CONSTRAINT campaigns_paused CHECK ((state = 'paused') = (pause_reason IS NOT NULL)),
    CONSTRAINT campaigns_queued_check CHECK (queued >= 0),
    CONSTRAINT campaigns_second_person CHECK (approved_by <> created_by),
    CONSTRAINT campaigns_skipped_suppressed_check CHECK (skipped_suppressed >= 0),
    CONSTRAINT campaigns_skipped_unsubscribed_check CHECK (skipped_unsubscribed >= 0),
    CONSTRAINT campaigns_started CHECK ((state IN ('draft', 'approved', 'cancelled')) OR num_nulls(starts_at, asked_at,
        last_number, lineage) = 0),
    CONSTRAINT campaigns_state_check CHECK (state IN ('draft', 'approved', 'sending', 'paused', 'done', 'cancelled')),
    CONSTRAINT campaigns_approved_by_fkey FOREIGN KEY (approved_by) REFERENCES members(id),
    CONSTRAINT campaigns_created_by_fkey FOREIGN KEY (created_by) REFERENCES members(id),
    CONSTRAINT campaigns_version_id_fkey FOREIGN KEY (version_id) REFERENCES mail_template_versions(id)
);
CREATE INDEX campaigns_approver ON campaigns (approved_by) WHERE approved_by IS NOT NULL;
CREATE INDEX campaigns_author ON campaigns (created_by);
CREATE INDEX campaigns_created ON campaigns (created_at DESC, id DESC);
CREATE INDEX campaigns_sending ON campaigns (asked_at) WHERE state = 'sending';
CREATE INDEX campaigns_version ON campaigns (version_id);
CREATE TRIGGER campaign_changed BEFORE UPDATE ON campaigns FOR EACH ROW EXECUTE FUNCTION campaign_changed();

CREATE TABLE card_balance (
    is_one  boolean  NOT NULL DEFAULT true,
    owed    usd      NOT NULL DEFAULT 0,
    CONSTRAINT card_balance_pkey PRIMARY KEY (is_one),
    CONSTRAINT card_balance_is_one_check CHECK (is_one)
);

CREATE TABLE card_bookings (
    reference     text         NOT NULL,
    kind          text         NOT NULL,
    key           uuid,
    dispute       text,
    amount        usd          NOT NULL,
    fee           usd          NOT NULL,
    booked_on     date         NOT NULL,
    seen_at       timestamptz  NOT NULL,
    operation_id  uuid,
    dispute_id    uuid,
    CONSTRAINT card_bookings_pkey PRIMARY KEY (reference),
    CONSTRAINT card_bookings_operation_id_key UNIQUE (operation_id),
    CONSTRAINT card_bookings_amount_check CHECK (amount::bigint >= 0),
    CONSTRAINT card_bookings_dispute CHECK ((kind IN ('dispute', 'dispute_reversal')) = (dispute IS NOT NULL)),
    CONSTRAINT card_bookings_fee_check CHECK (fee::bigint >= 0),
    CONSTRAINT card_bookings_kind_check CHECK (kind IN ('authorize', 'capture', 'void', 'refund', 'dispute',
        'dispute_reversal')),
    CONSTRAINT card_bookings_matched CHECK ( CASE     WHEN dispute IS NULL THEN dispute_id     ELSE operation_id END IS
        NULL),
    CONSTRAINT card_bookings_reference_check CHECK (length(reference) >= 1 AND length(reference) <= 200),
    CONSTRAINT card_bookings_dispute_id_fkey FOREIGN KEY (dispute_id) REFERENCES disputes(id),
    CONSTRAINT card_bookings_operation_id_fkey FOREIGN KEY (operation_id) REFERENCES payment_operations(id)
);
CREATE INDEX card_bookings_disputes ON card_bookings (dispute_id) WHERE dispute_id IS NOT NULL;
CREATE INDEX card_bookings_key ON card_bookings (key) WHERE key IS NOT NULL;
CREATE INDEX card_bookings_unmatched ON card_bookings (seen_at, reference) WHERE operation_id IS NULL AND dispute_id IS
    NULL;
CREATE TRIGGER card_booked AFTER INSERT ON card_bookings FOR EACH ROW EXECUTE FUNCTION card_booked();
CREATE TRIGGER card_booking_matched BEFORE UPDATE ON card_bookings FOR EACH ROW EXECUTE FUNCTION
    card_booking_matched();
CREATE CONSTRAINT TRIGGER card_posted AFTER INSERT ON card_bookings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE
    FUNCTION card_posted();
CREATE TRIGGER never_deleted BEFORE DELETE ON card_bookings FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON card_bookings FOR EACH STATEMENT EXECUTE FUNCTION
    payout_never_deleted();

CREATE TABLE card_days (
    day       date         NOT NULL,
    cursor    text,
    read_at   timestamptz,
    begun_at  timestamptz  NOT NULL,
    CONSTRAINT card_days_pkey PRIMARY KEY (day)
);
CREATE INDEX card_days_unread ON card_days (day) WHERE read_at IS NULL;

CREATE TABLE card_deposits (
    reference     text         NOT NULL,
    amount        usd          NOT NULL,
    deposited_at  timestamptz  NOT NULL,
    seen_at       timestamptz  NOT NULL,
    CONSTRAINT card_deposits_pkey PRIMARY KEY (reference),
    CONSTRAINT card_deposits_reference_check CHECK (length(reference) >= 1 AND length(reference) <= 200)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON card_deposits FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON card_deposits FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER card_booked AFTER INSERT ON card_deposits FOR EACH ROW EXECUTE FUNCTION card_booked();
CREATE CONSTRAINT TRIGGER card_posted AFTER INSERT ON card_deposits DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE
    FUNCTION card_posted();

CREATE TABLE cart_items (
    id           uuid         NOT NULL,
    cart_id      uuid         NOT NULL,
    sku          text         NOT NULL,
    quantity     integer      NOT NULL,
    price_cents  integer      NOT NULL,
    added_at     timestamptz  NOT NULL,
    CONSTRAINT cart_items_pkey PRIMARY KEY (id),
    CONSTRAINT cart_items_cart_id_sku_key UNIQUE (cart_id, sku),
    CONSTRAINT cart_items_price_cents_check CHECK (price_cents > 0),
    CONSTRAINT cart_items_quantity_check CHECK (quantity >= 1 AND quantity <= 99),
    CONSTRAINT cart_items_cart_id_fkey FOREIGN KEY (cart_id) REFERENCES carts(id) ON DELETE CASCADE,
    CONSTRAINT cart_items_sku_fkey FOREIGN KEY (sku) REFERENCES products(sku)
);
CREATE TRIGGER cart_item_changed BEFORE INSERT OR DELETE OR UPDATE ON cart_items FOR EACH ROW EXECUTE FUNCTION
    cart_item_changed();

CREATE TABLE carts (
    id          uuid         NOT NULL,
    member_id   uuid         NOT NULL,
    status      text         NOT NULL DEFAULT 'open',
    revision    bigint       NOT NULL DEFAULT 0,
    created_at  timestamptz  NOT NULL,
    changed_at  timestamptz  NOT NULL,
    ordered_at  timestamptz,
    CONSTRAINT carts_pkey PRIMARY KEY (id),
    CONSTRAINT carts_check CHECK ((status = 'ordered') = (ordered_at IS NOT NULL)),
    CONSTRAINT carts_revision_check CHECK (revision >= 0),
    CONSTRAINT carts_status_check CHECK (status IN ('open', 'ordered')),
    CONSTRAINT carts_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX carts_idle ON carts (changed_at) WHERE status = 'open';
CREATE INDEX carts_member ON carts (member_id);
CREATE UNIQUE INDEX carts_open ON carts (member_id) WHERE status = 'open';

CREATE TABLE chain_scans (
    signer      evm_address  NOT NULL,
    scanned_to  bigint       NOT NULL,
    block_hash  evm_hash,
    scanned_at  timestamptz  NOT NULL,
    block_time  timestamptz,
    head        bigint,
    CONSTRAINT chain_scans_pkey PRIMARY KEY (signer),
    CONSTRAINT chain_scans_scanned_to_check CHECK (scanned_to >= '-1'),
    CONSTRAINT chain_scans_signer_fkey FOREIGN KEY (signer) REFERENCES signers(address)
);

CREATE TABLE chain_transfers (
    transaction_hash  evm_hash     NOT NULL,
    log_index         integer      NOT NULL,
    direction         text         NOT NULL,
    treasury          text         NOT NULL,
    signer            evm_address  NOT NULL,
    counterparty      evm_address  NOT NULL,
    amount            micro_usdt   NOT NULL,
    block_number      bigint       NOT NULL,
    seen_at           timestamptz  NOT NULL,
    payout_id         uuid,
    awaits_deposit    boolean      NOT NULL DEFAULT false,
    CONSTRAINT chain_transfers_pkey PRIMARY KEY (transaction_hash, log_index, direction),
    CONSTRAINT chain_transfers_payout_id_key UNIQUE (payout_id),
    CONSTRAINT chain_transfers_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT chain_transfers_block_number_check CHECK (block_number >= 0),
    CONSTRAINT chain_transfers_check CHECK (payout_id IS NULL OR direction = 'out'),
    CONSTRAINT chain_transfers_direction_check CHECK (direction IN ('in', 'out')),
    CONSTRAINT chain_transfers_log_index_check CHECK (log_index >= 0),
    CONSTRAINT chain_transfers_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payouts(id),
    CONSTRAINT chain_transfers_signer_fkey FOREIGN KEY (signer) REFERENCES signers(address),
    CONSTRAINT chain_transfers_treasury_fkey FOREIGN KEY (treasury) REFERENCES treasuries(name)
);
CREATE INDEX chain_transfers_awaiting ON chain_transfers (block_number, log_index) WHERE awaits_deposit;
CREATE INDEX chain_transfers_block ON chain_transfers (treasury, block_number);
CREATE INDEX chain_transfers_signer ON chain_transfers (signer);
CREATE INDEX chain_transfers_unexplained ON chain_transfers (treasury, block_number) WHERE direction = 'out' AND
    payout_id IS NULL;
CREATE TRIGGER chain_transfer_born BEFORE INSERT ON chain_transfers FOR EACH ROW WHEN (new.treasury = 'shop' AND
    new.direction = 'in') EXECUTE FUNCTION chain_transfer_born();

CREATE TABLE chip_balances (
    affiliate_id  uuid    NOT NULL,
    earned        bigint  NOT NULL,
    CONSTRAINT chip_balances_pkey PRIMARY KEY (affiliate_id),
    CONSTRAINT chip_balances_earned_check CHECK (earned >= 0),
    CONSTRAINT chip_balances_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id)
) WITH (fillfactor=70);

CREATE TABLE chip_moves (
    id            bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    affiliate_id  uuid         NOT NULL,
    week_on       date         NOT NULL,
    kind          text         NOT NULL,
    chips         integer      NOT NULL,
    source        text         NOT NULL,
    moved_at      timestamptz  NOT NULL,
    CONSTRAINT chip_moves_pkey PRIMARY KEY (id),
    CONSTRAINT chip_moves_kind_source_key UNIQUE (kind, source),
    CONSTRAINT chip_moves_chips_check CHECK (chips > 0),
    CONSTRAINT chip_moves_kind_check CHECK (kind IN ('vault', 'withdraw', 'bonus', 'grant', 'cleared', 'carried',
        'return')),
    CONSTRAINT chip_moves_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id)
);
CREATE INDEX chip_moves_affiliate ON chip_moves (affiliate_id, id);
CREATE INDEX chip_moves_moved ON chip_moves (moved_at);
CREATE INDEX chip_moves_time ON chip_moves (affiliate_id, moved_at, id);
CREATE INDEX chip_moves_week ON chip_moves (week_on, affiliate_id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON chip_moves FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON chip_moves FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER chip_move_born BEFORE INSERT ON chip_moves FOR EACH ROW EXECUTE FUNCTION chip_move_born();

CREATE TABLE chip_vaults (
    affiliate_id  uuid         NOT NULL,
    opened_at     timestamptz  NOT NULL,
    CONSTRAINT chip_vaults_pkey PRIMARY KEY (affiliate_id),
    CONSTRAINT chip_vaults_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id)
);
CREATE INDEX chip_vaults_opened ON chip_vaults (opened_at);

CREATE TABLE code_batch_chunks (
    batch_id     uuid         NOT NULL,
    chunk        integer      NOT NULL,
    codes        integer      NOT NULL,
    object_name  text         NOT NULL,
    created_at   timestamptz  NOT NULL,
    CONSTRAINT code_batch_chunks_pkey PRIMARY KEY (batch_id, chunk),
    CONSTRAINT code_batch_chunks_codes_check CHECK (codes > 0),
    CONSTRAINT code_batch_chunks_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES code_batches(id)
);

CREATE TABLE code_batch_walks (
    change_id      uuid         NOT NULL,
    batch_id       uuid         NOT NULL,
    kind           text         NOT NULL,
    chunks         integer      NOT NULL,
    chunks_done    integer      NOT NULL DEFAULT 0,
    codes_changed  integer      NOT NULL DEFAULT 0,
    finished_at    timestamptz,
    CONSTRAINT code_batch_walks_pkey PRIMARY KEY (change_id),
    CONSTRAINT code_batch_walks_check CHECK (chunks_done >= 0 AND chunks_done <= chunks),
    CONSTRAINT code_batch_walks_check1 CHECK ((chunks_done = chunks) = (finished_at IS NOT NULL)),
    CONSTRAINT code_batch_walks_chunks_check CHECK (chunks > 0),
    CONSTRAINT code_batch_walks_kind_check CHECK (kind IN ('invalidated', 'reused')),
    CONSTRAINT code_batch_walks_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES code_batches(id),
    CONSTRAINT code_batch_walks_change_id_fkey FOREIGN KEY (change_id) REFERENCES code_changes(id)
);
CREATE INDEX code_batch_walks_batch ON code_batch_walks (batch_id);
CREATE UNIQUE INDEX code_batch_walks_running ON code_batch_walks (batch_id) WHERE finished_at IS NULL;

CREATE TABLE code_batches (
    id                  uuid         NOT NULL,
    name                text         NOT NULL,
    product_sku         text         NOT NULL,
    quantity            integer      NOT NULL,
    check_symbol        boolean      NOT NULL DEFAULT false,
    manufacturer_name   text,
    notes               text,
    status              text         NOT NULL DEFAULT 'generating',
    codes_made          integer      NOT NULL DEFAULT 0,
    codes_manufactured  integer      NOT NULL DEFAULT 0,
    export_object       text,
    created_by          uuid         NOT NULL,
    created_at          timestamptz  NOT NULL,
    generated_at        timestamptz,
    exported_at         timestamptz,
    honey               boolean      NOT NULL DEFAULT false,
    codes_invalidated   integer      NOT NULL DEFAULT 0,
    CONSTRAINT code_batches_pkey PRIMARY KEY (id),
    CONSTRAINT code_batches_check CHECK (codes_made >= 0 AND codes_made <= quantity),
    CONSTRAINT code_batches_check1 CHECK ((status = 'generating') = (generated_at IS NULL)),
    CONSTRAINT code_batches_quantity_check CHECK (quantity >= 1 AND quantity <= 5000000),
    CONSTRAINT code_batches_status_check CHECK (status IN ('generating', 'generated', 'recalled')),
    CONSTRAINT code_batches_created_by_fkey FOREIGN KEY (created_by) REFERENCES members(id),
    CONSTRAINT code_batches_product_sku_fkey FOREIGN KEY (product_sku) REFERENCES products(sku)
);
CREATE INDEX code_batches_created ON code_batches (created_at DESC, id);
CREATE INDEX code_batches_creator ON code_batches (created_by);
CREATE INDEX code_batches_product ON code_batches (product_sku);

CREATE TABLE code_change_codes (
    code_mac   bytea  NOT NULL,
    change_id  uuid   NOT NULL,
    CONSTRAINT code_change_codes_pkey PRIMARY KEY (code_mac, change_id),
    CONSTRAINT code_change_codes_change_id_fkey FOREIGN KEY (change_id) REFERENCES code_changes(id),
    CONSTRAINT code_change_codes_code_mac_fkey FOREIGN KEY (code_mac) REFERENCES codes(mac)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON code_change_codes FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON code_change_codes FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE code_changes (
    id           uuid         NOT NULL,
    kind         text         NOT NULL,
    batch_id     uuid,
    reason       text,
    actor_id     uuid         NOT NULL,
    happened_at  timestamptz  NOT NULL,
    CONSTRAINT code_changes_pkey PRIMARY KEY (id),
    CONSTRAINT code_changes_check CHECK (kind <> 'recalled' OR batch_id IS NOT NULL),
    CONSTRAINT code_changes_check1 CHECK (kind <> 'manufactured' OR batch_id IS NULL),
    CONSTRAINT code_changes_kind_check CHECK (kind IN ('manufactured', 'invalidated', 'reused', 'recalled')),
    CONSTRAINT code_changes_actor_id_fkey FOREIGN KEY (actor_id) REFERENCES members(id),
    CONSTRAINT code_changes_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES code_batches(id)
);
CREATE INDEX code_changes_actor ON code_changes (actor_id);
CREATE INDEX code_changes_batch ON code_changes (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX code_changes_manufactured ON code_changes (happened_at) WHERE kind = 'manufactured';
CREATE UNIQUE INDEX code_changes_recalled ON code_changes (batch_id) WHERE kind = 'recalled';
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON code_changes FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON code_changes FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE code_import_chunks (
    import_id   uuid         NOT NULL,
    chunk       integer      NOT NULL,
    refused     text         NOT NULL,
    created_at  timestamptz  NOT NULL,
    CONSTRAINT code_import_chunks_pkey PRIMARY KEY (import_id, chunk),
    CONSTRAINT code_import_chunks_import_id_fkey FOREIGN KEY (import_id) REFERENCES code_imports(id)
);

CREATE TABLE code_imports (
    id             uuid         NOT NULL,
    status         text         NOT NULL DEFAULT 'waiting',
    object_name    text         NOT NULL,
    generation     bigint,
    size_bytes     bigint,
    code_column    integer,
    bytes_done     bigint       NOT NULL DEFAULT 0,
    lines_done     integer      NOT NULL DEFAULT 0,
    chunks_done    integer      NOT NULL DEFAULT 0,
    manufactured   integer      NOT NULL DEFAULT 0,
    unchanged      integer      NOT NULL DEFAULT 0,
    refused_count  integer      NOT NULL DEFAULT 0,
    refused        jsonb        NOT NULL DEFAULT '[]',
    report_object  text,
    fault          text,
    fault_line     integer,
    created_by     uuid         NOT NULL,
    created_at     timestamptz  NOT NULL,
    started_by     uuid,
    started_at     timestamptz,
    finished_at    timestamptz,
    encoding       text         NOT NULL DEFAULT 'utf-8',
    delimiter      text         NOT NULL DEFAULT ',',
    CONSTRAINT code_imports_pkey PRIMARY KEY (id),
    CONSTRAINT code_imports_check CHECK (bytes_done <= size_bytes),
    CONSTRAINT code_imports_check1 CHECK ((status = 'waiting') = (started_at IS NULL)),
    CONSTRAINT code_imports_check2 CHECK ((status = 'waiting') = (started_by IS NULL)),
    CONSTRAINT code_imports_check3 CHECK ((status IN ('imported', 'refused')) = (finished_at IS NOT NULL)),
    CONSTRAINT code_imports_check4 CHECK ((status = 'refused') = (fault IS NOT NULL)),
    CONSTRAINT code_imports_check5 CHECK ((status NOT IN ('importing', 'imported')) OR generation IS NOT NULL AND
        size_bytes IS NOT NULL AND code_column IS NOT NULL),
    CONSTRAINT code_imports_check6 CHECK (status <> 'imported' OR bytes_done = size_bytes),
    CONSTRAINT code_imports_delimiter_check CHECK (delimiter IN (',', ';', '        ', '|')),
    CONSTRAINT code_imports_encoding_check CHECK (encoding IN ('utf-8', 'utf-16-le', 'utf-16-be')),
    CONSTRAINT code_imports_status_check CHECK (status IN ('waiting', 'checking', 'importing', 'imported', 'refused')),
    CONSTRAINT code_imports_created_by_fkey FOREIGN KEY (created_by) REFERENCES members(id),
    CONSTRAINT code_imports_started_by_fkey FOREIGN KEY (started_by) REFERENCES members(id)
);
CREATE INDEX code_imports_creator ON code_imports (created_by);
CREATE INDEX code_imports_starter ON code_imports (started_by) WHERE started_by IS NOT NULL;

CREATE TABLE code_retries (
    code_mac     bytea        NOT NULL,
    member_id    uuid         NOT NULL,
    device_id    text         NOT NULL DEFAULT '',
    happened_at  timestamptz  NOT NULL,
    CONSTRAINT code_retries_pkey PRIMARY KEY (code_mac, member_id, device_id),
    CONSTRAINT code_retries_code_mac_fkey FOREIGN KEY (code_mac) REFERENCES codes(mac),
    CONSTRAINT code_retries_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX code_retries_member ON code_retries (member_id);

CREATE TABLE codes (
    mac                  bytea          NOT NULL,
    batch_id             uuid           NOT NULL,
    status               text           NOT NULL DEFAULT 'generated',
    manufactured_at      timestamptz,
    scanned_at           timestamptz,
    scanned_by           uuid,
    chunk                integer        NOT NULL DEFAULT 0,
    manufactured_before  timestamptz[],
    CONSTRAINT codes_pkey PRIMARY KEY (mac),
    CONSTRAINT codes_check CHECK (status <> 'manufactured' OR manufactured_at IS NOT NULL),
    CONSTRAINT codes_check1 CHECK ((status = 'scanned') = (scanned_by IS NOT NULL)),
    CONSTRAINT codes_check2 CHECK ((status = 'scanned') = (scanned_at IS NOT NULL)),
    CONSTRAINT codes_chunk_check CHECK (chunk >= 0),
    CONSTRAINT codes_mac_check CHECK (octet_length(mac) = 16),
    CONSTRAINT codes_status_check CHECK (status IN ('generated', 'manufactured', 'scanned', 'invalidated')),
    CONSTRAINT codes_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES code_batches(id),
    CONSTRAINT codes_scanned_by_fkey FOREIGN KEY (scanned_by) REFERENCES members(id)
);
CREATE INDEX codes_batch ON codes (batch_id, chunk);

CREATE TABLE comp_rule_changes (
    id            uuid         NOT NULL,
    type          comp_type    NOT NULL,
    revision      bigint       NOT NULL,
    changed_by    uuid         NOT NULL,
    before_terms  jsonb        NOT NULL,
    after_terms   jsonb        NOT NULL,
    reason        text         NOT NULL,
    changed_at    timestamptz  NOT NULL,
    CONSTRAINT comp_rule_changes_pkey PRIMARY KEY (id),
    CONSTRAINT comp_rule_changes_type_revision_key UNIQUE (type, revision),
    CONSTRAINT comp_rule_changes_revision_check CHECK (revision > 1),
    CONSTRAINT comp_rule_changes_changed_by_fkey FOREIGN KEY (changed_by) REFERENCES members(id),
    CONSTRAINT comp_rule_changes_type_fkey FOREIGN KEY (type) REFERENCES comp_rules(type)
);
CREATE INDEX comp_rule_changes_author ON comp_rule_changes (changed_by);
CREATE INDEX comp_rule_changes_type ON comp_rule_changes (type, changed_at, id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON comp_rule_changes FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON comp_rule_changes FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE comp_rules (
    type               comp_type    NOT NULL,
    interval           bigint,
    tier               tier         NOT NULL,
    amount             micro_usdt   NOT NULL,
    unlock_volume      bigint       NOT NULL,
    unlocked_by_admin  boolean      NOT NULL DEFAULT false,
    enabled            boolean      NOT NULL DEFAULT true,
    updated_at         timestamptz  NOT NULL,
    revision           bigint       NOT NULL DEFAULT 1,
    awards_per_member  integer,
    CONSTRAINT comp_rules_pkey PRIMARY KEY (type),
    CONSTRAINT comp_rules_amount_check CHECK (amount::bigint >= 0),
    CONSTRAINT comp_rules_awards_per_member_check CHECK (awards_per_member >= 1 AND awards_per_member <= 12),
    CONSTRAINT comp_rules_check CHECK ((type = 'new_member_guarantee') = ("interval" IS NULL)),
    CONSTRAINT comp_rules_check1 CHECK ((type = 'new_member_guarantee') = (awards_per_member IS NOT NULL)),
    CONSTRAINT comp_rules_interval_check CHECK ("interval" > 0),
    CONSTRAINT comp_rules_revision_check CHECK (revision > 0),
    CONSTRAINT comp_rules_unlock_volume_check CHECK (unlock_volume >= 0)
);
CREATE CONSTRAINT TRIGGER award_terms_changed AFTER INSERT OR DELETE OR UPDATE ON comp_rules DEFERRABLE INITIALLY
    DEFERRED FOR EACH ROW EXECUTE FUNCTION award_terms_changed();

CREATE TABLE comps (
    id                uuid         NOT NULL,
    member_id         uuid         NOT NULL,
    type              comp_type    NOT NULL,
    amount            micro_usdt   NOT NULL,
    status            text         NOT NULL DEFAULT 'pending',
    source_kind       text         NOT NULL,
    source_id         text         NOT NULL,
    scan_id           uuid,
    scanned_at        timestamptz,
    scan_number       bigint,
    reason            jsonb        NOT NULL,
    awarded_at        timestamptz  NOT NULL,
    paid_at           timestamptz,
    transaction_hash  evm_hash,
    notes             text,
    cancelled_at      timestamptz,
    cancel_reason     text,
    CONSTRAINT comps_pkey PRIMARY KEY (id),
    CONSTRAINT comps_source_kind_source_id_key UNIQUE (source_kind, source_id),
    CONSTRAINT comps_amount_check CHECK (amount::bigint >= 0),
    CONSTRAINT comps_check CHECK ((source_kind = 'milestone') = (scan_number IS NOT NULL)),
    CONSTRAINT comps_check1 CHECK ((status = 'paid') = (paid_at IS NOT NULL)),
    CONSTRAINT comps_check2 CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
    CONSTRAINT comps_check3 CHECK ((status = 'cancelled') = (cancel_reason IS NOT NULL)),
    CONSTRAINT comps_source_kind_check CHECK (source_kind IN ('milestone', 'guarantee', 'manual')),
    CONSTRAINT comps_status_check CHECK (status IN ('pending', 'in_review', 'paid', 'cancelled')),
    CONSTRAINT comps_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT comps_scanned_at_scan_id_fkey FOREIGN KEY (scanned_at, scan_id) REFERENCES scans(scanned_at, id)
);
CREATE INDEX comps_awarded ON comps (awarded_at DESC, id);
CREATE INDEX comps_cancelled ON comps (cancelled_at) WHERE status = 'cancelled';
CREATE INDEX comps_member ON comps (member_id, awarded_at DESC, id);
CREATE INDEX comps_paid ON comps (paid_at) WHERE status = 'paid';
CREATE INDEX comps_pending ON comps (member_id) WHERE status = 'pending';
CREATE INDEX comps_scan ON comps (scan_number) WHERE scan_number IS NOT NULL;
CREATE INDEX comps_status ON comps (status, awarded_at, id);
CREATE INDEX comps_type ON comps (type, awarded_at, id);
CREATE TRIGGER comp_changed BEFORE UPDATE ON comps FOR EACH ROW EXECUTE FUNCTION comp_changed();
CREATE TRIGGER guarantee_is_withheld AFTER INSERT ON comps FOR EACH ROW WHEN (new.source_kind = 'guarantee') EXECUTE
    FUNCTION guarantee_is_withheld();
CREATE TRIGGER trip_freed AFTER UPDATE OF status ON comps FOR EACH ROW WHEN (new.type = 'trip' AND new.status =
    'cancelled' AND old.status <> 'cancelled') EXECUTE FUNCTION trip_placed();
CREATE TRIGGER trip_placed AFTER INSERT ON comps FOR EACH ROW WHEN (new.type = 'trip') EXECUTE FUNCTION trip_placed();

CREATE TABLE count_comparisons (
    id              bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    lineage_before  text         NOT NULL,
    lineage         text         NOT NULL,
    value_before    bigint       NOT NULL,
    published       bigint       NOT NULL,
    margin          bigint       NOT NULL,
    value           bigint       NOT NULL,
    source          text         NOT NULL,
    compared_at     timestamptz  NOT NULL,
    CONSTRAINT count_comparisons_pkey PRIMARY KEY (id),
    CONSTRAINT count_comparisons_check CHECK (value = GREATEST(value_before, published + margin)),
    CONSTRAINT count_comparisons_margin_check CHECK (margin >= 0),
    CONSTRAINT count_comparisons_published_check CHECK (published >= 0)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON count_comparisons FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON count_comparisons FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE critical_events (
    id               uuid         NOT NULL,
    kind             text         NOT NULL,
    subject          text         NOT NULL,
    detail           text         NOT NULL,
    runbook          text         NOT NULL,
    begun_at         timestamptz  NOT NULL,
    ended_at         timestamptz,
    acknowledged_at  timestamptz,
    acknowledged_by  uuid,
    CONSTRAINT critical_events_pkey PRIMARY KEY (id),
    CONSTRAINT critical_events_acknowledged CHECK ((acknowledged_at IS NULL) = (acknowledged_by IS NULL)),
    CONSTRAINT critical_events_detail_check CHECK (length(detail) >= 1 AND length(detail) <= 500),
    CONSTRAINT critical_events_end CHECK (ended_at >= begun_at),
    CONSTRAINT critical_events_kind_check CHECK (kind IN ('treasury_paused', 'discrepancy', 'quarantine', 'stolen_key',
        'certificate', 'dead_letters', 'node_silent', 'node_behind', 'peers_lost', 'finality_stalled',
        'finality_disputed')),
    CONSTRAINT critical_events_runbook_check CHECK (runbook ~ '^docs/[a-z-]+[.]md#[a-z-]+$'),
    CONSTRAINT critical_events_subject_check CHECK (length(subject) >= 1 AND length(subject) <= 100),
    CONSTRAINT critical_events_acknowledged_by_fkey FOREIGN KEY (acknowledged_by) REFERENCES members(id)
);
CREATE INDEX critical_events_acknowledged_by ON critical_events (acknowledged_by) WHERE acknowledged_by IS NOT NULL;
CREATE INDEX critical_events_newest ON critical_events (begun_at, id);
CREATE UNIQUE INDEX critical_events_open ON critical_events (kind, subject) WHERE ended_at IS NULL;

CREATE TABLE data_exports (
    id           uuid         NOT NULL,
    member_id    uuid         NOT NULL,
    status       text         NOT NULL DEFAULT 'making',
    object_name  text         NOT NULL,
    asked_at     timestamptz  NOT NULL,
    ready_at     timestamptz,
    expires_at   timestamptz,
    CONSTRAINT data_exports_pkey PRIMARY KEY (id),
    CONSTRAINT data_exports_check CHECK ((status = 'making') = (ready_at IS NULL)),
    CONSTRAINT data_exports_check1 CHECK ((status = 'making') = (expires_at IS NULL)),
    CONSTRAINT data_exports_status_check CHECK (status IN ('making', 'ready', 'expired')),
    CONSTRAINT data_exports_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX data_exports_expired ON data_exports (expires_at) WHERE status = 'expired';
CREATE UNIQUE INDEX data_exports_making ON data_exports (member_id) WHERE status = 'making';
CREATE INDEX data_exports_member ON data_exports (member_id, asked_at DESC);
CREATE INDEX data_exports_ready ON data_exports (expires_at) WHERE status = 'ready';

CREATE TABLE data_keys (
    id          uuid         NOT NULL,
    kms_key     text         NOT NULL,
    wrapped     bytea        NOT NULL,
    created_at  timestamptz  NOT NULL,
    CONSTRAINT data_keys_pkey PRIMARY KEY (id)
);

CREATE TABLE devices (
    id             uuid         NOT NULL,
    member_id      uuid         NOT NULL,
    platform       text         NOT NULL,
    token          text         NOT NULL,
    registered_at  timestamptz  NOT NULL,
    session_id     uuid,
    CONSTRAINT devices_pkey PRIMARY KEY (id),
    CONSTRAINT devices_token_key UNIQUE (token),
    CONSTRAINT devices_platform_check CHECK (platform IN ('ios', 'android')),
    CONSTRAINT devices_token_is_canonical CHECK (platform <> 'ios' OR token = lower(token)),
    CONSTRAINT devices_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT devices_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions(id) ON DELETE CASCADE
);
CREATE INDEX devices_member ON devices (member_id);
CREATE INDEX devices_session ON devices (session_id) WHERE session_id IS NOT NULL;

CREATE TABLE dispute_movements (
    dispute_id  uuid         NOT NULL,
    sequence    integer      NOT NULL,
    goods       usd          NOT NULL,
    shipping    usd          NOT NULL,
    tax         usd          NOT NULL,
    excess      usd          NOT NULL,
    amount      usd          NOT NULL,
    tins        integer      NOT NULL,
    moved_at    timestamptz  NOT NULL,
    CONSTRAINT dispute_movements_pkey PRIMARY KEY (dispute_id, sequence),
    CONSTRAINT dispute_movements_amount CHECK (amount::bigint = (goods::bigint + shipping::bigint + tax::bigint +
        excess::bigint)),
    CONSTRAINT dispute_movements_amount_check CHECK (amount::bigint <> 0),
    CONSTRAINT dispute_movements_sequence_check CHECK (sequence > 0),
    CONSTRAINT dispute_movements_dispute_id_fkey FOREIGN KEY (dispute_id) REFERENCES disputes(id)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON dispute_movements FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON dispute_movements FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE CONSTRAINT TRIGGER dispute_fits AFTER INSERT ON dispute_movements DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION dispute_fits();
CREATE TRIGGER dispute_moved AFTER INSERT ON dispute_movements FOR EACH ROW EXECUTE FUNCTION dispute_moved();

CREATE TABLE disputes (
    id           uuid         NOT NULL,
    payment_id   uuid         NOT NULL,
    reference    text         NOT NULL,
    state        text         NOT NULL,
    reason       text         NOT NULL,
    amount       usd          NOT NULL,
    withdrawn    usd          NOT NULL DEFAULT 0,
    evidence_by  timestamptz,
    opened_at    timestamptz  NOT NULL,
    noticed_at   timestamptz  NOT NULL,
    looked_at    timestamptz  NOT NULL,
    decided_at   timestamptz,
    booked       usd          NOT NULL DEFAULT 0,
    CONSTRAINT disputes_pkey PRIMARY KEY (id),
    CONSTRAINT disputes_reference_key UNIQUE (reference),
    CONSTRAINT disputes_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT disputes_decided CHECK ((state IN ('won', 'lost')) = (decided_at IS NOT NULL)),
    CONSTRAINT disputes_reference_check CHECK (length(reference) >= 1 AND length(reference) <= 200),
    CONSTRAINT disputes_state_check CHECK (state IN ('inquiry', 'open', 'won', 'lost')),
    CONSTRAINT disputes_withdrawn_check CHECK (withdrawn::bigint >= 0),
    CONSTRAINT disputes_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payments(id)
);
CREATE INDEX disputes_differ ON disputes (id) WHERE withdrawn::bigint <> booked::bigint;
CREATE INDEX disputes_newest ON disputes (opened_at, id);
CREATE INDEX disputes_payment ON disputes (payment_id);
CREATE INDEX disputes_undecided ON disputes (looked_at) WHERE decided_at IS NULL;
CREATE TRIGGER dispute_changed BEFORE UPDATE ON disputes FOR EACH ROW EXECUTE FUNCTION dispute_changed();
CREATE TRIGGER never_deleted BEFORE DELETE ON disputes FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON disputes FOR EACH STATEMENT EXECUTE FUNCTION payout_never_deleted();

CREATE TABLE downline_entries (
    source_id     text         NOT NULL,
    affiliate_id  uuid         NOT NULL,
    buyer_id      uuid         NOT NULL,
    tins          integer      NOT NULL,
    counted_at    timestamptz  NOT NULL,
    CONSTRAINT downline_entries_pkey PRIMARY KEY (source_id),
    CONSTRAINT downline_entries_tins_check CHECK (tins <> 0),
    CONSTRAINT downline_entries_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id),
    CONSTRAINT downline_entries_buyer_id_fkey FOREIGN KEY (buyer_id) REFERENCES members(id)
);
CREATE INDEX downline_entries_affiliate ON downline_entries (affiliate_id, counted_at);
CREATE INDEX downline_entries_buyer ON downline_entries (buyer_id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON downline_entries FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON downline_entries FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE email_changes (
    member_id   uuid         NOT NULL,
    id          uuid         NOT NULL,
    new_email   text         NOT NULL,
    code_mac    bytea        NOT NULL,
    asked_at    timestamptz  NOT NULL,
    expires_at  timestamptz  NOT NULL,
    attempts    integer      NOT NULL DEFAULT 0,
    CONSTRAINT email_changes_pkey PRIMARY KEY (member_id),
    CONSTRAINT email_changes_new_email_check CHECK (length(new_email) <= 254),
    CONSTRAINT email_changes_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX email_changes_expires ON email_changes (expires_at);

CREATE TABLE email_codes (
    id          uuid         NOT NULL DEFAULT gen_random_uuid(),
    member_id   uuid         NOT NULL,
    purpose     text         NOT NULL,
    code_mac    bytea        NOT NULL,
    created_at  timestamptz  NOT NULL,
    expires_at  timestamptz  NOT NULL,
    attempts    integer      NOT NULL DEFAULT 0,
    used_at     timestamptz,
    ticket      bytea,
    CONSTRAINT email_codes_pkey PRIMARY KEY (id),
    CONSTRAINT email_codes_purpose_check CHECK (purpose IN ('verify', 'reset')),
    CONSTRAINT email_codes_ticket_check CHECK (octet_length(ticket) = 32),
    CONSTRAINT email_codes_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX email_codes_expires ON email_codes (expires_at);
CREATE INDEX email_codes_member ON email_codes (member_id);
CREATE UNIQUE INDEX email_codes_open ON email_codes (member_id, purpose, COALESCE(ticket, '\x')) WHERE used_at IS NULL;

CREATE TABLE erasures (
    member_id    uuid         NOT NULL,
    asked_at     timestamptz  NOT NULL,
    finished_at  timestamptz,
    CONSTRAINT erasures_pkey PRIMARY KEY (member_id),
    CONSTRAINT erasures_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX erasures_open ON erasures (asked_at) WHERE finished_at IS NULL;

CREATE TABLE feed_items (
    id           bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    kind         text         NOT NULL,
    text         text         NOT NULL,
    amount       micro_usdt,
    dedupe_key   text         NOT NULL,
    happened_at  timestamptz  NOT NULL,
    code         text,
    params       jsonb        NOT NULL DEFAULT '{}',
    CONSTRAINT feed_items_pkey PRIMARY KEY (id),
    CONSTRAINT feed_items_dedupe_key_key UNIQUE (dedupe_key)
);
CREATE INDEX feed_items_happened ON feed_items (happened_at, id);
CREATE INDEX feed_items_kind ON feed_items (kind, happened_at, id);

CREATE TABLE figure_progress (
    work         text         NOT NULL,
    last_number  bigint       NOT NULL DEFAULT 0,
    as_of        timestamptz  NOT NULL,
    CONSTRAINT figure_progress_pkey PRIMARY KEY (work),
    CONSTRAINT figure_progress_last_number_check CHECK (last_number >= 0),
    CONSTRAINT figure_progress_work_check CHECK (work IN ('scans', 'days', 'periods'))
);

CREATE TABLE figures (
    name           text         NOT NULL,
    value          jsonb,
    reason         text,
    as_of          timestamptz  NOT NULL,
    fresh_seconds  integer      NOT NULL,
    CONSTRAINT figures_pkey PRIMARY KEY (name),
    CONSTRAINT figures_fresh_seconds_check CHECK (fresh_seconds > 0),
    CONSTRAINT figures_known_or_why_not CHECK ((value IS NULL) = (reason IS NOT NULL)),
    CONSTRAINT figures_name_check CHECK (name ~ '^[a-z][a-z0-9_]{0,59}$'),
    CONSTRAINT figures_reason_check CHECK (length(reason) >= 1 AND length(reason) <= 200)
);
CREATE TRIGGER figure_is_newer BEFORE UPDATE ON figures FOR EACH ROW EXECUTE FUNCTION figure_is_newer();

CREATE TABLE flagged_scans (
    scan_id      uuid         NOT NULL,
    scanned_at   timestamptz  NOT NULL,
    scan_number  bigint       NOT NULL,
    member_id    uuid         NOT NULL,
    flags        text[]       NOT NULL,
    details      jsonb        NOT NULL DEFAULT '{}',
    flagged_at   timestamptz  NOT NULL,
    status       text         NOT NULL DEFAULT 'open',
    decided_at   timestamptz,
    decided_by   uuid,
    note         text,
    CONSTRAINT flagged_scans_pkey PRIMARY KEY (scan_id),
    CONSTRAINT flagged_scans_scan_number_key UNIQUE (scan_number),
    CONSTRAINT flagged_scans_check CHECK ((status = 'open') = (decided_at IS NULL)),
    CONSTRAINT flagged_scans_check1 CHECK ((status = 'open') = (decided_by IS NULL)),
    CONSTRAINT flagged_scans_flags_check CHECK (cardinality(flags) > 0),
    CONSTRAINT flagged_scans_status_check CHECK (status IN ('open', 'cleared', 'confirmed')),
    CONSTRAINT flagged_scans_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES members(id),
    CONSTRAINT flagged_scans_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT flagged_scans_scanned_at_scan_id_fkey FOREIGN KEY (scanned_at, scan_id) REFERENCES scans(scanned_at, id)
);
CREATE INDEX flagged_scans_decider ON flagged_scans (decided_by) WHERE decided_by IS NOT NULL;
CREATE INDEX flagged_scans_member ON flagged_scans (member_id);
CREATE INDEX flagged_scans_open ON flagged_scans (flagged_at, scan_id) WHERE status = 'open';
CREATE INDEX flagged_scans_scan ON flagged_scans (scanned_at, scan_id);
CREATE INDEX flagged_scans_status ON flagged_scans (status, flagged_at DESC, scan_id);
CREATE TRIGGER scan_decision_is_disinterested BEFORE UPDATE OF decided_by ON flagged_scans FOR EACH ROW WHEN
    (new.decided_by IS NOT NULL) EXECUTE FUNCTION scan_decision_is_disinterested();

CREATE TABLE foreign_explanations (
    signer        evm_address  NOT NULL,
    nonce         bigint       NOT NULL,
    person_id     uuid         NOT NULL,
    payout_id     uuid,
    why           text         NOT NULL,
    explained_at  timestamptz  NOT NULL,
    CONSTRAINT foreign_explanations_pkey PRIMARY KEY (signer, nonce, person_id),
    CONSTRAINT foreign_explanations_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payouts(id),
    CONSTRAINT foreign_explanations_person_id_fkey FOREIGN KEY (person_id) REFERENCES members(id),
    CONSTRAINT foreign_explanations_signer_nonce_fkey FOREIGN KEY (signer, nonce) REFERENCES payout_slots(signer,
        nonce)
);
CREATE INDEX foreign_explanations_payout ON foreign_explanations (payout_id);
CREATE INDEX foreign_explanations_person ON foreign_explanations (person_id);
CREATE TRIGGER explanation_changed BEFORE INSERT OR UPDATE ON foreign_explanations FOR EACH ROW EXECUTE FUNCTION
    explanation_changed();
CREATE TRIGGER never_deleted BEFORE DELETE ON foreign_explanations FOR EACH ROW EXECUTE FUNCTION
    payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON foreign_explanations FOR EACH STATEMENT EXECUTE FUNCTION
    payout_never_deleted();

CREATE TABLE foreign_transfers (
    signer             evm_address    NOT NULL,
    nonce              bigint         NOT NULL,
    position           integer        NOT NULL,
    transaction_hash   evm_hash       NOT NULL,
    token_address      evm_address    NOT NULL,
    recipient_address  evm_address    NOT NULL,
    amount             numeric(78,0)  NOT NULL,
    found_at           timestamptz    NOT NULL,
    CONSTRAINT foreign_transfers_pkey PRIMARY KEY (signer, nonce, "position"),
    CONSTRAINT foreign_transfers_signer_nonce_fkey FOREIGN KEY (signer, nonce) REFERENCES payout_slots(signer, nonce)
);
CREATE INDEX foreign_transfers_terms ON foreign_transfers (lower(recipient_address::text), amount);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON foreign_transfers FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON foreign_transfers FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE former_usernames (
    name         text         NOT NULL,
    member_id    uuid         NOT NULL,
    given_up_at  timestamptz  NOT NULL,
    CONSTRAINT former_usernames_pkey PRIMARY KEY (name),
    CONSTRAINT former_usernames_name_check CHECK (name = lower(name)),
    CONSTRAINT former_usernames_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX former_usernames_member ON former_usernames (member_id, given_up_at DESC);

CREATE TABLE fulfilment_lines (
    fulfilment_id  uuid     NOT NULL,
    sku            text     NOT NULL,
    tins           integer  NOT NULL,
    CONSTRAINT fulfilment_lines_pkey PRIMARY KEY (fulfilment_id, sku),
    CONSTRAINT fulfilment_lines_tins_check CHECK (tins > 0),
    CONSTRAINT fulfilment_lines_fulfilment_id_fkey FOREIGN KEY (fulfilment_id) REFERENCES fulfilments(id),
    CONSTRAINT fulfilment_lines_sku_fkey FOREIGN KEY (sku) REFERENCES products(sku)
);
CREATE INDEX fulfilment_lines_sku ON fulfilment_lines (sku);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON fulfilment_lines FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON fulfilment_lines FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE fulfilments (
    id                uuid         NOT NULL,
    order_id          uuid         NOT NULL,
    status            text         NOT NULL DEFAULT 'recorded',
    recorded_at       timestamptz  NOT NULL,
    sent_at           timestamptz,
    answered_at       timestamptz,
    look_at           timestamptz,
    cancel_wanted_at  timestamptz,
    evidence          text,
    reference         text,
    reason            text,
    by_hand           boolean      NOT NULL DEFAULT false,
    CONSTRAINT fulfilments_pkey PRIMARY KEY (id),
    CONSTRAINT fulfilments_answered CHECK ((status IN ('recorded', 'sent')) = (answered_at IS NULL AND evidence IS
        NULL)),
    CONSTRAINT fulfilments_by_hand CHECK ( CASE     WHEN by_hand THEN (status IN ('packed', 'shipped', 'cancelled'))
        AND evidence = 'person' AND reference IS NULL     ELSE evidence IS DISTINCT FROM 'person' END),
    CONSTRAINT fulfilments_evidence_check CHECK (evidence IN ('reply', 'lookup', 'person', 'never_sent')),
    CONSTRAINT fulfilments_looked_after CHECK (look_at IS NOT NULL OR (status IN ('shipped', 'cancelled', 'refused'))),
    CONSTRAINT fulfilments_never_sent CHECK ((status = 'cancelled' AND sent_at IS NULL) = (NOT evidence IS DISTINCT
        FROM 'never_sent')),
    CONSTRAINT fulfilments_sent CHECK ((status IN ('recorded', 'cancelled')) OR sent_at IS NOT NULL),
    CONSTRAINT fulfilments_status_check CHECK (status IN ('recorded', 'sent', 'accepted', 'packed', 'shipped',
        'cancelled', 'refused')),
    CONSTRAINT fulfilments_unsent CHECK (status <> 'recorded' OR sent_at IS NULL),
    CONSTRAINT fulfilments_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id)
);
CREATE INDEX fulfilments_answered ON fulfilments (answered_at) WHERE evidence IN ('reply', 'lookup');
CREATE INDEX fulfilments_due ON fulfilments (look_at) WHERE look_at IS NOT NULL;
CREATE UNIQUE INDEX fulfilments_live ON fulfilments (order_id) WHERE status NOT IN ('cancelled', 'refused');
CREATE INDEX fulfilments_order ON fulfilments (order_id, recorded_at);
CREATE INDEX fulfilments_packing ON fulfilments (recorded_at, id) WHERE (status IN ('accepted', 'packed')) AND
    cancel_wanted_at IS NULL;
CREATE TRIGGER fulfilment_born BEFORE INSERT ON fulfilments FOR EACH ROW EXECUTE FUNCTION fulfilment_born();
CREATE TRIGGER fulfilment_changed BEFORE UPDATE ON fulfilments FOR EACH ROW EXECUTE FUNCTION fulfilment_changed();
CREATE CONSTRAINT TRIGGER fulfilment_whole AFTER INSERT ON fulfilments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION fulfilment_whole();

CREATE TABLE governance_ballots (
    vote_id    uuid         NOT NULL,
    member_id  uuid         NOT NULL,
    option     integer      NOT NULL,
    receipt    bytea        NOT NULL,
    cast_at    timestamptz  NOT NULL,
    CONSTRAINT governance_ballots_pkey PRIMARY KEY (vote_id, member_id),
    CONSTRAINT governance_ballots_receipt UNIQUE (vote_id, receipt),
    CONSTRAINT governance_ballots_receipt_check CHECK (octet_length(receipt) IN (16, 32)),
    CONSTRAINT governance_ballots_elector FOREIGN KEY (vote_id, member_id) REFERENCES governance_electors(vote_id,
        member_id),
    CONSTRAINT governance_ballots_option FOREIGN KEY (vote_id, option) REFERENCES governance_options(vote_id, option)
);
CREATE INDEX governance_ballots_member ON governance_ballots (member_id);
CREATE INDEX governance_ballots_option_key ON governance_ballots (vote_id, option);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON governance_ballots FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON governance_ballots FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE TRIGGER governance_ballot_cast BEFORE INSERT ON governance_ballots FOR EACH ROW EXECUTE FUNCTION
    governance_ballot_cast();

CREATE TABLE governance_electors (
    vote_id    uuid  NOT NULL,
    member_id  uuid  NOT NULL,
    CONSTRAINT governance_electors_pkey PRIMARY KEY (vote_id, member_id),
    CONSTRAINT governance_electors_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT governance_electors_vote_id_fkey FOREIGN KEY (vote_id) REFERENCES governance_votes(id)
);
CREATE INDEX governance_electors_member ON governance_electors (member_id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON governance_electors FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON governance_electors FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE TRIGGER governance_electors_made AFTER INSERT ON governance_electors REFERENCING NEW TABLE AS made FOR EACH
    STATEMENT EXECUTE FUNCTION governance_electors_made();

CREATE TABLE governance_options (
    vote_id  uuid     NOT NULL,
    option   integer  NOT NULL,
    label    text     NOT NULL,
    ballots  integer  NOT NULL DEFAULT 0,
    CONSTRAINT governance_options_pkey PRIMARY KEY (vote_id, option),
    CONSTRAINT governance_options_label UNIQUE (vote_id, label),
    CONSTRAINT governance_options_ballots_check CHECK (ballots >= 0),
    CONSTRAINT governance_options_label_check CHECK (char_length(label) >= 1 AND char_length(label) <= 100),
    CONSTRAINT governance_options_option_check CHECK (option >= 1 AND option <= 20),
    CONSTRAINT governance_options_vote_id_fkey FOREIGN KEY (vote_id) REFERENCES governance_votes(id)
) WITH (fillfactor=50);
CREATE TRIGGER governance_option_changed BEFORE INSERT OR DELETE OR UPDATE ON governance_options FOR EACH ROW EXECUTE
    FUNCTION governance_option_changed();

CREATE TABLE governance_proposals (
    id          uuid         NOT NULL,
    member_id   uuid         NOT NULL,
    slot        integer      NOT NULL,
    type        text         NOT NULL,
    title       text         NOT NULL,
    body        text         NOT NULL,
    status      text         NOT NULL DEFAULT 'open',
    created_at  timestamptz  NOT NULL,
    decided_at  timestamptz,
    decided_by  uuid,
    note        text,
    vote_id     uuid,
    CONSTRAINT governance_proposals_pkey PRIMARY KEY (id),
    CONSTRAINT governance_proposals_vote_id_key UNIQUE (vote_id),
    CONSTRAINT governance_proposals_body_check CHECK (char_length(body) <= 5000),
    CONSTRAINT governance_proposals_decided CHECK ((status IN ('accepted', 'declined')) = (decided_by IS NOT NULL)),
    CONSTRAINT governance_proposals_ended CHECK ((status = 'open') = (decided_at IS NULL)),
    CONSTRAINT governance_proposals_note_check CHECK (char_length(note) <= 500),
    CONSTRAINT governance_proposals_slot_check CHECK (slot >= 1 AND slot <= 3),
    CONSTRAINT governance_proposals_status_check CHECK (status IN ('open', 'accepted', 'declined', 'withdrawn')),
    CONSTRAINT governance_proposals_title_check CHECK (char_length(title) <= 200),
    CONSTRAINT governance_proposals_type_check CHECK (type IN ('flavor', 'loyalty', 'corporate')),
    CONSTRAINT governance_proposals_vote CHECK ((status = 'accepted') = (vote_id IS NOT NULL)),
    CONSTRAINT governance_proposals_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES members(id),
    CONSTRAINT governance_proposals_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT governance_proposals_vote_id_fkey FOREIGN KEY (vote_id) REFERENCES governance_votes(id)
);
CREATE INDEX governance_proposals_created ON governance_proposals (created_at DESC, id DESC);
CREATE INDEX governance_proposals_decider ON governance_proposals (decided_by) WHERE decided_by IS NOT NULL;
CREATE INDEX governance_proposals_member ON governance_proposals (member_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX governance_proposals_slot ON governance_proposals (member_id, slot) WHERE status = 'open';

CREATE TABLE governance_votes (
    id               uuid         NOT NULL,
    type             text         NOT NULL,
    tier_min         tier         NOT NULL,
    title            text         NOT NULL,
    description      text         NOT NULL,
    seconds          integer      NOT NULL,
    quorum_percent   integer      NOT NULL,
    status           text         NOT NULL DEFAULT 'draft',
    revision         integer      NOT NULL DEFAULT 1,
    created_by       uuid         NOT NULL,
    created_at       timestamptz  NOT NULL,
    opened_at        timestamptz,
    closes_at        timestamptz,
    electors         integer,
    digest           bytea,
    closed_early_at  timestamptz,
    closed_at        timestamptz,
    outcome          jsonb,
    CONSTRAINT governance_votes_pkey PRIMARY KEY (id),
    CONSTRAINT governance_votes_closed CHECK (num_nonnulls(closed_at, outcome) = CASE     WHEN status = 'closed' THEN 2
        ELSE 0 END),
    CONSTRAINT governance_votes_description_check CHECK (char_length(description) <= 5000),
    CONSTRAINT governance_votes_digest_check CHECK (octet_length(digest) = 32),
    CONSTRAINT governance_votes_early CHECK (closed_early_at IS NULL OR (status IN ('closing', 'closed')) AND
        closed_early_at < closes_at),
    CONSTRAINT governance_votes_electors_check CHECK (electors >= 0),
    CONSTRAINT governance_votes_length CHECK (closes_at = (opened_at + make_interval(secs => seconds::double
        precision))),
    CONSTRAINT governance_votes_opened CHECK (num_nonnulls(opened_at, closes_at, electors, digest) = CASE     WHEN
        status IN ('active', 'closing', 'closed') THEN 4     ELSE 0 END),
    CONSTRAINT governance_votes_outcome_check CHECK (jsonb_typeof(outcome) = 'object'),
    CONSTRAINT governance_votes_quorum_percent_check CHECK (quorum_percent >= 0 AND quorum_percent <= 100),
    CONSTRAINT governance_votes_revision_check CHECK (revision > 0),
    CONSTRAINT governance_votes_seconds_check CHECK (seconds >= 3600 AND seconds <= 2592000),
    CONSTRAINT governance_votes_status_check CHECK (status IN ('draft', 'opening', 'active', 'closing', 'closed',
        'discarded')),
    CONSTRAINT governance_votes_tier CHECK (tier_min = CASE type     WHEN 'flavor' THEN 'vip'     WHEN 'loyalty' THEN
        'high_roller'     ELSE 'whale' END),
    CONSTRAINT governance_votes_title CHECK (title <> '' OR status = 'discarded'),
    CONSTRAINT governance_votes_title_check CHECK (char_length(title) <= 200),
    CONSTRAINT governance_votes_type_check CHECK (type IN ('flavor', 'loyalty', 'corporate')),
    CONSTRAINT governance_votes_created_by_fkey FOREIGN KEY (created_by) REFERENCES members(id)
);
CREATE INDEX governance_votes_author ON governance_votes (created_by);
CREATE INDEX governance_votes_created ON governance_votes (created_at DESC, id DESC);
CREATE INDEX governance_votes_going ON governance_votes (status) WHERE status IN ('opening', 'active', 'closing');
CREATE INDEX governance_votes_opened ON governance_votes (opened_at DESC, id DESC) WHERE opened_at IS NOT NULL;
CREATE TRIGGER governance_vote_changed BEFORE DELETE OR UPDATE ON governance_votes FOR EACH ROW EXECUTE FUNCTION
    governance_vote_changed();

CREATE TABLE guarantee_claims (
    kind         text         NOT NULL,
    fingerprint  bytea        NOT NULL,
    member_id    uuid         NOT NULL,
    claimed_at   timestamptz  NOT NULL,
    CONSTRAINT guarantee_claims_pkey PRIMARY KEY (kind, fingerprint),
    CONSTRAINT guarantee_claims_fingerprint_check CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT guarantee_claims_kind_check CHECK (kind IN ('address', 'wallet', 'device')),
    CONSTRAINT guarantee_claims_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX guarantee_claims_member ON guarantee_claims (member_id);

CREATE TABLE guarantee_reviews (
    id          uuid         NOT NULL,
    member_id   uuid         NOT NULL,
    score       integer      NOT NULL,
    signals     jsonb        NOT NULL,
    status      text         NOT NULL DEFAULT 'waiting',
    asked_at    timestamptz  NOT NULL,
    decided_at  timestamptz,
    decided_by  uuid,
    note        text,
    CONSTRAINT guarantee_reviews_pkey PRIMARY KEY (id),
    CONSTRAINT guarantee_reviews_check CHECK (decided_by <> member_id),
    CONSTRAINT guarantee_reviews_check1 CHECK ((status = 'waiting') = (decided_at IS NULL)),
    CONSTRAINT guarantee_reviews_check2 CHECK ((status = 'waiting') = (decided_by IS NULL)),
    CONSTRAINT guarantee_reviews_check3 CHECK ((status = 'waiting') = (note IS NULL)),
    CONSTRAINT guarantee_reviews_score_check CHECK (score >= 1 AND score <= 100),
    CONSTRAINT guarantee_reviews_signals_check CHECK (jsonb_array_length(signals) > 0),
    CONSTRAINT guarantee_reviews_status_check CHECK (status IN ('waiting', 'granted', 'refused')),
    CONSTRAINT guarantee_reviews_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES members(id),
    CONSTRAINT guarantee_reviews_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX guarantee_reviews_decided_by ON guarantee_reviews (decided_by) WHERE decided_by IS NOT NULL;
CREATE INDEX guarantee_reviews_member ON guarantee_reviews (member_id);
CREATE INDEX guarantee_reviews_newest ON guarantee_reviews (asked_at DESC, id DESC);
CREATE INDEX guarantee_reviews_waiting ON guarantee_reviews (asked_at DESC, id DESC) WHERE status = 'waiting';
CREATE UNIQUE INDEX guarantee_reviews_withheld ON guarantee_reviews (member_id) WHERE status <> 'granted';
CREATE TRIGGER guarantee_review_changed BEFORE UPDATE ON guarantee_reviews FOR EACH ROW EXECUTE FUNCTION
    guarantee_review_changed();
CREATE TRIGGER never_deleted BEFORE DELETE ON guarantee_reviews FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();

CREATE TABLE guarantees (
    member_id    uuid     NOT NULL,
    verified_on  date     NOT NULL,
    given        integer  NOT NULL DEFAULT 0,
    next_on      date,
    CONSTRAINT guarantees_pkey PRIMARY KEY (member_id),
    CONSTRAINT guarantees_given_check CHECK (given >= 0 AND given <= 12),
    CONSTRAINT guarantees_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX guarantees_due ON guarantees (next_on, member_id) WHERE next_on IS NOT NULL;
CREATE INDEX guarantees_verified ON guarantees (verified_on);

CREATE TABLE hold_windows (
    treasury      text         NOT NULL,
    hold_reason   hold_reason  NOT NULL,
    requested_at  timestamptz  NOT NULL,
    payout_id     uuid         NOT NULL,
    CONSTRAINT hold_windows_pkey PRIMARY KEY (treasury, hold_reason),
    CONSTRAINT hold_windows_treasury_fkey FOREIGN KEY (treasury) REFERENCES treasuries(name)
);

CREATE TABLE honey_trials (
    id           bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    batch_id     uuid         NOT NULL,
    member_id    uuid         NOT NULL,
    device_id    text,
    ip_address   inet,
    happened_at  timestamptz  NOT NULL,
    CONSTRAINT honey_trials_pkey PRIMARY KEY (id),
    CONSTRAINT honey_trials_batch_id_fkey FOREIGN KEY (batch_id) REFERENCES code_batches(id),
    CONSTRAINT honey_trials_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX honey_trials_batch ON honey_trials (batch_id);
CREATE INDEX honey_trials_member ON honey_trials (member_id, happened_at);
CREATE INDEX honey_trials_newest ON honey_trials (happened_at DESC, id DESC);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON honey_trials FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON honey_trials FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE hook_deliveries (
    id            uuid         NOT NULL,
    endpoint_id   uuid         NOT NULL,
    kind          text         NOT NULL,
    subject       text         NOT NULL,
    body          text         NOT NULL,
    created_at    timestamptz  NOT NULL,
    state         text         NOT NULL DEFAULT 'pending',
    tries         integer      NOT NULL DEFAULT 0,
    tries_before  integer      NOT NULL DEFAULT 0,
    next_at       timestamptz,
    done_at       timestamptz,
    CONSTRAINT hook_deliveries_pkey PRIMARY KEY (id),
    CONSTRAINT hook_deliveries_once UNIQUE (endpoint_id, kind, subject),
    CONSTRAINT hook_deliveries_body_check CHECK (length(body) >= 2 AND length(body) <= 20000),
    CONSTRAINT hook_deliveries_check CHECK (tries_before >= 0 AND tries_before <= tries),
    CONSTRAINT hook_deliveries_done CHECK ((state = 'pending') = (done_at IS NULL)),
    CONSTRAINT hook_deliveries_next CHECK ((state = 'pending') = (next_at IS NOT NULL)),
    CONSTRAINT hook_deliveries_state_check CHECK (state IN ('pending', 'delivered', 'failed')),
    CONSTRAINT hook_deliveries_subject_check CHECK (length(subject) >= 1 AND length(subject) <= 100),
    CONSTRAINT hook_deliveries_tries_check CHECK (tries >= 0),
    CONSTRAINT hook_deliveries_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES hook_endpoints(id) ON DELETE
        CASCADE
);
CREATE INDEX hook_deliveries_due ON hook_deliveries (next_at) WHERE state = 'pending';
CREATE INDEX hook_deliveries_listed ON hook_deliveries (endpoint_id, created_at DESC, id DESC);
CREATE INDEX hook_deliveries_old ON hook_deliveries (done_at) WHERE done_at IS NOT NULL;

CREATE TABLE hook_endpoints (
    id             uuid         NOT NULL,
    account_id     uuid,
    url            text         NOT NULL,
    kinds          text[]       NOT NULL,
    state          text         NOT NULL,
    state_at       timestamptz  NOT NULL,
    created_at     timestamptz  NOT NULL,
    failing_since  timestamptz,
    CONSTRAINT hook_endpoints_pkey PRIMARY KEY (id),
    CONSTRAINT hook_endpoints_kinds_check CHECK (cardinality(kinds) >= 1 AND cardinality(kinds) <= 20),
    CONSTRAINT hook_endpoints_state_check CHECK (state IN ('enabled', 'disabled', 'failing', 'gone')),
    CONSTRAINT hook_endpoints_url_check CHECK (url ~ '^https://[a-z0-9.-]+(/|$)' AND length(url) <= 500),
    CONSTRAINT hook_endpoints_account_id_fkey FOREIGN KEY (account_id) REFERENCES wholesale_accounts(id)
);
CREATE INDEX hook_endpoints_account ON hook_endpoints (account_id, created_at);

CREATE TABLE hook_secrets (
    id           uuid         NOT NULL,
    endpoint_id  uuid         NOT NULL,
    sealed       bytea        NOT NULL,
    created_at   timestamptz  NOT NULL,
    ends_at      timestamptz,
    CONSTRAINT hook_secrets_pkey PRIMARY KEY (id),
    CONSTRAINT hook_secrets_endpoint_id_fkey FOREIGN KEY (endpoint_id) REFERENCES hook_endpoints(id) ON DELETE CASCADE
);
CREATE INDEX hook_secrets_ended ON hook_secrets (ends_at) WHERE ends_at IS NOT NULL;
CREATE INDEX hook_secrets_endpoint ON hook_secrets (endpoint_id);
CREATE UNIQUE INDEX hook_secrets_present ON hook_secrets (endpoint_id) WHERE ends_at IS NULL;

CREATE TABLE hook_tries (
    delivery_id  uuid         NOT NULL,
    number       integer      NOT NULL,
    started_at   timestamptz  NOT NULL,
    ended_at     timestamptz,
    status       integer,
    fault        text,
    CONSTRAINT hook_tries_pkey PRIMARY KEY (delivery_id, number),
    CONSTRAINT hook_tries_fault_check CHECK (length(fault) >= 1 AND length(fault) <= 40),
    CONSTRAINT hook_tries_number_check CHECK (number > 0),
    CONSTRAINT hook_tries_outcome CHECK (num_nonnulls(status, fault) = CASE     WHEN ended_at IS NULL THEN 0     ELSE 1
        END),
    CONSTRAINT hook_tries_status_check CHECK (status >= 100 AND status <= 999),
    CONSTRAINT hook_tries_delivery_id_fkey FOREIGN KEY (delivery_id) REFERENCES hook_deliveries(id) ON DELETE CASCADE
);

CREATE TABLE idempotency_keys (
    scope         text         NOT NULL,
    key_hash      bytea        NOT NULL,
    request_hash  bytea        NOT NULL,
    status        smallint,
    reply         bytea,
    headers       jsonb,
    created_at    timestamptz  NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (scope, key_hash)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_of_anyone ON idempotency_keys (created_at) WHERE scope ~~ '% %';

CREATE TABLE inboxes (
    member_id    uuid         NOT NULL,
    unread       integer      NOT NULL DEFAULT 0,
    all_read_at  timestamptz,
    revision     bigint       NOT NULL DEFAULT 0,
    CONSTRAINT inboxes_pkey PRIMARY KEY (member_id),
    CONSTRAINT inboxes_unread_check CHECK (unread >= 0),
    CONSTRAINT inboxes_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);

CREATE TABLE installation (
    is_only  boolean  NOT NULL DEFAULT true,
    project  text     NOT NULL,
    CONSTRAINT installation_pkey PRIMARY KEY (is_only),
    CONSTRAINT installation_is_only_check CHECK (is_only),
    CONSTRAINT installation_project_check CHECK (project <> '')
);

CREATE TABLE integration_states (
    service        text         NOT NULL,
    is_configured  boolean,
    answered_at    timestamptz,
    failed_at      timestamptz,
    error          text,
    CONSTRAINT integration_states_pkey PRIMARY KEY (service),
    CONSTRAINT integration_states_error CHECK ((error IS NULL) = (failed_at IS NULL)),
    CONSTRAINT integration_states_error_check CHECK (length(error) >= 1 AND length(error) <= 200)
);

CREATE TABLE invoices (
    payment_id  uuid         NOT NULL,
    serial      bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    number      text         NOT NULL GENERATED ALWAYS AS ((('INV-' || EXTRACT(year FROM (issued_at AT TIME ZONE
        'UTC'))::text) || '-') || lpad(serial::text, GREATEST(length(serial::text), 4), '0')) STORED,
    issued_at   timestamptz  NOT NULL,
    due_at      timestamptz  NOT NULL,
    CONSTRAINT invoices_pkey PRIMARY KEY (payment_id),
    CONSTRAINT invoices_serial_key UNIQUE (serial),
    CONSTRAINT invoices_check CHECK (due_at > issued_at),
    CONSTRAINT invoices_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payments(id)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON invoices FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE job_faults (
    id           bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    job          text         NOT NULL,
    delivery_id  text         NOT NULL,
    body         text         NOT NULL,
    reason       text         NOT NULL,
    happened_at  timestamptz  NOT NULL,
    CONSTRAINT job_faults_pkey PRIMARY KEY (id),
    CONSTRAINT job_faults_job_delivery_id_key UNIQUE (job, delivery_id)
);
CREATE INDEX job_faults_happened ON job_faults (happened_at);

CREATE TABLE job_runs (
    job           text         NOT NULL,
    schedule      text         NOT NULL,
    ended_at      timestamptz,
    milliseconds  integer,
    failed_at     timestamptz,
    CONSTRAINT job_runs_pkey PRIMARY KEY (job, schedule),
    CONSTRAINT job_runs_ended CHECK ((ended_at IS NULL) = (milliseconds IS NULL)),
    CONSTRAINT job_runs_milliseconds_check CHECK (milliseconds >= 0),
    CONSTRAINT job_runs_seen CHECK (ended_at IS NOT NULL OR failed_at IS NOT NULL)
);

CREATE TABLE known_devices (
    token_hash    bytea        NOT NULL,
    member_id     uuid         NOT NULL,
    created_at    timestamptz  NOT NULL,
    last_used_at  timestamptz  NOT NULL,
    CONSTRAINT known_devices_pkey PRIMARY KEY (token_hash),
    CONSTRAINT known_devices_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX known_devices_member ON known_devices (member_id, last_used_at);
CREATE INDEX known_devices_used ON known_devices (last_used_at);

CREATE TABLE late_counts (
    id         bigint   NOT NULL GENERATED ALWAYS AS IDENTITY,
    kind       text     NOT NULL,
    member_id  uuid     NOT NULL,
    change     integer  NOT NULL,
    CONSTRAINT late_counts_pkey PRIMARY KEY (id),
    CONSTRAINT late_counts_kind_check CHECK (kind IN ('unread', 'chips')),
    CONSTRAINT late_counts_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX late_counts_member ON late_counts (member_id, kind);

CREATE TABLE leases (
    name        text         NOT NULL,
    holder      uuid         NOT NULL,
    held_until  timestamptz  NOT NULL,
    CONSTRAINT leases_pkey PRIMARY KEY (name)
);

CREATE TABLE ledger_accounts (
    name         text  NOT NULL,
    description  text  NOT NULL,
    CONSTRAINT ledger_accounts_pkey PRIMARY KEY (name)
);

CREATE TABLE ledger_balances (
    account  text      NOT NULL,
    shard    smallint  NOT NULL,
    balance  bigint    NOT NULL,
    CONSTRAINT ledger_balances_pkey PRIMARY KEY (account, shard),
    CONSTRAINT ledger_balances_account_fkey FOREIGN KEY (account) REFERENCES ledger_accounts(name)
) WITH (fillfactor=50);

CREATE TABLE ledger_journals (
    id          bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    ref         text         NOT NULL,
    posted_at   timestamptz  NOT NULL,
    written_by  xid8         NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT ledger_journals_pkey PRIMARY KEY (id),
    CONSTRAINT ledger_journals_ref_key UNIQUE (ref)
);
CREATE INDEX ledger_journals_posted ON ledger_journals USING brin (posted_at);
CREATE INDEX ledger_journals_written_by ON ledger_journals (written_by);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON ledger_journals FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON ledger_journals FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE CONSTRAINT TRIGGER ledger_journal_balanced AFTER INSERT ON ledger_journals DEFERRABLE INITIALLY DEFERRED FOR
    EACH ROW EXECUTE FUNCTION ledger_journal_balanced();

CREATE TABLE ledger_postings (
    journal_id  bigint      NOT NULL,
    account     text        NOT NULL,
    amount      micro_usdt  NOT NULL,
    CONSTRAINT ledger_postings_pkey PRIMARY KEY (journal_id, account),
    CONSTRAINT ledger_postings_amount_check CHECK (amount::bigint <> 0),
    CONSTRAINT ledger_postings_account_fkey FOREIGN KEY (account) REFERENCES ledger_accounts(name),
    CONSTRAINT ledger_postings_journal_id_fkey FOREIGN KEY (journal_id) REFERENCES ledger_journals(id)
);
CREATE INDEX ledger_postings_account ON ledger_postings (account, journal_id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON ledger_postings FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON ledger_postings FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE CONSTRAINT TRIGGER ledger_posting_balanced AFTER INSERT ON ledger_postings DEFERRABLE INITIALLY DEFERRED FOR
    EACH ROW EXECUTE FUNCTION ledger_posting_balanced();
CREATE TRIGGER ledger_posting_kept AFTER INSERT ON ledger_postings FOR EACH ROW EXECUTE FUNCTION ledger_posting_kept();

CREATE TABLE ledger_seal_balances (
    number   bigint  NOT NULL,
    account  text    NOT NULL,
    balance  bigint  NOT NULL,
    CONSTRAINT ledger_seal_balances_pkey PRIMARY KEY (number, account),
    CONSTRAINT ledger_seal_balances_account_fkey FOREIGN KEY (account) REFERENCES ledger_accounts(name),
    CONSTRAINT ledger_seal_balances_number_fkey FOREIGN KEY (number) REFERENCES ledger_seals(number)
);
CREATE INDEX ledger_seal_balances_account ON ledger_seal_balances (account);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON ledger_seal_balances FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON ledger_seal_balances FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE ledger_seals (
    number     bigint       NOT NULL,
    horizon    xid8         NOT NULL,
    journals   bigint       NOT NULL,
    postings   bigint       NOT NULL,
    content    bytea        NOT NULL,
    digest     bytea        NOT NULL,
    sealed_at  timestamptz  NOT NULL,
    balances   bytea,
    CONSTRAINT ledger_seals_pkey PRIMARY KEY (number),
    CONSTRAINT ledger_seals_digest_key UNIQUE (digest),
    CONSTRAINT ledger_seals_horizon_key UNIQUE (horizon),
    CONSTRAINT ledger_seals_balances_check CHECK (length(balances) = 32),
    CONSTRAINT ledger_seals_content_check CHECK (length(content) = 32),
    CONSTRAINT ledger_seals_digest_check CHECK (length(digest) = 32),
    CONSTRAINT ledger_seals_journals_check CHECK (journals >= 0),
    CONSTRAINT ledger_seals_number_check CHECK (number > 0),
    CONSTRAINT ledger_seals_postings_check CHECK (postings >= 0)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON ledger_seals FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON ledger_seals FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE listener_revocations (
    member_id  uuid         NOT NULL,
    before     timestamptz,
    issued_at  timestamptz,
    CONSTRAINT listener_revocations_pkey PRIMARY KEY (member_id),
    CONSTRAINT listener_revocations_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE TRIGGER social_listener_departed AFTER UPDATE ON listener_revocations FOR EACH ROW WHEN (new.before IS DISTINCT
    FROM old.before) EXECUTE FUNCTION social_listener_departed();
CREATE TRIGGER social_listener_departed_first AFTER INSERT ON listener_revocations FOR EACH ROW WHEN (new.before IS NOT
    NULL) EXECUTE FUNCTION social_listener_departed();

CREATE TABLE live_stream_inputs (
    stream_id        uuid         NOT NULL,
    start_id         uuid         NOT NULL,
    begun_at         timestamptz  NOT NULL,
    generation       integer      NOT NULL DEFAULT 1,
    generation_gone  integer      NOT NULL DEFAULT 0,
    address          text,
    sealed_key       bytea,
    key_hash         bytea,
    operation        text,
    operation_at     timestamptz,
    observed         text,
    observed_at      timestamptz,
    observed_since   timestamptz,
    failures         integer      NOT NULL DEFAULT 0,
    last_error       text,
    ending_at        timestamptz,
    clip_until       timestamptz,
    clip_at          timestamptz,
    clips            integer      NOT NULL DEFAULT 0,
    held_until       timestamptz,
    look_at          timestamptz,
    CONSTRAINT live_stream_inputs_pkey PRIMARY KEY (stream_id),
    CONSTRAINT live_stream_inputs_key_hash_key UNIQUE (key_hash),
    CONSTRAINT live_stream_inputs_start_id_key UNIQUE (start_id),
    CONSTRAINT live_stream_inputs_check CHECK (generation_gone >= 0 AND generation_gone <= generation),
    CONSTRAINT live_stream_inputs_check1 CHECK ((operation IS NULL) = (operation_at IS NULL)),
    CONSTRAINT live_stream_inputs_check2 CHECK ((sealed_key IS NULL) = (key_hash IS NULL)),
    CONSTRAINT live_stream_inputs_check3 CHECK ((sealed_key IS NULL) = (address IS NULL)),
    CONSTRAINT live_stream_inputs_clips_check CHECK (clips >= 0),
    CONSTRAINT live_stream_inputs_failures_check CHECK (failures >= 0),
    CONSTRAINT live_stream_inputs_generation_check CHECK (generation > 0),
    CONSTRAINT live_stream_inputs_key_hash_check CHECK (octet_length(key_hash) = 32),
    CONSTRAINT live_stream_inputs_stream_id_fkey FOREIGN KEY (stream_id) REFERENCES live_streams(id)
);
CREATE INDEX live_stream_inputs_due ON live_stream_inputs (look_at) WHERE look_at IS NOT NULL;

CREATE TABLE live_stream_presence (
    stream_id  uuid         NOT NULL,
    mark       bigint       NOT NULL,
    seen_at    timestamptz  NOT NULL,
    CONSTRAINT live_stream_presence_pkey PRIMARY KEY (stream_id, mark),
    CONSTRAINT live_stream_presence_mark_check CHECK (mark >= 0)
);

CREATE TABLE live_stream_reminders (
    stream_id    uuid         NOT NULL,
    plan         integer      NOT NULL,
    last_number  bigint       NOT NULL,
    done_number  bigint       NOT NULL DEFAULT 0,
    told         integer      NOT NULL DEFAULT 0,
    begun_at     timestamptz  NOT NULL,
    finished_at  timestamptz,
    CONSTRAINT live_stream_reminders_pkey PRIMARY KEY (stream_id, plan),
    CONSTRAINT live_stream_reminders_check CHECK (done_number <= last_number),
    CONSTRAINT live_stream_reminders_stream_id_fkey FOREIGN KEY (stream_id) REFERENCES live_streams(id)
);

CREATE TABLE live_stream_strays (
    channel  text         NOT NULL,
    since    timestamptz  NOT NULL,
    CONSTRAINT live_stream_strays_pkey PRIMARY KEY (channel)
);

CREATE TABLE live_streams (
    id              uuid                         NOT NULL,
    playback_id     text                         NOT NULL,
    title           text                         NOT NULL,
    description     text                         NOT NULL,
    host_name       text                         NOT NULL,
    tier_min        tier                         NOT NULL,
    channel_id      uuid,
    status          text                         NOT NULL DEFAULT 'scheduled',
    starts          timestamp without time zone  NOT NULL,
    time_zone       text                         NOT NULL,
    scheduled_at    timestamptz                  NOT NULL,
    plan            integer                      NOT NULL DEFAULT 1,
    planned_at      timestamptz                  NOT NULL,
    started_at      timestamptz,
    interrupted_at  timestamptz,
    ended_at        timestamptz,
    overlay         text,
    viewers         integer                      NOT NULL DEFAULT 0,
    is_estimate     boolean                      NOT NULL DEFAULT false,
    peak_viewers    integer                      NOT NULL DEFAULT 0,
    sample_shift    integer                      NOT NULL DEFAULT 0,
    vod_state       text                         NOT NULL DEFAULT 'none',
    revision        integer                      NOT NULL DEFAULT 1,
    created_by      uuid                         NOT NULL,
    created_at      timestamptz                  NOT NULL,
    CONSTRAINT live_streams_pkey PRIMARY KEY (id),
    CONSTRAINT live_streams_playback_id_key UNIQUE (playback_id),
    CONSTRAINT live_streams_description_check CHECK (length(description) <= 5000),
    CONSTRAINT live_streams_ended CHECK ((ended_at IS NOT NULL) = (status IN ('ended', 'cancelled', 'failed'))),
    CONSTRAINT live_streams_host_name_check CHECK (length(host_name) >= 1 AND length(host_name) <= 100),
    CONSTRAINT live_streams_live CHECK (started_at IS NOT NULL OR status <> 'live'),
    CONSTRAINT live_streams_overlay_check CHECK (length("overlay") >= 1 AND length("overlay") <= 280),
    CONSTRAINT live_streams_peak_viewers_check CHECK (peak_viewers >= 0),
    CONSTRAINT live_streams_plan_check CHECK (plan > 0),
    CONSTRAINT live_streams_playback_id_check CHECK (playback_id ~ '^[a-z2-7]{26}$'),
    CONSTRAINT live_streams_recorded CHECK (vod_state = 'none' OR started_at IS NOT NULL),
    CONSTRAINT live_streams_revision_check CHECK (revision > 0),
    CONSTRAINT live_streams_sample_shift_check CHECK (sample_shift >= 0 AND sample_shift <= 30),
    CONSTRAINT live_streams_started CHECK (started_at IS NULL OR (status NOT IN ('scheduled', 'preparing', 'ready'))),
    CONSTRAINT live_streams_status_check CHECK (status IN ('scheduled', 'preparing', 'ready', 'live', 'ending',
        'ended', 'cancelled', 'failed')),
    CONSTRAINT live_streams_time_zone_check CHECK (length(time_zone) >= 1 AND length(time_zone) <= 64),
    CONSTRAINT live_streams_title_check CHECK (length(title) >= 1 AND length(title) <= 255),
    CONSTRAINT live_streams_viewers_check CHECK (viewers >= 0),
    CONSTRAINT live_streams_vod_state_check CHECK (vod_state IN ('none', 'making', 'ready', 'failed')),
    CONSTRAINT live_streams_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES social_channels(id),
    CONSTRAINT live_streams_created_by_fkey FOREIGN KEY (created_by) REFERENCES members(id)
);
CREATE INDEX live_streams_archive ON live_streams (ended_at, id) WHERE status = 'ended';
CREATE INDEX live_streams_channel ON live_streams (channel_id) WHERE channel_id IS NOT NULL;
CREATE INDEX live_streams_created ON live_streams (created_at, id);
CREATE INDEX live_streams_creator ON live_streams (created_by);
CREATE INDEX live_streams_on_air ON live_streams (started_at, id) WHERE status IN ('live', 'ending');
CREATE INDEX live_streams_scheduled ON live_streams (scheduled_at, id);
CREATE TRIGGER live_streams_step BEFORE UPDATE OF status ON live_streams FOR EACH ROW EXECUTE FUNCTION
    live_streams_step();

CREATE TABLE locked_shares (
    affiliate_id  uuid     NOT NULL,
    weight        integer  NOT NULL,
    CONSTRAINT locked_shares_pkey PRIMARY KEY (affiliate_id),
    CONSTRAINT locked_shares_weight_check CHECK (weight > 0),
    CONSTRAINT locked_shares_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON locked_shares FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON locked_shares FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER locked_shares_born AFTER INSERT ON locked_shares FOR EACH STATEMENT EXECUTE FUNCTION
    locked_shares_born();

CREATE TABLE mail_publications (
    id            uuid         NOT NULL,
    template_id   uuid         NOT NULL,
    version_id    uuid         NOT NULL,
    published_by  uuid         NOT NULL,
    published_at  timestamptz  NOT NULL,
    withdrawn_by  uuid,
    withdrawn_at  timestamptz,
    CONSTRAINT mail_publications_pkey PRIMARY KEY (id),
    CONSTRAINT mail_publications_withdrawn CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL)),
    CONSTRAINT mail_publications_published_by_fkey FOREIGN KEY (published_by) REFERENCES members(id),
    CONSTRAINT mail_publications_template_id_version_id_fkey FOREIGN KEY (template_id, version_id) REFERENCES
        mail_template_versions(template_id, id),
    CONSTRAINT mail_publications_withdrawn_by_fkey FOREIGN KEY (withdrawn_by) REFERENCES members(id)
);
CREATE UNIQUE INDEX mail_publications_in_force ON mail_publications (template_id) WHERE withdrawn_at IS NULL;
CREATE INDEX mail_publications_publisher ON mail_publications (published_by);
CREATE INDEX mail_publications_version ON mail_publications (template_id, version_id);
CREATE INDEX mail_publications_withdrawer ON mail_publications (withdrawn_by) WHERE withdrawn_by IS NOT NULL;

CREATE TABLE mail_suppressions (
    address_hash   bytea        NOT NULL,
    scope          text         NOT NULL,
    reason         text         NOT NULL,
    suppressed_at  timestamptz  NOT NULL,
    CONSTRAINT mail_suppressions_pkey PRIMARY KEY (address_hash, scope),
    CONSTRAINT mail_suppressions_address_hash_check CHECK (octet_length(address_hash) = 32),
    CONSTRAINT mail_suppressions_reason_check CHECK (reason IN ('bounce', 'complaint', 'unsubscribed')),
    CONSTRAINT mail_suppressions_scope_check CHECK (scope IN ('marketing', 'all'))
);

CREATE TABLE mail_template_versions (
    id           uuid         NOT NULL,
    template_id  uuid         NOT NULL,
    version      integer      NOT NULL,
    subject      text         NOT NULL,
    preheader    text         NOT NULL,
    blocks       jsonb        NOT NULL,
    html         text         NOT NULL,
    text         text         NOT NULL,
    created_by   uuid         NOT NULL,
    created_at   timestamptz  NOT NULL,
    variables    text[]       NOT NULL DEFAULT '{}',
    CONSTRAINT mail_template_versions_pkey PRIMARY KEY (id),
    CONSTRAINT mail_template_versions_of UNIQUE (template_id, id),
    CONSTRAINT mail_template_versions_template_id_version_key UNIQUE (template_id, version),
    CONSTRAINT mail_template_versions_version_check CHECK (version > 0),
    CONSTRAINT mail_template_versions_created_by_fkey FOREIGN KEY (created_by) REFERENCES members(id),
    CONSTRAINT mail_template_versions_template_id_fkey FOREIGN KEY (template_id) REFERENCES mail_templates(id)
);
CREATE INDEX mail_template_versions_author ON mail_template_versions (created_by);
CREATE INDEX mail_template_versions_created ON mail_template_versions (template_id, created_at DESC, id DESC);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON mail_template_versions FOR EACH ROW EXECUTE FUNCTION
    append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON mail_template_versions FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE mail_templates (
    id          uuid         NOT NULL,
    name        text         NOT NULL,
    language    text         NOT NULL,
    created_by  uuid         NOT NULL,
    created_at  timestamptz  NOT NULL,
    kind        text         NOT NULL DEFAULT 'marketing',
    key         text,
    CONSTRAINT mail_templates_pkey PRIMARY KEY (id),
    CONSTRAINT mail_templates_key UNIQUE (key, language),
    CONSTRAINT mail_templates_key_check CHECK (length(key) >= 1 AND length(key) <= 60),
    CONSTRAINT mail_templates_kind CHECK ((kind = 'transactional') = (key IS NOT NULL)),
    CONSTRAINT mail_templates_kind_check CHECK (kind IN ('marketing', 'transactional')),
    CONSTRAINT mail_templates_language_check CHECK (language IN ('en', 'es', 'pt')),
    CONSTRAINT mail_templates_name_check CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT mail_templates_created_by_fkey FOREIGN KEY (created_by) REFERENCES members(id)
);
CREATE INDEX mail_templates_author ON mail_templates (created_by);
CREATE INDEX mail_templates_created ON mail_templates (created_at DESC, id DESC);

CREATE TABLE mails (
    id                   uuid         NOT NULL,
    dedupe_key           text         NOT NULL,
    member_id            uuid,
    to_email             text         NOT NULL,
    to_name              text         NOT NULL,
    template             text         NOT NULL,
    parameters           jsonb        NOT NULL,
    status               text         NOT NULL DEFAULT 'queued',
    queued_at            timestamptz  NOT NULL,
    claimed_until        timestamptz,
    finished_at          timestamptz,
    provider_message_id  text,
    tried_at             timestamptz,
    asked_again_at       timestamptz,
    language             text         NOT NULL DEFAULT 'en',
    version_id           uuid,
    campaign_id          uuid,
    lineage              text,
    CONSTRAINT mails_pkey PRIMARY KEY (id),
    CONSTRAINT mails_dedupe_key_key UNIQUE (dedupe_key),
    CONSTRAINT mails_campaign CHECK (campaign_id IS NULL OR num_nulls(version_id, lineage, member_id) = 0),
    CONSTRAINT mails_check CHECK ((status = 'queued') = (finished_at IS NULL)),
    CONSTRAINT mails_language_check CHECK (language IN ('en', 'es', 'pt')),
    CONSTRAINT mails_status_check CHECK (status IN ('queued', 'sent', 'refused', 'unclear', 'suppressed')),
    CONSTRAINT mails_campaign_id_fkey FOREIGN KEY (campaign_id) REFERENCES campaigns(id),
    CONSTRAINT mails_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT mails_version_id_fkey FOREIGN KEY (version_id) REFERENCES mail_template_versions(id)
);
CREATE INDEX mails_answered ON mails (finished_at) WHERE status IN ('sent', 'refused');
CREATE INDEX mails_campaign ON mails (campaign_id, status) WHERE campaign_id IS NOT NULL;
CREATE INDEX mails_finished ON mails (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX mails_of_member ON mails (member_id, queued_at, id) WHERE member_id IS NOT NULL;
CREATE INDEX mails_version ON mails (version_id) WHERE version_id IS NOT NULL;
CREATE INDEX mails_waiting ON mails (COALESCE(asked_again_at, queued_at)) WHERE status = 'queued';

CREATE TABLE manual_awards (
    comp_id     uuid         NOT NULL,
    awarded_by  uuid         NOT NULL,
    value       micro_usdt   NOT NULL,
    alone       boolean      NOT NULL,
    awarded_at  timestamptz  NOT NULL,
    CONSTRAINT manual_awards_pkey PRIMARY KEY (comp_id),
    CONSTRAINT manual_awards_value_check CHECK (value::bigint >= 0),
    CONSTRAINT manual_awards_awarded_by_fkey FOREIGN KEY (awarded_by) REFERENCES members(id),
    CONSTRAINT manual_awards_comp_id_fkey FOREIGN KEY (comp_id) REFERENCES comps(id)
);
CREATE INDEX manual_awards_admin ON manual_awards (awarded_by, awarded_at);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON manual_awards FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON manual_awards FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER manual_award_born BEFORE INSERT ON manual_awards FOR EACH ROW EXECUTE FUNCTION manual_award_born();

CREATE TABLE manual_transfers (
    payout_id      uuid         NOT NULL,
    reason         text         NOT NULL,
    requested_by   uuid         NOT NULL,
    requested_at   timestamptz  NOT NULL,
    cancelled_by   uuid,
    cancelled_at   timestamptz,
    cancel_reason  text,
    CONSTRAINT manual_transfers_pkey PRIMARY KEY (payout_id),
    CONSTRAINT manual_transfers_check CHECK ((cancelled_at IS NULL) = (cancelled_by IS NULL) AND (cancelled_at IS NULL)
        = (cancel_reason IS NULL)),
    CONSTRAINT manual_transfers_cancelled_by_fkey FOREIGN KEY (cancelled_by) REFERENCES members(id),
    CONSTRAINT manual_transfers_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payouts(id),
    CONSTRAINT manual_transfers_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES members(id)
);
CREATE INDEX manual_transfers_canceller ON manual_transfers (cancelled_by) WHERE cancelled_by IS NOT NULL;
CREATE INDEX manual_transfers_newest ON manual_transfers (requested_at, payout_id);
CREATE INDEX manual_transfers_requester ON manual_transfers (requested_by);

CREATE TABLE mark_secrets (
    member_id  uuid   NOT NULL,
    secret     bytea  NOT NULL DEFAULT uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
    CONSTRAINT mark_secrets_pkey PRIMARY KEY (member_id),
    CONSTRAINT mark_secrets_secret_check CHECK (octet_length(secret) = 32),
    CONSTRAINT mark_secrets_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);

CREATE TABLE member_quarters (
    member_id      uuid         NOT NULL,
    quarter        text         NOT NULL,
    scans          integer      NOT NULL,
    tier           tier         NOT NULL,
    override_tier  tier,
    closed_at      timestamptz,
    CONSTRAINT member_quarters_pkey PRIMARY KEY (member_id, quarter),
    CONSTRAINT member_quarters_check CHECK (override_tier IS NULL OR tier >= override_tier),
    CONSTRAINT member_quarters_override_tier_check CHECK (override_tier <> 'standard'),
    CONSTRAINT member_quarters_quarter_check CHECK (quarter ~ '^\d{4}-Q[1-4]$'),
    CONSTRAINT member_quarters_scans_check CHECK (scans >= 0),
    CONSTRAINT member_quarters_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX member_quarters_open ON member_quarters (quarter, member_id) WHERE closed_at IS NULL AND tier <>
    'standard';
CREATE CONSTRAINT TRIGGER tier_override_has_author AFTER INSERT OR UPDATE OF override_tier ON member_quarters
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.override_tier IS NOT NULL) EXECUTE FUNCTION
    tier_override_has_author();

CREATE TABLE member_totals (
    member_id       uuid              NOT NULL,
    scans           bigint            NOT NULL DEFAULT 0,
    recent_scans    timestamptz[]     NOT NULL DEFAULT '{}',
    lifetime_comps  micro_usdt        NOT NULL DEFAULT 0,
    comps_paid      micro_usdt        NOT NULL DEFAULT 0,
    located_at      timestamptz,
    latitude        double precision,
    longitude       double precision,
    CONSTRAINT member_totals_pkey PRIMARY KEY (member_id),
    CONSTRAINT member_totals_check CHECK ((located_at IS NULL) = (latitude IS NULL)),
    CONSTRAINT member_totals_check1 CHECK ((located_at IS NULL) = (longitude IS NULL)),
    CONSTRAINT member_totals_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
) WITH (fillfactor=70);

CREATE TABLE member_wallets (
    member_id  uuid         NOT NULL,
    address    text         NOT NULL,
    since      timestamptz  NOT NULL,
    CONSTRAINT member_wallets_pkey PRIMARY KEY (member_id, address),
    CONSTRAINT member_wallets_address_check CHECK (address = lower(address)),
    CONSTRAINT member_wallets_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX member_wallets_address ON member_wallets (address, member_id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON member_wallets FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON member_wallets FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE TRIGGER wallet_to_check AFTER INSERT ON member_wallets FOR EACH ROW EXECUTE FUNCTION wallet_to_check();

CREATE TABLE members (
    id                  uuid         NOT NULL DEFAULT gen_random_uuid(),
    number              bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    email               text         NOT NULL,
    email_verified_at   timestamptz,
    password_hash       text         NOT NULL,
    username            text         NOT NULL,
    full_name           text         NOT NULL,
    phone               text,
    date_of_birth       date         NOT NULL,
    address_line1       text,
    address_line2       text,
    city                text,
    state               text,
    zip_code            text,
    country             text         NOT NULL DEFAULT 'US',
    language            text         NOT NULL DEFAULT 'en',
    permanent_tier      tier         NOT NULL DEFAULT 'standard',
    wallet_address      evm_address,
    oobit_card_id       text,
    avatar_url          text,
    status              text         NOT NULL DEFAULT 'active',
    role                admin_role,
    referred_by_id      uuid,
    created_at          timestamptz  NOT NULL,
    updated_at          timestamptz  NOT NULL,
    last_login_at       timestamptz,
    oobit_card_status   text,
    bio                 text,
    profile_revision    bigint       NOT NULL DEFAULT 1,
    wallet_rests_until  timestamptz,
    sign_up_ticket      bytea,
    CONSTRAINT members_pkey PRIMARY KEY (id),
    CONSTRAINT members_number_key UNIQUE (number),
    CONSTRAINT members_bio_check CHECK (length(bio) <= 300),
    CONSTRAINT members_check CHECK (referred_by_id <> id),
    CONSTRAINT members_email_check CHECK (length(email) <= 254),
    CONSTRAINT members_oobit_card_status_check CHECK (oobit_card_status IN ('pending', 'active', 'declined', 'closed')),
    CONSTRAINT members_profile_revision_check CHECK (profile_revision > 0),
    CONSTRAINT members_sign_up_ticket_check CHECK (octet_length(sign_up_ticket) = 32),
    CONSTRAINT members_status_check CHECK (status IN ('active', 'suspended', 'deleted')),
    CONSTRAINT members_username_check CHECK (username ~ '^[A-Za-z0-9_]{3,30}$'),
    CONSTRAINT members_referred_by_id_fkey FOREIGN KEY (referred_by_id) REFERENCES members(id)
);
CREATE INDEX members_admins ON members (role) WHERE role IS NOT NULL;
CREATE INDEX members_by_email ON members (lower(email));
CREATE UNIQUE INDEX members_email ON members (lower(email)) WHERE email_verified_at IS NOT NULL;
CREATE INDEX members_email_begins ON members (lower(email) text_pattern_ops);
CREATE INDEX members_newest ON members (created_at, id);
CREATE INDEX members_referred_by ON members (referred_by_id) WHERE referred_by_id IS NOT NULL;
CREATE UNIQUE INDEX members_sign_up ON members (lower(email), COALESCE(sign_up_ticket, '\x')) WHERE email_verified_at
    IS NULL;
CREATE INDEX members_unproved ON members (created_at, id) WHERE email_verified_at IS NULL AND status = 'active';
CREATE UNIQUE INDEX members_username ON members (lower(username));
CREATE INDEX members_username_begins ON members (lower(username) text_pattern_ops);
CREATE UNIQUE INDEX members_wallet ON members (lower(wallet_address::text)) WHERE wallet_address IS NOT NULL;
CREATE INDEX members_wallet_rests ON members (wallet_rests_until) WHERE wallet_rests_until IS NOT NULL;
CREATE TRIGGER member_deleted BEFORE UPDATE OF status ON members FOR EACH ROW WHEN (old.status = 'deleted') EXECUTE
    FUNCTION member_changed();
CREATE TRIGGER owner_remains BEFORE UPDATE OF role, status ON members FOR EACH ROW WHEN (old.role = 'owner' AND
    old.status = 'active' AND (new.role IS DISTINCT FROM 'owner' OR new.status <> 'active')) EXECUTE FUNCTION
    owner_remains();
CREATE TRIGGER referral_ended AFTER UPDATE OF referred_by_id ON members FOR EACH ROW WHEN (old.referred_by_id IS NOT
    NULL AND new.referred_by_id IS NULL) EXECUTE FUNCTION referral_ended();
CREATE TRIGGER referral_is_fixed BEFORE UPDATE OF referred_by_id ON members FOR EACH ROW EXECUTE FUNCTION
    referral_is_fixed();
CREATE TRIGGER referral_joined AFTER UPDATE OF email_verified_at ON members FOR EACH ROW WHEN (new.referred_by_id IS
    NOT NULL AND new.email_verified_at IS NOT NULL AND old.email_verified_at IS NULL) EXECUTE FUNCTION
    referral_joined();
CREATE TRIGGER referral_joined_at_once AFTER INSERT ON members FOR EACH ROW WHEN (new.referred_by_id IS NOT NULL AND
    new.email_verified_at IS NOT NULL) EXECUTE FUNCTION referral_joined();
CREATE TRIGGER support_member_changed AFTER UPDATE OF email, username, status ON members FOR EACH ROW WHEN (old.email
    <> new.email OR old.username <> new.username OR old.status <> new.status) EXECUTE FUNCTION
    support_member_changed();
CREATE TRIGGER username_given_up AFTER INSERT OR UPDATE OF username ON members FOR EACH ROW EXECUTE FUNCTION
    username_given_up();
CREATE TRIGGER wallet_remembered AFTER INSERT OR UPDATE OF wallet_address ON members FOR EACH ROW WHEN
    (new.wallet_address IS NOT NULL) EXECUTE FUNCTION wallet_remembered();
CREATE TRIGGER wallet_rests BEFORE UPDATE OF wallet_address ON members FOR EACH ROW WHEN
    (lower(old.wallet_address::text) <> lower(new.wallet_address::text)) EXECUTE FUNCTION wallet_rests();

CREATE TABLE metric_days (
    day     date           NOT NULL,
    metric  text           NOT NULL,
    key     text           NOT NULL,
    value   numeric(24,6)  NOT NULL,
    as_of   timestamptz    NOT NULL,
    CONSTRAINT metric_days_pkey PRIMARY KEY (day, metric, key),
    CONSTRAINT metric_days_key_check CHECK (length(key) <= 60),
    CONSTRAINT metric_days_metric_check CHECK (metric ~ '^[a-z][a-z0-9_]{0,59}$')
);
CREATE INDEX metric_days_metric ON metric_days (metric, key, day);

CREATE TABLE milestones (
    scan_number     bigint       NOT NULL,
    type            comp_type    NOT NULL,
    member_id       uuid         NOT NULL,
    tier            tier         NOT NULL,
    tins_per_month  bigint       NOT NULL,
    awarded         boolean      NOT NULL,
    reason          text         NOT NULL,
    comp_id         uuid,
    reached_at      timestamptz  NOT NULL,
    code            text,
    params          jsonb        NOT NULL DEFAULT '{}',
    CONSTRAINT milestones_pkey PRIMARY KEY (scan_number, type),
    CONSTRAINT milestones_check CHECK (awarded = (comp_id IS NOT NULL)),
    CONSTRAINT milestones_comp_id_fkey FOREIGN KEY (comp_id) REFERENCES comps(id),
    CONSTRAINT milestones_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX milestones_comp ON milestones (comp_id) WHERE comp_id IS NOT NULL;
CREATE INDEX milestones_member ON milestones (member_id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON milestones FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON milestones FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE nonce_searches (
    signer          evm_address  NOT NULL,
    nonce           bigint       NOT NULL,
    top             bigint       NOT NULL,
    logs_read_to    bigint       NOT NULL,
    logs_at_once    integer      NOT NULL,
    blocks_read_to  bigint       NOT NULL,
    blocks_at_once  integer      NOT NULL,
    begun_at        timestamptz  NOT NULL,
    CONSTRAINT nonce_searches_pkey PRIMARY KEY (signer, nonce),
    CONSTRAINT nonce_searches_blocks_at_once_check CHECK (blocks_at_once > 0),
    CONSTRAINT nonce_searches_blocks_read_to_check CHECK (blocks_read_to >= 0),
    CONSTRAINT nonce_searches_logs_at_once_check CHECK (logs_at_once > 0),
    CONSTRAINT nonce_searches_logs_read_to_check CHECK (logs_read_to >= 0),
    CONSTRAINT nonce_searches_nonce_check CHECK (nonce >= 0),
    CONSTRAINT nonce_searches_top_check CHECK (top >= 0),
    CONSTRAINT nonce_searches_signer_fkey FOREIGN KEY (signer) REFERENCES signers(address)
);

CREATE TABLE nonce_uses (
    signer            evm_address  NOT NULL,
    nonce             bigint       NOT NULL,
    transaction_hash  evm_hash     NOT NULL,
    block_number      bigint       NOT NULL,
    seen_at           timestamptz  NOT NULL,
    CONSTRAINT nonce_uses_pkey PRIMARY KEY (signer, nonce),
    CONSTRAINT nonce_uses_block_number_check CHECK (block_number >= 0),
    CONSTRAINT nonce_uses_nonce_check CHECK (nonce >= 0),
    CONSTRAINT nonce_uses_signer_fkey FOREIGN KEY (signer) REFERENCES signers(address)
);

CREATE TABLE notification_preferences (
    member_id  uuid     NOT NULL,
    type       text     NOT NULL,
    push       boolean  NOT NULL,
    email      boolean  NOT NULL,
    CONSTRAINT notification_preferences_pkey PRIMARY KEY (member_id, type),
    CONSTRAINT notification_preferences_type_check CHECK (type IN ('system', 'social', 'comp', 'order', 'marketing')),
    CONSTRAINT notification_preferences_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);

CREATE TABLE notifications (
    id          uuid         NOT NULL,
    member_id   uuid         NOT NULL,
    type        text         NOT NULL,
    title       text         NOT NULL,
    body        text         NOT NULL,
    data        jsonb        NOT NULL DEFAULT '{}',
    dedupe_key  text         NOT NULL,
    created_at  timestamptz  NOT NULL,
    read_at     timestamptz,
    code        text,
    params      jsonb        NOT NULL DEFAULT '{}',
    CONSTRAINT notifications_pkey PRIMARY KEY (id),
    CONSTRAINT notifications_member_id_dedupe_key_key UNIQUE (member_id, dedupe_key),
    CONSTRAINT notifications_type_check CHECK (type IN ('system', 'social', 'comp', 'order')),
    CONSTRAINT notifications_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX notifications_member ON notifications (member_id, created_at DESC, id DESC);
CREATE INDEX notifications_social_key ON notifications (dedupe_key) WHERE type = 'social';
CREATE INDEX notifications_type ON notifications (member_id, type, created_at DESC, id DESC);
CREATE INDEX notifications_unread ON notifications (member_id, created_at) WHERE read_at IS NULL;

CREATE TABLE operation_resolutions (
    operation_id  uuid         NOT NULL,
    person_id     uuid         NOT NULL,
    outcome       text         NOT NULL,
    reference     text,
    why           text         NOT NULL,
    said_at       timestamptz  NOT NULL,
    CONSTRAINT operation_resolutions_pkey PRIMARY KEY (operation_id, person_id),
    CONSTRAINT operation_resolutions_outcome_check CHECK (outcome IN ('done', 'not_done', 'paid_elsewhere')),
    CONSTRAINT operation_resolutions_reference CHECK ((outcome = 'not_done') = (reference IS NULL)),
    CONSTRAINT operation_resolutions_reference_check CHECK (length(reference) >= 1 AND length(reference) <= 200),
    CONSTRAINT operation_resolutions_operation_id_fkey FOREIGN KEY (operation_id) REFERENCES payment_operations(id),
    CONSTRAINT operation_resolutions_person_id_fkey FOREIGN KEY (person_id) REFERENCES members(id)
);
CREATE INDEX operation_resolutions_person ON operation_resolutions (person_id);
CREATE TRIGGER never_deleted BEFORE DELETE ON operation_resolutions FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER resolution_said BEFORE INSERT OR UPDATE ON operation_resolutions FOR EACH ROW EXECUTE FUNCTION
    resolution_said();

CREATE TABLE order_events (
    id           bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    order_id     uuid         NOT NULL,
    state        order_state  NOT NULL,
    reason       text,
    happened_at  timestamptz  NOT NULL,
    CONSTRAINT order_events_pkey PRIMARY KEY (id),
    CONSTRAINT order_events_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id)
);
CREATE INDEX order_events_order ON order_events (order_id, id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON order_events FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON order_events FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE order_items (
    order_id         uuid     NOT NULL,
    sku              text     NOT NULL,
    product_name     text     NOT NULL,
    quantity         integer  NOT NULL,
    unit_price       usd      NOT NULL,
    line_total       usd      NOT NULL,
    tax              usd      NOT NULL,
    promised         integer  NOT NULL DEFAULT 0,
    released         integer  NOT NULL DEFAULT 0,
    refunded         integer  NOT NULL DEFAULT 0,
    refunded_unsent  integer  NOT NULL DEFAULT 0,
    shipped          integer  NOT NULL DEFAULT 0,
    CONSTRAINT order_items_pkey PRIMARY KEY (order_id, sku),
    CONSTRAINT order_items_line CHECK (line_total::bigint = (quantity * unit_price::bigint)),
    CONSTRAINT order_items_once CHECK ((released + shipped) <= promised),
    CONSTRAINT order_items_promised CHECK (promised = 0 OR promised = quantity),
    CONSTRAINT order_items_quantity_check CHECK (quantity > 0),
    CONSTRAINT order_items_refunded CHECK (refunded >= refunded_unsent AND refunded <= quantity),
    CONSTRAINT order_items_refunded_or_shipped CHECK ((refunded_unsent + shipped) <= quantity),
    CONSTRAINT order_items_refunded_sent CHECK ((refunded - refunded_unsent) <= shipped),
    CONSTRAINT order_items_refunded_unsent CHECK (refunded_unsent >= 0),
    CONSTRAINT order_items_released_check CHECK (released >= 0),
    CONSTRAINT order_items_shipped_check CHECK (shipped >= 0),
    CONSTRAINT order_items_tax_check CHECK (tax::bigint >= 0),
    CONSTRAINT order_items_unit_price_check CHECK (unit_price::bigint > 0),
    CONSTRAINT order_items_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id),
    CONSTRAINT order_items_sku_fkey FOREIGN KEY (sku) REFERENCES products(sku)
);
CREATE INDEX order_items_sku ON order_items (sku);

CREATE TABLE order_tins_sold (
    order_id    uuid         NOT NULL,
    day         date         NOT NULL,
    tins        integer      NOT NULL,
    counted_at  timestamptz  NOT NULL,
    CONSTRAINT order_tins_sold_pkey PRIMARY KEY (order_id, day),
    CONSTRAINT order_tins_sold_tins_check CHECK (tins >= 0),
    CONSTRAINT order_tins_sold_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id)
);

CREATE TABLE order_transitions (
    from_state  order_state  NOT NULL,
    to_state    order_state  NOT NULL,
    CONSTRAINT order_transitions_pkey PRIMARY KEY (from_state, to_state)
);

CREATE TABLE orders (
    id                 uuid         NOT NULL,
    number             bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    member_id          uuid         NOT NULL,
    cart_id            uuid,
    state              order_state  NOT NULL DEFAULT 'pending',
    state_at           timestamptz  NOT NULL,
    placed_at          timestamptz  NOT NULL,
    expires_at         timestamptz  NOT NULL,
    tins               integer      NOT NULL,
    subtotal           usd          NOT NULL,
    shipping_cost      usd          NOT NULL,
    shipping_tax       usd          NOT NULL,
    tax_amount         usd          NOT NULL,
    total_amount       usd          NOT NULL,
    cost_per_tin       usd          NOT NULL,
    tax_quote_id       uuid,
    tax_breakdown      jsonb        NOT NULL,
    address            bytea,
    ship_state         text         NOT NULL,
    ship_zip           text         NOT NULL,
    doorstep           bytea,
    age_check_id       uuid,
    confirmed_at       timestamptz,
    cancel_wanted_at   timestamptz,
    cancel_reason      text,
    accrual_due_at     timestamptz,
    cancel_refused_at  timestamptz,
    volume_due_at      timestamptz,
    settled_at         timestamptz,
    kind               text         NOT NULL DEFAULT 'retail',
    account_id         uuid,
    certificate_id     uuid,
    CONSTRAINT orders_pkey PRIMARY KEY (id),
    CONSTRAINT orders_cart_id_key UNIQUE (cart_id),
    CONSTRAINT orders_number_key UNIQUE (number),
    CONSTRAINT orders_cancel_reason_check CHECK (cancel_reason IN ('member', 'expired', 'age_denied', 'people',
        'short')),
    CONSTRAINT orders_cancel_refused CHECK (cancel_refused_at IS NULL OR cancel_wanted_at IS NOT NULL AND state <>
        'cancelled'),
    CONSTRAINT orders_cancel_wanted CHECK ((cancel_wanted_at IS NULL) = (cancel_reason IS NULL)),
    CONSTRAINT orders_cancelled CHECK (state <> 'cancelled' OR cancel_reason IS NOT NULL),
    CONSTRAINT orders_check CHECK (tax_amount::bigint >= shipping_tax::bigint),
    CONSTRAINT orders_confirmed CHECK ((state NOT IN ('confirmed', 'fulfilled', 'shipped', 'delivered')) OR
        confirmed_at IS NOT NULL),
    CONSTRAINT orders_cost_per_tin_check CHECK (cost_per_tin::bigint >= 0),
    CONSTRAINT orders_doorstep_check CHECK (octet_length(doorstep) = 32),
    CONSTRAINT orders_kind_check CHECK (kind IN ('retail', 'wholesale')),
    CONSTRAINT orders_retail CHECK (kind <> 'retail' OR num_nulls(cart_id, doorstep) = 0 AND num_nonnulls(account_id,
        certificate_id) = 0),
    CONSTRAINT orders_settled CHECK (settled_at IS NULL OR (state IN ('shipped', 'delivered'))),
    CONSTRAINT orders_ship_state_check CHECK (ship_state ~ '^[A-Z]{2}$'),
    CONSTRAINT orders_ship_zip_check CHECK (ship_zip ~ '^\d{5}(-\d{4})?$'),
    CONSTRAINT orders_shipping_cost_check CHECK (shipping_cost::bigint >= 0),
    CONSTRAINT orders_shipping_tax_check CHECK (shipping_tax::bigint >= 0),
    CONSTRAINT orders_subtotal_check CHECK (subtotal::bigint > 0),
    CONSTRAINT orders_taxed CHECK ( CASE     WHEN certificate_id IS NULL THEN tax_quote_id IS NOT NULL     ELSE
        tax_amount::bigint = 0 AND tax_quote_id IS NULL END),
    CONSTRAINT orders_tins_check CHECK (tins > 0),
    CONSTRAINT orders_total CHECK (total_amount::bigint = (subtotal::bigint + shipping_cost::bigint +
        tax_amount::bigint)),
    CONSTRAINT orders_wholesale CHECK (kind <> 'wholesale' OR account_id IS NOT NULL AND num_nonnulls(cart_id,
        doorstep, age_check_id) = 0 AND shipping_cost::bigint = 0),
    CONSTRAINT orders_account_id_fkey FOREIGN KEY (account_id) REFERENCES wholesale_accounts(id),
    CONSTRAINT orders_age_check_id_fkey FOREIGN KEY (age_check_id) REFERENCES age_checks(id),
    CONSTRAINT orders_cart_id_fkey FOREIGN KEY (cart_id) REFERENCES carts(id),
    CONSTRAINT orders_certificate_id_fkey FOREIGN KEY (certificate_id) REFERENCES resale_certificates(id),
    CONSTRAINT orders_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX orders_account ON orders (account_id, placed_at, id) WHERE account_id IS NOT NULL;
CREATE INDEX orders_accrual_due ON orders (accrual_due_at, id) WHERE accrual_due_at IS NOT NULL;
CREATE INDEX orders_addressed ON orders (state_at) WHERE address IS NOT NULL AND (state IN ('delivered', 'cancelled'));
CREATE INDEX orders_age_check ON orders (age_check_id) WHERE age_check_id IS NOT NULL;
CREATE INDEX orders_certificate ON orders (certificate_id) WHERE certificate_id IS NOT NULL;
CREATE INDEX orders_confirmed ON orders (confirmed_at) WHERE confirmed_at IS NOT NULL;
CREATE INDEX orders_doorstep ON orders (doorstep, placed_at);
CREATE INDEX orders_leaving ON orders (cancel_wanted_at) WHERE cancel_wanted_at IS NOT NULL AND cancel_refused_at IS
    NULL AND state <> 'cancelled';
CREATE INDEX orders_member ON orders (member_id, placed_at, id);
CREATE INDEX orders_moved ON orders (state_at) WHERE confirmed_at IS NOT NULL;
CREATE INDEX orders_of_accounts ON orders (placed_at, id) WHERE account_id IS NOT NULL;
CREATE INDEX orders_placed ON orders (placed_at, id);
CREATE INDEX orders_under_way ON orders (state, placed_at, id) WHERE state NOT IN ('delivered', 'cancelled');
CREATE INDEX orders_unsettled ON orders (placed_at, id) WHERE settled_at IS NULL AND (state IN ('shipped',
    'delivered'));
CREATE INDEX orders_unshipped ON orders (confirmed_at) WHERE state IN ('confirmed', 'fulfilled');
CREATE INDEX orders_volume_due ON orders (volume_due_at, id) WHERE volume_due_at IS NOT NULL;
CREATE INDEX orders_waiting ON orders (expires_at) WHERE state IN ('pending', 'age_verification',
    'payment_processing');
CREATE TRIGGER never_deleted BEFORE DELETE ON orders FOR EACH ROW EXECUTE FUNCTION order_never_deleted();
CREATE TRIGGER order_born AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION order_born();
CREATE CONSTRAINT TRIGGER order_cancel_refused AFTER UPDATE OF cancel_refused_at ON orders DEFERRABLE INITIALLY
    DEFERRED FOR EACH ROW WHEN (new.cancel_refused_at IS DISTINCT FROM old.cancel_refused_at) EXECUTE FUNCTION
    order_cancel_refused();
CREATE TRIGGER order_changed BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION order_changed();
CREATE CONSTRAINT TRIGGER order_goes_out AFTER UPDATE OF state ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (new.state <> old.state) EXECUTE FUNCTION order_goes_out();
CREATE TRIGGER order_settled BEFORE UPDATE OF settled_at ON orders FOR EACH ROW WHEN (old.settled_at IS NOT NULL AND
    new.settled_at IS DISTINCT FROM old.settled_at) EXECUTE FUNCTION order_settled();
CREATE TRIGGER order_undisputed BEFORE UPDATE OF state ON orders FOR EACH ROW WHEN (new.state = 'cancelled' AND
    old.state <> 'cancelled') EXECUTE FUNCTION order_undisputed();
CREATE TRIGGER order_usdt_changed BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION order_usdt_changed();
CREATE TRIGGER order_volume_done BEFORE UPDATE OF volume_due_at ON orders FOR EACH ROW WHEN (old.volume_due_at IS NOT
    NULL AND new.volume_due_at IS NULL) EXECUTE FUNCTION order_volume_done();
CREATE CONSTRAINT TRIGGER order_whole AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE
    FUNCTION order_whole();
CREATE TRIGGER sale_accrual_done BEFORE UPDATE OF accrual_due_at ON orders FOR EACH ROW WHEN (old.accrual_due_at IS NOT
    NULL AND new.accrual_due_at IS NULL) EXECUTE FUNCTION sale_accrual_done();
CREATE CONSTRAINT TRIGGER wholesale_order_sent AFTER UPDATE OF state ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH
    ROW WHEN (new.kind = 'wholesale' AND (new.state IN ('shipped', 'delivered')) AND (old.state NOT IN ('shipped',
    'delivered'))) EXECUTE FUNCTION wholesale_order_sent();

CREATE TABLE outbox (
    id             bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    kind           text         NOT NULL,
    destination    text         NOT NULL,
    function       text,
    body           jsonb        NOT NULL,
    task_name      text,
    deliver_at     timestamptz,
    created_at     timestamptz  NOT NULL,
    claimed_until  timestamptz,
    attempts       integer      NOT NULL DEFAULT 0,
    published_at   timestamptz,
    CONSTRAINT outbox_pkey PRIMARY KEY (id),
    CONSTRAINT outbox_check CHECK (kind = 'task' OR task_name IS NULL AND deliver_at IS NULL),
    CONSTRAINT outbox_check1 CHECK ((kind = 'task') = (function IS NOT NULL)),
    CONSTRAINT outbox_kind_check CHECK (kind IN ('event', 'task'))
);
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;
CREATE INDEX outbox_waiting ON outbox (id) WHERE published_at IS NULL;

CREATE TABLE parcel_lines (
    parcel_id  uuid     NOT NULL,
    sku        text     NOT NULL,
    tins       integer  NOT NULL,
    CONSTRAINT parcel_lines_pkey PRIMARY KEY (parcel_id, sku),
    CONSTRAINT parcel_lines_tins_check CHECK (tins > 0),
    CONSTRAINT parcel_lines_parcel_id_fkey FOREIGN KEY (parcel_id) REFERENCES parcels(id),
    CONSTRAINT parcel_lines_sku_fkey FOREIGN KEY (sku) REFERENCES products(sku)
);
CREATE INDEX parcel_lines_sku ON parcel_lines (sku);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON parcel_lines FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON parcel_lines FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE CONSTRAINT TRIGGER parcel_left AFTER INSERT ON parcel_lines DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE
    FUNCTION parcel_left();

CREATE TABLE parcels (
    id               uuid         NOT NULL,
    fulfilment_id    uuid         NOT NULL,
    carrier          text         NOT NULL,
    tracking_number  text         NOT NULL,
    status           text         NOT NULL DEFAULT 'shipped',
    shipped_at       timestamptz  NOT NULL,
    recorded_at      timestamptz  NOT NULL,
    news_at          timestamptz  NOT NULL,
    delivered_at     timestamptz,
    sent_by          uuid,
    reason           text,
    CONSTRAINT parcels_pkey PRIMARY KEY (id),
    CONSTRAINT parcels_carrier_tracking_number_key UNIQUE (carrier, tracking_number),
    CONSTRAINT parcels_by_hand CHECK (num_nulls(sent_by, reason) IN (0, 2)),
    CONSTRAINT parcels_carrier_check CHECK (length(carrier) >= 1 AND length(carrier) <= 200),
    CONSTRAINT parcels_delivered CHECK (delivered_at IS NULL OR (status IN ('delivered', 'returned'))),
    CONSTRAINT parcels_not_of_the_future CHECK (shipped_at <= recorded_at),
    CONSTRAINT parcels_reason_check CHECK (length(reason) >= 1 AND length(reason) <= 2000),
    CONSTRAINT parcels_status_check CHECK (status IN ('shipped', 'in_transit', 'lost', 'delivered', 'returned')),
    CONSTRAINT parcels_tracking_number_check CHECK (length(tracking_number) >= 1 AND length(tracking_number) <= 200),
    CONSTRAINT parcels_fulfilment_id_fkey FOREIGN KEY (fulfilment_id) REFERENCES fulfilments(id),
    CONSTRAINT parcels_sent_by_fkey FOREIGN KEY (sent_by) REFERENCES members(id)
);
CREATE INDEX parcels_fulfilment ON parcels (fulfilment_id, recorded_at);
CREATE INDEX parcels_sent_by ON parcels (sent_by) WHERE sent_by IS NOT NULL;
CREATE INDEX parcels_shipped ON parcels (shipped_at, id);
CREATE INDEX parcels_under_way ON parcels (news_at) WHERE status IN ('shipped', 'in_transit');
CREATE TRIGGER order_volume_due AFTER INSERT ON parcels FOR EACH ROW EXECUTE FUNCTION order_volume_due();
CREATE TRIGGER parcel_born BEFORE INSERT ON parcels FOR EACH ROW EXECUTE FUNCTION parcel_born();
CREATE TRIGGER parcel_changed BEFORE UPDATE ON parcels FOR EACH ROW EXECUTE FUNCTION parcel_changed();

CREATE TABLE payment_findings (
    id            uuid         NOT NULL,
    kind          text         NOT NULL,
    ref           text         NOT NULL,
    operation_id  uuid,
    expected      usd          NOT NULL,
    found         usd          NOT NULL,
    found_at      timestamptz  NOT NULL,
    resolved_at   timestamptz,
    resolved_by   uuid,
    resolution    text,
    CONSTRAINT payment_findings_pkey PRIMARY KEY (id),
    CONSTRAINT payment_findings_kind_check CHECK (kind IN ('unknown_booking', 'missing_booking', 'amount_differs',
        'booking_changed', 'dispute_differs', 'balance_differs')),
    CONSTRAINT payment_findings_resolved CHECK ((resolved_at IS NULL) = (resolution IS NULL)),
    CONSTRAINT payment_findings_resolver CHECK (resolved_by IS NULL OR resolved_at IS NOT NULL),
    CONSTRAINT payment_findings_operation_id_fkey FOREIGN KEY (operation_id) REFERENCES payment_operations(id),
    CONSTRAINT payment_findings_resolved_by_fkey FOREIGN KEY (resolved_by) REFERENCES members(id)
);
CREATE INDEX payment_findings_newest ON payment_findings (found_at, id);
CREATE UNIQUE INDEX payment_findings_open ON payment_findings (kind, ref) WHERE resolved_at IS NULL;
CREATE INDEX payment_findings_operation ON payment_findings (operation_id) WHERE operation_id IS NOT NULL;
CREATE INDEX payment_findings_ref ON payment_findings (kind, ref);

CREATE TABLE payment_operations (
    id           uuid         NOT NULL,
    payment_id   uuid         NOT NULL,
    kind         text         NOT NULL,
    amount       usd          NOT NULL,
    status       text         NOT NULL DEFAULT 'recorded',
    recorded_at  timestamptz  NOT NULL,
    sent_at      timestamptz,
    look_at      timestamptz,
    answered_at  timestamptz,
    evidence     text,
    reference    text,
    reason       text,
    booked_at    timestamptz,
    CONSTRAINT payment_operations_pkey PRIMARY KEY (id),
    CONSTRAINT payment_operations_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT payment_operations_ended CHECK ((status IN ('succeeded', 'failed')) = (answered_at IS NOT NULL AND
        evidence IS NOT NULL)),
    CONSTRAINT payment_operations_evidence_check CHECK (evidence IN ('reply', 'lookup', 'person', 'never_sent', 'bank',
        'chain', 'payout')),
    CONSTRAINT payment_operations_kind_check CHECK (kind IN ('authorize', 'capture', 'void', 'refund')),
    CONSTRAINT payment_operations_known CHECK (status <> 'succeeded' OR reference IS NOT NULL),
    CONSTRAINT payment_operations_looked_after CHECK (look_at IS NULL OR (status IN ('recorded', 'sent'))),
    CONSTRAINT payment_operations_never_sent CHECK (evidence IS DISTINCT FROM 'never_sent' OR sent_at IS NULL AND
        status = 'failed'),
    CONSTRAINT payment_operations_sent CHECK ((status NOT IN ('sent', 'succeeded')) OR sent_at IS NOT NULL OR
        COALESCE(evidence IN ('chain', 'payout', 'person'), false)),
    CONSTRAINT payment_operations_status_check CHECK (status IN ('recorded', 'sent', 'succeeded', 'failed')),
    CONSTRAINT payment_operations_unsent CHECK (status <> 'recorded' OR sent_at IS NULL),
    CONSTRAINT payment_operations_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payments(id)
);
CREATE INDEX payment_operations_answered ON payment_operations (answered_at) WHERE evidence IN ('reply', 'lookup');
CREATE INDEX payment_operations_due ON payment_operations (look_at) WHERE look_at IS NOT NULL;
CREATE UNIQUE INDEX payment_operations_once ON payment_operations (payment_id, kind) WHERE status = 'succeeded' AND
    kind <> 'refund';
CREATE UNIQUE INDEX payment_operations_one_open ON payment_operations (payment_id) WHERE (status IN ('recorded',
    'sent')) AND kind <> 'refund';
CREATE INDEX payment_operations_payment ON payment_operations (payment_id, recorded_at);
CREATE UNIQUE INDEX payment_operations_reference ON payment_operations (kind, reference) WHERE status = 'succeeded';
CREATE INDEX payment_operations_unbooked ON payment_operations (answered_at, id) WHERE booked_at IS NULL AND status =
    'succeeded' AND (kind IN ('capture', 'refund'));
CREATE INDEX payment_operations_unpaid ON payment_operations (recorded_at, id) WHERE kind = 'refund' AND status =
    'recorded';
CREATE INDEX payment_operations_unsent_yet ON payment_operations (recorded_at, id) WHERE status = 'recorded';
CREATE CONSTRAINT TRIGGER payment_operation_booked AFTER UPDATE OF status ON payment_operations DEFERRABLE INITIALLY
    DEFERRED FOR EACH ROW WHEN (new.status = 'sent' OR new.status = 'succeeded') EXECUTE FUNCTION
    payment_operation_booked();
CREATE TRIGGER payment_operation_born BEFORE INSERT ON payment_operations FOR EACH ROW EXECUTE FUNCTION
    payment_operation_born();
CREATE TRIGGER payment_operation_changed BEFORE UPDATE ON payment_operations FOR EACH ROW EXECUTE FUNCTION
    payment_operation_changed();
CREATE TRIGGER refund_sent_undisputed BEFORE UPDATE OF status ON payment_operations FOR EACH ROW WHEN (new.kind =
    'refund' AND old.status = 'recorded' AND new.status = 'sent') EXECUTE FUNCTION refund_undisputed();
CREATE TRIGGER refund_undisputed BEFORE INSERT ON payment_operations FOR EACH ROW WHEN (new.kind = 'refund') EXECUTE
    FUNCTION refund_undisputed();
CREATE TRIGGER sale_accrual_due AFTER UPDATE OF status ON payment_operations FOR EACH ROW WHEN (new.kind = 'capture'
    AND new.status = 'succeeded' AND old.status <> 'succeeded') EXECUTE FUNCTION sale_accrual_due();
CREATE TRIGGER tax_report_due AFTER UPDATE OF status ON payment_operations FOR EACH ROW WHEN (new.kind = 'capture' AND
    new.status = 'succeeded' AND old.status <> 'succeeded') EXECUTE FUNCTION tax_report_due();

CREATE TABLE payments (
    id           uuid         NOT NULL,
    order_id     uuid         NOT NULL,
    provider     text         NOT NULL,
    amount       usd          NOT NULL,
    state        text         NOT NULL DEFAULT 'pending',
    refund_open  usd          NOT NULL DEFAULT 0,
    refunded     usd          NOT NULL DEFAULT 0,
    token        bytea,
    action_url   text,
    reason       text,
    created_at   timestamptz  NOT NULL,
    ordered_at   timestamptz  NOT NULL,
    disputed     usd          NOT NULL DEFAULT 0,
    CONSTRAINT payments_pkey PRIMARY KEY (id),
    CONSTRAINT payments_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT payments_disputed_check CHECK (disputed::bigint >= 0),
    CONSTRAINT payments_provider_check CHECK (provider IN ('card', 'usdt', 'invoice')),
    CONSTRAINT payments_refund_open_check CHECK (refund_open::bigint >= 0),
    CONSTRAINT payments_refunded_check CHECK (refunded::bigint >= 0),
    CONSTRAINT payments_refunds CHECK ((refund_open::bigint + refunded::bigint + disputed::bigint) <= CASE state
        WHEN 'captured' THEN amount::bigint     ELSE 0::bigint END),
    CONSTRAINT payments_state_check CHECK (state IN ('pending', 'authorized', 'captured', 'failed', 'voided')),
    CONSTRAINT payments_token CHECK (token IS NULL OR state = 'pending'),
    CONSTRAINT payments_usdt CHECK (provider = 'card' OR token IS NULL AND action_url IS NULL),
    CONSTRAINT payments_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id)
);
CREATE INDEX payments_listed ON payments (payment_word(state, amount, refunded), ordered_at, order_id);
CREATE UNIQUE INDEX payments_live ON payments (order_id) WHERE state IN ('pending', 'authorized', 'captured');
CREATE INDEX payments_order ON payments (order_id, created_at);
CREATE INDEX payments_unfinished ON payments (created_at) WHERE state IN ('pending', 'authorized');
CREATE TRIGGER payment_born BEFORE INSERT ON payments FOR EACH ROW EXECUTE FUNCTION payment_born();
CREATE CONSTRAINT TRIGGER usdt_payment_asked AFTER INSERT ON payments DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN
    (new.provider = 'usdt') EXECUTE FUNCTION usdt_payment_asked();
CREATE TRIGGER usdt_payment_changed BEFORE UPDATE OF state ON payments FOR EACH ROW WHEN (new.provider = 'usdt' AND
    new.state <> old.state) EXECUTE FUNCTION usdt_payment_changed();

CREATE TABLE payout_approvals (
    id           bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    payout_id    uuid         NOT NULL,
    hold         integer      NOT NULL,
    approver_id  uuid         NOT NULL,
    evidence     jsonb        NOT NULL DEFAULT '{}',
    approved_at  timestamptz  NOT NULL,
    CONSTRAINT payout_approvals_pkey PRIMARY KEY (id),
    CONSTRAINT payout_approvals_payout_id_hold_approver_id_key UNIQUE (payout_id, hold, approver_id),
    CONSTRAINT payout_approvals_approver_id_fkey FOREIGN KEY (approver_id) REFERENCES members(id),
    CONSTRAINT payout_approvals_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payouts(id)
);
CREATE INDEX payout_approvals_approver ON payout_approvals (approver_id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON payout_approvals FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON payout_approvals FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE TRIGGER approval_born BEFORE INSERT ON payout_approvals FOR EACH ROW EXECUTE FUNCTION approval_born();
CREATE TRIGGER approval_is_certain BEFORE INSERT ON payout_approvals FOR EACH ROW EXECUTE FUNCTION
    approval_is_certain();
CREATE TRIGGER approval_is_disinterested BEFORE INSERT ON payout_approvals FOR EACH ROW EXECUTE FUNCTION
    approval_is_disinterested();

CREATE TABLE payout_attempts (
    hash                          evm_hash       NOT NULL,
    signer                        evm_address    NOT NULL,
    nonce                         bigint         NOT NULL,
    position                      integer        NOT NULL,
    kind                          text           NOT NULL,
    origin                        text           NOT NULL DEFAULT 'signed',
    recipient_address             evm_address    NOT NULL,
    amount                        micro_usdt     NOT NULL,
    fee_per_gas_wei_max           numeric(39,0)  NOT NULL,
    priority_fee_per_gas_wei_max  numeric(39,0)  NOT NULL,
    gas_limit                     bigint         NOT NULL,
    raw                           bytea          NOT NULL,
    epoch                         integer        NOT NULL,
    signed_at                     timestamptz    NOT NULL,
    CONSTRAINT payout_attempts_pkey PRIMARY KEY (hash),
    CONSTRAINT payout_attempts_signer_nonce_position_key UNIQUE (signer, nonce, "position"),
    CONSTRAINT payout_attempts_amount_check CHECK (amount::bigint >= 0),
    CONSTRAINT payout_attempts_check CHECK (kind <> 'OTHER' OR origin = 'recovered'),
    CONSTRAINT payout_attempts_fee_per_gas_wei_max_check CHECK (fee_per_gas_wei_max > 0::numeric),
    CONSTRAINT payout_attempts_gas_limit_check CHECK (gas_limit > 0),
    CONSTRAINT payout_attempts_kind_check CHECK (kind IN ('PAY', 'NOOP', 'OTHER')),
    CONSTRAINT payout_attempts_origin_check CHECK (origin IN ('signed', 'recovered')),
    CONSTRAINT payout_attempts_position_check CHECK ("position" > 0),
    CONSTRAINT payout_attempts_priority_fee_per_gas_wei_max_check CHECK (priority_fee_per_gas_wei_max > 0::numeric),
    CONSTRAINT payout_attempts_signer_nonce_fkey FOREIGN KEY (signer, nonce) REFERENCES payout_slots(signer, nonce)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON payout_attempts FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON payout_attempts FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE TRIGGER attempt_born BEFORE INSERT ON payout_attempts FOR EACH ROW EXECUTE FUNCTION attempt_born();
CREATE TRIGGER attempt_pays_no_suspended BEFORE INSERT ON payout_attempts FOR EACH ROW WHEN (new.kind = 'PAY' AND
    new.origin = 'signed') EXECUTE FUNCTION attempt_pays_no_suspended();
CREATE TRIGGER attempt_pays_nobody_now BEFORE INSERT ON payout_attempts FOR EACH ROW WHEN (new.kind = 'PAY' AND
    new.origin = 'signed') EXECUTE FUNCTION attempt_pays_nobody_now();
CREATE TRIGGER attempt_pays_what_is_owed BEFORE INSERT ON payout_attempts FOR EACH ROW WHEN (new.kind = 'PAY' AND
    new.origin = 'signed') EXECUTE FUNCTION attempt_pays_what_is_owed();

CREATE TABLE payout_events (
    id            bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    payout_id     uuid,
    signer        evm_address,
    nonce         bigint,
    attempt_hash  evm_hash,
    kind          text         NOT NULL,
    detail        jsonb        NOT NULL DEFAULT '{}',
    happened_at   timestamptz  NOT NULL,
    CONSTRAINT payout_events_pkey PRIMARY KEY (id),
    CONSTRAINT payout_events_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payouts(id)
);
CREATE INDEX payout_events_payout ON payout_events (payout_id, id);
CREATE INDEX payout_events_slot ON payout_events (signer, nonce, id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON payout_events FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON payout_events FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE payout_policy_runs (
    id              bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    payout_id       uuid         NOT NULL,
    policy_version  integer      NOT NULL,
    inputs          jsonb        NOT NULL,
    decision        text         NOT NULL,
    reason          hold_reason,
    decided_at      timestamptz  NOT NULL,
    CONSTRAINT payout_policy_runs_pkey PRIMARY KEY (id),
    CONSTRAINT payout_policy_runs_check CHECK ((decision = 'hold') = (reason IS NOT NULL)),
    CONSTRAINT payout_policy_runs_decision_check CHECK (decision IN ('approve', 'hold')),
    CONSTRAINT payout_policy_runs_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payouts(id)
);
CREATE INDEX payout_policy_runs_payout ON payout_policy_runs (payout_id, id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON payout_policy_runs FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON payout_policy_runs FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE payout_slots (
    signer           evm_address  NOT NULL,
    nonce            bigint       NOT NULL,
    payout_id        uuid,
    state            slot_state   NOT NULL DEFAULT 'ALLOCATED',
    state_at         timestamptz  NOT NULL,
    allocated_at     timestamptz  NOT NULL,
    winning_hash     evm_hash,
    block_number     bigint,
    block_hash       evm_hash,
    succeeded        boolean,
    disagreed_since  timestamptz,
    given_up_at      timestamptz,
    given_up_for     text,
    CONSTRAINT payout_slots_pkey PRIMARY KEY (signer, nonce),
    CONSTRAINT payout_slots_check CHECK ((state IN ('MINED', 'FINAL_PAY', 'FINAL_REVERTED', 'FINAL_NOOP')) =
        (winning_hash IS NOT NULL AND block_number IS NOT NULL AND block_hash IS NOT NULL AND succeeded IS NOT NULL)),
    CONSTRAINT payout_slots_check1 CHECK (state <> 'FINAL_PAY' OR payout_id IS NOT NULL),
    CONSTRAINT payout_slots_check2 CHECK ((given_up_at IS NULL) = (given_up_for IS NULL)),
    CONSTRAINT payout_slots_nonce_check CHECK (nonce >= 0),
    CONSTRAINT payout_slots_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payouts(id),
    CONSTRAINT payout_slots_signer_fkey FOREIGN KEY (signer) REFERENCES signers(address)
);
CREATE INDEX payout_slots_block ON payout_slots (block_number) WHERE state = 'FINAL_PAY';
CREATE INDEX payout_slots_foreign ON payout_slots (signer, nonce) WHERE state = 'FOREIGN';
CREATE UNIQUE INDEX payout_slots_one_open ON payout_slots (payout_id) WHERE state IN ('ALLOCATED', 'LIVE', 'MINED',
    'FOREIGN');
CREATE UNIQUE INDEX payout_slots_one_paid ON payout_slots (payout_id) WHERE state = 'FINAL_PAY';
CREATE INDEX payout_slots_open ON payout_slots (signer, nonce) WHERE state IN ('ALLOCATED', 'LIVE', 'MINED');
CREATE INDEX payout_slots_payout ON payout_slots (payout_id, allocated_at);
CREATE INDEX payout_slots_unsigned ON payout_slots (signer, nonce) WHERE state = 'ALLOCATED';
CREATE TRIGGER never_deleted BEFORE DELETE ON payout_slots FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON payout_slots FOR EACH STATEMENT EXECUTE FUNCTION
    payout_never_deleted();
CREATE TRIGGER slot_born BEFORE INSERT ON payout_slots FOR EACH ROW EXECUTE FUNCTION slot_born();
CREATE TRIGGER slot_changed BEFORE UPDATE ON payout_slots FOR EACH ROW EXECUTE FUNCTION slot_changed();
CREATE CONSTRAINT TRIGGER slot_coupled AFTER UPDATE ON payout_slots DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN
    (new.payout_id IS NOT NULL AND new.state IS DISTINCT FROM old.state) EXECUTE FUNCTION slot_coupled();
CREATE CONSTRAINT TRIGGER slot_coupled_at_birth AFTER INSERT ON payout_slots DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (new.payout_id IS NOT NULL) EXECUTE FUNCTION slot_coupled();
CREATE TRIGGER slot_is_there AFTER INSERT ON payout_slots FOR EACH ROW EXECUTE FUNCTION slot_is_there();
CREATE TRIGGER slot_pays_no_suspended BEFORE INSERT ON payout_slots FOR EACH ROW WHEN (new.payout_id IS NOT NULL)
    EXECUTE FUNCTION slot_pays_no_suspended();
CREATE TRIGGER slot_pays_what_is_owed BEFORE INSERT ON payout_slots FOR EACH ROW WHEN (new.payout_id IS NOT NULL)
    EXECUTE FUNCTION slot_pays_what_is_owed();

CREATE TABLE payout_transitions (
    from_state  payout_state  NOT NULL,
    to_state    payout_state  NOT NULL,
    CONSTRAINT payout_transitions_pkey PRIMARY KEY (from_state, to_state)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON payout_transitions FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON payout_transitions FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE payouts (
    id                 uuid          NOT NULL,
    treasury           text          NOT NULL,
    member_id          uuid,
    scope              text          NOT NULL,
    idempotency_key    text          NOT NULL,
    body_hash          bytea         NOT NULL,
    source_kind        text          NOT NULL,
    source_id          text          NOT NULL,
    recipient_address  evm_address   NOT NULL,
    amount             micro_usdt    NOT NULL,
    requested_by       uuid,
    requested_at       timestamptz   NOT NULL,
    state              payout_state  NOT NULL DEFAULT 'REQUESTED',
    state_at           timestamptz   NOT NULL,
    hold_reason        hold_reason,
    approvals_needed   smallint      NOT NULL DEFAULT 0,
    holds              integer       NOT NULL DEFAULT 0,
    paid_at            timestamptz,
    transaction_hash   evm_hash,
    postponed_until    timestamptz,
    counted_on         date,
    people_agreed      smallint      NOT NULL DEFAULT 0,
    CONSTRAINT payouts_pkey PRIMARY KEY (id),
    CONSTRAINT payouts_scope_idempotency_key_key UNIQUE (scope, idempotency_key),
    CONSTRAINT payouts_source_kind_source_id_key UNIQUE (source_kind, source_id),
    CONSTRAINT payouts_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT payouts_check CHECK ((state = 'HELD') = (hold_reason IS NOT NULL)),
    CONSTRAINT payouts_check1 CHECK ((state = 'PAID') = (paid_at IS NOT NULL AND transaction_hash IS NOT NULL)),
    CONSTRAINT payouts_manual_requester CHECK (source_kind <> 'manual' OR requested_by IS NOT NULL),
    CONSTRAINT payouts_source_id_check CHECK (source_id ~ '^[a-z0-9_:.-]+$'),
    CONSTRAINT payouts_source_kind_check CHECK (source_kind ~ '^[a-z_]+$'),
    CONSTRAINT payouts_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT payouts_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES members(id),
    CONSTRAINT payouts_treasury_fkey FOREIGN KEY (treasury) REFERENCES treasuries(name)
);
CREATE INDEX payouts_cancelled ON payouts (state_at) WHERE state = 'CANCELLED';
CREATE INDEX payouts_held ON payouts (treasury, state, requested_at) WHERE state IN ('HELD', 'QUARANTINED');
CREATE INDEX payouts_listed ON payouts (requested_at, id);
CREATE INDEX payouts_manual ON payouts (requested_at, id) WHERE source_kind = 'manual';
CREATE INDEX payouts_member ON payouts (member_id, requested_at DESC);
CREATE INDEX payouts_open ON payouts (treasury, requested_at, id) WHERE state IN ('REQUESTED', 'APPROVED', 'RESERVED',
    'IN_FLIGHT');
CREATE INDEX payouts_paid ON payouts (treasury, paid_at) WHERE state = 'PAID';
CREATE INDEX payouts_released_by_reason ON payouts (treasury, hold_reason, requested_at, id) WHERE state = 'HELD' AND
    approvals_needed = 0;
CREATE INDEX payouts_requester ON payouts (requested_by) WHERE requested_by IS NOT NULL;
CREATE INDEX payouts_unfinished ON payouts (treasury, lower(recipient_address::text), amount) WHERE state NOT IN
    ('PAID', 'CANCELLED');
CREATE INDEX payouts_waiting ON payouts (treasury, requested_at, id) WHERE state IN ('REQUESTED', 'APPROVED',
    'RESERVED');
CREATE TRIGGER manual_transfer_is_disinterested BEFORE INSERT ON payouts FOR EACH ROW WHEN (new.source_kind = 'manual')
    EXECUTE FUNCTION manual_transfer_is_disinterested();
CREATE TRIGGER manual_transfer_judged BEFORE UPDATE ON payouts FOR EACH ROW WHEN (old.source_kind = 'manual' AND
    old.state = 'REQUESTED' AND new.state <> 'REQUESTED') EXECUTE FUNCTION manual_transfer_judged();
CREATE TRIGGER never_deleted BEFORE DELETE ON payouts FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON payouts FOR EACH STATEMENT EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER payout_born AFTER INSERT ON payouts FOR EACH ROW EXECUTE FUNCTION payout_born();
CREATE TRIGGER payout_changed BEFORE UPDATE ON payouts FOR EACH ROW EXECUTE FUNCTION payout_changed();
CREATE TRIGGER payout_counted AFTER UPDATE ON payouts FOR EACH ROW WHEN ((new.state IN ('APPROVED', 'RESERVED')) AND
    new.state IS DISTINCT FROM old.state) EXECUTE FUNCTION payout_counted();
CREATE TRIGGER payout_let_go BEFORE UPDATE ON payouts FOR EACH ROW EXECUTE FUNCTION payout_let_go();
CREATE TRIGGER payout_of_affiliate_born AFTER INSERT ON payouts FOR EACH ROW WHEN (new.source_kind =
    'affiliate_payout') EXECUTE FUNCTION payout_of_affiliate_born();
CREATE TRIGGER payout_of_comp_born AFTER INSERT ON payouts FOR EACH ROW WHEN (new.source_kind = 'comp' AND
    new.source_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') EXECUTE FUNCTION payout_of_comp_born();
CREATE TRIGGER payout_of_week BEFORE UPDATE ON payouts FOR EACH ROW WHEN (new.source_kind = 'affiliate_payout') EXECUTE
    FUNCTION payout_of_week();
CREATE TRIGGER payout_of_wholesale_comp_born AFTER INSERT ON payouts FOR EACH ROW WHEN (new.source_kind =
    'wholesale_comp') EXECUTE FUNCTION payout_of_wholesale_comp_born();
CREATE TRIGGER payout_of_withheld_guarantee AFTER INSERT ON payouts FOR EACH ROW WHEN (new.source_kind = 'comp' AND
    new.source_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$') EXECUTE FUNCTION payout_of_withheld_guarantee();
CREATE TRIGGER payout_to_resting_wallet AFTER INSERT ON payouts FOR EACH ROW WHEN (new.source_kind IN ('comp',
    'affiliate_payout')) EXECUTE FUNCTION payout_to_resting_wallet();
CREATE TRIGGER refund_payout_born BEFORE INSERT ON payouts FOR EACH ROW WHEN (new.source_kind = 'refund') EXECUTE
    FUNCTION refund_payout_born();
CREATE TRIGGER release_is_certain BEFORE UPDATE ON payouts FOR EACH ROW WHEN (old.state = 'HELD' AND new.state =
    'APPROVED') EXECUTE FUNCTION release_is_certain();
CREATE TRIGGER rotation_born BEFORE INSERT ON payouts FOR EACH ROW WHEN (new.source_kind = 'rotation') EXECUTE FUNCTION
    rotation_born();

CREATE TABLE permanent_tiers (
    member_id      uuid    NOT NULL,
    downline_tins  bigint  NOT NULL DEFAULT 0,
    earned_tier    tier    NOT NULL,
    override_tier  tier,
    CONSTRAINT permanent_tiers_pkey PRIMARY KEY (member_id),
    CONSTRAINT permanent_tiers_override_tier_check CHECK (override_tier <> 'standard'),
    CONSTRAINT permanent_tiers_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE CONSTRAINT TRIGGER tier_override_has_author AFTER INSERT OR UPDATE OF override_tier ON permanent_tiers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.override_tier IS NOT NULL) EXECUTE FUNCTION
    tier_override_has_author();

CREATE TABLE products (
    sku          text     NOT NULL,
    name         text     NOT NULL,
    flavor       text     NOT NULL,
    strength_mg  integer  NOT NULL,
    price_cents  integer  NOT NULL,
    on_sale      boolean  NOT NULL DEFAULT true,
    revision     bigint   NOT NULL DEFAULT 1,
    picture      text,
    CONSTRAINT products_pkey PRIMARY KEY (sku),
    CONSTRAINT products_picture_check CHECK (picture ~ '^(/[a-z0-9][a-z0-9._-]{0,60}){1,3}$'),
    CONSTRAINT products_price_cents_check CHECK (price_cents > 0),
    CONSTRAINT products_price_cents_max CHECK (price_cents <= 100000),
    CONSTRAINT products_revision_check CHECK (revision > 0)
);

CREATE TABLE pushes (
    notification_id  uuid         NOT NULL,
    device_id        uuid         NOT NULL,
    status           text         NOT NULL,
    claimed_until    timestamptz  NOT NULL,
    finished_at      timestamptz,
    CONSTRAINT pushes_pkey PRIMARY KEY (notification_id, device_id),
    CONSTRAINT pushes_status_check CHECK (status IN ('sending', 'sent', 'refused')),
    CONSTRAINT pushes_device_id_fkey FOREIGN KEY (device_id) REFERENCES devices(id) ON DELETE CASCADE,
    CONSTRAINT pushes_notification_id_fkey FOREIGN KEY (notification_id) REFERENCES notifications(id)
);
CREATE INDEX pushes_claimed ON pushes (claimed_until);
CREATE INDEX pushes_device ON pushes (device_id);

CREATE TABLE reconciliation_findings (
    id                 uuid         NOT NULL,
    reconciliation_id  uuid         NOT NULL,
    treasury           text         NOT NULL,
    kind               text         NOT NULL,
    ref                text         NOT NULL,
    payout_id          uuid,
    transaction_hash   evm_hash,
    counterparty       evm_address,
    expected           micro_usdt   NOT NULL,
    found              micro_usdt   NOT NULL,
    found_at           timestamptz  NOT NULL,
    resolved_at        timestamptz,
    resolved_by        uuid,
    resolution         text,
    CONSTRAINT reconciliation_findings_pkey PRIMARY KEY (id),
    CONSTRAINT reconciliation_findings_check CHECK ((resolved_at IS NULL) = (resolution IS NULL)),
    CONSTRAINT reconciliation_findings_kind_check CHECK (kind IN ('unknown_transfer', 'missing_transfer',
        'amount_differs', 'recipient_differs', 'balance_differs')),
    CONSTRAINT reconciliation_findings_payout_id_fkey FOREIGN KEY (payout_id) REFERENCES payouts(id),
    CONSTRAINT reconciliation_findings_reconciliation_id_fkey FOREIGN KEY (reconciliation_id) REFERENCES
        reconciliations(id),
    CONSTRAINT reconciliation_findings_resolved_by_fkey FOREIGN KEY (resolved_by) REFERENCES members(id),
    CONSTRAINT reconciliation_findings_treasury_fkey FOREIGN KEY (treasury) REFERENCES treasuries(name)
);
CREATE UNIQUE INDEX reconciliation_findings_open ON reconciliation_findings (treasury, kind, ref) WHERE resolved_at IS
    NULL;
CREATE INDEX reconciliation_findings_payout ON reconciliation_findings (payout_id);
CREATE INDEX reconciliation_findings_reconciliation ON reconciliation_findings (reconciliation_id);
CREATE INDEX reconciliation_findings_resolver ON reconciliation_findings (resolved_by) WHERE resolved_by IS NOT NULL;
CREATE INDEX reconciliation_findings_transfer ON reconciliation_findings (ref);
CREATE INDEX reconciliation_findings_treasury ON reconciliation_findings (treasury);
CREATE TRIGGER finding_is_disinterested BEFORE UPDATE OF resolved_by ON reconciliation_findings FOR EACH ROW WHEN
    (new.resolved_by IS NOT NULL) EXECUTE FUNCTION finding_is_disinterested();

CREATE TABLE reconciliation_marks (
    treasury         text         NOT NULL,
    settled_until    timestamptz,
    payouts_matched  bigint       NOT NULL DEFAULT 0,
    amount_matched   micro_usdt   NOT NULL DEFAULT 0,
    CONSTRAINT reconciliation_marks_pkey PRIMARY KEY (treasury),
    CONSTRAINT reconciliation_marks_treasury_fkey FOREIGN KEY (treasury) REFERENCES treasuries(name)
);

CREATE TABLE reconciliation_treasuries (
    reconciliation_id  uuid        NOT NULL,
    treasury           text        NOT NULL,
    chain_balance      micro_usdt  NOT NULL,
    status             text        NOT NULL DEFAULT 'pending',
    badge              text        NOT NULL DEFAULT 'pending',
    reason             text,
    payouts_matched    bigint,
    amount_matched     micro_usdt,
    payouts_waiting    integer,
    findings_open      integer,
    book_balance       micro_usdt,
    difference         micro_usdt,
    CONSTRAINT reconciliation_treasuries_pkey PRIMARY KEY (reconciliation_id, treasury),
    CONSTRAINT reconciliation_treasuries_badge_check CHECK (badge IN ('balanced', 'discrepancy', 'pending')),
    CONSTRAINT reconciliation_treasuries_status_check CHECK (status IN ('balanced', 'discrepancy', 'pending')),
    CONSTRAINT reconciliation_treasuries_reconciliation_id_fkey FOREIGN KEY (reconciliation_id) REFERENCES
        reconciliations(id),
    CONSTRAINT reconciliation_treasuries_treasury_fkey FOREIGN KEY (treasury) REFERENCES treasuries(name)
);
CREATE INDEX reconciliation_treasuries_treasury ON reconciliation_treasuries (treasury);

CREATE TABLE reconciliations (
    id            uuid         NOT NULL,
    day           date,
    requested_by  uuid,
    requested_at  timestamptz  NOT NULL,
    block_number  bigint,
    block_hash    evm_hash,
    finished_at   timestamptz,
    status        text         NOT NULL DEFAULT 'pending',
    badge         text         NOT NULL DEFAULT 'pending',
    reason        text,
    CONSTRAINT reconciliations_pkey PRIMARY KEY (id),
    CONSTRAINT reconciliations_day_key UNIQUE (day),
    CONSTRAINT reconciliations_badge_check CHECK (badge IN ('balanced', 'discrepancy', 'pending')),
    CONSTRAINT reconciliations_check CHECK ((day IS NULL) <> (requested_by IS NULL)),
    CONSTRAINT reconciliations_check1 CHECK ((block_number IS NULL) = (block_hash IS NULL)),
    CONSTRAINT reconciliations_status_check CHECK (status IN ('balanced', 'discrepancy', 'pending')),
    CONSTRAINT reconciliations_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES members(id)
);
CREATE INDEX reconciliations_newest ON reconciliations (requested_at, id);
CREATE INDEX reconciliations_requester ON reconciliations (requested_by) WHERE requested_by IS NOT NULL;

CREATE TABLE referral_changes (
    id         bigint  NOT NULL GENERATED ALWAYS AS IDENTITY,
    member_id  uuid    NOT NULL,
    CONSTRAINT referral_changes_pkey PRIMARY KEY (id),
    CONSTRAINT referral_changes_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX referral_changes_member ON referral_changes (member_id);

CREATE TABLE referral_checks (
    id         bigint  NOT NULL GENERATED ALWAYS AS IDENTITY,
    member_id  uuid    NOT NULL,
    CONSTRAINT referral_checks_pkey PRIMARY KEY (id),
    CONSTRAINT referral_checks_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX referral_checks_member ON referral_checks (member_id);

CREATE TABLE referral_clicks (
    member_id  uuid     NOT NULL,
    day        date     NOT NULL,
    code       text     NOT NULL,
    clicks     integer  NOT NULL,
    CONSTRAINT referral_clicks_pkey PRIMARY KEY (member_id, day, code),
    CONSTRAINT referral_clicks_clicks_check CHECK (clicks > 0),
    CONSTRAINT referral_clicks_code_check CHECK (code = lower(code) AND length(code) >= 3 AND length(code) <= 30),
    CONSTRAINT referral_clicks_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);

CREATE TABLE referral_codes (
    code        text         NOT NULL,
    member_id   uuid         NOT NULL,
    created_at  timestamptz  NOT NULL,
    CONSTRAINT referral_codes_pkey PRIMARY KEY (code),
    CONSTRAINT referral_codes_code_check CHECK (code ~ '^[a-z0-9]+(-[a-z0-9]+)+$' AND length(code) >= 3 AND
        length(code) <= 30),
    CONSTRAINT referral_codes_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX referral_codes_member ON referral_codes (member_id, created_at);

CREATE TABLE referral_progress (
    only_row     boolean      NOT NULL DEFAULT true,
    last_number  bigint       NOT NULL,
    as_of        timestamptz  NOT NULL,
    week_on      date,
    scan_chips   bigint       NOT NULL DEFAULT 0,
    moved_chips  bigint       NOT NULL DEFAULT 0,
    pool         micro_usdt   NOT NULL DEFAULT 0,
    CONSTRAINT referral_progress_pkey PRIMARY KEY (only_row),
    CONSTRAINT referral_progress_only_row_check CHECK (only_row),
    CONSTRAINT referral_progress_scan_chips_check CHECK (scan_chips >= 0)
);

CREATE TABLE referral_reviews (
    id            uuid         NOT NULL,
    referred_id   uuid         NOT NULL,
    affiliate_id  uuid         NOT NULL,
    score         integer      NOT NULL,
    signals       jsonb        NOT NULL,
    status        text         NOT NULL DEFAULT 'open',
    found_at      timestamptz  NOT NULL,
    decided_at    timestamptz,
    decided_by    uuid,
    note          text,
    CONSTRAINT referral_reviews_pkey PRIMARY KEY (id),
    CONSTRAINT referral_reviews_decided CHECK ( CASE status     WHEN 'open' THEN num_nonnulls(decided_at, decided_by,
        note) = 0     ELSE num_nulls(decided_at, decided_by, note) = 0 END),
    CONSTRAINT referral_reviews_note_check CHECK (length(note) >= 1 AND length(note) <= 2000),
    CONSTRAINT referral_reviews_pair CHECK (referred_id <> affiliate_id),
    CONSTRAINT referral_reviews_score_check CHECK (score >= 1 AND score <= 100),
    CONSTRAINT referral_reviews_signals_check CHECK (jsonb_array_length(signals) > 0),
    CONSTRAINT referral_reviews_status_check CHECK (status IN ('open', 'cleared', 'confirmed')),
    CONSTRAINT referral_reviews_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id),
    CONSTRAINT referral_reviews_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES members(id),
    CONSTRAINT referral_reviews_referred_id_fkey FOREIGN KEY (referred_id) REFERENCES members(id)
);
CREATE INDEX referral_reviews_affiliate ON referral_reviews (affiliate_id);
CREATE INDEX referral_reviews_decided_by ON referral_reviews (decided_by) WHERE decided_by IS NOT NULL;
CREATE INDEX referral_reviews_newest ON referral_reviews (found_at DESC, id DESC);
CREATE INDEX referral_reviews_referred ON referral_reviews (referred_id);
CREATE INDEX referral_reviews_status ON referral_reviews (status, found_at DESC, id DESC);
CREATE UNIQUE INDEX referral_reviews_withholds ON referral_reviews (referred_id) WHERE status <> 'cleared';
CREATE TRIGGER never_deleted BEFORE DELETE ON referral_reviews FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER referral_review_changed BEFORE UPDATE ON referral_reviews FOR EACH ROW EXECUTE FUNCTION
    referral_review_changed();

CREATE TABLE referrals (
    referred_id   uuid         NOT NULL,
    affiliate_id  uuid         NOT NULL,
    joined_at     timestamptz  NOT NULL,
    tier          tier         NOT NULL DEFAULT 'standard',
    last_scan_at  timestamptz,
    is_active     boolean      NOT NULL DEFAULT false,
    CONSTRAINT referrals_pkey PRIMARY KEY (referred_id),
    CONSTRAINT referrals_active CHECK (NOT is_active OR last_scan_at IS NOT NULL),
    CONSTRAINT referrals_other CHECK (referred_id <> affiliate_id),
    CONSTRAINT referrals_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id),
    CONSTRAINT referrals_referred_id_fkey FOREIGN KEY (referred_id) REFERENCES members(id)
);
CREATE INDEX referrals_lapsing ON referrals (last_scan_at) WHERE is_active;
CREATE INDEX referrals_page ON referrals (affiliate_id, is_active, tier, joined_at, referred_id);
CREATE TRIGGER referral_counts AFTER INSERT OR DELETE ON referrals FOR EACH ROW EXECUTE FUNCTION referral_counts();
CREATE TRIGGER referral_to_check AFTER INSERT ON referrals FOR EACH ROW EXECUTE FUNCTION referral_to_check();

CREATE TABLE refresh_tokens (
    token_hash  bytea        NOT NULL,
    session_id  uuid         NOT NULL,
    issued_at   timestamptz  NOT NULL,
    expires_at  timestamptz  NOT NULL,
    used_at     timestamptz,
    successor   bytea,
    CONSTRAINT refresh_tokens_pkey PRIMARY KEY (token_hash),
    CONSTRAINT refresh_tokens_check CHECK ((used_at IS NULL) = (successor IS NULL)),
    CONSTRAINT refresh_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions(id)
);
CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_session ON refresh_tokens (session_id);

CREATE TABLE refund_lines (
    refund_id  uuid     NOT NULL,
    sku        text     NOT NULL,
    tins       integer  NOT NULL,
    goods      usd      NOT NULL,
    tax        usd      NOT NULL,
    CONSTRAINT refund_lines_pkey PRIMARY KEY (refund_id, sku),
    CONSTRAINT refund_lines_goods_check CHECK (goods::bigint >= 0),
    CONSTRAINT refund_lines_something CHECK (tins > 0 OR (goods::bigint + tax::bigint) > 0),
    CONSTRAINT refund_lines_tax_check CHECK (tax::bigint >= 0),
    CONSTRAINT refund_lines_tins_check CHECK (tins >= 0),
    CONSTRAINT refund_lines_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refunds(id),
    CONSTRAINT refund_lines_sku_fkey FOREIGN KEY (sku) REFERENCES products(sku)
);
CREATE INDEX refund_lines_sku ON refund_lines (sku);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON refund_lines FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON refund_lines FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE CONSTRAINT TRIGGER refund_fits AFTER INSERT ON refund_lines DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE
    FUNCTION refund_fits();
CREATE TRIGGER refund_line_counted AFTER INSERT ON refund_lines FOR EACH ROW EXECUTE FUNCTION refund_line_counted();

CREATE TABLE refund_requests (
    id              uuid         NOT NULL,
    order_id        uuid         NOT NULL,
    kind            text         NOT NULL,
    tins            jsonb        NOT NULL DEFAULT '{}',
    amount          usd          NOT NULL,
    reason          text         NOT NULL,
    note            text         NOT NULL,
    status          text         NOT NULL DEFAULT 'waiting',
    needs_approval  boolean      NOT NULL,
    requested_by    uuid         NOT NULL,
    requested_at    timestamptz  NOT NULL,
    decided_by      uuid,
    decided_at      timestamptz,
    decision_note   text,
    CONSTRAINT refund_requests_pkey PRIMARY KEY (id),
    CONSTRAINT refund_requests_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT refund_requests_by CHECK ((decided_by IS NULL) = (decision_note IS NULL) AND (status <> 'waiting' OR
        decided_by IS NULL) AND (status <> 'rejected' OR decided_by IS NOT NULL)),
    CONSTRAINT refund_requests_decided CHECK ((status = 'waiting') = (decided_at IS NULL)),
    CONSTRAINT refund_requests_goodwill CHECK (kind <> 'tins' OR reason <> 'goodwill'),
    CONSTRAINT refund_requests_kind_check CHECK (kind IN ('tins', 'shipping', 'amount')),
    CONSTRAINT refund_requests_reason_check CHECK (reason IN ('faulty', 'lost', 'returned', 'goodwill')),
    CONSTRAINT refund_requests_status_check CHECK (status IN ('waiting', 'recorded', 'rejected')),
    CONSTRAINT refund_requests_tins CHECK ((kind = 'tins') = (tins <> '{}')),
    CONSTRAINT refund_requests_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES members(id),
    CONSTRAINT refund_requests_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id),
    CONSTRAINT refund_requests_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES members(id)
);
CREATE INDEX refund_requests_admin ON refund_requests (requested_by, requested_at);
CREATE INDEX refund_requests_decider ON refund_requests (decided_by) WHERE decided_by IS NOT NULL;
CREATE INDEX refund_requests_newest ON refund_requests (requested_at, id);
CREATE INDEX refund_requests_order ON refund_requests (order_id, requested_at);
CREATE INDEX refund_requests_status ON refund_requests (status, requested_at, id);
CREATE TRIGGER never_deleted BEFORE DELETE ON refund_requests FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER refund_request_born BEFORE INSERT ON refund_requests FOR EACH ROW EXECUTE FUNCTION
    refund_request_born();
CREATE TRIGGER refund_request_changed BEFORE UPDATE ON refund_requests FOR EACH ROW EXECUTE FUNCTION
    refund_request_changed();

CREATE TABLE refunds (
    id            uuid         NOT NULL,
    order_id      uuid         NOT NULL,
    goods         usd          NOT NULL,
    shipping      usd          NOT NULL,
    tax           usd          NOT NULL,
    amount        usd          NOT NULL,
    reason        text         NOT NULL,
    recorded_at   timestamptz  NOT NULL,
    tins          integer      NOT NULL DEFAULT 0,
    shipping_tax  usd          NOT NULL DEFAULT 0,
    CONSTRAINT refunds_pkey PRIMARY KEY (id),
    CONSTRAINT refunds_amount CHECK (amount::bigint = (goods::bigint + shipping::bigint + tax::bigint)),
    CONSTRAINT refunds_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT refunds_check CHECK (shipping_tax::bigint >= 0 AND shipping_tax::bigint <= tax::bigint),
    CONSTRAINT refunds_goods_check CHECK (goods::bigint >= 0),
    CONSTRAINT refunds_reason_check CHECK (reason IN ('cancelled', 'short', 'faulty', 'lost', 'returned', 'goodwill')),
    CONSTRAINT refunds_shipping_check CHECK (shipping::bigint >= 0),
    CONSTRAINT refunds_tax_check CHECK (tax::bigint >= 0),
    CONSTRAINT refunds_tins_check CHECK (tins >= 0),
    CONSTRAINT refunds_id_fkey FOREIGN KEY (id) REFERENCES payment_operations(id) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT refunds_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id)
);
CREATE INDEX refunds_order ON refunds (order_id);
CREATE INDEX refunds_recorded ON refunds (recorded_at);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON refunds FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON refunds FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER order_volume_due AFTER INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION order_volume_due();
CREATE CONSTRAINT TRIGGER refund_asked AFTER INSERT ON refunds DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN
    (new.reason IN ('faulty', 'returned', 'goodwill')) EXECUTE FUNCTION refund_asked();
CREATE CONSTRAINT TRIGGER refund_fits AFTER INSERT ON refunds DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE
    FUNCTION refund_fits();
CREATE TRIGGER sale_accrual_due AFTER INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION sale_accrual_due();
CREATE TRIGGER tax_report_due AFTER INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION tax_report_due();
CREATE TRIGGER wholesale_chips_refunded AFTER INSERT ON refunds FOR EACH ROW WHEN (new.tins > 0) EXECUTE FUNCTION
    wholesale_chips_refunded();

CREATE TABLE report_exports (
    id          uuid         NOT NULL,
    kind        text         NOT NULL,
    filters     jsonb        NOT NULL,
    reason      text         NOT NULL,
    asked_by    uuid         NOT NULL,
    asked_at    timestamptz  NOT NULL,
    state       text         NOT NULL DEFAULT 'making',
    run_id      uuid,
    held_until  timestamptz,
    read_from   timestamptz,
    read_until  timestamptz,
    rows        bigint,
    bytes       bigint,
    sha256      bytea,
    expires_at  timestamptz,
    fault       text,
    CONSTRAINT report_exports_pkey PRIMARY KEY (id),
    CONSTRAINT report_exports_bytes_check CHECK (bytes > 0),
    CONSTRAINT report_exports_ends CHECK ((state = 'making') = (expires_at IS NULL)),
    CONSTRAINT report_exports_failed CHECK ((state = 'failed') = (fault IS NOT NULL)),
    CONSTRAINT report_exports_fault_check CHECK (length(fault) >= 1 AND length(fault) <= 300),
    CONSTRAINT report_exports_kind_check CHECK (kind IN ('analytics', 'audit_log', 'users', 'orders', 'affiliates')),
    CONSTRAINT report_exports_reason_check CHECK (length(reason) >= 1 AND length(reason) <= 2000),
    CONSTRAINT report_exports_rows_check CHECK (rows >= 0),
    CONSTRAINT report_exports_sha256_check CHECK (octet_length(sha256) = 32),
    CONSTRAINT report_exports_shown CHECK (state <> 'ready' OR run_id IS NOT NULL),
    CONSTRAINT report_exports_state_check CHECK (state IN ('making', 'ready', 'failed', 'expired')),
    CONSTRAINT report_exports_whole CHECK ((state NOT IN ('ready', 'expired')) OR num_nulls(read_from, read_until,
        rows, bytes, sha256) = 0),
    CONSTRAINT report_exports_asked_by_fkey FOREIGN KEY (asked_by) REFERENCES members(id)
);
CREATE INDEX report_exports_asked_by ON report_exports (asked_by);
CREATE INDEX report_exports_making ON report_exports (asked_at) WHERE state = 'making';
CREATE INDEX report_exports_over ON report_exports (expires_at) WHERE state IN ('failed', 'expired');
CREATE INDEX report_exports_ready ON report_exports (expires_at) WHERE state = 'ready';

CREATE TABLE report_files (
    run_id     uuid         NOT NULL,
    export_id  uuid         NOT NULL,
    begun_at   timestamptz  NOT NULL,
    CONSTRAINT report_files_pkey PRIMARY KEY (run_id),
    CONSTRAINT report_files_export_id_fkey FOREIGN KEY (export_id) REFERENCES report_exports(id)
);
CREATE INDEX report_files_begun ON report_files (begun_at);
CREATE INDEX report_files_export ON report_files (export_id);

CREATE TABLE resale_certificates (
    id           uuid         NOT NULL,
    account_id   uuid         NOT NULL,
    state        text         NOT NULL,
    number       text         NOT NULL,
    valid_until  date         NOT NULL,
    recorded_by  uuid         NOT NULL,
    reason       text         NOT NULL,
    recorded_at  timestamptz  NOT NULL,
    CONSTRAINT resale_certificates_pkey PRIMARY KEY (id),
    CONSTRAINT resale_certificates_number_check CHECK (length(number) >= 1 AND length(number) <= 50),
    CONSTRAINT resale_certificates_reason_check CHECK (length(reason) >= 1 AND length(reason) <= 500),
    CONSTRAINT resale_certificates_state_check CHECK (state ~ '^[A-Z]{2}$'),
    CONSTRAINT resale_certificates_account_id_fkey FOREIGN KEY (account_id) REFERENCES wholesale_accounts(id),
    CONSTRAINT resale_certificates_recorded_by_fkey FOREIGN KEY (recorded_by) REFERENCES members(id)
);
CREATE INDEX resale_certificates_account ON resale_certificates (account_id, state, recorded_at, id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON resale_certificates FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON resale_certificates FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE TRIGGER resale_certificate_born BEFORE INSERT ON resale_certificates FOR EACH ROW EXECUTE FUNCTION
    resale_certificate_born();

CREATE TABLE retired_names (
    fingerprint  bytea        NOT NULL,
    retired_at   timestamptz  NOT NULL,
    CONSTRAINT retired_names_pkey PRIMARY KEY (fingerprint),
    CONSTRAINT retired_names_fingerprint_check CHECK (octet_length(fingerprint) = 32)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON retired_names FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON retired_names FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE sale_accruals (
    order_id      uuid         NOT NULL,
    sequence      integer      NOT NULL,
    turnover      usd          NOT NULL,
    tins          integer      NOT NULL,
    cost_per_tin  usd          NOT NULL,
    profit        usd          NOT NULL,
    member        micro_usdt   NOT NULL,
    affiliate     micro_usdt   NOT NULL,
    wholesale     micro_usdt   NOT NULL,
    accrued_at    timestamptz  NOT NULL,
    CONSTRAINT sale_accruals_pkey PRIMARY KEY (order_id, sequence),
    CONSTRAINT sale_accruals_cost_per_tin_check CHECK (cost_per_tin::bigint >= 0),
    CONSTRAINT sale_accruals_profit CHECK (profit::bigint = GREATEST(turnover::bigint - tins * cost_per_tin::bigint,
        0::bigint)),
    CONSTRAINT sale_accruals_sequence_check CHECK (sequence > 0),
    CONSTRAINT sale_accruals_shares CHECK ((member::bigint * 2) = profit::bigint AND (affiliate::bigint * 20) =
        profit::bigint AND (wholesale::bigint * 20) = profit::bigint),
    CONSTRAINT sale_accruals_tins_check CHECK (tins >= 0),
    CONSTRAINT sale_accruals_turnover_check CHECK (turnover::bigint >= 0),
    CONSTRAINT sale_accruals_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sale_accruals FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON sale_accruals FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE CONSTRAINT TRIGGER sale_accrual_posted AFTER INSERT ON sale_accruals DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION sale_accrual_posted();

CREATE TABLE sales_volume (
    only_row        boolean      NOT NULL DEFAULT true,
    tins_per_month  bigint       NOT NULL,
    as_of           timestamptz  NOT NULL,
    CONSTRAINT sales_volume_pkey PRIMARY KEY (only_row),
    CONSTRAINT sales_volume_only_row_check CHECK (only_row),
    CONSTRAINT sales_volume_tins_per_month_check CHECK (tins_per_month >= 0)
);
CREATE CONSTRAINT TRIGGER award_terms_changed AFTER UPDATE ON sales_volume DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (new.tins_per_month <> old.tins_per_month) EXECUTE FUNCTION award_terms_changed();

CREATE TABLE scan_counter (
    only_row  boolean  NOT NULL DEFAULT true,
    value     bigint   NOT NULL,
    revision  bigint   NOT NULL,
    lineage   text     NOT NULL,
    CONSTRAINT scan_counter_pkey PRIMARY KEY (only_row),
    CONSTRAINT scan_counter_only_row_check CHECK (only_row),
    CONSTRAINT scan_counter_value_check CHECK (value >= 0),
    CONSTRAINT scan_counter_revision_fkey FOREIGN KEY (revision) REFERENCES award_inputs(revision)
);

CREATE TABLE scan_rollup_position (
    only_row     boolean      NOT NULL DEFAULT true,
    last_number  bigint       NOT NULL,
    newest_at    timestamptz,
    as_of        timestamptz  NOT NULL,
    CONSTRAINT scan_rollup_position_pkey PRIMARY KEY (only_row),
    CONSTRAINT scan_rollup_position_last_number_check CHECK (last_number >= 0),
    CONSTRAINT scan_rollup_position_only_row_check CHECK (only_row)
);

CREATE TABLE scan_rollups (
    period         text         NOT NULL,
    starts_at      timestamptz  NOT NULL,
    scans          bigint       NOT NULL,
    processing_ms  bigint       NOT NULL,
    histogram      jsonb        NOT NULL,
    peak_scans     bigint       NOT NULL,
    peak_at        timestamptz  NOT NULL,
    CONSTRAINT scan_rollups_pkey PRIMARY KEY (period, starts_at),
    CONSTRAINT scan_rollups_check CHECK (peak_scans >= 1 AND peak_scans <= scans),
    CONSTRAINT scan_rollups_period_check CHECK (period IN ('minute', 'hour', 'day')),
    CONSTRAINT scan_rollups_processing_ms_check CHECK (processing_ms >= 0),
    CONSTRAINT scan_rollups_scans_check CHECK (scans > 0)
);

CREATE TABLE scans (
    id             uuid              NOT NULL,
    number         bigint            NOT NULL,
    member_id      uuid              NOT NULL,
    code_mac       bytea             NOT NULL,
    product_sku    text              NOT NULL,
    scanned_at     timestamptz       NOT NULL,
    method         text              NOT NULL,
    latitude       double precision,
    longitude      double precision,
    device_time    timestamptz,
    device_id      text,
    ip_address     inet,
    tier           tier              NOT NULL,
    quarter        text              NOT NULL,
    quarter_scans  integer           NOT NULL,
    usdt_earned    micro_usdt        NOT NULL DEFAULT 0,
    flags          text[]            NOT NULL DEFAULT '{}',
    processing_ms  integer           NOT NULL DEFAULT 0,
    CONSTRAINT scans_pkey PRIMARY KEY (scanned_at, id),
    CONSTRAINT scans_latitude_check CHECK (latitude >= '-90'::double precision AND latitude <= 90::double precision),
    CONSTRAINT scans_longitude_check CHECK (longitude >= '-180'::double precision AND longitude <= 180::double
        precision),
    CONSTRAINT scans_method_check CHECK (method IN ('qr', 'manual')),
    CONSTRAINT scans_number_check CHECK (number > 0),
    CONSTRAINT scans_processing_ms_check CHECK (processing_ms >= 0),
    CONSTRAINT scans_quarter_scans_check CHECK (quarter_scans > 0),
    CONSTRAINT scans_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
) PARTITION BY RANGE (scanned_at);
CREATE INDEX scans_member ON ONLY scans (member_id, scanned_at DESC);
CREATE INDEX scans_number ON ONLY scans (number);

CREATE TABLE schema_migrations (
    version     integer      NOT NULL,
    name        text         NOT NULL,
    digest      text         NOT NULL,
    applied_at  timestamptz  NOT NULL,
    CONSTRAINT schema_migrations_pkey PRIMARY KEY (version)
);

CREATE TABLE second_factors (
    member_id      uuid         NOT NULL,
    sealed_secret  bytea        NOT NULL,
    created_at     timestamptz  NOT NULL,
    enabled_at     timestamptz,
    last_step      bigint       NOT NULL DEFAULT 0,
    failures       integer      NOT NULL DEFAULT 0,
    failures_in    timestamptz,
    CONSTRAINT second_factors_pkey PRIMARY KEY (member_id),
    CONSTRAINT second_factors_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX second_factors_unproved ON second_factors (created_at) WHERE enabled_at IS NULL;

CREATE TABLE sessions (
    id            uuid         NOT NULL,
    member_id     uuid         NOT NULL,
    device_kind   text         NOT NULL,
    device_id     text,
    ip_address    inet,
    user_agent    text,
    created_at    timestamptz  NOT NULL,
    last_used_at  timestamptz  NOT NULL,
    totp_at       timestamptz,
    ended_at      timestamptz,
    end_reason    text,
    device_name   text,
    ends_at       timestamptz  NOT NULL GENERATED ALWAYS AS (session_ends_at(device_kind, created_at, last_used_at))
        STORED,
    CONSTRAINT sessions_pkey PRIMARY KEY (id),
    CONSTRAINT sessions_check CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
    CONSTRAINT sessions_device_kind_check CHECK (device_kind IN ('mobile', 'desktop', 'admin')),
    CONSTRAINT sessions_device_name_check CHECK (length(device_name) >= 1 AND length(device_name) <= 100),
    CONSTRAINT sessions_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX sessions_device ON sessions (device_id, member_id) WHERE device_id IS NOT NULL;
CREATE UNIQUE INDEX sessions_live ON sessions (member_id, device_kind) WHERE ended_at IS NULL;
CREATE INDEX sessions_member ON sessions (member_id);
CREATE INDEX sessions_over ON sessions (COALESCE(ended_at, last_used_at));
CREATE TRIGGER device_to_check AFTER INSERT ON sessions FOR EACH ROW WHEN (new.device_id IS NOT NULL) EXECUTE FUNCTION
    device_to_check();
CREATE TRIGGER session_ended AFTER UPDATE OF ended_at ON sessions FOR EACH ROW WHEN (old.ended_at IS NULL AND
    new.ended_at IS NOT NULL) EXECUTE FUNCTION session_ended();

CREATE TABLE setting_changes (
    id           uuid         NOT NULL,
    name         text         NOT NULL,
    revision     integer      NOT NULL,
    before       jsonb        NOT NULL,
    after        jsonb        NOT NULL,
    changed_by   uuid         NOT NULL,
    approved_by  uuid,
    reason       text         NOT NULL,
    changed_at   timestamptz  NOT NULL,
    CONSTRAINT setting_changes_pkey PRIMARY KEY (id),
    CONSTRAINT setting_changes_name_revision_key UNIQUE (name, revision),
    CONSTRAINT setting_changes_check CHECK (approved_by <> changed_by),
    CONSTRAINT setting_changes_approved_by_fkey FOREIGN KEY (approved_by) REFERENCES members(id),
    CONSTRAINT setting_changes_changed_by_fkey FOREIGN KEY (changed_by) REFERENCES members(id),
    CONSTRAINT setting_changes_name_fkey FOREIGN KEY (name) REFERENCES settings(name)
);
CREATE INDEX setting_changes_author ON setting_changes (changed_by);
CREATE INDEX setting_changes_newest ON setting_changes (name, changed_at, id);
CREATE INDEX setting_changes_second ON setting_changes (approved_by) WHERE approved_by IS NOT NULL;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON setting_changes FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON setting_changes FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE setting_wishes (
    name       text         NOT NULL,
    revision   integer      NOT NULL,
    wished_by  uuid         NOT NULL,
    value      jsonb        NOT NULL,
    reason     text         NOT NULL,
    wished_at  timestamptz  NOT NULL,
    CONSTRAINT setting_wishes_pkey PRIMARY KEY (name, revision, wished_by),
    CONSTRAINT setting_wishes_name_fkey FOREIGN KEY (name) REFERENCES settings(name),
    CONSTRAINT setting_wishes_wished_by_fkey FOREIGN KEY (wished_by) REFERENCES members(id)
);
CREATE INDEX setting_wishes_by ON setting_wishes (wished_by);

CREATE TABLE settings (
    name         text         NOT NULL,
    value        jsonb        NOT NULL,
    description  text         NOT NULL,
    revision     integer      NOT NULL DEFAULT 1,
    changed_at   timestamptz,
    CONSTRAINT settings_pkey PRIMARY KEY (name),
    CONSTRAINT settings_revision_check CHECK (revision > 0)
);
CREATE CONSTRAINT TRIGGER award_terms_changed AFTER UPDATE ON settings DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN
    (new.name IN ('match_percent', 'tier_thresholds')) EXECUTE FUNCTION award_terms_changed();

CREATE TABLE signers (
    address           evm_address  NOT NULL,
    treasury          text         NOT NULL,
    kms_version       text         NOT NULL,
    status            text         NOT NULL DEFAULT 'active',
    next_nonce        bigint       NOT NULL DEFAULT 0,
    epoch             integer      NOT NULL DEFAULT 0,
    held_until        timestamptz,
    created_at        timestamptz  NOT NULL,
    rebuild_asked_at  timestamptz,
    rebuild_reason    text,
    sealed_below      bigint,
    lineage           text,
    CONSTRAINT signers_pkey PRIMARY KEY (address),
    CONSTRAINT signers_kms_version_key UNIQUE (kms_version),
    CONSTRAINT signers_check CHECK ((rebuild_asked_at IS NULL) = (rebuild_reason IS NULL)),
    CONSTRAINT signers_next_nonce_check CHECK (next_nonce >= 0),
    CONSTRAINT signers_status_check CHECK (status IN ('active', 'draining', 'retired')),
    CONSTRAINT signers_treasury_fkey FOREIGN KEY (treasury) REFERENCES treasuries(name)
);
CREATE UNIQUE INDEX signers_active ON signers (treasury) WHERE status = 'active';
CREATE UNIQUE INDEX signers_address ON signers (lower(address::text));
CREATE TRIGGER never_deleted BEFORE DELETE ON signers FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON signers FOR EACH STATEMENT EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER signer_born BEFORE INSERT ON signers FOR EACH ROW EXECUTE FUNCTION signer_born();
CREATE TRIGGER signer_changed BEFORE UPDATE ON signers FOR EACH ROW EXECUTE FUNCTION signer_changed();

CREATE TABLE signing_keys (
    kid          text         NOT NULL,
    kms_version  text         NOT NULL,
    public_jwk   jsonb        NOT NULL,
    created_at   timestamptz  NOT NULL,
    active_from  timestamptz  NOT NULL,
    retired_at   timestamptz,
    CONSTRAINT signing_keys_pkey PRIMARY KEY (kid),
    CONSTRAINT signing_keys_kms_version_key UNIQUE (kms_version)
);

CREATE TABLE slot_transitions (
    from_state  slot_state  NOT NULL,
    to_state    slot_state  NOT NULL,
    CONSTRAINT slot_transitions_pkey PRIMARY KEY (from_state, to_state)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON slot_transitions FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON slot_transitions FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE social_blocks (
    member_id   uuid         NOT NULL,
    blocked_id  uuid         NOT NULL,
    blocked_at  timestamptz  NOT NULL,
    CONSTRAINT social_blocks_pkey PRIMARY KEY (member_id, blocked_id),
    CONSTRAINT social_blocks_check CHECK (member_id <> blocked_id),
    CONSTRAINT social_blocks_blocked_id_fkey FOREIGN KEY (blocked_id) REFERENCES members(id),
    CONSTRAINT social_blocks_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX social_blocks_blocked ON social_blocks (blocked_id);
CREATE INDEX social_blocks_listed ON social_blocks (member_id, blocked_at, blocked_id);

CREATE TABLE social_cases (
    id               uuid              NOT NULL,
    message_id       uuid,
    revision         integer,
    channel_id       uuid,
    number           bigint,
    member_id        uuid              NOT NULL,
    text             text              NOT NULL,
    outcome          text,
    scores           jsonb,
    severity         double precision,
    opened_at        timestamptz       NOT NULL,
    copies           jsonb             NOT NULL DEFAULT '[]',
    reports          integer           NOT NULL DEFAULT 0,
    urgency          integer           NOT NULL DEFAULT 500,
    version          integer           NOT NULL DEFAULT 1,
    decision         text,
    decision_reason  text,
    decided_at       timestamptz,
    decided_by       uuid,
    CONSTRAINT social_cases_pkey PRIMARY KEY (id),
    CONSTRAINT social_cases_cause CHECK (outcome IS NOT NULL OR reports > 0),
    CONSTRAINT social_cases_check CHECK ((scores IS NULL) = (severity IS NULL)),
    CONSTRAINT social_cases_copies_check CHECK (jsonb_typeof(copies) = 'array'),
    CONSTRAINT social_cases_decided CHECK ((decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) =
        (decision_reason IS NULL) AND (decided_by IS NULL OR decision IS NOT NULL)),
    CONSTRAINT social_cases_decision_check CHECK (decision IN ('keep', 'remove', 'mute', 'timeout', 'ban', 'lift')),
    CONSTRAINT social_cases_number_check CHECK (number > 0),
    CONSTRAINT social_cases_of_message CHECK ((message_id IS NULL) = (revision IS NULL) AND (message_id IS NULL) =
        (channel_id IS NULL) AND (message_id IS NULL) = (number IS NULL)),
    CONSTRAINT social_cases_outcome_check CHECK (outcome IN ('removed', 'flagged')),
    CONSTRAINT social_cases_reports_check CHECK (reports >= 0),
    CONSTRAINT social_cases_revision_check CHECK (revision > 0),
    CONSTRAINT social_cases_scores_check CHECK (jsonb_typeof(scores) = 'object'),
    CONSTRAINT social_cases_severity_check CHECK (severity >= 0::double precision AND severity <= 1::double precision),
    CONSTRAINT social_cases_urgency_check CHECK (urgency >= 0 AND urgency <= 1000),
    CONSTRAINT social_cases_version_check CHECK (version > 0),
    CONSTRAINT social_cases_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES social_channels(id),
    CONSTRAINT social_cases_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES members(id),
    CONSTRAINT social_cases_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX social_cases_channel ON social_cases (channel_id);
CREATE INDEX social_cases_decider ON social_cases (decided_by) WHERE decided_by IS NOT NULL;
CREATE INDEX social_cases_member ON social_cases (member_id);
CREATE INDEX social_cases_message ON social_cases (message_id, opened_at) WHERE message_id IS NOT NULL;
CREATE UNIQUE INDEX social_cases_open_member ON social_cases (member_id) WHERE message_id IS NULL AND decided_at IS
    NULL;
CREATE UNIQUE INDEX social_cases_open_message ON social_cases (message_id) WHERE decided_at IS NULL;
CREATE INDEX social_cases_opened ON social_cases (opened_at);
CREATE INDEX social_cases_queue ON social_cases (urgency, id) WHERE decided_at IS NULL;
CREATE INDEX social_cases_urgency ON social_cases (urgency, id);

CREATE TABLE social_channels (
    id                  uuid           NOT NULL,
    slug                text           NOT NULL,
    name                text           NOT NULL,
    description         text           NOT NULL,
    category            text           NOT NULL,
    icon                text           NOT NULL,
    kind                text           NOT NULL,
    access_standard     social_access  NOT NULL,
    access_vip          social_access  NOT NULL,
    access_high_roller  social_access  NOT NULL,
    access_whale        social_access  NOT NULL,
    display_order       integer        NOT NULL,
    slow_seconds        integer        NOT NULL DEFAULT 0,
    revision            integer        NOT NULL DEFAULT 1,
    archived_at         timestamptz,
    pace_ms             integer        NOT NULL DEFAULT 250,
    pins_revision       integer        NOT NULL DEFAULT 0,
    changed_at          timestamptz,
    CONSTRAINT social_channels_pkey PRIMARY KEY (id),
    CONSTRAINT social_channels_slug_key UNIQUE (slug),
    CONSTRAINT social_channels_access_rises CHECK (access_standard <= access_vip AND access_vip <= access_high_roller
        AND access_high_roller <= access_whale),
    CONSTRAINT social_channels_category_check CHECK (length(category) >= 1 AND length(category) <= 100),
    CONSTRAINT social_channels_description_check CHECK (length(description) <= 500),
    CONSTRAINT social_channels_icon_check CHECK (length(icon) >= 1 AND length(icon) <= 50),
    CONSTRAINT social_channels_kind_check CHECK (kind IN ('chat', 'announcements', 'governance', 'event')),
    CONSTRAINT social_channels_name_check CHECK (length(name) >= 1 AND length(name) <= 100),
    CONSTRAINT social_channels_pace_ms_check CHECK (pace_ms >= 100 AND pace_ms <= 5000),
    CONSTRAINT social_channels_pins_revision_check CHECK (pins_revision >= 0),
    CONSTRAINT social_channels_revision_check CHECK (revision > 0),
    CONSTRAINT social_channels_slow_seconds_check CHECK (slow_seconds >= 0 AND slow_seconds <= 120),
    CONSTRAINT social_channels_slug_check CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 50)
);
CREATE TRIGGER social_channel_hidden AFTER UPDATE ON social_channels FOR EACH ROW WHEN (new.access_standard = 'hidden'
    AND old.access_standard <> 'hidden' OR new.access_vip = 'hidden' AND old.access_vip <> 'hidden' OR
    new.access_high_roller = 'hidden' AND old.access_high_roller <> 'hidden' OR new.access_whale = 'hidden' AND
    old.access_whale <> 'hidden') EXECUTE FUNCTION social_channel_hidden();

CREATE TABLE social_departures (
    id           bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    happened_at  timestamptz  NOT NULL,
    CONSTRAINT social_departures_pkey PRIMARY KEY (id)
);

CREATE TABLE social_entries (
    channel_id   uuid         NOT NULL,
    position     bigint       NOT NULL,
    kind         text         NOT NULL,
    number       bigint       NOT NULL,
    message_id   uuid         NOT NULL,
    happened_at  timestamptz  NOT NULL,
    CONSTRAINT social_entries_pkey PRIMARY KEY (channel_id, "position"),
    CONSTRAINT social_entries_kind_check CHECK (kind IN ('message', 'edited', 'removed', 'reactions', 'pinned',
        'unpinned')),
    CONSTRAINT social_entries_position_check CHECK ("position" > 0),
    CONSTRAINT social_entries_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES social_channels(id)
);
CREATE INDEX social_entries_happened ON social_entries (happened_at);
CREATE INDEX social_entries_of_message ON social_entries (message_id, "position");

CREATE TABLE social_heads (
    channel_id    uuid    NOT NULL,
    number        bigint  NOT NULL DEFAULT 0,
    position      bigint  NOT NULL DEFAULT 0,
    first_number  bigint  NOT NULL DEFAULT 1,
    CONSTRAINT social_heads_pkey PRIMARY KEY (channel_id),
    CONSTRAINT social_heads_first CHECK (first_number <= (number + 1)),
    CONSTRAINT social_heads_first_number_check CHECK (first_number >= 1),
    CONSTRAINT social_heads_number_check CHECK (number >= 0),
    CONSTRAINT social_heads_position CHECK ("position" >= number),
    CONSTRAINT social_heads_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES social_channels(id)
) WITH (fillfactor=50);

CREATE TABLE social_images (
    id            uuid         NOT NULL,
    member_id     uuid         NOT NULL,
    status        text         NOT NULL DEFAULT 'waiting',
    content_type  text         NOT NULL,
    content       bytea,
    uploaded_at   timestamptz  NOT NULL,
    finished_at   timestamptz,
    message_id    uuid,
    removed_at    timestamptz,
    CONSTRAINT social_images_pkey PRIMARY KEY (id),
    CONSTRAINT social_images_message_id_key UNIQUE (message_id),
    CONSTRAINT social_images_check CHECK ((status = 'waiting') = (finished_at IS NULL)),
    CONSTRAINT social_images_check1 CHECK ((status = 'waiting') = (content IS NOT NULL)),
    CONSTRAINT social_images_check2 CHECK (message_id IS NULL OR (status IN ('live', 'removed'))),
    CONSTRAINT social_images_check3 CHECK (removed_at IS NULL OR (status IN ('refused', 'removed'))),
    CONSTRAINT social_images_content_check CHECK (octet_length(content) <= 8388608),
    CONSTRAINT social_images_content_type_check CHECK (content_type IN ('image/jpeg', 'image/png')),
    CONSTRAINT social_images_status_check CHECK (status IN ('waiting', 'live', 'refused', 'removed')),
    CONSTRAINT social_images_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX social_images_leaving ON social_images (id) WHERE status = 'removed' AND removed_at IS NULL;
CREATE INDEX social_images_live ON social_images (uploaded_at) WHERE status = 'live';
CREATE INDEX social_images_member ON social_images (member_id, uploaded_at DESC);
CREATE INDEX social_images_removed ON social_images (removed_at) WHERE removed_at IS NOT NULL;
CREATE INDEX social_images_unused ON social_images (uploaded_at) WHERE status = 'live' AND message_id IS NULL;

CREATE TABLE social_messages (
    posted_at         timestamptz  NOT NULL,
    id                uuid         NOT NULL,
    channel_id        uuid         NOT NULL,
    number            bigint       NOT NULL,
    member_id         uuid,
    tier              tier,
    text              text         NOT NULL,
    language          text,
    media_type        text         NOT NULL DEFAULT 'none',
    media_id          text,
    reply_to          bigint,
    mentions          jsonb        NOT NULL DEFAULT '[]',
    revision          integer      NOT NULL DEFAULT 1,
    edited_at         timestamptz,
    removed_at        timestamptz,
    removed_by        text,
    checked_revision  integer      NOT NULL DEFAULT 0,
    CONSTRAINT social_messages_pkey PRIMARY KEY (posted_at, id),
    CONSTRAINT social_messages_channel_id_number_posted_at_key UNIQUE (channel_id, number, posted_at),
    CONSTRAINT social_messages_check CHECK (reply_to < number),
    CONSTRAINT social_messages_check1 CHECK ((media_type = 'none') = (media_id IS NULL)),
    CONSTRAINT social_messages_check2 CHECK ((removed_at IS NULL) = (removed_by IS NULL)),
    CONSTRAINT social_messages_check3 CHECK ((member_id IS NULL) = (tier IS NULL)),
    CONSTRAINT social_messages_checked_revision_check CHECK (checked_revision >= 0),
    CONSTRAINT social_messages_language_check CHECK (language ~ '^[a-z]{2,3}$'),
    CONSTRAINT social_messages_media_id_check CHECK (length(media_id) >= 1 AND length(media_id) <= 64),
    CONSTRAINT social_messages_media_type_check CHECK (media_type IN ('none', 'gif', 'emote', 'image')),
    CONSTRAINT social_messages_number_check CHECK (number > 0),
    CONSTRAINT social_messages_removed_by_check CHECK (removed_by IN ('author', 'moderator', 'check', 'erasure')),
    CONSTRAINT social_messages_revision_check CHECK (revision > 0),
    CONSTRAINT social_messages_text_check CHECK (char_length(text) <= 2000),
    CONSTRAINT social_messages_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES social_channels(id),
    CONSTRAINT social_messages_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
) PARTITION BY RANGE (posted_at);
CREATE INDEX social_messages_member ON ONLY social_messages (member_id);
CREATE INDEX social_messages_removed ON ONLY social_messages (channel_id, number) WHERE removed_at IS NOT NULL;
CREATE INDEX social_messages_unchecked ON ONLY social_messages (posted_at, id) WHERE checked_revision < revision AND
    removed_at IS NULL AND member_id IS NOT NULL AND text <> '';
CREATE TRIGGER social_images_gone AFTER UPDATE OF removed_at ON social_messages FOR EACH ROW WHEN (old.media_type =
    'image' AND old.removed_at IS NULL AND new.removed_at IS NOT NULL) EXECUTE FUNCTION social_images_gone();
CREATE TRIGGER social_message_unpinned AFTER UPDATE OF removed_at ON social_messages FOR EACH ROW WHEN (new.removed_at
    IS NOT NULL) EXECUTE FUNCTION social_message_unpinned();
CREATE TRIGGER social_messages_erased AFTER UPDATE ON social_messages REFERENCING OLD TABLE AS before NEW TABLE AS
    after FOR EACH STATEMENT EXECUTE FUNCTION social_messages_erased();
CREATE TRIGGER social_translations_gone AFTER UPDATE OF text, revision, removed_at ON social_messages FOR EACH ROW WHEN
    (new.revision <> old.revision OR new.text <> old.text OR new.removed_at IS NOT NULL) EXECUTE FUNCTION
    social_translations_gone();

CREATE TABLE social_pages (
    channel_id  uuid         NOT NULL,
    first       bigint       NOT NULL,
    last        bigint       NOT NULL,
    shift       text         NOT NULL,
    made_at     timestamptz  NOT NULL,
    wanted      bigint       NOT NULL,
    written     bigint       NOT NULL DEFAULT 0,
    CONSTRAINT social_pages_pkey PRIMARY KEY (channel_id, first),
    CONSTRAINT social_pages_check CHECK (last >= first),
    CONSTRAINT social_pages_check1 CHECK (wanted >= last),
    CONSTRAINT social_pages_first_check CHECK (first > 0),
    CONSTRAINT social_pages_shift_check CHECK (shift = 'open' OR shift ~ '^[0-9]+$'),
    CONSTRAINT social_pages_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES social_channels(id)
);
CREATE INDEX social_pages_made ON social_pages (made_at);
CREATE INDEX social_pages_unwritten ON social_pages (channel_id, first) WHERE written < wanted;

CREATE TABLE social_pins (
    message_id  uuid         NOT NULL,
    channel_id  uuid         NOT NULL,
    number      bigint       NOT NULL,
    member_id   uuid,
    tier        tier,
    text        text         NOT NULL,
    language    text,
    media_type  text         NOT NULL,
    media_id    text,
    posted_at   timestamptz  NOT NULL,
    pinned_by   uuid         NOT NULL,
    pinned_at   timestamptz  NOT NULL,
    expires_at  timestamptz,
    CONSTRAINT social_pins_pkey PRIMARY KEY (message_id),
    CONSTRAINT social_pins_check CHECK (expires_at > pinned_at),
    CONSTRAINT social_pins_number_check CHECK (number > 0),
    CONSTRAINT social_pins_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES social_channels(id),
    CONSTRAINT social_pins_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT social_pins_pinned_by_fkey FOREIGN KEY (pinned_by) REFERENCES members(id)
);
CREATE INDEX social_pins_channel ON social_pins (channel_id, pinned_at);
CREATE INDEX social_pins_expiring ON social_pins (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX social_pins_member ON social_pins (member_id) WHERE member_id IS NOT NULL;
CREATE INDEX social_pins_pinner ON social_pins (pinned_by);
CREATE TRIGGER social_pins_changed AFTER INSERT OR DELETE OR UPDATE ON social_pins FOR EACH ROW EXECUTE FUNCTION
    social_pins_changed();

CREATE TABLE social_reaction_counts (
    posted_at   timestamptz  NOT NULL,
    message_id  uuid         NOT NULL,
    emoji       text         NOT NULL,
    count       integer      NOT NULL,
    CONSTRAINT social_reaction_counts_pkey PRIMARY KEY (posted_at, message_id, emoji),
    CONSTRAINT social_reaction_counts_count_check CHECK (count >= 0)
) PARTITION BY RANGE (posted_at);

CREATE TABLE social_reactions (
    posted_at   timestamptz  NOT NULL,
    message_id  uuid         NOT NULL,
    emoji       text         NOT NULL,
    member_id   uuid         NOT NULL,
    CONSTRAINT social_reactions_pkey PRIMARY KEY (posted_at, message_id, emoji, member_id),
    CONSTRAINT social_reactions_emoji_check CHECK (char_length(emoji) >= 1 AND char_length(emoji) <= 20),
    CONSTRAINT social_reactions_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
) PARTITION BY RANGE (posted_at);
CREATE INDEX social_reactions_member ON ONLY social_reactions (member_id);
CREATE TRIGGER social_reaction_gone AFTER DELETE ON social_reactions FOR EACH ROW EXECUTE FUNCTION
    social_reaction_gone();

CREATE TABLE social_reads (
    member_id   uuid    NOT NULL,
    channel_id  uuid    NOT NULL,
    number      bigint  NOT NULL,
    CONSTRAINT social_reads_pkey PRIMARY KEY (member_id, channel_id),
    CONSTRAINT social_reads_number_check CHECK (number >= 0),
    CONSTRAINT social_reads_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES social_channels(id),
    CONSTRAINT social_reads_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX social_reads_channel ON social_reads (channel_id);

CREATE TABLE social_reports (
    case_id      uuid         NOT NULL,
    reporter_id  uuid         NOT NULL,
    reason       text         NOT NULL,
    note         text,
    reported_at  timestamptz  NOT NULL,
    CONSTRAINT social_reports_pkey PRIMARY KEY (case_id, reporter_id),
    CONSTRAINT social_reports_note_check CHECK (char_length(note) >= 1 AND char_length(note) <= 500),
    CONSTRAINT social_reports_reason_check CHECK (reason IN ('spam', 'harassment', 'hate', 'sexual', 'violence',
        'scam', 'privacy', 'other')),
    CONSTRAINT social_reports_case_id_fkey FOREIGN KEY (case_id) REFERENCES social_cases(id) ON DELETE CASCADE,
    CONSTRAINT social_reports_reporter_id_fkey FOREIGN KEY (reporter_id) REFERENCES members(id)
);
CREATE INDEX social_reports_reporter ON social_reports (reporter_id);

CREATE TABLE social_sanctions (
    id          uuid         NOT NULL,
    member_id   uuid         NOT NULL,
    kind        text         NOT NULL,
    until       timestamptz,
    reason      text         NOT NULL,
    given_by    uuid,
    given_at    timestamptz  NOT NULL,
    case_id     uuid,
    message_id  uuid,
    CONSTRAINT social_sanctions_pkey PRIMARY KEY (id),
    CONSTRAINT social_sanctions_kind_check CHECK (kind IN ('mute', 'timeout', 'ban', 'lift', 'removal')),
    CONSTRAINT social_sanctions_message CHECK (kind <> 'removal' OR message_id IS NOT NULL),
    CONSTRAINT social_sanctions_given_by_fkey FOREIGN KEY (given_by) REFERENCES members(id),
    CONSTRAINT social_sanctions_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX social_sanctions_case ON social_sanctions (case_id) WHERE case_id IS NOT NULL;
CREATE INDEX social_sanctions_giver ON social_sanctions (given_by) WHERE given_by IS NOT NULL;
CREATE INDEX social_sanctions_member ON social_sanctions (member_id, given_at);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON social_sanctions FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON social_sanctions FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE social_sent (
    member_id     uuid         NOT NULL,
    client_id     uuid         NOT NULL,
    request_hash  bytea        NOT NULL,
    message_id    uuid         NOT NULL,
    sent_at       timestamptz  NOT NULL,
    CONSTRAINT social_sent_pkey PRIMARY KEY (member_id, client_id),
    CONSTRAINT social_sent_request_hash_check CHECK (octet_length(request_hash) = 32),
    CONSTRAINT social_sent_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX social_sent_at ON social_sent (sent_at);

CREATE TABLE social_shifts (
    is_only  boolean      NOT NULL DEFAULT true,
    shift    bigint       NOT NULL DEFAULT 1,
    ends_at  timestamptz,
    CONSTRAINT social_shifts_pkey PRIMARY KEY (is_only),
    CONSTRAINT social_shifts_is_only_check CHECK (is_only),
    CONSTRAINT social_shifts_shift_check CHECK (shift > 0)
);

CREATE TABLE social_standings (
    member_id      uuid         NOT NULL,
    last_at        timestamptz,
    strikes        integer      NOT NULL DEFAULT 0,
    struck_at      timestamptz,
    recent         jsonb        NOT NULL DEFAULT '[]',
    muted_until    timestamptz,
    timeout_until  timestamptz,
    banned_at      timestamptz,
    CONSTRAINT social_standings_pkey PRIMARY KEY (member_id),
    CONSTRAINT social_standings_recent_check CHECK (jsonb_array_length(recent) <= 20),
    CONSTRAINT social_standings_strikes_check CHECK (strikes >= 0),
    CONSTRAINT social_standings_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);

CREATE TABLE social_tails (
    channel_id     uuid         NOT NULL,
    position       bigint       NOT NULL DEFAULT 0,
    due_at         timestamptz,
    awaited_until  timestamptz,
    shown          bigint       NOT NULL DEFAULT 0,
    CONSTRAINT social_tails_pkey PRIMARY KEY (channel_id),
    CONSTRAINT social_tails_position_check CHECK ("position" >= 0),
    CONSTRAINT social_tails_channel_id_fkey FOREIGN KEY (channel_id) REFERENCES social_channels(id)
);

CREATE TABLE social_translations (
    message_id     uuid         NOT NULL,
    revision       integer      NOT NULL,
    language       text         NOT NULL,
    text           text,
    claimed_until  timestamptz  NOT NULL,
    CONSTRAINT social_translations_pkey PRIMARY KEY (message_id, revision, language),
    CONSTRAINT social_translations_language_check CHECK (language IN ('en', 'es', 'pt')),
    CONSTRAINT social_translations_revision_check CHECK (revision > 0),
    CONSTRAINT social_translations_text_check CHECK (char_length(text) <= 20000)
);
CREATE INDEX social_translations_claimed ON social_translations (claimed_until);

CREATE TABLE stock (
    sku         text         NOT NULL,
    on_hand     integer      NOT NULL DEFAULT 0,
    promised    integer      NOT NULL DEFAULT 0,
    counted_at  timestamptz,
    sellable    integer      NOT NULL GENERATED ALWAYS AS (GREATEST(on_hand - promised, 0)) STORED,
    shortage    integer      NOT NULL GENERATED ALWAYS AS (GREATEST(promised - on_hand, 0)) STORED,
    CONSTRAINT stock_pkey PRIMARY KEY (sku),
    CONSTRAINT stock_on_hand_check CHECK (on_hand >= 0),
    CONSTRAINT stock_promised_check CHECK (promised >= 0),
    CONSTRAINT stock_sku_fkey FOREIGN KEY (sku) REFERENCES products(sku)
) WITH (fillfactor=50);

CREATE TABLE stock_alerts (
    sku         text         NOT NULL,
    kind        text         NOT NULL,
    crossed_at  timestamptz  NOT NULL,
    CONSTRAINT stock_alerts_pkey PRIMARY KEY (sku, kind),
    CONSTRAINT stock_alerts_kind_check CHECK (kind IN ('low', 'shortage')),
    CONSTRAINT stock_alerts_sku_fkey FOREIGN KEY (sku) REFERENCES stock(sku)
);

CREATE TABLE stock_moves (
    id           bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    sku          text         NOT NULL,
    kind         text         NOT NULL,
    quantity     integer      NOT NULL,
    moved_at     timestamptz  NOT NULL,
    recorded_at  timestamptz  NOT NULL,
    counted_by   uuid,
    reason       text,
    order_id     uuid,
    parcel_id    uuid,
    CONSTRAINT stock_moves_pkey PRIMARY KEY (id),
    CONSTRAINT stock_moves_count CHECK ((kind = 'count') = (reason IS NOT NULL)),
    CONSTRAINT stock_moves_counted_by CHECK (counted_by IS NULL OR kind = 'count'),
    CONSTRAINT stock_moves_kind_check CHECK (kind IN ('count', 'promise', 'release', 'ship')),
    CONSTRAINT stock_moves_not_of_the_future CHECK (moved_at <= recorded_at),
    CONSTRAINT stock_moves_order CHECK ((kind = 'count') = (order_id IS NULL)),
    CONSTRAINT stock_moves_parcel CHECK ((kind = 'ship') = (parcel_id IS NOT NULL)),
    CONSTRAINT stock_moves_quantity_check CHECK (quantity >= 0),
    CONSTRAINT stock_moves_reason_check CHECK (length(reason) >= 1 AND length(reason) <= 500),
    CONSTRAINT stock_moves_tins CHECK (kind = 'count' OR quantity > 0),
    CONSTRAINT stock_moves_counted_by_fkey FOREIGN KEY (counted_by) REFERENCES members(id),
    CONSTRAINT stock_moves_item FOREIGN KEY (order_id, sku) REFERENCES order_items(order_id, sku),
    CONSTRAINT stock_moves_line FOREIGN KEY (parcel_id, sku) REFERENCES parcel_lines(parcel_id, sku),
    CONSTRAINT stock_moves_sku_fkey FOREIGN KEY (sku) REFERENCES stock(sku)
);
CREATE UNIQUE INDEX stock_moves_promised ON stock_moves (order_id, sku) WHERE kind = 'promise';
CREATE UNIQUE INDEX stock_moves_shipped ON stock_moves (parcel_id, sku) WHERE parcel_id IS NOT NULL;
CREATE INDEX stock_moves_sku ON stock_moves (sku, moved_at);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON stock_moves FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON stock_moves FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER stock_moved AFTER INSERT ON stock_moves REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE
    FUNCTION stock_moved();

CREATE TABLE sunset_notices (
    step     integer      NOT NULL,
    volume   bigint       NOT NULL,
    told_at  timestamptz  NOT NULL,
    CONSTRAINT sunset_notices_pkey PRIMARY KEY (step),
    CONSTRAINT sunset_notices_step_check CHECK (step >= 1 AND step <= 20),
    CONSTRAINT sunset_notices_volume_check CHECK (volume > 0)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON sunset_notices FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON sunset_notices FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE support_appeals (
    sanction_id      uuid         NOT NULL,
    member_id        uuid         NOT NULL,
    message          text         NOT NULL,
    made_at          timestamptz  NOT NULL,
    sent_at          timestamptz,
    opened_at        timestamptz,
    conversation_id  text,
    CONSTRAINT support_appeals_pkey PRIMARY KEY (sanction_id),
    CONSTRAINT support_appeals_conversation_id_check CHECK (length(conversation_id) >= 1 AND length(conversation_id) <=
        200),
    CONSTRAINT support_appeals_message_check CHECK (char_length(message) >= 1 AND char_length(message) <= 2000),
    CONSTRAINT support_appeals_opened CHECK ((opened_at IS NULL) = (conversation_id IS NULL)),
    CONSTRAINT support_appeals_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT support_appeals_sanction_id_fkey FOREIGN KEY (sanction_id) REFERENCES social_sanctions(id)
);
CREATE INDEX support_appeals_member ON support_appeals (member_id, made_at);

CREATE TABLE support_contacts (
    member_id    uuid         NOT NULL,
    contact_id   text,
    begun_at     timestamptz  NOT NULL,
    revision     bigint       NOT NULL DEFAULT 1,
    told         bigint       NOT NULL DEFAULT 0,
    told_at      timestamptz,
    look_at      timestamptz,
    waits_since  timestamptz,
    held_until   timestamptz,
    failures     integer      NOT NULL DEFAULT 0,
    refusal      text,
    CONSTRAINT support_contacts_pkey PRIMARY KEY (member_id),
    CONSTRAINT support_contacts_contact_id_check CHECK (length(contact_id) >= 1 AND length(contact_id) <= 200),
    CONSTRAINT support_contacts_failures_check CHECK (failures >= 0),
    CONSTRAINT support_contacts_refusal_check CHECK (length(refusal) >= 1 AND length(refusal) <= 200),
    CONSTRAINT support_contacts_told CHECK (told <= revision),
    CONSTRAINT support_contacts_waits CHECK ((look_at IS NULL) = (waits_since IS NULL)),
    CONSTRAINT support_contacts_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX support_contacts_answered ON support_contacts (told_at) WHERE told_at IS NOT NULL;
CREATE INDEX support_contacts_due ON support_contacts (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX support_contacts_waiting ON support_contacts (waits_since) WHERE waits_since IS NOT NULL;

CREATE TABLE support_events (
    id           uuid         NOT NULL DEFAULT gen_random_uuid(),
    member_id    uuid         NOT NULL,
    name         text         NOT NULL,
    metadata     jsonb        NOT NULL DEFAULT '{}',
    happened_at  timestamptz  NOT NULL,
    told_at      timestamptz,
    CONSTRAINT support_events_pkey PRIMARY KEY (id),
    CONSTRAINT support_events_name_check CHECK (name IN ('tier_changed', 'suspended', 'reinstated')),
    CONSTRAINT support_events_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX support_events_happened ON support_events (happened_at);
CREATE INDEX support_events_member ON support_events (member_id, happened_at);

CREATE TABLE tax_quotes (
    id          uuid         NOT NULL,
    member_id   uuid         NOT NULL,
    basis       bytea        NOT NULL,
    tax         usd          NOT NULL,
    shipping    usd          NOT NULL,
    lines       jsonb        NOT NULL,
    breakdown   jsonb        NOT NULL,
    quoted_at   timestamptz  NOT NULL,
    expires_at  timestamptz  NOT NULL,
    CONSTRAINT tax_quotes_pkey PRIMARY KEY (id),
    CONSTRAINT tax_quotes_basis_check CHECK (octet_length(basis) = 32),
    CONSTRAINT tax_quotes_check CHECK (shipping::bigint >= 0 AND shipping::bigint <= tax::bigint),
    CONSTRAINT tax_quotes_check1 CHECK (expires_at > quoted_at),
    CONSTRAINT tax_quotes_tax_check CHECK (tax::bigint >= 0),
    CONSTRAINT tax_quotes_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX tax_quotes_basis ON tax_quotes (member_id, basis, expires_at);
CREATE INDEX tax_quotes_old ON tax_quotes (expires_at);

CREATE TABLE tax_reports (
    id           uuid         NOT NULL,
    order_id     uuid         NOT NULL,
    refund_id    uuid,
    status       text         NOT NULL DEFAULT 'recorded',
    recorded_at  timestamptz  NOT NULL,
    sent_at      timestamptz,
    look_at      timestamptz,
    done_at      timestamptz,
    reference    text,
    refusal      text,
    CONSTRAINT tax_reports_pkey PRIMARY KEY (id),
    CONSTRAINT tax_reports_done CHECK ( CASE status     WHEN 'done' THEN num_nulls(done_at, reference) = 0     ELSE
        num_nonnulls(done_at, reference) = 0 END),
    CONSTRAINT tax_reports_id CHECK (id = COALESCE(refund_id, order_id)),
    CONSTRAINT tax_reports_looked_after CHECK ((look_at IS NULL) = (status = 'done')),
    CONSTRAINT tax_reports_sent CHECK (status = 'recorded' OR sent_at IS NOT NULL),
    CONSTRAINT tax_reports_status_check CHECK (status IN ('recorded', 'sent', 'done')),
    CONSTRAINT tax_reports_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id),
    CONSTRAINT tax_reports_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refunds(id)
);
CREATE INDEX tax_reports_done ON tax_reports (done_at) WHERE done_at IS NOT NULL;
CREATE INDEX tax_reports_due ON tax_reports (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX tax_reports_open ON tax_reports (recorded_at) WHERE status <> 'done';
CREATE INDEX tax_reports_order ON tax_reports (order_id);
CREATE INDEX tax_reports_refund ON tax_reports (refund_id) WHERE refund_id IS NOT NULL;
CREATE TRIGGER never_deleted BEFORE DELETE ON tax_reports FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON tax_reports FOR EACH STATEMENT EXECUTE FUNCTION
    payout_never_deleted();
CREATE TRIGGER tax_report_changed BEFORE UPDATE ON tax_reports FOR EACH ROW EXECUTE FUNCTION tax_report_changed();

CREATE TABLE teller_connections (
    id                 uuid         NOT NULL,
    enrollment_id      uuid         NOT NULL,
    teller_account_id  text         NOT NULL,
    name               text         NOT NULL,
    institution        text         NOT NULL,
    last_four          text         NOT NULL,
    currency           text         NOT NULL,
    closed_at          timestamptz,
    CONSTRAINT teller_connections_pkey PRIMARY KEY (id),
    CONSTRAINT teller_connections_currency_check CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT teller_connections_last_four_check CHECK (last_four ~ '^[0-9]{4}$'),
    CONSTRAINT teller_connections_name_check CHECK (name IN ('operating', 'reserve', 'comp_pool')),
    CONSTRAINT teller_connections_teller_account_id_check CHECK (teller_account_id ~ '^[A-Za-z0-9_]{1,100}$'),
    CONSTRAINT teller_connections_enrollment_id_fkey FOREIGN KEY (enrollment_id) REFERENCES teller_enrollments(id)
);
CREATE UNIQUE INDEX teller_connections_account ON teller_connections (teller_account_id) WHERE closed_at IS NULL;
CREATE INDEX teller_connections_enrollment ON teller_connections (enrollment_id);
CREATE UNIQUE INDEX teller_connections_name ON teller_connections (name) WHERE closed_at IS NULL;
CREATE UNIQUE INDEX teller_connections_same ON teller_connections (institution, last_four, currency) WHERE closed_at IS
    NULL;

CREATE TABLE teller_enrollments (
    id                    uuid         NOT NULL,
    teller_enrollment_id  text         NOT NULL,
    institution           text         NOT NULL,
    sealed_token          bytea,
    is_live               boolean      NOT NULL GENERATED ALWAYS AS (sealed_token IS NOT NULL) STORED,
    state                 text         NOT NULL,
    state_at              timestamptz  NOT NULL,
    connected_at          timestamptz  NOT NULL,
    reconnected_at        timestamptz,
    refusals              integer      NOT NULL DEFAULT 0,
    last_error            text,
    last_tried_at         timestamptz,
    last_synced_at        timestamptz,
    told_at               timestamptz  NOT NULL,
    CONSTRAINT teller_enrollments_pkey PRIMARY KEY (id),
    CONSTRAINT teller_enrollments_institution_check CHECK (length(institution) >= 1 AND length(institution) <= 100),
    CONSTRAINT teller_enrollments_last_error_check CHECK (length(last_error) >= 1 AND length(last_error) <= 200),
    CONSTRAINT teller_enrollments_refusals_check CHECK (refusals >= 0),
    CONSTRAINT teller_enrollments_state_check CHECK (state IN ('active', 'needs_reauth', 'disconnected')),
    CONSTRAINT teller_enrollments_teller_enrollment_id_check CHECK (teller_enrollment_id ~ '^[A-Za-z0-9_]{1,100}$'),
    CONSTRAINT teller_enrollments_token CHECK (state = 'disconnected' OR is_live)
);
CREATE UNIQUE INDEX teller_enrollments_live ON teller_enrollments (teller_enrollment_id) WHERE is_live;

CREATE TABLE tier_history (
    id             bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    member_id      uuid         NOT NULL,
    quarter        text,
    tier           tier         NOT NULL,
    scan_count     integer      NOT NULL,
    achieved_at    timestamptz  NOT NULL,
    expires_at     timestamptz,
    is_permanent   boolean      NOT NULL DEFAULT false,
    reason         text,
    entry_id       uuid         NOT NULL DEFAULT gen_random_uuid(),
    kind           text         NOT NULL DEFAULT 'earned',
    downline_tins  bigint,
    set_by         uuid,
    CONSTRAINT tier_history_pkey PRIMARY KEY (id),
    CONSTRAINT tier_history_check CHECK (is_permanent = (quarter IS NULL)),
    CONSTRAINT tier_history_check1 CHECK ((kind IN ('override', 'override_removed')) = (set_by IS NOT NULL)),
    CONSTRAINT tier_history_check2 CHECK (kind <> 'override' OR reason IS NOT NULL),
    CONSTRAINT tier_history_kind_check CHECK (kind IN ('earned', 'override', 'override_removed', 'ended')),
    CONSTRAINT tier_history_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT tier_history_set_by_fkey FOREIGN KEY (set_by) REFERENCES members(id)
);
CREATE UNIQUE INDEX tier_history_ended ON tier_history (member_id, quarter) WHERE kind = 'ended';
CREATE INDEX tier_history_member ON tier_history (member_id, quarter);
CREATE INDEX tier_history_newest ON tier_history (member_id, achieved_at DESC, entry_id DESC);
CREATE INDEX tier_history_setter ON tier_history (set_by) WHERE set_by IS NOT NULL;
CREATE TRIGGER referral_tier_changed AFTER INSERT ON tier_history FOR EACH ROW WHEN (new.kind <> 'earned' OR
    new.is_permanent) EXECUTE FUNCTION referral_tier_changed();
CREATE TRIGGER support_tier_changed AFTER INSERT ON tier_history FOR EACH ROW EXECUTE FUNCTION support_tier_changed();
CREATE TRIGGER tier_override_is_disinterested BEFORE INSERT ON tier_history FOR EACH ROW WHEN (new.kind = 'override')
    EXECUTE FUNCTION tier_override_is_disinterested();

CREATE TABLE tins_sold_daily (
    day     date    NOT NULL,
    source  text    NOT NULL,
    tins    bigint  NOT NULL,
    CONSTRAINT tins_sold_daily_pkey PRIMARY KEY (day, source),
    CONSTRAINT tins_sold_daily_source_check CHECK (source ~ '^[a-z_]+$'),
    CONSTRAINT tins_sold_daily_tins_check CHECK (tins >= 0)
);

CREATE TABLE top_up_approvals (
    id           bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    top_up_id    uuid         NOT NULL,
    approver_id  uuid         NOT NULL,
    note         text         NOT NULL,
    approved_at  timestamptz  NOT NULL,
    CONSTRAINT top_up_approvals_pkey PRIMARY KEY (id),
    CONSTRAINT top_up_approvals_top_up_id_approver_id_key UNIQUE (top_up_id, approver_id),
    CONSTRAINT top_up_approvals_approver_id_fkey FOREIGN KEY (approver_id) REFERENCES members(id),
    CONSTRAINT top_up_approvals_top_up_id_fkey FOREIGN KEY (top_up_id) REFERENCES top_ups(id)
);
CREATE INDEX top_up_approvals_approver ON top_up_approvals (approver_id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON top_up_approvals FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON top_up_approvals FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE TRIGGER top_up_approval_born BEFORE INSERT ON top_up_approvals FOR EACH ROW EXECUTE FUNCTION
    top_up_approval_born();

CREATE TABLE top_ups (
    id               uuid           NOT NULL,
    treasury         text           NOT NULL,
    to_address       evm_address    NOT NULL,
    source_chain_id  bigint         NOT NULL,
    source_contract  evm_address    NOT NULL,
    source_token     evm_address    NOT NULL,
    source_address   evm_address    NOT NULL,
    source_eid       bigint         NOT NULL,
    home_eid         bigint         NOT NULL,
    home_contract    evm_address    NOT NULL,
    amount           micro_usdt     NOT NULL,
    quoted           micro_usdt     NOT NULL,
    minimum          micro_usdt     NOT NULL,
    fee_wei          numeric(78,0)  NOT NULL,
    reason           text           NOT NULL,
    requested_by     uuid           NOT NULL,
    requested_at     timestamptz    NOT NULL,
    state            text           NOT NULL,
    state_at         timestamptz    NOT NULL,
    transactions     jsonb          NOT NULL DEFAULT '[]',
    source_hash      evm_hash,
    sent_at          timestamptz,
    fault            text,
    guid             evm_hash,
    spent            micro_usdt,
    bridged          micro_usdt,
    source_final_at  timestamptz,
    read_to          bigint         NOT NULL,
    arrival_hash     evm_hash,
    arrival_index    integer,
    direction        text           NOT NULL DEFAULT 'in',
    received         micro_usdt,
    arrived_at       timestamptz,
    late_at          timestamptz,
    twice_at         timestamptz,
    CONSTRAINT top_ups_pkey PRIMARY KEY (id),
    CONSTRAINT top_ups_guid_key UNIQUE (guid),
    CONSTRAINT top_ups_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT top_ups_arrived CHECK ((arrived_at IS NULL) = (arrival_hash IS NULL) AND (arrived_at IS NULL) =
        (arrival_index IS NULL) AND (arrived_at IS NULL) = (received IS NULL) AND (arrived_at IS NULL) = (state <>
        'arrived')),
    CONSTRAINT top_ups_bridged CHECK ((guid IS NULL) = (source_final_at IS NULL) AND (guid IS NULL) = (spent IS NULL)
        AND (guid IS NULL) = (bridged IS NULL) AND (guid IS NULL) = (state NOT IN ('bridging', 'arrived'))),
    CONSTRAINT top_ups_direction_check CHECK (direction = 'in'),
    CONSTRAINT top_ups_fee_wei_check CHECK (fee_wei >= 0::numeric),
    CONSTRAINT top_ups_followed CHECK ((state IN ('sent', 'bridging', 'arrived', 'reverted', 'refused')) <=
        (source_hash IS NOT NULL)),
    CONSTRAINT top_ups_home_eid_check CHECK (home_eid > 0),
    CONSTRAINT top_ups_minimum_check CHECK (minimum::bigint > 0),
    CONSTRAINT top_ups_quoted_check CHECK (quoted::bigint > 0),
    CONSTRAINT top_ups_read_to_check CHECK (read_to >= '-1'),
    CONSTRAINT top_ups_sent CHECK ((source_hash IS NULL) = (sent_at IS NULL)),
    CONSTRAINT top_ups_source_chain_id_check CHECK (source_chain_id > 0),
    CONSTRAINT top_ups_source_eid_check CHECK (source_eid > 0),
    CONSTRAINT top_ups_state_check CHECK (state IN ('requested', 'prepared', 'sent', 'bridging', 'arrived', 'reverted',
        'refused', 'cancelled')),
    CONSTRAINT top_ups_treasury_check CHECK (treasury <> 'shop'),
    CONSTRAINT top_ups_arrival_hash_arrival_index_direction_fkey FOREIGN KEY (arrival_hash, arrival_index, direction)
        REFERENCES chain_transfers(transaction_hash, log_index, direction),
    CONSTRAINT top_ups_requested_by_fkey FOREIGN KEY (requested_by) REFERENCES members(id),
    CONSTRAINT top_ups_treasury_fkey FOREIGN KEY (treasury) REFERENCES treasuries(name)
);
CREATE UNIQUE INDEX top_ups_arrival ON top_ups (arrival_hash, arrival_index, direction);
CREATE INDEX top_ups_final ON top_ups (source_final_at) WHERE source_final_at IS NOT NULL;
CREATE INDEX top_ups_lately ON top_ups (arrived_at, id) WHERE state = 'arrived';
CREATE INDEX top_ups_newest ON top_ups (requested_at, id);
CREATE INDEX top_ups_on_the_way ON top_ups (sent_at, id) WHERE state IN ('sent', 'bridging');
CREATE INDEX top_ups_pool ON top_ups (treasury, requested_at, id);
CREATE INDEX top_ups_requester ON top_ups (requested_by);
CREATE UNIQUE INDEX top_ups_source_hash ON top_ups (source_hash) WHERE state IN ('sent', 'bridging', 'arrived');
CREATE TRIGGER top_up_born BEFORE INSERT ON top_ups FOR EACH ROW EXECUTE FUNCTION top_up_born();
CREATE TRIGGER top_up_changed BEFORE UPDATE ON top_ups FOR EACH ROW EXECUTE FUNCTION top_up_changed();

CREATE TABLE transparency_metrics (
    at        timestamptz    NOT NULL,
    metric    text           NOT NULL,
    value     numeric(18,6)  NOT NULL,
    metadata  jsonb          NOT NULL DEFAULT '{}',
    CONSTRAINT transparency_metrics_pkey PRIMARY KEY (at, metric)
) PARTITION BY RANGE (at);

CREATE TABLE treasuries (
    name           text         NOT NULL,
    chain_id       bigint       NOT NULL,
    token_address  evm_address  NOT NULL,
    paused_at      timestamptz,
    pause_reason   text,
    finish_live    boolean      NOT NULL DEFAULT false,
    CONSTRAINT treasuries_pkey PRIMARY KEY (name),
    CONSTRAINT treasuries_check CHECK ((paused_at IS NULL) = (pause_reason IS NULL)),
    CONSTRAINT treasuries_name_check CHECK (name IN ('member', 'affiliate', 'wholesale', 'shop'))
);

CREATE TABLE treasury_alerts (
    treasury    text           NOT NULL,
    kind        text           NOT NULL,
    threshold   numeric(39,0)  NOT NULL,
    crossed_at  timestamptz,
    CONSTRAINT treasury_alerts_pkey PRIMARY KEY (treasury, kind),
    CONSTRAINT treasury_alerts_kind_check CHECK (kind IN ('usdt', 'gas')),
    CONSTRAINT treasury_alerts_threshold_check CHECK (threshold >= 0::numeric),
    CONSTRAINT treasury_alerts_treasury_check CHECK (treasury IN ('member', 'affiliate', 'wholesale', 'shop'))
);

CREATE TABLE treasury_days (
    treasury  text        NOT NULL,
    day       date        NOT NULL,
    amount    micro_usdt  NOT NULL,
    CONSTRAINT treasury_days_pkey PRIMARY KEY (treasury, day),
    CONSTRAINT treasury_days_amount_check CHECK (amount::bigint >= 0),
    CONSTRAINT treasury_days_treasury_fkey FOREIGN KEY (treasury) REFERENCES treasuries(name)
);

CREATE TABLE treasury_minutes (
    treasury  text         NOT NULL,
    minute    timestamptz  NOT NULL,
    amount    micro_usdt   NOT NULL,
    agreed    micro_usdt   NOT NULL DEFAULT 0,
    CONSTRAINT treasury_minutes_pkey PRIMARY KEY (treasury, minute),
    CONSTRAINT treasury_minutes_agreed_check CHECK (agreed::bigint >= 0),
    CONSTRAINT treasury_minutes_amount_check CHECK (amount::bigint >= 0),
    CONSTRAINT treasury_minutes_treasury_fkey FOREIGN KEY (treasury) REFERENCES treasuries(name)
);

CREATE TABLE treasury_snapshot_days (
    day         date         NOT NULL,
    treasury    text         NOT NULL,
    lowest      micro_usdt   NOT NULL,
    highest     micro_usdt   NOT NULL,
    closing     micro_usdt   NOT NULL,
    closing_at  timestamptz  NOT NULL,
    CONSTRAINT treasury_snapshot_days_pkey PRIMARY KEY (day, treasury),
    CONSTRAINT treasury_snapshot_days_treasury_check CHECK (treasury IN ('member', 'affiliate', 'wholesale', 'shop'))
);

CREATE TABLE treasury_snapshots (
    at               timestamptz    NOT NULL,
    treasury         text           NOT NULL,
    onchain_balance  micro_usdt     NOT NULL,
    bank_balance     numeric(18,2),
    block_number     bigint         NOT NULL,
    metadata         jsonb          NOT NULL DEFAULT '{}',
    CONSTRAINT treasury_snapshots_pkey PRIMARY KEY (at, treasury),
    CONSTRAINT treasury_snapshots_treasury_check CHECK (treasury IN ('member', 'affiliate', 'wholesale', 'shop'))
) PARTITION BY RANGE (at);

CREATE TABLE trip_places (
    comp_id       uuid    NOT NULL,
    month         date    NOT NULL,
    from_number   bigint  NOT NULL,
    freed_number  bigint,
    CONSTRAINT trip_places_pkey PRIMARY KEY (comp_id),
    CONSTRAINT trip_places_check CHECK (freed_number >= from_number),
    CONSTRAINT trip_places_month_check CHECK (month = date_trunc('month', month::timestamptz)),
    CONSTRAINT trip_places_comp_id_fkey FOREIGN KEY (comp_id) REFERENCES comps(id)
);
CREATE INDEX trip_places_month ON trip_places (month);

CREATE TABLE trips (
    comp_id                 uuid         NOT NULL,
    destination             text         NOT NULL,
    title                   text         NOT NULL,
    value                   micro_usdt   NOT NULL,
    state                   text         NOT NULL DEFAULT 'chosen',
    chosen_at               timestamptz  NOT NULL,
    concierge_contacted_at  timestamptz,
    chip_mailed_at          timestamptz,
    tracking_number         text,
    CONSTRAINT trips_pkey PRIMARY KEY (comp_id),
    CONSTRAINT trips_check CHECK ((state <> 'chosen') = (concierge_contacted_at IS NOT NULL)),
    CONSTRAINT trips_check1 CHECK ((state = 'chip_mailed') = (chip_mailed_at IS NOT NULL)),
    CONSTRAINT trips_check2 CHECK ((state = 'chip_mailed') = (tracking_number IS NOT NULL)),
    CONSTRAINT trips_state_check CHECK (state IN ('chosen', 'concierge_contacted', 'chip_mailed')),
    CONSTRAINT trips_value_check CHECK (value::bigint > 0),
    CONSTRAINT trips_comp_id_fkey FOREIGN KEY (comp_id) REFERENCES comps(id)
);
CREATE INDEX trips_open ON trips (chosen_at) WHERE state <> 'chip_mailed';
CREATE TRIGGER trip_changed BEFORE UPDATE ON trips FOR EACH ROW EXECUTE FUNCTION trip_changed();

CREATE TABLE usdt_deposits (
    id                uuid         NOT NULL,
    transaction_hash  evm_hash     NOT NULL,
    log_index         integer      NOT NULL,
    direction         text         NOT NULL DEFAULT 'in',
    payment_id        uuid,
    matched_by        text,
    transfer_id       uuid,
    found_at          timestamptz  NOT NULL,
    booked_at         timestamptz,
    outcome           text,
    CONSTRAINT usdt_deposits_pkey PRIMARY KEY (transaction_hash, log_index),
    CONSTRAINT usdt_deposits_id_key UNIQUE (id),
    CONSTRAINT usdt_deposits_booked CHECK ((booked_at IS NULL) = (outcome IS NULL) AND (booked_at IS NULL OR payment_id
        IS NOT NULL)),
    CONSTRAINT usdt_deposits_direction_check CHECK (direction = 'in'),
    CONSTRAINT usdt_deposits_matched CHECK ((payment_id IS NULL) = (matched_by IS NULL)),
    CONSTRAINT usdt_deposits_matched_by_check CHECK (matched_by IN ('hash', 'amount', 'sender', 'person')),
    CONSTRAINT usdt_deposits_outcome_check CHECK (outcome IN ('counted', 'returned')),
    CONSTRAINT usdt_deposits_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES usdt_requests(payment_id),
    CONSTRAINT usdt_deposits_transaction_hash_log_index_direction_fkey FOREIGN KEY (transaction_hash, log_index,
        direction) REFERENCES chain_transfers(transaction_hash, log_index, direction),
    CONSTRAINT usdt_deposits_transfer_id_fkey FOREIGN KEY (transfer_id) REFERENCES manual_transfers(payout_id)
);
CREATE INDEX usdt_deposits_payment ON usdt_deposits (payment_id);
CREATE INDEX usdt_deposits_transfer ON usdt_deposits (transfer_id);
CREATE INDEX usdt_deposits_unbooked ON usdt_deposits (found_at) WHERE payment_id IS NOT NULL AND booked_at IS NULL;
CREATE INDEX usdt_deposits_unmatched ON usdt_deposits (found_at, id) WHERE payment_id IS NULL;
CREATE TRIGGER usdt_deposit_born AFTER INSERT ON usdt_deposits FOR EACH ROW EXECUTE FUNCTION usdt_deposit_born();
CREATE TRIGGER usdt_deposit_changed BEFORE UPDATE ON usdt_deposits FOR EACH ROW EXECUTE FUNCTION
    usdt_deposit_changed();

CREATE TABLE usdt_requests (
    payment_id     uuid         NOT NULL,
    address        evm_address  NOT NULL,
    chain_id       bigint       NOT NULL,
    token_address  evm_address  NOT NULL,
    tail           integer,
    amount         micro_usdt   NOT NULL,
    refund_to      evm_address  NOT NULL,
    after_block    bigint       NOT NULL,
    opened_at      timestamptz  NOT NULL,
    closed_at      timestamptz,
    seen           micro_usdt   NOT NULL DEFAULT 0,
    received       micro_usdt   NOT NULL DEFAULT 0,
    charged        micro_usdt   NOT NULL DEFAULT 0,
    excess         micro_usdt   NOT NULL DEFAULT 0,
    returned       micro_usdt   NOT NULL DEFAULT 0,
    CONSTRAINT usdt_requests_pkey PRIMARY KEY (payment_id),
    CONSTRAINT usdt_requests_adds_up CHECK ((charged::bigint + excess::bigint + returned::bigint) <= received::bigint),
    CONSTRAINT usdt_requests_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT usdt_requests_charged_check CHECK (charged::bigint >= 0),
    CONSTRAINT usdt_requests_excess_check CHECK (excess::bigint >= 0),
    CONSTRAINT usdt_requests_returned_check CHECK (returned::bigint >= 0),
    CONSTRAINT usdt_requests_seen_check CHECK (seen::bigint >= 0),
    CONSTRAINT usdt_requests_tail CHECK ((amount::bigint % 10000::bigint) = COALESCE(tail, 0)),
    CONSTRAINT usdt_requests_tail_check CHECK (tail >= 1 AND tail <= 9999),
    CONSTRAINT usdt_requests_address_fkey FOREIGN KEY (address) REFERENCES signers(address),
    CONSTRAINT usdt_requests_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES payments(id)
);
CREATE INDEX usdt_requests_address ON usdt_requests (address);
CREATE INDEX usdt_requests_amount ON usdt_requests (amount, opened_at);
CREATE INDEX usdt_requests_open ON usdt_requests (opened_at) WHERE closed_at IS NULL;
CREATE INDEX usdt_requests_tail_closed ON usdt_requests (tail, closed_at);
CREATE UNIQUE INDEX usdt_requests_tail_open ON usdt_requests (tail) WHERE closed_at IS NULL;
CREATE INDEX usdt_requests_wallet ON usdt_requests (lower(refund_to::text)) WHERE closed_at IS NULL;
CREATE TRIGGER usdt_request_born BEFORE INSERT ON usdt_requests FOR EACH ROW EXECUTE FUNCTION usdt_request_born();
CREATE TRIGGER usdt_request_changed BEFORE UPDATE ON usdt_requests FOR EACH ROW EXECUTE FUNCTION
    usdt_request_changed();

CREATE TABLE usdt_returns (
    id           uuid         NOT NULL,
    payment_id   uuid         NOT NULL,
    amount       micro_usdt   NOT NULL,
    reason       text         NOT NULL,
    recorded_at  timestamptz  NOT NULL,
    paid_at      timestamptz,
    CONSTRAINT usdt_returns_pkey PRIMARY KEY (id),
    CONSTRAINT usdt_returns_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT usdt_returns_reason_check CHECK (reason IN ('excess', 'unused', 'late', 'duplicate')),
    CONSTRAINT usdt_returns_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES usdt_requests(payment_id)
);
CREATE INDEX usdt_returns_payment ON usdt_returns (payment_id);
CREATE INDEX usdt_returns_unpaid ON usdt_returns (recorded_at, id) WHERE paid_at IS NULL;
CREATE TRIGGER usdt_return_born BEFORE INSERT ON usdt_returns FOR EACH ROW EXECUTE FUNCTION usdt_return_born();
CREATE TRIGGER usdt_return_changed BEFORE UPDATE ON usdt_returns FOR EACH ROW EXECUTE FUNCTION usdt_return_changed();

CREATE TABLE vault_lots (
    id            uuid         NOT NULL,
    affiliate_id  uuid         NOT NULL,
    kind          text         NOT NULL,
    week_on       date         NOT NULL,
    chips         integer      NOT NULL,
    left_chips    integer      NOT NULL,
    vaulted_at    timestamptz  NOT NULL,
    expires_at    timestamptz  NOT NULL,
    CONSTRAINT vault_lots_pkey PRIMARY KEY (id),
    CONSTRAINT vault_lots_chips_check CHECK (chips > 0),
    CONSTRAINT vault_lots_kind_check CHECK (kind IN ('manual', 'overflow')),
    CONSTRAINT vault_lots_left CHECK (left_chips >= 0 AND left_chips <= chips),
    CONSTRAINT vault_lots_life CHECK (expires_at = (vaulted_at + '365 days')),
    CONSTRAINT vault_lots_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id)
);
CREATE INDEX vault_lots_affiliate ON vault_lots (affiliate_id, expires_at, id) WHERE left_chips > 0;
CREATE INDEX vault_lots_expiring ON vault_lots (expires_at, id) WHERE left_chips > 0;
CREATE UNIQUE INDEX vault_lots_overflow ON vault_lots (affiliate_id, week_on) WHERE kind = 'overflow';
CREATE INDEX vault_lots_owner ON vault_lots (affiliate_id, id);
CREATE TRIGGER vault_lot_changed BEFORE UPDATE ON vault_lots FOR EACH ROW EXECUTE FUNCTION vault_lot_changed();
CREATE TRIGGER vault_lot_made AFTER INSERT ON vault_lots FOR EACH ROW WHEN (new.kind = 'manual') EXECUTE FUNCTION
    vault_lot_made();
CREATE TRIGGER vault_lots_made AFTER INSERT ON vault_lots REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE
    FUNCTION vault_lots_made();

CREATE TABLE vault_months (
    month           date         NOT NULL,
    done_affiliate  uuid,
    finished_at     timestamptz,
    CONSTRAINT vault_months_pkey PRIMARY KEY (month),
    CONSTRAINT vault_months_month_check CHECK (EXTRACT(day FROM month) = 1::numeric)
);
CREATE TRIGGER vault_month_born BEFORE INSERT ON vault_months FOR EACH ROW EXECUTE FUNCTION vault_month_born();
CREATE TRIGGER vault_month_changed BEFORE UPDATE ON vault_months FOR EACH ROW EXECUTE FUNCTION vault_month_changed();

CREATE TABLE vault_moves (
    id            bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    affiliate_id  uuid         NOT NULL,
    lot_id        uuid         NOT NULL,
    kind          text         NOT NULL,
    chips         integer      NOT NULL,
    happened_at   timestamptz  NOT NULL,
    CONSTRAINT vault_moves_pkey PRIMARY KEY (id),
    CONSTRAINT vault_moves_chips_check CHECK (chips > 0),
    CONSTRAINT vault_moves_kind_check CHECK (kind IN ('vault', 'overflow', 'withdraw', 'expire', 'return')),
    CONSTRAINT vault_moves_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id),
    CONSTRAINT vault_moves_lot_id_fkey FOREIGN KEY (lot_id) REFERENCES vault_lots(id)
);
CREATE INDEX vault_moves_affiliate ON vault_moves (affiliate_id, happened_at, id);
CREATE UNIQUE INDEX vault_moves_expired ON vault_moves (lot_id) WHERE kind = 'expire';
CREATE INDEX vault_moves_happened ON vault_moves (happened_at);
CREATE INDEX vault_moves_lot ON vault_moves (lot_id);
CREATE UNIQUE INDEX vault_moves_made ON vault_moves (lot_id) WHERE kind IN ('vault', 'overflow');
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON vault_moves FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON vault_moves FOR EACH STATEMENT EXECUTE FUNCTION append_only();
CREATE TRIGGER vault_move_made AFTER INSERT ON vault_moves FOR EACH ROW WHEN (new.kind IN ('withdraw', 'expire',
    'return')) EXECUTE FUNCTION vault_move_made();

CREATE TABLE vault_warnings (
    lot_id     uuid         NOT NULL,
    days       smallint     NOT NULL,
    warned_at  timestamptz  NOT NULL,
    CONSTRAINT vault_warnings_pkey PRIMARY KEY (lot_id, days),
    CONSTRAINT vault_warnings_days_check CHECK (days IN (30, 7)),
    CONSTRAINT vault_warnings_lot_id_fkey FOREIGN KEY (lot_id) REFERENCES vault_lots(id)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON vault_warnings FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON vault_warnings FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE wallet_balances (
    member_id     uuid         NOT NULL,
    address       evm_address  NOT NULL,
    balance       micro_usdt   NOT NULL,
    block_number  bigint       NOT NULL,
    as_of         timestamptz  NOT NULL,
    CONSTRAINT wallet_balances_pkey PRIMARY KEY (member_id),
    CONSTRAINT wallet_balances_balance_check CHECK (balance::bigint >= 0),
    CONSTRAINT wallet_balances_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);

CREATE TABLE wallet_challenges (
    id          uuid         NOT NULL,
    member_id   uuid         NOT NULL,
    address     evm_address  NOT NULL,
    message     text         NOT NULL,
    created_at  timestamptz  NOT NULL,
    expires_at  timestamptz  NOT NULL,
    used_at     timestamptz,
    CONSTRAINT wallet_challenges_pkey PRIMARY KEY (id),
    CONSTRAINT wallet_challenges_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX wallet_challenges_expires ON wallet_challenges (expires_at);
CREATE INDEX wallet_challenges_member ON wallet_challenges (member_id);

CREATE TABLE wallet_id_tokens (
    mark       bytea        NOT NULL,
    member_id  uuid         NOT NULL,
    address    evm_address  NOT NULL,
    used_at    timestamptz  NOT NULL,
    CONSTRAINT wallet_id_tokens_pkey PRIMARY KEY (mark),
    CONSTRAINT wallet_id_tokens_mark_check CHECK (octet_length(mark) = 32),
    CONSTRAINT wallet_id_tokens_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX wallet_id_tokens_member ON wallet_id_tokens (member_id);
CREATE INDEX wallet_id_tokens_used ON wallet_id_tokens (used_at);

CREATE TABLE wallet_links (
    id         bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    member_id  uuid         NOT NULL,
    address    evm_address  NOT NULL,
    method     text         NOT NULL,
    linked_at  timestamptz  NOT NULL,
    CONSTRAINT wallet_links_pkey PRIMARY KEY (id),
    CONSTRAINT wallet_links_method_check CHECK (method IN ('eip191', 'id_token')),
    CONSTRAINT wallet_links_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE INDEX wallet_links_member ON wallet_links (member_id, linked_at);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON wallet_links FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON wallet_links FOR EACH STATEMENT EXECUTE FUNCTION append_only();

CREATE TABLE wallet_scans (
    token_address  evm_address  NOT NULL,
    scanned_to     bigint       NOT NULL,
    block_hash     evm_hash     NOT NULL,
    scanned_at     timestamptz  NOT NULL,
    CONSTRAINT wallet_scans_pkey PRIMARY KEY (token_address),
    CONSTRAINT wallet_scans_scanned_to_check CHECK (scanned_to >= 0),
    CONSTRAINT wallet_scans_token_address_check CHECK (token_address::text = lower(token_address::text))
);

CREATE TABLE wallet_tokens (
    id          uuid         NOT NULL,
    member_id   uuid         NOT NULL,
    session_id  uuid         NOT NULL,
    issued_at   timestamptz  NOT NULL,
    CONSTRAINT wallet_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT wallet_tokens_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT wallet_tokens_session_id_fkey FOREIGN KEY (session_id) REFERENCES sessions(id)
);
CREATE INDEX wallet_tokens_issued ON wallet_tokens (issued_at);
CREATE INDEX wallet_tokens_member ON wallet_tokens (member_id);
CREATE INDEX wallet_tokens_session ON wallet_tokens (session_id);

CREATE TABLE wallet_transactions (
    id                uuid         NOT NULL,
    member_id         uuid         NOT NULL,
    type              text         NOT NULL,
    amount            micro_usdt   NOT NULL,
    transaction_hash  evm_hash,
    from_address      evm_address,
    to_address        evm_address,
    status            text         NOT NULL,
    created_at        timestamptz  NOT NULL,
    confirmed_at      timestamptz,
    comp_id           uuid,
    withdrawal_id     uuid,
    block_number      bigint,
    log_index         integer,
    CONSTRAINT wallet_transactions_pkey PRIMARY KEY (id),
    CONSTRAINT wallet_transactions_withdrawal_id_key UNIQUE (withdrawal_id),
    CONSTRAINT wallet_transactions_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT wallet_transactions_check CHECK ((type = 'withdrawal') = (withdrawal_id IS NOT NULL)),
    CONSTRAINT wallet_transactions_found CHECK ((log_index IS NOT NULL) = (type IN ('external_deposit', 'oobit_spend'))
        AND (log_index IS NULL OR transaction_hash IS NOT NULL AND block_number IS NOT NULL AND status = 'confirmed')),
    CONSTRAINT wallet_transactions_log_index_check CHECK (log_index >= 0),
    CONSTRAINT wallet_transactions_status_check CHECK (status IN ('pending', 'confirmed', 'failed')),
    CONSTRAINT wallet_transactions_type_check CHECK (type IN ('comp_deposit', 'affiliate_deposit', 'withdrawal',
        'oobit_spend', 'external_deposit')),
    CONSTRAINT wallet_transactions_comp_id_fkey FOREIGN KEY (comp_id) REFERENCES comps(id),
    CONSTRAINT wallet_transactions_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT wallet_transactions_withdrawal_id_fkey FOREIGN KEY (withdrawal_id) REFERENCES withdrawals(id)
);
CREATE UNIQUE INDEX wallet_transactions_comp ON wallet_transactions (comp_id) WHERE comp_id IS NOT NULL;
CREATE UNIQUE INDEX wallet_transactions_log ON wallet_transactions (transaction_hash, log_index, type) WHERE log_index
    IS NOT NULL;
CREATE INDEX wallet_transactions_member ON wallet_transactions (member_id, created_at DESC, id DESC);

CREATE TABLE watch_minutes (
    minute    timestamptz  NOT NULL,
    is_up     boolean      NOT NULL,
    probe_ms  integer      NOT NULL,
    CONSTRAINT watch_minutes_pkey PRIMARY KEY (minute),
    CONSTRAINT watch_minutes_minute_check CHECK (minute = date_trunc('minute', minute, 'UTC')),
    CONSTRAINT watch_minutes_probe_ms_check CHECK (probe_ms >= 0)
);

CREATE TABLE webhook_deliveries (
    source       text         NOT NULL,
    event_id     text         NOT NULL,
    subject      text         NOT NULL,
    received_at  timestamptz  NOT NULL,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (source, event_id),
    CONSTRAINT webhook_deliveries_event_id_check CHECK (length(event_id) >= 1 AND length(event_id) <= 200),
    CONSTRAINT webhook_deliveries_source_check CHECK (source IN ('card', 'agechecker', 'selery', 'kintsugi', 'teller',
        'brevo')),
    CONSTRAINT webhook_deliveries_subject_check CHECK (length(subject) >= 1 AND length(subject) <= 200)
);
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (received_at);
CREATE INDEX webhook_deliveries_source ON webhook_deliveries (source, received_at);

CREATE TABLE wholesale_accounts (
    id                uuid         NOT NULL,
    serial            bigint       NOT NULL GENERATED ALWAYS AS IDENTITY,
    number            text         NOT NULL GENERATED ALWAYS AS ((('WP-' || EXTRACT(year FROM (created_at AT TIME ZONE
        'UTC'))::text) || '-') || lpad(serial::text, GREATEST(length(serial::text), 4), '0')) STORED,
    member_id         uuid         NOT NULL,
    company_name      text,
    contact_name      text,
    email             text,
    phone             text,
    business_address  jsonb,
    tax_id            bytea,
    tax_id_last4      text,
    status            text         NOT NULL DEFAULT 'pending',
    created_at        timestamptz  NOT NULL,
    applied_at        timestamptz  NOT NULL,
    decided_by        uuid,
    decided_at        timestamptz,
    reason            text,
    activated_at      timestamptz,
    CONSTRAINT wholesale_accounts_pkey PRIMARY KEY (id),
    CONSTRAINT wholesale_accounts_member_id_key UNIQUE (member_id),
    CONSTRAINT wholesale_accounts_serial_key UNIQUE (serial),
    CONSTRAINT wholesale_accounts_activated CHECK ( CASE status     WHEN 'active' THEN activated_at IS NOT NULL
        WHEN 'suspended' THEN true     ELSE activated_at IS NULL END),
    CONSTRAINT wholesale_accounts_business_address_check CHECK (jsonb_typeof(business_address) = 'object'),
    CONSTRAINT wholesale_accounts_decided CHECK ((status = 'pending') = (decided_at IS NULL)),
    CONSTRAINT wholesale_accounts_decision CHECK (num_nulls(decided_by, decided_at, reason) IN (0, 3)),
    CONSTRAINT wholesale_accounts_emptied CHECK ((num_nulls(company_name, contact_name, email, business_address,
        tax_id, tax_id_last4) IN (0, 6)) AND (phone IS NULL OR email IS NOT NULL)),
    CONSTRAINT wholesale_accounts_own CHECK (decided_by <> member_id),
    CONSTRAINT wholesale_accounts_reason_check CHECK (length(reason) >= 1 AND length(reason) <= 500),
    CONSTRAINT wholesale_accounts_status_check CHECK (status IN ('pending', 'approved', 'active', 'suspended',
        'rejected')),
    CONSTRAINT wholesale_accounts_tax_id_last4_check CHECK (tax_id_last4 ~ '^\d{4}$'),
    CONSTRAINT wholesale_accounts_decided_by_fkey FOREIGN KEY (decided_by) REFERENCES members(id),
    CONSTRAINT wholesale_accounts_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id)
);
CREATE UNIQUE INDEX wholesale_accounts_email ON wholesale_accounts (lower(email));
CREATE INDEX wholesale_accounts_listed ON wholesale_accounts (applied_at DESC, id DESC);
CREATE INDEX wholesale_accounts_rejected ON wholesale_accounts (decided_at) WHERE status = 'rejected';
CREATE TRIGGER wholesale_account_born BEFORE INSERT ON wholesale_accounts FOR EACH ROW EXECUTE FUNCTION
    wholesale_account_born();
CREATE TRIGGER wholesale_account_changed BEFORE UPDATE ON wholesale_accounts FOR EACH ROW EXECUTE FUNCTION
    wholesale_account_changed();
CREATE TRIGGER wholesale_account_removed BEFORE DELETE ON wholesale_accounts FOR EACH ROW EXECUTE FUNCTION
    wholesale_account_removed();

CREATE TABLE wholesale_chips (
    id          uuid         NOT NULL DEFAULT gen_random_uuid(),
    account_id  uuid         NOT NULL,
    order_id    uuid         NOT NULL,
    refund_id   uuid,
    chips       integer      NOT NULL,
    earned_at   timestamptz  NOT NULL,
    CONSTRAINT wholesale_chips_pkey PRIMARY KEY (id),
    CONSTRAINT wholesale_chips_refund_id_key UNIQUE (refund_id),
    CONSTRAINT wholesale_chips_sign CHECK ( CASE     WHEN refund_id IS NULL THEN chips > 0     ELSE chips < 0 END),
    CONSTRAINT wholesale_chips_account_id_fkey FOREIGN KEY (account_id) REFERENCES wholesale_accounts(id),
    CONSTRAINT wholesale_chips_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders(id),
    CONSTRAINT wholesale_chips_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES refunds(id)
);
CREATE INDEX wholesale_chips_account ON wholesale_chips (account_id, earned_at, id);
CREATE INDEX wholesale_chips_earned ON wholesale_chips (earned_at);
CREATE UNIQUE INDEX wholesale_chips_once ON wholesale_chips (order_id) WHERE refund_id IS NULL;
CREATE INDEX wholesale_chips_order ON wholesale_chips (order_id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON wholesale_chips FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON wholesale_chips FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE wholesale_comps (
    id            uuid         NOT NULL,
    account_id    uuid         NOT NULL,
    milestone_id  uuid,
    amount        micro_usdt   NOT NULL,
    reason        text         NOT NULL,
    awarded_by    uuid         NOT NULL,
    awarded_at    timestamptz  NOT NULL,
    CONSTRAINT wholesale_comps_pkey PRIMARY KEY (id),
    CONSTRAINT wholesale_comps_milestone_id_key UNIQUE (milestone_id),
    CONSTRAINT wholesale_comps_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT wholesale_comps_reason_check CHECK (length(reason) >= 1 AND length(reason) <= 500),
    CONSTRAINT wholesale_comps_account_id_fkey FOREIGN KEY (account_id) REFERENCES wholesale_accounts(id),
    CONSTRAINT wholesale_comps_awarded_by_fkey FOREIGN KEY (awarded_by) REFERENCES members(id),
    CONSTRAINT wholesale_comps_milestone_id_fkey FOREIGN KEY (milestone_id) REFERENCES wholesale_milestones(id)
);
CREATE INDEX wholesale_comps_account ON wholesale_comps (account_id, awarded_at, id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON wholesale_comps FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON wholesale_comps FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();
CREATE TRIGGER wholesale_comp_born BEFORE INSERT ON wholesale_comps FOR EACH ROW EXECUTE FUNCTION
    wholesale_comp_born();
CREATE CONSTRAINT TRIGGER wholesale_comp_owed AFTER INSERT ON wholesale_comps DEFERRABLE INITIALLY DEFERRED FOR EACH
    ROW EXECUTE FUNCTION wholesale_comp_owed();

CREATE TABLE wholesale_milestones (
    id          uuid         NOT NULL DEFAULT gen_random_uuid(),
    account_id  uuid         NOT NULL,
    chips       integer      NOT NULL,
    value       micro_usdt   NOT NULL,
    reached_at  timestamptz  NOT NULL,
    CONSTRAINT wholesale_milestones_pkey PRIMARY KEY (id),
    CONSTRAINT wholesale_milestones_account_id_chips_key UNIQUE (account_id, chips),
    CONSTRAINT wholesale_milestones_chips_check CHECK (chips > 0),
    CONSTRAINT wholesale_milestones_value_check CHECK (value::bigint > 0),
    CONSTRAINT wholesale_milestones_account_id_fkey FOREIGN KEY (account_id) REFERENCES wholesale_accounts(id)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON wholesale_milestones FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON wholesale_milestones FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE withdrawal_events (
    id             bigint            NOT NULL GENERATED ALWAYS AS IDENTITY,
    withdrawal_id  uuid              NOT NULL,
    state          withdrawal_state  NOT NULL,
    block_number   bigint,
    happened_at    timestamptz       NOT NULL,
    CONSTRAINT withdrawal_events_pkey PRIMARY KEY (id),
    CONSTRAINT withdrawal_events_withdrawal_id_fkey FOREIGN KEY (withdrawal_id) REFERENCES withdrawals(id)
);
CREATE INDEX withdrawal_events_withdrawal ON withdrawal_events (withdrawal_id, id);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON withdrawal_events FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON withdrawal_events FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE withdrawal_transitions (
    from_state  withdrawal_state  NOT NULL,
    to_state    withdrawal_state  NOT NULL,
    CONSTRAINT withdrawal_transitions_pkey PRIMARY KEY (from_state, to_state)
);
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON withdrawal_transitions FOR EACH ROW EXECUTE FUNCTION
    append_only();
CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON withdrawal_transitions FOR EACH STATEMENT EXECUTE FUNCTION
    append_only();

CREATE TABLE withdrawals (
    id                            uuid              NOT NULL,
    member_id                     uuid              NOT NULL,
    from_address                  evm_address       NOT NULL,
    to_address                    evm_address       NOT NULL,
    amount                        micro_usdt        NOT NULL,
    chain_id                      bigint            NOT NULL,
    token_address                 evm_address       NOT NULL,
    nonce                         bigint            NOT NULL,
    gas_limit                     bigint            NOT NULL,
    fee_per_gas_wei_max           bigint            NOT NULL,
    priority_fee_per_gas_wei_max  bigint            NOT NULL,
    prepared_at                   timestamptz       NOT NULL,
    expires_at                    timestamptz       NOT NULL,
    state                         withdrawal_state  NOT NULL DEFAULT 'prepared',
    state_at                      timestamptz       NOT NULL,
    raw                           bytea,
    transaction_hash              evm_hash,
    signed_at                     timestamptz,
    checked_at                    timestamptz,
    block_number                  bigint,
    block_hash                    evm_hash,
    succeeded                     boolean,
    prepared_block                bigint,
    outcome_hash                  evm_hash,
    payment_id                    uuid,
    CONSTRAINT withdrawals_pkey PRIMARY KEY (id),
    CONSTRAINT withdrawals_transaction_hash_key UNIQUE (transaction_hash),
    CONSTRAINT withdrawals_amount_check CHECK (amount::bigint > 0),
    CONSTRAINT withdrawals_bytes_have_a_hash CHECK (raw IS NULL OR transaction_hash IS NOT NULL),
    CONSTRAINT withdrawals_chain_id_check CHECK (chain_id > 0),
    CONSTRAINT withdrawals_check CHECK (lower(from_address::text) <> lower(to_address::text)),
    CONSTRAINT withdrawals_check1 CHECK (expires_at > prepared_at),
    CONSTRAINT withdrawals_check2 CHECK (priority_fee_per_gas_wei_max <= fee_per_gas_wei_max),
    CONSTRAINT withdrawals_check6 CHECK ((state IN ('mined', 'confirmed', 'reverted')) = (block_number IS NOT NULL AND
        block_hash IS NOT NULL AND succeeded IS NOT NULL)),
    CONSTRAINT withdrawals_check7 CHECK (state <> 'confirmed' OR succeeded),
    CONSTRAINT withdrawals_check8 CHECK (state <> 'reverted' OR NOT succeeded),
    CONSTRAINT withdrawals_fee_per_gas_wei_max_check CHECK (fee_per_gas_wei_max > 0),
    CONSTRAINT withdrawals_gas_limit_check CHECK (gas_limit > 0),
    CONSTRAINT withdrawals_hash_by_state CHECK ((state IN ('prepared', 'cancelled', 'expired')) = (transaction_hash IS
        NULL)),
    CONSTRAINT withdrawals_hash_has_a_time CHECK ((transaction_hash IS NULL) = (signed_at IS NULL)),
    CONSTRAINT withdrawals_nonce_check CHECK (nonce >= 0),
    CONSTRAINT withdrawals_outcome_is_final CHECK (outcome_hash IS NULL OR (state IN ('confirmed', 'reverted',
        'replaced'))),
    CONSTRAINT withdrawals_prepared_block_check CHECK (prepared_block >= 0),
    CONSTRAINT withdrawals_priority_fee_per_gas_wei_max_check CHECK (priority_fee_per_gas_wei_max > 0),
    CONSTRAINT withdrawals_member_id_fkey FOREIGN KEY (member_id) REFERENCES members(id),
    CONSTRAINT withdrawals_payment_id_fkey FOREIGN KEY (payment_id) REFERENCES usdt_requests(payment_id)
);
CREATE INDEX withdrawals_followed ON withdrawals (checked_at) WHERE state IN ('signed', 'mined', 'lapsed');
CREATE INDEX withdrawals_member ON withdrawals (member_id, prepared_at DESC, id DESC);
CREATE UNIQUE INDEX withdrawals_one_open ON withdrawals (lower(from_address::text)) WHERE state IN ('prepared',
    'signed', 'mined');
CREATE INDEX withdrawals_payment ON withdrawals (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX withdrawals_unsigned ON withdrawals (expires_at) WHERE state = 'prepared';
CREATE TRIGGER never_deleted BEFORE DELETE ON withdrawals FOR EACH ROW EXECUTE FUNCTION payout_never_deleted();
CREATE TRIGGER never_truncated BEFORE TRUNCATE ON withdrawals FOR EACH STATEMENT EXECUTE FUNCTION
    payout_never_deleted();
CREATE TRIGGER withdrawal_born AFTER INSERT ON withdrawals FOR EACH ROW EXECUTE FUNCTION withdrawal_born();
CREATE TRIGGER withdrawal_changed BEFORE UPDATE ON withdrawals FOR EACH ROW EXECUTE FUNCTION withdrawal_changed();
CREATE TRIGGER withdrawal_hash_fixed BEFORE UPDATE ON withdrawals FOR EACH ROW EXECUTE FUNCTION
    withdrawal_hash_fixed();
CREATE TRIGGER withdrawal_payment_fixed BEFORE UPDATE ON withdrawals FOR EACH ROW WHEN (new.payment_id IS DISTINCT FROM
    old.payment_id) EXECUTE FUNCTION withdrawal_pays_order();
CREATE TRIGGER withdrawal_pays_order BEFORE INSERT ON withdrawals FOR EACH ROW WHEN (new.payment_id IS NOT NULL)
    EXECUTE FUNCTION withdrawal_pays_order();

CREATE TABLE withheld_chips (
    scan_number   bigint       NOT NULL,
    affiliate_id  uuid         NOT NULL,
    week_on       date         NOT NULL,
    judged_at     timestamptz,
    counts        boolean,
    referred_id   uuid         NOT NULL,
    CONSTRAINT withheld_chips_pkey PRIMARY KEY (scan_number),
    CONSTRAINT withheld_chips_judged CHECK ((judged_at IS NULL) = (counts IS NULL)),
    CONSTRAINT withheld_chips_affiliate_id_fkey FOREIGN KEY (affiliate_id) REFERENCES members(id),
    CONSTRAINT withheld_chips_referred_id_fkey FOREIGN KEY (referred_id) REFERENCES members(id),
    CONSTRAINT withheld_chips_scan_number_fkey FOREIGN KEY (scan_number) REFERENCES affiliate_chips(scan_number),
    CONSTRAINT withheld_chips_week_on_fkey FOREIGN KEY (week_on) REFERENCES affiliate_weeks(week_on)
);
CREATE INDEX withheld_chips_affiliate ON withheld_chips (affiliate_id);
CREATE INDEX withheld_chips_referred ON withheld_chips (referred_id);
CREATE INDEX withheld_chips_waiting ON withheld_chips (scan_number) WHERE judged_at IS NULL;
CREATE INDEX withheld_chips_week ON withheld_chips (week_on);

CREATE VIEW chip_counts AS
 SELECT affiliate_id,
    sum(earned)::bigint AS earned
   FROM ( SELECT affiliate_id,
            earned
           FROM chip_balances
        UNION ALL
         SELECT member_id,
            change
           FROM late_counts
          WHERE kind = 'chips') counts
  GROUP BY affiliate_id;

CREATE VIEW inbox_counts AS
 SELECT member_id,
    sum(unread)::integer AS unread,
    max(all_read_at) AS all_read_at,
    sum(revision)::bigint AS revision
   FROM ( SELECT member_id,
            unread,
            all_read_at,
            revision
           FROM inboxes
        UNION ALL
         SELECT member_id,
            change,
            NULL::timestamptz,
            1
           FROM late_counts
          WHERE kind = 'unread') counts
  GROUP BY member_id;

CREATE OR REPLACE FUNCTION activity_counts()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO active_days AS kept (last_day, members)
    SELECT last_day, count(*) FROM added GROUP BY last_day ORDER BY last_day
    ON CONFLICT (last_day) DO UPDATE SET members = kept.members + EXCLUDED.members;
    IF TG_OP = 'UPDATE' THEN
        UPDATE active_days kept SET members = kept.members - gone.members
        FROM (SELECT last_day, count(*) AS members FROM removed GROUP BY last_day) gone
        WHERE kept.last_day = gone.last_day;
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_earning_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.id, NEW.affiliate_id, NEW.referred_id, NEW.kind, NEW.comp_id, NEW.value, NEW.percent, NEW.amount,
        NEW.earned_at, NEW.reverses_id, NEW.awarded_by, NEW.reason)
       IS DISTINCT FROM
       (OLD.id, OLD.affiliate_id, OLD.referred_id, OLD.kind, OLD.comp_id, OLD.value, OLD.percent, OLD.amount,
        OLD.earned_at, OLD.reverses_id, OLD.awarded_by, OLD.reason)
       OR (OLD.agreed_by IS NOT NULL AND NEW.agreed_by IS DISTINCT FROM OLD.agreed_by) THEN
        PERFORM refuse('earning_terms', format('the terms of earning %s are fixed', OLD.id));
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN
       (('in_review', 'pending'), ('in_review', 'cancelled'), ('pending', 'paid'), ('pending', 'cancelled'),
        ('pending', 'in_review')) THEN
        PERFORM refuse('earning_transition', format('earning %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    IF (OLD.status, NEW.status) = ('pending', 'in_review') AND NOT EXISTS
       (SELECT FROM referral_reviews WHERE referred_id = OLD.referred_id AND status = 'open') THEN
        PERFORM refuse('earning_transition', format('nobody looks at the referral of earning %s', OLD.id));
    END IF;
    IF NEW.status IN ('cancelled', 'in_review') AND NEW.status <> OLD.status AND EXISTS
       (SELECT FROM affiliate_payout_lines WHERE earning_id = OLD.id AND released_at IS NULL) THEN
        PERFORM refuse('earning_cancelled', format('a payout may pay earning %s: it can only be reversed', OLD.id));
    END IF;
    IF NEW.status IN ('cancelled', 'in_review') AND NEW.status <> OLD.status AND EXISTS
       (SELECT FROM affiliate_earnings WHERE reverses_id = OLD.id) THEN
        PERFORM refuse('earning_cancelled', format('earning %s was reversed', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_is_payable(member members, at timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT member.status = 'active' AND member.wallet_address IS NOT NULL
       AND (member.wallet_rests_until IS NULL OR member.wallet_rests_until <= at)
       AND NOT EXISTS (SELECT FROM signers WHERE lower(address) = lower(member.wallet_address))
       AND NOT EXISTS (SELECT FROM treasuries WHERE lower(token_address) = lower(member.wallet_address))
$function$;

CREATE OR REPLACE FUNCTION affiliate_line_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (to_jsonb(NEW) - 'released_at') <> (to_jsonb(OLD) - 'released_at') OR OLD.released_at IS NOT NULL
       OR NOT EXISTS (SELECT FROM affiliate_payouts WHERE id = NEW.payout_id AND state = 'cancelled') THEN
        PERFORM refuse('affiliate_line_stays', format('a line of payout %s is released once, with it', NEW.payout_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_lines_fit()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    PERFORM FROM affiliate_earnings
    WHERE id = ANY(ARRAY(SELECT earning_id FROM added WHERE earning_id IS NOT NULL)) ORDER BY id FOR SHARE;
    IF EXISTS (SELECT FROM added WHERE earning_id IS NOT NULL AND amount IS DISTINCT FROM
               (SELECT e.amount FROM affiliate_earnings e
                WHERE e.id = added.earning_id AND e.affiliate_id = added.affiliate_id AND e.status = 'pending'))
       OR EXISTS (SELECT FROM added WHERE share_week IS NOT NULL AND amount IS DISTINCT FROM
                  (SELECT s.share FROM affiliate_week_shares s
                   WHERE s.week_on = added.share_week AND s.affiliate_id = added.affiliate_id
                     AND s.settled_at IS NULL)) THEN
        PERFORM refuse('affiliate_line_owed', 'a line pays what is not owed');
    END IF;
    IF EXISTS (SELECT FROM (SELECT payout_id, affiliate_id, sum(amount) AS amount FROM added
                            GROUP BY payout_id, affiliate_id) whole
               WHERE amount IS DISTINCT FROM
               (SELECT p.amount FROM affiliate_payouts p
                WHERE p.id = whole.payout_id AND p.affiliate_id = whole.affiliate_id AND p.state = 'proposed')) THEN
        PERFORM refuse('affiliate_lines_sum', 'the lines of a payout are not its amount');
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_payout_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF (NEW.id, NEW.affiliate_id, NEW.week_on, NEW.address, NEW.amount, NEW.made_at)
       IS DISTINCT FROM (OLD.id, OLD.affiliate_id, OLD.week_on, OLD.address, OLD.amount, OLD.made_at)
       OR (OLD.payout_id IS NOT NULL AND NEW.payout_id <> OLD.payout_id) THEN
        PERFORM refuse('affiliate_payout_terms', format('the terms of payout %s are fixed', OLD.id));
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) NOT IN (('proposed', 'requested'), ('proposed', 'cancelled'), ('requested', 'paid'),
                                      ('requested', 'cancelled')) THEN
        PERFORM refuse('affiliate_payout_transition', format('payout %s: %s to %s', OLD.id, OLD.state, NEW.state));
    END IF;
    IF NEW.state = 'requested' AND (
        NOT EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND source_kind = 'affiliate_payout'
                    AND source_id = NEW.id::text AND amount = NEW.amount AND member_id = NEW.affiliate_id
                    AND lower(recipient_address) = lower(NEW.address))
        OR (SELECT sum(amount) FROM affiliate_payout_lines WHERE payout_id = NEW.id) IS DISTINCT FROM NEW.amount) THEN
        PERFORM refuse('affiliate_payout_promised', format('payout %s is promised on other terms', NEW.id));
    END IF;
    IF NEW.state = 'requested' AND NEW.week_on IS NOT NULL AND NOT EXISTS
       (SELECT FROM affiliate_weeks WHERE week_on = NEW.week_on AND state = 'approved') THEN
        PERFORM refuse('affiliate_payout_agreed', format('nobody has agreed to payout %s', NEW.id));
    END IF;
    IF NEW.state = 'paid' AND NOT EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND state = 'PAID') THEN
        PERFORM refuse('affiliate_payout_paid', format('payout %s is not paid', NEW.id));
    END IF;
    IF NEW.state = 'cancelled' AND EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND state <> 'CANCELLED') THEN
        PERFORM refuse('affiliate_payout_open', format('payout %s may still be paid', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_program_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF OLD.state = 'sunset' AND (NEW.state, NEW.sunset_at, NEW.weights)
       IS DISTINCT FROM (OLD.state, OLD.sunset_at, OLD.weights) THEN
        PERFORM refuse('program_closed', 'the program of affiliates stays closed');
    END IF;
    IF NEW.state = 'sunset' AND OLD.state = 'open' AND (
        NEW.full_days < (SELECT (value ->> 'days')::integer FROM settings WHERE name = 'affiliate_sunset')
        OR NOT EXISTS (SELECT FROM sunset_notices WHERE step = 20)
        OR NEW.weights IS DISTINCT FROM (SELECT coalesce(sum(weight), 0) FROM locked_shares)) THEN
        PERFORM refuse('program_sunset', 'the volume that closes the program of affiliates was not reached long enough');
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_program_is_open()
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT state = 'open' FROM affiliate_program
$function$;

CREATE OR REPLACE FUNCTION affiliate_proposals_unmade()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM changed LEFT JOIN affiliate_weeks w USING (week_on)
               WHERE w.state IS DISTINCT FROM 'opened' OR changed.payout_id IS NOT NULL
                  OR changed.state NOT IN ('proposed', 'cancelled')) THEN
        PERFORM refuse('affiliate_payout_stays', 'only proposals of a rejected week are removed');
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_share_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (to_jsonb(NEW) - 'settled_at' - 'given_up') <> (to_jsonb(OLD) - 'settled_at' - 'given_up')
       OR OLD.settled_at IS NOT NULL THEN
        PERFORM refuse('week_share_terms', format('a share of the week of %s is fixed', OLD.week_on));
    END IF;
    IF NEW.given_up AND EXISTS (SELECT FROM affiliate_payout_lines
        WHERE share_week = NEW.week_on AND affiliate_id = NEW.affiliate_id AND released_at IS NULL) THEN
        PERFORM refuse('week_share_open', format('a payout may pay the share of the week of %s', OLD.week_on));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_shares_made()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM changed JOIN affiliate_weeks USING (week_on) WHERE state <> 'opened') THEN
        PERFORM refuse('week_shares', 'the shares of a week are made while it is counted');
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_week_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    before affiliate_weeks%ROWTYPE;
BEGIN
    SELECT * INTO before FROM affiliate_weeks ORDER BY week_on DESC LIMIT 1;
    IF NEW.state <> 'opened' OR (before.week_on IS NOT NULL AND (NEW.week_on, NEW.first_number)
                                 IS DISTINCT FROM (before.week_on + 7, before.last_number + 1)) THEN
        PERFORM refuse('week_follows', format('the week of %s does not follow the one before', NEW.week_on));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_week_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    counted record;
BEGIN
    IF (NEW.week_on, NEW.first_number, NEW.last_number, NEW.pool, NEW.chips_max, NEW.payout_min, NEW.opened_at)
       IS DISTINCT FROM
       (OLD.week_on, OLD.first_number, OLD.last_number, OLD.pool, OLD.chips_max, OLD.payout_min, OLD.opened_at) THEN
        PERFORM refuse('week_terms', format('the range and the pool of the week of %s are fixed', OLD.week_on));
    END IF;
    IF OLD.approved_at IS NOT NULL AND (NEW.approved_at, NEW.ready_at, NEW.digest, NEW.payment_digest, NEW.chips)
       IS DISTINCT FROM (OLD.approved_at, OLD.ready_at, OLD.digest, OLD.payment_digest, OLD.chips) THEN
        PERFORM refuse('week_agreed', format('people have agreed to the week of %s', OLD.week_on));
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF (OLD.state, NEW.state) NOT IN
       (('opened', 'counted'), ('counted', 'ready'), ('ready', 'opened'), ('ready', 'approved'),
        ('approved', 'requested'), ('requested', 'told'), ('told', 'completed'), ('opened', 'completed')) THEN
        PERFORM refuse('week_transition', format('week of %s: %s to %s', OLD.week_on, OLD.state, NEW.state));
    END IF;
    IF NEW.state = 'counted' THEN
        SELECT count(*) AS rows, coalesce(sum(chips), 0) AS chips, coalesce(sum(share), 0) AS share INTO counted
        FROM affiliate_week_shares WHERE week_on = NEW.week_on;
        IF (counted.chips, counted.share, counted.rows) IS DISTINCT FROM (NEW.chips, NEW.pool::numeric, NEW.affiliates::bigint) THEN
            PERFORM refuse('week_adds_up', format('the shares of the week of %s are not its pool', OLD.week_on));
        END IF;
    END IF;
    IF NEW.state = 'approved' AND (week_is_rejected(NEW) OR week_is_held(NEW)
                                       OR week_approvals_given(NEW) < NEW.approvals) THEN
        PERFORM refuse('week_approved', format('too few people have agreed to the week of %s', OLD.week_on));
    END IF;
    IF NEW.state = 'approved' AND NOT ledger_has('week:' || NEW.week_on, 'week:affiliate', -NEW.pool) THEN
        PERFORM refuse('week_booked', format('the shares of the week of %s are not promised', OLD.week_on));
    END IF;
    IF NEW.state IN ('requested', 'completed') AND EXISTS (SELECT FROM affiliate_payouts
        WHERE week_on = NEW.week_on AND state = ANY(CASE NEW.state WHEN 'requested' THEN ARRAY['proposed']
                                                    ELSE ARRAY['proposed', 'requested'] END)) THEN
        PERFORM refuse('week_open', format('payouts of the week of %s are open', OLD.week_on));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_week_decided()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    PERFORM FROM affiliate_weeks WHERE week_on = NEW.week_on AND state = 'ready' AND ready_at = NEW.ready_at
                                   AND payment_digest = NEW.payment_digest FOR SHARE;
    IF NOT FOUND THEN
        PERFORM refuse('week_decision', format('the week of %s is not what was shown', NEW.week_on));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION affiliate_week_stays()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    PERFORM refuse('week_stays', format('the week of %s stays', OLD.week_on));
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION age_check_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.id, NEW.member_id, NEW.recorded_at) IS DISTINCT FROM (OLD.id, OLD.member_id, OLD.recorded_at)
       OR (OLD.reference IS NOT NULL AND NEW.reference IS DISTINCT FROM OLD.reference)
       OR (OLD.status <> 'pending' AND (NEW.status, NEW.valid_until) IS DISTINCT FROM (OLD.status, OLD.valid_until)) THEN
        PERFORM refuse('age_check_decided', format('age check %s is decided once', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION agreed_in_week(payout payouts)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT payout.source_kind = 'affiliate_payout' AND EXISTS (
        SELECT FROM affiliate_payouts p JOIN affiliate_weeks w USING (week_on)
        WHERE p.payout_id = payout.id AND w.approved_at IS NOT NULL) AND NOT approved_own_week(payout)
$function$;

CREATE OR REPLACE FUNCTION append_only()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    PERFORM refuse('append_only', format('%s rows are never changed or removed', TG_TABLE_NAME));
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION approval_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    payout payouts%ROWTYPE;
BEGIN
    SELECT * INTO payout FROM payouts WHERE id = NEW.payout_id FOR SHARE;
    IF payout.state NOT IN ('HELD', 'QUARANTINED') THEN
        PERFORM refuse('approvals', format('payout %s waits for nobody', NEW.payout_id));
    END IF;
    IF NEW.approver_id IN (payout.member_id, payout.requested_by) THEN
        PERFORM refuse('approvals', format('payout %s is the approver''s own', NEW.payout_id));
    END IF;
    NEW.hold := payout.holds;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION approval_is_certain()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND state = 'HELD' AND payout_in_doubt(payouts)) THEN
        PERFORM refuse('R8_unexplained', format('payout %s may have been paid by a foreign transaction', NEW.payout_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION approval_is_disinterested()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id
               AND (profits_from_payout(NEW.approver_id, payouts) OR is_same_person(NEW.approver_id, requested_by))) THEN
        PERFORM refuse('own_interest', format('the approver would profit from payout %s', NEW.payout_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION approvals_required(payout payouts)
 RETURNS integer
 LANGUAGE plpgsql
 STABLE
AS $function$
BEGIN
    IF payout.state = 'QUARANTINED' OR (payout.state = 'HELD' AND payout.people_agreed = 0
       AND needs_second_person(payout) AND NOT EXISTS
           (SELECT FROM members WHERE id = payout.requested_by AND status = 'active' AND role IN ('operations', 'owner'))
       AND payout.approvals_needed > 0) THEN
        RETURN greatest(payout.approvals_needed, 2);
    END IF;
    RETURN payout.approvals_needed;
END $function$;

CREATE OR REPLACE FUNCTION approvals_that_count(payout payouts)
 RETURNS integer
 LANGUAGE sql
 STABLE
AS $function$
    SELECT CAST(count(*) AS integer)
    FROM payout_approvals made JOIN members approver ON approver.id = made.approver_id
    WHERE made.payout_id = payout.id AND made.hold = payout.holds
      AND approver.status = 'active' AND approver.role IN ('treasury', 'owner')
      AND NOT profits_from_payout(approver.id, payout)
      AND NOT is_same_person(approver.id, payout.requested_by)
$function$;

CREATE OR REPLACE FUNCTION approved_own_week(payout payouts)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT payout.source_kind = 'affiliate_payout' AND EXISTS (
        SELECT FROM affiliate_payouts p JOIN affiliate_weeks w USING (week_on)
        JOIN affiliate_week_decisions d USING (week_on, ready_at)
        WHERE p.payout_id = payout.id AND d.verdict = 'approve' AND is_same_person(d.admin_id, p.affiliate_id))
$function$;

CREATE OR REPLACE FUNCTION attempt_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    slot   payout_slots%ROWTYPE;
    signer signers%ROWTYPE;
    payout payouts%ROWTYPE;
    treasury treasuries%ROWTYPE;
    last   payout_attempts%ROWTYPE;
    given_up boolean;
BEGIN
    SELECT * INTO payout FROM payouts
    WHERE id = (SELECT payout_id FROM payout_slots WHERE payout_slots.signer = NEW.signer AND nonce = NEW.nonce)
    FOR SHARE;
    SELECT * INTO signer FROM signers WHERE address = NEW.signer FOR SHARE;
    SELECT * INTO slot FROM payout_slots WHERE payout_slots.signer = NEW.signer AND nonce = NEW.nonce FOR UPDATE;
    SELECT * INTO treasury FROM treasuries WHERE name = signer.treasury FOR SHARE;
    given_up := EXISTS (
        SELECT FROM payout_attempts WHERE payout_attempts.signer = NEW.signer AND nonce = NEW.nonce AND kind = 'NOOP');
    SELECT * INTO last FROM payout_attempts
    WHERE payout_attempts.signer = NEW.signer AND nonce = NEW.nonce ORDER BY position DESC LIMIT 1;

    IF NEW.origin = 'signed' AND NEW.epoch <> signer.epoch THEN
        PERFORM refuse('R6_epoch', format('epoch %s is over, it is %s', NEW.epoch, signer.epoch));
    END IF;
    IF NEW.origin = 'signed' AND slot.state NOT IN ('ALLOCATED', 'LIVE') THEN
        PERFORM refuse('R2_slot', format('slot %s is %s', NEW.nonce, slot.state));
    END IF;
    IF NEW.kind = 'PAY' AND (payout.id IS NULL OR NEW.recipient_address <> payout.recipient_address
                             OR NEW.amount <> payout.amount) THEN
        PERFORM refuse('I8_terms', format('the attempt for slot %s is not its payout', NEW.nonce));
    END IF;
    IF NEW.kind = 'NOOP' AND (NEW.recipient_address <> NEW.signer OR NEW.amount <> 0) THEN
        PERFORM refuse('I8_terms', format('a no-op pays nothing to the signer itself, slot %s', NEW.nonce));
    END IF;
    IF NEW.origin = 'recovered' AND treasury.paused_at IS NULL THEN
        PERFORM refuse('R8_paused', format('treasury %s is not paused', treasury.name));
    END IF;
    IF NEW.kind = 'PAY' AND NEW.origin = 'signed' AND payout.state <> 'IN_FLIGHT' THEN
        PERFORM refuse('R2_in_flight', format('payout %s is %s', payout.id, payout.state));
    END IF;
    IF NEW.kind = 'PAY' AND NEW.origin = 'signed' AND treasury.paused_at IS NOT NULL
       AND NOT (slot.state = 'LIVE' AND treasury.finish_live) THEN
        PERFORM refuse('R7_paused', format('treasury %s is paused', treasury.name));
    END IF;
    IF NEW.position <> coalesce(last.position, 0) + 1 THEN
        PERFORM refuse('I9_position', format('attempt %s does not follow %s', NEW.position, last.position));
    END IF;
    IF given_up AND NEW.kind = 'PAY' AND NEW.origin = 'signed' THEN
        PERFORM refuse('R3_noop', format('slot %s was given up', NEW.nonce));
    END IF;
    IF last.hash IS NOT NULL AND NEW.origin = 'signed'
       AND (NEW.fee_per_gas_wei_max * 8 < last.fee_per_gas_wei_max * 9
            OR NEW.priority_fee_per_gas_wei_max * 8 < last.priority_fee_per_gas_wei_max * 9) THEN
        PERFORM refuse('I9_fees', format('a replacement for slot %s must raise both fees by an eighth', NEW.nonce));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION attempt_pays_no_suspended()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM payouts JOIN payout_slots slot ON slot.payout_id = payouts.id
               WHERE slot.signer = NEW.signer AND slot.nonce = NEW.nonce AND pays_suspended(payouts)) THEN
        PERFORM refuse('suspended', format('the recipient of slot %s is suspended', NEW.nonce));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION attempt_pays_nobody_now()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    signer signers%ROWTYPE;
BEGIN
    SELECT * INTO signer FROM signers WHERE address = NEW.signer;
    IF signer.rebuild_asked_at IS NOT NULL THEN
        PERFORM refuse('R8_rebuild', format('signer %s is being rebuilt', NEW.signer));
    END IF;
    IF signer.lineage IS DISTINCT FROM database_lineage() THEN
        PERFORM refuse('R8_lineage', format('signer %s belongs to another database', NEW.signer));
    END IF;
    IF EXISTS (SELECT FROM payout_slots WHERE payout_slots.signer = NEW.signer AND nonce = NEW.nonce
                                          AND given_up_at IS NOT NULL) THEN
        PERFORM refuse('R3_noop', format('slot %s was given up', NEW.nonce));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION attempt_pays_what_is_owed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM payouts JOIN payout_slots slot ON slot.payout_id = payouts.id
               WHERE slot.signer = NEW.signer AND slot.nonce = NEW.nonce AND may_be_paid_already(payouts)) THEN
        PERFORM refuse('R8_unexplained', format('slot %s may have been paid by a foreign transaction', NEW.nonce));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION award_inputs_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.from_number <= (SELECT value FROM scan_counter) THEN
        PERFORM refuse('award_inputs_past', format('number %s was given already', NEW.from_number));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION award_terms()
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
    SELECT jsonb_build_object(
        'match_percent', (SELECT value FROM settings WHERE name = 'match_percent'),
        'tier_thresholds', (SELECT value FROM settings WHERE name = 'tier_thresholds'),
        'tins_per_month', (SELECT tins_per_month FROM sales_volume),
        'prizes', (SELECT coalesce(jsonb_object_agg(type, jsonb_build_object(
                              'amount', amount, 'enabled', enabled, 'interval', "interval", 'tier', tier,
                              'unlock_volume', unlock_volume, 'unlocked_by_admin', unlocked_by_admin)), '{}')
                   FROM comp_rules WHERE "interval" IS NOT NULL))
$function$;

CREATE OR REPLACE FUNCTION award_terms_at(number bigint)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
    SELECT body FROM award_inputs WHERE from_number <= number ORDER BY revision DESC LIMIT 1
$function$;

CREATE OR REPLACE FUNCTION award_terms_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF (SELECT lineage = database_lineage() FROM scan_counter) THEN
        PERFORM keep_award_inputs();
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION award_terms_in_notice(promised jsonb, wanted jsonb)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
AS $function$
    SELECT wanted || jsonb_build_object(
        'match_percent', greatest((promised ->> 'match_percent')::integer, (wanted ->> 'match_percent')::integer),
        'tier_thresholds', CASE WHEN thresholds_are_worse(promised -> 'tier_thresholds', wanted -> 'tier_thresholds')
                                THEN promised ELSE wanted END -> 'tier_thresholds',
        'prizes', (SELECT coalesce(jsonb_object_agg(type, CASE WHEN prize_is_worse(was, shall) THEN was ELSE shall END),
                                   '{}')
                   FROM jsonb_each(promised -> 'prizes') AS before (type, was)
                   FULL JOIN jsonb_each(wanted -> 'prizes') AS after (type, shall) USING (type)))
$function$;

CREATE OR REPLACE FUNCTION bank_transfer_booked()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    of_order orders%ROWTYPE;
    waiting boolean;
BEGIN
    SELECT o.* INTO of_order FROM orders o JOIN payments p ON p.order_id = o.id
    JOIN payment_operations operation ON operation.payment_id = p.id
    WHERE operation.id = NEW.operation_id FOR NO KEY UPDATE OF o;
    SELECT operation.status = 'recorded' AND p.provider = 'invoice' INTO waiting
    FROM payment_operations operation JOIN payments p ON p.id = operation.payment_id WHERE operation.id = NEW.operation_id;
    IF waiting IS NOT TRUE THEN
        PERFORM refuse('transfer_awaited', format('operation %s waits for no transfer', NEW.operation_id));
    END IF;
    IF profits_from_member(NEW.booked_by, of_order.member_id) THEN
        PERFORM refuse('own_interest', format('order %s is of whoever books its transfer', of_order.id));
    END IF;
    UPDATE payment_operations SET status = 'sent', sent_at = NEW.booked_at WHERE id = NEW.operation_id;
    UPDATE payment_operations SET status = 'succeeded', evidence = 'bank', reference = 'bank:' || NEW.reference,
                                  answered_at = NEW.booked_at, look_at = NULL
    WHERE id = NEW.operation_id;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION campaign_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.id, NEW.name, NEW.version_id, NEW.segment, NEW.created_by, NEW.created_at)
       IS DISTINCT FROM (OLD.id, OLD.name, OLD.version_id, OLD.segment, OLD.created_by, OLD.created_at)
       OR (OLD.approved_by IS NOT NULL AND NEW.approved_by IS DISTINCT FROM OLD.approved_by)
       OR (OLD.last_number IS NOT NULL AND NEW.last_number IS DISTINCT FROM OLD.last_number) THEN
        PERFORM refuse('campaign_fixed', format('campaign %s keeps its content', OLD.id));
    END IF;
    IF NEW.done_number < OLD.done_number OR NEW.queued < OLD.queued THEN
        PERFORM refuse('campaign_forward', format('campaign %s only goes on', OLD.id));
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
           ('draft', 'approved'), ('draft', 'sending'), ('draft', 'cancelled'), ('approved', 'sending'),
           ('approved', 'cancelled'), ('sending', 'paused'), ('sending', 'done'), ('sending', 'cancelled'),
           ('paused', 'sending'), ('paused', 'cancelled')) THEN
        PERFORM refuse('campaign_state', format('campaign %s is %s', OLD.id, OLD.state));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION card_booked()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF TG_TABLE_NAME = 'card_bookings' THEN
        UPDATE card_balance SET owed = owed + card_booking_effect(NEW.kind, NEW.amount) - NEW.fee;
    ELSE
        UPDATE card_balance SET owed = owed - NEW.amount;
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION card_booking_effect(kind text, amount bigint)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT CASE WHEN kind IN ('capture', 'dispute_reversal') THEN amount WHEN kind IN ('refund', 'dispute') THEN -amount
                ELSE 0 END
$function$;

CREATE OR REPLACE FUNCTION card_booking_matched()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF (NEW.reference, NEW.kind, NEW.key, NEW.dispute, NEW.amount, NEW.fee, NEW.booked_on, NEW.seen_at) IS DISTINCT FROM
       (OLD.reference, OLD.kind, OLD.key, OLD.dispute, OLD.amount, OLD.fee, OLD.booked_on, OLD.seen_at)
       OR num_nonnulls(OLD.operation_id, OLD.dispute_id) > 0 THEN
        PERFORM refuse('booking_fixed', format('booking %s is what the provider said, and is matched once', OLD.reference));
    END IF;
    IF NEW.operation_id IS NOT NULL THEN
        UPDATE payment_operations SET booked_at = NEW.seen_at
        WHERE id = NEW.operation_id AND id = NEW.key AND kind = NEW.kind AND status = 'succeeded'
          AND reference = NEW.reference AND amount = NEW.amount;
    ELSE
        UPDATE disputes SET booked = booked - card_booking_effect(NEW.kind, NEW.amount)
        WHERE id = NEW.dispute_id AND reference = NEW.dispute;
    END IF;
    IF NOT FOUND THEN
        PERFORM refuse('booking_differs', format('booking %s is another one than ours', NEW.reference));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION card_posted()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    is_posted boolean;
BEGIN
    IF TG_TABLE_NAME = 'card_bookings' THEN
        is_posted := NEW.fee = 0 OR ledger_has('fee:' || NEW.reference, 'fees:card', NEW.fee);
    ELSE
        is_posted := NEW.amount = 0 OR ledger_has('settlement:' || NEW.reference, 'bank:operating', NEW.amount);
    END IF;
    IF NOT is_posted THEN
        PERFORM refuse('settlement_booked', format('%s of %s is not in the ledger', TG_TABLE_NAME, NEW.reference));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION cart_item_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    cart uuid := CASE TG_OP WHEN 'INSERT' THEN NEW.cart_id ELSE OLD.cart_id END;
BEGIN
    IF TG_OP = 'UPDATE' AND (NEW.id, NEW.cart_id, NEW.sku) IS DISTINCT FROM (OLD.id, OLD.cart_id, OLD.sku) THEN
        PERFORM refuse('cart_item_fixed', format('item %s stays in its cart and of its product', OLD.id));
    END IF;
    UPDATE carts SET revision = revision + 1 WHERE id = cart AND status = 'open';
    IF NOT FOUND AND (TG_OP <> 'DELETE' OR EXISTS (SELECT FROM carts WHERE id = cart)) THEN
        PERFORM refuse('cart_ordered', format('cart %s is not open', cart));
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $function$;

CREATE OR REPLACE FUNCTION chain_transfer_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    NEW.awaits_deposit := NOT EXISTS (SELECT FROM signers own WHERE lower(own.address) = NEW.counterparty);
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION check_referrals_of(member uuid)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    INSERT INTO referral_checks (member_id)
    SELECT member WHERE EXISTS (SELECT FROM referrals WHERE referred_id = member)
                     OR EXISTS (SELECT FROM referrals WHERE affiliate_id = member)
$function$;

CREATE OR REPLACE FUNCTION chip_move_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.kind = 'return' THEN
        IF NOT EXISTS (SELECT FROM affiliate_weeks WHERE week_on = NEW.week_on AND state = 'opened') THEN
            PERFORM refuse('chip_move_week', format('the week of %s is not being counted', NEW.week_on));
        END IF;
    ELSIF NEW.week_on <> chip_week(NEW.moved_at) THEN
        PERFORM refuse('chip_move_week', format('a move of %s is not of the week of %s', NEW.moved_at, NEW.week_on));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION chip_week(at timestamp with time zone)
 RETURNS date
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    today date := (at AT TIME ZONE 'UTC')::date;
    last_sunday date := today - extract(dow FROM today)::integer;
    newest date;
BEGIN
    SELECT week_on INTO newest FROM affiliate_weeks ORDER BY week_on DESC LIMIT 1 FOR KEY SHARE;
    IF newest < last_sunday THEN
        PERFORM refuse('week_closing', format('the week of %s is not opened yet', last_sunday));
    END IF;
    RETURN greatest(last_sunday, newest) + 7;
END $function$;

CREATE OR REPLACE FUNCTION comp_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.id, NEW.member_id, NEW.type, NEW.amount, NEW.source_kind, NEW.source_id, NEW.scan_id, NEW.scan_number,
        NEW.reason, NEW.awarded_at)
       IS DISTINCT FROM
       (OLD.id, OLD.member_id, OLD.type, OLD.amount, OLD.source_kind, OLD.source_id, OLD.scan_id, OLD.scan_number,
        OLD.reason, OLD.awarded_at) THEN
        PERFORM refuse('comp_terms', format('the terms of comp %s are fixed', OLD.id));
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN
       (('in_review', 'pending'), ('in_review', 'cancelled'), ('pending', 'paid'), ('pending', 'cancelled')) THEN
        PERFORM refuse('comp_transition', format('comp %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    IF NEW.status = 'cancelled' AND EXISTS
       (SELECT FROM payouts WHERE source_kind = 'comp' AND source_id = OLD.id::text AND state <> 'CANCELLED') THEN
        PERFORM refuse('comp_cancelled', format('the payout of comp %s may still pay', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION database_lineage()
 RETURNS text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    SELECT (SELECT system_identifier FROM pg_control_system()) || '/' ||
           left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
$function$;

CREATE OR REPLACE FUNCTION device_to_check()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM sessions
                   WHERE device_id = NEW.device_id AND member_id = NEW.member_id AND id <> NEW.id) THEN
        PERFORM check_referrals_of(NEW.member_id);
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION dispute_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.id, NEW.payment_id, NEW.reference, NEW.noticed_at)
       IS DISTINCT FROM (OLD.id, OLD.payment_id, OLD.reference, OLD.noticed_at) OR NEW.looked_at < OLD.looked_at THEN
        PERFORM refuse('dispute_terms', format('what dispute %s is about is fixed, and no older answer counts', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION dispute_fits()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    charged orders%ROWTYPE;
    taken record;
BEGIN
    IF NEW.sequence > 1 AND NOT EXISTS (SELECT FROM dispute_movements
                                        WHERE dispute_id = NEW.dispute_id AND sequence = NEW.sequence - 1) THEN
        PERFORM refuse('dispute_sequence', format('movement %s of dispute %s has no predecessor', NEW.sequence, NEW.dispute_id));
    END IF;
    IF NOT ledger_has(format('dispute:%s:%s', NEW.dispute_id, NEW.sequence), 'takings:card', -NEW.amount) THEN
        PERFORM refuse('dispute_booked', format('movement %s of dispute %s is not in the ledger', NEW.sequence, NEW.dispute_id));
    END IF;
    SELECT o.* INTO charged FROM disputes JOIN payments ON payments.id = payment_id JOIN orders o ON o.id = order_id
    WHERE disputes.id = NEW.dispute_id;
    SELECT * INTO taken FROM order_disputed(charged.id);
    IF taken.goods NOT BETWEEN 0 AND charged.subtotal OR taken.shipping NOT BETWEEN 0 AND charged.shipping_cost
       OR taken.tax NOT BETWEEN 0 AND charged.tax_amount OR taken.tins NOT BETWEEN 0 AND charged.tins THEN
        PERFORM refuse('dispute_fits', format('order %s was not charged so much', charged.id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION dispute_moved()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    disputed_payment uuid;
BEGIN
    UPDATE disputes SET withdrawn = withdrawn + NEW.amount WHERE id = NEW.dispute_id
    RETURNING payment_id INTO disputed_payment;
    UPDATE payments SET disputed = disputed + NEW.goods + NEW.shipping + NEW.tax WHERE id = disputed_payment;
    UPDATE orders SET accrual_due_at = coalesce(accrual_due_at, NEW.moved_at)
    WHERE id = (SELECT order_id FROM payments WHERE id = disputed_payment);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION doubted_scans(first_number bigint, last_number bigint)
 RETURNS TABLE(scan_number bigint, member_id uuid, status text)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT scan_number, member_id, min(status)
    FROM (SELECT f.scan_number, f.member_id, f.status FROM flagged_scans f
          WHERE f.status <> 'cleared' AND f.scan_number BETWEEN first_number AND last_number
          UNION ALL
          SELECT s.number, s.member_id, r.status FROM referral_reviews r JOIN scans s ON s.member_id = r.referred_id
          WHERE r.status <> 'cleared' AND s.number BETWEEN first_number AND last_number) doubts
    GROUP BY scan_number, member_id
$function$;

CREATE OR REPLACE FUNCTION drop_months(parent regclass, before timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
DECLARE
    month   text;
    dropped integer := 0;
BEGIN
    FOR month IN
        SELECT inhrelid::regclass::text FROM pg_inherits
        WHERE inhparent = parent AND inhrelid::regclass::text ~ '_\d{4}_\d\d$'
    LOOP
        IF to_date(right(month, 7), 'YYYY_MM') + interval '1 month' <= before THEN
            EXECUTE format('DROP TABLE %I', month);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END $function$;

CREATE OR REPLACE FUNCTION drop_social_messages(before timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
    SELECT drop_weeks('social_messages', before)
$function$;

CREATE OR REPLACE FUNCTION drop_social_reaction_counts(before timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
    SELECT drop_weeks('social_reaction_counts', before)
$function$;

CREATE OR REPLACE FUNCTION drop_social_reactions(before timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
    SELECT drop_weeks('social_reactions', before)
$function$;

CREATE OR REPLACE FUNCTION drop_transparency_metrics(before timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
    SELECT drop_months('transparency_metrics', before)
$function$;

CREATE OR REPLACE FUNCTION drop_treasury_snapshots(before timestamp with time zone)
 RETURNS integer
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
    SELECT drop_months('treasury_snapshots', before)
$function$;

CREATE OR REPLACE FUNCTION drop_weeks(parent regclass, before timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
DECLARE
    week    text;
    dropped integer := 0;
BEGIN
    FOR week IN
        SELECT inhrelid::regclass::text FROM pg_inherits
        WHERE inhparent = parent AND inhrelid::regclass::text ~ '_\d{4}_w\d\d$'
    LOOP
        IF to_date(right(week, 8), 'IYYY_"w"IW') + interval '1 week' <= before THEN
            EXECUTE format('DROP TABLE %I', week);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END $function$;

CREATE OR REPLACE FUNCTION earned_week_chips(week date, first_number bigint, last_number bigint)
 RETURNS TABLE(affiliate_id uuid, scan_chips integer, brought integer, put_away integer)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT affiliate_id, coalesce(scanned.chips, 0), coalesce(moved.brought, 0), coalesce(moved.put_away, 0)
    FROM (SELECT c.affiliate_id, count(*)::integer AS chips
          FROM affiliate_chips c LEFT JOIN doubted_scans(first_number, last_number) d USING (scan_number)
          WHERE c.scan_number BETWEEN first_number AND last_number
          AND NOT EXISTS (SELECT FROM withheld_chips w WHERE w.scan_number = c.scan_number)
          AND (d.scan_number IS NULL OR EXISTS (SELECT FROM affiliate_weeks WHERE week_on = week))
          GROUP BY c.affiliate_id) scanned
    FULL JOIN (SELECT m.affiliate_id, coalesce(sum(m.chips) FILTER (WHERE m.kind <> 'vault'), 0)::integer AS brought,
                      coalesce(sum(m.chips) FILTER (WHERE m.kind = 'vault'), 0)::integer AS put_away
               FROM chip_moves m WHERE m.week_on = week GROUP BY m.affiliate_id) moved USING (affiliate_id)
    JOIN members ON members.id = affiliate_id AND members.status <> 'deleted'
$function$;

CREATE OR REPLACE FUNCTION earning_by_hand()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF profits_from_member(NEW.awarded_by, NEW.affiliate_id) OR profits_from_member(NEW.agreed_by, NEW.affiliate_id)
       OR is_same_person(NEW.awarded_by, NEW.agreed_by) THEN
        PERFORM refuse('earning_own', format('earning %s would profit who decides about it', NEW.id));
    END IF;
    IF NEW.status = 'pending' AND NEW.agreed_by IS NULL AND NEW.amount >
       (SELECT (value ->> 'award_alone_max')::numeric * 1000000 FROM settings WHERE name = 'affiliate_week') THEN
        PERFORM refuse('earning_second_person', format('earning %s waits for a second person', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION earning_counts()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO affiliate_figure_changes (affiliate_id, earned)
    VALUES (NEW.affiliate_id, CASE WHEN NEW.status IN ('pending', 'paid') THEN NEW.amount ELSE -NEW.amount END);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION earning_reverses()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM affiliate_earnings WHERE id = NEW.reverses_id AND affiliate_id = NEW.affiliate_id
                                                    AND amount = -NEW.amount AND status <> 'cancelled') THEN
        PERFORM refuse('earning_reverses', format('earning %s takes back another one', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION ensure_month_partitions(target text, first_month date, months integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION ensure_week_partitions(target text, first_day date, weeks integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
DECLARE
    week date := date_trunc('week', first_day);
    made integer := 0;
    name text;
BEGIN
    IF to_regclass(target || '_other') IS NULL THEN
        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', target || '_other', target);
    END IF;
    FOR step IN 0 .. weeks - 1 LOOP
        name := target || to_char(week + make_interval(weeks => step), '_IYYY_"w"IW');
        IF to_regclass(name) IS NULL THEN
            PERFORM make_month_partition(target, name, week + make_interval(weeks => step),
                                         week + make_interval(weeks => step + 1));
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $function$;

CREATE OR REPLACE FUNCTION explanation_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM payout_slots slot
                   WHERE slot.signer = NEW.signer AND slot.nonce = NEW.nonce AND slot.state = 'FOREIGN'
                     AND slot.payout_id IS NULL) THEN
        PERFORM refuse('explained', format('nonce %s of %s is no open question', NEW.nonce, NEW.signer));
    END IF;
    IF EXISTS (SELECT FROM payouts JOIN signers ON signers.address = NEW.signer
               WHERE payouts.id = NEW.payout_id AND payouts.treasury <> signers.treasury) THEN
        PERFORM refuse('explained', format('payout %s is of another treasury than %s', NEW.payout_id, NEW.signer));
    END IF;
    IF EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND NEW.person_id IN (member_id, requested_by)) THEN
        PERFORM refuse('approvals', format('payout %s is the approver''s own', NEW.payout_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION figure_is_newer()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.as_of < OLD.as_of THEN
        PERFORM refuse('figure_is_newer', format('%s would become older', OLD.name));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION finding_is_disinterested()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF profits_from_wallet(NEW.resolved_by, NEW.counterparty) OR EXISTS
       (SELECT FROM payouts WHERE id = NEW.payout_id AND (profits_from_payout(NEW.resolved_by, payouts)
                                                          OR is_same_person(NEW.resolved_by, requested_by))) THEN
        PERFORM refuse('own_interest', format('who explains finding %s would profit', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION forget_sign_up(account uuid, at timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    UPDATE members SET status = 'deleted', email = 'deleted:' || id, username = 'deleted_' || left(md5(id::text), 20),
           password_hash = '', full_name = '', phone = NULL, date_of_birth = '1900-01-01', address_line1 = NULL,
           address_line2 = NULL, city = NULL, state = NULL, zip_code = NULL, country = 'US', language = 'en',
           referred_by_id = NULL, sign_up_ticket = NULL, updated_at = at, profile_revision = profile_revision + 1
    WHERE id = account AND email_verified_at IS NULL AND status = 'active' AND role IS NULL
      AND NOT EXISTS (SELECT FROM comps WHERE member_id = account);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM email_codes WHERE member_id = account;
    DELETE FROM mails WHERE member_id = account;
    DELETE FROM pushes WHERE notification_id IN (SELECT id FROM notifications WHERE member_id = account);
    DELETE FROM notifications WHERE member_id = account;
    DELETE FROM inboxes WHERE member_id = account;
    RETURN true;
END $function$;

CREATE OR REPLACE FUNCTION fulfilment_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NEW.status <> (CASE WHEN NEW.by_hand THEN 'packed' ELSE 'recorded' END) THEN
        PERFORM refuse('fulfilment_born', format('fulfilment %s does not begin as %s', NEW.id, NEW.status));
    END IF;
    IF NOT EXISTS (SELECT FROM payments WHERE order_id = NEW.order_id AND state = 'captured')
       OR EXISTS (SELECT FROM orders WHERE id = NEW.order_id
                  AND (state = 'cancelled' OR (cancel_wanted_at IS NOT NULL AND cancel_refused_at IS NULL))) THEN
        PERFORM refuse('fulfilment_paid', format('order %s is not paid, or is to be cancelled', NEW.order_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION fulfilment_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.id, NEW.order_id, NEW.by_hand, NEW.recorded_at)
       IS DISTINCT FROM (OLD.id, OLD.order_id, OLD.by_hand, OLD.recorded_at)
       OR (OLD.sent_at IS NOT NULL AND NEW.sent_at IS DISTINCT FROM OLD.sent_at)
       OR (OLD.cancel_wanted_at IS NOT NULL AND NEW.cancel_wanted_at IS DISTINCT FROM OLD.cancel_wanted_at) THEN
        PERFORM refuse('fulfilment_terms', format('the terms of fulfilment %s are fixed', OLD.id));
    END IF;
    IF NEW.status <> OLD.status AND NOT (
        (OLD.status, NEW.status) IN (('recorded', 'sent'), ('recorded', 'cancelled'), ('accepted', 'packed'))
        OR (OLD.status = 'sent' AND NEW.status IN ('accepted', 'packed'))
        OR (OLD.status IN ('sent', 'accepted', 'packed') AND NEW.status IN ('shipped', 'cancelled', 'refused'))) THEN
        PERFORM refuse('fulfilment_transition', format('fulfilment %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION fulfilment_is_open(status text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT status IN ('recorded', 'sent', 'accepted', 'packed')
$function$;

CREATE OR REPLACE FUNCTION fulfilment_whole()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT sku, tins FROM fulfilment_lines WHERE fulfilment_id = NEW.id) asked
        FULL JOIN (SELECT item.sku, item.promised - item.released - item.shipped + (
                              SELECT coalesce(sum(line.tins), 0) FROM parcels
                              JOIN parcel_lines line ON line.parcel_id = parcels.id
                              WHERE parcels.fulfilment_id = NEW.id AND line.sku = item.sku) AS tins
                   FROM order_items item WHERE item.order_id = NEW.order_id) open USING (sku)
        WHERE asked.tins IS DISTINCT FROM nullif(open.tins, 0)) THEN
        PERFORM refuse('fulfilment_whole', format('fulfilment %s is not what its order waits for', NEW.id));
    END IF;
    IF NEW.by_hand AND NOT EXISTS (SELECT FROM parcels WHERE fulfilment_id = NEW.id) THEN
        PERFORM refuse('fulfilment_whole', format('nobody has sent anything of fulfilment %s', NEW.id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION governance_ballot_cast()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    PERFORM FROM governance_votes
    WHERE id = NEW.vote_id AND status = 'active' AND NEW.cast_at < closes_at FOR SHARE;
    IF NOT FOUND THEN
        PERFORM refuse('vote_not_open', format('vote %s takes no ballots', NEW.vote_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION governance_electors_made()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM (SELECT DISTINCT vote_id FROM made) AS given JOIN governance_votes v ON v.id = given.vote_id
               WHERE v.status <> 'opening') THEN
        PERFORM refuse('vote_fixed', 'the electors are those of the opening');
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION governance_option_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    vote uuid := CASE WHEN TG_OP = 'DELETE' THEN OLD.vote_id ELSE NEW.vote_id END;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.vote_id, NEW.option, NEW.label) = (OLD.vote_id, OLD.option, OLD.label)
           AND NEW.ballots >= OLD.ballots THEN
            RETURN NEW;
        END IF;
    ELSIF EXISTS (SELECT FROM governance_votes WHERE id = vote AND status = 'draft') THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    PERFORM refuse('vote_fixed', format('the options of vote %s are fixed', vote));
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION governance_vote_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status = 'discarded' AND NEW.title = '' AND NEW.description = ''
       AND to_jsonb(NEW) - '{title,description,revision}'::text[] = to_jsonb(OLD) - '{title,description,revision}'::text[]
       THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' OR OLD.status IN ('closed', 'discarded')
       OR (NEW.id, NEW.created_by, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.created_by, OLD.created_at)
       OR (OLD.status <> 'draft'
           AND (NEW.type, NEW.tier_min, NEW.title, NEW.description, NEW.seconds, NEW.quorum_percent)
               IS DISTINCT FROM
               (OLD.type, OLD.tier_min, OLD.title, OLD.description, OLD.seconds, OLD.quorum_percent))
       OR (OLD.opened_at IS NOT NULL
           AND (NEW.opened_at, NEW.closes_at, NEW.electors, NEW.digest)
               IS DISTINCT FROM (OLD.opened_at, OLD.closes_at, OLD.electors, OLD.digest))
       OR (OLD.closed_early_at IS NOT NULL AND NEW.closed_early_at IS DISTINCT FROM OLD.closed_early_at) THEN
        PERFORM refuse('vote_fixed', format('vote %s keeps what it is', OLD.id));
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
           ('draft', 'opening'), ('draft', 'discarded'), ('opening', 'active'), ('active', 'closing'),
           ('active', 'closed'), ('closing', 'closed')) THEN
        PERFORM refuse('vote_status', format('vote %s is %s', OLD.id, OLD.status));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION guarantee_is_withheld()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM guarantee_reviews WHERE member_id = NEW.member_id AND status <> 'granted') THEN
        PERFORM refuse('guarantee_withheld', format('the guarantee of member %s is withheld', NEW.member_id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION guarantee_review_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF OLD.status <> 'waiting' OR (NEW.id, NEW.member_id, NEW.asked_at)
       IS DISTINCT FROM (OLD.id, OLD.member_id, OLD.asked_at) THEN
        PERFORM refuse('guarantee_review_decided', format('guarantee review %s is decided once', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION hide_social_messages(before timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    old   record;
    moved integer := 0;
BEGIN
    FOR old IN
        SELECT channel_id, max(number) AS last_number FROM social_messages WHERE posted_at < before
        GROUP BY channel_id ORDER BY channel_id
    LOOP
        UPDATE social_heads SET first_number = old.last_number + 1
        WHERE channel_id = old.channel_id AND first_number <= old.last_number;
        moved := moved + CASE WHEN FOUND THEN 1 ELSE 0 END;
    END LOOP;
    RETURN moved;
END $function$;

CREATE OR REPLACE FUNCTION hmac_block(secret bytea, pad bigint)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT int8send(('x' || encode(substr(secret, 1, 8), 'hex'))::bit(64)::bigint # pad)
        || int8send(('x' || encode(substr(secret, 9, 8), 'hex'))::bit(64)::bigint # pad)
        || int8send(('x' || encode(substr(secret, 17, 8), 'hex'))::bit(64)::bigint # pad)
        || int8send(('x' || encode(substr(secret, 25, 8), 'hex'))::bit(64)::bigint # pad)
$function$;

CREATE OR REPLACE FUNCTION hmac_sha256(secret bytea, message bytea)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT sha256(hmac_block(secret, 6655295901103053916) || decode(repeat('5c', 32), 'hex')
        || sha256(hmac_block(secret, 3906369333256140342) || decode(repeat('36', 32), 'hex') || message))
$function$;

CREATE OR REPLACE FUNCTION is_affiliate(signed_up_at timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT coalesce(signed_up_at < (SELECT sunset_at FROM affiliate_program), true)
$function$;

CREATE OR REPLACE FUNCTION is_same_person(one uuid, other uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT coalesce(one = other OR EXISTS (
        SELECT FROM member_wallets mine JOIN member_wallets theirs ON theirs.address = mine.address
        WHERE mine.member_id = one AND theirs.member_id = other), false)
$function$;

CREATE OR REPLACE FUNCTION keep_award_inputs()
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    given bigint;
    newest bigint;
    notice bigint;
    wanted jsonb;
    part record;
    terms jsonb;
    written jsonb;
BEGIN
    SELECT value, revision INTO given, newest FROM scan_counter WHERE only_row FOR NO KEY UPDATE;
    wanted := award_terms();
    notice := (SELECT value::text::bigint FROM settings WHERE name = 'rules_notice');
    FOR part IN
        SELECT starts, award_terms_at(starts) AS promised
        FROM (SELECT given + 1 AS starts
              UNION SELECT given + 1 + notice
              UNION SELECT from_number FROM award_inputs WHERE from_number > given + 1) AS cuts
        ORDER BY starts
    LOOP
        terms := CASE WHEN part.starts > given + notice OR part.promised IS NULL THEN wanted
                      ELSE award_terms_in_notice(part.promised, wanted) END;
        CONTINUE WHEN terms IS NOT DISTINCT FROM coalesce(written, part.promised);
        newest := newest + 1;
        INSERT INTO award_inputs (revision, from_number, body) VALUES (newest, part.starts, terms);
        written := terms;
    END LOOP;
    IF written IS NOT NULL THEN
        UPDATE scan_counter SET revision = newest WHERE only_row;
    END IF;
END $function$;

CREATE OR REPLACE FUNCTION ledger_balanced(journal bigint)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
DECLARE
    total numeric;
    lines integer;
BEGIN
    SELECT coalesce(sum(amount), 0), count(*) INTO total, lines FROM ledger_postings WHERE journal_id = journal;
    IF total <> 0 OR lines < 2 THEN
        PERFORM refuse('I12_balanced', format('journal %s has %s lines that sum to %s', journal, lines, total));
    END IF;
END $function$;

CREATE OR REPLACE FUNCTION ledger_has(journal_ref text, line_account text, line_amount bigint)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (SELECT FROM ledger_journals JOIN ledger_postings ON journal_id = ledger_journals.id
                   WHERE ref = journal_ref AND account = line_account AND amount = line_amount)
$function$;

CREATE OR REPLACE FUNCTION ledger_journal_balanced()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$ BEGIN PERFORM ledger_balanced(NEW.id); RETURN NULL; END $function$;

CREATE OR REPLACE FUNCTION ledger_posting_balanced()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$ BEGIN PERFORM ledger_balanced(NEW.journal_id); RETURN NULL; END $function$;

CREATE OR REPLACE FUNCTION ledger_posting_kept()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    own_shard text := current_setting('ledger.shard', true);
    forced_shard text := nullif(current_setting('ledger.forced_shard', true), '');  -- by a benchmark
    free_shard integer;
BEGIN
    IF (SELECT written_by FROM ledger_journals WHERE id = NEW.journal_id) <> pg_current_xact_id() THEN
        PERFORM refuse('I12_append_only', format('journal %s is closed', NEW.journal_id));
    END IF;
    IF coalesce(own_shard, '') = '' THEN
        own_shard := set_config('ledger.shard', (NEW.journal_id % 16)::text, true);
    END IF;
    free_shard := coalesce(forced_shard, own_shard)::integer;
    IF forced_shard IS NULL AND EXISTS
       (SELECT FROM ledger_balances WHERE account = NEW.account AND shard = free_shard) THEN
        SELECT shard INTO free_shard FROM ledger_balances WHERE account = NEW.account
        ORDER BY shard <> own_shard::smallint, shard LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
        free_shard := coalesce(free_shard, 16 + pg_backend_pid() % 16384);
    END IF;
    INSERT INTO ledger_balances AS kept (account, shard, balance)
    VALUES (NEW.account, free_shard, NEW.amount)
    ON CONFLICT (account, shard) DO UPDATE SET balance = kept.balance + EXCLUDED.balance;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION let_count_go_on(published bigint, margin bigint, source text, at timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    counter scan_counter;
    above bigint;
BEGIN
    SELECT * INTO counter FROM scan_counter WHERE only_row FOR NO KEY UPDATE;
    IF counter.lineage = database_lineage() THEN
        RETURN counter.value;
    END IF;
    above := greatest(counter.value, published + margin);
    UPDATE scan_counter SET value = above, lineage = database_lineage() WHERE only_row;
    INSERT INTO count_comparisons (lineage_before, lineage, value_before, published, margin, value, source, compared_at)
    VALUES (counter.lineage, database_lineage(), counter.value, published, margin, above, source, at);
    PERFORM keep_award_inputs();
    RETURN above;
END $function$;

CREATE OR REPLACE FUNCTION lifetime_chips(at timestamp with time zone)
 RETURNS TABLE(affiliate_id uuid, chips integer)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT affiliate_id, sum(chips)::integer
    FROM (SELECT affiliate_id, earned AS chips FROM chip_counts
          UNION ALL
          SELECT affiliate_id, sum(chips) FROM chip_moves WHERE kind IN ('bonus', 'grant') GROUP BY affiliate_id
          UNION ALL
          SELECT c.affiliate_id, -count(*) FROM affiliate_chips c JOIN flagged_scans f ON f.scan_number = c.scan_number
          WHERE f.status = 'confirmed' GROUP BY c.affiliate_id
          UNION ALL
          SELECT c.affiliate_id, -count(*)
          FROM referral_reviews r JOIN scans s ON s.member_id = r.referred_id
          JOIN affiliate_chips c ON c.scan_number = s.number
          LEFT JOIN flagged_scans f ON f.scan_number = s.number
          LEFT JOIN withheld_chips w ON w.scan_number = s.number
          WHERE r.status = 'confirmed' AND f.status IS DISTINCT FROM 'confirmed'
            AND (s.number > (SELECT coalesce(max(last_number), 0) FROM affiliate_weeks)
                 OR (w.scan_number IS NOT NULL AND w.counts IS NOT TRUE))
          GROUP BY c.affiliate_id
          UNION ALL
          SELECT affiliate_id, -sum(chips) FROM vault_moves WHERE kind = 'expire' GROUP BY affiliate_id
          UNION ALL  -- they are expired, and the job has not noted it yet
          SELECT affiliate_id, -sum(left_chips) FROM vault_lots WHERE expires_at <= at AND left_chips > 0
          GROUP BY affiliate_id) counted
    GROUP BY affiliate_id HAVING sum(chips) > 0
$function$;

CREATE OR REPLACE FUNCTION live_streams_step()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NEW.status <> OLD.status AND NOT (OLD.status || ' ' || NEW.status) = ANY (ARRAY[
        'scheduled preparing', 'scheduled cancelled',
        'preparing ready', 'preparing live', 'preparing cancelled', 'preparing failed',
        'ready preparing', 'ready live', 'ready cancelled', 'ready failed',
        'live ending', 'ending ended']) THEN
        RAISE EXCEPTION 'a stream does not go from % to %', OLD.status, NEW.status
            USING ERRCODE = 'check_violation', CONSTRAINT = 'live_streams_step', TABLE = 'live_streams';
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION lock_vault(affiliate uuid, at timestamp with time zone)
 RETURNS date
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    week date := chip_week(at);
BEGIN
    INSERT INTO chip_vaults (affiliate_id, opened_at) VALUES (affiliate, at) ON CONFLICT DO NOTHING;
    PERFORM FROM chip_vaults WHERE affiliate_id = affiliate FOR NO KEY UPDATE;
    RETURN week;
END $function$;

CREATE OR REPLACE FUNCTION locked_shares_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NOT affiliate_program_is_open() THEN
        PERFORM refuse('program_closed', 'shares are locked once, when the program of affiliates closes');
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION lowest_vaulted(affiliate uuid, since timestamp with time zone, until timestamp with time zone)
 RETURNS bigint
 LANGUAGE sql
 STABLE
AS $function$
    WITH changes AS (
        SELECT greatest(happened_at, since) AS at,
               sum(CASE WHEN kind IN ('vault', 'overflow') THEN chips ELSE -chips END) AS chips
        FROM vault_moves WHERE affiliate_id = affiliate AND happened_at < until GROUP BY 1
        UNION ALL SELECT since, 0
    )
    SELECT min(balance)::bigint FROM (SELECT sum(chips) OVER (ORDER BY at) AS balance FROM changes) balances
$function$;

CREATE OR REPLACE FUNCTION make_append_only(target regclass)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %s
                    FOR EACH ROW EXECUTE FUNCTION append_only()', target);
    EXECUTE format('CREATE TRIGGER append_only_truncate BEFORE TRUNCATE ON %s
                    FOR EACH STATEMENT EXECUTE FUNCTION append_only()', target);
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM blakjaks_app', target);
END $function$;

CREATE OR REPLACE FUNCTION make_month_partition(target text, name text, starts timestamp with time zone, ends timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION manual_award_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    limits jsonb;
    today  bigint;
BEGIN
    IF EXISTS (SELECT FROM comps WHERE id = NEW.comp_id AND profits_from_member(NEW.awarded_by, member_id)) THEN
        PERFORM refuse('own_interest', format('the admin would profit from comp %s', NEW.comp_id));
    END IF;
    IF NEW.alone THEN
        SELECT value INTO limits FROM settings WHERE name = 'manual_award_limits';
        SELECT coalesce(sum(value), 0) INTO today FROM manual_awards
        WHERE awarded_by = NEW.awarded_by AND alone
          AND awarded_at >= date_trunc('day', NEW.awarded_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
        IF NEW.value > (limits ->> 'single')::numeric * 1000000
           OR today + NEW.value > (limits ->> 'day')::numeric * 1000000 THEN
            PERFORM refuse('award_second_person', format('comp %s is more than one admin may award', NEW.comp_id));
        END IF;
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION manual_transfer_is_disinterested()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF profits_from_payout(NEW.requested_by, NEW) THEN
        PERFORM refuse('own_interest', format('who asks for transfer %s would get it', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION manual_transfer_judged()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.state NOT IN ('HELD', 'CANCELLED') OR (NEW.state = 'HELD' AND NEW.approvals_needed < 2) THEN
        PERFORM refuse('manual_approvals', format('manual transfer %s waits for two people first', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION may_be_paid_already(payout payouts)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (
        SELECT FROM foreign_transfers moved
        JOIN payout_slots slot ON slot.signer = moved.signer AND slot.nonce = moved.nonce AND slot.state = 'FOREIGN'
        WHERE lower(moved.recipient_address) = lower(payout.recipient_address) AND moved.amount = payout.amount)
$function$;

CREATE OR REPLACE FUNCTION may_decide_for(person uuid, buyer uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (SELECT FROM members WHERE id = person AND status = 'active' AND role IN ('operations', 'owner'))
       AND NOT profits_from_member(person, buyer)
$function$;

CREATE OR REPLACE FUNCTION member_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.status <> 'deleted' THEN
        PERFORM refuse('member_deleted', format('member %s is deleted', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION member_mark(secret bytea, context text)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT sha256(hmac_sha256(secret, convert_to(context, 'UTF8')) || sha256('person'::bytea || secret))
$function$;

CREATE OR REPLACE FUNCTION needs_second_person(payout payouts)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
AS $function$
BEGIN
    RETURN payout.source_kind = 'wholesale_comp'
        OR (payout.source_kind = 'comp' AND payout.source_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
            AND EXISTS (SELECT FROM manual_awards WHERE comp_id = payout.source_id::uuid AND NOT alone));
END $function$;

CREATE OR REPLACE FUNCTION nonce_is_open(state slot_state)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT state IN ('ALLOCATED', 'LIVE', 'MINED')
$function$;

CREATE OR REPLACE FUNCTION nonce_is_unmined(state slot_state)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT state IN ('ALLOCATED', 'LIVE')
$function$;

CREATE OR REPLACE FUNCTION operation_is_resolved(asked uuid, into_status text, named text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (
        SELECT FROM operation_resolutions one JOIN operation_resolutions other USING (operation_id, outcome)
        JOIN payment_operations o ON o.id = operation_id JOIN payments p ON p.id = o.payment_id
        JOIN orders ON orders.id = p.order_id
        WHERE operation_id = asked AND NOT is_same_person(one.person_id, other.person_id)
          AND one.reference IS NOT DISTINCT FROM named AND other.reference IS NOT DISTINCT FROM named
          AND (outcome = 'not_done') = (into_status = 'failed')
          AND may_decide_for(one.person_id, orders.member_id) AND may_decide_for(other.person_id, orders.member_id))
$function$;

CREATE OR REPLACE FUNCTION operation_waits_for_people(asked payment_operations, outcome text, at timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT CASE asked.status
        WHEN 'recorded' THEN asked.kind = 'refund' AND outcome = 'paid_elsewhere' AND EXISTS (
            SELECT FROM payments WHERE id = asked.payment_id
            AND order_is_overdrawn(order_id) AND NOT order_has_open_dispute(order_id))
        WHEN 'sent' THEN asked.sent_at <= at - interval '23 hours' AND outcome IN ('done', 'not_done')
        WHEN 'failed' THEN asked.sent_at IS NOT NULL
            AND (outcome = 'done' AND asked.kind IN ('void', 'refund')
                 OR outcome = 'paid_elsewhere' AND asked.kind = 'refund')
        ELSE false END
$function$;

CREATE OR REPLACE FUNCTION order_accruable(sold uuid)
 RETURNS TABLE(turnover bigint, tins integer, cost_per_tin bigint)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT o.subtotal - given.goods, o.tins - given.tins, o.cost_per_tin::bigint
    FROM orders o CROSS JOIN LATERAL order_given_back(o.id) given
    WHERE o.id = sold AND ledger_has('sale:' || o.id, 'turnover:shop', -o.subtotal)
$function$;

CREATE OR REPLACE FUNCTION order_accrual_differs(sold uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT coalesce((SELECT ROW(turnover, tins, cost_per_tin) FROM order_accruable(sold)) <>
                    (SELECT ROW(turnover::bigint, tins, cost_per_tin::bigint) FROM sale_accruals
                     WHERE order_id = sold ORDER BY sequence DESC LIMIT 1), true)
$function$;

CREATE OR REPLACE FUNCTION order_awaits_deposits(waiting uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION order_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NEW.state <> 'pending' THEN
        PERFORM refuse('order_born', format('order %s is born pending', NEW.id));
    END IF;
    IF NEW.kind = 'wholesale' AND NOT EXISTS
       (SELECT FROM wholesale_accounts WHERE id = NEW.account_id AND member_id = NEW.member_id
                                         AND status IN ('approved', 'active')) THEN
        PERFORM refuse('order_account', format('account %s may not order, or is somebody else''s', NEW.account_id));
    END IF;
    INSERT INTO order_events (order_id, state, happened_at) VALUES (NEW.id, NEW.state, NEW.state_at);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION order_cancel_refused()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF OLD.cancel_refused_at IS NOT NULL
       OR NOT EXISTS (SELECT FROM order_items WHERE order_id = NEW.id AND shipped > 0) THEN
        PERFORM refuse('order_cancel_refused', format('nothing of order %s has left', NEW.id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION order_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF (NEW.id, NEW.number, NEW.member_id, NEW.cart_id, NEW.placed_at, NEW.tins, NEW.subtotal, NEW.shipping_cost,
        NEW.shipping_tax, NEW.tax_amount, NEW.total_amount, NEW.cost_per_tin, NEW.ship_state, NEW.ship_zip, NEW.doorstep,
        NEW.kind, NEW.account_id, NEW.certificate_id)
       IS DISTINCT FROM
       (OLD.id, OLD.number, OLD.member_id, OLD.cart_id, OLD.placed_at, OLD.tins, OLD.subtotal, OLD.shipping_cost,
        OLD.shipping_tax, OLD.tax_amount, OLD.total_amount, OLD.cost_per_tin, OLD.ship_state, OLD.ship_zip, OLD.doorstep,
        OLD.kind, OLD.account_id, OLD.certificate_id)
       OR (NEW.address IS DISTINCT FROM OLD.address AND NEW.address IS NOT NULL) THEN
        PERFORM refuse('order_terms', format('the terms of order %s are fixed', OLD.id));
    END IF;
    IF OLD.cancel_wanted_at IS NOT NULL AND NEW.cancel_wanted_at IS NULL THEN
        PERFORM refuse('order_cancel_stays', format('order %s stays cancelled', OLD.id));
    END IF;
    IF NEW.state = OLD.state THEN
        RETURN NEW;
    END IF;
    IF NOT EXISTS (SELECT FROM order_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        PERFORM refuse('order_transition', format('order %s: %s to %s', NEW.id, OLD.state, NEW.state));
    END IF;
    IF NEW.state = 'payment_processing' AND NEW.kind = 'retail' AND NOT EXISTS
       (SELECT FROM age_checks WHERE id = NEW.age_check_id AND member_id = NEW.member_id AND status = 'accepted'
                                 AND valid_until > NEW.state_at) THEN
        PERFORM refuse('order_age', format('order %s has no accepted age check of its member', NEW.id));
    END IF;
    IF NEW.state = 'confirmed' AND NOT (
        EXISTS (SELECT FROM payments WHERE order_id = NEW.id AND state = 'captured' AND amount = NEW.total_amount
                                       AND refund_open + refunded + disputed = 0)
        AND ledger_has('sale:' || NEW.id, 'turnover:shop', -NEW.subtotal)) THEN
        PERFORM refuse('order_paid', format('order %s is not paid, or its sale is not booked', NEW.id));
    END IF;
    IF NEW.state = 'cancelled' AND EXISTS (
        SELECT FROM payments WHERE order_id = NEW.id
        AND (state IN ('pending', 'authorized') OR (state = 'captured' AND refunded + disputed <> amount))) THEN
        PERFORM refuse('order_money', format('order %s holds money, or may', NEW.id));
    END IF;
    IF NEW.state = 'cancelled' AND EXISTS (SELECT FROM order_items WHERE order_id = NEW.id AND promised <> released) THEN
        PERFORM refuse('order_stock', format('order %s holds stock', NEW.id));
    END IF;
    INSERT INTO order_events (order_id, state, reason, happened_at)
    VALUES (NEW.id, NEW.state, CASE NEW.state WHEN 'cancelled' THEN NEW.cancel_reason END, NEW.state_at);
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION order_disputed(sold uuid)
 RETURNS TABLE(goods bigint, shipping bigint, tax bigint, tins integer)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT coalesce(sum(m.goods), 0)::bigint, coalesce(sum(m.shipping), 0)::bigint, coalesce(sum(m.tax), 0)::bigint,
           coalesce(sum(m.tins), 0)::integer
    FROM payments JOIN disputes d ON d.payment_id = payments.id JOIN dispute_movements m ON m.dispute_id = d.id
    WHERE payments.order_id = sold
$function$;

CREATE OR REPLACE FUNCTION order_given_back(sold uuid)
 RETURNS TABLE(goods bigint, shipping bigint, tax bigint, tins integer)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT refunded.goods + d.goods, refunded.shipping + d.shipping, refunded.tax + d.tax, refunded.tins + d.tins
    FROM (SELECT coalesce(sum(r.goods), 0)::bigint AS goods, coalesce(sum(r.shipping), 0)::bigint AS shipping,
                 coalesce(sum(r.tax), 0)::bigint AS tax, coalesce(sum(r.tins), 0)::integer AS tins
          FROM refunds r WHERE r.order_id = sold) refunded, order_disputed(sold) d
$function$;

CREATE OR REPLACE FUNCTION order_goes_out()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.state = 'confirmed' AND NOT EXISTS (SELECT FROM fulfilments WHERE order_id = NEW.id) THEN
        PERFORM refuse('order_fulfilment', format('nothing of order %s would be sent', NEW.id));
    END IF;
    IF NEW.state IN ('shipped', 'delivered')
       AND (SELECT bool_or(promised > released + shipped) OR sum(shipped) = 0 FROM order_items WHERE order_id = NEW.id) THEN
        PERFORM refuse('order_shipped', format('order %s has not left yet', NEW.id));
    END IF;
    IF NEW.state = 'delivered' AND order_has_parcels_under_way(NEW.id) THEN
        PERFORM refuse('order_delivered', format('a parcel of order %s is under way', NEW.id));
    END IF;
    IF NEW.state = 'cancelled'
       AND EXISTS (SELECT FROM fulfilments WHERE order_id = NEW.id AND fulfilment_is_open(status)) THEN
        PERFORM refuse('order_at_warehouse', format('the warehouse may still send order %s', NEW.id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION order_has_open_dispute(sold uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (SELECT FROM payments JOIN disputes ON disputes.payment_id = payments.id
                   WHERE payments.order_id = sold AND disputes.state = 'open')
$function$;

CREATE OR REPLACE FUNCTION order_has_parcels_under_way(sent uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (SELECT FROM parcels JOIN fulfilments f ON f.id = fulfilment_id
                   WHERE f.order_id = sent AND parcels.status IN ('shipped', 'in_transit'))
        OR EXISTS (SELECT FROM order_items item
                   JOIN (SELECT line.sku, sum(line.tins) AS tins
                         FROM fulfilments f JOIN parcels ON parcels.fulfilment_id = f.id
                         JOIN parcel_lines line ON line.parcel_id = parcels.id
                         WHERE f.order_id = sent AND parcels.status = 'lost' GROUP BY line.sku) lost USING (sku)
                   WHERE item.order_id = sent AND lost.tins > item.refunded - item.refunded_unsent)
$function$;

CREATE OR REPLACE FUNCTION order_is_disputed(sold uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (SELECT FROM payments JOIN disputes ON disputes.payment_id = payments.id
                   WHERE payments.order_id = sold AND (disputes.state = 'open' OR disputes.withdrawn > 0))
$function$;

CREATE OR REPLACE FUNCTION order_is_overdrawn(sold uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT coalesce(sum(m.excess), 0) > 0
    FROM payments JOIN disputes d ON d.payment_id = payments.id JOIN dispute_movements m ON m.dispute_id = d.id
    WHERE payments.order_id = sold
$function$;

CREATE OR REPLACE FUNCTION order_is_under_way(state order_state)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT state NOT IN ('delivered', 'cancelled')
$function$;

CREATE OR REPLACE FUNCTION order_is_unpaid(state order_state)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT state IN ('pending', 'age_verification', 'payment_processing')
$function$;

CREATE OR REPLACE FUNCTION order_never_deleted()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    PERFORM refuse('order_never_deleted', format('order %s stays', OLD.id));
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION order_paid(sold uuid)
 RETURNS TABLE(status text, refunded bigint)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT payment_word(p.state, p.amount, p.refunded), p.refunded::bigint
    FROM payments p WHERE p.order_id = sold ORDER BY p.created_at DESC, p.id DESC LIMIT 1
$function$;

CREATE OR REPLACE FUNCTION order_settled()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    PERFORM refuse('order_settled', format('the tins of order %s were counted for the referrer', OLD.id));
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION order_takes_parcels(sent uuid, reached order_state, at timestamp with time zone)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
    UPDATE orders SET state = reached, state_at = at
    WHERE id = sent AND reached IN ('fulfilled', 'shipped', 'delivered')
$function$;

CREATE OR REPLACE FUNCTION order_undisputed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF order_has_open_dispute(NEW.id) THEN
        PERFORM refuse('order_disputed', format('order %s is disputed', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION order_usdt_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION order_volume(sold uuid)
 RETURNS TABLE(day date, tins integer)
 LANGUAGE sql
 STABLE
AS $function$
    WITH given_back AS (
        SELECT greatest((SELECT given.tins FROM order_given_back(sold) given) - sum(refunded_unsent), 0) AS tins
        FROM order_items WHERE order_id = sold
    ), sent AS (
        SELECT (shipped_at AT TIME ZONE 'UTC')::date AS day, sum(line.tins) AS tins
        FROM fulfilments f JOIN parcels ON parcels.fulfilment_id = f.id JOIN parcel_lines line ON parcel_id = parcels.id
        WHERE f.order_id = sold GROUP BY 1
    )
    SELECT sent.day, greatest(least(sent.tins, sum(sent.tins) OVER (ORDER BY sent.day) - given_back.tins), 0)::integer
    FROM sent CROSS JOIN given_back
$function$;

CREATE OR REPLACE FUNCTION order_volume_differs(sold uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (
        SELECT FROM order_volume(sold) now
        FULL JOIN (SELECT day, tins FROM order_tins_sold WHERE order_id = sold) counted USING (day)
        WHERE coalesce(now.tins, 0) <> coalesce(counted.tins, 0))
$function$;

CREATE OR REPLACE FUNCTION order_volume_done()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF order_volume_differs(NEW.id) THEN
        PERFORM refuse('volume_due', format('the sales have something else of order %s than it gives', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION order_volume_due()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF TG_TABLE_NAME = 'refunds' THEN
        UPDATE orders SET volume_due_at = coalesce(volume_due_at, NEW.recorded_at)
        WHERE id = NEW.order_id AND EXISTS (SELECT FROM order_items WHERE order_id = NEW.order_id AND shipped > 0);
    ELSE
        UPDATE orders SET volume_due_at = coalesce(volume_due_at, NEW.recorded_at)
        WHERE id = (SELECT order_id FROM fulfilments WHERE id = NEW.fulfilment_id);
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION order_waits_for_people(waiting uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (SELECT FROM payments JOIN payment_operations asked ON asked.payment_id = payments.id
                   WHERE payments.order_id = waiting AND asked.kind IN ('void', 'refund')
                     AND (asked.status = 'failed' OR (payments.provider = 'invoice' AND asked.status = 'recorded')))
$function$;

CREATE OR REPLACE FUNCTION order_whole()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    items record;
BEGIN
    SELECT count(*) AS lines, sum(quantity) AS tins, sum(line_total) AS total, sum(tax) AS tax,
           bool_and(promised = quantity) AS promised
    INTO items FROM order_items WHERE order_id = NEW.id;
    IF items.lines = 0 OR items.tins <> NEW.tins OR items.total <> NEW.subtotal
       OR items.tax + NEW.shipping_tax <> NEW.tax_amount THEN
        PERFORM refuse('order_adds_up', format('order %s is not the sum of its lines', NEW.id));
    END IF;
    IF NOT items.promised THEN
        PERFORM refuse('order_promised', format('order %s has no stock', NEW.id));
    END IF;
    IF NOT EXISTS (SELECT FROM payments WHERE order_id = NEW.id AND amount = NEW.total_amount) THEN
        PERFORM refuse('order_payment', format('order %s has no payment of its total', NEW.id));
    END IF;
    IF EXISTS (SELECT FROM payments p LEFT JOIN invoices i ON i.payment_id = p.id
               WHERE p.order_id = NEW.id AND p.provider = 'invoice'
                 AND (NEW.kind <> 'wholesale' OR i.due_at IS DISTINCT FROM NEW.expires_at)) THEN
        PERFORM refuse('order_invoice', format('order %s has no invoice that is due when it expires', NEW.id));
    END IF;
    IF NEW.kind = 'retail' AND NOT EXISTS
       (SELECT FROM carts WHERE id = NEW.cart_id AND status = 'ordered' AND member_id = NEW.member_id) THEN
        PERFORM refuse('order_cart', format('cart %s is open, or somebody else''s', NEW.cart_id));
    END IF;
    IF NEW.certificate_id IS NOT NULL AND NOT EXISTS
       (SELECT FROM resale_certificates WHERE id = NEW.certificate_id AND account_id = NEW.account_id
        AND state = NEW.ship_state AND valid_until >= CAST(NEW.placed_at AT TIME ZONE 'UTC' AS date)) THEN
        PERFORM refuse('order_certificate', format('order %s has no valid certificate of %s', NEW.id, NEW.ship_state));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION owner_remains()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('owners', 0));
    IF NOT EXISTS (SELECT FROM members WHERE role = 'owner' AND status = 'active' AND id <> OLD.id) THEN
        PERFORM refuse('last_owner', format('member %s is the last owner', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION parcel_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    sent fulfilments;
BEGIN
    SELECT * INTO sent FROM fulfilments WHERE id = NEW.fulfilment_id;
    IF sent.by_hand <> (NEW.sent_by IS NOT NULL) THEN
        PERFORM refuse('parcel_by_hand', format('parcel %s is not sent as its fulfilment is', NEW.id));
    END IF;
    IF NEW.sent_by IS NULL THEN
        RETURN NEW;
    END IF;
    IF sent.status <> 'packed' OR order_is_disputed(sent.order_id)
       OR NOT EXISTS (SELECT FROM orders WHERE id = sent.order_id AND state IN ('confirmed', 'fulfilled')
                      AND (cancel_wanted_at IS NULL OR cancel_refused_at IS NOT NULL))
       OR EXISTS (SELECT FROM refund_requests WHERE order_id = sent.order_id AND status = 'waiting') THEN
        PERFORM refuse('parcel_awaited', format('nobody may send parcel %s now', NEW.id));
    END IF;
    IF NOT EXISTS (SELECT FROM orders WHERE id = sent.order_id AND may_decide_for(NEW.sent_by, member_id)) THEN
        PERFORM refuse('own_interest', format('the admin would profit from parcel %s', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION parcel_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    way text[] := ARRAY['shipped', 'in_transit', 'lost', 'delivered', 'returned'];
BEGIN
    IF (NEW.id, NEW.fulfilment_id, NEW.carrier, NEW.tracking_number, NEW.shipped_at, NEW.recorded_at, NEW.sent_by,
        NEW.reason) IS DISTINCT FROM
       (OLD.id, OLD.fulfilment_id, OLD.carrier, OLD.tracking_number, OLD.shipped_at, OLD.recorded_at, OLD.sent_by,
        OLD.reason)
       OR (OLD.delivered_at IS NOT NULL AND NEW.delivered_at IS DISTINCT FROM OLD.delivered_at) THEN
        PERFORM refuse('parcel_fixed', format('parcel %s stays what it is', OLD.id));
    END IF;
    IF array_position(way, NEW.status) < array_position(way, OLD.status) THEN
        PERFORM refuse('parcel_forward', format('parcel %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION parcel_left()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM stock_moves m
                   JOIN parcels ON parcels.id = m.parcel_id JOIN fulfilments f ON f.id = parcels.fulfilment_id
                   WHERE m.kind = 'ship' AND m.parcel_id = NEW.parcel_id AND m.sku = NEW.sku AND m.quantity = NEW.tins
                     AND m.order_id = f.order_id AND m.moved_at = parcels.shipped_at) THEN
        PERFORM refuse('parcel_left', format('%s of parcel %s has not left the stock', NEW.sku, NEW.parcel_id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION payment_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    SELECT placed_at INTO NEW.ordered_at FROM orders WHERE id = NEW.order_id;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION payment_operation_booked()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM payments WHERE id = NEW.payment_id AND provider = 'invoice')
       AND NOT EXISTS (SELECT FROM bank_transfers WHERE operation_id = NEW.id) THEN
        PERFORM refuse('transfer_booked', format('nobody has booked the transfer of operation %s', NEW.id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION payment_operation_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION payment_operation_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION payment_word(state text, amount usd, refunded usd)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT CASE WHEN state = 'voided' THEN 'failed'
                WHEN state = 'captured' AND refunded = amount THEN 'refunded' ELSE state END
$function$;

CREATE OR REPLACE FUNCTION payout_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NEW.state <> 'REQUESTED' THEN
        PERFORM refuse('I13_born', format('payout %s cannot be born %s', NEW.id, NEW.state));
    END IF;
    INSERT INTO payout_events (payout_id, kind, detail, happened_at)
    VALUES (NEW.id, 'payout_state', jsonb_build_object('to', NEW.state), NEW.state_at);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION payout_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF (NEW.id, NEW.treasury, NEW.member_id, NEW.scope, NEW.idempotency_key, NEW.body_hash, NEW.source_kind,
        NEW.source_id, NEW.recipient_address, NEW.amount, NEW.requested_by, NEW.requested_at, NEW.holds,
        NEW.counted_on)
       IS DISTINCT FROM
       (OLD.id, OLD.treasury, OLD.member_id, OLD.scope, OLD.idempotency_key, OLD.body_hash, OLD.source_kind,
        OLD.source_id, OLD.recipient_address, OLD.amount, OLD.requested_by, OLD.requested_at, OLD.holds,
        OLD.counted_on) THEN
        PERFORM refuse('I3_terms', format('the terms of payout %s are fixed', OLD.id));
    END IF;
    IF NEW IS NOT DISTINCT FROM OLD THEN
        RETURN NEW;
    END IF;
    IF (NEW.state, NEW.state_at, NEW.hold_reason, NEW.approvals_needed, NEW.paid_at, NEW.transaction_hash)
       IS NOT DISTINCT FROM
       (OLD.state, OLD.state_at, OLD.hold_reason, OLD.approvals_needed, OLD.paid_at, OLD.transaction_hash) THEN
        RETURN NEW;  -- it steps aside
    END IF;
    IF NOT EXISTS (SELECT FROM payout_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        PERFORM refuse('I4_transition', format('payout %s: %s to %s', NEW.id, OLD.state, NEW.state));
    END IF;
    PERFORM payout_may_leave(OLD, NEW.state);
    PERFORM payout_may_become(NEW, OLD.state);
    IF NEW.state IN ('HELD', 'QUARANTINED') THEN
        NEW.holds := OLD.holds + 1;
    END IF;
    IF NEW.state = 'APPROVED' AND OLD.counted_on IS NULL AND NEW.source_kind <> 'rotation' THEN
        NEW.counted_on := (NEW.state_at AT TIME ZONE 'UTC')::date;
    END IF;
    INSERT INTO payout_events (payout_id, kind, detail, happened_at)
    VALUES (NEW.id, 'payout_state', jsonb_strip_nulls(jsonb_build_object(
                'from', OLD.state, 'to', NEW.state, 'hold_reason', NEW.hold_reason)), NEW.state_at);
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION payout_counted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NEW.counted_on IS DISTINCT FROM OLD.counted_on THEN
        INSERT INTO treasury_days AS kept (treasury, day, amount) VALUES (NEW.treasury, NEW.counted_on, NEW.amount)
        ON CONFLICT (treasury, day) DO UPDATE SET amount = kept.amount + EXCLUDED.amount;
    END IF;
    IF NEW.state = 'RESERVED' AND OLD.state = 'APPROVED' AND NEW.source_kind <> 'rotation' THEN
        INSERT INTO treasury_minutes AS kept (treasury, minute, amount, agreed)
        VALUES (NEW.treasury, date_trunc('minute', NEW.state_at),
                CASE WHEN NEW.people_agreed > 0 THEN 0 ELSE NEW.amount END,
                CASE WHEN NEW.people_agreed > 0 THEN NEW.amount ELSE 0 END)
        ON CONFLICT (treasury, minute) DO UPDATE
        SET amount = kept.amount + EXCLUDED.amount, agreed = kept.agreed + EXCLUDED.agreed;
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION payout_in_doubt(payout payouts)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT may_be_paid_already(payout) AND NOT EXISTS (
        SELECT FROM foreign_explanations said
        JOIN payout_slots slot ON slot.signer = said.signer AND slot.nonce = said.nonce
                              AND slot.state = 'FOREIGN' AND slot.payout_id IS NULL
        WHERE said.payout_id = payout.id
        GROUP BY said.signer, said.nonce HAVING count(*) >= 2)
$function$;

CREATE OR REPLACE FUNCTION payout_is_judged(identity uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (
        SELECT FROM payouts
        WHERE id = identity AND state = 'QUARANTINED'
          AND (SELECT count(*) FROM payout_approvals WHERE payout_id = payouts.id AND hold = payouts.holds)
              >= greatest(payouts.approvals_needed, 2))
$function$;

CREATE OR REPLACE FUNCTION payout_is_payable(state payout_state)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT state IN ('REQUESTED', 'APPROVED', 'RESERVED')
$function$;

CREATE OR REPLACE FUNCTION payout_is_stopped(state payout_state)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT state IN ('HELD', 'QUARANTINED')
$function$;

CREATE OR REPLACE FUNCTION payout_is_under_way(state payout_state)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT state IN ('REQUESTED', 'APPROVED', 'RESERVED', 'IN_FLIGHT')
$function$;

CREATE OR REPLACE FUNCTION payout_is_unfinished(state payout_state)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT state NOT IN ('PAID', 'CANCELLED')
$function$;

CREATE OR REPLACE FUNCTION payout_let_go()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    counted integer := 0;
BEGIN
    NEW.people_agreed := OLD.people_agreed;
    IF OLD.state IN ('HELD', 'QUARANTINED') AND NEW.state <> 'CANCELLED'
       AND (NEW.state, NEW.hold_reason, NEW.approvals_needed) IS DISTINCT FROM
           (OLD.state, OLD.hold_reason, OLD.approvals_needed) THEN
        PERFORM FROM members WHERE id IN
            (SELECT approver_id FROM payout_approvals WHERE payout_id = OLD.id AND hold = OLD.holds)
            ORDER BY id FOR SHARE;
        counted := approvals_that_count(OLD);
        IF counted < approvals_required(OLD) THEN
            PERFORM refuse('approvals', format('payout %s has %s approvals that count, which is too few', OLD.id, counted));
        END IF;
    END IF;
    IF OLD.state = 'HELD' AND NEW.state = 'APPROVED' THEN
        IF OLD.approvals_needed = 0 AND counted < 2 AND
           (SELECT decision FROM payout_policy_runs WHERE payout_id = OLD.id ORDER BY id DESC LIMIT 1) = 'hold' THEN
            PERFORM refuse('policy', format('the policy holds payout %s', OLD.id));
        END IF;
        IF OLD.approvals_needed > 0 OR counted >= 2 THEN
            NEW.people_agreed := greatest(OLD.people_agreed, counted);
        END IF;
    END IF;
    IF NEW.state = 'APPROVED' AND NEW.people_agreed = 0 AND needs_second_person(NEW) THEN
        PERFORM refuse('award_second_person', format('payout %s waits for a second person', NEW.id));
    END IF;
    IF NEW.people_agreed > 0 THEN
        NEW.counted_on := OLD.counted_on;  -- it does not use up the day of what needs no people
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION payout_may_become(payout payouts, before payout_state)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
DECLARE
    reserved boolean;
    open_slot slot_state;
    paid_hash evm_hash;
BEGIN
    IF payout.state = 'APPROVED' THEN
        RETURN;
    END IF;
    IF payout.state IN ('RESERVED', 'IN_FLIGHT', 'CANCELLED') THEN
        reserved := payout_reserved(payout);
    END IF;
    SELECT state INTO open_slot FROM payout_slots
    WHERE payout_id = payout.id AND state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN');
    SELECT winning_hash INTO paid_hash FROM payout_slots WHERE payout_id = payout.id AND state = 'FINAL_PAY';

    IF payout.state = 'RESERVED' AND NOT reserved THEN
        PERFORM refuse('I12_reserved', format('payout %s has no journal resv of its amount', payout.id));
    END IF;
    IF payout.state = 'RESERVED' AND (open_slot IS NOT NULL OR paid_hash IS NOT NULL) THEN
        PERFORM refuse('R2_one_slot', format('payout %s has a slot that may pay or has paid', payout.id));
    END IF;
    IF payout.state = 'IN_FLIGHT' AND (open_slot IS NULL OR open_slot = 'FOREIGN' OR NOT reserved) THEN
        PERFORM refuse('I6_open_slot', format('payout %s has no open slot', payout.id));
    END IF;
    IF payout.state = 'PAID' AND (payout.transaction_hash IS DISTINCT FROM paid_hash
       OR NOT ledger_has('paid:' || payout.id, 'in_flight:' || payout.treasury, -payout.amount)
       OR NOT ledger_has('paid:' || payout.id, 'paid:' || payout.treasury, payout.amount)) THEN
        PERFORM refuse('I11_paid', format('payout %s lacks FINAL_PAY, its transaction or its journal', payout.id));
    END IF;
    IF payout.state = 'CANCELLED' AND (open_slot IS NOT NULL OR paid_hash IS NOT NULL OR reserved) THEN
        PERFORM refuse('R2_cancelled', format('payout %s may still pay or holds money', payout.id));
    END IF;
    IF payout.state = 'HELD' AND (open_slot IS NOT NULL OR paid_hash IS NOT NULL) THEN
        PERFORM refuse('R2_held', format('payout %s may still pay or has paid', payout.id));
    END IF;
    IF payout.state = 'QUARANTINED' AND NOT EXISTS
       (SELECT FROM treasuries WHERE name = payout.treasury AND paused_at IS NOT NULL) THEN
        PERFORM refuse('R5_paused', format('payout %s is quarantined only together with its treasury', payout.id));
    END IF;
END $function$;

CREATE OR REPLACE FUNCTION payout_may_leave(payout payouts, target payout_state)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
DECLARE
    approvals integer;
BEGIN
    IF payout.state = 'REQUESTED' AND target = 'APPROVED' AND NOT EXISTS
       (SELECT FROM payout_policy_runs WHERE payout_id = payout.id AND decision = 'approve') THEN
        PERFORM refuse('policy', format('no policy has approved payout %s', payout.id));
    END IF;
    IF payout.state IN ('HELD', 'QUARANTINED') AND target <> 'CANCELLED' THEN
        SELECT count(*) INTO approvals FROM payout_approvals
        WHERE payout_id = payout.id AND hold = payout.holds;
        IF approvals < greatest(payout.approvals_needed, CASE payout.state WHEN 'QUARANTINED' THEN 2 ELSE 0 END) THEN
            PERFORM refuse('approvals', format('payout %s has %s approvals, which is too few', payout.id, approvals));
        END IF;
    END IF;
    IF payout.state = 'HELD' AND target = 'APPROVED' AND payout.approvals_needed = 0 AND approvals < 2 AND
       (SELECT decision FROM payout_policy_runs WHERE payout_id = payout.id ORDER BY id DESC LIMIT 1) = 'hold' THEN
        PERFORM refuse('policy', format('the policy holds payout %s', payout.id));
    END IF;
END $function$;

CREATE OR REPLACE FUNCTION payout_never_deleted()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    PERFORM refuse('never_deleted', format('%s rows are kept for ever', TG_TABLE_NAME));
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION payout_of_affiliate_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NEW.source_id !~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        PERFORM refuse('affiliate_payout_known', format('%s is no id of an affiliate payout', NEW.source_id));
    ELSIF NOT EXISTS (SELECT FROM affiliate_payouts WHERE id = NEW.source_id::uuid AND state = 'proposed') THEN
        PERFORM refuse('affiliate_payout_known', format('there is no affiliate payout %s', NEW.source_id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION payout_of_comp_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    comp_status text;
BEGIN
    SELECT status INTO comp_status FROM comps WHERE id = NEW.source_id::uuid FOR SHARE;
    IF comp_status <> 'pending' THEN
        PERFORM refuse('comp_pending', format('comp %s is %s', NEW.source_id, comp_status));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION payout_of_week()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NEW.counted_on IS DISTINCT FROM OLD.counted_on AND agreed_in_week(NEW) THEN
        NEW.counted_on := OLD.counted_on;
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION payout_of_wholesale_comp_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.treasury <> 'wholesale' OR NOT EXISTS (
        SELECT FROM wholesale_comps comp JOIN wholesale_accounts account ON account.id = comp.account_id
        JOIN members ON members.id = account.member_id
        WHERE comp.id::text = NEW.source_id AND comp.amount = NEW.amount AND comp.awarded_by = NEW.requested_by
          AND members.id = NEW.member_id AND members.wallet_address = NEW.recipient_address
          AND coalesce(members.wallet_rests_until <= NEW.requested_at, true)) THEN
        PERFORM refuse('wholesale_comp_payout', format('payout %s is not what was awarded', NEW.id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION payout_of_withheld_guarantee()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM comps
               JOIN guarantee_reviews ON guarantee_reviews.member_id = comps.member_id AND guarantee_reviews.status <> 'granted'
               WHERE comps.id = NEW.source_id::uuid AND comps.source_kind = 'guarantee') THEN
        PERFORM refuse('guarantee_withheld', format('the guarantee of comp %s is withheld', NEW.source_id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION payout_reserved(payout payouts)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT ledger_has('resv:' || payout.id, 'in_flight:' || payout.treasury, payout.amount)
       AND NOT ledger_has('cancel:' || payout.id, 'in_flight:' || payout.treasury, -payout.amount)
$function$;

CREATE OR REPLACE FUNCTION payout_to_resting_wallet()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM members WHERE id = NEW.member_id AND lower(wallet_address) = lower(NEW.recipient_address)
                                     AND wallet_rests_until > NEW.requested_at) THEN
        PERFORM refuse('wallet_rests', format('the wallet of member %s rests', NEW.member_id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION pays_disputed(payout payouts)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT payout.source_kind IN ('comp', 'affiliate_payout', 'wholesale_comp')
        AND EXISTS (SELECT FROM orders WHERE member_id = payout.member_id AND order_is_disputed(orders.id))
$function$;

CREATE OR REPLACE FUNCTION pays_suspended(payout payouts)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (SELECT FROM members WHERE id = payout.member_id AND status = 'suspended')
        OR EXISTS (SELECT FROM members WHERE lower(wallet_address) = lower(payout.recipient_address)
                                         AND wallet_address IS NOT NULL AND status = 'suspended')
$function$;

CREATE OR REPLACE FUNCTION prize_holds_from(prize comp_type)
 RETURNS bigint
 LANGUAGE sql
 STABLE
AS $function$
    SELECT (SELECT min(a.from_number) FROM award_inputs a
            WHERE a.from_number > c.value + 1 AND award_terms_at(a.from_number) -> 'prizes' -> prize::text = w.rule)
    FROM scan_counter c, (SELECT award_terms() -> 'prizes' -> prize::text AS rule) AS w
    WHERE award_terms_at(c.value + 1) -> 'prizes' -> prize::text <> w.rule
$function$;

CREATE OR REPLACE FUNCTION prize_is_worse(before jsonb, after jsonb)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT coalesce((before ->> 'enabled')::boolean, false) AND (
        after IS NULL
        OR NOT (after ->> 'enabled')::boolean
        OR (before ->> 'interval')::bigint % (after ->> 'interval')::bigint <> 0
        OR (after ->> 'amount')::bigint < (before ->> 'amount')::bigint
        OR (after ->> 'tier')::tier > (before ->> 'tier')::tier
        OR NOT (after ->> 'unlocked_by_admin')::boolean
           AND ((before ->> 'unlocked_by_admin')::boolean
                OR (after ->> 'unlock_volume')::bigint > (before ->> 'unlock_volume')::bigint))
$function$;

CREATE OR REPLACE FUNCTION profits_from_member(person uuid, winner uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT is_same_person(person, winner)
        OR EXISTS (SELECT FROM members WHERE id = winner AND is_same_person(person, referred_by_id))
$function$;

CREATE OR REPLACE FUNCTION profits_from_payout(person uuid, payout payouts)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT profits_from_member(person, payout.member_id) OR profits_from_wallet(person, payout.recipient_address)
$function$;

CREATE OR REPLACE FUNCTION profits_from_wallet(person uuid, wallet text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (SELECT FROM member_wallets WHERE member_id = person AND address = lower(wallet))
$function$;

CREATE OR REPLACE FUNCTION referral_counts()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO affiliate_figure_changes (affiliate_id, downline)
    VALUES (coalesce(NEW.affiliate_id, OLD.affiliate_id), CASE TG_OP WHEN 'INSERT' THEN 1 ELSE -1 END);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION referral_ended()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    DELETE FROM referrals WHERE referred_id = NEW.id;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION referral_is_fixed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.referred_by_id IS NOT NULL AND NEW.referred_by_id IS DISTINCT FROM OLD.referred_by_id THEN
        PERFORM refuse('referral_is_fixed', 'who referred a member is decided at sign-up');
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION referral_joined()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO referrals (referred_id, affiliate_id, joined_at, tier)
    VALUES (NEW.id, NEW.referred_by_id, NEW.email_verified_at, NEW.permanent_tier) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION referral_review_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF OLD.status <> 'open' OR (NEW.id, NEW.referred_id, NEW.affiliate_id, NEW.found_at)
       IS DISTINCT FROM (OLD.id, OLD.referred_id, OLD.affiliate_id, OLD.found_at) THEN
        PERFORM refuse('referral_review_decided', format('referral review %s is decided once', OLD.id));
    END IF;
    IF profits_from_member(NEW.decided_by, NEW.referred_id) OR is_same_person(NEW.decided_by, NEW.affiliate_id) THEN
        PERFORM refuse('own_interest', format('who decides about referral review %s would profit', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION referral_tier_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO referral_changes (member_id) SELECT id FROM members WHERE id = NEW.member_id AND referred_by_id IS NOT NULL;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION referral_to_check()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO referral_checks (member_id) VALUES (NEW.referred_id);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION refund_asked()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM refund_requests WHERE id = NEW.id AND status = 'recorded') THEN
        PERFORM refuse('refund_asked', format('nobody has asked for refund %s', NEW.id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION refund_fits()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    whole refunds%ROWTYPE;
    charged orders%ROWTYPE;
    given record;
    lines record;
BEGIN
    IF TG_TABLE_NAME = 'refund_lines' THEN
        SELECT * INTO whole FROM refunds WHERE id = NEW.refund_id;
    ELSE
        whole := NEW;
    END IF;
    SELECT * INTO charged FROM orders WHERE id = whole.order_id;
    SELECT * INTO given FROM order_given_back(whole.order_id);
    IF given.goods > charged.subtotal OR given.shipping > charged.shipping_cost OR given.tax > charged.tax_amount
       OR (SELECT sum(shipping_tax) FROM refunds WHERE order_id = whole.order_id) > charged.shipping_tax
       OR EXISTS (SELECT FROM refund_lines line
                  JOIN refunds ON refunds.id = line.refund_id JOIN order_items item USING (order_id, sku)
                  WHERE order_id = whole.order_id GROUP BY sku, item.line_total, item.tax
                  HAVING sum(line.goods) > item.line_total OR sum(line.tax) > item.tax) THEN
        PERFORM refuse('refund_fits', format('order %s was not charged so much', whole.order_id));
    END IF;
    SELECT coalesce(sum(tins), 0) AS tins, coalesce(sum(goods), 0) AS goods, coalesce(sum(tax), 0) AS tax INTO lines
    FROM refund_lines WHERE refund_id = whole.id;
    IF (lines.tins, lines.goods, lines.tax + whole.shipping_tax) <> (whole.tins, whole.goods, whole.tax) THEN
        PERFORM refuse('refund_lines', format('refund %s is not the sum of its lines', whole.id));
    END IF;
    IF NOT ledger_has('refund:' || whole.id, 'owed:refunds', -whole.amount) THEN
        PERFORM refuse('refund_booked', format('refund %s is not in the ledger', whole.id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION refund_is_paid_elsewhere(refund uuid, amount bigint)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT ledger_has('refunded:' || refund, 'bank:operating', -amount)
$function$;

CREATE OR REPLACE FUNCTION refund_line_counted()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    whole refunds%ROWTYPE;
BEGIN
    SELECT * INTO whole FROM refunds WHERE id = NEW.refund_id;
    UPDATE order_items
    SET refunded = refunded + NEW.tins,
        refunded_unsent = refunded_unsent + CASE WHEN whole.reason IN ('cancelled', 'short') THEN NEW.tins ELSE 0 END
    WHERE order_id = whole.order_id AND sku = NEW.sku;
    IF NOT FOUND THEN
        PERFORM refuse('refund_lines', format('order %s has no line of %s', whole.order_id, NEW.sku));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION refund_payout_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION refund_request_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    limits jsonb;
BEGIN
    IF NEW.status <> 'waiting' THEN
        PERFORM refuse('refund_request_decided', format('refund %s is born waiting', NEW.id));
    END IF;
    IF NOT EXISTS (SELECT FROM orders WHERE id = NEW.order_id AND may_decide_for(NEW.requested_by, member_id)) THEN
        PERFORM refuse('own_interest', format('the admin would profit from refund %s', NEW.id));
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('refunds of ' || NEW.requested_by, 0));
    SELECT value INTO limits FROM settings WHERE name = 'refund_limits';
    NEW.needs_approval := NEW.amount > (limits ->> 'single')::numeric * 1000000
        OR (SELECT count(*) FROM refund_requests
            WHERE requested_by = NEW.requested_by AND status <> 'rejected'
              AND requested_at >= date_trunc('day', NEW.requested_at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC')
           >= (limits ->> 'day')::numeric;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION refund_request_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF (NEW.id, NEW.order_id, NEW.kind, NEW.tins, NEW.amount, NEW.reason, NEW.note, NEW.needs_approval,
        NEW.requested_by, NEW.requested_at)
       IS DISTINCT FROM
       (OLD.id, OLD.order_id, OLD.kind, OLD.tins, OLD.amount, OLD.reason, OLD.note, OLD.needs_approval,
        OLD.requested_by, OLD.requested_at) OR OLD.status <> 'waiting' THEN
        PERFORM refuse('refund_request_decided', format('refund %s is decided, or its terms are fixed', OLD.id));
    END IF;
    IF NEW.status <> 'recorded' THEN
        RETURN NEW;
    END IF;
    IF NEW.needs_approval AND NEW.decided_by IS NULL OR NEW.decided_by IS NOT NULL AND (
        is_same_person(NEW.decided_by, NEW.requested_by)
        OR NOT EXISTS (SELECT FROM orders WHERE id = NEW.order_id AND may_decide_for(NEW.decided_by, member_id))) THEN
        PERFORM refuse('refund_second_person', format('refund %s needs a second person', NEW.id));
    END IF;
    IF NOT EXISTS (SELECT FROM refunds WHERE id = NEW.id AND order_id = NEW.order_id AND amount = NEW.amount
                                         AND reason = NEW.reason) THEN
        PERFORM refuse('refund_asked', format('refund %s is not recorded as it was asked for', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION refund_undisputed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    sold uuid := (SELECT order_id FROM payments WHERE id = NEW.payment_id);
BEGIN
    IF order_has_open_dispute(sold) OR TG_OP = 'UPDATE' AND order_is_overdrawn(sold) THEN
        PERFORM refuse('payment_disputed', format('payment %s is disputed: no refund', NEW.payment_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION refuse(rule text, explanation text)
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
    RAISE EXCEPTION '%: %', rule, explanation USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = rule;
END $function$;

CREATE OR REPLACE FUNCTION release_is_certain()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF payout_in_doubt(OLD) THEN
        PERFORM refuse('R8_unexplained', format('payout %s may have been paid by a foreign transaction', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION require_compared_count()
 RETURNS void
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (SELECT lineage <> database_lineage() FROM scan_counter) THEN
        PERFORM refuse('count_compared', 'the count of this database has not been compared with what was published');
    END IF;
END $function$;

CREATE OR REPLACE FUNCTION resale_certificate_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    account wholesale_accounts%ROWTYPE;
BEGIN
    SELECT * INTO account FROM wholesale_accounts WHERE id = NEW.account_id;
    IF account.status NOT IN ('approved', 'active', 'suspended') THEN
        PERFORM refuse('certificate_account', format('account %s is %s', account.id, account.status));
    END IF;
    IF profits_from_member(NEW.recorded_by, account.member_id) THEN
        PERFORM refuse('own_interest', format('account %s profits whoever records its certificate', account.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION resale_certificate_of(account uuid, in_state text, on_day date)
 RETURNS uuid
 LANGUAGE sql
 STABLE
AS $function$
    SELECT CASE WHEN valid_until >= on_day THEN id END FROM resale_certificates
    WHERE account_id = account AND state = in_state ORDER BY recorded_at DESC, id DESC LIMIT 1
$function$;

CREATE OR REPLACE FUNCTION resolution_said()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM payment_operations o WHERE o.id = NEW.operation_id
                   AND operation_waits_for_people(o, NEW.outcome, NEW.said_at)) THEN
        PERFORM refuse('operation_question', format('operation %s is no such question', NEW.operation_id));
    END IF;
    IF NOT EXISTS (SELECT FROM payment_operations o JOIN payments p ON p.id = o.payment_id
                   JOIN orders ON orders.id = p.order_id
                   WHERE o.id = NEW.operation_id AND may_decide_for(NEW.person_id, orders.member_id)) THEN
        PERFORM refuse('own_interest', format('the admin would profit from operation %s', NEW.operation_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION return_doubted_chips(week date, at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    cut timestamptz := week::timestamp AT TIME ZONE 'UTC';
    short record;
    lot record;
    part integer;
BEGIN
    FOR short IN
        SELECT c.affiliate_id, c.put_away - c.scan_chips - c.brought AS chips
        FROM affiliate_weeks w, week_chips(w.week_on, w.first_number, w.last_number) c
        WHERE w.week_on = week AND c.put_away > c.scan_chips + c.brought ORDER BY c.affiliate_id
    LOOP
        PERFORM FROM chip_vaults WHERE affiliate_id = short.affiliate_id FOR NO KEY UPDATE;
        FOR lot IN
            SELECT id, left_chips FROM vault_lots
            WHERE affiliate_id = short.affiliate_id AND left_chips > 0 AND vaulted_at < cut
            ORDER BY expires_at DESC, id FOR NO KEY UPDATE
        LOOP
            part := least(lot.left_chips, short.chips);
            EXIT WHEN part = 0;
            short.chips := short.chips - part;
            INSERT INTO vault_moves (affiliate_id, lot_id, kind, chips, happened_at)
            VALUES (short.affiliate_id, lot.id, 'return', part, cut);
            INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
            SELECT short.affiliate_id, week, 'return', part, max(id)::text, cut FROM vault_moves WHERE lot_id = lot.id;
        END LOOP;
        IF short.chips > 0 THEN
            INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
            SELECT short.affiliate_id, of_week, kind, short.chips, gen_random_uuid()::text, at
            FROM (VALUES (week, 'return'), (chip_week(at), 'vault')) AS both_weeks (of_week, kind);
        END IF;
    END LOOP;
END $function$;

CREATE OR REPLACE FUNCTION rotation_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM signers WHERE treasury = NEW.treasury AND status = 'active'
                                         AND lower(address) = lower(NEW.recipient_address))
       OR NOT EXISTS (SELECT FROM signers WHERE treasury = NEW.treasury AND status = 'draining') THEN
        PERFORM refuse('rotation', format('payout %s does not go to the treasury''s next key', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION sale_accrual_done()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF order_accrual_differs(NEW.id) THEN
        PERFORM refuse('accrual_due', format('the pools have something else of order %s than it gives', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION sale_accrual_due()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF TG_TABLE_NAME = 'refunds' THEN
        UPDATE orders SET accrual_due_at = coalesce(accrual_due_at, NEW.recorded_at) WHERE id = NEW.order_id;
    ELSE
        UPDATE orders SET accrual_due_at = coalesce(accrual_due_at, NEW.answered_at)
        WHERE id = (SELECT order_id FROM payments WHERE id = NEW.payment_id);
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION sale_accrual_posted()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION scan_decision_is_disinterested()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF profits_from_member(NEW.decided_by, NEW.member_id) THEN
        PERFORM refuse('own_interest', format('who decides about scan %s would profit', NEW.scan_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION segment_members(segment jsonb, this_quarter text, after_number bigint, until_number bigint)
 RETURNS TABLE(id uuid, number bigint, email text, full_name text, username text, tier tier, scans integer, wants_mail boolean)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT m.id, m.number, m.email, m.full_name, m.username, greatest(coalesce(q.tier, 'standard'), m.permanent_tier),
           coalesce(q.scans, 0), coalesce(p.email, true)
    FROM members m
    LEFT JOIN member_quarters q ON q.member_id = m.id AND q.quarter = this_quarter
    LEFT JOIN activity a ON a.member_id = m.id
    LEFT JOIN affiliate_figures f ON f.affiliate_id = m.id
    LEFT JOIN notification_preferences p ON p.member_id = m.id AND p.type = 'marketing'
    WHERE m.number > after_number AND m.number <= until_number
      AND m.status = 'active' AND m.email_verified_at IS NOT NULL
      AND (segment -> 'numbers' IS NULL OR segment -> 'numbers' @> to_jsonb(m.number))
      AND (segment -> 'tiers' IS NULL
           OR segment -> 'tiers' ? greatest(coalesce(q.tier, 'standard'), m.permanent_tier)::text)
      AND (segment -> 'permanent_tiers' IS NULL OR segment -> 'permanent_tiers' ? m.permanent_tier::text)
      AND (segment -> 'states' IS NULL OR segment -> 'states' ? m.state)
      AND (segment -> 'languages' IS NULL OR segment -> 'languages' ? m.language)
      AND (segment -> 'joined_from' IS NULL OR m.created_at >= (segment ->> 'joined_from')::timestamptz)
      AND (segment -> 'joined_before' IS NULL OR m.created_at < (segment ->> 'joined_before')::timestamptz)
      AND (segment -> 'active_from' IS NULL OR a.last_day >= (segment ->> 'active_from')::date)
      AND (segment -> 'not_active_since' IS NULL OR a.last_day IS NULL
           OR a.last_day < (segment ->> 'not_active_since')::date)
      AND (segment -> 'scans_min' IS NULL OR coalesce(q.scans, 0) >= (segment ->> 'scans_min')::integer)
      AND (segment -> 'scans_max' IS NULL OR coalesce(q.scans, 0) <= (segment ->> 'scans_max')::integer)
      AND (segment -> 'has_wallet' IS NULL OR (m.wallet_address IS NOT NULL) = (segment ->> 'has_wallet')::boolean)
      AND (segment -> 'downline_min' IS NULL OR coalesce(f.downline, 0) >= (segment ->> 'downline_min')::integer)
$function$;

CREATE OR REPLACE FUNCTION session_ended()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    DELETE FROM devices WHERE session_id = NEW.id;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION session_ends_at(device_kind text, created_at timestamp with time zone, last_used_at timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT CASE device_kind WHEN 'admin' THEN created_at + interval '12 hours'
           ELSE least(last_used_at + interval '720 hours', created_at + interval '2160 hours') END
$function$;

CREATE OR REPLACE FUNCTION share_given_up()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO affiliate_figure_changes (affiliate_id, earned) VALUES (NEW.affiliate_id, -NEW.share);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION signer_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    NEW.lineage := database_lineage();
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION signer_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.address, NEW.treasury, NEW.kms_version, NEW.created_at)
       IS DISTINCT FROM (OLD.address, OLD.treasury, OLD.kms_version, OLD.created_at) THEN
        PERFORM refuse('I5_signer', format('signer %s stays what it is', OLD.address));
    END IF;
    IF NEW.next_nonce <> OLD.next_nonce AND NOT (NEW.next_nonce = OLD.next_nonce + 1 AND EXISTS
       (SELECT FROM payout_slots WHERE signer = OLD.address AND nonce = OLD.next_nonce)) THEN
        PERFORM refuse('I5_nonce', format('nonce %s is used by a slot alone', OLD.next_nonce));
    END IF;
    IF NEW.epoch < OLD.epoch THEN
        PERFORM refuse('R6_epoch', format('epoch %s is over', NEW.epoch));
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (('active', 'draining'), ('draining', 'retired')) THEN
        PERFORM refuse('I5_signer', format('signer %s: %s to %s', OLD.address, OLD.status, NEW.status));
    END IF;
    IF NEW.status = 'retired' AND EXISTS
       (SELECT FROM payout_slots WHERE signer = OLD.address AND state IN ('ALLOCATED', 'LIVE', 'MINED')) THEN
        PERFORM refuse('I5_signer', format('signer %s has open slots', OLD.address));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION slot_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    payout payouts%ROWTYPE;
    signer signers%ROWTYPE;
    lowest bigint;
    open_max bigint;
BEGIN
    IF NEW.state <> 'ALLOCATED' THEN
        PERFORM refuse('I13_born', format('slot %s cannot be born %s', NEW.nonce, NEW.state));
    END IF;
    SELECT * INTO payout FROM payouts WHERE id = NEW.payout_id FOR UPDATE;
    SELECT * INTO signer FROM signers WHERE address = NEW.signer FOR UPDATE;
    IF signer.next_nonce IS DISTINCT FROM NEW.nonce OR signer.status = 'retired'
       OR (signer.status = 'draining' AND payout.source_kind <> 'rotation') THEN
        PERFORM refuse('I5_nonce', format('%s is not the next nonce of an active signer', NEW.nonce));
    END IF;
    IF signer.status = 'active' AND EXISTS (
       SELECT FROM signers older WHERE older.treasury = signer.treasury AND older.status = 'draining') THEN
        PERFORM refuse('R6_draining', format('the %s treasury''s older key has not drained', signer.treasury));
    END IF;
    IF NEW.payout_id IS NOT NULL
       AND (payout.state, payout.treasury) IS DISTINCT FROM ('RESERVED'::payout_state, signer.treasury) THEN
        PERFORM refuse('R2_reserved', format('payout %s is not reserved at this treasury', NEW.payout_id));
    END IF;
    SELECT nonce INTO lowest FROM payout_slots
    WHERE payout_slots.signer = NEW.signer AND state IN ('ALLOCATED', 'LIVE', 'MINED') ORDER BY nonce LIMIT 1;
    SELECT value::bigint INTO open_max FROM settings WHERE name = 'payout_in_flight_max';
    IF NEW.nonce >= lowest + open_max AND signer.rebuild_asked_at IS NULL THEN
        PERFORM refuse('R8_in_flight', format('nonces %s to %s are open', lowest, NEW.nonce - 1));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION slot_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    winner_kind text;
BEGIN
    IF (NEW.signer, NEW.nonce, NEW.allocated_at) IS DISTINCT FROM (OLD.signer, OLD.nonce, OLD.allocated_at)
       OR (NEW.payout_id IS DISTINCT FROM OLD.payout_id AND NOT (
            OLD.payout_id IS NULL AND OLD.state IN ('ALLOCATED', 'FOREIGN') AND EXISTS (
                SELECT FROM signers JOIN treasuries ON treasuries.name = signers.treasury
                WHERE signers.address = OLD.signer AND treasuries.paused_at IS NOT NULL))) THEN
        PERFORM refuse('I5_nonce', format('slot %s stays what it is for', OLD.nonce));
    END IF;
    IF OLD.given_up_at IS NOT NULL AND NEW.given_up_at IS NULL THEN
        PERFORM refuse('R3_noop', format('slot %s was given up', OLD.nonce));
    END IF;
    IF (NEW.state, NEW.winning_hash, NEW.block_number, NEW.block_hash, NEW.succeeded)
       IS NOT DISTINCT FROM (OLD.state, OLD.winning_hash, OLD.block_number, OLD.block_hash, OLD.succeeded) THEN
        RETURN NEW;  -- only looked at again
    END IF;
    IF NOT EXISTS (SELECT FROM slot_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        PERFORM refuse('I4_transition', format('slot %s: %s to %s', NEW.nonce, OLD.state, NEW.state));
    END IF;
    IF NEW.state IN ('ALLOCATED', 'LIVE') AND (NEW.state = 'LIVE') <> EXISTS
       (SELECT FROM payout_attempts WHERE signer = NEW.signer AND nonce = NEW.nonce) THEN
        PERFORM refuse('R1_stored', format('slot %s is LIVE with a stored attempt, and only then', NEW.nonce));
    END IF;
    IF NEW.winning_hash IS NOT NULL THEN
        SELECT kind INTO winner_kind FROM payout_attempts
        WHERE hash = NEW.winning_hash AND signer = NEW.signer AND nonce = NEW.nonce;
        IF winner_kind IS NULL THEN
            PERFORM refuse('I10_winner', format('slot %s was not won by an attempt of ours', NEW.nonce));
        END IF;
        IF (NEW.state = 'FINAL_PAY' AND NOT (winner_kind = 'PAY' AND NEW.succeeded))
           OR (NEW.state = 'FINAL_REVERTED' AND NOT (winner_kind = 'PAY' AND (
                   NOT NEW.succeeded OR payout_is_judged(NEW.payout_id))))
           OR (NEW.state = 'FINAL_NOOP' AND winner_kind = 'PAY') THEN
            PERFORM refuse('I10_winner', format('slot %s cannot be %s', NEW.nonce, NEW.state));
        END IF;
    END IF;
    IF OLD.state = 'MINED' AND NEW.state::text LIKE 'FINAL%'
       AND (NEW.winning_hash, NEW.block_number, NEW.block_hash, NEW.succeeded)
           IS DISTINCT FROM (OLD.winning_hash, OLD.block_number, OLD.block_hash, OLD.succeeded) THEN
        PERFORM refuse('I10_winner', format('slot %s is final as it was mined', NEW.nonce));
    END IF;
    INSERT INTO payout_events (payout_id, signer, nonce, attempt_hash, kind, detail, happened_at)
    VALUES (NEW.payout_id, NEW.signer, NEW.nonce, NEW.winning_hash, 'slot_state',
            jsonb_strip_nulls(jsonb_build_object('from', OLD.state, 'to', NEW.state, 'block', NEW.block_number)),
            NEW.state_at);
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION slot_coupled()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    slot   slot_state;
    payout payout_state;
BEGIN
    SELECT state INTO slot FROM payout_slots WHERE signer = NEW.signer AND nonce = NEW.nonce;
    SELECT state INTO payout FROM payouts WHERE id = NEW.payout_id;
    IF (slot = 'FINAL_PAY') <> (payout = 'PAID')
       OR (slot IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN') AND payout NOT IN ('IN_FLIGHT', 'QUARANTINED'))
       OR (payout = 'IN_FLIGHT' AND NOT EXISTS (
               SELECT FROM payout_slots
               WHERE payout_id = NEW.payout_id AND state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN'))) THEN
        PERFORM refuse('coupled', format('slot %s is %s, payout %s is %s', NEW.nonce, slot, NEW.payout_id, payout));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION slot_is_final(state slot_state)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT state IN ('FINAL_PAY', 'FINAL_REVERTED', 'FINAL_NOOP')
$function$;

CREATE OR REPLACE FUNCTION slot_is_open(state slot_state)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN')
$function$;

CREATE OR REPLACE FUNCTION slot_is_there()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    UPDATE signers SET next_nonce = next_nonce + 1 WHERE address = NEW.signer;
    INSERT INTO payout_events (payout_id, signer, nonce, kind, detail, happened_at)
    VALUES (NEW.payout_id, NEW.signer, NEW.nonce, 'slot_state', jsonb_build_object('to', NEW.state), NEW.state_at);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION slot_pays_no_suspended()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND pays_suspended(payouts)) THEN
        PERFORM refuse('suspended', format('the recipient of payout %s is suspended', NEW.payout_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION slot_pays_what_is_owed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF EXISTS (SELECT FROM payouts WHERE id = NEW.payout_id AND may_be_paid_already(payouts)) THEN
        PERFORM refuse('R8_unexplained', format('payout %s may have been paid by a foreign transaction', NEW.payout_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION social_channel_hidden()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO social_departures (happened_at) VALUES (NEW.changed_at);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION social_images_gone()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    UPDATE social_images SET status = 'removed' WHERE message_id = NEW.id AND status = 'live';
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION social_listener_departed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF EXISTS (SELECT FROM members WHERE id = NEW.member_id AND permanent_tier <> 'standard')
       OR EXISTS (SELECT FROM member_quarters WHERE member_id = NEW.member_id AND tier <> 'standard')
       OR EXISTS (SELECT FROM tier_history WHERE member_id = NEW.member_id AND tier <> 'standard') THEN
        INSERT INTO social_departures (happened_at) VALUES (NEW.before);
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION social_message_unpinned()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    DELETE FROM social_pins WHERE message_id = NEW.id;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION social_messages_erased()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    channel record;
    newest  bigint;
BEGIN
    FOR channel IN
        SELECT after.channel_id AS id, count(*) AS messages
        FROM after JOIN before ON before.posted_at = after.posted_at AND before.id = after.id
        WHERE after.removed_by = 'erasure' AND before.removed_at IS NULL
        GROUP BY after.channel_id ORDER BY after.channel_id
    LOOP
        UPDATE social_heads SET position = position + channel.messages WHERE channel_id = channel.id
        RETURNING position INTO newest;
        INSERT INTO social_entries (channel_id, position, kind, number, message_id, happened_at)
        SELECT channel.id, newest - channel.messages + row_number() OVER (ORDER BY after.number), 'removed',
               after.number, after.id,
               coalesce((SELECT asked_at FROM erasures WHERE erasures.member_id = after.member_id), after.removed_at)
        FROM after JOIN before ON before.posted_at = after.posted_at AND before.id = after.id
        WHERE after.removed_by = 'erasure' AND before.removed_at IS NULL AND after.channel_id = channel.id;
    END LOOP;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION social_pins_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    UPDATE social_channels SET pins_revision = pins_revision + 1
    WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.channel_id ELSE NEW.channel_id END;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION social_reaction_gone()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    UPDATE social_reaction_counts SET count = count - 1
    WHERE posted_at = OLD.posted_at AND message_id = OLD.message_id AND emoji = OLD.emoji;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION social_translations_gone()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    DELETE FROM social_translations WHERE message_id = NEW.id;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION stock_moved()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    named text;
BEGIN
    UPDATE order_items item SET promised = item.promised + m.promised, released = item.released + m.released,
                                shipped = item.shipped + m.shipped
    FROM (SELECT order_id, sku, coalesce(sum(quantity) FILTER (WHERE kind = 'promise'), 0) AS promised,
                 coalesce(sum(quantity) FILTER (WHERE kind = 'release'), 0) AS released,
                 coalesce(sum(quantity) FILTER (WHERE kind = 'ship'), 0) AS shipped
          FROM moved WHERE order_id IS NOT NULL GROUP BY order_id, sku) m
    WHERE item.order_id = m.order_id AND item.sku = m.sku;
    PERFORM FROM stock WHERE sku IN (SELECT sku FROM moved) ORDER BY sku FOR NO KEY UPDATE;
    SELECT string_agg(DISTINCT sku, ', ' ORDER BY sku) INTO named
    FROM moved JOIN stock USING (sku) WHERE kind = 'count' AND moved_at <= counted_at;
    IF named IS NOT NULL THEN
        PERFORM refuse('stock_count_old', format('%s was counted later', named));
    END IF;
    UPDATE stock SET on_hand = greatest(stock.on_hand - m.quantity, 0)
    FROM (SELECT sku, sum(quantity) AS quantity FROM moved JOIN stock USING (sku)
          WHERE kind = 'ship' AND moved_at > counted_at GROUP BY sku) m
    WHERE stock.sku = m.sku;
    UPDATE stock SET counted_at = newest.moved_at,
                     on_hand = greatest(newest.quantity - (
                         SELECT coalesce(sum(quantity), 0) FROM stock_moves shipped
                         WHERE shipped.sku = newest.sku AND shipped.kind = 'ship'
                           AND shipped.moved_at > newest.moved_at), 0)
    FROM (SELECT DISTINCT ON (sku) sku, quantity, moved_at FROM moved WHERE kind = 'count'
          ORDER BY sku, moved_at DESC, id DESC) newest
    WHERE stock.sku = newest.sku;
    SELECT string_agg(DISTINCT sku, ', ' ORDER BY sku) INTO named
    FROM (SELECT sku, sum(quantity) AS quantity FROM moved WHERE kind = 'promise' GROUP BY sku) wanted
    JOIN stock USING (sku) WHERE wanted.quantity > stock.sellable;
    IF named IS NOT NULL THEN
        PERFORM refuse('stock_short', format('fewer than wanted are left of %s', named));
    END IF;
    UPDATE stock SET promised = stock.promised + m.quantity
    FROM (SELECT sku, sum(CASE kind WHEN 'promise' THEN quantity ELSE -quantity END) AS quantity
          FROM moved WHERE kind <> 'count' GROUP BY sku) m
    WHERE stock.sku = m.sku;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION stranded_months(target text)
 RETURNS SETOF date
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
BEGIN
    RETURN QUERY EXECUTE format('SELECT DISTINCT date_trunc(''month'', %I)::date AS month FROM %I ORDER BY month',
        (SELECT attname FROM pg_partitioned_table JOIN pg_attribute
             ON attrelid = partrelid AND attnum = partattrs[0] WHERE partrelid = target::regclass),
        target || '_other');
END $function$;

CREATE OR REPLACE FUNCTION stranded_weeks(target text)
 RETURNS SETOF date
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
BEGIN
    RETURN QUERY EXECUTE format('SELECT DISTINCT date_trunc(''week'', %I)::date AS week FROM %I ORDER BY week',
        (SELECT attname FROM pg_partitioned_table JOIN pg_attribute
             ON attrelid = partrelid AND attnum = partattrs[0] WHERE partrelid = target::regclass),
        target || '_other');
END $function$;

CREATE OR REPLACE FUNCTION support_is_behind(who uuid, at timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    UPDATE support_contacts SET revision = revision + 1, look_at = at, waits_since = coalesce(waits_since, at)
    WHERE member_id = who;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO outbox (kind, destination, function, body, created_at)
    VALUES ('task', 'support-sync', 'support_sync', jsonb_build_object('member_id', who), at);
    RETURN true;
END $function$;

CREATE OR REPLACE FUNCTION support_member_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NOT support_is_behind(NEW.id, NEW.updated_at) THEN
        RETURN NULL;
    END IF;
    IF NEW.status <> OLD.status AND NEW.status <> 'deleted' THEN
        INSERT INTO support_events (member_id, name, happened_at)
        VALUES (NEW.id, CASE NEW.status WHEN 'suspended' THEN 'suspended' ELSE 'reinstated' END, NEW.updated_at);
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION support_tier_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF support_is_behind(NEW.member_id, NEW.achieved_at) THEN
        INSERT INTO support_events (member_id, name, metadata, happened_at)
        VALUES (NEW.member_id, 'tier_changed', jsonb_build_object('tier', NEW.tier, 'change', NEW.kind),
                NEW.achieved_at);
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION tax_report_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.id, NEW.order_id, NEW.refund_id, NEW.recorded_at)
       IS DISTINCT FROM (OLD.id, OLD.order_id, OLD.refund_id, OLD.recorded_at)
       OR (OLD.status, NEW.status) NOT IN
          (('recorded', 'recorded'), ('recorded', 'sent'), ('sent', 'sent'), ('sent', 'done')) THEN
        PERFORM refuse('tax_report_transition', format('tax report %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION tax_report_due()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF TG_TABLE_NAME = 'refunds' THEN
        INSERT INTO tax_reports (id, order_id, refund_id, recorded_at, look_at)
        VALUES (NEW.id, NEW.order_id, NEW.id, NEW.recorded_at, NEW.recorded_at);
    ELSE
        INSERT INTO tax_reports (id, order_id, recorded_at, look_at)
        SELECT order_id, order_id, NEW.answered_at, NEW.answered_at FROM payments WHERE id = NEW.payment_id;
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION thresholds_are_worse(before jsonb, after jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
AS $function$
    SELECT bool_or((after ->> tier)::bigint > needed::bigint) FROM jsonb_each_text(before) AS was (tier, needed)
$function$;

CREATE OR REPLACE FUNCTION tier_override_has_author()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    of_quarter text := CASE TG_TABLE_NAME WHEN 'member_quarters' THEN to_jsonb(NEW) ->> 'quarter' END;
BEGIN
    IF NOT EXISTS (SELECT FROM tier_history WHERE member_id = NEW.member_id AND kind = 'override'
                   AND tier = NEW.override_tier AND quarter IS NOT DISTINCT FROM of_quarter) THEN
        PERFORM refuse('override_author', format('nobody has set the tier of member %s', NEW.member_id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION tier_override_is_disinterested()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF profits_from_member(NEW.set_by, NEW.member_id) THEN
        PERFORM refuse('own_interest', format('who sets the tier of member %s would profit', NEW.member_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION time_of_id(identity uuid)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT timestamptz 'epoch'
         + ('x' || translate(left(identity::text, 13), '-', ''))::bit(48)::bigint * interval '1 millisecond'
$function$;

CREATE OR REPLACE FUNCTION top_up_approval_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    top_up top_ups%ROWTYPE;
BEGIN
    SELECT * INTO top_up FROM top_ups WHERE id = NEW.top_up_id;
    IF top_up.state <> 'requested' THEN
        PERFORM refuse('top_up_approvals', format('top-up %s waits for nobody', NEW.top_up_id));
    END IF;
    IF is_same_person(NEW.approver_id, top_up.requested_by)
       OR profits_from_wallet(NEW.approver_id, top_up.source_address) THEN
        PERFORM refuse('own_interest', format('top-up %s is the approver''s own', NEW.top_up_id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION top_up_approvals_that_count(top_up top_ups)
 RETURNS integer
 LANGUAGE sql
 STABLE
AS $function$
    SELECT CAST(count(*) AS integer)
    FROM top_up_approvals made JOIN members approver ON approver.id = made.approver_id
    WHERE made.top_up_id = top_up.id AND approver.status = 'active' AND approver.role IN ('treasury', 'owner')
      AND NOT is_same_person(approver.id, top_up.requested_by)
      AND NOT profits_from_wallet(approver.id, top_up.source_address)
$function$;

CREATE OR REPLACE FUNCTION top_up_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.state <> 'requested' THEN
        PERFORM refuse('top_up_state', format('top-up %s begins as a request', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION top_up_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.id, NEW.treasury, NEW.to_address, NEW.source_chain_id, NEW.source_contract, NEW.source_token,
        NEW.source_address, NEW.source_eid, NEW.home_eid, NEW.home_contract, NEW.amount, NEW.quoted, NEW.minimum,
        NEW.reason, NEW.requested_by, NEW.requested_at)
       IS DISTINCT FROM
       (OLD.id, OLD.treasury, OLD.to_address, OLD.source_chain_id, OLD.source_contract, OLD.source_token,
        OLD.source_address, OLD.source_eid, OLD.home_eid, OLD.home_contract, OLD.amount, OLD.quoted, OLD.minimum,
        OLD.reason, OLD.requested_by, OLD.requested_at)
       OR (OLD.guid IS NOT NULL AND (NEW.guid, NEW.spent, NEW.bridged, NEW.source_hash, NEW.source_final_at)
           IS DISTINCT FROM (OLD.guid, OLD.spent, OLD.bridged, OLD.source_hash, OLD.source_final_at))
       OR (OLD.arrived_at IS NOT NULL AND (NEW.arrival_hash, NEW.arrival_index, NEW.received, NEW.arrived_at)
           IS DISTINCT FROM (OLD.arrival_hash, OLD.arrival_index, OLD.received, OLD.arrived_at))
       OR NEW.read_to < OLD.read_to THEN
        PERFORM refuse('top_up_terms', format('top-up %s stays what it is', OLD.id));
    END IF;
    IF NEW.state <> OLD.state AND NOT (OLD.state || '>' || NEW.state) = ANY (ARRAY[
        'requested>prepared', 'requested>cancelled', 'prepared>sent', 'prepared>cancelled', 'sent>bridging',
        'sent>reverted', 'sent>refused', 'reverted>sent', 'refused>sent', 'reverted>cancelled', 'refused>cancelled',
        'bridging>arrived']) THEN
        PERFORM refuse('top_up_state', format('top-up %s does not go from %s to %s', OLD.id, OLD.state, NEW.state));
    END IF;
    IF NEW.transactions IS DISTINCT FROM OLD.transactions AND top_up_approvals_that_count(NEW) < 2 THEN
        PERFORM refuse('top_up_approvals', format('top-up %s waits for two people first', OLD.id));
    END IF;
    IF NEW.state = 'prepared' AND OLD.state = 'requested' AND NEW.transactions = '[]' THEN
        PERFORM refuse('top_up_approvals', format('top-up %s is prepared without transactions', OLD.id));
    END IF;
    IF NEW.state = 'arrived' AND OLD.state = 'bridging' AND NOT (
           ledger_has(format('in:%s:%s', NEW.arrival_hash, NEW.arrival_index), 'treasury:' || NEW.treasury, NEW.received)
           AND (NEW.spent = NEW.received
                OR ledger_has('top-up:' || NEW.id, 'bridge_fees:' || NEW.treasury, NEW.spent - NEW.received))) THEN
        PERFORM refuse('top_up_booked', format('top-up %s is not in the ledger', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION trip_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.comp_id, NEW.destination, NEW.title, NEW.value, NEW.chosen_at)
       IS DISTINCT FROM (OLD.comp_id, OLD.destination, OLD.title, OLD.value, OLD.chosen_at) THEN
        PERFORM refuse('trip_chosen', format('the choice of trip %s is made', OLD.comp_id));
    END IF;
    IF (OLD.state, NEW.state) NOT IN (('chosen', 'concierge_contacted'), ('concierge_contacted', 'chip_mailed')) THEN
        PERFORM refuse('trip_transition', format('trip %s: %s to %s', OLD.comp_id, OLD.state, NEW.state));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION trip_placed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    given bigint := NEW.scan_number;
BEGIN
    IF given IS NULL OR NEW.status = 'cancelled' THEN
        SELECT value INTO given FROM scan_counter WHERE only_row FOR NO KEY UPDATE;
    END IF;
    INSERT INTO trip_places (comp_id, month, from_number)
    VALUES (NEW.id, date_trunc('month', NEW.awarded_at AT TIME ZONE 'UTC'), given + 1)
    ON CONFLICT (comp_id) DO UPDATE SET freed_number = greatest(trip_places.from_number, EXCLUDED.from_number);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION uncounted_chips(affiliate uuid, before timestamp with time zone)
 RETURNS TABLE(scan_chips integer, doubted integer, brought integer, put_away integer)
 LANGUAGE sql
 STABLE
 SET "TimeZone" TO 'UTC'
AS $function$
    WITH newest AS (
        SELECT coalesce(max(week_on), '-infinity'::date) AS week_on, coalesce(max(last_number), 0) AS last_number
        FROM (SELECT week_on, last_number FROM affiliate_weeks ORDER BY week_on DESC LIMIT 1) week
    ), reviewed AS (
        SELECT s.number AS scan_number, r.status
        FROM newest, referral_reviews r JOIN scans s ON s.member_id = r.referred_id
        WHERE r.affiliate_id = affiliate AND r.status <> 'cleared' AND s.number > newest.last_number
    ), scanned AS (
        SELECT count(*) FILTER (WHERE coalesce(f.status, 'cleared') = 'cleared' AND r.status IS NULL)::integer AS chips,
               count(*) FILTER (WHERE 'open' IN (f.status, r.status)
                                  AND ('confirmed' IN (f.status, r.status)) IS NOT TRUE)::integer AS doubted
        FROM newest, affiliate_chips c LEFT JOIN flagged_scans f USING (scan_number)
        LEFT JOIN reviewed r USING (scan_number)
        WHERE c.affiliate_id = affiliate AND c.scan_number > newest.last_number AND c.earned_at < before
          AND c.earned_at >= newest.week_on::timestamptz - interval '1 hour'
    ), moved AS (
        SELECT coalesce(sum(m.chips) FILTER (WHERE m.kind <> 'vault'), 0)::integer AS brought,
               coalesce(sum(m.chips) FILTER (WHERE m.kind = 'vault'), 0)::integer AS put_away
        FROM newest, chip_moves m WHERE m.affiliate_id = affiliate AND m.week_on > newest.week_on
    )
    SELECT scanned.chips, scanned.doubted, moved.brought, moved.put_away FROM scanned, moved
$function$;

CREATE OR REPLACE FUNCTION unshipped_affiliate_accruals(at timestamp with time zone)
 RETURNS bigint
 LANGUAGE sql
 STABLE
AS $function$
    SELECT coalesce(sum(last.affiliate), 0)::bigint
    FROM (SELECT id FROM orders WHERE state IN ('confirmed', 'fulfilled') AND confirmed_at < at
          UNION SELECT id FROM orders WHERE state_at >= at AND confirmed_at < at) unshipped
    CROSS JOIN LATERAL (SELECT affiliate FROM sale_accruals
                        WHERE order_id = unshipped.id AND accrued_at < at ORDER BY sequence DESC LIMIT 1) last
    WHERE NOT EXISTS (SELECT FROM order_events
                      WHERE order_id = unshipped.id AND state IN ('shipped', 'delivered') AND happened_at < at)
$function$;

CREATE OR REPLACE FUNCTION usdt_deposit_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    UPDATE chain_transfers SET awaits_deposit = false
    WHERE (transaction_hash, log_index, direction) = (NEW.transaction_hash, NEW.log_index, 'in');
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION usdt_deposit_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION usdt_deposit_is_free(deposit usdt_deposits)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT deposit.payment_id IS NULL AND NOT EXISTS
           (SELECT FROM payouts WHERE id = deposit.transfer_id AND state <> 'CANCELLED')
$function$;

CREATE OR REPLACE FUNCTION usdt_payment_asked()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NOT EXISTS (SELECT FROM usdt_requests WHERE payment_id = NEW.id) THEN
        PERFORM refuse('usdt_request_terms', format('payment %s asks for nothing', NEW.id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION usdt_payment_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NEW.state = 'captured' THEN
        UPDATE usdt_requests SET charged = NEW.amount WHERE payment_id = NEW.id;
    ELSIF EXISTS (SELECT FROM usdt_requests WHERE payment_id = NEW.id AND closed_at IS NULL) THEN
        PERFORM refuse('usdt_request_open', format('payment %s may still be paid', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION usdt_request_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION usdt_request_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION usdt_return_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NEW.paid_at IS NOT NULL OR NOT ledger_has('return:' || NEW.id, 'owed:refunds', -NEW.amount) THEN
        PERFORM refuse('usdt_booked', format('return %s is not in the ledger', NEW.id));
    END IF;
    UPDATE usdt_requests SET returned = returned + NEW.amount WHERE payment_id = NEW.payment_id;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION usdt_return_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (NEW.id, NEW.payment_id, NEW.amount, NEW.reason, NEW.recorded_at)
       IS DISTINCT FROM (OLD.id, OLD.payment_id, OLD.amount, OLD.reason, OLD.recorded_at)
       OR OLD.paid_at IS NOT NULL
       OR NOT EXISTS (SELECT FROM payouts WHERE source_kind = 'refund' AND source_id = NEW.id::text AND state = 'PAID')
       OR NOT ledger_has('returned:' || NEW.id, 'owed:refunds', NEW.amount) THEN
        PERFORM refuse('usdt_return_paid', format('return %s is paid once, by its payout', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION username_given_up()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF EXISTS (SELECT FROM former_usernames WHERE name = lower(NEW.username) AND member_id <> NEW.id) THEN
        PERFORM refuse('username_former', format('the name %s leads to another member', NEW.username));
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.status <> 'deleted' AND lower(NEW.username) <> lower(OLD.username) THEN
        INSERT INTO former_usernames AS former (name, member_id, given_up_at)
        VALUES (lower(OLD.username), NEW.id, NEW.updated_at)
        ON CONFLICT (name) DO UPDATE SET given_up_at = EXCLUDED.given_up_at WHERE former.member_id = NEW.id;
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION validate_references(target text)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
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
END $function$;

CREATE OR REPLACE FUNCTION vault_lot_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF (to_jsonb(NEW) - 'left_chips') <> (to_jsonb(OLD) - 'left_chips')
       OR NEW.left_chips <> NEW.chips - (SELECT coalesce(sum(chips), 0) FROM vault_moves
                                         WHERE lot_id = NEW.id AND kind IN ('withdraw', 'expire', 'return')) THEN
        PERFORM refuse('vault_lot_left', format('what is left of lot %s is what no move has taken', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION vault_lot_made()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    uncounted record;
BEGIN
    IF NEW.week_on <> lock_vault(NEW.affiliate_id, NEW.vaulted_at) THEN
        PERFORM refuse('chip_move_week', format('lot %s is not of the week of %s', NEW.id, NEW.week_on));
    END IF;
    INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
    VALUES (NEW.affiliate_id, NEW.week_on, 'vault', NEW.chips, NEW.id::text, NEW.vaulted_at);
    SELECT * INTO uncounted
    FROM uncounted_chips(NEW.affiliate_id, NEW.week_on::timestamp AT TIME ZONE 'UTC');
    IF uncounted.scan_chips < uncounted.put_away THEN
        PERFORM refuse('vault_chips', format('lot %s has more chips than the week gave', NEW.id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION vault_lots_made()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF EXISTS (SELECT FROM added WHERE left_chips <> chips) THEN
        PERFORM refuse('vault_lot_left', 'a new lot is whole');
    END IF;
    INSERT INTO chip_vaults (affiliate_id, opened_at)
    SELECT affiliate_id, min(vaulted_at) FROM added GROUP BY affiliate_id ORDER BY affiliate_id ON CONFLICT DO NOTHING;
    INSERT INTO vault_moves (affiliate_id, lot_id, kind, chips, happened_at)
    SELECT affiliate_id, id, CASE kind WHEN 'manual' THEN 'vault' ELSE kind END, chips, vaulted_at FROM added;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION vault_month_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
DECLARE
    newest vault_months%ROWTYPE;
BEGIN
    SELECT * INTO newest FROM vault_months ORDER BY month DESC LIMIT 1;
    IF newest.finished_at IS NULL AND newest.month IS NOT NULL
       OR NEW.month <> (newest.month + interval '1 month')::date OR NEW.finished_at IS NOT NULL THEN
        PERFORM refuse('vault_month', format('%s does not follow the month that was given last', NEW.month));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION vault_month_changed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.month <> OLD.month OR OLD.finished_at IS NOT NULL OR NEW.done_affiliate < OLD.done_affiliate THEN
        PERFORM refuse('vault_month', format('the bonus of %s only goes on', OLD.month));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION vault_move_made()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    UPDATE vault_lots SET left_chips = left_chips - NEW.chips
    WHERE id = NEW.lot_id AND affiliate_id = NEW.affiliate_id AND CASE NEW.kind
        WHEN 'withdraw' THEN vaulted_at <= NEW.happened_at AND NEW.happened_at < expires_at
        WHEN 'return' THEN vaulted_at < NEW.happened_at
        ELSE NEW.happened_at = expires_at AND NEW.chips = left_chips END;
    IF NOT FOUND THEN
        PERFORM refuse('vault_move', format('chips of lot %s cannot %s', NEW.lot_id, NEW.kind));
    END IF;
    IF NEW.kind = 'withdraw' THEN
        INSERT INTO chip_moves (affiliate_id, week_on, kind, chips, source, moved_at)
        VALUES (NEW.affiliate_id, chip_week(NEW.happened_at), 'withdraw', NEW.chips, NEW.id::text, NEW.happened_at);
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION wallet_remembered()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO member_wallets (member_id, address, since)
    VALUES (NEW.id, lower(NEW.wallet_address), NEW.updated_at) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION wallet_rests()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    NEW.wallet_rests_until := NEW.updated_at + interval '24 hours';
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION wallet_to_check()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    PERFORM check_referrals_of(NEW.member_id);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION week_approvals_given(week affiliate_weeks)
 RETURNS integer
 LANGUAGE sql
 STABLE
AS $function$
    SELECT count(DISTINCT d.admin_id)::integer FROM affiliate_week_decisions d
    JOIN members m ON m.id = d.admin_id AND m.status = 'active' AND m.role IN ('treasury', 'owner')
    WHERE d.week_on = week.week_on AND d.ready_at = week.ready_at AND d.payment_digest = week.payment_digest
      AND d.verdict = 'approve'
$function$;

CREATE OR REPLACE FUNCTION week_cap(week date, chips_max integer)
 RETURNS integer
 LANGUAGE sql
 STABLE
AS $function$
    SELECT CASE WHEN NOT week_is_locked(week) THEN chips_max END
$function$;

CREATE OR REPLACE FUNCTION week_chips(week date, first_number bigint, last_number bigint)
 RETURNS TABLE(affiliate_id uuid, scan_chips integer, brought integer, put_away integer)
 LANGUAGE sql
 STABLE
AS $function$
    SELECT l.affiliate_id, l.weight, 0, 0 FROM locked_shares l JOIN members m ON m.id = l.affiliate_id
    WHERE m.status <> 'deleted' AND week_is_locked(week)
    UNION ALL
    SELECT * FROM earned_week_chips(week, first_number, last_number) WHERE NOT week_is_locked(week)
$function$;

CREATE OR REPLACE FUNCTION week_counts()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO affiliate_figure_weeks (week_on) VALUES (NEW.week_on);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION week_is_held(week affiliate_weeks)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT coalesce((SELECT d.verdict = 'hold' FROM affiliate_week_decisions d
                     WHERE d.week_on = week.week_on AND d.ready_at = week.ready_at AND d.verdict IN ('hold', 'release')
                     ORDER BY d.id DESC LIMIT 1), false)
$function$;

CREATE OR REPLACE FUNCTION week_is_locked(week date)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT coalesce(CAST(week - 7 AS timestamp) AT TIME ZONE 'UTC' > (SELECT sunset_at FROM affiliate_program), false)
$function$;

CREATE OR REPLACE FUNCTION week_is_rejected(week affiliate_weeks)
 RETURNS boolean
 LANGUAGE sql
 STABLE
AS $function$
    SELECT EXISTS (SELECT FROM affiliate_week_decisions d
                   WHERE d.week_on = week.week_on AND d.ready_at = week.ready_at AND d.verdict = 'reject')
$function$;

CREATE OR REPLACE FUNCTION wholesale_account_born()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NEW.status <> 'pending' OR NEW.email IS NULL THEN
        PERFORM refuse('wholesale_born', format('account %s begins with an application', NEW.id));
    END IF;
    NEW.created_at := NEW.applied_at;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION wholesale_account_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF (NEW.id, NEW.serial, NEW.member_id, NEW.created_at) IS DISTINCT FROM
       (OLD.id, OLD.serial, OLD.member_id, OLD.created_at)
       OR (OLD.activated_at IS NOT NULL AND NEW.activated_at IS DISTINCT FROM OLD.activated_at) THEN
        PERFORM refuse('wholesale_account_fixed', format('account %s stays what it is', OLD.id));
    END IF;
    IF NEW.applied_at <> OLD.applied_at THEN
        IF OLD.status <> 'rejected' OR NEW.applied_at < OLD.decided_at + interval '30 days'
           OR OLD.email IS NULL OR NEW.email IS NULL THEN
            PERFORM refuse('wholesale_again', format('account %s does not apply again yet', OLD.id));
        END IF;
        NEW.status := 'pending';
        NEW.decided_by := NULL;
        NEW.decided_at := NULL;
        NEW.reason := NULL;
        RETURN NEW;
    END IF;
    IF NEW.email IS NOT NULL AND
       (NEW.company_name, NEW.contact_name, NEW.email, NEW.phone, NEW.business_address, NEW.tax_id, NEW.tax_id_last4)
       IS DISTINCT FROM
       (OLD.company_name, OLD.contact_name, OLD.email, OLD.phone, OLD.business_address, OLD.tax_id, OLD.tax_id_last4) THEN
        PERFORM refuse('wholesale_application_fixed', format('account %s was judged by what it said', OLD.id));
    END IF;
    IF NEW.status = OLD.status THEN
        IF (NEW.decided_by, NEW.decided_at, NEW.reason, NEW.activated_at) IS DISTINCT FROM
           (OLD.decided_by, OLD.decided_at, OLD.reason, OLD.activated_at) THEN
            PERFORM refuse('wholesale_decision_fixed', format('the decision about account %s stands', OLD.id));
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.status, NEW.status) NOT IN (
        ('pending', 'approved'), ('pending', 'rejected'), ('approved', 'active'), ('approved', 'suspended'),
        ('active', 'suspended'), ('suspended', 'approved'), ('suspended', 'active')) THEN
        PERFORM refuse('wholesale_transition', format('account %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    IF OLD.status = 'approved' AND NEW.status = 'active' THEN
        RETURN NEW;  -- by its first order, not by a person
    END IF;
    IF NEW.decided_at IS NOT DISTINCT FROM OLD.decided_at THEN
        PERFORM refuse('wholesale_undecided', format('nobody decided about account %s', OLD.id));
    END IF;
    IF profits_from_member(NEW.decided_by, OLD.member_id) THEN
        PERFORM refuse('own_interest', format('account %s profits whoever decides', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION wholesale_account_removed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF OLD.status <> 'rejected' THEN
        PERFORM refuse('wholesale_account_kept', format('account %s is %s', OLD.id, OLD.status));
    END IF;
    RETURN OLD;
END $function$;

CREATE OR REPLACE FUNCTION wholesale_chips_refunded()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    INSERT INTO wholesale_chips (account_id, order_id, refund_id, chips, earned_at)
    SELECT account_id, order_id, NEW.id, -least(NEW.tins, sum(chips)), NEW.recorded_at
    FROM wholesale_chips WHERE order_id = NEW.order_id GROUP BY account_id, order_id HAVING sum(chips) > 0;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION wholesale_comp_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    account wholesale_accounts%ROWTYPE;
    most bigint;
BEGIN
    SELECT * INTO account FROM wholesale_accounts WHERE id = NEW.account_id FOR SHARE;
    IF account.status NOT IN ('approved', 'active') THEN
        PERFORM refuse('wholesale_comp_account', format('account %s is %s', account.id, account.status));
    END IF;
    IF profits_from_member(NEW.awarded_by, account.member_id) THEN
        PERFORM refuse('own_interest', format('account %s profits whoever awards', account.id));
    END IF;
    IF NEW.milestone_id IS NULL THEN
        SELECT (value #>> '{}')::numeric * 1000000 INTO most FROM settings WHERE name = 'wholesale_comp_max';
    ELSE
        SELECT value INTO most FROM wholesale_milestones WHERE id = NEW.milestone_id AND account_id = NEW.account_id;
    END IF;
    IF most IS NULL OR NEW.amount > most THEN
        PERFORM refuse('wholesale_comp_value', format('comp %s is more than may be awarded', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION wholesale_comp_owed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF NOT ledger_has('wholesale-comp:' || NEW.id, 'owed:wholesale', NEW.amount)
       OR NOT ledger_has('wholesale-comp:' || NEW.id, 'pool:wholesale', -NEW.amount)
       OR NOT EXISTS (SELECT FROM payouts WHERE source_kind = 'wholesale_comp' AND source_id = NEW.id::text) THEN
        PERFORM refuse('wholesale_comp_owed', format('comp %s is not owed to anybody', NEW.id));
    END IF;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION wholesale_order_sent()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
DECLARE
    total bigint;
BEGIN
    PERFORM FROM wholesale_accounts WHERE id = NEW.account_id FOR NO KEY UPDATE;
    INSERT INTO wholesale_chips (account_id, order_id, chips, earned_at)
    SELECT NEW.account_id, NEW.id, sum(shipped), NEW.state_at FROM order_items WHERE order_id = NEW.id
    HAVING sum(shipped) > 0
    ON CONFLICT (order_id) WHERE refund_id IS NULL DO NOTHING;
    UPDATE wholesale_accounts SET status = 'active', activated_at = NEW.state_at
    WHERE id = NEW.account_id AND status = 'approved';
    SELECT sum(chips) INTO total FROM wholesale_chips WHERE account_id = NEW.account_id;
    INSERT INTO wholesale_milestones (account_id, chips, value, reached_at)
    SELECT NEW.account_id, (step ->> 'chips')::integer, (step ->> 'value')::numeric * 1000000, NEW.state_at
    FROM settings CROSS JOIN LATERAL jsonb_array_elements(value) AS step
    WHERE name = 'wholesale_milestones' AND (step ->> 'chips')::integer <= total
    ON CONFLICT (account_id, chips) DO NOTHING;
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION withdrawal_born()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF NEW.state <> 'prepared' THEN
        PERFORM refuse('withdrawal_born', format('withdrawal %s cannot be born %s', NEW.id, NEW.state));
    END IF;
    INSERT INTO withdrawal_events (withdrawal_id, state, happened_at) VALUES (NEW.id, NEW.state, NEW.state_at);
    RETURN NULL;
END $function$;

CREATE OR REPLACE FUNCTION withdrawal_changed()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF (NEW.id, NEW.member_id, NEW.from_address, NEW.to_address, NEW.amount, NEW.chain_id, NEW.token_address,
        NEW.nonce, NEW.gas_limit, NEW.fee_per_gas_wei_max, NEW.priority_fee_per_gas_wei_max, NEW.prepared_at,
        NEW.expires_at)
       IS DISTINCT FROM
       (OLD.id, OLD.member_id, OLD.from_address, OLD.to_address, OLD.amount, OLD.chain_id, OLD.token_address,
        OLD.nonce, OLD.gas_limit, OLD.fee_per_gas_wei_max, OLD.priority_fee_per_gas_wei_max, OLD.prepared_at,
        OLD.expires_at) THEN
        PERFORM refuse('withdrawal_terms', format('the terms of withdrawal %s are fixed', OLD.id));
    END IF;
    IF OLD.raw IS NOT NULL AND (NEW.raw, NEW.transaction_hash, NEW.signed_at)
       IS DISTINCT FROM (OLD.raw, OLD.transaction_hash, OLD.signed_at) THEN
        PERFORM refuse('withdrawal_signature', format('withdrawal %s is signed once', OLD.id));
    END IF;
    IF (NEW.state, NEW.block_number, NEW.block_hash, NEW.succeeded)
       IS NOT DISTINCT FROM (OLD.state, OLD.block_number, OLD.block_hash, OLD.succeeded) THEN
        RETURN NEW;  -- only looked at again
    END IF;
    IF NOT EXISTS (SELECT FROM withdrawal_transitions WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        PERFORM refuse('withdrawal_transition', format('withdrawal %s: %s to %s', OLD.id, OLD.state, NEW.state));
    END IF;
    IF OLD.state = 'mined' AND NEW.state IN ('confirmed', 'reverted') AND (NEW.block_number, NEW.block_hash, NEW.succeeded)
       IS DISTINCT FROM (OLD.block_number, OLD.block_hash, OLD.succeeded) THEN
        PERFORM refuse('withdrawal_final', format('withdrawal %s is final as it was mined', OLD.id));
    END IF;
    INSERT INTO withdrawal_events (withdrawal_id, state, block_number, happened_at)
    VALUES (NEW.id, NEW.state, NEW.block_number, NEW.state_at);
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION withdrawal_hash_fixed()
 RETURNS trigger
 LANGUAGE plpgsql
AS $function$
BEGIN
    IF OLD.transaction_hash IS NOT NULL AND (NEW.raw, NEW.transaction_hash, NEW.signed_at)
       IS DISTINCT FROM (OLD.raw, OLD.transaction_hash, OLD.signed_at) THEN
        PERFORM refuse('withdrawal_signature', format('withdrawal %s is signed once', OLD.id));
    END IF;
    IF OLD.state IN ('cancelled', 'expired') AND NEW.state = 'signed' AND NEW.raw IS NOT NULL THEN
        PERFORM refuse('withdrawal_transition', format('withdrawal %s is closed: only its wallet can have sent it', OLD.id));
    END IF;
    IF OLD.state IN ('confirmed', 'reverted', 'replaced') AND NEW.outcome_hash IS DISTINCT FROM OLD.outcome_hash THEN
        PERFORM refuse('withdrawal_final', format('withdrawal %s is final', OLD.id));
    END IF;
    IF NEW.prepared_block IS DISTINCT FROM OLD.prepared_block THEN
        PERFORM refuse('withdrawal_terms', format('the terms of withdrawal %s are fixed', OLD.id));
    END IF;
    RETURN NEW;
END $function$;

CREATE OR REPLACE FUNCTION withdrawal_is_open(state withdrawal_state)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
    SELECT state IN ('prepared', 'signed', 'mined')
$function$;

CREATE OR REPLACE FUNCTION withdrawal_pays_order()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'public', 'pg_temp'
AS $function$
BEGIN
    IF TG_OP = 'UPDATE' OR NOT EXISTS (
        SELECT FROM usdt_requests asked JOIN payments ON payments.id = asked.payment_id
        JOIN orders ON orders.id = payments.order_id
        WHERE asked.payment_id = NEW.payment_id AND lower(asked.address) = lower(NEW.to_address)
          AND NEW.amount <= asked.amount AND orders.member_id = NEW.member_id) THEN
        PERFORM refuse('withdrawal_payment', format('withdrawal %s is not what an order of its member awaits', NEW.id));
    END IF;
    RETURN NEW;
END $function$;

GRANT USAGE ON SCHEMA public TO blakjaks_accounts, blakjaks_accruals, blakjaks_acknowledging, blakjaks_affiliate_desk,
    blakjaks_api_keys, blakjaks_app, blakjaks_approvals, blakjaks_awards, blakjaks_ballots, blakjaks_bank_sync,
    blakjaks_banks, blakjaks_books, blakjaks_campaign_sending, blakjaks_campaigns, blakjaks_carts, blakjaks_checkout,
    blakjaks_checks, blakjaks_clicks, blakjaks_codes, blakjaks_counting, blakjaks_delivery, blakjaks_deposits,
    blakjaks_disputes, blakjaks_downlines, blakjaks_enrolment, blakjaks_erasure, blakjaks_explanations,
    blakjaks_exports, blakjaks_figure_rollups, blakjaks_figures, blakjaks_fulfilment, blakjaks_goods,
    blakjaks_hook_sending, blakjaks_hooks, blakjaks_inbox, blakjaks_inventory, blakjaks_invoices, blakjaks_keys,
    blakjaks_listening, blakjaks_member_desk, blakjaks_moderation, blakjaks_months, blakjaks_order_decisions,
    blakjaks_orders, blakjaks_payouts, blakjaks_platform_settings, blakjaks_profiles, blakjaks_read,
    blakjaks_referral_reviews, blakjaks_referrals, blakjaks_relay, blakjaks_reminding, blakjaks_report_requests,
    blakjaks_reports, blakjaks_rollups, blakjaks_sales, blakjaks_scans, blakjaks_second_factors, blakjaks_settings,
    blakjaks_settlements, blakjaks_social, blakjaks_standing, blakjaks_stream_control, blakjaks_stream_presence,
    blakjaks_streams, blakjaks_sunset, blakjaks_support, blakjaks_support_sync, blakjaks_tails, blakjaks_taxes,
    blakjaks_telling, blakjaks_top_ups, blakjaks_unsubscribes, blakjaks_vault_upkeep, blakjaks_vaults,
    blakjaks_vote_closing, blakjaks_votes, blakjaks_wallet_watching, blakjaks_wallets, blakjaks_watching,
    blakjaks_webhooks, blakjaks_week_decisions, blakjaks_weeks, blakjaks_wholesale, blakjaks_wholesale_decisions,
    blakjaks_work, PUBLIC;

ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, USAGE ON SEQUENCES TO blakjaks_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT DELETE, INSERT, SELECT, UPDATE ON TABLES TO blakjaks_app;

REVOKE EXECUTE ON FUNCTION check_referrals_of(uuid), drop_months(regclass,timestamp with time zone),
    drop_social_messages(timestamp with time zone), drop_social_reaction_counts(timestamp with time zone),
    drop_social_reactions(timestamp with time zone), drop_transparency_metrics(timestamp with time zone),
    drop_treasury_snapshots(timestamp with time zone), drop_weeks(regclass,timestamp with time zone),
    ensure_month_partitions(text,date,integer), ensure_week_partitions(text,date,integer),
    forget_sign_up(uuid,timestamp with time zone), hide_social_messages(timestamp with time zone), keep_award_inputs(),
    let_count_go_on(bigint,bigint,text,timestamp with time zone), lock_vault(uuid,timestamp with time zone),
    order_takes_parcels(uuid,order_state,timestamp with time zone), return_doubted_chips(date,timestamp with time
    zone), social_images_gone(), social_translations_gone(), stranded_months(text), stranded_weeks(text),
    support_is_behind(uuid,timestamp with time zone), validate_references(text) FROM PUBLIC;

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE backup_codes, email_changes, known_devices, second_factors TO
    blakjaks_accounts;
GRANT EXECUTE ON FUNCTION forget_sign_up(uuid,timestamp with time zone) TO blakjaks_accounts;
GRANT INSERT (address_line1, address_line2, city, country, created_at, date_of_birth, email, full_name, language,
    last_login_at, password_hash, phone, referred_by_id, sign_up_ticket, state, updated_at, username, zip_code) ON
    TABLE members TO blakjaks_accounts;
GRANT INSERT ON TABLE guarantees, member_totals, wallet_tokens TO blakjaks_accounts;
GRANT INSERT, SELECT, UPDATE ON TABLE email_codes, refresh_tokens TO blakjaks_accounts;
GRANT INSERT, UPDATE ON TABLE sessions TO blakjaks_accounts;
GRANT SELECT ON TABLE data_keys, members TO blakjaks_accounts;
GRANT UPDATE (email, email_verified_at, last_login_at, password_hash, sign_up_ticket, updated_at) ON TABLE members TO
    blakjaks_accounts;

GRANT INSERT ON TABLE ledger_journals, ledger_postings, sale_accruals TO blakjaks_accruals;
GRANT UPDATE (accrual_due_at) ON TABLE orders TO blakjaks_accruals;

GRANT UPDATE (acknowledged_at, acknowledged_by) ON TABLE critical_events TO blakjaks_acknowledging;

GRANT INSERT ON TABLE affiliate_earnings, chip_moves, ledger_journals, ledger_postings TO blakjaks_affiliate_desk;
GRANT UPDATE (agreed_by, cancelled_at, status) ON TABLE affiliate_earnings TO blakjaks_affiliate_desk;
GRANT UPDATE (decided_at, decided_by, note, status) ON TABLE referral_reviews TO blakjaks_affiliate_desk;

GRANT INSERT ON TABLE api_keys TO blakjaks_api_keys;
GRANT UPDATE (revoked_at, revoked_by) ON TABLE api_keys TO blakjaks_api_keys;

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE active_days, activity, affiliate_chips, affiliate_earnings,
    affiliate_figure_changes, affiliate_figure_weeks, affiliate_figures, affiliate_payout_lines, affiliate_payouts,
    affiliate_program, affiliate_week_shares, affiliate_weeks, age_checks, api_keys, attempt_counters, avatars,
    backup_codes, bank_balances, bank_nonces, broadcasts, campaigns, card_balance, card_bookings, card_days,
    cart_items, carts, chain_scans, chain_transfers, chip_balances, chip_counts, chip_vaults, code_batch_chunks,
    code_batch_walks, code_batches, code_import_chunks, code_imports, code_retries, codes, comp_rules, comps,
    critical_events, data_exports, data_keys, devices, disputes, email_changes, email_codes, erasures, feed_items,
    figure_progress, figures, flagged_scans, foreign_explanations, former_usernames, fulfilments, governance_options,
    governance_proposals, governance_votes, guarantee_claims, guarantee_reviews, guarantees, hold_windows,
    hook_deliveries, hook_endpoints, hook_secrets, hook_tries, idempotency_keys, inbox_counts, inboxes, installation,
    integration_states, job_faults, job_runs, known_devices, late_counts, leases, listener_revocations,
    live_stream_inputs, live_stream_presence, live_stream_reminders, live_stream_strays, live_streams,
    mail_publications, mail_suppressions, mail_templates, mails, manual_transfers, mark_secrets, member_quarters,
    member_totals, members, metric_days, nonce_searches, nonce_uses, notification_preferences, notifications,
    operation_resolutions, order_tins_sold, orders, outbox, parcels, payment_findings, payment_operations, payments,
    payout_slots, payouts, permanent_tiers, products, pushes, reconciliation_findings, reconciliation_marks,
    reconciliation_treasuries, reconciliations, referral_changes, referral_checks, referral_clicks, referral_codes,
    referral_progress, referral_reviews, referrals, refresh_tokens, refund_requests, report_exports, report_files,
    sales_volume, scan_counter, scan_rollup_position, scan_rollups, scans, second_factors, sessions, setting_wishes,
    settings, signers, signing_keys, social_blocks, social_cases, social_channels, social_departures, social_entries,
    social_heads, social_images, social_messages, social_pages, social_pins, social_reaction_counts, social_reactions,
    social_reads, social_reports, social_sent, social_shifts, social_standings, social_tails, social_translations,
    stock_alerts, support_appeals, support_contacts, support_events, tax_quotes, tax_reports, teller_connections,
    teller_enrollments, tier_history, tins_sold_daily, top_ups, transparency_metrics, treasury_alerts,
    treasury_snapshot_days, treasury_snapshots, trips, usdt_deposits, usdt_requests, usdt_returns, vault_lots,
    vault_months, wallet_balances, wallet_challenges, wallet_id_tokens, wallet_scans, wallet_tokens,
    wallet_transactions, watch_minutes, webhook_deliveries, wholesale_accounts, withdrawals, withheld_chips TO
    blakjaks_app;
GRANT EXECUTE ON FUNCTION drop_treasury_snapshots(timestamp with time zone),
    ensure_month_partitions(text,date,integer), forget_sign_up(uuid,timestamp with time zone),
    let_count_go_on(bigint,bigint,text,timestamp with time zone), stranded_months(text), validate_references(text) TO
    blakjaks_app;
GRANT INSERT, SELECT ON TABLE affiliate_week_decisions, audit_logs, bank_transfers, card_deposits, chip_moves,
    code_change_codes, code_changes, comp_rule_changes, dispute_movements, downline_entries, foreign_transfers,
    fulfilment_lines, governance_ballots, governance_electors, honey_trials, invoices, ledger_journals,
    ledger_postings, ledger_seal_balances, ledger_seals, locked_shares, mail_template_versions, manual_awards,
    milestones, order_events, order_items, parcel_lines, payout_approvals, payout_attempts, payout_events,
    payout_policy_runs, refund_lines, refunds, resale_certificates, retired_names, sale_accruals, setting_changes,
    social_sanctions, stock_moves, sunset_notices, top_up_approvals, treasuries, vault_moves, vault_warnings,
    wallet_links, wholesale_chips, wholesale_comps, wholesale_milestones, withdrawal_events TO blakjaks_app;
GRANT SELECT ON TABLE award_inputs, count_comparisons, ledger_accounts, ledger_balances, member_wallets,
    order_transitions, payout_transitions, slot_transitions, stock, treasury_days, treasury_minutes, trip_places,
    withdrawal_transitions TO blakjaks_app;
GRANT SELECT, USAGE ON SEQUENCE affiliate_figure_changes_id_seq, affiliate_week_decisions_id_seq, audit_logs_id_seq,
    chip_moves_id_seq, count_comparisons_id_seq, feed_items_id_seq, honey_trials_id_seq, invoices_serial_seq,
    job_faults_id_seq, late_counts_id_seq, ledger_journals_id_seq, members_number_seq, order_events_id_seq,
    orders_number_seq, outbox_id_seq, payout_approvals_id_seq, payout_events_id_seq, payout_policy_runs_id_seq,
    referral_changes_id_seq, referral_checks_id_seq, social_departures_id_seq, stock_moves_id_seq, tier_history_id_seq,
    top_up_approvals_id_seq, vault_moves_id_seq, wallet_links_id_seq, wholesale_accounts_serial_seq,
    withdrawal_events_id_seq TO blakjaks_app;
GRANT UPDATE (finish_live, pause_reason, paused_at) ON TABLE treasuries TO blakjaks_app;

GRANT INSERT ON TABLE ledger_journals, ledger_postings, manual_transfers, payout_approvals, payout_policy_runs,
    payouts, reconciliations, top_up_approvals, top_ups TO blakjaks_approvals;
GRANT UPDATE (approvals_needed, hold_reason, state, state_at) ON TABLE payouts TO blakjaks_approvals;
GRANT UPDATE (cancel_reason, cancelled_at, cancelled_by) ON TABLE manual_transfers TO blakjaks_approvals;
GRANT UPDATE (crossed_at, threshold) ON TABLE treasury_alerts TO blakjaks_approvals;
GRANT UPDATE (fault, fee_wei, late_at, sent_at, source_hash, state, state_at, transactions) ON TABLE top_ups TO
    blakjaks_approvals;
GRANT UPDATE (finish_live, pause_reason, paused_at) ON TABLE treasuries TO blakjaks_approvals;
GRANT UPDATE (matched_by, payment_id, transfer_id) ON TABLE usdt_deposits TO blakjaks_approvals;
GRANT UPDATE (resolution, resolved_at, resolved_by) ON TABLE reconciliation_findings TO blakjaks_approvals;

GRANT INSERT ON TABLE affiliate_payout_lines, affiliate_payouts, ledger_journals, ledger_postings, manual_awards,
    payout_policy_runs, payouts TO blakjaks_awards;
GRANT INSERT, UPDATE ON TABLE affiliate_earnings, comps, guarantee_claims, guarantee_reviews, trips TO blakjaks_awards;
GRANT UPDATE (decided_at, decided_by, note, status) ON TABLE flagged_scans TO blakjaks_awards;
GRANT UPDATE (given, next_on) ON TABLE guarantees TO blakjaks_awards;
GRANT UPDATE (hold_reason, state, state_at) ON TABLE payouts TO blakjaks_awards;
GRANT UPDATE (payout_id, state, state_at) ON TABLE affiliate_payouts TO blakjaks_awards;
GRANT UPDATE (updated_at) ON TABLE members TO blakjaks_awards;
GRANT UPDATE ON TABLE member_totals TO blakjaks_awards;

GRANT INSERT ON TABLE governance_ballots, governance_proposals TO blakjaks_ballots;
GRANT UPDATE (ballots) ON TABLE governance_options TO blakjaks_ballots;
GRANT UPDATE (decided_at, status) ON TABLE governance_proposals TO blakjaks_ballots;
GRANT UPDATE (title) ON TABLE governance_votes TO blakjaks_ballots;

GRANT INSERT ON TABLE bank_balances, critical_events TO blakjaks_bank_sync;
GRANT SELECT ON TABLE data_keys, teller_enrollments TO blakjaks_bank_sync;
GRANT UPDATE (closed_at) ON TABLE teller_connections TO blakjaks_bank_sync;
GRANT UPDATE (ended_at) ON TABLE critical_events TO blakjaks_bank_sync;
GRANT UPDATE (last_error, last_synced_at, last_tried_at, refusals, sealed_token, state, state_at, told_at) ON TABLE
    teller_enrollments TO blakjaks_bank_sync;

GRANT INSERT ON TABLE bank_nonces, teller_connections, teller_enrollments TO blakjaks_banks;
GRANT SELECT ON TABLE data_keys TO blakjaks_banks;
GRANT UPDATE (closed_at) ON TABLE teller_connections TO blakjaks_banks;
GRANT UPDATE (institution, last_error, last_tried_at, reconnected_at, refusals, sealed_token, state, state_at, told_at)
    ON TABLE teller_enrollments TO blakjaks_banks;
GRANT UPDATE (spent_at) ON TABLE bank_nonces TO blakjaks_banks;

GRANT INSERT ON TABLE ledger_journals, ledger_postings, ledger_seal_balances, ledger_seals, treasury_snapshots TO
    blakjaks_books;
GRANT INSERT, UPDATE ON TABLE chain_scans, chain_transfers, reconciliation_findings, reconciliation_marks,
    reconciliation_treasuries, reconciliations, treasury_snapshot_days TO blakjaks_books;
GRANT SELECT ON TABLE payout_attempts TO blakjaks_books;
GRANT UPDATE (crossed_at) ON TABLE treasury_alerts TO blakjaks_books;
GRANT UPDATE (pause_reason, paused_at) ON TABLE treasuries TO blakjaks_books;

GRANT UPDATE (asked_at, done_number, pause_reason, queued, skipped_suppressed, skipped_unsubscribed, state, state_at)
    ON TABLE campaigns TO blakjaks_campaign_sending;

GRANT DELETE ON TABLE mail_suppressions TO blakjaks_campaigns;
GRANT INSERT ON TABLE campaigns, mail_publications, mail_template_versions, mail_templates TO blakjaks_campaigns;
GRANT UPDATE (approved_at, approved_by, asked_at, done_number, last_number, lineage, pause_reason, starts_at, state,
    state_at) ON TABLE campaigns TO blakjaks_campaigns;
GRANT UPDATE (name) ON TABLE mail_templates TO blakjaks_campaigns;
GRANT UPDATE (withdrawn_at, withdrawn_by) ON TABLE mail_publications TO blakjaks_campaigns;

GRANT DELETE, INSERT ON TABLE cart_items TO blakjaks_carts;
GRANT INSERT (changed_at, created_at, id, member_id) ON TABLE carts TO blakjaks_carts;
GRANT UPDATE (changed_at) ON TABLE carts TO blakjaks_carts;
GRANT UPDATE (price_cents, quantity) ON TABLE cart_items TO blakjaks_carts;

GRANT INSERT (kind, moved_at, order_id, quantity, recorded_at, sku) ON TABLE stock_moves TO blakjaks_checkout;
GRANT INSERT ON TABLE order_items, tax_quotes, usdt_requests TO blakjaks_checkout;
GRANT INSERT, SELECT ON TABLE orders, payments TO blakjaks_checkout;
GRANT SELECT ON TABLE data_keys TO blakjaks_checkout;
GRANT UPDATE (cancel_reason, cancel_wanted_at, expires_at) ON TABLE orders TO blakjaks_checkout;
GRANT UPDATE (changed_at, ordered_at, status) ON TABLE carts TO blakjaks_checkout;

GRANT DELETE ON TABLE notifications, pushes TO blakjaks_checks;
GRANT INSERT ON TABLE social_cases, social_entries, social_sanctions, social_standings TO blakjaks_checks;
GRANT UPDATE (checked_revision, removed_at, removed_by, revision) ON TABLE social_messages TO blakjaks_checks;
GRANT UPDATE (copies, decided_at, decision, decision_reason, outcome, scores, severity, urgency, version) ON TABLE
    social_cases TO blakjaks_checks;
GRANT UPDATE (number, position) ON TABLE social_heads TO blakjaks_checks;
GRANT UPDATE (strikes, struck_at) ON TABLE social_standings TO blakjaks_checks;

GRANT INSERT ON TABLE referral_clicks TO blakjaks_clicks;
GRANT UPDATE (clicks) ON TABLE referral_clicks TO blakjaks_clicks;

GRANT INSERT, UPDATE ON TABLE code_batch_chunks, code_batch_walks, code_batches, code_change_codes, code_changes,
    code_import_chunks, code_imports, codes TO blakjaks_codes;

GRANT EXECUTE ON FUNCTION let_count_go_on(bigint,bigint,text,timestamp with time zone) TO blakjaks_counting;

GRANT DELETE ON TABLE devices TO blakjaks_delivery;
GRANT INSERT, UPDATE ON TABLE broadcasts, pushes TO blakjaks_delivery;
GRANT UPDATE (token) ON TABLE devices TO blakjaks_delivery;
GRANT UPDATE (updated_at) ON TABLE members TO blakjaks_delivery;
GRANT UPDATE ON TABLE mails TO blakjaks_delivery;

GRANT INSERT ON TABLE chain_transfers, ledger_journals, ledger_postings, payouts, usdt_deposits, usdt_returns TO
    blakjaks_deposits;
GRANT INSERT, UPDATE ON TABLE chain_scans TO blakjaks_deposits;
GRANT SELECT (payment_id, transaction_hash) ON TABLE withdrawals TO blakjaks_deposits;
GRANT UPDATE (booked_at, matched_by, outcome, payment_id) ON TABLE usdt_deposits TO blakjaks_deposits;
GRANT UPDATE (paid_at) ON TABLE usdt_returns TO blakjaks_deposits;
GRANT UPDATE (seen) ON TABLE usdt_requests TO blakjaks_deposits;

GRANT INSERT ON TABLE dispute_movements, disputes TO blakjaks_disputes;
GRANT UPDATE (amount, decided_at, evidence_by, looked_at, reason, state) ON TABLE disputes TO blakjaks_disputes;

GRANT DELETE ON TABLE affiliate_figure_changes, affiliate_figure_weeks TO blakjaks_downlines;
GRANT DELETE, UPDATE ON TABLE referral_changes TO blakjaks_downlines;
GRANT INSERT ON TABLE affiliate_figures TO blakjaks_downlines;
GRANT UPDATE (affiliate_id) ON TABLE affiliate_figure_changes TO blakjaks_downlines;
GRANT UPDATE (as_of, last_number, moved_chips, pool, scan_chips, week_on) ON TABLE referral_progress TO
    blakjaks_downlines;
GRANT UPDATE (chips, downline, earned) ON TABLE affiliate_figures TO blakjaks_downlines;
GRANT UPDATE (done_affiliate) ON TABLE affiliate_figure_weeks TO blakjaks_downlines;
GRANT UPDATE (is_active, last_scan_at, tier) ON TABLE referrals TO blakjaks_downlines;
GRANT UPDATE (member_id) ON TABLE referral_changes TO blakjaks_downlines;

GRANT INSERT ON TABLE installation, signers, treasuries TO blakjaks_enrolment;
GRANT INSERT, SELECT ON TABLE data_keys TO blakjaks_enrolment;
GRANT UPDATE (project) ON TABLE installation TO blakjaks_enrolment;

GRANT DELETE ON TABLE attempt_counters, avatars, bank_nonces, carts, data_exports, devices, hook_deliveries,
    hook_endpoints, hook_secrets, inboxes, job_faults, late_counts, mails, mark_secrets, notification_preferences,
    notifications, pushes, referral_codes, report_exports, sessions, tax_quotes, wallet_balances, wallet_challenges,
    wallet_id_tokens, wallet_tokens, watch_minutes, webhook_deliveries, wholesale_accounts TO blakjaks_erasure;
GRANT DELETE, INSERT, UPDATE ON TABLE former_usernames TO blakjaks_erasure;
GRANT DELETE, SELECT ON TABLE backup_codes, email_changes, email_codes, known_devices, referral_clicks, refresh_tokens,
    second_factors, social_blocks, social_cases, social_entries, social_images, social_pages, social_pins,
    social_reactions, social_reads, social_reports, social_sent, social_translations, support_appeals, support_events
    TO blakjaks_erasure;
GRANT EXECUTE ON FUNCTION forget_sign_up(uuid,timestamp with time zone) TO blakjaks_erasure;
GRANT INSERT ON TABLE ledger_journals, ledger_postings TO blakjaks_erasure;
GRANT INSERT, UPDATE ON TABLE erasures, retired_names TO blakjaks_erasure;
GRANT SELECT (address) ON TABLE orders TO blakjaks_erasure;
GRANT SELECT (member_id) ON TABLE mark_secrets TO blakjaks_erasure;
GRANT SELECT ON TABLE governance_proposals, governance_votes, members, social_messages, withdrawals TO
    blakjaks_erasure;
GRANT UPDATE (address) ON TABLE orders TO blakjaks_erasure;
GRANT UPDATE (address_line1, address_line2, avatar_url, bio, city, country, date_of_birth, email, email_verified_at,
    full_name, language, last_login_at, oobit_card_id, oobit_card_status, password_hash, phone, profile_revision,
    state, status, updated_at, username, wallet_address, wallet_rests_until, zip_code) ON TABLE members TO
    blakjaks_erasure;
GRANT UPDATE (asked_at) ON TABLE data_exports TO blakjaks_erasure;
GRANT UPDATE (asked_at) ON TABLE email_changes TO blakjaks_erasure;
GRANT UPDATE (body, decided_at, status, title) ON TABLE governance_proposals TO blakjaks_erasure;
GRANT UPDATE (business_address, company_name, contact_name, email, phone, tax_id, tax_id_last4) ON TABLE
    wholesale_accounts TO blakjaks_erasure;
GRANT UPDATE (changed_at) ON TABLE carts TO blakjaks_erasure;
GRANT UPDATE (claimed_until) ON TABLE social_translations TO blakjaks_erasure;
GRANT UPDATE (closed_at) ON TABLE member_quarters TO blakjaks_erasure;
GRANT UPDATE (copies, opened_at, text) ON TABLE social_cases TO blakjaks_erasure;
GRANT UPDATE (created_at) ON TABLE email_codes TO blakjaks_erasure;
GRANT UPDATE (created_at) ON TABLE known_devices TO blakjaks_erasure;
GRANT UPDATE (created_at) ON TABLE second_factors TO blakjaks_erasure;
GRANT UPDATE (created_at) ON TABLE wallet_challenges TO blakjaks_erasure;
GRANT UPDATE (description, revision, status, title) ON TABLE governance_votes TO blakjaks_erasure;
GRANT UPDATE (device_id, device_time, ip_address, latitude, longitude) ON TABLE scans TO blakjaks_erasure;
GRANT UPDATE (done_at) ON TABLE hook_deliveries TO blakjaks_erasure;
GRANT UPDATE (end_reason, ended_at) ON TABLE sessions TO blakjaks_erasure;
GRANT UPDATE (ends_at) ON TABLE hook_secrets TO blakjaks_erasure;
GRANT UPDATE (expires_at) ON TABLE tax_quotes TO blakjaks_erasure;
GRANT UPDATE (finished_at) ON TABLE mails TO blakjaks_erasure;
GRANT UPDATE (finished_at) ON TABLE pushes TO blakjaks_erasure;
GRANT UPDATE (given_up, settled_at) ON TABLE affiliate_week_shares TO blakjaks_erasure;
GRANT UPDATE (happened_at) ON TABLE job_faults TO blakjaks_erasure;
GRANT UPDATE (happened_at) ON TABLE social_entries TO blakjaks_erasure;
GRANT UPDATE (happened_at) ON TABLE support_events TO blakjaks_erasure;
GRANT UPDATE (held_until, run_id, state) ON TABLE report_exports TO blakjaks_erasure;
GRANT UPDATE (issued_at) ON TABLE refresh_tokens TO blakjaks_erasure;
GRANT UPDATE (issued_at) ON TABLE wallet_tokens TO blakjaks_erasure;
GRANT UPDATE (language, media_id, media_type, mentions, removed_at, removed_by, text) ON TABLE social_messages TO
    blakjaks_erasure;
GRANT UPDATE (latitude, located_at, longitude) ON TABLE member_totals TO blakjaks_erasure;
GRANT UPDATE (made_at) ON TABLE social_pages TO blakjaks_erasure;
GRANT UPDATE (minute) ON TABLE watch_minutes TO blakjaks_erasure;
GRANT UPDATE (next_on) ON TABLE guarantees TO blakjaks_erasure;
GRANT UPDATE (number) ON TABLE social_reads TO blakjaks_erasure;
GRANT UPDATE (received_at) ON TABLE webhook_deliveries TO blakjaks_erasure;
GRANT UPDATE (released_at) ON TABLE affiliate_payout_lines TO blakjaks_erasure;
GRANT UPDATE (sent_at) ON TABLE social_sent TO blakjaks_erasure;
GRANT UPDATE (spent_at) ON TABLE bank_nonces TO blakjaks_erasure;
GRANT UPDATE (state) ON TABLE hook_endpoints TO blakjaks_erasure;
GRANT UPDATE (state, state_at) ON TABLE affiliate_payouts TO blakjaks_erasure;
GRANT UPDATE (uploaded_at) ON TABLE avatars TO blakjaks_erasure;
GRANT UPDATE (uploaded_at) ON TABLE social_images TO blakjaks_erasure;
GRANT UPDATE (used_at) ON TABLE wallet_id_tokens TO blakjaks_erasure;

GRANT INSERT ON TABLE payout_attempts, payout_events TO blakjaks_explanations;
GRANT INSERT, UPDATE ON TABLE foreign_explanations, payout_slots TO blakjaks_explanations;
GRANT UPDATE (resolution, resolved_at, resolved_by) ON TABLE payment_findings TO blakjaks_explanations;

GRANT SELECT ON TABLE email_changes, known_devices, members, second_factors, withdrawals TO blakjaks_exports;
GRANT UPDATE (expires_at, ready_at, status) ON TABLE data_exports TO blakjaks_exports;

GRANT DELETE, INSERT, UPDATE ON TABLE metric_days TO blakjaks_figure_rollups;
GRANT INSERT ON TABLE activity, transparency_metrics TO blakjaks_figure_rollups;
GRANT INSERT, UPDATE ON TABLE figures TO blakjaks_figure_rollups;
GRANT UPDATE (as_of, last_number) ON TABLE figure_progress TO blakjaks_figure_rollups;
GRANT UPDATE (last_day) ON TABLE activity TO blakjaks_figure_rollups;

GRANT SELECT (active_from, created_at, kid, kms_version, public_jwk, retired_at) ON TABLE signing_keys TO
    blakjaks_figures;
GRANT SELECT (amount, id, paid_at, status, transaction_hash) ON TABLE comps TO blakjaks_figures;
GRANT SELECT (created_at, device_kind, ended_at, ends_at, id, last_used_at, member_id, totp_at) ON TABLE sessions TO
    blakjaks_figures;
GRANT SELECT (id, number, permanent_tier, role, status, username) ON TABLE members TO blakjaks_figures;
GRANT SELECT ON TABLE award_inputs, comp_rules, feed_items, figures, member_quarters, milestones,
    reconciliation_treasuries, reconciliations, sales_volume, scan_counter, scan_rollup_position, scan_rollups,
    settings, transparency_metrics, treasuries, treasury_snapshot_days, treasury_snapshots, trip_places TO
    blakjaks_figures;

GRANT INSERT ON TABLE parcel_lines, parcels TO blakjaks_fulfilment;
GRANT UPDATE (answered_at, evidence, look_at, reason, reference, sent_at, status) ON TABLE fulfilments TO
    blakjaks_fulfilment;
GRANT UPDATE (delivered_at, news_at, status) ON TABLE parcels TO blakjaks_fulfilment;

GRANT INSERT (counted_by, kind, moved_at, quantity, reason, recorded_at, sku) ON TABLE stock_moves TO blakjaks_goods;
GRANT UPDATE (on_sale, picture, price_cents, revision) ON TABLE products TO blakjaks_goods;

GRANT INSERT, UPDATE ON TABLE hook_deliveries, hook_tries TO blakjaks_hook_sending;
GRANT SELECT ON TABLE data_keys, hook_endpoints, hook_secrets TO blakjaks_hook_sending;
GRANT UPDATE (failing_since, state, state_at) ON TABLE hook_endpoints TO blakjaks_hook_sending;

GRANT DELETE, INSERT ON TABLE hook_secrets TO blakjaks_hooks;
GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE hook_endpoints TO blakjaks_hooks;
GRANT SELECT ON TABLE data_keys TO blakjaks_hooks;
GRANT UPDATE (done_at, next_at, state, tries_before) ON TABLE hook_deliveries TO blakjaks_hooks;
GRANT UPDATE (ends_at) ON TABLE hook_secrets TO blakjaks_hooks;

GRANT UPDATE (read_at) ON TABLE notifications TO blakjaks_inbox;
GRANT UPDATE ON TABLE inboxes TO blakjaks_inbox;

GRANT DELETE, INSERT ON TABLE stock_alerts TO blakjaks_inventory;
GRANT INSERT (kind, moved_at, quantity, reason, recorded_at, sku) ON TABLE stock_moves TO blakjaks_inventory;

GRANT INSERT ON TABLE bank_transfers, ledger_journals, ledger_postings TO blakjaks_invoices;

GRANT INSERT, UPDATE ON TABLE signing_keys TO blakjaks_keys;

GRANT INSERT (issued_at, member_id) ON TABLE listener_revocations TO blakjaks_listening;
GRANT UPDATE (issued_at) ON TABLE listener_revocations TO blakjaks_listening;

GRANT UPDATE (address_line1, address_line2, city, country, full_name, language, profile_revision, role, state,
    updated_at, username, zip_code) ON TABLE members TO blakjaks_member_desk;

GRANT DELETE ON TABLE notifications, pushes TO blakjaks_moderation;
GRANT DELETE, INSERT ON TABLE social_pins TO blakjaks_moderation;
GRANT INSERT ON TABLE social_channels, social_entries, social_heads, social_sanctions, social_standings, social_tails
    TO blakjaks_moderation;
GRANT UPDATE (access_high_roller, access_standard, access_vip, access_whale, archived_at, category, changed_at,
    description, display_order, icon, kind, name, pace_ms, revision, slow_seconds) ON TABLE social_channels TO
    blakjaks_moderation;
GRANT UPDATE (banned_at, muted_until, timeout_until) ON TABLE social_standings TO blakjaks_moderation;
GRANT UPDATE (decided_at, decided_by, decision, decision_reason, version) ON TABLE social_cases TO blakjaks_moderation;
GRANT UPDATE (expires_at) ON TABLE social_pins TO blakjaks_moderation;
GRANT UPDATE (number, position) ON TABLE social_heads TO blakjaks_moderation;
GRANT UPDATE (removed_at, removed_by, revision) ON TABLE social_messages TO blakjaks_moderation;

GRANT EXECUTE ON FUNCTION drop_social_messages(timestamp with time zone), drop_social_reaction_counts(timestamp with
    time zone), drop_social_reactions(timestamp with time zone), drop_transparency_metrics(timestamp with time zone),
    drop_treasury_snapshots(timestamp with time zone), ensure_month_partitions(text,date,integer),
    ensure_week_partitions(text,date,integer), hide_social_messages(timestamp with time zone), stranded_months(text),
    stranded_weeks(text), validate_references(text) TO blakjaks_months;

GRANT EXECUTE ON FUNCTION order_takes_parcels(uuid,order_state,timestamp with time zone) TO blakjaks_order_decisions;
GRANT INSERT (answered_at, by_hand, evidence, id, look_at, order_id, recorded_at, sent_at, status) ON TABLE fulfilments
    TO blakjaks_order_decisions;
GRANT INSERT (kind, moved_at, order_id, parcel_id, quantity, recorded_at, sku) ON TABLE stock_moves TO
    blakjaks_order_decisions;
GRANT INSERT ON TABLE fulfilment_lines, ledger_journals, ledger_postings, operation_resolutions, parcel_lines, parcels,
    payment_operations, refund_lines, refund_requests, refunds TO blakjaks_order_decisions;
GRANT SELECT ON TABLE data_keys, orders TO blakjaks_order_decisions;
GRANT UPDATE (answered_at, evidence, look_at, reason, reference, status) ON TABLE payment_operations TO
    blakjaks_order_decisions;
GRANT UPDATE (answered_at, look_at, status) ON TABLE fulfilments TO blakjaks_order_decisions;
GRANT UPDATE (cancel_reason, cancel_refused_at, cancel_wanted_at) ON TABLE orders TO blakjaks_order_decisions;
GRANT UPDATE (decided_at, decided_by, decision_note, status) ON TABLE refund_requests TO blakjaks_order_decisions;
GRANT UPDATE (delivered_at, news_at, status) ON TABLE parcels TO blakjaks_order_decisions;
GRANT UPDATE (outcome, reference, said_at, why) ON TABLE operation_resolutions TO blakjaks_order_decisions;

GRANT EXECUTE ON FUNCTION order_takes_parcels(uuid,order_state,timestamp with time zone) TO blakjaks_orders;
GRANT INSERT (id, look_at, order_id, recorded_at) ON TABLE fulfilments TO blakjaks_orders;
GRANT INSERT (kind, moved_at, order_id, parcel_id, quantity, recorded_at, sku) ON TABLE stock_moves TO blakjaks_orders;
GRANT INSERT ON TABLE age_checks, fulfilment_lines, ledger_journals, ledger_postings, payment_operations, refund_lines,
    refunds, usdt_returns TO blakjaks_orders;
GRANT SELECT ON TABLE data_keys, orders, payments TO blakjaks_orders;
GRANT UPDATE (action_url, reason) ON TABLE payments TO blakjaks_orders;
GRANT UPDATE (age_check_id, cancel_reason, cancel_refused_at, cancel_wanted_at, confirmed_at, expires_at, state,
    state_at) ON TABLE orders TO blakjaks_orders;
GRANT UPDATE (answered_at, cancel_wanted_at, evidence, look_at, status) ON TABLE fulfilments TO blakjaks_orders;
GRANT UPDATE (answered_at, evidence, look_at, reason, reference, sent_at, status) ON TABLE payment_operations TO
    blakjaks_orders;
GRANT UPDATE (closed_at, excess) ON TABLE usdt_requests TO blakjaks_orders;
GRANT UPDATE (decided_at, looked_at, reason, reference, status, url, valid_until) ON TABLE age_checks TO
    blakjaks_orders;

GRANT DELETE, INSERT, UPDATE ON TABLE hold_windows, nonce_searches, nonce_uses TO blakjaks_payouts;
GRANT INSERT ON TABLE foreign_transfers, ledger_journals, ledger_postings, payout_events, payout_policy_runs, payouts,
    wallet_transactions TO blakjaks_payouts;
GRANT INSERT, SELECT ON TABLE payout_attempts TO blakjaks_payouts;
GRANT INSERT, UPDATE ON TABLE payout_slots TO blakjaks_payouts;
GRANT UPDATE (approvals_needed, counted_on, hold_reason, holds, paid_at, postponed_until, state, state_at,
    transaction_hash) ON TABLE payouts TO blakjaks_payouts;
GRANT UPDATE (comps_paid) ON TABLE member_totals TO blakjaks_payouts;
GRANT UPDATE (epoch, held_until, lineage, next_nonce, rebuild_asked_at, rebuild_reason, sealed_below, status) ON TABLE
    signers TO blakjaks_payouts;
GRANT UPDATE (paid_at, status) ON TABLE affiliate_earnings TO blakjaks_payouts;
GRANT UPDATE (paid_at, status, transaction_hash) ON TABLE comps TO blakjaks_payouts;
GRANT UPDATE (pause_reason, paused_at) ON TABLE treasuries TO blakjaks_payouts;
GRANT UPDATE (settled_at) ON TABLE affiliate_week_shares TO blakjaks_payouts;
GRANT UPDATE (state, state_at) ON TABLE affiliate_payouts TO blakjaks_payouts;

GRANT INSERT ON TABLE setting_changes TO blakjaks_platform_settings;
GRANT INSERT, UPDATE ON TABLE setting_wishes TO blakjaks_platform_settings;
GRANT UPDATE (changed_at, revision, value) ON TABLE settings TO blakjaks_platform_settings;

GRANT DELETE, INSERT, UPDATE ON TABLE devices TO blakjaks_profiles;
GRANT INSERT ON TABLE former_usernames TO blakjaks_profiles;
GRANT INSERT, UPDATE ON TABLE avatars, data_exports, notification_preferences, referral_codes, social_images TO
    blakjaks_profiles;
GRANT UPDATE (address_line1, address_line2, avatar_url, bio, city, country, date_of_birth, full_name, language, phone,
    profile_revision, state, updated_at, username, zip_code) ON TABLE members TO blakjaks_profiles;

GRANT SELECT (account_id, accrual_due_at, age_check_id, cancel_reason, cancel_refused_at, cancel_wanted_at, cart_id,
    certificate_id, confirmed_at, cost_per_tin, doorstep, expires_at, id, kind, member_id, number, placed_at,
    settled_at, ship_state, ship_zip, shipping_cost, shipping_tax, state, state_at, subtotal, tax_amount,
    tax_breakdown, tax_quote_id, tins, total_amount, volume_due_at) ON TABLE orders TO blakjaks_read;
GRANT SELECT (account_id, created_at, failing_since, id, kinds, state, state_at) ON TABLE hook_endpoints TO
    blakjaks_read;
GRANT SELECT (action_url, amount, created_at, disputed, id, order_id, ordered_at, provider, reason, refund_open,
    refunded, state) ON TABLE payments TO blakjaks_read;
GRANT SELECT (activated_at, applied_at, business_address, company_name, contact_name, created_at, decided_at,
    decided_by, email, id, member_id, number, phone, reason, serial, status, tax_id_last4) ON TABLE wholesale_accounts
    TO blakjaks_read;
GRANT SELECT (address, begun_at, clip_at, clip_until, clips, ending_at, failures, generation, generation_gone,
    held_until, key_hash, last_error, look_at, observed, observed_at, observed_since, operation, operation_at,
    start_id, stream_id) ON TABLE live_stream_inputs TO blakjaks_read;
GRANT SELECT (address_line1, address_line2, avatar_url, bio, city, country, created_at, date_of_birth, email,
    email_verified_at, full_name, id, language, last_login_at, number, oobit_card_id, oobit_card_status,
    permanent_tier, phone, profile_revision, referred_by_id, role, state, status, updated_at, username, wallet_address,
    wallet_rests_until, zip_code) ON TABLE members TO blakjaks_read;
GRANT SELECT (amount, block_hash, block_number, chain_id, checked_at, expires_at, fee_per_gas_wei_max, from_address,
    gas_limit, id, member_id, nonce, outcome_hash, prepared_at, prepared_block, priority_fee_per_gas_wei_max,
    signed_at, state, state_at, succeeded, to_address, token_address, transaction_hash) ON TABLE withdrawals TO
    blakjaks_read;
GRANT SELECT (amount, epoch, fee_per_gas_wei_max, gas_limit, hash, kind, nonce, origin, position,
    priority_fee_per_gas_wei_max, recipient_address, signed_at, signer) ON TABLE payout_attempts TO blakjaks_read;
GRANT SELECT (connected_at, id, institution, is_live, last_error, last_synced_at, last_tried_at, reconnected_at,
    refusals, state, state_at, teller_enrollment_id, told_at) ON TABLE teller_enrollments TO blakjaks_read;
GRANT SELECT (created_at, enabled_at, member_id) ON TABLE second_factors TO blakjaks_read;
GRANT SELECT (created_at, endpoint_id, ends_at, id) ON TABLE hook_secrets TO blakjaks_read;
GRANT SELECT ON TABLE active_days, activity, affiliate_chips, affiliate_earnings, affiliate_figure_changes,
    affiliate_figure_weeks, affiliate_figures, affiliate_payout_lines, affiliate_payouts, affiliate_program,
    affiliate_week_decisions, affiliate_week_shares, affiliate_weeks, age_checks, api_keys, audit_logs, avatars,
    award_inputs, bank_balances, bank_nonces, bank_transfers, broadcasts, campaigns, card_balance, card_bookings,
    card_days, card_deposits, cart_items, carts, chain_scans, chain_transfers, chip_balances, chip_counts, chip_moves,
    chip_vaults, code_batch_chunks, code_batch_walks, code_batches, code_change_codes, code_changes,
    code_import_chunks, code_imports, code_retries, codes, comp_rule_changes, comp_rules, comps, count_comparisons,
    critical_events, data_exports, devices, dispute_movements, disputes, downline_entries, erasures, feed_items,
    figure_progress, figures, flagged_scans, foreign_explanations, foreign_transfers, former_usernames,
    fulfilment_lines, fulfilments, governance_ballots, governance_electors, governance_options, governance_proposals,
    governance_votes, guarantee_claims, guarantee_reviews, guarantees, hold_windows, honey_trials, hook_deliveries,
    hook_tries, inbox_counts, inboxes, installation, integration_states, invoices, job_faults, job_runs, late_counts,
    leases, ledger_accounts, ledger_balances, ledger_journals, ledger_postings, ledger_seal_balances, ledger_seals,
    listener_revocations, live_stream_presence, live_stream_reminders, live_stream_strays, live_streams, locked_shares,
    mail_publications, mail_suppressions, mail_template_versions, mail_templates, mails, manual_awards,
    manual_transfers, member_quarters, member_totals, member_wallets, metric_days, milestones, nonce_searches,
    nonce_uses, notification_preferences, notifications, operation_resolutions, order_events, order_items,
    order_tins_sold, order_transitions, outbox, parcel_lines, parcels, payment_findings, payment_operations,
    payout_approvals, payout_events, payout_policy_runs, payout_slots, payout_transitions, payouts, permanent_tiers,
    products, pushes, reconciliation_findings, reconciliation_marks, reconciliation_treasuries, reconciliations,
    referral_changes, referral_checks, referral_clicks, referral_codes, referral_progress, referral_reviews, referrals,
    refund_lines, refund_requests, refunds, report_exports, report_files, resale_certificates, retired_names,
    sale_accruals, sales_volume, scan_counter, scan_rollup_position, scan_rollups, scans, schema_migrations, sessions,
    setting_changes, setting_wishes, settings, signers, signing_keys, slot_transitions, social_blocks, social_cases,
    social_channels, social_departures, social_entries, social_heads, social_images, social_messages, social_pages,
    social_pins, social_reaction_counts, social_reactions, social_reads, social_reports, social_sanctions, social_sent,
    social_shifts, social_standings, social_tails, social_translations, stock, stock_alerts, stock_moves,
    sunset_notices, support_appeals, support_contacts, support_events, tax_quotes, tax_reports, teller_connections,
    tier_history, tins_sold_daily, top_up_approvals, top_ups, transparency_metrics, treasuries, treasury_alerts,
    treasury_days, treasury_minutes, treasury_snapshot_days, treasury_snapshots, trip_places, trips, usdt_deposits,
    usdt_requests, usdt_returns, vault_lots, vault_months, vault_moves, vault_warnings, wallet_balances,
    wallet_challenges, wallet_id_tokens, wallet_links, wallet_scans, wallet_tokens, wallet_transactions, watch_minutes,
    webhook_deliveries, wholesale_chips, wholesale_comps, wholesale_milestones, withdrawal_events,
    withdrawal_transitions, withheld_chips TO blakjaks_read;

GRANT DELETE, UPDATE ON TABLE referral_checks TO blakjaks_referral_reviews;
GRANT INSERT ON TABLE affiliate_earnings, ledger_journals, ledger_postings, referral_reviews TO
    blakjaks_referral_reviews;
GRANT UPDATE (cancelled_at, status) ON TABLE affiliate_earnings TO blakjaks_referral_reviews;
GRANT UPDATE (score, signals) ON TABLE referral_reviews TO blakjaks_referral_reviews;

GRANT UPDATE (referred_by_id, updated_at) ON TABLE members TO blakjaks_referrals;

GRANT DELETE, UPDATE ON TABLE outbox TO blakjaks_relay;

GRANT DELETE ON TABLE notifications, pushes TO blakjaks_reminding;
GRANT INSERT ON TABLE live_stream_reminders TO blakjaks_reminding;
GRANT UPDATE (done_number, finished_at, told) ON TABLE live_stream_reminders TO blakjaks_reminding;
GRANT UPDATE (planned_at) ON TABLE live_streams TO blakjaks_reminding;
GRANT UPDATE (read_at) ON TABLE notifications TO blakjaks_reminding;

GRANT INSERT ON TABLE report_exports TO blakjaks_report_requests;

GRANT DELETE, INSERT ON TABLE report_files TO blakjaks_reports;
GRANT UPDATE (bytes, expires_at, fault, held_until, read_from, read_until, rows, run_id, sha256, state) ON TABLE
    report_exports TO blakjaks_reports;

GRANT DELETE, INSERT, UPDATE ON TABLE scan_rollups TO blakjaks_rollups;
GRANT INSERT ON TABLE transparency_metrics TO blakjaks_rollups;
GRANT UPDATE ON TABLE sales_volume, scan_rollup_position TO blakjaks_rollups;

GRANT INSERT ON TABLE downline_entries TO blakjaks_sales;
GRANT INSERT, UPDATE ON TABLE order_tins_sold, tins_sold_daily TO blakjaks_sales;
GRANT UPDATE (settled_at, volume_due_at) ON TABLE orders TO blakjaks_sales;

GRANT INSERT ON TABLE affiliate_chips, flagged_scans, honey_trials, milestones, scans, tier_history TO blakjaks_scans;
GRANT INSERT, UPDATE ON TABLE chip_balances, code_retries, member_quarters TO blakjaks_scans;
GRANT UPDATE (scanned_at, scanned_by, status) ON TABLE codes TO blakjaks_scans;
GRANT UPDATE (updated_at) ON TABLE members TO blakjaks_scans;
GRANT UPDATE ON TABLE member_totals, scan_counter TO blakjaks_scans;

GRANT SELECT ON TABLE data_keys, second_factors TO blakjaks_second_factors;
GRANT UPDATE (failures, failures_in, last_step) ON TABLE second_factors TO blakjaks_second_factors;

GRANT INSERT ON TABLE comp_rule_changes TO blakjaks_settings;
GRANT UPDATE ON TABLE comp_rules TO blakjaks_settings;

GRANT INSERT ON TABLE card_bookings, card_days, card_deposits, ledger_journals, ledger_postings, payment_findings TO
    blakjaks_settlements;
GRANT UPDATE (cursor, read_at) ON TABLE card_days TO blakjaks_settlements;
GRANT UPDATE (dispute_id, operation_id) ON TABLE card_bookings TO blakjaks_settlements;
GRANT UPDATE (is_one) ON TABLE card_balance TO blakjaks_settlements;
GRANT UPDATE (resolution, resolved_at) ON TABLE payment_findings TO blakjaks_settlements;

GRANT DELETE ON TABLE notifications, pushes TO blakjaks_social;
GRANT DELETE, INSERT ON TABLE social_blocks, social_reactions, social_translations TO blakjaks_social;
GRANT INSERT ON TABLE social_cases, social_entries, social_messages, social_reaction_counts, social_reads,
    social_reports, social_sanctions, social_sent, social_standings TO blakjaks_social;
GRANT UPDATE (claimed_until, text) ON TABLE social_translations TO blakjaks_social;
GRANT UPDATE (copies, reports, urgency, version) ON TABLE social_cases TO blakjaks_social;
GRANT UPDATE (count) ON TABLE social_reaction_counts TO blakjaks_social;
GRANT UPDATE (edited_at, language, mentions, removed_at, removed_by, revision, text) ON TABLE social_messages TO
    blakjaks_social;
GRANT UPDATE (last_at, muted_until, recent, strikes, struck_at) ON TABLE social_standings TO blakjaks_social;
GRANT UPDATE (message_id) ON TABLE social_images TO blakjaks_social;
GRANT UPDATE (number) ON TABLE social_reads TO blakjaks_social;
GRANT UPDATE (number, position) ON TABLE social_heads TO blakjaks_social;

GRANT INSERT, UPDATE ON TABLE member_quarters, permanent_tiers, tier_history TO blakjaks_standing;
GRANT UPDATE (end_reason, ended_at) ON TABLE sessions TO blakjaks_standing;
GRANT UPDATE (located_at) ON TABLE member_totals TO blakjaks_standing;
GRANT UPDATE (permanent_tier, status, updated_at) ON TABLE members TO blakjaks_standing;

GRANT DELETE ON TABLE live_stream_presence TO blakjaks_stream_control;
GRANT DELETE, INSERT ON TABLE live_stream_strays TO blakjaks_stream_control;
GRANT SELECT ON TABLE data_keys TO blakjaks_stream_control;
GRANT UPDATE (address, clip_at, clip_until, clips, ending_at, failures, generation_gone, held_until, key_hash,
    last_error, look_at, observed, observed_at, observed_since, operation, operation_at, sealed_key) ON TABLE
    live_stream_inputs TO blakjaks_stream_control;
GRANT UPDATE (ended_at, interrupted_at, is_estimate, peak_viewers, revision, sample_shift, started_at, status, viewers,
    vod_state) ON TABLE live_streams TO blakjaks_stream_control;

GRANT INSERT ON TABLE live_stream_presence TO blakjaks_stream_presence;
GRANT UPDATE (seen_at) ON TABLE live_stream_presence TO blakjaks_stream_presence;

GRANT INSERT ON TABLE live_stream_inputs, live_streams TO blakjaks_streams;
GRANT SELECT (sealed_key) ON TABLE live_stream_inputs TO blakjaks_streams;
GRANT UPDATE (address, clip_until, ending_at, failures, generation, key_hash, look_at, sealed_key) ON TABLE
    live_stream_inputs TO blakjaks_streams;
GRANT UPDATE (channel_id, description, ended_at, host_name, interrupted_at, overlay, plan, planned_at, revision,
    scheduled_at, starts, status, tier_min, time_zone, title) ON TABLE live_streams TO blakjaks_streams;

GRANT INSERT ON TABLE locked_shares, sunset_notices TO blakjaks_sunset;
GRANT UPDATE (checked_at, full_days, full_on, state, step, sunset_at, weights) ON TABLE affiliate_program TO
    blakjaks_sunset;

GRANT INSERT ON TABLE support_appeals, support_contacts TO blakjaks_support;
GRANT UPDATE (look_at, revision, waits_since) ON TABLE support_contacts TO blakjaks_support;

GRANT DELETE ON TABLE support_appeals, support_contacts, support_events TO blakjaks_support_sync;
GRANT UPDATE (contact_id, failures, held_until, look_at, refusal, told, told_at, waits_since) ON TABLE support_contacts
    TO blakjaks_support_sync;
GRANT UPDATE (conversation_id, opened_at, sent_at) ON TABLE support_appeals TO blakjaks_support_sync;
GRANT UPDATE (told_at) ON TABLE support_events TO blakjaks_support_sync;

GRANT DELETE ON TABLE social_pins TO blakjaks_tails;
GRANT DELETE, SELECT ON TABLE social_departures TO blakjaks_tails;
GRANT INSERT ON TABLE social_entries, social_pages, social_tails TO blakjaks_tails;
GRANT UPDATE (awaited_until, due_at, position, shown) ON TABLE social_tails TO blakjaks_tails;
GRANT UPDATE (ends_at, shift) ON TABLE social_shifts TO blakjaks_tails;
GRANT UPDATE (number, position) ON TABLE social_heads TO blakjaks_tails;
GRANT UPDATE (wanted, written) ON TABLE social_pages TO blakjaks_tails;

GRANT SELECT (address) ON TABLE orders TO blakjaks_taxes;
GRANT SELECT ON TABLE data_keys TO blakjaks_taxes;
GRANT UPDATE (done_at, look_at, reference, refusal, sent_at, status) ON TABLE tax_reports TO blakjaks_taxes;

GRANT DELETE, INSERT, UPDATE ON TABLE late_counts TO blakjaks_telling;
GRANT INSERT ON TABLE feed_items, mails, notifications TO blakjaks_telling;
GRANT INSERT, UPDATE ON TABLE inboxes, listener_revocations TO blakjaks_telling;

GRANT INSERT ON TABLE chain_transfers, ledger_journals, ledger_postings TO blakjaks_top_ups;
GRANT INSERT, UPDATE ON TABLE chain_scans TO blakjaks_top_ups;
GRANT UPDATE (arrival_hash, arrival_index, arrived_at, bridged, fault, guid, late_at, read_to, received,
    source_final_at, spent, state, state_at, twice_at) ON TABLE top_ups TO blakjaks_top_ups;

GRANT INSERT, UPDATE ON TABLE notification_preferences TO blakjaks_unsubscribes;

GRANT INSERT ON TABLE chip_moves, vault_moves, vault_warnings TO blakjaks_vault_upkeep;
GRANT INSERT, UPDATE ON TABLE vault_months TO blakjaks_vault_upkeep;
GRANT UPDATE (left_chips) ON TABLE vault_lots TO blakjaks_vault_upkeep;

GRANT EXECUTE ON FUNCTION lock_vault(uuid,timestamp with time zone) TO blakjaks_vaults;
GRANT INSERT ON TABLE vault_lots, vault_moves TO blakjaks_vaults;
GRANT UPDATE (left_chips) ON TABLE vault_lots TO blakjaks_vaults;

GRANT INSERT ON TABLE governance_electors, social_entries, social_messages TO blakjaks_vote_closing;
GRANT UPDATE (closed_at, closes_at, digest, electors, opened_at, outcome, revision, status) ON TABLE governance_votes
    TO blakjaks_vote_closing;
GRANT UPDATE (number, position) ON TABLE social_heads TO blakjaks_vote_closing;

GRANT DELETE, INSERT ON TABLE governance_options TO blakjaks_votes;
GRANT INSERT ON TABLE governance_votes TO blakjaks_votes;
GRANT UPDATE (closed_early_at, description, quorum_percent, revision, seconds, status, tier_min, title, type) ON TABLE
    governance_votes TO blakjaks_votes;
GRANT UPDATE (decided_at, decided_by, note, status, vote_id) ON TABLE governance_proposals TO blakjaks_votes;

GRANT INSERT ON TABLE wallet_transactions TO blakjaks_wallet_watching;
GRANT INSERT, UPDATE ON TABLE wallet_scans TO blakjaks_wallet_watching;
GRANT SELECT (amount, member_id, outcome_hash, state, to_address, transaction_hash) ON TABLE withdrawals TO
    blakjaks_wallet_watching;

GRANT INSERT ON TABLE wallet_id_tokens, wallet_links, withdrawal_events TO blakjaks_wallets;
GRANT INSERT, SELECT, UPDATE ON TABLE withdrawals TO blakjaks_wallets;
GRANT INSERT, UPDATE ON TABLE wallet_balances, wallet_challenges, wallet_transactions TO blakjaks_wallets;
GRANT UPDATE (oobit_card_id, oobit_card_status, updated_at, wallet_address, wallet_rests_until) ON TABLE members TO
    blakjaks_wallets;

GRANT INSERT ON TABLE critical_events, watch_minutes TO blakjaks_watching;
GRANT UPDATE (ended_at) ON TABLE critical_events TO blakjaks_watching;

GRANT INSERT ON TABLE mail_suppressions, webhook_deliveries TO blakjaks_webhooks;

GRANT INSERT ON TABLE affiliate_week_decisions TO blakjaks_week_decisions;

GRANT DELETE, INSERT ON TABLE affiliate_payout_lines, affiliate_payouts, affiliate_week_shares TO blakjaks_weeks;
GRANT DELETE, INSERT, UPDATE ON TABLE withheld_chips TO blakjaks_weeks;
GRANT EXECUTE ON FUNCTION return_doubted_chips(date,timestamp with time zone) TO blakjaks_weeks;
GRANT INSERT ON TABLE chip_moves, ledger_journals, ledger_postings, payouts, vault_lots TO blakjaks_weeks;
GRANT INSERT, SELECT ON TABLE mark_secrets TO blakjaks_weeks;
GRANT INSERT, UPDATE ON TABLE affiliate_weeks TO blakjaks_weeks;
GRANT UPDATE (given_up, settled_at) ON TABLE affiliate_week_shares TO blakjaks_weeks;
GRANT UPDATE (payout_id, state, state_at) ON TABLE affiliate_payouts TO blakjaks_weeks;
GRANT UPDATE (released_at) ON TABLE affiliate_payout_lines TO blakjaks_weeks;

GRANT INSERT (applied_at, business_address, company_name, contact_name, email, id, member_id, phone, tax_id,
    tax_id_last4) ON TABLE wholesale_accounts TO blakjaks_wholesale;
GRANT INSERT (kind, moved_at, order_id, quantity, recorded_at, sku) ON TABLE stock_moves TO blakjaks_wholesale;
GRANT INSERT ON TABLE invoices, order_items, payments, tax_quotes, usdt_requests TO blakjaks_wholesale;
GRANT INSERT, SELECT ON TABLE orders TO blakjaks_wholesale;
GRANT SELECT ON TABLE data_keys TO blakjaks_wholesale;
GRANT UPDATE (applied_at, business_address, company_name, contact_name, email, phone, tax_id, tax_id_last4) ON TABLE
    wholesale_accounts TO blakjaks_wholesale;
GRANT UPDATE (cancel_reason, cancel_wanted_at, expires_at) ON TABLE orders TO blakjaks_wholesale;

GRANT INSERT ON TABLE ledger_journals, ledger_postings, payouts, resale_certificates, wholesale_comps TO
    blakjaks_wholesale_decisions;
GRANT SELECT ON TABLE data_keys, wholesale_accounts TO blakjaks_wholesale_decisions;
GRANT UPDATE (decided_at, decided_by, reason, status) ON TABLE wholesale_accounts TO blakjaks_wholesale_decisions;

GRANT DELETE, INSERT, SELECT, UPDATE ON TABLE idempotency_keys TO blakjaks_work;
GRANT INSERT ON TABLE audit_logs, job_faults, outbox TO blakjaks_work;
GRANT INSERT, SELECT, UPDATE ON TABLE attempt_counters, leases TO blakjaks_work;
GRANT INSERT, UPDATE ON TABLE integration_states, job_runs TO blakjaks_work;
GRANT UPDATE (last_used_at) ON TABLE api_keys TO blakjaks_work;
