-- Moderation of the chat by people (docs/social.md, "Cases"): reports, decisions, pins, blocks, channels.

-- A case is about a message or, without one, about a member. `revision` and `text` are those that it was opened with,
-- `copies` the other revisions that were reported or flagged since, as {revision, text}. `urgency` is in thousandths.
ALTER TABLE social_cases
    ALTER COLUMN message_id DROP NOT NULL,
    ALTER COLUMN revision DROP NOT NULL,
    ALTER COLUMN channel_id DROP NOT NULL,
    ALTER COLUMN number DROP NOT NULL,
    ALTER COLUMN outcome DROP NOT NULL,
    DROP CONSTRAINT social_cases_message_id_revision_key,
    ADD COLUMN copies jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(copies) = 'array'),
    ADD COLUMN reports integer NOT NULL DEFAULT 0 CHECK (reports >= 0),
    ADD COLUMN urgency integer NOT NULL DEFAULT 500 CHECK (urgency BETWEEN 0 AND 1000),
    ADD COLUMN version integer NOT NULL DEFAULT 1 CHECK (version > 0),
    ADD COLUMN decision text CHECK (decision IN ('keep', 'remove', 'mute', 'timeout', 'ban', 'lift')),
    ADD COLUMN decision_reason text,
    ADD COLUMN decided_at timestamptz,
    ADD COLUMN decided_by uuid REFERENCES members (id),
    ADD CONSTRAINT social_cases_of_message CHECK (
        (message_id IS NULL) = (revision IS NULL) AND (message_id IS NULL) = (channel_id IS NULL)
        AND (message_id IS NULL) = (number IS NULL)),
    ADD CONSTRAINT social_cases_decided CHECK (
        (decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) = (decision_reason IS NULL)
        AND (decided_by IS NULL OR decision IS NOT NULL)),
    ADD CONSTRAINT social_cases_cause CHECK (outcome IS NOT NULL OR reports > 0);
UPDATE social_cases SET urgency = round(coalesce(severity, 0.5) * 1000);
UPDATE social_cases SET decision = 'remove', decision_reason = 'automatic check', decided_at = opened_at
WHERE outcome = 'removed';
-- What was flagged again after an edit is one case from now on: the newest stays open.
UPDATE social_cases c SET decision = 'keep', decision_reason = 'a later text was flagged', decided_at = c.opened_at
WHERE c.decided_at IS NULL AND EXISTS (SELECT FROM social_cases later
                                       WHERE later.message_id = c.message_id AND later.revision > c.revision);
CREATE UNIQUE INDEX social_cases_open_message ON social_cases (message_id) WHERE decided_at IS NULL;
CREATE UNIQUE INDEX social_cases_open_member ON social_cases (member_id)
    WHERE message_id IS NULL AND decided_at IS NULL;
CREATE INDEX social_cases_queue ON social_cases (urgency, id) WHERE decided_at IS NULL;
CREATE INDEX social_cases_urgency ON social_cases (urgency, id);
CREATE INDEX social_cases_message ON social_cases (message_id, opened_at) WHERE message_id IS NOT NULL;
CREATE INDEX social_cases_decider ON social_cases (decided_by) WHERE decided_by IS NOT NULL;

-- Who has reported a case, once each.
CREATE TABLE social_reports (
    case_id     uuid NOT NULL REFERENCES social_cases (id) ON DELETE CASCADE,
    reporter_id uuid NOT NULL REFERENCES members (id),
    reason      text NOT NULL CHECK (reason IN ('spam', 'harassment', 'hate', 'sexual', 'violence', 'scam', 'privacy',
                                                'other')),
    note        text CHECK (char_length(note) BETWEEN 1 AND 500),
    reported_at timestamptz NOT NULL,
    PRIMARY KEY (case_id, reporter_id)
);
CREATE INDEX social_reports_reporter ON social_reports (reporter_id);

GRANT SELECT ON social_reports TO blakjaks_read;

-- social: members report.
GRANT INSERT, UPDATE (reports, urgency, copies, version) ON social_cases TO blakjaks_social;
GRANT INSERT ON social_reports TO blakjaks_social;

-- checks: what is flagged again belongs to the open case.
GRANT UPDATE (outcome, scores, severity, urgency, copies, version, decision, decision_reason, decided_at)
    ON social_cases TO blakjaks_checks;

-- erasure: the copies go with the text, and what a member has reported.
GRANT UPDATE (copies) ON social_cases TO blakjaks_erasure;
GRANT SELECT, DELETE ON social_reports TO blakjaks_erasure;

-- ------------------------------------------------------------------------------------------------------------ sanctions
-- A message that was removed by others than its author is a sanction too, which may be appealed. `case_id` is the case
-- that led to it: cases go after a year, sanctions stay.
ALTER TABLE social_sanctions
    DROP CONSTRAINT social_sanctions_kind_check,
    ADD CONSTRAINT social_sanctions_kind_check CHECK (kind IN ('mute', 'timeout', 'ban', 'lift', 'removal')),
    ADD COLUMN case_id uuid,
    ADD COLUMN message_id uuid,
    ADD CONSTRAINT social_sanctions_message CHECK (kind <> 'removal' OR message_id IS NOT NULL);
CREATE INDEX social_sanctions_case ON social_sanctions (case_id) WHERE case_id IS NOT NULL;

-- checks: the author of a removed message may appeal.
GRANT INSERT ON social_sanctions TO blakjaks_checks;

-- ----------------------------------------------------------------------------------------------------------- moderation
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_moderation') THEN
        CREATE ROLE blakjaks_moderation NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_moderation;

