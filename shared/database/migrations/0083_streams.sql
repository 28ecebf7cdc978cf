-- Live events (docs/streams.md): streams that admins schedule, and members watch.

-- `starts` is the time on the wall clock of `time_zone`, which a move keeps or sets anew; `scheduled_at` is the moment
-- that they make. `plan` rises with each of them: a reminder of an older plan is not sent. The picture lies below
-- hls/live/{playback_id}/, the recording below hls/vod/{playback_id}/; the name says nothing.
CREATE TABLE live_streams (
    id             uuid PRIMARY KEY,
    playback_id    text NOT NULL UNIQUE CHECK (playback_id ~ '^[a-z2-7]{26}$'),
    title          text NOT NULL CHECK (length(title) BETWEEN 1 AND 255),
    description    text NOT NULL CHECK (length(description) <= 5000),
    host_name      text NOT NULL CHECK (length(host_name) BETWEEN 1 AND 100),
    tier_min       tier NOT NULL,
    channel_id     uuid REFERENCES social_channels (id),
    status         text NOT NULL DEFAULT 'scheduled' CHECK (
        status IN ('scheduled', 'preparing', 'ready', 'live', 'ending', 'ended', 'cancelled', 'failed')),
    starts         timestamp NOT NULL,
    time_zone      text NOT NULL CHECK (length(time_zone) BETWEEN 1 AND 64),
    scheduled_at   timestamptz NOT NULL,
    plan           integer NOT NULL DEFAULT 1 CHECK (plan > 0),
    planned_at     timestamptz NOT NULL,
    started_at     timestamptz,
    interrupted_at timestamptz,
    ended_at       timestamptz,
    overlay        text CHECK (length(overlay) BETWEEN 1 AND 280),
    viewers        integer NOT NULL DEFAULT 0 CHECK (viewers >= 0),
    is_estimate    boolean NOT NULL DEFAULT false,
    peak_viewers   integer NOT NULL DEFAULT 0 CHECK (peak_viewers >= 0),
    sample_shift   integer NOT NULL DEFAULT 0 CHECK (sample_shift BETWEEN 0 AND 30),
    vod_state      text NOT NULL DEFAULT 'none' CHECK (vod_state IN ('none', 'making', 'ready', 'failed')),
    revision       integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    created_by     uuid NOT NULL REFERENCES members (id),
    created_at     timestamptz NOT NULL,
    CONSTRAINT live_streams_started CHECK ((started_at IS NULL) OR status NOT IN ('scheduled', 'preparing', 'ready')),
    CONSTRAINT live_streams_live CHECK ((started_at IS NOT NULL) OR status <> 'live'),
    CONSTRAINT live_streams_ended CHECK ((ended_at IS NOT NULL) = (status IN ('ended', 'cancelled', 'failed'))),
    CONSTRAINT live_streams_recorded CHECK (vod_state = 'none' OR started_at IS NOT NULL)
);
CREATE INDEX live_streams_scheduled ON live_streams (scheduled_at, id);
CREATE INDEX live_streams_created ON live_streams (created_at, id);
CREATE INDEX live_streams_archive ON live_streams (ended_at, id) WHERE status = 'ended';
CREATE INDEX live_streams_on_air ON live_streams (started_at, id) WHERE status IN ('live', 'ending');
CREATE INDEX live_streams_channel ON live_streams (channel_id) WHERE channel_id IS NOT NULL;
CREATE INDEX live_streams_creator ON live_streams (created_by);

-- Each state has its next ones, whoever writes it; what has ended stays as it is.
CREATE FUNCTION live_streams_step() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
END $$;
CREATE TRIGGER live_streams_step BEFORE UPDATE OF status ON live_streams
    FOR EACH ROW EXECUTE FUNCTION live_streams_step();

-- What Live Stream has for a stream that was started: an input and a channel, named by the stream's id and `generation`,
-- which a new key raises. `generation_gone` is the newest one that is deleted. `operation` is the service's own, which is
-- recorded before anybody waits for it, for a limited time. The channel has done what was `observed` since
-- `observed_since`. One worker at a time looks at a stream (`held_until`), and again at `look_at`;
-- once nothing is left at the service there is no such time.
CREATE TABLE live_stream_inputs (
    stream_id       uuid PRIMARY KEY REFERENCES live_streams (id),
    start_id        uuid NOT NULL UNIQUE,
    begun_at        timestamptz NOT NULL,
    generation      integer NOT NULL DEFAULT 1 CHECK (generation > 0),
    generation_gone integer NOT NULL DEFAULT 0 CHECK (generation_gone BETWEEN 0 AND generation),
    address         text,
    sealed_key      bytea,
    key_hash        bytea UNIQUE CHECK (octet_length(key_hash) = 32),
    operation       text,
    operation_at    timestamptz,
    observed        text,
    observed_at     timestamptz,
    observed_since  timestamptz,
    failures        integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    last_error      text,
    ending_at       timestamptz,
    clip_until      timestamptz,
    clip_at         timestamptz,
    clips           integer NOT NULL DEFAULT 0 CHECK (clips >= 0),
    held_until      timestamptz,
    look_at         timestamptz,
    CHECK ((operation IS NULL) = (operation_at IS NULL)),
    CHECK ((sealed_key IS NULL) = (key_hash IS NULL)),
    CHECK ((sealed_key IS NULL) = (address IS NULL))
);
CREATE INDEX live_stream_inputs_due ON live_stream_inputs (look_at) WHERE look_at IS NOT NULL;

