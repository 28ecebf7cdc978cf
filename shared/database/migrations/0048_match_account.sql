-- Matches are paid by the house and not out of the pool that affiliates divide each week: 21 % of half of the profit is
-- more than the pool's 5 %, so that nothing would ever be left to divide.

INSERT INTO ledger_accounts (name, description) VALUES
    ('match:affiliate', 'Matches that affiliates were promised (negative), less those that were cancelled.');

-- The matches of before were taken from the pool, which gets them back.
WITH taken AS (
    SELECT coalesce(sum(p.amount), 0)::bigint AS amount
    FROM ledger_journals j JOIN ledger_postings p ON p.journal_id = j.id
    WHERE p.account = 'pool:affiliate' AND (j.ref LIKE 'match:%' OR j.ref LIKE 'match-cancelled:%')
), journal AS (
    INSERT INTO ledger_journals (ref, posted_at) SELECT 'matches-moved', now() FROM taken WHERE amount <> 0 RETURNING id
)
INSERT INTO ledger_postings (journal_id, account, amount)
SELECT journal.id, line.account, line.amount
FROM journal, taken, LATERAL (VALUES ('match:affiliate', taken.amount), ('pool:affiliate', -taken.amount))
    AS line (account, amount);