-- moderation: admins decide about cases, remove messages, and keep members from writing.
GRANT UPDATE (version, decision, decision_reason, decided_at, decided_by) ON social_cases TO blakjaks_moderation;
GRANT UPDATE (revision, removed_at, removed_by) ON social_messages TO blakjaks_moderation;
GRANT UPDATE (number, position) ON social_heads TO blakjaks_moderation;
GRANT INSERT ON social_entries, social_sanctions TO blakjaks_moderation;
GRANT INSERT, UPDATE (muted_until, timeout_until, banned_at) ON social_standings TO blakjaks_moderation;
GRANT DELETE ON notifications, pushes TO blakjaks_moderation;

-- ----------------------------------------------------------------------------------------------------------------- pins
-- What an admin has pinned, as it was then: the copy outlives its message, which goes after 90 days. A pin that is over
-- has no row. The channel's document says which revision of its pins there is.
ALTER TABLE social_channels ADD COLUMN pins_revision integer NOT NULL DEFAULT 0 CHECK (pins_revision >= 0);
ALTER TABLE social_entries
    DROP CONSTRAINT social_entries_kind_check,
    ADD CONSTRAINT social_entries_kind_check CHECK (
        kind IN ('message', 'edited', 'removed', 'reactions', 'pinned', 'unpinned'));

CREATE TABLE social_pins (
    message_id uuid PRIMARY KEY,
    channel_id uuid NOT NULL REFERENCES social_channels (id),
    number     bigint NOT NULL CHECK (number > 0),
    member_id  uuid REFERENCES members (id),                                  -- the author
    tier       tier,
    text       text NOT NULL,
    language   text,
    media_type text NOT NULL,
    media_id   text,
    posted_at  timestamptz NOT NULL,
    pinned_by  uuid NOT NULL REFERENCES members (id),
    pinned_at  timestamptz NOT NULL,
    expires_at timestamptz CHECK (expires_at > pinned_at)
);
CREATE INDEX social_pins_channel ON social_pins (channel_id, pinned_at);
CREATE INDEX social_pins_member ON social_pins (member_id) WHERE member_id IS NOT NULL;
CREATE INDEX social_pins_pinner ON social_pins (pinned_by);
CREATE INDEX social_pins_expiring ON social_pins (expires_at) WHERE expires_at IS NOT NULL;

CREATE FUNCTION social_pins_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE social_channels SET pins_revision = pins_revision + 1
    WHERE id = CASE TG_OP WHEN 'DELETE' THEN OLD.channel_id ELSE NEW.channel_id END;
    RETURN NULL;
END $$;
CREATE TRIGGER social_pins_changed AFTER INSERT OR UPDATE OR DELETE ON social_pins
    FOR EACH ROW EXECUTE FUNCTION social_pins_changed();

-- Whoever removes a message unpins it.
CREATE FUNCTION social_message_unpinned() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM social_pins WHERE message_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER social_message_unpinned AFTER UPDATE OF removed_at ON social_messages
    FOR EACH ROW WHEN (NEW.removed_at IS NOT NULL) EXECUTE FUNCTION social_message_unpinned();

GRANT SELECT ON social_pins TO blakjaks_read;
GRANT INSERT, DELETE, UPDATE (expires_at) ON social_pins TO blakjaks_moderation;
GRANT UPDATE (pace_ms) ON social_channels TO blakjaks_moderation;  -- locked while its pins are counted

-- tails: pins that are over go, and listeners are told.
GRANT DELETE ON social_pins TO blakjaks_tails;
GRANT UPDATE (number, position) ON social_heads TO blakjaks_tails;
GRANT INSERT ON social_entries TO blakjaks_tails;

-- erasure: a pin of an author whose account is closed goes, also when its message is no longer kept.
GRANT SELECT, DELETE ON social_pins TO blakjaks_erasure;

-- ------------------------------------------------------------------------------------------------------------- channels
ALTER TABLE social_channels ADD COLUMN changed_at timestamptz;

-- A tier that sees a channel no more may still listen to it: the shift ends, as when somebody has left.
CREATE FUNCTION social_channel_hidden() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO social_departures (happened_at) VALUES (NEW.changed_at);
    RETURN NULL;
END $$;
CREATE TRIGGER social_channel_hidden AFTER UPDATE ON social_channels
    FOR EACH ROW WHEN (
        (NEW.access_standard = 'hidden' AND OLD.access_standard <> 'hidden')
        OR (NEW.access_vip = 'hidden' AND OLD.access_vip <> 'hidden')
        OR (NEW.access_high_roller = 'hidden' AND OLD.access_high_roller <> 'hidden')
        OR (NEW.access_whale = 'hidden' AND OLD.access_whale <> 'hidden'))
    EXECUTE FUNCTION social_channel_hidden();

GRANT INSERT, UPDATE (name, description, category, icon, kind, access_standard, access_vip, access_high_roller,
                      access_whale, display_order, slow_seconds, pace_ms, revision, changed_at, archived_at)
    ON social_channels TO blakjaks_moderation;
GRANT INSERT ON social_heads, social_tails TO blakjaks_moderation;

-- --------------------------------------------------------------------------------------------------------------- blocks
-- Of whom a member wants to hear nothing.
CREATE TABLE social_blocks (
    member_id  uuid NOT NULL REFERENCES members (id),
    blocked_id uuid NOT NULL REFERENCES members (id),
    blocked_at timestamptz NOT NULL,
    PRIMARY KEY (member_id, blocked_id),
    CHECK (member_id <> blocked_id)
);
CREATE INDEX social_blocks_listed ON social_blocks (member_id, blocked_at, blocked_id);
CREATE INDEX social_blocks_blocked ON social_blocks (blocked_id);

GRANT SELECT ON social_blocks TO blakjaks_read;
GRANT INSERT, DELETE ON social_blocks TO blakjaks_social;
GRANT SELECT, DELETE ON social_blocks TO blakjaks_erasure;
