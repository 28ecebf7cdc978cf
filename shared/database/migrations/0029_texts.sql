-- What members are told has a code and parameters beside its text, so that clients can write it in their own words.
-- Rows of the release before have neither: their text stands as it is.

ALTER TABLE notifications
    ADD COLUMN code text,
    ADD COLUMN params jsonb NOT NULL DEFAULT '{}';
ALTER TABLE feed_items
    ADD COLUMN code text,
    ADD COLUMN params jsonb NOT NULL DEFAULT '{}';
ALTER TABLE milestones
    ADD COLUMN code text,
    ADD COLUMN params jsonb NOT NULL DEFAULT '{}';

-- A mail is written in the language that its member had when it was queued: an account that is closed has none later.
ALTER TABLE mails
    ADD COLUMN language text NOT NULL DEFAULT 'en' CHECK (language IN ('en', 'es', 'pt'));
