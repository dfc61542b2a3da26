/* tests/core/test_batch.c: errors, arenas, buffers, schemas, columns and batches; and that no failing allocation hurts any of them. */
#include "check.h"
#include "core/batch.h"
#include "faults.h"

static hr_type plain(hr_kind kind)
{
    return (hr_type){.kind = kind, .typmod = -1, .scale = -1, .max_chars = -1, .name = "t"};
}

/* ---- errors ---- */

static void test_error(void)
{
    static const struct {
        hr_code code;
        bool retriable, fatal;
    } flags[] = {{HR_ENOMEM, true, false}, {HR_EUSAGE, false, true},   {HR_EDATA, false, false},   {HR_ESCHEMA, false, true},
                 {HR_ESERVER, true, false}, {HR_EKAFKA, true, false},  {HR_EIO, true, false},      {HR_EFENCED, false, true},
                 {HR_EBALANCE, false, true}, {HR_ECANCELLED, false, false}};
    char longest[3000];
    hr_error error;

    memset(&error, 0xee, sizeof(error));
    hr_error_clear(&error);
    CHECK(error.code == HR_OK && error.row == -1 && error.column == -1 && error.offset == -1 && error.value == NULL &&
          error.sqlstate[0] == '\0' && error.message[0] == '\0' && error.reason == HR_REASON_NONE);
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        CHECK(hr_error_set(&error, flags[i].code, "%s %d", "value", 7) == (int)flags[i].code);
        CHECK(error.code == flags[i].code && error.retriable == flags[i].retriable && error.fatal == flags[i].fatal, "code %zu", i);
        CHECK_TEXT(error.message, strlen(error.message), "value 7");
        CHECK(hr_error_set(NULL, flags[i].code, "nobody listens") == (int)flags[i].code);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(hr_code_name(flags[i].code), hr_code_name(flags[k].code)) != 0);
    }
    CHECK(hr_error_data(&error, HR_REASON_RANGE, "300", 3, "too large") == HR_EDATA);
    CHECK(error.reason == HR_REASON_RANGE && error.value_len == 3 && error.row == -1 && !error.fatal && !error.retriable);
    CHECK(hr_error_data(NULL, HR_REASON_RANGE, NULL, 0, "too large") == HR_EDATA);
    CHECK(hr_error_nomem(&error) == HR_ENOMEM && error.retriable && hr_error_nomem(NULL) == HR_ENOMEM);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    hr_error_set(&error, HR_EIO, "%s", longest);
    CHECK(strlen(error.message) == HR_ERROR_MESSAGE_SIZE - 1);
    for (int i = 0; i < HR_REASON_COUNT; i++)
        for (int k = 0; k < i; k++)
            CHECK(strcmp(hr_reason_name((hr_reason)i), hr_reason_name((hr_reason)k)) != 0);
    CHECK_TEXT(hr_reason_name(HR_REASON_UNKNOWN_KEY), strlen(hr_reason_name(HR_REASON_UNKNOWN_KEY)), "unknown_key");
    CHECK_TEXT(hr_reason_name((hr_reason)-1), 4, "none");
    CHECK_TEXT(hr_code_name((hr_code)99), 7, "unknown");
}

/* ---- arenas and buffers ---- */

