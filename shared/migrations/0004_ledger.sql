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
-- sum of its shards.
CREATE TABLE ledger_balances (
    account text NOT NULL REFERENCES ledger_accounts (name),
    shard   smallint NOT NULL,
    balance bigint NOT NULL,
    PRIMARY KEY (account, shard)
) WITH (fillfactor = 50);

CREATE FUNCTION ledger_posting_kept() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF (SELECT written_by FROM ledger_journals WHERE id = NEW.journal_id) <> pg_current_xact_id() THEN
        PERFORM refuse('I12_append_only', format('journal %s is closed', NEW.journal_id));
    END IF;
    INSERT INTO ledger_balances AS kept (account, shard, balance)
    VALUES (NEW.account, NEW.journal_id % 16, NEW.amount)
    ON CONFLICT (account, shard) DO UPDATE SET balance = kept.balance + EXCLUDED.balance;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_posting_kept AFTER INSERT ON ledger_postings
    FOR EACH ROW EXECUTE FUNCTION ledger_posting_kept();

CREATE FUNCTION ledger_journal_balanced() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    total numeric;
    lines integer;
BEGIN
    SELECT coalesce(sum(amount), 0), count(*) INTO total, lines FROM ledger_postings WHERE journal_id = NEW.id;
    IF total <> 0 OR lines < 2 THEN
        PERFORM refuse('I12_balanced', format('journal %s has %s lines that sum to %s', NEW.ref, lines, total));
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_journal_balanced AFTER INSERT ON ledger_journals
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_journal_balanced();

SELECT make_append_only('ledger_journals');
SELECT make_append_only('ledger_postings');
REVOKE INSERT, UPDATE, DELETE ON ledger_balances FROM blakjaks_app;
