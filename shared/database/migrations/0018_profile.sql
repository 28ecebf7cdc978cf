-- Profiles, avatars, preferences, devices for push, broadcasts, export and erasure.

-- The revision rises with every change that a member sees of the own profile: whoever edits says which one they read.
ALTER TABLE members
    ADD COLUMN bio text CHECK (length(bio) <= 300),
    ADD COLUMN profile_revision bigint NOT NULL DEFAULT 1 CHECK (profile_revision > 0);

-- Erasure is for good: nobody can give an erased account back what it was.
CREATE FUNCTION member_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> 'deleted' THEN
        PERFORM refuse('member_deleted', format('member %s is deleted', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER member_deleted BEFORE UPDATE OF status ON members
    FOR EACH ROW WHEN (OLD.status = 'deleted') EXECUTE FUNCTION member_changed();

-- A new e-mail address that waits for the code mailed to it; until then the old one holds. One at a time.
CREATE TABLE email_changes (
    member_id  uuid PRIMARY KEY REFERENCES members (id),
    id         uuid NOT NULL,
    new_email  text NOT NULL CHECK (length(new_email) <= 254),
    code_mac   bytea NOT NULL,
    asked_at   timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    attempts   integer NOT NULL DEFAULT 0
);

-- A picture that a member has uploaded. Its renditions are kept here until they are in the storage or refused;
-- `object_name` is the larger one's.
CREATE TABLE avatars (
    id           uuid PRIMARY KEY,
    member_id    uuid NOT NULL REFERENCES members (id),
    status       text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'live', 'refused', 'replaced')),
    object_name  text NOT NULL UNIQUE,
    content_type text NOT NULL CHECK (content_type IN ('image/jpeg', 'image/png')),
    large        bytea CHECK (octet_length(large) <= 2097152),
    small        bytea CHECK (octet_length(small) <= 2097152),
    uploaded_at  timestamptz NOT NULL,
    finished_at  timestamptz,
    removed_at   timestamptz,
    CHECK ((status = 'waiting') = (finished_at IS NULL)),
    CHECK ((status = 'waiting') = (large IS NOT NULL)),
    CHECK ((status = 'waiting') = (small IS NOT NULL)),
    CHECK (removed_at IS NULL OR status IN ('refused', 'replaced'))
);
CREATE UNIQUE INDEX avatars_live ON avatars (member_id) WHERE status = 'live';
CREATE INDEX avatars_member ON avatars (member_id, uploaded_at DESC);

-- Pages of one type cost the same however many notifications of other types there are.
CREATE INDEX notifications_type ON notifications (member_id, type, created_at DESC, id DESC);

-- A mail whose fate nobody knows is not tried again once the provider has forgotten its key: better none than two.
ALTER TABLE mails
    ADD COLUMN tried_at timestamptz,  -- first, unless it is known that nothing was taken since
    DROP CONSTRAINT mails_status_check,
    ADD CONSTRAINT mails_status_check CHECK (status IN ('queued', 'sent', 'refused', 'unclear'));
CREATE INDEX mails_member ON mails (member_id) WHERE member_id IS NOT NULL;

-- A message of ours to every member there was when it was made, told in the order of their numbers.
CREATE TABLE broadcasts (
    id          uuid PRIMARY KEY,
    title       text NOT NULL,
    body        text NOT NULL,
    data        jsonb NOT NULL,
    created_by  uuid NOT NULL REFERENCES members (id),
    created_at  timestamptz NOT NULL,
    last_number bigint NOT NULL CHECK (last_number > 0),
    done_number bigint NOT NULL DEFAULT 0,
    told        bigint NOT NULL DEFAULT 0,
    finished_at timestamptz,
    CHECK (done_number BETWEEN 0 AND last_number),
    CHECK ((done_number = last_number) = (finished_at IS NOT NULL))
);
CREATE INDEX broadcasts_newest ON broadcasts (created_at DESC, id DESC);

-- Listeners who signed in before this are shown nothing until they ask for a new token.
CREATE TABLE listener_revocations (
    member_id uuid PRIMARY KEY REFERENCES members (id),
    before    timestamptz NOT NULL
);

-- Everything about a member as a file, to be fetched by them alone for a few days.
CREATE TABLE data_exports (
    id          uuid PRIMARY KEY,
    member_id   uuid NOT NULL REFERENCES members (id),
    status      text NOT NULL DEFAULT 'making' CHECK (status IN ('making', 'ready', 'expired')),
    object_name text NOT NULL,
    asked_at    timestamptz NOT NULL,
    ready_at    timestamptz,
    expires_at  timestamptz,
    CHECK ((status = 'making') = (ready_at IS NULL)),
    CHECK ((status = 'making') = (expires_at IS NULL))
);
CREATE UNIQUE INDEX data_exports_making ON data_exports (member_id) WHERE status = 'making';
CREATE INDEX data_exports_member ON data_exports (member_id, asked_at DESC);
CREATE INDEX data_exports_ready ON data_exports (expires_at) WHERE status = 'ready';

-- Accounts whose traces are being removed. `finished_at` says that nothing is left but what has to be kept.
CREATE TABLE erasures (
    member_id   uuid PRIMARY KEY REFERENCES members (id),
    asked_at    timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX erasures_open ON erasures (asked_at) WHERE finished_at IS NULL;