/* Blocks of all sizes: aligned, apart from each other, whole after later ones came. */
static void test_arena(void)
{
    static const size_t chunk_sizes[] = {0, 1, 16, 100, 4096};

    for (size_t c = 0; c < sizeof(chunk_sizes) / sizeof(chunk_sizes[0]); c++) {
        hr_arena arena;
        uint8_t *blocks[300];
        hr_arena_init(&arena, chunk_sizes[c]);
        for (int round = 0; round < 3; round++) {
            for (size_t i = 0; i < 300; i++) {
                blocks[i] = hr_arena_alloc(&arena, i * 7 % 301);
                CHECK(blocks[i] != NULL && (uintptr_t)blocks[i] % 16 == 0);
                memset(blocks[i], (int)i, i * 7 % 301);
            }
            bool whole = true;
            for (size_t i = 0; i < 300; i++)
                for (size_t k = 0; k < i * 7 % 301; k++)
                    whole = whole && blocks[i][k] == (uint8_t)i;
            CHECK(whole, "chunks of %zu", chunk_sizes[c]);
            hr_arena_reset(&arena);
        }
        CHECK(hr_arena_alloc(&arena, SIZE_MAX) == NULL && hr_arena_alloc(&arena, SIZE_MAX - 20) == NULL);
        CHECK(hr_arena_copy(&arena, "x", SIZE_MAX) == NULL);
        char *copy = hr_arena_copy(&arena, "a\0b", 3);
        CHECK(copy != NULL && memcmp(copy, "a\0b", 4) == 0);
        copy = hr_arena_copy(&arena, NULL, 0);
        CHECK(copy != NULL && copy[0] == '\0');
        hr_arena_free(&arena);
        CHECK(hr_arena_alloc(&arena, 5) != NULL); /* usable again */
        hr_arena_free(&arena);
    }
    /* A reset arena needs no new memory for what it held before. */
    hr_arena arena;
    hr_arena_init(&arena, 64);
    for (int i = 0; i < 50; i++)
        CHECK(hr_arena_alloc(&arena, 48) != NULL);
    hr_arena_reset(&arena);
    hr_fault_arm(1, true);
    for (int i = 0; i < 50; i++)
        CHECK(hr_arena_alloc(&arena, 48) != NULL);
    CHECK(hr_arena_alloc(&arena, 48) == NULL && hr_fault_fired());
    CHECK(hr_arena_copy(&arena, "0123456789", 10) == NULL || hr_fault_fired());
    hr_fault_arm(0, false);
    CHECK(hr_arena_alloc(&arena, 48) != NULL);
    hr_arena_free(&arena);
}

static void test_buffer(void)
{
    hr_buffer buffer = {0};
    hr_error error;

    CHECK(hr_buffer_append(&buffer, NULL, 0, &error) == HR_OK && buffer.size == 0);
    for (int i = 0; i < 1000; i++)
        CHECK(hr_buffer_append(&buffer, &(uint8_t){(uint8_t)i}, 1, &error) == HR_OK);
    bool whole = buffer.size == 1000;
    for (size_t i = 0; i < buffer.size; i++)
        whole = whole && buffer.data[i] == (uint8_t)i;
    CHECK(whole);
    CHECK(hr_buffer_reserve(&buffer, SIZE_MAX / 2, &error) == HR_ENOMEM && hr_buffer_reserve(&buffer, SIZE_MAX, &error) == HR_ENOMEM);
    uint8_t *data = buffer.data;
    size_t capacity = buffer.capacity;
    hr_fault_arm(1, false);
    CHECK(hr_buffer_reserve(&buffer, capacity, &error) == HR_ENOMEM && error.code == HR_ENOMEM);
    hr_fault_arm(0, false);
    CHECK(buffer.data == data && buffer.size == 1000 && buffer.capacity == capacity);
    hr_buffer_free(&buffer);
    CHECK(buffer.data == NULL && buffer.size == 0 && buffer.capacity == 0);
    hr_buffer_free(&buffer);
}

/* ---- schemas ---- */

