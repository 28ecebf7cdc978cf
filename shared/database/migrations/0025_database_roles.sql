-- What each function's login may do. A function.yaml names the roles below (`database:`), Terraform makes its login a
-- member of exactly those. blakjaks_app, which may do almost everything, stays for functions of the release before and
-- for people at a terminal; no function's login is a member of it any more.
-- Reading and writing are granted apart; secrets (password hashes, second factors, signed transactions) are read only
-- by those who need them. A new table is granted in the migration that makes it: a test asks for that.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['figures', 'read', 'work', 'relay', 'telling', 'inbox', 'delivery', 'accounts',
        'second_factors', 'profiles', 'standing', 'erasure', 'exports', 'codes', 'scans', 'rollups', 'awards', 'payouts',
        'approvals', 'books', 'wallets', 'keys', 'enrolment', 'settings', 'counting', 'months',
        'explanations', 'referrals'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_' || name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'blakjaks_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'blakjaks_' || name);
    END LOOP;
END $$;

-- figures: what everybody may see, and whose token it is when one is sent.
GRANT SELECT ON scan_counter, scan_rollups, scan_rollup_position, feed_items, milestones, treasuries, settings,
    reconciliations, reconciliation_treasuries, treasury_snapshots, treasury_snapshot_days, sales_volume, comp_rules,
    transparency_metrics, member_quarters TO blakjaks_figures;
GRANT SELECT (id, number, username, status, role, permanent_tier) ON members TO blakjaks_figures;
GRANT SELECT (id, member_id, device_kind, created_at, last_used_at, totp_at, ended_at) ON sessions TO blakjaks_figures;
GRANT SELECT (kid, kms_version, public_jwk, created_at, active_from, retired_at) ON signing_keys TO blakjaks_figures;

-- read: everything but secrets.
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT relname FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition
          AND relname NOT IN ('members', 'data_keys', 'refresh_tokens', 'backup_codes', 'second_factors', 'email_codes',
                              'email_changes', 'known_devices', 'payout_attempts', 'withdrawals', 'idempotency_keys',
                              'attempt_counters')
    LOOP
        EXECUTE format('GRANT SELECT ON %I TO blakjaks_read', name);
    END LOOP;
END $$;
GRANT SELECT (id, number, email, email_verified_at, username, full_name, phone, date_of_birth, address_line1,
    address_line2, city, state, zip_code, country, language, permanent_tier, wallet_address, oobit_card_id, avatar_url,
    status, role, referred_by_id, created_at, updated_at, last_login_at, oobit_card_status, bio, profile_revision,
    wallet_rests_until) ON members TO blakjaks_read;
GRANT SELECT (member_id, created_at, enabled_at) ON second_factors TO blakjaks_read;
GRANT SELECT (hash, signer, nonce, position, kind, origin, recipient_address, amount, fee_per_gas_wei_max,
    priority_fee_per_gas_wei_max, gas_limit, epoch, signed_at) ON payout_attempts TO blakjaks_read;
GRANT SELECT (id, member_id, from_address, to_address, amount, chain_id, token_address, nonce, gas_limit,
    fee_per_gas_wei_max, priority_fee_per_gas_wei_max, prepared_at, expires_at, state, state_at, transaction_hash,
    signed_at, checked_at, block_number, block_hash, succeeded, prepared_block, outcome_hash) ON withdrawals TO blakjaks_read;

-- work: what every function does that changes anything: it answers once, records what is to be sent, and its faults.
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO blakjaks_work;
GRANT SELECT, INSERT, UPDATE ON attempt_counters, leases TO blakjaks_work;
GRANT INSERT ON outbox, job_faults, audit_logs TO blakjaks_work;

-- relay: publishes what others have recorded.
GRANT UPDATE, DELETE ON outbox TO blakjaks_relay;

-- telling: members, listeners and mailboxes hear of what has happened.
GRANT INSERT ON notifications, mails, feed_items TO blakjaks_telling;
GRANT INSERT, UPDATE ON inboxes, listener_revocations TO blakjaks_telling;
GRANT INSERT, UPDATE, DELETE ON late_counts TO blakjaks_telling;

