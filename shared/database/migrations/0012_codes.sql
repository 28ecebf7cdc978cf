-- Codes in bulk: batches walked chunk by chunk, who changed which codes and when, imports of large files.

-- The chunk that a code was made in: what concerns a whole batch is done chunk by chunk.
ALTER TABLE codes
    ADD COLUMN chunk integer NOT NULL DEFAULT 0 CHECK (chunk >= 0),
    ADD COLUMN manufactured_before timestamptz[];  -- of earlier lives, when the code was reused
DROP INDEX codes_batch;
CREATE INDEX codes_batch ON codes (batch_id, chunk);

ALTER TABLE code_batches
    ADD COLUMN codes_invalidated integer NOT NULL DEFAULT 0;

-- What was done to codes, by whom: one row however many codes it concerns. They are all of the batch, or those in
-- code_change_codes, or, where an import made them manufactured, those that bear its time.
CREATE TABLE code_changes (
    id          uuid PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('manufactured', 'invalidated', 'reused', 'recalled')),
    batch_id    uuid REFERENCES code_batches (id),
    reason      text,
    actor_id    uuid NOT NULL REFERENCES members (id),
    happened_at timestamptz NOT NULL,
    CHECK (kind <> 'recalled' OR batch_id IS NOT NULL),
    CHECK (kind <> 'manufactured' OR batch_id IS NULL)
);
CREATE INDEX code_changes_batch ON code_changes (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX code_changes_manufactured ON code_changes (happened_at) WHERE kind = 'manufactured';
CREATE UNIQUE INDEX code_changes_recalled ON code_changes (batch_id) WHERE kind = 'recalled';
SELECT make_append_only('code_changes');

CREATE TABLE code_change_codes (
    code_mac  bytea NOT NULL REFERENCES codes (mac),
    change_id uuid NOT NULL REFERENCES code_changes (id),
    PRIMARY KEY (code_mac, change_id)
);
SELECT make_append_only('code_change_codes');

-- How far a change of a whole batch is. One at a time: a late task of an earlier one must not undo a later one.
CREATE TABLE code_batch_walks (
    change_id     uuid PRIMARY KEY REFERENCES code_changes (id),
    batch_id      uuid NOT NULL REFERENCES code_batches (id),
    kind          text NOT NULL CHECK (kind IN ('invalidated', 'reused')),
    chunks        integer NOT NULL CHECK (chunks > 0),
    chunks_done   integer NOT NULL DEFAULT 0 CHECK (chunks_done BETWEEN 0 AND chunks),
    codes_changed integer NOT NULL DEFAULT 0,
    finished_at   timestamptz,
    CHECK ((chunks_done = chunks) = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX code_batch_walks_running ON code_batch_walks (batch_id) WHERE finished_at IS NULL;

-- A large file of manufactured codes: uploaded to storage, checked as a whole, then imported chunk by chunk.
-- `bytes_done` and `lines_done` are where the next chunk begins; the counts are of lines without the header.
CREATE TABLE code_imports (
    id            uuid PRIMARY KEY,
    status        text NOT NULL DEFAULT 'waiting'
                  CHECK (status IN ('waiting', 'checking', 'importing', 'imported', 'refused')),
    object_name   text NOT NULL,
    generation    bigint,
    size_bytes    bigint,
    code_column   integer,
    bytes_done    bigint NOT NULL DEFAULT 0 CHECK (bytes_done <= size_bytes),
    lines_done    integer NOT NULL DEFAULT 0,
    chunks_done   integer NOT NULL DEFAULT 0,
    manufactured  integer NOT NULL DEFAULT 0,
    unchanged     integer NOT NULL DEFAULT 0,
    refused_count integer NOT NULL DEFAULT 0,
    refused       jsonb NOT NULL DEFAULT '[]',
    report_object text,
    fault         text,
    fault_line    integer,
    created_by    uuid NOT NULL REFERENCES members (id),
    created_at    timestamptz NOT NULL,
    started_by    uuid REFERENCES members (id),
    started_at    timestamptz,
    finished_at   timestamptz,
    CHECK ((status = 'waiting') = (started_at IS NULL)),
    CHECK ((status = 'waiting') = (started_by IS NULL)),
    CHECK ((status IN ('imported', 'refused')) = (finished_at IS NOT NULL)),
    CHECK ((status = 'refused') = (fault IS NOT NULL)),
    CHECK (status NOT IN ('importing', 'imported') OR
           (generation IS NOT NULL AND size_bytes IS NOT NULL AND code_column IS NOT NULL)),
    CHECK (status <> 'imported' OR bytes_done = size_bytes)
);

-- A chunk of an import, with its refused lines as they will stand in the report (CSV, without codes).
CREATE TABLE code_import_chunks (
    import_id  uuid NOT NULL REFERENCES code_imports (id),
    chunk      integer NOT NULL,
    refused    text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (import_id, chunk)
);

CREATE INDEX honey_trials_newest ON honey_trials (happened_at DESC, id DESC);
