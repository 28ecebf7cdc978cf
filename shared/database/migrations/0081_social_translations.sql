-- Translations of the chat's messages (docs/social.md, "Translations").

-- A row without a text is being translated, by whoever has claimed it until then.
CREATE TABLE social_translations (
    message_id    uuid NOT NULL,
    revision      integer NOT NULL CHECK (revision > 0),
    language      text NOT NULL CHECK (language IN ('en', 'es', 'pt')),
    text          text CHECK (char_length(text) <= 20000),
    claimed_until timestamptz NOT NULL,
    PRIMARY KEY (message_id, revision, language)
);
CREATE INDEX social_translations_claimed ON social_translations (claimed_until);

-- What a message said goes with it: nothing of an earlier revision, of a removed or of an erased message is kept.
CREATE FUNCTION social_translations_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM social_translations WHERE message_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER social_translations_gone AFTER UPDATE OF text, revision, removed_at ON social_messages
    FOR EACH ROW WHEN (NEW.revision <> OLD.revision OR NEW.text <> OLD.text OR NEW.removed_at IS NOT NULL)
    EXECUTE FUNCTION social_translations_gone();
REVOKE EXECUTE ON FUNCTION social_translations_gone FROM PUBLIC;

GRANT SELECT ON social_translations TO blakjaks_read;
GRANT INSERT, UPDATE (text, claimed_until), DELETE ON social_translations TO blakjaks_social;

-- erasure: old ones are deleted.
GRANT SELECT, DELETE, UPDATE (claimed_until) ON social_translations TO blakjaks_erasure;
