-- The chat (docs/social.md): channels, their messages, and what members may do in them.

-- Notifications of a message are taken back by its key when the message is removed.
CREATE INDEX notifications_social_key ON notifications (dedupe_key) WHERE type = 'social';

-- Weeks of partitioned tables, as the months of others; a week begins on Monday, 00:00 UTC.
CREATE FUNCTION ensure_week_partitions(target text, first_day date, weeks integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
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
END $$;

-- Weeks that rows in the default partition belong to, earliest first.
CREATE FUNCTION stranded_weeks(target text) RETURNS SETOF date
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
BEGIN
    RETURN QUERY EXECUTE format('SELECT DISTINCT date_trunc(''week'', %I)::date AS week FROM %I ORDER BY week',
        (SELECT attname FROM pg_partitioned_table JOIN pg_attribute
             ON attrelid = partrelid AND attnum = partattrs[0] WHERE partrelid = target::regclass),
        target || '_other');
END $$;

CREATE FUNCTION drop_weeks(parent regclass, before timestamptz) RETURNS integer
LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
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
END $$;

-- ------------------------------------------------------------------------------------------------------------- channels
-- What members of a tier may do in a channel: a higher tier never less.
CREATE TYPE social_access AS ENUM ('hidden', 'view', 'full');

CREATE TABLE social_channels (
    id                 uuid PRIMARY KEY,
    slug               text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND length(slug) <= 50),
    name               text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    description        text NOT NULL CHECK (length(description) <= 500),
    category           text NOT NULL CHECK (length(category) BETWEEN 1 AND 100),
    icon               text NOT NULL CHECK (length(icon) BETWEEN 1 AND 50),
    kind               text NOT NULL CHECK (kind IN ('chat', 'announcements', 'governance', 'event')),
    access_standard    social_access NOT NULL,
    access_vip         social_access NOT NULL,
    access_high_roller social_access NOT NULL,
    access_whale       social_access NOT NULL,
    display_order      integer NOT NULL,
    slow_seconds       integer NOT NULL DEFAULT 0 CHECK (slow_seconds BETWEEN 0 AND 120),
    revision           integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    archived_at        timestamptz,
    CONSTRAINT social_channels_access_rises CHECK (
        access_standard <= access_vip AND access_vip <= access_high_roller AND access_high_roller <= access_whale)
);

-- The numbers of a channel: `number` is that of its newest message, `position` that of the newest thing that happened in
-- it. Messages before `first_number` are no longer shown. Whoever takes numbers locks the row, and no other row after it.
CREATE TABLE social_heads (
    channel_id   uuid PRIMARY KEY REFERENCES social_channels (id),
    number       bigint NOT NULL DEFAULT 0 CHECK (number >= 0),
    position     bigint NOT NULL DEFAULT 0,
    first_number bigint NOT NULL DEFAULT 1 CHECK (first_number >= 1),
    CONSTRAINT social_heads_position CHECK (position >= number),
    CONSTRAINT social_heads_first CHECK (first_number <= number + 1)
) WITH (fillfactor = 50);

-- ------------------------------------------------------------------------------------------------------------- messages
-- `posted_at` is the time in the id (a UUID of version 7, in milliseconds), so that an id alone finds its week. `tier` is
-- the author's when they posted. A system message has no author.
CREATE TABLE social_messages (
    posted_at  timestamptz NOT NULL,
    id         uuid NOT NULL,
    channel_id uuid NOT NULL REFERENCES social_channels (id),
    number     bigint NOT NULL CHECK (number > 0),
    member_id  uuid REFERENCES members (id),
    tier       tier,
    text       text NOT NULL CHECK (char_length(text) <= 2000),
    language   text CHECK (language ~ '^[a-z]{2,3}$'),
    media_type text NOT NULL DEFAULT 'none' CHECK (media_type IN ('none', 'gif', 'emote')),
    media_id   text CHECK (length(media_id) BETWEEN 1 AND 64),
    reply_to   bigint CHECK (reply_to < number),
    mentions   jsonb NOT NULL DEFAULT '[]',
    revision   integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    edited_at  timestamptz,
    removed_at timestamptz,
    removed_by text CHECK (removed_by IN ('author', 'moderator', 'check', 'erasure')),
    PRIMARY KEY (posted_at, id),
    UNIQUE (channel_id, number, posted_at),
    CHECK ((media_type = 'none') = (media_id IS NULL)),
    CHECK ((removed_at IS NULL) = (removed_by IS NULL)),
    CHECK ((member_id IS NULL) = (tier IS NULL))
) PARTITION BY RANGE (posted_at);
CREATE INDEX social_messages_member ON social_messages (member_id);
CREATE INDEX social_messages_removed ON social_messages (channel_id, number) WHERE removed_at IS NOT NULL;

