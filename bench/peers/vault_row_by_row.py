"""What many write first: a class that takes one message, hashes its keys and writes its rows, each in a
transaction of its own.

{"brokers", "topic", "records", "dsn"} -> {"seconds", "records", "cpu"}
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from typing import Any

import psycopg
from confluent_kafka import Consumer

SOURCE = "bench"


def hashed(*values: str | None) -> bytes:
    """The key or diff of some values."""
    texts = [value.strip().upper() if value and value.strip() else "^^" for value in values]
    return hashlib.md5("||".join(texts).encode(), usedforsecurity=False).digest()


class TicketLoader:
    """Writes the rows of one event."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn)

    def handle(self, event: dict[str, Any], key: dict[str, str]) -> None:
        """One event, one transaction."""
        row = event["after"] or key
        source = event["source"]
        hub = hashed(row["ticket_no"])
        place = (hub, source["lsn"], 1 if event["op"] == "d" else 2)
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO dv.hub_ticket (ticket_hk, ticket_no, dv_record_source) VALUES (%s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (hub, row["ticket_no"], SOURCE),
            )
            link, diff = None, None
            if event["op"] != "d":
                booking = hashed(row["book_ref"])
                link = hashed(row["ticket_no"], row["book_ref"])
                diff = hashed(row["passenger_id"], row["passenger_name"], row["phone"])
                cursor.execute(
                    "INSERT INTO dv.hub_booking (booking_hk, book_ref, dv_record_source) VALUES (%s, %s, %s)"
                    " ON CONFLICT DO NOTHING",
                    (booking, row["book_ref"], SOURCE),
                )
                cursor.execute(
                    "INSERT INTO dv.link_ticket_booking (ticket_booking_hk, ticket_hk, booking_hk,"
                    " dv_record_source) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                    (link, hub, booking, SOURCE),
                )
                cursor.execute(
                    "SELECT ticket_hd FROM dv.trk_tickets WHERE ticket_hk = %s"
                    " AND (dv_lsn, dv_seq) < (%s, %s) ORDER BY dv_lsn DESC, dv_seq DESC LIMIT 1",
                    place,
                )
                before = cursor.fetchone()
                if before is None or before[0] != diff:
                    cursor.execute(
                        "INSERT INTO dv.sat_ticket (ticket_hk, dv_lsn, dv_seq, dv_source_ts, dv_hash_diff,"
                        " passenger_id, passenger_name, phone, dv_record_source)"
                        " VALUES (%s, %s, %s, to_timestamp(%s), %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                        (
                            *(*place, source["ts_us"] / 1e6, diff),
                            *(row["passenger_id"], row["passenger_name"], row["phone"], SOURCE),
                        ),
                    )
            cursor.execute(
                "INSERT INTO dv.trk_tickets (ticket_hk, dv_lsn, dv_seq, dv_op, dv_txid, dv_source_ts,"
                " ticket_booking_hk, ticket_hd, dv_record_source)"
                " VALUES (%s, %s, %s, %s, %s, to_timestamp(%s), %s, %s, %s) ON CONFLICT DO NOTHING",
                (*place, event["op"], source["txId"], source["ts_us"] / 1e6, link, diff, SOURCE),
            )


def main() -> None:
    """Load so many events."""
    asked = json.load(sys.stdin)
    consumer = Consumer(
        {
            "bootstrap.servers": asked["brokers"],
            "group.id": f"bench-{time.time_ns()}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([asked["topic"]])
    loader = TicketLoader(asked["dsn"])
    message = None
    while message is None:
        message = consumer.poll(1)  # joining the group does not count
    start, cpu, done = time.perf_counter(), time.process_time(), 0
    while done < asked["records"]:
        if message is not None:
            key, value = message.key(), message.value()
            if message.error() is not None or key is None or value is None:
                raise RuntimeError(f"no event: {message.error()}")
            loader.handle(json.loads(value), json.loads(key))
            done += 1
        message = consumer.poll(1)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    consumer.close()
    print(json.dumps({"seconds": seconds, "records": done, "cpu": cpu}))


if __name__ == "__main__":
    main()
