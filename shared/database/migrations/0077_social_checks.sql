-- Checks of the chat's texts by a service of others (docs/social.md, "Checks").

-- A message waits for its check while `checked_revision` is lower than `revision`: an edit makes it wait again.
ALTER TABLE social_messages ADD COLUMN checked_revision integer NOT NULL DEFAULT 0 CHECK (checked_revision >= 0);
CREATE INDEX social_messages_unchecked ON social_messages (posted_at, id)
    WHERE checked_revision < revision AND removed_at IS NULL AND member_id IS NOT NULL AND text <> '';

-- What a check has found: the text as it was, and the scores that the service gave, none if it refused to judge.
CREATE TABLE social_cases (
    id         uuid PRIMARY KEY,
    message_id uuid NOT NULL,
    revision   integer NOT NULL CHECK (revision > 0),
    channel_id uuid NOT NULL REFERENCES social_channels (id),
    number     bigint NOT NULL CHECK (number > 0),
    member_id  uuid NOT NULL REFERENCES members (id),
    text       text NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('removed', 'flagged')),
    scores     jsonb CHECK (jsonb_typeof(scores) = 'object'),
    severity   double precision CHECK (severity BETWEEN 0 AND 1),
    opened_at  timestamptz NOT NULL,
    UNIQUE (message_id, revision),
    CHECK ((scores IS NULL) = (severity IS NULL))
);
CREATE INDEX social_cases_member ON social_cases (member_id);
CREATE INDEX social_cases_opened ON social_cases (opened_at);
CREATE INDEX social_cases_channel ON social_cases (channel_id);

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_checks') THEN
        CREATE ROLE blakjaks_checks NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_checks;
GRANT SELECT ON social_cases TO blakjaks_read;

-- checks: messages are checked, and removed; their authors get strikes.
GRANT UPDATE (checked_revision, revision, removed_at, removed_by) ON social_messages TO blakjaks_checks;
GRANT INSERT, UPDATE (strikes, struck_at) ON social_standings TO blakjaks_checks;
GRANT UPDATE (number, position) ON social_heads TO blakjaks_checks;
GRANT INSERT ON social_entries, social_cases TO blakjaks_checks;
GRANT DELETE ON notifications, pushes TO blakjaks_checks;

-- erasure: the text of a case goes with its author's account, the case after a year.
GRANT SELECT, DELETE, UPDATE (text, opened_at) ON social_cases TO blakjaks_erasure;