static void test_schema(void)
{
    hr_type text = plain(HR_TEXT), json = plain(HR_JSON);
    hr_schema *schema;
    hr_error error;
    int32_t index;

    CHECK(hr_schema_new(&schema, &error) == HR_OK);
    CHECK(hr_schema_find(schema, "a") == -1);
    CHECK(hr_schema_add(schema, "a", &text, true, false, &index, &error) == HR_OK && index == 0);
    CHECK(hr_schema_add(schema, "b", &json, false, true, &index, &error) == HR_OK && index == 1);
    CHECK(hr_schema_add(schema, "c", &text, false, true, NULL, &error) == HR_OK);
    CHECK(hr_schema_add(schema, "b", &text, false, true, &index, &error) == HR_EUSAGE && strstr(error.message, "\"b\"") != NULL);
    CHECK(schema->count == 3 && schema->default_count == 2);
    CHECK(hr_schema_find(schema, "c") == 2 && hr_schema_find(schema, "C") == -1);
    CHECK(hr_schema_default_bit(schema, 0) == -1 && hr_schema_default_bit(schema, 1) == 0 && hr_schema_default_bit(schema, 2) == 1);
    CHECK(schema->columns[0].from == HR_FROM_PATH && schema->columns[0].depth == 1);
    CHECK_TEXT(schema->columns[0].path[0], schema->columns[0].path_len[0], "a");

    /* Paths: dots cut, a backslash keeps them and itself. */
    static const struct {
        const char *source;
        int depth;
        const char *keys[3];
    } paths[] = {{"x", 1, {"x"}},
                 {"customer.address.city", 3, {"customer", "address", "city"}},
                 {"a\\.b.c", 2, {"a.b", "c"}},
                 {"a\\\\.b", 2, {"a\\", "b"}},
                 {"a\\x", 1, {"a\\x"}},
                 {"\\.", 1, {"."}},
                 {" spaced key ", 1, {" spaced key "}}};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        CHECK(hr_schema_map(schema, 0, paths[i].source, &error) == HR_OK, "%s", paths[i].source);
        CHECK(schema->columns[0].depth == paths[i].depth && schema->columns[0].from == HR_FROM_PATH);
        for (int k = 0; k < paths[i].depth; k++)
            CHECK_TEXT(schema->columns[0].path[k], schema->columns[0].path_len[k], paths[i].keys[k]);
    }
    static const char *const wrong[] = {"", ".", "a.", ".a", "a..b", "$nothing", "$", "$REST",
                                        "1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK(hr_schema_map(schema, 0, wrong[i], &error) == HR_EUSAGE && error.message[0] != '\0', "%s", wrong[i]);
        CHECK_TEXT(schema->columns[0].path[0], schema->columns[0].path_len[0], " spaced key "); /* as before */
    }
    CHECK(hr_schema_map(schema, 0, "1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2", &error) == HR_OK);
    CHECK(schema->columns[0].depth == 32);
    static const struct {
        const char *source;
        hr_from from;
    } specials[] = {{"$raw", HR_FROM_RAW}, {"$key", HR_FROM_KEY}, {"$topic", HR_FROM_TOPIC}, {"$partition", HR_FROM_PARTITION},
                    {"$offset", HR_FROM_OFFSET}, {"$timestamp", HR_FROM_TIMESTAMP}};
    for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
        CHECK(hr_schema_map(schema, 0, specials[i].source, &error) == HR_OK && schema->columns[0].from == specials[i].from);
    CHECK(hr_schema_map(schema, 0, "$rest", &error) == HR_EUSAGE && strstr(error.message, "json") != NULL);
    CHECK(schema->columns[0].from == HR_FROM_TIMESTAMP);
    CHECK(hr_schema_map(schema, 1, "$rest", &error) == HR_OK && schema->columns[1].from == HR_FROM_REST);
    CHECK(hr_schema_map(schema, 3, "x", &error) == HR_EUSAGE && hr_schema_map(schema, -1, "x", &error) == HR_EUSAGE);
    hr_schema_release(hr_schema_retain(schema));
    hr_schema_release(schema);
    hr_schema_release(NULL);
}

/* 64 columns with a default fit in the absent word, the 65th does not; without default there is no such limit. */
static void test_schema_defaults(void)
{
    hr_type text = plain(HR_TEXT);
    hr_schema *schema;
    hr_error error;
    char name[32];

    CHECK(hr_schema_new(&schema, &error) == HR_OK);
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "c%d", i);
        CHECK(hr_schema_add(schema, name, &text, false, true, NULL, &error) == HR_OK);
    }
    CHECK(hr_schema_add(schema, "more", &text, false, true, NULL, &error) == HR_EUSAGE && strstr(error.message, "\"more\"") != NULL);
    CHECK(hr_schema_add(schema, "more", &text, false, false, NULL, &error) == HR_OK);
    CHECK(schema->count == 65 && schema->default_count == 64 && hr_schema_default_bit(schema, 63) == 63);
    hr_schema_release(schema);
}

static void test_schema_faults(void)
{
    hr_type text = plain(HR_TEXT);
    bool fired = true;

    for (long n = 1; fired; n++) {
        hr_schema *schema;
        hr_error error;
        char name[32];
        int32_t count = 0;
        hr_fault_arm(n, false);
        int rc = hr_schema_new(&schema, &error);
        if (rc != HR_OK) {
            CHECK(rc == HR_ENOMEM && schema == NULL);
            continue;
        }
        for (int i = 0; i < 40; i++) {
            snprintf(name, sizeof(name), "column%d", i);
            rc = hr_schema_add(schema, name, &text, false, i < 3, NULL, &error);
            CHECK(rc == HR_OK || rc == HR_ENOMEM);
            count += rc == HR_OK;
            CHECK(schema->count == count && (rc == HR_OK) == (hr_schema_find(schema, name) >= 0));
        }
        for (int i = 0; i < 100 && count > 0; i++) {
            hr_column_def before = schema->columns[0];
            rc = hr_schema_map(schema, 0, "a.long.path.with.many.keys.that.needs.memory.from.the.arena", &error);
            CHECK(rc == HR_OK || (rc == HR_ENOMEM && memcmp(&before, &schema->columns[0], sizeof(before)) == 0));
        }
        CHECK(count >= 39);
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        hr_schema_release(schema);
    }
}