-- inbox: a member reads.
GRANT UPDATE (read_at) ON notifications TO blakjaks_inbox;
GRANT UPDATE ON inboxes TO blakjaks_inbox;

-- delivery: mails, pushes and broadcasts leave.
GRANT UPDATE ON mails TO blakjaks_delivery;
GRANT INSERT, UPDATE ON pushes, broadcasts TO blakjaks_delivery;
GRANT UPDATE (token), DELETE ON devices TO blakjaks_delivery;
GRANT UPDATE (updated_at) ON members TO blakjaks_delivery;  -- locked while a device of theirs is told

-- accounts: sign-up, sign-in, sessions, passwords, mailed codes.
GRANT SELECT ON members, data_keys, refresh_tokens, backup_codes, second_factors, email_codes, email_changes,
    known_devices TO blakjaks_accounts;
GRANT INSERT (email, password_hash, username, full_name, phone, date_of_birth, address_line1, address_line2, city,
    state, zip_code, country, language, referred_by_id, created_at, updated_at, last_login_at) ON members
    TO blakjaks_accounts;
GRANT UPDATE (email, email_verified_at, password_hash, last_login_at, updated_at) ON members TO blakjaks_accounts;
GRANT INSERT ON member_totals, guarantees TO blakjaks_accounts;
GRANT INSERT, UPDATE ON sessions, refresh_tokens, email_codes, email_changes TO blakjaks_accounts;
GRANT INSERT, UPDATE, DELETE ON second_factors, backup_codes, known_devices TO blakjaks_accounts;
GRANT DELETE ON email_changes TO blakjaks_accounts;

-- second_factors: a code of the authenticator app is checked and used up.
GRANT SELECT ON second_factors, data_keys TO blakjaks_second_factors;
GRANT UPDATE (last_step, failures, failures_in) ON second_factors TO blakjaks_second_factors;

-- profiles: what members say about themselves, their pictures, devices, preferences, exports and links.
GRANT UPDATE (username, full_name, phone, date_of_birth, address_line1, address_line2, city, state, zip_code, country,
    language, avatar_url, bio, profile_revision, updated_at) ON members TO blakjaks_profiles;
GRANT INSERT, UPDATE ON avatars, devices, notification_preferences, data_exports, referral_codes TO blakjaks_profiles;
GRANT INSERT ON former_usernames TO blakjaks_profiles;
GRANT DELETE ON devices TO blakjaks_profiles;

-- standing: tiers that people set, suspension, and the quarter's end.
GRANT UPDATE (permanent_tier, status, updated_at) ON members TO blakjaks_standing;
GRANT UPDATE (ended_at, end_reason) ON sessions TO blakjaks_standing;
GRANT UPDATE (located_at) ON member_totals TO blakjaks_standing;  -- locked while a tier is set
GRANT INSERT, UPDATE ON permanent_tiers, member_quarters TO blakjaks_standing;
GRANT INSERT, UPDATE ON tier_history TO blakjaks_standing;

-- erasure: an account is closed, and what is left of it goes.
GRANT UPDATE (email, email_verified_at, password_hash, username, full_name, phone, date_of_birth, address_line1,
    address_line2, city, state, zip_code, country, language, avatar_url, status, updated_at, last_login_at, bio,
    profile_revision, wallet_address, oobit_card_id, oobit_card_status, wallet_rests_until) ON members
    TO blakjaks_erasure;
GRANT UPDATE (ended_at, end_reason) ON sessions TO blakjaks_erasure;
GRANT UPDATE (next_on) ON guarantees TO blakjaks_erasure;
GRANT UPDATE (closed_at) ON member_quarters TO blakjaks_erasure;
GRANT INSERT, UPDATE ON erasures, retired_names, former_usernames TO blakjaks_erasure;
GRANT DELETE ON former_usernames, late_counts TO blakjaks_erasure;
GRANT SELECT ON members, refresh_tokens, backup_codes, second_factors, email_codes, email_changes, known_devices,
    withdrawals TO blakjaks_erasure;
GRANT DELETE ON attempt_counters, avatars, backup_codes, data_exports, devices, email_changes, email_codes, inboxes,
    known_devices, mails, notification_preferences, notifications, pushes, referral_codes, refresh_tokens,
    second_factors, sessions, wallet_balances, wallet_challenges TO blakjaks_erasure;
