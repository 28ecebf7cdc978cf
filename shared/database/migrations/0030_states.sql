-- Lists of states that more than one query asks for, each once and with a name. A new state is added to the lists that it
-- belongs to here, in a new migration; a test then names the indexes and triggers that still have the list of before.
--
-- Postgres puts the list in the place of the function before it makes a plan (a function of one SQL expression, immutable,
-- without settings of its own), so that an index whose rows are those of the list serves the query as before.

-- The slot may still decide what becomes of its payout: there is at most one such slot for each (payout_slots_one_open).
CREATE FUNCTION slot_is_open(state slot_state) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('ALLOCATED', 'LIVE', 'MINED', 'FOREIGN')
$$;

-- The slot's nonce is not used up for good: payout_confirm looks for it on the chain (payout_slots_open).
CREATE FUNCTION nonce_is_open(state slot_state) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('ALLOCATED', 'LIVE', 'MINED')
$$;

-- No block is known that has used the nonce: more can be signed for it.
CREATE FUNCTION nonce_is_unmined(state slot_state) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('ALLOCATED', 'LIVE')
$$;

-- A transaction of ours has used up the nonce for good.
CREATE FUNCTION slot_is_final(state slot_state) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('FINAL_PAY', 'FINAL_REVERTED', 'FINAL_NOOP')
$$;

-- payout_send takes the payout further (payouts_waiting).
CREATE FUNCTION payout_is_payable(state payout_state) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('REQUESTED', 'APPROVED', 'RESERVED')
$$;

-- The payout is payable, or has a slot of its own (payouts_open).
CREATE FUNCTION payout_is_under_way(state payout_state) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('REQUESTED', 'APPROVED', 'RESERVED', 'IN_FLIGHT')
$$;

-- The payout waits for people, or for the end of what stops it (payouts_held).
CREATE FUNCTION payout_is_stopped(state payout_state) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('HELD', 'QUARANTINED')
$$;

-- The payout is under way or stopped (payouts_unfinished).
CREATE FUNCTION payout_is_unfinished(state payout_state) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state NOT IN ('PAID', 'CANCELLED')
$$;

-- The withdrawal is its wallet's only one that may still move money (withdrawals_one_open).
CREATE FUNCTION withdrawal_is_open(state withdrawal_state) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT state IN ('prepared', 'signed', 'mined')
$$;
