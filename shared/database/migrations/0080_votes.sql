-- Votes of members (docs/votes.md): drafts of admins, electors fixed at the opening, one ballot each with a receipt, the
-- outcome; and what whales propose.

-- ---------------------------------------------------------------------------------------------------------------- votes
-- `seconds` is how long it is open, `quorum_percent` how many of a hundred electors must have voted for an outcome.
-- `digest` is the SHA-256 of the content and the sorted electors at the opening. A vote is `closing` when it takes no
-- more ballots and its outcome is not published yet.
CREATE TABLE governance_votes (
    id              uuid PRIMARY KEY,
    type            text NOT NULL CHECK (type IN ('flavor', 'loyalty', 'corporate')),
    tier_min        tier NOT NULL,
    title           text NOT NULL CHECK (char_length(title) <= 200),
    description     text NOT NULL CHECK (char_length(description) <= 5000),
    seconds         integer NOT NULL CHECK (seconds BETWEEN 3600 AND 2592000),
    quorum_percent  integer NOT NULL CHECK (quorum_percent BETWEEN 0 AND 100),
    status          text NOT NULL DEFAULT 'draft'
        CONSTRAINT governance_votes_status_check
        CHECK (status IN ('draft', 'opening', 'active', 'closing', 'closed', 'discarded')),
    revision        integer NOT NULL DEFAULT 1 CHECK (revision > 0),
    created_by      uuid NOT NULL REFERENCES members (id),
    created_at      timestamptz NOT NULL,
    opened_at       timestamptz,
    closes_at       timestamptz,
    electors        integer CHECK (electors >= 0),
    digest          bytea CHECK (octet_length(digest) = 32),
    closed_early_at timestamptz,
    closed_at       timestamptz,
    outcome         jsonb CHECK (jsonb_typeof(outcome) = 'object'),
    CONSTRAINT governance_votes_title CHECK (title <> '' OR status = 'discarded'),
    CONSTRAINT governance_votes_tier CHECK (
        tier_min = CASE type WHEN 'flavor' THEN 'vip'::tier WHEN 'loyalty' THEN 'high_roller'::tier
                   ELSE 'whale'::tier END),
    CONSTRAINT governance_votes_opened CHECK (
        num_nonnulls(opened_at, closes_at, electors, digest)
        = CASE WHEN status IN ('active', 'closing', 'closed') THEN 4 ELSE 0 END),
    CONSTRAINT governance_votes_length CHECK (closes_at = opened_at + make_interval(secs => seconds)),
    CONSTRAINT governance_votes_closed CHECK (
        num_nonnulls(closed_at, outcome) = CASE WHEN status = 'closed' THEN 2 ELSE 0 END),
    CONSTRAINT governance_votes_early CHECK (
        closed_early_at IS NULL OR (status IN ('closing', 'closed') AND closed_early_at < closes_at))
);
CREATE INDEX governance_votes_author ON governance_votes (created_by);
CREATE INDEX governance_votes_created ON governance_votes (created_at DESC, id DESC);
CREATE INDEX governance_votes_opened ON governance_votes (opened_at DESC, id DESC) WHERE opened_at IS NOT NULL;
CREATE INDEX governance_votes_going ON governance_votes (status) WHERE status IN ('opening', 'active', 'closing');

CREATE TABLE governance_options (
    vote_id uuid NOT NULL REFERENCES governance_votes (id),
    option  integer NOT NULL CHECK (option BETWEEN 1 AND 20),
    label   text NOT NULL CHECK (char_length(label) BETWEEN 1 AND 100),
    ballots integer NOT NULL DEFAULT 0 CHECK (ballots >= 0),
    PRIMARY KEY (vote_id, option),
    CONSTRAINT governance_options_label UNIQUE (vote_id, label)
) WITH (fillfactor = 50);

CREATE TABLE governance_electors (
    vote_id   uuid NOT NULL REFERENCES governance_votes (id),
    member_id uuid NOT NULL REFERENCES members (id),
    PRIMARY KEY (vote_id, member_id)
);
CREATE INDEX governance_electors_member ON governance_electors (member_id);
SELECT make_append_only('governance_electors');

