-- The schema headrace of a target database: how far each job is, what each run did, and what was rejected.
--
-- Needs no superuser: the role that runs it owns the schema headrace (CREATE SCHEMA headrace AUTHORIZATION that_role) or may create
-- schemas. Applied in one transaction by headrace.migrations, which also makes headrace.migrations.

CREATE TABLE headrace.offsets (
    job         text        NOT NULL CHECK (job <> ''),
    topic       text        NOT NULL,
    partition   integer     NOT NULL CHECK (partition >= 0),
    next_offset bigint      NOT NULL CHECK (next_offset >= 0),
    generation  bigint      NOT NULL DEFAULT 1 CHECK (generation >= 0),
    run_id      uuid,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, topic, partition)
) WITH (fillfactor = 50); -- one update a batch: room for heap-only tuples

COMMENT ON TABLE headrace.offsets IS
    'How far each job is. Moved in the transaction that loads the rows, so it alone says what has been loaded';
COMMENT ON COLUMN headrace.offsets.job IS 'the load''s name; offsets belong to it';
COMMENT ON COLUMN headrace.offsets.topic IS 'Kafka topic; for a file its identity, file:<path>#<fingerprint>';
COMMENT ON COLUMN headrace.offsets.partition IS 'Kafka partition; for a file the number of its byte range';
COMMENT ON COLUMN headrace.offsets.next_offset IS 'the first offset that has not been loaded; for a file a byte offset';
COMMENT ON COLUMN headrace.offsets.generation IS 'raised by every worker that takes the row over; a worker with an older one is fenced';
COMMENT ON COLUMN headrace.offsets.run_id IS 'the run that holds the row or held it last; null after a reset by hand';

CREATE TABLE headrace.receipts (
    run_id      uuid             PRIMARY KEY,
    job         text             NOT NULL,
    target      text             NOT NULL,
    mode        text             NOT NULL CHECK (mode IN ('append', 'upsert', 'replace')),
    source      text             NOT NULL,
    state       text             NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled', 'interrupted')),
    started_at  timestamptz      NOT NULL DEFAULT now(),
    finished_at timestamptz,
    read        bigint           NOT NULL DEFAULT 0 CHECK (read >= 0),
    loaded      bigint           NOT NULL DEFAULT 0 CHECK (loaded >= 0),
    rejected    bigint           NOT NULL DEFAULT 0 CHECK (rejected >= 0),
    skipped     bigint           NOT NULL DEFAULT 0 CHECK (skipped >= 0),
    bytes       bigint           NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    seconds     double precision,
    error       text,
    settings    jsonb       NOT NULL,
    detail      jsonb,
    CONSTRAINT receipts_balance CHECK (state = 'running' OR read = loaded + rejected + skipped),
    CONSTRAINT receipts_finished CHECK ((state = 'running') = (finished_at IS NULL))
);

COMMENT ON TABLE headrace.receipts IS 'What each run did. Counts are of committed batches only: read = loaded + rejected + skipped';
COMMENT ON COLUMN headrace.receipts.source IS 'where the records came from; holds no secret';
COMMENT ON COLUMN headrace.receipts.state IS 'interrupted: the worker ended without a word, and a later run has closed its receipt';
COMMENT ON COLUMN headrace.receipts.rejected IS 'records kept in headrace.dead_letters';
COMMENT ON COLUMN headrace.receipts.skipped IS 'records that are no rows by the job''s own rules, such as tombstones';
COMMENT ON COLUMN headrace.receipts.settings IS 'how records became rows: format, csv, mode, key, map, unknown, tombstones, partition; a replay uses them again';
COMMENT ON COLUMN headrace.receipts.detail IS 'the whole receipt as JSON: offsets, rows per table, rejects per reason';

CREATE INDEX receipts_job ON headrace.receipts (job, started_at DESC);

CREATE TABLE headrace.receipt_lanes (
    run_id      uuid    NOT NULL REFERENCES headrace.receipts ON DELETE CASCADE,
    topic       text    NOT NULL,
    partition   integer NOT NULL,
    offset_from bigint  NOT NULL,
    offset_to   bigint  NOT NULL,
    read        bigint  NOT NULL DEFAULT 0,
    loaded      bigint  NOT NULL DEFAULT 0,
    rejected    bigint  NOT NULL DEFAULT 0,
    skipped     bigint  NOT NULL DEFAULT 0,
    bytes       bigint  NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, topic, partition),
    CONSTRAINT receipt_lanes_balance CHECK (read = loaded + rejected + skipped)
) WITH (fillfactor = 50);

COMMENT ON TABLE headrace.receipt_lanes IS
    'The part of a receipt that belongs to one partition; written in each batch''s transaction, so it survives a killed worker';
COMMENT ON COLUMN headrace.receipt_lanes.offset_to IS 'one past the last offset that the run committed';

CREATE TABLE headrace.receipt_tables (
    run_id    uuid    NOT NULL REFERENCES headrace.receipts ON DELETE CASCADE,
    worker    integer NOT NULL,
    relation  text    NOT NULL,
    row_count bigint  NOT NULL CHECK (row_count >= 0),
    PRIMARY KEY (run_id, worker, relation)
) WITH (fillfactor = 50);

COMMENT ON TABLE headrace.receipt_tables IS 'Rows that each worker of a run put into each table (partition), in each batch''s transaction';

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
    header           text,
    record_timestamp timestamptz,
    rejected_at      timestamptz NOT NULL DEFAULT now(),
    attempts         integer     NOT NULL DEFAULT 1 CHECK (attempts >= 1),
    replayed_at      timestamptz,
    replayed_run     uuid,
    CONSTRAINT dead_letters_replayed CHECK ((replayed_at IS NULL) = (replayed_run IS NULL))
);

COMMENT ON TABLE headrace.dead_letters IS
    'Records that could not go into their target, written in the transaction of the rows around them. A replay fills replayed_at';
COMMENT ON COLUMN headrace.dead_letters.reason IS
    'malformed, type, range, null, unknown_key, encoding, depth, constraint, tombstone, late';
COMMENT ON COLUMN headrace.dead_letters.column_name IS 'the target''s column whose value was wrong; null when the whole record was';
COMMENT ON COLUMN headrace.dead_letters.value IS 'the offending value, cut to a readable length';
COMMENT ON COLUMN headrace.dead_letters.sqlstate IS 'PostgreSQL''s code, when the server refused the row';
COMMENT ON COLUMN headrace.dead_letters.header IS 'CSV: the header line that names the fields of raw, so that it can be replayed';
COMMENT ON COLUMN headrace.dead_letters.raw IS 'the record''s bytes as they came; null for a tombstone';
COMMENT ON COLUMN headrace.dead_letters.key IS 'the Kafka message''s key';
COMMENT ON COLUMN headrace.dead_letters.attempts IS 'how often the record was tried, replays included';

CREATE INDEX dead_letters_open ON headrace.dead_letters (job, id) WHERE replayed_at IS NULL;
CREATE INDEX dead_letters_run ON headrace.dead_letters (run_id);