-- What has happened in a channel, in the order of positions, for two days: clients that were away ask what they missed.
CREATE TABLE social_entries (
    channel_id  uuid NOT NULL REFERENCES social_channels (id),
    position    bigint NOT NULL CHECK (position > 0),
    kind        text NOT NULL CHECK (kind IN ('message', 'edited', 'removed', 'reactions')),
    number      bigint NOT NULL,
    message_id  uuid NOT NULL,
    happened_at timestamptz NOT NULL,
    PRIMARY KEY (channel_id, position)
);
CREATE INDEX social_entries_happened ON social_entries (happened_at);

CREATE TABLE social_reactions (
    posted_at  timestamptz NOT NULL,                            -- of the message
    message_id uuid NOT NULL,
    emoji      text NOT NULL CHECK (char_length(emoji) BETWEEN 1 AND 20),
    member_id  uuid NOT NULL REFERENCES members (id),
    PRIMARY KEY (posted_at, message_id, emoji, member_id)
) PARTITION BY RANGE (posted_at);
CREATE INDEX social_reactions_member ON social_reactions (member_id);

CREATE TABLE social_reaction_counts (
    posted_at  timestamptz NOT NULL,
    message_id uuid NOT NULL,
    emoji      text NOT NULL,
    count      integer NOT NULL CHECK (count >= 0),
    PRIMARY KEY (posted_at, message_id, emoji)
) PARTITION BY RANGE (posted_at);

-- Whoever takes a reaction away takes it out of the count too.
CREATE FUNCTION social_reaction_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE social_reaction_counts SET count = count - 1
    WHERE posted_at = OLD.posted_at AND message_id = OLD.message_id AND emoji = OLD.emoji;
    RETURN NULL;
END $$;
CREATE TRIGGER social_reaction_gone AFTER DELETE ON social_reactions
    FOR EACH ROW EXECUTE FUNCTION social_reaction_gone();

SELECT ensure_week_partitions(name, '2026-10-05', 20)
FROM unnest(ARRAY['social_messages', 'social_reactions', 'social_reaction_counts']) AS name;

-- -------------------------------------------------------------------------------------------------------------- members
-- What a member may do now. Every act of the member locks the row. `recent` are the last 20 messages, oldest first: the
-- time in microseconds since 1970 and the mark of the text, in hexadecimal.
CREATE TABLE social_standings (
    member_id     uuid PRIMARY KEY REFERENCES members (id),
    last_at       timestamptz,
    strikes       integer NOT NULL DEFAULT 0 CHECK (strikes >= 0),
    struck_at     timestamptz,
    recent        jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_array_length(recent) <= 20),
    muted_until   timestamptz,
    timeout_until timestamptz,
    banned_at     timestamptz
);

-- What was done to members, and undone. `given_by` is the admin; the rules themselves mute.
CREATE TABLE social_sanctions (
    id        uuid PRIMARY KEY,
    member_id uuid NOT NULL REFERENCES members (id),
    kind      text NOT NULL CHECK (kind IN ('mute', 'timeout', 'ban', 'lift')),
    until     timestamptz,
    reason    text NOT NULL,
    given_by  uuid REFERENCES members (id),
    given_at  timestamptz NOT NULL
);
CREATE INDEX social_sanctions_member ON social_sanctions (member_id, given_at);
CREATE INDEX social_sanctions_giver ON social_sanctions (given_by) WHERE given_by IS NOT NULL;
SELECT make_append_only('social_sanctions');

-- The ids that clients give their messages: one that comes again gets the same message.
CREATE TABLE social_sent (
    member_id    uuid NOT NULL REFERENCES members (id),
    client_id    uuid NOT NULL,
    request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
    message_id   uuid NOT NULL,
    sent_at      timestamptz NOT NULL,
    PRIMARY KEY (member_id, client_id)
);
CREATE INDEX social_sent_at ON social_sent (sent_at);

-- How far a member has read in a channel.
CREATE TABLE social_reads (
    member_id  uuid NOT NULL REFERENCES members (id),
    channel_id uuid NOT NULL REFERENCES social_channels (id),
    number     bigint NOT NULL CHECK (number >= 0),
    PRIMARY KEY (member_id, channel_id)
);
CREATE INDEX social_reads_channel ON social_reads (channel_id);