CREATE TABLE governance_ballots (
    vote_id   uuid NOT NULL,
    member_id uuid NOT NULL,
    option    integer NOT NULL,
    receipt   bytea NOT NULL CHECK (octet_length(receipt) IN (16, 32)),
    cast_at   timestamptz NOT NULL,
    PRIMARY KEY (vote_id, member_id),
    CONSTRAINT governance_ballots_receipt UNIQUE (vote_id, receipt),
    CONSTRAINT governance_ballots_elector FOREIGN KEY (vote_id, member_id)
        REFERENCES governance_electors (vote_id, member_id),
    CONSTRAINT governance_ballots_option FOREIGN KEY (vote_id, option) REFERENCES governance_options (vote_id, option)
);
CREATE INDEX governance_ballots_option_key ON governance_ballots (vote_id, option);
CREATE INDEX governance_ballots_member ON governance_ballots (member_id);
SELECT make_append_only('governance_ballots');

-- What a draft says may change; once it is opened, only what becomes of it is added, and each thing once. One that is
-- discarded may lose its words.
CREATE FUNCTION governance_vote_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status = 'discarded' AND NEW.title = '' AND NEW.description = ''
       AND to_jsonb(NEW) - '{title,description,revision}'::text[] = to_jsonb(OLD) - '{title,description,revision}'::text[]
       THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' OR OLD.status IN ('closed', 'discarded')
       OR (NEW.id, NEW.created_by, NEW.created_at) IS DISTINCT FROM (OLD.id, OLD.created_by, OLD.created_at)
       OR (OLD.status <> 'draft'
           AND (NEW.type, NEW.tier_min, NEW.title, NEW.description, NEW.seconds, NEW.quorum_percent)
               IS DISTINCT FROM
               (OLD.type, OLD.tier_min, OLD.title, OLD.description, OLD.seconds, OLD.quorum_percent))
       OR (OLD.opened_at IS NOT NULL
           AND (NEW.opened_at, NEW.closes_at, NEW.electors, NEW.digest)
               IS DISTINCT FROM (OLD.opened_at, OLD.closes_at, OLD.electors, OLD.digest))
       OR (OLD.closed_early_at IS NOT NULL AND NEW.closed_early_at IS DISTINCT FROM OLD.closed_early_at) THEN
        PERFORM refuse('vote_fixed', format('vote %s keeps what it is', OLD.id));
    END IF;
    IF NEW.status <> OLD.status AND (OLD.status, NEW.status) NOT IN (
           ('draft', 'opening'), ('draft', 'discarded'), ('opening', 'active'), ('active', 'closing'),
           ('active', 'closed'), ('closing', 'closed')) THEN
        PERFORM refuse('vote_status', format('vote %s is %s', OLD.id, OLD.status));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER governance_vote_changed BEFORE UPDATE OR DELETE ON governance_votes
    FOR EACH ROW EXECUTE FUNCTION governance_vote_changed();

-- Options belong to the draft; after that a count of ballots only rises.
CREATE FUNCTION governance_option_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    vote uuid := CASE WHEN TG_OP = 'DELETE' THEN OLD.vote_id ELSE NEW.vote_id END;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF (NEW.vote_id, NEW.option, NEW.label) = (OLD.vote_id, OLD.option, OLD.label)
           AND NEW.ballots >= OLD.ballots THEN
            RETURN NEW;
        END IF;
    ELSIF EXISTS (SELECT FROM governance_votes WHERE id = vote AND status = 'draft') THEN
        RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    PERFORM refuse('vote_fixed', format('the options of vote %s are fixed', vote));
    RETURN NULL;
END $$;
CREATE TRIGGER governance_option_changed BEFORE INSERT OR UPDATE OR DELETE ON governance_options
    FOR EACH ROW EXECUTE FUNCTION governance_option_changed();

-- Electors are those of the opening: one look for all rows of a statement.
CREATE FUNCTION governance_electors_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM (SELECT DISTINCT vote_id FROM made) AS given JOIN governance_votes v ON v.id = given.vote_id
               WHERE v.status <> 'opening') THEN
        PERFORM refuse('vote_fixed', 'the electors are those of the opening');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER governance_electors_made AFTER INSERT ON governance_electors
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION governance_electors_made();