/* ---- columns ---- */

/* Append the i-th value of this column's kind; every third is null. */
static int append(hr_column *column, int64_t i, hr_error *error)
{
    uint8_t bytes[300];

    if (i % 3 == 2)
        return hr_column_append_null(column, error);
    memset(bytes, (int)i, sizeof(bytes));
    switch (column->type->kind) {
    case HR_BOOL: return hr_column_append_bool(column, i % 2, error);
    case HR_INT2: return hr_column_append_int16(column, (int16_t)i, error);
    case HR_INT4: return hr_column_append_int32(column, (int32_t)i, error);
    case HR_INT8: return hr_column_append_int64(column, i * INT64_C(5000000000), error);
    case HR_FLOAT8: return hr_column_append_double(column, (double)i / 3, error);
    case HR_DECIMAL: return hr_column_append_decimal(column, (hr_decimal128){(uint64_t)i, -i}, error);
    case HR_INTERVAL: return hr_column_append_interval(column, (hr_interval){(int32_t)i, 1, -i}, error);
    case HR_UUID: return hr_column_append_16(column, bytes, error);
    case HR_TEXT: return hr_column_append_bytes(column, bytes, (size_t)(i % 300), error);
    default: break;
    }
    /* A list of i % 4 elements; on failure what was appended to the child is taken back. */
    for (int64_t k = 0; k < i % 4; k++) {
        int rc = append(column->child, i + k, error);
        if (rc != HR_OK) {
            hr_column_truncate(column, column->length);
            return rc;
        }
    }
    int rc = hr_column_append_list(column, error);
    if (rc != HR_OK)
        hr_column_truncate(column, column->length);
    return rc;
}

static bool right(const hr_column *column, int64_t row, int64_t i)
{
    uint8_t bytes[300];
    const char *got;
    size_t n;

    if (hr_column_is_null(column, row) != (i % 3 == 2))
        return false;
    if (i % 3 == 2)
        return column->offsets == NULL || column->offsets[row] == column->offsets[row + 1];
    memset(bytes, (int)i, sizeof(bytes));
    switch (column->type->kind) {
    case HR_BOOL: return hr_column_get_bool(column, row) == i % 2;
    case HR_INT2: return hr_column_get_int16(column, row) == (int16_t)i;
    case HR_INT4: return hr_column_get_int32(column, row) == (int32_t)i;
    case HR_INT8: return hr_column_get_int64(column, row) == i * INT64_C(5000000000);
    case HR_FLOAT8: return hr_column_get_double(column, row) == (double)i / 3;
    case HR_DECIMAL: return hr_column_get_decimal(column, row).high == -i && hr_column_get_decimal(column, row).low == (uint64_t)i;
    case HR_INTERVAL: return hr_column_get_interval(column, row).micros == -i && hr_column_get_interval(column, row).months == i;
    case HR_UUID: return memcmp(column->values + row * 16, bytes, 16) == 0;
    case HR_TEXT:
        got = hr_column_get_bytes(column, row, &n);
        return n == (size_t)(i % 300) && (n == 0 || memcmp(got, bytes, n) == 0);
    default: break;
    }
    if (column->offsets[row + 1] - column->offsets[row] != i % 4)
        return false;
    for (int64_t k = 0; k < i % 4; k++)
        if (!right(column->child, column->offsets[row] + k, i + k))
            return false;
    return true;
}

/* The first `length` rows are as appended, and the counts agree with a count from scratch. */
static bool whole(const hr_column *column, int64_t length)
{
    int64_t nulls = 0;

    if (column->length != length)
        return false;
    for (int64_t i = 0; i < length; i++) {
        if (!right(column, i, i))
            return false;
        nulls += i % 3 == 2;
    }
    if (column->child != NULL && column->child->length != (length > 0 ? column->offsets[length] : 0))
        return false;
    if (column->type->kind == HR_TEXT && column->bytes.size != (length > 0 ? (size_t)column->offsets[length] : 0))
        return false;
    return column->null_count == nulls;
}

static const hr_kind kinds[] = {HR_BOOL, HR_INT2, HR_INT4, HR_INT8, HR_FLOAT8, HR_DECIMAL, HR_INTERVAL, HR_UUID, HR_TEXT, HR_ARRAY};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static hr_type element, types[KINDS];