-- Channels that run at the service and belong to no stream of ours, since when.
CREATE TABLE live_stream_strays (
    channel  text PRIMARY KEY,
    since    timestamptz NOT NULL
);

-- How far the reminder of a plan is among the members, by their numbers.
CREATE TABLE live_stream_reminders (
    stream_id   uuid NOT NULL REFERENCES live_streams (id),
    plan        integer NOT NULL,
    last_number bigint NOT NULL,
    done_number bigint NOT NULL DEFAULT 0 CHECK (done_number <= last_number),
    told        integer NOT NULL DEFAULT 0,
    begun_at    timestamptz NOT NULL,
    finished_at timestamptz,
    PRIMARY KEY (stream_id, plan)
);

-- Who watches a live stream, and was seen last when: of all viewers those whose mark is a multiple of 2 ^ sample_shift. A
-- mark is made of stream and member, and tells nobody who it is. After a crash of the database everybody is seen anew.
CREATE UNLOGGED TABLE live_stream_presence (
    stream_id uuid NOT NULL,
    mark      bigint NOT NULL CHECK (mark >= 0),
    seen_at   timestamptz NOT NULL,
    PRIMARY KEY (stream_id, mark)
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['blakjaks_streams', 'blakjaks_stream_control', 'blakjaks_reminding',
                                'blakjaks_stream_presence'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', name);
    END LOOP;
END $$;
GRANT SELECT ON live_streams, live_stream_strays, live_stream_reminders, live_stream_presence TO blakjaks_read;
GRANT SELECT (stream_id, start_id, begun_at, generation, generation_gone, address, key_hash, operation, operation_at,
              observed, observed_at, observed_since, failures, last_error, ending_at, clip_until, clip_at, clips,
              held_until, look_at) ON live_stream_inputs
    TO blakjaks_read;

-- streams: admins schedule, change, move and cancel streams.
GRANT INSERT, UPDATE (title, description, host_name, tier_min, channel_id, status, starts, time_zone, scheduled_at, plan,
                      planned_at, interrupted_at, ended_at, overlay, revision) ON live_streams
    TO blakjaks_streams;
GRANT INSERT, UPDATE (generation, address, sealed_key, key_hash, ending_at, clip_until, failures, look_at)
    ON live_stream_inputs TO blakjaks_streams;
GRANT SELECT (sealed_key) ON live_stream_inputs TO blakjaks_streams;

-- stream_control: what Live Stream does is followed.
GRANT UPDATE (status, started_at, interrupted_at, ended_at, vod_state, revision, viewers, is_estimate, peak_viewers,
              sample_shift) ON live_streams TO blakjaks_stream_control;
GRANT DELETE ON live_stream_presence TO blakjaks_stream_control;
GRANT UPDATE (generation_gone, address, sealed_key, key_hash, operation, operation_at, observed, observed_at,
              observed_since, failures, last_error, ending_at, clip_until, clip_at, clips, held_until, look_at)
    ON live_stream_inputs TO blakjaks_stream_control;
GRANT INSERT, DELETE ON live_stream_strays TO blakjaks_stream_control;
GRANT SELECT ON data_keys TO blakjaks_stream_control;

-- reminding: members are reminded of events, and told when these are moved. A held event is not moved meanwhile.
GRANT INSERT, UPDATE (done_number, told, finished_at) ON live_stream_reminders TO blakjaks_reminding;
GRANT UPDATE (planned_at) ON live_streams TO blakjaks_reminding;
GRANT DELETE, UPDATE (read_at) ON notifications TO blakjaks_reminding;
GRANT DELETE ON pushes TO blakjaks_reminding;

-- stream_presence: members are seen watching.
GRANT INSERT, UPDATE (seen_at) ON live_stream_presence TO blakjaks_stream_presence;
