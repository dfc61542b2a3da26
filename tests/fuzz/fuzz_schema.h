/* tests/fuzz/fuzz_schema.h: one schema with a column of every kind, and what must hold after every record. */
#ifndef HR_TESTS_FUZZ_SCHEMA_H
#define HR_TESTS_FUZZ_SCHEMA_H

#include "core/decode/decode.h"
#include "fuzz.h"

/* A column a kind, called by its letter from "a" on; then paths, the rest and metadata. */
static hr_schema *fuzz_schema(void)
{
    static const char *const labels[] = {"new", "paid", "sent"};
    static const hr_type element = {.kind = HR_TEXT, .typmod = -1, .scale = -1, .max_chars = -1, .name = "text"};
    static const struct {
        const char *name, *source;
        hr_kind kind;
    } extra[] = {
        {"city", "customer.address.city", HR_TEXT},
        {"zip", "customer.address.zip", HR_INT4},
        {"customer", NULL, HR_JSON},
        {"deep", "x.y.z", HR_JSONB},
        {"rest", "$rest", HR_JSONB},
        {"raw", "$raw", HR_TEXT},
        {"at", "$timestamp", HR_TIMESTAMPTZ},
        {"position", "$offset", HR_INT8},
    };
    hr_schema *schema;

    FUZZ_REQUIRE(hr_schema_new(&schema, NULL) == HR_OK);
    for (int kind = 0; kind < HR_KIND_COUNT + (int)(sizeof(extra) / sizeof(extra[0])); kind++) {
        bool special = kind >= HR_KIND_COUNT;
        hr_type type = {.kind = special ? extra[kind - HR_KIND_COUNT].kind : (hr_kind)kind, .typmod = -1, .scale = -1, .max_chars = -1};
        char letter[2] = {(char)('a' + kind), '\0'};
        int32_t column;

        type.name = hr_type_table[type.kind]->name;
        if (type.kind == HR_DECIMAL) {
            type.precision = 12;
            type.scale = 2;
        }
        if (type.kind == HR_VARCHAR || type.kind == HR_BPCHAR)
            type.max_chars = 8;
        if (type.kind == HR_TIMESTAMP || type.kind == HR_TIMESTAMPTZ)
            type.unit = HR_UNIT_MS;
        if (type.kind == HR_ENUM) {
            type.labels = labels;
            type.label_count = 3;
        }
        if (type.kind == HR_ARRAY) {
            type.element = &element;
            type.delimiter = ',';
        }
        const char *name = special ? extra[kind - HR_KIND_COUNT].name : letter;
        FUZZ_REQUIRE(hr_schema_add(schema, name, &type, false, kind % 3 == 0, &column, NULL) == HR_OK);
        if (special && extra[kind - HR_KIND_COUNT].source != NULL)
            FUZZ_REQUIRE(hr_schema_map(schema, column, extra[kind - HR_KIND_COUNT].source, NULL) == HR_OK);
    }
    return schema;
}

/* Decode one record; the batch must have grown by exactly one whole row, or not at all. */
static int fuzz_decode(hr_decoder *decoder, hr_batch *batch, const char *data, size_t n)
{
    hr_record record = {.data = data, .len = n, .offset = 7, .timestamp = 1767225600000000, .line = 1};
    int64_t before = batch->length;
    hr_error error;
    int rc;

    hr_error_clear(&error);
    rc = hr_decoder_decode(decoder, &record, batch, &error);
    FUZZ_REQUIRE(rc == HR_OK || rc == HR_EDATA || rc == HR_ENOMEM);
    FUZZ_REQUIRE(batch->length == before + (rc == HR_OK));
    FUZZ_REQUIRE(rc != HR_EDATA || (error.reason != HR_REASON_NONE && error.message[0] != '\0'));
    FUZZ_REQUIRE(error.offset >= -1 && error.offset <= (int64_t)n);
    for (int32_t i = 0; i < batch->schema->count; i++)
        FUZZ_REQUIRE(batch->columns[i].length == batch->length);
    if (rc == HR_OK) {
        static hr_buffer text;
        for (int32_t i = 0; i < batch->schema->count; i++) { /* what was read can be written */
            const hr_column *column = &batch->columns[i];
            text.size = 0;
            if (hr_column_is_null(column, before))
                continue;
            rc = hr_type_ops_of(column->type)->write_text(column->type, column, before, &text, &error);
            /* but jsonb, whose numbers are written without exponents: 1e131071 a thousand times is refused */
            FUZZ_REQUIRE(rc == HR_OK || (rc == HR_EDATA && column->type->kind == HR_JSONB));
        }
        rc = HR_OK;
    }
    if (batch->length >= 64)
        hr_batch_clear(batch);
    return rc;
}

#endif