GRANT UPDATE (device_id, device_time, ip_address, latitude, longitude) ON scans TO blakjaks_erasure;
GRANT UPDATE (latitude, longitude, located_at) ON member_totals TO blakjaks_erasure;

-- exports: a member gets everything that is known of them, row by row.
GRANT SELECT ON members, withdrawals, email_changes, known_devices, second_factors TO blakjaks_exports;
GRANT UPDATE (status, ready_at, expires_at) ON data_exports TO blakjaks_exports;

-- codes: batches are made, exported, imported, changed.
GRANT INSERT, UPDATE ON codes, code_batches, code_batch_chunks, code_batch_walks, code_changes, code_change_codes,
    code_imports, code_import_chunks TO blakjaks_codes;

-- scans: a code is spent, counted, judged. (A row is locked by those who may update a column of it.)
GRANT UPDATE (updated_at) ON members TO blakjaks_scans;
GRANT INSERT ON scans, milestones, flagged_scans, honey_trials, affiliate_chips, tier_history TO blakjaks_scans;
GRANT UPDATE (status, scanned_at, scanned_by) ON codes TO blakjaks_scans;
GRANT UPDATE ON scan_counter, member_totals TO blakjaks_scans;
GRANT INSERT, UPDATE ON code_retries, chip_balances, member_quarters TO blakjaks_scans;

-- rollups: figures are made of what has happened.
GRANT INSERT, UPDATE, DELETE ON scan_rollups TO blakjaks_rollups;
GRANT UPDATE ON scan_rollup_position, sales_volume TO blakjaks_rollups;
GRANT INSERT ON transparency_metrics TO blakjaks_rollups;

-- awards: a comp is promised, judged, taken back; its payout is asked for.
GRANT INSERT, UPDATE ON comps, affiliate_earnings, trips, guarantee_claims, guarantee_reviews TO blakjaks_awards;
GRANT INSERT ON manual_awards TO blakjaks_awards;
GRANT UPDATE (updated_at) ON members TO blakjaks_awards;
GRANT UPDATE (given, next_on) ON guarantees TO blakjaks_awards;
GRANT UPDATE (status, decided_at, decided_by, note) ON flagged_scans TO blakjaks_awards;
GRANT UPDATE ON member_totals TO blakjaks_awards;
GRANT INSERT ON ledger_journals, ledger_postings, payouts, payout_policy_runs TO blakjaks_awards;
GRANT UPDATE (state, state_at, hold_reason) ON payouts TO blakjaks_awards;

-- payouts: the machine that signs and follows; the schema refuses what it may not do.
GRANT SELECT ON payout_attempts TO blakjaks_payouts;
GRANT INSERT ON payouts, foreign_transfers TO blakjaks_payouts;
GRANT UPDATE (state, state_at, hold_reason, approvals_needed, holds, paid_at, transaction_hash, postponed_until,
    counted_on) ON payouts TO blakjaks_payouts;
GRANT INSERT, UPDATE ON payout_slots TO blakjaks_payouts;
GRANT INSERT, UPDATE, DELETE ON hold_windows, nonce_searches, nonce_uses TO blakjaks_payouts;
GRANT INSERT ON payout_attempts, payout_events, payout_policy_runs, ledger_journals, ledger_postings,
    wallet_transactions TO blakjaks_payouts;
GRANT UPDATE (epoch, held_until, status, next_nonce, rebuild_asked_at, rebuild_reason, sealed_below, lineage)
    ON signers TO blakjaks_payouts;
GRANT UPDATE (paused_at, pause_reason) ON treasuries TO blakjaks_payouts;
GRANT UPDATE (status, paid_at, transaction_hash) ON comps TO blakjaks_payouts;
GRANT UPDATE (status, paid_at) ON affiliate_earnings TO blakjaks_payouts;
GRANT UPDATE (comps_paid) ON member_totals TO blakjaks_payouts;

-- approvals: people decide about money.
GRANT INSERT ON payout_approvals, manual_transfers, reconciliations, payout_policy_runs, payouts, ledger_journals,
    ledger_postings TO blakjaks_approvals;
