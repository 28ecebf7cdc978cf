-- Images that members show in the chat (docs/social.md, "Images").

-- Its content is kept here until it is in the storage or refused. It may be shown once, in the message `message_id`.
CREATE TABLE social_images (
    id           uuid PRIMARY KEY,
    member_id    uuid NOT NULL REFERENCES members (id),
    status       text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'live', 'refused', 'removed')),
    content_type text NOT NULL CHECK (content_type IN ('image/jpeg', 'image/png')),
    content      bytea CHECK (octet_length(content) <= 8388608),
    uploaded_at  timestamptz NOT NULL,
    finished_at  timestamptz,
    message_id   uuid UNIQUE,
    removed_at   timestamptz,                                    -- when it left the storage
    CHECK ((status = 'waiting') = (finished_at IS NULL)),
    CHECK ((status = 'waiting') = (content IS NOT NULL)),
    CHECK (message_id IS NULL OR status IN ('live', 'removed')),
    CHECK (removed_at IS NULL OR status IN ('refused', 'removed'))
);
CREATE INDEX social_images_member ON social_images (member_id, uploaded_at DESC);
CREATE INDEX social_images_unused ON social_images (uploaded_at) WHERE status = 'live' AND message_id IS NULL;
CREATE INDEX social_images_live ON social_images (uploaded_at) WHERE status = 'live';
CREATE INDEX social_images_leaving ON social_images (id) WHERE status = 'removed' AND removed_at IS NULL;
CREATE INDEX social_images_removed ON social_images (removed_at) WHERE removed_at IS NOT NULL;

ALTER TABLE social_messages DROP CONSTRAINT social_messages_media_type_check,
    ADD CONSTRAINT social_messages_media_type_check CHECK (media_type IN ('none', 'gif', 'emote', 'image'));

-- An image goes with its message, whoever removes that.
CREATE FUNCTION social_images_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE social_images SET status = 'removed' WHERE message_id = NEW.id AND status = 'live';
    RETURN NULL;
END $$;
CREATE TRIGGER social_images_gone AFTER UPDATE OF removed_at ON social_messages
    FOR EACH ROW WHEN (OLD.media_type = 'image' AND OLD.removed_at IS NULL AND NEW.removed_at IS NOT NULL)
    EXECUTE FUNCTION social_images_gone();
REVOKE EXECUTE ON FUNCTION social_images_gone FROM PUBLIC;

GRANT SELECT ON social_images TO blakjaks_read;
GRANT INSERT, UPDATE ON social_images TO blakjaks_profiles;
GRANT UPDATE (message_id) ON social_images TO blakjaks_social;

-- erasure: they go with their member, and old ones by themselves.
GRANT SELECT, DELETE, UPDATE (uploaded_at) ON social_images TO blakjaks_erasure;
