-- Sessions end by themselves, push tokens end with the session that registered them, realtime tokens end with both.

-- A session of a member ends thirty days after it was used last and ninety days after the sign-in, one of an admin
-- twelve hours after the sign-in. Hours, because a day with a clock change is not 24 of them: only so it is immutable.
CREATE FUNCTION session_ends_at(device_kind text, created_at timestamptz, last_used_at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE device_kind WHEN 'admin' THEN created_at + interval '12 hours'
           ELSE least(last_used_at + interval '720 hours', created_at + interval '2160 hours') END
$$;

ALTER TABLE sessions
    DROP CONSTRAINT sessions_device_kind_check,
    ADD CONSTRAINT sessions_device_kind_check CHECK (device_kind IN ('mobile', 'desktop', 'admin')),
    ADD COLUMN device_name text CHECK (length(device_name) BETWEEN 1 AND 100),
    ADD COLUMN ends_at timestamptz NOT NULL
        GENERATED ALWAYS AS (session_ends_at(device_kind, created_at, last_used_at)) STORED;
GRANT SELECT (ends_at) ON sessions TO blakjaks_figures;

-- Ids of devices that are UUIDs come in capitals or not.
UPDATE sessions SET device_id = lower(device_id)
WHERE device_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' AND device_id <> lower(device_id);

-- Apple's tokens are hexadecimal, in whatever letters: one phone was two. The newest registration of each stays.
DELETE FROM devices older USING devices newer
WHERE older.platform = 'ios' AND newer.platform = 'ios' AND lower(older.token) = lower(newer.token)
  AND (older.registered_at, older.id) < (newer.registered_at, newer.id);
UPDATE devices SET token = lower(token) WHERE platform = 'ios' AND token <> lower(token);
ALTER TABLE devices ADD CONSTRAINT devices_token_is_canonical CHECK (platform <> 'ios' OR token = lower(token));

-- A token that no session is known of is told nothing: apps register theirs at each start.
ALTER TABLE devices ADD COLUMN session_id uuid REFERENCES sessions (id) ON DELETE CASCADE;
CREATE INDEX devices_session ON devices (session_id) WHERE session_id IS NOT NULL;
UPDATE devices SET session_id = sessions.id FROM sessions
WHERE sessions.member_id = devices.member_id AND sessions.device_kind = 'mobile' AND sessions.ended_at IS NULL
  AND devices.id = (SELECT id FROM devices newest WHERE newest.member_id = sessions.member_id
                    ORDER BY registered_at DESC, id LIMIT 1);

-- Whoever ends a session: the tokens that it registered go with it.
CREATE FUNCTION session_ended() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM devices WHERE session_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER session_ended AFTER UPDATE OF ended_at ON sessions FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION session_ended();

-- A realtime token is issued after the last revocation, and revoked by every later one, whatever clocks say: both wait
-- for this row, and each names a later moment than the other did. `before` is empty until something is taken back.
ALTER TABLE listener_revocations
    ALTER COLUMN before DROP NOT NULL,
    ADD COLUMN issued_at timestamptz;

-- listening: a member gets a realtime token.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_listening') THEN
        CREATE ROLE blakjaks_listening NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_listening;
GRANT INSERT (member_id, issued_at), UPDATE (issued_at) ON listener_revocations TO blakjaks_listening;