/* Fill, cut at every length, fill again. */
static void test_columns(void)
{
    hr_error error;

    for (size_t k = 0; k < KINDS; k++) {
        hr_column column;
        CHECK(hr_column_init(&column, &types[k], &error) == HR_OK && column.length == 0 && column.capacity == 0);
        hr_column_truncate(&column, 0);
        CHECK(whole(&column, 0));
        for (int64_t cut = 0; cut < 200; cut += cut < 20 ? 1 : 13) {
            for (int64_t i = column.length; i < 200; i++)
                CHECK(append(&column, i, &error) == HR_OK);
            CHECK(whole(&column, 200), "kind %d filled after a cut", (int)kinds[k]);
            hr_column_truncate(&column, 200);
            CHECK(whole(&column, 200), "kind %d cut at its length", (int)kinds[k]);
            hr_column_truncate(&column, 250); /* more than there is: nothing to drop */
            CHECK(whole(&column, 200), "kind %d cut beyond its length", (int)kinds[k]);
            hr_column_truncate(&column, cut);
            CHECK(whole(&column, cut), "kind %d cut at %d", (int)kinds[k], (int)cut);
        }
        hr_column_free(&column);
        hr_column_free(&column); /* twice does nothing */
    }
}

/* A column whose nulls are all cut off has no nulls. One without any never gets a validity map. */
static void test_validity(void)
{
    hr_type type = plain(HR_INT4);
    hr_column column;
    hr_error error;

    for (int64_t before = 0; before < 140; before++) {
        CHECK(hr_column_init(&column, &type, &error) == HR_OK);
        for (int64_t i = 0; i < before; i++)
            CHECK(hr_column_append_int32(&column, 1, &error) == HR_OK);
        CHECK(column.validity == NULL);
        CHECK(hr_column_append_null(&column, &error) == HR_OK && column.null_count == 1);
        for (int64_t i = 0; i < 100; i++)
            CHECK(hr_column_append_int32(&column, 1, &error) == HR_OK);
        bool good = true;
        for (int64_t i = 0; i < column.length; i++)
            good = good && hr_column_is_null(&column, i) == (i == before);
        CHECK(good, "null at %d", (int)before);
        hr_column_truncate(&column, before);
        CHECK(column.null_count == 0);
        CHECK(hr_column_append_int32(&column, 5, &error) == HR_OK && !hr_column_is_null(&column, before));
        hr_column_free(&column);
    }
}

/* Each allocation fails once, at every place: the column is as before the call and goes on. */
static void test_column_faults(void)
{
    for (size_t k = 0; k < KINDS; k++) {
        bool fired = true;
        for (long n = 1; fired; n++) {
            hr_column column;
            hr_error error;
            int64_t i = 0;
            hr_fault_arm(n, false);
            int rc = hr_column_init(&column, &types[k], &error);
            if (rc == HR_OK) {
                while (i < 150) {
                    rc = append(&column, i, &error);
                    CHECK(rc == HR_OK || (rc == HR_ENOMEM && hr_fault_fired()));
                    if (rc != HR_OK)
                        CHECK(whole(&column, i), "kind %d, allocation %ld, row %d", (int)kinds[k], n, (int)i);
                    i += rc == HR_OK;
                }
                CHECK(whole(&column, 150), "kind %d, allocation %ld", (int)kinds[k], n);
            } else {
                CHECK(rc == HR_ENOMEM && kinds[k] == HR_ARRAY);
            }
            fired = hr_fault_fired();
            hr_fault_arm(0, false);
            hr_column_free(&column);
        }
    }
}

/* Bytes beyond what int32 offsets can say are refused before anything is written. */
static void test_limits(void)
{
    hr_type type = plain(HR_TEXT), list = plain(HR_ARRAY);
    hr_column column;
    hr_error error;

    CHECK(hr_column_init(&column, &type, &error) == HR_OK);
    CHECK(hr_column_append_bytes(&column, "", 0, &error) == HR_OK);
    size_t n = 1;
    CHECK(hr_column_get_bytes(&column, 0, &n) != NULL && n == 0); /* though nothing was ever allocated for it */
    hr_column_truncate(&column, 0);
    CHECK(hr_column_append_bytes(&column, "abc", 3, &error) == HR_OK);
    CHECK(hr_column_append_bytes(&column, "abc", (size_t)INT32_MAX - 2, &error) == HR_ENOMEM);
    CHECK(hr_column_append_bytes(&column, "abc", SIZE_MAX, &error) == HR_ENOMEM);
    CHECK(column.length == 1 && column.bytes.size == 3);
    CHECK(hr_column_reserve(&column, INT32_MAX, &error) == HR_ENOMEM && hr_column_reserve(&column, INT64_MAX, &error) == HR_ENOMEM);
    CHECK(hr_column_append_bytes(&column, NULL, 0, &error) == HR_OK && column.length == 2);
    hr_column_free(&column);
    list.element = &element;
    CHECK(hr_column_init(&column, &list, &error) == HR_OK);
    int64_t real = column.child->length;
    column.child->length = (int64_t)INT32_MAX + 1;
    CHECK(hr_column_append_list(&column, &error) == HR_ENOMEM && column.length == 0);
    column.child->length = real;
    hr_column_free(&column);
}

