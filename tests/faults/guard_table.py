"""The guards that hold exactly-once together, and the tests that must fail without them. One entry a guard.

`text` stands exactly once in `file`; it is replaced by `replacement`, and every test named must then fail (of a
test with parameters: at least one case). `python -m tests.faults.guards NAME...` tries some of them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guard:
    """One guard: what is taken out of which file, and who must notice."""

    name: str
    file: str
    text: str
    replacement: str
    tests: tuple[str, ...]


_LEDGER, _WRITER, _APPLY = "csrc/io/load/ledger.c", "csrc/io/load/writer.c", "csrc/io/load/apply.c"
_BY_HAND = "tests/faults/test_guarded.py::test_an_offset_that_somebody_else_changed_is_not_moved"
_OVERTAKEN = "tests/faults/test_fencing.py::test_overtaken_while_held"
_OVERTAKEN_LATE = "tests/faults/test_fencing.py::test_overtaken_while_its_commit_is_on_its_way"
_LOST = "tests/faults/test_wire.py::test_a_commit_whose_answer_is_lost_is_not_done_again"
_CUT = "tests/faults/test_wire.py::test_cut_at_every_step"
_ASKED = "tests/faults/test_wire.py::test_cut_again_while_asking_what_became_of_a_commit"

GUARDS: tuple[Guard, ...] = (
    Guard(
        "the offset moves only from where we left it",
        _LEDGER,
        " AND o.next_offset = p.old",
        "",
        (f"{_BY_HAND}[next_offset = next_offset + 1]",),
    ),
    Guard(
        "the offset moves only for the holder's generation",
        _LEDGER,
        " AND o.next_offset = p.old AND o.generation = p.generation",
        " AND o.next_offset = p.old",
        (f"{_BY_HAND}[generation = generation + 1]",),
    ),
    Guard(
        "the offset moves only for the holder's run",
        _LEDGER,
        " AND o.generation = p.generation AND o.run_id = $2::uuid RETURNING 1",
        " AND o.generation = p.generation RETURNING 1",
        (f"{_BY_HAND}[run_id = NULL]",),
    ),
    Guard(
        "a batch whose offsets did not move is rolled back",
        _LEDGER,
        "if (moved != expected)",
        "if (moved < 0)",
        (f"{_OVERTAKEN}[append-begin]",),
    ),
    Guard(
        "after a lost connection the offsets are asked whether the batch landed",
        _WRITER,
        "return hr_writer_resolve(writer, work->next, done, error);",
        "return hr_writer_reconnect(writer, error);",
        (f"{_LOST}[append]",),
    ),
    Guard(
        "the question after a lost connection waits for the lost session's end",
        _LEDGER,
        """    "UPDATE headrace.offsets o SET generation = o.generation + 1, updated_at = now() FROM unnest($3::text[], $4::int[], $5::bigint[])"
    " AS p(topic, partition, generation) WHERE o.job = $1 AND o.run_id = $2::uuid AND o.topic = p.topic AND o.partition = p.partition"
    " AND o.generation >= p.generation RETURNING o.topic, o.partition, o.next_offset, o.generation";
""",
        """    "SELECT o.topic, o.partition, o.next_offset, o.generation FROM headrace.offsets o, unnest($3::text[], $4::int[], $5::bigint[])"
    " AS p(topic, partition, generation) WHERE o.job = $1 AND o.run_id = $2::uuid AND o.topic = p.topic AND o.partition = p.partition"
    " AND o.generation >= p.generation";
