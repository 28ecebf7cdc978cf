-- Mails that admins write: templates with their versions, campaigns to a segment of the members, and addresses to which
-- nothing may be sent.

CREATE TABLE mail_templates (
    id         uuid PRIMARY KEY,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    language   text NOT NULL CHECK (language IN ('en', 'es', 'pt')),
    created_by uuid NOT NULL REFERENCES members (id),
    created_at timestamptz NOT NULL
);
CREATE INDEX mail_templates_author ON mail_templates (created_by);
CREATE INDEX mail_templates_created ON mail_templates (created_at DESC, id DESC);

-- A version never changes: what was previewed, tested and approved is what is sent. `html` and `text` are made of
-- `blocks` once; the variables in them are filled in when a mail is sent.
CREATE TABLE mail_template_versions (
    id          uuid PRIMARY KEY,
    template_id uuid NOT NULL REFERENCES mail_templates (id),
    version     integer NOT NULL CHECK (version > 0),
    subject     text NOT NULL,
    preheader   text NOT NULL,
    blocks      jsonb NOT NULL,
    html        text NOT NULL,
    text        text NOT NULL,
    created_by  uuid NOT NULL REFERENCES members (id),
    created_at  timestamptz NOT NULL,
    UNIQUE (template_id, version)
);
SELECT make_append_only('mail_template_versions');
CREATE INDEX mail_template_versions_author ON mail_template_versions (created_by);
CREATE INDEX mail_template_versions_created ON mail_template_versions (template_id, created_at DESC, id DESC);

-- Recipients are found in the order of their members' numbers, a window of numbers in one transaction: `done_number` is
-- the end of the last window. `lineage` is the database in which people have started the campaign or resumed it.
CREATE TABLE campaigns (
    id                   uuid PRIMARY KEY,
    name                 text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    version_id           uuid NOT NULL REFERENCES mail_template_versions (id),
    segment              jsonb NOT NULL,
    state                text NOT NULL DEFAULT 'draft'
        CONSTRAINT campaigns_state_check
        CHECK (state IN ('draft', 'approved', 'sending', 'paused', 'done', 'cancelled')),
    state_at             timestamptz NOT NULL,
    pause_reason         text CHECK (pause_reason IN ('people', 'restored', 'late', 'approval')),
    created_by           uuid NOT NULL REFERENCES members (id),
    created_at           timestamptz NOT NULL,
    approved_by          uuid REFERENCES members (id),
    approved_at          timestamptz,
    starts_at            timestamptz,
    asked_at             timestamptz,
    last_number          bigint CHECK (last_number > 0),
    done_number          bigint NOT NULL DEFAULT 0,
    queued               bigint NOT NULL DEFAULT 0 CHECK (queued >= 0),
    skipped_unsubscribed bigint NOT NULL DEFAULT 0 CHECK (skipped_unsubscribed >= 0),
    skipped_suppressed   bigint NOT NULL DEFAULT 0 CHECK (skipped_suppressed >= 0),
    lineage              text,
    CONSTRAINT campaigns_done_number CHECK (done_number BETWEEN 0 AND coalesce(last_number, 0)),
    CONSTRAINT campaigns_done CHECK (state <> 'done' OR done_number = last_number),
    CONSTRAINT campaigns_started
        CHECK (state IN ('draft', 'approved', 'cancelled') OR num_nulls(starts_at, asked_at, last_number, lineage) = 0),
    CONSTRAINT campaigns_paused CHECK ((state = 'paused') = (pause_reason IS NOT NULL)),
    CONSTRAINT campaigns_approved CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CONSTRAINT campaigns_second_person CHECK (approved_by <> created_by),
    CONSTRAINT campaigns_approval CHECK (queued <= 1000 OR approved_by IS NOT NULL)
);
CREATE INDEX campaigns_created ON campaigns (created_at DESC, id DESC);
CREATE INDEX campaigns_author ON campaigns (created_by);
CREATE INDEX campaigns_approver ON campaigns (approved_by) WHERE approved_by IS NOT NULL;
CREATE INDEX campaigns_version ON campaigns (version_id);
CREATE INDEX campaigns_sending ON campaigns (asked_at) WHERE state = 'sending';

