/* tests/fuzz/fuzz_types.c: any text as a value of any type: byte 0 chooses the type, byte 1 where the text came from. What was read is
 * written, read and written again without change, in text and in binary; the short ways of decode_short.h agree with the type's own. */
#include "core/bytes.h"
#include "core/decode/decode_short.h"
#include "core/json/json_scan.h"
#include "fuzz_values.h"

typedef struct value_texts {
    hr_buffer text, again, field;
} value_texts;

static int parse(const hr_type *type, hr_token token, const void *s, size_t n, hr_column *column, hr_error *error)
{
    const int64_t rows = column->length, nulls = column->null_count, below = column->child != NULL ? column->child->length : 0;
    const size_t bytes = column->bytes.size;
    char *exact = fuzz_exact(s, n);
    int rc;

    hr_error_clear(error);
    rc = hr_type_ops_of(type)->parse(type, token, exact, n, column, error);
    FUZZ_AGREE(rc == HR_OK || rc == HR_EDATA, "%s: %d", type->name, rc);
    FUZZ_AGREE(column->length == rows + (rc == HR_OK) && column->null_count == nulls, "%s", type->name);
    if (rc == HR_EDATA) {
        /* the bytes of a list column are scratch */
        FUZZ_AGREE(column->child != NULL ? column->child->length == below : column->bytes.size == bytes, "%s", type->name);
        FUZZ_AGREE(error->code == HR_EDATA && error->reason != HR_REASON_NONE && error->message[0] != '\0', "%s", type->name);
        FUZZ_AGREE(hr_utf8_validate(error->message, strlen(error->message), NULL), "%s: %s", type->name, error->message);
        error->value = NULL;
    }
    free(exact);
    return rc;
}

/* Row `row` as text; false when it cannot be said (a jsonb of endless numbers). */
static bool print(const hr_type *type, const hr_column *column, int64_t row, hr_buffer *out)
{
    hr_error error;
    int rc;

    out->size = 0;
    rc = hr_type_ops_of(type)->write_text(type, column, row, out, &error);
    if (rc == HR_EDATA && fuzz_is_jsonb(type))
        return false;
    FUZZ_AGREE(rc == HR_OK, "%s: %s", type->name, error.message);
    FUZZ_AGREE(hr_utf8_validate((const char *)out->data, out->size, NULL), "%s", type->name);
    return true;
}

/* The way out and in again. */
static void there_and_back(const hr_type *type, hr_column *column, value_texts *texts)
{
    const hr_type_ops *ops = hr_type_ops_of(type);
    const int64_t row = column->length - 1;
    hr_error error;
    uint8_t *bytes;

    if (!print(type, column, row, &texts->text))
        return;
    if (texts->text.size >= 24 && memmem(texts->text.data, texts->text.size, "-2562047788:00:54.775808", 24) != NULL)
        return; /* the least interval: the server does not read what it writes */
    FUZZ_AGREE(parse(type, HR_TOKEN_TEXT, texts->text.data, texts->text.size, column, &error) == HR_OK, "%s \"%.*s\": %s", type->name,
               (int)texts->text.size, (char *)texts->text.data, error.message);
    FUZZ_REQUIRE(print(type, column, row + 1, &texts->again));
    FUZZ_AGREE(fuzz_same(&texts->text, &texts->again), "%s \"%.*s\" becomes \"%.*s\"", type->name, (int)texts->text.size,
               (char *)texts->text.data, (int)texts->again.size, (char *)texts->again.data);
    if (!fuzz_has_binary(type))
        return;
    texts->field.size = texts->again.size = 0;
    FUZZ_REQUIRE(ops->write_binary(type, column, row, &texts->field, &error) == HR_OK);
    FUZZ_REQUIRE(texts->field.size >= 4 && hr_load_be32(texts->field.data) == texts->field.size - 4);
    bytes = (uint8_t *)fuzz_exact(texts->field.data + 4, texts->field.size - 4);
    FUZZ_AGREE(ops->read_binary(type, bytes, (int32_t)texts->field.size - 4, column, &error) == HR_OK, "%s: %s", type->name, error.message);
    free(bytes);
    FUZZ_REQUIRE(ops->write_binary(type, column, row + 2, &texts->again, &error) == HR_OK && fuzz_same(&texts->field, &texts->again));
    FUZZ_REQUIRE(print(type, column, row + 2, &texts->again));
    FUZZ_AGREE(fuzz_same(&texts->text, &texts->again), "%s through binary", type->name);
}

/* decode_short.h with `room` readable bytes after the value. */
static void short_way(const hr_type *type, hr_token token, const char *s, size_t n, size_t room, const hr_column *column, bool good,
                      value_texts *texts)
{
    hr_decode_step step = {.parse = hr_type_ops_of(type)->parse, .type = type};
    char *wide = calloc(1, n + room + 1);
    hr_column out;
    hr_error error;
    int rc;

    FUZZ_REQUIRE(wide != NULL && hr_column_init(&out, type, NULL) == HR_OK);
    if (n > 0)
        memcpy(wide, s, n);
    memset(wide + n, "0.\"5"[room % 4], room);
    step.road = type->kind == HR_INT4                             ? HR_ROAD_INT4
                : type->kind == HR_INT8                           ? HR_ROAD_INT8
                : type->kind == HR_DECIMAL                        ? HR_ROAD_DECIMAL
                : type->kind == HR_TEXT && token != HR_TOKEN_TEXT ? HR_ROAD_TEXT
                                                                  : HR_ROAD_PARSE;
    rc = hr_decode_plain(&step, token, wide, n, wide + n + room, &out, &error);
    FUZZ_AGREE((rc == HR_OK) == good, "%s \"%.*s\": %d", type->name, (int)n, s, rc);
    if (good) {
        print(type, &out, 0, &texts->text);
        print(type, column, column->length - 1, &texts->again);
        FUZZ_AGREE(fuzz_same(&texts->text, &texts->again), "%s \"%.*s\"", type->name, (int)n, s);
    }
    hr_column_free(&out);
    free(wide);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static value_texts texts;
    fuzz_input in = {data, data + size};
    hr_type type = *fuzz_type(fuzz_byte(&in));
    unsigned how = fuzz_byte(&in);
    const char *s = (const char *)in.at;
    size_t n = fuzz_left(&in);
    hr_token token = HR_TOKEN_TEXT;
    hr_column column;
    hr_error error;
    int rc;

    type.server_version = how & 8 ? 150015 : 0;
    if ((how & 0x70) != 0 && type.unit == HR_UNIT_NONE && (type.kind >= HR_DATE && type.kind <= HR_INTERVAL))
        type.unit = (hr_time_unit)((how >> 4 & 7) % 6);
    if (how & 1) { /* as the JSON decoder hands it over */
        token = fuzz_json_token(&type, &s, &n);
        if (token == HR_TOKEN_NULL)
            return 0;
    }
    FUZZ_REQUIRE(hr_column_init(&column, &type, NULL) == HR_OK);
    if (how & 2)
        FUZZ_REQUIRE(hr_column_append_null(&column, NULL) == HR_OK);
    rc = parse(&type, token, s, n, &column, &error);
    if (type.kind == HR_INT4 || type.kind == HR_INT8 || type.kind == HR_TEXT || (type.kind == HR_DECIMAL && type.precision <= 18))
        short_way(&type, token, s, n, how & 4 ? 40 : how >> 4, &column, rc == HR_OK, &texts);
    if (rc == HR_OK)
        there_and_back(&type, &column, &texts);
    hr_column_free(&column);
    return 0;
}
