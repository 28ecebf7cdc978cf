-- The wholesale program's accounts: a member applies for one in a business's name, and people decide. What accounts
-- order comes later.

INSERT INTO settings (name, value, description) VALUES
    ('wholesale_terms', '{"price": 2.10, "tins_min": 100, "tins_step": 100}',
     'What accounts of the wholesale program pay for a tin (USD, whole cents), and how many tins of a product they order '
     'at least, and in which steps.');

-- A member has one account. `tax_id` is sealed and bound to the row (shared/credentials/vault.py); its last digits are
-- for people to recognise it by. Whoever is rejected may apply again, by which the row gets a new `applied_at`.
-- When the member's account is erased, everything that names the business is emptied, all of it at once.
CREATE TABLE wholesale_accounts (
    id               uuid PRIMARY KEY,
    serial           bigint NOT NULL GENERATED ALWAYS AS IDENTITY UNIQUE,  -- gaps are fine
    -- what people call it by: WP-2026-0042
    number           text NOT NULL GENERATED ALWAYS AS (
                         'WP-' || CAST(extract(year FROM created_at AT TIME ZONE 'UTC') AS text) || '-'
                         || lpad(CAST(serial AS text), greatest(length(CAST(serial AS text)), 4), '0')) STORED,
    member_id        uuid NOT NULL UNIQUE REFERENCES members (id),
    company_name     text,
    contact_name     text,
    email            text,
    phone            text,
    business_address jsonb CHECK (jsonb_typeof(business_address) = 'object'),
    tax_id           bytea,
    tax_id_last4     text CHECK (tax_id_last4 ~ '^\d{4}$'),
    status           text NOT NULL DEFAULT 'pending'
                     CHECK (status IN ('pending', 'approved', 'active', 'suspended', 'rejected')),
    created_at       timestamptz NOT NULL,
    applied_at       timestamptz NOT NULL,
    decided_by       uuid REFERENCES members (id),
    decided_at       timestamptz,
    reason           text CHECK (length(reason) BETWEEN 1 AND 500),
    activated_at     timestamptz,  -- when the first order was fulfilled
    CONSTRAINT wholesale_accounts_decided CHECK ((status = 'pending') = (decided_at IS NULL)),
    CONSTRAINT wholesale_accounts_decision CHECK (num_nulls(decided_by, decided_at, reason) IN (0, 3)),
    CONSTRAINT wholesale_accounts_own CHECK (decided_by <> member_id),
    CONSTRAINT wholesale_accounts_activated CHECK (
        CASE status WHEN 'active' THEN activated_at IS NOT NULL WHEN 'suspended' THEN true
                    ELSE activated_at IS NULL END),
    CONSTRAINT wholesale_accounts_emptied CHECK (
        num_nulls(company_name, contact_name, email, business_address, tax_id, tax_id_last4) IN (0, 6)
        AND (phone IS NULL OR email IS NOT NULL))
);
CREATE UNIQUE INDEX wholesale_accounts_email ON wholesale_accounts (lower(email));
CREATE INDEX wholesale_accounts_listed ON wholesale_accounts (applied_at DESC, id DESC);
CREATE INDEX wholesale_accounts_rejected ON wholesale_accounts (decided_at) WHERE status = 'rejected';

-- An account begins with an application.
CREATE FUNCTION wholesale_account_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> 'pending' OR NEW.email IS NULL THEN
        PERFORM refuse('wholesale_born', format('account %s begins with an application', NEW.id));
    END IF;
    NEW.created_at := NEW.applied_at;
    RETURN NEW;
END $$;
CREATE TRIGGER wholesale_account_born BEFORE INSERT ON wholesale_accounts
    FOR EACH ROW EXECUTE FUNCTION wholesale_account_born();

