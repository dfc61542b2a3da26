"""The guards against bad input, refusals, lost records and told secrets, and the tests that must fail without them.

The rest of guard_table.py.
"""

from __future__ import annotations

from tests.faults.guard_table import Guard

GUARDS: tuple[Guard, ...] = (
    # -- bad input ---------------------------------------------------------------------------------------------------
    Guard(
        "UTF-8 has no surrogates and nothing overlong",
        "csrc/core/utf8.c",
        "if ((lead == 0xe0 && p[1] < 0xa0) || (lead == 0xed && p[1] > 0x9f))",
        "if (lead == 0xe0 && p[1] < 0x80)",
        ("tests/faults/test_bad_json.py::test_decoded",),
    ),
    Guard(
        "UTF-8 ends at U+10FFFF",
        "csrc/core/utf8.c",
        "(lead == 0xf4 && p[1] > 0x8f)",
        "(lead == 0xf4 && p[1] > 0xbf)",
        ("tests/faults/test_bad_json.py::test_decoded",),
    ),
    Guard(
        "nesting has an end",
        "csrc/core/json/json_scan.c",
        "if (depth + level >= HR_MAX_DEPTH)",
        "if (depth + level >= HR_MAX_DEPTH - 1)",
        ("tests/faults/test_bad_json.py::test_decoded",),
    ),
    Guard(
        "a tombstone is rejected when the job says so",
        "csrc/io/load/work.c",
        "if (record->data == NULL && work->config->reject_tombstones)",
        "if (record->data == NULL && work->config == NULL)",
        ("tests/faults/test_bad_messages.py::test_messages_that_are_no_documents",),
    ),
    Guard(
        "a CSV header without records is checked too",
        "csrc/io/load/work.c",
        "if (chunk->header != NULL && chunk->count == 0)",
        "if (chunk->header != NULL && chunk->count < 0)",
        ("tests/faults/test_bad_csv.py::test_headers_of_files",),
    ),
    Guard(
        "a CSV header that does not fit is named with its file",
        "csrc/io/load/work.c",
        'return hr_error_set(error, HR_EUSAGE, "%s: %s", topic, why);',
        'return hr_error_set(error, HR_EUSAGE, "%s%.0s", why, topic);',
        ("tests/faults/test_bad_csv.py::test_headers_of_files",),
    ),
    Guard(
        "a compressed file is tried out whole before it is loaded",
        "csrc/io/source/source_file.c",
        'if (lane->next == 0 && strcmp(lane->path, "-") != 0)',
        "if (lane->next < 0)",
        ("tests/faults/test_bad_files.py::test_a_damaged_file_is_named_and_nothing_of_it_is_loaded",),
    ),
    Guard(
        "a file that was cut is noticed",
        "csrc/io/source/framer.c",
        "if (framer->options.end != INT64_MAX)",
        "if (framer->options.end < 0)",
        ("tests/faults/test_bad_files.py::test_a_file_that_shrinks_is_an_error",),
    ),
    Guard(
        "a batch gives its memory back after a huge record",
        "csrc/io/load/work.c",
        "    hr_work_trim(work);\n    return target",
        "    if (work->config == NULL)\n        hr_work_trim(work);\n    return target",
        ("tests/faults/test_bad_large.py::test_lines_of_100_mb",),
    ),
    # -- what the server refuses -------------------------------------------------------------------------------------
    Guard(
        "a row that a policy forbids is a reject",
        "csrc/io/postgres.c",
        'strcmp(where, "ExecWithCheckOptions") == 0',
        'strcmp(where, "?") == 0',
        ("tests/faults/test_server_refusals.py::test_row_security",),
    ),
    Guard(
        "a trigger's own states are rejects",
        "csrc/io/postgres.c",
        'if (strchr("6789IJKLMNOPQRSTUVWYZ", state[0]) != NULL)',
        'if (strchr("6", state[0]) != NULL)',
        ("tests/faults/test_server_refusals.py::test_refused_rows_are_rejected_alone",),
    ),
    Guard(
        "a failed connection is judged by the server's state, not by its words",
        "csrc/io/postgres.c",
        "PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);",
        "PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);",
        ("tests/faults/test_server_away.py::test_a_refusal_is_known_by_its_state_in_any_language",),
    ),
    Guard(
        "a full disk can be tried again",
        "csrc/io/postgres.c",
        'strncmp(state, "53", 2) == 0',
        'strncmp(state, "53200", 5) == 0',
        ("tests/faults/test_disk_full.py::test_a_full_disk_is_retriable_and_the_next_run_goes_on",),
    ),
    # -- what the broker has lost ------------------------------------------------------------------------------------
    Guard(
        "a gap that retention has left stops the load",
        "csrc/io/source/source_kafka.c",
        "} else if (!source->lost_earliest) {",
        "} else if (source->topic == NULL) {",
        (
            "tests/faults/test_broker.py::test_retention_that_was_faster_fails_with_the_gap_named_and_moves_nothing",
        ),
    ),
    Guard(
        "a gap that is passed over is on the receipt",
        "csrc/io/source/source_kafka.c",
        "lane->lost += from > lane->next ? from - lane->next : 0;",
        "lane->lost += 0;",
        ("tests/faults/test_broker.py::test_all_records_lost_is_told_too",),
    ),
    # -- secrets -----------------------------------------------------------------------------------------------------
    Guard(
        "a connection string that cannot be read is not shown",
        "python/headrace/dsn.py",
        "        if pair is None:\n            return None, True\n",
        "        if pair is None:\n            return dsn, True\n",
        ("tests/faults/test_secrets.py::test_wrong_connection_strings_are_not_repeated",),
    ),
    Guard(
        "a port that is no number is not shown",
        "csrc/io/postgres.c",
        """readable = option->val[strspn(option->val, "0123456789, ")] == '\\0';""",
        "readable = true;",
        ("tests/faults/test_secrets.py::test_wrong_connection_strings_are_not_repeated",),
    ),
    Guard(
        "a host with an at sign in it is not shown",
        "csrc/io/postgres.c",
        "readable = hr_pg_hosts(option->val);",
        "readable = true;",
        ("tests/faults/test_secrets.py::test_wrong_connection_strings_are_not_repeated",),
    ),
    Guard(
        "a Kafka URL that cannot be read is not shown",
        "python/headrace/_source.py",
        "(?:/+([\\w.%-]*)/*)?",
        "(?:/+([^?]*)/*)?",
        ("tests/faults/test_secrets.py::test_kafka_urls_are_not_repeated",),
    ),
)
