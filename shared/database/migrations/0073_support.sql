-- Support at Intercom (docs/support.md): which members it knows, what it is told of them, and appeals of sanctions.

-- A row for each member who has opened the messenger or appealed: nobody else is known to Intercom. `revision` counts
-- what there is to tell, `told` is the revision that Intercom has. Whatever waits has `look_at`, when it is tried next,
-- and `waits_since`. A worker that asks Intercom holds the row until `held_until`.
CREATE TABLE support_contacts (
    member_id   uuid PRIMARY KEY REFERENCES members (id),
    contact_id  text CHECK (length(contact_id) BETWEEN 1 AND 200),             -- Intercom's id, once it is known
    begun_at    timestamptz NOT NULL,
    revision    bigint NOT NULL DEFAULT 1,
    told        bigint NOT NULL DEFAULT 0,
    told_at     timestamptz,
    look_at     timestamptz,
    waits_since timestamptz,
    held_until  timestamptz,
    failures    integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
    refusal     text CHECK (length(refusal) BETWEEN 1 AND 200),
    CONSTRAINT support_contacts_waits CHECK ((look_at IS NULL) = (waits_since IS NULL)),
    CONSTRAINT support_contacts_told CHECK (told <= revision)
);
CREATE INDEX support_contacts_due ON support_contacts (look_at) WHERE look_at IS NOT NULL;
CREATE INDEX support_contacts_waiting ON support_contacts (waits_since) WHERE waits_since IS NOT NULL;
CREATE INDEX support_contacts_answered ON support_contacts (told_at) WHERE told_at IS NOT NULL;

-- What has happened to such a member. Intercom takes events of one name, member and second for one event.
CREATE TABLE support_events (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    member_id   uuid NOT NULL REFERENCES members (id),
    name        text NOT NULL CHECK (name IN ('tier_changed', 'suspended', 'reinstated')),
    metadata    jsonb NOT NULL DEFAULT '{}',
    happened_at timestamptz NOT NULL,
    told_at     timestamptz
);
CREATE INDEX support_events_member ON support_events (member_id, happened_at);
CREATE INDEX support_events_happened ON support_events (happened_at);

-- A member's appeal of a sanction of their own. `sent_at` is when Intercom was asked last to open its conversation.
CREATE TABLE support_appeals (
    sanction_id     uuid PRIMARY KEY REFERENCES social_sanctions (id),
    member_id       uuid NOT NULL REFERENCES members (id),
    message         text NOT NULL CHECK (char_length(message) BETWEEN 1 AND 2000),
    made_at         timestamptz NOT NULL,
    sent_at         timestamptz,
    opened_at       timestamptz,
    conversation_id text CHECK (length(conversation_id) BETWEEN 1 AND 200),
    CONSTRAINT support_appeals_opened CHECK ((opened_at IS NULL) = (conversation_id IS NULL))
);
CREATE INDEX support_appeals_member ON support_appeals (member_id, made_at);

-- Note that Intercom is to be told of a member, and queue the task; false for a member whom it does not know.
CREATE FUNCTION support_is_behind(who uuid, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE support_contacts SET revision = revision + 1, look_at = at, waits_since = coalesce(waits_since, at)
    WHERE member_id = who;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO outbox (kind, destination, function, body, created_at)
    VALUES ('task', 'support-sync', 'support_sync', jsonb_build_object('member_id', who), at);
    RETURN true;
END $$;

CREATE FUNCTION support_tier_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF support_is_behind(NEW.member_id, NEW.achieved_at) THEN
        INSERT INTO support_events (member_id, name, metadata, happened_at)
        VALUES (NEW.member_id, 'tier_changed', jsonb_build_object('tier', NEW.tier, 'change', NEW.kind),
                NEW.achieved_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER support_tier_changed AFTER INSERT ON tier_history
    FOR EACH ROW EXECUTE FUNCTION support_tier_changed();

CREATE FUNCTION support_member_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT support_is_behind(NEW.id, NEW.updated_at) THEN
        RETURN NULL;
    END IF;
    IF NEW.status <> OLD.status AND NEW.status <> 'deleted' THEN
        INSERT INTO support_events (member_id, name, happened_at)
        VALUES (NEW.id, CASE NEW.status WHEN 'suspended' THEN 'suspended' ELSE 'reinstated' END, NEW.updated_at);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER support_member_changed AFTER UPDATE OF email, username, status ON members
    FOR EACH ROW WHEN (old.email <> new.email OR old.username <> new.username OR old.status <> new.status)
    EXECUTE FUNCTION support_member_changed();
REVOKE EXECUTE ON FUNCTION support_is_behind FROM PUBLIC;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['blakjaks_support', 'blakjaks_support_sync'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', name);
        END IF;
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_support, blakjaks_support_sync;
GRANT SELECT ON support_contacts, support_events, support_appeals TO blakjaks_read;

-- support: members open the messenger, and appeal.
GRANT INSERT, UPDATE (revision, look_at, waits_since) ON support_contacts TO blakjaks_support;
GRANT INSERT ON support_appeals TO blakjaks_support;

-- support_sync: Intercom is told, and forgets the members whose accounts are closed.
GRANT UPDATE (contact_id, told, told_at, look_at, waits_since, held_until, failures, refusal), DELETE
    ON support_contacts TO blakjaks_support_sync;
GRANT UPDATE (told_at), DELETE ON support_events TO blakjaks_support_sync;
GRANT UPDATE (sent_at, opened_at, conversation_id), DELETE ON support_appeals TO blakjaks_support_sync;

-- erasure: old events go, and what a member has written.
GRANT SELECT, DELETE ON support_events, support_appeals TO blakjaks_erasure;
GRANT UPDATE (happened_at) ON support_events TO blakjaks_erasure;  -- rows that somebody holds are skipped