""",
        (f"{_CUT}[append-commit-before-late]",),
    ),
    Guard(
        "a run whose last COMMIT was lost asks whether it landed",
        _WRITER,
        "if (rc != HR_ESERVER || !hr_pg_lost(writer->pg))\n        return rc;\n    /* The answer to COMMIT",
        "if (rc != HR_OK || !hr_pg_lost(writer->pg))\n        return rc;\n    /* The answer to COMMIT",
        (f"{_LOST}[end]",),
    ),
    Guard(
        "the question is asked again when it was cut off",
        _WRITER,
        "if (rc != HR_ESERVER || !hr_pg_lost(writer->pg) || writer->retries >= HR_WRITER_RETRIES)",
        "if (rc != HR_OK || writer->retries >= 0)",
        (f"{_ASKED}[True-resolved-before-cut]",),
    ),
    Guard(
        "a generation raised by a question without an answer is our own",
        _LEDGER,
        " AND o.generation >= p.generation RETURNING",
        " AND o.generation = p.generation RETURNING",
        (f"{_ASKED}[False-resolved-before-cut]", f"{_ASKED}[True-resolved-before-cut]"),
    ),
    Guard(
        "an overtaken run's receipt is closed after its last COMMIT",
        _LEDGER,
        "rc = hr_pg_query(pg, HR_SQL_LOCK, 3, values, NULL, error);",
        "rc = HR_OK;",
        (_OVERTAKEN_LATE,),
    ),
    Guard(
        "a stage is made anew on a new connection",
        _WRITER,
        "    writer->pg = NULL;\n    writer->stage_epoch = -1;",
        "    writer->pg = NULL;",
        (f"{_LOST}[upsert]", f"{_LOST}[replace]"),
    ),
    Guard(
        "the table is locked while a batch is written",
        _WRITER,
        '"BEGIN; LOCK TABLE ONLY %s IN %s MODE; ", target->quoted',
        '"BEGIN; -- %s %s\\n", target->quoted',
        ("tests/faults/test_guarded.py::test_the_definition_is_kept_while_a_batch_is_written",),
    ),
    Guard(
        "a changed table is noticed",
        _WRITER,
        "strcmp(PQgetvalue(rows, 0, 0), target->fingerprint) != 0",
        "strcmp(PQgetvalue(rows, 0, 0), target->fingerprint) == 2",
        ("tests/real/test_load_kafka.py::test_a_table_altered_between_batches_is_read_again",),
    ),
    Guard(
        "rows that a trigger drops are missed in the count of a COPY",
        _APPLY,
        "if (counted != n)",
        "if (counted < 0)",
        ("tests/real/test_load_modes.py::test_receipts_of_failed_runs_are_kept",),
    ),
    Guard(
        "a batch that the server refuses is sent again with care",
        _WRITER,
        "bool again = !lost && !writer->careful && hr_pg_is_data_error(error);",
        "bool again = false;",
        (
            "tests/real/test_load_kafka.py::test_a_whole_batch_that_the_server_refuses_does_not_stop_the_load",
            "tests/real/test_load_modes.py::test_foreign_keys_reject_the_offending_rows_only",
        ),
    ),
    Guard(
        "deferred constraints are checked row by row, not at COMMIT",
        _WRITER,
        '"SET CONSTRAINTS ALL IMMEDIATE; "',
        '" "',
        ("tests/real/test_load_modes.py::test_foreign_keys_reject_the_offending_rows_only",),
    ),
    Guard(
        "messages of aborted transactions are not read",
        "csrc/io/kafka/kafka_config.c",
        '{"isolation.level", "read_committed"}',
        '{"isolation.level", "read_uncommitted"}',
        ("tests/faults/test_guarded.py::test_messages_of_aborted_transactions_are_not_loaded",),
    ),
    Guard(
        "waits go by the clock that nobody sets",
        "csrc/io/load/worker.c",
        "    clock_gettime(CLOCK_MONOTONIC, &until);",
        "    clock_gettime(CLOCK_REALTIME, &until);",
        ("tests/faults/test_clock.py::test_a_wall_clock_that_is_set_back_does_not_hold_up_a_load",),
    ),
    Guard(
        "a load that cannot find out whether it was committed is not tried again blindly",
        _WRITER,
        "if (rc == HR_ESERVER && writer->config->one_off)",
        "if (rc == HR_OK && !landed && writer->lane_count < 0)",
        ("tests/faults/test_wire.py::test_a_load_that_cannot_be_continued_is_not_tried_again_blindly",),
    ),
    Guard(
        "the server asks whether a silent client is there",
        "csrc/io/postgres.c",
        "SET tcp_keepalives_idle = 30; ",
        "",
        ("tests/faults/test_guarded.py::test_a_wire_that_is_silently_gone_is_noticed_at_both_ends",),
    ),
    Guard(
        "we ask whether a silent server is there",
        "csrc/io/postgres.c",
        '{"30", "10", "6", dsn',
        '{"7200", "10", "6", dsn',
        ("tests/faults/test_guarded.py::test_a_wire_that_is_silently_gone_is_noticed_at_both_ends",),
    ),
    Guard(
        "a batch sees that commits before it are gone",
        "csrc/io/load/ledger.c",
        "        if (holds[i].next < old[i])\n",
        "        if (false)\n",
        ("tests/faults/test_lost_commits.py::test_a_batch_after_the_crash",),
    ),
    Guard(
        "a run that lost commits does not succeed",
        "csrc/io/load/ledger.c",
        "    if (failure == NULL && !same) {\n",
        "    if (failure != NULL && !same && failure == error) {\n",
        ("tests/faults/test_lost_commits.py::test_a_worker_that_had_finished",),
    ),
)
