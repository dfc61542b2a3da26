"""Set-based SQL: the raw messages by COPY into a stage of jsonb, and from there INSERT ... SELECT with md5()
into the same tables, 10,000 events a transaction; a process for each core, each with its partitions.

{"brokers", "topic", "partitions", "records", "dsn", "processes"} -> {"seconds", "records", "cpu"}
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import sys
import time
from typing import Any

import psycopg
from confluent_kafka import Consumer, TopicPartition

BATCH = 10_000

STAGE = """
    CREATE TEMP TABLE raw (key jsonb, value jsonb) ON COMMIT DELETE ROWS;
    CREATE TEMP TABLE stage (
        ticket_hk bytea, booking_hk bytea, link_hk bytea, ticket_hd bytea, lsn bigint, seq smallint,
        op text, txid bigint, source_ts timestamptz, ticket_no text, book_ref text, passenger_id text,
        passenger_name text, phone text
    ) ON COMMIT DELETE ROWS;
"""

SPLIT = """
    INSERT INTO stage
    SELECT decode(md5(upper(trim(ticket_no))), 'hex'),
        CASE WHEN op <> 'd' THEN decode(md5(upper(trim(book_ref))), 'hex') END,
        CASE WHEN op <> 'd' THEN
            decode(md5(concat_ws('||', upper(trim(ticket_no)), upper(trim(book_ref)))), 'hex') END,
        CASE WHEN op <> 'd' THEN decode(md5(concat_ws('||',
            coalesce(nullif(upper(trim(passenger_id)), ''), '^^'),
            coalesce(nullif(upper(trim(passenger_name)), ''), '^^'),
            coalesce(nullif(upper(trim(phone)), ''), '^^'))), 'hex') END,
        lsn, CASE WHEN op = 'd' THEN 1 ELSE 2 END, op, txid, to_timestamp(ts_us / 1e6), ticket_no, book_ref,
        passenger_id, passenger_name, phone
    FROM (SELECT coalesce(value -> 'after' ->> 'ticket_no', key ->> 'ticket_no') AS ticket_no,
        value -> 'after' ->> 'book_ref' AS book_ref, value -> 'after' ->> 'passenger_id' AS passenger_id,
        value -> 'after' ->> 'passenger_name' AS passenger_name, value -> 'after' ->> 'phone' AS phone,
        value ->> 'op' AS op, (value -> 'source' ->> 'lsn')::bigint AS lsn,
        (value -> 'source' ->> 'txId')::bigint AS txid,
        (value -> 'source' ->> 'ts_us')::bigint AS ts_us FROM raw) r;
    INSERT INTO dv.hub_booking (booking_hk, book_ref, dv_record_source)
    SELECT DISTINCT ON (booking_hk) booking_hk, book_ref, 'bench' FROM stage WHERE booking_hk IS NOT NULL
    ORDER BY booking_hk ON CONFLICT DO NOTHING;
    INSERT INTO dv.hub_ticket (ticket_hk, ticket_no, dv_record_source)
    SELECT DISTINCT ON (ticket_hk) ticket_hk, ticket_no, 'bench' FROM stage
    ORDER BY ticket_hk ON CONFLICT DO NOTHING;
    INSERT INTO dv.link_ticket_booking (ticket_booking_hk, ticket_hk, booking_hk, dv_record_source)
    SELECT DISTINCT ON (link_hk) link_hk, ticket_hk, booking_hk, 'bench' FROM stage WHERE link_hk IS NOT NULL
    ORDER BY link_hk ON CONFLICT DO NOTHING;
    INSERT INTO dv.trk_tickets (ticket_hk, dv_lsn, dv_seq, dv_op, dv_txid, dv_source_ts, ticket_booking_hk,
        ticket_hd, dv_record_source)
    SELECT ticket_hk, lsn, seq, op, txid, source_ts, link_hk, ticket_hd, 'bench' FROM stage
    ON CONFLICT DO NOTHING;
    INSERT INTO dv.sat_ticket (ticket_hk, dv_lsn, dv_seq, dv_source_ts, dv_hash_diff, passenger_id,
        passenger_name, phone, dv_record_source)
    SELECT ticket_hk, lsn, seq, source_ts, ticket_hd, passenger_id, passenger_name, phone, 'bench'
    FROM stage s
    WHERE ticket_hd IS NOT NULL AND ticket_hd IS DISTINCT FROM (SELECT t.ticket_hd FROM dv.trk_tickets t
        WHERE t.ticket_hk = s.ticket_hk AND (t.dv_lsn, t.dv_seq) < (s.lsn, s.seq)
        ORDER BY t.dv_lsn DESC, t.dv_seq DESC LIMIT 1)
    ON CONFLICT DO NOTHING;
"""


def escaped(message: bytes) -> bytes:
    """A message as a field of COPY's text; compact JSON has no tabs and line ends of its own."""
    return message.replace(b"\\", b"\\\\")


def load(asked: dict[str, Any], number: int) -> int:
    """The share of one process: every n-th partition, up to its end. Returns how many events."""
    consumer = Consumer(
        {"bootstrap.servers": asked["brokers"], "group.id": "bench", "enable.auto.commit": False}
    )
    mine = range(number, asked["partitions"], asked["processes"])
    ends = {p: consumer.get_watermark_offsets(TopicPartition(asked["topic"], p), timeout=10)[1] for p in mine}
    consumer.assign([TopicPartition(asked["topic"], p, 0) for p in mine])
    left, done = sum(ends.values()), 0
    with psycopg.connect(asked["dsn"]) as connection:
        connection.execute(STAGE)
        connection.commit()
        while done < left:
            messages = consumer.consume(min(BATCH, left - done), 1)
            with connection.cursor() as cursor, cursor.copy("COPY raw FROM STDIN") as copy:
                for message in messages:
                    key, value = message.key(), message.value()
                    if message.error() is not None or key is None or value is None:
                        raise RuntimeError(f"no event: {message.error()}")
                    copy.write(escaped(key) + b"\t" + escaped(value) + b"\n")
            connection.execute(SPLIT)
            connection.commit()
            done += len(messages)
    consumer.close()
    return done


def main() -> None:
    """Load the topic once."""
    asked = json.load(sys.stdin)
    start = time.perf_counter()
    with multiprocessing.get_context("fork").Pool(asked["processes"]) as pool:
        done = sum(pool.starmap(load, [(asked, number) for number in range(asked["processes"])]))
        pool.close()
        pool.join()
    seconds = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"seconds": seconds, "records": done, "cpu": used.ru_utime + used.ru_stime}))


if __name__ == "__main__":
    main()
