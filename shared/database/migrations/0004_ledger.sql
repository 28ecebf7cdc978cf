-- Double entry: every movement is a journal whose postings sum to zero when its transaction commits (I12).
-- A positive posting adds to an account, a negative one takes from it.

CREATE TABLE ledger_accounts (
    name        text PRIMARY KEY,
    description text NOT NULL
);
INSERT INTO ledger_accounts (name, description)
SELECT prefix || ':' || treasury, format(description, treasury)
FROM (VALUES
        ('external',  'Outside world that funds the %s treasury.'),
        ('treasury',  'USDT of the %s treasury that is not promised to a payout.'),
        ('in_flight', 'USDT of the %s treasury reserved for payouts that are not final.'),
        ('paid',      'USDT that left the %s treasury in final payouts.'),
        ('pool',      'What the %s pool accrued from gross profit, less what it promised.'),
        ('owed',      'Comps and shares promised from the %s pool and not paid.'),
        ('settled',   'Comps and shares promised from the %s pool and paid.')
     ) AS accounts (prefix, description),
     unnest(ARRAY['member', 'affiliate', 'wholesale']) AS treasury;

CREATE TABLE ledger_journals (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ref       text NOT NULL UNIQUE,
    posted_at timestamptz NOT NULL,
    written_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);

CREATE TABLE ledger_postings (
    journal_id bigint NOT NULL REFERENCES ledger_journals (id),
    account    text NOT NULL REFERENCES ledger_accounts (name),
    amount     micro_usdt NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (journal_id, account)
);
CREATE INDEX ledger_postings_account ON ledger_postings (account, journal_id);

-- Balances kept by the postings themselves, in shards so that no single row is hot; an account's balance is the
-- sum of its shards. A transaction keeps to one shard, that of its first journal: were it to touch several, two
-- transactions could wait for each other.
CREATE TABLE ledger_balances (
    account text NOT NULL REFERENCES ledger_accounts (name),
    shard   smallint NOT NULL,
    balance bigint NOT NULL,
    PRIMARY KEY (account, shard)
) WITH (fillfactor = 50);

CREATE FUNCTION ledger_posting_kept() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    own_shard text := current_setting('ledger.shard', true);
BEGIN
    IF (SELECT written_by FROM ledger_journals WHERE id = NEW.journal_id) <> pg_current_xact_id() THEN
        PERFORM refuse('I12_append_only', format('journal %s is closed', NEW.journal_id));
    END IF;
    IF coalesce(own_shard, '') = '' THEN
        own_shard := set_config('ledger.shard', (NEW.journal_id % 16)::text, true);
    END IF;
    INSERT INTO ledger_balances AS kept (account, shard, balance)
    VALUES (NEW.account, own_shard::smallint, NEW.amount)
    ON CONFLICT (account, shard) DO UPDATE SET balance = kept.balance + EXCLUDED.balance;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_posting_kept AFTER INSERT ON ledger_postings
    FOR EACH ROW EXECUTE FUNCTION ledger_posting_kept();

CREATE FUNCTION ledger_balanced(journal bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    total numeric;
    lines integer;
BEGIN
    SELECT coalesce(sum(amount), 0), count(*) INTO total, lines FROM ledger_postings WHERE journal_id = journal;
    IF total <> 0 OR lines < 2 THEN
        PERFORM refuse('I12_balanced', format('journal %s has %s lines that sum to %s', journal, lines, total));
    END IF;
END $$;
CREATE FUNCTION ledger_journal_balanced() RETURNS trigger
LANGUAGE plpgsql AS $$ BEGIN PERFORM ledger_balanced(NEW.id); RETURN NULL; END $$;
CREATE FUNCTION ledger_posting_balanced() RETURNS trigger
LANGUAGE plpgsql AS $$ BEGIN PERFORM ledger_balanced(NEW.journal_id); RETURN NULL; END $$;

-- On both tables: a journal may have no lines at all, and a line may come after SET CONSTRAINTS had them looked at.
CREATE CONSTRAINT TRIGGER ledger_journal_balanced AFTER INSERT ON ledger_journals
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_journal_balanced();
CREATE CONSTRAINT TRIGGER ledger_posting_balanced AFTER INSERT ON ledger_postings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_posting_balanced();

CREATE FUNCTION ledger_has(journal_ref text, line_account text, line_amount bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM ledger_journals JOIN ledger_postings ON journal_id = ledger_journals.id
                   WHERE ref = journal_ref AND account = line_account AND amount = line_amount)
$$;

SELECT make_append_only('ledger_journals');
SELECT make_append_only('ledger_postings');
REVOKE INSERT, UPDATE, DELETE ON ledger_balances, ledger_accounts FROM blakjaks_app;