/* ---- batches ---- */

static hr_schema *make_schema(void)
{
    hr_schema *schema;
    char name[32];

    if (hr_schema_new(&schema, NULL) != HR_OK)
        abort();
    for (size_t k = 0; k < KINDS; k++) {
        snprintf(name, sizeof(name), "c%zu", k);
        if (hr_schema_add(schema, name, &types[k], false, k == 1, NULL, NULL) != HR_OK)
            abort();
    }
    return schema;
}

/* One row in all columns, as a decoder does it: all or nothing. */
static int append_row(hr_batch *batch, int64_t i, hr_error *error)
{
    int rc = hr_batch_reserve_absent(batch, error);

    for (size_t k = 0; k < KINDS && rc == HR_OK; k++)
        rc = append(&batch->columns[k], i, error);
    if (rc != HR_OK) {
        hr_batch_truncate(batch, batch->length);
        return rc;
    }
    batch->absent[batch->length++] = (uint64_t)i;
    return HR_OK;
}

static bool batch_whole(const hr_batch *batch, int64_t length)
{
    bool good = batch->length == length;

    for (size_t k = 0; k < KINDS; k++)
        good = good && whole(&batch->columns[k], length);
    for (int64_t i = 0; i < length; i++)
        good = good && batch->absent[i] == (uint64_t)i;
    return good;
}

static void test_batch(void)
{
    hr_schema *schema = make_schema();
    hr_batch *batch;
    hr_error error;

    CHECK(hr_batch_new(schema, &batch, &error) == HR_OK);
    hr_schema_release(schema); /* the batch holds it */
    CHECK(hr_batch_memory(batch) > 0);
    hr_batch_clear(batch);
    hr_batch_truncate(batch, 0);
    for (int round = 0; round < 3; round++) {
        for (int64_t i = batch->length; i < 500; i++)
            CHECK(append_row(batch, i, &error) == HR_OK);
        CHECK(batch_whole(batch, 500));
        hr_batch_truncate(batch, 1000);
        CHECK(batch_whole(batch, 500));
        hr_batch_truncate(batch, 77);
        CHECK(batch_whole(batch, 77));
        if (round == 1)
            hr_batch_clear(batch);
    }
    CHECK(hr_batch_memory(batch) > 500 * (1 + 2 + 4 + 8 + 8 + 16 + 16 + 16));
    hr_batch_free(batch);
    hr_batch_free(NULL);
}

static void test_batch_faults(void)
{
    bool fired = true;

    for (long n = 1; fired; n++) {
        hr_schema *schema = make_schema();
        hr_batch *batch;
        hr_error error;
        hr_fault_arm(n, false);
        int rc = hr_batch_new(schema, &batch, &error);
        hr_schema_release(schema);
        if (rc != HR_OK) {
            CHECK(rc == HR_ENOMEM && hr_fault_fired() && batch == NULL);
            continue;
        }
        for (int64_t i = 0; i < 140;) {
            rc = append_row(batch, i, &error);
            CHECK(rc == HR_OK || (rc == HR_ENOMEM && batch_whole(batch, i)), "allocation %ld, row %d", n, (int)i);
            i += rc == HR_OK;
        }
        CHECK(batch_whole(batch, 140), "allocation %ld", n);
        fired = hr_fault_fired();
        hr_fault_arm(0, false);
        hr_batch_free(batch);
    }
}

int main(void)
{
    element = plain(HR_TEXT);
    for (size_t k = 0; k < KINDS; k++)
        types[k] = plain(kinds[k]);
    types[KINDS - 1].element = &element;
    test_error();
    test_arena();
    test_buffer();
    test_schema();
    test_schema_defaults();
    test_schema_faults();
    test_columns();
    test_validity();
    test_column_faults();
    test_limits();
    test_batch();
    test_batch_faults();
    return CHECK_DONE();
}
