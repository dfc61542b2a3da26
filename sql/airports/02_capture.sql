-- Who may read the changes of the airline's database, and which: roles, publication, heartbeat.
-- May be run again at any time. The roles get their passwords from whoever starts the server, as SCRAM verifiers: no statement and
-- no log has them. pg_hba.conf beside this file says from where each of them may come.

DO $$
DECLARE
    role text;
BEGIN
    FOREACH role IN ARRAY ARRAY['airports_replica', 'airports_capture', 'airports_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) THEN
            EXECUTE format('CREATE ROLE %I LOGIN', role);
        END IF;
    END LOOP;
END $$;

ALTER ROLE airports_replica REPLICATION;
ALTER ROLE airports_capture REPLICATION;
COMMENT ON ROLE airports_replica IS 'The streaming replica, and nobody else';
COMMENT ON ROLE airports_capture IS 'Debezium: reads the tables once, then the changes';
COMMENT ON ROLE airports_reader IS 'Reports, on the replica';

-- A heartbeat is a small change at regular times. Without it, a database where nothing happens never tells Debezium that it may let
-- go of the write-ahead log of its neighbours, and nobody can tell a quiet source from a broken pipeline.
CREATE SCHEMA IF NOT EXISTS capture;
COMMENT ON SCHEMA capture IS 'What change capture itself needs';

CREATE TABLE IF NOT EXISTS capture.heartbeat (
    id   smallint    PRIMARY KEY CHECK (id = 1),
    beat timestamptz NOT NULL,
    lsn  pg_lsn      NOT NULL
);
COMMENT ON TABLE capture.heartbeat IS 'One row, which Debezium touches every few seconds; lsn is where the log was then';

GRANT USAGE ON SCHEMA bookings TO airports_capture, airports_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA bookings TO airports_capture, airports_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA bookings GRANT SELECT ON TABLES TO airports_capture, airports_reader;
GRANT USAGE ON SCHEMA capture TO airports_capture;
GRANT SELECT, INSERT, UPDATE ON capture.heartbeat TO airports_capture;

-- all tables of the schema, those of tomorrow too
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'headrace_airports') THEN
        CREATE PUBLICATION headrace_airports FOR TABLES IN SCHEMA bookings, TABLE capture.heartbeat;
    END IF;
END $$;
