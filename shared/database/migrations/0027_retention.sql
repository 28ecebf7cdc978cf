-- Rows go when their time is over (shared/retention.py, functions/member_erase/old_store.py): what the hourly run looks for.

CREATE INDEX attempt_counters_hour ON attempt_counters (hour);
CREATE INDEX avatars_removed ON avatars (removed_at) WHERE removed_at IS NOT NULL;
CREATE INDEX data_exports_expired ON data_exports (expires_at) WHERE status = 'expired';
CREATE INDEX email_changes_expires ON email_changes (expires_at);
CREATE INDEX email_codes_expires ON email_codes (expires_at);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_of_anyone ON idempotency_keys (created_at) WHERE scope LIKE '% %';
CREATE INDEX job_faults_happened ON job_faults (happened_at);
CREATE INDEX known_devices_used ON known_devices (last_used_at);
CREATE INDEX mails_finished ON mails (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX pushes_claimed ON pushes (claimed_until);
CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires_at);
CREATE INDEX second_factors_unproved ON second_factors (created_at) WHERE enabled_at IS NULL;
CREATE INDEX sessions_over ON sessions ((coalesce(ended_at, last_used_at)));
CREATE INDEX wallet_challenges_expires ON wallet_challenges (expires_at);

-- erasure: what is old goes too. (A row is locked by those who may update a column of it.)
GRANT DELETE ON job_faults TO blakjaks_erasure;
GRANT UPDATE (asked_at) ON email_changes TO blakjaks_erasure;
GRANT UPDATE (asked_at) ON data_exports TO blakjaks_erasure;
GRANT UPDATE (created_at) ON email_codes, known_devices, second_factors, wallet_challenges TO blakjaks_erasure;
GRANT UPDATE (finished_at) ON mails, pushes TO blakjaks_erasure;
GRANT UPDATE (happened_at) ON job_faults TO blakjaks_erasure;
GRANT UPDATE (issued_at) ON refresh_tokens TO blakjaks_erasure;
GRANT UPDATE (uploaded_at) ON avatars TO blakjaks_erasure;

-- Sign-ups and mailed codes belong to whoever asked for them: `ticket` is the keyed hash of a secret of that device's
-- own, NULL for one that sent none. Nobody's guess, request or sign-up touches what was asked for with another ticket.
ALTER TABLE email_codes ADD ticket bytea CHECK (octet_length(ticket) = 32);
DROP INDEX email_codes_open;
CREATE UNIQUE INDEX email_codes_open ON email_codes (member_id, purpose, coalesce(ticket, '')) WHERE used_at IS NULL;

-- An address is one member's once it is proved. Until then there may be several sign-ups with it, one for each ticket;
-- the one that proves it stays.
ALTER TABLE members ADD sign_up_ticket bytea CHECK (octet_length(sign_up_ticket) = 32);
DROP INDEX members_email;
CREATE UNIQUE INDEX members_email ON members (lower(email)) WHERE email_verified_at IS NOT NULL;
CREATE UNIQUE INDEX members_sign_up ON members (lower(email), coalesce(sign_up_ticket, '')) WHERE email_verified_at IS NULL;
CREATE INDEX members_by_email ON members (lower(email));
CREATE INDEX members_unproved ON members (created_at, id) WHERE email_verified_at IS NULL AND status = 'active';

-- Empties a sign-up that never proved its address, as an erasure empties an account: the row stays, because others may
-- refer to its number. False when there is nothing to do, or somebody has given the account something that is kept.
-- Whoever calls it has locked the address (functions/auth/store.py), as everybody does who proves it.
CREATE FUNCTION forget_sign_up(account uuid, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    UPDATE members SET status = 'deleted', email = 'deleted:' || id, username = 'deleted_' || left(md5(id::text), 20),
           password_hash = '', full_name = '', phone = NULL, date_of_birth = '1900-01-01', address_line1 = NULL,
           address_line2 = NULL, city = NULL, state = NULL, zip_code = NULL, country = 'US', language = 'en',
           referred_by_id = NULL, sign_up_ticket = NULL, updated_at = at, profile_revision = profile_revision + 1
    WHERE id = account AND email_verified_at IS NULL AND status = 'active' AND role IS NULL
      AND NOT EXISTS (SELECT FROM comps WHERE member_id = account);
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    DELETE FROM email_codes WHERE member_id = account;
    DELETE FROM mails WHERE member_id = account;
    DELETE FROM pushes WHERE notification_id IN (SELECT id FROM notifications WHERE member_id = account);
    DELETE FROM notifications WHERE member_id = account;
    DELETE FROM inboxes WHERE member_id = account;
    RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION forget_sign_up FROM PUBLIC;

-- accounts: sign-up begins anew, and the address that is proved ends the other sign-ups with it.
GRANT INSERT (sign_up_ticket), UPDATE (sign_up_ticket) ON members TO blakjaks_accounts;
GRANT EXECUTE ON FUNCTION forget_sign_up TO blakjaks_accounts, blakjaks_erasure, blakjaks_app;