-- What people have approved stays what it was, and nobody is reached for a second time.
CREATE FUNCTION campaign_changed() RETURNS trigger LANGUAGE plpgsql AS $$
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
END $$;
CREATE TRIGGER campaign_changed BEFORE UPDATE ON campaigns FOR EACH ROW EXECUTE FUNCTION campaign_changed();

-- Addresses by their keyed fingerprint, which stays when an account is erased. `all`: nothing reaches the address;
-- `marketing`: its owner wants no campaigns.
CREATE TABLE mail_suppressions (
    address_hash  bytea NOT NULL CHECK (octet_length(address_hash) = 32),
    scope         text NOT NULL CHECK (scope IN ('marketing', 'all')),
    reason        text NOT NULL CHECK (reason IN ('bounce', 'complaint', 'unsubscribed')),
    suppressed_at timestamptz NOT NULL,
    PRIMARY KEY (address_hash, scope)
);

-- A mail of a version: of a campaign, or a test mail, which has none. A mail of a campaign that was queued in another
-- database, before a restore, may have been sent there.
ALTER TABLE mails
    ADD COLUMN version_id uuid REFERENCES mail_template_versions (id),
    ADD COLUMN campaign_id uuid REFERENCES campaigns (id),
    ADD COLUMN lineage text,
    DROP CONSTRAINT mails_status_check,
    ADD CONSTRAINT mails_status_check CHECK (status IN ('queued', 'sent', 'refused', 'unclear', 'suppressed')),
    ADD CONSTRAINT mails_campaign CHECK (campaign_id IS NULL OR num_nulls(version_id, lineage, member_id) = 0);
CREATE INDEX mails_version ON mails (version_id) WHERE version_id IS NOT NULL;
CREATE INDEX mails_campaign ON mails (campaign_id, status) WHERE campaign_id IS NOT NULL;

ALTER TABLE notification_preferences
    DROP CONSTRAINT notification_preferences_type_check,
    ADD CONSTRAINT notification_preferences_type_check
        CHECK (type IN ('system', 'social', 'comp', 'order', 'marketing'));

ALTER TABLE webhook_deliveries
    DROP CONSTRAINT webhook_deliveries_source_check,
    ADD CONSTRAINT webhook_deliveries_source_check
        CHECK (source IN ('card', 'agechecker', 'selery', 'kintsugi', 'teller', 'brevo'));

-- Active members with a proved address in a window of numbers who belong to a segment. A field that the segment does not
-- have excludes nobody. `tier` is the better one of the quarter's and the permanent one.
CREATE FUNCTION segment_members(segment jsonb, this_quarter text, after_number bigint, until_number bigint)
RETURNS TABLE (id uuid, number bigint, email text, full_name text, username text, tier tier, scans integer,
               wants_mail boolean)
LANGUAGE sql STABLE AS $$
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
$$;

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['campaigns', 'campaign_sending', 'unsubscribes'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_' || name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'blakjaks_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'blakjaks_' || name);
    END LOOP;
END $$;
GRANT SELECT ON mail_templates, mail_template_versions, campaigns, mail_suppressions TO blakjaks_read;

-- campaigns: admins write mails, and decide about campaigns.
GRANT INSERT ON mail_templates, mail_template_versions, campaigns TO blakjaks_campaigns;
GRANT UPDATE (name) ON mail_templates TO blakjaks_campaigns;  -- locked while a version is added to it
GRANT UPDATE (state, state_at, pause_reason, approved_by, approved_at, starts_at, asked_at, last_number, done_number,
              lineage) ON campaigns TO blakjaks_campaigns;
GRANT DELETE ON mail_suppressions TO blakjaks_campaigns;

-- campaign_sending: a campaign goes on, and is paused when people must decide.
GRANT UPDATE (state, state_at, pause_reason, asked_at, done_number, queued, skipped_unsubscribed, skipped_suppressed)
    ON campaigns TO blakjaks_campaign_sending;

-- unsubscribes: a link in a mail ends campaigns for its owner.
GRANT INSERT, UPDATE ON notification_preferences TO blakjaks_unsubscribes;

-- webhooks: the mail provider tells of bounces and complaints.
GRANT INSERT ON mail_suppressions TO blakjaks_webhooks;