-- What may become of an account. Whoever writes `applied_at` applies again, and the status follows: the login that
-- takes applications can decide none.
CREATE FUNCTION wholesale_account_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.serial, NEW.member_id, NEW.created_at) IS DISTINCT FROM
       (OLD.id, OLD.serial, OLD.member_id, OLD.created_at)
       OR (OLD.activated_at IS NOT NULL AND NEW.activated_at IS DISTINCT FROM OLD.activated_at) THEN
        PERFORM refuse('wholesale_account_fixed', format('account %s stays what it is', OLD.id));
    END IF;
    IF NEW.applied_at <> OLD.applied_at THEN
        IF OLD.status <> 'rejected' OR NEW.applied_at < OLD.decided_at + interval '30 days'
           OR OLD.email IS NULL OR NEW.email IS NULL THEN
            PERFORM refuse('wholesale_again', format('account %s does not apply again yet', OLD.id));
        END IF;
        NEW.status := 'pending';
        NEW.decided_by := NULL;
        NEW.decided_at := NULL;
        NEW.reason := NULL;
        RETURN NEW;
    END IF;
    IF NEW.email IS NOT NULL AND
       (NEW.company_name, NEW.contact_name, NEW.email, NEW.phone, NEW.business_address, NEW.tax_id, NEW.tax_id_last4)
       IS DISTINCT FROM
       (OLD.company_name, OLD.contact_name, OLD.email, OLD.phone, OLD.business_address, OLD.tax_id, OLD.tax_id_last4) THEN
        PERFORM refuse('wholesale_application_fixed', format('account %s was judged by what it said', OLD.id));
    END IF;
    IF NEW.status = OLD.status THEN
        IF (NEW.decided_by, NEW.decided_at, NEW.reason, NEW.activated_at) IS DISTINCT FROM
           (OLD.decided_by, OLD.decided_at, OLD.reason, OLD.activated_at) THEN
            PERFORM refuse('wholesale_decision_fixed', format('the decision about account %s stands', OLD.id));
        END IF;
        RETURN NEW;
    END IF;
    IF (OLD.status, NEW.status) NOT IN (
        ('pending', 'approved'), ('pending', 'rejected'), ('approved', 'active'), ('approved', 'suspended'),
        ('active', 'suspended'), ('suspended', 'approved'), ('suspended', 'active')) THEN
        PERFORM refuse('wholesale_transition', format('account %s: %s to %s', OLD.id, OLD.status, NEW.status));
    END IF;
    IF OLD.status = 'approved' AND NEW.status = 'active' THEN
        RETURN NEW;  -- by its first order, not by a person
    END IF;
    IF NEW.decided_at IS NOT DISTINCT FROM OLD.decided_at THEN
        PERFORM refuse('wholesale_undecided', format('nobody decided about account %s', OLD.id));
    END IF;
    IF profits_from_member(NEW.decided_by, OLD.member_id) THEN
        PERFORM refuse('own_interest', format('account %s profits whoever decides', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER wholesale_account_changed BEFORE UPDATE ON wholesale_accounts
    FOR EACH ROW EXECUTE FUNCTION wholesale_account_changed();

CREATE FUNCTION wholesale_account_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status <> 'rejected' THEN
        PERFORM refuse('wholesale_account_kept', format('account %s is %s', OLD.id, OLD.status));
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER wholesale_account_removed BEFORE DELETE ON wholesale_accounts
    FOR EACH ROW EXECUTE FUNCTION wholesale_account_removed();

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['wholesale', 'wholesale_decisions'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_' || name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'blakjaks_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'blakjaks_' || name);
    END LOOP;
END $$;
GRANT SELECT (id, serial, number, member_id, company_name, contact_name, email, phone, business_address, tax_id_last4, status,
    created_at, applied_at, decided_by, decided_at, reason, activated_at) ON wholesale_accounts TO blakjaks_read;

-- wholesale: a member applies. The tax id is sealed, and not read again.
GRANT INSERT (id, member_id, company_name, contact_name, email, phone, business_address, tax_id, tax_id_last4, applied_at),
    UPDATE (company_name, contact_name, email, phone, business_address, tax_id, tax_id_last4, applied_at)
    ON wholesale_accounts TO blakjaks_wholesale;
GRANT SELECT ON data_keys TO blakjaks_wholesale;

-- wholesale_decisions: people approve, reject, suspend and activate, and may look at a tax id.
GRANT SELECT, UPDATE (status, decided_by, decided_at, reason) ON wholesale_accounts TO blakjaks_wholesale_decisions;
GRANT SELECT ON data_keys TO blakjaks_wholesale_decisions;

-- erasure: an account is emptied with its member's, and a rejected application goes when it is old.
GRANT UPDATE (company_name, contact_name, email, phone, business_address, tax_id, tax_id_last4), DELETE
    ON wholesale_accounts TO blakjaks_erasure;
