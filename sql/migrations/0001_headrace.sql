-- Schema headrace: where a job's offsets, receipts and rejected records live, in the target database, so that they commit with the rows.
-- Applied in one transaction; headrace.migrations (made by the migrator) remembers which files have been.

CREATE TABLE headrace.offsets (
    job         text        NOT NULL,
    topic       text        NOT NULL,
    partition   integer     NOT NULL,
    next_offset bigint      NOT NULL CHECK (next_offset >= 0),
    generation  bigint      NOT NULL CHECK (generation > 0),
    run_id      uuid        NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, topic, partition)
);
COMMENT ON TABLE headrace.offsets IS 'How far each job is. Moved in the same transaction as the rows it stands for: this table, not Kafka, is the truth.';
COMMENT ON COLUMN headrace.offsets.topic IS 'Kafka topic; for a file its identity "file:<path>#<fingerprint of its bytes>", for a byte range of it the partition';
COMMENT ON COLUMN headrace.offsets.next_offset IS 'the first offset that has not been loaded';
COMMENT ON COLUMN headrace.offsets.generation IS 'raised by every worker that takes the partition over; a worker of an older generation cannot commit';
COMMENT ON COLUMN headrace.offsets.run_id IS 'the run that holds the partition now, or held it last';

CREATE TABLE headrace.receipts (
    run_id      uuid        PRIMARY KEY,
    job         text        NOT NULL,
    target      text        NOT NULL,
    mode        text        NOT NULL CHECK (mode IN ('append', 'upsert', 'replace')),
    source      text        NOT NULL,
    state       text        NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    read        bigint      NOT NULL DEFAULT 0,
    loaded      bigint      NOT NULL DEFAULT 0,
    rejected    bigint      NOT NULL DEFAULT 0,
    skipped     bigint      NOT NULL DEFAULT 0,
    bytes       bigint      NOT NULL DEFAULT 0,
    seconds     double precision,
    error       text,
    detail      jsonb,
    CONSTRAINT receipts_balance CHECK (read = loaded + rejected + skipped)
);
CREATE INDEX receipts_job ON headrace.receipts (job, started_at DESC);
COMMENT ON TABLE headrace.receipts IS 'What each run did. A row stays "running" when its worker was killed, until the next worker of the job marks it "interrupted"; headrace.receipt_lanes is exact all the same.';

CREATE TABLE headrace.receipt_lanes (
    run_id      uuid    NOT NULL REFERENCES headrace.receipts ON DELETE CASCADE,
    topic       text    NOT NULL,
    partition   integer NOT NULL,
    offset_from bigint  NOT NULL,
    offset_to   bigint  NOT NULL CHECK (offset_to >= offset_from),
    read        bigint  NOT NULL,
    loaded      bigint  NOT NULL,
    rejected    bigint  NOT NULL,
    skipped     bigint  NOT NULL,
    bytes       bigint  NOT NULL,
    PRIMARY KEY (run_id, topic, partition),
    CONSTRAINT receipt_lanes_balance CHECK (read = loaded + rejected + skipped)
);
COMMENT ON TABLE headrace.receipt_lanes IS 'The part of each partition in a run, added to in the same transaction as the rows and the offset: exact even when the worker is killed.';

CREATE TABLE headrace.receipt_tables (
    run_id    uuid    NOT NULL REFERENCES headrace.receipts ON DELETE CASCADE,
    worker    integer NOT NULL,
    relation  text    NOT NULL,
    row_count bigint  NOT NULL,
    PRIMARY KEY (run_id, worker, relation)
);
COMMENT ON TABLE headrace.receipt_tables IS 'Rows that a run put into each partition table, by worker (workers must not wait for each other''s rows).';

CREATE TABLE headrace.dead_letters (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job              text        NOT NULL,
    run_id           uuid        NOT NULL,
    target           text        NOT NULL,
    topic            text        NOT NULL,
    partition        integer     NOT NULL,
    "offset"         bigint      NOT NULL,
    line             bigint,
    reason           text        NOT NULL,
    column_name      text,
    value            text,
    message          text        NOT NULL,
    sqlstate         text,
    raw              bytea,
    key              bytea,
    record_timestamp timestamptz,
    rejected_at      timestamptz NOT NULL DEFAULT now(),
    attempts         integer     NOT NULL DEFAULT 1,
    replayed_at      timestamptz,
    replayed_run     uuid
);
CREATE INDEX dead_letters_waiting ON headrace.dead_letters (job, id) WHERE replayed_at IS NULL;
CREATE INDEX dead_letters_run ON headrace.dead_letters (run_id);
COMMENT ON TABLE headrace.dead_letters IS 'Every rejected record with its reason, its position and its bytes as they came; replay sets replayed_at in the same transaction as the row it became.';
COMMENT ON COLUMN headrace.dead_letters."offset" IS 'Kafka offset, or byte offset in the file';
COMMENT ON COLUMN headrace.dead_letters.line IS 'line in the file, from 1';
COMMENT ON COLUMN headrace.dead_letters.reason IS 'malformed, type, range, null, unknown_key, encoding, depth, constraint, tombstone, late';
COMMENT ON COLUMN headrace.dead_letters.raw IS 'the record''s bytes; null for a tombstone';
