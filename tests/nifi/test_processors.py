"""Every processor in a real NiFi: listed, valid, and with good and bad input exact counts at every relationship."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from headrace.nifi.install import processors

from stack import kafka, postgres
from stack.nifi import Rest
from tests.nifi.nifi_kit import Bench, FlowFile, bench
from tests.real.load_kit import PURCHASES, execute, produce, purchase, rows

Maker = Callable[..., Bench]


@pytest.fixture
def make(rest: Rest) -> Iterator[Maker]:
    """Makes a processor with queues; its group is deleted afterwards."""
    made: list[Bench] = []

    def new(kind: str, **properties: str) -> Bench:
        made.append(bench(rest, kind, {name.replace("_", " "): value for name, value in properties.items()}))
        return made[-1]

    yield new
    for one in made:
        rest.delete_group(one.group)


@pytest.fixture
def shop(dsn: str) -> str:
    execute(dsn, PURCHASES)
    return dsn


def target(dsn: str, password: str, **more: str) -> dict[str, str]:
    """The properties of a processor that loads into shop.purchases."""
    return {"Database": without_passfile(dsn), "Password": password, "Table": "shop.purchases"} | more


def without_passfile(dsn: str) -> str:
    """The connection string alone, so that only the property Password can have let anybody in."""
    parts = {key: value for key, value in psycopg.conninfo.conninfo_to_dict(dsn).items() if key != "passfile"}
    return psycopg.conninfo.make_conninfo("", **parts)


def only(found: list[FlowFile]) -> FlowFile:
    assert len(found) == 1
    return found[0]


def rejected(dsn: str) -> int:
    return int(rows(dsn, "SELECT count(*) FROM headrace.dead_letters WHERE replayed_at IS NULL")[0][0])


def test_all_processors_are_in_the_palette(rest: Rest) -> None:
    types = rest.types()
    for file in processors():
        entry = types[file.stem]
        assert "headrace" in entry["tags"]
        assert len(entry["description"]) > 80


def test_kafka_good_then_bad_then_nothing(
    make: Maker, shop: str, pg: postgres.Server, broker: kafka.Broker, topic: str
) -> None:
    tested = make(
        "LoadKafkaToPostgres",
        **target(shop, pg.password, Topic=topic, Kafka_Brokers=broker.bootstrap, Job="nifi"),
    )
    produce(broker.bootstrap, topic, (purchase(n) for n in range(2000)))
    tested.feed()
    out = tested.run()
    assert tested.counts() == {"success": 1, "original": 1}
    attributes, content = only(out["success"])
    assert (attributes["headrace.read"], attributes["headrace.loaded"]) == ("2000", "2000")
    assert (attributes["headrace.rejected"], attributes["record.count"]) == ("0", "2000")
    assert json.loads(content)["loaded"] == 2000
    assert pg.password not in json.dumps(attributes) + content.decode()

    produce(
        broker.bootstrap, topic, [*(purchase(n) for n in range(2000, 2010)), b"{broken", b'{"amount": 1}']
    )
    tested.feed()
    out = tested.run()
    assert tested.counts() == {"success": 1, "original": 2, "rejects": 1}
    attributes, content = only(out["rejects"])
    assert [attributes[f"headrace.{name}"] for name in ("read", "loaded", "rejected")] == ["12", "10", "2"]
    assert sum(json.loads(content)["rejects"].values()) == 2
    assert rejected(shop) == 2

    tested.feed()
    tested.run()
    assert tested.counts() == {"success": 2, "original": 3, "rejects": 1}
    assert rows(shop, "SELECT count(*) FROM shop.purchases") == [(2010,)]


def test_a_topic_that_is_not_there_is_a_failure(
    make: Maker, shop: str, pg: postgres.Server, broker: kafka.Broker
) -> None:
    tested = make(
        "LoadKafkaToPostgres",
        **target(shop, pg.password, Topic="no-${test.topic}-${test.topic}", Kafka_Brokers=broker.bootstrap),
    )
    tested.feed(attributes={"test.topic": "such"})
    out = tested.run()
    attributes, _ = only([*out["failure"], *out["retry"]])
    assert '"no-such-such"' in attributes["headrace.error"]
    assert attributes["headrace.error.code"]
    assert out["success"] == out["rejects"] == []


def test_a_server_that_is_away_is_retried_and_a_missing_table_is_not(
    make: Maker, shop: str, pg: postgres.Server, tmp_path: Path
) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps(purchase(1)) + "\n")
    tested = make(
        "LoadFilesToPostgres",
        **{
            "Database": without_passfile(shop) + " port=${test.port}",
            "Password": pg.password,
            "Table": "shop.${test.table}",
            "Path": str(file),
        },
    )
    tested.feed(attributes={"test.port": "1", "test.table": "purchases"})
    tested.feed(attributes={"test.port": str(pg.port), "test.table": "no_such_table"})
    out = tested.run(2)
    assert tested.counts() == {"retry": 1, "failure": 1, "original": 1}
    assert "headrace.error" in only(out["retry"])[0]
    assert "no_such_table" in only(out["failure"])[0]["headrace.error"]
    assert any("no_such_table" in text for text in tested.rest.bulletins())


def test_files_by_path_and_by_content(make: Maker, shop: str, pg: postgres.Server, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_text("".join(json.dumps(purchase(n)) + "\n" for n in range(500)))
    bad.write_text("".join(json.dumps(purchase(n)) + "\n" for n in range(500, 600)) + "{no\nnull\n")
    tested = make("LoadFilesToPostgres", **target(shop, pg.password, Job="files"))
    for name in ("good.jsonl", "bad.jsonl", "missing.jsonl", "good.jsonl"):
        tested.feed(attributes={"absolute.path": str(tmp_path), "filename": name})
    out = tested.run(4)
    assert tested.counts() == {"success": 2, "rejects": 1, "failure": 1, "original": 3}
    assert sorted(one["headrace.loaded"] for one, _ in out["success"]) == ["0", "500"]  # loaded once
    assert [one["headrace.rejected"] for one, _ in out["rejects"]] == ["2"]
    assert "missing.jsonl" in only(out["failure"])[0]["headrace.error"]
    assert rows(shop, "SELECT count(*) FROM shop.purchases") == [(600,)]

    spool = tmp_path / "spool"
    inside = make(
        "LoadFilesToPostgres",
        **target(shop, pg.password, Job="content", Source="content", Spool_Folder=str(spool)),
    )
    execute(shop, "ALTER TABLE shop.purchases RENAME TO away")
    inside.feed("{}\n", {"filename": "in.jsonl"})
    assert len(inside.run()["failure"]) == 1
    execute(shop, "ALTER TABLE shop.away RENAME TO purchases")
    assert list(spool.iterdir()) == []
    lines = "".join(json.dumps(purchase(n)) + "\n" for n in range(600, 700))
    inside.feed(lines, {"filename": "in.jsonl"})
    inside.feed(lines + "{no\n", {"filename": "in.jsonl"})
    inside.run(2)
    assert inside.counts() == {"success": 1, "rejects": 1, "original": 2, "failure": 1}
    assert rows(shop, "SELECT count(*) FROM shop.purchases") == [(800,)]
    assert list(spool.iterdir()) == []


def test_dead_letters_are_replayed(make: Maker, shop: str, pg: postgres.Server, tmp_path: Path) -> None:
    file = tmp_path / "letters.jsonl"
    file.write_text("".join(json.dumps(purchase(n, amount=-n if n < 3 else n)) + "\n" for n in range(1, 10)))
    loader = make("LoadFilesToPostgres", **target(shop, pg.password, Job="letters", Path=str(file)))
    loader.feed()
    loader.run()
    assert loader.counts() == {"rejects": 1, "original": 1}
    assert rejected(shop) == 2

    tested = make(
        "ReplayDeadLetters",
        **{
            "Database": without_passfile(shop),
            "Password": pg.password,
            "Dead Letters of Job": "letters",
        },
    )
    tested.feed()
    tested.run()
    assert tested.counts() == {"rejects": 1, "original": 1}  # the table is as it was
    execute(shop, "ALTER TABLE shop.purchases DROP CONSTRAINT purchases_amount_check")
    tested.feed()
    tested.feed()
    out = tested.run(2)
    assert tested.counts() == {"success": 2, "rejects": 1, "original": 3}
    assert sorted(one["headrace.loaded"] for one, _ in out["success"]) == ["0", "2"]
    assert rejected(shop) == 0
    assert rows(shop, "SELECT count(*) FROM shop.purchases") == [(9,)]


def test_partitions_have_what_came_in(make: Maker) -> None:
    tested = make("PartitionRecords", Time_Column="purchased_at")
    records = [purchase(n, channel=None if n % 5 else "web") for n in range(8000)]
    for record in records[:4]:
        record["purchased_at"] = "no time"
    tested.feed(json.dumps(records), {"filename": "purchases.json"})
    tested.feed("[{broken", {"filename": "broken.json"})
    out = tested.run(2, patience=180)
    assert tested.counts() == {"success": 4, "rejects": 1, "original": 1, "failure": 1}
    parts = [(one, json.loads(content)) for one, content in out["success"]]
    assert {one["headrace.partition"] for one, _ in parts} == {"2026-W36", "2026-W37", "2026-W38", "2026-W39"}
    assert len({one["filename"] for one, _ in parts}) == 4
    assert sorted(int(one["record.count"]) for one, _ in parts) == [1996, 2000, 2000, 2000]
    assert all(int(one["record.count"]) == len(content) for one, content in parts)
    refused = json.loads(only(out["rejects"])[1])
    assert sum(len(content) for _, content in parts) + len(refused) == 8000
    back = sorted(
        [*refused, *(row for _, content in parts for row in content)], key=lambda row: row["purchase_id"]
    )
    assert back == records


def test_hash_keys_are_those_of_the_library(make: Maker) -> None:
    import headrace

    tested = make("HashKeys", Hashed_Columns="customer,number", Types="number=bigint", Hash_Field="hk")
    records = [{"customer": f" c{n} ", "number": n, "note": None} for n in range(500)]
    bad = [{"customer": "x", "number": "seven", "note": "?"}]
    tested.feed(json.dumps(records + bad), {"filename": "a.json"})
    tested.feed(json.dumps([{"customer": "x", "number": 1, "hk": "taken"}]), {"filename": "b.json"})
    out = tested.run(2)
    assert tested.counts() == {"success": 1, "rejects": 1, "original": 1, "failure": 1}
    schema = headrace.Schema([("customer", "text"), ("number", "bigint")])
    batch, _ = headrace.decode_json("\n".join(json.dumps(record) for record in records), schema)
    expected = headrace.hash_keys(batch, ["customer", "number"], output="hex")
    found = json.loads(only(out["success"])[1])
    assert [row["hk"] for row in found] == [expected.column_text(2, row) for row in range(500)]
    assert [{**row, "hk": 0} for row in found] == [{**record, "hk": 0} for record in records]
    attributes, content = only(out["rejects"])
    assert attributes["headrace.reason"] == "type"
    assert json.loads(content) == bad


def test_windows_count_and_tell_what_is_late(make: Maker) -> None:
    tested = make("WindowDistinct", Time_Column="ts", Distinct_Columns="uid", Allowed_Lateness="60s")
    lines = [{"ts": f"2026-11-21T10:{n // 60:02}:{n % 60:02}Z", "uid": n % 7} for n in range(300)]
    tested.feed("\n".join(json.dumps(line) for line in lines))
    late = [*lines, {"ts": "2026-11-21T10:00:00Z", "uid": 99}]
    tested.feed("\n".join(json.dumps(line) for line in late))
    out = tested.run(2)
    assert tested.counts() == {"success": 1, "rejects": 1, "original": 2}
    minutes = [json.loads(line) for line in only(out["success"])[1].splitlines()]
    assert [(row["distinct_uid"], row["records"]) for row in minutes] == [(7, 60)] * 5
    attributes, content = only(out["rejects"])
    assert content == only(out["success"])[1]
    assert json.loads(attributes["headrace.reasons"]) == {"late": 1}
    assert (attributes["headrace.read"], attributes["headrace.loaded"]) == ("301", "300")


def test_what_cannot_be_is_said_before_it_runs(make: Maker, rest: Rest) -> None:
    tested = make("ReplayDeadLetters", **{"Database": "dbname=x", "Dead Letters of Job": "j"})
    rest.change(tested.processor, {"config": {"properties": {"Database": "dbname=x password=secret"}}})
    rest.until(
        lambda: rest.processor(tested.processor)["component"]["validationStatus"] == "INVALID",
        30,
        "a verdict",
    )
    errors = rest.processor(tested.processor)["component"]["validationErrors"]
    assert any("password" in error for error in errors)
    assert not any("secret" in error for error in errors)
    rest.change(tested.processor, {"config": {"properties": {"Database": "dbname=x"}}})
    rest.wait_valid(tested.group)