GRANT UPDATE (cancelled_at, cancelled_by, cancel_reason) ON manual_transfers TO blakjaks_approvals;
GRANT UPDATE (state, state_at, hold_reason, approvals_needed) ON payouts TO blakjaks_approvals;
GRANT UPDATE (paused_at, pause_reason, finish_live) ON treasuries TO blakjaks_approvals;
GRANT UPDATE (threshold, crossed_at) ON treasury_alerts TO blakjaks_approvals;
GRANT UPDATE (resolved_at, resolved_by, resolution) ON reconciliation_findings TO blakjaks_approvals;

-- explanations: people say what a foreign transaction was; with the second word it is entered as the payment it is.
GRANT INSERT, UPDATE ON foreign_explanations, payout_slots TO blakjaks_explanations;
GRANT INSERT ON payout_attempts, payout_events TO blakjaks_explanations;

-- referrals: one that somebody has made for themselves ends.
GRANT UPDATE (referred_by_id, updated_at) ON members TO blakjaks_referrals;

-- books: the ledger is sealed and compared with the chain; balances are kept.
GRANT SELECT ON payout_attempts TO blakjaks_books;
GRANT INSERT, UPDATE ON reconciliations, reconciliation_treasuries, reconciliation_marks, reconciliation_findings,
    chain_scans, chain_transfers, treasury_snapshot_days TO blakjaks_books;
GRANT INSERT ON ledger_journals, ledger_postings, ledger_seals, ledger_seal_balances, treasury_snapshots TO blakjaks_books;
GRANT UPDATE (crossed_at) ON treasury_alerts TO blakjaks_books;
GRANT UPDATE (paused_at, pause_reason) ON treasuries TO blakjaks_books;

-- wallets: a wallet is linked, money is withdrawn from it, a card is opened.
GRANT SELECT ON withdrawals TO blakjaks_wallets;
GRANT UPDATE (wallet_address, wallet_rests_until, oobit_card_id, oobit_card_status, updated_at) ON members TO blakjaks_wallets;
GRANT INSERT, UPDATE ON wallet_challenges, wallet_balances, wallet_transactions, withdrawals TO blakjaks_wallets;
GRANT INSERT ON wallet_links, withdrawal_events TO blakjaks_wallets;

-- keys: access tokens get their next signing key.
GRANT INSERT, UPDATE ON signing_keys TO blakjaks_keys;

-- enrolment: a deployment makes the treasuries, and what KMS holds for them, known.
GRANT SELECT, INSERT ON data_keys TO blakjaks_enrolment;
GRANT INSERT ON treasuries, signers TO blakjaks_enrolment;

-- settings: the rules by which members win.
GRANT UPDATE ON comp_rules TO blakjaks_settings;
GRANT INSERT ON comp_rule_changes TO blakjaks_settings;

-- Functions that act with the rights of the schema's owner are for those who need them.
REVOKE EXECUTE ON FUNCTION ensure_month_partitions, stranded_months, validate_references, drop_treasury_snapshots,
    let_count_go_on, keep_award_inputs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_month_partitions, stranded_months, validate_references, drop_treasury_snapshots,
    let_count_go_on TO blakjaks_app;

-- counting: after a restore the count goes on, once it was compared with what was published.
GRANT EXECUTE ON FUNCTION let_count_go_on TO blakjaks_counting;

-- months: partitions are made and dropped.
GRANT EXECUTE ON FUNCTION ensure_month_partitions, stranded_months, validate_references, drop_treasury_snapshots
    TO blakjaks_months;

-- Triggers that keep a diary or lock rows act with the rights of the schema's owner: whoever may cause a change need not
-- be able to write what is noted of it.
ALTER FUNCTION payout_born() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION payout_changed() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION payout_of_comp_born() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION approval_born() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION slot_born() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION slot_is_there() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION slot_changed() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION attempt_born() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION withdrawal_born() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION withdrawal_changed() SECURITY DEFINER SET search_path = public, pg_temp;
ALTER FUNCTION username_given_up() SECURITY DEFINER SET search_path = public, pg_temp;