-- A ballot is cast while its vote is open, and before the moment at which it closes. The vote's row is locked with the
-- owner's rights, so that no ballot is under way when the ballots are counted.
CREATE FUNCTION governance_ballot_cast() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM governance_votes
    WHERE id = NEW.vote_id AND status = 'active' AND NEW.cast_at < closes_at FOR SHARE;
    IF NOT FOUND THEN
        PERFORM refuse('vote_not_open', format('vote %s takes no ballots', NEW.vote_id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER governance_ballot_cast BEFORE INSERT ON governance_ballots
    FOR EACH ROW EXECUTE FUNCTION governance_ballot_cast();

-- ------------------------------------------------------------------------------------------------------------ proposals
-- `slot` makes three open ones of a member the most there can be. The vote is the draft that an accepted one became.
CREATE TABLE governance_proposals (
    id         uuid PRIMARY KEY,
    member_id  uuid NOT NULL REFERENCES members (id),
    slot       integer NOT NULL CHECK (slot BETWEEN 1 AND 3),
    type       text NOT NULL CHECK (type IN ('flavor', 'loyalty', 'corporate')),
    title      text NOT NULL CHECK (char_length(title) <= 200),
    body       text NOT NULL CHECK (char_length(body) <= 5000),
    status     text NOT NULL DEFAULT 'open'
        CONSTRAINT governance_proposals_status_check CHECK (status IN ('open', 'accepted', 'declined', 'withdrawn')),
    created_at timestamptz NOT NULL,
    decided_at timestamptz,
    decided_by uuid REFERENCES members (id),
    note       text CHECK (char_length(note) <= 500),
    vote_id    uuid UNIQUE REFERENCES governance_votes (id),
    CONSTRAINT governance_proposals_ended CHECK ((status = 'open') = (decided_at IS NULL)),
    CONSTRAINT governance_proposals_decided CHECK (
        (status IN ('accepted', 'declined')) = (decided_by IS NOT NULL)),
    CONSTRAINT governance_proposals_vote CHECK ((status = 'accepted') = (vote_id IS NOT NULL))
);
CREATE UNIQUE INDEX governance_proposals_slot ON governance_proposals (member_id, slot) WHERE status = 'open';
CREATE INDEX governance_proposals_member ON governance_proposals (member_id, created_at DESC, id DESC);
CREATE INDEX governance_proposals_decider ON governance_proposals (decided_by) WHERE decided_by IS NOT NULL;
CREATE INDEX governance_proposals_created ON governance_proposals (created_at DESC, id DESC);

-- --------------------------------------------------------------------------------------------------------------- rights
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['ballots', 'votes', 'vote_closing'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'blakjaks_' || name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'blakjaks_' || name);
        END IF;
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'blakjaks_' || name);
    END LOOP;
END $$;
GRANT SELECT ON governance_votes, governance_options, governance_electors, governance_ballots, governance_proposals
    TO blakjaks_read;

-- ballots: members vote, and whales propose.
GRANT UPDATE (title) ON governance_votes TO blakjaks_ballots;  -- locked while ballots are cast; it never changes then
GRANT UPDATE (ballots) ON governance_options TO blakjaks_ballots;
GRANT INSERT ON governance_ballots TO blakjaks_ballots;
GRANT INSERT, UPDATE (status, decided_at) ON governance_proposals TO blakjaks_ballots;

-- votes: admins write drafts, have them opened, close early, and decide about proposals.
GRANT INSERT, UPDATE (type, tier_min, title, description, seconds, quorum_percent, status, revision, closed_early_at)
    ON governance_votes TO blakjaks_votes;
GRANT INSERT, DELETE ON governance_options TO blakjaks_votes;
GRANT UPDATE (status, decided_at, decided_by, note, vote_id) ON governance_proposals TO blakjaks_votes;

-- vote_closing: votes are opened with their electors, and closed with their outcome, which the chat's channels tell.
GRANT UPDATE (status, revision, opened_at, closes_at, electors, digest, closed_at, outcome) ON governance_votes
    TO blakjaks_vote_closing;
GRANT INSERT ON governance_electors TO blakjaks_vote_closing;
GRANT INSERT ON social_messages, social_entries TO blakjaks_vote_closing;
GRANT UPDATE (number, position) ON social_heads TO blakjaks_vote_closing;

-- erasure: a proposal's words go with its member's account, and a draft that was made of it.
GRANT SELECT, UPDATE (title, body, status, decided_at) ON governance_proposals TO blakjaks_erasure;
GRANT SELECT, UPDATE (title, description, status, revision) ON governance_votes TO blakjaks_erasure;
