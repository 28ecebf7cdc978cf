-- What admins do with accounts: looking for members, reading a member's file, roles (docs/admin.md).

-- ------------------------------------------------------------------------------------------------------------- members
-- The list of members, newest first, and its search by the beginning of a name or address.
CREATE INDEX members_newest ON members (created_at, id);
CREATE INDEX members_username_begins ON members (lower(username) text_pattern_ops);
CREATE INDEX members_email_begins ON members (lower(email) text_pattern_ops);

-- The platform always has an owner who may act. Whoever takes the role from an owner, or suspends one, takes the lock
-- first and looks then: of two owners who do that to each other at once, the second is refused.
CREATE FUNCTION owner_remains() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('owners', 0));
    IF NOT EXISTS (SELECT FROM members WHERE role = 'owner' AND status = 'active' AND id <> OLD.id) THEN
        PERFORM refuse('last_owner', format('member %s is the last owner', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER owner_remains BEFORE UPDATE OF role, status ON members FOR EACH ROW
    WHEN (OLD.role = 'owner' AND OLD.status = 'active'
          AND (NEW.role IS DISTINCT FROM 'owner' OR NEW.status <> 'active'))
    EXECUTE FUNCTION owner_remains();

-- ------------------------------------------------------------------------------------------------------ a member's file
-- Who has read a member's file is audited once per admin, member and hour.
CREATE UNIQUE INDEX audit_logs_viewed ON audit_logs
    (actor_id, resource_id, date_trunc('hour', created_at AT TIME ZONE 'UTC')) WHERE action = 'member.viewed';

-- The timeline reads what was done to one thing by its time; there are few lines of each.
CREATE INDEX audit_logs_of ON audit_logs (resource_type, resource_id, created_at, id);
DROP INDEX audit_logs_resource;
CREATE INDEX mails_of_member ON mails (member_id, queued_at, id) WHERE member_id IS NOT NULL;
DROP INDEX mails_member;

-- -------------------------------------------------------------------------------------------------------------- rights
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_member_desk') THEN
        CREATE ROLE blakjaks_member_desk NOLOGIN;
    END IF;
END $$;
GRANT USAGE ON SCHEMA public TO blakjaks_member_desk;

-- member_desk: admins mend names and addresses, and owners give roles.
GRANT UPDATE (username, full_name, address_line1, address_line2, city, state, zip_code, country, language, role,
              profile_revision, updated_at) ON members TO blakjaks_member_desk;
