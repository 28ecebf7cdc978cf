-- The live tail of the chat (docs/social.md, "The live tail"): which pages of a channel's entries listeners get, and
-- which of them are to be written.

ALTER TABLE social_channels ADD COLUMN pace_ms integer NOT NULL DEFAULT 250 CHECK (pace_ms BETWEEN 100 AND 5000);
COMMENT ON COLUMN social_channels.pace_ms IS 'the shortest time between two pages: each page is a read for each listener';

-- The time of a UUID of version 7: its message lies in the partition of that week.
CREATE FUNCTION time_of_id(identity uuid) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT timestamptz 'epoch'
         + ('x' || translate(left(identity::text, 13), '-', ''))::bit(48)::bigint * interval '1 millisecond'
$$;

-- Whose entries up to `position` lie in pages. `awaited_until` is set while somebody waits for `due_at`; `shown` is the
-- sequence of the channel's document that was written last. Whoever makes or marks pages locks the row.
CREATE TABLE social_tails (
    channel_id    uuid PRIMARY KEY REFERENCES social_channels (id),
    position      bigint NOT NULL DEFAULT 0 CHECK (position >= 0),
    due_at        timestamptz,
    awaited_until timestamptz,
    shown         bigint NOT NULL DEFAULT 0
);
INSERT INTO social_tails (channel_id, position) SELECT channel_id, position FROM social_heads;

-- A page has the entries from `first` to `last`. It must show its messages at least as they were at the position
-- `wanted`; it was written as of `written`. `shift` is a part of its path.
CREATE TABLE social_pages (
    channel_id uuid NOT NULL REFERENCES social_channels (id),
    first      bigint NOT NULL CHECK (first > 0),
    last       bigint NOT NULL,
    shift      text NOT NULL CHECK (shift = 'open' OR shift ~ '^[0-9]+$'),
    made_at    timestamptz NOT NULL,
    wanted     bigint NOT NULL,
    written    bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (channel_id, first),
    CHECK (last >= first),
    CHECK (wanted >= last)
);
CREATE INDEX social_pages_unwritten ON social_pages (channel_id, first) WHERE written < wanted;
CREATE INDEX social_pages_made ON social_pages (made_at);
-- Which pages have an earlier entry of a message that has changed.
CREATE INDEX social_entries_of_message ON social_entries (message_id, position);

-- The shift of all channels that some tier does not see: pages after a rise lie where older listeners do not look.
-- It rises when somebody leaves who might listen, and at `ends_at`, when a quarter's tiers end.
CREATE TABLE social_shifts (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    shift   bigint NOT NULL DEFAULT 1 CHECK (shift > 0),
    ends_at timestamptz
);
INSERT INTO social_shifts DEFAULT VALUES;

-- A row for each revocation of a member who might listen to such a channel; the next page takes it away.
CREATE TABLE social_departures (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL
);
CREATE FUNCTION social_listener_departed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM members WHERE id = NEW.member_id AND permanent_tier <> 'standard')
       OR EXISTS (SELECT FROM member_quarters WHERE member_id = NEW.member_id AND tier <> 'standard')
       OR EXISTS (SELECT FROM tier_history WHERE member_id = NEW.member_id AND tier <> 'standard') THEN
        INSERT INTO social_departures (happened_at) VALUES (NEW.before);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER social_listener_departed_first AFTER INSERT ON listener_revocations
    FOR EACH ROW WHEN (NEW.before IS NOT NULL) EXECUTE FUNCTION social_listener_departed();
CREATE TRIGGER social_listener_departed AFTER UPDATE ON listener_revocations
    FOR EACH ROW WHEN (NEW.before IS DISTINCT FROM OLD.before) EXECUTE FUNCTION social_listener_departed();

-- An erased message takes a position, as any other removed one does, so that listeners drop it and pages lose its text.
CREATE FUNCTION social_messages_erased() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
END $$;
CREATE TRIGGER social_messages_erased AFTER UPDATE ON social_messages
    REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION social_messages_erased();

-- --------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_tails') THEN
        CREATE ROLE blakjaks_tails NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_tails;
GRANT SELECT ON social_tails, social_pages, social_shifts, social_departures TO blakjaks_read;

-- tails: pages for listeners are made and marked as written.
GRANT INSERT, UPDATE (position, due_at, awaited_until, shown) ON social_tails TO blakjaks_tails;
GRANT INSERT, UPDATE (wanted, written) ON social_pages TO blakjaks_tails;
GRANT UPDATE (shift, ends_at) ON social_shifts TO blakjaks_tails;
GRANT SELECT, DELETE ON social_departures TO blakjaks_tails;
GRANT SELECT, DELETE, UPDATE (made_at) ON social_pages TO blakjaks_erasure;  -- rows that somebody holds are skipped