-- Messages that are older than `before` are shown no more.
CREATE FUNCTION hide_social_messages(before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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
END $$;

-- Only the schema's owner may drop a week: each of these acts with the owner's rights, on its own table.
CREATE FUNCTION drop_social_messages(before timestamptz) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
    SELECT drop_weeks('social_messages', before)
$$;
CREATE FUNCTION drop_social_reactions(before timestamptz) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
    SELECT drop_weeks('social_reactions', before)
$$;
CREATE FUNCTION drop_social_reaction_counts(before timestamptz) RETURNS integer
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
    SELECT drop_weeks('social_reaction_counts', before)
$$;

-- ---------------------------------------------------------------------------------------------------------------- seeds
INSERT INTO social_channels (id, slug, name, description, category, icon, kind, access_standard, access_vip,
                             access_high_roller, access_whale, display_order)
SELECT md5('social channel ' || slug)::uuid, slug, name, description, category, icon, kind, standard::social_access,
       vip::social_access, high_roller::social_access, whale::social_access, row_number() OVER (ORDER BY place)
FROM (VALUES
    (1, 'announcements', 'Announcements', 'News from BlakJaks.', 'General', 'megaphone', 'announcements',
     'view', 'view', 'view', 'view'),
    (2, 'general', 'General', 'Everything and anything.', 'General', 'spade', 'chat', 'full', 'full', 'full', 'full'),
    (3, 'introductions', 'Introductions', 'Say hello.', 'General', 'wave', 'chat', 'full', 'full', 'full', 'full'),
    (4, 'flavors', 'Flavors', 'Which tin, and why.', 'General', 'tin', 'chat', 'full', 'full', 'full', 'full'),
    (5, 'high-roller-lounge', 'High Roller Lounge', 'For High Rollers and Whales.', 'High Roller Lounge', 'club', 'chat',
     'hidden', 'hidden', 'full', 'full'),
    (6, 'trips', 'Trips', 'Where to, and how it was.', 'High Roller Lounge', 'plane', 'chat',
     'hidden', 'hidden', 'full', 'full'),
    (7, 'whale-room', 'Whale Room', 'For Whales.', 'High Roller Lounge', 'crown', 'chat',
     'hidden', 'hidden', 'hidden', 'full'),
    (8, 'comps', 'Comps', 'What was won.', 'Comps & Crypto', 'gift', 'chat', 'full', 'full', 'full', 'full'),
    (9, 'crypto', 'Crypto', 'Wallets, USDT and Polygon.', 'Comps & Crypto', 'coin', 'chat',
     'full', 'full', 'full', 'full'),
    (10, 'scans', 'Scans', 'The count, and its milestones.', 'Comps & Crypto', 'scan', 'chat',
     'full', 'full', 'full', 'full'),
    (11, 'governance', 'Governance', 'Votes, and what became of them.', 'Governance', 'gavel', 'governance',
     'view', 'view', 'view', 'view'),
    (12, 'ideas', 'Ideas', 'What BlakJaks should do next.', 'Governance', 'bulb', 'chat',
     'view', 'full', 'full', 'full'),
    (13, 'proposals', 'Proposals', 'Whales prepare proposals; High Rollers read along.', 'Governance', 'scroll', 'chat',
     'hidden', 'hidden', 'view', 'full')
) AS seed (place, slug, name, description, category, icon, kind, standard, vip, high_roller, whale);
INSERT INTO social_heads (channel_id) SELECT id FROM social_channels;

-- --------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_social') THEN
        CREATE ROLE blakjaks_social NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_social;
GRANT SELECT ON social_channels, social_heads, social_messages, social_entries, social_reactions,
    social_reaction_counts, social_standings, social_sanctions, social_sent, social_reads TO blakjaks_read;

-- social: members post, edit, remove, react and read.
GRANT UPDATE (number, position) ON social_heads TO blakjaks_social;
GRANT INSERT, UPDATE (text, language, mentions, revision, edited_at, removed_at, removed_by) ON social_messages
    TO blakjaks_social;
GRANT INSERT ON social_entries, social_sent, social_sanctions TO blakjaks_social;
GRANT INSERT, DELETE ON social_reactions TO blakjaks_social;
GRANT INSERT, UPDATE (count) ON social_reaction_counts TO blakjaks_social;
GRANT INSERT, UPDATE (last_at, strikes, struck_at, recent, muted_until) ON social_standings TO blakjaks_social;
GRANT INSERT, UPDATE (number) ON social_reads TO blakjaks_social;
GRANT DELETE ON notifications, pushes TO blakjaks_social;

-- months: weeks are made and dropped, too.
REVOKE EXECUTE ON FUNCTION ensure_week_partitions, stranded_weeks, drop_weeks, hide_social_messages,
    drop_social_messages, drop_social_reactions, drop_social_reaction_counts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_week_partitions, stranded_weeks, hide_social_messages, drop_social_messages,
    drop_social_reactions, drop_social_reaction_counts TO blakjaks_months;

-- erasure: what a member has written is emptied; what they have read and liked goes.
GRANT SELECT, UPDATE (text, language, media_type, media_id, mentions, removed_at, removed_by) ON social_messages
    TO blakjaks_erasure;
GRANT SELECT, DELETE ON social_entries, social_reactions, social_reads, social_sent TO blakjaks_erasure;
GRANT UPDATE (happened_at) ON social_entries TO blakjaks_erasure;  -- rows that somebody holds are skipped
GRANT UPDATE (sent_at) ON social_sent TO blakjaks_erasure;
GRANT UPDATE (number) ON social_reads TO blakjaks_erasure;
